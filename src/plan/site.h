/* site.h - the state of finding out where the pieces of a statement can run. See README.md of this folder for the
 * reasoning. Everything here lives in the arena of the building, except conditions, which the plan keeps. */
#ifndef KEYWAY_PLAN_SITE_H
#define KEYWAY_PLAN_SITE_H

#include "plan_int.h"

/* A column of a table reference. Nodes whose values are equal in every row that counts (or are both NULL) are in one
 * class. A link says more: where this value is not NULL it equals the other node's. */
struct node {
	struct rel *rel;
	struct str name;
	bool typed; /* its equality is a routing equality of type */
	bool nullable;
	struct key_type type;
	uint32_t parent; /* of the class; itself: the representative */
	int32_t link;	 /* -1: none */
};

enum rel_kind {
	REL_ANY, /* the same rows on every shard */
	REL_SHARDED,
	REL_PINNED,
	REL_DERIVED, /* a query in FROM, or a name of WITH */
};

/* A column that a query gives. */
struct output {
	struct str name;
	int32_t node;	/* inside the query, -1: an expression */
	bool is_key;	/* equals the key of the query's site */
	bool links_key; /* equals it where it is not NULL */
};

/* Where something can run: anywhere, or on the shards of cond. */
struct site {
	bool sharded;
	bool extended;	/* its rows may be NULL beside rows of a table that every shard has */
	int32_t anchor; /* node of the shard key, -1: none that others could be aligned with */
	const struct sharding_key *key;
	const struct plan_cond *cond;
	const char *table, *key_name; /* for messages */
};

/* A table reference of a query block. */
struct rel {
	enum rel_kind kind;
	struct str alias, db; /* db: the keyspace's name, empty for aliases and derived tables */
	const struct table_rule *rule;
	const struct table *table; /* NULL: columns are not known */
	const struct output *outs; /* REL_DERIVED */
	uint32_t n_outs;
	bool outs_partial; /* there may be more columns than outs tells */
	struct site site;
	struct rel *next; /* in its block */
};

enum pred_kind { PRED_NONE, PRED_EQ, PRED_IN, PRED_SPAN, PRED_AND, PRED_OR };

/* A predicate as far as it can say anything about shards. */
struct pred {
	enum pred_kind kind;
	uint32_t node;
	bool lower_open, upper_open;
	uint32_t n;
	const struct plan_val *vals;
	struct pred **kids;
	struct pred *next; /* in its list */
};

struct pred_list {
	struct pred *first;
	const struct pred_list *above; /* predicates that hold as well */
};

/* A reference in FROM: its relations are a run of the block's list. */
struct ref_info {
	const struct sql_table_ref *ref;
	struct rel *first, *last;
	struct rel *right;	  /* of a join: the first of its right side */
	struct pred_list *region; /* of an outer join: what holds on its nullable side */
	struct ref_info *next;
};

struct cte_scope {
	const struct sql_cte *cte;
	const struct cte_scope *above;
	const struct cte_scope *inside; /* what its own query sees */
	bool active;			/* being looked at: a reference is recursive */
	bool recursed;
};

struct using_name {
	struct str name;
	uint32_t node;
	struct using_name *next;
};

/* A query block: one FROM with what hangs on it. */
struct block {
	struct block *parent; /* that it may be correlated with */
	const struct cte_scope *scope;
	struct rel *rels, **rels_end;
	struct using_name *usings;
	struct pred_list preds;
	struct ref_info *infos;
	struct site site;
	const char *once;     /* something in FROM must happen once */
	bool outer_aggregate; /* a subquery aggregates over this block's columns */
};

struct query_result {
	struct site site;
	const char *closed_why; /* its rows from every shard, put behind one another, are not its answer */
	const char *once;	/* something in it must happen once */
	struct output *outs;
	uint32_t n_outs;
	bool outs_partial;
	struct block *block; /* of a plain SELECT */
};

struct sites {
	struct build *b;
	const struct keyspace *ks;
	const struct keyspace_view *view;
	struct node *nodes;
	uint32_t n_nodes, cap_nodes;
	struct plan_group *groups;
	uint32_t n_groups, cap_groups;
	const char *single_why;
	uint32_t blocks; /* looked at so far */
	struct err err;	 /* why the statement is refused; kind 0: it is not */
};

#define SITE_BLOCKS_MAX 2000
#define SITE_NODES_MAX	8192

/* scope.c */
uint32_t node_get(struct sites *s, struct rel *rel, struct str name);
/* -1: not known which column it is. @depth (may be NULL): how many blocks outside. */
int32_t node_of_column(struct sites *s, struct block *bl, const struct sql_expr *e, int *depth);
void node_merge(struct sites *s, uint32_t a, uint32_t b);
bool node_same(const struct sites *s, uint32_t a, uint32_t b);
bool node_reaches(const struct sites *s, uint32_t from, uint32_t to);
bool node_types_fit(const struct node *a, const struct node *b);
uint32_t *node_save(struct sites *s, uint32_t *n);
void node_restore(struct sites *s, const uint32_t *saved, uint32_t n);
bool rel_has_column(const struct rel *r, struct str name, bool *maybe);

/* pred.c */
/* Adds what @e (a conjunction that holds) says to @into; equalities of columns are merged. */
void pred_add(struct sites *s, struct block *bl, struct pred_list *into, const struct sql_expr *e);
/* Merges the equalities of @e only. */
void pred_merge(struct sites *s, struct block *bl, const struct sql_expr *e);
const struct plan_cond *cond_project(
	struct sites *s, const struct pred_list *preds, int32_t anchor, const struct sharding_key *key);
const struct plan_cond *cond_and(struct sites *s, const struct plan_cond *a, const struct plan_cond *b);
const struct plan_cond *cond_or(struct sites *s, const struct plan_cond *a, const struct plan_cond *b);
const struct plan_cond *cond_all(struct sites *s);

/* site.c */
void sites_init(struct sites *s, struct build *b, const struct keyspace *ks);
/* The statement must be on one shard; the first reason stays. */
void sites_single(struct sites *s, const char *fmt, ...) PRINTF(2, 3);
void sites_refuse(struct sites *s, enum err_kind kind, enum mysql_errno no, const char *fmt, ...) PRINTF(4, 5);
void sites_group(struct sites *s, const struct site *site);
/* Negative: s->err says why. */
MUST_CHECK int sites_query(struct sites *s, const struct sql_query *q, struct query_result *out);
/* UPDATE and DELETE: first the tables, then what else has expressions, which completes bl->site. */
MUST_CHECK int sites_tables(struct sites *s, struct block *bl, const struct sql_with *with,
	const struct sql_table_refs *refs, const struct sql_expr *where);
MUST_CHECK int sites_exprs(struct sites *s, struct block *bl, const struct sql_table_refs *refs,
	const struct sql_expr *where, const struct sql_assigns *set, const struct sql_order *order, const char **once);
/* Expressions that stand alone: @items may be NULL. What they read becomes groups. */
MUST_CHECK int sites_loose(struct sites *s, const struct sql_exprs *exprs, const struct sql_assigns *set,
	const struct sql_item *items, uint32_t n_items);

#endif
