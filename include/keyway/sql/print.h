/* sql/print.h - AST to text. Parsing what was printed gives the same tree. Literals are printed as they were written,
 * so the text the tree was parsed from must still be there, and the reader must use the same mode. Pure. */
#ifndef KEYWAY_SQL_PRINT_H
#define KEYWAY_SQL_PRINT_H

#include "keyway/sql/ast.h"
#include "keyway/sql/scan.h"
#include "keyway/util/buf.h"

/* Asked before every expression and table reference (one of the two is NULL). True: it has appended what stands there
 * to @b itself. */
typedef bool sql_print_hook(struct buf *b, const struct sql_expr *e, const struct sql_table_ref *t, void *arg);

/* @mode is that of the parse; @hook may be NULL. */
void sql_print_stmt(
	struct buf *b, const struct sql_stmt *st, const struct scan_mode *mode, sql_print_hook *hook, void *arg);
void sql_print_query(
	struct buf *b, const struct sql_query *q, const struct scan_mode *mode, sql_print_hook *hook, void *arg);
void sql_print_expr(
	struct buf *b, const struct sql_expr *e, const struct scan_mode *mode, sql_print_hook *hook, void *arg);
void sql_print_table_ref(
	struct buf *b, const struct sql_table_ref *t, const struct scan_mode *mode, sql_print_hook *hook, void *arg);

/* A line-per-node description of the tree without token ordinals: equal trees give equal text. For tests. */
void sql_dump_stmt(struct buf *b, const struct sql_stmt *st);

#endif
