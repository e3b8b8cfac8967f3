/* test_arena.c - alignment, limits, chunks, reset and free. For src/util/arena.c; one thread. */
#include "../unit.h"
#include "keyway/util/arena.h"

static struct arena a;

static void setup(void)
{
	arena_init(&a);
}

static void teardown(void)
{
	arena_free(&a);
}

START_TEST(an_unused_arena_holds_no_memory)
{
	ck_assert_ptr_null(a.head);
	arena_reset(&a);
	ck_assert_ptr_null(a.head);
}
END_TEST

START_TEST(every_allocation_is_aligned_and_apart_from_the_others)
{
	unsigned char *p[200];

	for (size_t i = 0; i < ARRAY_N(p); i++) {
		p[i] = arena_alloc(&a, i);
		ck_assert_uint_eq((uintptr_t)p[i] % 16, 0);
		memset(p[i], (int)i, i);
	}
	for (size_t i = 0; i < ARRAY_N(p); i++) {
		for (size_t k = 0; k < i; k++)
			ck_assert_uint_eq(p[i][k], i);
	}
}
END_TEST

START_TEST(zalloc_is_zero_even_where_the_memory_was_used_before)
{
	unsigned char *p = arena_alloc(&a, 300);

	memset(p, 0xff, 300);
	arena_reset(&a);
	p = arena_zalloc(&a, 300);
	for (int i = 0; i < 300; i++)
		ck_assert_uint_eq(p[i], 0);
}
END_TEST

START_TEST(a_large_block_leaves_the_chunk_being_filled_in_use)
{
	char *small = arena_alloc(&a, 16), *next;

	memset(arena_alloc(&a, 100000), 1, 100000);
	next = arena_alloc(&a, 16);
	ck_assert_ptr_eq(next, small + 16);
}
END_TEST

START_TEST(reset_keeps_one_chunk_and_gives_its_memory_again)
{
	void *first = arena_alloc(&a, 64);

	for (int i = 0; i < 1000; i++)
		arena_alloc(&a, 1000);
	arena_reset(&a);
	ck_assert_uint_eq(a.used_bytes, 0);
	ck_assert_ptr_nonnull(a.head);
	first = a.head;
	memset(arena_alloc(&a, 1000), 2, 1000);
	ck_assert_ptr_eq(a.head, first);
}
END_TEST

START_TEST(reset_does_not_keep_a_chunk_that_one_large_block_made)
{
	arena_alloc(&a, 1000000);
	arena_reset(&a);
	ck_assert_ptr_null(a.head);
	arena_alloc(&a, 10);
	ck_assert_ptr_nonnull(a.head);
}
END_TEST

START_TEST(try_alloc_gives_up_to_the_limit_and_null_past_it)
{
	arena_limit(&a, 1024);
	ck_assert_ptr_nonnull(arena_try_alloc(&a, 512));
	ck_assert_ptr_null(arena_try_alloc(&a, 513));
	ck_assert_ptr_nonnull(arena_try_alloc(&a, 512));
	ck_assert_ptr_null(arena_try_alloc(&a, 1));
	ck_assert_ptr_null(arena_try_alloc(&a, SIZE_MAX));
	ck_assert_ptr_null(arena_try_alloc(&a, SIZE_MAX - 512));
	arena_reset(&a);
	ck_assert_ptr_nonnull(arena_try_alloc(&a, 1024));
}
END_TEST

START_TEST(small_chunks_serve_blocks_larger_than_themselves)
{
	char *p[50];

	arena_chunk(&a, 256);
	for (size_t i = 0; i < ARRAY_N(p); i++) {
		p[i] = arena_alloc(&a, i * 40);
		memset(p[i], (int)i, i * 40);
	}
	for (size_t i = 0; i < ARRAY_N(p); i++) {
		for (size_t k = 0; k < i * 40; k++)
			ck_assert_int_eq(p[i][k], (char)i);
	}
}
END_TEST

START_TEST(copies_end_in_a_nul_and_may_be_empty)
{
	struct str s = arena_str(&a, STR("a\0b"));

	ck_assert_uint_eq(s.n, 3);
	ck_assert_mem_eq(s.p, "a\0b", 4);
	ck_assert_str_eq(arena_dup(&a, NULL, 0), "");
	ck_assert_str_eq(arena_printf(&a, "%s-%d", "x", 7), "x-7");
	ck_assert_str_eq(arena_printf(&a, "%s", ""), "");
	ck_assert_uint_eq(strlen(arena_printf(&a, "%20000d", 1)), 20000);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, an_unused_arena_holds_no_memory);
	tcase_add_test(tc, every_allocation_is_aligned_and_apart_from_the_others);
	tcase_add_test(tc, zalloc_is_zero_even_where_the_memory_was_used_before);
	tcase_add_test(tc, a_large_block_leaves_the_chunk_being_filled_in_use);
	tcase_add_test(tc, reset_keeps_one_chunk_and_gives_its_memory_again);
	tcase_add_test(tc, reset_does_not_keep_a_chunk_that_one_large_block_made);
	tcase_add_test(tc, try_alloc_gives_up_to_the_limit_and_null_past_it);
	tcase_add_test(tc, small_chunks_serve_blocks_larger_than_themselves);
	tcase_add_test(tc, copies_end_in_a_nul_and_may_be_empty);
}

int main(void)
{
	return run_tests("arena", add);
}
