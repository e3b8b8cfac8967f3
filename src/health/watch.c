/* watch.c - what checks mean: the state of a server with hysteresis, the verdicts on its shards, outliers.
 * For health.c.
 * Under health.lock. */
#include "internal.h"
#include "keyway/util/log.h"
#include <stdio.h>
#include <stdlib.h>

#define ERRORS_TO_FAIL 5     /* fewer in an interval say nothing */
#define HURRY_GAP_US   20000 /* between two checks of a server that somebody waits for */

static void busy_untold(void *arg, int fd)
{
	(void)arg;
	(void)fd;
}

void watch_free(struct watched *w)
{
	/* the lock may be held, and nobody is to end this connection but us */
	w->check.busy = busy_untold;
	check_close(&w->check);
	server_unref(w->server);
	free(w->position);
	free(w);
}

void watch_hurry(struct watched *w, uint64_t now_us)
{
	w->due_us = MIN(w->due_us, MAX(now_us, w->ended_us + HURRY_GAP_US));
}

/* --- one server --- */

static void go_up(struct watched *w, uint64_t now_us)
{
	struct server_health *hl = &w->server->health;
	bool first = atomic_load(&hl->state) == SERVER_UNCHECKED;

	atomic_store(&hl->down_us, 0);
	/* one that was up when Keyway started need not be warmed */
	atomic_store(&hl->up_since_us, first ? 0 : now_us);
	atomic_store(&hl->state, SERVER_UP);
	/* workers need not wait out what they held against it */
	atomic_store(&w->server->failures, 0);
	atomic_store(&w->server->next_connect_us, 0);
	if (!first)
		log_info("backend %s is up", w->server->label);
}

static void go_down(struct watched *w, const char *why, uint64_t now_us)
{
	struct server_health *hl = &w->server->health;

	atomic_store(&hl->down_us, now_us);
	atomic_store(&hl->lag_us, SERVER_LAG_UNKNOWN);
	atomic_store(&hl->state, SERVER_DOWN);
	log_warn("backend %s is down after %u failed checks: %s", w->server->label, w->bad, why);
}

/* True when its state has changed. */
static bool note_outcome(struct health *h, struct watched *w, const struct check_result *r, uint64_t now_us)
{
	uint8_t state = atomic_load(&w->server->health.state);

	server_set_why(w->server, r->why);
	if (r->outcome == CHECK_FAILED) {
		w->good = 0;
		w->bad++;
		if (state == SERVER_DOWN || w->bad < h->cfg.down_after)
			return false;
		go_down(w, r->why, now_us);
		return true;
	}
	if (w->bad) {
		/* it had a bad moment, which workers need not hold against it */
		atomic_store(&w->server->failures, 0);
		atomic_store(&w->server->next_connect_us, 0);
	}
	w->bad = 0;
	w->good++;
	if (state == SERVER_UP || (state == SERVER_DOWN && w->good < h->cfg.up_after))
		return false;
	if (r->outcome == CHECK_ALIVE)
		log_warn("backend %s answers, but its state cannot be asked: %s", w->server->label, r->why);
	go_up(w, now_us);
	return true;
}

static uint64_t smooth(uint64_t old, uint64_t new)
{
	return old ? (old * 7 + new) / 8 : new;
}

/* What a good check has found. */
static void note_findings(struct watched *w, const struct check_result *r, uint64_t now_us)
{
	struct server_health *hl = &w->server->health;
	uint8_t writable = r->read_only ? SERVER_READ_ONLY : SERVER_WRITABLE;

	if (writable == SERVER_WRITABLE && atomic_load(&hl->writable) != SERVER_WRITABLE)
		w->writable_us = now_us;
	atomic_store(&hl->writable, writable);
	atomic_store(&hl->lag_us, r->lag_us);
	if (r->rtt_us)
		atomic_store(&hl->rtt_us, smooth(atomic_load(&hl->rtt_us), r->rtt_us));
	free(w->position);
	w->position = xstrdup(r->position);
	w->position_from_us = w->started_us;
	w->position_to_us = now_us;
	position_set(&w->server->position, r->mariadb, str_of(r->position), w->started_us);
	atomic_store(&hl->proven_us, w->started_us);
}

/* --- shards --- */

/* @own has been checked: does it have all that the pair's other side had when that was checked last? */
static void note_applied(struct watched_shard *ws, const struct watched *w)
{
	for (int side = 0; side < 2; side++) {
		const struct watched *own = ws->backends[ws->shard->sides[side]->index];
		const struct watched *other = ws->backends[ws->shard->sides[!side]->index];

		if (own != w || !other || other == own || !own->position || !other->position ||
			own->position_from_us < other->position_to_us)
			continue;
		if (!own->position[0] || !other->position[0]) {
			/* without GTIDs its word is all there is */
			if (atomic_load(&own->server->health.lag_us) == 0)
				ws->applied_us[side] = other->position_from_us;
		} else if (position_includes(str_of(own->position), str_of(other->position))) {
			ws->applied_us[side] = other->position_from_us;
		}
	}
}

static const char *label_of(const struct watched_shard *ws, int16_t i)
{
	if (i == VERDICT_NONE)
		return "none";
	return ws->backends[i] ? ws->backends[i]->server->label : "one without address";
}

static void log_verdict(
	const struct watched_shard *ws, const struct shard_verdict *old, const struct shard_verdict *new)
{
	const struct shard *sh = ws->shard;
	struct str ks = sh->keyspace->name;

	if (new->alarm &&new->alarm != old->alarm)
		log_error("keyspace " STR_FMT " shard " STR_FMT ": %s", STR_ARG(ks), STR_ARG(sh->name),
			verdict_alarm_text[new->alarm]);
	else if (old->alarm && !new->alarm)
		log_info("keyspace " STR_FMT " shard " STR_FMT ": one writable server again", STR_ARG(ks),
			STR_ARG(sh->name));
	if (sh->kind == SHARD_PAIR) {
		for (int side = 0; side < 2; side++) {
			if (new->side[side] != old->side[side])
				log_warn("keyspace " STR_FMT " shard " STR_FMT ": the %s side's statements go to %s, "
					 "before to %s%s%s",
					STR_ARG(ks), STR_ARG(sh->name), side == SIDE_ODD ? "odd" : "even",
					label_of(ws, new->side[side]), label_of(ws, old->side[side]),
					new->hold ? ": " : "", new->hold ? verdict_hold_name[new->hold] : "");
		}
	} else if (new->primary != old->primary) {
		log_warn("keyspace " STR_FMT " shard " STR_FMT ": the primary is %s, before it was %s", STR_ARG(ks),
			STR_ARG(sh->name), label_of(ws, new->primary), label_of(ws, old->primary));
	}
}

static void view_backend(const struct watched_shard *ws, uint32_t i, struct backend_view *v)
{
	const struct watched *w = ws->backends[i];

	*v = (struct backend_view){ .present = w != NULL };
	if (!w)
		return;
	v->state = atomic_load(&w->server->health.state);
	v->writable = atomic_load(&w->server->health.writable);
	v->seen_us = atomic_load(&w->server->health.proven_us);
	v->writable_us = w->writable_us;
	if (ws->shard->kind == SHARD_PAIR)
		v->applied_us = ws->applied_us[ws->shard->backends[i].side];
}

static void judge_shard(struct health *h, struct watched_shard *ws, uint64_t now_us)
{
	struct backend_view views[MAP_BACKENDS_MAX];
	struct shard_verdict old = ws->memory.before;
	struct judgement j;

	for (uint32_t i = 0; i < ws->shard->backend_n; i++)
		view_backend(ws, i, &views[i]);
	j = verdict_judge(ws->shard, views, &ws->memory, now_us);
	if (j.look_at != VERDICT_NONE && ws->backends[j.look_at])
		watch_hurry(ws->backends[j.look_at], now_us);
	if (verdict_eq(&old, &j.verdict))
		return;
	log_verdict(ws, &old, &j.verdict);
	h->changed = true;
}

void watch_judge_all(struct health *h, uint64_t now_us)
{
	for (uint32_t i = 0; i < h->n_shards; i++)
		judge_shard(h, &h->shards[i], now_us);
}

void watch_note(struct health *h, struct watched *w, const struct check_result *r, uint64_t now_us)
{
	if (r->outcome == CHECK_GOOD)
		note_findings(w, r, now_us);
	if (note_outcome(h, w, r, now_us))
		h->changed = true; /* readers look at who is up */
	w->checked = true;
	for (uint32_t i = 0; i < h->n_shards; i++) {
		struct watched_shard *ws = &h->shards[i];

		for (uint32_t b = 0; b < ws->shard->backend_n; b++) {
			if (ws->backends[b] != w)
				continue;
			if (ws->shard->kind == SHARD_PAIR && r->outcome == CHECK_GOOD)
				note_applied(ws, w);
			judge_shard(h, ws, now_us);
			/* a side that returns: first the one that stood in, then itself, as fast as they answer */
			if (ws->memory.before.hold == HOLD_RETURNING && ws->backends[!b])
				watch_hurry(ws->backends[!b], now_us);
			break;
		}
	}
}

/* --- outliers --- */

static void note_failing(struct watched *w)
{
	uint64_t queries = atomic_load(&w->server->health.queries), errors = atomic_load(&w->server->health.errors);
	uint64_t q = queries - w->queries, e = errors - w->errors;

	w->failing = e >= ERRORS_TO_FAIL && e * 2 > q;
	w->queries = queries;
	w->errors = errors;
}

static void eject_in(struct health *h, struct watched_shard *ws, uint64_t now_us)
{
	struct eject_view v[MAP_BACKENDS_MAX];
	uint32_t n = ws->shard->backend_n, n_serving = 0, n_out = 0;

	if (ws->shard->kind != SHARD_REPLICASET)
		return;
	for (uint32_t i = 0; i < n; i++) {
		struct watched *w = ws->backends[i];
		struct server_health *hl = w ? &w->server->health : NULL;

		v[i] = (struct eject_view){ .serves = w && (int16_t)i != ws->memory.before.primary &&
						      ws->shard->backends[i].state == BACKEND_SERVING &&
						      atomic_load(&hl->state) == SERVER_UP };
		if (!v[i].serves)
			continue;
		v[i].latency_us = MAX(atomic_load(&hl->rtt_us), atomic_load(&hl->ewma_us));
		v[i].failing = w->failing;
		v[i].ejected = atomic_load(&hl->ejected);
		n_serving++;
		n_out += v[i].ejected;
	}
	eject_judge(v, n);
	for (uint32_t i = 0; i < n; i++) {
		struct watched *w = ws->backends[i];

		if (!v[i].out_of_line || v[i].ejected || n_out >= eject_room(n_serving))
			continue;
		n_out++;
		w->ejected_until_us = now_us + h->cfg.eject_us;
		atomic_store(&w->server->health.ejected, true);
		h->changed = true;
		log_warn("backend %s is out of line with the other replicas (%s): no reads for %llu ms",
			w->server->label, w->failing ? "it fails" : "it is slow",
			(unsigned long long)(h->cfg.eject_us / 1000));
	}
}

void watch_eject(struct health *h, uint64_t now_us)
{
	for (uint32_t i = 0; i < h->n_all; i++) {
		struct watched *w = h->all[i];

		note_failing(w);
		if (!w->ejected_until_us || now_us < w->ejected_until_us)
			continue;
		/* tried anew, from nothing known */
		w->ejected_until_us = 0;
		atomic_store(&w->server->health.ewma_us, 0);
		atomic_store(&w->server->health.ejected, false);
		h->changed = true;
	}
	for (uint32_t i = 0; h->cfg.eject_us && i < h->n_shards; i++)
		eject_in(h, &h->shards[i], now_us);
}
