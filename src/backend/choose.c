/* choose.c - the choice of a server for a read. For exec's routing of reads to replicas.
 * Pure; a struct chooser belongs to one thread. */
#include "keyway/backend/choose.h"
#include "keyway/util/base.h"

#define PROBE_EVERY	 256	/* picks between two looks at a farther tier */
#define PROBE_AWAY_EVERY 16	/* and at the near one, while reads go past it */
#define HOLD_US		 300000 /* a reason to move must hold for so long */
#define DETOUR_MIN_US	 200	/* a smaller gain is not worth moving for */
#define FORGET		 64	/* comparisons after which a lead or an arrear in share is mostly forgotten */
#define ANYHOW_EVERY	 32	/* picks between two that look at shares alone */
#define LOAD_MAX	 4000000
#define LATENCY_MAX_US	 100000000
#define IDLE_COST	 4
#define LATENCY_MIN_US	 20
#define STRIDE_ONE	 (1u << 20) /* pass of one pick at weight 1 */

static uint64_t next_random(struct chooser *c)
{
	uint64_t z = c->seed += 0x9E3779B97F4A7C15u;

	z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
	z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
	return z ^ (z >> 31);
}

static uint32_t random_below(struct chooser *c, uint32_t n)
{
	return (uint32_t)(((next_random(c) >> 32) * n) >> 32);
}

/* How much of its share a server that has just come up may have: 1 to 1000. */
static uint32_t ramp_of(const struct choose_server *s, const struct choose_limits *lim, uint64_t now)
{
	uint64_t up;

	if (!s->up_since_us || !lim->slow_start_us || now < s->up_since_us)
		return 1000;
	up = now - s->up_since_us;
	if (up >= lim->slow_start_us)
		return 1000;
	return MAX((uint32_t)(up * 1000 / lim->slow_start_us), 50u);
}

/* Over the limit once, a replica has to come well below it. */
static bool is_lagging(struct chooser *c, uint32_t i, const struct choose_server *s, const struct choose_limits *lim)
{
	uint64_t bit = (uint64_t)1 << i;

	if (s->lag_us == UINT64_MAX || (lim->max_lag_us && s->lag_us > lim->max_lag_us))
		c->lagging |= bit;
	else if (!lim->max_lag_us || s->lag_us <= lim->max_lag_us - lim->max_lag_us / 4)
		c->lagging &= ~bit;
	return c->lagging & bit;
}

static uint64_t usable_of(struct chooser *c, const struct choose_server *v, uint32_t n, const struct choose_limits *lim)
{
	uint64_t sound = 0, all = 0;

	for (uint32_t i = 0; i < n; i++) {
		const struct choose_server *s = &v[i];

		if (is_lagging(c, i, s, lim) || s->down || s->skip || !s->weight || s->tier >= CHOOSE_TIERS)
			continue;
		all |= (uint64_t)1 << i;
		if (!s->ejected)
			sound |= (uint64_t)1 << i;
	}
	return sound ? sound : all;
}

/* Of the servers in @set: who is in which tier, and the least typical latency there (0: not known). */
struct tiers {
	uint64_t in[CHOOSE_TIERS], typical_us[CHOOSE_TIERS];
	uint32_t ramp[CHOOSE_TIERS]; /* the highest of its servers */
};

static void tiers_fill(
	struct tiers *t, const struct choose_server *v, uint64_t set, const struct choose_limits *lim, uint64_t now)
{
	*t = (struct tiers){ 0 };
	while (set) {
		uint32_t i = (uint32_t)__builtin_ctzll(set);
		uint8_t at = v[i].tier;

		set &= set - 1;
		t->in[at] |= (uint64_t)1 << i;
		t->ramp[at] = MAX(t->ramp[at], ramp_of(&v[i], lim, now));
		if (v[i].typical_us && (!t->typical_us[at] || v[i].typical_us < t->typical_us[at]))
			t->typical_us[at] = v[i].typical_us;
	}
}

/* The tier beyond @near with servers that answers soonest, as far as is known; @near when there is none. */
static uint8_t far_of(const struct tiers *t, uint8_t near)
{
	uint8_t best = near;

	for (uint8_t i = (uint8_t)(near + 1); i < CHOOSE_TIERS; i++) {
		if (!t->in[i])
			continue;
		if (best == near ||
			(t->typical_us[i] && (!t->typical_us[best] || t->typical_us[i] < t->typical_us[best])))
			best = i;
	}
	return best;
}

/* Away when the near tier has been slower for a while than a far one; back when it has been as fast for a while. */
static void judge_detour(struct chooser *c, uint64_t near_us, uint64_t far_us, uint64_t now)
{
	bool reason;

	if (!near_us || !far_us)
		reason = false;
	else if (c->away)
		reason = near_us <= far_us;
	else
		reason = near_us > far_us + far_us / 4 + DETOUR_MIN_US;
	if (!reason) {
		c->since_us = 0;
	} else if (!c->since_us) {
		c->since_us = now;
	} else if (now - c->since_us >= HOLD_US) {
		c->away = !c->away;
		c->since_us = 0;
	}
}

static uint64_t stride_of(const struct choose_server *s, const struct choose_limits *lim, uint64_t now)
{
	return (uint64_t)STRIDE_ONE * 1000 / ((uint64_t)s->weight * ramp_of(s, lim, now));
}

/* What is under way counts by weight, and little while it is little: one long read must not turn all others away. */
static uint64_t cost_of(const struct choose_server *s, uint64_t latency_us)
{
	uint64_t load = IDLE_COST * 1000 + (uint64_t)s->inflight * 100000 / s->weight;

	return MIN(load, (uint64_t)LOAD_MAX) * MIN(latency_us, (uint64_t)LATENCY_MAX_US);
}

/* Picks that @a is behind its share when it is compared with @b. What is long ago is forgotten. */
static uint64_t behind(struct chooser *c, uint32_t a, uint32_t b, uint64_t stride_a)
{
	uint64_t gap;

	if (c->pass[a] >= c->pass[b])
		return 0;
	gap = c->pass[b] - c->pass[a];
	c->pass[a] += gap / FORGET;
	return gap / stride_a;
}

/* Of two in one tier: the one with clearly less to do; among equals the one that has had less of its share. The further
 * one is behind, the clearer the other must be: latencies of equal servers differ by chance all the time. */
static uint32_t better_of(struct chooser *c, const struct choose_server *v, uint32_t a, uint32_t b,
	const struct choose_limits *lim, uint64_t now)
{
	uint64_t lat_a = v[a].ewma_us, lat_b = v[b].ewma_us, cost_a, cost_b;
	uint64_t behind_a = behind(c, a, b, stride_of(&v[a], lim, now));
	uint64_t behind_b = behind(c, b, a, stride_of(&v[b], lim, now));

	/* one that was never measured is as good as the other */
	lat_a = MAX(lat_a ? lat_a : lat_b, (uint64_t)LATENCY_MIN_US);
	lat_b = MAX(lat_b ? lat_b : lat_a, (uint64_t)LATENCY_MIN_US);
	cost_a = cost_of(&v[a], lat_a);
	cost_b = cost_of(&v[b], lat_b);
	/* now and then whatever it costs, or a server that was slow once would be so for ever */
	if (c->picks % ANYHOW_EVERY) {
		if (cost_b * 16 > cost_a * (24 + MIN(behind_b, (uint64_t)FORGET)))
			return a;
		if (cost_a * 16 > cost_b * (24 + MIN(behind_a, (uint64_t)FORGET)))
			return b;
	}
	return c->pass[a] <= c->pass[b] ? a : b;
}

/* The @k-th server of @set. */
static uint32_t member(uint64_t set, uint32_t k)
{
	while (k--)
		set &= set - 1;
	return (uint32_t)__builtin_ctzll(set);
}

static uint32_t pick_in(
	struct chooser *c, const struct choose_server *v, uint64_t set, const struct choose_limits *lim, uint64_t now)
{
	uint32_t n = (uint32_t)__builtin_popcountll(set), a, b, at;

	if (n == 1)
		return member(set, 0);
	a = random_below(c, n);
	b = random_below(c, n - 1);
	b += b >= a;
	at = better_of(c, v, member(set, a), member(set, b), lim, now);
	c->pass[at] += stride_of(&v[at], lim, now);
	return at;
}

struct choice choose_server(struct chooser *c, const struct choose_server *servers, uint32_t n,
	const struct choose_limits *limits, uint64_t now_us)
{
	uint64_t set = usable_of(c, servers, n, limits);
	struct choice out = { .at = CHOOSE_NONE };
	struct tiers t;
	uint8_t near = 0, far, at;
	bool probe;

	if (!set)
		return out;
	tiers_fill(&t, servers, set, limits, now_us);
	while (!t.in[near])
		near++;
	far = far_of(&t, near);
	if (far == near || near != c->near) {
		/* what was found slow was another tier */
		c->away = false;
		c->since_us = 0;
	}
	c->near = near;
	c->picks++;
	at = near;
	probe = false;
	if (far != near) {
		judge_detour(c, t.typical_us[near], t.typical_us[far], now_us);
		probe = c->picks % (c->away ? PROBE_AWAY_EVERY : PROBE_EVERY) == 0;
		/* a near tier that has just come back takes its reads over little by little */
		if (c->away != probe || (!c->away && t.ramp[near] < 1000 && random_below(c, 1000) >= t.ramp[near]))
			at = far;
	}
	out.at = (int)pick_in(c, servers, t.in[at], limits, now_us);
	out.tier = at;
	out.why = probe ? CHOOSE_PROBE : at == 0 ? CHOOSE_NEAR : CHOOSE_SPILLED;
	return out;
}

void choose_learn(uint64_t *ewma_us, uint64_t *typical_us, uint32_t nth, uint64_t sample_us)
{
	uint64_t typ = *typical_us, avg = *ewma_us, step = typ / 16 + 1;

	sample_us = MAX(sample_us, (uint64_t)1);
	if (nth < CHOOSE_LEARN_FIRST || !typ) {
		*typical_us = typ && nth ? MIN(typ, sample_us) : sample_us;
		*ewma_us = *typical_us;
		return;
	}
	/* one statement that takes long by itself says little of the server; one that is much faster than it should be
	 * says that the server is */
	if (sample_us < avg / 2)
		avg = avg - avg / 4 + sample_us / 4;
	else
		avg = avg - avg / 8 + MIN(sample_us, typ * 2) / 8;
	*ewma_us = MAX(avg, (uint64_t)1);
	if (sample_us > typ)
		*typical_us = MIN(typ + step, sample_us);
	else if (sample_us < typ / 2)
		*typical_us = typ - typ / 4;
	else
		*typical_us = MAX(typ > step ? typ - step : 1, sample_us);
}
