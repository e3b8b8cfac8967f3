/* job.h - an operation as a list of steps, each journaled in the store before it acts, so that whoever comes after a
 * tool that died can go on or go back. One job per shard at a time, by a lock in the store. One thread; calls block.
 *
 *  DOING -> DONE ;  DOING -> UNDOING -> UNDONE ;  UNDOING -> STUCK (an undo failed: abort tries again)
 *
 * ops/<id>              the journal: {"id", "kind", "keyspace", "shard", "args", "phase", "index", "step", "memo", …}
 * locks/<keyspace>/<shard>  who works on the shard: {"op", "owner", "beat"}
 */
#ifndef KEYWAY_OPS_JOB_H
#define KEYWAY_OPS_JOB_H

#include "pair.h"
#include "keyway/ops/map_change.h"
#include <jansson.h>

struct job;

enum { JOB_AGAIN = 1 }; /* of act: not now; the steps since the last one with .retry are undone and tried again */

/* @arg: what the entry says (a side). All must be repeatable: a step may have been done, or half done, already. */
struct job_step {
	const char *name;
	const char *describe; /* with %s for the side's name, if it has one */
	int (*act)(struct job *j, int arg, struct err *err);
	int (*undo)(struct job *j, int arg, struct err *err); /* NULL: nothing to undo */
	bool retry;					      /* JOB_AGAIN of a later step comes back to here */
	bool last_way_back; /* once it has taken effect (see .done) the job only goes forward */
	int (*done)(struct job *j, int arg, struct err *err); /* 1: it has taken effect, 0: not */
};

#define JOB_NO_SIDE (-1)

struct job_entry {
	const struct job_step *step;
	int arg;
};

/* A kind of job: how its list of steps is made from its arguments, and what is checked before it is begun. */
struct job_kind {
	const char *name;
	/* Fills @out (room for JOB_ENTRIES_MAX); the same list for the same arguments. */
	uint32_t (*plan)(struct job *j, struct job_entry *out);
	/* Instead of undoing step by step: looks at how things are and puts them back. NULL: the steps' undo. */
	int (*back)(struct job *j, struct err *err);
};

#define JOB_ENTRIES_MAX 64
#define JOB_ID_MAX	40

struct job {
	const struct ops *o;
	const struct job_kind *kind;
	char id[JOB_ID_MAX];
	const char *keyspace, *shard; /* in record */
	json_t *record, *args, *memo; /* args, memo: in record */
	uint64_t record_version, lock_version, beat;
	uint64_t beat_us;
	struct job_entry entries[JOB_ENTRIES_MAX];
	uint32_t entry_n;
	bool undoing;
	/* opened when first asked for */
	struct keyspace *ks, *pair_ks, *dbs_ks;
	const struct shard *sh;
	struct pair pair;
	bool pair_open;
	struct db *dbs; /* job_db() */
	uint32_t db_n;
	uint64_t held_us; /* monotonic: statements are held since; 0: they are not */
	uint64_t retry_until_us;
};

struct job_options {
	const char *resume; /* an id; NULL: a new one, or the unfinished one of the same kind, shard and arguments */
	bool force;	    /* take the lock of an owner that does not look dead */
};

/* Begins or resumes. @args is taken over. Runs to its end: 0 done; negative: failed, and undone as far as @err and the
 * record say. @out: optional, the job's memo at the end (a new reference). */
MUST_CHECK int job_run(const struct ops *o, const struct job_kind *kind, const char *keyspace, const char *shard,
	json_t *args, const struct job_options *opt, json_t **out, struct err *err);
/* Goes back (or forward, behind the last way back). */
MUST_CHECK int job_abort(const struct ops *o, const char *id, bool force, struct err *err);
MUST_CHECK int job_resume(const struct ops *o, const char *id, bool force, struct err *err);

/* Rises with time. */
void job_new_id(char out[JOB_ID_MAX]);
/* The kind by its name; NULL: none (jobs.c). */
const struct job_kind *job_kind_find(const char *name);

/* --- for the steps --- */

/* Heartbeat, Ctrl-C: call it at least once a second while waiting. Negative: stop. */
MUST_CHECK int job_tick(struct job *j, struct err *err);
/* memo has changed: into the store. */
MUST_CHECK int job_save(struct job *j, struct err *err);
/* The map as it is now, j->ks and j->sh. */
MUST_CHECK int job_map(struct job *j, struct err *err);
/* Both sides of the pair, connected. */
MUST_CHECK int job_pair(struct job *j, struct pair **out, struct err *err);
/* A server of the shard by its name in the map, connected. */
MUST_CHECK int job_db(struct job *j, const char *backend, struct db **out, struct err *err);
void job_say(const struct job *j, enum ops_say kind, const char *fmt, ...) PRINTF(3, 4);

const char *job_arg(const struct job *j, const char *name);
uint64_t job_arg_us(const struct job *j, const char *name, uint64_t otherwise);
bool job_arg_true(const struct job *j, const char *name);

/* --- the map (job_map.c) --- */

/* ops_map_change() if the lock is still ours; then j->ks is the map as it is. Nothing is written when @edit changes
 * nothing. */
MUST_CHECK int job_map_change(struct job *j, ops_edit_fn *edit, void *arg, const char *why, struct err *err);
MUST_CHECK int job_set_state(
	struct job *j, const struct backend_def *def, enum backend_state state, const char *why, struct err *err);

/* What a server's traffic is called in the proxies' records: "even", "odd", or "primary". */
struct job_wait {
	uint64_t epoch;
	const char *part; /* NULL: wait for the epoch only; else also until nothing older goes on there */
	uint64_t timeout_us;
};
/* Until every live proxy serves the epoch and has settled the part. 1: not in time, and who holds it up was said. */
MUST_CHECK int job_wait_proxies(struct job *j, const struct job_wait *w, struct err *err);
/* The steps between hold and the end of the pause. */
uint64_t job_pause_left(struct job *j); /* of the time for which statements may be held */
void job_pause_ends(struct job *j, const char *whose);
/* Nothing from before the newest map is under way for @part. 1: not within the pause (or it was not to be killed). @db:
 * where it runs, for --kill. */
MUST_CHECK int job_settle(struct job *j, const char *part, struct db *db, struct err *err);
/* @db has applied @pos, within what is left of the pause. 1: not yet. */
MUST_CHECK int job_wait_position(struct job *j, struct db *db, const struct gtid_list *pos, struct err *err);
/* All live proxies go by the newest map. */
MUST_CHECK int job_served(struct job *j, struct err *err);
/* Ends, on server @db, the transactions and pinned sessions of the proxies that hold up @w. */
MUST_CHECK int job_kill_blockers(struct job *j, struct db *db, const struct job_wait *w, struct err *err);

#endif
