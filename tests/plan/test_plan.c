/* test_plan.c - what text cases do not show: the cache, one plan for many texts of a digest, bounds of size and depth.
 * For src/plan. One thread. */
#include <check.h>
#include "keyway/plan/plan.h"
#include "keyway/sql/lit.h"
#include "keyway/sql/scan.h"
#include "world.h"

static struct world world;
static struct scan scan;
static struct scan_mode mode = { .seed = 3, .server_version = 101100, .family = SCAN_MARIADB };

static void setup(void)
{
	memset(&world, 0, sizeof(world));
	world_read(&world, SOURCE_ROOT "/tests/plan/cases/world.txt");
	scan_init(&scan);
}

static void teardown(void)
{
	scan_free(&scan);
	world_free(&world);
}

static struct plan *build(const char *text)
{
	struct plan_request rq = { .text = str_of(text),
		.scan = &scan,
		.mode = &mode,
		.snapshot = world.snapshot,
		.ks = map_keyspace(world.map, STR("shop")),
		.db = STR("shop") };
	struct err err = { 0 };
	struct plan *p;

	ck_assert_int_eq(sql_scan(&scan, rq.text, &mode, &err), 0);
	ck_assert_int_eq(plan_build(&rq, &p, &err), 0);
	return p;
}

static uint32_t bind(const struct plan *p, const char *text, uint16_t *shards)
{
	struct plan_values v = { .text = str_of(text), .scan = &scan, .mode = &mode, .charset = CHARSET_UTF8MB4 };
	struct plan_target t = { .shards = shards };
	struct err err = { 0 };

	ck_assert_int_eq(sql_scan(&scan, v.text, &mode, &err), 0);
	ck_assert_msg(plan_bind(p, &v, &t, &err) == 0, "%s", err.msg);
	return t.n;
}

START_TEST(one_plan_serves_all_texts_of_its_digest)
{
	struct plan *p = build("SELECT * FROM orders WHERE customer_id = 5");
	uint16_t shards[8];

	ck_assert_uint_eq(bind(p, "select * from orders where customer_id=250 -- x", shards), 1);
	ck_assert_uint_eq(shards[0], 2);
	ck_assert_uint_eq(bind(p, "/* c */ SELECT *\nFROM orders WHERE customer_id = 1000000", shards), 1);
	ck_assert_uint_eq(shards[0], 3);
	plan_unref(p);
}
END_TEST

START_TEST(folded_rows_share_a_plan)
{
	struct plan *p = build("INSERT INTO item (customer_id, order_id) VALUES (1, 1), (2, 2)");
	struct plan_insert_run run = { 0 };
	struct buf text = { 0 };
	struct plan_values v = { .scan = &scan, .mode = &mode, .charset = CHARSET_UTF8MB4 };
	struct err err = { 0 };
	uint32_t rows = 0;

	ck_assert_int_eq(p->kind, PLAN_INSERT);
	buf_addz(&text, "INSERT INTO item (customer_id, order_id) VALUES ");
	for (int i = 0; i < 5000; i++)
		buf_addf(&text, "%s(%d, %d)", i ? "," : "", i % 400, i);
	v.text = str_make((const char *)buf_head(&text), buf_used(&text));
	ck_assert_int_eq(sql_scan(&scan, v.text, &mode, &err), 0);
	ck_assert_int_eq(plan_insert_open(p, &v, &run, &err), 0);
	ck_assert_int_eq(plan_insert_split(p, &v, &run, NULL, &err), 0);
	ck_assert_uint_eq(run.n_rows, 5000);
	ck_assert_uint_eq(run.n_parts, 4);
	for (uint32_t i = 0; i < run.n_parts; i++) {
		struct buf out = { 0 };

		rows += run.parts[i].n_rows;
		ck_assert_int_eq(plan_insert_text(p, &v, &run, NULL, i, NULL, &out, &err), 0);
		ck_assert_int_eq(
			sql_scan(&scan, str_make((const char *)buf_head(&out), buf_used(&out)), &mode, &err), 0);
		ck_assert_uint_eq(scan.n_rows, run.parts[i].n_rows);
		ck_assert_int_eq(sql_scan(&scan, v.text, &mode, &err), 0);
		buf_free(&out);
	}
	ck_assert_uint_eq(rows, 5000);
	plan_insert_run_free(&run);
	buf_free(&text);
	plan_unref(p);
}
END_TEST

static struct plan_cache_key key_of(uint64_t n)
{
	return (struct plan_cache_key){ .digest = { n * 0x9e3779b97f4a7c15u, n }, .generation = n % 2 };
}

START_TEST(the_cache_keeps_what_is_used)
{
	struct plan_cache *c = plan_cache_new(8);
	struct plan *p = build("SELECT 1"), *hot = build("SELECT 2, 3");
	struct plan_cache_key hot_key = key_of(1000000);
	struct plan_cache_stats st;

	plan_cache_put(c, &hot_key, hot);
	for (uint64_t i = 0; i < 1000; i++) {
		struct plan_cache_key k = key_of(i);

		ck_assert_ptr_null(plan_cache_get(c, &k));
		plan_cache_put(c, &k, p);
		ck_assert_ptr_eq(plan_cache_get(c, &k), p);
		ck_assert_ptr_eq(plan_cache_get(c, &hot_key), hot);
	}
	plan_cache_stats(c, &st);
	ck_assert_uint_eq(st.plans, 8);
	ck_assert_uint_eq(st.hits, 2000);
	ck_assert_uint_eq(st.misses, 1000);
	ck_assert_uint_eq(st.evictions, 1001 - 8);
	ck_assert_uint_eq(p->refs, 8);
	plan_cache_purge(c, 0);
	plan_cache_stats(c, &st);
	ck_assert_uint_eq(p->refs + hot->refs, 2 + st.plans);
	ck_assert_ptr_eq(plan_cache_get(c, &hot_key), hot);
	plan_cache_purge(c, 7);
	plan_cache_stats(c, &st);
	ck_assert_uint_eq(st.plans, 0);
	plan_cache_free(c);
	plan_unref(p);
	plan_unref(hot);
}
END_TEST

START_TEST(the_cache_agrees_with_a_plain_table)
{
	enum { KEYS = 40 };
	struct plan_cache *c = plan_cache_new(1000);
	struct plan *p = build("SELECT 1");
	bool there[KEYS] = { false };
	uint32_t seed = 1;

	for (int i = 0; i < 20000; i++) {
		uint32_t n;
		struct plan_cache_key k;

		seed = seed * 1664525 + 1013904223;
		n = (seed >> 8) % KEYS;
		k = key_of(n);
		k.digest[0] = n % 5; /* many collisions */
		if (seed >> 30 == 0) {
			plan_cache_purge(c, n % 2);
			for (uint32_t j = 0; j < KEYS; j++)
				there[j] &= j % 2 == n % 2;
		} else if (seed >> 29 & 1) {
			plan_cache_put(c, &k, p);
			there[n] = true;
		}
		ck_assert_int_eq(plan_cache_get(c, &k) != NULL, there[n]);
	}
	plan_cache_free(c);
	ck_assert_uint_eq(p->refs, 1);
	plan_unref(p);
}
END_TEST

START_TEST(plans_with_literals_of_their_text_are_not_cached)
{
	struct plan_cache *c = plan_cache_new(8);
	struct plan *p = build("SET @a = 5");
	struct plan_cache_key k = key_of(1);

	ck_assert_int_eq(p->kind, PLAN_SESSION);
	plan_cache_put(c, &k, p);
	ck_assert_ptr_null(plan_cache_get(c, &k));
	plan_unref(p);
	plan_cache_free(c);
}
END_TEST

START_TEST(a_plan_outlives_its_snapshot_and_its_text)
{
	struct world other = { .n = 0 };
	char *text = xstrdup("SELECT * FROM orders WHERE customer_id IN (5, 150) OR customer_id = 350");
	struct plan_request rq = { .text = str_of(text), .scan = &scan, .mode = &mode };
	struct plan_values v = { .scan = &scan, .mode = &mode };
	uint16_t shards[8];
	struct plan_target t = { .shards = shards };
	struct err err;
	struct plan *p;

	world_read(&other, SOURCE_ROOT "/tests/plan/cases/world.txt");
	rq.snapshot = other.snapshot;
	rq.ks = map_keyspace(other.map, STR("shop"));
	ck_assert_int_eq(sql_scan(&scan, rq.text, &mode, &err), 0);
	ck_assert_int_eq(plan_build(&rq, &p, &err), 0);
	world_free(&other);
	free(text);
	v.text = STR("SELECT * FROM orders WHERE customer_id IN (7, 250) OR customer_id = 1");
	ck_assert_int_eq(sql_scan(&scan, v.text, &mode, &err), 0);
	ck_assert_int_eq(plan_bind(p, &v, &t, &err), 0);
	ck_assert_uint_eq(t.n, 2);
	ck_assert_uint_eq(shards[1], 2);
	plan_unref(p);
}
END_TEST

static struct plan *build_long(const char *head, const char *piece, int n, const char *tail)
{
	struct buf b = { 0 };
	struct plan *p;

	buf_addz(&b, head);
	for (int i = 0; i < n; i++)
		buf_addz(&b, piece);
	buf_addz(&b, tail);
	buf_add_u8(&b, '\0');
	p = build((const char *)buf_head(&b));
	buf_free(&b);
	return p;
}

START_TEST(large_statements_end_in_a_plan)
{
	uint16_t shards[8];
	struct plan *p = build_long("SELECT * FROM orders WHERE customer_id IN (1", ", 250", 50000, ")");

	ck_assert_int_eq(p->kind, PLAN_ROUTE);
	plan_unref(p);
	p = build_long("SELECT * FROM orders WHERE customer_id = 1", " OR customer_id = 250", 5000, "");
	ck_assert_int_eq(p->kind, PLAN_ROUTE);
	plan_unref(p);
	p = build_long("SELECT * FROM orders WHERE customer_id = 150", " AND (customer_id > 0 OR (customer_id = 5", 12,
		"))))))))))))))))))))))))");
	ck_assert_int_eq(p->kind, PLAN_ROUTE);
	plan_unref(p);
	p = build("SELECT * FROM orders WHERE ((((customer_id = 150 OR FALSE) AND TRUE) OR FALSE) AND TRUE)");
	ck_assert_uint_eq(
		bind(p, "SELECT * FROM orders WHERE ((((customer_id = 350 OR FALSE) AND TRUE) OR FALSE) AND TRUE)",
			shards),
		1);
	plan_unref(p);
	p = build_long("SELECT * FROM orders o0", " JOIN orders USING (customer_id)", 60, "");
	plan_unref(p);
}
END_TEST

START_TEST(with_names_that_multiply_are_bounded)
{
	struct buf b = { 0 };
	struct plan *p;

	buf_addz(&b, "WITH c0 AS (SELECT customer_id FROM orders)");
	for (int i = 1; i < 30; i++)
		buf_addf(&b, ", c%d AS (SELECT a.customer_id FROM c%d a JOIN c%d b USING (customer_id))", i, i - 1,
			i - 1);
	buf_addz(&b, " SELECT * FROM c29");
	buf_add_u8(&b, '\0');
	p = build((const char *)buf_head(&b));
	ck_assert_int_eq(p->kind, PLAN_REFUSE);
	ck_assert_int_eq(p->err.errno_, ER_NOT_SUPPORTED_YET);
	ck_assert_ptr_nonnull(strstr(p->err.msg, "query blocks"));
	plan_unref(p);
	buf_free(&b);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("plan");
	TCase *t = tcase_create("plan");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, one_plan_serves_all_texts_of_its_digest);
	tcase_add_test(t, folded_rows_share_a_plan);
	tcase_add_test(t, the_cache_keeps_what_is_used);
	tcase_add_test(t, the_cache_agrees_with_a_plain_table);
	tcase_add_test(t, plans_with_literals_of_their_text_are_not_cached);
	tcase_add_test(t, a_plan_outlives_its_snapshot_and_its_text);
	tcase_add_test(t, large_statements_end_in_a_plan);
	tcase_add_test(t, with_names_that_multiply_are_bounded);
	suite_add_tcase(s, t);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
