/* reads.h - reads from replicas, inside exec: who wants them, which server gets one, what a session has seen. Worker
 * thread. */
#ifndef KEYWAY_EXEC_READS_H
#define KEYWAY_EXEC_READS_H

#include "run.h"

/* --- reads.c --- */

/* Where the statement of @r may read: what its hint, the session's target or the user's default says, READS_PRIMARY
 * when nothing but the primary will do. */
enum reads reads_wanted(struct run *r, const struct scan *scan);
/* Chooses the server of leg @l, whose pool is that of the primary already: another if @want allows it and one can
 * serve. No pool and l->no_replica: none can, and the primary is not to be asked (reads.fallback). */
void reads_route(struct leg *l, const struct keyspace_route *kr, struct shard_route *sr, enum reads want);
/* What is said when none can. */
void reads_refuse(const struct leg *l, struct err *err);
/* The same choice for a leg that its replica has failed; it starts there, and the statement may have ended after this.
 * False: it is the caller's to fail. */
bool reads_elsewhere(struct leg *l);
/* The leg gives up its replica and starts at the primary; the statement may have ended after this. */
void reads_to_primary(struct leg *l);
/* The leg gives back what it has; it may start again later, then it chooses anew. */
void reads_park(struct leg *l);
void reads_resume(struct leg *l);
/* The leg goes to its replica; has been sent; the first of its answer is there; is done with it. */
void reads_begin(struct leg *l);
void reads_answered(struct leg *l);
void reads_end(struct leg *l);
/* In a READ ONLY transaction a shard is read on one server: does a leg want another than the one it began on? */
MUST_CHECK int reads_check_txn(struct run *r, struct err *err);

/* One more; only the worker that @n belongs to. */
void reads_count(atomic_uint_fast64_t *n);

/* Fills in tiers and zones of all replicas anew: the map or the settings have changed. */
void reads_place(struct worker *w);

/* --- causal.c --- */

/* From now on what the session sees is remembered; @seen_before: it may have seen anything until now. */
void causal_begin(struct session *s, bool seen_before);
void causal_free(struct session *s);

/* What the replicas of @sr must be for a read of the session. */
enum causal_way {
	CAUSAL_ANY,	/* nothing is asked of them */
	CAUSAL_SOME,	/* those of *@known have all that it has seen; the others may have it soon */
	CAUSAL_PRIMARY, /* only the primary is known to be as new */
};
/* Bits by place in sr->replicas. @wait: those that are worth waiting for. */
enum causal_way causal_judge(
	struct session *s, const struct keyspace_route *kr, struct shard_route *sr, uint64_t *known, uint64_t *wait);
/* Asks leg @l's replica to wait until it has what the session has seen. */
void causal_wait_send(struct leg *l);
void causal_wait_reply(struct leg *l, uint8_t *p, size_t n, const struct response_event *ev);
/* The leg's statement goes out; its server tells the GTID of a write; the leg ends. Only for causal sessions. */
void causal_sent(struct leg *l);
void causal_gtid(struct leg *l, struct str gtid);
void causal_done(struct leg *l);
/* After the answer of a read that had to go to the primary: how far that one is. */
void causal_collect(struct run *r, struct leg *l);
/* Makes the connection tell GTIDs; nothing when it does. */
void causal_track(struct leg *l);
/* Does the client itself want to hear of GTIDs? */
bool causal_client_tracks(const struct session *s, bool mysql);

#endif
