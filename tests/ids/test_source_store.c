/* test_source_store.c - counters in a store: what they hold, who else takes from them, and answers that never come.
 * For src/ids/source_store.c.
 * One thread. */
#include "source.h"
#include "fake_kv.h"
#include "keyway/store/store.h"
#include <check.h>

#define KEY "ids/main/shop.orders"

static struct alloc_conf conf;
static struct id_source *source;
static struct id_grab g;

static void setup(void)
{
	static const char *const endpoints[] = { "http://a:2379", "http://b:2379" };
	static struct store_config store = {
		.kind = STORE_ETCD, .endpoints = endpoints, .endpoint_n = 2, .prefix = "/keyway/test"
	};
	static struct ids_endpoint ep = { .store = &store };
	struct ids_allocator a = {
		.name = "main", .kind = IDS_STORE, .endpoints = &ep, .endpoint_n = 1, .timeout_us = 200000
	};
	struct err err;

	fake_kv_reset();
	ck_assert_msg(alloc_conf_copy(&a, &conf, &err) == 0, "%s", err.msg);
	ck_assert_str_eq(conf.ep[0].name, "etcd http://a:2379,…");
	ck_assert(conf.rising && !conf.single && conf.asks_n);
	source = source_store_open(&conf, 0, &fake_kv.kv);
}

static void teardown(void)
{
	source->free(source);
	alloc_conf_free(&conf);
	fake_kv_reset();
}

static enum grab_result grab(uint32_t want, uint64_t high)
{
	memset(&g, 0, sizeof(g));
	g.tag = "shop.orders";
	g.want = want;
	g.high = high;
	return source->grab(source, &g);
}

static void is_value(const char *expected)
{
	char *v = fake_kv_value(KEY);

	ck_assert_ptr_nonnull(v);
	ck_assert_str_eq(v, expected);
	free(v);
}

START_TEST(a_block_follows_the_counter)
{
	fake_kv_set(KEY, "41");
	ck_assert_int_eq(grab(100, 41), GRAB_OK);
	ck_assert_uint_eq(g.run_n, 1);
	ck_assert_uint_eq(g.run[0].first, 42);
	ck_assert_uint_eq(g.run[0].n, 100);
	is_value("141");
	/* another proxy took some */
	fake_kv_set(KEY, "5000");
	ck_assert_int_eq(grab(1, 141), GRAB_OK);
	ck_assert_uint_eq(g.run[0].first, 5001);
}
END_TEST

START_TEST(a_lost_race_takes_the_value_anew)
{
	fake_kv_set(KEY, "10");
	fake_kv.conflicts = 3;
	ck_assert_int_eq(grab(5, 10), GRAB_OK);
	ck_assert_uint_eq(g.run[0].first, 11);
	ck_assert_uint_eq(fake_kv.puts, 4);
	fake_kv.conflicts = 1u << 30;
	ck_assert_int_eq(grab(5, 15), GRAB_UNWELL);
	ck_assert_uint_eq(g.run_n, 0);
	ck_assert_uint_gt(fake_kv.puts, 10);
	is_value("15");
}
END_TEST

START_TEST(a_block_whose_fate_is_unknown_is_lost_and_not_asked_about)
{
	fake_kv_set(KEY, "10");
	fake_kv_mood(KV_DONE_UNSAID);
	ck_assert_int_eq(grab(5, 10), GRAB_RETRY);
	ck_assert_uint_eq(g.run_n, 0);
	ck_assert_uint_eq(fake_kv.gets, 1);
	ck_assert_uint_eq(fake_kv.puts, 1);
	fake_kv_mood(KV_WELL);
	ck_assert_int_eq(grab(5, 10), GRAB_OK);
	ck_assert_uint_eq(g.run[0].first, 16);
	fake_kv_mood(KV_DEAD);
	ck_assert_int_eq(grab(5, 20), GRAB_RETRY);
}
END_TEST

START_TEST(a_missing_counter_is_made_only_when_the_settings_say_so_and_nothing_is_known)
{
	ck_assert_int_eq(grab(5, 0), GRAB_REFUSED);
	ck_assert_ptr_nonnull(strstr(g.why, "etcdctl put '/keyway/test/" KEY "' N"));
	ck_assert_ptr_null(fake_kv_value(KEY));
	conf.start = 1000;
	ck_assert_int_eq(grab(5, 1000), GRAB_REFUSED);
	ck_assert_ptr_nonnull(strstr(g.why, "gone"));
	ck_assert_ptr_nonnull(strstr(g.why, "at least 1000"));
	ck_assert_ptr_null(fake_kv_value(KEY));
	ck_assert_int_eq(grab(5, 0), GRAB_OK);
	ck_assert_uint_eq(g.run[0].first, 1000);
	is_value("1004");
}
END_TEST

START_TEST(a_counter_below_what_was_given_is_left_as_it_is)
{
	fake_kv_set(KEY, "99");
	ck_assert_int_eq(grab(5, 100), GRAB_BACKWARDS);
	ck_assert_ptr_nonnull(strstr(g.why, "etcdctl put"));
	is_value("99");
	ck_assert_uint_eq(fake_kv.puts, 0);
}
END_TEST

START_TEST(the_last_ids_are_given_and_then_none)
{
	fake_kv_set(KEY, "9223372036854775797");
	ck_assert_int_eq(grab(100, 0), GRAB_OK);
	ck_assert_uint_eq(g.run[0].n, 10);
	is_value("9223372036854775807");
	ck_assert_int_eq(grab(100, 0), GRAB_REFUSED);
	ck_assert_uint_eq(g.run_n, 0);
}
END_TEST

static const struct {
	const char *text;
	int64_t value; /* negative: none */
} texts[] = {
	{ "0", 0 },
	{ "1", 1 },
	{ "9223372036854775807", INT64_MAX },
	{ "9223372036854775808", -1 },
	{ "18446744073709551615", -1 },
	{ "99999999999999999999999", -1 },
	{ "", -1 },
	{ "-1", -1 },
	{ "+1", -1 },
	{ "01", -1 },
	{ "00", -1 },
	{ " 1", -1 },
	{ "1 ", -1 },
	{ "1\n", -1 },
	{ "1.0", -1 },
	{ "1e3", -1 },
	{ "0x10", -1 },
	{ "\xd9\xa1", -1 },
	{ "words", -1 },
};

START_TEST(a_counter_is_a_decimal_number_and_nothing_else)
{
	uint64_t v = 7;

	ck_assert_int_eq(counter_parse(str_of(texts[_i].text), &v), texts[_i].value < 0 ? -1 : 0);
	if (texts[_i].value >= 0)
		ck_assert_uint_eq(v, (uint64_t)texts[_i].value);
	fake_kv_set(KEY, texts[_i].text);
	if (texts[_i].value < 0) {
		ck_assert_int_eq(grab(1, 0), GRAB_MALFORMED);
		ck_assert_uint_eq(fake_kv.puts, 0);
	}
}
END_TEST

START_TEST(bytes_behind_a_nul_are_seen)
{
	uint64_t v;

	ck_assert_int_eq(counter_parse(str_make("1\0"
						"2",
					       3),
				 &v),
		-1);
	ck_assert_int_eq(counter_parse(str_make("12", 1), &v), 0);
	ck_assert_uint_eq(v, 1);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("source_store");
	TCase *tc = tcase_create("source_store");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_block_follows_the_counter);
	tcase_add_test(tc, a_lost_race_takes_the_value_anew);
	tcase_add_test(tc, a_block_whose_fate_is_unknown_is_lost_and_not_asked_about);
	tcase_add_test(tc, a_missing_counter_is_made_only_when_the_settings_say_so_and_nothing_is_known);
	tcase_add_test(tc, a_counter_below_what_was_given_is_left_as_it_is);
	tcase_add_test(tc, the_last_ids_are_given_and_then_none);
	tcase_add_loop_test(tc, a_counter_is_a_decimal_number_and_nothing_else, 0, (int)ARRAY_N(texts));
	tcase_add_test(tc, bytes_behind_a_nul_are_seen);
	suite_add_tcase(s, tc);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
