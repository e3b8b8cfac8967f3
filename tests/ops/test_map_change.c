/* test_map_change.c - changes of a map in a store of files: epochs, history, conflicts, stranded rows, waiting for
 * proxies. For src/ops/map_change.c, map_history.c and map_wait.c.
 * Threads in one test; else one. */
#include "../unit.h"
#include "keyway/cluster/map_edit.h"
#include "keyway/ops/map_change.h"
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#define DOC(epoch, backend, more)                                                                             \
	"{\"keyspace\": \"shop\", \"epoch\": " epoch ", \"sharding\": {\"function\": \"hash\"}, \"shards\": " \
	"[{\"range\": \"-80\", \"backends\": [{\"name\": \"a\", \"host\": \"" backend                         \
	"\", \"role\": \"primary\"}" more "]}, "                                                              \
	"{\"range\": \"80-\", \"backends\": [{\"name\": \"b\", \"host\": \"b\", \"role\": \"primary\"}]}]}"
#define REPLICA ", {\"name\": \"r\", \"host\": \"r\", \"role\": \"replica\"}"

static char folder[] = "/tmp/keyway-test-XXXXXX";
static struct store *store;
static struct ops o;
static struct ops_map_result result;
static struct err err;
static char said[4096];

static struct store *store_new(const char *name)
{
	char *path = xasprintf("%s%s", folder, name);
	struct store_config cfg = { .kind = STORE_FILE, .path = path };
	struct store *s = store_open(&cfg, &err);

	ck_assert_msg(s != NULL, "%s", err.msg);
	free(path);
	return s;
}

static void say(void *arg, enum ops_say kind, const char *line)
{
	size_t n = strlen(said);

	(void)arg;
	(void)kind;
	snprintf(said + n, sizeof(said) - n, "%s\n", line);
}

static void setup(void)
{
	memcpy(folder + strlen(folder) - 6, "XXXXXX", 6);
	ck_assert_ptr_nonnull(mkdtemp(folder));
	store = store_new("");
	o = (struct ops){ .store = store, .say = say };
	said[0] = '\0';
}

static void teardown(void)
{
	char *cmd = xasprintf("rm -rf %s", folder);

	store_close(store);
	ck_assert_int_eq(system(cmd), 0);
	free(cmd);
}

static int put_text(void *arg, struct str old, char **out, struct err *e)
{
	(void)old;
	(void)e;
	*out = xstrdup(arg);
	return 0;
}

static int put(const char *document, const char *why)
{
	struct ops_map_change c = {
		.keyspace = "shop", .why = why, .edit = put_text, .arg = (void *)document, .once = true
	};

	return ops_map_change(&o, &c, &result, &err);
}

static void put_good(const char *document, uint64_t epoch)
{
	int rc = put(document, "because");

	ck_assert_msg(rc == 0, "%s", err.msg);
	ck_assert_uint_eq(result.epoch, epoch);
}

static void refused(const char *document, enum ops_map_outcome outcome, const char *says)
{
	ck_assert_int_lt(put(document, ""), 0);
	ck_assert_msg(strstr(err.msg, says) != NULL, "%s", err.msg);
	ck_assert_int_eq(result.outcome, outcome);
}

static char *stored(void)
{
	struct store_item it;
	char *text;

	ck_assert_int_eq(store_get(store, "keyspaces/shop", &it, &err), 0);
	text = xstrdup(it.value);
	store_item_free(&it);
	return text;
}

static void stored_is(const char *want)
{
	char *text = stored();

	ck_assert_str_eq(text, want);
	free(text);
}

START_TEST(a_change_has_an_epoch_of_its_own)
{
	put_good(DOC("1", "a", ""), 1);
	ck_assert_int_eq(result.outcome, OPS_MAP_DONE);
	ck_assert(!result.raised);
	put_good(DOC("1", "a", REPLICA), 2);
	ck_assert(result.raised);
	stored_is(DOC("2", "a", REPLICA));
	put_good(DOC("7", "a", ""), 7);
	ck_assert(!result.raised);
	refused(DOC("6", "a", REPLICA), OPS_MAP_CONFLICT, "made from epoch 6, but the map is at 7");
	stored_is(DOC("7", "a", ""));
	put_good(DOC("7", "a", ""), 7);
	ck_assert_int_eq(result.outcome, OPS_MAP_UNCHANGED);
	/* only the epoch is another: nothing to change */
	put_good(DOC("9", "a", ""), 7);
	ck_assert_int_eq(result.outcome, OPS_MAP_UNCHANGED);
}
END_TEST

START_TEST(what_is_no_map_is_refused)
{
	put_good(DOC("1", "a", ""), 1);
	refused("{", OPS_MAP_REFUSED, "is not JSON");
	refused("{\"keyspace\": \"shop\", \"epoch\": 2}", OPS_MAP_REFUSED, "shards: is missing");
	refused("{\"keyspace\": \"other\", \"epoch\": 2, \"shards\": []}", OPS_MAP_REFUSED, "keyspace: is other");
	stored_is(DOC("1", "a", ""));
	ck_assert_uint_eq(result.attempts, 0);
}
END_TEST

START_TEST(the_history_has_every_epoch)
{
	struct ops_map_history h;
	char *text;

	/* one that was there before */
	ck_assert_int_eq(
		store_commit(store, (struct store_op[]){ { .key = "keyspaces/shop", .value = STR(DOC("9", "a", "")) } },
			1, &err),
		0);
	put_good(DOC("9", "a", REPLICA), 10);
	put_good(DOC("10", "a", ""), 11);
	ck_assert_int_eq(ops_map_history(&o, "shop", &h, &err), 0);
	ck_assert_uint_eq(h.n, 3);
	ck_assert_uint_eq(h.v[0].epoch, 11);
	ck_assert_uint_eq(h.v[2].epoch, 9);
	ck_assert_str_eq(h.v[0].why, "because");
	ck_assert_ptr_nonnull(strchr(h.v[0].who, '@'));
	ck_assert_uint_eq(strlen(h.v[0].at), strlen("2026-01-01T00:00:00Z"));
	ck_assert_str_eq(h.v[2].why, "found in the store");
	ops_map_history_free(&h);
	ck_assert_int_eq(ops_map_at(&o, "shop", 10, &text, &err), 0);
	ck_assert_str_eq(text, DOC("10", "a", REPLICA));
	free(text);
	ck_assert_int_eq(ops_map_at(&o, "shop", 9, &text, &err), 0);
	ck_assert_str_eq(text, DOC("9", "a", ""));
	free(text);
	ck_assert_int_eq(ops_map_at(&o, "shop", 12, &text, &err), ERR_NAME);
	ck_assert_ptr_nonnull(strstr(err.msg, "epoch 12"));
	ck_assert_int_eq(ops_map_at(&o, "shop/..", 1, &text, &err), ERR_NAME);
}
END_TEST

START_TEST(a_keyspace_that_comes_back_goes_on_counting)
{
	struct ops_map_history h;

	put_good(DOC("5", "a", ""), 5);
	ck_assert_int_eq(ops_map_remove(&o, "shop", "gone", &result, &err), 0);
	ck_assert_int_eq(ops_map_remove(&o, "shop", "gone", &result, &err), ERR_NAME);
	put_good(DOC("1", "a", ""), 7);
	ck_assert(result.raised);
	ck_assert_int_eq(ops_map_history(&o, "shop", &h, &err), 0);
	ck_assert_uint_eq(h.n, 3);
	ck_assert_ptr_null(h.v[1].document);
	ck_assert_str_eq(h.v[1].why, "gone");
	ops_map_history_free(&h);
}
END_TEST

/* Adds one to a's weight; before the first time someone else changes the map too. */
struct racer {
	const char *before;
	uint32_t runs;
};

static int edit_racing(void *arg, struct str old, char **out, struct err *e)
{
	struct racer *r = arg;

	if (r->runs++ == 0)
		ck_assert_int_eq(
			store_commit(store,
				(struct store_op[]){ { .key = "keyspaces/shop", .value = str_of(r->before) } }, 1, e),
			0);
	return map_edit_backend_state(old, STR("r"), BACKEND_DRAINED, out, e);
}

START_TEST(an_edit_runs_again_when_someone_else_was_faster)
{
	struct racer r = { .before = DOC("5", "a", REPLICA) };
	struct ops_map_change c = { .keyspace = "shop", .edit = edit_racing, .arg = &r };
	char *text;

	put_good(DOC("1", "a", REPLICA), 1);
	ck_assert_int_eq(ops_map_change(&o, &c, &result, &err), 0);
	ck_assert_uint_eq(r.runs, 2);
	ck_assert_uint_eq(result.attempts, 2);
	ck_assert_uint_eq(result.epoch, 6);
	text = stored();
	ck_assert_ptr_nonnull(strstr(text, "\"epoch\": 6"));
	ck_assert_ptr_nonnull(strstr(text, "\"state\": \"drained\""));
	free(text);
	/* made by looking at one state: not again */
	r = (struct racer){ .before = DOC("20", "a", REPLICA) };
	c.once = true;
	put_good(DOC("10", "a", REPLICA), 10);
	ck_assert_int_lt(ops_map_change(&o, &c, &result, &err), 0);
	ck_assert_int_eq(result.outcome, OPS_MAP_CONFLICT);
	ck_assert_uint_eq(r.runs, 1);
	stored_is(DOC("20", "a", REPLICA));
}
END_TEST

START_TEST(another_key_must_be_as_it_was)
{
	struct store_op lock = { .key = "locks/x", .value = STR("mine"), .check = true };
	struct ops_map_change c = {
		.keyspace = "shop", .edit = put_text, .arg = (void *)DOC("1", "a", REPLICA), .with = &lock
	};
	struct store_item it;

	put_good(DOC("1", "a", ""), 1);
	lock.version = 77;
	ck_assert_int_lt(ops_map_change(&o, &c, &result, &err), 0);
	ck_assert_int_eq(result.outcome, OPS_MAP_CONFLICT);
	ck_assert_ptr_nonnull(strstr(err.msg, "locks/x in the store"));
	stored_is(DOC("1", "a", ""));
	lock.version = 0;
	ck_assert_int_eq(ops_map_change(&o, &c, &result, &err), 0);
	stored_is(DOC("2", "a", REPLICA));
	ck_assert_int_eq(store_get(store, "locks/x", &it, &err), 0);
	ck_assert_str_eq(it.value, "mine");
	store_item_free(&it);
}
END_TEST

static int edit_fails(void *arg, struct str old, char **out, struct err *e)
{
	(void)arg;
	(void)out;
	ck_assert(old.n > 0);
	return err_set(e, ERR_NAME, ER_WRONG_ARGUMENTS, "no such thing");
}

static bool decline(void *arg)
{
	(void)arg;
	return false;
}

START_TEST(nothing_is_written_without_consent)
{
	struct ops_map_change c = { .keyspace = "shop", .edit = edit_fails };

	put_good(DOC("1", "a", ""), 1);
	ck_assert_int_eq(ops_map_change(&o, &c, &result, &err), ERR_NAME);
	ck_assert_int_eq(result.outcome, OPS_MAP_FAILED);
	ck_assert_str_eq(err.msg, "no such thing");
	c = (struct ops_map_change){
		.keyspace = "shop", .edit = put_text, .arg = (void *)DOC("1", "a", REPLICA), .approve = decline
	};
	ck_assert_int_lt(ops_map_change(&o, &c, &result, &err), 0);
	ck_assert_int_eq(result.outcome, OPS_MAP_DECLINED);
	stored_is(DOC("1", "a", ""));
}
END_TEST

START_TEST(stranded_rows_must_be_named)
{
	struct keyrange named[2] = { { 0, UINT64_MAX >> 1 }, { UINT64_C(1) << 63, UINT64_MAX } };
	struct ops_map_change c = {
		.keyspace = "shop", .edit = put_text, .arg = (void *)DOC("1", "x", ""), .strands = named
	};

	put_good(DOC("1", "a", ""), 1);
	refused(DOC("1", "x", ""), OPS_MAP_REFUSED, "--strands -80");
	c.strand_n = 2;
	ck_assert_int_lt(ops_map_change(&o, &c, &result, &err), 0);
	ck_assert_int_eq(result.outcome, OPS_MAP_REFUSED);
	stored_is(DOC("1", "a", ""));
	c.strand_n = 1;
	ck_assert_int_eq(ops_map_change(&o, &c, &result, &err), 0);
	stored_is(DOC("2", "x", ""));
	c.arg = (void *)DOC("2", "x", REPLICA);
	ck_assert_int_lt(ops_map_change(&o, &c, &result, &err), 0);
	ck_assert_ptr_nonnull(strstr(err.msg, "no rows would be stranded"));
}
END_TEST

START_TEST(a_document_that_is_no_map_is_judged_by_the_last_that_was)
{
	put_good(DOC("3", "a", ""), 3);
	ck_assert_int_eq(store_commit(store,
				 (struct store_op[]){ { .key = "keyspaces/shop",
					 .value = STR("{\"keyspace\": \"shop\", \"epoch\": 4}") } },
				 1, &err),
		0);
	refused(DOC("4", "x", ""), OPS_MAP_REFUSED, "--strands -80");
	ck_assert_ptr_nonnull(strstr(said, "shards: is missing"));
	put_good(DOC("3", "a", REPLICA), 4);
}
END_TEST

static void proxy(const char *id, const char *record)
{
	char *key = xasprintf("proxies/%s", id);

	ck_assert_int_eq(
		store_commit(store, (struct store_op[]){ { .key = key, .value = str_of(record) } }, 1, &err), 0);
	free(key);
}

static void *serve_later(void *arg)
{
	struct store *own = store_new("");
	struct err e;

	(void)arg;
	usleep(150000);
	ck_assert_int_eq(store_commit(own,
				 (struct store_op[]){ { .key = "proxies/p2",
					 .value = STR("{\"id\": \"p2\", \"epochs\": {\"shop\": 3}}") } },
				 1, &e),
		0);
	store_close(own);
	return NULL;
}

START_TEST(the_proxies_are_waited_for)
{
	pthread_t t;

	ck_assert_int_eq(ops_map_wait(&o, "shop", 3, 0, &result, &err), 0);
	ck_assert_uint_eq(result.proxies, 0);
	proxy("p1", "{\"id\": \"p1\", \"host\": \"10.0.0.5\", \"port\": 3306, \"epochs\": {\"shop\": 4}}");
	proxy("p2", "{\"id\": \"p2\", \"host\": \"10.0.0.6\", \"port\": 3306, \"epochs\": {\"shop\": 2}}");
	ck_assert_int_eq(ops_map_wait(&o, "shop", 3, 10000, &result, &err), ERR_TIMEOUT);
	ck_assert_uint_eq(result.proxies, 2);
	ck_assert_uint_eq(result.unserved, 1);
	ck_assert_ptr_nonnull(
		strstr(err.msg, "1 of 2 proxies do not serve epoch 3 of shop: p2 (10.0.0.6:3306) is at epoch 2"));
	ck_assert_ptr_nonnull(strstr(said, "epoch 3 is served by 1 of 2 proxies; p2"));
	ck_assert_int_eq(pthread_create(&t, NULL, serve_later, NULL), 0);
	ck_assert_int_eq(ops_map_wait(&o, "shop", 3, 30000000, &result, &err), 0);
	pthread_join(t, NULL);
	ck_assert_ptr_nonnull(strstr(said, "epoch 3 of shop is served by all 2 proxies"));
	proxy("p3", "not JSON");
	ck_assert_int_eq(ops_map_wait(&o, "shop", 3, 0, &result, &err), ERR_TIMEOUT);
	ck_assert_ptr_nonnull(strstr(err.msg, "p3 does not serve the keyspace yet"));
	proxy("p3", "{\"epochs\": {\"shop\": 2}, \"refused\": {\"shop\": \"shards: is missing\"}}");
	ck_assert_int_eq(ops_map_wait(&o, "shop", 3, 0, &result, &err), ERR_TIMEOUT);
	ck_assert_ptr_nonnull(strstr(err.msg, "p3 refuses a newer one: shards: is missing"));
}
END_TEST

START_TEST(what_is_not_served_in_time_stays)
{
	struct ops_map_change c = {
		.keyspace = "shop", .edit = put_text, .arg = (void *)DOC("1", "a", ""), .wait_us = 1
	};

	proxy("p1", "{\"epochs\": {}}");
	ck_assert_int_eq(ops_map_change(&o, &c, &result, &err), ERR_TIMEOUT);
	ck_assert_int_eq(result.outcome, OPS_MAP_UNSERVED);
	stored_is(DOC("1", "a", ""));
}
END_TEST

static int edit_weight(void *arg, struct str old, char **out, struct err *e)
{
	char *text = str_dup(old), *at = strstr(text, "\"host\": \"h");

	/* h0, h1, ...: each change counts one up */
	(void)e;
	*out = xasprintf("%.*s\"host\": \"h%d%s", (int)(at - text), text, atoi(at + 10) + 1, strchr(at + 10, '"'));
	free(text);
	(void)arg;
	return 0;
}

#define RACERS 3
#define ROUNDS 5

static void *race(void *arg)
{
	struct store *own = store_new("");
	struct ops mine = { .store = own };
	struct keyrange half = { 0, UINT64_MAX >> 1 };
	struct ops_map_change c = { .keyspace = "shop", .edit = edit_weight, .strands = &half, .strand_n = 1 };
	struct ops_map_result r;
	struct err e;

	for (int i = 0; i < ROUNDS; i++) {
		int rc = ops_map_change(&mine, &c, &r, &e);

		ck_assert_msg(rc == 0, "%s", e.msg);
	}
	store_close(own);
	return arg;
}

START_TEST(no_change_is_lost_among_many)
{
	pthread_t t[RACERS];
	char *text;

	put_good(DOC("1", "h0", ""), 1);
	for (int i = 0; i < RACERS; i++)
		ck_assert_int_eq(pthread_create(&t[i], NULL, race, NULL), 0);
	for (int i = 0; i < RACERS; i++)
		pthread_join(t[i], NULL);
	text = stored();
	ck_assert_ptr_nonnull(strstr(text, "\"host\": \"h15\""));
	ck_assert_ptr_nonnull(strstr(text, "\"epoch\": 16"));
	free(text);
}
END_TEST

START_TEST(a_store_of_one_document_has_no_history)
{
	char *path = xasprintf("%s/one.json", folder), *text;
	FILE *f = fopen(path, "w");

	fputs(DOC("1", "a", ""), f);
	fclose(f);
	o.store = store_new("/one.json");
	put_good(DOC("1", "a", REPLICA), 2);
	ck_assert_int_eq(ops_map_at(&o, "shop", 2, &text, &err), ERR_NAME);
	ck_assert_int_eq(ops_map_wait(&o, "shop", 2, 0, &result, &err), 0);
	ck_assert_ptr_nonnull(strstr(said, "is not known"));
	store_close(o.store);
	free(path);
}
END_TEST

static void add(TCase *t)
{
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, a_change_has_an_epoch_of_its_own);
	tcase_add_test(t, what_is_no_map_is_refused);
	tcase_add_test(t, the_history_has_every_epoch);
	tcase_add_test(t, a_keyspace_that_comes_back_goes_on_counting);
	tcase_add_test(t, an_edit_runs_again_when_someone_else_was_faster);
	tcase_add_test(t, another_key_must_be_as_it_was);
	tcase_add_test(t, nothing_is_written_without_consent);
	tcase_add_test(t, stranded_rows_must_be_named);
	tcase_add_test(t, a_document_that_is_no_map_is_judged_by_the_last_that_was);
	tcase_add_test(t, the_proxies_are_waited_for);
	tcase_add_test(t, what_is_not_served_in_time_stays);
	tcase_add_test(t, no_change_is_lost_among_many);
	tcase_add_test(t, a_store_of_one_document_has_no_history);
}

int main(void)
{
	return run_tests("map_change", add);
}
