/* util/wheel.h - many coarse timers at almost no cost: a hashed wheel (Varghese and Lauck, 1987, scheme 6). Setting and
 * clearing a timer touches two list links. A timer fires at its deadline or up to one tick later. One thread. Times are
 * microseconds on whatever clock the owner advances it by. Pure. */
#ifndef KEYWAY_UTIL_WHEEL_H
#define KEYWAY_UTIL_WHEEL_H

#include "keyway/util/list.h"

#define WHEEL_SLOTS 512

struct wheel_timer;
typedef void wheel_fire_fn(struct wheel_timer *t, uint64_t now_us);

struct wheel_timer {
	struct list link;
	uint64_t deadline_us; /* 0: not set */
	wheel_fire_fn *fire;
};

struct wheel {
	struct list slot[WHEEL_SLOTS];
	uint64_t tick_us;
	uint64_t now_tick; /* all slots before it have been served */
	size_t n;	   /* timers set */
};

void wheel_init(struct wheel *w, uint64_t tick_us, uint64_t now_us);
void wheel_timer_init(struct wheel_timer *t, wheel_fire_fn *fire);
/* Sets or moves it. */
void wheel_set(struct wheel *w, struct wheel_timer *t, uint64_t deadline_us);
void wheel_clear(struct wheel *w, struct wheel_timer *t);
/* Fires all that are due. A fired timer is cleared before its function runs, which may set or clear any timer. */
void wheel_advance(struct wheel *w, uint64_t now_us);

#endif
