/* test_collation.c - equality of texts under the collations that are known; what is not known is said.
 * For src/cluster/collation.c. The rows were checked against a MariaDB 10.11 server.
 * One thread. */
#include <check.h>
#include <stdlib.h>
#include "keyway/cluster/charset.h"

static int64_t canonical(const char *collation, const char *text, uint8_t *out, size_t cap)
{
	const struct collation *c = collation_by_name(str_of(collation));

	ck_assert_msg(c != NULL, "%s", collation);
	return collation_canonical(c, CHARSET_UTF8MB4, str_of(text), false, out, cap);
}

START_TEST(texts_are_equal_exactly_when_a_server_says_so)
{
	static const struct {
		const char *collation, *a, *b;
		bool equal;
	} rows[] = {
		{ "utf8mb4_general_ci", "Abc", "aBC", true },
		{ "utf8mb4_general_ci", "a ", "a", true },
		{ "utf8mb4_general_ci", "a\xc2\xa0", "a", false },
		{ "utf8mb4_general_ci", "\xc3\x9f", "s", true },
		{ "utf8mb4_general_ci", "\xc3\x9f", "ss", false },
		{ "utf8mb4_general_ci", "\xc3\xa9", "E", true },
		{ "utf8mb4_general_ci", "e\xcc\x81", "e", false },
		{ "utf8mb4_general_ci", "\xd0\x94", "\xd0\xb4", true },
		{ "utf8mb4_general_ci", "\xf0\x9f\x98\x80", "\xf0\x9f\x98\x81", true },
		{ "utf8mb4_general_nopad_ci", "a ", "a", false },
		{ "utf8mb4_unicode_ci", "\xc3\x9f", "SS", true },
		{ "utf8mb4_unicode_ci", "e\xcc\x81", "E", true },
		{ "utf8mb4_unicode_ci", "a\xc2\xa0", "a", true },
		{ "utf8mb4_unicode_ci", "a\x01", "a", true },
		{ "utf8mb4_unicode_ci", "\xc3\x86", "ae", false },
		{ "utf8mb4_unicode_ci", "a-b", "ab", false },
		{ "utf8mb4_unicode_ci", "\xe4\xb8\x80", "\xe4\xb8\x80 ", true },
		{ "utf8mb4_unicode_ci", "\xe4\xb8\x80", "\xe4\xb8\x81", false },
		{ "utf8mb4_unicode_520_ci", "\xc3\x98", "o", true },
		{ "utf8mb4_uca1400_ai_ci", "\xc3\x85", "a", true },
		{ "utf8mb4_uca1400_nopad_ai_ci", "a ", "a", false },
		{ "utf8mb4_bin", "a", "A", false },
		{ "utf8mb4_bin", "a  ", "a", true },
		{ "utf8mb4_nopad_bin", "a  ", "a", false },
		{ "utf8mb4_0900_bin", "a ", "a", false },
		{ "utf8mb4_0900_ai_ci", "Ab-_9", "aB-_9", true },
		{ "utf8mb4_0900_ai_ci", "a ", "a", false },
		{ "utf8mb4_0900_as_cs", "A", "a", false },
		{ "latin1_swedish_ci", "\xc3\xa9", "E", true },
		{ "latin1_swedish_ci", "\xc3\x85", "A", false },
		{ "latin1_general_cs", "A", "a", false },
		{ "latin1_bin", "\xe2\x82\xac", "\xe2\x82\xac ", true },
		{ "ascii_general_ci", "A_", "a_", true },
		{ "UTF8_GENERAL_CI", "A", "a", true },
	};
	uint8_t x[256], y[256];

	for (size_t i = 0; i < ARRAY_N(rows); i++) {
		int64_t n = canonical(rows[i].collation, rows[i].a, x, sizeof(x));
		int64_t m = canonical(rows[i].collation, rows[i].b, y, sizeof(y));

		ck_assert_msg(n >= 0 && m >= 0, "row %zu is not known", i);
		ck_assert_msg((n == m && memcmp(x, y, (size_t)n) == 0) == rows[i].equal, "row %zu", i);
	}
}
END_TEST

START_TEST(what_is_not_certain_is_said_to_be_unknown)
{
	static const struct {
		const char *collation, *text;
	} rows[] = {
		{ "utf8mb4_0900_ai_ci", "\xc3\xa9" },
		{ "utf8mb4_0900_ai_ci", "a\x01" },
		{ "utf8mb4_0900_as_cs", "\t" },
		{ "utf8mb4_unicode_ci", "\xe0\xb8\x81" },	  /* Thai: not in the tables */
		{ "utf8mb4_unicode_520_ci", "\xf0\x9f\x98\x80" }, /* above U+FFFF */
		{ "utf8mb3_general_ci", "\xf0\x9f\x98\x80" },	  /* no such character there */
		{ "latin1_swedish_ci", "\xe4\xb8\x80" },
		{ "ascii_bin", "\xc3\xa9" },
		{ "utf8mb4_bin", "\xff" },
		{ "utf8mb4_bin", "\xc0\x80" },
		{ "utf8mb4_bin", "\xed\xa0\x80" },
		{ "utf8mb4_bin", "\xe4\xb8" },
		{ "utf8mb4_bin", "\xf4\x90\x80\x80" },
	};
	uint8_t out[256];

	for (size_t i = 0; i < ARRAY_N(rows); i++)
		ck_assert_msg(canonical(rows[i].collation, rows[i].text, out, sizeof(out)) < 0, "row %zu", i);
	ck_assert_ptr_null(collation_by_name(STR("utf8mb4_swedish_ci")));
	ck_assert_ptr_null(collation_by_name(STR("")));
	/* never past the room given */
	for (size_t cap = 0; cap < 6; cap++)
		ck_assert_int_eq(canonical("utf8mb4_general_ci", "abc", out, cap), -1);
	ck_assert_int_eq(canonical("utf8mb4_general_ci", "abc", out, 6), 6);
}
END_TEST

START_TEST(character_sets_convert_or_refuse)
{
	const struct collation *c = collation_by_name(STR("utf8mb4_general_ci"));
	uint8_t x[16], y[16];

	ck_assert_int_eq(collation_canonical(c, CHARSET_LATIN1, STR("\xe9"), false, x, 16), 2);
	ck_assert_int_eq(collation_canonical(c, CHARSET_UTF8MB4, STR("\xc3\xa9"), false, y, 16), 2);
	ck_assert_mem_eq(x, y, 2);
	/* bytes without a character set are taken as the column's */
	ck_assert_int_eq(collation_canonical(c, CHARSET_BINARY, STR("\xc3\xa9"), false, y, 16), 2);
	ck_assert_int_eq(collation_canonical(c, CHARSET_BINARY, STR("\xe9"), false, y, 16), -1);
	ck_assert_int_eq(collation_canonical(c, CHARSET_OTHER, STR("a"), false, y, 16), -1);
	ck_assert_int_eq(collation_canonical(c, CHARSET_ASCII, STR("\xe9"), false, y, 16), -1);
	ck_assert_int_eq(charset_length(CHARSET_UTF8MB4, STR("a\xc3\xa9")), 2);
	ck_assert_int_eq(charset_length_in(CHARSET_UTF8MB4, CHARSET_LATIN1, STR("a\xc3\xa9")), 2);
	ck_assert_int_eq(charset_length_in(CHARSET_LATIN1, CHARSET_UTF8MB4, STR("\x80")), 3);
	ck_assert_int_eq(charset_length_in(CHARSET_UTF8MB4, CHARSET_LATIN1, STR("\xe4\xb8\x80")), -1);
	ck_assert_int_eq(charset_of_collation(STR("latin1_swedish_ci")), CHARSET_LATIN1);
	ck_assert_int_eq(charset_of_collation(STR("binary")), CHARSET_BINARY);
	ck_assert_int_eq(charset_of_collation(STR("gbk_chinese_ci")), CHARSET_OTHER);
	ck_assert_int_eq(charset_by_name(STR("UTF8")), CHARSET_UTF8MB3);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("collation");
	TCase *tc = tcase_create("all");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_test(tc, texts_are_equal_exactly_when_a_server_says_so);
	tcase_add_test(tc, what_is_not_certain_is_said_to_be_unknown);
	tcase_add_test(tc, character_sets_convert_or_refuse);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
