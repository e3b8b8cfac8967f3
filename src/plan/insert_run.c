/* insert_run.c - the rows of one INSERT: which lack ids, which shard each goes to, and the statement that each shard
 * gets. For every run of a PLAN_INSERT; worker threads. Memory is the run's arrays, which stay. Pure. */
#include "plan_int.h"
#include <stdlib.h>

enum {
	ROW_KEY_IS_ID = 1u << 0,  /* its shard follows from the id that it gets */
	ROW_SIDE_IS_ID = 1u << 1, /* its side too */
};

/* One row as the steps below see it, whichever form the INSERT has. */
struct row_view {
	const struct plan_insert *in;
	const struct plan_values *vals;
	const struct sql_rows *it; /* NULL: INSERT ... SET */
	const struct sql_row *row;
	uint32_t ordinal;
};

static int refuse_row(const struct plan *p, const struct row_view *rv, const char *column, const char *what,
	enum mysql_errno no, struct err *err)
{
	return err_set(err, no == ER_NOT_SUPPORTED_YET ? ERR_UNSUPPORTED : ERR_KEY, no, "%s: %s of row %u of %s.%s. %s",
		no == ER_BAD_NULL_ERROR ? "Column cannot be null" : "Cannot route the INSERT", column, rv->ordinal + 1,
		p->ks->name.p, p->table.p, what);
}

enum got { GOT_VALUE, GOT_DEFAULT, GOT_EXPR };

static enum got value_of(const struct row_view *rv, const struct insert_column *c, enum key_family family,
	struct arena *tmp, struct key_value *out)
{
	struct sql_row_value v;

	if (!rv->it) {
		if (c->val.kind == VAL_DEFAULT)
			return GOT_DEFAULT;
		return val_get(rv->vals, &c->val, family, tmp, out) ? GOT_VALUE : GOT_EXPR;
	}
	if (!sql_row_value(rv->it, rv->row, (uint32_t)c->at, &v))
		return GOT_EXPR;
	if (v.kind == LIT_DEFAULT)
		return GOT_DEFAULT;
	return val_of_row(rv->vals, &v, family, tmp, out) ? GOT_VALUE : GOT_EXPR;
}

/* NULL and 0 ask for an id as AUTO_INCREMENT does. */
static bool asks_for_id(const struct key_value *v)
{
	switch (v->kind) {
	case KEY_VALUE_NULL: return true;
	case KEY_VALUE_INT: return v->i64 == 0;
	case KEY_VALUE_UINT: return v->u64 == 0;
	case KEY_VALUE_DOUBLE: return v->f64 == 0;
	case KEY_VALUE_TEXT: return str_eqz(v->text, "0");
	default: return false;
	}
}

static int id_look(const struct plan *p, const struct row_view *rv, struct plan_insert_row *row,
	struct plan_insert_run *run, struct err *err)
{
	const struct plan_insert *in = rv->in;
	struct arena tmp = { 0 };
	struct key_value v;
	enum got got;

	row->id = 0;
	row->given_id = 0;
	if (!in->has_id)
		return 0;
	if (in->add_id) {
		row->id = ++run->n_ids;
		return 0;
	}
	got = value_of(rv, &in->id_col, KEY_INT, &tmp, &v);
	if (got == GOT_VALUE && v.kind == KEY_VALUE_INT && v.i64 > 0)
		row->given_id = (uint64_t)v.i64;
	else if (got == GOT_VALUE && v.kind == KEY_VALUE_UINT)
		row->given_id = v.u64;
	if (got == GOT_DEFAULT || (got == GOT_VALUE && asks_for_id(&v)))
		row->id = ++run->n_ids;
	if (tmp.head)
		arena_free(&tmp);
	if (got == GOT_EXPR)
		return refuse_row(p, rv, in->id_name,
			"Give the id column a literal, or leave it out so that an id is allocated",
			ER_NOT_SUPPORTED_YET, err);
	return 0;
}

static int auto_look(const struct plan *p, const struct row_view *rv, struct err *err)
{
	const struct insert_column *c = &rv->in->auto_col;
	struct arena tmp = { 0 };
	struct key_value v;
	enum got got;
	bool bad;

	if (c->at < 0)
		return 0;
	got = value_of(rv, c, KEY_INT, &tmp, &v);
	bad = got != GOT_VALUE || asks_for_id(&v);
	if (tmp.head)
		arena_free(&tmp);
	if (!bad)
		return 0;
	return refuse_row(p, rv, rv->in->auto_name,
		"It is AUTO_INCREMENT, and each copy of a reference table would give it another value: give it a "
		"literal "
		"value other than 0, or give the table an id rule in the map",
		ER_NOT_SUPPORTED_YET, err);
}

/* The shard of a row by its own key. */
static int key_look(const struct plan *p, const struct row_view *rv, struct plan_insert_row *row, struct err *err)
{
	const struct plan_insert *in = rv->in;
	struct arena tmp = { 0 };
	struct key_value v;
	struct err why = { 0 };
	uint64_t id = 0;
	enum got got;
	enum route_result r;

	if (in->dest != INSERT_BY_KEY) {
		row->part = (uint16_t)(in->dest == INSERT_TO_SHARD ? in->shard : 0);
		return 0;
	}
	if (in->key_is_id && row->id) {
		row->flags |= ROW_KEY_IS_ID;
		return 0;
	}
	got = value_of(rv, &in->key_col, in->key->type.family, &tmp, &v);
	if (got != GOT_VALUE) {
		if (tmp.head)
			arena_free(&tmp);
		return refuse_row(p, rv, in->key_name,
			"The value of a shard key must be a literal or a parameter: work it out first, then INSERT the "
			"value",
			ER_NOT_SUPPORTED_YET, err);
	}
	r = sharding_key_id(in->key, ROUTE_STORE, &v, &id, NULL);
	if (r == ROUTE_UNKNOWN)
		r = sharding_key_id(in->key, ROUTE_STORE, &v, &id, &why);
	if (tmp.head)
		arena_free(&tmp);
	switch (r) {
	case ROUTE_KEY: row->part = (uint16_t)keyspace_shard_of(p->ks, id)->index; return 0;
	case ROUTE_NULL:
	case ROUTE_NONE:
		return refuse_row(p, rv, in->key_name, "It is the shard key: give it a value", ER_BAD_NULL_ERROR, err);
	case ROUTE_UNKNOWN: break;
	}
	return refuse_row(p, rv, in->key_name, why.kind ? why.msg : "Its shard cannot be told from this value",
		ER_NOT_SUPPORTED_YET, err);
}

static void side_set(struct plan_insert_row *row, const struct key_value *v)
{
	int side = sharding_side(v);

	row->side = (uint8_t)(side < 0 ? PLAN_SIDE_HOME : side ? PLAN_SIDE_ODD : PLAN_SIDE_EVEN);
}

static void side_look(const struct row_view *rv, struct plan_insert_row *row)
{
	struct arena tmp = { 0 };
	struct key_value v;

	row->side = PLAN_SIDE_HOME;
	if (rv->in->side_is_id && row->id) {
		row->flags |= ROW_SIDE_IS_ID;
		return;
	}
	if (rv->in->side_col.at < 0)
		return;
	if (value_of(rv, &rv->in->side_col, KEY_INT, &tmp, &v) == GOT_VALUE)
		side_set(row, &v);
	if (tmp.head)
		arena_free(&tmp);
}

static struct plan_insert_row *row_add(struct plan_insert_run *run)
{
	if (run->n_rows == run->cap_rows) {
		run->cap_rows = MAX(run->cap_rows * 2, 16);
		run->rows = xrealloc(run->rows, run->cap_rows * sizeof(run->rows[0]));
	}
	return &run->rows[run->n_rows++];
}

static int row_look(const struct plan *p, const struct row_view *rv, struct plan_insert_run *run, struct err *err)
{
	struct plan_insert_row *row = row_add(run);
	int rc;

	*row = (struct plan_insert_row){ .off = 0 };
	if (rv->row) {
		row->off = rv->row->start;
		row->end = rv->row->end;
		row->param = rv->row->first_param;
	}
	rc = id_look(p, rv, row, run, err);
	if (rc == 0)
		rc = auto_look(p, rv, err);
	if (rc == 0)
		rc = key_look(p, rv, row, err);
	if (rc == 0)
		side_look(rv, row);
	return rc;
}

/* The bytes of all rows. */
static uint32_t rows_off(const struct plan_insert *in, const struct scan *s)
{
	return s->n_rows ? s->rows_off : s->toks[MIN(in->rows_tok, s->n_toks - 1)].off;
}

static uint32_t rows_end(const struct plan_insert *in, const struct scan *s)
{
	const struct scan_tok *last = &s->toks[MIN(in->rows_tok_end, s->n_toks) - 1];

	return s->n_rows ? s->rows_end : last->off + last->len;
}

static uint32_t params_before(const struct scan *s, uint32_t off)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < s->n_lits && s->lits[i].off < off; i++)
		n += s->lits[i].kind == LIT_PARAM;
	return n;
}

int plan_insert_open(const struct plan *p, const struct plan_values *vals, struct plan_insert_run *run, struct err *err)
{
	const struct plan_insert *in = p->insert;
	const struct scan *s = vals->scan;
	struct row_view rv = { .in = in, .vals = vals };
	struct sql_rows it;
	struct sql_row row;
	int rc;

	run->n_rows = run->n_parts = run->n_ids = 0;
	run->unchanged = false;
	if (s->n_params && (!vals->params || vals->n_params < s->n_params))
		return err_set(err, ERR_MALFORMED, ER_WRONG_ARGUMENTS,
			"Incorrect arguments to EXECUTE: the statement has %u parameters, %u are bound", s->n_params,
			vals->params ? vals->n_params : 0);
	if (in->set_form)
		return row_look(p, &rv, run, err);
	if (s->rows_in_comment)
		return err_set(err, ERR_UNSUPPORTED, ER_NOT_SUPPORTED_YET,
			"rows that begin inside an executable comment (/*! ... */) cannot be sent to their shards: "
			"write the "
			"comment without them");
	rv.it = &it;
	rv.row = &row;
	sql_rows_init(&it, vals->text, rows_off(in, s), params_before(s, rows_off(in, s)), vals->mode);
	while ((rc = sql_rows_next(&it, &row, err)) > 0) {
		if (row.n_values != (in->empty_rows ? 0 : in->n_columns))
			return err_set(err, ERR_SYNTAX, ER_WRONG_VALUE_COUNT_ON_ROW,
				"Column count doesn't match value count at row %u", rv.ordinal + 1);
		rc = row_look(p, &rv, run, err);
		if (rc < 0)
			return rc;
		rv.ordinal++;
	}
	return rc;
}

static uint32_t part_of(struct plan_insert_run *run, uint32_t shard, uint32_t side, uint32_t row)
{
	uint16_t *at = &run->part_at[shard * 3 + side];

	if (*at == 0) {
		if (run->n_parts == run->cap_parts) {
			run->cap_parts = MAX(run->cap_parts * 2, 8);
			run->parts = xrealloc(run->parts, run->cap_parts * sizeof(run->parts[0]));
		}
		run->parts[run->n_parts++] =
			(struct plan_insert_part){ .shard = (uint16_t)shard, .side = (uint8_t)side, .first_row = row };
		*at = (uint16_t)run->n_parts;
	}
	return *at - 1u;
}

static int row_by_id(const struct plan *p, struct plan_insert_row *row, uint64_t id, struct err *err)
{
	struct key_value v = key_value_uint(id);
	uint64_t key_id;

	if (id > p->id_max || id == 0)
		return err_set(err, ERR_LIMIT, ER_AUTOINC_READ_FAILED,
			"The allocated id %llu does not fit column %s of %s.%s (at most %llu): widen the column",
			(unsigned long long)id, p->id_column.p, p->ks->name.p, p->table.p,
			(unsigned long long)p->id_max);
	if (row->flags & ROW_SIDE_IS_ID)
		side_set(row, &v);
	if (!(row->flags & ROW_KEY_IS_ID))
		return 0;
	if (sharding_key_id(p->insert->key, ROUTE_STORE, &v, &key_id, NULL) != ROUTE_KEY)
		return err_set(err, ERR_KEY, ER_NOT_SUPPORTED_YET,
			"The allocated id %llu gives no shard as %s of %s.%s: the column must be of an integer type",
			(unsigned long long)id, p->id_column.p, p->ks->name.p, p->table.p);
	row->part = (uint16_t)keyspace_shard_of(p->ks, key_id)->index;
	return 0;
}

static void parts_of_all(const struct plan *p, struct plan_insert_run *run)
{
	for (uint32_t i = 0; i < p->ks->shard_n; i++)
		(void)part_of(run, i, PLAN_SIDE_HOME, 0);
	for (uint32_t i = 0; i < run->n_parts; i++)
		run->parts[i].n_rows = run->n_rows;
	run->unchanged = run->n_ids == 0;
}

int plan_insert_split(const struct plan *p, const struct plan_values *vals, struct plan_insert_run *run,
	const uint64_t *ids, struct err *err)
{
	uint32_t need = p->ks->shard_n * 3;
	int rc;

	(void)vals;
	run->n_parts = 0;
	if (run->cap_part_at < need) {
		run->part_at = xrealloc(run->part_at, need * sizeof(run->part_at[0]));
		run->cap_part_at = need;
	}
	memset(run->part_at, 0, need * sizeof(run->part_at[0]));
	for (uint32_t i = 0; i < run->n_rows; i++) {
		struct plan_insert_row *row = &run->rows[i];

		if (row->id && (rc = row_by_id(p, row, ids[row->id - 1], err)) < 0)
			return rc;
		if (p->insert->dest == INSERT_TO_ALL)
			continue;
		if (p->ks->shards[row->part].kind != SHARD_PAIR)
			row->side = PLAN_SIDE_HOME;
		row->part = (uint16_t)part_of(run, row->part, row->side, i);
		run->parts[row->part].n_rows++;
	}
	if (p->insert->dest == INSERT_TO_ALL)
		parts_of_all(p, run);
	else
		run->unchanged = run->n_parts == 1 && run->n_ids == 0;
	return 0;
}

/* ---- the texts ------------------------------------------------------------------------------------------------------
 */

static uint32_t tok_off(const struct scan *s, uint32_t tok)
{
	return tok < s->n_toks ? s->toks[tok].off : s->end;
}

static void print_id(const struct render *r, uint64_t id)
{
	char digits[24];
	size_t at = sizeof(digits);

	do
		digits[--at] = (char)('0' + id % 10);
	while ((id /= 10) > 0);
	buf_add(r->out, digits + at, sizeof(digits) - at);
}

/* The text up to the rows, with the id column in its list. */
static void print_head(const struct render *r, uint32_t to)
{
	const struct plan_insert *in = r->p->insert;
	const struct scan *s = r->vals->scan;
	uint32_t at;

	if (!in->add_id) {
		render_span(r, text_begin(r->p, r->vals->scan), to);
		return;
	}
	at = tok_off(s, in->list_tok);
	if (in->list_new && in->list_tok > 0) /* right behind the word before it */
		at = s->toks[in->list_tok - 1].off + s->toks[in->list_tok - 1].len;
	render_span(r, text_begin(r->p, r->vals->scan), at);
	buf_addz(r->out, in->list_new ? " (" : "");
	sql_ident_print(r->out, r->p->id_column, r->vals->mode);
	if (in->list_new)
		buf_addz(r->out, ")");
	else if (in->n_columns)
		buf_addz(r->out, ", ");
	render_span(r, at, to);
}

/* A row with its parameters as literals and its id put in. */
static void print_row(const struct render *r, const struct plan_insert_row *row, const uint64_t *ids)
{
	const struct plan_insert *in = r->p->insert;
	const char *text = r->vals->text.p;
	struct sql_rows it;
	struct sql_row sr;
	struct sql_row_value v;
	uint32_t pos = row->off;

	sql_rows_init(&it, r->vals->text, row->off, row->param, r->vals->mode);
	if (sql_rows_next(&it, &sr, NULL) != 1)
		return; /* plan_insert_open() has read it before */
	if (row->id && in->add_id) {
		buf_addz(r->out, "(");
		print_id(r, ids[row->id - 1]);
		buf_addz(r->out, sr.n_values ? ", " : "");
		pos = row->off + 1;
	}
	for (uint32_t i = 0; i < sr.n_values && sql_row_value(&it, &sr, i, &v); i++) {
		buf_add(r->out, text + pos, v.start - pos);
		if (row->id && (int32_t)i == in->id_col.at)
			print_id(r, ids[row->id - 1]);
		else if (v.kind == LIT_PARAM && r->params && !v.negative)
			render_param(r, v.param);
		else if (v.kind == LIT_EXPR || v.kind == LIT_PARAM)
			render_span(r, v.start, v.end);
		else
			buf_add(r->out, text + v.start, v.end - v.start);
		pos = v.end;
	}
	buf_add(r->out, text + pos, row->end - pos);
}

static void print_set(const struct render *r, const struct plan_insert_row *row, const uint64_t *ids)
{
	const struct plan_insert *in = r->p->insert;
	const struct scan *s = r->vals->scan;
	uint32_t at, end;

	if (!row->id) {
		render_span(r, text_begin(r->p, r->vals->scan), s->end);
		return;
	}
	if (in->add_id) {
		at = end = tok_off(s, in->set_tok);
	} else {
		at = tok_off(s, in->id_col.tok);
		end = s->toks[in->id_col.tok_end - 1].off + s->toks[in->id_col.tok_end - 1].len;
	}
	render_span(r, text_begin(r->p, r->vals->scan), at);
	if (in->add_id) {
		sql_ident_print(r->out, r->p->id_column, r->vals->mode);
		buf_addz(r->out, " = ");
	}
	print_id(r, ids[row->id - 1]);
	if (in->add_id)
		buf_addz(r->out, ", ");
	render_span(r, end, s->end);
}

int plan_insert_text(const struct plan *p, const struct plan_values *vals, const struct plan_insert_run *run,
	const uint64_t *ids, uint32_t part, const struct plan_session *session, struct buf *out, struct err *err)
{
	struct render r = { .p = p,
		.vals = vals,
		.session = session,
		.shard = run->parts[part].shard,
		.params = vals->params != NULL,
		.out = out };
	const struct plan_insert *in = p->insert;
	bool plain = !r.params && p->n_edits == 0, first = true;

	if (in->set_form) {
		print_set(&r, &run->rows[0], ids);
		return 0;
	}
	if (run->n_rows == 0)
		return err_set(err, ERR_INTERNAL, ER_NOT_SUPPORTED_YET, "INSERT without rows");
	print_head(&r, rows_off(in, vals->scan));
	for (uint32_t i = run->parts[part].first_row; i < run->n_rows; i++) {
		const struct plan_insert_row *row = &run->rows[i];

		if (in->dest != INSERT_TO_ALL && row->part != part)
			continue;
		if (!first)
			buf_add_u8(out, ',');
		first = false;
		if (plain && !row->id)
			buf_add(out, vals->text.p + row->off, row->end - row->off);
		else
			print_row(&r, row, ids);
	}
	render_span(&r, rows_end(in, vals->scan), vals->scan->end);
	return 0;
}

void plan_insert_run_free(struct plan_insert_run *run)
{
	free(run->rows);
	free(run->parts);
	free(run->part_at);
	memset(run, 0, sizeof(*run));
}
