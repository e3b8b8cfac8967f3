/* reply.c - OK, ERR, EOF, session tracking, column definitions, PREPARE_OK.
 * For the tracker of responses, for the front's own answers and for the backend's logins.
 * Pure, any thread. */
#include "keyway/wire/reply.h"
#include <stdio.h>

#define ER_ERROR_WHEN_EXECUTING_COMMAND 1220

int ok_parse(const uint8_t *p, size_t n, uint32_t caps, struct ok_packet *out)
{
	struct rd r = rd_make(p, n);
	uint8_t header = rd_u8(&r);

	*out = (struct ok_packet){ .info = STR(""), .track = STR("") };
	if (header == 0xfe && !(caps & CLIENT_DEPRECATE_EOF)) {
		out->warnings = rd_u16(&r);
		out->status = rd_u16(&r);
		return r.bad || n > 8 ? -1 : 0;
	}
	if (header != 0x00 && header != 0xfe)
		return -1;
	out->affected = rd_lenenc(&r);
	out->insert_id = rd_lenenc(&r);
	out->status = rd_u16(&r);
	out->warnings = rd_u16(&r);
	/* the manual says rest-of-packet without CLIENT_SESSION_TRACK; servers write a length, and clients read it */
	if (rd_left(&r))
		out->info = rd_lenenc_str(&r);
	if ((caps & CLIENT_SESSION_TRACK) && (out->status & SERVER_SESSION_STATE_CHANGED) && rd_left(&r))
		out->track = rd_lenenc_str(&r);
	return r.bad ? -1 : 0;
}

static void ok_body(struct buf *b, uint8_t header, uint32_t caps, const struct ok_packet *ok)
{
	bool track = (caps & CLIENT_SESSION_TRACK) && ok->track.n;
	uint16_t status = ok->status & (uint16_t)~SERVER_SESSION_STATE_CHANGED;

	wr_u8(b, header);
	wr_lenenc(b, ok->affected);
	wr_lenenc(b, ok->insert_id);
	wr_u16(b, track ? status | SERVER_SESSION_STATE_CHANGED : status);
	wr_u16(b, ok->warnings);
	if (track || ok->info.n)
		wr_lenenc_str(b, ok->info);
	if (track)
		wr_lenenc_str(b, ok->track);
}

void ok_build(struct buf *b, uint32_t caps, const struct ok_packet *ok)
{
	ok_body(b, 0x00, caps, ok);
}

void columns_eof_build(struct buf *b, uint16_t status, uint16_t warnings)
{
	wr_u8(b, 0xfe);
	wr_u16(b, warnings);
	wr_u16(b, status);
}

void eof_build(struct buf *b, uint32_t caps, const struct ok_packet *ok)
{
	if (caps & CLIENT_DEPRECATE_EOF)
		ok_body(b, 0xfe, caps, ok);
	else
		columns_eof_build(b, ok->status & (uint16_t)~SERVER_SESSION_STATE_CHANGED, ok->warnings);
}

struct track_iter track_begin(struct str track)
{
	return (struct track_iter){ .all = rd_make(track.p, track.n), .vars = rd_make("", 0) };
}

static int track_variable(struct track_iter *it, struct track_entry *out)
{
	out->type = SESSION_TRACK_SYSTEM_VARIABLES;
	out->name = rd_lenenc_str(&it->vars);
	out->value = rd_lenenc_str(&it->vars);
	return it->vars.bad ? -1 : 1;
}

int track_next(struct track_iter *it, struct track_entry *out)
{
	struct str entry;
	struct rd r;

	*out = (struct track_entry){ .name = STR(""), .value = STR("") };
	if (it->vars.bad || it->all.bad)
		return -1;
	if (rd_left(&it->vars))
		return track_variable(it, out);
	if (!rd_left(&it->all))
		return 0;
	out->type = rd_u8(&it->all);
	entry = rd_lenenc_str(&it->all);
	if (it->all.bad)
		return -1;
	r = rd_make(entry.p, entry.n);
	switch (out->type) {
	case SESSION_TRACK_SYSTEM_VARIABLES: it->vars = r; return track_variable(it, out);
	case SESSION_TRACK_GTIDS:
		rd_u8(&r); /* the encoding; 0, text, is the only one */
		out->value = rd_lenenc_str(&r);
		break;
	case SESSION_TRACK_SCHEMA: out->value = rd_lenenc_str(&r); break;
	case SESSION_TRACK_STATE_CHANGE:
		/* the bare digit, as servers send it; with a length before it, as the others have one, it is taken too
		 */
		out->value = entry.n == 2 && entry.p[0] == 1 ? str_make(entry.p + 1, 1) : entry;
		r.p = r.end;
		break;
	case SESSION_TRACK_TRANSACTION_CHARACTERISTICS:
	case SESSION_TRACK_TRANSACTION_STATE: out->value = rd_lenenc_str(&r); break;
	default: out->value = entry; break;
	}
	if (r.bad)
		it->all.bad = true;
	return r.bad ? -1 : 1;
}

void track_add_variable(struct buf *b, struct str name, struct str value)
{
	wr_u8(b, SESSION_TRACK_SYSTEM_VARIABLES);
	wr_lenenc(b, lenenc_size(name.n) + name.n + lenenc_size(value.n) + value.n);
	wr_lenenc_str(b, name);
	wr_lenenc_str(b, value);
}

void track_add(struct buf *b, uint8_t type, struct str value)
{
	bool gtid = type == SESSION_TRACK_GTIDS;

	wr_u8(b, type);
	if (type == SESSION_TRACK_STATE_CHANGE) {
		wr_lenenc_str(b, value);
		return;
	}
	wr_lenenc(b, lenenc_size(value.n) + value.n + gtid);
	if (gtid)
		wr_u8(b, 0);
	wr_lenenc_str(b, value);
}

void track_add_schema(struct buf *b, struct str schema)
{
	track_add(b, SESSION_TRACK_SCHEMA, schema);
}

int err_packet_parse(const uint8_t *p, size_t n, struct err_packet *out)
{
	struct rd r = rd_make(p, n);
	uint8_t header = rd_u8(&r);
	struct str state;

	out->code = rd_u16(&r);
	memcpy(out->sqlstate, "HY000", 6);
	out->msg = STR("");
	if (r.bad || header != 0xff)
		return -1;
	if (rd_left(&r) >= 6 && *r.p == '#') {
		rd_u8(&r);
		state = rd_bytes(&r, 5);
		memcpy(out->sqlstate, state.p, 5);
	}
	out->msg = rd_rest(&r);
	return 0;
}

void err_packet_build(struct buf *b, uint16_t code, const char *sqlstate, struct str msg, bool with_sqlstate)
{
	wr_u8(b, 0xff);
	wr_u16(b, code);
	if (with_sqlstate) {
		wr_u8(b, '#');
		buf_add(b, sqlstate, 5);
	}
	buf_add_str(b, msg);
}

void err_packet_send(struct buf *b, uint8_t *seq, const struct err *e)
{
	size_t mark = packet_begin(b);

	err_packet_build(b, e->errno_, e->sqlstate, str_of(e->msg), true);
	packet_end(b, mark, seq);
}

int err_from_packet(struct err *e, const struct err_packet *p)
{
	bool sent_as_is = p->code != 0 && p->code != ER_UNKNOWN_ERROR_NEVER_SENT && p->code != 0xffff &&
			  (p->code < 2000 || p->code > 2999);

	if (!e)
		return ERR_BACKEND;
	e->kind = ERR_BACKEND;
	if (sent_as_is) {
		e->errno_ = p->code;
		memcpy(e->sqlstate, p->sqlstate, sizeof(e->sqlstate));
		snprintf(e->msg, sizeof(e->msg), STR_FMT, (int)MIN(p->msg.n, sizeof(e->msg)), p->msg.p);
	} else {
		e->errno_ = ER_ERROR_WHEN_EXECUTING_COMMAND;
		memcpy(e->sqlstate, "HY000", 6);
		snprintf(e->msg, sizeof(e->msg), "The server said error %u: " STR_FMT, p->code,
			(int)MIN(p->msg.n, sizeof(e->msg)), p->msg.p);
	}
	return ERR_BACKEND;
}

int column_parse(const uint8_t *p, size_t n, bool field_list, struct column_def *out)
{
	struct rd r = rd_make(p, n), fixed;
	struct str s;

	memset(out, 0, sizeof(*out));
	out->catalog = rd_lenenc_str(&r);
	out->schema = rd_lenenc_str(&r);
	out->table = rd_lenenc_str(&r);
	out->org_table = rd_lenenc_str(&r);
	out->name = rd_lenenc_str(&r);
	out->org_name = rd_lenenc_str(&r);
	s = rd_lenenc_str(&r);
	fixed = rd_make(s.p, s.n);
	out->charset = rd_u16(&fixed);
	out->length = rd_u32(&fixed);
	out->type = rd_u8(&fixed);
	out->flags = rd_u16(&fixed);
	out->decimals = rd_u8(&fixed);
	if (field_list && rd_left(&r)) {
		out->has_default = true;
		out->default_value = rd_field(&r);
	}
	return r.bad || fixed.bad ? -1 : 0;
}

void column_build(struct buf *b, const struct column_def *c)
{
	wr_lenenc_str(b, c->catalog.n ? c->catalog : STR("def"));
	wr_lenenc_str(b, c->schema);
	wr_lenenc_str(b, c->table);
	wr_lenenc_str(b, c->org_table);
	wr_lenenc_str(b, c->name);
	wr_lenenc_str(b, c->org_name);
	wr_u8(b, 12);
	wr_u16(b, c->charset);
	wr_u32(b, c->length);
	wr_u8(b, c->type);
	wr_u16(b, c->flags);
	wr_u8(b, c->decimals);
	wr_u16(b, 0);
	if (!c->has_default)
		return;
	if (c->default_value.p)
		wr_lenenc_str(b, c->default_value);
	else
		wr_u8(b, 0xfb);
}

int prepare_ok_parse(const uint8_t *p, size_t n, struct prepare_ok *out)
{
	struct rd r = rd_make(p, n);
	uint8_t header = rd_u8(&r);

	out->stmt_id = rd_u32(&r);
	out->columns = rd_u16(&r);
	out->params = rd_u16(&r);
	rd_u8(&r);
	out->warnings = rd_u16(&r);
	return r.bad || header != 0x00 ? -1 : 0;
}

void prepare_ok_build(struct buf *b, const struct prepare_ok *p)
{
	wr_u8(b, 0x00);
	wr_u32(b, p->stmt_id);
	wr_u16(b, p->columns);
	wr_u16(b, p->params);
	wr_u8(b, 0);
	wr_u16(b, p->warnings);
}
