/* test_packet.c - framing, both ways, at the edges of 16 MB. For wire/packet.h and wire/bytes.h. */
#include "keyway/wire/packet.h"
#include "wire_testing.h"

START_TEST(payloads_of_every_edge_come_back_whole)
{
	static const size_t sizes[] = { 0, 1, PACKET_FRAME_MAX - 1, PACKET_FRAME_MAX, PACKET_FRAME_MAX + 1,
		2 * (size_t)PACKET_FRAME_MAX - 1, 2 * (size_t)PACKET_FRAME_MAX, 2 * (size_t)PACKET_FRAME_MAX + 5 };
	size_t n = sizes[_i], need, frames = n / PACKET_FRAME_MAX + 1;
	uint8_t *payload = malloc(n + 1), seq = 254, want_seq = 254;
	struct buf b = { 0 };
	struct packet p;

	for (size_t i = 0; i < n; i++)
		payload[i] = (uint8_t)(i * 7 + i / 65521);
	buf_addz(&b, "before");
	packet_add(&b, &seq, payload, n);
	buf_eat(&b, 6);
	ck_assert_uint_eq(seq, (uint8_t)(254 + frames));
	ck_assert_uint_eq(buf_used(&b), n + PACKET_HEADER * frames);
	ck_assert_int_eq(packet_read(buf_head(&b), buf_used(&b) - 1, n, &want_seq, &p, &need, NULL), 0);
	ck_assert_uint_le(need, buf_used(&b));
	ck_assert_int_eq(packet_read(buf_head(&b), buf_used(&b), n, &want_seq, &p, &need, NULL), 1);
	ck_assert_uint_eq(p.n, n);
	ck_assert_uint_eq(p.wire_bytes, buf_used(&b));
	ck_assert_uint_eq(p.seq, 254);
	ck_assert_uint_eq(want_seq, seq);
	ck_assert_mem_eq(p.payload, payload, n);
	free(payload);
	buf_free(&b);
}
END_TEST

START_TEST(need_grows_to_the_whole_message)
{
	uint8_t *payload = malloc(PACKET_FRAME_MAX + 9), seq = 0;
	struct buf b = { 0 };
	struct packet p;
	size_t have = 0, need = 0, rounds = 0;

	packet_add(&b, &seq, memset(payload, 1, PACKET_FRAME_MAX + 9), PACKET_FRAME_MAX + 9);
	seq = 0;
	while (packet_read(b.p, have, SIZE_MAX, &seq, &p, &need, NULL) == 0) {
		ck_assert_uint_gt(need, have);
		have = need;
		rounds++;
	}
	ck_assert_uint_eq(have, buf_used(&b));
	ck_assert_uint_eq(rounds, 4);
	ck_assert_uint_eq(seq, 2);
	free(payload);
	buf_free(&b);
}
END_TEST

START_TEST(a_wrong_sequence_id_is_1156)
{
	uint8_t bytes[] = { 1, 0, 0, 3, 'x' }, seq = 0;
	struct packet p;
	struct err err;
	size_t need;

	ck_assert_int_eq(packet_read(bytes, 4, 100, &seq, &p, &need, &err), ERR_MALFORMED);
	ck_assert_uint_eq(err.errno_, 1156);
	ck_assert_uint_eq(seq, 0);
}
END_TEST

START_TEST(a_payload_over_the_limit_is_1153_before_it_is_read)
{
	uint8_t bytes[] = { 101, 0, 0, 0 }, seq = 0;
	struct packet p;
	struct err err;
	size_t need;

	ck_assert_int_eq(packet_read(bytes, 4, 100, &seq, &p, &need, &err), ERR_LIMIT);
	ck_assert_uint_eq(err.errno_, 1153);
	ck_assert_str_eq(err.sqlstate, "08S01");
	ck_assert_int_eq(packet_read(bytes, 4, 101, &seq, &p, &need, &err), 0);
	ck_assert_uint_eq(need, 105);
}
END_TEST

START_TEST(length_encoded_numbers_come_back)
{
	static const uint64_t values[] = { 0, 1, 250, 251, 252, 255, 65535, 65536, 0xffffff, 0x1000000, UINT64_MAX };

	for (size_t i = 0; i < ARRAY_N(values); i++) {
		struct buf b = { 0 };
		struct rd r;

		wr_lenenc(&b, values[i]);
		ck_assert_uint_eq(buf_used(&b), lenenc_size(values[i]));
		for (size_t n = 0; n < buf_used(&b); n++) {
			r = rd_make(b.p, n);
			ck_assert_uint_eq(rd_lenenc(&r), 0);
			ck_assert(r.bad);
		}
		r = rd_make(b.p, buf_used(&b));
		ck_assert_uint_eq(rd_lenenc(&r), values[i]);
		ck_assert(!r.bad && !rd_left(&r));
		buf_free(&b);
	}
}
END_TEST

START_TEST(a_bad_read_leaves_nothing_and_sticks)
{
	struct rd r = rd_make("\xfe\xff\xff\xff\xff\xff\xff\xff\xff"
			      "abc",
		12);
	struct str s = rd_lenenc_str(&r);

	ck_assert(r.bad);
	ck_assert_uint_eq(s.n, 0);
	ck_assert_uint_eq(rd_u8(&r), 0);
	ck_assert_uint_eq(rd_left(&r), 0);
	r = rd_make("\xfb"
		    "\x01"
		    "a\xff",
		4);
	s = rd_field(&r);
	ck_assert_ptr_null(s.p);
	s = rd_field(&r);
	assert_str(s, "a");
	ck_assert(!r.bad);
	rd_field(&r);
	ck_assert(r.bad);
	r = rd_make("abc", 3);
	rd_zstr(&r);
	ck_assert(r.bad);
	r = rd_make("abc", 3);
	assert_str(rd_zstr_or_rest(&r), "abc");
	ck_assert(!r.bad);
}
END_TEST

static void add_tests(TCase *tc)
{
	tcase_add_loop_test(tc, payloads_of_every_edge_come_back_whole, 0, 8);
	tcase_add_test(tc, need_grows_to_the_whole_message);
	tcase_add_test(tc, a_wrong_sequence_id_is_1156);
	tcase_add_test(tc, a_payload_over_the_limit_is_1153_before_it_is_read);
	tcase_add_test(tc, length_encoded_numbers_come_back);
	tcase_add_test(tc, a_bad_read_leaves_nothing_and_sticks);
}

int main(void)
{
	return run_tests("wire/packet", add_tests);
}
