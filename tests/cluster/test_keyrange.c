/* test_keyrange.c - ranges of key ids as text.
 * For src/cluster/keyrange.c.
 * One thread. */
#include <check.h>
#include <stdlib.h>
#include "keyway/cluster/keyrange.h"

START_TEST(good_texts_are_read_and_printed_shortest)
{
	static const struct {
		const char *text, *printed;
		uint64_t first, last;
	} rows[] = {
		{ "-", "-", 0, UINT64_MAX },
		{ "-80", "-80", 0, 0x7fffffffffffffff },
		{ "80-", "80-", 0x8000000000000000, UINT64_MAX },
		{ "40-80", "40-80", 0x4000000000000000, 0x7fffffffffffffff },
		{ "4000-8000000000000000", "40-80", 0x4000000000000000, 0x7fffffffffffffff },
		{ "00-01", "-01", 0, 0x00ffffffffffffff },
		{ "FF-", "ff-", 0xff00000000000000, UINT64_MAX },
		{ "fffffffffffffffe-ffffffffffffffff", "fffffffffffffffe-ffffffffffffffff", 0xfffffffffffffffe,
			0xfffffffffffffffe },
		{ "..", "-", 0, UINT64_MAX },
		{ "..0", "-80", 0, 0x7fffffffffffffff },
		{ "0..", "80-", 0x8000000000000000, UINT64_MAX },
		{ "-5..1000", "7ffffffffffffffb-80000000000003e8", 0x7ffffffffffffffb, 0x80000000000003e7 },
	};
	char out[KEYRANGE_TEXT_MAX];
	struct keyrange r, again;
	const char *why;

	for (size_t i = 0; i < ARRAY_N(rows); i++) {
		ck_assert_int_eq(keyrange_parse(str_of(rows[i].text), &r, &why), 0);
		ck_assert_uint_eq(r.first, rows[i].first);
		ck_assert_uint_eq(r.last, rows[i].last);
		ck_assert_str_eq(keyrange_print(r, out), rows[i].printed);
		ck_assert_int_eq(keyrange_parse(str_of(out), &again, &why), 0);
		ck_assert(keyrange_eq(r, again));
	}
}
END_TEST

START_TEST(bad_texts_are_refused_with_a_reason)
{
	static const char *const rows[] = { "", "80", "8-", "-8", "zz-", "-80-", "40-80-", "80-40", "80-80", "-00",
		"-112233445566778899", " -80", "0x40-", "5..5", "6..5", "1..x", "9223372036854775808..", "1...2",
		"--" };
	struct keyrange r;
	const char *why;

	for (size_t i = 0; i < ARRAY_N(rows); i++) {
		why = NULL;
		ck_assert_msg(keyrange_parse(str_of(rows[i]), &r, &why) < 0, "%s", rows[i]);
		ck_assert_ptr_nonnull(why);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("keyrange");
	TCase *tc = tcase_create("all");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_test(tc, good_texts_are_read_and_printed_shortest);
	tcase_add_test(tc, bad_texts_are_refused_with_a_reason);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
