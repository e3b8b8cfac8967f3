/* test_rowset.c - our own result sets as the tracker and a reader of rows see them. For wire/rowset.h. */
#include "keyway/wire/response.h"
#include "keyway/wire/rowset.h"
#include "wire_testing.h"

static struct column_def cols[3];

static void make_cols(void)
{
	cols[0] = column_text(STR("name"), 64);
	cols[1] = column_int(STR("n"));
	cols[2] = column_double(STR("d"));
}

START_TEST(a_result_set_is_well_formed_in_every_flavour)
{
	const uint32_t caps =
		CLIENT_PROTOCOL_41 | (_i & 1 ? CLIENT_DEPRECATE_EOF : 0) | (_i & 2 ? CLIENT_SESSION_TRACK : 0);
	const bool binary = _i & 4;
	struct response_event ev;
	struct buf b = { 0 };
	struct response r;
	struct rowset rs;
	uint8_t seq = 1;

	make_cols();
	rowset_begin(&rs, &b, &seq, caps, binary, cols, 3, 2);
	ck_assert_int_eq(rowset_row(&rs, (struct str[]){ STR("a"), STR("-7"), STR("0.5") }), 0);
	ck_assert_int_eq(rowset_row(&rs, (struct str[]){ { NULL, 0 }, { NULL, 0 }, { NULL, 0 } }), 0);
	rowset_end(&rs, 2, 1);
	ck_assert_uint_eq(rs.rows, 2);
	response_init(&r, binary ? RESPONSE_TO_EXECUTE : RESPONSE_TO_QUERY, caps, 0);
	ck_assert_uint_eq(response_feed(&r, b.p, buf_used(&b), &ev), buf_used(&b));
	ck_assert(ev.type == RESPONSE_EOF && ev.done);
	ck_assert(r.columns == 3 && r.rows == 2 && r.status == 2 && r.warnings == 1);
	ck_assert_uint_eq(r.seq, seq);
	buf_free(&b);
}
END_TEST

/* The bytes of the last packet written. */
static struct rd last_packet(struct buf *b)
{
	size_t at = 0, next;

	while ((next = at + PACKET_HEADER + get_u24(b->p + at)) < buf_used(b))
		at = next;
	return rd_make(b->p + at + PACKET_HEADER, get_u24(b->p + at));
}

START_TEST(text_rows_are_read_back)
{
	struct buf b = { 0 };
	struct rowset rs;
	uint8_t seq = 1;
	struct rd r;

	make_cols();
	rowset_begin(&rs, &b, &seq, CLIENT_DEPRECATE_EOF, false, cols, 3, 0);
	ck_assert_int_eq(rowset_row(&rs, (struct str[]){ STR(""), { NULL, 0 }, STR("x") }), 0);
	r = last_packet(&b);
	assert_str(row_field(&r), "");
	ck_assert_ptr_null(row_field(&r).p);
	ck_assert(!row_done(&r));
	assert_str(row_field(&r), "x");
	ck_assert(row_done(&r));
	row_field(&r);
	ck_assert(!row_done(&r));
	buf_free(&b);
}
END_TEST

START_TEST(binary_rows_have_bitmap_and_numbers)
{
	struct buf b = { 0 }, row = { 0 };
	struct rowset rs;
	uint8_t seq = 1;
	struct rd r;

	make_cols();
	rowset_begin(&rs, &b, &seq, CLIENT_DEPRECATE_EOF, true, cols, 3, 0);
	ck_assert_int_eq(rowset_row(&rs, (struct str[]){ { NULL, 0 }, STR("-2"), STR("0.5") }), 0);
	r = last_packet(&b);
	buf_add_str(&row, rd_rest(&r));
	assert_buf_hex(&row, "00 04 feffffffffffffff 000000000000e03f");
	buf_free(&row);
	buf_free(&b);
}
END_TEST

START_TEST(a_text_that_is_no_number_of_its_column_writes_nothing)
{
	static const struct {
		enum mysql_type type;
		uint16_t flags;
		struct str text;
		bool ok;
	} rows[] = {
		{ MYSQL_TYPE_TINY, 0, STR("127"), true },
		{ MYSQL_TYPE_TINY, 0, STR("-128"), true },
		{ MYSQL_TYPE_TINY, 0, STR("128"), false },
		{ MYSQL_TYPE_TINY, UNSIGNED_FLAG, STR("255"), true },
		{ MYSQL_TYPE_TINY, UNSIGNED_FLAG, STR("256"), false },
		{ MYSQL_TYPE_TINY, UNSIGNED_FLAG, STR("-1"), false },
		{ MYSQL_TYPE_YEAR, UNSIGNED_FLAG, STR("2026"), true },
		{ MYSQL_TYPE_LONG, 0, STR("-2147483648"), true },
		{ MYSQL_TYPE_LONG, 0, STR("2147483648"), false },
		{ MYSQL_TYPE_LONGLONG, UNSIGNED_FLAG, STR("18446744073709551615"), true },
		{ MYSQL_TYPE_LONGLONG, 0, STR("9223372036854775808"), false },
		{ MYSQL_TYPE_LONGLONG, 0, STR(""), false },
		{ MYSQL_TYPE_FLOAT, 0, STR("1e3"), true },
		{ MYSQL_TYPE_DOUBLE, 0, STR("1e"), false },
		{ MYSQL_TYPE_DOUBLE, 0, STR("nan"), false },
		{ MYSQL_TYPE_DATETIME, 0, STR("2026-01-01 00:00:00"), false },
		{ MYSQL_TYPE_NEWDECIMAL, 0, STR("1.50"), true },
	};

	for (size_t i = 0; i < ARRAY_N(rows); i++) {
		struct column_def c = { .name = STR("c"), .type = rows[i].type, .flags = rows[i].flags };
		struct buf b = { 0 };
		struct rowset rs;
		uint8_t seq = 1;
		size_t before;

		rowset_begin(&rs, &b, &seq, CLIENT_DEPRECATE_EOF, true, &c, 1, 0);
		before = buf_used(&b);
		ck_assert_msg((rowset_row(&rs, &rows[i].text) == 0) == rows[i].ok, "row %zu", i);
		ck_assert((buf_used(&b) == before) == !rows[i].ok);
		ck_assert_uint_eq(seq, rows[i].ok ? 4 : 3);
		buf_free(&b);
	}
}
END_TEST

static void add_tests(TCase *tc)
{
	tcase_add_loop_test(tc, a_result_set_is_well_formed_in_every_flavour, 0, 8);
	tcase_add_test(tc, text_rows_are_read_back);
	tcase_add_test(tc, binary_rows_have_bitmap_and_numbers);
	tcase_add_test(tc, a_text_that_is_no_number_of_its_column_writes_nothing);
}

int main(void)
{
	return run_tests("wire/rowset", add_tests);
}
