/* pool.c - connections to one server, for one worker; worker thread. The bound over all workers is an atomic in struct
 * server; a worker that is kept from connecting by it says so there, and the others then close rather than keep. */
#include "bconn_internal.h"
#include "keyway/util/log.h"
#include <stdio.h>
#include <stdlib.h>

#define POOL_TICK_US   50000  /* while leases wait */
#define IDLE_TICK_US   100000 /* while connections idle: to close old ones, and those that other workers lack */
#define BACKOFF_MIN_US 50000
#define BACKOFF_MAX_US 2000000

static void pool_serve(struct loop_task *t);
static void pool_on_tick(struct wheel_timer *t, uint64_t now_us);

struct pool *pool_new(
	struct loop *loop, struct settings_table *settings, struct server *server, const struct pool_config *cfg)
{
	struct pool *p = xcalloc(1, sizeof(*p));

	p->loop = loop;
	p->settings = settings;
	p->server = server_ref(server);
	p->cfg = cfg;
	list_init(&p->idle);
	list_init(&p->leased);
	list_init(&p->opening);
	list_init(&p->waiting);
	wheel_timer_init(&p->tick, pool_on_tick);
	loop_task_init(&p->serve, pool_serve);
	return p;
}

struct server *pool_server(struct pool *p)
{
	return p->server;
}

void pool_reconfigure(struct pool *p, const struct pool_config *cfg)
{
	p->cfg = cfg;
}

static void pool_set_starving(struct pool *p, bool on)
{
	if (p->starving == on)
		return;
	p->starving = on;
	if (on)
		atomic_fetch_add(&p->server->starving, 1);
	else
		atomic_fetch_sub(&p->server->starving, 1);
}

static void add_to(atomic_uint_fast64_t *sum, uint64_t n)
{
	if (n)
		atomic_fetch_add_explicit(sum, n, memory_order_relaxed);
}

/* What this worker has counted, to where all workers' counts are. */
static void pool_add_counts(struct pool *p)
{
	struct server_health *h = &p->server->health;

	add_to(&h->queries, p->statements);
	add_to(&h->errors, p->errors);
	add_to(&h->bytes, p->bytes_sent + p->bytes_got);
	if (p->zone) {
		add_to(&p->zone->statements, p->statements);
		add_to(&p->zone->bytes_sent, p->bytes_sent);
		add_to(&p->zone->bytes_got, p->bytes_got);
	}
	p->statements = p->errors = p->bytes_sent = p->bytes_got = 0;
}

void pool_count_in(struct pool *p, struct zone_pair *zone)
{
	if (p->zone && p->zone != zone)
		pool_add_counts(p);
	p->zone = zone;
}

static void pool_try_free(struct pool *p)
{
	if (!p->retired || p->n_idle || p->n_leased || p->n_opening || p->n_waiting || p->n_closing)
		return;
	pool_set_starving(p, false);
	pool_add_counts(p);
	loop_timer_clear(p->loop, &p->tick);
	loop_unpost(&p->serve);
	server_unref(p->server);
	free(p);
}

/* Looks at the pool at @at_us at the latest. */
static void pool_tick_by(struct pool *p, uint64_t at_us)
{
	if (!p->tick.deadline_us || p->tick.deadline_us > at_us)
		loop_timer_set(p->loop, &p->tick, at_us);
}

/* The connection leaves the lists and the counts; its memory goes from the loop. */
static void pool_drop(struct bconn *c)
{
	struct pool *p = c->pool;

	atomic_fetch_sub(&p->server->conns, 1);
	p->n_closing++;
	bconn_close(c);
	if (p->n_waiting && !p->retired)
		loop_post(p->loop, &p->serve);
}

void pool_conn_freed(struct bconn *c)
{
	struct pool *p = c->pool;

	p->n_closing--;
	bconn_free(c);
	pool_try_free(p);
}

/* --- opening --- */

static bool pool_may_connect(struct pool *p)
{
	struct server *s = p->server;
	uint64_t now = loop_now_us(p->loop), next = atomic_load(&s->next_connect_us);
	unsigned n = atomic_load(&s->conns);

	if (now < next)
		return false;
	do {
		if (n >= p->cfg->max_conns) {
			pool_set_starving(p, true);
			return false;
		}
	} while (!atomic_compare_exchange_weak(&s->conns, &n, n + 1));
	pool_set_starving(p, false);
	if (p->cfg->connects_per_second)
		atomic_store(&s->next_connect_us, now + 1000000 / p->cfg->connects_per_second);
	return true;
}

static void pool_open_one(struct pool *p, bool found_rows)
{
	struct bconn *c;
	int rc;

	if (!pool_may_connect(p))
		return;
	c = bconn_new(p, found_rows);
	list_push_back(&p->opening, &c->link);
	p->n_opening++;
	rc = bconn_connect(c);
	if (rc < 0)
		bconn_fail(c, ER_NET_READ_ERROR, "cannot connect: %s", strerror(-rc));
}

static bool conn_fits(const struct bconn *c, struct lease_want want)
{
	return c->found_rows == want.found_rows && !(want.no_database && c->db);
}

/* Closes an idle connection that does not fit, so that one that is waited for can be opened. */
static void pool_make_room(struct pool *p, struct lease_want want)
{
	list_for_each (it, &p->idle) {
		struct bconn *c = list_item(it, struct bconn, link);

		if (!conn_fits(c, want)) {
			pool_close(c);
			return;
		}
	}
}

static void pool_open_for_waiters(struct pool *p)
{
	uint32_t wanted = p->n_waiting;
	bool room_made = false;

	list_for_each (it, &p->waiting) {
		struct lease *l = list_item(it, struct lease, link);

		if (p->n_opening >= wanted)
			break;
		if (p->n_idle && !room_made && atomic_load(&p->server->conns) >= p->cfg->max_conns) {
			room_made = true;
			pool_make_room(p, l->want);
		}
		pool_open_one(p, l->want.found_rows);
	}
	/* pacing, back-off or the bound may have kept some from being opened: look again soon */
	if (p->n_waiting)
		loop_timer_set(p->loop, &p->tick, loop_now_us(p->loop) + POOL_TICK_US);
}

/* --- leases --- */

static void lease_take_out(struct lease *l)
{
	struct pool *p = l->pool;

	list_del(&l->link);
	loop_timer_clear(p->loop, &l->deadline);
	l->pool = NULL;
	p->n_waiting--;
	if (p->n_waiting == 0)
		pool_set_starving(p, false);
}

static void lease_fail(struct lease *l, const struct err *err)
{
	lease_take_out(l);
	l->done(l, NULL, err);
}

static void lease_late(struct wheel_timer *t, uint64_t now_us)
{
	struct lease *l = container_of(t, struct lease, deadline);
	struct pool *p = l->pool;
	struct err err;

	(void)now_us;
	if (p->last_err.kind)
		err = p->last_err;
	else
		err_set(&err, ERR_TIMEOUT, ER_CON_COUNT_ERROR,
			"backend %s: no connection became free within %u ms (%u in use, backend.max_connections is "
			"%u): "
			"raise it, or send fewer statements at once",
			p->server->label, (unsigned)(p->cfg->queue_timeout_us / 1000), atomic_load(&p->server->conns),
			p->cfg->max_conns);
	lease_fail(l, &err);
}

static void pool_lend(struct pool *p, struct bconn *c)
{
	bconn_goto(c, BCONN_LEASED);
	list_push_back(&p->leased, &c->link);
	p->n_leased++;
}

struct bconn *pool_try(struct pool *p, struct lease_want want)
{
	if (UNLIKELY(!list_empty(&p->waiting)))
		return NULL; /* those came first */
	list_for_each (it, &p->idle) {
		struct bconn *c = list_item(it, struct bconn, link);

		if (LIKELY(conn_fits(c, want))) {
			list_del(&c->link);
			p->n_idle--;
			pool_lend(p, c);
			return c;
		}
	}
	return NULL;
}

void pool_lease(struct pool *p, struct lease *l, struct lease_want want, lease_done_fn *done)
{
	l->pool = p;
	l->done = done;
	l->want = want;
	wheel_timer_init(&l->deadline, lease_late);
	loop_timer_set(p->loop, &l->deadline,
		loop_now_us(p->loop) + (p->n_waiting >= p->cfg->queue_max ? 1 : p->cfg->queue_timeout_us));
	list_push_back(&p->waiting, &l->link);
	p->n_waiting++;
	loop_post(p->loop, &p->serve);
}

void lease_cancel(struct lease *l)
{
	if (l->pool)
		lease_take_out(l);
}

/* The server could not be reached and is not tried again yet: those go who can go elsewhere. False: there was none. */
static bool pool_send_away(struct pool *p)
{
	if (LIKELY(!p->last_err.kind) || loop_now_us(p->loop) >= atomic_load(&p->server->next_connect_us))
		return false;
	list_for_each (it, &p->waiting) {
		struct lease *l = list_item(it, struct lease, link);
		struct err why = p->last_err;

		if (!l->want.hasty)
			continue;
		lease_fail(l, &why);
		if (p->n_waiting)
			loop_post(p->loop, &p->serve);
		return true;
	}
	return false;
}

/* Gives idle connections to those who wait, and opens more. */
static void pool_serve(struct loop_task *t)
{
	struct pool *p = container_of(t, struct pool, serve);

	list_for_each_safe (it, &p->waiting) {
		struct lease *l = list_item(it, struct lease, link);
		struct bconn *c = NULL;

		list_for_each (jt, &p->idle) {
			struct bconn *i = list_item(jt, struct bconn, link);

			if (conn_fits(i, l->want)) {
				c = i;
				break;
			}
		}
		if (!c)
			continue;
		list_del(&c->link);
		p->n_idle--;
		pool_lend(p, c);
		lease_take_out(l);
		l->done(l, c, NULL);
		/* what done() did may have changed the list: begin again, from the loop */
		if (p->n_waiting)
			loop_post(p->loop, &p->serve);
		return;
	}
	if (pool_send_away(p))
		return;
	if (p->n_waiting)
		pool_open_for_waiters(p);
}

/* --- what connections report --- */

void pool_conn_ready(struct bconn *c)
{
	struct pool *p = c->pool;

	loop_timer_clear(p->loop, &c->timer);
	atomic_store(&p->server->failures, 0);
	p->last_err.kind = 0;
	list_del(&c->link);
	p->n_opening--;
	bconn_goto(c, BCONN_IDLE);
	c->idle_since_us = loop_now_us(p->loop);
	list_push_front(&p->idle, &c->link);
	p->n_idle++;
	if (p->retired) {
		pool_close(c);
		return;
	}
	if (p->n_waiting)
		loop_post(p->loop, &p->serve);
	pool_tick_by(p, loop_now_us(p->loop) + IDLE_TICK_US);
}

/* Out of the list that it stands in by its state. */
static void pool_uncount(struct bconn *c)
{
	if (c->state == BCONN_IDLE)
		c->pool->n_idle--;
	else if (c->state == BCONN_LEASED)
		c->pool->n_leased--;
	else
		c->pool->n_opening--;
}

void pool_close(struct bconn *c)
{
	pool_uncount(c);
	pool_drop(c);
}

void pool_conn_failed(struct bconn *c)
{
	struct pool *p = c->pool;
	struct server *s = p->server;
	uint64_t now = loop_now_us(p->loop), wait;
	char text[2 * ERR_MSG_MAX];
	unsigned n;

	if (c->state != BCONN_IDLE && c->state != BCONN_RESETTING && !c->kill_thread) {
		n = atomic_fetch_add(&s->failures, 1);
		wait = MIN((uint64_t)BACKOFF_MIN_US << MIN(n, 6u), BACKOFF_MAX_US);
		/* up to a fifth more, so that workers and proxies do not knock at one time */
		wait += wait / 10 * (now % 3);
		atomic_store(&s->next_connect_us, now + wait);
		p->last_err = c->why;
		if (n < 3 || n % 100 == 0)
			log_warn("%s", log_text(str_of(c->why.msg), text, sizeof(text)));
	}
	pool_close(c);
}

void pool_release(struct bconn *c, bool dirty)
{
	struct pool *p = c->pool;
	uint64_t now = loop_now_us(p->loop);

	list_del(&c->link);
	c->ops = NULL;
	c->holder = NULL;
	p->n_leased--;
	if (UNLIKELY(c->state == BCONN_CLOSED || p->retired || c->n_cmds || c->kill_sent ||
		     (p->cfg->max_life_us && now - c->born_us > p->cfg->max_life_us) ||
		     (atomic_load_explicit(&p->server->starving, memory_order_relaxed) && !p->starving &&
			     !p->n_waiting))) {
		pool_drop(c);
		return;
	}
	if (UNLIKELY(dirty)) {
		bconn_goto(c, BCONN_RESETTING);
		list_push_back(&p->opening, &c->link);
		p->n_opening++;
		settings_unref(p->settings, c->settings);
		c->settings = settings_login(p->settings, 45);
		c->last_insert_known = false;
		c->n_stmts = 0;
		c->stmts_forgotten = false;
		loop_timer_set(p->loop, &c->timer, now + p->cfg->connect_timeout_us);
		bconn_init_session(c, true);
		return;
	}
	if (UNLIKELY(c->stmts_forgotten))
		bconn_stmt_close_forgotten(c);
	bconn_goto(c, BCONN_IDLE);
	c->idle_since_us = now;
	list_push_front(&p->idle, &c->link);
	p->n_idle++;
	if (UNLIKELY(p->n_waiting))
		loop_post(p->loop, &p->serve);
	else if (UNLIKELY(!p->tick.deadline_us))
		pool_tick_by(p, now + IDLE_TICK_US);
}

void pool_discard(struct bconn *c)
{
	struct pool *p = c->pool;

	p->n_leased--;
	pool_drop(c);
}

static void pool_on_tick(struct wheel_timer *t, uint64_t now_us)
{
	struct pool *p = container_of(t, struct pool, tick);

	pool_add_counts(p);
	while (!list_empty(&p->idle) && p->cfg->idle_us) {
		struct bconn *oldest = list_item(p->idle.prev, struct bconn, link);

		if (now_us - oldest->idle_since_us < p->cfg->idle_us)
			break;
		pool_close(oldest);
	}
	/* what idles here may be what another worker waits for */
	if (!list_empty(&p->idle) && !p->n_waiting && atomic_load(&p->server->starving))
		pool_close(list_item(p->idle.prev, struct bconn, link));
	if (p->n_waiting)
		loop_post(p->loop, &p->serve); /* a connection may have become ready in this very round */
	else if (p->n_idle)
		pool_tick_by(p, now_us + IDLE_TICK_US);
}

void pool_retire(struct pool *p)
{
	struct err err;

	p->retired = true;
	err_set(&err, ERR_BACKEND, ER_SERVER_SHUTDOWN, "backend %s is no longer in the map: try again",
		p->server->label);
	while (!list_empty(&p->waiting))
		lease_fail(list_first(&p->waiting, struct lease, link), &err);
	while (!list_empty(&p->opening))
		pool_close(list_first(&p->opening, struct bconn, link));
	while (!list_empty(&p->idle))
		pool_close(list_first(&p->idle, struct bconn, link));
	pool_try_free(p);
}

void pool_each_leased(struct pool *p, void (*fn)(struct bconn *c, void *arg), void *arg)
{
	list_for_each_safe (it, &p->leased)
		fn(list_item(it, struct bconn, link), arg);
}

void pool_kill(struct bconn *c, bool query_only)
{
	struct pool *p = c->pool;
	struct bconn *k;
	int rc;

	c->kill_sent = true;
	k = bconn_new(p, false);
	k->kill_thread = c->thread_id;
	k->kill_query = query_only;
	/* beyond max_conns if need be: it frees one */
	atomic_fetch_add(&p->server->conns, 1);
	list_push_back(&p->opening, &k->link);
	p->n_opening++;
	rc = bconn_connect(k);
	if (rc < 0)
		bconn_fail(k, ER_NET_READ_ERROR, "cannot connect: %s", strerror(-rc));
}

void pool_forget_stmt(struct pool *p, const void *key)
{
	/* a leased connection may be in the middle of LOAD DATA LOCAL, where a command would be taken for data */
	list_for_each (it, &p->idle)
		bconn_stmt_drop(list_item(it, struct bconn, link), key);
	list_for_each (it, &p->leased)
		bconn_stmt_forget(list_item(it, struct bconn, link), key);
}

void pool_stats(const struct pool *p, struct pool_stats *out)
{
	*out = (struct pool_stats){ p->n_idle, p->n_leased, p->n_opening, p->n_waiting };
}
