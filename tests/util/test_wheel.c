/* test_wheel.c - the timing wheel against a plain search, on a clock of the test's own. For src/util/wheel.c. */
#include "../unit.h"
#include "keyway/util/wheel.h"

#define TICK 1000

struct timer {
	struct wheel_timer t;
	int fired;
	uint64_t fired_us;
};

static struct wheel w;
static struct timer t[64];

static void note(struct wheel_timer *wt, uint64_t now_us)
{
	struct timer *x = container_of(wt, struct timer, t);

	ck_assert_uint_eq(wt->deadline_us, 0);
	x->fired++;
	x->fired_us = now_us;
}

static void setup(void)
{
	wheel_init(&w, TICK, 5 * TICK);
	memset(t, 0, sizeof(t));
	for (size_t i = 0; i < ARRAY_N(t); i++)
		wheel_timer_init(&t[i].t, note);
}

START_TEST(a_timer_fires_once_at_its_deadline_or_a_tick_later_never_before)
{
	wheel_set(&w, &t[0].t, 10 * TICK + 500);
	wheel_advance(&w, 10 * TICK + 499);
	ck_assert_int_eq(t[0].fired, 0);
	wheel_advance(&w, 11 * TICK + 500);
	ck_assert_int_eq(t[0].fired, 1);
	wheel_advance(&w, 2000 * TICK);
	ck_assert_int_eq(t[0].fired, 1);
	ck_assert_uint_eq(w.n, 0);
}
END_TEST

START_TEST(a_deadline_in_the_past_fires_at_the_next_tick)
{
	wheel_set(&w, &t[0].t, 1);
	wheel_set(&w, &t[1].t, 0);
	wheel_advance(&w, 6 * TICK);
	ck_assert_int_eq(t[0].fired, 1);
	ck_assert_int_eq(t[1].fired, 1);
}
END_TEST

START_TEST(a_deadline_of_many_turns_does_not_fire_early)
{
	uint64_t at = (5 + 3 * WHEEL_SLOTS) * TICK;

	wheel_set(&w, &t[0].t, at);
	for (uint64_t now = 5 * TICK; now < at; now += TICK / 2)
		wheel_advance(&w, now);
	ck_assert_int_eq(t[0].fired, 0);
	wheel_advance(&w, at + TICK);
	ck_assert_int_eq(t[0].fired, 1);
}
END_TEST

START_TEST(a_long_sleep_fires_all_that_became_due)
{
	for (uint64_t i = 0; i < ARRAY_N(t); i++)
		wheel_set(&w, &t[i].t, (10 + i * 37) * TICK);
	wheel_advance(&w, 100000 * TICK);
	for (size_t i = 0; i < ARRAY_N(t); i++)
		ck_assert_int_eq(t[i].fired, 1);
	ck_assert_uint_eq(w.n, 0);
}
END_TEST

START_TEST(a_moved_timer_fires_at_the_new_time_only)
{
	wheel_set(&w, &t[0].t, 10 * TICK);
	wheel_set(&w, &t[0].t, 50 * TICK);
	ck_assert_uint_eq(w.n, 1);
	wheel_advance(&w, 20 * TICK);
	ck_assert_int_eq(t[0].fired, 0);
	wheel_set(&w, &t[0].t, 30 * TICK);
	wheel_advance(&w, 31 * TICK);
	ck_assert_int_eq(t[0].fired, 1);
}
END_TEST

START_TEST(a_cleared_timer_does_not_fire_and_may_be_cleared_again)
{
	wheel_set(&w, &t[0].t, 10 * TICK);
	wheel_clear(&w, &t[0].t);
	wheel_clear(&w, &t[0].t);
	ck_assert_uint_eq(w.n, 0);
	wheel_advance(&w, 100 * TICK);
	ck_assert_int_eq(t[0].fired, 0);
}
END_TEST

static void clear_next(struct wheel_timer *wt, uint64_t now_us)
{
	note(wt, now_us);
	wheel_clear(&w, &t[1].t);
	wheel_set(&w, &t[2].t, now_us + 10 * TICK);
	wheel_set(&w, wt, now_us + 20 * TICK);
}

START_TEST(a_fire_function_may_set_and_clear_any_timer)
{
	t[0].t.fire = clear_next;
	for (int i = 0; i < 4; i++)
		wheel_set(&w, &t[i].t, 10 * TICK + 1);
	wheel_advance(&w, 11 * TICK + 1);
	ck_assert_int_eq(t[0].fired, 1);
	ck_assert_int_eq(t[1].fired, 0);
	ck_assert_int_eq(t[2].fired, 0);
	ck_assert_int_eq(t[3].fired, 1);
	ck_assert_uint_eq(w.n, 2);
	wheel_advance(&w, 22 * TICK + 1);
	ck_assert_int_eq(t[2].fired, 1);
	ck_assert_int_eq(t[0].fired, 1);
	wheel_advance(&w, 32 * TICK + 1);
	ck_assert_int_eq(t[0].fired, 2);
}
END_TEST

START_TEST(an_idle_wheel_follows_the_clock)
{
	wheel_advance(&w, 1000000 * TICK);
	wheel_set(&w, &t[0].t, 1000001 * TICK);
	wheel_advance(&w, 1000002 * TICK);
	ck_assert_int_eq(t[0].fired, 1);
}
END_TEST

/* Every timer fires between its deadline and one tick after it, whatever the steps of the clock. */
START_TEST(random_timers_are_met_within_a_tick)
{
	uint64_t now = 5 * TICK, before, due[ARRAY_N(t)] = { 0 };

	srand(5);
	for (int round = 0; round < 3000; round++) {
		size_t i = (size_t)rand() % ARRAY_N(t);

		if (rand() % 4) {
			due[i] = now + 1 + (uint64_t)rand() % (rand() % 8 ? 100 * TICK : 2000 * TICK);
			wheel_set(&w, &t[i].t, due[i]);
		} else {
			due[i] = 0;
			wheel_clear(&w, &t[i].t);
		}
		before = now;
		now += (uint64_t)rand() % (3 * TICK);
		wheel_advance(&w, now);
		for (size_t k = 0; k < ARRAY_N(t); k++) {
			bool fired = t[k].fired;

			t[k].fired = 0;
			if (fired) {
				ck_assert_uint_ne(due[k], 0);
				ck_assert_uint_le(due[k], now);
				due[k] = 0;
			}
			ck_assert_msg(!due[k] || due[k] + TICK > now, "due %lu, between %lu and %lu",
				(unsigned long)due[k], (unsigned long)before, (unsigned long)now);
		}
	}
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, a_timer_fires_once_at_its_deadline_or_a_tick_later_never_before);
	tcase_add_test(tc, a_deadline_in_the_past_fires_at_the_next_tick);
	tcase_add_test(tc, a_deadline_of_many_turns_does_not_fire_early);
	tcase_add_test(tc, a_long_sleep_fires_all_that_became_due);
	tcase_add_test(tc, a_moved_timer_fires_at_the_new_time_only);
	tcase_add_test(tc, a_cleared_timer_does_not_fire_and_may_be_cleared_again);
	tcase_add_test(tc, a_fire_function_may_set_and_clear_any_timer);
	tcase_add_test(tc, an_idle_wheel_follows_the_clock);
	tcase_add_test(tc, random_timers_are_met_within_a_tick);
}

int main(void)
{
	return run_tests("wheel", add);
}
