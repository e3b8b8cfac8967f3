/* ctl_conf.c - where keywayctl finds the daemon's settings.
 * For the commands that need the store or the servers.
 * One thread, blocking; reads files. */
#include "ctl_command.h"
#include <jansson.h>
#include <stdlib.h>

/* The settings of a playground's first proxy, as playground.json names them. NULL: told. The caller frees it. */
static char *playground_path(struct ctl *c, const struct ctl_args *a, const char *folder)
{
	char *path = xasprintf("%s/playground.json", folder), *out = NULL;
	json_error_t why;
	json_t *doc = json_load_file(path, 0, &why);
	const char *conf =
		json_string_value(json_object_get(json_array_get(json_object_get(doc, "proxies"), 0), "config"));

	if (!doc)
		ctl_fail(c, a, CTL_FAILED, "%s: %s; is it the folder of a playground?", path, why.text);
	else if (!conf)
		ctl_fail(c, a, CTL_FAILED, "%s names no proxy with settings", path);
	else
		out = xstrdup(conf);
	json_decref(doc);
	free(path);
	return out;
}

bool ctl_playground_account(const struct ctl_args *a, const char *of, char **user, char **password)
{
	const char *folder = ctl_option(a, "--playground"), *name, *secret;
	char *path;
	json_t *doc, *account;

	if (!folder)
		return false;
	path = xasprintf("%s/playground.json", folder);
	doc = json_load_file(path, 0, NULL);
	account = of ? json_object_get(doc, of) : doc;
	name = json_string_value(json_object_get(account, "user"));
	secret = json_string_value(json_object_get(account, "password"));
	if (name && secret) {
		*user = xstrdup(name);
		*password = xstrdup(secret);
	}
	json_decref(doc);
	free(path);
	return name && secret;
}

struct config *ctl_config(struct ctl *c, const struct ctl_args *a)
{
	const char *given = ctl_option(a, "--conf"), *folder = ctl_option(a, "--playground");
	struct config *cfg = NULL;
	struct err err;
	char *path;

	if (given && folder) {
		ctl_fail(c, a, CTL_FAILED, "either --conf or --playground");
		return NULL;
	}
	if (!given)
		given = getenv("KEYWAY_CONF");
	path = folder ? playground_path(c, a, folder) : xstrdup(given && *given ? given : CTL_CONF_PATH);
	if (path && config_load(path, &cfg, &err) < 0) {
		ctl_fail(c, a, CTL_FAILED, "%s; --conf or KEYWAY_CONF names the daemon's settings", err.msg);
		cfg = NULL;
	}
	free(path);
	return cfg;
}
