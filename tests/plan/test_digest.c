/* test_digest.c - counts by digest: found again, kept apart by keyspace, bounded.
 * For src/plan/digest.c. One thread. */
#include "keyway/plan/digest.h"
#include "unit.h"

static struct digest *get(struct digest_table *t, uint64_t id, const char *ks)
{
	return digest_get(t, (uint64_t[]){ id, id * 7 }, ks, STR("SELECT ?"));
}

static void count_rows(const struct digest *d, void *arg)
{
	(void)d;
	++*(uint32_t *)arg;
}

START_TEST(one_entry_for_a_digest_in_a_keyspace)
{
	struct digest_table *t = digest_table_new(100);
	struct digest *a = get(t, 1, "shop"), *b = get(t, 1, "shop"), *c = get(t, 1, "other"), *d = get(t, 2, "shop");

	ck_assert_ptr_eq(a, b);
	ck_assert_ptr_ne(a, c);
	ck_assert_ptr_ne(a, d);
	digest_count(a, false, 1000, 1500);
	digest_count(b, true, 2000, 2100);
	digest_count(b, false, 3000, 2900);
	ck_assert_uint_eq(a->runs, 3);
	ck_assert_uint_eq(a->errors, 1);
	ck_assert_uint_eq(a->total_us, 600);
	ck_assert_uint_eq(a->max_us, 500);
	ck_assert_uint_eq(c->runs, 0);
	assert_str(a->text, "SELECT ?");
	digest_unref(a);
	digest_unref(b);
	digest_unref(c);
	digest_unref(d);
	digest_table_free(t);
}
END_TEST

START_TEST(the_oldest_goes_and_its_holder_may_go_on_counting)
{
	struct digest_table *t = digest_table_new(3);
	struct digest *held = get(t, 1, "shop"), *again;
	uint32_t n = 0;

	for (uint64_t i = 2; i < 50; i++)
		digest_unref(get(t, i, "shop"));
	digest_each(t, count_rows, &n);
	ck_assert_uint_eq(n, 3);
	digest_count(held, false, 0, 10);
	again = get(t, 1, "shop");
	ck_assert_ptr_ne(held, again);
	ck_assert_uint_eq(again->runs, 0);
	digest_unref(held);
	digest_table_free(t);
	digest_count(again, false, 0, 10);
	digest_unref(again);
}
END_TEST

START_TEST(asking_for_it_makes_it_young)
{
	struct digest_table *t = digest_table_new(2);
	struct digest *a = get(t, 1, "shop"), *b;

	digest_unref(get(t, 2, "shop"));
	digest_unref(get(t, 1, "shop"));
	digest_unref(get(t, 3, "shop"));
	b = get(t, 1, "shop");
	ck_assert_ptr_eq(a, b);
	digest_unref(a);
	digest_unref(b);
	digest_table_free(t);
}
END_TEST

START_TEST(long_texts_are_cut)
{
	struct digest_table *t = digest_table_new(2);
	char *text = xmalloc(5000);
	struct digest *d;

	memset(text, 'x', 5000);
	d = digest_get(t, (uint64_t[]){ 1, 2 }, "", str_make(text, 5000));
	ck_assert_uint_eq(d->text.n, DIGEST_TEXT_MAX);
	free(text);
	digest_unref(d);
	digest_table_free(t);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, one_entry_for_a_digest_in_a_keyspace);
	tcase_add_test(tc, the_oldest_goes_and_its_holder_may_go_on_counting);
	tcase_add_test(tc, asking_for_it_makes_it_young);
	tcase_add_test(tc, long_texts_are_cut);
}

int main(void)
{
	return run_tests("digest", add);
}
