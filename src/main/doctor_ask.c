/* doctor_ask.c - keywayctl doctor: asks the store, the proxies and every server for what the checks look at.
 * For doctor.c.
 * One thread, blocking. */
#include "doctor.h"
#include "wire_store.h"
#include <math.h>
#include <stdlib.h>

#define SERVER_TIMEOUT_S 10

/* --- the store and its maps --- */

static void read_maps(struct doctor *d)
{
	struct store_items items = { 0 };
	struct store_config sc;

	wire_store_config(d->cfg, &sc);
	d->store = store_open(&sc, &d->store_err);
	d->store_up = d->store && store_list(d->store, "keyspaces/", &items, &d->store_err) == 0;
	if (!d->store_up)
		return;
	d->maps = xcalloc(items.n, sizeof(*d->maps));
	for (uint32_t i = 0; i < items.n; i++) {
		struct doctor_map *m = &d->maps[d->map_n++];
		const char *name = items.v[i].key + strlen("keyspaces/");

		m->key = xstrdup(name);
		if (keyspace_parse(str_make(items.v[i].value, items.v[i].value_n),
			    store_keys_are_keyspaces(sc.kind) ? str_of(name) : str_make("", 0), &m->ks, &m->err) < 0)
			m->ks = NULL;
	}
	store_items_free(&items);
}

/* --- a server --- */

static void read_variables(struct doctor_server *s, struct err *err)
{
	MYSQL_RES *res = ctl_sql_query(s->my, err, "SHOW GLOBAL VARIABLES");
	MYSQL_ROW row;

	while (res && (row = mysql_fetch_row(res)) != NULL) {
		size_t n = strlen(row[0]);
		struct doctor_variable *v = xmalloc(sizeof(*v) + n + 1);

		for (size_t i = 0; i <= n; i++)
			v->name[i] = (char)(row[0][i] >= 'A' && row[0][i] <= 'Z' ? row[0][i] + 32 : row[0][i]);
		v->value = xstrdup(row[1] ? row[1] : "");
		HASH_ADD_KEYPTR(hh, s->variables, v->name, n, v);
	}
	mysql_free_result(res);
}

static void read_grants(struct doctor_server *s, struct err *err)
{
	MYSQL_RES *res = ctl_sql_query(s->my, err, "SHOW GRANTS");
	MYSQL_ROW row;

	while (res && (row = mysql_fetch_row(res)) != NULL) {
		if (!row[0])
			continue;
		s->grants = xrealloc(s->grants, (s->grant_n + 1) * sizeof(*s->grants));
		s->grants[s->grant_n++] = xstrdup(row[0]);
	}
	mysql_free_result(res);
}

/* The moment that the server told lies between asking and having heard. */
static void read_clock(struct doctor_server *s, struct err *err)
{
	uint64_t before = clock_wall_us(), after;
	MYSQL_RES *res = ctl_sql_query(s->my, err, "SELECT UNIX_TIMESTAMP(NOW(6))");
	MYSQL_ROW row = res ? mysql_fetch_row(res) : NULL;

	after = clock_wall_us();
	if (row && row[0]) {
		double theirs = strtod(row[0], NULL), early = (double)before / 1e6, late = (double)after / 1e6;

		s->clock_ahead_s = theirs < early ? theirs - early : theirs > late ? theirs - late : 0;
	}
	mysql_free_result(res);
}

static const char *either(MYSQL_RES *res, MYSQL_ROW row, const char *one, const char *other)
{
	const char *v = ctl_sql_field(res, row, one);

	if (!v)
		v = ctl_sql_field(res, row, other);
	return v ? v : "";
}

/* What a keyspace's account may not see counts as not there; the check of grants says so. */
static void read_replication(struct doctor_server *s)
{
	const char *sql = s->mariadb ? "SHOW ALL SLAVES STATUS" : "SHOW REPLICA STATUS", *v;
	struct err err;
	MYSQL_RES *res = ctl_sql_query(s->my, &err, "%s", sql);
	MYSQL_ROW row = res ? mysql_fetch_row(res) : NULL;

	if (row) {
		s->has_source = true;
		s->io_running = strcmp(either(res, row, "Slave_IO_Running", "Replica_IO_Running"), "Yes") == 0;
		s->sql_running = strcmp(either(res, row, "Slave_SQL_Running", "Replica_SQL_Running"), "Yes") == 0;
		s->by_gtid = s->mariadb ? strcmp(either(res, row, "Using_Gtid", "Using_Gtid"), "No") != 0
					: strcmp(either(res, row, "Auto_Position", "Auto_Position"), "1") == 0;
		v = either(res, row, "Seconds_Behind_Master", "Seconds_Behind_Source");
		s->lag_known = v[0] != '\0';
		s->lag_s = strtoull(v, NULL, 10);
		snprintf(s->source, sizeof(s->source), "%s:%s", either(res, row, "Master_Host", "Source_Host"),
			either(res, row, "Master_Port", "Source_Port"));
		v = either(res, row, "Last_SQL_Error", "Last_SQL_Error");
		if (!v[0])
			v = either(res, row, "Last_IO_Error", "Last_IO_Error");
		snprintf(s->repl_error, sizeof(s->repl_error), "%s", v);
	}
	mysql_free_result(res);
}

static void read_server(struct doctor *d, struct doctor_server *s)
{
	const struct keyspace *ks = s->def->shard->keyspace;
	const struct config_account *acc = config_account_for(d->cfg, ks->name);
	struct ctl_login l = { .host = s->def->host.p,
		.port = s->def->port,
		.socket = s->def->socket.n ? s->def->socket.p : NULL,
		.user = acc->user,
		.password = acc->password,
		.tls = &d->cfg->backend.tls,
		.timeout_s = SERVER_TIMEOUT_S };
	struct err err;

	s->where = xasprintf("%s/%s %s (%s%s%s)", ks->name.p, s->def->shard->name.p, s->def->name.p,
		l.socket ? l.socket : l.host, l.socket ? "" : ":", l.socket ? "" : doctor_text(d, "%u", l.port));
	s->my = ctl_sql_open(&l, &s->err);
	if (!s->my)
		return;
	s->mariadb = strstr(mysql_get_server_info(s->my), "MariaDB") != NULL;
	s->version = (unsigned)(mysql_get_server_version(s->my) / 100);
	read_variables(s, &err);
	read_grants(s, &err);
	read_clock(s, &err);
	read_replication(s);
}

static void read_servers(struct doctor *d)
{
	for (uint32_t m = 0; m < d->map_n; m++) {
		const struct keyspace *ks = d->maps[m].ks;

		for (uint32_t i = 0; ks && i < ks->shard_n; i++) {
			uint32_t n = ks->shards[i].backend_n;

			d->servers = xrealloc(d->servers, (d->server_n + n) * sizeof(*d->servers));
			memset(d->servers + d->server_n, 0, n * sizeof(*d->servers));
			for (uint32_t b = 0; b < n; b++) {
				d->servers[d->server_n + b].def = &ks->shards[i].backends[b];
				read_server(d, &d->servers[d->server_n + b]);
			}
			d->server_n += n;
		}
	}
}

static void read_proxies(struct doctor *d)
{
	d->proxies = xcalloc(d->proxies_named.n, sizeof(*d->proxies));
	for (uint32_t i = 0; i < d->proxies_named.n; i++) {
		struct doctor_proxy *p = &d->proxies[d->proxy_n++];

		p->at = &d->proxies_named.v[i];
		p->my = ctl_proxy_connect(&d->proxies_named, p->at, &p->err);
	}
}

enum ctl_exit doctor_open(struct ctl *c, const struct ctl_args *a, struct doctor *d)
{
	enum ctl_exit rc = ctl_proxies_open(c, a, &d->proxies_named);

	if (rc != CTL_OK)
		return rc;
	if (!d->proxies_named.cfg)
		d->proxies_named.cfg = ctl_config(c, a);
	d->cfg = d->proxies_named.cfg;
	if (!d->cfg)
		return CTL_FAILED;
	read_maps(d);
	read_servers(d);
	read_proxies(d);
	return CTL_OK;
}

static void server_close(struct doctor_server *s)
{
	struct doctor_variable *v, *next;

	HASH_ITER (hh, s->variables, v, next) {
		HASH_DEL(s->variables, v);
		free(v->value);
		free(v);
	}
	for (uint32_t i = 0; i < s->grant_n; i++)
		free(s->grants[i]);
	free(s->grants);
	free(s->where);
	mysql_close(s->my);
}

void doctor_close(struct doctor *d)
{
	for (uint32_t i = 0; i < d->server_n; i++)
		server_close(&d->servers[i]);
	for (uint32_t i = 0; i < d->proxy_n; i++)
		mysql_close(d->proxies[i].my);
	for (uint32_t i = 0; i < d->map_n; i++) {
		free(d->maps[i].key);
		keyspace_unref(d->maps[i].ks);
	}
	free(d->servers);
	free(d->proxies);
	free(d->maps);
	free(d->findings);
	store_close(d->store);
	ctl_proxies_close(&d->proxies_named);
	arena_free(&d->arena);
	*d = (struct doctor){ 0 };
}

/* --- what was seen --- */

const char *doctor_variable(const struct doctor_server *s, const char *name)
{
	struct doctor_variable *v;

	HASH_FIND_STR(s->variables, name, v);
	return v ? v->value : "";
}

uint64_t doctor_number(const struct doctor_server *s, const char *name)
{
	return strtoull(doctor_variable(s, name), NULL, 10);
}

bool doctor_on(const struct doctor_server *s, const char *name)
{
	const char *v = doctor_variable(s, name);

	/* MariaDB 12 has more values of read_only than these two */
	return v[0] && strcasecmp(v, "OFF") != 0 && strcmp(v, "0") != 0;
}

struct doctor_server *doctor_shard(struct doctor *d, const struct shard *sh, uint32_t *n)
{
	*n = sh->backend_n;
	for (uint32_t i = 0; i < d->server_n; i++) {
		if (d->servers[i].def->shard == sh)
			return &d->servers[i];
	}
	*n = 0;
	return NULL;
}

const char *doctor_database(const struct doctor_server *s)
{
	return s->def->shard->database.n ? s->def->shard->database.p : "";
}
