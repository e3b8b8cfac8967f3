/* keyrange.c - ranges of key ids: text to numbers and back.
 * For the map parser, target names and messages.
 * Pure; any thread. */
#include "keyway/cluster/keyrange.h"
#include <stdio.h>

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int key_id_parse(struct str prefix, uint64_t *out)
{
	uint64_t v = 0;

	if (prefix.n == 0 || prefix.n > 16 || prefix.n % 2)
		return -1;
	for (size_t i = 0; i < prefix.n; i++) {
		int d = hex_digit(prefix.p[i]);

		if (d < 0)
			return -1;
		v |= (uint64_t)d << (60 - 4 * i);
	}
	*out = v;
	return 0;
}

static int parse_hex(struct str start, struct str end, struct keyrange *out, const char **why)
{
	uint64_t stop = 0;

	*out = KEYRANGE_ALL;
	if ((start.n && key_id_parse(start, &out->first) < 0) || (end.n && key_id_parse(end, &stop) < 0)) {
		*why = "bounds are hexadecimal prefixes of whole bytes as in 40-80 (2 to 16 digits), or, for the "
		       "function range, decimal values as in 0..1000";
		return -1;
	}
	if (end.n && stop <= out->first) {
		*why = "the end must be above the start";
		return -1;
	}
	if (end.n)
		out->last = stop - 1;
	return 0;
}

static int parse_decimal(struct str start, struct str end, struct keyrange *out, const char **why)
{
	int64_t v;

	*out = KEYRANGE_ALL;
	if (start.n) {
		if (str_to_i64(start, &v) < 0)
			goto bad;
		out->first = key_id_of_int(v);
	}
	if (end.n) {
		if (str_to_i64(end, &v) < 0)
			goto bad;
		if (key_id_of_int(v) <= out->first) {
			*why = "the end must be above the start";
			return -1;
		}
		out->last = key_id_of_int(v) - 1;
	}
	return 0;
bad:
	*why = "decimal bounds are integers from -9223372036854775808 to 9223372036854775807 as in -5..1000";
	return -1;
}

int keyrange_parse(struct str text, struct keyrange *out, const char **why)
{
	for (size_t i = 0; i + 1 < text.n; i++) {
		if (text.p[i] == '.' && text.p[i + 1] == '.')
			return parse_decimal(str_make(text.p, i), str_make(text.p + i + 2, text.n - i - 2), out, why);
	}
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] == '-')
			return parse_hex(str_make(text.p, i), str_make(text.p + i + 1, text.n - i - 1), out, why);
	}
	*why = "a range is written start-end as in -80, 40-80 or 80-, everything is -";
	return -1;
}

static int print_bound(char *out, uint64_t v)
{
	int n = 16;

	while (n > 2 && !(v & 0xff)) {
		v >>= 8;
		n -= 2;
	}
	return sprintf(out, "%0*llx", n, (unsigned long long)v);
}

const char *keyrange_print(struct keyrange r, char out[KEYRANGE_TEXT_MAX])
{
	int n = r.first ? print_bound(out, r.first) : 0;

	out[n++] = '-';
	if (r.last != UINT64_MAX)
		n += print_bound(out + n, r.last + 1);
	out[n] = '\0';
	return out;
}
