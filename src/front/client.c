/* client.c - a client's socket: bytes to commands, commands to its session, one at a time. Worker thread. */
#include "client.h"
#include "keyway/io/listener.h"
#include "keyway/util/log.h"
#include <stdlib.h>
#include <unistd.h>

#define LOGIN_PACKET_MAX  (1u << 20)
#define SSL_REQUEST_BYTES (PACKET_HEADER + 32)
#define AHEAD_MAX	  (256 * 1024) /* bytes taken from a client that sends on while a statement runs */

static void client_readable(struct stream *st);

void client_send_err(struct client *c, const struct err *e)
{
	struct buf b = { 0 };

	err_packet_send(&b, &c->seq, e);
	stream_write(&c->st, buf_head(&b), buf_used(&b));
	buf_free(&b);
}

/* From the loop: nobody up the stack looks at it any more. */
static void client_gone(struct loop_task *t)
{
	struct client *c = container_of(t, struct client, gone);
	struct front *f = c->f;

	list_del(&c->link);
	f->n_clients--;
	free(c);
}

void client_close(struct client *c)
{
	struct worker *w = c->f->w;

	if (c->state == CLIENT_CLOSED)
		return;
	c->state = CLIENT_CLOSED;
	loop_timer_clear(w->loop, &c->timer);
	loop_unpost(&c->again);
	if (c->has_session)
		session_close(&c->s);
	c->has_session = false;
	login_free(c);
	stream_close(&c->st);
	buf_free(&c->in);
	if (c->user_state)
		user_out(c->user_state);
	c->user_state = NULL;
	if (c->counted)
		shared_client_out(c->f->shared);
	c->counted = false;
	loop_post(w->loop, &c->gone);
}

/* --- the session's word --- */

static void on_answered(struct session *s)
{
	struct client *c = container_of(s, struct client, s);

	if (c->state == CLIENT_SELECTING) {
		if (!s->db) {
			/* the database is not there: the login fails with what the server said */
			client_close(c);
			return;
		}
		login_free(c);
	}
	if (c->state != CLIENT_CLOSED)
		c->state = CLIENT_READY;
	c->active_us = loop_now_us(c->f->w->loop);
	if (buf_used(&c->in))
		loop_post(c->f->w->loop, &c->again);
	stream_read_resume(&c->st);
	if (c->f->drain_deadline_us)
		client_drain(c);
}

static void on_fatal(struct session *s)
{
	client_close(container_of(s, struct client, s));
}

static void on_infile(struct session *s)
{
	struct client *c = container_of(s, struct client, s);

	c->state = CLIENT_INFILE;
	stream_read_resume(&c->st);
	if (buf_used(&c->in))
		loop_post(c->f->w->loop, &c->again);
}

static const struct session_ops session_ops = { .answered = on_answered, .fatal = on_fatal, .infile = on_infile };

void client_logged_in(struct client *c, const struct front_user *u)
{
	struct client_login *l = c->login;
	struct worker *w = c->f->w;
	struct session_login sl = { .reads = u->reads,
		.caps = c->caps,
		.collation_id = l->charset,
		.user = str_make(l->user, l->user_n),
		.host = str_of(c->host) };
	const char *db = l->db ? l->db : u->keyspace;
	uint32_t max = u->max_connections ? u->max_connections : c->f->cfg->max_user_connections;
	struct user_state *us = shared_user(c->f->shared, u->name);
	struct packet pk = { 0 };
	uint8_t cmd[PACKET_HEADER + 1 + 512];
	struct err e;

	if (us != c->user_state) {
		if (!user_in(us, max)) {
			err_set(&e, ERR_LIMIT, ER_USER_LIMIT_REACHED,
				"User '%s' has exceeded the 'max_user_connections' resource (current value: %u)",
				u->name, max);
			client_send_err(c, &e);
			client_close(c);
			return;
		}
		if (c->user_state)
			user_out(c->user_state);
		c->user_state = us;
	}
	if (c->has_session) {
		uint32_t id = c->s.id;

		session_close(&c->s);
		memset(&c->s, 0, sizeof(c->s));
		c->s.id = id;
	}
	session_open(&c->s, w, &c->st, &session_ops, &sl);
	c->has_session = true;
	c->s.admin = u->admin;
	c->s.seq = c->seq;
	c->active_us = loop_now_us(w->loop);
	if (c->f->cfg->idle_timeout_us)
		loop_timer_set(w->loop, &c->timer, c->active_us + c->f->cfg->idle_timeout_us);
	else
		loop_timer_clear(w->loop, &c->timer);
	if (!db) {
		login_free(c);
		c->state = CLIENT_READY;
		session_send_ok(&c->s);
		return;
	}
	/* as COM_INIT_DB would; its answer is the login's answer */
	pk.n = 1 + MIN(strlen(db), 512u);
	cmd[PACKET_HEADER] = COM_INIT_DB;
	memcpy(cmd + PACKET_HEADER + 1, db, pk.n - 1);
	pk.payload = cmd + PACKET_HEADER;
	pk.wire_bytes = PACKET_HEADER + pk.n;
	pk.seq = (uint8_t)(c->seq - 1);
	c->state = CLIENT_SELECTING;
	switch (session_command(&c->s, &pk)) {
	case SESSION_ANSWERED: on_answered(&c->s); return;
	case SESSION_RUNNING: return;
	case SESSION_FATAL:
	case SESSION_QUIT: client_close(c); return;
	}
}

/* --- bytes --- */

/* The sequence_id behind the frames whose headers are here. */
static uint8_t seq_after(const uint8_t *p, size_t n)
{
	uint8_t seq = 0;

	for (size_t at = 0; n >= PACKET_HEADER && at <= n - PACKET_HEADER; at += PACKET_HEADER + get_u24(p + at))
		seq = (uint8_t)(p[at + 3] + 1);
	return seq;
}

/* One login packet or command at the front of @p. Bytes used; 0: more must come. */
static size_t client_one(struct client *c, uint8_t *p, size_t n, size_t *need)
{
	bool login = c->state <= CLIENT_AUTH;
	struct packet pk;
	struct err err;
	uint8_t seq = login ? c->seq : 0;
	int rc;

	if (c->state == CLIENT_INFILE) {
		size_t len;

		*need = PACKET_HEADER;
		if (n < PACKET_HEADER)
			return 0;
		len = PACKET_HEADER + get_u24(p);
		*need = len;
		if (n < len)
			return 0;
		if (!session_infile(&c->s, p, len) && c->state == CLIENT_INFILE)
			c->state = CLIENT_RUNNING;
		return len;
	}
	rc = packet_read(p, n, login ? LOGIN_PACKET_MAX : c->f->cfg->max_packet_bytes, &seq, &pk, need, &err);
	if (rc == 0)
		return 0;
	if (rc < 0) {
		c->seq = seq_after(p, n);
		client_send_err(c, &err);
		client_close(c);
		return n;
	}
	if (login) {
		c->seq = seq;
		login_packet(c, &pk, n - pk.wire_bytes);
		return pk.wire_bytes;
	}
	if (UNLIKELY(pk.n && pk.payload[0] == COM_CHANGE_USER)) {
		login_change_user(c, &pk);
		return pk.wire_bytes;
	}
	c->active_us = loop_now_us(c->f->w->loop);
	c->state = CLIENT_RUNNING;
	switch (session_command(&c->s, &pk)) {
	case SESSION_ANSWERED:
		c->state = CLIENT_READY;
		if (UNLIKELY(c->f->drain_deadline_us))
			client_drain(c);
		break;
	case SESSION_RUNNING: break;
	case SESSION_FATAL:
	case SESSION_QUIT: client_close(c); break;
	}
	return pk.wire_bytes;
}

static bool may_take(const struct client *c)
{
	return c->state != CLIENT_CLOSED && c->state != CLIENT_TLS && c->state != CLIENT_RUNNING &&
	       c->state != CLIENT_SELECTING;
}

void client_process(struct client *c)
{
	size_t need, used;

	while (may_take(c) && buf_used(&c->in)) {
		used = client_one(c, buf_head(&c->in), buf_used(&c->in), &need);
		if (c->state == CLIENT_CLOSED)
			return;
		if (!used)
			return;
		buf_eat(&c->in, used);
	}
	if (!buf_used(&c->in))
		buf_free(&c->in);
}

static void client_again(struct loop_task *t)
{
	client_process(container_of(t, struct client, again));
}

/* Bytes in the loop's block: commands run straight from it; what is left over is kept. */
static void client_take(struct client *c, uint8_t *p, size_t n)
{
	size_t need, used;

	while (n && may_take(c)) {
		used = client_one(c, p, n, &need);
		if (c->state == CLIENT_CLOSED)
			return;
		if (!used)
			break;
		p += used;
		n -= used;
	}
	if (n)
		buf_add(&c->in, p, n);
}

static void client_readable(struct stream *st)
{
	struct client *c = container_of(st, struct client, st);
	uint8_t *p = loop_scratch(c->f->w->loop);
	size_t need = 0, room = LOOP_SCRATCH_BYTES;
	ssize_t got;

	/* an SSLRequest is followed at once by TLS, which is not ours to read */
	if (UNLIKELY(c->state == CLIENT_GREETED && c->f->cfg->tls_ctx && !stream_is_tls(st)) &&
		buf_used(&c->in) < SSL_REQUEST_BYTES)
		room = SSL_REQUEST_BYTES - buf_used(&c->in);
	if (LIKELY(buf_used(&c->in) == 0)) {
		got = stream_read(st, p, room);
		if (got > 0) {
			client_take(c, p, (size_t)got);
			goto throttle;
		}
	} else {
		/* a long command: read it where it will stand, as much as is sure to come */
		if (may_take(c) && buf_used(&c->in) >= PACKET_HEADER) {
			need = PACKET_HEADER + get_u24(buf_head(&c->in));
			if (need > buf_used(&c->in))
				room = MAX(room, need - buf_used(&c->in));
		}
		got = stream_read(st, buf_reserve(&c->in, room), room);
		if (got > 0) {
			buf_wrote(&c->in, (size_t)got);
			client_process(c);
			goto throttle;
		}
	}
	if (got < 0)
		client_close(c);
	return;
throttle:
	if (c->state != CLIENT_CLOSED && !may_take(c) && buf_used(&c->in) > AHEAD_MAX)
		stream_read_pause(st);
}

static void client_drained(struct stream *st)
{
	struct client *c = container_of(st, struct client, st);

	if (c->has_session)
		session_drained(&c->s);
}

static void client_broken(struct stream *st)
{
	client_close(container_of(st, struct client, st));
}

static void client_opened(struct stream *st, const char *errtext)
{
	struct client *c = container_of(st, struct client, st);

	if (errtext) {
		log_info("client %s: %s", c->host, errtext);
		client_close(c);
		return;
	}
	c->state = CLIENT_GREETED;
}

static const struct stream_ops client_stream_ops = {
	.readable = client_readable,
	.drained = client_drained,
	.broken = client_broken,
	.opened = client_opened,
};

static void client_late(struct wheel_timer *t, uint64_t now_us)
{
	struct client *c = container_of(t, struct client, timer);
	uint64_t until;

	if (c->state <= CLIENT_AUTH) {
		client_close(c); /* the login, or COM_CHANGE_USER, took too long */
		return;
	}
	until = c->active_us + c->f->cfg->idle_timeout_us;
	if (c->state == CLIENT_READY && until <= now_us) {
		client_close(c);
		return;
	}
	loop_timer_set(c->f->w->loop, t, MAX(until, now_us + 1000000));
}

void client_drain(struct client *c)
{
	/* without a word, as MariaDB does: a packet that nobody asked for is out of sequence to many clients */
	if (c->state == CLIENT_READY ? c->s.txn == TXN_NONE && !c->s.n_parts && !buf_used(&c->in)
				     : c->state <= CLIENT_AUTH && !c->has_session)
		client_close(c);
}

static uint32_t new_id(struct worker *w)
{
	struct session *s;
	uint32_t id;

	do {
		id = ++w->next_serial * w->process->n_workers + w->index;
		HASH_FIND_INT(w->by_id, &id, s);
	} while (s || !id);
	return id;
}

void client_accept(void *arg, int fd)
{
	struct front *f = arg;
	struct client *c;
	struct err e;

	c = xcalloc(1, sizeof(*c));
	c->f = f;
	stream_init(&c->st, f->w->loop, &client_stream_ops);
	wheel_timer_init(&c->timer, client_late);
	loop_task_init(&c->gone, client_gone);
	loop_task_init(&c->again, client_again);
	list_push_back(&f->clients, &c->link);
	f->n_clients++;
	stream_peer_text(fd, c->host, sizeof(c->host));
	c->local = strcmp(c->host, "localhost") == 0;
	if (stream_adopt(&c->st, fd) < 0) {
		close(fd);
		client_close(c);
		return;
	}
	if (!shared_client_in(f->shared, f->cfg->max_connections)) {
		err_set(&e, ERR_LIMIT, ER_CON_COUNT_ERROR, "Too many connections");
		client_send_err(c, &e);
		client_close(c);
		return;
	}
	c->counted = true;
	c->s.id = new_id(f->w);
	loop_timer_set(f->w->loop, &c->timer, loop_now_us(f->w->loop) + f->cfg->handshake_timeout_us);
	login_start(c);
}
