/* sql/rows.c - walks the rows of INSERT ... VALUES in the text itself.
 * For the executor, which splits an INSERT by shard, and the planner's key lookups.
 * Pure; an iterator belongs to one thread. */
#include "keyway/sql/rows.h"
#include "lex.h"

void sql_rows_init(
	struct sql_rows *it, struct str text, uint32_t rows_off, uint32_t first_param, const struct scan_mode *mode)
{
	*it = (struct sql_rows){ .text = text, .mode = mode, .pos = rows_off, .params = first_param };
}

/* What is known of a value while its tokens pass. */
struct value_pass {
	struct sql_row_value v;
	uint32_t n_toks; /* tokens so far, a leading sign included */
	bool sign;	 /* the first token was + or - */
};

static uint8_t word_kind(unsigned kind)
{
	switch (kind) {
	case KW_NULL: return LIT_NULL;
	case KW_DEFAULT: return LIT_DEFAULT;
	case KW_TRUE: return LIT_TRUE;
	case KW_FALSE: return LIT_FALSE;
	default: return LIT_EXPR;
	}
}

static void value_token(struct value_pass *vp, const struct lexeme *x, uint32_t param)
{
	if (vp->n_toks == 0)
		vp->v.start = x->off;
	vp->v.end = x->off + x->len;
	vp->n_toks++;
	if (vp->n_toks == 1 && (x->kind == '-' || x->kind == '+')) {
		vp->sign = true;
		vp->v.negative = x->kind == '-';
		vp->v.kind = LIT_EXPR;
		return;
	}
	if (vp->n_toks > 1u + vp->sign) {
		vp->v.kind = LIT_EXPR;
		return;
	}
	if (x->kind >= T_INT && x->kind <= T_PARAM)
		vp->v.kind = (uint8_t)(x->kind - T_INT);
	else
		vp->v.kind = word_kind(x->kind);
	/* a sign makes an expression of everything but a number */
	if (vp->sign && vp->v.kind > LIT_FLOAT)
		vp->v.kind = LIT_EXPR;
	vp->v.off = x->off;
	vp->v.len = x->len;
	vp->v.flags = x->lit_flags;
	vp->v.param = param;
}

static void value_close(
	struct value_pass *vp, uint32_t n, struct sql_row *row, uint32_t want, struct sql_row_value *out)
{
	if (vp->v.kind == LIT_EXPR)
		vp->v.negative = false;
	if (row && n < SQL_ROW_VALS)
		row->vals[n] = vp->v;
	if (out && n == want)
		*out = vp->v;
	*vp = (struct value_pass){ .v.kind = LIT_EXPR };
}

/* The common value: a plain number or string up to , or ). NULL: look closer. */
static const char *quick_value(const struct lex *l, const char *p, struct value_pass *vp)
{
	const char *q = p, *digits;
	uint8_t flags = 0;

	if (q < l->end && *q == '\'') {
		q = lex_string(l, q + 1, '\'', &flags);
		if (!q || q == l->end || (*q != ',' && *q != ')'))
			return NULL;
		vp->v = (struct sql_row_value){
			.off = (uint32_t)(p - l->base), .len = (uint32_t)(q - p), .kind = LIT_STRING, .flags = flags
		};
	} else {
		if (q < l->end && *q == '-')
			q++;
		digits = q;
		while (q < l->end && lex_is_digit(*q))
			q++;
		if (q == digits || q == l->end || (*q != ',' && *q != ')'))
			return NULL;
		vp->v = (struct sql_row_value){ .off = (uint32_t)(digits - l->base),
			.len = (uint32_t)(q - digits),
			.kind = LIT_INT,
			.negative = digits != p };
	}
	vp->v.start = (uint32_t)(p - l->base);
	vp->v.end = (uint32_t)(q - l->base);
	vp->n_toks = 1;
	return q;
}

/* Reads the row whose ( is at l->p. With @row its values are noted there, with @out the @want-th value. */
static int read_row(
	struct lex *l, struct sql_row *row, uint32_t *params, uint32_t want, struct sql_row_value *out, struct err *err)
{
	struct value_pass vp = { .v.kind = LIT_EXPR };
	struct lexeme x = { 0 };
	uint32_t n = 0;
	int depth = 0;

	for (;;) {
		unsigned kind;

		if (vp.n_toks == 0 && depth == 1) {
			const char *q = l->p;

			while (q < l->end && *q == ' ')
				q++;
			q = quick_value(l, q, &vp);
			if (q) {
				l->p = q + 1;
				if (*q == ')') {
					x.off = (uint32_t)(q - l->base);
					break;
				}
				value_close(&vp, n++, row, want, out);
				continue;
			}
		}
		kind = lex_next(l, &x);
		if (kind <= LEX_BROKEN)
			return err_set(err, ERR_SYNTAX, ER_PARSE_ERROR,
				"You have an error in your SQL syntax: the row of values beginning at byte %u does not "
				"end",
				row ? row->start : 0);
		if (kind == ')' && --depth == 0)
			break;
		if (kind == ',' && depth == 1) {
			value_close(&vp, n++, row, want, out);
			continue;
		}
		if (kind == '(' && ++depth == 1)
			continue;
		value_token(&vp, &x, *params);
		if (kind == T_PARAM)
			++*params;
	}
	if (vp.n_toks || n)
		value_close(&vp, n++, row, want, out);
	if (row) {
		row->end = x.off + 1;
		row->n_values = n;
	}
	return 0;
}

int sql_rows_next(struct sql_rows *it, struct sql_row *row, struct err *err)
{
	struct lex l;
	struct lexeme x = { 0 };
	unsigned kind;
	int rc;

	if (it->done)
		return 0;
	lex_init(&l, it->text, it->mode);
	l.p = l.base + it->pos;
	l.in_exec = it->in_exec;
	if (it->n) {
		kind = lex_next(&l, &x);
		if (kind != ',') {
			it->done = true;
			return 0;
		}
	}
	kind = lex_next(&l, &x);
	if (kind != '(') {
		it->done = true;
		return err_set(err, ERR_SYNTAX, ER_PARSE_ERROR,
			"You have an error in your SQL syntax: a row of values was expected at byte %u",
			(unsigned)(l.p - l.base));
	}
	l.p = l.base + x.off;
	l.prev = 0;
	row->start = x.off;
	row->first_param = it->params;
	rc = read_row(&l, row, &it->params, 0, NULL, err);
	if (rc < 0) {
		it->done = true;
		return rc;
	}
	it->n++;
	it->pos = (uint32_t)(l.p - l.base);
	it->in_exec = l.in_exec;
	return 1;
}

bool sql_row_value(const struct sql_rows *it, const struct sql_row *row, uint32_t n, struct sql_row_value *out)
{
	struct lex l;
	uint32_t params = row->first_param;

	if (n >= row->n_values)
		return false;
	if (n < SQL_ROW_VALS) {
		*out = row->vals[n];
		return true;
	}
	lex_init(&l, str_make(it->text.p, row->end), it->mode);
	l.p = l.base + row->start;
	/* the row was read before; an executable comment may be open across it */
	l.in_exec = it->in_exec;
	return read_row(&l, NULL, &params, n, out, NULL) == 0;
}
