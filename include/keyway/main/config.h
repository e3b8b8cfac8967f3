/* main/config.h - the daemon's own settings, from a file in libconfig syntax. A struct config does not change after
 * config_load(): a reload loads a second one beside it, so any thread may read one that it was handed. All texts are
 * NUL-terminated, owned by the config, and live until config_free(). A text that was not given is "", never NULL,
 * unless said. Times are in microseconds, sizes in bytes; 0 means "no limit" where the key's help says so.
 *
 * What each key means, its unit, bounds and default stand in one table (src/main/config_keys.c); the parser, the
 * messages about unknown keys, config_keys_print() and the check of docs/configuration.md all read that table. */
#ifndef KEYWAY_MAIN_CONFIG_H
#define KEYWAY_MAIN_CONFIG_H

#include "keyway/util/err.h"
#include "keyway/util/log.h"
#include <stdio.h>

enum config_transaction_mode { CONFIG_TRX_SINGLE, CONFIG_TRX_MULTI };
enum config_listen_tls { CONFIG_TLS_OFF, CONFIG_TLS_OPTIONAL, CONFIG_TLS_REQUIRED };
enum config_backend_tls {
	CONFIG_BACKEND_TLS_OFF,
	CONFIG_BACKEND_TLS_PREFERRED,	    /* when the server offers it; nothing is verified */
	CONFIG_BACKEND_TLS_REQUIRED,	    /* encrypted, nothing is verified */
	CONFIG_BACKEND_TLS_VERIFY_CA,	    /* the certificate's chain ends in ca */
	CONFIG_BACKEND_TLS_VERIFY_IDENTITY, /* and it names the host */
};
enum config_tls_version { CONFIG_TLS_1_2, CONFIG_TLS_1_3 };
enum config_reads { CONFIG_READS_PRIMARY, CONFIG_READS_REPLICA, CONFIG_READS_CAUSAL };
enum config_fallback { CONFIG_FALLBACK_PRIMARY, CONFIG_FALLBACK_ERROR };
enum config_user_tls { CONFIG_USER_TLS_DEFAULT, CONFIG_USER_TLS_REQUIRED };
enum config_store_kind { CONFIG_STORE_FILE, CONFIG_STORE_ETCD, CONFIG_STORE_CONSUL };
enum config_allocator_kind {
	CONFIG_ALLOCATOR_MYSQL,
	CONFIG_ALLOCATOR_HTTP,
	CONFIG_ALLOCATOR_ETCD,
	CONFIG_ALLOCATOR_CONSUL,
	CONFIG_ALLOCATOR_FILE,
};
enum config_marks { CONFIG_MARKS_AUTO, CONFIG_MARKS_REQUIRED, CONFIG_MARKS_OFF }; /* enum ids_marking */
enum config_allocator_form { CONFIG_FORM_TICKET, CONFIG_FORM_BLOCK };
enum config_http_method { CONFIG_HTTP_GET, CONFIG_HTTP_POST };
enum config_answer_kind { CONFIG_ANSWER_NUMBER, CONFIG_ANSWER_JSON };

/* One door for clients: either address and port, or socket. */
struct config_listen {
	const char *address; /* numeric IPv4 or IPv6; "" when it is a socket */
	uint32_t port;
	const char *socket; /* path; "" when it is TCP */
	uint32_t mode;	    /* permission bits of the socket */
};

struct config_log {
	const char *file; /* "": stderr */
	uint32_t level;	  /* enum log_level */
};

/* What the greeting and SELECT @@version say; "" = what the backends say. */
struct config_server {
	const char *version;
	const char *charset;
	const char *collation;
};

/* Who Keyway is towards a server. The password was read from where the file said. */
struct config_account {
	const char *user;
	const char *password; /* NULL: not given here; may be "" */
};

struct config_store {
	uint32_t kind;		/* enum config_store_kind */
	const char *path;	/* file; "" for the other kinds */
	const char **endpoints; /* etcd and consul: URLs */
	size_t n_endpoints;
	const char *prefix;	       /* etcd and consul, and never "" then */
	struct config_account account; /* etcd */
	const char *token;	       /* consul, secret; NULL: none */
	const char *ca, *cert, *key;   /* etcd and consul */
	uint64_t timeout_us;
	const char *cache; /* the last good map is kept here; "": not kept */
};

/* An account that applications log in with. Verifiers only; the password itself is never here. */
struct config_user {
	const char *name;
	const char *native;	  /* "*" and 40 hex digits, or "" */
	const char *sha2;	  /* the text that keywayctl passwd printed, or "" */
	const char *keyspace;	  /* default database, or "" */
	uint64_t max_connections; /* 0: limits.max_user_connections holds */
	bool admin;
	bool no_password; /* logs in with an empty password; both verifiers are "" then */
	uint32_t tls;	  /* enum config_user_tls */
	uint32_t reads;	  /* enum config_reads */
};

/* Reads from replicas. */
struct config_reads_rules {
	const char *tiers;   /* "zone,region,any": some of these words, each once */
	uint64_t max_lag_us; /* 0: no limit */
	uint32_t fallback;   /* enum config_fallback */
	uint64_t causal_wait_us;
	uint64_t slow_start_us;
};

/* What region a zone is in, for backends whose document does not say it. */
struct config_zone {
	const char *name, *region;
};

/* TLS towards clients. */
struct config_tls {
	uint32_t mode; /* enum config_listen_tls */
	const char *cert, *key;
	const char *ca;	      /* when not "": clients must show a certificate from it */
	uint32_t min_version; /* enum config_tls_version */
};

struct config_limits {
	uint64_t max_connections;      /* clients of the whole process */
	uint64_t max_user_connections; /* 0: no limit */
	uint64_t max_packet_bytes;
	uint64_t max_prepared; /* statements per session */
	uint64_t max_statement_memory_bytes;
	uint64_t session_memory_bytes;
	uint64_t plan_cache; /* plans per thread */
	uint64_t handshake_timeout_us;
	uint64_t idle_timeout_us;  /* 0: never */
	uint64_t query_timeout_us; /* 0: never */
	uint64_t drain_timeout_us;
};

/* TLS as a client: towards backends and ticket servers. */
struct config_client_tls {
	uint32_t mode; /* enum config_backend_tls */
	const char *ca, *cert, *key;
};

struct config_backend {
	struct config_account account;
	struct config_client_tls tls;
	const char *source_address; /* "": the system chooses */
	uint64_t connect_timeout_us;
	uint64_t max_connections; /* to one backend, from the whole process */
	uint64_t idle_age_us;	  /* an unused connection is closed after this; 0: never */
	uint64_t max_life_us;	  /* 0: no limit */
	uint64_t queue_max;	  /* statements that may wait for one backend */
	uint64_t queue_timeout_us;
	uint64_t connects_per_second; /* to one backend; 0: no limit */
};

/* How backends are checked (struct health_config). */
struct config_health {
	uint64_t interval_us, timeout_us;
	uint64_t down_after, up_after;
	uint64_t eject_us;	     /* 0: never */
	const char *heartbeat_table; /* "": none */
	const char *heartbeat_column;
};

/* Statements whose shard has no server now. */
struct config_failover {
	uint64_t wait_us; /* 0: they do not wait */
	uint64_t queue_max;
};

struct config_keyspace {
	const char *name;
	struct config_account account;
	uint32_t transaction_mode; /* enum config_transaction_mode; the top-level one where the file says nothing */
};

/* One server of an allocator (struct ids_endpoint). */
struct config_id_server {
	const char *host;	       /* mysql; "" when it is a socket */
	uint32_t port;		       /* mysql */
	const char *socket;	       /* mysql; "" when it is a host */
	struct config_account account; /* mysql */
	const char *url;	       /* http; {tag} and {n} are filled in */
	uint64_t step, offset;	       /* its ids are those with id % step == offset % step */
	uint64_t min_id, max_id;
};

/* How an HTTP answer is read (struct ids_answer): the bare number, or JSON pointers, "" where there is none. */
struct config_answer {
	uint32_t kind;	/* enum config_answer_kind */
	const char *id; /* for JSON: either id, or first with last or count */
	const char *first, *last, *count;
};

/* struct ids_allocator; a number that is 0 means the default of ids/ids.h. */
struct config_allocator {
	const char *name;
	uint32_t kind; /* enum config_allocator_kind */
	/* A single http url stands here too. Empty for etcd, consul and file where the counters are in the map's store.
	 */
	struct config_id_server *servers;
	size_t n_servers;
	bool shared;
	uint64_t wait_us;    /* how long an INSERT waits for ids */
	uint64_t timeout_us; /* of one request */
	uint64_t block, block_min, block_max;
	const char *ca, *cert, *key;
	/* kind mysql */
	uint32_t form; /* enum config_allocator_form */
	const char *database;
	const char *table; /* "": the default for the form */
	/* kind http */
	const char *url;  /* as written; use servers */
	uint32_t method;  /* enum config_http_method */
	const char *body; /* of a POST */
	struct config_answer answer;
	const char *bearer; /* token, secret; NULL: none */
	bool rising;
	uint64_t parallel;
	/* kinds etcd, consul and file */
	const char *prefix; /* "": that of the map's store */
	const char *folder; /* file; "": the map's */
	uint64_t start;	    /* first id of a table without a counter; 0: it is refused */
	uint32_t marks;	    /* enum config_marks */
};

/* What all allocators share. */
struct config_ids {
	const char
		*state; /* folder where it is kept which ids were given out; "": beside store.cache, if there is one */
};

struct config {
	const char *cluster;
	uint64_t threads; /* 0: one per core */
	const char *az;
	const char *region; /* "": that of az in zones */
	const char *pid_file;
	uint32_t transaction_mode; /* enum config_transaction_mode */
	struct config_listen *listen;
	size_t n_listen;
	struct config_log log;
	struct config_server server;
	struct config_store store;
	struct config_user *users;
	size_t n_users;
	struct config_tls tls;
	struct config_limits limits;
	struct config_backend backend;
	struct config_health health;
	struct config_failover failover;
	struct config_reads_rules reads;
	struct config_zone *zones;
	size_t n_zones;
	struct config_keyspace *keyspaces;
	size_t n_keyspaces;
	struct config_allocator *allocators;
	size_t n_allocators;
	struct config_ids ids;
	/* What is legal but unwise, as "file:line: text": the daemon logs them, --check-config prints them. */
	const char **warnings;
	size_t n_warnings;
};

/* Reads @path (and what it includes; a relative @include or file name is taken from @path's folder). Blocking: files
 * are read. 0 and *@out, which the caller frees; or ERR_CONFIG with "file:line: what is wrong and what to write", and
 * *@out is NULL. No secret is ever part of a message. */
MUST_CHECK int config_load(const char *path, struct config **out, struct err *err);
/* NULL is allowed. Passwords are wiped. */
void config_free(struct config *c);

/* The account for @keyspace: its own from `keyspaces`, else that of `backend`. Never NULL; lives as long as @c. */
const struct config_account *config_account_for(const struct config *c, struct str keyspace);
enum config_transaction_mode config_transaction_mode_for(const struct config *c, struct str keyspace);

/* The words of reads.tiers as 0 (zone), 1 (region), 2 (any); returns how many, or -1. */
int config_read_tiers(const char *text, uint8_t *out, size_t max);

/* NULL when there is no such user. Names are compared as MySQL compares them: byte by byte. */
const struct config_user *config_user_find(const struct config *c, struct str name);

/* Calls @fn once for each key that differs: @path as in docs/configuration.md ("limits.max_packet"; a list is one
 * key: "users"), and whether only a restart makes it work. Returns how many of the changes need a restart. */
typedef void config_change_fn(void *arg, const char *path, bool needs_restart);
size_t config_reloadable_diff(const struct config *old, const struct config *new, config_change_fn *fn, void *arg);

/* Every key with type, unit, bounds, default and meaning, for people. */
void config_keys_print(FILE *out);
/* Every setting of @c as it works now, in libconfig syntax; secrets as "***". */
void config_print(const struct config *c, FILE *out);

/* The @i-th key's path as in docs/configuration.md, lists with "[]": "users[].name". NULL after the last. */
const char *config_key_path(size_t i);

#endif
