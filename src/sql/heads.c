/* sql/heads.c - steps over tokens for the statements that stmt*.c read by hand.
 * For stmt.c, stmt_set.c, stmt_show.c, stmt_ddl.c, stmt_load.c.
 * Pure. */
#include "heads.h"

bool cur_accept(struct cur *c, unsigned kind)
{
	if (cur_kind(c, 0) != kind)
		return false;
	c->i++;
	return true;
}

void cur_syntax(const struct cur *c)
{
	parser_syntax(c->ps, c->i);
}

void cur_expect(struct cur *c, unsigned kind)
{
	if (!cur_accept(c, kind))
		cur_syntax(c);
}

bool cur_is_word(const struct cur *c, uint32_t ahead)
{
	unsigned k = cur_kind(c, ahead);

	if (k == T_IDENT)
		return !(c->ps->s->toks[c->i + ahead].flags & TF_QUOTED);
	return k >= 256 && !(k >= T_INT && k <= T_ASSIGN);
}

bool cur_is_name(const struct cur *c, uint32_t ahead)
{
	unsigned k = cur_kind(c, ahead);

	if (k == T_IDENT)
		return true;
	return cur_is_word(c, ahead) && k != T_NULL && !(c->ps->s->toks[c->i + ahead].flags & TF_RESERVED);
}

struct str cur_name(struct cur *c)
{
	if (!cur_is_name(c, 0))
		cur_syntax(c);
	return tok_name(c->ps, c->i++);
}

struct sql_name cur_qualified(struct cur *c)
{
	struct sql_name n = { .tok = c->i };

	n.name = cur_name(c);
	if (cur_kind(c, 0) == '.') {
		c->i++;
		n.db = n.name;
		n.name = cur_name(c);
	}
	n.tok_end = c->i;
	return n;
}

struct sql_name_list cur_qualified_list(struct cur *c)
{
	struct vec *v = vec_new(c->ps);

	do
		*(struct sql_name *)vec_push(c->ps, v, sizeof(struct sql_name)) = cur_qualified(c);
	while (cur_accept(c, ','));
	return (struct sql_name_list){ v->v, v->n };
}

struct sql_opaque cur_span(const struct cur *c, uint32_t from, uint32_t to)
{
	return mk_opaque(c->ps, (struct loc){ from, to });
}

struct sql_opaque cur_rest(struct cur *c)
{
	struct sql_opaque o = cur_span(c, c->i, c->end);

	c->i = c->end;
	return o;
}

uint32_t cur_find(const struct cur *c, const uint16_t *kinds)
{
	int32_t depth = 0;

	for (uint32_t i = c->i; i < c->end; i++) {
		unsigned k = c->ps->s->toks[i].kind;

		for (const uint16_t *w = kinds; depth == 0 && *w; w++)
			if (k == *w)
				return i;
		if (k == '(')
			depth++;
		else if (k == ')' && --depth < 0)
			break;
	}
	return c->end;
}

uint32_t cur_behind_parens(const struct cur *c)
{
	uint32_t depth = 0;

	for (uint32_t i = c->i; i < c->end; i++) {
		unsigned k = c->ps->s->toks[i].kind;

		if (k == '(')
			depth++;
		else if (k == ')' && --depth == 0)
			return i + 1;
	}
	return c->end;
}

void cur_end(const struct cur *c)
{
	if (c->i < c->end)
		cur_syntax(c);
}

struct sql_expr *cur_expr(struct cur *c, uint32_t to)
{
	parser_run(c->ps, T_START_EXPR, c->i, to);
	c->i = to;
	return c->ps->expr;
}

struct sql_exprs cur_exprs(struct cur *c, uint32_t to)
{
	parser_run(c->ps, T_START_EXPRS, c->i, to);
	c->i = to;
	return vec_exprs(c->ps->exprs);
}
