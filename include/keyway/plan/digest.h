/* plan/digest.h - what a worker counts of the statements that it runs, by digest and keyspace: outlives plans, which go
 * with every map. One worker's, so plain numbers. Times are microseconds of the loop's clock. Pure. */
#ifndef KEYWAY_PLAN_DIGEST_H
#define KEYWAY_PLAN_DIGEST_H

#include "keyway/util/list.h"
#include "keyway/util/str.h"

#define DIGEST_TEXT_MAX 1024

struct digest {
	uint64_t id[2];
	const char *ks;	   /* name of the keyspace, "" when it has none; own memory */
	const char *route; /* name of the plan's kind, of the last plan made for it; static */
	struct str text;   /* normalised, cut */
	uint64_t runs, errors;
	uint64_t total_us, max_us;
	uint64_t first_us, last_us;
	uint32_t refs;	     /* the table's, and one for each plan that counts here */
	struct list link;    /* inside: in the order of the last plan made */
	struct digest *next; /* inside */
};

struct digest_table;

/* At most @max digests: those that no plan has counted in for longest go first. */
struct digest_table *digest_table_new(uint32_t max);
void digest_table_free(struct digest_table *t); /* digests that plans still hold go with those; NULL is allowed */

/* The entry for a digest in a keyspace, made when it is new; a reference for the caller. */
struct digest *digest_get(struct digest_table *t, const uint64_t id[2], const char *ks, struct str text);
void digest_unref(struct digest *d); /* NULL is allowed */

static inline void digest_count(struct digest *d, bool error, uint64_t began_us, uint64_t now_us)
{
	uint64_t took = now_us > began_us ? now_us - began_us : 0;

	if (!d->runs++)
		d->first_us = began_us;
	d->errors += error;
	d->total_us += took;
	if (took > d->max_us)
		d->max_us = took;
	d->last_us = now_us;
}

typedef void digest_each_fn(const struct digest *d, void *arg);
void digest_each(const struct digest_table *t, digest_each_fn *fn, void *arg);

#endif
