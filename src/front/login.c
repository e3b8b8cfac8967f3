/* login.c - the server's side of the login: greeting, TLS, authentication by verifiers, COM_CHANGE_USER. Worker
 * thread. An unknown account and a wrong password look the same from outside. */
#include "client.h"
#include "keyway/util/log.h"
#include <stdlib.h>

static const uint32_t offered = CLIENT_LONG_PASSWORD | CLIENT_FOUND_ROWS | CLIENT_LONG_FLAG | CLIENT_CONNECT_WITH_DB |
				CLIENT_LOCAL_FILES | CLIENT_PROTOCOL_41 | CLIENT_INTERACTIVE | CLIENT_TRANSACTIONS |
				CLIENT_SECURE_CONNECTION | CLIENT_MULTI_STATEMENTS | CLIENT_MULTI_RESULTS |
				CLIENT_PS_MULTI_RESULTS | CLIENT_PLUGIN_AUTH | CLIENT_CONNECT_ATTRS |
				CLIENT_PLUGIN_AUTH_LENENC_CLIENT_DATA | CLIENT_SESSION_TRACK | CLIENT_DEPRECATE_EOF;

static bool is_safe(const struct client *c)
{
	return stream_is_tls(&c->st) || c->local;
}

static void send_payload(struct client *c, struct buf *payload)
{
	struct buf b = { 0 };

	packet_add(&b, &c->seq, buf_head(payload), buf_used(payload));
	stream_write(&c->st, buf_head(&b), buf_used(&b));
	buf_free(&b);
	buf_free(payload);
}

void login_free(struct client *c)
{
	if (!c->login)
		return;
	auth_wipe(c->login->salt, sizeof(c->login->salt));
	free(c->login->db);
	free(c->login);
	c->login = NULL;
}

static struct str announced_version(const struct client *c, bool *mariadb)
{
	const struct server_facts *f = worker_snapshot(c->f->w)->facts;
	const char *v = c->f->w->cfg->server_version;

	*mariadb = !f || f->family != SERVER_MYSQL;
	if (v && v[0]) {
		*mariadb = strstr(v, "MariaDB") != NULL;
		return str_of(v);
	}
	return f ? f->version : STR("10.11.0-MariaDB-Keyway");
}

void login_start(struct client *c)
{
	const struct server_facts *f = worker_snapshot(c->f->w)->facts;
	bool mariadb;
	struct str version = announced_version(c, &mariadb);
	unsigned collation = c->f->w->cfg->collation_id;
	struct greeting g = { .salt_n = AUTH_SALT_BYTES };
	struct buf v = { 0 }, b = { 0 };

	c->login = xcalloc(1, sizeof(*c->login));
	if (auth_salt(c->login->salt) < 0) {
		client_close(c);
		return;
	}
	/* MariaDB's own servers put this before the version, for replicas of old; its connectors take it off */
	if (mariadb)
		buf_addz(&v, "5.5.5-");
	buf_add_str(&v, version);
	g.version = str_make((char *)buf_head(&v), buf_used(&v));
	g.conn_id = c->s.id;
	memcpy(g.salt, c->login->salt, AUTH_SALT_BYTES);
	g.caps = offered | (c->f->cfg->tls_ctx ? CLIENT_SSL : 0);
	if (!collation && f)
		collation = wire_collation_id(f->collation);
	g.charset = collation && collation < 256 ? (uint8_t)collation : 45;
	g.status = SERVER_STATUS_AUTOCOMMIT;
	g.plugin = mariadb ? STR(AUTH_PLUGIN_NATIVE) : STR(AUTH_PLUGIN_SHA2);
	c->login->sha2 = !mariadb;
	greeting_build(&b, &g);
	send_payload(c, &b);
	buf_free(&v);
}

static void denied(struct client *c)
{
	struct client_login *l = c->login;
	struct err e;
	char text[300];

	err_set(&e, ERR_DENIED, ER_ACCESS_DENIED_ERROR, "Access denied for user '%.*s'@'%s' (using password: %s)",
		(int)l->user_n, l->user, c->host, l->has_password ? "YES" : "NO");
	log_info("login refused: \"%s\"", log_text(str_of(e.msg), text, sizeof(text)));
	client_send_err(c, &e);
	client_close(c);
}

static void proved(struct client *c, const struct front_user *u)
{
	struct err e;

	if ((c->f->cfg->tls_mode == FRONT_TLS_REQUIRED || u->tls_required) && !is_safe(c)) {
		err_set(&e, ERR_DENIED, ER_SECURE_TRANSPORT_REQUIRED,
			"Connections using insecure transport are prohibited: connect with TLS, or through the unix "
			"socket");
		client_send_err(c, &e);
		client_close(c);
		return;
	}
	client_logged_in(c, u);
}

static const struct front_user *account(const struct client *c)
{
	return front_user_find(c->f->cfg, str_make(c->login->user, c->login->user_n));
}

static void switch_to(struct client *c, bool sha2)
{
	struct buf b = { 0 };

	if (auth_salt(c->login->salt) < 0) {
		client_close(c);
		return;
	}
	c->login->sha2 = sha2;
	c->login->step = AUTH_SWITCHED;
	auth_switch_build(&b, sha2 ? STR(AUTH_PLUGIN_SHA2) : STR(AUTH_PLUGIN_NATIVE), c->login->salt, AUTH_SALT_BYTES);
	send_payload(c, &b);
}

static void sha2_more(struct client *c, const void *data, size_t n)
{
	struct buf b = { 0 };

	auth_more_build(&b, data, n);
	send_payload(c, &b);
}

static void check_native(struct client *c, struct str response)
{
	static const uint8_t nobody[AUTH_NATIVE_BYTES] = { 0 };
	const struct front_user *u = account(c);
	bool ok = auth_native_check(u && u->has_native ? u->native : nobody, c->login->salt, response);

	c->login->has_password = response.n != 0;
	if (u && u->no_password && response.n == 0)
		proved(c, u);
	else if (u && u->has_native && ok)
		proved(c, u);
	else
		denied(c);
}

static void check_sha2(struct client *c, struct str response)
{
	static const uint8_t fast_ok = AUTH_SHA2_FAST_OK, full = AUTH_SHA2_FULL;
	const struct front_user *u = account(c);
	uint8_t fast[AUTH_SHA2_BYTES];
	bool empty = response.n == 0 || (response.n == 1 && response.p[0] == 0);

	c->login->has_password = !empty;
	if (empty) {
		if (u && u->no_password)
			proved(c, u);
		else
			denied(c);
		return;
	}
	if (u && u->sha2 && user_fast_get(c->f->shared, shared_user(c->f->shared, u->name), u->sha2, fast) &&
		auth_sha2_check(fast, c->login->salt, response)) {
		sha2_more(c, &fast_ok, 1);
		proved(c, u);
		return;
	}
	/* not proved lately, or wrong: the password itself decides */
	c->login->step = AUTH_SHA2_WANTS_PASSWORD;
	sha2_more(c, &full, 1);
}

static void check_clear(struct client *c, struct str password)
{
	const struct front_user *u = account(c);
	uint8_t fast[AUTH_SHA2_BYTES];
	bool match = false;

	if (u && u->sha2) {
		if (auth_sha2_check_text(str_of(u->sha2), password, &match) < 0)
			match = false;
	} else if (u && u->has_native) {
		match = auth_native_check_clear(u->native, password);
	}
	if (!match) {
		denied(c);
		return;
	}
	if (u->sha2 && auth_sha2_fast_verifier(password, fast) == 0)
		user_fast_put(c->f->shared, shared_user(c->f->shared, u->name), u->sha2, fast);
	auth_wipe(fast, sizeof(fast));
	proved(c, u);
}

static void sha2_password(struct client *c, const struct packet *pk)
{
	struct str p = str_make((char *)pk->payload, pk->n), password;
	char clear[AUTH_PASSWORD_MAX + 1];
	size_t n;

	if (is_safe(c)) {
		/* the verdict may close the client, and the packet's memory goes with it */
		n = SIZE_MAX;
		if (auth_clear_read(p, &password) == 0) {
			n = password.n;
			memcpy(clear, password.p, n);
		}
		auth_wipe(pk->payload, pk->n);
		if (n == SIZE_MAX)
			denied(c);
		else
			check_clear(c, str_make(clear, n));
		auth_wipe(clear, sizeof(clear));
		return;
	}
	if (c->login->step == AUTH_SHA2_WANTS_PASSWORD && pk->n == 1 && pk->payload[0] == AUTH_SHA2_REQUEST_KEY &&
		shared_rsa(c->f->shared)) {
		struct str pem = rsa_key_public_pem(shared_rsa(c->f->shared));

		c->login->step = AUTH_SHA2_SENT_KEY;
		sha2_more(c, pem.p, pem.n);
		return;
	}
	if (!shared_rsa(c->f->shared) ||
		rsa_decrypt_password(shared_rsa(c->f->shared), p, c->login->salt, clear, &n) < 0) {
		denied(c);
		return;
	}
	check_clear(c, str_make(clear, n));
	auth_wipe(clear, sizeof(clear));
}

/* The client's first answer, made by @plugin for the salt it was given. */
static void first_answer(struct client *c, struct str plugin, struct str response)
{
	const struct front_user *u = account(c);
	bool sha2 = str_eqz(plugin, AUTH_PLUGIN_SHA2), native = str_eqz(plugin, AUTH_PLUGIN_NATIVE);

	c->login->has_password = response.n != 0;
	if (native && (!u || u->has_native || u->no_password))
		check_native(c, response);
	else if (sha2 && (!u || u->sha2 || u->no_password))
		check_sha2(c, response);
	else
		switch_to(c, u ? !u->has_native && u->sha2 : sha2);
	if (c->login && sha2 && c->login->step == AUTH_SHA2_WANTS_PASSWORD)
		c->login->sha2 = true;
}

static void take_user(struct client *c, struct str user, struct str db, unsigned charset)
{
	struct client_login *l = c->login;

	l->user_n = MIN(user.n, sizeof(l->user) - 1);
	memcpy(l->user, user.p, l->user_n);
	/* a longer name is no account of ours; cut, it must not become one */
	if (user.n > l->user_n)
		l->user_n = 0;
	l->user[l->user_n] = '\0';
	free(l->db);
	l->db = db.n ? str_dup(db) : NULL;
	l->charset = charset;
}

static void handshake(struct client *c, const struct packet *pk, size_t bytes_behind)
{
	struct handshake_response h;
	uint32_t caps = offered | (c->f->cfg->tls_ctx ? CLIENT_SSL : 0);
	struct err e;

	if (handshake_response_parse(pk->payload, pk->n, caps, &h, &e) < 0) {
		client_send_err(c, &e);
		client_close(c);
		return;
	}
	if (h.ssl_request) {
		/* bytes sent in the clear must never be taken for encrypted ones */
		if (stream_is_tls(&c->st) || !c->f->cfg->tls_ctx || bytes_behind) {
			client_close(c);
			return;
		}
		c->state = CLIENT_TLS;
		if (stream_tls_start(&c->st, c->f->cfg->tls_ctx, true, NULL) < 0)
			client_close(c);
		return;
	}
	if ((h.caps & CLIENT_SSL) && !stream_is_tls(&c->st)) {
		client_close(c); /* it speaks of TLS and is not in it */
		return;
	}
	c->caps = h.caps;
	take_user(c, h.user, h.db, h.charset);
	c->state = CLIENT_AUTH;
	first_answer(c, h.plugin.p ? h.plugin : STR(AUTH_PLUGIN_NATIVE), h.auth);
}

void login_packet(struct client *c, const struct packet *pk, size_t bytes_behind)
{
	struct str p = str_make((char *)pk->payload, pk->n);

	if (c->state == CLIENT_GREETED) {
		handshake(c, pk, bytes_behind);
		return;
	}
	switch ((enum auth_step)c->login->step) {
	case AUTH_FIRST: denied(c); return;
	case AUTH_SWITCHED:
		if (c->login->sha2)
			check_sha2(c, p);
		else
			check_native(c, p);
		return;
	case AUTH_SHA2_WANTS_PASSWORD:
	case AUTH_SHA2_SENT_KEY: sha2_password(c, pk); return;
	}
}

void login_change_user(struct client *c, const struct packet *pk)
{
	struct change_user cu;
	const struct front_user *u;
	struct err e;

	c->seq = (uint8_t)(pk->seq + 1);
	if (change_user_parse(pk->payload, pk->n, c->caps, &cu, &e) < 0) {
		client_send_err(c, &e);
		client_close(c);
		return;
	}
	login_free(c);
	c->login = xcalloc(1, sizeof(*c->login));
	c->login->changing = true;
	loop_timer_set(c->f->w->loop, &c->timer, loop_now_us(c->f->w->loop) + c->f->cfg->handshake_timeout_us);
	take_user(c, cu.user, cu.db, cu.has_charset ? cu.charset : 0);
	c->state = CLIENT_AUTH;
	/* the old salt is gone: always a new one */
	u = account(c);
	switch_to(c, u ? !u->has_native && u->sha2 : false);
}
