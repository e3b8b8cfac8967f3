/* sql/scan.c - one pass over a statement: tokens, digest, literals, class, end of the statement, folding of rows.
 * For the session, the planner's cache and the parser; the hot path of every query.
 * Pure; a struct scan belongs to one thread. */
#include "keyway/sql/scan.h"
#include "lex.h"
#define XXH_INLINE_ALL
#include <xxhash.h>

static const char *const verb_names[SCAN_VERBS] = { [SCAN_EMPTY] = "EMPTY",
	[SCAN_SELECT] = "SELECT",
	[SCAN_INSERT] = "INSERT",
	[SCAN_REPLACE] = "REPLACE",
	[SCAN_UPDATE] = "UPDATE",
	[SCAN_DELETE] = "DELETE",
	[SCAN_VALUES] = "VALUES",
	[SCAN_SET] = "SET",
	[SCAN_BEGIN] = "BEGIN",
	[SCAN_COMMIT] = "COMMIT",
	[SCAN_ROLLBACK] = "ROLLBACK",
	[SCAN_SAVEPOINT] = "SAVEPOINT",
	[SCAN_RELEASE] = "RELEASE",
	[SCAN_XA] = "XA",
	[SCAN_SHOW] = "SHOW",
	[SCAN_USE] = "USE",
	[SCAN_EXPLAIN] = "EXPLAIN",
	[SCAN_CALL] = "CALL",
	[SCAN_DO] = "DO",
	[SCAN_HANDLER] = "HANDLER",
	[SCAN_PREPARE] = "PREPARE",
	[SCAN_EXECUTE] = "EXECUTE",
	[SCAN_DEALLOCATE] = "DEALLOCATE",
	[SCAN_LOCK] = "LOCK",
	[SCAN_UNLOCK] = "UNLOCK",
	[SCAN_LOAD] = "LOAD",
	[SCAN_KILL] = "KILL",
	[SCAN_CREATE] = "CREATE",
	[SCAN_ALTER] = "ALTER",
	[SCAN_DROP] = "DROP",
	[SCAN_RENAME] = "RENAME",
	[SCAN_TRUNCATE] = "TRUNCATE",
	[SCAN_GRANT] = "GRANT",
	[SCAN_ADMIN] = "ADMIN",
	[SCAN_DIAG] = "DIAGNOSTICS",
	[SCAN_COMPOUND] = "COMPOUND",
	[SCAN_OTHER] = "OTHER" };

const char *scan_verb_name(enum scan_verb v)
{
	return (unsigned)v < SCAN_VERBS ? verb_names[v] : "OTHER";
}

enum scan_charset scan_charset_of(struct str name)
{
	static const struct {
		const char *name;
		enum scan_charset cs;
	} sets[] = { { "sjis", SCAN_CS_SJIS }, { "cp932", SCAN_CS_SJIS }, { "gbk", SCAN_CS_GBK },
		{ "big5", SCAN_CS_BIG5 }, { "gb18030", SCAN_CS_GB18030 } };

	for (size_t i = 0; i < ARRAY_N(sets); i++)
		if (str_ieqz(name, sets[i].name))
			return sets[i].cs;
	return SCAN_CS_SAFE;
}

void scan_init(struct scan *s)
{
	memset(s, 0, sizeof(*s));
}

void scan_free(struct scan *s)
{
	free(s->lit_v);
	free(s->tok_v);
	free(s->norm_v);
	scan_init(s);
}

/* Where the statement is between INSERT and the end of its rows. */
enum rows_state { ROWS_NONE, ROWS_LOOKING, ROWS_OPEN, ROWS_IN, ROWS_BETWEEN };

struct pass {
	struct lex lex;
	struct scan *s;
	size_t norm_n;
	uint32_t max_tokens;
	int32_t depth, verb_depth;
	uint32_t verb_tok;
	uint16_t prev; /* kind of the token before the current one */
	uint8_t rows;  /* enum rows_state */
	bool verb_known, with_pending;
	bool object_known; /* CREATE/ALTER: what is made has been seen */
	bool compound;	   /* ; does not end it */
	bool into_list;	   /* only names and variables since INTO */
	uint32_t n_values; /* of the first row */
	uint32_t row_values;
};

static void grow_toks(struct scan *s)
{
	s->tok_cap = s->tok_cap ? s->tok_cap * 2 : 64;
	s->tok_v = xrealloc(s->tok_v, s->tok_cap * sizeof(*s->tok_v));
}

static void grow_lits(struct scan *s)
{
	s->lit_cap = s->lit_cap ? s->lit_cap * 2 : 32;
	s->lit_v = xrealloc(s->lit_v, s->lit_cap * sizeof(*s->lit_v));
}

static void grow_norm(struct scan *s, size_t need)
{
	s->norm_cap = MAX(need, s->norm_cap ? s->norm_cap * 2 : 512);
	s->norm_v = xrealloc(s->norm_v, s->norm_cap);
}

static inline void norm_mark(struct pass *ps, char c)
{
	char *w = ps->s->norm_v + ps->norm_n;

	w[0] = '?';
	w[1] = c;
	ps->norm_n += 2;
}

static inline void norm_word(struct pass *ps, const struct lexeme *x)
{
	char *w = ps->s->norm_v + ps->norm_n;
	const char *p = ps->lex.base + x->off;

	if (x->flags & TF_RESERVED)
		memcpy(w, x->kw->text, sizeof(x->kw->text));
	else if (LIKELY(x->len <= 16 && ps->lex.end - p >= 16))
		memcpy(w, p, 16);
	else
		memcpy(w, p, x->len);
	ps->norm_n += x->len;
}

static inline void add_tok(struct pass *ps, const struct lexeme *x)
{
	struct scan *s = ps->s;
	struct scan_tok *t;

	if (UNLIKELY(s->n_toks == s->tok_cap))
		grow_toks(s);
	t = &s->tok_v[s->n_toks++];
	t->off = x->off;
	t->len = x->len;
	t->kind = x->kind;
	t->flags = x->flags;
}

static inline void norm_room(struct pass *ps, size_t len)
{
	if (UNLIKELY(ps->norm_n + len + 48 > ps->s->norm_cap))
		grow_norm(ps->s, ps->norm_n + len + 48);
}

static const char *skip_space(const char *p, const char *end)
{
	while (p < end && lex_is_space(*p))
		p++;
	return p;
}

/* Blanks and comments between the values of a row that may fold; what lies in an executable comment does not. */
static const char *skip_blank(const char *p, const char *end)
{
	for (;;) {
		p = skip_space(p, end);
		if (p < end && (*p == '#' || (*p == '-' && end - p > 2 && p[1] == '-' && (uint8_t)p[2] <= ' '))) {
			p = memchr(p, '\n', (size_t)(end - p));
			if (!p)
				return end;
		} else if (end - p > 3 && p[0] == '/' && p[1] == '*' && p[2] != '!' && p[2] != 'M') {
			p = memmem(p + 2, (size_t)(end - p) - 2, "*/", 2);
			if (!p)
				return end;
			p += 2;
		} else {
			return p;
		}
	}
}

/* What stands behind a value and may be more than the usual comma. */
static inline bool is_blank_start(const char *p, const char *end)
{
	return p < end && *p != ',' && *p != ')';
}

/* Could a parenthesis follow at @p? A comment between is taken for yes. */
static bool paren_follows(const char *p, const char *end)
{
	p = skip_space(p, end);
	return p < end && (*p == '(' || *p == '/' || *p == '#' || *p == '-' || *p == '*');
}

static void special_word(struct pass *ps, const struct keyword *k, const char *e)
{
	if (k->flags & KWF_ANYWHERE || paren_follows(e, ps->lex.end))
		ps->s->flags |= k->special;
}

static __attribute__((noinline)) void set_verb(struct pass *ps, struct lexeme word)
{
	const struct lexeme *x = &word;
	struct scan *s = ps->s;

	ps->verb_known = true;
	ps->verb_depth = ps->depth;
	ps->verb_tok = s->n_toks - 1;
	s->verb = x->kw && x->kw->verb ? x->kw->verb : SCAN_OTHER;
	if (s->verb == SCAN_VERBS) {
		s->flags |= SCAN_F_WITH;
		ps->with_pending = true;
		s->verb = SCAN_OTHER;
	}
	if (s->verb == SCAN_COMPOUND)
		ps->compound = true;
	if (s->verb == SCAN_INSERT || s->verb == SCAN_REPLACE)
		ps->rows = ROWS_LOOKING;
	ps->object_known = s->verb != SCAN_CREATE && s->verb != SCAN_ALTER;
}

/* CREATE ... PROCEDURE and kin hold statements of their own. */
static void created_object(struct pass *ps, unsigned kind)
{
	switch (kind) {
	case KW_PROCEDURE:
	case KW_FUNCTION:
	case KW_TRIGGER:
	case KW_EVENT:
	case KW_PACKAGE:
		if (ps->prev == '=' || ps->prev == '@')
			return;
		ps->compound = ps->s->verb == SCAN_CREATE || kind == KW_EVENT;
		ps->object_known = true;
		return;
	case KW_TABLE:
	case KW_INDEX:
	case KW_VIEW:
	case KW_DATABASE:
	case KW_SCHEMA:
	case KW_USER:
	case KW_ROLE:
	case KW_SERVER:
	case KW_TABLESPACE:
	case KW_SEQUENCE: ps->object_known = ps->prev != '=' && ps->prev != '@'; return;
	default: return;
	}
}

/* What a word means for flags and class; only words that have any meaning come here. */
static __attribute__((noinline)) void keyword_seen(struct pass *ps, struct lexeme word)
{
	const struct lexeme *x = &word;
	struct scan *s = ps->s;

	if (x->kw->special)
		special_word(ps, x->kw, ps->lex.p);
	switch (x->kind) {
	case KW_INTO: ps->into_list = true; break;
	case KW_UPDATE:
		if (ps->prev == KW_FOR)
			s->flags |= SCAN_F_LOCKING;
		break;
	case KW_SHARE:
		if (ps->prev == KW_FOR || ps->prev == KW_IN)
			s->flags |= SCAN_F_LOCKING;
		break;
	case KW_OUTFILE:
	case KW_DUMPFILE:
		if (ps->prev == KW_INTO)
			s->flags |= SCAN_F_INTO_FILE;
		break;
	case KW_INFILE:
		if (ps->prev == KW_LOCAL)
			s->flags |= SCAN_F_LOCAL_INFILE;
		break;
	case KW_TEMPORARY:
		if (s->verb == SCAN_CREATE || s->verb == SCAN_DROP)
			s->flags |= SCAN_F_TEMPORARY;
		break;
	case KW_VALUE:
		if (ps->prev == KW_NEXT || ps->prev == KW_PREVIOUS)
			s->flags |= SCAN_F_SEQUENCE;
		break;
	case KW_NOT:
		if (s->verb == SCAN_BEGIN && s->n_toks == ps->verb_tok + 2) {
			s->verb = SCAN_COMPOUND;
			ps->compound = true;
		}
		break;
	default: break;
	}
	if (UNLIKELY(ps->with_pending) && ps->depth == ps->verb_depth && x->kw->verb >= SCAN_SELECT &&
		x->kw->verb <= SCAN_VALUES) {
		s->verb = x->kw->verb;
		ps->with_pending = false;
	}
	if (UNLIKELY(!ps->object_known))
		created_object(ps, x->kind);
}

/* May VALUE or VALUES, seen at the statement's own level, begin the rows? VALUE is a possible name of the table. */
static bool values_word(const struct pass *ps, unsigned kind)
{
	if (kind == KW_VALUES)
		return true;
	if (kind != KW_VALUE)
		return false;
	switch (ps->prev) {
	case KW_INSERT:
	case KW_REPLACE:
	case KW_INTO:
	case KW_IGNORE:
	case KW_LOW_PRIORITY:
	case KW_HIGH_PRIORITY:
	case KW_DELAYED:
	case T_HINT:
	case '.': return false;
	default: return true;
	}
}

static const char *fold_word(const char *p, const char *end, const struct lex *l)
{
	static const struct {
		const char *word;
		uint8_t n;
	} words[] = { { "null", 4 }, { "default", 7 }, { "true", 4 }, { "false", 5 } };
	const char *e = lex_word_end(l, p);
	uint8_t flags;

	for (size_t i = 0; i < ARRAY_N(words); i++)
		if ((size_t)(e - p) == words[i].n && strncasecmp(p, words[i].word, words[i].n) == 0)
			return e;
	if (e < end && *e == '\'' && e - p == 1 && (*p | 0x20) == 'n')
		return lex_string(l, e + 1, '\'', &flags);
	if (e < end && *e == '\'' && e - p == 1 && ((*p | 0x20) == 'x' || (*p | 0x20) == 'b')) {
		struct lex sub = *l;
		struct lexeme x;

		sub.p = p;
		return lex_prefixed(&sub, &x) > LEX_BROKEN ? sub.p : NULL;
	}
	if (*p == '_' && lex_charset_known(p + 1, (size_t)(e - p) - 1)) {
		e = skip_space(e, end);
		return e < end && *e == '\'' ? lex_string(l, e + 1, '\'', &flags) : NULL;
	}
	return NULL;
}

static const char *fold_number(const char *p, const char *end, const struct lex *l)
{
	struct lex sub;
	struct lexeme x;
	const char *q = p;

	while (q < end && lex_is_digit(*q))
		q++;
	if (LIKELY(q > p && q < end && (*q == ',' || *q == ')')))
		return q;
	sub = *l;
	sub.p = p;
	lex_number(&sub, &x);
	return x.kind == T_IDENT ? NULL : sub.p;
}

/* The byte behind the row that begins with the ( at @p, if it has @n_values values and all are plain; else NULL. */
static const char *fold_row(const struct lex *l, const char *p, uint32_t n_values, uint32_t *params)
{
	const char *end = l->end;
	uint32_t n = 0, n_params = 0;
	uint8_t flags = 0;

	p = skip_blank(p + 1, end);
	if (n_values == 0)
		return p < end && *p == ')' ? p + 1 : NULL;
	for (;;) {
		if (p == end)
			return NULL;
		if (*p == '-' || *p == '+') {
			p = skip_blank(p + 1, end);
			if (p == end || !(lex_is_digit(*p) || *p == '.'))
				return NULL;
		}
		switch (lex_cc[(uint8_t)*p] & CC_MASK) {
		case CC_DIGIT: p = fold_number(p, end, l); break;
		case CC_DOT: p = end - p > 1 && lex_is_digit(p[1]) ? fold_number(p, end, l) : NULL; break;
		case CC_DQUOTE:
			if (l->mode->flags & SCAN_ANSI_QUOTES)
				return NULL;
			/* fall through */
		case CC_STRING: p = lex_string(l, p + 1, *p, &flags); break;
		case CC_WORD: p = fold_word(p, end, l); break;
		case CC_QUESTION:
			n_params++;
			p++;
			break;
		default: return NULL;
		}
		if (!p)
			return NULL;
		n++;
		if (UNLIKELY(is_blank_start(p, end)))
			p = skip_blank(p, end);
		if (p == end)
			return NULL;
		if (*p == ')')
			break;
		if (*p != ',' || n == n_values)
			return NULL;
		p++;
		if (p < end && !lex_is_ident(*p) && *p != '\'')
			p = skip_blank(p, end);
	}
	if (n != n_values)
		return NULL;
	*params += n_params;
	return p + 1;
}

/* A row has just been closed: take all plain ones that follow as one token. */
static void fold_rows(struct pass *ps)
{
	struct scan *s = ps->s;
	struct lex *l = &ps->lex;
	const char *p = l->p, *end = l->end, *first = NULL;

	for (;;) {
		const char *q = skip_blank(p, end);

		if (q == end || *q != ',')
			break;
		q = skip_blank(q + 1, end);
		if (q == end || *q != '(')
			break;
		p = fold_row(l, q, ps->n_values, &s->n_params);
		if (!p)
			break;
		if (!first)
			first = q;
		l->p = p;
		s->n_folded++;
		s->n_rows++;
	}
	if (!first)
		return;
	p = l->p;
	l->p = first;
	struct lexeme x = { 0 };
	lex_token(l, &x, p, T_FOLD);
	add_tok(ps, &x);
	norm_room(ps, 3);
	s->norm_v[ps->norm_n++] = ' ';
	norm_mark(ps, '+');
	s->rows_end = (uint32_t)(p - l->base);
	s->rows_tok_end = s->n_toks;
}

/* Follows an INSERT from VALUES to the end of its rows, token by token. */
static void rows_step(struct pass *ps, uint32_t off, unsigned kind)
{
	struct scan *s = ps->s;

	switch (ps->rows) {
	case ROWS_LOOKING:
		if (ps->depth != ps->verb_depth)
			return;
		if (kind == KW_SELECT || kind == KW_SET || kind == KW_ON || kind == KW_WITH)
			ps->rows = ROWS_NONE;
		else if (values_word(ps, kind))
			ps->rows = ROWS_OPEN;
		return;
	case ROWS_OPEN: /* ( or nothing */
		if (s->n_rows == 0 && kind == '(')
			s->rows_in_comment = ps->lex.in_exec; /* then it cannot be cut out of the text */
		if (kind != '(' || s->rows_in_comment) {
			ps->rows = ROWS_NONE;
			return;
		}
		if (s->n_rows == 0) {
			s->rows_off = off;
			s->rows_tok = s->n_toks - 1;
		}
		ps->row_values = 0;
		ps->rows = ROWS_IN;
		return;
	case ROWS_IN:
		if (kind == ')' && ps->depth == ps->verb_depth) {
			s->n_rows++;
			s->rows_end = off + 1;
			s->rows_tok_end = s->n_toks;
			if (s->n_rows == 1)
				ps->n_values = ps->row_values;
			ps->rows = ROWS_BETWEEN;
			fold_rows(ps);
		} else if (ps->row_values == 0 || (kind == ',' && ps->depth == ps->verb_depth + 1)) {
			ps->row_values++;
		}
		return;
	default: /* ROWS_BETWEEN */ ps->rows = kind == ',' ? ROWS_OPEN : ROWS_NONE; return;
	}
}

static inline void literal_seen(struct pass *ps, const struct lexeme *x, enum lit_kind kind)
{
	static const char marks[] = { 'i', 'd', 'f', 's', 'x', 'b' };
	struct scan *s = ps->s;

	if (UNLIKELY(s->n_lits == s->lit_cap))
		grow_lits(s);
	s->lit_v[s->n_lits++] = (struct scan_lit){ .off = x->off,
		.len = x->len,
		.tok = s->n_toks - 1,
		.param = kind == LIT_PARAM ? s->n_params : 0,
		.kind = (uint8_t)kind,
		.flags = x->lit_flags };
	if (kind == LIT_PARAM) {
		s->n_params++;
		s->norm_v[ps->norm_n++] = '?';
	} else {
		norm_mark(ps, marks[kind]);
	}
}

/* What the first words say together. */
static uint8_t verb_of(const struct pass *ps)
{
	const struct scan *s = ps->s;
	const struct scan_tok *t = s->tok_v + ps->verb_tok;
	unsigned k1 = s->n_toks > ps->verb_tok + 1 ? t[1].kind : 0;

	if (!ps->verb_known)
		return s->n_toks || s->broken ? SCAN_OTHER : SCAN_EMPTY;
	switch (t[0].kind) {
	case KW_START: return k1 == KW_TRANSACTION ? SCAN_BEGIN : SCAN_ADMIN;
	case KW_ANALYZE:
		return k1 == KW_TABLE || k1 == KW_TABLES || k1 == KW_LOCAL || k1 == KW_NO_WRITE_TO_BINLOG
			       ? SCAN_ADMIN
			       : SCAN_EXPLAIN;
	case KW_DROP: return k1 == KW_PREPARE ? SCAN_DEALLOCATE : SCAN_DROP;
	case KW_LOAD: return k1 == KW_INDEX ? SCAN_ADMIN : SCAN_LOAD;
	default: return s->verb;
	}
}

/* Is there a statement behind the semicolon? */
static bool text_follows(const struct lex *at)
{
	struct lex l = *at;
	struct lexeme x;
	unsigned kind;

	do
		kind = lex_next(&l, &x);
	while (kind == ';');
	return kind != LEX_END;
}

/* Tokens that are neither words nor plain characters nor literals. */
static void other_seen(struct pass *ps, unsigned kind)
{
	struct scan *s = ps->s;

	switch (kind) {
	case T_UVAR: s->flags |= SCAN_F_UVAR | (ps->into_list ? SCAN_F_INTO_VAR : 0); break;
	case T_ATAT: s->flags |= SCAN_F_SYSVAR; break;
	case T_ASSIGN: s->flags |= SCAN_F_UVAR_ASSIGN; break;
	default: break;
	}
}

/* A quoted name before a parenthesis may still be a built-in function. */
static void quoted_seen(struct pass *ps, uint32_t off, uint32_t len)
{
	const struct keyword *k;

	if (len <= 2 || !paren_follows(ps->lex.p, ps->lex.end))
		return;
	k = keyword_find(ps->lex.base + off + 1, len - 2, ps->lex.end);
	if (k)
		ps->s->flags |= k->special;
}

/* label: LOOP ... */
static void label_seen(struct pass *ps)
{
	struct scan *s = ps->s;

	if (s->n_toks != 2)
		return;
	s->verb = SCAN_COMPOUND;
	s->tok_v[0].kind = T_IDENT;
	ps->compound = true;
}

static inline void char_seen(struct pass *ps, unsigned kind)
{
	ps->s->norm_v[ps->norm_n++] = (char)kind;
	if (kind == '(')
		ps->depth++;
	else if (kind == ')')
		ps->depth--;
	else if (UNLIKELY(kind == ':'))
		label_seen(ps);
}

static inline void word_seen(struct pass *ps, const struct lexeme *x)
{
	norm_word(ps, x);
	if (x->kw) {
		if (UNLIKELY(x->kind == KW_SELECT && ps->verb_known))
			ps->s->flags |= SCAN_F_SUBQUERY;
		if (UNLIKELY(x->kw->flags & KWF_NOTED || ps->with_pending || (ps->verb_known && !ps->object_known)))
			keyword_seen(ps, *x);
	} else if (x->kind == T_IDENT) {
		if (UNLIKELY(x->flags & TF_QUOTED))
			quoted_seen(ps, x->off, x->len);
	} else {
		other_seen(ps, x->kind);
	}
}

static int too_many_tokens(const struct pass *ps, struct err *err)
{
	return err_set(err, ERR_LIMIT, ER_NET_PACKET_TOO_LARGE,
		"The statement has more than %u tokens; send it in parts", ps->max_tokens);
}

static int scan_tokens(struct pass *ps, struct err *err)
{
	struct scan *s = ps->s;
	struct lex *l = &ps->lex;

	for (;;) {
		struct lexeme x;
		unsigned kind = lex_next(l, &x);

		if (UNLIKELY(kind <= LEX_BROKEN)) {
			s->end = s->next = (uint32_t)(l->end - l->base);
			if (kind == LEX_BROKEN) {
				s->broken = true;
				s->broken_why = l->why;
				s->broken_at = (uint32_t)(l->p - l->base);
			}
			return 0;
		}
		if (UNLIKELY(kind == ';') && !ps->compound) {
			s->end = x.off;
			s->next = x.off + 1;
			s->more = text_follows(l);
			return 0;
		}
		if (UNLIKELY(s->n_toks >= ps->max_tokens))
			return too_many_tokens(ps, err);
		add_tok(ps, &x);
		norm_room(ps, x.len);
		if (LIKELY(ps->norm_n) && !(kind == '(' && s->n_toks > 1 && s->tok_v[s->n_toks - 2].flags & TF_CALL))
			s->norm_v[ps->norm_n++] = ' ';
		if (kind >= T_INT && kind <= T_PARAM)
			literal_seen(ps, &x, (enum lit_kind)(kind - T_INT));
		else if (kind < 256)
			char_seen(ps, kind);
		else
			word_seen(ps, &x);
		if (UNLIKELY(!ps->verb_known)) {
			if (kind != '(')
				set_verb(ps, x);
		} else if (ps->rows != ROWS_NONE) {
			rows_step(ps, x.off, kind);
		}
		if (UNLIKELY(ps->into_list) && kind != ',' && kind != T_UVAR && kind != T_IDENT && kind != KW_INTO)
			ps->into_list = false;
		ps->prev = (uint16_t)kind;
	}
}

int sql_tokens(struct scan *s, struct str text, const struct scan_mode *mode, struct err *err)
{
	struct pass ps = { .s = s, .max_tokens = mode->max_tokens ? mode->max_tokens : SCAN_MAX_TOKENS };
	int rc;

	_Static_assert(T_DECIMAL == T_INT + LIT_DECIMAL && T_FLOAT == T_INT + LIT_FLOAT &&
			       T_STRING == T_INT + LIT_STRING && T_HEX == T_INT + LIT_HEX && T_BIT == T_INT + LIT_BIT &&
			       T_PARAM == T_INT + LIT_PARAM,
		"literal tokens in the order of lit_kind");
	s->n_lits = s->n_params = s->n_toks = s->flags = s->n_rows = s->n_folded = 0;
	s->rows_off = s->rows_end = s->rows_tok = s->rows_tok_end = 0;
	s->broken_at = s->end = s->next = 0;
	s->verb = SCAN_EMPTY;
	s->more = s->broken = s->rows_in_comment = false;
	s->broken_why = NULL;
	s->norm = (struct str){ NULL, 0 };
	if (text.n >= UINT32_MAX)
		return err_set(err, ERR_LIMIT, ER_NET_PACKET_TOO_LARGE, "The statement is 4 GB or longer");
	if (!text.p)
		text.p = "";
	if (UNLIKELY(!s->norm_v))
		grow_norm(s, 512);
	if (UNLIKELY(!s->tok_v))
		grow_toks(s);
	if (UNLIKELY(!s->lit_v))
		grow_lits(s);
	lex_init(&ps.lex, text, mode);
	rc = scan_tokens(&ps, err);
	s->verb = verb_of(&ps);
	s->flags |= ps.lex.seen;
	s->toks = s->tok_v;
	s->lits = s->lit_v;
	s->norm = str_make(s->norm_v, ps.norm_n);
	return rc;
}

int sql_scan(struct scan *s, struct str text, const struct scan_mode *mode, struct err *err)
{
	uint64_t salt = (uint64_t)mode->flags << 16 | (uint64_t)mode->family << 8 | mode->charset;
	XXH128_hash_t h;
	int rc = sql_tokens(s, text, mode, err);

	if (rc < 0)
		return rc;
	h = XXH3_128bits_withSeed(s->norm.p, s->norm.n, mode->seed ^ (salt * 0x9E3779B97F4A7C15u));
	s->digest = (struct scan_digest){ h.low64, h.high64 };
	return 0;
}

struct str scan_span(const struct scan *s, struct str text, uint32_t tok, uint32_t tok_end)
{
	uint32_t from, to;

	if (tok >= tok_end || tok_end > s->n_toks)
		return (struct str){ NULL, 0 };
	from = s->toks[tok].off;
	to = s->toks[tok_end - 1].off + s->toks[tok_end - 1].len;
	return str_make(text.p + from, to - from);
}
