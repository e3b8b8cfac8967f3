/* config_rules.c - what several keys of the settings may say together: one function per group.
 * For config.c, after it has read the group.
 * Control thread. */
#include "config_load.h"
#include "keyway/ids/ids.h"

static const config_setting_t *where(const config_setting_t *group, const char *name)
{
	const config_setting_t *child = config_setting_get_member(group, name);

	return child ? child : group;
}

static bool given(const config_setting_t *group, const char *name)
{
	return config_setting_get_member(group, name) != NULL;
}

static bool name_is_plain(const char *s)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";

	return s[strspn(s, plain)] == '\0';
}

static int check_account(struct loader *l, const config_setting_t *at, const struct config_account *a)
{
	if (*a->user && !a->password)
		return config_refuse(l, at, "user needs exactly one of password, password_file, password_env");
	if (!*a->user && a->password)
		return config_refuse(l, at, "a password without a user: add user");
	return 0;
}

static int check_listen(struct loader *l, const config_setting_t *at, void *item)
{
	struct config_listen *door = item;

	if (!*door->address == !*door->socket)
		return config_refuse(l, at, "listen needs exactly one of address and socket");
	if (*door->socket && given(at, "port"))
		return config_refuse(l, where(at, "port"), "listen: a socket has no port");
	if (*door->address && given(at, "mode"))
		return config_refuse(l, where(at, "mode"), "listen: mode is for a socket only");
	for (struct config_listen *other = l->config->listen; other != door; other++) {
		if (strcmp(other->address, door->address) == 0 && strcmp(other->socket, door->socket) == 0 &&
			(*door->socket || other->port == door->port))
			return config_refuse(l, at, "listen: the same door twice");
	}
	return 0;
}

static int check_user(struct loader *l, const config_setting_t *at, void *item)
{
	struct config_user *user = item;
	bool verifier = *user->native || *user->sha2;

	for (struct config_user *other = l->config->users; other != user; other++) {
		if (strcmp(other->name, user->name) == 0)
			return config_refuse(l, where(at, "name"), "users: a second entry with the same name");
	}
	if (user->no_password && verifier)
		return config_refuse(
			l, where(at, "no_password"), "users: no_password goes with neither native nor sha2");
	if (!user->no_password && !verifier)
		return config_refuse(l, at,
			"users: an entry needs native or sha2 (keywayctl passwd prints both), or no_password = true");
	return 0;
}

static int check_tls(struct loader *l, const config_setting_t *at, void *item)
{
	struct config_tls *tls = &((struct config *)item)->tls;

	if (tls->mode != CONFIG_TLS_OFF && (!*tls->cert || !*tls->key))
		return config_refuse(l, where(at, "mode"), "tls.mode needs tls.cert and tls.key");
	return 0;
}

static int check_client_tls(
	struct loader *l, const config_setting_t *at, const char *ca, const char *cert, const char *key, bool verify)
{
	if (!*cert != !*key)
		return config_refuse(l, at, "cert and key go together: give both or neither");
	if (verify && !*ca)
		return config_refuse(l, where(at, "mode"), "the verify modes need ca");
	return 0;
}

static int check_backend_tls(struct loader *l, const config_setting_t *at, void *item)
{
	struct config_client_tls *tls = &((struct config *)item)->backend.tls;

	return check_client_tls(l, at, tls->ca, tls->cert, tls->key, tls->mode >= CONFIG_BACKEND_TLS_VERIFY_CA);
}

static int check_store_given(struct loader *l, const config_setting_t *at, const struct config_store *s)
{
	static const struct {
		const char *key;
		unsigned kinds; /* that it belongs to, a bit each */
		const char *whose;
	} only[] = {
		{ "path", 1u << CONFIG_STORE_FILE, "\"file\"" },
		{ "endpoints", 1u << CONFIG_STORE_ETCD | 1u << CONFIG_STORE_CONSUL, "\"etcd\" and \"consul\"" },
		{ "prefix", 1u << CONFIG_STORE_ETCD | 1u << CONFIG_STORE_CONSUL, "\"etcd\" and \"consul\"" },
		{ "user", 1u << CONFIG_STORE_ETCD, "\"etcd\"" },
		{ "password", 1u << CONFIG_STORE_ETCD, "\"etcd\"" },
		{ "password_file", 1u << CONFIG_STORE_ETCD, "\"etcd\"" },
		{ "password_env", 1u << CONFIG_STORE_ETCD, "\"etcd\"" },
		{ "token_file", 1u << CONFIG_STORE_CONSUL, "\"consul\"" },
		{ "token_env", 1u << CONFIG_STORE_CONSUL, "\"consul\"" },
		{ "ca", 1u << CONFIG_STORE_ETCD | 1u << CONFIG_STORE_CONSUL, "\"etcd\" and \"consul\"" },
		{ "cert", 1u << CONFIG_STORE_ETCD | 1u << CONFIG_STORE_CONSUL, "\"etcd\" and \"consul\"" },
		{ "key", 1u << CONFIG_STORE_ETCD | 1u << CONFIG_STORE_CONSUL, "\"etcd\" and \"consul\"" },
		{ "timeout", 1u << CONFIG_STORE_ETCD | 1u << CONFIG_STORE_CONSUL, "\"etcd\" and \"consul\"" },
	};

	for (size_t i = 0; i < ARRAY_N(only); i++) {
		if (given(at, only[i].key) && !(only[i].kinds & 1u << s->kind))
			return config_refuse(
				l, where(at, only[i].key), "store.%s is for kind %s", only[i].key, only[i].whose);
	}
	return 0;
}

/* "http://host:port" or "https://…": no account in it, which would be shown, and no path. */
static bool endpoint_is_good(const char *url)
{
	const char *host = strncmp(url, "http://", 7) == 0 ? url + 7 : strncmp(url, "https://", 8) == 0 ? url + 8 : "";
	size_t n = strcspn(host, "/");

	return n > 0 && host[strcspn(host, "@?#")] == '\0' && (host[n] == '\0' || host[n + 1] == '\0');
}

static bool prefix_is_good(const char *prefix)
{
	size_t n = strlen(prefix);

	for (size_t i = 0; i < n; i++) {
		if ((unsigned char)prefix[i] <= ' ' || (unsigned char)prefix[i] >= 0x7f || strchr("%?#\"\\", prefix[i]))
			return false;
	}
	return n == 0 || (prefix[0] == '/' && n > 1 && prefix[n - 1] != '/' && !strstr(prefix, "//") &&
				 !strstr(prefix, "/../") && !strstr(prefix, "/./"));
}

static int check_store(struct loader *l, const config_setting_t *at, void *item)
{
	struct config_store *s = &((struct config *)item)->store;
	int rc = check_store_given(l, at, s);

	for (size_t i = 0; rc == 0 && i < s->n_endpoints; i++) {
		if (!endpoint_is_good(s->endpoints[i]))
			rc = config_refuse(l, where(at, "endpoints"),
				"store.endpoints: item %zu must be http://HOST:PORT or https://HOST:PORT", i + 1);
	}
	if (rc == 0 && !prefix_is_good(s->prefix))
		rc = config_refuse(l, where(at, "prefix"),
			"store.prefix must begin with a slash and not end with one, as \"/keyway/shop\"");
	if (rc == 0)
		rc = check_account(l, where(at, "user"), &s->account);
	if (rc == 0)
		rc = check_client_tls(l, where(at, "cert"), s->ca, s->cert, s->key, false);
	return rc;
}

/* What the kind cannot do without, also when there is no such group. */
static int check_store_whole(struct loader *l, const config_setting_t *at)
{
	struct config_store *s = &l->config->store;
	const config_setting_t *group = config_setting_get_member(at, "store");
	const char *missing = s->kind == CONFIG_STORE_FILE ? (*s->path ? NULL : "store.path")
							   : (s->n_endpoints ? NULL : "store.endpoints");

	if (missing)
		return config_refuse(l, group, "%s is missing: %s", missing, config_key_find(missing)->help);
	if (s->kind != CONFIG_STORE_FILE && !*s->prefix)
		s->prefix = arena_printf(l->arena, "/keyway/%s", l->config->cluster);
	return 0;
}

static int check_backend(struct loader *l, const config_setting_t *at, void *item)
{
	return check_account(l, at, &((struct config *)item)->backend.account);
}

static int check_server(struct loader *l, const config_setting_t *at, void *item)
{
	struct config_server *server = &((struct config *)item)->server;
	size_t major = strspn(server->version, "0123456789");

	/* drivers read the numbers from it, and some give up on others */
	if (*server->version &&
		(major == 0 || server->version[major] != '.' || strspn(server->version + major + 1, "0123456789") == 0))
		return config_refuse(l, where(at, "version"), "server.version must start as 8.0.39 or 10.11.6 do");
	if (!name_is_plain(server->charset))
		return config_refuse(l, where(at, "charset"), "server.charset is not the name of a character set");
	if (!name_is_plain(server->collation))
		return config_refuse(l, where(at, "collation"), "server.collation is not the name of a collation");
	return 0;
}

int config_read_tiers(const char *text, uint8_t *out, size_t max)
{
	static const char *const words[] = { "zone", "region", "any" };
	size_t n = 0;

	for (const char *p = text;;) {
		size_t len = strcspn(p, ","), i = 0;

		while (i < ARRAY_N(words) && !str_eqz(str_make(p, len), words[i]))
			i++;
		if (i == ARRAY_N(words) || n == max || memchr(out, (int)i, n))
			return -1;
		out[n++] = (uint8_t)i;
		if (!p[len])
			return (int)n;
		p += len + 1;
		while (*p == ' ')
			p++;
	}
}

static int check_reads(struct loader *l, const config_setting_t *at, void *item)
{
	uint8_t tiers[3];

	if (config_read_tiers(((struct config *)item)->reads.tiers, tiers, ARRAY_N(tiers)) < 0)
		return config_refuse(l, where(at, "tiers"),
			"reads.tiers is a list of zone, region and any with commas, each once at most: "
			"\"zone,region,any\"");
	return 0;
}

static int check_zone(struct loader *l, const config_setting_t *at, void *item)
{
	struct config_zone *zone = item;

	for (struct config_zone *other = l->config->zones; other != zone; other++) {
		if (strcmp(other->name, zone->name) == 0)
			return config_refuse(l, where(at, "name"), "zones: a second entry with the same name");
	}
	return 0;
}

static void init_keyspace(struct loader *l, void *item)
{
	((struct config_keyspace *)item)->transaction_mode = l->config->transaction_mode;
}

static int check_keyspace(struct loader *l, const config_setting_t *at, void *item)
{
	struct config_keyspace *ks = item;

	for (struct config_keyspace *other = l->config->keyspaces; other != ks; other++) {
		if (strcmp(other->name, ks->name) == 0)
			return config_refuse(l, where(at, "name"), "keyspaces: a second entry with the same name");
	}
	return check_account(l, at, &ks->account);
}

static int check_id_server(struct loader *l, const config_setting_t *at, void *item)
{
	struct config_id_server *server = item;

	if (*server->host && *server->socket)
		return config_refuse(l, where(at, "socket"), "allocators: a server has either host or socket");
	if (server->min_id > server->max_id)
		return config_refuse(l, where(at, "min_id"), "allocators: min_id is above max_id");
	if (server->offset > server->step)
		return config_refuse(l, where(at, "offset"), "allocators: offset is above step");
	return check_account(l, at, &server->account);
}

static int check_answer(struct loader *l, const config_setting_t *at, void *item)
{
	struct config_answer *answer = &((struct config_allocator *)item)->answer;
	const char *pointers[] = { answer->id, answer->first, answer->last, answer->count };

	for (size_t i = 0; i < ARRAY_N(pointers); i++) {
		if (*pointers[i] && *pointers[i] != '/')
			return config_refuse(l, at, "answer: a JSON pointer starts with '/', as \"/data/id\" does");
	}
	if (!*answer->id == !*answer->first)
		return config_refuse(l, at, "answer needs exactly one of id and first");
	if (*answer->id ? *answer->last || *answer->count : !*answer->last == !*answer->count)
		return config_refuse(l, at, "answer: first goes with exactly one of last and count, id with neither");
	answer->kind = CONFIG_ANSWER_JSON;
	return 0;
}

/* Are the ids of @a and @b apart by what the file says of them? */
static bool id_servers_apart(const struct config_id_server *a, const struct config_id_server *b)
{
	if (a->step == b->step && a->offset % a->step != b->offset % b->step)
		return true;
	return a->max_id < b->min_id || b->max_id < a->min_id;
}

static int check_allocator_mysql(struct loader *l, const config_setting_t *at, struct config_allocator *a)
{
	static const char *const only_http[] = { "url", "method", "body", "answer", "bearer_file", "bearer_env",
		"rising", "parallel" };

	for (size_t i = 0; i < ARRAY_N(only_http); i++) {
		if (given(at, only_http[i]))
			return config_refuse(
				l, where(at, only_http[i]), "allocators: %s is for kind \"http\"", only_http[i]);
	}
	for (size_t i = 0; i < a->n_servers; i++) {
		if (!*a->servers[i].host == !*a->servers[i].socket)
			return config_refuse(
				l, where(at, "servers"), "allocators: a mysql server needs host or socket");
		if (!*a->servers[i].account.user)
			return config_refuse(
				l, where(at, "servers"), "allocators: a mysql server needs user and a password");
		if (*a->servers[i].url)
			return config_refuse(l, where(at, "servers"), "allocators: url is for kind \"http\"");
	}
	return 0;
}

static int check_allocator_http(struct loader *l, const config_setting_t *at, struct config_allocator *a)
{
	static const char *const only_mysql[] = { "form", "database", "table" };
	const struct config_key *list = config_key_find("allocators[].servers");

	for (size_t i = 0; i < ARRAY_N(only_mysql); i++) {
		if (given(at, only_mysql[i]))
			return config_refuse(
				l, where(at, only_mysql[i]), "allocators: %s is for kind \"mysql\"", only_mysql[i]);
	}
	if (!*a->url == !a->n_servers)
		return config_refuse(l, at, "allocators: kind \"http\" needs exactly one of url and servers");
	if (*a->url) {
		a->servers = arena_zalloc(l->arena, list->item_size);
		a->n_servers = 1;
		*a->servers = (struct config_id_server){ .host = "",
			.port = 3306,
			.socket = "",
			.account.user = "",
			.url = a->url,
			.step = 1,
			.min_id = 1,
			.max_id = INT64_MAX };
	}
	for (size_t i = 0; i < a->n_servers; i++) {
		const char *url = a->servers[i].url;

		if (*a->servers[i].host || *a->servers[i].socket || *a->servers[i].account.user)
			return config_refuse(l, where(at, "servers"),
				"allocators: a http server has a url and no host, socket or user");
		if (strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0)
			return config_refuse(l, where(at, *a->url ? "url" : "servers"),
				"allocators: url must start with http:// or https://");
	}
	if (*a->body && a->method != CONFIG_HTTP_POST)
		return config_refuse(l, where(at, "body"), "allocators: body needs method = \"POST\"");
	return 0;
}

/* Its servers are addresses of one store. */
static int check_allocator_store(struct loader *l, const config_setting_t *at, struct config_allocator *a)
{
	static const char *const others[] = { "form", "database", "table", "url", "method", "body", "answer", "rising",
		"parallel", "shared" };
	bool file = a->kind == CONFIG_ALLOCATOR_FILE;

	for (size_t i = 0; i < ARRAY_N(others); i++) {
		if (given(at, others[i]))
			return config_refuse(
				l, where(at, others[i]), "allocators: %s is for kind \"mysql\" or \"http\"", others[i]);
	}
	if (file && (a->n_servers || *a->prefix || a->bearer))
		return config_refuse(l, at, "allocators: kind \"file\" has a folder, and no servers, prefix or token");
	if (!file && *a->folder)
		return config_refuse(l, where(at, "folder"), "allocators: folder is for kind \"file\"");
	if (a->bearer && a->kind != CONFIG_ALLOCATOR_CONSUL)
		return config_refuse(l, at, "allocators: a token is for kind \"consul\" or \"http\"");
	if (*a->prefix && (a->prefix[0] != '/' || a->prefix[strlen(a->prefix) - 1] == '/'))
		return config_refuse(
			l, where(at, "prefix"), "allocators: prefix begins with '/' and does not end with it");
	for (size_t i = 0; i < a->n_servers; i++) {
		const struct config_id_server *s = &a->servers[i];

		if (strncmp(s->url, "http://", 7) != 0 && strncmp(s->url, "https://", 8) != 0)
			return config_refuse(l, where(at, "servers"),
				"allocators: a server of kind \"etcd\" or \"consul\" is a url, http:// or https://");
		if (*s->host || *s->socket || s->step != 1 || s->offset || s->min_id != 1 || s->max_id != INT64_MAX)
			return config_refuse(l, where(at, "servers"),
				"allocators: a server of kind \"etcd\" or \"consul\" has a url, user and password "
				"only");
		if (*s->account.user && (i || a->kind != CONFIG_ALLOCATOR_ETCD))
			return config_refuse(l, where(at, "servers"),
				"allocators: user and password are for kind \"etcd\", and stand in the first server");
	}
	return 0;
}

/* The map's store, where the counters are when the allocator names no other. Rules over the whole. */
static int check_allocator_home(struct loader *l, const config_setting_t *at, const struct config_allocator *a)
{
	static const enum config_store_kind home[] = {
		[CONFIG_ALLOCATOR_ETCD] = CONFIG_STORE_ETCD,
		[CONFIG_ALLOCATOR_CONSUL] = CONFIG_STORE_CONSUL,
		[CONFIG_ALLOCATOR_FILE] = CONFIG_STORE_FILE,
	};
	bool has_own = a->kind == CONFIG_ALLOCATOR_FILE ? *a->folder : a->n_servers > 0;

	if (a->kind < CONFIG_ALLOCATOR_ETCD || has_own || l->config->store.kind == home[a->kind])
		return 0;
	return config_refuse(l, where(at, "allocators"),
		"allocators: '%s' needs %s, as the map is in a store of another kind", a->name,
		a->kind == CONFIG_ALLOCATOR_FILE ? "folder" : "servers");
}

typedef int check_allocator_fn(struct loader *l, const config_setting_t *at, struct config_allocator *a);

static int check_allocator(struct loader *l, const config_setting_t *at, void *item)
{
	static check_allocator_fn *const checks[] = {
		[CONFIG_ALLOCATOR_MYSQL] = check_allocator_mysql,
		[CONFIG_ALLOCATOR_HTTP] = check_allocator_http,
		[CONFIG_ALLOCATOR_ETCD] = check_allocator_store,
		[CONFIG_ALLOCATOR_CONSUL] = check_allocator_store,
		[CONFIG_ALLOCATOR_FILE] = check_allocator_store,
	};
	static const char *const only_store[] = { "prefix", "folder", "start" };
	struct config_allocator *a = item;
	int rc;

	for (struct config_allocator *other = l->config->allocators; other != a; other++) {
		if (strcmp(other->name, a->name) == 0)
			return config_refuse(l, where(at, "name"), "allocators: a second entry with the same name");
	}
	rc = checks[a->kind](l, at, a);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < ARRAY_N(only_store) && a->kind < CONFIG_ALLOCATOR_ETCD; i++) {
		if (given(at, only_store[i]))
			return config_refuse(l, where(at, only_store[i]),
				"allocators: %s is for counters in etcd, consul or files", only_store[i]);
	}
	if ((a->n_servers == 0 && a->kind < CONFIG_ALLOCATOR_ETCD) || a->n_servers > IDS_ENDPOINTS_MAX)
		return config_refuse(
			l, where(at, "servers"), "allocators: servers must list 1 to %d servers", IDS_ENDPOINTS_MAX);
	for (size_t i = 0; i < a->n_servers && !a->shared && a->kind < CONFIG_ALLOCATOR_ETCD; i++) {
		for (size_t j = 0; j < i; j++) {
			if (!id_servers_apart(&a->servers[i], &a->servers[j]))
				return config_refuse(l, where(at, "servers"),
					"allocators: servers %zu and %zu could give the same id: give them the same "
					"step and "
					"different offsets, or set shared = true when they are doors to one counter",
					j + 1, i + 1);
		}
	}
	if (a->block_min && a->block_max && a->block_min > a->block_max)
		return config_refuse(l, where(at, "block_min"), "allocators: block_min is above block_max");
	return check_client_tls(l, where(at, "cert"), a->ca, a->cert, a->key, false);
}

int config_check_all(struct loader *l, const config_setting_t *at)
{
	struct config *c = l->config;

	if (!name_is_plain(c->cluster))
		return config_refuse(l, where(at, "cluster"), "cluster: letters, digits, '.', '_' and '-' only");
	if (check_store_whole(l, at) < 0)
		return ERR_CONFIG;
	if (!given(at, "listen")) {
		c->listen = arena_new(l->arena, struct config_listen);
		*c->listen = (struct config_listen){ "127.0.0.1", 3306, "", 0666 };
		c->n_listen = 1;
	} else if (c->n_listen == 0) {
		return config_refuse(l, where(at, "listen"), "listen is empty: nobody could connect");
	}
	for (size_t i = 0; i < c->n_users; i++) {
		if (c->users[i].tls == CONFIG_USER_TLS_REQUIRED && c->tls.mode == CONFIG_TLS_OFF)
			config_warn(l, where(at, "users"),
				"user %s needs TLS, but tls.mode is off: a unix socket is the only way in",
				c->users[i].name);
	}
	for (size_t i = 0; i < c->n_allocators; i++) {
		int rc = check_allocator_home(l, at, &c->allocators[i]);

		if (rc < 0)
			return rc;
		if (c->allocators[i].marks == CONFIG_MARKS_REQUIRED && !*c->ids.state && !*c->store.cache &&
			c->store.kind == CONFIG_STORE_FILE)
			return config_refuse(l, where(at, "allocators"),
				"allocators: marks = \"required\" needs ids.state, or a map in etcd or consul");
	}
	if (c->n_users == 0)
		config_warn(l, where(at, "users"), "no users: nobody can log in; keywayctl passwd prints an entry");
	return 0;
}

static const struct group_rule group_rules[] = {
	{ "listen[].", .check = check_listen },
	{ "server.", .check = check_server },
	{ "store.", .check = check_store },
	{ "users[].", .check = check_user },
	{ "tls.", .check = check_tls },
	{ "backend.", .check = check_backend },
	{ "backend.tls.", .check = check_backend_tls },
	{ "reads.", .check = check_reads },
	{ "zones[].", .check = check_zone },
	{ "keyspaces[].", init_keyspace, check_keyspace },
	{ "allocators[].", .check = check_allocator },
	{ "allocators[].servers[].", .check = check_id_server },
	{ "allocators[].answer.", .check = check_answer },
};

const struct group_rule *config_rule_of(const char *group)
{
	static const struct group_rule none = { "", NULL, NULL };

	for (size_t i = 0; i < ARRAY_N(group_rules); i++) {
		if (strcmp(group_rules[i].group, group) == 0)
			return &group_rules[i];
	}
	return &none;
}
