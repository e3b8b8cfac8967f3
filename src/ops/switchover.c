/* switchover.c - a replica takes the primary's place: nothing acknowledged is lost, nothing is written on two servers,
 * and statements wait for a moment. For keywayctl switchover. Calls block; tools only. */
#include "switchover.h"
#include "keyway/cluster/map_edit.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define LAG_MAX_S     60 /* more than this is caught up before anything is begun, by the operator's choice of the time */
#define REPLICATES_US 30000000

static const struct backend_def *backend_named(const struct job *j, const char *name)
{
	for (uint32_t i = 0; i < j->sh->backend_n; i++) {
		if (str_eqz(j->sh->backends[i].name, name))
			return &j->sh->backends[i];
	}
	return NULL;
}

static const char *memo_text(const struct job *j, const char *name)
{
	const char *v = json_string_value(json_object_get(j->memo, name));

	return v ? v : "";
}

/* The one that was the primary when this began, and the one to be it. */
static const char *old_name(const struct job *j)
{
	return memo_text(j, "old");
}

static const char *new_name(const struct job *j)
{
	return job_arg(j, "what");
}

static int open_old(struct job *j, struct db **db, struct err *err)
{
	return job_db(j, old_name(j), db, err);
}

static int open_new(struct job *j, struct db **db, struct err *err)
{
	return job_db(j, new_name(j), db, err);
}

/* --- check --- */

static int check_map(struct job *j, struct err *err)
{
	const struct backend_def *to;
	int rc = job_map(j, err);

	if (rc < 0)
		return rc;
	if (j->sh->kind != SHARD_REPLICASET)
		return err_set(err, ERR_DENIED, ER_NOT_SUPPORTED_YET,
			"shard %s is a pair: keywayctl side drain moves its traffic", j->shard);
	to = backend_named(j, new_name(j));
	if (!to)
		return err_set(err, ERR_NAME, ER_WRONG_ARGUMENTS, "shard %s has no backend %s", j->shard, new_name(j));
	if (to == j->sh->primary)
		return err_set(err, ERR_DENIED, ER_NOT_SUPPORTED_YET, "%s is the primary already", new_name(j));
	if (to->socket.n || j->sh->primary->socket.n)
		return err_set(err, ERR_DENIED, ER_NOT_SUPPORTED_YET,
			"the map names sockets: replicas need a host and a port to replicate from");
	if (to->state != BACKEND_SERVING)
		return err_set(err, ERR_DENIED, ER_NOT_SUPPORTED_YET, "%s does not serve, by the map", new_name(j));
	json_object_set_new(j->memo, "old", json_stringn(j->sh->primary->name.p, j->sh->primary->name.n));
	return 0;
}

static int check_server(struct db *db, bool replica, struct err *err)
{
	uint64_t read_only, log_bin, updates = 1;
	struct db_replica r;
	int rc = db_u64(db, &read_only, err, "SELECT @@GLOBAL.read_only");

	if (rc == 0)
		rc = db_u64(db, &log_bin, err, "SELECT @@GLOBAL.log_bin");
	if (rc == 0)
		rc = db_u64(db, &updates, err, "SELECT @@GLOBAL.log_slave_updates");
	if (rc < 0)
		return rc;
	if (!log_bin || !updates)
		return err_set(err, ERR_DENIED, ER_NOT_SUPPORTED_YET,
			"backend %s needs log_bin and log_slave_updates: the others will replicate from it, or did",
			db->name);
	if (!replica && read_only)
		return err_set(err, ERR_DENIED, ER_OPTION_PREVENTS_STATEMENT,
			"backend %s is read_only though it is the map's primary: look at who is, first", db->name);
	if (!replica)
		return 0;
	if (!read_only)
		return err_set(err, ERR_DENIED, ER_OPTION_PREVENTS_STATEMENT,
			"backend %s is writable though it is a replica: set read_only=1 there first", db->name);
	rc = db_replica(db, &r, err);
	if (rc == 0)
		rc = db_replica_healthy(db, &r, err);
	if (rc == 0 && (!r.behind_known || r.behind_s > LAG_MAX_S))
		rc = err_set(err, ERR_DENIED, ER_NOT_SUPPORTED_YET,
			"backend %s is %llu s behind: wait until it has caught up", db->name,
			(unsigned long long)r.behind_s);
	return rc;
}

static int sw_check(struct job *j, int arg, struct err *err)
{
	struct db *old, *new;
	struct db_replica r;
	int rc = check_map(j, err);

	(void)arg;
	if (rc == 0)
		rc = open_old(j, &old, err);
	if (rc == 0)
		rc = open_new(j, &new, err);
	if (rc == 0)
		rc = check_server(old, false, err);
	if (rc == 0)
		rc = check_server(new, true, err);
	if (rc == 0)
		rc = db_replica(new, &r, err);
	if (rc == 0 && !j->o->repl_password)
		rc = err_set(err, ERR_DENIED, ER_ACCESS_DENIED_ERROR,
			"the old primary will replicate from the new one: give --repl-password-file (and --repl-user, "
			"unless it "
			"is %s as on the replica)",
			r.user);
	if (rc == 0)
		json_object_set_new(j->memo, "repl_user", json_string(j->o->repl_user ? j->o->repl_user : r.user));
	return rc;
}

/* --- the way there --- */

static int sw_near(struct job *j, int arg, struct err *err)
{
	struct db *old, *new;
	struct gtid_list pos;
	int rc = open_old(j, &old, err);

	(void)arg;
	if (rc == 0)
		rc = open_new(j, &new, err);
	if (rc == 0)
		rc = db_position(old, "gtid_binlog_pos", &pos, err);
	while (rc == 0) {
		rc = db_wait_position(new, &pos, 1000000, err);
		if (rc <= 0)
			return rc;
		rc = job_tick(j, err);
	}
	return rc;
}

static int set_old_state(struct job *j, enum backend_state state, const char *why, struct err *err)
{
	const struct backend_def *def = backend_named(j, old_name(j));

	return def ? job_set_state(j, def, state, why, err)
		   : err_set(err, ERR_NAME, ER_WRONG_ARGUMENTS, "shard %s has no backend %s any more", j->shard,
			     old_name(j));
}

static int sw_hold(struct job *j, int arg, struct err *err)
{
	int rc = j->ks ? 0 : job_map(j, err);

	(void)arg;
	j->held_us = clock_mono_us();
	return rc < 0 ? rc : set_old_state(j, BACKEND_DRAINING, "switchover: hold", err);
}

static int sw_unhold(struct job *j, int arg, struct err *err)
{
	int rc = job_map(j, err);

	(void)arg;
	return rc < 0 ? rc : set_old_state(j, BACKEND_SERVING, "switchover undone", err);
}

static int sw_settle(struct job *j, int arg, struct err *err)
{
	struct db *old;
	int rc = open_old(j, &old, err);

	(void)arg;
	return rc < 0 ? rc : job_settle(j, "primary", old, err);
}

static int set_read_only(struct db *db, bool on, struct err *err)
{
	return db_exec(db, err, "SET GLOBAL read_only = %d", on);
}

static int sw_fence(struct job *j, int arg, struct err *err)
{
	struct db *old;
	int rc = open_old(j, &old, err);

	(void)arg;
	return rc < 0 ? rc : set_read_only(old, true, err);
}

static int sw_unfence(struct job *j, int arg, struct err *err)
{
	struct db *old;
	int rc = open_old(j, &old, err);

	(void)arg;
	return rc < 0 ? rc : set_read_only(old, false, err);
}

static int sw_apply(struct job *j, int arg, struct err *err)
{
	struct db *old, *new;
	struct gtid_list pos;
	int rc = open_old(j, &old, err);

	(void)arg;
	if (rc == 0)
		rc = open_new(j, &new, err);
	if (rc == 0)
		rc = db_position(old, "gtid_binlog_pos", &pos, err);
	return rc < 0 ? rc : job_wait_position(j, new, &pos, err);
}

static int sw_promote(struct job *j, int arg, struct err *err)
{
	struct db *new;
	int rc = open_new(j, &new, err);

	(void)arg;
	if (rc == 0)
		rc = db_exec(new, err, "STOP SLAVE");
	return rc < 0 ? rc : set_read_only(new, false, err);
}

static int sw_demote(struct job *j, int arg, struct err *err)
{
	struct db *new;
	int rc = open_new(j, &new, err);

	(void)arg;
	if (rc == 0)
		rc = set_read_only(new, true, err);
	return rc < 0 ? rc : db_exec(new, err, "START SLAVE");
}

static int edit_primary(void *arg, struct str document, char **out, struct err *err)
{
	struct job *j = arg;
	char *with_role;
	int rc = map_edit_primary(document, str_of(j->shard), str_of(new_name(j)), &with_role, err);

	if (rc < 0)
		return rc;
	rc = map_edit_backend_state(str_of(with_role), str_of(old_name(j)), BACKEND_SERVING, out, err);
	free(with_role);
	return rc;
}

static int sw_name(struct job *j, int arg, struct err *err)
{
	int rc = job_map_change(j, edit_primary, j, "switchover", err);

	(void)arg;
	if (rc == 0)
		rc = job_served(j, err);
	if (rc == 0)
		job_pause_ends(j, "the primary");
	return rc;
}

static int sw_named(struct job *j, int arg, struct err *err)
{
	int rc = job_map(j, err);

	(void)arg;
	return rc < 0 ? rc : str_eqz(j->sh->primary->name, new_name(j));
}

/* --- behind the last way back: all replicate from the new one --- */

static int change_master(struct job *j, struct db *db, bool account, struct err *err)
{
	const struct backend_def *to = backend_named(j, new_name(j));
	struct buf b = { 0 };
	char *host = str_dup(to->host);
	int rc;

	buf_addz(&b, "CHANGE MASTER TO master_host = ");
	sql_add_text(&b, host);
	buf_addf(&b, ", master_port = %u, master_use_gtid = slave_pos", to->port);
	if (account) {
		buf_addz(&b, ", master_user = ");
		sql_add_text(&b, memo_text(j, "repl_user"));
		buf_addz(&b, ", master_password = ");
		sql_add_text(&b, j->o->repl_password);
	}
	rc = db_exec_secret(db, str_make((char *)buf_head(&b), buf_used(&b)), "CHANGE MASTER TO …", err);
	if (buf_used(&b))
		explicit_bzero(buf_head(&b), buf_used(&b));
	buf_free(&b);
	free(host);
	return rc;
}

/* What the old primary has written itself is in its binlog only: from there on it replicates. */
static int repoint_old(struct job *j, struct err *err)
{
	char text[GTID_TEXT_MAX];
	struct gtid_list pos;
	struct db *old;
	int rc = open_old(j, &old, err);

	if (rc == 0 && !j->o->repl_password)
		rc = err_set(err, ERR_DENIED, ER_ACCESS_DENIED_ERROR,
			"%s is to replicate from %s: give --repl-password-file", old_name(j), new_name(j));
	if (rc == 0)
		rc = db_exec(old, err, "STOP SLAVE");
	if (rc == 0)
		rc = db_position(old, "gtid_current_pos", &pos, err);
	if (rc == 0)
		rc = db_exec(old, err, "SET GLOBAL gtid_slave_pos = '%s'", gtid_print(&pos, text));
	if (rc == 0)
		rc = change_master(j, old, true, err);
	return rc < 0 ? rc : db_exec(old, err, "START SLAVE");
}

static void repoint_other(struct job *j, const char *name)
{
	struct db *db;
	struct err err;
	int rc = job_db(j, name, &db, &err);

	if (rc == 0)
		rc = db_exec(db, &err, "STOP SLAVE");
	if (rc == 0)
		rc = change_master(j, db, false, &err);
	if (rc == 0)
		rc = db_exec(db, &err, "START SLAVE");
	if (rc < 0)
		job_say(j, OPS_TROUBLE,
			"%s does not replicate from the new primary yet: %s. CHANGE MASTER TO there by hand", name,
			err.msg);
}

static int sw_repoint(struct job *j, int arg, struct err *err)
{
	struct db *new;
	int rc = j->ks ? 0 : job_map(j, err);

	(void)arg;
	if (rc == 0)
		rc = open_new(j, &new, err);
	if (rc == 0)
		rc = db_exec(new, err, "RESET SLAVE ALL");
	if (rc == 0)
		rc = repoint_old(j, err);
	for (uint32_t i = 0; rc == 0 && i < j->sh->backend_n; i++) {
		char *name = str_dup(j->sh->backends[i].name);

		if (strcmp(name, old_name(j)) != 0 && strcmp(name, new_name(j)) != 0)
			repoint_other(j, name);
		free(name);
	}
	return rc;
}

static int sw_verify(struct job *j, int arg, struct err *err)
{
	uint64_t end = clock_mono_us() + REPLICATES_US;
	struct timespec t = { 0, 100000000 };
	struct db_replica r;
	struct db *old;
	int rc = open_old(j, &old, err);

	(void)arg;
	while (rc == 0) {
		rc = db_replica(old, &r, err);
		if (rc == 0 && r.there && r.io_running && r.sql_running)
			return 0;
		if (rc == 0 && clock_mono_us() > end)
			return db_replica_healthy(old, &r, err);
		nanosleep(&t, NULL);
		if (rc == 0)
			rc = job_tick(j, err);
	}
	return rc;
}

static const struct job_step steps[] = {
	{ .name = "check", .describe = "check both servers", .act = sw_check },
	{ .name = "near", .describe = "the new primary catches up", .act = sw_near },
	{ .name = "hold",
		.describe = "new statements for the primary wait at the proxies",
		.act = sw_hold,
		.undo = sw_unhold,
		.retry = true },
	{ .name = "settle", .describe = "what is under way on the old primary ends", .act = sw_settle },
	{ .name = "fence", .describe = "the old primary becomes read_only", .act = sw_fence, .undo = sw_unfence },
	{ .name = "apply", .describe = "the new primary applies the rest", .act = sw_apply },
	{ .name = "promote",
		.describe = "the new primary stops replicating and becomes writable",
		.act = sw_promote,
		.undo = sw_demote },
	{ .name = "name",
		.describe = "the map names the new primary",
		.act = sw_name,
		.last_way_back = true,
		.done = sw_named },
	{ .name = "repoint", .describe = "the others replicate from it", .act = sw_repoint },
	{ .name = "verify", .describe = "the old primary replicates", .act = sw_verify },
};

static uint32_t plan(struct job *j, struct job_entry *out)
{
	(void)j;
	for (size_t i = 0; i < ARRAY_N(steps); i++)
		out[i] = (struct job_entry){ &steps[i], JOB_NO_SIDE };
	return ARRAY_N(steps);
}

const struct job_kind switchover_kind = { .name = "switchover", .plan = plan };
