/* wire/response.h - follows a server's answer to one command without decoding rows. Feed it what came from the server;
 * it tells where one thing ends and the next begins, so that the bytes can be passed on as they are. Owns nothing,
 * allocates nothing. Pure, any thread.
 *
 *  FIRST -> COLUMNS -> ROWS -> FIRST (more results) | END        FIRST -> INFILE -> FIRST | END
 *  PREPARE -> PARAMS -> COLUMNS -> END                           any -> BAD
 *
 * How to use:
 *	for (;;) {
 *		used = response_feed(&r, p, n, &ev);    // bytes [p, p + used) are done with: pass them on (or not)
 *		p += used, n -= used;
 *		if (ev.type == RESPONSE_MORE)           // keep the n bytes left over and come again with at least
 *ev.need break; if (ev.type == RESPONSE_MALFORMED)      // close the backend break;
 *		...                                     // the packet of an event is the last ev.packet_n bytes of the
 *used ones if (ev.done) break;                          // n bytes left over belong to the next command's answer
 *	}
 * Go on until MORE, MALFORMED or done even with n == 0: some events have no packet. Rows (and columns when they are
 * not wanted) may be used up in parts; every other packet is used up only when whole. */
#ifndef KEYWAY_WIRE_RESPONSE_H
#define KEYWAY_WIRE_RESPONSE_H

#include "keyway/wire/reply.h"

enum response_kind {
	RESPONSE_TO_QUERY,	/* COM_QUERY: OK, ERR, LOCAL INFILE or a result set; more results after each */
	RESPONSE_TO_EXECUTE,	/* COM_STMT_EXECUTE: the same; a cursor's answer has columns and no rows */
	RESPONSE_TO_PREPARE,	/* COM_STMT_PREPARE */
	RESPONSE_TO_FETCH,	/* COM_STMT_FETCH: rows to the EOF */
	RESPONSE_TO_FIELD_LIST, /* COM_FIELD_LIST: definitions to the EOF */
	RESPONSE_TO_STATISTICS, /* COM_STATISTICS: one bare text */
	RESPONSE_TO_OK,		/* COM_PING, INIT_DB, RESET_CONNECTION, STMT_RESET, PROCESS_KILL, ...: OK or ERR */
	RESPONSE_TO_EOF,	/* COM_SET_OPTION, COM_DEBUG: EOF (or OK) or ERR */
};

/* flags */
#define RESPONSE_WANT_COLUMNS	  1u /* an event for each column and parameter definition */
#define RESPONSE_WANT_COLUMNS_END 2u /* an event between the definitions of a result set and its rows */
#define RESPONSE_ALLOW_INFILE	  4u /* the statement is LOAD DATA LOCAL; otherwise 0xFB is malformed */

enum response_event_type {
	RESPONSE_MORE,	       /* all used, or the packet that starts at the first unused byte is not whole; see need */
	RESPONSE_OK,	       /* u.ok; u.ok.status has SERVER_MORE_RESULTS_EXISTS unless done */
	RESPONSE_ERR,	       /* u.err; always done */
	RESPONSE_EOF,	       /* end of rows (or of a cursor's columns, or of a field list), either flavour: u.ok */
	RESPONSE_COLUMN_COUNT, /* with WANT_COLUMNS: u.column_count; a result set starts */
	RESPONSE_COLUMN,       /* a definition; read it with column_parse() */
	RESPONSE_COLUMNS_END, /* u.ok.status, warnings when it has a packet. Without one (CLIENT_DEPRECATE_EOF) packet_n
				 is 0 */
	RESPONSE_PREPARE_OK,  /* u.prepare */
	RESPONSE_PARAM,	      /* a definition */
	RESPONSE_PARAMS_END,  /* as COLUMNS_END; always told when there are parameters */
	RESPONSE_LOCAL_INFILE, /* u.infile: the name asked for. Feed goes on after response_infile_sent() */
	RESPONSE_STATISTICS,   /* u.text */
	RESPONSE_MALFORMED,    /* r->bad says why; stays so */
};

enum response_bad {
	RESPONSE_BAD_NONE,
	RESPONSE_BAD_SEQUENCE,	      /* sequence_id is not the next one */
	RESPONSE_BAD_UNSOLICITED_ERR, /* first packet: an ERR with sequence_id 0, sent before the server saw the command
				       * (idle timeout 4031, shutdown): the command has not run. See err_code */
	RESPONSE_BAD_EMPTY,	      /* a packet without payload */
	RESPONSE_BAD_TOO_LONG,	      /* a packet other than a row longer than RESPONSE_CONTROL_MAX */
	RESPONSE_BAD_OK,
	RESPONSE_BAD_ERR,
	RESPONSE_BAD_EOF,
	RESPONSE_BAD_PROGRESS, /* MariaDB's progress report, which was not negotiated */
	RESPONSE_BAD_COLUMN_COUNT,
	RESPONSE_BAD_COLUMN,
	RESPONSE_BAD_PREPARE_OK,
	RESPONSE_BAD_INFILE,	 /* a file asked for by a statement that may not, or an answer before it was sent */
	RESPONSE_BAD_UNEXPECTED, /* another kind of packet than can stand here */
	RESPONSE_BAD_AFTER_END,	 /* fed after done */
};

/* Packets that are told as events must be whole in memory: no longer than this, header included. */
#define RESPONSE_CONTROL_MAX (1u << 20)
#define RESPONSE_COLUMNS_MAX (1u << 20)

struct response {
	/* the caller may change these between feeds */
	uint8_t seq_shift; /* added in place to the sequence_id of every header used from now on */
	/* read only */
	uint8_t kind, flags, state, bad;
	uint8_t seq;	  /* the next sequence_id from the server */
	bool in_frames;	  /* the next header goes on with the packet before it */
	bool touched;	  /* something of the answer was used */
	bool end_pending; /* COLUMNS_END without a packet is still to be told */
	uint32_t caps;
	uint32_t skip;	    /* bytes left of a row's frame */
	uint32_t defs_left; /* definitions to come */
	uint32_t columns;   /* of the result set at hand, or of the prepared statement */
	uint16_t params;
	uint16_t status;   /* of the last OK or EOF */
	uint16_t warnings; /* of the last OK or EOF */
	uint16_t err_code; /* of the ERR that ended it; 0: none */
	char err_sqlstate[6];
	uint32_t results; /* OKs and result sets that are complete */
	uint64_t rows;	  /* in the result set at hand */
	uint64_t rows_total;
	uint64_t affected;  /* of the last OK */
	uint64_t insert_id; /* of the last OK that had one */
};

struct response_event {
	uint8_t type;		/* enum response_event_type */
	bool done;		/* the answer is complete with this */
	size_t packet_n;	/* bytes of this event's packet with its header; 0 when it has none */
	const uint8_t *payload; /* behind the header; NULL when there is no packet */
	size_t payload_n;
	size_t need; /* MORE: bytes that must be at hand, counted from the first unused one, before the next feed makes
		      * sense */
	union {
		struct ok_packet ok;
		struct err_packet err;
		struct prepare_ok prepare;
		uint64_t column_count;
		struct str infile;
		struct str text;
	} u;
};

/* @caps: those negotiated with the server; of them CLIENT_DEPRECATE_EOF and CLIENT_SESSION_TRACK matter. The first
 * sequence_id wanted is 1. */
void response_init(struct response *r, enum response_kind kind, uint32_t caps, unsigned flags);
/* See the top. @p is written to only where seq_shift is not 0. */
MUST_CHECK size_t response_feed(struct response *r, uint8_t *p, size_t n, struct response_event *ev);
/* After LOCAL_INFILE: the client's packets and the empty one were sent, the last with sequence_id @last_seq. */
void response_infile_sent(struct response *r, uint8_t last_seq);
/* Nothing of the answer has been used yet (then it can be thrown away and the command sent elsewhere if it is safe). */
bool response_untouched(const struct response *r);
/* In a row, in the middle of it: stopping here would leave a torn packet with the client. */
static inline bool response_in_packet(const struct response *r)
{
	return r->skip || r->in_frames;
}
bool response_done(const struct response *r);
/* "sequence_id out of order" and so on: for the log and for ERR messages. */
const char *response_bad_text(enum response_bad bad);

#endif
