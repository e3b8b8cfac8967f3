/* sql/stmt.c - which statement it is; those that are heads and names only are read here and in stmt_*.c, the others
 * by the grammar.
 * For parse.c. Pure. */
#include "heads.h"

/* SET STATEMENT ... FOR, EXPLAIN and ANALYZE hold statements. */
#define STATEMENTS_DEEP 8

static void chain_release(struct cur *c, struct sql_txn *txn)
{
	if (cur_accept(c, KW_AND)) {
		txn->flags |= cur_accept(c, KW_NO) ? SQL_TXN_NO_CHAIN : SQL_TXN_CHAIN;
		cur_expect(c, KW_CHAIN);
	}
	if (cur_accept(c, KW_NO)) {
		cur_expect(c, KW_RELEASE);
		txn->flags |= SQL_TXN_NO_RELEASE;
	} else if (cur_accept(c, KW_RELEASE)) {
		txn->flags |= SQL_TXN_RELEASE;
	}
	if ((txn->flags & SQL_TXN_CHAIN) && (txn->flags & SQL_TXN_RELEASE))
		cur_syntax(c);
}

static void opt_work(struct cur *c, struct sql_txn *txn)
{
	if (cur_accept(c, KW_WORK))
		txn->flags |= SQL_TXN_WORK;
}

static void named(struct cur *c, struct sql_stmt *st)
{
	st->name_tok = c->i;
	st->name = cur_name(c);
	cur_end(c);
}

/* Kind and words are all that is known. */
static void first_word(struct cur *c, struct sql_stmt *st, enum sql_stmt_kind kind)
{
	st->kind = (uint8_t)kind;
	st->name_tok = st->tok;
	st->name = tok_text(c->ps, st->tok);
	st->rest = cur_rest(c);
}

static void parse_begin(struct cur *c, struct sql_stmt *st)
{
	if (cur_kind(c, 0) == KW_NOT) {
		first_word(c, st, SQL_S_COMPOUND);
		return;
	}
	st->kind = SQL_S_BEGIN;
	opt_work(c, &st->txn);
	cur_end(c);
}

static void parse_start(struct cur *c, struct sql_stmt *st)
{
	if (!cur_accept(c, KW_TRANSACTION)) {
		first_word(c, st, SQL_S_OTHER);
		return;
	}
	st->kind = SQL_S_BEGIN;
	st->txn.flags = SQL_TXN_START;
	if (c->i < c->end)
		parse_txn_modes(c, &st->txn);
	if (st->txn.isolation)
		cur_syntax(c);
	cur_end(c);
}

static void parse_rollback(struct cur *c, struct sql_stmt *st)
{
	st->kind = SQL_S_ROLLBACK;
	opt_work(c, &st->txn);
	if (cur_accept(c, KW_TO)) {
		st->kind = SQL_S_ROLLBACK_TO;
		if (cur_kind(c, 0) == KW_SAVEPOINT && cur_is_name(c, 1))
			c->i++;
		named(c, st);
		return;
	}
	chain_release(c, &st->txn);
	cur_end(c);
}

static bool begins_statement(const struct cur *c, uint32_t ahead)
{
	switch (cur_kind(c, ahead)) {
	case '(':
	case KW_SELECT:
	case KW_WITH:
	case KW_VALUES:
	case KW_TABLE:
	case KW_INSERT:
	case KW_REPLACE:
	case KW_UPDATE:
	case KW_DELETE: return true;
	default: return false;
	}
}

/* Words that begin a statement, for EXPLAIN ROUTE of any of them. */
static bool begins_any(const struct cur *c, uint32_t ahead)
{
	unsigned k = cur_kind(c, ahead);

	if (begins_statement(c, ahead))
		return true;
	switch (k) {
	case KW_SET:
	case KW_SHOW:
	case KW_CALL:
	case KW_DO:
	case KW_CREATE:
	case KW_ALTER:
	case KW_DROP:
	case KW_TRUNCATE:
	case KW_RENAME:
	case KW_LOAD:
	case KW_LOCK:
	case KW_BEGIN:
	case KW_START:
	case KW_COMMIT:
	case KW_ROLLBACK: return true;
	default: return false;
	}
}

static void parse_describe(struct cur *c, struct sql_stmt *st)
{
	struct sql_name *n = PARSER_NEW(c->ps, struct sql_name);

	st->kind = SQL_S_DESCRIBE;
	*n = cur_qualified(c);
	st->names = (struct sql_name_list){ n, 1 };
	if (c->i < c->end && cur_kind(c, 0) != T_STRING && !cur_is_name(c, 0))
		cur_syntax(c);
	st->rest = cur_span(c, c->i, MIN(c->i + 1, c->end));
	c->i = st->rest.tok_end;
	cur_end(c);
}

/* EXPLAIN, DESCRIBE, DESC; and ANALYZE of a statement, with @analyze. */
static void parse_explain(struct cur *c, struct sql_stmt *st, bool analyze)
{
	struct sql_explain *x = PARSER_NEW(c->ps, struct sql_explain);
	uint32_t from = c->i;

	st->kind = SQL_S_EXPLAIN;
	st->explain = x;
	x->analyze = analyze;
	if (cur_kind(c, 0) == KW_ROUTE && begins_any(c, 1)) {
		x->route = true;
		c->i++;
		x->inner = parse_statement(c->ps, c->i, c->end);
		c->i = c->end;
		return;
	}
	for (;;) {
		if (cur_kind(c, 0) == KW_FORMAT && cur_kind(c, 1) == '=') {
			c->i += 2;
			x->format = cur_name(c);
		} else if (cur_kind(c, 0) == KW_ANALYZE) {
			c->i++;
			x->analyze = true;
		} else if (cur_kind(c, 0) == KW_EXTENDED && begins_statement(c, 1)) {
			c->i++;
			x->extended = true;
		} else if (cur_kind(c, 0) == KW_PARTITIONS && begins_statement(c, 1)) {
			c->i++;
			x->partitions = true;
		} else {
			break;
		}
	}
	if (cur_accept(c, KW_FOR)) {
		cur_accept(c, KW_CONNECTION);
		x->connection = cur_expr(c, c->end);
		return;
	}
	/* a table's name is described; in parentheses only a query can be */
	if (c->i == from && !analyze && !begins_statement(c, 0)) {
		parse_describe(c, st);
		return;
	}
	if (!begins_statement(c, 0))
		cur_syntax(c);
	x->inner = parse_statement(c->ps, c->i, c->end);
	c->i = c->end;
}

static void admin_table(struct cur *c, struct sql_stmt *st)
{
	st->name_tok = st->tok;
	st->name = tok_text(c->ps, st->tok);
	if (!cur_accept(c, KW_NO_WRITE_TO_BINLOG))
		cur_accept(c, KW_LOCAL);
	if (!cur_accept(c, KW_TABLE) && !cur_accept(c, KW_TABLES)) {
		first_word(c, st, SQL_S_OTHER);
		return;
	}
	st->kind = SQL_S_ADMIN_TABLE;
	st->names = cur_qualified_list(c);
	st->rest = cur_rest(c);
}

static void parse_analyze(struct cur *c, struct sql_stmt *st)
{
	switch (cur_kind(c, 0)) {
	case KW_TABLE:
	case KW_TABLES:
	case KW_LOCAL:
	case KW_NO_WRITE_TO_BINLOG: admin_table(c, st); return;
	default: parse_explain(c, st, true); return;
	}
}

static void parse_call(struct cur *c, struct sql_stmt *st)
{
	struct sql_name *n = PARSER_NEW(c->ps, struct sql_name);

	st->kind = SQL_S_CALL;
	*n = cur_qualified(c);
	st->names = (struct sql_name_list){ n, 1 };
	if (cur_accept(c, '(')) {
		if (!cur_accept(c, ')')) {
			if (c->ps->s->toks[c->end - 1].kind != ')')
				parser_syntax(c->ps, c->end);
			st->exprs = cur_exprs(c, c->end - 1);
			cur_expect(c, ')');
		}
	}
	cur_end(c);
}

static void parse_handler(struct cur *c, struct sql_stmt *st)
{
	struct sql_name *n = PARSER_NEW(c->ps, struct sql_name);

	st->kind = SQL_S_HANDLER;
	*n = cur_qualified(c);
	st->names = (struct sql_name_list){ n, 1 };
	if (cur_kind(c, 0) != KW_OPEN && cur_kind(c, 0) != KW_READ && cur_kind(c, 0) != KW_CLOSE)
		cur_syntax(c);
	st->name_tok = c->i;
	st->name = tok_text(c->ps, c->i++);
	st->rest = cur_rest(c);
}

static void one_expr(struct cur *c, struct sql_stmt *st, uint32_t to)
{
	struct vec *v = vec_new(c->ps);

	vec_add_expr(c->ps, v, cur_expr(c, to));
	st->exprs = vec_exprs(v);
}

static void parse_execute(struct cur *c, struct sql_stmt *st)
{
	static const uint16_t word_using[] = { KW_USING, 0 };

	st->kind = SQL_S_EXECUTE;
	if (cur_kind(c, 0) == KW_IMMEDIATE && c->end - c->i > 1 && cur_kind(c, 1) != KW_USING) {
		struct vec *v = vec_new(c->ps);

		c->i++;
		vec_add_expr(c->ps, v, cur_expr(c, cur_find(c, word_using)));
		if (cur_accept(c, KW_USING)) {
			struct sql_exprs more = cur_exprs(c, c->end);

			for (uint32_t i = 0; i < more.n; i++)
				vec_add_expr(c->ps, v, more.v[i]);
		}
		st->exprs = vec_exprs(v);
		return;
	}
	st->name_tok = c->i;
	st->name = cur_name(c);
	if (cur_accept(c, KW_USING))
		st->exprs = cur_exprs(c, c->end);
	cur_end(c);
}

static void lock_item(struct cur *c, struct sql_lock_item *it)
{
	it->table = cur_qualified(c);
	if (cur_accept(c, KW_AS) || (cur_is_name(c, 0) && cur_kind(c, 0) != KW_READ && cur_kind(c, 0) != KW_WRITE))
		it->alias = cur_name(c);
	if (cur_accept(c, KW_READ)) {
		it->kind = cur_accept(c, KW_LOCAL) ? SQL_TL_READ_LOCAL : SQL_TL_READ;
	} else if (cur_accept(c, KW_LOW_PRIORITY)) {
		cur_expect(c, KW_WRITE);
		it->kind = SQL_TL_LOW_PRIORITY_WRITE;
	} else {
		cur_expect(c, KW_WRITE);
		it->kind = cur_accept(c, KW_CONCURRENT) ? SQL_TL_WRITE_CONCURRENT : SQL_TL_WRITE;
	}
}

static void parse_lock(struct cur *c, struct sql_stmt *st)
{
	struct vec *v = vec_new(c->ps);

	if (!cur_accept(c, KW_TABLES) && !cur_accept(c, KW_TABLE)) {
		first_word(c, st, SQL_S_LOCK_OTHER);
		return;
	}
	st->kind = SQL_S_LOCK_TABLES;
	st->locks = PARSER_NEW(c->ps, struct sql_lock_tables);
	do
		lock_item(c, vec_push(c->ps, v, sizeof(struct sql_lock_item)));
	while (cur_accept(c, ','));
	if (c->i < c->end && cur_kind(c, 0) != KW_WAIT && cur_kind(c, 0) != KW_NOWAIT)
		cur_syntax(c);
	st->locks->v = v->v;
	st->locks->n = v->n;
	st->locks->wait = cur_rest(c);
}

static void parse_kill(struct cur *c, struct sql_stmt *st)
{
	struct sql_kill *k = PARSER_NEW(c->ps, struct sql_kill);

	st->kind = SQL_S_KILL;
	st->kill = k;
	if (cur_accept(c, KW_HARD))
		k->hard_soft = 1;
	else if (cur_accept(c, KW_SOFT))
		k->hard_soft = 2;
	if (cur_accept(c, KW_QUERY))
		k->query = true;
	else
		cur_accept(c, KW_CONNECTION);
	if (cur_kind(c, 0) == KW_USER || (c->end - c->i > 1 && str_ieqz(tok_text(c->ps, c->i), "id"))) {
		k->rest = cur_rest(c);
		return;
	}
	k->id = cur_expr(c, c->end);
}

static void parse_flush(struct cur *c, struct sql_stmt *st)
{
	st->kind = SQL_S_FLUSH;
	if (!cur_accept(c, KW_NO_WRITE_TO_BINLOG))
		cur_accept(c, KW_LOCAL);
	if (!cur_is_word(c, 0))
		cur_syntax(c);
	st->name_tok = c->i;
	st->name = tok_text(c->ps, c->i++);
	if ((str_ieqz(st->name, "tables") || str_ieqz(st->name, "table")) && cur_is_name(c, 0))
		st->names = cur_qualified_list(c);
	st->rest = cur_rest(c);
}

static void parse_prepare(struct cur *c, struct sql_stmt *st)
{
	st->kind = SQL_S_PREPARE;
	st->name_tok = c->i;
	st->name = cur_name(c);
	cur_expect(c, KW_FROM);
	one_expr(c, st, c->end);
}

static void parse_xa(struct cur *c, struct sql_stmt *st)
{
	st->kind = SQL_S_XA;
	if (!cur_is_word(c, 0))
		cur_syntax(c);
	st->name_tok = c->i;
	st->name = tok_text(c->ps, c->i++);
	st->rest = cur_rest(c);
}

static void parse_unlock(struct cur *c, struct sql_stmt *st)
{
	if (!cur_accept(c, KW_TABLES) && !cur_accept(c, KW_TABLE)) {
		first_word(c, st, SQL_S_LOCK_OTHER);
		return;
	}
	st->kind = SQL_S_UNLOCK_TABLES;
	cur_end(c);
}

static void kind_and_rest(struct cur *c, struct sql_stmt *st, enum sql_stmt_kind kind)
{
	first_word(c, st, kind);
}

static bool is_admin_word(struct str w)
{
	const struct keyword *k = keyword_find(w.p, w.n, w.p + w.n);

	return k && (k->verb == SCAN_ADMIN || k->verb == SCAN_OTHER);
}

static void parse_by_head(struct cur *c, struct sql_stmt *st, unsigned k)
{
	switch (k) {
	case KW_SET: parse_set(c, st); break;
	case KW_BEGIN: parse_begin(c, st); break;
	case KW_START: parse_start(c, st); break;
	case KW_COMMIT:
		st->kind = SQL_S_COMMIT;
		opt_work(c, &st->txn);
		chain_release(c, &st->txn);
		cur_end(c);
		break;
	case KW_ROLLBACK: parse_rollback(c, st); break;
	case KW_SAVEPOINT:
		st->kind = SQL_S_SAVEPOINT;
		named(c, st);
		break;
	case KW_RELEASE:
		st->kind = SQL_S_RELEASE;
		cur_expect(c, KW_SAVEPOINT);
		named(c, st);
		break;
	case KW_XA: parse_xa(c, st); break;
	case KW_SHOW:
		st->kind = SQL_S_SHOW;
		parse_show(c, st);
		break;
	case KW_USE:
		st->kind = SQL_S_USE;
		named(c, st);
		break;
	case KW_EXPLAIN:
	case KW_DESCRIBE:
	case KW_DESC: parse_explain(c, st, false); break;
	case KW_ANALYZE: parse_analyze(c, st); break;
	case KW_CALL: parse_call(c, st); break;
	case KW_DO:
		st->kind = SQL_S_DO;
		st->exprs = cur_exprs(c, c->end);
		break;
	case KW_HANDLER: parse_handler(c, st); break;
	case KW_PREPARE: parse_prepare(c, st); break;
	case KW_EXECUTE: parse_execute(c, st); break;
	case KW_DEALLOCATE:
		st->kind = SQL_S_DEALLOCATE;
		cur_expect(c, KW_PREPARE);
		named(c, st);
		break;
	case KW_LOCK: parse_lock(c, st); break;
	case KW_UNLOCK: parse_unlock(c, st); break;
	case KW_LOAD:
		if (cur_kind(c, 0) == KW_DATA || cur_kind(c, 0) == KW_XML) {
			st->kind = SQL_S_LOAD;
			parse_load(c, st);
		} else {
			kind_and_rest(c, st, SQL_S_OTHER);
		}
		break;
	case KW_KILL: parse_kill(c, st); break;
	case KW_FLUSH: parse_flush(c, st); break;
	case KW_RESET: kind_and_rest(c, st, SQL_S_RESET); break;
	case KW_CHECK:
	case KW_CHECKSUM:
	case KW_OPTIMIZE:
	case KW_REPAIR: admin_table(c, st); break;
	case KW_CREATE:
		st->kind = SQL_S_CREATE;
		parse_create(c, st);
		break;
	case KW_ALTER:
		st->kind = SQL_S_ALTER;
		parse_alter(c, st);
		break;
	case KW_DROP:
		if (cur_accept(c, KW_PREPARE)) {
			st->kind = SQL_S_DEALLOCATE;
			named(c, st);
			break;
		}
		st->kind = SQL_S_DROP;
		parse_drop(c, st);
		break;
	case KW_RENAME:
		st->kind = SQL_S_RENAME;
		parse_rename(c, st);
		break;
	case KW_TRUNCATE:
		st->kind = SQL_S_TRUNCATE;
		parse_truncate(c, st);
		break;
	case KW_GRANT:
	case KW_REVOKE: kind_and_rest(c, st, SQL_S_GRANT); break;
	case KW_GET: kind_and_rest(c, st, SQL_S_DIAGNOSTICS); break;
	case KW_SIGNAL:
	case KW_RESIGNAL: kind_and_rest(c, st, SQL_S_SIGNAL); break;
	default:
		if (c->ps->s->verb == SCAN_COMPOUND && c->ps->depth == 1)
			kind_and_rest(c, st, SQL_S_COMPOUND);
		else if (is_admin_word(tok_text(c->ps, st->tok)))
			kind_and_rest(c, st, SQL_S_OTHER);
		else
			parser_syntax(c->ps, st->tok);
		break;
	}
}

struct sql_stmt *parse_statement(struct parser *ps, uint32_t from, uint32_t to)
{
	struct cur c = { ps, from, to };
	struct sql_stmt *st;

	if (++ps->depth > STATEMENTS_DEEP)
		parser_too_deep(ps);
	if (from < to && begins_statement(&c, 0)) {
		parser_run(ps, T_START_DML, from, to);
		st = ps->stmt;
	} else {
		unsigned k = cur_kind(&c, 0);

		st = mk_stmt(ps, SQL_S_EMPTY, (struct loc){ from, to });
		if (from < to) {
			c.i++;
			parse_by_head(&c, st, k);
		} else if (ps->depth > 1) {
			parser_syntax(ps, from);
		}
	}
	st->text = span_text(ps, (struct loc){ from, to });
	ps->depth--;
	return st;
}
