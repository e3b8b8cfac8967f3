/* run.c - a statement from its plan to its answer: the states of run.h. Worker thread. */
#include "reads.h"
#include "keyway/exec/underway.h"
#include "keyway/sql/lit.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

const char *const run_state_name[] = {
	[RUN_BEGIN] = "begin",
	[RUN_REFRESH] = "refresh",
	[RUN_IDS] = "ids",
	[RUN_ASK] = "ask",
	[RUN_ACQUIRE] = "acquire",
	[RUN_HELD] = "held",
	[RUN_MAIN] = "main",
	[RUN_PROBE] = "probe",
	[RUN_SETTLE] = "settle",
	[RUN_COLLECT] = "collect",
	[RUN_DONE] = "done",
};

static const uint16_t run_moves[] = {
	[RUN_BEGIN] = 1u << RUN_REFRESH | 1u << RUN_IDS | 1u << RUN_ACQUIRE | 1u << RUN_ASK | 1u << RUN_DONE,
	[RUN_REFRESH] = 1u << RUN_BEGIN | 1u << RUN_DONE,
	[RUN_IDS] = 1u << RUN_ACQUIRE | 1u << RUN_DONE,
	[RUN_ASK] = 1u << RUN_DONE,
	[RUN_HELD] = 1u << RUN_ACQUIRE | 1u << RUN_BEGIN | 1u << RUN_DONE,
	[RUN_ACQUIRE] = 1u << RUN_HELD | 1u << RUN_MAIN | 1u << RUN_PROBE | 1u << RUN_SETTLE | 1u << RUN_DONE,
	[RUN_MAIN] = 1u << RUN_HELD | 1u << RUN_ACQUIRE | 1u << RUN_PROBE | 1u << RUN_SETTLE | 1u << RUN_COLLECT |
		     1u << RUN_REFRESH | 1u << RUN_BEGIN | 1u << RUN_DONE,
	[RUN_PROBE] = 1u << RUN_SETTLE | 1u << RUN_DONE,
	[RUN_SETTLE] = 1u << RUN_COLLECT | 1u << RUN_DONE,
	[RUN_COLLECT] = 1u << RUN_DONE | 1u << RUN_REFRESH | 1u << RUN_COLLECT | 1u << RUN_SETTLE,
	[RUN_DONE] = 0,
};

void run_goto(struct run *r, enum run_state to)
{
	assert(run_moves[r->state] & (1u << to));
	r->state = (uint8_t)to;
}

static void run_late(struct wheel_timer *t, uint64_t now_us);

struct run *run_new(struct session *s, uint8_t com)
{
	struct worker *w = s->w;
	struct run *r = w->free_runs;

	if (LIKELY(r != NULL)) {
		struct arena arena = r->arena;

		w->free_runs = r->next_free;
		memset(r, 0, offsetof(struct run, small));
		r->arena = arena;
	} else {
		r = xcalloc(1, sizeof(*r));
	}
	r->s = s;
	r->w = w;
	r->com = com;
	r->kind = RESPONSE_TO_QUERY;
	r->mode = s->mode;
	r->started_us = loop_now_us(w->loop);
	arena_limit(&r->arena, w->cfg->max_statement_memory_bytes);
	wheel_timer_init(&r->deadline, run_late);
	s->run = r;
	return r;
}

static void run_free(struct run *r)
{
	struct worker *w = r->w;

	loop_timer_clear(w->loop, &r->deadline);
	if (r->plan)
		plan_unref(r->plan);
	if (r->has_ids)
		ids_range_free(&r->ids);
	buf_free(&r->keep);
	buf_free(&r->multi);
	buf_free(&r->raw_err);
	buf_free(&r->rows);
	buf_free(&r->track);
	if (r->arena.head)
		arena_reset(&r->arena);
	r->next_free = w->free_runs;
	w->free_runs = r;
}

static void move_str(struct str *s, const uint8_t *old, size_t n, const uint8_t *new)
{
	const uint8_t *p = (const uint8_t *)s->p;

	if (p >= old && p < old + n)
		s->p = (const char *)new + (p - old);
}

/* Parameters point into the packet that has moved. */
static void run_keep_params(struct run *r, const uint8_t *old)
{
	for (unsigned i = 0; i < r->exec.n; i++) {
		move_str(&r->exec.params[i].value, old, r->wire_n, r->wire);
		if (r->params && r->params[i].kind >= SQL_V_DECIMAL && r->params[i].kind != SQL_V_DOUBLE)
			move_str(&r->params[i].s, old, r->wire_n, r->wire);
	}
}

void run_keep(struct run *r)
{
	r->kept = true;
	if (r->keep.p)
		return;
	if (r->wire) {
		size_t at = r->text.p ? (size_t)((const uint8_t *)r->text.p - r->wire) : 0;

		const uint8_t *old = r->wire;

		if (r->wire == r->small)
			return;
		if (r->wire_n <= sizeof(r->small)) {
			memcpy(r->small, r->wire, r->wire_n);
			r->wire = r->small;
		} else {
			buf_add(&r->keep, r->wire, r->wire_n);
			r->wire = buf_head(&r->keep);
		}
		if (r->cstmt)
			run_keep_params(r, old);
		else if (r->text.p)
			r->text.p = (const char *)r->wire + at;
	} else if (r->text.p) {
		buf_add(&r->keep, r->text.p, r->text.n);
		r->text.p = (const char *)buf_head(&r->keep);
	}
}

void run_keep_shown(struct run *r)
{
	size_t n = MIN(r->text.n, sizeof(r->small));

	if (r->keep.p || !r->wire || r->wire == r->small || r->cstmt || !r->text.p)
		return;
	memcpy(r->small, r->text.p, n);
	r->shown = str_make((char *)r->small, n);
}

/* --- legs --- */

static void run_reserve(struct run *r, uint32_t n)
{
	/* legs are pointed at by connections and leases: their place must not change */
	r->legs = n <= 1 ? &r->one : arena_array(&r->arena, struct leg, n);
	if (n <= 1)
		memset(&r->one, 0, sizeof(r->one));
	r->cap_legs = MAX(n, 1u);
	r->n_legs = 0;
	r->n_open = 0;
}

struct leg *run_add_leg(struct run *r)
{
	struct leg *l;

	if (!r->legs)
		run_reserve(r, 1);
	assert(r->n_legs < r->cap_legs);
	l = &r->legs[r->n_legs++];
	l->run = r;
	r->n_open++;
	return l;
}

void run_legs(struct run *r, uint32_t n)
{
	run_reserve(r, n);
}

const struct server *run_own_side(
	const struct run *r, const struct keyspace_route *kr, uint32_t shard, enum plan_side side)
{
	const struct shard *sh = &kr->ks->shards[shard];
	enum pair_side of = side == PLAN_SIDE_HOME ? sh->home : side == PLAN_SIDE_ODD ? SIDE_ODD : SIDE_EVEN;

	return r->w->routes->keyspaces[kr - r->w->keyspaces].servers[shard][sh->sides[of]->index];
}

struct pool *run_pool_of(const struct keyspace_route *kr, uint32_t shard, enum plan_side side)
{
	const struct shard_route *sr = &kr->shards[shard];

	if (kr->ks->shards[shard].kind == SHARD_PAIR && side != PLAN_SIDE_HOME)
		return sr->side[side == PLAN_SIDE_ODD ? SIDE_ODD : SIDE_EVEN];
	return sr->primary;
}

static uint8_t leg_serves(const struct shard *sh, enum plan_side side)
{
	if (sh->kind != SHARD_PAIR)
		return UNDERWAY_PRIMARY;
	if (side == PLAN_SIDE_HOME)
		return (uint8_t)(1u << sh->home);
	return side == PLAN_SIDE_ODD ? UNDERWAY_ODD : UNDERWAY_EVEN;
}

struct leg *run_leg_to(
	struct run *r, const struct keyspace_route *kr, uint32_t shard, enum plan_side side, enum reads reads)
{
	struct leg *l = run_add_leg(r);
	struct shard_route *sr = &kr->shards[shard];

	l->pool = run_pool_of(kr, shard, side);
	l->serves = leg_serves(&kr->ks->shards[shard], side);
	l->epoch = kr->ks->epoch;
	if (UNLIKELY(r->s->n_parts != 0)) {
		const struct part *p = part_serving(r->s, kr->name, shard, l->serves);

		if (p)
			l->pool = p->pool;
	}
	l->ks = kr->name;
	l->shard = shard;
	l->side = (uint8_t)side;
	l->shard_name = sr->name;
	l->db = kr->ks->everything ? r->s->db : sr->db;
	l->no_db = kr->ks->everything && !r->s->db;
	if (UNLIKELY(reads != READS_PRIMARY))
		reads_route(l, kr, sr, reads);
	return l;
}

/* The legs have answered (or failed): what is left to do before the client is told. */
static void run_main_done(struct run *r)
{
	struct leg *bad = run_bad_leg(r);

	if (UNLIKELY(bad && hold_refused(r)))
		return;
	if (bad && !r->err.kind)
		r->err = bad->err;
	if (UNLIKELY(r->plan && r->plan->kind != PLAN_SESSION && !bad && (r->plan->flags & (PLAN_PINS | PLAN_CALLS)))) {
		struct session *s = r->s;

		/* user variables are read back instead, and go with the session to any connection */
		if (!(r->collects & COLLECT_VARS) || r->keeps || (r->plan->flags & PLAN_CALLS)) {
			s->pins |= r->verb == SCAN_LOCK ? PIN_LOCK_TABLES : PIN_STATE;
			/* a routine may take locks and make tables, and no server tells of those */
			s->pin_why = r->plan->pin_why ? r->plan->pin_why : "a stored routine was called";
		}
	}
	if (UNLIKELY(r->verb == SCAN_UNLOCK && !bad && r->n_legs)) {
		r->s->pins &= ~(uint32_t)PIN_LOCK_TABLES;
		for (uint32_t i = 0; i < r->n_legs; i++)
			r->legs[i].spoiled = true;
	}
	if (UNLIKELY(bad && run_must_probe(r) && r->answer != ANSWER_HELD)) {
		run_probe(r);
		return;
	}
	for (uint32_t i = 0; r->answer != ANSWER_PASS && !bad && i < r->n_legs; i++)
		r->collects |= r->legs[i].ok.warnings ? COLLECT_WARNINGS : 0;
	if (UNLIKELY(run_must_settle(r) && !r->settled)) {
		/* what a shard warned of is asked before another statement replaces it */
		if ((r->collects & COLLECT_WARNINGS) && !bad) {
			run_goto(r, RUN_COLLECT);
			if (run_collect_next(r))
				return;
		}
		run_settle(r);
		return;
	}
	if (UNLIKELY(r->collects && !bad)) {
		run_goto(r, RUN_COLLECT);
		if (run_collect_next(r))
			return;
	}
	run_tell(r);
}

/* DDL: which shards refused. */
static void run_ddl_error(struct run *r)
{
	uint32_t n_bad = 0;
	struct leg *bad = run_bad_leg(r);

	for (uint32_t i = 0; i < r->n_legs; i++)
		n_bad += r->legs[i].err.kind != 0;
	r->err = bad->err;
	if (n_bad == r->n_legs) {
		return; /* refused everywhere: as one server would say it */
	}
	err_set(&r->err, ERR_BACKEND, (enum mysql_errno)bad->err.errno_,
		"done on %u of %u shards; shard %s refused: %.250s. Mend the cause, then repeat it with IF [NOT] "
		"EXISTS",
		r->n_legs - n_bad, r->n_legs, bad->shard_name, bad->err.msg);
	if (!strcmp(err_sqlstate(bad->err.errno_), "HY000"))
		memcpy(r->err.sqlstate, bad->err.sqlstate, sizeof(r->err.sqlstate));
}

/* The answer goes out, if it has not already. */
void run_tell(struct run *r)
{
	struct leg *bad = run_bad_leg(r);

	if (r->finish) {
		void (*finish)(struct run *) = r->finish;

		r->finish = NULL;
		finish(r);
		return;
	}
	if (r->plan && (r->plan->flags & PLAN_DDL) && r->n_legs > 1 && bad)
		run_ddl_error(r);
	if (!r->replied) {
		if (r->err.kind) {
			if (buf_used(&r->raw_err) && r->n_legs == 1 && !(bad && bad->lost))
				answer_raw_err(r, buf_head(&r->raw_err), buf_used(&r->raw_err));
			else
				answer_err(r, &r->err);
		} else if (r->plan && (r->plan->flags & PLAN_DDL) && !r->refreshed && r->plan->ks &&
			   keyspace_needs_schema(r->plan->ks) && (r->state == RUN_MAIN || r->state == RUN_COLLECT)) {
			/* the next statement, from whatever client, is to be planned under the new schema */
			r->refreshed = true;
			run_refresh(r, r->plan->ks->name);
			return;
		} else if (r->answer == ANSWER_SUM) {
			forward_sum(r);
		} else if (r->answer == ANSWER_ROWS) {
			struct ok_packet eof = { 0 };

			for (uint32_t i = 0; i < r->n_legs; i++)
				eof.warnings = (uint16_t)MIN(65535u, (unsigned)eof.warnings + r->legs[i].ok.warnings);
			forward_final(r, &eof, true);
			r->s->row_count = -1;
			r->s->warnings = eof.warnings;
		}
	}
	run_end(r);
}

static void run_step_once(struct run *r)
{
	bool ready = true;

	switch ((enum run_state)r->state) {
	case RUN_ACQUIRE:
		if (UNLIKELY(run_bad_leg(r) != NULL)) {
			/* legs that still wait are taken out; those with a connection have run nothing */
			for (uint32_t i = 0; i < r->n_legs; i++) {
				leg_lease_end(&r->legs[i]);
				if (r->legs[i].c && r->legs[i].c->n_cmds)
					return; /* its set-up is under way: wait for it */
			}
			for (uint32_t i = 0; i < r->n_legs; i++) {
				if (r->legs[i].state != LEG_FAILED)
					r->legs[i].state = LEG_DONE;
			}
			r->n_open = 0;
			run_main_done(r);
			return;
		}
		for (uint32_t i = 0; i < r->n_legs; i++)
			ready = ready && r->legs[i].state >= LEG_READY;
		if (!ready) {
			run_keep(r);
			return;
		}
		run_goto(r, RUN_MAIN);
		for (uint32_t i = 0; i < r->n_legs; i++) {
			if (r->legs[i].state != LEG_READY)
				continue;
			leg_send(&r->legs[i]);
		}
		return;
	case RUN_MAIN:
		if (r->n_open == 0)
			run_main_done(r);
		return;
	case RUN_PROBE:
		if (!run_steps_done(r))
			return;
		run_probed(r);
		if (run_must_settle(r))
			run_settle(r);
		else
			run_tell(r);
		return;
	case RUN_SETTLE:
		if (!run_steps_done(r))
			return;
		run_settled(r);
		run_tell(r);
		return;
	case RUN_REFRESH:
		if (r->refresh_wait)
			return;
		if (r->plan) {
			/* after DDL */
			if (r->answer == ANSWER_SUM) {
				forward_sum(r);
			} else if (!r->replied) {
				forward_final(r, &r->legs[0].ok, false);
			}
			run_end(r);
			return;
		}
		run_goto(r, RUN_BEGIN);
		run_statement(r);
		return;
	case RUN_COLLECT:
		if (r->collect)
			return;
		if (run_collect_next(r))
			return;
		if (run_must_settle(r) && !r->settled)
			run_settle(r);
		else
			run_tell(r);
		return;
	case RUN_BEGIN:
	case RUN_IDS:
	case RUN_ASK:
	case RUN_HELD:
	case RUN_DONE: return;
	}
}

void run_step(struct run *r)
{
	struct session *s = r->s;

	if (r->stepping) {
		r->step_again = true;
		return;
	}
	do {
		r->step_again = false;
		r->stepping = true;
		run_step_once(r);
		if (s->run != r)
			return; /* it has ended */
		r->stepping = false;
	} while (r->step_again);
}

void run_fail(struct run *r, const struct err *e)
{
	struct err copy = *e; /* it may stand in the plan that goes away */

	if (!r->replied)
		answer_err(r, &copy);
	run_end(r);
}

/* Gives back what the statement held. */
static void run_drop(struct run *r)
{
	insert_forget(r);
	refresh_forget(r);
	hold_forget(r);
	for (uint32_t i = 0; i < r->n_legs; i++)
		leg_release(&r->legs[i]);
	r->n_legs = 0;
	if (UNLIKELY(r->prepared_new != NULL))
		stmt_prepared_drop(r);
	stmt_executed(r);
}

void run_release_legs(struct run *r)
{
	for (uint32_t i = 0; i < r->n_legs; i++)
		leg_release(&r->legs[i]);
	r->n_legs = 0;
	r->legs = NULL;
	r->err.kind = 0;
}

/* The next statement of the same text. */
static void run_next(struct run *r)
{
	struct session *s = r->s;
	struct run *n;
	struct buf multi = r->multi;
	size_t at = r->multi_at;

	memset(&r->multi, 0, sizeof(r->multi));
	run_free(r);
	n = run_new(s, COM_QUERY);
	n->multi = multi;
	n->multi_at = at;
	n->kept = true;
	n->text = str_make((char *)buf_head(&n->multi) + at, buf_used(&n->multi) - at);
	/* from the loop: a text of many statements must not nest */
	loop_post(s->w->loop, &s->next);
}

void run_end(struct run *r)
{
	struct session *s = r->s;
	bool fatal = s->closing;

	if (r->plan && r->plan->digest)
		digest_count(r->plan->digest, r->refused, r->started_us, loop_now_us(r->w->loop));
	r->stepping = true; /* releasing must not step a run that ends */
	run_drop(r);
	if (s->next_txn && s->txn == TXN_NONE && r->plan && r->plan->kind != PLAN_SESSION)
		txn_forget(s);
	if (r->more && !fatal && r->replied && !r->err.kind) {
		run_next(r);
		return;
	}
	session_flush(s);
	s->run = NULL;
	run_free(r);
	s->since_us = loop_now_us(s->w->loop);
	s->blocked = false;
	if (s->in_command)
		s->answered_inside = true;
	else if (fatal)
		s->ops->fatal(s);
	else
		s->ops->answered(s);
}

void run_home(struct run *r, struct str sql, void (*finish)(struct run *r))
{
	struct session *s = r->s;
	const struct keyspace_route *kr = session_home(s);
	uint32_t shard = s->shard ? s->shard->index : 0;
	struct pool *pool = NULL;
	struct leg *l;

	/* where the session already is, so that a pinned connection hears of it */
	for (uint32_t i = 0; i < s->n_parts && !pool; i++) {
		if (s->parts[i].ks == kr->name && s->parts[i].shard < kr->ks->shard_n) {
			shard = s->parts[i].shard;
			pool = s->parts[i].pool;
		}
	}
	run_legs(r, 1);
	l = run_leg_to(r, kr, shard, PLAN_SIDE_HOME, READS_PRIMARY);
	if (pool) {
		l->pool = pool;
		l->fixed = true;
	}
	r->answer = finish ? ANSWER_HELD : ANSWER_PASS;
	r->finish = finish;
	r->response_flags = run_response_flags(r);
	leg_query(l, sql);
	run_goto(r, RUN_ACQUIRE);
	run_start(r);
}

/* Everything of a step is behind it: a further statement of the same run may start. */
void run_again(struct run *r)
{
	run_release_legs(r);
	r->state = RUN_BEGIN;
	r->finish = NULL;
}

void run_cancel(struct run *r, const struct err *e)
{
	struct session *s = r->s;

	for (uint32_t i = 0; i < r->n_legs; i++) {
		struct leg *l = &r->legs[i];

		if (l->c && l->state == LEG_SENT && l->mid_packet)
			s->closing = r->torn = true;
		if (l->c && l->state == LEG_SENT && (l->was_part || l->begins) && s->txn == TXN_OPEN) {
			s->txn = TXN_FAILED;
			s->txn_told = true;
		}
	}
	run_fail(r, e);
}

/* The client is gone: stop what runs. */
void run_abort(struct run *r)
{
	struct session *s = r->s;

	r->stepping = true;
	run_drop(r);
	s->run = NULL;
	run_free(r);
}

/* A statement that is cut off: may it have taken effect all the same? Inside a transaction of the client's or of ours
 * it has not, since that one is not committed. */
static const char *run_doubt(const struct run *r)
{
	const struct session *s = r->s;

	if (s->txn != TXN_NONE || s->settings->autocommit_off || !r->plan || !(r->plan->flags & PLAN_WRITE))
		return "";
	for (uint32_t i = 0; i < r->n_legs; i++) {
		const struct leg *l = &r->legs[i];

		if (l->c && ((l->state == LEG_SENT && !l->implicit) || r->state == RUN_SETTLE))
			return "; whether the statement took effect is unknown: look before you repeat it";
	}
	return "";
}

void run_late_by(struct run *r, uint64_t at_us)
{
	if (!r->deadline.deadline_us || r->deadline.deadline_us > at_us)
		loop_timer_set(r->w->loop, &r->deadline, at_us);
}

/* Has a check found them good since the KILL was sent? */
static bool run_servers_alive(const struct run *r, uint64_t now_us)
{
	uint64_t since = now_us - MIN(now_us, r->w->cfg->pool.connect_timeout_us);

	for (uint32_t i = 0; i < r->n_legs; i++) {
		const struct leg *l = &r->legs[i];

		if (l->c && l->state == LEG_SENT && atomic_load(&pool_server(l->pool)->health.proven_us) < since)
			return false;
	}
	return true;
}

static void run_late(struct wheel_timer *t, uint64_t now_us)
{
	struct run *r = container_of(t, struct run, deadline);
	struct err err;

	if (r->killed) {
		if (run_servers_alive(r, now_us)) {
			/* they are at it */
			run_late_by(r, now_us + r->w->cfg->pool.connect_timeout_us);
			return;
		}
		err_set(&err, ERR_BACKEND, ER_QUERY_INTERRUPTED,
			"Query execution was interrupted: its server does not answer the KILL%s", run_doubt(r));
	} else {
		err_set(&err, ERR_TIMEOUT, r->mode.family == SCAN_MARIADB ? (enum mysql_errno)1969 : ER_QUERY_TIMEOUT,
			"Query execution was interrupted: it ran longer than limits.query_timeout (%llu ms)%s",
			(unsigned long long)(r->w->cfg->query_timeout_us / 1000), run_doubt(r));
		for (uint32_t i = 0; i < r->n_legs; i++) {
			if (r->legs[i].c && r->legs[i].state == LEG_SENT)
				server_suspect(pool_server(r->legs[i].pool));
		}
	}
	run_cancel(r, &err);
}

static void run_unanswered(struct wheel_timer *t, uint64_t now_us)
{
	struct run *r = container_of(t, struct run, deadline);
	struct err err;

	(void)now_us;
	r->ask_late(r, &err);
	run_cancel(r, &err);
}

void run_ask(struct run *r, const void *question, uint64_t us, void (*late)(struct run *r, struct err *err))
{
	run_keep(r);
	run_goto(r, RUN_ASK);
	r->asked = question;
	r->ask_late = late;
	wheel_timer_init(&r->deadline, run_unanswered);
	loop_timer_set(r->w->loop, &r->deadline, loop_now_us(r->w->loop) + us);
}
