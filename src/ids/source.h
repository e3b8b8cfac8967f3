/* source.h - one endpoint of an allocator, asked for ids in blocking calls. A source belongs to its allocator's control
 * thread, which alone calls grab(). The real ones are in source_mysql.c and source_http.c; tests script their own. */
#ifndef IDS_SOURCE_H
#define IDS_SOURCE_H

#include "guard.h"

enum grab_result {
	GRAB_OK,
	GRAB_UNWELL,	/* it answers, but cannot serve this tag now: HTTP 5xx */
	GRAB_RETRY,	/* no answer: unreachable, timeout; the outcome may be unknown, then those ids are lost */
	GRAB_REFUSED,	/* the endpoint is well and says no to this tag: unknown tag, missing table, 4xx */
	GRAB_MALFORMED, /* an answer that is none */
};

#define GRAB_RUNS_MAX 64

struct id_grab {
	const char *tag;
	uint32_t want; /* >= 1; ids that are wanted: a source may give fewer, and one that cannot be asked, more */
	struct grab_run run[GRAB_RUNS_MAX];
	size_t run_n;  /* filled also when the result is not GRAB_OK: what came before the failure */
	char why[200]; /* result is not GRAB_OK: for people, no secrets */
};

struct id_source {
	enum grab_result (*grab)(struct id_source *src, struct id_grab *g);
	void (*free)(struct id_source *src);
};

/* Makes the source of endpoint @ep of @conf, which outlives it. Connects to nothing yet. Never NULL. */
typedef struct id_source *id_source_open_fn(const struct alloc_conf *conf, size_t ep, void *arg);

struct id_source *source_mysql_open(const struct alloc_conf *conf, size_t ep);
struct id_source *source_http_open(const struct alloc_conf *conf, size_t ep);

/* ids_new() with sources of the caller's making: for tests. */
struct ids *ids_new_from(const struct ids_config *cfg, id_source_open_fn *open, void *arg, struct err *err);

#endif
