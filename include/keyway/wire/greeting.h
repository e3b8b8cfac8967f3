/* wire/greeting.h - the packets of the login: bytes <-> structs. Parsers get a payload without its header; what they
 * fill points into it. Builders append payload to a buffer; put packet_begin()/packet_end() around. Parsers return 0
 * or a negative kind with @err filled for the peer. Pure, any thread. */
#ifndef KEYWAY_WIRE_GREETING_H
#define KEYWAY_WIRE_GREETING_H

#include "keyway/util/err.h"
#include "keyway/wire/bytes.h"
#include "keyway/wire/proto.h"

#define AUTH_SALT_BYTES 20
#define AUTH_SALT_MAX	64 /* longest salt taken from a server; ed25519 uses 32 */

struct greeting {
	struct str version; /* as on the wire, with a "5.5.5-" prefix if there is one */
	uint32_t conn_id;
	uint8_t salt[AUTH_SALT_MAX]; /* without the NUL that ends it on the wire */
	size_t salt_n;
	uint32_t caps;
	uint32_t ext_caps; /* MARIADB_EXT_*; 0 unless CLIENT_LONG_PASSWORD is clear */
	uint8_t charset;
	uint16_t status;
	struct str plugin; /* empty without CLIENT_PLUGIN_AUTH */
	bool mariadb;
};

/* A server may say ERR instead (1040, 1129, ...): ERR_BACKEND with its errno and text. */
MUST_CHECK int greeting_parse(const uint8_t *p, size_t n, struct greeting *out, struct err *err);
/* Writes the caps as they are; ext_caps only when CLIENT_LONG_PASSWORD is clear. salt_n must be AUTH_SALT_BYTES. */
void greeting_build(struct buf *b, const struct greeting *g);
/* The version without "5.5.5-". */
struct str greeting_version(const struct greeting *g);

struct handshake_response {
	bool ssl_request; /* only caps, ext_caps, max_packet and charset were sent: TLS starts now */
	uint32_t caps;
	uint32_t ext_caps;
	uint32_t max_packet;
	uint8_t charset;
	uint8_t zstd_level; /* 0 unless CLIENT_ZSTD_COMPRESSION_ALGORITHM */
	struct str user;
	struct str auth;   /* the plugin's first answer */
	struct str db;	   /* p == NULL: none was named */
	struct str plugin; /* p == NULL: none was named */
	struct str attrs;  /* the key and value strings, without the length before them */
};

/* @server_caps: what our greeting offered; bits that it did not offer are cleared in out->caps, but the packet is read
 * by the bits the client set. A client older than 4.1, or without CLIENT_SECURE_CONNECTION: 1251. Garbage: 1043.
 * A whole login that has CLIENT_SSL set is right only inside TLS: outside, the caller refuses it. */
MUST_CHECK int handshake_response_parse(
	const uint8_t *p, size_t n, uint32_t server_caps, struct handshake_response *out, struct err *err);
/* With ssl_request set, only the first 32 bytes. Bits CLIENT_CONNECT_WITH_DB, CLIENT_PLUGIN_AUTH, CLIENT_CONNECT_ATTRS
 * of caps decide what is written; auth longer than 255 needs CLIENT_PLUGIN_AUTH_LENENC_CLIENT_DATA. */
void handshake_response_build(struct buf *b, const struct handshake_response *h);

/* Walks connection attributes. Starts with rd_make(attrs.p, attrs.n). 1: one read, 0: end, -1: malformed. */
MUST_CHECK int connect_attr_next(struct rd *r, struct str *name, struct str *value);

struct change_user {
	struct str user, auth, db; /* db empty: none */
	bool has_charset;
	uint16_t charset;
	struct str plugin; /* p == NULL: none was named */
	struct str attrs;
};

/* @p starts with the COM_CHANGE_USER byte. @caps: those of the session. */
MUST_CHECK int change_user_parse(const uint8_t *p, size_t n, uint32_t caps, struct change_user *out, struct err *err);
void change_user_build(struct buf *b, uint32_t caps, const struct change_user *c);

/* What a server answers in the middle of a login; after it come more of them or an OK or ERR. */
enum auth_reply {
	AUTH_REPLY_OK,	   /* read it with ok_parse() */
	AUTH_REPLY_ERR,	   /* read it with err_packet_parse() */
	AUTH_REPLY_SWITCH, /* plugin and data (the salt, its ending NUL taken off) */
	AUTH_REPLY_MORE,   /* data, after the 0x01 */
};

struct auth_reply_packet {
	enum auth_reply kind;
	struct str plugin;
	struct str data;
};

/* Also for the answers to COM_CHANGE_USER. The old one-byte switch (to pre-4.1 passwords) and a next factor (0x02) are
 * ERR_UNSUPPORTED. */
MUST_CHECK int auth_reply_parse(const uint8_t *p, size_t n, struct auth_reply_packet *out, struct err *err);
/* Salt with the NUL behind it that clients expect. */
void auth_switch_build(struct buf *b, struct str plugin, const uint8_t *salt, size_t salt_n);
void auth_more_build(struct buf *b, const void *data, size_t n);

#endif
