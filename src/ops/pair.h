/* pair.h - both sides of one pair, each with a connection of the operator's. Calls block. */
#ifndef KEYWAY_OPS_PAIR_H
#define KEYWAY_OPS_PAIR_H

#include "db.h"

struct pair {
	const struct ops *ops;
	const struct shard *shard;
	struct db side[2]; /* by enum pair_side */
};

const char *side_name(enum pair_side side);
/* Connects to both. @shard has to outlive it. ERR_NAME: it is no pair. */
MUST_CHECK int pair_open(
	struct pair *p, const struct ops *o, const struct shard *shard, unsigned read_s, struct err *err);
void pair_close(struct pair *p);
/* How far @side has written, but for what the other side itself has: that reaches the other by no replication. */
MUST_CHECK int pair_position(struct pair *p, enum pair_side side, struct gtid_list *out, struct err *err);
/* Until each side has applied what the other had written when this was called. 1: not within @timeout_us. */
MUST_CHECK int pair_catch_up(struct pair *p, uint64_t timeout_us, struct err *err);
/* Replication runs both ways, by GTID, in two domains. */
MUST_CHECK int pair_check(struct pair *p, struct err *err);

#endif
