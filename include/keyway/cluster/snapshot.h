/* cluster/snapshot.h - what a worker plans under: the map, the schemas, what the servers are. Built by topo, published
 * whole, immutable: a statement keeps the snapshot it was planned with. Any thread may read it while it holds a
 * reference. Pure. */
#ifndef KEYWAY_CLUSTER_SNAPSHOT_H
#define KEYWAY_CLUSTER_SNAPSHOT_H

#include "keyway/cluster/map.h"
#include "keyway/cluster/schema.h"

enum server_family { SERVER_UNKNOWN, SERVER_MYSQL, SERVER_MARIADB };

/* As one server said when its schema was read. Texts are NUL-terminated as well. */
struct server_facts {
	enum server_family family;
	uint32_t version_n; /* 101119 for 10.11.19, 80036 for 8.0.36 */
	struct str version; /* "10.11.19-MariaDB-deb12" */
	struct str version_comment;
	struct str charset;   /* character_set_server */
	struct str collation; /* collation_server */
	struct str sql_mode;  /* global */
	struct str time_zone; /* global */
	struct str system_time_zone;
	uint64_t max_allowed_packet;
	uint8_t lower_case_table_names;
	struct arena arena;
	atomic_uint refs;
};

struct server_facts *server_facts_new(void); /* one reference; texts go into its arena */
struct server_facts *server_facts_ref(const struct server_facts *f);
void server_facts_unref(const struct server_facts *f); /* NULL is allowed */

enum table_key_state {
	TABLE_KEY_OK,
	TABLE_KEY_NO_TABLE, /* the table is not in the schema (not created yet, or the schema is not loaded) */
	TABLE_KEY_REFUSED,  /* why says reason and cure */
};

/* How rows of a listed sharded table are routed. */
struct table_key {
	enum table_key_state state;
	struct sharding_key key;     /* OK */
	const struct column *column; /* OK: in the schema of the same view */
	struct err why;		     /* not OK */
};

struct keyspace_view {
	const struct keyspace *keyspace;
	const struct schema *schema;	  /* NULL: not loaded yet. Never loaded for `*` */
	const struct server_facts *facts; /* NULL: no server has answered yet */
	const struct table_key *keys;	  /* by table_rule.index; meaningful for sharded tables */
};

struct snapshot {
	uint64_t generation; /* rises with every snapshot of this process */
	const struct map *map;
	const struct keyspace_view *views; /* parallel to map->keyspaces */
	const struct server_facts *facts;  /* of the keyspaces' servers the oldest version; NULL: none known yet */
	atomic_uint refs;
};

/* @schemas and @facts are parallel to the map's keyspaces; entries may be NULL. Takes references of its own. */
struct snapshot *snapshot_build(const struct map *map, const struct schema *const *schemas,
	const struct server_facts *const *facts, uint64_t generation);
struct snapshot *snapshot_ref(const struct snapshot *s);
void snapshot_unref(const struct snapshot *s); /* NULL is allowed */

/* The view of a keyspace of this snapshot's map. */
const struct keyspace_view *snapshot_view(const struct snapshot *s, const struct keyspace *ks);
/* The rule of a table as the servers compare its name. NULL as keyspace_table(). */
const struct table_rule *view_table_rule(const struct keyspace_view *v, struct str table);
/* NULL: not in the schema. */
const struct table *view_table(const struct keyspace_view *v, struct str table);
/* How @rule (of this view's keyspace, sharded) is routed. */
const struct table_key *view_table_key(const struct keyspace_view *v, const struct table_rule *rule);

#endif
