/* hold.c - statements that wait, since their shard has no server to go to now: a bounded queue for each shard, one
 * deadline, and then they start again as if they had just come. Worker thread; the gauges any thread.
 *
 * A run that is held has nothing on any server: no connection, no transaction begun. It goes on when the routes change,
 * or when a check that began after it was held finds its server good.
 */
#include "reads.h"
#include "keyway/exec/hold.h"
#include <stdio.h>
#include <stdlib.h>

#define HOLD_TICK_US   50000
#define HOLD_UNSURE_US 1000000 /* a server that answers, but whose check proves nothing: tried again after this */

/* --- gauges --- */

const struct hold_gauge *hold_gauges(const struct process *p)
{
	return atomic_load(&((struct process *)(uintptr_t)p)->holds);
}

const struct hold_gauge *hold_gauge_find(const struct process *p, const char *keyspace, const char *shard)
{
	const struct hold_gauge *g = hold_gauges(p);

	while (g && (strcmp(g->keyspace, keyspace) != 0 || strcmp(g->shard, shard) != 0))
		g = g->next;
	return g;
}

static struct hold_gauge *gauge_get(struct process *p, const char *keyspace, const char *shard)
{
	struct hold_gauge *head = atomic_load(&p->holds), *made = NULL, *g;

	for (;;) {
		g = (struct hold_gauge *)(uintptr_t)hold_gauge_find(p, keyspace, shard);
		if (g) {
			if (made) {
				/* another worker was faster */
				free(made->keyspace);
				free(made->shard);
				free(made);
			}
			return g;
		}
		if (!made) {
			made = xcalloc(1, sizeof(*made));
			made->keyspace = xstrdup(keyspace);
			made->shard = xstrdup(shard);
		}
		/* an unchanged head: nobody has added it since we looked */
		made->next = head;
		if (atomic_compare_exchange_strong(&p->holds, &head, made))
			return made;
	}
}

void hold_gauges_free(struct process *p)
{
	struct hold_gauge *g = atomic_exchange(&p->holds, NULL);

	while (g) {
		struct hold_gauge *next = g->next;

		free(g->keyspace);
		free(g->shard);
		free(g);
		g = next;
	}
}

/* --- who may wait --- */

bool err_is_read_only(const struct err *e)
{
	/* 1290 is said of other options too */
	return (e->errno_ == ER_OPTION_PREVENTS_STATEMENT && strstr(e->msg, "read-only")) || e->errno_ == 1836;
}

/* Inside a transaction, on to a shard or side that it has not touched, and whose traffic an operator is just moving:
 * that takes a moment, and ends in a server being there. */
static bool waits_in_txn(const struct run *r)
{
	const struct shard_route *sr = r->n_legs == 1 && !r->legs[0].was_part ? leg_shard(&r->legs[0]) : NULL;

	return sr && (sr->hold == HOLD_DRAINING || sr->hold == HOLD_RETURNING);
}

bool hold_may(const struct run *r)
{
	const struct session *s = r->s;

	if ((s->n_parts && !waits_in_txn(r)) || s->pins || s->txn == TXN_FAILED || s->closing || r->replied ||
		r->rows_begun || r->infile || r->torn || r->state != RUN_ACQUIRE)
		return false;
	for (uint32_t i = 0; i < r->n_legs; i++) {
		if (r->legs[i].state == LEG_SENT || r->legs[i].state == LEG_DONE)
			return false;
	}
	return true;
}

/* --- into the queue, out of it --- */

static void hold_tick_by(struct worker *w, uint64_t at_us)
{
	if (!w->hold_tick.deadline_us || w->hold_tick.deadline_us > at_us)
		loop_timer_set(w->loop, &w->hold_tick, at_us);
}

static void say_late(const struct run *r, const struct leg *l, const struct err *why, uint64_t now, struct err *out)
{
	const struct shard_route *sr = leg_shard(l);
	const char *hold = sr && !l->pool ? verdict_hold_name[sr->hold] : "its server cannot be reached";
	char cause[200];

	/* the server's own words, without its name said twice */
	snprintf(cause, sizeof(cause), "%s", why && why->kind ? why->msg : "");
	err_set(out, ERR_TIMEOUT, ER_LOCK_WAIT_TIMEOUT,
		"shard %s has had no server for this statement for %llu ms, longer than failover.wait (%s%s%s): "
		"nothing "
		"was done; bring its server back or name another in the map, then repeat it",
		l->shard_name ? l->shard_name : "?", (unsigned long long)((now - r->wait_us) / 1000), hold,
		cause[0] ? "; last: " : "", cause);
}

static bool queue_enter(struct run *r, const struct leg *l, uint64_t now, struct err *err)
{
	struct worker *w = r->w;
	struct hold_gauge *g = gauge_get(w->process, l->ks, l->shard_name ? l->shard_name : "?");
	uint32_t most = w->cfg->hold_max, n = atomic_fetch_add(&g->held, 1);

	if (n >= most) {
		atomic_fetch_sub(&g->held, 1);
		atomic_fetch_add(&g->too_many, 1);
		err_set(err, ERR_LIMIT, ER_LOCK_WAIT_TIMEOUT,
			"shard %s has no server for this statement now, and %u statements wait already "
			"(failover.queue_max): nothing was done; repeat it later",
			g->shard, most);
		return false;
	}
	if (n == 0)
		atomic_store(&g->since_us, now);
	atomic_fetch_add(&g->total, 1);
	r->gauge = g;
	return true;
}

/* True: it waits. False: @err, filled in with why it cannot, or not any longer, is to be told. */
static bool hold_enter(struct run *r, struct leg *l, const struct err *why, struct err *err)
{
	struct worker *w = r->w;
	uint64_t now = loop_now_us(w->loop);

	if (!r->wait_us)
		r->wait_us = now;
	if (now - r->wait_us >= w->cfg->hold_wait_us) {
		atomic_fetch_add(&gauge_get(w->process, l->ks, l->shard_name ? l->shard_name : "?")->too_late, 1);
		say_late(r, l, why, now, err);
		return false;
	}
	if (!queue_enter(r, l, now, err))
		return false;
	run_keep(r);
	r->held_leg = (uint32_t)(l - r->legs);
	r->held_us = clock_mono_us();
	if (why)
		r->err = *why;
	for (uint32_t i = 0; i < r->n_legs; i++) {
		struct leg *o = &r->legs[i];

		/* the others' servers are not in question */
		o->held_from = o == l ? l->pool : NULL;
		leg_park(o);
	}
	buf_clear(&r->raw_err);
	run_goto(r, RUN_HELD);
	list_push_back(&w->held, &r->hold_link);
	hold_tick_by(w, now + HOLD_TICK_US);
	return true;
}

bool hold_leg(struct leg *l, const struct err *why, struct err *err)
{
	return hold_may(l->run) && hold_enter(l->run, l, why, err);
}

/* Out of the queue: it goes on, ends, or is gone. */
void hold_forget(struct run *r)
{
	if (!r->gauge)
		return;
	list_del(&r->hold_link);
	if (atomic_fetch_sub(&r->gauge->held, 1) == 1)
		atomic_store(&r->gauge->since_us, 0);
	r->gauge = NULL;
}

/* --- refused as read-only --- */

static bool in_txn(const struct session *s)
{
	return s->txn == TXN_OPEN || s->settings->autocommit_off;
}

/* All that the statement did on any server is undone when its connections are reset. */
static bool undone_by_reset(const struct run *r)
{
	if (r->n_legs == 1)
		return true; /* it was refused, and perhaps a BEGIN before it taken */
	for (uint32_t i = 0; i < r->n_legs; i++) {
		if (!r->legs[i].implicit || !r->legs[i].c)
			return false;
	}
	return true;
}

bool hold_refused(struct run *r)
{
	struct session *s = r->s;
	struct leg *bad = NULL;
	struct err why, err;

	for (uint32_t i = 0; i < r->n_legs; i++) {
		if (!err_is_read_only(&r->legs[i].err))
			continue;
		bad = &r->legs[i];
		if (bad->pool)
			server_suspect(pool_server(bad->pool));
	}
	if (!bad || s->pins || r->replied || r->passed || r->answer == ANSWER_HELD || !r->plan ||
		(r->plan->flags & PLAN_CALLS))
		return false;
	why = bad->err;
	if (!r->kept && !in_txn(s)) {
		err_set(&bad->err, ERR_BACKEND, ER_LOCK_WAIT_TIMEOUT,
			"the statement was refused, and is too long to be kept for a second try (%u KiB): nothing was "
			"done; repeat it (%.200s)",
			HOLD_KEEP_BYTES / 1024, why.msg);
		buf_clear(&r->raw_err);
		return false;
	}
	if (r->kept && s->n_parts == 0 && r->state == RUN_MAIN && undone_by_reset(r) &&
		!(r->n_legs > 1 && (r->plan->flags & PLAN_DDL))) {
		if (hold_enter(r, bad, &why, &err))
			return true;
		bad->err = err;
		buf_clear(&r->raw_err);
		if (!in_txn(s))
			return false;
	}
	if (!in_txn(s))
		return false;
	txn_undo(r);
	err_set(&err, ERR_BACKEND, ER_LOCK_DEADLOCK,
		"the transaction was rolled back, since a server that it wrote to has become read-only (%.250s); start "
		"it again",
		why.msg);
	run_fail(r, &err);
	return true;
}

/* --- going on --- */

/* Has the leg's server a chance now? */
static bool leg_has_server(const struct run *r, struct leg *l, uint64_t now)
{
	const struct shard_route *sr = leg_shard(l);
	const struct server_health *h;
	struct pool *p;

	if (!sr || (l->reads && sr->n_replicas))
		return true; /* starting again finds out */
	p = leg_pool_now(l);
	if (!p)
		return !sr->hold;
	h = &pool_server(p)->health;
	switch (atomic_load(&h->state)) {
	case SERVER_DOWN: return false;
	case SERVER_UP: break;
	default: return now - r->held_us > 4 * HOLD_TICK_US;
	}
	if (p != l->held_from)
		return true; /* a server that was not in question, or is the one now */
	if (atomic_load(&h->proven_us) > r->held_us)
		return atomic_load(&h->writable) != SERVER_READ_ONLY;
	return now - r->held_us > HOLD_UNSURE_US;
}

static bool run_has_servers(struct run *r, uint64_t now)
{
	for (uint32_t i = 0; i < r->n_legs; i++) {
		if (!leg_has_server(r, &r->legs[i], now))
			return false;
	}
	return true;
}

/* Its plan was made for a map of the past: made again. What only a session's own statement asks goes to the same shard,
 * if there is one. */
static bool must_plan_again(const struct run *r)
{
	return r->plan && r->plan->kind != PLAN_SESSION && !worker_keyspace(r->w, r->plan->ks);
}

static void run_resume(struct run *r)
{
	hold_forget(r);
	r->err.kind = 0;
	if (must_plan_again(r)) {
		if (r->has_ids) {
			ids_range_free(&r->ids);
			r->has_ids = false;
		}
		run_release_legs(r);
		run_goto(r, RUN_BEGIN);
		run_statement(r);
		return;
	}
	r->n_open = r->n_legs;
	for (uint32_t i = 0; i < r->n_legs; i++) {
		leg_reroute(&r->legs[i]);
		if (r->legs[i].reads)
			reads_resume(&r->legs[i]);
		r->legs[i].held_from = NULL;
	}
	run_goto(r, RUN_ACQUIRE);
	run_start(r);
}

static void run_too_late(struct run *r)
{
	struct leg *l = &r->legs[r->held_leg];
	struct err why = r->err, err;

	atomic_fetch_add(&r->gauge->too_late, 1);
	hold_forget(r);
	l->pool = leg_pool_now(l);
	say_late(r, l, &why, loop_now_us(r->w->loop), &err);
	r->err.kind = 0;
	r->n_open = r->n_legs;
	run_goto(r, RUN_ACQUIRE);
	leg_fail(l, &err);
}

static void hold_look(struct worker *w)
{
	uint64_t now = clock_mono_us();
	struct list later;

	/* those that go on may be held again at once: each is looked at once */
	list_init(&later);
	while (!list_empty(&w->held)) {
		struct run *r = list_first(&w->held, struct run, hold_link);

		list_del(&r->hold_link);
		list_push_back(&later, &r->hold_link);
		if (loop_now_us(w->loop) - r->wait_us >= w->cfg->hold_wait_us)
			r->hold_turn = HOLD_TURN_LATE;
		else if (run_has_servers(r, now))
			r->hold_turn = HOLD_TURN_GO;
		else
			r->hold_turn = HOLD_TURN_STAY;
	}
	while (!list_empty(&later)) {
		struct run *r = list_first(&later, struct run, hold_link);

		list_del(&r->hold_link);
		list_push_back(&w->held, &r->hold_link);
		if (r->hold_turn == HOLD_TURN_LATE)
			run_too_late(r);
		else if (r->hold_turn == HOLD_TURN_GO)
			run_resume(r);
	}
}

/* The next leg that has waited before, and waits for a connection to a server that takes none, for longer than all of
 * that may last. *@more: there are some whose time has not come. */
static struct leg *next_overdue(struct worker *w, bool *more)
{
	list_for_each (it, &w->leasing) {
		struct leg *l = list_item(it, struct leg, wait_link);

		if (!l->run->wait_us || !atomic_load(&pool_server(l->pool)->failures))
			continue;
		if (loop_now_us(w->loop) - l->run->wait_us >= w->cfg->hold_wait_us)
			return l;
		*more = true;
	}
	return NULL;
}

static bool leasing_look(struct worker *w)
{
	bool more = false;
	struct leg *l;
	struct err err;

	while ((l = next_overdue(w, &more)) != NULL) {
		atomic_fetch_add(&gauge_get(w->process, l->ks, l->shard_name ? l->shard_name : "?")->too_late, 1);
		say_late(l->run, l, NULL, loop_now_us(w->loop), &err);
		leg_fail(l, &err);
	}
	return more;
}

/* --- servers that hang --- */

static void hung_conn(struct bconn *c, void *arg)
{
	struct worker *w = arg;
	uint64_t down_us = atomic_load(&pool_server(c->pool)->health.down_us);
	bool over = down_us && clock_mono_us() - down_us > w->cfg->hold_wait_us;

	if (c->ops == &leg_ops) {
		const struct leg *l = c->holder;

		if (!over && l->state >= LEG_SENT && !leg_may_retry(l))
			return; /* a write whose answer may still come; one that reads on */
	} else if (c->ops == &part_ops) {
		const struct session *s = c->holder;

		if (!over && s->pins)
			return;
	} else {
		return;
	}
	bconn_give_up(c);
}

/* What is under way on servers that are down. True: there is more to come. */
static bool hung_look(struct worker *w)
{
	bool more = false;

	for (uint32_t i = 0; i < w->n_pools; i++) {
		struct pool *p = w->pools[i];
		struct pool_stats st;

		if (atomic_load_explicit(&pool_server(p)->health.state, memory_order_relaxed) != SERVER_DOWN)
			continue;
		pool_stats(p, &st);
		if (!st.leased)
			continue;
		more = true;
		pool_each_leased(p, hung_conn, w);
	}
	return more;
}

/* --- when to look --- */

static void hold_on_tick(struct wheel_timer *t, uint64_t now_us)
{
	struct worker *w = container_of(t, struct worker, hold_tick);
	bool again;

	hold_look(w);
	again = leasing_look(w);
	again = hung_look(w) || again;
	if (again || !list_empty(&w->held))
		hold_tick_by(w, now_us + HOLD_TICK_US);
}

static void hold_on_wake(struct loop_task *t)
{
	struct worker *w = container_of(t, struct worker, hold_wake);

	hold_on_tick(&w->hold_tick, loop_now_us(w->loop));
}

void hold_init(struct worker *w)
{
	list_init(&w->held);
	list_init(&w->leasing);
	wheel_timer_init(&w->hold_tick, hold_on_tick);
	loop_task_init(&w->hold_wake, hold_on_wake);
}

void hold_end(struct worker *w)
{
	loop_timer_clear(w->loop, &w->hold_tick);
	loop_unpost(&w->hold_wake);
}

/* The next leg that waits for a connection to a server which its statement should not go to any more. */
static struct leg *next_astray(struct worker *w)
{
	list_for_each (it, &w->leasing) {
		struct leg *l = list_item(it, struct leg, wait_link);

		if (!l->replica && l->pool != leg_pool_now(l) && hold_may(l->run))
			return l;
	}
	return NULL;
}

void hold_routes_changed(struct worker *w)
{
	struct leg *l;
	struct err err;

	while ((l = next_astray(w)) != NULL) {
		if (!hold_leg(l, NULL, &err))
			leg_fail(l, &err);
	}
	loop_post(w->loop, &w->hold_wake);
}
