/* exec/worker.h - one worker thread's world: its loop, its connections to all servers, its plans, its sessions. Workers
 * share nothing that changes: the map, the settings and the servers come as immutable, counted objects by message.
 * Everything here belongs to the worker's thread, but for worker_install() and the objects it carries. */
#ifndef KEYWAY_EXEC_WORKER_H
#define KEYWAY_EXEC_WORKER_H

#include "keyway/backend/choose.h"
#include "keyway/backend/pool.h"
#include "keyway/backend/verdict.h"
#include "keyway/cluster/snapshot.h"
#include "keyway/ids/ids.h"
#include "keyway/plan/plan.h"
#include "keyway/sql/scan.h"
#include "keyway/topo/topo.h"

/* A snapshot of the map together with the servers behind it, resolved. Made by the control thread, then immutable. */
struct route_keyspace {
	struct server ***servers;	/* [shard][backend] */
	struct shard_verdict *verdicts; /* [shard] */
	bool single;			/* transactions may touch one shard only */
};

struct routes {
	atomic_uint refs;
	struct snapshot *snapshot;
	struct route_keyspace *keyspaces; /* parallel to snapshot->map->keyspaces */
};

/* Takes over the references on @snapshot and on the servers. */
struct routes *routes_new(struct snapshot *snapshot, struct route_keyspace *keyspaces);
struct routes *routes_ref(struct routes *r);
void routes_unref(struct routes *r);

/* Where plain reads may go. */
enum reads {
	READS_PRIMARY,
	READS_REPLICA,
	READS_CAUSAL, /* to replicas that have all that the session has seen */
};

extern const char *const reads_name[];

/* Which nearness counts for them. */
enum reads_tier { READS_TIER_ZONE, READS_TIER_REGION, READS_TIER_ANY };

struct exec_zone {
	char *name, *region;
};

/* What the worker takes from the daemon's settings; immutable, counted, replaced whole on reload. */
struct exec_config {
	atomic_uint refs;
	char *az, *region; /* of this proxy; "": not known */
	struct exec_zone *zones;
	uint32_t n_zones;
	uint8_t tiers[CHOOSE_TIERS]; /* enum reads_tier, in the order of preference */
	uint32_t n_tiers;
	struct choose_limits reads;
	uint64_t causal_wait_us; /* 0: not at all */
	bool reads_fallback;	 /* the primary reads what no replica can */
	struct pool_config pool;
	uint64_t id_wait_us;
	uint64_t query_timeout_us; /* 0: none */
	uint64_t hold_wait_us;	   /* how long a statement waits for its shard to have a server; 0: it does not */
	uint32_t hold_max;	   /* statements that may wait for one shard, all workers */
	size_t max_packet_bytes;
	size_t max_statement_memory_bytes;
	uint32_t max_prepared; /* statements of one session */
	uint32_t max_plans;
	char *server_version;  /* "": what the servers say */
	unsigned collation_id; /* 0: what the servers say */
};

struct exec_config *exec_config_ref(struct exec_config *c);
void exec_config_unref(struct exec_config *c);

struct hold_gauge;

/* One proxy as it describes itself in the store: texts, which live for the call; NULL: it does not say. */
struct proxy_record {
	const char *id, *address, *socket, *version, *az;
	const char *epochs;  /* "shop 12, users 3" */
	const char *refused; /* "shop <why>" */
	const char *trouble; /* with the store */
	uint64_t pid, started_us;
	bool stopping, from_cache;
};
typedef void proxy_record_fn(void *arg, const struct proxy_record *r);

/* What workers have done by a thread that may block. */
struct control {
	void *arg;
	/* @run(@run_arg) there, after what was posted before; false: too much waits. Any thread. */
	bool (*post)(void *arg, void (*run)(void *), void *run_arg);
	/* On that thread only: reads the proxies' records. Negative: the store did not answer. */
	int (*proxies)(void *arg, proxy_record_fn *row, void *row_arg, struct err *err);
};

/* Shared by all workers; thread-safe by itself. */
struct process {
	struct topo *topo;
	struct ids *ids; /* NULL: no allocators */
	struct control control;
	struct worker **workers;
	uint32_t n_workers;
	uint64_t scan_seed;
	uint64_t started_us;
	struct zones *zones; /* traffic between zones: backend/zones.h */
	/* A worker has taken over new routes: called on its thread, and may not block. NULL: nobody asks. */
	void (*installed)(void *arg);
	void *installed_arg;
	_Atomic(struct hold_gauge *) holds; /* exec/hold.h */
};

/* A replica of a shard, as this worker reaches it. */
struct replica_route {
	struct pool *pool;
	uint32_t index; /* of its backend in the shard */
	uint16_t weight;
	uint8_t tier;		   /* place in exec_config.tiers; CHOOSE_TIERS: not to be read */
	uint64_t no_wait_until_us; /* a causal read has waited for it in vain */
};

/* One shard as this worker reaches it. */
struct shard_route {
	/* Where statements for the primary, or for one side of a pair, go now. NULL: the host has no address, or the
	 * verdict names none and they wait. */
	struct pool *primary; /* pair: that of the home side */
	struct pool *side[2]; /* pairs only, by enum pair_side */
	uint8_t hold;	      /* enum verdict_hold */
	struct replica_route *replicas;
	uint32_t n_replicas;
	struct chooser *chooser; /* NULL: no replicas */
	const char *db;		 /* interned name of its database; NULL in the keyspace `*` */
	const char *name;
};

struct keyspace_route {
	const struct keyspace *ks;
	const char *name; /* interned: an identity that outlives maps */
	struct shard_route *shards;
	bool single;
};

struct run;
struct ptext;

struct worker_stats {
	uint64_t questions, slow, errors, bytes_in, bytes_out;
	uint64_t routed[8]; /* by enum plan_kind */
};

/* Reads that were allowed to go to a replica. Written by one worker, read by any thread: relaxed. */
struct reads_counts {
	atomic_uint_fast64_t near;	    /* to the nearest tier of reads.tiers */
	atomic_uint_fast64_t spilled;	    /* to a further one */
	atomic_uint_fast64_t probes;	    /* to another tier, to know its latency */
	atomic_uint_fast64_t primary;	    /* no replica could serve */
	atomic_uint_fast64_t moved;	    /* once more, since the first server failed */
	atomic_uint_fast64_t causal_known;  /* the replica was known to be new enough */
	atomic_uint_fast64_t causal_waited; /* it was after a wait */
	atomic_uint_fast64_t causal_late;   /* it was not: the primary answered */
};

/* The same, of all workers together. */
struct reads_stats {
	uint64_t near, spilled, probes, primary, moved, causal_known, causal_waited, causal_late;
};
/* Any thread, while the workers exist. */
void reads_sum(const struct process *p, struct reads_stats *out);

struct worker {
	struct process *process;
	struct loop *loop;
	uint32_t index;
	struct exec_config *cfg;
	struct routes *routes;
	atomic_uint_least64_t generation; /* of their snapshot, for other threads: all that comes now goes by it */
	struct keyspace_route *keyspaces; /* parallel to the map's */
	struct pool **pools;
	uint32_t n_pools;
	struct settings_table *settings;
	struct plan_cache *plans;
	struct digest_table *digests;
	struct scan scan;
	struct plan_insert_run insert;
	struct name *names;   /* interned texts */
	struct ptext *ptexts; /* prepared texts, interned */
	struct list sessions; /* session.link */
	uint32_t n_sessions;
	uint32_t next_serial;
	struct session *by_id;
	struct run *free_runs;
	struct list held;    /* run.hold_link: statements that wait for their shard, oldest first */
	struct list leasing; /* leg.wait_link: legs that wait for a connection */
	struct wheel_timer hold_tick;
	struct loop_task hold_wake;
	uint16_t *shard_scratch; /* room for the shards of the largest keyspace */
	uint64_t last_refresh_us;
	uint32_t refreshing; /* statements that wait for a schema */
	struct buf hold;     /* small pieces of an answer, until they go out with what follows */
	const struct session *hold_of;
	struct worker_stats stats;
	struct reads_counts reads;
	void *front; /* the listener side's own */
};

/* @cfg and @routes: references are taken. */
struct worker *worker_new(struct process *process, uint32_t index, struct exec_config *cfg, struct routes *routes);
/* After its loop has ended and its sessions are gone. */
void worker_free(struct worker *w);

/* From any thread: the worker goes on with these (either may be NULL: stays). References are taken. */
void worker_install(struct worker *w, struct routes *routes, struct exec_config *cfg);

/* One text for all equal texts: compare by pointer. Lives as long as the worker. */
const char *worker_intern(struct worker *w, struct str s);

const struct keyspace_route *worker_keyspace(const struct worker *w, const struct keyspace *ks);

static inline const struct snapshot *worker_snapshot(const struct worker *w)
{
	return w->routes->snapshot;
}

#endif
