/* fix.h - one row mended on one side, outside the binlog, noted before in a log that can be undone. Calls block. */
#ifndef KEYWAY_OPS_FIX_H
#define KEYWAY_OPS_FIX_H

#include "pair.h"
#include "table.h"
#include <stdio.h>

#define ROW_DIGEST 33

/* One row as one side has it. All zero: there is no such row. */
struct row_image {
	bool there;
	char digest[ROW_DIGEST];
	char **raw; /* by column; entries NULL for NULL. Heap. Only filled by row_read() with @values */
	uint32_t n;
};

void row_free(struct row_image *r);
/* Value by value; both with values. */
bool row_eq(const struct row_image *a, const struct row_image *b);
/* The row at @key. @values: all columns too. @lock: FOR UPDATE. */
MUST_CHECK int row_read(struct db *db, const struct table *t, char *const *key, bool values, bool lock,
	struct row_image *out, struct err *err);

struct fix_log {
	FILE *f;
	char *path;
};
/* ERR_CONFIG: it exists already or cannot be written. */
MUST_CHECK int fix_log_open(struct fix_log *l, const char *path, struct err *err);
void fix_log_close(struct fix_log *l);

/* Makes the row at @key of side @side what @want is (with values), if it is still as @seen says: 0; 1: it is not. The
 * connection must have sql_log_bin=0. */
MUST_CHECK int fix_row(struct pair *p, enum pair_side side, const struct table *t, char *const *key,
	const struct row_image *seen, const struct row_image *want, struct fix_log *log, struct err *err);

#endif
