/* wire/rowset.h - small result sets made here, in either protocol and either EOF flavour, and the reading of text rows
 * for our own queries. Pure, any thread. */
#ifndef KEYWAY_WIRE_ROWSET_H
#define KEYWAY_WIRE_ROWSET_H

#include "keyway/wire/reply.h"

/* A result set being written: whole packets with headers are appended to the buffer. Holds no memory of its own. */
struct rowset {
	struct buf *b;
	const struct column_def *cols; /* borrowed until rowset_end() */
	unsigned n_cols;
	uint32_t caps; /* the client's */
	bool binary;   /* rows of COM_STMT_EXECUTE */
	uint8_t *seq;  /* borrowed; moved on */
	uint64_t rows;
};

/* Column makers: a text (utf8mb4, @chars long) and numbers. Strings are borrowed. */
struct column_def column_text(struct str name, uint32_t chars);
struct column_def column_int(struct str name);	/* signed BIGINT */
struct column_def column_uint(struct str name); /* unsigned BIGINT */
struct column_def column_double(struct str name);

/* Writes column count, definitions and, where the client wants one, the EOF behind them (@status goes into it). */
void rowset_begin(struct rowset *rs, struct buf *b, uint8_t *seq, uint32_t caps, bool binary,
	const struct column_def *cols, unsigned n_cols, uint16_t status);
/* One row as texts; a field with p == NULL is NULL. In the binary protocol fields of TINY, SHORT, LONG, INT24,
 * LONGLONG, YEAR, FLOAT and DOUBLE columns are converted from their text, all others go as they are. -1 when a text is
 * no number of its column (or a temporal column in the binary protocol): then nothing was written. */
MUST_CHECK int rowset_row(struct rowset *rs, const struct str *fields);
void rowset_end(struct rowset *rs, uint16_t status, uint16_t warnings);

/* Text rows: start with rd_make(payload, n) and call once for each column; a NULL has p == NULL. When all are read,
 * row_done() tells whether the row was well formed and fully used. */
static inline struct str row_field(struct rd *r)
{
	return rd_field(r);
}

static inline bool row_done(const struct rd *r)
{
	return !r->bad && r->p == r->end;
}

#endif
