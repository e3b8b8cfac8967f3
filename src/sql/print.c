/* sql/print.c - statements to text, and the printer's entry points.
 * For the planner's rewrites, EXPLAIN ROUTE and tests.
 * Pure. */
#include "keyway/sql/print.h"
#include "printer.h"

static void print_options(const struct printer *p, const char *verb, const struct sql_opaque *hint, uint32_t options)
{
	static const struct {
		uint32_t flag;
		const char *word;
	} words[] = { { SQL_DML_LOW_PRIORITY, "LOW_PRIORITY " }, { SQL_DML_HIGH_PRIORITY, "HIGH_PRIORITY " },
		{ SQL_DML_DELAYED, "DELAYED " }, { SQL_DML_QUICK, "QUICK " }, { SQL_DML_IGNORE, "IGNORE " } };

	print_word(p, verb);
	if (hint->text.n) {
		print_text(p, hint->text);
		print_word(p, " ");
	}
	for (size_t i = 0; i < ARRAY_N(words); i++)
		if (options & words[i].flag)
			print_word(p, words[i].word);
}

static void print_assigns(const struct printer *p, const char *word, const struct sql_assigns *a)
{
	for (uint32_t i = 0; i < a->n; i++) {
		print_word(p, i ? ", " : word);
		print_expr(p, a->v[i].target, LEVEL_PRIMARY);
		print_word(p, " = ");
		print_expr(p, a->v[i].value, LEVEL_EXPR);
	}
}

static void print_where(const struct printer *p, const struct sql_expr *where)
{
	if (where) {
		print_word(p, " WHERE ");
		print_expr(p, where, LEVEL_EXPR);
	}
}

static void print_tail(const struct printer *p, const struct sql_order *order, const struct sql_limit *limit)
{
	if (order->n)
		print_order(p, " ORDER BY ", order);
	if (limit)
		print_limit(p, limit);
}

static void print_returning(const struct printer *p, const struct sql_item *v, uint32_t n)
{
	if (n) {
		print_word(p, " RETURNING ");
		print_items(p, v, n);
	}
}

/* Would the scanner take @e for a plain value of a row? */
static bool is_plain_value(const struct sql_expr *e)
{
	switch (e->kind) {
	case SQL_E_UNARY:
		return (e->op == SQL_OP_NEG || e->op == SQL_OP_PLUS) && e->args[0]->kind == SQL_E_LIT &&
		       e->args[0]->lit_kind <= LIT_FLOAT;
	case SQL_E_INTRODUCER:
	case SQL_E_LIT:
	case SQL_E_PARAM:
	case SQL_E_NULL:
	case SQL_E_TRUE:
	case SQL_E_FALSE:
	case SQL_E_DEFAULT: return e->n_args == 0 || e->kind == SQL_E_INTRODUCER;
	default: return false;
	}
}

/* A row that was kept apart, as ((1)) is, must not be folded when its text is read: one value keeps parentheses. */
static void print_row(const struct printer *p, const struct sql_exprs *v, bool may_fold)
{
	bool open = may_fold;

	for (uint32_t i = 0; i < v->n; i++)
		open = open && is_plain_value(v->v[i]);
	print_word(p, "(");
	for (uint32_t i = 0; i < v->n; i++) {
		bool parens = open && v->v[i]->kind != SQL_E_DEFAULT;

		print_word(p, i ? ", " : "");
		print_word(p, parens ? "(" : "");
		print_expr(p, v->v[i], LEVEL_EXPR);
		print_word(p, parens ? ")" : "");
		open = open && !parens;
	}
	print_word(p, ")");
}

static void print_rows(const struct printer *p, const struct sql_insert *ins)
{
	print_word(p, " VALUES ");
	for (uint32_t i = 0; i < ins->n_rows; i++) {
		print_word(p, i ? ", " : "");
		if (ins->rows[i].folded) {
			print_text(p, ins->rows[i].text);
			continue;
		}
		print_row(p, &ins->rows[i].values, i && ins->rows[i].values.n == ins->rows[0].values.n);
	}
}

static void print_insert(const struct printer *p, const struct sql_insert *ins)
{
	print_options(p, ins->replace ? "REPLACE " : "INSERT ", &ins->hint, ins->options);
	print_word(p, "INTO ");
	print_qualified(p, &ins->table);
	if (ins->partitions.n) {
		print_word(p, " PARTITION (");
		print_names(p, &ins->partitions);
		print_word(p, ")");
	}
	if (ins->has_columns) {
		print_word(p, " (");
		print_exprs(p, &ins->columns);
		print_word(p, ")");
	}
	switch (ins->kind) {
	case SQL_INSERT_VALUES: print_rows(p, ins); break;
	case SQL_INSERT_SET: print_assigns(p, " SET ", &ins->set); break;
	default:
		print_word(p, " ");
		print_query(p, ins->query);
		break;
	}
	if (ins->row_alias.p) {
		print_word(p, " AS ");
		print_name(p, ins->row_alias);
		if (ins->row_columns.n) {
			print_word(p, " (");
			print_names(p, &ins->row_columns);
			print_word(p, ")");
		}
	}
	print_assigns(p, " ON DUPLICATE KEY UPDATE ", &ins->on_dup);
	print_returning(p, ins->returning, ins->n_returning);
}

static void print_update(const struct printer *p, const struct sql_update *u)
{
	if (u->with)
		print_with(p, u->with);
	print_options(p, "UPDATE ", &u->hint, u->options);
	print_tables(p, &u->tables);
	if (u->portion.text.n) {
		print_word(p, " ");
		print_text(p, u->portion.text);
	}
	print_assigns(p, " SET ", &u->set);
	print_where(p, u->where);
	print_tail(p, &u->order, u->limit);
}

static void print_delete(const struct printer *p, const struct sql_delete *d)
{
	if (d->with)
		print_with(p, d->with);
	print_options(p, "DELETE ", &d->hint, d->options);
	if (d->multi) {
		print_word(p, d->using_form ? "FROM " : "");
		for (uint32_t i = 0; i < d->targets.n; i++) {
			print_word(p, i ? ", " : "");
			print_qualified(p, &d->targets.v[i]);
		}
		print_word(p, d->using_form ? " USING " : " FROM ");
	} else {
		print_word(p, "FROM ");
	}
	print_tables(p, &d->tables);
	if (d->portion.text.n) {
		print_word(p, " ");
		print_text(p, d->portion.text);
	}
	print_where(p, d->where);
	print_tail(p, &d->order, d->limit);
	print_returning(p, d->returning, d->n_returning);
}

static void print_charset(const struct printer *p, struct str name)
{
	if (!name.p)
		print_word(p, "DEFAULT");
	else if (str_ieqz(name, "binary") || str_ieqz(name, "default"))
		print_text(p, name);
	else
		print_name(p, name);
}

static void print_set_item(const struct printer *p, const struct sql_set_item *it, bool for_statement)
{
	static const char *const scopes[] = { "", "GLOBAL ", "SESSION ", "LOCAL ", "PERSIST ", "PERSIST_ONLY " };
	struct sql_expr uvar = { .kind = SQL_E_UVAR, .name = it->name };

	switch (it->kind) {
	case SQL_SETV_UVAR: print_expr(p, &uvar, LEVEL_PRIMARY); break;
	case SQL_SETV_NAMES:
		print_word(p, "NAMES ");
		print_charset(p, it->name);
		if (it->collate.p) {
			print_word(p, " COLLATE ");
			if (str_ieqz(it->collate, "default"))
				print_text(p, it->collate);
			else
				print_name(p, it->collate);
		}
		return;
	case SQL_SETV_CHARSET:
		print_word(p, "CHARACTER SET ");
		print_charset(p, it->name);
		return;
	default:
		/* @@, so that no scope is taken over from the item before; SET STATEMENT knows neither */
		print_word(p, it->kind == SQL_SETV_SYSVAR && !it->scope && !for_statement ? "@@" : scopes[it->scope]);
		if (it->base.p) {
			print_charset(p, it->base);
			print_word(p, ".");
		}
		print_name(p, it->name);
		break;
	}
	print_word(p, " = ");
	if (!it->value)
		print_word(p, "DEFAULT");
	else if (it->value->kind == SQL_E_COLUMN && !it->value->col.table.p &&
		 (str_ieqz(it->value->name, "on") || str_ieqz(it->value->name, "all") ||
			 str_ieqz(it->value->name, "binary") || str_ieqz(it->value->name, "row") ||
			 str_ieqz(it->value->name, "system")))
		print_text(p, it->value->name);
	else
		print_expr(p, it->value, LEVEL_EXPR);
}

static void print_set_items(const struct printer *p, const struct sql_set *set, bool for_statement)
{
	for (uint32_t i = 0; i < set->n; i++) {
		print_word(p, i ? ", " : "");
		print_set_item(p, &set->v[i], for_statement);
	}
}

static void print_txn_modes(const struct printer *p, const struct sql_txn *t)
{
	static const char *const levels[] = { "", "READ UNCOMMITTED", "READ COMMITTED", "REPEATABLE READ",
		"SERIALIZABLE" };
	const char *gap = " ";

	if (t->flags & SQL_TXN_CONSISTENT_SNAPSHOT) {
		print_word(p, " WITH CONSISTENT SNAPSHOT");
		gap = ", ";
	}
	if (t->isolation) {
		buf_addf(p->b, "%sISOLATION LEVEL %s", gap, levels[t->isolation]);
		gap = ", ";
	}
	if (t->flags & (SQL_TXN_READ_ONLY | SQL_TXN_READ_WRITE))
		buf_addf(p->b, "%s%s", gap, t->flags & SQL_TXN_READ_ONLY ? "READ ONLY" : "READ WRITE");
}

static void print_txn_end(const struct printer *p, const char *verb, const struct sql_txn *t)
{
	print_word(p, verb);
	print_word(p, t->flags & SQL_TXN_WORK ? " WORK" : "");
	print_word(p, t->flags & SQL_TXN_CHAIN ? " AND CHAIN" : t->flags & SQL_TXN_NO_CHAIN ? " AND NO CHAIN" : "");
	print_word(p, t->flags & SQL_TXN_RELEASE ? " RELEASE" : t->flags & SQL_TXN_NO_RELEASE ? " NO RELEASE" : "");
}

static void print_stmt(const struct printer *p, const struct sql_stmt *st);

static void print_explain(const struct printer *p, const struct sql_explain *x, struct str whole)
{
	if (!x->inner) {
		print_text(p, whole);
		return;
	}
	/* EXPLAIN ANALYZE is MySQL's, ANALYZE MariaDB's word: as it was written */
	if (x->analyze && whole.n && (whole.p[0] | 0x20) == 'a')
		print_word(p, "ANALYZE ");
	else
		print_word(p, x->analyze ? "EXPLAIN ANALYZE " : "EXPLAIN ");
	print_word(p, x->route ? "ROUTE " : "");
	print_word(p, x->extended ? "EXTENDED " : "");
	print_word(p, x->partitions ? "PARTITIONS " : "");
	if (x->format.p) {
		print_word(p, "FORMAT = ");
		print_name(p, x->format);
		print_word(p, " ");
	}
	print_stmt(p, x->inner);
}

static void print_named(const struct printer *p, const char *words, struct str name)
{
	print_word(p, words);
	print_name(p, name);
}

static void print_call_stmt(const struct printer *p, const struct sql_stmt *st)
{
	print_word(p, "CALL ");
	print_qualified(p, &st->names.v[0]);
	print_word(p, "(");
	print_exprs(p, &st->exprs);
	print_word(p, ")");
}

static void print_execute(const struct printer *p, const struct sql_stmt *st)
{
	struct sql_exprs rest = st->exprs;

	print_word(p, "EXECUTE ");
	if (st->name.p) {
		print_name(p, st->name);
	} else {
		print_word(p, "IMMEDIATE ");
		print_expr(p, st->exprs.v[0], LEVEL_EXPR);
		rest.v++;
		rest.n--;
	}
	if (rest.n) {
		print_word(p, " USING ");
		print_exprs(p, &rest);
	}
}

static void print_stmt(const struct printer *p, const struct sql_stmt *st)
{
	switch (st->kind) {
	case SQL_S_QUERY: print_query(p, st->query); break;
	case SQL_S_INSERT: print_insert(p, st->insert); break;
	case SQL_S_UPDATE: print_update(p, st->update); break;
	case SQL_S_DELETE: print_delete(p, st->del); break;
	case SQL_S_SET:
		print_word(p, "SET ");
		print_set_items(p, &st->set, false);
		break;
	case SQL_S_SET_STATEMENT:
		print_word(p, "SET STATEMENT ");
		print_set_items(p, &st->set, true);
		print_word(p, " FOR ");
		print_stmt(p, st->inner);
		break;
	case SQL_S_BEGIN:
		print_word(p, st->txn.flags & SQL_TXN_START ? "START TRANSACTION" : "BEGIN");
		print_word(p, st->txn.flags & SQL_TXN_WORK ? " WORK" : "");
		print_txn_modes(p, &st->txn);
		break;
	case SQL_S_COMMIT: print_txn_end(p, "COMMIT", &st->txn); break;
	case SQL_S_ROLLBACK: print_txn_end(p, "ROLLBACK", &st->txn); break;
	case SQL_S_ROLLBACK_TO: print_named(p, "ROLLBACK TO SAVEPOINT ", st->name); break;
	case SQL_S_SAVEPOINT: print_named(p, "SAVEPOINT ", st->name); break;
	case SQL_S_RELEASE: print_named(p, "RELEASE SAVEPOINT ", st->name); break;
	case SQL_S_USE: print_named(p, "USE ", st->name); break;
	case SQL_S_EXPLAIN: print_explain(p, st->explain, st->text); break;
	case SQL_S_CALL: print_call_stmt(p, st); break;
	case SQL_S_DO:
		print_word(p, "DO ");
		print_exprs(p, &st->exprs);
		break;
	case SQL_S_PREPARE:
		print_named(p, "PREPARE ", st->name);
		print_word(p, " FROM ");
		print_exprs(p, &st->exprs);
		break;
	case SQL_S_EXECUTE: print_execute(p, st); break;
	case SQL_S_DEALLOCATE: print_named(p, "DEALLOCATE PREPARE ", st->name); break;
	default:
		/* heads and opaque bodies: nothing of them is ever rewritten but in the text itself */
		print_text(p, st->text);
		break;
	}
}

void sql_print_stmt(
	struct buf *b, const struct sql_stmt *st, const struct scan_mode *mode, sql_print_hook *hook, void *arg)
{
	struct printer p = { b, mode, hook, arg };

	print_stmt(&p, st);
}

void sql_print_query(
	struct buf *b, const struct sql_query *q, const struct scan_mode *mode, sql_print_hook *hook, void *arg)
{
	struct printer p = { b, mode, hook, arg };

	print_query(&p, q);
}

void sql_print_expr(
	struct buf *b, const struct sql_expr *e, const struct scan_mode *mode, sql_print_hook *hook, void *arg)
{
	struct printer p = { b, mode, hook, arg };

	print_expr(&p, e, LEVEL_EXPR);
}

void sql_print_table_ref(
	struct buf *b, const struct sql_table_ref *t, const struct scan_mode *mode, sql_print_hook *hook, void *arg)
{
	struct printer p = { b, mode, hook, arg };

	print_table(&p, t);
}
