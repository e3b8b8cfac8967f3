/* test_login.c - clients logging in: every method, password and way of connecting, and what must not get in. For
 * src/front/login.c and client.c; a worker without servers, clients on its loop. */
#include "../loop_testing.h"
#include "../tls_testing.h"
#include "client.h"
#include "keyway/io/listener.h"
#include "keyway/util/log.h"
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <sys/un.h>
#include <unistd.h>

#define CAPS                                                                                          \
	(CLIENT_LONG_PASSWORD | CLIENT_PROTOCOL_41 | CLIENT_SECURE_CONNECTION | CLIENT_TRANSACTIONS | \
		CLIENT_PLUGIN_AUTH | CLIENT_PLUGIN_AUTH_LENENC_CLIENT_DATA)
#define CLOSED -1

enum channel { TCP, UNIX, TLS };

static struct process process;
static struct worker *worker;
static struct worker *workers[1];
static struct front *front;
static struct front_shared *shared;
static struct front_config *cfg;
static struct exec_config *xcfg;
static struct routes *routes;
static struct tls_pair tls;
static int fds[2];
static struct stream_addr tcp_addr, unix_addr;
static char long200[201], long255[256], long256[257];

/* A client; what it has received and not yet looked at is in got. */
struct peer {
	struct stream st;
	struct buf got;
	bool gone, opened;
	uint8_t seq;
	struct greeting greeting;
	bool was_full, was_fast, was_key;
	char errtext[ERR_MSG_MAX];
};

static struct peer peers[4];
static int n_peers;

static void peer_readable(struct stream *s)
{
	struct peer *p = container_of(s, struct peer, st);
	ssize_t n = stream_read(s, buf_reserve(&p->got, 65536), 65536);

	if (n > 0)
		buf_wrote(&p->got, (size_t)n);
	if (n < 0) {
		p->gone = true;
		stream_close(s);
	}
}

static void peer_drained(struct stream *s)
{
	(void)s;
}

static void peer_broken(struct stream *s)
{
	container_of(s, struct peer, st)->gone = true;
}

static void peer_opened(struct stream *s, const char *errtext)
{
	struct peer *p = container_of(s, struct peer, st);

	p->opened = true;
	if (errtext)
		p->gone = true;
}

static const struct stream_ops peer_ops = {
	.readable = peer_readable, .drained = peer_drained, .broken = peer_broken, .opened = peer_opened
};

static struct {
	const char *password;
	char text[AUTH_SHA2_TEXT + 1];
} verifiers[] = { { .password = "secret" }, { .password = long200 }, { .password = long255 } };

static const char *verifier_of(const char *password)
{
	size_t i = 0;

	while (strcmp(verifiers[i].password, password) != 0)
		i++;
	return verifiers[i].text;
}

static void add_user(const char *name, const char *password, bool native, bool sha2)
{
	struct front_user *u = &cfg->users[cfg->n_users++];

	u->name = xstrdup(name);
	u->no_password = !password;
	if (native) {
		ck_assert_int_eq(auth_native_verifier(str_of(password), u->native), 0);
		u->has_native = true;
	}
	if (sha2)
		u->sha2 = xstrdup(verifier_of(password));
}

/* The RSA key and the verifiers take long to make: once for all tests, each of which has a process of its own. */
static void setup_once(void)
{
	uint8_t salt[20];

	memset(long200, 'l', 200);
	memset(long255, 'm', 255);
	memset(long256, 'n', 256);
	shared = front_shared_new();
	for (size_t i = 0; i < ARRAY_N(verifiers); i++) {
		ck_assert_int_eq(auth_sha2_text_salt(salt), 0);
		ck_assert_int_eq(auth_sha2_make_text(str_of(verifiers[i].password), salt, verifiers[i].text), 0);
	}
}

static void teardown_once(void)
{
	front_shared_free(shared);
}

static void setup(void)
{
	socklen_t len = sizeof(tcp_addr.sa);
	struct sockaddr_un *un = (struct sockaddr_un *)&unix_addr.sa;
	struct snapshot *snapshot;
	struct map *map;
	struct err err;

	signal(SIGPIPE, SIG_IGN);
	log_set_level(LOG_ERROR);
	tls_pair_make(&tls);
	cfg = xcalloc(1, sizeof(*cfg));
	cfg->refs = 1;
	cfg->users = xcalloc(10, sizeof(*cfg->users));
	add_user("native", "secret", true, false);
	add_user("sha2", "secret", false, true);
	add_user("both", "secret", true, true);
	add_user("open", NULL, false, false);
	add_user("long_native", long200, true, false);
	add_user("long_sha2", long200, false, true);
	add_user("longer_sha2", long255, false, true);
	cfg->max_packet_bytes = 1 << 20;
	cfg->handshake_timeout_us = 60000000;
	cfg->tls_mode = FRONT_TLS_OPTIONAL;
	cfg->tls_ctx = tls.server;
	SSL_CTX_up_ref(tls.server);
	xcfg = xcalloc(1, sizeof(*xcfg));
	xcfg->refs = 1;
	xcfg->max_plans = 10;
	xcfg->max_packet_bytes = 1 << 20;
	xcfg->max_prepared = 10;
	xcfg->max_statement_memory_bytes = 1 << 20;
	xcfg->server_version = xstrdup("");
	ck_assert_int_eq(map_build(NULL, 0, &map, &err), 0);
	snapshot = snapshot_build(map, NULL, NULL, 1);
	map_unref(map);
	routes = routes_new(snapshot, xcalloc(1, sizeof(struct route_keyspace)));
	process = (struct process){ .workers = workers, .n_workers = 1 };
	worker = workers[0] = worker_new(&process, 0, xcfg, routes);
	loop = worker->loop;
	fds[0] = listener_open_tcp("127.0.0.1", 0, &err);
	ck_assert_int_ge(fds[0], 0);
	ck_assert_int_eq(getsockname(fds[0], (struct sockaddr *)&tcp_addr.sa, &len), 0);
	tcp_addr.len = len;
	un->sun_family = AF_UNIX;
	snprintf(un->sun_path, sizeof(un->sun_path), "/tmp/keyway-front-%d", (int)getpid());
	unix_addr.len = sizeof(*un);
	fds[1] = listener_open_unix(un->sun_path, 0600, &err);
	ck_assert_int_ge(fds[1], 0);
	front = front_new(worker, shared, cfg, fds, 2);
	n_peers = 0;
}

static void teardown(void)
{
	for (int i = 0; i < n_peers; i++) {
		stream_close(&peers[i].st);
		buf_free(&peers[i].got);
	}
	front_free(front);
	ck_assert_uint_eq(front_clients(shared), 0);
	front_config_unref(cfg);
	worker_free(worker);
	routes_unref(routes);
	exec_config_unref(xcfg);
	close(fds[0]);
	close(fds[1]);
	unlink(((struct sockaddr_un *)&unix_addr.sa)->sun_path);
	tls_pair_free(&tls);
}

/* --- a client's steps --- */

/* The next packet's payload, copied to @out; false: the connection ended first. */
static bool peer_packet(struct peer *p, struct buf *out)
{
	struct packet pk;
	struct err err;
	size_t need;
	int rc = 0;

	WAIT_FOR((buf_used(&p->got) && (rc = packet_read(buf_head(&p->got), buf_used(&p->got), 1 << 24, &p->seq, &pk,
						&need, &err)) != 0) ||
		 p->gone);
	ck_assert_int_ge(rc, 0);
	if (rc == 0)
		return false;
	buf_clear(out);
	buf_add(out, pk.payload, pk.n);
	buf_eat(&p->got, pk.wire_bytes);
	return true;
}

static struct peer *peer_new(enum channel ch)
{
	struct peer *p = &peers[n_peers++];
	struct buf b = { 0 };
	struct err err;

	memset(p, 0, sizeof(*p));
	stream_init(&p->st, loop, &peer_ops);
	ck_assert_int_eq(stream_connect(&p->st, ch == UNIX ? &unix_addr : &tcp_addr), 0);
	if (peer_packet(p, &b) && buf_head(&b)[0] == 10) {
		ck_assert_int_eq(greeting_parse(buf_head(&b), buf_used(&b), &p->greeting, &err), 0);
		p->greeting.plugin =
			str_eqz(p->greeting.plugin, AUTH_PLUGIN_SHA2) ? STR(AUTH_PLUGIN_SHA2) : STR(AUTH_PLUGIN_NATIVE);
	}
	buf_free(&b);
	return p;
}

static void peer_send(struct peer *p, const void *payload, size_t n)
{
	struct buf b = { 0 };

	packet_add(&b, &p->seq, payload, n);
	stream_write(&p->st, buf_head(&b), buf_used(&b));
	buf_free(&b);
}

static void ssl_request(struct buf *b)
{
	struct handshake_response h = { .ssl_request = true, .caps = CAPS | CLIENT_SSL, .charset = 45 };

	handshake_response_build(b, &h);
}

static void peer_secure(struct peer *p)
{
	struct buf b = { 0 };

	ssl_request(&b);
	peer_send(p, buf_head(&b), buf_used(&b));
	buf_free(&b);
	p->opened = false;
	ck_assert_int_eq(stream_tls_start(&p->st, tls.client, false, "127.0.0.1"), 0);
	WAIT_FOR(p->opened);
	ck_assert(!p->gone);
}

static void scramble(struct buf *b, struct str plugin, struct str password, const uint8_t *salt)
{
	uint8_t s[AUTH_SHA2_BYTES];
	bool sha2 = str_eqz(plugin, AUTH_PLUGIN_SHA2);

	buf_clear(b);
	if (!password.n) {
		if (sha2)
			buf_add_u8(b, 0);
		return;
	}
	ck_assert_int_eq(sha2 ? auth_sha2_scramble(password, salt, s) : auth_native_scramble(password, salt, s), 0);
	buf_add(b, s, sha2 ? AUTH_SHA2_BYTES : AUTH_NATIVE_BYTES);
}

static void peer_login_packet(struct buf *out, const char *user, const char *plugin, const struct buf *auth)
{
	struct handshake_response h = { .caps = CAPS,
		.charset = 45,
		.max_packet = 1 << 24,
		.user = str_of(user),
		.plugin = str_of(plugin),
		.auth = { (char *)buf_head(auth), buf_used(auth) } };

	handshake_response_build(out, &h);
}

/* What follows the first answer, up to the verdict: 0, an errno, or CLOSED. */
static int peer_verdict(struct peer *p, struct str password, bool safe)
{
	uint8_t salt[AUTH_SALT_BYTES];
	struct auth_reply_packet r;
	struct err_packet e;
	struct err err;
	struct buf b = { 0 }, answer = { 0 };
	int rc = CLOSED;

	memcpy(salt, p->greeting.salt, sizeof(salt));
	while (peer_packet(p, &b)) {
		ck_assert_int_eq(auth_reply_parse(buf_head(&b), buf_used(&b), &r, &err), 0);
		if (r.kind == AUTH_REPLY_OK) {
			rc = 0;
			break;
		}
		if (r.kind == AUTH_REPLY_ERR) {
			ck_assert_int_eq(err_packet_parse(buf_head(&b), buf_used(&b), &e), 0);
			snprintf(p->errtext, sizeof(p->errtext), STR_FMT, STR_ARG(e.msg));
			rc = e.code;
			break;
		}
		if (r.kind == AUTH_REPLY_SWITCH) {
			ck_assert_uint_eq(r.data.n, AUTH_SALT_BYTES);
			memcpy(salt, r.data.p, AUTH_SALT_BYTES);
			scramble(&answer, r.plugin, password, salt);
		} else if (r.data.n == 1 && r.data.p[0] == AUTH_SHA2_FAST_OK) {
			p->was_fast = true;
			continue;
		} else if (r.data.n == 1) {
			ck_assert_int_eq(r.data.p[0], AUTH_SHA2_FULL);
			p->was_full = true;
			buf_clear(&answer);
			if (safe)
				auth_clear_build(&answer, password);
			else
				buf_add_u8(&answer, AUTH_SHA2_REQUEST_KEY);
		} else {
			p->was_key = true;
			buf_clear(&answer);
			ck_assert_int_eq(rsa_encrypt_password(r.data, password, salt, &answer), 0);
		}
		peer_send(p, buf_head(&answer), buf_used(&answer));
	}
	buf_free(&b);
	buf_free(&answer);
	return rc;
}

static int peer_login(struct peer *p, enum channel ch, const char *user, const char *plugin, struct str password)
{
	struct buf auth = { 0 }, b = { 0 };
	int rc;

	if (ch == TLS)
		peer_secure(p);
	scramble(&auth, str_of(plugin), password, p->greeting.salt);
	peer_login_packet(&b, user, plugin, &auth);
	peer_send(p, buf_head(&b), buf_used(&b));
	rc = peer_verdict(p, password, ch != TCP);
	buf_free(&auth);
	buf_free(&b);
	return rc;
}

static int login(enum channel ch, const char *user, const char *plugin, struct str password)
{
	return peer_login(peer_new(ch), ch, user, plugin, password);
}

static void assert_alive(struct peer *p)
{
	static const uint8_t ping = COM_PING;
	struct buf b = { 0 };

	p->seq = 0;
	peer_send(p, &ping, 1);
	ck_assert(peer_packet(p, &b));
	ck_assert_int_eq(buf_head(&b)[0], 0);
	buf_free(&b);
}

static void assert_ends(struct peer *p)
{
	WAIT_FOR(p->gone);
	ck_assert_uint_eq(buf_used(&p->got), 0);
}

/* --- methods and passwords --- */

static const struct {
	const char *user;
	struct str password;
	bool ok;
} passwords[] = {
	{ "native", STR("secret"), true },
	{ "sha2", STR("secret"), true },
	{ "both", STR("secret"), true },
	{ "open", STR(""), true },
	{ "long_native", { long200, 200 }, true },
	{ "long_sha2", { long200, 200 }, true },
	{ "native", STR("Secret"), false },
	{ "sha2", STR("Secret"), false },
	{ "both", STR("secre"), false },
	{ "native", STR(""), false },
	{ "sha2", STR(""), false },
	{ "both", STR(""), false },
	{ "open", STR("secret"), false },
	{ "nobody", STR("secret"), false },
	{ "nobody", STR(""), false },
	{ "", STR(""), false },
	{ "", STR("secret"), false },
	{ "native", STR("secret\0"), false },
	{ "sha2", STR("secret\0"), false },
	{ "sha2", STR("secret\0x"), false },
	{ "both", STR("\0secret"), false },
	{ "sha2", STR("\0"), false },
	{ "long_native", { long200, 199 }, false },
	{ "long_sha2", { long200, 199 }, false },
};

static const struct {
	enum channel ch;
	const char *plugin, *version;
} ways[] = {
	{ TCP, AUTH_PLUGIN_NATIVE, "" },
	{ TCP, AUTH_PLUGIN_SHA2, "" },
	{ TCP, AUTH_PLUGIN_SHA2, "8.0.36" },
	{ UNIX, AUTH_PLUGIN_NATIVE, "8.0.36" },
	{ UNIX, AUTH_PLUGIN_SHA2, "8.0.36" },
	{ TLS, AUTH_PLUGIN_NATIVE, "" },
	{ TLS, AUTH_PLUGIN_SHA2, "8.0.36" },
};

START_TEST(only_the_right_password_gets_in_by_whatever_way)
{
	for (size_t i = 0; i < ARRAY_N(ways); i++) {
		struct peer *p;
		int rc;

		free(xcfg->server_version);
		xcfg->server_version = xstrdup(ways[i].version);
		n_peers = 0;
		p = peer_new(ways[i].ch);
		rc = peer_login(p, ways[i].ch, passwords[_i].user, ways[i].plugin, passwords[_i].password);
		ck_assert_msg(rc == (passwords[_i].ok ? 0 : 1045), "way %zu: %d %s", i, rc, p->errtext);
		if (passwords[_i].ok) {
			assert_alive(p);
			stream_close(&p->st);
		} else {
			assert_ends(p);
		}
		buf_free(&p->got);
	}
	n_peers = 0;
	WAIT_FOR(front_clients(shared) == 0);
}
END_TEST

START_TEST(the_refusal_tells_user_place_and_whether_there_was_a_password)
{
	ck_assert_int_eq(login(TCP, "native", AUTH_PLUGIN_NATIVE, STR("wrong")), 1045);
	ck_assert_str_eq(peers[0].errtext, "Access denied for user 'native'@'127.0.0.1' (using password: YES)");
	ck_assert_int_eq(login(UNIX, "nobody", AUTH_PLUGIN_NATIVE, STR("")), 1045);
	ck_assert_str_eq(peers[1].errtext, "Access denied for user 'nobody'@'localhost' (using password: NO)");
}
END_TEST

START_TEST(a_password_has_at_most_255_bytes)
{
	ck_assert_int_eq(login(UNIX, "longer_sha2", AUTH_PLUGIN_SHA2, str_of(long255)), 0);
	ck_assert_int_eq(login(UNIX, "longer_sha2", AUTH_PLUGIN_SHA2, str_of(long256)), 1045);
}
END_TEST

START_TEST(after_one_full_login_the_next_is_fast_and_a_wrong_password_still_is_wrong)
{
	ck_assert_int_eq(login(TCP, "sha2", AUTH_PLUGIN_SHA2, STR("secret")), 0);
	ck_assert(peers[0].was_full && peers[0].was_key && !peers[0].was_fast);
	ck_assert_int_eq(login(TCP, "sha2", AUTH_PLUGIN_SHA2, STR("secret")), 0);
	ck_assert(peers[1].was_fast && !peers[1].was_full);
	ck_assert_int_eq(login(TCP, "sha2", AUTH_PLUGIN_SHA2, STR("wrong")), 1045);
	ck_assert(peers[2].was_full && !peers[2].was_fast);
}
END_TEST

/* The verdict frees what has been received; the password in it is wiped before. */
START_TEST(a_wrong_password_in_two_pieces_is_refused)
{
	struct peer *p = peer_new(UNIX);
	struct buf auth = { 0 }, b = { 0 };
	uint8_t header[PACKET_HEADER] = { 8, 0, 0, 0 };

	scramble(&auth, STR(AUTH_PLUGIN_SHA2), STR("wrongpw"), p->greeting.salt);
	peer_login_packet(&b, "sha2", AUTH_PLUGIN_SHA2, &auth);
	peer_send(p, buf_head(&b), buf_used(&b));
	/* a switch to caching_sha2_password is not needed: it asks for the password at once */
	ck_assert(peer_packet(p, &b));
	ck_assert_int_eq(buf_head(&b)[1], AUTH_SHA2_FULL);
	header[3] = p->seq++;
	stream_write(&p->st, header, 4);
	stream_write(&p->st, "wron", 4);
	pump_some();
	stream_write(&p->st, "gpw", 4);
	ck_assert_int_eq(peer_verdict(p, STR(""), true), 1045);
	buf_free(&auth);
	buf_free(&b);
}
END_TEST

START_TEST(a_login_byte_by_byte_gets_in)
{
	struct peer *p = peer_new(TCP);
	struct buf auth = { 0 }, b = { 0 }, all = { 0 };

	scramble(&auth, STR(AUTH_PLUGIN_NATIVE), STR("secret"), p->greeting.salt);
	peer_login_packet(&b, "native", AUTH_PLUGIN_NATIVE, &auth);
	packet_add(&all, &p->seq, buf_head(&b), buf_used(&b));
	while (buf_used(&all)) {
		stream_write(&p->st, buf_head(&all), 1);
		buf_eat(&all, 1);
		pump();
	}
	ck_assert_int_eq(peer_verdict(p, STR("secret"), false), 0);
	assert_alive(p);
	buf_free(&auth);
	buf_free(&b);
	buf_free(&all);
}
END_TEST

/* --- TLS --- */

START_TEST(an_sslrequest_with_a_login_behind_it_is_closed)
{
	struct peer *p = peer_new(TCP);
	struct buf request = { 0 }, auth = { 0 }, b = { 0 }, all = { 0 };

	ssl_request(&request);
	scramble(&auth, STR(AUTH_PLUGIN_NATIVE), STR("secret"), p->greeting.salt);
	peer_login_packet(&b, "native", AUTH_PLUGIN_NATIVE, &auth);
	packet_add(&all, &p->seq, buf_head(&request), buf_used(&request));
	packet_add(&all, &p->seq, buf_head(&b), buf_used(&b));
	stream_write(&p->st, buf_head(&all), buf_used(&all));
	WAIT_FOR(p->gone);
	/* at most a TLS alert, never an OK: nothing that was sent in the clear is a login */
	ck_assert(buf_used(&p->got) == 0 || buf_head(&p->got)[0] == 21);
	buf_free(&request);
	buf_free(&auth);
	buf_free(&b);
	buf_free(&all);
}
END_TEST

START_TEST(an_sslrequest_in_pieces_begins_tls)
{
	struct peer *p = peer_new(TCP);
	struct buf b = { 0 }, all = { 0 };

	ssl_request(&b);
	packet_add(&all, &p->seq, buf_head(&b), buf_used(&b));
	stream_write(&p->st, buf_head(&all), 10);
	pump_some();
	stream_write(&p->st, buf_head(&all) + 10, buf_used(&all) - 10);
	p->opened = false;
	ck_assert_int_eq(stream_tls_start(&p->st, tls.client, false, NULL), 0);
	WAIT_FOR(p->opened);
	ck_assert(!p->gone);
	buf_clear(&b);
	peer_login_packet(&b, "open", AUTH_PLUGIN_NATIVE, &(struct buf){ 0 });
	peer_send(p, buf_head(&b), buf_used(&b));
	ck_assert_int_eq(peer_verdict(p, STR(""), true), 0);
	buf_free(&b);
	buf_free(&all);
}
END_TEST

START_TEST(an_sslrequest_inside_tls_is_closed)
{
	struct peer *p = peer_new(TCP);
	struct buf b = { 0 };

	peer_secure(p);
	ssl_request(&b);
	peer_send(p, buf_head(&b), buf_used(&b));
	assert_ends(p);
	buf_free(&b);
}
END_TEST

START_TEST(a_login_that_says_tls_outside_of_it_is_closed)
{
	struct peer *p = peer_new(TCP);
	struct handshake_response h = {
		.caps = CAPS | CLIENT_SSL, .user = STR("open"), .plugin = STR(AUTH_PLUGIN_NATIVE)
	};
	struct buf b = { 0 };

	handshake_response_build(&b, &h);
	peer_send(p, buf_head(&b), buf_used(&b));
	assert_ends(p);
	buf_free(&b);
}
END_TEST

START_TEST(tls_that_is_not_offered_is_refused)
{
	struct peer *p;
	struct buf b = { 0 };

	SSL_CTX_free(cfg->tls_ctx);
	cfg->tls_ctx = NULL;
	p = peer_new(TCP);
	ck_assert_uint_eq(p->greeting.caps & CLIENT_SSL, 0);
	ssl_request(&b);
	peer_send(p, buf_head(&b), buf_used(&b));
	ck_assert_int_eq(peer_verdict(p, STR(""), false), 1043);
	buf_free(&b);
}
END_TEST

START_TEST(where_tls_is_required_only_tls_and_the_socket_get_in)
{
	if (_i)
		cfg->tls_mode = FRONT_TLS_REQUIRED;
	else
		cfg->users[0].tls_required = true;
	ck_assert_int_eq(login(TCP, "native", AUTH_PLUGIN_NATIVE, STR("secret")), 3159);
	ck_assert_int_eq(login(UNIX, "native", AUTH_PLUGIN_NATIVE, STR("secret")), 0);
	ck_assert_int_eq(login(TLS, "native", AUTH_PLUGIN_NATIVE, STR("secret")), 0);
	ck_assert_int_eq(login(TCP, "open", AUTH_PLUGIN_NATIVE, STR("")), _i ? 3159 : 0);
}
END_TEST

/* --- what must not get in --- */

START_TEST(a_wrong_sequence_id_is_refused)
{
	struct peer *p = peer_new(TCP);
	struct buf b = { 0 };

	p->seq = (uint8_t)_i;
	peer_login_packet(&b, "open", AUTH_PLUGIN_NATIVE, &(struct buf){ 0 });
	peer_send(p, buf_head(&b), buf_used(&b));
	ck_assert_int_eq(peer_verdict(p, STR(""), false), _i == 1 ? 0 : 1156);
	if (_i != 1)
		assert_ends(p);
	buf_free(&b);
}
END_TEST

static const struct {
	const char *bytes;
	size_t n;
	int no;
} garbage[] = {
	{ "\0\0\0\1", 4, 1043 },
	{ "\1\0\0\1\0", 5, 1043 },
	{ "\2\0\0\1\0\2", 6, 1043 },
	{ "\4\0\0\1\0\0\0\0", 8, 1251 },
	{ "\xff\xff\xff\1", 4, 1153 },
	{ "GET / HTTP/1.0\r\n\r\n", 18, 1156 },
};

START_TEST(garbage_is_refused)
{
	struct peer *p = peer_new(TCP);

	stream_write(&p->st, garbage[_i].bytes, garbage[_i].n);
	p->seq = (uint8_t)(garbage[_i].bytes[3] + 1);
	ck_assert_int_eq(peer_verdict(p, STR(""), false), garbage[_i].no);
	assert_ends(p);
}
END_TEST

START_TEST(a_packet_after_the_verdict_is_no_second_chance)
{
	struct peer *p = peer_new(TCP);

	ck_assert_int_eq(peer_login(p, TCP, "native", AUTH_PLUGIN_NATIVE, STR("wrong")), 1045);
	peer_send(p, "", 0);
	WAIT_FOR(p->gone);
	ck_assert_uint_eq(buf_used(&p->got), 0);
}
END_TEST

START_TEST(a_client_that_says_nothing_is_closed)
{
	struct peer *p;

	cfg->handshake_timeout_us = 10000;
	p = peer_new(TCP);
	assert_ends(p);
	WAIT_FOR(front_clients(shared) == 0);
}
END_TEST

START_TEST(more_clients_than_allowed_are_refused)
{
	struct buf b = { 0 };
	struct err_packet e;
	struct peer *p;

	cfg->max_connections = 1;
	ck_assert_int_eq(login(TCP, "open", AUTH_PLUGIN_NATIVE, STR("")), 0);
	p = &peers[n_peers++];
	memset(p, 0, sizeof(*p));
	stream_init(&p->st, loop, &peer_ops);
	ck_assert_int_eq(stream_connect(&p->st, &tcp_addr), 0);
	ck_assert(peer_packet(p, &b));
	ck_assert_int_eq(err_packet_parse(buf_head(&b), buf_used(&b), &e), 0);
	ck_assert_uint_eq(e.code, 1040);
	stream_close(&peers[0].st);
	WAIT_FOR(front_clients(shared) == 0);
	ck_assert_int_eq(login(TCP, "open", AUTH_PLUGIN_NATIVE, STR("")), 0);
	buf_free(&b);
}
END_TEST

START_TEST(more_clients_of_one_account_than_allowed_are_refused)
{
	cfg->users[3].max_connections = 1;
	ck_assert_int_eq(login(TCP, "open", AUTH_PLUGIN_NATIVE, STR("")), 0);
	ck_assert_int_eq(login(TCP, "open", AUTH_PLUGIN_NATIVE, STR("")), 1226);
	ck_assert_int_eq(login(TCP, "native", AUTH_PLUGIN_NATIVE, STR("secret")), 0);
	stream_close(&peers[0].st);
	WAIT_FOR(front_clients(shared) == 1);
	ck_assert_int_eq(login(TCP, "open", AUTH_PLUGIN_NATIVE, STR("")), 0);
}
END_TEST

/* --- COM_CHANGE_USER --- */

static void change_user(struct peer *p, const char *user)
{
	struct change_user cu = { .user = str_of(user), .plugin = STR(AUTH_PLUGIN_NATIVE), .charset = 45 };
	struct buf b = { 0 };

	change_user_build(&b, CAPS, &cu);
	p->seq = 0;
	peer_send(p, buf_head(&b), buf_used(&b));
	buf_free(&b);
}

START_TEST(a_client_may_become_another_who_proves_himself)
{
	struct peer *p = peer_new(TCP);

	ck_assert_int_eq(peer_login(p, TCP, "open", AUTH_PLUGIN_NATIVE, STR("")), 0);
	change_user(p, "native");
	ck_assert_int_eq(peer_verdict(p, STR("secret"), false), 0);
	assert_alive(p);
	change_user(p, "sha2");
	ck_assert_int_eq(peer_verdict(p, STR("secret"), false), 0);
	assert_alive(p);
	ck_assert_uint_eq(front_clients(shared), 1);
}
END_TEST

START_TEST(a_client_that_fails_to_become_another_is_closed)
{
	struct peer *p = peer_new(TCP);

	ck_assert_int_eq(peer_login(p, TCP, "native", AUTH_PLUGIN_NATIVE, STR("secret")), 0);
	change_user(p, "sha2");
	ck_assert_int_eq(peer_verdict(p, STR("wrong"), false), 1045);
	assert_ends(p);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_unchecked_fixture(tc, setup_once, teardown_once);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, only_the_right_password_gets_in_by_whatever_way, 0, (int)ARRAY_N(passwords));
	tcase_add_test(tc, the_refusal_tells_user_place_and_whether_there_was_a_password);
	tcase_add_test(tc, a_password_has_at_most_255_bytes);
	tcase_add_test(tc, after_one_full_login_the_next_is_fast_and_a_wrong_password_still_is_wrong);
	tcase_add_test(tc, a_wrong_password_in_two_pieces_is_refused);
	tcase_add_test(tc, a_login_byte_by_byte_gets_in);
	tcase_add_test(tc, an_sslrequest_with_a_login_behind_it_is_closed);
	tcase_add_test(tc, an_sslrequest_in_pieces_begins_tls);
	tcase_add_test(tc, an_sslrequest_inside_tls_is_closed);
	tcase_add_test(tc, a_login_that_says_tls_outside_of_it_is_closed);
	tcase_add_test(tc, tls_that_is_not_offered_is_refused);
	tcase_add_loop_test(tc, where_tls_is_required_only_tls_and_the_socket_get_in, 0, 2);
	tcase_add_loop_test(tc, a_wrong_sequence_id_is_refused, 0, 3);
	tcase_add_loop_test(tc, garbage_is_refused, 0, (int)ARRAY_N(garbage));
	tcase_add_test(tc, a_packet_after_the_verdict_is_no_second_chance);
	tcase_add_test(tc, a_client_that_says_nothing_is_closed);
	tcase_add_test(tc, more_clients_than_allowed_are_refused);
	tcase_add_test(tc, more_clients_of_one_account_than_allowed_are_refused);
	tcase_add_test(tc, a_client_may_become_another_who_proves_himself);
	tcase_add_test(tc, a_client_that_fails_to_become_another_is_closed);
}

int main(void)
{
	return run_tests("front_login", add);
}
