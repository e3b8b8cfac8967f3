/* wiring.c - the daemon's settings turned into what each layer takes. Main and control threads. */
#include "daemon.h"
#include "keyway/util/log.h"
#include "wire_store.h"
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>

static void wire_reads(const struct config *cfg, struct exec_config *x)
{
	int n = config_read_tiers(cfg->reads.tiers, x->tiers, ARRAY_N(x->tiers));

	x->n_tiers = n > 0 ? (uint32_t)n : 0; /* the settings were checked */
	x->az = xstrdup(cfg->az);
	x->region = xstrdup(cfg->region);
	x->zones = xcalloc(cfg->n_zones, sizeof(*x->zones));
	x->n_zones = (uint32_t)cfg->n_zones;
	for (size_t i = 0; i < cfg->n_zones; i++)
		x->zones[i] = (struct exec_zone){ xstrdup(cfg->zones[i].name), xstrdup(cfg->zones[i].region) };
	x->reads = (struct choose_limits){ cfg->reads.max_lag_us, cfg->reads.slow_start_us };
	x->causal_wait_us = cfg->reads.causal_wait_us;
	x->reads_fallback = cfg->reads.fallback == CONFIG_FALLBACK_PRIMARY;
}

static const enum reads reads_of[] = {
	[CONFIG_READS_PRIMARY] = READS_PRIMARY,
	[CONFIG_READS_REPLICA] = READS_REPLICA,
	[CONFIG_READS_CAUSAL] = READS_CAUSAL,
};

struct exec_config *wire_exec_config(const struct config *cfg)
{
	struct exec_config *x = xcalloc(1, sizeof(*x));
	const struct config_backend *b = &cfg->backend;

	x->refs = 1;
	x->pool = (struct pool_config){ .max_conns = (uint32_t)b->max_connections,
		.queue_max = (uint32_t)b->queue_max,
		.connects_per_second = (uint32_t)b->connects_per_second,
		.connect_timeout_us = b->connect_timeout_us,
		.queue_timeout_us = b->queue_timeout_us,
		.idle_us = b->idle_age_us,
		.max_life_us = b->max_life_us };
	x->id_wait_us = 200000;
	for (size_t i = 0; i < cfg->n_allocators; i++)
		x->id_wait_us = MAX(x->id_wait_us, cfg->allocators[i].wait_us);
	x->hold_wait_us = cfg->failover.wait_us;
	x->hold_max = (uint32_t)cfg->failover.queue_max;
	x->query_timeout_us = cfg->limits.query_timeout_us;
	x->max_packet_bytes = cfg->limits.max_packet_bytes;
	x->max_statement_memory_bytes = cfg->limits.max_statement_memory_bytes;
	x->max_prepared = (uint32_t)cfg->limits.max_prepared;
	x->max_plans = (uint32_t)cfg->limits.plan_cache;
	x->server_version = xstrdup(cfg->server.version);
	wire_reads(cfg, x);
	if (cfg->server.collation[0])
		x->collation_id = wire_collation_id(str_of(cfg->server.collation));
	else if (cfg->server.charset[0])
		x->collation_id = wire_charset_default_id(str_of(cfg->server.charset));
	return x;
}

static int tls_error(struct err *err, const char *what, const char *file)
{
	unsigned long e = ERR_get_error();
	const char *why = e ? ERR_reason_error_string(e) : NULL;

	ERR_clear_error();
	return err_set(err, ERR_CONFIG, ER_WRONG_VALUE_FOR_VAR, "%s '%s' cannot be used: %s", what, file,
		why ? why : "not readable, or not in PEM form");
}

static int tls_load(SSL_CTX *ctx, const char *cert, const char *key, const char *ca, struct err *err)
{
	if (cert[0] && SSL_CTX_use_certificate_chain_file(ctx, cert) != 1)
		return tls_error(err, "the certificate", cert);
	if (key[0] && SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1)
		return tls_error(err, "the key", key);
	if (cert[0] && key[0] && SSL_CTX_check_private_key(ctx) != 1)
		return tls_error(err, "the key (it belongs to another certificate)", key);
	if (ca[0] && SSL_CTX_load_verify_locations(ctx, ca, NULL) != 1)
		return tls_error(err, "the CA file", ca);
	return 0;
}

static int front_tls(const struct config *cfg, SSL_CTX **out, struct err *err)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	int rc;

	SSL_CTX_set_min_proto_version(ctx, cfg->tls.min_version == CONFIG_TLS_1_3 ? TLS1_3_VERSION : TLS1_2_VERSION);
	SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
	rc = tls_load(ctx, cfg->tls.cert, cfg->tls.key, cfg->tls.ca, err);
	if (rc < 0) {
		SSL_CTX_free(ctx);
		return rc;
	}
	if (cfg->tls.ca[0])
		SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	*out = ctx;
	return 0;
}

struct front_config *wire_front_config(const struct config *cfg, struct err *err)
{
	struct front_config *f = xcalloc(1, sizeof(*f));

	f->refs = 1;
	f->tls_mode = cfg->tls.mode == CONFIG_TLS_REQUIRED   ? FRONT_TLS_REQUIRED
		      : cfg->tls.mode == CONFIG_TLS_OPTIONAL ? FRONT_TLS_OPTIONAL
							     : FRONT_TLS_OFF;
	if (f->tls_mode != FRONT_TLS_OFF && front_tls(cfg, &f->tls_ctx, err) < 0) {
		front_config_unref(f);
		return NULL;
	}
	f->max_connections = (uint32_t)cfg->limits.max_connections;
	f->max_user_connections = (uint32_t)cfg->limits.max_user_connections;
	f->max_packet_bytes = cfg->limits.max_packet_bytes;
	f->handshake_timeout_us = cfg->limits.handshake_timeout_us;
	f->idle_timeout_us = cfg->limits.idle_timeout_us;
	f->users = xcalloc(cfg->n_users, sizeof(*f->users));
	f->n_users = (uint32_t)cfg->n_users;
	for (size_t i = 0; i < cfg->n_users; i++) {
		const struct config_user *u = &cfg->users[i];
		struct front_user *o = &f->users[i];

		o->name = xstrdup(u->name);
		o->has_native = u->native[0] && auth_native_read(str_of(u->native), o->native) == 0;
		o->sha2 = u->sha2[0] ? xstrdup(u->sha2) : NULL;
		o->no_password = u->no_password;
		o->admin = u->admin;
		o->reads = reads_of[u->reads];
		o->tls_required = u->tls == CONFIG_USER_TLS_REQUIRED;
		o->keyspace = u->keyspace[0] ? xstrdup(u->keyspace) : NULL;
		o->max_connections = (uint32_t)u->max_connections;
	}
	return f;
}

int wire_backend_tls(const struct config *cfg, SSL_CTX **out, struct err *err)
{
	const struct config_client_tls *t = &cfg->backend.tls;
	SSL_CTX *ctx;
	int rc;

	*out = NULL;
	if (t->mode == CONFIG_BACKEND_TLS_OFF)
		return 0;
	ctx = SSL_CTX_new(TLS_client_method());
	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	rc = tls_load(ctx, t->cert, t->key, t->ca, err);
	if (rc < 0) {
		SSL_CTX_free(ctx);
		return rc;
	}
	if (t->mode >= CONFIG_BACKEND_TLS_VERIFY_CA) {
		if (!t->ca[0])
			SSL_CTX_set_default_verify_paths(ctx);
		SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	}
	*out = ctx;
	return 0;
}

static const char *or_null(const char *s)
{
	return s && s[0] ? s : NULL;
}

static const enum ids_kind ids_kind_of[] = {
	[CONFIG_ALLOCATOR_MYSQL] = IDS_MYSQL,
	[CONFIG_ALLOCATOR_HTTP] = IDS_HTTP,
	[CONFIG_ALLOCATOR_ETCD] = IDS_STORE,
	[CONFIG_ALLOCATOR_CONSUL] = IDS_STORE,
	[CONFIG_ALLOCATOR_FILE] = IDS_STORE,
};

static const enum store_kind counter_store_of[] = {
	[CONFIG_ALLOCATOR_ETCD] = STORE_ETCD,
	[CONFIG_ALLOCATOR_CONSUL] = STORE_CONSUL,
	[CONFIG_ALLOCATOR_FILE] = STORE_FILE,
};

/* Where the counters of one allocator are: the map's store, or one of its own. */
struct counter_store {
	struct store_config store;
	const char *endpoints[IDS_ENDPOINTS_MAX];
	char prefix[sizeof("/keyway/") + 255];
};

static void wire_counter_store(const struct config *cfg, const struct config_allocator *c, struct counter_store *out)
{
	wire_store_config(cfg, &out->store);
	if (c->n_servers || *c->folder) {
		out->store = (struct store_config){ .kind = counter_store_of[c->kind],
			.path = or_null(c->folder),
			.endpoints = out->endpoints,
			.endpoint_n = (uint32_t)c->n_servers,
			.prefix = out->prefix,
			.token = c->bearer,
			.ca = or_null(c->ca),
			.cert = or_null(c->cert),
			.key = or_null(c->key) };
		snprintf(out->prefix, sizeof(out->prefix), "/keyway/%s", cfg->cluster);
		for (size_t i = 0; i < c->n_servers; i++)
			out->endpoints[i] = c->servers[i].url;
		if (c->n_servers && *c->servers[0].account.user) {
			out->store.user = c->servers[0].account.user;
			out->store.password = c->servers[0].account.password;
		}
	}
	if (*c->prefix)
		out->store.prefix = c->prefix;
}

static void wire_allocator(const struct config_allocator *c, struct ids_allocator *a, struct ids_endpoint *ep)
{
	for (size_t i = 0; i < c->n_servers; i++) {
		const struct config_id_server *s = &c->servers[i];

		ep[i] = (struct ids_endpoint){ .host = or_null(s->host),
			.port = (uint16_t)s->port,
			.socket = or_null(s->socket),
			.user = or_null(s->account.user),
			.password = s->account.password,
			.url = or_null(s->url),
			.step = s->step,
			.offset = s->offset,
			.min_id = s->min_id,
			.max_id = s->max_id };
	}
	*a = (struct ids_allocator){ .name = c->name,
		.kind = ids_kind_of[c->kind],
		.form = c->form == CONFIG_FORM_BLOCK ? IDS_FORM_BLOCK : IDS_FORM_TICKET,
		.database = or_null(c->database),
		.table = or_null(c->table),
		.endpoints = ep,
		.endpoint_n = c->n_servers,
		.shared = c->shared,
		.rising = c->rising,
		.post = c->method == CONFIG_HTTP_POST,
		.body = or_null(c->body),
		.bearer = c->bearer,
		.ca_file = or_null(c->ca),
		.cert_file = or_null(c->cert),
		.key_file = or_null(c->key),
		.timeout_us = c->timeout_us,
		.block = (uint32_t)c->block,
		.block_min = (uint32_t)c->block_min,
		.block_max = (uint32_t)c->block_max,
		.parallel = (uint32_t)c->parallel,
		.start = c->start,
		.marks = (enum ids_marking)c->marks };
	if (c->answer.kind == CONFIG_ANSWER_JSON)
		a->answer = (struct ids_answer){ or_null(c->answer.id), or_null(c->answer.first),
			or_null(c->answer.last), or_null(c->answer.count) };
}

struct ids *wire_ids(const struct config *cfg, struct err *err)
{
	struct ids_allocator *a = xcalloc(cfg->n_allocators, sizeof(*a));
	struct ids_endpoint(*ep)[IDS_ENDPOINTS_MAX] = xcalloc(cfg->n_allocators, sizeof(*ep));
	struct counter_store *counters = xcalloc(cfg->n_allocators, sizeof(*counters));
	char *folder = cfg->ids.state[0]     ? xstrdup(cfg->ids.state)
		       : cfg->store.cache[0] ? xasprintf("%s.ids", cfg->store.cache)
					     : NULL;
	struct store_config shared;
	struct ids_config ic = { .allocators = a, .n = cfg->n_allocators, .marks_folder = folder };
	struct ids *ids = NULL;

	wire_store_config(cfg, &shared);
	if (shared.kind != STORE_FILE)
		ic.marks_shared = &shared;

	for (size_t i = 0; i < cfg->n_allocators; i++) {
		if (cfg->allocators[i].n_servers > IDS_ENDPOINTS_MAX) {
			err_set(err, ERR_CONFIG, ER_WRONG_VALUE_FOR_VAR, "allocator '%s' has more than %d servers",
				cfg->allocators[i].name, IDS_ENDPOINTS_MAX);
			goto out;
		}
		wire_allocator(&cfg->allocators[i], &a[i], ep[i]);
		if (a[i].kind == IDS_STORE) {
			wire_counter_store(cfg, &cfg->allocators[i], &counters[i]);
			ep[i][0] = (struct ids_endpoint){ .store = &counters[i].store };
			a[i].endpoint_n = 1;
		}
	}
	ids = ids_new(&ic, err);
out:
	free(folder);
	free(counters);
	free(ep);
	free(a);
	return ids;
}

static const enum server_tls server_tls_of[] = {
	[CONFIG_BACKEND_TLS_OFF] = SERVER_TLS_OFF,
	[CONFIG_BACKEND_TLS_PREFERRED] = SERVER_TLS_PREFERRED,
	[CONFIG_BACKEND_TLS_REQUIRED] = SERVER_TLS_REQUIRED,
	[CONFIG_BACKEND_TLS_VERIFY_CA] = SERVER_TLS_VERIFY_CA,
	[CONFIG_BACKEND_TLS_VERIFY_IDENTITY] = SERVER_TLS_IDENTITY,
};

struct health_config wire_health_config(const struct config *cfg)
{
	const struct config_health *c = &cfg->health;

	return (struct health_config){ .interval_us = c->interval_us,
		.timeout_us = c->timeout_us,
		.down_after = (uint32_t)c->down_after,
		.up_after = (uint32_t)c->up_after,
		.eject_us = c->eject_us,
		.heartbeat_table = or_null(c->heartbeat_table),
		.heartbeat_column = or_null(c->heartbeat_column),
		.tls_ca = or_null(cfg->backend.tls.ca),
		.tls_cert = or_null(cfg->backend.tls.cert),
		.tls_key = or_null(cfg->backend.tls.key) };
}

/* By keyspace, as health takes them. The caller frees the outer arrays. */
static void by_keyspace(const struct route_keyspace *ks, uint32_t n, struct server *const *const ***servers,
	struct shard_verdict ***verdicts)
{
	*servers = xcalloc(n, sizeof(**servers));
	*verdicts = xcalloc(n, sizeof(**verdicts));
	for (uint32_t k = 0; k < n; k++) {
		(*servers)[k] = (struct server *const *const *)ks[k].servers;
		(*verdicts)[k] = ks[k].verdicts;
	}
}

struct routes *wire_routes(struct daemon *d, struct snapshot *sn)
{
	const struct map *map = sn->map;
	struct route_keyspace *ks = xcalloc(map->keyspace_n, sizeof(*ks));
	struct server *const *const **servers;
	struct shard_verdict **verdicts;

	for (uint32_t k = 0; k < map->keyspace_n; k++) {
		const struct keyspace *def = map->keyspaces[k];
		const struct config_account *acc = config_account_for(d->cfg, def->name);
		struct server_login login = { acc->user, acc->password, server_tls_of[d->cfg->backend.tls.mode],
			d->backend_tls, d->cfg->backend.source_address };

		ks[k].single = config_transaction_mode_for(d->cfg, def->name) == CONFIG_TRX_SINGLE;
		ks[k].servers = xcalloc(def->shard_n, sizeof(*ks[k].servers));
		ks[k].verdicts = xcalloc(def->shard_n, sizeof(*ks[k].verdicts));
		for (uint32_t i = 0; i < def->shard_n; i++) {
			const struct shard *sh = &def->shards[i];

			ks[k].servers[i] = xcalloc(sh->backend_n, sizeof(struct server *));
			for (uint32_t b = 0; b < sh->backend_n; b++) {
				struct err err;

				if (server_directory_get(
					    d->servers, &sh->backends[b], &login, &ks[k].servers[i][b], &err) < 0) {
					log_error("keyspace %.*s shard %.*s: %s", STR_ARG(def->name), STR_ARG(sh->name),
						err.msg);
					ks[k].servers[i][b] = NULL;
				}
			}
		}
	}
	by_keyspace(ks, map->keyspace_n, &servers, &verdicts);
	health_watch(d->health, map, (struct server *const *const *const *)servers, verdicts);
	free(servers);
	free(verdicts);
	return routes_new(snapshot_ref(sn), ks);
}

struct routes *wire_verdicts(struct daemon *d)
{
	const struct map *map = d->routes->snapshot->map;
	struct route_keyspace *ks = xcalloc(map->keyspace_n, sizeof(*ks));
	struct server *const *const **servers;
	struct shard_verdict **verdicts;

	for (uint32_t k = 0; k < map->keyspace_n; k++) {
		const struct keyspace *def = map->keyspaces[k];

		ks[k].single = d->routes->keyspaces[k].single;
		ks[k].servers = xcalloc(def->shard_n, sizeof(*ks[k].servers));
		ks[k].verdicts = xcalloc(def->shard_n, sizeof(*ks[k].verdicts));
		for (uint32_t i = 0; i < def->shard_n; i++) {
			struct server **old = d->routes->keyspaces[k].servers[i];

			ks[k].servers[i] = xcalloc(def->shards[i].backend_n, sizeof(struct server *));
			for (uint32_t b = 0; b < def->shards[i].backend_n; b++)
				ks[k].servers[i][b] = old[b] ? server_ref(old[b]) : NULL;
		}
	}
	by_keyspace(ks, map->keyspace_n, &servers, &verdicts);
	health_verdicts(d->health, verdicts);
	free(servers);
	free(verdicts);
	return routes_new(snapshot_ref(d->routes->snapshot), ks);
}
