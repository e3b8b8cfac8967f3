/* marks.h - an allocator's record of which ids were given out, outside this process: in a folder of this host, in the
 * map's store, or in both. A block is put on record before any of its ids is used, so that no process gives an id that
 * is on record, whatever the allocator answers.
 *
 * For each place a tag has one text (claims.h) under "ids_high/<allocator>/<tag>". Everything here belongs to the
 * allocator's control thread, but for what is said to be under allocator.lock. */
#ifndef IDS_MARKS_H
#define IDS_MARKS_H

#include "claims.h"
#include "kv.h"

#define MARKS_PLACES_MAX 2
#define WHY_MAX		 200

/* How often something failed in a row, and when it is tried again. */
struct backoff {
	unsigned fails;
	uint64_t next_us; /* 0: now */
};

enum marks_place { MARKS_LOCAL, MARKS_SHARED };

struct marks {
	struct marks_home {
		struct kv *kv; /* NULL: there is none */
		struct backoff backoff;
		char error[WHY_MAX]; /* under allocator.lock; "": it works */
	} home[MARKS_PLACES_MAX];
};

/* Of one tag. */
struct tag_marks {
	bool known[MARKS_PLACES_MAX];		    /* was read at least once */
	struct claims unrecorded[MARKS_PLACES_MAX]; /* given out while the place could not be written */
	bool in_doubt[MARKS_PLACES_MAX];	    /* unrecorded may be on record after all */
	uint64_t high[IDS_ENDPOINTS_MAX]; /* largest id on record that the endpoint could have given, as last read */
};

enum marks_verdict {
	MARKS_GOOD,  /* on record, or there is no record to keep, or it cannot be kept and need not be */
	MARKS_TAKEN, /* some ids were on record already, and are not among those left */
	MARKS_LIE,   /* and it is proven that an endpoint gave ids twice, some of which may be in use */
	MARKS_LOST,  /* whether they are on record is not known, or they had to be and are not: none is left */
};

struct allocator;
struct ids_tag;

/* Looks whether the places answer, before anybody waits for ids. */
void marks_probe(struct allocator *a);

/* May ids be asked for? False when they must be on record and cannot be now; @next_us: when to ask again. */
bool marks_ready(const struct allocator *a, uint64_t *next_us);

/* Reads what is on record, as far as that was not done: before the first ids of @tag are asked for. */
void marks_load(struct allocator *a, struct ids_tag *tag);

/* Puts @run on record for endpoint @ep and leaves in @run and @n what may be used. @liar: MARKS_LIE, the endpoint. */
enum marks_verdict marks_claim(struct allocator *a, struct ids_tag *tag, size_t ep, struct grab_run *run, size_t *n,
	size_t *liar, char *why, size_t why_size);

void marks_free(struct marks *m);
void tag_marks_free(struct tag_marks *t);

#endif
