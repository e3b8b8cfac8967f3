/* test_response.c - the tracker over answers of a real server (MariaDB 10.11) and over made ones, fed in every split.
 * For wire/response.h. */
#include "keyway/wire/response.h"
#include "wire_testing.h"
#include <stdio.h>

#define OLD (CLIENT_PROTOCOL_41)
#define NEW (CLIENT_PROTOCOL_41 | CLIENT_DEPRECATE_EOF | CLIENT_SESSION_TRACK)
#define ALL (RESPONSE_WANT_COLUMNS | RESPONSE_WANT_COLUMNS_END | RESPONSE_ALLOW_INFILE)

struct response_case {
	const char *name;
	enum response_kind kind;
	uint32_t caps;
	const char *hex;
	const char *events; /* with all flags */
	const char *brief;  /* with RESPONSE_ALLOW_INFILE only */
};

static const struct response_case cases[] = {
#include "response_cases.h"
};

static void add_event(struct buf *out, const struct response *r, const struct response_event *ev)
{
	switch (ev->type) {
	case RESPONSE_OK:
		buf_addf(
			out, "ok:%u:%u:%x", (unsigned)ev->u.ok.affected, (unsigned)ev->u.ok.insert_id, ev->u.ok.status);
		break;
	case RESPONSE_ERR: buf_addf(out, "err:%u:%s", ev->u.err.code, ev->u.err.sqlstate); break;
	case RESPONSE_EOF: buf_addf(out, "eof:%x:%u", ev->u.ok.status, (unsigned)r->rows); break;
	case RESPONSE_COLUMN_COUNT: buf_addf(out, "count:%u", (unsigned)ev->u.column_count); break;
	case RESPONSE_COLUMN: buf_addz(out, "col"); break;
	case RESPONSE_COLUMNS_END: buf_addz(out, ev->packet_n ? "colend" : "(colend)"); break;
	case RESPONSE_PREPARE_OK: buf_addf(out, "prepared:%u", ev->u.prepare.stmt_id); break;
	case RESPONSE_PARAM: buf_addz(out, "param"); break;
	case RESPONSE_PARAMS_END: buf_addz(out, ev->packet_n ? "paramend" : "(paramend)"); break;
	case RESPONSE_LOCAL_INFILE: buf_addf(out, "infile:" STR_FMT, STR_ARG(ev->u.infile)); break;
	case RESPONSE_STATISTICS: buf_addf(out, "stat:%.6s", ev->u.text.p); break;
	case RESPONSE_MALFORMED: buf_addf(out, "bad:%u", r->bad); break;
	default: ck_abort_msg("event %u", ev->type);
	}
	buf_addz(out, ev->done ? "! " : " ");
}

/* Feeds bytes as a socket would give them: up to @split first, then @step at a time. Returns the events as text. */
static char *feed_text(struct response *r, uint8_t *p, size_t n, size_t split, size_t step)
{
	size_t at = 0, have = MIN(split, n);
	struct buf out = { 0 };
	struct response_event ev;

	for (;;) {
		size_t used = response_feed(r, p + at, have - at, &ev);

		ck_assert_uint_le(used, have - at);
		at += used;
		if (ev.type == RESPONSE_MORE) {
			size_t left = have - at;

			ck_assert_msg(ev.need > left, "need %zu with %zu at hand", ev.need, left);
			if (have == n)
				break;
			have = MIN(n, have + step);
			continue;
		}
		ck_assert_uint_le(ev.packet_n, used);
		if (ev.packet_n) {
			ck_assert_ptr_eq(ev.payload, p + at - ev.packet_n + PACKET_HEADER);
			ck_assert_uint_eq(ev.payload_n + PACKET_HEADER, ev.packet_n);
		}
		add_event(&out, r, &ev);
		if (ev.type == RESPONSE_MALFORMED || ev.done)
			break;
		if (ev.type == RESPONSE_LOCAL_INFILE)
			break;
	}
	ck_assert(ev.done == response_done(r));
	if (ev.done && at != n)
		buf_addf(&out, "left:%zu ", n - at);
	if (buf_used(&out))
		out.len--;
	buf_add_u8(&out, 0);
	return (char *)out.p;
}

static void check_events(const struct response_case *c, uint8_t *p, size_t n, unsigned flags, const char *want)
{
	struct response r;

	/* split 0, step 1: one byte at a time; then every cut in two */
	for (size_t split = 0; split <= n; split++) {
		char *got;

		response_init(&r, c->kind, c->caps, flags);
		got = feed_text(&r, p, n, split, split ? n : 1);
		ck_assert_msg(strcmp(got, want) == 0, "%s cut at %zu of %zu: '%s' instead of '%s'", c->name, split, n,
			got, want);
		free(got);
	}
}

START_TEST(every_split_of_a_real_answer_gives_the_same_events)
{
	const struct response_case *c = &cases[_i];
	struct buf b = { 0 };

	add_hex_text(&b, c->hex);
	check_events(c, b.p, buf_used(&b), ALL, c->events);
	check_events(c, b.p, buf_used(&b), RESPONSE_ALLOW_INFILE, c->brief);
	buf_free(&b);
}
END_TEST

START_TEST(what_follows_the_answer_is_left)
{
	const struct response_case *c = &cases[_i];
	struct buf b = { 0 };
	struct response r;
	size_t n;
	char *got;

	if (strstr(c->events, "infile"))
		return;
	add_hex_text(&b, c->hex);
	n = buf_used(&b);
	buf_addz(&b, "more");
	response_init(&r, c->kind, c->caps, ALL);
	got = feed_text(&r, b.p, n + 4, n + 4, 1);
	ck_assert_ptr_nonnull(strstr(got, " left:4"));
	free(got);
	buf_free(&b);
}
END_TEST

START_TEST(a_cut_answer_never_looks_whole)
{
	const struct response_case *c = &cases[_i];
	struct buf b = { 0 };

	add_hex_text(&b, c->hex);
	for (size_t n = 0; n < buf_used(&b); n++) {
		struct response r;
		char *got;

		response_init(&r, c->kind, c->caps, 0);
		got = feed_text(&r, b.p, n, n, 1);
		ck_assert_ptr_null(strchr(got, '!'));
		ck_assert(!response_done(&r));
		free(got);
	}
	buf_free(&b);
}
END_TEST

static const struct {
	const char *name;
	enum response_kind kind;
	uint32_t caps;
	const char *hex;
	enum response_bad bad;
} bad_cases[] = {
	{ "seq 2 first", RESPONSE_TO_OK, NEW, "07000002 00000002000000", RESPONSE_BAD_SEQUENCE },
	{ "seq 0 first", RESPONSE_TO_OK, NEW, "07000000 00000002000000", RESPONSE_BAD_SEQUENCE },
	{ "idle timeout", RESPONSE_TO_QUERY, NEW, "09000000 ffbf0f23485930303078", RESPONSE_BAD_UNSOLICITED_ERR },
	{ "empty packet", RESPONSE_TO_QUERY, NEW, "00000001", RESPONSE_BAD_EMPTY },
	{ "empty row", RESPONSE_TO_FETCH, NEW, "00000001", RESPONSE_BAD_EMPTY },
	{ "long OK", RESPONSE_TO_OK, NEW, "fcff1f01 00", RESPONSE_BAD_TOO_LONG },
	{ "16M OK", RESPONSE_TO_OK, NEW, "ffffff01 00", RESPONSE_BAD_TOO_LONG },
	{ "16M ERR in rows", RESPONSE_TO_FETCH, NEW, "ffffff01 ff", RESPONSE_BAD_TOO_LONG },
	{ "long definition", RESPONSE_TO_QUERY, NEW, "01000001 01 fcff1f02 03", RESPONSE_BAD_TOO_LONG },
	{ "short OK", RESPONSE_TO_OK, NEW, "05000001 0000000200", RESPONSE_BAD_OK },
	{ "OK, info cut", RESPONSE_TO_OK, NEW, "09000001 00000002000000 0541", RESPONSE_BAD_OK },
	{ "OK, lenenc NULL", RESPONSE_TO_OK, NEW, "07000001 00fb0002000000", RESPONSE_BAD_OK },
	{ "OK, track cut", RESPONSE_TO_OK, NEW, "0a000001 00000000400000 00 0500", RESPONSE_BAD_OK },
	{ "short ERR", RESPONSE_TO_OK, NEW, "02000001 ff10", RESPONSE_BAD_ERR },
	{ "ERR 0", RESPONSE_TO_OK, NEW, "03000001 ff0000", RESPONSE_BAD_ERR },
	{ "progress", RESPONSE_TO_QUERY, NEW, "09000001 ffffff010101000000 00", RESPONSE_BAD_PROGRESS },
	{ "short EOF", RESPONSE_TO_FETCH, OLD, "04000001 fe000002", RESPONSE_BAD_EOF },
	{ "long EOF", RESPONSE_TO_FETCH, OLD, "09000001 fe0000020000000000", RESPONSE_BAD_EOF },
	{ "old EOF in new", RESPONSE_TO_FETCH, NEW, "05000001 fe00000200", RESPONSE_BAD_EOF },
	{ "count 2^64-1", RESPONSE_TO_QUERY, NEW, "09000001 feffffffffffffffff", RESPONSE_BAD_COLUMN_COUNT },
	{ "count 2^20 + 1", RESPONSE_TO_QUERY, NEW, "04000001 fd010010", RESPONSE_BAD_COLUMN_COUNT },
	{ "count cut", RESPONSE_TO_QUERY, NEW, "02000001 fc01", RESPONSE_BAD_COLUMN_COUNT },
	{ "count and more", RESPONSE_TO_QUERY, NEW, "02000001 0301", RESPONSE_BAD_COLUMN_COUNT },
	{ "count 0 in 2 bytes", RESPONSE_TO_QUERY, NEW, "03000001 fc0000", RESPONSE_BAD_COLUMN_COUNT },
	{ "EOF for a definition", RESPONSE_TO_QUERY, OLD, "01000001 01 05000002 fe00000200", RESPONSE_BAD_COLUMN },
	{ "NULL for a definition", RESPONSE_TO_QUERY, OLD, "01000001 01 01000002 fb", RESPONSE_BAD_COLUMN },
	{ "row for the EOF", RESPONSE_TO_QUERY, OLD, "01000001 01 01000002 03 02000003 0131", RESPONSE_BAD_UNEXPECTED },
	{ "short PREPARE_OK", RESPONSE_TO_PREPARE, NEW, "0b000001 0001000000010000000000", RESPONSE_BAD_PREPARE_OK },
	{ "EOF to PREPARE", RESPONSE_TO_PREPARE, NEW, "05000001 fe00000200", RESPONSE_BAD_PREPARE_OK },
	{ "a file from SELECT", RESPONSE_TO_QUERY, NEW, "03000001 fb2f78", RESPONSE_BAD_INFILE },
	{ "a file from PING", RESPONSE_TO_OK, NEW, "03000001 fb2f78", RESPONSE_BAD_UNEXPECTED },
	{ "a file from PREPARE", RESPONSE_TO_PREPARE, NEW, "03000001 fb2f78", RESPONSE_BAD_PREPARE_OK },
	{ "a result from PING", RESPONSE_TO_OK, NEW, "01000001 01", RESPONSE_BAD_UNEXPECTED },
	{ "a result from SET_OPTION", RESPONSE_TO_EOF, NEW, "01000001 01", RESPONSE_BAD_UNEXPECTED },
};

START_TEST(malformed_answers_are_refused_at_every_split)
{
	struct buf b = { 0 };
	char want[16];

	add_hex_text(&b, bad_cases[_i].hex);
	snprintf(want, sizeof(want), "bad:%u", bad_cases[_i].bad);
	for (size_t split = 0; split <= buf_used(&b); split++) {
		struct response_event ev;
		struct response r;
		char *got;

		response_init(&r, bad_cases[_i].kind, bad_cases[_i].caps, 0);
		got = feed_text(&r, b.p, buf_used(&b), split, split ? buf_used(&b) : 1);
		ck_assert_msg(strcmp(got, want) == 0, "%s: '%s' instead of '%s'", bad_cases[_i].name, got, want);
		free(got);
		ck_assert_uint_eq(response_feed(&r, b.p, buf_used(&b), &ev), 0);
		ck_assert_uint_eq(ev.type, RESPONSE_MALFORMED);
		ck_assert_uint_gt(strlen(response_bad_text(r.bad)), 10);
	}
	buf_free(&b);
}
END_TEST

START_TEST(an_unsolicited_err_tells_its_number)
{
	struct response_event ev;
	struct response r;
	struct buf b = { 0 };

	add_hex_text(&b, "09000000 ffbf0f23485930303078");
	response_init(&r, RESPONSE_TO_QUERY, NEW, 0);
	ck_assert_uint_eq(response_feed(&r, b.p, buf_used(&b), &ev), 0);
	ck_assert_uint_eq(r.err_code, 4031);
	ck_assert(response_untouched(&r));
	buf_free(&b);
}
END_TEST

START_TEST(feeding_after_the_end_is_malformed_but_feeding_nothing_is_not)
{
	struct response_event ev;
	struct response r;
	struct buf b = { 0 };

	add_hex_text(&b, "07000001 00000002000000 07000002 00000002000000");
	response_init(&r, RESPONSE_TO_OK, NEW, 0);
	ck_assert_uint_eq(response_feed(&r, b.p, buf_used(&b), &ev), 11);
	ck_assert(ev.done);
	ck_assert_uint_eq(response_feed(&r, b.p, 0, &ev), 0);
	ck_assert_uint_eq(ev.type, RESPONSE_MORE);
	ck_assert_uint_eq(response_feed(&r, b.p + 11, 11, &ev), 0);
	ck_assert_uint_eq(ev.type, RESPONSE_MALFORMED);
	ck_assert_uint_eq(r.bad, RESPONSE_BAD_AFTER_END);
	buf_free(&b);
}
END_TEST

static void add_columns(struct buf *b, uint8_t *seq, uint32_t caps)
{
	struct column_def c = { .name = STR("c"), .type = MYSQL_TYPE_VAR_STRING };
	size_t mark;

	packet_add(b, seq, "\x01", 1);
	mark = packet_begin(b);
	column_build(b, &c);
	packet_end(b, mark, seq);
	if (caps & CLIENT_DEPRECATE_EOF)
		return;
	mark = packet_begin(b);
	columns_eof_build(b, 2, 0);
	packet_end(b, mark, seq);
}

static void add_eof(struct buf *b, uint8_t *seq, uint32_t caps, uint16_t status)
{
	struct ok_packet ok = { .status = status };
	size_t mark = packet_begin(b);

	eof_build(b, caps, &ok);
	packet_end(b, mark, seq);
}

START_TEST(a_16_megabyte_row_that_begins_as_an_eof_is_a_row)
{
	const uint32_t caps = _i ? NEW : OLD;
	const size_t lengths[] = { PACKET_FRAME_MAX, PACKET_FRAME_MAX + 1, 2 * (size_t)PACKET_FRAME_MAX };
	const char *want = _i ? "count:1 col (colend) eof:2:3!" : "count:1 col colend eof:2:3!";
	struct buf b = { 0 };
	uint8_t seq = 1;
	size_t ends[3];

	add_columns(&b, &seq, caps);
	for (unsigned i = 0; i < 3; i++) {
		size_t mark = packet_begin(&b);

		wr_u8(&b, 0xfe);
		wr_u64(&b, lengths[i] - 9);
		memset(buf_reserve(&b, lengths[i] - 9), 0xff, lengths[i] - 9);
		buf_wrote(&b, lengths[i] - 9);
		packet_end(&b, mark, &seq);
		ends[i] = buf_used(&b);
	}
	add_eof(&b, &seq, caps, 2);
	for (unsigned i = 0; i < 3; i++) {
		for (size_t split = ends[i] - 20; split < ends[i] + 12; split++) {
			struct response r;
			char *got;

			response_init(&r, RESPONSE_TO_QUERY, caps, ALL);
			got = feed_text(&r, b.p, buf_used(&b), split, 999983);
			ck_assert_str_eq(got, want);
			free(got);
		}
	}
	buf_free(&b);
}
END_TEST

/* What a session does for a client that knows no CLIENT_DEPRECATE_EOF: an EOF of its own behind the columns. */
START_TEST(sequence_ids_are_shifted_in_place_from_the_inserted_eof_on)
{
	struct buf b = { 0 }, copy = { 0 };
	uint8_t seq = 1, want = 1;
	size_t n;

	add_columns(&b, &seq, NEW);
	for (int i = 0; i < 600; i++)
		packet_add(&b, &seq, "\x03row", 4);
	add_eof(&b, &seq, NEW, 2);
	n = buf_used(&b);
	for (size_t step = 1; step < 2000; step = step * 3 + 1) {
		size_t at = 0, have = 0;
		struct response_event ev;
		struct response r;

		buf_clear(&copy);
		buf_add(&copy, b.p, n);
		response_init(&r, RESPONSE_TO_QUERY, NEW, RESPONSE_WANT_COLUMNS_END);
		do {
			at += response_feed(&r, copy.p + at, have - at, &ev);
			if (ev.type == RESPONSE_MORE) {
				ck_assert_uint_lt(have, n);
				have = MIN(n, have + step);
			} else if (ev.type == RESPONSE_COLUMNS_END) {
				ck_assert_uint_eq(ev.packet_n, 0);
				r.seq_shift++;
			}
		} while (!ev.done);
		ck_assert_uint_eq(ev.type, RESPONSE_EOF);
		ck_assert_uint_eq(r.rows, 600);
		want = 1;
		for (size_t p = 0, i = 0; p < n; p += PACKET_HEADER + get_u24(copy.p + p), i++) {
			if (i == 2)
				want++;
			ck_assert_uint_eq(copy.p[p + 3], want++);
		}
	}
	buf_free(&b);
	buf_free(&copy);
}
END_TEST

START_TEST(unfinished_packets_keep_their_sequence_id_until_they_are_used)
{
	struct response_event ev;
	struct response r;
	struct buf b = { 0 };

	add_hex_text(&b, "07000001 00000002000000");
	response_init(&r, RESPONSE_TO_OK, NEW, 0);
	r.seq_shift = 5;
	for (size_t n = 0; n < buf_used(&b); n++) {
		ck_assert_uint_eq(response_feed(&r, b.p, n, &ev), 0);
		ck_assert_uint_eq(b.p[3], 1);
	}
	ck_assert_uint_eq(response_feed(&r, b.p, buf_used(&b), &ev), 11);
	ck_assert_uint_eq(b.p[3], 6);
	buf_free(&b);
}
END_TEST

START_TEST(a_local_infile_goes_on_after_the_file)
{
	struct response_event ev;
	struct response r;
	struct buf b = { 0 };

	add_hex_text(&b, "03000001 fb2f78");
	response_init(&r, RESPONSE_TO_QUERY, NEW, RESPONSE_ALLOW_INFILE);
	ck_assert_uint_eq(response_feed(&r, b.p, buf_used(&b), &ev), buf_used(&b));
	ck_assert_uint_eq(ev.type, RESPONSE_LOCAL_INFILE);
	ck_assert(!ev.done);
	assert_str(ev.u.infile, "/x");
	response_infile_sent(&r, 255);
	buf_clear(&b);
	add_hex_text(&b, "07000000 00030008000000 07000001 00040002000000");
	ck_assert_uint_eq(response_feed(&r, b.p, buf_used(&b), &ev), 11);
	ck_assert_uint_eq(ev.type, RESPONSE_OK);
	ck_assert_uint_eq(ev.u.ok.affected, 3);
	ck_assert(!ev.done);
	ck_assert_uint_eq(response_feed(&r, b.p + 11, buf_used(&b) - 11, &ev), 11);
	ck_assert(ev.done);
	buf_free(&b);
}
END_TEST

START_TEST(before_the_file_is_sent_only_an_err_may_come)
{
	struct response_event ev;
	struct response r;
	struct buf b = { 0 };

	add_hex_text(&b, _i ? "03000001 fb2f78 03000007 ff2505" : "03000001 fb2f78 07000002 00000002000000");
	response_init(&r, RESPONSE_TO_QUERY, NEW, RESPONSE_ALLOW_INFILE);
	ck_assert_uint_eq(response_feed(&r, b.p, buf_used(&b), &ev), 7);
	(void)!response_feed(&r, b.p + 7, buf_used(&b) - 7, &ev);
	ck_assert_uint_eq(ev.type, _i ? RESPONSE_ERR : RESPONSE_MALFORMED);
	buf_free(&b);
}
END_TEST

START_TEST(an_err_in_the_middle_of_rows_ends_it)
{
	struct buf b = { 0 };
	uint8_t seq = 1;
	struct response r;
	char *got;

	add_columns(&b, &seq, OLD);
	packet_add(&b, &seq, "\x03row", 4);
	packet_add(&b, &seq, "\xff\x25\x05#70100killed", 15);
	response_init(&r, RESPONSE_TO_QUERY, OLD, ALL);
	got = feed_text(&r, b.p, buf_used(&b), 0, 1);
	ck_assert_str_eq(got, "count:1 col colend err:1317:70100!");
	ck_assert_uint_eq(r.err_code, 1317);
	ck_assert_str_eq(r.err_sqlstate, "70100");
	free(got);
	buf_free(&b);
}
END_TEST

START_TEST(counters_tell_the_last_result_and_the_sums)
{
	struct buf b = { 0 };
	uint8_t seq = 1;
	struct response r;
	char *got;

	add_columns(&b, &seq, NEW);
	packet_add(&b, &seq, "\x03row", 4);
	packet_add(&b, &seq, "\x03row", 4);
	add_eof(&b, &seq, NEW, SERVER_MORE_RESULTS_EXISTS);
	packet_add(&b, &seq, "\x00\x02\x07\x08\x00\x01\x00", 7);
	add_columns(&b, &seq, NEW);
	packet_add(&b, &seq, "\x03row", 4);
	add_eof(&b, &seq, NEW, SERVER_STATUS_AUTOCOMMIT);
	response_init(&r, RESPONSE_TO_QUERY, NEW, 0);
	ck_assert(response_untouched(&r));
	got = feed_text(&r, b.p, buf_used(&b), buf_used(&b), 1);
	ck_assert_str_eq(got, "eof:8:2 ok:2:7:8 eof:2:1!");
	ck_assert(!response_untouched(&r));
	ck_assert_uint_eq(r.rows, 1);
	ck_assert_uint_eq(r.rows_total, 3);
	ck_assert_uint_eq(r.results, 3);
	ck_assert_uint_eq(r.affected, 2);
	ck_assert_uint_eq(r.insert_id, 7);
	ck_assert_uint_eq(r.status, SERVER_STATUS_AUTOCOMMIT);
	free(got);
	buf_free(&b);
}
END_TEST

START_TEST(a_row_used_in_part_is_told)
{
	struct response_event ev;
	struct buf b = { 0 };
	struct response r;

	add_hex_text(&b, "0a000001 09313233");
	response_init(&r, RESPONSE_TO_FETCH, NEW, 0);
	ck_assert_uint_eq(response_feed(&r, b.p, 4, &ev), 0);
	ck_assert(!response_in_packet(&r));
	ck_assert_uint_eq(response_feed(&r, b.p, 8, &ev), 8);
	ck_assert(response_in_packet(&r));
	ck_assert_uint_eq(ev.need, 1);
	buf_free(&b);
}
END_TEST

static void add_tests(TCase *tc)
{
	tcase_add_loop_test(tc, every_split_of_a_real_answer_gives_the_same_events, 0, ARRAY_N(cases));
	tcase_add_loop_test(tc, what_follows_the_answer_is_left, 0, ARRAY_N(cases));
	tcase_add_loop_test(tc, a_cut_answer_never_looks_whole, 0, ARRAY_N(cases));
	tcase_add_loop_test(tc, malformed_answers_are_refused_at_every_split, 0, ARRAY_N(bad_cases));
	tcase_add_test(tc, an_unsolicited_err_tells_its_number);
	tcase_add_test(tc, feeding_after_the_end_is_malformed_but_feeding_nothing_is_not);
	tcase_add_loop_test(tc, a_16_megabyte_row_that_begins_as_an_eof_is_a_row, 0, 2);
	tcase_add_test(tc, sequence_ids_are_shifted_in_place_from_the_inserted_eof_on);
	tcase_add_test(tc, unfinished_packets_keep_their_sequence_id_until_they_are_used);
	tcase_add_test(tc, a_local_infile_goes_on_after_the_file);
	tcase_add_loop_test(tc, before_the_file_is_sent_only_an_err_may_come, 0, 2);
	tcase_add_test(tc, an_err_in_the_middle_of_rows_ends_it);
	tcase_add_test(tc, counters_tell_the_last_result_and_the_sums);
	tcase_add_test(tc, a_row_used_in_part_is_told);
}

int main(void)
{
	return run_tests("wire/response", add_tests);
}
