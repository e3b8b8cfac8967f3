/*
 * limit - the bare epoll byte forwarder: what a hop costs when the proxy does nothing.
 *
 * One thread, level-triggered epoll, one 64 KiB buffer for everybody, read then write,
 * no protocol knowledge.  A proxy that parses, routes and pools can not be much cheaper
 * per query than this without changing the way it talks to the kernel, so this is the
 * floor that the other columns are read against.
 *
 *   cc -O2 -Wall -o limit limit.c
 *   limit LISTEN_PORT BACKEND_PORT            backend over loopback TCP
 *   limit LISTEN_PORT /path/to/socket         backend over a unix socket
 *   limit -p ...   also do the least a MySQL router must do with the bytes: find packet
 *                  borders in both directions, scan each COM_QUERY text once (a byte-class
 *                  tokeniser that hashes words and collects numbers) and hash the last
 *                  number to a shard.  The bytes still go out unchanged.
 * Listens on 127.0.0.1 only.  Stops on SIGTERM/SIGINT.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

typedef struct end {
	int fd;
	struct end *peer;
	uint8_t *pend; /* bytes that the peer's socket did not take yet: to be written to this fd */
	size_t plen, poff;
	int paused; /* not reading, because the peer has pend */
	int dead;
	/* -p: packet framing of what this end sends */
	uint32_t left;
	uint8_t hdr[4];
	int hlen, client;
	uint8_t q[4096];
	uint32_t qlen;
} end;

static uint8_t buf[65536];
static int ep, parse;
static volatile sig_atomic_t stop;
static volatile uint64_t sink;
static void on_sig(int s)
{
	(void)s;
	stop = 1;
}

static uint8_t cls[256];
static void mkcls(void)
{
	for (int i = 0; i < 256; i++)
		cls[i] = 0;
	for (int i = 'a'; i <= 'z'; i++)
		cls[i] = cls[i - 32] = 1;
	cls['_'] = 1;
	for (int i = '0'; i <= '9'; i++)
		cls[i] = 2;
	cls['\''] = cls['"'] = 3;
	cls[' '] = cls['\t'] = cls['\n'] = 4;
}
static void scan(const uint8_t *p, uint32_t n)
{
	uint64_t h = 1469598103934665603ull, num = 0;
	uint32_t i = 0;
	while (i < n)
		switch (cls[p[i]]) {
		case 1:
			while (i < n && (cls[p[i]] == 1 || cls[p[i]] == 2))
				h = (h ^ (p[i++] | 32)) * 1099511628211ull;
			break;
		case 2:
			num = 0;
			while (i < n && cls[p[i]] == 2)
				num = num * 10 + (p[i++] - '0');
			break;
		case 3: {
			uint8_t qc = p[i++];
			while (i < n && p[i] != qc)
				i += p[i] == '\\' ? 2 : 1;
			i++;
			break;
		}
		case 4: i++; break;
		default: h = (h ^ p[i++]) * 1099511628211ull;
		}
	num ^= num >> 33;
	num *= 0xff51afd7ed558ccdull;
	sink += h ^ num;
}
static void frames(end *e, const uint8_t *p, size_t n)
{
	while (n) {
		if (e->left == 0 && e->hlen < 4) {
			e->hdr[e->hlen++] = *p++;
			n--;
			if (e->hlen < 4)
				continue;
			e->left = e->hdr[0] | e->hdr[1] << 8 | e->hdr[2] << 16;
			e->qlen = 0;
			if (!e->left)
				e->hlen = 0;
			continue;
		}
		size_t k = n < e->left ? n : e->left;
		if (e->client && e->qlen < sizeof e->q) {
			size_t c = sizeof e->q - e->qlen;
			if (c > k)
				c = k;
			memcpy(e->q + e->qlen, p, c);
			e->qlen += c;
		} else if (!e->client && e->qlen == 0)
			sink += *p, e->qlen = 1;
		p += k;
		n -= k;
		e->left -= k;
		if (!e->left) {
			if (e->client && e->qlen > 1 && e->q[0] == 3)
				scan(e->q + 1, e->qlen - 1);
			e->hlen = 0;
		}
	}
}

static end *graveyard[512];
static int ngrave;
static void set_ev(end *e)
{
	struct epoll_event ev = { .events = (e->paused ? 0 : EPOLLIN) | (e->plen ? EPOLLOUT : 0), .data.ptr = e };
	epoll_ctl(ep, EPOLL_CTL_MOD, e->fd, &ev);
}
static void kill_pair(end *a)
{
	end *b = a->peer;
	if (a->dead)
		return;
	a->dead = b->dead = 1;
	close(a->fd);
	close(b->fd);
	if (ngrave < 510) {
		graveyard[ngrave++] = a;
		graveyard[ngrave++] = b;
	}
}
static void readable(end *e)
{
	end *o = e->peer;
	ssize_t r = recv(e->fd, buf, sizeof buf, MSG_DONTWAIT);
	if (r < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (r <= 0) {
		kill_pair(e);
		return;
	}
	if (parse)
		frames(e, buf, r);
	ssize_t w = send(o->fd, buf, r, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (w < 0) {
		if (errno != EAGAIN && errno != EINTR) {
			kill_pair(e);
			return;
		}
		w = 0;
	}
	if (w < r) {
		o->pend = malloc(r - w);
		memcpy(o->pend, buf + w, r - w);
		o->plen = r - w;
		o->poff = 0;
		e->paused = 1;
		set_ev(e);
		set_ev(o);
	}
}
static void writable(end *e)
{
	ssize_t w = send(e->fd, e->pend + e->poff, e->plen - e->poff, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (w < 0) {
		if (errno != EAGAIN && errno != EINTR)
			kill_pair(e);
		return;
	}
	e->poff += w;
	if (e->poff == e->plen) {
		free(e->pend);
		e->pend = NULL;
		e->plen = 0;
		e->peer->paused = 0;
		set_ev(e);
		set_ev(e->peer);
	}
}

int main(int argc, char **argv)
{
	int a = 1, one = 1;
	if (argc > 1 && !strcmp(argv[1], "-p"))
		parse = 1, a = 2;
	if (argc - a != 2) {
		fprintf(stderr, "limit [-p] LISTEN_PORT BACKEND_PORT|BACKEND_SOCKET\n");
		return 2;
	}
	mkcls();
	signal(SIGTERM, on_sig);
	signal(SIGINT, on_sig);
	signal(SIGPIPE, SIG_IGN);
	struct sockaddr_in la = { .sin_family = AF_INET, .sin_port = htons(atoi(argv[a])) }, ba = la;
	struct sockaddr_un ua = { .sun_family = AF_UNIX };
	int isun = argv[a + 1][0] == '/';
	la.sin_addr.s_addr = ba.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (isun)
		snprintf(ua.sun_path, sizeof ua.sun_path, "%s", argv[a + 1]);
	else
		ba.sin_port = htons(atoi(argv[a + 1]));
	int ls = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (bind(ls, (struct sockaddr *)&la, sizeof la) || listen(ls, 4096)) {
		perror("listen");
		return 1;
	}
	ep = epoll_create1(0);
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = NULL }, evs[256];
	epoll_ctl(ep, EPOLL_CTL_ADD, ls, &ev);
	while (!stop) {
		int k = epoll_wait(ep, evs, 256, -1);
		for (int i = 0; i < k; i++) {
			end *e = evs[i].data.ptr;
			if (!e) {
				int fd = accept4(ls, NULL, NULL, 0);
				if (fd < 0)
					continue;
				int bf = socket(isun ? AF_UNIX : AF_INET, SOCK_STREAM, 0);
				if (bf < 0 || connect(bf, isun ? (struct sockaddr *)&ua : (struct sockaddr *)&ba,
						      isun ? sizeof ua : sizeof ba)) {
					close(fd);
					if (bf >= 0)
						close(bf);
					continue;
				}
				setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
				if (!isun)
					setsockopt(bf, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
				end *x = calloc(1, parse ? sizeof *x : offsetof(end, left)),
				    *y = calloc(1, parse ? sizeof *y : offsetof(end, left));
				x->fd = fd;
				y->fd = bf;
				x->peer = y;
				y->peer = x;
				if (parse)
					x->client = 1;
				struct epoll_event e1 = { .events = EPOLLIN, .data.ptr = x },
						   e2 = { .events = EPOLLIN, .data.ptr = y };
				epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e1);
				epoll_ctl(ep, EPOLL_CTL_ADD, bf, &e2);
				continue;
			}
			if (e->dead)
				continue;
			if (evs[i].events & EPOLLOUT && e->plen)
				writable(e);
			if (!e->dead && evs[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR) && !e->paused)
				readable(e);
		}
		for (int i = 0; i < ngrave; i++) {
			free(graveyard[i]->pend);
			free(graveyard[i]);
		}
		ngrave = 0;
	}
	return (int)(sink & 1) & 0;
}
