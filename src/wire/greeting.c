/* greeting.c - the packets of the login.
 * For the front (server role) and the backend (client role).
 * Pure, any thread. */
#include "keyway/wire/greeting.h"
#include "keyway/wire/reply.h"
#include <assert.h>

#define SALT_PART1     8
#define SALT_PART2_MIN 13
#define LOGIN_FIXED    32 /* caps, max_packet, charset, 23 of filler */

static int malformed(struct err *err, const char *what)
{
	return err_set(err, ERR_MALFORMED, ER_MALFORMED_PACKET, "Malformed communication packet: %s", what);
}

static int err_of_server(const uint8_t *p, size_t n, struct err *err)
{
	struct err_packet e;

	if (err_packet_parse(p, n, &e) < 0)
		return malformed(err, "the server's ERR instead of a greeting");
	return err_from_packet(err, &e);
}

int greeting_parse(const uint8_t *p, size_t n, struct greeting *out, struct err *err)
{
	struct rd r = rd_make(p, n);
	uint8_t protocol, reserved[10] = { 0 };
	const uint8_t *part;
	size_t salt_n, part2_n;

	memset(out, 0, sizeof(*out));
	if (n && p[0] == 0xff)
		return err_of_server(p, n, err);
	protocol = rd_u8(&r);
	if (!r.bad && protocol != 10)
		return err_set(err, ERR_UNSUPPORTED, ER_HANDSHAKE_ERROR,
			"Bad handshake: the server speaks protocol version %u, 10 is needed", protocol);
	out->version = rd_zstr(&r);
	out->conn_id = rd_u32(&r);
	part = rd_take(&r, SALT_PART1);
	if (part)
		memcpy(out->salt, part, SALT_PART1);
	rd_u8(&r);
	out->caps = rd_u16(&r);
	out->charset = rd_u8(&r);
	out->status = rd_u16(&r);
	out->caps |= (uint32_t)rd_u16(&r) << 16;
	salt_n = rd_u8(&r);
	part = rd_take(&r, sizeof(reserved));
	if (part)
		memcpy(reserved, part, sizeof(reserved));
	if (r.bad)
		return malformed(err, "the server's greeting is too short");
	if (!(out->caps & CLIENT_PROTOCOL_41) || !(out->caps & CLIENT_SECURE_CONNECTION))
		return err_set(
			err, ERR_UNSUPPORTED, ER_HANDSHAKE_ERROR, "Bad handshake: the server is older than MySQL 4.1");
	out->mariadb = !(out->caps & CLIENT_LONG_PASSWORD);
	if (out->mariadb)
		out->ext_caps = get_u32(reserved + 6);
	part2_n = salt_n > SALT_PART1 + SALT_PART2_MIN ? salt_n - SALT_PART1 : SALT_PART2_MIN;
	part = rd_take(&r, part2_n);
	if (!part)
		return malformed(err, "the salt of the server's greeting is too short");
	if (part[part2_n - 1] == 0)
		part2_n--;
	if (part2_n > AUTH_SALT_MAX - SALT_PART1 || part2_n < AUTH_SALT_BYTES - SALT_PART1)
		return malformed(err, "the salt of the server's greeting has a wrong length");
	memcpy(out->salt + SALT_PART1, part, part2_n);
	out->salt_n = SALT_PART1 + part2_n;
	out->plugin = out->caps & CLIENT_PLUGIN_AUTH ? rd_zstr_or_rest(&r) : STR("");
	return 0;
}

void greeting_build(struct buf *b, const struct greeting *g)
{
	bool ext = !(g->caps & CLIENT_LONG_PASSWORD);

	assert(g->salt_n == AUTH_SALT_BYTES);
	wr_u8(b, 10);
	wr_zstr(b, g->version);
	wr_u32(b, g->conn_id);
	buf_add(b, g->salt, SALT_PART1);
	wr_u8(b, 0);
	wr_u16(b, (uint16_t)g->caps);
	wr_u8(b, g->charset);
	wr_u16(b, g->status);
	wr_u16(b, (uint16_t)(g->caps >> 16));
	wr_u8(b, g->caps & CLIENT_PLUGIN_AUTH ? AUTH_SALT_BYTES + 1 : 0);
	wr_zeros(b, 6);
	wr_u32(b, ext ? g->ext_caps : 0);
	buf_add(b, g->salt + SALT_PART1, AUTH_SALT_BYTES - SALT_PART1);
	wr_u8(b, 0);
	if (g->caps & CLIENT_PLUGIN_AUTH)
		wr_zstr(b, g->plugin);
}

struct str greeting_version(const struct greeting *g)
{
	struct str prefix = STR("5.5.5-");

	if (!str_starts(g->version, prefix))
		return g->version;
	return str_make(g->version.p + prefix.n, g->version.n - prefix.n);
}

static int bad_handshake(struct err *err, const char *what)
{
	return err_set(err, ERR_MALFORMED, ER_HANDSHAKE_ERROR, "Bad handshake: %s", what);
}

static int old_client(struct err *err)
{
	return err_set(err, ERR_UNSUPPORTED, ER_NOT_SUPPORTED_AUTH_MODE,
		"Client does not support authentication protocol requested by server; consider upgrading MySQL client");
}

int handshake_response_parse(
	const uint8_t *p, size_t n, uint32_t server_caps, struct handshake_response *out, struct err *err)
{
	struct rd r = rd_make(p, n);
	const uint8_t *filler;
	uint32_t caps;

	memset(out, 0, sizeof(*out));
	if (n < 2)
		return bad_handshake(err, "the login packet is too short");
	if (!(get_u16(p) & CLIENT_PROTOCOL_41))
		return old_client(err);
	caps = rd_u32(&r);
	out->max_packet = rd_u32(&r);
	out->charset = rd_u8(&r);
	filler = rd_take(&r, 23);
	if (!filler)
		return bad_handshake(err, "the login packet is too short");
	out->caps = caps & server_caps;
	if (!(caps & CLIENT_LONG_PASSWORD) && !(server_caps & CLIENT_LONG_PASSWORD))
		out->ext_caps = get_u32(filler + 19);
	if (n == LOGIN_FIXED && (caps & CLIENT_SSL)) {
		if (!(server_caps & CLIENT_SSL))
			return bad_handshake(err, "TLS was asked for and is not offered here");
		out->ssl_request = true;
		return 0;
	}
	if (!(caps & CLIENT_SECURE_CONNECTION))
		return old_client(err);
	out->user = rd_zstr(&r);
	if (caps & CLIENT_PLUGIN_AUTH_LENENC_CLIENT_DATA)
		out->auth = rd_lenenc_str(&r);
	else
		out->auth = rd_bytes(&r, rd_u8(&r));
	if (r.bad)
		return bad_handshake(err, "the user name or the authentication data is cut");
	/* what follows is optional at its end: drivers leave out what they do not use */
	if ((caps & CLIENT_CONNECT_WITH_DB) && rd_left(&r))
		out->db = rd_zstr_or_rest(&r);
	if (!out->db.n)
		out->db.p = NULL;
	if ((caps & CLIENT_PLUGIN_AUTH) && rd_left(&r))
		out->plugin = rd_zstr_or_rest(&r);
	if ((caps & CLIENT_CONNECT_ATTRS) && rd_left(&r))
		out->attrs = rd_lenenc_str(&r);
	if ((caps & CLIENT_ZSTD_COMPRESSION_ALGORITHM) && rd_left(&r))
		out->zstd_level = rd_u8(&r);
	if (r.bad)
		return bad_handshake(err, "the connection attributes are cut");
	return 0;
}

void handshake_response_build(struct buf *b, const struct handshake_response *h)
{
	wr_u32(b, h->caps);
	wr_u32(b, h->max_packet);
	wr_u8(b, h->charset);
	wr_zeros(b, 19);
	wr_u32(b, h->caps & CLIENT_LONG_PASSWORD ? 0 : h->ext_caps);
	if (h->ssl_request)
		return;
	wr_zstr(b, h->user);
	if (h->caps & CLIENT_PLUGIN_AUTH_LENENC_CLIENT_DATA) {
		wr_lenenc_str(b, h->auth);
	} else {
		assert(h->auth.n <= 255);
		wr_u8(b, (uint8_t)h->auth.n);
		buf_add_str(b, h->auth);
	}
	if (h->caps & CLIENT_CONNECT_WITH_DB)
		wr_zstr(b, h->db);
	if (h->caps & CLIENT_PLUGIN_AUTH)
		wr_zstr(b, h->plugin);
	if (h->caps & CLIENT_CONNECT_ATTRS)
		wr_lenenc_str(b, h->attrs);
	if (h->caps & CLIENT_ZSTD_COMPRESSION_ALGORITHM)
		wr_u8(b, h->zstd_level);
}

int connect_attr_next(struct rd *r, struct str *name, struct str *value)
{
	if (!rd_left(r))
		return r->bad ? -1 : 0;
	*name = rd_lenenc_str(r);
	*value = rd_lenenc_str(r);
	return r->bad ? -1 : 1;
}

int change_user_parse(const uint8_t *p, size_t n, uint32_t caps, struct change_user *out, struct err *err)
{
	struct rd r = rd_make(p, n);

	memset(out, 0, sizeof(*out));
	rd_u8(&r);
	out->user = rd_zstr(&r);
	out->auth = rd_bytes(&r, rd_u8(&r));
	if (r.bad)
		return malformed(err, "COM_CHANGE_USER is cut");
	if (rd_left(&r))
		out->db = rd_zstr_or_rest(&r);
	if (rd_left(&r) >= 2) {
		out->has_charset = true;
		out->charset = rd_u16(&r);
	}
	if ((caps & CLIENT_PLUGIN_AUTH) && rd_left(&r))
		out->plugin = rd_zstr_or_rest(&r);
	if ((caps & CLIENT_CONNECT_ATTRS) && rd_left(&r))
		out->attrs = rd_lenenc_str(&r);
	if (r.bad)
		return malformed(err, "the connection attributes of COM_CHANGE_USER are cut");
	return 0;
}

void change_user_build(struct buf *b, uint32_t caps, const struct change_user *c)
{
	assert(c->auth.n <= 255);
	wr_u8(b, COM_CHANGE_USER);
	wr_zstr(b, c->user);
	wr_u8(b, (uint8_t)c->auth.n);
	buf_add_str(b, c->auth);
	wr_zstr(b, c->db);
	wr_u16(b, c->charset);
	if (caps & CLIENT_PLUGIN_AUTH)
		wr_zstr(b, c->plugin);
	if (caps & CLIENT_CONNECT_ATTRS)
		wr_lenenc_str(b, c->attrs);
}

int auth_reply_parse(const uint8_t *p, size_t n, struct auth_reply_packet *out, struct err *err)
{
	struct rd r = rd_make(p, n);

	memset(out, 0, sizeof(*out));
	if (!n)
		return malformed(err, "an empty packet within the login");
	switch (rd_u8(&r)) {
	case 0x00: out->kind = AUTH_REPLY_OK; return 0;
	case 0xff: out->kind = AUTH_REPLY_ERR; return 0;
	case 0x01:
		out->kind = AUTH_REPLY_MORE;
		out->data = rd_rest(&r);
		return 0;
	case 0xfe:
		if (n == 1)
			return err_set(err, ERR_UNSUPPORTED, ER_NOT_SUPPORTED_AUTH_MODE,
				"The server wants a password of before MySQL 4.1 for this account, which is not "
				"secure: "
				"change the account's plugin");
		out->kind = AUTH_REPLY_SWITCH;
		out->plugin = rd_zstr(&r);
		if (r.bad)
			return malformed(err, "the server's AuthSwitchRequest is cut");
		out->data = rd_rest(&r);
		if (out->data.n && out->data.p[out->data.n - 1] == 0)
			out->data.n--;
		return 0;
	case 0x02:
		return err_set(err, ERR_UNSUPPORTED, ER_NOT_SUPPORTED_AUTH_MODE,
			"The server wants a second factor for this account, which is not supported: use an account "
			"with one");
	default: return malformed(err, "a packet of unknown kind within the login");
	}
}

void auth_switch_build(struct buf *b, struct str plugin, const uint8_t *salt, size_t salt_n)
{
	wr_u8(b, 0xfe);
	wr_zstr(b, plugin);
	buf_add(b, salt, salt_n);
	wr_u8(b, 0);
}

void auth_more_build(struct buf *b, const void *data, size_t n)
{
	wr_u8(b, 0x01);
	buf_add(b, data, n);
}
