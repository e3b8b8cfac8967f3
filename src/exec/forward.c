/* forward.c - from a server's answer to the client's: passed on as bytes, put behind one another, or added up. The hot
 * half of the way back. Worker thread. */
#include "reads.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#define CLIENT_QUEUE_HIGH (256 * 1024) /* past it the servers are not read until the client has taken it all */
#define HOLD_BYTES	  (16 * 1024)

/* --- to the client's socket --- */

static void session_block(struct session *s)
{
	struct run *r = s->run;

	if (s->blocked || !r)
		return;
	s->blocked = true;
	for (uint32_t i = 0; i < r->n_legs; i++) {
		if (r->legs[i].c && r->legs[i].state == LEG_SENT)
			stream_read_pause(&r->legs[i].c->st);
	}
}

/* Small pieces of one answer wait in the worker's block until its end, so that they go out with one call. All of that
 * happens within one call from the loop: the block never holds bytes of two sessions. */
static struct buf *session_hold(struct session *s)
{
	assert(buf_used(&s->w->hold) == 0 || s->w->hold_of == s);
	s->w->hold_of = s;
	return &s->w->hold;
}

void session_flush(struct session *s)
{
	struct buf *hold = session_hold(s);

	if (!buf_used(hold))
		return;
	stream_write(s->st, buf_head(hold), buf_used(hold));
	buf_clear(hold);
}

/* @more_now: more of the same answer follows within this call of the loop; small pieces then wait for it. */
void session_put(struct session *s, const void *p, size_t n, bool more_now)
{
	struct buf *hold = session_hold(s);

	if (buf_used(hold) + n <= HOLD_BYTES && (more_now || buf_used(hold))) {
		buf_add(hold, p, n);
		if (!more_now)
			session_flush(s);
	} else {
		session_flush(s);
		if (n)
			stream_write(s->st, p, n);
	}
	if (UNLIKELY(stream_queued(s->st) > CLIENT_QUEUE_HIGH))
		session_block(s);
}

void session_drained(struct session *s)
{
	struct run *r = s->run;

	if (!s->blocked)
		return;
	s->blocked = false;
	for (uint32_t i = 0; r && i < r->n_legs; i++) {
		struct leg *l = &r->legs[i];

		if (l->c && l->state == LEG_SENT && (r->answer != ANSWER_ROWS || i <= r->turn))
			stream_read_resume(&l->c->st);
	}
}

/* --- OK and EOF --- */

/* What the server says changed in its session. Fills @track with what the client may see of it. */
static void take_track(struct run *r, struct leg *l, struct str track, struct buf *out)
{
	struct session *s = r->s;
	struct track_iter it = track_begin(track);
	struct track_entry e;
	int rc;

	while ((rc = track_next(&it, &e)) == 1) {
		switch (e.type) {
		case SESSION_TRACK_STATE_CHANGE:
			/* a state that no statement of ours explains: the connection stays with this client */
			if (r->answer == ANSWER_PASS && !(r->collects & COLLECT_VARS) && r->verb != SCAN_LOCK &&
				r->verb != SCAN_UNLOCK) {
				s->pins |= PIN_STATE;
				if (!s->pin_why)
					s->pin_why = "the server reported a change of session state";
			}
			break;
		case SESSION_TRACK_SYSTEM_VARIABLES:
			if (str_eqz(e.name, "sql_mode") || str_eqz(e.name, "collation_connection"))
				break;
			if (str_eqz(e.name, "last_gtid")) {
				if (s->causal)
					causal_gtid(l, e.value);
				if (!causal_client_tracks(s, false))
					break;
			}
			track_add_variable(out, e.name, e.value);
			break;
		case SESSION_TRACK_SCHEMA:
			/* DROP DATABASE of the selected one: no database is selected any more */
			if (l->c)
				l->c->db = e.value.n ? worker_intern(r->w, e.value) : NULL;
			if (e.value.n == 0 && s->ks && s->ks->everything) {
				s->db = NULL;
				track_add_schema(out, e.value);
			}
			break;
		case SESSION_TRACK_GTIDS:
			if (s->causal)
				causal_gtid(l, e.value);
			if (causal_client_tracks(s, true))
				track_add(out, e.type, e.value);
			break;
		default: break; /* of transactions Keyway itself tells */
		}
	}
	if (rc < 0) {
		/* what changed cannot be read: better kept than given to another client */
		s->pins |= PIN_STATE;
		s->pin_why = "the server reported a change that cannot be read";
	}
}

void forward_final(struct run *r, const struct ok_packet *in, bool eof)
{
	struct session *s = r->s;
	struct ok_packet ok = *in;
	struct buf *b = session_hold(s);
	size_t mark = packet_begin(b);

	ok.status &= (uint16_t) ~(SERVER_MORE_RESULTS_EXISTS | SERVER_STATUS_IN_TRANS | SERVER_STATUS_AUTOCOMMIT |
				  SERVER_STATUS_IN_TRANS_READONLY);
	if (!ok.track.n)
		ok.status &= (uint16_t)~SERVER_SESSION_STATE_CHANGED;
	ok.status |= session_status(s);
	if (r->more)
		ok.status |= SERVER_MORE_RESULTS_EXISTS;
	if (eof)
		eof_build(b, s->caps, &ok);
	else
		ok_build(b, s->caps, &ok);
	packet_end(b, mark, &s->seq);
	session_flush(s);
	r->replied = true;
}

/* What the session remembers of a finished statement. */
static void note_result(struct run *r, const struct response *resp, const struct ok_packet *ok, bool eof)
{
	struct session *s = r->s;

	if (ok->warnings || !r->keeps_diag)
		s->warnings = ok->warnings;
	if (eof) {
		s->found_rows = resp->rows;
		s->row_count = -1;
	} else {
		s->row_count = (int64_t)ok->affected;
		s->found_rows = 0;
		/* LAST_INSERT_ID() is the first id that was generated; the OK tells the last that was given, too */
		if (ok->insert_id && !r->has_ids) {
			if (insert_may_give(r, ok->insert_id))
				r->collects |= COLLECT_LAST_ID;
			else
				s->last_insert_id = ok->insert_id;
		}
	}
	if (ok->warnings)
		r->collects |= COLLECT_WARNINGS;
	else if (s->n_diag && !r->keeps_diag)
		diag_clear(s);
}

/* The transaction that the server's status tells of, when the client never said BEGIN (a routine did). */
static void note_txn(struct run *r, uint16_t status)
{
	struct session *s = r->s;

	if (!s->settings->autocommit_off && s->txn == TXN_OPEN && !(status & SERVER_STATUS_IN_TRANS) &&
		r->n_legs == 1 && (r->legs[0].begins || r->legs[0].was_part) && !r->legs[0].implicit && s->n_parts <= 1)
		txn_forget(s); /* the statement committed it: DDL and the like */
	else if (s->txn == TXN_NONE && (status & SERVER_STATUS_IN_TRANS) && !s->settings->autocommit_off)
		s->txn = TXN_OPEN;
}

/* A statement that was prepared by name, or a routine, may have set autocommit: the server's word holds. */
static void note_autocommit(struct run *r, struct leg *l, uint16_t status)
{
	struct session *s = r->s;
	bool off = !(status & SERVER_STATUS_AUTOCOMMIT);
	const struct settings *n;

	if (LIKELY(off == s->settings->autocommit_off))
		return;
	n = settings_with(r->w->settings, s->settings, STR("autocommit"), off ? STR("0") : str_make(NULL, 0), NULL);
	if (!n)
		return;
	if (l->c->settings == s->settings) {
		settings_unref(r->w->settings, l->c->settings);
		l->c->settings = settings_ref(n);
	}
	session_apply_settings(s, n);
}

/* --- one leg: its answer is the answer --- */

static void pass_end(struct leg *l)
{
	struct run *r = l->run;

	l->state = LEG_DONE;
	r->n_open--;
	run_step(r);
}

static void pass_final(struct leg *l, uint8_t *p, size_t n, const struct response_event *ev)
{
	struct run *r = l->run;
	struct session *s = r->s;
	const struct ok_packet *ok = &ev->u.ok;
	bool eof = ev->type == RESPONSE_EOF;
	size_t head = n - ev->packet_n;
	uint16_t want;
	struct buf track = { 0 };
	struct ok_packet out = *ok;

	l->ok = *ok;
	if (UNLIKELY(r->cstmt && (ok->status & (SERVER_STATUS_CURSOR_EXISTS | SERVER_STATUS_LAST_ROW_SENT))))
		stmt_cursor_note(l, ok->status);
	if (ev->done) {
		note_result(r, &l->c->resp, ok, eof);
		note_autocommit(r, l, ok->status);
		note_txn(r, ok->status);
	}
	if (UNLIKELY(ok->track.n)) {
		take_track(r, l, ok->track, &track);
		out.track = str_make((const char *)buf_head(&track), buf_used(&track));
	}
	if (UNLIKELY(r->has_ids && ids_range_id(&r->ids, 0)))
		out.insert_id = ids_range_id(&r->ids, 0);
	/* the packet can pass as it is when nothing in it would be said otherwise */
	want = (uint16_t)(session_status(s) |
			  (ok->status & (uint16_t) ~(SERVER_STATUS_IN_TRANS | SERVER_STATUS_AUTOCOMMIT |
						     SERVER_STATUS_IN_TRANS_READONLY)));
	if (s->txn == TXN_NONE)
		want |= ok->status & (SERVER_STATUS_IN_TRANS | SERVER_STATUS_IN_TRANS_READONLY);
	if (r->more)
		want |= SERVER_MORE_RESULTS_EXISTS;
	if (LIKELY(want == ok->status && !ok->track.n && out.insert_id == ok->insert_id &&
		    (!eof || (s->caps & CLIENT_DEPRECATE_EOF)))) {
		s->seq = (uint8_t)(l->c->resp.seq + l->c->resp.seq_shift);
		if (ev->done)
			r->replied = true;
		session_put(s, p, n, !ev->done);
	} else {
		struct buf *b = session_hold(s);
		size_t mark;

		session_put(s, p, head, true);
		mark = packet_begin(b);
		s->seq = (uint8_t)(l->c->resp.seq + l->c->resp.seq_shift - 1);
		out.status = want;
		if (!out.track.n)
			out.status &= (uint16_t)~SERVER_SESSION_STATE_CHANGED;
		if (eof)
			eof_build(b, s->caps, &out);
		else
			ok_build(b, s->caps, &out);
		packet_end(b, mark, &s->seq);
		session_put(s, NULL, 0, !ev->done);
		if (ev->done)
			r->replied = true;
	}
	buf_free(&track);
	if (ev->done)
		pass_end(l);
}

static void pass_columns_end(struct leg *l, uint8_t *p, size_t n, const struct response_event *ev)
{
	struct session *s = l->run->s;
	struct response *resp = &l->c->resp;
	struct buf *b = session_hold(s);
	uint8_t seq;
	size_t mark;

	session_put(s, p, n, true);
	if (ev->packet_n || (s->caps & CLIENT_DEPRECATE_EOF))
		return;
	/* a client of the older protocol wants an EOF here; all that follows moves on by one */
	seq = (uint8_t)(resp->seq + resp->seq_shift);
	mark = packet_begin(b);
	columns_eof_build(b, session_status(s), 0);
	packet_end(b, mark, &seq);
	resp->seq_shift++;
}

static void pass_err(struct leg *l, uint8_t *p, size_t n, const struct response_event *ev)
{
	struct run *r = l->run;
	struct session *s = r->s;

	session_put(s, p, n - ev->packet_n, false);
	s->seq = (uint8_t)(l->c->resp.seq + l->c->resp.seq_shift - 1);
	/* it goes to the client when it is known what became of the transaction */
	err_from_packet(&l->err, &ev->u.err);
	if (l->err.errno_ == ev->u.err.code || ev->u.err.code == ER_UNKNOWN_ERROR_NEVER_SENT)
		buf_add(&r->raw_err, ev->payload, ev->payload_n); /* what the server says is the server's to say */
	pass_end(l);
}

/* What the client has of the answer so far: should the server be lost, an ERR must fit behind it. */
void forward_note(struct leg *l)
{
	l->run->s->seq = (uint8_t)(l->c->resp.seq + l->c->resp.seq_shift);
	l->mid_packet = response_in_packet(&l->c->resp);
	l->run->passed = true;
}

static void pass_reply(struct leg *l, uint8_t *p, size_t n, const struct response_event *ev)
{
	struct run *r = l->run;
	struct session *s = r->s;

	switch (ev->type) {
	case RESPONSE_MORE:
		session_put(s, p, n, false);
		forward_note(l);
		return;
	case RESPONSE_OK:
	case RESPONSE_EOF: pass_final(l, p, n, ev); return;
	case RESPONSE_ERR: pass_err(l, p, n, ev); return;
	case RESPONSE_COLUMNS_END:
		pass_columns_end(l, p, n, ev);
		forward_note(l);
		return;
	case RESPONSE_LOCAL_INFILE:
		session_put(s, p, n, false);
		s->seq = (uint8_t)(l->c->resp.seq + l->c->resp.seq_shift);
		r->infile = r->passed = true;
		s->ops->infile(s);
		return;
	case RESPONSE_STATISTICS:
		session_put(s, p, n, false);
		r->replied = true;
		pass_end(l);
		return;
	default:
		session_put(s, p, n, true);
		forward_note(l);
		return;
	}
}

/* --- several legs, rows one leg after another --- */

void forward_next_turn(struct run *r)
{
	struct leg *l;

	while (r->turn < r->n_legs && r->legs[r->turn].state >= LEG_DONE)
		r->turn++;
	l = r->turn < r->n_legs ? &r->legs[r->turn] : NULL;
	/* one that is tried again is not paused when it is sent: it is its turn */
	if (l && l->state == LEG_SENT && !r->s->blocked)
		stream_read_resume(&l->c->st);
}

static void rows_reply(struct leg *l, uint8_t *p, size_t n, const struct response_event *ev)
{
	struct run *r = l->run;
	struct session *s = r->s;
	struct response *resp = &l->c->resp;
	bool show = !r->err.kind && !r->replied;

	switch (ev->type) {
	case RESPONSE_COLUMNS_END:
		l->in_rows = true;
		if (!r->rows_begun && show) {
			pass_columns_end(l, p, n, ev);
			forward_note(l);
			r->rows_begun = true;
		} else {
			resp->seq_shift = (uint8_t)(s->seq - resp->seq);
		}
		return;
	case RESPONSE_EOF:
		if (show) {
			session_put(s, p, n - ev->packet_n, false); /* the next leg's rows may take their time */
			s->seq = (uint8_t)(resp->seq + resp->seq_shift - 1);
		}
		l->ok = ev->u.ok;
		s->found_rows = (l == &r->legs[0] ? 0 : s->found_rows) + resp->rows;
		break;
	case RESPONSE_ERR:
	case RESPONSE_OK:
		if (ev->type == RESPONSE_ERR)
			err_from_packet(&l->err, &ev->u.err);
		else
			err_set(&l->err, ERR_BACKEND, ER_NET_READ_ERROR, "shard %s answered without rows",
				l->shard_name);
		if (show) {
			session_put(s, p, n - ev->packet_n, false);
			if (r->rows_begun)
				s->seq = (uint8_t)(resp->seq + resp->seq_shift - 1);
			r->err = l->err;
		}
		break;
	default:
		/* rows, or the first leg's column definitions */
		if (show && (l->in_rows || !r->rows_begun)) {
			session_put(s, p, n, ev->type != RESPONSE_MORE);
			forward_note(l);
		}
		return;
	}
	l->state = LEG_DONE;
	r->n_open--;
	forward_next_turn(r);
	run_step(r);
}

/* --- several legs, OKs added up --- */

/* "Records: 3  Duplicates: 0  Warnings: 0": numbers of the same place are added. */
static void add_info(char *sum, size_t size, struct str info)
{
	char out[128];
	size_t o = 0, i = 0;
	const char *q = sum;

	if (!sum[0]) {
		snprintf(sum, size, "%.*s", STR_ARG(info));
		return;
	}
	while (i < info.n && o + 24 < sizeof(out)) {
		if (info.p[i] >= '0' && info.p[i] <= '9') {
			unsigned long long a = 0, b;

			while (i < info.n && info.p[i] >= '0' && info.p[i] <= '9')
				a = a * 10 + (unsigned)(info.p[i++] - '0');
			while (*q && (*q < '0' || *q > '9'))
				q++;
			b = strtoull(q, (char **)(uintptr_t)&q, 10);
			o += (size_t)snprintf(out + o, sizeof(out) - o, "%llu", a + b);
		} else {
			out[o++] = info.p[i++];
		}
	}
	out[o] = '\0';
	snprintf(sum, size, "%s", out);
}

static void sum_reply(struct leg *l, const struct response_event *ev)
{
	struct run *r = l->run;

	if (ev->type == RESPONSE_ERR) {
		err_from_packet(&l->err, &ev->u.err);
	} else if (ev->type == RESPONSE_OK) {
		l->ok = ev->u.ok;
		snprintf(l->info, sizeof(l->info), "%.*s", STR_ARG(ev->u.ok.info));
		buf_clear(&r->track);
		if (ev->u.ok.track.n)
			take_track(r, l, ev->u.ok.track, &r->track);
	} else if (ev->type == RESPONSE_COLUMN_COUNT) {
		err_set(&l->err, ERR_UNSUPPORTED, ER_NOT_SUPPORTED_YET,
			"this statement writes on several shards and gives rows back: leave out RETURNING, or name one "
			"key in WHERE");
	}
	if (!ev->done)
		return;
	l->state = LEG_DONE;
	r->n_open--;
	run_step(r);
}

/* The sum of all legs' answers, told to the client. */
void forward_sum(struct run *r)
{
	struct ok_packet ok = { 0 };
	char info[128] = "";
	struct session *s = r->s;

	for (uint32_t i = 0; i < r->n_legs; i++) {
		struct leg *l = &r->legs[i];

		if (r->plan && (r->plan->flags & PLAN_FIRST) && i)
			break;
		ok.affected += l->ok.affected;
		ok.warnings = (uint16_t)MIN(65535u, (unsigned)ok.warnings + l->ok.warnings);
		ok.status |= l->ok.status & (SERVER_STATUS_NO_INDEX_USED | SERVER_STATUS_NO_GOOD_INDEX_USED);
		if (l->ok.insert_id && !ok.insert_id)
			ok.insert_id = l->ok.insert_id;
		add_info(info, sizeof(info), str_of(l->info));
	}
	ok.info = str_of(info);
	if (r->has_ids)
		ok.insert_id = ids_range_id(&r->ids, 0);
	s->row_count = (int64_t)ok.affected;
	s->found_rows = 0;
	s->warnings = ok.warnings;
	if (ok.insert_id && !r->has_ids)
		s->last_insert_id = ok.insert_id;
	if (!ok.warnings && s->n_diag)
		diag_clear(s);
	forward_final(r, &ok, false);
}

void forward_reply(struct leg *l, uint8_t *p, size_t n, const struct response_event *ev)
{
	if (UNLIKELY(l->sent_us))
		reads_answered(l);
	switch ((enum run_answer)l->run->answer) {
	case ANSWER_PASS:
		if (LIKELY(l->run->com != COM_STMT_PREPARE))
			pass_reply(l, p, n, ev);
		else
			stmt_prepare_reply(l, p, n, ev);
		return;
	case ANSWER_ROWS: rows_reply(l, p, n, ev); return;
	case ANSWER_SUM:
	case ANSWER_HELD: sum_reply(l, ev); return;
	}
}
