/* bconn.c - one connection to a server: commands, answers, prepared statements. For the pool and for whoever leased
 * it; worker thread. */
#include "bconn_internal.h"
#include "keyway/wire/packet.h"
#include "keyway/util/log.h"
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

const char *const bconn_state_name[] = {
	[BCONN_CONNECTING] = "connecting",
	[BCONN_GREETING] = "greeting",
	[BCONN_TLS] = "tls",
	[BCONN_LOGIN] = "login",
	[BCONN_INIT] = "init",
	[BCONN_IDLE] = "idle",
	[BCONN_LEASED] = "leased",
	[BCONN_RESETTING] = "resetting",
	[BCONN_CLOSED] = "closed",
};

static const uint16_t bconn_moves[] = {
	[BCONN_CONNECTING] = 1u << BCONN_GREETING | 1u << BCONN_CLOSED,
	[BCONN_GREETING] = 1u << BCONN_TLS | 1u << BCONN_LOGIN | 1u << BCONN_CLOSED,
	[BCONN_TLS] = 1u << BCONN_LOGIN | 1u << BCONN_CLOSED,
	[BCONN_LOGIN] = 1u << BCONN_INIT | 1u << BCONN_CLOSED,
	[BCONN_INIT] = 1u << BCONN_IDLE | 1u << BCONN_LEASED | 1u << BCONN_CLOSED,
	[BCONN_IDLE] = 1u << BCONN_LEASED | 1u << BCONN_CLOSED,
	[BCONN_LEASED] = 1u << BCONN_IDLE | 1u << BCONN_RESETTING | 1u << BCONN_LEASED | 1u << BCONN_CLOSED,
	[BCONN_RESETTING] = 1u << BCONN_IDLE | 1u << BCONN_LEASED | 1u << BCONN_CLOSED,
	[BCONN_CLOSED] = 0,
};

enum { TAG_RESET = 1, TAG_INIT, TAG_KILL };

void bconn_goto(struct bconn *c, enum bconn_state to)
{
	assert(bconn_moves[c->state] & (1u << to));
	c->state = (uint8_t)to;
}

void bconn_fail(struct bconn *c, enum mysql_errno no, const char *fmt, ...)
{
	char text[300];
	va_list ap;

	if (c->state == BCONN_CLOSED)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	err_set(&c->why, ERR_BACKEND, no, "backend %s: %s", c->pool->server->label, text);
	if (!c->kill_thread)
		server_suspect(c->pool->server);
	c->pool->errors++;
	if (c->state == BCONN_LEASED) {
		/* the holder is told from the loop */
		stream_close(&c->st);
		c->state = BCONN_CLOSED;
		loop_post(c->pool->loop, &c->gone);
	} else {
		pool_conn_failed(c);
	}
}

void bconn_give_up(struct bconn *c)
{
	char why[SERVER_WHY_MAX];

	bconn_fail(c, ER_NET_READ_INTERRUPTED, "it does not answer any more and was judged down (%s)",
		server_why(c->pool->server, why));
}

/* From the loop: a closed connection tells its holder if it still has one, and goes. */
static void bconn_gone(struct loop_task *t)
{
	struct bconn *c = container_of(t, struct bconn, gone);
	struct err why = c->why;

	if (c->ops) {
		c->ops->lost(c, &why);
		pool_discard(c);
		return;
	}
	pool_conn_freed(c);
}

/* Answers to what the pool itself asks: resetting a session, making it ours, killing. */
static void own_reply(struct bconn *c, uint8_t tag, const struct response_event *ev)
{
	if (tag == TAG_KILL) {
		/* an ERR says that the thread has gone by itself */
		if (ev->done)
			pool_close(c);
		return;
	}
	if (ev->type == RESPONSE_ERR) {
		bconn_fail(
			c, ER_HANDSHAKE_ERROR, "it refused to prepare the session: " STR_FMT, STR_ARG(ev->u.err.msg));
		return;
	}
	if (ev->done && tag == TAG_INIT && c->n_cmds == 0)
		pool_conn_ready(c);
}

static void bconn_bytes(struct bconn *c, uint8_t *p, size_t n)
{
	struct response_event ev;
	struct bconn_cmd cmd;
	size_t used;

	while (c->state != BCONN_CLOSED) {
		if (c->n_cmds == 0) {
			if (n)
				bconn_fail(c, ER_NET_READ_ERROR, "it sent %zu bytes that nobody asked for", n);
			return;
		}
		cmd = c->cmds[c->first_cmd];
		if (!c->resp_begun) {
			if (n == 0)
				return;
			response_init(&c->resp, (enum response_kind)cmd.kind, c->caps, cmd.flags);
			c->resp.seq = cmd.first_seq;
			c->resp.seq_shift = cmd.shift;
			c->resp_begun = true;
		}
		used = response_feed(&c->resp, p, n, &ev);
		if (ev.type == RESPONSE_MALFORMED) {
			if (c->resp.bad == RESPONSE_BAD_UNSOLICITED_ERR)
				bconn_fail(c, ER_NET_READ_ERROR,
					"it sent error %u before it read the command, and closes the connection",
					c->resp.err_code);
			else
				bconn_fail(c, ER_NET_READ_ERROR, "its answer is malformed: %s",
					response_bad_text((enum response_bad)c->resp.bad));
			return;
		}
		if (ev.type == RESPONSE_OK || ev.type == RESPONSE_EOF)
			c->status = c->resp.status;
		if (ev.done && c->n_cmds == 1 && n > used) {
			bconn_fail(c, ER_NET_READ_ERROR, "it sent %zu bytes that nobody asked for", n - used);
			return;
		}
		if (ev.done) {
			c->first_cmd = (uint8_t)((c->first_cmd + 1) % BCONN_PIPELINE);
			c->n_cmds--;
			c->resp_begun = false;
		}
		if (c->state == BCONN_LEASED)
			c->ops->reply(c, cmd.tag, p, used, &ev);
		else
			own_reply(c, cmd.tag, &ev);
		p += used;
		n -= used;
		if (ev.type == RESPONSE_MORE) {
			if (n && c->state != BCONN_CLOSED)
				buf_add(&c->in, p, n);
			return;
		}
	}
}

static void bconn_readable(struct stream *st)
{
	struct bconn *c = container_of(st, struct bconn, st);
	struct loop *l = c->pool->loop;
	ssize_t got;

	if (c->state == BCONN_GREETING || c->state == BCONN_LOGIN) {
		login_readable(c);
		return;
	}
	if (LIKELY(buf_used(&c->in) == 0)) {
		uint8_t *p = loop_scratch(l);

		got = stream_read(st, p, LOOP_SCRATCH_BYTES);
		if (got > 0) {
			c->pool->bytes_got += (size_t)got;
			bconn_bytes(c, p, (size_t)got);
			return;
		}
	} else {
		struct buf whole = c->in;

		/* an incomplete packet is waiting: the new bytes go behind it */
		got = stream_read(st, buf_reserve(&whole, LOOP_SCRATCH_BYTES), LOOP_SCRATCH_BYTES);
		c->in = whole;
		if (got > 0) {
			c->pool->bytes_got += (size_t)got;
			buf_wrote(&whole, (size_t)got);
			memset(&c->in, 0, sizeof(c->in));
			bconn_bytes(c, buf_head(&whole), buf_used(&whole));
			buf_free(&whole);
			return;
		}
	}
	if (got < 0)
		bconn_fail(c, ER_NET_READ_ERROR, "it closed the connection%s",
			c->n_cmds ? " in the middle of a statement" : "");
}

static void bconn_drained(struct stream *st)
{
	struct bconn *c = container_of(st, struct bconn, st);

	if (c->state == BCONN_LEASED && c->ops->drained)
		c->ops->drained(c);
}

static void bconn_broken(struct stream *st)
{
	struct bconn *c = container_of(st, struct bconn, st);

	bconn_fail(c, ER_NET_READ_ERROR, "the connection broke while sending to it");
}

static void bconn_opened(struct stream *st, const char *errtext)
{
	struct bconn *c = container_of(st, struct bconn, st);

	if (c->state == BCONN_TLS) {
		login_secured(c, errtext);
		return;
	}
	if (errtext) {
		bconn_fail(c, ER_NET_READ_ERROR, "cannot connect: %s", errtext);
		return;
	}
	bconn_goto(c, BCONN_GREETING);
}

static const struct stream_ops bconn_stream_ops = {
	.readable = bconn_readable,
	.drained = bconn_drained,
	.broken = bconn_broken,
	.opened = bconn_opened,
};

static void bconn_late(struct wheel_timer *t, uint64_t now_us)
{
	struct bconn *c = container_of(t, struct bconn, timer);

	(void)now_us;
	bconn_fail(c, ER_NET_READ_INTERRUPTED, "no answer within %u ms while %s",
		(unsigned)(c->pool->cfg->connect_timeout_us / 1000), bconn_state_name[c->state]);
}

struct bconn *bconn_new(struct pool *p, bool found_rows)
{
	struct bconn *c = xcalloc(1, sizeof(*c));

	stream_init(&c->st, p->loop, &bconn_stream_ops);
	list_init(&c->link);
	c->pool = p;
	c->found_rows = found_rows;
	c->state = BCONN_CONNECTING;
	wheel_timer_init(&c->timer, bconn_late);
	loop_task_init(&c->gone, bconn_gone);
	c->settings = settings_login(p->settings, 45);
	c->born_us = loop_now_us(p->loop);
	return c;
}

int bconn_connect(struct bconn *c)
{
	loop_timer_set(c->pool->loop, &c->timer, loop_now_us(c->pool->loop) + c->pool->cfg->connect_timeout_us);
	return stream_connect(&c->st, &c->pool->server->addr);
}

void bconn_close(struct bconn *c)
{
	loop_timer_clear(c->pool->loop, &c->timer);
	stream_close(&c->st);
	list_del(&c->link);
	c->ops = NULL;
	c->holder = NULL;
	c->state = BCONN_CLOSED;
	loop_post(c->pool->loop, &c->gone);
}

void bconn_free(struct bconn *c)
{
	settings_unref(c->pool->settings, c->settings);
	buf_free(&c->in);
	buf_free(&c->login);
	explicit_bzero(c->salt, sizeof(c->salt));
	free(c->stmts);
	free(c);
}

void bconn_init_session(struct bconn *c, bool reset_first)
{
	static const uint8_t reset[] = { COM_RESET_CONNECTION };
	/* What the server has to tell us in OK packets. sql_mode changes how texts are read; a state change that no
	 * statement of ours explains means that the connection must not go to another client. */
	static const char init[] = "SET SESSION session_track_schema=1, session_track_state_change=1, "
				   "session_track_system_variables='autocommit,character_set_client,"
				   "character_set_connection,character_set_results,collation_connection,time_zone,"
				   "sql_mode', autocommit=1, NAMES utf8mb4 COLLATE utf8mb4_general_ci";

	if (c->kill_thread) {
		char sql[48];
		int n = snprintf(sql, sizeof(sql), "KILL %s%u", c->kill_query ? "QUERY " : "", c->kill_thread);

		bconn_query(c, 0, TAG_KILL, str_make(sql, (size_t)n));
		return;
	}
	c->tracks_gtid = false;
	if (reset_first)
		bconn_send_payload(c, RESPONSE_TO_OK, 0, TAG_RESET, reset, 1);
	bconn_query(c, 0, TAG_INIT, str_make(init, sizeof(init) - 1));
}

void bconn_expect(struct bconn *c, enum response_kind kind, unsigned flags, uint8_t tag)
{
	unsigned at = (c->first_cmd + c->n_cmds) % BCONN_PIPELINE;

	assert(c->n_cmds < BCONN_PIPELINE);
	c->cmds[at] = (struct bconn_cmd){ .kind = (uint8_t)kind, .flags = (uint8_t)flags, .tag = tag, .first_seq = 1 };
	c->n_cmds++;
}

static struct bconn_cmd *last_cmd(struct bconn *c)
{
	return &c->cmds[(c->first_cmd + c->n_cmds - 1) % BCONN_PIPELINE];
}

void bconn_answer_seq(struct bconn *c, uint8_t seq)
{
	last_cmd(c)->shift = (uint8_t)(seq - last_cmd(c)->first_seq);
}

void bconn_send(struct bconn *c, enum response_kind kind, unsigned flags, uint8_t tag, const void *p, size_t n)
{
	c->pool->statements += tag == 0;
	c->pool->bytes_sent += n;
	bconn_expect(c, kind, flags, tag);
	/* a command of several frames: its answer's sequence_ids go on from theirs */
	last_cmd(c)->first_seq = (uint8_t)(1 + (n - PACKET_HEADER) / (PACKET_HEADER + (size_t)PACKET_FRAME_MAX));
	stream_write(&c->st, p, n);
}

void bconn_send_silent(struct bconn *c, const void *payload, size_t n)
{
	struct buf b = { 0 };
	uint8_t seq = 0;

	packet_add(&b, &seq, payload, n);
	stream_write(&c->st, buf_head(&b), buf_used(&b));
	buf_free(&b);
}

void bconn_send_payload(
	struct bconn *c, enum response_kind kind, unsigned flags, uint8_t tag, const void *payload, size_t n)
{
	bconn_expect(c, kind, flags, tag);
	last_cmd(c)->first_seq = (uint8_t)(1 + n / PACKET_FRAME_MAX);
	bconn_send_silent(c, payload, n);
}

void bconn_query(struct bconn *c, unsigned flags, uint8_t tag, struct str sql)
{
	struct buf b = { 0 };
	uint8_t seq = 0;
	size_t mark = packet_begin(&b);

	buf_add_u8(&b, COM_QUERY);
	buf_add_str(&b, sql);
	packet_end(&b, mark, &seq);
	bconn_send(c, RESPONSE_TO_QUERY, flags, tag, buf_head(&b), buf_used(&b));
	buf_free(&b);
}

void bconn_send_raw(struct bconn *c, const void *p, size_t n)
{
	stream_write(&c->st, p, n);
}

struct bstmt *bconn_stmt_find(struct bconn *c, const void *key)
{
	return bconn_stmt_find_for(c, key, c->db, c->settings->parse_hash);
}

struct bstmt *bconn_stmt_find_for(struct bconn *c, const void *key, const char *db, uint64_t parse_hash)
{
	for (uint32_t i = 0; i < c->n_stmts; i++) {
		const struct bstmt *b = &c->stmts[i];

		if (b->key == key && b->db == db && b->parse_hash == parse_hash) {
			c->stmts[i].used = ++c->stmt_clock;
			if (i > 0 && i >= 8) {
				/* keep what is hot near the front of the search */
				struct bstmt hot = c->stmts[i];

				c->stmts[i] = c->stmts[i / 2];
				c->stmts[i / 2] = hot;
				i /= 2;
			}
			return &c->stmts[i];
		}
	}
	return NULL;
}

static void stmt_close(struct bconn *c, uint32_t i)
{
	uint8_t p[5] = { COM_STMT_CLOSE };

	put_u32(p + 1, c->stmts[i].id);
	bconn_send_silent(c, p, sizeof(p));
	c->stmts[i] = c->stmts[--c->n_stmts];
}

struct bstmt *bconn_stmt_add(struct bconn *c, const void *key, uint32_t id)
{
	uint32_t oldest = 0;

	if (c->n_stmts == BCONN_STMTS_MAX) {
		for (uint32_t i = 1; i < c->n_stmts; i++) {
			if (c->stmts[i].used < c->stmts[oldest].used)
				oldest = i;
		}
		stmt_close(c, oldest);
	}
	if (c->n_stmts == c->cap_stmts) {
		c->cap_stmts = c->cap_stmts ? c->cap_stmts * 2 : 8;
		c->stmts = xrealloc(c->stmts, c->cap_stmts * sizeof(*c->stmts));
	}
	c->stmts[c->n_stmts] = (struct bstmt){
		.key = key, .db = c->db, .parse_hash = c->settings->parse_hash, .id = id, .used = ++c->stmt_clock
	};
	return &c->stmts[c->n_stmts++];
}

void bconn_stmt_drop(struct bconn *c, const void *key)
{
	for (uint32_t i = 0; i < c->n_stmts;) {
		if (c->stmts[i].key == key)
			stmt_close(c, i);
		else
			i++;
	}
}

void bconn_stmt_forget(struct bconn *c, const void *key)
{
	for (uint32_t i = 0; i < c->n_stmts; i++) {
		if (c->stmts[i].key == key) {
			c->stmts[i].key = NULL;
			c->stmts[i].used = 0;
			c->stmts_forgotten = true;
		}
	}
}

void bconn_stmt_close_forgotten(struct bconn *c)
{
	c->stmts_forgotten = false;
	for (uint32_t i = 0; i < c->n_stmts;) {
		if (c->stmts[i].key)
			i++;
		else
			stmt_close(c, i);
	}
}
