/* ctl_side.c - keywayctl side drain, side restore, ops list, resume, abort.
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

static const struct ctl_option ops_options[] = {
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
	else if (a->json)
		fprintf(c->out, "{\"held_ms\": %.3f}\n", (double)r.held_us / 1000);
	else
		fprintf(c->out, "done; statements waited for at most %llu ms\n",
			(unsigned long long)(r.held_us / 1000));
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
	struct ctl_ops o;
	struct err err;
	enum ctl_exit rc = ctl_ops_open(c, a, &o);

	if (rc != CTL_OK)
		return rc;
	if (run(&o.ops, ctl_word(a, 0), ctl_option(a, "--force") != NULL, &err) < 0)
		rc = ctl_ops_failed(c, a, &err);
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
