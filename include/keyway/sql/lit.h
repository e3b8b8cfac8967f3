/* sql/lit.h - the value of a literal, and a value as a literal again. Pure. */
#ifndef KEYWAY_SQL_LIT_H
#define KEYWAY_SQL_LIT_H

#include "keyway/sql/scan.h"
#include "keyway/util/arena.h"
#include "keyway/util/buf.h"

enum sql_value_kind {
	SQL_V_NULL,
	SQL_V_INT,     /* i; every integer that fits int64 */
	SQL_V_UINT,    /* u; integers above INT64_MAX */
	SQL_V_DECIMAL, /* s: digits, an optional sign and point, as text; also integers beyond 64 bits */
	SQL_V_DOUBLE,  /* f */
	SQL_V_BYTES,   /* s: string bytes, unescaped, in the client's character set */
	SQL_V_BINARY,  /* s: bytes of a hex or bit literal, or a binary parameter */
};

struct sql_value {
	uint8_t kind; /* enum sql_value_kind */
	union {
		int64_t i;
		uint64_t u;
		double f;
		struct str s; /* in the text or in the arena */
	};
};

/* The value of the literal @text of @kind (any but LIT_PARAM, LIT_DEFAULT, LIT_EXPR) with @flags as scanned;
 * @negative: a minus sign stood before it. TRUE and FALSE are 1 and 0. Bytes are put in @a only when they differ from
 * the text. 0, or ERR_SYNTAX (odd hex digits), ERR_LIMIT (arena). */
MUST_CHECK int sql_lit_value(struct str text, enum lit_kind kind, unsigned flags, bool negative,
	const struct scan_mode *mode, struct arena *a, struct sql_value *out, struct err *err);

/* Appends @v as a literal that is read back as the same value under @mode whatever its bytes are: strings that cannot
 * be written safely in the mode's character set come as a hex literal with @introducer (a charset name, may be empty:
 * then plain hex, a binary string). */
void sql_lit_print(struct buf *b, const struct sql_value *v, const struct scan_mode *mode, struct str introducer);

/* Appends @name as `name`. A byte that is half a character comes as ?: it could swallow the quote. */
void sql_ident_print(struct buf *b, struct str name, const struct scan_mode *mode);

#endif
