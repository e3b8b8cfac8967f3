/* ctl_ops.c - the operator's account, the store and signals for the commands that act on servers.
 * For ctl_map*.c, ctl_pair.c and ctl_side.c.
 * One thread, blocking. */
#include "ctl_ops.h"
#include "wire_store.h"
#include <errno.h>
#include <stdlib.h>

static volatile sig_atomic_t interrupted;

static void on_signal(int sig)
{
	(void)sig;
	interrupted = 1;
}

static void say(void *arg, enum ops_say kind, const char *line)
{
	static const char *const mark[] = { [OPS_STEP] = "- ", [OPS_NOTE] = "  ", [OPS_TROUBLE] = "! " };

	ctl_progress(arg, "%s%s", mark[kind], line);
}

char *ctl_secret_read(struct ctl *c, const struct ctl_args *a, const char *path)
{
	FILE *f = fopen(path, "re");
	char line[512];

	if (!f || !fgets(line, sizeof(line), f)) {
		ctl_fail(c, a, CTL_FAILED, "no password can be read from %s: %s", path,
			f ? "the file is empty" : strerror(errno));
		if (f)
			fclose(f);
		return NULL;
	}
	fclose(f);
	line[strcspn(line, "\r\n")] = '\0';
	return xstrdup(line);
}

static const char *given_or_env(const struct ctl_args *a, const char *option, const char *env)
{
	const char *v = ctl_option(a, option);

	return v ? v : getenv(env);
}

static void account_of(const struct config *cfg, const char *user, const char *password, struct ops_account *out)
{
	static const enum ops_tls tls_of[] = {
		[CONFIG_BACKEND_TLS_OFF] = OPS_TLS_OFF,
		[CONFIG_BACKEND_TLS_PREFERRED] = OPS_TLS_PREFERRED,
		[CONFIG_BACKEND_TLS_REQUIRED] = OPS_TLS_REQUIRED,
		[CONFIG_BACKEND_TLS_VERIFY_CA] = OPS_TLS_VERIFY,
		[CONFIG_BACKEND_TLS_VERIFY_IDENTITY] = OPS_TLS_VERIFY,
	};
	const struct config_client_tls *t = &cfg->backend.tls;

	*out = (struct ops_account){ .user = user,
		.password = password,
		.tls = tls_of[t->mode],
		.tls_ca = t->ca[0] ? t->ca : NULL,
		.tls_cert = t->cert[0] ? t->cert : NULL,
		.tls_key = t->key[0] ? t->key : NULL };
}

enum ctl_exit ctl_ops_open_store(struct ctl *c, const struct ctl_args *a, struct ctl_ops *out)
{
	struct sigaction act = { .sa_handler = on_signal };
	struct store_config sc;
	struct err err;

	*out = (struct ctl_ops){ .ctl = c };
	out->cfg = ctl_config(c, a);
	if (!out->cfg)
		return CTL_FAILED;
	wire_store_config(out->cfg, &sc);
	out->ops.store = store_open(&sc, &err);
	if (!out->ops.store) {
		ctl_ops_close(out);
		return ctl_ops_failed(c, a, &err);
	}
	out->ops.say = say;
	out->ops.say_arg = c;
	out->ops.cancelled = &interrupted;
	sigaction(SIGINT, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
	return CTL_OK;
}

enum ctl_exit ctl_ops_open(struct ctl *c, const struct ctl_args *a, struct ctl_ops *out)
{
	const char *user = given_or_env(a, "--admin-user", "KEYWAY_ADMIN_USER");
	const char *file = given_or_env(a, "--admin-password-file", "KEYWAY_ADMIN_PASSWORD_FILE");
	char *name = NULL, *password = NULL;
	enum ctl_exit rc;

	if (user && *user) {
		name = xstrdup(user);
		password = file && *file ? ctl_secret_read(c, a, file) : xstrdup("");
	} else if (!ctl_playground_account(a, "admin", &name, &password)) {
		return ctl_fail(c, a, CTL_USAGE,
			"it acts on the servers themselves: give --admin-user and --admin-password-file");
	}
	if (!password) {
		free(name);
		return CTL_FAILED;
	}
	rc = ctl_ops_open_store(c, a, out);
	out->user = name;
	out->password = password;
	if (rc == CTL_OK)
		account_of(out->cfg, out->user, out->password, &out->ops.account);
	else
		ctl_ops_close(out);
	return rc;
}

void ctl_ops_close(struct ctl_ops *o)
{
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	store_close(o->ops.store);
	if (o->cfg)
		config_free(o->cfg);
	if (o->password)
		explicit_bzero(o->password, strlen(o->password));
	free(o->password);
	free(o->user);
	*o = (struct ctl_ops){ 0 };
}

enum ctl_exit ctl_ops_failed(struct ctl *c, const struct ctl_args *a, const struct err *err)
{
	enum ctl_exit rc = err->kind == ERR_UNSUPPORTED || err->kind == ERR_DENIED ? CTL_REFUSED : CTL_FAILED;

	return ctl_fail(c, a, rc, "%s", err->msg);
}
