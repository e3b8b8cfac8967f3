/* test_marks.c - what is on record keeps an id from being given twice, by two proxies or across a restart, whatever the
 * service answers; and what becomes of ids while the record cannot be kept.
 * For src/ids/marks.c and refill.c.
 * The test's thread and the allocators' threads. */
#include "source.h"
#include "fake_kv.h"
#include <check.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define KEY "ids_high/main/shop.orders"

/* A service; several proxies may ask the same one. */
struct service {
	_Atomic uint64_t next;
	_Atomic unsigned calls;
};

struct proxy {
	struct ids *ids;
	struct ids_tag *tag;
	struct service *service;
	struct id_source source;
	bool no_marks;
};

static struct service services[2];
static struct proxy proxies[3];
static struct ids_endpoint ep;
static struct ids_allocator alloc;
static struct err err;

static enum grab_result ask(struct id_source *src, struct id_grab *g)
{
	struct service *s = container_of(src, struct proxy, source)->service;

	s->calls++;
	g->run[0] = (struct grab_run){ atomic_fetch_add(&s->next, g->want), g->want };
	g->run_n = 1;
	return GRAB_OK;
}

static void no_free(struct id_source *src)
{
	(void)src;
}

static struct id_source *open_source(const struct alloc_conf *conf, size_t i, void *arg, struct err *e)
{
	struct proxy *p = arg;

	(void)conf;
	(void)i;
	(void)e;
	p->source = (struct id_source){ ask, no_free };
	return &p->source;
}

static struct kv *open_marks(const struct alloc_conf *conf, enum marks_place place, void *arg)
{
	(void)conf;
	return place == MARKS_SHARED && !((struct proxy *)arg)->no_marks ? &fake_kv.kv : NULL;
}

static void start(struct proxy *p, struct service *s)
{
	struct ids_config config = { .allocators = &alloc, .n = 1 };
	struct ids_parts parts = { open_source, open_marks, p };

	p->service = s;
	p->ids = ids_new_from(&config, &parts, &err);
	ck_assert_msg(p->ids != NULL, "%s", err.msg);
	p->tag = ids_tag(p->ids, STR("main"), STR("shop.orders"), &err);
	ck_assert_ptr_nonnull(p->tag);
}

static void stop(struct proxy *p)
{
	ids_free(p->ids);
	p->ids = NULL;
}

static void setup(void)
{
	fake_kv_reset();
	memset(services, 0, sizeof(services));
	memset(proxies, 0, sizeof(proxies));
	services[0].next = services[1].next = 1;
	ep = (struct ids_endpoint){ .user = "u" };
	alloc = (struct ids_allocator){ .name = "main",
		.form = IDS_FORM_BLOCK,
		.endpoints = &ep,
		.endpoint_n = 1,
		.block = 100,
		.block_min = 100,
		.block_max = 100 };
}

static void teardown(void)
{
	for (size_t i = 0; i < ARRAY_N(proxies); i++)
		stop(&proxies[i]);
	fake_kv_reset();
}

static struct ids_allocator_status *status(struct proxy *p)
{
	static struct arena a;
	struct ids_status st;

	arena_reset(&a);
	ids_status(p->ids, &a, &st);
	return &st.allocators[0];
}

/* One id, or 0 and @err when there is none after a while. */
static uint64_t take(struct proxy *p)
{
	struct ids_range r;
	uint64_t id;
	int rc = IDS_WAIT;

	for (int i = 0; i < 1000 && rc == IDS_WAIT; i++) {
		rc = ids_take(p->ids, p->tag, 1, &r, &err);
		if (rc == IDS_WAIT)
			usleep(5000);
	}
	if (rc != IDS_OK)
		return 0;
	id = ids_range_id(&r, 0);
	ids_range_free(&r);
	return id;
}

#define AWAIT(cond)                                              \
	do {                                                     \
		for (int i_ = 0; i_ < 2000 && !(cond); i_++)     \
			usleep(5000);                            \
		ck_assert_msg((cond), "%s: %s", #cond, err.msg); \
	} while (0)

static bool on_record(uint64_t first, uint64_t n)
{
	struct endpoint_conf e = { .step = 1, .min_id = 1, .max_id = IDS_MAX_ID };
	struct grab_run run = { first, n };
	char *text = fake_kv_value(KEY), why[100];
	struct claims c = { 0 };
	bool hit;

	if (!text)
		return false;
	ck_assert_msg(claims_parse(str_of(text), &c, why, sizeof(why)) == 0, "%s", why);
	hit = claims_hit(&c, &e, &run);
	claims_free(&c);
	free(text);
	return hit;
}

START_TEST(ids_are_on_record_before_they_are_used)
{
	uint64_t id;

	start(&proxies[0], &services[0]);
	id = take(&proxies[0]);
	ck_assert_uint_eq(id, 1);
	ck_assert(on_record(id, 1));
	ck_assert_int_eq(status(&proxies[0])->marks, IDS_MARKS_SHARED);
	ck_assert_str_eq(status(&proxies[0])->marks_error, "");
	ck_assert_uint_ge(status(&proxies[0])->tags[0].high, 100);
}
END_TEST

static void never_twice(struct proxy *const *p, size_t n, size_t takes)
{
	static bool given[100000];
	size_t got = 0;

	memset(given, 0, sizeof(given));
	for (size_t i = 0; i < takes; i++) {
		for (size_t k = 0; k < n; k++) {
			uint64_t id = take(p[k]);

			if (!id)
				continue;
			ck_assert_uint_lt(id, ARRAY_N(given));
			ck_assert_msg(!given[id], "id %llu came twice", (unsigned long long)id);
			given[id] = true;
			got++;
		}
	}
	ck_assert_uint_gt(got, 0);
}

START_TEST(proxies_that_share_a_good_service_all_get_ids)
{
	struct proxy *both[] = { &proxies[0], &proxies[1] };

	start(&proxies[0], &services[0]);
	start(&proxies[1], &services[0]);
	never_twice(both, 2, 1000);
	for (size_t i = 0; i < 2; i++) {
		ck_assert_uint_eq(status(&proxies[i])->endpoints[0].bad_answers, 0);
		ck_assert_int_eq(status(&proxies[i])->endpoints[0].state, IDS_UP);
	}
}
END_TEST

START_TEST(the_same_ranges_to_two_proxies_are_used_by_one)
{
	struct proxy *both[] = { &proxies[0], &proxies[1] };

	start(&proxies[0], &services[0]);
	start(&proxies[1], &services[1]);
	never_twice(both, 2, 1000);
	ck_assert_uint_gt(
		status(&proxies[0])->endpoints[0].bad_answers + status(&proxies[1])->endpoints[0].bad_answers, 0);
}
END_TEST

START_TEST(a_service_that_was_reset_is_stopped_after_a_restart_too)
{
	start(&proxies[0], &services[0]);
	for (int i = 0; i < 150; i++)
		ck_assert_uint_gt(take(&proxies[0]), 0);
	stop(&proxies[0]);
	services[0].next = 1;
	start(&proxies[0], &services[0]);
	ck_assert_uint_eq(take(&proxies[0]), 0);
	ck_assert_uint_eq(err.errno_, ER_AUTOINC_READ_FAILED);
	ck_assert_int_eq(status(&proxies[0])->endpoints[0].state, IDS_STOPPED);
	ck_assert_ptr_nonnull(strstr(status(&proxies[0])->endpoints[0].last_error, "backwards"));
	services[0].next = 100000 - 1000;
	ck_assert_int_eq(ids_resume(proxies[0].ids, STR("main"), STR("127.0.0.1:3306"), &err), 0);
	AWAIT(take(&proxies[0]) > 90000);
}
END_TEST

START_TEST(without_marks_a_restart_forgets)
{
	proxies[0].no_marks = true;
	start(&proxies[0], &services[0]);
	ck_assert_uint_eq(take(&proxies[0]), 1);
	ck_assert_int_eq(status(&proxies[0])->marks, IDS_MARKS_OFF);
	stop(&proxies[0]);
	services[0].next = 1;
	start(&proxies[0], &services[0]);
	ck_assert_uint_eq(take(&proxies[0]), 1);
	ck_assert_uint_eq(fake_kv.gets, 0);
}
END_TEST

START_TEST(a_service_that_need_not_rise_is_refused_what_is_on_record_only)
{
	ep.url = "http://a/{tag}?n={n}";
	alloc.kind = IDS_HTTP;
	alloc.answer = (struct ids_answer){ .first = "/first", .count = "/n" };
	services[0].next = 5001;
	start(&proxies[0], &services[0]);
	ck_assert_uint_eq(take(&proxies[0]), 5001);
	stop(&proxies[0]);
	services[0].next = 4950; /* overlaps, then goes on inside */
	start(&proxies[0], &services[0]);
	AWAIT(status(&proxies[0])->endpoints[0].bad_answers > 0);
	ck_assert_int_ne(status(&proxies[0])->endpoints[0].state, IDS_STOPPED);
	services[0].next = 101; /* lower, and new */
	AWAIT(take(&proxies[0]) >= 101);
}
END_TEST

START_TEST(while_the_record_is_away_ids_go_on_and_are_put_on_it_later)
{
	uint64_t id = 0;

	start(&proxies[0], &services[0]);
	ck_assert_uint_eq(take(&proxies[0]), 1);
	fake_kv_mood(KV_DEAD);
	for (int i = 0; i < 500; i++)
		ck_assert_uint_gt(id = take(&proxies[0]), 0);
	ck_assert_ptr_nonnull(strstr(status(&proxies[0])->marks_error, "the map's store: scripted"));
	ck_assert(!on_record(id, 1));
	fake_kv_mood(KV_WELL);
	AWAIT(take(&proxies[0]) && on_record(id, 1));
	ck_assert_str_eq(status(&proxies[0])->marks_error, "");
	ck_assert_uint_eq(status(&proxies[0])->endpoints[0].bad_answers, 0);
	ck_assert(on_record(1, 1));
}
END_TEST

START_TEST(a_start_without_the_record_gives_ids_at_once)
{
	fake_kv_mood(KV_DEAD);
	start(&proxies[0], &services[0]);
	ck_assert_uint_eq(take(&proxies[0]), 1);
	ck_assert_str_ne(status(&proxies[0])->marks_error, "");
}
END_TEST

START_TEST(a_lie_told_while_the_record_was_away_is_found_out_later)
{
	start(&proxies[0], &services[0]);
	ck_assert_uint_gt(take(&proxies[0]), 0);
	services[1].next = 1000;
	start(&proxies[1], &services[1]);
	ck_assert_uint_ge(take(&proxies[1]), 1000);
	fake_kv_mood(KV_DEAD);
	while (take(&proxies[0]) < 1300)
		;
	fake_kv_mood(KV_WELL);
	AWAIT((take(&proxies[0]), status(&proxies[0])->endpoints[0].state == IDS_STOPPED));
	ck_assert_ptr_nonnull(strstr(status(&proxies[0])->endpoints[0].last_error, "twice"));
}
END_TEST

START_TEST(a_record_that_may_or_may_not_be_kept_costs_a_block_and_no_alarm)
{
	enum kv_mood moods[] = { KV_DONE_UNSAID, KV_LOST };
	static bool given[100000];

	memset(given, 0, sizeof(given));
	start(&proxies[0], &services[0]);
	for (size_t m = 0; m < 2; m++) {
		for (int i = 0; i < 700; i++) {
			uint64_t id = take(&proxies[0]);

			ck_assert_msg(id && !given[id], "%s", err.msg);
			given[id] = true;
			if (i == 100)
				fake_kv_mood(moods[m]);
			if (i == 600)
				fake_kv_mood(KV_WELL);
		}
		AWAIT(take(&proxies[0]) && !status(&proxies[0])->marks_error[0]);
	}
	ck_assert_uint_eq(status(&proxies[0])->endpoints[0].bad_answers, 0);
}
END_TEST

START_TEST(required_means_no_id_without_a_record)
{
	uint64_t id, last = 0;

	alloc.marks = IDS_MARKING_REQUIRED;
	start(&proxies[0], &services[0]);
	ck_assert_uint_eq(take(&proxies[0]), 1);
	fake_kv_mood(KV_DEAD);
	while ((id = take(&proxies[0])))
		last = id;
	ck_assert_uint_le(last, 300);
	ck_assert_ptr_nonnull(strstr(err.msg, "put on record"));
	ck_assert_uint_lt(services[0].calls, 20);
	fake_kv_mood(KV_WELL);
	AWAIT((id = take(&proxies[0])) > last);
	ck_assert(on_record(id, 1));
}
END_TEST

START_TEST(a_damaged_record_is_left_alone_and_said)
{
	char *text;

	fake_kv_set(KEY, "keyway-ids 1 0000000000000000\n0/1/1/99 1-5\n");
	start(&proxies[0], &services[0]);
	ck_assert_uint_eq(take(&proxies[0]), 1);
	ck_assert_ptr_nonnull(strstr(status(&proxies[0])->marks_error, "checksum"));
	text = fake_kv_value(KEY);
	ck_assert_str_eq(text, "keyway-ids 1 0000000000000000\n0/1/1/99 1-5\n");
	free(text);
}
END_TEST

START_TEST(others_that_write_at_the_same_time_are_only_a_delay)
{
	fake_kv.conflicts = 7;
	start(&proxies[0], &services[0]);
	ck_assert_uint_eq(take(&proxies[0]), 1);
	ck_assert(on_record(1, 1));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("marks");
	TCase *tc = tcase_create("marks");
	SRunner *r;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, ids_are_on_record_before_they_are_used);
	tcase_add_test(tc, proxies_that_share_a_good_service_all_get_ids);
	tcase_add_test(tc, the_same_ranges_to_two_proxies_are_used_by_one);
	tcase_add_test(tc, a_service_that_was_reset_is_stopped_after_a_restart_too);
	tcase_add_test(tc, without_marks_a_restart_forgets);
	tcase_add_test(tc, a_service_that_need_not_rise_is_refused_what_is_on_record_only);
	tcase_add_test(tc, while_the_record_is_away_ids_go_on_and_are_put_on_it_later);
	tcase_add_test(tc, a_start_without_the_record_gives_ids_at_once);
	tcase_add_test(tc, a_lie_told_while_the_record_was_away_is_found_out_later);
	tcase_add_test(tc, a_record_that_may_or_may_not_be_kept_costs_a_block_and_no_alarm);
	tcase_add_test(tc, required_means_no_id_without_a_record);
	tcase_add_test(tc, a_damaged_record_is_left_alone_and_said);
	tcase_add_test(tc, others_that_write_at_the_same_time_are_only_a_delay);
	suite_add_tcase(s, tc);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
