/* sql/lex.h - MySQL's lexical rules, one token at a time. Inside the layer only: scan.c makes digests of the tokens,
 * rows.c looks for the values of a row. The table of keywords is made by keywords.py. Pure, no state but the caller's.
 */
#ifndef KEYWAY_SQL_LEX_H
#define KEYWAY_SQL_LEX_H

#include "keyway/sql/scan.h"
#include "keywords.gen.h"
#include <endian.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* Kinds beside the grammar's tokens and plain characters. */
enum { LEX_END = 0, LEX_BROKEN = 1 };

/* scan_tok.flags */
enum {
	TF_RESERVED = 1u << 0, /* a reserved word of this server */
	TF_QUOTED = 1u << 1,   /* a quoted name */
	TF_CALL = 1u << 2,     /* a word that is a function's name only directly before "(", and stands there */
	TF_CALLWORD = 1u << 3, /* such a word, wherever it stands */
	TF_ADJACENT = 1u << 4, /* nothing between it and the token before */
};

enum {
	KWF_RES_MYSQL = 1u << 0,
	KWF_RES_MYSQL8 = 1u << 1,
	KWF_RES_MARIA = 1u << 2,
	KWF_CALL = 1u << 3,
	KWF_ANYWHERE = 1u << 4,
	KWF_NOTED = 1u << 5, /* the scan looks at it closer: it has a flag or its neighbours can give it one */
};

struct keyword {
	uint64_t a, b; /* the first and last eight bytes in lower case */
	uint32_t special;
	uint16_t kind;
	uint8_t len, flags, verb;
	char text[37]; /* upper case */
};

extern const struct keyword keyword_table[KEYWORDS_N];
extern const uint16_t keyword_slot[KEYWORD_SLOTS];

/* What a byte can begin or be part of. */
enum lex_class {
	CC_BAD,
	CC_SPACE,
	CC_WORD,
	CC_DIGIT,
	CC_STRING,
	CC_DQUOTE,
	CC_BACKTICK,
	CC_SELF,
	CC_MINUS,
	CC_SLASH,
	CC_STAR,
	CC_HASH,
	CC_AT,
	CC_DOT,
	CC_LESS,
	CC_GREATER,
	CC_BANG,
	CC_AMP,
	CC_PIPE,
	CC_COLON,
	CC_QUESTION,
	CC_BACKSLASH,
	CC_MASK = 0x3f,
	CC_IDENT = 0x80, /* may stand inside a name */
};

extern const uint8_t lex_cc[256];

struct lex {
	const char *base, *p, *end;
	const struct scan_mode *mode;
	const char *why;  /* set with LEX_BROKEN; p is where */
	uint32_t seen;	  /* SCAN_F_ of comments */
	uint16_t prev;	  /* kind of the last token */
	uint8_t reserved; /* KWF_RES_ that count here */
	bool in_exec;	  /* inside an executable comment that applies */
	bool name_next;	  /* the word directly behind a dot or @@ is a name whatever it is */
};

struct lexeme {
	uint32_t off, len;
	uint16_t kind, flags;
	uint8_t lit_flags;
	const struct keyword *kw;
};

void lex_init(struct lex *l, struct str text, const struct scan_mode *mode);

/* The rest of a string whose quote @q was at p[-1]: the byte behind its end, NULL when it has none. */
const char *lex_string_slow(const struct lex *l, const char *p, char q, uint8_t *lit_flags);
/* The end of a quoted name, NULL when it has none. */
const char *lex_quoted_name(const struct lex *l, const char *p, char q);
/* Behind the comment that begins at l->p ("/ *", "#" or "-- " was seen), or LEX_BROKEN; an optimizer hint is a token.
 */
unsigned lex_comment(struct lex *l, struct lexeme *x);
unsigned lex_number(struct lex *l, struct lexeme *x);
unsigned lex_prefixed(struct lex *l, struct lexeme *x);
unsigned lex_at(struct lex *l, struct lexeme *x);
/* The end of the word that begins at @p in a character set with bytes that are not their own character. */
const char *lex_word_mb(const struct lex *l, const char *p);
bool lex_charset_known(const char *p, size_t n);
/* Bytes of the character at @p. */
size_t lex_char_len(uint8_t charset, const char *p, const char *end);
/* Is the byte at @p, of a character set that is not SAFE, one that can only be half of a character and is alone? */
bool lex_is_stray(uint8_t charset, const char *p, const char *end);

static inline bool lex_is_ident(char c)
{
	return lex_cc[(uint8_t)c] & CC_IDENT;
}

static inline bool lex_is_space(char c)
{
	return lex_cc[(uint8_t)c] == CC_SPACE;
}

static inline bool lex_is_digit(char c)
{
	return (uint8_t)(c - '0') < 10;
}

static inline uint64_t lex_load8(const char *p)
{
	uint64_t v;

	memcpy(&v, p, 8);
	return le64toh(v);
}

/* The keyword of [p, p + n), NULL for any other word. @end bounds what may be read. */
static inline const struct keyword *keyword_find(const char *p, size_t n, const char *end)
{
	const uint64_t fold = 0x2020202020202020u;
	uint64_t a, b = 0;
	unsigned slot;

	if (n < 2 || n > 36)
		return NULL;
	if (n >= 8) {
		a = lex_load8(p) | fold;
		b = lex_load8(p + n - 8) | fold;
	} else if (LIKELY(end - p >= 8)) {
		a = (lex_load8(p) | fold) & (((uint64_t)1 << (8 * n)) - 1);
	} else {
		a = 0;
		for (size_t i = 0; i < n; i++)
			a |= (uint64_t)((uint8_t)p[i] | 0x20) << (8 * i);
	}
	slot = ((a * 0x9E3779B97F4A7C15u) ^ ((b + n) * 0xC2B2AE3D27D4EB4Fu)) >> 52;
	for (; keyword_slot[slot]; slot = (slot + 1) % KEYWORD_SLOTS) {
		const struct keyword *k = &keyword_table[keyword_slot[slot]];

		if (k->a == a && k->b == b && k->len == n && (n <= 16 || strncasecmp(p, k->text, n) == 0))
			return k;
	}
	return NULL;
}

/* The first @c1 or @c2 from @p on; @end when there is none. */
static inline const char *lex_find2(const char *p, const char *end, char c1, char c2)
{
#ifdef __SSE2__
	const __m128i v1 = _mm_set1_epi8(c1), v2 = _mm_set1_epi8(c2);

	while (end - p >= 16) {
		__m128i d = _mm_loadu_si128((const __m128i *)(const void *)p);
		unsigned m = (unsigned)_mm_movemask_epi8(_mm_or_si128(_mm_cmpeq_epi8(d, v1), _mm_cmpeq_epi8(d, v2)));

		if (m)
			return p + __builtin_ctz(m);
		p += 16;
	}
#endif
	while (p < end && *p != c1 && *p != c2)
		p++;
	return p;
}

static inline const char *lex_string(const struct lex *l, const char *p, char q, uint8_t *lit_flags)
{
	if (LIKELY(l->mode->charset == SCAN_CS_SAFE)) {
		const char *e = lex_find2(p, l->end, q, l->mode->flags & SCAN_NO_BACKSLASH_ESCAPES ? q : '\\');

		if (LIKELY(e < l->end && *e == q && (e + 1 == l->end || e[1] != q)))
			return e + 1;
	}
	return lex_string_slow(l, p, q, lit_flags);
}

static inline const char *lex_word_end(const struct lex *l, const char *p)
{
	const char *end = l->end;

	if (UNLIKELY(l->mode->charset != SCAN_CS_SAFE))
		return lex_word_mb(l, p);
	while (p < end && lex_is_ident(*p))
		p++;
	return p;
}

static inline __attribute__((always_inline)) unsigned lex_token(
	struct lex *l, struct lexeme *x, const char *e, unsigned kind)
{
	x->off = (uint32_t)(l->p - l->base);
	x->len = (uint32_t)(e - l->p);
	x->kind = (uint16_t)kind;
	l->p = e;
	l->prev = (uint16_t)kind;
	return kind;
}

static inline unsigned lex_broken(struct lex *l, const char *why)
{
	l->why = why;
	return LEX_BROKEN;
}

static inline __attribute__((always_inline)) unsigned lex_word(struct lex *l, struct lexeme *x)
{
	const char *p = l->p, *e = lex_word_end(l, p + (l->mode->charset == SCAN_CS_SAFE));
	const struct keyword *k;

	if (UNLIKELY(e == p))
		return lex_broken(l, "half of a character");
	if (UNLIKELY(l->name_next)) {
		l->name_next = false;
		return lex_token(l, x, e, T_IDENT);
	}
	k = keyword_find(p, (size_t)(e - p), l->end);
	if (!k)
		return lex_token(l, x, e, T_IDENT);
	x->kw = k;
	if (k->flags & l->reserved)
		x->flags |= TF_RESERVED;
	if (k->flags & KWF_CALL) {
		const char *q = e;

		if (l->mode->flags & SCAN_IGNORE_SPACE)
			while (q < l->end && lex_is_space(*q))
				q++;
		x->flags |= TF_CALLWORD | (q < l->end && *q == '(' ? TF_CALL : 0);
	}
	return lex_token(l, x, e, k->kind);
}

/* Calls a function that is not inlined with a lexeme of its own, so that the caller's @x can stay in registers. */
static inline __attribute__((always_inline)) unsigned lex_slow(
	struct lex *l, struct lexeme *x, unsigned (*fn)(struct lex *l, struct lexeme *x))
{
	struct lexeme copy = *x;
	unsigned kind = fn(l, &copy);

	*x = copy;
	return kind;
}

/* The next token into @x; its kind, LEX_END at the end of the text or LEX_BROKEN. */
static inline __attribute__((always_inline)) unsigned lex_next(struct lex *l, struct lexeme *x)
{
	const char *p, *end = l->end, *e, *from = l->p;
	unsigned kind;
	uint8_t cc, lit_flags;

	x->lit_flags = 0;
	x->kw = NULL;
again:
	p = l->p;
	while (p < end && lex_is_space(*p))
		p++;
	l->p = p;
	x->flags = p == from ? TF_ADJACENT : 0;
	if (UNLIKELY(p != from))
		l->name_next = false;
	if (p == end)
		return l->in_exec ? lex_broken(l, "unterminated comment") : LEX_END;
	cc = lex_cc[(uint8_t)*p];
	switch (cc & CC_MASK) {
	case CC_WORD:
		/* prefixes that make the word something else: X'' B'' N'' and _charset */
		if (UNLIKELY((end - p > 1 && p[1] == '\'') || *p == '_') && !l->name_next) {
			kind = lex_slow(l, x, lex_prefixed);
			if (kind)
				return kind;
		}
		return lex_word(l, x);
	case CC_DIGIT:
		if (l->name_next)
			return lex_word(l, x);
		/* plain integers are most of all numbers; 0x41 and the like are not */
		for (e = p + 1; e < end && lex_is_digit(*e);)
			e++;
		if (LIKELY(e == end || (!lex_is_ident(*e) && *e != '.')))
			return lex_token(l, x, e, T_INT);
		return lex_slow(l, x, lex_number);
	case CC_DQUOTE:
		if (l->mode->flags & SCAN_ANSI_QUOTES) {
			e = lex_quoted_name(l, p + 1, '"');
			if (!e)
				return lex_broken(l, "unterminated quoted name");
			x->flags |= TF_QUOTED;
			return lex_token(l, x, e, T_IDENT);
		}
		/* fall through */
	case CC_STRING:
		lit_flags = 0;
		e = lex_string(l, p + 1, *p, &lit_flags);
		if (!e)
			return lex_broken(l, "unterminated string");
		x->lit_flags = lit_flags;
		return lex_token(l, x, e, T_STRING);
	case CC_BACKTICK:
		e = lex_quoted_name(l, p + 1, '`');
		if (!e)
			return lex_broken(l, "unterminated quoted name");
		x->flags |= TF_QUOTED;
		return lex_token(l, x, e, T_IDENT);
	case CC_SELF: return lex_token(l, x, p + 1, (uint8_t)*p);
	case CC_MINUS:
		if (end - p > 1 && p[1] == '-' && (end - p == 2 || (uint8_t)p[2] <= ' ' || p[2] == 0x7f))
			goto comment;
		if (end - p > 1 && p[1] == '>')
			return end - p > 2 && p[2] == '>' ? lex_token(l, x, p + 3, T_ARROW2)
							  : lex_token(l, x, p + 2, T_ARROW);
		return lex_token(l, x, p + 1, '-');
	case CC_SLASH:
		if (end - p > 1 && p[1] == '*')
			goto comment;
		return lex_token(l, x, p + 1, '/');
	case CC_STAR:
		if (l->in_exec && end - p > 1 && p[1] == '/') {
			l->in_exec = false;
			l->p = p + 2;
			goto again;
		}
		return lex_token(l, x, p + 1, '*');
	case CC_HASH:
	comment:
		kind = lex_slow(l, x, lex_comment);
		if (kind == LEX_END)
			goto again;
		return kind;
	case CC_AT: return lex_slow(l, x, lex_at);
	case CC_DOT:
		if (end - p > 1 && lex_is_digit(p[1]) && !(x->flags & TF_ADJACENT && l->prev == T_IDENT))
			return lex_slow(l, x, lex_number);
		l->name_next = end - p > 1 && lex_is_ident(p[1]);
		return lex_token(l, x, p + 1, '.');
	case CC_LESS:
		if (end - p > 1 && p[1] == '=')
			return end - p > 2 && p[2] == '>' ? lex_token(l, x, p + 3, T_NULL_EQ)
							  : lex_token(l, x, p + 2, T_LE);
		if (end - p > 1 && p[1] == '>')
			return lex_token(l, x, p + 2, T_NE);
		if (end - p > 1 && p[1] == '<')
			return lex_token(l, x, p + 2, T_SHL);
		return lex_token(l, x, p + 1, '<');
	case CC_GREATER:
		if (end - p > 1 && p[1] == '=')
			return lex_token(l, x, p + 2, T_GE);
		if (end - p > 1 && p[1] == '>')
			return lex_token(l, x, p + 2, T_SHR);
		return lex_token(l, x, p + 1, '>');
	case CC_BANG:
		if (end - p > 1 && p[1] == '=')
			return lex_token(l, x, p + 2, T_NE);
		return lex_token(l, x, p + 1, '!');
	case CC_AMP:
		if (end - p > 1 && p[1] == '&')
			return lex_token(l, x, p + 2, T_ANDAND);
		return lex_token(l, x, p + 1, '&');
	case CC_PIPE:
		if (end - p > 1 && p[1] == '|')
			return lex_token(l, x, p + 2, l->mode->flags & SCAN_PIPES_AS_CONCAT ? T_CONCAT : T_PIPES);
		return lex_token(l, x, p + 1, '|');
	case CC_COLON:
		if (end - p > 1 && p[1] == '=')
			return lex_token(l, x, p + 2, T_ASSIGN);
		return lex_token(l, x, p + 1, ':');
	case CC_QUESTION: return lex_token(l, x, p + 1, T_PARAM);
	case CC_BACKSLASH:
		if (end - p > 1 && p[1] == 'N')
			return lex_token(l, x, p + 2, T_NULL);
		return lex_broken(l, "byte that begins no token");
	default: return lex_broken(l, "byte that begins no token");
	}
}

#endif
