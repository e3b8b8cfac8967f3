/* verdict.c - the verdict that the map alone gives.
 * For health, which judges further, and for main while nothing is known.
 * Pure. */
#include "keyway/backend/verdict.h"

/* A side that is not serving hands its statements over once it is drained; until then they wait. */
static int16_t side_by_map(const struct shard *sh, enum pair_side side, uint8_t *hold)
{
	const struct backend_def *d = sh->sides[side];

	if (d->state == BACKEND_SERVING)
		return (int16_t)d->index;
	if (d->state == BACKEND_DRAINED)
		return (int16_t)sh->sides[!side]->index;
	*hold = HOLD_DRAINING;
	return VERDICT_NONE;
}

struct shard_verdict verdict_of_map(const struct shard *sh)
{
	struct shard_verdict v = { .primary = (int16_t)sh->primary->index, .side = { VERDICT_NONE, VERDICT_NONE } };

	if (sh->kind == SHARD_PAIR) {
		v.side[SIDE_EVEN] = side_by_map(sh, SIDE_EVEN, &v.hold);
		v.side[SIDE_ODD] = side_by_map(sh, SIDE_ODD, &v.hold);
		v.primary = v.side[sh->home];
	}
	return v;
}

bool verdict_eq(const struct shard_verdict *a, const struct shard_verdict *b)
{
	return a->primary == b->primary && a->side[0] == b->side[0] && a->side[1] == b->side[1] && a->hold == b->hold;
}
