/* ops/ops.h - operations that move traffic between servers or mend what is on them: for keywayctl and the tests. Linear
 * code that blocks; one thread, never a loop's. An operation that changes something is a list of steps, each journaled
 * in the store under ops/<id> before it acts; docs/operations.md says what the steps are and what grants they need. */
#ifndef KEYWAY_OPS_OPS_H
#define KEYWAY_OPS_OPS_H

#include "keyway/cluster/map.h"
#include "keyway/store/store.h"
#include <signal.h>

enum ops_tls { OPS_TLS_OFF, OPS_TLS_PREFERRED, OPS_TLS_REQUIRED, OPS_TLS_VERIFY };

/* Who the operator is on the servers. Texts are borrowed. */
struct ops_account {
	const char *user, *password;
	enum ops_tls tls;
	const char *tls_ca, *tls_cert, *tls_key; /* files; NULL: none */
};

enum ops_say { OPS_STEP, OPS_NOTE, OPS_TROUBLE };

/* What every operation needs. */
struct ops {
	struct store *store;
	struct ops_account account;
	/* Progress for people, one line without its end. NULL: nobody wants to know. */
	void (*say)(void *arg, enum ops_say kind, const char *line);
	void *say_arg;
	/* Set by a signal handler: the operation undoes itself as soon as it can. NULL: none. */
	const volatile sig_atomic_t *cancelled;
	/* Switchover: the account that the old primary replicates with; user NULL: as on the replica. */
	const char *repl_user, *repl_password;
};

void ops_say(const struct ops *o, enum ops_say kind, const char *fmt, ...) PRINTF(3, 4);

/* Reads and validates the map of @keyspace; one reference. @version: of the store's key, may be NULL. */
MUST_CHECK int ops_keyspace(
	const struct ops *o, const char *keyspace, struct keyspace **out, uint64_t *version, struct err *err);

/* --- differences between the sides of a pair --- */

enum ops_difference { OPS_ONLY_EVEN, OPS_ONLY_ODD, OPS_DIFFERS, OPS_UNDECIDED /* it kept changing under us */ };

/* One row that is not the same on both sides. Texts live for the call. */
struct ops_row {
	const char *shard, *table;
	const char *key;     /* for people: "id=7" */
	const char *columns; /* which differ, for people: "n: 5 (even), 6 (odd)"; "" unless OPS_DIFFERS */
	enum ops_difference what;
};

enum ops_keep { OPS_KEEP_NONE, OPS_KEEP_ODD, OPS_KEEP_EVEN, OPS_KEEP_NEWER };

struct ops_diff {
	const char *keyspace;
	const char *shard; /* NULL: all pairs of the keyspace */
	const char *table; /* NULL: all tables */
	uint32_t chunk;	   /* rows; 0: 2000 */
	void (*row)(void *arg, const struct ops_row *row);
	void *row_arg;
	/* pair resolve: what to do with them */
	enum ops_keep keep;
	const char *newer_column;
	const char *log_path; /* what was changed, for ops_pair_undo(); must not exist yet */
};

struct ops_diff_result {
	uint64_t tables, rows, chunks; /* looked at */
	uint64_t differences, undecided;
	uint64_t resolved,
		skipped;  /* with keep: not changed since it cannot be said which is right, or it changed again */
	uint64_t refused; /* tables that cannot be compared; the reasons were said */
};

MUST_CHECK int ops_pair_diff(
	const struct ops *o, const struct ops_diff *d, struct ops_diff_result *out, struct err *err);
/* Puts back what a log of ops_pair_diff() says was changed, newest first, unless it has changed since. */
MUST_CHECK int ops_pair_undo(const struct ops *o, const char *log_path, struct ops_diff_result *out, struct err *err);

/* --- operations that move traffic: journaled, resumable --- */

struct ops_move {
	const char *keyspace, *shard;
	uint64_t pause_us;  /* longest time for which statements may be held in one try; 0: 1 s */
	uint64_t wait_us;   /* how long to go on trying while something under way does not end */
	bool kill;	    /* then end it: those sessions get an error */
	bool force;	    /* without live proxies; with the lock of an owner that may be alive */
	const char *resume; /* an id; NULL: begin, or go on with the unfinished one that is meant by the same words */
};

struct ops_move_result {
	uint64_t held_us; /* the pause: no statement waited longer. 0: not known */
};

MUST_CHECK int ops_side_drain(const struct ops *o, const struct ops_move *m, enum pair_side side,
	struct ops_move_result *out, struct err *err);
MUST_CHECK int ops_side_restore(const struct ops *o, const struct ops_move *m, enum pair_side side,
	struct ops_move_result *out, struct err *err);

/* Runs the ALTER TABLE @ddl on one side of each pair after the other; @m's shard NULL: on all pairs of the keyspace,
 * the ones that an unfinished run has done left out. ERR_UNSUPPORTED: it cannot be done side by side, and why. */
MUST_CHECK int ops_side_alter(
	const struct ops *o, const struct ops_move *m, const char *ddl, struct ops_move_result *out, struct err *err);
/* Makes backend @to the primary of a replica set. */
MUST_CHECK int ops_switchover(
	const struct ops *o, const struct ops_move *m, const char *to, struct ops_move_result *out, struct err *err);

/* Back to where it began (or, where too much is done, on to its end). */
MUST_CHECK int ops_abort(const struct ops *o, const char *id, bool force, struct err *err);
MUST_CHECK int ops_resume(const struct ops *o, const char *id, bool force, struct err *err);

struct ops_entry {
	const char *id, *kind, *keyspace, *shard, *what;
	const char *phase; /* doing, undoing, done, undone, stuck */
	const char *step, *why;
	uint64_t at_s; /* of its last sign of life */
};
MUST_CHECK int ops_list(
	const struct ops *o, void (*one)(void *arg, const struct ops_entry *e), void *arg, struct err *err);

#endif
