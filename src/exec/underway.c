/* underway.c - looks through a worker's sessions for what began under an older map. Costs nothing while nobody asks.
 * For main, which tells the store.
 * Worker thread. */
#include "run.h"
#include "keyway/exec/underway.h"

struct look {
	struct worker *w;
	void (*one)(void *arg, const struct underway *u);
	void *arg;
};

static const struct keyspace_route *route_named(const struct worker *w, const char *name)
{
	for (uint32_t k = 0; k < w->routes->snapshot->map->keyspace_n; k++) {
		if (w->keyspaces[k].name == name)
			return &w->keyspaces[k];
	}
	return NULL;
}

static void look_at(const struct look *l, const struct session *s, const char *ks, uint32_t shard, uint8_t serves,
	uint64_t epoch, uint32_t thread, bool txn)
{
	const struct keyspace_route *kr = route_named(l->w, ks);
	struct underway u = { .keyspace = ks,
		.parts = serves,
		.epoch = epoch,
		.session = s->id,
		.thread = thread,
		.txn = txn,
		.pinned = s->pins != 0 };

	/* shards are counted anew in each map; one that it no longer has holds nobody up */
	if (!kr || epoch >= kr->ks->epoch || shard >= kr->ks->shard_n)
		return;
	u.shard = kr->shards[shard].name;
	l->one(l->arg, &u);
}

static bool leg_is_out(const struct leg *l)
{
	return l->pool && l->epoch && (l->c || l->state == LEG_LEASING);
}

static void look_at_session(const struct look *l, const struct session *s)
{
	const struct run *r = s->run;

	for (uint32_t i = 0; i < s->n_parts; i++) {
		const struct part *p = &s->parts[i];

		look_at(l, s, p->ks, p->shard, p->serves, p->epoch, p->c->thread_id, p->in_txn);
	}
	for (uint32_t i = 0; r && i < r->n_legs; i++) {
		const struct leg *g = &r->legs[i];

		if (leg_is_out(g) && !g->was_part)
			look_at(l, s, g->ks, g->shard, g->serves, g->epoch, g->c ? g->c->thread_id : 0, g->begins);
	}
}

void underway_each(struct worker *w, void (*one)(void *arg, const struct underway *u), void *arg)
{
	struct look l = { w, one, arg };

	list_for_each (it, &w->sessions)
		look_at_session(&l, list_item(it, struct session, link));
}
