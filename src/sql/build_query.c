/* sql/build_query.c - makes tables, queries and statements while the grammar runs.
 * For grammar.y and stmt.c.
 * Pure; everything is in the statement's arena. */
#include "build.h"
#include <string.h>

/* ---- tables */

struct sql_table_ref *mk_table(struct parser *ps, enum sql_table_kind kind, struct loc at)
{
	struct sql_table_ref *t = PARSER_NEW(ps, struct sql_table_ref);

	t->kind = (uint8_t)kind;
	t->height = 1;
	t->tok = at.first;
	t->tok_end = at.last;
	return t;
}

struct sql_table_ref *mk_derived(struct parser *ps, struct loc at, struct sql_query *q, bool lateral, struct str alias,
	const struct vec *columns)
{
	struct sql_table_ref *t = mk_table(ps, SQL_T_DERIVED, at);

	t->query = q;
	t->lateral = lateral;
	t->alias = alias;
	t->columns = vec_names(columns);
	t->height = height_above(ps, q->height);
	return t;
}

static void join_height(struct parser *ps, struct sql_table_ref *t)
{
	unsigned h = MAX(t->left->height, t->right->height);

	if (t->on)
		h = MAX(h, t->on->height);
	t->height = height_above(ps, h);
}

struct sql_table_ref *mk_join(struct parser *ps, struct loc at, enum sql_join_kind kind, bool natural,
	struct sql_table_ref *l, struct sql_table_ref *r, struct sql_expr *on, const struct vec *use)
{
	struct sql_table_ref *t = mk_table(ps, SQL_T_JOIN, at);

	t->join = (uint8_t)kind;
	t->natural = natural;
	t->left = l;
	t->right = r;
	t->on = on;
	t->columns = vec_names(use);
	join_height(ps, t);
	return t;
}

/* The grammar reads "a JOIN b LEFT JOIN c ON ..." as a JOIN (b LEFT JOIN c ON ...), since a's ON could still come. When
 * it has none, a belongs to the leftmost table of what follows. */
struct sql_table_ref *mk_cross_join(
	struct parser *ps, struct loc at, enum sql_join_kind kind, struct sql_table_ref *l, struct sql_table_ref *r)
{
	struct sql_table_ref *path[SQL_MAX_HEIGHT], *t = r;
	unsigned n = 0;

	if (r->kind != SQL_T_JOIN || r->parens)
		return mk_join(ps, at, kind, false, l, r, NULL, NULL);
	for (; t->kind == SQL_T_JOIN && !t->parens; t = t->left)
		path[n++] = t;
	path[n - 1]->left = mk_join(ps, (struct loc){ at.first, t->tok_end }, kind, false, l, t, NULL, NULL);
	while (n--) {
		path[n]->tok = at.first;
		join_height(ps, path[n]);
	}
	return r;
}

struct sql_table_refs vec_tables(const struct vec *v)
{
	return (struct sql_table_refs){ v->v, v->n };
}

static unsigned tables_height(const struct sql_table_refs *refs)
{
	unsigned h = 0;

	for (uint32_t i = 0; i < refs->n; i++)
		h = MAX(h, refs->v[i]->height);
	return h;
}

struct sql_table_ref *mk_nest(struct parser *ps, struct loc at, const struct vec *refs)
{
	struct sql_table_ref *t;

	if (refs->n == 1) {
		t = ((struct sql_table_ref **)refs->v)[0];
		t->parens = true;
		return t;
	}
	t = mk_table(ps, SQL_T_NEST, at);
	t->nest = vec_tables(refs);
	t->height = height_above(ps, tables_height(&t->nest));
	return t;
}

/* ---- queries */

struct sql_query *mk_query(struct parser *ps, enum sql_query_kind kind, struct loc at, unsigned below)
{
	struct sql_query *q = PARSER_NEW(ps, struct sql_query);

	q->kind = (uint8_t)kind;
	q->height = height_above(ps, below);
	q->tok = at.first;
	q->tok_end = q->body_tok_end = at.last;
	return q;
}

struct sql_query *mk_select(struct parser *ps, struct loc at, struct sql_select *sel, struct sql_into *into)
{
	unsigned h = 0;
	struct sql_query *q;

	for (uint32_t i = 0; i < sel->n_items; i++)
		h = MAX(h, sel->items[i].expr->height);
	h = MAX(h, tables_height(&sel->from));
	h = MAX(h, sel->where ? sel->where->height : 0u);
	h = MAX(h, order_height(&sel->group));
	h = MAX(h, sel->having ? sel->having->height : 0u);
	for (uint32_t i = 0; i < sel->n_windows; i++)
		h = MAX(h, sel->windows[i].height);
	sel->tok = at.first;
	sel->tok_end = at.last;
	q = mk_query(ps, SQL_Q_SELECT, at, height_above(ps, h));
	q->select = sel;
	q->into = into;
	return q;
}

static bool has_tail(const struct sql_query *q)
{
	return q->order.n || q->limit || q->into || q->n_locks || q->with;
}

/* May another arm be put behind @l without parentheses? UNION and EXCEPT chain with each other, INTERSECT with itself.
 */
static bool chains(const struct sql_query *l, enum sql_setop op)
{
	return l->kind == SQL_Q_SET && !l->parens && !has_tail(l) &&
	       (l->arms[1].op == SQL_SET_INTERSECT) == (op == SQL_SET_INTERSECT);
}

struct sql_query *mk_setop(
	struct parser *ps, struct loc at, struct sql_query *l, enum sql_setop op, unsigned quant, struct sql_query *r)
{
	struct sql_query *q;

	if (chains(l, op)) {
		q = l;
		q->tok_end = q->body_tok_end = at.last;
		/* room for the next power of two */
		if ((q->n_arms & (q->n_arms - 1)) == 0) {
			struct sql_arm *grown = parser_alloc(ps, 2 * q->n_arms * sizeof(*grown));

			memcpy(grown, q->arms, q->n_arms * sizeof(*grown));
			q->arms = grown;
		}
	} else {
		q = mk_query(ps, SQL_Q_SET, at, l->height);
		q->arms = parser_alloc(ps, 2 * sizeof(*q->arms));
		q->arms[0].query = l;
		q->n_arms = 1;
	}
	q->arms[q->n_arms++] =
		(struct sql_arm){ .query = r, .op = (uint8_t)op, .all = quant == 1, .distinct = quant == 2 };
	q->height = MAX(q->height, height_above(ps, r->height));
	return q;
}

/* @q if clauses can be put on it, else a query around it. */
static struct sql_query *open_query(struct parser *ps, struct sql_query *q)
{
	struct sql_query *outer;

	if (!q->parens)
		return q;
	if (!has_tail(q)) {
		q->parens = false;
		q->body_tok_end = q->tok_end;
		return q;
	}
	outer = mk_query(ps, SQL_Q_PAREN, (struct loc){ q->tok, q->tok_end }, q->height);
	outer->inner = q;
	return outer;
}

struct sql_query *query_tail(
	struct parser *ps, struct loc at, struct sql_query *q, struct sql_order order, struct sql_limit *limit)
{
	if (!order.n && !limit)
		return q;
	q = open_query(ps, q);
	q->order = order;
	q->limit = limit;
	q->tok_end = at.last;
	q->height = MAX(q->height, height_above(ps, MAX(order_height(&order), limit_height(limit))));
	return q;
}

struct sql_query *query_with(struct parser *ps, struct loc at, struct sql_with *with, struct sql_query *q)
{
	q = open_query(ps, q);
	q->with = with;
	q->tok = at.first;
	q->height = MAX(q->height, height_above(ps, with->height));
	return q;
}

struct sql_query *query_locks(struct parser *ps, struct loc at, struct sql_query *q, const struct vec *locks)
{
	q = open_query(ps, q);
	if (q->n_locks)
		parser_syntax(ps, ((const struct sql_lock *)locks->v)->tok);
	q->locks = locks->v;
	q->n_locks = locks->n;
	q->tok_end = at.last;
	return q;
}

struct sql_query *query_into(struct parser *ps, struct loc at, struct sql_query *q, struct sql_into *into)
{
	q = open_query(ps, q);
	if (q->into)
		parser_syntax(ps, into->tok);
	q->into = into;
	q->tok_end = at.last;
	return q;
}

struct sql_query *query_parens(struct parser *ps, struct loc at, struct sql_query *q)
{
	(void)ps;
	q->parens = true;
	q->tok = at.first;
	q->tok_end = at.last;
	return q;
}

void add_cte(struct parser *ps, struct vec *v, struct loc at, struct str name, const struct vec *columns,
	struct sql_query *q, struct sql_opaque cycle)
{
	struct sql_cte *c = vec_push(ps, v, sizeof(*c));

	c->name = name;
	c->columns = vec_names(columns);
	c->query = q;
	c->cycle = cycle;
	c->tok = at.first;
	c->tok_end = at.last;
}

struct sql_with *mk_with(struct parser *ps, struct loc at, const struct vec *ctes, bool recursive)
{
	struct sql_with *w = PARSER_NEW(ps, struct sql_with);
	unsigned h = 0;

	w->v = ctes->v;
	w->n = ctes->n;
	w->recursive = recursive;
	for (uint32_t i = 0; i < w->n; i++)
		h = MAX(h, w->v[i].query->height);
	w->height = height_above(ps, h);
	w->tok = at.first;
	w->tok_end = at.last;
	return w;
}

void add_item(struct parser *ps, struct vec *v, struct loc at, struct loc expr_at, struct sql_expr *e, struct str alias)
{
	struct sql_item *it = vec_push(ps, v, sizeof(*it));

	it->expr = e;
	it->alias = alias;
	it->text = scan_span(ps->s, ps->text, expr_at.first, expr_at.last);
	it->tok = at.first;
	it->tok_end = at.last;
}

struct sql_into *mk_into(struct parser *ps, struct loc at, const struct vec *vars)
{
	struct sql_into *into = PARSER_NEW(ps, struct sql_into);

	into->file = !vars;
	into->vars = vec_exprs(vars);
	into->body = mk_opaque(ps, (struct loc){ at.first + 1, at.last });
	into->tok = at.first;
	into->tok_end = at.last;
	return into;
}

/* ---- statements */

struct sql_stmt *mk_stmt(struct parser *ps, enum sql_stmt_kind kind, struct loc at)
{
	struct sql_stmt *st = PARSER_NEW(ps, struct sql_stmt);

	st->kind = (uint8_t)kind;
	st->tok = at.first;
	st->tok_end = at.last;
	return st;
}

void add_assign(struct parser *ps, struct vec *v, struct loc at, struct sql_expr *target, struct sql_expr *value)
{
	*(struct sql_assign *)vec_push(ps, v, sizeof(struct sql_assign)) =
		(struct sql_assign){ target, value, at.first, at.last };
}

struct sql_stmt *mk_delete_multi(struct parser *ps, struct loc at, bool use, const struct vec *targets,
	const struct vec *tables, struct sql_expr *where, struct loc where_at)
{
	struct sql_stmt *st = mk_stmt(ps, SQL_S_DELETE, at);
	struct sql_delete *d = PARSER_NEW(ps, struct sql_delete);

	st->del = d;
	d->multi = true;
	d->using_form = use;
	d->targets = (struct sql_name_list){ targets->v, targets->n };
	d->tables = vec_tables(tables);
	d->where = where;
	d->where_tok = where ? where_at.first : 0;
	return st;
}
