/* test_base64.c - values there and back, and texts that are no base64. For src/store/base64.c. One thread. */
#include "base64.h"
#include "../unit.h"

static const struct {
	const char *bytes, *text;
} pairs[] = { { "", "" }, { "f", "Zg==" }, { "fo", "Zm8=" }, { "foo", "Zm9v" }, { "foob", "Zm9vYg==" },
	{ "fooba", "Zm9vYmE=" }, { "foobar", "Zm9vYmFy" }, { "\xff\xfe\xfb", "//77" } };

START_TEST(there_and_back)
{
	char all[256], *text, *back;
	size_t n;

	for (size_t i = 0; i < ARRAY_N(pairs); i++) {
		text = base64_encode(str_of(pairs[i].bytes));
		ck_assert_str_eq(text, pairs[i].text);
		back = base64_decode(str_of(text), &n);
		ck_assert_uint_eq(n, strlen(pairs[i].bytes));
		ck_assert_str_eq(back, pairs[i].bytes);
		free(text);
		free(back);
	}
	for (size_t i = 0; i < sizeof(all); i++)
		all[i] = (char)i;
	for (size_t len = 0; len <= sizeof(all); len++) {
		text = base64_encode(str_make(all, len));
		back = base64_decode(str_of(text), &n);
		ck_assert(n == len && memcmp(back, all, n) == 0);
		free(text);
		free(back);
	}
}
END_TEST

START_TEST(what_is_not_base64)
{
	static const char *const bad[] = { "A", "AA", "AAA", "AAAAA", "====", "A===", "=AAA", "AA=A", "A=AA",
		"AAA=AAAA", "Zg=\n", "Z g=", "Zh==", "Zm9=", "AA-_", "AAA\xff" };
	size_t n;

	for (size_t i = 0; i < ARRAY_N(bad); i++)
		ck_assert_msg(!base64_decode(str_of(bad[i]), &n), "%s", bad[i]);
	ck_assert_ptr_null(base64_decode(str_make("AA\0A", 4), &n));
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, there_and_back);
	tcase_add_test(tc, what_is_not_base64);
}

int main(void)
{
	return run_tests("base64", add);
}
