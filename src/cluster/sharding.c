/* sharding.c - key ids: the sharding functions, spans of the function range, sides of pairs.
 * For the planner, which calls it for every statement with a key.
 * Pure, no allocation but in sharding_key_init(); any thread. */
#define OPENSSL_SUPPRESS_DEPRECATED /* DES is what Vitess's `hash` is defined by; nothing is kept secret with it */
#include "keyway/cluster/sharding.h"
#include "keyway/util/arena.h"
#include <openssl/des.h>
#include <stdlib.h>
#include <xxhash.h>
#include "key_canonical.h"

/* Canonical values of a directory, open addressing. */
struct sharding_directory {
	uint32_t mask;
	struct arena arena;
	struct directory_slot {
		bool used;
		uint64_t bits; /* integers: the value; otherwise XXH64 of the bytes */
		struct str bytes;
		uint64_t key_id;
		const struct sharding_entry *entry;
	} slots[];
};

static const char *const kind_names[SHARDING_KINDS] = {
	[SHARDING_RANGE] = "range",
	[SHARDING_PARITY] = "parity",
	[SHARDING_HASH] = "hash",
	[SHARDING_VITESS_HASH] = "vitess_hash",
	[SHARDING_DIRECTORY] = "directory",
};

const char *sharding_kind_name(enum sharding_kind kind)
{
	return kind_names[kind];
}

int sharding_kind_parse(struct str name, enum sharding_kind *out)
{
	for (int i = 0; i < SHARDING_KINDS; i++) {
		if (str_eqz(name, kind_names[i])) {
			*out = (enum sharding_kind)i;
			return 0;
		}
	}
	return -1;
}

static uint64_t reverse_bits(uint64_t v)
{
	v = (v >> 1 & 0x5555555555555555u) | (v & 0x5555555555555555u) << 1;
	v = (v >> 2 & 0x3333333333333333u) | (v & 0x3333333333333333u) << 2;
	v = (v >> 4 & 0x0f0f0f0f0f0f0f0fu) | (v & 0x0f0f0f0f0f0f0f0fu) << 4;
	return __builtin_bswap64(v);
}

static void put_be64(uint8_t out[8], uint64_t v)
{
	for (int i = 0; i < 8; i++)
		out[i] = (uint8_t)(v >> (56 - 8 * i));
}

static uint64_t hash_int(uint64_t bits)
{
	uint8_t le[8];

	for (int i = 0; i < 8; i++)
		le[i] = (uint8_t)(bits >> (8 * i));
	return XXH64(le, sizeof(le), 0);
}

/* Vitess: 3DES with a key of zeros, which is DES with that key. The schedule of the null key is all zero. */
static uint64_t vitess_hash(uint64_t bits)
{
	DES_key_schedule schedule;
	const_DES_cblock in;
	DES_cblock out;
	uint64_t v = 0;

	memset(&schedule, 0, sizeof(schedule));
	put_be64(in, bits);
	DES_ecb_encrypt(&in, &out, &schedule, DES_ENCRYPT);
	for (int i = 0; i < 8; i++)
		v = v << 8 | out[i];
	return v;
}

static uint64_t apply(enum sharding_kind kind, const struct key_canonical *c)
{
	switch (kind) {
	case SHARDING_RANGE: return c->above ? UINT64_MAX : key_id_of_int((int64_t)c->bits);
	case SHARDING_PARITY: return reverse_bits(c->bits);
	case SHARDING_VITESS_HASH: return vitess_hash(c->bits);
	case SHARDING_HASH:
	case SHARDING_DIRECTORY:
	case SHARDING_KINDS: break;
	}
	return c->is_int ? hash_int(c->bits) : XXH64(c->p, c->n, 0);
}

/* The slot that holds the value, or the free one where it belongs. */
static struct directory_slot *directory_slot(struct sharding_directory *d, const struct key_canonical *c)
{
	uint64_t bits = c->is_int ? c->bits : XXH64(c->p, c->n, 0);
	struct str bytes = c->is_int ? str_make(NULL, 0) : str_make((const char *)c->p, c->n);
	uint32_t i = (uint32_t)hash_int(bits) & d->mask;

	while (d->slots[i].used && (d->slots[i].bits != bits || !str_eq(d->slots[i].bytes, bytes)))
		i = (i + 1) & d->mask;
	return &d->slots[i];
}

static int directory_add(struct sharding_key *key, const struct sharding_entry *e, struct err *err)
{
	struct key_value v = key_value_text(e->value, CHARSET_UTF8MB4);
	struct directory_slot *slot;
	struct key_canonical c;

	if (key_canonical(&key->type, ROUTE_STORE, &v, &c, err) != ROUTE_KEY)
		return err_set(err, ERR_CONFIG, ER_NOT_SUPPORTED_YET,
			"the directory's value '" STR_FMT
			"' is none of the shard key column's; correct sharding.entries in "
			"the map",
			STR_ARG(e->value));
	slot = directory_slot(key->directory, &c);
	if (slot->used)
		return err_set(err, ERR_CONFIG, ER_NOT_SUPPORTED_YET,
			"the directory's values '" STR_FMT "' and '" STR_FMT
			"' are equal to the shard key column; keep one "
			"of them in sharding.entries of the map",
			STR_ARG(slot->entry->value), STR_ARG(e->value));
	slot->used = true;
	slot->entry = e;
	slot->key_id = e->key_id;
	slot->bits = c.is_int ? c.bits : XXH64(c.p, c.n, 0);
	slot->bytes =
		c.is_int ? str_make(NULL, 0) : arena_str(&key->directory->arena, str_make((const char *)c.p, c.n));
	return 0;
}

static int directory_build(struct sharding_key *key, struct err *err)
{
	uint32_t size = 16;

	while (size < key->fn->entry_n * 2)
		size *= 2;
	key->directory = xcalloc(1, sizeof(*key->directory) + size * sizeof(struct directory_slot));
	key->directory->mask = size - 1;
	arena_init(&key->directory->arena);
	for (uint32_t i = 0; i < key->fn->entry_n; i++) {
		int rc = directory_add(key, &key->fn->entries[i], err);

		if (rc < 0) {
			sharding_key_free(key);
			return rc;
		}
	}
	return 0;
}

int sharding_key_init(
	struct sharding_key *out, const struct sharding_fn *fn, const struct key_type *type, struct err *err)
{
	enum sharding_kind kind = fn->kind == SHARDING_DIRECTORY ? fn->fallback : fn->kind;

	*out = (struct sharding_key){ .fn = fn, .type = *type };
	if (kind != SHARDING_HASH && type->family != KEY_INT)
		return err_set(err, ERR_CONFIG, ER_NOT_SUPPORTED_YET,
			"the sharding function %s takes integer columns only; use the function hash for this table",
			sharding_kind_name(kind));
	if (fn->kind != SHARDING_DIRECTORY)
		return 0;
	if (type->family == KEY_DECIMAL || type->family == KEY_DATE || type->family == KEY_DATETIME)
		return err_set(err, ERR_CONFIG, ER_NOT_SUPPORTED_YET,
			"a directory takes integer, text and binary columns only; use the function hash for this "
			"table");
	return directory_build(out, err);
}

void sharding_key_free(struct sharding_key *key)
{
	if (key->directory)
		arena_free(&key->directory->arena);
	free(key->directory);
	key->directory = NULL;
}

bool sharding_key_colocated(const struct sharding_key *a, const struct sharding_key *b)
{
	const struct sharding_fn *x = a->fn, *y = b->fn;

	if (x != y && (x->kind != y->kind || x->kind == SHARDING_DIRECTORY))
		return false;
	return a->type.family == b->type.family && a->type.collation == b->type.collation;
}

enum route_result sharding_key_id(const struct sharding_key *key, enum route_use use, const struct key_value *v,
	uint64_t *key_id, struct err *err)
{
	struct key_canonical c;
	enum route_result rc = key_canonical(&key->type, use, v, &c, err);
	enum sharding_kind kind = key->fn->kind;

	if (rc != ROUTE_KEY)
		return rc;
	if (kind == SHARDING_DIRECTORY) {
		const struct directory_slot *slot = directory_slot(key->directory, &c);

		if (slot->used) {
			*key_id = slot->key_id;
			return ROUTE_KEY;
		}
		kind = key->fn->fallback;
	}
	*key_id = apply(kind, &c);
	return ROUTE_KEY;
}

/* The smallest integer >= (up) or the largest <= (!up) the number; magnitudes past 64 bits count as 2^64. */
static __int128 whole_bound(const struct exact *e, bool up)
{
	__int128 v = e->overflow ? (__int128)UINT64_MAX + 1 : (__int128)e->magnitude;

	if (e->negative)
		v = -v;
	if (e->fraction && e->negative != up)
		v += up ? 1 : -1;
	return v;
}

enum route_result sharding_key_span(const struct sharding_key *key, const struct key_value *lower, bool lower_open,
	const struct key_value *upper, bool upper_open, struct keyrange *out)
{
	__int128 first = INT64_MIN, last = UINT64_MAX;
	struct exact e;

	/* a bound with a fraction is taken to its outer integer: servers may round it when they use an index */
	*out = KEYRANGE_ALL;
	if ((lower && lower->kind == KEY_VALUE_NULL) || (upper && upper->kind == KEY_VALUE_NULL))
		return ROUTE_NONE;
	if (key->fn->kind != SHARDING_RANGE || (!lower && !upper))
		return ROUTE_UNKNOWN;
	if (lower) {
		if (!key_value_exact(lower, true, &e))
			return ROUTE_UNKNOWN;
		first = whole_bound(&e, false);
		first += lower_open && !e.fraction && !e.overflow;
	}
	if (upper) {
		if (!key_value_exact(upper, true, &e))
			return ROUTE_UNKNOWN;
		last = whole_bound(&e, true);
		last -= upper_open && !e.fraction && !e.overflow;
	}
	if (first > last || first > UINT64_MAX || last < INT64_MIN)
		return ROUTE_NONE;
	out->first = key_id_of_int(first < INT64_MIN ? INT64_MIN : first > INT64_MAX ? INT64_MAX : (int64_t)first);
	out->last = key_id_of_int(last > INT64_MAX ? INT64_MAX : (int64_t)last);
	return ROUTE_KEY;
}

int sharding_side(const struct key_value *v)
{
	struct exact e;

	if (!key_value_exact(v, true, &e) || e.fraction || e.overflow)
		return -1;
	return (int)(e.magnitude & 1);
}
