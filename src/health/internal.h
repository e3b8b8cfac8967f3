/* internal.h - what the files of health/ share. Check threads and the scheduler; what each may touch is said below. */
#ifndef KEYWAY_HEALTH_INTERNAL_H
#define KEYWAY_HEALTH_INTERNAL_H

#include "keyway/health/health.h"
#include <mysql.h>
#include <pthread.h>

struct health;

/* --- check.c: one conversation with a server --- */

enum check_outcome {
	CHECK_GOOD,
	CHECK_ALIVE, /* it answers, but not what was asked (too many connections, a right is missing) */
	CHECK_FAILED,
};

struct check_result {
	enum check_outcome outcome;
	bool read_only;
	bool mariadb;
	uint64_t rtt_us; /* 0: not measured */
	uint64_t lag_us; /* SERVER_LAG_UNKNOWN */
	char *position;	 /* to be freed; NULL: not known */
	char why[SERVER_WHY_MAX];
};

/* How to ask; copied under the lock for each check. */
struct check_terms {
	uint64_t timeout_us;
	char *heartbeat_table, *heartbeat_column, *tls_ca, *tls_cert, *tls_key;
};

/* A server being checked over a connection that stays open. One thread at a time. */
struct check {
	struct server *server;
	struct health *health;
	MYSQL *my; /* NULL: not connected */
	bool mariadb;
	bool no_status;			  /* it denied the replication status: not asked again on this connection */
	bool told_status, told_heartbeat; /* logged once */
	uint64_t lag_us, lag_at_us;	  /* the last that was known */
	/* the connection's socket before it may block, -1 before it is closed: so that another thread can end it */
	void (*busy)(void *arg, int fd);
	void *busy_arg;
};

void check_run(struct check *c, const struct check_terms *t, struct check_result *out);
void check_close(struct check *c);

/* --- watch.c: the shards, and what checks mean for them. Under health.lock --- */

struct watched {
	struct server *server;
	struct check check; /* of the thread that has running set */
	bool running, gone, checked;
	uint64_t due_us, started_us, ended_us;
	int fd;		    /* of the check under way; -1: none */
	uint64_t limit_us;  /* when it is cut off */
	uint32_t good, bad; /* checks in a row */
	uint64_t writable_us;
	/* the position that the last good check found, and when that check was */
	char *position;
	uint64_t position_from_us, position_to_us;
	/* outliers */
	uint64_t queries, errors; /* as of the last look */
	bool failing;
	uint64_t ejected_until_us;
};

struct watched_shard {
	const struct shard *shard;
	struct watched **backends; /* NULL where there is no address */
	struct verdict_memory memory;
	uint64_t applied_us[2]; /* pairs: see backend_view */
};

struct health {
	pthread_mutex_t lock;
	pthread_cond_t job, done;
	struct health_config cfg;
	struct check_terms terms; /* owns its texts */
	int wake_fd, own_fd;
	void (*news)(void *arg);
	void *news_arg;
	const struct map *map; /* NULL: nothing watched */
	struct watched **all;
	uint32_t n_all;
	struct watched_shard *shards; /* of all keyspaces, in order */
	uint32_t n_shards;
	struct watched **jobs; /* to be checked, oldest first */
	uint32_t n_jobs, cap_jobs;
	pthread_t scheduler, *threads;
	uint32_t n_threads, n_idle;
	uint64_t eject_due_us;
	bool stopping, changed;
};

/* A check has ended: notes what it found, judges the shards of the server. */
void watch_note(struct health *h, struct watched *w, const struct check_result *r, uint64_t now_us);
/* All shards again; sets h->changed when something is news. */
void watch_judge_all(struct health *h, uint64_t now_us);
void watch_free(struct watched *w);
/* Looks for replicas out of line, and lets those go on that have been out long enough. */
void watch_eject(struct health *h, uint64_t now_us);
/* Checked as soon as a thread is free. */
void watch_hurry(struct watched *w, uint64_t now_us);

/* --- eject.c: pure --- */

struct eject_view {
	uint64_t latency_us; /* 0: not known */
	bool failing;	     /* more than half of what it was asked lately failed */
	bool serves;	     /* up, and reads may go to it */
	bool ejected;	     /* now */
	bool out_of_line;    /* the answer */
};

/* Which of a shard's replicas are out of line with the others: much slower than the middle one, or failing. */
void eject_judge(struct eject_view *v, uint32_t n);
/* How many of @n serving replicas may be ejected at a time. */
uint32_t eject_room(uint32_t n);

#endif
