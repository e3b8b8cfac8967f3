/* wire/reply.h - OK, ERR, EOF, column definitions, PREPARE_OK: bytes <-> structs under given capabilities. Parsers get
 * a payload without its header; what they fill points into it; they return 0 or -1 (malformed). Builders append
 * payload; put packet_begin()/packet_end() around. All capabilities mean the 4.1 protocol. Pure, any thread. */
#ifndef KEYWAY_WIRE_REPLY_H
#define KEYWAY_WIRE_REPLY_H

#include "keyway/util/err.h"
#include "keyway/wire/packet.h"
#include "keyway/wire/proto.h"

struct ok_packet {
	uint64_t affected;
	uint64_t insert_id;
	uint16_t status;
	uint16_t warnings;
	struct str info;  /* "Rows matched: ..." */
	struct str track; /* session-track entries, without the length before them; empty when there are none */
};

/* Reads an OK (header 0x00, or 0xFE at the end of rows when CLIENT_DEPRECATE_EOF) or, without CLIENT_DEPRECATE_EOF, an
 * EOF (0xFE, then affected and insert_id are 0). */
MUST_CHECK int ok_parse(const uint8_t *p, size_t n, uint32_t caps, struct ok_packet *out);
/* An OK with header 0x00. Without CLIENT_SESSION_TRACK the track is left out, SERVER_SESSION_STATE_CHANGED is cleared
 * and info goes as rest-of-packet. */
void ok_build(struct buf *b, uint32_t caps, const struct ok_packet *ok);
/* The packet that ends rows: OK with header 0xFE, or the 5-byte EOF. */
void eof_build(struct buf *b, uint32_t caps, const struct ok_packet *ok);
/* The EOF behind column definitions; only for a session without CLIENT_DEPRECATE_EOF. */
void columns_eof_build(struct buf *b, uint16_t status, uint16_t warnings);

/* Entries of ok.track. Start with rd_make(track.p, track.n). */
struct track_entry {
	uint8_t type;	  /* enum session_track_type or one we do not know */
	struct str name;  /* system variable; else empty */
	struct str value; /* value of the variable; schema; "1"/"0"; GTID text; SQL of the characteristics; the 8
			   * letters of the state; raw bytes of an unknown type */
};
/* 1: one read; 0: end; -1: malformed. An entry of several variables comes as several. */
struct track_iter {
	struct rd all;
	struct rd vars; /* rest of a system-variables entry */
};
struct track_iter track_begin(struct str track);
MUST_CHECK int track_next(struct track_iter *it, struct track_entry *out);
void track_add_variable(struct buf *b, struct str name, struct str value);
void track_add_schema(struct buf *b, struct str schema);
void track_add(struct buf *b, uint8_t type, struct str value); /* types 2, 4, 5: one string; 3: GTID text */

struct err_packet {
	uint16_t code;
	char sqlstate[6]; /* "HY000" when the packet has none */
	struct str msg;
};

MUST_CHECK int err_packet_parse(const uint8_t *p, size_t n, struct err_packet *out);
/* @with_sqlstate false: the form before a login's capabilities are known. */
void err_packet_build(struct buf *b, uint16_t code, const char *sqlstate, struct str msg, bool with_sqlstate);
/* A whole ERR packet with header from @e. */
void err_packet_send(struct buf *b, uint8_t *seq, const struct err *e);
/* What a backend said as our struct err, kind ERR_BACKEND. Numbers that we never send (0, 1105, 2000-2999, 65535)
 * become 1220 with the number in the text. Returns the kind. */
int err_from_packet(struct err *e, const struct err_packet *p);

struct column_def {
	struct str catalog; /* "def" */
	struct str schema, table, org_table, name, org_name;
	uint16_t charset;
	uint32_t length;
	uint8_t type; /* enum mysql_type */
	uint16_t flags;
	uint8_t decimals;
	bool has_default;	  /* the answer to COM_FIELD_LIST */
	struct str default_value; /* p == NULL: NULL */
};

MUST_CHECK int column_parse(const uint8_t *p, size_t n, bool field_list, struct column_def *out);
/* An empty catalog is written as "def". */
void column_build(struct buf *b, const struct column_def *c);

struct prepare_ok {
	uint32_t stmt_id;
	uint16_t columns;
	uint16_t params;
	uint16_t warnings;
};

MUST_CHECK int prepare_ok_parse(const uint8_t *p, size_t n, struct prepare_ok *out);
void prepare_ok_build(struct buf *b, const struct prepare_ok *p);

/* Whether the payload is the packet that ends rows. @frame_n: the length its header tells. */
static inline bool is_eof_packet(const uint8_t *p, size_t frame_n)
{
	return frame_n && p[0] == 0xfe && frame_n < PACKET_FRAME_MAX;
}

#endif
