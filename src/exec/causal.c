/* causal.c - sessions that never see an older state than they have seen: what is remembered of each shard, which
 * replicas are new enough, the wait for one. For reads.c, leg.c and forward.c. Worker thread.
 *
 * What has been seen of a shard is bounded by its floor, a GTID text: a server that has applied the floor has all of
 * it. A write's own GTID covers everything its session saw on the shard before, for servers commit in the order of
 * their binary log. A read has no GTID: until something that is known to cover it joins the floor, only the server that
 * was read (its state does not go back) and the primary will do. docs/reads.md says what this takes for granted. */
#include "reads.h"
#include "keyway/backend/gtid_set.h"
#include <stdio.h>
#include <stdlib.h>

#define NO_WAIT_US 1000000 /* a replica that was waited for in vain is not waited for again so soon */

struct causal_shard {
	const char *ks, *shard; /* interned names */
	uint64_t epoch;
	struct buf floor;
	/* what was seen since and is not in the floor: on one replica, or on the primary (or more than one server) */
	struct server *seen; /* a reference */
	bool seen_primary;
	uint64_t seen_us;	/* monotonic: the last of it */
	struct server *reached; /* a replica that has applied the floor; a reference */
};

struct causal {
	uint64_t since_us; /* it may have seen anything before; 0: nothing */
	uint32_t n, cap;
	struct causal_shard *v;
};

static struct str floor_of(const struct causal_shard *cs)
{
	return str_make((const char *)buf_head(&cs->floor), buf_used(&cs->floor));
}

static void server_put(struct server **at, struct server *s)
{
	if (*at == s)
		return;
	server_unref(*at);
	*at = s ? server_ref(s) : NULL;
}

void causal_begin(struct session *s, bool seen_before)
{
	if (s->causal)
		return;
	s->causal = xcalloc(1, sizeof(*s->causal));
	s->causal->since_us = seen_before ? clock_mono_us() : 0;
}

void causal_free(struct session *s)
{
	struct causal *c = s->causal;

	if (!c)
		return;
	for (uint32_t i = 0; i < c->n; i++) {
		buf_free(&c->v[i].floor);
		server_put(&c->v[i].seen, NULL);
		server_put(&c->v[i].reached, NULL);
	}
	free(c->v);
	free(c);
	s->causal = NULL;
}

static struct causal_shard *shard_find(const struct causal *c, const char *ks, const char *shard)
{
	for (uint32_t i = 0; i < c->n; i++) {
		if (c->v[i].ks == ks && c->v[i].shard == shard)
			return &c->v[i];
	}
	return NULL;
}

/* Anything may have been seen, by now at the latest. */
static void seen_anything(struct causal_shard *cs, uint64_t now)
{
	cs->seen_primary = true;
	cs->seen_us = now;
	server_put(&cs->seen, NULL);
}

static struct causal_shard *shard_get(struct session *s, const struct keyspace_route *kr, const char *shard)
{
	struct causal *c = s->causal;
	struct causal_shard *cs = shard_find(c, kr->name, shard);
	bool moved = false;

	if (cs)
		return cs;
	/* where the keyspace was cut otherwise before, the rows were seen under another name */
	for (uint32_t i = 0; i < c->n; i++)
		moved = moved || (c->v[i].ks == kr->name && c->v[i].epoch != kr->ks->epoch);
	if (c->n == c->cap) {
		c->cap = c->cap ? c->cap * 2 : 2;
		c->v = xrealloc(c->v, c->cap * sizeof(*c->v));
	}
	cs = &c->v[c->n++];
	*cs = (struct causal_shard){ .ks = kr->name, .shard = shard, .epoch = kr->ks->epoch };
	if (moved)
		seen_anything(cs, clock_mono_us());
	else if (c->since_us)
		seen_anything(cs, c->since_us);
	return cs;
}

static struct causal_shard *shard_of_leg(struct leg *l)
{
	struct session *s = l->run->s;
	const struct worker *w = l->run->w;
	struct causal_shard *cs = shard_find(s->causal, l->ks, l->shard_name);

	for (uint32_t k = 0; !cs && k < w->routes->snapshot->map->keyspace_n; k++) {
		if (w->keyspaces[k].name == l->ks)
			cs = shard_get(s, &w->keyspaces[k], l->shard_name);
	}
	return cs;
}

/* --- the floor --- */

/* The floor covers @more too. False: that cannot be written down; the primary's word will have to cover it. */
static bool floor_raise(struct causal_shard *cs, struct str more)
{
	server_put(&cs->reached, NULL);
	if (gtid_set_add(&cs->floor, more) == 0)
		return true;
	buf_clear(&cs->floor);
	seen_anything(cs, clock_mono_us());
	return false;
}

static void seen_covered(struct causal_shard *cs)
{
	cs->seen_primary = false;
	server_put(&cs->seen, NULL);
}

/* Has @server said how far it is since the last read? Then the floor can cover that. */
static bool covered_by(struct causal_shard *cs, struct server *server)
{
	uint64_t asked_us = 0;
	char *text = position_text(&server->position, &asked_us);
	bool covers = text && asked_us > cs->seen_us && floor_raise(cs, str_of(text));

	free(text);
	if (covers)
		seen_covered(cs);
	return covers;
}

enum causal_way causal_judge(
	struct session *s, const struct keyspace_route *kr, struct shard_route *sr, uint64_t *known, uint64_t *wait)
{
	struct causal_shard *cs = shard_get(s, kr, sr->name);
	uint64_t may = UINT64_MAX;

	*known = *wait = 0;
	if ((cs->seen_primary || cs->seen) && sr->primary)
		covered_by(cs, pool_server(sr->primary));
	if (cs->seen)
		covered_by(cs, cs->seen);
	if (cs->seen_primary)
		return CAUSAL_PRIMARY;
	if (cs->seen) {
		may = 0;
		for (uint32_t i = 0; i < sr->n_replicas; i++)
			may |= (uint64_t)(pool_server(sr->replicas[i].pool) == cs->seen) << i;
	} else if (!buf_used(&cs->floor)) {
		return CAUSAL_ANY;
	}
	for (uint32_t i = 0; i < sr->n_replicas; i++) {
		if (!buf_used(&cs->floor) || pool_server(sr->replicas[i].pool) == cs->reached)
			*known |= (uint64_t)1 << i & may;
		else
			*wait |= (uint64_t)1 << i & may;
	}
	/* those that had it at their last check need not be waited for long: the wait is how that becomes certain */
	if (!*known && *wait) {
		uint64_t likely = 0;

		for (uint32_t i = 0; i < sr->n_replicas; i++) {
			struct server *sv = pool_server(sr->replicas[i].pool);

			likely |= (uint64_t)position_has(&sv->position, floor_of(cs)) << i;
		}
		if (*wait & likely)
			*wait &= likely;
	}
	return *known || *wait ? CAUSAL_SOME : CAUSAL_PRIMARY;
}

/* --- the wait --- */

void causal_wait_send(struct leg *l)
{
	struct causal_shard *cs = shard_of_leg(l);
	struct buf b = { 0 };
	double seconds = (double)l->run->w->cfg->causal_wait_us / 1e6;

	/* printed by gtid_set.c: nothing in it needs quoting */
	buf_addf(&b, "SELECT %s('" STR_FMT "',%.3f)", l->c->mariadb ? "MASTER_GTID_WAIT" : "WAIT_FOR_EXECUTED_GTID_SET",
		STR_ARG(floor_of(cs)), seconds);
	bconn_query(l->c, RESPONSE_WANT_COLUMNS | RESPONSE_WANT_COLUMNS_END, TAG_WAIT,
		str_make((char *)buf_head(&b), buf_used(&b)));
	buf_free(&b);
	buf_clear(&l->wait);
	l->setup_left++;
}

/* The only field of the only row is 0. */
static bool wait_reached(struct leg *l)
{
	struct buf *b = &l->wait;
	struct rd rd;
	struct str f;

	if (buf_used(b) < PACKET_HEADER || buf_used(b) != PACKET_HEADER + get_u24(buf_head(b)))
		return false;
	rd = rd_make(buf_head(b) + PACKET_HEADER, buf_used(b) - PACKET_HEADER);
	f = rd_field(&rd);
	return !rd.bad && rd.p == rd.end && str_eqz(f, "0");
}

static void wait_in_vain(struct leg *l)
{
	struct run *r = l->run;
	struct bconn *c = l->c;
	const struct keyspace_route *kr = r->plan ? worker_keyspace(r->w, r->plan->ks) : NULL;

	for (uint32_t i = 0; kr && i < kr->shards[l->shard].n_replicas; i++) {
		struct replica_route *rr = &kr->shards[l->shard].replicas[i];

		if (rr->pool == l->pool)
			rr->no_wait_until_us = clock_mono_us() + NO_WAIT_US;
	}
	reads_count(&r->w->reads.causal_late);
	l->c = NULL;
	pool_release(c, l->begins || c->stamped);
	reads_to_primary(l);
}

void causal_wait_reply(struct leg *l, uint8_t *p, size_t n, const struct response_event *ev)
{
	struct causal_shard *cs;
	bool reached;

	switch (ev->type) {
	case RESPONSE_COLUMN:
	case RESPONSE_COLUMN_COUNT:
	case RESPONSE_COLUMNS_END: buf_clear(&l->wait); return;
	default:
		if (buf_used(&l->wait) + n < 256)
			buf_add(&l->wait, p, n - ev->packet_n);
		break;
	}
	if (!ev->done)
		return;
	reached = ev->type != RESPONSE_ERR && wait_reached(l);
	buf_free(&l->wait);
	l->setup_left--;
	if (l->state != LEG_SETUP)
		return;
	if (!reached) {
		wait_in_vain(l);
		return;
	}
	cs = shard_of_leg(l);
	if (cs)
		server_put(&cs->reached, pool_server(l->pool));
	reads_count(&l->run->w->reads.causal_waited);
	if (l->setup_left == 0) {
		l->state = LEG_READY;
		run_step(l->run);
	}
}

/* --- what servers tell --- */

void causal_track(struct leg *l)
{
	struct bconn *c = l->c;

	if (LIKELY(c->tracks_gtid))
		return;
	c->tracks_gtid = true;
	bconn_query(c, 0, TAG_SETUP,
		c->mariadb ? STR("SET SESSION session_track_system_variables="
				 "IF(@@session.session_track_system_variables='*','*',CONCAT_WS(',',"
				 "NULLIF(@@session.session_track_system_variables,''),'last_gtid'))")
			   : STR("SET SESSION session_track_gtids=OWN_GTID"));
	l->setup_left++;
}

bool causal_client_tracks(const struct session *s, bool mysql)
{
	struct str v;

	if (mysql)
		return settings_get(s->settings, STR("session_track_gtids")).p != NULL;
	v = settings_get(s->settings, STR("session_track_system_variables"));
	return v.n && (memchr(v.p, '*', v.n) || memmem(v.p, v.n, "last_gtid", 9));
}

void causal_sent(struct leg *l)
{
	server_put(&l->ran_on, pool_server(l->pool));
}

/* Is the primary written to in one GTID domain only? With several their order is not known. */
static bool one_source(struct server *primary)
{
	char *text = position_text(&primary->position, NULL);
	bool one = !text || gtid_set_is_mysql(str_of(text)) || gtid_set_sources(str_of(text)) <= 1;

	free(text);
	return one;
}

void causal_gtid(struct leg *l, struct str gtid)
{
	struct causal_shard *cs = l->ran_on && gtid.n ? shard_of_leg(l) : NULL;

	if (!cs || !floor_raise(cs, gtid) || !one_source(l->ran_on))
		return;
	seen_covered(cs);
	l->covered = true;
}

/* May the leg have read rows? */
static bool leg_reads(const struct leg *l)
{
	const struct run *r = l->run;

	if (!r->plan || r->com == COM_STMT_PREPARE || r->verb == SCAN_SHOW || r->verb == SCAN_USE)
		return false;
	return r->plan->kind != PLAN_SESSION || r->reads_rows;
}

static bool is_replica(const struct leg *l)
{
	const struct worker *w = l->run->w;

	for (uint32_t k = 0; k < w->routes->snapshot->map->keyspace_n; k++) {
		const struct keyspace_route *kr = &w->keyspaces[k];

		for (uint32_t i = 0; kr->name == l->ks && i < kr->ks->shard_n; i++) {
			const struct shard_route *sr = &kr->shards[i];

			for (uint32_t b = 0; sr->name == l->shard_name && b < sr->n_replicas; b++) {
				if (pool_server(sr->replicas[b].pool) == l->ran_on)
					return true;
			}
		}
	}
	return false;
}

void causal_done(struct leg *l)
{
	const struct run *r = l->run;
	struct causal_shard *cs = shard_of_leg(l);
	bool covered = l->covered && !(r->plan && (r->plan->flags & PLAN_CALLS));
	uint64_t now = clock_mono_us();

	if (cs && leg_reads(l) && !covered) {
		if (!is_replica(l) || cs->seen_primary || (cs->seen && cs->seen != l->ran_on)) {
			seen_anything(cs, now);
		} else {
			server_put(&cs->seen, l->ran_on);
			cs->seen_us = now;
		}
	}
	server_put(&l->ran_on, NULL);
}

static void position_collected(struct run *r, struct collect *c)
{
	struct leg *l = &r->legs[0];
	struct causal_shard *cs = l->ran_on ? shard_of_leg(l) : NULL;

	if (!cs || c->n_rows != 1 || !c->rows[0][0].p || !floor_raise(cs, c->rows[0][0]))
		return;
	seen_covered(cs);
	l->covered = true;
}

void causal_collect(struct run *r, struct leg *l)
{
	collect_start(l, l->c->mariadb ? STR("SELECT @@global.gtid_current_pos") : STR("SELECT @@global.gtid_executed"),
		collect_new(&r->arena, position_collected, 1));
}
