/* sql/parse.h - text to AST. Everything made lives in the caller's arena and may point into the text: both must
 * outlive the tree. Depth, tokens and memory are bounded: the stack used does not depend on the text. Pure. */
#ifndef KEYWAY_SQL_PARSE_H
#define KEYWAY_SQL_PARSE_H

#include "keyway/sql/ast.h"
#include "keyway/sql/scan.h"
#include "keyway/util/arena.h"

/* Parses the first statement of @text (up to scan.end). 0; ERR_SYNTAX with MySQL's 1064 and the place; ERR_LIMIT with
 * 1436 (nesting deeper than SQL_MAX_HEIGHT) or 1153 (tokens, the arena's limit). */
MUST_CHECK int sql_parse(
	struct str text, const struct scan_mode *mode, struct arena *a, struct sql_stmt **out, struct err *err);

/* The same for a text that is scanned already; @s is only read. */
MUST_CHECK int sql_parse_scanned(const struct scan *s, struct str text, const struct scan_mode *mode, struct arena *a,
	struct sql_stmt **out, struct err *err);

/* One expression by itself (a default, a rule of the map). */
MUST_CHECK int sql_parse_expr(
	struct str text, const struct scan_mode *mode, struct arena *a, struct sql_expr **out, struct err *err);

#endif
