/* scope.c - which column a name means, and which columns are known to be equal. For site.c; one thread. Pure. */
#include "site.h"

static bool type_of_rel_column(const struct rel *r, struct str name, const struct sites *s, struct node *out)
{
	const struct column *col;

	if (r->kind == REL_DERIVED) {
		for (uint32_t i = 0; i < r->n_outs; i++) {
			if (str_ieq(r->outs[i].name, name) && r->outs[i].node >= 0) {
				const struct node *in = &s->nodes[r->outs[i].node];

				out->type = in->type;
				out->nullable = true;
				return in->typed;
			}
		}
		return false;
	}
	col = r->table ? table_column(r->table, name) : NULL;
	if (!col)
		return false;
	out->nullable = col->nullable;
	return key_type_of_column(col, &out->type, NULL) == 0;
}

uint32_t node_get(struct sites *s, struct rel *rel, struct str name)
{
	struct node *n;

	for (uint32_t i = 0; i < s->n_nodes; i++) {
		if (s->nodes[i].rel == rel && str_ieq(s->nodes[i].name, name))
			return i;
	}
	if (s->n_nodes == s->cap_nodes) {
		struct node *more = arena_array(s->b->a, struct node, MAX(s->cap_nodes * 2, 32));

		if (s->n_nodes)
			memcpy(more, s->nodes, s->n_nodes * sizeof(*more));
		s->cap_nodes = MAX(s->cap_nodes * 2, 32);
		s->nodes = more;
	}
	n = &s->nodes[s->n_nodes];
	*n = (struct node){ .rel = rel, .name = name, .parent = s->n_nodes, .link = -1, .nullable = true };
	n->typed = type_of_rel_column(rel, name, s, n);
	return s->n_nodes++;
}

bool rel_has_column(const struct rel *r, struct str name, bool *maybe)
{
	*maybe = false;
	if (r->kind == REL_DERIVED) {
		for (uint32_t i = 0; i < r->n_outs; i++) {
			if (str_ieq(r->outs[i].name, name))
				return true;
		}
		*maybe = r->outs_partial;
		return false;
	}
	if (!r->table) {
		*maybe = true;
		return false;
	}
	return table_column(r->table, name) != NULL;
}

static bool rel_is_named(const struct sites *s, const struct rel *r, const struct sql_expr *e)
{
	bool nocase = s->view && s->view->schema && s->view->schema->nocase;

	if (nocase ? !str_ieq(r->alias, e->col.table) : !str_eq(r->alias, e->col.table)) {
		/* aliases of different case are one name to some servers: not known is the safe answer for both */
		return false;
	}
	return e->col.db.n == 0 || str_eq(r->db, e->col.db);
}

/* The column in one block: its node, -1 when this block has no such column, -2 when it is not known. */
static int32_t node_in_block(struct sites *s, struct block *bl, const struct sql_expr *e)
{
	struct rel *hit = NULL, *may = NULL;
	uint32_t hits = 0, mays = 0, rels = 0;
	bool maybe;

	if (e->col.table.n == 0) {
		for (struct using_name *u = bl->usings; u; u = u->next) {
			if (str_ieq(u->name, e->name))
				return (int32_t)u->node;
		}
	}
	for (struct rel *r = bl->rels; r; r = r->next) {
		if (e->col.table.n && !rel_is_named(s, r, e))
			continue;
		rels++;
		if (rel_has_column(r, e->name, &maybe)) {
			hit = r;
			hits++;
		} else if (maybe) {
			may = r;
			mays++;
		}
	}
	if (hits == 1)
		return (int32_t)node_get(s, hit, e->name);
	if (hits > 1)
		return -2;
	if (mays == 1 && rels == 1 && (e->col.table.n || !bl->parent))
		return (int32_t)node_get(s, may, e->name);
	if (mays || (e->col.table.n && rels))
		return -2;
	return -1;
}

int32_t node_of_column(struct sites *s, struct block *bl, const struct sql_expr *e, int *depth)
{
	int d = 0;

	if (e->kind != SQL_E_COLUMN || s->n_nodes >= SITE_NODES_MAX)
		return -1;
	for (; bl; bl = bl->parent, d++) {
		int32_t n = node_in_block(s, bl, e);

		if (n == -1)
			continue;
		if (depth)
			*depth = d;
		return n == -2 ? -1 : n;
	}
	if (depth)
		*depth = -1;
	return -1;
}

static uint32_t node_find(const struct sites *s, uint32_t n)
{
	while (s->nodes[n].parent != n)
		n = s->nodes[n].parent;
	return n;
}

bool node_types_fit(const struct node *a, const struct node *b)
{
	if (!a->typed || !b->typed || a->type.family != b->type.family)
		return false;
	return a->type.family != KEY_TEXT || a->type.collation == b->type.collation;
}

void node_merge(struct sites *s, uint32_t a, uint32_t b)
{
	if (!node_types_fit(&s->nodes[a], &s->nodes[b]))
		return;
	a = node_find(s, a);
	b = node_find(s, b);
	if (a < b)
		s->nodes[b].parent = a;
	else if (b < a)
		s->nodes[a].parent = b;
}

bool node_same(const struct sites *s, uint32_t a, uint32_t b)
{
	return node_find(s, a) == node_find(s, b);
}

static bool reaches(const struct sites *s, uint32_t from, uint32_t to, int hops)
{
	uint32_t class = node_find(s, from);

	if (class == node_find(s, to))
		return true;
	if (hops == 0)
		return false;
	for (uint32_t i = 0; i < s->n_nodes; i++) {
		if (s->nodes[i].link >= 0 && node_find(s, i) == class &&
			reaches(s, (uint32_t)s->nodes[i].link, to, hops - 1))
			return true;
	}
	return false;
}

bool node_reaches(const struct sites *s, uint32_t from, uint32_t to)
{
	return reaches(s, from, to, 8);
}

uint32_t *node_save(struct sites *s, uint32_t *n)
{
	uint32_t *saved = arena_alloc(s->b->a, (s->n_nodes + 1) * sizeof(*saved));

	for (uint32_t i = 0; i < s->n_nodes; i++)
		saved[i] = s->nodes[i].parent;
	*n = s->n_nodes;
	return saved;
}

void node_restore(struct sites *s, const uint32_t *saved, uint32_t n)
{
	for (uint32_t i = 0; i < s->n_nodes; i++)
		s->nodes[i].parent = i < n ? saved[i] : i;
}
