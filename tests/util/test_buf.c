/* test_buf.c - the byte queue against a plain array. For src/util/buf.c; one thread. */
#include "../unit.h"
#include "keyway/util/buf.h"

static struct buf b;

static void setup(void)
{
	memset(&b, 0, sizeof(b));
}

static void teardown(void)
{
	buf_free(&b);
}

static void assert_holds(const char *want)
{
	assert_str(str_make((char *)buf_head(&b), buf_used(&b)), want);
}

START_TEST(bytes_come_out_in_the_order_they_went_in)
{
	buf_addz(&b, "one ");
	buf_add_str(&b, STR("two "));
	buf_addf(&b, "%d", 3);
	buf_add_u8(&b, '!');
	buf_add(&b, NULL, 0);
	assert_holds("one two 3!");
	buf_eat(&b, 4);
	assert_holds("two 3!");
}
END_TEST

START_TEST(an_emptied_buffer_starts_again_at_its_front_and_keeps_the_block)
{
	uint8_t *block;

	buf_addz(&b, "abc");
	block = b.p;
	buf_eat(&b, 3);
	ck_assert_uint_eq(b.off, 0);
	ck_assert_uint_eq(buf_used(&b), 0);
	ck_assert_ptr_eq(b.p, block);
	buf_addz(&b, "d");
	buf_clear(&b);
	ck_assert_uint_eq(buf_used(&b), 0);
	ck_assert_ptr_eq(b.p, block);
}
END_TEST

START_TEST(room_is_made_by_moving_to_the_front_before_growing)
{
	size_t cap;

	buf_reserve(&b, 1);
	cap = b.cap;
	while (buf_used(&b) < cap)
		buf_add_u8(&b, 'x');
	buf_eat(&b, cap - 2);
	buf_addz(&b, "yz");
	assert_holds("xxyz");
	ck_assert_uint_eq(b.cap, cap);
	ck_assert_uint_eq(b.off, 0);
}
END_TEST

START_TEST(reserve_gives_the_room_asked_for)
{
	buf_addz(&b, "head");
	memset(buf_reserve(&b, 100000), 'r', 100000);
	buf_wrote(&b, 100000);
	ck_assert_uint_eq(buf_used(&b), 100004);
	ck_assert_mem_eq(buf_head(&b), "headr", 5);
}
END_TEST

START_TEST(formatted_text_leaves_no_nul_and_may_be_long_or_empty)
{
	buf_addf(&b, "%s", "");
	ck_assert_uint_eq(buf_used(&b), 0);
	buf_addf(&b, "%5000d", 1);
	ck_assert_uint_eq(buf_used(&b), 5000);
	buf_addf(&b, "x");
	ck_assert_uint_eq(buf_used(&b), 5001);
	ck_assert_int_eq(buf_head(&b)[4999], '1');
	ck_assert_int_eq(buf_head(&b)[5000], 'x');
}
END_TEST

START_TEST(free_leaves_an_empty_one_that_can_be_used)
{
	buf_addz(&b, "abc");
	buf_free(&b);
	ck_assert_ptr_null(b.p);
	ck_assert_uint_eq(b.cap, 0);
	buf_addz(&b, "d");
	assert_holds("d");
}
END_TEST

START_TEST(random_adds_and_eats_agree_with_an_array)
{
	enum { ROUNDS = 20000 };
	static uint8_t model[ROUNDS * 300];
	size_t in = 0, out = 0;

	srand(3);
	for (int i = 0; i < ROUNDS; i++) {
		size_t n = (size_t)rand() % 300;

		if (rand() % 2) {
			for (size_t k = 0; k < n; k++)
				model[in + k] = (uint8_t)rand();
			buf_add(&b, model + in, n);
			in += n;
		} else {
			n = MIN(n, in - out);
			buf_eat(&b, n);
			out += n;
		}
		ck_assert_uint_eq(buf_used(&b), in - out);
		ck_assert(b.len <= b.cap && b.off <= b.len);
		if (in != out)
			ck_assert_mem_eq(buf_head(&b), model + out, in - out);
	}
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, bytes_come_out_in_the_order_they_went_in);
	tcase_add_test(tc, an_emptied_buffer_starts_again_at_its_front_and_keeps_the_block);
	tcase_add_test(tc, room_is_made_by_moving_to_the_front_before_growing);
	tcase_add_test(tc, reserve_gives_the_room_asked_for);
	tcase_add_test(tc, formatted_text_leaves_no_nul_and_may_be_long_or_empty);
	tcase_add_test(tc, free_leaves_an_empty_one_that_can_be_used);
	tcase_add_test(tc, random_adds_and_eats_agree_with_an_array);
}

int main(void)
{
	return run_tests("buf", add);
}
