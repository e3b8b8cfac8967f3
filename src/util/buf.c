/* buf.c - the growing byte queue. For streams and for building packets and text; one thread per buffer. */
#include "keyway/util/buf.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

uint8_t *buf_reserve(struct buf *b, size_t n)
{
	size_t used = buf_used(b);

	if (LIKELY(b->cap - b->len >= n) && b->p)
		return b->p + b->len;
	if (b->off && b->cap - used >= n && b->off >= used) {
		memcpy(b->p, b->p + b->off, used);
	} else {
		size_t cap = b->cap ? b->cap : 256;

		while (cap - used < n)
			cap *= 2;
		if (b->off) {
			uint8_t *p = xmalloc(cap);

			memcpy(p, b->p + b->off, used);
			free(b->p);
			b->p = p;
		} else {
			b->p = xrealloc(b->p, cap);
		}
		b->cap = cap;
	}
	b->off = 0;
	b->len = used;
	return b->p + b->len;
}

void buf_add(struct buf *b, const void *p, size_t n)
{
	if (!n)
		return;
	memcpy(buf_reserve(b, n), p, n);
	b->len += n;
}

void buf_add_str(struct buf *b, struct str s)
{
	buf_add(b, s.p, s.n);
}

void buf_addz(struct buf *b, const char *z)
{
	buf_add(b, z, strlen(z));
}

void buf_addf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n <= 0)
		return;
	buf_reserve(b, (size_t)n + 1);
	va_start(ap, fmt);
	vsnprintf((char *)buf_tail(b), (size_t)n + 1, fmt, ap);
	va_end(ap);
	b->len += (size_t)n;
}

void buf_free(struct buf *b)
{
	free(b->p);
	memset(b, 0, sizeof(*b));
}
