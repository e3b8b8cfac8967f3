/* sql/ast.h - the tree of a statement. Made by sql_parse() in the caller's arena, read-only afterwards. Every node
 * carries [tok, tok_end), ordinals of the tokens it was made of: with scan.toks of ANY text of the same digest they
 * give the node's bytes in that text (scan_span()). Names are without quotes, as written otherwise: whether case
 * counts is the caller's business. An absent name is { NULL, 0 }, absent nodes are NULL, lists may have n = 0.
 * No path from a root to a leaf is longer than SQL_MAX_HEIGHT nodes, so walking by recursion is safe. Pure. */
#ifndef KEYWAY_SQL_AST_H
#define KEYWAY_SQL_AST_H

#include "keyway/util/str.h"

#define SQL_MAX_HEIGHT 600

struct sql_expr;
struct sql_query;
struct sql_stmt;
struct sql_table_ref;

struct sql_exprs {
	struct sql_expr **v;
	uint32_t n;
};

struct sql_names {
	struct str *v;
	uint32_t n;
};

/* [db.]table, or [db.]routine ... */
struct sql_name {
	struct str db, name;
	uint32_t tok, tok_end;
};

struct sql_name_list {
	struct sql_name *v;
	uint32_t n;
};

/* A run of tokens that is not understood further. */
struct sql_opaque {
	uint32_t tok, tok_end; /* equal: nothing */
	struct str text;       /* as written in the parsed text */
};

/* ---- expressions ------------------------------------------------------------------------------------------- */

enum sql_expr_kind {
	SQL_E_LIT,   /* lit, lit_kind, name = the literal as written */
	SQL_E_PARAM, /* ?: lit is its ordinal in scan.lits */
	SQL_E_NULL,
	SQL_E_TRUE,
	SQL_E_FALSE,
	SQL_E_DEFAULT,	/* DEFAULT, or DEFAULT(column) with args[0] */
	SQL_E_COLUMN,	/* col.db . col.table . name */
	SQL_E_STAR,	/* *, col.table.*, col.db.col.table.*: select items and COUNT(*) */
	SQL_E_UVAR,	/* @name */
	SQL_E_SYSVAR,	/* @@op.name: op is enum sql_scope; col.table the part before a dot in name (key caches) */
	SQL_E_ASSIGN,	/* args[0] := args[1] */
	SQL_E_AND,	/* args: two or more */
	SQL_E_OR,	/* args: two or more */
	SQL_E_UNARY,	/* op: SQL_OP_NOT, _NEG, _PLUS, _BITNOT, _BANG, _BINARY */
	SQL_E_BINARY,	/* op: comparisons, arithmetic, bits, XOR, JSON arrows; args[0], args[1] */
	SQL_E_IS,	/* args[0] IS [NOT] op: SQL_OP_NULL, _TRUE, _FALSE, _UNKNOWN */
	SQL_E_BETWEEN,	/* args[0] [NOT] BETWEEN args[1] AND args[2] */
	SQL_E_IN,	/* args[0] [NOT] IN (args[1] ...), or IN (query) */
	SQL_E_LIKE,	/* args[0] [NOT] LIKE args[1] [ESCAPE args[2]] */
	SQL_E_REGEXP,	/* args[0] [NOT] REGEXP args[1] */
	SQL_E_SOUNDS,	/* args[0] SOUNDS LIKE args[1] */
	SQL_E_MEMBER,	/* args[0] MEMBER OF (args[1]) */
	SQL_E_QUANT,	/* args[0] op ANY/ALL (query) */
	SQL_E_EXISTS,	/* EXISTS (query) */
	SQL_E_SUBQUERY, /* (query) */
	SQL_E_ROW,	/* [ROW] (args ...), two or more */
	SQL_E_CASE, /* with SQL_EF_OPERAND args[0] is compared; then WHEN, THEN pairs; with SQL_EF_ELSE the last is ELSE
		     */
	SQL_E_CAST, /* CAST(args[0] AS type): name is the type as written */
	SQL_E_CONVERT,	     /* CONVERT(args[0], type); USING is SQL_E_CONVERT_USING */
	SQL_E_CONVERT_USING, /* CONVERT(args[0] USING name) */
	SQL_E_CHAR,	     /* CHAR(args ... [USING name]) */
	SQL_E_COLLATE,	     /* args[0] COLLATE name */
	SQL_E_INTRODUCER,    /* _name args[0]: a literal with a character set; name is without the underscore */
	SQL_E_TEMPORAL,	     /* DATE/TIME/TIMESTAMP args[0], {d '...'}: name is DATE, TIME or TIMESTAMP */
	SQL_E_ODBC,	     /* {name args[0]} */
	SQL_E_STRCAT,	     /* 'a' 'b': args are two or more literals */
	SQL_E_INTERVAL,	     /* INTERVAL args[0] name: only as an operand of + - and in date functions */
	SQL_E_EXTRACT,	     /* EXTRACT(name FROM args[0]) */
	SQL_E_TRIM, /* TRIM([op] [args[1]] FROM args[0]), TRIM(args[0]); op: SQL_OP_BOTH, _LEADING, _TRAILING or 0 */
	SQL_E_POSITION,	  /* POSITION(args[0] IN args[1]) */
	SQL_E_TIMEUNIT,	  /* TIMESTAMPADD/TIMESTAMPDIFF(unit, args ...): name is the function, col.table the unit */
	SQL_E_GET_FORMAT, /* GET_FORMAT(name, args[0]) */
	SQL_E_MATCH,	  /* MATCH (args ... but the last) AGAINST (last [name]): name is the mode as written */
	SQL_E_VALUES,	  /* VALUES(args[0]) or VALUE(args[0]) in ON DUPLICATE KEY UPDATE */
	SQL_E_FUNC, /* [func->db.]name(args ...): every other function, aggregates and window functions too; see func */
	SQL_E_AS_TYPE, /* args[0] AS name, name a type: an argument of WEIGHT_STRING and of COLUMN_CREATE and kin */
	SQL_E_NEXTVAL, /* NEXT VALUE FOR / PREVIOUS VALUE FOR col.db.name; op SQL_OP_NEXT or _PREVIOUS */
	SQL_E_KINDS
};

enum sql_op {
	SQL_OP_NONE,
	SQL_OP_EQ,
	SQL_OP_NULL_EQ,
	SQL_OP_NE,
	SQL_OP_LT,
	SQL_OP_LE,
	SQL_OP_GT,
	SQL_OP_GE,
	SQL_OP_ADD,
	SQL_OP_SUB,
	SQL_OP_MUL,
	SQL_OP_DIV,
	SQL_OP_INTDIV,
	SQL_OP_MOD,
	SQL_OP_BITOR,
	SQL_OP_BITAND,
	SQL_OP_BITXOR,
	SQL_OP_SHL,
	SQL_OP_SHR,
	SQL_OP_XOR,
	SQL_OP_CONCAT, /* || under PIPES_AS_CONCAT */
	SQL_OP_ARROW,  /* -> */
	SQL_OP_ARROW2, /* ->> */
	SQL_OP_NOT,
	SQL_OP_NEG,
	SQL_OP_PLUS,
	SQL_OP_BITNOT,
	SQL_OP_BANG,
	SQL_OP_BINARY,
	SQL_OP_NULL,
	SQL_OP_TRUE,
	SQL_OP_FALSE,
	SQL_OP_UNKNOWN,
	SQL_OP_BOTH,
	SQL_OP_LEADING,
	SQL_OP_TRAILING,
	SQL_OP_NEXT,
	SQL_OP_PREVIOUS,
	SQL_OPS
};

enum {
	SQL_EF_NOT = 1u << 0,	   /* NOT IN, NOT LIKE, NOT BETWEEN, IS NOT ... */
	SQL_EF_DISTINCT = 1u << 1, /* COUNT(DISTINCT ...) */
	SQL_EF_ALL = 1u << 2,	   /* = ALL (...); otherwise ANY */
	SQL_EF_OPERAND = 1u << 3,  /* CASE with an operand */
	SQL_EF_ELSE = 1u << 4,	   /* CASE with ELSE */
	SQL_EF_ROW = 1u << 5,	   /* the word ROW was written */
	SQL_EF_PARENS = 1u << 6,   /* the function had its (); CURRENT_USER and kin may stand without */
	SQL_EF_QUOTED = 1u << 7,   /* the function's name was quoted: not an aggregate, perhaps a stored function */
	SQL_EF_STAR = 1u << 8,	   /* the only argument is *: COUNT(*) */
};

enum sql_scope {
	SQL_SCOPE_NONE,
	SQL_SCOPE_GLOBAL,
	SQL_SCOPE_SESSION,
	SQL_SCOPE_LOCAL,
	SQL_SCOPE_PERSIST,
	SQL_SCOPE_PERSIST_ONLY
};

struct sql_order_item {
	struct sql_expr *expr;
	bool desc;
	uint32_t tok, tok_end; /* with ASC or DESC */
};

struct sql_order {
	struct sql_order_item *v;
	uint32_t n;
	uint32_t tok, tok_end; /* from ORDER or GROUP; equal when absent */
};

struct sql_limit {
	struct sql_expr *count;	 /* literal, parameter, or name (in routines) */
	struct sql_expr *offset; /* NULL: none */
	bool with_ties;		 /* FETCH FIRST n ROWS WITH TIES */
	uint32_t tok, tok_end;
};

enum sql_bound {
	SQL_BOUND_UNBOUNDED_PRECEDING,
	SQL_BOUND_PRECEDING,
	SQL_BOUND_CURRENT,
	SQL_BOUND_FOLLOWING,
	SQL_BOUND_UNBOUNDED_FOLLOWING
};

/* OVER (...) or WINDOW name AS (...) */
struct sql_window {
	struct str name;  /* of WINDOW name AS; OVER name: with only_name */
	struct str based; /* an existing window inside the parentheses */
	struct sql_exprs partition;
	struct sql_order order;
	bool only_name;
	bool has_frame, has_between;
	uint8_t frame_unit; /* 0 ROWS, 1 RANGE, 2 GROUPS */
	uint8_t bound[2];   /* enum sql_bound */
	struct sql_expr *bound_expr[2];
	struct str exclude; /* "CURRENT ROW", "GROUP", "TIES", "NO OTHERS" */
	uint16_t height;
	uint32_t tok, tok_end;
};

/* What few functions have; NULL in an expression that has none of it. */
struct sql_func {
	struct str db;		    /* db.name(...): a stored function */
	struct sql_order order;	    /* inside GROUP_CONCAT, JSON_ARRAYAGG; WITHIN GROUP */
	struct sql_limit *limit;    /* GROUP_CONCAT(... LIMIT) of MariaDB */
	struct sql_expr *separator; /* GROUP_CONCAT(... SEPARATOR 'x') */
	struct sql_window *over;
	bool within_group; /* the order stands behind WITHIN GROUP */
	uint8_t nulls;	   /* 0 none, 1 RESPECT NULLS, 2 IGNORE NULLS */
	uint8_t from;	   /* 0 none, 1 FROM FIRST, 2 FROM LAST */
};

struct sql_expr {
	uint8_t kind;	  /* enum sql_expr_kind */
	uint8_t op;	  /* enum sql_op, or enum sql_scope */
	uint8_t lit_kind; /* enum lit_kind, for SQL_E_LIT and SQL_E_PARAM */
	uint16_t flags;	  /* SQL_EF_... */
	uint16_t height;
	uint32_t tok, tok_end;
	uint32_t lit; /* ordinal in scan.lits */
	uint32_t n_args;
	struct sql_expr **args;
	struct str name;
	union {
		struct {
			struct str table, db;
		} col;
		struct {
			struct sql_query *query;
			struct sql_func *func;
		};
	};
};

/* ---- tables ------------------------------------------------------------------------------------------------ */

enum sql_table_kind {
	SQL_T_TABLE,   /* name [PARTITION (...)] [alias] [hints] */
	SQL_T_DERIVED, /* [LATERAL] (query) alias [(columns)] */
	SQL_T_JOIN,    /* left join_kind right [ON | USING] */
	SQL_T_NEST,    /* (refs, ...): comma list in parentheses */
	SQL_T_DUAL,    /* DUAL */
	SQL_T_FUNC,    /* JSON_TABLE(...) alias: body */
};

enum sql_join_kind { SQL_J_INNER, SQL_J_CROSS, SQL_J_STRAIGHT, SQL_J_LEFT, SQL_J_RIGHT };

struct sql_table_refs {
	struct sql_table_ref **v;
	uint32_t n;
};

struct sql_table_ref {
	uint8_t kind; /* enum sql_table_kind */
	uint8_t join; /* enum sql_join_kind */
	bool natural, lateral;
	bool parens; /* stood in parentheses of its own */
	uint16_t height;
	uint32_t tok, tok_end; /* the whole reference */
	struct sql_name name;  /* SQL_T_TABLE; its own tokens */
	struct str alias;      /* TABLE, DERIVED, FUNC */
	struct sql_names partitions;
	struct sql_opaque system_time; /* FOR SYSTEM_TIME ... */
	struct sql_opaque hints;       /* USE/FORCE/IGNORE INDEX ... */
	struct sql_query *query;       /* DERIVED */
	struct sql_names columns;      /* DERIVED: its column list; JOIN: USING */
	struct sql_table_ref *left, *right;
	struct sql_expr *on;
	struct sql_table_refs nest;
	struct sql_opaque body; /* FUNC: from the name to the last ) */
};

/* ---- queries ----------------------------------------------------------------------------------------------- */

struct sql_cte {
	struct str name;
	struct sql_names columns;
	struct sql_query *query;
	struct sql_opaque cycle; /* MariaDB: CYCLE cols RESTRICT */
	uint32_t tok, tok_end;
};

struct sql_with {
	struct sql_cte *v;
	uint32_t n;
	bool recursive;
	uint16_t height;
	uint32_t tok, tok_end;
};

struct sql_item {
	struct sql_expr *expr;
	struct str alias;      /* without quotes */
	struct str text;       /* the expression as written: the column's name when there is no alias */
	uint32_t tok, tok_end; /* with the alias */
};

enum {
	SQL_SEL_ALL = 1u << 0,
	SQL_SEL_DISTINCT = 1u << 1, /* DISTINCT, DISTINCTROW */
	SQL_SEL_STRAIGHT_JOIN = 1u << 2,
	SQL_SEL_HIGH_PRIORITY = 1u << 3,
	SQL_SEL_SMALL_RESULT = 1u << 4,
	SQL_SEL_BIG_RESULT = 1u << 5,
	SQL_SEL_BUFFER_RESULT = 1u << 6,
	SQL_SEL_NO_CACHE = 1u << 7,
	SQL_SEL_CACHE = 1u << 8,
	SQL_SEL_CALC_FOUND_ROWS = 1u << 9,
};

/* One SELECT ... HAVING ... WINDOW: what stands before ORDER BY. */
struct sql_select {
	uint32_t options;	/* SQL_SEL_... */
	struct sql_opaque hint; /* optimizer hint comment */
	struct sql_item *items;
	uint32_t n_items;
	struct sql_table_refs from; /* comma list of references; n = 0: no FROM */
	struct sql_expr *where;
	struct sql_order group;
	bool rollup;
	struct sql_expr *having;
	struct sql_window *windows;
	uint32_t n_windows;
	uint32_t tok, tok_end;
	uint32_t from_tok, from_tok_end; /* FROM to the last reference; equal when absent */
	uint32_t items_tok_end;		 /* behind the last item: where hidden columns go */
	uint32_t where_tok;		 /* WHERE itself; 0: none */
	uint32_t having_tok;		 /* HAVING itself; 0: none */
};

enum sql_setop { SQL_SET_NONE, SQL_SET_UNION, SQL_SET_INTERSECT, SQL_SET_EXCEPT };

struct sql_arm {
	struct sql_query *query;
	uint8_t op;    /* enum sql_setop: joins it to what stands before; NONE in the first */
	bool all;      /* ALL written */
	bool distinct; /* DISTINCT written; neither is the same as DISTINCT */
};

enum sql_lock_kind { SQL_LOCK_UPDATE, SQL_LOCK_SHARE, SQL_LOCK_IN_SHARE_MODE };

struct sql_lock {
	uint8_t kind; /* enum sql_lock_kind */
	bool nowait, skip_locked;
	struct sql_expr *wait; /* MariaDB: WAIT n */
	struct sql_name_list of;
	uint32_t tok, tok_end;
};

struct sql_into {
	bool file;		/* OUTFILE or DUMPFILE: body tells all of it */
	struct sql_exprs vars;	/* SQL_E_UVAR, or SQL_E_COLUMN for a routine's variable */
	struct sql_opaque body; /* behind INTO */
	uint32_t tok, tok_end;
};

enum sql_query_kind {
	SQL_Q_SELECT, /* select */
	SQL_Q_SET,    /* arms: two or more. UNION and EXCEPT chain from left to right; INTERSECT, binding tighter, is an
			 arm */
	SQL_Q_VALUES, /* VALUES ROW(...), ...: rows are SQL_E_ROW (one value: SQL_E_ROW with one argument) */
	SQL_Q_TABLE,  /* TABLE name */
	SQL_Q_PAREN,  /* (inner) with clauses of its own behind the parenthesis */
};

struct sql_query {
	uint8_t kind; /* enum sql_query_kind */
	bool parens;  /* stands in parentheses of its own */
	uint16_t height;
	uint32_t tok, tok_end; /* with its own parentheses if it has any */
	struct sql_with *with;
	struct sql_select *select;
	struct sql_arm *arms;
	uint32_t n_arms;
	struct sql_exprs rows;
	struct sql_name table;
	struct sql_query *inner;
	struct sql_order order;
	struct sql_limit *limit;
	struct sql_into *into;
	struct sql_lock *locks;
	uint32_t n_locks;
	uint32_t body_tok_end; /* behind the body, before ORDER BY, LIMIT, FOR UPDATE and the closing parenthesis */
};

/* ---- data changes ------------------------------------------------------------------------------------------ */

struct sql_assign {
	struct sql_expr *target; /* SQL_E_COLUMN */
	struct sql_expr *value;
	uint32_t tok, tok_end;
};

struct sql_assigns {
	struct sql_assign *v;
	uint32_t n;
};

enum {
	SQL_DML_LOW_PRIORITY = 1u << 0,
	SQL_DML_HIGH_PRIORITY = 1u << 1,
	SQL_DML_DELAYED = 1u << 2,
	SQL_DML_IGNORE = 1u << 3,
	SQL_DML_QUICK = 1u << 4,
};

enum sql_insert_kind { SQL_INSERT_VALUES, SQL_INSERT_SET, SQL_INSERT_QUERY };

struct sql_insert_row {
	struct sql_exprs values; /* may be empty: VALUES () */
	bool folded;	       /* stands for the comma and one or more rows of literals: look at the text with rows.h */
	struct str text;       /* folded: as written in the parsed text, from the first ( */
	uint32_t tok, tok_end; /* from ( to behind ) */
};

struct sql_insert {
	bool replace;
	uint8_t kind;	  /* enum sql_insert_kind */
	uint32_t options; /* SQL_DML_... */
	struct sql_opaque hint;
	struct sql_name table;
	struct sql_names partitions;
	bool has_columns;		       /* a column list was written, perhaps an empty one */
	struct sql_exprs columns;	       /* SQL_E_COLUMN */
	uint32_t columns_tok, columns_tok_end; /* ( to behind ); without a list both are where it would stand */
	struct sql_insert_row *rows;
	uint32_t n_rows;
	struct sql_assigns set;
	struct sql_query *query;
	struct str row_alias; /* VALUES (...) AS alias(columns) */
	struct sql_names row_columns;
	struct sql_assigns on_dup;
	struct sql_item *returning;
	uint32_t n_returning;
	uint32_t values_tok; /* VALUES itself, kind VALUES */
};

struct sql_update {
	struct sql_with *with;
	uint32_t options;
	struct sql_opaque hint;
	struct sql_table_refs tables;
	struct sql_opaque portion; /* MariaDB: FOR PORTION OF ... */
	struct sql_assigns set;
	struct sql_expr *where;
	struct sql_order order;
	struct sql_limit *limit;
	uint32_t where_tok; /* 0: none */
};

struct sql_delete {
	struct sql_with *with;
	uint32_t options;
	struct sql_opaque hint;
	bool multi;		      /* several tables, or the forms with a FROM of their own */
	bool using_form;	      /* DELETE FROM targets USING refs */
	struct sql_name_list targets; /* multi: what is deleted from (names or aliases) */
	struct sql_table_refs tables; /* single: one table; multi: the join */
	struct sql_opaque portion;
	struct sql_expr *where;
	struct sql_order order;
	struct sql_limit *limit;
	struct sql_item *returning;
	uint32_t n_returning;
	uint32_t where_tok;
};

/* ---- everything else --------------------------------------------------------------------------------------- */

enum sql_set_kind {
	SQL_SETV_UVAR,	  /* @name = value */
	SQL_SETV_SYSVAR,  /* [scope] name = value, @@scope.name = value; value NULL: DEFAULT */
	SQL_SETV_NAMES,	  /* SET NAMES name [COLLATE collate]; name absent: DEFAULT */
	SQL_SETV_CHARSET, /* SET CHARACTER SET name; name absent: DEFAULT */
	SQL_SETV_NEW_OLD, /* NEW.col / OLD.col, meaning only in triggers */
};

struct sql_set_item {
	uint8_t kind;  /* enum sql_set_kind */
	uint8_t scope; /* enum sql_scope */
	struct str name;
	struct str base; /* name of a structured variable before the dot (keycache.key_buffer_size), NEW or OLD */
	struct str collate;
	struct sql_expr *value; /* a bare word (ON, utf8, READ) is SQL_E_COLUMN */
	uint32_t tok, tok_end;
};

enum sql_isolation {
	SQL_ISO_NONE,
	SQL_ISO_READ_UNCOMMITTED,
	SQL_ISO_READ_COMMITTED,
	SQL_ISO_REPEATABLE_READ,
	SQL_ISO_SERIALIZABLE
};

enum {
	SQL_TXN_CONSISTENT_SNAPSHOT = 1u << 0,
	SQL_TXN_READ_ONLY = 1u << 1,
	SQL_TXN_READ_WRITE = 1u << 2,
	SQL_TXN_CHAIN = 1u << 3,
	SQL_TXN_NO_CHAIN = 1u << 4,
	SQL_TXN_RELEASE = 1u << 5,
	SQL_TXN_NO_RELEASE = 1u << 6,
	SQL_TXN_WORK = 1u << 7,
	SQL_TXN_START = 1u << 8, /* START TRANSACTION was written, not BEGIN */
};

enum sql_object {
	SQL_OBJ_NONE,
	SQL_OBJ_TABLE,
	SQL_OBJ_INDEX,
	SQL_OBJ_VIEW,
	SQL_OBJ_DATABASE,
	SQL_OBJ_PROCEDURE,
	SQL_OBJ_FUNCTION,
	SQL_OBJ_TRIGGER,
	SQL_OBJ_EVENT,
	SQL_OBJ_SEQUENCE,
	SQL_OBJ_USER,
	SQL_OBJ_ROLE,
	SQL_OBJ_PACKAGE,
	SQL_OBJ_SERVER,
	SQL_OBJ_TABLESPACE,
	SQL_OBJ_OTHER,
	SQL_OBJS
};

enum sql_stmt_kind {
	SQL_S_EMPTY,
	SQL_S_QUERY,	       /* query */
	SQL_S_INSERT,	       /* insert: INSERT and REPLACE */
	SQL_S_UPDATE,	       /* update */
	SQL_S_DELETE,	       /* del */
	SQL_S_SET,	       /* set */
	SQL_S_SET_TRANSACTION, /* txn and scope */
	SQL_S_SET_PASSWORD,    /* rest */
	SQL_S_SET_ROLE,	       /* rest: SET ROLE and SET DEFAULT ROLE */
	SQL_S_SET_STATEMENT,   /* set, then inner: SET STATEMENT a = 1 FOR ... */
	SQL_S_BEGIN,	       /* txn */
	SQL_S_COMMIT,	       /* txn */
	SQL_S_ROLLBACK,	       /* txn */
	SQL_S_ROLLBACK_TO,     /* name */
	SQL_S_SAVEPOINT,       /* name */
	SQL_S_RELEASE,	       /* name */
	SQL_S_XA,	/* name: the word behind XA (START, BEGIN, END, PREPARE, COMMIT, ROLLBACK, RECOVER); rest */
	SQL_S_SHOW,	/* show */
	SQL_S_USE,	/* name */
	SQL_S_DESCRIBE, /* names[0], column or pattern in rest */
	SQL_S_EXPLAIN,	/* explain */
	SQL_S_CALL,	/* names[0], exprs */
	SQL_S_DO,	/* exprs */
	SQL_S_HANDLER,	/* names[0], name: OPEN, READ, CLOSE; rest */
	SQL_S_PREPARE,	/* name, exprs[0]: a string literal or a user variable */
	SQL_S_EXECUTE,	/* name, exprs: user variables (MariaDB: expressions); EXECUTE IMMEDIATE: name absent, exprs[0]
			   the text */
	SQL_S_DEALLOCATE,  /* name */
	SQL_S_LOCK_TABLES, /* locks */
	SQL_S_UNLOCK_TABLES,
	SQL_S_LOCK_OTHER,  /* LOCK INSTANCE, FLUSH-like forms; rest */
	SQL_S_LOAD,	   /* load */
	SQL_S_KILL,	   /* kill */
	SQL_S_FLUSH,	   /* name: the first word; names; rest */
	SQL_S_RESET,	   /* rest */
	SQL_S_ADMIN_TABLE, /* name: ANALYZE, CHECK, CHECKSUM, OPTIMIZE, REPAIR; names; rest */
	SQL_S_CREATE,	   /* ddl */
	SQL_S_ALTER,	   /* ddl */
	SQL_S_DROP,	   /* ddl */
	SQL_S_RENAME,	   /* ddl: names are the old ones, renamed the new */
	SQL_S_TRUNCATE,	   /* ddl */
	SQL_S_GRANT,	   /* name: GRANT or REVOKE; rest */
	SQL_S_DIAGNOSTICS, /* GET DIAGNOSTICS; rest */
	SQL_S_SIGNAL,	   /* SIGNAL, RESIGNAL; rest */
	SQL_S_COMPOUND,	   /* BEGIN NOT ATOMIC and kin; rest */
	SQL_S_OTHER,	   /* a first word that is known to begin a statement, no more; name, rest */
	SQL_S_KINDS
};

struct sql_set {
	struct sql_set_item *v;
	uint32_t n;
};

struct sql_txn {
	uint32_t flags;	   /* SQL_TXN_... */
	uint8_t isolation; /* enum sql_isolation */
	uint8_t scope;	   /* SET TRANSACTION: enum sql_scope */
};

/* SHOW [FULL] [GLOBAL] <what> [{FROM|IN} table] [{FROM|IN} db] [LIKE pattern | WHERE expr] [rest] */
struct sql_show {
	struct str
		what; /* upper case, one blank between words: "TABLES", "CREATE TABLE", "INDEX", "TABLE STATUS" ... */
	bool full, extended;
	uint8_t scope;	       /* enum sql_scope */
	struct sql_name name;  /* the table or other object; name.db is that of FROM db too */
	struct str db;	       /* SHOW TABLES FROM db and kin; also the db of name */
	uint32_t db_tok;       /* its token; valid when db is there */
	struct sql_expr *like; /* a string literal */
	struct sql_expr *where;
	struct sql_limit *limit;
	struct sql_opaque rest;
};

struct sql_explain {
	bool route;   /* EXPLAIN ROUTE: ours */
	bool analyze; /* EXPLAIN ANALYZE, ANALYZE <statement> */
	bool extended, partitions;
	struct str format;	/* FORMAT = name */
	struct sql_stmt *inner; /* NULL: FOR CONNECTION */
	struct sql_expr *connection;
};

enum sql_table_lock {
	SQL_TL_READ,
	SQL_TL_READ_LOCAL,
	SQL_TL_WRITE,
	SQL_TL_LOW_PRIORITY_WRITE,
	SQL_TL_WRITE_CONCURRENT
};

struct sql_lock_item {
	struct sql_name table;
	struct str alias;
	uint8_t kind; /* enum sql_table_lock */
};

struct sql_lock_tables {
	struct sql_lock_item *v;
	uint32_t n;
	struct sql_opaque wait; /* WAIT n, NOWAIT */
};

struct sql_load {
	bool local, xml, replace, ignore;
	uint32_t options;      /* SQL_DML_LOW_PRIORITY; CONCURRENT is SQL_DML_HIGH_PRIORITY */
	struct sql_expr *file; /* string literal */
	struct sql_name table;
	struct sql_names partitions;
	struct sql_opaque format; /* between table and column list */
	bool has_columns;
	struct sql_exprs columns; /* SQL_E_COLUMN and SQL_E_UVAR */
	struct sql_assigns set;
};

struct sql_kill {
	bool query;	   /* KILL QUERY; otherwise CONNECTION */
	uint8_t hard_soft; /* MariaDB: 1 HARD, 2 SOFT */
	struct sql_expr *id;
	struct sql_opaque rest; /* MariaDB: USER name, QUERY ID; id is NULL then */
};

struct sql_ddl {
	uint8_t object; /* enum sql_object */
	bool or_replace, if_exists, if_not_exists, temporary, unique, fulltext, spatial;
	struct sql_name_list names; /* the objects; users and roles are in rest */
	struct sql_name on_table;   /* CREATE/DROP INDEX ... ON, CREATE TRIGGER ... ON */
	struct sql_name like;	    /* CREATE TABLE ... LIKE */
	struct sql_query *query;    /* CREATE TABLE ... SELECT, CREATE VIEW ... AS */
	struct sql_name_list
		renamed; /* ALTER TABLE ... RENAME TO new; the new names of RENAME TABLE, one for each of names */
	struct sql_name_list references; /* tables that FOREIGN KEY ... REFERENCES names */
	struct sql_opaque head;		 /* between CREATE and the object's kind: ALGORITHM, DEFINER ... */
	struct sql_opaque rest;		 /* everything behind the names (a query inside too) */
};

struct sql_stmt {
	uint8_t kind; /* enum sql_stmt_kind */
	uint32_t tok, tok_end;
	struct str text; /* all of it as written in the parsed text */
	struct str name;
	uint32_t name_tok;
	struct sql_opaque rest;
	struct sql_name_list names;
	struct sql_exprs exprs;
	struct sql_stmt *inner; /* SET STATEMENT */
	union {
		struct sql_query *query;
		struct sql_insert *insert;
		struct sql_update *update;
		struct sql_delete *del;
		struct sql_show *show;
		struct sql_explain *explain;
		struct sql_lock_tables *locks;
		struct sql_load *load;
		struct sql_kill *kill;
		struct sql_ddl *ddl;
		struct sql_set set;
		struct sql_txn txn;
	};
};

/* Names for messages and dumps. */
const char *sql_stmt_kind_name(enum sql_stmt_kind k);
const char *sql_expr_kind_name(enum sql_expr_kind k);
const char *sql_op_text(enum sql_op op); /* "=", "<=>", "DIV" ... */

/* ---- walking ----------------------------------------------------------------------------------------------- */

enum sql_node_kind { SQL_N_STMT, SQL_N_QUERY, SQL_N_SELECT, SQL_N_TABLE, SQL_N_EXPR };

struct sql_node {
	uint8_t kind; /* enum sql_node_kind */
	union {
		const void *p;
		const struct sql_stmt *stmt;
		const struct sql_query *query;
		const struct sql_select *select;
		const struct sql_table_ref *table;
		const struct sql_expr *expr;
	};
};

/* SQL_WALK_SKIP: not into this node's children. STOP: the walk ends, sql_walk() returns false. */
enum sql_walk_do { SQL_WALK_ON, SQL_WALK_SKIP, SQL_WALK_STOP };

typedef enum sql_walk_do sql_walk_fn(struct sql_node node, void *arg);

/* Every node below and including @root, parents before children, in the order of the text; recursion is bounded by
 * SQL_MAX_HEIGHT. False when @fn said STOP. */
bool sql_walk(struct sql_node root, sql_walk_fn *fn, void *arg);

static inline bool sql_walk_expr(const struct sql_expr *e, sql_walk_fn *fn, void *arg)
{
	return sql_walk((struct sql_node){ .kind = SQL_N_EXPR, .expr = e }, fn, arg);
}

static inline bool sql_walk_query(const struct sql_query *q, sql_walk_fn *fn, void *arg)
{
	return sql_walk((struct sql_node){ .kind = SQL_N_QUERY, .query = q }, fn, arg);
}

static inline bool sql_walk_stmt(const struct sql_stmt *st, sql_walk_fn *fn, void *arg)
{
	return sql_walk((struct sql_node){ .kind = SQL_N_STMT, .stmt = st }, fn, arg);
}

#endif
