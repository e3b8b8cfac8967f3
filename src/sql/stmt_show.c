/* sql/stmt_show.c - SHOW: what is shown, of which table or database, filtered how.
 * For stmt.c.
 * Pure. */
#include "heads.h"
#include <string.h>

#define WHAT_WORDS 6

/* Appends a word in upper case to what is shown. */
static void what_word(struct cur *c, struct sql_show *sh)
{
	struct str w = tok_text(c->ps, c->i++);
	char *p = parser_alloc(c->ps, sh->what.n + w.n + 1);
	size_t n = sh->what.n;

	if (n) {
		memcpy(p, sh->what.p, n);
		p[n++] = ' ';
	}
	for (size_t i = 0; i < w.n; i++)
		p[n++] = w.p[i] >= 'a' && w.p[i] <= 'z' ? (char)(w.p[i] - 32) : w.p[i];
	sh->what = str_make(p, n);
}

static bool what_is(const struct sql_show *sh, const char *const *list)
{
	for (; *list; list++)
		if (str_eqz(sh->what, *list))
			return true;
	return false;
}

static void show_from_table(struct cur *c, struct sql_show *sh)
{
	sh->name = cur_qualified(c);
	sh->db = sh->name.db;
	sh->db_tok = sh->name.tok;
	if (cur_accept(c, KW_FROM) || cur_accept(c, KW_IN)) {
		sh->db_tok = c->i;
		sh->db = sh->name.db = cur_name(c);
	}
}

static void show_create(struct cur *c, struct sql_show *sh)
{
	unsigned k = cur_kind(c, 0);

	if (!cur_is_word(c, 0))
		cur_syntax(c);
	what_word(c, sh);
	if (cur_kind(c, 0) == KW_BODY && k == KW_PACKAGE)
		what_word(c, sh);
	if (k == KW_USER) {
		sh->rest = cur_rest(c);
		return;
	}
	if (cur_accept(c, KW_IF)) {
		cur_expect(c, KW_NOT);
		cur_expect(c, KW_EXISTS);
	}
	if (k == KW_DATABASE || k == KW_SCHEMA) {
		sh->db_tok = c->i;
		sh->db = cur_name(c);
	} else {
		sh->name = cur_qualified(c);
		sh->db = sh->name.db;
		sh->db_tok = sh->name.tok;
	}
}

static void show_filter(struct cur *c, struct sql_show *sh)
{
	static const uint16_t limit[] = { KW_LIMIT, 0 };

	if (cur_accept(c, KW_LIKE)) {
		if (cur_kind(c, 0) != T_STRING)
			cur_syntax(c);
		sh->like = mk_lit(c->ps, (struct loc){ c->i, c->i + 1 }, SQL_E_LIT);
		c->i++;
	} else if (cur_accept(c, KW_WHERE)) {
		sh->where = cur_expr(c, cur_find(c, limit));
	}
	sh->rest = cur_rest(c);
}

static void show_modifiers(struct cur *c, struct sql_show *sh)
{
	for (;; c->i++) {
		switch (cur_kind(c, 0)) {
		case KW_FULL: sh->full = true; continue;
		case KW_EXTENDED: sh->extended = true; continue;
		case KW_GLOBAL: sh->scope = SQL_SCOPE_GLOBAL; continue;
		case KW_SESSION: sh->scope = SQL_SCOPE_SESSION; continue;
		case KW_LOCAL: sh->scope = SQL_SCOPE_LOCAL; continue;
		default: return;
		}
	}
}

void parse_show(struct cur *c, struct sql_stmt *st)
{
	static const char *const of_table[] = { "COLUMNS", "FIELDS", "INDEX", "INDEXES", "KEYS", NULL };
	static const char *const of_db[] = { "TABLES", "OPEN TABLES", "TABLE STATUS", "TRIGGERS", "EVENTS", NULL };
	struct sql_show *sh = PARSER_NEW(c->ps, struct sql_show);

	st->show = sh;
	show_modifiers(c, sh);
	if (cur_kind(c, 0) == KW_CREATE) {
		what_word(c, sh);
		show_create(c, sh);
		cur_end(c);
		return;
	}
	if (cur_kind(c, 0) == KW_COUNT && cur_kind(c, 1) == '(' && cur_kind(c, 2) == '*' && cur_kind(c, 3) == ')') {
		c->i += 4;
		sh->what = STR("COUNT(*)");
	}
	for (int n = 0; n < WHAT_WORDS && cur_is_word(c, 0); n++) {
		unsigned k = cur_kind(c, 0);

		if (k == KW_FROM || k == KW_IN || k == KW_LIKE || k == KW_WHERE || k == KW_LIMIT || k == KW_FOR)
			break;
		if (n && (str_eqz(sh->what, "ENGINE") || str_eqz(sh->what, "PROFILE")))
			break;
		what_word(c, sh);
	}
	if (!sh->what.n)
		cur_syntax(c);
	if (cur_kind(c, 0) == KW_FROM || cur_kind(c, 0) == KW_IN) {
		if (what_is(sh, of_table)) {
			c->i++;
			show_from_table(c, sh);
		} else if (what_is(sh, of_db)) {
			c->i++;
			sh->db_tok = c->i;
			sh->db = cur_name(c);
		}
	} else if (what_is(sh, of_table)) {
		cur_syntax(c);
	}
	show_filter(c, sh);
}
