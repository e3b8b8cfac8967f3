/* map_change.h - what the files that compare two maps share. Inside the cluster layer. Pure. */
#ifndef KEYWAY_CLUSTER_MAP_CHANGE_H
#define KEYWAY_CLUSTER_MAP_CHANGE_H

#include "keyway/cluster/map_diff.h"

void change_add(struct map_diff *d, enum map_change_class class, const char *fmt, ...) PRINTF(3, 4);
void change_add_range(struct map_diff *d, enum map_change_class class, struct keyrange r, const char *fmt, ...)
	PRINTF(4, 5);

/* "s1a (10.0.1.11:3306)" of the arena. */
const char *backend_words(struct map_diff *d, const struct backend_def *b);
bool backend_same_server(const struct backend_def *a, const struct backend_def *b);
/* NULL: none in the keyspace. */
const struct backend_def *backend_by_name(const struct keyspace *ks, struct str name);

/* The parts of map_diff_make(). */
void diff_shards(struct map_diff *d, const struct keyspace *old, const struct keyspace *new);
void diff_backends(struct map_diff *d, const struct keyspace *old, const struct keyspace *new);
void diff_sharding(struct map_diff *d, const struct keyspace *old, const struct keyspace *new);
void diff_tables(struct map_diff *d, const struct keyspace *old, const struct keyspace *new);
void diff_strands(struct map_diff *d, const struct keyspace *old, const struct keyspace *new);

/* Do both rules give equal rows equal key ids? For sharded tables. */
bool rule_same_ids(const struct table_rule *a, const struct table_rule *b);

#endif
