/* kv_store.c - the documents of counters and marks in a store of files, etcd or consul.
 * For the allocator threads (marks.c, source_store.c).
 * Calls block, each at most the time-out per address. */
#include "kv.h"
#include "keyway/store/store.h"
#include "keyway/util/log.h"
#include <stdio.h>
#include <stdlib.h>

struct kv_store {
	struct kv kv;
	struct store *store;
	char *name;
};

static void explain(const struct err *err, char *why, size_t why_size)
{
	log_text(str_of(err->msg), why, why_size);
}

static enum kv_result store_kv_get(struct kv *kv, const char *key, struct kv_doc *out, char *why, size_t why_size)
{
	struct kv_store *s = container_of(kv, struct kv_store, kv);
	struct store_item it;
	struct err err;
	int rc = store_get(s->store, key, &it, &err);

	memset(out, 0, sizeof(*out));
	if (rc < 0) {
		explain(&err, why, why_size);
		return KV_DOWN;
	}
	if (rc > 0)
		return KV_OTHER;
	*out = (struct kv_doc){ it.value, it.value_n, it.version };
	it.value = NULL;
	store_item_free(&it);
	return KV_OK;
}

static enum kv_result store_kv_put(
	struct kv *kv, const char *key, struct str value, uint64_t version, char *why, size_t why_size)
{
	struct kv_store *s = container_of(kv, struct kv_store, kv);
	struct store_op op = { .key = key, .value = value, .check = true, .version = version };
	struct err err;
	int rc = store_commit(s->store, &op, 1, &err);

	if (rc == STORE_DONE)
		return KV_OK;
	if (rc == STORE_CONFLICT)
		return KV_OTHER;
	explain(&err, why, why_size);
	return rc == ERR_TIMEOUT ? KV_UNKNOWN : KV_DOWN;
}

static void store_kv_free(struct kv *kv)
{
	struct kv_store *s = container_of(kv, struct kv_store, kv);

	store_close(s->store);
	free(s->name);
	free(s);
}

struct kv *kv_store_open(const struct store_config *cfg, uint64_t timeout_us, struct err *err)
{
	static const char *const kinds[] = { [STORE_FILE] = "file", [STORE_ETCD] = "etcd", [STORE_CONSUL] = "consul" };
	struct store_config c = *cfg;
	struct store *store;
	struct kv_store *s;

	c.timeout_us = timeout_us;
	store = store_open(&c, err);
	if (!store)
		return NULL;
	s = xcalloc(1, sizeof(*s));
	s->store = store;
	s->name = xasprintf("%s %s%s", kinds[c.kind],
		c.kind == STORE_FILE ? c.path
		: c.endpoint_n	     ? c.endpoints[0]
				     : "",
		c.endpoint_n > 1 ? ",…" : "");
	s->kv = (struct kv){ store_kv_get, store_kv_put, store_kv_free, s->name };
	return &s->kv;
}

char *kv_key(const char *root, const char *allocator, const char *tag)
{
	char *folder = xasprintf("%s/%s/", root, allocator), key[STORE_KEY_MAX + 1];
	struct err err;

	/* names of allocators and tags are bounded so that their keys are never too long */
	if (store_key(key, folder, str_of(tag), &err) < 0)
		abort();
	free(folder);
	return xstrdup(key);
}
