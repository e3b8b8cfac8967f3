/* tls_testing.h - keys and certificates made on the spot: SSL_CTXs of a server named db.test (and 127.0.0.1), and of
 * clients that know its certificate. */
#ifndef KEYWAY_TESTS_TLS_TESTING_H
#define KEYWAY_TESTS_TLS_TESTING_H

#include <check.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

struct tls_pair {
	SSL_CTX *server, *client, *stranger; /* client trusts the server's certificate, stranger trusts none */
};

static inline void tls_pair_make(struct tls_pair *t)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = X509_new();
	X509_NAME *name = X509_get_subject_name(x);
	X509_EXTENSION *san = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "DNS:db.test,IP:127.0.0.1");

	ck_assert(key && x && san);
	X509_set_version(x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
	X509_gmtime_adj(X509_getm_notBefore(x), -3600);
	X509_gmtime_adj(X509_getm_notAfter(x), 3600);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"test", -1, -1, 0);
	X509_set_issuer_name(x, name);
	X509_set_pubkey(x, key);
	X509_add_ext(x, san, -1);
	ck_assert_int_gt(X509_sign(x, key, EVP_sha256()), 0);
	t->server = SSL_CTX_new(TLS_server_method());
	t->client = SSL_CTX_new(TLS_client_method());
	t->stranger = SSL_CTX_new(TLS_client_method());
	ck_assert_int_eq(SSL_CTX_use_certificate(t->server, x), 1);
	ck_assert_int_eq(SSL_CTX_use_PrivateKey(t->server, key), 1);
	ck_assert_int_eq(X509_STORE_add_cert(SSL_CTX_get_cert_store(t->client), x), 1);
	SSL_CTX_set_verify(t->client, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_verify(t->stranger, SSL_VERIFY_PEER, NULL);
	X509_EXTENSION_free(san);
	X509_free(x);
	EVP_PKEY_free(key);
}

static inline void tls_pair_free(struct tls_pair *t)
{
	SSL_CTX_free(t->server);
	SSL_CTX_free(t->client);
	SSL_CTX_free(t->stranger);
}

#endif
