/* zones.c - the counters of traffic between zones. Pools add to them in batches; whoever shows them reads them.
 * Any thread; the lock is for new pairs and for reading only. */
#include "keyway/backend/zones.h"
#include "keyway/util/base.h"
#include <pthread.h>
#include <stdlib.h>

struct zones {
	pthread_mutex_t lock;
	uint32_t n;
	struct zone_pair pairs[ZONE_PAIRS_MAX + 1]; /* the last: all others */
};

struct zones *zones_new(void)
{
	struct zones *z = xcalloc(1, sizeof(*z));

	pthread_mutex_init(&z->lock, NULL);
	return z;
}

void zones_free(struct zones *z)
{
	if (!z)
		return;
	for (uint32_t i = 0; i < z->n; i++) {
		free(z->pairs[i].from);
		free(z->pairs[i].to);
	}
	pthread_mutex_destroy(&z->lock);
	free(z);
}

struct zone_pair *zones_pair(struct zones *z, struct str from, struct str to)
{
	struct zone_pair *p = NULL;

	pthread_mutex_lock(&z->lock);
	for (uint32_t i = 0; i < z->n && !p; i++) {
		if (str_eqz(from, z->pairs[i].from) && str_eqz(to, z->pairs[i].to))
			p = &z->pairs[i];
	}
	if (!p && z->n <= ZONE_PAIRS_MAX) {
		bool full = z->n == ZONE_PAIRS_MAX;

		p = &z->pairs[z->n++];
		p->from = str_dup(full ? STR("") : from);
		p->to = str_dup(full ? STR("") : to);
	}
	if (!p)
		p = &z->pairs[ZONE_PAIRS_MAX];
	pthread_mutex_unlock(&z->lock);
	return p;
}

uint32_t zones_read(struct zones *z, struct zone_traffic *out, uint32_t max)
{
	uint32_t n;

	pthread_mutex_lock(&z->lock);
	n = MIN(z->n, max);
	for (uint32_t i = 0; i < n; i++) {
		struct zone_pair *p = &z->pairs[i];

		out[i] = (struct zone_traffic){ .from = p->from,
			.to = p->to,
			.statements = atomic_load_explicit(&p->statements, memory_order_relaxed),
			.bytes_sent = atomic_load_explicit(&p->bytes_sent, memory_order_relaxed),
			.bytes_got = atomic_load_explicit(&p->bytes_got, memory_order_relaxed) };
	}
	pthread_mutex_unlock(&z->lock);
	return n;
}
