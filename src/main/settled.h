/* settled.h - tells the store how far this proxy has come with the newest map: which shards still have something under
 * way from before it. A thread of its own, which sleeps unless the map has just changed. */
#ifndef KEYWAY_MAIN_SETTLED_H
#define KEYWAY_MAIN_SETTLED_H

#include "keyway/exec/worker.h"

struct settled; /* opaque */

/* @changed is called from its thread with the JSON object for the member "settled" of the proxy's record:
 * {"shop": {"epoch": 12, "behind": [{"shard": "80-", "part": "odd", "epoch": 11, "n": 3,
 *  "busy": [{"session": 7, "thread": 31, "txn": true, "pinned": false}]}]}}
 * epoch: all workers go by it; behind: but for this; busy: some of n. Borrows @p, whose workers must be running. NULL:
 * no thread. */
struct settled *settled_start(const struct process *p, void (*changed)(void *arg, const char *json), void *arg);
/* The workers have new routes, or will have once they come to it. Any thread; NULL is allowed. */
void settled_wake(struct settled *s);
/* Ends its thread. NULL is allowed. */
void settled_stop(struct settled *s);
/* When the workers are freed, who may hold a question until then. NULL is allowed. */
void settled_free(struct settled *s);

#endif
