/* test_position.c - which GTID positions include which. For src/backend/position.c; pure but for the lock. */
#include "../unit.h"
#include "keyway/backend/position.h"

#define U1 "3e11fa47-71ca-11e1-9e33-c80aa9429562"
#define U2 "4e11fa47-71ca-11e1-9e33-c80aa9429562"

static const struct {
	const char *have, *want;
	bool includes;
} cases[] = {
	{ "0-1-5", "0-1-5", true },
	{ "0-1-5", "0-2-4", true },
	{ "0-1-5", "0-1-6", false },
	{ "0-1-5", "1-1-1", false },
	{ "0-1-5,1-2-7", "1-9-7,0-1-1", true },
	{ "0-1-5, 1-2-7", "1-9-8", false },
	{ "0-1-5", "", true },
	{ "", "0-1-5", false },
	{ "", "", true },
	{ "0-1-5", "0-1", false },
	{ "x", "0-1-5", false },
	{ "0-1-5", "0-1-5,", true },
	{ U1 ":1-9", U1 ":1-9", true },
	{ U1 ":1-9", U1 ":3", true },
	{ U1 ":1-9", U1 ":3-10", false },
	{ U1 ":1-9:12-20", U1 ":13:2-3", true },
	{ U1 ":1-9:12-20", U1 ":8-13", false },
	{ U1 ":1-9,\n" U2 ":1", U2 ":1,\n" U1 ":1", true },
	{ U1 ":1-9", U2 ":1", false },
	{ U1 ":1-9", "3E11FA47-71CA-11E1-9E33-C80AA9429562:4", true },
	{ U1 ":tag:1-9", U1 ":tag:4", true },
	{ U1 ":tag:1-9", U1 ":4", false },
	{ U1 ":1-9", U1 ":", false },
	{ U1 ":1-9", U1 ":1-", false },
	{ U1 ":1-9", "short:1", false },
};

START_TEST(one_inside_the_other)
{
	ck_assert_msg(position_includes(str_of(cases[_i].have), str_of(cases[_i].want)) == cases[_i].includes,
		"'%s' and '%s'", cases[_i].have, cases[_i].want);
}
END_TEST

START_TEST(the_later_of_two)
{
	char *u = position_union(STR("0-1-5,1-1-3"), STR("1-2-4,2-3-1"));

	ck_assert_str_eq(u, "0-1-5,1-2-4,2-3-1");
	free(u);
	u = position_union(STR(""), STR(""));
	ck_assert_str_eq(u, "");
	free(u);
}
END_TEST

START_TEST(what_is_kept_is_asked_by_number)
{
	struct position p = { 0 };
	char *text;

	position_init(&p);
	ck_assert(!position_has_seq(&p, 0, 1));
	ck_assert(!position_has(&p, STR("0-1-1")));
	position_set(&p, true, STR("0-1-5,7-2-9"), 1000);
	ck_assert(position_has_seq(&p, 0, 5));
	ck_assert(!position_has_seq(&p, 0, 6));
	ck_assert(position_has_seq(&p, 7, 9));
	ck_assert(!position_has_seq(&p, 1, 1));
	ck_assert(position_has(&p, STR("7-1-8")));
	text = position_text(&p, NULL);
	ck_assert_str_eq(text, "0-1-5,7-2-9");
	free(text);
	/* reset: a domain is gone, the other begins anew */
	position_set(&p, true, STR("7-2-1"), 1000);
	ck_assert(!position_has_seq(&p, 0, 1));
	ck_assert(position_has_seq(&p, 7, 1));
	ck_assert(!position_has_seq(&p, 7, 2));
	position_set(&p, true, STR(""), 1000);
	ck_assert(!position_has_seq(&p, 7, 1));
	ck_assert_ptr_null(position_text(&p, NULL));
	position_set(&p, false, STR(U1 ":1-4"), 1000);
	ck_assert(position_has(&p, STR(U1 ":2")));
	position_destroy(&p);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_loop_test(tc, one_inside_the_other, 0, ARRAY_N(cases));
	tcase_add_test(tc, the_later_of_two);
	tcase_add_test(tc, what_is_kept_is_asked_by_number);
}

int main(void)
{
	return run_tests("position", add);
}
