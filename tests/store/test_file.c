/* test_file.c - keys in files: documents are found by the name inside them, changes are all or nothing and only over
 * the version that was read. For src/store/file.c. One thread. */
#include "folder.h"
#include <sys/wait.h>

static struct store *store;

static void setup(void)
{
	folder_make();
	store = folder_open("");
}

static void teardown(void)
{
	store_close(store);
	folder_remove();
}

/* The version; 0: there is none. */
static uint64_t get(const char *key, const char *want)
{
	struct store_item it;
	struct err err;
	int rc = store_get(store, key, &it, &err);
	uint64_t version = it.version;

	ck_assert_msg(rc >= 0, "%s", err.msg);
	if (rc == 1)
		return 0;
	ck_assert_str_eq(it.key, key);
	ck_assert_str_eq(it.value, want);
	ck_assert_uint_eq(it.value_n, strlen(want));
	store_item_free(&it);
	return version;
}

static int put_if(const char *key, const char *value, uint64_t version)
{
	struct store_op op = { key, str_of(value), true, version };
	struct err err;
	int rc = store_commit(store, &op, 1, &err);

	ck_assert_msg(rc >= 0, "%s", err.msg);
	return rc;
}

static void put(const char *key, const char *value)
{
	struct store_op op = { .key = key, .value = str_of(value) };
	struct err err;
	int rc = store_commit(store, &op, 1, &err);

	ck_assert_msg(rc == STORE_DONE, "%s", err.msg);
}

/* Keys below @prefix with a blank after each. */
static void list(const char *prefix, const char *want)
{
	struct store_items all;
	char *got = xstrdup("");
	struct err err;
	int rc = store_list(store, prefix, &all, &err);

	ck_assert_msg(rc == 0, "%s", err.msg);
	for (uint32_t i = 0; i < all.n; i++) {
		char *more = xasprintf("%s%s ", got, all.v[i].key);

		ck_assert_uint_ne(all.v[i].version, 0);
		free(got);
		got = more;
	}
	ck_assert_str_eq(got, want);
	free(got);
	store_items_free(&all);
}

START_TEST(a_document_is_found_by_the_name_inside_it)
{
	folder_write("_all.json", "{\"keyspace\":\"*\",\"epoch\":1}");
	folder_write("whatever.json", "{\"keyspace\":\"shop\"}");
	folder_write("broken.json", "{");
	folder_write(".hidden.json", "{\"keyspace\":\"hidden\"}");
	folder_write("notes.txt", "x");
	get("keyspaces/*", "{\"keyspace\":\"*\",\"epoch\":1}");
	ck_assert_uint_ne(get("keyspaces/shop", "{\"keyspace\":\"shop\"}"), 0);
	ck_assert_uint_ne(get("keyspaces/broken", "{"), 0);
	ck_assert_uint_eq(get("keyspaces/whatever", ""), 0);
	list("keyspaces/", "keyspaces/* keyspaces/broken keyspaces/shop ");
	list("", "keyspaces/* keyspaces/broken keyspaces/shop ");
	list("keyspaces/s", "keyspaces/shop ");
	list("key", "keyspaces/* keyspaces/broken keyspaces/shop ");
	/* an old document is written where it lies */
	put("keyspaces/shop", "{\"keyspace\":\"shop\",\"epoch\":2}");
	list("keyspaces/", "keyspaces/* keyspaces/broken keyspaces/shop ");
	ck_assert(folder_has("whatever.json") && !folder_has("shop.json"));
}
END_TEST

START_TEST(new_documents_get_names_that_cannot_leave_the_folder)
{
	static const struct {
		const char *key, *file, *doc;
	} c[] = {
		{ "keyspaces/*", "_all.json", "{\"keyspace\":\"*\"}" },
		{ "keyspaces/_all", "%5Fall.json", "{\"keyspace\":\"_all\"}" },
		{ "keyspaces/shop", "shop.json", "{\"keyspace\":\"shop\"}" },
		{ "keyspaces/a%2Fb", "a%2Fb.json", "{\"keyspace\":\"a/b\"}" },
		{ "keyspaces/..%2F..%2Fx", "%2E.%2F..%2Fx.json", "{\"keyspace\":\"../../x\"}" },
		{ "keyspaces/%2E", "%2E.json", "{\"keyspace\":\".\"}" },
	};

	for (size_t i = 0; i < ARRAY_N(c); i++) {
		put(c[i].key, c[i].doc);
		ck_assert_msg(folder_has(c[i].file), "%s", c[i].file);
		ck_assert_uint_ne(get(c[i].key, c[i].doc), 0);
	}
	/* a file of that name which is another's is left alone */
	folder_write("x.json", "{\"keyspace\":\"y\"}");
	put("keyspaces/x", "{\"keyspace\":\"x\"}");
	ck_assert(folder_has("x-2.json"));
	ck_assert_uint_ne(get("keyspaces/y", "{\"keyspace\":\"y\"}"), 0);
}
END_TEST

START_TEST(two_documents_of_one_keyspace_are_an_error)
{
	struct store_item it;
	struct err err;

	folder_write("a.json", "{\"keyspace\":\"shop\"}");
	folder_write("b.json", "{\"keyspace\":\"shop\"}");
	ck_assert_int_eq(store_get(store, "keyspaces/shop", &it, &err), ERR_CONFIG);
	ck_assert_ptr_nonnull(strstr(err.msg, "keep one"));
	/* one that says no name gives way to the one that does */
	folder_write("a.json", "{\"keyspace\":\"a\"}");
	folder_write("shop.json", "{ broken");
	ck_assert_uint_ne(get("keyspaces/shop", "{\"keyspace\":\"shop\"}"), 0);
}
END_TEST

START_TEST(a_change_needs_the_version_that_was_read)
{
	uint64_t v, w;

	ck_assert_int_eq(put_if("ops/1", "a", 7), STORE_CONFLICT);
	ck_assert_int_eq(put_if("ops/1", "a", 0), STORE_DONE);
	ck_assert_int_eq(put_if("ops/1", "b", 0), STORE_CONFLICT);
	v = get("ops/1", "a");
	ck_assert_int_eq(put_if("ops/1", "b", v), STORE_DONE);
	w = get("ops/1", "b");
	ck_assert_uint_ne(v, w);
	ck_assert_int_eq(put_if("ops/1", "a", w), STORE_DONE);
	ck_assert_msg(get("ops/1", "a") != v, "the same value again is another version");
	ck_assert_int_eq(put_if("ops/1", "c", v), STORE_CONFLICT);
	ck_assert_int_eq(put_if("ops/1", NULL, v), STORE_CONFLICT);
	ck_assert_int_eq(put_if("ops/1", NULL, get("ops/1", "a")), STORE_DONE);
	ck_assert_uint_eq(get("ops/1", ""), 0);
}
END_TEST

START_TEST(several_changes_are_made_together_or_not_at_all)
{
	struct store_op ops[] = {
		{ .key = "keyspaces/shop", .value = STR("{\"keyspace\":\"shop\"}"), .check = true },
		{ .key = "history/shop/1", .value = STR("{}"), .check = true },
		{ .key = "locks/map", .value = { 0 }, .check = true, .version = 5 },
	};
	struct err err;

	ck_assert_int_eq(store_commit(store, ops, 3, &err), STORE_CONFLICT);
	list("", "");
	ops[2].check = false;
	ck_assert_int_eq(store_commit(store, ops, 3, &err), STORE_DONE);
	list("", "history/shop/1 keyspaces/shop ");
	list("history/", "history/shop/1 ");
	list("history/shop/", "history/shop/1 ");
	list("history/shop/12", "");
	list("hist", "history/shop/1 ");
	ops[1].key = "keyspaces/shop";
	ck_assert_int_eq(store_commit(store, ops, 2, &err), ERR_INTERNAL);
	/* nothing that was begun is left */
	ck_assert(!folder_has(".keyway/.new-0") && !folder_has(".keyway/.new-1"));
}
END_TEST

START_TEST(any_key_has_a_file_of_its_own_below_the_folder)
{
	static const char *const keys[] = { "a", "a/b", "a.json", "a.json/b", "a/b.json", "a.lease", "x%2F..%2Fy", "_a",
		".lock", ".new-0", "a/.b", "A", "lock", "lock/x", "a=b c:d" };
	struct store_items all;
	struct err err;

	for (size_t i = 0; i < ARRAY_N(keys); i++)
		ck_assert_int_eq(put_if(keys[i], keys[i], 0), STORE_DONE);
	for (size_t i = 0; i < ARRAY_N(keys); i++)
		ck_assert_uint_ne(get(keys[i], keys[i]), 0);
	ck_assert_int_eq(store_list(store, "", &all, &err), 0);
	ck_assert_uint_eq(all.n, ARRAY_N(keys));
	for (uint32_t i = 1; i < all.n; i++)
		ck_assert_int_lt(strcmp(all.v[i - 1].key, all.v[i].key), 0);
	store_items_free(&all);
}
END_TEST

START_TEST(one_document_alone)
{
	struct store_op op = { .key = "history/shop/1", .value = STR("x") };
	struct err err;

	ck_assert(!store_is_single(store));
	store_close(store);
	store = folder_open("map.json");
	ck_assert(store_is_single(store));
	list("", "");
	put("keyspaces/shop", "{\"keyspace\":\"shop\"}");
	ck_assert(folder_has("map.json"));
	list("", "keyspaces/shop ");
	ck_assert_int_eq(put_if("keyspaces/shop", "{\"keyspace\":\"shop\",\"epoch\":2}",
				 get("keyspaces/shop", "{\"keyspace\":\"shop\"}")),
		STORE_DONE);
	ck_assert_int_eq(store_commit(store, &op, 1, &err), ERR_UNSUPPORTED);
	ck_assert_ptr_nonnull(strstr(err.msg, "folder"));
	op.key = "keyspaces/other";
	ck_assert_int_eq(store_commit(store, &op, 1, &err), ERR_UNSUPPORTED);
	ck_assert_uint_eq(get("history/shop/1", ""), 0);
}
END_TEST

#define WRITERS 3
#define WRITES	20

/* Adds one to the number in a key, again when another was faster. */
static void count_up(void)
{
	struct store *mine = folder_open("");
	struct err err;

	for (int done = 0; done < WRITES;) {
		struct store_item it;
		struct store_op op = { .key = "ids/a/t", .check = true };
		char text[16];
		int rc = store_get(mine, "ids/a/t", &it, &err);

		if (rc < 0)
			_exit(1);
		snprintf(text, sizeof(text), "%d", rc == 1 ? 1 : atoi(it.value) + 1);
		op.version = it.version;
		op.value = str_of(text);
		store_item_free(&it);
		rc = store_commit(mine, &op, 1, &err);
		if (rc < 0)
			_exit(1);
		done += rc == STORE_DONE;
	}
	store_close(mine);
	_exit(0);
}

START_TEST(writers_at_once_lose_nothing)
{
	char want[16];
	int status;

	for (int i = 0; i < WRITERS; i++) {
		if (fork() == 0)
			count_up();
	}
	for (int i = 0; i < WRITERS; i++) {
		ck_assert_int_gt(wait(&status), 0);
		ck_assert_int_eq(status, 0);
	}
	snprintf(want, sizeof(want), "%d", WRITERS * WRITES);
	ck_assert_uint_ne(get("ids/a/t", want), 0);
}
END_TEST

START_TEST(settings_that_cannot_be_used_are_refused)
{
	static const char *const one[] = { "http://127.0.0.1:1" };
	static const struct store_config bad[] = {
		{ .kind = STORE_FILE },
		{ .kind = STORE_FILE, .path = "" },
		{ .kind = (enum store_kind)99, .path = "x", .endpoints = one, .endpoint_n = 1, .prefix = "/k" },
	};
	struct err err;

	for (size_t i = 0; i < ARRAY_N(bad); i++)
		ck_assert_ptr_null(store_open(&bad[i], &err));
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_document_is_found_by_the_name_inside_it);
	tcase_add_test(tc, new_documents_get_names_that_cannot_leave_the_folder);
	tcase_add_test(tc, two_documents_of_one_keyspace_are_an_error);
	tcase_add_test(tc, a_change_needs_the_version_that_was_read);
	tcase_add_test(tc, several_changes_are_made_together_or_not_at_all);
	tcase_add_test(tc, any_key_has_a_file_of_its_own_below_the_folder);
	tcase_add_test(tc, one_document_alone);
	tcase_add_test(tc, writers_at_once_lose_nothing);
	tcase_add_test(tc, settings_that_cannot_be_used_are_refused);
}

int main(void)
{
	return run_tests("file", add);
}
