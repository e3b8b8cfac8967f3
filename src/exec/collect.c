/* collect.c - the rows of a small query of our own, kept in the statement's arena. Worker thread. */
#include "run.h"
#include "keyway/wire/rowset.h"

#define COLLECT_BYTES_MAX (4 * 1024 * 1024)

struct collect *collect_new(struct arena *a, void (*done)(struct run *r, struct collect *c), uint32_t max_rows)
{
	struct collect *c = arena_new(a, struct collect);

	c->arena = a;
	c->done = done;
	c->max_rows = max_rows;
	return c;
}

void collect_start(struct leg *l, struct str sql, struct collect *c)
{
	struct run *r = l->run;

	r->collect = c;
	buf_clear(&r->rows);
	bconn_query(l->c, RESPONSE_WANT_COLUMNS | RESPONSE_WANT_COLUMNS_END, TAG_COLLECT, sql);
}

static void collect_row(struct collect *c, const uint8_t *p, size_t n)
{
	struct rd rd = rd_make(p, n);
	struct str *row;

	if (c->n_rows == c->max_rows)
		return;
	if (c->n_rows == c->cap_rows) {
		uint32_t cap = c->cap_rows ? c->cap_rows * 2 : 8;
		struct str **rows = arena_array(c->arena, struct str *, cap);

		if (c->n_rows)
			memcpy(rows, c->rows, c->n_rows * sizeof(*rows));
		c->rows = rows;
		c->cap_rows = cap;
	}
	row = arena_array(c->arena, struct str, MAX(c->n_cols, 3u));
	for (uint32_t i = 0; i < c->n_cols; i++) {
		struct str f = row_field(&rd);

		row[i] = f.p ? arena_str(c->arena, f) : f;
	}
	if (row_done(&rd))
		c->rows[c->n_rows++] = row;
}

/* Cuts the whole packets out of what has been put together. */
static void collect_rows(struct collect *c, struct buf *b)
{
	while (buf_used(b) >= PACKET_HEADER) {
		size_t n = get_u24(buf_head(b));

		if (n == PACKET_FRAME_MAX || buf_used(b) < PACKET_HEADER + n)
			return;
		collect_row(c, buf_head(b) + PACKET_HEADER, n);
		buf_eat(b, PACKET_HEADER + n);
	}
}

void collect_reply(struct leg *l, uint8_t *p, size_t n, const struct response_event *ev)
{
	struct run *r = l->run;
	struct collect *c = r->collect;
	struct column_def col;

	switch (ev->type) {
	case RESPONSE_COLUMN:
		if (c->n_cols < ARRAY_N(c->cols) && column_parse(ev->payload, ev->payload_n, false, &col) == 0) {
			col.name = arena_str(c->arena, col.name);
			c->cols[c->n_cols++] = col;
		}
		return;
	case RESPONSE_COLUMN_COUNT:
	case RESPONSE_COLUMNS_END: buf_clear(&r->rows); return;
	case RESPONSE_ERR: err_from_packet(&c->err, &ev->u.err); break;
	default:
		if (buf_used(&r->rows) < COLLECT_BYTES_MAX)
			buf_add(&r->rows, p, n - ev->packet_n);
		collect_rows(c, &r->rows);
		break;
	}
	if (!ev->done)
		return;
	buf_free(&r->rows);
	r->collect = NULL;
	c->done(r, c);
	run_step(r);
}
