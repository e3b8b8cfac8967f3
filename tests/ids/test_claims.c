/* test_claims.c - sets of ids given out, against a bitmap; their text; damaged texts.
 * For src/ids/claims.c.
 * One thread. */
#include "claims.h"
#include <check.h>
#include <stdlib.h>
#include <xxhash.h>

static struct claims claims;
static struct endpoint_conf plain, odd, even, upper;

static void setup(void)
{
	memset(&claims, 0, sizeof(claims));
	plain = (struct endpoint_conf){ .step = 1, .offset = 0, .min_id = 1, .max_id = IDS_MAX_ID };
	odd = (struct endpoint_conf){ .step = 2, .offset = 1, .min_id = 1, .max_id = IDS_MAX_ID };
	even = (struct endpoint_conf){ .step = 2, .offset = 0, .min_id = 1, .max_id = IDS_MAX_ID };
	upper = (struct endpoint_conf){ .step = 1, .offset = 0, .min_id = 1000, .max_id = 2000 };
}

static void teardown(void)
{
	claims_free(&claims);
}

static void add(const struct endpoint_conf *ep, uint64_t first, uint64_t n)
{
	struct grab_run run = { first, n };

	claims_add(&claims, ep, &run);
}

static bool hit(const struct endpoint_conf *ep, uint64_t first, uint64_t n)
{
	struct grab_run run = { first, n };

	return claims_hit(&claims, ep, &run);
}

static char *text(const struct claims *c)
{
	struct buf b = { 0 };

	claims_print(c, &b);
	buf_add_u8(&b, 0);
	return (char *)b.p;
}

static void same_after_text(void)
{
	char *one = text(&claims), *two, why[100];
	struct claims again = { 0 };

	ck_assert_msg(claims_parse(str_of(one), &again, why, sizeof(why)) == 0, "%s: %s", why, one);
	two = text(&again);
	ck_assert_str_eq(one, two);
	free(one);
	free(two);
	claims_free(&again);
}

START_TEST(runs_that_touch_become_one_and_highs_follow)
{
	ck_assert(claims_empty(&claims));
	ck_assert_uint_eq(claims_high(&claims, &plain), 0);
	add(&plain, 1, 1000);
	add(&plain, 2001, 1000);
	ck_assert_uint_eq(claims.slice[0].n, 2);
	add(&plain, 1001, 1000);
	ck_assert_uint_eq(claims.slice[0].n, 1);
	ck_assert_uint_eq(claims_high(&claims, &plain), 3000);
	ck_assert(hit(&plain, 3000, 1));
	ck_assert(!hit(&plain, 3001, 5));
	ck_assert(hit(&plain, 1, 1));
	same_after_text();
}
END_TEST

START_TEST(a_pair_is_apart_and_a_single_server_meets_both)
{
	add(&odd, 101, 50);  /* 101 .. 199 */
	add(&even, 102, 10); /* 102 .. 120 */
	ck_assert_uint_eq(claims.n, 2);
	ck_assert_uint_eq(claims_high(&claims, &odd), 199);
	ck_assert_uint_eq(claims_high(&claims, &even), 120);
	ck_assert(!hit(&even, 122, 10));
	ck_assert(hit(&odd, 121, 1));
	ck_assert_uint_eq(claims_high(&claims, &plain), 199);
	ck_assert(hit(&plain, 150, 1));
	ck_assert(!hit(&plain, 200, 1));
	same_after_text();
}
END_TEST

START_TEST(bounds_have_marks_of_their_own)
{
	add(&upper, 1500, 10);
	add(&plain, 5, 1);
	ck_assert_uint_eq(claims_high(&claims, &upper), 1509);
	plain.max_id = 999;
	ck_assert_uint_eq(claims_high(&claims, &plain), 5);
	same_after_text();
}
END_TEST

/* Brute force: what is said not to be given out was not. */
START_TEST(random_runs_agree_with_a_bitmap)
{
	static bool given[4200];

	memset(given, 0, sizeof(given));
	srand(11);
	for (int i = 0; i < 20000; i++) {
		const struct endpoint_conf *ep = rand() % 2 ? &odd : &even;
		uint64_t first = 2 + 2 * (uint64_t)(rand() % 2000) + ep->offset, n = 1 + (uint64_t)(rand() % 5);
		bool was = false;

		for (uint64_t k = 0; k < n; k++)
			was |= given[first + 2 * k];
		ck_assert_int_eq(hit(ep, first, n), was);
		if (rand() % 8)
			continue;
		for (uint64_t k = 0; k < n; k++)
			given[first + 2 * k] = true;
		add(ep, first, n);
	}
	same_after_text();
}
END_TEST

START_TEST(memory_is_bounded_and_nothing_is_forgotten)
{
	for (uint64_t i = 1; i <= 5000; i++)
		add(&plain, i * 10, 1);
	ck_assert_uint_le(claims.slice[0].n, CLAIM_SPANS_MAX);
	for (uint64_t i = 1; i <= 5000; i++)
		ck_assert(hit(&plain, i * 10, 1));
	ck_assert_msg(!hit(&plain, 49995, 1), "the latest are still apart");
	same_after_text();
	for (uint64_t step = 2; step < 60; step++) {
		struct endpoint_conf ep = { .step = step, .offset = step - 1, .min_id = 1, .max_id = IDS_MAX_ID };

		add(&ep, step * 1000000 + step - 1, 1);
	}
	ck_assert_uint_le(claims.n, CLAIM_SLICES_MAX);
	for (uint64_t i = 1; i <= 5000; i++)
		ck_assert(hit(&plain, i * 10, 1));
	for (uint64_t step = 2; step < 60; step++)
		ck_assert(hit(&plain, step * 1000000 + step - 1, 1));
	same_after_text();
}
END_TEST

START_TEST(what_was_given_unrecorded_is_joined_and_a_clash_is_seen)
{
	struct claims other = { 0 };
	struct grab_run run = { 51, 10 };

	add(&odd, 1, 20); /* 1 .. 39 */
	claims_add(&other, &odd, &run);
	ck_assert(!claims_hit_all(&claims, &odd, &other));
	run = (struct grab_run){ 39, 1 };
	claims_add(&other, &odd, &run);
	ck_assert(claims_hit_all(&claims, &odd, &other));
	ck_assert(!claims_hit_all(&claims, &even, &other));
	claims_join(&claims, &other);
	ck_assert(hit(&odd, 51, 1));
	ck_assert_uint_eq(claims_high(&claims, &odd), 69);
	claims_free(&other);
}
END_TEST

/* A text with the right sum around @body. */
static int parse_body(const char *body)
{
	char *t = xasprintf("keyway-ids 1 %016llx\n%s", (unsigned long long)XXH64(body, strlen(body), 0), body);
	char why[100] = "";
	struct claims c = { 0 };
	int rc = claims_parse(str_of(t), &c, why, sizeof(why));

	ck_assert_int_eq(rc < 0, why[0] != 0);
	ck_assert(rc == 0 || claims_empty(&c));
	claims_free(&c);
	free(t);
	return rc;
}

#define ALL "0/1/1/9223372036854775807"

static const struct {
	const char *body;
	bool good;
} bodies[] = {
	{ "", true },
	{ ALL " 1-1\n", true },
	{ ALL " 1-1 3-9223372036854775807\n", true },
	{ "1/2/1/99 1-3 7-9\n0/2/1/99 2-2\n", true },
	{ ALL " 1-1", false },
	{ ALL "\n", false },
	{ ALL " \n", false },
	{ ALL " 1-1 \n", false },
	{ ALL "  1-1\n", false },
	{ ALL " 0-1\n", false },
	{ ALL " 2-1\n", false },
	{ ALL " 1-9223372036854775808\n", false },
	{ ALL " -1-5\n", false },
	{ ALL " 1-1 2-3\n", false },
	{ ALL " 5-6 1-1\n", false },
	{ ALL " 1-x\n", false },
	{ ALL " 1\n", false },
	{ ALL " 1-1\n" ALL " 5-5\n", false },
	{ "1/2/1/99 2-4\n", false },
	{ "2/2/1/99 2-4\n", false },
	{ "0/0/1/99 2-4\n", false },
	{ "0/1/0/99 2-4\n", false },
	{ "0/1/9/8 2-4\n", false },
	{ "0/1/9 9-9\n", false },
	{ "0/1/1/9/9 9-9\n", false },
	{ "\n", false },
	{ "words\n", false },
};

START_TEST(only_whole_and_well_formed_texts_are_read)
{
	ck_assert_msg((parse_body(bodies[_i].body) == 0) == bodies[_i].good, "%s", bodies[_i].body);
}
END_TEST

START_TEST(every_damaged_byte_and_every_cut_is_seen)
{
	struct claims c = { 0 };
	char *t, why[100];
	size_t n;

	add(&odd, 101, 50);
	add(&even, 2, 7);
	t = text(&claims);
	n = strlen(t);
	for (size_t i = 0; i < n; i++) {
		ck_assert_int_lt(claims_parse(str_make(t, i), &c, why, sizeof(why)), 0);
		t[i] ^= 1;
		ck_assert_int_lt(claims_parse(str_make(t, n), &c, why, sizeof(why)), 0);
		t[i] ^= 1;
	}
	ck_assert_int_eq(claims_parse(str_make(t, n), &c, why, sizeof(why)), 0);
	claims_free(&c);
	free(t);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("claims");
	TCase *tc = tcase_create("claims");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, runs_that_touch_become_one_and_highs_follow);
	tcase_add_test(tc, a_pair_is_apart_and_a_single_server_meets_both);
	tcase_add_test(tc, bounds_have_marks_of_their_own);
	tcase_add_test(tc, random_runs_agree_with_a_bitmap);
	tcase_add_test(tc, memory_is_bounded_and_nothing_is_forgotten);
	tcase_add_test(tc, what_was_given_unrecorded_is_joined_and_a_clash_is_seen);
	tcase_add_loop_test(tc, only_whole_and_well_formed_texts_are_read, 0, (int)ARRAY_N(bodies));
	tcase_add_test(tc, every_damaged_byte_and_every_cut_is_seen);
	suite_add_tcase(s, tc);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
