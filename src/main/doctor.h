/* doctor.h - keywayctl doctor: what it has seen of store, proxies and servers, and the table of checks that look
 * through it. Everything is asked first, then judged: a check only reads, and adds findings. One thread, blocking. */
#ifndef KEYWAY_MAIN_DOCTOR_H
#define KEYWAY_MAIN_DOCTOR_H

#include "ctl_sql.h"
#include "keyway/cluster/map.h"
#include "keyway/store/store.h"
#include <uthash.h>

enum doctor_severity { DOCTOR_PROBLEM, DOCTOR_WARNING };

struct doctor_variable {
	UT_hash_handle hh;
	char *value;
	char name[];
};

/* A server of the map. One that shards or keyspaces share stands here once for each. */
struct doctor_server {
	const struct backend_def *def;
	char *where;	/* "shop/-80 s1a (10.0.0.1:3306)" */
	MYSQL *my;	/* NULL: not reached */
	struct err err; /* why not */
	struct doctor_variable *variables;
	char **grants; /* lines of SHOW GRANTS */
	uint32_t grant_n;
	bool mariadb;
	unsigned version;     /* major * 100 + minor: 1011, 800 */
	double clock_ahead_s; /* of ours */
	/* replication into it; has_source: it replicates from someone */
	bool has_source, io_running, sql_running, by_gtid, lag_known;
	uint64_t lag_s;
	char source[300], repl_error[300];
};

struct doctor_proxy {
	const struct ctl_proxy *at;
	MYSQL *my;
	struct err err;
};

/* A document of the store. */
struct doctor_map {
	char *key;
	struct keyspace *ks; /* NULL: it is not valid */
	struct err err;
};

struct doctor_finding {
	uint8_t severity; /* enum doctor_severity */
	const char *check;
	char *where, *what, *cure;
};

struct doctor {
	struct config *cfg; /* borrowed from proxies */
	struct ctl_proxies proxies_named;
	bool store_up;
	struct err store_err;
	struct store *store;
	struct doctor_map *maps;
	uint32_t map_n;
	struct doctor_server *servers; /* keyspace by keyspace, shard by shard, in the map's order */
	uint32_t server_n;
	struct doctor_proxy *proxies;
	uint32_t proxy_n;
	const char *check; /* the one that runs */
	struct doctor_finding *findings;
	uint32_t finding_n;
	struct arena arena;
};

struct doctor_check {
	const char *name;
	const char *what; /* one line: what is right when it finds nothing */
	void (*run)(struct doctor *d);
};

/* Ends with an empty name. */
extern const struct doctor_check doctor_checks[];

/* One more finding of the check that runs: @where is wrong in that @what, and the cure is @cure. Copied. */
void doctor_find(struct doctor *d, enum doctor_severity severity, const char *where, const char *what, const char *cure,
	...) __attribute__((format(printf, 5, 6)));
/* Text in the doctor's memory. */
char *doctor_text(struct doctor *d, const char *fmt, ...) PRINTF(2, 3);

/* A global variable of a server; "" when it has none. */
const char *doctor_variable(const struct doctor_server *s, const char *name);
uint64_t doctor_number(const struct doctor_server *s, const char *name);
bool doctor_on(const struct doctor_server *s, const char *name);
/* Whether its account has a privilege, in @database or (NULL) everywhere. */
bool doctor_granted(const struct doctor_server *s, const char *database, const char *privilege);
/* The servers of one shard: the first, and how many. */
struct doctor_server *doctor_shard(struct doctor *d, const struct shard *sh, uint32_t *n);
/* The database of @s's shard on the server, "" in the keyspace `*`. */
const char *doctor_database(const struct doctor_server *s);

/* doctor_ask.c: asks everyone. CTL_OK, or told that it cannot even begin. */
enum ctl_exit doctor_open(struct ctl *c, const struct ctl_args *a, struct doctor *d);
void doctor_close(struct doctor *d);

/* doctor_cluster.c */
void check_store(struct doctor *d);
void check_map(struct doctor *d);
void check_epochs(struct doctor *d);
void check_allocators(struct doctor *d);
void check_ids(struct doctor *d);
/* doctor_server.c */
void check_connect(struct doctor *d);
void check_versions(struct doctor *d);
void check_grants(struct doctor *d);
void check_fence(struct doctor *d);
void check_clock(struct doctor *d);
void check_same(struct doctor *d);
void check_connections(struct doctor *d);
void check_packet(struct doctor *d);
void check_timeout(struct doctor *d);
/* doctor_replication.c */
void check_writable(struct doctor *d);
void check_binlog(struct doctor *d);
void check_gtid(struct doctor *d);
void check_server_id(struct doctor *d);
void check_replication(struct doctor *d);
void check_pair(struct doctor *d);
/* doctor_schema.c */
void check_schema(struct doctor *d);
void check_tables(struct doctor *d);

#endif
