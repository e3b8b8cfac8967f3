/* test_ids.c - taking, waiting, refilling, fail-over and lies, with scripted sources.
 * For src/ids/ids.c, refill.c, wait.c, status.c.
 * The test's thread, the allocator's, and takers of the test. */
#include "source.h"
#include <check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum mood { WELL, DEAD, REFUSES, UNWELL, HANGS, LIES };

/* One scripted endpoint: gives rising ids of its residue, unless in another mood. */
static struct fake {
	struct id_source source;
	const struct alloc_conf *conf;
	size_t ep;
	_Atomic int mood;
	_Atomic int lie;
	_Atomic uint64_t next; /* counter; the id is next * step + offset */
	_Atomic unsigned calls;
	_Atomic uint32_t cap;  /* gives at most so many at once; 0: what is asked */
	_Atomic uint32_t skip; /* other proxies take so many between two grabs */
	_Atomic uint32_t last_want;
} fakes[2];

static struct ids_endpoint eps[2];
static struct ids_allocator alloc;
static struct ids_config config;
static struct ids *ids;
static struct err err;

static enum grab_result lie(struct fake *f, struct id_grab *g)
{
	uint64_t step = f->conf->ep[f->ep].step, old = (f->next - 1) * step + f->conf->ep[f->ep].offset;
	struct grab_run *r = &g->run[0];

	g->run_n = 1;
	switch (f->lie) {
	case 0: *r = (struct grab_run){ 0, 1 }; break;
	case 1: *r = (struct grab_run){ 1ull << 63, 1 }; break;
	case 2: *r = (struct grab_run){ UINT64_MAX, 1 }; break;
	case 3: *r = (struct grab_run){ IDS_MAX_ID - 1, 100 }; break;
	case 4: *r = (struct grab_run){ old + step * 100, 1ull << 40 }; break;
	case 5: *r = (struct grab_run){ old + step * 100, 0 }; break;
	case 6: *r = (struct grab_run){ old + step * 100 + 1, 1 }; break;
	case 7: *r = (struct grab_run){ old, 1 }; break;
	case 8: *r = (struct grab_run){ old - step, 2 }; break;
	case 9: *r = (struct grab_run){ f->conf->ep[f->ep].offset + step, 1 }; break;
	case 10: g->run_n = 0; break;
	case 11: /* one good one, then the same again */
		f->next++;
		g->run[0] = g->run[1] = (struct grab_run){ old + step, 1 };
		g->run_n = 2;
		break;
	default:
		snprintf(g->why, sizeof(g->why), "not a number");
		g->run_n = 0;
		return GRAB_MALFORMED;
	}
	return GRAB_OK;
}

#define LIES_N 13

static enum grab_result fake_grab(struct id_source *src, struct id_grab *g)
{
	struct fake *f = container_of(src, struct fake, source);
	const struct endpoint_conf *e = &f->conf->ep[f->ep];
	uint32_t n = g->want;

	f->calls++;
	f->last_want = n;
	snprintf(g->why, sizeof(g->why), "scripted failure");
	switch ((enum mood)f->mood) {
	case DEAD: return GRAB_RETRY;
	case REFUSES: return GRAB_REFUSED;
	case UNWELL: return GRAB_UNWELL;
	case HANGS: usleep(400000); return GRAB_RETRY;
	case LIES: return lie(f, g);
	case WELL: break;
	}
	f->next += f->skip;
	if (f->cap)
		n = MIN(n, f->cap);
	if (f->conf->single) {
		for (uint32_t i = 0; i < MIN(n, 16u); i++)
			g->run[g->run_n++] = (struct grab_run){ f->next++ * e->step + e->offset, 1 };
		return GRAB_OK;
	}
	g->run[g->run_n++] = (struct grab_run){ f->next * e->step + e->offset, n };
	f->next += n;
	return GRAB_OK;
}

static void fake_free(struct id_source *src)
{
	(void)src;
}

static struct id_source *fake_open(const struct alloc_conf *conf, size_t ep, void *arg, struct err *e)
{
	(void)arg;
	(void)e;
	fakes[ep].conf = conf;
	fakes[ep].ep = ep;
	return &fakes[ep].source;
}

static const struct ids_parts parts = { .open = fake_open };

static void setup(void)
{
	memset(fakes, 0, sizeof(fakes));
	for (size_t i = 0; i < 2; i++) {
		fakes[i].source = (struct id_source){ fake_grab, fake_free };
		fakes[i].next = 100;
		eps[i] = (struct ids_endpoint){ .port = (uint16_t)(1 + i), .user = "u", .step = 2, .offset = 1 + i };
	}
	alloc = (struct ids_allocator){ .name = "main", .endpoints = eps, .endpoint_n = 2, .form = IDS_FORM_BLOCK };
	config = (struct ids_config){ .allocators = &alloc, .n = 1 };
}

static struct ids_tag *start(void)
{
	struct ids_tag *tag;

	ids = ids_new_from(&config, &parts, &err);
	ck_assert_msg(ids != NULL, "%s", err.msg);
	tag = ids_tag(ids, STR("main"), STR("shop.orders"), &err);
	ck_assert_msg(tag != NULL, "%s", err.msg);
	return tag;
}

static void teardown(void)
{
	ids_free(ids);
	ids = NULL;
}

struct waiting {
	struct ids_waiter w;
	pthread_mutex_t lock;
	pthread_cond_t cond;
	int calls;
};

static void waiting_done(struct ids_waiter *w)
{
	struct waiting *x = container_of(w, struct waiting, w);

	pthread_mutex_lock(&x->lock);
	x->calls++;
	pthread_cond_signal(&x->cond);
	pthread_mutex_unlock(&x->lock);
}

static void waiting_init(struct waiting *x)
{
	memset(x, 0, sizeof(*x));
	pthread_mutex_init(&x->lock, NULL);
	pthread_cond_init(&x->cond, NULL);
}

/* What a worker does: take, or wait for at most @wait_us. */
static int take(struct ids_tag *tag, uint32_t n, uint64_t wait_us, struct ids_range *out)
{
	struct waiting x;
	int rc = ids_take(ids, tag, n, out, &err);

	if (rc != IDS_WAIT)
		return rc;
	waiting_init(&x);
	ids_wait(ids, tag, n, clock_mono_us() + wait_us, waiting_done, &x.w);
	pthread_mutex_lock(&x.lock);
	while (!x.calls)
		pthread_cond_wait(&x.cond, &x.lock);
	pthread_mutex_unlock(&x.lock);
	*out = x.w.range;
	if (x.w.result < 0)
		err = x.w.err;
	return x.w.result;
}

static uint64_t take_one(struct ids_tag *tag)
{
	struct ids_range r;
	uint64_t id;
	int rc = take(tag, 1, 2000000, &r);

	ck_assert_msg(rc == IDS_OK, "%d %s", rc, err.msg);
	id = ids_range_id(&r, 0);
	ids_range_free(&r);
	return id;
}

static struct ids_status status(void)
{
	static struct arena a;
	struct ids_status st;

	arena_reset(&a);
	ids_status(ids, &a, &st);
	return st;
}

static void wait_state(size_t ep, enum ids_state state)
{
	for (int i = 0; i < 400; i++) {
		if (status().allocators[0].endpoints[ep].state == state)
			return;
		usleep(10000);
	}
	ck_abort_msg("endpoint %zu is %s, not %s", ep, ids_state_name[status().allocators[0].endpoints[ep].state],
		ids_state_name[state]);
}

START_TEST(a_block_gives_one_run)
{
	struct ids_tag *tag = start();
	struct ids_range r;

	ck_assert_int_eq(take(tag, 300, 1000000, &r), IDS_OK);
	ck_assert_uint_eq(r.n, 300);
	ck_assert_uint_eq(r.run_n, 1);
	ck_assert_uint_eq(r.one.step, 2);
	ck_assert_uint_eq(ids_range_id(&r, 299), ids_range_id(&r, 0) + 598);
	ck_assert_uint_eq(ids_range_max(&r), ids_range_id(&r, 299));
	ids_range_free(&r);
	/* more than a block: fetched for it, in one run */
	ck_assert_int_eq(take(tag, 50000, 1000000, &r), IDS_OK);
	ck_assert_uint_eq(r.run_n, 1);
	ck_assert_uint_ge(status().allocators[0].tags[0].high, ids_range_max(&r));
	ck_assert_uint_eq(status().allocators[0].tags[0].high,
		MAX(status().allocators[0].tags[0].high_of[0], status().allocators[0].tags[0].high_of[1]));
	ids_range_free(&r);
}
END_TEST

START_TEST(a_take_never_waits_and_ids_are_there_ahead)
{
	struct ids_tag *tag = start();
	struct ids_range r;

	take_one(tag);
	for (int i = 0; i < 20000; i++) {
		int rc = ids_take(ids, tag, 1, &r, &err);

		if (rc == IDS_WAIT)
			rc = take(tag, 1, 1000000, &r);
		ck_assert_int_eq(rc, IDS_OK);
		ids_range_free(&r);
	}
	/* nearly all came from memory, and few grabs were needed, as the fetches grew */
	ck_assert_uint_lt(status().allocators[0].tags[0].waits, 20);
	ck_assert_uint_lt(fakes[0].calls + fakes[1].calls, 20);
	ck_assert_uint_gt(fakes[0].calls, 0);
	ck_assert_uint_gt(fakes[1].calls, 0);
}
END_TEST

START_TEST(single_ids_with_gaps_make_a_range_of_runs)
{
	struct ids_tag *tag;
	struct ids_range r;
	uint64_t before = 0;

	alloc.form = IDS_FORM_TICKET;
	alloc.endpoint_n = 1;
	fakes[0].skip = 3;
	tag = start();
	ck_assert_int_eq(take(tag, 100, 1000000, &r), IDS_OK);
	ck_assert_uint_gt(r.run_n, 1);
	for (uint32_t i = 0; i < 100; i++) {
		uint64_t id = ids_range_id(&r, i);

		ck_assert_uint_gt(id, before);
		ck_assert_uint_eq(id % 2, 1);
		before = id;
	}
	ck_assert_uint_eq(ids_range_max(&r), before);
	ids_range_free(&r);
	ck_assert_int_eq(take(tag, 20001, 1000000, &r), ERR_LIMIT);
	ck_assert_uint_eq(err.errno_, ER_AUTOINC_READ_FAILED);
	ck_assert_ptr_nonnull(strstr(err.msg, "block_max"));
}
END_TEST

START_TEST(ids_of_a_pair_come_in_rising_order)
{
	struct ids_tag *tag;
	struct ids_range r;

	alloc.form = IDS_FORM_TICKET;
	fakes[0].next = 5000; /* the pair has drifted apart */
	tag = start();
	ck_assert_int_eq(take(tag, 150, 1000000, &r), IDS_OK);
	for (uint32_t i = 1; i < r.n; i++)
		ck_assert_uint_gt(ids_range_id(&r, i), ids_range_id(&r, i - 1));
	ck_assert_uint_lt(ids_range_id(&r, 0), 5000);
	ck_assert_uint_gt(ids_range_max(&r), 10000);
	ids_range_free(&r);
}
END_TEST

START_TEST(a_source_of_short_runs_still_serves_many_rows)
{
	struct ids_tag *tag;
	struct ids_range r;

	fakes[0].cap = fakes[1].cap = 40;
	tag = start();
	ck_assert_int_eq(take(tag, 1000, 2000000, &r), IDS_OK);
	ck_assert_uint_eq(r.n, 1000);
	ids_range_free(&r);
	ck_assert_int_eq(take(tag, 30, 1000000, &r), IDS_OK);
	ck_assert_uint_eq(r.run_n, 1);
	ids_range_free(&r);
}
END_TEST

START_TEST(one_endpoint_dead_the_other_serves)
{
	struct ids_tag *tag;

	fakes[0].mood = DEAD;
	tag = start();
	for (int i = 0; i < 3000; i++)
		ck_assert_uint_eq(take_one(tag) % 2, 0);
	fakes[0].mood = WELL;
	for (int i = 0; i < 400 && status().allocators[0].endpoints[0].state != IDS_UP; i++) {
		for (int k = 0; k < 2000; k++)
			take_one(tag);
		usleep(10000);
	}
	ck_assert_int_eq(status().allocators[0].endpoints[0].state, IDS_UP);
}
END_TEST

START_TEST(both_dead_held_ids_serve_then_it_fails_fast_then_recovers)
{
	struct ids_tag *tag = start();
	struct ids_range r;
	uint64_t t0;
	int rc, n = 0;

	take_one(tag);
	fakes[0].mood = fakes[1].mood = DEAD;
	while ((rc = take(tag, 1, 200000, &r)) == IDS_OK) {
		ids_range_free(&r);
		n++;
	}
	ck_assert_int_gt(n, 500);
	ck_assert_int_lt(rc, 0);
	wait_state(0, IDS_DOWN);
	wait_state(1, IDS_DOWN);
	usleep(50000);
	t0 = clock_mono_us();
	ck_assert_int_eq(ids_take(ids, tag, 1, &r, &err), ERR_BACKEND);
	ck_assert_uint_lt(clock_mono_us() - t0, 50000);
	ck_assert_uint_eq(err.errno_, ER_AUTOINC_READ_FAILED);
	ck_assert_ptr_nonnull(strstr(err.msg, "shop.orders"));
	ck_assert_ptr_nonnull(strstr(err.msg, "'main'"));
	ck_assert_ptr_nonnull(strstr(err.msg, "127.0.0.1:1 is down"));
	ck_assert_ptr_nonnull(strstr(err.msg, "127.0.0.1:2 is down"));
	fakes[1].mood = WELL;
	wait_state(1, IDS_UP);
	ck_assert_uint_eq(take_one(tag) % 2, 0);
}
END_TEST

/* It fails while it holds more than low, which a statement of many rows brings about, and is not asked for more then.
 */
START_TEST(a_tag_that_failed_with_ids_left_is_filled_again)
{
	struct ids_tag *tag;
	struct ids_range r;
	int rc = IDS_OK;

	alloc.endpoint_n = 1;
	alloc.block = alloc.block_max = 100;
	alloc.block_min = 10;
	tag = start();
	take_one(tag);
	fakes[0].mood = DEAD;
	ck_assert_int_eq(take(tag, 100, 2000000, &r), ERR_BACKEND);
	usleep(200000); /* the allocator's thread has looked at it once more */
	for (int i = 0; i < 400 && rc == IDS_OK; i++) {
		rc = ids_take(ids, tag, 1, &r, &err);
		if (rc == IDS_OK)
			ids_range_free(&r);
	}
	ck_assert_int_ne(rc, IDS_OK);
	fakes[0].mood = WELL;
	for (int i = 0; i < 1000 && rc != IDS_OK; i++) {
		rc = ids_take(ids, tag, 1, &r, &err);
		usleep(5000);
	}
	ck_assert_int_eq(rc, IDS_OK);
	ids_range_free(&r);
}
END_TEST

START_TEST(a_tag_that_is_refused_holds_back_no_other)
{
	struct ids_tag *tag, *other;
	struct ids_range r;

	fakes[0].mood = fakes[1].mood = REFUSES;
	tag = start();
	for (int i = 0; i < 100 && ids_take(ids, tag, 1, &r, &err) == IDS_WAIT; i++)
		usleep(5000);
	ck_assert_int_eq(ids_take(ids, tag, 1, &r, &err), ERR_BACKEND);
	fakes[0].mood = fakes[1].mood = WELL;
	other = ids_tag(ids, STR("main"), STR("shop.other"), &err);
	ck_assert_int_eq(take(other, 1, 40000, &r), IDS_OK);
	ids_range_free(&r);
}
END_TEST

START_TEST(a_wait_ends_at_its_deadline_also_while_a_grab_hangs)
{
	struct ids_tag *tag;
	struct ids_range r;
	uint64_t t0 = clock_mono_us(), took;

	fakes[0].mood = fakes[1].mood = HANGS;
	tag = start();
	ck_assert_int_eq(take(tag, 1, 100000, &r), ERR_TIMEOUT);
	took = clock_mono_us() - t0;
	ck_assert_uint_ge(took, 100000);
	ck_assert_uint_lt(took, 250000);
	ck_assert_uint_eq(err.errno_, ER_AUTOINC_READ_FAILED);
}
END_TEST

START_TEST(a_cancelled_wait_is_never_called)
{
	struct ids_tag *tag;
	struct waiting x;

	fakes[0].mood = fakes[1].mood = HANGS;
	tag = start();
	waiting_init(&x);
	ids_wait(ids, tag, 1, clock_mono_us() + 50000, waiting_done, &x.w);
	ck_assert(ids_cancel(ids, &x.w));
	usleep(100000);
	ck_assert_int_eq(x.calls, 0);
	ids_wait(ids, tag, 1, clock_mono_us() + 50000, waiting_done, &x.w);
	usleep(150000);
	ck_assert(!ids_cancel(ids, &x.w));
	ck_assert_int_eq(x.calls, 1);
}
END_TEST

START_TEST(stopping_ends_all_waits)
{
	struct ids_tag *tag;
	struct waiting x[5];

	fakes[0].mood = fakes[1].mood = HANGS;
	tag = start();
	for (size_t i = 0; i < ARRAY_N(x); i++) {
		waiting_init(&x[i]);
		ids_wait(ids, tag, 1, clock_mono_us() + 60000000, waiting_done, &x[i].w);
	}
	teardown();
	for (size_t i = 0; i < ARRAY_N(x); i++) {
		ck_assert_int_eq(x[i].calls, 1);
		ck_assert_int_lt(x[i].w.result, 0);
	}
}
END_TEST

static bool seen[2000000];

static void note(const struct ids_range *r)
{
	for (uint32_t i = 0; i < r->n; i++) {
		uint64_t id = ids_range_id(r, i);

		ck_assert_uint_gt(id, 0);
		ck_assert_uint_lt(id, ARRAY_N(seen));
		ck_assert_msg(!seen[id], "id %llu twice", (unsigned long long)id);
		seen[id] = true;
	}
}

/* Endpoint 1 begins to lie: all its lies are counted, none comes out, and endpoint 2 goes on. */
static void lie_test(bool single, int which)
{
	struct ids_tag *tag;
	struct ids_range r;
	uint64_t bad = 0;

	memset(seen, 0, sizeof(seen));
	alloc.form = single ? IDS_FORM_TICKET : IDS_FORM_BLOCK;
	alloc.block_max = 2000;
	tag = start();
	for (int i = 0; i < 4000; i++) {
		if (i == 1500) {
			fakes[0].lie = which;
			fakes[0].mood = LIES;
		}
		ck_assert_int_eq(take(tag, 1 + (uint32_t)i % 3, 2000000, &r), IDS_OK);
		note(&r);
		ids_range_free(&r);
		if (i > 1500 && i % 20 == 0) {
			bad = status().allocators[0].endpoints[0].bad_answers;
			usleep(bad ? 0 : 5000);
		}
	}
	ck_assert_uint_gt(bad, 0);
	ck_assert(status().allocators[0].endpoints[0].last_error[0]);
}

START_TEST(no_lie_comes_out_of_blocks)
{
	lie_test(false, _i);
}
END_TEST

START_TEST(no_lie_comes_out_of_tickets)
{
	lie_test(true, _i);
}
END_TEST

START_TEST(going_backwards_stops_the_endpoint_until_an_operator_says_otherwise)
{
	struct ids_tag *tag, *other;
	struct ids_range r;
	uint64_t high;
	int rc;

	alloc.endpoint_n = 1;
	tag = start();
	high = take_one(tag) + 100000;
	fakes[0].next = 1; /* a restored backup */
	while ((rc = take(tag, 100, 300000, &r)) == IDS_OK)
		ids_range_free(&r);
	wait_state(0, IDS_STOPPED);
	ck_assert_int_eq(ids_take(ids, tag, 100, &r, &err), ERR_BACKEND);
	ck_assert_ptr_nonnull(strstr(err.msg, "stopped"));
	/* it is the endpoint that is in doubt, not one tag */
	other = ids_tag(ids, STR("main"), STR("shop.other"), &err);
	ck_assert_int_eq(take(other, 1, 300000, &r), ERR_BACKEND);
	fakes[0].next = high;
	ck_assert_int_eq(ids_resume(ids, STR("main"), STR("nowhere:1"), &err), ERR_NAME);
	ck_assert_int_eq(ids_resume(ids, STR("main"), STR("127.0.0.1:1"), &err), 0);
	wait_state(0, IDS_UP);
	ck_assert_int_eq(take(tag, 1000, 1000000, &r), IDS_OK);
	ck_assert_uint_ge(ids_range_id(&r, 0), high);
	ids_range_free(&r);
}
END_TEST

START_TEST(unknown_allocators_and_odd_tags_are_refused)
{
	char longer[IDS_TAG_MAX + 1];

	start();
	memset(longer, 'x', sizeof(longer));
	ck_assert_ptr_null(ids_tag(ids, STR("other"), STR("a"), &err));
	ck_assert_ptr_nonnull(strstr(err.msg, "main"));
	ck_assert_ptr_null(ids_tag(ids, STR("main"), STR(""), &err));
	ck_assert_ptr_null(ids_tag(ids, STR("main"), STR("a\nb"), &err));
	ck_assert_ptr_null(ids_tag(ids, STR("main"), str_make(longer, sizeof(longer)), &err));
	ck_assert_ptr_eq(ids_tag(ids, STR("main"), STR("a"), &err), ids_tag(ids, STR("main"), STR("a"), &err));
}
END_TEST

START_TEST(no_allocators_is_fine)
{
	config.n = 0;
	ids = ids_new_from(&config, &parts, &err);
	ck_assert_ptr_nonnull(ids);
	ck_assert_ptr_null(ids_tag(ids, STR("main"), STR("a"), &err));
	ck_assert_ptr_nonnull(strstr(err.msg, "none"));
}
END_TEST

struct taker {
	pthread_t thread;
	struct ids_tag *tag;
	uint64_t *got;
	size_t n;
};

#define TAKES 20000

static void *taker_main(void *arg)
{
	struct taker *t = arg;
	unsigned seed = (unsigned)(uintptr_t)t;

	while (t->n + 5 < TAKES) {
		struct ids_range r;
		struct err e;
		struct waiting x;
		uint32_t n = 1 + (uint32_t)rand_r(&seed) % 5;
		int rc = ids_take(ids, t->tag, n, &r, &e);

		if (rc == IDS_WAIT) {
			waiting_init(&x);
			ids_wait(ids, t->tag, n, clock_mono_us() + 5000000, waiting_done, &x.w);
			pthread_mutex_lock(&x.lock);
			while (!x.calls)
				pthread_cond_wait(&x.cond, &x.lock);
			pthread_mutex_unlock(&x.lock);
			rc = x.w.result;
			r = x.w.range;
		}
		if (rc != IDS_OK) {
			usleep(1000);
			continue;
		}
		for (uint32_t i = 0; i < n; i++)
			t->got[t->n++] = ids_range_id(&r, i);
		ids_range_free(&r);
	}
	return NULL;
}

START_TEST(many_takers_and_a_moody_pair_never_share_an_id)
{
	static uint64_t got[8][TAKES];
	struct taker takers[8];

	memset(seen, 0, sizeof(seen));
	alloc.form = _i ? IDS_FORM_TICKET : IDS_FORM_BLOCK;
	alloc.block_max = 3000;
	fakes[0].skip = 2;
	takers[0].tag = start();
	for (size_t i = 0; i < ARRAY_N(takers); i++) {
		takers[i] = (struct taker){ .tag = takers[0].tag, .got = got[i] };
		ck_assert_int_eq(pthread_create(&takers[i].thread, NULL, taker_main, &takers[i]), 0);
	}
	for (int i = 0; i < 20; i++) {
		usleep(10000);
		fakes[i & 1].mood = i % 3 == 0 ? DEAD : i % 3 == 1 ? UNWELL : WELL;
	}
	fakes[0].mood = fakes[1].mood = WELL;
	for (size_t i = 0; i < ARRAY_N(takers); i++)
		pthread_join(takers[i].thread, NULL);
	for (size_t i = 0; i < ARRAY_N(takers); i++) {
		for (size_t k = 0; k < takers[i].n; k++) {
			ck_assert_uint_lt(got[i][k], ARRAY_N(seen));
			ck_assert(!seen[got[i][k]]);
			seen[got[i][k]] = true;
		}
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("ids");
	TCase *tc = tcase_create("ids");
	SRunner *r;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_block_gives_one_run);
	tcase_add_test(tc, a_take_never_waits_and_ids_are_there_ahead);
	tcase_add_test(tc, single_ids_with_gaps_make_a_range_of_runs);
	tcase_add_test(tc, ids_of_a_pair_come_in_rising_order);
	tcase_add_test(tc, a_source_of_short_runs_still_serves_many_rows);
	tcase_add_test(tc, one_endpoint_dead_the_other_serves);
	tcase_add_test(tc, both_dead_held_ids_serve_then_it_fails_fast_then_recovers);
	tcase_add_test(tc, a_tag_that_failed_with_ids_left_is_filled_again);
	tcase_add_test(tc, a_tag_that_is_refused_holds_back_no_other);
	tcase_add_test(tc, a_wait_ends_at_its_deadline_also_while_a_grab_hangs);
	tcase_add_test(tc, a_cancelled_wait_is_never_called);
	tcase_add_test(tc, stopping_ends_all_waits);
	tcase_add_loop_test(tc, no_lie_comes_out_of_blocks, 0, LIES_N);
	tcase_add_loop_test(tc, no_lie_comes_out_of_tickets, 0, LIES_N);
	tcase_add_test(tc, going_backwards_stops_the_endpoint_until_an_operator_says_otherwise);
	tcase_add_test(tc, unknown_allocators_and_odd_tags_are_refused);
	tcase_add_test(tc, no_allocators_is_fine);
	tcase_add_loop_test(tc, many_takers_and_a_moody_pair_never_share_an_id, 0, 2);
	suite_add_tcase(s, tc);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
