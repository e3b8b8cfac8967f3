/* table.h - a table as the comparison of two sides sees it: columns, primary key, and the SQL text to read values so
 * that not a bit is lost, to write them back, and to walk the table in the order of its key. Pure but for table_read().
 *
 * A value travels as its raw text: hexadecimal digits for what has bytes (texts, binary strings, geometry), the number
 * or the date as text for the rest. NULL is no raw text. */
#ifndef KEYWAY_OPS_TABLE_H
#define KEYWAY_OPS_TABLE_H

#include "db.h"
#include "keyway/util/arena.h"

enum column_class {
	COLUMN_TEXT,   /* has a character set */
	COLUMN_BYTES,  /* binary strings, geometry */
	COLUMN_NUMBER, /* exact numbers; bits, enums and sets as the number they are stored as */
	COLUMN_FLOAT,
	COLUMN_TIME, /* dates and times, and all that is written as a quoted text: uuid, inet6 */
};

struct column {
	const char *name, *data_type, *column_type, *charset, *collation, *default_, *extra;
	enum column_class class;
	bool as_number; /* bit, enum, set, year: read as the number */
	bool nullable, generated;
	bool longish; /* may be longer than its digest */
};

struct table {
	const char *database, *name;
	struct column *columns; /* in the table's order */
	uint32_t column_n;
	uint32_t *key; /* of the primary key, indexes into columns */
	uint32_t key_n;
	struct arena arena;
};

/* Reads it from information_schema. ERR_NAME: no such table. Free with table_free(), also after an error. */
MUST_CHECK int table_read(struct db *db, const char *database, const char *name, struct table *out, struct err *err);
void table_free(struct table *t);
/* Fills class, as_number and longish from the types. */
void column_classify(struct column *c, uint64_t most_bytes);
/* ERR_UNSUPPORTED and why, when rows cannot be told apart by a primary key that has one order on both sides. */
MUST_CHECK int table_comparable(const struct table *t, struct err *err);
/* ERR_UNSUPPORTED and where, unless both have the same columns. */
MUST_CHECK int table_same(const struct table *a, const struct table *b, struct err *err);

void table_add_name(struct buf *b, const struct table *t); /* `database`.`name` */
/* The expression that reads a column's raw text. */
void column_add_raw(struct buf *b, const struct column *c);
/* A raw text as a literal that can be compared with and assigned to the column. ERR_MALFORMED: it is no raw text. */
MUST_CHECK int column_add_literal(struct buf *b, const struct column *c, const char *raw, struct err *err);
/* The raw text for people: "'abc'", "17", "NULL". */
void column_add_shown(struct buf *b, const struct column *c, const char *raw);
/* MD5 of the whole row, from which no two unlike rows come out equal. */
void table_add_digest(struct buf *b, const struct table *t);
/* "raw, raw, …" of the key's columns. */
void table_add_key_raw(struct buf *b, const struct table *t);
void table_add_key_order(struct buf *b, const struct table *t);
/* Conditions on the key, @key having key_n raw texts: rows behind it; up to and with it; that row. */
MUST_CHECK int table_add_behind(struct buf *b, const struct table *t, char *const *key, struct err *err);
MUST_CHECK int table_add_up_to(struct buf *b, const struct table *t, char *const *key, struct err *err);
MUST_CHECK int table_add_at(struct buf *b, const struct table *t, char *const *key, struct err *err);

#endif
