/* rsa.c - the RSA exchange of caching_sha2_password for connections without TLS.
 * For the front (its key pair) and the backend (a server's public key).
 * Pure, any thread; a key may be used by several threads at once. */
#include "keyway/wire/auth.h"
#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <limits.h>
#include <stdlib.h>

#define SALT_BYTES    20
#define RSA_BYTES_MAX 2048 /* of a modulus: keys up to 16384 bits */

struct rsa_key {
	EVP_PKEY *pkey;
	char *public_pem;
	size_t public_pem_n;
};

static int add_public_pem(struct rsa_key *k)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *text;
	long n;

	if (!bio || PEM_write_bio_PUBKEY(bio, k->pkey) != 1) {
		BIO_free(bio);
		return -1;
	}
	n = BIO_get_mem_data(bio, &text);
	k->public_pem = xstrndup(text, (size_t)n);
	k->public_pem_n = (size_t)n;
	BIO_free(bio);
	return 0;
}

/* Takes over @pkey. */
static struct rsa_key *key_of(EVP_PKEY *pkey)
{
	struct rsa_key *k;

	/* what libcrypto queued about a failure is nobody's business later on this thread */
	ERR_clear_error();
	if (!pkey)
		return NULL;
	k = xcalloc(1, sizeof(*k));
	k->pkey = pkey;
	if (EVP_PKEY_get_base_id(pkey) != EVP_PKEY_RSA || EVP_PKEY_get_size(pkey) > RSA_BYTES_MAX ||
		add_public_pem(k) < 0) {
		rsa_key_free(k);
		return NULL;
	}
	return k;
}

struct rsa_key *rsa_key_generate(unsigned bits)
{
	return key_of(EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)bits));
}

static int no_password(char *out, int size, int writing, void *arg)
{
	(void)out, (void)size, (void)writing, (void)arg;
	return -1; /* an encrypted key is an error, not a prompt on the terminal */
}

struct rsa_key *rsa_key_load(struct str private_pem)
{
	EVP_PKEY *pkey = NULL;
	BIO *bio;

	if (private_pem.n > INT_MAX)
		return NULL;
	bio = BIO_new_mem_buf(private_pem.p, (int)private_pem.n);
	if (bio)
		pkey = PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL);
	BIO_free(bio);
	return key_of(pkey);
}

void rsa_key_free(struct rsa_key *k)
{
	if (!k)
		return;
	EVP_PKEY_free(k->pkey);
	free(k->public_pem);
	free(k);
}

struct str rsa_key_public_pem(const struct rsa_key *k)
{
	return str_make(k->public_pem, k->public_pem_n);
}

static void xor_salt(uint8_t *p, size_t n, const uint8_t salt[SALT_BYTES])
{
	for (size_t i = 0; i < n; i++)
		p[i] ^= salt[i % SALT_BYTES];
}

int rsa_decrypt_password(const struct rsa_key *k, struct str cipher, const uint8_t salt[SALT_BYTES],
	char out[AUTH_PASSWORD_MAX + 1], size_t *out_n)
{
	uint8_t clear[RSA_BYTES_MAX];
	size_t n = sizeof(clear);
	EVP_PKEY_CTX *ctx = NULL;
	int rc = -1;

	*out_n = 0;
	if (cipher.n != (size_t)EVP_PKEY_get_size(k->pkey))
		return -1;
	ctx = EVP_PKEY_CTX_new(k->pkey, NULL);
	if (!ctx || EVP_PKEY_decrypt_init(ctx) <= 0 || EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING) <= 0)
		goto out;
	if (EVP_PKEY_decrypt(ctx, clear, &n, (const uint8_t *)cipher.p, cipher.n) <= 0)
		goto out;
	xor_salt(clear, n, salt);
	if (!n || n > AUTH_PASSWORD_MAX + 1 || memchr(clear, 0, n) != clear + n - 1)
		goto out;
	memcpy(out, clear, n);
	*out_n = n - 1;
	rc = 0;
out:
	EVP_PKEY_CTX_free(ctx);
	OPENSSL_cleanse(clear, sizeof(clear));
	ERR_clear_error();
	return rc;
}

int rsa_encrypt_password(struct str public_pem, struct str password, const uint8_t salt[SALT_BYTES], struct buf *out)
{
	uint8_t clear[AUTH_PASSWORD_MAX + 1], cipher[RSA_BYTES_MAX];
	EVP_PKEY_CTX *ctx = NULL;
	size_t n = sizeof(cipher);
	EVP_PKEY *pkey = NULL;
	BIO *bio = NULL;
	int rc = -1;

	if (password.n > AUTH_PASSWORD_MAX || public_pem.n > INT_MAX)
		return -1;
	bio = BIO_new_mem_buf(public_pem.p, (int)public_pem.n);
	if (bio)
		pkey = PEM_read_bio_PUBKEY(bio, NULL, no_password, NULL);
	if (!pkey || EVP_PKEY_get_base_id(pkey) != EVP_PKEY_RSA || EVP_PKEY_get_size(pkey) > RSA_BYTES_MAX)
		goto out;
	ctx = EVP_PKEY_CTX_new(pkey, NULL);
	if (!ctx || EVP_PKEY_encrypt_init(ctx) <= 0 || EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING) <= 0)
		goto out;
	if (password.n)
		memcpy(clear, password.p, password.n);
	clear[password.n] = 0;
	xor_salt(clear, password.n + 1, salt);
	if (EVP_PKEY_encrypt(ctx, cipher, &n, clear, password.n + 1) <= 0)
		goto out;
	buf_add(out, cipher, n);
	rc = 0;
out:
	EVP_PKEY_CTX_free(ctx);
	EVP_PKEY_free(pkey);
	BIO_free(bio);
	OPENSSL_cleanse(clear, sizeof(clear));
	ERR_clear_error();
	return rc;
}
