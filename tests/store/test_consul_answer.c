/* test_consul_answer.c - consul's answers, as it gives them and as it must not, and the rules of its index. For
 * src/store/consul_answer.c. One thread. */
#include "consul_answer.h"
#include "../unit.h"

#define ENTRY(key, value) \
	"{\"LockIndex\":0,\"Key\":" key ",\"Flags\":0,\"Value\":" value ",\"CreateIndex\":30,\"ModifyIndex\":32}"

START_TEST(a_list_of_keys)
{
	struct store_items all;
	struct err err;

	ck_assert_int_eq(consul_read_items(STR("[" ENTRY("\"k/a\"", "\"djE=\"") "," ENTRY("\"k/b\"", "null") "]"), "k/",
				 &all, &err),
		0);
	ck_assert_uint_eq(all.n, 2);
	ck_assert_str_eq(all.v[0].key, "a");
	ck_assert_str_eq(all.v[0].value, "v1");
	ck_assert_uint_eq(all.v[0].version, 32);
	ck_assert_str_eq(all.v[1].value, "");
	store_items_free(&all);
	ck_assert_int_eq(consul_read_items(STR("[]"), "k/", &all, &err), 0);
	ck_assert_uint_eq(all.n, 0);
	/* the folder itself, as consul's own pages make it, and what no key of ours can be */
	ck_assert_int_eq(consul_read_items(STR("[" ENTRY("\"k/\"", "null") "," ENTRY(
						   "\"k/a\\u0000b\"", "null") "," ENTRY("\"k/a//b\"", "null") "]"),
				 "k/", &all, &err),
		0);
	ck_assert_uint_eq(all.n, 0);
	store_items_free(&all);
}
END_TEST

static const char *const bad_lists[] = {
	"",
	"{}",
	"true",
	"[7]",
	"[{}]",
	"[" ENTRY("\"x/a\"", "null") "]",
	"[" ENTRY("\"k\"", "null") "]",
	"[" ENTRY("7", "null") "]",
	"[" ENTRY("\"k/a\"", "7") "]",
	"[" ENTRY("\"k/a\"", "\"!\"") "]",
	"[{\"Key\":\"k/a\",\"Value\":null,\"ModifyIndex\":0}]",
	"[{\"Key\":\"k/a\",\"Value\":null,\"ModifyIndex\":-5}]",
	"[{\"Key\":\"k/a\",\"Value\":null,\"ModifyIndex\":\"5\"}]",
	"[{\"Key\":\"k/a\",\"Value\":null}]",
	"[" ENTRY("\"k/a\"", "null") ",",
	"[" ENTRY("\"k/a\"", "null") ",7]",
};

START_TEST(bad_lists_are_refused)
{
	struct store_items all;
	struct err err;

	ck_assert_msg(consul_read_items(str_of(bad_lists[_i]), "k/", &all, &err) == ERR_MALFORMED, "%s", bad_lists[_i]);
	ck_assert_ptr_null(all.v);
}
END_TEST

#define REFUSED(what) "{\"Results\":null,\"Errors\":[{\"OpIndex\":0,\"What\":\"" what "\"}]}"

static const struct {
	const char *body;
	int rc;
} refusals[] = {
	{ REFUSED("failed to set key \\\"t/a\\\", index is stale"), STORE_CONFLICT },
	{ REFUSED("failed to delete key \\\"t/a\\\", index is stale"), STORE_CONFLICT },
	{ REFUSED("key \\\"t/none\\\" doesn't exist"), STORE_CONFLICT },
	{ REFUSED("key \\\"t/a\\\" exists"), STORE_CONFLICT },
	{ REFUSED("Permission denied"), ERR_DENIED },
	{ REFUSED("ACL not found"), ERR_DENIED },
	{ REFUSED("the disk is on fire"), ERR_BACKEND },
	{ "{\"Errors\":[{\"What\":\"index is stale\"},{\"What\":\"Permission denied\"}]}", ERR_DENIED },
	{ "{\"Errors\":[]}", ERR_BACKEND },
	{ "{\"Errors\":7}", ERR_BACKEND },
	{ "{\"Errors\":[7]}", ERR_BACKEND },
	{ "", ERR_BACKEND },
	{ "rpc error", ERR_BACKEND },
};

START_TEST(why_a_transaction_was_refused)
{
	char why[100];

	ck_assert_msg(consul_read_refusal(str_of(refusals[_i].body), why, sizeof(why)) == refusals[_i].rc, "%s",
		refusals[_i].body);
}
END_TEST

START_TEST(that_a_transaction_was_made)
{
	ck_assert(consul_read_done(STR("{\"Results\":[" ENTRY("\"k/a\"", "null") "],\"Errors\":null}")));
	ck_assert(consul_read_done(STR("{\"Results\":null,\"Errors\":null}")));
	ck_assert(consul_read_done(STR("{\"Results\":[],\"Errors\":[]}")));
	ck_assert(!consul_read_done(STR("{}")));
	ck_assert(!consul_read_done(STR("[]")));
	ck_assert(!consul_read_done(STR("<html>welcome</html>")));
	ck_assert(!consul_read_done(STR("{\"Results\":7,\"Errors\":null}")));
	ck_assert(!consul_read_done(STR("{\"Results\":null,\"Errors\":[{\"What\":\"x\"}]}")));
	ck_assert(!consul_read_done(str_make(NULL, 0)));
}
END_TEST

START_TEST(rules_of_the_index)
{
	ck_assert_uint_eq(consul_next_index(0, 5), 5);
	ck_assert_uint_eq(consul_next_index(5, 5), 5);
	ck_assert_uint_eq(consul_next_index(5, 6), 6);
	ck_assert_msg(consul_next_index(6, 5) == 0, "it went back: read anew");
	ck_assert_msg(consul_next_index(6, 0) == 0, "it went back: read anew");
	ck_assert_msg(consul_next_index(0, 0) == 1, "0 would not wait");
}
END_TEST

START_TEST(keys_as_paths)
{
	static const struct {
		const char *key, *path;
	} c[] = {
		{ "keyway/local/keyspaces/*", "keyway/local/keyspaces/*" },
		{ "k/a%2Fb", "k/a%252Fb" },
		{ "k/a b?c#d&e", "k/a%20b%3Fc%23d%26e" },
		{ "k/\xc3\xb6", "k/%C3%B6" },
	};

	for (size_t i = 0; i < ARRAY_N(c); i++) {
		char *path = consul_path(c[i].key);

		ck_assert_str_eq(path, c[i].path);
		free(path);
	}
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, a_list_of_keys);
	tcase_add_loop_test(tc, bad_lists_are_refused, 0, (int)ARRAY_N(bad_lists));
	tcase_add_loop_test(tc, why_a_transaction_was_refused, 0, (int)ARRAY_N(refusals));
	tcase_add_test(tc, that_a_transaction_was_made);
	tcase_add_test(tc, rules_of_the_index);
	tcase_add_test(tc, keys_as_paths);
}

int main(void)
{
	return run_tests("consul_answer", add);
}
