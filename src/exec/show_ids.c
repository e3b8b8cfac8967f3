/* show_ids.c - SHOW KEYWAY ALLOCATORS: endpoints of the services that give ids, and what is held of each sequence.
 * For show.c.
 * Worker thread; struct ids locks for the moment of a copy. */
#include "show.h"

/* The columns of the other kind of row. */
static void nulls(struct show_rows *o, unsigned n)
{
	while (n--)
		show_null(o);
}

/* Where it is recorded which ids were given out, and what hinders that. */
static void marks(struct show_rows *o, const struct ids_allocator_status *a)
{
	if (a->marks_error[0])
		show_printf(o, "%s: %s", ids_marks_name[a->marks], a->marks_error);
	else
		show_z(o, ids_marks_name[a->marks]);
}

static void endpoint_row(struct show_rows *o, const struct ids_allocator_status *a, const struct ids_endpoint_status *e)
{
	show_str(o, str_of(a->name));
	show_z(o, ids_kind_name[a->kind]);
	show_str(o, str_of(e->name));
	show_null(o);
	show_z(o, ids_state_name[e->state]);
	show_uint(o, e->grabs);
	show_uint(o, e->ids);
	show_uint(o, e->failures);
	show_uint(o, e->bad_answers);
	show_uint(o, e->slowest_us);
	nulls(o, 7);
	marks(o, a);
	show_str(o, str_of(e->last_error));
}

static void tag_row(struct show_rows *o, const struct ids_allocator_status *a, const struct ids_tag_status *t)
{
	show_str(o, str_of(a->name));
	show_z(o, ids_kind_name[a->kind]);
	show_null(o);
	show_str(o, str_of(t->name));
	show_null(o);
	show_uint(o, t->takes);
	show_uint(o, t->taken);
	show_uint(o, t->failures);
	nulls(o, 2);
	show_uint(o, t->blocks);
	show_uint(o, t->ids);
	show_uint(o, t->block);
	show_uint(o, t->waiting);
	show_uint(o, t->rate_per_s);
	if (t->left_us == UINT64_MAX)
		show_null(o);
	else
		show_uint(o, t->left_us / 1000000);
	show_uint(o, t->high);
	marks(o, a);
	show_str(o, str_of(t->last_error));
}

static void fill_allocators(struct show_part *p)
{
	struct ids_status st = { 0 };

	if (!p->w->process->ids)
		return;
	ids_status(p->w->process->ids, &p->rows.arena, &st);
	for (size_t i = 0; i < st.n; i++) {
		const struct ids_allocator_status *a = &st.allocators[i];

		for (size_t e = 0; e < a->endpoint_n && show_row(&p->rows); e++)
			endpoint_row(&p->rows, a, &a->endpoints[e]);
		for (size_t t = 0; t < a->tag_n && show_row(&p->rows); t++)
			tag_row(&p->rows, a, &a->tags[t]);
	}
}

static const struct show_column cols[] = {
	{ "allocator", SHOW_TEXT, 64 },
	{ "kind", SHOW_TEXT, 16 },
	{ "endpoint", SHOW_TEXT, 255 },
	{ "tag", SHOW_TEXT, 128 },
	{ "state", SHOW_TEXT, 16 },
	{ "grabs", SHOW_UINT, 0 },
	{ "ids", SHOW_UINT, 0 },
	{ "failures", SHOW_UINT, 0 },
	{ "bad_answers", SHOW_UINT, 0 },
	{ "slowest_us", SHOW_UINT, 0 },
	{ "blocks_left", SHOW_UINT, 0 },
	{ "ids_left", SHOW_UINT, 0 },
	{ "block", SHOW_UINT, 0 },
	{ "waiting", SHOW_UINT, 0 },
	{ "per_second", SHOW_UINT, 0 },
	{ "empty_in_s", SHOW_UINT, 0 },
	{ "high_water", SHOW_UINT, 0 },
	{ "marks", SHOW_TEXT, 300 },
	{ "last_error", SHOW_TEXT, 512 },
};

const struct show_view show_allocators = {
	.name = "ALLOCATORS",
	.help = "id services: a row per endpoint, and one per sequence with the ids left and how long they last",
	.cols = cols,
	.n_cols = ARRAY_N(cols),
	.right = SHOW_ADMIN,
	.fill = fill_allocators,
};
