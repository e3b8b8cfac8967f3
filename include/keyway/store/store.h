/* store/store.h - where the shard map is kept, and what proxies and tools share besides it: small documents under
 * keys, each with a version, changed by compare-and-swap. In files, etcd v3 or consul's KV: one file of src/store per
 * kind, each offering one struct store_type (src/store/store_type.h).
 *
 * Keys are relative to the cluster's prefix and mean the same in every kind. They are parts parted by '/', none of them
 * empty, "." or ".."; a name of any bytes becomes a part by store_key():
 *   keyspaces/<name>          the map document of a keyspace
 *   history/<name>/<epoch>    what it was at that epoch: {"epoch", "at", "who", "why", "document"}
 *   proxies/<id>              a live proxy: {"id", "host", "port", "socket", "az", "version", "pid", "started",
 * "epochs": {keyspace: epoch that all its workers serve}, "map_from_cache", "refused": {keyspace: why}, "map_trouble",
 * "stopping"}; goes with its lease locks/<what>, ops/<id>    operations under way ids/<allocator>/<tag>     counters of
 * allocators cluster                   a random text that tells this store from others (see struct store_watch) Calls
 * block, each at most the configured time-out per endpoint: control threads, tools and tests only. A struct store
 * belongs to one thread at a time. */
#ifndef KEYWAY_STORE_STORE_H
#define KEYWAY_STORE_STORE_H

#include "keyway/util/err.h"

#define STORE_KEY_MAX	    512
#define STORE_VALUE_MAX	    (16 * 1024 * 1024) /* ours; etcd takes 1.5 MiB, consul 512 KiB */
#define STORE_OPS_MAX	    32
#define STORE_ENDPOINTS_MAX 16

enum store_kind { STORE_FILE, STORE_ETCD, STORE_CONSUL };

struct store_config {
	enum store_kind kind;
	/* FILE: one JSON document, or a folder of *.json whose other keys lie below its sub-folder ".keyway". In both
	 * the name inside a document says which keyspace it is of. See store_is_single() for the former. */
	const char *path;
	const char *const *endpoints; /* "http://10.0.0.7:2379": tried in turn, the one that answered last first */
	uint32_t endpoint_n;
	const char *prefix;	     /* "/keyway/<cluster>", without a slash at its end */
	const char *user, *password; /* etcd; NULL: none */
	const char *token;	     /* consul; NULL: none */
	const char *ca, *cert, *key; /* files, PEM; NULL: the system's authorities, no client certificate */
	uint64_t timeout_us;	     /* one request; 0: 2 s */
	uint64_t poll_us;	     /* FILE: look again even without an event; 0: 5 s */
};

/* --- reading and changing --- */

struct store; /* opaque */

/* Copies @cfg. Connects to nothing yet. NULL and @err: the settings cannot be used. */
struct store *store_open(const struct store_config *cfg, struct err *err);
void store_close(struct store *s); /* NULL is allowed */

/* FILE with one document: that one's key can be read and written, no other can be written (ERR_UNSUPPORTED) or is ever
 * there. */
bool store_is_single(struct store *s);

/* @folder, which ends in '/' ("keyspaces/"), and @name with every byte that keys do not take as such written %XX.
 * ERR_LIMIT: it is too long. */
MUST_CHECK int store_key(char out[STORE_KEY_MAX + 1], const char *folder, struct str name, struct err *err);
/* The name that the last part of @key stands for, on the heap. */
char *store_key_name(const char *key);

struct store_item {
	char *key;
	char *value; /* NUL-terminated as well */
	size_t value_n;
	uint64_t version; /* never 0; another one after every change of this key */
};

struct store_items {
	struct store_item *v; /* in byte order of keys */
	uint32_t n;
};

/* 0: @out is filled, free it with store_item_free(); 1: no such key; negative: the store did not answer. */
MUST_CHECK int store_get(struct store *s, const char *key, struct store_item *out, struct err *err);
/* All keys that begin with @prefix, one state of the store. */
MUST_CHECK int store_list(struct store *s, const char *prefix, struct store_items *out, struct err *err);
void store_item_free(struct store_item *it);
void store_items_free(struct store_items *all);

/* One change of store_commit(). */
struct store_op {
	const char *key;
	struct str value; /* p NULL: the key is deleted */
	bool check;	  /* only if the key's version is @version; 0: only if there is no such key */
	uint64_t version;
};

enum store_commit_result { STORE_DONE = 0, STORE_CONFLICT = 1 /* a version was another: nothing was changed */ };

/* All of @ops or none of them, atomically (etcd: one transaction; consul: one transaction; FILE: under a lock). No key
 * twice. Negative: not done, or with ERR_TIMEOUT not known: read again before trying again (what was written must tell
 * its writer). */
MUST_CHECK int store_commit(struct store *s, const struct store_op *ops, uint32_t n, struct err *err);

/* "etcd 3.4.23 at http://…", for people. */
int store_describe(struct store *s, char *out, size_t size, struct err *err);

/* --- following --- */

/* Called from store_follow() for what is there at first, then from the follower's thread. Never two at once. */
struct store_watch {
	void *arg;
	/* The document under @key is new or has changed; document.p NULL: it is gone. @key is without the followed
	 * prefix, as a name: "shop" (FILE: the file's name, "shop.json"). @revision rises with every change of the
	 * store, as far as the store has such a number; else 0. Texts live for the call only. */
	void (*document)(void *arg, struct str key, struct str document, uint64_t revision);
	/* All changes seen so far have been told: act on them together. */
	void (*settled)(void *arg);
	/* The store cannot be read (@err), or can be again (NULL). What was told before stands. */
	void (*state)(void *arg, const struct err *err);
	/* Which store it is, before its first document and whenever that changes: "BASE/MARK", where BASE is etcd's
	 * cluster id or "consul", and MARK the text under the key "cluster", which the first follower of a store makes;
	 * empty while there is none. FILE has none: not called. False: it is another's: nothing of it is told, and the
	 * follower goes on asking. May be NULL. */
	bool (*identity)(void *arg, struct str id);
};

struct store_follower; /* opaque */

/* Reads all keys under "keyspaces/" once, then follows them with a thread of its own. NULL and @err only when it cannot
 * even begin; a store that cannot be read now is told by watch.state(). */
struct store_follower *store_follow(const struct store_config *cfg, const struct store_watch *watch, struct err *err);
/* Looks again now; any thread. */
void store_follower_reload(struct store_follower *f);
/* No call-back runs after it returns. NULL is allowed. */
void store_follower_stop(struct store_follower *f);
/* FILE: false. The key of a document is the name of its keyspace. */
bool store_keys_are_keyspaces(enum store_kind kind);

/* --- being present --- */

struct store_presence; /* opaque */

/* Keeps @key with @value under a lease of @ttl_us (etcd: lease; consul: session, 10 s at least; FILE: the file is
 * touched, readers pass over it once it is @ttl_us old, which stands in it), renewed from a thread of its own, made
 * anew when the store has lost it. Nothing waits for it. */
struct store_presence *store_presence_start(
	const struct store_config *cfg, const char *key, struct str value, uint64_t ttl_us, struct err *err);
/* Any thread; written at once, or as soon as the store answers. */
void store_presence_set(struct store_presence *p, struct str value);
/* Takes the key away if the store answers in time. NULL is allowed. */
void store_presence_stop(struct store_presence *p);

#endif
