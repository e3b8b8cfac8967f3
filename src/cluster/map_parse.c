/* map_parse.c - one keyspace's JSON document to struct keyspace, validated as a whole (docs/map.md).
 * For topo, which hands it what the store holds, and for the tools.
 * Pure; any thread. */
#include <stdio.h>
#include <stdlib.h>
#include "json_reader.h"
#include "keyway/cluster/map.h"

static const char *const shard_kinds[] = { "replicaset", "pair", NULL };
static const char *const roles[] = { "primary", "replica", NULL };
static const char *const sides[] = { "even", "odd", NULL };
static const char *const states[] = { "serving", "draining", "drained", NULL };
static const char *const primary_from[] = { "map", "auto", NULL };
static const char *const table_kinds[] = { "sharded", "reference", "pinned", NULL };
static const char *const functions[] = { "range", "parity", "hash", "vitess_hash", "directory", NULL };

/* What is being filled; its parts become const once the keyspace is handed out. */
struct building {
	struct json_reader *r;
	struct keyspace *ks;
	struct shard *shards;
	struct table_rule *tables;
	struct sharding_fn *fns;
	uint32_t *shard_field; /* place in the document of each shard, which are sorted by range */
};

static int parse_entries(struct building *b, const json_t *entries, struct sharding_fn *fn)
{
	struct json_reader *r = b->r;
	struct sharding_entry *out;
	size_t n = json_object_size(entries), mark = reader_enter(r, "entries"), i = 0;
	const char *key;
	json_t *v;

	if (!json_is_object(entries) || n == 0 || n > MAP_ENTRIES_MAX)
		return reader_bad(r, "must be an object of 1 to %d values with their key ids, as in {\"42\": \"40\"}",
			MAP_ENTRIES_MAX);
	out = arena_array(r->arena, struct sharding_entry, n);
	json_object_foreach((json_t *)entries, key, v)
	{
		size_t entry = reader_enter(r, key);

		if (strlen(key) > 3072)
			return reader_bad(r, "a value has at most 3072 bytes");
		if (!json_is_string(v) ||
			key_id_parse(str_make(json_string_value(v), json_string_length(v)), &out[i].key_id) < 0)
			return reader_bad(r, "must be a key id as a text of 2 to 16 hexadecimal digits, as in \"40\"");
		out[i++].value = arena_str(r->arena, str_of(key));
		reader_leave(r, entry);
	}
	fn->entries = out;
	fn->entry_n = (uint32_t)n;
	reader_leave(r, mark);
	return 0;
}

static int parse_sharding(struct building *b, const json_t *v)
{
	struct json_reader *r = b->r;
	struct sharding_fn *fns = arena_array(r->arena, struct sharding_fn, SHARDING_KINDS);
	size_t mark = reader_enter(r, "sharding");
	int kind = 0, fallback = SHARDING_HASH, rc;

	for (int i = 0; i < SHARDING_KINDS; i++)
		fns[i].kind = (enum sharding_kind)i;
	b->fns = fns;
	b->ks->fns = fns;
	rc = reader_object(r, v, "function entries fallback");
	if (rc == 0)
		rc = reader_choice(r, v, "function", READER_REQUIRED, functions, &kind);
	if (rc < 0)
		return rc;
	if (kind == SHARDING_DIRECTORY) {
		rc = reader_choice(r, v, "fallback", READER_OPTIONAL, functions, &fallback);
		if (rc == 0 && fallback == SHARDING_DIRECTORY)
			rc = reader_bad_field(r, "fallback", "must be another function than directory");
		if (rc == 0 && !json_object_get(v, "entries"))
			rc = reader_bad_field(
				r, "entries", "is missing; it is the directory's values with their key ids");
		fns[kind].fallback = (enum sharding_kind)fallback;
		if (rc == 0)
			rc = parse_entries(b, json_object_get(v, "entries"), &fns[kind]);
	} else if (json_object_get(v, "entries") || json_object_get(v, "fallback")) {
		rc = reader_bad_field(
			r, json_object_get(v, "entries") ? "entries" : "fallback", "belongs to the function directory");
	}
	if (rc < 0)
		return rc;
	b->ks->fn = &fns[kind];
	b->ks->sharded = true;
	reader_leave(r, mark);
	return 0;
}

static int parse_backend(struct building *b, const json_t *v, const struct shard *s, struct backend_def *d)
{
	struct json_reader *r = b->r;
	int64_t port = 3306, weight = 100;
	bool pair = s->kind == SHARD_PAIR;
	int role = s->primary_auto ? BACKEND_REPLICA : BACKEND_PRIMARY, side = 0, state = BACKEND_SERVING;
	int rc = reader_object(r, v,
		pair ? "name host port socket az region side weight state"
		     : "name host port socket az region role weight state");

	if (rc == 0)
		rc = reader_text(r, v, "name", READER_REQUIRED, TEXT_ID, &d->name);
	if (rc == 0)
		rc = reader_text(r, v, "host", READER_OPTIONAL, TEXT_HOST, &d->host);
	if (rc == 0)
		rc = reader_text(r, v, "socket", READER_OPTIONAL, TEXT_PATH, &d->socket);
	if (rc == 0)
		rc = reader_text(r, v, "az", READER_OPTIONAL, TEXT_ANY, &d->az);
	if (rc == 0)
		rc = reader_text(r, v, "region", READER_OPTIONAL, TEXT_ANY, &d->region);
	if (rc == 0)
		rc = reader_choice(r, v, "state", READER_OPTIONAL, states, &state);
	if (rc == 0)
		rc = reader_int(r, v, "port", READER_OPTIONAL, 1, 65535, &port);
	if (rc == 0)
		rc = reader_int(r, v, "weight", READER_OPTIONAL, 0, 1000, &weight);
	if (rc == 0)
		rc = pair ? reader_choice(r, v, "side", READER_REQUIRED, sides, &side)
			  : reader_choice(
				    r, v, "role", s->primary_auto ? READER_OPTIONAL : READER_REQUIRED, roles, &role);
	if (rc < 0)
		return rc;
	if (!d->host.n == !d->socket.n)
		return reader_bad_field(r, "host",
			d->host.n ? "give either host (and port) or socket, not both"
				  : "is missing; give host (and port) or socket");
	if (d->socket.n && json_object_get(v, "port"))
		return reader_bad_field(r, "port", "belongs to host; a socket has no port");
	d->port = d->socket.n ? 0 : (uint16_t)port;
	d->weight = (uint16_t)weight;
	d->role = (enum backend_role)role;
	d->side = (enum pair_side)side;
	d->state = (enum backend_state)state;
	if (!pair && d->role == BACKEND_PRIMARY && d->state == BACKEND_DRAINED)
		return reader_bad_field(
			r, "state", "a primary serves: make another backend the primary first (keywayctl switchover)");
	return 0;
}

static bool same_address(const struct backend_def *a, const struct backend_def *b)
{
	return str_eq(a->host, b->host) && str_eq(a->socket, b->socket) && a->port == b->port;
}

/* The backends of one shard together: one primary, or both sides. */
static int check_backends(struct building *b, struct shard *s, const struct backend_def *d)
{
	struct json_reader *r = b->r;
	uint32_t primaries = 0;

	for (uint32_t i = 0; i < s->backend_n; i++) {
		for (uint32_t k = 0; k < i; k++) {
			if (!same_address(&d[i], &d[k]))
				continue;
			(void)reader_enter_item(r, i);
			return reader_bad(
				r, "is the same server as backend " STR_FMT " of this shard", STR_ARG(d[k].name));
		}
		if (s->kind == SHARD_PAIR)
			s->sides[d[i].side] = &d[i];
		else if (d[i].role == BACKEND_PRIMARY && ++primaries)
			s->primary = &d[i];
	}
	if (s->kind == SHARD_REPLICASET && s->primary_auto && primaries == 0) {
		s->primary = &d[0];
		return 0;
	}
	if (s->kind == SHARD_REPLICASET)
		return primaries == 1
			       ? 0
			       : reader_bad(r, "a replica set has exactly one backend with role primary, here are %u",
					 primaries);
	if (s->backend_n != 2 || !s->sides[SIDE_ODD] || !s->sides[SIDE_EVEN])
		return reader_bad(r, "a pair has exactly two backends, one with side odd and one with side even");
	if (s->sides[SIDE_ODD]->state != BACKEND_SERVING && s->sides[SIDE_EVEN]->state != BACKEND_SERVING)
		return reader_bad(r, "neither side of the pair serves; one of them has to");
	s->primary = s->sides[s->home];
	return 0;
}

static int parse_backends(struct building *b, const json_t *v, struct shard *s)
{
	struct json_reader *r = b->r;
	size_t mark = reader_enter(r, "backends"), n = json_array_size(v);
	struct backend_def *d;
	int rc;

	if (!json_is_array(v) || n == 0 || n > MAP_BACKENDS_MAX)
		return reader_bad(
			r, "%s an array of 1 to %d servers", v ? "must be" : "is missing; it is", MAP_BACKENDS_MAX);
	d = arena_array(r->arena, struct backend_def, n);
	s->backends = d;
	s->backend_n = (uint32_t)n;
	for (size_t i = 0; i < n; i++) {
		size_t item = reader_enter_item(r, i);

		d[i].index = (uint32_t)i;
		rc = parse_backend(b, json_array_get(v, i), s, &d[i]);
		if (rc < 0)
			return rc;
		reader_leave(r, item);
	}
	rc = check_backends(b, s, d);
	reader_leave(r, mark);
	return rc;
}

static int parse_range(struct building *b, const json_t *v, struct shard *s)
{
	struct json_reader *r = b->r;
	const json_t *text = json_object_get(v, "range");
	char name[KEYRANGE_TEXT_MAX];
	const char *why;

	s->range = KEYRANGE_ALL;
	if (!text && b->ks->sharded)
		return reader_bad_field(r, "range", "is missing; it is the shard's key ids as in -80, 40-80 or 80-");
	if (text && !json_is_string(text))
		return reader_bad_field(r, "range", "must be a text as in \"-80\", \"40-80\" or \"80-\"");
	if (text && keyrange_parse(str_make(json_string_value(text), json_string_length(text)), &s->range, &why) < 0)
		return reader_bad_field(r, "range", "%s", why);
	if (text && strstr(json_string_value(text), "..") && b->ks->sharded && b->ks->fn->kind != SHARDING_RANGE)
		return reader_bad_field(r, "range",
			"decimal bounds belong to the function range; write hexadecimal prefixes "
			"as in 40-80");
	if (!b->ks->sharded && !keyrange_eq(s->range, KEYRANGE_ALL))
		return reader_bad_field(r, "range",
			"a keyspace without sharding has one shard with the range -; add the field "
			"sharding to split it");
	s->name = arena_str(r->arena, str_of(keyrange_print(s->range, name)));
	return 0;
}

static int parse_shard(struct building *b, const json_t *v, struct shard *s)
{
	struct json_reader *r = b->r;
	int kind = SHARD_REPLICASET, home = SIDE_ODD, primary = 0;
	int rc = reader_object(r, v, "range kind home primary database backends");

	if (rc == 0)
		rc = parse_range(b, v, s);
	if (rc == 0)
		rc = reader_choice(r, v, "kind", READER_OPTIONAL, shard_kinds, &kind);
	if (rc == 0)
		rc = reader_choice(r, v, "home", READER_OPTIONAL, sides, &home);
	if (rc == 0)
		rc = reader_choice(r, v, "primary", READER_OPTIONAL, primary_from, &primary);
	if (rc == 0)
		rc = reader_text(r, v, "database", READER_OPTIONAL, TEXT_DBNAME, &s->database);
	if (rc < 0)
		return rc;
	if (kind != SHARD_PAIR && json_object_get(v, "home"))
		return reader_bad_field(r, "home", "belongs to a shard of kind pair");
	if (kind == SHARD_PAIR && json_object_get(v, "primary"))
		return reader_bad_field(r, "primary", "belongs to a replica set; both sides of a pair are written to");
	s->primary_auto = primary == 1;
	if (b->ks->everything && s->database.n)
		return reader_bad_field(r, "database", "the keyspace * holds every database under its own name");
	s->kind = (enum shard_kind)kind;
	s->home = (enum pair_side)home;
	if (!s->database.n)
		s->database = b->ks->database;
	return parse_backends(b, json_object_get(v, "backends"), s);
}

static int shard_order(const void *a, const void *b)
{
	const struct shard *x = a, *y = b;

	if (x->range.first != y->range.first)
		return x->range.first < y->range.first ? -1 : 1;
	return (x->index > y->index) - (x->index < y->index);
}

/* The ranges must follow each other without gap from 0 to the top. */
static int check_ranges(struct building *b)
{
	struct json_reader *r = b->r;
	uint64_t next = 0;

	for (uint32_t i = 0; i < b->ks->shard_n; i++) {
		const struct shard *s = &b->shards[i];

		if (i && s->range.first <= b->shards[i - 1].range.last) {
			(void)reader_enter_item(r, b->shard_field[i]);
			return reader_bad_field(r, "range", STR_FMT " overlaps the shard " STR_FMT, STR_ARG(s->name),
				STR_ARG(b->shards[i - 1].name));
		}
		if (s->range.first != next)
			return reader_bad(r,
				"the key ids from %016llx up to the shard " STR_FMT " belong to no shard; the "
				"ranges must cover all key ids once",
				(unsigned long long)next, STR_ARG(s->name));
		next = s->range.last + 1;
	}
	if (next)
		return reader_bad(r,
			"the key ids from %016llx up belong to no shard; the ranges must cover all key ids once",
			(unsigned long long)next);
	return 0;
}

static int backend_name_order(const void *a, const void *b)
{
	const struct backend_def *x = *(const struct backend_def *const *)a, *y = *(const struct backend_def *const *)b;

	return strcmp(x->name.p, y->name.p);
}

static int backend_place_order(const void *a, const void *b)
{
	const struct backend_def *x = *(const struct backend_def *const *)a, *y = *(const struct backend_def *const *)b;
	int c = strcmp(x->host.n ? x->host.p : "", y->host.n ? y->host.p : "");

	if (!c)
		c = strcmp(x->socket.n ? x->socket.p : "", y->socket.n ? y->socket.p : "");
	if (!c)
		c = (int)x->port - (int)y->port;
	return c ? c
		 : strcmp(x->shard->database.n ? x->shard->database.p : "",
			   y->shard->database.n ? y->shard->database.p : "");
}

static int bad_backend(struct building *b, const struct backend_def *d, const char *field, const char *what,
	const struct backend_def *other)
{
	struct json_reader *r = b->r;

	(void)reader_enter_item(r, b->shard_field[d->shard->index]);
	(void)reader_enter(r, "backends");
	(void)reader_enter_item(r, d->index);
	return reader_bad_field(r, field, "%s backend " STR_FMT " of shard " STR_FMT, what, STR_ARG(other->name),
		STR_ARG(other->shard->name));
}

/* Names are unique; no two shards lie in one database of one server, where each would see the other's rows. */
static int check_all_backends(struct building *b)
{
	const struct backend_def **all;
	uint32_t n = 0, k = 0;
	int rc = 0;

	for (uint32_t i = 0; i < b->ks->shard_n; i++)
		n += b->shards[i].backend_n;
	all = xcalloc(n, sizeof(*all));
	for (uint32_t i = 0; i < b->ks->shard_n; i++) {
		for (uint32_t m = 0; m < b->shards[i].backend_n; m++)
			all[k++] = &b->shards[i].backends[m];
	}
	qsort(all, n, sizeof(*all), backend_name_order);
	for (k = 1; k < n && rc == 0; k++) {
		if (backend_name_order(&all[k - 1], &all[k]) == 0)
			rc = bad_backend(b, all[k], "name", "is also the name of the", all[k - 1]);
	}
	if (rc == 0)
		qsort(all, n, sizeof(*all), backend_place_order);
	for (k = 1; k < n && rc == 0; k++) {
		if (backend_place_order(&all[k - 1], &all[k]) == 0)
			rc = bad_backend(b, all[k], all[k]->host.n ? "host" : "socket",
				"two shards need databases of their own (field database): same server and database as",
				all[k - 1]);
	}
	free(all);
	return rc;
}

static int parse_shards(struct building *b, const json_t *v)
{
	struct json_reader *r = b->r;
	size_t n = json_array_size(v), mark = reader_enter(r, "shards");
	uint64_t *first;
	int rc;

	if (!json_is_array(v) || n == 0 || n > MAP_SHARDS_MAX)
		return reader_bad(
			r, "%s an array of 1 to %d shards", v ? "must be" : "is missing; it is", MAP_SHARDS_MAX);
	if (!b->ks->sharded && n != 1)
		return reader_bad(r,
			"a keyspace without sharding has one shard with the range -; add the field sharding to "
			"have more");
	b->shards = arena_array(r->arena, struct shard, n);
	b->shard_field = arena_array(r->arena, uint32_t, n);
	first = arena_array(r->arena, uint64_t, n);
	b->ks->shards = b->shards;
	b->ks->shard_n = (uint32_t)n;
	b->ks->shard_first = first;
	for (size_t i = 0; i < n; i++) {
		size_t item = reader_enter_item(r, i);

		rc = parse_shard(b, json_array_get(v, i), &b->shards[i]);
		if (rc < 0)
			return rc;
		b->shards[i].index = (uint32_t)i;
		reader_leave(r, item);
	}
	qsort(b->shards, n, sizeof(*b->shards), shard_order);
	for (uint32_t i = 0; i < n; i++) {
		struct backend_def *d = (struct backend_def *)b->shards[i].backends;

		b->shard_field[i] = b->shards[i].index;
		b->shards[i].index = i;
		b->shards[i].keyspace = b->ks;
		first[i] = b->shards[i].range.first;
		for (uint32_t k = 0; k < b->shards[i].backend_n; k++)
			d[k].shard = &b->shards[i];
	}
	rc = check_ranges(b);
	if (rc == 0)
		rc = check_all_backends(b);
	reader_leave(r, mark);
	return rc;
}

static int parse_id(struct building *b, const json_t *v, struct table_rule *t)
{
	struct json_reader *r = b->r;
	size_t mark = reader_enter(r, "id");
	int rc = reader_object(r, v, "column allocator tag");

	if (rc == 0)
		rc = reader_text(r, v, "column", READER_REQUIRED, TEXT_DBNAME, &t->id_column);
	if (rc == 0)
		rc = reader_text(r, v, "allocator", READER_REQUIRED, TEXT_ID, &t->id_allocator);
	if (rc == 0)
		rc = reader_text(r, v, "tag", READER_OPTIONAL, TEXT_ANY, &t->id_tag);
	if (rc < 0)
		return rc;
	if (!t->id_tag.n)
		t->id_tag = str_of(arena_printf(r->arena, "%s.%s", b->ks->name.p, t->name.p));
	reader_leave(r, mark);
	return 0;
}

static int parse_pinned(struct building *b, const json_t *v, struct table_rule *t)
{
	struct json_reader *r = b->r;
	struct str name = { NULL, 0 };
	int rc = reader_text(r, v, "shard", READER_REQUIRED, TEXT_ANY, &name);

	if (rc < 0)
		return rc;
	t->shard = keyspace_shard_by_name(b->ks, name);
	return t->shard ? 0 : reader_bad_field(r, "shard", "no shard has the range " STR_FMT, STR_ARG(name));
}

static int parse_sharded(struct building *b, const json_t *v, struct table_rule *t)
{
	struct json_reader *r = b->r;
	int kind = (int)b->ks->fn->kind;
	int rc = reader_text(r, v, "key", READER_REQUIRED, TEXT_DBNAME, &t->key);

	if (rc == 0)
		rc = reader_choice(r, v, "function", READER_OPTIONAL, functions, &kind);
	if (rc < 0)
		return rc;
	if (kind == SHARDING_DIRECTORY && b->ks->fn->kind != SHARDING_DIRECTORY)
		return reader_bad_field(r, "function",
			"the keyspace has no directory; give sharding.function directory with its "
			"entries, and this function to the other tables");
	t->fn = &b->ks->fns[kind];
	return 0;
}

static int parse_table(struct building *b, const json_t *v, struct table_rule *t)
{
	/* by kind; the last row is for keyspaces without sharding */
	static const char *const known[] = { "kind key function id side_by", "kind id side_by", "kind shard id side_by",
		"id side_by" };
	struct json_reader *r = b->r;
	int kind = TABLE_SHARDED, rc;

	if (!b->ks->sharded) {
		t->kind = TABLE_PINNED;
		t->shard = &b->shards[0];
		rc = reader_object(r, v, known[3]);
	} else {
		rc = json_is_object(v) ? reader_choice(r, v, "kind", READER_OPTIONAL, table_kinds, &kind) : 0;
		if (rc == 0)
			rc = reader_object(r, v, known[kind]);
		t->kind = (enum table_kind)kind;
		if (rc == 0 && kind == TABLE_SHARDED)
			rc = parse_sharded(b, v, t);
		if (rc == 0 && kind == TABLE_PINNED)
			rc = parse_pinned(b, v, t);
	}
	if (rc == 0)
		rc = reader_text(r, v, "side_by", READER_OPTIONAL, TEXT_DBNAME, &t->side_by);
	if (rc == 0 && json_object_get(v, "id"))
		rc = parse_id(b, json_object_get(v, "id"), t);
	return rc;
}

static int rule_order(const void *a, const void *b)
{
	return strcmp(((const struct table_rule *)a)->name.p, ((const struct table_rule *)b)->name.p);
}

static int parse_tables(struct building *b, const json_t *v)
{
	struct json_reader *r = b->r;
	size_t n = json_object_size(v), mark = reader_enter(r, "tables"), i = 0;
	const char *key;
	json_t *table;
	int rc;

	if (!v) {
		reader_leave(r, mark);
		return 0;
	}
	if (!json_is_object(v) || n > MAP_TABLES_MAX)
		return reader_bad(r, "must be an object of at most %d tables by name", MAP_TABLES_MAX);
	b->tables = arena_array(r->arena, struct table_rule, n);
	b->ks->tables = b->tables;
	b->ks->table_n = (uint32_t)n;
	json_object_foreach((json_t *)v, key, table)
	{
		size_t field = reader_enter(r, key);

		rc = reader_check_text(r, str_of(key), TEXT_DBNAME);
		if (rc < 0)
			return rc;
		b->tables[i].name = arena_str(r->arena, str_of(key));
		rc = parse_table(b, table, &b->tables[i++]);
		if (rc < 0)
			return rc;
		reader_leave(r, field);
	}
	qsort(b->tables, n, sizeof(*b->tables), rule_order);
	for (i = 0; i < n; i++)
		b->tables[i].index = (uint32_t)i;
	reader_leave(r, mark);
	return 0;
}

static int parse_default_table(struct building *b, const json_t *v)
{
	static const char *const pinned[] = { "pinned", NULL };
	struct json_reader *r = b->r;
	struct table_rule *t = arena_new(r->arena, struct table_rule);
	size_t mark = reader_enter(r, "default_table");
	int kind = 0, rc;

	t->kind = TABLE_PINNED;
	t->index = b->ks->table_n;
	t->name = STR("");
	if (!b->ks->sharded) {
		if (v)
			return reader_bad(r, "belongs to a keyspace with sharding");
		t->shard = &b->shards[0];
		b->ks->default_table = t;
	} else if (v) {
		rc = reader_object(r, v, "kind shard");
		if (rc == 0)
			rc = reader_choice(r, v, "kind", READER_REQUIRED, pinned, &kind);
		if (rc == 0)
			rc = parse_pinned(b, v, t);
		if (rc < 0)
			return rc;
		b->ks->default_table = t;
	}
	reader_leave(r, mark);
	return 0;
}

static int parse_head(struct building *b, const json_t *doc, struct str expect_name)
{
	struct json_reader *r = b->r;
	struct keyspace *ks = b->ks;
	int64_t epoch = 0;
	int rc = reader_object(r, doc, "keyspace epoch database sharding shards tables default_table");

	if (rc == 0)
		rc = reader_text(r, doc, "keyspace", READER_REQUIRED, TEXT_NAME, &ks->name);
	if (rc == 0)
		rc = reader_int(r, doc, "epoch", READER_REQUIRED, 1, INT64_MAX, &epoch);
	if (rc == 0)
		rc = reader_text(r, doc, "database", READER_OPTIONAL, TEXT_DBNAME, &ks->database);
	if (rc < 0)
		return rc;
	ks->epoch = (uint64_t)epoch;
	ks->everything = str_eqz(ks->name, "*");
	if (expect_name.n && !str_eq(expect_name, ks->name))
		return reader_bad_field(r, "keyspace",
			"is " STR_FMT ", but the document is stored under the name " STR_FMT, STR_ARG(ks->name),
			STR_ARG(expect_name));
	if (ks->everything) {
		static const char *const none[] = { "database", "sharding", "tables", "default_table" };

		for (size_t i = 0; i < ARRAY_N(none); i++) {
			if (json_object_get(doc, none[i]))
				return reader_bad_field(r, none[i],
					"the keyspace * passes every database of one server unchanged and has no such "
					"field");
		}
	} else if (!ks->database.n) {
		ks->database = ks->name;
	}
	return 0;
}

static int parse_document(struct building *b, const json_t *doc, struct str expect_name)
{
	int rc = parse_head(b, doc, expect_name);

	if (rc == 0 && json_object_get(doc, "sharding"))
		rc = parse_sharding(b, json_object_get(doc, "sharding"));
	if (rc == 0)
		rc = parse_shards(b, json_object_get(doc, "shards"));
	if (rc == 0)
		rc = parse_tables(b, json_object_get(doc, "tables"));
	if (rc == 0)
		rc = parse_default_table(b, json_object_get(doc, "default_table"));
	return rc;
}

int keyspace_parse(struct str document, struct str expect_name, struct keyspace **out, struct err *err)
{
	struct keyspace *ks;
	struct json_reader r = { .err = err };
	struct building b = { .r = &r };
	json_error_t why;
	json_t *doc;
	int rc;

	if (document.n > MAP_DOCUMENT_MAX)
		return reader_bad(&r, "has %zu bytes, more than %d", document.n, MAP_DOCUMENT_MAX);
	doc = json_loadb(document.n ? document.p : "", document.n, JSON_REJECT_DUPLICATES, &why);
	if (!doc)
		return reader_bad(&r, "is not JSON: line %d, column %d: %s", why.line, why.column, why.text);
	ks = xcalloc(1, sizeof(*ks));
	atomic_init(&ks->refs, 1);
	arena_init(&ks->arena);
	r.arena = &ks->arena;
	b.ks = ks;
	rc = parse_document(&b, doc, expect_name);
	json_decref(doc);
	if (rc < 0) {
		keyspace_unref(ks);
		return rc;
	}
	ks->document = arena_str(&ks->arena, document);
	*out = ks;
	return 0;
}
