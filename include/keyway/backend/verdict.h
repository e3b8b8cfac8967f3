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
	HOLD_RETURNING,	 /* a side that was down takes its traffic back, once it has what was written meanwhile */
};
extern const char *const verdict_hold_name[];

/* What an operator must look at. */
enum verdict_alarm {
	ALARM_NONE,
	ALARM_TWO_WRITABLE,   /* beside the primary another server is writable: it gets no writes */
	ALARM_OTHER_WRITABLE, /* the map's primary is not writable, another server is: the map has to name it */
	ALARM_NO_CHOICE,      /* what is writable must not take over by itself, or several are */
};
extern const char *const verdict_alarm_text[];

struct shard_verdict {
	int16_t primary;   /* replica set: written to; pair: that of the home side */
	int16_t side[2];   /* pairs: who serves what belongs to that side, by enum pair_side */
	uint8_t hold;	   /* enum verdict_hold: why primary, or one of side, is VERDICT_NONE */
	uint8_t alarm;	   /* enum verdict_alarm */
	uint64_t since_us; /* monotonic: as it is now since; not compared */
};

/* As the map says, nothing being known of the servers. */
struct shard_verdict verdict_of_map(const struct shard *sh);
bool verdict_eq(const struct shard_verdict *a, const struct shard_verdict *b);

/* What is known of one server, for the judge. Times are monotonic. */
struct backend_view {
	bool present;	      /* its host has an address */
	uint8_t state;	      /* enum server_state of server.h */
	uint8_t writable;     /* enum server_writable */
	uint64_t seen_us;     /* when the last good check began */
	uint64_t writable_us; /* when the check ended that first found it writable, not having been before */
	uint64_t applied_us;  /* pairs: it has all that the other side had when a check of that began; 0: unknown */
};

/* What the judge remembers of a shard. All zero but before: nothing yet. */
struct verdict_memory {
	struct shard_verdict before;
	uint64_t rivals; /* bits: was writable while another was the primary, and not seen read-only since */
	bool known;	 /* `primary: auto`: last is a server that was judged to be the primary */
	int16_t last;
	uint64_t named_us; /* replica sets: the map has named another primary then; 0: never */
	bool away[2];	   /* pairs: the map has it drained, or had until back_us */
	uint64_t back_us[2];
	bool taken[2];		  /* pairs: the other side serves this one, since it was down */
	uint64_t returning_us[2]; /* pairs: since when statements wait for the side's return; 0: they do not */
	uint64_t retry_us[2];	  /* pairs: the return is not tried before */
};

struct judgement {
	struct shard_verdict verdict;
	int16_t look_at; /* this server must be checked before more can be said; VERDICT_NONE: none */
};

#define VERDICT_RETURN_GRACE_US 200000	/* statements under way on the other side end meanwhile */
#define VERDICT_RETURN_MAX_US	2000000 /* longer than this nobody waits for a side's return */
#define VERDICT_RETURN_PAUSE_US 10000000

/* The verdict on @sh, given a view of each of its backends. Remembers it in @m.
 * Replica set: the map's primary, if it is known to be neither down nor read-only, unless the map drains it; with
 * `primary: auto` the only writable server. A second writable one never takes over while the first lives, nor when it
 * dies: only when the first is read-only, or the map names the second. Pair: each side's own server unless it is down,
 * read-only or drained: then the other. A side that was down takes its traffic back when it has applied what the other
 * wrote meanwhile, statements for it waiting for that moment. What the map puts into office again was read-only until
 * then: it is checked first, and statements wait for that. */
struct judgement verdict_judge(
	const struct shard *sh, const struct backend_view *views, struct verdict_memory *m, uint64_t now_us);

#endif
