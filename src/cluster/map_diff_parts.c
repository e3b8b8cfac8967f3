/* map_diff_parts.c - what becomes of backends, the sharding function and tables between two maps, in words.
 * For map_diff.c.
 * Pure; any thread. */
#include "map_change.h"
#include <stdlib.h>

#define ENTRIES_TOLD 32 /* of a directory, one by one */

/* --- backends --- */

static const char *const states[] = { "serving", "draining", "drained" };

/* All backends of a keyspace in the order of names. */
struct backend_list {
	const struct backend_def **v;
	uint32_t n;
};

static int by_name(const void *a, const void *b)
{
	return strcmp((*(const struct backend_def *const *)a)->name.p, (*(const struct backend_def *const *)b)->name.p);
}

static struct backend_list backends_of(const struct keyspace *ks)
{
	struct backend_list list = { NULL, 0 };

	for (uint32_t i = 0; i < ks->shard_n; i++)
		list.n += ks->shards[i].backend_n;
	list.v = xcalloc(list.n, sizeof(struct backend_def *));
	list.n = 0;
	for (uint32_t i = 0; i < ks->shard_n; i++) {
		for (uint32_t k = 0; k < ks->shards[i].backend_n; k++)
			list.v[list.n++] = &ks->shards[i].backends[k];
	}
	qsort(list.v, list.n, sizeof(*list.v), by_name);
	return list;
}

static const char *part_words(struct map_diff *d, const struct backend_def *b)
{
	if (b->shard->kind == SHARD_PAIR)
		return b->side == SIDE_ODD ? "odd side" : "even side";
	return b->role == BACKEND_PRIMARY ? "primary"
	       : b->weight == 0		  ? "replica without reads"
					  : arena_printf(&d->arena, "replica of weight %u", b->weight);
}

static const char *or_none(struct str s)
{
	return s.n ? s.p : "none";
}

static void diff_backend(struct map_diff *d, const struct backend_def *a, const struct backend_def *b)
{
	const char *name = b->name.p;

	if (!keyrange_eq(a->shard->range, b->shard->range) && !str_eq(a->shard->name, b->shard->name))
		change_add_range(d, CHANGE_TRAFFIC, b->shard->range, "backend %s goes from shard %s to %s as %s", name,
			a->shard->name.p, b->shard->name.p, part_words(d, b));
	else if (a->shard->kind == b->shard->kind &&
		 (a->shard->kind == SHARD_PAIR ? a->side != b->side : a->role != b->role))
		change_add(d, CHANGE_TRAFFIC, "backend %s of shard %s is %s, not %s", name, b->shard->name.p,
			part_words(d, b), part_words(d, a));
	if (!backend_same_server(a, b))
		change_add(d, CHANGE_TRAFFIC, "backend %s is another server: %s instead of %s", name,
			backend_words(d, b), backend_words(d, a));
	if (a->state != b->state)
		change_add(d, CHANGE_TRAFFIC, "backend %s of shard %s is %s, not %s", name, b->shard->name.p,
			states[b->state], states[a->state]);
	if (a->weight != b->weight)
		change_add(d, CHANGE_TRAFFIC, "backend %s of shard %s takes reads with weight %u instead of %u", name,
			b->shard->name.p, b->weight, a->weight);
	if (!str_eq(a->az, b->az))
		change_add(d, CHANGE_TRAFFIC, "backend %s is in zone %s instead of %s", name, or_none(b->az),
			or_none(a->az));
	if (!str_eq(a->region, b->region))
		change_add(d, CHANGE_TRAFFIC, "backend %s is in region %s instead of %s", name, or_none(b->region),
			or_none(a->region));
}

void diff_backends(struct map_diff *d, const struct keyspace *old, const struct keyspace *new)
{
	struct backend_list a = backends_of(old), b = backends_of(new);

	for (uint32_t i = 0, k = 0; i < a.n || k < b.n;) {
		int c = i == a.n ? 1 : k == b.n ? -1 : strcmp(a.v[i]->name.p, b.v[k]->name.p);

		if (c < 0)
			change_add(d, CHANGE_TRAFFIC, "backend %s leaves shard %s, where it was %s",
				backend_words(d, a.v[i]), a.v[i]->shard->name.p, part_words(d, a.v[i]));
		else if (c > 0)
			change_add(d, CHANGE_TRAFFIC, "backend %s is new in shard %s as %s%s%s",
				backend_words(d, b.v[k]), b.v[k]->shard->name.p, part_words(d, b.v[k]),
				b.v[k]->state == BACKEND_SERVING ? "" : ", ",
				b.v[k]->state == BACKEND_SERVING ? "" : states[b.v[k]->state]);
		else
			diff_backend(d, a.v[i], b.v[k]);
		i += c <= 0;
		k += c >= 0;
	}
	free(a.v);
	free(b.v);
}

/* --- the sharding function --- */

static const char *fn_words(const struct keyspace *ks)
{
	return ks->sharded ? sharding_kind_name(ks->fn->kind) : "none";
}

static int entry_order(const void *a, const void *b)
{
	return strcmp((*(const struct sharding_entry *const *)a)->value.p,
		(*(const struct sharding_entry *const *)b)->value.p);
}

static const struct sharding_entry **entries_of(const struct sharding_fn *fn)
{
	const struct sharding_entry **v = xcalloc(fn->entry_n + 1, sizeof(struct sharding_entry *));

	for (uint32_t i = 0; i < fn->entry_n; i++)
		v[i] = &fn->entries[i];
	qsort(v, fn->entry_n, sizeof(*v), entry_order);
	return v;
}

static struct keyrange one_id(uint64_t id)
{
	return (struct keyrange){ id, id };
}

/* An entry that is new or gone: its value's id is what the fallback says on the other side, which is not known here. */
static void entry_alone(struct map_diff *d, const struct keyspace *new, const struct sharding_entry *e, bool added)
{
	change_add_range(d, new->shard_n == 1 ? CHANGE_HARMLESS : CHANGE_STRANDS, one_id(e->key_id),
		added ? "the directory has the value '%.64s' now, with the key id %016llx: rows of it are where the "
			"fallback function put them"
		      : "the directory has the value '%.64s' no more: rows of it are at the key id %016llx, and are "
			"looked for where the fallback function says",
		e->value.p, (unsigned long long)e->key_id);
}

static void entry_changed(struct map_diff *d, const struct keyspace *old, const struct keyspace *new,
	const struct sharding_entry *a, const struct sharding_entry *b)
{
	bool moves = keyspace_shard_of(old, a->key_id) != keyspace_shard_of(old, b->key_id) ||
		     keyspace_shard_of(new, a->key_id) != keyspace_shard_of(new, b->key_id);

	if (a->key_id == b->key_id)
		return;
	change_add_range(d, moves ? CHANGE_STRANDS : CHANGE_HARMLESS, one_id(b->key_id),
		"the directory gives the value '%.64s' the key id %016llx instead of %016llx%s", b->value.p,
		(unsigned long long)b->key_id, (unsigned long long)a->key_id,
		moves ? ", which is on another shard" : "");
}

static uint32_t entries_walk(struct map_diff *d, const struct keyspace *old, const struct keyspace *new, bool tell)
{
	const struct sharding_entry **a = entries_of(old->fn), **b = entries_of(new->fn);
	uint32_t n = 0;

	for (uint32_t i = 0, k = 0; i < old->fn->entry_n || k < new->fn->entry_n;) {
		int c = i == old->fn->entry_n ? 1 : k == new->fn->entry_n ? -1 : entry_order(&a[i], &b[k]);

		n += c != 0 || a[i]->key_id != b[k]->key_id;
		if (tell && c < 0)
			entry_alone(d, new, a[i], false);
		else if (tell && c > 0)
			entry_alone(d, new, b[k], true);
		else if (tell)
			entry_changed(d, old, new, a[i], b[k]);
		i += c <= 0;
		k += c >= 0;
	}
	free(a);
	free(b);
	return n;
}

static bool directories_differ_much(struct map_diff *d, const struct keyspace *old, const struct keyspace *new)
{
	return entries_walk(d, old, new, false) > ENTRIES_TOLD;
}

static bool fn_same(const struct sharding_fn *a, const struct sharding_fn *b)
{
	return a->kind == b->kind && (a->kind != SHARDING_DIRECTORY || a->fallback == b->fallback);
}

void diff_sharding(struct map_diff *d, const struct keyspace *old, const struct keyspace *new)
{
	bool one = old->shard_n == 1 && new->shard_n == 1;

	if (old->sharded && new->sharded && fn_same(old->fn, new->fn)) {
		if (old->fn->kind != SHARDING_DIRECTORY)
			return;
		if (!directories_differ_much(d, old, new))
			(void)entries_walk(d, old, new, true);
		else
			change_add_range(d, one ? CHANGE_HARMLESS : CHANGE_STRANDS, KEYRANGE_ALL,
				"more than %d entries of the directory are others", ENTRIES_TOLD);
		return;
	}
	if (old->sharded == new->sharded && !old->sharded)
		return;
	if (old->sharded && new->sharded && old->fn->kind == new->fn->kind)
		change_add(d, CHANGE_TRAFFIC, "the directory's fallback function is %s instead of %s",
			sharding_kind_name(new->fn->fallback), sharding_kind_name(old->fn->fallback));
	else
		change_add(
			d, CHANGE_TRAFFIC, "the sharding function is %s instead of %s", fn_words(new), fn_words(old));
}

/* --- tables --- */

bool rule_same_ids(const struct table_rule *a, const struct table_rule *b)
{
	return fn_same(a->fn, b->fn) && str_eq(a->key, b->key);
}

static const char *rule_words(struct map_diff *d, const struct table_rule *t)
{
	if (t->kind == TABLE_REFERENCE)
		return "a reference table";
	if (t->kind == TABLE_PINNED)
		return arena_printf(&d->arena, "pinned to shard %s", t->shard->name.p);
	return arena_printf(&d->arena, "sharded by %s (%s)", t->key.p, sharding_kind_name(t->fn->kind));
}

static bool rule_same(const struct table_rule *a, const struct table_rule *b)
{
	if (a->kind != b->kind)
		return false;
	if (a->kind == TABLE_SHARDED)
		return rule_same_ids(a, b);
	return a->kind != TABLE_PINNED || keyrange_eq(a->shard->range, b->shard->range);
}

static const char *id_words(struct map_diff *d, const struct table_rule *t)
{
	if (!t->id_column.n)
		return "nowhere";
	return arena_printf(&d->arena, "allocator %s as %s for %s", t->id_allocator.p, t->id_tag.p, t->id_column.p);
}

static void diff_table(struct map_diff *d, const struct table_rule *a, const struct table_rule *b)
{
	const char *name = b->name.n ? b->name.p : "(not listed)";

	if (!rule_same(a, b))
		change_add(d, CHANGE_TRAFFIC, "table %s is %s instead of %s", name, rule_words(d, b), rule_words(d, a));
	if (!str_eq(a->id_column, b->id_column) || !str_eq(a->id_allocator, b->id_allocator) ||
		!str_eq(a->id_tag, b->id_tag))
		change_add(d, CHANGE_TRAFFIC, "table %s has its ids from %s instead of %s", name, id_words(d, b),
			id_words(d, a));
	if (!str_eq(a->side_by, b->side_by))
		change_add(d, CHANGE_TRAFFIC, "table %s: the side of a pair is decided by %s instead of %s", name,
			or_none(b->side_by), or_none(a->side_by));
}

void diff_tables(struct map_diff *d, const struct keyspace *old, const struct keyspace *new)
{
	for (uint32_t i = 0, k = 0; i < old->table_n || k < new->table_n;) {
		const struct table_rule *a = &old->tables[i], *b = &new->tables[k];
		int c = i == old->table_n ? 1 : k == new->table_n ? -1 : strcmp(a->name.p, b->name.p);

		if (c < 0)
			change_add(d, CHANGE_TRAFFIC, "table %s is listed no more: it was %s, and %s", a->name.p,
				rule_words(d, a),
				new->default_table ? arena_printf(&d->arena, "is %s", rule_words(d, new->default_table))
						   : "statements with it are refused");
		else if (c > 0)
			change_add(d, old->default_table ? CHANGE_TRAFFIC : CHANGE_HARMLESS,
				"table %s is listed: it is %s", b->name.p, rule_words(d, b));
		else
			diff_table(d, a, b);
		i += c <= 0;
		k += c >= 0;
	}
	if (old->default_table && new->default_table)
		diff_table(d, old->default_table, new->default_table);
	else if (old->default_table)
		change_add(d, CHANGE_TRAFFIC, "statements with tables that are not listed are refused");
	else if (new->default_table)
		change_add(d, CHANGE_HARMLESS, "tables that are not listed are %s", rule_words(d, new->default_table));
}
