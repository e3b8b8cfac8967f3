/* wire/bytes.h - little-endian numbers, a bounded reader and writers onto a struct buf. The reader never reads past its
 * end: a read that would sets the sticky flag `bad` and gives 0 or an empty span, so a parser reads everything and
 * asks once at the end. Spans point into what is read. Pure, any thread. */
#ifndef KEYWAY_WIRE_BYTES_H
#define KEYWAY_WIRE_BYTES_H

#include "keyway/util/buf.h"

static inline uint16_t get_u16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static inline uint32_t get_u24(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16;
}

static inline uint32_t get_u32(const uint8_t *p)
{
	return get_u24(p) | (uint32_t)p[3] << 24;
}

static inline uint64_t get_u64(const uint8_t *p)
{
	return get_u32(p) | (uint64_t)get_u32(p + 4) << 32;
}

static inline void put_u16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
}

static inline void put_u24(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
	p[2] = (uint8_t)(v >> 16);
}

static inline void put_u32(uint8_t *p, uint32_t v)
{
	put_u24(p, v);
	p[3] = (uint8_t)(v >> 24);
}

static inline void put_u64(uint8_t *p, uint64_t v)
{
	put_u32(p, (uint32_t)v);
	put_u32(p + 4, (uint32_t)(v >> 32));
}

struct rd {
	const uint8_t *p, *end;
	bool bad;
};

/* @p may be NULL when @n is 0. */
static inline struct rd rd_make(const void *p, size_t n)
{
	const uint8_t *start = p ? p : (const void *)"";

	return (struct rd){ start, start + n, false };
}

static inline size_t rd_left(const struct rd *r)
{
	return (size_t)(r->end - r->p);
}

/* The next @n bytes, or NULL and `bad`. After a bad read nothing is left. */
static inline const uint8_t *rd_take(struct rd *r, size_t n)
{
	const uint8_t *p = r->p;

	if (UNLIKELY(rd_left(r) < n)) {
		r->bad = true;
		r->p = r->end;
		return NULL;
	}
	r->p += n;
	return p;
}

static inline uint8_t rd_u8(struct rd *r)
{
	const uint8_t *p = rd_take(r, 1);

	return p ? *p : 0;
}

static inline uint16_t rd_u16(struct rd *r)
{
	const uint8_t *p = rd_take(r, 2);

	return p ? get_u16(p) : 0;
}

static inline uint32_t rd_u24(struct rd *r)
{
	const uint8_t *p = rd_take(r, 3);

	return p ? get_u24(p) : 0;
}

static inline uint32_t rd_u32(struct rd *r)
{
	const uint8_t *p = rd_take(r, 4);

	return p ? get_u32(p) : 0;
}

static inline uint64_t rd_u64(struct rd *r)
{
	const uint8_t *p = rd_take(r, 8);

	return p ? get_u64(p) : 0;
}

/* A length-encoded number; NULL (0xFB) and 0xFF are bad. */
static inline uint64_t rd_lenenc(struct rd *r)
{
	uint8_t c = rd_u8(r);

	if (LIKELY(c < 0xfb))
		return c;
	switch (c) {
	case 0xfc: return rd_u16(r);
	case 0xfd: return rd_u24(r);
	case 0xfe: return rd_u64(r);
	default:
		r->bad = true;
		r->p = r->end;
		return 0;
	}
}

static inline struct str rd_bytes(struct rd *r, uint64_t n)
{
	struct str s = { (const char *)r->p, (size_t)n };

	if (UNLIKELY(rd_left(r) < n)) {
		r->bad = true;
		r->p = r->end;
		return (struct str){ "", 0 };
	}
	r->p += n;
	return s;
}

static inline struct str rd_rest(struct rd *r)
{
	return rd_bytes(r, rd_left(r));
}

static inline struct str rd_lenenc_str(struct rd *r)
{
	return rd_bytes(r, rd_lenenc(r));
}

/* A field of a text row: as rd_lenenc_str(), but 0xFB is SQL NULL, told as a span with p == NULL. */
static inline struct str rd_field(struct rd *r)
{
	if (rd_left(r) && *r->p == 0xfb) {
		r->p++;
		return (struct str){ NULL, 0 };
	}
	return rd_lenenc_str(r);
}

/* Up to a NUL, which is consumed; without one: bad. */
static inline struct str rd_zstr(struct rd *r)
{
	const uint8_t *nul = rd_left(r) ? memchr(r->p, 0, rd_left(r)) : NULL;
	struct str s;

	if (UNLIKELY(!nul)) {
		r->bad = true;
		r->p = r->end;
		return (struct str){ "", 0 };
	}
	s = (struct str){ (const char *)r->p, (size_t)(nul - r->p) };
	r->p = nul + 1;
	return s;
}

/* Up to a NUL, which is consumed, or to the end: the last text of a packet may lack it. */
static inline struct str rd_zstr_or_rest(struct rd *r)
{
	const uint8_t *nul = rd_left(r) ? memchr(r->p, 0, rd_left(r)) : NULL;

	return nul ? rd_zstr(r) : rd_rest(r);
}

static inline void wr_u8(struct buf *b, uint8_t v)
{
	buf_add_u8(b, v);
}

static inline void wr_u16(struct buf *b, uint16_t v)
{
	put_u16(buf_reserve(b, 2), v);
	buf_wrote(b, 2);
}

static inline void wr_u24(struct buf *b, uint32_t v)
{
	put_u24(buf_reserve(b, 3), v);
	buf_wrote(b, 3);
}

static inline void wr_u32(struct buf *b, uint32_t v)
{
	put_u32(buf_reserve(b, 4), v);
	buf_wrote(b, 4);
}

static inline void wr_u64(struct buf *b, uint64_t v)
{
	put_u64(buf_reserve(b, 8), v);
	buf_wrote(b, 8);
}

static inline void wr_zeros(struct buf *b, size_t n)
{
	memset(buf_reserve(b, n), 0, n);
	buf_wrote(b, n);
}

static inline size_t lenenc_size(uint64_t v)
{
	return v < 0xfb ? 1 : v <= 0xffff ? 3 : v <= 0xffffff ? 4 : 9;
}

static inline void wr_lenenc(struct buf *b, uint64_t v)
{
	if (LIKELY(v < 0xfb)) {
		wr_u8(b, (uint8_t)v);
	} else if (v <= 0xffff) {
		wr_u8(b, 0xfc);
		wr_u16(b, (uint16_t)v);
	} else if (v <= 0xffffff) {
		wr_u8(b, 0xfd);
		wr_u24(b, (uint32_t)v);
	} else {
		wr_u8(b, 0xfe);
		wr_u64(b, v);
	}
}

static inline void wr_lenenc_str(struct buf *b, struct str s)
{
	wr_lenenc(b, s.n);
	buf_add(b, s.p, s.n);
}

/* @s and a NUL. A NUL inside @s would end it early: the caller has none there. */
static inline void wr_zstr(struct buf *b, struct str s)
{
	buf_add(b, s.p, s.n);
	wr_u8(b, 0);
}

#endif
