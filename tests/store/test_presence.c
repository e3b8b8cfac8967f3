/* test_presence.c - a key that lives with the process: there at once, renewed, made again when it was lost, gone at the
 * end and when nobody renews it. For src/store/presence.c over files. The test's thread and the one under test. */
#include "folder.h"
#include <time.h>

#define TTL_US 600000

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

/* Waits until the key has @want; NULL: until it is gone. */
static void await_value(const char *want)
{
	struct timespec step = { .tv_nsec = 5000000 };
	bool right = false;

	for (int i = 0; i < 2000 && !right; i++) {
		struct store_item it;
		struct err err;
		int rc = store_get(store, "proxies/p1", &it, &err);

		ck_assert_int_ge(rc, 0);
		right = rc == 1 ? !want : want && strcmp(it.value, want) == 0;
		store_item_free(&it);
		if (!right)
			nanosleep(&step, NULL);
	}
	ck_assert_msg(right, "never came to %s", want ? want : "be gone");
}

static struct store_presence *present(void)
{
	struct store_config cfg = { .kind = STORE_FILE, .path = folder };
	struct err err;
	struct store_presence *p = store_presence_start(&cfg, "proxies/p1", STR("one"), TTL_US, &err);

	ck_assert_msg(p != NULL, "%s", err.msg);
	return p;
}

START_TEST(it_is_there_renewed_changed_and_gone)
{
	struct timespec longer = { .tv_nsec = (TTL_US + 200000) * 1000L };
	struct store_presence *p = present();
	struct store_items all;
	struct err err;

	await_value("one");
	nanosleep(&longer, NULL);
	await_value("one");
	store_presence_set(p, STR("two"));
	await_value("two");
	ck_assert_int_eq(store_list(store, "proxies/", &all, &err), 0);
	ck_assert_uint_eq(all.n, 1);
	store_items_free(&all);
	store_presence_stop(p);
	ck_assert(!folder_has(".keyway/proxies/p1.lease"));
	await_value(NULL);
}
END_TEST

START_TEST(it_is_made_again_when_it_was_lost)
{
	struct store_op op = { .key = "proxies/p1" };
	struct store_presence *p = present();
	struct err err;

	await_value("one");
	ck_assert_int_eq(store_commit(store, &op, 1, &err), STORE_DONE);
	await_value("one");
	store_presence_stop(p);
}
END_TEST

START_TEST(nobody_renews_it_any_more)
{
	struct store_config cfg = { .kind = STORE_FILE, .path = folder };
	void *s = store_file.open(&cfg, NULL);
	struct store_lease dead = { .key = "proxies/p1", .value = STR("dead"), .ttl_us = TTL_US };
	struct store_lease other = { .key = "proxies/p2", .value = STR("x"), .ttl_us = TTL_US * 10 };
	struct err err;

	ck_assert_int_eq(store_file.lease_keep(s, &dead, &err), 0);
	await_value("dead");
	await_value(NULL);
	/* its file goes when there is another to be made, long after */
	ck_assert(folder_has(".keyway/proxies/p1.lease"));
	for (int i = 0; i < 500 && folder_has(".keyway/proxies/p1.lease"); i++) {
		struct timespec step = { .tv_nsec = 10000000 };

		other.written = false;
		ck_assert_int_eq(store_file.lease_keep(s, &other, &err), 0);
		nanosleep(&step, NULL);
	}
	ck_assert(!folder_has(".keyway/proxies/p1.lease"));
	store_file.close(s);
}
END_TEST

START_TEST(one_document_has_no_room_for_it)
{
	struct store_config cfg = { .kind = STORE_FILE, .path = "/nonexistent/map.json" };
	void *s = store_file.open(&cfg, NULL);
	struct store_lease l = { .key = "proxies/p1", .value = STR("x"), .ttl_us = TTL_US };
	struct err err;

	ck_assert_int_eq(store_file.lease_keep(s, &l, &err), ERR_UNSUPPORTED);
	store_file.close(s);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, it_is_there_renewed_changed_and_gone);
	tcase_add_test(tc, it_is_made_again_when_it_was_lost);
	tcase_add_test(tc, nobody_renews_it_any_more);
	tcase_add_test(tc, one_document_has_no_room_for_it);
}

int main(void)
{
	return run_tests("presence", add);
}
