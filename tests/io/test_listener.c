/* test_listener.c - opening, accepting, what else stands at a socket's path, no descriptors left. For
 * src/io/listener.c; loopback and sockets in a folder of its own. */
#include "../loop_testing.h"
#include "keyway/io/listener.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static char dir[40];
static char path[64];
static struct err err;
static int fds[64];
static size_t n_fds;

static void setup(void)
{
	loop = loop_new();
	snprintf(dir, sizeof(dir), "/tmp/keyway-listener-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/sock", dir);
	memset(&err, 0, sizeof(err));
	n_fds = 0;
}

static void teardown(void)
{
	for (size_t i = 0; i < n_fds; i++)
		close(fds[i]);
	unlink(path);
	rmdir(dir);
	loop_free(loop);
}

static void accepted(void *arg, int fd)
{
	ck_assert_ptr_eq(arg, &fds);
	fds[n_fds++] = fd;
}

static uint16_t port_of(int fd)
{
	struct sockaddr_in sa;
	socklen_t len = sizeof(sa);

	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
	return ntohs(sa.sin_port);
}

static int dial_tcp(uint16_t port)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	return fd;
}

static int dial_unix(void)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	memcpy(sa.sun_path, path, strlen(path) + 1);
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0)
		return fd;
	close(fd);
	return -1;
}

START_TEST(connections_come_as_descriptors_that_do_not_block)
{
	int lfd = listener_open_tcp("127.0.0.1", 0, &err), out[3];
	struct listener *ls;
	char c;

	ck_assert_int_ge(lfd, 0);
	ls = listener_new(loop, lfd, accepted, &fds);
	for (int i = 0; i < 3; i++)
		out[i] = dial_tcp(port_of(lfd));
	WAIT_FOR(n_fds == 3);
	ck_assert_int_eq(read(fds[0], &c, 1), -1);
	ck_assert_int_eq(errno, EAGAIN);
	ck_assert_int_ne(fcntl(fds[0], F_GETFD) & FD_CLOEXEC, 0);
	for (int i = 0; i < 3; i++)
		close(out[i]);
	listener_free(ls);
	listener_free(NULL);
	close(lfd);
}
END_TEST

START_TEST(each_worker_can_listen_on_the_same_port)
{
	int a = listener_open_tcp("127.0.0.1", 0, &err), b;

	ck_assert_int_ge(a, 0);
	b = listener_open_tcp("127.0.0.1", port_of(a), &err);
	ck_assert_int_ge(b, 0);
	close(a);
	close(b);
}
END_TEST

static const char *const bad_addresses[] = { "localhost", "", "127.0.0.1:3306", "300.1.1.1", "*" };

START_TEST(only_numeric_addresses_are_taken)
{
	ck_assert_int_eq(listener_open_tcp(bad_addresses[_i], 0, &err), ERR_CONFIG);
	ck_assert_ptr_nonnull(strstr(err.msg, "write an IPv4 or IPv6 address"));
}
END_TEST

START_TEST(an_address_of_another_machine_is_refused_with_the_reason)
{
	ck_assert_int_eq(listener_open_tcp("192.0.2.1", 1, &err), ERR_CONFIG);
	ck_assert_ptr_nonnull(strstr(err.msg, "192.0.2.1 port 1"));
}
END_TEST

START_TEST(a_unix_socket_has_the_permissions_asked_for)
{
	int lfd = listener_open_unix(path, 0640, &err), fd;
	struct listener *ls;
	struct stat st;

	ck_assert_int_ge(lfd, 0);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert(S_ISSOCK(st.st_mode));
	ck_assert_uint_eq(st.st_mode & 0777, 0640);
	ls = listener_new(loop, lfd, accepted, &fds);
	fd = dial_unix();
	ck_assert_int_ge(fd, 0);
	WAIT_FOR(n_fds == 1);
	close(fd);
	listener_free(ls);
	close(lfd);
}
END_TEST

START_TEST(a_stale_socket_is_replaced)
{
	int old = listener_open_unix(path, 0600, &err), lfd, fd;

	ck_assert_int_ge(old, 0);
	close(old);
	ck_assert_int_eq(dial_unix(), -1);
	lfd = listener_open_unix(path, 0600, &err);
	ck_assert_int_ge(lfd, 0);
	fd = dial_unix();
	ck_assert_int_ge(fd, 0);
	close(fd);
	close(lfd);
}
END_TEST

START_TEST(a_socket_that_somebody_answers_on_stays_his)
{
	int lfd = listener_open_unix(path, 0600, &err), fd;

	ck_assert_int_ge(lfd, 0);
	ck_assert_int_eq(listener_open_unix(path, 0600, &err), ERR_CONFIG);
	fd = dial_unix();
	ck_assert_int_ge(fd, 0);
	close(fd);
	close(lfd);
}
END_TEST

START_TEST(a_file_at_the_path_is_not_removed)
{
	int fd = open(path, O_CREAT | O_WRONLY, 0600);
	struct stat st;

	ck_assert_int_eq(write(fd, "data", 4), 4);
	close(fd);
	ck_assert_int_eq(listener_open_unix(path, 0600, &err), ERR_CONFIG);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_size, 4);
}
END_TEST

START_TEST(a_path_too_long_is_refused)
{
	char longer[200];

	memset(longer, 'p', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	ck_assert_int_eq(listener_open_unix(longer, 0600, &err), ERR_CONFIG);
	ck_assert_ptr_nonnull(strstr(err.msg, "longer than"));
}
END_TEST

START_TEST(without_descriptors_it_rests_and_then_goes_on)
{
	int lfd = listener_open_unix(path, 0600, &err), fd, again, filler[64];
	struct rlimit was, low;
	struct listener *ls;
	size_t n = 0;

	ck_assert_int_ge(lfd, 0);
	ls = listener_new(loop, lfd, accepted, &fds);
	fd = dial_unix();
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &was), 0);
	low = was;
	low.rlim_cur = (rlim_t)fd + 8;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &low), 0);
	while (n < ARRAY_N(filler) && (filler[n] = dup(fd)) >= 0)
		n++;
	ck_assert_uint_lt(n, ARRAY_N(filler));
	pump_some();
	ck_assert_uint_eq(n_fds, 0);
	while (n)
		close(filler[--n]);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &was), 0);
	/* it rests still, though it could go on */
	pump();
	ck_assert_uint_eq(n_fds, 0);
	/* one more, since valgrind takes a connection from the queue before it says that there is no room */
	again = dial_unix();
	ck_assert_int_ge(again, 0);
	WAIT_FOR(n_fds);
	close(again);
	close(fd);
	listener_free(ls);
	close(lfd);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, connections_come_as_descriptors_that_do_not_block);
	tcase_add_test(tc, each_worker_can_listen_on_the_same_port);
	tcase_add_loop_test(tc, only_numeric_addresses_are_taken, 0, (int)ARRAY_N(bad_addresses));
	tcase_add_test(tc, an_address_of_another_machine_is_refused_with_the_reason);
	tcase_add_test(tc, a_unix_socket_has_the_permissions_asked_for);
	tcase_add_test(tc, a_stale_socket_is_replaced);
	tcase_add_test(tc, a_socket_that_somebody_answers_on_stays_his);
	tcase_add_test(tc, a_file_at_the_path_is_not_removed);
	tcase_add_test(tc, a_path_too_long_is_refused);
	tcase_add_test(tc, without_descriptors_it_rests_and_then_goes_on);
}

int main(void)
{
	return run_tests("listener", add);
}
