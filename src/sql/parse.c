/* sql/parse.c - entry points of the parser and its errors.
 * For the planner and the session.
 * Pure; everything is in the caller's arena. */
#include "keyway/sql/parse.h"
#include "build.h"
#include "lex.h"
#include <string.h>

#define NEAR_MAX 80

void parser_fail(struct parser *ps, int rc)
{
	ps->rc = rc;
	longjmp(ps->fail, 1);
}

static void syntax_at(struct parser *ps, size_t off)
{
	size_t n = ps->text.n - MIN(off, ps->text.n);
	unsigned line = 1;

	for (size_t i = 0; i < off && i < ps->text.n; i++)
		line += ps->text.p[i] == '\n';
	if (n > NEAR_MAX) {
		n = NEAR_MAX;
		/* not in the middle of a UTF-8 character */
		while (n > NEAR_MAX - 4 && ((uint8_t)ps->text.p[off + n] & 0xc0) == 0x80)
			n--;
	}
	ps->rc = err_set(ps->err, ERR_SYNTAX, ER_PARSE_ERROR,
		"You have an error in your SQL syntax; check the manual that corresponds to your server version for "
		"the "
		"right syntax to use near '%.*s' at line %u",
		(int)n, n ? ps->text.p + off : "", line);
}

void parser_syntax(struct parser *ps, uint32_t tok)
{
	const struct scan *s = ps->s;

	if (tok < s->n_toks)
		syntax_at(ps, s->toks[tok].off);
	else
		syntax_at(ps, s->broken ? s->broken_at : s->end);
	parser_fail(ps, ps->rc);
}

void parser_too_deep(struct parser *ps)
{
	parser_fail(ps, err_set(ps->err, ERR_LIMIT, ER_STACK_OVERRUN_NEED_MORE,
				"The statement is nested deeper than Keyway follows (%d levels); write it flatter",
				SQL_MAX_HEIGHT));
}

void *parser_alloc(struct parser *ps, size_t n)
{
	void *p = arena_try_alloc(ps->a, n ? n : 1);

	if (!p)
		parser_fail(ps, err_set(ps->err, ERR_LIMIT, ER_NET_PACKET_TOO_LARGE,
					"The statement needs more memory to be understood than is allowed for one; "
					"send it in parts"));
	memset(p, 0, n);
	return p;
}

void parser_run(struct parser *ps, uint16_t start, uint32_t from, uint32_t to)
{
	ps->start = start;
	ps->pos = from;
	ps->end = to;
	ps->prev = 0;
	ps->cases = 0;
	ps->frame = ps->locking = false;
	if (sqlp_parse(ps) != 0)
		parser_too_deep(ps);
}

static void parser_init(struct parser *ps, const struct scan *s, struct str text, const struct scan_mode *mode,
	struct arena *a, struct err *err)
{
	memset(ps, 0, sizeof(*ps));
	ps->s = s;
	ps->text = text;
	ps->mode = mode;
	ps->a = a;
	ps->err = err;
}

int sql_parse_scanned(const struct scan *s, struct str text, const struct scan_mode *mode, struct arena *a,
	struct sql_stmt **out, struct err *err)
{
	struct parser ps;

	parser_init(&ps, s, text, mode, a, err);
	*out = NULL;
	if (setjmp(ps.fail))
		return ps.rc;
	if (s->broken)
		parser_syntax(&ps, s->n_toks);
	*out = parse_statement(&ps, 0, s->n_toks);
	return 0;
}

int sql_parse(struct str text, const struct scan_mode *mode, struct arena *a, struct sql_stmt **out, struct err *err)
{
	struct scan s;
	int rc;

	*out = NULL;
	scan_init(&s);
	rc = sql_tokens(&s, text, mode, err);
	if (rc == 0)
		rc = sql_parse_scanned(&s, text, mode, a, out, err);
	scan_free(&s);
	return rc;
}

static int parse_expr(const struct scan *s, struct str text, const struct scan_mode *mode, struct arena *a,
	struct sql_expr **out, struct err *err)
{
	struct parser ps;

	parser_init(&ps, s, text, mode, a, err);
	if (setjmp(ps.fail))
		return ps.rc;
	if (s->broken || s->more)
		parser_syntax(&ps, s->n_toks);
	parser_run(&ps, T_START_EXPR, 0, s->n_toks);
	*out = ps.expr;
	return 0;
}

int sql_parse_expr(
	struct str text, const struct scan_mode *mode, struct arena *a, struct sql_expr **out, struct err *err)
{
	struct scan s;
	int rc;

	*out = NULL;
	scan_init(&s);
	rc = sql_tokens(&s, text, mode, err);
	if (rc == 0)
		rc = parse_expr(&s, text, mode, a, out, err);
	scan_free(&s);
	return rc;
}
