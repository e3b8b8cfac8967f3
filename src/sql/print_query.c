/* sql/print_query.c - queries and table references to text.
 * For print.c.
 * Pure; recursion is bounded by SQL_MAX_HEIGHT. */
#include "printer.h"

struct flag_word {
	uint32_t flag;
	const char *word;
};

static const struct flag_word select_words[] = { { SQL_SEL_ALL, "ALL " }, { SQL_SEL_DISTINCT, "DISTINCT " },
	{ SQL_SEL_HIGH_PRIORITY, "HIGH_PRIORITY " }, { SQL_SEL_STRAIGHT_JOIN, "STRAIGHT_JOIN " },
	{ SQL_SEL_SMALL_RESULT, "SQL_SMALL_RESULT " }, { SQL_SEL_BIG_RESULT, "SQL_BIG_RESULT " },
	{ SQL_SEL_BUFFER_RESULT, "SQL_BUFFER_RESULT " }, { SQL_SEL_NO_CACHE, "SQL_NO_CACHE " },
	{ SQL_SEL_CACHE, "SQL_CACHE " }, { SQL_SEL_CALC_FOUND_ROWS, "SQL_CALC_FOUND_ROWS " } };

void print_order(const struct printer *p, const char *words, const struct sql_order *o)
{
	print_word(p, words);
	for (uint32_t i = 0; i < o->n; i++) {
		print_word(p, i ? ", " : "");
		print_expr(p, o->v[i].expr, LEVEL_EXPR);
		print_word(p, o->v[i].desc ? " DESC" : "");
	}
}

void print_limit(const struct printer *p, const struct sql_limit *l)
{
	if (l->with_ties) {
		if (l->offset) {
			print_word(p, " OFFSET ");
			print_expr(p, l->offset, LEVEL_PRIMARY);
			print_word(p, " ROWS");
		}
		print_word(p, " FETCH FIRST ");
		print_expr(p, l->count, LEVEL_PRIMARY);
		print_word(p, " ROWS WITH TIES");
		return;
	}
	print_word(p, " LIMIT ");
	print_expr(p, l->count, LEVEL_PRIMARY);
	if (l->offset) {
		print_word(p, " OFFSET ");
		print_expr(p, l->offset, LEVEL_PRIMARY);
	}
}

static void print_bound(const struct printer *p, const struct sql_window *w, int i)
{
	switch (w->bound[i]) {
	case SQL_BOUND_UNBOUNDED_PRECEDING: print_word(p, "UNBOUNDED PRECEDING"); break;
	case SQL_BOUND_UNBOUNDED_FOLLOWING: print_word(p, "UNBOUNDED FOLLOWING"); break;
	case SQL_BOUND_CURRENT: print_word(p, "CURRENT ROW"); break;
	default:
		print_expr(p, w->bound_expr[i], LEVEL_BITOR);
		print_word(p, w->bound[i] == SQL_BOUND_PRECEDING ? " PRECEDING" : " FOLLOWING");
		break;
	}
}

void print_window(const struct printer *p, const struct sql_window *w)
{
	static const char *const units[] = { "ROWS ", "RANGE ", "GROUPS " };
	const char *gap = "";

	print_word(p, "(");
	if (w->based.p) {
		print_name(p, w->based);
		gap = " ";
	}
	if (w->partition.n) {
		print_word(p, gap);
		print_word(p, "PARTITION BY ");
		print_exprs(p, &w->partition);
		gap = " ";
	}
	if (w->order.n) {
		print_word(p, gap);
		print_order(p, "ORDER BY ", &w->order);
		gap = " ";
	}
	if (w->has_frame) {
		print_word(p, gap);
		print_word(p, units[w->frame_unit]);
		print_word(p, w->has_between ? "BETWEEN " : "");
		print_bound(p, w, 0);
		if (w->has_between) {
			print_word(p, " AND ");
			print_bound(p, w, 1);
		}
		if (w->exclude.p) {
			print_word(p, " EXCLUDE ");
			print_text(p, w->exclude);
		}
	}
	print_word(p, ")");
}

void print_items(const struct printer *p, const struct sql_item *v, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		print_word(p, i ? ", " : "");
		print_expr(p, v[i].expr, LEVEL_EXPR);
		if (v[i].alias.p) {
			print_word(p, " AS ");
			print_name(p, v[i].alias);
		}
	}
}

void print_with(const struct printer *p, const struct sql_with *w)
{
	print_word(p, w->recursive ? "WITH RECURSIVE " : "WITH ");
	for (uint32_t i = 0; i < w->n; i++) {
		const struct sql_cte *c = &w->v[i];

		print_word(p, i ? ", " : "");
		print_name(p, c->name);
		if (c->columns.n) {
			print_word(p, " (");
			print_names(p, &c->columns);
			print_word(p, ")");
		}
		print_word(p, " AS (");
		print_query(p, c->query);
		print_word(p, ")");
		if (c->cycle.text.n) {
			print_word(p, " ");
			print_text(p, c->cycle.text);
		}
	}
	print_word(p, " ");
}

/* ---- tables */

static void print_join(const struct printer *p, const struct sql_table_ref *t)
{
	static const char *const words[] = { [SQL_J_INNER] = "JOIN ",
		[SQL_J_CROSS] = "CROSS JOIN ",
		[SQL_J_STRAIGHT] = "STRAIGHT_JOIN ",
		[SQL_J_LEFT] = "LEFT JOIN ",
		[SQL_J_RIGHT] = "RIGHT JOIN " };
	bool parens = t->right->kind == SQL_T_JOIN;

	print_table(p, t->left);
	print_word(p, t->natural ? " NATURAL " : " ");
	print_word(p, words[t->join]);
	print_word(p, parens ? "(" : "");
	print_table(p, t->right);
	print_word(p, parens ? ")" : "");
	if (t->on) {
		print_word(p, " ON ");
		print_expr(p, t->on, LEVEL_EXPR);
	} else if (t->columns.n) {
		print_word(p, " USING (");
		print_names(p, &t->columns);
		print_word(p, ")");
	}
}

static void print_alias(const struct printer *p, struct str alias)
{
	if (alias.p) {
		print_word(p, " AS ");
		print_name(p, alias);
	}
}

static void print_opaque(const struct printer *p, const struct sql_opaque *o)
{
	if (o->text.n) {
		print_word(p, " ");
		print_text(p, o->text);
	}
}

void print_table(const struct printer *p, const struct sql_table_ref *t)
{
	if (p->hook && p->hook(p->b, NULL, t, p->arg))
		return;
	switch (t->kind) {
	case SQL_T_TABLE:
		print_qualified(p, &t->name);
		if (t->partitions.n) {
			print_word(p, " PARTITION (");
			print_names(p, &t->partitions);
			print_word(p, ")");
		}
		print_opaque(p, &t->system_time);
		print_alias(p, t->alias);
		print_opaque(p, &t->hints);
		break;
	case SQL_T_DERIVED:
		print_word(p, t->lateral ? "LATERAL (" : "(");
		print_query(p, t->query);
		print_word(p, ")");
		print_alias(p, t->alias);
		if (t->columns.n) {
			print_word(p, " (");
			print_names(p, &t->columns);
			print_word(p, ")");
		}
		break;
	case SQL_T_JOIN: print_join(p, t); break;
	case SQL_T_NEST:
		print_word(p, "(");
		print_tables(p, &t->nest);
		print_word(p, ")");
		break;
	case SQL_T_DUAL: print_word(p, "DUAL"); break;
	default:
		print_text(p, t->body.text);
		print_alias(p, t->alias);
		break;
	}
}

void print_tables(const struct printer *p, const struct sql_table_refs *refs)
{
	for (uint32_t i = 0; i < refs->n; i++) {
		print_word(p, i ? ", " : "");
		print_table(p, refs->v[i]);
	}
}

/* ---- queries */

static void print_into(const struct printer *p, const struct sql_into *into)
{
	print_word(p, " INTO ");
	if (into->file)
		print_text(p, into->body.text);
	else
		print_exprs(p, &into->vars);
}

static void print_select(const struct printer *p, const struct sql_select *s, const struct sql_into *into)
{
	print_word(p, "SELECT ");
	if (s->hint.text.n) {
		print_text(p, s->hint.text);
		print_word(p, " ");
	}
	for (size_t i = 0; i < ARRAY_N(select_words); i++)
		if (s->options & select_words[i].flag)
			print_word(p, select_words[i].word);
	print_items(p, s->items, s->n_items);
	if (into)
		print_into(p, into);
	if (s->from.n) {
		print_word(p, " FROM ");
		print_tables(p, &s->from);
	}
	if (s->where) {
		print_word(p, " WHERE ");
		print_expr(p, s->where, LEVEL_EXPR);
	}
	if (s->group.n) {
		print_order(p, " GROUP BY ", &s->group);
		print_word(p, s->rollup ? " WITH ROLLUP" : "");
	}
	if (s->having) {
		print_word(p, " HAVING ");
		print_expr(p, s->having, LEVEL_EXPR);
	}
	for (uint32_t i = 0; i < s->n_windows; i++) {
		print_word(p, i ? ", " : " WINDOW ");
		print_name(p, s->windows[i].name);
		print_word(p, " AS ");
		print_window(p, &s->windows[i]);
	}
}

/* An arm needs parentheses when it is more than a body; INTERSECT binds tighter than the others and needs none. */
static bool is_body(const struct sql_query *q, const struct sql_query *outer)
{
	if (q->parens)
		return false;
	if (q->kind == SQL_Q_SET)
		return q->arms[1].op == SQL_SET_INTERSECT && outer->arms[1].op != SQL_SET_INTERSECT && !q->order.n &&
		       !q->limit && !q->n_locks && !q->with && !q->into;
	return q->kind != SQL_Q_PAREN && !q->order.n && !q->limit && !q->n_locks && !q->with;
}

static void print_arms(const struct printer *p, const struct sql_query *q)
{
	static const char *const ops[] = { "", " UNION ", " INTERSECT ", " EXCEPT " };

	for (uint32_t i = 0; i < q->n_arms; i++) {
		const struct sql_arm *a = &q->arms[i];
		bool body = is_body(a->query, q);

		print_word(p, ops[a->op]);
		print_word(p, a->all ? "ALL " : a->distinct ? "DISTINCT " : "");
		print_word(p, body ? "" : "(");
		print_query(p, a->query);
		print_word(p, body ? "" : ")");
	}
}

static void print_lock(const struct printer *p, const struct sql_lock *l)
{
	static const char *const words[] = { " FOR UPDATE", " FOR SHARE", " LOCK IN SHARE MODE" };

	print_word(p, words[l->kind]);
	for (uint32_t i = 0; i < l->of.n; i++) {
		print_word(p, i ? ", " : " OF ");
		print_qualified(p, &l->of.v[i]);
	}
	if (l->wait) {
		print_word(p, " WAIT ");
		print_expr(p, l->wait, LEVEL_PRIMARY);
	}
	print_word(p, l->nowait ? " NOWAIT" : l->skip_locked ? " SKIP LOCKED" : "");
}

void print_query(const struct printer *p, const struct sql_query *q)
{
	if (q->with)
		print_with(p, q->with);
	switch (q->kind) {
	case SQL_Q_SELECT: print_select(p, q->select, q->into); break;
	case SQL_Q_SET: print_arms(p, q); break;
	case SQL_Q_VALUES:
		print_word(p, "VALUES ");
		print_exprs(p, &q->rows);
		break;
	case SQL_Q_TABLE:
		print_word(p, "TABLE ");
		print_qualified(p, &q->table);
		break;
	default:
		print_word(p, "(");
		print_query(p, q->inner);
		print_word(p, ")");
		break;
	}
	if (q->order.n)
		print_order(p, " ORDER BY ", &q->order);
	if (q->limit)
		print_limit(p, q->limit);
	if (q->into && q->kind != SQL_Q_SELECT)
		print_into(p, q->into);
	for (uint32_t i = 0; i < q->n_locks; i++)
		print_lock(p, &q->locks[i]);
}
