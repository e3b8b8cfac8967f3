/* sql/rows.h - walks the rows of INSERT ... VALUES (...), (...) in the text itself, for splitting it by shard. Linear,
 * allocates nothing. Offsets are bytes into the text. One thread, caller-owned. Pure. */
#ifndef KEYWAY_SQL_ROWS_H
#define KEYWAY_SQL_ROWS_H

#include "keyway/sql/scan.h"

#define SQL_ROW_VALS 16 /* values whose place a row remembers; those behind are looked for again */

struct sql_row_value {
	uint32_t start, end; /* the whole value with its sign, without blanks around */
	uint32_t off, len;   /* the literal itself, without sign (kinds up to LIT_PARAM) */
	uint32_t param;	     /* LIT_PARAM: which ? of the statement, from 0 */
	uint8_t kind;	     /* enum lit_kind */
	uint8_t flags;	     /* LIT_F_... */
	bool negative;	     /* a minus sign stood before a number */
};

struct sql_row {
	uint32_t start, end; /* from ( to behind ) */
	uint32_t n_values;
	uint32_t first_param; /* ordinal of the first ? in or behind the row */
	struct sql_row_value vals[SQL_ROW_VALS];
};

struct sql_rows {
	struct str text;
	const struct scan_mode *mode;
	uint32_t pos;	 /* next byte to look at; behind the last row when done */
	uint32_t params; /* ? seen so far */
	uint32_t n;	 /* rows given so far */
	bool done;
	bool in_exec; /* inside an executable comment */
};

/* @rows_off is scan.rows_off; @first_param the number of ? before it (0 when the text has none there). @mode must
 * outlive the iterator. */
void sql_rows_init(
	struct sql_rows *it, struct str text, uint32_t rows_off, uint32_t first_param, const struct scan_mode *mode);

/* 1 and the next row, 0 when there is none, ERR_SYNTAX when the text is no row there. */
MUST_CHECK int sql_rows_next(struct sql_rows *it, struct sql_row *row, struct err *err);

/* The @n-th value of @row, from 0. False when there are fewer. */
bool sql_row_value(const struct sql_rows *it, const struct sql_row *row, uint32_t n, struct sql_row_value *out);

#endif
