/* auth.c - the hashes of mysql_native_password and caching_sha2_password.
 * For the front, which checks answers, and the backend, which gives them.
 * Pure, any thread. */
#include "keyway/wire/auth.h"
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#define SALT_BYTES 20

struct span {
	const void *p;
	size_t n;
};

/* The digest of up to three spans one after the other. */
static int digest(const EVP_MD *md, const struct span *spans, unsigned n_spans, uint8_t *out)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	int ok = ctx && EVP_DigestInit_ex(ctx, md, NULL);

	for (unsigned i = 0; ok && i < n_spans; i++)
		ok = EVP_DigestUpdate(ctx, spans[i].p, spans[i].n);
	ok = ok && EVP_DigestFinal_ex(ctx, out, NULL);
	EVP_MD_CTX_free(ctx);
	return ok ? 0 : -1;
}

static int digest1(const EVP_MD *md, const void *p, size_t n, uint8_t *out)
{
	return digest(md, &(struct span){ p, n }, 1, out);
}

static int digest2(const EVP_MD *md, const void *a, size_t a_n, const void *b, size_t b_n, uint8_t *out)
{
	struct span spans[] = { { a, a_n }, { b, b_n } };

	return digest(md, spans, 2, out);
}

bool auth_equal(const void *a, const void *b, size_t n)
{
	return CRYPTO_memcmp(a, b, n) == 0;
}

void auth_wipe(void *p, size_t n)
{
	OPENSSL_cleanse(p, n);
}

void auth_wipe_buf(struct buf *b)
{
	if (b->p)
		OPENSSL_cleanse(b->p, b->cap);
	buf_free(b);
}

static int salt_of(uint8_t salt[SALT_BYTES], uint8_t first, uint8_t last)
{
	uint8_t pool[64];
	size_t have = 0, at = sizeof(pool);

	while (have < SALT_BYTES) {
		uint8_t c;

		if (at == sizeof(pool)) {
			if (RAND_bytes(pool, sizeof(pool)) != 1)
				return -1;
			at = 0;
		}
		c = pool[at++] & 0x7f;
		if (c >= first && c <= last && c != '$')
			salt[have++] = c;
	}
	return 0;
}

int auth_salt(uint8_t salt[SALT_BYTES])
{
	return salt_of(salt, 1, 127);
}

int auth_sha2_text_salt(uint8_t salt[SALT_BYTES])
{
	int rc = salt_of(salt, '!', '~');

	/* the text goes into files where these would need escapes */
	for (int i = 0; i < SALT_BYTES; i++) {
		if (salt[i] == '"' || salt[i] == '\\' || salt[i] == '\'')
			salt[i] = '.';
	}
	return rc;
}

static void xor_bytes(uint8_t *to, const uint8_t *with, size_t n)
{
	for (size_t i = 0; i < n; i++)
		to[i] ^= with[i];
}

/* native: H(pw) ^ H(salt, H(H(pw))). sha2: H(pw) ^ H(H(H(pw)), salt). */
static int scramble(const EVP_MD *md, size_t n, bool salt_first, struct str password, const uint8_t *salt, uint8_t *out)
{
	uint8_t stage2[EVP_MAX_MD_SIZE], mask[EVP_MAX_MD_SIZE];
	int rc = digest1(md, password.p, password.n, out);

	if (rc == 0)
		rc = digest1(md, out, n, stage2);
	if (rc == 0)
		rc = salt_first ? digest2(md, salt, SALT_BYTES, stage2, n, mask)
				: digest2(md, stage2, n, salt, SALT_BYTES, mask);
	if (rc == 0)
		xor_bytes(out, mask, n);
	else
		OPENSSL_cleanse(out, n);
	OPENSSL_cleanse(stage2, sizeof(stage2));
	return rc;
}

static int double_digest(const EVP_MD *md, size_t n, struct str password, uint8_t *out)
{
	uint8_t stage1[EVP_MAX_MD_SIZE];
	int rc = digest1(md, password.p, password.n, stage1);

	if (rc == 0)
		rc = digest1(md, stage1, n, out);
	OPENSSL_cleanse(stage1, sizeof(stage1));
	return rc;
}

static bool check(
	const EVP_MD *md, size_t n, bool salt_first, const uint8_t *verifier, const uint8_t *salt, struct str response)
{
	uint8_t stage1[EVP_MAX_MD_SIZE], stage2[EVP_MAX_MD_SIZE];
	bool match = false;
	int rc;

	if (response.n != n)
		return false;
	rc = salt_first ? digest2(md, salt, SALT_BYTES, verifier, n, stage1)
			: digest2(md, verifier, n, salt, SALT_BYTES, stage1);
	if (rc == 0) {
		xor_bytes(stage1, (const uint8_t *)response.p, n);
		rc = digest1(md, stage1, n, stage2);
	}
	if (rc == 0)
		match = auth_equal(stage2, verifier, n);
	OPENSSL_cleanse(stage1, sizeof(stage1));
	return match;
}

int auth_native_scramble(struct str password, const uint8_t salt[SALT_BYTES], uint8_t out[AUTH_NATIVE_BYTES])
{
	return scramble(EVP_sha1(), AUTH_NATIVE_BYTES, true, password, salt, out);
}

int auth_native_verifier(struct str password, uint8_t out[AUTH_NATIVE_BYTES])
{
	return double_digest(EVP_sha1(), AUTH_NATIVE_BYTES, password, out);
}

bool auth_native_check(const uint8_t verifier[AUTH_NATIVE_BYTES], const uint8_t salt[SALT_BYTES], struct str response)
{
	return check(EVP_sha1(), AUTH_NATIVE_BYTES, true, verifier, salt, response);
}

bool auth_native_check_clear(const uint8_t verifier[AUTH_NATIVE_BYTES], struct str password)
{
	uint8_t own[AUTH_NATIVE_BYTES];

	return auth_native_verifier(password, own) == 0 && auth_equal(own, verifier, sizeof(own));
}

void auth_native_print(const uint8_t verifier[AUTH_NATIVE_BYTES], char out[AUTH_NATIVE_TEXT + 1])
{
	static const char digits[] = "0123456789ABCDEF";

	*out++ = '*';
	for (int i = 0; i < AUTH_NATIVE_BYTES; i++) {
		*out++ = digits[verifier[i] >> 4];
		*out++ = digits[verifier[i] & 15];
	}
	*out = '\0';
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

int auth_native_read(struct str text, uint8_t verifier[AUTH_NATIVE_BYTES])
{
	if (text.n != AUTH_NATIVE_TEXT || text.p[0] != '*')
		return -1;
	for (int i = 0; i < AUTH_NATIVE_BYTES; i++) {
		int hi = hex_digit(text.p[1 + 2 * i]), lo = hex_digit(text.p[2 + 2 * i]);

		if (hi < 0 || lo < 0)
			return -1;
		verifier[i] = (uint8_t)(hi << 4 | lo);
	}
	return 0;
}

int auth_sha2_scramble(struct str password, const uint8_t salt[SALT_BYTES], uint8_t out[AUTH_SHA2_BYTES])
{
	return scramble(EVP_sha256(), AUTH_SHA2_BYTES, false, password, salt, out);
}

int auth_sha2_fast_verifier(struct str password, uint8_t out[AUTH_SHA2_BYTES])
{
	return double_digest(EVP_sha256(), AUTH_SHA2_BYTES, password, out);
}

bool auth_sha2_check(const uint8_t fast_verifier[AUTH_SHA2_BYTES], const uint8_t salt[SALT_BYTES], struct str response)
{
	return check(EVP_sha256(), AUTH_SHA2_BYTES, false, fast_verifier, salt, response);
}

void auth_clear_build(struct buf *b, struct str password)
{
	buf_add_str(b, password);
	buf_add_u8(b, 0);
}

int auth_clear_read(struct str response, struct str *password)
{
	if (!response.n || response.n > AUTH_PASSWORD_MAX + 1 || response.p[response.n - 1] != '\0')
		return -1;
	*password = str_make(response.p, response.n - 1);
	return memchr(password->p, 0, password->n) ? -1 : 0;
}
