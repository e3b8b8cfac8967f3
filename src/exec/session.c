/* session.c - a client's session: opening, where it stands, what it has set, closing. Worker thread. */
#include "reads.h"
#include <stdio.h>
#include <stdlib.h>

static void session_next(struct loop_task *t)
{
	struct session *s = container_of(t, struct session, next);

	if (s->run && s->run->state == RUN_BEGIN)
		run_statement(s->run);
}

void session_open(struct session *s, struct worker *w, struct stream *st, const struct session_ops *ops,
	const struct session_login *login)
{
	const struct server_facts *f = worker_snapshot(w)->facts;
	unsigned collation = login->collation_id;

	s->w = w;
	s->st = st;
	s->ops = ops;
	s->caps = login->caps;
	s->reads = s->user_reads = (uint8_t)login->reads;
	if (login->reads == READS_CAUSAL)
		causal_begin(s, false);
	s->multi_statements = (login->caps & CLIENT_MULTI_STATEMENTS) != 0;
	s->found_rows_cap = (login->caps & CLIENT_FOUND_ROWS) != 0;
	s->user = str_make(str_dup(login->user), login->user.n);
	s->host = str_make(str_dup(login->host), login->host.n);
	if (!wire_charset_name(collation) || wire_charset_not_for_client(collation))
		collation = w->cfg->collation_id ? w->cfg->collation_id : f ? wire_collation_id(f->collation) : 45;
	s->login_settings = settings_login(w->settings, collation);
	s->settings = settings_ref(s->login_settings);
	s->row_count = 0;
	s->since_us = loop_now_us(w->loop);
	loop_task_init(&s->next, session_next);
	list_push_back(&w->sessions, &s->link);
	HASH_ADD_INT(w->by_id, id, s);
	w->n_sessions++;
	session_mode_update(s);
}

static void session_clear(struct session *s)
{
	struct worker *w = s->w;

	if (s->run)
		run_abort(s->run);
	loop_unpost(&s->next);
	s->txn = TXN_NONE;
	parts_drop(s, false);
	txn_forget(s);
	stmt_close_all(s);
	named_drop_all(s);
	diag_clear(s);
	if (w->hold_of == s) {
		buf_clear(&w->hold);
		w->hold_of = NULL;
	}
	settings_unref(w->settings, s->settings);
	s->settings = NULL;
	s->pins = 0;
	s->n_cursors = 0;
	s->pin_why = NULL;
	s->last_insert_id = s->found_rows = 0;
	s->row_count = 0;
}

void session_close(struct session *s)
{
	struct worker *w = s->w;

	session_clear(s);
	causal_free(s);
	settings_unref(w->settings, s->login_settings);
	list_del(&s->link);
	HASH_DEL(w->by_id, s);
	w->n_sessions--;
	free((char *)(uintptr_t)s->user.p);
	free((char *)(uintptr_t)s->host.p);
	free(s->target);
	arena_free(&s->diag_arena);
}

void session_reset(struct session *s)
{
	session_clear(s);
	s->settings = settings_ref(s->login_settings);
	s->multi_statements = (s->caps & CLIENT_MULTI_STATEMENTS) != 0;
	session_mode_update(s);
}

int session_select(struct session *s, struct str target, struct err *err)
{
	struct target t;
	int rc = target_parse(worker_snapshot(s->w)->map, target, &t, err);

	if (rc < 0)
		return rc;
	free(s->target);
	s->target = str_dup(target);
	s->db = worker_intern(s->w, t.database);
	s->target_generation = 0;
	session_resolve(s);
	return 0;
}

void session_resolve(struct session *s)
{
	const struct snapshot *sn = worker_snapshot(s->w);
	struct target t;

	if (LIKELY(s->target_generation == sn->generation))
		return;
	s->target_generation = sn->generation;
	s->ks = NULL;
	s->shard = NULL;
	s->reads = s->user_reads;
	if (s->target && target_parse(sn->map, str_of(s->target), &t, NULL) == 0) {
		s->ks = t.keyspace;
		s->shard = t.shard;
		if (t.role_given && t.role == TARGET_PRIMARY)
			s->reads = READS_PRIMARY;
		else if (t.role_given && s->reads == READS_PRIMARY)
			s->reads = READS_REPLICA;
	}
	session_mode_update(s);
}

const struct keyspace_route *session_home(const struct session *s)
{
	const struct worker *w = s->w;
	const struct map *map = worker_snapshot(w)->map;

	if (s->ks)
		return worker_keyspace(w, s->ks);
	if (map->everything)
		return worker_keyspace(w, map->everything);
	return &w->keyspaces[0];
}

static struct str client_charset(const struct session *s)
{
	struct str v = settings_get(s->settings, STR("character_set_client"));

	return v.n >= 2 && v.p[0] == '\'' ? str_make(v.p + 1, v.n - 2) : v;
}

void session_mode_update(struct session *s)
{
	const struct snapshot *sn = worker_snapshot(s->w);
	const struct server_facts *f = s->ks ? snapshot_view(sn, s->ks)->facts : NULL;
	uint32_t bits;

	if (!f)
		f = sn->facts;
	bits = s->settings->has_sql_mode ? s->settings->sql_mode : f ? settings_sql_mode_bits(f->sql_mode) : 0;
	s->mode = (struct scan_mode){ .seed = s->w->process->scan_seed,
		.server_version = f ? f->version_n : 101100,
		.family = f && f->family == SERVER_MYSQL ? SCAN_MYSQL : SCAN_MARIADB,
		.charset = (uint8_t)scan_charset_of(client_charset(s)) };
	s->charset = (uint8_t)charset_by_name(client_charset(s));
	if (bits & SQL_MODE_ANSI_QUOTES)
		s->mode.flags |= SCAN_ANSI_QUOTES;
	if (bits & SQL_MODE_NO_BACKSLASH_ESCAPES)
		s->mode.flags |= SCAN_NO_BACKSLASH_ESCAPES;
	if (bits & SQL_MODE_IGNORE_SPACE)
		s->mode.flags |= SCAN_IGNORE_SPACE;
	if (bits & SQL_MODE_PIPES_AS_CONCAT)
		s->mode.flags |= SCAN_PIPES_AS_CONCAT;
	if (bits & SQL_MODE_HIGH_NOT_PRECEDENCE)
		s->mode.flags |= SCAN_HIGH_NOT_PRECEDENCE;
}

void session_apply_settings(struct session *s, const struct settings *taken)
{
	settings_unref(s->w->settings, s->settings);
	s->settings = taken;
	session_mode_update(s);
}

bool session_infile(struct session *s, const uint8_t *p, size_t n)
{
	struct run *r = s->run;
	struct leg *l;

	if (!r || !r->infile || !r->n_legs || !r->legs[0].c) {
		if (r)
			r->infile = false;
		return false;
	}
	l = &r->legs[0];
	bconn_send_raw(l->c, p, n);
	if (n > PACKET_HEADER) {
		if (stream_queued(&l->c->st) > 256 * 1024)
			stream_read_pause(s->st); /* until leg_drained() */
		return true;
	}
	r->infile = false;
	s->seq = (uint8_t)(p[3] + 1);
	response_infile_sent(&l->c->resp, (uint8_t)(p[3] - l->c->resp.seq_shift));
	return false;
}

void session_kill(struct session *s, bool query_only)
{
	struct run *r = s->run;
	struct err err;

	if (!query_only) {
		/* as a server does: the client sees its connection end */
		s->closing = true;
		if (r)
			run_abort(r);
		s->ops->fatal(s);
		return;
	}
	if (!r)
		return;
	for (uint32_t i = 0; i < r->n_legs; i++) {
		if (r->legs[i].c && r->legs[i].state == LEG_SENT) {
			pool_kill(r->legs[i].c, true);
			/* a server that hangs does not hear it */
			server_suspect(pool_server(r->legs[i].pool));
			r->killed = true;
		}
	}
	if (r->killed)
		run_late_by(r, loop_now_us(s->w->loop) + s->w->cfg->pool.connect_timeout_us);
	if (r->state == RUN_ACQUIRE || r->state == RUN_IDS || r->state == RUN_ASK || r->state == RUN_HELD) {
		err_set(&err, ERR_BACKEND, ER_QUERY_INTERRUPTED, "Query execution was interrupted");
		run_cancel(r, &err);
	}
}
