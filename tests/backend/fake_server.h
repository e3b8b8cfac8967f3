/* fake_server.h - a MySQL server on the test's own loop that does what its script says, and a pool's user. Include it
 * once. */
#ifndef KEYWAY_TESTS_BACKEND_FAKE_SERVER_H
#define KEYWAY_TESTS_BACKEND_FAKE_SERVER_H

#include "../loop_testing.h"
#include "../tls_testing.h"
#include "bconn_internal.h"
#include "keyway/io/listener.h"
#include "keyway/util/log.h"
#include "keyway/wire/auth.h"
#include "keyway/wire/greeting.h"
#include "keyway/wire/packet.h"
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

/* What the server does at a login. */
enum fake_login {
	FAKE_NATIVE,
	FAKE_SHA2_FAST,
	FAKE_SHA2_FULL,
	FAKE_SWITCH_TO_NATIVE,
	FAKE_SWITCH_TO_SHA2, /* then FULL */
	FAKE_SWITCH_TO_CLEAR,
	FAKE_SWITCH_TO_OTHER,
	FAKE_SWITCH_TO_OLD, /* the one-byte packet */
	FAKE_REFUSES,
	FAKE_GREETS_WITH_ERR,
	FAKE_GREETS_WITH_GARBAGE,
	FAKE_GREETS_AS_323, /* no 4.1 protocol */
	FAKE_ANSWERS_GARBAGE,
	FAKE_ANSWERS_UNKNOWN_STEP,
	FAKE_SENDS_BYTES_BEHIND_OK,
	FAKE_SENDS_BYTES_BEFORE_TLS,
	FAKE_HANGS_AT_GREETING,
	FAKE_HANGS_AT_LOGIN,
	FAKE_CLOSES_AT_GREETING,
	FAKE_CLOSES_AT_LOGIN,
	FAKE_REFUSES_INIT,
};

enum fake_state { FAKE_WANTS_LOGIN, FAKE_WANTS_ANSWER, FAKE_WANTS_PASSWORD, FAKE_READY };

struct fake_conn {
	struct stream st;
	struct buf in;
	uint8_t salt[AUTH_SALT_BYTES];
	uint8_t seq, state;
	uint32_t caps;
	bool open, sha2;
	int commands;
};

#define FAKE_CONNS_MAX 400

static struct fake {
	enum fake_login login;
	const char *user, *password;
	uint32_t caps_off; /* not offered */
	SSL_CTX *tls;
	bool holds; /* answers no command */
	bool refuses_reset;
	char path[64];
	int lfd;
	struct listener *ls;
	struct fake_conn conns[FAKE_CONNS_MAX];
	int n_conns, n_open, max_open;
	struct rsa_key *rsa;
	char log[8192]; /* "0:reset 0:init 1:select 1 …" */
} fake;

static inline void fake_close(struct fake_conn *f)
{
	if (!f->open)
		return;
	f->open = false;
	fake.n_open--;
	stream_close(&f->st);
	buf_free(&f->in);
}

static inline void fake_log(const struct fake_conn *f, const char *what, size_t n)
{
	size_t len = strlen(fake.log);

	snprintf(fake.log + len, sizeof(fake.log) - len, "%s%d:%.*s", len ? " " : "", (int)(f - fake.conns), (int)n,
		what);
}

static inline void fake_send(struct fake_conn *f, const struct buf *payload)
{
	struct buf b = { 0 };

	packet_add(&b, &f->seq, buf_head(payload), buf_used(payload));
	stream_write(&f->st, buf_head(&b), buf_used(&b));
	buf_free(&b);
}

static inline void fake_send_free(struct fake_conn *f, struct buf *payload)
{
	fake_send(f, payload);
	buf_free(payload);
}

static inline void fake_raw(struct fake_conn *f, const char *p, size_t n)
{
	stream_write(&f->st, p, n);
}

static inline void fake_ok(struct fake_conn *f)
{
	struct ok_packet ok = { .status = SERVER_STATUS_AUTOCOMMIT };
	struct buf b = { 0 };

	ok_build(&b, f->caps, &ok);
	fake_send_free(f, &b);
}

static inline void fake_err(struct fake_conn *f, unsigned no, const char *text)
{
	struct buf b = { 0 };

	err_packet_build(&b, (uint16_t)no, "HY000", str_of(text), true);
	fake_send_free(f, &b);
}

static inline void fake_logged_in(struct fake_conn *f)
{
	fake_ok(f);
	f->state = FAKE_READY;
	if (fake.login == FAKE_SENDS_BYTES_BEHIND_OK)
		fake_raw(f, "\1\0\0\1x", 5);
}

static inline void fake_verdict(struct fake_conn *f, bool ok)
{
	if (ok)
		fake_logged_in(f);
	else
		fake_err(f, 1045, "Access denied\nby the fake");
}

static inline void fake_more(struct fake_conn *f, const void *p, size_t n)
{
	struct buf b = { 0 };

	auth_more_build(&b, p, n);
	fake_send_free(f, &b);
}

/* The client's answer to the challenge of the method at hand. */
static inline void fake_check(struct fake_conn *f, struct str r)
{
	uint8_t native[AUTH_NATIVE_BYTES], fast[AUTH_SHA2_BYTES], step;
	struct str pw = str_of(fake.password);

	ck_assert_int_eq(auth_native_verifier(pw, native), 0);
	ck_assert_int_eq(auth_sha2_fast_verifier(pw, fast), 0);
	if (!f->sha2) {
		fake_verdict(f, pw.n ? auth_native_check(native, f->salt, r) : r.n == 0);
		return;
	}
	if (!pw.n) {
		fake_verdict(f, r.n == 1 && r.p[0] == 0);
		return;
	}
	if (!auth_sha2_check(fast, f->salt, r)) {
		fake_verdict(f, false);
		return;
	}
	step = fake.login == FAKE_SHA2_FULL || fake.login == FAKE_SWITCH_TO_SHA2 ? AUTH_SHA2_FULL : AUTH_SHA2_FAST_OK;
	fake_more(f, &step, 1);
	if (step == AUTH_SHA2_FAST_OK)
		fake_logged_in(f);
	else
		f->state = FAKE_WANTS_PASSWORD;
}

static inline void fake_password(struct fake_conn *f, struct str r)
{
	struct str clear;
	char text[AUTH_PASSWORD_MAX + 1];
	size_t n;

	if (r.n == 1 && r.p[0] == AUTH_SHA2_REQUEST_KEY) {
		struct str pem;

		if (!fake.rsa)
			fake.rsa = rsa_key_generate(1024);
		pem = rsa_key_public_pem(fake.rsa);
		fake_log(f, "key", 3);
		fake_more(f, pem.p, pem.n);
		return;
	}
	if (fake.rsa && rsa_decrypt_password(fake.rsa, r, f->salt, text, &n) == 0)
		fake_verdict(f, str_eqz(str_make(text, n), fake.password));
	else
		fake_verdict(f, auth_clear_read(r, &clear) == 0 && str_eqz(clear, fake.password));
}

static inline void fake_switch(struct fake_conn *f, const char *plugin)
{
	struct buf b = { 0 };

	ck_assert_int_eq(auth_salt(f->salt), 0);
	auth_switch_build(&b, str_of(plugin), f->salt, AUTH_SALT_BYTES);
	f->state = FAKE_WANTS_ANSWER;
	f->sha2 = strcmp(plugin, AUTH_PLUGIN_SHA2) == 0;
	fake_send_free(f, &b);
}

static inline void fake_login_packet(struct fake_conn *f, const struct packet *pk)
{
	struct handshake_response h;
	struct err err;
	struct buf b = { 0 };

	ck_assert_int_eq(handshake_response_parse(pk->payload, pk->n, ~0u, &h, &err), 0);
	f->caps = h.caps;
	if (h.ssl_request) {
		ck_assert_ptr_nonnull(fake.tls);
		fake_log(f, "tls", 3);
		ck_assert_int_eq(stream_tls_start(&f->st, fake.tls, true, NULL), 0);
		return;
	}
	ck_assert(str_eqz(h.user, fake.user));
	switch (fake.login) {
	case FAKE_SWITCH_TO_NATIVE: fake_switch(f, AUTH_PLUGIN_NATIVE); return;
	case FAKE_SWITCH_TO_SHA2: fake_switch(f, AUTH_PLUGIN_SHA2); return;
	case FAKE_SWITCH_TO_CLEAR:
		fake_switch(f, AUTH_PLUGIN_CLEAR);
		f->state = FAKE_WANTS_PASSWORD;
		return;
	case FAKE_SWITCH_TO_OTHER: fake_switch(f, "authentication_moon_phase"); return;
	case FAKE_SWITCH_TO_OLD:
		buf_add_u8(&b, 0xfe);
		fake_send_free(f, &b);
		return;
	case FAKE_REFUSES: fake_err(f, 1045, "Access denied\nby the fake"); return;
	case FAKE_ANSWERS_GARBAGE: fake_raw(f, "HTTP/1.1 400 Bad Request\r\n\r\n", 28); return;
	case FAKE_ANSWERS_UNKNOWN_STEP: fake_more(f, "\x77", 1); return;
	case FAKE_HANGS_AT_LOGIN: return;
	case FAKE_CLOSES_AT_LOGIN: fake_close(f); return;
	default: fake_check(f, h.auth);
	}
}

/* Packets go out whole, but the pool's side gets them one byte a round. */
static inline void fake_trickle(struct fake_conn *f, struct buf *all)
{
	while (buf_used(all)) {
		stream_write(&f->st, buf_head(all), 1);
		buf_eat(all, 1);
	}
	buf_free(all);
}

static inline void fake_rows(struct fake_conn *f)
{
	struct column_def col = { .name = STR("one"), .type = MYSQL_TYPE_LONG, .charset = 63 };
	struct ok_packet ok = { .status = SERVER_STATUS_AUTOCOMMIT };
	struct buf all = { 0 }, b = { 0 };

	packet_add(&all, &f->seq, "\1", 1);
	column_build(&b, &col);
	packet_add(&all, &f->seq, buf_head(&b), buf_used(&b));
	if (!(f->caps & CLIENT_DEPRECATE_EOF)) {
		buf_clear(&b);
		columns_eof_build(&b, SERVER_STATUS_AUTOCOMMIT, 0);
		packet_add(&all, &f->seq, buf_head(&b), buf_used(&b));
	}
	packet_add(&all, &f->seq, "\0011", 2);
	buf_clear(&b);
	eof_build(&b, f->caps, &ok);
	packet_add(&all, &f->seq, buf_head(&b), buf_used(&b));
	buf_free(&b);
	fake_trickle(f, &all);
}

static inline void fake_command(struct fake_conn *f, const struct packet *pk)
{
	struct str sql = str_make((const char *)pk->payload + 1, pk->n - 1);
	char text[32];

	f->seq = 1;
	f->commands++;
	switch (pk->payload[0]) {
	case COM_RESET_CONNECTION:
		fake_log(f, "reset", 5);
		if (fake.refuses_reset) {
			fake_err(f, 1047, "Unknown command");
			return;
		}
		break;
	case COM_STMT_CLOSE:
		snprintf(text, sizeof(text), "close-%u", get_u32(pk->payload + 1));
		fake_log(f, text, strlen(text));
		return;
	case COM_QUERY:
		if (str_starts(sql, STR("SET SESSION session_track"))) {
			fake_log(f, "init", 4);
			if (fake.login == FAKE_REFUSES_INIT) {
				fake_err(f, 1193, "Unknown system variable");
				return;
			}
			break;
		}
		fake_log(f, sql.p, sql.n);
		if (str_eqz(sql, "hang"))
			return;
		if (str_eqz(sql, "rows")) {
			fake_rows(f);
			return;
		}
		if (str_eqz(sql, "error")) {
			fake_err(f, 1146, "no such table");
			return;
		}
		if (str_eqz(sql, "garbage")) {
			fake_raw(f, "garbage garbage garbage", 23);
			return;
		}
		if (str_eqz(sql, "more")) {
			struct buf b = { 0 };

			/* an OK and a packet more, in one write */
			packet_add(&b, &f->seq, "\0\0\0\2\0\0\0", 7);
			packet_add(&b, &f->seq, "\0\0\0\2\0\0\0", 7);
			stream_write(&f->st, buf_head(&b), buf_used(&b));
			buf_free(&b);
			return;
		}
		if (str_eqz(sql, "die")) {
			fake_close(f);
			return;
		}
		break;
	default: fake_log(f, "other", 5);
	}
	if (!fake.holds)
		fake_ok(f);
}

/* As servers do: during the login no more than the packet at hand, since TLS may begin behind it. */
static inline size_t fake_room(const struct fake_conn *f)
{
	size_t have = buf_used(&f->in);

	if (f->state == FAKE_READY)
		return 65536;
	return have < PACKET_HEADER ? PACKET_HEADER - have : PACKET_HEADER + get_u24(buf_head(&f->in)) - have;
}

static inline void fake_readable(struct stream *s)
{
	struct fake_conn *f = container_of(s, struct fake_conn, st);
	size_t room = fake_room(f);
	ssize_t n = stream_read(s, buf_reserve(&f->in, room), room);
	struct packet pk;
	struct err err;
	size_t need;

	if (n < 0) {
		fake_close(f);
		return;
	}
	buf_wrote(&f->in, (size_t)n);
	while (f->open && buf_used(&f->in)) {
		uint8_t zero = 0, *seq = f->state == FAKE_READY ? &zero : &f->seq;
		int rc = packet_read(buf_head(&f->in), buf_used(&f->in), 1u << 24, seq, &pk, &need, &err);

		ck_assert_int_ge(rc, 0);
		if (rc == 0)
			return;
		if (f->state == FAKE_WANTS_LOGIN)
			fake_login_packet(f, &pk);
		else if (f->state == FAKE_WANTS_ANSWER)
			fake_check(f, str_make((char *)pk.payload, pk.n));
		else if (f->state == FAKE_WANTS_PASSWORD)
			fake_password(f, str_make((char *)pk.payload, pk.n));
		else
			fake_command(f, &pk);
		if (f->open)
			buf_eat(&f->in, pk.wire_bytes);
	}
}

static inline void fake_drained(struct stream *s)
{
	(void)s;
}

static inline void fake_broken(struct stream *s)
{
	fake_close(container_of(s, struct fake_conn, st));
}

static inline void fake_opened(struct stream *s, const char *errtext)
{
	if (errtext)
		fake_close(container_of(s, struct fake_conn, st));
}

static const struct stream_ops fake_ops = {
	.readable = fake_readable, .drained = fake_drained, .broken = fake_broken, .opened = fake_opened
};

static inline void fake_greet(struct fake_conn *f)
{
	struct greeting g = { .version = STR("8.0.99-fake"),
		.salt_n = AUTH_SALT_BYTES,
		.charset = 45,
		.status = SERVER_STATUS_AUTOCOMMIT,
		.conn_id = 100 + (uint32_t)(f - fake.conns) };
	struct buf b = { 0 };

	ck_assert_int_eq(auth_salt(f->salt), 0);
	memcpy(g.salt, f->salt, AUTH_SALT_BYTES);
	f->sha2 = fake.login == FAKE_SHA2_FAST || fake.login == FAKE_SHA2_FULL || fake.login == FAKE_SWITCH_TO_NATIVE;
	g.plugin = f->sha2 ? STR(AUTH_PLUGIN_SHA2) : STR(AUTH_PLUGIN_NATIVE);
	g.caps = (fake.tls ? ~0u : ~(uint32_t)CLIENT_SSL) & ~fake.caps_off & ~(uint32_t)CLIENT_COMPRESS;
	if (fake.login == FAKE_GREETS_AS_323)
		g.caps &= ~(uint32_t)CLIENT_PROTOCOL_41;
	greeting_build(&b, &g);
	fake_send_free(f, &b);
	if (fake.login == FAKE_SENDS_BYTES_BEFORE_TLS)
		fake_raw(f, "\1\0\0\2x", 5);
}

static inline void fake_accepted(void *arg, int fd)
{
	struct fake_conn *f = &fake.conns[fake.n_conns++];

	(void)arg;
	ck_assert_int_le(fake.n_conns, FAKE_CONNS_MAX);
	f->open = true;
	if (++fake.n_open > fake.max_open)
		fake.max_open = fake.n_open;
	stream_init(&f->st, loop, &fake_ops);
	ck_assert_int_eq(stream_adopt(&f->st, fd), 0);
	switch (fake.login) {
	case FAKE_HANGS_AT_GREETING: return;
	case FAKE_CLOSES_AT_GREETING: fake_close(f); return;
	case FAKE_GREETS_WITH_GARBAGE: fake_raw(f, "SSH-2.0-OpenSSH_9.2p1\r\n", 23); return;
	case FAKE_GREETS_WITH_ERR: {
		struct buf b = { 0 };

		err_packet_build(&b, 1040, "08004", STR("Too many connections"), false);
		fake_send_free(f, &b);
		return;
	}
	default: fake_greet(f);
	}
}

/* --- the pool's side --- */

struct want {
	struct lease l;
	struct bconn *c;
	struct err err;
	bool done;
	int order; /* the how many-th that was served */
	int answers, errors, lost;
	char tags[32];
	size_t bytes;
	struct err why;
};

static struct server_directory *directory;
static struct server *server;
static struct settings_table *settings;
static struct pool_config cfg;
static struct pool *pool;
static int n_served;

static inline void want_reply(struct bconn *c, uint8_t tag, uint8_t *p, size_t n, const struct response_event *ev)
{
	struct want *w = c->holder;

	(void)p;
	w->bytes += n;
	if (!ev->done)
		return;
	w->tags[w->answers++] = (char)tag;
	if (ev->type == RESPONSE_ERR)
		w->errors++;
}

static inline void want_lost(struct bconn *c, const struct err *why)
{
	struct want *w = c->holder;

	ck_assert_ptr_eq(w->c, c);
	w->lost++;
	w->why = *why;
	w->c = NULL;
}

static const struct bconn_ops want_ops = { .reply = want_reply, .lost = want_lost };

static inline void want_take(struct want *w, struct bconn *c)
{
	w->c = c;
	c->ops = &want_ops;
	c->holder = w;
}

static inline void want_done(struct lease *l, struct bconn *c, const struct err *err)
{
	struct want *w = container_of(l, struct want, l);

	ck_assert(!w->done);
	w->done = true;
	w->order = ++n_served;
	if (c)
		want_take(w, c);
	else
		w->err = *err;
}

static inline void want_of(struct want *w, struct pool *p, bool found_rows)
{
	memset(w, 0, sizeof(*w));
	pool_lease(p, &w->l, (struct lease_want){ .found_rows = found_rows }, want_done);
	ck_assert(!w->done);
}

/* A leased connection of @p. */
static inline void have_of(struct want *w, struct pool *p)
{
	want_of(w, p, false);
	WAIT_FOR(w->done);
	ck_assert_msg(w->c != NULL, "%s", w->err.msg);
}

static inline void give_back(struct want *w, bool dirty)
{
	struct bconn *c = w->c;

	w->c = NULL;
	pool_release(c, dirty);
}

static inline void ask(struct want *w, const char *sql, uint8_t tag)
{
	bconn_query(w->c, 0, tag, str_of(sql));
}

static inline struct pool_stats stats_of(struct pool *p)
{
	struct pool_stats st;

	pool_stats(p, &st);
	return st;
}

static inline void fake_listen(void)
{
	struct sockaddr_in sa;
	socklen_t len = sizeof(sa);
	struct backend_def def = { .name = STR("b1"), .host = STR("127.0.0.1") };
	struct server_login login = { .user = fake.user, .password = fake.password };
	struct err err;

	if (fake.path[0]) {
		fake.lfd = listener_open_unix(fake.path, 0600, &err);
		def.host = STR("");
		def.socket = str_of(fake.path);
	} else {
		fake.lfd = listener_open_tcp("127.0.0.1", 0, &err);
		ck_assert_int_ge(fake.lfd, 0);
		ck_assert_int_eq(getsockname(fake.lfd, (struct sockaddr *)&sa, &len), 0);
		def.port = ntohs(sa.sin_port);
	}
	ck_assert_int_ge(fake.lfd, 0);
	fake.ls = listener_new(loop, fake.lfd, fake_accepted, NULL);
	ck_assert_int_eq(server_directory_get(directory, &def, &login, &server, &err), 0);
}

/* The fake with its password "secret" over TCP, and no pool yet. */
static inline void fake_setup(void)
{
	signal(SIGPIPE, SIG_IGN);
	log_set_level(LOG_ERROR);
	loop = loop_new();
	memset(&fake, 0, sizeof(fake));
	fake.user = "app";
	fake.password = "secret";
	directory = server_directory_new();
	settings = settings_table_new();
	cfg = (struct pool_config){
		.max_conns = 10, .queue_max = 100, .connect_timeout_us = 60000000, .queue_timeout_us = 60000000
	};
	pool = NULL;
	n_served = 0;
}

static inline void pool_open(void)
{
	fake_listen();
	pool = pool_new(loop, settings, server, &cfg);
}

/* All connections have come back or are lost. */
static inline void fake_teardown(void)
{
	if (pool)
		pool_retire(pool);
	for (int i = 0; i < fake.n_conns; i++)
		fake_close(&fake.conns[i]);
	listener_free(fake.ls);
	if (fake.ls)
		close(fake.lfd);
	/* pools hold a reference until their last connection has gone */
	if (server) {
		WAIT_FOR(atomic_load(&server->refs) == 2);
		ck_assert_uint_eq(atomic_load(&server->conns), 0);
		ck_assert_uint_eq(atomic_load(&server->starving), 0);
		server_unref(server);
	}
	for (int i = 0; i < fake.n_conns; i++)
		fake_close(&fake.conns[i]);
	server = NULL;
	server_directory_free(directory);
	settings_table_free(settings);
	rsa_key_free(fake.rsa);
	if (fake.path[0])
		unlink(fake.path);
	loop_free(loop);
}

#endif
