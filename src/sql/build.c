/* sql/build.c - makes expressions and lists while the grammar runs.
 * For grammar.y and stmt.c.
 * Pure; everything is in the statement's arena. */
#include "build.h"
#include "keyway/sql/lit.h"
#include "lex.h"
#include <stdarg.h>
#include <string.h>

/* ---- lists */

struct vec *vec_new(struct parser *ps)
{
	return PARSER_NEW(ps, struct vec);
}

void *vec_push(struct parser *ps, struct vec *v, size_t size)
{
	void *slot;

	if (v->n == v->cap) {
		uint32_t cap = v->cap ? v->cap * 2 : 4;
		void *grown = parser_alloc(ps, cap * size);

		if (v->n)
			memcpy(grown, v->v, v->n * size);
		v->v = grown;
		v->cap = cap;
	}
	slot = (char *)v->v + v->n++ * size;
	memset(slot, 0, size);
	return slot;
}

struct vec *vec_add_expr(struct parser *ps, struct vec *v, struct sql_expr *e)
{
	*(struct sql_expr **)vec_push(ps, v, sizeof(e)) = e;
	return v;
}

struct vec *vec_add_name(struct parser *ps, struct vec *v, struct str name)
{
	*(struct str *)vec_push(ps, v, sizeof(name)) = name;
	return v;
}

struct sql_exprs vec_exprs(const struct vec *v)
{
	return v ? (struct sql_exprs){ v->v, v->n } : (struct sql_exprs){ NULL, 0 };
}

struct sql_names vec_names(const struct vec *v)
{
	return v ? (struct sql_names){ v->v, v->n } : (struct sql_names){ NULL, 0 };
}

struct sql_assigns vec_assigns(const struct vec *v)
{
	return v ? (struct sql_assigns){ v->v, v->n } : (struct sql_assigns){ NULL, 0 };
}

/* ---- height: no path of the tree is longer than SQL_MAX_HEIGHT */

uint16_t height_above(struct parser *ps, unsigned below)
{
	if (below >= SQL_MAX_HEIGHT)
		parser_too_deep(ps);
	return (uint16_t)(below + 1);
}

unsigned exprs_height(const struct sql_expr *const *v, uint32_t n)
{
	unsigned h = 0;

	for (uint32_t i = 0; i < n; i++)
		h = MAX(h, v[i]->height);
	return h;
}

unsigned order_height(const struct sql_order *o)
{
	unsigned h = 0;

	for (uint32_t i = 0; i < o->n; i++)
		h = MAX(h, o->v[i].expr->height);
	return h;
}

unsigned limit_height(const struct sql_limit *l)
{
	return l ? 1 : 0;
}

/* ---- texts */

struct str tok_text(const struct parser *ps, uint32_t tok)
{
	const struct scan_tok *t = &ps->s->toks[tok];

	return str_make(ps->text.p + t->off, t->len);
}

/* Would the end of the text make a comment of the last two tokens? */
static bool ends_in_dashes(const struct scan *s, struct loc at)
{
	return s->toks[at.last - 1].kind == '-' && s->toks[at.last - 2].kind == '-';
}

/* As written, but token by token when the span by itself would be read otherwise: it could begin in an executable
 * comment and not end it. */
struct str span_text(struct parser *ps, struct loc at)
{
	struct str whole = scan_span(ps->s, ps->text, at.first, at.last);
	char *p;
	size_t n = 0;

	if (at.last - at.first < 2 || !(ps->s->flags & SCAN_F_EXEC_COMMENT || ends_in_dashes(ps->s, at)))
		return whole;
	p = parser_alloc(ps, whole.n + (at.last - at.first));
	for (uint32_t i = at.first; i < at.last; i++) {
		const struct scan_tok *tok = &ps->s->toks[i];

		if (i > at.first && (!(tok->flags & TF_ADJACENT) || tok->kind == '-'))
			p[n++] = ' ';
		memcpy(p + n, ps->text.p + tok->off, tok->len);
		n += tok->len;
	}
	return str_make(p, n);
}

struct sql_opaque mk_opaque(struct parser *ps, struct loc at)
{
	return (struct sql_opaque){ at.first, at.last, span_text(ps, at) };
}

/* A name between quotes, doubled quotes made one. */
static struct str unquote_name(struct parser *ps, struct str s)
{
	char q = s.p[0], *w, *start;
	const char *p = s.p + 1, *end = s.p + s.n - 1;
	const char *hit = memchr(p, q, (size_t)(end - p));

	if (!hit)
		return str_make(p, (size_t)(end - p));
	start = w = parser_alloc(ps, (size_t)(end - p));
	while (p < end) {
		size_t n = lex_char_len(ps->mode->charset, p, end);

		if (n == 1 && *p == q && p + 1 < end && p[1] == q)
			p++;
		memcpy(w, p, n);
		w += n;
		p += n;
	}
	return str_make(start, (size_t)(w - start));
}

static struct str unquote_string(struct parser *ps, struct str s, uint32_t tok)
{
	struct sql_value v;
	int rc = sql_lit_value(s, LIT_STRING, LIT_F_ESCAPED | (s.p[0] == '\'' || s.p[0] == '"' ? 0 : LIT_F_NATIONAL),
		false, ps->mode, ps->a, &v, ps->err);

	if (rc < 0)
		parser_fail(ps, rc);
	/* it becomes a name, and a name with half a character could not be quoted */
	for (const char *p = v.s.p, *end = p + v.s.n; ps->mode->charset != SCAN_CS_SAFE && p < end;
		p += lex_char_len(ps->mode->charset, p, end))
		if (lex_is_stray(ps->mode->charset, p, end))
			parser_syntax(ps, tok);
	return v.s;
}

struct str tok_name(struct parser *ps, uint32_t tok)
{
	const struct scan_tok *t = &ps->s->toks[tok];
	struct str s = tok_text(ps, tok);

	if (t->kind == T_UVAR) {
		s = str_make(s.p + 1, s.n - 1);
		if (s.p[0] == '`' || (s.p[0] == '"' && ps->mode->flags & SCAN_ANSI_QUOTES))
			return unquote_name(ps, s);
		return s.p[0] == '\'' || s.p[0] == '"' ? unquote_string(ps, s, tok) : s;
	}
	if (t->kind == T_STRING)
		return unquote_string(ps, s, tok);
	return t->flags & TF_QUOTED ? unquote_name(ps, s) : s;
}

/* ---- expressions */

static struct sql_expr *expr_alloc(struct parser *ps, enum sql_expr_kind kind, struct loc at)
{
	struct sql_expr *e = PARSER_NEW(ps, struct sql_expr);

	e->kind = (uint8_t)kind;
	e->tok = at.first;
	e->tok_end = at.last;
	e->height = 1;
	return e;
}

struct sql_expr *mk_expr(struct parser *ps, enum sql_expr_kind kind, struct loc at, unsigned n, ...)
{
	struct sql_expr *e = expr_alloc(ps, kind, at);
	va_list ap;

	if (n == 0)
		return e;
	e->args = parser_alloc(ps, n * sizeof(*e->args));
	e->n_args = n;
	va_start(ap, n);
	for (unsigned i = 0; i < n; i++)
		e->args[i] = va_arg(ap, struct sql_expr *);
	va_end(ap);
	e->height = height_above(ps, exprs_height((const struct sql_expr *const *)e->args, n));
	return e;
}

struct sql_expr *mk_expr_v(struct parser *ps, enum sql_expr_kind kind, struct loc at, const struct vec *args)
{
	struct sql_expr *e = expr_alloc(ps, kind, at);

	if (args) {
		e->args = args->v;
		e->n_args = args->n;
		e->height = height_above(ps, exprs_height(args->v, args->n));
	}
	return e;
}

struct sql_expr *mk_lit(struct parser *ps, struct loc at, enum sql_expr_kind kind)
{
	struct sql_expr *e = expr_alloc(ps, kind, at);
	const struct scan *s = ps->s;
	uint32_t lo = 0, hi = s->n_lits;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (s->lits[mid].tok < at.first)
			lo = mid + 1;
		else
			hi = mid;
	}
	e->lit = lo;
	e->lit_kind = s->lits[lo].kind;
	e->name = tok_text(ps, at.first);
	return e;
}

struct sql_expr *mk_strcat(struct parser *ps, struct loc at, struct sql_expr *left, struct sql_expr *right)
{
	if (left->kind != SQL_E_STRCAT)
		return mk_expr(ps, SQL_E_STRCAT, at, 2, left, right);
	return mk_chain(ps, SQL_E_STRCAT, at, left, right);
}

struct sql_expr *mk_op(struct parser *ps, enum sql_expr_kind kind, enum sql_op op, struct loc at, struct sql_expr *l,
	struct sql_expr *r)
{
	struct sql_expr *e = r ? mk_expr(ps, kind, at, 2, l, r) : mk_expr(ps, kind, at, 1, l);

	e->op = (uint8_t)op;
	return e;
}

struct sql_expr *mk_not(struct sql_expr *e, bool not )
{
	if (not )
		e->flags |= SQL_EF_NOT;
	return e;
}

/* The array of a chain has room for the next power of two. */
static void chain_add(struct parser *ps, struct sql_expr *chain, struct sql_expr *e)
{
	uint32_t n = chain->n_args;

	if (n >= 2 && (n & (n - 1)) == 0) {
		struct sql_expr **grown = parser_alloc(ps, 2 * n * sizeof(*grown));

		memcpy(grown, chain->args, n * sizeof(*grown));
		chain->args = grown;
	}
	chain->args[chain->n_args++] = e;
	chain->height = MAX(chain->height, height_above(ps, e->height));
}

struct sql_expr *mk_chain(
	struct parser *ps, enum sql_expr_kind kind, struct loc at, struct sql_expr *l, struct sql_expr *r)
{
	struct sql_expr *e;

	if (l->kind == kind) {
		e = l;
		e->tok = at.first;
		e->tok_end = at.last;
	} else {
		e = mk_expr(ps, kind, at, 2, l, r);
		if (r->kind != kind)
			return e;
		e->n_args = 1;
	}
	if (r->kind == kind)
		for (uint32_t i = 0; i < r->n_args; i++)
			chain_add(ps, e, r->args[i]);
	else
		chain_add(ps, e, r);
	return e;
}

struct sql_expr *mk_column(
	struct parser *ps, enum sql_expr_kind kind, struct loc at, struct str db, struct str table, struct str name)
{
	struct sql_expr *e = expr_alloc(ps, kind, at);

	e->name = name;
	e->col.table = table;
	e->col.db = db;
	return e;
}

static bool scope_of(struct str word, uint8_t *scope)
{
	static const struct {
		const char *word;
		enum sql_scope scope;
	} scopes[] = { { "global", SQL_SCOPE_GLOBAL }, { "session", SQL_SCOPE_SESSION }, { "local", SQL_SCOPE_LOCAL },
		{ "persist", SQL_SCOPE_PERSIST }, { "persist_only", SQL_SCOPE_PERSIST_ONLY } };

	for (size_t i = 0; i < ARRAY_N(scopes); i++)
		if (str_ieqz(word, scopes[i].word)) {
			*scope = scopes[i].scope;
			return true;
		}
	return false;
}

struct sql_expr *mk_sysvar(struct parser *ps, struct loc at, struct str a, struct str b, struct str c)
{
	struct sql_expr *e = expr_alloc(ps, SQL_E_SYSVAR, at);

	if (b.p && scope_of(a, &e->op)) {
		a = b;
		b = c;
	} else if (c.p) {
		parser_syntax(ps, at.first);
	}
	/* name, or base.name */
	e->name = b.p ? b : a;
	if (b.p)
		e->col.table = a;
	return e;
}

struct sql_expr *mk_query_expr(
	struct parser *ps, enum sql_expr_kind kind, struct loc at, struct sql_expr *arg, struct sql_query *q)
{
	struct sql_expr *e = arg ? mk_expr(ps, kind, at, 1, arg) : mk_expr(ps, kind, at, 0);

	e->query = q;
	e->height = MAX(e->height, height_above(ps, q->height));
	return e;
}

struct sql_expr *mk_named(
	struct parser *ps, enum sql_expr_kind kind, struct loc at, struct sql_expr *arg, struct str name)
{
	struct sql_expr *e = arg ? mk_expr(ps, kind, at, 1, arg) : mk_expr(ps, kind, at, 0);

	e->name = name;
	return e;
}

struct sql_expr *mk_introduced(struct parser *ps, struct loc at, struct sql_expr *lit)
{
	struct str name = tok_text(ps, at.first);

	return mk_named(ps, SQL_E_INTRODUCER, at, lit, str_make(name.p + 1, name.n - 1));
}

static struct sql_expr *mk_list(
	struct parser *ps, enum sql_expr_kind kind, struct loc at, struct sql_expr *first, const struct vec *rest)
{
	struct sql_expr *e = expr_alloc(ps, kind, at);

	e->n_args = 1 + rest->n;
	e->args = parser_alloc(ps, e->n_args * sizeof(*e->args));
	e->args[0] = first;
	memcpy(e->args + 1, rest->v, rest->n * sizeof(*e->args));
	e->height = height_above(ps, exprs_height((const struct sql_expr *const *)e->args, e->n_args));
	return e;
}

struct sql_expr *mk_in(struct parser *ps, struct loc at, struct sql_expr *left, const struct vec *list)
{
	return mk_list(ps, SQL_E_IN, at, left, list);
}

struct sql_expr *mk_row(struct parser *ps, struct loc at, struct sql_expr *first, const struct vec *rest)
{
	return mk_list(ps, SQL_E_ROW, at, first, rest);
}

struct sql_expr *mk_case(
	struct parser *ps, struct loc at, struct sql_expr *operand, struct vec *whens, struct sql_expr *otherwise)
{
	struct sql_expr *e;

	if (otherwise)
		vec_add_expr(ps, whens, otherwise);
	e = operand ? mk_list(ps, SQL_E_CASE, at, operand, whens) : mk_expr_v(ps, SQL_E_CASE, at, whens);
	e->flags |= (operand ? SQL_EF_OPERAND : 0) | (otherwise ? SQL_EF_ELSE : 0);
	return e;
}

struct str mk_unit(struct parser *ps, uint32_t tok)
{
	static const char *const units[] = { "microsecond", "second", "minute", "hour", "day", "week", "month",
		"quarter", "year", "sql_tsi_microsecond", "sql_tsi_second", "sql_tsi_minute", "sql_tsi_hour",
		"sql_tsi_day", "sql_tsi_week", "sql_tsi_month", "sql_tsi_quarter", "sql_tsi_year" };
	struct str s = tok_text(ps, tok);

	/* units of two words are reserved */
	if (ps->s->toks[tok].flags & TF_RESERVED)
		return s;
	for (size_t i = 0; i < ARRAY_N(units); i++)
		if (str_ieqz(s, units[i]))
			return s;
	parser_syntax(ps, tok);
}

/* TIMESTAMPADD(unit, ...), GET_FORMAT(type, ...) and VALUE(column) look like other calls to the grammar. */
static bool special_call(struct parser *ps, struct sql_expr *e)
{
	struct sql_expr *first = e->n_args ? e->args[0] : NULL;
	bool word = first && first->kind == SQL_E_COLUMN && !first->col.table.p;

	if (str_ieqz(e->name, "timestampadd") || str_ieqz(e->name, "timestampdiff")) {
		if (e->n_args != 3 || !word)
			parser_syntax(ps, first ? first->tok : e->tok);
		e->kind = SQL_E_TIMEUNIT;
		e->col.table = mk_unit(ps, first->tok);
	} else if (str_ieqz(e->name, "get_format")) {
		if (e->n_args != 2 || !word)
			parser_syntax(ps, first ? first->tok : e->tok);
		e->kind = SQL_E_GET_FORMAT;
		e->name = tok_text(ps, first->tok);
	} else if (str_ieqz(e->name, "value") && e->n_args == 1 && first->kind == SQL_E_COLUMN &&
		   ps->mode->family == SCAN_MARIADB) {
		e->kind = SQL_E_VALUES;
		e->flags = 0;
		return true;
	} else {
		return false;
	}
	e->args++;
	e->n_args--;
	return true;
}

struct sql_expr *mk_call(struct parser *ps, struct loc at, uint32_t name_tok, struct str db, const struct func_body *b,
	const struct func_tail *t)
{
	const struct scan_tok *tok = &ps->s->toks[name_tok];
	struct sql_expr *e = mk_expr_v(ps, SQL_E_FUNC, at, b->args);
	bool quoted = tok->flags & TF_QUOTED;
	unsigned h;

	/* "count (x)" calls no aggregate: without IGNORE_SPACE it is a stored function, if it is anything */
	if (!quoted && !db.p && tok->flags & TF_CALLWORD && !(tok->flags & TF_CALL))
		parser_syntax(ps, name_tok + 1);
	e->name = tok_name(ps, name_tok);
	e->flags |= (b->distinct ? SQL_EF_DISTINCT : 0) | (b->star ? SQL_EF_STAR : 0) |
		    (quoted && !db.p ? SQL_EF_QUOTED : 0) | SQL_EF_PARENS;
	if (!quoted && !db.p && special_call(ps, e))
		return e;
	if (db.p || b->order.n || b->separator || b->limit || t->within_group || t->over) {
		e->func = PARSER_NEW(ps, struct sql_func);
		e->func->db = db;
		e->func->order = b->order;
		e->func->separator = b->separator;
		e->func->limit = b->limit;
		e->func->over = t->over;
		e->func->nulls = t->nulls;
		e->func->from = t->from;
		if (t->within_group) {
			if (b->order.n)
				parser_syntax(ps, t->within.tok);
			e->func->within_group = true;
			e->func->order = t->within;
		}
		h = MAX(order_height(&e->func->order), limit_height(b->limit));
		if (t->over)
			h = MAX(h, t->over->height);
		e->height = MAX(e->height, height_above(ps, MAX(h, b->separator ? 1u : 0u)));
	}
	return e;
}

struct sql_window *mk_window(
	struct parser *ps, struct loc at, struct str based, const struct vec *partition, struct sql_order order)
{
	struct sql_window *w = PARSER_NEW(ps, struct sql_window);

	w->based = based;
	w->partition = vec_exprs(partition);
	w->order = order;
	w->tok = at.first;
	w->tok_end = at.last;
	return w;
}

void window_frame(struct sql_window *w, unsigned unit, unsigned b0, struct sql_expr *e0, bool between, unsigned b1,
	struct sql_expr *e1)
{
	w->frame_unit = (uint8_t)unit;
	w->bound[0] = (uint8_t)b0;
	w->bound_expr[0] = e0;
	w->has_between = between;
	w->bound[1] = (uint8_t)b1;
	w->bound_expr[1] = e1;
}

void window_close(struct parser *ps, struct sql_window *w, struct loc at)
{
	unsigned h = exprs_height((const struct sql_expr *const *)w->partition.v, w->partition.n);

	h = MAX(h, order_height(&w->order));
	for (int i = 0; i < 2; i++)
		if (w->bound_expr[i])
			h = MAX(h, w->bound_expr[i]->height);
	w->height = height_above(ps, h);
	w->tok = at.first;
	w->tok_end = at.last;
}

struct sql_limit *mk_limit(struct parser *ps, struct loc at, struct sql_expr *count, struct sql_expr *offset, bool ties)
{
	struct sql_limit *l = PARSER_NEW(ps, struct sql_limit);

	l->count = count;
	l->offset = offset;
	l->with_ties = ties;
	l->tok = at.first;
	l->tok_end = at.last;
	return l;
}

struct sql_order mk_order(const struct vec *items, struct loc at)
{
	return (struct sql_order){ items->v, items->n, at.first, at.last };
}

void add_order(struct parser *ps, struct vec *v, struct sql_expr *e, bool desc, struct loc at)
{
	*(struct sql_order_item *)vec_push(ps, v, sizeof(struct sql_order_item)) =
		(struct sql_order_item){ e, desc, at.first, at.last };
}
