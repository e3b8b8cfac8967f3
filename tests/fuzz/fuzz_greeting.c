/* fuzz_greeting.c - what a server sends before the login is over: greeting, AuthSwitchRequest, AuthMoreData, ERR, OK.
 * Input: which (0 greeting, 1 answer within a login, 2 OK with tracking, 3 column definition), then the payload.
 * Seeds in corpus/greeting. */
#include "keyway/wire/auth.h"
#include "keyway/wire/greeting.h"
#include "keyway/wire/reply.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static volatile size_t sink;

/* Every byte of a span must be readable. */
static void touch(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		sink += (uint8_t)s.p[i];
}

static void check_greeting(const uint8_t *p, size_t n)
{
	struct greeting g, again;
	struct buf b = { 0 };
	struct err err = { .errno_ = 0 };

	if (greeting_parse(p, n, &g, &err) < 0) {
		if (!err.errno_ || err.errno_ == ER_UNKNOWN_ERROR_NEVER_SENT || err.errno_ / 1000 == 2)
			abort();
		return;
	}
	touch(g.version);
	touch(g.plugin);
	if (g.salt_n < AUTH_SALT_BYTES || g.salt_n > AUTH_SALT_MAX)
		abort();
	if (g.salt_n != AUTH_SALT_BYTES)
		return;
	greeting_build(&b, &g);
	if (greeting_parse(b.p, buf_used(&b), &again, NULL) < 0 || !str_eq(again.version, g.version))
		abort();
	if (again.caps != g.caps || again.conn_id != g.conn_id || again.ext_caps != g.ext_caps)
		abort();
	buf_free(&b);
}

static void check_auth_reply(const uint8_t *p, size_t n)
{
	struct auth_reply_packet a;
	struct err_packet e;
	struct buf b = { 0 };
	struct err err;

	if (auth_reply_parse(p, n, &a, &err) < 0)
		return;
	touch(a.plugin);
	touch(a.data);
	if (a.kind == AUTH_REPLY_ERR && err_packet_parse(p, n, &e) == 0) {
		touch(e.msg);
		err_from_packet(&err, &e);
	}
	if (a.kind == AUTH_REPLY_MORE && a.data.n && a.data.p[0] == '-' &&
		rsa_encrypt_password(a.data, STR("pw"), (const uint8_t *)"01234567890123456789", &b) == 0)
		sink += buf_used(&b);
	buf_free(&b);
}

static void check_ok(const uint8_t *p, size_t n)
{
	const uint32_t caps = CLIENT_SESSION_TRACK | CLIENT_DEPRECATE_EOF;
	struct ok_packet ok, again;
	struct track_entry e;
	struct track_iter it;
	struct buf b = { 0 };
	int rc;

	if (ok_parse(p, n, caps, &ok) < 0)
		return;
	touch(ok.info);
	it = track_begin(ok.track);
	while ((rc = track_next(&it, &e)) == 1) {
		touch(e.name);
		touch(e.value);
	}
	if (track_next(&it, &e) != rc)
		abort();
	ok_build(&b, caps, &ok);
	if (ok_parse(b.p, buf_used(&b), caps, &again) < 0 || !str_eq(again.info, ok.info) ||
		!str_eq(again.track, ok.track))
		abort();
	if (again.affected != ok.affected || again.insert_id != ok.insert_id || again.warnings != ok.warnings)
		abort();
	buf_free(&b);
}

static void check_column(const uint8_t *p, size_t n)
{
	struct column_def c, again;
	struct buf b = { 0 };

	if (column_parse(p, n, true, &c) < 0)
		return;
	touch(c.catalog);
	touch(c.default_value);
	column_build(&b, &c);
	if (column_parse(b.p, buf_used(&b), true, &again) < 0 || !str_eq(again.name, c.name))
		abort();
	if (!str_eq(again.default_value, c.default_value) || again.type != c.type || again.flags != c.flags)
		abort();
	buf_free(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static void (*const checks[])(
		const uint8_t *, size_t) = { check_greeting, check_auth_reply, check_ok, check_column };

	if (n)
		checks[p[0] % 4](p + 1, n - 1);
	return 0;
}
