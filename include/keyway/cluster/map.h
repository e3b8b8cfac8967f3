/* cluster/map.h - the shard map: which servers hold which rows. Made from one JSON document per keyspace (docs/map.md),
 * validated as a whole, then immutable: any thread may read it while it holds a reference. Names and texts inside are
 * NUL-terminated as well. Pure. */
#ifndef KEYWAY_CLUSTER_MAP_H
#define KEYWAY_CLUSTER_MAP_H

#include <stdatomic.h>
#include "keyway/util/arena.h"
#include "keyway/cluster/sharding.h"

#define MAP_DOCUMENT_MAX (16 * 1024 * 1024) /* bytes of one document */
#define MAP_SHARDS_MAX	 4096
#define MAP_BACKENDS_MAX 64 /* of one shard */
#define MAP_TABLES_MAX	 65536
#define MAP_ENTRIES_MAX	 262144 /* of a directory */
#define MAP_NAME_MAX	 64	/* characters of keyspace, database, table, column and other names */

enum backend_role { BACKEND_PRIMARY, BACKEND_REPLICA };
enum pair_side { SIDE_EVEN = 0, SIDE_ODD = 1 };

/* What operators want of a server, whatever its health. Replicas take no reads unless they serve. A side of a pair:
 * DRAINING, new statements for it wait and those under way end; DRAINED, its statements go to the other side. */
enum backend_state { BACKEND_SERVING, BACKEND_DRAINING, BACKEND_DRAINED };

/* One server of a shard. In a pair both are BACKEND_PRIMARY. */
struct backend_def {
	struct str name;   /* unique in its keyspace */
	struct str host;   /* empty when socket is set */
	struct str socket; /* path of a unix socket, or empty */
	struct str az;	   /* may be empty */
	struct str region; /* may be empty */
	uint16_t port;
	uint16_t weight; /* share of reads among equals, 0 to 1000; 0: none; default 100 */
	enum backend_role role;
	enum pair_side side; /* pairs only */
	enum backend_state state;
	uint32_t index; /* in its shard */
	const struct shard *shard;
};

enum shard_kind { SHARD_REPLICASET, SHARD_PAIR };

struct shard {
	struct str name; /* the range in its shortest hexadecimal form: "-80" */
	uint32_t index;	 /* in its keyspace, in the order of ranges */
	struct keyrange range;
	enum shard_kind kind;
	enum pair_side home; /* pairs only: the side for statements that decide none */
	bool primary_auto;   /* replica sets: the only writable server is the primary, whatever the roles say */
	struct str database; /* on the servers; empty in the keyspace `*` */
	const struct backend_def *backends;
	uint32_t backend_n;
	/* replica set: the primary that the map names, with primary_auto and no such role the first backend; pair: the
	 * home side. Which one is written to now is another question: health/health.h */
	const struct backend_def *primary;
	const struct backend_def *sides[2]; /* pairs only, by enum pair_side */
	const struct keyspace *keyspace;
};

enum table_kind { TABLE_SHARDED, TABLE_REFERENCE, TABLE_PINNED };

struct table_rule {
	struct str name; /* empty: the keyspace's default_table */
	enum table_kind kind;
	uint32_t index;		      /* in its keyspace; the default rule has table_n */
	struct str key;		      /* SHARDED: the key column */
	const struct sharding_fn *fn; /* SHARDED */
	const struct shard *shard;    /* PINNED, and every table of an unsharded keyspace */
	struct str id_column;	      /* empty: no id rule */
	struct str id_allocator;
	struct str id_tag;  /* allocator's name for this sequence; default "<keyspace>.<table>" */
	struct str side_by; /* empty: none */
};

struct keyspace {
	struct str name;
	uint64_t epoch;
	struct str database; /* default of its shards; empty for `*` */
	bool sharded;
	bool everything;	       /* the keyspace `*`: all databases that no other keyspace names */
	const struct sharding_fn *fns; /* one per enum sharding_kind that the map may use here, by kind */
	const struct sharding_fn *fn;  /* the default one; NULL when not sharded */
	const struct shard *shards;    /* in the order of ranges; they cover all key ids once */
	uint32_t shard_n;
	const struct table_rule *tables; /* in byte order of names */
	uint32_t table_n;
	const struct table_rule *default_table; /* for tables not listed; NULL: they are an error */
	struct str document;			/* the text it was made from */
	/* inside: */
	const uint64_t *shard_first; /* first key id of each shard */
	struct arena arena;
	atomic_uint refs;
};

/* Reads and validates a document. The name inside must be @expect_name unless that is empty. On success *@out holds one
 * reference. ERR_CONFIG: the message begins with the JSON path of the field, as in "shards[1].backends[0].port: ...".
 */
MUST_CHECK int keyspace_parse(struct str document, struct str expect_name, struct keyspace **out, struct err *err);
struct keyspace *keyspace_ref(const struct keyspace *ks);
void keyspace_unref(const struct keyspace *ks); /* NULL is allowed */

/* Are its statements planned by what the tables' columns are? Else they pass as they come. */
static inline bool keyspace_needs_schema(const struct keyspace *ks)
{
	return ks->sharded || ks->table_n;
}

/* The shard that owns @key_id. No allocation, O(log shards). */
const struct shard *keyspace_shard_of(const struct keyspace *ks, uint64_t key_id);
/* Shards that touch @r: indexes *@first to *@last, both inside. */
void keyspace_shards_in(const struct keyspace *ks, struct keyrange r, uint32_t *first, uint32_t *last);
/* By range text in any form ("-8000" finds "-80"). NULL when there is none. */
const struct shard *keyspace_shard_by_name(const struct keyspace *ks, struct str name);
/* The rule of a table; @nocase for servers with lower_case_table_names > 0. The default rule, or in an unsharded
 * keyspace a plain pinned one, when it is not listed; NULL when an unlisted table is an error. */
const struct table_rule *keyspace_table(const struct keyspace *ks, struct str table, bool nocase);
/* The same, listed tables only. */
const struct table_rule *keyspace_table_listed(const struct keyspace *ks, struct str table, bool nocase);

struct map {
	const struct keyspace **keyspaces; /* in byte order of names */
	uint32_t keyspace_n;
	const struct keyspace *everything; /* the keyspace `*`, or NULL */
	atomic_uint refs;
};

/* Takes references of its own on @keyspaces. ERR_CONFIG when two have one name. */
MUST_CHECK int map_build(struct keyspace *const *keyspaces, uint32_t n, struct map **out, struct err *err);
struct map *map_ref(const struct map *m);
void map_unref(const struct map *m); /* NULL is allowed */

/* By name exactly; NULL when there is none. Does not fall back to `*`. */
const struct keyspace *map_keyspace(const struct map *m, struct str name);

/* Where a session stands: what USE and the database of a login name. */
enum target_role { TARGET_PRIMARY, TARGET_REPLICA };

struct target {
	const struct keyspace *keyspace;
	const struct shard *shard; /* NULL: all of the keyspace */
	enum target_role role;
	bool role_given;
	struct str database; /* logical name without shard and role; for `*` the server's database. Points into @text */
};

/* `shop`, `shop/-80`, `shop@replica`, `shop/-80@replica` (also @primary). A name that no keyspace has is a database of
 * `*` if there is one (with @role taken off). ERR_NAME 1049 otherwise, or when the shard is unknown. */
MUST_CHECK int target_parse(const struct map *m, struct str text, struct target *out, struct err *err);

#endif
