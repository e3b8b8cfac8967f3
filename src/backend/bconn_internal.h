/* bconn_internal.h - what bconn.c, login.c and pool.c share. Worker thread. */
#ifndef KEYWAY_BACKEND_BCONN_INTERNAL_H
#define KEYWAY_BACKEND_BCONN_INTERNAL_H

#include "keyway/backend/pool.h"

struct pool {
	struct loop *loop;
	struct settings_table *settings;
	struct server *server;
	const struct pool_config *cfg;
	struct list idle;    /* bconn.link, most recently used first */
	struct list leased;  /* bconn.link */
	struct list opening; /* bconn.link: from connect to the end of login, and resets */
	struct list waiting; /* lease.link, oldest first */
	uint32_t n_idle, n_leased, n_opening, n_waiting;
	uint32_t n_closing; /* closed, to be freed from the loop */
	bool starving;	    /* counted in server->starving */
	bool retired;
	struct wheel_timer tick;
	struct loop_task serve;
	struct err last_err; /* why connecting last failed */
	/* since they were last added to the server's and the zones' */
	uint64_t statements, errors, bytes_sent, bytes_got;
	struct zone_pair *zone; /* NULL: not counted */
};

/* A connection that does one errand and closes: KILL. */
struct bconn *bconn_new(struct pool *p, bool found_rows);
void bconn_goto(struct bconn *c, enum bconn_state to);
MUST_CHECK int bconn_connect(struct bconn *c);
/* Closes the socket, takes it out of its list; it is freed from the loop (a caller further up may still look at its
 * state). The holder is not told. */
void bconn_close(struct bconn *c);
void bconn_free(struct bconn *c);
/* From the login or the loop: the connection failed; tells pool or holder. */
void bconn_fail(struct bconn *c, enum mysql_errno no, const char *fmt, ...) PRINTF(3, 4);

/* login.c: one step for a readable stream in GREETING or LOGIN. */
void login_readable(struct bconn *c);
void login_secured(struct bconn *c, const char *errtext);

/* pool.c: what connections report */
void pool_conn_ready(struct bconn *c);
void pool_conn_failed(struct bconn *c); /* not leased; c->why says why */
void pool_conn_freed(struct bconn *c);
void pool_close(struct bconn *c); /* not leased; without fault */

/* Sends what makes a fresh or reset session ours; the answer ends in pool_conn_ready(). */
void bconn_init_session(struct bconn *c, bool reset_first);

#endif
