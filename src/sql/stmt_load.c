/* sql/stmt_load.c - LOAD DATA and LOAD XML: file, table, columns.
 * For stmt.c.
 * Pure. */
#include "heads.h"

static struct sql_expr *load_column(struct cur *c)
{
	uint32_t at = c->i;
	struct sql_name n;

	if (cur_kind(c, 0) == T_UVAR) {
		c->i++;
		return mk_named(c->ps, SQL_E_UVAR, (struct loc){ at, c->i }, NULL, tok_name(c->ps, at));
	}
	n = cur_qualified(c);
	return mk_column(c->ps, SQL_E_COLUMN, (struct loc){ at, c->i }, (struct str){ 0 }, n.db, n.name);
}

/* Format clauses end where the column list or SET begins; CHARACTER SET is one of them. */
static void load_format(struct cur *c, struct sql_load *l)
{
	uint32_t from = c->i;

	while (c->i < c->end && cur_kind(c, 0) != '(') {
		if (cur_kind(c, 0) == KW_SET && c->ps->s->toks[c->i - 1].kind != KW_CHARACTER)
			break;
		c->i++;
	}
	l->format = cur_span(c, from, c->i);
}

void parse_load(struct cur *c, struct sql_stmt *st)
{
	struct sql_load *l = PARSER_NEW(c->ps, struct sql_load);

	st->load = l;
	if (cur_accept(c, KW_XML))
		l->xml = true;
	else
		cur_expect(c, KW_DATA);
	if (cur_accept(c, KW_LOW_PRIORITY))
		l->options = SQL_DML_LOW_PRIORITY;
	else if (cur_accept(c, KW_CONCURRENT))
		l->options = SQL_DML_HIGH_PRIORITY;
	l->local = cur_accept(c, KW_LOCAL);
	cur_expect(c, KW_INFILE);
	if (cur_kind(c, 0) != T_STRING)
		cur_syntax(c);
	l->file = mk_lit(c->ps, (struct loc){ c->i, c->i + 1 }, SQL_E_LIT);
	c->i++;
	l->replace = cur_accept(c, KW_REPLACE);
	l->ignore = !l->replace && cur_accept(c, KW_IGNORE);
	cur_expect(c, KW_INTO);
	cur_expect(c, KW_TABLE);
	l->table = cur_qualified(c);
	if (cur_accept(c, KW_PARTITION)) {
		struct vec *v = vec_new(c->ps);

		cur_expect(c, '(');
		do
			vec_add_name(c->ps, v, cur_name(c));
		while (cur_accept(c, ','));
		cur_expect(c, ')');
		l->partitions = vec_names(v);
	}
	load_format(c, l);
	if (cur_accept(c, '(')) {
		struct vec *v = vec_new(c->ps);

		l->has_columns = true;
		if (!cur_accept(c, ')')) {
			do
				vec_add_expr(c->ps, v, load_column(c));
			while (cur_accept(c, ','));
			cur_expect(c, ')');
		}
		l->columns = vec_exprs(v);
	}
	if (cur_accept(c, KW_SET)) {
		parser_run(c->ps, T_START_ASSIGNS, c->i, c->end);
		l->set = vec_assigns(c->ps->exprs);
		c->i = c->end;
	}
	cur_end(c);
}
