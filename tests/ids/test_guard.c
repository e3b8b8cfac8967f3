/* test_guard.c - the guard refuses every kind of answer that could make an id be given twice, or none at all.
 * For src/ids/guard.c.
 * One thread. */
#include "guard.h"
#include <check.h>
#include <stdlib.h>

static struct alloc_conf conf;
static struct guard guard;

static void setup(void)
{
	memset(&conf, 0, sizeof(conf));
	conf.ep_n = 2;
	for (size_t i = 0; i < 2; i++) {
		conf.ep[i].step = 1;
		conf.ep[i].min_id = 1;
		conf.ep[i].max_id = IDS_MAX_ID;
	}
	guard_init(&guard, &conf);
}

static void teardown(void)
{
	guard_free(&guard);
}

static enum guard_verdict give(size_t ep, uint64_t first, uint64_t n)
{
	struct grab_run run = { first, n };
	char why[200];
	enum guard_verdict v = guard_check(&guard, ep, guard_mark(&guard, ep), &run, why, sizeof(why));

	ck_assert((v == GUARD_GOOD) == !why[0]);
	return v;
}

static const struct lie {
	const char *name;
	bool rising, shared;
	uint64_t step, offset, min_id, max_id;
	uint64_t good_first, good_n; /* given before, by endpoint 0 */
	size_t ep;
	uint64_t first, n;
	enum guard_verdict verdict;
} lies[] = {
	{ "zero", true, false, 1, 0, 1, IDS_MAX_ID, 5, 1, 0, 0, 1, GUARD_BAD },
	{ "no ids", true, false, 1, 0, 1, IDS_MAX_ID, 5, 1, 0, 6, 0, GUARD_BAD },
	{ "2^63", true, false, 1, 0, 1, IDS_MAX_ID, 5, 1, 0, 1ull << 63, 1, GUARD_BAD },
	{ "minus one", true, false, 1, 0, 1, IDS_MAX_ID, 5, 1, 0, UINT64_MAX, 1, GUARD_BAD },
	{ "a block that passes 2^63", true, false, 1, 0, 1, IDS_MAX_ID, 5, 1, 0, IDS_MAX_ID - 5, 7, GUARD_BAD },
	{ "a block that passes 2^64", true, false, 3, 0, 1, IDS_MAX_ID, 6, 1, 0, 9, UINT32_MAX, GUARD_GOOD },
	{ "more than a range counts", true, false, 1, 0, 1, IDS_MAX_ID, 5, 1, 0, 6, 1ull << 33, GUARD_BAD },
	{ "wrong residue", true, false, 2, 1, 1, IDS_MAX_ID, 5, 1, 0, 8, 1, GUARD_BAD },
	{ "the same again", true, false, 1, 0, 1, IDS_MAX_ID, 5, 1, 0, 5, 1, GUARD_BACKWARDS },
	{ "the same again, not rising", false, false, 1, 0, 1, IDS_MAX_ID, 5, 1, 0, 5, 1, GUARD_BAD },
	{ "backwards", true, false, 1, 0, 1, IDS_MAX_ID, 500, 10, 0, 100, 10, GUARD_BACKWARDS },
	{ "lower, not rising", false, false, 1, 0, 1, IDS_MAX_ID, 500, 10, 0, 100, 10, GUARD_GOOD },
	{ "overlap at its end", false, false, 1, 0, 1, IDS_MAX_ID, 500, 10, 0, 491, 10, GUARD_BAD },
	{ "overlap at its start", false, false, 1, 0, 1, IDS_MAX_ID, 500, 10, 0, 509, 10, GUARD_BAD },
	{ "overlap around", false, false, 1, 0, 1, IDS_MAX_ID, 500, 10, 0, 400, 1000, GUARD_BAD },
	{ "overlap inside", false, false, 1, 0, 1, IDS_MAX_ID, 500, 10, 0, 503, 2, GUARD_BAD },
	{ "touching is none", false, false, 1, 0, 1, IDS_MAX_ID, 500, 10, 0, 490, 10, GUARD_GOOD },
	{ "below its bound", true, false, 1, 0, 100, 1000, 100, 1, 0, 99, 1, GUARD_BAD },
	{ "over its bound", true, false, 1, 0, 100, 1000, 100, 1, 0, 991, 11, GUARD_BAD },
	{ "the other door's id", true, true, 1, 0, 1, IDS_MAX_ID, 500, 10, 1, 505, 1, GUARD_BAD },
	{ "the other door, lower", true, true, 1, 0, 1, IDS_MAX_ID, 500, 10, 1, 100, 10, GUARD_GOOD },
};

START_TEST(every_lie_is_refused)
{
	const struct lie *l = &lies[_i];

	conf.rising = l->rising;
	conf.shared = l->shared;
	for (size_t i = 0; i < 2; i++) {
		conf.ep[i].step = l->step;
		conf.ep[i].offset = l->offset;
		conf.ep[i].min_id = l->min_id;
		conf.ep[i].max_id = l->max_id;
	}
	ck_assert_int_eq(give(0, l->good_first, l->good_n), GUARD_GOOD);
	ck_assert_msg(give(l->ep, l->first, l->n) == l->verdict, "%s", l->name);
}
END_TEST

START_TEST(one_id_before_the_refused_one_and_one_behind_still_pass)
{
	ck_assert_int_eq(give(0, 10, 1), GUARD_GOOD);
	ck_assert_int_eq(give(0, 10, 1), GUARD_BAD);
	ck_assert_int_eq(give(0, 9, 1), GUARD_GOOD);
	ck_assert_int_eq(give(0, 11, 1), GUARD_GOOD);
	ck_assert_uint_eq(guard.seen[0].n, 1);
	ck_assert_int_eq(give(0, 8, 4), GUARD_BAD);
}
END_TEST

/* Brute force: a bitmap says what was given. What is accepted must be new. */
START_TEST(random_runs_agree_with_a_bitmap)
{
	static bool given[4096];
	size_t good = 0;

	memset(given, 0, sizeof(given));
	srand(7);
	for (int i = 0; i < 20000; i++) {
		uint64_t first = 1 + (uint64_t)(rand() % 4000), n = 1 + (uint64_t)(rand() % 3);
		bool fresh = true;

		for (uint64_t k = first; k < first + n; k++)
			fresh &= !given[k];
		ck_assert_int_eq(give(0, first, n), fresh ? GUARD_GOOD : GUARD_BAD);
		for (uint64_t k = first; fresh && k < first + n; k++)
			given[k] = true;
		good += fresh;
	}
	ck_assert_uint_gt(good, 1000);
}
END_TEST

START_TEST(its_memory_is_bounded_and_it_still_takes_nothing_twice)
{
	for (uint64_t i = 1; i <= 50000; i++)
		ck_assert_int_eq(give(0, i * 3, 1), GUARD_GOOD);
	ck_assert_uint_le(guard.seen[0].n, GUARD_SPANS_MAX);
	for (uint64_t i = 1; i <= 50000; i++)
		ck_assert_int_eq(give(0, i * 3, 1), GUARD_BAD);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("guard");
	TCase *tc = tcase_create("guard");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, every_lie_is_refused, 0, (int)ARRAY_N(lies));
	tcase_add_test(tc, one_id_before_the_refused_one_and_one_behind_still_pass);
	tcase_add_test(tc, random_runs_agree_with_a_bitmap);
	tcase_add_test(tc, its_memory_is_bounded_and_it_still_takes_nothing_twice);
	suite_add_tcase(s, tc);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
