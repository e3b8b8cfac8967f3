/* fuzz_map.c - any bytes as a map document: refused with a message, or a keyspace in which every key id has one shard
 * and that its own text makes again. For src/cluster/map_parse.c, map.c, keyrange.c. One thread. */
#include <stdlib.h>
#include "keyway/cluster/map.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

#define REQUIRE(x)               \
	do {                     \
		if (!(x))        \
			abort(); \
	} while (0)

static void check(struct keyspace *ks)
{
	struct str name = ks->name;
	uint64_t next = 0;
	struct target t;
	struct map *m = NULL;
	struct err err;

	for (uint32_t i = 0; i < ks->shard_n; i++) {
		const struct shard *s = &ks->shards[i];
		uint32_t primaries = 0;

		REQUIRE(s->range.first == next && s->index == i && s->keyspace == ks);
		REQUIRE(keyspace_shard_of(ks, s->range.first) == s && keyspace_shard_of(ks, s->range.last) == s);
		REQUIRE(keyspace_shard_by_name(ks, s->name) == s);
		for (uint32_t k = 0; k < s->backend_n; k++)
			primaries += s->backends[k].role == BACKEND_PRIMARY;
		REQUIRE(primaries == (s->kind == SHARD_PAIR ? 2 : 1) && s->primary);
		next = s->range.last + 1;
	}
	REQUIRE(next == 0);
	for (uint32_t i = 0; i < ks->table_n; i++) {
		const struct table_rule *r = &ks->tables[i];

		REQUIRE(keyspace_table(ks, r->name, false) == r && r->index == i);
		REQUIRE(r->kind != TABLE_SHARDED || (r->fn && r->key.n));
		REQUIRE(r->kind != TABLE_PINNED || r->shard);
	}
	REQUIRE(map_build(&ks, 1, &m, &err) == 0);
	if (!ks->everything) {
		REQUIRE(map_keyspace(m, name) == ks);
		REQUIRE(target_parse(m, name, &t, &err) == 0 && t.keyspace == ks && !t.shard);
	}
	map_unref(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct keyspace *ks = NULL, *again = NULL;
	struct err err = { 0 };
	struct keyrange r;
	const char *why;
	char out[KEYRANGE_TEXT_MAX];

	if (keyrange_parse(str_make((const char *)bytes, n), &r, &why) == 0)
		REQUIRE(keyrange_parse(str_of(keyrange_print(r, out)), &r, &why) == 0);
	if (keyspace_parse(str_make((const char *)bytes, n), STR(""), &ks, &err) < 0) {
		REQUIRE(err.kind == ERR_CONFIG && err.msg[0]);
		return 0;
	}
	check(ks);
	REQUIRE(keyspace_parse(ks->document, ks->name, &again, &err) == 0);
	REQUIRE(again->shard_n == ks->shard_n && again->table_n == ks->table_n && again->epoch == ks->epoch);
	keyspace_unref(again);
	keyspace_unref(ks);
	return 0;
}
