/* verdict.c - which server of a shard is written to, from the map and what is known of the servers.
 * For health, which judges at every news, and for main while nothing is known.
 * Pure. */
#include "keyway/backend/verdict.h"
#include "keyway/backend/server.h"

const char *const verdict_hold_name[] = {
	[HOLD_NONE] = "none",
	[HOLD_NO_PRIMARY] = "no primary",
	[HOLD_DRAINING] = "draining",
	[HOLD_RETURNING] = "returning",
};

const char *const verdict_alarm_text[] = {
	[ALARM_NONE] = "",
	[ALARM_TWO_WRITABLE] = "two servers are writable: set read_only=1 on the one that is not the primary",
	[ALARM_OTHER_WRITABLE] = "the map's primary is not writable and another server is: name that one in the map, "
				 "or set read_only=1 on it",
	[ALARM_NO_CHOICE] = "what is writable was so beside the primary before, or several servers are: set "
			    "read_only=1 on all but the one to go on with, or name it in the map",
};

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
	} else if (sh->primary->state == BACKEND_DRAINING) {
		v.primary = VERDICT_NONE;
		v.hold = HOLD_DRAINING;
	}
	return v;
}

bool verdict_eq(const struct shard_verdict *a, const struct shard_verdict *b)
{
	return a->primary == b->primary && a->side[0] == b->side[0] && a->side[1] == b->side[1] && a->hold == b->hold &&
	       a->alarm == b->alarm;
}

/* --- what is known of one server --- */

static uint64_t bit(int i)
{
	return (uint64_t)1 << i;
}

/* A server without an address is left to the statement, whose error says so. */
static bool may_write(const struct backend_view *b)
{
	return !b->present || b->state == SERVER_UNCHECKED ||
	       (b->state == SERVER_UP && b->writable != SERVER_READ_ONLY);
}

static bool is_writable(const struct backend_view *b)
{
	return b->present && b->state == SERVER_UP && b->writable == SERVER_WRITABLE;
}

static bool is_demoted(const struct backend_view *b)
{
	return b->present && b->state == SERVER_UP && b->writable == SERVER_READ_ONLY;
}

static uint64_t all_writable(const struct shard *sh, const struct backend_view *views)
{
	uint64_t set = 0;

	for (uint32_t i = 0; i < sh->backend_n; i++)
		set |= is_writable(&views[i]) ? bit((int)i) : 0;
	return set;
}

static int16_t only_one(uint64_t set)
{
	return set && !(set & (set - 1)) ? (int16_t)__builtin_ctzll(set) : VERDICT_NONE;
}

/* Those of @others that are writable beside @p for certain: it was so before and after they were found to be. The
 * checks of two servers are not made at one moment, and a switchover may have come between. */
static uint64_t proven_rivals(
	const struct shard *sh, const struct backend_view *views, int16_t p, uint64_t others, struct judgement *j)
{
	uint64_t proven = 0;

	for (uint32_t i = 0; i < sh->backend_n; i++) {
		if (!(others & bit((int)i)))
			continue;
		if (views[p].seen_us > views[i].writable_us)
			proven |= bit((int)i);
		else
			j->look_at = p;
	}
	return proven;
}

/* --- replica sets --- */

static void judge_map_primary(
	const struct shard *sh, const struct backend_view *views, const struct verdict_memory *m, struct judgement *j)
{
	int16_t p = (int16_t)sh->primary->index;
	uint64_t others = all_writable(sh, views) & ~bit(p);

	if (may_write(&views[p])) {
		j->verdict.primary = p;
		if (is_writable(&views[p]) && proven_rivals(sh, views, p, others, j))
			j->verdict.alarm = ALARM_TWO_WRITABLE;
		return;
	}
	j->verdict.hold = HOLD_NO_PRIMARY;
	if (is_demoted(&views[p]) && m->named_us && views[p].seen_us <= m->named_us)
		j->look_at = p; /* it was a replica when it was looked at */
	else if (others)
		j->verdict.alarm = ALARM_OTHER_WRITABLE;
}

/* An operator moves the primary's traffic to another: statements wait. */
static void judge_draining(const struct shard *sh, struct judgement *j)
{
	int16_t p = j->verdict.primary;

	if (p == VERDICT_NONE || sh->backends[p].state != BACKEND_DRAINING)
		return;
	j->verdict.primary = VERDICT_NONE;
	j->verdict.hold = HOLD_DRAINING;
}

/* Nothing says which one was the primary. */
static int16_t choose_first(const struct shard *sh, const struct backend_view *views, uint64_t set, int16_t named)
{
	if (set == 0 && views[sh->primary->index].state == SERVER_UNCHECKED)
		return (int16_t)sh->primary->index;
	if (named != VERDICT_NONE && (set & bit(named)))
		return named;
	for (uint32_t i = 0; i < sh->backend_n; i++) {
		/* it may be the real one */
		if (views[i].present && views[i].state == SERVER_UNCHECKED)
			return i == sh->primary->index ? (int16_t)i : VERDICT_NONE;
	}
	return only_one(set);
}

static void judge_auto(
	const struct shard *sh, const struct backend_view *views, struct verdict_memory *m, struct judgement *j)
{
	int16_t named = sh->primary->role == BACKEND_PRIMARY ? (int16_t)sh->primary->index : VERDICT_NONE;
	int16_t q = m->known ? m->last : VERDICT_NONE, to;
	uint64_t set = all_writable(sh, views), free_ones, rivals;

	for (uint32_t i = 0; i < sh->backend_n; i++) {
		if (is_demoted(&views[i]))
			m->rivals &= ~bit((int)i);
	}
	free_ones = set & ~m->rivals;
	if (named != VERDICT_NONE)
		free_ones |= set & bit(named);
	if (q == VERDICT_NONE) {
		to = choose_first(sh, views, free_ones, named);
	} else if (views[q].state == SERVER_UNCHECKED) {
		to = q;
	} else if (set & bit(q)) {
		to = q;
	} else if (is_demoted(&views[q])) {
		/* taken out of office by somebody: whoever is writable now is meant */
		to = only_one(set) != VERDICT_NONE ? only_one(set) : only_one(free_ones);
	} else if (views[q].state == SERVER_UP) {
		to = q; /* it cannot be asked at the moment, but it answers */
	} else {
		to = only_one(free_ones);
		if (to == VERDICT_NONE && named != VERDICT_NONE && (free_ones & bit(named)))
			to = named;
	}
	j->verdict.primary = to;
	if (to == VERDICT_NONE) {
		j->verdict.hold = HOLD_NO_PRIMARY;
		if (set)
			j->verdict.alarm = ALARM_NO_CHOICE;
		return;
	}
	m->rivals &= ~bit(to);
	rivals = is_writable(&views[to]) ? proven_rivals(sh, views, to, set & ~bit(to), j) : 0;
	m->rivals |= rivals;
	if (rivals)
		j->verdict.alarm = ALARM_TWO_WRITABLE;
	if (views[to].state != SERVER_UNCHECKED) {
		m->known = true;
		m->last = to;
	}
}

/* --- pairs --- */

/* The side's own server serves again after the other stood in: not before it has what the other wrote. */
static int16_t come_back(struct verdict_memory *m, const struct backend_view *own, enum pair_side side,
	int16_t own_index, int16_t other_index, uint64_t now_us, struct judgement *j)
{
	uint64_t since = m->returning_us[side];

	if (!since) {
		/* near enough for a short wait, by what the last checks saw? */
		if (!own->applied_us || now_us < m->retry_us[side] ||
			now_us - own->applied_us > 3 * VERDICT_RETURN_MAX_US)
			return other_index;
		m->returning_us[side] = since = now_us;
	}
	if (own->applied_us >= since + VERDICT_RETURN_GRACE_US) {
		m->taken[side] = false;
		m->returning_us[side] = 0;
		return own_index;
	}
	if (now_us - since > VERDICT_RETURN_MAX_US) {
		m->returning_us[side] = 0;
		m->retry_us[side] = now_us + VERDICT_RETURN_PAUSE_US;
		return other_index;
	}
	j->look_at = other_index; /* then the own one */
	j->verdict.hold = HOLD_RETURNING;
	return VERDICT_NONE;
}

/* The map lets a side serve again: what is known of it is from before, when it was read-only. Until it has been looked
 * at, neither it nor the other side is right. */
static bool still_away(struct verdict_memory *m, const struct backend_view *own, enum pair_side side, uint64_t now_us)
{
	if (!m->back_us[side])
		m->back_us[side] = now_us;
	m->away[side] = own->present && own->state == SERVER_UP && own->seen_us <= m->back_us[side] &&
			own->writable != SERVER_WRITABLE;
	return m->away[side];
}

static int16_t judge_side(const struct shard *sh, const struct backend_view *views, enum pair_side side,
	struct verdict_memory *m, uint64_t now_us, struct judgement *j)
{
	const struct backend_def *own = sh->sides[side], *other = sh->sides[!side];
	int16_t o = (int16_t)own->index, t = (int16_t)other->index;
	/* a drained server is away on purpose, and may be in any state */
	bool other_serves = other->state == BACKEND_SERVING && may_write(&views[t]) && views[t].present;

	if (own->state != BACKEND_SERVING) {
		m->away[side] = true;
		m->back_us[side] = 0;
	} else if (m->away[side] && still_away(m, &views[o], side, now_us)) {
		j->look_at = o;
		j->verdict.hold = HOLD_RETURNING;
		return VERDICT_NONE;
	}
	if (own->state == BACKEND_DRAINING) {
		if (m->taken[side] && other_serves)
			return t; /* it has no traffic to move */
		j->verdict.hold = HOLD_DRAINING;
		return VERDICT_NONE;
	}
	if (own->state == BACKEND_DRAINED) {
		m->taken[side] = false;
		m->returning_us[side] = 0;
		if (other_serves)
			return t;
		j->verdict.hold = HOLD_NO_PRIMARY;
		return VERDICT_NONE;
	}
	if (may_write(&views[o])) {
		if (!m->taken[side])
			return o;
		if (other_serves)
			return come_back(m, &views[o], side, o, t, now_us, j);
		m->taken[side] = false;
		m->returning_us[side] = 0;
		return o;
	}
	m->returning_us[side] = 0;
	if (other_serves) {
		m->taken[side] = true;
		return t;
	}
	j->verdict.hold = HOLD_NO_PRIMARY;
	return VERDICT_NONE;
}

struct judgement verdict_judge(
	const struct shard *sh, const struct backend_view *views, struct verdict_memory *m, uint64_t now_us)
{
	struct judgement j = { .verdict = { .primary = VERDICT_NONE, .side = { VERDICT_NONE, VERDICT_NONE } },
		.look_at = VERDICT_NONE };

	if (sh->kind == SHARD_PAIR) {
		j.verdict.side[SIDE_EVEN] = judge_side(sh, views, SIDE_EVEN, m, now_us, &j);
		j.verdict.side[SIDE_ODD] = judge_side(sh, views, SIDE_ODD, m, now_us, &j);
		j.verdict.primary = j.verdict.side[sh->home];
	} else if (sh->primary_auto) {
		judge_auto(sh, views, m, &j);
		judge_draining(sh, &j);
	} else {
		judge_map_primary(sh, views, m, &j);
		judge_draining(sh, &j);
	}
	j.verdict.since_us = verdict_eq(&j.verdict, &m->before) ? m->before.since_us : now_us;
	m->before = j.verdict;
	return j;
}
