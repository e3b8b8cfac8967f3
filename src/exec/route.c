/* route.c - from a statement's text to the legs that it runs on: scan, plan, shards, the text that each gets. Worker
 * thread. */
#include "reads.h"
#include <stdlib.h>

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
	if (!scan->broken) {
		p->digest = digest_get(w->digests, (uint64_t[]){ scan->digest.lo, scan->digest.hi },
			s->ks ? s->ks->name.p : "", scan->norm);
		p->digest->route = plan_kind_name(p->kind);
	}
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

void refresh_forget(struct run *r)
{
	if (r->refresh_wait)
		r->refresh_wait->run = NULL; /* its message is on the way */
	r->refresh_wait = NULL;
}

/* A table that the schema does not have may have been made past this proxy: look once, not for every mistyped name. */
static bool run_may_refresh(struct run *r)
{
	uint64_t now = loop_now_us(r->w->loop);

	if (r->refreshed || !r->s->ks || !keyspace_needs_schema(r->s->ks) || r->plan->err.errno_ != ER_NO_SUCH_TABLE)
		return false;
	if (now - r->w->last_refresh_us < 2000 && !r->w->refreshing)
		return false;
	r->w->last_refresh_us = now;
	return true;
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
	/* the OK of DDL waits until the schema has been read again */
	if ((r->plan->flags & (PLAN_DDL | PLAN_ROWS)) == PLAN_DDL && keyspace_needs_schema(r->plan->ks))
		return ANSWER_SUM;
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

	if (UNLIKELY(reads_check_txn(r, err) < 0))
		return -1;
	if (!kr->single || (r->n_legs == 1 && !in_txn))
		return 0;
	for (uint32_t i = 0; i < r->n_legs; i++) {
		if (!leg_part(&r->legs[i]))
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
	enum reads reads = READS_PRIMARY;
	struct leg *l;
	struct err err;

	if (UNLIKELY(plan_bind(p, &vals, &t, &err) < 0)) {
		run_fail(r, &err);
		return;
	}
	if (t.n > 1 && (p->flags & PLAN_EXPLAIN))
		t.n = 1;
	run_legs(r, t.n);
	if (UNLIKELY(s->reads || (vals.scan->flags & SCAN_F_READS)))
		reads = reads_wanted(r, vals.scan);
	for (uint32_t i = 0; i < t.n; i++) {
		l = run_leg_to(r, kr, t.shards[i], t.side, reads);
		if (UNLIKELY(l->no_replica)) {
			reads_refuse(l, &err);
			run_fail(r, &err);
			return;
		}
	}
	/* what any shard can answer goes to one whose server answers */
	for (uint32_t i = 1; p->kind == PLAN_ANY && i < p->ks->shard_n &&
			     (!r->legs[0].pool || atomic_load(&pool_server(r->legs[0].pool)->failures));
		i++) {
		run_legs(r, 1);
		run_leg_to(r, kr, (t.shards[0] + i) % p->ks->shard_n, t.side, reads);
	}
	/* and where the session already is */
	if (p->kind == PLAN_ANY && s->n_parts) {
		for (uint32_t i = 0; i < s->n_parts; i++) {
			if (s->parts[i].ks == kr->name && s->parts[i].shard < p->ks->shard_n) {
				run_legs(r, 1);
				l = run_leg_to(r, kr, s->parts[i].shard, PLAN_SIDE_HOME, READS_PRIMARY);
				l->pool = s->parts[i].pool;
				l->fixed = true;
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
unsigned run_response_flags(const struct run *r)
{
	unsigned f = 0;

	if (r->answer == ANSWER_ROWS || (r->answer == ANSWER_PASS && !(r->s->caps & CLIENT_DEPRECATE_EOF)))
		f |= RESPONSE_WANT_COLUMNS_END;
	if (r->plan && (r->plan->flags & PLAN_LOCAL_INFILE) && (r->s->caps & CLIENT_LOCAL_FILES))
		f |= RESPONSE_ALLOW_INFILE;
	return f;
}

/* The legs are made: what else has to be known before they go. Nothing when the statement has ended already. */
void run_launch(struct session *s, struct run *r)
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
	if (UNLIKELY(r->plan->flags & PLAN_SETS_LAST_ID))
		r->collects |= COLLECT_LAST_ID;
	if ((r->plan->flags & PLAN_WRITE) && !r->has_ids)
		insert_note_given(r, scan);
	/* a statement without tables leaves the diagnostics of the one before */
	r->keeps_diag =
		(r->verb == SCAN_SELECT || r->verb == SCAN_DO) && !memmem(scan->norm.p, scan->norm.n, "FROM", 4);
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
		r->reads_rows = ((r->cstmt ? &r->cstmt->text->scan : &r->w->scan)->flags & SCAN_F_SUBQUERY) ||
				(p->flags & PLAN_CALLS) || p->stmt->kind == SQL_S_EXECUTE;
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

	/* what waited and starts again has no more time than before */
	if (limit && !r->deadline.deadline_us)
		loop_timer_set(r->w->loop, &r->deadline, loop_now_us(r->w->loop) + limit);
	for (uint32_t i = 0; i < r->n_legs && r->state == RUN_ACQUIRE; i++)
		leg_start(&r->legs[i]);
	run_step(r);
}

/* As servers say it: near what stands at @at of the statement's text, with the ; before it. */
static void syntax_error(const struct run *r, size_t at, struct err *err)
{
	const char *end = r->multi.p ? (char *)buf_head(&r->multi) + buf_used(&r->multi) : r->text.p + r->text.n;
	const char *p =
		r->multi.p && r->more ? (char *)buf_head(&r->multi) + r->multi_at : r->text.p + MIN(at, r->text.n);

	err_set(err, ERR_SYNTAX, ER_PARSE_ERROR,
		"You have an error in your SQL syntax; check the manual that corresponds to your %s server version for "
		"the "
		"right syntax to use near ';%.*s' at line 1",
		r->mode.family == SCAN_MYSQL ? "MySQL" : "MariaDB", (int)MIN(end - p, 80), p);
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
				syntax_error(r, w->scan.next, &err);
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
			syntax_error(r, 0, &err);
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
	if (UNLIKELY((r->cstmt ? &r->cstmt->text->scan : &w->scan)->flags & SCAN_F_BAD_HINT)) {
		err_set(&err, ERR_SYNTAX, ER_PARSE_ERROR,
			"the comment for Keyway is not understood: write /* keyway: reads=primary */, reads=replica or "
			"reads=causal");
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
