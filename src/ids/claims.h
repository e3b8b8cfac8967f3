/* claims.h - which ids of one tag were given out, to any process at any time, as text that is kept outside this one.
 * Ids are kept by slice: the numbers that leave the remainder offset when divided by step, within bounds. Two servers
 * of a pair are two slices; those of an arrangement that is no longer configured stay, and count against all they meet.
 *
 * A text is "keyway-ids 1 <xxh64 of the rest, 16 hex digits>" and a line per slice: "<offset>/<step>/<min>/<max>" and
 * the spans "<first>-<last>", sorted and apart. Pure. */
#ifndef IDS_CLAIMS_H
#define IDS_CLAIMS_H

#include "conf.h"
#include "guard.h"
#include "keyway/util/buf.h"

#define CLAIM_SLICES_MAX 16
#define CLAIM_SPANS_MAX	 1024 /* of a slice: beyond it the lowest two become one, with all between them */
#define CLAIM_BYTES_MAX	 (CLAIM_SLICES_MAX * (CLAIM_SPANS_MAX + 2) * 44)

struct claim_span {
	uint64_t first, last; /* of the slice, both included */
};

struct claim_slice {
	uint64_t step, offset, min_id, max_id;
	struct claim_span *span;
	size_t n, cap;
};

struct claims { /* zeroed is empty */
	struct claim_slice slice[CLAIM_SLICES_MAX];
	size_t n;
};

void claims_free(struct claims *c); /* leaves it empty */

/* Fills the empty @out. -1 and @why: it is not a text of claims_print(), or was damaged; @out stays empty. */
MUST_CHECK int claims_parse(struct str text, struct claims *out, char *why, size_t why_size);
void claims_print(const struct claims *c, struct buf *out);

/* Were some ids of @run given out before? */
bool claims_hit(const struct claims *c, const struct endpoint_conf *ep, const struct grab_run *run);
/* @run is valid for @ep (guard_check()). What was given out already is no matter. */
void claims_add(struct claims *c, const struct endpoint_conf *ep, const struct grab_run *run);
/* Were some ids of @of, as far as @ep could have given them, given out before? */
bool claims_hit_all(const struct claims *c, const struct endpoint_conf *ep, const struct claims *of);
/* Adds all of @from. */
void claims_join(struct claims *c, const struct claims *from);
/* The largest id given out that @ep could have given; 0: none. */
uint64_t claims_high(const struct claims *c, const struct endpoint_conf *ep);

static inline bool claims_empty(const struct claims *c)
{
	return c->n == 0;
}

#endif
