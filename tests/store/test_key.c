/* test_key.c - names of any bytes as parts of keys, and keys that no store may see. For src/store/key.c. One thread. */
#include "store_type.h"
#include "../unit.h"

static const struct {
	const char *name, *key;
} names[] = {
	{ "shop", "keyspaces/shop" },
	{ "*", "keyspaces/*" },
	{ "a/b", "keyspaces/a%2Fb" },
	{ "50%", "keyspaces/50%25" },
	{ "%2F", "keyspaces/%252F" },
	{ "..", "keyspaces/%2E%2E" },
	{ ".", "keyspaces/%2E" },
	{ "a.b", "keyspaces/a.b" },
	{ "gr\xc3\xb6\xc3\x9f"
	  "e",
		"keyspaces/gr%C3%B6%C3%9Fe" },
	{ "a b\n", "keyspaces/a%20b%0A" },
	{ "my$db", "keyspaces/my$db" },
};

START_TEST(names_become_keys_and_come_back)
{
	for (size_t i = 0; i < ARRAY_N(names); i++) {
		char key[STORE_KEY_MAX + 1], *back;
		struct err err;

		ck_assert_int_eq(store_key(key, "keyspaces/", str_of(names[i].name), &err), 0);
		ck_assert_str_eq(key, names[i].key);
		back = store_key_name(key);
		ck_assert_str_eq(back, names[i].name);
		free(back);
	}
}
END_TEST

START_TEST(a_percent_that_means_nothing_stands_for_itself)
{
	static const char *const same[] = { "%", "%4", "%zz", "%00", "a%", "%-1" };

	for (size_t i = 0; i < ARRAY_N(same); i++) {
		char *s = store_unescape(str_of(same[i]));

		ck_assert_str_eq(s, same[i]);
		free(s);
	}
}
END_TEST

START_TEST(keys_out_of_bounds_are_refused)
{
	static const char *const bad[] = { "", "/a", "a/", "a//b", ".", "..", "a/../b", "a/.", "../a" };
	char name[STORE_KEY_MAX + 2], key[STORE_KEY_MAX + 1];
	struct err err;

	for (size_t i = 0; i < ARRAY_N(bad); i++)
		ck_assert_msg(store_key_check(bad[i], &err) == ERR_CONFIG, "%s", bad[i]);
	ck_assert_int_eq(store_key_check("a/.b/..c/d..", &err), 0);
	ck_assert_int_eq(store_key(key, "keyspaces/", STR(""), &err), ERR_CONFIG);
	memset(name, 'x', sizeof(name));
	ck_assert_int_eq(store_key(key, "k/", str_make(name, STORE_KEY_MAX), &err), ERR_LIMIT);
	ck_assert_int_eq(store_key(key, "k/", str_make(name, 300), &err), 0);
	memset(name, '/', sizeof(name));
	ck_assert_int_eq(store_key(key, "k/", str_make(name, 300), &err), ERR_LIMIT);
	ck_assert_int_eq(store_prefix_check("", &err), 0);
	ck_assert_int_eq(store_prefix_check("a/", &err), 0);
	ck_assert_int_eq(store_prefix_check("/a", &err), ERR_CONFIG);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, names_become_keys_and_come_back);
	tcase_add_test(tc, a_percent_that_means_nothing_stands_for_itself);
	tcase_add_test(tc, keys_out_of_bounds_are_refused);
}

int main(void)
{
	return run_tests("key", add);
}
