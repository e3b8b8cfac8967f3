/* test_run.c - which statements go to which shard, and what the client is told when a shard refuses, hangs or dies. For
 * src/exec/run.c, leg.c, settle.c, txn.c and forward.c, against scripted shards on the same loop. */
#include "fake_shards.h"

#define EVEN (&shards[0])
#define ODD  (&shards[1])

/* --- to where the rows live --- */

START_TEST(a_key_sends_the_text_as_it_is_to_its_shard)
{
	ck_assert_uint_eq(ask("SELECT  n FROM t WHERE id = 8 -- why"), 0);
	got(EVEN, "SELECT  n FROM t WHERE id = 8 -- why\n");
	got(ODD, "");
	ck_assert_int_eq(client.packets, 4);
	ck_assert_uint_eq(ask("SELECT n FROM t WHERE id = 7"), 0);
	got(EVEN, "");
	got(ODD, "SELECT n FROM t WHERE id = 7\n");
}
END_TEST

START_TEST(rows_of_all_shards_are_one_result)
{
	ck_assert_uint_eq(ask("SELECT n FROM t"), 0);
	got(EVEN, "SELECT n FROM t\n");
	got(ODD, "SELECT n FROM t\n");
	ck_assert_int_eq(client.packets, 5); /* count, column, two rows, end */
}
END_TEST

START_TEST(a_write_over_shards_is_committed_when_all_have_done_it)
{
	ck_assert_uint_eq(ask("UPDATE t SET n = 1"), 0);
	got(EVEN, "BEGIN\nUPDATE t SET n = 1\nCOMMIT\n");
	got(ODD, "BEGIN\nUPDATE t SET n = 1\nCOMMIT\n");
	ck_assert_uint_eq(buf_head(&client.last)[1], 2); /* rows of both */
}
END_TEST

START_TEST(a_write_over_shards_is_undone_when_one_refuses)
{
	act_on(ODD, "UPDATE", ACT_ERR, 1062);
	ck_assert_uint_eq(ask("UPDATE t SET n = 1"), 1062);
	got(EVEN, "BEGIN\nUPDATE t SET n = 1\nROLLBACK\n");
	got(ODD, "BEGIN\nUPDATE t SET n = 1\nROLLBACK\n");
}
END_TEST

START_TEST(a_write_over_shards_is_undone_when_one_dies)
{
	act_on(ODD, "UPDATE", ACT_DIE, 0);
	ck_assert_uint_ne(ask("UPDATE t SET n = 1"), 0);
	got(EVEN, "BEGIN\nUPDATE t SET n = 1\nROLLBACK\n");
	ck_assert_uint_eq(ask("SELECT n FROM t WHERE id = 7"), 0);
}
END_TEST

/* --- servers that are lost --- */

START_TEST(a_read_that_was_not_answered_is_asked_once_more)
{
	act_on(ODD, "SELECT", ACT_DIE, 0);
	ck_assert_uint_eq(ask("SELECT n FROM t WHERE id = 7"), 0);
	got(ODD, "SELECT n FROM t WHERE id = 7\nSELECT n FROM t WHERE id = 7\n");
	act_on(ODD, "SELECT", ACT_DIE, 0);
	act_on(ODD, "SELECT", ACT_DIE, 0);
	ck_assert_uint_ne(ask("SELECT n FROM t WHERE id = 7"), 0);
	got(ODD, "SELECT n FROM t WHERE id = 7\nSELECT n FROM t WHERE id = 7\n");
}
END_TEST

START_TEST(a_write_that_was_not_answered_is_never_sent_again)
{
	act_on(ODD, "UPDATE", ACT_DIE, 0);
	ck_assert_uint_eq(ask("UPDATE t SET n = 1 WHERE id = 7"), ER_NET_READ_ERROR);
	ck_assert(told("whether the statement took effect is unknown"));
	got(ODD, "UPDATE t SET n = 1 WHERE id = 7\n");
}
END_TEST

START_TEST(a_result_that_breaks_off_never_looks_whole)
{
	act_on(ODD, "SELECT", ACT_CUT, 0);
	ck_assert_uint_ne(ask("SELECT n FROM t WHERE id = 7"), 0);
	ck_assert_int_eq(client.packets, 4); /* the ERR stands where the end would */
	ck_assert(!client.fatal);
	got(ODD, "SELECT n FROM t WHERE id = 7\n");
}
END_TEST

START_TEST(a_row_that_breaks_off_closes_the_client)
{
	act_on(ODD, "SELECT", ACT_HALF_ROW, 0);
	client_send("SELECT n FROM t WHERE id = 7");
	WAIT_FOR(client.fatal);
	got(ODD, "SELECT n FROM t WHERE id = 7\n");
}
END_TEST

START_TEST(rows_of_the_others_do_not_hide_a_shard_that_failed)
{
	act_on(ODD, "SELECT", ACT_ERR, 1146);
	ck_assert_uint_eq(ask("SELECT n FROM t"), 1146);
	act_on(EVEN, "SELECT", ACT_CUT, 0);
	ck_assert_uint_ne(ask("SELECT n FROM t"), 0);
}
END_TEST

/* --- transactions --- */

START_TEST(a_transaction_begins_with_its_first_statement_on_a_shard)
{
	ck_assert_uint_eq(ask("BEGIN"), 0);
	got(EVEN, "");
	got(ODD, "");
	ck_assert_uint_eq(ask("UPDATE t SET n = 1 WHERE id = 8"), 0);
	ck_assert_uint_eq(ask("UPDATE t SET n = 2 WHERE id = 8"), 0);
	ck_assert_uint_eq(ask("COMMIT"), 0);
	got(EVEN, "START TRANSACTION\nUPDATE t SET n = 1 WHERE id = 8\nUPDATE t SET n = 2 WHERE id = 8\nCOMMIT\n");
	got(ODD, "");
}
END_TEST

START_TEST(a_transaction_whose_server_is_lost_is_rolled_back_everywhere)
{
	ck_assert_uint_eq(ask("BEGIN"), 0);
	ck_assert_uint_eq(ask("UPDATE t SET n = 1 WHERE id = 8"), 0);
	act_on(ODD, "UPDATE", ACT_DIE, 0);
	ck_assert_uint_eq(ask("UPDATE t SET n = 1 WHERE id = 7"), ER_LOCK_DEADLOCK);
	/* nothing of it may run by itself */
	ck_assert_uint_eq(ask("UPDATE t SET n = 3 WHERE id = 8"), ER_CANT_DO_THIS_DURING_A_TRANSACTION);
	ck_assert_uint_eq(ask("ROLLBACK"), 0);
	got(EVEN, "START TRANSACTION\nUPDATE t SET n = 1 WHERE id = 8\n(reset)\n");
	ck_assert_uint_eq(ask("UPDATE t SET n = 3 WHERE id = 8"), 0);
	got(EVEN, "UPDATE t SET n = 3 WHERE id = 8\n");
}
END_TEST

START_TEST(a_commit_that_was_not_answered_is_said_to_be_unknown)
{
	ck_assert_uint_eq(ask("BEGIN"), 0);
	ck_assert_uint_eq(ask("UPDATE t SET n = 1 WHERE id = 7"), 0);
	act_on(ODD, "COMMIT", ACT_DIE, 0);
	ck_assert_uint_eq(ask("COMMIT"), ER_ERROR_DURING_COMMIT);
	ck_assert(told("unknown"));
	got(ODD, "START TRANSACTION\nUPDATE t SET n = 1 WHERE id = 7\nCOMMIT\n");
}
END_TEST

START_TEST(a_begin_that_fails_leaves_nothing_to_build_on)
{
	ck_assert_uint_eq(ask("BEGIN"), 0);
	act_on(ODD, "START", ACT_ERR, 1040);
	ck_assert_uint_eq(ask("UPDATE t SET n = 1 WHERE id = 7"), ER_ERROR_DURING_COMMIT);
	ck_assert(told("unknown"));
}
END_TEST

/* --- clients that leave --- */

START_TEST(what_a_vanished_client_runs_is_killed)
{
	act_on(ODD, "SELECT", ACT_HANG, 0);
	client_send("SELECT n FROM t WHERE id = 7");
	WAIT_FOR(buf_used(&ODD->log) > 0);
	session_close(&client.s);
	memset(&client.s, 0, sizeof(client.s));
	WAIT_FOR(memmem(buf_head(&ODD->log), buf_used(&ODD->log), "KILL 101", 8));
	/* for the teardown */
	client.s.id = 2;
	session_open(&client.s, worker, &client.st, &session_ops, &(struct session_login){ .user = STR("app") });
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_checked_fixture(tc, shards_setup, shards_teardown);
	tcase_add_test(tc, a_key_sends_the_text_as_it_is_to_its_shard);
	tcase_add_test(tc, rows_of_all_shards_are_one_result);
	tcase_add_test(tc, a_write_over_shards_is_committed_when_all_have_done_it);
	tcase_add_test(tc, a_write_over_shards_is_undone_when_one_refuses);
	tcase_add_test(tc, a_write_over_shards_is_undone_when_one_dies);
	tcase_add_test(tc, a_read_that_was_not_answered_is_asked_once_more);
	tcase_add_test(tc, a_write_that_was_not_answered_is_never_sent_again);
	tcase_add_test(tc, a_result_that_breaks_off_never_looks_whole);
	tcase_add_test(tc, a_row_that_breaks_off_closes_the_client);
	tcase_add_test(tc, rows_of_the_others_do_not_hide_a_shard_that_failed);
	tcase_add_test(tc, a_transaction_begins_with_its_first_statement_on_a_shard);
	tcase_add_test(tc, a_transaction_whose_server_is_lost_is_rolled_back_everywhere);
	tcase_add_test(tc, a_commit_that_was_not_answered_is_said_to_be_unknown);
	tcase_add_test(tc, a_begin_that_fails_leaves_nothing_to_build_on);
	tcase_add_test(tc, what_a_vanished_client_runs_is_killed);
}

int main(void)
{
	return run_tests("run", add);
}
