/* source.h - one endpoint of an allocator, asked for ids in blocking calls. A source belongs to its allocator's control
 * thread, which alone calls grab(). The real ones are in source_mysql.c, source_http.c and source_store.c; tests script
 * their own. */
#ifndef IDS_SOURCE_H
#define IDS_SOURCE_H

#include "guard.h"
#include "marks.h"

enum grab_result {
	GRAB_OK,
	GRAB_UNWELL,	/* it answers, but cannot serve this tag now: HTTP 5xx */
	GRAB_RETRY,	/* no answer: unreachable, timeout; the outcome may be unknown, then those ids are lost */
	GRAB_REFUSED,	/* the endpoint is well and says no to this tag: unknown tag, missing table, 4xx */
	GRAB_MALFORMED, /* an answer that is none */
	GRAB_BACKWARDS, /* it stands at or below what it gave before, which it was told in id_grab.high */
};

#define GRAB_RUNS_MAX 64

struct id_grab {
	const char *tag;
	uint64_t high; /* the largest id that it is known to have given for this tag, to anyone; 0: none */
	uint32_t want; /* >= 1; ids that are wanted: a source may give fewer, and one that cannot be asked, more */
	struct grab_run run[GRAB_RUNS_MAX];
	size_t run_n;  /* filled also when the result is not GRAB_OK: what came before the failure */
	char why[200]; /* result is not GRAB_OK: for people, no secrets */
};

struct id_source {
	enum grab_result (*grab)(struct id_source *src, struct id_grab *g);
	void (*free)(struct id_source *src);
};

/* Makes the source of endpoint @ep of @conf, which outlives it. Connects to nothing yet. NULL and @err: its settings
 * cannot be used. */
typedef struct id_source *id_source_open_fn(const struct alloc_conf *conf, size_t ep, void *arg, struct err *err);

struct id_source *source_mysql_open(const struct alloc_conf *conf, size_t ep);
struct id_source *source_http_open(const struct alloc_conf *conf, size_t ep);
/* Owns @kv from here on. */
struct id_source *source_store_open(const struct alloc_conf *conf, size_t ep, struct kv *kv);

/* The counter's text: the largest id given, in decimal, without sign, blanks or zeros in front. -1: it is none. */
MUST_CHECK int counter_parse(struct str text, uint64_t *last);

/* ids_new() with parts of the caller's making: for tests. */
struct ids_parts {
	id_source_open_fn *open;
	/* NULL: no marks. The document store of @place for an allocator; NULL: none there. */
	struct kv *(*open_marks)(const struct alloc_conf *conf, enum marks_place place, void *arg);
	void *arg;
};

struct ids *ids_new_from(const struct ids_config *cfg, const struct ids_parts *parts, struct err *err);

#endif
