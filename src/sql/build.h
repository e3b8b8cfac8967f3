/* sql/build.h - makes the nodes of the tree while the grammar runs. Inside the layer only. Everything is in the
 * statement's arena; what cannot go on (no memory left, nested too deep) leaves the parser at once by parser_fail().
 * Pure. */
#ifndef KEYWAY_SQL_BUILD_H
#define KEYWAY_SQL_BUILD_H

#include "keyway/sql/ast.h"
#include "keyway/sql/parse.h"
#include <setjmp.h>

/* [first, last) token ordinals */
struct loc {
	uint32_t first, last;
};

/* A list that grows; the array of the last growth is what the tree keeps. */
struct vec {
	void *v;
	uint32_t n, cap;
};

/* A parse under way. */
struct parser {
	const struct scan *s;
	struct str text;
	const struct scan_mode *mode;
	struct arena *a;
	struct err *err;
	jmp_buf fail;
	int rc;

	uint32_t pos, end; /* tokens still to be read by the grammar: [pos, end) */
	uint16_t start;	   /* pseudo token that chooses what the grammar reads; 0 once it is given */
	uint16_t prev;	   /* what the grammar was given last */
	uint32_t cases;	   /* CASE without END so far */
	bool frame;	   /* between ROWS/RANGE and the end of a window's frame */
	bool locking;	   /* behind FOR UPDATE and kin */
	unsigned depth;	   /* statements inside statements */
	uint32_t *closing; /* for every ( the token behind its ); made when first asked for */

	struct sql_stmt *stmt; /* what the grammar makes */
	struct sql_expr *expr;
	struct sql_query *query;
	struct vec *exprs;
};

/* The grammar's reading of tokens [from, to). What is made is in ps; leaves by parser_fail() on an error. */
void parser_run(struct parser *ps, uint16_t start, uint32_t from, uint32_t to);
/* Any statement in [from, to): stmt.c */
struct sql_stmt *parse_statement(struct parser *ps, uint32_t from, uint32_t to);

_Noreturn void parser_fail(struct parser *ps, int rc);
/* 1064 at token @tok (the statement's end when there is none). */
_Noreturn void parser_syntax(struct parser *ps, uint32_t tok);
_Noreturn void parser_too_deep(struct parser *ps);

void *parser_alloc(struct parser *ps, size_t n);
#define PARSER_NEW(ps, type) ((type *)parser_alloc((ps), sizeof(type)))

struct vec *vec_new(struct parser *ps);
/* The place of one more element of @size bytes, zeroed. */
void *vec_push(struct parser *ps, struct vec *v, size_t size);
struct vec *vec_add_expr(struct parser *ps, struct vec *v, struct sql_expr *e);
struct vec *vec_add_name(struct parser *ps, struct vec *v, struct str name);
struct sql_exprs vec_exprs(const struct vec *v);
struct sql_names vec_names(const struct vec *v);

uint16_t height_above(struct parser *ps, unsigned below);
unsigned exprs_height(const struct sql_expr *const *v, uint32_t n);
unsigned order_height(const struct sql_order *o);
unsigned limit_height(const struct sql_limit *l);

/* The name or string that token @tok is, without quotes. */
struct str tok_name(struct parser *ps, uint32_t tok);
struct str tok_text(const struct parser *ps, uint32_t tok);
struct str span_text(struct parser *ps, struct loc at);
struct sql_opaque mk_opaque(struct parser *ps, struct loc at);

struct sql_expr *mk_expr(struct parser *ps, enum sql_expr_kind kind, struct loc at, unsigned n, ...);
struct sql_expr *mk_expr_v(struct parser *ps, enum sql_expr_kind kind, struct loc at, const struct vec *args);
struct sql_expr *mk_lit(struct parser *ps, struct loc at, enum sql_expr_kind kind);
struct sql_expr *mk_strcat(struct parser *ps, struct loc at, struct sql_expr *left, struct sql_expr *right);
struct sql_expr *mk_op(struct parser *ps, enum sql_expr_kind kind, enum sql_op op, struct loc at, struct sql_expr *l,
	struct sql_expr *r);
struct sql_expr *mk_not(struct sql_expr *e, bool not );
struct sql_expr *mk_chain(
	struct parser *ps, enum sql_expr_kind kind, struct loc at, struct sql_expr *l, struct sql_expr *r);
struct sql_expr *mk_column(
	struct parser *ps, enum sql_expr_kind kind, struct loc at, struct str db, struct str table, struct str name);
struct sql_expr *mk_sysvar(struct parser *ps, struct loc at, struct str a, struct str b, struct str c);
struct sql_expr *mk_query_expr(
	struct parser *ps, enum sql_expr_kind kind, struct loc at, struct sql_expr *arg, struct sql_query *q);
struct sql_expr *mk_named(
	struct parser *ps, enum sql_expr_kind kind, struct loc at, struct sql_expr *arg, struct str name);

struct sql_expr *mk_introduced(struct parser *ps, struct loc at, struct sql_expr *lit);
struct sql_expr *mk_in(struct parser *ps, struct loc at, struct sql_expr *left, const struct vec *list);
struct sql_expr *mk_row(struct parser *ps, struct loc at, struct sql_expr *first, const struct vec *rest);
/* @whens: WHEN, THEN pairs; takes @otherwise in. */
struct sql_expr *mk_case(
	struct parser *ps, struct loc at, struct sql_expr *operand, struct vec *whens, struct sql_expr *otherwise);

/* What stands between the parentheses of a call and behind them. */
struct func_body {
	struct vec *args;
	bool distinct, all, star;
	struct sql_order order;
	struct sql_expr *separator;
	struct sql_limit *limit;
};

struct func_tail {
	struct sql_order within;
	bool within_group;
	uint8_t nulls, from;
	struct sql_window *over;
};

struct sql_expr *mk_call(struct parser *ps, struct loc at, uint32_t name_tok, struct str db, const struct func_body *b,
	const struct func_tail *t);
/* @tok is a unit of time, else 1064. */
struct str mk_unit(struct parser *ps, uint32_t tok);

struct sql_window *mk_window(
	struct parser *ps, struct loc at, struct str based, const struct vec *partition, struct sql_order order);
void window_frame(struct sql_window *w, unsigned unit, unsigned b0, struct sql_expr *e0, bool between, unsigned b1,
	struct sql_expr *e1);
void window_close(struct parser *ps, struct sql_window *w, struct loc at);

struct sql_limit *mk_limit(
	struct parser *ps, struct loc at, struct sql_expr *count, struct sql_expr *offset, bool ties);
struct sql_order mk_order(const struct vec *items, struct loc at);
void add_order(struct parser *ps, struct vec *v, struct sql_expr *e, bool desc, struct loc at);

struct sql_table_ref *mk_table(struct parser *ps, enum sql_table_kind kind, struct loc at);
struct sql_table_ref *mk_derived(struct parser *ps, struct loc at, struct sql_query *q, bool lateral, struct str alias,
	const struct vec *columns);
struct sql_table_ref *mk_join(struct parser *ps, struct loc at, enum sql_join_kind kind, bool natural,
	struct sql_table_ref *l, struct sql_table_ref *r, struct sql_expr *on, const struct vec *use);
/* JOIN without ON: chains lean to the left, as written. */
struct sql_table_ref *mk_cross_join(
	struct parser *ps, struct loc at, enum sql_join_kind kind, struct sql_table_ref *l, struct sql_table_ref *r);
struct sql_table_ref *mk_nest(struct parser *ps, struct loc at, const struct vec *refs);
struct sql_table_refs vec_tables(const struct vec *v);

struct sql_query *mk_query(struct parser *ps, enum sql_query_kind kind, struct loc at, unsigned below);
struct sql_query *mk_select(struct parser *ps, struct loc at, struct sql_select *sel, struct sql_into *into);
struct sql_query *mk_setop(
	struct parser *ps, struct loc at, struct sql_query *l, enum sql_setop op, unsigned quant, struct sql_query *r);
/* Clauses behind a body; a body in parentheses that has clauses of its own is wrapped. */
struct sql_query *query_tail(
	struct parser *ps, struct loc at, struct sql_query *q, struct sql_order order, struct sql_limit *limit);
struct sql_query *query_with(struct parser *ps, struct loc at, struct sql_with *with, struct sql_query *q);
struct sql_query *query_locks(struct parser *ps, struct loc at, struct sql_query *q, const struct vec *locks);
struct sql_query *query_into(struct parser *ps, struct loc at, struct sql_query *q, struct sql_into *into);
struct sql_query *query_parens(struct parser *ps, struct loc at, struct sql_query *q);
void add_cte(struct parser *ps, struct vec *v, struct loc at, struct str name, const struct vec *columns,
	struct sql_query *q, struct sql_opaque cycle);
struct sql_with *mk_with(struct parser *ps, struct loc at, const struct vec *ctes, bool recursive);
void add_item(
	struct parser *ps, struct vec *v, struct loc at, struct loc expr_at, struct sql_expr *e, struct str alias);
struct sql_into *mk_into(struct parser *ps, struct loc at, const struct vec *vars);

struct sql_stmt *mk_stmt(struct parser *ps, enum sql_stmt_kind kind, struct loc at);
void add_assign(struct parser *ps, struct vec *v, struct loc at, struct sql_expr *target, struct sql_expr *value);
struct sql_assigns vec_assigns(const struct vec *v);

struct sql_stmt *mk_delete_multi(struct parser *ps, struct loc at, bool use, const struct vec *targets,
	const struct vec *tables, struct sql_expr *where, struct loc where_at);

#endif
