/* snapshot.c - map, schemas and server facts put together; how each sharded table is routed is worked out here, once.
 * Built by topo, read by workers.
 * Pure; a snapshot may be read by any thread that holds a reference. */
#include "keyway/cluster/snapshot.h"
#include <stdlib.h>

struct server_facts *server_facts_new(void)
{
	struct server_facts *f = xcalloc(1, sizeof(*f));

	atomic_init(&f->refs, 1);
	arena_init(&f->arena);
	return f;
}

struct server_facts *server_facts_ref(const struct server_facts *f)
{
	struct server_facts *own = (struct server_facts *)f;

	atomic_fetch_add_explicit(&own->refs, 1, memory_order_relaxed);
	return own;
}

void server_facts_unref(const struct server_facts *f)
{
	struct server_facts *own = (struct server_facts *)f;

	if (!own || atomic_fetch_sub_explicit(&own->refs, 1, memory_order_acq_rel) != 1)
		return;
	arena_free(&own->arena);
	free(own);
}

static void key_build(struct table_key *k, const struct keyspace_view *v, const struct table_rule *rule)
{
	const struct table *t = v->schema ? schema_table(v->schema, rule->name) : NULL;
	const struct column *col = t ? table_column(t, rule->key) : NULL;
	struct key_type type;

	k->state = t ? TABLE_KEY_REFUSED : TABLE_KEY_NO_TABLE;
	if (!v->schema) {
		err_set(&k->why, ERR_NAME, ER_NO_SUCH_TABLE,
			"Table '" STR_FMT "." STR_FMT
			"': no server of the keyspace has told its tables yet; try again when one "
			"is up",
			STR_ARG(v->keyspace->name), STR_ARG(rule->name));
	} else if (!t) {
		err_set(&k->why, ERR_NAME, ER_NO_SUCH_TABLE, "Table '" STR_FMT "." STR_FMT "' doesn't exist",
			STR_ARG(v->keyspace->name), STR_ARG(rule->name));
	} else if (t->view) {
		err_set(&k->why, ERR_UNSUPPORTED, ER_NOT_SUPPORTED_YET,
			"'" STR_FMT "." STR_FMT
			"' is a view: the shard map can have a key for base tables only; take it out of "
			"the map",
			STR_ARG(v->keyspace->name), STR_ARG(rule->name));
	} else if (!col) {
		err_set(&k->why, ERR_CONFIG, ER_BAD_FIELD_ERROR,
			"Unknown column '" STR_FMT "' in table '" STR_FMT "." STR_FMT
			"': it is the table's key in the shard map; correct the map or add the column",
			STR_ARG(rule->key), STR_ARG(v->keyspace->name), STR_ARG(rule->name));
	} else if (key_type_of_column(col, &type, &k->why) < 0 ||
		   sharding_key_init(&k->key, rule->fn, &type, &k->why) < 0) {
		err_wrap(&k->why, "table '" STR_FMT "." STR_FMT "', key " STR_FMT, STR_ARG(v->keyspace->name),
			STR_ARG(rule->name), STR_ARG(rule->key));
	} else {
		k->state = TABLE_KEY_OK;
		k->column = col;
	}
}

struct snapshot *snapshot_build(const struct map *map, const struct schema *const *schemas,
	const struct server_facts *const *facts, uint64_t generation)
{
	struct snapshot *s = xcalloc(1, sizeof(*s));
	struct keyspace_view *views = xcalloc(map->keyspace_n + 1, sizeof(*views));

	atomic_init(&s->refs, 1);
	s->generation = generation;
	s->map = map_ref(map);
	s->views = views;
	for (uint32_t i = 0; i < map->keyspace_n; i++) {
		struct keyspace_view *v = &views[i];
		struct table_key *keys;

		v->keyspace = map->keyspaces[i];
		v->schema = schemas[i] ? schema_ref(schemas[i]) : NULL;
		v->facts = facts[i] ? server_facts_ref(facts[i]) : NULL;
		v->keys = keys = xcalloc(v->keyspace->table_n + 1, sizeof(*keys));
		for (uint32_t k = 0; k < v->keyspace->table_n; k++) {
			if (v->keyspace->tables[k].kind == TABLE_SHARDED)
				key_build(&keys[k], v, &v->keyspace->tables[k]);
		}
		if (v->facts && (!s->facts || v->facts->version_n < s->facts->version_n))
			s->facts = v->facts;
	}
	return s;
}

struct snapshot *snapshot_ref(const struct snapshot *s)
{
	struct snapshot *own = (struct snapshot *)s;

	atomic_fetch_add_explicit(&own->refs, 1, memory_order_relaxed);
	return own;
}

void snapshot_unref(const struct snapshot *s)
{
	struct snapshot *own = (struct snapshot *)s;

	if (!own || atomic_fetch_sub_explicit(&own->refs, 1, memory_order_acq_rel) != 1)
		return;
	for (uint32_t i = 0; i < own->map->keyspace_n; i++) {
		const struct keyspace_view *v = &own->views[i];

		for (uint32_t k = 0; k < v->keyspace->table_n; k++)
			sharding_key_free((struct sharding_key *)&v->keys[k].key);
		free((void *)v->keys);
		schema_unref(v->schema);
		server_facts_unref(v->facts);
	}
	free((void *)own->views);
	map_unref(own->map);
	free(own);
}

const struct keyspace_view *snapshot_view(const struct snapshot *s, const struct keyspace *ks)
{
	for (uint32_t i = 0; i < s->map->keyspace_n; i++) {
		if (s->map->keyspaces[i] == ks)
			return &s->views[i];
	}
	return NULL;
}

const struct table_rule *view_table_rule(const struct keyspace_view *v, struct str table)
{
	return keyspace_table(v->keyspace, table, v->schema && v->schema->nocase);
}

const struct table *view_table(const struct keyspace_view *v, struct str table)
{
	return v->schema ? schema_table(v->schema, table) : NULL;
}

const struct table_key *view_table_key(const struct keyspace_view *v, const struct table_rule *rule)
{
	return &v->keys[rule->index];
}
