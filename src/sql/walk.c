/* sql/walk.c - visits every node of a tree in the order of the text.
 * For the planner and name resolution.
 * Pure; recursion is bounded by SQL_MAX_HEIGHT. */
#include "keyway/sql/ast.h"

struct walk {
	sql_walk_fn *fn;
	void *arg;
};

static bool walk_node(const struct walk *w, struct sql_node node);

static bool walk_expr(const struct walk *w, const struct sql_expr *e)
{
	return !e || walk_node(w, (struct sql_node){ .kind = SQL_N_EXPR, .expr = e });
}

static bool walk_query(const struct walk *w, const struct sql_query *q)
{
	return !q || walk_node(w, (struct sql_node){ .kind = SQL_N_QUERY, .query = q });
}

static bool walk_table(const struct walk *w, const struct sql_table_ref *t)
{
	return !t || walk_node(w, (struct sql_node){ .kind = SQL_N_TABLE, .table = t });
}

static bool walk_exprs(const struct walk *w, struct sql_expr *const *v, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (!walk_expr(w, v[i]))
			return false;
	return true;
}

static bool walk_order(const struct walk *w, const struct sql_order *o)
{
	for (uint32_t i = 0; i < o->n; i++)
		if (!walk_expr(w, o->v[i].expr))
			return false;
	return true;
}

static bool walk_limit(const struct walk *w, const struct sql_limit *l)
{
	return !l || (walk_expr(w, l->count) && walk_expr(w, l->offset));
}

static bool walk_window(const struct walk *w, const struct sql_window *win)
{
	return walk_exprs(w, win->partition.v, win->partition.n) && walk_order(w, &win->order) &&
	       walk_expr(w, win->bound_expr[0]) && walk_expr(w, win->bound_expr[1]);
}

static bool walk_items(const struct walk *w, const struct sql_item *v, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (!walk_expr(w, v[i].expr))
			return false;
	return true;
}

static bool walk_tables(const struct walk *w, const struct sql_table_refs *refs)
{
	for (uint32_t i = 0; i < refs->n; i++)
		if (!walk_table(w, refs->v[i]))
			return false;
	return true;
}

static bool walk_assigns(const struct walk *w, const struct sql_assigns *a)
{
	for (uint32_t i = 0; i < a->n; i++)
		if (!walk_expr(w, a->v[i].target) || !walk_expr(w, a->v[i].value))
			return false;
	return true;
}

static bool walk_with(const struct walk *w, const struct sql_with *with)
{
	for (uint32_t i = 0; with && i < with->n; i++)
		if (!walk_query(w, with->v[i].query))
			return false;
	return true;
}

static bool in_expr(const struct walk *w, const struct sql_expr *e)
{
	if (!walk_exprs(w, e->args, e->n_args))
		return false;
	switch (e->kind) {
	case SQL_E_IN:
	case SQL_E_QUANT:
	case SQL_E_EXISTS:
	case SQL_E_SUBQUERY: return walk_query(w, e->query);
	case SQL_E_FUNC:
		if (!e->func)
			return true;
		return walk_order(w, &e->func->order) && walk_expr(w, e->func->separator) &&
		       walk_limit(w, e->func->limit) && (!e->func->over || walk_window(w, e->func->over));
	default: return true;
	}
}

static bool in_table(const struct walk *w, const struct sql_table_ref *t)
{
	return walk_query(w, t->query) && walk_table(w, t->left) && walk_table(w, t->right) && walk_expr(w, t->on) &&
	       walk_tables(w, &t->nest);
}

static bool in_select(const struct walk *w, const struct sql_select *s)
{
	if (!walk_items(w, s->items, s->n_items) || !walk_tables(w, &s->from) || !walk_expr(w, s->where) ||
		!walk_order(w, &s->group) || !walk_expr(w, s->having))
		return false;
	for (uint32_t i = 0; i < s->n_windows; i++)
		if (!walk_window(w, &s->windows[i]))
			return false;
	return true;
}

static bool in_query(const struct walk *w, const struct sql_query *q)
{
	if (!walk_with(w, q->with))
		return false;
	if (q->select && !walk_node(w, (struct sql_node){ .kind = SQL_N_SELECT, .select = q->select }))
		return false;
	for (uint32_t i = 0; i < q->n_arms; i++)
		if (!walk_query(w, q->arms[i].query))
			return false;
	if (!walk_exprs(w, q->rows.v, q->rows.n) || !walk_query(w, q->inner) || !walk_order(w, &q->order) ||
		!walk_limit(w, q->limit))
		return false;
	if (q->into && !walk_exprs(w, q->into->vars.v, q->into->vars.n))
		return false;
	for (uint32_t i = 0; i < q->n_locks; i++)
		if (!walk_expr(w, q->locks[i].wait))
			return false;
	return true;
}

static bool in_insert(const struct walk *w, const struct sql_insert *ins)
{
	if (!walk_exprs(w, ins->columns.v, ins->columns.n))
		return false;
	for (uint32_t i = 0; i < ins->n_rows; i++)
		if (!walk_exprs(w, ins->rows[i].values.v, ins->rows[i].values.n))
			return false;
	return walk_assigns(w, &ins->set) && walk_query(w, ins->query) && walk_assigns(w, &ins->on_dup) &&
	       walk_items(w, ins->returning, ins->n_returning);
}

static bool in_update(const struct walk *w, const struct sql_update *u)
{
	return walk_with(w, u->with) && walk_tables(w, &u->tables) && walk_assigns(w, &u->set) &&
	       walk_expr(w, u->where) && walk_order(w, &u->order) && walk_limit(w, u->limit);
}

static bool in_delete(const struct walk *w, const struct sql_delete *d)
{
	return walk_with(w, d->with) && walk_tables(w, &d->tables) && walk_expr(w, d->where) &&
	       walk_order(w, &d->order) && walk_limit(w, d->limit) && walk_items(w, d->returning, d->n_returning);
}

static bool in_stmt(const struct walk *w, const struct sql_stmt *st)
{
	if (!walk_exprs(w, st->exprs.v, st->exprs.n))
		return false;
	switch (st->kind) {
	case SQL_S_QUERY: return walk_query(w, st->query);
	case SQL_S_INSERT: return in_insert(w, st->insert);
	case SQL_S_UPDATE: return in_update(w, st->update);
	case SQL_S_DELETE: return in_delete(w, st->del);
	case SQL_S_SET:
	case SQL_S_SET_STATEMENT:
		for (uint32_t i = 0; i < st->set.n; i++)
			if (!walk_expr(w, st->set.v[i].value))
				return false;
		break;
	case SQL_S_SHOW: return walk_expr(w, st->show->like) && walk_expr(w, st->show->where);
	case SQL_S_EXPLAIN:
		if (!walk_expr(w, st->explain->connection))
			return false;
		return !st->explain->inner ||
		       walk_node(w, (struct sql_node){ .kind = SQL_N_STMT, .stmt = st->explain->inner });
	case SQL_S_LOAD:
		return walk_expr(w, st->load->file) && walk_exprs(w, st->load->columns.v, st->load->columns.n) &&
		       walk_assigns(w, &st->load->set);
	case SQL_S_KILL: return walk_expr(w, st->kill->id);
	case SQL_S_CREATE:
	case SQL_S_ALTER: return walk_query(w, st->ddl->query);
	default: break;
	}
	return !st->inner || walk_node(w, (struct sql_node){ .kind = SQL_N_STMT, .stmt = st->inner });
}

static bool walk_node(const struct walk *w, struct sql_node node)
{
	enum sql_walk_do what = w->fn(node, w->arg);

	if (what != SQL_WALK_ON)
		return what == SQL_WALK_SKIP;
	switch (node.kind) {
	case SQL_N_STMT: return in_stmt(w, node.stmt);
	case SQL_N_QUERY: return in_query(w, node.query);
	case SQL_N_SELECT: return in_select(w, node.select);
	case SQL_N_TABLE: return in_table(w, node.table);
	default: return in_expr(w, node.expr);
	}
}

bool sql_walk(struct sql_node root, sql_walk_fn *fn, void *arg)
{
	struct walk w = { fn, arg };

	return walk_node(&w, root);
}
