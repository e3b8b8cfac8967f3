/* exec/underway.h - what a worker still has under way from before the newest map: statements sent or about to be sent,
 * open transactions, pinned sessions. Whoever moves traffic waits until there is nothing. Worker thread. */
#ifndef KEYWAY_EXEC_UNDERWAY_H
#define KEYWAY_EXEC_UNDERWAY_H

#include "keyway/exec/worker.h"

/* Whose statement it is, by the map's rules; where it runs is another matter. */
enum underway_part {
	UNDERWAY_EVEN = 1u << SIDE_EVEN,
	UNDERWAY_ODD = 1u << SIDE_ODD,
	UNDERWAY_PRIMARY = 1u << 2, /* replica sets */
	UNDERWAY_REPLICA = 1u << 3, /* reads of replicas */
};

struct underway {
	const char *keyspace, *shard; /* live as long as the worker */
	uint8_t parts;		      /* bits of enum underway_part */
	uint64_t epoch;		      /* the oldest map that something of it began under */
	uint32_t session;	      /* CONNECTION_ID() */
	uint32_t thread;	      /* on the server; 0: it waits for a connection */
	bool txn, pinned;
};

/* Calls @one for everything that began under an older map of its keyspace than the worker has now. */
void underway_each(struct worker *w, void (*one)(void *arg, const struct underway *u), void *arg);

#endif
