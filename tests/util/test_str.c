/* test_str.c - numbers, compares and copies of texts. For src/util/str.c; one thread. */
#include "../unit.h"

static const struct {
	const char *text;
	bool ok;
	uint64_t value;
} u64s[] = {
	{ "0", true, 0 },
	{ "7", true, 7 },
	{ "007", true, 7 },
	{ "18446744073709551615", true, UINT64_MAX },
	{ "00000000000000000000000000018446744073709551615", true, UINT64_MAX },
	{ "18446744073709551616", false, 0 },
	{ "28446744073709551615", false, 0 },
	{ "99999999999999999999999", false, 0 },
	{ "", false, 0 },
	{ "-1", false, 0 },
	{ "+1", false, 0 },
	{ " 1", false, 0 },
	{ "1 ", false, 0 },
	{ "1a", false, 0 },
	{ "0x10", false, 0 },
	{ "\xb1", false, 0 },
	{ "/", false, 0 },
	{ ":", false, 0 },
};

START_TEST(whole_texts_become_unsigned_numbers)
{
	uint64_t v = 99;

	ck_assert_int_eq(str_to_u64(str_of(u64s[_i].text), &v), u64s[_i].ok ? 0 : -1);
	ck_assert_uint_eq(v, u64s[_i].ok ? u64s[_i].value : 99);
}
END_TEST

static const struct {
	const char *text;
	bool ok;
	int64_t value;
} i64s[] = {
	{ "0", true, 0 },
	{ "-0", true, 0 },
	{ "-1", true, -1 },
	{ "9223372036854775807", true, INT64_MAX },
	{ "9223372036854775808", false, 0 },
	{ "-9223372036854775808", true, INT64_MIN },
	{ "-9223372036854775809", false, 0 },
	{ "18446744073709551615", false, 0 },
	{ "", false, 0 },
	{ "-", false, 0 },
	{ "--1", false, 0 },
	{ "+1", false, 0 },
	{ "1-", false, 0 },
};

START_TEST(whole_texts_become_signed_numbers)
{
	int64_t v = 99;

	ck_assert_int_eq(str_to_i64(str_of(i64s[_i].text), &v), i64s[_i].ok ? 0 : -1);
	ck_assert_int_eq(v, i64s[_i].ok ? i64s[_i].value : 99);
}
END_TEST

START_TEST(nothing_behind_the_length_is_read)
{
	uint64_t v;

	ck_assert_int_eq(str_to_u64(str_make("123456", 3), &v), 0);
	ck_assert_uint_eq(v, 123);
	ck_assert_int_eq(str_to_u64(str_make(NULL, 0), &v), -1);
}
END_TEST

START_TEST(compares_know_length_and_case)
{
	ck_assert(str_eq(str_make(NULL, 0), STR("")));
	ck_assert(str_eqz(STR("a"), "a"));
	ck_assert(!str_eqz(STR("a"), "A"));
	ck_assert(!str_eqz(STR("a"), "ab"));
	ck_assert(!str_eqz(STR("a\0b"), "a"));
	ck_assert(str_ieqz(STR("aBc"), "AbC"));
	ck_assert(!str_ieqz(STR("abc"), "abd"));
	ck_assert(str_ieq(str_make(NULL, 0), str_make(NULL, 0)));
	ck_assert(str_starts(STR("abc"), STR("ab")));
	ck_assert(str_starts(STR("abc"), STR("")));
	ck_assert(!str_starts(STR("ab"), STR("abc")));
	ck_assert_uint_eq(str_of(NULL).n, 0);
}
END_TEST

START_TEST(copies_hold_the_length_and_end_in_a_nul)
{
	char *p = str_dup(str_make("abcdef", 3)), *q = str_dup(str_make(NULL, 0));

	ck_assert_str_eq(p, "abc");
	ck_assert_str_eq(q, "");
	free(p);
	free(q);
}
END_TEST

START_TEST(like_is_that_of_sql)
{
	static const struct {
		const char *text, *pattern;
		bool is;
	} cases[] = {
		{ "", "", true },
		{ "", "%", true },
		{ "", "_", false },
		{ "shop", "shop", true },
		{ "shop", "SHOP", true },
		{ "shop", "sho", false },
		{ "shop", "sh%", true },
		{ "shop", "%op", true },
		{ "shop", "%h%", true },
		{ "shop", "_hop", true },
		{ "shop", "____", true },
		{ "shop", "_____", false },
		{ "shop", "%%%p", true },
		{ "aXbXc", "a%X%c", true },
		{ "aaab", "%ab", true },
		{ "aaac", "%ab", false },
		{ "100%", "100\\%", true },
		{ "1000", "100\\%", false },
		{ "a_b", "a\\_b", true },
		{ "axb", "a\\_b", false },
		{ "a\\", "a\\", true },
		{ "caf\xc3\xa9!", "caf_!", true },
		{ "caf\xc3\xa9!", "caf__!", false },
	};

	for (size_t i = 0; i < ARRAY_N(cases); i++)
		ck_assert_msg(str_like(str_of(cases[i].text), str_of(cases[i].pattern)) == cases[i].is,
			"'%s' LIKE '%s'", cases[i].text, cases[i].pattern);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, like_is_that_of_sql);
	tcase_add_loop_test(tc, whole_texts_become_unsigned_numbers, 0, (int)ARRAY_N(u64s));
	tcase_add_loop_test(tc, whole_texts_become_signed_numbers, 0, (int)ARRAY_N(i64s));
	tcase_add_test(tc, nothing_behind_the_length_is_read);
	tcase_add_test(tc, compares_know_length_and_case);
	tcase_add_test(tc, copies_hold_the_length_and_end_in_a_nul);
}

int main(void)
{
	return run_tests("str", add);
}
