/* claims.c - sets of ids that were given out: hit, add, read from text, write as text.
 * For the allocator threads (marks.c), which keep one text per tag.
 * Pure. */
#include "claims.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <xxhash.h>

#define HEAD	  "keyway-ids 1 "
#define HEAD_N	  (sizeof(HEAD) - 1)
#define STEP_LAST 1000000 /* conf.c takes no larger step */

void claims_free(struct claims *c)
{
	for (size_t i = 0; i < c->n; i++)
		free(c->slice[i].span);
	memset(c, 0, sizeof(*c));
}

/* Is there a number in both slices? */
static bool slices_meet(uint64_t step_a, uint64_t offset_a, uint64_t step_b, uint64_t offset_b)
{
	while (step_b) {
		uint64_t r = step_a % step_b;

		step_a = step_b;
		step_b = r;
	}
	return offset_a % step_a == offset_b % step_a;
}

/* The first span that ends at @first or behind it. */
static size_t span_find(const struct claim_slice *s, uint64_t first)
{
	size_t a = 0, b = s->n;

	while (a < b) {
		size_t mid = a + (b - a) / 2;

		if (s->span[mid].last < first)
			a = mid + 1;
		else
			b = mid;
	}
	return a;
}

static bool slice_hit(const struct claim_slice *s, uint64_t first, uint64_t last)
{
	size_t i = span_find(s, first);

	return i < s->n && s->span[i].first <= last;
}

/* Memory is bounded: the lowest gap counts as given out. Allocators count upwards, so it is the oldest, as a rule. */
static void slice_shrink(struct claim_slice *s)
{
	size_t over = s->n - MIN(s->n, (size_t)CLAIM_SPANS_MAX);

	if (!over)
		return;
	s->span[over].first = s->span[0].first;
	memmove(&s->span[0], &s->span[over], (s->n - over) * sizeof(*s->span));
	s->n -= over;
}

static void slice_add(struct claim_slice *s, uint64_t first, uint64_t last)
{
	size_t from, to;

	/* all spans that overlap or touch become one; 1 <= first, so the difference does not wrap */
	from = span_find(s, first - MIN(s->step, first));
	for (to = from; to < s->n && s->span[to].first <= last + s->step; to++) {
		first = MIN(first, s->span[to].first);
		last = MAX(last, s->span[to].last);
	}
	if (from == to) {
		if (s->n == s->cap) {
			s->cap = s->cap ? s->cap * 2 : 16;
			s->span = xrealloc(s->span, s->cap * sizeof(*s->span));
		}
		memmove(&s->span[from + 1], &s->span[from], (s->n - from) * sizeof(*s->span));
		s->n++;
		to = from + 1;
	}
	s->span[from] = (struct claim_span){ first, last };
	memmove(&s->span[from + 1], &s->span[to], (s->n - to) * sizeof(*s->span));
	s->n -= to - from - 1;
	slice_shrink(s);
}

/* The slice of @like's numbers, made when there is none. */
static struct claim_slice *slice_of(struct claims *c, const struct claim_slice *like)
{
	static const struct claim_slice whole = { .step = 1, .offset = 0, .min_id = 1, .max_id = IDS_MAX_ID };
	struct claim_slice *s, old;

	for (size_t i = 0; i < c->n; i++) {
		s = &c->slice[i];
		if (s->step == like->step && s->offset == like->offset && s->min_id == like->min_id &&
			s->max_id == like->max_id)
			return s;
	}
	/* the arrangement was changed many times: the oldest slice then stands for all numbers of its spans */
	if (c->n == CLAIM_SLICES_MAX) {
		old = c->slice[0];
		memmove(&c->slice[0], &c->slice[1], (c->n - 1) * sizeof(c->slice[0]));
		c->n--;
		s = slice_of(c, &whole);
		for (size_t i = 0; i < old.n; i++)
			slice_add(s, old.span[i].first, old.span[i].last);
		free(old.span);
		return slice_of(c, like);
	}
	s = &c->slice[c->n++];
	*s = (struct claim_slice){
		.step = like->step, .offset = like->offset, .min_id = like->min_id, .max_id = like->max_id
	};
	return s;
}

static struct claim_slice slice_like(const struct endpoint_conf *ep)
{
	return (struct claim_slice){
		.step = ep->step, .offset = ep->offset, .min_id = ep->min_id, .max_id = ep->max_id
	};
}

static uint64_t run_last(const struct endpoint_conf *ep, const struct grab_run *run)
{
	return run->first + (run->n - 1) * ep->step;
}

bool claims_hit(const struct claims *c, const struct endpoint_conf *ep, const struct grab_run *run)
{
	for (size_t i = 0; i < c->n; i++) {
		const struct claim_slice *s = &c->slice[i];

		if (slices_meet(s->step, s->offset, ep->step, ep->offset) &&
			slice_hit(s, run->first, run_last(ep, run)))
			return true;
	}
	return false;
}

bool claims_hit_all(const struct claims *c, const struct endpoint_conf *ep, const struct claims *of)
{
	for (size_t i = 0; i < of->n; i++) {
		const struct claim_slice *o = &of->slice[i];

		if (!slices_meet(o->step, o->offset, ep->step, ep->offset))
			continue;
		for (size_t k = 0; k < o->n; k++) {
			struct grab_run run = { o->span[k].first, (o->span[k].last - o->span[k].first) / ep->step + 1 };

			if (o->span[k].first <= ep->max_id && o->span[k].last >= ep->min_id && claims_hit(c, ep, &run))
				return true;
		}
	}
	return false;
}

void claims_add(struct claims *c, const struct endpoint_conf *ep, const struct grab_run *run)
{
	struct claim_slice like = slice_like(ep);

	slice_add(slice_of(c, &like), run->first, run_last(ep, run));
}

void claims_join(struct claims *c, const struct claims *from)
{
	for (size_t i = 0; i < from->n; i++) {
		const struct claim_slice *f = &from->slice[i];

		for (size_t k = 0; k < f->n; k++)
			slice_add(slice_of(c, f), f->span[k].first, f->span[k].last);
	}
}

uint64_t claims_high(const struct claims *c, const struct endpoint_conf *ep)
{
	uint64_t high = 0;

	for (size_t i = 0; i < c->n; i++) {
		const struct claim_slice *s = &c->slice[i];

		if (!slices_meet(s->step, s->offset, ep->step, ep->offset))
			continue;
		/* the last span that begins within the bounds */
		for (size_t k = s->n; k-- > 0;) {
			if (s->span[k].first > ep->max_id)
				continue;
			if (s->span[k].last >= ep->min_id)
				high = MAX(high, MIN(s->span[k].last, ep->max_id));
			break;
		}
	}
	return high;
}

/* --- as text --- */

static struct str cut_at(struct str *s, char c)
{
	const char *end = memchr(s->p, c, s->n);
	struct str head = str_make(s->p, end ? (size_t)(end - s->p) : s->n);

	s->p += head.n + (end != NULL);
	s->n -= head.n + (end != NULL);
	return head;
}

static bool parse_two(struct str s, char between, uint64_t *a, uint64_t *b)
{
	struct str head;

	if (!s.n || !memchr(s.p, between, s.n))
		return false;
	head = cut_at(&s, between);
	return str_to_u64(head, a) == 0 && str_to_u64(s, b) == 0;
}

static bool parse_span(struct claim_slice *s, struct str text)
{
	uint64_t first, last, least = s->n ? s->span[s->n - 1].last + s->step + 1 : 1;

	if (s->n == CLAIM_SPANS_MAX || !parse_two(text, '-', &first, &last))
		return false;
	if (first < least || last < first || last > IDS_MAX_ID)
		return false;
	if (first % s->step != s->offset || last % s->step != s->offset)
		return false;
	slice_add(s, first, last);
	return true;
}

static bool parse_slice(struct claims *c, struct str line)
{
	struct str head = cut_at(&line, ' ');
	struct claim_slice like = { 0 }, *s;
	size_t before = c->n;

	if (c->n == CLAIM_SLICES_MAX || str_to_u64(cut_at(&head, '/'), &like.offset) < 0 ||
		str_to_u64(cut_at(&head, '/'), &like.step) < 0 || !parse_two(head, '/', &like.min_id, &like.max_id))
		return false;
	if (!like.step || like.step > STEP_LAST || like.offset >= like.step || !like.min_id ||
		like.min_id > like.max_id || like.max_id > IDS_MAX_ID)
		return false;
	s = slice_of(c, &like);
	if (c->n == before || !line.n)
		return false;
	while (line.n) {
		if (!parse_span(s, cut_at(&line, ' ')))
			return false;
	}
	return line.p[-1] != ' ';
}

int claims_parse(struct str text, struct claims *out, char *why, size_t why_size)
{
	char sum[32];

	if (text.n > CLAIM_BYTES_MAX || !str_starts(text, STR(HEAD)) || text.n < HEAD_N + 17) {
		snprintf(why, why_size, "not a list of ids given out");
		return -1;
	}
	snprintf(sum, sizeof(sum), "%016" PRIx64 "\n", (uint64_t)XXH64(text.p + HEAD_N + 17, text.n - HEAD_N - 17, 0));
	if (memcmp(text.p + HEAD_N, sum, 17)) {
		snprintf(why, why_size, "its checksum does not fit");
		return -1;
	}
	text = str_make(text.p + HEAD_N + 17, text.n - HEAD_N - 17);
	while (text.n) {
		bool ended = text.p[text.n - 1] == '\n';

		if (!ended || !parse_slice(out, cut_at(&text, '\n'))) {
			snprintf(why, why_size, "it has a line that is none");
			claims_free(out);
			return -1;
		}
	}
	return 0;
}

void claims_print(const struct claims *c, struct buf *out)
{
	struct buf body = { 0 };

	for (size_t i = 0; i < c->n; i++) {
		const struct claim_slice *s = &c->slice[i];

		if (!s->n)
			continue;
		buf_addf(&body, "%" PRIu64 "/%" PRIu64 "/%" PRIu64 "/%" PRIu64, s->offset, s->step, s->min_id,
			s->max_id);
		for (size_t k = 0; k < s->n; k++)
			buf_addf(&body, " %" PRIu64 "-%" PRIu64, s->span[k].first, s->span[k].last);
		buf_add_u8(&body, '\n');
	}
	buf_addf(out, HEAD "%016" PRIx64 "\n",
		(uint64_t)XXH64(body.len ? (char *)buf_head(&body) : "", buf_used(&body), 0));
	if (body.len)
		buf_add(out, buf_head(&body), buf_used(&body));
	buf_free(&body);
}
