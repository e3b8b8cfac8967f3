/* ctl_sql.h - connections of keywayctl to proxies and to servers, and small answers from them. Calls block, each at
 * most the time-outs. One thread. */
#ifndef KEYWAY_MAIN_CTL_SQL_H
#define KEYWAY_MAIN_CTL_SQL_H

#include "ctl_command.h"
#include "keyway/util/err.h"
#include <mysql.h>

struct ctl_login {
	const char *host;   /* either this or socket */
	const char *socket; /* path */
	unsigned port;
	const char *user, *password;	     /* NULL: what the option files say */
	bool option_files;		     /* ~/.my.cnf and kin, groups [client] and [keywayctl] */
	const struct config_client_tls *tls; /* NULL: option files, else without */
	unsigned timeout_s;		     /* of each wait; 0: 10 */
};

/* NULL: @err. Close with mysql_close(). */
MYSQL *ctl_sql_open(const struct ctl_login *login, struct err *err);
/* Rows, or NULL and @err. Free with mysql_free_result(). */
MYSQL_RES *ctl_sql_query(MYSQL *my, struct err *err, const char *fmt, ...) PRINTF(3, 4);
/* The field of the column named @name; NULL: no such column, or NULL. */
const char *ctl_sql_field(MYSQL_RES *res, MYSQL_ROW row, const char *name);

/* --- proxies --- */

struct ctl_proxy {
	char *name; /* as it is shown: "10.0.0.5:3306" */
	char *host, *socket;
	unsigned port;
};

/* The proxies that a command is for: those of --proxy, with --all those that the store knows to be alive, else the one
 * that the settings describe; and the account for them. */
struct ctl_proxies {
	struct ctl_proxy *v;
	uint32_t n;
	char *user, *password; /* NULL: option files */
	struct config *cfg;    /* NULL: was not needed */
};

/* Rows of the options for it. */
#define CTL_PROXY_OPTIONS                                                                                             \
	{ .name = "--proxy",                                                                                          \
		.argument = "ADDRESS",                                                                                \
		.takes = CTL_PROXY,                                                                                   \
		.repeats = true,                                                                                      \
		.help = "a proxy, HOST:PORT or the path of its socket; else the first listen of the settings" },      \
		{ .name = "--all", .help = "all proxies that are alive, by their records in the store" },             \
		{ .name = "--user", .argument = "NAME", .help = "account on the proxy (KEYWAY_USER; option files)" }, \
	{                                                                                                             \
		.name = "--password-file", .argument = "FILE", .takes = CTL_FILE,                                     \
		.help = "file whose first line is its password (KEYWAY_PASSWORD; option files)"                       \
	}

enum ctl_exit ctl_proxies_open(struct ctl *c, const struct ctl_args *a, struct ctl_proxies *out);
void ctl_proxies_close(struct ctl_proxies *p);
/* NULL: @err, which names the proxy. */
MYSQL *ctl_proxy_connect(const struct ctl_proxies *all, const struct ctl_proxy *p, struct err *err);

#endif
