/* ids/ids.h - unique ids from allocators outside: MySQL ticket servers, HTTP services, counters in etcd and consul.
 *
 * A struct ids holds the allocators of the configuration, each with one control thread that keeps ids ahead of need for
 * every tag (a tag is one sequence of an allocator, as a rule one table: "<keyspace>.<table>"). Workers take ids that
 * are already here, wait for some, or are told why there are none. Nothing is ever made up here: an id was given by an
 * allocator, passed the checks (positive, not above 2^63-1, residue, rising, overlapping nothing that was given
 * before), and is handed out once. Ids still held when the process ends are lost, which leaves a gap.
 *
 * Threads: all functions but ids_new() and ids_free() may be called by any thread and never block on an allocator;
 * they hold a mutex of one tag for a few instructions. Times are microseconds on clock_mono_us(). */
#ifndef KEYWAY_IDS_IDS_H
#define KEYWAY_IDS_IDS_H

#include "keyway/util/arena.h"
#include "keyway/util/err.h"
#include "keyway/util/list.h"

struct store_config; /* keyway/store/store.h */
struct ids;	     /* opaque */
struct ids_tag;	     /* opaque; lives as long as the struct ids */

#define IDS_MAX_ID	  INT64_MAX /* the largest id that any allocator may give */
#define IDS_TAG_MAX	  128	    /* bytes of a tag */
#define IDS_ENDPOINTS_MAX 8	    /* endpoints of one allocator */

/* --- configuration: plain values, copied by ids_new(); NULL or 0 is "default" unless said --- */

enum ids_kind {
	IDS_MYSQL, /* a table on one or more MySQL or MariaDB servers */
	IDS_HTTP,  /* a service: Leaf, snowflake clones, your own */
	IDS_STORE, /* a counter per tag in etcd, consul or files, raised by compare-and-swap */
};

extern const char *const ids_kind_name[];

/* What is done about ids that were given out to other proxies, or before this process began (docs/ids.md). */
enum ids_marking {
	IDS_MARKING_AUTO,     /* kept on record where there is a place; while that is away, ids go on without */
	IDS_MARKING_REQUIRED, /* an id that cannot be put on record is not used */
	IDS_MARKING_OFF,
};

enum ids_form {
	IDS_FORM_TICKET, /* mysql: REPLACE INTO <table> (stub) VALUES ('<tag>'), the id is the AUTO_INCREMENT value */
	IDS_FORM_BLOCK,	 /* mysql: UPDATE <table> SET id = LAST_INSERT_ID(id + N*step) WHERE name = '<tag>' */
};

/* One server or service node. The ids of two endpoints must be disjoint by construction: same step and another offset
 * (odd and even), or other bounds; or they are nodes of one service that gives no id twice (ids_allocator.shared). */
struct ids_endpoint {
	const char *host;		  /* mysql; default 127.0.0.1 */
	uint16_t port;			  /* mysql; default 3306 */
	const char *socket;		  /* mysql: unix socket, instead of host and port */
	const char *user;		  /* mysql */
	const char *password;		  /* mysql; never logged */
	const char *url;		  /* http: with {tag} and {n} in it */
	const struct store_config *store; /* store: where the counters are; needed during ids_new() only */
	uint64_t step;			  /* modulus; default 1 */
	uint64_t offset;		  /* residue: every id fulfils id % step == offset % step */
	uint64_t min_id;		  /* smallest id of this endpoint; default 1 */
	uint64_t max_id;		  /* largest id of this endpoint; default IDS_MAX_ID */
};

/* Where an HTTP answer holds its ids: all NULL for a body that is one bare decimal number, else JSON pointers (RFC
 * 6901) to numbers or strings of digits: id alone, or first with last or count. */
struct ids_answer {
	const char *id;
	const char *first;
	const char *last;
	const char *count;
};

struct ids_allocator {
	const char *name;
	enum ids_kind kind;
	enum ids_form form;   /* mysql */
	const char *database; /* mysql; default "ids" */
	const char *table;    /* mysql; default "tickets" for tickets, "sequences" for blocks */
	const struct ids_endpoint *endpoints;
	size_t endpoint_n; /* 1 .. IDS_ENDPOINTS_MAX */
	bool shared;	   /* the endpoints are doors to one counter or service: their ids need not be disjoint by
			    * step, offset or bounds */
	bool rising;	   /* http: every endpoint alone gives rising ids; mysql: always so */
	bool post;	   /* http: POST instead of GET */
	const char *body;  /* http: body of the POST, with {tag} and {n}; default empty */
	struct ids_answer answer;   /* http */
	const char *const *headers; /* http: "Name: value" lines, may hold secrets: never logged */
	size_t header_n;
	const char *bearer;  /* http: token; never logged */
	const char *ca_file; /* TLS: http uses the system's when NULL; mysql uses TLS, verified, when set */
	const char *cert_file, *key_file; /* TLS client certificate */
	uint64_t timeout_us;		  /* of one grab; default 500 ms */
	uint32_t block;			  /* ids fetched ahead for a new tag; default 1000 (single-id sources 200) */
	uint32_t block_min;		  /* the size follows the rate between these; default block / 10 */
	uint32_t block_max;		  /* default 1000000 (single-id sources 20000) */
	uint32_t parallel;		  /* single-id http sources: grabs in flight; default 16 */
	uint64_t start;			  /* store: first id of a tag that has no counter; 0: such a tag is refused */
	enum ids_marking marks;
};

struct ids_config {
	const struct ids_allocator *allocators;
	size_t n;
	/* Where it is kept which ids were given out; both may be NULL, both are needed during ids_new() only. */
	const struct store_config *marks_shared; /* for all proxies */
	const char *marks_folder;		 /* for those of this host; made when it is not there */
};

/* Checks and copies @cfg and starts one thread per allocator (and one that ends waits whose deadline has passed).
 * NULL and @err (kind ERR_CONFIG, which allocator, which setting) when it does not hold together. Connects to
 * nothing here. An empty config is fine. The threads take no signals. */
struct ids *ids_new(const struct ids_config *cfg, struct err *err);

/* Ends all waits (their callbacks run, with an error), joins the threads, frees everything. No other thread may be in
 * a function of this @ids, no range needs it any more. NULL is fine. */
void ids_free(struct ids *ids);

/* --- taking ids --- */

/* The tag named @tag of the allocator named @allocator, made on first use: then its ids begin to be fetched. Look it up
 * once per table and keep the pointer. NULL and @err when there is no such allocator (the message lists them) or the
 * tag is empty, too long or holds control characters. */
struct ids_tag *ids_tag(struct ids *ids, struct str allocator, struct str tag, struct err *err);

struct ids_run {
	uint64_t first;
	uint64_t step;
	uint32_t n;
	uint32_t before; /* ids of the range that stand in earlier runs */
};

/* n ids in rising order. As a rule one run; several when the allocator gives single ids with gaps. Assignment hands the
 * ids over. */
struct ids_range {
	uint32_t n;
	uint32_t run_n;
	struct ids_run one;   /* run_n 1 */
	struct ids_run *more; /* run_n > 1: all runs, owned by the range; else NULL */
};

enum ids_result {
	IDS_OK = 0,
	/* none here now, some are expected soon: ids_wait() */
	IDS_WAIT = 1,
	/* negative: enum err_kind */
};

/* Takes @n (>= 1) ids, all or none, never blocking. IDS_OK fills @out (end it with ids_range_free()): one run, if the
 * allocator can give runs of that length at all. IDS_WAIT: see ids_wait(). Negative (ERR_BACKEND, or ERR_LIMIT when @n
 * is more than the allocator can ever hold) fills @err with errno 1467, naming allocator, tag, each endpoint's state
 * and the cure. */
MUST_CHECK int ids_take(struct ids *ids, struct ids_tag *tag, uint32_t n, struct ids_range *out, struct err *err);

/* Id number @i, 0 <= @i < n. */
uint64_t ids_range_id(const struct ids_range *r, uint32_t i);
/* The largest id in the range, to check it against the column's type before use. */
uint64_t ids_range_max(const struct ids_range *r);
/* Does not give ids back: those not used are lost. */
void ids_range_free(struct ids_range *r);

/* A wait for ids, inside the caller's own struct, which must stay put until @done has run or ids_cancel() said true. */
struct ids_waiter;
/* Runs exactly once, on a thread of struct ids: hand it over to your loop and return. The waiter is the callback's
 * from here on: result, range and err are filled. No lock is held. Do not call ids_free() in it. */
typedef void ids_done_fn(struct ids_waiter *w);

struct ids_waiter {
	struct list link;    /* private */
	struct list timer;   /* private */
	struct ids_tag *tag; /* private */
	ids_done_fn *done;   /* set by the caller */
	void *arg;	     /* the caller's */
	uint32_t n;
	uint64_t deadline_us;
	int result;		/* IDS_OK or negative */
	struct ids_range range; /* result IDS_OK: to be ended with ids_range_free() */
	struct err err;		/* result negative */
};

/* Waits for @n ids of @tag until @deadline_us. @done may run before this returns, on another thread. Set @w->arg
 * before. */
void ids_wait(struct ids *ids, struct ids_tag *tag, uint32_t n, uint64_t deadline_us, ids_done_fn *done,
	struct ids_waiter *w);

/* True: @w is out, its callback will never run. False: the callback has run, or is running. */
bool ids_cancel(struct ids *ids, struct ids_waiter *w);

/* --- what is going on --- */

enum ids_state {
	IDS_NEW,     /* not asked yet */
	IDS_UP,	     /* its last answer was good */
	IDS_SHAKY,   /* failed lately, is tried again with back-off */
	IDS_DOWN,    /* failed three times or more in a row, is tried again with back-off */
	IDS_STOPPED, /* went backwards: not used until ids_resume() or a restart; last_error says what it gave */
};

extern const char *const ids_state_name[];

/* What is known of the ids that were given out before this process began, and to other proxies. */
enum ids_marks {
	IDS_MARKS_OFF,	  /* nothing: only what this process was given is known */
	IDS_MARKS_LOCAL,  /* of this host: in the folder of ids.state */
	IDS_MARKS_SHARED, /* of all proxies: in the map's store */
	IDS_MARKS_BOTH,
};

extern const char *const ids_marks_name[];

struct ids_endpoint_status {
	const char *name; /* host:port, socket path, or scheme://host:port */
	enum ids_state state;
	uint64_t grabs, ids;	/* good answers; ids in them */
	uint64_t failures;	/* no answer, or one that said no */
	uint64_t bad_answers;	/* answers that broke a rule */
	uint64_t retry_us;	/* until it is tried again; 0: now */
	uint64_t slowest_us;	/* slowest of the last 64 grabs */
	const char *last_error; /* "" */
};

struct ids_tag_status {
	const char *name;
	uint64_t blocks, ids; /* held now */
	uint64_t block;	      /* present size of a fetch */
	uint64_t taken, takes, waits, failures;
	uint64_t waiting; /* statements that wait now */
	uint64_t rate_per_s;
	uint64_t left_us; /* time to empty: the ids held last so long at that rate; UINT64_MAX: no use lately */
	uint64_t high;	  /* the largest id that was given to anyone, as far as is known; 0: none */
	uint64_t high_of[IDS_ENDPOINTS_MAX]; /* the same by endpoint, in the order of the allocator's endpoints */
	const char *last_error;		     /* "" */
};

struct ids_allocator_status {
	const char *name;
	enum ids_kind kind;
	enum ids_form form;
	enum ids_marks marks;	 /* where it is kept which ids were given out */
	const char *marks_error; /* "", or why that cannot be read or written now: ids go on unrecorded */
	struct ids_endpoint_status *endpoints;
	size_t endpoint_n;
	struct ids_tag_status *tags;
	size_t tag_n;
};

struct ids_status {
	struct ids_allocator_status *allocators;
	size_t n;
};

/* A copy of the present state, all of it in @a. */
void ids_status(struct ids *ids, struct arena *a, struct ids_status *out);

/* An operator says that the endpoint that was stopped is right again (its counter was put above all ids given out);
 * @endpoint empty: all of the allocator. Its ids must still be above those it gave to this process, and those on
 * record. ERR_NAME when there is no such allocator or endpoint. */
MUST_CHECK int ids_resume(struct ids *ids, struct str allocator, struct str endpoint, struct err *err);

#endif
