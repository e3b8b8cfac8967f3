/* loop.c - the event loop. For every worker and for control threads that watch sockets; one thread per loop, but for
 * loop_send() and loop_stop(). */
#include "keyway/io/loop.h"
#include <event2/event.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct message {
	struct message *next;
	void (*run)(void *arg);
	void *arg;
};

struct loop {
	struct event_base *base;
	struct event *tick, *wake;
	uint64_t now_us;
	struct wheel wheel;
	struct list tasks;
	uint8_t *scratch;
	bool tick_set;
	bool now_read; /* since the last wait */
	atomic_bool stopping;
	int wake_fd;
	pthread_mutex_t lock; /* guards the inbox */
	struct message *inbox, **inbox_tail;
};

static void loop_on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct loop *l = arg;

	(void)fd;
	(void)what;
	l->tick_set = false;
}

static void loop_on_wake(evutil_socket_t fd, short what, void *arg)
{
	struct loop *l = arg;
	struct message *m;
	uint64_t n;

	(void)what;
	if (read(fd, &n, sizeof(n)) < 0)
		return;
	pthread_mutex_lock(&l->lock);
	m = l->inbox;
	l->inbox = NULL;
	l->inbox_tail = &l->inbox;
	pthread_mutex_unlock(&l->lock);
	while (m) {
		struct message *next = m->next;

		m->run(m->arg);
		free(m);
		m = next;
	}
}

struct loop *loop_new(void)
{
	struct loop *l = xcalloc(1, sizeof(*l));
	struct event_config *cfg = event_config_new();

	if (cfg)
		event_config_set_flag(cfg, EVENT_BASE_FLAG_NOLOCK);
	l->base = cfg ? event_base_new_with_config(cfg) : NULL;
	if (cfg)
		event_config_free(cfg);
	l->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (!l->base || l->wake_fd < 0)
		goto fail;
	l->tick = event_new(l->base, -1, 0, loop_on_tick, l);
	l->wake = event_new(l->base, l->wake_fd, EV_READ | EV_PERSIST, loop_on_wake, l);
	if (!l->tick || !l->wake || event_add(l->wake, NULL) < 0)
		goto fail;
	pthread_mutex_init(&l->lock, NULL);
	l->inbox_tail = &l->inbox;
	l->now_us = clock_mono_us();
	wheel_init(&l->wheel, LOOP_TICK_US, l->now_us);
	list_init(&l->tasks);
	l->scratch = xmalloc(LOOP_SCRATCH_BYTES);
	return l;
fail:
	if (l->wake)
		event_free(l->wake);
	if (l->tick)
		event_free(l->tick);
	if (l->base)
		event_base_free(l->base);
	if (l->wake_fd >= 0)
		close(l->wake_fd);
	free(l);
	return NULL;
}

void loop_free(struct loop *l)
{
	if (!l)
		return;
	while (l->inbox) {
		struct message *next = l->inbox->next;

		free(l->inbox);
		l->inbox = next;
	}
	event_free(l->wake);
	event_free(l->tick);
	event_base_free(l->base);
	close(l->wake_fd);
	pthread_mutex_destroy(&l->lock);
	free(l->scratch);
	free(l);
}

static void loop_run_tasks(struct loop *l)
{
	struct list now;

	if (list_empty(&l->tasks))
		return;
	/* tasks posted by these run in the next round, after its events */
	list_init(&now);
	while (!list_empty(&l->tasks)) {
		struct list *first = l->tasks.next;

		list_del(first);
		list_push_back(&now, first);
	}
	while (!list_empty(&now)) {
		struct loop_task *t = list_first(&now, struct loop_task, link);

		list_del(&t->link);
		t->posted = false;
		t->run(t);
	}
}

void loop_run(struct loop *l)
{
	static const struct timeval tick = { 0, LOOP_TICK_US };

	while (!atomic_load_explicit(&l->stopping, memory_order_relaxed)) {
		if (l->wheel.n && !l->tick_set) {
			event_add(l->tick, &tick);
			l->tick_set = true;
		}
		l->now_read = false;
		/* one round, also where events never cease: without EVLOOP_ONCE it would stay as long as there are any
		 */
		event_base_loop(l->base, list_empty(&l->tasks) ? EVLOOP_ONCE : EVLOOP_ONCE | EVLOOP_NONBLOCK);
		wheel_advance(&l->wheel, loop_now_us(l));
		loop_run_tasks(l);
	}
	atomic_store(&l->stopping, false);
}

void loop_run_pending(struct loop *l)
{
	while (!list_empty(&l->tasks))
		loop_run_tasks(l);
}

void loop_stop(struct loop *l)
{
	uint64_t one = 1;

	atomic_store(&l->stopping, true);
	if (write(l->wake_fd, &one, sizeof(one)) < 0)
		return; /* the counter is full: the loop is awake */
}

uint64_t loop_now_us(struct loop *l)
{
	/* read once per wake-up, by whoever asks first: what was read before the wait may be old */
	if (UNLIKELY(!l->now_read)) {
		l->now_us = clock_mono_us();
		l->now_read = true;
	}
	return l->now_us;
}

void loop_timer_set(struct loop *l, struct wheel_timer *t, uint64_t deadline_us)
{
	wheel_set(&l->wheel, t, deadline_us);
}

void loop_timer_clear(struct loop *l, struct wheel_timer *t)
{
	wheel_clear(&l->wheel, t);
}

void loop_task_init(struct loop_task *t, void (*run)(struct loop_task *t))
{
	list_init(&t->link);
	t->run = run;
	t->posted = false;
}

void loop_post(struct loop *l, struct loop_task *t)
{
	if (t->posted)
		return;
	t->posted = true;
	list_push_back(&l->tasks, &t->link);
}

void loop_unpost(struct loop_task *t)
{
	if (!t->posted)
		return;
	t->posted = false;
	list_del(&t->link);
}

void loop_send(struct loop *l, void (*run)(void *arg), void *arg)
{
	struct message *m = xmalloc(sizeof(*m));
	uint64_t one = 1;

	m->next = NULL;
	m->run = run;
	m->arg = arg;
	pthread_mutex_lock(&l->lock);
	*l->inbox_tail = m;
	l->inbox_tail = &m->next;
	pthread_mutex_unlock(&l->lock);
	if (write(l->wake_fd, &one, sizeof(one)) < 0)
		return; /* the counter is full: the loop is awake */
}

uint8_t *loop_scratch(struct loop *l)
{
	return l->scratch;
}

struct event_base *loop_base(struct loop *l)
{
	return l->base;
}
