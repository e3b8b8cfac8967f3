/* link.c - one connection through the relay: bytes are read, wait for their time, and are sent on.
 * For relay.c (events and timer) and command.c (rules that change). One thread. */
#include "relay.h"
#include <errno.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define PART_LOOK_US 100     /* how often a link that parts looks whether all has arrived */
#define PART_MAX_US  2000000 /* then it parts anyway */

static void close_end(struct watch *w, bool reset)
{
	if (w->fd < 0)
		return;
	watch_set(w, 0);
	if (reset) {
		struct linger none = { .l_onoff = 1, .l_linger = 0 };

		setsockopt(w->fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
	} else {
		char waste[4096];

		/* What is unread would turn the end into a reset. */
		while (recv(w->fd, waste, sizeof(waste), MSG_DONTWAIT) > 0)
			;
	}
	close(w->fd);
	w->fd = -1;
}

static struct link *freed; /* until no event that was fetched can name them */

static void link_free(struct link *l, bool reset)
{
	struct port *p = l->port;

	wake_forget(l);
	for (enum dir d = 0; d < DIRS; d++) {
		close_end(&l->end[d], reset);
		while (l->way[d].first) {
			struct chunk *c = l->way[d].first;

			l->way[d].first = c->next;
			free(c);
		}
	}
	if (l->prev)
		l->prev->next = l->next;
	else
		p->links = l->next;
	if (l->next)
		l->next->prev = l->prev;
	p->link_n--;
	l->next = freed;
	freed = l;
}

void link_reap(void)
{
	while (freed) {
		struct link *l = freed;

		freed = l->next;
		free(l);
	}
}

void link_drop(struct link *l, bool reset)
{
	l->rule->cuts++;
	link_free(l, reset);
}

/* Ends both directions once what was sent has arrived; a reset would overtake it. */
static void link_part(struct link *l, bool reset, uint64_t now)
{
	l->rule->cuts++;
	l->parting_us = now;
	l->parting_reset = reset;
	for (enum dir d = 0; d < DIRS; d++)
		watch_set(&l->end[d], 0);
}

/* True once nothing is on its way to either end any more. */
static bool link_arrived(const struct link *l, uint64_t now)
{
	if (now - l->parting_us > PART_MAX_US)
		return true;
	for (enum dir d = 0; d < DIRS; d++) {
		int left = 0;

		if (l->end[d].fd >= 0 && ioctl(l->end[d].fd, SIOCOUTQ, &left) == 0 && left > 0)
			return false;
	}
	return true;
}

static bool way_reads(const struct link *l, enum dir d)
{
	const struct way *w = &l->way[d];

	return !w->read_done && !l->rule->way[d].stop && w->queued < QUEUED_MAX;
}

/* Registers for what each end is waited for. */
static void link_watch(struct link *l)
{
	for (enum dir d = 0; d < DIRS; d++) {
		uint32_t events = 0;

		if (l->end[d].fd < 0)
			continue;
		if (d == DOWN && l->connecting)
			events = EPOLLOUT;
		else
			events = (way_reads(l, d) ? EPOLLIN : 0) | (l->way[!d].blocked ? EPOLLOUT : 0);
		watch_set(&l->end[d], events);
	}
}

static struct chunk *way_append(struct way *w, const struct way_rule *r, size_t n, uint64_t now)
{
	struct chunk *c = malloc(sizeof(*c) + n);

	if (!c)
		abort();
	if (r->rate) {
		if (w->free_us < now)
			w->free_us = now;
		w->free_us += n * 1000000 / r->rate;
	} else {
		w->free_us = now;
	}
	c->due_us = w->free_us + r->delay_us + (uint64_t)(chance() * (double)r->jitter_us);
	if (c->due_us < w->newest_us)
		c->due_us = w->newest_us;
	w->newest_us = c->due_us;
	c->kind = CHUNK_BYTES;
	c->n = (uint32_t)n;
	c->off = 0;
	c->next = NULL;
	*w->last = c;
	w->last = &c->next;
	w->queued += n;
	return c;
}

static void way_read(struct link *l, enum dir d, uint64_t now)
{
	struct way *w = &l->way[d];
	uint64_t rate = l->rule->way[d].rate;
	char block[READ_MAX];
	/* Through a narrow pipe in pieces of 10 ms. */
	size_t most = rate && rate / 100 < sizeof(block) ? rate / 100 + 1 : sizeof(block);
	ssize_t n = recv(l->end[d].fd, block, most, MSG_DONTWAIT);

	if (n > 0) {
		struct chunk *c = way_append(w, &l->rule->way[d], (size_t)n, now);

		memcpy(c->bytes, block, (size_t)n);
	} else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
		way_append(w, &l->rule->way[d], 0, now)->kind = n == 0 ? CHUNK_EOF : CHUNK_RESET;
		w->read_done = true;
	}
}

static void way_pop(struct way *w)
{
	struct chunk *c = w->first;

	w->first = c->next;
	if (!w->first)
		w->last = &w->first;
	w->queued -= c->n;
	free(c);
}

enum sent { SENT_ALL, SENT_LATER, SENT_PARTED, SENT_RESET };

/* The cut point is reached. */
static enum sent way_cut(struct link *l, enum dir d, uint64_t now)
{
	struct way_rule *r = &l->rule->way[d];
	struct way *w = &l->way[d];
	enum cut_how how = r->cut;

	w->cut_at = NEVER;
	if (r->cut_once) {
		r->cut = CUT_NONE;
		for (struct link *o = l->port->links; o; o = o->next) {
			if (o->rule == l->rule)
				o->way[d].cut_at = NEVER;
		}
	}
	switch (how) {
	case CUT_FIN:
	case CUT_RST: link_part(l, how == CUT_RST, now); return SENT_PARTED;
	case CUT_HALF:
		l->rule->cuts++;
		shutdown(l->end[!d].fd, SHUT_WR);
		w->write_done = true;
		w->swallowed = true;
		return SENT_ALL;
	case CUT_HOLE:
		l->rule->cuts++;
		w->swallowed = true;
		return SENT_ALL;
	case CUT_NONE: break;
	}
	return SENT_ALL;
}

/* Writes as much of @c as may pass now. */
static enum sent way_write(struct link *l, enum dir d, struct chunk *c, uint64_t now)
{
	const struct way_rule *r = &l->rule->way[d];
	struct way *w = &l->way[d];
	size_t n = c->n - c->off;
	ssize_t sent;

	if (r->segment && n > r->segment)
		n = r->segment;
	if (n > w->cut_at - w->passed)
		n = w->cut_at - w->passed;
	sent = send(l->end[!d].fd, c->bytes + c->off, n, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (sent < 0) {
		w->blocked = errno == EAGAIN;
		return errno == EAGAIN ? SENT_LATER : errno == EINTR ? SENT_ALL : SENT_RESET;
	}
	if (c->off == 0 && c->due_us) {
		uint64_t late = now - c->due_us;

		l->rule->late_n++;
		l->rule->late_sum_us += late;
		if (late > l->rule->late_max_us)
			l->rule->late_max_us = late;
	}
	c->off += (uint32_t)sent;
	w->passed += (uint64_t)sent;
	l->rule->bytes[d] += (uint64_t)sent;
	if (r->gap_us)
		w->gap_until_us = now + r->gap_us;
	return SENT_ALL;
}

/* Sends on what is due in one direction. */
static enum sent way_run(struct link *l, enum dir d, uint64_t now)
{
	struct way *w = &l->way[d];

	for (;;) {
		struct chunk *c = w->first;
		enum sent rc;

		if (w->passed >= w->cut_at) {
			rc = way_cut(l, d, now);
			if (rc != SENT_ALL)
				return rc;
		}
		if (!c || c->due_us > now || w->blocked || l->rule->way[d].hole)
			return SENT_ALL;
		if (w->swallowed) {
			w->write_done |= c->kind != CHUNK_BYTES;
			way_pop(w);
			continue;
		}
		if (c->kind == CHUNK_RESET)
			return SENT_RESET;
		if (c->kind == CHUNK_EOF) {
			shutdown(l->end[!d].fd, SHUT_WR);
			w->write_done = true;
			way_pop(w);
			return SENT_ALL;
		}
		if (w->gap_until_us > now)
			return SENT_LATER;
		rc = way_write(l, d, c, now);
		if (rc != SENT_ALL)
			return rc;
		if (c->off == c->n)
			way_pop(w);
	}
}

static int link_connect(struct link *l)
{
	struct watch *w = &l->end[DOWN];
	int one = 1;

	l->connect_us = NEVER;
	w->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (w->fd < 0)
		return -errno;
	setsockopt(w->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(w->fd, (struct sockaddr *)&l->port->target, sizeof(l->port->target)) < 0) {
		if (errno != EINPROGRESS)
			return -errno;
		l->connecting = true;
	}
	return 0;
}

/* When something is due next. */
static uint64_t link_due(const struct link *l)
{
	uint64_t due = l->connect_us;

	for (enum dir d = 0; d < DIRS; d++) {
		const struct way *w = &l->way[d];
		uint64_t us;

		if (!w->first || w->blocked || l->rule->way[d].hole || l->end[DOWN].fd < 0)
			continue;
		us = w->first->due_us > w->gap_until_us ? w->first->due_us : w->gap_until_us;
		if (us < due)
			due = us;
	}
	return due;
}

void link_run(struct link *l, uint64_t now)
{
	if (l->parting_us) {
		if (link_arrived(l, now))
			link_free(l, l->parting_reset);
		else
			wake_at(l, now + PART_LOOK_US);
		return;
	}
	if (l->connect_us <= now && !l->rule->way[UP].hole && link_connect(l) < 0) {
		link_free(l, true);
		return;
	}
	if (l->end[DOWN].fd >= 0 && !l->connecting) {
		for (enum dir d = 0; d < DIRS; d++) {
			switch (way_run(l, d, now)) {
			case SENT_ALL:
			case SENT_LATER: break;
			case SENT_PARTED: wake_at(l, now); return;
			case SENT_RESET: link_free(l, true); return;
			}
		}
		if (l->way[UP].write_done && l->way[DOWN].write_done) {
			link_free(l, false);
			return;
		}
	}
	link_watch(l);
	/* One that waits for the end of a hole has nothing due. */
	wake_at(l, l->connecting || (l->connect_us <= now && l->rule->way[UP].hole) ? NEVER : link_due(l));
}

void link_event(struct link *l, enum dir end, uint32_t events)
{
	uint64_t now = now_us();

	if (end == DOWN && l->connecting) {
		int e = 0;
		socklen_t n = sizeof(e);

		getsockopt(l->end[DOWN].fd, SOL_SOCKET, SO_ERROR, &e, &n);
		if (e) {
			link_free(l, true);
			return;
		}
		l->connecting = false;
	} else {
		if (events & (EPOLLOUT | EPOLLERR | EPOLLHUP))
			l->way[!end].blocked = false;
		if ((events & (EPOLLIN | EPOLLERR | EPOLLHUP)) && way_reads(l, end))
			way_read(l, end, now);
	}
	link_run(l, now);
}

void link_rule(struct link *l)
{
	struct port *p = l->port;

	l->rule = &p->rules[0];
	for (uint32_t i = 1; i < p->rule_n; i++) {
		if ((l->from & p->rules[i].mask) == p->rules[i].net)
			l->rule = &p->rules[i];
	}
}

void link_arm(struct link *l, enum dir d)
{
	const struct way_rule *r = &l->rule->way[d];

	l->way[d].cut_at = r->cut == CUT_NONE ? NEVER : l->way[d].passed + r->cut_at;
}

void link_accept(struct port *p, int fd, const struct sockaddr_in *from)
{
	struct link *l = calloc(1, sizeof(*l));
	uint64_t now = now_us();
	const struct way_rule *up, *down;
	int one = 1;

	if (!l)
		abort();
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	l->port = p;
	l->from = ntohl(from->sin_addr.s_addr);
	link_rule(l);
	l->rule->accepted++;
	l->wake_us = NEVER;
	l->end[UP] = (struct watch){ .kind = WATCH_END, .of = l, .fd = fd };
	l->end[DOWN] = (struct watch){ .kind = WATCH_END, .of = l, .fd = -1 };
	for (enum dir d = 0; d < DIRS; d++) {
		l->way[d].last = &l->way[d].first;
		link_arm(l, d);
	}
	/* Who connects believes at once that it has. So that the first byte of a target that speaks first comes when it
	 * would over a real distance, the two round trips and a half until then are made up for here. */
	up = &l->rule->way[UP];
	down = &l->rule->way[DOWN];
	l->connect_us = now + 2 * up->delay_us + down->delay_us;
	l->next = p->links;
	if (l->next)
		l->next->prev = l;
	p->links = l;
	p->link_n++;
	link_run(l, now);
}
