/* cluster/sharding.h - from the value of a shard key to its key id.
 * Equality is MySQL's: values that the key column calls equal get one key id. What cannot be decided exactly is
 * answered ROUTE_UNKNOWN: a read then asks all shards, a write is refused. Pure, no allocation on the way of a query.
 */
#ifndef KEYWAY_CLUSTER_SHARDING_H
#define KEYWAY_CLUSTER_SHARDING_H

#include "keyway/util/err.h"
#include "keyway/cluster/keyrange.h"
#include "keyway/cluster/value.h"

struct column;
struct sharding_directory;

enum sharding_kind {
	SHARDING_RANGE,	      /* the integer itself; what is above 2^63-1 counts as 2^63-1 */
	SHARDING_PARITY,      /* the integer's 64 bits reversed */
	SHARDING_HASH,	      /* XXH64, seed 0, of the canonical value */
	SHARDING_VITESS_HASH, /* Vitess's `hash`: DES with the null key of the integer, big-endian */
	SHARDING_DIRECTORY,   /* explicit table, another function for what is not in it */
	SHARDING_KINDS,
};

/* A function as the map names it. Part of a keyspace, lives as long. */
struct sharding_fn {
	enum sharding_kind kind;
	/* SHARDING_DIRECTORY only: */
	enum sharding_kind fallback;
	const struct sharding_entry *entries;
	uint32_t entry_n;
};

struct sharding_entry {
	struct str value; /* as written in the map (UTF-8) */
	uint64_t key_id;
};

const char *sharding_kind_name(enum sharding_kind kind);
MUST_CHECK int sharding_kind_parse(struct str name, enum sharding_kind *out);

enum key_family {
	KEY_INT,     /* all integer types, signed or not: equal numbers are equal keys */
	KEY_DECIMAL, /* DECIMAL(precision, scale) */
	KEY_TEXT,    /* CHAR, VARCHAR, TEXT under a collation that is known */
	KEY_BYTES,   /* VARBINARY, BLOB */
	KEY_BYTES_0, /* BINARY(n): padded with zero bytes */
	KEY_DATE,
	KEY_DATETIME,
};

/* What equality of a key column depends on. */
struct key_type {
	enum key_family family;
	bool is_unsigned;
	bool strip;			   /* CHAR: trailing spaces are not stored */
	uint8_t bits;			   /* KEY_INT: 8, 16, 24, 32, 64 */
	uint8_t precision;		   /* KEY_DECIMAL */
	uint8_t scale;			   /* KEY_DECIMAL; KEY_DATETIME: digits of fractional seconds */
	uint64_t length_max;		   /* characters of KEY_TEXT, bytes of KEY_BYTES* */
	uint64_t length_max_bytes;	   /* KEY_TEXT */
	const struct collation *collation; /* KEY_TEXT */
};

/* The key type of a column. ERR_UNSUPPORTED (1235) with reason and cure when values of it cannot be routed by (FLOAT,
 * ENUM, TIMESTAMP, an unknown collation ...). */
MUST_CHECK int key_type_of_column(const struct column *col, struct key_type *out, struct err *err);

/* A function together with the type of the column it is applied to: what values are routed by. */
struct sharding_key {
	const struct sharding_fn *fn;
	struct key_type type;
	struct sharding_directory *directory; /* owned; NULL unless fn is a directory */
};

/* Checks that @fn can take values of @type and prepares it. @fn must outlive @out. Free with sharding_key_free().
 * ERR_CONFIG (1235): reason and cure in @err, @out needs no free. */
MUST_CHECK int sharding_key_init(
	struct sharding_key *out, const struct sharding_fn *fn, const struct key_type *type, struct err *err);
void sharding_key_free(struct sharding_key *key);

/* True when equal values of both columns have the same key id and are compared by the same rule: then rows with equal
 * keys lie on one shard, and a join on them is aligned (for tables of one keyspace). */
bool sharding_key_colocated(const struct sharding_key *a, const struct sharding_key *b);

enum route_use {
	ROUTE_COMPARE, /* key = value, key IN (..., value, ...) */
	ROUTE_STORE,   /* the value goes into the column: INSERT, UPDATE ... SET */
};

enum route_result {
	ROUTE_KEY = 0, /* exactly one key id */
	ROUTE_NONE,    /* COMPARE: no row can match (key = NULL, tinyint_key = 1000) */
	ROUTE_UNKNOWN, /* not decided: ask all shards; a write must be refused. @err says why */
	ROUTE_NULL,    /* STORE of NULL: the caller refuses it by name, or fills it from an allocator */
};

/* @err may be NULL, then no message is made: pass it only where the message will be shown. */
MUST_CHECK enum route_result sharding_key_id(const struct sharding_key *key, enum route_use use,
	const struct key_value *v, uint64_t *key_id, struct err *err);

/* Ids of rows with lower <= key <= upper; NULL for a bound that is not there, *_open when the bound itself is outside
 * (< and >). May be wider than exact, never narrower. ROUTE_KEY: @out holds; ROUTE_NONE: no row can match;
 * ROUTE_UNKNOWN: all shards, which is always the answer unless the function is `range`. */
MUST_CHECK enum route_result sharding_key_span(const struct sharding_key *key, const struct key_value *lower,
	bool lower_open, const struct key_value *upper, bool upper_open, struct keyrange *out);

/* The side of a pair for a value of the `side_by` column (an integer): 1 odd, 0 even, -1 the value decides nothing.
 * Negative odd numbers are odd. */
int sharding_side(const struct key_value *v);

#endif
