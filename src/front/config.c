/* config.c - accounts and what all workers count together. Any thread; the shared part locks, at logins only. */
#include "client.h"
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdlib.h>

struct user_state {
	UT_hash_handle hh;
	atomic_uint conns;
	bool proved;
	char *verifier; /* the one that fast belongs to */
	uint8_t fast[AUTH_SHA2_BYTES];
	char name[];
};

struct front_shared {
	atomic_uint clients;
	pthread_mutex_t lock;
	struct user_state *users; /* of accounts that exist or existed: bounded by the settings */
	struct rsa_key *rsa;
};

struct front_config *front_config_ref(struct front_config *c)
{
	atomic_fetch_add(&c->refs, 1);
	return c;
}

void front_config_unref(struct front_config *c)
{
	if (!c || atomic_fetch_sub(&c->refs, 1) != 1)
		return;
	for (uint32_t i = 0; i < c->n_users; i++) {
		free(c->users[i].name);
		free(c->users[i].sha2);
		free(c->users[i].keyspace);
	}
	free(c->users);
	if (c->tls_ctx)
		SSL_CTX_free(c->tls_ctx);
	free(c);
}

const struct front_user *front_user_find(const struct front_config *cfg, struct str name)
{
	for (uint32_t i = 0; i < cfg->n_users; i++) {
		if (str_eqz(name, cfg->users[i].name))
			return &cfg->users[i];
	}
	return NULL;
}

struct front_shared *front_shared_new(void)
{
	struct front_shared *sh = xcalloc(1, sizeof(*sh));

	pthread_mutex_init(&sh->lock, NULL);
	sh->rsa = rsa_key_generate(2048);
	return sh;
}

void front_shared_free(struct front_shared *sh)
{
	struct user_state *u, *tmp;

	if (!sh)
		return;
	HASH_ITER (hh, sh->users, u, tmp) {
		HASH_DEL(sh->users, u);
		auth_wipe(u->fast, sizeof(u->fast));
		free(u->verifier);
		free(u);
	}
	rsa_key_free(sh->rsa);
	pthread_mutex_destroy(&sh->lock);
	free(sh);
}

uint32_t front_clients(const struct front_shared *sh)
{
	return atomic_load(&sh->clients);
}

const struct rsa_key *shared_rsa(struct front_shared *sh)
{
	return sh->rsa;
}

static bool count_in(atomic_uint *n, uint32_t max)
{
	unsigned v = atomic_load(n);

	do {
		if (max && v >= max)
			return false;
	} while (!atomic_compare_exchange_weak(n, &v, v + 1));
	return true;
}

bool shared_client_in(struct front_shared *sh, uint32_t max)
{
	return count_in(&sh->clients, max);
}

void shared_client_out(struct front_shared *sh)
{
	atomic_fetch_sub(&sh->clients, 1);
}

struct user_state *shared_user(struct front_shared *sh, const char *name)
{
	struct user_state *u;
	size_t n = strlen(name);

	pthread_mutex_lock(&sh->lock);
	HASH_FIND(hh, sh->users, name, n, u);
	if (!u) {
		u = xcalloc(1, sizeof(*u) + n + 1);
		memcpy(u->name, name, n);
		HASH_ADD_KEYPTR(hh, sh->users, u->name, n, u);
	}
	pthread_mutex_unlock(&sh->lock);
	return u;
}

bool user_in(struct user_state *u, uint32_t max)
{
	return count_in(&u->conns, max);
}

void user_out(struct user_state *u)
{
	atomic_fetch_sub(&u->conns, 1);
}

bool user_fast_get(struct front_shared *sh, struct user_state *u, const char *verifier, uint8_t out[AUTH_SHA2_BYTES])
{
	bool ok;

	pthread_mutex_lock(&sh->lock);
	ok = u->proved && strcmp(u->verifier, verifier) == 0;
	if (ok)
		memcpy(out, u->fast, AUTH_SHA2_BYTES);
	pthread_mutex_unlock(&sh->lock);
	return ok;
}

void user_fast_put(
	struct front_shared *sh, struct user_state *u, const char *verifier, const uint8_t fast[AUTH_SHA2_BYTES])
{
	pthread_mutex_lock(&sh->lock);
	free(u->verifier);
	u->verifier = xstrdup(verifier);
	memcpy(u->fast, fast, AUTH_SHA2_BYTES);
	u->proved = true;
	pthread_mutex_unlock(&sh->lock);
}
