/* listener.c - listening sockets. For the workers; the loop's thread, opening from any. */
#include "keyway/io/listener.h"
#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define ACCEPTS_PER_EVENT 32
#define REST_US		  100000

struct listener {
	struct loop *loop;
	struct event *ev;
	struct wheel_timer rest;
	void (*accepted)(void *arg, int fd);
	void *arg;
};

int listener_open_tcp(const char *address, uint16_t port, struct err *err)
{
	struct sockaddr_in6 a6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	struct sockaddr_in a4 = { .sin_family = AF_INET, .sin_port = htons(port) };
	const struct sockaddr *sa;
	socklen_t len;
	int on = 1, fd;

	if (inet_pton(AF_INET, address, &a4.sin_addr) == 1) {
		sa = (const struct sockaddr *)&a4;
		len = sizeof(a4);
	} else if (inet_pton(AF_INET6, address, &a6.sin6_addr) == 1) {
		sa = (const struct sockaddr *)&a6;
		len = sizeof(a6);
	} else {
		return err_set(err, ERR_CONFIG, ER_WRONG_VALUE_FOR_VAR,
			"cannot listen on '%s': write an IPv4 or IPv6 address, such as 127.0.0.1 or ::", address);
	}
	fd = socket(sa->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
		setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) < 0 || bind(fd, sa, len) < 0 ||
		listen(fd, 4096) < 0) {
		int e = errno;

		if (fd >= 0)
			close(fd);
		return err_set(err, ERR_CONFIG, ER_WRONG_VALUE_FOR_VAR, "cannot listen on %s port %u: %s", address,
			port, strerror(e));
	}
	return fd;
}

int listener_open_unix(const char *path, unsigned mode, struct err *err)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	struct stat st;
	int fd, probe;

	if (strlen(path) >= sizeof(sa.sun_path))
		return err_set(err, ERR_CONFIG, ER_WRONG_VALUE_FOR_VAR, "the socket path '%s' is longer than %zu bytes",
			path, sizeof(sa.sun_path) - 1);
	memcpy(sa.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		goto fail;
	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
		if (errno != EADDRINUSE)
			goto fail;
		/* somebody who answers owns it; a socket file that nobody answers on is left from a crash. Other
		 * files refuse a connection too: they are not ours to remove. */
		probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (probe >= 0 && connect(probe, (struct sockaddr *)&sa, sizeof(sa)) < 0 && errno == ECONNREFUSED &&
			lstat(path, &st) == 0 && S_ISSOCK(st.st_mode))
			unlink(path);
		if (probe >= 0)
			close(probe);
		if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0)
			goto fail;
	}
	if (chmod(path, (mode_t)mode) < 0 || listen(fd, 4096) < 0)
		goto fail;
	return fd;
fail:
	err_set(err, ERR_CONFIG, ER_WRONG_VALUE_FOR_VAR, "cannot listen on socket '%s': %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return ERR_CONFIG;
}

static void listener_rested(struct wheel_timer *t, uint64_t now_us)
{
	struct listener *ls = container_of(t, struct listener, rest);

	(void)now_us;
	event_add(ls->ev, NULL);
}

static void listener_on_event(evutil_socket_t lfd, short what, void *arg)
{
	struct listener *ls = arg;

	(void)what;
	for (int i = 0; i < ACCEPTS_PER_EVENT; i++) {
		int fd = accept4(lfd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			ls->accepted(ls->arg, fd);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
			event_del(ls->ev);
			loop_timer_set(ls->loop, &ls->rest, loop_now_us(ls->loop) + REST_US);
		}
		if (errno != EINTR && errno != ECONNABORTED)
			return;
	}
}

struct listener *listener_new(struct loop *l, int listen_fd, void (*accepted)(void *arg, int fd), void *arg)
{
	struct listener *ls = xcalloc(1, sizeof(*ls));

	ls->loop = l;
	ls->accepted = accepted;
	ls->arg = arg;
	wheel_timer_init(&ls->rest, listener_rested);
	ls->ev = event_new(loop_base(l), listen_fd, EV_READ | EV_PERSIST, listener_on_event, ls);
	if (!ls->ev || event_add(ls->ev, NULL) < 0) {
		if (ls->ev)
			event_free(ls->ev);
		free(ls);
		return NULL;
	}
	return ls;
}

void listener_free(struct listener *ls)
{
	if (!ls)
		return;
	loop_timer_clear(ls->loop, &ls->rest);
	event_free(ls->ev);
	free(ls);
}
