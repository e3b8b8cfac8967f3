/* doctor_server.c - keywayctl doctor: what holds for each server by itself, and for all of a keyspace together.
 * For doctor.c.
 * One thread. */
#include "doctor.h"
#include <math.h>
#include <stdlib.h>

void check_connect(struct doctor *d)
{
	for (uint32_t i = 0; i < d->server_n; i++) {
		if (!d->servers[i].my)
			doctor_find(d, DOCTOR_PROBLEM, d->servers[i].where, d->servers[i].err.msg,
				"start the server, correct host and port in the map, or the account (backend.user, "
				"keyspaces[].user) in the settings; docs/operations.md has its GRANTs");
	}
}

/* The first server of the same keyspace that was reached. */
static const struct doctor_server *first_of(const struct doctor *d, const struct keyspace *ks)
{
	for (uint32_t i = 0; i < d->server_n; i++) {
		if (d->servers[i].my && d->servers[i].def->shard->keyspace == ks)
			return &d->servers[i];
	}
	return NULL;
}

void check_versions(struct doctor *d)
{
	for (uint32_t i = 0; i < d->server_n; i++) {
		const struct doctor_server *s = &d->servers[i], *ref = first_of(d, s->def->shard->keyspace);

		if (!s->my || s == ref || (s->mariadb == ref->mariadb && s->version == ref->version))
			continue;
		doctor_find(d, s->mariadb != ref->mariadb ? DOCTOR_PROBLEM : DOCTOR_WARNING, s->where,
			doctor_text(d, "version %s, while %s has %s", mysql_get_server_info(s->my), ref->where,
				mysql_get_server_info(ref->my)),
			"run one release in a keyspace: answers and GTIDs differ between them");
	}
}

/* --- grants --- */

/* Whether @line grants @privilege, or all of them. */
static bool line_grants(const char *line, const char *privilege)
{
	const char *p = line + strlen("GRANT "), *end = strstr(line, " ON ");
	size_t n = strlen(privilege);

	if (strncmp(line, "GRANT ", 6) != 0 || !end)
		return false;
	while (p < end) {
		const char *comma = memchr(p, ',', (size_t)(end - p));
		size_t len = (size_t)((comma ? comma : end) - p);

		if ((len == n && strncasecmp(p, privilege, n) == 0) ||
			(len == 14 && strncmp(p, "ALL PRIVILEGES", 14) == 0))
			return true;
		p += len + 1;
		while (p < end && *p == ' ')
			p++;
	}
	return false;
}

/* `shop\_1`.* is a pattern: of the database shop_1 alone. */
static bool line_is_of(const char *line, const char *database)
{
	const char *p = strstr(line, " ON `"), *end = p ? strstr(p, "`.* TO ") : NULL;

	return end && str_like(str_of(database), str_make(p + 5, (size_t)(end - p) - 5));
}

bool doctor_granted(const struct doctor_server *s, const char *database, const char *privilege)
{
	for (uint32_t i = 0; i < s->grant_n; i++) {
		const char *line = s->grants[i];

		if ((strstr(line, " ON *.* TO ") || (database && line_is_of(line, database))) &&
			line_grants(line, privilege))
			return true;
	}
	return false;
}

void check_grants(struct doctor *d)
{
	static const struct {
		const char *names[3]; /* any of them */
		const char *what_for;
		bool problem;
	} needs[] = {
		{ { "BINLOG MONITOR", "REPLICATION CLIENT", NULL }, "health checks and causal reads", true },
		{ { "SLAVE MONITOR", "REPLICATION CLIENT", NULL }, "how far replicas are behind", true },
		{ { "CONNECTION ADMIN", "CONNECTION_ADMIN", "SUPER" },
			"KILL, and checks of a server without free connections", true },
		{ { "PROCESS", NULL, NULL }, "the servers' process lists", false },
	};
	static const char *const rows[] = { "SELECT", "INSERT", "UPDATE", "DELETE" };

	for (uint32_t i = 0; i < d->server_n; i++) {
		const struct doctor_server *s = &d->servers[i];
		const char *db = doctor_database(s);

		for (size_t k = 0; s->my && k < ARRAY_N(needs); k++) {
			const char *const *n = needs[k].names;

			if (doctor_granted(s, NULL, n[0]) || (n[1] && doctor_granted(s, NULL, n[1])) ||
				(n[2] && doctor_granted(s, NULL, n[2])))
				continue;
			doctor_find(d, needs[k].problem ? DOCTOR_PROBLEM : DOCTOR_WARNING, s->where,
				doctor_text(d, "Keyway's account lacks %s: %s", s->mariadb || !n[1] ? n[0] : n[1],
					needs[k].what_for),
				"GRANT %s ON *.* TO it", s->mariadb || !n[1] ? n[0] : n[1]);
		}
		for (size_t k = 0; s->my && k < ARRAY_N(rows); k++) {
			if (doctor_granted(s, db[0] ? db : NULL, rows[k]))
				continue;
			doctor_find(d, DOCTOR_PROBLEM, s->where,
				doctor_text(
					d, "Keyway's account may not %s in %s", rows[k], db[0] ? db : "all databases"),
				"GRANT ALL PRIVILEGES ON %s.* TO it", db[0] ? db : "*");
		}
	}
}

void check_fence(struct doctor *d)
{
	for (uint32_t i = 0; i < d->server_n; i++) {
		const struct doctor_server *s = &d->servers[i];
		const char *has = NULL;

		if (!s->my || s->def->shard->backend_n < 2)
			continue;
		if (doctor_granted(s, NULL, "READ_ONLY ADMIN"))
			has = "READ_ONLY ADMIN";
		else if (s->mariadb ? s->version < 1011 && doctor_granted(s, NULL, "SUPER")
				    : doctor_granted(s, NULL, "SUPER"))
			has = "SUPER";
		else if (!s->mariadb && doctor_granted(s, NULL, "CONNECTION_ADMIN") &&
			 !doctor_on(s, "super_read_only") && doctor_on(s, "read_only"))
			has = "CONNECTION_ADMIN";
		if (has)
			doctor_find(d, DOCTOR_PROBLEM, s->where,
				doctor_text(d, "Keyway's account has %s: read_only does not keep its writes out", has),
				s->mariadb ? "REVOKE %s ON *.* FROM it; before 10.11 grant rights one by one, without "
					     "SUPER"
					   : "set super_read_only on replicas, or REVOKE %s ON *.* FROM it",
				has);
	}
}

/* --- settings --- */

void check_clock(struct doctor *d)
{
	for (uint32_t i = 0; i < d->server_n; i++) {
		if (d->servers[i].my && fabs(d->servers[i].clock_ahead_s) > 1)
			doctor_find(d, DOCTOR_WARNING, d->servers[i].where,
				doctor_text(d, "its clock is %.1f s %s this machine's",
					fabs(d->servers[i].clock_ahead_s),
					d->servers[i].clock_ahead_s > 0 ? "ahead of" : "behind"),
				"run an NTP client on both: NOW() and the lag of replicas are wrong by as much");
	}
}

void check_same(struct doctor *d)
{
	static const struct {
		const char *name;
		bool problem;
	} settings[] = { { "lower_case_table_names", true }, { "sql_mode", false }, { "character_set_server", false },
		{ "collation_server", false }, { "time_zone", false }, { "system_time_zone", false },
		{ "explicit_defaults_for_timestamp", false }, { "div_precision_increment", false },
		{ "innodb_autoinc_lock_mode", false } };

	for (uint32_t i = 0; i < d->server_n; i++) {
		const struct doctor_server *s = &d->servers[i], *ref = first_of(d, s->def->shard->keyspace);

		for (size_t k = 0; s->my && s != ref && k < ARRAY_N(settings); k++) {
			const char *a = doctor_variable(s, settings[k].name),
				   *b = doctor_variable(ref, settings[k].name);

			if (strcmp(a, b) == 0 || (strcmp(settings[k].name, "system_time_zone") == 0 &&
							 strcmp(doctor_variable(s, "time_zone"), "SYSTEM") != 0))
				continue;
			doctor_find(d, settings[k].problem ? DOCTOR_PROBLEM : DOCTOR_WARNING, s->where,
				doctor_text(d, "%s is '%s', on %s it is '%s'", settings[k].name, a, ref->where, b),
				"set %s alike on all servers of the keyspace, in their option files too",
				settings[k].name);
		}
	}
}

/* Proxies that keep a record, or that were named. */
static uint32_t proxies_of(struct doctor *d)
{
	struct store_items items = { 0 };
	uint32_t n = d->proxy_n;
	struct err err;

	if (d->store_up && store_list(d->store, "proxies/", &items, &err) == 0)
		n = MAX(n, items.n);
	store_items_free(&items);
	return n;
}

void check_connections(struct doctor *d)
{
	uint32_t proxies = proxies_of(d);

	for (uint32_t i = 0; i < d->server_n; i++) {
		const struct doctor_server *s = &d->servers[i];
		uint64_t need = proxies * d->cfg->backend.max_connections;

		if (s->my && doctor_number(s, "max_connections") < need)
			doctor_find(d, DOCTOR_WARNING, s->where,
				doctor_text(d, "max_connections is %llu, and %u proxies may open %llu each",
					(unsigned long long)doctor_number(s, "max_connections"), proxies,
					(unsigned long long)d->cfg->backend.max_connections),
				"raise max_connections above %llu, or lower backend.max_connections",
				(unsigned long long)need);
	}
}

void check_packet(struct doctor *d)
{
	for (uint32_t i = 0; i < d->server_n; i++) {
		const struct doctor_server *s = &d->servers[i];

		if (s->my && doctor_number(s, "max_allowed_packet") < d->cfg->limits.max_packet_bytes)
			doctor_find(d, DOCTOR_WARNING, s->where,
				doctor_text(d,
					"max_allowed_packet is %llu, less than limits.max_packet (%llu): longer "
					"statements end the connection",
					(unsigned long long)doctor_number(s, "max_allowed_packet"),
					(unsigned long long)d->cfg->limits.max_packet_bytes),
				"SET GLOBAL max_allowed_packet = %llu, and in its option file; or lower "
				"limits.max_packet",
				(unsigned long long)d->cfg->limits.max_packet_bytes);
	}
}

void check_timeout(struct doctor *d)
{
	uint64_t idle_s = d->cfg->backend.idle_age_us / 1000000;

	for (uint32_t i = 0; i < d->server_n; i++) {
		const struct doctor_server *s = &d->servers[i];

		if (s->my && (!idle_s || doctor_number(s, "wait_timeout") <= idle_s))
			doctor_find(d, DOCTOR_WARNING, s->where,
				doctor_text(d, "wait_timeout is %llu s, and pooled connections may idle %s%llu s",
					(unsigned long long)doctor_number(s, "wait_timeout"),
					idle_s ? "" : "for ever, not ", (unsigned long long)idle_s),
				"raise wait_timeout, or lower backend.idle_age below it: else statements meet "
				"connections "
				"that the server has just closed");
	}
}
