/* stmt.c - the client's prepared statements, by number. Texts are interned, so a
 * connection knows by one pointer what it has prepared; it prepares when a statement first comes to it. Worker thread.
 */
#include "run.h"
#include "keyway/sql/lit.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

/* --- texts --- */

struct ptext *ptext_get(struct worker *w, struct str text, const struct scan_mode *mode)
{
	size_t key_n = sizeof(*mode) + text.n;
	struct ptext *t = xcalloc(1, sizeof(*t) + key_n + 1), *old;
	struct err err;

	memcpy(t->key, mode, sizeof(*mode));
	memcpy(t->key + sizeof(*mode), text.p, text.n);
	HASH_FIND(hh, w->ptexts, t->key, key_n, old);
	if (old) {
		free(t);
		old->refs++;
		return old;
	}
	t->refs = 1;
	t->key_n = (uint32_t)key_n;
	t->mode = *mode;
	t->text = str_make(t->key + sizeof(*mode), text.n);
	scan_init(&t->scan);
	if (sql_scan(&t->scan, t->text, &t->mode, &err) < 0)
		t->scan.broken = true;
	HASH_ADD_KEYPTR(hh, w->ptexts, t->key, key_n, t);
	return t;
}

void ptext_unref(struct worker *w, struct ptext *t)
{
	if (!t || --t->refs)
		return;
	/* connections may still have it prepared: a text that comes again gets another address, but this one must not
	 * be taken by another text while they do */
	for (uint32_t i = 0; i < w->n_pools; i++)
		pool_forget_stmt(w->pools[i], t);
	HASH_DEL(w->ptexts, t);
	scan_free(&t->scan);
	free(t);
}

/* --- COM_STMT_PREPARE --- */

struct cstmt *stmt_find(struct session *s, uint32_t id)
{
	struct cstmt *c;

	if (id == STMT_ID_LAST_PREPARED)
		id = s->next_stmt;
	HASH_FIND_INT(s->stmts, &id, c);
	return c;
}

static void cstmt_free(struct session *s, struct cstmt *c)
{
	ptext_unref(s->w, c->text);
	for (unsigned i = 0; c->long_data && i < c->n_params; i++)
		buf_free(&c->long_data[i]);
	free(c->long_data);
	free(c->types);
	free(c);
}

static struct cstmt *cstmt_add(struct session *s, struct cstmt *c)
{
	do
		c->id = ++s->next_stmt;
	while (c->id == 0 || c->id == STMT_ID_LAST_PREPARED || stmt_find(s, c->id) == c);
	HASH_ADD_INT(s->stmts, id, c);
	s->n_stmts++;
	return c;
}

static void cursor_forget(struct session *s, struct cstmt *c)
{
	c->cursor = NULL;
	if (--s->n_cursors == 0) {
		s->pins &= ~(uint32_t)PIN_CURSOR;
		if (s->txn == TXN_NONE)
			parts_release_idle(s);
	}
}

void stmt_cursor_gone(struct session *s, struct bconn *conn)
{
	struct cstmt *c, *tmp;

	if (!s->n_cursors)
		return;
	HASH_ITER (hh, s->stmts, c, tmp) {
		if (c->cursor == conn)
			cursor_forget(s, c);
	}
}

/* Closes an open cursor on its server: by closing the statement there, which has no answer. */
static void cursor_close(struct session *s, struct cstmt *c)
{
	if (!c->cursor)
		return;
	bconn_stmt_drop(c->cursor, c->text);
	cursor_forget(s, c);
}

void stmt_close(struct session *s, uint32_t id)
{
	struct cstmt *c = stmt_find(s, id);

	if (!c)
		return;
	cursor_close(s, c);
	HASH_DEL(s->stmts, c);
	s->n_stmts--;
	cstmt_free(s, c);
}

void stmt_close_all(struct session *s)
{
	struct cstmt *c, *tmp;

	HASH_ITER (hh, s->stmts, c, tmp) {
		HASH_DEL(s->stmts, c);
		cstmt_free(s, c);
	}
	s->n_stmts = 0;
}

static void send_prepare_ok(struct session *s, const struct cstmt *c, uint16_t warnings, bool more)
{
	struct prepare_ok ok = {
		.stmt_id = c->id, .columns = c->n_columns, .params = c->n_params, .warnings = warnings
	};
	struct buf b = { 0 };
	size_t mark = packet_begin(&b);

	prepare_ok_build(&b, &ok);
	packet_end(&b, mark, &s->seq);
	session_put(s, buf_head(&b), buf_used(&b), more);
	buf_free(&b);
}

/* The statement under way has been planned. */
void stmt_planned(struct run *r)
{
	struct session *s = r->s;
	struct plan *p = r->plan;
	const struct keyspace_route *kr;
	struct leg *l;
	struct err err;
	struct buf b = { 0 };
	uint8_t seq = 0;
	size_t mark;

	if (p->kind == PLAN_SESSION) {
		if (p->n_params) {
			err_set(&err, ERR_UNSUPPORTED, (enum mysql_errno)1295,
				"This command is not supported in the prepared statement protocol yet");
			run_fail(r, &err);
			return;
		}
		r->cstmt->local = true;
		cstmt_add(s, r->cstmt);
		send_prepare_ok(s, r->cstmt, 0, false);
		r->prepared_new = NULL;
		r->replied = true;
		run_end(r);
		return;
	}
	kr = worker_keyspace(r->w, p->ks);
	run_legs(r, 1);
	l = run_leg_to(r, kr, p->kind == PLAN_PINNED ? p->shard->index : 0, PLAN_SIDE_HOME, READS_PRIMARY);
	mark = packet_begin(&l->pkt);
	buf_add_u8(&l->pkt, COM_STMT_PREPARE);
	if (p->flags & PLAN_EDITS) {
		struct plan_values vals = run_values(r);
		struct plan_session ps = run_plan_session(r);

		if (plan_text(p, &vals, &ps, l->shard, &b, &err) < 0) {
			buf_free(&b);
			run_fail(r, &err);
			return;
		}
		buf_add(&l->pkt, buf_head(&b), buf_used(&b));
		buf_free(&b);
	} else {
		buf_add_str(&l->pkt, r->text);
	}
	packet_end(&l->pkt, mark, &seq);
	r->kind = RESPONSE_TO_PREPARE;
	r->response_flags = RESPONSE_WANT_COLUMNS_END;
	r->answer = ANSWER_PASS;
	run_goto(r, RUN_ACQUIRE);
	run_start(r);
}

static void add_eof(struct session *s)
{
	struct buf b = { 0 };
	size_t mark = packet_begin(&b);

	columns_eof_build(&b, session_status(s), 0);
	packet_end(&b, mark, &s->seq);
	session_put(s, buf_head(&b), buf_used(&b), true);
	buf_free(&b);
}

void stmt_prepare_reply(struct leg *l, uint8_t *p, size_t n, const struct response_event *ev)
{
	struct run *r = l->run;
	struct session *s = r->s;
	struct response *resp = &l->c->resp;
	struct cstmt *c = r->cstmt;

	switch (ev->type) {
	case RESPONSE_ERR:
		err_from_packet(&l->err, &ev->u.err);
		if (l->err.errno_ == ev->u.err.code)
			buf_add(&r->raw_err, ev->payload, ev->payload_n);
		break;
	case RESPONSE_PREPARE_OK:
		c->n_params = ev->u.prepare.params;
		c->n_columns = ev->u.prepare.columns;
		cstmt_add(s, c);
		r->prepared_new = NULL;
		send_prepare_ok(s, c, ev->u.prepare.warnings, !ev->done);
		resp->seq_shift = (uint8_t)(s->seq - resp->seq);
		if (!(r->plan->flags & PLAN_EDITS))
			bconn_stmt_add(l->c, c->text, ev->u.prepare.stmt_id);
		else
			l->spoiled = true; /* prepared there under a text that nobody will ask for */
		break;
	case RESPONSE_PARAMS_END:
	case RESPONSE_COLUMNS_END:
		session_put(s, p, n - ev->packet_n, true);
		if (!(s->caps & CLIENT_DEPRECATE_EOF)) {
			s->seq = (uint8_t)(resp->seq + resp->seq_shift - (ev->packet_n ? 1 : 0));
			add_eof(s);
			resp->seq_shift = (uint8_t)(s->seq - resp->seq);
		}
		break;
	default: session_put(s, p, n, true); break;
	}
	if (ev->type != RESPONSE_ERR)
		forward_note(l);
	if (!ev->done) {
		if (ev->type == RESPONSE_MORE)
			session_flush(s);
		return;
	}
	session_flush(s);
	if (ev->type != RESPONSE_ERR)
		r->replied = true;
	l->state = LEG_DONE;
	r->n_open--;
	run_step(r);
}

void stmt_prepare(struct run *r)
{
	struct session *s = r->s;
	struct cstmt *c;
	struct err err;

	if (s->n_stmts >= s->w->cfg->max_prepared) {
		err_set(&err, ERR_LIMIT, ER_MAX_PREPARED_STMT_COUNT_REACHED,
			"Can't create more than limits.max_prepared statements in one session (current value: %u): "
			"close "
			"some",
			s->w->cfg->max_prepared);
		run_fail(r, &err);
		return;
	}
	c = xcalloc(1, sizeof(*c));
	c->text = ptext_get(s->w, r->text, &r->mode);
	r->cstmt = c;
	r->prepared_new = c;
	if (c->text->scan.more || (c->text->scan.verb == SCAN_EMPTY && !c->text->scan.broken)) {
		if (c->text->scan.more)
			err_set(&err, ERR_SYNTAX, ER_PARSE_ERROR,
				"You have an error in your SQL syntax; a prepared statement is one statement: near "
				"'%.*s'",
				(int)MIN(c->text->text.n - c->text->scan.next, 80u),
				c->text->text.p + c->text->scan.next);
		else
			err_set(&err, ERR_SYNTAX, ER_EMPTY_QUERY, "Query was empty");
		run_fail(r, &err);
		return;
	}
	r->text = c->text->text;
	r->wire = NULL;
	run_statement(r);
}

void stmt_prepared_drop(struct run *r)
{
	if (r->prepared_new)
		cstmt_free(r->s, r->prepared_new);
	r->prepared_new = NULL;
}

/* --- COM_STMT_EXECUTE --- */

static void param_value_of(const struct param *p, struct arena *a, struct sql_value *out)
{
	struct wire_value v;

	memset(out, 0, sizeof(*out));
	out->kind = SQL_V_NULL;
	if (p->state == PARAM_NULL || param_value(p, &v) < 0)
		return;
	switch ((enum value_kind)v.kind) {
	case VALUE_NULL: return;
	case VALUE_INT:
		out->kind = SQL_V_INT;
		out->i = v.u.i;
		return;
	case VALUE_UINT:
		if (v.u.u <= INT64_MAX) {
			out->kind = SQL_V_INT;
			out->i = (int64_t)v.u.u;
		} else {
			out->kind = SQL_V_UINT;
			out->u = v.u.u;
		}
		return;
	case VALUE_DOUBLE:
		out->kind = SQL_V_DOUBLE;
		out->f = v.u.d;
		return;
	case VALUE_DECIMAL:
		out->kind = SQL_V_DECIMAL;
		out->s = v.u.s;
		return;
	case VALUE_BYTES:
		out->kind = SQL_V_BYTES;
		out->s = v.u.s;
		return;
	case VALUE_DATE:
		out->kind = SQL_V_BYTES;
		out->s = str_of(arena_printf(a, "%04u-%02u-%02u", v.u.t.year, v.u.t.month, v.u.t.day));
		return;
	case VALUE_DATETIME:
		out->kind = SQL_V_BYTES;
		out->s = str_of(arena_printf(a,
			v.u.t.micro ? "%04u-%02u-%02u %02u:%02u:%02u.%06u" : "%04u-%02u-%02u %02u:%02u:%02u",
			v.u.t.year, v.u.t.month, v.u.t.day, v.u.t.hour, v.u.t.minute, v.u.t.second, v.u.t.micro));
		return;
	case VALUE_TIME:
		out->kind = SQL_V_BYTES;
		out->s = str_of(arena_printf(a, v.u.t.micro ? "%s%02u:%02u:%02u.%06u" : "%s%02u:%02u:%02u",
			v.u.t.negative ? "-" : "", v.u.t.hour, v.u.t.minute, v.u.t.second, v.u.t.micro));
		return;
	}
}

static uint32_t types_hash(const struct exec_params *x)
{
	uint32_t h = 2166136261u;

	for (unsigned i = 0; i < x->n; i++) {
		h = (h ^ x->params[i].type.type) * 16777619u;
		h = (h ^ x->params[i].type.is_unsigned) * 16777619u;
	}
	return h ? h : 1;
}

void stmt_execute(struct run *r, const struct packet *pk)
{
	struct session *s = r->s;
	struct cstmt *c;
	struct str *long_data = NULL;
	uint32_t id;
	struct err err;

	if (stmt_packet_id(pk->payload, pk->n, &id) < 0) {
		err_set(&err, ERR_MALFORMED, ER_MALFORMED_PACKET, "Malformed communication packet");
		run_fail(r, &err);
		return;
	}
	c = stmt_find(s, id);
	if (!c) {
		err_set(&err, ERR_NAME, ER_UNKNOWN_STMT_HANDLER,
			"Unknown prepared statement handler (%u) given to mysqld_stmt_execute", id);
		run_fail(r, &err);
		return;
	}
	if (c->bad_long_data) {
		err_set(&err, ERR_NAME, ER_WRONG_ARGUMENTS, "Incorrect arguments to mysqld_stmt_send_long_data");
		run_fail(r, &err);
		return;
	}
	cursor_close(s, c);
	if (c->long_data) {
		long_data = arena_array(&r->arena, struct str, c->n_params);
		for (unsigned i = 0; i < c->n_params; i++) {
			if (c->long_data[i].p)
				long_data[i] = str_make((char *)buf_head(&c->long_data[i]), buf_used(&c->long_data[i]));
		}
		r->has_long_data = true;
	}
	if (exec_parse(pk->payload, pk->n, c->n_params, c->types, long_data, &r->arena, &r->exec, &err) < 0) {
		run_fail(r, &err);
		return;
	}
	if (r->exec.bound && c->n_params) {
		c->types = xrealloc(c->types, c->n_params * sizeof(*c->types));
		for (unsigned i = 0; i < c->n_params; i++)
			c->types[i] = r->exec.params[i].type;
	}
	r->types_hash = types_hash(&r->exec);
	r->cstmt = c;
	r->text = c->text->text;
	r->binary = true;
	r->mode = c->text->mode;
	if (c->n_params) {
		r->params = arena_array(&r->arena, struct sql_value, c->n_params);
		for (unsigned i = 0; i < c->n_params; i++)
			param_value_of(&r->exec.params[i], &r->arena, &r->params[i]);
	}
	run_statement(r);
}

void stmt_use(struct run *r)
{
	struct err err;

	r->kind = RESPONSE_TO_EXECUTE;
	for (uint32_t i = 0; i < r->n_legs; i++) {
		struct leg *l = &r->legs[i];

		if (r->plan->flags & PLAN_EDITS) {
			struct plan_values vals = run_values(r);
			struct plan_session ps = run_plan_session(r);
			struct buf b = { 0 };

			if (plan_text(r->plan, &vals, &ps, l->shard, &b, &err) == 0)
				l->prepared = ptext_get(r->w, str_make((char *)buf_head(&b), buf_used(&b)), &r->mode);
			buf_free(&b);
			if (l->prepared)
				continue;
		}
		l->prepared = r->cstmt->text;
		l->prepared->refs++;
	}
}

void stmt_send_execute(struct leg *l, struct bstmt *bs)
{
	struct run *r = l->run;
	bool as_is = r->wire && !r->wire_long && !r->has_long_data &&
		     (r->exec.n == 0 || r->exec.bound || bs->types_hash == r->types_hash);

	/* over several shards there is no one cursor: the rows come at once, which clients have to expect anyhow */
	uint8_t cursor = r->n_legs == 1 && r->exec.flags == CURSOR_TYPE_READ_ONLY ? CURSOR_TYPE_READ_ONLY
										  : CURSOR_TYPE_NO_CURSOR;

	bs->types_hash = r->types_hash;
	if (LIKELY(as_is)) {
		put_u32(r->wire + PACKET_HEADER + 1, bs->id);
		r->wire[PACKET_HEADER + 5] = cursor;
		bconn_send(l->c, RESPONSE_TO_EXECUTE, r->response_flags, TAG_MAIN, r->wire, r->wire_n);
	} else {
		struct buf b = { 0 };
		uint8_t seq = 0;
		size_t mark = packet_begin(&b);

		exec_build(&b, &r->exec, bs->id, cursor);
		packet_end(&b, mark, &seq);
		bconn_send(l->c, RESPONSE_TO_EXECUTE, r->response_flags, TAG_MAIN, buf_head(&b), buf_used(&b));
		buf_free(&b);
	}
	leg_sent(l);
}

void stmt_executed(struct run *r)
{
	struct cstmt *c = r->cstmt;

	/* long data holds for one execution */
	if (!r->has_long_data || !c || !c->long_data)
		return;
	for (unsigned i = 0; i < c->n_params; i++)
		buf_free(&c->long_data[i]);
	free(c->long_data);
	c->long_data = NULL;
}

/* --- cursors --- */

/* The answer to an execution or a fetch has come from leg @l. */
void stmt_cursor_note(struct leg *l, uint16_t status)
{
	struct run *r = l->run;
	struct session *s = r->s;
	struct cstmt *c = r->cstmt;

	if (r->com == COM_STMT_EXECUTE && (status & SERVER_STATUS_CURSOR_EXISTS) && !c->cursor) {
		c->cursor = l->c;
		c->cursor_id = bconn_stmt_find(l->c, l->prepared)->id;
		c->cursor_pool = l->pool;
		c->cursor_ks = l->ks;
		c->cursor_shard = l->shard;
		s->n_cursors++;
		s->pins |= PIN_CURSOR;
		if (!s->pin_why)
			s->pin_why = "an open cursor";
	} else if (c->cursor && (status & SERVER_STATUS_LAST_ROW_SENT)) {
		c->cursor = NULL;
		if (--s->n_cursors == 0)
			s->pins &= ~(uint32_t)PIN_CURSOR;
	}
}

void stmt_fetch(struct run *r, const struct packet *pk)
{
	struct session *s = r->s;
	struct cstmt *c;
	struct leg *l;
	uint32_t id, rows;
	uint8_t seq = 0, p[9] = { COM_STMT_FETCH };
	struct err err;

	if (stmt_fetch_parse(pk->payload, pk->n, &id, &rows) < 0) {
		err_set(&err, ERR_MALFORMED, ER_MALFORMED_PACKET, "Malformed communication packet");
		run_fail(r, &err);
		return;
	}
	c = stmt_find(s, id);
	if (!c || !c->cursor) {
		if (c)
			err_set(&err, ERR_NAME, ER_STMT_HAS_NO_OPEN_CURSOR, "The statement (%u) has no open cursor.",
				id);
		else
			err_set(&err, ERR_NAME, ER_UNKNOWN_STMT_HANDLER,
				"Unknown prepared statement handler (%u) given to mysqld_stmt_fetch", id);
		run_fail(r, &err);
		return;
	}
	put_u32(p + 1, c->cursor_id);
	put_u32(p + 5, rows);
	r->cstmt = c;
	r->kind = RESPONSE_TO_FETCH;
	r->answer = ANSWER_PASS;
	run_legs(r, 1);
	l = run_add_leg(r);
	l->pool = c->cursor_pool;
	l->ks = c->cursor_ks;
	l->shard = c->cursor_shard;
	packet_add(&l->pkt, &seq, p, sizeof(p));
	run_goto(r, RUN_ACQUIRE);
	run_start(r);
}

void stmt_long_data(struct session *s, const struct packet *pk)
{
	struct long_data d;
	struct cstmt *c;
	size_t held = 0;

	if (long_data_parse(pk->payload, pk->n, &d) < 0)
		return;
	c = stmt_find(s, d.stmt_id);
	if (!c)
		return; /* no answer is allowed */
	if (d.param >= c->n_params) {
		c->bad_long_data = true; /* the execution tells */
		return;
	}
	if (!c->long_data)
		c->long_data = xcalloc(c->n_params, sizeof(*c->long_data));
	for (unsigned i = 0; i < c->n_params; i++)
		held += buf_used(&c->long_data[i]);
	if (held + d.bytes.n > s->w->cfg->max_packet_bytes) {
		s->closing = true; /* nothing can be answered to this command: end as a server out of memory would */
		return;
	}
	buf_reserve(&c->long_data[d.param], 1);
	buf_add_str(&c->long_data[d.param], d.bytes);
}

enum session_answer stmt_reset(struct session *s, const struct packet *pk)
{
	uint32_t id;
	struct cstmt *c = stmt_packet_id(pk->payload, pk->n, &id) < 0 ? NULL : stmt_find(s, id);
	struct err err;

	if (!c) {
		err_set(&err, ERR_NAME, ER_UNKNOWN_STMT_HANDLER,
			"Unknown prepared statement handler given to mysqld_stmt_reset");
		session_send_err(s, &err);
		return SESSION_ANSWERED;
	}
	for (unsigned i = 0; c->long_data && i < c->n_params; i++)
		buf_free(&c->long_data[i]);
	free(c->long_data);
	c->long_data = NULL;
	c->bad_long_data = false;
	cursor_close(s, c);
	session_send_ok(s);
	return SESSION_ANSWERED;
}
