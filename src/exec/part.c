/* part.c - the backend connections that a session keeps between statements: participants of its transaction, and those
 * that hold state of its. Worker thread. */
#include "run.h"
#include <stdlib.h>

struct part *part_find(struct session *s, const struct pool *p, const char *ks, uint32_t shard)
{
	for (uint32_t i = 0; i < s->n_parts; i++) {
		struct part *q = &s->parts[i];

		if (q->pool == p && q->ks == ks && q->shard == shard)
			return q;
	}
	return NULL;
}

struct part *part_serving(struct session *s, const char *ks, uint32_t shard, uint8_t serves)
{
	for (uint32_t i = 0; i < s->n_parts; i++) {
		struct part *q = &s->parts[i];

		if (q->ks == ks && q->shard == shard && (q->serves & serves) && (q->in_txn || s->pins))
			return q;
	}
	return NULL;
}

struct part *part_add(struct session *s, struct leg *l, struct bconn *c)
{
	struct part *p;

	if (s->n_parts == s->cap_parts) {
		s->cap_parts = s->cap_parts ? s->cap_parts * 2 : 4;
		s->parts = xrealloc(s->parts, s->cap_parts * sizeof(*s->parts));
	}
	p = &s->parts[s->n_parts++];
	*p = (struct part){ .pool = l->pool,
		.ks = l->ks,
		.shard = l->shard,
		.shard_name = l->shard_name,
		.writes = !l->replica || s->txn != TXN_NONE || s->settings->autocommit_off,
		.s = s,
		.since_us = loop_now_us(s->w->loop),
		.serves = l->serves,
		.epoch = l->epoch };
	p->c = c;
	return p;
}

void part_remove(struct session *s, struct part *p)
{
	*p = s->parts[--s->n_parts];
	if (s->n_parts == 0) {
		free(s->parts);
		s->parts = NULL;
		s->cap_parts = 0;
	}
}

void parts_drop(struct session *s, bool discard)
{
	while (s->n_parts) {
		struct bconn *c = s->parts[s->n_parts - 1].c;

		part_remove(s, &s->parts[s->n_parts - 1]);
		if (discard || c->n_cmds)
			pool_discard(c);
		else
			pool_release(c, true);
	}
}

void parts_release_idle(struct session *s)
{
	for (uint32_t i = s->n_parts; i-- > 0 && !s->pins;) {
		struct bconn *c = s->parts[i].c;

		if (c->holder != s || s->parts[i].in_txn)
			continue;
		part_remove(s, &s->parts[i]);
		pool_release(c, false);
	}
}

/* A kept connection speaks while nothing was asked of it. */
static void part_reply(struct bconn *c, uint8_t tag, uint8_t *p, size_t n, const struct response_event *ev)
{
	(void)c;
	(void)tag;
	(void)p;
	(void)n;
	(void)ev;
}

static void part_lost(struct bconn *c, const struct err *why)
{
	struct session *s = c->holder;

	(void)why;
	for (uint32_t i = 0; i < s->n_parts; i++) {
		if (s->parts[i].c != c)
			continue;
		if (s->parts[i].in_txn && (s->txn == TXN_OPEN || s->settings->autocommit_off))
			s->txn = TXN_FAILED;
		part_remove(s, &s->parts[i]);
		break;
	}
	stmt_cursor_gone(s, c);
	if (s->pins && s->txn != TXN_FAILED) {
		/* temporary tables, locks: the client must not go on as if it still had them */
		s->closing = true;
		if (!s->run)
			s->ops->fatal(s);
	}
}

static void part_drained(struct bconn *c)
{
	(void)c;
}

const struct bconn_ops part_ops = { .reply = part_reply, .lost = part_lost, .drained = part_drained };

bool session_must_hold(const struct session *s)
{
	return s->pins || s->txn != TXN_NONE;
}
