/* test_reply.c - OK, ERR, EOF, session tracking, definitions: round trips under all capabilities, cuts, packets of real
 * servers. For wire/reply.h. */
#include "keyway/wire/reply.h"
#include "wire_testing.h"

#define DEP   CLIENT_DEPRECATE_EOF
#define TRACK CLIENT_SESSION_TRACK

static struct ok_packet sample(struct buf *track)
{
	track_add_schema(track, STR("shop"));
	return (struct ok_packet){ .affected = 300,
		.insert_id = 70000,
		.status = SERVER_STATUS_AUTOCOMMIT,
		.warnings = 5,
		.info = STR("Rows matched: 1"),
		.track = str_make((char *)track->p, buf_used(track)) };
}

START_TEST(state_change_is_a_bare_digit)
{
	/* as MariaDB 10.11 sends it behind a variable: 02 01 '1' */
	static const char bytes[] = "\x00\x0a\x03sql\x05STRIC\x02\x01\x31";
	struct track_iter it = track_begin(str_make(bytes, sizeof(bytes) - 1));
	struct track_entry e;

	ck_assert_int_eq(track_next(&it, &e), 1);
	ck_assert_int_eq(e.type, SESSION_TRACK_SYSTEM_VARIABLES);
	ck_assert_int_eq(track_next(&it, &e), 1);
	ck_assert_int_eq(e.type, SESSION_TRACK_STATE_CHANGE);
	ck_assert(str_eqz(e.value, "1"));
	ck_assert_int_eq(track_next(&it, &e), 0);
}
END_TEST

START_TEST(an_ok_comes_back_under_all_capabilities)
{
	const uint32_t caps = (_i & 1 ? DEP : 0) | (_i & 2 ? TRACK : 0);
	struct buf track = { 0 }, b = { 0 };
	struct ok_packet ok = sample(&track), got;

	ok_build(&b, caps, &ok);
	ck_assert_int_eq(ok_parse(b.p, buf_used(&b), caps, &got), 0);
	ck_assert(got.affected == 300 && got.insert_id == 70000 && got.warnings == 5);
	assert_str(got.info, "Rows matched: 1");
	ck_assert_uint_eq(got.status, caps & TRACK ? 0x4002 : 2);
	ck_assert(caps & TRACK ? str_eq(got.track, ok.track) : got.track.n == 0);
	for (size_t n = 0; n < 11; n++)
		ck_assert_int_lt(ok_parse(b.p, n, caps, &got), 0);
	if (caps & TRACK) {
		for (size_t n = 13; n < buf_used(&b); n++)
			ck_assert(n == 28 || ok_parse(b.p, n, caps, &got) < 0);
	}
	buf_free(&b);
	buf_free(&track);
}
END_TEST

START_TEST(an_ok_without_text_is_seven_bytes)
{
	struct ok_packet ok = { .status = 0x4002 }, got;
	struct buf b = { 0 };

	ok_build(&b, DEP | TRACK, &ok);
	assert_buf_hex(&b, "00 00 00 0200 0000");
	ck_assert_int_eq(ok_parse(b.p, 7, DEP | TRACK, &got), 0);
	buf_free(&b);
}
END_TEST

START_TEST(the_end_of_rows_in_both_flavours)
{
	struct ok_packet ok = { .status = 0x4022, .warnings = 3, .info = STR("") }, got;
	struct buf b = { 0 };

	eof_build(&b, 0, &ok);
	assert_buf_hex(&b, "fe 0300 2200");
	ck_assert_int_eq(ok_parse(b.p, 5, 0, &got), 0);
	ck_assert(got.status == 0x22 && got.warnings == 3 && got.affected == 0);
	ck_assert_int_lt(ok_parse(b.p, 5, DEP, &got), 0);
	ck_assert(is_eof_packet(b.p, 5) && !is_eof_packet(b.p, PACKET_FRAME_MAX) && !is_eof_packet(b.p, 0));
	buf_clear(&b);
	eof_build(&b, DEP, &ok);
	assert_buf_hex(&b, "fe 00 00 2200 0300");
	buf_clear(&b);
	columns_eof_build(&b, 0x42, 1);
	assert_buf_hex(&b, "fe 0100 4200");
	buf_free(&b);
}
END_TEST

/* From MariaDB: SET NAMES utf8mb4, autocommit=1; from MySQL's manual: the other kinds. */
START_TEST(tracked_changes_come_one_by_one)
{
	static const struct {
		uint8_t type;
		const char *name, *value;
	} want[] = {
		{ 0, "character_set_results", "utf8mb4" },
		{ 0, "character_set_client", "utf8mb4" },
		{ 0, "autocommit", "ON" },
		{ 0, "character_set_connection", "utf8mb4" },
		{ 1, "", "shop" },
		{ 2, "", "1" },
		{ 3, "", "3e11fa47-71ca-11e1-9e33-c80aa9429562:23" },
		{ 4, "", "START TRANSACTION READ ONLY;" },
		{ 5, "", "T_R___S_" },
		{ 77, "", "raw" },
	};
	struct track_entry e;
	struct track_iter it;
	struct ok_packet ok;
	struct buf b = { 0 }, track = { 0 };

	add_hex_text(&b,
		"000000024000000072001e156368617261637465725f7365745f726573756c747307757466386d6234001d14636861"
		"7261637465725f7365745f636c69656e7407757466386d6234000e0a6175746f636f6d6d6974024f4e00211863686172"
		"61637465725f7365745f636f6e6e656374696f6e07757466386d6234");
	ck_assert_int_eq(ok_parse(b.p, buf_used(&b), DEP | TRACK, &ok), 0);
	buf_add_str(&track, ok.track);
	track_add_schema(&track, STR("shop"));
	for (int i = 5; i < 9; i++)
		track_add(&track, want[i].type, str_of(want[i].value));
	buf_add(&track, "\x4d\x03raw", 5);
	it = track_begin(str_make((char *)track.p, buf_used(&track)));
	for (size_t i = 0; i < ARRAY_N(want); i++) {
		ck_assert_int_eq(track_next(&it, &e), 1);
		ck_assert_uint_eq(e.type, want[i].type);
		assert_str(e.name, want[i].name);
		assert_str(e.value, want[i].value);
	}
	ck_assert_int_eq(track_next(&it, &e), 0);
	for (size_t n = 0; n < buf_used(&track); n++) {
		int rc, count = 0;

		it = track_begin(str_make((char *)track.p, n));
		while ((rc = track_next(&it, &e)) == 1)
			count++;
		ck_assert(rc < 0 || count < (int)ARRAY_N(want));
		ck_assert_int_eq(track_next(&it, &e), rc);
	}
	buf_free(&b);
	buf_free(&track);
}
END_TEST

START_TEST(two_variables_in_one_entry_and_a_variable_built)
{
	struct buf b = { 0 };
	struct track_entry e;
	struct track_iter it;

	add_hex_text(&b, "00 08 0161 0162 0163 0164");
	track_add_variable(&b, STR("time_zone"), STR("+00:00"));
	it = track_begin(str_make((char *)b.p, buf_used(&b)));
	ck_assert_int_eq(track_next(&it, &e), 1);
	assert_str(e.name, "a");
	ck_assert_int_eq(track_next(&it, &e), 1);
	assert_str(e.name, "c");
	assert_str(e.value, "d");
	ck_assert_int_eq(track_next(&it, &e), 1);
	assert_str(e.name, "time_zone");
	assert_str(e.value, "+00:00");
	ck_assert_int_eq(track_next(&it, &e), 0);
	buf_free(&b);
}
END_TEST

START_TEST(errs_with_and_without_sqlstate)
{
	struct err_packet e;
	struct buf b = { 0 };
	struct err err;

	err_packet_build(&b, 1146, "42S02", STR("no table"), true);
	ck_assert_int_eq(err_packet_parse(b.p, buf_used(&b), &e), 0);
	ck_assert_uint_eq(e.code, 1146);
	ck_assert_str_eq(e.sqlstate, "42S02");
	assert_str(e.msg, "no table");
	buf_clear(&b);
	err_packet_build(&b, 1040, "08004", STR("#1 too many"), false);
	b.p[3] = 'T';
	ck_assert_int_eq(err_packet_parse(b.p, buf_used(&b), &e), 0);
	ck_assert_str_eq(e.sqlstate, "HY000");
	assert_str(e.msg, "T1 too many");
	for (size_t n = 0; n < 3; n++)
		ck_assert_int_lt(err_packet_parse(b.p, n, &e), 0);
	ck_assert_int_eq(err_packet_parse((const uint8_t *)"\xff\x10\x04#4200", 8, &e), 0);
	ck_assert_int_eq(err_from_packet(&err, &e), ERR_BACKEND);
	ck_assert_uint_eq(err.errno_, 1040);
	e.code = 1105;
	err_from_packet(&err, &e);
	ck_assert_uint_eq(err.errno_, 1220);
	e.code = 2013;
	err_from_packet(&err, &e);
	ck_assert_uint_eq(err.errno_, 1220);
	ck_assert_ptr_nonnull(strstr(err.msg, "2013"));
	buf_free(&b);
}
END_TEST

START_TEST(an_err_of_ours_is_sent_whole)
{
	struct buf b = { 0 };
	struct err err;
	uint8_t seq = 1;

	err_set(&err, ERR_NAME, ER_BAD_DB_ERROR, "Unknown database 'x'");
	err_packet_send(&b, &seq, &err);
	assert_buf_hex(&b, "1d000001 ff 1904 23 3432303030 556e6b6e6f776e206461746162617365202778 27");
	ck_assert_uint_eq(seq, 2);
	buf_free(&b);
}
END_TEST

START_TEST(a_definition_comes_back)
{
	struct column_def c = { .schema = STR("s"),
		.table = STR("t"),
		.org_table = STR("ot"),
		.name = STR("n"),
		.org_name = STR("on"),
		.charset = 255,
		.length = 0x01020304,
		.type = MYSQL_TYPE_JSON,
		.flags = 0x9001,
		.decimals = 31 },
			  got;
	struct buf b = { 0 };

	for (int form = 0; form < 3; form++) {
		c.has_default = form > 0;
		c.default_value = form == 2 ? STR("7") : str_make(NULL, 0);
		buf_clear(&b);
		column_build(&b, &c);
		ck_assert_int_eq(column_parse(b.p, buf_used(&b), form > 0, &got), 0);
		assert_str(got.catalog, "def");
		ck_assert(str_eq(got.schema, c.schema) && str_eq(got.table, c.table) &&
			  str_eq(got.org_table, c.org_table));
		ck_assert(str_eq(got.name, c.name) && str_eq(got.org_name, c.org_name));
		ck_assert(got.charset == 255 && got.length == 0x01020304 && got.type == MYSQL_TYPE_JSON);
		ck_assert(got.flags == 0x9001 && got.decimals == 31);
		ck_assert(got.has_default == c.has_default && str_eq(got.default_value, c.default_value));
		ck_assert((got.default_value.p != NULL) == (form == 2));
		for (size_t n = 0; n < buf_used(&b) - 3u; n++)
			ck_assert_int_lt(column_parse(b.p, n, false, &got), 0);
	}
	buf_free(&b);
}
END_TEST

START_TEST(prepare_ok_comes_back)
{
	struct prepare_ok p = { .stmt_id = 0x12345678, .columns = 65535, .params = 258, .warnings = 9 }, got;
	struct buf b = { 0 };

	prepare_ok_build(&b, &p);
	ck_assert_uint_eq(buf_used(&b), 12);
	ck_assert_int_eq(prepare_ok_parse(b.p, 12, &got), 0);
	ck_assert(got.stmt_id == p.stmt_id && got.columns == p.columns && got.params == p.params && got.warnings == 9);
	ck_assert_int_lt(prepare_ok_parse(b.p, 11, &got), 0);
	buf_free(&b);
}
END_TEST

static void add_tests(TCase *tc)
{
	tcase_add_loop_test(tc, an_ok_comes_back_under_all_capabilities, 0, 4);
	tcase_add_test(tc, state_change_is_a_bare_digit);
	tcase_add_test(tc, an_ok_without_text_is_seven_bytes);
	tcase_add_test(tc, the_end_of_rows_in_both_flavours);
	tcase_add_test(tc, tracked_changes_come_one_by_one);
	tcase_add_test(tc, two_variables_in_one_entry_and_a_variable_built);
	tcase_add_test(tc, errs_with_and_without_sqlstate);
	tcase_add_test(tc, an_err_of_ours_is_sent_whole);
	tcase_add_test(tc, a_definition_comes_back);
	tcase_add_test(tc, prepare_ok_comes_back);
}

int main(void)
{
	return run_tests("wire/reply", add_tests);
}
