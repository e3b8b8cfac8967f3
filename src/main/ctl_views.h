/* ctl_views.h - the commands of keywayctl that only look, and kill: functions and options for the rows in ctl.c. One
 * thread, blocking. */
#ifndef KEYWAY_MAIN_CTL_VIEWS_H
#define KEYWAY_MAIN_CTL_VIEWS_H

#include "ctl_command.h"

extern const struct ctl_option ctl_view_options[], ctl_kill_options[], ctl_doctor_options[], ctl_help_options[];

/* A row whose name is that of a view of SHOW KEYWAY, in lower case. */
#define CTL_VIEW(view, says)                                                                                        \
	{                                                                                                           \
		.name = (view), .summary = (says), .options = ctl_view_options, .flags = CTL_CONF, .show = ctl_view \
	}

/* SHOW KEYWAY of one or more proxies, by the command's name. */
enum ctl_exit ctl_view(struct ctl *c, const struct ctl_args *a, struct ctl_table *t);
enum ctl_exit ctl_kill(struct ctl *c, const struct ctl_args *a);
enum ctl_exit ctl_doctor(struct ctl *c, const struct ctl_args *a);
enum ctl_exit ctl_completion(struct ctl *c, const struct ctl_args *a);
enum ctl_exit ctl_help(struct ctl *c, const struct ctl_args *a);

#endif
