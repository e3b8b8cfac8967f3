/* sql/printer.h - what the files of the printer share. Inside the layer only. Pure. */
#ifndef KEYWAY_SQL_PRINTER_H
#define KEYWAY_SQL_PRINTER_H

#include "keyway/sql/print.h"

struct printer {
	struct buf *b;
	const struct scan_mode *mode;
	sql_print_hook *hook;
	void *arg;
};

/* How tightly an expression binds: the grammar's places, from the loosest on. */
enum level {
	LEVEL_EXPR,
	LEVEL_OR,
	LEVEL_XOR,
	LEVEL_AND,
	LEVEL_NOT,
	LEVEL_COMPARE,
	LEVEL_PREDICATE,
	LEVEL_BITOR,
	LEVEL_BITAND,
	LEVEL_SHIFT,
	LEVEL_ADD,
	LEVEL_MUL,
	LEVEL_BITXOR,
	LEVEL_CONCAT,
	LEVEL_UNARY,
	LEVEL_COLLATE,
	LEVEL_PRIMARY,
};

/* @e where nothing that binds looser than @min may stand without parentheses. */
void print_expr(const struct printer *p, const struct sql_expr *e, enum level min);
void print_exprs(const struct printer *p, const struct sql_exprs *v);
void print_query(const struct printer *p, const struct sql_query *q);
void print_table(const struct printer *p, const struct sql_table_ref *t);
void print_tables(const struct printer *p, const struct sql_table_refs *refs);
void print_with(const struct printer *p, const struct sql_with *w);
void print_items(const struct printer *p, const struct sql_item *v, uint32_t n);
void print_order(const struct printer *p, const char *words, const struct sql_order *o);
void print_limit(const struct printer *p, const struct sql_limit *l);
void print_window(const struct printer *p, const struct sql_window *w);
/* A name, in quotes if it must be. */
void print_name(const struct printer *p, struct str name);
void print_qualified(const struct printer *p, const struct sql_name *n);
void print_names(const struct printer *p, const struct sql_names *v);
void print_text(const struct printer *p, struct str s);
void print_word(const struct printer *p, const char *z);

#endif
