/* test_greeting.c - logins: packets of real servers and drivers, round trips, cuts, hostile lengths. For
 * wire/greeting.h. */
#include "keyway/wire/greeting.h"
#include "keyway/wire/packet.h"
#include "keyway/wire/reply.h"
#include "wire_testing.h"

/* MariaDB 10.11's greeting */
static const char mariadb_greeting[] =
	"0a352e352e352d31302e31312e31392d4d6172696144422d302b6465623132753100070000006c5a"
	"60525b50607000fef7080200ff81150000000000001d0000003658395377"
	"7d2f6d5c61545f006d7973716c5f6e61746976655f70617373776f726400";

#define SERVER_CAPS                                                                                                  \
	(CLIENT_LONG_PASSWORD | CLIENT_PROTOCOL_41 | CLIENT_SECURE_CONNECTION | CLIENT_PLUGIN_AUTH |                 \
		CLIENT_CONNECT_WITH_DB | CLIENT_CONNECT_ATTRS | CLIENT_PLUGIN_AUTH_LENENC_CLIENT_DATA | CLIENT_SSL | \
		CLIENT_DEPRECATE_EOF)

START_TEST(the_greeting_of_mariadb_is_read)
{
	struct buf b = { 0 };
	struct greeting g;

	add_hex_text(&b, mariadb_greeting);
	ck_assert_int_eq(greeting_parse(b.p, buf_used(&b), &g, NULL), 0);
	ck_assert(str_starts(g.version, STR("5.5.5-10.11.")));
	ck_assert(str_starts(greeting_version(&g), STR("10.11.")));
	ck_assert(g.mariadb);
	ck_assert_uint_eq(g.ext_caps, 0x1d);
	ck_assert_uint_eq(g.caps, 0x81fff7fe);
	ck_assert_uint_eq(g.charset, 8);
	ck_assert_uint_eq(g.status, 2);
	ck_assert_uint_eq(g.salt_n, 20);
	assert_str(g.plugin, "mysql_native_password");
	buf_free(&b);
}
END_TEST

START_TEST(a_greeting_built_is_the_greeting_read_and_no_cut_of_it_is)
{
	struct greeting g = { .version = STR("8.0.36-Keyway"),
		.conn_id = 77,
		.salt = "abcdefghijklmnopqrst",
		.salt_n = 20,
		.caps = SERVER_CAPS,
		.charset = 255,
		.status = 2,
		.plugin = STR("caching_sha2_password") },
			got;
	struct buf b = { 0 };
	struct err err;

	greeting_build(&b, &g);
	ck_assert_int_eq(greeting_parse(b.p, buf_used(&b), &got, &err), 0);
	ck_assert(str_eq(got.version, g.version) && str_eq(got.plugin, g.plugin));
	ck_assert(
		got.conn_id == 77 && got.caps == SERVER_CAPS && got.charset == 255 && got.salt_n == 20 && !got.mariadb);
	ck_assert_mem_eq(got.salt, g.salt, 20);
	for (size_t n = 0; n < buf_used(&b) - 22; n++)
		ck_assert_int_lt(greeting_parse(b.p, n, &got, &err), 0);
	buf_free(&b);
}
END_TEST

START_TEST(an_err_instead_of_a_greeting_is_the_servers_own)
{
	struct greeting g;
	struct err err;

	/* MySQL's 1040 has no SQLSTATE */
	ck_assert_int_eq(
		greeting_parse((const uint8_t *)"\xff\x10\x04Too many connections", 23, &g, &err), ERR_BACKEND);
	ck_assert_uint_eq(err.errno_, 1040);
	ck_assert_str_eq(err.msg, "Too many connections");
	ck_assert_int_eq(greeting_parse((const uint8_t *)"\xff\x51\x04#HY000x", 10, &g, &err), ERR_BACKEND);
	ck_assert_uint_eq(err.errno_, 1220);
	ck_assert_int_eq(greeting_parse((const uint8_t *)"\xff", 1, &g, &err), ERR_MALFORMED);
	ck_assert_int_eq(greeting_parse((const uint8_t *)"\x09"
							 "3.23",
				 6, &g, &err),
		ERR_UNSUPPORTED);
}
END_TEST

static struct handshake_response login(uint32_t caps)
{
	return (struct handshake_response){ .caps = caps,
		.max_packet = 1 << 24,
		.charset = 45,
		.user = STR("app"),
		.auth = STR("01234567890123456789"),
		.db = STR("shop"),
		.plugin = STR("mysql_native_password"),
		.attrs = STR("\x04_pid\x02"
			     "12") };
}

START_TEST(a_login_built_is_the_login_read)
{
	static const uint32_t without[] = { 0, CLIENT_CONNECT_WITH_DB, CLIENT_PLUGIN_AUTH, CLIENT_CONNECT_ATTRS,
		CLIENT_PLUGIN_AUTH_LENENC_CLIENT_DATA };
	struct handshake_response h = login(SERVER_CAPS & ~CLIENT_SSL & ~without[_i]), got;
	struct str name, value;
	struct buf b = { 0 };
	struct rd r;

	handshake_response_build(&b, &h);
	ck_assert_int_eq(handshake_response_parse(b.p, buf_used(&b), SERVER_CAPS, &got, NULL), 0);
	ck_assert(!got.ssl_request);
	ck_assert_uint_eq(got.caps, h.caps);
	ck_assert_uint_eq(got.charset, 45);
	ck_assert(str_eq(got.user, h.user) && str_eq(got.auth, h.auth));
	ck_assert((h.caps & CLIENT_CONNECT_WITH_DB) ? str_eq(got.db, h.db) : !got.db.p);
	ck_assert((h.caps & CLIENT_PLUGIN_AUTH) ? str_eq(got.plugin, h.plugin) : !got.plugin.p);
	r = rd_make(got.attrs.p, got.attrs.n);
	if (h.caps & CLIENT_CONNECT_ATTRS) {
		ck_assert_int_eq(connect_attr_next(&r, &name, &value), 1);
		assert_str(name, "_pid");
		assert_str(value, "12");
	}
	ck_assert_int_eq(connect_attr_next(&r, &name, &value), 0);
	buf_free(&b);
}
END_TEST

START_TEST(bits_not_offered_are_cleared_but_decide_how_the_packet_is_read)
{
	struct handshake_response h = login(SERVER_CAPS & ~CLIENT_SSL), got;
	struct buf b = { 0 };

	handshake_response_build(&b, &h);
	ck_assert_int_eq(
		handshake_response_parse(b.p, buf_used(&b), SERVER_CAPS & ~CLIENT_CONNECT_WITH_DB, &got, NULL), 0);
	ck_assert(!(got.caps & CLIENT_CONNECT_WITH_DB));
	assert_str(got.plugin, "mysql_native_password");
	buf_free(&b);
}
END_TEST

START_TEST(a_tls_request_is_told_from_a_login)
{
	struct handshake_response h = login(SERVER_CAPS), got;
	struct buf b = { 0 };
	struct err err;

	h.ssl_request = true;
	handshake_response_build(&b, &h);
	ck_assert_uint_eq(buf_used(&b), 32);
	ck_assert_int_eq(handshake_response_parse(b.p, 32, SERVER_CAPS, &got, NULL), 0);
	ck_assert(got.ssl_request);
	ck_assert_int_eq(handshake_response_parse(b.p, 32, SERVER_CAPS & ~CLIENT_SSL, &got, &err), ERR_MALFORMED);
	ck_assert_uint_eq(err.errno_, 1043);
	buf_free(&b);
}
END_TEST

START_TEST(extended_bits_are_read_only_when_both_sides_speak_mariadb)
{
	struct handshake_response h = login((SERVER_CAPS & ~CLIENT_SSL) & ~CLIENT_LONG_PASSWORD), got;
	struct buf b = { 0 };

	h.ext_caps = MARIADB_EXT_CACHE_METADATA;
	handshake_response_build(&b, &h);
	ck_assert_int_eq(handshake_response_parse(b.p, buf_used(&b), SERVER_CAPS, &got, NULL), 0);
	ck_assert_uint_eq(got.ext_caps, 0);
	ck_assert_int_eq(
		handshake_response_parse(b.p, buf_used(&b), SERVER_CAPS & ~CLIENT_LONG_PASSWORD, &got, NULL), 0);
	ck_assert_uint_eq(got.ext_caps, MARIADB_EXT_CACHE_METADATA);
	buf_free(&b);
}
END_TEST

START_TEST(cut_logins_are_1043_or_optional_at_their_end)
{
	struct handshake_response h = login(SERVER_CAPS & ~CLIENT_SSL), got;
	struct buf b = { 0 };
	struct err err;
	size_t fixed;

	handshake_response_build(&b, &h);
	fixed = 32 + 4 + 21;
	for (size_t n = 0; n < buf_used(&b); n++) {
		int rc = handshake_response_parse(b.p, n, SERVER_CAPS, &got, &err);

		if (n < fixed) {
			ck_assert_int_lt(rc, 0);
			ck_assert_uint_eq(err.errno_, 1043);
		}
	}
	buf_free(&b);
}
END_TEST

START_TEST(old_clients_are_1251)
{
	struct handshake_response h = login(SERVER_CAPS & ~CLIENT_SSL & ~CLIENT_SECURE_CONNECTION), got;
	struct buf b = { 0 };
	struct err err;

	handshake_response_build(&b, &h);
	ck_assert_int_eq(handshake_response_parse(b.p, buf_used(&b), SERVER_CAPS, &got, &err), ERR_UNSUPPORTED);
	ck_assert_uint_eq(err.errno_, 1251);
	ck_assert_int_eq(
		handshake_response_parse((const uint8_t *)"\x05\x00\x00\x00\x00user\0", 10, SERVER_CAPS, &got, &err),
		ERR_UNSUPPORTED);
	ck_assert_uint_eq(err.errno_, 1251);
	buf_free(&b);
}
END_TEST

START_TEST(hostile_lengths_of_auth_data_are_1043)
{
	static const char *const lengths[] = { "ff", "fb", "fcffff", "fdffffff", "feffffffffffffffff",
		"fe0000000000000080", "fc", "fdff", "fe01", "15" };
	struct handshake_response h = login(SERVER_CAPS & ~CLIENT_SSL), got;
	struct buf b = { 0 };
	struct err err;

	handshake_response_build(&b, &h);
	b.len = 36;
	add_hex_text(&b, lengths[_i]);
	buf_addz(&b, "01234567890123456789");
	if (_i > 5 && _i < 9)
		b.len -= 20;
	ck_assert_int_eq(handshake_response_parse(b.p, buf_used(&b), SERVER_CAPS, &got, &err), ERR_MALFORMED);
	ck_assert_uint_eq(err.errno_, 1043);
	buf_free(&b);
}
END_TEST

START_TEST(change_user_comes_back)
{
	struct change_user c = { .user = STR("u"),
		.auth = STR("12345678901234567890"),
		.db = STR("d"),
		.charset = 45,
		.plugin = STR("mysql_native_password"),
		.attrs = STR("\x01"
			     "a\x01"
			     "b") },
			   got;
	struct buf b = { 0 };

	change_user_build(&b, SERVER_CAPS, &c);
	ck_assert_uint_eq(b.p[0], COM_CHANGE_USER);
	ck_assert_int_eq(change_user_parse(b.p, buf_used(&b), SERVER_CAPS, &got, NULL), 0);
	ck_assert(str_eq(got.user, c.user) && str_eq(got.auth, c.auth) && str_eq(got.db, c.db) &&
		  str_eq(got.plugin, c.plugin) && str_eq(got.attrs, c.attrs));
	ck_assert(got.has_charset && got.charset == 45);
	for (size_t n = 0; n < buf_used(&b); n++)
		ck_assert(change_user_parse(b.p, n, SERVER_CAPS, &got, NULL) <= 0);
	ck_assert_int_lt(change_user_parse(b.p, 10, SERVER_CAPS, &got, NULL), 0);
	buf_free(&b);
}
END_TEST

START_TEST(the_servers_side_of_a_login_is_told_apart)
{
	struct auth_reply_packet a;
	struct buf b = { 0 };
	struct err err;

	auth_switch_build(&b, STR("caching_sha2_password"), (const uint8_t *)"abcdefghijklmnopqrst", 20);
	ck_assert_int_eq(auth_reply_parse(b.p, buf_used(&b), &a, NULL), 0);
	ck_assert_int_eq(a.kind, AUTH_REPLY_SWITCH);
	assert_str(a.plugin, "caching_sha2_password");
	assert_str(a.data, "abcdefghijklmnopqrst");
	buf_clear(&b);
	auth_more_build(&b, "\x03", 1);
	ck_assert_int_eq(auth_reply_parse(b.p, buf_used(&b), &a, NULL), 0);
	ck_assert_int_eq(a.kind, AUTH_REPLY_MORE);
	assert_str(a.data, "\x03");
	ck_assert_int_eq(auth_reply_parse((const uint8_t *)"\0\0\0\2\0\0\0", 7, &a, NULL), 0);
	ck_assert_int_eq(a.kind, AUTH_REPLY_OK);
	ck_assert_int_eq(auth_reply_parse((const uint8_t *)"\xff\x15\x04", 3, &a, NULL), 0);
	ck_assert_int_eq(a.kind, AUTH_REPLY_ERR);
	ck_assert_int_eq(auth_reply_parse((const uint8_t *)"\xfe", 1, &a, &err), ERR_UNSUPPORTED);
	ck_assert_int_eq(auth_reply_parse((const uint8_t *)"\x02", 1, &a, &err), ERR_UNSUPPORTED);
	ck_assert_int_eq(auth_reply_parse((const uint8_t *)"", 0, &a, &err), ERR_MALFORMED);
	ck_assert_int_eq(auth_reply_parse((const uint8_t *)"\xfexxx", 4, &a, &err), ERR_MALFORMED);
	ck_assert_int_eq(auth_reply_parse((const uint8_t *)"\xfb/etc", 5, &a, &err), ERR_MALFORMED);
	buf_free(&b);
}
END_TEST

static void add_tests(TCase *tc)
{
	tcase_add_test(tc, the_greeting_of_mariadb_is_read);
	tcase_add_test(tc, a_greeting_built_is_the_greeting_read_and_no_cut_of_it_is);
	tcase_add_test(tc, an_err_instead_of_a_greeting_is_the_servers_own);
	tcase_add_loop_test(tc, a_login_built_is_the_login_read, 0, 5);
	tcase_add_test(tc, bits_not_offered_are_cleared_but_decide_how_the_packet_is_read);
	tcase_add_test(tc, a_tls_request_is_told_from_a_login);
	tcase_add_test(tc, extended_bits_are_read_only_when_both_sides_speak_mariadb);
	tcase_add_test(tc, cut_logins_are_1043_or_optional_at_their_end);
	tcase_add_test(tc, old_clients_are_1251);
	tcase_add_loop_test(tc, hostile_lengths_of_auth_data_are_1043, 0, 10);
	tcase_add_test(tc, change_user_comes_back);
	tcase_add_test(tc, the_servers_side_of_a_login_is_told_apart);
}

int main(void)
{
	return run_tests("wire/greeting", add_tests);
}
