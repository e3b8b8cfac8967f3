/* map_strands.c - whether rows would be on the wrong shard under a new map: for each of its shards, the key ids that
 * its servers hold, as the old map tells it, against those that it shall own.
 *
 * A server that a shard writes to must have held exactly that shard's rows: what it lacks would not be found, what it
 * has beyond would be read twice. A replica that the old map does not know was made for its shard, one that it knows
 * was made for another if the shard's rows are others. For map_diff.c.
 * Pure; any thread. */
#include "map_change.h"
#include <stdlib.h>

/* Of a table's rows on a server: none, or those of one range; all of a table that is not sharded count as all. */
struct held {
	bool any;
	struct keyrange range;
};

static const struct held nothing = { 0 };

/* A table's rule in both maps; for a keyspace without sharding, and tables not listed, the default one. NULL: it cannot
 * be used. */
struct rule_pair {
	const struct table_rule *old, *new;
	const char *what; /* "table orders" */
};

struct strands {
	struct map_diff *d;
	const struct keyspace *old, *new;
	const struct backend_def **servers; /* of the old map, in the order of places */
	uint32_t server_n;
};

static int place_order(const struct backend_def *x, struct str xdb, const struct backend_def *y, struct str ydb)
{
	int c = strcmp(x->host.n ? x->host.p : "", y->host.n ? y->host.p : "");

	if (!c)
		c = strcmp(x->socket.n ? x->socket.p : "", y->socket.n ? y->socket.p : "");
	if (!c)
		c = (int)x->port - (int)y->port;
	return c ? c : strcmp(xdb.n ? xdb.p : "", ydb.n ? ydb.p : "");
}

static int place_order_v(const void *a, const void *b)
{
	const struct backend_def *x = *(const struct backend_def *const *)a, *y = *(const struct backend_def *const *)b;

	return place_order(x, x->shard->database, y, y->shard->database);
}

static void servers_list(struct strands *s)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < s->old->shard_n; i++)
		n += s->old->shards[i].backend_n;
	s->servers = xcalloc(n, sizeof(struct backend_def *));
	for (uint32_t i = 0; i < s->old->shard_n; i++) {
		for (uint32_t k = 0; k < s->old->shards[i].backend_n; k++)
			s->servers[s->server_n++] = &s->old->shards[i].backends[k];
	}
	qsort(s->servers, n, sizeof(*s->servers), place_order_v);
}

/* The same server and database in the old map, where it is once at most. */
static const struct backend_def *was(const struct strands *s, const struct backend_def *b)
{
	const struct backend_def **at = bsearch(&b, s->servers, s->server_n, sizeof(*s->servers), place_order_v);

	return at ? *at : NULL;
}

/* What a shard's servers hold, or shall hold, of a table under its rule. */
static struct held of_rule(const struct table_rule *t, const struct shard *shard)
{
	if (t->kind == TABLE_SHARDED)
		return (struct held){ true, shard->range };
	if (t->kind == TABLE_REFERENCE || t->shard == shard)
		return (struct held){ true, KEYRANGE_ALL };
	return nothing;
}

static bool held_eq(struct held a, struct held b)
{
	return a.any == b.any && (!a.any || keyrange_eq(a.range, b.range));
}

static struct held held_before(const struct strands *s, const struct rule_pair *p, const struct backend_def *b)
{
	const struct backend_def *old = was(s, b);

	return old ? of_rule(p->old, old->shard) : nothing;
}

/* The parts of @a that @b lacks: up to two. */
static uint32_t held_without(struct held a, struct held b, struct keyrange out[2])
{
	uint32_t n = 0;

	if (!a.any)
		return 0;
	if (!b.any || b.range.first > a.range.last || b.range.last < a.range.first) {
		out[n++] = a.range;
		return n;
	}
	if (a.range.first < b.range.first)
		out[n++] = (struct keyrange){ a.range.first, b.range.first - 1 };
	if (a.range.last > b.range.last)
		out[n++] = (struct keyrange){ b.range.last + 1, a.range.last };
	return n;
}

/* @b would serve @shall of a table and holds @has. */
static void strand_server(
	struct strands *s, const struct rule_pair *p, const struct backend_def *b, struct held shall, struct held has)
{
	struct keyrange r[2];
	uint32_t n = held_without(shall, has, r);
	const char *name = backend_words(s->d, b), *shard = b->shard->name.p;

	/* the rows of a table that is not sharded are missed by this shard's statements */
	for (uint32_t i = 0; i < n; i++)
		change_add_range(s->d, CHANGE_STRANDS, p->new->kind == TABLE_SHARDED ? r[i] : b->shard->range,
			"%s: %s would serve shard %s and does not hold its rows%s", p->what, name, shard,
			was(s, b) || p->new->kind != TABLE_SHARDED
				? ""
				: "; the old map does not know this server, or not with this database");
	n = held_without(has, shall, r);
	for (uint32_t i = 0; i < n; i++)
		change_add_range(s->d, CHANGE_STRANDS, p->new->kind == TABLE_SHARDED ? r[i] : b->shard->range,
			"%s: %s holds rows that shard %s shall not own: they would be read from there too", p->what,
			name, shard);
}

/* With `primary: auto` one server that fits is enough: the map does not say which one is written to. */
static void strand_shard(struct strands *s, const struct rule_pair *p, const struct shard *shard)
{
	struct held shall = of_rule(p->new, shard);
	bool fits = !shard->primary_auto;

	if (!shall.any)
		return;
	for (uint32_t i = 0; i < shard->backend_n; i++) {
		const struct backend_def *b = &shard->backends[i];
		struct held has = held_before(s, p, b);
		bool written = shard->kind == SHARD_PAIR || (b == shard->primary && !shard->primary_auto);

		if (!held_eq(has, shall) && (written || has.any))
			strand_server(s, p, b, shall, has);
		fits |= has.any;
	}
	if (!fits)
		strand_server(s, p, shard->primary, shall, nothing);
}

/* One shard before and after, on a server that stays: no rule moves a row. */
static bool one_place(const struct strands *s)
{
	const struct shard *shard = &s->new->shards[0];
	bool stays = s->old->shard_n == 1 && s->new->shard_n == 1;

	for (uint32_t i = 0; stays && i < shard->backend_n; i++) {
		const struct backend_def *b = &shard->backends[i];

		if (shard->kind == SHARD_PAIR || b == shard->primary)
			stays = was(s, b) != NULL;
	}
	return stays;
}

static void strand_rule(struct strands *s, const struct rule_pair *p)
{
	if (p->old->kind == TABLE_SHARDED && p->new->kind == TABLE_SHARDED && !rule_same_ids(p->old, p->new)) {
		if (!one_place(s))
			change_add_range(s->d, CHANGE_STRANDS, KEYRANGE_ALL,
				"%s: its key or function is another, so its rows belong to other key ids", p->what);
		return;
	}
	for (uint32_t i = 0; i < s->new->shard_n; i++)
		strand_shard(s, p, &s->new->shards[i]);
}

static bool pinned_alike(const struct table_rule *a, const struct table_rule *b)
{
	return a->kind == TABLE_PINNED && b->kind == TABLE_PINNED && keyrange_eq(a->shard->range, b->shard->range);
}

/* Tables whose rule stays, all sharded ones alike, are judged once; the others one by one. */
static void strand_tables(struct strands *s)
{
	static const struct sharding_fn fn = { .kind = SHARDING_HASH };
	static const struct table_rule sharded = { .kind = TABLE_SHARDED, .fn = &fn, .key = { "", 0 } },
				       reference = { .kind = TABLE_REFERENCE };
	bool any_reference = false;

	if (s->old->sharded && s->new->sharded)
		strand_rule(s, &(struct rule_pair){ &sharded, &sharded, "sharded tables" });
	for (uint32_t i = 0; i < s->new->table_n; i++) {
		const struct table_rule *b = &s->new->tables[i], *a = keyspace_table(s->old, b->name, false);

		if (!a)
			continue; /* no statement could make rows in it */
		if (a->kind == b->kind && b->kind == TABLE_REFERENCE)
			any_reference = true;
		else if (pinned_alike(a, b) && s->old->sharded == s->new->sharded)
			continue; /* where its shard's servers are the right ones for other tables, they are for it */
		else if (a->kind != TABLE_SHARDED || b->kind != TABLE_SHARDED || !rule_same_ids(a, b))
			strand_rule(s, &(struct rule_pair){ a, b, arena_printf(&s->d->arena, "table %s", b->name.p) });
	}
	if (any_reference)
		strand_rule(s, &(struct rule_pair){ &reference, &reference, "reference tables" });
	/* those that only the old map lists are as the others that are not listed now */
	for (uint32_t i = 0; i < s->old->table_n && s->new->default_table; i++) {
		const struct table_rule *a = &s->old->tables[i];

		if (keyspace_table_listed(s->new, a->name, false) || pinned_alike(a, s->new->default_table))
			continue;
		strand_rule(s, &(struct rule_pair){
				       a, s->new->default_table, arena_printf(&s->d->arena, "table %s", a->name.p) });
	}
	if (s->old->default_table && s->new->default_table)
		strand_rule(
			s, &(struct rule_pair){ s->old->default_table, s->new->default_table, "tables not listed" });
}

void diff_strands(struct map_diff *d, const struct keyspace *old, const struct keyspace *new)
{
	struct strands s = { .d = d, .old = old, .new = new };

	servers_list(&s);
	strand_tables(&s);
	free(s.servers);
}
