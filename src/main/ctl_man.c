/* ctl_man.c - keywayctl help: on the screen, or all of it as a manual page, made from the table of commands.
 * For ctl.c.
 * One thread. */
#include "ctl_views.h"

const struct ctl_option ctl_help_options[] = {
	{ .name = "--man", .help = "all of it as a manual page" },
	{ 0 },
};

/* Text for troff: its own signs escaped, no line begins with a request. */
static void roff(const char *s, FILE *to)
{
	bool start = true;

	for (; *s; s++) {
		if (start && (*s == '.' || *s == '\''))
			fputs("\\&", to);
		if (*s == '\\')
			fputs("\\e", to);
		else if (*s == '-')
			fputs("\\-", to);
		else
			fputc(*s, to);
		start = *s == '\n';
	}
}

static void man_option(const struct ctl_option *o, FILE *to)
{
	fputs(".TP\n\\fB", to);
	roff(o->name, to);
	fputs("\\fR", to);
	if (o->argument) {
		fputs(o->bare ? "[=\\fI" : " \\fI", to);
		roff(o->argument, to);
		fputs(o->bare ? "\\fR]" : "\\fR", to);
	}
	fputs("\n", to);
	roff(o->help, to);
	if (o->choices) {
		fputs(" (", to);
		for (const char *p = o->choices; *p; p++)
			fputs(*p == '|' ? ", " : (char[]){ *p, '\0' }, to);
		fputs(")", to);
	}
	fputs("\n", to);
}

static void man_command(const char *path, const struct ctl_command *k, FILE *to)
{
	fputs(".SS \"", to);
	roff(path, to);
	for (const struct ctl_argument *g = k->arguments; g->name; g++) {
		fputs(g->optional ? " [" : " ", to);
		roff(g->name, to);
		fprintf(to, "%s%s", g->optional ? "]" : "", g->repeats ? "..." : "");
	}
	fputs("\"\n", to);
	roff(k->summary, to);
	fputs(".\n", to);
	if (k->help) {
		fputs(".PP\n", to);
		roff(k->help, to);
	}
	for (const struct ctl_option *o = k->options; o && o->name; o++)
		man_option(o, to);
}

static void man_commands(const char *path, const struct ctl_command *table, FILE *to)
{
	for (const struct ctl_command *k = table; k->name; k++) {
		char inner[80];

		snprintf(inner, sizeof(inner), "%s%s%s", path, path[0] ? " " : "", k->name);
		if (k->sub)
			man_commands(inner, k->sub, to);
		else
			man_command(inner, k, to);
	}
}

static void man_print(FILE *to)
{
	fputs(".\\\" Made by keywayctl help --man from its table of commands.\n"
	      ".TH KEYWAYCTL 1 \"\" \"Keyway " KEYWAY_VERSION "\" \"Keyway\"\n"
	      ".SH NAME\nkeywayctl \\- operate a Keyway cluster\n"
	      ".SH SYNOPSIS\n\\fBkeywayctl\\fR \\fICOMMAND\\fR [\\fIOPTION\\fR]... [\\fIARGUMENT\\fR]...\n"
	      ".SH DESCRIPTION\n"
	      "keywayctl shows and changes what a cluster of Keyway proxies does: the shard map in its store, the "
	      "servers, the\nsessions. It needs no server of its own: it reads the daemon's settings, and can run on "
	      "any "
	      "machine that reaches\nstore, proxies and servers.\n"
	      ".SH COMMANDS\n",
		to);
	man_commands("", ctl_commands, to);
	fputs(".SH COMMON OPTIONS\nEach command takes those that its \\fB\\-\\-help\\fR lists.\n", to);
	for (const struct ctl_option *o = ctl_common_options; o->name; o++)
		man_option(o, to);
	fputs(".SH EXIT STATUS\n"
	      ".TP\n0\ndone\n.TP\n1\nfailed; standard error says why and what was done until then\n"
	      ".TP\n2\nthe command line was not understood; nothing was done\n"
	      ".TP\n3\na check refused it, or found problems; nothing was changed\n"
	      ".TP\n4\nsomeone else changed the same thing meanwhile; nothing was changed\n"
	      ".SH FILES\n.TP\n/etc/keyway/keyway.conf\nthe daemon's settings, unless \\fB\\-\\-conf\\fR or "
	      "KEYWAY_CONF names "
	      "another file\n"
	      ".TP\n~/.my.cnf\naccount and TLS for the proxies, in the groups [client] and [keywayctl]\n"
	      ".SH ENVIRONMENT\n.TP\nKEYWAY_CONF\nthe daemon's settings\n"
	      ".TP\nKEYWAY_USER, KEYWAY_PASSWORD\naccount on the proxies\n"
	      ".TP\nKEYWAY_ADMIN_USER, KEYWAY_ADMIN_PASSWORD_FILE\naccount of the operators on the servers\n",
		to);
}

enum ctl_exit ctl_help(struct ctl *c, const struct ctl_args *a)
{
	if (ctl_option(a, "--man"))
		man_print(c->out);
	else
		ctl_help_print("", NULL, c->out);
	return CTL_OK;
}
