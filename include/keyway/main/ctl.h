/* main/ctl.h - keywayctl, the command line tool. One thread, blocking. */
#ifndef KEYWAY_MAIN_CTL_H
#define KEYWAY_MAIN_CTL_H

#include <stdio.h>

enum ctl_exit {
	CTL_OK = 0,
	CTL_FAILED = 1,	  /* the command could not do it; why is on err */
	CTL_USAGE = 2,	  /* the command line was not understood */
	CTL_REFUSED = 3,  /* a check said no; nothing was changed */
	CTL_CONFLICT = 4, /* someone else changed it meanwhile; nothing was changed */
};

struct ctl {
	FILE *in, *out, *err; /* borrowed */
};

/* Runs the command that @argv names ("keywayctl", command, its arguments). The process exits with what it returns. */
enum ctl_exit ctl_run(struct ctl *c, int argc, char **argv);

#endif
