/* cluster/map_diff.h - what a new map of a keyspace changes against the old one, in words, and whether rows would be
 * on the wrong shard under it. Only the documents are looked at: a server is the same one if its host and port (or
 * socket) are, and it holds the rows that its old shard's range, its database and the tables' rules gave to it. Pure.
 */
#ifndef KEYWAY_CLUSTER_MAP_DIFF_H
#define KEYWAY_CLUSTER_MAP_DIFF_H

#include "keyway/cluster/map.h"

enum map_change_class {
	CHANGE_HARMLESS, /* statements go where they went */
	CHANGE_TRAFFIC,	 /* they go elsewhere, to servers that hold the rows, or are refused */
	CHANGE_STRANDS,	 /* rows would be where nobody looks for them, or be seen twice */
};

struct map_change {
	enum map_change_class class;
	bool ranged; /* it is about the key ids of @range */
	struct keyrange range;
	struct str text; /* NUL-terminated */
};

struct map_diff {
	struct map_change *changes; /* sharding, shards, backends, tables, then what strands rows */
	uint32_t n, cap;
	/* The ranges of all changes that strand rows, joined: in order, none touching the next. A reference or pinned
	 * table counts for the range of the shard that it would be missing on. */
	struct keyrange *stranded;
	uint32_t stranded_n, stranded_cap;
	unsigned __int128 moved; /* key ids whose owner changes; up to 2^64 */
	struct arena arena;
};

/* @old NULL: the keyspace is new. Free @out with map_diff_free(). */
void map_diff_make(const struct keyspace *old, const struct keyspace *new, struct map_diff *out);
void map_diff_free(struct map_diff *d);

/* Do @named, ranges in any order, make up exactly what is stranded? Then an operator knows what would be. */
bool map_diff_stranded_is(const struct map_diff *d, const struct keyrange *named, uint32_t n);

const char *map_change_class_name(enum map_change_class class);

/* "12.5 %", "less than 0.0001 %": the share of @ids in all key ids. Returns @out. */
#define KEY_SHARE_TEXT_MAX 32
const char *key_share_print(unsigned __int128 ids, char out[KEY_SHARE_TEXT_MAX]);

static inline unsigned __int128 keyrange_ids(struct keyrange r)
{
	return (unsigned __int128)(r.last - r.first) + 1;
}

#endif
