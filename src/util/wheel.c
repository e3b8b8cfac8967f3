/* wheel.c - the timing wheel. For a loop thread; pure. */
#include "keyway/util/wheel.h"

void wheel_init(struct wheel *w, uint64_t tick_us, uint64_t now_us)
{
	for (size_t i = 0; i < WHEEL_SLOTS; i++)
		list_init(&w->slot[i]);
	w->tick_us = tick_us;
	w->now_tick = now_us / tick_us;
	w->n = 0;
}

void wheel_timer_init(struct wheel_timer *t, wheel_fire_fn *fire)
{
	list_init(&t->link);
	t->deadline_us = 0;
	t->fire = fire;
}

void wheel_set(struct wheel *w, struct wheel_timer *t, uint64_t deadline_us)
{
	uint64_t tick = deadline_us / w->tick_us + 1;

	if (tick <= w->now_tick)
		tick = w->now_tick + 1;
	if (t->deadline_us)
		list_del(&t->link);
	else
		w->n++;
	t->deadline_us = deadline_us ? deadline_us : 1;
	list_push_back(&w->slot[tick % WHEEL_SLOTS], &t->link);
}

void wheel_clear(struct wheel *w, struct wheel_timer *t)
{
	if (!t->deadline_us)
		return;
	list_del(&t->link);
	t->deadline_us = 0;
	w->n--;
}

static void wheel_serve(struct wheel *w, struct list *slot, uint64_t now_us)
{
	struct list due;

	/* first take the due ones out, so that fire functions may change any slot */
	list_init(&due);
	list_for_each_safe (it, slot) {
		struct wheel_timer *t = list_item(it, struct wheel_timer, link);

		if (t->deadline_us <= now_us) {
			list_del(it);
			list_push_back(&due, it);
		}
	}
	while (!list_empty(&due)) {
		struct wheel_timer *t = list_first(&due, struct wheel_timer, link);

		wheel_clear(w, t);
		t->fire(t, now_us);
	}
}

void wheel_advance(struct wheel *w, uint64_t now_us)
{
	uint64_t to = now_us / w->tick_us;

	if (w->n == 0) {
		w->now_tick = MAX(to, w->now_tick);
		return;
	}
	if (to > w->now_tick + WHEEL_SLOTS)
		w->now_tick = to - WHEEL_SLOTS;
	while (w->now_tick < to) {
		w->now_tick++;
		wheel_serve(w, &w->slot[w->now_tick % WHEEL_SLOTS], now_us);
	}
}
