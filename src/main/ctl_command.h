/* ctl_command.h - one command of keywayctl, for ctl.c and the files that hold commands. */
#ifndef KEYWAY_MAIN_CTL_COMMAND_H
#define KEYWAY_MAIN_CTL_COMMAND_H

#include "keyway/main/ctl.h"

struct ctl_command {
	const char *name;
	const char *arguments; /* as the help shows them */
	const char *summary;   /* one line */
	const char *help;      /* the rest, lines ending in \n */
	/* @argv[0] is the command's name. CTL_USAGE makes the caller show how it is used. */
	enum ctl_exit (*run)(struct ctl *c, int argc, char **argv);
};

enum ctl_exit ctl_passwd(struct ctl *c, int argc, char **argv);

#endif
