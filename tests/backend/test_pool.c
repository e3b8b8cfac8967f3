/* test_pool.c - connections lent, kept, reset, closed and killed. For src/backend/pool.c and bconn.c, against a
 * scripted server on the same loop. */
#include "fake_server.h"

static struct want a, b, c, d;

static void setup(void)
{
	fake_setup();
	pool_open();
}

/* What a test still holds is thrown away. */
static void teardown(void)
{
	struct want *all[] = { &a, &b, &c, &d };

	for (size_t i = 0; i < ARRAY_N(all); i++) {
		if (all[i]->c)
			pool_discard(all[i]->c);
		lease_cancel(&all[i]->l);
	}
	fake_teardown();
}

static struct bconn *try_of(struct pool *p)
{
	return pool_try(p, (struct lease_want){ .found_rows = false });
}

static void settle(void)
{
	WAIT_FOR(stats_of(pool).connecting == 0);
}

/* --- lending --- */

START_TEST(the_connection_used_last_is_lent_first)
{
	struct bconn *first, *second;

	have_of(&a, pool);
	have_of(&b, pool);
	first = a.c;
	second = b.c;
	give_back(&b, false);
	give_back(&a, false);
	ck_assert_uint_eq(stats_of(pool).idle, 2);
	want_take(&a, try_of(pool));
	ck_assert_ptr_eq(a.c, first);
	want_take(&b, try_of(pool));
	ck_assert_ptr_eq(b.c, second);
	ck_assert_ptr_null(try_of(pool));
	ck_assert_int_eq(fake.n_conns, 2);
}
END_TEST

START_TEST(those_who_wait_are_served_in_order_and_before_any_try)
{
	cfg.max_conns = 1;
	have_of(&a, pool);
	want_of(&b, pool, false);
	want_of(&c, pool, false);
	pump_some();
	ck_assert(!b.done && !c.done);
	give_back(&a, false);
	ck_assert_ptr_null(try_of(pool));
	WAIT_FOR(b.done);
	ck_assert(!c.done);
	give_back(&b, false);
	WAIT_FOR(c.done);
	ck_assert_int_lt(b.order, c.order);
	ck_assert_int_eq(fake.max_open, 1);
}
END_TEST

START_TEST(a_cancelled_lease_is_never_served)
{
	want_of(&a, pool, false);
	lease_cancel(&a.l);
	lease_cancel(&a.l);
	pump_some();
	ck_assert_uint_eq(stats_of(pool).connecting, 0);
	want_of(&b, pool, false);
	pump();
	ck_assert_uint_eq(stats_of(pool).connecting, 1);
	lease_cancel(&b.l);
	settle();
	pump_some();
	ck_assert_uint_eq(stats_of(pool).idle, 1);
	ck_assert(!a.done && !b.done);
	ck_assert_uint_eq(stats_of(pool).waiting, 0);
}
END_TEST

START_TEST(clients_with_found_rows_get_connections_of_their_own)
{
	cfg.max_conns = 2;
	want_of(&a, pool, true);
	WAIT_FOR(a.done);
	ck_assert_uint_ne(fake.conns[0].caps & CLIENT_FOUND_ROWS, 0);
	give_back(&a, false);
	ck_assert_ptr_null(try_of(pool));
	have_of(&b, pool);
	ck_assert_uint_eq(fake.conns[1].caps & CLIENT_FOUND_ROWS, 0);
	/* at the bound an idle one of the other kind makes room */
	have_of(&c, pool);
	ck_assert_int_le(fake.max_open, 3);
	ck_assert_uint_eq(atomic_load(&server->conns), 2);
	ck_assert_uint_eq(stats_of(pool).idle, 0);
}
END_TEST

START_TEST(who_must_have_no_database_gets_a_connection_without_one)
{
	have_of(&a, pool);
	a.c->db = "shop";
	give_back(&a, false);
	ck_assert_ptr_null(pool_try(pool, (struct lease_want){ .no_database = true }));
	want_take(&a, try_of(pool));
	ck_assert_str_eq(a.c->db, "shop");
}
END_TEST

/* --- the bounds --- */

START_TEST(the_bound_holds_over_all_workers_and_a_starving_one_is_fed)
{
	struct pool *other;

	cfg.max_conns = 2;
	other = pool_new(loop, settings, server, &cfg);
	have_of(&a, pool);
	have_of(&b, pool);
	want_of(&c, other, false);
	WAIT_FOR(atomic_load(&server->starving) == 1);
	pump_some();
	ck_assert(!c.done);
	ck_assert_uint_eq(atomic_load(&server->conns), 2);
	/* given back while another worker starves: closed, not kept */
	give_back(&a, false);
	ck_assert_uint_eq(stats_of(pool).idle, 0);
	WAIT_FOR(c.done);
	ck_assert_ptr_nonnull(c.c);
	ck_assert_uint_eq(atomic_load(&server->starving), 0);
	give_back(&b, false);
	ck_assert_uint_eq(stats_of(pool).idle, 1);
	give_back(&c, false);
	pool_retire(other);
}
END_TEST

START_TEST(what_idles_in_one_worker_is_given_up_for_another)
{
	struct pool *other;

	cfg.max_conns = 2;
	other = pool_new(loop, settings, server, &cfg);
	have_of(&a, pool);
	have_of(&b, pool);
	give_back(&a, false);
	give_back(&b, false);
	have_of(&c, other);
	ck_assert_uint_le(atomic_load(&server->conns), 2);
	give_back(&c, false);
	pool_retire(other);
}
END_TEST

START_TEST(a_lease_that_is_not_served_in_time_says_why)
{
	cfg.max_conns = 1;
	have_of(&a, pool);
	cfg.queue_timeout_us = 1000;
	want_of(&b, pool, false);
	WAIT_FOR(b.done);
	ck_assert_ptr_null(b.c);
	ck_assert_uint_eq(b.err.errno_, 1040);
	ck_assert_int_eq(b.err.kind, ERR_TIMEOUT);
	ck_assert_ptr_nonnull(strstr(b.err.msg, "backend.max_connections is 1"));
	ck_assert_uint_eq(stats_of(pool).waiting, 0);
}
END_TEST

START_TEST(past_the_queue_nobody_waits)
{
	cfg.max_conns = 1;
	cfg.queue_max = 1;
	have_of(&a, pool);
	want_of(&b, pool, false);
	want_of(&c, pool, false);
	WAIT_FOR(c.done);
	ck_assert_uint_eq(c.err.errno_, 1040);
	ck_assert(!b.done);
}
END_TEST

START_TEST(after_a_failure_connecting_waits_and_then_goes_on)
{
	fake.login = FAKE_REFUSES;
	want_of(&a, pool, false);
	WAIT_FOR(atomic_load(&server->failures) == 1);
	ck_assert_uint_gt(atomic_load(&server->next_connect_us), loop_now_us(loop));
	ck_assert_int_eq(fake.n_conns, 1);
	WAIT_FOR(atomic_load(&server->failures) == 3);
	fake.login = FAKE_NATIVE;
	WAIT_FOR(a.done);
	ck_assert_ptr_nonnull(a.c);
	ck_assert_uint_eq(atomic_load(&server->failures), 0);
	ck_assert_int_eq(fake.n_conns, 4);
	ck_assert_int_eq(pool->last_err.kind, 0);
}
END_TEST

/* Reads have other servers to go to. */
START_TEST(the_hasty_do_not_wait_for_a_server_that_fails)
{
	fake.login = FAKE_REFUSES;
	want_of(&a, pool, false);
	memset(&b, 0, sizeof(b));
	pool_lease(pool, &b.l, (struct lease_want){ .hasty = true }, want_done);
	ck_assert(!b.done);
	WAIT_FOR(b.done);
	ck_assert_ptr_null(b.c);
	ck_assert_int_eq(b.err.kind, ERR_BACKEND);
	ck_assert(!a.done);
	ck_assert_uint_eq(stats_of(pool).waiting, 1);
	/* once it may be tried again, a hasty one tries too */
	WAIT_FOR(atomic_load(&server->next_connect_us) <= loop_now_us(loop));
	fake.login = FAKE_NATIVE;
	memset(&c, 0, sizeof(c));
	pool_lease(pool, &c.l, (struct lease_want){ .hasty = true }, want_done);
	WAIT_FOR(a.done && c.done);
	ck_assert_ptr_nonnull(a.c);
	ck_assert_ptr_nonnull(c.c);
}
END_TEST

START_TEST(statements_and_bytes_are_counted_for_the_server_and_its_zone)
{
	struct zones *z = zones_new();
	struct zone_pair *zone = zones_pair(z, STR("a"), STR("b"));

	pool_count_in(pool, zone);
	have_of(&a, pool);
	ask(&a, "SELECT 1", 0);
	ask(&a, "SET x=1", 5);
	WAIT_FOR(a.c->n_cmds == 0);
	give_back(&a, false);
	WAIT_FOR(atomic_load(&zone->statements) > 0);
	ck_assert_uint_eq(atomic_load(&zone->statements), 1);
	ck_assert_uint_eq(atomic_load(&server->health.queries), 1);
	ck_assert_uint_gt(atomic_load(&zone->bytes_sent), 10);
	ck_assert_uint_gt(atomic_load(&zone->bytes_got), 10);
	ck_assert_uint_eq(
		atomic_load(&server->health.bytes), atomic_load(&zone->bytes_sent) + atomic_load(&zone->bytes_got));
	pool_count_in(pool, NULL);
	zones_free(z);
}
END_TEST

/* The pool may have planned to look at its idle connections in a long time only. */
START_TEST(those_who_wait_are_looked_after_soon_whatever_was_planned)
{
	have_of(&a, pool);
	give_back(&a, false);
	fake.login = FAKE_REFUSES;
	want_take(&a, try_of(pool));
	loop_timer_set(loop, &pool->tick, loop_now_us(loop) + 3600000000);
	want_of(&b, pool, false);
	WAIT_FOR(atomic_load(&server->failures) == 1);
	fake.login = FAKE_NATIVE;
	WAIT_FOR(b.done);
	ck_assert_ptr_nonnull(b.c);
}
END_TEST

START_TEST(connects_are_paced)
{
	cfg.connects_per_second = 1;
	want_of(&a, pool, false);
	want_of(&b, pool, false);
	pump();
	pump();
	ck_assert_uint_eq(atomic_load(&server->conns), 1);
	ck_assert_uint_gt(atomic_load(&server->next_connect_us), loop_now_us(loop));
	atomic_store(&server->next_connect_us, 0);
	WAIT_FOR(a.done && b.done);
	ck_assert(a.c && b.c);
}
END_TEST

/* --- giving back --- */

START_TEST(a_dirty_connection_is_reset_before_anybody_sees_it)
{
	struct err err;
	const struct settings *was;
	struct bconn *conn;

	cfg.max_conns = 1;
	have_of(&a, pool);
	conn = a.c;
	was = conn->settings;
	conn->settings = settings_with(settings, was, STR("sql_mode"), STR("'ANSI'"), &err);
	settings_unref(settings, was);
	conn->last_insert_known = true;
	bconn_stmt_add(conn, &a, 7);
	give_back(&a, true);
	ck_assert_uint_eq(stats_of(pool).idle, 0);
	ck_assert_uint_eq(stats_of(pool).connecting, 1);
	ck_assert_ptr_null(try_of(pool));
	have_of(&b, pool);
	ck_assert_ptr_eq(b.c, conn);
	ck_assert_str_eq(fake.log, "0:init 0:reset 0:init");
	ck_assert(!str_eqz(settings_get(conn->settings, STR("sql_mode")), "'ANSI'"));
	ck_assert(!conn->last_insert_known);
	ck_assert_ptr_null(bconn_stmt_find(conn, &a));
}
END_TEST

START_TEST(a_connection_that_refuses_its_reset_is_closed_without_fault)
{
	have_of(&a, pool);
	fake.refuses_reset = true;
	give_back(&a, true);
	WAIT_FOR(fake.n_open == 0);
	ck_assert_uint_eq(atomic_load(&server->failures), 0);
	have_of(&b, pool);
	ck_assert_int_eq(fake.n_conns, 2);
}
END_TEST

START_TEST(a_connection_that_hangs_in_its_reset_is_closed)
{
	have_of(&a, pool);
	fake.holds = true;
	cfg.connect_timeout_us = 20000;
	give_back(&a, true);
	WAIT_FOR(atomic_load(&server->conns) == 0);
}
END_TEST

START_TEST(a_connection_with_an_answer_outstanding_is_not_kept)
{
	have_of(&a, pool);
	ask(&a, "hang", 1);
	give_back(&a, false);
	ck_assert_uint_eq(stats_of(pool).idle, 0);
	WAIT_FOR(fake.n_open == 0);
	ck_assert_int_eq(a.lost, 0);
}
END_TEST

START_TEST(an_old_connection_is_not_kept)
{
	have_of(&a, pool);
	cfg.max_life_us = 1;
	loop_timer_set(loop, &pool->tick, 1);
	pump_some();
	a.c->born_us -= 10;
	give_back(&a, false);
	WAIT_FOR(fake.n_open == 0);
}
END_TEST

START_TEST(connections_idle_for_too_long_are_closed)
{
	cfg.idle_us = 1000;
	have_of(&a, pool);
	have_of(&b, pool);
	give_back(&a, false);
	give_back(&b, false);
	WAIT_FOR(fake.n_open == 0);
	ck_assert_uint_eq(stats_of(pool).idle, 0);
}
END_TEST

/* --- what servers do --- */

START_TEST(a_connection_that_the_server_closes_while_idle_is_not_lent)
{
	have_of(&a, pool);
	give_back(&a, false);
	fake_close(&fake.conns[0]);
	WAIT_FOR(stats_of(pool).idle == 0);
	ck_assert_uint_eq(atomic_load(&server->failures), 0);
	ck_assert_int_eq(a.lost, 0);
	have_of(&b, pool);
}
END_TEST

START_TEST(bytes_that_nobody_asked_for_close_an_idle_connection)
{
	have_of(&a, pool);
	give_back(&a, false);
	fake_raw(&fake.conns[0], "\7\0\0\1\0\0\0\2\0\0\0", 11);
	WAIT_FOR(stats_of(pool).idle == 0);
	ck_assert_uint_eq(atomic_load(&server->conns), 0);
}
END_TEST

static const struct {
	const char *sql, *why;
	int answers;
} ends[] = {
	{ "die", "in the middle of a statement", 0 },
	{ "garbage", "malformed", 0 },
	{ "more", "nobody asked for", 0 },
};

START_TEST(the_holder_is_told_of_a_connection_that_ends)
{
	have_of(&a, pool);
	ask(&a, ends[_i].sql, 1);
	WAIT_FOR(a.lost);
	ck_assert_int_eq(a.lost, 1);
	ck_assert_int_eq(a.answers, ends[_i].answers);
	ck_assert_msg(strstr(a.why.msg, ends[_i].why) != NULL, "%s", a.why.msg);
	ck_assert_int_eq(a.why.kind, ERR_BACKEND);
	pump_some();
	ck_assert_uint_eq(stats_of(pool).leased, 0);
	ck_assert_uint_eq(atomic_load(&server->conns), 0);
}
END_TEST

/* Lost, but the holder gives it back before it is told. */
START_TEST(a_lost_connection_may_be_given_back_before_the_word_comes)
{
	have_of(&a, pool);
	bconn_fail(a.c, ER_NET_READ_ERROR, "broken for the test");
	ck_assert_int_eq(a.lost, 0);
	if (_i)
		give_back(&a, false);
	else
		pool_discard(a.c);
	a.c = NULL;
	pump_some();
	ck_assert_int_eq(a.lost, 0);
	ck_assert_uint_eq(stats_of(pool).leased, 0);
	ck_assert_uint_eq(atomic_load(&server->conns), 0);
}
END_TEST

START_TEST(answers_come_in_the_order_of_the_commands)
{
	have_of(&a, pool);
	for (int i = 0; i < BCONN_PIPELINE; i++)
		ask(&a, i % 3 == 0 ? "rows" : i % 3 == 1 ? "do 1" : "error", (uint8_t)('a' + i));
	WAIT_FOR(a.answers == BCONN_PIPELINE);
	ck_assert_str_eq(a.tags, "abcdefghijklmnopqrstuvwx");
	ck_assert_int_eq(a.errors, 8);
	ck_assert_uint_eq(a.c->n_cmds, 0);
	give_back(&a, false);
	ck_assert_uint_eq(stats_of(pool).idle, 1);
}
END_TEST

/* --- killing, retiring --- */

START_TEST(a_kill_goes_over_a_connection_of_its_own_and_the_victim_is_not_kept)
{
	cfg.max_conns = 1;
	have_of(&a, pool);
	ask(&a, "hang", 1);
	pool_kill(a.c, _i);
	WAIT_FOR(strstr(fake.log, _i ? "1:KILL QUERY 100" : "1:KILL 100"));
	WAIT_FOR(atomic_load(&server->conns) == 1);
	WAIT_FOR(fake.n_open == 1);
	ck_assert_uint_eq(stats_of(pool).connecting, 0);
	fake_ok(&fake.conns[0]);
	WAIT_FOR(a.answers == 1);
	give_back(&a, false);
	WAIT_FOR(fake.n_open == 0);
}
END_TEST

START_TEST(a_kill_that_cannot_connect_is_no_fault)
{
	have_of(&a, pool);
	fake.login = FAKE_CLOSES_AT_GREETING;
	pool_kill(a.c, true);
	WAIT_FOR(stats_of(pool).connecting == 0);
	ck_assert_uint_eq(atomic_load(&server->failures), 0);
	ck_assert_uint_eq(atomic_load(&server->conns), 1);
}
END_TEST

START_TEST(a_retired_pool_closes_what_it_has_and_goes_with_the_last)
{
	struct pool_stats st;

	have_of(&a, pool);
	have_of(&b, pool);
	give_back(&b, false);
	cfg.max_conns = 2;
	want_take(&b, try_of(pool));
	want_of(&c, pool, false);
	pump_some();
	give_back(&b, true);
	pool_retire(pool);
	ck_assert(c.done);
	ck_assert_ptr_null(c.c);
	ck_assert_uint_eq(c.err.errno_, 1053);
	st = stats_of(pool);
	ck_assert_uint_eq(st.idle, 0);
	ck_assert_uint_eq(st.leased, 1);
	WAIT_FOR(fake.n_open == 1);
	ask(&a, "rows", 1);
	WAIT_FOR(a.answers);
	ck_assert_uint_eq(atomic_load(&server->refs), 3);
	give_back(&a, false);
	pool = NULL;
	WAIT_FOR(atomic_load(&server->refs) == 2);
}
END_TEST

/* --- prepared statements --- */

START_TEST(the_statement_used_least_recently_is_closed_for_a_new_one)
{
	static const char keys[BCONN_STMTS_MAX + 2];

	have_of(&a, pool);
	for (uint32_t i = 0; i < BCONN_STMTS_MAX; i++)
		bconn_stmt_add(a.c, &keys[i], 1000 + i);
	for (uint32_t i = 0; i < BCONN_STMTS_MAX; i++) {
		if (i == 77)
			continue;
		ck_assert_ptr_nonnull(bconn_stmt_find(a.c, &keys[i]));
		ck_assert_uint_eq(bconn_stmt_find(a.c, &keys[i])->id, 1000 + i);
	}
	bconn_stmt_add(a.c, &keys[BCONN_STMTS_MAX], 5000);
	ck_assert_ptr_null(bconn_stmt_find(a.c, &keys[77]));
	ck_assert_ptr_nonnull(bconn_stmt_find(a.c, &keys[78]));
	ask(&a, "do 1", 1);
	WAIT_FOR(a.answers);
	ck_assert_str_eq(fake.log, "0:init 0:close-1077 0:do 1");
	bconn_stmt_drop(a.c, &keys[5]);
	bconn_stmt_drop(a.c, &keys[5]);
	ck_assert_ptr_null(bconn_stmt_find(a.c, &keys[5]));
	WAIT_FOR(strstr(fake.log, "0:do 1 0:close-1005"));
}
END_TEST

START_TEST(a_forgotten_statement_is_closed_at_once_only_where_nobody_writes)
{
	static const char key, other;

	have_of(&a, pool);
	have_of(&b, pool);
	bconn_stmt_add(a.c, &key, 11);
	bconn_stmt_add(b.c, &key, 22);
	bconn_stmt_add(b.c, &other, 33);
	give_back(&a, false);
	pool_forget_stmt(pool, &key);
	ck_assert_ptr_null(bconn_stmt_find(b.c, &key));
	ask(&b, "load", 1);
	WAIT_FOR(b.answers);
	ck_assert_ptr_nonnull(strstr(fake.log, "0:close-11"));
	ck_assert_ptr_null(strstr(fake.log, "close-22"));
	give_back(&b, false);
	WAIT_FOR(strstr(fake.log, "1:load 1:close-22"));
	want_take(&b, try_of(pool));
	ck_assert_ptr_nonnull(bconn_stmt_find(b.c, &other));
	ck_assert_ptr_null(strstr(fake.log, "close-33"));
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, the_connection_used_last_is_lent_first);
	tcase_add_test(tc, those_who_wait_are_served_in_order_and_before_any_try);
	tcase_add_test(tc, a_cancelled_lease_is_never_served);
	tcase_add_test(tc, clients_with_found_rows_get_connections_of_their_own);
	tcase_add_test(tc, who_must_have_no_database_gets_a_connection_without_one);
	tcase_add_test(tc, the_bound_holds_over_all_workers_and_a_starving_one_is_fed);
	tcase_add_test(tc, what_idles_in_one_worker_is_given_up_for_another);
	tcase_add_test(tc, a_lease_that_is_not_served_in_time_says_why);
	tcase_add_test(tc, past_the_queue_nobody_waits);
	tcase_add_test(tc, after_a_failure_connecting_waits_and_then_goes_on);
	tcase_add_test(tc, the_hasty_do_not_wait_for_a_server_that_fails);
	tcase_add_test(tc, statements_and_bytes_are_counted_for_the_server_and_its_zone);
	tcase_add_test(tc, those_who_wait_are_looked_after_soon_whatever_was_planned);
	tcase_add_test(tc, connects_are_paced);
	tcase_add_test(tc, a_dirty_connection_is_reset_before_anybody_sees_it);
	tcase_add_test(tc, a_connection_that_refuses_its_reset_is_closed_without_fault);
	tcase_add_test(tc, a_connection_that_hangs_in_its_reset_is_closed);
	tcase_add_test(tc, a_connection_with_an_answer_outstanding_is_not_kept);
	tcase_add_test(tc, an_old_connection_is_not_kept);
	tcase_add_test(tc, connections_idle_for_too_long_are_closed);
	tcase_add_test(tc, a_connection_that_the_server_closes_while_idle_is_not_lent);
	tcase_add_test(tc, bytes_that_nobody_asked_for_close_an_idle_connection);
	tcase_add_loop_test(tc, the_holder_is_told_of_a_connection_that_ends, 0, (int)ARRAY_N(ends));
	tcase_add_loop_test(tc, a_lost_connection_may_be_given_back_before_the_word_comes, 0, 2);
	tcase_add_test(tc, answers_come_in_the_order_of_the_commands);
	tcase_add_loop_test(tc, a_kill_goes_over_a_connection_of_its_own_and_the_victim_is_not_kept, 0, 2);
	tcase_add_test(tc, a_kill_that_cannot_connect_is_no_fault);
	tcase_add_test(tc, a_retired_pool_closes_what_it_has_and_goes_with_the_last);
	tcase_add_test(tc, the_statement_used_least_recently_is_closed_for_a_new_one);
	tcase_add_test(tc, a_forgotten_statement_is_closed_at_once_only_where_nobody_writes);
}

int main(void)
{
	return run_tests("pool", add);
}
