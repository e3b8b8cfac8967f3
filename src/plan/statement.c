/* statement.c - from the sites of a statement to its route: SELECT, UPDATE, DELETE and INSERT ... SELECT of a sharded
 * keyspace. For plan_build(); one thread. Pure. */
#include "site.h"
#include <stdio.h>

static int refuse_sites(struct sites *s)
{
	return build_refuse(s->b, &s->err);
}

static struct plan_route *route_new(struct sites *s)
{
	struct plan_route *r = arena_new(s->b->keep, struct plan_route);

	r->groups = s->groups;
	r->n_groups = s->n_groups;
	r->single_why = s->single_why;
	return r;
}

/* All groups on one shard that the map names? */
static const struct shard *pinned_to(const struct sites *s)
{
	for (uint32_t i = 0; i < s->n_groups; i++) {
		if (s->groups[i].cond->op != COND_SHARD || s->groups[i].cond->shard != s->groups[0].cond->shard)
			return NULL;
	}
	return s->n_groups ? &s->ks->shards[s->groups[0].cond->shard] : NULL;
}

/* A value of the `side_by` column in the statement's WHERE decides the side of a pair. */
static void route_side(struct sites *s, struct block *bl, struct plan_route *r)
{
	for (struct rel *rel = bl ? bl->rels : NULL; rel; rel = rel->next) {
		uint32_t node;

		if (!rel->rule || !rel->rule->side_by.n)
			continue;
		node = node_get(s, rel, rel->rule->side_by);
		for (const struct pred *p = bl->preds.first; p; p = p->next) {
			const struct pred *k = p;

			for (uint32_t i = 0; i < (p->kind == PRED_AND ? p->n : 1); i++) {
				if (p->kind == PRED_AND)
					k = p->kids[i];
				if (k->kind == PRED_EQ && node_same(s, k->node, node)) {
					r->has_side = true;
					r->side = k->vals[0];
					return;
				}
			}
		}
	}
}

/* A group that every value leaves on many shards, where one is needed: refused at once, not at every run. */
static int refuse_never_single(struct sites *s)
{
	for (uint32_t i = 0; i < s->n_groups; i++) {
		const struct plan_group *g = &s->groups[i];

		if (g->cond->op == COND_ALL && s->ks->shard_n > 1)
			return build_refusef(s->b, ERR_UNSUPPORTED, ER_NOT_SUPPORTED_YET,
				"%s, but its rows lie on %u shards of keyspace %s%s%s%s%s", s->single_why,
				s->ks->shard_n, s->ks->name.p, g->key ? ": add a condition on " : "",
				g->key ? g->table : "", g->key ? "." : "", g->key ? g->key : "");
	}
	return 1;
}

static const char *route_why(struct sites *s)
{
	uint32_t n = MIN(s->n_groups, 8);
	char text[256] = "";
	size_t len = 0;

	for (uint32_t i = 0; i < n && len < sizeof(text); i++) {
		const struct plan_group *g = &s->groups[i];

		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s%s%s", i ? ", " : "", g->table,
			g->key ? "." : "", g->key ? g->key : "");
	}
	if (s->single_why)
		return arena_printf(s->b->keep, "one shard, by %s (%s)", text, s->single_why);
	return arena_printf(s->b->keep, "by %s", text);
}

static int route_finish(struct sites *s, struct block *bl, bool write)
{
	struct plan *p = s->b->p;
	struct plan_route *r;
	int rc;

	p->ks = s->ks;
	if (s->n_groups == 0) {
		p->kind = PLAN_ANY;
		p->why = "no sharded table: every shard gives the same answer";
		return 0;
	}
	r = route_new(s);
	route_side(s, bl, r);
	p->route = r;
	p->shard = pinned_to(s);
	if (p->shard) {
		p->kind = PLAN_PINNED;
		p->why = "a table pinned to this shard by the map";
		return 0;
	}
	if (s->single_why || s->n_groups > 1) {
		if (!r->single_why)
			r->single_why = s->single_why = "The statement must be on one shard";
		rc = refuse_never_single(s);
		if (rc <= 0)
			return rc;
	}
	p->kind = PLAN_ROUTE;
	p->why = route_why(s);
	if (write && !s->single_why && s->n_groups == 1 && s->groups[0].cond->op == COND_ALL) {
		p->kind = PLAN_EACH;
		p->why = "no condition on the shard key: every shard";
	}
	return 0;
}

int site_query(struct build *b, const struct keyspace *ks, const struct sql_query *q)
{
	struct query_result res;
	struct sites s;

	sites_init(&s, b, ks);
	if (sites_query(&s, q, &res) < 0)
		return refuse_sites(&s);
	if (res.site.sharded && res.closed_why)
		sites_single(&s, "%s", res.closed_why);
	sites_group(&s, &res.site);
	if ((q->into || (b->rq->scan->flags & (SCAN_F_INTO_VAR | SCAN_F_INTO_FILE))) && s.n_groups)
		sites_single(&s, "SELECT ... INTO must be on one shard");
	return route_finish(&s, res.block, false);
}

/* ---- changes of rows ----------------------------------------------------------------------------------------------
 */

static enum sql_walk_do limited(struct sql_node node, void *arg)
{
	if (node.kind == SQL_N_QUERY && node.query->limit)
		*(bool *)arg = true;
	return SQL_WALK_ON;
}

/* What would differ between the copies of a reference table. */
int refuse_uneven(struct build *b, const char *table, const struct sql_limit *limit, const char *once)
{
	const char *what = NULL;
	bool inside = false;

	(void)sql_walk_stmt(b->stmt, limited, &inside);
	if (limit || inside)
		what = "LIMIT may choose other rows on each";
	else if (once || (b->rq->scan->flags & (SCAN_F_RANDOM | SCAN_F_SEQUENCE)))
		what = "a function in it may give each another value";
	else if (b->rq->scan->flags & SCAN_F_UVAR_ASSIGN)
		what = "a user variable is assigned in it";
	if (!what)
		return 1;
	return build_refusef(b, ERR_UNSUPPORTED, ER_NOT_SUPPORTED_YET,
		"Table %s is a reference table, every shard has a copy: the statement would make the copies differ, "
		"%s. "
		"Write the rows or values out",
		table, what);
}

static struct rel *rel_of_target(struct sites *s, struct block *bl, const struct sql_expr *target)
{
	int32_t n = node_of_column(s, bl, target, NULL);

	return n < 0 ? NULL : s->nodes[n].rel;
}

/* The value that the statement compares the key with, when it is one value. */
static const struct plan_val *compared_with(const struct plan_cond *c)
{
	if (c->op == COND_EQ)
		return c->vals;
	for (uint32_t i = 0; c->op == COND_AND && i < c->n; i++) {
		const struct plan_val *v = compared_with(c->kids[i]);

		if (v)
			return v;
	}
	return NULL;
}

static int refuse_key_change(struct build *b, const struct rel *r)
{
	return build_refusef(b, ERR_UNSUPPORTED, ER_NOT_SUPPORTED_YET,
		"UPDATE would change the shard key %s.%s, and with it the shard of the row: INSERT the row with the "
		"new "
		"key and DELETE the old one",
		r->site.table, r->rule->key.p);
}

/* SET key = ...: only to the value that it has. Fills the route's check of a run. Positive: allowed. */
static int key_assigned(
	struct sites *s, struct block *bl, const struct sql_assign *as, const struct rel *r, struct plan_route *moved)
{
	const struct plan_val *from;
	struct plan_val to;

	if (as->value->kind == SQL_E_COLUMN) {
		int32_t n = node_of_column(s, bl, as->value, NULL);

		if (n >= 0 && s->nodes[n].rel == r && str_ieq(s->nodes[n].name, r->rule->key))
			return 1;
	}
	from = bl->site.sharded && bl->site.cond ? compared_with(bl->site.cond) : NULL;
	if (!from || bl->site.anchor < 0 || !sharding_key_colocated(r->site.key, bl->site.key) ||
		!node_reaches(s, (uint32_t)r->site.anchor, (uint32_t)bl->site.anchor) || moved->has_moved ||
		!expr_val(as->value, &to))
		return refuse_key_change(s->b, r);
	moved->has_moved = true;
	moved->moved_key = r->site.key;
	moved->moved_from = *from;
	moved->moved_to = to;
	moved->moved_what = arena_printf(s->b->keep, "%s.%s", r->site.table, r->rule->key.p);
	return 1;
}

static uint32_t rel_count(const struct block *bl)
{
	uint32_t n = 0;

	for (const struct rel *r = bl->rels; r; r = r->next)
		n++;
	return n;
}

/* The written tables: @refs of them are reference tables. Positive: go on. */
static int targets_check(
	struct sites *s, struct block *bl, const struct rel *reference, const struct sql_limit *limit, const char *once)
{
	if (!reference)
		return 1;
	if (bl->site.sharded || s->n_groups)
		return build_refusef(s->b, ERR_UNSUPPORTED, ER_NOT_SUPPORTED_YET,
			"Table %s is a reference table, every shard has a copy: it cannot be changed by the rows of a "
			"sharded "
			"table. Read those first, then write the values out",
			reference->site.table);
	return refuse_uneven(s->b, reference->site.table, limit, once);
}

/* ORDER BY, LIMIT and what must happen once: on one shard. */
static void dml_clauses(struct sites *s, const char *verb, const struct sql_order *order, const struct sql_limit *limit,
	const char *once)
{
	if (limit)
		sites_single(s, "%s with LIMIT must be on one shard", verb);
	else if (order && order->n)
		sites_single(s, "%s with ORDER BY must be on one shard", verb);
	else if (once)
		sites_single(s, "%s must happen once, on one shard", once);
}

static int dml_finish(struct sites *s, struct block *bl, const struct rel *reference, struct plan_route *moved)
{
	struct plan *p = s->b->p;
	int rc;

	sites_group(s, &bl->site);
	rc = route_finish(s, bl, true);
	if (rc < 0 || p->kind == PLAN_REFUSE)
		return rc;
	if (reference) {
		p->kind = PLAN_EACH;
		p->flags |= PLAN_REFERENCE | PLAN_FIRST | PLAN_VOLATILE;
		p->why = "a reference table: every shard has a copy";
	}
	if (moved && moved->has_moved) {
		struct plan_route *r = arena_new(s->b->keep, struct plan_route);

		*r = *p->route;
		r->has_moved = true;
		r->moved_key = moved->moved_key;
		r->moved_from = moved->moved_from;
		r->moved_to = moved->moved_to;
		r->moved_what = moved->moved_what;
		p->route = r;
	}
	return 0;
}

int site_update(struct build *b, const struct keyspace *ks, const struct sql_update *u)
{
	struct block *bl = arena_new(b->a, struct block);
	struct plan_route moved = { .has_moved = false };
	const struct rel *reference = NULL;
	const char *once = NULL;
	struct sites s;
	int rc;

	sites_init(&s, b, ks);
	if (sites_tables(&s, bl, u->with, &u->tables, u->where) < 0 ||
		sites_exprs(&s, bl, &u->tables, u->where, &u->set, &u->order, &once) < 0)
		return refuse_sites(&s);
	for (uint32_t i = 0; i < u->set.n; i++) {
		struct rel *r = rel_count(bl) == 1 ? bl->rels : rel_of_target(&s, bl, u->set.v[i].target);

		if (!r)
			return build_refusef(b, ERR_NAME, ER_BAD_FIELD_ERROR,
				"Unknown column '%.*s' in 'field list': name its table, and see that its definition is "
				"known",
				STR_ARG(u->set.v[i].target->name));
		if (r->kind == REL_ANY && r->rule)
			reference = r;
		if (r->kind != REL_SHARDED || !str_ieq(u->set.v[i].target->name, r->rule->key))
			continue;
		rc = key_assigned(&s, bl, &u->set.v[i], r, &moved);
		if (rc <= 0)
			return rc;
	}
	rc = targets_check(&s, bl, reference, u->limit, once);
	if (rc <= 0)
		return rc;
	dml_clauses(&s, "UPDATE", &u->order, u->limit, once);
	return dml_finish(&s, bl, reference, &moved);
}

static struct rel *rel_by_name(struct sites *s, struct block *bl, const struct sql_name *name)
{
	bool nocase = s->view->schema && s->view->schema->nocase;

	for (struct rel *r = bl->rels; r; r = r->next) {
		if (nocase ? str_ieq(r->alias, name->name) : str_eq(r->alias, name->name))
			return r;
	}
	return NULL;
}

int site_delete(struct build *b, const struct keyspace *ks, const struct sql_delete *d)
{
	struct block *bl = arena_new(b->a, struct block);
	const struct rel *reference = NULL;
	const char *once = NULL;
	struct sites s;
	int rc;

	sites_init(&s, b, ks);
	if (sites_tables(&s, bl, d->with, &d->tables, d->where) < 0 ||
		sites_exprs(&s, bl, &d->tables, d->where, NULL, &d->order, &once) < 0)
		return refuse_sites(&s);
	if (sites_loose(&s, NULL, NULL, d->returning, d->n_returning) < 0)
		return refuse_sites(&s);
	if (!d->multi && bl->rels && bl->rels->kind == REL_ANY)
		reference = bl->rels;
	for (uint32_t i = 0; d->multi && i < d->targets.n; i++) {
		const struct rel *r = rel_by_name(&s, bl, &d->targets.v[i]);

		if (!r)
			return build_refusef(b, ERR_NAME, ER_NO_SUCH_TABLE, "Unknown table '%.*s' in MULTI DELETE",
				STR_ARG(d->targets.v[i].name));
		if (r->kind == REL_ANY)
			reference = r;
	}
	rc = targets_check(&s, bl, reference, d->limit, once);
	if (rc <= 0)
		return rc;
	dml_clauses(&s, "DELETE", &d->order, d->limit, once);
	return dml_finish(&s, bl, reference, NULL);
}

int site_values(struct build *b, const struct keyspace *ks, const struct sql_exprs *list, const struct sql_insert *ins)
{
	struct sites s;
	int rc = 0;

	sites_init(&s, b, ks);
	if (list)
		rc = sites_loose(&s, list, NULL, NULL, 0);
	for (uint32_t i = 0; ins && rc == 0 && i < ins->n_rows; i++)
		rc = sites_loose(&s, &ins->rows[i].values, NULL, NULL, 0);
	if (ins && rc == 0)
		rc = sites_loose(&s, NULL, &ins->set, NULL, 0);
	if (ins && rc == 0)
		rc = sites_loose(&s, NULL, &ins->on_dup, ins->returning, ins->n_returning);
	if (rc < 0)
		return refuse_sites(&s);
	if (s.n_groups == 0)
		return 1;
	return build_refusef(b, ERR_UNSUPPORTED, ER_NOT_SUPPORTED_YET,
		"A subquery over %s here would be answered by one shard alone: SELECT its value first, then write it "
		"out",
		s.groups[0].table);
}

/* ---- INSERT ... SELECT --------------------------------------------------------------------------------------------
 */

/* Where column @name stands in the list of values; -1: not there. */
int32_t insert_column_at(const struct sql_insert *ins, const struct table *t, struct str name)
{
	int32_t at = 0;

	if (ins->has_columns) {
		for (uint32_t i = 0; i < ins->columns.n; i++) {
			if (str_ieq(ins->columns.v[i]->name, name))
				return (int32_t)i;
		}
		return -1;
	}
	for (uint32_t i = 0; t && i < t->column_n; i++) {
		if (t->columns[i].invisible)
			continue;
		if (str_ieq(t->columns[i].name, name))
			return at;
		at++;
	}
	return -1;
}

static const struct sql_expr *item_at(const struct sql_query *q, int32_t at)
{
	while (q->kind == SQL_Q_PAREN)
		q = q->inner;
	if (q->kind != SQL_Q_SELECT || at < 0 || (uint32_t)at >= q->select->n_items)
		return NULL;
	for (int32_t i = 0; i <= at; i++) {
		if (q->select->items[i].expr->kind == SQL_E_STAR)
			return NULL;
	}
	return q->select->items[at].expr;
}

static int refuse_insert_select(struct sites *s, const struct table_rule *rule)
{
	return build_refusef(s->b, ERR_UNSUPPORTED, ER_NOT_SUPPORTED_YET,
		"INSERT ... SELECT into %s: the selected rows must be known to lie on the shard of their new key %s. "
		"Select the "
		"shard key of the source for it, or one constant; or read the rows first and INSERT them with VALUES",
		s->b->p->table.p, rule->key.p);
}

/* The key of the new rows. Positive: they lie where the source does, or on the shard of a constant (a group more). */
static int insert_select_key(struct sites *s, const struct sql_insert *ins, const struct table_rule *rule,
	const struct table_key *key, const struct query_result *res)
{
	int32_t at = insert_column_at(ins, view_table(s->view, ins->table.name), rule->key);
	const struct sql_expr *e = item_at(ins->query, at);
	struct plan_val *v = arena_new(s->b->keep, struct plan_val);
	struct plan_cond *c;
	struct site site;

	if (at >= 0 && !res->outs_partial && (uint32_t)at < res->n_outs && res->outs[at].is_key && res->site.sharded &&
		res->site.key && sharding_key_colocated(&key->key, res->site.key))
		return 1;
	if (!e || !expr_val(e, v))
		return refuse_insert_select(s, rule);
	c = arena_new(s->b->keep, struct plan_cond);
	c->op = COND_EQ;
	c->store = true;
	c->key = &key->key;
	c->vals = v;
	c->n = 1;
	site = (struct site){
		.sharded = true, .anchor = -1, .cond = c, .table = s->b->p->table.p, .key_name = rule->key.p
	};
	sites_group(s, &site);
	sites_single(s, "INSERT ... SELECT must read and write one shard");
	return 1;
}

static int insert_select_reference(
	struct sites *s, const struct sql_insert *ins, const struct query_result *res, const struct table *t)
{
	struct plan *p = s->b->p;
	int rc;

	if (res->site.sharded || s->n_groups)
		return build_refusef(s->b, ERR_UNSUPPORTED, ER_NOT_SUPPORTED_YET,
			"Table %s is a reference table, every shard has a copy: it cannot be filled from a sharded "
			"table. Read "
			"the rows first, then INSERT them with VALUES",
			p->table.p);
	if (t && t->auto_increment && insert_column_at(ins, t, t->auto_increment->name) < 0)
		return build_refusef(s->b, ERR_UNSUPPORTED, ER_NOT_SUPPORTED_YET,
			"INSERT ... SELECT into %s: it is a reference table, and its AUTO_INCREMENT column %s would "
			"get "
			"other values on each shard. Name the column and select its values",
			p->table.p, t->auto_increment->name.p);
	rc = refuse_uneven(s->b, p->table.p, ins->query->limit, res->once);
	if (rc <= 0)
		return rc;
	p->ks = s->ks;
	p->kind = PLAN_EACH;
	p->flags |= PLAN_REFERENCE | PLAN_FIRST | PLAN_VOLATILE;
	p->why = "a reference table: every shard has a copy";
	return 0;
}

int site_insert_query(
	struct build *b, const struct keyspace *ks, const struct sql_insert *ins, const struct table_rule *rule)
{
	const struct table *t;
	const struct table_key *key;
	struct query_result res;
	struct sites s;
	int rc;

	sites_init(&s, b, ks);
	if (sites_query(&s, ins->query, &res) < 0)
		return refuse_sites(&s);
	t = view_table(s.view, ins->table.name);
	if (rule->id_column.n && insert_column_at(ins, t, rule->id_column) < 0)
		return build_refusef(b, ERR_UNSUPPORTED, ER_NOT_SUPPORTED_YET,
			"INSERT ... SELECT into %s does not name its id column %s: ids are given to rows of VALUES "
			"only. Read "
			"the rows first and INSERT them with VALUES",
			b->p->table.p, rule->id_column.p);
	rc = on_duplicate_check(b, ins, rule);
	if (rc > 0)
		rc = site_values(b, ks, NULL, ins);
	if (rc <= 0)
		return rc;
	if (rule->kind == TABLE_REFERENCE)
		return insert_select_reference(&s, ins, &res, t);
	if (res.site.sharded && res.closed_why)
		sites_single(&s, "INSERT ... SELECT: %s", res.closed_why);
	if (rule->kind == TABLE_PINNED) {
		struct plan_cond *c = arena_new(b->keep, struct plan_cond);
		struct site site = { .sharded = true, .anchor = -1, .cond = c, .table = b->p->table.p };

		c->op = COND_SHARD;
		c->shard = rule->shard->index;
		sites_group(&s, &site);
		if (res.site.sharded)
			sites_single(&s, "INSERT ... SELECT must read and write one shard");
	} else {
		key = view_table_key(s.view, rule);
		if (key->state != TABLE_KEY_OK)
			return build_refuse(b, &key->why);
		rc = insert_select_key(&s, ins, rule, key, &res);
		if (rc <= 0)
			return rc;
	}
	if (res.once)
		sites_single(&s, "%s must happen once, on one shard", res.once);
	sites_group(&s, &res.site);
	return route_finish(&s, NULL, true);
}

/* ---- views, and pairs without shards ------------------------------------------------------------------------------
 */

int site_view(struct build *b, const struct keyspace *ks, const struct sql_query *q, struct str name)
{
	const struct table_rule *rule;
	struct query_result res;
	struct sites s;
	struct err err;
	bool fits;

	if (build_rule_of(b, ks, name, &rule, &err) < 0)
		return build_refuse(b, &err);
	sites_init(&s, b, ks);
	if (sites_query(&s, q, &res) < 0)
		return refuse_sites(&s);
	switch (rule->kind) {
	case TABLE_REFERENCE: fits = !res.site.sharded && s.n_groups == 0; break;
	case TABLE_PINNED:
		sites_group(&s, &res.site);
		fits = s.n_groups == 0 || pinned_to(&s) == rule->shard;
		break;
	default:
		fits = res.site.sharded && s.n_groups == 0 && !res.closed_why && !s.single_why;
		for (uint32_t i = 0; fits && i < res.n_outs; i++) {
			if (str_ieq(res.outs[i].name, rule->key))
				return res.outs[i].is_key ? 1 : (fits = false);
		}
		fits = fits && res.outs_partial;
		break;
	}
	if (fits)
		return 1;
	return build_refusef(b, ERR_UNSUPPORTED, ER_NOT_SUPPORTED_YET,
		"View %.*s: its query, run on one shard, does not give what the map says of its name (%s%s). Give the "
		"view a "
		"rule that fits its tables, or a query that does",
		STR_ARG(name),
		rule->kind == TABLE_SHARDED	? "sharded by "
		: rule->kind == TABLE_REFERENCE ? "reference"
						: "pinned",
		rule->kind == TABLE_SHARDED ? rule->key.p : "");
}

void site_side(struct build *b, const struct keyspace *ks, const struct sql_stmt *st)
{
	struct block *bl = arena_new(b->a, struct block);
	struct query_result res = { .block = NULL };
	struct plan_route *r;
	struct sites s;
	int rc;

	sites_init(&s, b, ks);
	if (st->kind == SQL_S_QUERY)
		rc = sites_query(&s, st->query, &res);
	else if (st->kind == SQL_S_UPDATE)
		rc = sites_tables(&s, bl, st->update->with, &st->update->tables, st->update->where);
	else
		rc = sites_tables(&s, bl, st->del->with, &st->del->tables, st->del->where);
	if (rc < 0)
		return; /* not understood: the home side */
	r = route_new(&s);
	route_side(&s, st->kind == SQL_S_QUERY ? res.block : bl, r);
	if (r->has_side)
		b->p->route = r;
}
