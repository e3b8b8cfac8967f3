/* ctl_sql.c - keywayctl as a client of proxies and servers: connecting, asking, and which proxies are meant.
 * For ctl_views.c and doctor*.c.
 * One thread, blocking. */
#include "ctl_sql.h"
#include "ctl_ops.h"
#include "wire_store.h"
#include <jansson.h>
#include <stdarg.h>
#include <stdlib.h>

#define TIMEOUT_S   10
#define PROXIES_MAX 1000

/* --- connections --- */

static void set_tls(MYSQL *my, const struct config_client_tls *t)
{
	my_bool yes = 1, no = 0;
	bool verify = t->mode >= CONFIG_BACKEND_TLS_VERIFY_CA;

	if (t->mode == CONFIG_BACKEND_TLS_OFF)
		return;
	mysql_ssl_set(my, t->key[0] ? t->key : NULL, t->cert[0] ? t->cert : NULL, verify && t->ca[0] ? t->ca : NULL,
		verify && !t->ca[0] ? "/etc/ssl/certs" : NULL, NULL);
	if (t->mode >= CONFIG_BACKEND_TLS_REQUIRED)
		mysql_options(my, MYSQL_OPT_SSL_ENFORCE, &yes);
	mysql_options(my, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, verify ? &yes : &no);
}

MYSQL *ctl_sql_open(const struct ctl_login *l, struct err *err)
{
	MYSQL *my = mysql_init(NULL);
	unsigned timeout = l->timeout_s ? l->timeout_s : TIMEOUT_S, off = 0;
	unsigned protocol = l->socket ? MYSQL_PROTOCOL_SOCKET : MYSQL_PROTOCOL_TCP;

	if (!my) {
		err_set(err, ERR_LIMIT, ER_OUT_OF_RESOURCES, "no memory for a connection");
		return NULL;
	}
	mysql_options(my, MYSQL_OPT_CONNECT_TIMEOUT, &timeout);
	mysql_options(my, MYSQL_OPT_READ_TIMEOUT, &timeout);
	mysql_options(my, MYSQL_OPT_WRITE_TIMEOUT, &timeout);
	mysql_options(my, MYSQL_OPT_LOCAL_INFILE, &off);
	mysql_options(my, MYSQL_SET_CHARSET_NAME, "utf8mb4");
	mysql_options(my, MYSQL_OPT_PROTOCOL, &protocol);
	if (l->option_files)
		mysql_options(my, MYSQL_READ_DEFAULT_GROUP, "keywayctl");
	if (l->tls)
		set_tls(my, l->tls);
	if (mysql_real_connect(my, l->socket ? NULL : l->host, l->user, l->password, NULL, l->port, l->socket, 0))
		return my;
	err_set(err, ERR_BACKEND, ER_NET_READ_ERROR, "cannot connect to %s: %u %s", l->socket ? l->socket : l->host,
		mysql_errno(my), mysql_error(my));
	mysql_close(my);
	return NULL;
}

MYSQL_RES *ctl_sql_query(MYSQL *my, struct err *err, const char *fmt, ...)
{
	MYSQL_RES *res = NULL;
	char *sql = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&sql, fmt, ap) < 0)
		abort();
	va_end(ap);
	if (mysql_real_query(my, sql, strlen(sql)) == 0)
		res = mysql_store_result(my);
	if (!res)
		err_set(err, ERR_BACKEND, ER_NET_READ_ERROR, "%u %s", mysql_errno(my),
			mysql_errno(my) ? mysql_error(my) : "an answer without rows");
	free(sql);
	return res;
}

const char *ctl_sql_field(MYSQL_RES *res, MYSQL_ROW row, const char *name)
{
	const MYSQL_FIELD *f = mysql_fetch_fields(res);

	for (unsigned i = 0; i < mysql_num_fields(res); i++) {
		if (strcasecmp(f[i].name, name) == 0)
			return row[i];
	}
	return NULL;
}

/* --- which proxies --- */

static void add_proxy(struct ctl_proxies *all, const char *host, unsigned port, const char *socket)
{
	struct ctl_proxy *p;

	all->v = xrealloc(all->v, (all->n + 1) * sizeof(*all->v));
	p = &all->v[all->n++];
	*p = (struct ctl_proxy){ .port = port };
	p->host = socket ? NULL : xstrdup(host);
	p->socket = socket ? xstrdup(socket) : NULL;
	p->name = socket ? xstrdup(socket) : xasprintf(strchr(host, ':') ? "[%s]:%u" : "%s:%u", host, port);
}

/* "host:port", "[::1]:3306", "/path". False: none of those. */
static bool add_address(struct ctl_proxies *all, const char *text)
{
	const char *colon = strrchr(text, ':');
	uint64_t port;
	char *host;

	if (text[0] == '/') {
		add_proxy(all, NULL, 0, text);
		return true;
	}
	if (!colon || colon == text || str_to_u64(str_of(colon + 1), &port) < 0 || port == 0 || port > 65535)
		return false;
	host = text[0] == '[' && colon[-1] == ']' ? xstrndup(text + 1, (size_t)(colon - text) - 2)
						  : xstrndup(text, (size_t)(colon - text));
	add_proxy(all, host, (unsigned)port, NULL);
	free(host);
	return true;
}

/* A listen address that means all of them is reached at loopback. */
static const char *reachable(const char *address)
{
	if (!address[0] || strcmp(address, "0.0.0.0") == 0 || strcmp(address, "*") == 0)
		return "127.0.0.1";
	return strcmp(address, "::") == 0 ? "::1" : address;
}

static enum ctl_exit from_settings(struct ctl *c, const struct ctl_args *a, struct ctl_proxies *all)
{
	const struct config_listen *l;

	if (!all->cfg->n_listen)
		return ctl_fail(c, a, CTL_FAILED, "the settings have no listen; name a proxy with --proxy");
	l = &all->cfg->listen[0];
	if (l->socket[0])
		add_proxy(all, NULL, 0, l->socket);
	else
		add_proxy(all, reachable(l->address), l->port, NULL);
	return CTL_OK;
}

static enum ctl_exit from_store(struct ctl *c, const struct ctl_args *a, struct ctl_proxies *all)
{
	struct store_items items = { 0 };
	struct store_config sc;
	struct store *st;
	struct err err;
	int rc;

	wire_store_config(all->cfg, &sc);
	st = store_open(&sc, &err);
	rc = st ? store_list(st, "proxies/", &items, &err) : ERR_CONFIG;
	for (uint32_t i = 0; rc == 0 && i < items.n && all->n < PROXIES_MAX; i++) {
		json_t *doc = json_loadb(items.v[i].value, items.v[i].value_n, 0, NULL);
		const char *host = json_string_value(json_object_get(doc, "host"));
		const char *socket = json_string_value(json_object_get(doc, "socket"));
		json_int_t port = json_integer_value(json_object_get(doc, "port"));

		if (host && port > 0 && port <= 65535)
			add_proxy(all, host, (unsigned)port, NULL);
		else if (socket && socket[0] == '/')
			add_proxy(all, NULL, 0, socket);
		else
			ctl_progress(c, "%s in the store names no address", items.v[i].key);
		json_decref(doc);
	}
	store_items_free(&items);
	store_close(st);
	if (rc < 0)
		return ctl_fail(c, a, CTL_FAILED, "the proxies cannot be read from the store: %s", err.msg);
	if (!all->n)
		return ctl_fail(c, a, CTL_FAILED, "no proxy keeps a record in the store: is one running?");
	return CTL_OK;
}

/* --- who we are there --- */

static enum ctl_exit account(struct ctl *c, const struct ctl_args *a, struct ctl_proxies *all)
{
	const char *user = ctl_option(a, "--user"), *file = ctl_option(a, "--password-file");
	const char *password = getenv("KEYWAY_PASSWORD");

	if (!user)
		user = getenv("KEYWAY_USER");
	if (user)
		all->user = xstrdup(user);
	if (file) {
		all->password = ctl_secret_read(c, a, file);
		return all->password ? CTL_OK : CTL_FAILED;
	}
	if (password)
		all->password = xstrdup(password);
	if (!all->user && !all->password)
		ctl_playground_account(a, NULL, &all->user, &all->password);
	return CTL_OK;
}

enum ctl_exit ctl_proxies_open(struct ctl *c, const struct ctl_args *a, struct ctl_proxies *all)
{
	bool of_store = ctl_option(a, "--all") != NULL;
	enum ctl_exit rc = CTL_OK;
	bool named = false;

	*all = (struct ctl_proxies){ 0 };
	for (uint32_t i = 0; i < a->given_n; i++) {
		if (strcmp(a->given[i].option->name, "--proxy") != 0)
			continue;
		named = true;
		if (!add_address(all, a->given[i].value)) {
			ctl_fail(c, a, CTL_USAGE, "--proxy %s is neither HOST:PORT nor a path", a->given[i].value);
			rc = CTL_USAGE;
		}
	}
	if (rc == CTL_OK && named && of_store)
		rc = ctl_fail(c, a, CTL_USAGE, "either --proxy or --all");
	if (rc == CTL_OK && (!named || ctl_option(a, "--conf") || ctl_option(a, "--playground"))) {
		all->cfg = ctl_config(c, a);
		rc = all->cfg ? CTL_OK : CTL_FAILED;
	}
	if (rc == CTL_OK && !named)
		rc = of_store ? from_store(c, a, all) : from_settings(c, a, all);
	if (rc == CTL_OK)
		rc = account(c, a, all);
	if (rc != CTL_OK)
		ctl_proxies_close(all);
	return rc;
}

void ctl_proxies_close(struct ctl_proxies *all)
{
	for (uint32_t i = 0; i < all->n; i++) {
		free(all->v[i].name);
		free(all->v[i].host);
		free(all->v[i].socket);
	}
	free(all->v);
	free(all->user);
	if (all->password)
		explicit_bzero(all->password, strlen(all->password));
	free(all->password);
	config_free(all->cfg);
	*all = (struct ctl_proxies){ 0 };
}

MYSQL *ctl_proxy_connect(const struct ctl_proxies *all, const struct ctl_proxy *p, struct err *err)
{
	struct ctl_login l = { .host = p->host,
		.port = p->port,
		.socket = p->socket,
		.user = all->user,
		.password = all->password,
		.option_files = true };
	MYSQL *my = ctl_sql_open(&l, err);

	if (!my)
		err_wrap(err, "proxy %s", p->name);
	return my;
}
