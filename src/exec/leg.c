/* leg.c - one shard's part in a statement: a connection, set up as the session wants it, the command, the answer.
 * Worker thread.
 *
 *  NEW -> LEASING -> SETUP -> READY -> SENT -> DONE ;  any -> FAILED
 */
#include "reads.h"
#include <stdio.h>
#include <stdlib.h>

static void leg_setup(struct leg *l);

void leg_lease_end(struct leg *l)
{
	if (l->leasing)
		list_del(&l->wait_link);
	l->leasing = false;
	lease_cancel(&l->lease);
}

void leg_fail(struct leg *l, const struct err *e)
{
	struct run *r = l->run;

	if (l->state == LEG_FAILED)
		return;
	leg_lease_end(l);
	l->err = *e;
	if (l->state != LEG_DONE)
		r->n_open--;
	l->state = LEG_FAILED;
	if (r->answer == ANSWER_ROWS) {
		if (!r->err.kind)
			r->err = *e; /* no row of the others is shown any more */
		forward_next_turn(r);
	}
	run_step(r);
}

/* The connection's state is not known any more: it must not be used again. */
static void leg_discard(struct leg *l)
{
	struct session *s = l->run->s;
	struct part *p;

	if (!l->c)
		return;
	stmt_cursor_gone(s, l->c);
	if (l->was_part || l->begins) {
		p = part_find(s, l->pool, l->ks, l->shard);
		if (p)
			part_remove(s, p);
	}
	pool_discard(l->c);
	l->c = NULL;
}

static void leg_got(struct leg *l, struct bconn *c)
{
	l->c = c;
	c->ops = &leg_ops;
	c->holder = l;
	leg_setup(l);
}

/* In the keyspace `*` a session without a database must not find itself in that of another. */
static struct lease_want leg_want(const struct leg *l)
{
	return (struct lease_want){
		.found_rows = l->run->s->found_rows_cap, .no_database = l->no_db, .hasty = l->replica
	};
}

static void leg_leased(struct lease *lease, struct bconn *c, const struct err *err);

static void leg_lease(struct leg *l)
{
	l->state = LEG_LEASING;
	l->leasing = true;
	list_push_back(&l->run->w->leasing, &l->wait_link);
	pool_lease(l->pool, &l->lease, leg_want(l), leg_leased);
}

/* What any shard can answer need not wait for one that is down. */
static bool leg_elsewhere(struct leg *l)
{
	struct run *r = l->run;
	const struct keyspace_route *kr;

	if (!r->plan || r->plan->kind != PLAN_ANY || r->answer == ANSWER_HELD || r->n_legs != 1)
		return false;
	kr = worker_keyspace(r->w, r->plan->ks);
	if (!kr || ++l->tried >= kr->ks->shard_n)
		return false;
	l->shard = (l->shard + 1) % kr->ks->shard_n;
	l->shard_name = kr->shards[l->shard].name;
	l->db = kr->shards[l->shard].db;
	l->pool = kr->shards[l->shard].primary;
	if (!l->pool)
		return false;
	leg_lease(l);
	return true;
}

/* It can go nowhere, @why. It waits, or the client is told: inside a transaction of which other servers have parts,
 * that all of it is rolled back. */
static void leg_unreachable(struct leg *l, const struct err *why)
{
	struct run *r = l->run;
	struct session *s = r->s;
	struct err err = *why;

	if (hold_leg(l, why, &err))
		return;
	if (r->answer != ANSWER_HELD && (s->txn == TXN_OPEN || s->settings->autocommit_off) && s->n_parts && !s->pins &&
		r->plan && r->plan->kind != PLAN_SESSION) {
		s->txn = TXN_FAILED;
		s->txn_told = true;
		err_set(&err, ERR_BACKEND, ER_LOCK_DEADLOCK, "the transaction was rolled back: %.300s; start it again",
			why->msg);
	}
	leg_fail(l, &err);
}

static void leg_leased(struct lease *lease, struct bconn *c, const struct err *err)
{
	struct leg *l = container_of(lease, struct leg, lease);

	if (l->leasing)
		list_del(&l->wait_link);
	l->leasing = false;
	if (!c) {
		if (reads_elsewhere(l) || leg_elsewhere(l))
			return;
		if (err->kind == ERR_TIMEOUT)
			leg_fail(l, err); /* the server is there, and busy */
		else
			leg_unreachable(l, err);
		return;
	}
	leg_got(l, c);
	run_step(l->run);
}

/* NULL: the map does not have its shard any more. */
static const struct keyspace_route *leg_keyspace(const struct leg *l)
{
	const struct worker *w = l->run->w;

	for (uint32_t k = 0; k < w->routes->snapshot->map->keyspace_n; k++) {
		if (w->keyspaces[k].name == l->ks)
			return l->shard < w->keyspaces[k].ks->shard_n ? &w->keyspaces[k] : NULL;
	}
	return NULL;
}

const struct shard_route *leg_shard(const struct leg *l)
{
	const struct keyspace_route *kr = leg_keyspace(l);

	return kr ? &kr->shards[l->shard] : NULL;
}

struct pool *leg_pool_now(struct leg *l)
{
	const struct keyspace_route *kr = leg_keyspace(l);

	if (l->fixed || !kr)
		return l->fixed ? l->pool : NULL;
	return run_pool_of(kr, l->shard, (enum plan_side)l->side);
}

void leg_reroute(struct leg *l)
{
	const struct keyspace_route *kr = leg_keyspace(l);

	l->pool = leg_pool_now(l);
	if (kr)
		l->epoch = kr->ks->epoch;
}

struct part *leg_part(const struct leg *l)
{
	struct session *s = l->run->s;
	const struct keyspace_route *kr;
	struct part *p = l->pool ? part_find(s, l->pool, l->ks, l->shard) : NULL;
	const struct server *own = NULL;

	if (p || l->fixed)
		return p;
	kr = leg_keyspace(l);
	if (!kr)
		return NULL;
	if (kr->ks->shards[l->shard].kind == SHARD_PAIR)
		own = run_own_side(l->run, kr, l->shard, (enum plan_side)l->side);
	for (uint32_t i = 0; i < s->n_parts; i++) {
		struct part *q = &s->parts[i];

		if (q->ks == l->ks && q->shard == l->shard && q->writes && (q->in_txn || s->pins) &&
			(!own || pool_server(q->pool) == own))
			return q;
	}
	return NULL;
}

/* What its shard lacks. */
static void leg_no_server(struct leg *l)
{
	const struct shard_route *sr = leg_shard(l);
	struct err err;

	if (sr && sr->hold) {
		err_set(&err, ERR_BACKEND, ER_LOCK_WAIT_TIMEOUT,
			"shard %s has no server to write to now (%s): nothing was done; repeat it later", l->shard_name,
			verdict_hold_name[sr->hold]);
		leg_unreachable(l, &err);
		return;
	}
	err_set(&err, ERR_BACKEND, ER_NET_READ_ERROR,
		sr ? "shard %s has no server that can be reached: its host has no address"
		   : "shard %s is no longer in the map: repeat the statement",
		l->shard_name ? l->shard_name : "?");
	leg_fail(l, &err);
}

void leg_start(struct leg *l)
{
	struct session *s = l->run->s;
	struct part *p = s->n_parts ? leg_part(l) : NULL;
	struct bconn *c;

	if (UNLIKELY(!l->pool && !p)) {
		leg_no_server(l);
		return;
	}
	if (p) {
		l->pool = p->pool;
		l->was_part = true;
		p->serves |= l->serves;
		leg_got(l, p->c);
		return;
	}
	if (UNLIKELY(l->replica))
		reads_begin(l);
	c = pool_try(l->pool, leg_want(l));
	if (LIKELY(c != NULL)) {
		leg_got(l, c);
		return;
	}
	leg_lease(l);
}

/* What reads the clock on several shards reads one instant. */
static void leg_stamp(struct leg *l)
{
	struct run *r = l->run;
	struct bconn *c = l->c;
	bool wanted = r->n_legs > 1 && r->plan && (r->plan->flags & PLAN_VOLATILE) && r->answer != ANSWER_HELD &&
		      !settings_get(r->s->settings, STR("timestamp")).p;
	char sql[64];
	int n;

	if (LIKELY(!wanted && !c->stamped))
		return;
	if (!wanted) {
		bconn_query(c, 0, TAG_BEGIN, STR("SET timestamp=DEFAULT"));
		c->stamped = false;
		return;
	}
	if (!r->stamp_us)
		r->stamp_us = clock_wall_us();
	n = snprintf(sql, sizeof(sql), "SET timestamp=%llu.%06u", (unsigned long long)(r->stamp_us / 1000000),
		(unsigned)(r->stamp_us % 1000000));
	bconn_query(c, 0, TAG_BEGIN, str_make(sql, (size_t)n));
	c->stamped = true;
}

static void leg_setup_send(struct leg *l, uint8_t tag, struct str sql)
{
	bconn_query(l->c, 0, tag, sql);
	l->setup_left++;
}

/* Whether this statement begins the session's transaction on the leg's connection. */
static bool leg_must_begin(const struct leg *l)
{
	const struct session *s = l->run->s;
	const struct part *p;

	if (s->txn != TXN_OPEN || l->run->answer == ANSWER_HELD)
		return false;
	if (!l->was_part)
		return true;
	p = part_find((struct session *)(uintptr_t)s, l->pool, l->ks, l->shard);
	return p && !p->in_txn;
}

static void leg_setup(struct leg *l)
{
	struct run *r = l->run;
	struct session *s = r->s;
	struct bconn *c = l->c;
	bool writes_apart;

	l->state = LEG_SETUP;
	leg_stamp(l);
	if (UNLIKELY(l->db && c->db != l->db)) {
		struct buf b = { 0 };

		buf_add_u8(&b, COM_INIT_DB);
		buf_addz(&b, l->db);
		bconn_send_payload(c, RESPONSE_TO_OK, 0, TAG_DB, buf_head(&b), buf_used(&b));
		l->setup_left++;
		buf_free(&b);
	}
	if (UNLIKELY(c->settings != s->settings)) {
		struct buf b = { 0 };

		if (settings_diff(c->settings, s->settings, &b)) {
			leg_setup_send(l, TAG_SETTINGS, str_make((char *)buf_head(&b), buf_used(&b)));
		} else {
			settings_unref(r->w->settings, c->settings);
			c->settings = settings_ref(s->settings);
		}
		buf_free(&b);
	}
	if (UNLIKELY(r->plan && (r->plan->flags & PLAN_LAST_ID))) {
		char sql[64];
		int n = snprintf(sql, sizeof(sql), "SET last_insert_id=%llu", (unsigned long long)s->last_insert_id);

		leg_setup_send(l, TAG_SETUP, str_make(sql, (size_t)n));
	}
	if (UNLIKELY(s->next_txn && s->txn == TXN_NONE && r->answer != ANSWER_HELD))
		leg_setup_send(l, TAG_SETUP, str_of(s->next_txn));
	/* a write over several shards is one: inside a transaction by a savepoint, outside by a transaction of its own
	 */
	writes_apart = r->n_legs > 1 && r->answer == ANSWER_SUM && r->plan && !(r->plan->flags & PLAN_DDL);
	if (leg_must_begin(l)) {
		struct buf b = { 0 };

		for (uint32_t i = 0; txn_begin_text(s, i, &b); i++) {
			bconn_query(c, 0, TAG_BEGIN, str_make((char *)buf_head(&b), buf_used(&b)));
			buf_clear(&b);
		}
		buf_free(&b);
		l->begins = true;
	} else if (writes_apart && s->txn == TXN_NONE && !s->settings->autocommit_off) {
		bconn_query(c, 0, TAG_BEGIN, STR("BEGIN"));
		l->implicit = true;
	}
	if (writes_apart && !l->implicit) {
		bconn_query(c, 0, TAG_BEGIN, STR("SAVEPOINT keyway_statement"));
		l->savepoint = true;
	}
	if (UNLIKELY(l->prepared &&
		     !bconn_stmt_find_for(c, l->prepared, l->db ? l->db : c->db, s->settings->parse_hash))) {
		struct buf b = { 0 };

		buf_add_u8(&b, COM_STMT_PREPARE);
		buf_add_str(&b, l->prepared->text);
		/* after the database and the settings, which its meaning depends on: they are in order */
		bconn_send_payload(c, RESPONSE_TO_PREPARE, 0, TAG_PREPARE, buf_head(&b), buf_used(&b));
		l->setup_left++;
		buf_free(&b);
	}
	if (UNLIKELY(s->causal != NULL) && !l->replica)
		causal_track(l);
	/* the last of all: when it is in vain nothing is left to be answered */
	if (UNLIKELY(l->waits))
		causal_wait_send(l);
	if (LIKELY(l->setup_left == 0))
		l->state = LEG_READY;
}

void leg_query(struct leg *l, struct str sql)
{
	uint8_t seq = 0;
	size_t mark;

	buf_clear(&l->pkt);
	mark = packet_begin(&l->pkt);
	buf_add_u8(&l->pkt, COM_QUERY);
	buf_add_str(&l->pkt, sql);
	packet_end(&l->pkt, mark, &seq);
}

void leg_send(struct leg *l)
{
	struct run *r = l->run;
	struct bconn *c = l->c;

	l->state = LEG_SENT;
	if (UNLIKELY(l->prepared != NULL)) {
		stmt_send_execute(l, bconn_stmt_find(c, l->prepared));
		return;
	}
	if (LIKELY(buf_used(&l->pkt) == 0)) {
		bconn_send(c, r->kind, r->response_flags, TAG_MAIN, r->wire, r->wire_n);
	} else {
		bconn_send(c, r->kind, r->response_flags, TAG_MAIN, buf_head(&l->pkt), buf_used(&l->pkt));
	}
	leg_sent(l);
}

/* The command is out: its answer goes on where the client's last packet ended. */
void leg_sent(struct leg *l)
{
	struct run *r = l->run;

	if (UNLIKELY(l->reading != NULL))
		l->sent_us = clock_mono_us();
	if (UNLIKELY(r->s->causal != NULL))
		causal_sent(l);
	if (r->answer == ANSWER_ROWS && (uint32_t)(l - r->legs) > r->turn)
		stream_read_pause(&l->c->st);
	else if (r->answer == ANSWER_PASS || r->answer == ANSWER_ROWS)
		bconn_answer_seq(l->c, r->s->seq);
}

/* --- what the server says --- */

static void setup_reply(struct leg *l, uint8_t tag, const struct response_event *ev)
{
	struct run *r = l->run;
	struct session *s = r->s;
	struct err e;

	if (ev->type == RESPONSE_ERR) {
		err_from_packet(&e, &ev->u.err);
		if (tag == TAG_PREPARE) {
			if (e.errno_ == ev->u.err.code)
				buf_add(&r->raw_err, ev->payload, ev->payload_n);
			l->setup_left--;
			leg_fail(l, &e);
			return;
		}
		if (tag == TAG_DB) {
			/* the database went away under the session: said as the server says it */
			l->c->db = NULL;
			l->setup_left--;
			leg_fail(l, &e);
			return;
		}
		leg_discard(l);
		leg_fail(l, &e);
		return;
	}
	if (ev->type == RESPONSE_PREPARE_OK && l->prepared)
		bconn_stmt_add(l->c, l->prepared, ev->u.prepare.stmt_id);
	if (!ev->done)
		return;
	if (tag == TAG_DB) {
		l->c->db = l->db;
	} else if (tag == TAG_SETTINGS) {
		settings_unref(r->w->settings, l->c->settings);
		l->c->settings = settings_ref(s->settings);
	}
	if (tag != TAG_BEGIN && --l->setup_left == 0 && l->state == LEG_SETUP) {
		l->state = LEG_READY;
		run_step(r);
	}
}

/* The COMMIT of a write over several shards: its GTID is what the session has seen of the shard. */
static void leg_take_gtid(struct leg *l, struct str track)
{
	struct track_iter it = track_begin(track);
	struct track_entry e;

	while (track_next(&it, &e) == 1) {
		if (e.type == SESSION_TRACK_GTIDS ||
			(e.type == SESSION_TRACK_SYSTEM_VARIABLES && str_eqz(e.name, "last_gtid")))
			causal_gtid(l, e.value);
	}
}

static void step_reply(struct leg *l, const struct response_event *ev)
{
	if (ev->type == RESPONSE_OK && UNLIKELY(ev->u.ok.track.n))
		leg_take_gtid(l, ev->u.ok.track);
	if (ev->type == RESPONSE_ERR && !l->err.kind)
		err_from_packet(&l->err, &ev->u.err);
	if (!ev->done)
		return;
	l->step_done = true;
	run_step(l->run);
}

static void begin_reply(struct leg *l, const struct response_event *ev)
{
	struct err e;

	if (ev->type != RESPONSE_ERR)
		return;
	/* the statement behind it may have run outside the transaction: nobody may build on that */
	err_set(&e, ERR_BACKEND, ER_ERROR_DURING_COMMIT,
		"shard %s could not begin the transaction (" STR_FMT "): whether the statement took effect is unknown",
		l->shard_name, STR_ARG(ev->u.err.msg));
	leg_discard(l);
	leg_fail(l, &e);
}

static void leg_reply(struct bconn *c, uint8_t tag, uint8_t *p, size_t n, const struct response_event *ev)
{
	struct leg *l = c->holder;

	if (LIKELY(tag == TAG_MAIN)) {
		forward_reply(l, p, n, ev);
		return;
	}
	switch (tag) {
	case TAG_BEGIN: begin_reply(l, ev); return;
	case TAG_STEP: step_reply(l, ev); return;
	case TAG_COLLECT: collect_reply(l, p, n, ev); return;
	case TAG_WAIT: causal_wait_reply(l, p, n, ev); return;
	default: setup_reply(l, tag, ev); return;
	}
}

/* --- the server is gone --- */

bool leg_may_retry(const struct leg *l)
{
	const struct run *r = l->run;
	const struct session *s = r->s;

	return !l->retried && !l->was_part && !s->pins && s->txn == TXN_NONE && !s->settings->autocommit_off &&
	       r->plan && (r->plan->flags & PLAN_READ) && !(r->plan->flags & (PLAN_LOCKS | PLAN_CALLS | PLAN_PINS)) &&
	       r->state <= RUN_MAIN && !r->replied && !r->rows_begun &&
	       (!l->c->resp_begun || response_untouched(&l->c->resp)) &&
	       (l->state == LEG_SENT || l->state == LEG_SETUP);
}

static void leg_lost(struct bconn *c, const struct err *why)
{
	struct leg *l = c->holder;
	struct run *r = l->run;
	struct session *s = r->s;
	bool in_txn = l->begins || (l->was_part && (s->txn != TXN_NONE || s->settings->autocommit_off));
	bool torn = l->state == LEG_SENT && l->mid_packet;
	struct part *p;
	struct err e = *why;

	if (leg_may_retry(l) && !torn) {
		l->retried = true;
		l->c = NULL;
		l->setup_left = 0;
		l->begins = l->implicit = l->savepoint = false;
		if (l->state == LEG_SENT)
			run_goto(r, RUN_ACQUIRE);
		if (reads_elsewhere(l))
			return;
		l->state = LEG_NEW;
		leg_reroute(l);
		if (l->pool)
			leg_lease(l);
		else
			leg_no_server(l);
		return;
	}
	if (l->state < LEG_SENT && !l->was_part) {
		/* nothing of the statement was on its way */
		l->c = NULL;
		leg_unreachable(l, why);
		return;
	}
	l->lost = true;
	if (l->was_part || l->begins) {
		p = part_find(s, l->pool, l->ks, l->shard);
		if (p)
			part_remove(s, p);
	}
	if (torn && r->answer != ANSWER_SUM && r->answer != ANSWER_HELD) {
		s->closing = true;
		r->torn = true;
	}
	if (s->pins && l->was_part && !in_txn) {
		s->closing = true; /* what it pinned is gone with it */
	}
	if (r->commits && l->state == LEG_SENT) {
		txn_forget(s);
		err_set(&e, ERR_BACKEND, ER_ERROR_DURING_COMMIT,
			"%.300s; whether the transaction was committed is unknown: look before you repeat it",
			why->msg);
	} else if (in_txn && r->answer != ANSWER_HELD) {
		s->txn = TXN_FAILED;
		s->txn_told = true;
		err_set(&e, ERR_BACKEND, ER_LOCK_DEADLOCK, "the transaction was rolled back: %.300s; start it again",
			why->msg);
	} else if (l->state == LEG_SENT && r->plan && (r->plan->flags & PLAN_WRITE)) {
		err_set(&e, ERR_BACKEND, ER_NET_READ_ERROR,
			"%.300s; whether the statement took effect is unknown: look before you repeat it", why->msg);
	}
	stmt_cursor_gone(s, c);
	l->c = NULL;
	l->step_done = true;
	if (l->state == LEG_DONE && l->err.kind == 0)
		l->err = e;
	leg_fail(l, &e);
}

static void leg_drained(struct bconn *c)
{
	struct leg *l = c->holder;

	if (l->run->infile)
		stream_read_resume(l->run->s->st);
}

const struct bconn_ops leg_ops = { .reply = leg_reply, .lost = leg_lost, .drained = leg_drained };

/* --- afterwards --- */

void leg_park(struct leg *l)
{
	struct bconn *c = l->c;

	leg_lease_end(l);
	l->c = NULL;
	if (c) {
		stream_read_resume(&c->st);
		if (c->n_cmds || c->state == BCONN_CLOSED)
			pool_discard(c);
		else
			pool_release(c, true); /* a BEGIN, a SET TRANSACTION may be on it */
	}
	reads_park(l);
	l->state = LEG_NEW;
	l->setup_left = 0;
	l->was_part = l->begins = l->implicit = l->savepoint = l->lost = l->mid_packet = l->step_done = false;
	l->warnings_taken = l->spoiled = l->in_rows = l->retried = false;
	l->err.kind = 0;
	memset(&l->ok, 0, sizeof(l->ok));
	l->info[0] = '\0';
}

void leg_release(struct leg *l)
{
	struct run *r = l->run;
	struct session *s = r->s;
	struct bconn *c = l->c;
	struct part *p;
	bool in_txn;

	buf_free(&l->pkt);
	leg_lease_end(l);
	if (UNLIKELY(l->replica)) {
		reads_end(l);
		buf_free(&l->wait);
	}
	if (UNLIKELY(l->ran_on != NULL))
		causal_done(l);
	if (l->prepared) {
		ptext_unref(r->w, l->prepared);
		l->prepared = NULL;
	}
	if (!c)
		return;
	l->c = NULL;
	if (UNLIKELY(c->n_cmds || c->state == BCONN_CLOSED)) {
		/* something is still outstanding: stop it there, and never use the connection again */
		if (l->was_part || l->begins) {
			p = part_find(s, l->pool, l->ks, l->shard);
			if (p)
				part_remove(s, p);
		}
		if (c->state != BCONN_CLOSED)
			pool_kill(c, false);
		pool_discard(c);
		return;
	}
	stream_read_resume(&c->st);
	in_txn = (s->txn == TXN_OPEN && (l->begins || l->was_part)) || (c->status & SERVER_STATUS_IN_TRANS);
	if (UNLIKELY(in_txn || s->pins)) {
		p = l->was_part ? part_find(s, l->pool, l->ks, l->shard) : part_add(s, l, c);
		if (p) {
			p->in_txn = in_txn && (p->in_txn || l->begins || (c->status & SERVER_STATUS_IN_TRANS));
			c->ops = &part_ops;
			c->holder = s;
			return;
		}
	}
	if (l->was_part) {
		p = part_find(s, l->pool, l->ks, l->shard);
		if (p)
			part_remove(s, p);
	}
	pool_release(c, l->spoiled);
}
