/* ctl_table.h - rows of named columns, collected by a command and then printed for people or as JSON. Texts are copied.
 * One thread. */
#ifndef KEYWAY_MAIN_CTL_TABLE_H
#define KEYWAY_MAIN_CTL_TABLE_H

#include "keyway/util/buf.h"
#include <stdio.h>

enum ctl_align { CTL_LEFT, CTL_RIGHT };

/* @name is the key in JSON, and in capitals the head of the table. */
struct ctl_column {
	const char *name;
	enum ctl_align align; /* numbers: CTL_RIGHT */
};

struct ctl_cell; /* inside */

struct ctl_table {
	const struct ctl_column *columns; /* borrowed */
	uint32_t column_n;
	struct ctl_cell *cells; /* row by row */
	uint32_t cell_n, cell_cap;
};

/* All zero is a table without columns. Forgets what is in @t. */
void ctl_table_begin(struct ctl_table *t, const struct ctl_column *columns, uint32_t n);
void ctl_table_free(struct ctl_table *t);

/* The cells of a row, from left to right; the next row follows by itself. */
void ctl_cell_text(struct ctl_table *t, struct str s);
void ctl_cell_textz(struct ctl_table *t, const char *s); /* NULL: nothing */
void ctl_cell_textf(struct ctl_table *t, const char *fmt, ...) PRINTF(2, 3);
void ctl_cell_number(struct ctl_table *t, uint64_t v);
void ctl_cell_int(struct ctl_table *t, int64_t v);
void ctl_cell_real(struct ctl_table *t, double v, int digits); /* digits behind the point */
void ctl_cell_bool(struct ctl_table *t, bool v);
void ctl_cell_none(struct ctl_table *t); /* "-", null */

uint32_t ctl_table_rows(const struct ctl_table *t);

/* With a head, columns aligned; no byte of a cell can steer a terminal. */
void ctl_table_print(const struct ctl_table *t, FILE *out);
/* An array of objects. @compact: on one line. */
void ctl_table_print_json(const struct ctl_table *t, bool compact, FILE *out);

/* @s with everything escaped that could steer a terminal or mislead its reader: control characters, what is not UTF-8,
 * marks that turn the direction of writing. Appends. */
void ctl_text_safe(struct buf *to, struct str s);

#endif
