/* test_eject.c - which replicas are out of line. For src/health/eject.c; pure. */
#include "../unit.h"
#include "internal.h"

static struct eject_view v[4];

static void set(uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	const uint64_t l[] = { a, b, c, d };

	for (int i = 0; i < 4; i++)
		v[i] = (struct eject_view){ .latency_us = l[i], .serves = l[i] != 0 };
}

START_TEST(much_slower_than_the_middle_one)
{
	set(1000, 1200, 900, 20000);
	eject_judge(v, 4);
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(v[i].out_of_line, i == 3);
}
END_TEST

START_TEST(a_little_slower_is_in_line)
{
	set(100, 120, 90, 3000); /* 30 times, and still near */
	eject_judge(v, 4);
	ck_assert(!v[3].out_of_line);
	set(10000, 12000, 9000, 30000);
	eject_judge(v, 4);
	ck_assert(!v[3].out_of_line);
}
END_TEST

START_TEST(two_make_no_line)
{
	set(1000, 50000, 0, 0);
	eject_judge(v, 4);
	ck_assert(!v[1].out_of_line);
}
END_TEST

START_TEST(one_that_fails_is_out_of_line_unless_it_is_the_last)
{
	set(1000, 1000, 0, 0);
	v[1].failing = true;
	eject_judge(v, 4);
	ck_assert(v[1].out_of_line);
	ck_assert(!v[0].out_of_line);
	v[0].serves = false;
	eject_judge(v, 4);
	ck_assert(!v[1].out_of_line);
}
END_TEST

START_TEST(half_stay)
{
	ck_assert_uint_eq(eject_room(1), 0);
	ck_assert_uint_eq(eject_room(2), 1);
	ck_assert_uint_eq(eject_room(3), 1);
	ck_assert_uint_eq(eject_room(5), 2);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, much_slower_than_the_middle_one);
	tcase_add_test(tc, a_little_slower_is_in_line);
	tcase_add_test(tc, two_make_no_line);
	tcase_add_test(tc, one_that_fails_is_out_of_line_unless_it_is_the_last);
	tcase_add_test(tc, half_stay);
}

int main(void)
{
	return run_tests("eject", add);
}
