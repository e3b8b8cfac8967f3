/* wire/auth.h - the mathematics of mysql_native_password, caching_sha2_password and mysql_clear_password, for both
 * roles. Compares take constant time; secrets in temporaries are wiped. Functions that say MUST_CHECK can fail when
 * libcrypto does. Pure (random numbers come from libcrypto), any thread. */
#ifndef KEYWAY_WIRE_AUTH_H
#define KEYWAY_WIRE_AUTH_H

#include "keyway/util/buf.h"
#include "keyway/util/err.h"

#define AUTH_NATIVE_BYTES 20
#define AUTH_SHA2_BYTES	  32
#define AUTH_NATIVE_TEXT  41  /* '*' and 40 hex digits */
#define AUTH_SHA2_TEXT	  70  /* "$A$005$", 20 of salt, 43 of digest */
#define AUTH_PASSWORD_MAX 255 /* longest password taken, bytes */

#define AUTH_PLUGIN_NATIVE "mysql_native_password"
#define AUTH_PLUGIN_SHA2   "caching_sha2_password"
#define AUTH_PLUGIN_CLEAR  "mysql_clear_password"

/* second bytes of caching_sha2_password's conversation */
#define AUTH_SHA2_REQUEST_KEY 0x02
#define AUTH_SHA2_FAST_OK     0x03
#define AUTH_SHA2_FULL	      0x04

/* 20 random bytes 1..127 without '$', as a greeting's salt. -1 when there is no randomness. */
MUST_CHECK int auth_salt(uint8_t salt[20]);
bool auth_equal(const void *a, const void *b, size_t n);
void auth_wipe(void *p, size_t n);
/* Wipes all of the block, then frees it: for buffers that held a secret. */
void auth_wipe_buf(struct buf *b);

/* mysql_native_password. A password of no bytes has an empty answer: callers treat it before. */
MUST_CHECK int auth_native_scramble(struct str password, const uint8_t salt[20], uint8_t out[AUTH_NATIVE_BYTES]);
/* SHA1(SHA1(password)). */
MUST_CHECK int auth_native_verifier(struct str password, uint8_t out[AUTH_NATIVE_BYTES]);
/* Whether @response (as sent, any length) belongs to the verifier. */
bool auth_native_check(const uint8_t verifier[AUTH_NATIVE_BYTES], const uint8_t salt[20], struct str response);
/* Whether the clear @password belongs to the verifier. */
bool auth_native_check_clear(const uint8_t verifier[AUTH_NATIVE_BYTES], struct str password);
/* "*94BD..." ; NUL-terminated. */
void auth_native_print(const uint8_t verifier[AUTH_NATIVE_BYTES], char out[AUTH_NATIVE_TEXT + 1]);
MUST_CHECK int auth_native_read(struct str text, uint8_t verifier[AUTH_NATIVE_BYTES]);

/* caching_sha2_password, fast path. */
MUST_CHECK int auth_sha2_scramble(struct str password, const uint8_t salt[20], uint8_t out[AUTH_SHA2_BYTES]);
/* SHA256(SHA256(password)): what a server caches after a full login. */
MUST_CHECK int auth_sha2_fast_verifier(struct str password, uint8_t out[AUTH_SHA2_BYTES]);
bool auth_sha2_check(const uint8_t fast_verifier[AUTH_SHA2_BYTES], const uint8_t salt[20], struct str response);

/* The stored form "$A$005$<20 salt><43 digest>", as mysql.user has it. @salt: of auth_salt() (printable by choice of
 * auth_sha2_text_salt()). Costs 5000 rounds of SHA256: about a millisecond. Verifiers of 1000 to 4095000 rounds are
 * read. */
MUST_CHECK int auth_sha2_text_salt(uint8_t salt[20]);
MUST_CHECK int auth_sha2_make_text(struct str password, const uint8_t salt[20], char out[AUTH_SHA2_TEXT + 1]);
/* 0 and *@match; -1 when @text is no verifier or libcrypto failed. */
MUST_CHECK int auth_sha2_check_text(struct str text, struct str password, bool *match);
/* Whether @text has the form of a verifier. */
bool auth_sha2_text_valid(struct str text);

/* The RSA key that clients without TLS encrypt their password to. */
struct rsa_key;
struct rsa_key *rsa_key_generate(unsigned bits); /* NULL when libcrypto fails; 2048 bits take a tenth of a second */
struct rsa_key *rsa_key_load(struct str private_pem); /* NULL when it is no RSA key */
void rsa_key_free(struct rsa_key *k);
struct str rsa_key_public_pem(const struct rsa_key *k); /* lives as long as the key; starts with -----BEGIN */
/* Password of a client: decrypts (OAEP), undoes the salt, demands and takes off the ending NUL. @out has room for
 * AUTH_PASSWORD_MAX + 1; the caller wipes it. */
MUST_CHECK int rsa_decrypt_password(const struct rsa_key *k, struct str cipher, const uint8_t salt[20],
	char out[AUTH_PASSWORD_MAX + 1], size_t *out_n);
/* The client's side: password and NUL, salted, encrypted to the server's public key. Appends. */
MUST_CHECK int rsa_encrypt_password(
	struct str public_pem, struct str password, const uint8_t salt[20], struct buf *out);

/* The answer of mysql_clear_password, and of caching_sha2_password over TLS: password and NUL. */
void auth_clear_build(struct buf *b, struct str password);
/* Reads it; the ending NUL is demanded. Points into @response. */
MUST_CHECK int auth_clear_read(struct str response, struct str *password);

#endif
