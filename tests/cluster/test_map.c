/* test_map.c - the shard map: the document of the manual, bad documents and the field each message names, look-ups,
 * target names. For src/cluster/map.c and map_parse.c.
 * One thread. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include "keyway/cluster/map.h"

static const char shop[] =
	"{\"keyspace\": \"shop\", \"epoch\": 12, \"database\": \"shop_db\","
	" \"sharding\": {\"function\": \"hash\"},"
	" \"shards\": ["
	"  {\"range\": \"80-\", \"kind\": \"pair\", \"home\": \"even\", \"database\": \"shop_2\", \"backends\": ["
	"   {\"name\": \"s2o\", \"host\": \"10.0.1.12\", \"port\": 3306, \"az\": \"use1-a\", \"side\": \"odd\"},"
	"   {\"name\": \"s2e\", \"host\": \"10.0.2.12\", \"port\": 3307, \"az\": \"use1-b\", \"side\": \"even\"}]},"
	"  {\"range\": \"-8000\", \"kind\": \"replicaset\", \"backends\": ["
	"   {\"name\": \"s1b\", \"socket\": \"/run/s1b.sock\", \"az\": \"use1-b\", \"role\": \"replica\", \"weight\": "
	"7},"
	"   {\"name\": \"s1a\", \"host\": \"10.0.1.11\", \"az\": \"use1-a\", \"role\": \"primary\"}]}],"
	" \"tables\": {"
	"  \"orders\": {\"key\": \"customer_id\", \"id\": {\"column\": \"order_id\", \"allocator\": \"main\"},"
	"    \"side_by\": \"order_id\"},"
	"  \"customer\": {\"kind\": \"sharded\", \"key\": \"customer_id\","
	"    \"id\": {\"column\": \"customer_id\", \"allocator\": \"main\", \"tag\": \"cust\"}},"
	"  \"item\": {\"key\": \"sku\", \"function\": \"parity\"},"
	"  \"country\": {\"kind\": \"reference\"},"
	"  \"settings\": {\"kind\": \"pinned\", \"shard\": \"-80\"}}}";

static struct keyspace *parse(const char *text)
{
	struct keyspace *ks = NULL;
	struct err err = { 0 };

	if (keyspace_parse(str_of(text), STR(""), &ks, &err) < 0)
		ck_abort_msg("%s\n%s", err.msg, text);
	return ks;
}

START_TEST(a_primary_may_be_whichever_is_writable)
{
	struct keyspace *ks = parse("{\"keyspace\":\"k\",\"epoch\":1,\"shards\":[{\"primary\":\"auto\",\"backends\":["
				    "{\"name\":\"a\",\"host\":\"h\",\"region\":\"use1\",\"state\":\"draining\"},"
				    "{\"name\":\"b\",\"host\":\"i\",\"role\":\"replica\"}]}]}");

	ck_assert(ks->shards[0].primary_auto);
	ck_assert_str_eq(ks->shards[0].primary->name.p, "a");
	ck_assert_str_eq(ks->shards[0].backends[0].region.p, "use1");
	ck_assert_int_eq(ks->shards[0].backends[0].state, BACKEND_DRAINING);
	ck_assert_int_eq(ks->shards[0].backends[0].role, BACKEND_REPLICA);
	ck_assert_int_eq(ks->shards[0].backends[1].state, BACKEND_SERVING);
	keyspace_unref(ks);
}
END_TEST

START_TEST(the_manuals_document_is_read)
{
	struct keyspace *ks = parse(shop);
	const struct table_rule *t;

	ck_assert_str_eq(ks->name.p, "shop");
	ck_assert_uint_eq(ks->epoch, 12);
	ck_assert(ks->sharded);
	ck_assert_int_eq(ks->fn->kind, SHARDING_HASH);
	ck_assert_uint_eq(ks->shard_n, 2);
	ck_assert_str_eq(ks->shards[0].name.p, "-80");
	ck_assert_str_eq(ks->shards[0].database.p, "shop_db");
	ck_assert_str_eq(ks->shards[0].primary->name.p, "s1a");
	ck_assert_uint_eq(ks->shards[0].primary->port, 3306);
	ck_assert_uint_eq(ks->shards[0].primary->weight, 100);
	ck_assert_str_eq(ks->shards[0].backends[0].socket.p, "/run/s1b.sock");
	ck_assert_uint_eq(ks->shards[0].backends[0].weight, 7);
	ck_assert_int_eq(ks->shards[0].backends[0].role, BACKEND_REPLICA);
	ck_assert_str_eq(ks->shards[1].database.p, "shop_2");
	ck_assert_int_eq(ks->shards[1].kind, SHARD_PAIR);
	ck_assert_str_eq(ks->shards[1].primary->name.p, "s2e");
	ck_assert_str_eq(ks->shards[1].sides[SIDE_ODD]->name.p, "s2o");
	ck_assert_ptr_eq(ks->shards[1].sides[SIDE_EVEN]->shard, &ks->shards[1]);

	t = keyspace_table(ks, STR("orders"), false);
	ck_assert_str_eq(t->key.p, "customer_id");
	ck_assert_ptr_eq(t->fn, ks->fn);
	ck_assert_str_eq(t->side_by.p, "order_id");
	ck_assert_str_eq(t->id_tag.p, "shop.orders");
	ck_assert_str_eq(keyspace_table(ks, STR("customer"), false)->id_tag.p, "cust");
	ck_assert_int_eq(keyspace_table(ks, STR("item"), false)->fn->kind, SHARDING_PARITY);
	ck_assert_int_eq(keyspace_table(ks, STR("country"), false)->kind, TABLE_REFERENCE);
	ck_assert_ptr_eq(keyspace_table(ks, STR("settings"), false)->shard, &ks->shards[0]);
	ck_assert_ptr_null(keyspace_table(ks, STR("Orders"), false));
	ck_assert_ptr_eq(keyspace_table(ks, STR("Orders"), true), t);
	ck_assert_ptr_null(keyspace_table(ks, STR("nope"), true));
	ck_assert_ptr_null(keyspace_table(ks, STR(""), false));
	for (uint32_t i = 0; i < ks->table_n; i++)
		ck_assert_uint_eq(ks->tables[i].index, i);
	keyspace_unref(ks);
}
END_TEST

START_TEST(an_unsharded_keyspace_needs_little)
{
	struct keyspace *ks =
		parse("{\"keyspace\":\"k\",\"epoch\":1,\"shards\":[{\"backends\":[{\"name\":\"a\",\"host\":\"::1\","
		      "\"role\":\"primary\"}]}],\"tables\":{\"t\":{\"id\":{\"column\":\"i\",\"allocator\":\"x\"}}}}");

	ck_assert(!ks->sharded);
	ck_assert_str_eq(ks->shards[0].database.p, "k");
	ck_assert_ptr_eq(keyspace_table(ks, STR("any"), false)->shard, &ks->shards[0]);
	ck_assert_str_eq(keyspace_table(ks, STR("t"), false)->id_column.p, "i");
	ck_assert_int_eq(keyspace_table(ks, STR("t"), false)->kind, TABLE_PINNED);
	ck_assert_ptr_null(keyspace_table_listed(ks, STR("any"), false));
	keyspace_unref(ks);
	ks = parse("{\"keyspace\":\"*\",\"epoch\":1,\"shards\":[{\"range\":\"-\",\"backends\":[{\"name\":\"a\","
		   "\"host\":\"h\","
		   "\"role\":\"primary\"}]}]}");
	ck_assert(ks->everything);
	ck_assert_uint_eq(ks->shards[0].database.n, 0);
	keyspace_unref(ks);
}
END_TEST

#define B(name)	      "{\"name\":\"" name "\",\"host\":\"" name "\",\"role\":\"primary\"}"
#define SHARD(r, b)   "{\"range\":\"" r "\",\"backends\":[" b "]}"
#define TWO	      SHARD("-80", B("a")) "," SHARD("80-", B("b"))
#define HASH	      "\"sharding\":{\"function\":\"hash\"}"
#define DOC(rest)     "{\"keyspace\":\"k\",\"epoch\":1," rest "}"
#define SHARDS(list)  DOC(HASH ",\"shards\":[" list "]")
#define ONE(backends) SHARDS("{\"range\":\"-\",\"backends\":[" backends "]}")
#define PAIR(b)	      SHARDS("{\"range\":\"-\",\"kind\":\"pair\",\"backends\":[" b "]}")
#define TABLES(list)  DOC(HASH ",\"shards\":[" TWO "],\"tables\":{" list "}")
#define FN(fn)	      DOC("\"sharding\":{" fn "},\"shards\":[" TWO "]")
#define BACKEND(f)    ONE("{\"name\":\"a\",\"host\":\"h\",\"role\":\"primary\"," f "}")

static const struct {
	const char *text;
	const char *field; /* the message begins with it */
	const char *says;  /* and holds this */
} bad[] = {
	{ "", "document", "is not JSON: line 1" },
	{ "{", "document", "is not JSON" },
	{ "[]", "document", "must be an object" },
	{ "null", "document", "is not JSON" },
	{ "{\"a\":1,\"a\":2}", "document", "duplicate" },
	{ "{\"keyspace\":\"\\u0000\"}", "document", "is not JSON" },
	{ "{\"keyspace\":\"\xff\"}", "document", "is not JSON" },
	{ "{} x", "document", "is not JSON" },
	{ "{}", "keyspace", "is missing" },
	{ "{\"keyspace\":7}", "keyspace", "must be a text" },
	{ "{\"keyspace\":\"\"}", "keyspace", "1 to 64" },
	{ "{\"keyspace\":\"a/b\"}", "keyspace", "no / and @" },
	{ "{\"keyspace\":\"a@replica\"}", "keyspace", "no / and @" },
	{ "{\"keyspace\":\"..\"}", "keyspace", "must be a name" },
	{ "{\"keyspace\":\"a\\n\"}", "keyspace", "no control" },
	{ "{\"keyspace\":\"a \"}", "keyspace", "no space at its end" },
	{ "{\"keyspace\":\"12345678901234567890123456789012345678901234567890123456789012345\"}", "keyspace",
		"1 to 64" },
	{ "{\"keyspace\":\"k\"}", "epoch", "is missing" },
	{ "{\"keyspace\":\"k\",\"epoch\":0}", "epoch", "from 1" },
	{ "{\"keyspace\":\"k\",\"epoch\":-3}", "epoch", "from 1" },
	{ "{\"keyspace\":\"k\",\"epoch\":1.5}", "epoch", "whole number" },
	{ "{\"keyspace\":\"k\",\"epoch\":\"1\"}", "epoch", "whole number" },
	{ "{\"keyspace\":\"k\",\"epoch\":99999999999999999999}", "document", "is not JSON" },
	{ "{\"keyspace\":\"k\",\"epoch\":1}", "shards", "is missing" },
	{ DOC("\"version\":2"), "version", "unknown field; known here: keyspace epoch" },
	{ DOC("\"we\\\"ird\\n\":2"), "[\"we\\x22ird\\x0a\"]", "unknown field" },
	{ DOC("\"database\":\"\",\"shards\":[" SHARD("-", B("a")) "]"), "database", "1 to 64" },
	{ DOC("\"shards\":{}"), "shards", "must be an array" },
	{ DOC("\"shards\":[]"), "shards", "1 to 4096" },
	{ DOC("\"shards\":[7]"), "shards[0]", "must be an object" },
	{ DOC("\"shards\":[" TWO "]"), "shards", "without sharding" },
	{ DOC("\"shards\":[" SHARD("-80", B("a")) "]"), "shards[0].range", "without sharding" },
	{ BACKEND("\"state\":\"off\""), "shards[0].backends[0].state", "\"drained\"" },
	{ BACKEND("\"state\":\"drained\""), "shards[0].backends[0].state", "keywayctl switchover" },
	{ BACKEND("\"region\":7"), "shards[0].backends[0].region", "must be a text" },
	{ SHARDS("{\"range\":\"-\",\"primary\":\"none\",\"backends\":[" B("a") "]}"), "shards[0].primary", "\"auto\"" },
	{ SHARDS("{\"range\":\"-\",\"kind\":\"pair\",\"primary\":\"auto\",\"backends\":[]}"), "shards[0].primary",
		"belongs to a replica set" },
	{ PAIR("{\"name\":\"a\",\"host\":\"h\",\"side\":\"odd\",\"state\":\"drained\"},"
	       "{\"name\":\"b\",\"host\":\"i\",\"side\":\"even\",\"state\":\"draining\"}"),
		"shards[0].backends", "neither side of the pair serves" },
	{ FN("\"function\":\"md5\""), "sharding.function", "\"vitess_hash\"" },
	{ FN("\"fn\":\"hash\""), "sharding.fn", "unknown field" },
	{ FN("\"function\":\"hash\",\"entries\":{\"1\":\"40\"}"), "sharding.entries",
		"belongs to the function directory" },
	{ FN("\"function\":\"hash\",\"fallback\":\"hash\""), "sharding.fallback", "belongs to" },
	{ FN("\"function\":\"directory\""), "sharding.entries", "is missing" },
	{ FN("\"function\":\"directory\",\"entries\":{}"), "sharding.entries", "1 to 262144" },
	{ FN("\"function\":\"directory\",\"entries\":{\"a\":\"4\"}"), "sharding.entries.a", "key id" },
	{ FN("\"function\":\"directory\",\"entries\":{\"a b\":7}"), "sharding.entries[\"a b\"]", "key id" },
	{ FN("\"function\":\"directory\",\"entries\":{\"a\":\"40\"},\"fallback\":\"directory\""), "sharding.fallback",
		"another function" },
	{ DOC("\"sharding\":\"hash\""), "sharding", "must be an object" },
	{ DOC("\"sharding\":null"), "sharding", "must be an object" },
	{ SHARDS("{\"backends\":[" B("a") "]}"), "shards[0].range", "is missing" },
	{ SHARDS("{\"range\":80,\"backends\":[" B("a") "]}"), "shards[0].range", "must be a text" },
	{ SHARDS(SHARD("80", B("a"))), "shards[0].range", "start-end" },
	{ SHARDS(SHARD("-8", B("a"))), "shards[0].range", "whole bytes" },
	{ SHARDS(SHARD("-zz", B("a"))), "shards[0].range", "hexadecimal" },
	{ SHARDS(SHARD("80-40", B("a"))), "shards[0].range", "above the start" },
	{ SHARDS(SHARD("40-40", B("a"))), "shards[0].range", "above the start" },
	{ SHARDS(SHARD("-112233445566778899", B("a"))), "shards[0].range", "2 to 16 digits" },
	{ SHARDS(SHARD("..10", B("a")) "," SHARD("10..", B("b"))), "shards[0].range", "function range" },
	{ SHARDS(SHARD("-80", B("a"))), "shards", "8000000000000000 up belong to no shard" },
	{ SHARDS(SHARD("80-", B("a"))), "shards", "0000000000000000 up to the shard 80-" },
	{ SHARDS(SHARD("-40", B("a")) "," SHARD("80-", B("b"))), "shards", "4000000000000000 up to the shard 80-" },
	{ SHARDS(SHARD("40-", B("b")) "," SHARD("-80", B("a"))), "shards[0].range", "overlaps the shard -80" },
	{ SHARDS(SHARD("-", B("b")) "," SHARD("-", B("a"))), "shards[1].range", "overlaps" },
	{ SHARDS("{\"range\":\"-\",\"kind\":\"galera\",\"backends\":[]}"), "shards[0].kind",
		"\"replicaset\", \"pair\"" },
	{ SHARDS("{\"range\":\"-\",\"home\":\"odd\",\"backends\":[" B("a") "]}"), "shards[0].home", "kind pair" },
	{ SHARDS("{\"range\":\"-\",\"name\":\"x\",\"backends\":[" B("a") "]}"), "shards[0].name", "unknown field" },
	{ SHARDS("{\"range\":\"-\"}"), "shards[0].backends", "is missing" },
	{ ONE(""), "shards[0].backends", "1 to 64" },
	{ ONE("\"a\""), "shards[0].backends[0]", "must be an object" },
	{ ONE("{}"), "shards[0].backends[0].name", "is missing" },
	{ ONE("{\"name\":\"a b\"}"), "shards[0].backends[0].name", "letters, digits" },
	{ ONE("{\"name\":\"a\",\"role\":\"primary\"}"), "shards[0].backends[0].host", "is missing" },
	{ ONE("{\"name\":\"a\",\"host\":\"h h\",\"role\":\"primary\"}"), "shards[0].backends[0].host", "IP address" },
	{ ONE("{\"name\":\"a\",\"host\":\"h\"}"), "shards[0].backends[0].role", "is missing" },
	{ ONE("{\"name\":\"a\",\"host\":\"h\",\"role\":\"master\"}"), "shards[0].backends[0].role", "\"primary\"" },
	{ ONE("{\"name\":\"a\",\"socket\":\"x.sock\",\"role\":\"primary\"}"), "shards[0].backends[0].socket",
		"absolute" },
	{ ONE("{\"name\":\"a\",\"socket\":\"/x\",\"port\":3306,\"role\":\"primary\"}"), "shards[0].backends[0].port",
		"no port" },
	{ BACKEND("\"port\":0"), "shards[0].backends[0].port", "1 to 65535" },
	{ BACKEND("\"port\":65536"), "shards[0].backends[0].port", "1 to 65535" },
	{ BACKEND("\"port\":\"3306\""), "shards[0].backends[0].port", "whole number" },
	{ BACKEND("\"weight\":1001"), "shards[0].backends[0].weight", "0 to 1000" },
	{ BACKEND("\"weight\":-1"), "shards[0].backends[0].weight", "0 to 1000" },
	{ BACKEND("\"az\":7"), "shards[0].backends[0].az", "must be a text" },
	{ BACKEND("\"side\":\"odd\""), "shards[0].backends[0].side", "unknown field" },
	{ BACKEND("\"socket\":\"/x\""), "shards[0].backends[0].host", "not both" },
	{ ONE("{\"name\":\"a\",\"host\":\"h\",\"role\":\"replica\"}"), "shards[0].backends", "here are 0" },
	{ ONE(B("a") "," B("b")), "shards[0].backends", "here are 2" },
	{ ONE(B("a") ",{\"name\":\"b\",\"host\":\"a\",\"role\":\"replica\"}"), "shards[0].backends[1]", "same server" },
	{ SHARDS(SHARD("-80", B("a")) "," SHARD("80-", "{\"name\":\"a\",\"host\":\"x\",\"role\":\"primary\"}")),
		"shards[1].backends[0].name", "is also the name" },
	{ SHARDS(SHARD("-80", B("a")) "," SHARD("80-", "{\"name\":\"b\",\"host\":\"a\",\"role\":\"primary\"}")),
		"shards[1].backends[0].host", "databases of their own" },
	{ PAIR("{\"name\":\"a\",\"host\":\"a\",\"side\":\"odd\"}"), "shards[0].backends", "exactly two" },
	{ PAIR("{\"name\":\"a\",\"host\":\"a\",\"side\":\"odd\"},{\"name\":\"b\",\"host\":\"b\",\"side\":\"odd\"}"),
		"shards[0].backends", "exactly two" },
	{ PAIR("{\"name\":\"a\",\"host\":\"a\",\"role\":\"primary\"}"), "shards[0].backends[0].role", "unknown field" },
	{ PAIR("{\"name\":\"a\",\"host\":\"a\"}"), "shards[0].backends[0].side", "is missing" },
	{ PAIR("{\"name\":\"a\",\"host\":\"a\",\"side\":\"left\"}"), "shards[0].backends[0].side",
		"\"even\", \"odd\"" },
	{ DOC(HASH ",\"shards\":[" TWO "],\"tables\":[]"), "tables", "must be an object" },
	{ TABLES("\"\":{\"key\":\"a\"}"), "tables[\"\"]", "must be a name" },
	{ TABLES("\"t\":7"), "tables.t", "must be an object" },
	{ TABLES("\"t\":{}"), "tables.t.key", "is missing" },
	{ TABLES("\"t\":{\"kind\":\"broadcast\"}"), "tables.t.kind", "\"reference\"" },
	{ TABLES("\"t\":{\"key\":\"\"}"), "tables.t.key", "1 to 64" },
	{ TABLES("\"t\":{\"key\":[\"a\",\"b\"]}"), "tables.t.key", "must be a text" },
	{ TABLES("\"t\":{\"key\":\"a\",\"function\":\"x\"}"), "tables.t.function", "one of" },
	{ TABLES("\"t\":{\"key\":\"a\",\"function\":\"directory\"}"), "tables.t.function", "no directory" },
	{ TABLES("\"t\":{\"key\":\"a\",\"shard\":\"-80\"}"), "tables.t.shard", "unknown field" },
	{ TABLES("\"t\":{\"kind\":\"reference\",\"key\":\"a\"}"), "tables.t.key", "unknown field" },
	{ TABLES("\"t\":{\"kind\":\"pinned\"}"), "tables.t.shard", "is missing" },
	{ TABLES("\"t\":{\"kind\":\"pinned\",\"shard\":\"-40\"}"), "tables.t.shard", "no shard has the range -40" },
	{ TABLES("\"t\":{\"key\":\"a\",\"id\":{}}"), "tables.t.id.column", "is missing" },
	{ TABLES("\"t\":{\"key\":\"a\",\"id\":{\"column\":\"a\"}}"), "tables.t.id.allocator", "is missing" },
	{ TABLES("\"t\":{\"key\":\"a\",\"id\":{\"column\":\"a\",\"allocator\":\"m\",\"block\":5}}"),
		"tables.t.id.block", "unknown field" },
	{ TABLES("\"t\":{\"key\":\"a\",\"id\":\"a\"}"), "tables.t.id", "must be an object" },
	{ TABLES("\"t\":{\"key\":\"a\",\"side_by\":1}"), "tables.t.side_by", "must be a text" },
	{ DOC(HASH ",\"shards\":[" TWO "],\"default_table\":{\"kind\":\"reference\",\"shard\":\"-80\"}"),
		"default_table.kind", "one of \"pinned\"" },
	{ DOC(HASH ",\"shards\":[" TWO "],\"default_table\":{\"kind\":\"pinned\",\"shard\":\"-\"}"),
		"default_table.shard", "no shard has" },
	{ DOC("\"shards\":[" SHARD("-", B("a")) "],\"tables\":{\"t\":{\"key\":\"a\"}}"), "tables.t.key",
		"unknown field" },
	{ DOC("\"shards\":[" SHARD("-", B("a")) "],\"default_table\":{\"kind\":\"pinned\",\"shard\":\"-\"}"),
		"default_table", "with sharding" },
	{ "{\"keyspace\":\"*\",\"epoch\":1,\"database\":\"d\"}", "database", "no such field" },
	{ "{\"keyspace\":\"*\",\"epoch\":1," HASH "}", "sharding", "no such field" },
	{ "{\"keyspace\":\"*\",\"epoch\":1,\"tables\":{}}", "tables", "no such field" },
	{ "{\"keyspace\":\"*\",\"epoch\":1,\"shards\":[{\"database\":\"d\",\"backends\":[" B("a") "]}]}",
		"shards[0].database", "under its own name" },
};

START_TEST(a_bad_document_is_refused_and_the_field_named)
{
	struct keyspace *ks = NULL;
	struct err err = { 0 };
	size_t n = strlen(bad[_i].field);

	ck_assert_int_eq(keyspace_parse(str_of(bad[_i].text), STR(""), &ks, &err), ERR_CONFIG);
	ck_assert_msg(strncmp(err.msg, bad[_i].field, n) == 0 && strncmp(err.msg + n, ": ", 2) == 0,
		"%s\nexpected %s: in\n%s", err.msg, bad[_i].field, bad[_i].text);
	ck_assert_msg(strstr(err.msg, bad[_i].says) != NULL, "%s\nexpected: %s", err.msg, bad[_i].says);
	ck_assert_ptr_null(ks);
}
END_TEST

START_TEST(every_truncation_and_a_deep_document_are_refused)
{
	struct keyspace *ks = NULL;
	char *deep = malloc(100001);

	for (size_t n = 0; n < sizeof(shop) - 1; n++)
		ck_assert_int_lt(keyspace_parse(str_make(shop, n), STR(""), &ks, NULL), 0);
	memset(deep, '[', 100000);
	ck_assert_int_lt(keyspace_parse(str_make(deep, 100000), STR(""), &ks, NULL), 0);
	free(deep);
}
END_TEST

START_TEST(a_name_that_is_not_the_expected_one_is_refused)
{
	struct keyspace *ks = NULL;
	struct err err;

	ck_assert_int_lt(keyspace_parse(str_of(shop), STR("other"), &ks, &err), 0);
	ck_assert_int_eq(strncmp(err.msg, "keyspace: ", 10), 0);
	ck_assert_int_eq(keyspace_parse(str_of(shop), STR("shop"), &ks, &err), 0);
	keyspace_unref(ks);
}
END_TEST

START_TEST(every_key_id_has_its_shard)
{
	char text[65536];
	int n = snprintf(text, sizeof(text), "{\"keyspace\":\"k\",\"epoch\":1," HASH ",\"shards\":[");
	struct keyspace *ks;
	uint32_t first, last;

	for (int i = 0; i < 256; i++) {
		char start[3] = "", end[3] = "";

		if (i)
			snprintf(start, sizeof(start), "%02x", (unsigned)i);
		if (i < 255)
			snprintf(end, sizeof(end), "%02x", (unsigned)i + 1);
		n += snprintf(text + n, sizeof(text) - (size_t)n,
			"%s{\"range\":\"%s-%s\",\"backends\":[{\"name\":\"b%d\",\"host\":\"h%d\",\"role\":\"primary\"}]"
			"}",
			i ? "," : "", start, end, i, i);
	}
	snprintf(text + n, sizeof(text) - (size_t)n, "]}");
	ks = parse(text);
	for (uint64_t i = 0; i < 256; i++) {
		ck_assert_uint_eq(keyspace_shard_of(ks, i << 56)->index, i);
		ck_assert_uint_eq(keyspace_shard_of(ks, i << 56 | 0xffffffffffffff)->index, i);
	}
	keyspace_shards_in(ks, (struct keyrange){ 0x10ffffffffffffff, 0x2000000000000000 }, &first, &last);
	ck_assert_uint_eq(first, 0x10);
	ck_assert_uint_eq(last, 0x20);
	ck_assert_ptr_eq(keyspace_shard_by_name(ks, STR("4000-41")), &ks->shards[0x40]);
	ck_assert_ptr_null(keyspace_shard_by_name(ks, STR("40-42")));
	ck_assert_ptr_null(keyspace_shard_by_name(ks, STR("nonsense")));
	keyspace_unref(ks);
}
END_TEST

static struct map *map_of(const char *a, const char *b)
{
	struct keyspace *list[2] = { parse(a), parse(b) };
	struct map *m = NULL;
	struct err err;

	ck_assert_int_eq(map_build(list, 2, &m, &err), 0);
	keyspace_unref(list[0]);
	keyspace_unref(list[1]);
	return m;
}

static const char everything[] = "{\"keyspace\":\"*\",\"epoch\":1,\"shards\":[{\"backends\":[" B("z") "]}]}";
static const char plain[] = "{\"keyspace\":\"plain\",\"epoch\":1,\"shards\":[{\"backends\":[" B("z") "]}]}";

START_TEST(target_names_are_understood)
{
	static const struct {
		const char *text, *keyspace, *shard, *database;
		enum target_role role;
	} rows[] = {
		{ "shop", "shop", NULL, "shop", TARGET_PRIMARY },
		{ "shop/-80", "shop", "-80", "shop", TARGET_PRIMARY },
		{ "shop/8000-", "shop", "80-", "shop", TARGET_PRIMARY },
		{ "shop@replica", "shop", NULL, "shop", TARGET_REPLICA },
		{ "shop@REPLICA", "shop", NULL, "shop", TARGET_REPLICA },
		{ "shop@primary", "shop", NULL, "shop", TARGET_PRIMARY },
		{ "shop/-80@replica", "shop", "-80", "shop", TARGET_REPLICA },
		{ "other", "*", NULL, "other", TARGET_PRIMARY },
		{ "other@replica", "*", NULL, "other", TARGET_REPLICA },
		{ "a/b", "*", NULL, "a/b", TARGET_PRIMARY },
		{ "@replica", "*", NULL, "@replica", TARGET_PRIMARY },
		{ "*", "*", NULL, "*", TARGET_PRIMARY },
	};
	struct map *m = map_of(shop, everything), *strict = map_of(shop, plain);
	struct target t;
	struct err err;

	for (size_t i = 0; i < ARRAY_N(rows); i++) {
		ck_assert_int_eq(target_parse(m, str_of(rows[i].text), &t, &err), 0);
		ck_assert_str_eq(t.keyspace->name.p, rows[i].keyspace);
		ck_assert(str_eqz(t.database, rows[i].database));
		ck_assert_int_eq(t.role, rows[i].role);
		ck_assert_int_eq(t.shard != NULL, rows[i].shard != NULL);
		if (t.shard)
			ck_assert_str_eq(t.shard->name.p, rows[i].shard);
	}
	ck_assert_int_eq(target_parse(m, STR("shop/-40"), &t, &err), ERR_NAME);
	ck_assert_int_eq(err.errno_, 1049);
	ck_assert_int_eq(target_parse(m, STR(""), &t, &err), ERR_NAME);
	ck_assert_int_eq(target_parse(strict, STR("other"), &t, &err), ERR_NAME);
	ck_assert_str_eq(err.msg, "Unknown database 'other'");
	ck_assert_int_eq(target_parse(strict, STR("shop/"), &t, &err), ERR_NAME);
	ck_assert_int_eq(target_parse(strict, STR("*"), &t, &err), ERR_NAME);
	ck_assert_int_eq(target_parse(strict, STR("plain/-"), &t, &err), 0);
	map_unref(m);
	map_unref(strict);
}
END_TEST

START_TEST(two_keyspaces_of_one_name_are_refused)
{
	struct keyspace *list[2] = { parse(plain), parse(plain) };
	struct map *m = NULL;
	struct err err;

	ck_assert_int_eq(map_build(list, 2, &m, &err), ERR_CONFIG);
	keyspace_unref(list[0]);
	keyspace_unref(list[1]);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("map");
	TCase *tc = tcase_create("all");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_test(tc, the_manuals_document_is_read);
	tcase_add_test(tc, a_primary_may_be_whichever_is_writable);
	tcase_add_test(tc, an_unsharded_keyspace_needs_little);
	tcase_add_loop_test(tc, a_bad_document_is_refused_and_the_field_named, 0, (int)ARRAY_N(bad));
	tcase_add_test(tc, every_truncation_and_a_deep_document_are_refused);
	tcase_add_test(tc, a_name_that_is_not_the_expected_one_is_refused);
	tcase_add_test(tc, every_key_id_has_its_shard);
	tcase_add_test(tc, target_names_are_understood);
	tcase_add_test(tc, two_keyspaces_of_one_name_are_refused);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
