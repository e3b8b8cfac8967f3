/* config_keys.c - the table of the settings: the only place that names a key.
 * For config.c, config_value.c, config_print.c and the tests.
 * Read-only; any thread. */
#include "config_keys.h"

#define SECOND ((uint64_t)1000000)
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)
#define KIB    ((uint64_t)1024)
#define MIB    (1024 * KIB)
#define GIB    (1024 * MIB)

#define AT(member)	 .offset = offsetof(struct config, member)
#define IN(kind, member) .offset = offsetof(struct kind, member)
#define LIST(kind, list, owner)                                                                                     \
	.type = KEY_LIST, .offset = offsetof(struct owner, list), .count_offset = offsetof(struct owner, n_##list), \
	.item_size = sizeof(struct kind)

#define CLIENT_TLS "off|preferred|required|verify-ca|verify-identity"

/* clang-format off */
const struct config_key config_keys[] = {
	{ "cluster", KEY_TEXT, "local", .min = 1, .max = 64, AT(cluster), .flags = KEY_RESTART,
	  .help = "name of the cluster; letters, digits, '.', '_' and '-'" },
	{ "threads", KEY_COUNT, "0", .max = 256, AT(threads), .flags = KEY_RESTART,
	  .help = "worker threads; 0: one per core" },
	{ "az", KEY_TEXT, "", .max = 64, AT(az),
	  .help = "availability zone of this proxy, as the map names it; backends in it are preferred" },
	{ "pid_file", KEY_PATH, "", AT(pid_file), .flags = KEY_RESTART,
	  .help = "the process id is written here; empty: nowhere" },
	{ "transaction_mode", KEY_CHOICE, "multi", "single|multi", AT(transaction_mode),
	  .help = "may a transaction write to several shards (not atomic)" },

	{ "listen", LIST(config_listen, listen, config), .flags = KEY_RESTART,
	  .help = "doors for clients; without this key 127.0.0.1 port 3306" },
	{ "listen[].address", KEY_ADDRESS, "", IN(config_listen, address),
	  .help = "numeric IPv4 or IPv6 address; either this or socket" },
	{ "listen[].port", KEY_PORT, "3306", .min = 1, .max = 65535, IN(config_listen, port), .help = "TCP port" },
	{ "listen[].socket", KEY_PATH, "", .max = 107, IN(config_listen, socket),
	  .help = "path of a unix socket; either this or address" },
	{ "listen[].mode", KEY_MODE, "0666", .max = 0777, IN(config_listen, mode),
	  .help = "permissions of the unix socket, octal" },

	{ "log.file", KEY_PATH, "", AT(log.file), .help = "log file, reopened on SIGHUP; empty: stderr" },
	{ "log.level", KEY_CHOICE, "info", "error|warn|info|debug", AT(log.level), .help = "what is logged" },

	{ "server.version", KEY_TEXT, "", .max = 60, AT(server.version),
	  .help = "version in the greeting, such as 8.0.39-Keyway; empty: what the backends say" },
	{ "server.charset", KEY_TEXT, "", .max = 32, AT(server.charset),
	  .help = "character set in the greeting; empty: what the backends say" },
	{ "server.collation", KEY_TEXT, "", .max = 64, AT(server.collation),
	  .help = "collation in the greeting; empty: what the backends say" },

	{ "store.kind", KEY_CHOICE, "file", "file|etcd|consul", AT(store.kind), .flags = KEY_RESTART,
	  .help = "where the shard map is kept" },
	{ "store.path", KEY_PATH, .min = 1, AT(store.path), .flags = KEY_RESTART | KEY_CHOSEN,
	  .help = "kind file: the map's file, or a folder with one JSON file per keyspace; watched" },
	{ "store.endpoints", KEY_TEXTS, .min = 1, .max = 16, AT(store.endpoints),
	  .count_offset = offsetof(struct config, store.n_endpoints), .flags = KEY_RESTART | KEY_CHOSEN,
	  .help = "etcd, consul: URLs such as http://10.0.0.7:2379; tried in turn, the one that answers is kept" },
	{ "store.prefix", KEY_TEXT, "", .max = 200, AT(store.prefix), .flags = KEY_RESTART | KEY_CHOSEN,
	  .help = "etcd, consul: what our keys begin with; empty: /keyway/ and the cluster's name" },
	{ "store.user", KEY_TEXT, "", .max = 255, AT(store.account.user), .flags = KEY_RESTART | KEY_CHOSEN,
	  .help = "etcd: account with the right to read and write below the prefix; empty: none" },
	{ "store.password", KEY_SECRET, AT(store.account.password), .flags = KEY_RESTART | KEY_CHOSEN,
	  .help = "etcd: its password; exactly one of password, password_file, password_env when user is given" },
	{ "store.password_file", KEY_SECRET_FILE, AT(store.account.password), .flags = KEY_ALIAS | KEY_RESTART,
	  .help = "etcd: file whose first line is the password" },
	{ "store.password_env", KEY_SECRET_ENV, AT(store.account.password), .flags = KEY_ALIAS | KEY_RESTART,
	  .help = "etcd: environment variable that holds the password" },
	{ "store.token_file", KEY_SECRET_FILE, AT(store.token), .flags = KEY_RESTART | KEY_CHOSEN,
	  .help = "consul: file whose first line is the token" },
	{ "store.token_env", KEY_SECRET_ENV, AT(store.token), .flags = KEY_ALIAS | KEY_RESTART,
	  .help = "consul: environment variable that holds the token" },
	{ "store.ca", KEY_FILE, "", AT(store.ca), .flags = KEY_RESTART | KEY_CHOSEN,
	  .help = "etcd, consul: who may sign their certificates, PEM; empty: the system's authorities" },
	{ "store.cert", KEY_FILE, "", AT(store.cert), .flags = KEY_RESTART | KEY_CHOSEN,
	  .help = "etcd, consul: certificate shown to them, PEM" },
	{ "store.key", KEY_FILE, "", AT(store.key), .flags = KEY_RESTART | KEY_CHOSEN, .help = "private key of cert, PEM" },
	{ "store.timeout", KEY_DURATION, "2s", .min = SECOND / 10, .max = MINUTE, AT(store.timeout_us),
	  .flags = KEY_RESTART | KEY_CHOSEN, .help = "etcd, consul: one request to one endpoint; no query waits for it" },
	{ "store.cache", KEY_PATH, "", AT(store.cache), .flags = KEY_RESTART,
	  .help = "the last good map is kept here for a start without the store; empty: not kept" },

	{ "users", LIST(config_user, users, config),
	  .help = "accounts that applications log in with; keywayctl passwd prints an entry" },
	{ "users[].name", KEY_TEXT, .min = 1, .max = 80, IN(config_user, name), .flags = KEY_REQUIRED,
	  .help = "name of the account" },
	{ "users[].native", KEY_NATIVE, "", IN(config_user, native),
	  .help = "verifier of mysql_native_password: '*' and 40 hex digits" },
	{ "users[].sha2", KEY_SHA2, "", IN(config_user, sha2),
	  .help = "verifier of caching_sha2_password: '$A$005$' and salt and digest" },
	{ "users[].keyspace", KEY_TEXT, "", .max = 64, IN(config_user, keyspace),
	  .help = "database in use after a login that names none" },
	{ "users[].max_connections", KEY_COUNT, "0", .max = 1000000, IN(config_user, max_connections),
	  .help = "clients of this account; 0: limits.max_user_connections holds" },
	{ "users[].admin", KEY_BOOL, "false", IN(config_user, admin),
	  .help = "may see and kill the sessions of others" },
	{ "users[].no_password", KEY_BOOL, "false", IN(config_user, no_password),
	  .help = "the empty password logs in; takes the place of the verifiers" },
	{ "users[].tls", KEY_CHOICE, "default", "default|required", IN(config_user, tls),
	  .help = "required: this account logs in over TLS or a unix socket only" },

	{ "tls.mode", KEY_CHOICE, "off", "off|optional|required", AT(tls.mode), .help = "TLS towards clients" },
	{ "tls.cert", KEY_FILE, "", AT(tls.cert), .help = "certificate chain, PEM" },
	{ "tls.key", KEY_FILE, "", AT(tls.key), .help = "private key of cert, PEM" },
	{ "tls.ca", KEY_FILE, "", AT(tls.ca),
	  .help = "when set, clients must show a certificate signed by one of these, PEM" },
	{ "tls.min_version", KEY_CHOICE, "1.2", "1.2|1.3", AT(tls.min_version), .help = "oldest TLS version accepted" },

	{ "limits.max_connections", KEY_COUNT, "10000", .min = 1, .max = 1000000, AT(limits.max_connections),
	  .help = "clients of the whole process" },
	{ "limits.max_user_connections", KEY_COUNT, "0", .max = 1000000, AT(limits.max_user_connections),
	  .help = "clients per account; 0: no limit" },
	{ "limits.max_packet", KEY_SIZE, "64M", .min = 64 * KIB, .max = GIB, AT(limits.max_packet_bytes),
	  .help = "largest statement or row from a client; keep it at or under the backends' max_allowed_packet" },
	{ "limits.max_prepared", KEY_COUNT, "4096", .min = 1, .max = 1000000, AT(limits.max_prepared),
	  .help = "prepared statements per session" },
	{ "limits.max_statement_memory", KEY_SIZE, "256M", .min = MIB, .max = 16 * GIB,
	  AT(limits.max_statement_memory_bytes), .help = "memory for parsing and planning one statement" },
	{ "limits.session_memory", KEY_SIZE, "256K", .min = 64 * KIB, .max = GIB, AT(limits.session_memory_bytes),
	  .help = "result bytes in flight per session before its backend is not read" },
	{ "limits.plan_cache", KEY_COUNT, "4096", .min = 16, .max = 1000000, AT(limits.plan_cache),
	  .help = "plans kept per thread" },
	{ "limits.handshake_timeout", KEY_DURATION, "10s", .min = SECOND / 10, .max = 10 * MINUTE,
	  AT(limits.handshake_timeout_us), .help = "from connect to the end of the login" },
	{ "limits.idle_timeout", KEY_DURATION, "8h", .max = 365 * DAY, AT(limits.idle_timeout_us),
	  .help = "a client silent for so long is disconnected; 0: never" },
	{ "limits.query_timeout", KEY_DURATION, "0", .max = 365 * DAY, AT(limits.query_timeout_us),
	  .help = "a statement that runs longer is killed; 0: never" },
	{ "limits.drain_timeout", KEY_DURATION, "10s", .max = DAY, AT(limits.drain_timeout_us),
	  .help = "how long a stop waits for open transactions before it rolls them back" },

	{ "backend.user", KEY_TEXT, .min = 1, .max = 80, AT(backend.account.user), .flags = KEY_REQUIRED,
	  .help = "account of Keyway on the backends" },
	{ "backend.password", KEY_SECRET, AT(backend.account.password),
	  .help = "its password; exactly one of password, password_file, password_env" },
	{ "backend.password_file", KEY_SECRET_FILE, AT(backend.account.password), .flags = KEY_ALIAS,
	  .help = "file whose first line is the password" },
	{ "backend.password_env", KEY_SECRET_ENV, AT(backend.account.password), .flags = KEY_ALIAS,
	  .help = "environment variable that holds the password" },
	{ "backend.tls.mode", KEY_CHOICE, "preferred", CLIENT_TLS, AT(backend.tls.mode),
	  .help = "TLS towards backends; only the verify modes prove who answers" },
	{ "backend.tls.ca", KEY_FILE, "", AT(backend.tls.ca), .help = "who may sign the backends' certificates, PEM" },
	{ "backend.tls.cert", KEY_FILE, "", AT(backend.tls.cert), .help = "certificate shown to backends, PEM" },
	{ "backend.tls.key", KEY_FILE, "", AT(backend.tls.key), .help = "private key of cert, PEM" },
	{ "backend.source_address", KEY_ADDRESS, "", AT(backend.source_address),
	  .help = "address of this machine that backends are connected to from; empty: the system chooses" },
	{ "backend.connect_timeout", KEY_DURATION, "3s", .min = SECOND / 100, .max = 10 * MINUTE,
	  AT(backend.connect_timeout_us), .help = "from connect to the end of the login" },
	{ "backend.max_connections", KEY_COUNT, "100", .min = 1, .max = 100000, AT(backend.max_connections),
	  .help = "connections to one backend, from the whole process" },
	{ "backend.idle_age", KEY_DURATION, "60s", .max = 365 * DAY, AT(backend.idle_age_us),
	  .help = "an unused connection is closed after this; 0: never" },
	{ "backend.max_life", KEY_DURATION, "1h", .max = 365 * DAY, AT(backend.max_life_us),
	  .help = "a connection of this age is closed once it is free; 0: never" },
	{ "backend.queue_max", KEY_COUNT, "1000", .max = 1000000, AT(backend.queue_max),
	  .help = "statements that may wait for a connection to one backend" },
	{ "backend.queue_timeout", KEY_DURATION, "5s", .min = SECOND / 1000, .max = HOUR, AT(backend.queue_timeout_us),
	  .help = "how long a statement waits for a connection before it fails" },
	{ "backend.connects_per_second", KEY_COUNT, "100", .max = 100000, AT(backend.connects_per_second),
	  .help = "new connections to one backend per second; 0: no limit" },

	{ "health.interval", KEY_DURATION, "1s", .min = SECOND / 20, .max = HOUR, AT(health.interval_us),
	  .help = "how often each backend is checked; one under suspicion is checked at once" },
	{ "health.timeout", KEY_DURATION, "1s", .min = SECOND / 20, .max = MINUTE, AT(health.timeout_us),
	  .help = "a check without answer for so long has failed; for its connect in whole seconds, rounded up" },
	{ "health.down_after", KEY_COUNT, "3", .min = 1, .max = 1000, AT(health.down_after),
	  .help = "failed checks in a row until a backend is down" },
	{ "health.up_after", KEY_COUNT, "2", .min = 1, .max = 1000, AT(health.up_after),
	  .help = "good checks in a row until a backend that was down is up" },
	{ "health.eject", KEY_DURATION, "10s", .max = DAY, AT(health.eject_us),
	  .help = "for so long a replica that is slow or fails out of line with the others gets no reads; 0: never" },
	{ "health.heartbeat_table", KEY_TEXT, "", .max = 130, AT(health.heartbeat_table),
	  .help = "database.table that something writes the time to on each primary, for the lag of replicas; empty: "
		  "what they say of themselves" },
	{ "health.heartbeat_column", KEY_TEXT, "ts", .min = 1, .max = 64, AT(health.heartbeat_column),
	  .help = "its column with the time, in UTC" },

	{ "failover.wait", KEY_DURATION, "10s", .max = HOUR, AT(failover.wait_us),
	  .help = "how long a statement waits while its shard has no server to go to; 0: it does not" },
	{ "failover.queue_max", KEY_COUNT, "10000", .max = 1000000, AT(failover.queue_max),
	  .help = "statements that may wait so for one shard" },

	{ "keyspaces", LIST(config_keyspace, keyspaces, config), .help = "what differs for single keyspaces" },
	{ "keyspaces[].name", KEY_TEXT, .min = 1, .max = 64, IN(config_keyspace, name), .flags = KEY_REQUIRED,
	  .help = "name of the keyspace in the map" },
	{ "keyspaces[].user", KEY_TEXT, "", .max = 80, IN(config_keyspace, account.user),
	  .help = "account on this keyspace's backends; without it backend.user" },
	{ "keyspaces[].password", KEY_SECRET, IN(config_keyspace, account.password),
	  .help = "its password; exactly one of password, password_file, password_env when user is given" },
	{ "keyspaces[].password_file", KEY_SECRET_FILE, IN(config_keyspace, account.password), .flags = KEY_ALIAS,
	  .help = "file whose first line is the password" },
	{ "keyspaces[].password_env", KEY_SECRET_ENV, IN(config_keyspace, account.password), .flags = KEY_ALIAS,
	  .help = "environment variable that holds the password" },
	{ "keyspaces[].transaction_mode", KEY_CHOICE, .choices = "single|multi", IN(config_keyspace, transaction_mode),
	  .help = "as transaction_mode above, which is the default" },

	{ "ids.state", KEY_PATH, "", AT(ids.state), .flags = KEY_RESTART,
	  .help = "folder for the record of ids given out; empty: <store.cache>.ids, or none without store.cache" },
	{ "allocators", LIST(config_allocator, allocators, config), .flags = KEY_RESTART,
	  .help = "services that give unique ids; the map's id rules name them" },
	{ "allocators[].name", KEY_TEXT, .min = 1, .max = 64, IN(config_allocator, name), .flags = KEY_REQUIRED,
	  .help = "name that the map uses" },
	{ "allocators[].kind", KEY_CHOICE, .choices = "mysql|http|etcd|consul|file", IN(config_allocator, kind), .flags = KEY_REQUIRED,
	  .help = "what it is" },
	{ "allocators[].wait", KEY_DURATION, "200ms", .max = MINUTE, IN(config_allocator, wait_us),
	  .help = "how long an INSERT waits for ids when none are held" },
	{ "allocators[].timeout", KEY_DURATION, "500ms", .min = SECOND / 100, .max = MINUTE,
	  IN(config_allocator, timeout_us), .help = "how long one request may take" },
	{ "allocators[].block", KEY_COUNT, "0", .max = 10000000, IN(config_allocator, block),
	  .help = "ids fetched ahead for a table at first; 0: 1000, or 200 where a request gives a single id" },
	{ "allocators[].block_min", KEY_COUNT, "0", .max = 10000000, IN(config_allocator, block_min),
	  .help = "block follows the rate of use, not below this; 0: a tenth of block" },
	{ "allocators[].block_max", KEY_COUNT, "0", .max = 10000000, IN(config_allocator, block_max),
	  .help = "nor above this; 0: 1000000, or 20000 where a request gives a single id" },
	{ "allocators[].shared", KEY_BOOL, "false", IN(config_allocator, shared),
	  .help = "the servers are doors to one counter, so their ids need no step, offset or bounds of their own" },
	{ "allocators[].form", KEY_CHOICE, "ticket", "ticket|block", IN(config_allocator, form),
	  .help = "mysql: one id per REPLACE, or a block of ids per UPDATE of a counter row" },
	{ "allocators[].database", KEY_TEXT, "ids", .min = 1, .max = 64, IN(config_allocator, database),
	  .help = "mysql: database of the table" },
	{ "allocators[].table", KEY_TEXT, "", .max = 64, IN(config_allocator, table),
	  .help = "mysql: the table; empty: tickets for form ticket, sequences for form block" },
	{ "allocators[].servers", LIST(config_id_server, servers, config_allocator), .flags = KEY_RESTART,
	  .help = "where the ids come from; when one is down the others are asked" },
	{ "allocators[].servers[].host", KEY_TEXT, "", .max = 255, IN(config_id_server, host),
	  .help = "mysql: name or address; either this or socket" },
	{ "allocators[].servers[].port", KEY_PORT, "3306", .min = 1, .max = 65535, IN(config_id_server, port),
	  .help = "mysql: TCP port" },
	{ "allocators[].servers[].socket", KEY_PATH, "", .max = 107, IN(config_id_server, socket),
	  .help = "mysql: path of a unix socket; either this or host" },
	{ "allocators[].servers[].user", KEY_TEXT, "", .max = 80, IN(config_id_server, account.user),
	  .help = "mysql, etcd: account on this server" },
	{ "allocators[].servers[].password", KEY_SECRET, IN(config_id_server, account.password),
	  .help = "mysql, etcd: its password; exactly one of password, password_file, password_env" },
	{ "allocators[].servers[].password_file", KEY_SECRET_FILE, IN(config_id_server, account.password),
	  .flags = KEY_ALIAS, .help = "mysql, etcd: file whose first line is the password" },
	{ "allocators[].servers[].password_env", KEY_SECRET_ENV, IN(config_id_server, account.password),
	  .flags = KEY_ALIAS, .help = "mysql, etcd: environment variable that holds the password" },
	{ "allocators[].servers[].url", KEY_TEXT, "", .max = 2000, IN(config_id_server, url),
	  .help = "etcd, consul: address of the store; http: {tag} becomes the name of the sequence, {n} the number of ids" },
	{ "allocators[].servers[].step", KEY_COUNT, "1", .min = 1, .max = 65535, IN(config_id_server, step),
	  .help = "distance between this server's ids; 2 for an odd and an even server" },
	{ "allocators[].servers[].offset", KEY_COUNT, "0", .max = 65535, IN(config_id_server, offset),
	  .help = "every id of this server leaves this remainder when divided by step" },
	{ "allocators[].servers[].min_id", KEY_COUNT, "1", .min = 1, .max = INT64_MAX, IN(config_id_server, min_id),
	  .help = "smallest id of this server" },
	{ "allocators[].servers[].max_id", KEY_COUNT, "9223372036854775807", .min = 1, .max = INT64_MAX,
	  IN(config_id_server, max_id), .help = "largest id of this server" },
	{ "allocators[].url", KEY_TEXT, "", .max = 2000, IN(config_allocator, url), .flags = KEY_ALIAS,
	  .help = "http: short for servers with one url" },
	{ "allocators[].method", KEY_CHOICE, "GET", "GET|POST", IN(config_allocator, method),
	  .help = "http: method of a request" },
	{ "allocators[].body", KEY_TEXT, "", .max = 4000, IN(config_allocator, body),
	  .help = "http: what a POST sends; {tag} and {n} as in url" },
	{ "allocators[].answer", KEY_CHOICE, "number", "number", IN(config_allocator, answer.kind), .flags = KEY_ALIAS,
	  .help = "http: the body is one decimal number; or a group of JSON pointers, the keys below" },
	{ "allocators[].answer.id", KEY_TEXT, "", .max = 255, IN(config_allocator, answer.id),
	  .help = "http: JSON pointer to the only id" },
	{ "allocators[].answer.first", KEY_TEXT, "", .max = 255, IN(config_allocator, answer.first),
	  .help = "http: JSON pointer to the first id of a range" },
	{ "allocators[].answer.last", KEY_TEXT, "", .max = 255, IN(config_allocator, answer.last),
	  .help = "http: JSON pointer to the last id of the range; either this or count" },
	{ "allocators[].answer.count", KEY_TEXT, "", .max = 255, IN(config_allocator, answer.count),
	  .help = "http: JSON pointer to the number of ids in the range; either this or last" },
	{ "allocators[].bearer_file", KEY_SECRET_FILE, IN(config_allocator, bearer),
	  .help = "http, consul: file whose first line is the token" },
	{ "allocators[].bearer_env", KEY_SECRET_ENV, IN(config_allocator, bearer), .flags = KEY_ALIAS,
	  .help = "http, consul: environment variable that holds the token" },
	{ "allocators[].rising", KEY_BOOL, "false", IN(config_allocator, rising),
	  .help = "http: each server alone gives rising ids, and is stopped when they go back" },
	{ "allocators[].parallel", KEY_COUNT, "0", .max = 256, IN(config_allocator, parallel),
	  .help = "http: requests at a time where one gives a single id; 0: 16" },
	{ "allocators[].prefix", KEY_TEXT, "", .max = 200, IN(config_allocator, prefix),
	  .help = "etcd, consul: counters are the keys <prefix>/ids/<allocator>/<table>; empty: under the map's prefix" },
	{ "allocators[].folder", KEY_PATH, "", IN(config_allocator, folder),
	  .help = "file: the counters are below this folder; empty: below the map's" },
	{ "allocators[].start", KEY_COUNT, "0", .max = INT64_MAX, IN(config_allocator, start),
	  .help = "etcd, consul, file: first id of a table that has no counter yet; 0: make the counter yourself" },
	{ "allocators[].marks", KEY_CHOICE, "auto", "auto|required|off", IN(config_allocator, marks),
	  .help = "record of ids given out: auto: where there is a place; required: no id without it; off: none" },
	{ "allocators[].ca", KEY_FILE, "", IN(config_allocator, ca),
	  .help = "who may sign the servers' certificates, PEM; mysql uses TLS when set, http without it the system's" },
	{ "allocators[].cert", KEY_FILE, "", IN(config_allocator, cert), .help = "certificate shown to the servers, PEM" },
	{ "allocators[].key", KEY_FILE, "", IN(config_allocator, key), .help = "private key of cert, PEM" },
};
/* clang-format on */

const size_t config_keys_n = ARRAY_N(config_keys);

const struct config_key *config_key_find(const char *path)
{
	for (size_t i = 0; i < config_keys_n; i++) {
		if (strcmp(config_keys[i].path, path) == 0)
			return &config_keys[i];
	}
	return NULL;
}

bool config_key_within(const struct config_key *key, const char *prefix)
{
	return strncmp(key->path, prefix, strlen(prefix)) == 0;
}

bool config_key_same_item(const struct config_key *key, const char *prefix)
{
	return config_key_within(key, prefix) && !strchr(key->path + strlen(prefix), '[');
}

const char *config_key_path(size_t i)
{
	return i < config_keys_n ? config_keys[i].path : NULL;
}
