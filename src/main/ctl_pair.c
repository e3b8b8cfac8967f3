/* ctl_pair.c - keywayctl pair diff, resolve, undo.
 * For ctl.c.
 * One thread, blocking. */
#include "ctl_ops.h"
#include <stdlib.h>
#include <time.h>

static const struct ctl_option diff_options[] = {
	{ .name = "--table", .argument = "TABLE", .help = "this table only" },
	{ .name = "--chunk", .argument = "ROWS", .takes = CTL_NUMBER, .help = "rows compared at once (2000)" },
	CTL_ADMIN_OPTIONS,
	{ 0 },
};

static const struct ctl_option resolve_options[] = {
	{ .name = "--keep",
		.argument = "odd|even|newer",
		.takes = CTL_CHOICE,
		.choices = "odd|even|newer",
		.help = "whose rows are right; newer: those with the larger value of --column" },
	{ .name = "--column",
		.argument = "COLUMN",
		.help = "with --keep newer: the column that tells when a row changed" },
	{ .name = "--log",
		.argument = "FILE",
		.takes = CTL_FILE,
		.help = "what is changed, for pair undo (pair-DATE.log)" },
	{ .name = "--table", .argument = "TABLE", .help = "this table only" },
	{ .name = "--chunk", .argument = "ROWS", .takes = CTL_NUMBER, .help = "rows compared at once (2000)" },
	CTL_ADMIN_OPTIONS,
	{ 0 },
};

static const struct ctl_option undo_options[] = {
	CTL_ADMIN_OPTIONS,
	{ 0 },
};

static const struct ctl_column diff_columns[] = {
	{ "shard", CTL_LEFT },
	{ "table", CTL_LEFT },
	{ "key", CTL_LEFT },
	{ "difference", CTL_LEFT },
	{ "columns", CTL_LEFT },
};

static const char *const difference_text[] = {
	[OPS_ONLY_EVEN] = "only on the even side",
	[OPS_ONLY_ODD] = "only on the odd side",
	[OPS_DIFFERS] = "differs",
	[OPS_UNDECIDED] = "keeps changing",
};

static void add_row(void *arg, const struct ops_row *row)
{
	struct ctl_table *t = arg;

	ctl_cell_textz(t, row->shard);
	ctl_cell_textz(t, row->table);
	ctl_cell_textz(t, row->key);
	ctl_cell_textz(t, difference_text[row->what]);
	ctl_cell_textz(t, row->columns);
}

static void print_rows(struct ctl *c, const struct ctl_args *a, const struct ctl_table *t)
{
	if (a->json)
		ctl_table_print_json(t, false, c->out);
	else if (ctl_table_rows(t))
		ctl_table_print(t, c->out);
}

static void diff_from(const struct ctl_args *a, struct ctl_table *t, struct ops_diff *d)
{
	const char *chunk = ctl_option(a, "--chunk");

	*d = (struct ops_diff){ .keyspace = ctl_word(a, 0),
		.shard = ctl_word(a, 1),
		.table = ctl_option(a, "--table"),
		.chunk = chunk ? (uint32_t)strtoul(chunk, NULL, 10) : 0,
		.row = add_row,
		.row_arg = t };
	ctl_table_begin(t, diff_columns, ARRAY_N(diff_columns));
}

static void say_diff(struct ctl *c, const struct ops_diff_result *r)
{
	ctl_progress(c, "%llu tables, %llu rows compared in %llu chunks: %llu differ%s", (unsigned long long)r->tables,
		(unsigned long long)r->rows, (unsigned long long)r->chunks, (unsigned long long)r->differences,
		r->undecided ? ", and some keep changing: look again when there is less traffic" : "");
	if (r->refused)
		ctl_progress(c, "%llu tables could not be compared (above)", (unsigned long long)r->refused);
}

static enum ctl_exit pair_diff(struct ctl *c, const struct ctl_args *a)
{
	struct ctl_table t = { 0 };
	struct ops_diff_result r = { 0 };
	struct ops_diff d;
	struct ctl_ops o;
	struct err err;
	enum ctl_exit rc = ctl_ops_open(c, a, &o);

	if (rc != CTL_OK)
		return rc;
	diff_from(a, &t, &d);
	if (ops_pair_diff(&o.ops, &d, &r, &err) < 0)
		rc = ctl_ops_failed(c, a, &err);
	print_rows(c, a, &t);
	if (rc == CTL_OK) {
		say_diff(c, &r);
		rc = r.differences || r.undecided || r.refused ? CTL_FAILED : CTL_OK;
	}
	ctl_table_free(&t);
	ctl_ops_close(&o);
	return rc;
}

static char *log_name(void)
{
	time_t now = time(NULL);
	char stamp[32];
	struct tm tm;

	gmtime_r(&now, &tm);
	strftime(stamp, sizeof(stamp), "%Y%m%d-%H%M%S", &tm);
	return xasprintf("pair-%s.log", stamp);
}

static enum ctl_exit pair_resolve(struct ctl *c, const struct ctl_args *a)
{
	const char *keep = ctl_option(a, "--keep"), *log = ctl_option(a, "--log");
	char *own_log = log ? NULL : log_name();
	struct ops_diff_result r = { 0 };
	struct ctl_table t = { 0 };
	struct ops_diff d;
	struct ctl_ops o;
	struct err err;
	enum ctl_exit rc;

	diff_from(a, &t, &d);
	d.log_path = log ? log : own_log;
	d.newer_column = ctl_option(a, "--column");
	if (!keep) {
		rc = ctl_fail(c, a, CTL_USAGE, "--keep says which side is right: odd, even, or newer");
		goto out;
	}
	d.keep = strcmp(keep, "odd") == 0 ? OPS_KEEP_ODD : strcmp(keep, "even") == 0 ? OPS_KEEP_EVEN : OPS_KEEP_NEWER;
	if (d.keep == OPS_KEEP_NEWER && !d.newer_column) {
		rc = ctl_fail(c, a, CTL_USAGE, "--keep newer needs --column");
		goto out;
	}
	if (!ctl_confirm(c, a, "Rows that differ will be changed on one side. Go on?")) {
		rc = CTL_REFUSED;
		goto out;
	}
	rc = ctl_ops_open(c, a, &o);
	if (rc != CTL_OK)
		goto out;
	if (ops_pair_diff(&o.ops, &d, &r, &err) < 0)
		rc = ctl_ops_failed(c, a, &err);
	print_rows(c, a, &t);
	say_diff(c, &r);
	ctl_progress(c, "%llu rows mended, %llu left as they are; keywayctl pair undo %s puts them back",
		(unsigned long long)r.resolved, (unsigned long long)r.skipped, d.log_path);
	if (rc == CTL_OK && (r.resolved < r.differences || r.undecided))
		rc = CTL_FAILED;
	ctl_ops_close(&o);
out:
	ctl_table_free(&t);
	free(own_log);
	return rc;
}

static enum ctl_exit pair_undo(struct ctl *c, const struct ctl_args *a)
{
	struct ops_diff_result r = { 0 };
	struct ctl_ops o;
	struct err err;
	enum ctl_exit rc;

	if (!ctl_confirm(c, a, "The rows in this log will be put back. Go on?"))
		return CTL_REFUSED;
	rc = ctl_ops_open(c, a, &o);
	if (rc != CTL_OK)
		return rc;
	if (ops_pair_undo(&o.ops, ctl_word(a, 0), &r, &err) < 0)
		rc = ctl_ops_failed(c, a, &err);
	ctl_progress(c, "%llu of %llu rows are as they were, %llu have changed since and stay",
		(unsigned long long)r.resolved, (unsigned long long)r.rows, (unsigned long long)r.skipped);
	ctl_ops_close(&o);
	return rc == CTL_OK && r.skipped ? CTL_FAILED : rc;
}

const struct ctl_command ctl_pair_commands[] = {
	{ .name = "diff",
		.summary = "find rows that are not the same on both sides of a pair",
		.help = "Digests of chunks are compared, then of rows; what is merely on its way to the other side "
			"does not\n"
			"count. Exit code 1 when rows differ.\n",
		.arguments = { { .name = "KEYSPACE", .takes = CTL_KEYSPACE },
			{ .name = "SHARD", .takes = CTL_SHARD, .optional = true } },
		.options = diff_options,
		.flags = CTL_CONF | CTL_JSON,
		.run = pair_diff },
	{ .name = "resolve",
		.summary = "make the rows that differ equal again",
		.help = "The side that is wrong is changed, outside its binlog, row by row, each noted in the log "
			"before.\n",
		.arguments = { { .name = "KEYSPACE", .takes = CTL_KEYSPACE },
			{ .name = "SHARD", .takes = CTL_SHARD, .optional = true } },
		.options = resolve_options,
		.flags = CTL_CONF | CTL_JSON | CTL_CONFIRM,
		.run = pair_resolve },
	{ .name = "undo",
		.summary = "put back what pair resolve changed",
		.help = "Rows that have changed since stay as they are.\n",
		.arguments = { { .name = "LOGFILE", .takes = CTL_FILE } },
		.options = undo_options,
		.flags = CTL_CONF | CTL_CONFIRM,
		.run = pair_undo },
	{ 0 },
};
