/* show.h - SHOW KEYWAY …: what this proxy knows, as rows. One table row per view: name, help, columns, right, and the
 * function that makes its rows. What several workers know each of them tells itself, on its own thread: the one that is
 * asked sends each a message and waits in RUN_ASK; the last one that has answered sends the whole back. Worker threads.
 */
#ifndef KEYWAY_EXEC_SHOW_H
#define KEYWAY_EXEC_SHOW_H

#include "run.h"

#define SHOW_ROWS_MAX	 100000
#define SHOW_BYTES_MAX	 ((size_t)64 * 1024 * 1024) /* of the texts of one worker */
#define SHOW_DEADLINE_US 5000000
#define SHOW_TEXT_MAX	 1024 /* of a statement */

enum show_right {
	SHOW_ANYONE,
	SHOW_OWN,   /* admins see all rows, others those of their own account: the view's function looks */
	SHOW_ADMIN, /* users[].admin */
};

enum show_from {
	SHOW_HERE,    /* the asked worker knows all of it */
	SHOW_WORKERS, /* each worker tells its part */
	SHOW_CONTROL, /* a control thread asks outside: fill() runs there */
};

enum show_type { SHOW_TEXT, SHOW_UINT };

struct show_column {
	const char *name;
	uint8_t type;	/* enum show_type */
	uint16_t chars; /* of a text: how wide clients are told it is */
};

/* Rows being made. Ends with show_rows_free(). */
struct show_rows {
	struct arena arena;
	struct str *f; /* n_cols of each row */
	uint32_t n, cap;
	unsigned n_cols, col;
	struct str like; /* p NULL: all rows; else those of which one field is like it */
	bool cut;	 /* there was more than fits */
};

struct show_ask;

/* What one worker tells. */
struct show_part {
	struct show_ask *ask;
	struct worker *w;
	struct show_rows rows;
	void *merge;	/* for the view's merge(), in rows.arena */
	struct err err; /* kind 0: none. There is nothing to show, and why */
};

struct show_view {
	const char *name; /* behind SHOW KEYWAY */
	const char *help;
	const struct show_column *cols;
	uint8_t n_cols;
	uint8_t right; /* enum show_right */
	uint8_t from;  /* enum show_from */
	/* On @p->w's thread: adds rows, or leaves in p->merge what merge() makes rows of. */
	void (*fill)(struct show_part *p);
	/* On the asking worker's thread, when all parts are there; NULL: the parts' rows one after another. */
	void (*merge)(struct show_ask *a, struct show_rows *out);
};

struct show_ask {
	const struct show_view *view;
	struct worker *from;
	uint32_t asker; /* session */
	bool admin;
	bool full; /* whole texts of statements */
	struct str user, like;
	struct arena arena;
	atomic_uint left; /* parts not yet told */
	uint32_t n_parts;
	struct show_part parts[];
};

/* Begins a row; false: no more fit. Then one call for each column. */
bool show_row(struct show_rows *o);
void show_null(struct show_rows *o);
void show_str(struct show_rows *o, struct str s); /* copied; p NULL: NULL */
/* At most @max bytes of it as well-formed UTF-8: what a client sent may be anything. */
void show_text(struct show_rows *o, struct str s, size_t max);
void show_z(struct show_rows *o, const char *z); /* borrowed, for good; NULL: NULL */
void show_uint(struct show_rows *o, uint64_t v);
void show_printf(struct show_rows *o, const char *fmt, ...) PRINTF(2, 3);
void show_wall(struct show_rows *o, uint64_t wall_us); /* a time of day, UTC; 0: NULL */
/* Behind the last row. */
void show_rows_end(struct show_rows *o);
void show_rows_free(struct show_rows *o);

/* Whether the asker may see what belongs to account @user. */
bool show_may_see(const struct show_ask *a, struct str user);

/* SHOW KEYWAY …, and what servers have under the same name: SHOW PROCESSLIST. */
void show_keyway(struct run *r, const struct sql_show *show);
void show_processlist(struct run *r, bool full);

/* The views, by the file that fills them. */
extern const struct show_view show_shards, show_backends, show_epochs, show_proxies;  /* show_map.c */
extern const struct show_view show_sessions, show_pools, show_pinned, show_processes; /* show_work.c */
extern const struct show_view show_zones, show_reads;				      /* show_reads.c */
extern const struct show_view show_allocators;					      /* show_ids.c */
extern const struct show_view show_digests;					      /* show_digest.c */

#endif
