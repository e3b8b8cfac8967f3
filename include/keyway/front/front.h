/* front/front.h - the door for clients: listening, the login, commands in and out of sessions. One struct front per
 * worker; what workers share (settings, users, counts) is in front_config and front_shared. */
#ifndef KEYWAY_FRONT_FRONT_H
#define KEYWAY_FRONT_FRONT_H

#include "keyway/exec/session.h"
#include "keyway/wire/auth.h"

enum front_tls { FRONT_TLS_OFF, FRONT_TLS_OPTIONAL, FRONT_TLS_REQUIRED };

/* An account. Verifiers only: passwords are never kept. */
struct front_user {
	char *name;
	bool has_native;
	uint8_t native[AUTH_NATIVE_BYTES];
	char *sha2; /* "$A$005$…", or NULL */
	bool no_password, admin, tls_required;
	enum reads reads;
	char *keyspace;		  /* selected after the login; NULL: none */
	uint32_t max_connections; /* 0: that of the config */
};

/* From the daemon's settings; immutable, counted. */
struct front_config {
	atomic_uint refs;
	struct front_user *users;
	uint32_t n_users;
	SSL_CTX *tls_ctx; /* NULL: no TLS */
	enum front_tls tls_mode;
	uint32_t max_connections, max_user_connections; /* 0: no limit */
	size_t max_packet_bytes;
	uint64_t handshake_timeout_us, idle_timeout_us;
};

struct front_config *front_config_ref(struct front_config *c);
void front_config_unref(struct front_config *c);

struct front_shared; /* counts of clients, passwords proved lately, the RSA key: any thread */
struct front_shared *front_shared_new(void);
void front_shared_free(struct front_shared *sh);
uint32_t front_clients(const struct front_shared *sh);

struct front;

/* On the worker's thread or before it runs. @fds: listening sockets, owned by the caller. */
struct front *front_new(
	struct worker *w, struct front_shared *sh, struct front_config *cfg, const int *fds, uint32_t n_fds);
/* From any thread: go on with @cfg. A reference is taken. */
void front_install(struct front *f, struct front_config *cfg);
/* From any thread: accept no more; close clients as they become idle outside a transaction, the rest at the deadline
 * (monotonic clock); then stop the loop. */
void front_drain(struct front *f, uint64_t deadline_us);
/* After the loop has ended. */
void front_free(struct front *f);

#endif
