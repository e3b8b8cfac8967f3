/* str.c - numbers and copies of texts. Pure. */
#include "keyway/util/str.h"
#include <ctype.h>

int str_to_u64(struct str s, uint64_t *out)
{
	uint64_t v = 0;

	if (s.n == 0)
		return -1;
	for (size_t i = 0; i < s.n; i++) {
		unsigned d = (unsigned char)s.p[i] - '0';

		if (d > 9 || __builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, d, &v))
			return -1;
	}
	*out = v;
	return 0;
}

int str_to_i64(struct str s, int64_t *out)
{
	bool negative = s.n && s.p[0] == '-';
	uint64_t v;

	if (str_to_u64(negative ? str_make(s.p + 1, s.n - 1) : s, &v) < 0)
		return -1;
	if (v > (uint64_t)INT64_MAX + negative)
		return -1;
	*out = negative ? (int64_t)(0 - v) : (int64_t)v;
	return 0;
}

char *str_dup(struct str s)
{
	return xstrndup(s.p, s.n);
}

bool str_like(struct str text, struct str pattern)
{
	size_t t = 0, p = 0, star = SIZE_MAX, mark = 0;

	while (t < text.n) {
		char c = p < pattern.n ? pattern.p[p] : '\0';
		bool itself = c == '\\' && p + 1 < pattern.n;

		if (p < pattern.n && c == '%' && !itself) {
			star = p++;
			mark = t;
			continue;
		}
		if (p < pattern.n &&
			((!itself && c == '_') || tolower((unsigned char)(itself ? pattern.p[p + 1] : c)) ==
							  tolower((unsigned char)text.p[t]))) {
			p += itself ? 2 : 1;
			t++;
			/* one character, of however many bytes */
			while (c == '_' && t < text.n && (text.p[t] & 0xc0) == 0x80)
				t++;
			continue;
		}
		if (star == SIZE_MAX)
			return false;
		p = star + 1;
		t = ++mark;
	}
	while (p < pattern.n && pattern.p[p] == '%')
		p++;
	return p == pattern.n;
}
