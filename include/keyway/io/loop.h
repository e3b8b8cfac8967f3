/* io/loop.h - one event loop per thread: sockets, coarse timers, tasks and messages from other threads.
 * Everything but loop_send() and loop_stop() belongs to the thread that runs the loop. io/ is the only user of
 * libevent. Times are microseconds on the monotonic clock, read once per wake-up. */
#ifndef KEYWAY_IO_LOOP_H
#define KEYWAY_IO_LOOP_H

#include "keyway/util/list.h"
#include "keyway/util/wheel.h"

struct loop;

/* NULL when the kernel gives no descriptors. Free with loop_free() after loop_run() has returned. */
struct loop *loop_new(void);
void loop_free(struct loop *l);

/* Runs until loop_stop(), which may have come before. May be called again. */
void loop_run(struct loop *l);
/* From any thread. Events already due are still served. */
void loop_stop(struct loop *l);

/* After loop_run() has returned, before loop_free(): runs the tasks that are posted, and those that they post. */
void loop_run_pending(struct loop *l);

/* Inside a callback: when it was woken, or a moment later. */
uint64_t loop_now_us(struct loop *l);

/* Coarse timers: a deadline is met up to LOOP_TICK_US late. */
#define LOOP_TICK_US 20000
void loop_timer_set(struct loop *l, struct wheel_timer *t, uint64_t deadline_us);
void loop_timer_clear(struct loop *l, struct wheel_timer *t);

/* A task runs once, from the loop, after the events at hand. Posting a posted task does nothing; a posted task may be
 * taken back. The owner embeds it and keeps it alive until it ran or was taken back. */
struct loop_task {
	struct list link;
	void (*run)(struct loop_task *t);
	bool posted;
};
void loop_task_init(struct loop_task *t, void (*run)(struct loop_task *t));
void loop_post(struct loop *l, struct loop_task *t);
void loop_unpost(struct loop_task *t);

/* From any thread: @run(@arg) on the loop's thread. Messages of one sender arrive in order. Those that have not run
 * when the loop is freed never run. */
void loop_send(struct loop *l, void (*run)(void *arg), void *arg);

/* A block for reading into that all streams of the loop share: its bytes are valid until the callback returns. */
#define LOOP_SCRATCH_BYTES (128 * 1024)
uint8_t *loop_scratch(struct loop *l);

struct event_base *loop_base(struct loop *l);

#endif
