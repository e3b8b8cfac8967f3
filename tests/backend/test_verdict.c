/* test_verdict.c - who is written to, case by case. For src/backend/verdict.c; pure. */
#include "../unit.h"
#include "keyway/backend/server.h"
#include "keyway/backend/verdict.h"

#define T 1000000

static struct keyspace *ks;
static struct backend_view v[4];
static struct verdict_memory mem;
static uint64_t now;

static const struct shard *open_map(const char *shard)
{
	char *doc = xasprintf("{\"keyspace\": \"shop\", \"epoch\": 1, \"shards\": [{\"range\": \"-\", %s}]}", shard);
	struct err err;

	keyspace_unref(ks);
	ck_assert_msg(keyspace_parse(str_of(doc), STR("shop"), &ks, &err) == 0, "%s", err.msg);
	free(doc);
	return &ks->shards[0];
}

static const struct shard *plain(void)
{
	return open_map("\"kind\": \"replicaset\", \"backends\": ["
			"{\"name\": \"a\", \"host\": \"127.0.0.1\", \"role\": \"primary\"},"
			"{\"name\": \"b\", \"host\": \"127.0.0.2\", \"role\": \"replica\"},"
			"{\"name\": \"c\", \"host\": \"127.0.0.3\", \"role\": \"replica\"}]");
}

static const struct shard *automatic(bool named)
{
	char *s = xasprintf("\"kind\": \"replicaset\", \"primary\": \"auto\", \"backends\": ["
			    "{\"name\": \"a\", \"host\": \"127.0.0.1\", \"role\": \"%s\"},"
			    "{\"name\": \"b\", \"host\": \"127.0.0.2\", \"role\": \"replica\"},"
			    "{\"name\": \"c\", \"host\": \"127.0.0.3\", \"role\": \"replica\"}]",
		named ? "primary" : "replica");
	const struct shard *sh = open_map(s);

	free(s);
	return sh;
}

/* Backend 0 is the odd side. */
static const struct shard *pair(const char *odd, const char *even)
{
	char *s = xasprintf("\"kind\": \"pair\", \"home\": \"odd\", \"backends\": ["
			    "{\"name\": \"o\", \"host\": \"127.0.0.1\", \"side\": \"odd\", \"state\": \"%s\"},"
			    "{\"name\": \"e\", \"host\": \"127.0.0.2\", \"side\": \"even\", \"state\": \"%s\"}]",
		odd, even);
	const struct shard *sh = open_map(s);

	free(s);
	return sh;
}

static void setup(void)
{
	memset(v, 0, sizeof(v));
	memset(&mem, 0, sizeof(mem));
	for (int i = 0; i < 4; i++)
		v[i].present = true;
	now = 100 * T;
}

static void teardown(void)
{
	keyspace_unref(ks);
	ks = NULL;
}

/* A check of backend @i has ended: w writable, r read-only, d down, ? unchecked, u up and not to be asked. */
static void seen(int i, char what)
{
	now += T / 10;
	switch (what) {
	case 'w':
		if (v[i].writable != SERVER_WRITABLE || v[i].state != SERVER_UP)
			v[i].writable_us = now;
		v[i].state = SERVER_UP;
		v[i].writable = SERVER_WRITABLE;
		v[i].seen_us = now - 1;
		break;
	case 'r':
		v[i].state = SERVER_UP;
		v[i].writable = SERVER_READ_ONLY;
		v[i].seen_us = now - 1;
		break;
	case 'd': v[i].state = SERVER_DOWN; break;
	case 'u': v[i].state = SERVER_UP; break;
	default: v[i].state = SERVER_UNCHECKED; break;
	}
}

static struct judgement judge(const struct shard *sh)
{
	now += 1000;
	return verdict_judge(sh, v, &mem, now);
}

static void all(const char *states)
{
	for (int i = 0; states[i]; i++)
		seen(i, states[i]);
}

/* --- replica sets, as the map says --- */

static const struct {
	const char *states;
	int primary;
	uint8_t hold, alarm;
} plain_cases[] = {
	{ "???", 0, HOLD_NONE, ALARM_NONE },
	{ "wrr", 0, HOLD_NONE, ALARM_NONE },
	{ "urr", 0, HOLD_NONE, ALARM_NONE },
	{ "wdd", 0, HOLD_NONE, ALARM_NONE },
	{ "rrr", VERDICT_NONE, HOLD_NO_PRIMARY, ALARM_NONE },
	{ "drr", VERDICT_NONE, HOLD_NO_PRIMARY, ALARM_NONE },
	{ "rwr", VERDICT_NONE, HOLD_NO_PRIMARY, ALARM_OTHER_WRITABLE },
	{ "dwr", VERDICT_NONE, HOLD_NO_PRIMARY, ALARM_OTHER_WRITABLE },
	{ "ddd", VERDICT_NONE, HOLD_NO_PRIMARY, ALARM_NONE },
};

START_TEST(the_map_decides)
{
	struct judgement j;

	all(plain_cases[_i].states);
	j = judge(plain());
	ck_assert_int_eq(j.verdict.primary, plain_cases[_i].primary);
	ck_assert_uint_eq(j.verdict.hold, plain_cases[_i].hold);
	ck_assert_uint_eq(j.verdict.alarm, plain_cases[_i].alarm);
}
END_TEST

START_TEST(a_second_writable_one_is_an_alarm_once_it_is_certain)
{
	const struct shard *sh = plain();
	struct judgement j;

	all("wrr");
	judge(sh);
	seen(1, 'w');
	j = judge(sh);
	ck_assert_int_eq(j.verdict.primary, 0);
	ck_assert_uint_eq(j.verdict.alarm, ALARM_NONE);
	ck_assert_int_eq(j.look_at, 0);
	seen(0, 'w');
	j = judge(sh);
	ck_assert_int_eq(j.verdict.primary, 0);
	ck_assert_uint_eq(j.verdict.alarm, ALARM_TWO_WRITABLE);
	seen(1, 'r');
	ck_assert_uint_eq(judge(sh).verdict.alarm, ALARM_NONE);
}
END_TEST

START_TEST(a_verdict_says_since_when)
{
	const struct shard *sh = plain();
	uint64_t since;

	all("wrr");
	since = judge(sh).verdict.since_us;
	ck_assert_uint_eq(since, now);
	ck_assert_uint_eq(judge(sh).verdict.since_us, since);
	seen(0, 'd');
	ck_assert_uint_eq(judge(sh).verdict.since_us, now);
}
END_TEST

/* --- primary: auto --- */

static const struct {
	const char *states;
	bool named;
	int primary;
	uint8_t alarm;
} first_cases[] = {
	{ "???", false, 0, ALARM_NONE },
	{ "wrr", false, 0, ALARM_NONE },
	{ "rwr", false, 1, ALARM_NONE },
	{ "rwr", true, 1, ALARM_NONE },
	{ "rw?", false, VERDICT_NONE, ALARM_NO_CHOICE }, /* c may be the real one */
	{ "rwd", false, 1, ALARM_NONE },
	{ "?wr", false, 0, ALARM_NONE },
	{ "wwr", true, 0, ALARM_NONE },
	{ "wwr", false, VERDICT_NONE, ALARM_NO_CHOICE },
	{ "rrr", false, VERDICT_NONE, ALARM_NONE },
	{ "ddd", false, VERDICT_NONE, ALARM_NONE },
};

START_TEST(the_only_writable_one_is_the_primary)
{
	struct judgement j;

	all(first_cases[_i].states);
	j = judge(automatic(first_cases[_i].named));
	ck_assert_int_eq(j.verdict.primary, first_cases[_i].primary);
	ck_assert_uint_eq(j.verdict.alarm, first_cases[_i].alarm);
	ck_assert_uint_eq(j.verdict.hold, j.verdict.primary == VERDICT_NONE ? HOLD_NO_PRIMARY : HOLD_NONE);
}
END_TEST

START_TEST(a_switchover_is_followed)
{
	const struct shard *sh = automatic(false);

	all("wrr");
	ck_assert_int_eq(judge(sh).verdict.primary, 0);
	seen(0, 'r');
	ck_assert_int_eq(judge(sh).verdict.primary, VERDICT_NONE);
	seen(1, 'w');
	ck_assert_int_eq(judge(sh).verdict.primary, 1);
}
END_TEST

START_TEST(a_switchover_is_followed_when_the_new_one_is_seen_first)
{
	const struct shard *sh = automatic(false);
	struct judgement j;

	all("wrr");
	judge(sh);
	seen(1, 'w');
	j = judge(sh);
	ck_assert_int_eq(j.verdict.primary, 0);
	ck_assert_int_eq(j.look_at, 0);
	seen(0, 'r');
	j = judge(sh);
	ck_assert_int_eq(j.verdict.primary, 1);
	ck_assert_uint_eq(j.verdict.alarm, ALARM_NONE);
}
END_TEST

START_TEST(a_crash_is_followed)
{
	const struct shard *sh = automatic(false);

	all("wrr");
	judge(sh);
	seen(0, 'd');
	ck_assert_int_eq(judge(sh).verdict.primary, VERDICT_NONE);
	seen(2, 'w');
	ck_assert_int_eq(judge(sh).verdict.primary, 2);
}
END_TEST

START_TEST(a_stale_primary_gets_nothing_even_when_it_is_the_last)
{
	const struct shard *sh = automatic(false);
	struct judgement j;

	all("wrr");
	judge(sh);
	seen(0, 'd');
	judge(sh);
	seen(1, 'w');
	ck_assert_int_eq(judge(sh).verdict.primary, 1);
	seen(0, 'w');
	judge(sh);
	seen(1, 'w');
	j = judge(sh);
	ck_assert_int_eq(j.verdict.primary, 1);
	ck_assert_uint_eq(j.verdict.alarm, ALARM_TWO_WRITABLE);
	seen(1, 'd');
	j = judge(sh);
	ck_assert_int_eq(j.verdict.primary, VERDICT_NONE);
	ck_assert_uint_eq(j.verdict.alarm, ALARM_NO_CHOICE);
	/* until it has been made a replica, and is then promoted */
	seen(0, 'r');
	judge(sh);
	seen(0, 'w');
	ck_assert_int_eq(judge(sh).verdict.primary, 0);
}
END_TEST

START_TEST(a_rival_takes_over_when_the_primary_is_made_read_only)
{
	const struct shard *sh = automatic(false);

	all("wrr");
	judge(sh);
	seen(1, 'w');
	judge(sh);
	seen(0, 'w');
	ck_assert_uint_eq(judge(sh).verdict.alarm, ALARM_TWO_WRITABLE);
	seen(0, 'r');
	ck_assert_int_eq(judge(sh).verdict.primary, 1);
}
END_TEST

START_TEST(a_rival_takes_over_when_the_map_names_it)
{
	all("wrr");
	judge(automatic(false));
	mem.rivals = 1u << 0;
	mem.last = 1;
	seen(1, 'd');
	ck_assert_int_eq(judge(automatic(false)).verdict.primary, VERDICT_NONE);
	ck_assert_int_eq(judge(automatic(true)).verdict.primary, 0);
}
END_TEST

START_TEST(a_primary_that_cannot_be_asked_stays)
{
	const struct shard *sh = automatic(false);

	all("wrr");
	judge(sh);
	v[0].writable = SERVER_WRITABLE_UNKNOWN;
	ck_assert_int_eq(judge(sh).verdict.primary, 0);
}
END_TEST

/* --- pairs --- */

static const struct {
	const char *odd, *even, *states;
	int odd_to, even_to;
	uint8_t hold;
} pair_cases[] = {
	{ "serving", "serving", "??", 0, 1, HOLD_NONE },
	{ "serving", "serving", "ww", 0, 1, HOLD_NONE },
	{ "serving", "serving", "dw", 1, 1, HOLD_NONE },
	{ "serving", "serving", "wd", 0, 0, HOLD_NONE },
	{ "serving", "serving", "rw", 1, 1, HOLD_NONE },
	{ "serving", "serving", "dd", VERDICT_NONE, VERDICT_NONE, HOLD_NO_PRIMARY },
	{ "draining", "serving", "ww", VERDICT_NONE, 1, HOLD_DRAINING },
	{ "drained", "serving", "ww", 1, 1, HOLD_NONE },
	{ "drained", "serving", "dw", 1, 1, HOLD_NONE },
	{ "drained", "serving", "wd", VERDICT_NONE, VERDICT_NONE, HOLD_NO_PRIMARY },
	{ "draining", "serving", "wd", VERDICT_NONE, VERDICT_NONE, HOLD_DRAINING },
};

START_TEST(sides_stand_in_for_each_other)
{
	struct judgement j;

	all(pair_cases[_i].states);
	j = judge(pair(pair_cases[_i].odd, pair_cases[_i].even));
	ck_assert_int_eq(j.verdict.side[SIDE_ODD], pair_cases[_i].odd_to);
	ck_assert_int_eq(j.verdict.side[SIDE_EVEN], pair_cases[_i].even_to);
	ck_assert_int_eq(j.verdict.primary, pair_cases[_i].odd_to);
	if (j.verdict.side[0] == VERDICT_NONE || j.verdict.side[1] == VERDICT_NONE)
		ck_assert_uint_ne(j.verdict.hold, HOLD_NONE);
}
END_TEST

START_TEST(a_side_comes_back_when_it_has_everything)
{
	const struct shard *sh = pair("serving", "serving");
	struct judgement j;

	all("ww");
	judge(sh);
	seen(0, 'd');
	ck_assert_int_eq(judge(sh).verdict.side[SIDE_ODD], 1);
	seen(0, 'w');
	ck_assert_int_eq(judge(sh).verdict.side[SIDE_ODD], 1); /* not known to have it */
	v[0].applied_us = now;
	j = judge(sh);
	ck_assert_int_eq(j.verdict.side[SIDE_ODD], VERDICT_NONE);
	ck_assert_uint_eq(j.verdict.hold, HOLD_RETURNING);
	ck_assert_int_eq(j.verdict.side[SIDE_EVEN], 1);
	v[0].applied_us = now + 1000; /* of a moment at which statements may still have run there */
	ck_assert_int_eq(judge(sh).verdict.side[SIDE_ODD], VERDICT_NONE);
	now += VERDICT_RETURN_GRACE_US;
	v[0].applied_us = now;
	j = judge(sh);
	ck_assert_int_eq(j.verdict.side[SIDE_ODD], 0);
	ck_assert_uint_eq(j.verdict.hold, HOLD_NONE);
}
END_TEST

START_TEST(nobody_waits_long_for_a_side)
{
	const struct shard *sh = pair("serving", "serving");

	all("ww");
	judge(sh);
	seen(0, 'd');
	judge(sh);
	seen(0, 'w');
	v[0].applied_us = now;
	ck_assert_uint_eq(judge(sh).verdict.hold, HOLD_RETURNING);
	now += VERDICT_RETURN_MAX_US + 1;
	ck_assert_int_eq(judge(sh).verdict.side[SIDE_ODD], 1);
	v[0].applied_us = now;
	ck_assert_int_eq(judge(sh).verdict.side[SIDE_ODD], 1);
	now += VERDICT_RETURN_PAUSE_US;
	v[0].applied_us = now;
	ck_assert_uint_eq(judge(sh).verdict.hold, HOLD_RETURNING);
}
END_TEST

START_TEST(a_side_that_stood_in_and_dies_gives_all_back)
{
	const struct shard *sh = pair("serving", "serving");
	struct judgement j;

	all("dw");
	ck_assert_int_eq(judge(sh).verdict.side[SIDE_ODD], 1);
	all("wd");
	j = judge(sh);
	ck_assert_int_eq(j.verdict.side[SIDE_ODD], 0);
	ck_assert_int_eq(j.verdict.side[SIDE_EVEN], 0);
}
END_TEST

/* A side that was drained is read-only until just before the map lets it serve: what was seen then says nothing. */
START_TEST(a_restored_side_is_looked_at_before_anything_goes_to_either)
{
	const struct shard *sh = pair("drained", "serving");
	struct judgement j;

	all("rw");
	ck_assert_int_eq(judge(sh).verdict.side[SIDE_ODD], 1);
	sh = pair("draining", "serving");
	ck_assert_int_eq(judge(sh).verdict.side[SIDE_ODD], VERDICT_NONE);
	sh = pair("serving", "serving");
	for (int i = 0; i < 3; i++) {
		j = judge(sh);
		ck_assert_int_eq(j.verdict.side[SIDE_ODD], VERDICT_NONE);
		ck_assert_int_eq(j.verdict.side[SIDE_EVEN], 1);
		ck_assert_int_eq(j.look_at, 0);
	}
	seen(0, 'w');
	ck_assert_int_eq(judge(sh).verdict.side[SIDE_ODD], 0);
	/* it is not held again for what comes later */
	seen(0, 'r');
	ck_assert_int_eq(judge(sh).verdict.side[SIDE_ODD], 1);
}
END_TEST

START_TEST(a_restored_side_that_is_not_well_leaves_its_traffic)
{
	const struct shard *sh = pair("drained", "serving");

	all("rw");
	judge(sh);
	sh = pair("serving", "serving");
	ck_assert_int_eq(judge(sh).verdict.side[SIDE_ODD], VERDICT_NONE);
	seen(0, 'd');
	ck_assert_int_eq(judge(sh).verdict.side[SIDE_ODD], 1);
}
END_TEST

START_TEST(a_primary_that_is_drained_holds_its_statements)
{
	const struct shard *sh = plain();
	struct judgement j;

	all("wrr");
	ck_assert_int_eq(judge(sh).verdict.primary, 0);
	sh = open_map("\"kind\": \"replicaset\", \"backends\": ["
		      "{\"name\": \"a\", \"host\": \"127.0.0.1\", \"role\": \"primary\", \"state\": \"draining\"},"
		      "{\"name\": \"b\", \"host\": \"127.0.0.2\", \"role\": \"replica\"}]");
	j = judge(sh);
	ck_assert_int_eq(j.verdict.primary, VERDICT_NONE);
	ck_assert_int_eq(j.verdict.hold, HOLD_DRAINING);
	ck_assert_int_eq(verdict_of_map(sh).primary, VERDICT_NONE);
	/* the new one was a replica when it was last looked at */
	sh = open_map("\"kind\": \"replicaset\", \"backends\": ["
		      "{\"name\": \"a\", \"host\": \"127.0.0.1\", \"role\": \"replica\"},"
		      "{\"name\": \"b\", \"host\": \"127.0.0.2\", \"role\": \"primary\"}]");
	mem.named_us = now;
	j = judge(sh);
	ck_assert_int_eq(j.verdict.primary, VERDICT_NONE);
	ck_assert_int_eq(j.look_at, 1);
	ck_assert_int_eq(j.verdict.alarm, ALARM_NONE);
	seen(1, 'w');
	ck_assert_int_eq(judge(sh).verdict.primary, 1);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, the_map_decides, 0, ARRAY_N(plain_cases));
	tcase_add_test(tc, a_second_writable_one_is_an_alarm_once_it_is_certain);
	tcase_add_test(tc, a_verdict_says_since_when);
	tcase_add_loop_test(tc, the_only_writable_one_is_the_primary, 0, ARRAY_N(first_cases));
	tcase_add_test(tc, a_switchover_is_followed);
	tcase_add_test(tc, a_switchover_is_followed_when_the_new_one_is_seen_first);
	tcase_add_test(tc, a_crash_is_followed);
	tcase_add_test(tc, a_stale_primary_gets_nothing_even_when_it_is_the_last);
	tcase_add_test(tc, a_rival_takes_over_when_the_primary_is_made_read_only);
	tcase_add_test(tc, a_rival_takes_over_when_the_map_names_it);
	tcase_add_test(tc, a_primary_that_cannot_be_asked_stays);
	tcase_add_loop_test(tc, sides_stand_in_for_each_other, 0, ARRAY_N(pair_cases));
	tcase_add_test(tc, a_side_comes_back_when_it_has_everything);
	tcase_add_test(tc, nobody_waits_long_for_a_side);
	tcase_add_test(tc, a_side_that_stood_in_and_dies_gives_all_back);
	tcase_add_test(tc, a_restored_side_is_looked_at_before_anything_goes_to_either);
	tcase_add_test(tc, a_restored_side_that_is_not_well_leaves_its_traffic);
	tcase_add_test(tc, a_primary_that_is_drained_holds_its_statements);
}

int main(void)
{
	return run_tests("verdict", add);
}
