/* backend/position.h - how far a server has come in the writes that replicate to it, by GTID. Written by health/ after
 * each check, read by any thread. What is known lags behind the server by up to a check's interval: "has it" is
 * certain, "has it not" may be out of date.
 *
 * MariaDB: "0-101-4,2-102-1" (domain-server-sequence, one for each domain; all below it in the domain has been
 * applied). MySQL: "uuid:1-9:12,uuid2:1-3" (a set of intervals). */
#ifndef KEYWAY_BACKEND_POSITION_H
#define KEYWAY_BACKEND_POSITION_H

#include <pthread.h>
#include <stdatomic.h>
#include "keyway/util/str.h"

#define POSITION_DOMAINS  16	      /* of MariaDB that position_has_seq() can answer for */
#define POSITION_TEXT_MAX (64 * 1024) /* longer ones are not kept: nothing is known then */

/* Zeroes are a server of which nothing is known. */
struct position {
	/* slots are taken once and never given to another domain: readers need no lock */
	struct {
		atomic_uint_fast64_t domain_plus_1; /* 0: free */
		atomic_uint_fast64_t seq;
	} domains[POSITION_DOMAINS];
	pthread_mutex_t lock; /* of text and asked_us */
	char *text;	      /* NULL: nothing known */
	uint64_t asked_us;    /* monotonic: when the question for it was sent */
};

void position_init(struct position *p);
void position_destroy(struct position *p);

/* From one thread at a time. @text is copied; empty or too long: nothing is known. @mariadb: which of the two forms.
 * @asked_us: before the question was sent, so that all that could be read on the server by then is in @text. */
void position_set(struct position *p, bool mariadb, struct str text, uint64_t asked_us);

/* Has it applied (MariaDB) number @seq of @domain? Cheap: a few relaxed loads. */
static inline bool position_has_seq(const struct position *p, uint32_t domain, uint64_t seq)
{
	for (unsigned i = 0; i < POSITION_DOMAINS; i++) {
		uint64_t d = atomic_load_explicit(&p->domains[i].domain_plus_1, memory_order_relaxed);

		if (d == (uint64_t)domain + 1)
			return atomic_load_explicit(&p->domains[i].seq, memory_order_relaxed) >= seq;
		if (d == 0)
			return false;
	}
	return false;
}

/* Does it include all of @want (in its own form: a list of MariaDB, or a set of MySQL)? Takes the lock. */
bool position_has(struct position *p, struct str want);
/* A copy for the caller to free, or NULL; when the question was sent, unless @asked_us is NULL. */
char *position_text(struct position *p, uint64_t *asked_us);

/* The same on texts: does @have include all of @want? Pure. False when either cannot be read; an empty @want is
 * included in anything. */
bool position_includes(struct str have, struct str want);
/* The later of two MariaDB positions in each domain, for the caller to free. */
char *position_union(struct str a, struct str b);

#endif
