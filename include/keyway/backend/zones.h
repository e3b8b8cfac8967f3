/* backend/zones.h - what goes over the borders of zones: statements and bytes for each pair of a proxy's zone and a
 * server's. Pairs are made once and stay until zones_free(); any thread. */
#ifndef KEYWAY_BACKEND_ZONES_H
#define KEYWAY_BACKEND_ZONES_H

#include "keyway/util/str.h"
#include <stdatomic.h>

#define ZONE_PAIRS_MAX 256 /* those beyond it are counted under "" and "" */

struct zone_pair {
	char *from, *to; /* "": not known */
	atomic_uint_fast64_t statements;
	atomic_uint_fast64_t bytes_sent, bytes_got; /* by the proxy */
};

struct zones; /* opaque */

struct zones *zones_new(void);
void zones_free(struct zones *z);

/* Never NULL. */
struct zone_pair *zones_pair(struct zones *z, struct str from, struct str to);

struct zone_traffic {
	const char *from, *to; /* live as long as the struct zones */
	uint64_t statements, bytes_sent, bytes_got;
};

/* Fills in at most @max, in the order in which the pairs came up; returns how many. What the workers counted in the
 * last tenth of a second may be missing. */
uint32_t zones_read(struct zones *z, struct zone_traffic *out, uint32_t max);

#endif
