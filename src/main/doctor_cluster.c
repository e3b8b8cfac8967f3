/* doctor_cluster.c - keywayctl doctor: the store, the maps in it, what the proxies make of them, and the id services.
 * For doctor.c.
 * One thread, blocking. */
#include "doctor.h"
#include <stdlib.h>

void check_store(struct doctor *d)
{
	if (!d->store_up)
		doctor_find(d, DOCTOR_PROBLEM, "store", d->store_err.msg,
			"start it, or correct store in the settings: proxies go on with the maps that they have, but "
			"none can "
			"be changed");
	else if (!d->map_n)
		doctor_find(d, DOCTOR_PROBLEM, "store", "it holds no map",
			"put one there: keywayctl map apply, or a file in store.path");
}

void check_map(struct doctor *d)
{
	for (uint32_t i = 0; i < d->map_n; i++) {
		if (!d->maps[i].ks)
			doctor_find(d, DOCTOR_PROBLEM, d->maps[i].key, d->maps[i].err.msg,
				"correct it (keywayctl map edit, keywayctl map validate): proxies go on with the last "
				"good one");
	}
}

/* --- proxies --- */

static const struct keyspace *map_of(const struct doctor *d, const char *name)
{
	for (uint32_t i = 0; i < d->map_n; i++) {
		if (d->maps[i].ks && str_eqz(d->maps[i].ks->name, name))
			return d->maps[i].ks;
	}
	return NULL;
}

/* SHOW KEYWAY @view of a proxy; NULL: found. */
static MYSQL_RES *ask_proxy(struct doctor *d, const struct doctor_proxy *p, const char *view)
{
	MYSQL_RES *res;
	struct err err;

	if (!p->my)
		return NULL; /* the check of epochs tells */
	res = ctl_sql_query(p->my, &err, "SHOW KEYWAY %s", view);
	if (!res)
		doctor_find(d, DOCTOR_PROBLEM, p->at->name, err.msg,
			"log in with an account that has admin in users (--user, --password-file)");
	return res;
}

static void epoch_row(struct doctor *d, const struct doctor_proxy *p, MYSQL_RES *res, MYSQL_ROW row, bool *seen)
{
	const char *name = ctl_sql_field(res, row, "keyspace"), *v;
	const struct keyspace *ks = name ? map_of(d, name) : NULL;
	uint64_t epoch = strtoull(ctl_sql_field(res, row, "epoch") ? ctl_sql_field(res, row, "epoch") : "0", NULL, 10);

	for (uint32_t i = 0; i < d->map_n; i++)
		seen[i] = seen[i] || (ks && d->maps[i].ks == ks);
	if (ks && epoch != ks->epoch)
		doctor_find(d, DOCTOR_PROBLEM, p->at->name,
			doctor_text(d, "it serves epoch %llu of %s, the store has %llu", (unsigned long long)epoch,
				name, (unsigned long long)ks->epoch),
			"look at its log: it refused the new one, or does not hear from the store");
	else if (!ks && d->store_up && epoch)
		doctor_find(d, DOCTOR_WARNING, p->at->name,
			doctor_text(d, "it serves %s, which the store does not have", name),
			"put the map back into the store, or restart the proxy without its cache");
	v = ctl_sql_field(res, row, "refused_why");
	if (v && *v)
		doctor_find(d, DOCTOR_PROBLEM, p->at->name, doctor_text(d, "it refused a map of %s: %s", name, v),
			"correct the document (keywayctl map edit)");
	v = ctl_sql_field(res, row, "store");
	if (v && strcmp(v, "up") != 0)
		doctor_find(d, DOCTOR_PROBLEM, p->at->name,
			doctor_text(d, "it cannot read the store: %s",
				ctl_sql_field(res, row, "store_error") ? ctl_sql_field(res, row, "store_error") : ""),
			"mend the store, or the way to it from that machine");
	v = ctl_sql_field(res, row, "from");
	if (v && strcmp(v, "before") == 0)
		doctor_find(d, DOCTOR_PROBLEM, p->at->name,
			doctor_text(d, "it serves %s as it was: the store came to hold no map", name),
			"put the maps back (keywayctl map apply), or restart the proxy if that is another store");
	v = ctl_sql_field(res, row, "schema_error");
	if (v && *v)
		doctor_find(d, DOCTOR_WARNING, p->at->name,
			doctor_text(d, "it cannot read the schema of %s: %s", name, v),
			"see that a server of the keyspace's first shard answers and its account may read "
			"information_schema");
}

void check_epochs(struct doctor *d)
{
	for (uint32_t i = 0; i < d->proxy_n; i++) {
		const struct doctor_proxy *p = &d->proxies[i];
		bool *seen = arena_array(&d->arena, bool, d->map_n + 1);
		MYSQL_RES *res = ask_proxy(d, p, "EPOCHS");
		MYSQL_ROW row;

		if (!p->my)
			doctor_find(d, DOCTOR_PROBLEM, p->at->name, p->err.msg,
				"start the proxy, name another (--proxy), or give an account of it (--user, "
				"--password-file)");
		while (res && (row = mysql_fetch_row(res)) != NULL)
			epoch_row(d, p, res, row, seen);
		for (uint32_t m = 0; res && m < d->map_n; m++) {
			if (d->maps[m].ks && !seen[m])
				doctor_find(d, DOCTOR_PROBLEM, p->at->name,
					doctor_text(d, "it does not serve %s", d->maps[m].ks->name.p),
					"look at its log, and whether it reads the same store");
		}
		mysql_free_result(res);
	}
}

/* --- ids --- */

static void allocator_row(struct doctor *d, const struct doctor_proxy *p, MYSQL_RES *res, MYSQL_ROW row)
{
	const char *state = ctl_sql_field(res, row, "state"), *error = ctl_sql_field(res, row, "last_error");
	const char *name = ctl_sql_field(res, row, "allocator"), *endpoint = ctl_sql_field(res, row, "endpoint");
	char *what;

	if (!state || !endpoint || strcmp(state, "up") == 0 || strcmp(state, "new") == 0)
		return;
	what = doctor_text(d, "allocator %s: %s is %s%s%s", name, endpoint, state, error && *error ? ": " : "",
		error ? error : "");
	if (strcmp(state, "stopped") == 0)
		doctor_find(d, DOCTOR_PROBLEM, p->at->name, what,
			"its ids went back: put its counter above all ids given out, then restart the proxies");
	else
		doctor_find(d, strcmp(state, "down") == 0 ? DOCTOR_PROBLEM : DOCTOR_WARNING, p->at->name, what,
			"start it, or correct allocators in the settings");
}

void check_allocators(struct doctor *d)
{
	for (uint32_t i = 0; i < d->proxy_n; i++) {
		MYSQL_RES *res = ask_proxy(d, &d->proxies[i], "ALLOCATORS");
		MYSQL_ROW row;

		while (res && (row = mysql_fetch_row(res)) != NULL)
			allocator_row(d, &d->proxies[i], res, row);
		mysql_free_result(res);
	}
}

static const struct config_allocator *allocator_of(const struct doctor *d, struct str name)
{
	for (size_t i = 0; i < d->cfg->n_allocators; i++) {
		if (str_eqz(name, d->cfg->allocators[i].name))
			return &d->cfg->allocators[i];
	}
	return NULL;
}

/* The counter of @tag at one endpoint; false: not to be had, which the check of allocators tells. */
static bool counter_at(
	const struct config_allocator *a, const struct config_id_server *e, struct str tag, uint64_t *out)
{
	struct ctl_login l = { .host = e->host,
		.port = e->port,
		.socket = e->socket[0] ? e->socket : NULL,
		.user = e->account.user,
		.password = e->account.password };
	bool block = a->form == CONFIG_FORM_BLOCK, found = false;
	struct err err;
	MYSQL *my = ctl_sql_open(&l, &err);
	char *quoted = xmalloc(2 * tag.n + 1);
	MYSQL_RES *res = NULL;
	MYSQL_ROW row;

	if (my) {
		mysql_real_escape_string(my, quoted, tag.p, tag.n);
		res = ctl_sql_query(my, &err, "SELECT id FROM `%s`.`%s` WHERE %s = '%s'", a->database,
			a->table[0] ? a->table
			: block	    ? "sequences"
				    : "tickets",
			block ? "name" : "stub", quoted);
	}
	row = res ? mysql_fetch_row(res) : NULL;
	if (row && row[0] && str_to_u64(str_of(row[0]), out) == 0)
		found = true;
	mysql_free_result(res);
	mysql_close(my);
	free(quoted);
	return found;
}

/* The largest id of a table above @counter that the endpoint would give again; 0: none. By the column's index only the
 * few rows above the counter are looked at. */
static uint64_t id_above(struct doctor *d, const struct keyspace *ks, const struct table_rule *t,
	const struct config_id_server *e, uint64_t counter)
{
	uint64_t most = 0;

	for (uint32_t i = 0; i < ks->shard_n; i++) {
		uint32_t n;
		const struct doctor_server *s = doctor_shard(d, &ks->shards[i], &n);
		MYSQL_RES *res = NULL;
		MYSQL_ROW row;
		struct err err;
		uint64_t v;

		for (uint32_t b = 0; b < n && !res; b++) {
			if (!s[b].my ||
				(s[b].def != ks->shards[i].primary && n > 1 && ks->shards[i].kind != SHARD_PAIR))
				continue;
			res = ctl_sql_query(s[b].my, &err,
				"SELECT MAX(`%s`) FROM `%s`.`%s` WHERE `%s` > %llu AND `%s` %% %llu = %llu",
				t->id_column.p, doctor_database(&s[b]), t->name.p, t->id_column.p,
				(unsigned long long)counter, t->id_column.p, (unsigned long long)e->step,
				(unsigned long long)(e->offset % e->step));
		}
		row = res ? mysql_fetch_row(res) : NULL;
		if (row && row[0] && str_to_u64(str_of(row[0]), &v) == 0 && v >= e->min_id && v <= e->max_id)
			most = MAX(most, v);
		mysql_free_result(res);
	}
	return most;
}

static void ids_of_table(struct doctor *d, const struct keyspace *ks, const struct table_rule *t)
{
	const struct config_allocator *a = allocator_of(d, t->id_allocator);
	char *where = doctor_text(d, "%s.%s", ks->name.p, t->name.p);

	if (!a) {
		doctor_find(d, DOCTOR_PROBLEM, where,
			doctor_text(d, "its ids come from allocator '%s', which the settings do not have",
				t->id_allocator.p),
			"add it to allocators in the settings, or correct the table's id rule in the map");
		return;
	}
	if (a->kind != CONFIG_ALLOCATOR_MYSQL)
		return; /* services do not tell their counters */
	for (size_t i = 0; i < a->n_servers; i++) {
		const struct config_id_server *e = &a->servers[i];
		uint64_t counter, most;

		if (!counter_at(a, e, t->id_tag, &counter))
			continue;
		most = id_above(d, ks, t, e, counter);
		if (most)
			doctor_find(d, DOCTOR_PROBLEM, where,
				doctor_text(d,
					"it has id %llu, and counter '%s' on %s:%u stands at %llu: those ids come "
					"again",
					(unsigned long long)most, t->id_tag.p, e->socket[0] ? e->socket : e->host,
					e->port, (unsigned long long)counter),
				"put the counter to %llu there", (unsigned long long)most);
	}
}

void check_ids(struct doctor *d)
{
	for (uint32_t m = 0; m < d->map_n; m++) {
		const struct keyspace *ks = d->maps[m].ks;

		for (uint32_t i = 0; ks && !ks->everything && i < ks->table_n; i++) {
			if (ks->tables[i].id_column.n)
				ids_of_table(d, ks, &ks->tables[i]);
		}
	}
}
