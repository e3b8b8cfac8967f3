/* map.c - look-ups in the shard map, its references, target names.
 * For the planner, sessions (USE) and topo.
 * Pure; a map may be read by any thread that holds a reference. */
#include "keyway/cluster/map.h"
#include <stdlib.h>

struct keyspace *keyspace_ref(const struct keyspace *ks)
{
	struct keyspace *own = (struct keyspace *)ks;

	atomic_fetch_add_explicit(&own->refs, 1, memory_order_relaxed);
	return own;
}

void keyspace_unref(const struct keyspace *ks)
{
	struct keyspace *own = (struct keyspace *)ks;

	if (!own || atomic_fetch_sub_explicit(&own->refs, 1, memory_order_acq_rel) != 1)
		return;
	arena_free(&own->arena);
	free(own);
}

const struct shard *keyspace_shard_of(const struct keyspace *ks, uint64_t key_id)
{
	uint32_t lo = 0, hi = ks->shard_n;

	/* shard_first[0] is 0: the last one that begins at or below the id */
	while (hi - lo > 1) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (ks->shard_first[mid] <= key_id)
			lo = mid;
		else
			hi = mid;
	}
	return &ks->shards[lo];
}

void keyspace_shards_in(const struct keyspace *ks, struct keyrange r, uint32_t *first, uint32_t *last)
{
	*first = keyspace_shard_of(ks, r.first)->index;
	*last = keyspace_shard_of(ks, r.last)->index;
}

const struct shard *keyspace_shard_by_name(const struct keyspace *ks, struct str name)
{
	const struct shard *s;
	struct keyrange r;
	const char *why;

	if (keyrange_parse(name, &r, &why) < 0)
		return NULL;
	s = keyspace_shard_of(ks, r.first);
	return keyrange_eq(s->range, r) ? s : NULL;
}

static int str_order(struct str a, struct str b)
{
	int c = memcmp(a.p, b.p, MIN(a.n, b.n));

	return c ? c : (a.n > b.n) - (a.n < b.n);
}

const struct table_rule *keyspace_table_listed(const struct keyspace *ks, struct str table, bool nocase)
{
	uint32_t lo = 0, hi = ks->table_n;

	while (table.n && lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		int c = str_order(ks->tables[mid].name, table);

		if (c == 0)
			return &ks->tables[mid];
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (uint32_t i = 0; nocase && i < ks->table_n; i++) {
		if (str_ieq(ks->tables[i].name, table))
			return &ks->tables[i];
	}
	return NULL;
}

const struct table_rule *keyspace_table(const struct keyspace *ks, struct str table, bool nocase)
{
	const struct table_rule *t = keyspace_table_listed(ks, table, nocase);

	return t ? t : ks->default_table;
}

static int keyspace_order(const void *a, const void *b)
{
	return strcmp((*(const struct keyspace *const *)a)->name.p, (*(const struct keyspace *const *)b)->name.p);
}

int map_build(struct keyspace *const *keyspaces, uint32_t n, struct map **out, struct err *err)
{
	struct map *m = xcalloc(1, sizeof(*m));

	atomic_init(&m->refs, 1);
	m->keyspaces = xcalloc(n ? n : 1, sizeof(struct keyspace *));
	for (; m->keyspace_n < n; m->keyspace_n++)
		m->keyspaces[m->keyspace_n] = keyspace_ref(keyspaces[m->keyspace_n]);
	qsort(m->keyspaces, n, sizeof(struct keyspace *), keyspace_order);
	for (uint32_t i = 0; i < n; i++) {
		if (i && keyspace_order(&m->keyspaces[i - 1], &m->keyspaces[i]) == 0) {
			int rc = err_set(err, ERR_CONFIG, ER_WRONG_ARGUMENTS,
				"two documents describe the keyspace " STR_FMT "; keep one",
				STR_ARG(m->keyspaces[i]->name));

			map_unref(m);
			return rc;
		}
		if (m->keyspaces[i]->everything)
			m->everything = m->keyspaces[i];
	}
	*out = m;
	return 0;
}

struct map *map_ref(const struct map *m)
{
	struct map *own = (struct map *)m;

	atomic_fetch_add_explicit(&own->refs, 1, memory_order_relaxed);
	return own;
}

void map_unref(const struct map *m)
{
	struct map *own = (struct map *)m;

	if (!own || atomic_fetch_sub_explicit(&own->refs, 1, memory_order_acq_rel) != 1)
		return;
	for (uint32_t i = 0; i < own->keyspace_n; i++)
		keyspace_unref(own->keyspaces[i]);
	free(own->keyspaces);
	free(own);
}

const struct keyspace *map_keyspace(const struct map *m, struct str name)
{
	uint32_t lo = 0, hi = m->keyspace_n;

	while (name.n && lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		int c = str_order(m->keyspaces[mid]->name, name);

		if (c == 0)
			return m->keyspaces[mid];
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

/* Takes "@replica" or "@primary" off the end of *@text. */
static enum target_role take_role(struct str *text, bool *given)
{
	static const struct {
		struct str suffix;
		enum target_role role;
	} rows[] = {
		{ { "@replica", 8 }, TARGET_REPLICA },
		{ { "@primary", 8 }, TARGET_PRIMARY },
	};

	for (size_t i = 0; i < ARRAY_N(rows); i++) {
		struct str s = rows[i].suffix;

		if (text->n > s.n && str_ieq(str_make(text->p + text->n - s.n, s.n), s)) {
			text->n -= s.n;
			*given = true;
			return rows[i].role;
		}
	}
	return TARGET_PRIMARY;
}

static int bad_shard(const struct keyspace *ks, struct str name, struct err *err)
{
	return err_set(err, ERR_NAME, ER_BAD_DB_ERROR,
		"Unknown database '" STR_FMT "/%.*s': keyspace " STR_FMT " has %u shards, " STR_FMT
		" is the first; see the "
		"shard map for the others",
		STR_ARG(ks->name), (int)MIN(name.n, (size_t)64), name.p, STR_ARG(ks->name), ks->shard_n,
		STR_ARG(ks->shards[0].name));
}

int target_parse(const struct map *m, struct str text, struct target *out, struct err *err)
{
	struct str name = text;
	const char *slash;

	*out = (struct target){ 0 };
	out->role = take_role(&name, &out->role_given);
	slash = name.n ? memchr(name.p, '/', name.n) : NULL;
	out->database = slash ? str_make(name.p, (size_t)(slash - name.p)) : name;
	/* `*` is no name that a statement could use */
	out->keyspace = str_eqz(out->database, "*") ? NULL : map_keyspace(m, out->database);
	if (out->keyspace) {
		struct str shard = slash ? str_make(slash + 1, name.n - out->database.n - 1) : STR("");

		if (!slash)
			return 0;
		out->shard = keyspace_shard_by_name(out->keyspace, shard);
		return out->shard ? 0 : bad_shard(out->keyspace, shard, err);
	}
	if (m->everything && name.n) {
		out->keyspace = m->everything;
		out->database = name;
		return 0;
	}
	return err_set(
		err, ERR_NAME, ER_BAD_DB_ERROR, "Unknown database '%.*s'", (int)MIN(text.n, (size_t)256), text.p);
}
