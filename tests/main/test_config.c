/* test_config.c - the settings: what is read, what is refused and with which words, what a reload changes.
 * Writes its files into a folder of its own. */
#include "keyway/main/config.h"
#include "config_keys.h"
#include <check.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define STORE	"store = { path = \"map.json\"; };\n"
#define ETCD	"kind = \"etcd\"; endpoints = ( \"http://a\" ); "
#define BACKEND "backend = { user = \"k\"; password = \"secret-word\"; };\n"
#define NATIVE	"*48AD61138046D89ED6D2D31DB18BA9DCA3344A79"
#define SHA2	"$A$005$Qm8vX2tLr5ZcD1wYh6Ns2EF8mPpmI/X5F.W/8twX1KesuBsBelxErnTEtYavK3."
#define MYSQL	"name = \"a\"; kind = \"mysql\"; "
#define HTTP	"name = \"a\"; kind = \"http\"; "

static char folder[64];
static struct err err;

static void make_folder(void)
{
	snprintf(folder, sizeof(folder), "%s", "test_config.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
}

static void remove_folder(void)
{
	char *command = xasprintf("rm -rf '%s'", folder);

	ck_assert_int_eq(system(command), 0);
	free(command);
}

static char *path_of(const char *name)
{
	return xasprintf("%s/%s", folder, name);
}

static void write_file(const char *name, mode_t mode, const char *text)
{
	char *path = path_of(name);
	FILE *f = fopen(path, "w");

	ck_assert_ptr_nonnull(f);
	ck_assert_int_ge(fputs(text, f), 0);
	ck_assert_int_eq(fclose(f), 0);
	ck_assert_int_eq(chmod(path, mode), 0);
	free(path);
}

static struct config *load_file(const char *name)
{
	char *path = path_of(name);
	struct config *c = NULL;

	memset(&err, 0, sizeof(err));
	if (config_load(path, &c, &err) < 0) {
		ck_assert_ptr_null(c);
		ck_assert_int_eq(err.kind, ERR_CONFIG);
	}
	free(path);
	return c;
}

static struct config *load(const char *text)
{
	write_file("k.conf", 0600, text);
	return load_file("k.conf");
}

static struct config *good(const char *text)
{
	struct config *c = load(text);

	ck_assert_msg(c != NULL, "refused: %s", err.msg);
	return c;
}

static void refused(const char *text, const char *where, const char *why)
{
	struct config *c = load(text);

	ck_assert_msg(c == NULL, "accepted: %s", text);
	ck_assert_msg(strstr(err.msg, where) != NULL, "\"%s\" is not in: %s", where, err.msg);
	ck_assert_msg(strstr(err.msg, why) != NULL, "\"%s\" is not in: %s", why, err.msg);
	ck_assert_msg(strstr(err.msg, "secret-word") == NULL, "a secret in: %s", err.msg);
	config_free(c);
}

static char *read_source(const char *name)
{
	char *path = xasprintf("%s/%s", SOURCE_ROOT, name), *text = xmalloc(1 << 20);
	FILE *f = fopen(path, "r");
	size_t n;

	ck_assert_msg(f != NULL, "cannot read %s", path);
	n = fread(text, 1, (1 << 20) - 1, f);
	text[n] = '\0';
	fclose(f);
	free(path);
	return text;
}

static bool has_warning(const struct config *c, const char *what)
{
	for (size_t i = 0; i < c->n_warnings; i++) {
		if (strstr(c->warnings[i], what))
			return true;
	}
	return false;
}

START_TEST(what_is_not_given_has_its_default)
{
	struct config *c = good(STORE BACKEND);

	ck_assert_str_eq(c->cluster, "local");
	ck_assert_uint_eq(c->threads, 0);
	ck_assert_str_eq(c->az, "");
	ck_assert_uint_eq(c->transaction_mode, CONFIG_TRX_MULTI);
	ck_assert_str_eq(c->reads.tiers, "zone,region,any");
	ck_assert_uint_eq(c->reads.fallback, CONFIG_FALLBACK_PRIMARY);
	ck_assert_uint_eq(c->n_listen, 1);
	ck_assert_str_eq(c->listen[0].address, "127.0.0.1");
	ck_assert_uint_eq(c->listen[0].port, 3306);
	ck_assert_str_eq(c->log.file, "");
	ck_assert_uint_eq(c->log.level, LOG_INFO);
	ck_assert_uint_eq(c->tls.mode, CONFIG_TLS_OFF);
	ck_assert_uint_eq(c->tls.min_version, CONFIG_TLS_1_2);
	ck_assert_uint_eq(c->limits.max_connections, 10000);
	ck_assert_uint_eq(c->limits.max_packet_bytes, 64u << 20);
	ck_assert_uint_eq(c->limits.session_memory_bytes, 256u << 10);
	ck_assert_uint_eq(c->limits.handshake_timeout_us, 10000000);
	ck_assert_uint_eq(c->limits.idle_timeout_us, 8 * 3600000000ull);
	ck_assert_uint_eq(c->limits.query_timeout_us, 0);
	ck_assert_uint_eq(c->backend.max_connections, 100);
	ck_assert_uint_eq(c->backend.idle_age_us, 60000000);
	ck_assert_uint_eq(c->backend.tls.mode, CONFIG_BACKEND_TLS_PREFERRED);
	ck_assert_uint_eq(c->n_keyspaces, 0);
	ck_assert_uint_eq(c->n_allocators, 0);
	ck_assert(has_warning(c, "no users"));
	config_free(c);
}
END_TEST

START_TEST(everything_is_read)
{
	struct config *c;

	write_file("cert.pem", 0644, "x");
	write_file("key.pem", 0600, "x");
	c = good(
		"cluster = \"eu-1\"; threads = 4; az = \"a\"; pid_file = \"/run/k.pid\"; transaction_mode = "
		"\"single\";\n"
		"listen = ( { address = \"::1\"; port = 15306; }, { socket = \"k.sock\"; mode = \"0660\"; } );\n"
		"log = { file = \"/var/log/k\"; level = \"debug\"; };\n"
		"server = { version = \"8.0.39-Keyway\"; charset = \"utf8mb4\"; collation = \"utf8mb4_bin\"; };\n"
		"store = { kind = \"file\"; path = \"maps\"; cache = \"/c\"; };\n"
		"users = ( { name = \"u\"; native = \"" NATIVE "\"; sha2 = \"" SHA2 "\"; keyspace = \"shop\";\n"
		"  max_connections = 7; admin = true; tls = \"required\"; }, { name = \"v\"; no_password = true; } );\n"
		"tls = { mode = \"optional\"; cert = \"cert.pem\"; key = \"key.pem\"; min_version = \"1.3\"; };\n"
		"limits = { max_connections = 5000; max_packet = 1048576; query_timeout = \"90m\"; plan_cache = 100; "
		"};\n"
		"backend = { user = \"k\"; password = \"\"; tls = { mode = \"verify-ca\"; ca = \"cert.pem\"; };\n"
		"  queue_max = 0; };\n"
		"keyspaces = ( { name = \"shop\"; user = \"s\"; password = \"p\"; transaction_mode = \"multi\"; },\n"
		"  { name = \"other\"; } );\n");
	ck_assert_str_eq(c->cluster, "eu-1");
	ck_assert_uint_eq(c->threads, 4);
	ck_assert_uint_eq(c->n_listen, 2);
	ck_assert_str_eq(c->listen[0].address, "::1");
	ck_assert_uint_eq(c->listen[0].port, 15306);
	ck_assert_str_eq(c->listen[0].socket, "");
	ck_assert_int_eq(c->listen[1].socket[0], '/');
	ck_assert_ptr_nonnull(strstr(c->listen[1].socket, folder));
	ck_assert_uint_eq(c->listen[1].mode, 0660);
	ck_assert_uint_eq(c->log.level, LOG_DEBUG);
	ck_assert_str_eq(c->server.version, "8.0.39-Keyway");
	ck_assert_uint_eq(c->n_users, 2);
	ck_assert_str_eq(c->users[0].native, NATIVE);
	ck_assert_str_eq(c->users[0].sha2, SHA2);
	ck_assert_uint_eq(c->users[0].max_connections, 7);
	ck_assert(c->users[0].admin);
	ck_assert_uint_eq(c->users[0].tls, CONFIG_USER_TLS_REQUIRED);
	ck_assert(c->users[1].no_password && !c->users[1].admin);
	ck_assert_uint_eq(c->tls.mode, CONFIG_TLS_OPTIONAL);
	ck_assert_uint_eq(c->tls.min_version, CONFIG_TLS_1_3);
	ck_assert_uint_eq(c->limits.max_packet_bytes, 1048576);
	ck_assert_uint_eq(c->limits.query_timeout_us, 90 * 60000000ull);
	ck_assert_uint_eq(c->backend.tls.mode, CONFIG_BACKEND_TLS_VERIFY_CA);
	ck_assert_uint_eq(c->backend.queue_max, 0);
	ck_assert_ptr_eq(config_user_find(c, STR("v")), &c->users[1]);
	ck_assert_ptr_null(config_user_find(c, STR("V")));
	ck_assert_str_eq(config_account_for(c, STR("shop"))->user, "s");
	ck_assert_str_eq(config_account_for(c, STR("shop"))->password, "p");
	ck_assert_str_eq(config_account_for(c, STR("other"))->user, "k");
	ck_assert_str_eq(config_account_for(c, STR("unlisted"))->password, "");
	ck_assert_int_eq(config_transaction_mode_for(c, STR("shop")), CONFIG_TRX_MULTI);
	ck_assert_int_eq(config_transaction_mode_for(c, STR("other")), CONFIG_TRX_SINGLE);
	ck_assert_int_eq(config_transaction_mode_for(c, STR("unlisted")), CONFIG_TRX_SINGLE);
	ck_assert_uint_eq(c->n_warnings, 0);
	config_free(c);
}
END_TEST

START_TEST(allocators_are_read)
{
	struct config *c = good(STORE BACKEND
		"allocators = (\n"
		" { name = \"main\"; kind = \"mysql\"; form = \"block\"; block = 500; wait = \"1s\"; servers = (\n"
		"   { host = \"h\"; port = 3307; user = \"u\"; password = \"p\"; step = 2; offset = 1; },\n"
		"   { socket = \"/s\"; user = \"u\"; password = \"p\"; step = 2; offset = 2; } ); },\n"
		" { name = \"leaf\"; kind = \"http\"; url = \"http://x/{tag}\"; answer = \"number\"; },\n"
		" { name = \"j\"; kind = \"http\"; servers = ( { url = \"https://x/{n}\"; } ); method = \"POST\";\n"
		"   body = \"{}\"; answer = { first = \"/a\"; count = \"/n\"; }; rising = true; } );\n");
	struct config_allocator *a = c->allocators;

	ck_assert_uint_eq(c->n_allocators, 3);
	ck_assert_uint_eq(a[0].kind, CONFIG_ALLOCATOR_MYSQL);
	ck_assert_uint_eq(a[0].form, CONFIG_FORM_BLOCK);
	ck_assert_uint_eq(a[0].block, 500);
	ck_assert_uint_eq(a[0].wait_us, 1000000);
	ck_assert_uint_eq(a[0].timeout_us, 500000);
	ck_assert_str_eq(a[0].database, "ids");
	ck_assert_uint_eq(a[0].n_servers, 2);
	ck_assert_uint_eq(a[0].servers[0].port, 3307);
	ck_assert_uint_eq(a[0].servers[1].offset, 2);
	ck_assert_str_eq(a[0].servers[1].socket, "/s");
	ck_assert_uint_eq(a[0].servers[1].max_id, INT64_MAX);
	ck_assert_uint_eq(a[1].kind, CONFIG_ALLOCATOR_HTTP);
	ck_assert_uint_eq(a[1].n_servers, 1);
	ck_assert_str_eq(a[1].servers[0].url, "http://x/{tag}");
	ck_assert_uint_eq(a[1].servers[0].step, 1);
	ck_assert_uint_eq(a[1].answer.kind, CONFIG_ANSWER_NUMBER);
	ck_assert_uint_eq(a[2].method, CONFIG_HTTP_POST);
	ck_assert_uint_eq(a[2].answer.kind, CONFIG_ANSWER_JSON);
	ck_assert_str_eq(a[2].answer.count, "/n");
	ck_assert(a[2].rising);
	config_free(c);
}
END_TEST

/* What is wrong in a file that would be good without it; the line counts from the first line of @text. */
struct bad {
	const char *text, *where, *why;
};

static const struct bad bad[] = {
	/* syntax and names */
	{ "a = ;", "k.conf:1: ", "syntax error" },
	{ "threads = 1;\nthreads = 2;\n", "k.conf:2: ", "duplicate setting name" },
	{ "\nthread = 2;\n",
		"k.conf:2: ", "unknown key thread; did you mean threads? (known keys: cluster, threads, az," },
	{ "limits = {\n max_packt = 1;\n};", "k.conf:2: ",
		"unknown key max_packt in limits; did you mean max_packet? (known keys there: max_connections," },
	{ "max_packet = \"1M\";", "k.conf:1: ", "did you mean limits.max_packet?" },
	{ "zzzzzzzzzzz = 1;", "k.conf:1: ", "unknown key zzzzzzzzzzz (known keys: cluster" },
	{ "users = ( { nam = \"x\"; } );", "k.conf:1: ", "unknown key nam in users[]; did you mean name?" },
	{ "backend_ = { tls = { } };", "k.conf:1: ", "did you mean backend?" },
	{ "limits = 3;", "k.conf:1: ", "limits must be a group: limits = { … }" },
	{ "listen = 3;", "k.conf:1: ", "listen must be a list of groups" },
	{ "listen = { };", "k.conf:1: ", "listen must be a list of groups" },
	{ "listen = ( 3 );", "k.conf:1: ", "listen: each item must be a group" },
	{ "threads = { };", "k.conf:1: ", "threads must be 0 to 256" },
	/* types and bounds */
	{ "threads = 257;", "k.conf:1: ", "threads: \"257\" is not allowed; allowed: 0 to 256" },
	{ "threads = -1;", "k.conf:1: ", "threads: \"-1\" is not allowed" },
	{ "threads = 1.5;", "k.conf:1: ", "threads must be 0 to 256" },
	{ "threads = true;", "k.conf:1: ", "threads must be 0 to 256" },
	{ "threads = 5000000000;", "k.conf:1: ", "a number above 2147483647 needs the suffix L, or quotes" },
	{ "threads = 4294967296;", "k.conf:1: ", "needs the suffix L" },
	{ "threads = 0x1FFFFFFFF;", "k.conf:1: ", "needs the suffix L" },
	{ "# 5000000000\n/* 5000000000\n*/ az = \"5000000000\"; cluster = \"a\";\nthreads = 5000000000L;",
		"k.conf:4: ", "threads: \"5000000000\" is not allowed" },
	{ "threads = 99999999999999999999L;", "k.conf:1: ", "does not fit 64 bits" },
	{ "az = 3;", "k.conf:1: ", "az must be text, up to 64 bytes, in quotes" },
	{ "az = \"a\\x00b\";", "k.conf:1: ", "\\x00 cannot stand in a text" },
	{ "az = \"a\nb\";", "k.conf:1: ", "az: \"a\\x0ab\" is not allowed" },
	{ "cluster = \"\";", "k.conf:1: ", "cluster: must not be empty" },
	{ "cluster = \"a/b\";", "k.conf:1: ", "cluster: letters, digits" },
	{ "transaction_mode = \"both\";", "k.conf:1: ", "\"both\" is not allowed; allowed: \"single\", \"multi\"" },
	{ "reads = { tiers = \"zone,zone\"; };", "k.conf:1: ", "each once at most" },
	{ "reads = { tiers = \"zone,near\"; };", "k.conf:1: ", "zone, region and any" },
	{ "reads = { tiers = \"any,\"; };", "k.conf:1: ", "zone, region and any" },
	{ "reads = { fallback = \"none\"; };", "k.conf:1: ", "\"primary\", \"error\"" },
	{ "zones = ( { name = \"a\"; region = \"x\"; }, { name = \"a\"; region = \"y\"; } );",
		"k.conf:1: ", "zones: a second entry" },
	{ "zones = ( { name = \"a\"; } );", "k.conf:1: ", "region" },
	{ "limits = { max_packet = \"64X\"; };", "k.conf:1: ", "\"64X\" is not allowed; allowed: 64K to 1G" },
	{ "limits = { max_packet = \"2G\"; };", "k.conf:1: ", "allowed: 64K to 1G" },
	{ "limits = { max_packet = \"99999999999999G\"; };", "k.conf:1: ", "allowed: 64K to 1G" },
	{ "limits = { max_packet = \"M\"; };", "k.conf:1: ", "\"M\" is not allowed" },
	{ "limits = { idle_timeout = 10; };", "k.conf:1: ", "\"10\" needs a unit: ms, s, m or h, such as \"10s\"" },
	{ "limits = { idle_timeout = \"10\"; };", "k.conf:1: ", "needs a unit" },
	{ "limits = { idle_timeout = \"10M\"; };", "k.conf:1: ", "\"10M\" is not allowed; allowed: 0 to 8760h" },
	{ "limits = { handshake_timeout = \"1ms\"; };", "k.conf:1: ", "allowed: 100ms to 10m" },
	{ "users = ( { name = \"x\"; no_password = \"yes\"; } );", "k.conf:1: ", "must be true or false" },
	{ "log = { level = \"loud\"; };", "k.conf:1: ", "\"error\", \"warn\", \"info\", \"debug\"" },
	/* doors */
	{ "listen = ();", "k.conf:1: ", "listen is empty" },
	{ "listen = ( { } );", "k.conf:1: ", "exactly one of address and socket" },
	{ "listen = ( { address = \"127.0.0.1\"; socket = \"/s\"; } );",
		"k.conf:1: ", "exactly one of address and socket" },
	{ "listen = ( { address = \"localhost\"; } );", "k.conf:1: ", "numeric IPv4 or IPv6" },
	{ "listen = ( { address = \"::\"; port = 0; } );", "k.conf:1: ", "allowed: 1 to 65535" },
	{ "listen = ( { address = \"::\"; port = 65536; } );", "k.conf:1: ", "allowed: 1 to 65535" },
	{ "listen = ( { socket = \"/s\"; port = 1; } );", "k.conf:1: ", "a socket has no port" },
	{ "listen = ( { address = \"::\"; mode = \"0600\"; } );", "k.conf:1: ", "mode is for a socket only" },
	{ "listen = ( { socket = \"/s\"; mode = 0660; } );", "k.conf:1: ", "octal digits in quotes" },
	{ "listen = ( { socket = \"/s\"; mode = \"0888\"; } );", "k.conf:1: ", "octal digits in quotes" },
	{ "listen = ( { socket = \"/s\"; mode = \"7777\"; } );", "k.conf:1: ", "octal digits in quotes" },
	{ "listen = ( { address = \"::\"; },\n{ address = \"::\"; } );", "k.conf:2: ", "the same door twice" },
	/* what clients are told */
	{ "server = { version = \"Keyway\"; };", "k.conf:1: ", "must start as 8.0.39" },
	{ "server = { charset = \"utf8 mb4\"; };", "k.conf:1: ", "not the name of a character set" },
	/* accounts */
	{ "users = ( { no_password = true; } );", "k.conf:1: ", "users[].name is missing" },
	{ "users = ( { name = \"x\"; } );", "k.conf:1: ", "keywayctl passwd" },
	{ "users = ( { name = \"x\"; native = \"*48\"; } );", "k.conf:1: ", "users[].native: is not a verifier" },
	{ "users = ( { name = \"x\"; sha2 = \"$A$005$abc\"; } );", "k.conf:1: ", "users[].sha2: is not a verifier" },
	{ "users = ( { name = \"x\"; native = \"" NATIVE "\"; no_password = true; } );", "k.conf:1: ", "neither" },
	{ "users = ( { name = \"x\"; no_password = true; },\n{ name = \"x\"; no_password = true; } );",
		"k.conf:2: ", "a second entry with the same name" },
	/* TLS */
	{ "tls = { mode = \"required\"; };", "k.conf:1: ", "tls.mode needs tls.cert and tls.key" },
	{ "tls = { cert = \"nofile\"; };", "k.conf:1: ", "nofile: No such file" },
	/* keyspaces */
	{ "keyspaces = ( { user = \"x\"; } );", "k.conf:1: ", "keyspaces[].name is missing" },
	{ "keyspaces = ( { name = \"s\"; user = \"x\"; } );", "k.conf:1: ", "exactly one of password" },
	{ "keyspaces = ( { name = \"s\"; password = \"secret-word\"; } );", "k.conf:1: ", "a password without a user" },
	{ "keyspaces = ( { name = \"s\"; },\n{ name = \"s\"; } );", "k.conf:2: ", "a second entry" },
	/* allocators */
	{ "allocators = ( { name = \"a\"; } );", "k.conf:1: ", "allocators[].kind is missing" },
	{ "allocators = ( { " MYSQL "} );", "k.conf:1: ", "servers must list 1 to 8 servers" },
	{ "allocators = ( { " MYSQL "url = \"http://x\"; } );", "k.conf:1: ", "url is for kind \"http\"" },
	{ "allocators = ( { " MYSQL "servers = ( { user = \"u\"; password = \"p\"; } ); } );",
		"k.conf:1: ", "needs host or socket" },
	{ "allocators = ( { " MYSQL "servers = ( { host = \"h\"; } ); } );", "k.conf:1: ", "needs user" },
	{ "allocators = ( { " MYSQL "servers = ( { host = \"h\"; user = \"u\"; } ); } );",
		"k.conf:1: ", "exactly one of" },
	{ "allocators = ( { " MYSQL "servers = ( { host = \"a\"; user = \"u\"; password = \"p\"; },"
	  "{ host = \"b\"; user = \"u\"; password = \"p\"; } ); } );",
		"k.conf:1: ", "servers 1 and 2 could give the same id" },
	{ "allocators = ( { " MYSQL
	  "servers = ( { host = \"a\"; user = \"u\"; password = \"p\"; offset = 3; step = 2; } ); "
	  "} );",
		"k.conf:1: ", "offset is above step" },
	{ "allocators = ( { name = \"a\"; kind = \"etcd\"; } );", "k.conf:", "'a' needs servers" },
	{ "allocators = ( { name = \"a\"; kind = \"etcd\"; servers = ( { host = \"h\"; } ); } );",
		"k.conf:1: ", "is a url" },
	{ "allocators = ( { name = \"a\"; kind = \"etcd\"; servers = ( { url = \"http://h\"; step = 2; } ); } );",
		"k.conf:1: ", "has a url, user and password only" },
	{ "allocators = ( { name = \"a\"; kind = \"consul\"; servers = ( { url = \"http://h\"; user = \"u\"; "
	  "password = \"p\"; } ); } );",
		"k.conf:1: ", "are for kind \"etcd\"" },
	{ "allocators = ( { name = \"a\"; kind = \"etcd\"; prefix = \"x\"; servers = ( { url = \"http://h\"; } ); } );",
		"k.conf:1: ", "begins with '/'" },
	{ "allocators = ( { name = \"a\"; kind = \"etcd\"; shared = true; servers = ( { url = \"http://h\"; } ); } );",
		"k.conf:1: ", "shared is for kind" },
	{ "allocators = ( { name = \"a\"; kind = \"file\"; prefix = \"/x\"; } );", "k.conf:1: ", "has a folder" },
	{ "allocators = ( { " HTTP "url = \"http://x\"; start = 1; } );", "k.conf:1: ", "start is for counters" },
	{ "allocators = ( { " HTTP "url = \"http://x\"; marks = \"required\"; } );", "k.conf:", "needs ids.state" },
	{ "allocators = ( { " HTTP "} );", "k.conf:1: ", "exactly one of url and servers" },
	{ "allocators = ( { " HTTP "url = \"ftp://x\"; } );", "k.conf:1: ", "must start with http:// or https://" },
	{ "allocators = ( { " HTTP "url = \"http://x\"; form = \"block\"; } );",
		"k.conf:1: ", "form is for kind \"mysql\"" },
	{ "allocators = ( { " HTTP "url = \"http://x\"; body = \"x\"; } );", "k.conf:1: ", "body needs method" },
	{ "allocators = ( { " HTTP "url = \"http://x\"; answer = \"json\"; } );", "k.conf:1: ", "allowed: \"number\"" },
	{ "allocators = ( { " HTTP "url = \"http://x\"; answer = { first = \"/a\"; }; } );",
		"k.conf:1: ", "first goes with exactly one of last and count" },
	{ "allocators = ( { " HTTP "url = \"http://x\"; answer = { id = \"a\"; }; } );",
		"k.conf:1: ", "starts with '/'" },
	{ "allocators = ( { " HTTP "url = \"http://x\"; answer = { }; } );",
		"k.conf:1: ", "exactly one of id and first" },
};

static const struct bad bad_stores[] = {
	{ "store = { kind = \"etcd\"; };", "k.conf:1: ", "store.endpoints is missing" },
	{ "store = { kind = \"zookeeper\"; };", "k.conf:1: ", "\"file\", \"etcd\", \"consul\"" },
	{ "store = { kind = \"etcd\";\nendpoints = ( ); };",
		"k.conf:2: ", "store.endpoints must be a list of 1 to 16" },
	{ "store = { kind = \"etcd\";\nendpoints = \"http://a\"; };", "k.conf:2: ", "must be a list of 1 to 16 texts" },
	{ "store = { kind = \"etcd\"; endpoints = ( \"http://a\",\n7 ); };", "k.conf:2: ", "a text in quotes" },
	{ "store = { kind = \"etcd\"; endpoints = ( \"\" ); };", "k.conf:1: ", "not empty" },
	{ "store = { kind = \"etcd\"; endpoints = [ \"http://a\", \"a:1\" ]; };",
		"k.conf:1: ", "item 2 must be http://" },
	{ "store = { kind = \"etcd\"; endpoints = ( \"http://u:p@a\" ); };", "k.conf:1: ", "item 1 must be http://" },
	{ "store = { kind = \"etcd\"; endpoints = ( \"http://a/v3\" ); };", "k.conf:1: ", "item 1 must be http://" },
	{ "store = { kind = \"etcd\"; endpoints = ( \"http:///\" ); };", "k.conf:1: ", "item 1 must be http://" },
	{ "store = { " ETCD "prefix = \"keyway\"; };", "k.conf:1: ", "must begin with a slash" },
	{ "store = { " ETCD "prefix = \"/k/\"; };", "k.conf:1: ", "not end with one" },
	{ "store = { " ETCD "prefix = \"/\"; };", "k.conf:1: ", "must begin with a slash" },
	{ "store = { " ETCD "prefix = \"/a//b\"; };", "k.conf:1: ", "must begin with a slash" },
	{ "store = { " ETCD "path = \"x\"; };", "k.conf:1: ", "store.path is for kind \"file\"" },
	{ "store = { path = \"x\";\nendpoints = ( \"http://a\" ); };",
		"k.conf:2: ", "store.endpoints is for kind \"etcd\" and \"consul\"" },
	{ "store = { path = \"x\"; timeout = \"1s\"; };", "k.conf:1: ", "store.timeout is for kind" },
	{ "store = { " ETCD "timeout = \"1ms\"; };", "k.conf:1: ", "100ms to 1m" },
	{ "store = { " ETCD "user = \"u\"; };", "k.conf:1: ", "exactly one of password" },
	{ "store = { " ETCD "password = \"u\"; };", "k.conf:1: ", "a password without a user" },
	{ "store = { " ETCD "user = \"u\"; password = \"p\"; password_env = \"HOME\"; };",
		"k.conf:1: ", "second place" },
	{ "store = { " ETCD "token_env = \"HOME\"; };", "k.conf:1: ", "store.token_env is for kind \"consul\"" },
	{ "store = { kind = \"consul\"; endpoints = ( \"http://a\" ); user = \"u\"; password = \"\"; };",
		"k.conf:1: ", "store.user is for kind \"etcd\"" },
	{ "store = { kind = \"consul\"; endpoints = ( \"http://a\" ); token_file = \"none\"; };",
		"k.conf:1: ", "cannot read" },
	{ "store = { " ETCD "ca = \"none.pem\"; };", "k.conf:1: ", "cannot read" },
	{ "store = { " ETCD "cert = \"k.conf\"; };", "k.conf:1: ", "cert and key go together" },
};

START_TEST(a_bad_store_is_refused_with_place_and_reason)
{
	char *text = xasprintf("%s\n" BACKEND, bad_stores[_i].text);

	refused(text, bad_stores[_i].where, bad_stores[_i].why);
	free(text);
}
END_TEST

START_TEST(stores_over_the_network)
{
	struct config *c = good("store = { kind = \"etcd\"; endpoints = ( \"http://a:1\", \"https://b/\" );\n"
				" user = \"u\"; password = \"\"; timeout = \"500ms\"; };\ncluster = \"eu\";" BACKEND);
	char *printed = NULL;
	size_t n;
	FILE *f;

	ck_assert_uint_eq(c->store.kind, CONFIG_STORE_ETCD);
	ck_assert_uint_eq(c->store.n_endpoints, 2);
	ck_assert_str_eq(c->store.endpoints[1], "https://b/");
	ck_assert_str_eq(c->store.prefix, "/keyway/eu");
	ck_assert_str_eq(c->store.account.user, "u");
	ck_assert_uint_eq(c->store.timeout_us, 500000);
	f = open_memstream(&printed, &n);
	config_print(c, f);
	fclose(f);
	ck_assert_ptr_nonnull(strstr(printed, "endpoints = ( \"http://a:1\", \"https://b/\" );"));
	free(printed);
	config_free(c);
	setenv("KEYWAY_TEST_TOKEN", "abc", 1);
	c = good("store = { kind = \"consul\"; endpoints = [ \"http://a:1\" ]; prefix = \"/k\";\n"
		 " token_env = \"KEYWAY_TEST_TOKEN\"; };" BACKEND);
	ck_assert_str_eq(c->store.token, "abc");
	ck_assert_str_eq(c->store.prefix, "/k");
	config_free(c);
}
END_TEST

START_TEST(a_bad_file_is_refused_with_place_and_reason)
{
	char *text = xasprintf("%s\n" STORE BACKEND, bad[_i].text);

	refused(text, bad[_i].where, bad[_i].why);
	free(text);
}
END_TEST

START_TEST(what_must_be_given_is_asked_for)
{
	refused(BACKEND, "k.conf: ", "store.path is missing: kind file");
	refused("store = { };" BACKEND, "k.conf:1: ", "store.path is missing");
	refused("store = { path = \"\"; };" BACKEND, "k.conf:1: ", "store.path: must not be empty");
	refused(STORE, "k.conf: ", "backend.user is missing");
	refused(STORE "backend = { user = \"k\"; };",
		"k.conf:2: ", "exactly one of password, password_file, password_env");
}
END_TEST

START_TEST(tls_towards_backends_holds_together)
{
	refused(STORE "backend = { user = \"k\"; password = \"\";\n tls = { mode = \"verify-identity\"; }; };",
		"k.conf:3: ", "the verify modes need ca");
	write_file("c.pem", 0600, "x");
	refused(STORE "backend = { user = \"k\"; password = \"\"; tls = { cert = \"c.pem\"; }; };",
		"k.conf:2: ", "cert and key go together");
}
END_TEST

START_TEST(a_file_that_is_not_there_or_no_file_is_refused)
{
	ck_assert_ptr_null(load_file("none.conf"));
	ck_assert_ptr_nonnull(strstr(err.msg, "none.conf: cannot read the settings: No such file"));
	ck_assert_ptr_null(load_file("."));
	ck_assert_ptr_nonnull(strstr(err.msg, "not a regular file"));
}
END_TEST

START_TEST(included_files_belong_to_it)
{
	struct config *c;
	char *in = path_of("sub");

	ck_assert_int_eq(mkdir(in, 0700), 0);
	free(in);
	write_file("sub/b.conf", 0600, BACKEND "threads = 3;\n");
	c = good(STORE "@include \"sub/b.conf\"\naz = \"x\";\n");
	ck_assert_uint_eq(c->threads, 3);
	ck_assert_str_eq(c->az, "x");
	config_free(c);

	write_file("sub/b.conf", 0600, BACKEND "\nthreads = 300;\n");
	refused(STORE "@include \"sub/b.conf\"\n", "sub/b.conf:3: ", "threads");
	write_file("sub/b.conf", 0600, BACKEND "\nthreads = 5000000000;\n");
	refused(STORE "@include \"sub/b.conf\"\n", "sub/b.conf:3: ", "needs the suffix L");
	write_file("sub/b.conf", 0600, "x = \n\n;");
	refused(STORE "@include \"sub/b.conf\"\n", "sub/b.conf:3: ", "syntax error");
	refused(STORE "@include \"none.conf\"\n",
		"k.conf:2: ", "cannot open include file; the name after @include starts");
	refused("@include \"k.conf\"\n", "k.conf:1: ", "nesting too deep");
}
END_TEST

START_TEST(secrets_come_from_one_place)
{
	struct config *c;

	write_file("pw", 0600, "from file\r\nnot this\n");
	c = good(STORE "backend = { user = \"k\"; password_file = \"pw\"; };");
	ck_assert_str_eq(c->backend.account.password, "from file");
	config_free(c);
	setenv("KEYWAY_TEST_PASSWORD", "from environment", 1);
	c = good(STORE "backend = { user = \"k\"; password_env = \"KEYWAY_TEST_PASSWORD\"; };");
	ck_assert_str_eq(c->backend.account.password, "from environment");
	config_free(c);

	refused(STORE "backend = { user = \"k\"; password = \"secret-word\";\n password_file = \"pw\"; };",
		"k.conf:3: ", "a second place for the same secret");
	refused(STORE "backend = { user = \"k\"; password = \"secret-word\tx\"; };", "k.conf:2: ", "control character");
	refused(STORE "backend = { user = \"k\"; password_env = \"KEYWAY_TEST_NONE\"; };", "k.conf:2: ", "not set");
	refused(STORE "backend = { user = \"k\"; password_file = \"nopw\"; };", "k.conf:2: ", "nopw: No such file");
	refused(STORE "backend = { user = \"k\"; password_file = \"/\"; };", "k.conf:2: ", "not a regular file");
	write_file("pw", 0600, "\nsecret-word");
	refused(STORE "backend = { user = \"k\"; password_file = \"pw\"; };", "k.conf:2: ", "is empty");
	write_file("pw", 0600, "secret-word\x01");
	refused(STORE "backend = { user = \"k\"; password_file = \"pw\"; };",
		"k.conf:2: ", "holds a control character");
}
END_TEST

START_TEST(a_secret_has_at_most_255_bytes)
{
	char word[257];
	struct config *c;

	memset(word, 'x', sizeof(word));
	word[256] = '\0';
	write_file("pw", 0600, word);
	refused(STORE "backend = { user = \"k\"; password_file = \"pw\"; };", "k.conf:2: ", "longer than 255 bytes");
	word[255] = '\0';
	write_file("pw", 0600, word);
	c = good(STORE "backend = { user = \"k\"; password_file = \"pw\"; };");
	ck_assert_str_eq(c->backend.account.password, word);
	config_free(c);
}
END_TEST

START_TEST(secrets_that_everyone_may_read_are_warned_of)
{
	struct config *c;

	c = good(STORE BACKEND);
	ck_assert(!has_warning(c, "everyone"));
	config_free(c);
	write_file("k.conf", 0644, STORE BACKEND);
	c = load_file("k.conf");
	ck_assert_ptr_nonnull(c);
	ck_assert(has_warning(c, "k.conf:2: everyone on this machine may read passwords in this file: chmod o="));
	ck_assert(!has_warning(c, "secret-word"));
	config_free(c);
	write_file("pw", 0644, "x");
	write_file("key.pem", 0644, "x");
	c = good(STORE
		"backend = { user = \"k\"; password_file = \"pw\"; };\ntls = { cert = \"key.pem\"; key = \"key.pem\"; "
		"};");
	ck_assert(has_warning(c, "k.conf:2: everyone on this machine may read a secret"));
	ck_assert(has_warning(c, "k.conf:3: everyone on this machine may read a private key"));
	config_free(c);
}
END_TEST

static char *printed(const struct config *c)
{
	char *text = NULL;
	size_t n;
	FILE *f = open_memstream(&text, &n);

	config_print(c, f);
	fclose(f);
	return text;
}

START_TEST(what_is_printed_has_no_secret_and_reads_back_as_the_same)
{
	struct config *c =
		good("az = \"a\\\"b\\\\c\";\n" STORE BACKEND
		     "listen = ( { address = \"::1\"; }, { socket = \"/s\"; mode = \"0600\"; } );\n"
		     "users = ( { name = \"u\"; sha2 = \"" SHA2 "\"; } );\n"
		     "keyspaces = ( { name = \"s\"; user = \"u\"; password = \"***\"; } );\n"
		     "allocators = ( { " MYSQL "servers = ( { host = \"h\"; user = \"u\"; password = \"***\"; } ); },\n"
		     "{ name = \"b\"; kind = \"http\"; url = \"http://x\"; answer = { id = \"/id\"; }; } );\n");
	char *text = printed(c), *again;
	struct config *d;

	ck_assert_ptr_null(strstr(text, "secret-word"));
	ck_assert_ptr_nonnull(strstr(text, "password = \"***\""));
	ck_assert_ptr_nonnull(strstr(text, "max_packet = \"64M\""));
	d = good(text);
	again = printed(d);
	ck_assert_str_eq(text, again);
	free(text);
	free(again);
	config_free(c);
	config_free(d);
}
END_TEST

static void note_change(void *arg, const char *path, bool needs_restart)
{
	char *to = arg;

	snprintf(to + strlen(to), 200 - strlen(to), "%s%s ", path, needs_restart ? "!" : "");
}

static void changes(const char *old_text, const char *new_text, size_t restarts, const char *expected)
{
	struct config *a = good(old_text), *b = good(new_text);
	char got[200] = "";

	ck_assert_uint_eq(config_reloadable_diff(a, b, note_change, got), restarts);
	ck_assert_str_eq(got, expected);
	ck_assert_uint_eq(config_reloadable_diff(a, b, NULL, NULL), restarts);
	config_free(a);
	config_free(b);
}

START_TEST(a_reload_says_what_changed_and_what_needs_a_restart)
{
	changes(STORE BACKEND, STORE BACKEND "limits = { max_packet = 67108864; };", 0, "");
	changes(STORE BACKEND, STORE BACKEND "threads = 2; limits = { max_packet = \"32M\"; };", 1,
		"threads! limits.max_packet ");
	changes(STORE BACKEND, STORE "backend = { user = \"k\"; password = \"other\"; };", 0, "backend.password ");
	changes(STORE BACKEND "users = ( { name = \"a\"; no_password = true; } );",
		STORE BACKEND "users = ( { name = \"b\"; no_password = true; } );", 0, "users ");
	changes(STORE BACKEND, STORE BACKEND "listen = ( { address = \"127.0.0.1\"; } );", 0, "");
	changes(STORE BACKEND, STORE BACKEND "listen = ( { address = \"127.0.0.2\"; } );", 1, "listen! ");
	changes(STORE BACKEND "allocators = ( { " HTTP "url = \"http://x\"; } );",
		STORE BACKEND "allocators = ( { " HTTP "url = \"http://y\"; } );", 1, "allocators! ");
	changes(STORE BACKEND "allocators = ( { " HTTP "url = \"http://x\"; } );",
		STORE BACKEND "allocators = ( { " HTTP "servers = ( { url = \"http://x\"; } ); } );", 0, "");
}
END_TEST

START_TEST(the_example_is_good)
{
	struct config *c = NULL;

	ck_assert_msg(config_load(SOURCE_ROOT "/conf/keyway.conf", &c, &err) == 0, "%s", err.msg);
	ck_assert_uint_eq(c->n_listen, 2);
	ck_assert_uint_eq(c->n_users, 1);
	config_free(c);
}
END_TEST

/* "#" and no space: an example. Its files are looked for in our folder. */
START_TEST(the_examples_inside_the_example_are_good_too)
{
	static const char *const files[] = { "server.pem", "server.key", "clients-ca.pem", "ids.password",
		"shop.password", "users.conf" };
	static const char system_folder[] = "\"/etc/keyway/";
	char *text = read_source("conf/keyway.conf");
	struct config *c;

	for (size_t i = 0; i < ARRAY_N(files); i++)
		write_file(files[i], 0600, strstr(files[i], ".conf") ? "" : "x");
	for (char *p = text; *p; p += strcspn(p, "\n") + 1) {
		if (*p == '#' && p[1] != ' ' && p[1] != '\n')
			memmove(p, p + 1, strlen(p));
		if (!p[strcspn(p, "\n")])
			break;
	}
	for (char *p = text; (p = strstr(p, system_folder)) != NULL;)
		memmove(p + 1, p + strlen(system_folder), strlen(p + strlen(system_folder)) + 1);
	c = good(text);
	ck_assert_str_ne(c->tls.cert, "");
	ck_assert_uint_eq(c->n_allocators, 3);
	ck_assert_uint_eq(c->n_keyspaces, 1);
	config_free(c);
	free(text);
}
END_TEST

START_TEST(the_manual_names_every_key_with_its_default)
{
	char *text = read_source("docs/configuration.md");

	for (size_t i = 0; config_key_path(i); i++) {
		const struct config_key *key = config_key_find(config_key_path(i));
		char *name = xasprintf("%s`%s`", key->type == KEY_LIST ? "" : "| ", key->path),
		     *row = strstr(text, name);
		char *fallback;

		ck_assert_msg(row != NULL, "docs/configuration.md lacks %s", key->path);
		free(name);
		if (key->type == KEY_LIST)
			continue;
		row = xstrndup(row, strcspn(row, "\n"));
		if (key->flags & KEY_REQUIRED)
			fallback = xstrdup("| required |");
		else if (!key->fallback)
			fallback = xstrdup("| none |");
		else if (!*key->fallback)
			fallback = xstrdup("| empty |");
		else if (config_value_quoted(key))
			fallback = xasprintf("| `\"%s\"` |", key->fallback);
		else
			fallback = xasprintf("| `%s` |", key->fallback);
		ck_assert_msg(strstr(row, fallback) != NULL, "docs/configuration.md: %s is not %s", row, fallback);
		ck_assert_msg(!(key->flags & KEY_RESTART) || strchr(key->path, '[') || strstr(row, "*(restart)*"),
			"docs/configuration.md: %s needs a restart", key->path);
		free(fallback);
		free(row);
	}
	free(text);
}
END_TEST

START_TEST(the_table_of_keys_is_sound)
{
	char *text = NULL;
	size_t n;
	FILE *f = open_memstream(&text, &n);

	config_keys_print(f);
	fclose(f);
	for (size_t i = 0; i < config_keys_n; i++) {
		const struct config_key *key = &config_keys[i];

		ck_assert_ptr_eq(config_key_find(key->path), key);
		ck_assert_uint_lt(strlen(key->path), KEY_PATH_MAX / 4);
		ck_assert_msg(key->help && *key->help, "%s has no help", key->path);
		ck_assert_ptr_nonnull(strstr(text, key->path));
		ck_assert_msg(key->type != KEY_CHOICE || key->choices, "%s has no choices", key->path);
	}
	free(text);
	ck_assert_ptr_null(config_key_path(config_keys_n));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("config");
	TCase *t = tcase_create("config");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(t, make_folder, remove_folder);
	tcase_add_test(t, what_is_not_given_has_its_default);
	tcase_add_test(t, everything_is_read);
	tcase_add_test(t, allocators_are_read);
	tcase_add_loop_test(t, a_bad_file_is_refused_with_place_and_reason, 0, (int)ARRAY_N(bad));
	tcase_add_loop_test(t, a_bad_store_is_refused_with_place_and_reason, 0, (int)ARRAY_N(bad_stores));
	tcase_add_test(t, stores_over_the_network);
	tcase_add_test(t, what_must_be_given_is_asked_for);
	tcase_add_test(t, tls_towards_backends_holds_together);
	tcase_add_test(t, a_file_that_is_not_there_or_no_file_is_refused);
	tcase_add_test(t, included_files_belong_to_it);
	tcase_add_test(t, secrets_come_from_one_place);
	tcase_add_test(t, a_secret_has_at_most_255_bytes);
	tcase_add_test(t, secrets_that_everyone_may_read_are_warned_of);
	tcase_add_test(t, what_is_printed_has_no_secret_and_reads_back_as_the_same);
	tcase_add_test(t, a_reload_says_what_changed_and_what_needs_a_restart);
	tcase_add_test(t, the_example_is_good);
	tcase_add_test(t, the_examples_inside_the_example_are_good_too);
	tcase_add_test(t, the_manual_names_every_key_with_its_default);
	tcase_add_test(t, the_table_of_keys_is_sound);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
