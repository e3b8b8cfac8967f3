/* reads.c - reads from replicas: who wants them, which server, what is learnt of it, another one when it fails. For
 * route.c, leg.c and forward.c. Worker thread; what servers are like is shared by all workers in struct server. */
#include "reads.h"
#include "keyway/exec/underway.h"

const char *const reads_name[] = {
	[READS_PRIMARY] = "primary", [READS_REPLICA] = "replica", [READS_CAUSAL] = "causal"
};

void reads_count(atomic_uint_fast64_t *n)
{
	/* one writer: no locked instruction */
	atomic_store_explicit(n, atomic_load_explicit(n, memory_order_relaxed) + 1, memory_order_relaxed);
}

enum reads reads_wanted(struct run *r, const struct scan *scan)
{
	struct session *s = r->s;
	enum reads want = (enum reads)s->reads;

	if (scan->flags & SCAN_F_READS)
		want = scan->flags & SCAN_F_READS_PRIMARY   ? READS_PRIMARY
		       : scan->flags & SCAN_F_READS_REPLICA ? READS_REPLICA
							    : READS_CAUSAL;
	if (want == READS_CAUSAL && !s->causal)
		causal_begin(s, true);
	if (!(r->plan->flags & PLAN_REPLICA_OK) || s->pins || s->settings->autocommit_off)
		return READS_PRIMARY;
	if (s->txn != TXN_NONE && !(s->txn == TXN_OPEN && (s->txn_flags_read & 1)))
		return READS_PRIMARY;
	return want;
}

/* --- the choice --- */

static void look_at(const struct replica_route *rr, uint64_t now, struct choose_server *out)
{
	struct server *s = pool_server(rr->pool);
	struct server_health *h = &s->health;
	unsigned state = atomic_load_explicit(&h->state, memory_order_relaxed);

	*out = (struct choose_server){ .tier = rr->tier,
		.weight = rr->weight,
		.ejected = atomic_load_explicit(&h->ejected, memory_order_relaxed),
		.inflight = atomic_load_explicit(&h->inflight, memory_order_relaxed),
		.typical_us = atomic_load_explicit(&h->typical_us, memory_order_relaxed),
		.up_since_us = atomic_load_explicit(&h->up_since_us, memory_order_relaxed) };
	if (atomic_load_explicit(&h->learnt, memory_order_relaxed) >= CHOOSE_LEARN_FIRST)
		out->ewma_us = atomic_load_explicit(&h->ewma_us, memory_order_relaxed);
	if (state != SERVER_UNCHECKED)
		out->lag_us = atomic_load_explicit(&h->lag_us, memory_order_relaxed);
	/* one whose connects fail is tried again when its pool would */
	out->down =
		state == SERVER_DOWN || (atomic_load_explicit(&s->failures, memory_order_relaxed) &&
						atomic_load_explicit(&s->next_connect_us, memory_order_relaxed) > now);
}

static int choose_with(
	struct leg *l, struct shard_route *sr, struct choose_server *v, uint64_t only, struct choice *out)
{
	const struct exec_config *cfg = l->run->w->cfg;

	for (uint32_t i = 0; i < sr->n_replicas; i++)
		v[i].skip = !(only >> i & 1) || (l->avoid >> sr->replicas[i].index & 1);
	*out = choose_server(sr->chooser, v, sr->n_replicas, &cfg->reads, clock_mono_us());
	return out->at;
}

/* The place of a replica in sr->replicas, or CHOOSE_NONE. */
static int choose_replica(struct leg *l, const struct keyspace_route *kr, struct shard_route *sr, struct choice *ch)
{
	struct worker *w = l->run->w;
	struct choose_server v[CHOOSE_MAX];
	uint64_t now = clock_mono_us(), known = 0, wait = 0;
	int at;

	ch->at = CHOOSE_NONE;
	if (!sr->n_replicas)
		return CHOOSE_NONE;
	for (uint32_t i = 0; i < sr->n_replicas; i++)
		look_at(&sr->replicas[i], now, &v[i]);
	if (l->reads != READS_CAUSAL)
		return choose_with(l, sr, v, UINT64_MAX, ch);
	switch (causal_judge(l->run->s, kr, sr, &known, &wait)) {
	case CAUSAL_ANY: return choose_with(l, sr, v, UINT64_MAX, ch);
	case CAUSAL_SOME: break;
	case CAUSAL_PRIMARY:
		/* only its own word can tell how far the primary is */
		if (l->run->cap_legs == 1)
			l->run->collects |= COLLECT_POSITION;
		return CHOOSE_NONE;
	}
	at = choose_with(l, sr, v, known, ch);
	if (at != CHOOSE_NONE) {
		reads_count(&w->reads.causal_known);
		return at;
	}
	for (uint32_t i = 0; i < sr->n_replicas; i++) {
		if (v[i].lag_us > w->cfg->causal_wait_us || sr->replicas[i].no_wait_until_us > now)
			wait &= ~((uint64_t)1 << i);
	}
	at = w->cfg->causal_wait_us && wait ? choose_with(l, sr, v, wait, ch) : CHOOSE_NONE;
	l->waits = at != CHOOSE_NONE;
	return at;
}

/* The transaction's own server for the shard, when it has begun there. */
static struct part *part_in_txn(struct session *s, const char *ks, uint32_t shard)
{
	for (uint32_t i = 0; i < s->n_parts; i++) {
		if (s->parts[i].in_txn && s->parts[i].ks == ks && s->parts[i].shard == shard)
			return &s->parts[i];
	}
	return NULL;
}

void reads_route(struct leg *l, const struct keyspace_route *kr, struct shard_route *sr, enum reads want)
{
	struct worker *w = l->run->w;
	struct part *p = l->run->s->n_parts ? part_in_txn(l->run->s, kr->name, l->shard) : NULL;
	struct choice ch;

	l->reads = (uint8_t)want;
	l->replica = l->waits = false;
	if (l->serves == UNDERWAY_REPLICA)
		l->serves = UNDERWAY_PRIMARY;
	if (p) {
		l->pool = p->pool;
		l->serves = p->serves;
		return;
	}
	if (choose_replica(l, kr, sr, &ch) == CHOOSE_NONE) {
		reads_count(&w->reads.primary);
		if (want == READS_REPLICA && !w->cfg->reads_fallback && kr->ks->shards[l->shard].kind != SHARD_PAIR) {
			l->pool = NULL;
			l->no_replica = true;
		}
		return;
	}
	l->replica = true;
	l->serves = UNDERWAY_REPLICA;
	l->pool = sr->replicas[ch.at].pool;
	l->replica_at = (uint8_t)sr->replicas[ch.at].index;
	reads_count(ch.why == CHOOSE_NEAR    ? &w->reads.near
		    : ch.why == CHOOSE_PROBE ? &w->reads.probes
					     : &w->reads.spilled);
}

void reads_refuse(const struct leg *l, struct err *err)
{
	err_set(err, ERR_BACKEND, ER_NET_READ_ERROR,
		"no replica of shard %s can be read (down, over reads.max_lag, or none in the map), and reads.fallback "
		"is "
		"\"error\": ask the primary with /* keyway: reads=primary */",
		l->shard_name);
}

/* --- another server --- */

/* Starts the leg anew where its pool is now. The statement may have ended after this. */
static void reads_restart(struct leg *l)
{
	struct run *r = l->run;
	struct session *s = r->s;

	l->setup_left = 0;
	l->begins = l->implicit = l->savepoint = l->was_part = false;
	l->state = LEG_NEW;
	leg_start(l);
	if (s->run == r)
		run_step(r);
}

static struct shard_route *shard_again(struct leg *l, const struct keyspace_route **kr)
{
	struct run *r = l->run;

	reads_end(l);
	l->avoid |= (uint64_t)1 << l->replica_at;
	*kr = r->plan ? worker_keyspace(r->w, r->plan->ks) : NULL;
	return *kr ? &(*kr)->shards[l->shard] : NULL; /* none: the map has changed under it */
}

bool reads_elsewhere(struct leg *l)
{
	const struct keyspace_route *kr;
	struct shard_route *sr;
	struct err err;

	if (!l->replica)
		return false;
	sr = shard_again(l, &kr);
	if (!sr)
		return false;
	leg_reroute(l);
	reads_route(l, kr, sr, (enum reads)l->reads);
	if (l->no_replica) {
		reads_refuse(l, &err);
		leg_fail(l, &err);
		return true;
	}
	reads_count(&l->run->w->reads.moved);
	reads_restart(l);
	return true;
}

void reads_park(struct leg *l)
{
	reads_end(l);
	buf_free(&l->wait);
	l->replica = l->waits = l->covered = false;
	l->avoid = 0;
	server_unref(l->ran_on);
	l->ran_on = NULL;
}

void reads_resume(struct leg *l)
{
	const struct keyspace_route *kr = worker_keyspace(l->run->w, l->run->plan->ks);

	if (kr)
		reads_route(l, kr, &kr->shards[l->shard], (enum reads)l->reads);
}

void reads_to_primary(struct leg *l)
{
	const struct keyspace_route *kr;
	struct shard_route *sr = shard_again(l, &kr);
	struct err err;

	l->replica = l->waits = false;
	if (sr) {
		leg_reroute(l);
		l->serves = UNDERWAY_PRIMARY;
		reads_restart(l);
		return;
	}
	err_set(&err, ERR_BACKEND, ER_NET_READ_ERROR,
		"the shard map changed while the statement waited for a replica: try again");
	leg_fail(l, &err);
}

/* --- what is learnt --- */

void reads_begin(struct leg *l)
{
	l->reading = server_ref(pool_server(l->pool));
	atomic_fetch_add_explicit(&l->reading->health.inflight, 1, memory_order_relaxed);
}

void reads_end(struct leg *l)
{
	if (!l->reading)
		return;
	atomic_fetch_sub_explicit(&l->reading->health.inflight, 1, memory_order_relaxed);
	server_unref(l->reading);
	l->reading = NULL;
	l->sent_us = 0;
}

void reads_answered(struct leg *l)
{
	struct server_health *h = &l->reading->health;
	uint64_t ewma = atomic_load_explicit(&h->ewma_us, memory_order_relaxed);
	uint64_t typical = atomic_load_explicit(&h->typical_us, memory_order_relaxed);

	/* workers may overwrite each other's sample: they all say about the same */
	choose_learn(&ewma, &typical, atomic_fetch_add_explicit(&h->learnt, 1, memory_order_relaxed),
		clock_mono_us() - l->sent_us);
	atomic_store_explicit(&h->ewma_us, ewma, memory_order_relaxed);
	atomic_store_explicit(&h->typical_us, typical, memory_order_relaxed);
	l->sent_us = 0;
}

int reads_check_txn(struct run *r, struct err *err)
{
	struct session *s = r->s;

	if (LIKELY(!(s->txn_flags_read & 1) || !s->n_parts))
		return 0;
	for (uint32_t i = 0; i < r->n_legs; i++) {
		struct part *p = part_in_txn(s, r->legs[i].ks, r->legs[i].shard);

		if (!p || p->pool == r->legs[i].pool)
			continue;
		err_set(err, ERR_UNSUPPORTED, (enum mysql_errno)1792,
			"Cannot execute statement in a READ ONLY transaction that reads from a replica of shard %s: "
			"leave "
			"out locks and calls, or begin it where the primary is read (@primary)",
			r->legs[i].shard_name);
		memcpy(err->sqlstate, "25006", 6);
		return ERR_UNSUPPORTED;
	}
	return 0;
}

/* --- near and far --- */

static struct str zone_region(const struct exec_config *cfg, struct str zone)
{
	for (uint32_t i = 0; i < cfg->n_zones; i++) {
		if (str_eqz(zone, cfg->zones[i].name))
			return str_of(cfg->zones[i].region);
	}
	return STR("");
}

static uint8_t tier_of(const struct exec_config *cfg, const struct backend_def *def)
{
	struct str az = str_of(cfg->az), own = str_of(cfg->region);
	struct str region = def->region.n ? def->region : zone_region(cfg, def->az);
	bool near[] = { [READS_TIER_ZONE] = az.n && str_eq(az, def->az), [READS_TIER_ANY] = true };

	if (!own.n)
		own = zone_region(cfg, az);
	near[READS_TIER_REGION] = near[READS_TIER_ZONE] || (own.n && str_eq(own, region));
	for (uint32_t i = 0; i < cfg->n_tiers; i++) {
		if (near[cfg->tiers[i]])
			return (uint8_t)i;
	}
	return CHOOSE_TIERS;
}

void reads_place(struct worker *w)
{
	struct zones *z = w->process->zones;

	for (uint32_t k = 0; k < w->routes->snapshot->map->keyspace_n; k++) {
		const struct keyspace_route *kr = &w->keyspaces[k];

		for (uint32_t i = 0; i < kr->ks->shard_n; i++) {
			const struct shard *sh = &kr->ks->shards[i];
			struct server **servers = w->routes->keyspaces[k].servers[i];
			struct shard_route *sr = &kr->shards[i];

			for (uint32_t b = 0; b < sr->n_replicas; b++)
				sr->replicas[b].tier = tier_of(w->cfg, &sh->backends[sr->replicas[b].index]);
			for (uint32_t b = 0; b < sh->backend_n; b++) {
				struct pool *p = servers[b] ? worker_find_pool(w, servers[b]) : NULL;

				if (p)
					pool_count_in(p, zones_pair(z, str_of(w->cfg->az), sh->backends[b].az));
			}
		}
	}
}

void reads_sum(const struct process *p, struct reads_stats *out)
{
	*out = (struct reads_stats){ 0 };
	for (uint32_t i = 0; i < p->n_workers; i++) {
		const struct reads_counts *c = &p->workers[i]->reads;

		out->near += atomic_load_explicit(&c->near, memory_order_relaxed);
		out->spilled += atomic_load_explicit(&c->spilled, memory_order_relaxed);
		out->probes += atomic_load_explicit(&c->probes, memory_order_relaxed);
		out->primary += atomic_load_explicit(&c->primary, memory_order_relaxed);
		out->moved += atomic_load_explicit(&c->moved, memory_order_relaxed);
		out->causal_known += atomic_load_explicit(&c->causal_known, memory_order_relaxed);
		out->causal_waited += atomic_load_explicit(&c->causal_waited, memory_order_relaxed);
		out->causal_late += atomic_load_explicit(&c->causal_late, memory_order_relaxed);
	}
}
