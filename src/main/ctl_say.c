/* ctl_say.c - what keywayctl says: help made from the rows of its commands, errors, progress, questions.
 * For ctl*.c.
 * One thread; reads the terminal. */
#include "ctl_command.h"
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

static void line_v(FILE *to, const char *head, const char *fmt, va_list ap)
{
	struct buf safe = { 0 };
	char *text = NULL;

	if (vasprintf(&text, fmt, ap) < 0)
		abort();
	ctl_text_safe(&safe, str_of(text));
	fprintf(to, "%s%.*s\n", head, (int)buf_used(&safe), (const char *)buf_head(&safe));
	buf_free(&safe);
	free(text);
}

enum ctl_exit ctl_fail(struct ctl *c, const struct ctl_args *a, enum ctl_exit rc, const char *fmt, ...)
{
	char head[128];
	va_list ap;

	snprintf(head, sizeof(head), "keywayctl%s%s: ", a->path[0] ? " " : "", a->path);
	va_start(ap, fmt);
	line_v(c->err, head, fmt, ap);
	va_end(ap);
	return rc;
}

void ctl_progress(struct ctl *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	line_v(c->err, "", fmt, ap);
	va_end(ap);
	fflush(c->err);
}

bool ctl_confirm(struct ctl *c, const struct ctl_args *a, const char *question)
{
	char line[16];

	if (a->yes)
		return true;
	if (!isatty(fileno(c->in))) {
		ctl_fail(c, a, CTL_REFUSED, "there is no terminal to ask on; use --yes");
		return false;
	}
	fflush(c->out);
	fprintf(c->err, "%s [y/N] ", question);
	fflush(c->err);
	return fgets(line, sizeof(line), c->in) && (strcmp(line, "y\n") == 0 || strcmp(line, "yes\n") == 0);
}

static void option_print(const struct ctl_option *o, FILE *to)
{
	fputs(o->name, to);
	if (o->argument)
		fprintf(to, o->bare ? "[=%s]" : " %s", o->argument);
}

void ctl_usage_print(const char *path, const struct ctl_command *command, FILE *to)
{
	fputs(path, to);
	if (command->sub)
		fputs(" COMMAND", to);
	for (const struct ctl_option *o = command->options; o && o->name; o++) {
		fputs(" [", to);
		option_print(o, to);
		fputs(o->repeats ? "]..." : "]", to);
	}
	for (const struct ctl_argument *g = command->arguments; g->name; g++)
		fprintf(to, g->optional ? " [%s]%s" : " %s%s", g->name, g->repeats ? "..." : "");
	fputc('\n', to);
}

static void options_print(const struct ctl_option *list, const struct ctl_command *only_common_of, FILE *to)
{
	for (const struct ctl_option *o = list; o && o->name; o++) {
		if (only_common_of && !ctl_takes_common(only_common_of, o))
			continue;
		fputs("  ", to);
		option_print(o, to);
		fprintf(to, "\n      %s\n", o->help);
	}
}

static void table_print(const char *path, const struct ctl_command *table, FILE *to)
{
	for (; table->name; table++) {
		char *words = xasprintf("%s%s%s", path, path[0] ? " " : "", table->name);

		fputs("  ", to);
		ctl_usage_print(words, table, to);
		fprintf(to, "      %s\n", table->summary);
		free(words);
	}
}

void ctl_help_print(const char *path, const struct ctl_command *command, FILE *to)
{
	if (!command) {
		fprintf(to, "usage: keywayctl COMMAND [OPTION]... [ARGUMENT]...\n\nCommands:\n");
		table_print("", ctl_commands, to);
		fprintf(to,
			"\nkeywayctl COMMAND --help says more. --version prints the version.\n"
			"Exit codes: 0 done, 1 failed, 2 the command line was not understood, 3 a check refused it,\n"
			"4 changed by someone else meanwhile. With 2, 3 and 4 nothing was changed.\n");
		return;
	}
	fprintf(to, "usage: keywayctl ");
	ctl_usage_print(path, command, to);
	fprintf(to, "%s\n", command->summary);
	if (command->help)
		fprintf(to, "\n%s", command->help);
	if (command->sub) {
		fprintf(to, "\nCommands:\n");
		table_print(path, command->sub, to);
		return;
	}
	fprintf(to, "\nOptions:\n");
	options_print(command->options, NULL, to);
	options_print(ctl_common_options, command, to);
}
