/* test_settings.c - interned sets, differences, limits. For src/backend/settings.c; one thread. */
#include "../unit.h"
#include "keyway/backend/settings.h"
#include <stdio.h>

static struct settings_table *t;
static const struct settings *base;
static struct err err;

static void setup(void)
{
	t = settings_table_new();
	base = settings_login(t, 45);
	memset(&err, 0, sizeof(err));
}

static void teardown(void)
{
	settings_unref(t, base);
	settings_table_free(t);
}

/* @s with one more; the reference on @s is used up. */
static const struct settings *with(const struct settings *s, const char *name, const char *value)
{
	const struct settings *n = settings_with(t, s, str_of(name), str_of(value), &err);

	ck_assert_ptr_nonnull(n);
	settings_unref(t, s);
	return n;
}

static void assert_diff(const struct settings *from, const struct settings *to, const char *want)
{
	struct buf b = { 0 };

	ck_assert_int_eq(settings_diff(from, to, &b), want[0] != '\0');
	assert_str(str_make((char *)buf_head(&b), buf_used(&b)), want);
	buf_free(&b);
}

START_TEST(equal_sets_are_one)
{
	const struct settings *x = with(with(settings_ref(base), "sql_mode", "''"), "@a", "1");
	const struct settings *y = with(with(settings_ref(base), "@a", "1"), "sql_mode", "''");

	ck_assert_ptr_eq(x, y);
	ck_assert_ptr_ne(x, base);
	y = with(y, "@a", NULL);
	y = with(y, "sql_mode", NULL);
	ck_assert_ptr_eq(y, base);
	y = with(y, "never_set", NULL);
	ck_assert_ptr_eq(y, base);
	settings_unref(t, x);
	settings_unref(t, y);
}
END_TEST

START_TEST(names_and_values_do_not_run_into_each_other)
{
	const struct settings *x = with(settings_ref(base), "@ab", "c"), *y = with(settings_ref(base), "@a", "bc");

	ck_assert_ptr_ne(x, y);
	assert_str(settings_get(x, STR("@ab")), "c");
	ck_assert_ptr_null(settings_get(x, STR("@a")).p);
	settings_unref(t, x);
	settings_unref(t, y);
}
END_TEST

static const struct {
	unsigned id, charset_id;
	const char *charset, *collation;
} logins[] = {
	{ 45, 45, "'utf8mb4'", "'utf8mb4_general_ci'" }, { 8, 8, "'latin1'", "'latin1_swedish_ci'" },
	{ 224, 45, "'utf8mb4'", "'utf8mb4_unicode_ci'" }, { 0, 45, "'utf8mb4'", "'utf8mb4_general_ci'" },
	{ 99999, 45, "'utf8mb4'", "'utf8mb4_general_ci'" },
	{ 35, 45, "'utf8mb4'", "'utf8mb4_general_ci'" }, /* ucs2 is not for clients */
};

START_TEST(a_login_sets_the_character_sets)
{
	const struct settings *s = settings_login(t, logins[_i].id);

	ck_assert_uint_eq(s->n, 3);
	assert_str(settings_get(s, STR("character_set_client")), logins[_i].charset);
	assert_str(settings_get(s, STR("character_set_results")), logins[_i].charset);
	assert_str(settings_get(s, STR("collation_connection")), logins[_i].collation);
	ck_assert_uint_eq(s->charset_id, logins[_i].charset_id);
	settings_unref(t, s);
}
END_TEST

START_TEST(what_workers_ask_for_often_is_derived)
{
	const struct settings *s = with(settings_ref(base), "sql_mode", "'ansi_quotes,STRICT_TRANS_TABLES'");

	ck_assert(s->has_sql_mode);
	ck_assert_uint_eq(s->sql_mode, SQL_MODE_ANSI_QUOTES);
	ck_assert(!s->autocommit_off);
	s = with(s, "autocommit", "0");
	ck_assert(s->autocommit_off);
	s = with(s, "autocommit", "1");
	ck_assert(!s->autocommit_off);
	s = with(s, "character_set_client", "'gbk'");
	ck_assert_uint_eq(s->charset_id, 28);
	s = with(s, "sql_mode", NULL);
	ck_assert(!s->has_sql_mode);
	settings_unref(t, s);
}
END_TEST

START_TEST(modes_are_found_in_lists_of_any_case)
{
	ck_assert_uint_eq(settings_sql_mode_bits(STR("")), 0);
	ck_assert_uint_eq(settings_sql_mode_bits(STR(",,")), 0);
	ck_assert_uint_eq(settings_sql_mode_bits(STR("ANSI_QUOTESX,XANSI_QUOTES, ANSI_QUOTES")), 0);
	ck_assert_uint_eq(settings_sql_mode_bits(STR("a,pipes_as_concat,IGNORE_SPACE")),
		SQL_MODE_PIPES_AS_CONCAT | SQL_MODE_IGNORE_SPACE);
	ck_assert_uint_eq(settings_sql_mode_bits(STR("HIGH_NOT_PRECEDENCE,NO_BACKSLASH_ESCAPES")),
		SQL_MODE_HIGH_NOT_PRECEDENCE | SQL_MODE_NO_BACKSLASH_ESCAPES);
}
END_TEST

START_TEST(the_difference_turns_one_session_into_the_other)
{
	const struct settings *x = with(with(settings_ref(base), "time_zone", "'+01:00'"), "@a", "1");
	const struct settings *y = with(with(settings_ref(base), "time_zone", "'+02:00'"), "autocommit", "0");

	assert_diff(base, base, "");
	assert_diff(base, x, "SET @`a`=1,@@session.time_zone='+01:00'");
	assert_diff(x, base, "SET @`a`=NULL,@@session.time_zone=DEFAULT");
	assert_diff(x, y, "SET @`a`=NULL,@@session.autocommit=0,@@session.time_zone='+02:00'");
	assert_diff(y, base, "SET @@session.autocommit=1,@@session.time_zone=DEFAULT");
	settings_unref(t, x);
	settings_unref(t, y);
}
END_TEST

START_TEST(a_user_variable_of_any_name_stays_one_name)
{
	const struct settings *x = with(settings_ref(base), "@a`=1,b", "2");

	assert_diff(base, x, "SET @`a``=1,b`=2");
	settings_unref(t, x);
}
END_TEST

START_TEST(a_session_may_set_only_so_many)
{
	const struct settings *s = settings_ref(base);
	char name[16];

	for (int i = 0; i < SETTINGS_MAX - 3; i++) {
		snprintf(name, sizeof(name), "@v%d", i);
		s = with(s, name, "1");
	}
	ck_assert_uint_eq(s->n, SETTINGS_MAX);
	ck_assert_ptr_null(settings_with(t, s, STR("@one_more"), STR("1"), &err));
	ck_assert_uint_eq(err.errno_, 1231);
	ck_assert_int_eq(err.kind, ERR_LIMIT);
	/* changing one that is there is no more than before */
	s = with(s, "@v5", "2");
	ck_assert_uint_eq(s->n, SETTINGS_MAX);
	settings_unref(t, s);
}
END_TEST

START_TEST(a_session_may_set_only_so_much)
{
	static char big[SETTINGS_BYTES_MAX + 1];
	const struct settings *s;

	memset(big, '1', sizeof(big));
	ck_assert_ptr_null(settings_with(t, base, STR("@a"), str_make(big, sizeof(big)), &err));
	ck_assert_uint_eq(err.errno_, 1231);
	s = settings_with(t, base, STR("@a"), str_make(big, SETTINGS_BYTES_MAX - 200), &err);
	ck_assert_ptr_nonnull(s);
	ck_assert_ptr_null(settings_with(t, s, STR("@b"), str_make(big, 300), &err));
	settings_unref(t, s);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, equal_sets_are_one);
	tcase_add_test(tc, names_and_values_do_not_run_into_each_other);
	tcase_add_loop_test(tc, a_login_sets_the_character_sets, 0, (int)ARRAY_N(logins));
	tcase_add_test(tc, what_workers_ask_for_often_is_derived);
	tcase_add_test(tc, modes_are_found_in_lists_of_any_case);
	tcase_add_test(tc, the_difference_turns_one_session_into_the_other);
	tcase_add_test(tc, a_user_variable_of_any_name_stays_one_name);
	tcase_add_test(tc, a_session_may_set_only_so_many);
	tcase_add_test(tc, a_session_may_set_only_so_much);
}

int main(void)
{
	return run_tests("settings", add);
}
