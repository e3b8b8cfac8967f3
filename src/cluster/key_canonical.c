/* key_canonical.c - which values a column calls equal: numbers, decimals, texts, bytes, dates.
 * For the sharding functions; the rules are those of MySQL's comparison and of its assignment.
 * Pure; any thread. */
#include "key_canonical.h"
#include <stdio.h>

#define DOUBLE_EXACT   (UINT64_C(1) << 53) /* below it doubles and integers are one to one */
#define DOUBLE_DIGITS  15		   /* decimals of so many digits are one to one with doubles */
#define DECIMAL_DIGITS 65		   /* MySQL's DECIMAL holds no more */
#define UNKNOWN(...)   (err_set(err, ERR_KEY, ER_NOT_SUPPORTED_YET, __VA_ARGS__), ROUTE_UNKNOWN)

/* A number as written: the digits before and behind the point, without leading and trailing zeros. */
struct written {
	bool negative;
	struct str whole, part;
};

static bool parse_written(struct str s, struct written *out)
{
	const char *p = s.p, *end = s.p + s.n, *start;
	bool digits;

	*out = (struct written){ 0 };
	if (s.n == 0)
		return false;
	if (*p == '-' || *p == '+')
		out->negative = *p++ == '-';
	for (start = p; p < end && *p >= '0' && *p <= '9'; p++)
		;
	digits = p > start;
	while (start < p && *start == '0')
		start++;
	out->whole = str_make(start, (size_t)(p - start));
	if (p < end && *p == '.') {
		const char *last = ++p;

		for (start = p; p < end && *p >= '0' && *p <= '9'; p++) {
			digits = true;
			if (*p != '0')
				last = p + 1;
		}
		out->part = str_make(start, (size_t)(last - start));
	}
	if (out->whole.n == 0 && out->part.n == 0)
		out->negative = false;
	return digits && p == end;
}

static struct str trim_spaces(struct str s)
{
	while (s.n && s.p[0] == ' ')
		s = str_make(s.p + 1, s.n - 1);
	while (s.n && s.p[s.n - 1] == ' ')
		s.n--;
	return s;
}

/* x'31' is the number 49 to an integer column and the text 1 to another: bytes are no numbers here. */
static bool is_number_text(const struct key_value *v)
{
	return v->kind == KEY_VALUE_TEXT && v->charset != CHARSET_BINARY && v->charset != CHARSET_OTHER;
}

static bool written_of(const struct key_value *v, struct written *out)
{
	return (v->kind == KEY_VALUE_DECIMAL || is_number_text(v)) &&
	       parse_written(v->kind == KEY_VALUE_TEXT ? trim_spaces(v->text) : v->text, out) &&
	       out->whole.n + out->part.n <= DECIMAL_DIGITS;
}

static bool exact_of_double(double d, struct exact *out)
{
	int64_t whole;

	/* also false for what is no number */
	if (!(d > -(double)DOUBLE_EXACT && d < (double)DOUBLE_EXACT))
		return false;
	whole = (int64_t)d;
	out->magnitude = (uint64_t)(whole < 0 ? -whole : whole);
	out->negative = d < 0;
	out->fraction = (double)whole != d;
	return true;
}

bool key_value_exact(const struct key_value *v, bool as_double, struct exact *out)
{
	struct written w;

	*out = (struct exact){ 0 };
	switch (v->kind) {
	case KEY_VALUE_INT:
		out->negative = v->i64 < 0;
		out->magnitude = out->negative ? 0 - (uint64_t)v->i64 : (uint64_t)v->i64;
		return true;
	case KEY_VALUE_UINT: out->magnitude = v->u64; return true;
	case KEY_VALUE_DOUBLE: return exact_of_double(v->f64, out);
	case KEY_VALUE_DECIMAL:
	case KEY_VALUE_TEXT:
		if (!written_of(v, &w))
			return false;
		out->negative = w.negative;
		out->fraction = w.part.n > 0;
		out->overflow = w.whole.n && str_to_u64(w.whole, &out->magnitude) < 0;
		/* a long fraction may round to a whole double */
		return v->kind == KEY_VALUE_DECIMAL || !as_double ||
		       (!out->overflow && out->magnitude < DOUBLE_EXACT && w.whole.n + w.part.n <= DOUBLE_DIGITS) ||
		       (!out->overflow && out->magnitude < DOUBLE_EXACT && !w.part.n);
	case KEY_VALUE_NULL:
	case KEY_VALUE_OTHER: break;
	}
	return false;
}

/* Does the number fit an integer column of @type? */
static bool int_in_range(const struct key_type *type, const struct exact *e)
{
	uint64_t top = UINT64_MAX >> (64 - type->bits);

	if (e->overflow)
		return false;
	if (type->is_unsigned)
		return !e->negative && e->magnitude <= top;
	return e->magnitude <= top / 2 + e->negative;
}

static enum route_result canonical_int(const struct key_type *type, enum route_use use, const struct key_value *v,
	struct key_canonical *out, struct err *err)
{
	struct exact e;

	if (!key_value_exact(v, use == ROUTE_COMPARE, &e))
		return UNKNOWN("the value for the integer shard key is not a plain number; write it in digits");
	if (!e.fraction && use == ROUTE_COMPARE && !int_in_range(type, &e))
		return ROUTE_NONE;
	/* compared with a fraction, servers may round it when they look it up in an index: any row may match */
	if (e.fraction || !int_in_range(type, &e))
		return UNKNOWN(
			"the value for the shard key does not fit its integer column; the server would change it");
	out->is_int = true;
	out->above = !e.negative && e.magnitude > INT64_MAX;
	out->bits = e.negative ? 0 - e.magnitude : e.magnitude;
	return ROUTE_KEY;
}

/* Canonical: a whole number of 64 bits as an integer column has it, anything else as its shortest text. */
static enum route_result canonical_decimal(const struct key_type *type, enum route_use use, const struct key_value *v,
	struct key_canonical *out, struct err *err)
{
	char digits[24];
	struct key_value text = *v;
	struct written w;
	int64_t i64;
	size_t n;

	if (v->kind == KEY_VALUE_INT || v->kind == KEY_VALUE_UINT) {
		n = (size_t)(v->kind == KEY_VALUE_INT
				     ? snprintf(digits, sizeof(digits), "%lld", (long long)v->i64)
				     : snprintf(digits, sizeof(digits), "%llu", (unsigned long long)v->u64));
		text = key_value_decimal(str_make(digits, n));
	}
	if (!written_of(&text, &w))
		return UNKNOWN("the value for the decimal shard key is not a plain number; write it in digits");
	if (use == ROUTE_COMPARE && v->kind == KEY_VALUE_TEXT &&
		(type->precision > DOUBLE_DIGITS || w.whole.n + w.part.n > DOUBLE_DIGITS))
		return UNKNOWN("a decimal shard key compared with a text is compared as a double; write a number");
	if (w.part.n > type->scale || w.whole.n > (size_t)(type->precision - type->scale) ||
		(w.negative && type->is_unsigned))
		return UNKNOWN(
			"the value for the shard key does not fit its decimal column; the server would change it");
	n = 0;
	if (w.negative)
		out->scratch[n++] = '-';
	memcpy(out->scratch + n, w.whole.p, w.whole.n);
	n += w.whole.n;
	if (w.part.n) {
		out->scratch[n++] = '.';
		memcpy(out->scratch + n, w.part.p, w.part.n);
		n += w.part.n;
	} else if (!w.whole.n) {
		out->scratch[n++] = '0';
	}
	out->p = out->scratch;
	out->n = n;
	if (!w.part.n && str_to_i64(str_make((char *)out->scratch, n), &i64) == 0) {
		out->is_int = true;
		out->bits = (uint64_t)i64;
	}
	return ROUTE_KEY;
}

/* Integers stored into text become their digits; false when @v is neither text nor integer. */
static bool text_of(const struct key_value *v, enum route_use use, char digits[24], struct str *out, enum charset *cs)
{
	if (v->kind == KEY_VALUE_TEXT) {
		*out = v->text;
		*cs = v->charset;
		return true;
	}
	if (use == ROUTE_COMPARE || (v->kind != KEY_VALUE_INT && v->kind != KEY_VALUE_UINT))
		return false;
	*cs = CHARSET_ASCII;
	out->p = digits;
	out->n = (size_t)(v->kind == KEY_VALUE_INT ? snprintf(digits, 24, "%lld", (long long)v->i64)
						   : snprintf(digits, 24, "%llu", (unsigned long long)v->u64));
	return true;
}

static bool text_fits(const struct key_type *type, enum charset from, struct str text)
{
	enum charset to = collation_charset(type->collation);
	int64_t chars, bytes;

	if (from == CHARSET_BINARY)
		from = to;
	chars = charset_length(from, text);
	bytes = charset_length_in(from, to, text);
	return chars >= 0 && bytes >= 0 && (uint64_t)chars <= type->length_max &&
	       (uint64_t)bytes <= type->length_max_bytes;
}

static enum route_result canonical_text(const struct key_type *type, enum route_use use, const struct key_value *v,
	struct key_canonical *out, struct err *err)
{
	char digits[24];
	struct str text;
	enum charset cs;
	int64_t n;

	if (!text_of(v, use, digits, &text, &cs))
		return UNKNOWN("the shard key is text, but the value is a number or a date: quote it");
	if (text.n > KEY_TEXT_MAX)
		return UNKNOWN(
			"the value for the shard key has %zu bytes; at most %d can be routed", text.n, KEY_TEXT_MAX);
	if (use == ROUTE_STORE && !text_fits(type, cs, text))
		return UNKNOWN("the value for the shard key does not fit its column or character set; the server would "
			       "change it");
	n = collation_canonical(type->collation, cs, text, type->strip, out->scratch, sizeof(out->scratch));
	if (n < 0)
		return UNKNOWN(
			"the value for the shard key has characters whose equality under %s Keyway does not know; "
			"use a _bin collation for the key column",
			collation_name(type->collation));
	out->p = out->scratch;
	out->n = (size_t)n;
	return ROUTE_KEY;
}

static enum route_result canonical_bytes(const struct key_type *type, enum route_use use, const struct key_value *v,
	struct key_canonical *out, struct err *err)
{
	struct str text;
	enum charset cs;

	if (!text_of(v, use, (char *)out->scratch, &text, &cs))
		return UNKNOWN("the shard key is a byte string, but the value is a number or a date: quote it");
	if (use == ROUTE_STORE && text.n > type->length_max)
		return UNKNOWN(
			"the value for the shard key has %zu bytes, its column holds %llu; the server would change it",
			text.n, (unsigned long long)type->length_max);
	if (type->family == KEY_BYTES_0) {
		while (text.n && text.p[text.n - 1] == '\0')
			text.n--;
	}
	out->p = (const uint8_t *)text.p;
	out->n = text.n;
	return ROUTE_KEY;
}

static bool number_at(struct str s, size_t at, size_t n, unsigned *out)
{
	*out = 0;
	if (s.n < at + n)
		return false;
	for (size_t i = at; i < at + n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		*out = *out * 10 + (unsigned)(s.p[i] - '0');
	}
	return true;
}

static bool char_at(struct str s, size_t at, char c)
{
	return s.n > at && s.p[at] == c;
}

static bool date_valid(unsigned y, unsigned m, unsigned d)
{
	static const uint8_t days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = (y % 4 == 0 && y % 100) || y % 400 == 0;

	return y >= 1 && m >= 1 && m <= 12 && d >= 1 && d <= days[m - 1] + (m == 2 && leap ? 1u : 0u);
}

/* Exactly YYYY-MM-DD[ HH:MM:SS[.ffffff]] of a day that exists; *@digits: of the fraction, without trailing zeros. */
static bool parse_datetime(struct str s, uint64_t *date, uint64_t *time, unsigned *digits)
{
	unsigned y, mo, d, h = 0, mi = 0, sec = 0, us = 0;

	*digits = 0;
	if (!number_at(s, 0, 4, &y) || !char_at(s, 4, '-') || !number_at(s, 5, 2, &mo) || !char_at(s, 7, '-') ||
		!number_at(s, 8, 2, &d) || !date_valid(y, mo, d))
		return false;
	if (s.n > 10 && (!char_at(s, 10, ' ') || !number_at(s, 11, 2, &h) || !char_at(s, 13, ':') ||
				!number_at(s, 14, 2, &mi) || !char_at(s, 16, ':') || !number_at(s, 17, 2, &sec)))
		return false;
	if (h > 23 || mi > 59 || sec > 59)
		return false;
	if (s.n > 19) {
		if (!char_at(s, 19, '.') || s.n == 20 || s.n > 26 || !number_at(s, 20, s.n - 20, &us))
			return false;
		for (*digits = (unsigned)(s.n - 20); *digits && s.p[19 + *digits] == '0'; (*digits)--)
			;
		for (size_t i = s.n - 20; i < 6; i++)
			us *= 10;
	}
	*date = (uint64_t)y << 9 | mo << 5 | d;
	*time = (uint64_t)(h * 3600 + mi * 60 + sec) << 20 | us;
	return true;
}

static enum route_result canonical_datetime(
	const struct key_type *type, const struct key_value *v, struct key_canonical *out, struct err *err)
{
	uint64_t date, time;
	unsigned digits;

	if (!is_number_text(v) || !parse_datetime(v->text, &date, &time, &digits))
		return UNKNOWN("write the value for the shard key as 'YYYY-MM-DD' or 'YYYY-MM-DD hh:mm:ss'");
	if (type->family == KEY_DATE ? time != 0 : digits > type->scale)
		return UNKNOWN("the value for the shard key is finer than its column; the server would change it");
	out->is_int = true;
	out->bits = date << 37 | time;
	return ROUTE_KEY;
}

enum route_result key_canonical(const struct key_type *type, enum route_use use, const struct key_value *v,
	struct key_canonical *out, struct err *err)
{
	out->is_int = out->above = false;
	if (v->kind == KEY_VALUE_NULL)
		return use == ROUTE_STORE ? ROUTE_NULL : ROUTE_NONE;
	if (v->kind == KEY_VALUE_OTHER)
		return UNKNOWN("the value for the shard key is of a kind whose comparison is left to the servers");
	switch (type->family) {
	case KEY_INT: return canonical_int(type, use, v, out, err);
	case KEY_DECIMAL: return canonical_decimal(type, use, v, out, err);
	case KEY_TEXT: return canonical_text(type, use, v, out, err);
	case KEY_BYTES:
	case KEY_BYTES_0: return canonical_bytes(type, use, v, out, err);
	case KEY_DATE:
	case KEY_DATETIME: return canonical_datetime(type, v, out, err);
	}
	return ROUTE_UNKNOWN;
}
