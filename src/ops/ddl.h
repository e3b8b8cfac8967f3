/* ddl.h - which ALTER TABLE may run on one side of a pair while the other still has the table as it was. Between the
 * two runs a row-based stream passes in both directions, and it matches columns by position: docs/operations.md has the
 * table of what was tried. What is not known to be safe is refused. Pure. */
#ifndef KEYWAY_OPS_DDL_H
#define KEYWAY_OPS_DDL_H

#include "keyway/util/arena.h"
#include "keyway/util/buf.h"
#include "keyway/util/err.h"

/* An ALTER TABLE, understood as far as needed. Texts point into the statement or into the arena. */
struct ddl {
	struct str text;		    /* without a ; at its end */
	struct str table;		    /* without quotes */
	struct str before_name, after_name; /* the text on both sides of the table's name */
};

/* Reads the statement and looks at each of its clauses. ERR_SYNTAX; ERR_UNSUPPORTED: which clause, why, what instead.
 */
MUST_CHECK int ddl_read(struct str text, struct arena *a, struct ddl *out, struct err *err);
/* The same statement for another table. */
void ddl_add_for(struct buf *b, const struct ddl *d, const char *database, const char *table);

/* A column as information_schema describes it; a unique index by name and columns. */
struct ddl_column {
	const char *name, *type, *collation, *default_, *extra; /* type: "varchar(20)"; NULL where there is none */
	bool nullable, generated;
};

struct ddl_shape {
	const struct ddl_column *columns;
	uint32_t column_n;
	const char *const *unique; /* "name(col,col)", sorted */
	uint32_t unique_n;
};

/* The table before and after. 0, or ERR_UNSUPPORTED and why the stream between the two cannot be trusted. @lossy: rows
 * written by the new side may lose something on the old one while it is old (a note to the operator). */
MUST_CHECK int ddl_compare(const struct ddl_shape *before, const struct ddl_shape *after, bool *lossy, struct err *err);

#endif
