/* insert.c - INSERT into a sharded table: ids from the allocator, rows to their shards. Worker thread. */
#include "run.h"
#include "keyway/sql/lit.h"
#include "keyway/sql/rows.h"
#include <stdlib.h>

struct id_wait {
	struct ids_waiter waiter;
	struct worker *w;
	struct run *run; /* NULL: it has gone away */
};

static void run_insert_go(struct run *r);

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
		run_leg_to(r, kr, ir->parts[i].shard, ir->parts[i].side, READS_PRIMARY);
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

void run_insert(struct run *r)
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

void insert_forget(struct run *r)
{
	if (!r->id_wait)
		return;
	if (ids_cancel(r->w->process->ids, &r->id_wait->waiter))
		free(r->id_wait);
	else
		r->id_wait->run = NULL; /* its message is on the way */
	r->id_wait = NULL;
}

/* One value of the row. False: it may become any integer. */
static bool note_value(struct run *r, const struct sql_row_value *v)
{
	uint64_t n;

	switch ((enum lit_kind)v->kind) {
	case LIT_NULL:
	case LIT_DEFAULT:
	case LIT_TRUE:
	case LIT_FALSE: return v->kind == LIT_NULL || v->kind == LIT_DEFAULT;
	case LIT_STRING:
		/* a text that holds a number may be an id as well */
		return v->len > 2 && !strchr(" +-.0123456789", r->text.p[v->off + 1]);
	case LIT_INT:
		if (v->negative)
			return true;
		if (str_to_u64(str_make(r->text.p + v->off, v->len), &n) < 0)
			return false;
		break;
	case LIT_PARAM:
		if (!r->params || v->param >= r->cstmt->n_params)
			return false;
		if (r->params[v->param].kind == SQL_V_NULL)
			return true;
		if (r->params[v->param].kind != SQL_V_INT)
			return false;
		n = (uint64_t)r->params[v->param].i;
		break;
	default: return false;
	}
	if (r->n_given == ARRAY_N(r->given))
		return false;
	r->given[r->n_given++] = n;
	return true;
}

void insert_note_given(struct run *r, const struct scan *scan)
{
	struct sql_rows it;
	struct sql_row row;
	struct sql_row_value v;
	struct err err;

	r->id_doubt = true;
	if ((scan->verb != SCAN_INSERT && scan->verb != SCAN_REPLACE) || scan->n_rows != 1 ||
		scan->rows_end < scan->end - MIN(scan->end, 1u) ||
		(scan->flags & (SCAN_F_SUBQUERY | SCAN_F_LAST_INSERT_ID)))
		return;
	sql_rows_init(&it, r->text, scan->rows_off, 0, &r->mode);
	if (sql_rows_next(&it, &row, &err) != 1)
		return;
	for (uint32_t i = 0; i < row.n_values; i++) {
		if (!sql_row_value(&it, &row, i, &v) || !note_value(r, &v))
			return;
	}
	r->id_doubt = false;
}

bool insert_may_give(const struct run *r, uint64_t id)
{
	for (unsigned i = 0; i < r->n_given; i++) {
		if (r->given[i] == id)
			return true;
	}
	return r->id_doubt;
}
