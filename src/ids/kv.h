/* kv.h - one document under a key, changed by compare-and-swap: what counters (source_store.c) and marks (marks.c) need
 * of a store. The real one is kv_store.c; tests script their own. A struct kv belongs to one allocator's thread; its
 * calls block. */
#ifndef IDS_KV_H
#define IDS_KV_H

#include "keyway/util/err.h"
#include "keyway/util/str.h"
#include <stdlib.h>

struct store_config;

enum kv_result {
	KV_OK,
	KV_OTHER,   /* get: there is no such key; put: it has another version, or is there already */
	KV_DOWN,    /* no answer, or one that says no: nothing was changed */
	KV_UNKNOWN, /* put: no answer; it may have been done, or may still be */
};

struct kv_doc {
	char *value;
	size_t n;
	uint64_t version; /* never 0 */
};

struct kv {
	enum kv_result (*get)(struct kv *kv, const char *key, struct kv_doc *out, char *why, size_t why_size);
	/* @version 0: only if there is no such key. */
	enum kv_result (*put)(
		struct kv *kv, const char *key, struct str value, uint64_t version, char *why, size_t why_size);
	void (*free)(struct kv *kv);
	const char *name; /* for people */
};

static inline void kv_doc_free(struct kv_doc *d)
{
	free(d->value);
	memset(d, 0, sizeof(*d));
}

/* Copies @cfg, with @timeout_us for a request. Connects to nothing yet. NULL and @err: it cannot be used. */
struct kv *kv_store_open(const struct store_config *cfg, uint64_t timeout_us, struct err *err);

/* "<root>/<allocator>/<tag>", with what a key cannot hold percent-encoded. The caller frees it. */
char *kv_key(const char *root, const char *allocator, const char *tag);

#endif
