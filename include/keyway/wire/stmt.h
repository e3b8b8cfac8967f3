/* wire/stmt.h - COM_STMT_EXECUTE and its binary parameters. What parsers fill points into the packet or the arena
 * given. CLIENT_QUERY_ATTRIBUTES is not offered, so no packet has attributes. Pure, any thread. */
#ifndef KEYWAY_WIRE_STMT_H
#define KEYWAY_WIRE_STMT_H

#include "keyway/util/arena.h"
#include "keyway/util/err.h"
#include "keyway/wire/bytes.h"
#include "keyway/wire/proto.h"

#define STMT_ID_LAST_PREPARED 0xffffffffu /* MariaDB clients: "the one prepared last" */

struct param_type {
	uint8_t type; /* enum mysql_type */
	bool is_unsigned;
};

enum param_state {
	PARAM_NULL,
	PARAM_VALUE,	 /* in the packet */
	PARAM_LONG_DATA, /* sent before by COM_STMT_SEND_LONG_DATA */
};

struct param {
	struct param_type type;
	uint8_t state; /* enum param_state */
	struct str
		value; /* VALUE: the bytes of the value, without a length before them; LONG_DATA: the caller's bytes */
};

struct exec_params {
	uint32_t stmt_id;
	uint8_t flags; /* CURSOR_TYPE_* */
	uint32_t iterations;
	bool bound; /* the packet told the types: remember them for the next execution */
	unsigned n;
	struct param *params; /* in the arena */
};

/* The statement of a COM_STMT_EXECUTE, STMT_CLOSE, STMT_RESET, STMT_FETCH or SEND_LONG_DATA packet (@p with the command
 * byte), before its parameters can be read. -1: too short. */
MUST_CHECK int stmt_packet_id(const uint8_t *p, size_t n, uint32_t *stmt_id);
MUST_CHECK int stmt_fetch_parse(const uint8_t *p, size_t n, uint32_t *stmt_id, uint32_t *rows);

/* @p: payload with the command byte. @n_params: as prepared. @last_types: of the last execution, NULL: none yet (then a
 * packet without types is 1210). @long_data: NULL, or for each parameter the bytes sent as long data (p == NULL: none).
 * ERR_MALFORMED with 1835 or 1210. */
MUST_CHECK int exec_parse(const uint8_t *p, size_t n, unsigned n_params, const struct param_type *last_types,
	const struct str *long_data, struct arena *a, struct exec_params *out, struct err *err);

/* Appends the payload of the same execution for another statement id, always with types (new_params_bound 1). Long data
 * parameters are written as ordinary values, so the backend needs no SEND_LONG_DATA. */
void exec_build(struct buf *b, const struct exec_params *x, uint32_t stmt_id, uint8_t flags);

struct long_data {
	uint32_t stmt_id;
	uint16_t param;
	struct str bytes;
};
MUST_CHECK int long_data_parse(const uint8_t *p, size_t n, struct long_data *out);

/* Values with meaning. */
enum value_kind {
	VALUE_NULL,
	VALUE_INT,	/* i */
	VALUE_UINT,	/* u */
	VALUE_DOUBLE,	/* d; a FLOAT's value is exact in it */
	VALUE_DECIMAL,	/* s: its text */
	VALUE_BYTES,	/* s: text in the client's character set, or a blob */
	VALUE_DATE,	/* t: year month day */
	VALUE_DATETIME, /* t */
	VALUE_TIME,	/* t: negative, hour up to 838, minute second micro */
};

struct value_time {
	bool negative;
	uint16_t year;
	uint8_t month, day;
	uint32_t hour; /* days of a TIME are in it */
	uint8_t minute, second;
	uint32_t micro;
};

struct wire_value {
	uint8_t kind;  /* enum value_kind */
	bool is_float; /* came as a 4-byte FLOAT */
	union {
		int64_t i;
		uint64_t u;
		double d;
		struct str s;
		struct value_time t;
	} u;
};

/* -1: the bytes are no value of the type (length of a temporal, fields out of range). */
MUST_CHECK int param_value(const struct param *p, struct wire_value *out);
/* Reads the value at the reader as a value of @type, as parameters and fields of binary rows have it. */
MUST_CHECK int binary_value(struct rd *r, struct param_type type, struct str *raw);

/* Appends the value as a literal of SQL that means the same: numbers exact, temporals as
 * DATE'..'/TIME'..'/TIMESTAMP'..', NULL, text quoted. @no_backslash: the session has NO_BACKSLASH_ESCAPES. @charset: id
 * of the text's character set; text in one that is unsafe to lex, or that is binary, goes as X'..', the first with an
 * introducer. -1 as param_value(), or for a double that is not finite. */
MUST_CHECK int param_to_sql(const struct param *p, unsigned charset, bool no_backslash, struct buf *out);
/* Appends @s quoted with ' and escaped. */
void sql_quote(struct buf *out, struct str s, bool no_backslash);

#endif
