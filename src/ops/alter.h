/* alter.h - ALTER TABLE on one side of a pair after the other, for jobs.c. Calls block. */
#ifndef KEYWAY_OPS_ALTER_H
#define KEYWAY_OPS_ALTER_H

#include "job.h"

extern const struct job_kind side_alter_kind;

/* Refuses what cannot run side by side, before anything is begun. */
MUST_CHECK int alter_check_text(const char *ddl, struct err *err);

#endif
