/* run.h - the statement under way: one run per busy session, one leg per shard it goes to. Worker thread.
 *
 *  BEGIN -> (REFRESH | IDS ->) ACQUIRE -> MAIN -> (PROBE | SETTLE | COLLECT ->)* DONE ;  BEGIN -> ASK -> DONE ;
 *  ACQUIRE, MAIN <-> HELD
 *
 *  REFRESH  the schema is read again, since a table was not known or DDL was done
 *  IDS      waits for the allocator
 *  ASK      other workers are asked: KILL, SHOW KEYWAY
 *  ACQUIRE  every leg gets a connection that is set up as the session wants it
 *  HELD     a shard has no server now: nothing of the statement is on any server, and it starts again later (hold.c)
 *  MAIN     the statement runs; answers pass to the client or are gathered
 *  PROBE    an error inside a transaction: is the transaction still open?
 *  SETTLE   a write over several shards commits, or is undone, as one
 *  COLLECT  warnings, FOUND_ROWS(), user variables are fetched before the connection goes back
 */
#ifndef KEYWAY_EXEC_RUN_H
#define KEYWAY_EXEC_RUN_H

#include "keyway/exec/hold.h"
#include "keyway/exec/session.h"
#include "keyway/sql/ast.h"
#include "keyway/wire/reply.h"
#include "keyway/wire/stmt.h"

enum run_state {
	RUN_BEGIN,
	RUN_REFRESH,
	RUN_IDS,
	RUN_ASK,
	RUN_ACQUIRE,
	RUN_HELD,
	RUN_MAIN,
	RUN_PROBE,
	RUN_SETTLE,
	RUN_COLLECT,
	RUN_DONE,
};
extern const char *const run_state_name[];

/* What the answers of the legs become. */
enum run_answer {
	ANSWER_PASS, /* one leg: its answer is the answer */
	ANSWER_ROWS, /* several legs: one result set, rows one leg after another */
	ANSWER_SUM,  /* several legs: OKs are added up */
	ANSWER_HELD, /* the caller (finish) decides: SET, COMMIT … */
};

enum leg_state {
	LEG_NEW,
	LEG_LEASING, /* waits for a connection */
	LEG_SETUP,   /* settings, database, PREPARE are under way */
	LEG_READY,
	LEG_SENT,
	LEG_DONE,
	LEG_FAILED,
};

/* Who an answer from a server is for. */
enum leg_tag { TAG_MAIN, TAG_SETUP, TAG_SETTINGS, TAG_DB, TAG_BEGIN, TAG_PREPARE, TAG_STEP, TAG_COLLECT, TAG_WAIT };

struct leg {
	struct run *run;
	struct pool *pool;
	const char *ks; /* interned keyspace name */
	uint32_t shard;
	const char *shard_name;
	const char *db; /* that the connection must have selected; NULL: any */
	bool no_db;	/* none may be selected */
	uint8_t side;	/* enum plan_side, as it was asked for */
	bool leasing;	/* it stands in worker.leasing */
	bool fixed;	/* it goes to the connection that the session has there, wherever the routes lead */
	struct list wait_link;
	struct pool *held_from; /* HELD: where it was to go when that failed; only compared */
	struct bconn *c;
	struct lease lease;
	uint8_t state;	/* enum leg_state */
	uint8_t serves; /* a bit of enum underway_part, and the map's epoch: what others must wait for */
	uint8_t setup_left;
	uint64_t epoch;
	uint32_t tried; /* shards that could not be reached */
	bool was_part;	/* the session held the connection before */
	bool begins;	/* BEGIN has been sent to it with this statement */
	bool implicit;	/* BEGIN of ours, around a write over several shards */
	bool savepoint; /* SAVEPOINT of ours */
	bool lost;
	bool mid_packet; /* the client has the first part of a packet of its answer */
	bool warnings_taken;
	bool spoiled; /* its session may have changed in a way that is not known: reset it */
	bool step_done;
	bool in_rows; /* ANSWER_ROWS: its column definitions are behind it */
	bool retried;
	bool replica;		/* it reads from one that was chosen: reads.c */
	bool no_replica;	/* none can serve, and reads.fallback is "error" */
	bool waits;		/* its replica must first have what the session has seen */
	bool covered;		/* the session's floor covers all that was seen through it: causal.c */
	uint8_t reads;		/* enum reads */
	uint8_t replica_at;	/* index of the backend in the shard */
	uint64_t avoid;		/* replicas that have failed it, by that index */
	uint64_t sent_us;	/* 0, or a read for whose first byte we wait */
	struct server *reading; /* counted in flight there; a reference */
	struct server *ran_on;	/* causal sessions; a reference */
	struct buf wait;	/* the answer to the wait */
	struct buf pkt;		/* its own command, when it differs from the client's */
	struct ptext *prepared; /* EXECUTE: the text to be prepared there */
	struct ok_packet ok;
	char info[128];
	struct err err; /* kind 0: none */
};

struct collect;
struct hold_gauge;

struct run {
	struct run *next_free;
	struct session *s;
	struct worker *w;
	uint8_t state;	/* enum run_state */
	uint8_t answer; /* enum run_answer */
	uint8_t verb;	/* enum scan_verb */
	bool id_doubt;	/* the statement may give ids that are not in given */
	uint8_t n_given;
	uint64_t given[8]; /* integers among the values of an INSERT of one row */
	bool keeps_diag;   /* without tables: the diagnostics of the statement before stay */
	bool keeps;	   /* temporary tables, user locks: they stay on their connection */
	uint8_t com;	   /* enum com of the client's command */
	bool more;	   /* another statement of the same text follows */
	bool replied;	   /* the client has its final packet */
	bool refused;	   /* which is an ERR */
	bool binary;	   /* rows go out in the binary protocol */
	bool stepping;
	bool infile;
	bool undo; /* SETTLE: roll back rather than commit */
	bool step_again;
	bool commits;	/* it is a COMMIT: a lost answer means an unknown outcome */
	bool wire_long; /* the packet came in several frames, which are joined: it cannot be sent as it is */
	bool has_long_data;
	bool reads_rows; /* a statement of the session's own that reads tables as well */
	uint8_t nested;	 /* EXECUTE inside EXECUTE */
	bool torn;	 /* half of a packet is with the client: nothing more can be said to it */
	bool settled;
	bool diag_begun;  /* the diagnostics of the statement before are gone */
	bool multi_done;  /* the statement was cut out of its text already */
	bool refreshed;	  /* a refresh has been tried for this statement */
	bool rows_begun;  /* ANSWER_ROWS: the columns are out */
	uint8_t collects; /* COLLECT_… wanted */
	struct plan *plan;
	struct scan_mode mode;
	struct str text;  /* the statement's SQL */
	struct str shown; /* its beginning, when text itself is not kept: for SHOW KEYWAY SESSIONS */
	uint8_t *wire;	  /* the client's packet as it came, when it can be sent as it is */
	size_t wire_n;
	struct buf keep;  /* own copy of packet or text */
	struct buf multi; /* the whole text of a multi-statement query */
	size_t multi_at;
	enum response_kind kind;
	unsigned response_flags;
	uint32_t turn; /* ANSWER_ROWS: whose rows pass now */
	struct leg *legs;
	uint32_t n_legs, cap_legs, n_open; /* legs that are not DONE or FAILED */
	struct leg one;
	struct arena arena;
	uint64_t started_us;
	/* waiting for a server: hold.c */
	struct list hold_link;
	struct hold_gauge *gauge; /* of the shard it waits for; NULL: it does not */
	uint64_t wait_us;	  /* when it first had to wait, loop clock; 0: never */
	uint64_t held_us;	  /* when it was held last, monotonic */
	uint32_t held_leg;
	uint8_t hold_turn; /* enum hold_turn */
	bool passed;	   /* the client has something of the answer, or was asked for a file */
	bool kept;	   /* text and packet are our own copies: it can start again */
	bool killed;	   /* KILL QUERY has been sent to its servers */
	uint64_t stamp_us; /* wall clock for all shards of the statement; 0: not set */
	/* ids */
	struct ids_range ids;
	bool has_ids;
	uint64_t *id_list;
	struct id_wait *id_wait;
	struct refresh_wait *refresh_wait;
	const void *asked; /* ASK: identity of the question */
	void (*ask_late)(struct run *r, struct err *err);
	/* prepared statements */
	struct cstmt *cstmt;
	struct cstmt *prepared_new; /* being prepared: not yet the session's */
	struct named_stmt *named_new;
	struct exec_params exec;
	struct sql_value *params;
	uint32_t types_hash;
	/* what comes after the answers are in; NULL: the usual */
	void (*finish)(struct run *r);
	void (*then)(struct run *r); /* what finish goes on with */
	struct setvar *setvar;
	char *use_db, *use_target;

	struct collect *collect;
	struct buf track;   /* HELD: what the client may see of the session's changes */
	struct buf rows;    /* COLLECT: what has come of them */
	struct err err;	    /* the statement's own error, kind 0: none */
	struct buf raw_err; /* a server's ERR payload to pass on unchanged */
	struct wheel_timer deadline;
	uint8_t small[512]; /* copy of a short packet; last, since it is not cleared */
};

enum {
	COLLECT_WARNINGS = 1u << 0,
	COLLECT_FOUND_ROWS = 1u << 1,
	COLLECT_VARS = 1u << 2,
	COLLECT_LAST_ID = 1u << 3,
	COLLECT_POSITION = 1u << 4
};

/* run.c */
struct run *run_new(struct session *s, uint8_t com);
void run_goto(struct run *r, enum run_state to);
/* Goes on as far as it can. Safe to call from anywhere in the worker: a call inside a step makes it go round again. */
void run_step(struct run *r);
/* The client has been answered (or cannot be): gives everything back, tells the session. */
void run_end(struct run *r);
/* Ends with @e as the answer. */
void run_fail(struct run *r, const struct err *e);
/* Text and packet must outlive the call that brought them. */
void run_keep(struct run *r);
/* Only what is shown of the text must. */
void run_keep_shown(struct run *r);
/* Plans r->text and starts. */
void run_statement(struct run *r);
struct leg *run_add_leg(struct run *r);
/* A leg to the primary of @shard, of keyspace @kr, or to a replica if @reads allows it. @side: of a pair. */
struct leg *run_leg_to(
	struct run *r, const struct keyspace_route *kr, uint32_t shard, enum plan_side side, enum reads reads);
/* Where such a leg would go by the routes of now if it were not for replicas; NULL: nowhere. */
struct pool *run_pool_of(const struct keyspace_route *kr, uint32_t shard, enum plan_side side);
/* Of a pair: the server that the map gives the side; NULL: it has no address. */
const struct server *run_own_side(
	const struct run *r, const struct keyspace_route *kr, uint32_t shard, enum plan_side side);
/* Sends @sql to every leg that has a connection and is alive, as TAG_STEP. */
void run_step_all(struct run *r, struct str sql);
void run_abort(struct run *r);
/* Waits in ASK for the answer to @question, an address that nothing else has meanwhile; whoever brings it finds the
 * session by its id and compares. After @us @late says why there is none. */
void run_ask(struct run *r, const void *question, uint64_t us, void (*late)(struct run *r, struct err *err));
/* The run is looked at, and cut off if need be, at @at_us at the latest. */
void run_late_by(struct run *r, uint64_t at_us);
/* Stops the statement on the servers and answers @e. */
void run_cancel(struct run *r, const struct err *e);
/* Makes room for @n legs; those before are forgotten. */
void run_legs(struct run *r, uint32_t n);
/* From ACQUIRE on: connects the legs. */
void run_start(struct run *r);
void run_tell(struct run *r);
/* Legs of a step are given back, so that the run can go on with others. */
void run_release_legs(struct run *r);
/* The session's own statement (SET, SHOW …) to one server, its answer to @finish, or to the client when NULL. */
void run_home(struct run *r, struct str sql, void (*finish)(struct run *r));
void run_again(struct run *r);
/* Waits until the schema of the plan's keyspace has been read again, then calls run_step(). */
void run_refresh(struct run *r, struct str keyspace);
struct plan_values run_values(struct run *r);
struct plan_session run_plan_session(struct run *r);

/* route.c */
unsigned run_response_flags(const struct run *r);
/* The legs are made: what else has to be known before they go. Nothing when the statement has ended already. */
void run_launch(struct session *s, struct run *r);

/* insert.c */
void run_insert(struct run *r);
/* Looks through a write for ids that it gives itself: the OK tells those too, LAST_INSERT_ID() does not. */
void insert_note_given(struct run *r, const struct scan *scan);
bool insert_may_give(const struct run *r, uint64_t id);
/* The statement ends: whoever still waits for it need not. */
void insert_forget(struct run *r);
void refresh_forget(struct run *r);

/* settle.c; the states PROBE, SETTLE and COLLECT of run.c */
bool run_steps_done(const struct run *r);
/* The first leg with an error, or NULL. */
struct leg *run_bad_leg(struct run *r);
/* Which errors may have ended the transaction on the server; nothing else in its answer would tell. */
bool run_must_probe(struct run *r);
void run_probe(struct run *r);
void run_probed(struct run *r);
bool run_must_settle(const struct run *r);
void run_settle(struct run *r);
void run_settled(struct run *r);
/* Fetches the next thing; false when there is nothing (more). */
bool run_collect_next(struct run *r);

/* hold.c */
#define HOLD_KEEP_BYTES (64 * 1024) /* of a packet with a write: kept for a second try */
enum hold_turn { HOLD_TURN_STAY, HOLD_TURN_GO, HOLD_TURN_LATE };
void hold_init(struct worker *w);
void hold_end(struct worker *w);
/* New routes: what waits for the old ones moves, what is held is looked at. */
void hold_routes_changed(struct worker *w);
/* May the run start again from nothing, nothing of it being on any server that counts? */
bool hold_may(const struct run *r);
/* Leg @l has no server to go to, @why (may be NULL). True: the run waits. False: it cannot, or not any longer; @err
 * says so when it was the queue's bound or deadline, else it stays as it was. */
bool hold_leg(struct leg *l, const struct err *why, struct err *err);
/* All have answered, and a server refused as being read-only: true when the run waits, or its transaction was rolled
 * back and the client told. */
bool hold_refused(struct run *r);
void hold_forget(struct run *r);
/* Says the error that a server has become read-only (and not something else that 1290 is used for)? */
bool err_is_read_only(const struct err *e);

/* leg.c */
extern const struct bconn_ops leg_ops;
void leg_start(struct leg *l);
void leg_send(struct leg *l);
void leg_sent(struct leg *l);
void leg_fail(struct leg *l, const struct err *e);
/* Gives up what it has: it can be started again. */
void leg_park(struct leg *l);
/* It waits for no connection any more. */
void leg_lease_end(struct leg *l);
/* A read that may be sent a second time, no byte of its answer having been passed on. */
bool leg_may_retry(const struct leg *l);
/* The leg's shard as it is reached now; NULL: the map does not have it any more. */
const struct shard_route *leg_shard(const struct leg *l);
/* The connection that the session keeps for it, or NULL: where its transaction, or what pins it, is on this shard,
 * whoever is written to by now. */
struct part *leg_part(const struct leg *l);
/* Where it goes by the routes of now; NULL: nowhere. */
struct pool *leg_pool_now(struct leg *l);
/* From now on there, under the map of now: nothing of it is under way. */
void leg_reroute(struct leg *l);
/* After its statement: the connection goes back, or stays with the session. */
void leg_release(struct leg *l);
void leg_query(struct leg *l, struct str sql); /* sets its own command */

/* forward.c */
void forward_reply(struct leg *l, uint8_t *p, size_t n, const struct response_event *ev);
/* What the client has of leg @l's answer so far: should the server be lost, an ERR must fit behind it. */
void forward_note(struct leg *l);
/* ANSWER_ROWS: reads the leg whose rows come next. */
void forward_next_turn(struct run *r);
/* Final OK or EOF to the client, with the session's status and what it may see of @ok. @eof: end of rows. */
void forward_final(struct run *r, const struct ok_packet *ok, bool eof);
void session_put(struct session *s, const void *p, size_t n, bool more_now);
/* ANSWER_SUM: the sum of all answers to the client. */
void forward_sum(struct run *r);
void session_flush(struct session *s);

/* answer.c */
void answer_rows(
	struct run *r, const struct column_def *cols, unsigned n_cols, const struct str *fields, uint32_t n_rows);
/* The same with @warnings told behind the rows. */
void answer_rows_warned(struct run *r, const struct column_def *cols, unsigned n_cols, const struct str *fields,
	uint32_t n_rows, uint16_t warnings);
void answer_ok(struct run *r, const struct ok_packet *ok);
void answer_err(struct run *r, const struct err *e);
void answer_raw_err(struct run *r, const uint8_t *payload, size_t n);
void diag_clear(struct session *s);
void diag_add(struct session *s, struct str level, uint32_t code, struct str msg);

/* worker.c */
struct pool *worker_find_pool(const struct worker *w, const struct server *server);

/* part.c */
/* The connection that the session holds for statements of @serves, wherever those go now: what it began there goes on
 * there. */
struct part *part_serving(struct session *s, const char *ks, uint32_t shard, uint8_t serves);
struct part *part_find(struct session *s, const struct pool *p, const char *ks, uint32_t shard);
struct part *part_add(struct session *s, struct leg *l, struct bconn *c);
void part_remove(struct session *s, struct part *p);
/* All of them go: back to the pool (reset when @dirty) or closed. */
void parts_drop(struct session *s, bool discard);
/* Those that no statement uses, when nothing keeps them any more. */
void parts_release_idle(struct session *s);
extern const struct bconn_ops part_ops;
bool session_must_hold(const struct session *s);

/* txn.c */
void txn_begin(struct run *r, const struct sql_stmt *st);
void txn_end(struct run *r, const struct sql_stmt *st, bool commit);
void txn_savepoint(struct run *r, const struct sql_stmt *st);
void txn_set_transaction(struct run *r, const struct sql_stmt *st);
/* The transaction is over: its flags, savepoints and one-time settings go. */
void txn_forget(struct session *s);
/* Rolls the transaction back for certain, on all servers, by giving up its connections. Not with pins. */
void txn_undo(struct run *r);
/* Commits what is open on all participants, then @next; or ends with the error. */
void txn_commit_then(struct run *r, void (*next)(struct run *r));
#define TXN_REPLAY_MAX 8
/* Statement number @i of what a new participant must run first; false: that was all. */
bool txn_begin_text(struct session *s, uint32_t i, struct buf *out);

/* setvar.c */
void setvar_run(struct run *r, const struct sql_stmt *st);
/* After a statement that assigned user variables: reads them back from @l. False: there were none. */
bool setvar_collect(struct run *r, struct leg *l);
/* SET GLOBAL and what changes servers: only where there is one server. */
void setvar_global(struct run *r);
void session_apply_settings(struct session *s, const struct settings *taken);
void session_mode_update(struct session *s);
void session_resolve(struct session *s);
/* Where the session's own statements run: its keyspace, else the one that holds everything, else the first. */
const struct keyspace_route *session_home(const struct session *s);

/* local.c */
void local_run(struct run *r, const struct sql_stmt *st);
void local_use(struct run *r, struct str target);
/* SELECT FOUND_ROWS() or SELECT ROW_COUNT() and nothing else: answered here as a server would, type for type. */
bool local_function(struct run *r);
void local_kill(struct run *r, uint32_t id, bool query_only);

/* reset.c */
/* RESET @text, which begins with KEYWAY. */
MUST_CHECK int reset_keyway(struct session *s, struct str text, struct err *err);

/* collect.c: rows of a query of our own */
struct collect *collect_new(struct arena *a, void (*done)(struct run *r, struct collect *c), uint32_t max_rows);
void collect_reply(struct leg *l, uint8_t *p, size_t n, const struct response_event *ev);
struct collect {
	struct arena *arena;
	void (*done)(struct run *r, struct collect *c);
	uint32_t max_rows, n_rows, n_cols;
	struct column_def cols[64];
	struct str **rows; /* [row][column]; a field with p NULL is NULL */
	uint32_t cap_rows;
	struct err err;
};
/* Runs @sql on leg @l's connection and hands the rows over. */
void collect_start(struct leg *l, struct str sql, struct collect *c);

/* stmt.c */
struct ptext {
	UT_hash_handle hh;
	uint32_t refs;
	uint32_t key_n;
	struct scan scan;
	struct scan_mode mode;
	struct str text; /* points behind the mode in key */
	char key[];
};
struct ptext *ptext_get(struct worker *w, struct str text, const struct scan_mode *mode);
void ptext_unref(struct worker *w, struct ptext *t);
void stmt_prepare(struct run *r);
/* The plan of a PREPARE is there. */
void stmt_planned(struct run *r);
void stmt_prepared_drop(struct run *r);
/* An EXECUTE has ended. */
void stmt_executed(struct run *r);
void stmt_prepare_reply(struct leg *l, uint8_t *p, size_t n, const struct response_event *ev);
void stmt_execute(struct run *r, const struct packet *pk);
/* The legs run the client's prepared statement. */
void stmt_use(struct run *r);
/* The EXECUTE packet for leg @l, whose connection has the statement. */
void stmt_send_execute(struct leg *l, struct bstmt *b);
void stmt_close(struct session *s, uint32_t id);
void stmt_close_all(struct session *s);
struct cstmt {
	UT_hash_handle hh;
	uint32_t id;
	struct ptext *text;
	uint16_t n_params, n_columns;
	struct param_type *types; /* of the last execution; NULL: none yet */
	struct buf *long_data;	  /* n_params of them; NULL: none */
	bool bad_long_data;	  /* sent for a parameter that it does not have: said at each execution */
	/* an open cursor: where it is */
	struct bconn *cursor;
	uint32_t cursor_id; /* the statement's number there */
	struct pool *cursor_pool;
	const char *cursor_ks;
	uint32_t cursor_shard;
	bool local; /* answered without a server */
};
struct cstmt *stmt_find(struct session *s, uint32_t id);
void stmt_long_data(struct session *s, const struct packet *pk);
/* COM_STMT_FETCH from an open cursor. */
void stmt_fetch(struct run *r, const struct packet *pk);
void stmt_cursor_note(struct leg *l, uint16_t status);
/* The connection that a cursor was open on is gone, or its rows have all been fetched. */
void stmt_cursor_gone(struct session *s, struct bconn *c);
enum session_answer stmt_reset(struct session *s, const struct packet *pk);
/* PREPARE name FROM, EXECUTE name, DEALLOCATE. */
void named_prepare(struct run *r, const struct sql_stmt *st);
void named_execute(struct run *r, const struct sql_stmt *st);
void named_drop(struct run *r, const struct sql_stmt *st);
void named_drop_all(struct session *s);

#endif
