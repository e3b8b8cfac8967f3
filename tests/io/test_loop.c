/* test_loop.c - tasks, timers, messages of other threads, stopping. For src/io/loop.c. */
#include "../loop_testing.h"
#include <event2/event.h>
#include <pthread.h>
#include <unistd.h>

static char order[64];
static size_t n_order;

static void note(char c)
{
	ck_assert_uint_lt(n_order, sizeof(order) - 1);
	order[n_order++] = c;
	order[n_order] = '\0';
}

static void setup(void)
{
	loop = loop_new();
	ck_assert_ptr_nonnull(loop);
	n_order = 0;
	order[0] = '\0';
}

static void teardown(void)
{
	loop_free(loop);
}

struct task {
	struct loop_task t;
	char name;
	struct task *post, *unpost;
};

static void task_run(struct loop_task *t)
{
	struct task *x = container_of(t, struct task, t);
	struct task *post = x->post;

	note(x->name);
	x->post = NULL;
	if (post)
		loop_post(loop, &post->t);
	if (x->unpost)
		loop_unpost(&x->unpost->t);
}

static void task_init(struct task *x, char name)
{
	*x = (struct task){ .name = name };
	loop_task_init(&x->t, task_run);
}

static uint64_t behind_us;

static void look_at_the_clock(void *arg)
{
	uint64_t now = loop_now_us(arg); /* before the clock is read again, or it may be ahead of it */

	behind_us = clock_mono_us() - now;
	loop_stop(arg);
}

static void *wake_after_a_while(void *arg)
{
	struct timespec while_ = { 0, 300000000 };

	nanosleep(&while_, NULL);
	loop_send(arg, look_at_the_clock, arg);
	return NULL;
}

/* A loop that has slept must not take the time before its sleep for now: deadlines would be over when they are set. */
START_TEST(the_clock_is_not_that_of_before_the_wait)
{
	struct loop *l = loop_new();
	pthread_t t;

	ck_assert_int_eq(pthread_create(&t, NULL, wake_after_a_while, l), 0);
	loop_run(l);
	pthread_join(t, NULL);
	ck_assert_uint_lt(behind_us, 200000);
	loop_free(l);
}
END_TEST

START_TEST(tasks_run_once_in_the_order_of_posting)
{
	struct task a, b;

	task_init(&a, 'a');
	task_init(&b, 'b');
	loop_post(loop, &b.t);
	loop_post(loop, &a.t);
	loop_post(loop, &b.t);
	ck_assert_str_eq(order, "");
	pump_some();
	ck_assert_str_eq(order, "ba");
	loop_post(loop, &b.t);
	pump_some();
	ck_assert_str_eq(order, "bab");
}
END_TEST

START_TEST(a_task_may_be_taken_back_also_by_a_task_of_the_same_round)
{
	struct task a, b, c;

	task_init(&a, 'a');
	task_init(&b, 'b');
	task_init(&c, 'c');
	a.unpost = &b;
	loop_post(loop, &a.t);
	loop_post(loop, &b.t);
	loop_post(loop, &c.t);
	loop_unpost(&c.t);
	loop_unpost(&c.t);
	pump_some();
	ck_assert_str_eq(order, "a");
}
END_TEST

START_TEST(a_task_that_posts_itself_runs_in_the_next_round)
{
	struct task a;

	task_init(&a, 'a');
	a.post = &a;
	loop_post(loop, &a.t);
	pump();
	ck_assert_str_eq(order, "a");
	pump();
	ck_assert_str_eq(order, "aa");
	pump();
	ck_assert_str_eq(order, "aa");
}
END_TEST

START_TEST(pending_tasks_can_be_run_without_the_loop)
{
	struct task a, b;

	task_init(&a, 'a');
	task_init(&b, 'b');
	a.post = &b;
	loop_post(loop, &a.t);
	loop_run_pending(loop);
	ck_assert_str_eq(order, "ab");
}
END_TEST

struct timer {
	struct wheel_timer t;
	char name;
	uint64_t fired_us;
};

static void timer_fire(struct wheel_timer *t, uint64_t now_us)
{
	struct timer *x = container_of(t, struct timer, t);

	x->fired_us = now_us;
	note(x->name);
}

static void ready(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	++*(int *)arg;
}

START_TEST(a_socket_that_is_always_ready_holds_no_task_up)
{
	int pipe_fd[2], n = 0;
	struct event *ev;
	struct task a;

	ck_assert_int_eq(pipe(pipe_fd), 0);
	ck_assert_int_eq(write(pipe_fd[1], "x", 1), 1);
	ev = event_new(loop_base(loop), pipe_fd[0], EV_READ | EV_PERSIST, ready, &n);
	event_add(ev, NULL);
	task_init(&a, 'a');
	loop_post(loop, &a.t);
	pump();
	ck_assert_str_eq(order, "a");
	ck_assert_int_eq(n, 1);
	event_free(ev);
	close(pipe_fd[0]);
	close(pipe_fd[1]);
}
END_TEST

START_TEST(timers_fire_in_the_order_of_their_deadlines_and_not_before)
{
	struct timer a = { .name = 'a' }, b = { .name = 'b' }, c = { .name = 'c' };
	uint64_t now = loop_now_us(loop);

	wheel_timer_init(&a.t, timer_fire);
	wheel_timer_init(&b.t, timer_fire);
	wheel_timer_init(&c.t, timer_fire);
	loop_timer_set(loop, &b.t, now + 4 * LOOP_TICK_US);
	loop_timer_set(loop, &a.t, now + LOOP_TICK_US);
	loop_timer_set(loop, &c.t, now + 2 * LOOP_TICK_US);
	loop_timer_clear(loop, &c.t);
	WAIT_FOR(n_order == 2);
	ck_assert_str_eq(order, "ab");
	ck_assert_uint_ge(a.fired_us, now + LOOP_TICK_US);
	ck_assert_uint_ge(b.fired_us, now + 4 * LOOP_TICK_US);
	ck_assert_uint_ge(loop_now_us(loop), b.fired_us);
}
END_TEST

static void timer_stop(struct wheel_timer *t, uint64_t now_us)
{
	(void)t;
	(void)now_us;
	note('t');
	loop_stop(loop);
}

START_TEST(a_timer_wakes_a_loop_that_has_nothing_else)
{
	struct wheel_timer t;

	wheel_timer_init(&t, timer_stop);
	loop_timer_set(loop, &t, loop_now_us(loop) + 1);
	loop_run(loop);
	ck_assert_str_eq(order, "t");
}
END_TEST

enum { MESSAGES = 5000 };
static unsigned next_of[2];

static void message(void *arg)
{
	uintptr_t v = (uintptr_t)arg;
	unsigned sender = v & 1;

	ck_assert_uint_eq(v >> 1, next_of[sender]);
	next_of[sender]++;
	if (next_of[0] == MESSAGES && next_of[1] == MESSAGES)
		loop_stop(loop);
}

static void *sender_main(void *arg)
{
	uintptr_t sender = (uintptr_t)arg;

	for (uintptr_t i = 0; i < MESSAGES; i++)
		loop_send(loop, message, (void *)(i << 1 | sender));
	return NULL;
}

START_TEST(messages_of_one_sender_arrive_in_order_and_none_is_lost)
{
	pthread_t th[2];

	next_of[0] = next_of[1] = 0;
	for (uintptr_t i = 0; i < 2; i++)
		ck_assert_int_eq(pthread_create(&th[i], NULL, sender_main, (void *)i), 0);
	loop_run(loop);
	for (int i = 0; i < 2; i++)
		pthread_join(th[i], NULL);
	ck_assert_uint_eq(next_of[0], MESSAGES);
	ck_assert_uint_eq(next_of[1], MESSAGES);
}
END_TEST

static void *stopper_main(void *arg)
{
	loop_stop(arg);
	return NULL;
}

START_TEST(another_thread_can_stop_it_and_it_can_run_again)
{
	struct task a;
	pthread_t th;

	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(pthread_create(&th, NULL, stopper_main, loop), 0);
		loop_run(loop);
		pthread_join(th, NULL);
	}
	task_init(&a, 'a');
	loop_post(loop, &a.t);
	pump();
	ck_assert_str_eq(order, "a");
}
END_TEST

START_TEST(a_stop_before_the_run_is_honoured)
{
	loop_stop(loop);
	loop_run(loop);
}
END_TEST

static void never(void *arg)
{
	(void)arg;
	note('x');
}

START_TEST(messages_that_have_not_run_go_with_the_loop)
{
	loop_send(loop, never, NULL);
	loop_send(loop, never, NULL);
	loop_free(loop);
	ck_assert_str_eq(order, "");
	loop = loop_new();
}
END_TEST

START_TEST(the_scratch_block_has_its_size)
{
	memset(loop_scratch(loop), 1, LOOP_SCRATCH_BYTES);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, the_clock_is_not_that_of_before_the_wait);
	tcase_add_test(tc, tasks_run_once_in_the_order_of_posting);
	tcase_add_test(tc, a_task_may_be_taken_back_also_by_a_task_of_the_same_round);
	tcase_add_test(tc, a_task_that_posts_itself_runs_in_the_next_round);
	tcase_add_test(tc, pending_tasks_can_be_run_without_the_loop);
	tcase_add_test(tc, a_socket_that_is_always_ready_holds_no_task_up);
	tcase_add_test(tc, timers_fire_in_the_order_of_their_deadlines_and_not_before);
	tcase_add_test(tc, a_timer_wakes_a_loop_that_has_nothing_else);
	tcase_add_test(tc, messages_of_one_sender_arrive_in_order_and_none_is_lost);
	tcase_add_test(tc, another_thread_can_stop_it_and_it_can_run_again);
	tcase_add_test(tc, a_stop_before_the_run_is_honoured);
	tcase_add_test(tc, messages_that_have_not_run_go_with_the_loop);
	tcase_add_test(tc, the_scratch_block_has_its_size);
}

int main(void)
{
	return run_tests("loop", add);
}
