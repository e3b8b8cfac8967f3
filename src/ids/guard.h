/* guard.h - what one tag knows about the ids it was given, so that none is taken twice. One guard per tag, used by the
 * allocator's thread only. Pure. */
#ifndef IDS_GUARD_H
#define IDS_GUARD_H

#include "conf.h"

/* An answer of a source: @n ids from @first on, in steps of the endpoint's step. */
struct grab_run {
	uint64_t first;
	uint64_t n;
};

enum guard_verdict {
	GUARD_GOOD,
	GUARD_BAD,	 /* breaks a rule: refuse the answer */
	GUARD_BACKWARDS, /* at or below what this source gave before: refuse, and trust the source no more */
};

/* Ids seen, divided by the step: sorted, disjoint, not touching. */
struct guard_set {
	struct guard_span {
		uint64_t lo, hi;
	} * span;
	size_t n, cap;
};

struct guard {
	const struct alloc_conf *conf;
	uint64_t high[IDS_ENDPOINTS_MAX];	  /* the largest id each endpoint gave */
	struct guard_set seen[IDS_ENDPOINTS_MAX]; /* per endpoint; of a shared service all in the first */
};

#define GUARD_SPANS_MAX 8192

void guard_init(struct guard *g, const struct alloc_conf *conf);
void guard_free(struct guard *g);

/* Judges an answer of endpoint @ep and, when it is good, remembers it as given. @mark is guard_mark() from before the
 * grab was sent. @why gets the reason when it is not good. */
enum guard_verdict guard_check(
	struct guard *g, size_t ep, uint64_t mark, const struct grab_run *run, char *why, size_t why_size);

static inline uint64_t guard_mark(const struct guard *g, size_t ep)
{
	return g->high[ep];
}

#endif
