/* health/health.h - how the servers fare, found out off the query path, and who is written to because of it.
 *
 * A scheduler thread asks every server of the current routes each interval, and at once when a worker suspects it
 * (server_suspect()); the blocking conversation itself runs on a pool of threads that grows as servers hang, so that a
 * hung server never delays the check of another. What is found goes to struct server_health (server.h) and to
 * server->position; what it means for a shard is judged by backend/verdict.h. When a verdict, or a server's state,
 * changes, @news is called, from the scheduler thread, with nothing locked. */
#ifndef KEYWAY_HEALTH_HEALTH_H
#define KEYWAY_HEALTH_HEALTH_H

#include "keyway/backend/server.h"
#include "keyway/backend/verdict.h"

struct health; /* opaque */

/* Texts may be NULL. Times are in microseconds. */
struct health_config {
	uint64_t interval_us;
	uint64_t timeout_us;			 /* of a check; of its connect in whole seconds, rounded up */
	uint32_t down_after;			 /* failed checks in a row */
	uint32_t up_after;			 /* good checks in a row, for a server that was down */
	uint64_t eject_us;			 /* for so long a replica out of line gets no reads; 0: never */
	const char *heartbeat_table;		 /* "database.table"; NULL: lag is what the replica says of itself */
	const char *heartbeat_column;		 /* a time in UTC, written on the primary; NULL: ts */
	const char *tls_ca, *tls_cert, *tls_key; /* files, for servers with TLS */
};

/* Copies @cfg's texts. @wake_fd: server_directory_wake_fd(), or -1. Threads start here; nothing is watched yet. */
struct health *health_new(const struct health_config *cfg, int wake_fd, void (*news)(void *arg), void *arg);
/* Stops and joins all threads: bounded by the timeout. NULL is allowed. */
void health_free(struct health *h);
/* From now on @cfg. */
void health_configure(struct health *h, const struct health_config *cfg);

/* From now on the servers of @map are watched: @servers[keyspace][shard][backend], NULL where there is no address.
 * References are taken. What is known of a server, and of a shard of the same keyspace and name, carries over.
 * @verdicts[keyspace][shard] is filled with what can be said now. */
void health_watch(struct health *h, const struct map *map, struct server *const *const *const *servers,
	struct shard_verdict **verdicts);
/* The verdicts as they are now, for the map that is watched. */
void health_verdicts(struct health *h, struct shard_verdict **verdicts);

/* Waits until each server has been checked once, or @timeout_us has passed. */
void health_wait_first(struct health *h, uint64_t timeout_us);

#endif
