/* worker.c - a worker's tables of keyspaces and pools, renewed with every snapshot. The worker's thread. */
#include "reads.h"
#include "keyway/util/log.h"
#include <stdlib.h>

struct name {
	UT_hash_handle hh;
	char text[];
};

const char *worker_intern(struct worker *w, struct str s)
{
	struct name *n;

	HASH_FIND(hh, w->names, s.p, s.n, n);
	if (n)
		return n->text;
	n = xmalloc(sizeof(*n) + s.n + 1);
	memcpy(n->text, s.p, s.n);
	n->text[s.n] = '\0';
	HASH_ADD_KEYPTR(hh, w->names, n->text, s.n, n);
	return n->text;
}

struct pool *worker_find_pool(const struct worker *w, const struct server *server)
{
	for (uint32_t i = 0; i < w->n_pools; i++) {
		if (pool_server(w->pools[i]) == server)
			return w->pools[i];
	}
	return NULL;
}

static struct pool *worker_pool(struct worker *w, struct server *server)
{
	struct pool *p = worker_find_pool(w, server);

	if (p)
		return p;
	w->pools = xrealloc(w->pools, (w->n_pools + 1) * sizeof(*w->pools));
	w->pools[w->n_pools] = pool_new(w->loop, w->settings, server, &w->cfg->pool);
	return w->pools[w->n_pools++];
}

static void shard_route_free(struct shard_route *sr)
{
	free(sr->replicas);
	free(sr->chooser);
}

static void shard_routes_free(struct keyspace_route *ks, uint32_t n_ks)
{
	for (uint32_t k = 0; k < n_ks; k++) {
		for (uint32_t i = 0; i < ks[k].ks->shard_n; i++)
			shard_route_free(&ks[k].shards[i]);
		free(ks[k].shards);
	}
	free(ks);
}

static void shard_route_build(struct worker *w, struct shard_route *sr, const struct shard *sh, struct server **servers,
	const struct shard_verdict *v)
{
	sr->db = sh->database.n ? worker_intern(w, sh->database) : NULL;
	sr->name = worker_intern(w, sh->name);
	sr->hold = v->hold;
	sr->replicas = xcalloc(sh->backend_n, sizeof(*sr->replicas));
	for (uint32_t b = 0; b < sh->backend_n; b++) {
		const struct backend_def *def = &sh->backends[b];
		struct pool *p;

		if (!servers[b])
			continue;
		p = worker_pool(w, servers[b]);
		if ((int16_t)b == v->primary)
			sr->primary = p;
		for (int side = 0; side < 2; side++) {
			if ((int16_t)b == v->side[side])
				sr->side[side] = p;
		}
		if (sh->kind == SHARD_REPLICASET && (int16_t)b != v->primary && def->weight &&
			def->state == BACKEND_SERVING)
			sr->replicas[sr->n_replicas++] =
				(struct replica_route){ .pool = p, .index = b, .weight = def->weight };
	}
	if (sr->n_replicas) {
		sr->chooser = xcalloc(1, sizeof(*sr->chooser));
		sr->chooser->seed = w->process->scan_seed ^ clock_mono_us() ^ (uintptr_t)sr;
	}
}

/* Pools of servers that no shard has any more close down. */
static void worker_retire_pools(struct worker *w)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < w->n_pools; i++) {
		bool used = false;

		for (uint32_t k = 0; !used && k < w->routes->snapshot->map->keyspace_n; k++) {
			const struct keyspace *ks = w->keyspaces[k].ks;

			for (uint32_t j = 0; !used && j < ks->shard_n; j++) {
				struct server **sv = w->routes->keyspaces[k].servers[j];

				for (uint32_t b = 0; !used && b < ks->shards[j].backend_n; b++)
					used = sv[b] == pool_server(w->pools[i]);
			}
		}
		if (used)
			w->pools[kept++] = w->pools[i];
		else
			pool_retire(w->pools[i]);
	}
	w->n_pools = kept;
}

static void worker_use(struct worker *w, struct routes *routes)
{
	const struct map *map = routes->snapshot->map;
	struct keyspace_route *old = w->keyspaces, *ks = xcalloc(map->keyspace_n, sizeof(*ks));
	struct routes *old_routes = w->routes;
	uint32_t most = 1;

	w->routes = routes;
	for (uint32_t k = 0; k < map->keyspace_n; k++) {
		ks[k].ks = map->keyspaces[k];
		ks[k].name = worker_intern(w, ks[k].ks->name);
		ks[k].single = routes->keyspaces[k].single;
		ks[k].shards = xcalloc(ks[k].ks->shard_n, sizeof(*ks[k].shards));
		for (uint32_t i = 0; i < ks[k].ks->shard_n; i++)
			shard_route_build(w, &ks[k].shards[i], &ks[k].ks->shards[i], routes->keyspaces[k].servers[i],
				&routes->keyspaces[k].verdicts[i]);
		most = MAX(most, ks[k].ks->shard_n);
	}
	w->keyspaces = ks;
	w->shard_scratch = xrealloc(w->shard_scratch, most * sizeof(*w->shard_scratch));
	if (old_routes)
		hold_routes_changed(w);
	worker_retire_pools(w);
	reads_place(w);
	if (w->plans)
		plan_cache_purge(w->plans, routes->snapshot->generation);
	if (old_routes) {
		shard_routes_free(old, old_routes->snapshot->map->keyspace_n);
		routes_unref(old_routes);
	}
	atomic_store(&w->generation, routes->snapshot->generation);
	if (w->process->installed)
		w->process->installed(w->process->installed_arg);
}

struct worker *worker_new(struct process *process, uint32_t index, struct exec_config *cfg, struct routes *routes)
{
	struct worker *w = xcalloc(1, sizeof(*w));

	w->loop = loop_new();
	if (!w->loop) {
		free(w);
		return NULL;
	}
	w->process = process;
	w->index = index;
	w->cfg = exec_config_ref(cfg);
	w->settings = settings_table_new();
	w->plans = plan_cache_new(cfg->max_plans);
	w->digests = digest_table_new(cfg->max_plans);
	scan_init(&w->scan);
	list_init(&w->sessions);
	hold_init(w);
	worker_use(w, routes_ref(routes));
	return w;
}

struct install {
	struct worker *w;
	struct routes *routes;
	struct exec_config *cfg;
};

static void worker_do_install(void *arg)
{
	struct install *in = arg;
	struct worker *w = in->w;

	if (in->cfg) {
		/* pools look at w->cfg->pool by its address: keep the struct, take the values */
		struct exec_config *old = w->cfg;

		w->cfg = in->cfg;
		for (uint32_t i = 0; i < w->n_pools; i++)
			pool_reconfigure(w->pools[i], &w->cfg->pool);
		exec_config_unref(old);
		reads_place(w);
	}
	if (in->routes)
		worker_use(w, in->routes);
	free(in);
}

void worker_install(struct worker *w, struct routes *routes, struct exec_config *cfg)
{
	struct install *in = xcalloc(1, sizeof(*in));

	in->w = w;
	in->routes = routes ? routes_ref(routes) : NULL;
	in->cfg = cfg ? exec_config_ref(cfg) : NULL;
	loop_send(w->loop, worker_do_install, in);
}

const struct keyspace_route *worker_keyspace(const struct worker *w, const struct keyspace *ks)
{
	for (uint32_t k = 0; k < w->routes->snapshot->map->keyspace_n; k++) {
		if (w->keyspaces[k].ks == ks)
			return &w->keyspaces[k];
	}
	return NULL;
}

void worker_free(struct worker *w)
{
	struct name *n, *tmp;

	if (!w)
		return;
	hold_end(w);
	while (w->free_runs) {
		struct run *next = w->free_runs->next_free;

		arena_free(&w->free_runs->arena);
		free(w->free_runs);
		w->free_runs = next;
	}
	for (uint32_t i = 0; i < w->n_pools; i++)
		pool_retire(w->pools[i]);
	/* closed connections are freed from the loop: let it run once more without waiting */
	loop_run_pending(w->loop);
	free(w->pools);
	plan_cache_free(w->plans);
	digest_table_free(w->digests);
	plan_insert_run_free(&w->insert);
	scan_free(&w->scan);
	shard_routes_free(w->keyspaces, w->routes->snapshot->map->keyspace_n);
	routes_unref(w->routes);
	exec_config_unref(w->cfg);
	settings_table_free(w->settings);
	free(w->shard_scratch);
	buf_free(&w->hold);
	HASH_ITER (hh, w->names, n, tmp) {
		HASH_DEL(w->names, n);
		free(n);
	}
	loop_free(w->loop);
	free(w);
}
