/* fuzz_handshake.c - what a client sends before it is known: framing, login, COM_CHANGE_USER, attributes.
 * Input: flags (bit 0: read as COM_CHANGE_USER; bit 1: the greeting was MariaDB's), then bytes of the stream.
 * Seeds in corpus/handshake. */
#include "keyway/wire/auth.h"
#include "keyway/wire/greeting.h"
#include "keyway/wire/packet.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static volatile size_t sink;

/* Every byte of a span must be readable. */
static void touch(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		sink += (uint8_t)s.p[i];
}

static void walk_attrs(struct str attrs)
{
	struct rd r = rd_make(attrs.p, attrs.n);
	struct str name, value;

	touch(attrs);
	while (connect_attr_next(&r, &name, &value) == 1) {
		touch(name);
		touch(value);
	}
}

/* What is read and built again must be read as the same. */
static void check_login(const struct packet *m, uint32_t server_caps)
{
	struct handshake_response h, again;
	struct buf b = { 0 };
	struct str pw;
	struct err err;

	if (handshake_response_parse(m->payload, m->n, server_caps, &h, &err) < 0) {
		if (err.errno_ != ER_HANDSHAKE_ERROR && err.errno_ != ER_NOT_SUPPORTED_AUTH_MODE)
			abort();
		return;
	}
	touch(h.user);
	touch(h.auth);
	touch(h.db);
	touch(h.plugin);
	walk_attrs(h.attrs);
	if (auth_clear_read(h.auth, &pw) == 0)
		touch(pw);
	if (h.caps & CLIENT_CONNECT_WITH_DB && !h.db.p)
		h.caps &= ~CLIENT_CONNECT_WITH_DB;
	if (h.auth.n > 255)
		h.caps |= CLIENT_PLUGIN_AUTH_LENENC_CLIENT_DATA;
	h.caps |= CLIENT_PROTOCOL_41 | CLIENT_SECURE_CONNECTION;
	handshake_response_build(&b, &h);
	if (handshake_response_parse(b.p, buf_used(&b), h.caps | (server_caps & CLIENT_LONG_PASSWORD), &again, NULL) <
		0)
		abort();
	if (again.ssl_request != h.ssl_request || !str_eq(again.user, h.user) || !str_eq(again.auth, h.auth))
		abort();
	if ((h.caps & CLIENT_CONNECT_WITH_DB) && !str_eq(again.db, h.db))
		abort();
	buf_free(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	uint32_t server_caps = UINT32_MAX;
	struct change_user c;
	struct packet m;
	uint8_t seq = 1;
	size_t need = 0;
	uint8_t *copy;

	if (n < 1)
		return 0;
	copy = malloc(n);
	memcpy(copy, p + 1, n - 1);
	if (p[0] & 2)
		server_caps &= ~CLIENT_LONG_PASSWORD;
	switch (packet_read(copy, n - 1, 1 << 20, &seq, &m, &need, NULL)) {
	case 0:
		if (need <= n - 1)
			abort();
		break;
	case 1:
		if (m.wire_bytes > n - 1)
			abort();
		if (!(p[0] & 1)) {
			check_login(&m, server_caps);
		} else if (change_user_parse(m.payload, m.n, server_caps, &c, NULL) == 0) {
			touch(c.user);
			touch(c.auth);
			touch(c.db);
			touch(c.plugin);
			walk_attrs(c.attrs);
		}
		break;
	default: break;
	}
	free(copy);
	return 0;
}
