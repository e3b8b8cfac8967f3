/* test_rows.c - rows of VALUES and the values in them; literals to values and back.
 * For src/sql/rows.c and lit.c.
 * One thread. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include "keyway/sql/lit.h"
#include "keyway/sql/rows.h"

static const struct scan_mode mysql = { .server_version = 80036 };

static void begin(struct sql_rows *it, struct scan *s, struct str text)
{
	ck_assert_int_eq(sql_scan(s, text, &mysql, NULL), 0);
	ck_assert_uint_gt(s->n_rows, 0);
	sql_rows_init(it, text, s->rows_off, 0, &mysql);
}

static struct str span(struct str text, uint32_t from, uint32_t to)
{
	return str_make(text.p + from, to - from);
}

START_TEST(rows_and_values_are_found)
{
	static const struct {
		const char *whole, *lit;
		uint8_t kind;
		bool negative;
	} want[] = {
		{ "1", "1", LIT_INT, false },
		{ "-2", "2", LIT_INT, true },
		{ "- 2.5", "2.5", LIT_DECIMAL, true },
		{ "'a,)('", "'a,)('", LIT_STRING, false },
		{ "NULL", NULL, LIT_NULL, false },
		{ "default", NULL, LIT_DEFAULT, false },
		{ "true", NULL, LIT_TRUE, false },
		{ "?", "?", LIT_PARAM, false },
		{ "f(1, (2), ')')", NULL, LIT_EXPR, false },
		{ "1 + 1", NULL, LIT_EXPR, false },
		{ "x'41'", "x'41'", LIT_HEX, false },
		{ "-'a'", NULL, LIT_EXPR, false },
		{ "1e5", "1e5", LIT_FLOAT, false },
		{ "'a' 'b'", NULL, LIT_EXPR, false },
		{ "N'n'", "N'n'", LIT_STRING, false },
		{ "_binary 'x'", NULL, LIT_EXPR, false },
		{ "(select ?)", NULL, LIT_EXPR, false },
		{ "?", "?", LIT_PARAM, false },
		{ "(3)", NULL, LIT_EXPR, false },
		{ "b'1'", "b'1'", LIT_BIT, false },
	};
	struct str text =
		STR("insert into t values (9), ( 1, -2 , - 2.5,'a,)(' ,NULL,default,true,?,f(1, (2), ')'),1 + 1,"
		    "/* c */x'41',-'a',1e5,'a' 'b',N'n',_binary 'x',(select ?), ?,(3),b'1') , (?) on duplicate key "
		    "update a = 1");
	struct sql_row_value v;
	struct sql_rows it;
	struct sql_row row;
	struct scan s;

	scan_init(&s);
	begin(&it, &s, text);
	ck_assert_int_eq(sql_rows_next(&it, &row, NULL), 1);
	ck_assert_uint_eq(row.n_values, 1);
	ck_assert_int_eq(sql_rows_next(&it, &row, NULL), 1);
	ck_assert_uint_eq(row.n_values, ARRAY_N(want));
	for (uint32_t i = 0; i < ARRAY_N(want); i++) {
		ck_assert(sql_row_value(&it, &row, i, &v));
		ck_assert_msg(
			v.kind == want[i].kind && v.negative == want[i].negative, "%s: %u", want[i].whole, v.kind);
		ck_assert_msg(str_eqz(span(text, v.start, v.end), want[i].whole), "%s: " STR_FMT, want[i].whole,
			STR_ARG(span(text, v.start, v.end)));
		if (want[i].lit)
			ck_assert(str_eqz(str_make(text.p + v.off, v.len), want[i].lit));
	}
	ck_assert(!sql_row_value(&it, &row, ARRAY_N(want), &v));
	ck_assert(sql_row_value(&it, &row, 7, &v));
	ck_assert_uint_eq(v.param, 0);
	ck_assert(sql_row_value(&it, &row, 17, &v));
	ck_assert_uint_eq(v.param, 2);
	ck_assert_int_eq(sql_rows_next(&it, &row, NULL), 1);
	ck_assert(sql_row_value(&it, &row, 0, &v));
	ck_assert_uint_eq(v.param, 3);
	ck_assert(str_eqz(span(text, row.start, row.end), "(?)"));
	ck_assert_uint_eq(row.end, s.rows_end);
	ck_assert_int_eq(sql_rows_next(&it, &row, NULL), 0);
	ck_assert_int_eq(sql_rows_next(&it, &row, NULL), 0);
	scan_free(&s);
}
END_TEST

START_TEST(empty_rows_have_no_values)
{
	struct sql_rows it;
	struct sql_row row;
	struct scan s;

	scan_init(&s);
	begin(&it, &s, STR("insert into t values (),( ) ;"));
	ck_assert_int_eq(sql_rows_next(&it, &row, NULL), 1);
	ck_assert_uint_eq(row.n_values, 0);
	ck_assert_int_eq(sql_rows_next(&it, &row, NULL), 1);
	ck_assert_uint_eq(row.n_values, 0);
	ck_assert_int_eq(sql_rows_next(&it, &row, NULL), 0);
	scan_free(&s);
}
END_TEST

START_TEST(a_row_without_an_end_is_an_error)
{
	struct str text = STR("values (1),(2");
	struct sql_rows it;
	struct sql_row row;
	struct err err;

	sql_rows_init(&it, text, 7, 0, &mysql);
	ck_assert_int_eq(sql_rows_next(&it, &row, &err), 1);
	ck_assert_int_eq(sql_rows_next(&it, &row, &err), ERR_SYNTAX);
	ck_assert_int_eq(err.errno_, ER_PARSE_ERROR);
	ck_assert_int_eq(sql_rows_next(&it, &row, &err), 0);
}
END_TEST

static struct sql_value value_of(struct arena *a, const char *text, enum lit_kind kind, unsigned flags, bool negative,
	const struct scan_mode *mode)
{
	struct sql_value v;

	ck_assert_int_eq(sql_lit_value(str_of(text), kind, flags, negative, mode, a, &v, NULL), 0);
	return v;
}

START_TEST(numbers_have_the_smallest_kind_that_holds_them)
{
	struct arena a;
	struct sql_value v;

	arena_init(&a);
	v = value_of(&a, "0012", LIT_INT, 0, false, &mysql);
	ck_assert(v.kind == SQL_V_INT && v.i == 12);
	v = value_of(&a, "9223372036854775808", LIT_INT, 0, true, &mysql);
	ck_assert(v.kind == SQL_V_INT && v.i == INT64_MIN);
	v = value_of(&a, "9223372036854775808", LIT_INT, 0, false, &mysql);
	ck_assert(v.kind == SQL_V_UINT && v.u == 9223372036854775808u);
	v = value_of(&a, "9223372036854775809", LIT_INT, 0, true, &mysql);
	ck_assert(v.kind == SQL_V_DECIMAL && str_eqz(v.s, "-9223372036854775809"));
	v = value_of(&a, "18446744073709551616", LIT_INT, 0, false, &mysql);
	ck_assert(v.kind == SQL_V_DECIMAL && str_eqz(v.s, "18446744073709551616"));
	v = value_of(&a, "1.50", LIT_DECIMAL, 0, true, &mysql);
	ck_assert(v.kind == SQL_V_DECIMAL && str_eqz(v.s, "-1.50"));
	v = value_of(&a, "1.5e3", LIT_FLOAT, 0, true, &mysql);
	ck_assert(v.kind == SQL_V_DOUBLE && v.f == -1500);
	v = value_of(&a, "true", LIT_TRUE, 0, false, &mysql);
	ck_assert(v.kind == SQL_V_INT && v.i == 1);
	v = value_of(&a, "null", LIT_NULL, 0, false, &mysql);
	ck_assert(v.kind == SQL_V_NULL);
	arena_free(&a);
}
END_TEST

START_TEST(strings_lose_their_escapes)
{
	struct scan_mode plain = mysql, gbk = mysql;
	struct arena a;
	struct sql_value v;

	plain.flags = SCAN_NO_BACKSLASH_ESCAPES;
	gbk.charset = SCAN_CS_GBK;
	arena_init(&a);
	v = value_of(&a, "'abc'", LIT_STRING, 0, false, &mysql);
	ck_assert(v.kind == SQL_V_BYTES && str_eqz(v.s, "abc"));
	v = value_of(&a, "'it''s \\'\\n\\0\\%\\_\\x\\\\'", LIT_STRING, LIT_F_ESCAPED, false, &mysql);
	ck_assert(str_eq(v.s, STR("it's '\n\0\\%\\_x\\")));
	v = value_of(&a, "'a\\''b'", LIT_STRING, LIT_F_ESCAPED, false, &plain);
	ck_assert(str_eqz(v.s, "a\\'b"));
	v = value_of(&a, "N'x''y'", LIT_STRING, LIT_F_ESCAPED | LIT_F_NATIONAL, false, &mysql);
	ck_assert(str_eqz(v.s, "x'y"));
	v = value_of(&a, "\"a\"\"b''\"", LIT_STRING, LIT_F_ESCAPED, false, &mysql);
	ck_assert(str_eqz(v.s, "a\"b''"));
	v = value_of(&a, "'\x95\x5c''\\\x95\x5c'", LIT_STRING, LIT_F_ESCAPED, false, &gbk);
	ck_assert(str_eqz(v.s, "\x95\x5c'\x95\x5c"));
	v = value_of(&a, "0x414", LIT_HEX, 0, false, &mysql);
	ck_assert(v.kind == SQL_V_BINARY && str_eq(v.s, STR("\x04\x14")));
	v = value_of(&a, "X'4142'", LIT_HEX, 0, false, &mysql);
	ck_assert(str_eqz(v.s, "AB"));
	v = value_of(&a, "b'101000001'", LIT_BIT, 0, false, &mysql);
	ck_assert(str_eq(v.s, STR("\x01\x41")));
	v = value_of(&a, "x''", LIT_HEX, 0, false, &mysql);
	ck_assert_uint_eq(v.s.n, 0);
	arena_free(&a);
}
END_TEST

/* Every value printed is read back as itself, alone and as the only token of its text. */
static void round_trip(struct sql_value v, const struct scan_mode *mode, struct str introducer)
{
	struct buf b = { 0 };
	struct sql_value back = { 0 };
	struct arena a;
	struct scan s;
	bool negative;
	uint32_t at;

	arena_init(&a);
	scan_init(&s);
	sql_lit_print(&b, &v, mode, introducer);
	ck_assert_int_eq(sql_scan(&s, str_make((char *)b.p, b.len), mode, NULL), 0);
	ck_assert(!s.broken && !s.more);
	if (v.kind == SQL_V_NULL) {
		ck_assert_uint_eq(s.n_toks, 1);
		goto out;
	}
	ck_assert_uint_eq(s.n_lits, 1);
	negative = s.toks[0].kind == '-';
	at = s.n_toks - 1;
	ck_assert_uint_eq(s.lits[0].tok, at);
	ck_assert_int_eq(sql_lit_value(scan_lit_text(str_make((char *)b.p, b.len), &s.lits[0]), s.lits[0].kind,
				 s.lits[0].flags, negative, mode, &a, &back, NULL),
		0);
	switch (v.kind) {
	case SQL_V_INT: ck_assert(back.kind == v.kind && back.i == v.i); break;
	case SQL_V_UINT: ck_assert(back.kind == v.kind && back.u == v.u); break;
	case SQL_V_DOUBLE: ck_assert(back.kind == v.kind && back.f == v.f); break;
	default: ck_assert_msg(str_eq(back.s, v.s), STR_FMT, STR_ARG(str_make((char *)b.p, b.len))); break;
	}
out:
	scan_free(&s);
	arena_free(&a);
	buf_free(&b);
}

START_TEST(printed_values_read_back_as_themselves)
{
	static const double doubles[] = { 0, -0.0, 1, 0.1, 1e308, -5e-324, 123456789.125, 1.0 / 3 };
	static const struct str strings[] = { { "", 0 }, { "a", 1 }, { "it's", 4 }, { "\\'\\", 3 },
		{ "\0\n\x1a\"`", 5 }, { "\xbf'", 2 }, { "\x95\\' or 1=1", 10 } };

	for (unsigned cs = SCAN_CS_SAFE; cs <= SCAN_CS_GB18030; cs++)
		for (unsigned flags = 0; flags < 4; flags++) {
			struct scan_mode m = { .server_version = 80036, .charset = (uint8_t)cs, .flags = flags };

			for (size_t i = 0; i < ARRAY_N(strings); i++) {
				round_trip((struct sql_value){ .kind = SQL_V_BYTES, .s = strings[i] }, &m, STR("gbk"));
				round_trip((struct sql_value){ .kind = SQL_V_BINARY, .s = strings[i] }, &m, STR(""));
			}
		}
	for (size_t i = 0; i < ARRAY_N(doubles); i++)
		round_trip((struct sql_value){ .kind = SQL_V_DOUBLE, .f = doubles[i] }, &mysql, STR(""));
	round_trip((struct sql_value){ .kind = SQL_V_INT, .i = INT64_MIN }, &mysql, STR(""));
	round_trip((struct sql_value){ .kind = SQL_V_UINT, .u = UINT64_MAX }, &mysql, STR(""));
	round_trip((struct sql_value){ .kind = SQL_V_DECIMAL, .s = STR("-1.50") }, &mysql, STR(""));
	round_trip((struct sql_value){ .kind = SQL_V_NULL }, &mysql, STR(""));
}
END_TEST

START_TEST(names_are_quoted_safely)
{
	struct scan_mode gbk = { .charset = SCAN_CS_GBK };
	struct buf b = { 0 };

	sql_ident_print(&b, STR("a`b"), &mysql);
	ck_assert(str_eqz(str_make((char *)b.p, b.len), "`a``b`"));
	buf_clear(&b);
	sql_ident_print(&b, STR("\x81\x60"), &gbk);
	ck_assert(str_eqz(str_make((char *)b.p, b.len), "`\x81\x60`"));
	buf_free(&b);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("rows");
	TCase *tc = tcase_create("rows");
	SRunner *runner;
	int failed;

	tcase_add_test(tc, rows_and_values_are_found);
	tcase_add_test(tc, empty_rows_have_no_values);
	tcase_add_test(tc, a_row_without_an_end_is_an_error);
	tcase_add_test(tc, numbers_have_the_smallest_kind_that_holds_them);
	tcase_add_test(tc, strings_lose_their_escapes);
	tcase_add_test(tc, printed_values_read_back_as_themselves);
	tcase_add_test(tc, names_are_quoted_safely);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
