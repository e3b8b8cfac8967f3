/* documents.h - the documents that a store holds and the map that is served from them: a document that is not valid
 * never takes the place of a good one, and no keyspace's epoch goes down. Inside the topo layer; one thread (or its
 * owner's lock). Time is handed in: wall clock, microseconds. */
#ifndef KEYWAY_TOPO_DOCUMENTS_H
#define KEYWAY_TOPO_DOCUMENTS_H

#include "keyway/cluster/map.h"

struct document {
	char *key;
	char *text; /* the newest, good or not */
	size_t text_n;
	bool fresh;	       /* not judged yet */
	bool held;	       /* gone from the store together with all others: served as before */
	struct keyspace *good; /* NULL: none so far */
	uint64_t loaded_us;    /* when good came */
	uint64_t refused_n;
	uint64_t refused_us; /* 0: the newest is good */
	struct err refused;
};

struct documents {
	bool keys_are_keyspaces;
	bool hold_emptied;	/* a store that had keyspaces and has none is not believed */
	const char *cache_path; /* for messages; may be NULL. Borrowed */
	struct document *docs;
	uint32_t n, cap;
	struct keyspace **cached; /* from the cache file, until the store has given them */
	uint32_t cached_n;
	struct keyspace **gone; /* served once, no longer in the store: their epochs still count */
	uint32_t gone_n;
};

void documents_init(struct documents *d, bool keys_are_keyspaces, const char *cache_path);
void documents_free(struct documents *d);
/* Takes over the reference. */
void documents_add_cached(struct documents *d, struct keyspace *ks);
/* @text.p NULL: it is gone. Copies. */
void documents_put(struct documents *d, struct str key, struct str text);
/* Judges what is new; each document refused is logged once. True when what is served has changed. */
bool documents_settle(struct documents *d, uint64_t now_us);
/* How many are served though the store that had them came to have none. */
uint32_t documents_held(const struct documents *d);
/* The store has none that could be served, or was served. */
bool documents_none(const struct documents *d);
/* Those held are given up, if the store has others again (someone who knows has asked for it). */
void documents_give_up_held(struct documents *d);
/* Documents of the newest state that are refused. */
uint32_t documents_refused(const struct documents *d);
/* The cached keyspaces stand in while the store cannot be read or refused documents may be theirs. Drops them all when
 * @store_whole. */
bool documents_drop_cached(struct documents *d, bool store_whole);
bool documents_is_cached(const struct documents *d, const struct keyspace *ks);
/* What is served: one reference for the caller. */
struct map *documents_map(const struct documents *d);

/* The last good map on disk: "keyway-map-cache 2 XXH64 BYTES\n", then "BYTES\n" and the identity of the store that it
 * came from ("" when the store has none), and the same for the document of each keyspace. Version 1 had no identity. */
/* 0 or ERR_CONFIG; written to a new file that is renamed over the old one. */
MUST_CHECK int cache_write(const char *path, const struct map *m, const char *identity, struct err *err);
/* Gives its keyspaces to @d, and @identity on the heap, or NULL. ERR_CONFIG when it is there but damaged; a missing
 * file is no error. */
MUST_CHECK int cache_read(const char *path, struct documents *d, char **identity, struct err *err);

#endif
