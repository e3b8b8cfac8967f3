/* command.c - one command from the client: a table of COM_ numbers. Worker thread. */
#include "show.h"
#include <stdio.h>

typedef void command_fn(struct run *r, const struct packet *pk);

static struct str packet_text(const struct packet *pk)
{
	return str_make((const char *)pk->payload + 1, pk->n - 1);
}

static void command_query(struct run *r, const struct packet *pk)
{
	r->text = packet_text(pk);
	r->w->stats.questions++;
	run_statement(r);
}

static void command_prepare(struct run *r, const struct packet *pk)
{
	r->text = packet_text(pk);
	stmt_prepare(r);
}

static void command_execute(struct run *r, const struct packet *pk)
{
	r->w->stats.questions++;
	stmt_execute(r, pk);
}

static void command_init_db(struct run *r, const struct packet *pk)
{
	local_use(r, packet_text(pk));
}

/* The packet as it is to the session's home, the answer as it is to the client. */
static void command_field_list(struct run *r, const struct packet *pk)
{
	struct session *s = r->s;
	struct leg *l;
	uint8_t seq = 0;
	struct err err;

	if (!s->ks) {
		err_set(&err, ERR_NAME, ER_NO_DB_ERROR, "No database selected");
		run_fail(r, &err);
		return;
	}
	run_legs(r, 1);
	l = run_leg_to(r, session_home(s), s->shard ? s->shard->index : 0, PLAN_SIDE_HOME, READS_PRIMARY);
	packet_add(&l->pkt, &seq, pk->payload, pk->n);
	r->kind = RESPONSE_TO_FIELD_LIST;
	r->answer = ANSWER_PASS;
	run_goto(r, RUN_ACQUIRE);
	run_start(r);
}

static void command_ping(struct run *r, const struct packet *pk)
{
	struct ok_packet ok = { 0 };

	(void)pk;
	answer_ok(r, &ok);
	run_end(r);
}

static void command_set_option(struct run *r, const struct packet *pk)
{
	struct session *s = r->s;
	struct ok_packet ok = { .status = session_status(s) };
	unsigned option = pk->n >= 3 ? get_u16(pk->payload + 1) : 0xffff;
	struct err err;
	struct buf b = { 0 };
	size_t mark;

	if (option > MYSQL_OPTION_MULTI_STATEMENTS_OFF) {
		err_set(&err, ERR_MALFORMED, ER_UNKNOWN_COM_ERROR, "Unknown command");
		run_fail(r, &err);
		return;
	}
	s->multi_statements = option == MYSQL_OPTION_MULTI_STATEMENTS_ON;
	mark = packet_begin(&b);
	eof_build(&b, s->caps, &ok);
	packet_end(&b, mark, &s->seq);
	session_put(s, buf_head(&b), buf_used(&b), false);
	buf_free(&b);
	r->replied = true;
	run_end(r);
}

static void command_statistics(struct run *r, const struct packet *pk)
{
	struct session *s = r->s;
	struct worker *w = r->w;
	uint64_t up = (clock_mono_us() - w->process->started_us) / 1000000;
	char text[200];
	struct buf b = { 0 };
	int n = snprintf(text, sizeof(text),
		"Uptime: %llu  Threads: %u  Questions: %llu  Slow queries: 0  Opens: 0  Open tables: 0  "
		"Queries per second avg: %.3f",
		(unsigned long long)up, w->n_sessions, (unsigned long long)w->stats.questions,
		up ? (double)w->stats.questions / (double)up : 0.0);

	(void)pk;
	packet_add(&b, &s->seq, text, (size_t)n);
	session_put(s, buf_head(&b), buf_used(&b), false);
	buf_free(&b);
	r->replied = true;
	run_end(r);
}

static void command_reset(struct run *r, const struct packet *pk)
{
	struct session *s = r->s;

	(void)pk;
	session_reset(s); /* ends this run too */
	session_send_ok(s);
	s->answered_inside = true;
}

static void command_process_kill(struct run *r, const struct packet *pk)
{
	if (pk->n < 5) {
		struct err err;

		err_set(&err, ERR_MALFORMED, ER_MALFORMED_PACKET, "Malformed communication packet");
		run_fail(r, &err);
		return;
	}
	local_kill(r, get_u32(pk->payload + 1), false);
}

static void command_process_info(struct run *r, const struct packet *pk)
{
	(void)pk;
	show_processlist(r, false);
}

static void command_debug(struct run *r, const struct packet *pk)
{
	struct err err;

	err_set(&err, ERR_DENIED, ER_SPECIFIC_ACCESS_DENIED_ERROR,
		"Access denied; %s is for one server: say it to that server itself", com_name(pk->payload[0]));
	run_fail(r, &err);
}

static const struct {
	command_fn *run;
	uint8_t min_bytes;
} commands[256] = {
	[COM_INIT_DB] = { command_init_db, 1 },
	[COM_QUERY] = { command_query, 1 },
	[COM_FIELD_LIST] = { command_field_list, 1 },
	[COM_STATISTICS] = { command_statistics, 1 },
	[COM_PROCESS_KILL] = { command_process_kill, 1 },
	[COM_DEBUG] = { command_debug, 1 },
	[COM_PING] = { command_ping, 1 },
	[COM_SET_OPTION] = { command_set_option, 1 },
	[COM_STMT_PREPARE] = { command_prepare, 1 },
	[COM_STMT_EXECUTE] = { command_execute, 1 },
	[COM_STMT_FETCH] = { stmt_fetch, 1 },
	[COM_RESET_CONNECTION] = { command_reset, 1 },
	[COM_REFRESH] = { command_debug, 1 },
	[COM_SHUTDOWN] = { command_debug, 1 },
	[COM_PROCESS_INFO] = { command_process_info, 1 },
	[COM_BINLOG_DUMP] = { command_debug, 1 },
	[COM_BINLOG_DUMP_GTID] = { command_debug, 1 },
	[COM_REGISTER_SLAVE] = { command_debug, 1 },
	[COM_TABLE_DUMP] = { command_debug, 1 },
};

/* Commands without a run of their own: done is done. */
static bool quiet_command(struct session *s, const struct packet *pk, enum session_answer *out)
{
	uint32_t id;

	switch (pk->payload[0]) {
	case COM_QUIT: *out = SESSION_QUIT; return true;
	case COM_STMT_CLOSE:
		if (stmt_packet_id(pk->payload, pk->n, &id) == 0)
			stmt_close(s, id);
		*out = SESSION_ANSWERED;
		return true;
	case COM_STMT_SEND_LONG_DATA:
		stmt_long_data(s, pk);
		*out = s->closing ? SESSION_FATAL : SESSION_ANSWERED;
		return true;
	case COM_STMT_RESET: *out = stmt_reset(s, pk); return true;
	default: return false;
	}
}

enum session_answer session_command(struct session *s, const struct packet *pk)
{
	enum session_answer quick;
	struct run *r;
	struct err err;
	uint8_t com;

	s->seq = (uint8_t)(pk->seq + pk->wire_bytes / (PACKET_HEADER + (size_t)PACKET_FRAME_MAX) + 1);
	if (UNLIKELY(pk->n == 0)) {
		err_set(&err, ERR_MALFORMED, ER_MALFORMED_PACKET, "Malformed communication packet");
		session_send_err(s, &err);
		return SESSION_FATAL;
	}
	com = pk->payload[0];
	if (UNLIKELY(quiet_command(s, pk, &quick)))
		return quick;
	if (UNLIKELY(!commands[com].run)) {
		err_set(&err, ERR_UNSUPPORTED, ER_UNKNOWN_COM_ERROR, "Unknown command %s (0x%02x)",
			com_name(com) ? com_name(com) : "", com);
		session_send_err(s, &err);
		return SESSION_ANSWERED;
	}
	s->commands++;
	r = run_new(s, com);
	r->wire = pk->payload - PACKET_HEADER;
	r->wire_n = pk->n + PACKET_HEADER;
	r->wire_long = pk->n >= PACKET_FRAME_MAX;
	s->in_command = true;
	s->answered_inside = false;
	commands[com].run(r, pk);
	s->in_command = false;
	if (LIKELY(s->run != NULL)) {
		/* it goes on from the loop: the caller's bytes will be gone by then. What has been sent is needed again
		 * only for a second try (of a write: when a server refuses it as read-only), and for the names of
		 * variables. */
		r = s->run;
		if (r->state != RUN_MAIN || !r->plan || (r->plan->flags & PLAN_READ) || r->collects ||
			r->wire_n <= HOLD_KEEP_BYTES)
			run_keep(r);
		else
			run_keep_shown(r);
		return SESSION_RUNNING;
	}
	return s->closing ? SESSION_FATAL : SESSION_ANSWERED;
}
