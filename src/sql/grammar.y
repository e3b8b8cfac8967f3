/* sql/grammar.y - the grammar of queries, data changes and expressions of MySQL 8 and MariaDB 10.11, and the tokens of
 * the whole layer. Other statements are heads and names: stmt.c reads them and comes here for the expressions in them.
 * For parse.c. Pure and reentrant; locations are ordinals of tokens.
 *
 * Which of a word's meanings holds where is decided before the grammar sees it (words.c): here every T_ word is one
 * that is meant as a keyword, and every name is T_IDENT. */
%code requires {
#include "build.h"
}

%{
#include "build.h"
#include "words.h"
#include <string.h>

#pragma GCC diagnostic ignored "-Wmissing-prototypes"

#define NO_STR    ((struct str){ NULL, 0 })
#define NAME(loc) tok_name(ps, (loc).first)

/* The parser's stack lives in the statement's arena, so that leaving by longjmp leaks nothing. */
#define YYSTACK_ALLOC(n)      parser_alloc(ps, (n))
#define YYSTACK_ALLOC_MAXIMUM ((size_t)1 << 24)
#define YYINITDEPTH           100
#define YYMAXDEPTH            12000

#define YYLLOC_DEFAULT(cur, rhs, n)                                                                                    \
	do {                                                                                                           \
		(cur).first = (n) ? YYRHSLOC(rhs, 1).first : YYRHSLOC(rhs, 0).last;                                    \
		(cur).last = YYRHSLOC(rhs, (n)).last;                                                                  \
	} while (0)

#define LOCK_OF(lock, list, at)                                                                                        \
	do {                                                                                                           \
		const struct vec *names_ = (list);                                                                     \
		if (names_)                                                                                            \
			(lock).of = (struct sql_name_list){ names_->v, names_->n };                                    \
		(lock).tok = (at).first;                                                                               \
		(lock).tok_end = (at).last;                                                                            \
	} while (0)

static void sqlp_error(const struct loc *at, struct parser *ps, const char *msg);
%}

%define api.pure full
%define api.prefix {sqlp_}
%define api.location.type {struct loc}
%locations
%param { struct parser *ps }
%expect 0

%union {
	uint32_t u;
	struct str str;
	struct sql_name name;
	struct sql_expr *expr;
	struct sql_query *query;
	struct sql_table_ref *table;
	struct sql_window *window;
	struct sql_limit *limit;
	struct sql_into *into;
	struct sql_with *with;
	struct sql_stmt *stmt;
	struct vec *vec;
	struct sql_opaque opaque;
	struct sql_order order;
	struct sql_lock lock;
	struct { struct sql_order order; struct sql_limit *limit; } tail;
	struct { struct sql_order order; bool rollup; } group;
	struct { struct sql_expr *expr; struct str alias; struct loc at; } item;
	struct { struct sql_expr *expr; uint32_t kind; } marked;
	struct { struct str name; struct vec *columns; struct sql_query *query; struct sql_opaque cycle; } cte;
	struct { struct str name; struct vec *columns; } alias;
	struct sql_insert_row row;
	struct { struct sql_insert *insert; } source;
	struct func_body body;
	struct func_tail func;
}

%code {
static int sqlp_lex(YYSTYPE *val, struct loc *at, struct parser *ps);
}

%token T_START_DML T_START_EXPR T_START_QUERY T_START_EXPRS T_START_ASSIGNS

/* literals, in the order of enum lit_kind */
%token T_INT T_DECIMAL T_FLOAT T_STRING T_HEX T_BIT T_PARAM
/* made by the lexer */
%token T_IDENT T_UVAR T_ATAT T_HINT T_INTRODUCER T_FOLD
%token T_ARROW T_ARROW2 T_NULL_EQ T_LE T_GE T_NE T_SHL T_SHR T_ANDAND T_PIPES T_CONCAT T_ASSIGN
/* words that the rules name; the list of all words is keywords.txt */
%token T_ALL T_AND T_AS T_ASC T_BETWEEN T_BINARY T_BOTH T_BY T_CASE T_CAST T_CHAR T_COLLATE T_CONVERT
%token T_CROSS T_DEFAULT T_DELETE T_DESC T_DISTINCT T_DIV T_DUAL T_ELSE T_ESCAPE T_EXCEPT T_EXISTS T_EXTRACT
%token T_FALSE T_FETCH T_FOR T_FROM T_GROUP T_GROUPS T_HAVING T_HIGH_PRIORITY T_IGNORE T_IN T_INNER T_INSERT
%token T_INTERSECT T_INTERVAL T_INTO T_IS T_JOIN T_LATERAL T_LEADING T_LEFT T_LIKE T_LIMIT T_LOCK T_LOCKED
%token T_LOW_PRIORITY T_MATCH T_MEMBER T_MOD T_MODE T_NATURAL T_NOT T_NOWAIT T_NULL T_OF T_OFFSET T_ON T_OR T_ORDER
%token T_OUTER T_OVER T_PARTITION T_POSITION T_RANGE T_RECURSIVE T_REGEXP T_REPLACE T_RETURNING T_RIGHT
%token T_ROLLUP T_ROW T_ROWS T_SELECT T_SEPARATOR T_SET T_SHARE T_SKIP T_SOUNDS T_STRAIGHT_JOIN T_SUBSTRING
%token T_TABLE T_THEN T_TO T_TRAILING T_TRIM T_TRUE T_UNION T_UNKNOWN T_UPDATE T_USING T_VALUES T_WAIT
%token T_WHEN T_WHERE T_WINDOW T_WITH T_WITHIN T_XOR T_DELAYED T_QUICK T_AGAINST T_ANY T_TEMPORAL
/* made of words and their neighbours */
%token T_RESERVED T_CYCLE T_END T_FOLLOWING T_PRECEDING T_FUNC T_INDEX_HINT T_INTO_FILE T_JSON_TABLE T_NOPAREN T_NOT2
%token T_ON_DUPLICATE T_PORTION T_SYSTEM_TIME T_TYPE T_UNIT T_VALUES_FN T_VALUES_TVC
%token <u> T_BOUND T_FETCH_END T_FROM_END T_NEXT_VALUE T_NULLS T_SELECT_OPTION
%token <str> T_EXCLUDE T_MATCH_MODE

%type <u> set_quant select_options select_option rollup frame_unit insert_word insert_options dml_option delete_options
%type <u> inner_join outer_join natural_join is compare trim_side call_quant
%type <str> alias window_based frame_exclude table_alias unit collation charset type match_mode
%type <name> name target
%type <expr> into_var where having limit_value tvc_row expr bool_pri predicate bit_expr interval simple_expr column
%type <expr> literal strings call call_arg call_separator case_else expr_or_default
%type <query> query_top query_full query_expr query_body query_parens query_primary select
%type <table> table_ref table_factor table
%type <window> window_def window_spec frame over
%type <limit> limit opt_limit
%type <into> select_into into
%type <with> with
%type <stmt> dml insert update delete
%type <vec> tvc_rows items into_vars from windows window_defs partition_by order_items locks lock_of ctes name_columns
%type <vec> idents table_refs partitions name_list insert_columns insert_rows insert_values on_duplicate assigns
%type <vec> returning targets expr_list when_list call_args
%type <opaque> hint cycle system_time portion
%type <order> opt_order_by order_by
%type <lock> lock lock_wait
%type <tail> query_tail
%type <group> group
%type <item> item
%type <marked> bound order_item fetch
%type <cte> cte
%type <alias> row_alias
%type <row> insert_row
%type <source> insert_source insert_body
%type <body> call_body
%type <func> call_tail within_group null_treatment

%left LOW
%left SUBQ
%left CONDITIONLESS
%left '(' ')'
%left T_INTO T_INTO_FILE T_FOR T_LOCK
%left T_UNION T_EXCEPT
%left T_INTERSECT
%left T_JOIN T_INNER T_CROSS T_STRAIGHT_JOIN T_NATURAL T_LEFT T_RIGHT T_ON T_USING
%right T_ASSIGN
%left T_OR T_PIPES
%left T_XOR
%left T_AND T_ANDAND
%left NOT
%left T_BETWEEN '=' T_NULL_EQ T_GE '>' T_LE '<' T_NE T_IS T_LIKE T_REGEXP T_IN T_SOUNDS T_MEMBER T_NOT T_NOT2
%precedence T_ESCAPE
%left '|'
%left '&'
%left T_SHL T_SHR
%left '-' '+'
%left '*' '/' '%' T_DIV T_MOD
%left '^'
%left T_CONCAT
%left NEG
%left T_COLLATE
%precedence T_STRING
%%

start:
	T_START_DML dml              { ps->stmt = $2; }
	| T_START_EXPR expr          { ps->expr = $2; }
	| T_START_QUERY query_top    { ps->query = $2; }
	| T_START_EXPRS expr_list    { ps->exprs = $2; }
	| T_START_ASSIGNS assigns    { ps->exprs = $2; }
	;

dml:
	query_top                    { $$ = mk_stmt(ps, SQL_S_QUERY, @$); $$->query = $1; }
	| insert                     { $$ = $1; }
	| update                     { $$ = $1; }
	| delete                     { $$ = $1; }
	| with update                { $$ = $2; $$->tok = @$.first; $$->update->with = $1; }
	| with delete                { $$ = $2; $$->tok = @$.first; $$->del->with = $1; }
	;

/* ---- queries */

query_top:
	query_full
	| query_full into            { $$ = query_into(ps, @$, $1, $2); }
	| query_full into locks      { $$ = query_locks(ps, @$, query_into(ps, @$, $1, $2), $3); }
	;

query_full:
	query_expr                   %prec LOW
	| query_expr locks           { $$ = query_locks(ps, @$, $1, $2); }
	;

query_expr:
	query_body query_tail        { $$ = query_tail(ps, @$, $1, $2.order, $2.limit); }
	| with query_body query_tail { $$ = query_with(ps, @$, $1, query_tail(ps, @$, $2, $3.order, $3.limit)); }
	;

query_tail:
	%empty                       %prec LOW { memset(&$$, 0, sizeof($$)); }
	| order_by                   { memset(&$$, 0, sizeof($$)); $$.order = $1; }
	| limit                      { memset(&$$, 0, sizeof($$)); $$.limit = $1; }
	| order_by limit             { $$.order = $1; $$.limit = $2; }
	;

query_body:
	query_primary
	| query_parens               %prec SUBQ
	| query_body T_UNION set_quant query_body       { $$ = mk_setop(ps, @$, $1, SQL_SET_UNION, $3, $4); }
	| query_body T_EXCEPT set_quant query_body      { $$ = mk_setop(ps, @$, $1, SQL_SET_EXCEPT, $3, $4); }
	| query_body T_INTERSECT set_quant query_body   { $$ = mk_setop(ps, @$, $1, SQL_SET_INTERSECT, $3, $4); }
	;

set_quant:
	%empty                       { $$ = 0; }
	| T_ALL                      { $$ = 1; }
	| T_DISTINCT                 { $$ = 2; }
	;

query_parens:
	'(' query_parens ')'         { $$ = query_parens(ps, @$, $2); }
	| '(' query_full ')'         { $$ = query_parens(ps, @$, $2); }
	;

query_primary:
	select
	| T_VALUES_TVC tvc_rows      { $$ = mk_query(ps, SQL_Q_VALUES, @$, exprs_height($2->v, $2->n)); $$->rows = vec_exprs($2); }
	| T_TABLE name               { $$ = mk_query(ps, SQL_Q_TABLE, @$, 0); $$->table = $2; }
	;

tvc_rows:
	tvc_row                      { $$ = vec_add_expr(ps, vec_new(ps), $1); }
	| tvc_rows ',' tvc_row       { $$ = vec_add_expr(ps, $1, $3); }
	;

tvc_row:
	T_ROW '(' insert_values ')'  { $$ = mk_expr_v(ps, SQL_E_ROW, @$, $3); $$->flags |= SQL_EF_ROW; }
	| '(' insert_values ')'      { $$ = mk_expr_v(ps, SQL_E_ROW, @$, $2); }
	;

select:
	T_SELECT hint select_options items select_into from where group having windows {
		struct sql_select *sel = PARSER_NEW(ps, struct sql_select);

		sel->options = $3;
		sel->hint = $2;
		sel->items = $4->v;
		sel->n_items = $4->n;
		sel->items_tok_end = @4.last;
		if ($6) {
			sel->from = vec_tables($6);
			sel->from_tok = @6.first;
			sel->from_tok_end = @6.last;
		}
		sel->where = $7;
		sel->where_tok = $7 ? @7.first : 0;
		sel->group = $8.order;
		sel->rollup = $8.rollup;
		sel->having = $9;
		sel->having_tok = $9 ? @9.first : 0;
		sel->windows = $10 ? $10->v : NULL;
		sel->n_windows = $10 ? $10->n : 0;
		$$ = mk_select(ps, @$, sel, $5);
	}
	;

hint:
	%empty                       { memset(&$$, 0, sizeof($$)); }
	| T_HINT                     { $$ = mk_opaque(ps, @1); }
	;

select_options:
	%empty                       { $$ = 0; }
	| select_options select_option { $$ = $1 | $2; }
	;

select_option:
	T_ALL                        { $$ = SQL_SEL_ALL; }
	| T_DISTINCT                 { $$ = SQL_SEL_DISTINCT; }
	| T_STRAIGHT_JOIN            { $$ = SQL_SEL_STRAIGHT_JOIN; }
	| T_HIGH_PRIORITY            { $$ = SQL_SEL_HIGH_PRIORITY; }
	| T_SELECT_OPTION            { $$ = $1; }
	;

items:
	item                         { $$ = vec_new(ps); add_item(ps, $$, @1, $1.at, $1.expr, $1.alias); }
	| items ',' item             { $$ = $1; add_item(ps, $$, @3, $3.at, $3.expr, $3.alias); }
	;

item:
	'*'                          { $$.expr = mk_column(ps, SQL_E_STAR, @1, NO_STR, NO_STR, NO_STR); $$.alias = NO_STR; $$.at = @1; }
	| T_IDENT '.' '*'            { $$.expr = mk_column(ps, SQL_E_STAR, @$, NO_STR, NAME(@1), NO_STR); $$.alias = NO_STR; $$.at = @$; }
	| T_IDENT '.' T_IDENT '.' '*' { $$.expr = mk_column(ps, SQL_E_STAR, @$, NAME(@1), NAME(@3), NO_STR); $$.alias = NO_STR; $$.at = @$; }
	| expr                       { $$.expr = $1; $$.alias = NO_STR; $$.at = @1; }
	| expr T_AS alias            { $$.expr = $1; $$.alias = $3; $$.at = @1; }
	| expr alias                 { $$.expr = $1; $$.alias = $2; $$.at = @1; }
	;

alias:
	T_IDENT                      { $$ = NAME(@1); }
	| T_STRING                   { $$ = NAME(@1); }
	;

select_into:
	%empty                       %prec LOW { $$ = NULL; }
	| into
	;

into:
	T_INTO into_vars             { $$ = mk_into(ps, @$, $2); }
	| T_INTO_FILE                { $$ = mk_into(ps, @$, NULL); }
	;

into_vars:
	into_var                     { $$ = vec_add_expr(ps, vec_new(ps), $1); }
	| into_vars ',' into_var     { $$ = vec_add_expr(ps, $1, $3); }
	;

into_var:
	T_UVAR                       { $$ = mk_named(ps, SQL_E_UVAR, @1, NULL, NAME(@1)); }
	| T_IDENT                    { $$ = mk_column(ps, SQL_E_COLUMN, @1, NO_STR, NO_STR, NAME(@1)); }
	;

from:
	%empty                       { $$ = NULL; }
	| T_FROM table_refs          { $$ = $2; }
	;

where:
	%empty                       { $$ = NULL; }
	| T_WHERE expr               { $$ = $2; }
	;

group:
	%empty                       { memset(&$$, 0, sizeof($$)); }
	| T_GROUP T_BY order_items rollup { $$.order = mk_order($3, @$); $$.rollup = $4; }
	;

rollup:
	%empty                       { $$ = 0; }
	| T_WITH T_ROLLUP            { $$ = 1; }
	;

having:
	%empty                       { $$ = NULL; }
	| T_HAVING expr              { $$ = $2; }
	;

windows:
	%empty                       { $$ = NULL; }
	| T_WINDOW window_defs       { $$ = $2; }
	;

window_defs:
	window_def                   { $$ = vec_new(ps); *(struct sql_window *)vec_push(ps, $$, sizeof(*$1)) = *$1; }
	| window_defs ',' window_def { $$ = $1; *(struct sql_window *)vec_push(ps, $$, sizeof(*$3)) = *$3; }
	;

window_def:
	T_IDENT T_AS window_spec     { $$ = $3; $$->name = NAME(@1); $$->tok = @$.first; }
	;

window_spec:
	'(' window_based partition_by opt_order_by frame ')' {
		$$ = mk_window(ps, @$, $2, $3, $4);
		if ($5) {
			$$->has_frame = true;
			$$->has_between = $5->has_between;
			$$->frame_unit = $5->frame_unit;
			memcpy($$->bound, $5->bound, sizeof($$->bound));
			memcpy($$->bound_expr, $5->bound_expr, sizeof($$->bound_expr));
			$$->exclude = $5->exclude;
		}
		window_close(ps, $$, @$);
	}
	;

window_based:
	%empty                       { $$ = NO_STR; }
	| T_IDENT                    { $$ = NAME(@1); }
	;

partition_by:
	%empty                       { $$ = NULL; }
	| T_PARTITION T_BY expr_list { $$ = $3; }
	;

frame:
	%empty                       { $$ = NULL; }
	| frame_unit bound frame_exclude {
		$$ = PARSER_NEW(ps, struct sql_window);
		window_frame($$, $1, $2.kind, $2.expr, false, 0, NULL);
		$$->exclude = $3;
	}
	| frame_unit T_BETWEEN bound T_AND bound frame_exclude {
		$$ = PARSER_NEW(ps, struct sql_window);
		window_frame($$, $1, $3.kind, $3.expr, true, $5.kind, $5.expr);
		$$->exclude = $6;
	}
	;

frame_unit:
	T_ROWS                       { $$ = 0; }
	| T_RANGE                    { $$ = 1; }
	| T_GROUPS                   { $$ = 2; }
	;

bound:
	T_BOUND                      { $$.kind = $1; $$.expr = NULL; }
	| bit_expr T_PRECEDING       { $$.kind = SQL_BOUND_PRECEDING; $$.expr = $1; }
	| bit_expr T_FOLLOWING       { $$.kind = SQL_BOUND_FOLLOWING; $$.expr = $1; }
	| interval T_PRECEDING       { $$.kind = SQL_BOUND_PRECEDING; $$.expr = $1; }
	| interval T_FOLLOWING       { $$.kind = SQL_BOUND_FOLLOWING; $$.expr = $1; }
	;

frame_exclude:
	%empty                       { $$ = NO_STR; }
	| T_EXCLUDE                  { $$ = $1; }
	;

opt_order_by:
	%empty                       { memset(&$$, 0, sizeof($$)); }
	| order_by
	;

order_by:
	T_ORDER T_BY order_items     { $$ = mk_order($3, @$); }
	;

order_items:
	order_item                   { $$ = vec_new(ps); add_order(ps, $$, $1.expr, $1.kind, @1); }
	| order_items ',' order_item { $$ = $1; add_order(ps, $$, $3.expr, $3.kind, @3); }
	;

order_item:
	expr                         { $$.expr = $1; $$.kind = 0; }
	| expr T_ASC                 { $$.expr = $1; $$.kind = 0; }
	| expr T_DESC                { $$.expr = $1; $$.kind = 1; }
	;

limit:
	T_LIMIT limit_value          { $$ = mk_limit(ps, @$, $2, NULL, false); }
	| T_LIMIT limit_value ',' limit_value       { $$ = mk_limit(ps, @$, $4, $2, false); }
	| T_LIMIT limit_value T_OFFSET limit_value  { $$ = mk_limit(ps, @$, $2, $4, false); }
	| fetch                      { $$ = mk_limit(ps, @$, $1.expr, NULL, $1.kind); }
	| T_OFFSET limit_value T_ROWS fetch         { $$ = mk_limit(ps, @$, $4.expr, $2, $4.kind); }
	;

fetch:
	T_FETCH limit_value T_FETCH_END { $$.expr = $2; $$.kind = $3; }
	;

limit_value:
	T_INT                        { $$ = mk_lit(ps, @1, SQL_E_LIT); }
	| T_PARAM                    { $$ = mk_lit(ps, @1, SQL_E_PARAM); }
	| T_IDENT                    { $$ = mk_column(ps, SQL_E_COLUMN, @1, NO_STR, NO_STR, NAME(@1)); }
	;

locks:
	lock                         { $$ = vec_new(ps); *(struct sql_lock *)vec_push(ps, $$, sizeof($1)) = $1; }
	| locks lock                 { $$ = $1; *(struct sql_lock *)vec_push(ps, $$, sizeof($2)) = $2; }
	;

lock:
	T_FOR T_UPDATE lock_of lock_wait { $$ = $4; $$.kind = SQL_LOCK_UPDATE; LOCK_OF($$, $3, @$); }
	| T_FOR T_SHARE lock_of lock_wait { $$ = $4; $$.kind = SQL_LOCK_SHARE; LOCK_OF($$, $3, @$); }
	| T_LOCK T_IN T_SHARE T_MODE lock_wait { $$ = $5; $$.kind = SQL_LOCK_IN_SHARE_MODE; LOCK_OF($$, NULL, @$); }
	;

lock_of:
	%empty                       { $$ = NULL; }
	| T_OF name_list             { $$ = $2; }
	;

lock_wait:
	%empty                       { memset(&$$, 0, sizeof($$)); }
	| T_NOWAIT                   { memset(&$$, 0, sizeof($$)); $$.nowait = true; }
	| T_SKIP T_LOCKED            { memset(&$$, 0, sizeof($$)); $$.skip_locked = true; }
	| T_WAIT limit_value         { memset(&$$, 0, sizeof($$)); $$.wait = $2; }
	;

with:
	T_WITH ctes                  { $$ = mk_with(ps, @$, $2, false); }
	| T_WITH T_RECURSIVE ctes    { $$ = mk_with(ps, @$, $3, true); }
	;

ctes:
	cte                          { $$ = vec_new(ps); add_cte(ps, $$, @1, $1.name, $1.columns, $1.query, $1.cycle); }
	| ctes ',' cte               { $$ = $1; add_cte(ps, $$, @3, $3.name, $3.columns, $3.query, $3.cycle); }
	;

cte:
	T_IDENT name_columns T_AS query_parens cycle { $$.name = NAME(@1); $$.columns = $2; $$.query = $4; $$.cycle = $5; }
	;

cycle:
	%empty                       { memset(&$$, 0, sizeof($$)); }
	| T_CYCLE                    { $$ = mk_opaque(ps, @1); }
	;

name_columns:
	%empty                       { $$ = NULL; }
	| '(' idents ')'             { $$ = $2; }
	;

idents:
	T_IDENT                      { $$ = vec_add_name(ps, vec_new(ps), NAME(@1)); }
	| idents ',' T_IDENT         { $$ = vec_add_name(ps, $1, NAME(@3)); }
	;

/* ---- tables */

table_refs:
	table_ref                    { $$ = vec_new(ps); *(struct sql_table_ref **)vec_push(ps, $$, sizeof($1)) = $1; }
	| table_refs ',' table_ref   { $$ = $1; *(struct sql_table_ref **)vec_push(ps, $$, sizeof($3)) = $3; }
	;

table_ref:
	table_factor
	| table_ref inner_join table_ref T_ON expr                 { $$ = mk_join(ps, @$, $2, false, $1, $3, $5, NULL); }
	| table_ref inner_join table_ref T_USING '(' idents ')'    { $$ = mk_join(ps, @$, $2, false, $1, $3, NULL, $6); }
	| table_ref inner_join table_ref %prec CONDITIONLESS       { $$ = mk_cross_join(ps, @$, $2, $1, $3); }
	| table_ref outer_join table_ref T_ON expr                 { $$ = mk_join(ps, @$, $2, false, $1, $3, $5, NULL); }
	| table_ref outer_join table_ref T_USING '(' idents ')'    { $$ = mk_join(ps, @$, $2, false, $1, $3, NULL, $6); }
	| table_ref natural_join table_factor                      { $$ = mk_join(ps, @$, $2, true, $1, $3, NULL, NULL); }
	;

inner_join:
	T_JOIN                       { $$ = SQL_J_INNER; }
	| T_INNER T_JOIN             { $$ = SQL_J_INNER; }
	| T_CROSS T_JOIN             { $$ = SQL_J_CROSS; }
	| T_STRAIGHT_JOIN            { $$ = SQL_J_STRAIGHT; }
	;

outer_join:
	T_LEFT opt_outer T_JOIN      { $$ = SQL_J_LEFT; }
	| T_RIGHT opt_outer T_JOIN   { $$ = SQL_J_RIGHT; }
	;

natural_join:
	T_NATURAL T_JOIN             { $$ = SQL_J_INNER; }
	| T_NATURAL T_INNER T_JOIN   { $$ = SQL_J_INNER; }
	| T_NATURAL T_STRAIGHT_JOIN  { $$ = SQL_J_STRAIGHT; }
	| T_NATURAL T_LEFT opt_outer T_JOIN  { $$ = SQL_J_LEFT; }
	| T_NATURAL T_RIGHT opt_outer T_JOIN { $$ = SQL_J_RIGHT; }
	;

opt_outer:
	%empty
	| T_OUTER
	;

table_factor:
	table
	| T_DUAL                     { $$ = mk_table(ps, SQL_T_DUAL, @$); }
	| query_parens opt_as T_IDENT name_columns           { $$ = mk_derived(ps, @$, $1, false, NAME(@3), $4); }
	| T_LATERAL query_parens opt_as T_IDENT name_columns { $$ = mk_derived(ps, @$, $2, true, NAME(@4), $5); }
	| '(' table_refs ')'         { $$ = mk_nest(ps, @$, $2); }
	| '{' T_IDENT table_ref '}'  { $$ = $3; $$->parens = true; }
	| T_JSON_TABLE opt_as T_IDENT { $$ = mk_table(ps, SQL_T_FUNC, @$); $$->body = mk_opaque(ps, @1); $$->alias = NAME(@3); }
	;

table:
	name partitions system_time table_alias index_hints {
		$$ = mk_table(ps, SQL_T_TABLE, @$);
		$$->name = $1;
		$$->partitions = vec_names($2);
		$$->system_time = $3;
		$$->alias = $4;
		if (@5.first < @5.last)
			$$->hints = mk_opaque(ps, @5);
	}
	;

partitions:
	%empty                       { $$ = NULL; }
	| T_PARTITION '(' idents ')' { $$ = $3; }
	;

system_time:
	%empty                       { memset(&$$, 0, sizeof($$)); }
	| T_SYSTEM_TIME T_ALL        { $$ = mk_opaque(ps, @$); }
	| T_SYSTEM_TIME T_AS T_OF bit_expr          { $$ = mk_opaque(ps, @$); }
	| T_SYSTEM_TIME T_FROM bit_expr T_TO bit_expr { $$ = mk_opaque(ps, @$); }
	| T_SYSTEM_TIME T_BETWEEN bit_expr T_AND bit_expr { $$ = mk_opaque(ps, @$); }
	;

table_alias:
	%empty                       { $$ = NO_STR; }
	| T_AS T_IDENT               { $$ = NAME(@2); }
	| T_IDENT                    { $$ = NAME(@1); }
	;

opt_as:
	%empty
	| T_AS
	;

index_hints:
	%empty
	| T_INDEX_HINT
	;

name:
	T_IDENT                      { $$ = (struct sql_name){ NO_STR, NAME(@1), @$.first, @$.last }; }
	| T_IDENT '.' T_IDENT        { $$ = (struct sql_name){ NAME(@1), NAME(@3), @$.first, @$.last }; }
	;

name_list:
	name                         { $$ = vec_new(ps); *(struct sql_name *)vec_push(ps, $$, sizeof($1)) = $1; }
	| name_list ',' name         { $$ = $1; *(struct sql_name *)vec_push(ps, $$, sizeof($3)) = $3; }
	;

/* ---- data changes */

insert:
	insert_word hint insert_options opt_into name partitions insert_source on_duplicate returning {
		struct sql_insert *ins = $7.insert;

		$$ = mk_stmt(ps, SQL_S_INSERT, @$);
		$$->insert = ins;
		ins->replace = $1;
		ins->hint = $2;
		ins->options = $3;
		ins->table = $5;
		ins->partitions = vec_names($6);
		if (!ins->has_columns)
			ins->columns_tok = ins->columns_tok_end = @6.last;
		ins->on_dup = vec_assigns($8);
		ins->returning = $9 ? $9->v : NULL;
		ins->n_returning = $9 ? $9->n : 0;
		if (ins->replace && $8)
			parser_syntax(ps, @8.first);
	}
	;

insert_word:
	T_INSERT                     { $$ = 0; }
	| T_REPLACE                  { $$ = 1; }
	;

insert_options:
	%empty                       { $$ = 0; }
	| insert_options dml_option  { $$ = $1 | $2; }
	;

dml_option:
	T_LOW_PRIORITY               { $$ = SQL_DML_LOW_PRIORITY; }
	| T_HIGH_PRIORITY            { $$ = SQL_DML_HIGH_PRIORITY; }
	| T_DELAYED                  { $$ = SQL_DML_DELAYED; }
	| T_IGNORE                   { $$ = SQL_DML_IGNORE; }
	;

opt_into:
	%empty
	| T_INTO
	;

insert_source:
	insert_body                  { $$ = $1; }
	| '(' insert_columns ')' insert_body {
		$$ = $4;
		if ($$.insert->kind == SQL_INSERT_SET)
			parser_syntax(ps, @4.first);
		$$.insert->has_columns = true;
		$$.insert->columns = vec_exprs($2);
		$$.insert->columns_tok = @1.first;
		$$.insert->columns_tok_end = @3.last;
	}
	| '(' ')' insert_body {
		$$ = $3;
		if ($$.insert->kind == SQL_INSERT_SET)
			parser_syntax(ps, @3.first);
		$$.insert->has_columns = true;
		$$.insert->columns_tok = @1.first;
		$$.insert->columns_tok_end = @2.last;
	}
	;

insert_columns:
	column                       { $$ = vec_add_expr(ps, vec_new(ps), $1); }
	| insert_columns ',' column  { $$ = vec_add_expr(ps, $1, $3); }
	;

insert_body:
	T_VALUES insert_rows row_alias {
		$$.insert = PARSER_NEW(ps, struct sql_insert);
		$$.insert->kind = SQL_INSERT_VALUES;
		$$.insert->values_tok = @1.first;
		$$.insert->rows = $2->v;
		$$.insert->n_rows = $2->n;
		$$.insert->row_alias = $3.name;
		$$.insert->row_columns = vec_names($3.columns);
	}
	| T_SET assigns row_alias {
		$$.insert = PARSER_NEW(ps, struct sql_insert);
		$$.insert->kind = SQL_INSERT_SET;
		$$.insert->set = vec_assigns($2);
		$$.insert->row_alias = $3.name;
		$$.insert->row_columns = vec_names($3.columns);
	}
	| query_full {
		$$.insert = PARSER_NEW(ps, struct sql_insert);
		$$.insert->kind = SQL_INSERT_QUERY;
		$$.insert->query = $1;
	}
	;

insert_rows:
	insert_row                   { $$ = vec_new(ps); *(struct sql_insert_row *)vec_push(ps, $$, sizeof($1)) = $1; }
	| insert_rows ',' insert_row { $$ = $1; *(struct sql_insert_row *)vec_push(ps, $$, sizeof($3)) = $3; }
	| insert_rows T_FOLD {
		struct sql_insert_row *row;

		$$ = $1;
		row = vec_push(ps, $$, sizeof(*row));
		row->folded = true;
		row->text = tok_text(ps, @2.first);
		row->tok = @2.first;
		row->tok_end = @2.last;
	}
	;

insert_row:
	'(' ')'                      { memset(&$$, 0, sizeof($$)); $$.tok = @$.first; $$.tok_end = @$.last; }
	| '(' insert_values ')'      { memset(&$$, 0, sizeof($$)); $$.values = vec_exprs($2); $$.tok = @$.first; $$.tok_end = @$.last; }
	;

insert_values:
	expr_or_default              { $$ = vec_add_expr(ps, vec_new(ps), $1); }
	| insert_values ',' expr_or_default { $$ = vec_add_expr(ps, $1, $3); }
	;

expr_or_default:
	expr
	| T_DEFAULT                  { $$ = mk_expr(ps, SQL_E_DEFAULT, @1, 0); }
	;

row_alias:
	%empty                       { $$.name = NO_STR; $$.columns = NULL; }
	| T_AS T_IDENT name_columns  { $$.name = NAME(@2); $$.columns = $3; }
	;

on_duplicate:
	%empty                       { $$ = NULL; }
	| T_ON_DUPLICATE assigns     { $$ = $2; }
	;

assigns:
	column '=' expr_or_default   { $$ = vec_new(ps); add_assign(ps, $$, @$, $1, $3); }
	| column T_ASSIGN expr_or_default { $$ = vec_new(ps); add_assign(ps, $$, @$, $1, $3); }
	| assigns ',' column '=' expr_or_default { $$ = $1; add_assign(ps, $$, (struct loc){ @3.first, @5.last }, $3, $5); }
	| assigns ',' column T_ASSIGN expr_or_default { $$ = $1; add_assign(ps, $$, (struct loc){ @3.first, @5.last }, $3, $5); }
	;

returning:
	%empty                       { $$ = NULL; }
	| T_RETURNING items          { $$ = $2; }
	;

update:
	T_UPDATE hint insert_options table_refs portion T_SET assigns where opt_order_by opt_limit {
		struct sql_update *u = PARSER_NEW(ps, struct sql_update);

		$$ = mk_stmt(ps, SQL_S_UPDATE, @$);
		$$->update = u;
		u->hint = $2;
		u->options = $3;
		u->tables = vec_tables($4);
		u->portion = $5;
		u->set = vec_assigns($7);
		u->where = $8;
		u->where_tok = $8 ? @8.first : 0;
		u->order = $9;
		u->limit = $10;
	}
	;

portion:
	%empty                       { memset(&$$, 0, sizeof($$)); }
	| T_PORTION T_IDENT T_FROM bit_expr T_TO bit_expr { $$ = mk_opaque(ps, @$); }
	;

opt_limit:
	%empty                       { $$ = NULL; }
	| limit
	;

delete:
	T_DELETE hint delete_options T_FROM table portion where opt_order_by opt_limit returning {
		struct sql_delete *d = PARSER_NEW(ps, struct sql_delete);
		struct vec *one = vec_new(ps);

		$$ = mk_stmt(ps, SQL_S_DELETE, @$);
		$$->del = d;
		d->hint = $2;
		d->options = $3;
		*(struct sql_table_ref **)vec_push(ps, one, sizeof($5)) = $5;
		d->tables = vec_tables(one);
		d->portion = $6;
		d->where = $7;
		d->where_tok = $7 ? @7.first : 0;
		d->order = $8;
		d->limit = $9;
		d->returning = $10 ? $10->v : NULL;
		d->n_returning = $10 ? $10->n : 0;
	}
	| T_DELETE hint delete_options targets T_FROM table_refs where {
		$$ = mk_delete_multi(ps, @$, false, $4, $6, $7, @7);
		$$->del->hint = $2;
		$$->del->options = $3;
	}
	| T_DELETE hint delete_options T_FROM targets T_USING table_refs where {
		$$ = mk_delete_multi(ps, @$, true, $5, $7, $8, @8);
		$$->del->hint = $2;
		$$->del->options = $3;
	}
	;

delete_options:
	%empty                       { $$ = 0; }
	| delete_options T_LOW_PRIORITY { $$ = $1 | SQL_DML_LOW_PRIORITY; }
	| delete_options T_QUICK     { $$ = $1 | SQL_DML_QUICK; }
	| delete_options T_IGNORE    { $$ = $1 | SQL_DML_IGNORE; }
	;

targets:
	target                       { $$ = vec_new(ps); *(struct sql_name *)vec_push(ps, $$, sizeof($1)) = $1; }
	| targets ',' target         { $$ = $1; *(struct sql_name *)vec_push(ps, $$, sizeof($3)) = $3; }
	;

target:
	name
	| T_IDENT '.' '*'            { $$ = (struct sql_name){ NO_STR, NAME(@1), @$.first, @$.last }; }
	| T_IDENT '.' T_IDENT '.' '*' { $$ = (struct sql_name){ NAME(@1), NAME(@3), @$.first, @$.last }; }
	;

/* ---- expressions */

expr_list:
	expr                         { $$ = vec_add_expr(ps, vec_new(ps), $1); }
	| expr_list ',' expr         { $$ = vec_add_expr(ps, $1, $3); }
	;

expr:
	expr or expr                 %prec T_OR { $$ = mk_chain(ps, SQL_E_OR, @$, $1, $3); }
	| expr T_XOR expr            { $$ = mk_op(ps, SQL_E_BINARY, SQL_OP_XOR, @$, $1, $3); }
	| expr and expr              %prec T_AND { $$ = mk_chain(ps, SQL_E_AND, @$, $1, $3); }
	| T_NOT expr                 %prec NOT { $$ = mk_op(ps, SQL_E_UNARY, SQL_OP_NOT, @$, $2, NULL); }
	| bool_pri                   %prec T_ASSIGN
	;

or:
	T_OR
	| T_PIPES
	;

and:
	T_AND
	| T_ANDAND
	;

not:
	T_NOT
	| T_NOT2
	;

is:
	T_IS                         { $$ = 0; }
	| T_IS not                   { $$ = 1; }
	;

bool_pri:
	bool_pri is T_NULL           %prec T_IS { $$ = mk_not(mk_op(ps, SQL_E_IS, SQL_OP_NULL, @$, $1, NULL), $2); }
	| bool_pri is T_TRUE         %prec T_IS { $$ = mk_not(mk_op(ps, SQL_E_IS, SQL_OP_TRUE, @$, $1, NULL), $2); }
	| bool_pri is T_FALSE        %prec T_IS { $$ = mk_not(mk_op(ps, SQL_E_IS, SQL_OP_FALSE, @$, $1, NULL), $2); }
	| bool_pri is T_UNKNOWN      %prec T_IS { $$ = mk_not(mk_op(ps, SQL_E_IS, SQL_OP_UNKNOWN, @$, $1, NULL), $2); }
	| bool_pri compare predicate %prec '=' { $$ = mk_op(ps, SQL_E_BINARY, $2, @$, $1, $3); }
	| bool_pri compare T_ALL query_parens %prec '=' {
		$$ = mk_query_expr(ps, SQL_E_QUANT, @$, $1, $4);
		$$->op = $2;
		$$->flags |= SQL_EF_ALL;
	}
	| bool_pri compare T_ANY query_parens %prec '=' { $$ = mk_query_expr(ps, SQL_E_QUANT, @$, $1, $4); $$->op = $2; }
	| predicate                  %prec T_ASSIGN
	;

compare:
	'='                          { $$ = SQL_OP_EQ; }
	| T_NULL_EQ                  { $$ = SQL_OP_NULL_EQ; }
	| T_NE                       { $$ = SQL_OP_NE; }
	| '<'                        { $$ = SQL_OP_LT; }
	| T_LE                       { $$ = SQL_OP_LE; }
	| '>'                        { $$ = SQL_OP_GT; }
	| T_GE                       { $$ = SQL_OP_GE; }
	;

predicate:
	bit_expr T_IN query_parens                     { $$ = mk_query_expr(ps, SQL_E_IN, @$, $1, $3); }
	| bit_expr not T_IN query_parens               { $$ = mk_not(mk_query_expr(ps, SQL_E_IN, @$, $1, $4), true); }
	| bit_expr T_IN '(' expr_list ')'              { $$ = mk_in(ps, @$, $1, $4); }
	| bit_expr not T_IN '(' expr_list ')'          { $$ = mk_not(mk_in(ps, @$, $1, $5), true); }
	| bit_expr T_BETWEEN bit_expr T_AND predicate  { $$ = mk_expr(ps, SQL_E_BETWEEN, @$, 3, $1, $3, $5); }
	| bit_expr not T_BETWEEN bit_expr T_AND predicate { $$ = mk_not(mk_expr(ps, SQL_E_BETWEEN, @$, 3, $1, $4, $6), true); }
	| bit_expr T_SOUNDS T_LIKE bit_expr            { $$ = mk_expr(ps, SQL_E_SOUNDS, @$, 2, $1, $4); }
	| bit_expr T_LIKE simple_expr                  { $$ = mk_expr(ps, SQL_E_LIKE, @$, 2, $1, $3); }
	| bit_expr T_LIKE simple_expr T_ESCAPE simple_expr { $$ = mk_expr(ps, SQL_E_LIKE, @$, 3, $1, $3, $5); }
	| bit_expr not T_LIKE simple_expr              %prec T_LIKE { $$ = mk_not(mk_expr(ps, SQL_E_LIKE, @$, 2, $1, $4), true); }
	| bit_expr not T_LIKE simple_expr T_ESCAPE simple_expr { $$ = mk_not(mk_expr(ps, SQL_E_LIKE, @$, 3, $1, $4, $6), true); }
	| bit_expr T_REGEXP bit_expr                   { $$ = mk_expr(ps, SQL_E_REGEXP, @$, 2, $1, $3); }
	| bit_expr not T_REGEXP bit_expr               { $$ = mk_not(mk_expr(ps, SQL_E_REGEXP, @$, 2, $1, $4), true); }
	| bit_expr T_MEMBER T_OF '(' expr ')'          { $$ = mk_expr(ps, SQL_E_MEMBER, @$, 2, $1, $5); }
	| bit_expr                                     %prec T_ASSIGN
	;

bit_expr:
	bit_expr '|' bit_expr        { $$ = mk_op(ps, SQL_E_BINARY, SQL_OP_BITOR, @$, $1, $3); }
	| bit_expr '&' bit_expr      { $$ = mk_op(ps, SQL_E_BINARY, SQL_OP_BITAND, @$, $1, $3); }
	| bit_expr T_SHL bit_expr    { $$ = mk_op(ps, SQL_E_BINARY, SQL_OP_SHL, @$, $1, $3); }
	| bit_expr T_SHR bit_expr    { $$ = mk_op(ps, SQL_E_BINARY, SQL_OP_SHR, @$, $1, $3); }
	| bit_expr '+' bit_expr      { $$ = mk_op(ps, SQL_E_BINARY, SQL_OP_ADD, @$, $1, $3); }
	| bit_expr '-' bit_expr      { $$ = mk_op(ps, SQL_E_BINARY, SQL_OP_SUB, @$, $1, $3); }
	| bit_expr '+' interval      %prec '+' { $$ = mk_op(ps, SQL_E_BINARY, SQL_OP_ADD, @$, $1, $3); }
	| bit_expr '-' interval      %prec '-' { $$ = mk_op(ps, SQL_E_BINARY, SQL_OP_SUB, @$, $1, $3); }
	| bit_expr '*' bit_expr      { $$ = mk_op(ps, SQL_E_BINARY, SQL_OP_MUL, @$, $1, $3); }
	| bit_expr '/' bit_expr      { $$ = mk_op(ps, SQL_E_BINARY, SQL_OP_DIV, @$, $1, $3); }
	| bit_expr '%' bit_expr      { $$ = mk_op(ps, SQL_E_BINARY, SQL_OP_MOD, @$, $1, $3); }
	| bit_expr T_MOD bit_expr    { $$ = mk_op(ps, SQL_E_BINARY, SQL_OP_MOD, @$, $1, $3); }
	| bit_expr T_DIV bit_expr    { $$ = mk_op(ps, SQL_E_BINARY, SQL_OP_INTDIV, @$, $1, $3); }
	| bit_expr '^' bit_expr      { $$ = mk_op(ps, SQL_E_BINARY, SQL_OP_BITXOR, @$, $1, $3); }
	| simple_expr                %prec T_ASSIGN
	;

interval:
	T_INTERVAL expr unit         { $$ = mk_named(ps, SQL_E_INTERVAL, @$, $2, $3); }
	;

unit:
	T_IDENT                      { $$ = mk_unit(ps, @1.first); }
	| T_UNIT                     { $$ = mk_unit(ps, @1.first); }
	;

simple_expr:
	column
	| literal
	| T_PARAM                    { $$ = mk_lit(ps, @1, SQL_E_PARAM); }
	| call
	| T_UVAR                     %prec T_ASSIGN { $$ = mk_named(ps, SQL_E_UVAR, @1, NULL, NAME(@1)); }
	| T_UVAR T_ASSIGN expr       { $$ = mk_expr(ps, SQL_E_ASSIGN, @$, 2, mk_named(ps, SQL_E_UVAR, @1, NULL, NAME(@1)), $3); }
	| T_ATAT T_IDENT             { $$ = mk_sysvar(ps, @$, NAME(@2), NO_STR, NO_STR); }
	| T_ATAT T_IDENT '.' T_IDENT { $$ = mk_sysvar(ps, @$, NAME(@2), NAME(@4), NO_STR); }
	| T_ATAT T_IDENT '.' T_IDENT '.' T_IDENT { $$ = mk_sysvar(ps, @$, NAME(@2), NAME(@4), NAME(@6)); }
	| simple_expr T_COLLATE collation { $$ = mk_named(ps, SQL_E_COLLATE, @$, $1, $3); }
	| simple_expr T_CONCAT simple_expr { $$ = mk_op(ps, SQL_E_BINARY, SQL_OP_CONCAT, @$, $1, $3); }
	| '+' simple_expr            %prec NEG { $$ = mk_op(ps, SQL_E_UNARY, SQL_OP_PLUS, @$, $2, NULL); }
	| '-' simple_expr            %prec NEG { $$ = mk_op(ps, SQL_E_UNARY, SQL_OP_NEG, @$, $2, NULL); }
	| '~' simple_expr            %prec NEG { $$ = mk_op(ps, SQL_E_UNARY, SQL_OP_BITNOT, @$, $2, NULL); }
	| '!' simple_expr            %prec NEG { $$ = mk_op(ps, SQL_E_UNARY, SQL_OP_BANG, @$, $2, NULL); }
	| T_NOT2 simple_expr         %prec NEG { $$ = mk_op(ps, SQL_E_UNARY, SQL_OP_BANG, @$, $2, NULL); }
	| T_BINARY simple_expr       %prec NEG { $$ = mk_op(ps, SQL_E_UNARY, SQL_OP_BINARY, @$, $2, NULL); }
	| query_parens               %prec SUBQ { $$ = mk_query_expr(ps, SQL_E_SUBQUERY, @$, NULL, $1); }
	| '(' expr ')'               { $$ = $2; }
	| '(' expr ',' expr_list ')' { $$ = mk_row(ps, @$, $2, $4); }
	| T_ROW '(' expr ',' expr_list ')' { $$ = mk_row(ps, @$, $3, $5); $$->flags |= SQL_EF_ROW; }
	| T_EXISTS query_parens      { $$ = mk_query_expr(ps, SQL_E_EXISTS, @$, NULL, $2); }
	| '{' T_IDENT expr '}'       { $$ = mk_named(ps, SQL_E_ODBC, @$, $3, NAME(@2)); }
	| T_MATCH '(' insert_columns ')' T_AGAINST '(' bit_expr match_mode ')' {
		vec_add_expr(ps, $3, $7);
		$$ = mk_expr_v(ps, SQL_E_MATCH, @$, $3);
		$$->name = $8;
	}
	| T_MATCH insert_columns T_AGAINST '(' bit_expr match_mode ')' {
		vec_add_expr(ps, $2, $5);
		$$ = mk_expr_v(ps, SQL_E_MATCH, @$, $2);
		$$->name = $6;
	}
	| T_CASE when_list case_else T_END { $$ = mk_case(ps, @$, NULL, $2, $3); }
	| T_CASE expr when_list case_else T_END { $$ = mk_case(ps, @$, $2, $3, $4); }
	| T_DEFAULT '(' column ')'   { $$ = mk_expr(ps, SQL_E_DEFAULT, @$, 1, $3); }
	| T_VALUES_FN '(' column ')' { $$ = mk_named(ps, SQL_E_VALUES, @$, $3, tok_text(ps, @1.first)); }
	| interval '+' expr          %prec T_ASSIGN { $$ = mk_op(ps, SQL_E_BINARY, SQL_OP_ADD, @$, $1, $3); }
	| column T_ARROW T_STRING    { $$ = mk_op(ps, SQL_E_BINARY, SQL_OP_ARROW, @$, $1, mk_lit(ps, @3, SQL_E_LIT)); }
	| column T_ARROW2 T_STRING   { $$ = mk_op(ps, SQL_E_BINARY, SQL_OP_ARROW2, @$, $1, mk_lit(ps, @3, SQL_E_LIT)); }
	| T_NEXT_VALUE name          { $$ = mk_column(ps, SQL_E_NEXTVAL, @$, $2.db, NO_STR, $2.name); $$->op = (uint8_t)$1; }
	;

match_mode:
	%empty                       { $$ = NO_STR; }
	| T_MATCH_MODE               { $$ = $1; }
	;

when_list:
	T_WHEN expr T_THEN expr      { $$ = vec_add_expr(ps, vec_add_expr(ps, vec_new(ps), $2), $4); }
	| when_list T_WHEN expr T_THEN expr { $$ = vec_add_expr(ps, vec_add_expr(ps, $1, $3), $5); }
	;

case_else:
	%empty                       { $$ = NULL; }
	| T_ELSE expr                { $$ = $2; }
	;

collation:
	T_IDENT                      { $$ = NAME(@1); }
	| T_STRING                   { $$ = NAME(@1); }
	| T_BINARY                   { $$ = tok_text(ps, @1.first); }
	;

charset:
	T_IDENT                      { $$ = NAME(@1); }
	| T_STRING                   { $$ = NAME(@1); }
	| T_BINARY                   { $$ = tok_text(ps, @1.first); }
	;

column:
	T_IDENT                      { $$ = mk_column(ps, SQL_E_COLUMN, @$, NO_STR, NO_STR, NAME(@1)); }
	| T_IDENT '.' T_IDENT        { $$ = mk_column(ps, SQL_E_COLUMN, @$, NO_STR, NAME(@1), NAME(@3)); }
	| T_IDENT '.' T_IDENT '.' T_IDENT { $$ = mk_column(ps, SQL_E_COLUMN, @$, NAME(@1), NAME(@3), NAME(@5)); }
	;

literal:
	strings                      %prec LOW
	| T_INT                      { $$ = mk_lit(ps, @1, SQL_E_LIT); }
	| T_DECIMAL                  { $$ = mk_lit(ps, @1, SQL_E_LIT); }
	| T_FLOAT                    { $$ = mk_lit(ps, @1, SQL_E_LIT); }
	| T_HEX                      { $$ = mk_lit(ps, @1, SQL_E_LIT); }
	| T_BIT                      { $$ = mk_lit(ps, @1, SQL_E_LIT); }
	| T_NULL                     { $$ = mk_expr(ps, SQL_E_NULL, @1, 0); }
	| T_TRUE                     { $$ = mk_expr(ps, SQL_E_TRUE, @1, 0); }
	| T_FALSE                    { $$ = mk_expr(ps, SQL_E_FALSE, @1, 0); }
	| T_TEMPORAL T_STRING        { $$ = mk_named(ps, SQL_E_TEMPORAL, @$, mk_lit(ps, @2, SQL_E_LIT), tok_text(ps, @1.first)); }
	| T_INTRODUCER T_HEX         { $$ = mk_introduced(ps, @$, mk_lit(ps, @2, SQL_E_LIT)); }
	| T_INTRODUCER T_BIT         { $$ = mk_introduced(ps, @$, mk_lit(ps, @2, SQL_E_LIT)); }
	;

strings:
	T_STRING                     { $$ = mk_lit(ps, @1, SQL_E_LIT); }
	| T_INTRODUCER T_STRING      { $$ = mk_introduced(ps, @$, mk_lit(ps, @2, SQL_E_LIT)); }
	| strings T_STRING           { $$ = mk_strcat(ps, @$, $1, mk_lit(ps, @2, SQL_E_LIT)); }
	;

call:
	T_IDENT '(' call_body ')' call_tail { $$ = mk_call(ps, @$, @1.first, NO_STR, &$3, &$5); }
	| T_FUNC '(' call_body ')' call_tail { $$ = mk_call(ps, @$, @1.first, NO_STR, &$3, &$5); }
	| T_IDENT '.' T_IDENT '(' call_body ')' call_tail { $$ = mk_call(ps, @$, @3.first, NAME(@1), &$5, &$7); }
	| T_CAST '(' expr T_AS type ')' { $$ = mk_named(ps, SQL_E_CAST, @$, $3, $5); }
	| T_CONVERT '(' expr ',' type ')' { $$ = mk_named(ps, SQL_E_CONVERT, @$, $3, $5); }
	| T_CONVERT '(' expr T_USING charset ')' { $$ = mk_named(ps, SQL_E_CONVERT_USING, @$, $3, $5); }
	| T_CHAR '(' expr_list ')'   { $$ = mk_expr_v(ps, SQL_E_CHAR, @$, $3); }
	| T_CHAR '(' expr_list T_USING charset ')' { $$ = mk_expr_v(ps, SQL_E_CHAR, @$, $3); $$->name = $5; }
	| T_MOD '(' expr ',' expr ')' { $$ = mk_op(ps, SQL_E_BINARY, SQL_OP_MOD, @$, $3, $5); }
	| T_EXTRACT '(' unit T_FROM expr ')' { $$ = mk_named(ps, SQL_E_EXTRACT, @$, $5, $3); }
	| T_POSITION '(' bit_expr T_IN expr ')' { $$ = mk_expr(ps, SQL_E_POSITION, @$, 2, $3, $5); }
	| T_TRIM '(' expr ')'        { $$ = mk_expr(ps, SQL_E_TRIM, @$, 1, $3); }
	| T_TRIM '(' expr T_FROM expr ')' { $$ = mk_expr(ps, SQL_E_TRIM, @$, 2, $5, $3); }
	| T_TRIM '(' trim_side T_FROM expr ')' { $$ = mk_expr(ps, SQL_E_TRIM, @$, 1, $5); $$->op = (uint8_t)$3; }
	| T_TRIM '(' trim_side expr T_FROM expr ')' { $$ = mk_expr(ps, SQL_E_TRIM, @$, 2, $6, $4); $$->op = (uint8_t)$3; }
	| T_SUBSTRING '(' expr ',' expr ')' { $$ = mk_expr(ps, SQL_E_FUNC, @$, 2, $3, $5); $$->name = tok_text(ps, @1.first); }
	| T_SUBSTRING '(' expr ',' expr ',' expr ')' { $$ = mk_expr(ps, SQL_E_FUNC, @$, 3, $3, $5, $7); $$->name = tok_text(ps, @1.first); }
	| T_SUBSTRING '(' expr T_FROM expr ')' { $$ = mk_expr(ps, SQL_E_FUNC, @$, 2, $3, $5); $$->name = tok_text(ps, @1.first); }
	| T_SUBSTRING '(' expr T_FROM expr T_FOR expr ')' { $$ = mk_expr(ps, SQL_E_FUNC, @$, 3, $3, $5, $7); $$->name = tok_text(ps, @1.first); }
	| T_NOPAREN                  %prec LOW { $$ = mk_expr(ps, SQL_E_FUNC, @$, 0); $$->name = tok_text(ps, @1.first); }
	| T_NOPAREN '(' ')'          { $$ = mk_expr(ps, SQL_E_FUNC, @$, 0); $$->name = tok_text(ps, @1.first); $$->flags |= SQL_EF_PARENS; }
	| T_NOPAREN '(' T_INT ')' {
		$$ = mk_expr(ps, SQL_E_FUNC, @$, 1, mk_lit(ps, @3, SQL_E_LIT));
		$$->name = tok_text(ps, @1.first);
		$$->flags |= SQL_EF_PARENS;
	}
	;

trim_side:
	T_BOTH                       { $$ = SQL_OP_BOTH; }
	| T_LEADING                  { $$ = SQL_OP_LEADING; }
	| T_TRAILING                 { $$ = SQL_OP_TRAILING; }
	;

call_body:
	%empty                       { memset(&$$, 0, sizeof($$)); }
	| '*'                        { memset(&$$, 0, sizeof($$)); $$.star = true; }
	| call_quant call_args opt_order_by call_separator opt_limit {
		memset(&$$, 0, sizeof($$));
		$$.distinct = $1 == 2;
		$$.all = $1 == 1;
		$$.args = $2;
		$$.order = $3;
		$$.separator = $4;
		$$.limit = $5;
	}
	;

call_quant:
	%empty                       { $$ = 0; }
	| T_ALL                      { $$ = 1; }
	| T_DISTINCT                 { $$ = 2; }
	;

call_args:
	call_arg                     { $$ = vec_add_expr(ps, vec_new(ps), $1); }
	| call_args ',' call_arg     { $$ = vec_add_expr(ps, $1, $3); }
	;

call_arg:
	expr
	| interval
	| expr T_AS type             { $$ = mk_named(ps, SQL_E_AS_TYPE, @$, $1, $3); }
	;

call_separator:
	%empty                       { $$ = NULL; }
	| T_SEPARATOR T_STRING       { $$ = mk_lit(ps, @2, SQL_E_LIT); }
	| T_SEPARATOR T_HEX          { $$ = mk_lit(ps, @2, SQL_E_LIT); }
	;

call_tail:
	within_group null_treatment over {
		$$ = $1;
		$$.nulls = $2.nulls;
		$$.from = $2.from;
		$$.over = $3;
		if (($$.nulls || $$.from) && !$3)
			parser_syntax(ps, @2.first);
	}
	;

within_group:
	%empty                       { memset(&$$, 0, sizeof($$)); }
	| T_WITHIN T_GROUP '(' order_by ')' { memset(&$$, 0, sizeof($$)); $$.within_group = true; $$.within = $4; }
	;

null_treatment:
	%empty                       { memset(&$$, 0, sizeof($$)); }
	| T_NULLS                    { memset(&$$, 0, sizeof($$)); $$.nulls = (uint8_t)$1; }
	| T_FROM_END                 { memset(&$$, 0, sizeof($$)); $$.from = (uint8_t)$1; }
	| T_FROM_END T_NULLS         { memset(&$$, 0, sizeof($$)); $$.from = (uint8_t)$1; $$.nulls = (uint8_t)$2; }
	;

over:
	%empty                       { $$ = NULL; }
	| T_OVER window_spec         { $$ = $2; }
	| T_OVER T_IDENT             { $$ = mk_window(ps, @$, NO_STR, NULL, (struct sql_order){ 0 }); $$->name = NAME(@2); $$->only_name = true; window_close(ps, $$, @$); }
	;

/* A type is kept as written: the server checks it. */
type:
	type_words                   { $$ = mk_opaque(ps, @$).text; }
	;

type_words:
	type_word
	| type_words type_word
	| type_words '(' T_INT ')'
	| type_words '(' T_INT ',' T_INT ')'
	;

type_word:
	T_IDENT
	| T_TYPE
	| T_BINARY
	| T_CHAR
	| T_SET
	| T_COLLATE
	| T_STRING
	;

%%
static void sqlp_error(const struct loc *at, struct parser *ps, const char *msg)
{
	/* bison's words for a full stack; every other error is one of syntax */
	if (strcmp(msg, "memory exhausted") == 0)
		parser_too_deep(ps);
	parser_syntax(ps, at->first);
}

static int sqlp_lex(YYSTYPE *val, struct loc *at, struct parser *ps)
{
	struct word w;

	if (ps->start) {
		int start = ps->start;

		ps->start = 0;
		at->first = at->last = ps->pos;
		return start;
	}
	if (ps->pos >= ps->end) {
		at->first = at->last = ps->end;
		return 0;
	}
	w = (struct word){ .first = ps->pos, .last = ps->pos + 1 };
	word_read(ps, &w);
	at->first = w.first;
	at->last = w.last;
	ps->pos = w.last;
	ps->prev = (uint16_t)w.kind;
	if (w.kind == T_EXCLUDE || w.kind == T_MATCH_MODE)
		val->str = w.str;
	else
		val->u = w.u;
	return w.kind;
}
