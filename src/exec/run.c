/* run.c - a statement from its plan to its answer: the states of run.h. Worker thread. */
#include "run.h"
#include "keyway/sql/lit.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

const char *const run_state_name[] = {
	[RUN_BEGIN] = "begin",
	[RUN_REFRESH] = "refresh",
	[RUN_IDS] = "ids",
	[RUN_ACQUIRE] = "acquire",
	[RUN_MAIN] = "main",
	[RUN_PROBE] = "probe",
	[RUN_SETTLE] = "settle",
	[RUN_COLLECT] = "collect",
	[RUN_DONE] = "done",
};

static const uint16_t run_moves[] = {
	[RUN_BEGIN] = 1u << RUN_REFRESH | 1u << RUN_IDS | 1u << RUN_ACQUIRE | 1u << RUN_DONE,
	[RUN_REFRESH] = 1u << RUN_BEGIN | 1u << RUN_DONE,
	[RUN_IDS] = 1u << RUN_ACQUIRE | 1u << RUN_DONE,
	[RUN_ACQUIRE] = 1u << RUN_MAIN | 1u << RUN_PROBE | 1u << RUN_SETTLE | 1u << RUN_DONE,
	[RUN_MAIN] = 1u << RUN_ACQUIRE | 1u << RUN_PROBE | 1u << RUN_SETTLE | 1u << RUN_COLLECT | 1u << RUN_REFRESH |
		     1u << RUN_BEGIN | 1u << RUN_DONE,
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

static struct pool *route_pool(
	struct session *s, const struct shard *sh, struct shard_route *sr, enum plan_side side, bool replica)
{
	struct pool *p = sr->primary;

	if (sh->kind == SHARD_PAIR && side != PLAN_SIDE_HOME)
		p = sr->side[side == PLAN_SIDE_ODD ? SIDE_ODD : SIDE_EVEN];
	if (replica && sr->n_replicas && !session_must_hold(s) && !s->settings->autocommit_off)
		p = sr->replicas[sr->next_replica++ % sr->n_replicas];
	return p;
}

struct leg *run_leg_to(
	struct run *r, const struct keyspace_route *kr, uint32_t shard, enum plan_side side, bool replica)
{
	struct leg *l = run_add_leg(r);
	struct shard_route *sr = &kr->shards[shard];

	l->pool = route_pool(r->s, &kr->ks->shards[shard], sr, side, replica);
	l->ks = kr->name;
	l->shard = shard;
	l->shard_name = sr->name;
	l->db = kr->ks->everything ? r->s->db : sr->db;
	l->no_db = kr->ks->everything && !r->s->db;
	return l;
}

/* --- planning --- */

struct plan_values run_values(struct run *r)
{
	return (struct plan_values){ .text = r->text,
		.scan = r->cstmt ? &r->cstmt->text->scan : &r->w->scan,
		.mode = &r->mode,
		.charset = r->s->charset,
		.params = r->params,
		.n_params = r->cstmt ? r->cstmt->n_params : 0 };
}

struct plan_session run_plan_session(struct run *r)
{
	struct session *s = r->s;
	char *user = arena_printf(&r->arena, "%.*s@%.*s", STR_ARG(s->user), STR_ARG(s->host));

	return (struct plan_session){ .connection_id = s->id,
		.user = str_of(user),
		.current_user = str_of(arena_printf(&r->arena, "%.*s@%%", STR_ARG(s->user))),
		.database = str_of(s->db),
		.row_count = s->row_count,
		.found_rows = s->found_rows,
		.last_insert_id = s->last_insert_id };
}

static int run_plan_get(struct run *r, struct err *err)
{
	struct session *s = r->s;
	struct worker *w = r->w;
	struct scan *scan = r->cstmt ? &r->cstmt->text->scan : &w->scan;
	struct plan_cache_key key = { .digest = { scan->digest.lo, scan->digest.hi },
		.generation = worker_snapshot(w)->generation,
		.ks = s->ks,
		.shard = s->shard,
		.mode = r->mode.flags | (uint32_t)r->mode.charset << 8 | (uint32_t)r->mode.family << 16 };
	struct plan_request rq;
	struct plan *p;
	int rc;

	/* in the keyspace `*` the database is part of what names mean */
	if (s->ks && s->ks->everything)
		key.digest[0] ^= (uint64_t)(uintptr_t)s->db;
	if (LIKELY(!scan->broken)) {
		p = plan_cache_get(w->plans, &key);
		if (LIKELY(p != NULL)) {
			r->plan = plan_ref(p);
			return 0;
		}
	}
	rq = (struct plan_request){ .text = r->text,
		.scan = scan,
		.mode = &r->mode,
		.snapshot = worker_snapshot(w),
		.ks = s->ks,
		.shard = s->shard,
		.db = str_of(s->db) };
	rc = plan_build(&rq, &p, err);
	if (rc < 0)
		return rc;
	if (!scan->broken && p->kind != PLAN_REFUSE)
		plan_cache_put(w->plans, &key, p);
	r->plan = p;
	return 0;
}

/* --- waiting for a schema --- */

struct refresh_wait {
	struct worker *w;
	struct run *run; /* NULL: it has gone away */
};

static void refresh_arrived(void *arg)
{
	struct refresh_wait *rw = arg;
	struct run *r = rw->run;

	rw->w->refreshing--;
	free(rw);
	if (!r)
		return;
	r->refresh_wait = NULL;
	if (r->state == RUN_REFRESH)
		run_step(r);
}

static void refresh_done(void *arg, const struct err *err)
{
	struct refresh_wait *rw = arg;

	(void)err; /* the statement is planned again under what there is */
	loop_send(rw->w->loop, refresh_arrived, rw);
}

void run_refresh(struct run *r, struct str keyspace)
{
	struct refresh_wait *rw = xcalloc(1, sizeof(*rw));

	rw->w = r->w;
	rw->run = r;
	r->refresh_wait = rw;
	r->w->refreshing++;
	run_keep(r);
	run_goto(r, RUN_REFRESH);
	topo_refresh_schema(r->w->process->topo, keyspace, refresh_done, rw);
}

/* A table that the schema does not have may have been made past this proxy: look once, not for every mistyped name. */
static bool run_may_refresh(struct run *r)
{
	uint64_t now = loop_now_us(r->w->loop);

	if (r->refreshed || !r->s->ks || !r->s->ks->sharded || r->plan->err.errno_ != ER_NO_SUCH_TABLE)
		return false;
	if (now - r->w->last_refresh_us < 20000 && !r->w->refreshing)
		return false;
	r->w->last_refresh_us = now;
	return true;
}

/* --- ids --- */

struct id_wait {
	struct ids_waiter waiter;
	struct worker *w;
	struct run *run; /* NULL: it has gone away */
};

static void run_insert_go(struct run *r);
static void run_launch(struct session *s, struct run *r);

static void ids_arrived(void *arg)
{
	struct id_wait *iw = arg;
	struct run *r = iw->run;
	struct session *s = r ? r->s : NULL;
	struct err err;

	if (!r) {
		if (iw->waiter.result == IDS_OK)
			ids_range_free(&iw->waiter.range);
		free(iw);
		return;
	}
	r->id_wait = NULL;
	if (iw->waiter.result == IDS_OK) {
		r->ids = iw->waiter.range;
		r->has_ids = true;
		free(iw);
		/* the worker's scan and rows were used by others meanwhile */
		if (!r->cstmt && sql_scan(&r->w->scan, r->text, &r->mode, &err) < 0) {
			run_fail(r, &err);
			return;
		}
		run_insert_go(r);
		run_launch(s, r);
		return;
	}
	err = iw->waiter.err;
	free(iw);
	run_fail(r, &err);
}

static void ids_done(struct ids_waiter *wt)
{
	struct id_wait *iw = container_of(wt, struct id_wait, waiter);

	loop_send(iw->w->loop, ids_arrived, iw);
}

/* True: the ids are here (or none are needed). */
static bool run_take_ids(struct run *r, uint32_t n)
{
	struct worker *w = r->w;
	struct plan *p = r->plan;
	const struct table_rule *rule = keyspace_table(p->ks, p->table, true);
	struct ids_tag *tag;
	struct err err;
	struct id_wait *iw;
	int rc;

	if (!w->process->ids) {
		err_set(&err, ERR_CONFIG, ER_AUTOINC_READ_FAILED,
			"table '" STR_FMT "' takes ids from allocator '" STR_FMT
			"', and the settings name no allocators: add it to allocators in keyway.conf",
			STR_ARG(p->table), STR_ARG(p->id_allocator));
		run_fail(r, &err);
		return false;
	}
	tag = ids_tag(w->process->ids, p->id_allocator, rule ? rule->id_tag : p->table, &err);
	if (!tag) {
		run_fail(r, &err);
		return false;
	}
	rc = ids_take(w->process->ids, tag, n, &r->ids, &err);
	if (rc == IDS_OK) {
		r->has_ids = true;
		return true;
	}
	if (rc < 0) {
		run_fail(r, &err);
		return false;
	}
	iw = xcalloc(1, sizeof(*iw));
	iw->w = w;
	iw->run = r;
	iw->waiter.arg = iw;
	r->id_wait = iw;
	run_keep(r);
	run_goto(r, RUN_IDS);
	ids_wait(w->process->ids, tag, n, clock_mono_us() + w->cfg->id_wait_us, ids_done, &iw->waiter);
	return false;
}

/* Rows to shards, one statement for each part. */
static void run_insert_go(struct run *r)
{
	struct worker *w = r->w;
	struct plan_insert_run *ir = &w->insert;
	struct plan_values vals = run_values(r);
	const struct keyspace_route *kr = worker_keyspace(w, r->plan->ks);
	struct plan_session ps;
	struct err err;
	uint64_t *ids = NULL;

	/* rows are looked through again after a wait: other statements have used the worker's table since */
	if (plan_insert_open(r->plan, &vals, ir, &err) < 0)
		goto fail;
	if (ir->n_ids) {
		ids = arena_try_alloc(&r->arena, sizeof(*ids) * ir->n_ids);
		if (!ids) {
			err_set(&err, ERR_LIMIT, ER_NET_PACKET_TOO_LARGE,
				"the statement has more rows than limits.max_statement_memory allows: insert in "
				"smaller "
				"parts");
			goto fail;
		}
		for (uint32_t i = 0; i < ir->n_ids; i++)
			ids[i] = ids_range_id(&r->ids, i);
	}
	if (plan_insert_split(r->plan, &vals, ir, ids, &err) < 0)
		goto fail;
	run_legs(r, ir->n_parts);
	for (uint32_t i = 0; i < ir->n_parts; i++)
		run_leg_to(r, kr, ir->parts[i].shard, ir->parts[i].side, false);
	r->answer = ir->n_parts == 1 ? ANSWER_PASS : ANSWER_SUM;
	if (!ir->unchanged || (r->plan->flags & PLAN_EDITS)) {
		ps = run_plan_session(r);
		for (uint32_t i = 0; i < ir->n_parts; i++) {
			struct buf b = { 0 };
			int rc = plan_insert_text(r->plan, &vals, ir, ids, i, &ps, &b, &err);

			if (rc == 0)
				leg_query(&r->legs[i], str_make((char *)buf_head(&b), buf_used(&b)));
			buf_free(&b);
			if (rc < 0)
				goto fail;
		}
		r->kind = RESPONSE_TO_QUERY;
	} else if (r->cstmt) {
		stmt_use(r);
	}
	if (ids)
		r->s->last_insert_id = ids[0];
	if (r->has_ids && !ir->n_ids) {
		ids_range_free(&r->ids);
		r->has_ids = false;
	}
	run_goto(r, RUN_ACQUIRE);
	return;
fail:
	run_fail(r, &err);
}

static void run_insert(struct run *r)
{
	struct plan_values vals = run_values(r);
	struct err err;

	if (plan_insert_open(r->plan, &vals, &r->w->insert, &err) < 0) {
		run_fail(r, &err);
		return;
	}
	if (r->w->insert.n_ids && !run_take_ids(r, r->w->insert.n_ids))
		return;
	run_insert_go(r);
}

/* --- from plan to legs --- */

/* The text each leg gets, when it is not the client's own bytes. */
static int run_texts(struct run *r, struct err *err)
{
	struct plan_values vals;
	struct plan_session ps;

	if (LIKELY(!(r->plan->flags & PLAN_EDITS)) && r->wire && !r->multi.p && !r->wire_long)
		return 0;
	vals = run_values(r);
	ps = run_plan_session(r);
	for (uint32_t i = 0; i < r->n_legs; i++) {
		struct buf b = { 0 };
		int rc = 0;

		if (r->plan->flags & PLAN_EDITS)
			rc = plan_text(r->plan, &vals, &ps, r->legs[i].shard, &b, err);
		else
			buf_add_str(&b, r->text);
		if (rc == 0)
			leg_query(&r->legs[i], str_make((char *)buf_head(&b), buf_used(&b)));
		buf_free(&b);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static enum run_answer run_answer_of(const struct run *r)
{
	if (r->n_legs == 1)
		return ANSWER_PASS;
	return r->plan->flags & PLAN_ROWS ? ANSWER_ROWS : ANSWER_SUM;
}

/* What a plan is allowed to do in the transaction at hand. */
static int run_check_txn(struct run *r, struct err *err)
{
	struct session *s = r->s;
	const struct keyspace_route *kr = worker_keyspace(r->w, r->plan->ks);
	bool in_txn = s->txn == TXN_OPEN || s->settings->autocommit_off;
	uint32_t strange = 0;

	if (!kr->single || (r->n_legs == 1 && !in_txn))
		return 0;
	for (uint32_t i = 0; i < r->n_legs; i++) {
		if (!part_find(s, r->legs[i].pool, r->legs[i].ks, r->legs[i].shard))
			strange++;
	}
	if (in_txn && strange && (strange > 1 || s->n_parts))
		return err_set(err, ERR_UNSUPPORTED, ER_NOT_SUPPORTED_YET,
			"the transaction is on one shard and this statement needs %s: in transaction_mode \"single\" a "
			"transaction stays on one shard; end it first, or set the mode to \"multi\"",
			r->legs[0].shard_name);
	if (!in_txn && r->n_legs > 1 && (r->plan->flags & PLAN_WRITE) && !(r->plan->flags & PLAN_DDL))
		return err_set(err, ERR_UNSUPPORTED, ER_NOT_SUPPORTED_YET,
			"this statement writes on %u shards, and transaction_mode is \"single\": name one key, or set "
			"the "
			"mode to \"multi\"",
			r->n_legs);
	return 0;
}

static void run_route(struct run *r)
{
	struct worker *w = r->w;
	struct session *s = r->s;
	struct plan *p = r->plan;
	struct plan_target t = { .shards = w->shard_scratch };
	struct plan_values vals = run_values(r);
	const struct keyspace_route *kr = worker_keyspace(w, p->ks);
	bool replica = s->replica && (p->flags & PLAN_REPLICA_OK);
	struct err err;

	if (UNLIKELY(plan_bind(p, &vals, &t, &err) < 0)) {
		run_fail(r, &err);
		return;
	}
	if (t.n > 1 && (p->flags & PLAN_EXPLAIN))
		t.n = 1;
	run_legs(r, t.n);
	for (uint32_t i = 0; i < t.n; i++) {
		struct leg *l = run_leg_to(r, kr, t.shards[i], t.side, replica);

		if (UNLIKELY(!l->pool)) {
			err_set(&err, ERR_BACKEND, ER_NET_READ_ERROR,
				"shard %s has no server that can be reached: its host has no address", l->shard_name);
			run_fail(r, &err);
			return;
		}
	}
	/* a plan for any shard goes where the session already is */
	if (p->kind == PLAN_ANY && s->n_parts) {
		for (uint32_t i = 0; i < s->n_parts; i++) {
			if (s->parts[i].ks == kr->name && s->parts[i].shard < p->ks->shard_n) {
				run_legs(r, 1);
				run_leg_to(r, kr, s->parts[i].shard, PLAN_SIDE_HOME, false)->pool = s->parts[i].pool;
				break;
			}
		}
	}
	r->answer = (uint8_t)run_answer_of(r);
	if (UNLIKELY(run_check_txn(r, &err) < 0)) {
		run_fail(r, &err);
		return;
	}
	if (r->cstmt) {
		stmt_use(r);
	} else if (UNLIKELY(run_texts(r, &err) < 0)) {
		run_fail(r, &err);
		return;
	}
	run_goto(r, RUN_ACQUIRE);
}

/* Flags for following the answer of the servers. */
static unsigned run_response_flags(const struct run *r)
{
	unsigned f = 0;

	if (r->answer == ANSWER_ROWS || (r->answer == ANSWER_PASS && !(r->s->caps & CLIENT_DEPRECATE_EOF)))
		f |= RESPONSE_WANT_COLUMNS_END;
	if (r->plan && (r->plan->flags & PLAN_LOCAL_INFILE) && (r->s->caps & CLIENT_LOCAL_FILES))
		f |= RESPONSE_ALLOW_INFILE;
	return f;
}

/* The legs are made: what else has to be known before they go. Nothing when the statement has ended already. */
static void run_launch(struct session *s, struct run *r)
{
	const struct scan *scan;

	if (s->run != r || r->state != RUN_ACQUIRE)
		return;
	scan = r->cstmt ? &r->cstmt->text->scan : &r->w->scan;
	r->verb = scan->verb;
	r->keeps = (scan->flags & (SCAN_F_TEMPORARY | SCAN_F_USER_LOCK)) != 0;
	r->response_flags = run_response_flags(r);
	if (UNLIKELY(r->plan->flags & PLAN_FOUND_ROWS))
		r->collects |= COLLECT_FOUND_ROWS;
	if (UNLIKELY(scan->flags & (SCAN_F_UVAR_ASSIGN | SCAN_F_INTO_VAR)))
		r->collects |= COLLECT_VARS;
	run_start(r);
}

/* MySQL commits before DDL. Where the session's transaction is on other connections than the statement, we do. */
static bool run_commit_first(struct run *r)
{
	struct session *s = r->s;

	if (!(r->plan->flags & PLAN_ENDS_TXN) || s->n_parts == 0)
		return false;
	for (uint32_t i = 0; i < s->n_parts; i++) {
		if (s->parts[i].in_txn)
			return true;
	}
	return false;
}

static void run_failed_txn(struct run *r)
{
	struct session *s = r->s;
	struct err err;

	if (!s->txn_told)
		err_set(&err, ERR_BACKEND, ER_LOCK_DEADLOCK,
			"the transaction was rolled back: a server it had used is gone; start it again");
	else
		err_set(&err, ERR_BACKEND, ER_CANT_DO_THIS_DURING_A_TRANSACTION,
			"the transaction was rolled back when a server it had used was lost: say ROLLBACK, then start "
			"it "
			"again");
	s->txn_told = true;
	run_fail(r, &err);
}

static void run_planned(struct run *r)
{
	struct session *s = r->s;
	struct plan *p = r->plan;

	r->w->stats.routed[p->kind]++;
	if (UNLIKELY((p->flags & PLAN_LOCAL_INFILE) && !(s->caps & CLIENT_LOCAL_FILES))) {
		struct err err;

		err_set(&err, ERR_DENIED,
			r->mode.family == SCAN_MYSQL ? ER_CLIENT_LOCAL_FILES_DISABLED : (enum mysql_errno)4166,
			"The used command is not allowed: the client did not enable LOCAL INFILE when it connected");
		run_fail(r, &err);
		return;
	}
	if (UNLIKELY(s->txn == TXN_FAILED && p->kind != PLAN_SESSION)) {
		run_failed_txn(r);
		return;
	}
	switch (p->kind) {
	case PLAN_REFUSE:
		if (run_may_refresh(r)) {
			r->refreshed = true;
			plan_unref(p);
			r->plan = NULL;
			run_refresh(r, s->ks->name);
			return;
		}
		run_fail(r, &p->err);
		return;
	case PLAN_SESSION:
		if (r->com == COM_STMT_PREPARE)
			stmt_planned(r);
		else
			local_run(r, p->stmt);
		return;
	case PLAN_INSERT:
		if (UNLIKELY(r->com == COM_STMT_PREPARE)) {
			stmt_planned(r);
			return;
		}
		run_insert(r);
		break;
	default:
		if (UNLIKELY(r->com == COM_STMT_PREPARE)) {
			stmt_planned(r);
			return;
		}
		if (UNLIKELY(run_commit_first(r))) {
			txn_commit_then(r, run_statement);
			return;
		}
		run_route(r);
		break;
	}
	run_launch(s, r);
}

/* Legs are made: connect them. */
void run_start(struct run *r)
{
	uint64_t limit = r->w->cfg->query_timeout_us;

	if (limit)
		loop_timer_set(r->w->loop, &r->deadline, loop_now_us(r->w->loop) + limit);
	for (uint32_t i = 0; i < r->n_legs && r->state == RUN_ACQUIRE; i++)
		leg_start(&r->legs[i]);
	run_step(r);
}

static void run_multi_next(struct run *r)
{
	struct scan *scan = &r->w->scan;

	r->multi_done = true;
	if (!r->multi.p) {
		buf_add(&r->multi, r->text.p, r->text.n);
		r->wire = NULL;
		r->text = str_make((char *)buf_head(&r->multi), r->text.n);
	}
	r->more = scan->more;
	r->multi_at += scan->next;
	r->text.n = scan->end;
}

/* LAST_INSERT_ID() as a value in a write over shards: the session's own, so that it can be a key. */
static int run_put_last_id(struct run *r, struct err *err)
{
	struct worker *w = r->w;
	const struct scan_tok *t = w->scan.toks;
	struct buf b = { 0 };
	size_t at = 0;

	for (uint32_t i = 0; i + 2 < w->scan.n_toks; i++) {
		if (!str_ieqz(str_make(r->text.p + t[i].off, t[i].len), "LAST_INSERT_ID") ||
			r->text.p[t[i + 1].off] != '(' || r->text.p[t[i + 2].off] != ')')
			continue;
		buf_add(&b, r->text.p + at, t[i].off - at);
		buf_addf(&b, "%llu", (unsigned long long)r->s->last_insert_id);
		at = t[i + 2].off + t[i + 2].len;
	}
	if (!at)
		return 0;
	buf_add(&b, r->text.p + at, r->text.n - at);
	r->text = arena_str(&r->arena, str_make((char *)buf_head(&b), buf_used(&b)));
	buf_free(&b);
	r->wire = NULL;
	return sql_scan(&w->scan, r->text, &r->mode, err);
}

void run_statement(struct run *r)
{
	struct session *s = r->s;
	struct worker *w = r->w;
	struct err err;

	session_resolve(s);
	if (r->plan) {
		plan_unref(r->plan);
		r->plan = NULL;
	}
	if (!r->cstmt) {
		if (UNLIKELY(sql_scan(&w->scan, r->text, &r->mode, &err) < 0)) {
			run_fail(r, &err);
			return;
		}
		if (UNLIKELY((w->scan.more || r->multi.p) && !r->multi_done)) {
			if (!s->multi_statements && w->scan.more) {
				err_set(&err, ERR_SYNTAX, ER_PARSE_ERROR,
					"You have an error in your SQL syntax; the client did not ask for several "
					"statements in one query: near '%.80s'",
					r->text.p + w->scan.next);
				run_fail(r, &err);
				return;
			}
			run_multi_next(r);
			if (sql_scan(&w->scan, r->text, &r->mode, &err) < 0) {
				run_fail(r, &err);
				return;
			}
		}
		if (UNLIKELY(w->scan.verb == SCAN_EMPTY && !w->scan.broken && r->multi.p)) {
			err_set(&err, ERR_SYNTAX, ER_PARSE_ERROR,
				"You have an error in your SQL syntax; a statement was expected near ';%.80s' at line "
				"1",
				r->more ? (char *)buf_head(&r->multi) + r->multi_at : "");
			run_fail(r, &err);
			return;
		}
		if (UNLIKELY(w->scan.verb == SCAN_EMPTY && !w->scan.broken)) {
			err_set(&err, ERR_SYNTAX, ER_EMPTY_QUERY, "Query was empty");
			run_fail(r, &err);
			return;
		}
	}
	if (UNLIKELY(!r->cstmt && (w->scan.flags & SCAN_F_LAST_INSERT_ID)) && s->ks && s->ks->sharded &&
		w->scan.verb >= SCAN_INSERT && w->scan.verb <= SCAN_DELETE && run_put_last_id(r, &err) < 0) {
		run_fail(r, &err);
		return;
	}
	if (UNLIKELY((r->cstmt ? &r->cstmt->text->scan : &w->scan)->flags &
		     (SCAN_F_FOUND_ROWS | SCAN_F_ROW_COUNT | SCAN_F_VERSION | SCAN_F_SYSVAR)) &&
		r->com != COM_STMT_PREPARE && local_function(r))
		return;
	if (UNLIKELY(run_plan_get(r, &err) < 0)) {
		run_fail(r, &err);
		return;
	}
	run_planned(r);
}

/* --- going on --- */

void run_step_all(struct run *r, struct str sql)
{
	for (uint32_t i = 0; i < r->n_legs; i++) {
		struct leg *l = &r->legs[i];

		l->step_done = !l->c;
		if (l->c)
			bconn_query(l->c, 0, TAG_STEP, sql);
	}
}

static bool run_steps_done(const struct run *r)
{
	for (uint32_t i = 0; i < r->n_legs; i++) {
		if (!r->legs[i].step_done)
			return false;
	}
	return true;
}

static struct leg *run_bad_leg(struct run *r)
{
	for (uint32_t i = 0; i < r->n_legs; i++) {
		if (r->legs[i].err.kind)
			return &r->legs[i];
	}
	return NULL;
}

static bool run_in_txn(const struct run *r)
{
	return r->s->txn == TXN_OPEN || r->s->settings->autocommit_off;
}

/* Which errors may have ended the transaction on the server; nothing else in its answer would tell. */
static bool run_must_probe(struct run *r)
{
	if (!run_in_txn(r))
		return false;
	for (uint32_t i = 0; i < r->n_legs; i++) {
		struct leg *l = &r->legs[i];

		if (l->c && l->err.kind && l->state == LEG_DONE)
			return true;
	}
	return false;
}

static void run_probe(struct run *r)
{
	static const uint8_t ping[] = { COM_PING };

	run_goto(r, RUN_PROBE);
	for (uint32_t i = 0; i < r->n_legs; i++) {
		struct leg *l = &r->legs[i];

		l->step_done = true;
		if (l->c && l->err.kind && l->state == LEG_DONE && l->c->n_cmds == 0) {
			l->step_done = false;
			bconn_send_payload(l->c, RESPONSE_TO_OK, 0, TAG_STEP, ping, 1);
		}
	}
	r->step_again = true; /* there may be nothing to wait for */
}

/* After PROBE: a server that rolled the whole transaction back takes the others with it. */
static void run_probed(struct run *r)
{
	struct session *s = r->s;
	bool gone = false;

	for (uint32_t i = 0; i < r->n_legs; i++) {
		struct leg *l = &r->legs[i];

		if (l->c && (l->begins || l->was_part) && l->err.kind && !(l->c->status & SERVER_STATUS_IN_TRANS) &&
			(s->txn == TXN_OPEN || (l->was_part && s->settings->autocommit_off)))
			gone = true;
	}
	if (!gone)
		return;
	for (uint32_t i = 0; i < r->n_legs; i++) {
		struct leg *l = &r->legs[i];
		struct part *p = l->c ? part_find(s, l->pool, l->ks, l->shard) : NULL;

		if (!p || s->pins)
			continue;
		/* of the statement's own connections those still inside are reset below, with the parts */
		if (!(l->c->status & SERVER_STATUS_IN_TRANS)) {
			part_remove(s, p);
			l->was_part = false;
		} else {
			l->c = NULL;
		}
	}
	if (!s->pins)
		parts_drop(s, false);
	txn_forget(s);
}

static bool run_must_settle(const struct run *r)
{
	for (uint32_t i = 0; i < r->n_legs; i++) {
		if (r->legs[i].c && (r->legs[i].implicit || r->legs[i].savepoint))
			return true;
	}
	return false;
}

static void run_settle(struct run *r)
{
	r->settled = true;
	r->undo = run_bad_leg(r) != NULL;
	if (r->undo && !r->err.kind)
		r->err = run_bad_leg(r)->err;
	run_goto(r, RUN_SETTLE);
	for (uint32_t i = 0; i < r->n_legs; i++) {
		struct leg *l = &r->legs[i];

		l->step_done = true;
		if (!l->c || l->c->n_cmds)
			continue;
		l->err.kind = 0;
		if (l->implicit) {
			l->step_done = false;
			bconn_query(l->c, 0, TAG_STEP, r->undo ? STR("ROLLBACK") : STR("COMMIT"));
		} else if (l->savepoint && (l->c->status & SERVER_STATUS_IN_TRANS)) {
			l->step_done = false;
			bconn_query(l->c, 0, TAG_STEP,
				r->undo ? STR("ROLLBACK TO SAVEPOINT keyway_statement")
					: STR("RELEASE SAVEPOINT keyway_statement"));
		}
	}
	r->step_again = true; /* there may be nothing to wait for */
}

static void run_settled(struct run *r)
{
	struct leg *bad = run_bad_leg(r);

	if (!bad)
		return;
	if (!r->undo) {
		uint32_t n_bad = 0;

		for (uint32_t i = 0; i < r->n_legs; i++)
			n_bad += r->legs[i].err.kind != 0;
		err_set(&r->err, ERR_BACKEND, ER_ERROR_DURING_COMMIT,
			"the write was committed on %u of %u shards; on shard %s it %s (%.200s): look there before you "
			"repeat it",
			r->n_legs - n_bad, r->n_legs, bad->shard_name,
			bad->lost ? "may or may not have been" : "was not", bad->err.msg);
	} else if (run_in_txn(r) && !bad->lost) {
		/* the savepoint could not be gone back to: the transaction itself is over */
		r->s->txn = TXN_FAILED;
		r->s->txn_told = true;
		for (uint32_t i = 0; i < r->n_legs; i++) {
			struct leg *l = &r->legs[i];
			struct part *p = l->c ? part_find(r->s, l->pool, l->ks, l->shard) : NULL;

			if (p)
				part_remove(r->s, p);
			if (l->c)
				pool_release(l->c, true);
			l->c = NULL;
		}
		parts_drop(r->s, false);
		err_set(&r->err, ERR_BACKEND, ER_LOCK_DEADLOCK,
			"the transaction was rolled back: a statement over several shards failed and could not be "
			"undone "
			"alone (%.200s); start it again",
			bad->err.msg);
	}
}

static void collect_warnings(struct run *r, struct collect *c);
static void collect_found_rows(struct run *r, struct collect *c);

/* The next leg whose warnings are still with its server. */
static struct leg *run_warned_leg(struct run *r)
{
	for (uint32_t i = 0; i < r->n_legs; i++) {
		struct leg *l = &r->legs[i];

		if (l->c && l->ok.warnings && !l->warnings_taken && l->c->n_cmds == 0) {
			l->warnings_taken = true;
			return l;
		}
	}
	return NULL;
}

/* The next thing to fetch; false when there is nothing (more). */
static bool run_collect_next(struct run *r)
{
	struct leg *l = NULL;

	for (uint32_t i = 0; i < r->n_legs && !l; i++) {
		if (r->legs[i].c && r->legs[i].c->n_cmds == 0)
			l = &r->legs[i];
	}
	if (!l) {
		r->collects = 0;
		return false;
	}
	if (r->collects & COLLECT_WARNINGS) {
		struct leg *warned = run_warned_leg(r);

		if (warned) {
			collect_start(warned, STR("SHOW WARNINGS"), collect_new(&r->arena, collect_warnings, 1024));
			return true;
		}
		r->collects &= (uint8_t)~COLLECT_WARNINGS;
	}
	if (r->collects & COLLECT_FOUND_ROWS) {
		r->collects &= (uint8_t)~COLLECT_FOUND_ROWS;
		collect_start(l, STR("SELECT FOUND_ROWS()"), collect_new(&r->arena, collect_found_rows, 1));
		return true;
	}
	if (r->collects & COLLECT_VARS) {
		r->collects &= (uint8_t)~COLLECT_VARS;
		return setvar_collect(r, l);
	}
	return false;
}

static void collect_warnings(struct run *r, struct collect *c)
{
	struct session *s = r->s;
	uint64_t code;

	if (!r->diag_begun) {
		uint16_t n = s->warnings;

		diag_clear(s);
		s->warnings = n;
		r->diag_begun = true;
	}
	for (uint32_t i = 0; i < c->n_rows && c->n_cols >= 3; i++) {
		if (c->rows[i][0].p && c->rows[i][2].p && str_to_u64(c->rows[i][1], &code) == 0)
			diag_add(s, c->rows[i][0], (uint32_t)code, c->rows[i][2]);
	}
}

static void collect_found_rows(struct run *r, struct collect *c)
{
	uint64_t n;

	if (c->n_rows == 1 && str_to_u64(c->rows[0][0], &n) == 0)
		r->s->found_rows = n;
}

/* The legs have answered (or failed): what is left to do before the client is told. */
static void run_main_done(struct run *r)
{
	struct leg *bad = run_bad_leg(r);

	if (bad && !r->err.kind)
		r->err = bad->err;
	if (UNLIKELY(r->plan && r->plan->kind != PLAN_SESSION && !bad && (r->plan->flags & PLAN_PINS))) {
		struct session *s = r->s;

		/* user variables are read back instead, and go with the session to any connection */
		if (!(r->collects & COLLECT_VARS) || r->keeps) {
			s->pins |= r->verb == SCAN_LOCK ? PIN_LOCK_TABLES : PIN_STATE;
			s->pin_why = r->plan->pin_why;
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
			   r->plan->ks->sharded && (r->state == RUN_MAIN || r->state == RUN_COLLECT)) {
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
				lease_cancel(&r->legs[i].lease);
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
	if (r->id_wait) {
		if (ids_cancel(r->w->process->ids, &r->id_wait->waiter))
			free(r->id_wait);
		else
			r->id_wait->run = NULL; /* its message is on the way */
		r->id_wait = NULL;
	}
	if (r->refresh_wait) {
		r->refresh_wait->run = NULL;
		r->refresh_wait = NULL;
	}
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
	n->text = str_make((char *)buf_head(&n->multi) + at, buf_used(&n->multi) - at);
	/* from the loop: a text of many statements must not nest */
	loop_post(s->w->loop, &s->next);
}

void run_end(struct run *r)
{
	struct session *s = r->s;
	bool fatal = s->closing;

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
	l = run_leg_to(r, kr, shard, PLAN_SIDE_HOME, false);
	if (pool)
		l->pool = pool;
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

		if (l->c && l->state == LEG_SENT && response_in_packet(&l->c->resp) && r->answer != ANSWER_SUM)
			s->closing = true; /* half of a row is with the client */
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

static void run_late(struct wheel_timer *t, uint64_t now_us)
{
	struct run *r = container_of(t, struct run, deadline);
	struct err err;

	(void)now_us;
	err_set(&err, ERR_TIMEOUT, r->mode.family == SCAN_MARIADB ? (enum mysql_errno)1969 : ER_QUERY_TIMEOUT,
		"Query execution was interrupted: it ran longer than limits.query_timeout (%llu ms)",
		(unsigned long long)(r->w->cfg->query_timeout_us / 1000));
	run_cancel(r, &err);
}
