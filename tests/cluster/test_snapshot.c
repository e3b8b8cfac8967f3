/* test_snapshot.c - schemas and snapshots: building, look-ups, how tables are routed, lifetimes.
 * For src/cluster/schema.c and snapshot.c.
 * One thread. */
#include <check.h>
#include <stdlib.h>
#include "keyway/cluster/snapshot.h"

static const char doc[] =
	"{\"keyspace\":\"k\",\"epoch\":1,\"sharding\":{\"function\":\"directory\",\"entries\":{\"7\":\"c0\"},"
	"\"fallback\":"
	"\"hash\"},\"shards\":[{\"range\":\"-\",\"backends\":[{\"name\":\"a\",\"host\":\"a\",\"role\":\"primary\"}]}],"
	"\"tables\":{\"Orders\":{\"key\":\"CUSTOMER\"},\"f\":{\"key\":\"x\"},\"gone\":{\"key\":\"x\"},\"v\":{\"key\":"
	"\"x\"},"
	"\"nocol\":{\"key\":\"y\"},\"txt\":{\"key\":\"x\",\"function\":\"range\"},\"ref\":{\"kind\":\"reference\"}}}";

static void add_table(struct schema_builder *b, const char *name, bool view, const char *column, enum column_type type)
{
	ck_assert_int_eq(schema_build_table(b, &(struct table){ .name = str_of(name), .view = view }), 0);
	ck_assert_int_eq(schema_build_column(b, &(struct column){ .name = str_of(column),
							.type = type,
							.length = 9,
							.length_bytes = 9,
							.collation = STR("latin1_bin") }),
		0);
}

static struct schema *schema_of(bool nocase)
{
	struct schema_builder *b = schema_build(nocase, STR("latin1"), STR("latin1_swedish_ci"));

	add_table(b, "v", true, "x", COLUMN_INT);
	add_table(b, "Orders", false, "id", COLUMN_BIGINT);
	ck_assert_int_eq(schema_build_column(
				 b, &(struct column){ .name = STR("Customer"), .type = COLUMN_INT, .nullable = true }),
		0);
	ck_assert_int_eq(schema_build_key_part(b, STR("PRIMARY"), true, STR("ID"), false), 0);
	ck_assert_int_eq(schema_build_key_part(b, STR("c"), false, STR("customer"), false), 0);
	ck_assert_int_eq(schema_build_key_part(b, STR("c"), false, STR(""), true), 0);
	ck_assert_int_lt(schema_build_key_part(b, STR("c"), false, STR("nope"), false), 0);
	add_table(b, "f", false, "x", COLUMN_FLOAT);
	add_table(b, "nocol", false, "x", COLUMN_INT);
	add_table(b, "txt", false, "x", COLUMN_VARCHAR);
	return schema_build_finish(b);
}

START_TEST(a_schema_is_looked_up_by_name)
{
	struct schema *s = schema_of(false), *low = schema_of(true);
	const struct table *t = schema_table(s, STR("Orders"));

	ck_assert_uint_eq(s->table_n, 5);
	ck_assert_uint_eq(t->column_n, 2);
	ck_assert_uint_eq(t->columns[1].index, 1);
	ck_assert_ptr_eq(table_column(t, STR("cusTOMER")), &t->columns[1]);
	ck_assert_ptr_null(table_column(t, STR("custom")));
	ck_assert_ptr_eq(t->primary_key->columns[0], &t->columns[0]);
	ck_assert_uint_eq(t->key_n, 2);
	ck_assert_ptr_null(t->keys[1].columns[1]);
	ck_assert(t->keys[1].prefix);
	ck_assert_ptr_null(schema_table(s, STR("orders")));
	ck_assert_ptr_null(schema_table(s, STR("")));
	ck_assert_ptr_nonnull(schema_table(low, STR("oRDERS")));
	ck_assert_int_eq(column_type_parse(STR("BIGINT")), COLUMN_BIGINT);
	ck_assert_int_eq(column_type_parse(STR("frob")), COLUMN_OTHER);
	schema_unref(s);
	schema_unref(low);
}
END_TEST

START_TEST(schemas_are_compared)
{
	struct schema *a = schema_of(false), *b = schema_of(false);
	struct schema_builder *sb = schema_build(false, STR("latin1"), STR("latin1_swedish_ci"));
	struct schema *c;
	char what[128];

	for (uint32_t i = 0; i < a->table_n; i++)
		ck_assert_int_eq(schema_build_copy(sb, &a->tables[i]), 0);
	c = schema_build_finish(sb);
	ck_assert(schema_same(a, b, NULL, 0));
	ck_assert(schema_same(a, c, NULL, 0));
	schema_unref(c);
	sb = schema_build(false, STR(""), STR(""));
	add_table(sb, "Orders", false, "id", COLUMN_BIGINT);
	c = schema_build_finish(sb);
	ck_assert(!schema_same(a, c, what, sizeof(what)));
	ck_assert_ptr_nonnull(strstr(what, "Orders"));
	schema_unref(a);
	schema_unref(b);
	schema_unref(c);
}
END_TEST

START_TEST(a_builder_given_up_leaks_nothing)
{
	struct schema_builder *b = schema_build(false, STR(""), STR(""));

	ck_assert_int_lt(schema_build_column(b, &(struct column){ .name = STR("x") }), 0);
	add_table(b, "t", false, "x", COLUMN_INT);
	ck_assert_int_eq(schema_build_key_part(b, STR("k"), false, STR("x"), false), 0);
	schema_build_free(b);
}
END_TEST

START_TEST(a_snapshot_knows_how_each_table_is_routed)
{
	static const struct {
		const char *table;
		enum table_key_state state;
		uint16_t errno_;
		const char *says;
	} rows[] = {
		{ "Orders", TABLE_KEY_OK, 0, "" },
		{ "f", TABLE_KEY_REFUSED, 1235, "column x of type" },
		{ "gone", TABLE_KEY_NO_TABLE, 1146, "Table 'k.gone' doesn't exist" },
		{ "v", TABLE_KEY_REFUSED, 1235, "is a view" },
		{ "nocol", TABLE_KEY_REFUSED, 1054, "Unknown column 'y'" },
		{ "txt", TABLE_KEY_REFUSED, 1235, "integer columns only" },
	};
	struct keyspace *ks = NULL;
	const struct schema *schema = schema_of(false), *none = NULL;
	const struct server_facts *facts = server_facts_new();
	struct key_value seven = key_value_int(7);
	const struct table_key *k;
	struct snapshot *s;
	struct map *m = NULL;
	struct err err;
	uint64_t id;

	ck_assert_int_eq(keyspace_parse(str_of(doc), STR("k"), &ks, &err), 0);
	ck_assert_int_eq(map_build(&ks, 1, &m, &err), 0);
	keyspace_unref(ks);
	s = snapshot_build(m, &schema, &facts, 5);
	map_unref(m);
	schema_unref(schema);
	server_facts_unref(facts);

	ck_assert_ptr_eq(snapshot_view(s, s->map->keyspaces[0]), &s->views[0]);
	ck_assert_ptr_eq(s->facts, facts);
	for (size_t i = 0; i < ARRAY_N(rows); i++) {
		k = view_table_key(&s->views[0], view_table_rule(&s->views[0], str_of(rows[i].table)));
		ck_assert_msg(k->state == rows[i].state, "%s: %s", rows[i].table, k->why.msg);
		ck_assert_uint_eq(k->why.errno_, rows[i].errno_);
		ck_assert_msg(strstr(k->why.msg, rows[i].says) != NULL, "%s", k->why.msg);
	}
	k = view_table_key(&s->views[0], view_table_rule(&s->views[0], STR("Orders")));
	ck_assert_str_eq(k->column->name.p, "Customer");
	ck_assert_int_eq(sharding_key_id(&k->key, ROUTE_COMPARE, &seven, &id, NULL), ROUTE_KEY);
	ck_assert_uint_eq(id, 0xc000000000000000);
	m = map_ref(s->map);
	snapshot_unref(snapshot_ref(s));
	snapshot_unref(s);

	facts = NULL;
	s = snapshot_build(m, &none, &facts, 6);
	k = view_table_key(&s->views[0], view_table_rule(&s->views[0], STR("Orders")));
	ck_assert_int_eq(k->state, TABLE_KEY_NO_TABLE);
	ck_assert_ptr_nonnull(strstr(k->why.msg, "try again"));
	ck_assert_ptr_null(view_table(&s->views[0], STR("Orders")));
	snapshot_unref(s);
	map_unref(m);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("snapshot");
	TCase *tc = tcase_create("all");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_test(tc, a_schema_is_looked_up_by_name);
	tcase_add_test(tc, schemas_are_compared);
	tcase_add_test(tc, a_builder_given_up_leaks_nothing);
	tcase_add_test(tc, a_snapshot_knows_how_each_table_is_routed);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
