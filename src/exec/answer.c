/* answer.c - answers that Keyway itself gives: OK, ERR, small result sets; and the session's diagnostics area. Worker
 * thread. */
#include "run.h"
#include "keyway/wire/rowset.h"
#include <stdio.h>

uint16_t session_status(const struct session *s)
{
	uint16_t st = s->settings->autocommit_off ? 0 : SERVER_STATUS_AUTOCOMMIT;

	if (s->txn != TXN_NONE) {
		st |= SERVER_STATUS_IN_TRANS;
		if (s->txn_flags_read & 1)
			st |= SERVER_STATUS_IN_TRANS_READONLY;
	} else if (s->settings->autocommit_off) {
		for (uint32_t i = 0; i < s->n_parts; i++) {
			if (s->parts[i].in_txn)
				st |= SERVER_STATUS_IN_TRANS;
		}
	}
	if (s->mode.flags & SCAN_NO_BACKSLASH_ESCAPES)
		st |= SERVER_STATUS_NO_BACKSLASH_ESCAPES;
	if ((s->mode.flags & SCAN_ANSI_QUOTES) && s->mode.family == SCAN_MARIADB)
		st |= SERVER_STATUS_ANSI_QUOTES;
	return st;
}

void diag_clear(struct session *s)
{
	s->n_diag = 0;
	s->diag = NULL;
	s->warnings = 0;
	if (s->diag_arena.head)
		arena_free(&s->diag_arena);
}

#define DIAG_MAX 1024

void diag_add(struct session *s, struct str level, uint32_t code, struct str msg)
{
	struct diag_row *d;

	if (s->n_diag == DIAG_MAX)
		return;
	if (s->n_diag % 16 == 0) {
		struct diag_row *more = arena_array(&s->diag_arena, struct diag_row, s->n_diag + 16);

		if (s->n_diag)
			memcpy(more, s->diag, s->n_diag * sizeof(*more));
		s->diag = more;
	}
	d = &s->diag[s->n_diag++];
	snprintf(d->level, sizeof(d->level), "%.*s", STR_ARG(level));
	d->code = code;
	d->msg = arena_str(&s->diag_arena, msg);
}

static void diag_error(struct session *s, uint32_t code, struct str msg)
{
	diag_clear(s);
	diag_add(s, STR("Error"), code, msg);
	s->warnings = 1;
	s->row_count = -1;
}

void session_send_err(struct session *s, const struct err *e)
{
	struct buf b = { 0 };

	session_flush(s);
	err_packet_send(&b, &s->seq, e);
	stream_write(s->st, buf_head(&b), buf_used(&b));
	buf_free(&b);
	diag_error(s, e->errno_, str_of(e->msg));
	s->w->stats.errors++;
}

void answer_err(struct run *r, const struct err *e)
{
	if (r->torn) {
		r->replied = true;
		return;
	}
	session_send_err(r->s, e);
	r->more = false;
	r->replied = r->refused = true;
}

void answer_raw_err(struct run *r, const uint8_t *payload, size_t n)
{
	struct session *s = r->s;
	struct err_packet ep;
	struct buf b = { 0 };

	session_flush(s);
	packet_add(&b, &s->seq, payload, n);
	stream_write(s->st, buf_head(&b), buf_used(&b));
	buf_free(&b);
	if (err_packet_parse(payload, n, &ep) == 0)
		diag_error(s, ep.code, ep.msg);
	s->w->stats.errors++;
	r->more = false;
	r->replied = r->refused = true;
}

static void send_ok(struct session *s, const struct ok_packet *ok)
{
	struct buf b = { 0 };
	size_t mark;

	session_flush(s);
	mark = packet_begin(&b);
	ok_build(&b, s->caps, ok);
	packet_end(&b, mark, &s->seq);
	stream_write(s->st, buf_head(&b), buf_used(&b));
	buf_free(&b);
}

void session_send_ok(struct session *s)
{
	struct ok_packet ok = { .status = session_status(s) };

	send_ok(s, &ok);
}

void answer_ok(struct run *r, const struct ok_packet *ok)
{
	struct session *s = r->s;
	struct ok_packet o = *ok;

	o.status = (uint16_t)(session_status(s) | (o.status & SERVER_SESSION_STATE_CHANGED));
	if (r->more)
		o.status |= SERVER_MORE_RESULTS_EXISTS;
	send_ok(s, &o);
	s->row_count = (int64_t)o.affected;
	s->warnings = o.warnings;
	r->replied = true;
}

void answer_rows(
	struct run *r, const struct column_def *cols, unsigned n_cols, const struct str *fields, uint32_t n_rows)
{
	answer_rows_warned(r, cols, n_cols, fields, n_rows, 0);
}

void answer_rows_warned(struct run *r, const struct column_def *cols, unsigned n_cols, const struct str *fields,
	uint32_t n_rows, uint16_t warnings)
{
	struct session *s = r->s;
	uint16_t st = session_status(s);
	struct rowset rs;
	struct buf b = { 0 };

	if (r->more)
		st |= SERVER_MORE_RESULTS_EXISTS;
	session_flush(s);
	rowset_begin(&rs, &b, &s->seq, s->caps, r->binary, cols, n_cols, st);
	for (uint32_t i = 0; i < n_rows; i++) {
		if (rowset_row(&rs, fields + (size_t)i * n_cols) < 0)
			break; /* our own fields always fit their columns */
	}
	rowset_end(&rs, st, warnings);
	stream_write(s->st, buf_head(&b), buf_used(&b));
	buf_free(&b);
	s->found_rows = n_rows;
	s->row_count = -1;
	if (warnings)
		s->warnings = warnings;
	r->replied = true;
}
