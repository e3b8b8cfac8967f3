/* doctor_replication.c - keywayctl doctor: who may be written to, binary logs, GTIDs, and replication inside each
 * shard. For doctor.c. One thread. */
#include "doctor.h"
#include <stdlib.h>

#define LAG_MAX_S 30

typedef void shard_fn(struct doctor *d, const struct shard *sh, struct doctor_server *s, uint32_t n);

static void each_shard(struct doctor *d, shard_fn *fn)
{
	for (uint32_t m = 0; m < d->map_n; m++) {
		const struct keyspace *ks = d->maps[m].ks;

		for (uint32_t i = 0; ks && i < ks->shard_n; i++) {
			uint32_t n;
			struct doctor_server *s = doctor_shard(d, &ks->shards[i], &n);

			fn(d, &ks->shards[i], s, n);
		}
	}
}

static char *shard_name(struct doctor *d, const struct shard *sh)
{
	return doctor_text(d, "%s/%s", sh->keyspace->name.p, sh->name.p);
}

/* --- who may be written to --- */

static void writable_pair(struct doctor *d, struct doctor_server *s, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		if (s[i].my && s[i].def->state == BACKEND_SERVING && doctor_on(&s[i], "read_only"))
			doctor_find(d, DOCTOR_PROBLEM, s[i].where, "this side of a pair is read_only",
				"SET GLOBAL read_only = OFF there, or drain the side (keywayctl side drain)");
	}
}

static void writable_shard(struct doctor *d, const struct shard *sh, struct doctor_server *s, uint32_t n)
{
	uint32_t writable = 0, reached = 0;

	if (sh->kind == SHARD_PAIR) {
		writable_pair(d, s, n);
		return;
	}
	for (uint32_t i = 0; i < n; i++) {
		reached += s[i].my != NULL;
		writable += s[i].my && !doctor_on(&s[i], "read_only");
	}
	if (reached == n && writable == 0)
		doctor_find(d, DOCTOR_PROBLEM, shard_name(d, sh), "no server of the shard is writable",
			"SET GLOBAL read_only = OFF on the one that is to be its primary");
	if (writable > 1 && sh->primary_auto)
		doctor_find(d, DOCTOR_PROBLEM, shard_name(d, sh),
			doctor_text(d, "%u servers are writable, and primary is auto: Keyway cannot tell which it is",
				writable),
			"SET GLOBAL read_only = ON on all but the primary");
	for (uint32_t i = 0; i < n && !sh->primary_auto; i++) {
		bool primary = s[i].def == sh->primary, off = !doctor_on(&s[i], "read_only");

		if (!s[i].my || primary == off)
			continue;
		if (primary && writable)
			doctor_find(d, DOCTOR_PROBLEM, s[i].where, "the primary of the map is read_only",
				"SET GLOBAL read_only = OFF there, or name the one that is writable as primary in the "
				"map");
		else if (!primary)
			doctor_find(d, DOCTOR_PROBLEM, s[i].where, "this replica is writable",
				"SET GLOBAL read_only = ON there, and in its option file");
	}
}

void check_writable(struct doctor *d)
{
	each_shard(d, writable_shard);
}

/* --- binary logs and GTIDs --- */

void check_binlog(struct doctor *d)
{
	for (uint32_t i = 0; i < d->server_n; i++) {
		const struct doctor_server *s = &d->servers[i];
		bool alone = s->def->shard->backend_n == 1;
		const char *v;

		if (!s->my)
			continue;
		if (!doctor_on(s, "log_bin")) {
			doctor_find(d, alone ? DOCTOR_WARNING : DOCTOR_PROBLEM, s->where, "the binary log is off",
				"set log_bin in its option file: replicas, failover and splits live on it");
			continue;
		}
		v = doctor_variable(s, "binlog_format");
		if (v[0] && strcasecmp(v, "ROW") != 0)
			doctor_find(d, strcasecmp(v, "MIXED") == 0 ? DOCTOR_WARNING : DOCTOR_PROBLEM, s->where,
				doctor_text(d, "binlog_format is %s", v),
				"SET GLOBAL binlog_format = ROW, and in its option file");
		v = doctor_variable(s, "binlog_row_image");
		if (v[0] && strcasecmp(v, "FULL") != 0 && strcasecmp(v, "FULL_NODUP") != 0)
			doctor_find(d, DOCTOR_WARNING, s->where, doctor_text(d, "binlog_row_image is %s", v),
				"SET GLOBAL binlog_row_image = FULL, and in its option file: a split copies from it");
		v = s->mariadb || s->version < 800 ? "log_slave_updates" : "log_replica_updates";
		if (!alone && doctor_variable(s, v)[0] && !doctor_on(s, v))
			doctor_find(d, DOCTOR_WARNING, s->where, doctor_text(d, "%s is off", v),
				"set %s in its option file: others cannot replicate from it once it is promoted", v);
	}
}

static void gtid_shard(struct doctor *d, const struct shard *sh, struct doctor_server *s, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		if (!s[i].my || n == 1)
			continue;
		if (!s[i].mariadb && strcasecmp(doctor_variable(&s[i], "gtid_mode"), "ON") != 0)
			doctor_find(d, DOCTOR_PROBLEM, s[i].where,
				doctor_text(d, "gtid_mode is %s", doctor_variable(&s[i], "gtid_mode")),
				"set gtid_mode = ON and enforce_gtid_consistency = ON");
		for (uint32_t k = 0; k < i && sh->kind == SHARD_PAIR && s[i].mariadb; k++) {
			if (s[k].my && doctor_number(&s[k], "gtid_domain_id") == doctor_number(&s[i], "gtid_domain_id"))
				doctor_find(d, DOCTOR_PROBLEM, s[i].where,
					doctor_text(d, "gtid_domain_id %llu is that of the other side too",
						(unsigned long long)doctor_number(&s[i], "gtid_domain_id")),
					"give each side of a pair a gtid_domain_id of its own: both write at once, and "
					"one "
					"domain has one order");
		}
	}
}

void check_gtid(struct doctor *d)
{
	each_shard(d, gtid_shard);
}

static void server_id_shard(struct doctor *d, const struct shard *sh, struct doctor_server *s, uint32_t n)
{
	(void)sh;
	for (uint32_t i = 0; i < n; i++) {
		for (uint32_t k = 0; k < i; k++) {
			if (s[i].my && s[k].my &&
				doctor_number(&s[i], "server_id") == doctor_number(&s[k], "server_id"))
				doctor_find(d, DOCTOR_PROBLEM, s[i].where,
					doctor_text(d, "server_id %llu is that of %s too",
						(unsigned long long)doctor_number(&s[i], "server_id"), s[k].where),
					"give it another server_id: changes of the other are taken for its own and "
					"left out");
		}
	}
}

void check_server_id(struct doctor *d)
{
	each_shard(d, server_id_shard);
}

/* --- replication --- */

static bool source_is_of(const struct doctor_server *r, const struct doctor_server *s, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		const char *port = strrchr(r->source, ':');

		/* the same server may be named in many ways: the port alone decides against it */
		if (&s[i] != r && port && s[i].my &&
			(strtoul(port + 1, NULL, 10) == s[i].def->port || s[i].def->socket.n ||
				strtoul(port + 1, NULL, 10) == doctor_number(&s[i], "port")))
			return true;
	}
	return false;
}

static void replication_of(struct doctor *d, const struct doctor_server *r, const struct doctor_server *s, uint32_t n)
{
	if (!r->has_source) {
		doctor_find(d, DOCTOR_PROBLEM, r->where, "it does not replicate from any server",
			"set its source (CHANGE MASTER TO, CHANGE REPLICATION SOURCE TO) to the shard's primary or "
			"other side, "
			"and start it; or take it out of the map");
		return;
	}
	if (!r->io_running || !r->sql_running)
		doctor_find(d, DOCTOR_PROBLEM, r->where,
			doctor_text(d, "replication from %s has stopped (%s)%s%s", r->source,
				!r->io_running && !r->sql_running ? "both threads"
				: r->io_running			  ? "applier"
								  : "receiver",
				r->repl_error[0] ? ": " : "", r->repl_error),
			"mend the cause, then START SLAVE (START REPLICA)");
	else if (r->lag_known && r->lag_s > LAG_MAX_S)
		doctor_find(d, DOCTOR_WARNING, r->where,
			doctor_text(d, "it is %llu s behind", (unsigned long long)r->lag_s),
			"look for long transactions and for more writes than it can apply: it takes no reads "
			"meanwhile");
	if (!r->by_gtid)
		doctor_find(d, DOCTOR_WARNING, r->where, "it does not replicate by GTID",
			r->mariadb ? "STOP SLAVE; CHANGE MASTER TO MASTER_USE_GTID = slave_pos; START SLAVE"
				   : "CHANGE REPLICATION SOURCE TO SOURCE_AUTO_POSITION = 1");
	if (!source_is_of(r, s, n))
		doctor_find(d, DOCTOR_WARNING, r->where,
			doctor_text(d, "it replicates from %s, which the map does not have in this shard", r->source),
			"name its source in the map, or have it replicate from the shard's servers");
}

static void replication_shard(struct doctor *d, const struct shard *sh, struct doctor_server *s, uint32_t n)
{
	uint32_t writable = 0;

	for (uint32_t i = 0; i < n; i++)
		writable += s[i].my && !doctor_on(&s[i], "read_only");
	for (uint32_t i = 0; i < n; i++) {
		bool primary =
			sh->kind != SHARD_PAIR &&
			(sh->primary_auto && writable == 1 ? !doctor_on(&s[i], "read_only") : s[i].def == sh->primary);

		if (s[i].my && n > 1 && !primary && s[i].def->state != BACKEND_DRAINED)
			replication_of(d, &s[i], s, n);
	}
}

void check_replication(struct doctor *d)
{
	each_shard(d, replication_shard);
}

/* --- pairs --- */

static void pair_shard(struct doctor *d, const struct shard *sh, struct doctor_server *s, uint32_t n)
{
	static const char *const sides[] = { [SIDE_EVEN] = "even", [SIDE_ODD] = "odd" };

	for (uint32_t i = 0; i < n && sh->kind == SHARD_PAIR; i++) {
		uint64_t step = doctor_number(&s[i], "auto_increment_increment");
		uint64_t offset = doctor_number(&s[i], "auto_increment_offset");
		uint64_t want = s[i].def->side == SIDE_ODD ? 1 : 2;
		const char *conv;

		if (!s[i].my)
			continue;
		if (step % 2 || offset % 2 != want % 2)
			doctor_find(d, DOCTOR_WARNING, s[i].where,
				doctor_text(d,
					"auto_increment_increment %llu and auto_increment_offset %llu: AUTO_INCREMENT "
					"gives ids that are not of the %s side",
					(unsigned long long)step, (unsigned long long)offset, sides[s[i].def->side]),
				"set auto_increment_increment = 2 and auto_increment_offset = %llu, also in its option "
				"file; "
				"ids from an allocator need neither",
				(unsigned long long)want);
		conv = doctor_variable(&s[i],
			s[i].mariadb || s[i].version < 800 ? "slave_type_conversions" : "replica_type_conversions");
		if (!strstr(conv, "ALL_NON_LOSSY"))
			doctor_find(d, DOCTOR_WARNING, s[i].where,
				doctor_text(d,
					"slave_type_conversions is '%s': a side that is altered cannot apply what the "
					"other one writes",
					conv),
				"SET GLOBAL slave_type_conversions = 'ALL_NON_LOSSY', and in its option file");
	}
}

void check_pair(struct doctor *d)
{
	each_shard(d, pair_shard);
}
