/* ctl_ops.h - what the commands that move traffic or mend rows share: the operator's account, the store, progress and
 * Ctrl-C. For ctl_map*.c, ctl_pair.c, ctl_side.c. One thread, blocking. */
#ifndef KEYWAY_MAIN_CTL_OPS_H
#define KEYWAY_MAIN_CTL_OPS_H

#include "ctl_command.h"
#include "keyway/ops/ops.h"

/* Rows of the options that say who the operator is on the servers. */
#define CTL_ADMIN_OPTIONS                                                                    \
	{ .name = "--admin-user",                                                            \
		.argument = "NAME",                                                          \
		.help = "the operator's account on the servers (KEYWAY_ADMIN_USER)" },       \
	{                                                                                    \
		.name = "--admin-password-file", .argument = "FILE", .takes = CTL_FILE,      \
		.help = "file whose first line is its password (KEYWAY_ADMIN_PASSWORD_FILE)" \
	}

struct ctl_ops {
	struct ops ops;
	struct ctl *ctl;
	struct config *cfg;
	char *user, *password;
};

/* The settings and the store, for commands that need no account on the servers: as below but for that. */
enum ctl_exit ctl_ops_open_store(struct ctl *c, const struct ctl_args *a, struct ctl_ops *out);
/* CTL_OK, or told. Until ctl_ops_close() SIGINT and SIGTERM make the operation undo itself. */
enum ctl_exit ctl_ops_open(struct ctl *c, const struct ctl_args *a, struct ctl_ops *out);
void ctl_ops_close(struct ctl_ops *o);
/* Tells @err; the exit code that fits it. */
enum ctl_exit ctl_ops_failed(struct ctl *c, const struct ctl_args *a, const struct err *err);
/* The first line of a file, as a secret. NULL: told. The caller frees it. */
char *ctl_secret_read(struct ctl *c, const struct ctl_args *a, const char *path);

#endif
