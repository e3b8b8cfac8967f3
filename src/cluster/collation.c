/* collation.c - equality of texts: canonical bytes that are equal exactly when the texts are.
 * For sharding functions on text keys.
 * Pure; any thread. */
#include "keyway/cluster/charset.h"
#include "collation_tables.h"

enum equality {
	BY_BYTES,	/* the bytes in the column's character set */
	BY_WEIGHTS,	/* 16-bit weights of a weight_table */
	BY_LATIN1,	/* one byte each of a 256-entry table */
	BY_ASCII,	/* letters without case; only printable ASCII is known */
	BY_ASCII_EXACT, /* only printable ASCII is known, all different */
};

struct collation {
	const char *name;
	enum charset charset;
	enum equality equality;
	bool pad; /* trailing spaces do not count */
	const struct weight_table *weights;
	const uint8_t *latin1;
	uint16_t space;		/* weight of the space */
	uint16_t supplementary; /* weight of every character above U+FFFF; 0: not known */
};

#define BYTES(name, cs, pad)                                \
	{                                                   \
		name, cs, BY_BYTES, pad, NULL, NULL, ' ', 0 \
	}
#define WEIGHTS(name, cs, pad, w, sp, s)                             \
	{                                                            \
		name, cs, BY_WEIGHTS, pad, &weights_##w, NULL, sp, s \
	}
#define LATIN1(name, pad, w)                                                    \
	{                                                                       \
		name, CHARSET_LATIN1, BY_LATIN1, pad, NULL, weights_##w, ' ', 0 \
	}
#define UNICODE(cs, enum_cs, supp)                                                     \
	WEIGHTS(cs "_general_ci", enum_cs, true, general, 0x20, supp),                 \
		WEIGHTS(cs "_general_nopad_ci", enum_cs, false, general, 0x20, supp),  \
		WEIGHTS(cs "_unicode_ci", enum_cs, true, uca400, 0x209, supp),         \
		WEIGHTS(cs "_unicode_nopad_ci", enum_cs, false, uca400, 0x209, supp),  \
		WEIGHTS(cs "_unicode_520_ci", enum_cs, true, uca520, 0x20a, 0),        \
		WEIGHTS(cs "_unicode_520_nopad_ci", enum_cs, false, uca520, 0x20a, 0), \
		WEIGHTS(cs "_uca1400_ai_ci", enum_cs, true, uca1400, 0x209, 0),        \
		WEIGHTS(cs "_uca1400_nopad_ai_ci", enum_cs, false, uca1400, 0x209, 0), \
		BYTES(cs "_bin", enum_cs, true), BYTES(cs "_nopad_bin", enum_cs, false)

static const struct collation collations[] = {
	UNICODE("utf8mb4", CHARSET_UTF8MB4, 0xfffd),
	UNICODE("utf8mb3", CHARSET_UTF8MB3, 0),
	UNICODE("utf8", CHARSET_UTF8MB3, 0),
	BYTES("utf8mb4_0900_bin", CHARSET_UTF8MB4, false),
	{ "utf8mb4_0900_ai_ci", CHARSET_UTF8MB4, BY_ASCII, false, NULL, NULL, ' ', 0 },
	{ "utf8mb4_0900_as_ci", CHARSET_UTF8MB4, BY_ASCII, false, NULL, NULL, ' ', 0 },
	{ "utf8mb4_0900_as_cs", CHARSET_UTF8MB4, BY_ASCII_EXACT, false, NULL, NULL, ' ', 0 },
	LATIN1("latin1_swedish_ci", true, latin1_swedish_ci),
	LATIN1("latin1_swedish_nopad_ci", false, latin1_swedish_ci),
	LATIN1("latin1_general_ci", true, latin1_general_ci),
	LATIN1("latin1_general_cs", true, latin1_general_cs),
	LATIN1("latin1_danish_ci", true, latin1_danish_ci),
	LATIN1("latin1_spanish_ci", true, latin1_spanish_ci),
	BYTES("latin1_bin", CHARSET_LATIN1, true),
	BYTES("latin1_nopad_bin", CHARSET_LATIN1, false),
	{ "ascii_general_ci", CHARSET_ASCII, BY_ASCII, true, NULL, NULL, ' ', 0 },
	{ "ascii_general_nopad_ci", CHARSET_ASCII, BY_ASCII, false, NULL, NULL, ' ', 0 },
	BYTES("ascii_bin", CHARSET_ASCII, true),
	BYTES("ascii_nopad_bin", CHARSET_ASCII, false),
	BYTES("binary", CHARSET_BINARY, false),
};

static const struct {
	const char *name;
	enum charset charset;
} charsets[] = {
	{ "binary", CHARSET_BINARY },
	{ "ascii", CHARSET_ASCII },
	{ "latin1", CHARSET_LATIN1 },
	{ "utf8", CHARSET_UTF8MB3 },
	{ "utf8mb3", CHARSET_UTF8MB3 },
	{ "utf8mb4", CHARSET_UTF8MB4 },
};

enum charset charset_by_name(struct str name)
{
	for (size_t i = 0; i < ARRAY_N(charsets); i++) {
		if (str_ieqz(name, charsets[i].name))
			return charsets[i].charset;
	}
	return CHARSET_OTHER;
}

enum charset charset_of_collation(struct str collation)
{
	const char *end = collation.n ? memchr(collation.p, '_', collation.n) : NULL;

	return charset_by_name(end ? str_make(collation.p, (size_t)(end - collation.p)) : collation);
}

const struct collation *collation_by_name(struct str name)
{
	for (size_t i = 0; i < ARRAY_N(collations); i++) {
		if (str_ieqz(name, collations[i].name))
			return &collations[i];
	}
	return NULL;
}

const char *collation_name(const struct collation *c)
{
	return c->name;
}

enum charset collation_charset(const struct collation *c)
{
	return c->charset;
}

/* One character of UTF-8 at @p; its length, or 0 when the bytes are not one. */
static unsigned utf8_decode(const uint8_t *p, const uint8_t *end, unsigned max, uint32_t *cp)
{
	unsigned n = *p < 0x80 ? 1 : *p < 0xc2 ? 0 : *p < 0xe0 ? 2 : *p < 0xf0 ? 3 : *p < 0xf5 ? 4 : 0;

	if (n == 0 || n > max || (size_t)(end - p) < n)
		return 0;
	*cp = n == 1 ? *p : *p & (0x7fu >> n);
	for (unsigned i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		*cp = *cp << 6 | (p[i] & 0x3f);
	}
	if ((n == 3 && (*cp < 0x800 || (*cp >= 0xd800 && *cp < 0xe000))) ||
		(n == 4 && (*cp < 0x10000 || *cp > 0x10ffff)))
		return 0;
	return n;
}

static unsigned char_decode(enum charset cs, const uint8_t *p, const uint8_t *end, uint32_t *cp)
{
	switch (cs) {
	case CHARSET_ASCII: *cp = *p; return *p < 0x80;
	case CHARSET_LATIN1: *cp = latin1_unicode[*p]; return 1;
	case CHARSET_UTF8MB3: return utf8_decode(p, end, 3, cp);
	case CHARSET_UTF8MB4: return utf8_decode(p, end, 4, cp);
	case CHARSET_BINARY: *cp = *p; return 1;
	case CHARSET_OTHER: break;
	}
	return 0;
}

int64_t charset_length(enum charset cs, struct str text)
{
	const uint8_t *p = (const uint8_t *)text.p, *end = p + text.n;
	int64_t n = 0;
	uint32_t cp;

	if (text.n == 0)
		return 0;
	for (; p < end; n++) {
		unsigned step = char_decode(cs, p, end, &cp);

		if (!step)
			return -1;
		p += step;
	}
	return n;
}

/* The byte of a character in latin1, or -1. */
static int latin1_encode(uint32_t cp)
{
	if (cp < 0x80)
		return (int)cp;
	for (unsigned b = 0x80; b < 256; b++) {
		if (latin1_unicode[b] == cp)
			return (int)b;
	}
	return -1;
}

static unsigned utf8_encode(uint32_t cp, uint8_t *out)
{
	if (cp < 0x80) {
		out[0] = (uint8_t)cp;
		return 1;
	}
	if (cp < 0x800) {
		out[0] = (uint8_t)(0xc0 | cp >> 6);
		out[1] = (uint8_t)(0x80 | (cp & 0x3f));
		return 2;
	}
	if (cp < 0x10000) {
		out[0] = (uint8_t)(0xe0 | cp >> 12);
		out[1] = (uint8_t)(0x80 | (cp >> 6 & 0x3f));
		out[2] = (uint8_t)(0x80 | (cp & 0x3f));
		return 3;
	}
	out[0] = (uint8_t)(0xf0 | cp >> 18);
	out[1] = (uint8_t)(0x80 | (cp >> 12 & 0x3f));
	out[2] = (uint8_t)(0x80 | (cp >> 6 & 0x3f));
	out[3] = (uint8_t)(0x80 | (cp & 0x3f));
	return 4;
}

/* Bytes of one character in the collation's own character set; 0 when it has none. */
static unsigned char_encode(enum charset cs, uint32_t cp, uint8_t *out)
{
	int b;

	switch (cs) {
	case CHARSET_ASCII:
	case CHARSET_BINARY: out[0] = (uint8_t)cp; return cs == CHARSET_BINARY ? cp < 0x100 : cp < 0x80;
	case CHARSET_LATIN1:
		b = latin1_encode(cp);
		out[0] = (uint8_t)b;
		return b >= 0;
	case CHARSET_UTF8MB3: return cp < 0x10000 ? utf8_encode(cp, out) : 0;
	case CHARSET_UTF8MB4: return utf8_encode(cp, out);
	case CHARSET_OTHER: break;
	}
	return 0;
}

int64_t charset_length_in(enum charset from, enum charset to, struct str text)
{
	const uint8_t *p = (const uint8_t *)text.p, *end = p + text.n;
	uint8_t tmp[4];
	int64_t n = 0;
	uint32_t cp;

	while (text.n && p < end) {
		unsigned step = char_decode(from, p, end, &cp);
		unsigned wrote = step ? char_encode(to, cp, tmp) : 0;

		if (!wrote)
			return -1;
		p += step;
		n += wrote;
	}
	return n;
}

/* Writes the weights of one character as big-endian pairs; number of bytes, or -1 when they are not known. */
static int char_weights(const struct collation *c, uint32_t cp, uint8_t *out, size_t room)
{
	const struct weight_table *t = c->weights;
	uint16_t one[2];
	const uint16_t *w = one;
	unsigned n = 2, page;

	if (cp > 0xffff && !c->supplementary)
		return -1;
	page = cp > 0xffff ? WEIGHT_PAGE_SAME : t->page[cp >> 8];
	if (page == WEIGHT_PAGE_UNKNOWN)
		return -1;
	if (page == WEIGHT_PAGE_SAME) {
		one[0] = cp > 0xffff ? c->supplementary : (uint16_t)cp;
		n = 1;
	} else if (page < WEIGHT_PAGE_TABLE) {
		one[0] = (uint16_t)(0xfb00 + 0x40 * page + (cp >> 15));
		one[1] = (uint16_t)((cp & 0x7fff) | 0x8000);
	} else {
		const uint16_t *start = t->start + (page - WEIGHT_PAGE_TABLE) * 256 + (cp & 0xff);

		w = t->weight + start[0];
		n = (unsigned)(start[1] - start[0]);
	}
	if (room < 2 * n)
		return -1;
	for (unsigned i = 0; i < n; i++) {
		if (w[i] == WEIGHT_UNKNOWN)
			return -1;
		out[2 * i] = (uint8_t)(w[i] >> 8);
		out[2 * i + 1] = (uint8_t)w[i];
	}
	return (int)(2 * n);
}

static int char_canonical(const struct collation *c, uint32_t cp, uint8_t *out, size_t room)
{
	int b;

	switch (c->equality) {
	case BY_WEIGHTS: return char_weights(c, cp, out, room);
	case BY_BYTES: {
		uint8_t tmp[4];
		unsigned n = char_encode(c->charset, cp, tmp);

		if (n == 0 || room < n)
			return -1;
		memcpy(out, tmp, n);
		return (int)n;
	}
	case BY_LATIN1:
		b = latin1_encode(cp);
		if (b < 0 || room < 1)
			return -1;
		out[0] = c->latin1[b];
		return 1;
	case BY_ASCII:
	case BY_ASCII_EXACT:
		/* in ascii control characters are themselves; the newer Unicode collations ignore them: not known */
		if (cp > 0x7e || (cp < 0x20 && c->charset != CHARSET_ASCII) || room < 1)
			return -1;
		out[0] = (uint8_t)(c->equality == BY_ASCII && cp >= 'A' && cp <= 'Z' ? cp | 0x20 : cp);
		return 1;
	}
	return -1;
}

int64_t collation_canonical(
	const struct collation *c, enum charset from, struct str text, bool strip, uint8_t *out, size_t cap)
{
	const uint8_t *p = (const uint8_t *)text.p, *end = p + text.n;
	size_t n = 0;
	uint32_t cp;

	if (from == CHARSET_BINARY)
		from = c->charset; /* bytes as they are */
	if (from == CHARSET_OTHER)
		return -1;
	if (strip) {
		while (text.n && end > p && end[-1] == ' ')
			end--;
	}
	while (text.n && p < end) {
		unsigned step = char_decode(from, p, end, &cp);
		int wrote = step ? char_canonical(c, cp, out + n, cap - n) : -1;

		if (wrote < 0)
			return -1;
		p += step;
		n += (size_t)wrote;
	}
	if (!c->pad)
		return (int64_t)n;
	if (c->equality == BY_WEIGHTS) {
		/* on weights, not characters: a no-break space may weigh what a space weighs */
		while (n >= 2 && (out[n - 2] << 8 | out[n - 1]) == c->space)
			n -= 2;
	} else {
		/* the tables of one-byte sets leave the space at its own value */
		while (n >= 1 && out[n - 1] == ' ')
			n--;
	}
	return (int64_t)n;
}
