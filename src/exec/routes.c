/* routes.c - counted objects that travel to the workers: routes and settings. Made by control threads, any thread
 * drops them. */
#include "keyway/exec/worker.h"
#include <stdlib.h>

struct routes *routes_new(struct snapshot *snapshot, struct route_keyspace *keyspaces)
{
	struct routes *r = xcalloc(1, sizeof(*r));

	r->refs = 1;
	r->snapshot = snapshot;
	r->keyspaces = keyspaces;
	return r;
}

struct routes *routes_ref(struct routes *r)
{
	atomic_fetch_add(&r->refs, 1);
	return r;
}

void routes_unref(struct routes *r)
{
	if (!r || atomic_fetch_sub(&r->refs, 1) != 1)
		return;
	for (uint32_t k = 0; k < r->snapshot->map->keyspace_n; k++) {
		const struct keyspace *ks = r->snapshot->map->keyspaces[k];
		struct server ***shards = r->keyspaces[k].servers;

		for (uint32_t i = 0; shards && i < ks->shard_n; i++) {
			for (uint32_t b = 0; b < ks->shards[i].backend_n; b++)
				server_unref(shards[i][b]);
			free(shards[i]);
		}
		free(shards);
		free(r->keyspaces[k].verdicts);
	}
	free(r->keyspaces);
	snapshot_unref(r->snapshot);
	free(r);
}

struct exec_config *exec_config_ref(struct exec_config *c)
{
	atomic_fetch_add(&c->refs, 1);
	return c;
}

void exec_config_unref(struct exec_config *c)
{
	if (!c || atomic_fetch_sub(&c->refs, 1) != 1)
		return;
	for (uint32_t i = 0; i < c->n_zones; i++) {
		free(c->zones[i].name);
		free(c->zones[i].region);
	}
	free(c->zones);
	free(c->az);
	free(c->region);
	free(c->server_version);
	free(c);
}
