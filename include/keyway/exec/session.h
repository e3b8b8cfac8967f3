/* exec/session.h - one client's session after the login: what it has set, its transaction, its prepared statements, and
 * the statement being run. The front owns the socket and the login and hands over commands one at a time.
 * One worker thread. */
#ifndef KEYWAY_EXEC_SESSION_H
#define KEYWAY_EXEC_SESSION_H

#include "keyway/exec/worker.h"
#include "keyway/io/stream.h"
#include "keyway/wire/packet.h"
#include <uthash.h>

struct session;
struct run;
struct cstmt;
struct causal;

struct session_ops {
	/* The command handed over last has been answered. Called from the loop, or inside session_command() when it
	 * returns SESSION_RUNNING never. */
	void (*answered)(struct session *s);
	/* The session cannot go on: close the client (what had to be said has been written). */
	void (*fatal)(struct session *s);
	/* Client bytes are wanted for LOAD DATA LOCAL: packets go to session_infile() until it says false. */
	void (*infile)(struct session *s);
};

/* Why a session keeps its backend connections between statements and transactions. */
enum session_pin {
	PIN_TEMPORARY = 1u << 0,   /* temporary tables */
	PIN_USER_LOCK = 1u << 1,   /* GET_LOCK */
	PIN_LOCK_TABLES = 1u << 2, /* LOCK TABLES, FLUSH TABLES WITH READ LOCK */
	PIN_STATE = 1u << 3,	   /* something that we do not follow */
	PIN_XA = 1u << 4,
	PIN_CURSOR = 1u << 5, /* open cursors of prepared statements */
};

/* A backend connection that the session keeps: a participant of its transaction, or pinned. */
struct part {
	struct bconn *c;
	struct pool *pool;
	const char *ks; /* interned name */
	uint32_t shard;
	const char *shard_name;
	bool in_txn; /* it has begun the session's transaction */
	bool writes; /* it was taken for the server that is written to */
	uint64_t since_us;
	uint8_t serves; /* bits of enum underway_part: whose statements it has run */
	uint64_t epoch; /* of the map under which the first of them came */
	struct session *s;
};

enum session_txn {
	TXN_NONE,
	TXN_OPEN,   /* begun by the client; participants begin with their first statement */
	TXN_FAILED, /* a participant was lost: only ROLLBACK goes on */
};

struct diag_row {
	char level[8]; /* Note, Warning, Error */
	uint32_t code;
	struct str msg; /* in session.diag_arena */
};

struct session {
	struct worker *w;
	struct stream *st;
	const struct session_ops *ops;
	struct list link;
	UT_hash_handle hh;
	uint32_t id; /* CONNECTION_ID() */
	uint32_t caps;
	uint8_t seq; /* the next sequence_id for the client */
	bool closing;
	bool multi_statements;
	bool blocked; /* the client reads too slowly: servers are not read */
	bool found_rows_cap;
	bool admin;    /* may see and kill the sessions of others */
	uint8_t txn;   /* enum session_txn */
	bool txn_told; /* TXN_FAILED: the client has been told of the rollback */
	bool in_command, answered_inside;
	uint8_t txn_flags_read; /* READ ONLY 1, READ WRITE 2, CONSISTENT SNAPSHOT 4 */
	uint32_t pins;
	const char *pin_why;
	uint64_t commands; /* since the login */
	uint64_t since_us; /* no statement is under way: since when */

	struct str user, host; /* own memory */
	char *target;	       /* as the client selected it: `shop/-80@replica`; NULL: none */
	const char *db;	       /* logical database name, interned; NULL: none */
	uint64_t target_generation;
	const struct keyspace *ks; /* of the worker's snapshot with that generation */
	const struct shard *shard;
	uint8_t reads, user_reads; /* enum reads: now, and as the account has it */
	struct causal *causal;	   /* what it has seen; NULL: it never asked for causal reads */

	const struct settings *login_settings, *settings;
	struct scan_mode mode;
	uint8_t charset; /* enum charset of cluster/: what texts come in */

	uint64_t last_insert_id;
	uint64_t found_rows;
	int64_t row_count;
	uint16_t warnings;
	struct diag_row *diag;
	uint32_t n_diag;
	struct arena diag_arena;

	struct part *parts;
	uint32_t n_parts, cap_parts;
	char **savepoints; /* quoted names, oldest first */
	uint32_t n_savepoints;
	char *next_txn; /* SET TRANSACTION …: for the next one only */

	struct cstmt *stmts;
	uint32_t n_stmts, next_stmt, n_cursors;
	struct named_stmt *named; /* PREPARE name FROM … */

	struct run *run;       /* the statement under way */
	struct loop_task next; /* goes on with the next of several statements */
};

enum session_answer {
	SESSION_ANSWERED, /* the answer has been written */
	SESSION_RUNNING,  /* answered() will be called */
	SESSION_FATAL,	  /* close the client */
	SESSION_QUIT,
};

struct session_login {
	enum reads reads;
	uint32_t caps;
	unsigned collation_id; /* of the handshake; 0: the servers' default */
	struct str user, host;
};

/* Borrows @st, which has to outlive it. s->id is the caller's: unique, and of this worker (id % n_workers). */
void session_open(struct session *s, struct worker *w, struct stream *st, const struct session_ops *ops,
	const struct session_login *login);
/* Rolls back, gives connections back, stops what runs on the servers. */
void session_close(struct session *s);

/* Selects a database as USE does, without asking a server. ERR_NAME 1049. */
MUST_CHECK int session_select(struct session *s, struct str target, struct err *err);

/* Runs one command. @pk: from packet_read(); its bytes must stay until this returns; what runs longer copies them. */
enum session_answer session_command(struct session *s, const struct packet *pk);

/* LOAD DATA LOCAL: one packet from the client (whole, with header). False: that was the last. */
bool session_infile(struct session *s, const uint8_t *p, size_t n);
/* The client's socket has taken all that was queued. */
void session_drained(struct session *s);

/* Back to the state after the login (COM_RESET_CONNECTION, COM_CHANGE_USER). */
void session_reset(struct session *s);

/* KILL from another session of this worker. */
void session_kill(struct session *s, bool query_only);

void session_send_ok(struct session *s);
void session_send_err(struct session *s, const struct err *e);

uint16_t session_status(const struct session *s);

#endif
