/* show_digest.c - SHOW KEYWAY DIGESTS: what the statements of one form took, all workers added up.
 * For show.c.
 * The worker's thread whose part it is; the merge on the asking one's. */
#include "show.h"
#include "keyway/plan/digest.h"
#include <stdlib.h>

/* A worker's digests, copied. Times are wall clock. */
struct rows {
	struct digest *v;
	uint32_t n, cap;
	struct show_part *part;
	uint64_t wall_less_loop_us;
};

static void copy_one(const struct digest *d, void *arg)
{
	struct rows *r = arg;
	struct arena *a = &r->part->rows.arena;
	struct digest *c;

	if (!d->runs || r->n == SHOW_ROWS_MAX)
		return;
	if (a->used_bytes > SHOW_BYTES_MAX) {
		r->part->rows.cut = true;
		return;
	}
	if (r->n == r->cap) {
		uint32_t cap = r->cap ? r->cap * 2 : 64;
		struct digest *more = arena_array(a, struct digest, cap);

		if (r->n)
			memcpy(more, r->v, r->n * sizeof(*more));
		r->v = more;
		r->cap = cap;
	}
	c = &r->v[r->n++];
	*c = *d;
	c->ks = arena_dup(a, d->ks, strlen(d->ks));
	c->text = arena_str(a, d->text);
	c->first_us += r->wall_less_loop_us;
	c->last_us += r->wall_less_loop_us;
}

static void fill_digests(struct show_part *p)
{
	struct rows *r = arena_new(&p->rows.arena, struct rows);

	r->part = p;
	r->wall_less_loop_us = clock_wall_us() - loop_now_us(p->w->loop);
	digest_each(p->w->digests, copy_one, r);
	p->merge = r;
}

static int by_identity(const void *a, const void *b)
{
	const struct digest *x = a, *y = b;

	if (x->id[0] != y->id[0])
		return x->id[0] < y->id[0] ? -1 : 1;
	if (x->id[1] != y->id[1])
		return x->id[1] < y->id[1] ? -1 : 1;
	return strcmp(x->ks, y->ks);
}

static int by_time(const void *a, const void *b)
{
	const struct digest *x = a, *y = b;

	if (x->total_us != y->total_us)
		return x->total_us > y->total_us ? -1 : 1;
	return by_identity(a, b);
}

static void digest_row(struct show_rows *o, const struct digest *d)
{
	show_printf(o, "%016llx%016llx", (unsigned long long)d->id[1], (unsigned long long)d->id[0]);
	show_str(o, str_of(d->ks));
	show_z(o, d->route);
	show_uint(o, d->runs);
	show_uint(o, d->errors);
	show_uint(o, d->total_us);
	show_uint(o, d->total_us / d->runs);
	show_uint(o, d->max_us);
	show_wall(o, d->first_us);
	show_wall(o, d->last_us);
	show_text(o, d->text, DIGEST_TEXT_MAX);
}

static void merge_digests(struct show_ask *a, struct show_rows *out)
{
	uint32_t n = 0, kept = 0;
	struct digest *all;

	for (uint32_t i = 0; i < a->n_parts; i++) {
		n += ((struct rows *)a->parts[i].merge)->n;
		out->cut = out->cut || a->parts[i].rows.cut;
	}
	all = xcalloc(n + 1, sizeof(*all));
	n = 0;
	for (uint32_t i = 0; i < a->n_parts; i++) {
		const struct rows *r = a->parts[i].merge;

		if (r->n)
			memcpy(all + n, r->v, r->n * sizeof(*all));
		n += r->n;
	}
	qsort(all, n, sizeof(*all), by_identity);
	for (uint32_t i = 0; i < n; i++) {
		struct digest *d = &all[kept ? kept - 1 : 0];

		if (!kept || by_identity(d, &all[i]) != 0) {
			all[kept++] = all[i];
			continue;
		}
		d->runs += all[i].runs;
		d->errors += all[i].errors;
		d->total_us += all[i].total_us;
		d->max_us = MAX(d->max_us, all[i].max_us);
		d->first_us = MIN(d->first_us, all[i].first_us);
		d->last_us = MAX(d->last_us, all[i].last_us);
	}
	qsort(all, kept, sizeof(*all), by_time);
	for (uint32_t i = 0; i < kept && show_row(out); i++)
		digest_row(out, &all[i]);
	free(all);
}

static const struct show_column cols[] = {
	{ "digest", SHOW_TEXT, 32 },
	{ "keyspace", SHOW_TEXT, 64 },
	{ "route", SHOW_TEXT, 16 },
	{ "count", SHOW_UINT, 0 },
	{ "errors", SHOW_UINT, 0 },
	{ "total_us", SHOW_UINT, 0 },
	{ "avg_us", SHOW_UINT, 0 },
	{ "max_us", SHOW_UINT, 0 },
	{ "first_seen", SHOW_TEXT, 19 },
	{ "last_seen", SHOW_TEXT, 19 },
	{ "text", SHOW_TEXT, DIGEST_TEXT_MAX },
};

const struct show_view show_digests = {
	.name = "DIGESTS",
	.help = "statements by form, those that took most first: how often, how long, how they run",
	.cols = cols,
	.n_cols = ARRAY_N(cols),
	.right = SHOW_ADMIN,
	.from = SHOW_WORKERS,
	.fill = fill_digests,
	.merge = merge_digests,
};
