/* state.h - what ids.c, refill.c and status.c share: allocators, their tags and the ids held.
 *
 * Locks, in the order in which they may be nested: ids.wait_lock (all waiters), tag.lock (the ids of one tag),
 * allocator.lock (endpoint states, tag table, work list). No lock is held during a grab or a callback. */
#ifndef IDS_STATE_H
#define IDS_STATE_H

#include "marks.h"
#include "source.h"
#include <pthread.h>
#include <uthash.h>

#define BACKOFF_MIN_US 50000
#define BACKOFF_MAX_US 5000000
#define DOWN_AFTER     3 /* failures in a row */
#define TIMES_N	       64
#define TAGS_MAX       65536 /* of one allocator: names come from maps */
#define NEVER	       UINT64_MAX

struct endpoint { /* under allocator.lock, but for source, which is the control thread's */
	struct id_source *source;
	enum ids_state state;
	struct backoff backoff; /* could not be reached */
	unsigned bad_row;	/* grabs in a row, of any tag, that went wrong in any way */
	uint64_t grabs, ids, failures, bad_answers;
	uint64_t times_us[TIMES_N]; /* of the last grabs, a ring */
	size_t time_n;
	char last_error[WHY_MAX];
};

struct block {
	uint64_t first;
	uint64_t n; /* 0: used up, swept when it is the oldest */
	uint64_t step;
};

/* Ids given out are cut from the front of blocks; the ring's blocks are in the order of their arrival. */
struct ids_tag {
	struct allocator *alloc;
	UT_hash_handle hh; /* allocator.tags */
	struct list work;  /* allocator.work when it needs ids, else a list of its own; under allocator.lock */
	uint64_t due_us;   /* when the control thread is to look at it; under allocator.lock */

	pthread_mutex_t lock; /* for the rest but what is the control thread's */
	struct block *ring;
	size_t head, used, cap; /* cap is a power of two */
	uint64_t held;		/* ids in the ring */
	uint64_t low;		/* below it more are fetched */
	uint64_t block;		/* ids of a fetch */
	uint64_t run_max;	/* longest run that the allocator gives, as far as known */
	bool poked;		/* the control thread has been told */
	bool failing;		/* no endpoint gives ids for this tag: do not wait for it */
	uint64_t taken, takes, waits, failures;
	uint64_t rate_taken, rate_since_us; /* where the counting of the rate began */
	double rate;			    /* ids per second */
	uint64_t high[IDS_ENDPOINTS_MAX];   /* the largest id known to be given, by endpoint */
	char last_error[WHY_MAX];

	struct list waiters; /* ids.wait_lock */
	size_t waiter_n;     /* ids.wait_lock */

	/* the control thread's */
	struct guard guard;
	struct tag_marks marks;
	struct backoff at[IDS_ENDPOINTS_MAX]; /* refused or badly answered for this tag */
	bool refused[IDS_ENDPOINTS_MAX];
	size_t next_ep;	       /* turns */
	bool filling;	       /* fell below low, not yet full again */
	unsigned urgent_trips; /* in a row */
	uint64_t filled_us;    /* when the last filling began */
	char name[IDS_TAG_MAX + 1];
};

struct allocator {
	struct ids *ids;
	struct alloc_conf conf;
	pthread_t thread;
	bool started;
	pthread_mutex_t lock;
	pthread_cond_t wake; /* monotonic clock */
	bool stop;
	struct endpoint ep[IDS_ENDPOINTS_MAX];
	struct ids_tag *tags; /* uthash */
	struct list work;
	struct marks marks;
	uint64_t random; /* the control thread's: see allocator_random() */
};

struct ids {
	struct allocator *alloc;
	size_t n;
	pthread_mutex_t wait_lock;
	pthread_cond_t wait_wake; /* monotonic clock */
	struct list timers;	  /* waiters by deadline */
	bool stop;		  /* wait_lock */
	pthread_t timer_thread;
	bool timer_started;
};

/* refill.c */
void *refill_main(void *allocator);
/* Has the control thread look at @tag. Called with none of allocator.lock held. */
void refill_poke(struct ids_tag *tag);

/* ids.c */
/* Under tag.lock: IDS_OK with the ids cut out, or IDS_WAIT. */
int tag_cut(struct ids_tag *tag, uint32_t n, struct ids_range *out);
/* Puts the ids in rising order, so that the first is the smallest, as with AUTO_INCREMENT. No lock needed. */
void range_sort(struct ids_range *r);
/* Under tag.lock. */
void tag_add(struct ids_tag *tag, uint64_t first, uint64_t n, uint64_t step);
/* Why there are no ids: takes allocator.lock; tag.lock may be held. */
int tag_error(struct ids_tag *tag, enum err_kind kind, uint32_t n, const char *what, struct err *err);
/* Is @n more than the tag can ever give at once? Under tag.lock. */
bool tag_too_many(const struct ids_tag *tag, uint32_t n);

/* wait.c */
/* Ends the waits of @tag that can be served, or all when it is failing. */
void wait_serve(struct ids_tag *tag);
/* What the tag's waits ask for: sum and largest. */
void wait_wants(struct ids_tag *tag, uint64_t *sum, uint64_t *largest);
void *wait_timer_main(void *ids);
/* Ends all waits of @tag: the daemon stops. */
void wait_end_all(struct ids_tag *tag);

/* xorshift64: proxies that lost the same server should not come back in step. The control thread. */
static inline uint64_t allocator_random(struct allocator *a)
{
	a->random ^= a->random << 13;
	a->random ^= a->random >> 7;
	a->random ^= a->random << 17;
	return a->random;
}

static inline uint64_t endpoint_slowest_us(const struct endpoint *e)
{
	uint64_t max = 0;

	for (size_t i = 0; i < MIN(e->time_n, (size_t)TIMES_N); i++)
		max = MAX(max, e->times_us[i]);
	return max;
}

#endif
