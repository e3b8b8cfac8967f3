/* ctl_side.c - keywayctl side drain, restore, alter; switchover; ops list, resume, abort.
 * For ctl.c.
 * One thread, blocking. */
#include "ctl_ops.h"
#include <stdlib.h>
#include <time.h>

#define MOVE_OPTIONS                                                                                                   \
	{ .name = "--pause",                                                                                           \
		.argument = "TIME",                                                                                    \
		.takes = CTL_DURATION,                                                                                 \
		.help = "longest time for which statements wait in one try (1s); past it the try is undone" },         \
		{ .name = "--wait",                                                                                    \
			.argument = "TIME",                                                                            \
			.takes = CTL_DURATION,                                                                         \
			.help = "how long to go on trying while a transaction under way does not end (30s)" },         \
		{ .name = "--kill", .help = "then end those transactions" },                                           \
		{ .name = "--force", .help = "also without live proxies; also while another keywayctl may be at it" }, \
	{                                                                                                              \
		.name = "--resume", .argument = "ID", .help = "go on with this unfinished operation"                   \
	}

static const struct ctl_option side_options[] = {
	MOVE_OPTIONS,
	CTL_ADMIN_OPTIONS,
	{ 0 },
};

#define REPL_OPTIONS                                                                                      \
	{ .name = "--repl-user",                                                                          \
		.argument = "NAME",                                                                       \
		.help = "switchover: the account that the old primary replicates with (the replica's)" }, \
	{                                                                                                 \
		.name = "--repl-password-file", .argument = "FILE", .takes = CTL_FILE,                    \
		.help = "switchover: file whose first line is its password"                               \
	}

static const struct ctl_option alter_options[] = {
	{ .name = "--ddl", .argument = "STATEMENT", .help = "the ALTER TABLE" },
	{ .name = "--all-shards", .help = "on every pair of the keyspace, one after the other" },
	MOVE_OPTIONS,
	CTL_ADMIN_OPTIONS,
	{ 0 },
};

const struct ctl_option ctl_switchover_options[] = {
	{ .name = "--to",
		.argument = "BACKEND",
		.takes = CTL_BACKEND,
		.help = "the new primary, by its name in the map" },
	REPL_OPTIONS,
	MOVE_OPTIONS,
	CTL_ADMIN_OPTIONS,
	{ 0 },
};

static const struct ctl_option ops_options[] = {
	REPL_OPTIONS,
	{ .name = "--force", .help = "even if another keywayctl may still be at it" },
	CTL_ADMIN_OPTIONS,
	{ 0 },
};

static uint64_t duration_of(const struct ctl_args *a, const char *name, uint64_t otherwise)
{
	const char *v = ctl_option(a, name);
	uint64_t us;

	return v && ctl_duration_parse(v, &us) == 0 ? us : otherwise;
}

static void move_from(const struct ctl_args *a, struct ops_move *m)
{
	*m = (struct ops_move){ .keyspace = ctl_word(a, 0),
		.shard = ctl_word(a, 1),
		.pause_us = duration_of(a, "--pause", 1000000),
		.wait_us = duration_of(a, "--wait", 30000000),
		.kill = ctl_option(a, "--kill") != NULL,
		.force = ctl_option(a, "--force") != NULL,
		.resume = ctl_option(a, "--resume") };
}

typedef int side_fn(const struct ops *o, const struct ops_move *m, enum pair_side side, struct ops_move_result *out,
	struct err *err);

static enum ctl_exit say_done(struct ctl *c, const struct ctl_args *a, const struct ops_move_result *r)
{
	if (a->json)
		fprintf(c->out, "{\"held_ms\": %.3f}\n", (double)r->held_us / 1000);
	else
		fprintf(c->out, "done; statements waited for at most %llu ms\n",
			(unsigned long long)(r->held_us / 1000));
	return CTL_OK;
}

static enum ctl_exit side_run(struct ctl *c, const struct ctl_args *a, side_fn *run)
{
	struct ops_move_result r = { 0 };
	struct ops_move m;
	struct ctl_ops o;
	struct err err;
	enum ctl_exit rc = ctl_ops_open(c, a, &o);

	if (rc != CTL_OK)
		return rc;
	move_from(a, &m);
	if (run(&o.ops, &m, strcmp(ctl_word(a, 2), "odd") == 0 ? SIDE_ODD : SIDE_EVEN, &r, &err) < 0)
		rc = ctl_ops_failed(c, a, &err);
	else
		rc = say_done(c, a, &r);
	ctl_ops_close(&o);
	return rc;
}

static enum ctl_exit side_drain(struct ctl *c, const struct ctl_args *a)
{
	return side_run(c, a, ops_side_drain);
}

static enum ctl_exit side_restore(struct ctl *c, const struct ctl_args *a)
{
	return side_run(c, a, ops_side_restore);
}

static enum ctl_exit side_alter(struct ctl *c, const struct ctl_args *a)
{
	const char *ddl = ctl_option(a, "--ddl");
	bool all = ctl_option(a, "--all-shards") != NULL;
	struct ops_move_result r = { 0 };
	struct ops_move m;
	struct ctl_ops o;
	struct err err;
	enum ctl_exit rc;

	if (!ddl)
		return ctl_fail(c, a, CTL_USAGE, "--ddl gives the ALTER TABLE");
	if (all == (ctl_word(a, 1) != NULL))
		return ctl_fail(c, a, CTL_USAGE, "name a shard, or say --all-shards");
	rc = ctl_ops_open(c, a, &o);
	if (rc != CTL_OK)
		return rc;
	move_from(a, &m);
	if (ops_side_alter(&o.ops, &m, ddl, &r, &err) < 0)
		rc = ctl_ops_failed(c, a, &err);
	else
		rc = say_done(c, a, &r);
	ctl_ops_close(&o);
	return rc;
}

/* CTL_OK, or told. The texts are the caller's to free. */
static enum ctl_exit repl_account(struct ctl *c, const struct ctl_args *a, struct ops *o, char **user, char **password)
{
	const char *file = ctl_option(a, "--repl-password-file"), *name = ctl_option(a, "--repl-user");

	if (file || name) {
		*user = name ? xstrdup(name) : NULL;
		*password = file ? ctl_secret_read(c, a, file) : NULL;
		if (file && !*password)
			return CTL_FAILED;
	} else {
		ctl_playground_account(a, "replication", user, password);
	}
	o->repl_user = *user;
	o->repl_password = *password;
	return CTL_OK;
}

static void secret_free(char *password)
{
	if (password)
		explicit_bzero(password, strlen(password));
	free(password);
}

enum ctl_exit ctl_switchover(struct ctl *c, const struct ctl_args *a)
{
	const char *to = ctl_option(a, "--to");
	struct ops_move_result r = { 0 };
	char *user = NULL, *password = NULL;
	struct ops_move m;
	struct ctl_ops o;
	struct err err;
	enum ctl_exit rc;

	if (!to)
		return ctl_fail(c, a, CTL_USAGE, "--to names the new primary");
	rc = ctl_ops_open(c, a, &o);
	if (rc != CTL_OK)
		return rc;
	rc = repl_account(c, a, &o.ops, &user, &password);
	move_from(a, &m);
	if (rc == CTL_OK && ops_switchover(&o.ops, &m, to, &r, &err) < 0)
		rc = ctl_ops_failed(c, a, &err);
	else if (rc == CTL_OK)
		rc = say_done(c, a, &r);
	secret_free(password);
	free(user);
	ctl_ops_close(&o);
	return rc;
}

const struct ctl_command ctl_side_commands[] = {
	{ .name = "drain",
		.summary = "move one side's traffic to the other side",
		.help = "New statements of the side wait at the proxies until what is under way there has ended and "
			"the other\n"
			"side has applied everything; then they go on there. No client sees an error.\n",
		.arguments = { { .name = "KEYSPACE", .takes = CTL_KEYSPACE }, { .name = "SHARD", .takes = CTL_SHARD },
			{ .name = "SIDE", .takes = CTL_CHOICE, .choices = "odd|even" } },
		.options = side_options,
		.flags = CTL_CONF | CTL_JSON,
		.run = side_drain },
	{ .name = "restore",
		.summary = "give a drained side its traffic back",
		.help = "The same the other way round.\n",
		.arguments = { { .name = "KEYSPACE", .takes = CTL_KEYSPACE }, { .name = "SHARD", .takes = CTL_SHARD },
			{ .name = "SIDE", .takes = CTL_CHOICE, .choices = "odd|even" } },
		.options = side_options,
		.flags = CTL_CONF | CTL_JSON,
		.run = side_restore },
	{ .name = "alter",
		.summary = "ALTER TABLE on a pair that keeps serving: one side after the other",
		.help = "The side is drained, altered outside its binlog at the server's own speed, catches up and "
			"serves again;\n"
			"then the other. Only changes that replication bears between the two forms are taken: columns "
			"added at\n"
			"the end or dropped there, wider integers and VARCHARs, plain indexes. The same command goes "
			"on with\n"
			"what was left in the middle; ops abort brings the traffic home.\n",
		.arguments = { { .name = "KEYSPACE", .takes = CTL_KEYSPACE },
			{ .name = "SHARD", .takes = CTL_SHARD, .optional = true } },
		.options = alter_options,
		.flags = CTL_CONF | CTL_JSON,
		.run = side_alter },
	{ 0 },
};

/* --- what is under way --- */

static const struct ctl_column list_columns[] = {
	{ "id", CTL_LEFT },
	{ "kind", CTL_LEFT },
	{ "keyspace", CTL_LEFT },
	{ "shard", CTL_LEFT },
	{ "what", CTL_LEFT },
	{ "phase", CTL_LEFT },
	{ "step", CTL_LEFT },
	{ "seen", CTL_LEFT },
	{ "why", CTL_LEFT },
};

static void list_one(void *arg, const struct ops_entry *e)
{
	struct ctl_table *t = arg;
	time_t at = (time_t)e->at_s;
	char stamp[32];
	struct tm tm;

	gmtime_r(&at, &tm);
	strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%SZ", &tm);
	ctl_cell_textz(t, e->id);
	ctl_cell_textz(t, e->kind);
	ctl_cell_textz(t, e->keyspace);
	ctl_cell_textz(t, e->shard);
	ctl_cell_textz(t, e->what);
	ctl_cell_textz(t, e->phase);
	ctl_cell_textz(t, e->step);
	ctl_cell_textz(t, stamp);
	ctl_cell_textz(t, e->why);
}

static enum ctl_exit ops_list_show(struct ctl *c, const struct ctl_args *a, struct ctl_table *t)
{
	struct ctl_ops o;
	struct err err;
	enum ctl_exit rc = ctl_ops_open_store(c, a, &o);

	if (rc != CTL_OK)
		return rc;
	ctl_table_begin(t, list_columns, ARRAY_N(list_columns));
	if (ops_list(&o.ops, list_one, t, &err) < 0)
		rc = ctl_ops_failed(c, a, &err);
	ctl_ops_close(&o);
	return rc;
}

typedef int by_id_fn(const struct ops *o, const char *id, bool force, struct err *err);

static enum ctl_exit by_id(struct ctl *c, const struct ctl_args *a, by_id_fn *run)
{
	char *user = NULL, *password = NULL;
	struct ctl_ops o;
	struct err err;
	enum ctl_exit rc = ctl_ops_open(c, a, &o);

	if (rc != CTL_OK)
		return rc;
	rc = repl_account(c, a, &o.ops, &user, &password);
	if (rc == CTL_OK && run(&o.ops, ctl_word(a, 0), ctl_option(a, "--force") != NULL, &err) < 0)
		rc = ctl_ops_failed(c, a, &err);
	secret_free(password);
	free(user);
	ctl_ops_close(&o);
	return rc;
}

static enum ctl_exit ops_resume_run(struct ctl *c, const struct ctl_args *a)
{
	return by_id(c, a, ops_resume);
}

static enum ctl_exit ops_abort_run(struct ctl *c, const struct ctl_args *a)
{
	return by_id(c, a, ops_abort);
}

const struct ctl_command ctl_ops_commands[] = {
	{ .name = "list",
		.summary = "show operations, those under way and those that have ended",
		.flags = CTL_CONF,
		.show = ops_list_show },
	{ .name = "resume",
		.summary = "go on with an operation whose keywayctl has ended",
		.arguments = { { .name = "ID" } },
		.options = ops_options,
		.flags = CTL_CONF,
		.run = ops_resume_run },
	{ .name = "abort",
		.summary = "put back what an unfinished operation has done",
		.help = "Where too much is done to go back it goes on to its end instead, and says so.\n",
		.arguments = { { .name = "ID" } },
		.options = ops_options,
		.flags = CTL_CONF,
		.run = ops_abort_run },
	{ 0 },
};
