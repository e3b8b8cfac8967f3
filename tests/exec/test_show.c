/* test_show.c - rows of SHOW KEYWAY: how they are made, filtered and bounded.
 * For src/exec/show.c. One thread. */
#include "show.h"
#include "unit.h"

START_TEST(fields_are_texts_and_nulls)
{
	struct show_rows o = { .n_cols = 5 };

	ck_assert(show_row(&o));
	show_z(&o, "z");
	show_uint(&o, UINT64_MAX);
	show_null(&o);
	show_printf(&o, "%s/%d", "shop", 80);
	show_str(&o, STR("end"));
	show_str(&o, STR("one too many is left out"));
	ck_assert(show_row(&o));
	show_z(&o, NULL);
	show_rows_end(&o);
	ck_assert_uint_eq(o.n, 2);
	assert_str(o.f[0], "z");
	assert_str(o.f[1], "18446744073709551615");
	ck_assert_ptr_null(o.f[2].p);
	assert_str(o.f[3], "shop/80");
	assert_str(o.f[4], "end");
	ck_assert_ptr_null(o.f[5].p);
	ck_assert_ptr_null(o.f[9].p);
	show_rows_free(&o);
}
END_TEST

START_TEST(texts_are_cut_between_characters)
{
	static const struct {
		const char *text;
		size_t max;
		const char *want;
	} cases[] = {
		{ "", 5, "" },
		{ "abcdef", 5, "abcde" },
		{ "abcd\xc3\xa9", 5, "abcd" },
		{ "abc\xc3\xa9", 5, "abc\xc3\xa9" },
		{ "abc\xc3", 10, "abc" },
		{ "a\xe9 in latin1", 100, "a? in latin1" },
		{ "\xf0\x9f\x98\x80!", 4, "\xf0\x9f\x98\x80" },
		{ "\xf0\x9f\x98\x80!", 3, "" },
		{ "\xff\xfe\x80z", 100, "???z" },
	};
	struct show_rows o = { .n_cols = 1 };

	for (size_t i = 0; i < ARRAY_N(cases); i++) {
		ck_assert(show_row(&o));
		show_text(&o, str_of(cases[i].text), cases[i].max);
		assert_str(o.f[i], cases[i].want);
	}
	show_rows_free(&o);
}
END_TEST

START_TEST(rows_that_are_not_like_it_go)
{
	struct show_rows o = { .n_cols = 2, .like = STR("b%") };
	static const char *const names[] = { "apple", "banana", "cherry", "bilberry" };

	for (size_t i = 0; i < ARRAY_N(names); i++) {
		ck_assert(show_row(&o));
		show_null(&o);
		show_z(&o, names[i]);
	}
	show_rows_end(&o);
	ck_assert_uint_eq(o.n, 2);
	assert_str(o.f[1], "banana");
	assert_str(o.f[3], "bilberry");
	show_rows_free(&o);
}
END_TEST

START_TEST(rows_are_bounded)
{
	struct show_rows o = { .n_cols = 1 };
	uint32_t n = 0;

	while (show_row(&o)) {
		show_z(&o, "x");
		n++;
	}
	ck_assert_uint_eq(n, SHOW_ROWS_MAX);
	ck_assert_uint_eq(o.n, SHOW_ROWS_MAX);
	ck_assert(o.cut);
	show_rows_free(&o);
}
END_TEST

START_TEST(bytes_are_bounded)
{
	struct show_rows o = { .n_cols = 1 };
	char *text = xmalloc(1 << 20);

	memset(text, 'x', 1 << 20);
	while (show_row(&o))
		show_str(&o, str_make(text, 1 << 20));
	ck_assert(o.cut);
	ck_assert_uint_ge(o.n, 63);
	ck_assert_uint_le(o.n, 66);
	free(text);
	show_rows_free(&o);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, fields_are_texts_and_nulls);
	tcase_add_test(tc, texts_are_cut_between_characters);
	tcase_add_test(tc, rows_that_are_not_like_it_go);
	tcase_add_test(tc, rows_are_bounded);
	tcase_add_test(tc, bytes_are_bounded);
}

int main(void)
{
	return run_tests("show", add);
}
