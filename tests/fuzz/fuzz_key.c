/* fuzz_key.c - any bytes as the value of a shard key, of every key type and as every kind of value: no crash, and equal
 * answers for a value with spaces that padding collations do not see. For src/cluster/key_canonical.c, collation.c.
 * One thread. */
#include <stdlib.h>
#include "keyway/cluster/schema.h"
#include "keyway/cluster/sharding.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

#define REQUIRE(x)               \
	do {                     \
		if (!(x))        \
			abort(); \
	} while (0)

static const struct column columns[] = {
	{ .name = { "k", 1 }, .type = COLUMN_TINYINT },
	{ .name = { "k", 1 }, .type = COLUMN_BIGINT, .is_unsigned = true },
	{ .name = { "k", 1 }, .type = COLUMN_DECIMAL, .precision = 65, .scale = 30 },
	{ .name = { "k", 1 }, .type = COLUMN_DATE },
	{ .name = { "k", 1 }, .type = COLUMN_DATETIME, .scale = 6 },
	{ .name = { "k", 1 }, .type = COLUMN_BINARY, .length = 8 },
	{ .name = { "k", 1 },
		.type = COLUMN_VARCHAR,
		.length = 4000,
		.length_bytes = 16000,
		.collation = { "utf8mb4_general_ci", 18 } },
	{ .name = { "k", 1 },
		.type = COLUMN_VARCHAR,
		.length = 4000,
		.length_bytes = 16000,
		.collation = { "utf8mb4_unicode_ci", 18 } },
	{ .name = { "k", 1 },
		.type = COLUMN_CHAR,
		.length = 255,
		.length_bytes = 255,
		.collation = { "latin1_swedish_ci", 17 } },
	{ .name = { "k", 1 },
		.type = COLUMN_VARCHAR,
		.length = 20,
		.length_bytes = 80,
		.collation = { "utf8mb4_0900_ai_ci", 18 } },
};

static void try_padding(const struct sharding_key *key, const struct key_value *v, uint64_t id)
{
	char padded[512];
	struct key_value longer = *v;
	uint64_t other;

	if (key->type.family != KEY_TEXT || v->kind != KEY_VALUE_TEXT || v->text.n > 500 ||
		strcmp(collation_name(key->type.collation), "utf8mb4_0900_ai_ci") == 0)
		return;
	memcpy(padded, v->text.p, v->text.n);
	memset(padded + v->text.n, ' ', 3);
	longer.text = str_make(padded, v->text.n + 3);
	REQUIRE(sharding_key_id(key, ROUTE_COMPARE, &longer, &other, NULL) == ROUTE_KEY && other == id);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	static const struct sharding_fn hash = { .kind = SHARDING_HASH };
	struct key_value v = key_value_null();
	struct sharding_key key;
	struct key_type type;
	struct keyrange span;
	uint64_t id;

	if (n < 2)
		return 0;
	REQUIRE(key_type_of_column(&columns[bytes[0] % ARRAY_N(columns)], &type, NULL) == 0);
	REQUIRE(sharding_key_init(&key, &hash, &type, NULL) == 0);
	v.kind = (enum key_value_kind)(bytes[1] % (KEY_VALUE_OTHER + 1));
	v.charset = (enum charset)(bytes[1] / 8 % (CHARSET_UTF8MB4 + 1));
	bytes += 2;
	n -= 2;
	if (v.kind == KEY_VALUE_DECIMAL || v.kind == KEY_VALUE_TEXT)
		v.text = str_make((const char *)bytes, n);
	else
		memcpy(&v.u64, bytes, MIN(n, sizeof(v.u64)));
	for (int use = ROUTE_COMPARE; use <= ROUTE_STORE; use++) {
		enum route_result rc = sharding_key_id(&key, (enum route_use)use, &v, &id, NULL);

		REQUIRE(rc >= ROUTE_KEY && rc <= ROUTE_NULL);
		if (rc == ROUTE_KEY)
			try_padding(&key, &v, id);
	}
	(void)sharding_side(&v);
	if (type.family == KEY_INT && sharding_key_span(&key, &v, false, &v, false, &span) == ROUTE_KEY)
		REQUIRE(span.first <= span.last);
	sharding_key_free(&key);
	return 0;
}
