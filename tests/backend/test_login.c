/* test_login.c - every way that a server may ask who we are, or go wrong while it does. For src/backend/login.c,
 * against a scripted server on the same loop. */
#include "fake_server.h"

static struct tls_pair tls;

static void setup(void)
{
	fake_setup();
	tls_pair_make(&tls);
}

static void teardown(void)
{
	fake_teardown();
	tls_pair_free(&tls);
}

static const struct good {
	enum fake_login login;
	const char *password;
	bool unix_socket;
	enum server_tls tls;
	uint32_t caps_off;
	const char *log;
} goods[] = {
	{ .login = FAKE_NATIVE, .password = "secret", .log = "0:init" },
	{ .login = FAKE_NATIVE, .password = "", .log = "0:init" },
	{ .login = FAKE_NATIVE, .password = "p\xc3\xa4ss w\xc3\xb6rd'\"", .log = "0:init" },
	{ .login = FAKE_SHA2_FAST, .password = "secret", .log = "0:init" },
	{ .login = FAKE_SHA2_FAST, .password = "", .log = "0:init" },
	{ .login = FAKE_SHA2_FULL, .password = "secret", .log = "0:key 0:init" },
	{ .login = FAKE_SHA2_FULL, .password = "secret", .unix_socket = true, .log = "0:init" },
	{ .login = FAKE_SHA2_FULL, .password = "secret", .tls = SERVER_TLS_REQUIRED, .log = "0:tls 0:init" },
	{ .login = FAKE_SWITCH_TO_NATIVE, .password = "secret", .log = "0:init" },
	{ .login = FAKE_SWITCH_TO_NATIVE, .password = "", .log = "0:init" },
	{ .login = FAKE_SWITCH_TO_SHA2, .password = "secret", .log = "0:key 0:init" },
	{ .login = FAKE_SWITCH_TO_SHA2, .password = "", .log = "0:init" },
	{ .login = FAKE_SWITCH_TO_CLEAR, .password = "secret", .unix_socket = true, .log = "0:init" },
	{ .login = FAKE_SWITCH_TO_CLEAR, .password = "secret", .tls = SERVER_TLS_IDENTITY, .log = "0:tls 0:init" },
	{ .login = FAKE_NATIVE, .password = "secret", .tls = SERVER_TLS_PREFERRED, .log = "0:tls 0:init" },
	{ .login = FAKE_NATIVE,
		.password = "secret",
		.tls = SERVER_TLS_PREFERRED,
		.caps_off = CLIENT_SSL,
		.log = "0:init" },
	{ .login = FAKE_NATIVE,
		.password = "secret",
		.tls = SERVER_TLS_REQUIRED,
		.unix_socket = true,
		.log = "0:init" },
	{ .login = FAKE_NATIVE,
		.password = "secret",
		.caps_off = CLIENT_DEPRECATE_EOF | CLIENT_SESSION_TRACK | CLIENT_CONNECT_ATTRS |
			    CLIENT_PLUGIN_AUTH_LENENC_CLIENT_DATA,
		.log = "0:init" },
};

/* A pool on the server that the case asks for. */
static void open_for(enum fake_login login, const char *password, bool unix_socket, enum server_tls mode, SSL_CTX *ctx,
	uint32_t caps_off)
{
	fake.login = login;
	fake.password = password;
	fake.caps_off = caps_off;
	if (unix_socket)
		snprintf(fake.path, sizeof(fake.path), "/tmp/keyway-login-%d", (int)getpid());
	if (mode != SERVER_TLS_OFF)
		fake.tls = tls.server;
	fake_listen();
	server->tls = mode;
	if (mode != SERVER_TLS_OFF) {
		SSL_CTX_up_ref(ctx);
		server->tls_ctx = ctx;
	}
	pool = pool_new(loop, settings, server, &cfg);
}

START_TEST(we_get_in)
{
	const struct good *g = &goods[_i];
	struct want w;

	open_for(g->login, g->password, g->unix_socket, g->tls, tls.client, g->caps_off);
	have_of(&w, pool);
	ck_assert_str_eq(fake.log, g->log);
	ck_assert_uint_eq(w.c->thread_id, 100);
	ck_assert_uint_eq(w.c->caps & CLIENT_DEPRECATE_EOF, fake.conns[0].caps & CLIENT_DEPRECATE_EOF);
	ask(&w, "rows", 1);
	WAIT_FOR(w.answers);
	ck_assert_int_eq(w.errors + w.lost, 0);
	give_back(&w, false);
}
END_TEST

static const struct bad {
	enum fake_login login;
	unsigned no;
	const char *text;
	enum server_tls tls;
	bool stranger;
	uint32_t caps_off;
	uint64_t timeout_us;
} bads[] = {
	{ .login = FAKE_REFUSES, .no = 1045, .text = "login as 'app' refused: Access denied" },
	{ .login = FAKE_GREETS_WITH_ERR, .no = 1040, .text = "Too many connections" },
	{ .login = FAKE_GREETS_WITH_GARBAGE, .no = 1043, .text = "malformed" },
	{ .login = FAKE_GREETS_AS_323, .no = 1043, .text = "older than MySQL 4.1" },
	{ .login = FAKE_ANSWERS_GARBAGE, .no = 1043, .text = "malformed" },
	{ .login = FAKE_ANSWERS_UNKNOWN_STEP, .no = 1043, .text = "authentication step that we do not know" },
	{ .login = FAKE_SENDS_BYTES_BEHIND_OK, .no = 1043, .text = "nobody asked for" },
	{ .login = FAKE_SWITCH_TO_OTHER, .no = 1251, .text = "authentication_moon_phase" },
	{ .login = FAKE_SWITCH_TO_CLEAR, .no = 1251, .text = "or TLS" },
	{ .login = FAKE_SWITCH_TO_OLD, .no = 1251, .text = "before MySQL 4.1" },
	{ .login = FAKE_CLOSES_AT_GREETING, .no = 1158, .text = "closed the connection during the login" },
	{ .login = FAKE_CLOSES_AT_LOGIN, .no = 1158, .text = "closed the connection during the login" },
	{ .login = FAKE_REFUSES_INIT, .no = 1043, .text = "Unknown system variable" },
	{ .login = FAKE_HANGS_AT_GREETING, .no = 1159, .text = "while greeting", .timeout_us = 30000 },
	{ .login = FAKE_NATIVE,
		.no = 3159,
		.text = "offers no TLS",
		.tls = SERVER_TLS_REQUIRED,
		.caps_off = CLIENT_SSL },
	{ .login = FAKE_NATIVE,
		.no = 3159,
		.text = "offers no TLS",
		.tls = SERVER_TLS_IDENTITY,
		.caps_off = CLIENT_SSL },
	{ .login = FAKE_NATIVE,
		.no = 1043,
		.text = "certificate refused",
		.tls = SERVER_TLS_VERIFY_CA,
		.stranger = true },
	{ .login = FAKE_SENDS_BYTES_BEFORE_TLS, .no = 1043, .text = "before TLS began", .tls = SERVER_TLS_REQUIRED },
};

START_TEST(we_stay_out_and_know_why)
{
	const struct bad *g = &bads[_i];
	struct want w;

	if (g->timeout_us)
		cfg.connect_timeout_us = g->timeout_us;
	open_for(g->login, "secret", false, g->tls, g->stranger ? tls.stranger : tls.client, g->caps_off);
	want_of(&w, pool, false);
	WAIT_FOR(atomic_load(&server->failures));
	ck_assert(!w.done);
	/* the lease's own time is over: it tells why no connection came */
	loop_timer_set(loop, &w.l.deadline, 1);
	WAIT_FOR(w.done);
	ck_assert_ptr_null(w.c);
	ck_assert_msg(strstr(w.err.msg, g->text) != NULL, "%s", w.err.msg);
	ck_assert_ptr_nonnull(strstr(w.err.msg, server->label));
	ck_assert_uint_eq(w.err.errno_, g->no);
	ck_assert_int_eq(w.err.kind, ERR_BACKEND);
}
END_TEST

START_TEST(a_wrong_password_is_refused_by_each_method)
{
	static const enum fake_login logins[] = { FAKE_NATIVE, FAKE_SHA2_FAST, FAKE_SWITCH_TO_NATIVE,
		FAKE_SWITCH_TO_SHA2 };
	struct want w;

	open_for(logins[_i], "secret", false, SERVER_TLS_OFF, NULL, 0);
	fake.password = "Secret";
	want_of(&w, pool, false);
	WAIT_FOR(atomic_load(&server->failures));
	loop_timer_set(loop, &w.l.deadline, 1);
	WAIT_FOR(w.done);
	ck_assert_uint_eq(w.err.errno_, 1045);
}
END_TEST

START_TEST(a_certificate_for_another_name_is_refused_where_identity_is_asked_for)
{
	struct want w;

	open_for(FAKE_NATIVE, "secret", false, SERVER_TLS_IDENTITY, tls.client, 0);
	free(server->host);
	server->host = xstrdup("other.test");
	want_of(&w, pool, false);
	WAIT_FOR(atomic_load(&server->failures));
	ck_assert_str_eq(fake.log, "0:tls");
	lease_cancel(&w.l);
}
END_TEST

START_TEST(a_server_that_hangs_after_the_login_packet_is_given_up)
{
	struct want w;

	cfg.connect_timeout_us = 30000;
	open_for(FAKE_HANGS_AT_LOGIN, "secret", false, SERVER_TLS_OFF, NULL, 0);
	want_of(&w, pool, false);
	WAIT_FOR(atomic_load(&server->failures));
	lease_cancel(&w.l);
	WAIT_FOR(atomic_load(&server->conns) == 0);
	ck_assert(!w.done);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, we_get_in, 0, (int)ARRAY_N(goods));
	tcase_add_loop_test(tc, we_stay_out_and_know_why, 0, (int)ARRAY_N(bads));
	tcase_add_loop_test(tc, a_wrong_password_is_refused_by_each_method, 0, 4);
	tcase_add_test(tc, a_certificate_for_another_name_is_refused_where_identity_is_asked_for);
	tcase_add_test(tc, a_server_that_hangs_after_the_login_packet_is_given_up);
}

int main(void)
{
	return run_tests("login", add);
}
