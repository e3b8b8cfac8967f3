/* backend/verdict.h - which servers of a shard statements go to now, beside what the map wants. Judged by health/,
 * carried to the workers with the routes, immutable there. Backends are named by their index in the shard. Pure. */
#ifndef KEYWAY_BACKEND_VERDICT_H
#define KEYWAY_BACKEND_VERDICT_H

#include "keyway/cluster/map.h"

#define VERDICT_NONE (-1) /* none now: statements that may wait do */

enum verdict_hold {
	HOLD_NONE,
	HOLD_NO_PRIMARY, /* no server of the shard is known to be writable, or two claim to be */
	HOLD_DRAINING,	 /* an operator moves its traffic away */
};

struct shard_verdict {
	int16_t primary; /* replica set: written to; pair: that of the home side */
	int16_t side[2]; /* pairs: who serves what belongs to that side, by enum pair_side */
	uint8_t hold;	 /* enum verdict_hold: why primary, or one of side, is VERDICT_NONE */
};

/* As the map says, nothing being known of the servers. */
struct shard_verdict verdict_of_map(const struct shard *sh);
bool verdict_eq(const struct shard_verdict *a, const struct shard_verdict *b);

#endif
