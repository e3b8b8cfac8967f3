/* base64.c - RFC 4648 base64 with padding.
 * For the answers and requests of etcd.c and consul.c.
 * Pure. */
#include "base64.h"
#include <stdlib.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

char *base64_encode(struct str s)
{
	char *out = xmalloc((s.n + 2) / 3 * 4 + 1), *o = out;

	for (size_t i = 0; i < s.n; i += 3) {
		size_t left = s.n - i;
		uint32_t v = (uint32_t)(uint8_t)s.p[i] << 16;

		if (left > 1)
			v |= (uint32_t)(uint8_t)s.p[i + 1] << 8;
		if (left > 2)
			v |= (uint8_t)s.p[i + 2];
		*o++ = digits[v >> 18];
		*o++ = digits[v >> 12 & 63];
		*o++ = left > 1 ? digits[v >> 6 & 63] : '=';
		*o++ = left > 2 ? digits[v & 63] : '=';
	}
	*o = '\0';
	return out;
}

static int digit_of(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

char *base64_decode(struct str s, size_t *n)
{
	char *out, *o;

	if (s.n % 4 != 0)
		return NULL;
	out = o = xmalloc(s.n / 4 * 3 + 1);
	for (size_t i = 0; i < s.n; i += 4) {
		size_t pad = i + 4 < s.n ? 0 : (size_t)(s.p[i + 3] == '=') + (s.p[i + 3] == '=' && s.p[i + 2] == '=');
		uint32_t v = 0;

		for (size_t k = 0; k < 4; k++) {
			int d = k < 4 - pad ? digit_of(s.p[i + k]) : 0;

			if (d < 0) {
				free(out);
				return NULL;
			}
			v = v << 6 | (uint32_t)d;
		}
		/* bits that no byte takes must be 0: each value has one text */
		if ((pad == 1 && (v & 0xff)) || (pad == 2 && (v & 0xffff))) {
			free(out);
			return NULL;
		}
		*o++ = (char)(v >> 16);
		if (pad < 2)
			*o++ = (char)(v >> 8);
		if (pad < 1)
			*o++ = (char)v;
	}
	*n = (size_t)(o - out);
	*o = '\0';
	return out;
}
