/* server.h - what one server says of itself and of the tables of one database. Inside the topo layer; blocking calls on
 * the control thread. */
#ifndef KEYWAY_TOPO_SERVER_H
#define KEYWAY_TOPO_SERVER_H

#include "keyway/cluster/snapshot.h"
#include "keyway/topo/topo.h"

struct server_reach {
	struct topo_account account;
	uint64_t connect_timeout_us;
	uint64_t read_timeout_us;
	/* Told the socket while it is in use, -1 after: another thread may shut it down to end the calls early. */
	void (*busy)(void *arg, int fd);
	void *busy_arg;
};

/* Reads facts, and the schema of @database unless @schema is NULL. On success both hold one reference. ERR_BACKEND: the
 * server did not answer; ERR_NAME: it has no such database, @facts is set all the same. */
MUST_CHECK int server_read(const struct backend_def *where, struct str database, const struct server_reach *reach,
	struct server_facts **facts, struct schema **schema, struct err *err);

#endif
