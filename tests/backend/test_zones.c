/* test_zones.c - pairs of zones are one each, and bounded. For src/backend/zones.c; one thread. */
#include "../unit.h"
#include "keyway/backend/zones.h"
#include "keyway/util/base.h"
#include <stdio.h>

START_TEST(a_pair_is_one_and_counts)
{
	struct zones *z = zones_new();
	struct zone_pair *p = zones_pair(z, STR("a"), STR("b"));
	struct zone_traffic t[4];

	ck_assert_ptr_eq(p, zones_pair(z, STR("a"), STR("b")));
	ck_assert_ptr_ne(p, zones_pair(z, STR("b"), STR("a")));
	atomic_fetch_add(&p->statements, 2);
	atomic_fetch_add(&p->bytes_got, 300);
	ck_assert_uint_eq(zones_read(z, t, 4), 2);
	ck_assert_str_eq(t[0].from, "a");
	ck_assert_str_eq(t[0].to, "b");
	ck_assert_uint_eq(t[0].statements, 2);
	ck_assert_uint_eq(t[0].bytes_got, 300);
	ck_assert_uint_eq(t[1].statements, 0);
	ck_assert_uint_eq(zones_read(z, t, 1), 1);
	zones_free(z);
}
END_TEST

START_TEST(too_many_share_one)
{
	struct zones *z = zones_new();
	struct zone_pair *last = NULL;
	struct zone_traffic t[ZONE_PAIRS_MAX + 1];
	char name[16];

	for (int i = 0; i < ZONE_PAIRS_MAX + 10; i++) {
		snprintf(name, sizeof(name), "z%d", i);
		last = zones_pair(z, STR("a"), str_of(name));
	}
	ck_assert_str_eq(last->to, "");
	ck_assert_ptr_eq(last, zones_pair(z, STR("x"), STR("y")));
	ck_assert_uint_eq(zones_read(z, t, ARRAY_N(t)), ZONE_PAIRS_MAX + 1);
	ck_assert_str_eq(t[ZONE_PAIRS_MAX - 1].to, "z255");
	zones_free(z);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, a_pair_is_one_and_counts);
	tcase_add_test(tc, too_many_share_one);
}

int main(void)
{
	return run_tests("zones", add);
}
