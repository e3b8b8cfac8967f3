/* pred.c - what the predicates of a statement say about the shards of its rows. For site.c; one thread. Pure. */
#include "site.h"

bool expr_val(const struct sql_expr *e, struct plan_val *out)
{
	*out = (struct plan_val){ .kind = VAL_OTHER };
	switch (e->kind) {
	case SQL_E_LIT:
	case SQL_E_PARAM:
		out->kind = VAL_LIT;
		out->lit = e->lit;
		return true;
	case SQL_E_DEFAULT: out->kind = VAL_DEFAULT; return e->n_args == 0;
	case SQL_E_NULL: out->kind = VAL_NULL; return true;
	case SQL_E_TRUE: out->kind = VAL_TRUE; return true;
	case SQL_E_FALSE: out->kind = VAL_FALSE; return true;
	case SQL_E_UNARY:
		if ((e->op != SQL_OP_NEG && e->op != SQL_OP_PLUS) || e->args[0]->kind != SQL_E_LIT)
			return false;
		if (e->args[0]->lit_kind != LIT_INT && e->args[0]->lit_kind != LIT_DECIMAL &&
			e->args[0]->lit_kind != LIT_FLOAT)
			return false;
		out->kind = VAL_LIT;
		out->lit = e->args[0]->lit;
		out->negative = e->op == SQL_OP_NEG;
		return true;
	default: return false;
	}
}

static struct pred *pred_new(struct sites *s, enum pred_kind kind)
{
	struct pred *p = arena_new(s->b->a, struct pred);

	p->kind = kind;
	return p;
}

static struct pred *pred_vals(struct sites *s, enum pred_kind kind, uint32_t node, const struct plan_val *v, uint32_t n)
{
	struct pred *p = pred_new(s, kind);
	struct plan_val *copy = arena_array(s->b->keep, struct plan_val, n);

	memcpy(copy, v, n * sizeof(*v));
	p->node = node;
	p->vals = copy;
	p->n = n;
	return p;
}

static struct pred *pred_eq(struct sites *s, struct block *bl, const struct sql_expr *a, const struct sql_expr *b)
{
	struct plan_val v;
	int32_t node;

	if (a->kind != SQL_E_COLUMN) {
		const struct sql_expr *swap = a;

		a = b;
		b = swap;
	}
	if (a->kind != SQL_E_COLUMN || !expr_val(b, &v))
		return NULL;
	node = node_of_column(s, bl, a, NULL);
	return node < 0 ? NULL : pred_vals(s, PRED_EQ, (uint32_t)node, &v, 1);
}

static struct pred *pred_list_of(struct sites *s, enum pred_kind kind, struct pred **kids, uint32_t n)
{
	struct pred *p;

	if (n == 0)
		return NULL;
	if (n == 1)
		return kids[0];
	p = pred_new(s, kind);
	p->kids = kids;
	p->n = n;
	return p;
}

/* (a, b) = (1, 2) */
static struct pred *pred_row_eq(struct sites *s, struct block *bl, const struct sql_expr *a, const struct sql_expr *b)
{
	struct pred **kids;
	uint32_t n = 0;

	if (a->n_args != b->n_args)
		return NULL;
	kids = arena_array(s->b->a, struct pred *, a->n_args);
	for (uint32_t i = 0; i < a->n_args; i++) {
		struct pred *p = pred_eq(s, bl, a->args[i], b->args[i]);

		if (p)
			kids[n++] = p;
	}
	return pred_list_of(s, PRED_AND, kids, n);
}

/* One column of IN: @at is its place in the rows, -1 when the list is of plain values. */
static struct pred *pred_in_column(
	struct sites *s, struct block *bl, const struct sql_expr *col, const struct sql_expr *in, int32_t at)
{
	struct plan_val *v;
	int32_t node = node_of_column(s, bl, col, NULL);

	if (node < 0)
		return NULL;
	v = arena_array(s->b->a, struct plan_val, in->n_args);
	for (uint32_t i = 1; i < in->n_args; i++) {
		const struct sql_expr *e = in->args[i];

		if (at >= 0) {
			if (e->kind != SQL_E_ROW || e->n_args <= (uint32_t)at)
				return NULL;
			e = e->args[at];
		}
		if (!expr_val(e, &v[i - 1]))
			return NULL;
	}
	return pred_vals(s, PRED_IN, (uint32_t)node, v, in->n_args - 1);
}

static struct pred *pred_in(struct sites *s, struct block *bl, const struct sql_expr *e)
{
	const struct sql_expr *left = e->args[0];
	struct pred **kids;
	uint32_t n = 0;

	if (e->query || (e->flags & SQL_EF_NOT) || e->n_args < 2)
		return NULL;
	if (left->kind == SQL_E_COLUMN)
		return pred_in_column(s, bl, left, e, -1);
	if (left->kind != SQL_E_ROW)
		return NULL;
	kids = arena_array(s->b->a, struct pred *, left->n_args);
	for (uint32_t i = 0; i < left->n_args; i++) {
		struct pred *p = left->args[i]->kind == SQL_E_COLUMN
					 ? pred_in_column(s, bl, left->args[i], e, (int32_t)i)
					 : NULL;

		if (p)
			kids[n++] = p;
	}
	return pred_list_of(s, PRED_AND, kids, n);
}

static struct pred *pred_span(struct sites *s, struct block *bl, const struct sql_expr *col, const struct sql_expr *low,
	bool low_open, const struct sql_expr *high, bool high_open)
{
	struct plan_val v[2] = { { .kind = VAL_OTHER }, { .kind = VAL_OTHER } };
	struct pred *p;
	int32_t node;

	if (col->kind != SQL_E_COLUMN || (low && !expr_val(low, &v[0])) || (high && !expr_val(high, &v[1])))
		return NULL;
	node = node_of_column(s, bl, col, NULL);
	if (node < 0)
		return NULL;
	p = pred_vals(s, PRED_SPAN, (uint32_t)node, v, 2);
	p->lower_open = low_open;
	p->upper_open = high_open;
	return p;
}

static struct pred *pred_of(struct sites *s, struct block *bl, const struct sql_expr *e);

static struct pred *pred_compare(struct sites *s, struct block *bl, const struct sql_expr *e)
{
	const struct sql_expr *a = e->args[0], *b = e->args[1];
	uint8_t op = e->op;

	switch (op) {
	case SQL_OP_EQ:
		if (a->kind == SQL_E_ROW && b->kind == SQL_E_ROW)
			return pred_row_eq(s, bl, a, b);
		return pred_eq(s, bl, a, b);
	case SQL_OP_NULL_EQ:
		/* with a literal, which is never NULL, it is = */
		if (a->kind == SQL_E_LIT || b->kind == SQL_E_LIT)
			return pred_eq(s, bl, a, b);
		return NULL;
	case SQL_OP_LT:
	case SQL_OP_LE:
	case SQL_OP_GT:
	case SQL_OP_GE:
		if (a->kind != SQL_E_COLUMN) {
			const struct sql_expr *swap = a;

			a = b;
			b = swap;
			op = op == SQL_OP_LT   ? SQL_OP_GT
			     : op == SQL_OP_LE ? SQL_OP_GE
			     : op == SQL_OP_GT ? SQL_OP_LT
					       : SQL_OP_LE;
		}
		if (op == SQL_OP_LT || op == SQL_OP_LE)
			return pred_span(s, bl, a, NULL, false, b, op == SQL_OP_LT);
		return pred_span(s, bl, a, b, op == SQL_OP_GT, NULL, false);
	default: return NULL;
	}
}

/* NULL: says nothing about shards. */
static struct pred *pred_of(struct sites *s, struct block *bl, const struct sql_expr *e)
{
	struct pred **kids, *p;
	uint32_t n = 0;

	switch (e->kind) {
	case SQL_E_FALSE: return pred_new(s, PRED_NONE);
	case SQL_E_AND:
		kids = arena_array(s->b->a, struct pred *, e->n_args);
		for (uint32_t i = 0; i < e->n_args; i++) {
			p = pred_of(s, bl, e->args[i]);
			if (p)
				kids[n++] = p;
		}
		return pred_list_of(s, PRED_AND, kids, n);
	case SQL_E_OR:
		kids = arena_array(s->b->a, struct pred *, e->n_args);
		for (uint32_t i = 0; i < e->n_args; i++) {
			p = pred_of(s, bl, e->args[i]);
			if (!p)
				return NULL;
			kids[n++] = p;
		}
		return pred_list_of(s, PRED_OR, kids, n);
	case SQL_E_BINARY: return pred_compare(s, bl, e);
	case SQL_E_IN: return pred_in(s, bl, e);
	case SQL_E_BETWEEN:
		if (e->flags & SQL_EF_NOT)
			return NULL;
		return pred_span(s, bl, e->args[0], e->args[1], false, e->args[2], false);
	default: return NULL;
	}
}

static void merge_pair(struct sites *s, struct block *bl, const struct sql_expr *a, const struct sql_expr *b)
{
	int32_t x, y;

	if (a->kind != SQL_E_COLUMN || b->kind != SQL_E_COLUMN)
		return;
	x = node_of_column(s, bl, a, NULL);
	y = node_of_column(s, bl, b, NULL);
	if (x >= 0 && y >= 0)
		node_merge(s, (uint32_t)x, (uint32_t)y);
}

void pred_merge(struct sites *s, struct block *bl, const struct sql_expr *e)
{
	if (!e)
		return;
	if (e->kind == SQL_E_AND) {
		for (uint32_t i = 0; i < e->n_args; i++)
			pred_merge(s, bl, e->args[i]);
	} else if (e->kind == SQL_E_BINARY && e->op == SQL_OP_EQ) {
		const struct sql_expr *a = e->args[0], *b = e->args[1];

		if (a->kind == SQL_E_ROW && b->kind == SQL_E_ROW && a->n_args == b->n_args) {
			for (uint32_t i = 0; i < a->n_args; i++)
				merge_pair(s, bl, a->args[i], b->args[i]);
		} else {
			merge_pair(s, bl, a, b);
		}
	}
}

void pred_add(struct sites *s, struct block *bl, struct pred_list *into, const struct sql_expr *e)
{
	struct pred *p;

	if (!e)
		return;
	pred_merge(s, bl, e);
	p = pred_of(s, bl, e);
	if (p) {
		p->next = into->first;
		into->first = p;
	}
}

/* ---- from predicates to shards --------------------------------------------------------------------------------- */

static struct plan_cond *cond_new(struct sites *s, enum cond_op op)
{
	struct plan_cond *c = arena_new(s->b->keep, struct plan_cond);

	c->op = op;
	return c;
}

const struct plan_cond *cond_all(struct sites *s)
{
	return cond_new(s, COND_ALL);
}

static const struct plan_cond *cond_list(struct sites *s, enum cond_op op, const struct plan_cond **kids, uint32_t n)
{
	struct plan_cond *c;
	uint8_t height = 0;

	if (n == 1)
		return kids[0];
	for (uint32_t i = 0; i < n; i++)
		height = MAX(height, kids[i]->height);
	if (height + 1 >= COND_HEIGHT_MAX)
		return cond_all(s);
	c = cond_new(s, op);
	c->kids = kids;
	c->n = n;
	c->height = (uint8_t)(height + 1);
	return c;
}

static const struct plan_cond *cond_pair(
	struct sites *s, enum cond_op op, const struct plan_cond *a, const struct plan_cond *b)
{
	const struct plan_cond **kids = arena_array(s->b->keep, const struct plan_cond *, 2);

	kids[0] = a;
	kids[1] = b;
	return cond_list(s, op, kids, 2);
}

const struct plan_cond *cond_and(struct sites *s, const struct plan_cond *a, const struct plan_cond *b)
{
	const struct plan_cond *both;

	if (a->op == COND_ALL)
		return b;
	if (b->op == COND_ALL)
		return a;
	both = cond_pair(s, COND_AND, a, b);
	return both->op == COND_ALL ? a : both; /* too deep: one of them alone is wider, never wrong */
}

const struct plan_cond *cond_or(struct sites *s, const struct plan_cond *a, const struct plan_cond *b)
{
	if (a->op == COND_ALL)
		return a;
	if (b->op == COND_ALL)
		return b;
	return cond_pair(s, COND_OR, a, b);
}

static const struct plan_cond *project(
	struct sites *s, const struct pred *p, int32_t anchor, const struct sharding_key *key)
{
	const struct plan_cond **kids, *kid;
	struct plan_cond *c;
	uint32_t n = 0;

	switch (p->kind) {
	case PRED_NONE: return cond_new(s, COND_NONE);
	case PRED_AND:
	case PRED_OR:
		kids = arena_array(s->b->keep, const struct plan_cond *, p->n);
		for (uint32_t i = 0; i < p->n; i++) {
			kid = project(s, p->kids[i], anchor, key);
			if (kid->op != COND_ALL)
				kids[n++] = kid;
			else if (p->kind == PRED_OR)
				return kid;
		}
		if (n == 0)
			return cond_all(s);
		return cond_list(s, p->kind == PRED_AND ? COND_AND : COND_OR, kids, n);
	case PRED_EQ:
	case PRED_IN:
	case PRED_SPAN:
		if (anchor < 0 || !node_reaches(s, p->node, (uint32_t)anchor))
			return cond_all(s);
		c = cond_new(s, p->kind == PRED_EQ ? COND_EQ : p->kind == PRED_IN ? COND_IN : COND_SPAN);
		c->key = key;
		c->vals = p->vals;
		c->n = p->n;
		c->lower_open = p->lower_open;
		c->upper_open = p->upper_open;
		return c;
	}
	return cond_all(s);
}

const struct plan_cond *cond_project(
	struct sites *s, const struct pred_list *preds, int32_t anchor, const struct sharding_key *key)
{
	const struct plan_cond *c = cond_all(s);

	for (; preds; preds = preds->above) {
		for (const struct pred *p = preds->first; p; p = p->next)
			c = cond_and(s, project(s, p, anchor, key), c);
	}
	return c;
}
