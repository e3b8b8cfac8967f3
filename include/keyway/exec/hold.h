/* exec/hold.h - statements that wait for their shard to have a server, as others see them: numbers for a shard over all
 * workers. Any thread. */
#ifndef KEYWAY_EXEC_HOLD_H
#define KEYWAY_EXEC_HOLD_H

#include <stdatomic.h>
#include "keyway/util/base.h"

/* One for each shard that ever held a statement; lives as long as the process. */
struct hold_gauge {
	struct hold_gauge *next;
	char *keyspace, *shard;
	atomic_uint held;	       /* now */
	atomic_uint_fast64_t since_us; /* monotonic: when the first of those held now, or before them, came; 0: none */
	atomic_uint_fast64_t total;    /* held since start */
	atomic_uint_fast64_t too_late; /* failed for failover.wait */
	atomic_uint_fast64_t too_many; /* failed for failover.queue_max */
};

struct process;

/* The first of all gauges (follow next), or NULL. */
const struct hold_gauge *hold_gauges(const struct process *p);
/* That of a shard, or NULL when nothing was ever held for it. */
const struct hold_gauge *hold_gauge_find(const struct process *p, const char *keyspace, const char *shard);
/* When no worker runs any more. */
void hold_gauges_free(struct process *p);

#endif
