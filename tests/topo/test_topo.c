/* test_topo.c - the control thread over a folder of documents, with no server behind them: what is published, refused,
 * cached, shown. For src/topo/topo.c and file.c.
 * The test's thread and the control thread. */
#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "keyway/topo/topo.h"
#include "keyway/store/store.h"
#include "keyway/util/log.h"

#define LONG_US 10000000

struct watcher {
	char dir[32];
	char cache[64];
	pthread_mutex_t lock;
	pthread_cond_t more;
	uint32_t published;
	struct snapshot *last;
	uint32_t refreshed;
	struct err refresh_err;
};

static void on_publish(void *arg, struct snapshot *s)
{
	struct watcher *w = arg;

	pthread_mutex_lock(&w->lock);
	snapshot_unref(w->last);
	w->last = snapshot_ref(s);
	w->published++;
	pthread_cond_broadcast(&w->more);
	pthread_mutex_unlock(&w->lock);
}

static void on_refreshed(void *arg, const struct err *err)
{
	struct watcher *w = arg;

	pthread_mutex_lock(&w->lock);
	if (err)
		w->refresh_err = *err;
	w->refreshed++;
	pthread_cond_broadcast(&w->more);
	pthread_mutex_unlock(&w->lock);
}

static void no_account(void *arg, struct str keyspace, struct topo_account *out)
{
	(void)arg;
	(void)keyspace;
	*out = (struct topo_account){ .user = "nobody" };
}

static void watcher_init(struct watcher *w)
{
	*w = (struct watcher){ .dir = "/tmp/keyway-test-XXXXXX" };
	ck_assert_ptr_nonnull(mkdtemp(w->dir));
	snprintf(w->cache, sizeof(w->cache), "%s/.cache", w->dir);
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->more, NULL);
}

static void watcher_free(struct watcher *w)
{
	char *cmd = xasprintf("rm -rf %s", w->dir);

	snapshot_unref(w->last);
	ck_assert_int_eq(system(cmd), 0);
	free(cmd);
}

/* Writes aside and renames, as an editor does. */
static void write_text(struct watcher *w, const char *name, const char *text)
{
	char *path = xasprintf("%s/%s", w->dir, name), *tmp = xasprintf("%s/.tmp", w->dir);
	FILE *f = fopen(tmp, "w");

	ck_assert_ptr_nonnull(f);
	fputs(text, f);
	ck_assert_int_eq(fclose(f), 0);
	ck_assert_int_eq(rename(tmp, path), 0);
	free(path);
	free(tmp);
}

static void write_doc(struct watcher *w, const char *name, const char *keyspace, int epoch)
{
	/* a socket that is not there: refused at once */
	char *text =
		xasprintf("{\"keyspace\":\"%s\",\"epoch\":%d,\"shards\":[{\"backends\":[{\"name\":\"a\",\"socket\":"
			  "\"/nonexistent/x.sock\",\"role\":\"primary\"}]}]}",
			keyspace, epoch);

	write_text(w, name, text);
	free(text);
}

static struct topo *start(struct watcher *w, struct err *err)
{
	struct store_config store = { .path = w->dir, .poll_us = 200000 };
	struct topo_config cfg = {
		.store = &store,
		.cache_path = w->cache,
		.account = no_account,
		.publish = on_publish,
		.publish_arg = w,
	};

	return topo_start(&cfg, err);
}

/* Waits until the epoch of @keyspace in the last snapshot is @epoch (0: it is not there). */
static void await_epoch(struct watcher *w, const char *keyspace, uint64_t epoch)
{
	struct timespec until;
	int rc = 0;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += LONG_US / 1000000;
	pthread_mutex_lock(&w->lock);
	while (rc == 0) {
		const struct keyspace *ks = w->last ? map_keyspace(w->last->map, str_of(keyspace)) : NULL;

		if (w->last && (ks ? ks->epoch : 0) == epoch)
			break;
		rc = pthread_cond_timedwait(&w->more, &w->lock, &until);
	}
	pthread_mutex_unlock(&w->lock);
	ck_assert_msg(rc == 0, "%s never came to epoch %d", keyspace, (int)epoch);
}

/* Waits until @n documents have been refused for @key. */
static void await_refusal(struct topo *t, const char *name, uint64_t n, const char *says)
{
	for (int i = 0; i < 1000; i++) {
		struct topo_status st;
		bool found = false;

		topo_status(t, &st);
		for (uint32_t k = 0; k < st.keyspace_n && !found; k++) {
			found = strcmp(st.keyspaces[k].name, name) == 0 && st.keyspaces[k].refused_n == n &&
				strstr(st.keyspaces[k].refused_err.msg, says);
		}
		topo_status_free(&st);
		if (found)
			return;
		usleep(10000);
	}
	ck_abort_msg("no refusal of %s says %s", name, says);
}

START_TEST(changes_of_the_folder_are_followed)
{
	struct watcher w;
	struct topo *t;
	struct snapshot *s;
	struct err err;

	watcher_init(&w);
	write_doc(&w, "a.json", "shop", 1);
	t = start(&w, &err);
	ck_assert_ptr_nonnull(t);
	s = topo_snapshot(t);
	ck_assert_uint_eq(s->map->keyspaces[0]->epoch, 1);
	snapshot_unref(s);
	await_epoch(&w, "shop", 1);
	write_doc(&w, "a.json", "shop", 2);
	write_doc(&w, "b.json", "blog", 5);
	await_epoch(&w, "shop", 2);
	await_epoch(&w, "blog", 5);
	write_text(&w, "a.json", "{\"keyspace\":");
	await_refusal(t, "shop", 1, "is not JSON");
	write_doc(&w, "a.json", "shop", 1);
	await_refusal(t, "shop", 2, "epochs only rise");
	await_epoch(&w, "shop", 2);
	write_doc(&w, "a.json", "shop", 3);
	await_epoch(&w, "shop", 3);
	snprintf(w.cache, sizeof(w.cache), "%s/b.json", w.dir);
	ck_assert_int_eq(unlink(w.cache), 0);
	await_epoch(&w, "blog", 0);
	topo_stop(t);
	watcher_free(&w);
}
END_TEST

START_TEST(a_first_document_must_be_good_unless_cached)
{
	struct watcher w;
	struct topo_status st;
	struct topo *t;
	struct err err;

	watcher_init(&w);
	write_text(&w, "a.json", "[]");
	ck_assert_ptr_null(start(&w, &err));
	ck_assert_ptr_nonnull(strstr(err.msg, "a.json: document: must be an object"));
	write_doc(&w, "a.json", "shop", 4);
	t = start(&w, &err);
	ck_assert_ptr_nonnull(t);
	topo_stop(t);
	write_text(&w, "a.json", "[]");
	t = start(&w, &err);
	ck_assert_ptr_nonnull(t);
	await_epoch(&w, "shop", 4);
	topo_status(t, &st);
	ck_assert_uint_eq(st.keyspace_n, 2);
	ck_assert(st.keyspaces[1].from_cache);
	topo_status_free(&st);
	write_doc(&w, "a.json", "shop", 6);
	await_epoch(&w, "shop", 6);
	topo_stop(t);
	watcher_free(&w);
}
END_TEST

START_TEST(a_store_that_is_not_there_is_an_error_unless_cached)
{
	struct watcher w;
	struct store_config store = { .path = "/nonexistent/maps", .poll_us = 100000 };
	struct topo_config cfg = { .store = &store, .account = no_account };
	struct topo_status st;
	struct topo *t;
	struct err err;

	ck_assert_ptr_null(topo_start(&cfg, &err));
	ck_assert_ptr_nonnull(strstr(err.msg, "/nonexistent/maps cannot be read"));
	watcher_init(&w);
	write_doc(&w, "a.json", "shop", 4);
	t = start(&w, &err);
	ck_assert_ptr_nonnull(t);
	topo_stop(t);
	cfg.cache_path = w.cache;
	t = topo_start(&cfg, &err);
	ck_assert_ptr_nonnull(t);
	topo_status(t, &st);
	ck_assert(!st.store_up);
	ck_assert_uint_eq(st.keyspaces[0].epoch, 4);
	topo_status_free(&st);
	topo_stop(t);
	watcher_free(&w);
}
END_TEST

START_TEST(a_schema_that_cannot_be_read_is_shown_and_requests_complete)
{
	struct watcher w;
	struct topo_status st;
	struct topo *t;
	struct err err;

	watcher_init(&w);
	write_doc(&w, "a.json", "shop", 1);
	t = start(&w, &err);
	ck_assert_ptr_nonnull(t);
	ck_assert_int_eq(topo_wait(t, LONG_US, &err), 0);
	topo_refresh_schema(t, STR("shop"), on_refreshed, &w);
	topo_refresh_schema(t, STR("nope"), on_refreshed, &w);
	topo_refresh_schema(t, STR("shop"), on_refreshed, &w);
	topo_refresh_schema(t, STR("shop"), NULL, NULL);
	pthread_mutex_lock(&w.lock);
	while (w.refreshed < 3)
		pthread_cond_wait(&w.more, &w.lock);
	pthread_mutex_unlock(&w.lock);
	topo_status(t, &st);
	ck_assert_int_eq(st.keyspaces[0].schema_err.kind, ERR_BACKEND);
	ck_assert_ptr_nonnull(strstr(st.keyspaces[0].schema_err.msg, "backend a (/nonexistent/x.sock"));
	ck_assert_uint_eq(st.keyspaces[0].schema_us, 0);
	topo_status_free(&st);
	topo_stop(t);
	watcher_free(&w);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("topo");
	TCase *tc = tcase_create("all");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, changes_of_the_folder_are_followed);
	tcase_add_test(tc, a_first_document_must_be_good_unless_cached);
	tcase_add_test(tc, a_store_that_is_not_there_is_an_error_unless_cached);
	tcase_add_test(tc, a_schema_that_cannot_be_read_is_shown_and_requests_complete);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
