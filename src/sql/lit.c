/* sql/lit.c - the value of a literal, and a value as a literal again.
 * For the planner (keys), the executor (ids, evaluated values) and tests.
 * Pure. */
#include "keyway/sql/lit.h"
#include "lex.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static int no_room(struct err *err)
{
	return err_set(
		err, ERR_LIMIT, ER_NET_PACKET_TOO_LARGE, "A literal is larger than the memory for the statement");
}

/* @neg and digits @text as the smallest kind that holds them. */
static int int_value(struct str text, bool negative, struct arena *a, struct sql_value *out, struct err *err)
{
	uint64_t u;
	char *p;

	while (text.n > 1 && text.p[0] == '0') {
		text.p++;
		text.n--;
	}
	if (str_to_u64(text, &u) == 0) {
		if (!negative && u > INT64_MAX)
			*out = (struct sql_value){ .kind = SQL_V_UINT, .u = u };
		else if (!negative || u <= (uint64_t)INT64_MAX + 1)
			*out = (struct sql_value){ .kind = SQL_V_INT, .i = (int64_t)(negative ? 0 - u : u) };
		else
			goto decimal;
		return 0;
	}
decimal:
	if (!negative) {
		*out = (struct sql_value){ .kind = SQL_V_DECIMAL, .s = text };
		return 0;
	}
	p = arena_try_alloc(a, text.n + 1);
	if (!p)
		return no_room(err);
	p[0] = '-';
	memcpy(p + 1, text.p, text.n);
	*out = (struct sql_value){ .kind = SQL_V_DECIMAL, .s = str_make(p, text.n + 1) };
	return 0;
}

static int decimal_value(struct str text, bool negative, struct arena *a, struct sql_value *out, struct err *err)
{
	char *p;

	if (!negative) {
		*out = (struct sql_value){ .kind = SQL_V_DECIMAL, .s = text };
		return 0;
	}
	p = arena_try_alloc(a, text.n + 1);
	if (!p)
		return no_room(err);
	p[0] = '-';
	memcpy(p + 1, text.p, text.n);
	*out = (struct sql_value){ .kind = SQL_V_DECIMAL, .s = str_make(p, text.n + 1) };
	return 0;
}

static int double_value(struct str text, bool negative, struct arena *a, struct sql_value *out, struct err *err)
{
	char *p = arena_try_alloc(a, text.n + 1);
	double f;

	if (!p)
		return no_room(err);
	memcpy(p, text.p, text.n);
	p[text.n] = 0;
	f = strtod(p, NULL);
	if (isinf(f))
		return err_set(err, ERR_SYNTAX, ER_ILLEGAL_VALUE_FOR_TYPE,
			"Illegal double '%.*s' value found during parsing", (int)MIN(text.n, 64), text.p);
	*out = (struct sql_value){ .kind = SQL_V_DOUBLE, .f = negative ? -f : f };
	return 0;
}

static char unescape(char c)
{
	switch (c) {
	case '0': return 0;
	case 'n': return '\n';
	case 't': return '\t';
	case 'r': return '\r';
	case 'b': return '\b';
	case 'Z': return '\032';
	default: return c;
	}
}

static int string_value(struct str text, unsigned flags, const struct scan_mode *mode, struct arena *a,
	struct sql_value *out, struct err *err)
{
	const char *p, *end;
	char *w, *start, q;

	if (flags & LIT_F_NATIONAL)
		text = str_make(text.p + 1, text.n - 1);
	q = text.p[0];
	text = str_make(text.p + 1, text.n - 2);
	if (!(flags & LIT_F_ESCAPED)) {
		*out = (struct sql_value){ .kind = SQL_V_BYTES, .s = text };
		return 0;
	}
	start = w = arena_try_alloc(a, text.n ? text.n : 1);
	if (!w)
		return no_room(err);
	for (p = text.p, end = p + text.n; p < end;) {
		size_t n = lex_char_len(mode->charset, p, end);

		if (n > 1) {
			memcpy(w, p, n);
			w += n;
			p += n;
		} else if (*p == '\\' && !(mode->flags & SCAN_NO_BACKSLASH_ESCAPES) && p + 1 < end) {
			p++;
			n = lex_char_len(mode->charset, p, end);
			if (n > 1) {
				memcpy(w, p, n);
				w += n;
				p += n;
				continue;
			}
			/* \% and \_ keep their backslash: they mean something to LIKE */
			if (*p == '%' || *p == '_')
				*w++ = '\\';
			*w++ = unescape(*p++);
		} else {
			/* a doubled quote is one */
			p += *p == q && p + 1 < end && p[1] == q;
			*w++ = *p++;
		}
	}
	*out = (struct sql_value){ .kind = SQL_V_BYTES, .s = str_make(start, (size_t)(w - start)) };
	return 0;
}

static unsigned hex_digit(char c)
{
	return (uint8_t)c <= '9' ? (unsigned)(c - '0') : (unsigned)((c | 0x20) - 'a' + 10);
}

/* X'41', 0x41 (an odd number of digits is filled up with a zero on the left), B'0101', 0b0101. */
static int bits_value(struct str text, unsigned per_digit, struct arena *a, struct sql_value *out, struct err *err)
{
	bool quoted = text.n >= 2 && text.p[1] == '\'';
	const char *p = text.p + 2;
	size_t digits = text.n - 2 - quoted, n = (digits * per_digit + 7) / 8;
	uint8_t *w = arena_try_alloc(a, n ? n : 1);
	size_t bit = n * 8 - digits * per_digit;

	if (!w)
		return no_room(err);
	if (quoted && per_digit == 4 && digits % 2)
		return err_set(err, ERR_SYNTAX, ER_PARSE_ERROR,
			"You have an error in your SQL syntax: a hex literal with an odd number of digits");
	memset(w, 0, n);
	for (size_t i = 0; i < digits; i++, bit += per_digit)
		w[bit / 8] |= (uint8_t)(hex_digit(p[i]) << (8 - per_digit - bit % 8));
	*out = (struct sql_value){ .kind = SQL_V_BINARY, .s = str_make((char *)w, n) };
	return 0;
}

int sql_lit_value(struct str text, enum lit_kind kind, unsigned flags, bool negative, const struct scan_mode *mode,
	struct arena *a, struct sql_value *out, struct err *err)
{
	switch (kind) {
	case LIT_INT: return int_value(text, negative, a, out, err);
	case LIT_DECIMAL: return decimal_value(text, negative, a, out, err);
	case LIT_FLOAT: return double_value(text, negative, a, out, err);
	case LIT_STRING: return string_value(text, flags, mode, a, out, err);
	case LIT_HEX: return bits_value(text, 4, a, out, err);
	case LIT_BIT: return bits_value(text, 1, a, out, err);
	case LIT_NULL: *out = (struct sql_value){ .kind = SQL_V_NULL }; return 0;
	case LIT_TRUE:
	case LIT_FALSE: *out = (struct sql_value){ .kind = SQL_V_INT, .i = kind == LIT_TRUE }; return 0;
	default:
		return err_set(
			err, ERR_UNSUPPORTED, ER_NOT_SUPPORTED_YET, "This is no literal: it has no value of its own");
	}
}

static void print_hex(struct buf *b, struct str s)
{
	static const char hex[] = "0123456789abcdef";
	uint8_t *w;

	if (s.n == 0) {
		buf_addz(b, "X''");
		return;
	}
	w = buf_reserve(b, 3 + 2 * s.n);
	*w++ = 'X';
	*w++ = '\'';
	for (size_t i = 0; i < s.n; i++) {
		*w++ = (uint8_t)hex[(uint8_t)s.p[i] >> 4];
		*w++ = (uint8_t)hex[(uint8_t)s.p[i] & 15];
	}
	*w = '\'';
	buf_wrote(b, 3 + 2 * s.n);
}

static void print_string(struct buf *b, struct str s, const struct scan_mode *mode, struct str introducer)
{
	bool backslash = !(mode->flags & SCAN_NO_BACKSLASH_ESCAPES);
	uint8_t *w;
	size_t n = 2;

	if (mode->charset != SCAN_CS_SAFE)
		for (size_t i = 0; i < s.n; i++)
			if ((uint8_t)s.p[i] >= 0x80) {
				if (introducer.n) {
					buf_addz(b, "_");
					buf_add_str(b, introducer);
					buf_addz(b, " ");
				}
				print_hex(b, s);
				return;
			}
	w = buf_reserve(b, 2 + 2 * s.n);
	*w++ = '\'';
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (c == '\'' || (c == '\\' && backslash)) {
			*w++ = (uint8_t)c;
			n++;
		} else if (c == 0 && backslash) {
			*w++ = '\\';
			c = '0';
			n++;
		}
		*w++ = (uint8_t)c;
		n++;
	}
	*w = '\'';
	buf_wrote(b, n);
}

/* The shortest text that reads back as @f, always with an exponent so that it is no decimal. */
static void print_double(struct buf *b, double f)
{
	char text[40];

	for (int digits = 15; digits <= 17; digits++) {
		snprintf(text, sizeof(text), "%.*e", digits - 1, f);
		if (strtod(text, NULL) == f)
			break;
	}
	for (char *p = text; *p; p++)
		if (*p == ',') /* a locale's decimal sign */
			*p = '.';
	buf_addz(b, text);
}

void sql_lit_print(struct buf *b, const struct sql_value *v, const struct scan_mode *mode, struct str introducer)
{
	switch (v->kind) {
	case SQL_V_INT: buf_addf(b, "%lld", (long long)v->i); break;
	case SQL_V_UINT: buf_addf(b, "%llu", (unsigned long long)v->u); break;
	case SQL_V_DECIMAL: buf_add_str(b, v->s); break;
	case SQL_V_DOUBLE: print_double(b, v->f); break;
	case SQL_V_BYTES: print_string(b, v->s, mode, introducer); break;
	case SQL_V_BINARY: print_hex(b, v->s); break;
	default: buf_addz(b, "NULL"); break;
	}
}

void sql_ident_print(struct buf *b, struct str name, const struct scan_mode *mode)
{
	const char *p = name.p, *end = p + name.n;

	buf_add_u8(b, '`');
	while (p < end) {
		size_t n = lex_char_len(mode->charset, p, end);

		if (n == 1 && *p == '`')
			buf_add_u8(b, '`');
		if (mode->charset != SCAN_CS_SAFE && lex_is_stray(mode->charset, p, end))
			buf_add_u8(b, '?');
		else
			buf_add(b, p, n);
		p += n;
	}
	buf_add_u8(b, '`');
}
