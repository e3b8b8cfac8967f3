/* sql/lex.c - the parts of the lexer that are not met in every statement: comments, numbers, prefixes, escapes,
 * characters of more than one byte.
 * For scan.c and rows.c. Pure. */
#include "lex.h"

#define SP  CC_SPACE
#define WO  (CC_WORD | CC_IDENT)
#define DI  (CC_DIGIT | CC_IDENT)
#define SE  CC_SELF
#define W16 WO, WO, WO, WO, WO, WO, WO, WO, WO, WO, WO, WO, WO, WO, WO, WO

/* clang-format off */
const uint8_t lex_cc[256] = {
	0, 0, 0, 0, 0, 0, 0, 0, 0, SP, SP, SP, SP, SP, 0, 0, /* 00 */
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, /* 10 */
	SP, CC_BANG, CC_DQUOTE, CC_HASH, WO, SE, CC_AMP, CC_STRING, /* space ! " # $ % & ' */
	SE, SE, CC_STAR, SE, SE, CC_MINUS, CC_DOT, CC_SLASH, /* ( ) * + , - . / */
	DI, DI, DI, DI, DI, DI, DI, DI, DI, DI, CC_COLON, SE, CC_LESS, SE, CC_GREATER, CC_QUESTION, /* 0-9 : ; < = > ? */
	CC_AT, WO, WO, WO, WO, WO, WO, WO, WO, WO, WO, WO, WO, WO, WO, WO, /* @ A-O */
	WO, WO, WO, WO, WO, WO, WO, WO, WO, WO, WO, 0, CC_BACKSLASH, 0, SE, WO, /* P-Z [ \ ] ^ _ */
	CC_BACKTICK, WO, WO, WO, WO, WO, WO, WO, WO, WO, WO, WO, WO, WO, WO, WO, /* ` a-o */
	WO, WO, WO, WO, WO, WO, WO, WO, WO, WO, WO, SE, CC_PIPE, SE, SE, 0, /* p-z { | } ~ */
	W16, W16, W16, W16, W16, W16, W16, W16, /* 80-ff */
};
/* clang-format on */

void lex_init(struct lex *l, struct str text, const struct scan_mode *mode)
{
	*l = (struct lex){ .base = text.p, .p = text.p, .end = text.p + text.n, .mode = mode };
	if (mode->family == SCAN_MARIADB)
		l->reserved = KWF_RES_MARIA;
	else
		l->reserved = KWF_RES_MYSQL | (mode->server_version < 80000 ? 0 : KWF_RES_MYSQL8);
}

size_t lex_char_len(uint8_t charset, const char *p, const char *end)
{
	uint8_t a = (uint8_t)p[0], b;
	bool lead;

	if (a < 0x81 || a == 0xff || end - p < 2 || charset == SCAN_CS_SAFE)
		return 1;
	b = (uint8_t)p[1];
	switch (charset) {
	case SCAN_CS_SJIS: lead = (a <= 0x9f || (a >= 0xe0 && a <= 0xfc)) && b <= 0xfc; break;
	case SCAN_CS_BIG5: lead = a >= 0xa1 && a <= 0xf9 && (b < 0x7f || b >= 0xa1); break;
	case SCAN_CS_GB18030:
		if (b >= 0x30 && b <= 0x39)
			return end - p >= 4 && (uint8_t)p[2] >= 0x81 && (uint8_t)p[2] <= 0xfe && lex_is_digit(p[3]) ? 4
														    : 1;
		lead = true;
		break;
	default: lead = true; break;
	}
	return lead && b >= 0x40 && b != 0x7f && b != 0xff ? 2 : 1;
}

bool lex_is_stray(uint8_t charset, const char *p, const char *end)
{
	uint8_t c = (uint8_t)*p;

	if (c < 0x80 || lex_char_len(charset, p, end) > 1)
		return false;
	/* half-width katakana are bytes of their own */
	return charset != SCAN_CS_SJIS || c < 0xa1 || c > 0xdf;
}

const char *lex_word_mb(const struct lex *l, const char *p)
{
	while (p < l->end && lex_is_ident(*p) && !lex_is_stray(l->mode->charset, p, l->end))
		p += lex_char_len(l->mode->charset, p, l->end);
	return p;
}

const char *lex_string_slow(const struct lex *l, const char *p, char q, uint8_t *lit_flags)
{
	bool backslash = !(l->mode->flags & SCAN_NO_BACKSLASH_ESCAPES);
	bool safe = l->mode->charset == SCAN_CS_SAFE;

	while (p < l->end) {
		if (safe) {
			p = lex_find2(p, l->end, q, backslash ? '\\' : q);
			if (p == l->end)
				break;
		} else if ((uint8_t)*p >= 0x80) {
			p += lex_char_len(l->mode->charset, p, l->end);
			continue;
		}
		if (*p == q) {
			if (p + 1 == l->end || p[1] != q)
				return p + 1;
			*lit_flags |= LIT_F_ESCAPED;
			p += 2;
		} else if (*p == '\\' && backslash) {
			*lit_flags |= LIT_F_ESCAPED;
			p++;
			if (p < l->end)
				p += lex_char_len(l->mode->charset, p, l->end);
		} else {
			p++;
		}
	}
	return NULL;
}

const char *lex_quoted_name(const struct lex *l, const char *p, char q)
{
	while (p < l->end) {
		if (*p == q) {
			if (p + 1 == l->end || p[1] != q)
				return p + 1;
			p += 2;
		} else if (l->mode->charset != SCAN_CS_SAFE && lex_is_stray(l->mode->charset, p, l->end)) {
			/* printed again it could swallow the quote */
			return NULL;
		} else {
			p += lex_char_len(l->mode->charset, p, l->end);
		}
	}
	return NULL;
}

static const char *find_comment_end(const char *p, const char *end)
{
	while (end - p >= 2) {
		p = memchr(p, '*', (size_t)(end - p) - 1);
		if (!p)
			return NULL;
		if (p[1] == '/')
			return p + 2;
		p++;
	}
	return NULL;
}

/* An executable comment that does not apply may hold comments of its own, one level deep. */
static const char *find_skipped_end(const char *p, const char *end)
{
	for (; end - p >= 2; p++) {
		if (p[0] == '*' && p[1] == '/')
			return p + 2;
		if (p[0] == '/' && p[1] == '*') {
			p = find_comment_end(p + 2, end);
			if (!p)
				return NULL;
			p--;
		}
	}
	return NULL;
}

static unsigned lex_exec_comment(struct lex *l, const char *p, bool maria_only)
{
	const struct scan_mode *m = l->mode;
	bool applies = !maria_only || m->family == SCAN_MARIADB;
	uint32_t version = 0;
	int n = 0, most = m->family == SCAN_MARIADB || m->server_version >= 80100 ? 6 : 5;
	const char *d = p;

	while (n < most && d < l->end && lex_is_digit(*d)) {
		version = version * 10 + (uint32_t)(*d++ - '0');
		n++;
	}
	if (n >= 5) {
		p = d;
		applies = applies && version <= m->server_version;
		/* MariaDB's rule: these are versions of MySQL that it does not follow */
		if (m->family == SCAN_MARIADB && !maria_only && version >= 50700 && version <= 99999)
			applies = false;
	}
	if (applies) {
		l->seen |= SCAN_F_EXEC_COMMENT;
		l->in_exec = true;
		l->p = p;
		return LEX_END;
	}
	l->seen |= SCAN_F_SKIPPED_COMMENT;
	p = find_skipped_end(p, l->end);
	if (!p)
		return lex_broken(l, "unterminated comment");
	l->p = p;
	return LEX_END;
}

/* @p, behind blanks, goes on with @word, whatever its case: the byte behind that, else NULL. */
static const char *behind_word(const char *p, const char *end, const char *word)
{
	size_t n = strlen(word);

	while (p < end && lex_is_space(*p))
		p++;
	return (size_t)(end - p) >= n && strncasecmp(p, word, n) == 0 ? p + n : NULL;
}

/* What the comment between @p and @end, its last two bytes, tells Keyway. */
static uint32_t hint_of(const char *p, const char *end)
{
	static const struct {
		const char *word;
		uint32_t flag;
	} hints[] = {
		{ "primary", SCAN_F_READS_PRIMARY },
		{ "replica", SCAN_F_READS_REPLICA },
		{ "causal", SCAN_F_READS_CAUSAL },
	};
	const char *q;

	p = behind_word(p, end, "keyway:");
	if (LIKELY(!p))
		return 0;
	p = behind_word(p, end, "reads=");
	for (size_t i = 0; p && i < ARRAY_N(hints); i++) {
		q = behind_word(p, end, hints[i].word);
		if (q && behind_word(q, end, "*/"))
			return hints[i].flag;
	}
	return SCAN_F_BAD_HINT;
}

unsigned lex_comment(struct lex *l, struct lexeme *x)
{
	const char *p = l->p, *end = l->end, *e;

	if (*p != '/') {
		e = memchr(p, '\n', (size_t)(end - p));
		l->p = e ? e + 1 : end;
		return LEX_END;
	}
	if (end - p >= 3 && p[2] == '!')
		return lex_exec_comment(l, p + 3, false);
	if (end - p >= 4 && p[2] == 'M' && p[3] == '!' && l->mode->family == SCAN_MARIADB)
		return lex_exec_comment(l, p + 4, true);
	e = find_comment_end(p + 2, end);
	if (!e)
		return lex_broken(l, "unterminated comment");
	if (p[2] == '+' && e - p >= 5 &&
		(l->prev == T_SELECT || l->prev == T_INSERT || l->prev == T_REPLACE || l->prev == T_UPDATE ||
			l->prev == T_DELETE)) {
		l->seen |= SCAN_F_HINT;
		return lex_token(l, x, e, T_HINT);
	}
	l->seen |= hint_of(p + 2, e);
	l->p = e;
	return LEX_END;
}

static const char *digits(const char *p, const char *end)
{
	while (p < end && lex_is_digit(*p))
		p++;
	return p;
}

/* Behind e, an optional sign and digits; NULL when that is not what stands at @p. */
static const char *exponent(const char *p, const char *end)
{
	if (p == end || (*p | 0x20) != 'e')
		return NULL;
	p++;
	if (p < end && (*p == '+' || *p == '-'))
		p++;
	return p < end && lex_is_digit(*p) ? digits(p, end) : NULL;
}

unsigned lex_number(struct lex *l, struct lexeme *x)
{
	const char *p = l->p, *end = l->end, *e = digits(p, end), *q;

	if (e - p == 1 && *p == '0' && e < end && (*e == 'x' || *e == 'b')) {
		bool hex = *e == 'x';

		q = e + 1;
		while (q < end &&
			(hex ? lex_is_digit(*q) || ((*q | 0x20) >= 'a' && (*q | 0x20) <= 'f') : *q == '0' || *q == '1'))
			q++;
		if (q > e + 1 && (q == end || !lex_is_ident(*q)))
			return lex_token(l, x, q, hex ? T_HEX : T_BIT);
	}
	if (e > p && e < end && lex_is_ident(*e)) {
		/* 1e5 is a number, but 1e5x and 1abc are names; behind 1e+ nothing else is possible */
		q = exponent(e, end);
		if (q && (e[1] == '+' || e[1] == '-' || q == end || !lex_is_ident(*q)))
			return lex_token(l, x, q, T_FLOAT);
		return lex_token(l, x, lex_word_end(l, p), T_IDENT);
	}
	if (e == end || *e != '.')
		return lex_token(l, x, e, T_INT);
	e = digits(e + 1, end);
	q = exponent(e, end);
	return q ? lex_token(l, x, q, T_FLOAT) : lex_token(l, x, e, T_DECIMAL);
}

static const char *const charset_names[] = { "utf8mb4", "utf8", "utf8mb3", "binary", "latin1", "ascii", "ucs2", "utf16",
	"utf16le", "utf32", "big5", "dec8", "cp850", "hp8", "koi8r", "latin2", "swe7", "ujis", "sjis", "hebrew",
	"tis620", "euckr", "koi8u", "gb2312", "greek", "cp1250", "gbk", "latin5", "armscii8", "cp866", "keybcs2",
	"macce", "macroman", "cp852", "latin7", "cp1251", "cp1256", "cp1257", "geostd8", "cp932", "eucjpms", "gb18030",
	"filename" };

bool lex_charset_known(const char *p, size_t n)
{
	for (size_t i = 0; i < ARRAY_N(charset_names); i++)
		if (str_ieqz(str_make(p, n), charset_names[i]))
			return true;
	return false;
}

unsigned lex_prefixed(struct lex *l, struct lexeme *x)
{
	const char *p = l->p, *e;

	switch (*p) {
	case '_':
		e = lex_word_end(l, p);
		if (!lex_charset_known(p + 1, (size_t)(e - p) - 1))
			return 0;
		return lex_token(l, x, e, T_INTRODUCER);
	case 'n':
	case 'N':
		e = lex_string(l, p + 2, '\'', &x->lit_flags);
		if (!e)
			return lex_broken(l, "unterminated string");
		x->lit_flags |= LIT_F_NATIONAL;
		return lex_token(l, x, e, T_STRING);
	case 'x':
	case 'X':
		for (e = p + 2; e < l->end && (lex_is_digit(*e) || ((*e | 0x20) >= 'a' && (*e | 0x20) <= 'f'));)
			e++;
		if (e == l->end || *e != '\'' || (e - p) % 2)
			return lex_broken(l, "malformed hex literal");
		return lex_token(l, x, e + 1, T_HEX);
	case 'b':
	case 'B':
		for (e = p + 2; e < l->end && (*e == '0' || *e == '1');)
			e++;
		if (e == l->end || *e != '\'')
			return lex_broken(l, "malformed bit literal");
		return lex_token(l, x, e + 1, T_BIT);
	default: return 0;
	}
}

unsigned lex_at(struct lex *l, struct lexeme *x)
{
	const char *p = l->p, *e = p + 1;
	char c = e < l->end ? *e : 0;

	if (c == '@') {
		l->name_next = e + 1 < l->end && lex_is_ident(e[1]);
		return lex_token(l, x, e + 1, T_ATAT);
	}
	if (c == '\'' || c == '"') {
		uint8_t flags = 0;

		e = c == '"' && l->mode->flags & SCAN_ANSI_QUOTES ? lex_quoted_name(l, e + 1, c)
								  : lex_string(l, e + 1, c, &flags);
		return e ? lex_token(l, x, e, T_UVAR) : lex_broken(l, "unterminated string");
	}
	if (c == '`') {
		e = lex_quoted_name(l, e + 1, c);
		return e ? lex_token(l, x, e, T_UVAR) : lex_broken(l, "unterminated quoted name");
	}
	while (e < l->end && (*e == '.' || lex_is_ident(*e))) {
		const char *more = *e == '.' ? e + 1 : lex_word_end(l, e);

		if (more == e)
			break;
		e = more;
	}
	return e > p + 1 ? lex_token(l, x, e, T_UVAR) : lex_token(l, x, e, '@');
}
