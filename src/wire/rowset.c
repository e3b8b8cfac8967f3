/* rowset.c - result sets of our own: answers to SHOW, to what drivers ask at connect, to EXPLAIN ROUTE.
 * For the front and the executor.
 * Pure, any thread. */
#include "keyway/wire/rowset.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#define NUMBER_CHARS_MAX 64
#define NOT_FIXED_DEC	 31 /* decimals of a floating point column */

struct column_def column_text(struct str name, uint32_t chars)
{
	return (struct column_def){ .name = name,
		.charset = CHARSET_UTF8MB4_GENERAL_CI,
		.length = chars * 4,
		.type = MYSQL_TYPE_VAR_STRING,
		.decimals = NOT_FIXED_DEC };
}

struct column_def column_int(struct str name)
{
	return (struct column_def){
		.name = name, .charset = CHARSET_BINARY, .length = 21, .type = MYSQL_TYPE_LONGLONG, .flags = BINARY_FLAG
	};
}

struct column_def column_uint(struct str name)
{
	struct column_def c = column_int(name);

	c.flags |= UNSIGNED_FLAG;
	return c;
}

struct column_def column_double(struct str name)
{
	return (struct column_def){ .name = name,
		.charset = CHARSET_BINARY,
		.length = 23,
		.type = MYSQL_TYPE_DOUBLE,
		.flags = BINARY_FLAG,
		.decimals = NOT_FIXED_DEC };
}

void rowset_begin(struct rowset *rs, struct buf *b, uint8_t *seq, uint32_t caps, bool binary,
	const struct column_def *cols, unsigned n_cols, uint16_t status)
{
	size_t mark = packet_begin(b);

	*rs = (struct rowset){ .b = b, .cols = cols, .n_cols = n_cols, .caps = caps, .binary = binary, .seq = seq };
	wr_lenenc(b, n_cols);
	packet_end(b, mark, seq);
	for (unsigned i = 0; i < n_cols; i++) {
		mark = packet_begin(b);
		column_build(b, &cols[i]);
		packet_end(b, mark, seq);
	}
	if (!(caps & CLIENT_DEPRECATE_EOF)) {
		mark = packet_begin(b);
		columns_eof_build(b, status, 0);
		packet_end(b, mark, seq);
	}
}

static int add_binary_int(struct buf *b, const struct column_def *c, struct str text, unsigned bytes)
{
	bool is_unsigned = c->flags & UNSIGNED_FLAG;
	unsigned spare = 64 - 8 * bytes;
	uint64_t u;
	int64_t i;

	if (is_unsigned) {
		if (str_to_u64(text, &u) < 0 || (spare && u >> (64 - spare)))
			return -1;
	} else {
		if (str_to_i64(text, &i) < 0 || (int64_t)((uint64_t)i << spare) >> spare != i)
			return -1;
		u = (uint64_t)i;
	}
	put_u64(buf_reserve(b, 8), u);
	buf_wrote(b, bytes);
	return 0;
}

static int add_binary_real(struct buf *b, struct str text, bool is_float)
{
	char z[NUMBER_CHARS_MAX + 1], *end;
	uint64_t bits;
	double d;

	if (!text.n || text.n > NUMBER_CHARS_MAX)
		return -1;
	memcpy(z, text.p, text.n);
	z[text.n] = '\0';
	d = strtod(z, &end);
	if (*end || end == z || !isfinite(d))
		return -1;
	if (is_float) {
		float f = (float)d;
		uint32_t f_bits;

		memcpy(&f_bits, &f, sizeof(f_bits));
		wr_u32(b, f_bits);
	} else {
		memcpy(&bits, &d, sizeof(bits));
		wr_u64(b, bits);
	}
	return 0;
}

static int add_binary_field(struct buf *b, const struct column_def *c, struct str text)
{
	switch (c->type) {
	case MYSQL_TYPE_TINY: return add_binary_int(b, c, text, 1);
	case MYSQL_TYPE_SHORT:
	case MYSQL_TYPE_YEAR: return add_binary_int(b, c, text, 2);
	case MYSQL_TYPE_LONG:
	case MYSQL_TYPE_INT24: return add_binary_int(b, c, text, 4);
	case MYSQL_TYPE_LONGLONG: return add_binary_int(b, c, text, 8);
	case MYSQL_TYPE_FLOAT: return add_binary_real(b, text, true);
	case MYSQL_TYPE_DOUBLE: return add_binary_real(b, text, false);
	case MYSQL_TYPE_DATE:
	case MYSQL_TYPE_TIME:
	case MYSQL_TYPE_DATETIME:
	case MYSQL_TYPE_TIMESTAMP: return -1;
	default: wr_lenenc_str(b, text); return 0;
	}
}

static int add_binary_row(const struct rowset *rs, const struct str *fields)
{
	size_t nulls_n = (rs->n_cols + 7 + 2) / 8, nulls_at;

	wr_u8(rs->b, 0x00);
	nulls_at = buf_used(rs->b);
	wr_zeros(rs->b, nulls_n);
	for (unsigned i = 0; i < rs->n_cols; i++) {
		if (!fields[i].p)
			buf_head(rs->b)[nulls_at + (i + 2) / 8] |= (uint8_t)(1u << ((i + 2) % 8));
		else if (add_binary_field(rs->b, &rs->cols[i], fields[i]) < 0)
			return -1;
	}
	return 0;
}

static void add_text_row(const struct rowset *rs, const struct str *fields)
{
	for (unsigned i = 0; i < rs->n_cols; i++) {
		if (fields[i].p)
			wr_lenenc_str(rs->b, fields[i]);
		else
			wr_u8(rs->b, 0xfb);
	}
}

int rowset_row(struct rowset *rs, const struct str *fields)
{
	size_t mark = packet_begin(rs->b);

	if (!rs->binary) {
		add_text_row(rs, fields);
	} else if (add_binary_row(rs, fields) < 0) {
		rs->b->len = rs->b->off + mark;
		return -1;
	}
	packet_end(rs->b, mark, rs->seq);
	rs->rows++;
	return 0;
}

void rowset_end(struct rowset *rs, uint16_t status, uint16_t warnings)
{
	struct ok_packet ok = { .status = status, .warnings = warnings, .info = STR(""), .track = STR("") };
	size_t mark = packet_begin(rs->b);

	eof_build(rs->b, rs->caps, &ok);
	packet_end(rs->b, mark, rs->seq);
}
