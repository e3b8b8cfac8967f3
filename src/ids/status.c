/* status.c - what the allocators hold and how their endpoints are; and an operator's word that one is right again.
 * For SHOW KEYWAY ALLOCATORS and metrics.
 * Any thread. */
#include "state.h"

static void endpoint_status(const struct allocator *a, size_t i, struct arena *mem, struct ids_endpoint_status *out)
{
	const struct endpoint *e = &a->ep[i];
	uint64_t now = clock_mono_us();

	out->name = arena_printf(mem, "%s", a->conf.ep[i].name);
	out->state = e->state;
	out->grabs = e->grabs;
	out->ids = e->ids;
	out->failures = e->failures;
	out->bad_answers = e->bad_answers;
	out->retry_us = e->backoff.next_us > now ? e->backoff.next_us - now : 0;
	out->slowest_us = endpoint_slowest_us(e);
	out->last_error = arena_printf(mem, "%s", e->last_error);
}

static void tag_status(struct ids_tag *t, struct arena *mem, struct ids_tag_status *out)
{
	uint64_t since;
	double rate;

	pthread_mutex_lock(&t->lock);
	since = clock_mono_us() - t->rate_since_us;
	/* a rate that was measured long ago says little */
	rate = t->rate_since_us && since > 10000000 ? (double)(t->taken - t->rate_taken) * 1e6 / (double)since
						    : t->rate;
	out->name = arena_printf(mem, "%s", t->name);
	for (size_t i = 0; i < t->used; i++)
		out->blocks += t->ring[(t->head + i) & (t->cap - 1)].n > 0;
	out->ids = t->held;
	out->block = t->block;
	out->taken = t->taken;
	out->takes = t->takes;
	out->waits = t->waits;
	out->failures = t->failures;
	out->rate_per_s = (uint64_t)rate;
	out->left_us = rate > 0 ? (uint64_t)((double)t->held * 1e6 / rate) : UINT64_MAX;
	for (size_t i = 0; i < t->alloc->conf.ep_n; i++) {
		out->high_of[i] = t->high[i];
		out->high = MAX(out->high, t->high[i]);
	}
	out->last_error = arena_printf(mem, "%s", t->last_error);
	pthread_mutex_unlock(&t->lock);
}

/* Under allocator.lock. */
static const char *marks_error(const struct allocator *a, struct arena *mem)
{
	for (size_t i = MARKS_PLACES_MAX; i-- > 0;) {
		if (a->marks.home[i].error[0])
			return arena_printf(mem, "%s", a->marks.home[i].error);
	}
	return "";
}

static void allocator_status(struct ids *ids, struct allocator *a, struct arena *mem, struct ids_allocator_status *out)
{
	struct ids_tag **tags, *t, *next;

	out->name = arena_printf(mem, "%s", a->conf.name);
	out->kind = a->conf.kind;
	out->form = a->conf.form;
	out->marks = (enum ids_marks)(
		(a->marks.home[MARKS_LOCAL].kv != NULL) | (a->marks.home[MARKS_SHARED].kv != NULL) << 1);
	out->endpoint_n = a->conf.ep_n;
	out->endpoints = arena_array(mem, struct ids_endpoint_status, a->conf.ep_n);
	pthread_mutex_lock(&a->lock);
	out->marks_error = marks_error(a, mem);
	for (size_t i = 0; i < a->conf.ep_n; i++)
		endpoint_status(a, i, mem, &out->endpoints[i]);
	tags = arena_array(mem, struct ids_tag *, HASH_COUNT(a->tags) + 1);
	HASH_ITER (hh, a->tags, t, next)
		tags[out->tag_n++] = t;
	pthread_mutex_unlock(&a->lock);
	out->tags = arena_array(mem, struct ids_tag_status, out->tag_n + 1);
	for (size_t i = 0; i < out->tag_n; i++) {
		tag_status(tags[i], mem, &out->tags[i]);
		pthread_mutex_lock(&ids->wait_lock);
		out->tags[i].waiting = tags[i]->waiter_n;
		pthread_mutex_unlock(&ids->wait_lock);
	}
}

void ids_status(struct ids *ids, struct arena *a, struct ids_status *out)
{
	out->n = ids->n;
	out->allocators = arena_array(a, struct ids_allocator_status, ids->n + 1);
	for (size_t i = 0; i < ids->n; i++)
		allocator_status(ids, &ids->alloc[i], a, &out->allocators[i]);
}

/* Makes the endpoint new again and has every tag look at it. false: no such endpoint. Empty: all endpoints. */
static bool resume(struct allocator *a, struct str endpoint)
{
	struct ids_tag *t, *next;
	bool found = false;

	pthread_mutex_lock(&a->lock);
	for (size_t i = 0; i < a->conf.ep_n; i++) {
		if (endpoint.n && !str_eqz(endpoint, a->conf.ep[i].name))
			continue;
		found = true;
		if (a->ep[i].state != IDS_STOPPED)
			continue;
		a->ep[i].state = IDS_NEW;
		memset(&a->ep[i].backoff, 0, sizeof(a->ep[i].backoff));
	}
	HASH_ITER (hh, a->tags, t, next) {
		if (list_empty(&t->work))
			list_push_back(&a->work, &t->work);
		t->due_us = 0;
	}
	pthread_cond_signal(&a->wake);
	pthread_mutex_unlock(&a->lock);
	return found;
}

int ids_resume(struct ids *ids, struct str allocator, struct str endpoint, struct err *err)
{
	for (size_t i = 0; i < ids->n; i++) {
		if (str_eqz(allocator, ids->alloc[i].conf.name) && resume(&ids->alloc[i], endpoint))
			return 0;
	}
	return err_set(
		err, ERR_NAME, ER_WRONG_ARGUMENTS, "no such allocator and endpoint; SHOW KEYWAY ALLOCATORS lists them");
}
