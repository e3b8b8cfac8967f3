/* fake_kv.h - a document store in memory that all struct kv of a test share, and that fails as it is told. */
#ifndef TESTS_IDS_FAKE_KV_H
#define TESTS_IDS_FAKE_KV_H

#include "kv.h"
#include <pthread.h>
#include <stdio.h>

enum kv_mood {
	KV_WELL,
	KV_DEAD,	/* nothing answers */
	KV_DONE_UNSAID, /* puts are done, and their answers are lost */
	KV_LOST,	/* puts are not done, and not answered */
};

static struct fake_kv {
	struct kv kv;
	pthread_mutex_t lock;
	enum kv_mood mood;
	unsigned conflicts; /* so many puts come too late */
	unsigned gets, puts;
	uint64_t version;
	struct {
		char key[128];
		struct kv_doc doc;
	} item[16];
	size_t n;
} fake_kv = { .lock = PTHREAD_MUTEX_INITIALIZER };

static struct kv_doc *fake_kv_find(const char *key)
{
	for (size_t i = 0; i < fake_kv.n; i++) {
		if (!strcmp(fake_kv.item[i].key, key) && fake_kv.item[i].doc.value)
			return &fake_kv.item[i].doc;
	}
	return NULL;
}

/* Under the lock. NULL: the key goes away. */
static void fake_kv_write(const char *key, struct str value)
{
	size_t i = 0;

	while (i < fake_kv.n && strcmp(fake_kv.item[i].key, key))
		i++;
	if (i == fake_kv.n) {
		snprintf(fake_kv.item[i].key, sizeof(fake_kv.item[i].key), "%s", key);
		fake_kv.n++;
	}
	kv_doc_free(&fake_kv.item[i].doc);
	if (value.p)
		fake_kv.item[i].doc = (struct kv_doc){ str_dup(value), value.n, ++fake_kv.version };
}

static inline void fake_kv_set(const char *key, const char *value)
{
	pthread_mutex_lock(&fake_kv.lock);
	fake_kv_write(key, str_of(value));
	pthread_mutex_unlock(&fake_kv.lock);
}

static inline void fake_kv_mood(enum kv_mood mood)
{
	pthread_mutex_lock(&fake_kv.lock);
	fake_kv.mood = mood;
	pthread_mutex_unlock(&fake_kv.lock);
}

/* A copy, to be freed; NULL: no such key. */
static inline char *fake_kv_value(const char *key)
{
	struct kv_doc *d;
	char *copy;

	pthread_mutex_lock(&fake_kv.lock);
	d = fake_kv_find(key);
	copy = d ? str_dup(str_make(d->value, d->n)) : NULL;
	pthread_mutex_unlock(&fake_kv.lock);
	return copy;
}

static enum kv_result fake_kv_get(struct kv *kv, const char *key, struct kv_doc *out, char *why, size_t why_size)
{
	enum kv_result rc = KV_OTHER;
	struct kv_doc *d;

	(void)kv;
	memset(out, 0, sizeof(*out));
	pthread_mutex_lock(&fake_kv.lock);
	fake_kv.gets++;
	d = fake_kv_find(key);
	if (fake_kv.mood == KV_DEAD) {
		snprintf(why, why_size, "scripted: no answer");
		rc = KV_DOWN;
	} else if (d) {
		*out = (struct kv_doc){ str_dup(str_make(d->value, d->n)), d->n, d->version };
		rc = KV_OK;
	}
	pthread_mutex_unlock(&fake_kv.lock);
	return rc;
}

static enum kv_result fake_kv_put(
	struct kv *kv, const char *key, struct str value, uint64_t version, char *why, size_t why_size)
{
	enum kv_result rc = KV_OK;
	struct kv_doc *d;

	(void)kv;
	snprintf(why, why_size, "scripted: no answer");
	pthread_mutex_lock(&fake_kv.lock);
	fake_kv.puts++;
	d = fake_kv_find(key);
	if (fake_kv.mood == KV_DEAD)
		rc = KV_DOWN;
	else if (fake_kv.conflicts || (d ? d->version : 0) != version)
		rc = KV_OTHER;
	else if (fake_kv.mood != KV_WELL)
		rc = KV_UNKNOWN;
	if (rc == KV_OTHER && fake_kv.conflicts)
		fake_kv.conflicts--;
	if (rc == KV_OK || (rc == KV_UNKNOWN && fake_kv.mood == KV_DONE_UNSAID))
		fake_kv_write(key, value);
	pthread_mutex_unlock(&fake_kv.lock);
	return rc;
}

static void fake_kv_free(struct kv *kv)
{
	(void)kv;
}

static void fake_kv_reset(void)
{
	for (size_t i = 0; i < fake_kv.n; i++)
		kv_doc_free(&fake_kv.item[i].doc);
	fake_kv.n = 0;
	fake_kv.mood = KV_WELL;
	fake_kv.conflicts = fake_kv.gets = fake_kv.puts = 0;
	fake_kv.kv = (struct kv){ fake_kv_get, fake_kv_put, fake_kv_free, "a store in memory" };
}

#endif
