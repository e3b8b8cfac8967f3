/* cluster/value.h - one value that is compared with, or stored into, a shard key column. A view: it owns nothing.
 * The planner makes it from a literal or a bound parameter. Pure. */
#ifndef KEYWAY_CLUSTER_VALUE_H
#define KEYWAY_CLUSTER_VALUE_H

#include "keyway/cluster/charset.h"

enum key_value_kind {
	KEY_VALUE_NULL = 0,
	KEY_VALUE_INT,	   /* i64 */
	KEY_VALUE_UINT,	   /* u64; may also hold what fits i64 */
	KEY_VALUE_DECIMAL, /* text: an exact number as SQL writes it, "-12.50"; no exponent */
	KEY_VALUE_DOUBLE,  /* f64: 1e3 in SQL, a float or double parameter */
	KEY_VALUE_TEXT,	   /* text in charset: '..', a string parameter. x'..' and _binary'..': CHARSET_BINARY */
	KEY_VALUE_OTHER,   /* a kind whose comparison is not decided here (TIMESTAMP'..', b'..' ...): always unknown */
};

struct key_value {
	enum key_value_kind kind;
	enum charset charset; /* TEXT only: what the bytes of text are in */
	union {
		int64_t i64;
		uint64_t u64;
		double f64;
		struct str text;
	};
};

static inline struct key_value key_value_null(void)
{
	return (struct key_value){ .kind = KEY_VALUE_NULL };
}

static inline struct key_value key_value_int(int64_t v)
{
	return (struct key_value){ .kind = KEY_VALUE_INT, .i64 = v };
}

static inline struct key_value key_value_uint(uint64_t v)
{
	return (struct key_value){ .kind = KEY_VALUE_UINT, .u64 = v };
}

static inline struct key_value key_value_decimal(struct str text)
{
	return (struct key_value){ .kind = KEY_VALUE_DECIMAL, .text = text };
}

static inline struct key_value key_value_double(double v)
{
	return (struct key_value){ .kind = KEY_VALUE_DOUBLE, .f64 = v };
}

static inline struct key_value key_value_text(struct str text, enum charset cs)
{
	return (struct key_value){ .kind = KEY_VALUE_TEXT, .charset = cs, .text = text };
}

#endif
