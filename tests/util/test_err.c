/* test_err.c - errors, their SQLSTATEs, cutting. For src/util/err.c; one thread. */
#include "../unit.h"
#include "keyway/util/err.h"
#include <signal.h>

START_TEST(an_error_keeps_kind_number_state_and_words)
{
	struct err e;

	ck_assert_int_eq(err_set(&e, ERR_NAME, ER_BAD_DB_ERROR, "no '%s' of %d", "shop", 3), ERR_NAME);
	ck_assert_int_eq(e.kind, ERR_NAME);
	ck_assert_uint_eq(e.errno_, 1049);
	ck_assert_str_eq(e.sqlstate, "42000");
	ck_assert_str_eq(e.msg, "no 'shop' of 3");
}
END_TEST

START_TEST(nobody_need_want_the_words)
{
	ck_assert_int_eq(err_set(NULL, ERR_LIMIT, ER_CON_COUNT_ERROR, "x"), ERR_LIMIT);
}
END_TEST

START_TEST(wrapping_puts_the_place_before_and_keeps_the_rest)
{
	struct err e;

	err_set(&e, ERR_TIMEOUT, ER_QUERY_INTERRUPTED, "late");
	ck_assert_int_eq(err_wrap(&e, "shard %s", "-80"), ERR_TIMEOUT);
	ck_assert_str_eq(e.msg, "shard -80: late");
	ck_assert_uint_eq(e.errno_, 1317);
	ck_assert_str_eq(e.sqlstate, "70100");
}
END_TEST

START_TEST(words_without_end_are_cut)
{
	static char longer[5 * ERR_MSG_MAX];
	struct err e;

	memset(longer, 'w', sizeof(longer) - 1);
	err_set(&e, ERR_SYNTAX, ER_PARSE_ERROR, "%s", longer);
	ck_assert_uint_eq(strlen(e.msg), ERR_MSG_MAX - 1);
	err_wrap(&e, "%s", longer);
	ck_assert_uint_lt(strlen(e.msg), ERR_MSG_MAX);
	ck_assert_ptr_nonnull(strstr(e.msg, "w: w"));
}
END_TEST

static const struct {
	unsigned no;
	const char *state;
} states[] = {
	{ 1040, "08004" },
	{ 1045, "28000" },
	{ 1046, "3D000" },
	{ 1054, "42S22" },
	{ 1064, "42000" },
	{ 1146, "42S02" },
	{ 1156, "08S01" },
	{ 1205, "HY000" },
	{ 1213, "40001" },
	{ 1317, "70100" },
	{ 1792, "25006" },
	{ 3024, "HY000" },
	{ 65000, "HY000" },
};

START_TEST(the_states_are_those_of_the_manual)
{
	ck_assert_str_eq(err_sqlstate(states[_i].no), states[_i].state);
}
END_TEST

static const int never[] = { 1105, 2000, 2013, 2999 };

START_TEST(numbers_that_drivers_take_for_their_own_are_never_sent)
{
	struct err e;

	err_set(&e, ERR_INTERNAL, (enum mysql_errno)never[_i], "x");
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, an_error_keeps_kind_number_state_and_words);
	tcase_add_test(tc, nobody_need_want_the_words);
	tcase_add_test(tc, wrapping_puts_the_place_before_and_keeps_the_rest);
	tcase_add_test(tc, words_without_end_are_cut);
	tcase_add_loop_test(tc, the_states_are_those_of_the_manual, 0, (int)ARRAY_N(states));
#ifndef NDEBUG
	tcase_add_loop_test_raise_signal(
		tc, numbers_that_drivers_take_for_their_own_are_never_sent, SIGABRT, 0, (int)ARRAY_N(never));
#endif
}

int main(void)
{
	return run_tests("err", add);
}
