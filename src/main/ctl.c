/* ctl.c - keywayctl: the table of its commands, and running the one that was named.
 * For src/bin/keywayctl.c and the tests.
 * One thread, blocking. */
#include "ctl_command.h"
#include "ctl_views.h"
#include <time.h>
#include <unistd.h>

static const struct ctl_option passwd_options[] = {
	{ .name = "--stdin", .help = "read the password as one line from standard input" },
	{ 0 },
};

const struct ctl_command ctl_commands[] = {
	{ .name = "passwd",
		.summary = "print a users entry for the settings, with both verifiers of a password",
		.help = "Asks for the password twice on the terminal, without showing it. Without NAME only the "
			"verifiers\n"
			"are printed. The password itself is written nowhere.\n",
		.arguments = { { .name = "NAME", .optional = true } },
		.options = passwd_options,
		.run = ctl_passwd },
	{ .name = "map",
		.summary = "the shard map: look at it, check it, change it, take changes back",
		.sub = ctl_map_commands },
	{ .name = "ops",
		.summary = "operations on servers: those under way, and what became of them",
		.sub = ctl_ops_commands },
	{ .name = "switchover",
		.summary = "make another server the primary of a replica set",
		.help = "Statements wait for a moment; no autocommit client sees an error.\n",
		.arguments = { { .name = "KEYSPACE", .takes = CTL_KEYSPACE }, { .name = "SHARD", .takes = CTL_SHARD } },
		.options = ctl_switchover_options,
		.flags = CTL_CONF | CTL_JSON,
		.run = ctl_switchover },
	{ .name = "side", .summary = "the traffic of one side of a pair", .sub = ctl_side_commands },
	{ .name = "pair", .summary = "the two sides of a pair: differences between them", .sub = ctl_pair_commands },
	CTL_VIEW("shards", "show every shard: who serves it now, and what it waits for"),
	CTL_VIEW("backends", "show every server of the map: its part, its health, what goes to it"),
	CTL_VIEW("sessions", "show the clients and what each is doing"),
	CTL_VIEW("pinned", "show the sessions that hold a connection to a server, and why"),
	CTL_VIEW("pools", "show the connections of each worker thread to each server"),
	CTL_VIEW("epochs", "show the maps that are served, where they come from, and those that were refused"),
	CTL_VIEW("proxies", "show the proxies that are alive, by the records that they keep in the store"),
	CTL_VIEW("digests", "show statements by form: how often, how long, how they run"),
	CTL_VIEW("zones", "show what goes between a proxy's zone and the servers' zones"),
	CTL_VIEW("reads", "show where reads that might go to replicas went, and why"),
	CTL_VIEW("allocators", "show the id services, and how long the ids at hand last"),
	{ .name = "kill",
		.summary = "end sessions of a proxy, or what they run",
		.arguments = { { .name = "ID", .takes = CTL_SESSION, .repeats = true } },
		.options = ctl_kill_options,
		.flags = CTL_CONF,
		.run = ctl_kill },
	{ .name = "doctor",
		.summary = "look for what is wrong with store, map, proxies, servers and their settings",
		.help = "Asks the store, the proxies and every server of the map, and tells each finding with its "
			"cure. Logs in\n"
			"to the servers with the account of the settings, to the proxies with --user. Exits with 0 "
			"when there are\n"
			"no problems (warnings do not count), with 3 when there are. Nothing is changed.\n",
		.options = ctl_doctor_options,
		.flags = CTL_CONF | CTL_JSON,
		.run = ctl_doctor },
	{ .name = "completion",
		.summary = "print the completion of this command line for a shell",
		.help = "source <(keywayctl completion bash)\n",
		.arguments = { { .name = "SHELL", .takes = CTL_CHOICE, .choices = "bash|zsh" } },
		.run = ctl_completion },
	{ .name = "help", .summary = "list the commands", .options = ctl_help_options, .run = ctl_help },
	{ 0 },
};

static void pause_us(uint64_t us)
{
	struct timespec t = { (time_t)(us / 1000000), (long)(us % 1000000) * 1000 };

	nanosleep(&t, NULL);
}

static void show_print(struct ctl *c, const struct ctl_args *a, const struct ctl_table *t)
{
	if (a->json)
		ctl_table_print_json(t, a->watch_us != 0, c->out);
	else
		ctl_table_print(t, c->out);
}

static bool flushed(struct ctl *c)
{
	return fflush(c->out) == 0 && !ferror(c->out);
}

/* Each time from its beginning: on a terminal over the last one, else behind it; JSON is one array a line. What fails
 * after the first time is told and tried again. Ends with the signal that ends it, or when nobody reads any more. */
static enum ctl_exit show_watch(struct ctl *c, const struct ctl_args *a, struct ctl_table *t)
{
	bool tty = !a->json && isatty(fileno(c->out)), first = true;

	for (;; first = false, pause_us(a->watch_us)) {
		enum ctl_exit rc = a->command->show(c, a, t);

		if (rc != CTL_OK && first)
			return rc;
		if (rc != CTL_OK)
			continue;
		if (tty)
			fputs("\033[H\033[J", c->out);
		else if (!first && !a->json)
			fputc('\n', c->out);
		show_print(c, a, t);
		if (!flushed(c))
			return CTL_OK;
	}
}

static enum ctl_exit show_run(struct ctl *c, const struct ctl_args *a)
{
	struct ctl_table t = { 0 };
	enum ctl_exit rc;

	if (a->watch_us) {
		rc = show_watch(c, a, &t);
	} else {
		rc = a->command->show(c, a, &t);
		/* what there is of it, when not all of it was to be had */
		if (rc == CTL_OK || ctl_table_rows(&t))
			show_print(c, a, &t);
	}
	ctl_table_free(&t);
	return rc;
}

static enum ctl_exit command_run(struct ctl *c, const struct ctl_args *a)
{
	if (a->help) {
		ctl_help_print(a->path, a->command, c->out);
		return CTL_OK;
	}
	if (!a->command) {
		ctl_help_print("", NULL, c->err);
		return CTL_USAGE;
	}
	return a->command->show ? show_run(c, a) : a->command->run(c, a);
}

enum ctl_exit ctl_run(struct ctl *c, int argc, char **argv)
{
	struct ctl_args a;
	enum ctl_exit rc;

	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		fprintf(c->out, "keywayctl %s\n", KEYWAY_VERSION);
		return CTL_OK;
	}
	rc = ctl_args_parse(c, ctl_commands, argc, argv, &a);
	if (rc == CTL_OK)
		rc = command_run(c, &a);
	if (!flushed(c) && rc == CTL_OK)
		rc = ctl_fail(c, &a, CTL_FAILED, "the output could not be written");
	ctl_args_free(&a);
	return rc;
}
