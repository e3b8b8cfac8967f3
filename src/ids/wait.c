/* wait.c - statements that wait for ids: served in order of their coming, ended at their deadlines.
 * For ids_wait(); callbacks run on the allocator threads and on the timer thread.
 * All waiters are under ids.wait_lock: waits are rare, as ids are fetched ahead. */
#include "state.h"
#include <assert.h>
#include <time.h>

/* Off the lists; from here on ids_cancel() says false. Under wait_lock. */
static void take_off(struct ids_waiter *w, int result, struct list *done)
{
	list_del(&w->link);
	list_del(&w->timer);
	w->tag->waiter_n--;
	w->result = result;
	list_push_back(done, &w->link);
}

/* No lock is held. The waiter is gone once its callback runs. */
static void call_all(struct list *done)
{
	while (!list_empty(done)) {
		struct ids_waiter *w = list_first(done, struct ids_waiter, link);

		list_del(&w->link);
		range_sort(&w->range);
		w->done(w);
	}
}

void ids_wait(
	struct ids *ids, struct ids_tag *tag, uint32_t n, uint64_t deadline_us, ids_done_fn *done, struct ids_waiter *w)
{
	struct list *before;

	assert(n >= 1);
	w->tag = tag;
	w->done = done;
	w->n = n;
	w->deadline_us = deadline_us;
	w->result = IDS_WAIT;
	memset(&w->range, 0, sizeof(w->range));
	pthread_mutex_lock(&ids->wait_lock);
	list_push_back(&tag->waiters, &w->link);
	tag->waiter_n++;
	/* deadlines come nearly in order, so the place is found at once */
	before = ids->timers.prev;
	while (before != &ids->timers && list_item(before, struct ids_waiter, timer)->deadline_us > deadline_us)
		before = before->prev;
	list_insert(&w->timer, before, before->next);
	if (ids->timers.next == &w->timer)
		pthread_cond_signal(&ids->wait_wake);
	pthread_mutex_unlock(&ids->wait_lock);
	refill_poke(tag);
}

bool ids_cancel(struct ids *ids, struct ids_waiter *w)
{
	bool out;

	pthread_mutex_lock(&ids->wait_lock);
	out = w->result == IDS_WAIT;
	if (out) {
		list_del(&w->link);
		list_del(&w->timer);
		w->tag->waiter_n--;
	}
	pthread_mutex_unlock(&ids->wait_lock);
	return out;
}

/* Under wait_lock. IDS_WAIT when it must go on waiting. */
static int serve_one(struct ids_tag *tag, struct ids_waiter *w)
{
	bool failing, too_many;
	int rc;

	pthread_mutex_lock(&tag->lock);
	rc = tag_cut(tag, w->n, &w->range);
	failing = tag->failing;
	too_many = tag_too_many(tag, w->n);
	if (rc == IDS_WAIT && (failing || too_many))
		tag->failures++;
	pthread_mutex_unlock(&tag->lock);
	if (rc == IDS_WAIT && too_many)
		return tag_error(tag, ERR_LIMIT, w->n,
			"more than it can hold at once (block_max): write fewer rows in one statement", &w->err);
	if (rc == IDS_WAIT && failing)
		return tag_error(tag, ERR_BACKEND, w->n, "none left and no endpoint gives any", &w->err);
	return rc;
}

void wait_serve(struct ids_tag *tag)
{
	struct ids *ids = tag->alloc->ids;
	struct list done;

	list_init(&done);
	pthread_mutex_lock(&ids->wait_lock);
	list_for_each_safe (it, &tag->waiters) {
		struct ids_waiter *w = list_item(it, struct ids_waiter, link);
		int rc = serve_one(tag, w);

		if (rc != IDS_WAIT)
			take_off(w, rc, &done);
	}
	pthread_mutex_unlock(&ids->wait_lock);
	call_all(&done);
}

void wait_wants(struct ids_tag *tag, uint64_t *sum, uint64_t *largest)
{
	struct ids *ids = tag->alloc->ids;

	*sum = *largest = 0;
	pthread_mutex_lock(&ids->wait_lock);
	list_for_each (it, &tag->waiters) {
		uint64_t n = list_item(it, struct ids_waiter, link)->n;

		*sum += n;
		*largest = MAX(*largest, n);
	}
	pthread_mutex_unlock(&ids->wait_lock);
}

static void end_wait(struct ids_waiter *w, enum err_kind kind, const char *what, struct list *done)
{
	pthread_mutex_lock(&w->tag->lock);
	w->tag->failures++;
	pthread_mutex_unlock(&w->tag->lock);
	take_off(w, tag_error(w->tag, kind, w->n, what, &w->err), done);
}

void wait_end_all(struct ids_tag *tag)
{
	struct ids *ids = tag->alloc->ids;
	struct list done;

	list_init(&done);
	pthread_mutex_lock(&ids->wait_lock);
	while (!list_empty(&tag->waiters))
		end_wait(list_first(&tag->waiters, struct ids_waiter, link), ERR_BACKEND, "Keyway stops", &done);
	pthread_mutex_unlock(&ids->wait_lock);
	call_all(&done);
}

void *wait_timer_main(void *arg)
{
	struct ids *ids = arg;
	struct list done;

	list_init(&done);
	pthread_mutex_lock(&ids->wait_lock);
	while (!ids->stop) {
		struct ids_waiter *w;
		struct timespec until;

		if (list_empty(&ids->timers)) {
			pthread_cond_wait(&ids->wait_wake, &ids->wait_lock);
			continue;
		}
		w = list_first(&ids->timers, struct ids_waiter, timer);
		if (w->deadline_us > clock_mono_us()) {
			until.tv_sec = (time_t)(w->deadline_us / 1000000);
			until.tv_nsec = (long)(w->deadline_us % 1000000) * 1000;
			pthread_cond_timedwait(&ids->wait_wake, &ids->wait_lock, &until);
			continue;
		}
		end_wait(w, ERR_TIMEOUT, "none came in time (id_wait)", &done);
		pthread_mutex_unlock(&ids->wait_lock);
		call_all(&done);
		pthread_mutex_lock(&ids->wait_lock);
	}
	pthread_mutex_unlock(&ids->wait_lock);
	return NULL;
}
