/* show_map.c - SHOW KEYWAY SHARDS, BACKENDS, EPOCHS: the map, the servers behind it, and where both come from.
 * For show.c.
 * Worker thread. */
#include "show.h"
#include "keyway/exec/hold.h"
#include <stdlib.h>

static const char *const kind_name[] = { [SHARD_REPLICASET] = "replicaset", [SHARD_PAIR] = "pair" };
static const char *const state_name[] = {
	[BACKEND_SERVING] = "serving", [BACKEND_DRAINING] = "draining", [BACKEND_DRAINED] = "drained"
};
static const char *const health_name[] = {
	[SERVER_UNCHECKED] = "unchecked", [SERVER_UP] = "up", [SERVER_DOWN] = "down"
};
static const char *const writable_name[] = {
	[SERVER_WRITABLE_UNKNOWN] = "unknown", [SERVER_WRITABLE] = "yes", [SERVER_READ_ONLY] = "no"
};
static const char *const hold_name[] = {
	[HOLD_NONE] = "", [HOLD_NO_PRIMARY] = "no primary", [HOLD_DRAINING] = "draining", [HOLD_RETURNING] = "returning"
};

#define NAME_OF(names, i) ((size_t)(i) < ARRAY_N(names) && (names)[i] ? (names)[i] : "?")

/* --- SHARDS --- */

static void backend_name(struct show_rows *o, const struct shard *sh, int16_t b)
{
	if (b >= 0 && (uint32_t)b < sh->backend_n)
		show_str(o, sh->backends[b].name);
	else
		show_null(o);
}

/* A replica that reads may go to, as far as the checks know. */
static bool replica_up(const struct backend_def *d, const struct server *s)
{
	return s && d->state == BACKEND_SERVING && atomic_load(&s->health.state) != SERVER_DOWN;
}

static void side_row(struct show_rows *o, const struct shard *sh, const struct shard_verdict *v, enum pair_side side)
{
	if (sh->kind != SHARD_PAIR) {
		show_null(o);
		show_null(o);
		return;
	}
	backend_name(o, sh, v->side[side]);
	show_z(o, NAME_OF(state_name, sh->sides[side]->state));
}

static void shard_row(
	struct show_rows *o, const struct process *p, const struct shard *sh, const struct route_keyspace *rk)
{
	const struct hold_gauge *g = hold_gauge_find(p, sh->keyspace->name.p, sh->name.p);
	uint64_t since;
	const struct shard_verdict *v = &rk->verdicts[sh->index];
	struct server **servers = rk->servers[sh->index];
	uint32_t all = 0, up = 0;

	for (uint32_t b = 0; b < sh->backend_n; b++) {
		if (sh->kind == SHARD_PAIR || (int16_t)b == v->primary)
			continue;
		all++;
		up += replica_up(&sh->backends[b], servers[b]);
	}
	show_str(o, sh->keyspace->name);
	show_str(o, sh->name);
	show_z(o, NAME_OF(kind_name, sh->kind));
	show_str(o, sh->database);
	backend_name(o, sh, v->primary);
	side_row(o, sh, v, SIDE_ODD);
	side_row(o, sh, v, SIDE_EVEN);
	show_z(o, NAME_OF(hold_name, v->hold));
	show_z(o, verdict_alarm_text[v->alarm]);
	show_uint(o, g ? atomic_load(&g->held) : 0);
	since = g ? atomic_load(&g->since_us) : 0;
	show_uint(o, since ? (clock_mono_us() - since) / 1000 : 0);
	show_uint(o, up);
	show_uint(o, all);
	show_uint(o, sh->keyspace->epoch);
}

static void fill_shards(struct show_part *p)
{
	const struct map *map = worker_snapshot(p->w)->map;

	for (uint32_t k = 0; k < map->keyspace_n; k++) {
		for (uint32_t i = 0; i < map->keyspaces[k]->shard_n; i++) {
			if (!show_row(&p->rows))
				return;
			shard_row(&p->rows, p->w->process, &map->keyspaces[k]->shards[i], &p->w->routes->keyspaces[k]);
		}
	}
}

static const struct show_column shard_cols[] = {
	{ "keyspace", SHOW_TEXT, 64 },
	{ "shard", SHOW_TEXT, 64 },
	{ "kind", SHOW_TEXT, 16 },
	{ "database", SHOW_TEXT, 64 },
	{ "primary", SHOW_TEXT, 64 },
	{ "odd", SHOW_TEXT, 64 },
	{ "odd_state", SHOW_TEXT, 16 },
	{ "even", SHOW_TEXT, 64 },
	{ "even_state", SHOW_TEXT, 16 },
	{ "hold", SHOW_TEXT, 64 },
	{ "alarm", SHOW_TEXT, 192 },
	{ "held", SHOW_UINT, 0 },
	{ "held_ms", SHOW_UINT, 0 },
	{ "replicas_up", SHOW_UINT, 0 },
	{ "replicas", SHOW_UINT, 0 },
	{ "epoch", SHOW_UINT, 0 },
};

const struct show_view show_shards = {
	.name = "SHARDS",
	.help = "every shard: who serves it now, and what it waits for",
	.cols = shard_cols,
	.n_cols = ARRAY_N(shard_cols),
	.right = SHOW_ADMIN,
	.fill = fill_shards,
};

/* --- BACKENDS --- */

static const char *role_name(const struct backend_def *d)
{
	if (d->shard->kind == SHARD_PAIR)
		return d->side == SIDE_ODD ? "odd" : "even";
	return d->role == BACKEND_PRIMARY ? "primary" : "replica";
}

/* What goes to it now. */
static const char *serves(const struct backend_def *d, const struct shard_verdict *v, const struct server *s)
{
	int16_t b = (int16_t)d->index;

	if (!s)
		return "";
	if (d->shard->kind == SHARD_PAIR) {
		if (v->side[SIDE_ODD] == b && v->side[SIDE_EVEN] == b)
			return "odd,even";
		return v->side[SIDE_ODD] == b ? "odd" : v->side[SIDE_EVEN] == b ? "even" : "";
	}
	if (v->primary == b)
		return "writes";
	return d->state == BACKEND_SERVING && d->weight ? "reads" : "";
}

static void health_fields(struct show_rows *o, struct server *s)
{
	struct server_health *h = &s->health;
	uint64_t lag = atomic_load(&h->lag_us);

	show_z(o, NAME_OF(health_name, atomic_load(&h->state)));
	show_z(o, NAME_OF(writable_name, atomic_load(&h->writable)));
	show_z(o, atomic_load(&h->ejected) ? "yes" : "no");
	if (lag == SERVER_LAG_UNKNOWN || atomic_load(&h->state) == SERVER_UNCHECKED)
		show_null(o);
	else
		show_uint(o, lag / 1000);
	show_uint(o, atomic_load(&h->rtt_us));
	show_uint(o, atomic_load(&h->ewma_us));
	show_uint(o, atomic_load(&h->inflight));
	show_uint(o, atomic_load(&s->conns));
	show_uint(o, atomic_load(&s->failures));
	show_uint(o, atomic_load(&h->queries));
	show_uint(o, atomic_load(&h->errors));
	show_uint(o, atomic_load(&h->bytes));
}

#define HEALTH_FIELDS 12

static void backend_row(
	struct show_rows *o, const struct backend_def *d, const struct shard_verdict *v, struct server *s)
{
	show_str(o, d->shard->keyspace->name);
	show_str(o, d->shard->name);
	show_str(o, d->name);
	if (s)
		show_str(o, str_of(s->label));
	else if (d->socket.n)
		show_str(o, d->socket);
	else
		show_printf(o, "%.*s:%u", STR_ARG(d->host), d->port);
	show_str(o, d->az);
	show_str(o, d->region);
	show_z(o, role_name(d));
	show_z(o, NAME_OF(state_name, d->state));
	show_z(o, serves(d, v, s));
	show_uint(o, d->weight);
	if (s) {
		health_fields(o, s);
		show_z(o, "");
		return;
	}
	for (int i = 0; i < HEALTH_FIELDS; i++)
		show_null(o);
	show_z(o, "its host has no address: correct it in the map or in DNS");
}

static void fill_backends(struct show_part *p)
{
	const struct map *map = worker_snapshot(p->w)->map;

	for (uint32_t k = 0; k < map->keyspace_n; k++) {
		const struct route_keyspace *rk = &p->w->routes->keyspaces[k];
		const struct keyspace *ks = map->keyspaces[k];

		for (uint32_t i = 0; i < ks->shard_n; i++) {
			for (uint32_t b = 0; b < ks->shards[i].backend_n; b++) {
				if (!show_row(&p->rows))
					return;
				backend_row(&p->rows, &ks->shards[i].backends[b], &rk->verdicts[i], rk->servers[i][b]);
			}
		}
	}
}

static const struct show_column backend_cols[] = {
	{ "keyspace", SHOW_TEXT, 64 },
	{ "shard", SHOW_TEXT, 64 },
	{ "name", SHOW_TEXT, 64 },
	{ "address", SHOW_TEXT, 255 },
	{ "az", SHOW_TEXT, 64 },
	{ "region", SHOW_TEXT, 64 },
	{ "role", SHOW_TEXT, 16 },
	{ "state", SHOW_TEXT, 16 },
	{ "serves", SHOW_TEXT, 16 },
	{ "weight", SHOW_UINT, 0 },
	{ "health", SHOW_TEXT, 16 },
	{ "writable", SHOW_TEXT, 16 },
	{ "ejected", SHOW_TEXT, 4 },
	{ "lag_ms", SHOW_UINT, 0 },
	{ "rtt_us", SHOW_UINT, 0 },
	{ "latency_us", SHOW_UINT, 0 },
	{ "in_flight", SHOW_UINT, 0 },
	{ "connections", SHOW_UINT, 0 },
	{ "failures", SHOW_UINT, 0 },
	{ "queries", SHOW_UINT, 0 },
	{ "errors", SHOW_UINT, 0 },
	{ "bytes", SHOW_UINT, 0 },
	{ "why", SHOW_TEXT, 512 },
};

const struct show_view show_backends = {
	.name = "BACKENDS",
	.help = "every server of the map: its part, its health, what goes to it",
	.cols = backend_cols,
	.n_cols = ARRAY_N(backend_cols),
	.right = SHOW_ADMIN,
	.fill = fill_backends,
};

/* --- EPOCHS --- */

static void fill_epochs(struct show_part *p)
{
	struct topo_status st;

	topo_status(p->w->process->topo, &st);
	for (uint32_t i = 0; i < st.keyspace_n && show_row(&p->rows); i++) {
		const struct topo_keyspace_status *k = &st.keyspaces[i];

		show_str(&p->rows, str_of(k->name));
		show_uint(&p->rows, k->epoch);
		show_wall(&p->rows, k->loaded_us);
		show_z(&p->rows, k->from_cache ? "cache" : k->gone ? "before" : "store");
		show_z(&p->rows, st.store_up ? "up" : "down");
		show_str(&p->rows, str_of(st.store_err.kind ? st.store_err.msg : ""));
		show_str(&p->rows, st.store_id ? str_of(st.store_id) : str_make(NULL, 0));
		show_uint(&p->rows, k->refused_n);
		show_wall(&p->rows, k->refused_us);
		show_str(&p->rows, str_of(k->refused_us ? k->refused_err.msg : ""));
		show_wall(&p->rows, k->schema_us);
		show_str(&p->rows, k->schema_from ? str_of(k->schema_from) : str_make(NULL, 0));
		show_str(&p->rows, str_of(k->schema_err.kind ? k->schema_err.msg : ""));
	}
	topo_status_free(&st);
}

static const struct show_column epoch_cols[] = {
	{ "keyspace", SHOW_TEXT, 64 },
	{ "epoch", SHOW_UINT, 0 },
	{ "since", SHOW_TEXT, 19 },
	{ "from", SHOW_TEXT, 16 },
	{ "store", SHOW_TEXT, 16 },
	{ "store_error", SHOW_TEXT, 512 },
	{ "store_id", SHOW_TEXT, 255 },
	{ "refused", SHOW_UINT, 0 },
	{ "refused_at", SHOW_TEXT, 19 },
	{ "refused_why", SHOW_TEXT, 512 },
	{ "schema_read", SHOW_TEXT, 19 },
	{ "schema_from", SHOW_TEXT, 64 },
	{ "schema_error", SHOW_TEXT, 512 },
};

const struct show_view show_epochs = {
	.name = "EPOCHS",
	.help = "the maps that are served, where they come from, and those that were refused",
	.cols = epoch_cols,
	.n_cols = ARRAY_N(epoch_cols),
	.right = SHOW_ADMIN,
	.fill = fill_epochs,
};

/* --- PROXIES --- */

static void show_optional(struct show_rows *o, const char *z)
{
	show_text(o, z ? str_of(z) : str_make(NULL, 0), 512);
}

static void proxy_row(void *arg, const struct proxy_record *r)
{
	struct show_rows *o = arg;

	if (!show_row(o))
		return;
	show_optional(o, r->id);
	show_optional(o, r->address);
	show_optional(o, r->socket);
	show_optional(o, r->version);
	show_optional(o, r->az);
	show_uint(o, r->pid);
	show_wall(o, r->started_us);
	show_z(o, r->stopping ? "stopping" : r->from_cache ? "cached map" : "up");
	show_optional(o, r->epochs);
	show_optional(o, r->refused);
	show_optional(o, r->trouble);
}

static void fill_proxies(struct show_part *p)
{
	const struct control *c = &p->w->process->control;

	if (c->proxies(c->arg, proxy_row, &p->rows, &p->err) == 0)
		p->err.kind = ERR_OK;
	else
		err_wrap(&p->err, "the proxies' records cannot be read");
}

static const struct show_column proxy_cols[] = {
	{ "id", SHOW_TEXT, 64 },
	{ "address", SHOW_TEXT, 255 },
	{ "socket", SHOW_TEXT, 255 },
	{ "version", SHOW_TEXT, 64 },
	{ "az", SHOW_TEXT, 64 },
	{ "pid", SHOW_UINT, 0 },
	{ "started", SHOW_TEXT, 19 },
	{ "state", SHOW_TEXT, 16 },
	{ "epochs", SHOW_TEXT, 512 },
	{ "refused", SHOW_TEXT, 512 },
	{ "trouble", SHOW_TEXT, 512 },
};

const struct show_view show_proxies = {
	.name = "PROXIES",
	.help = "the proxies that are alive, by the records that they keep in the store",
	.cols = proxy_cols,
	.n_cols = ARRAY_N(proxy_cols),
	.right = SHOW_ADMIN,
	.from = SHOW_CONTROL,
	.fill = fill_proxies,
};
