/* test_gtid_set.c - GTIDs of both families: sums, and texts that are none. For src/backend/gtid_set.c; one thread. */
#include "../unit.h"
#include "keyway/backend/gtid_set.h"
#include "keyway/backend/position.h"

#define U1 "3e11fa47-71ca-11e1-9e33-c80aa9429562"
#define U2 "4e11fa47-71ca-11e1-9e33-c80aa9429562"

static const char *const bad[] = { "x", "0", "0-1", "0-1-", "0-1-5,", ",0-1-5", "0-1-5;", "-1-2-3", "4294967296-1-1",
	"0-1-18446744073709551616", U1, U1 ":", U1 ":0", U1 ":5-4", U1 ":1-", U1 ":1,", U1 ":1 2", U1 ":blue",
	U1 ":1:blue", U1 ":9x:1", U1 ":9223372036854775808", "3e11fa47:1", U1 "0:1" };

START_TEST(what_cannot_be_read_is_not_added)
{
	struct buf b = { 0 };

	ck_assert_int_eq(gtid_set_add(&b, str_of(bad[_i])), -1);
	ck_assert_uint_eq(buf_used(&b), 0);
	ck_assert_uint_eq(gtid_set_sources(str_of(bad[_i])), UINT32_MAX);
	buf_free(&b);
}
END_TEST

static const struct {
	const char *a, *b, *sum;
	uint32_t sources;
} sums[] = {
	{ "", "0-1-5", "0-1-5", 1 },
	{ "0-1-5", "", "0-1-5", 1 },
	{ "0-1-5", "0-2-7", "0-2-7", 1 },
	{ "0-2-7", "0-1-5", "0-2-7", 1 },
	{ "0-1-5", "3-1-1", "0-1-5,3-1-1", 2 },
	{ "", U1 ":9", U1 ":9", 1 },
	{ U1 ":9", U1 ":10", U1 ":9-10", 1 },
	{ U1 ":1-5:9", U1 ":6-8", U1 ":1-9", 1 },
	{ U1 ":9", U2 ":1", U1 ":9," U2 ":1", 2 },
	{ U1 ":9", U1 ":blue:1-2:5", U1 ":9," U1 ":blue:1-2:5", 2 },
};

START_TEST(sums_cover_both)
{
	struct buf b = { 0 };

	buf_addz(&b, sums[_i].a);
	ck_assert_int_eq(gtid_set_add(&b, str_of(sums[_i].b)), 0);
	assert_str(str_make((char *)buf_head(&b), buf_used(&b)), sums[_i].sum);
	ck_assert(position_includes(str_of(sums[_i].sum), str_of(sums[_i].a)));
	ck_assert(position_includes(str_of(sums[_i].sum), str_of(sums[_i].b)));
	ck_assert_uint_eq(gtid_set_sources(str_of(sums[_i].sum)), sums[_i].sources);
	buf_free(&b);
}
END_TEST

START_TEST(unlike_kinds_do_not_add_up)
{
	struct buf b = { 0 };

	buf_addz(&b, "0-1-5");
	ck_assert_int_eq(gtid_set_add(&b, STR(U1 ":1")), -1);
	assert_str(str_make((char *)buf_head(&b), buf_used(&b)), "0-1-5");
	buf_free(&b);
}
END_TEST

START_TEST(sizes_are_bounded)
{
	struct buf domains = { 0 }, holes = { 0 };

	for (int i = 0; i <= GTID_SET_SOURCES_MAX; i++)
		buf_addf(&domains, "%s%d-1-1", i ? "," : "", i);
	ck_assert_uint_eq(gtid_set_sources(str_make((char *)buf_head(&domains), buf_used(&domains))), UINT32_MAX);
	buf_addz(&holes, U1);
	for (int i = 0; i <= GTID_SET_INTERVALS_MAX; i++)
		buf_addf(&holes, ":%d", 1 + 2 * i);
	ck_assert_uint_eq(gtid_set_sources(str_make((char *)buf_head(&holes), buf_used(&holes))), UINT32_MAX);
	buf_free(&domains);
	buf_free(&holes);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_loop_test(tc, what_cannot_be_read_is_not_added, 0, ARRAY_N(bad));
	tcase_add_loop_test(tc, sums_cover_both, 0, ARRAY_N(sums));
	tcase_add_test(tc, unlike_kinds_do_not_add_up);
	tcase_add_test(tc, sizes_are_bounded);
}

int main(void)
{
	return run_tests("gtid_set", add);
}
