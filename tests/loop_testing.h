/* loop_testing.h - a loop that a test drives by itself: WAIT_FOR() runs it until something has come true. */
#ifndef KEYWAY_TESTS_LOOP_TESTING_H
#define KEYWAY_TESTS_LOOP_TESTING_H

#include "keyway/io/loop.h"
#include "unit.h"

static struct loop *loop;

static inline void pump_stop(struct loop_task *t)
{
	(void)t;
	loop_stop(loop);
}

/* One round: the events at hand, due timers, posted tasks. */
static inline void pump(void)
{
	struct loop_task t;

	loop_task_init(&t, pump_stop);
	loop_post(loop, &t);
	loop_run(loop);
}

/* For what must not happen: long enough for it to happen by mistake. */
static inline void pump_some(void)
{
	for (int i = 0; i < 20; i++)
		pump();
}

#define WAIT_LIMIT_US 20000000

#define WAIT_FOR(cond)                                                                          \
	do {                                                                                    \
		uint64_t wait_end_us_ = clock_mono_us() + WAIT_LIMIT_US;                        \
		while (!(cond)) {                                                               \
			ck_assert_msg(clock_mono_us() < wait_end_us_, "never came: %s", #cond); \
			pump();                                                                 \
		}                                                                               \
	} while (0)

#endif
