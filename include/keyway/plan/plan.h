/* plan/plan.h - where a statement runs. plan_build() looks at one statement text under one snapshot and says what may
 * be done with every text of the same digest; plan_bind() says for the literals and parameters of one run which shards
 * that means. A plan never changes after it is built and belongs to the worker that built it (its reference count is
 * not atomic). What cannot be answered exactly is refused, at build as PLAN_REFUSE or at bind with an error. Pure. */
#ifndef KEYWAY_PLAN_PLAN_H
#define KEYWAY_PLAN_PLAN_H

#include "keyway/plan/digest.h"
#include "keyway/util/arena.h"
#include "keyway/util/buf.h"
#include "keyway/util/err.h"
#include "keyway/util/str.h"

struct scan;	  /* sql/scan.h */
struct scan_mode; /* sql/scan.h */
struct sql_stmt;  /* sql/ast.h */
struct sql_value; /* sql/lit.h */
struct snapshot;  /* cluster/snapshot.h */
struct keyspace;  /* cluster/map.h */
struct shard;	  /* cluster/map.h */

enum plan_kind {
	PLAN_PASS,   /* unsharded keyspace: the text, edited, to its one shard (index 0) */
	PLAN_ROUTE,  /* plan_bind() names 1..n shards by key; answers of several are put behind one another or summed */
	PLAN_INSERT, /* rows of a sharded table: plan_insert_*() below split them */
	PLAN_EACH,   /* to all shards of the keyspace: DDL, writes without key, writes to reference tables */
	PLAN_ANY,    /* every shard gives the same answer: one of them, whichever is at hand */
	PLAN_PINNED, /* to plan->shard: a pinned table, or the shard the session named */
	PLAN_SESSION, /* answered or done by the session itself, from plan->stmt */
	PLAN_REFUSE,  /* answered with plan->err */
};

enum plan_flag {
	PLAN_READ = 1u << 0,	 /* changes no rows and no schema; may run again when its connection is lost */
	PLAN_WRITE = 1u << 1,	 /* may change rows */
	PLAN_LOCKS = 1u << 2,	 /* FOR UPDATE and kin: locks rows until the transaction ends */
	PLAN_PINS = 1u << 3,	 /* leaves state on its backend connection; plan->pin_why says which */
	PLAN_DDL = 1u << 4,	 /* changes the schema: refresh it afterwards */
	PLAN_ENDS_TXN = 1u << 5, /* MySQL commits the open transaction before it */
	PLAN_CALLS = 1u << 6,	 /* CALL or a stored function: may do anything; CALL may answer with several results */
	PLAN_ROWS = 1u << 7,	 /* answers with a result set */
	PLAN_VOLATILE = 1u << 8, /* NOW(), RAND(), UUID() …: shards must be given one instant */
	PLAN_REPLICA_OK = 1u << 9, /* a plain read: a replica may answer */
	PLAN_FIRST = 1u << 10,	   /* several shards: the first one's answer is the answer; else affected rows add up */
	PLAN_UNKNOWN = 1u << 11,   /* not understood by the grammar: passed on in trust */
	PLAN_NO_CACHE = 1u << 12,  /* plan->stmt holds literals of this very text: do not keep the plan */
	PLAN_EDITS = 1u << 13,	   /* the text must go through plan_text() */
	PLAN_PER_SHARD_TEXT = 1u << 14, /* its edits differ by shard (database names) */
	PLAN_LAST_ID = 1u << 15,	/* reads LAST_INSERT_ID(): the backend's must be the session's before it runs */
	PLAN_SETS_LAST_ID = 1u << 16,	/* LAST_INSERT_ID(expr): the session's becomes what the OK packet says */
	PLAN_FOUND_ROWS = 1u << 17,	/* SQL_CALC_FOUND_ROWS: FOUND_ROWS() must be asked on the same connection */
	PLAN_LOCAL_INFILE = 1u << 18,	/* LOAD DATA LOCAL: the backend may answer 0xFB */
	PLAN_REFERENCE = 1u << 19,	/* writes reference tables: the copies must stay equal */
	PLAN_USER_VARS = 1u << 20,	/* reads @user variables: they must be on the connection */
	PLAN_EXPLAIN = 1u << 21,	/* EXPLAIN of a routed statement: the first shard of the target answers alone */
	PLAN_INTO_FILE = 1u << 22,	/* SELECT … INTO OUTFILE/DUMPFILE: writes a file on the server */
};

/* Which writable server of a pair shard. */
enum plan_side { PLAN_SIDE_HOME, PLAN_SIDE_ODD, PLAN_SIDE_EVEN };

/* The session's values that plan_text() puts into a text. Strings are plain, unquoted. */
struct plan_session {
	uint64_t connection_id;
	struct str user;	 /* USER(): name@host */
	struct str current_user; /* CURRENT_USER() */
	struct str database;	 /* DATABASE(); .p NULL: none selected */
	int64_t row_count;
	uint64_t found_rows;
	uint64_t last_insert_id;
};

struct plan_route;  /* how the shards follow from the values; inside plan/ */
struct plan_insert; /* how rows are split; inside plan/ */
struct plan_edit;   /* what is replaced in the text; inside plan/ */

struct plan {
	enum plan_kind kind;
	uint32_t flags;		     /* enum plan_flag */
	const struct keyspace *ks;   /* where it runs; NULL for PLAN_SESSION and PLAN_REFUSE */
	const struct shard *shard;   /* PLAN_PINNED */
	const struct sql_stmt *stmt; /* PLAN_SESSION: the tree, in the plan's memory; otherwise NULL */
	struct plan *inner;	     /* EXPLAIN ROUTE: the plan that is explained */
	const char *why;	     /* one line for EXPLAIN ROUTE and logs */
	const char *pin_why;	     /* PLAN_PINS: for SHOW PROCESSLIST and logs */
	uint32_t n_params;	     /* ? marks in the text */
	struct err err;		     /* PLAN_REFUSE */

	/* PLAN_INSERT, for the caller's work with ids */
	struct str table;	 /* logical name */
	struct str id_allocator; /* .n 0: the table has no id rule */
	struct str id_tag;	 /* the allocator's name for this sequence */
	struct str id_column;
	uint64_t id_max; /* largest id that its column holds */

	const struct plan_route *route;
	const struct plan_insert *insert;
	const struct plan_edit *edits;
	uint32_t n_edits;
	uint32_t refs;
	struct digest *digest;		 /* where its runs are counted, a reference; NULL: nowhere */
	const struct snapshot *snapshot; /* a counted reference: keeps ks and shard alive */
	uint32_t first_tok;		 /* where the statement begins: behind EXPLAIN ROUTE in an inner plan */
	struct arena arena;		 /* all of the above */
	struct arena tree;		 /* stmt */
};

struct plan_request {
	struct str text;
	const struct scan *scan; /* of exactly this text */
	const struct scan_mode *mode;
	const struct snapshot *snapshot;
	const struct keyspace *ks; /* the session's keyspace, NULL: none selected */
	const struct shard *shard; /* the session's target shard (USE `shop/-80`), or NULL */
	struct str db;		   /* database name as the client selected it; a schema's own name in keyspace * */
};

/* Looks at @rq->text, which may be freed afterwards. 0 and a plan with one reference (also for PLAN_REFUSE), or an
 * error only for text beyond our limits (depth, size). */
MUST_CHECK int plan_build(const struct plan_request *rq, struct plan **out, struct err *err);

static inline struct plan *plan_ref(struct plan *p)
{
	p->refs++;
	return p;
}

void plan_unref(struct plan *p);
const char *plan_kind_name(enum plan_kind kind);

/* What one run brings: its text with literals, and the bound parameters of a prepared statement. The scan must be of
 * a text with the digest that the plan was built for. */
struct plan_values {
	struct str text;
	const struct scan *scan;
	const struct scan_mode *mode;
	const struct sql_value *params; /* n_params of them; NULL for a text without ? */
	uint32_t n_params;
	uint8_t charset; /* enum charset of the client's strings, CHARSET_OTHER when it is another */
};

/* The shards of one run. @shards is the caller's, with room for all shards of the keyspace. */
struct plan_target {
	uint16_t *shards; /* indexes into the keyspace's shards, rising */
	uint32_t n;
	enum plan_side side;
};

/* PLAN_PASS, ROUTE, EACH, ANY, PINNED: fills @out; n >= 1 (PLAN_ANY gives shard 0: take any other if that is down).
 * No malloc. Error: the values ask for what only a merge could answer (1235), or a parameter is missing (1210). */
MUST_CHECK int plan_bind(
	const struct plan *p, const struct plan_values *vals, struct plan_target *out, struct err *err);

/* Appends the text that @shard (index) gets: the edits made. Without PLAN_EDITS that is the text itself: send the
 * original bytes instead of calling. */
MUST_CHECK int plan_text(const struct plan *p, const struct plan_values *vals, const struct plan_session *session,
	uint32_t shard, struct buf *out, struct err *err);

/* --- PLAN_INSERT ---
 * plan_insert_open() looks through the rows and says how many ids are missing; the caller gets them;
 * plan_insert_split() gives every row its shard and side; plan_insert_text() makes one statement for each part. */
struct plan_insert_row {
	uint32_t off, end; /* bytes of the tuple in the text, parentheses included */
	uint32_t param;	   /* ? marks before it */
	uint32_t id;	   /* 1 + ordinal into the caller's ids, 0: the row brings its own */
	uint16_t part;	   /* after the split: which part it belongs to */
	uint8_t side;	   /* enum plan_side */
	uint8_t flags;	   /* inside plan/ */
	uint64_t given_id; /* the id that the row brings, 0: none */
};

struct plan_insert_part {
	uint16_t shard;
	uint8_t side; /* enum plan_side */
	uint32_t n_rows;
	uint32_t first_row; /* the lowest */
};

/* Reused from statement to statement, one worker: its arrays grow and stay. All zero to begin with. */
struct plan_insert_run {
	struct plan_insert_row *rows;
	uint32_t n_rows, cap_rows;
	struct plan_insert_part *parts; /* the rows of a reference table are in the parts of all shards */
	uint32_t n_parts, cap_parts;
	uint32_t n_ids; /* ids that rows lack: get so many */
	bool unchanged; /* after the split: every part gets all rows and none gets an id put in: send the original text
			 * (with plan_text()'s edits), or execute the prepared statement as it is */
	/* inside: */
	uint16_t *part_at; /* by shard and side: 1 + part */
	uint32_t cap_part_at;
};

/* Error: a row has the wrong number of values (1136), a key that is missing, NULL (1048) or not a constant (1235). */
MUST_CHECK int plan_insert_open(
	const struct plan *p, const struct plan_values *vals, struct plan_insert_run *run, struct err *err);
/* @ids: run->n_ids of them, in the order of the rows (NULL when n_ids is 0). Error also when an id does not fit its
 * column (1467), or a key fits no shard. */
MUST_CHECK int plan_insert_split(const struct plan *p, const struct plan_values *vals, struct plan_insert_run *run,
	const uint64_t *ids, struct err *err);
/* Appends the statement for part @part: the text before the rows, the part's rows with ids put in, the text after;
 * parameters as literals. */
MUST_CHECK int plan_insert_text(const struct plan *p, const struct plan_values *vals, const struct plan_insert_run *run,
	const uint64_t *ids, uint32_t part, const struct plan_session *session, struct buf *out, struct err *err);
void plan_insert_run_free(struct plan_insert_run *run);

/* --- EXPLAIN ROUTE --- */
struct plan_explain_row {
	uint32_t step;
	const char *kind;  /* PASS, ROUTE, … */
	struct str shards; /* "-80,80-"; "" when none */
	const char *role;  /* primary, replica, odd, even, home */
	struct str sql;	   /* what those shards get */
	const char *why;
};
typedef void plan_explain_fn(const struct plan_explain_row *row, void *arg);

/* @p is the plan to explain (plan->inner of an EXPLAIN ROUTE); @replica: the session reads from replicas. Calls @row
 * for each step; what a run would refuse is a row as well (kind REFUSE). */
MUST_CHECK int plan_explain(const struct plan *p, const struct plan_values *vals, const struct plan_session *session,
	bool replica, plan_explain_fn *row, void *arg, struct err *err);

/* --- the cache of one worker --- */
struct plan_cache;

struct plan_cache_key {
	uint64_t digest[2];
	uint64_t generation;	   /* of the snapshot */
	const struct keyspace *ks; /* of the session */
	const struct shard *shard;
	uint32_t mode; /* the bits of sql_mode and charset that change how text is read */
};

struct plan_cache *plan_cache_new(uint32_t max_plans);
void plan_cache_free(struct plan_cache *c);
/* Not for a text whose scan is broken: its digest is that of the sound part. The plan, borrowed until the next call on
 * @c (plan_ref() to keep it), or NULL. */
struct plan *plan_cache_get(struct plan_cache *c, const struct plan_cache_key *key);
/* Takes a reference of its own; a plan with PLAN_NO_CACHE is left out. */
void plan_cache_put(struct plan_cache *c, const struct plan_cache_key *key, struct plan *p);
/* Drops the plans of all other generations, so that an old snapshot can go. */
void plan_cache_purge(struct plan_cache *c, uint64_t generation);

struct plan_cache_stats {
	uint64_t hits, misses, evictions;
	uint32_t plans;
};
void plan_cache_stats(const struct plan_cache *c, struct plan_cache_stats *out);

#endif
