/* guard.c - judges what allocators answer: in range, of the right residue, rising, and never given before.
 * For the allocator threads (refill.c).
 * Pure; a guard belongs to one thread. */
#include "guard.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

void guard_init(struct guard *g, const struct alloc_conf *conf)
{
	memset(g, 0, sizeof(*g));
	g->conf = conf;
}

void guard_free(struct guard *g)
{
	for (size_t i = 0; i < IDS_ENDPOINTS_MAX; i++)
		free(g->seen[i].span);
}

/* The first span that ends at or behind @lo - 1, so that it overlaps, touches or follows [@lo, ...]. */
static size_t set_find(const struct guard_set *s, uint64_t lo)
{
	size_t a = 0, b = s->n;

	while (a < b) {
		size_t mid = a + (b - a) / 2;

		if (s->span[mid].hi + 1 < lo)
			a = mid + 1;
		else
			b = mid;
	}
	return a;
}

static bool set_overlaps(const struct guard_set *s, uint64_t lo, uint64_t hi)
{
	size_t i = set_find(s, lo);

	if (i < s->n && s->span[i].hi < lo)
		i++;
	return i < s->n && s->span[i].lo <= hi;
}

/* Memory is bounded: the smallest gaps are counted as seen. They are ids that other proxies got, as a rule; at worst a
 * good id is refused, never a bad one taken. */
static void set_shrink(struct guard_set *s)
{
	for (uint64_t gap = 1; s->n > GUARD_SPANS_MAX / 2; gap *= 2) {
		size_t w = 0;

		for (size_t i = 1; i < s->n; i++) {
			if (s->span[i].lo - s->span[w].hi - 1 <= gap)
				s->span[w].hi = s->span[i].hi;
			else
				s->span[++w] = s->span[i];
		}
		s->n = w + 1;
	}
}

/* [@lo, @hi] overlaps nothing in the set. */
static void set_add(struct guard_set *s, uint64_t lo, uint64_t hi)
{
	size_t i = set_find(s, lo);
	bool left = i < s->n && s->span[i].hi + 1 == lo;
	size_t next = left ? i + 1 : i;
	bool right = next < s->n && s->span[next].lo == hi + 1;

	if (left && right) {
		s->span[i].hi = s->span[next].hi;
		memmove(&s->span[next], &s->span[next + 1], (s->n - next - 1) * sizeof(*s->span));
		s->n--;
		return;
	}
	if (left) {
		s->span[i].hi = hi;
		return;
	}
	if (right) {
		s->span[next].lo = lo;
		return;
	}
	if (s->n == s->cap) {
		s->cap = s->cap ? s->cap * 2 : 16;
		s->span = xrealloc(s->span, s->cap * sizeof(*s->span));
	}
	memmove(&s->span[i + 1], &s->span[i], (s->n - i) * sizeof(*s->span));
	s->span[i] = (struct guard_span){ lo, hi };
	s->n++;
	if (s->n >= GUARD_SPANS_MAX)
		set_shrink(s);
}

enum guard_verdict guard_check(
	struct guard *g, size_t ep, uint64_t mark, const struct grab_run *run, char *why, size_t why_size)
{
	const struct endpoint_conf *e = &g->conf->ep[ep];
	struct guard_set *seen = &g->seen[g->conf->shared ? 0 : ep];
	uint64_t last, lo, hi;

	why[0] = 0;
	if (!run->n || run->n > UINT32_MAX) {
		snprintf(why, why_size, "gave %" PRIu64 " ids at once", run->n);
		return GUARD_BAD;
	}
	if (!run->first || run->first > IDS_MAX_ID) {
		snprintf(why, why_size, "gave id %" PRIu64 ", which is not 1 to 2^63-1", run->first);
		return GUARD_BAD;
	}
	if ((run->n - 1) > (IDS_MAX_ID - run->first) / e->step) {
		snprintf(why, why_size, "gave %" PRIu64 " ids from %" PRIu64 " on, which passes 2^63-1", run->n,
			run->first);
		return GUARD_BAD;
	}
	last = run->first + (run->n - 1) * e->step;
	if (run->first % e->step != e->offset) {
		snprintf(why, why_size,
			"gave id %" PRIu64 ", but its ids should be %" PRIu64 " modulo %" PRIu64
			": check its step and offset",
			run->first, e->offset, e->step);
		return GUARD_BAD;
	}
	if (run->first < e->min_id || last > e->max_id) {
		snprintf(why, why_size, "gave ids %" PRIu64 " to %" PRIu64 ", but it may give %" PRIu64 " to %" PRIu64,
			run->first, last, e->min_id, e->max_id);
		return GUARD_BAD;
	}
	if (g->conf->rising && run->first <= mark) {
		snprintf(why, why_size,
			"went backwards: gave id %" PRIu64 " after %" PRIu64 ", as a restored backup would", run->first,
			mark);
		return GUARD_BACKWARDS;
	}
	lo = run->first / e->step;
	hi = last / e->step;
	if (set_overlaps(seen, lo, hi)) {
		snprintf(why, why_size, "gave ids %" PRIu64 " to %" PRIu64 " of which some were given before",
			run->first, last);
		return GUARD_BAD;
	}
	set_add(seen, lo, hi);
	if (last > g->high[ep])
		g->high[ep] = last;
	return GUARD_GOOD;
}
