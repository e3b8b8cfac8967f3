/* response.c - the tracker of a server's answer: counts packets, looks into the few that matter, never into rows.
 * For the sessions that pass results through and for the backend's own queries.
 * Pure, any thread. */
#include "keyway/wire/response.h"

/* What the next packet may be. Every state takes an ERR as well. */
enum state {
	STATE_FIRST,	   /* OK, LOCAL INFILE or a column count */
	STATE_INFILE,	   /* nothing until response_infile_sent() */
	STATE_OK,	   /* OK */
	STATE_EOF,	   /* EOF or OK */
	STATE_STATISTICS,  /* text */
	STATE_PREPARE,	   /* PREPARE_OK */
	STATE_PARAMS,	   /* parameter definitions */
	STATE_PARAMS_EOF,  /* the EOF behind them, without CLIENT_DEPRECATE_EOF */
	STATE_COLUMNS,	   /* column definitions */
	STATE_COLUMNS_EOF, /* the EOF behind them, without CLIENT_DEPRECATE_EOF */
	STATE_FIELDS,	   /* column definitions without a count, or EOF */
	STATE_ROWS,	   /* rows or EOF */
	STATE_END,
};

/* What one step did: nothing more can be done now (the event says why), or go on with the next packet. */
enum step { STEP_STOP, STEP_NEXT };

void response_init(struct response *r, enum response_kind kind, uint32_t caps, unsigned flags)
{
	static const uint8_t first_state[] = {
		[RESPONSE_TO_QUERY] = STATE_FIRST,
		[RESPONSE_TO_EXECUTE] = STATE_FIRST,
		[RESPONSE_TO_PREPARE] = STATE_PREPARE,
		[RESPONSE_TO_FETCH] = STATE_ROWS,
		[RESPONSE_TO_FIELD_LIST] = STATE_FIELDS,
		[RESPONSE_TO_STATISTICS] = STATE_STATISTICS,
		[RESPONSE_TO_OK] = STATE_OK,
		[RESPONSE_TO_EOF] = STATE_EOF,
	};

	*r = (struct response){
		.kind = (uint8_t)kind,
		.flags = (uint8_t)flags,
		.state = first_state[kind],
		.caps = caps,
		.seq = 1,
	};
}

static bool has_results(const struct response *r)
{
	return r->kind == RESPONSE_TO_QUERY || r->kind == RESPONSE_TO_EXECUTE;
}

static bool old_eof(const struct response *r)
{
	return !(r->caps & CLIENT_DEPRECATE_EOF);
}

static enum step stop_need(struct response_event *ev, size_t need)
{
	ev->need = need;
	return STEP_STOP;
}

static enum step stop_bad(struct response *r, struct response_event *ev, enum response_bad why)
{
	r->bad = (uint8_t)why;
	ev->type = RESPONSE_MALFORMED;
	return STEP_STOP;
}

/* The header at @q is used now. */
static void use_header(struct response *r, uint8_t *q)
{
	r->seq++;
	r->touched = true;
	if (r->seq_shift)
		q[3] = (uint8_t)(q[3] + r->seq_shift);
}

/* The packet at @q is used as one whole. */
static enum step stop_event(struct response *r, struct response_event *ev, uint8_t *q, uint8_t type)
{
	ev->type = type;
	ev->payload = q + PACKET_HEADER;
	ev->payload_n = get_u24(q);
	ev->packet_n = PACKET_HEADER + ev->payload_n;
	use_header(r, q);
	return STEP_STOP;
}

/* An event between packets. */
static enum step stop_between(struct response *r, struct response_event *ev, uint8_t type)
{
	ev->type = type;
	ev->u.ok = (struct ok_packet){ .info = STR(""), .track = STR("") };
	ev->done = r->state == STATE_END;
	return STEP_STOP;
}

/* Whether the packet at @q is at hand to its end; if not, the event is set. */
static bool is_whole(struct response *r, struct response_event *ev, const uint8_t *q, size_t avail)
{
	size_t n = PACKET_HEADER + get_u24(q);

	if (UNLIKELY(n > RESPONSE_CONTROL_MAX)) {
		stop_bad(r, ev, RESPONSE_BAD_TOO_LONG);
		return false;
	}
	if (avail < n)
		stop_need(ev, n);
	return avail >= n;
}

/* A packet that nobody wants to see: used as it comes. */
static enum step skip_packet(struct response *r, uint8_t *q, size_t *used)
{
	r->skip = get_u24(q);
	r->in_frames = r->skip == PACKET_FRAME_MAX;
	use_header(r, q);
	*used = PACKET_HEADER;
	return STEP_NEXT;
}

/* One result is complete. */
static void end_result(struct response *r, struct response_event *ev)
{
	bool more = has_results(r) && (r->status & SERVER_MORE_RESULTS_EXISTS);

	r->results++;
	r->state = more ? STATE_FIRST : STATE_END;
	ev->done = !more;
}

static enum step on_err(struct response *r, struct response_event *ev, uint8_t *q, size_t avail)
{
	if (!is_whole(r, ev, q, avail))
		return STEP_STOP;
	if (err_packet_parse(q + PACKET_HEADER, get_u24(q), &ev->u.err) < 0 || ev->u.err.code == 0)
		return stop_bad(r, ev, RESPONSE_BAD_ERR);
	if (ev->u.err.code == 0xffff)
		return stop_bad(r, ev, RESPONSE_BAD_PROGRESS);
	if (r->end_pending) {
		r->end_pending = false;
		return stop_between(r, ev, RESPONSE_COLUMNS_END);
	}
	r->err_code = ev->u.err.code;
	memcpy(r->err_sqlstate, ev->u.err.sqlstate, sizeof(r->err_sqlstate));
	r->state = STATE_END;
	ev->done = true;
	return stop_event(r, ev, q, RESPONSE_ERR);
}

static enum step on_ok(struct response *r, struct response_event *ev, uint8_t *q, size_t avail)
{
	struct ok_packet *ok = &ev->u.ok;

	if (!is_whole(r, ev, q, avail))
		return STEP_STOP;
	if (ok_parse(q + PACKET_HEADER, get_u24(q), r->caps, ok) < 0)
		return stop_bad(r, ev, RESPONSE_BAD_OK);
	r->affected = ok->affected;
	if (ok->insert_id)
		r->insert_id = ok->insert_id;
	r->status = ok->status;
	r->warnings = ok->warnings;
	end_result(r, ev);
	return stop_event(r, ev, q, RESPONSE_OK);
}

/* Reads either flavour of an EOF at @q into the event; false: the event says why not. */
static bool read_eof(struct response *r, struct response_event *ev, const uint8_t *q, size_t avail)
{
	if (!is_whole(r, ev, q, avail))
		return false;
	if (ok_parse(q + PACKET_HEADER, get_u24(q), r->caps, &ev->u.ok) < 0) {
		stop_bad(r, ev, RESPONSE_BAD_EOF);
		return false;
	}
	return true;
}

static bool opens_cursor(const struct response *r, uint16_t status)
{
	return r->kind == RESPONSE_TO_EXECUTE && (status & SERVER_STATUS_CURSOR_EXISTS);
}

/* The end of rows, of a field list, of a cursor's columns. */
static enum step on_eof(struct response *r, struct response_event *ev, uint8_t *q, size_t avail)
{
	if (!read_eof(r, ev, q, avail))
		return STEP_STOP;
	if (r->end_pending) {
		r->end_pending = false;
		if (!opens_cursor(r, ev->u.ok.status))
			return stop_between(r, ev, RESPONSE_COLUMNS_END);
	}
	r->status = ev->u.ok.status;
	r->warnings = ev->u.ok.warnings;
	end_result(r, ev);
	return stop_event(r, ev, q, RESPONSE_EOF);
}

static enum step on_column_count(struct response *r, struct response_event *ev, uint8_t *q, size_t avail, size_t *used)
{
	struct rd rd;
	uint64_t n;

	if (!is_whole(r, ev, q, avail))
		return STEP_STOP;
	rd = rd_make(q + PACKET_HEADER, get_u24(q));
	n = rd_lenenc(&rd);
	if (rd.bad || rd_left(&rd) || n == 0 || n > RESPONSE_COLUMNS_MAX)
		return stop_bad(r, ev, RESPONSE_BAD_COLUMN_COUNT);
	r->columns = r->defs_left = (uint32_t)n;
	r->rows = 0;
	r->state = STATE_COLUMNS;
	if (!(r->flags & RESPONSE_WANT_COLUMNS)) {
		use_header(r, q);
		*used = PACKET_HEADER + get_u24(q);
		return STEP_NEXT;
	}
	ev->u.column_count = n;
	return stop_event(r, ev, q, RESPONSE_COLUMN_COUNT);
}

static enum step on_infile(struct response *r, struct response_event *ev, uint8_t *q, size_t avail)
{
	if (!(r->flags & RESPONSE_ALLOW_INFILE))
		return stop_bad(r, ev, RESPONSE_BAD_INFILE);
	if (!is_whole(r, ev, q, avail))
		return STEP_STOP;
	r->state = STATE_INFILE;
	ev->u.infile = str_make((const char *)q + PACKET_HEADER + 1, get_u24(q) - 1);
	return stop_event(r, ev, q, RESPONSE_LOCAL_INFILE);
}

static enum step on_prepare_ok(struct response *r, struct response_event *ev, uint8_t *q, size_t avail)
{
	struct prepare_ok *ok = &ev->u.prepare;

	if (!is_whole(r, ev, q, avail))
		return STEP_STOP;
	if (prepare_ok_parse(q + PACKET_HEADER, get_u24(q), ok) < 0)
		return stop_bad(r, ev, RESPONSE_BAD_PREPARE_OK);
	r->params = ok->params;
	r->columns = ok->columns;
	r->warnings = ok->warnings;
	r->results = 1;
	r->defs_left = ok->params ? ok->params : ok->columns;
	r->state = ok->params ? STATE_PARAMS : ok->columns ? STATE_COLUMNS : STATE_END;
	ev->done = r->state == STATE_END;
	return stop_event(r, ev, q, RESPONSE_PREPARE_OK);
}

static enum step on_definition(struct response *r, struct response_event *ev, uint8_t *q, size_t avail, size_t *used)
{
	/* its first field is a text, the catalog */
	if (q[PACKET_HEADER] > 0xfa)
		return stop_bad(r, ev, RESPONSE_BAD_COLUMN);
	if (PACKET_HEADER + get_u24(q) > RESPONSE_CONTROL_MAX)
		return stop_bad(r, ev, RESPONSE_BAD_TOO_LONG);
	if ((r->flags & RESPONSE_WANT_COLUMNS) && !is_whole(r, ev, q, avail))
		return STEP_STOP;
	if (r->state != STATE_FIELDS)
		r->defs_left--;
	if (!(r->flags & RESPONSE_WANT_COLUMNS))
		return skip_packet(r, q, used);
	return stop_event(r, ev, q, r->state == STATE_PARAMS ? RESPONSE_PARAM : RESPONSE_COLUMN);
}

/* All parameters or columns of a prepared statement have been told: goes on to what follows, returns what has ended. */
static uint8_t leave_prepare_definitions(struct response *r)
{
	bool params = r->state == STATE_PARAMS || r->state == STATE_PARAMS_EOF;

	r->defs_left = params ? r->columns : 0;
	r->state = r->defs_left ? STATE_COLUMNS : STATE_END;
	return params ? RESPONSE_PARAMS_END : RESPONSE_COLUMNS_END;
}

/* Called between packets when no definition is left. */
static enum step on_definitions_end(struct response *r, struct response_event *ev)
{
	if (old_eof(r)) {
		r->state = r->state == STATE_PARAMS ? STATE_PARAMS_EOF : STATE_COLUMNS_EOF;
		return STEP_NEXT;
	}
	if (r->kind == RESPONSE_TO_PREPARE)
		return stop_between(r, ev, leave_prepare_definitions(r));
	/* told when a row or the end shows that it is not the answer of a cursor, which has no second EOF */
	r->end_pending = r->flags & RESPONSE_WANT_COLUMNS_END;
	r->state = STATE_ROWS;
	return STEP_NEXT;
}

static enum step on_definitions_eof(
	struct response *r, struct response_event *ev, uint8_t *q, size_t avail, size_t *used)
{
	if (!read_eof(r, ev, q, avail))
		return STEP_STOP;
	if (r->kind == RESPONSE_TO_PREPARE) {
		uint8_t type = leave_prepare_definitions(r);

		ev->done = r->state == STATE_END;
		return stop_event(r, ev, q, type);
	}
	if (opens_cursor(r, ev->u.ok.status))
		return on_eof(r, ev, q, avail);
	r->state = STATE_ROWS;
	if (r->flags & RESPONSE_WANT_COLUMNS_END)
		return stop_event(r, ev, q, RESPONSE_COLUMNS_END);
	use_header(r, q);
	*used = PACKET_HEADER + get_u24(q);
	return STEP_NEXT;
}

static enum step on_row(struct response *r, struct response_event *ev, uint8_t *q, size_t *used)
{
	if (r->end_pending) {
		r->end_pending = false;
		return stop_between(r, ev, RESPONSE_COLUMNS_END);
	}
	r->rows++;
	r->rows_total++;
	return skip_packet(r, q, used);
}

static enum step on_statistics(struct response *r, struct response_event *ev, uint8_t *q, size_t avail)
{
	if (!is_whole(r, ev, q, avail))
		return STEP_STOP;
	ev->u.text = str_make((const char *)q + PACKET_HEADER, get_u24(q));
	r->state = STATE_END;
	r->results = 1;
	ev->done = true;
	return stop_event(r, ev, q, RESPONSE_STATISTICS);
}

static enum step on_wrong_seq(struct response *r, struct response_event *ev, const uint8_t *q, size_t avail)
{
	if (!r->touched && q[3] == 0 && get_u24(q) >= 3) {
		if (avail < PACKET_HEADER + 3)
			return stop_need(ev, PACKET_HEADER + 3);
		if (q[PACKET_HEADER] == 0xff) {
			r->err_code = get_u16(q + PACKET_HEADER + 1);
			return stop_bad(r, ev, RESPONSE_BAD_UNSOLICITED_ERR);
		}
	}
	return stop_bad(r, ev, RESPONSE_BAD_SEQUENCE);
}

/* One packet at @q, or as much of it as there is. */
static enum step on_packet(struct response *r, struct response_event *ev, uint8_t *q, size_t avail, size_t *used)
{
	uint32_t len;
	uint8_t first;

	*used = 0;
	if (avail < PACKET_HEADER)
		return stop_need(ev, PACKET_HEADER);
	len = get_u24(q);
	if (UNLIKELY(q[3] != r->seq) && r->state != STATE_INFILE)
		return on_wrong_seq(r, ev, q, avail);
	if (r->in_frames)
		return skip_packet(r, q, used);
	if (UNLIKELY(!len))
		return r->state == STATE_STATISTICS ? on_statistics(r, ev, q, avail)
						    : stop_bad(r, ev, RESPONSE_BAD_EMPTY);
	if (avail < PACKET_HEADER + 1)
		return stop_need(ev, PACKET_HEADER + 1);
	first = q[PACKET_HEADER];
	if (first == 0xff)
		return on_err(r, ev, q, avail);
	switch (r->state) {
	case STATE_ROWS: return is_eof_packet(&first, len) ? on_eof(r, ev, q, avail) : on_row(r, ev, q, used);
	case STATE_FIRST:
		if (first == 0x00)
			return on_ok(r, ev, q, avail);
		if (first == 0xfb)
			return on_infile(r, ev, q, avail);
		return on_column_count(r, ev, q, avail, used);
	case STATE_PARAMS:
	case STATE_COLUMNS: return on_definition(r, ev, q, avail, used);
	case STATE_FIELDS: return first == 0xfe ? on_eof(r, ev, q, avail) : on_definition(r, ev, q, avail, used);
	case STATE_PARAMS_EOF:
	case STATE_COLUMNS_EOF:
		return first == 0xfe ? on_definitions_eof(r, ev, q, avail, used)
				     : stop_bad(r, ev, RESPONSE_BAD_UNEXPECTED);
	case STATE_PREPARE: return on_prepare_ok(r, ev, q, avail);
	case STATE_STATISTICS: return on_statistics(r, ev, q, avail);
	case STATE_OK: return first == 0x00 ? on_ok(r, ev, q, avail) : stop_bad(r, ev, RESPONSE_BAD_UNEXPECTED);
	case STATE_EOF:
		if (first == 0x00)
			return on_ok(r, ev, q, avail);
		return first == 0xfe ? on_eof(r, ev, q, avail) : stop_bad(r, ev, RESPONSE_BAD_UNEXPECTED);
	case STATE_INFILE: return stop_bad(r, ev, RESPONSE_BAD_INFILE);
	default: return stop_bad(r, ev, RESPONSE_BAD_AFTER_END);
	}
}

/* The hot loop: plain rows that are whole. Stops before anything else, for on_packet() to judge. */
static uint8_t *skip_rows(struct response *r, uint8_t *q, uint8_t *end)
{
	uint8_t seq = r->seq, shift = r->seq_shift;
	uint64_t rows = 0;

	while (end - q > PACKET_HEADER) {
		uint32_t header = get_u32(q), len = header & 0xffffff;

		if (q[PACKET_HEADER] >= 0xfe || len - 1 >= PACKET_FRAME_MAX - 1 || header >> 24 != seq ||
			(size_t)(end - q) < PACKET_HEADER + len)
			break;
		if (shift)
			q[3] = (uint8_t)(seq + shift);
		seq++;
		rows++;
		q += PACKET_HEADER + len;
	}
	if (rows)
		r->touched = true;
	r->seq = seq;
	r->rows += rows;
	r->rows_total += rows;
	return q;
}

size_t response_feed(struct response *r, uint8_t *p, size_t n, struct response_event *ev)
{
	uint8_t *q = p, *end = p + n;
	size_t used;

	ev->type = RESPONSE_MORE;
	ev->done = false;
	ev->packet_n = ev->payload_n = ev->need = 0;
	ev->payload = NULL;
	if (UNLIKELY(r->bad)) {
		ev->type = RESPONSE_MALFORMED;
		return 0;
	}
	if (UNLIKELY(r->state == STATE_END)) {
		if (n)
			stop_bad(r, ev, RESPONSE_BAD_AFTER_END);
		return 0;
	}
	for (;;) {
		if (r->skip) {
			used = MIN(r->skip, (size_t)(end - q));
			r->skip -= (uint32_t)used;
			q += used;
			if (r->skip) {
				stop_need(ev, 1);
				break;
			}
		}
		if (r->state == STATE_ROWS && !r->in_frames && !r->end_pending)
			q = skip_rows(r, q, end);
		else if ((r->state == STATE_COLUMNS || r->state == STATE_PARAMS) && !r->defs_left &&
			 on_definitions_end(r, ev) == STEP_STOP)
			break;
		if (on_packet(r, ev, q, (size_t)(end - q), &used) == STEP_STOP) {
			q += ev->packet_n;
			break;
		}
		q += used;
	}
	return (size_t)(q - p);
}

void response_infile_sent(struct response *r, uint8_t last_seq)
{
	if (r->state != STATE_INFILE)
		return;
	r->state = STATE_OK;
	r->seq = (uint8_t)(last_seq + 1);
}

bool response_untouched(const struct response *r)
{
	return !r->touched;
}

bool response_done(const struct response *r)
{
	return r->state == STATE_END;
}

const char *response_bad_text(enum response_bad bad)
{
	static const char *const texts[] = {
		[RESPONSE_BAD_NONE] = "nothing is wrong",
		[RESPONSE_BAD_SEQUENCE] = "sequence_id out of order",
		[RESPONSE_BAD_UNSOLICITED_ERR] = "an ERR sent before the command was read",
		[RESPONSE_BAD_EMPTY] = "a packet without payload",
		[RESPONSE_BAD_TOO_LONG] = "a packet other than a row that is too long",
		[RESPONSE_BAD_OK] = "an OK packet that is cut or overlong inside",
		[RESPONSE_BAD_ERR] = "an ERR packet without an error number",
		[RESPONSE_BAD_EOF] = "an EOF packet of the wrong form",
		[RESPONSE_BAD_PROGRESS] = "a progress report that was not asked for",
		[RESPONSE_BAD_COLUMN_COUNT] = "a column count that cannot be",
		[RESPONSE_BAD_COLUMN] = "a column definition of the wrong form",
		[RESPONSE_BAD_PREPARE_OK] = "an answer to PREPARE of the wrong form",
		[RESPONSE_BAD_INFILE] = "a file asked for, or an answer before it was sent, out of place",
		[RESPONSE_BAD_UNEXPECTED] = "a packet of a kind that cannot stand here",
		[RESPONSE_BAD_AFTER_END] = "bytes behind the end of the answer",
	};

	return texts[bad];
}
