/* side.h - the steps that move one side's traffic of a pair away and back, for the jobs made of them. Calls block. */
#ifndef KEYWAY_OPS_SIDE_H
#define KEYWAY_OPS_SIDE_H

#include "job.h"

/* Appends the steps for @side. Returns how many. */
uint32_t side_add_drain(struct job_entry *out, enum pair_side side);
uint32_t side_add_restore(struct job_entry *out, enum pair_side side);
/* Whatever became of a drain or restore: @side serves again, with all that was written meanwhile. */
MUST_CHECK int side_bring_back(struct job *j, enum pair_side side, struct err *err);

extern const struct job_kind side_drain_kind, side_restore_kind;

#endif
