/* front.c - a worker's listeners and clients: starting, new settings, draining. Worker thread, but for the messages. */
#include "client.h"
#include "keyway/io/listener.h"
#include <stdlib.h>

#define DRAIN_TICK_US 50000

static void drain_tick(struct wheel_timer *t, uint64_t now_us)
{
	struct front *f = container_of(t, struct front, drain);

	list_for_each_safe (it, &f->clients) {
		struct client *c = list_item(it, struct client, link);

		if (now_us >= f->drain_deadline_us)
			client_close(c); /* what is open is rolled back */
		else
			client_drain(c);
	}
	if (f->n_clients == 0)
		loop_stop(f->w->loop);
	else
		loop_timer_set(f->w->loop, t, now_us + DRAIN_TICK_US);
}

struct front *front_new(
	struct worker *w, struct front_shared *sh, struct front_config *cfg, const int *fds, uint32_t n_fds)
{
	struct front *f = xcalloc(1, sizeof(*f));

	f->w = w;
	w->front = f;
	f->shared = sh;
	f->cfg = front_config_ref(cfg);
	list_init(&f->clients);
	wheel_timer_init(&f->drain, drain_tick);
	f->listeners = xcalloc(n_fds, sizeof(*f->listeners));
	for (uint32_t i = 0; i < n_fds; i++)
		f->listeners[f->n_listeners++] = listener_new(w->loop, fds[i], client_accept, f);
	return f;
}

struct install {
	struct front *f;
	struct front_config *cfg;
};

static void do_install(void *arg)
{
	struct install *in = arg;

	front_config_unref(in->f->cfg);
	in->f->cfg = in->cfg;
	free(in);
}

void front_install(struct front *f, struct front_config *cfg)
{
	struct install *in = xmalloc(sizeof(*in));

	in->f = f;
	in->cfg = front_config_ref(cfg);
	loop_send(f->w->loop, do_install, in);
}

static void close_listeners(struct front *f)
{
	for (uint32_t i = 0; i < f->n_listeners; i++)
		listener_free(f->listeners[i]);
	f->n_listeners = 0;
}

struct drain {
	struct front *f;
	uint64_t deadline_us;
};

static void do_drain(void *arg)
{
	struct drain *d = arg;
	struct front *f = d->f;

	f->drain_deadline_us = d->deadline_us;
	free(d);
	close_listeners(f);
	drain_tick(&f->drain, loop_now_us(f->w->loop));
}

void front_drain(struct front *f, uint64_t deadline_us)
{
	struct drain *d = xmalloc(sizeof(*d));

	d->f = f;
	d->deadline_us = deadline_us;
	loop_send(f->w->loop, do_drain, d);
}

void front_free(struct front *f)
{
	if (!f)
		return;
	close_listeners(f);
	loop_timer_clear(f->w->loop, &f->drain);
	list_for_each_safe (it, &f->clients)
		client_close(list_item(it, struct client, link));
	loop_run_pending(f->w->loop);
	front_config_unref(f->cfg);
	free(f->listeners);
	free(f);
}
