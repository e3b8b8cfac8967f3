/* login.c - the client's side of the login to a server: greeting, TLS, authentication. For backend connections; worker
 * thread. Loops through as many authentication steps as the server asks, bounded by the connection's deadline. */
#include "bconn_internal.h"
#include "keyway/wire/auth.h"
#include "keyway/wire/greeting.h"
#include "keyway/wire/packet.h"

#define LOGIN_PACKET_MAX (64 * 1024)

/* utf8mb4_general_ci: every server we talk to knows it */
#define LOGIN_COLLATION 45

static const uint32_t login_caps = CLIENT_LONG_PASSWORD | CLIENT_LONG_FLAG | CLIENT_PROTOCOL_41 | CLIENT_TRANSACTIONS |
				   CLIENT_SECURE_CONNECTION | CLIENT_MULTI_RESULTS | CLIENT_PS_MULTI_RESULTS |
				   CLIENT_PLUGIN_AUTH | CLIENT_PLUGIN_AUTH_LENENC_CLIENT_DATA | CLIENT_LOCAL_FILES |
				   CLIENT_SESSION_TRACK | CLIENT_DEPRECATE_EOF | CLIENT_CONNECT_ATTRS;

static struct str password(const struct bconn *c)
{
	return str_of(c->pool->server->password);
}

static bool channel_is_safe(const struct bconn *c)
{
	return stream_is_tls(&c->st) || c->pool->server->local;
}

static void send_packet(struct bconn *c, struct buf *payload)
{
	struct buf b = { 0 };

	packet_add(&b, &c->login_seq, buf_head(payload), buf_used(payload));
	stream_write(&c->st, buf_head(&b), buf_used(&b));
	auth_wipe_buf(&b);
	auth_wipe_buf(payload);
}

/* The first answer of @plugin for the salt at hand. -1: a plugin that we do not speak. */
static int plugin_answer(struct bconn *c, struct str plugin, struct buf *out)
{
	uint8_t scramble[AUTH_SHA2_BYTES];
	int rc = 0;

	if (str_eqz(plugin, AUTH_PLUGIN_NATIVE)) {
		if (password(c).n) {
			rc = auth_native_scramble(password(c), (const uint8_t *)c->salt, scramble);
			buf_add(out, scramble, AUTH_NATIVE_BYTES);
		}
	} else if (str_eqz(plugin, AUTH_PLUGIN_SHA2)) {
		if (password(c).n) {
			rc = auth_sha2_scramble(password(c), (const uint8_t *)c->salt, scramble);
			buf_add(out, scramble, AUTH_SHA2_BYTES);
		} else {
			buf_add_u8(out, 0);
		}
	} else if (str_eqz(plugin, AUTH_PLUGIN_CLEAR) && channel_is_safe(c)) {
		auth_clear_build(out, password(c));
	} else {
		rc = -1;
	}
	auth_wipe(scramble, sizeof(scramble));
	return rc;
}

static void send_login(struct bconn *c, bool ssl_request)
{
	static const char attrs[] = "\014_client_name\006keyway\017_client_version\005" KEYWAY_VERSION;
	struct handshake_response h = { .ssl_request = ssl_request,
		.caps = c->caps,
		.max_packet = 1u << 30,
		.charset = LOGIN_COLLATION,
		.user = str_of(c->pool->server->user),
		.plugin = c->salt_is_native ? STR(AUTH_PLUGIN_NATIVE) : STR(AUTH_PLUGIN_SHA2),
		.attrs = str_make(attrs, sizeof(attrs) - 1) };
	struct buf auth = { 0 }, b = { 0 };

	_Static_assert(sizeof(KEYWAY_VERSION) == 6, "the attribute's length byte");
	if (!ssl_request && plugin_answer(c, h.plugin, &auth) < 0) {
		bconn_fail(c, ER_HANDSHAKE_ERROR, "libcrypto could not answer the server's challenge");
		return;
	}
	h.auth = str_make((const char *)buf_head(&auth), buf_used(&auth));
	handshake_response_build(&b, &h);
	auth_wipe_buf(&auth);
	send_packet(c, &b);
}

static void login_greeting(struct bconn *c, const uint8_t *p, size_t n)
{
	const struct server *s = c->pool->server;
	struct greeting g;
	struct err err;

	if (greeting_parse(p, n, &g, &err) < 0) {
		bconn_fail(c, (enum mysql_errno)err.errno_, "%s", err.msg);
		return;
	}
	if (!(g.caps & CLIENT_PROTOCOL_41) || g.salt_n < AUTH_SALT_BYTES) {
		bconn_fail(c, ER_HANDSHAKE_ERROR, "it is older than MySQL 4.1, or no MySQL server");
		return;
	}
	c->thread_id = g.conn_id;
	c->mariadb = g.mariadb;
	memcpy(c->salt, g.salt, AUTH_SALT_BYTES);
	c->salt_is_native = !str_eqz(g.plugin, AUTH_PLUGIN_SHA2);
	/* CLIENT_LONG_PASSWORD set tells a MariaDB server that no extended bits follow */
	c->caps = (login_caps | (c->found_rows ? CLIENT_FOUND_ROWS : 0)) & (g.caps | CLIENT_LONG_PASSWORD);
	if (s->tls != SERVER_TLS_OFF && !s->local) {
		if (g.caps & CLIENT_SSL) {
			c->caps |= CLIENT_SSL;
			send_login(c, true);
			bconn_goto(c, BCONN_TLS);
			if (buf_used(&c->login) > PACKET_HEADER + n) {
				bconn_fail(c, ER_HANDSHAKE_ERROR, "it sent bytes before TLS began");
				return;
			}
			if (stream_tls_start(
				    &c->st, s->tls_ctx, false, s->tls == SERVER_TLS_IDENTITY ? s->host : NULL) < 0)
				bconn_fail(c, ER_HANDSHAKE_ERROR, "TLS could not be set up");
			return;
		}
		if (s->tls != SERVER_TLS_PREFERRED) {
			bconn_fail(c, ER_SECURE_TRANSPORT_REQUIRED,
				"it offers no TLS, and backend.tls.mode asks for it: give the server a certificate, or "
				"set the mode to \"off\"");
			return;
		}
	}
	bconn_goto(c, BCONN_LOGIN);
	send_login(c, false);
}

void login_secured(struct bconn *c, const char *errtext)
{
	if (errtext) {
		bconn_fail(c, ER_HANDSHAKE_ERROR, "%s", errtext);
		return;
	}
	bconn_goto(c, BCONN_LOGIN);
	send_login(c, false);
}

/* The server has no cached entry for us: it wants the password itself. */
static void login_full_sha2(struct bconn *c)
{
	struct buf b = { 0 };

	if (channel_is_safe(c))
		auth_clear_build(&b, password(c));
	else
		buf_add_u8(&b, AUTH_SHA2_REQUEST_KEY);
	send_packet(c, &b);
}

static void login_more(struct bconn *c, struct str data)
{
	struct buf b = { 0 };

	if (data.n == 1 && data.p[0] == AUTH_SHA2_FAST_OK)
		return; /* OK follows */
	if (data.n == 1 && data.p[0] == AUTH_SHA2_FULL) {
		login_full_sha2(c);
		return;
	}
	if (data.n > 10 && data.p[0] == '-') {
		if (rsa_encrypt_password(data, password(c), (const uint8_t *)c->salt, &b) == 0) {
			send_packet(c, &b);
			return;
		}
	}
	buf_free(&b);
	bconn_fail(c, ER_HANDSHAKE_ERROR, "it asked for an authentication step that we do not know");
}

static void login_switch(struct bconn *c, const struct auth_reply_packet *r)
{
	struct buf b = { 0 };

	if (r->data.n >= AUTH_SALT_BYTES)
		memcpy(c->salt, r->data.p, AUTH_SALT_BYTES);
	if (plugin_answer(c, r->plugin, &b) < 0) {
		buf_free(&b);
		bconn_fail(c, ER_NOT_SUPPORTED_AUTH_MODE,
			"account '%s' there uses the authentication plugin '" STR_FMT
			"': use mysql_native_password or caching_sha2_password%s",
			c->pool->server->user, STR_ARG(r->plugin),
			str_eqz(r->plugin, AUTH_PLUGIN_CLEAR) ? ", or TLS" : "");
		return;
	}
	send_packet(c, &b);
}

static void login_answer(struct bconn *c, const uint8_t *p, size_t n)
{
	struct auth_reply_packet r;
	struct err_packet e;
	struct err err;

	if (auth_reply_parse(p, n, &r, &err) < 0) {
		bconn_fail(c, (enum mysql_errno)err.errno_, "%s", err.msg);
		return;
	}
	switch (r.kind) {
	case AUTH_REPLY_OK:
		bconn_goto(c, BCONN_INIT);
		bconn_init_session(c, false);
		return;
	case AUTH_REPLY_ERR:
		if (err_packet_parse(p, n, &e) < 0) {
			bconn_fail(c, ER_HANDSHAKE_ERROR, "its answer to the login is malformed");
			return;
		}
		err_from_packet(&err, &e);
		bconn_fail(
			c, (enum mysql_errno)err.errno_, "login as '%s' refused: %s", c->pool->server->user, err.msg);
		return;
	case AUTH_REPLY_SWITCH: login_switch(c, &r); return;
	case AUTH_REPLY_MORE: login_more(c, r.data); return;
	}
}

void login_readable(struct bconn *c)
{
	struct packet pk;
	size_t need;
	struct err err;
	ssize_t got;
	int rc;

	got = stream_read(&c->st, buf_reserve(&c->login, 4096), 4096);
	if (got < 0) {
		bconn_fail(c, ER_NET_READ_ERROR, "it closed the connection during the login");
		return;
	}
	buf_wrote(&c->login, (size_t)got);
	for (;;) {
		uint8_t state = c->state;

		rc = packet_read(
			buf_head(&c->login), buf_used(&c->login), LOGIN_PACKET_MAX, &c->login_seq, &pk, &need, &err);
		if (rc < 0) {
			bconn_fail(c, ER_HANDSHAKE_ERROR, "its answer to the login is malformed: %s", err.msg);
			return;
		}
		if (rc == 0)
			return;
		if (state == BCONN_GREETING)
			login_greeting(c, pk.payload, pk.n);
		else
			login_answer(c, pk.payload, pk.n);
		if (c->state == BCONN_CLOSED)
			return;
		buf_eat(&c->login, pk.wire_bytes);
		if (c->state == BCONN_INIT) {
			if (buf_used(&c->login))
				bconn_fail(
					c, ER_HANDSHAKE_ERROR, "it sent bytes after the login that nobody asked for");
			else
				buf_free(&c->login);
			return;
		}
		if (c->state == BCONN_TLS)
			return;
	}
}
