/* txn.c - BEGIN, COMMIT, ROLLBACK, savepoints over the shards that a transaction has touched. BEGIN costs nothing: a
 * participant begins with its first statement. Worker thread. */
#include "run.h"
#include <stdio.h>
#include <stdlib.h>

void txn_forget(struct session *s)
{
	s->txn = TXN_NONE;
	s->txn_told = false;
	s->txn_flags_read = 0;
	for (uint32_t i = 0; i < s->n_savepoints; i++)
		free(s->savepoints[i]);
	free(s->savepoints);
	s->savepoints = NULL;
	s->n_savepoints = 0;
	free(s->next_txn);
	s->next_txn = NULL;
	for (uint32_t i = 0; i < s->n_parts; i++)
		s->parts[i].in_txn = false;
}

static void begin_print(const struct session *s, struct buf *out)
{
	const char *sep = " ";

	buf_addz(out, "START TRANSACTION");
	if (s->txn_flags_read & 4) {
		buf_addz(out, " WITH CONSISTENT SNAPSHOT");
		sep = ", ";
	}
	if (s->txn_flags_read & 3) {
		buf_addz(out, sep);
		buf_addz(out, s->txn_flags_read & 1 ? "READ ONLY" : "READ WRITE");
	}
}

bool txn_begin_text(struct session *s, uint32_t i, struct buf *out)
{
	if (s->next_txn) {
		if (i == 0) {
			buf_addz(out, s->next_txn);
			return true;
		}
		i--;
	}
	if (i == 0) {
		begin_print(s, out);
		return true;
	}
	if (i - 1 < s->n_savepoints && i - 1 < TXN_REPLAY_MAX) {
		buf_addf(out, "SAVEPOINT %s", s->savepoints[i - 1]);
		return true;
	}
	return false;
}

void txn_undo(struct run *r)
{
	struct session *s = r->s;

	for (uint32_t i = 0; i < r->n_legs; i++) {
		struct leg *l = &r->legs[i];
		struct bconn *c = l->c;
		struct part *p = c && l->was_part ? part_find(s, l->pool, l->ks, l->shard) : NULL;

		if (p)
			part_remove(s, p);
		l->c = NULL;
		l->was_part = false;
		if (c && (c->n_cmds || c->state == BCONN_CLOSED))
			pool_discard(c);
		else if (c)
			pool_release(c, true);
	}
	parts_drop(s, false);
	txn_forget(s);
}

static uint32_t n_in_txn(const struct session *s)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < s->n_parts; i++)
		n += s->parts[i].in_txn;
	return n;
}

/* Legs to the participants, with @sql; their answers are held for @finish. @most: no more than so many. */
static void legs_to_parts(struct run *r, struct str sql, uint32_t most, void (*finish)(struct run *r))
{
	struct session *s = r->s;

	run_legs(r, MIN(n_in_txn(s), most));
	for (uint32_t i = 0; i < s->n_parts && r->n_legs < most; i++) {
		struct part *p = &s->parts[i];
		struct leg *l;

		if (!p->in_txn)
			continue;
		l = run_add_leg(r);
		l->pool = p->pool;
		l->ks = p->ks;
		l->shard = p->shard;
		l->shard_name = p->shard_name;
		leg_query(l, sql);
	}
	r->answer = ANSWER_HELD;
	r->finish = finish;
	run_goto(r, RUN_ACQUIRE);
	run_start(r);
}

static struct leg *first_bad(struct run *r)
{
	for (uint32_t i = 0; i < r->n_legs; i++) {
		if (r->legs[i].err.kind)
			return &r->legs[i];
	}
	return NULL;
}

static void plain_ok(struct run *r)
{
	struct ok_packet ok = { 0 };

	answer_ok(r, &ok);
	run_end(r);
}

/* --- BEGIN --- */

static void snapshot_begun(struct run *r)
{
	struct leg *bad = first_bad(r);

	if (bad) {
		struct err e = bad->err;

		txn_forget(r->s);
		run_fail(r, &e);
		return;
	}
	for (uint32_t i = 0; i < r->n_legs; i++)
		r->legs[i].begins = true;
	plain_ok(r);
}

static void begin_now(struct run *r)
{
	struct session *s = r->s;
	const struct sql_stmt *st = r->plan->stmt;
	const struct keyspace_route *kr = session_home(s);
	uint32_t flags = st->txn.flags;

	s->txn = TXN_OPEN;
	s->txn_flags_read = (uint8_t)((flags & SQL_TXN_READ_ONLY ? 1 : 0) | (flags & SQL_TXN_READ_WRITE ? 2 : 0) |
				      (flags & SQL_TXN_CONSISTENT_SNAPSHOT ? 4 : 0));
	if (!(flags & SQL_TXN_CONSISTENT_SNAPSHOT)) {
		plain_ok(r);
		return;
	}
	/* the snapshot is of now, not of the first statement: begin on every shard at once */
	run_legs(r, kr->ks->shard_n);
	for (uint32_t i = 0; i < kr->ks->shard_n; i++) {
		struct buf b = { 0 };

		begin_print(s, &b);
		leg_query(run_leg_to(r, kr, i, PLAN_SIDE_HOME, READS_PRIMARY),
			str_make((char *)buf_head(&b), buf_used(&b)));
		buf_free(&b);
	}
	r->answer = ANSWER_HELD;
	r->finish = snapshot_begun;
	run_goto(r, RUN_ACQUIRE);
	run_start(r);
}

void txn_begin(struct run *r, const struct sql_stmt *st)
{
	(void)st;
	if (r->s->txn == TXN_FAILED)
		txn_forget(r->s);
	if (n_in_txn(r->s)) {
		txn_commit_then(r, begin_now);
		return;
	}
	if (r->s->txn == TXN_OPEN)
		txn_forget(r->s);
	begin_now(r);
}

/* --- COMMIT and ROLLBACK --- */

static void end_ok(struct run *r)
{
	struct session *s = r->s;
	uint32_t flags = r->plan->stmt->txn.flags;
	uint8_t kept = s->txn_flags_read;

	txn_forget(s);
	if (!(flags & SQL_TXN_CHAIN))
		parts_release_idle(s);
	if (flags & SQL_TXN_CHAIN) {
		s->txn = TXN_OPEN;
		s->txn_flags_read = kept & 3;
	}
	if (flags & SQL_TXN_RELEASE)
		s->closing = true;
	plain_ok(r);
}

static void rollback_done(struct run *r)
{
	/* what was lost is rolled back as well; nothing can be said against it */
	end_ok(r);
}

static void commit_rest_done(struct run *r)
{
	struct leg *bad = first_bad(r);
	struct err e;

	if (!bad) {
		end_ok(r);
		return;
	}
	err_set(&e, ERR_BACKEND, ER_ERROR_DURING_COMMIT,
		"the transaction was committed on some shards, and on shard %s of %s it %s (%.250s): its writes there "
		"must be looked at",
		bad->shard_name ? bad->shard_name : "?", bad->ks, bad->lost ? "may or may not have been" : "was not",
		bad->err.msg);
	txn_forget(r->s);
	run_fail(r, &e);
}

/* A server that has become read-only refuses the COMMIT and rolls back. */
static bool commit_refused(struct run *r, const struct leg *bad)
{
	struct err e;

	if (bad->lost || !err_is_read_only(&bad->err) || r->s->pins)
		return false;
	server_suspect(pool_server(bad->pool));
	err_set(&e, ERR_BACKEND, ER_LOCK_DEADLOCK,
		"the transaction was rolled back, since its server has become read-only (%.250s); start it again",
		bad->err.msg);
	txn_undo(r);
	run_fail(r, &e);
	return true;
}

/* The first participant has decided; the others follow. */
static void commit_first_done(struct run *r)
{
	struct session *s = r->s;
	struct leg *bad = first_bad(r);
	struct err e;

	if (bad && commit_refused(r, bad))
		return;
	if (bad) {
		bool lost = bad->lost;

		e = bad->err;
		if (lost)
			err_set(&e, ERR_BACKEND, ER_ERROR_DURING_COMMIT,
				"whether the transaction was committed on the first of its shards is unknown (%.250s); "
				"on "
				"the others it was rolled back: look before you repeat it",
				bad->err.msg);
		run_release_legs(r);
		s->txn = TXN_NONE;
		if (!s->pins)
			parts_drop(s, false);
		txn_forget(s);
		run_fail(r, &e);
		return;
	}
	for (uint32_t i = 0; i < r->n_legs; i++) {
		struct part *p = part_find(s, r->legs[i].pool, r->legs[i].ks, r->legs[i].shard);

		if (p)
			p->in_txn = false;
	}
	/* the connection stays a part without a transaction until end_ok(): it goes back with the rest */
	run_again(r);
	legs_to_parts(r, STR("COMMIT"), UINT32_MAX, commit_rest_done);
}

static void commit_one_done(struct run *r)
{
	struct leg *bad = first_bad(r);

	if (!bad) {
		end_ok(r);
		return;
	}
	if (commit_refused(r, bad))
		return;
	/* a COMMIT that a server refuses has rolled back; one whose answer is lost is unknown */
	struct err e = bad->err;

	if (bad->lost)
		err_set(&e, ERR_BACKEND, ER_ERROR_DURING_COMMIT,
			"whether the transaction was committed is unknown (%.300s): look before you repeat it",
			bad->err.msg);
	txn_forget(r->s);
	run_fail(r, &e);
}

void txn_end(struct run *r, const struct sql_stmt *st, bool commit)
{
	struct session *s = r->s;
	uint32_t n = n_in_txn(s);
	struct err e;

	(void)st;
	if (s->txn == TXN_FAILED) {
		if (commit) {
			err_set(&e, ERR_BACKEND, s->txn_told ? ER_CANT_DO_THIS_DURING_A_TRANSACTION : ER_LOCK_DEADLOCK,
				"the transaction was rolled back when a server it had used was lost: say ROLLBACK, "
				"then "
				"start it again");
			s->txn_told = true;
			run_fail(r, &e);
			return;
		}
		s->txn = TXN_NONE;
		if (!s->pins)
			parts_drop(s, false);
		end_ok(r);
		return;
	}
	if (n == 0)
		end_ok(r);
	else if (!commit)
		legs_to_parts(r, STR("ROLLBACK"), UINT32_MAX, rollback_done);
	else if (n == 1)
		legs_to_parts(r, STR("COMMIT"), 1, commit_one_done);
	else
		legs_to_parts(r, STR("COMMIT"), 1, commit_first_done);
}

static void committed_then(struct run *r)
{
	void (*next)(struct run *) = r->then;
	struct leg *bad = first_bad(r);
	struct err e;

	if (bad) {
		e = bad->err;
		run_release_legs(r);
		if (!r->s->pins)
			parts_drop(r->s, false);
		txn_forget(r->s);
		run_fail(r, &e);
		return;
	}
	txn_forget(r->s);
	run_again(r);
	next(r);
}

void txn_commit_then(struct run *r, void (*next)(struct run *r))
{
	if (n_in_txn(r->s) == 0) {
		txn_forget(r->s);
		next(r);
		return;
	}
	run_keep(r);
	r->then = next;
	legs_to_parts(r, STR("COMMIT"), UINT32_MAX, committed_then);
}

/* --- savepoints --- */

static char *quoted_name(struct str name)
{
	struct buf b = { 0 };
	char *z;

	buf_addz(&b, "`");
	for (size_t i = 0; i < name.n; i++) {
		if (name.p[i] == '`')
			buf_add_u8(&b, '`');
		buf_add_u8(&b, (uint8_t)name.p[i]);
	}
	buf_addz(&b, "`");
	z = xstrndup((char *)buf_head(&b), buf_used(&b));
	buf_free(&b);
	return z;
}

static int savepoint_find(const struct session *s, const char *name)
{
	for (uint32_t i = 0; i < s->n_savepoints; i++) {
		if (!strcasecmp(s->savepoints[i], name))
			return (int)i;
	}
	return -1;
}

static void savepoint_cut(struct session *s, uint32_t n)
{
	while (s->n_savepoints > n)
		free(s->savepoints[--s->n_savepoints]);
}

static void savepoint_done(struct run *r)
{
	struct session *s = r->s;
	const struct sql_stmt *st = r->plan->stmt;
	struct leg *bad = first_bad(r);
	char *name;
	int at;
	struct err e;

	if (bad) {
		e = bad->err;
		run_fail(r, &e);
		return;
	}
	name = quoted_name(st->name);
	at = savepoint_find(s, name);
	if (st->kind == SQL_S_SAVEPOINT) {
		if (at >= 0) {
			/* setting it again moves it to the end */
			free(s->savepoints[at]);
			memmove(&s->savepoints[at], &s->savepoints[at + 1],
				(s->n_savepoints - (uint32_t)at - 1) * sizeof(*s->savepoints));
			s->n_savepoints--;
		}
		s->savepoints = xrealloc(s->savepoints, (s->n_savepoints + 1) * sizeof(*s->savepoints));
		s->savepoints[s->n_savepoints++] = name;
		name = NULL;
	} else if (at >= 0) {
		savepoint_cut(s, (uint32_t)at + (st->kind == SQL_S_ROLLBACK_TO));
	}
	free(name);
	plain_ok(r);
}

void txn_savepoint(struct run *r, const struct sql_stmt *st)
{
	struct session *s = r->s;
	char *name = quoted_name(st->name), *sql;
	bool known = savepoint_find(s, name) >= 0;
	uint32_t n = n_in_txn(s);
	struct err e;

	if (s->txn == TXN_FAILED) {
		err_set(&e, ERR_BACKEND, s->txn_told ? ER_CANT_DO_THIS_DURING_A_TRANSACTION : ER_LOCK_DEADLOCK,
			"the transaction was rolled back when a server it had used was lost: say ROLLBACK, then start "
			"it "
			"again");
		s->txn_told = true;
		free(name);
		run_fail(r, &e);
		return;
	}
	if (st->kind != SQL_S_SAVEPOINT && !known && n != 1) {
		err_set(&e, ERR_NAME, ER_SP_DOES_NOT_EXIST, "SAVEPOINT " STR_FMT " does not exist", STR_ARG(st->name));
		free(name);
		run_fail(r, &e);
		return;
	}
	if (st->kind == SQL_S_SAVEPOINT && !known && s->n_savepoints >= TXN_REPLAY_MAX && s->ks && s->ks->shard_n > 1) {
		err_set(&e, ERR_LIMIT, ER_NOT_SUPPORTED_YET,
			"a transaction over shards may have %d savepoints at a time: release one first",
			TXN_REPLAY_MAX);
		free(name);
		run_fail(r, &e);
		return;
	}
	if (n == 0) {
		if (s->txn == TXN_OPEN || s->settings->autocommit_off)
			savepoint_done(r);
		else
			plain_ok(r);
		free(name);
		return;
	}
	sql = arena_printf(&r->arena, "%s%s",
		st->kind == SQL_S_SAVEPOINT	? "SAVEPOINT "
		: st->kind == SQL_S_ROLLBACK_TO ? "ROLLBACK TO SAVEPOINT "
						: "RELEASE SAVEPOINT ",
		name);
	free(name);
	legs_to_parts(r, str_of(sql), UINT32_MAX, savepoint_done);
}

/* --- SET TRANSACTION --- */

static const char *const isolation_name[] = { [SQL_ISO_READ_UNCOMMITTED] = "READ UNCOMMITTED",
	[SQL_ISO_READ_COMMITTED] = "READ COMMITTED",
	[SQL_ISO_REPEATABLE_READ] = "REPEATABLE READ",
	[SQL_ISO_SERIALIZABLE] = "SERIALIZABLE" };
static const char *const isolation_value[] = { [SQL_ISO_READ_UNCOMMITTED] = "'READ-UNCOMMITTED'",
	[SQL_ISO_READ_COMMITTED] = "'READ-COMMITTED'",
	[SQL_ISO_REPEATABLE_READ] = "'REPEATABLE-READ'",
	[SQL_ISO_SERIALIZABLE] = "'SERIALIZABLE'" };

static void set_next_transaction(struct run *r, const struct sql_txn *t)
{
	struct session *s = r->s;
	struct err e;
	bool access = t->flags & (SQL_TXN_READ_ONLY | SQL_TXN_READ_WRITE);

	if (s->txn != TXN_NONE || n_in_txn(s)) {
		err_set(&e, ERR_UNSUPPORTED, (enum mysql_errno)1568,
			"Transaction characteristics can't be changed while a transaction is in progress");
		memcpy(e.sqlstate, "25001", 6);
		run_fail(r, &e);
		return;
	}
	free(s->next_txn);
	s->next_txn = xasprintf("SET TRANSACTION %s%s%s%s", t->isolation ? "ISOLATION LEVEL " : "",
		t->isolation ? isolation_name[t->isolation] : "", t->isolation && access ? ", " : "",
		!access			       ? ""
		: t->flags & SQL_TXN_READ_ONLY ? "READ ONLY"
					       : "READ WRITE");
	plain_ok(r);
}

void txn_set_transaction(struct run *r, const struct sql_stmt *st)
{
	struct session *s = r->s;
	const struct sql_txn *t = &st->txn;
	bool mysql = s->mode.family == SCAN_MYSQL;
	const struct settings *n = s->settings, *m;
	struct err e;

	if (t->scope == SQL_SCOPE_NONE) {
		set_next_transaction(r, t);
		return;
	}
	if (t->scope != SQL_SCOPE_SESSION && t->scope != SQL_SCOPE_LOCAL) {
		setvar_global(r);
		return;
	}
	settings_ref(n);
	if (t->isolation) {
		m = settings_with(s->w->settings, n, mysql ? STR("transaction_isolation") : STR("tx_isolation"),
			str_of(isolation_value[t->isolation]), &e);
		settings_unref(s->w->settings, n);
		if (!m) {
			run_fail(r, &e);
			return;
		}
		n = m;
	}
	if (t->flags & (SQL_TXN_READ_ONLY | SQL_TXN_READ_WRITE)) {
		m = settings_with(s->w->settings, n, mysql ? STR("transaction_read_only") : STR("tx_read_only"),
			t->flags & SQL_TXN_READ_ONLY ? STR("1") : STR("0"), &e);
		settings_unref(s->w->settings, n);
		if (!m) {
			run_fail(r, &e);
			return;
		}
		n = m;
	}
	session_apply_settings(s, n);
	plain_ok(r);
}
