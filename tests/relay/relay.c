/* relay.c - the loop of the relay: commands, listeners, connections, and one timer for all that waits for its time.
 * For tests/e2e/netrig.py. One thread.
 *
 * relay [SEED]      commands on standard input, a line each; one line on standard output answers each. Ends with its
 *                   standard input. command.c has the commands. */
#include "relay.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define EVENTS_MAX 64

static int epoll_fd;
static uint64_t seed;

uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

double chance(void)
{
	/* xorshift64*: any non-zero state */
	seed ^= seed >> 12;
	seed ^= seed << 25;
	seed ^= seed >> 27;
	return (double)((seed * 0x2545F4914F6CDD1Dull) >> 11) / 9007199254740992.0;
}

void watch_set(struct watch *w, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data = { .ptr = w } };
	int op = !w->events ? EPOLL_CTL_ADD : !events ? EPOLL_CTL_DEL : EPOLL_CTL_MOD;

	if (events == w->events || w->fd < 0)
		return;
	if (epoll_ctl(epoll_fd, op, w->fd, &ev) < 0) {
		perror("relay: epoll_ctl");
		exit(1);
	}
	w->events = events;
}

static void port_accept(struct port *p)
{
	struct sockaddr_in from;
	socklen_t n = sizeof(from);
	int fd = accept4(p->watch.fd, (struct sockaddr *)&from, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0)
		return;
	if (p->accepting == ACCEPT_RESET) {
		struct linger none = { .l_onoff = 1, .l_linger = 0 };

		setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
		close(fd);
		return;
	}
	link_accept(p, fd, &from);
}

/* Runs the whole lines that standard input has; false: it has ended, or says so. */
static bool commands_read(void)
{
	static char line[1024];
	static size_t used;
	char *end;
	ssize_t n = read(STDIN_FILENO, line + used, sizeof(line) - 1 - used);

	if (n <= 0)
		return n < 0 && (errno == EAGAIN || errno == EINTR);
	used += (size_t)n;
	line[used] = 0;
	while ((end = strchr(line, '\n'))) {
		*end++ = 0;
		if (!command_run(line))
			return false;
		used -= (size_t)(end - line);
		memmove(line, end, used + 1);
	}
	return used < sizeof(line) - 1;
}

static void timer_set(int fd)
{
	static uint64_t set_us = NEVER;
	struct link *first = wake_first();
	uint64_t due = first ? first->wake_us : NEVER;
	struct itimerspec at = { 0 };

	if (due == set_us)
		return;
	set_us = due;
	if (due != NEVER) {
		at.it_value.tv_sec = (time_t)(due / 1000000);
		at.it_value.tv_nsec = (long)(due % 1000000) * 1000 + 1;
	}
	timerfd_settime(fd, TFD_TIMER_ABSTIME, &at, NULL);
}

static void timer_run(void)
{
	struct link *l;

	while ((l = wake_first())) {
		uint64_t now = now_us();

		if (l->wake_us > now)
			return;
		link_run(l, now);
	}
}

/* False: the program is to end. */
static bool watch_run(struct watch *w, uint32_t events)
{
	uint64_t waste;

	if (w->fd < 0)
		return true;
	switch (w->kind) {
	case WATCH_COMMANDS: return commands_read();
	case WATCH_TIMER:
		if (read(w->fd, &waste, sizeof(waste)) < 0 && errno != EAGAIN)
			return false;
		return true;
	case WATCH_PORT: port_accept(w->of); return true;
	case WATCH_END: {
		struct link *l = w->of;

		link_event(l, w == &l->end[UP] ? UP : DOWN, events);
		return true;
	}
	}
	return true;
}

int main(int argc, char **argv)
{
	struct watch commands = { .kind = WATCH_COMMANDS, .fd = STDIN_FILENO };
	struct watch timer = { .kind = WATCH_TIMER };
	bool go_on = true;

	seed = argc > 1 ? strtoull(argv[1], NULL, 10) * 2 + 1 : 1;
	setvbuf(stdout, NULL, _IOLBF, 0);
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	timer.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (epoll_fd < 0 || timer.fd < 0) {
		perror("relay");
		return 1;
	}
	watch_set(&commands, EPOLLIN);
	watch_set(&timer, EPOLLIN);
	while (go_on) {
		struct epoll_event ev[EVENTS_MAX];
		int n;

		timer_run();
		timer_set(timer.fd);
		link_reap();
		n = epoll_wait(epoll_fd, ev, EVENTS_MAX, -1);
		for (int i = 0; i < n && go_on; i++) {
			struct watch *w = ev[i].data.ptr;

			go_on = watch_run(w, ev[i].events);
			/* A command may have taken away what the other events point to; they come again. */
			if (w == &commands)
				break;
			timer_run();
		}
	}
	return 0;
}
