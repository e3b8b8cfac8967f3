/* test_documents.c - bad documents never take the place of good ones; epochs only rise; the cache file.
 * For src/topo/documents.c and cache.c.
 * One thread. */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <xxhash.h>
#include "documents.h"
#include "keyway/util/log.h"

static char *doc(const char *name, int epoch, const char *host)
{
	return xasprintf(
		"{\"keyspace\":\"%s\",\"epoch\":%d,\"shards\":[{\"backends\":[{\"name\":\"a\",\"host\":\"%s\",\"role\":"
		"\"primary\"}]}]}",
		name, epoch, host);
}

static bool put(struct documents *d, const char *key, char *text)
{
	documents_put(d, str_of(key), str_of(text));
	free(text);
	return documents_settle(d, 1000);
}

static uint64_t epoch_of(const struct documents *d, const char *name)
{
	struct map *m = documents_map(d);
	const struct keyspace *ks = map_keyspace(m, str_of(name));
	uint64_t epoch = ks ? ks->epoch : 0;

	map_unref(m);
	return epoch;
}

static void refused(const struct documents *d, uint32_t i, const char *says)
{
	ck_assert_uint_eq(d->docs[i].refused_us, 1000);
	ck_assert_msg(strstr(d->docs[i].refused.msg, says) != NULL, "%s", d->docs[i].refused.msg);
}

START_TEST(the_last_good_one_stays)
{
	struct documents d;

	documents_init(&d, false, NULL);
	ck_assert(put(&d, "shop.json", doc("shop", 3, "h")));
	ck_assert(!put(&d, "shop.json", doc("shop", 3, "h")));
	ck_assert(!put(&d, "shop.json", xstrdup("{")));
	refused(&d, 0, "is not JSON");
	ck_assert_uint_eq(epoch_of(&d, "shop"), 3);
	ck_assert(!put(&d, "shop.json", doc("shop", 2, "h")));
	refused(&d, 0, "epochs only rise");
	ck_assert(!put(&d, "shop.json", doc("shop", 3, "other")));
	refused(&d, 0, "still 3");
	ck_assert_uint_eq(d.docs[0].refused_n, 3);
	ck_assert(put(&d, "shop.json", doc("shop", 4, "other")));
	ck_assert_uint_eq(d.docs[0].refused_us, 0);
	ck_assert_uint_eq(epoch_of(&d, "shop"), 4);
	documents_free(&d);
}
END_TEST

START_TEST(a_keyspace_has_one_document_and_epochs_outlive_it)
{
	struct documents d;

	documents_init(&d, false, NULL);
	ck_assert(put(&d, "a", doc("shop", 3, "h")));
	ck_assert(!put(&d, "b", doc("shop", 9, "h")));
	refused(&d, 1, "described by the document a");
	/* when the first one goes, the second gets its turn */
	documents_put(&d, STR("a"), str_make(NULL, 0));
	ck_assert(documents_settle(&d, 1000));
	ck_assert_uint_eq(epoch_of(&d, "shop"), 9);
	documents_put(&d, STR("b"), str_make(NULL, 0));
	ck_assert(documents_settle(&d, 1000));
	ck_assert_uint_eq(epoch_of(&d, "shop"), 0);
	ck_assert(!put(&d, "b", doc("shop", 8, "h")));
	refused(&d, 0, "9 is being served");
	ck_assert(put(&d, "b", doc("shop", 10, "h")));
	/* another name in the same document: the old keyspace is gone */
	ck_assert(put(&d, "b", doc("store", 1, "h")));
	ck_assert_uint_eq(epoch_of(&d, "shop"), 0);
	ck_assert_uint_eq(epoch_of(&d, "store"), 1);
	documents_put(&d, STR("never seen"), str_make(NULL, 0));
	ck_assert(!documents_settle(&d, 1000));
	documents_free(&d);
}
END_TEST

START_TEST(the_cache_stands_in_until_the_store_has_it)
{
	char path[] = "/tmp/keyway-test-cache-XXXXXX";
	struct documents d, e;
	char *identity;
	struct map *m;
	struct err err;

	close(mkstemp(path));
	ck_assert_int_eq(unlink(path), 0);
	documents_init(&e, false, path);
	ck_assert_int_eq(cache_read(path, &e, &identity, &err), 0);
	ck_assert_uint_eq(e.cached_n, 0);
	ck_assert_ptr_null(identity);
	documents_init(&d, false, path);
	put(&d, "a", doc("shop", 3, "h"));
	put(&d, "b", doc("*", 7, "h"));
	m = documents_map(&d);
	ck_assert_int_eq(cache_write(path, m, "14/ab", &err), 0);
	map_unref(m);
	documents_free(&d);

	ck_assert_int_eq(cache_read(path, &e, &identity, &err), 0);
	ck_assert_uint_eq(e.cached_n, 2);
	ck_assert_str_eq(identity, "14/ab");
	free(identity);
	ck_assert_uint_eq(epoch_of(&e, "shop"), 3);
	ck_assert(!put(&e, "a", doc("shop", 2, "h")));
	refused(&e, 0, path);
	ck_assert(!documents_drop_cached(&e, true)); /* something is refused */
	ck_assert(put(&e, "a", doc("shop", 3, "moved")));
	ck_assert_uint_eq(e.cached_n, 1);
	ck_assert(!documents_drop_cached(&e, false));
	ck_assert_uint_eq(epoch_of(&e, "*"), 7);
	ck_assert(documents_drop_cached(&e, true));
	ck_assert_uint_eq(epoch_of(&e, "*"), 0);
	documents_free(&e);
	unlink(path);
}
END_TEST

START_TEST(a_damaged_cache_is_refused)
{
	char path[] = "/tmp/keyway-test-cache-XXXXXX", bytes[1024];
	struct documents d;
	char *identity;
	struct map *m;
	struct err err;
	ssize_t n;
	int fd = mkstemp(path);

	documents_init(&d, false, path);
	put(&d, "a", doc("shop", 3, "h"));
	m = documents_map(&d);
	ck_assert_int_eq(cache_write(path, m, "14/ab", &err), 0);
	map_unref(m);
	close(fd);
	fd = open(path, O_RDONLY);
	n = read(fd, bytes, sizeof(bytes));
	ck_assert_int_gt((int)n, 50);
	close(fd);
	for (ssize_t i = 0; i < n; i++) {
		struct documents e;

		fd = open(path, O_WRONLY | O_TRUNC);
		bytes[i] ^= 0x20;
		ck_assert_int_eq((int)write(fd, bytes, (size_t)n), (int)n);
		bytes[i] ^= 0x20;
		close(fd);
		documents_init(&e, false, path);
		/* letters of the checksum may be written in capitals */
		ck_assert_msg(cache_read(path, &e, &identity, &err) < 0 || e.cached_n == 1, "byte %zd", i);
		free(identity);
		ck_assert(e.cached_n <= 1);
		documents_free(&e);
		fd = open(path, O_WRONLY | O_TRUNC);
		ck_assert_int_eq((int)write(fd, bytes, (size_t)i), (int)i);
		close(fd);
		documents_init(&e, false, path);
		ck_assert_int_lt(cache_read(path, &e, &identity, &err), 0);
		ck_assert_ptr_null(identity);
		documents_free(&e);
	}
	documents_free(&d);
	unlink(path);
}
END_TEST

START_TEST(a_cache_without_an_identity_is_read)
{
	char path[] = "/tmp/keyway-test-cache-XXXXXX", *text = doc("shop", 3, "h"), *body;
	struct documents d;
	char *identity;
	struct err err;
	int fd = mkstemp(path);

	body = xasprintf("%zu\n%s", strlen(text), text);
	dprintf(fd, "keyway-map-cache 1 %016llx %zu\n%s", (unsigned long long)XXH64(body, strlen(body), 0),
		strlen(body), body);
	close(fd);
	documents_init(&d, false, path);
	ck_assert_int_eq(cache_read(path, &d, &identity, &err), 0);
	ck_assert_ptr_null(identity);
	ck_assert_uint_eq(epoch_of(&d, "shop"), 3);
	documents_free(&d);
	unlink(path);
	free(text);
	free(body);
}
END_TEST

static void gone(struct documents *d, const char *key)
{
	documents_put(d, str_of(key), str_make(NULL, 0));
}

START_TEST(a_store_that_is_emptied_is_not_believed)
{
	struct documents d;

	documents_init(&d, false, NULL);
	d.hold_emptied = true;
	put(&d, "a", doc("shop", 3, "h"));
	put(&d, "b", doc("blog", 5, "h"));
	put(&d, "c", doc("old", 1, "h"));
	/* one of several may go */
	gone(&d, "c");
	ck_assert(documents_settle(&d, 1000));
	ck_assert_uint_eq(epoch_of(&d, "old"), 0);
	ck_assert_uint_eq(documents_held(&d), 0);
	/* all at once may not */
	gone(&d, "a");
	gone(&d, "b");
	ck_assert(!documents_settle(&d, 1000));
	ck_assert(documents_none(&d));
	ck_assert_uint_eq(documents_held(&d), 2);
	ck_assert_uint_eq(epoch_of(&d, "shop"), 3);
	ck_assert_uint_eq(epoch_of(&d, "blog"), 5);
	/* asked for while there is nothing at all: it stays */
	documents_give_up_held(&d);
	ck_assert(!documents_settle(&d, 1000));
	ck_assert_uint_eq(documents_held(&d), 2);
	/* they come back one after another */
	ck_assert(!put(&d, "a", doc("shop", 3, "h")));
	ck_assert_uint_eq(documents_held(&d), 1);
	ck_assert_uint_eq(epoch_of(&d, "blog"), 5);
	documents_give_up_held(&d);
	ck_assert(documents_settle(&d, 1000));
	ck_assert_uint_eq(epoch_of(&d, "blog"), 0);
	ck_assert_uint_eq(epoch_of(&d, "shop"), 3);
	documents_free(&d);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("documents");
	TCase *tc = tcase_create("all");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_test(tc, the_last_good_one_stays);
	tcase_add_test(tc, a_keyspace_has_one_document_and_epochs_outlive_it);
	tcase_add_test(tc, the_cache_stands_in_until_the_store_has_it);
	tcase_add_test(tc, a_damaged_cache_is_refused);
	tcase_add_test(tc, a_cache_without_an_identity_is_read);
	tcase_add_test(tc, a_store_that_is_emptied_is_not_believed);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
