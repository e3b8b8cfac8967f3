/* doctor.c - keywayctl doctor: the table of checks, what they found, the exit code.
 * For ctl.c.
 * One thread, blocking. */
#include "doctor.h"
#include "ctl_views.h"
#include <stdarg.h>
#include <stdlib.h>

const struct doctor_check doctor_checks[] = {
	{ "store", "the map store answers", check_store },
	{ "map", "every document in the store is a valid map", check_map },
	{ "epochs", "every proxy serves the store's epochs and has refused none", check_epochs },
	{ "connect", "every server takes Keyway's account", check_connect },
	{ "versions", "the servers of a keyspace are of one family and release", check_versions },
	{ "grants", "Keyway's account may do what Keyway needs", check_grants },
	{ "fence", "Keyway's account cannot write to a server that is read_only", check_fence },
	{ "writable", "each shard has its one writable server, a pair two", check_writable },
	{ "binlog", "the binary log is on, in full rows", check_binlog },
	{ "gtid", "GTIDs are on, and each side of a pair has a domain of its own", check_gtid },
	{ "server_id", "servers that replicate from one another have ids of their own", check_server_id },
	{ "replication", "replicas and sides replicate from their shard, without error and without lag",
		check_replication },
	{ "pair", "AUTO_INCREMENT and type conversions are set as pairs need them", check_pair },
	{ "clock", "the clocks agree to a second", check_clock },
	{ "same", "settings that change answers are the same on all servers of a keyspace", check_same },
	{ "connections", "max_connections holds the pools of all proxies", check_connections },
	{ "packet", "max_allowed_packet holds limits.max_packet", check_packet },
	{ "timeout", "wait_timeout is longer than backend.idle_age", check_timeout },
	{ "schema", "tables are the same on all shards", check_schema },
	{ "tables", "the map lists the tables that there are", check_tables },
	{ "allocators", "the id services answer", check_allocators },
	{ "ids", "the counters are above the ids in the tables", check_ids },
	{ 0 },
};

const struct ctl_option ctl_doctor_options[] = {
	CTL_PROXY_OPTIONS,
	{ .name = "--check", .argument = "NAME", .repeats = true, .help = "only this check" },
	{ .name = "--list", .help = "list the checks" },
	{ 0 },
};

char *doctor_text(struct doctor *d, const char *fmt, ...)
{
	va_list ap;
	char *text = NULL, *out;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n < 0)
		abort();
	out = arena_dup(&d->arena, text, (size_t)n);
	free(text);
	return out;
}

void doctor_find(
	struct doctor *d, enum doctor_severity severity, const char *where, const char *what, const char *cure, ...)
{
	struct doctor_finding *f;
	char *text = NULL;
	va_list ap;

	va_start(ap, cure);
	if (vasprintf(&text, cure, ap) < 0)
		abort();
	va_end(ap);
	d->findings = xrealloc(d->findings, (d->finding_n + 1) * sizeof(*d->findings));
	f = &d->findings[d->finding_n++];
	*f = (struct doctor_finding){ .severity = (uint8_t)severity,
		.check = d->check,
		.where = arena_dup(&d->arena, where, strlen(where)),
		.what = arena_dup(&d->arena, what, strlen(what)),
		.cure = arena_dup(&d->arena, text, strlen(text)) };
	free(text);
}

static bool wanted(const struct ctl_args *a, const char *name)
{
	bool any = false;

	for (uint32_t i = 0; i < a->given_n; i++) {
		if (strcmp(a->given[i].option->name, "--check") != 0)
			continue;
		any = true;
		if (strcmp(a->given[i].value, name) == 0)
			return true;
	}
	return !any;
}

static bool known(const char *name)
{
	for (const struct doctor_check *k = doctor_checks; k->name; k++) {
		if (strcmp(k->name, name) == 0)
			return true;
	}
	return false;
}

static void print_list(struct ctl *c, const struct ctl_args *a)
{
	static const struct ctl_column cols[] = { { "check", CTL_LEFT }, { "right_when", CTL_LEFT } };
	struct ctl_table t = { 0 };

	ctl_table_begin(&t, cols, ARRAY_N(cols));
	for (const struct doctor_check *k = doctor_checks; k->name; k++) {
		ctl_cell_textz(&t, k->name);
		ctl_cell_textz(&t, k->what);
	}
	if (a->json)
		ctl_table_print_json(&t, false, c->out);
	else
		ctl_table_print(&t, c->out);
	ctl_table_free(&t);
}

static const char *const severity_name[] = { [DOCTOR_PROBLEM] = "problem", [DOCTOR_WARNING] = "warning" };

static void print_json(struct ctl *c, const struct doctor *d)
{
	static const struct ctl_column cols[] = { { "severity", CTL_LEFT }, { "check", CTL_LEFT },
		{ "where", CTL_LEFT }, { "finding", CTL_LEFT }, { "cure", CTL_LEFT } };
	struct ctl_table t = { 0 };

	ctl_table_begin(&t, cols, ARRAY_N(cols));
	for (uint32_t i = 0; i < d->finding_n; i++) {
		const struct doctor_finding *f = &d->findings[i];

		ctl_cell_textz(&t, severity_name[f->severity]);
		ctl_cell_textz(&t, f->check);
		ctl_cell_textz(&t, f->where);
		ctl_cell_textz(&t, f->what);
		ctl_cell_textz(&t, f->cure);
	}
	ctl_table_print_json(&t, false, c->out);
	ctl_table_free(&t);
}

static void print_line(FILE *out, const char *head, const char *text)
{
	struct buf safe = { 0 };

	ctl_text_safe(&safe, str_of(text));
	fprintf(out, "%s%.*s\n", head, (int)buf_used(&safe), (const char *)buf_head(&safe));
	buf_free(&safe);
}

static void print_people(struct ctl *c, const struct doctor *d)
{
	for (uint32_t i = 0; i < d->finding_n; i++) {
		const struct doctor_finding *f = &d->findings[i];
		char *head = xasprintf("%s  %s  ", severity_name[f->severity], f->check);

		print_line(c->out, head, f->where);
		print_line(c->out, "    ", f->what);
		print_line(c->out, "    cure: ", f->cure);
		free(head);
	}
}

enum ctl_exit ctl_doctor(struct ctl *c, const struct ctl_args *a)
{
	struct doctor d = { 0 };
	uint32_t problems = 0, checks = 0;
	enum ctl_exit rc;

	for (uint32_t i = 0; i < a->given_n; i++) {
		if (strcmp(a->given[i].option->name, "--check") == 0 && !known(a->given[i].value))
			return ctl_fail(c, a, CTL_USAGE, "there is no check %s; --list names them", a->given[i].value);
	}
	if (ctl_option(a, "--list")) {
		print_list(c, a);
		return CTL_OK;
	}
	rc = doctor_open(c, a, &d);
	for (const struct doctor_check *k = doctor_checks; rc == CTL_OK && k->name; k++) {
		if (!wanted(a, k->name))
			continue;
		d.check = k->name;
		k->run(&d);
		checks++;
	}
	if (rc == CTL_OK) {
		for (uint32_t i = 0; i < d.finding_n; i++)
			problems += d.findings[i].severity == DOCTOR_PROBLEM;
		if (a->json)
			print_json(c, &d);
		else
			print_people(c, &d);
		ctl_progress(c, "%u checks, %u servers, %u proxies: %u problems, %u warnings", checks, d.server_n,
			d.proxy_n, problems, d.finding_n - problems);
		rc = problems ? CTL_REFUSED : CTL_OK;
	}
	doctor_close(&d);
	return rc;
}
