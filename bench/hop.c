/*
 * hop - what the kernel alone charges for one hop on this machine.
 *
 * Times the system calls that any proxy makes for one small query and its answer, on a
 * connected pair inside one process: no other process to wake, nothing else on the
 * sockets.  A hop needs at least two sends and two receives; with few connections also
 * two epoll_waits.  The sum is the part of a proxy's CPU per query that no code of its
 * own can save while it talks to the kernel in this way; waking the other side comes
 * on top (compare with what the `limit` forwarder really costs).
 *
 *   cc -O2 -o hop hop.c && ./hop
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return ts.tv_sec * 1e9 + ts.tv_nsec;
}
static int cmp(const void *a, const void *b)
{
	return *(double *)a < *(double *)b ? -1 : *(double *)a > *(double *)b;
}
#define BATCH  200
#define ROUNDS 300
static double t[3][ROUNDS], all[ROUNDS];
static double medn(double *v)
{
	qsort(v, ROUNDS, sizeof *v, cmp);
	return v[ROUNDS / 2];
}
static char buf[65536];
/* a query one way and an answer the other way, so that TCP carries its ACKs along */
static void pair(const char *name, int a, int b, int query, int answer)
{
	int ep = epoll_create1(0);
	struct epoll_event e = { .events = EPOLLIN }, out[8];
	epoll_ctl(ep, EPOLL_CTL_ADD, a, &e);
	epoll_ctl(ep, EPOLL_CTL_ADD, b, &e);
	for (int r = 0; r < ROUNDS; r++) {
		double s = 0, w = 0, g = 0;
		for (int i = 0; i < BATCH; i++) {
			int from = i & 1 ? b : a, to = i & 1 ? a : b, size = i & 1 ? answer : query;
			double x = now();
			if (send(from, buf, size, 0) != size)
				abort();
			double y = now();
			epoll_wait(ep, out, 8, -1);
			double z = now();
			if (recv(to, buf, sizeof buf, 0) != size)
				abort();
			double q = now();
			s += y - x;
			w += z - y;
			g += q - z;
		}
		t[0][r] = s / BATCH;
		t[1][r] = w / BATCH;
		t[2][r] = g / BATCH;
	}
	for (int r = 0; r < ROUNDS; r++) { /* the same without the clock calls in between */
		double x = now();
		for (int i = 0; i < BATCH; i++) {
			int from = i & 1 ? b : a, to = i & 1 ? a : b, size = i & 1 ? answer : query;
			if (send(from, buf, size, 0) != size)
				abort();
			epoll_wait(ep, out, 8, -1);
			if (recv(to, buf, sizeof buf, 0) != size)
				abort();
		}
		all[r] = (now() - x) / BATCH * 2;
	}
	double c0 = now();
	for (int i = 0; i < 20000; i++)
		(void)now();
	double clk = (now() - c0) / 20000;
	printf("%-5s query %4d B, answer %5d B: send %5.0f ns  epoll_wait %4.0f ns  recv %5.0f ns; two of each in one "
	       "go %6.2f us\n",
		name, query, answer, medn(t[0]) - clk, medn(t[1]) - clk, medn(t[2]) - clk, medn(all) / 1000);
	close(ep);
}
int main(void)
{
	int ls = socket(AF_INET, SOCK_STREAM, 0), one = 1, fd[2];
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t l = sizeof sa;
	if (bind(ls, (struct sockaddr *)&sa, sizeof sa) || listen(ls, 4) || getsockname(ls, (struct sockaddr *)&sa, &l))
		return 1;
	int a = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(a, (struct sockaddr *)&sa, sizeof sa))
		return 1;
	int b = accept(ls, NULL, NULL);
	setsockopt(a, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fd))
		return 1;
	double x = now();
	for (int i = 0; i < 200000; i++)
		syscall(SYS_getppid);
	printf("getppid (an empty system call) %.0f ns\n", (now() - x) / 200000);
	pair("tcp", a, b, 48, 200);
	pair("tcp", a, b, 48, 16384);
	pair("unix", fd[0], fd[1], 48, 200);
	pair("unix", fd[0], fd[1], 48, 16384);
	return 0;
}
