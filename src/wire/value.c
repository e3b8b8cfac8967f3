/* value.c - what binary parameters mean, and how to say the same in SQL.
 * For routing by parameters and for statements that are rewritten to text.
 * Pure, any thread. */
#include "keyway/wire/stmt.h"
#include <math.h>
#include <stdio.h>

#define TIME_HOURS_MAX 838

static double get_double(const uint8_t *p)
{
	uint64_t bits = get_u64(p);
	double d;

	memcpy(&d, &bits, sizeof(d));
	return d;
}

static double get_float(const uint8_t *p)
{
	uint32_t bits = get_u32(p);
	float f;

	memcpy(&f, &bits, sizeof(f));
	return (double)f;
}

static int read_date(struct str raw, bool with_time, struct value_time *t)
{
	struct rd r = rd_make(raw.p, raw.n);

	memset(t, 0, sizeof(*t));
	if (raw.n >= 4) {
		t->year = rd_u16(&r);
		t->month = rd_u8(&r);
		t->day = rd_u8(&r);
	}
	if (raw.n >= 7 && with_time) {
		t->hour = rd_u8(&r);
		t->minute = rd_u8(&r);
		t->second = rd_u8(&r);
	}
	if (raw.n >= 11 && with_time)
		t->micro = rd_u32(&r);
	if (t->year > 9999 || t->month > 12 || t->day > 31 || t->hour > 23)
		return -1;
	return t->minute > 59 || t->second > 59 || t->micro > 999999 ? -1 : 0;
}

static int read_time(struct str raw, struct value_time *t)
{
	struct rd r = rd_make(raw.p, raw.n);
	uint32_t days = 0;

	memset(t, 0, sizeof(*t));
	if (raw.n >= 8) {
		t->negative = rd_u8(&r) != 0;
		days = rd_u32(&r);
		t->hour = rd_u8(&r);
		t->minute = rd_u8(&r);
		t->second = rd_u8(&r);
	}
	if (raw.n >= 12)
		t->micro = rd_u32(&r);
	if (days > TIME_HOURS_MAX / 24 || t->minute > 59 || t->second > 59 || t->micro > 999999)
		return -1;
	t->hour += days * 24;
	return t->hour > TIME_HOURS_MAX ? -1 : 0;
}

static void set_int(struct wire_value *v, bool is_unsigned, uint64_t u, int64_t i)
{
	v->kind = is_unsigned ? VALUE_UINT : VALUE_INT;
	if (is_unsigned)
		v->u.u = u;
	else
		v->u.i = i;
}

int param_value(const struct param *p, struct wire_value *out)
{
	const uint8_t *raw = (const uint8_t *)p->value.p;
	bool uns = p->type.is_unsigned;

	memset(out, 0, sizeof(*out));
	if (p->state == PARAM_NULL)
		return 0;
	switch (p->type.type) {
	case MYSQL_TYPE_TINY: set_int(out, uns, raw[0], (int8_t)raw[0]); return 0;
	case MYSQL_TYPE_SHORT:
	case MYSQL_TYPE_YEAR: set_int(out, uns, get_u16(raw), (int16_t)get_u16(raw)); return 0;
	case MYSQL_TYPE_LONG:
	case MYSQL_TYPE_INT24: set_int(out, uns, get_u32(raw), (int32_t)get_u32(raw)); return 0;
	case MYSQL_TYPE_LONGLONG: set_int(out, uns, get_u64(raw), (int64_t)get_u64(raw)); return 0;
	case MYSQL_TYPE_FLOAT:
		out->is_float = true;
		out->kind = VALUE_DOUBLE;
		out->u.d = get_float(raw);
		return 0;
	case MYSQL_TYPE_DOUBLE:
		out->kind = VALUE_DOUBLE;
		out->u.d = get_double(raw);
		return 0;
	case MYSQL_TYPE_DATE: out->kind = VALUE_DATE; return read_date(p->value, false, &out->u.t);
	case MYSQL_TYPE_DATETIME:
	case MYSQL_TYPE_TIMESTAMP: out->kind = VALUE_DATETIME; return read_date(p->value, true, &out->u.t);
	case MYSQL_TYPE_TIME: out->kind = VALUE_TIME; return read_time(p->value, &out->u.t);
	case MYSQL_TYPE_DECIMAL:
	case MYSQL_TYPE_NEWDECIMAL:
		out->kind = VALUE_DECIMAL;
		out->u.s = p->value;
		return 0;
	default:
		out->kind = VALUE_BYTES;
		out->u.s = p->value;
		return 0;
	}
}

void sql_quote(struct buf *out, struct str s, bool no_backslash)
{
	/* a byte becomes two at most */
	char *start = (char *)buf_reserve(out, 2 * s.n + 2), *to = start;

	*to++ = '\'';
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (c == '\'') {
			*to++ = c;
		} else if (!no_backslash && (c == '\\' || c == '\0')) {
			*to++ = '\\';
			c = c ? c : '0';
		}
		*to++ = c;
	}
	*to++ = '\'';
	buf_wrote(out, (size_t)(to - start));
}

/* With an introducer the digits are a string of that character set in every place of a statement; without one MySQL
 * takes them for a number where it wants numbers. */
static void add_hex(struct buf *out, const char *charset, struct str s)
{
	static const char digits[] = "0123456789ABCDEF";
	uint8_t *to;

	buf_addf(out, "_%s X'", charset);
	to = buf_reserve(out, 2 * s.n + 1);
	for (size_t i = 0; i < s.n; i++) {
		*to++ = (uint8_t)digits[(uint8_t)s.p[i] >> 4];
		*to++ = (uint8_t)digits[s.p[i] & 15];
	}
	*to = '\'';
	buf_wrote(out, 2 * s.n + 1);
}

static int add_bytes(struct buf *out, uint8_t type, unsigned charset, bool no_backslash, struct str s)
{
	const char *name;

	switch (type) {
	case MYSQL_TYPE_TINY_BLOB:
	case MYSQL_TYPE_MEDIUM_BLOB:
	case MYSQL_TYPE_LONG_BLOB:
	case MYSQL_TYPE_BLOB:
	case MYSQL_TYPE_GEOMETRY:
	case MYSQL_TYPE_VECTOR: charset = CHARSET_BINARY; break;
	default: break;
	}
	if (charset != CHARSET_BINARY && !wire_charset_unsafe(charset)) {
		sql_quote(out, s, no_backslash);
		return 0;
	}
	name = wire_charset_name(charset);
	if (!name)
		return -1;
	add_hex(out, name, s);
	return 0;
}

static size_t count_digits(struct str s, size_t at)
{
	size_t n = 0;

	while (at + n < s.n && s.p[at + n] >= '0' && s.p[at + n] <= '9')
		n++;
	return n;
}

/* Only what is a plain decimal number may stand unquoted in a statement. */
static int add_decimal(struct buf *out, struct str s)
{
	size_t at = s.n && (s.p[0] == '-' || s.p[0] == '+'), whole, fraction = 0;

	whole = count_digits(s, at);
	at += whole;
	if (at < s.n && s.p[at] == '.') {
		fraction = count_digits(s, ++at);
		at += fraction;
	}
	if (at != s.n || whole + fraction == 0)
		return -1;
	buf_add_str(out, s);
	return 0;
}

static int add_double(struct buf *out, double d)
{
	char text[40];
	int n;

	if (!isfinite(d))
		return -1;
	/* an exponent makes it a DOUBLE; without one it would be a DECIMAL */
	n = snprintf(text, sizeof(text), "%.17g", d);
	buf_add(out, text, (size_t)n);
	if (!memchr(text, 'e', (size_t)n))
		buf_addz(out, "e0");
	return 0;
}

static bool is_calendar_date(const struct value_time *t)
{
	static const uint8_t days[] = { 0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = t->year % 4 == 0 && (t->year % 100 != 0 || t->year % 400 == 0);

	return t->year && t->month && t->day && t->day <= days[t->month] + (t->month == 2 && leap);
}

static void add_temporal(struct buf *out, uint8_t kind, const struct value_time *t)
{
	char micro[8] = "";

	if (t->micro)
		snprintf(micro, sizeof(micro), ".%06u", (unsigned)(t->micro % 1000000));
	/* DATE'..' and TIMESTAMP'..' demand a date of the calendar; servers also take others, such as 0000-00-00, as
	 * text */
	switch (kind) {
	case VALUE_DATE:
		buf_addf(out, "%s'%04u-%02u-%02u'", is_calendar_date(t) ? "DATE" : "", t->year, t->month, t->day);
		break;
	case VALUE_DATETIME:
		buf_addf(out, "%s'%04u-%02u-%02u %02u:%02u:%02u%s'", is_calendar_date(t) ? "TIMESTAMP" : "", t->year,
			t->month, t->day, t->hour, t->minute, t->second, micro);
		break;
	default:
		buf_addf(out, "TIME'%s%02u:%02u:%02u%s'", t->negative ? "-" : "", t->hour, t->minute, t->second, micro);
		break;
	}
}

int param_to_sql(const struct param *p, unsigned charset, bool no_backslash, struct buf *out)
{
	struct wire_value v;

	if (param_value(p, &v) < 0)
		return -1;
	switch (v.kind) {
	case VALUE_NULL: buf_addz(out, "NULL"); return 0;
	case VALUE_INT: buf_addf(out, "%lld", (long long)v.u.i); return 0;
	case VALUE_UINT: buf_addf(out, "%llu", (unsigned long long)v.u.u); return 0;
	case VALUE_DOUBLE: return add_double(out, v.u.d);
	case VALUE_DECIMAL: return add_decimal(out, v.u.s);
	case VALUE_BYTES: return add_bytes(out, p->type.type, charset, no_backslash, v.u.s);
	default: add_temporal(out, v.kind, &v.u.t); return 0;
	}
}
