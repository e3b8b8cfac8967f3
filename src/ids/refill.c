/* refill.c - keeps ids ahead of need: when to fetch, how many, from which endpoint, and what to do when it fails.
 * For the tags of one allocator.
 * The control thread of the allocator; grabs block, and no lock is held meanwhile. */
#include "state.h"
#include "keyway/util/log.h"
#include <stdio.h>
#include <time.h>

#define LASTS_MIN_US 10000000ull  /* a fetch should last between ten seconds */
#define LASTS_MAX_US 600000000ull /* and ten minutes */
#define URGENT_FIRST 8		  /* single ids of the first trip while statements wait; then doubled */

void refill_poke(struct ids_tag *tag)
{
	struct allocator *a = tag->alloc;

	pthread_mutex_lock(&a->lock);
	if (list_empty(&tag->work))
		list_push_back(&a->work, &tag->work);
	tag->due_us = 0;
	pthread_cond_signal(&a->wake);
	pthread_mutex_unlock(&a->lock);
}

/* --- when and how many --- */

/* A filling begins: the size follows the rate, the mark follows rate and the slowest grab. Under tag.lock. */
static void adapt(struct ids_tag *t, uint64_t now_us, uint64_t slowest_us)
{
	const struct alloc_conf *c = &t->alloc->conf;
	uint64_t since = now_us - t->rate_since_us;
	double rate, need;

	if (t->filled_us) {
		if (now_us - t->filled_us < LASTS_MIN_US)
			t->block = MIN(t->block * 2, (uint64_t)c->block_max);
		else if (now_us - t->filled_us > LASTS_MAX_US)
			t->block = MAX(t->block / 2, (uint64_t)c->block_min);
		rate = (double)(t->taken - t->rate_taken) * 1e6 / (double)MAX(since, 1u);
		t->rate = t->rate > 0 ? (t->rate + rate) / 2 : rate;
	}
	t->filled_us = now_us;
	t->rate_taken = t->taken;
	t->rate_since_us = now_us;
	need = t->rate * (double)slowest_us * 4 / 1e6;
	if (need > (double)t->block / 2)
		t->block = need * 2 < (double)c->block_max ? (uint64_t)(need * 2) : c->block_max;
	t->low = MAX(t->block / 2, 1u);
}

/* How many ids to ask for now; 0: the tag has enough. @urgent: statements wait, or none is left. */
static uint32_t plan(struct ids_tag *t, bool *urgent)
{
	struct allocator *a = t->alloc;
	uint64_t sum, largest, slowest = 0, want, full;
	bool single = a->conf.single;

	wait_wants(t, &sum, &largest);
	pthread_mutex_lock(&a->lock);
	for (size_t i = 0; i < a->conf.ep_n; i++)
		slowest = MAX(slowest, endpoint_slowest_us(&a->ep[i]));
	pthread_mutex_unlock(&a->lock);
	pthread_mutex_lock(&t->lock);
	if (!t->filling && (t->held < t->low || sum)) {
		t->filling = true;
		adapt(t, clock_mono_us(), slowest);
	}
	full = single ? MIN(t->block + sum, 2 * (uint64_t)a->conf.block_max) : t->low;
	*urgent = sum || !t->held;
	if (t->held >= full && !(sum && !single))
		t->filling = false;
	/* it leaves the work list, and those who take from it poke it only when it is not failing */
	if (!t->filling)
		t->failing = false;
	if (!t->filling || !*urgent)
		t->urgent_trips = 0;
	if (!t->filling)
		want = 0;
	else if (!single)
		want = MAX(t->block, largest);
	else
		want = full - t->held;
	/* a short first trip lets the first statements go on soon, longer ones keep up when more and more come */
	if (single && want && *urgent)
		want = MIN(want, MAX(sum, (uint64_t)URGENT_FIRST << MIN(t->urgent_trips++, 10u)));
	pthread_mutex_unlock(&t->lock);
	return (uint32_t)MIN(want, (uint64_t)UINT32_MAX);
}

/* --- from which endpoint --- */

/* Endpoints take turns, so that a pair stays level and a wrong second one is noticed early. One that failed is tried
 * when its time has come, but not while statements wait and another is well. -1: none now; @next_us says when. */
static int choose(struct ids_tag *t, bool urgent, uint64_t *next_us)
{
	struct allocator *a = t->alloc;
	uint64_t now = clock_mono_us();
	int well = -1, ill = -1, ep;

	*next_us = NEVER;
	pthread_mutex_lock(&a->lock);
	for (size_t i = 0; i < a->conf.ep_n; i++) {
		size_t e = (t->next_ep + i) % a->conf.ep_n;
		uint64_t ready = MAX(a->ep[e].backoff.next_us, t->at[e].next_us);

		if (a->ep[e].state == IDS_STOPPED)
			continue;
		if (ready > now)
			*next_us = MIN(*next_us, ready);
		else if (!a->ep[e].backoff.fails && !t->at[e].fails)
			well = well < 0 ? (int)e : well;
		else
			ill = ill < 0 ? (int)e : ill;
	}
	pthread_mutex_unlock(&a->lock);
	ep = well < 0 || (ill >= 0 && !urgent) ? ill : well;
	if (ep >= 0)
		t->next_ep = (size_t)ep + 1;
	return ep;
}

static void back_off(struct allocator *a, struct backoff *b)
{
	uint64_t delay = MIN((uint64_t)BACKOFF_MIN_US << MIN(b->fails, 10u), (uint64_t)BACKOFF_MAX_US);

	b->fails++;
	b->next_us = clock_mono_us() + delay / 2 + allocator_random(a) % (delay / 2);
}

/* --- the outcome of a grab --- */

struct outcome {
	enum grab_result result;
	uint64_t ids;
	uint64_t took_us;
	const char *why;
};

static void wake_all(struct allocator *a)
{
	list_for_each (it, &a->work)
		list_item(it, struct ids_tag, work)->due_us = 0;
}

/* Under allocator.lock. */
static void record_good(struct allocator *a, struct ids_tag *t, size_t ep)
{
	struct endpoint *e = &a->ep[ep];

	if (e->bad_row)
		log_info("ids: allocator '%s' at %s gives ids again", a->conf.name, a->conf.ep[ep].name);
	if (e->backoff.fails)
		wake_all(a);
	e->state = IDS_UP;
	e->bad_row = 0;
	memset(&e->backoff, 0, sizeof(e->backoff));
	memset(&t->at[ep], 0, sizeof(t->at[ep]));
	t->refused[ep] = false;
}

/* Under allocator.lock. What one tag cannot get does not hold back the others; an endpoint that does not answer does.
 */
static void record_bad(struct allocator *a, struct ids_tag *t, size_t ep, const struct outcome *o)
{
	struct endpoint *e = &a->ep[ep];
	bool lies = o->result == GRAB_MALFORMED || o->result == GRAB_BACKWARDS;
	bool alarm = lies || (o->result == GRAB_REFUSED && !t->refused[ep]);

	e->bad_row++;
	snprintf(e->last_error, sizeof(e->last_error), "%s", o->why);
	if (lies)
		e->bad_answers++;
	else
		e->failures++;
	back_off(a, o->result == GRAB_RETRY ? &e->backoff : &t->at[ep]);
	t->refused[ep] = o->result == GRAB_REFUSED;
	e->state = o->result == GRAB_BACKWARDS ? IDS_STOPPED : e->bad_row >= DOWN_AFTER ? IDS_DOWN : IDS_SHAKY;
	if (o->result == GRAB_BACKWARDS)
		log_error(
			"ids: allocator '%s' at %s, tag '%s': %s; it is stopped: put its counter above all ids in use, "
			"then RESET KEYWAY ALLOCATOR %s, or restart Keyway",
			a->conf.name, a->conf.ep[ep].name, t->name, o->why, a->conf.name);
	else if (alarm)
		log_error("ids: allocator '%s' at %s, tag '%s': answer refused: %s", a->conf.name, a->conf.ep[ep].name,
			t->name, o->why);
	else if (e->bad_row == 1 || e->bad_row == DOWN_AFTER)
		log_warn("ids: allocator '%s' at %s, tag '%s': %s%s", a->conf.name, a->conf.ep[ep].name, t->name,
			o->why, e->bad_row == 1 ? "" : "; it counts as down now and is tried again");
}

/* No endpoint is any good for this tag: statements fail at once. Under allocator.lock. */
static bool is_failing(const struct allocator *a, const struct ids_tag *t)
{
	for (size_t i = 0; i < a->conf.ep_n; i++) {
		if (a->ep[i].state != IDS_STOPPED && a->ep[i].backoff.fails < DOWN_AFTER &&
			t->at[i].fails < DOWN_AFTER && !t->refused[i])
			return false;
	}
	return true;
}

/* Other tags may have found out about the endpoints as well as this one. */
static void judge(struct ids_tag *t)
{
	bool failing;
	uint64_t when;

	pthread_mutex_lock(&t->alloc->lock);
	failing = is_failing(t->alloc, t) || !marks_ready(t->alloc, &when);
	pthread_mutex_unlock(&t->alloc->lock);
	pthread_mutex_lock(&t->lock);
	t->failing = failing;
	pthread_mutex_unlock(&t->lock);
}

static void record(struct ids_tag *t, size_t ep, const struct outcome *o)
{
	struct allocator *a = t->alloc;
	struct endpoint *e = &a->ep[ep];

	pthread_mutex_lock(&a->lock);
	e->times_us[e->time_n++ % TIMES_N] = o->took_us;
	if (o->ids) {
		e->grabs++;
		e->ids += o->ids;
	}
	if (o->result == GRAB_OK)
		record_good(a, t, ep);
	else
		record_bad(a, t, ep, o);
	pthread_mutex_unlock(&a->lock);
	if (o->result == GRAB_OK)
		return;
	pthread_mutex_lock(&t->lock);
	snprintf(t->last_error, sizeof(t->last_error), "%.60s: %.130s", a->conf.ep[ep].name, o->why);
	pthread_mutex_unlock(&t->lock);
}

/* Sources that give runs show by their answers how long these can be. Under tag.lock. */
static void learn_run(struct ids_tag *t, uint64_t given, uint32_t want)
{
	if (given < want)
		t->run_max = given;
	else if (t->run_max != UINT64_MAX)
		t->run_max = MAX(t->run_max, given);
}

/* Of what the endpoint gave, what breaks no rule stays. */
static void check(struct ids_tag *t, size_t ep, uint64_t mark, struct id_grab *g, struct outcome *o)
{
	struct allocator *a = t->alloc;
	char why[WHY_MAX];

	for (size_t i = 0; i < g->run_n; i++) {
		enum guard_verdict v = guard_check(&t->guard, ep, mark, &g->run[i], why, sizeof(why));

		if (v != GUARD_GOOD) {
			memcpy(g->why, why, sizeof(why));
			o->result = v == GUARD_BACKWARDS ? GRAB_BACKWARDS : GRAB_MALFORMED;
			g->run_n = i;
			return;
		}
		/* on one connection answers come in the order in which they were made */
		if (a->conf.kind == IDS_MYSQL)
			mark = MAX(mark, guard_mark(&t->guard, ep));
	}
}

/* Puts what is left on record, and takes out what is there already. */
static void claim(struct ids_tag *t, size_t ep, struct id_grab *g, struct outcome *o)
{
	struct allocator *a = t->alloc;
	char why[WHY_MAX] = "";
	struct outcome lie = { .result = GRAB_BACKWARDS, .why = why };
	size_t liar = ep;

	switch (marks_claim(a, t, ep, g->run, &g->run_n, &liar, why, sizeof(why))) {
	case MARKS_GOOD: return;
	case MARKS_LIE:
		if (liar != ep) {
			record(t, liar, &lie);
			return;
		}
		memcpy(g->why, why, sizeof(why));
		o->result = GRAB_BACKWARDS;
		g->run_n = 0;
		return;
	case MARKS_LOST:
		log_warn("ids: allocator '%s', tag '%s': %s", a->conf.name, t->name, why);
		pthread_mutex_lock(&t->lock);
		memcpy(t->last_error, why, sizeof(t->last_error));
		pthread_mutex_unlock(&t->lock);
		return;
	case MARKS_TAKEN: break;
	}
	if (o->result == GRAB_BACKWARDS)
		return;
	memcpy(g->why, why, sizeof(why));
	o->result = GRAB_MALFORMED;
}

static void fetch(struct ids_tag *t, size_t ep, uint32_t want)
{
	struct allocator *a = t->alloc;
	struct id_grab g = { .tag = t->name, .want = want };
	uint64_t mark, start = clock_mono_us();
	struct outcome o = { .why = g.why };

	marks_load(a, t);
	/* doors of one service rise each by itself, and what is on record does not tell the doors apart */
	mark = a->conf.shared ? 0 : t->marks.high[ep];
	mark = MAX(mark, guard_mark(&t->guard, ep));
	g.high = mark;
	o.result = a->ep[ep].source->grab(a->ep[ep].source, &g);
	if (o.result == GRAB_OK && !g.run_n) {
		o.result = GRAB_MALFORMED;
		snprintf(g.why, sizeof(g.why), "answered without an id");
	}
	check(t, ep, mark, &g, &o);
	if (g.run_n)
		claim(t, ep, &g, &o);
	o.took_us = clock_mono_us() - start;
	for (size_t i = 0; i < g.run_n; i++)
		o.ids += g.run[i].n;
	pthread_mutex_lock(&t->lock);
	for (size_t i = 0; i < g.run_n; i++)
		tag_add(t, g.run[i].first, g.run[i].n, a->conf.ep[ep].step);
	for (size_t i = 0; i < a->conf.ep_n; i++)
		t->high[i] = MAX(t->marks.high[i], guard_mark(&t->guard, i));
	if (g.run_n == 1 && !a->conf.single)
		learn_run(t, g.run[0].n, want);
	pthread_mutex_unlock(&t->lock);
	record(t, ep, &o);
}

/* --- the thread --- */

/* One look at a tag. Returns when the next one is due, or NEVER. */
static uint64_t handle(struct ids_tag *t)
{
	uint64_t next_us;
	bool urgent;
	uint32_t want;
	int ep;

	pthread_mutex_lock(&t->lock);
	t->poked = false;
	pthread_mutex_unlock(&t->lock);
	wait_serve(t);
	want = plan(t, &urgent);
	if (!want)
		return NEVER;
	ep = marks_ready(t->alloc, &next_us) ? choose(t, urgent, &next_us) : -1;
	if (ep >= 0) {
		fetch(t, (size_t)ep, want);
		next_us = 0;
	}
	judge(t);
	wait_serve(t);
	return next_us;
}

/* Under allocator.lock, which it gives away while it waits. NULL: stop. */
static struct ids_tag *next_tag(struct allocator *a)
{
	while (!a->stop) {
		uint64_t now = clock_mono_us(), first = NEVER;
		struct timespec until;

		list_for_each (it, &a->work) {
			struct ids_tag *t = list_item(it, struct ids_tag, work);

			if (t->due_us <= now) {
				list_del(&t->work);
				return t;
			}
			first = MIN(first, t->due_us);
		}
		if (first == NEVER) {
			pthread_cond_wait(&a->wake, &a->lock);
			continue;
		}
		until.tv_sec = (time_t)(first / 1000000);
		until.tv_nsec = (long)(first % 1000000) * 1000;
		pthread_cond_timedwait(&a->wake, &a->lock, &until);
	}
	return NULL;
}

void *refill_main(void *arg)
{
	struct allocator *a = arg;
	struct ids_tag *t;
	uint64_t due;

	marks_probe(a);
	pthread_mutex_lock(&a->lock);
	while ((t = next_tag(a))) {
		pthread_mutex_unlock(&a->lock);
		due = handle(t);
		pthread_mutex_lock(&a->lock);
		if (due == NEVER || !list_empty(&t->work))
			continue;
		t->due_us = due;
		list_push_back(&a->work, &t->work);
	}
	pthread_mutex_unlock(&a->lock);
	return NULL;
}
