/* plan_int.h - what the files of this layer share: the parts of a plan, and the state of building one. */
#ifndef KEYWAY_PLAN_INT_H
#define KEYWAY_PLAN_INT_H

#include "keyway/cluster/snapshot.h"
#include "keyway/plan/plan.h"
#include "keyway/sql/ast.h"
#include "keyway/sql/lit.h"
#include "keyway/sql/parse.h"
#include "keyway/sql/rows.h"
#include "keyway/sql/scan.h"

/* ---- parts of a finished plan ---------------------------------------------------------------------------------- */

enum val_kind { VAL_LIT, VAL_NULL, VAL_TRUE, VAL_FALSE, VAL_DEFAULT, VAL_OTHER };

/* A constant of the statement: where a run finds its value. */
struct plan_val {
	uint8_t kind;  /* enum val_kind */
	bool negative; /* a minus sign stands before the literal */
	uint32_t lit;  /* VAL_LIT: ordinal in scan.lits, also of a ? */
};

enum cond_op {
	COND_ALL,   /* nothing known: every shard */
	COND_NONE,  /* no row can match */
	COND_EQ,    /* key = vals[0] */
	COND_IN,    /* key IN (vals) */
	COND_SPAN,  /* vals[0] <= key <= vals[1]; VAL_OTHER for a bound that is not there */
	COND_AND,   /* of kids */
	COND_OR,    /* of kids */
	COND_SHARD, /* this shard, whatever the values */
};

#define COND_HEIGHT_MAX 8

/* Which shards can hold rows that matter, as a formula over the values of a run. May name too many, never too few. */
struct plan_cond {
	uint8_t op; /* enum cond_op */
	uint8_t height;
	bool lower_open, upper_open;
	bool store; /* COND_EQ: the value is stored, not compared; what is not one key is every shard */
	uint32_t n;
	uint32_t shard;
	const struct sharding_key *key;
	union {
		const struct plan_val *vals;
		const struct plan_cond *const *kids;
	};
};

struct plan_group {
	const struct plan_cond *cond;
	const char *table; /* for messages */
	const char *key;
};

struct plan_route {
	const struct plan_group *groups; /* tables whose rows lie together share one */
	uint32_t n_groups;
	const char *single_why; /* all groups must be on one and the same shard; this says why, and what to do */
	bool has_side;
	struct plan_val side;
	/* UPDATE ... SET key = new WHERE key = old: both must be one key */
	bool has_moved;
	const struct sharding_key *moved_key;
	struct plan_val moved_from, moved_to;
	const char *moved_what;
};

enum insert_dest { INSERT_BY_KEY, INSERT_TO_SHARD, INSERT_TO_ALL };

/* A column that splitting looks at. */
struct insert_column {
	int32_t at;	       /* its place in a row, -1: not there */
	struct plan_val val;   /* INSERT ... SET: its value */
	uint32_t tok, tok_end; /* INSERT ... SET: where that stands */
};

struct plan_insert {
	enum insert_dest dest;
	const struct sharding_key *key;	 /* INSERT_BY_KEY */
	uint32_t shard;			 /* INSERT_TO_SHARD */
	bool set_form;			 /* INSERT ... SET */
	bool empty_rows;		 /* VALUES (): a row without values */
	uint32_t rows_tok, rows_tok_end; /* where the rows stand, when the scan does not tell (behind EXPLAIN ROUTE) */
	uint32_t n_columns;		 /* values that a row must have */
	struct insert_column key_col, id_col, side_col, auto_col;
	bool has_id; /* the table has an id rule */
	bool key_is_id, side_is_id;
	bool add_id;	   /* the id column is not in the statement: put it in front of every row */
	uint32_t list_tok; /* add_id: behind the ( of the column list */
	bool list_new;	   /* add_id: there is no column list, one goes before list_tok */
	uint32_t set_tok;  /* set_form, add_id: before this token */
	const char *key_name, *id_name, *auto_name;
};

enum edit_kind {
	EDIT_DATABASE_NAME, /* a qualifier: the keyspace's name becomes the shard's database */
	EDIT_CONNECTION_ID,
	EDIT_USER,
	EDIT_CURRENT_USER,
	EDIT_DATABASE,
	EDIT_ROW_COUNT,
	EDIT_FOUND_ROWS,
	EDIT_LAST_INSERT_ID,
};

struct plan_edit {
	uint32_t tok, tok_end;
	uint8_t kind;		   /* enum edit_kind */
	bool alias;		   /* a select item without a name: keep the original text as its name */
	const struct keyspace *ks; /* EDIT_DATABASE_NAME */
};

/* ---- building --------------------------------------------------------------------------------------------------- */

struct build {
	const struct plan_request *rq;
	struct plan *p;
	struct arena *a;    /* dies with the building */
	struct arena *keep; /* the plan's */
	struct str text;    /* the copy that the tree points into */
	struct sql_stmt *stmt;
	const struct keyspace *ks; /* the session's, or * when there is none */
	struct plan_edit *edits;
	uint32_t n_edits, cap_edits;
	struct err *err;
};

/* The keyspace of a database name (empty: the session's). ERR_NAME with 1046 or 1049. *@system: a schema of the server
 * itself, *@out is NULL then. */
MUST_CHECK int build_keyspace_of(
	const struct build *b, struct str db, const struct keyspace **out, bool *system, struct err *err);
bool name_is_system_schema(struct str db);
/* The keyspace of all names of the statement. Positive: *@out is it; otherwise the plan is a refusal. */
MUST_CHECK int build_in_keyspace(struct build *b, const struct keyspace **out);
struct plan *plan_new(const struct plan_request *rq);
/* Plans @st, a statement inside @text. */
MUST_CHECK int build_plan(const struct plan_request *rq, struct plan *p, const struct sql_stmt *st, struct str text);
/* The rule of a table of a sharded keyspace; 1146 with the cure when it has none. */
MUST_CHECK int build_rule_of(const struct build *b, const struct keyspace *ks, struct str name,
	const struct table_rule **out, struct err *err);
/* Makes the plan a refusal. Always 0. */
int build_refuse(struct build *b, const struct err *err);
int build_refusef(struct build *b, enum err_kind kind, enum mysql_errno no, const char *fmt, ...) PRINTF(4, 5);

/* text.c */
void edits_collect(struct build *b);
struct render {
	const struct plan *p;
	const struct plan_values *vals;
	const struct plan_session *session;
	uint32_t shard;
	bool params; /* write parameters as literals */
	struct buf *out;
};
/* Appends the bytes [from, to) of the text, edited. */
void render_span(const struct render *r, uint32_t from, uint32_t to);
void render_param(const struct render *r, uint32_t ordinal);
/* The byte where the plan's statement begins. */
uint32_t text_begin(const struct plan *p, const struct scan *s);

/* site.c: routes a statement of a sharded keyspace. Fills p->kind, route, shard; or makes it a refusal. */
MUST_CHECK int site_query(struct build *b, const struct keyspace *ks, const struct sql_query *q);
MUST_CHECK int site_update(struct build *b, const struct keyspace *ks, const struct sql_update *u);
MUST_CHECK int site_delete(struct build *b, const struct keyspace *ks, const struct sql_delete *d);
MUST_CHECK int site_insert_query(
	struct build *b, const struct keyspace *ks, const struct sql_insert *ins, const struct table_rule *rule);

/* statement.c: what would make the copies of a reference table differ. Positive: nothing. */
MUST_CHECK int refuse_uneven(struct build *b, const char *table, const struct sql_limit *limit, const char *once);
int32_t insert_column_at(const struct sql_insert *ins, const struct table *t, struct str name);
bool expr_val(const struct sql_expr *e, struct plan_val *out);

/* insert.c */
/* ON DUPLICATE KEY UPDATE must leave the key as it is. Positive: it does. */
MUST_CHECK int on_duplicate_check(struct build *b, const struct sql_insert *ins, const struct table_rule *rule);
MUST_CHECK int insert_build(struct build *b, const struct keyspace *ks, const struct sql_insert *ins);

/* Values that are worked out on the shard that gets them: they may read what every shard has, no more. Positive: so it
 * is. @list is NULL for all expressions of an INSERT. */
MUST_CHECK int site_values(
	struct build *b, const struct keyspace *ks, const struct sql_exprs *list, const struct sql_insert *ins);
/* The side of a pair in an unsharded keyspace, where nothing else is to be found. */
void site_side(struct build *b, const struct keyspace *ks, const struct sql_stmt *st);
/* CREATE VIEW: the view must be what the map says of its name. Positive: it is. */
MUST_CHECK int site_view(struct build *b, const struct keyspace *ks, const struct sql_query *q, struct str name);

/* other.c: statements that are no query and no change of data */
MUST_CHECK int other_build(struct build *b);

/* functions.c */
enum function_kind { FUNC_UNKNOWN, FUNC_PLAIN, FUNC_AGGREGATE, FUNC_WINDOW, FUNC_ONCE };
/* FUNC_ONCE: what it does must happen once on one server (SLEEP, GET_LOCK ...). */
enum function_kind function_kind_of(struct str name);

/* value.c */
/* The value of @v in this run. False: no constant that is known here (also a parameter that is not bound). Memory that
 * it needed is in @tmp, which may stay empty. */
MUST_CHECK bool val_get(const struct plan_values *vals, const struct plan_val *v, enum key_family family,
	struct arena *tmp, struct key_value *out);
/* The same from a value that rows.h found. */
MUST_CHECK bool val_of_row(const struct plan_values *vals, const struct sql_row_value *rv, enum key_family family,
	struct arena *tmp, struct key_value *out);

#define SHARD_SET_WORDS ((MAP_SHARDS_MAX + 63) / 64)
struct shard_set {
	uint64_t w[SHARD_SET_WORDS];
};

#endif
