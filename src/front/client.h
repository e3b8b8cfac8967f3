/* client.h - one client connection, from accept to close. Worker thread.
 *
 *  GREETED -> (TLS -> GREETED ->) AUTH -> (SELECTING ->) READY <-> RUNNING ;  READY -> AUTH (COM_CHANGE_USER) ;
 *  any -> CLOSED
 */
#ifndef KEYWAY_FRONT_CLIENT_H
#define KEYWAY_FRONT_CLIENT_H

#include "keyway/front/front.h"
#include "keyway/wire/greeting.h"

enum client_state {
	CLIENT_GREETED,
	CLIENT_TLS,
	CLIENT_AUTH,
	CLIENT_SELECTING, /* logged in; the server behind `*` is asked for the database */
	CLIENT_READY,
	CLIENT_RUNNING,
	CLIENT_INFILE, /* RUNNING, and the client sends a file */
	CLIENT_CLOSED,
};

enum auth_step { AUTH_FIRST, AUTH_SWITCHED, AUTH_SHA2_WANTS_PASSWORD, AUTH_SHA2_SENT_KEY };

/* Kept only until the login has ended. */
struct client_login {
	uint8_t salt[AUTH_SALT_BYTES];
	uint8_t step;  /* enum auth_step */
	bool sha2;     /* the method under way; else native */
	bool changing; /* COM_CHANGE_USER */
	char user[128 + 1];
	size_t user_n;
	char *db;
	unsigned charset;
	bool has_password;
};

struct client {
	struct stream st;
	struct session s;
	struct front *f;
	struct list link;
	struct buf in; /* bytes not yet made into commands */
	struct wheel_timer timer;
	struct loop_task gone, again;
	struct client_login *login;
	uint64_t active_us;
	uint32_t caps;
	uint8_t state; /* enum client_state */
	uint8_t seq;   /* wanted of the next packet during the login */
	bool has_session, counted, processing, local;
	struct user_state *user_state; /* counted there */
	char host[64];
};

struct user_state; /* per account name, in front_shared */

struct front {
	struct worker *w;
	struct front_shared *shared;
	struct front_config *cfg;
	struct listener **listeners;
	uint32_t n_listeners;
	struct list clients;
	uint32_t n_clients;
	uint64_t drain_deadline_us; /* 0: not draining */
	struct wheel_timer drain;
};

void client_accept(void *arg, int fd);
void client_close(struct client *c);
/* Commands that have come are run, one after the other. */
void client_process(struct client *c);
void client_drain(struct client *c);
void client_send_err(struct client *c, const struct err *e);

/* login.c */
void login_start(struct client *c);
/* One packet of the login. */
void login_packet(struct client *c, const struct packet *pk, size_t bytes_behind);
void login_change_user(struct client *c, const struct packet *pk);
void login_free(struct client *c);
/* The account is proved: the session begins. In client.c. */
void client_logged_in(struct client *c, const struct front_user *u);

/* config.c */
const struct front_user *front_user_find(const struct front_config *cfg, struct str name);
/* Counts a client in; false: the limits are met. */
bool shared_client_in(struct front_shared *sh, uint32_t max);
void shared_client_out(struct front_shared *sh);
struct user_state *shared_user(struct front_shared *sh, const char *name);
bool user_in(struct user_state *u, uint32_t max);
void user_out(struct user_state *u);
/* SHA256(SHA256(password)) that a full login proved under this very verifier. */
bool user_fast_get(struct front_shared *sh, struct user_state *u, const char *verifier, uint8_t out[AUTH_SHA2_BYTES]);
void user_fast_put(
	struct front_shared *sh, struct user_state *u, const char *verifier, const uint8_t fast[AUTH_SHA2_BYTES]);
const struct rsa_key *shared_rsa(struct front_shared *sh);

#endif
