/* presence.c - keeps one key in the store for as long as this process lives: renews its lease, makes it anew when the
 * store has lost it, writes its value when that changes.
 * For main; over any kind of store.
 * A thread of its own; the public functions are called from any. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "store_type.h"
#include "keyway/util/log.h"

#define RETRY_MIN_US 200000
#define DROP_US	     1000000 /* at the end: as long as the store gets for taking the key away */
#define DEFAULT_TTL  10000000

struct store_presence {
	const struct store_type *type;
	void *store;
	char *key;
	uint64_t ttl_us;
	pthread_t thread;

	pthread_mutex_t lock;
	pthread_cond_t wake;
	/* under the lock: */
	bool stopping;
	char *value; /* to be written; NULL: the one of the lease stands */
	size_t value_n;
};

/* Until @until_us, a new value or the end. */
static void wait_until(struct store_presence *p, uint64_t until_us, bool new_value_too)
{
	struct timespec at = { .tv_sec = (time_t)(until_us / 1000000), .tv_nsec = (long)(until_us % 1000000) * 1000 };

	pthread_mutex_lock(&p->lock);
	while (!p->stopping && !(new_value_too && p->value) && clock_mono_us() < until_us)
		pthread_cond_timedwait(&p->wake, &p->lock, &at);
	pthread_mutex_unlock(&p->lock);
}

/* Takes a new value over into @l. False: it is the end. */
static bool take_value(struct store_presence *p, struct store_lease *l)
{
	bool goes_on;

	pthread_mutex_lock(&p->lock);
	if (p->value) {
		free((char *)l->value.p);
		l->value = str_make(p->value, p->value_n);
		l->written = false;
		p->value = NULL;
	}
	goes_on = !p->stopping;
	pthread_mutex_unlock(&p->lock);
	return goes_on;
}

static void *presence_main(void *arg)
{
	struct store_presence *p = arg;
	struct store_lease l = { .key = p->key, .ttl_us = p->ttl_us };
	uint64_t retry_us = RETRY_MIN_US;
	bool failing = false;
	struct err err;

	while (take_value(p, &l)) {
		if (p->type->lease_keep(p->store, &l, &err) == 0) {
			if (failing)
				log_info("the map store has %s again", p->key);
			failing = false;
			retry_us = RETRY_MIN_US;
			wait_until(p, clock_mono_us() + p->ttl_us / 3, true);
			continue;
		}
		if (!failing)
			log_warn("%s cannot be kept in the map store: %s", p->key, err.msg);
		failing = true;
		wait_until(p, clock_mono_us() + retry_us / 2 + (uint64_t)random() % retry_us, false);
		retry_us = MIN(retry_us * 2, MAX(p->ttl_us / 3, (uint64_t)RETRY_MIN_US));
	}
	/* stop() ended what was under way; now a last call, which it waits for no longer than DROP_US */
	p->type->cancel(p->store, false);
	if (!failing)
		p->type->lease_drop(p->store, &l);
	free((char *)l.value.p);
	return NULL;
}

static void presence_free(struct store_presence *p)
{
	p->type->close(p->store);
	pthread_mutex_destroy(&p->lock);
	pthread_cond_destroy(&p->wake);
	free(p->key);
	free(p->value);
	free(p);
}

struct store_presence *store_presence_start(
	const struct store_config *cfg, const char *key, struct str value, uint64_t ttl_us, struct err *err)
{
	const struct store_type *type = store_usable_type(cfg, err);
	struct store_config quick = *cfg;
	struct store_presence *p;
	pthread_condattr_t attr;
	void *store = NULL;
	int rc;

	if (!type || store_key_check(key, err) < 0)
		return NULL;
	ttl_us = ttl_us ? ttl_us : DEFAULT_TTL;
	quick.timeout_us =
		MIN(cfg->timeout_us ? cfg->timeout_us : STORE_TIMEOUT_US, MAX(ttl_us / 4, (uint64_t)DROP_US));
	store = type->open(&quick, err);
	if (!store)
		return NULL;
	p = xcalloc(1, sizeof(*p));
	p->type = type;
	p->store = store;
	p->key = xstrdup(key);
	p->ttl_us = ttl_us;
	p->value = str_dup(value);
	p->value_n = value.n;
	pthread_mutex_init(&p->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&p->wake, &attr);
	pthread_condattr_destroy(&attr);
	rc = pthread_create(&p->thread, NULL, presence_main, p);
	if (rc == 0)
		return p;
	err_set(err, ERR_LIMIT, ER_OUT_OF_RESOURCES, "no thread to be present in the map store: %s", strerror(rc));
	presence_free(p);
	return NULL;
}

void store_presence_set(struct store_presence *p, struct str value)
{
	pthread_mutex_lock(&p->lock);
	free(p->value);
	p->value = str_dup(value);
	p->value_n = value.n;
	pthread_cond_signal(&p->wake);
	pthread_mutex_unlock(&p->lock);
}

void store_presence_stop(struct store_presence *p)
{
	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	p->stopping = true;
	pthread_cond_signal(&p->wake);
	pthread_mutex_unlock(&p->lock);
	p->type->cancel(p->store, true);
	pthread_join(p->thread, NULL);
	presence_free(p);
}
