/* backend/choose.h - which of several servers with the same rows a read goes to: the nearest tier that can serve, in it
 * the less busy of two random picks, and further away only when the near servers are gone, too far behind, or slower
 * than the way to the far ones. One struct chooser per shard and worker, all zero but for its seed; what is known of
 * the servers is handed in at each choice, always in the same order. Times in microseconds, monotonic. Pure. */
#ifndef KEYWAY_BACKEND_CHOOSE_H
#define KEYWAY_BACKEND_CHOOSE_H

#include <stdbool.h>
#include <stdint.h>

#define CHOOSE_MAX   64
#define CHOOSE_TIERS 3
#define CHOOSE_NONE  (-1)

struct choose_server {
	uint8_t tier; /* 0: the nearest; CHOOSE_TIERS and above: never */
	bool down;    /* not to be used at all */
	bool ejected; /* only when nothing else can be */
	bool skip;    /* has been tried for this read */
	uint16_t weight;
	uint32_t inflight;    /* reads under way, all workers */
	uint64_t ewma_us;     /* their smoothed latency; 0: not known */
	uint64_t typical_us;  /* about the median; 0: not known */
	uint64_t lag_us;      /* UINT64_MAX: not replicating */
	uint64_t up_since_us; /* 0: always */
};

struct choose_limits {
	uint64_t max_lag_us;	/* 0: none */
	uint64_t slow_start_us; /* a server that comes back gets its full share after this; 0: at once */
};

struct chooser {
	uint64_t seed;
	uint64_t pass[CHOOSE_MAX]; /* share that each has had, by weight */
	uint64_t lagging;	   /* bits: over max_lag, until well below it */
	uint64_t since_us;	   /* a reason to move to the far tier, or back, has held since; 0: there is none */
	uint32_t picks;
	uint8_t near; /* the nearest tier that could serve at the last choice */
	bool away;    /* the near tier is slower than a far one */
};

enum choose_why {
	CHOOSE_NEAR,	/* the nearest tier of all */
	CHOOSE_SPILLED, /* a further one: the nearer cannot serve or is slower */
	CHOOSE_PROBE,	/* once in a while the other tier's latency has to be known */
};

struct choice {
	int at; /* index; CHOOSE_NONE: no server can be used */
	uint8_t tier;
	uint8_t why; /* enum choose_why */
};

/* @n <= CHOOSE_MAX. */
struct choice choose_server(struct chooser *c, const struct choose_server *servers, uint32_t n,
	const struct choose_limits *limits, uint64_t now_us);

#define CHOOSE_LEARN_FIRST \
	8 /* samples before a server's ewma_us says more of it than of cold caches: until then hand 0 in */

/* A read, which is number @nth from 0, took @sample_us until its first byte: the new values of ewma_us and typical_us.
 */
void choose_learn(uint64_t *ewma_us, uint64_t *typical_us, uint32_t nth, uint64_t sample_us);

#endif
