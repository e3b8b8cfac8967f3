/* backend/bconn.h - one connection to a server: login, then commands whose answers come back in order to its holder.
 * Several commands may be sent before the first answer (pipelining). One loop thread.
 *
 *  CONNECTING -> GREETING -> (TLS ->) LOGIN -> INIT -> IDLE <-> LEASED ;  LEASED -> RESETTING -> IDLE ;  any -> CLOSED
 */
#ifndef KEYWAY_BACKEND_BCONN_H
#define KEYWAY_BACKEND_BCONN_H

#include "keyway/backend/server.h"
#include "keyway/backend/settings.h"
#include "keyway/io/stream.h"
#include "keyway/wire/response.h"

struct pool;
struct bconn;

enum bconn_state {
	BCONN_CONNECTING,
	BCONN_GREETING,
	BCONN_TLS,
	BCONN_LOGIN,
	BCONN_INIT,
	BCONN_IDLE,
	BCONN_LEASED,
	BCONN_RESETTING,
	BCONN_CLOSED,
};
extern const char *const bconn_state_name[];

struct bconn_ops {
	/* Bytes [@p, @p + @n) of the answer to the oldest command, ending with the packet of @ev if it has one;
	 * ev->type RESPONSE_MORE: just bytes. ev->done: that answer is over. The holder may send, or give the
	 * connection back when c->n_cmds is 0, inside this call. */
	void (*reply)(struct bconn *c, uint8_t tag, uint8_t *p, size_t n, const struct response_event *ev);
	/* The connection is gone with answers outstanding or not; it is closed already and freed after this call. */
	void (*lost)(struct bconn *c, const struct err *why);
	/* All that was queued for the server has gone out. */
	void (*drained)(struct bconn *c);
};

#define BCONN_PIPELINE 24 /* a transaction that begins, with its savepoints, and all that is set before */

struct bconn_cmd {
	uint8_t kind;	   /* enum response_kind */
	uint8_t flags;	   /* RESPONSE_WANT_… */
	uint8_t tag;	   /* the holder's word for it */
	uint8_t first_seq; /* the sequence_id that its answer begins with */
	uint8_t shift;	   /* added to the sequence_ids of its answer */
};

/* A statement prepared on this connection. */
struct bstmt {
	const void *key;     /* identity of the text (interned by the worker); NULL: forgotten, to be closed */
	const char *db;	     /* what names without a database meant when it was prepared */
	uint64_t parse_hash; /* of the settings that it was read under */
	uint32_t id;	     /* the server's */
	uint32_t types_hash; /* of the parameter types it was last executed with; 0: never */
	uint64_t used;	     /* for the choice of the one to close */
};

struct bconn {
	struct stream st;
	struct list link; /* in the pool */
	struct pool *pool;
	const struct bconn_ops *ops; /* set by the holder */
	void *holder;
	uint8_t state; /* enum bconn_state */
	uint8_t n_cmds, first_cmd;
	bool found_rows;
	bool mariadb;
	bool tracks_gtid; /* it tells the GTIDs of writes */
	bool stamped;	  /* a timestamp was set for one statement over several shards: undo it before the next */
	bool kill_sent;
	bool kill_query;
	uint32_t kill_thread; /* not 0: its only errand is to KILL this thread */
	uint32_t caps;
	uint32_t thread_id;
	uint16_t status; /* of the last OK or EOF */
	struct bconn_cmd cmds[BCONN_PIPELINE];
	struct response resp; /* of cmds[first_cmd], when its first byte has come */
	bool resp_begun;
	struct buf in; /* an incomplete packet */
	/* what the connection's session is like: kept true by the holder */
	const struct settings *settings;
	const char *db;		 /* interned by the worker: compare by pointer; NULL: none selected */
	uint64_t last_insert_id; /* that LAST_INSERT_ID() would give, when last_insert_known */
	bool last_insert_known;
	struct bstmt *stmts;
	uint32_t n_stmts, cap_stmts;
	uint64_t stmt_clock;
	bool stmts_forgotten; /* some of stmts are to be closed when the holder is done */
	uint64_t born_us, idle_since_us;
	struct wheel_timer timer; /* login deadline */
	struct buf login;	  /* packet being read during login */
	uint8_t login_seq;
	struct loop_task gone;
	uint64_t salt[8];
	bool salt_is_native;
	struct err why;
};

/* Sends one command, @p being its whole packet(s) with headers. @tag comes back with the answer; 0: it is a client's
 * statement, which is counted. */
void bconn_send(struct bconn *c, enum response_kind kind, unsigned flags, uint8_t tag, const void *p, size_t n);
/* The same for @payload (with the COM byte) without header. */
void bconn_send_payload(
	struct bconn *c, enum response_kind kind, unsigned flags, uint8_t tag, const void *payload, size_t n);
/* COM_QUERY with @sql. */
void bconn_query(struct bconn *c, unsigned flags, uint8_t tag, struct str sql);
/* A command that has no answer (COM_STMT_CLOSE, SEND_LONG_DATA). */
void bconn_send_silent(struct bconn *c, const void *payload, size_t n);
/* Bytes that belong to the command under way (LOCAL INFILE). */
void bconn_send_raw(struct bconn *c, const void *p, size_t n);

/* Registers a command whose bytes the caller sends himself with bconn_send_raw(). */
void bconn_expect(struct bconn *c, enum response_kind kind, unsigned flags, uint8_t tag);

/* The answer to the command sent last is to begin with sequence_id @seq, since it goes on to a client. */
void bconn_answer_seq(struct bconn *c, uint8_t seq);

/* Its server is judged down: the connection is closed, and the holder is told from the loop as if it had been lost. */
void bconn_give_up(struct bconn *c);

#define BCONN_STMTS_MAX 256
/* The statement prepared for @key, or NULL. */
struct bstmt *bconn_stmt_find(struct bconn *c, const void *key);
/* The same for a database and settings that the connection is about to have. */
struct bstmt *bconn_stmt_find_for(struct bconn *c, const void *key, const char *db, uint64_t parse_hash);
/* Remembers one; when there are too many the least recently used is closed on the server. */
struct bstmt *bconn_stmt_add(struct bconn *c, const void *key, uint32_t id);
void bconn_stmt_drop(struct bconn *c, const void *key);
/* The same, but nothing is sent before the connection comes back: for one that another holder may be writing to. */
void bconn_stmt_forget(struct bconn *c, const void *key);
/* Closes what was forgotten. */
void bconn_stmt_close_forgotten(struct bconn *c);

#endif
