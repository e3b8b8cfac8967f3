/* switchover.h - the primary of a replica set becomes another server, planned; for jobs.c. Calls block. */
#ifndef KEYWAY_OPS_SWITCHOVER_H
#define KEYWAY_OPS_SWITCHOVER_H

#include "job.h"

extern const struct job_kind switchover_kind;

#endif
