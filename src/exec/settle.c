/* settle.c - what follows the servers' answers before the client has its own: what became of the transaction, a write
 * over several shards as one, what has to be fetched before connections go back. Worker thread. */
#include "reads.h"

void run_step_all(struct run *r, struct str sql)
{
	for (uint32_t i = 0; i < r->n_legs; i++) {
		struct leg *l = &r->legs[i];

		l->step_done = !l->c;
		if (l->c)
			bconn_query(l->c, 0, TAG_STEP, sql);
	}
}

bool run_steps_done(const struct run *r)
{
	for (uint32_t i = 0; i < r->n_legs; i++) {
		if (!r->legs[i].step_done)
			return false;
	}
	return true;
}

struct leg *run_bad_leg(struct run *r)
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
bool run_must_probe(struct run *r)
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

void run_probe(struct run *r)
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
void run_probed(struct run *r)
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

bool run_must_settle(const struct run *r)
{
	for (uint32_t i = 0; i < r->n_legs; i++) {
		if (r->legs[i].c && (r->legs[i].implicit || r->legs[i].savepoint))
			return true;
	}
	return false;
}

void run_settle(struct run *r)
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

void run_settled(struct run *r)
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
static void collect_last_id(struct run *r, struct collect *c);

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
bool run_collect_next(struct run *r)
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
	if (r->collects & COLLECT_LAST_ID) {
		r->collects &= (uint8_t)~COLLECT_LAST_ID;
		collect_start(l, STR("SELECT LAST_INSERT_ID()"), collect_new(&r->arena, collect_last_id, 1));
		return true;
	}
	if (r->collects & COLLECT_POSITION) {
		r->collects &= (uint8_t)~COLLECT_POSITION;
		causal_collect(r, l);
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

static void collect_last_id(struct run *r, struct collect *c)
{
	uint64_t id;

	if (c->n_rows == 1 && c->rows[0][0].p && str_to_u64(c->rows[0][0], &id) == 0)
		r->s->last_insert_id = id;
}
