/* util/buf.h - a byte queue in one growing block: written at the end, consumed at the front. Owns its block. All zero
 * is an empty one that holds no memory. Not shared between threads. Growth aborts when memory is out: bound what a
 * peer may put in before putting it in. Pure. */
#ifndef KEYWAY_UTIL_BUF_H
#define KEYWAY_UTIL_BUF_H

#include "keyway/util/str.h"

struct buf {
	uint8_t *p; /* the block */
	size_t off; /* first byte not consumed */
	size_t len; /* end of the bytes written, >= off */
	size_t cap;
};

static inline size_t buf_used(const struct buf *b)
{
	return b->len - b->off;
}

static inline uint8_t *buf_head(const struct buf *b)
{
	return b->p ? b->p + b->off : NULL; /* an offset to NULL, even 0, is undefined */
}

static inline uint8_t *buf_tail(const struct buf *b)
{
	return b->p ? b->p + b->len : NULL;
}

/* Makes room for @n more bytes behind the tail; returns the tail. May move the block. */
uint8_t *buf_reserve(struct buf *b, size_t n);

static inline void buf_wrote(struct buf *b, size_t n)
{
	b->len += n;
}

void buf_add(struct buf *b, const void *p, size_t n);
void buf_add_str(struct buf *b, struct str s);
void buf_addz(struct buf *b, const char *z);
void buf_addf(struct buf *b, const char *fmt, ...) PRINTF(2, 3);

static inline void buf_add_u8(struct buf *b, uint8_t v)
{
	*buf_reserve(b, 1) = v;
	b->len++;
}

/* Drops @n bytes from the front; an emptied buffer keeps its block. */
static inline void buf_eat(struct buf *b, size_t n)
{
	b->off += n;
	if (b->off == b->len)
		b->off = b->len = 0;
}

/* Empties it, keeps the block. */
static inline void buf_clear(struct buf *b)
{
	b->off = b->len = 0;
}

/* Empties it and gives the block back. */
void buf_free(struct buf *b);

#endif
