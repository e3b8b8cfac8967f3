/* ctl.c - keywayctl: the table of its commands, their help, and the choice among them.
 * For src/bin/keywayctl.c and the tests.
 * One thread, blocking. */
#include "ctl_command.h"
#include "keyway/util/str.h"

static const struct ctl_command commands[] = {
	{ "passwd", "[--stdin] [NAME]", "print a users entry for the settings, with both verifiers of a password",
		"Asks for the password twice on the terminal, without showing it. With --stdin one line is read from\n"
		"standard input. Without NAME only the verifiers are printed. The password itself is written "
		"nowhere.\n",
		ctl_passwd },
};

static void usage_print(const struct ctl_command *command, FILE *to)
{
	fprintf(to, "usage: keywayctl %s %s\n", command->name, command->arguments);
}

static void help_print(FILE *to)
{
	fprintf(to, "usage: keywayctl COMMAND [ARGUMENT]...\n\nCommands:\n");
	for (size_t i = 0; i < ARRAY_N(commands); i++)
		fprintf(to, "  %s %s\n      %s\n", commands[i].name, commands[i].arguments, commands[i].summary);
	fprintf(to, "\nkeywayctl COMMAND --help says more. --version prints the version.\n"
		    "Exit codes: 0 done, 1 failed, 2 the command line was not understood.\n");
}

static const struct ctl_command *command_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_N(commands); i++) {
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	}
	return NULL;
}

static bool asks_for_help(const char *word)
{
	return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

static enum ctl_exit command_run(struct ctl *c, const struct ctl_command *command, int argc, char **argv)
{
	enum ctl_exit rc;

	if (argc > 1 && asks_for_help(argv[1])) {
		usage_print(command, c->out);
		fprintf(c->out, "%s\n\n%s", command->summary, command->help);
		return CTL_OK;
	}
	rc = command->run(c, argc, argv);
	if (rc == CTL_USAGE)
		usage_print(command, c->err);
	return rc;
}

enum ctl_exit ctl_run(struct ctl *c, int argc, char **argv)
{
	const struct ctl_command *command;
	enum ctl_exit rc;

	if (argc < 2) {
		help_print(c->err);
		return CTL_USAGE;
	}
	if (asks_for_help(argv[1]) || strcmp(argv[1], "help") == 0) {
		help_print(c->out);
		rc = CTL_OK;
	} else if (strcmp(argv[1], "--version") == 0) {
		fprintf(c->out, "keywayctl %s\n", KEYWAY_VERSION);
		rc = CTL_OK;
	} else {
		command = command_find(argv[1]);
		if (!command) {
			fprintf(c->err, "keywayctl: no command %s\n", argv[1]);
			help_print(c->err);
			return CTL_USAGE;
		}
		rc = command_run(c, command, argc - 1, argv + 1);
	}
	if (rc == CTL_OK && (fflush(c->out) != 0 || ferror(c->out))) {
		fprintf(c->err, "keywayctl: the output could not be written\n");
		return CTL_FAILED;
	}
	return rc;
}
