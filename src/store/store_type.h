/* store_type.h - what one kind of store offers to store.c and presence.c; one per file. Inside the store layer. Keys
 * and values have been checked by store.c: keys by store_key_check(), values by their size, no key twice. */
#ifndef KEYWAY_STORE_STORE_TYPE_H
#define KEYWAY_STORE_STORE_TYPE_H

#include "keyway/store/store.h"

/* A key that lives as long as someone renews it: presence.c's record of it, the same for all kinds. */
struct store_lease {
	const char *key;
	struct str value;
	uint64_t ttl_us;
	char id[64];  /* the kind's own name of the lease; "": none is held */
	bool written; /* @value is in the store, as far as is known */
};

struct store_type {
	const char *name;
	bool keys_are_keyspaces;
	bool has_endpoints; /* reached by store_config.endpoints and prefix, not by path */
	size_t value_max;

	/* NULL and @err: the settings cannot be used. Connects to nothing. */
	void *(*open)(const struct store_config *cfg, struct err *err);
	void (*close)(void *store);
	/* Any thread, true: calls under way and to come fail soon, until it is called with false. */
	void (*cancel)(void *store, bool on);
	int (*get)(void *store, const char *key, struct store_item *out, struct err *err);
	/* In any order: store.c sorts. On an error what was added is freed by the caller. */
	int (*list)(void *store, const char *prefix, struct store_items *out, struct err *err);
	int (*commit)(void *store, const struct store_op *ops, uint32_t n, struct err *err);
	int (*describe)(void *store, char *out, size_t size, struct err *err);
	bool (*is_single)(void *store); /* NULL: no */

	/* Brings the lease and its key about, or keeps them alive: makes what is missing, writes the value unless
	 * written. */
	int (*lease_keep)(void *store, struct store_lease *l, struct err *err);
	void (*lease_drop)(void *store, struct store_lease *l);

	/* store_follow() and what belongs to it */
	void *(*follow)(const struct store_config *cfg, const struct store_watch *watch, struct err *err);
	void (*reload)(void *follower);
	void (*stop)(void *follower);
};

extern const struct store_type store_file, store_etcd, store_consul;

/* NULL and @err: no such kind, or it wants settings that @cfg has not. */
const struct store_type *store_usable_type(const struct store_config *cfg, struct err *err);

/* A deep copy; free with store_config_free(). */
struct store_config *store_config_copy(const struct store_config *cfg);
void store_config_free(struct store_config *cfg); /* NULL is allowed; secrets are wiped */

/* 1 to STORE_KEY_MAX bytes in parts parted by '/', none of them empty. */
MUST_CHECK int store_key_check(const char *key, struct err *err);
/* What store_list() may be asked for: as a key, but it may be empty or end in '/' or anywhere. */
MUST_CHECK int store_prefix_check(const char *prefix, struct err *err);
/* @s with %XX read: as many bytes or fewer. A '%' before anything else stands for itself. On the heap. */
char *store_unescape(struct str s);

/* A new item at the end; the caller fills it in. */
struct store_item *store_items_add(struct store_items *all);

#define STORE_TIMEOUT_US 2000000
#define STORE_POLL_US	 5000000

#endif
