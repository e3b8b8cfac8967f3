/* store.h - where the documents of the map are kept: a file or folder, later etcd, consul, ZooKeeper. Inside the topo
 * layer. A store follows its source from a thread of its own and tells what changed; it does not look into the
 * documents. One file per kind of store, each offers one struct store_type. */
#ifndef KEYWAY_TOPO_STORE_H
#define KEYWAY_TOPO_STORE_H

#include "keyway/util/err.h"

/* Called from store_type.start() for what is there at first, then from the store's thread. Never two at once. */
struct store_watch {
	void *arg;
	/* The document under @key is new or has changed; document.p NULL: it is gone. @revision rises with every change
	 * of the store, as far as the store has such a number; else 0. Texts live for the call only. */
	void (*document)(void *arg, struct str key, struct str document, uint64_t revision);
	/* All changes seen so far have been told: act on them together. */
	void (*settled)(void *arg);
	/* The store cannot be read (@err), or can be again (NULL). What was told before stands. */
	void (*state)(void *arg, const struct err *err);
};

struct store_config {
	const char *path;
	uint64_t poll_us;
};

struct store_type {
	const char *name;
	bool keys_are_keyspaces; /* the key of a document is the name of its keyspace */
	/* Reads everything once, then follows. NULL and @err only when it cannot even begin (no thread, no memory for
	 * it); a source that cannot be read now is told by watch.state(). Copies what it needs. */
	void *(*start)(const struct store_config *cfg, const struct store_watch *watch, struct err *err);
	void (*reload)(void *store); /* look again now; any thread */
	void (*stop)(void *store);   /* no call-back runs after it returns */
};

extern const struct store_type store_file;

#endif
