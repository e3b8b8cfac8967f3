/* cache.c - the plans of one worker, by digest: open addressing, evicted by the clock (second chance). For sessions;
 * one thread. Pure. */
#include "plan_int.h"
#include <stdlib.h>

struct slot {
	struct plan_cache_key key;
	struct plan *plan; /* NULL: free */
	bool used;	   /* looked at since the hand passed */
};

struct plan_cache {
	struct slot *slots;
	uint32_t mask; /* slots - 1; slots are at least twice max_plans */
	uint32_t max_plans, n;
	uint32_t hand;
	struct plan_cache_stats stats;
};

struct plan_cache *plan_cache_new(uint32_t max_plans)
{
	struct plan_cache *c = xcalloc(1, sizeof(*c));
	uint32_t size = 16;

	c->max_plans = MIN(MAX(max_plans, 1), 1u << 24);
	while (size < c->max_plans * 2)
		size *= 2;
	c->slots = xcalloc(size, sizeof(c->slots[0]));
	c->mask = size - 1;
	return c;
}

void plan_cache_free(struct plan_cache *c)
{
	if (!c)
		return;
	for (uint32_t i = 0; i <= c->mask; i++) {
		if (c->slots[i].plan)
			plan_unref(c->slots[i].plan);
	}
	free(c->slots);
	free(c);
}

static bool key_eq(const struct plan_cache_key *a, const struct plan_cache_key *b)
{
	return a->digest[0] == b->digest[0] && a->digest[1] == b->digest[1] && a->generation == b->generation &&
	       a->ks == b->ks && a->shard == b->shard && a->mode == b->mode;
}

/* The digest is a hash already; what else distinguishes plans is stirred in. */
static uint32_t home_of(const struct plan_cache *c, const struct plan_cache_key *key)
{
	uint64_t h = key->digest[0] ^ (uintptr_t)key->ks >> 4 ^ (uintptr_t)key->shard >> 3 ^ key->mode;

	return (uint32_t)((h * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & c->mask;
}

static uint32_t find(const struct plan_cache *c, const struct plan_cache_key *key)
{
	uint32_t i = home_of(c, key);

	while (c->slots[i].plan && !key_eq(&c->slots[i].key, key))
		i = (i + 1) & c->mask;
	return i;
}

struct plan *plan_cache_get(struct plan_cache *c, const struct plan_cache_key *key)
{
	struct slot *s = &c->slots[find(c, key)];

	if (!s->plan) {
		c->stats.misses++;
		return NULL;
	}
	c->stats.hits++;
	s->used = true;
	return s->plan;
}

/* Frees slot @i and closes the gap, so that probing needs no tombstones. */
static void drop(struct plan_cache *c, uint32_t i)
{
	uint32_t j = i, home;

	plan_unref(c->slots[i].plan);
	c->slots[i].plan = NULL;
	c->n--;
	for (;;) {
		j = (j + 1) & c->mask;
		if (!c->slots[j].plan)
			return;
		home = home_of(c, &c->slots[j].key);
		if (((j - home) & c->mask) < ((j - i) & c->mask))
			continue;
		c->slots[i] = c->slots[j];
		c->slots[j].plan = NULL;
		i = j;
	}
}

static void evict_one(struct plan_cache *c)
{
	for (;;) {
		struct slot *s = &c->slots[c->hand];

		if (s->plan && !s->used) {
			drop(c, c->hand);
			c->stats.evictions++;
			return;
		}
		s->used = false;
		c->hand = (c->hand + 1) & c->mask;
	}
}

void plan_cache_put(struct plan_cache *c, const struct plan_cache_key *key, struct plan *p)
{
	struct slot *s;

	if (p->flags & PLAN_NO_CACHE)
		return;
	s = &c->slots[find(c, key)];
	if (s->plan) {
		plan_ref(p);
		plan_unref(s->plan);
		s->plan = p;
		return;
	}
	if (c->n == c->max_plans) {
		evict_one(c);
		s = &c->slots[find(c, key)];
	}
	*s = (struct slot){ .key = *key, .plan = plan_ref(p) };
	c->n++;
}

void plan_cache_purge(struct plan_cache *c, uint64_t generation)
{
	uint32_t i = 0;

	while (i <= c->mask) {
		/* a drop may move another plan into the slot: look at it again */
		if (c->slots[i].plan && c->slots[i].key.generation != generation)
			drop(c, i);
		else
			i++;
	}
}

void plan_cache_stats(const struct plan_cache *c, struct plan_cache_stats *out)
{
	*out = c->stats;
	out->plans = c->n;
}
