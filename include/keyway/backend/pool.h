/* backend/pool.h - one worker's connections to one server, idle and leased. A pool belongs to one loop thread; nothing
 * here locks. The most recently used idle connection is given out first, so that a server sees few busy connections
 * rather than many. */
#ifndef KEYWAY_BACKEND_POOL_H
#define KEYWAY_BACKEND_POOL_H

#include "keyway/backend/bconn.h"
#include "keyway/backend/zones.h"

struct pool; /* opaque */

struct pool_config {
	uint32_t max_conns;	      /* to one server, all workers together */
	uint32_t queue_max;	      /* leases that may wait in one worker */
	uint32_t connects_per_second; /* to one server; 0: no limit */
	uint64_t connect_timeout_us;
	uint64_t queue_timeout_us; /* a lease not served by then ends in 1040 */
	uint64_t idle_us;	   /* close after this long unused; 0: keep */
	uint64_t max_life_us;	   /* close at the next return to the pool; 0: keep */
};

/* What a connection must be like: things that no command can change. */
struct lease_want {
	bool found_rows;  /* CLIENT_FOUND_ROWS of the client: a property of the login */
	bool no_database; /* none selected: a database cannot be unselected */
	bool hasty;	  /* rather fail at once than wait for a server that cannot be reached: there are others */
};

struct lease;
/* Runs once, from the loop, never inside pool_lease(). @c NULL: @err says why. */
typedef void lease_done_fn(struct lease *l, struct bconn *c, const struct err *err);

struct lease {
	struct list link;
	struct pool *pool; /* NULL: not waiting */
	struct wheel_timer deadline;
	lease_done_fn *done;
	struct lease_want want;
};

/* Takes a reference on @server; borrows @loop, @settings and @cfg. */
struct pool *pool_new(
	struct loop *loop, struct settings_table *settings, struct server *server, const struct pool_config *cfg);
/* Closes idle connections; leased ones close when they come back, and the pool is freed with the last. Waiting leases
 * fail. */
void pool_retire(struct pool *p);
struct server *pool_server(struct pool *p);
/* From now on @cfg, which is borrowed. */
void pool_reconfigure(struct pool *p, const struct pool_config *cfg);

/* An idle connection at once, or NULL: the hot path. The holder then sets c->ops and c->holder. */
struct bconn *pool_try(struct pool *p, struct lease_want want);
/* Otherwise: waits for one. @l is the caller's and stays put until @done, which runs once. */
void pool_lease(struct pool *p, struct lease *l, struct lease_want want, lease_done_fn *done);
/* Takes a waiting lease out; @done will not run. Harmless when it is not waiting. */
void lease_cancel(struct lease *l);

/* Gives a connection back: it must be idle (no reply outstanding) and outside a transaction. A connection whose state
 * we do not know (@dirty) is reset before another lease can see it. */
void pool_release(struct bconn *c, bool dirty);
/* Closes a leased connection: its state is unknown or a reply is outstanding. */
void pool_discard(struct bconn *c);

/* Calls @fn for every leased connection; it may give them up, not back. */
void pool_each_leased(struct pool *p, void (*fn)(struct bconn *c, void *arg), void *arg);

/* KILL [QUERY] of @c's thread over a connection of its own, bounded by the connect timeout; nobody waits for it. @c
 * never goes back to the pool after this, since the KILL may arrive late. */
void pool_kill(struct bconn *c, bool query_only);

/* Closes the statement prepared for @key on every connection. */
void pool_forget_stmt(struct pool *p, const void *key);

/* From now on statements and bytes are counted in @zone, which must outlive the pool, as they are in the server's
 * health: added up about every tenth of a second. */
void pool_count_in(struct pool *p, struct zone_pair *zone);

struct pool_stats {
	uint32_t idle, leased, connecting, waiting;
};
void pool_stats(const struct pool *p, struct pool_stats *out);

#endif
