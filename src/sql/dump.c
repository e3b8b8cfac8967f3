/* sql/dump.c - a tree as text, one node a line, without token ordinals: equal trees give equal text.
 * For tests of the parser and printer.
 * Pure; recursion is bounded by SQL_MAX_HEIGHT. */
#include "keyway/sql/print.h"

static const char *const stmt_names[SQL_S_KINDS] = { [SQL_S_EMPTY] = "empty",
	[SQL_S_QUERY] = "query",
	[SQL_S_INSERT] = "insert",
	[SQL_S_UPDATE] = "update",
	[SQL_S_DELETE] = "delete",
	[SQL_S_SET] = "set",
	[SQL_S_SET_TRANSACTION] = "set transaction",
	[SQL_S_SET_PASSWORD] = "set password",
	[SQL_S_SET_ROLE] = "set role",
	[SQL_S_SET_STATEMENT] = "set statement",
	[SQL_S_BEGIN] = "begin",
	[SQL_S_COMMIT] = "commit",
	[SQL_S_ROLLBACK] = "rollback",
	[SQL_S_ROLLBACK_TO] = "rollback to",
	[SQL_S_SAVEPOINT] = "savepoint",
	[SQL_S_RELEASE] = "release savepoint",
	[SQL_S_XA] = "xa",
	[SQL_S_SHOW] = "show",
	[SQL_S_USE] = "use",
	[SQL_S_DESCRIBE] = "describe",
	[SQL_S_EXPLAIN] = "explain",
	[SQL_S_CALL] = "call",
	[SQL_S_DO] = "do",
	[SQL_S_HANDLER] = "handler",
	[SQL_S_PREPARE] = "prepare",
	[SQL_S_EXECUTE] = "execute",
	[SQL_S_DEALLOCATE] = "deallocate",
	[SQL_S_LOCK_TABLES] = "lock tables",
	[SQL_S_UNLOCK_TABLES] = "unlock tables",
	[SQL_S_LOCK_OTHER] = "lock",
	[SQL_S_LOAD] = "load",
	[SQL_S_KILL] = "kill",
	[SQL_S_FLUSH] = "flush",
	[SQL_S_RESET] = "reset",
	[SQL_S_ADMIN_TABLE] = "table administration",
	[SQL_S_CREATE] = "create",
	[SQL_S_ALTER] = "alter",
	[SQL_S_DROP] = "drop",
	[SQL_S_RENAME] = "rename",
	[SQL_S_TRUNCATE] = "truncate",
	[SQL_S_GRANT] = "grant",
	[SQL_S_DIAGNOSTICS] = "get diagnostics",
	[SQL_S_SIGNAL] = "signal",
	[SQL_S_COMPOUND] = "compound",
	[SQL_S_OTHER] = "other" };

static const char *const expr_names[SQL_E_KINDS] = { [SQL_E_LIT] = "literal",
	[SQL_E_PARAM] = "parameter",
	[SQL_E_NULL] = "null",
	[SQL_E_TRUE] = "true",
	[SQL_E_FALSE] = "false",
	[SQL_E_DEFAULT] = "default",
	[SQL_E_COLUMN] = "column",
	[SQL_E_STAR] = "star",
	[SQL_E_UVAR] = "user variable",
	[SQL_E_SYSVAR] = "system variable",
	[SQL_E_ASSIGN] = "assign",
	[SQL_E_AND] = "and",
	[SQL_E_OR] = "or",
	[SQL_E_UNARY] = "unary",
	[SQL_E_BINARY] = "binary",
	[SQL_E_IS] = "is",
	[SQL_E_BETWEEN] = "between",
	[SQL_E_IN] = "in",
	[SQL_E_LIKE] = "like",
	[SQL_E_REGEXP] = "regexp",
	[SQL_E_SOUNDS] = "sounds like",
	[SQL_E_MEMBER] = "member of",
	[SQL_E_QUANT] = "quantified",
	[SQL_E_EXISTS] = "exists",
	[SQL_E_SUBQUERY] = "subquery",
	[SQL_E_ROW] = "row",
	[SQL_E_CASE] = "case",
	[SQL_E_CAST] = "cast",
	[SQL_E_CONVERT] = "convert",
	[SQL_E_CONVERT_USING] = "convert using",
	[SQL_E_CHAR] = "char",
	[SQL_E_COLLATE] = "collate",
	[SQL_E_INTRODUCER] = "introducer",
	[SQL_E_TEMPORAL] = "temporal",
	[SQL_E_ODBC] = "odbc",
	[SQL_E_STRCAT] = "strings",
	[SQL_E_INTERVAL] = "interval",
	[SQL_E_EXTRACT] = "extract",
	[SQL_E_TRIM] = "trim",
	[SQL_E_POSITION] = "position",
	[SQL_E_TIMEUNIT] = "time unit function",
	[SQL_E_GET_FORMAT] = "get_format",
	[SQL_E_MATCH] = "match",
	[SQL_E_VALUES] = "values",
	[SQL_E_FUNC] = "function",
	[SQL_E_AS_TYPE] = "as type",
	[SQL_E_NEXTVAL] = "value for" };

const char *sql_stmt_kind_name(enum sql_stmt_kind k)
{
	return (unsigned)k < SQL_S_KINDS ? stmt_names[k] : "?";
}

const char *sql_expr_kind_name(enum sql_expr_kind k)
{
	return (unsigned)k < SQL_E_KINDS ? expr_names[k] : "?";
}

struct dump {
	struct buf *b;
	int depth;
};

static void dump_expr(struct dump *d, const char *role, const struct sql_expr *e);
static void dump_query(struct dump *d, const char *role, const struct sql_query *q);
static void dump_table(struct dump *d, const char *role, const struct sql_table_ref *t);
static void dump_stmt(struct dump *d, const struct sql_stmt *st);

static void line(struct dump *d, const char *role, const char *what)
{
	buf_addf(d->b, "\n%*s%s%s%s", d->depth, "", role, *role ? ": " : "", what);
}

static void attr(struct dump *d, const char *name, struct str s)
{
	if (s.p)
		buf_addf(d->b, " %s=[" STR_FMT "]", name, STR_ARG(s));
}

static void number(struct dump *d, const char *name, unsigned n)
{
	if (n)
		buf_addf(d->b, " %s=%u", name, n);
}

static void names(struct dump *d, const char *name, const struct sql_names *v)
{
	for (uint32_t i = 0; i < v->n; i++)
		attr(d, name, v->v[i]);
}

static void qualified(struct dump *d, const char *name, const struct sql_name *n)
{
	attr(d, "db", n->db);
	attr(d, name, n->name);
}

static void name_list(struct dump *d, const char *name, const struct sql_name_list *v)
{
	for (uint32_t i = 0; i < v->n; i++)
		qualified(d, name, &v->v[i]);
}

static void exprs(struct dump *d, const char *role, struct sql_expr *const *v, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		dump_expr(d, role, v[i]);
}

static void order(struct dump *d, const char *role, const struct sql_order *o)
{
	for (uint32_t i = 0; i < o->n; i++) {
		dump_expr(d, role, o->v[i].expr);
		buf_addz(d->b, o->v[i].desc ? " desc" : "");
	}
}

static void limit(struct dump *d, const struct sql_limit *l)
{
	if (!l)
		return;
	dump_expr(d, l->with_ties ? "limit with ties" : "limit", l->count);
	if (l->offset)
		dump_expr(d, "offset", l->offset);
}

static void window(struct dump *d, const struct sql_window *w)
{
	line(d, "", "window");
	attr(d, "name", w->name);
	attr(d, "based", w->based);
	attr(d, "exclude", w->exclude);
	if (w->has_frame)
		buf_addf(d->b, " frame=%u,%u,%u,%u", w->frame_unit, w->has_between, w->bound[0], w->bound[1]);
	d->depth++;
	exprs(d, "partition", w->partition.v, w->partition.n);
	order(d, "order", &w->order);
	for (int i = 0; i < 2; i++)
		if (w->bound_expr[i])
			dump_expr(d, "bound", w->bound_expr[i]);
	d->depth--;
}

static bool has_query(const struct sql_expr *e)
{
	return e->kind == SQL_E_IN || e->kind == SQL_E_QUANT || e->kind == SQL_E_EXISTS || e->kind == SQL_E_SUBQUERY;
}

static void dump_expr(struct dump *d, const char *role, const struct sql_expr *e)
{
	const struct sql_func *f = e->kind == SQL_E_FUNC ? e->func : NULL;

	line(d, role, sql_expr_kind_name(e->kind));
	number(d, "op", e->op);
	number(d, "flags", e->flags);
	number(d, "lit_kind", e->lit_kind);
	attr(d, "name", e->name);
	d->depth++;
	if (!has_query(e) && e->kind != SQL_E_FUNC) {
		attr(d, "table", e->col.table);
		attr(d, "db", e->col.db);
	}
	if (f) {
		attr(d, "db", f->db);
		number(d, "nulls", f->nulls);
		number(d, "from", f->from);
		number(d, "within", f->within_group);
	}
	exprs(d, "", e->args, e->n_args);
	if (has_query(e) && e->query)
		dump_query(d, "", e->query);
	if (f) {
		order(d, "order", &f->order);
		if (f->separator)
			dump_expr(d, "separator", f->separator);
		limit(d, f->limit);
		if (f->over)
			window(d, f->over);
	}
	d->depth--;
}

static void tables(struct dump *d, const char *role, const struct sql_table_refs *refs)
{
	for (uint32_t i = 0; i < refs->n; i++)
		dump_table(d, role, refs->v[i]);
}

static void dump_table(struct dump *d, const char *role, const struct sql_table_ref *t)
{
	static const char *const kinds[] = { "table", "derived", "join", "nest", "dual", "function" };

	line(d, role, kinds[t->kind]);
	number(d, "join", t->join);
	number(d, "natural", t->natural);
	number(d, "lateral", t->lateral);
	qualified(d, "name", &t->name);
	attr(d, "alias", t->alias);
	names(d, "partition", &t->partitions);
	names(d, "column", &t->columns);
	attr(d, "system_time", t->system_time.text);
	attr(d, "hints", t->hints.text);
	attr(d, "body", t->body.text);
	d->depth++;
	if (t->query)
		dump_query(d, "", t->query);
	if (t->left)
		dump_table(d, "left", t->left);
	if (t->right)
		dump_table(d, "right", t->right);
	if (t->on)
		dump_expr(d, "on", t->on);
	tables(d, "", &t->nest);
	d->depth--;
}

static void items(struct dump *d, const char *role, const struct sql_item *v, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		dump_expr(d, role, v[i].expr);
		attr(d, "alias", v[i].alias);
	}
}

static void with(struct dump *d, const struct sql_with *w)
{
	for (uint32_t i = 0; w && i < w->n; i++) {
		line(d, "with", w->recursive ? "recursive" : "");
		attr(d, "name", w->v[i].name);
		names(d, "column", &w->v[i].columns);
		attr(d, "cycle", w->v[i].cycle.text);
		d->depth++;
		dump_query(d, "", w->v[i].query);
		d->depth--;
	}
}

static void dump_select(struct dump *d, const struct sql_select *s)
{
	number(d, "options", s->options);
	attr(d, "hint", s->hint.text);
	number(d, "rollup", s->rollup);
	items(d, "item", s->items, s->n_items);
	tables(d, "from", &s->from);
	if (s->where)
		dump_expr(d, "where", s->where);
	order(d, "group", &s->group);
	if (s->having)
		dump_expr(d, "having", s->having);
	for (uint32_t i = 0; i < s->n_windows; i++)
		window(d, &s->windows[i]);
}

static void dump_query(struct dump *d, const char *role, const struct sql_query *q)
{
	static const char *const kinds[] = { "select", "set operation", "values", "table", "parentheses" };

	line(d, role, kinds[q->kind]);
	d->depth++;
	with(d, q->with);
	if (q->select)
		dump_select(d, q->select);
	for (uint32_t i = 0; i < q->n_arms; i++) {
		dump_query(d, "arm", q->arms[i].query);
		buf_addf(d->b, "\n%*s(op=%u all=%u distinct=%u)", d->depth, "", q->arms[i].op, q->arms[i].all,
			q->arms[i].distinct);
	}
	exprs(d, "row", q->rows.v, q->rows.n);
	qualified(d, "table", &q->table);
	if (q->inner)
		dump_query(d, "", q->inner);
	order(d, "order", &q->order);
	limit(d, q->limit);
	if (q->into) {
		line(d, "into", "");
		if (q->into->file)
			attr(d, "file", q->into->body.text);
		exprs(d, "", q->into->vars.v, q->into->vars.n);
	}
	for (uint32_t i = 0; i < q->n_locks; i++) {
		const struct sql_lock *l = &q->locks[i];

		buf_addf(d->b, "\n%*slock kind=%u nowait=%u skip=%u", d->depth, "", l->kind, l->nowait, l->skip_locked);
		name_list(d, "of", &l->of);
		if (l->wait)
			dump_expr(d, "wait", l->wait);
	}
	d->depth--;
}

static void assigns(struct dump *d, const char *role, const struct sql_assigns *a)
{
	for (uint32_t i = 0; i < a->n; i++) {
		dump_expr(d, role, a->v[i].target);
		dump_expr(d, "=", a->v[i].value);
	}
}

static void dump_insert(struct dump *d, const struct sql_insert *ins)
{
	number(d, "replace", ins->replace);
	number(d, "kind", ins->kind);
	number(d, "options", ins->options);
	attr(d, "hint", ins->hint.text);
	qualified(d, "table", &ins->table);
	names(d, "partition", &ins->partitions);
	number(d, "has_columns", ins->has_columns);
	attr(d, "row_alias", ins->row_alias);
	names(d, "row_column", &ins->row_columns);
	exprs(d, "column", ins->columns.v, ins->columns.n);
	for (uint32_t i = 0; i < ins->n_rows; i++) {
		line(d, "row", ins->rows[i].folded ? "folded" : "");
		attr(d, "text", ins->rows[i].text);
		d->depth++;
		exprs(d, "", ins->rows[i].values.v, ins->rows[i].values.n);
		d->depth--;
	}
	assigns(d, "set", &ins->set);
	if (ins->query)
		dump_query(d, "", ins->query);
	assigns(d, "on duplicate", &ins->on_dup);
	items(d, "returning", ins->returning, ins->n_returning);
}

static void dump_update(struct dump *d, const struct sql_update *u)
{
	number(d, "options", u->options);
	attr(d, "hint", u->hint.text);
	attr(d, "portion", u->portion.text);
	with(d, u->with);
	tables(d, "table", &u->tables);
	assigns(d, "set", &u->set);
	if (u->where)
		dump_expr(d, "where", u->where);
	order(d, "order", &u->order);
	limit(d, u->limit);
}

static void dump_delete(struct dump *d, const struct sql_delete *del)
{
	number(d, "options", del->options);
	number(d, "multi", del->multi + del->using_form);
	attr(d, "hint", del->hint.text);
	attr(d, "portion", del->portion.text);
	name_list(d, "target", &del->targets);
	with(d, del->with);
	tables(d, "table", &del->tables);
	if (del->where)
		dump_expr(d, "where", del->where);
	order(d, "order", &del->order);
	limit(d, del->limit);
	items(d, "returning", del->returning, del->n_returning);
}

static void dump_set(struct dump *d, const struct sql_set *set)
{
	for (uint32_t i = 0; i < set->n; i++) {
		const struct sql_set_item *it = &set->v[i];

		buf_addf(d->b, "\n%*sitem kind=%u scope=%u", d->depth, "", it->kind, it->scope);
		attr(d, "base", it->base);
		attr(d, "name", it->name);
		attr(d, "collate", it->collate);
		if (it->value)
			dump_expr(d, "", it->value);
	}
}

static void dump_ddl(struct dump *d, const struct sql_ddl *ddl)
{
	buf_addf(d->b, " object=%u %u%u%u%u%u%u%u", ddl->object, ddl->or_replace, ddl->if_exists, ddl->if_not_exists,
		ddl->temporary, ddl->unique, ddl->fulltext, ddl->spatial);
	name_list(d, "name", &ddl->names);
	qualified(d, "on", &ddl->on_table);
	qualified(d, "like", &ddl->like);
	name_list(d, "renamed", &ddl->renamed);
	name_list(d, "references", &ddl->references);
	attr(d, "head", ddl->head.text);
	attr(d, "rest", ddl->rest.text);
	if (ddl->query)
		dump_query(d, "", ddl->query);
}

static void dump_show(struct dump *d, const struct sql_show *sh)
{
	attr(d, "what", sh->what);
	number(d, "full", sh->full);
	number(d, "extended", sh->extended);
	number(d, "scope", sh->scope);
	qualified(d, "name", &sh->name);
	attr(d, "of_db", sh->db);
	attr(d, "rest", sh->rest.text);
	if (sh->like)
		dump_expr(d, "like", sh->like);
	if (sh->where)
		dump_expr(d, "where", sh->where);
}

static void dump_explain(struct dump *d, const struct sql_explain *x)
{
	buf_addf(d->b, " %u%u%u%u", x->route, x->analyze, x->extended, x->partitions);
	attr(d, "format", x->format);
	if (x->connection)
		dump_expr(d, "connection", x->connection);
	if (x->inner)
		dump_stmt(d, x->inner);
}

static void dump_load(struct dump *d, const struct sql_load *l)
{
	buf_addf(d->b, " %u%u%u%u options=%u", l->local, l->xml, l->replace, l->ignore, l->options);
	qualified(d, "table", &l->table);
	names(d, "partition", &l->partitions);
	attr(d, "format", l->format.text);
	dump_expr(d, "file", l->file);
	exprs(d, "column", l->columns.v, l->columns.n);
	assigns(d, "set", &l->set);
}

static void dump_locks(struct dump *d, const struct sql_lock_tables *l)
{
	for (uint32_t i = 0; i < l->n; i++) {
		qualified(d, "table", &l->v[i].table);
		attr(d, "alias", l->v[i].alias);
		number(d, "kind", l->v[i].kind);
	}
	attr(d, "wait", l->wait.text);
}

static void dump_stmt(struct dump *d, const struct sql_stmt *st)
{
	line(d, "", sql_stmt_kind_name(st->kind));
	attr(d, "name", st->name);
	attr(d, "rest", st->rest.text);
	name_list(d, "of", &st->names);
	d->depth++;
	exprs(d, "", st->exprs.v, st->exprs.n);
	switch (st->kind) {
	case SQL_S_QUERY: dump_query(d, "", st->query); break;
	case SQL_S_INSERT: dump_insert(d, st->insert); break;
	case SQL_S_UPDATE: dump_update(d, st->update); break;
	case SQL_S_DELETE: dump_delete(d, st->del); break;
	case SQL_S_SET:
	case SQL_S_SET_STATEMENT: dump_set(d, &st->set); break;
	case SQL_S_SET_TRANSACTION:
	case SQL_S_BEGIN:
	case SQL_S_COMMIT:
	case SQL_S_ROLLBACK:
		buf_addf(d->b, " flags=%u isolation=%u scope=%u", st->txn.flags, st->txn.isolation, st->txn.scope);
		break;
	case SQL_S_SHOW: dump_show(d, st->show); break;
	case SQL_S_EXPLAIN: dump_explain(d, st->explain); break;
	case SQL_S_LOCK_TABLES: dump_locks(d, st->locks); break;
	case SQL_S_LOAD: dump_load(d, st->load); break;
	case SQL_S_KILL:
		buf_addf(d->b, " query=%u how=%u", st->kill->query, st->kill->hard_soft);
		attr(d, "rest", st->kill->rest.text);
		if (st->kill->id)
			dump_expr(d, "", st->kill->id);
		break;
	case SQL_S_CREATE:
	case SQL_S_ALTER:
	case SQL_S_DROP:
	case SQL_S_RENAME:
	case SQL_S_TRUNCATE: dump_ddl(d, st->ddl); break;
	default: break;
	}
	if (st->inner)
		dump_stmt(d, st->inner);
	d->depth--;
}

void sql_dump_stmt(struct buf *b, const struct sql_stmt *st)
{
	struct dump d = { b, 0 };

	dump_stmt(&d, st);
	buf_addz(b, "\n");
}
