/* stmt.c - the packets of prepared statements that clients send, read and rewritten.
 * For the front, which routes by parameters, and the backend, which executes under other ids.
 * Pure, any thread. */
#include "keyway/wire/stmt.h"
#include <stdio.h>

#define EXECUTE_FIXED 10 /* command, id, flags, iterations */
#define UNSIGNED_BIT  0x80

/* How values of a type lie in the packet: that many bytes, or one of these. 0: not a type that a parameter can have. */
enum { CODE_TEMPORAL = -1, CODE_LENENC = -2, CODE_NOTHING = -3 };

static const int8_t type_code[256] = {
	[MYSQL_TYPE_DECIMAL] = CODE_LENENC,
	[MYSQL_TYPE_TINY] = 1,
	[MYSQL_TYPE_SHORT] = 2,
	[MYSQL_TYPE_LONG] = 4,
	[MYSQL_TYPE_FLOAT] = 4,
	[MYSQL_TYPE_DOUBLE] = 8,
	[MYSQL_TYPE_NULL] = CODE_NOTHING,
	[MYSQL_TYPE_TIMESTAMP] = CODE_TEMPORAL,
	[MYSQL_TYPE_LONGLONG] = 8,
	[MYSQL_TYPE_INT24] = 4,
	[MYSQL_TYPE_DATE] = CODE_TEMPORAL,
	[MYSQL_TYPE_TIME] = CODE_TEMPORAL,
	[MYSQL_TYPE_DATETIME] = CODE_TEMPORAL,
	[MYSQL_TYPE_YEAR] = 2,
	[MYSQL_TYPE_VARCHAR] = CODE_LENENC,
	[MYSQL_TYPE_BIT] = CODE_LENENC,
	[MYSQL_TYPE_VECTOR] = CODE_LENENC,
	[MYSQL_TYPE_JSON] = CODE_LENENC,
	[MYSQL_TYPE_NEWDECIMAL] = CODE_LENENC,
	[MYSQL_TYPE_ENUM] = CODE_LENENC,
	[MYSQL_TYPE_SET] = CODE_LENENC,
	[MYSQL_TYPE_TINY_BLOB] = CODE_LENENC,
	[MYSQL_TYPE_MEDIUM_BLOB] = CODE_LENENC,
	[MYSQL_TYPE_LONG_BLOB] = CODE_LENENC,
	[MYSQL_TYPE_BLOB] = CODE_LENENC,
	[MYSQL_TYPE_VAR_STRING] = CODE_LENENC,
	[MYSQL_TYPE_STRING] = CODE_LENENC,
	[MYSQL_TYPE_GEOMETRY] = CODE_LENENC,
};

static bool temporal_length_ok(uint8_t type, size_t n)
{
	if (type == MYSQL_TYPE_TIME)
		return n == 0 || n == 8 || n == 12;
	return n == 0 || n == 4 || n == 7 || n == 11;
}

int binary_value(struct rd *r, struct param_type type, struct str *raw)
{
	int code = type_code[type.type];

	switch (code) {
	case 0: return -1;
	case CODE_NOTHING: *raw = STR(""); break;
	case CODE_LENENC: *raw = rd_lenenc_str(r); break;
	case CODE_TEMPORAL:
		*raw = rd_bytes(r, rd_u8(r));
		if (!temporal_length_ok(type.type, raw->n))
			return -1;
		break;
	default: *raw = rd_bytes(r, (unsigned)code); break;
	}
	return r->bad ? -1 : 0;
}

int stmt_packet_id(const uint8_t *p, size_t n, uint32_t *stmt_id)
{
	if (n < 5)
		return -1;
	*stmt_id = get_u32(p + 1);
	return 0;
}

int stmt_fetch_parse(const uint8_t *p, size_t n, uint32_t *stmt_id, uint32_t *rows)
{
	if (n < 9)
		return -1;
	*stmt_id = get_u32(p + 1);
	*rows = get_u32(p + 5);
	return 0;
}

int long_data_parse(const uint8_t *p, size_t n, struct long_data *out)
{
	struct rd r = rd_make(p, n);

	rd_u8(&r);
	out->stmt_id = rd_u32(&r);
	out->param = rd_u16(&r);
	out->bytes = rd_rest(&r);
	return r.bad ? -1 : 0;
}

static int cut(struct err *err, const char *what)
{
	return err_set(
		err, ERR_MALFORMED, ER_MALFORMED_PACKET, "Malformed communication packet: COM_STMT_EXECUTE %s", what);
}

static int wrong_arguments(struct err *err, const char *fmt, unsigned param, unsigned type)
{
	char what[160];

	snprintf(what, sizeof(what), fmt, param + 1, type);
	return err_set(err, ERR_MALFORMED, ER_WRONG_ARGUMENTS, "Incorrect arguments to mysqld_stmt_execute: %s", what);
}

static int read_types(struct rd *r, const struct param_type *last_types, struct exec_params *x, struct err *err)
{
	uint8_t bound = rd_u8(r);

	x->bound = bound != 0;
	if (r->bad || bound > 1)
		return cut(err, "has no new-params-bound flag");
	if (!x->bound && !last_types)
		return wrong_arguments(err, "no types of parameters were sent with its first execution", 0, 0);
	for (unsigned i = 0; i < x->n; i++) {
		struct param_type *t = &x->params[i].type;

		if (x->bound) {
			t->type = rd_u8(r);
			t->is_unsigned = rd_u8(r) & UNSIGNED_BIT;
		} else {
			*t = last_types[i];
		}
		if (!type_code[t->type])
			return wrong_arguments(err, "parameter %u has the unknown type %u", i, t->type);
	}
	return r->bad ? cut(err, "ends within the types of its parameters") : 0;
}

static int read_value(struct rd *r, unsigned i, bool is_null, struct str long_data, struct param *p, struct err *err)
{
	if (long_data.p) {
		if (type_code[p->type.type] != CODE_LENENC)
			return wrong_arguments(err,
				"parameter %u was sent as long data and has type %u, which is neither text "
				"nor blob",
				i, p->type.type);
		p->state = PARAM_LONG_DATA;
		p->value = long_data;
		return 0;
	}
	if (is_null || p->type.type == MYSQL_TYPE_NULL) {
		p->state = PARAM_NULL;
		p->value = STR("");
		return 0;
	}
	p->state = PARAM_VALUE;
	return binary_value(r, p->type, &p->value) < 0 ? cut(err, "has a parameter whose value is cut or too long") : 0;
}

int exec_parse(const uint8_t *p, size_t n, unsigned n_params, const struct param_type *last_types,
	const struct str *long_data, struct arena *a, struct exec_params *out, struct err *err)
{
	struct rd r = rd_make(p, n);
	const uint8_t *nulls;
	int rc;

	memset(out, 0, sizeof(*out));
	rd_u8(&r);
	out->stmt_id = rd_u32(&r);
	out->flags = rd_u8(&r);
	out->iterations = rd_u32(&r);
	if (r.bad)
		return cut(err, "is too short");
	if (out->flags & PARAMETER_COUNT_AVAILABLE)
		return cut(err, "has query attributes, which were not negotiated");
	if (!n_params)
		return 0;
	nulls = rd_take(&r, (n_params + 7) / 8);
	if (!nulls)
		return cut(err, "ends within the bitmap of NULLs");
	out->params = arena_try_alloc(a, n_params * sizeof(*out->params));
	if (!out->params)
		return err_set(err, ERR_LIMIT, ER_OUT_OF_RESOURCES,
			"Out of memory for the %u parameters of a statement: send fewer at a time", n_params);
	out->n = n_params;
	rc = read_types(&r, last_types, out, err);
	for (unsigned i = 0; rc == 0 && i < n_params; i++)
		rc = read_value(&r, i, nulls[i / 8] >> (i % 8) & 1, long_data ? long_data[i] : str_make(NULL, 0),
			&out->params[i], err);
	return rc;
}

static void write_value(struct buf *b, const struct param *p)
{
	int code = type_code[p->type.type];

	if (code == CODE_LENENC)
		wr_lenenc(b, p->value.n);
	else if (code == CODE_TEMPORAL)
		wr_u8(b, (uint8_t)p->value.n);
	buf_add_str(b, p->value);
}

void exec_build(struct buf *b, const struct exec_params *x, uint32_t stmt_id, uint8_t flags)
{
	size_t nulls_n = (x->n + 7) / 8;
	uint8_t *nulls;

	buf_reserve(b, EXECUTE_FIXED + nulls_n + 1 + 2 * (size_t)x->n);
	wr_u8(b, COM_STMT_EXECUTE);
	wr_u32(b, stmt_id);
	wr_u8(b, flags);
	wr_u32(b, x->iterations);
	if (!x->n)
		return;
	nulls = buf_tail(b);
	memset(nulls, 0, nulls_n);
	for (unsigned i = 0; i < x->n; i++) {
		if (x->params[i].state == PARAM_NULL)
			nulls[i / 8] |= (uint8_t)(1u << (i % 8));
	}
	buf_wrote(b, nulls_n);
	wr_u8(b, 1);
	for (unsigned i = 0; i < x->n; i++) {
		wr_u8(b, x->params[i].type.type);
		wr_u8(b, x->params[i].type.is_unsigned ? UNSIGNED_BIT : 0);
	}
	for (unsigned i = 0; i < x->n; i++) {
		if (x->params[i].state != PARAM_NULL)
			write_value(b, &x->params[i]);
	}
}
