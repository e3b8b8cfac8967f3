/* sha256crypt.c - the stored form of caching_sha2_password: the "SHA-crypt" scheme (U. Drepper, 2007) over SHA256 with
 * MySQL's 20 bytes of salt. For checking logins with a clear password and for making verifiers.
 * Pure, any thread; a check takes about a millisecond. */
#include "keyway/wire/auth.h"
#include <openssl/crypto.h>
#include <openssl/evp.h>

#define SALT_BYTES   20
#define HASH_BYTES   32
#define DIGEST_CHARS 43
#define PREFIX	     "$A$005$"
#define PREFIX_CHARS 7
#define ROUNDS_UNIT  1000
#define ROUNDS_MADE  5000

/* One digest after another with one EVP context; the first failure sticks. */
struct hasher {
	EVP_MD_CTX *ctx;
	bool failed;
};

static void hash_start(struct hasher *h)
{
	h->failed |= !EVP_DigestInit_ex(h->ctx, NULL, NULL);
}

static void hash_add(struct hasher *h, const void *p, size_t n)
{
	h->failed |= !EVP_DigestUpdate(h->ctx, p, n);
}

static void hash_end(struct hasher *h, uint8_t out[HASH_BYTES])
{
	h->failed |= !EVP_DigestFinal_ex(h->ctx, out, NULL);
}

/* @n bytes made by repeating the hash */
static void hash_add_cycle(struct hasher *h, const uint8_t hash[HASH_BYTES], size_t n)
{
	for (; n > HASH_BYTES; n -= HASH_BYTES)
		hash_add(h, hash, HASH_BYTES);
	hash_add(h, hash, n);
}

static void fill_cycle(uint8_t *to, size_t n, const uint8_t hash[HASH_BYTES])
{
	for (size_t i = 0; i < n; i++)
		to[i] = hash[i % HASH_BYTES];
}

/* The digest that the rounds begin with. */
static void first_digest(struct hasher *h, struct str pw, const uint8_t *salt, uint8_t out[HASH_BYTES])
{
	uint8_t alt[HASH_BYTES];

	hash_start(h);
	hash_add(h, pw.p, pw.n);
	hash_add(h, salt, SALT_BYTES);
	hash_add(h, pw.p, pw.n);
	hash_end(h, alt);

	hash_start(h);
	hash_add(h, pw.p, pw.n);
	hash_add(h, salt, SALT_BYTES);
	hash_add_cycle(h, alt, pw.n);
	for (size_t bits = pw.n; bits; bits >>= 1) {
		if (bits & 1)
			hash_add(h, alt, HASH_BYTES);
		else
			hash_add(h, pw.p, pw.n);
	}
	hash_end(h, out);
	OPENSSL_cleanse(alt, sizeof(alt));
}

static void run_rounds(struct hasher *h, unsigned rounds, struct str pw, const uint8_t *salt, uint8_t hash[HASH_BYTES])
{
	uint8_t long_pw[AUTH_PASSWORD_MAX], long_salt[SALT_BYTES], tmp[HASH_BYTES];

	hash_start(h);
	for (size_t i = 0; i < pw.n; i++)
		hash_add(h, pw.p, pw.n);
	hash_end(h, tmp);
	fill_cycle(long_pw, pw.n, tmp);

	hash_start(h);
	for (unsigned i = 0; i < 16u + hash[0]; i++)
		hash_add(h, salt, SALT_BYTES);
	hash_end(h, tmp);
	fill_cycle(long_salt, SALT_BYTES, tmp);

	for (unsigned i = 0; i < rounds && !h->failed; i++) {
		hash_start(h);
		if (i & 1)
			hash_add(h, long_pw, pw.n);
		else
			hash_add(h, hash, HASH_BYTES);
		if (i % 3)
			hash_add(h, long_salt, SALT_BYTES);
		if (i % 7)
			hash_add(h, long_pw, pw.n);
		if (i & 1)
			hash_add(h, hash, HASH_BYTES);
		else
			hash_add(h, long_pw, pw.n);
		hash_end(h, hash);
	}
	OPENSSL_cleanse(long_pw, sizeof(long_pw));
	OPENSSL_cleanse(tmp, sizeof(tmp));
}

/* crypt(3)'s base 64 over its own order of the bytes: three at a time, each of a third of the hash. */
static void print_digest(const uint8_t hash[HASH_BYTES], char out[DIGEST_CHARS])
{
	static const char digits[] = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
	static const uint8_t order[10][3] = { { 0, 10, 20 }, { 21, 1, 11 }, { 12, 22, 2 }, { 3, 13, 23 }, { 24, 4, 14 },
		{ 15, 25, 5 }, { 6, 16, 26 }, { 27, 7, 17 }, { 18, 28, 8 }, { 9, 19, 29 } };
	uint32_t v;

	for (int i = 0; i < 10; i++) {
		v = (uint32_t)hash[order[i][0]] << 16 | (uint32_t)hash[order[i][1]] << 8 | hash[order[i][2]];
		for (int j = 0; j < 4; j++, v >>= 6)
			*out++ = digits[v & 63];
	}
	v = (uint32_t)hash[31] << 8 | hash[30];
	for (int j = 0; j < 3; j++, v >>= 6)
		*out++ = digits[v & 63];
}

static int sha256_crypt(struct str pw, const uint8_t salt[SALT_BYTES], unsigned rounds, char out[DIGEST_CHARS])
{
	struct hasher h = { .ctx = EVP_MD_CTX_new() };
	uint8_t hash[HASH_BYTES] = { 0 };

	if (!h.ctx)
		return -1;
	h.failed = pw.n > AUTH_PASSWORD_MAX || !EVP_DigestInit_ex(h.ctx, EVP_sha256(), NULL);
	if (!h.failed)
		first_digest(&h, pw, salt, hash);
	if (!h.failed)
		run_rounds(&h, rounds, pw, salt, hash);
	if (!h.failed)
		print_digest(hash, out);
	EVP_MD_CTX_free(h.ctx);
	OPENSSL_cleanse(hash, sizeof(hash));
	return h.failed ? -1 : 0;
}

/* The three hex digits behind "$A$" count thousands of rounds. 0: not a verifier. */
static unsigned text_rounds(struct str text)
{
	unsigned units = 0;

	if (text.n != AUTH_SHA2_TEXT || memcmp(text.p, "$A$", 3) != 0 || text.p[PREFIX_CHARS - 1] != '$')
		return 0;
	for (int i = 3; i < PREFIX_CHARS - 1; i++) {
		char c = text.p[i];

		if (c >= '0' && c <= '9')
			units = units * 16 + (unsigned)(c - '0');
		else if (c >= 'A' && c <= 'F')
			units = units * 16 + (unsigned)(c - 'A') + 10;
		else
			return 0;
	}
	return units * ROUNDS_UNIT;
}

bool auth_sha2_text_valid(struct str text)
{
	if (!text_rounds(text))
		return false;
	for (size_t i = PREFIX_CHARS + SALT_BYTES; i < text.n; i++) {
		char c = text.p[i];
		bool alnum = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');

		if (!alnum && c != '.' && c != '/')
			return false;
	}
	return true;
}

int auth_sha2_make_text(struct str password, const uint8_t salt[SALT_BYTES], char out[AUTH_SHA2_TEXT + 1])
{
	memcpy(out, PREFIX, PREFIX_CHARS);
	memcpy(out + PREFIX_CHARS, salt, SALT_BYTES);
	out[AUTH_SHA2_TEXT] = '\0';
	return sha256_crypt(password, salt, ROUNDS_MADE, out + PREFIX_CHARS + SALT_BYTES);
}

int auth_sha2_check_text(struct str text, struct str password, bool *match)
{
	const uint8_t *salt = (const uint8_t *)text.p + PREFIX_CHARS;
	char own[DIGEST_CHARS];

	*match = false;
	if (!auth_sha2_text_valid(text))
		return -1;
	if (password.n > AUTH_PASSWORD_MAX)
		return 0;
	if (sha256_crypt(password, salt, text_rounds(text), own) < 0)
		return -1;
	*match = auth_equal(own, text.p + PREFIX_CHARS + SALT_BYTES, DIGEST_CHARS);
	OPENSSL_cleanse(own, sizeof(own));
	return 0;
}
