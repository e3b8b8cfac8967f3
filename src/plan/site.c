/* site.c - where the pieces of a statement can run: every query block gets its site, joins and subqueries are aligned
 * by the shard key or force the statement onto one shard. For plan_build(); one thread. Pure. */
#include "site.h"
#include <stdarg.h>
#include <stdio.h>

#define ALIGN_CURE "not supported over several shards yet"

/* What an enclosing block offers to align a subquery with. */
struct sub {
	int32_t anchor;
	const struct sharding_key *key;
	struct block *block;
	const struct sql_expr *left; /* of IN (query): left = the query's columns */
	bool null_safe;		     /* IN whose NULL is as good as false: a conjunct of WHERE */
};

static int query_site(struct sites *s, const struct sql_query *q, struct block *parent, const struct cte_scope *scope,
	const struct sub *sub, bool top, struct query_result *out);

void sites_refuse(struct sites *s, enum err_kind kind, enum mysql_errno no, const char *fmt, ...)
{
	char msg[ERR_MSG_MAX];
	va_list ap;

	if (s->err.kind)
		return;
	va_start(ap, fmt);
	vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	err_set(&s->err, kind, no, "%s", msg);
}

void sites_single(struct sites *s, const char *fmt, ...)
{
	char msg[ERR_MSG_MAX];
	va_list ap;

	if (s->single_why)
		return;
	va_start(ap, fmt);
	vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	s->single_why = arena_dup(s->b->keep, msg, strlen(msg));
}

static const char *keep_str(struct sites *s, struct str t)
{
	return arena_dup(s->b->keep, t.p, t.n);
}

void sites_group(struct sites *s, const struct site *site)
{
	if (!site->sharded)
		return;
	if (s->n_groups == s->cap_groups) {
		uint32_t cap = MAX(s->cap_groups * 2, 4);
		struct plan_group *more = arena_array(s->b->keep, struct plan_group, cap);

		if (s->n_groups)
			memcpy(more, s->groups, s->n_groups * sizeof(*more));
		s->groups = more;
		s->cap_groups = cap;
	}
	s->groups[s->n_groups++] =
		(struct plan_group){ .cond = site->cond, .table = site->table, .key = site->key_name };
}

/* ---- table references ------------------------------------------------------------------------------------------ */

static struct rel *rel_add(struct sites *s, struct block *bl, enum rel_kind kind, struct str alias)
{
	struct rel *r = arena_new(s->b->a, struct rel);

	r->kind = kind;
	r->alias = alias;
	r->site.anchor = -1;
	*bl->rels_end = r;
	bl->rels_end = &r->next;
	return r;
}

static int rel_of_rule(struct sites *s, struct rel *r, const struct table_rule *rule, struct str name)
{
	const struct table_key *key;
	struct plan_cond *c;

	r->rule = rule;
	r->table = view_table(s->view, name);
	r->db = s->ks->name;
	r->site.table = keep_str(s, name);
	switch (rule->kind) {
	case TABLE_REFERENCE: return 0;
	case TABLE_PINNED:
		r->kind = REL_PINNED;
		c = arena_new(s->b->keep, struct plan_cond);
		c->op = COND_SHARD;
		c->shard = rule->shard->index;
		r->site.cond = c;
		r->site.sharded = true;
		return 0;
	case TABLE_SHARDED: break;
	}
	key = view_table_key(s->view, rule);
	if (key->state != TABLE_KEY_OK) {
		s->err = key->why;
		return -1;
	}
	r->kind = REL_SHARDED;
	r->site.sharded = true;
	r->site.key = &key->key;
	r->site.cond = cond_all(s);
	r->site.key_name = rule->key.p;
	r->site.anchor = (int32_t)node_get(s, r, rule->key);
	return 0;
}

static void rel_of_result(struct sites *s, struct rel *r, const struct query_result *res, const struct sql_names *names)
{
	struct output *outs = arena_array(s->b->a, struct output, MAX(res->n_outs, 1));
	int32_t anchor = -1;

	for (uint32_t i = 0; i < res->n_outs; i++) {
		outs[i] = res->outs[i];
		if (i < names->n)
			outs[i].name = names->v[i];
	}
	r->kind = REL_DERIVED;
	r->outs = outs;
	r->n_outs = res->n_outs;
	r->outs_partial = res->outs_partial && names->n == 0;
	r->site = res->site;
	r->site.anchor = -1;
	if (!res->site.sharded)
		return;
	if (res->closed_why) {
		sites_single(s, "%s", res->closed_why);
		return;
	}
	for (uint32_t i = 0; i < r->n_outs; i++) {
		uint32_t n;

		if (!outs[i].is_key && !outs[i].links_key)
			continue;
		n = node_get(s, r, outs[i].name);
		if (outs[i].is_key && anchor < 0)
			anchor = (int32_t)n;
		else if (outs[i].is_key)
			s->nodes[n].parent = s->nodes[anchor].parent;
	}
	if (anchor < 0)
		anchor = (int32_t)node_get(s, r, (struct str){ NULL, 0 });
	for (uint32_t i = 0; i < r->n_outs; i++) {
		if (outs[i].links_key && !outs[i].is_key)
			s->nodes[node_get(s, r, outs[i].name)].link = anchor;
	}
	r->site.anchor = anchor;
}

static struct cte_scope *cte_find(const struct cte_scope *scope, struct str name)
{
	for (; scope; scope = scope->above) {
		if (str_ieq(scope->cte->name, name))
			return (struct cte_scope *)scope;
	}
	return NULL;
}

static int rel_of_cte(struct sites *s, struct block *bl, struct cte_scope *c, struct str alias)
{
	struct rel *r = rel_add(s, bl, REL_ANY, alias);
	struct query_result res;
	int rc;

	if (c->active) {
		/* the recursive reference: rows of the query itself, wherever that runs */
		c->recursed = true;
		return 0;
	}
	c->active = true;
	rc = query_site(s, c->cte->query, NULL, c->inside, NULL, false, &res);
	c->active = false;
	if (rc < 0)
		return rc;
	if (res.once)
		bl->once = res.once;
	if (c->recursed && res.site.sharded && !res.closed_why)
		res.closed_why =
			arena_printf(s->b->keep, "WITH RECURSIVE %.*s must run on one shard", STR_ARG(c->cte->name));
	c->recursed = false;
	rel_of_result(s, r, &res, &c->cte->columns);
	return 0;
}

static int rel_of_name(struct sites *s, struct block *bl, const struct sql_name *name, struct str alias)
{
	const struct keyspace *ks;
	const struct table_rule *rule;
	struct cte_scope *cte;
	bool system;
	int rc;

	if (alias.n == 0)
		alias = name->name;
	if (name->db.n == 0 && (cte = cte_find(bl->scope, name->name)) != NULL)
		return rel_of_cte(s, bl, cte, alias);
	rc = build_keyspace_of(s->b, name->db, &ks, &system, &s->err);
	if (rc < 0)
		return rc;
	if (system) {
		rel_add(s, bl, REL_ANY, alias)->db = name->db;
		return 0;
	}
	rc = build_rule_of(s->b, s->ks, name->name, &rule, &s->err);
	if (rc < 0)
		return rc;
	return rel_of_rule(s, rel_add(s, bl, REL_ANY, alias), rule, name->name);
}

/* ---- joins ------------------------------------------------------------------------------------------------------ */

static struct rel *rel_last(const struct block *bl)
{
	struct rel *r = bl->rels;

	while (r && r->next)
		r = r->next;
	return r;
}

/* The relation among [first, end) that has the column; NULL when none or several. */
static struct rel *rel_with_column(struct rel *first, const struct rel *end, struct str name)
{
	struct rel *hit = NULL;
	bool maybe;

	for (struct rel *r = first; r && r != end; r = r->next) {
		if (!rel_has_column(r, name, &maybe)) {
			if (maybe && first->next != end)
				return NULL;
			if (!maybe)
				continue;
		}
		if (hit)
			return NULL;
		hit = r;
	}
	return hit;
}

static uint32_t using_node(
	struct sites *s, struct block *bl, struct rel *first, const struct rel *end, struct str name, bool *found)
{
	struct rel *r;

	*found = true;
	for (struct using_name *u = bl->usings; u; u = u->next) {
		if (!str_ieq(u->name, name))
			continue;
		for (r = first; r && r != end; r = r->next) {
			if (s->nodes[u->node].rel == r)
				return u->node;
		}
	}
	r = rel_with_column(first, end, name);
	*found = r != NULL;
	return r ? node_get(s, r, name) : 0;
}

static struct rel *info_end(const struct ref_info *i)
{
	return i->last ? i->last->next : NULL;
}

static void using_one(struct sites *s, struct block *bl, const struct ref_info *i, struct str name, bool names)
{
	bool has_left, has_right;
	uint32_t l = using_node(s, bl, i->first, i->right, name, &has_left);
	uint32_t r = using_node(s, bl, i->right, info_end(i), name, &has_right);

	if (!has_left || !has_right)
		return;
	if (names) {
		struct using_name *u = arena_new(s->b->a, struct using_name);

		u->name = name;
		u->node = i->ref->join == SQL_J_RIGHT ? r : l;
		u->next = bl->usings;
		bl->usings = u;
	} else {
		node_merge(s, l, r);
	}
}

/* Both sides of USING and NATURAL: @names makes the joint names known, otherwise the columns become equal. */
static void using_apply(struct sites *s, struct block *bl, const struct ref_info *info, bool names)
{
	for (uint32_t i = 0; i < info->ref->columns.n; i++)
		using_one(s, bl, info, info->ref->columns.v[i], names);
	if (!info->ref->natural)
		return;
	for (struct rel *r = info->right; r && r != info_end(info); r = r->next) {
		for (uint32_t i = 0; r->table && i < r->table->column_n; i++)
			using_one(s, bl, info, r->table->columns[i].name, names);
		for (uint32_t i = 0; i < r->n_outs; i++)
			using_one(s, bl, info, r->outs[i].name, names);
	}
}

static bool join_is_outer(const struct sql_table_ref *t)
{
	return t->join == SQL_J_LEFT || t->join == SQL_J_RIGHT;
}

static struct ref_info *info_of(const struct block *bl, const struct sql_table_ref *t)
{
	struct ref_info *i = bl->infos;

	while (i->ref != t)
		i = i->next;
	return i;
}

static int collect(struct sites *s, struct block *bl, const struct sql_table_ref *t, struct pred_list *into);

static int collect_derived(struct sites *s, struct block *bl, const struct sql_table_ref *t)
{
	struct query_result res;
	int rc = query_site(s, t->query, NULL, bl->scope, NULL, false, &res);

	if (rc < 0)
		return rc;
	if (res.once)
		bl->once = res.once;
	if (t->lateral && res.site.sharded && !res.closed_why)
		res.closed_why = arena_printf(s->b->keep, "LATERAL %.*s must run on one shard", STR_ARG(t->alias));
	rel_of_result(s, rel_add(s, bl, REL_DERIVED, t->alias), &res, &t->columns);
	return 0;
}

static int collect_join(struct sites *s, struct block *bl, struct ref_info *info, struct pred_list *into)
{
	const struct sql_table_ref *t = info->ref;
	struct pred_list *region = into;
	struct rel *before = rel_last(bl), *mid;
	int rc;

	if (join_is_outer(t)) {
		region = arena_new(s->b->a, struct pred_list);
		region->above = into;
		info->region = region;
	}
	rc = collect(s, bl, t->left, t->join == SQL_J_RIGHT ? region : into);
	if (rc < 0)
		return rc;
	mid = rel_last(bl);
	rc = collect(s, bl, t->right, t->join == SQL_J_LEFT ? region : into);
	if (rc < 0)
		return rc;
	info->first = before ? before->next : bl->rels;
	info->right = mid ? mid->next : bl->rels;
	info->last = rel_last(bl);
	using_apply(s, bl, info, true);
	if (!join_is_outer(t)) {
		using_apply(s, bl, info, false);
		pred_add(s, bl, into, t->on);
	}
	return 0;
}

/* First pass: the relations, what inner joins say, the names of USING. @into: the predicates that hold where @t is. */
static int collect(struct sites *s, struct block *bl, const struct sql_table_ref *t, struct pred_list *into)
{
	struct ref_info *info = arena_new(s->b->a, struct ref_info);
	struct rel *before = rel_last(bl);
	int rc = 0;

	info->ref = t;
	info->next = bl->infos;
	bl->infos = info;
	switch ((enum sql_table_kind)t->kind) {
	case SQL_T_DUAL: break;
	case SQL_T_TABLE: rc = rel_of_name(s, bl, &t->name, t->alias); break;
	case SQL_T_FUNC: rel_add(s, bl, REL_ANY, t->alias); break;
	case SQL_T_DERIVED: rc = collect_derived(s, bl, t); break;
	case SQL_T_NEST:
		for (uint32_t i = 0; i < t->nest.n && rc == 0; i++)
			rc = collect(s, bl, t->nest.v[i], into);
		break;
	case SQL_T_JOIN: rc = collect_join(s, bl, info, into); break;
	}
	info->first = before ? before->next : bl->rels;
	info->last = rel_last(bl);
	return rc;
}

static bool aligned(struct sites *s, const struct site *a, const struct site *b)
{
	if (a->anchor < 0 || b->anchor < 0 || !sharding_key_colocated(a->key, b->key))
		return false;
	return node_reaches(s, (uint32_t)a->anchor, (uint32_t)b->anchor) ||
	       node_reaches(s, (uint32_t)b->anchor, (uint32_t)a->anchor);
}

/* What cannot be aligned must be on the statement's one shard by itself. */
static void group_alone(struct sites *s, struct site *site, const struct pred_list *preds)
{
	site->cond = cond_and(s, site->cond, cond_project(s, preds, site->anchor, site->key));
	sites_group(s, site);
}

static void join_not_aligned(struct sites *s, const struct site *l, const struct site *r)
{
	if (l->key_name && r->key_name && l->anchor >= 0 && r->anchor >= 0)
		sites_single(s,
			"The join of %s and %s is not on their shard keys (%s.%s = %s.%s), so all of it must be on one "
			"shard",
			l->table, r->table, l->table, l->key_name, r->table, r->key_name);
	else
		sites_single(s, "The join of %s and %s is not on shard keys, so all of it must be on one shard",
			l->table, r->table);
}

static struct site join_inner(struct sites *s, struct site l, struct site r, const struct pred_list *preds)
{
	if (!l.sharded)
		return r;
	if (!r.sharded)
		return l;
	if (aligned(s, &l, &r)) {
		l.cond = cond_and(s, l.cond, r.cond);
		return l;
	}
	join_not_aligned(s, &l, &r);
	group_alone(s, &r, preds);
	return l;
}

static struct site site_of(
	struct sites *s, struct block *bl, const struct sql_table_ref *t, const struct pred_list *preds);

/* Where the key of @keep is known from the nullable side's: equal, wherever the latter is not NULL. */
static void link_nullable(struct sites *s, struct rel *first, const struct rel *end, const struct site *keep)
{
	for (struct rel *r = first; r && r != end; r = r->next) {
		int32_t n = r->site.sharded ? r->site.anchor : -1;

		if (n >= 0 && s->nodes[n].link < 0 && node_reaches(s, (uint32_t)n, (uint32_t)keep->anchor))
			s->nodes[n].link = keep->anchor;
	}
}

static struct site join_outer(
	struct sites *s, struct block *bl, const struct sql_table_ref *t, const struct pred_list *preds)
{
	bool left = t->join == SQL_J_LEFT;
	const struct ref_info *info = info_of(bl, t);
	struct pred_list here = { .above = info->region };
	struct site keep = site_of(s, bl, left ? t->left : t->right, preds), null;
	uint32_t n_saved, *saved = node_save(s, &n_saved);

	/* what ON says holds for the rows of the nullable side that count, and for nothing else */
	using_apply(s, bl, info, false);
	pred_add(s, bl, &here, t->on);
	null = site_of(s, bl, left ? t->right : t->left, &here);
	if (null.sharded && keep.sharded && aligned(s, &null, &keep)) {
		link_nullable(s, left ? info->right : info->first, left ? info_end(info) : info->right, &keep);
	} else if (null.sharded && keep.sharded) {
		join_not_aligned(s, &keep, &null);
		group_alone(s, &null, &here);
	} else if (null.sharded) {
		sites_single(s, "%s JOIN of %s to a table that every shard has must be on one shard",
			left ? "LEFT" : "RIGHT", null.table);
		null.cond = cond_and(s, null.cond, cond_project(s, &here, null.anchor, null.key));
		keep = null;
		keep.extended = true;
	}
	node_restore(s, saved, n_saved);
	return keep;
}

/* Second pass: the site of a reference. @preds hold there. */
static struct site site_of(
	struct sites *s, struct block *bl, const struct sql_table_ref *t, const struct pred_list *preds)
{
	struct site all = { .anchor = -1 };
	const struct ref_info *info;

	switch ((enum sql_table_kind)t->kind) {
	case SQL_T_DUAL: return all;
	case SQL_T_NEST:
		for (uint32_t i = 0; i < t->nest.n; i++)
			all = join_inner(s, all, site_of(s, bl, t->nest.v[i], preds), preds);
		return all;
	case SQL_T_JOIN:
		if (join_is_outer(t))
			return join_outer(s, bl, t, preds);
		all = site_of(s, bl, t->left, preds);
		return join_inner(s, all, site_of(s, bl, t->right, preds), preds);
	default: info = info_of(bl, t); return info->last ? info->last->site : all;
	}
}

/* ---- expressions of a block ------------------------------------------------------------------------------------- */

struct visit {
	struct sites *s;
	struct block *bl;
	const struct cte_scope *scope;
	bool aggregate;	    /* an aggregate of this block */
	const char *window; /* a window function that is not by the key */
	const char *once;   /* something that must happen once, on one server */
	const struct sql_select *select;
	int rc;
};

static bool is_key_column(struct sites *s, struct block *bl, const struct sql_expr *e)
{
	int depth;
	int32_t n;

	if (e->kind != SQL_E_COLUMN || bl->site.anchor < 0)
		return false;
	n = node_of_column(s, bl, e, &depth);
	return n >= 0 && depth == 0 && node_same(s, (uint32_t)n, (uint32_t)bl->site.anchor);
}

static bool has_key_column(struct sites *s, struct block *bl, const struct sql_exprs *list)
{
	for (uint32_t i = 0; i < list->n; i++) {
		if (is_key_column(s, bl, list->v[i]))
			return true;
	}
	return false;
}

static bool window_by_key(struct visit *v, const struct sql_window *w, int hops)
{
	struct str name = w->only_name ? w->name : w->based;

	if (has_key_column(v->s, v->bl, &w->partition))
		return true;
	if (!name.n || !v->select || hops == 0)
		return false;
	for (uint32_t i = 0; i < v->select->n_windows; i++) {
		if (str_ieq(v->select->windows[i].name, name))
			return window_by_key(v, &v->select->windows[i], hops - 1);
	}
	return false;
}

static enum sql_walk_do aggregate_column(struct sql_node node, void *arg)
{
	struct visit *v = arg;
	struct block *bl = v->bl;
	int depth;

	if (node.kind != SQL_N_EXPR)
		return SQL_WALK_SKIP;
	if (node.expr->kind != SQL_E_COLUMN)
		return SQL_WALK_ON;
	node_of_column(v->s, bl, node.expr, &depth);
	if (depth == 0)
		return SQL_WALK_ON;
	/* a column of an enclosing block, or it is not known whose: the aggregate may be that block's */
	for (bl = bl->parent; bl; bl = bl->parent)
		bl->outer_aggregate = true;
	return SQL_WALK_ON;
}

/* A sequence counts on one server: the one that the map pins it to. */
static void visit_sequence(struct visit *v, struct str name)
{
	const struct table_rule *rule = NULL;
	struct plan_cond *c;
	struct site site = { .sharded = true, .anchor = -1 };

	if (v->rc < 0)
		return;
	v->once = "a sequence";
	if (name.n == 0 || build_rule_of(v->s->b, v->s->ks, name, &rule, NULL) < 0 || rule->kind != TABLE_PINNED) {
		sites_refuse(v->s, ERR_UNSUPPORTED, ER_NOT_SUPPORTED_YET,
			"A sequence of keyspace %s must be pinned to one shard by the map; for the ids of a table give "
			"it an "
			"id rule there",
			v->s->ks->name.p);
		v->rc = -1;
		return;
	}
	c = arena_new(v->s->b->keep, struct plan_cond);
	c->op = COND_SHARD;
	c->shard = rule->shard->index;
	site.cond = c;
	site.table = keep_str(v->s, name);
	sites_group(v->s, &site);
	sites_single(v->s, "The sequence %s is on one shard", site.table);
}

static bool is_sequence_function(const struct sql_expr *e)
{
	return e->col.db.n == 0 &&
	       (str_ieqz(e->name, "NEXTVAL") || str_ieqz(e->name, "LASTVAL") || str_ieqz(e->name, "SETVAL"));
}

static void visit_function(struct visit *v, const struct sql_expr *e)
{
	enum function_kind kind = e->col.db.n ? FUNC_UNKNOWN : function_kind_of(e->name);
	bool over = e->func && e->func->over;

	if (is_sequence_function(e)) {
		visit_sequence(v, e->n_args && e->args[0]->kind == SQL_E_COLUMN ? e->args[0]->name : STR(""));
		return;
	}
	if (e->kind == SQL_E_FUNC && str_ieqz(e->name, "LAST_INSERT_ID") && e->n_args)
		v->once = "LAST_INSERT_ID(value)";
	switch (kind) {
	case FUNC_PLAIN: break;
	case FUNC_ONCE: v->once = keep_str(v->s, e->name); break;
	case FUNC_AGGREGATE:
	case FUNC_WINDOW:
		if (over && !window_by_key(v, e->func->over, 8))
			v->window = keep_str(v->s, e->name);
		if (kind == FUNC_AGGREGATE && !over)
			v->aggregate = true;
		if (kind == FUNC_AGGREGATE && v->bl->parent) {
			for (uint32_t i = 0; i < e->n_args; i++)
				(void)sql_walk_expr(e->args[i], aggregate_column, v);
		}
		break;
	case FUNC_UNKNOWN:
		sites_refuse(v->s, ERR_UNSUPPORTED, ER_NOT_SUPPORTED_YET,
			"Function %.*s is not one of the server's own: a stored function sees only the rows of one "
			"shard. "
			"Name the shard with USE `%s/<shard>`, or write its expression out",
			STR_ARG(e->name), v->s->ks->name.p);
		v->rc = -1;
		break;
	}
}

static void visit_subquery(struct visit *v, const struct sql_query *q, const struct sql_expr *left, bool null_safe)
{
	struct sub sub = { .anchor = v->bl->site.anchor,
		.key = v->bl->site.key,
		.block = v->bl,
		.left = left,
		.null_safe = null_safe };
	struct query_result res;

	if (v->rc < 0)
		return;
	v->rc = query_site(v->s, q, v->bl, v->scope, &sub, false, &res);
	if (v->rc == 0 && res.once)
		v->once = res.once;
	if (v->rc < 0 || !res.site.sharded)
		return;
	if (v->bl->site.sharded && v->bl->site.key_name)
		sites_single(v->s,
			"The subquery over %s is not bound to the shard key %s.%s of the rows outside, so all of "
			"it must be on one shard",
			res.site.table, v->bl->site.table, v->bl->site.key_name);
	else
		sites_single(v->s, "The subquery over %s must be on one shard", res.site.table);
	sites_group(v->s, &res.site);
}

static enum sql_walk_do visit_node(struct sql_node node, void *arg)
{
	struct visit *v = arg;
	const struct sql_expr *e = node.expr;

	if (v->rc < 0)
		return SQL_WALK_STOP;
	if (node.kind == SQL_N_QUERY) {
		visit_subquery(v, node.query, NULL, false);
		return SQL_WALK_SKIP;
	}
	if (node.kind != SQL_N_EXPR)
		return SQL_WALK_ON;
	switch (e->kind) {
	case SQL_E_FUNC: visit_function(v, e); break;
	case SQL_E_ASSIGN: v->once = ":="; break;
	case SQL_E_NEXTVAL: visit_sequence(v, e->name); break;
	case SQL_E_QUANT:
	case SQL_E_IN:
		if (!e->query)
			break;
		(void)sql_walk_expr(e->args[0], visit_node, v);
		visit_subquery(v, e->query,
			e->kind == SQL_E_IN || (e->op == SQL_OP_EQ && !(e->flags & SQL_EF_ALL)) ? e->args[0] : NULL,
			false);
		return SQL_WALK_SKIP;
	default: break;
	}
	return v->rc < 0 ? SQL_WALK_STOP : SQL_WALK_ON;
}

static void visit_expr(struct visit *v, const struct sql_expr *e)
{
	if (e && v->rc == 0)
		(void)sql_walk_expr(e, visit_node, v);
}

/* A condition of WHERE or an inner ON: for its conjuncts NULL is as good as false. */
static void visit_conjuncts(struct visit *v, const struct sql_expr *e)
{
	if (!e || v->rc < 0)
		return;
	if (e->kind == SQL_E_AND) {
		for (uint32_t i = 0; i < e->n_args; i++)
			visit_conjuncts(v, e->args[i]);
	} else if (e->kind == SQL_E_IN && e->query && !(e->flags & SQL_EF_NOT)) {
		visit_expr(v, e->args[0]);
		visit_subquery(v, e->query, e->args[0], true);
	} else {
		visit_expr(v, e);
	}
}

static void visit_exprs(struct visit *v, const struct sql_exprs *list)
{
	for (uint32_t i = 0; i < list->n; i++)
		visit_expr(v, list->v[i]);
}

static void visit_order(struct visit *v, const struct sql_order *o)
{
	for (uint32_t i = 0; i < o->n; i++)
		visit_expr(v, o->v[i].expr);
}

static void visit_ref(struct visit *v, const struct sql_table_ref *t)
{
	for (uint32_t i = 0; t->kind == SQL_T_NEST && i < t->nest.n; i++)
		visit_ref(v, t->nest.v[i]);
	if (t->kind != SQL_T_JOIN)
		return;
	visit_ref(v, t->left);
	visit_ref(v, t->right);
	visit_expr(v, t->on);
}

static void visit_refs(struct visit *v, const struct sql_table_refs *refs)
{
	for (uint32_t i = 0; i < refs->n; i++)
		visit_ref(v, refs->v[i]);
}

/* ---- query blocks ------------------------------------------------------------------------------------------------ */

static int block_begin(struct sites *s, struct block *bl, struct block *parent, const struct cte_scope *scope)
{
	memset(bl, 0, sizeof(*bl));
	bl->parent = parent;
	bl->scope = scope;
	bl->rels_end = &bl->rels;
	bl->preds.above = parent ? &parent->preds : NULL;
	bl->site.anchor = -1;
	if (++s->blocks <= SITE_BLOCKS_MAX)
		return 0;
	sites_refuse(s, ERR_LIMIT, ER_NOT_SUPPORTED_YET,
		"The statement has more than %d query blocks once its WITH names are written out", SITE_BLOCKS_MAX);
	return -1;
}

/* FROM and WHERE: relations, equalities, predicates, joins. */
static int block_tables(
	struct sites *s, struct block *bl, const struct sql_table_refs *from, const struct sql_expr *where)
{
	for (uint32_t i = 0; i < from->n; i++) {
		int rc = collect(s, bl, from->v[i], &bl->preds);

		if (rc < 0)
			return rc;
	}
	pred_add(s, bl, &bl->preds, where);
	for (uint32_t i = 0; i < from->n; i++)
		bl->site = join_inner(s, bl->site, site_of(s, bl, from->v[i], &bl->preds), &bl->preds);
	return 0;
}

static void block_finish(struct sites *s, struct block *bl)
{
	if (bl->site.sharded)
		bl->site.cond = cond_and(s, bl->site.cond, cond_project(s, &bl->preds, bl->site.anchor, bl->site.key));
}

static uint32_t star_outputs(
	struct sites *s, struct block *bl, const struct sql_expr *star, struct output *outs, bool *partial)
{
	uint32_t n = 0;

	if (bl->usings)
		*partial = true; /* joint columns come first and once: their places are not followed */
	for (struct rel *r = bl->rels; r; r = r->next) {
		uint32_t cols = r->kind == REL_DERIVED ? r->n_outs : r->table ? r->table->column_n : 0;

		if (star->col.table.n && !str_ieq(star->col.table, r->alias))
			continue;
		if (r->kind == REL_DERIVED ? r->outs_partial : !r->table)
			*partial = true;
		for (uint32_t i = 0; i < cols; i++) {
			if (r->kind != REL_DERIVED && r->table->columns[i].invisible)
				continue;
			if (outs) {
				outs[n].name = r->kind == REL_DERIVED ? r->outs[i].name : r->table->columns[i].name;
				outs[n].node = (int32_t)node_get(s, r, outs[n].name);
			}
			n++;
		}
	}
	return n;
}

/* The columns that a block gives. */
static void block_outputs(struct sites *s, struct block *bl, const struct sql_select *sel, struct query_result *out)
{
	uint32_t n = 0;
	bool partial = false;

	for (uint32_t i = 0; i < sel->n_items; i++)
		n += sel->items[i].expr->kind == SQL_E_STAR ? star_outputs(s, bl, sel->items[i].expr, NULL, &partial)
							    : 1;
	out->outs = arena_array(s->b->a, struct output, MAX(n, 1));
	n = 0;
	for (uint32_t i = 0; i < sel->n_items; i++) {
		const struct sql_item *it = &sel->items[i];
		struct output *o = &out->outs[n];
		int depth = -1;

		if (it->expr->kind == SQL_E_STAR) {
			n += star_outputs(s, bl, it->expr, o, &partial);
			continue;
		}
		o->name = it->alias.n ? it->alias : it->expr->kind == SQL_E_COLUMN ? it->expr->name : it->text;
		o->node = node_of_column(s, bl, it->expr, &depth);
		if (depth != 0)
			o->node = -1;
		n++;
	}
	out->n_outs = n;
	out->outs_partial = partial;
	for (uint32_t i = 0; i < n && bl->site.anchor >= 0; i++) {
		struct output *o = &out->outs[i];

		if (o->node < 0)
			continue;
		o->is_key = node_same(s, (uint32_t)o->node, (uint32_t)bl->site.anchor);
		o->links_key = !o->is_key && node_reaches(s, (uint32_t)o->node, (uint32_t)bl->site.anchor);
	}
}

static bool any_is_key(const struct query_result *r)
{
	for (uint32_t i = 0; i < r->n_outs; i++) {
		if (r->outs[i].is_key)
			return true;
	}
	return false;
}

/* A grouping by the key: groups never span shards. A name that is also an alias of something else does not count. */
static bool grouped_by_key(struct sites *s, struct block *bl, const struct sql_select *sel)
{
	for (uint32_t i = 0; i < sel->group.n; i++) {
		const struct sql_expr *e = sel->group.v[i].expr;
		bool other = false;

		if (!is_key_column(s, bl, e))
			continue;
		for (uint32_t j = 0; j < sel->n_items && !e->col.table.n; j++) {
			if (sel->items[j].alias.n && str_ieq(sel->items[j].alias, e->name) &&
				!is_key_column(s, bl, sel->items[j].expr))
				other = true;
		}
		if (!other)
			return true;
	}
	return false;
}

/* Why the block's rows from every shard, put behind one another, are not its answer; NULL: they are. */
static const char *block_closed(struct sites *s, struct block *bl, const struct sql_select *sel,
	const struct sql_order *order, const struct sql_limit *limit, const struct visit *v, bool top,
	const struct query_result *out)
{
	bool grouped = sel->group.n && !sel->rollup && grouped_by_key(s, bl, sel);

	if (v->once)
		return arena_printf(s->b->keep, "%s must happen once, on one shard", v->once);
	if (sel->rollup)
		return "WITH ROLLUP over several shards needs a merge, which is not supported yet";
	if (sel->group.n && !grouped)
		return "GROUP BY without the shard key needs a merge of the shards' groups, which is not supported yet";
	if (!sel->group.n && (v->aggregate || bl->outer_aggregate))
		return "An aggregate over several shards needs a merge, which is not supported yet";
	if (!sel->group.n && sel->having)
		return "HAVING without GROUP BY over several shards is not supported yet";
	if (v->window)
		return arena_printf(s->b->keep,
			"The window function %s is not partitioned by the shard key, and a merge is not supported yet",
			v->window);
	if ((sel->options & SQL_SEL_DISTINCT) && !any_is_key(out))
		return "DISTINCT without the shard key needs a merge, which is not supported yet";
	if (sel->options & SQL_SEL_CALC_FOUND_ROWS)
		return "SQL_CALC_FOUND_ROWS over several shards is not supported yet";
	if (limit)
		return "LIMIT over several shards needs a merge, which is not supported yet";
	if (top && order && order->n)
		return "ORDER BY over several shards needs a merge, which is not supported yet";
	return NULL;
}

/* left = (the query's columns): is the query's key the outer rows' key by that? */
static bool in_aligned(struct sites *s, const struct sub *sub, const struct query_result *r)
{
	const struct sql_expr *left = sub->left;
	uint32_t n = left->kind == SQL_E_ROW ? left->n_args : 1;

	if (r->closed_why || r->outs_partial || r->n_outs != n)
		return false;
	for (uint32_t i = 0; i < n; i++) {
		const struct sql_expr *e = left->kind == SQL_E_ROW ? left->args[i] : left;
		const struct node *a, *b;
		int depth;
		int32_t x;

		if (e->kind != SQL_E_COLUMN || !r->outs[i].is_key)
			continue;
		x = node_of_column(s, sub->block, e, &depth);
		if (x < 0 || depth != 0 || !node_reaches(s, (uint32_t)x, (uint32_t)sub->anchor))
			continue;
		a = &s->nodes[x];
		b = &s->nodes[r->outs[i].node];
		if (!node_types_fit(a, b))
			continue;
		/* NULL on either side makes the answer depend on the other shards' rows; a column of the nullable side
		 * of an outer join is linked to the key, but not the same */
		if (sub->null_safe ||
			(n == 1 && node_same(s, (uint32_t)x, (uint32_t)sub->anchor) &&
				!s->nodes[sub->anchor].nullable && !b->nullable && !sub->block->site.extended))
			return true;
	}
	return false;
}

static bool sub_aligned(struct sites *s, const struct sub *sub, const struct site *site, const struct query_result *r)
{
	if (sub->anchor < 0 || site->anchor < 0 || !sharding_key_colocated(sub->key, site->key))
		return false;
	return node_reaches(s, (uint32_t)site->anchor, (uint32_t)sub->anchor) || (sub->left && in_aligned(s, sub, r));
}

static int select_site(struct sites *s, const struct sql_select *sel, const struct sql_query *q, struct block *parent,
	const struct cte_scope *scope, const struct sub *sub, bool top, struct query_result *out)
{
	struct block *bl = arena_new(s->b->a, struct block);
	struct visit v = { .s = s, .bl = bl, .scope = scope, .select = sel };
	uint32_t n_saved, *saved = node_save(s, &n_saved);
	int rc = block_begin(s, bl, parent, scope);

	if (rc == 0)
		rc = block_tables(s, bl, &sel->from, sel->where);
	if (rc < 0)
		return rc;
	for (uint32_t i = 0; i < sel->n_items; i++)
		visit_expr(&v, sel->items[i].expr);
	visit_refs(&v, &sel->from);
	visit_conjuncts(&v, sel->where);
	visit_order(&v, &sel->group);
	visit_expr(&v, sel->having);
	visit_order(&v, &q->order);
	for (uint32_t i = 0; i < sel->n_windows; i++) {
		visit_exprs(&v, &sel->windows[i].partition);
		visit_order(&v, &sel->windows[i].order);
	}
	if (v.rc < 0)
		return v.rc;
	if (!v.once)
		v.once = bl->once;
	block_outputs(s, bl, sel, out);
	out->closed_why = bl->site.sharded ? block_closed(s, bl, sel, &q->order, q->limit, &v, top, out) : NULL;
	out->once = v.once;
	block_finish(s, bl);
	out->site = bl->site;
	out->block = bl;
	if (sub && out->site.sharded && sub_aligned(s, sub, &out->site, out))
		out->site = (struct site){ .anchor = -1 };
	if (!top)
		node_restore(s, saved, n_saved);
	return 0;
}

/* ---- set operations ---------------------------------------------------------------------------------------------- */

static bool arms_colocated(const struct query_result *arms, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		if (!arms[i].site.sharded || arms[i].closed_why || arms[i].site.anchor < 0 ||
			!sharding_key_colocated(arms[0].site.key, arms[i].site.key))
			return false;
	}
	return true;
}

/* The columns of a set operation are the key's where they are in every arm. */
static void arms_outputs(struct sites *s, const struct query_result *arms, uint32_t n, struct query_result *out)
{
	out->n_outs = arms[0].n_outs;
	out->outs_partial = arms[0].outs_partial;
	out->outs = arena_array(s->b->a, struct output, MAX(out->n_outs, 1));
	for (uint32_t i = 0; i < out->n_outs; i++) {
		struct output *o = &out->outs[i];

		o->name = arms[0].outs[i].name;
		o->node = -1;
		o->is_key = true;
		for (uint32_t j = 0; j < n; j++) {
			if (arms[j].outs_partial || arms[j].n_outs != out->n_outs || !arms[j].outs[i].is_key)
				o->is_key = false;
		}
		if (o->is_key)
			o->node = arms[0].outs[i].node;
	}
}

static int set_site(struct sites *s, const struct sql_query *q, struct block *parent, const struct cte_scope *scope,
	const struct sub *sub, struct query_result *out)
{
	struct query_result *arms = arena_array(s->b->a, struct query_result, q->n_arms);
	const struct query_result *sharded = NULL;
	bool all = true, colocated;

	for (uint32_t i = 0; i < q->n_arms; i++) {
		int rc = query_site(s, q->arms[i].query, parent, scope, sub, false, &arms[i]);

		if (rc < 0)
			return rc;
		if (arms[i].site.sharded && !sharded)
			sharded = &arms[i];
		if (i && (q->arms[i].op != SQL_SET_UNION || !q->arms[i].all))
			all = false;
		if (arms[i].once)
			out->once = arms[i].once;
	}
	colocated = sharded && arms_colocated(arms, q->n_arms);
	arms_outputs(s, arms, q->n_arms, out);
	if (!sharded)
		return 0;
	out->site = sharded->site;
	if (colocated && (all || any_is_key(out))) {
		for (uint32_t i = 1; i < q->n_arms; i++)
			out->site.cond = cond_or(s, out->site.cond, arms[i].site.cond);
		return 0;
	}
	for (const struct query_result *a = arms; a < arms + q->n_arms; a++) {
		if (a != sharded)
			sites_group(s, &a->site);
		if (a->closed_why && !out->closed_why)
			out->closed_why = a->closed_why;
	}
	if (!out->closed_why)
		out->closed_why =
			colocated ? "UNION, INTERSECT and EXCEPT need the shard key at one place of every arm, or a "
				    "merge, "
				    "which is not supported yet"
				  : "A set operation over different sites needs a merge, which is not supported yet";
	sites_single(s, "%s", out->closed_why);
	return 0;
}

/* ---- queries ------------------------------------------------------------------------------------------------------
 */

static const struct cte_scope *with_scope(struct sites *s, const struct sql_with *with, const struct cte_scope *scope)
{
	const struct cte_scope *all = scope;
	struct cte_scope *first = NULL;

	for (uint32_t i = 0; with && i < with->n; i++) {
		struct cte_scope *c = arena_new(s->b->a, struct cte_scope);

		c->cte = &with->v[i];
		c->above = all;
		c->inside = all;
		if (!first)
			first = c;
		all = c;
	}
	if (with && with->recursive) {
		for (const struct cte_scope *c = all; c != scope; c = c->above)
			((struct cte_scope *)c)->inside = all;
	}
	return all;
}

static void query_clauses_close(const struct sql_query *q, bool top, struct query_result *out)
{
	if (!out->site.sharded || out->closed_why)
		return;
	if (q->limit)
		out->closed_why = "LIMIT over several shards needs a merge, which is not supported yet";
	else if (top && q->order.n)
		out->closed_why = "ORDER BY over several shards needs a merge, which is not supported yet";
}

static int visit_loose(struct sites *s, const struct sql_exprs *exprs, const struct sql_order *order,
	struct block *parent, const struct cte_scope *scope, struct query_result *out)
{
	struct block *bl = arena_new(s->b->a, struct block);
	struct visit v = { .s = s, .bl = bl, .scope = scope };
	int rc = block_begin(s, bl, parent, scope);

	if (rc < 0)
		return rc;
	if (exprs)
		visit_exprs(&v, exprs);
	if (order)
		visit_order(&v, order);
	if (v.once)
		out->once = v.once;
	return v.rc;
}

static int query_site(struct sites *s, const struct sql_query *q, struct block *parent, const struct cte_scope *scope,
	const struct sub *sub, bool top, struct query_result *out)
{
	static const struct sql_expr star = { .kind = SQL_E_STAR };
	struct sub plain;
	struct sql_select *sel;
	int rc;

	memset(out, 0, sizeof(*out));
	out->site.anchor = -1;
	scope = with_scope(s, q->with, scope);
	if (sub && sub->left && q->limit) {
		plain = *sub;
		plain.left = NULL; /* what LIMIT leaves over depends on all rows */
		sub = &plain;
	}
	switch ((enum sql_query_kind)q->kind) {
	case SQL_Q_SELECT: return select_site(s, q->select, q, parent, scope, sub, top, out);
	case SQL_Q_PAREN: rc = query_site(s, q->inner, parent, scope, sub, top, out); break;
	case SQL_Q_SET: rc = set_site(s, q, parent, scope, sub, out); break;
	case SQL_Q_VALUES: return visit_loose(s, &q->rows, &q->order, parent, scope, out);
	case SQL_Q_TABLE:
		sel = arena_new(s->b->a, struct sql_select);
		sel->items = arena_new(s->b->a, struct sql_item);
		sel->items->expr = (struct sql_expr *)&star;
		sel->n_items = 1;
		sel->from.v = arena_new(s->b->a, struct sql_table_ref *);
		sel->from.v[0] = arena_new(s->b->a, struct sql_table_ref);
		sel->from.v[0]->kind = SQL_T_TABLE;
		sel->from.v[0]->name = q->table;
		sel->from.n = 1;
		return select_site(s, sel, q, parent, scope, sub, top, out);
	default: return 0;
	}
	if (rc == 0)
		rc = visit_loose(s, NULL, &q->order, NULL, scope, out);
	query_clauses_close(q, top, out);
	return rc;
}

/* ---- for statement.c -----------------------------------------------------------------------------------------------
 */

void sites_init(struct sites *s, struct build *b, const struct keyspace *ks)
{
	memset(s, 0, sizeof(*s));
	s->b = b;
	s->ks = ks;
	s->view = snapshot_view(b->rq->snapshot, ks);
}

int sites_query(struct sites *s, const struct sql_query *q, struct query_result *out)
{
	return query_site(s, q, NULL, NULL, NULL, true, out);
}

int sites_tables(struct sites *s, struct block *bl, const struct sql_with *with, const struct sql_table_refs *refs,
	const struct sql_expr *where)
{
	int rc = block_begin(s, bl, NULL, with_scope(s, with, NULL));

	return rc < 0 ? rc : block_tables(s, bl, refs, where);
}

int sites_exprs(struct sites *s, struct block *bl, const struct sql_table_refs *refs, const struct sql_expr *where,
	const struct sql_assigns *set, const struct sql_order *order, const char **once)
{
	struct visit v = { .s = s, .bl = bl, .scope = bl->scope };

	if (refs)
		visit_refs(&v, refs);
	visit_conjuncts(&v, where);
	for (uint32_t i = 0; set && i < set->n; i++)
		visit_expr(&v, set->v[i].value);
	if (order)
		visit_order(&v, order);
	*once = v.once ? v.once : bl->once;
	if (v.rc == 0)
		block_finish(s, bl);
	return v.rc;
}

int sites_loose(struct sites *s, const struct sql_exprs *exprs, const struct sql_assigns *set,
	const struct sql_item *items, uint32_t n_items)
{
	struct block *bl = arena_new(s->b->a, struct block);
	struct visit v = { .s = s, .bl = bl };
	int rc = block_begin(s, bl, NULL, NULL);

	if (rc < 0)
		return rc;
	if (exprs)
		visit_exprs(&v, exprs);
	for (uint32_t i = 0; set && i < set->n; i++)
		visit_expr(&v, set->v[i].value);
	for (uint32_t i = 0; i < n_items; i++)
		visit_expr(&v, items[i].expr);
	return v.rc;
}
