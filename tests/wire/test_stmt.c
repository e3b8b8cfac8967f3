/* test_stmt.c - COM_STMT_EXECUTE read, rewritten, and its values said in SQL. For wire/stmt.h. */
#include "keyway/wire/stmt.h"
#include "wire_testing.h"

#define EXECUTE "17 07000000 00 01000000"

struct exec_case {
	const char *name;
	unsigned n_params;
	const char *hex; /* after EXECUTE */
	const char *sql; /* values, utf8mb4; NULL: refused by exec_parse() with the errno */
	unsigned errno_;
};

static const struct exec_case exec_cases[] = {
	{ "none", 0, "", "", 0 },
	{ "none, trailing bytes", 0, "0001", "", 0 },
	{ "tiny", 2, "00 01 0100 0180 ff ff", "-1,255,", 0 },
	{ "short", 2, "00 01 0200 0280 feff feff", "-2,65534,", 0 },
	{ "long", 2, "00 01 0300 0380 00000080 00000080", "-2147483648,2147483648,", 0 },
	{ "int24, year", 2, "00 01 0900 0d80 ffffffff d007", "-1,2000,", 0 },
	{ "longlong", 2, "00 01 0800 0880 0000000000000080 ffffffffffffffff",
		"-9223372036854775808,18446744073709551615,", 0 },
	{ "double", 3, "00 01 0500 0500 0500 9a9999999999b93f 0000000000000080 00a138149b39df43",
		"0.10000000000000001e0,-0e0,9e+18,", 0 },
	{ "float", 1, "00 01 0400 cdcccc3d", "0.10000000149011612e0,", 0 },
	{ "nulls by bitmap and by type", 9, "0101 01 0300 0600 0100 0100 0100 0100 0100 0100 0100 010203040506",
		"NULL,NULL,1,2,3,4,5,6,NULL,", 0 },
	{ "nulls", 3, "05 01 0300 0600 fe00", "NULL,NULL,NULL,", 0 },
	{ "text", 3, "00 01 fe00 fd00 0f00 00 03612762 05615c006227", "'','a''b','a\\\\\\0b''',", 0 },
	{ "blob", 2, "00 01 fc00 f900 0141 00", "_binary X'41',_binary X'',", 0 },
	{ "decimal", 3, "00 01 f600 0000 f600 052d312e3530 012e 0135", "-1.50,!", 0 },
	{ "date", 3, "00 01 0a00 0a00 0a00 04e40702 1d 00 04e707021d", "DATE'2020-02-29','0000-00-00','2023-02-29',",
		0 },
	{ "datetime", 3, "00 01 0c00 0700 0c00 07e407020a0b0c0d 0be407020a0b0c0d01000000 04e407020a",
		"TIMESTAMP'2020-02-10 11:12:13',TIMESTAMP'2020-02-10 11:12:13.000001',TIMESTAMP'2020-02-10 00:00:00',",
		0 },
	{ "time", 3, "00 01 0b00 0b00 0b00 00 08 01 01000000 02 03 04 0c 00 22000000 16 3b 3b 3f420f00",
		"TIME'00:00:00',TIME'-26:03:04',TIME'838:59:59.999999',", 0 },
	{ "time too long", 1, "00 01 0b00 08 00 22000000 17 00 00", "!", 0 },
	{ "month 13", 1, "00 01 0a00 04e4070d01", "!", 0 },
	{ "infinite", 1, "00 01 0500 000000000000f07f", "!", 0 },
	{ "cut fixed", 0xffff, "", NULL, 1835 },
	{ "no bound flag", 1, "00", NULL, 1835 },
	{ "bound 2", 1, "00 02 0100 01", NULL, 1835 },
	{ "first without types", 1, "00 00 01", NULL, 1210 },
	{ "types cut", 2, "00 01 0100 01", NULL, 1835 },
	{ "unknown type", 1, "00 01 6400 01", NULL, 1210 },
	{ "newdate", 1, "00 01 0e00 01", NULL, 1210 },
	{ "value cut", 1, "00 01 0800 01020304050607", NULL, 1835 },
	{ "value missing", 1, "00 01 0300", NULL, 1835 },
	{ "text cut", 1, "00 01 fd00 0561", NULL, 1835 },
	{ "text of 2^64-1", 1, "00 01 fd00 feffffffffffffffff61", NULL, 1835 },
	{ "text NULL", 1, "00 01 fd00 fb", NULL, 1835 },
	{ "date of 5 bytes", 1, "00 01 0a00 05e407020a00", NULL, 1835 },
	{ "time of 4 bytes", 1, "00 01 0b00 04e407020a", NULL, 1835 },
	{ "date cut", 1, "00 01 0a00 07e40702", NULL, 1835 },
};

/* The values in SQL, each with a comma; "!" where one has no meaning. */
static void say(const struct exec_params *x, unsigned charset, bool no_backslash, struct buf *out)
{
	for (unsigned i = 0; i < x->n; i++) {
		if (param_to_sql(&x->params[i], charset, no_backslash, out) < 0) {
			buf_addz(out, "!");
			break;
		}
		buf_addz(out, ",");
	}
	buf_add_u8(out, 0);
}

START_TEST(executions_are_read_said_and_rewritten)
{
	const struct exec_case *c = &exec_cases[_i];
	struct buf b = { 0 }, sql = { 0 }, again = { 0 }, sql2 = { 0 };
	struct exec_params x, y;
	struct arena a;
	struct err err;
	int rc;

	arena_init(&a);
	add_hex_text(&b, EXECUTE);
	add_hex_text(&b, c->hex);
	rc = exec_parse(b.p, buf_used(&b), c->n_params, NULL, NULL, &a, &x, &err);
	if (!c->sql) {
		ck_assert_msg(rc == ERR_MALFORMED && err.errno_ == c->errno_, "%s: %d %u %s", c->name, rc, err.errno_,
			err.msg);
		goto out;
	}
	ck_assert_msg(rc == 0, "%s: %s", c->name, err.msg);
	ck_assert_uint_eq(x.stmt_id, 7);
	say(&x, CHARSET_UTF8MB4_GENERAL_CI, false, &sql);
	ck_assert_msg(strcmp((char *)sql.p, c->sql) == 0, "%s: %s instead of %s", c->name, sql.p, c->sql);
	exec_build(&again, &x, 9, 1);
	ck_assert_int_eq(exec_parse(again.p, buf_used(&again), c->n_params, NULL, NULL, &a, &y, &err), 0);
	ck_assert_uint_eq(y.stmt_id, 9);
	ck_assert_uint_eq(y.flags, 1);
	say(&y, CHARSET_UTF8MB4_GENERAL_CI, false, &sql2);
	ck_assert_str_eq((char *)sql.p, (char *)sql2.p);
out:
	arena_free(&a);
	buf_free(&b);
	buf_free(&sql);
	buf_free(&again);
	buf_free(&sql2);
}
END_TEST

START_TEST(types_are_remembered_and_written_anew)
{
	static const struct param_type types[] = { { MYSQL_TYPE_LONG, true }, { MYSQL_TYPE_VAR_STRING, false } };
	struct buf b = { 0 }, out = { 0 };
	struct exec_params x;
	struct arena a;
	struct err err;

	arena_init(&a);
	add_hex_text(&b, EXECUTE "00 00 64000000 027a7a");
	ck_assert_int_eq(exec_parse(b.p, buf_used(&b), 2, types, NULL, &a, &x, &err), 0);
	ck_assert(!x.bound);
	exec_build(&out, &x, 0x01020304, 0);
	assert_buf_hex(&out, "17 04030201 00 01000000 00 01 0380 fd00 64000000 027a7a");
	arena_free(&a);
	buf_free(&b);
	buf_free(&out);
}
END_TEST

START_TEST(long_data_stands_in_for_the_value_and_its_null_bit)
{
	struct str data[2] = { { NULL, 0 }, STR("long'data") };
	struct buf b = { 0 }, out = { 0 };
	struct exec_params x;
	struct arena a;
	struct err err;

	arena_init(&a);
	add_hex_text(&b, EXECUTE "02 01 0100 fc00 05");
	ck_assert_int_eq(exec_parse(b.p, buf_used(&b), 2, NULL, data, &a, &x, &err), 0);
	ck_assert_uint_eq(x.params[1].state, PARAM_LONG_DATA);
	exec_build(&out, &x, 7, 0);
	assert_buf_hex(&out, EXECUTE "00 01 0100 fc00 05 09 6c6f6e672764617461");
	buf_clear(&b);
	add_hex_text(&b, EXECUTE "00 01 0100 0300 05");
	ck_assert_int_eq(exec_parse(b.p, buf_used(&b), 2, NULL, data, &a, &x, &err), ERR_MALFORMED);
	ck_assert_uint_eq(err.errno_, 1210);
	arena_free(&a);
	buf_free(&b);
	buf_free(&out);
}
END_TEST

START_TEST(query_attributes_and_memory_over_the_limit_are_refused)
{
	struct exec_params x;
	struct buf b = { 0 };
	struct arena a;
	struct err err;

	arena_init(&a);
	arena_limit(&a, 1000);
	add_hex_text(&b, "17 07000000 08 01000000 00");
	ck_assert_int_eq(exec_parse(b.p, buf_used(&b), 0, NULL, NULL, &a, &x, &err), ERR_MALFORMED);
	buf_clear(&b);
	add_hex_text(&b, EXECUTE);
	wr_zeros(&b, 5000);
	ck_assert_int_eq(exec_parse(b.p, buf_used(&b), 30000, NULL, NULL, &a, &x, &err), ERR_LIMIT);
	ck_assert_uint_eq(err.errno_, 1041);
	arena_free(&a);
	buf_free(&b);
}
END_TEST

START_TEST(text_is_quoted_as_its_character_set_and_sql_mode_need)
{
	struct param p = { .type = { MYSQL_TYPE_VAR_STRING, false }, .state = PARAM_VALUE, .value = STR("a\\'\xbf'") };
	struct buf out = { 0 };

	ck_assert_int_eq(param_to_sql(&p, CHARSET_LATIN1_SWEDISH_CI, true, &out), 0);
	buf_addz(&out, " ");
	ck_assert_int_eq(param_to_sql(&p, CHARSET_LATIN1_SWEDISH_CI, false, &out), 0);
	buf_addz(&out, " ");
	ck_assert_int_eq(param_to_sql(&p, 28, false, &out), 0);
	buf_addz(&out, " ");
	ck_assert_int_eq(param_to_sql(&p, CHARSET_BINARY, false, &out), 0);
	buf_add_u8(&out, 0);
	ck_assert_str_eq((char *)out.p, "'a\\''\xbf''' 'a\\\\''\xbf''' _gbk X'615C27BF27' _binary X'615C27BF27'");
	ck_assert_int_lt(param_to_sql(&p, 9999, false, &out), 0);
	buf_free(&out);
}
END_TEST

START_TEST(only_plain_decimals_stand_unquoted)
{
	static const struct {
		struct str text;
		bool ok;
	} rows[] = { { STR("0"), true }, { STR("-1.5"), true }, { STR("+.5"), true }, { STR("5."), true },
		{ STR("99999999999999999999999999999999999.1"), true }, { STR(""), false }, { STR("."), false },
		{ STR("-"), false }, { STR("1e5"), false }, { STR("1 or 1=1"), false }, { STR("1.2.3"), false },
		{ STR("1\0"), false } };

	for (size_t i = 0; i < ARRAY_N(rows); i++) {
		struct param p = {
			.type = { MYSQL_TYPE_NEWDECIMAL, false }, .state = PARAM_VALUE, .value = rows[i].text
		};
		struct buf out = { 0 };

		ck_assert((param_to_sql(&p, 45, false, &out) == 0) == rows[i].ok);
		buf_free(&out);
	}
}
END_TEST

START_TEST(values_have_their_kinds)
{
	struct param p = { .type = { MYSQL_TYPE_FLOAT, false }, .state = PARAM_VALUE, .value = STR("\0\0\0\x3f") };
	struct wire_value v;

	ck_assert_int_eq(param_value(&p, &v), 0);
	ck_assert(v.kind == VALUE_DOUBLE && v.is_float && v.u.d == 0.5);
	p.type.type = MYSQL_TYPE_LONG;
	p.value = STR("\xff\xff\xff\xff");
	ck_assert_int_eq(param_value(&p, &v), 0);
	ck_assert(v.kind == VALUE_INT && v.u.i == -1);
	p.type.is_unsigned = true;
	ck_assert_int_eq(param_value(&p, &v), 0);
	ck_assert(v.kind == VALUE_UINT && v.u.u == UINT32_MAX);
	p.state = PARAM_NULL;
	ck_assert_int_eq(param_value(&p, &v), 0);
	ck_assert_uint_eq(v.kind, VALUE_NULL);
}
END_TEST

START_TEST(the_small_packets_are_read)
{
	struct long_data l;
	uint32_t id, rows;
	struct buf b = { 0 };

	add_hex_text(&b, "18 05000000 0201 616263");
	ck_assert_int_eq(long_data_parse(b.p, buf_used(&b), &l), 0);
	ck_assert(l.stmt_id == 5 && l.param == 0x102);
	assert_str(l.bytes, "abc");
	ck_assert_int_eq(long_data_parse(b.p, 7, &l), 0);
	ck_assert_uint_eq(l.bytes.n, 0);
	ck_assert_int_lt(long_data_parse(b.p, 6, &l), 0);
	ck_assert_int_eq(stmt_packet_id(b.p, 5, &id), 0);
	ck_assert_uint_eq(id, 5);
	ck_assert_int_lt(stmt_packet_id(b.p, 4, &id), 0);
	buf_clear(&b);
	add_hex_text(&b, "1c 05000000 ff000000");
	ck_assert_int_eq(stmt_fetch_parse(b.p, 9, &id, &rows), 0);
	ck_assert_uint_eq(rows, 255);
	ck_assert_int_lt(stmt_fetch_parse(b.p, 8, &id, &rows), 0);
	buf_free(&b);
}
END_TEST

static void add_tests(TCase *tc)
{
	tcase_add_loop_test(tc, executions_are_read_said_and_rewritten, 0, ARRAY_N(exec_cases));
	tcase_add_test(tc, types_are_remembered_and_written_anew);
	tcase_add_test(tc, long_data_stands_in_for_the_value_and_its_null_bit);
	tcase_add_test(tc, query_attributes_and_memory_over_the_limit_are_refused);
	tcase_add_test(tc, text_is_quoted_as_its_character_set_and_sql_mode_need);
	tcase_add_test(tc, only_plain_decimals_stand_unquoted);
	tcase_add_test(tc, values_have_their_kinds);
	tcase_add_test(tc, the_small_packets_are_read);
}

int main(void)
{
	return run_tests("wire/stmt", add_tests);
}
