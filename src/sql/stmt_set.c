/* sql/stmt_set.c - SET in all its forms, and the modes of a transaction.
 * For stmt.c.
 * Pure. */
#include "heads.h"

static const uint16_t comma[] = { ',', 0 };

static uint8_t scope_word(unsigned kind)
{
	switch (kind) {
	case KW_GLOBAL: return SQL_SCOPE_GLOBAL;
	case KW_SESSION: return SQL_SCOPE_SESSION;
	case KW_LOCAL: return SQL_SCOPE_LOCAL;
	case KW_PERSIST: return SQL_SCOPE_PERSIST;
	case KW_PERSIST_ONLY: return SQL_SCOPE_PERSIST_ONLY;
	default: return SQL_SCOPE_NONE;
	}
}

static bool is_assign(unsigned kind)
{
	return kind == '=' || kind == T_ASSIGN;
}

/* The value up to @to: an expression, a bare word that no expression could be, or NULL for DEFAULT. */
static struct sql_expr *set_value(struct cur *c, uint32_t to)
{
	unsigned k = cur_kind(c, 0);

	if (c->i == to)
		parser_syntax(c->ps, to);
	if (to == c->i + 1) {
		if (k == KW_DEFAULT) {
			c->i++;
			return NULL;
		}
		if (k == KW_ON || k == KW_ALL || k == KW_BINARY || k == KW_ROW || k == KW_SYSTEM) {
			struct loc at = { c->i, to };

			c->i++;
			return mk_column(c->ps, SQL_E_COLUMN, at, (struct str){ 0 }, (struct str){ 0 },
				tok_text(c->ps, at.first));
		}
	}
	return cur_expr(c, to);
}

static struct str charset_name(struct cur *c)
{
	if (cur_kind(c, 0) == KW_BINARY)
		return tok_text(c->ps, c->i++);
	if (cur_kind(c, 0) == T_STRING)
		return tok_name(c->ps, c->i++);
	return cur_name(c);
}

static void set_names(struct cur *c, struct sql_set_item *it)
{
	if (!cur_accept(c, KW_DEFAULT))
		it->name = charset_name(c);
	if (it->kind == SQL_SETV_NAMES && cur_accept(c, KW_COLLATE))
		it->collate = cur_kind(c, 0) == KW_DEFAULT ? tok_text(c->ps, c->i++) : charset_name(c);
}

/* name = value, base.name = value; the scope is in @it already. */
static void set_variable(struct cur *c, struct sql_set_item *it, uint32_t to)
{
	it->kind = SQL_SETV_SYSVAR;
	if (cur_kind(c, 0) == KW_DEFAULT && cur_kind(c, 1) == '.') {
		it->base = tok_text(c->ps, c->i);
		c->i += 2;
	}
	it->name = cur_name(c);
	if (cur_accept(c, '.')) {
		it->base = it->name;
		it->name = cur_name(c);
		if (str_ieqz(it->base, "new") || str_ieqz(it->base, "old"))
			it->kind = SQL_SETV_NEW_OLD;
	}
	if (!is_assign(cur_kind(c, 0)))
		cur_syntax(c);
	c->i++;
	it->value = set_value(c, to);
}

/* One item up to the comma at @to. @scope is that of the items before, which holds on for items that name none. */
static void set_item(struct cur *c, struct sql_set_item *it, uint32_t to, uint8_t *scope)
{
	unsigned k = cur_kind(c, 0), next = cur_kind(c, 1);

	it->tok = c->i;
	it->tok_end = to;
	if (k == T_UVAR) {
		it->kind = SQL_SETV_UVAR;
		it->name = tok_name(c->ps, c->i++);
		if (!is_assign(cur_kind(c, 0)))
			cur_syntax(c);
		c->i++;
		it->value = set_value(c, to);
		if (!it->value)
			parser_syntax(c->ps, to - 1);
	} else if (k == KW_NAMES && !is_assign(next)) {
		it->kind = SQL_SETV_NAMES;
		c->i++;
		set_names(c, it);
	} else if ((k == KW_CHARACTER && next == KW_SET) || (k == KW_CHARSET && !is_assign(next))) {
		it->kind = SQL_SETV_CHARSET;
		c->i += k == KW_CHARSET ? 1 : 2;
		set_names(c, it);
	} else if (k == T_ATAT) {
		c->i++;
		if (cur_kind(c, 1) == '.') {
			static const char *const words[] = { "global", "session", "local", "persist", "persist_only" };
			struct str w = tok_name(c->ps, c->i);

			for (unsigned n = 0; n < ARRAY_N(words); n++)
				if (str_ieqz(w, words[n])) {
					it->scope = (uint8_t)(SQL_SCOPE_GLOBAL + n);
					c->i += 2;
					break;
				}
		}
		set_variable(c, it, to);
	} else {
		it->scope = scope_word(k);
		if (it->scope && !is_assign(next)) {
			*scope = it->scope;
			c->i++;
		} else {
			it->scope = *scope;
		}
		set_variable(c, it, to);
	}
	if (c->i != to)
		cur_syntax(c);
}

static void set_items(struct cur *c, struct sql_stmt *st, uint32_t to)
{
	struct vec *v = vec_new(c->ps);
	struct cur part = { c->ps, c->i, to };
	uint8_t scope = SQL_SCOPE_NONE;

	do {
		uint32_t end = cur_find(&part, comma);

		set_item(&part, vec_push(c->ps, v, sizeof(struct sql_set_item)), end, &scope);
	} while (cur_accept(&part, ','));
	cur_end(&part);
	c->i = to;
	st->set = (struct sql_set){ v->v, v->n };
}

static void isolation(struct cur *c, struct sql_txn *txn)
{
	cur_expect(c, KW_LEVEL);
	if (cur_accept(c, KW_SERIALIZABLE)) {
		txn->isolation = SQL_ISO_SERIALIZABLE;
	} else if (cur_accept(c, KW_REPEATABLE)) {
		cur_expect(c, KW_READ);
		txn->isolation = SQL_ISO_REPEATABLE_READ;
	} else {
		cur_expect(c, KW_READ);
		if (cur_accept(c, KW_COMMITTED)) {
			txn->isolation = SQL_ISO_READ_COMMITTED;
		} else {
			cur_expect(c, KW_UNCOMMITTED);
			txn->isolation = SQL_ISO_READ_UNCOMMITTED;
		}
	}
}

void parse_txn_modes(struct cur *c, struct sql_txn *txn)
{
	do {
		if (cur_accept(c, KW_READ)) {
			if (cur_accept(c, KW_ONLY)) {
				txn->flags |= SQL_TXN_READ_ONLY;
			} else {
				cur_expect(c, KW_WRITE);
				txn->flags |= SQL_TXN_READ_WRITE;
			}
		} else if (cur_accept(c, KW_ISOLATION)) {
			isolation(c, txn);
		} else {
			cur_expect(c, KW_WITH);
			cur_expect(c, KW_CONSISTENT);
			cur_expect(c, KW_SNAPSHOT);
			txn->flags |= SQL_TXN_CONSISTENT_SNAPSHOT;
		}
	} while (cur_accept(c, ','));
	if ((txn->flags & SQL_TXN_READ_ONLY) && (txn->flags & SQL_TXN_READ_WRITE))
		cur_syntax(c);
}

/* SET STATEMENT a = 1, b = 2 FOR statement: the first FOR outside parentheses begins it. */
static void set_statement(struct cur *c, struct sql_stmt *st)
{
	static const uint16_t word_for[] = { KW_FOR, 0 };
	uint32_t to = cur_find(c, word_for);

	st->kind = SQL_S_SET_STATEMENT;
	set_items(c, st, to);
	cur_expect(c, KW_FOR);
	st->inner = parse_statement(c->ps, c->i, c->end);
	c->i = c->end;
}

void parse_set(struct cur *c, struct sql_stmt *st)
{
	unsigned k = cur_kind(c, 0), next = cur_kind(c, 1);

	st->kind = SQL_S_SET;
	if (k == KW_STATEMENT && !is_assign(next)) {
		c->i++;
		set_statement(c, st);
	} else if (k == KW_PASSWORD && (next == '=' || next == KW_FOR || next == KW_TO)) {
		st->kind = SQL_S_SET_PASSWORD;
		st->rest = cur_rest(c);
	} else if ((k == KW_ROLE && !is_assign(next)) || (k == KW_DEFAULT && next == KW_ROLE)) {
		st->kind = SQL_S_SET_ROLE;
		st->rest = cur_rest(c);
	} else if (k == KW_RESOURCE && next == KW_GROUP) {
		st->kind = SQL_S_OTHER;
		st->rest = cur_rest(c);
	} else if ((k == KW_TRANSACTION && !is_assign(next)) ||
		   (scope_word(k) && next == KW_TRANSACTION && !is_assign(cur_kind(c, 2)))) {
		st->kind = SQL_S_SET_TRANSACTION;
		st->txn.scope = scope_word(k);
		c->i += st->txn.scope ? 2 : 1;
		parse_txn_modes(c, &st->txn);
		if (st->txn.flags & SQL_TXN_CONSISTENT_SNAPSHOT)
			cur_syntax(c);
		cur_end(c);
	} else {
		set_items(c, st, c->end);
	}
}
