/* test_list.c - ring lists. For include/keyway/util/list.h; one thread. */
#include "../unit.h"
#include "keyway/util/list.h"

struct member {
	int v;
	struct list link;
};

static struct list l;
static struct member m[5];

static void setup(void)
{
	list_init(&l);
	for (int i = 0; i < 5; i++) {
		m[i].v = i;
		list_init(&m[i].link);
	}
}

static void assert_order(const char *want)
{
	char got[16] = "", back[16] = "";
	size_t n = 0;

	list_for_each (it, &l)
		got[n++] = (char)('0' + list_item(it, struct member, link)->v);
	for (struct list *it = l.prev; it != &l; it = it->prev)
		back[--n] = (char)('0' + list_item(it, struct member, link)->v);
	ck_assert_str_eq(got, want);
	ck_assert_str_eq(back, want);
}

START_TEST(members_stand_in_the_order_of_pushing)
{
	ck_assert(list_empty(&l));
	list_push_back(&l, &m[1].link);
	list_push_back(&l, &m[2].link);
	list_push_front(&l, &m[0].link);
	assert_order("012");
	ck_assert(!list_empty(&l));
	ck_assert_int_eq(list_first(&l, struct member, link)->v, 0);
}
END_TEST

START_TEST(a_member_can_be_taken_out_anywhere_and_twice)
{
	for (int i = 0; i < 5; i++)
		list_push_back(&l, &m[i].link);
	list_del(&m[2].link);
	assert_order("0134");
	list_del(&m[2].link);
	assert_order("0134");
	list_del(&m[0].link);
	list_del(&m[4].link);
	assert_order("13");
	ck_assert(list_empty(&m[0].link));
	list_push_front(&l, &m[4].link);
	assert_order("413");
}
END_TEST

START_TEST(the_safe_walk_survives_taking_out_the_member_at_hand)
{
	int seen = 0;

	for (int i = 0; i < 5; i++)
		list_push_back(&l, &m[i].link);
	list_for_each_safe (it, &l) {
		seen++;
		if (list_item(it, struct member, link)->v % 2 == 0)
			list_del(it);
	}
	ck_assert_int_eq(seen, 5);
	assert_order("13");
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, members_stand_in_the_order_of_pushing);
	tcase_add_test(tc, a_member_can_be_taken_out_anywhere_and_twice);
	tcase_add_test(tc, the_safe_walk_survives_taking_out_the_member_at_hand);
}

int main(void)
{
	return run_tests("list", add);
}
