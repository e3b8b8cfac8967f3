/* test_choose.c - the choice of a server under simulated loads: spread, tiers, detours, returns. For
 * src/backend/choose.c; one thread, seeded, its own clock. */
#include "../unit.h"
#include "keyway/backend/choose.h"
#include "keyway/util/base.h"

#define N_CLIENTS 32
#define MS	  1000u

static struct chooser c;
static struct choose_limits lim;
static struct choose_server v[CHOOSE_MAX], known[CHOOSE_MAX];
static uint32_t learnt[CHOOSE_MAX];
static uint32_t n;
static uint64_t now, rnd;
static uint64_t count[CHOOSE_MAX], why[3];

static void setup(void)
{
	memset(&c, 0, sizeof(c));
	memset(v, 0, sizeof(v));
	memset(learnt, 0, sizeof(learnt));
	c.seed = 42;
	rnd = 7;
	n = 0;
	now = 1000 * MS;
	lim = (struct choose_limits){ .max_lag_us = 1000 * MS, .slow_start_us = 10000 * MS };
}

static void server(uint8_t tier)
{
	v[n++] = (struct choose_server){ .tier = tier, .weight = 100 };
}

static uint32_t pseudo(uint32_t below)
{
	rnd = rnd * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(rnd >> 33) % below;
}

/* How long a read takes at server @at. */
typedef uint64_t service_fn(uint32_t at);

/* @reads one after another by each of N_CLIENTS, all at once. */
static void run(uint32_t reads, uint32_t clients, service_fn *service)
{
	struct {
		uint64_t end, took;
		int at;
	} cl[N_CLIENTS];

	for (uint32_t i = 0; i < clients; i++)
		cl[i].end = now, cl[i].at = -1;
	memset(count, 0, sizeof(count));
	memset(why, 0, sizeof(why));
	for (uint32_t done = 0; done < reads; done++) {
		uint32_t next = 0;
		struct choice ch;

		for (uint32_t i = 1; i < clients; i++)
			next = cl[i].end < cl[next].end ? i : next;
		now = MAX(now, cl[next].end);
		if (cl[next].at >= 0) {
			struct choose_server *s = &v[cl[next].at];

			s->inflight--;
			choose_learn(&s->ewma_us, &s->typical_us, learnt[cl[next].at]++, cl[next].took);
		}
		memcpy(known, v, sizeof(v));
		for (uint32_t i = 0; i < n; i++)
			known[i].ewma_us = learnt[i] < CHOOSE_LEARN_FIRST ? 0 : v[i].ewma_us;
		ch = choose_server(&c, known, n, &lim, now);
		ck_assert_int_ne(ch.at, CHOOSE_NONE);
		ck_assert_uint_eq(ch.tier, v[ch.at].tier);
		count[ch.at]++;
		why[ch.why]++;
		v[ch.at].inflight++;
		cl[next].at = ch.at;
		cl[next].took = service((uint32_t)ch.at);
		cl[next].end = now + cl[next].took;
	}
	for (uint32_t i = 0; i < clients; i++) {
		if (cl[i].at >= 0)
			v[cl[i].at].inflight--;
	}
}

static void assert_spread(uint32_t from, uint32_t to, double within)
{
	uint64_t sum = 0;

	for (uint32_t i = from; i < to; i++)
		sum += count[i];
	for (uint32_t i = from; i < to; i++) {
		double even = (double)sum / (to - from);

		ck_assert_msg((double)count[i] > even * (1 - within) && (double)count[i] < even * (1 + within),
			"server %u had %llu of %llu reads", i, (unsigned long long)count[i], (unsigned long long)sum);
	}
}

static uint64_t zones[] = { 300, 800, 1000 }; /* a read in each tier */
static uint64_t by_tier(uint32_t at)
{
	return zones[v[at].tier] + pseudo(60);
}

/* One read in fifty takes a hundred times as long. */
static uint64_t skewed(uint32_t at)
{
	return pseudo(50) ? by_tier(at) : 100 * by_tier(at);
}

static uint64_t zone_share(void)
{
	uint64_t sum = why[0] + why[1] + why[2];

	return why[CHOOSE_NEAR] * 1000 / sum;
}

START_TEST(equal_servers_get_equal_shares)
{
	for (int i = 0; i < 2 + _i; i++)
		server(0);
	run(4000, 16, by_tier);
	assert_spread(0, n, 0.1);
	run(20000, 16, skewed);
	assert_spread(0, n, 0.2);
	run(4000, 1, by_tier);
	assert_spread(0, n, 0.1);
}
END_TEST

START_TEST(few_reads_are_shared_evenly_too)
{
	c.seed = rnd = (uint64_t)_i + 1;
	for (int i = 0; i < 3; i++)
		server(0);
	run(2000, 8, skewed);
	assert_spread(0, n, 0.2);
}
END_TEST

/* Servers that are alike, but each up to four times slower for 20 ms at a time, by chance. */
static uint64_t by_chance(uint32_t at)
{
	uint64_t h = (now / (20 * MS) * 64 + at) * 0x9E3779B97F4A7C15u;

	return skewed(at) * (1 + (h >> 40) % 4);
}

START_TEST(chance_does_not_decide_who_is_busy)
{
	c.seed = rnd = (uint64_t)_i + 1;
	for (int i = 0; i < 3; i++)
		server(0);
	run(2000, 8, by_chance);
	assert_spread(0, n, 0.2);
}
END_TEST

/* The very first read of one takes long: its caches are cold. */
static bool cold;
static uint64_t cold_at_first(uint32_t at)
{
	if (at != 1 || !cold)
		return by_tier(at);
	cold = false;
	return 50 * MS;
}

START_TEST(a_cold_start_is_soon_forgotten)
{
	for (int i = 0; i < 3; i++)
		server(0);
	cold = true;
	run(600, 1, cold_at_first);
	ck_assert(!cold);
	assert_spread(0, n, 0.2);
}
END_TEST

START_TEST(weights_are_respected)
{
	server(0);
	server(0);
	server(0);
	v[1].weight = 200;
	v[2].weight = 0;
	run(12000, 1, by_tier);
	ck_assert_uint_eq(count[2], 0);
	ck_assert_uint_gt(count[1], count[0] * 16 / 10);
	ck_assert_uint_lt(count[1], count[0] * 24 / 10);
}
END_TEST

static uint64_t one_is_slow(uint32_t at)
{
	return at == 0 ? 20 * MS : 400;
}

START_TEST(a_slow_one_among_equals_gets_little_but_is_not_forgotten)
{
	server(0);
	server(0);
	run(2000, 16, by_tier);
	run(20000, 16, one_is_slow);
	ck_assert_uint_lt(count[0], 1500);
	ck_assert_uint_gt(count[0], 20);
	run(4000, 16, by_tier);
	run(20000, 16, by_tier);
	assert_spread(0, 2, 0.2);
}
END_TEST

START_TEST(reads_stay_in_the_zone_while_it_is_well)
{
	server(0);
	server(1);
	server(2);
	run(20000, 16, by_tier);
	ck_assert_uint_ge(zone_share(), 990);
	ck_assert_uint_eq(why[CHOOSE_SPILLED], 0);
	ck_assert_uint_gt(why[CHOOSE_PROBE], 0);
	/* heavy statements now and then are no reason to go */
	run(20000, 16, skewed);
	ck_assert_uint_ge(zone_share(), 990);
}
END_TEST

static void break_near(int how, bool broken)
{
	switch (how) {
	case 0: v[0].down = broken; break;
	case 1: v[0].lag_us = broken ? UINT64_MAX : 0; break;
	case 2: v[0].lag_us = broken ? 1001 * MS : 700 * MS; break;
	case 3: v[0].ejected = broken; break;
	case 4: v[0].weight = broken ? 0 : 100; break;
	default: v[0].skip = broken; break;
	}
}

START_TEST(a_near_server_that_cannot_serve_is_passed_over)
{
	server(0);
	server(1);
	server(2);
	run(2000, 16, by_tier);
	break_near(_i, true);
	run(2000, 16, by_tier);
	ck_assert_uint_eq(count[0], 0);
	ck_assert_uint_ge(count[1], 1980);
	break_near(_i, false);
	run(2000, 16, by_tier);
	ck_assert_uint_ge(count[0], 1980);
}
END_TEST

START_TEST(lag_at_the_limit_does_not_flap)
{
	server(0);
	server(1);
	v[0].lag_us = 1001 * MS;
	run(100, 1, by_tier);
	v[0].lag_us = 999 * MS;
	run(100, 1, by_tier);
	ck_assert_uint_eq(count[0], 0);
	v[0].lag_us = 740 * MS;
	run(100, 1, by_tier);
	ck_assert_uint_ge(count[0], 99);
}
END_TEST

START_TEST(an_ejected_one_serves_when_there_is_no_other)
{
	server(0);
	server(1);
	v[0].ejected = v[1].ejected = true;
	run(100, 1, by_tier);
	ck_assert_uint_ge(count[0], 99);
	v[0].down = v[1].down = true;
	ck_assert_int_eq(choose_server(&c, v, n, &lim, now).at, CHOOSE_NONE);
	ck_assert_int_eq(choose_server(&c, v, 0, &lim, now).at, CHOOSE_NONE);
}
END_TEST

static uint64_t near_slow_us;
static uint64_t near_is_slow(uint32_t at)
{
	return v[at].tier == 0 ? near_slow_us + pseudo(100) : by_tier(at);
}

START_TEST(a_near_tier_slower_than_the_detour_is_passed_over)
{
	server(0);
	server(1);
	server(2);
	run(20000, 16, by_tier);
	/* slower, but not by as much as the way to the next zone costs */
	near_slow_us = 700;
	run(20000, 16, near_is_slow);
	ck_assert_uint_ge(zone_share(), 990);
	near_slow_us = 20 * MS;
	run(6000, 16, near_is_slow);
	run(20000, 16, near_is_slow);
	ck_assert_uint_ge(count[1], 18000);
	ck_assert_uint_lt(count[0], 1500);
	run(12000, 16, by_tier);
	run(20000, 16, by_tier);
	ck_assert_uint_ge(zone_share(), 990);
}
END_TEST

static uint64_t changing(uint32_t at)
{
	/* for 100 ms of every second the near one stalls */
	return v[at].tier == 0 && now % (1000 * MS) < 100 * MS ? 5 * MS : by_tier(at);
}

START_TEST(short_stalls_do_not_move_the_reads)
{
	server(0);
	server(1);
	run(30000, 8, changing);
	ck_assert_uint_ge(zone_share(), 990);
}
END_TEST

START_TEST(a_server_that_comes_back_starts_slowly)
{
	server(0);
	server(0);
	server(0);
	run(3000, 16, by_tier);
	v[0].up_since_us = now;
	run(600, 1, by_tier);
	ck_assert_uint_lt(count[0], 80);
	now += 20000 * MS;
	run(600, 1, by_tier);
	run(6000, 1, by_tier);
	assert_spread(0, 3, 0.15);
}
END_TEST

START_TEST(a_tier_that_comes_back_starts_slowly)
{
	server(0);
	server(1);
	run(1000, 4, by_tier);
	v[0].up_since_us = now;
	run(1000, 4, by_tier);
	ck_assert_uint_lt(count[0], 200);
	now += 20000 * MS;
	run(1000, 4, by_tier);
	ck_assert_uint_ge(count[0], 990);
}
END_TEST

START_TEST(tiers_out_of_the_order_are_never_chosen)
{
	server(CHOOSE_TIERS);
	server(255);
	ck_assert_int_eq(choose_server(&c, v, n, &lim, now).at, CHOOSE_NONE);
	server(2);
	run(1000, 4, by_tier);
	ck_assert_uint_eq(count[2], 1000);
	ck_assert_uint_eq(why[CHOOSE_SPILLED], 1000);
}
END_TEST

START_TEST(latencies_are_learnt)
{
	uint64_t ewma = 0, typical = 0;

	choose_learn(&ewma, &typical, 0, 300);
	ck_assert_uint_eq(ewma, 300);
	ck_assert_uint_eq(typical, 300);
	for (int i = 0; i < 1000; i++)
		choose_learn(&ewma, &typical, 100, i % 10 ? 300 : 50 * MS);
	ck_assert_uint_gt(typical, 250);
	ck_assert_uint_lt(typical, 400);
	ck_assert_uint_lt(ewma, 700);
	for (int i = 0; i < 200; i++)
		choose_learn(&ewma, &typical, 100, 20 * MS);
	ck_assert_uint_gt(typical, 18 * MS);
	ck_assert_uint_gt(ewma, 18 * MS);
	for (int i = 0; i < 200; i++)
		choose_learn(&ewma, &typical, 100, 0);
	ck_assert_uint_lt(typical, 10);
	ck_assert_uint_ge(typical, 1);
	ck_assert_uint_ge(ewma, 1);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_loop_test(tc, equal_servers_get_equal_shares, 0, 5);
	tcase_add_loop_test(tc, few_reads_are_shared_evenly_too, 0, 10);
	tcase_add_loop_test(tc, chance_does_not_decide_who_is_busy, 0, 10);
	tcase_add_test(tc, a_cold_start_is_soon_forgotten);
	tcase_add_test(tc, weights_are_respected);
	tcase_add_test(tc, a_slow_one_among_equals_gets_little_but_is_not_forgotten);
	tcase_add_test(tc, reads_stay_in_the_zone_while_it_is_well);
	tcase_add_loop_test(tc, a_near_server_that_cannot_serve_is_passed_over, 0, 6);
	tcase_add_test(tc, lag_at_the_limit_does_not_flap);
	tcase_add_test(tc, an_ejected_one_serves_when_there_is_no_other);
	tcase_add_test(tc, a_near_tier_slower_than_the_detour_is_passed_over);
	tcase_add_test(tc, short_stalls_do_not_move_the_reads);
	tcase_add_test(tc, a_server_that_comes_back_starts_slowly);
	tcase_add_test(tc, a_tier_that_comes_back_starts_slowly);
	tcase_add_test(tc, tiers_out_of_the_order_are_never_chosen);
	tcase_add_test(tc, latencies_are_learnt);
}

int main(void)
{
	return run_tests("choose", add);
}
