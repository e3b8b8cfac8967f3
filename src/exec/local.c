/* local.c - statements that the session answers itself, or that mean something else over shards than on one server:
 * USE, SHOW WARNINGS, SHOW DATABASES, KILL, EXPLAIN ROUTE. Worker thread. */
#include "reads.h"
#include "show.h"
#include "keyway/wire/rowset.h"
#include <stdio.h>
#include <stdlib.h>

static void plain_ok(struct run *r)
{
	struct ok_packet ok = { 0 };

	answer_ok(r, &ok);
	run_end(r);
}

/* --- USE --- */

static void selected(struct run *r, struct str target)
{
	struct session *s = r->s;
	struct ok_packet ok = { .status = SERVER_SESSION_STATE_CHANGED };
	struct buf track = { 0 };
	struct err err;

	if (session_select(s, target, &err) < 0) {
		run_fail(r, &err);
		return;
	}
	track_add_schema(&track, str_of(s->db));
	ok.track = str_make((char *)buf_head(&track), buf_used(&track));
	answer_ok(r, &ok);
	buf_free(&track);
	run_end(r);
}

static void use_done(struct run *r)
{
	struct leg *l = &r->legs[0];
	struct err e;

	if (l->err.kind) {
		e = l->err;
		run_fail(r, &e);
		return;
	}
	l->c->db = worker_intern(r->w, str_of(r->use_db));
	selected(r, str_of(r->use_target));
}

void local_use(struct run *r, struct str target)
{
	struct session *s = r->s;
	struct target t;
	struct err err;
	struct buf b = { 0 };
	uint8_t seq = 0;
	size_t mark;
	struct leg *l;

	if (target.n == 0) {
		err_set(&err, ERR_NAME, ER_NO_DB_ERROR, "No database selected");
		run_fail(r, &err);
		return;
	}
	r->use_target = arena_dup(&r->arena, target.p, target.n);
	if (target_parse(worker_snapshot(r->w)->map, str_make(r->use_target, target.n), &t, &err) < 0) {
		run_fail(r, &err);
		return;
	}
	if (!t.keyspace->everything) {
		selected(r, str_make(r->use_target, target.n));
		return;
	}
	/* a database of the server behind `*`: the server knows whether it is there */
	r->use_db = arena_dup(&r->arena, t.database.p, t.database.n);
	run_legs(r, 1);
	l = run_leg_to(r, worker_keyspace(r->w, t.keyspace), 0, PLAN_SIDE_HOME, READS_PRIMARY);
	l->db = NULL;
	l->no_db = false;
	mark = packet_begin(&l->pkt);
	buf_add_u8(&l->pkt, COM_INIT_DB);
	buf_add_str(&l->pkt, t.database);
	packet_end(&l->pkt, mark, &seq);
	buf_free(&b);
	r->kind = RESPONSE_TO_OK;
	r->answer = ANSWER_HELD;
	r->finish = use_done;
	(void)s;
	run_goto(r, RUN_ACQUIRE);
	run_start(r);
}

/* --- SHOW WARNINGS --- */

static uint64_t literal_u64(const struct sql_expr *e, uint64_t otherwise)
{
	uint64_t v;

	return e && e->kind == SQL_E_LIT && str_to_u64(e->name, &v) == 0 ? v : otherwise;
}

static void show_diag(struct run *r, const struct sql_show *show, bool errors_only)
{
	struct session *s = r->s;
	struct column_def cols[3] = { column_text(STR("Level"), 7), column_int(STR("Code")),
		column_text(STR("Message"), 512) };
	struct str cs = settings_get(s->settings, STR("character_set_results"));
	unsigned charset = cs.n > 2 ? wire_charset_default_id(str_make(cs.p + 1, cs.n - 2)) : 0;
	uint64_t offset = show->limit ? literal_u64(show->limit->offset, 0) : 0;
	uint64_t count = show->limit ? literal_u64(show->limit->count, UINT64_MAX) : UINT64_MAX;
	struct str *f = arena_array(&r->arena, struct str, 3 * (s->n_diag + 1));
	uint32_t n = 0;

	/* as servers describe them */
	cols[0].flags = cols[2].flags = NOT_NULL_FLAG;
	cols[0].decimals = cols[2].decimals = 39;
	if (charset)
		cols[0].charset = cols[2].charset = (uint16_t)charset;
	cols[1].type = MYSQL_TYPE_LONG;
	cols[1].length = 4;
	cols[1].flags = NOT_NULL_FLAG | UNSIGNED_FLAG | BINARY_FLAG;
	for (uint32_t i = 0; i < s->n_diag && n < count; i++) {
		struct diag_row *d = &s->diag[i];

		if (errors_only && strcmp(d->level, "Error") != 0)
			continue;
		if (offset) {
			offset--;
			continue;
		}
		f[3 * n] = str_of(d->level);
		f[3 * n + 1] = str_of(arena_printf(&r->arena, "%u", d->code));
		f[3 * n + 2] = d->msg;
		n++;
	}
	answer_rows(r, cols, 3, f, n);
	run_end(r);
}

static void show_diag_count(struct run *r, bool errors_only)
{
	struct session *s = r->s;
	struct column_def col =
		column_uint(errors_only ? STR("@@session.error_count") : STR("@@session.warning_count"));
	uint32_t n = s->warnings;
	struct str f;

	if (errors_only) {
		n = 0;
		for (uint32_t i = 0; i < s->n_diag; i++)
			n += strcmp(s->diag[i].level, "Error") == 0;
	}
	f = str_of(arena_printf(&r->arena, "%u", n));
	answer_rows(r, &col, 1, &f, 1);
	run_end(r);
}

/* --- SHOW DATABASES --- */

static int str_order(const void *a, const void *b)
{
	const struct str *x = a, *y = b;
	int c = memcmp(x->p, y->p, MIN(x->n, y->n));

	return c ? c : (x->n > y->n) - (x->n < y->n);
}

static void databases_tell(struct run *r, struct collect *c)
{
	const struct map *map = worker_snapshot(r->w)->map;
	uint32_t n = 0, most = map->keyspace_n + 1 + (c ? c->n_rows : 0), out = 0;
	struct str *f = arena_array(&r->arena, struct str, most);
	struct column_def col = column_text(STR("Database"), 64);

	for (uint32_t i = 0; i < map->keyspace_n; i++) {
		if (!map->keyspaces[i]->everything)
			f[n++] = map->keyspaces[i]->name;
	}
	for (uint32_t i = 0; c && i < c->n_rows; i++)
		f[n++] = c->rows[i][0];
	if (!c)
		f[n++] = STR("information_schema");
	qsort(f, n, sizeof(*f), str_order);
	for (uint32_t i = 0; i < n; i++) {
		if (i == 0 || !str_eq(f[i], f[out - 1]))
			f[out++] = f[i];
	}
	answer_rows(r, &col, 1, f, out);
	run_end(r);
}

static void databases_collected(struct run *r, struct collect *c)
{
	if (c->err.kind) {
		run_fail(r, &c->err);
		return;
	}
	databases_tell(r, c);
}

static void databases_ready(struct run *r)
{
	struct leg *l = &r->legs[0];
	struct err e;

	if (l->err.kind) {
		e = l->err;
		run_fail(r, &e);
		return;
	}
	run_goto(r, RUN_COLLECT);
	collect_start(l, STR("SHOW DATABASES"), collect_new(&r->arena, databases_collected, 100000));
}

static void show_databases(struct run *r, const struct sql_show *show)
{
	const struct map *map = worker_snapshot(r->w)->map;
	struct session *s = r->s;
	struct err err;

	if (map->everything && map->keyspace_n == 1) {
		run_home(r, r->text, NULL);
		return;
	}
	if (show->like || show->where) {
		err_set(&err, ERR_UNSUPPORTED, ER_NOT_SUPPORTED_YET,
			"SHOW DATABASES over several keyspaces takes no LIKE or WHERE: leave it out");
		run_fail(r, &err);
		return;
	}
	if (!map->everything) {
		databases_tell(r, NULL);
		return;
	}
	(void)s;
	run_legs(r, 1);
	leg_query(run_leg_to(r, worker_keyspace(r->w, map->everything), 0, PLAN_SIDE_HOME, READS_PRIMARY), STR("DO 0"));
	r->answer = ANSWER_HELD;
	r->finish = databases_ready;
	run_goto(r, RUN_ACQUIRE);
	run_start(r);
}

/* --- FOUND_ROWS() --- */

/* The version that the settings announce, for the two ways in which clients ask. */
static bool local_version(struct run *r, const struct scan *scan)
{
	struct str what = scan_span(scan, r->text, 1, scan->n_toks), v = str_of(r->w->cfg->server_version);
	struct column_def col;

	if (!v.n || !(str_ieqz(what, "@@version") || str_ieqz(what, "version()") || str_ieqz(what, "@@global.version")))
		return false;
	col = column_text(arena_str(&r->arena, what), (uint32_t)v.n);
	diag_clear(r->s);
	answer_rows(r, &col, 1, &v, 1);
	run_end(r);
	return true;
}

bool local_function(struct run *r)
{
	const struct scan *scan = r->cstmt ? &r->cstmt->text->scan : &r->w->scan;
	struct session *s = r->s;
	struct column_def col;
	struct str f;

	if (scan->verb != SCAN_SELECT || scan->n_toks < 2 || scan->n_toks > 6 || scan->broken || s->txn == TXN_FAILED)
		return false;
	if (scan->flags & (SCAN_F_VERSION | SCAN_F_SYSVAR))
		return local_version(r, scan);
	if (scan->n_toks != 4)
		return false;
	col = column_int(arena_str(&r->arena, scan_span(scan, r->text, 1, 4)));
	col.length = 21;
	col.flags = NOT_NULL_FLAG | BINARY_FLAG;
	if (scan->flags & SCAN_F_FOUND_ROWS)
		f = str_of(arena_printf(&r->arena, "%llu", (unsigned long long)s->found_rows));
	else
		f = str_of(arena_printf(&r->arena, "%lld", (long long)s->row_count));
	diag_clear(s);
	answer_rows(r, &col, 1, &f, 1);
	run_end(r);
	return true;
}

/* --- KILL --- */

#define KILL_DEADLINE_US 5000000

struct kill {
	struct worker *target, *from;
	uint32_t id, asker;
	char *user; /* the asker's: its session belongs to another thread */
	bool admin, query_only, found;
};

static void kill_answer(void *arg)
{
	struct kill *k = arg;
	struct session *s;
	struct err err;

	HASH_FIND_INT(k->from->by_id, &k->asker, s);
	if (s && s->run && s->run->asked == k) {
		struct run *r = s->run;

		if (k->found) {
			plain_ok(r);
		} else {
			err_set(&err, ERR_NAME, ER_NO_SUCH_THREAD, "Unknown thread id: %u", k->id);
			run_fail(r, &err);
		}
	}
	free(k->user);
	free(k);
}

static void kill_there(void *arg)
{
	struct kill *k = arg;
	struct session *s;

	HASH_FIND_INT(k->target->by_id, &k->id, s);
	if (s && !k->admin && !str_eqz(s->user, k->user))
		s = NULL;
	k->found = s != NULL;
	if (s && k->id != k->asker)
		session_kill(s, k->query_only);
	loop_send(k->from->loop, kill_answer, k);
}

static void kill_late(struct run *r, struct err *err)
{
	(void)r;
	err_set(err, ERR_TIMEOUT, ER_QUERY_INTERRUPTED,
		"Query execution was interrupted: the worker thread of that connection has not answered within %d s; "
		"it may do so later. Look at the process's CPU and log",
		KILL_DEADLINE_US / 1000000);
}

void local_kill(struct run *r, uint32_t id, bool query_only)
{
	struct process *p = r->w->process;
	struct kill *k = xcalloc(1, sizeof(*k));

	k->from = r->w;
	k->target = p->workers[id % p->n_workers];
	k->id = id;
	k->asker = r->s->id;
	k->user = str_dup(r->s->user);
	k->admin = r->s->admin;
	k->query_only = query_only;
	run_ask(r, k, KILL_DEADLINE_US, kill_late);
	loop_send(k->target->loop, kill_there, k);
}

static void kill_stmt(struct run *r, const struct sql_kill *kill)
{
	uint64_t id = literal_u64(kill->id, 0);
	struct err err;

	if (kill->id && kill->id->kind == SQL_E_FUNC && str_ieqz(kill->id->name, "CONNECTION_ID")) {
		/* oneself: said, then done */
		if (kill->query) {
			err_set(&err, ERR_BACKEND, ER_QUERY_INTERRUPTED, "Query execution was interrupted");
		} else {
			err_set(&err, ERR_BACKEND, (enum mysql_errno)1927, "Connection was killed");
			memcpy(err.sqlstate, "70100", 6);
			r->s->closing = true;
		}
		run_fail(r, &err);
		return;
	}
	if (!id || id > UINT32_MAX) {
		err_set(&err, ERR_NAME, ER_NO_SUCH_THREAD, "Unknown thread id: %llu (KILL takes a number)",
			(unsigned long long)id);
		run_fail(r, &err);
		return;
	}
	local_kill(r, (uint32_t)id, kill->query);
}

/* --- EXPLAIN ROUTE --- */

struct explain_rows {
	struct run *r;
	struct str *f;
	uint32_t n, cap;
};

#define EXPLAIN_COLS 6

static void explain_row(const struct plan_explain_row *row, void *arg)
{
	struct explain_rows *x = arg;
	struct arena *a = &x->r->arena;
	struct str *f;

	if (x->n == x->cap) {
		uint32_t cap = x->cap ? x->cap * 2 : 8;

		f = arena_array(a, struct str, (size_t)cap * EXPLAIN_COLS);
		if (x->n)
			memcpy(f, x->f, sizeof(*f) * x->n * EXPLAIN_COLS);
		x->f = f;
		x->cap = cap;
	}
	f = x->f + (size_t)x->n++ * EXPLAIN_COLS;
	f[0] = str_of(arena_printf(a, "%u", row->step));
	f[1] = str_of(row->kind);
	f[2] = arena_str(a, row->shards);
	f[3] = str_of(row->role ? row->role : "");
	f[4] = arena_str(a, row->sql);
	f[5] = str_of(arena_printf(a, "%s", row->why ? row->why : ""));
}

static void explain_route(struct run *r)
{
	struct column_def cols[EXPLAIN_COLS] = { column_uint(STR("step")), column_text(STR("route"), 16),
		column_text(STR("shards"), 1024), column_text(STR("role"), 16), column_text(STR("sql"), 65535),
		column_text(STR("why"), 1024) };
	struct explain_rows x = { .r = r };
	const struct scan *scan = &r->w->scan;
	struct session *s = r->s;
	struct plan_request rq;
	struct plan_values vals;
	struct plan_session ps;
	struct err err;

	/* the statement behind the two words, by itself */
	if (r->cstmt || scan->n_toks < 3) {
		err_set(&err, ERR_UNSUPPORTED, ER_NOT_SUPPORTED_YET,
			"EXPLAIN ROUTE cannot be prepared: send it as text");
		run_fail(r, &err);
		return;
	}
	r->text = str_make(r->text.p + scan->toks[2].off, r->text.n - scan->toks[2].off);
	plan_unref(r->plan);
	r->plan = NULL;
	if (sql_scan(&r->w->scan, r->text, &r->mode, &err) < 0)
		goto fail;
	rq = (struct plan_request){ .text = r->text,
		.scan = scan,
		.mode = &r->mode,
		.snapshot = worker_snapshot(r->w),
		.ks = s->ks,
		.shard = s->shard,
		.db = str_of(s->db) };
	if (plan_build(&rq, &r->plan, &err) < 0)
		goto fail;
	vals = run_values(r);
	ps = run_plan_session(r);
	if (plan_explain(r->plan, &vals, &ps, reads_wanted(r, scan) != READS_PRIMARY, explain_row, &x, &err) < 0)
		goto fail;
	answer_rows(r, cols, EXPLAIN_COLS, x.f, x.n);
	run_end(r);
	return;
fail:
	run_fail(r, &err);
}

/* --- all of them --- */

static void show(struct run *r, const struct sql_show *show)
{
	if (str_ieqz(show->what, "WARNINGS")) {
		show_diag(r, show, false);
	} else if (str_ieqz(show->what, "ERRORS")) {
		show_diag(r, show, true);
	} else if (str_ieqz(show->what, "COUNT(*) WARNINGS") || str_ieqz(show->what, "COUNT WARNINGS")) {
		show_diag_count(r, false);
	} else if (str_ieqz(show->what, "COUNT(*) ERRORS") || str_ieqz(show->what, "COUNT ERRORS")) {
		show_diag_count(r, true);
	} else if (str_ieqz(show->what, "DATABASES") || str_ieqz(show->what, "SCHEMAS")) {
		show_databases(r, show);
	} else if (str_ieqz(show->what, "PROCESSLIST")) {
		show_processlist(r, show->full);
	} else if (str_starts(show->what, STR("KEYWAY"))) {
		show_keyway(r, show);
	} else {
		run_home(r, r->text, NULL);
	}
}

/* The text is the session's, its connection state goes with one server: run it there and keep the connection. */
static void pass_pinned(struct run *r, const char *why)
{
	r->s->pins |= PIN_STATE;
	r->s->pin_why = why;
	run_home(r, r->text, NULL);
}

void local_run(struct run *r, const struct sql_stmt *st)
{
	struct err err;

	switch ((enum sql_stmt_kind)st->kind) {
	case SQL_S_BEGIN: txn_begin(r, st); return;
	case SQL_S_COMMIT: txn_end(r, st, true); return;
	case SQL_S_ROLLBACK: txn_end(r, st, false); return;
	case SQL_S_ROLLBACK_TO:
	case SQL_S_SAVEPOINT:
	case SQL_S_RELEASE: txn_savepoint(r, st); return;
	case SQL_S_SET: setvar_run(r, st); return;
	case SQL_S_SET_TRANSACTION: txn_set_transaction(r, st); return;
	case SQL_S_SET_ROLE: pass_pinned(r, "SET ROLE"); return;
	case SQL_S_USE: local_use(r, st->name); return;
	case SQL_S_SHOW: show(r, st->show); return;
	case SQL_S_KILL: kill_stmt(r, st->kill); return;
	case SQL_S_RESET:
		if (reset_keyway(r->s, st->rest.text, &err) < 0)
			run_fail(r, &err);
		else
			plain_ok(r);
		return;
	case SQL_S_PREPARE:
	case SQL_S_EXECUTE:
	case SQL_S_DEALLOCATE:
		/* one server does it itself, to the last detail; over shards the text is planned each time */
		if (session_home(r->s)->ks->shard_n == 1)
			pass_pinned(r, "a statement prepared by name");
		else if (st->kind == SQL_S_PREPARE)
			named_prepare(r, st);
		else if (st->kind == SQL_S_EXECUTE)
			named_execute(r, st);
		else
			named_drop(r, st);
		return;
	case SQL_S_EXPLAIN:
		if (st->explain->route && r->plan->inner) {
			explain_route(r);
			return;
		}
		break;
	case SQL_S_EMPTY: plain_ok(r); return;
	default: break;
	}
	if (session_home(r->s)->ks->sharded) {
		err_set(&err, ERR_UNSUPPORTED, ER_NOT_SUPPORTED_YET,
			"%s speaks of one server, and keyspace '%s' has several: select one shard first (USE `%s/%s`)",
			sql_stmt_kind_name((enum sql_stmt_kind)st->kind), session_home(r->s)->name,
			session_home(r->s)->name, session_home(r->s)->shards[0].name);
		run_fail(r, &err);
		return;
	}
	run_home(r, r->text, NULL);
}
