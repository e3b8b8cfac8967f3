/* GTID positions: text to lists and back, and which is as far as which. */
#include "gtid.h"
#include "unit.h"
#include <stdio.h>

static struct gtid_list parsed(const char *text)
{
	struct gtid_list l;
	struct err err;

	ck_assert_msg(gtid_parse(str_of(text), &l, &err) == 0, "%s: %s", text, err.msg);
	return l;
}

START_TEST(reads_and_prints_a_position)
{
	static const char *const texts[] = { "", "0-1-1", "1-101-28,2-102-7",
		"4294967295-4294967295-18446744073709551615" };
	char out[GTID_TEXT_MAX];

	for (size_t i = 0; i < ARRAY_N(texts); i++) {
		struct gtid_list l = parsed(texts[i]);

		ck_assert_str_eq(gtid_print(&l, out), texts[i]);
	}
	ck_assert_uint_eq(parsed("1-101-28,\n2-102-7").n, 2);
}
END_TEST

START_TEST(refuses_what_is_no_position)
{
	static const char *const texts[] = { "1", "1-2", "1-2-", "1-2-3,", "1-2-3,,2-2-3", "a-2-3", "1-2-3x", "-1-2-3",
		"4294967296-1-1", "1-1-18446744073709551616", "1-101-1,1-102-2", " " };

	for (size_t i = 0; i < ARRAY_N(texts); i++) {
		struct gtid_list l;
		struct err err;

		ck_assert_msg(gtid_parse(str_of(texts[i]), &l, &err) == ERR_MALFORMED, "'%s' was taken", texts[i]);
	}
}
END_TEST

START_TEST(too_many_domains_are_an_error_and_no_overflow)
{
	struct gtid_list l;
	struct err err;
	char text[4096] = "";

	for (int i = 0; i <= GTID_DOMAINS_MAX; i++)
		sprintf(text + strlen(text), "%s%d-1-1", i ? "," : "", i);
	ck_assert_int_eq(gtid_parse(str_of(text), &l, &err), ERR_LIMIT);
}
END_TEST

START_TEST(covers_is_by_domain)
{
	static const struct {
		const char *have, *want;
		bool covers;
	} cases[] = {
		{ "1-101-5", "1-101-5", true },
		{ "1-101-6", "1-101-5", true },
		{ "1-101-4", "1-101-5", false },
		{ "1-102-5", "1-101-5", true },
		{ "2-101-9", "1-101-5", false },
		{ "1-101-9,2-102-1", "2-102-2", false },
		{ "2-102-3,1-101-9", "1-101-9,2-102-3", true },
		{ "", "1-101-1", false },
		{ "", "", true },
		{ "1-101-1", "", true },
	};

	for (size_t i = 0; i < ARRAY_N(cases); i++) {
		struct gtid_list have = parsed(cases[i].have), want = parsed(cases[i].want);

		ck_assert_msg(gtid_covers(&have, &want) == cases[i].covers, "'%s' '%s'", cases[i].have, cases[i].want);
	}
}
END_TEST

START_TEST(a_domain_can_be_left_out)
{
	struct gtid_list l = parsed("1-101-5,2-102-6,3-103-7");
	char out[GTID_TEXT_MAX];

	gtid_drop_domain(&l, 2);
	ck_assert_str_eq(gtid_print(&l, out), "1-101-5,3-103-7");
	gtid_drop_domain(&l, 2);
	gtid_drop_domain(&l, 3);
	gtid_drop_domain(&l, 1);
	ck_assert_str_eq(gtid_print(&l, out), "");
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, reads_and_prints_a_position);
	tcase_add_test(tc, refuses_what_is_no_position);
	tcase_add_test(tc, too_many_domains_are_an_error_and_no_overflow);
	tcase_add_test(tc, covers_is_by_domain);
	tcase_add_test(tc, a_domain_can_be_left_out);
}

int main(void)
{
	return run_tests("gtid", add);
}
