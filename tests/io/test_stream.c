/* test_stream.c - sockets on a loop: bytes, short writes, pausing, closing inside callbacks, connecting, TLS. For
 * src/io/stream.c; socket pairs and loopback, certificates made on the spot. */
#include "../loop_testing.h"
#include "../tls_testing.h"
#include "keyway/io/stream.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <sys/un.h>
#include <unistd.h>

#define BIG (4u << 20)

enum when { NEVER, IN_READABLE, IN_DRAINED, IN_BROKEN, IN_OPENED };

/* A stream whose callbacks count and collect. */
struct end {
	struct stream st;
	struct buf got;
	size_t chunk; /* how much to ask for at a time */
	int readable, drained, broken, opened, gone;
	char errtext[200];
	enum when close_in, pause_in;
	bool in_call; /* a call of the interface is under way: no callback may run */
};

static struct end a, b;
static struct tls_pair tls;
static uint8_t pattern[BIG];

static void called(struct end *e, int *counter, enum when when)
{
	ck_assert(!e->in_call);
	++*counter;
	if (e->close_in == when)
		stream_close(&e->st);
	if (e->pause_in == when)
		stream_read_pause(&e->st);
}

static void on_readable(struct stream *s)
{
	struct end *e = container_of(s, struct end, st);
	ssize_t n = stream_read(s, buf_reserve(&e->got, e->chunk), e->chunk);

	if (n > 0)
		buf_wrote(&e->got, (size_t)n);
	if (n < 0) {
		e->gone++;
		stream_close(s);
	}
	called(e, &e->readable, IN_READABLE);
}

static void on_drained(struct stream *s)
{
	struct end *e = container_of(s, struct end, st);

	called(e, &e->drained, IN_DRAINED);
}

static void on_broken(struct stream *s)
{
	struct end *e = container_of(s, struct end, st);

	called(e, &e->broken, IN_BROKEN);
}

static void on_opened(struct stream *s, const char *errtext)
{
	struct end *e = container_of(s, struct end, st);

	snprintf(e->errtext, sizeof(e->errtext), "%s", errtext ? errtext : "");
	called(e, &e->opened, IN_OPENED);
}

static const struct stream_ops ops = {
	.readable = on_readable,
	.drained = on_drained,
	.broken = on_broken,
	.opened = on_opened,
};

static void end_init(struct end *e)
{
	memset(e, 0, sizeof(*e));
	e->chunk = 65536;
	stream_init(&e->st, loop, &ops);
}

static void setup(void)
{
	signal(SIGPIPE, SIG_IGN);
	loop = loop_new();
	end_init(&a);
	end_init(&b);
	for (size_t i = 0; i < BIG; i++)
		pattern[i] = (uint8_t)(i * 7 + i / 251);
}

static void teardown(void)
{
	stream_close(&a.st);
	stream_close(&b.st);
	buf_free(&a.got);
	buf_free(&b.got);
	loop_free(loop);
}

static void setup_tls(void)
{
	setup();
	tls_pair_make(&tls);
}

static void teardown_tls(void)
{
	teardown();
	tls_pair_free(&tls);
}

static void make_pair(int fd[2])
{
	int small = 4096;

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd), 0);
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(setsockopt(fd[i], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
}

/* a and b, connected to each other. */
static void both(void)
{
	int fd[2];

	make_pair(fd);
	ck_assert_int_eq(stream_adopt(&a.st, fd[0]), 0);
	ck_assert_int_eq(stream_adopt(&b.st, fd[1]), 0);
}

/* a, connected to a bare descriptor, which is returned. */
static int only_a(void)
{
	int fd[2];

	make_pair(fd);
	ck_assert_int_eq(stream_adopt(&a.st, fd[0]), 0);
	return fd[1];
}

static void write_a(const void *p, size_t n)
{
	a.in_call = true;
	stream_write(&a.st, p, n);
	a.in_call = false;
}

static void assert_got(const struct end *e, const void *p, size_t n)
{
	ck_assert_uint_eq(buf_used(&e->got), n);
	ck_assert_int_eq(memcmp(buf_head(&e->got), p, n), 0);
}

/* --- plain --- */

START_TEST(bytes_pass_both_ways)
{
	both();
	stream_write(&a.st, "ping", 4);
	WAIT_FOR(buf_used(&b.got) == 4);
	stream_write(&b.st, "pong!", 5);
	WAIT_FOR(buf_used(&a.got) == 5);
	assert_got(&b, "ping", 4);
	assert_got(&a, "pong!", 5);
	ck_assert_int_eq(a.drained, 0);
}
END_TEST

START_TEST(readable_is_called_again_while_there_is_more)
{
	both();
	b.chunk = 3;
	stream_write(&a.st, pattern, 1000);
	WAIT_FOR(buf_used(&b.got) == 1000);
	assert_got(&b, pattern, 1000);
}
END_TEST

START_TEST(what_the_socket_does_not_take_is_queued_and_drained_is_told_once)
{
	both();
	write_a(pattern, BIG);
	ck_assert_uint_gt(stream_queued(&a.st), 0);
	ck_assert_uint_lt(stream_queued(&a.st), BIG);
	WAIT_FOR(buf_used(&b.got) == BIG);
	WAIT_FOR(a.drained);
	pump_some();
	assert_got(&b, pattern, BIG);
	ck_assert_int_eq(a.drained, 1);
	ck_assert_uint_eq(stream_queued(&a.st), 0);
	ck_assert_ptr_null(a.st.out.p);
}
END_TEST

START_TEST(a_later_write_stands_behind_the_queue)
{
	both();
	write_a(pattern, 1000000);
	for (size_t i = 1000000; i < BIG; i += 1024)
		write_a(pattern + i, MIN(1024, BIG - i));
	WAIT_FOR(buf_used(&b.got) == BIG);
	assert_got(&b, pattern, BIG);
}
END_TEST

/* The socket has room again, but the loop has not sent the queue yet. */
START_TEST(a_write_does_not_overtake_the_queue_when_the_socket_has_room)
{
	struct iovec iov = { pattern + 1500000, 500000 };
	int fd = only_a();
	size_t n = 0;
	ssize_t got;

	write_a(pattern, 1000000);
	for (int i = 0; i < 2; i++) {
		while ((got = read(fd, buf_reserve(&b.got, 65536), 65536)) > 0) {
			buf_wrote(&b.got, (size_t)got);
			n += (size_t)got;
		}
		if (i == 0)
			write_a(pattern + 1000000, 500000);
		else
			stream_writev(&a.st, &iov, 1);
	}
	while (n < 2000000) {
		pump();
		while ((got = read(fd, buf_reserve(&b.got, 65536), 65536)) > 0) {
			buf_wrote(&b.got, (size_t)got);
			n += (size_t)got;
		}
	}
	assert_got(&b, pattern, 2000000);
	close(fd);
}
END_TEST

START_TEST(a_closed_stream_may_go_with_its_owner)
{
	struct end *e = malloc(sizeof(*e));
	int fd[2];

	end_init(e);
	make_pair(fd);
	ck_assert_int_eq(stream_adopt(&e->st, fd[0]), 0);
	close(fd[1]);
	stream_write(&e->st, "x", 1);
	stream_close(&e->st);
	free(e);
	pump_some();
}
END_TEST

/* Pieces of all sizes, empty ones among them; twice, the second time behind a queue. */
static void write_pieces(void)
{
	struct iovec iov[40];
	size_t at = 0;

	for (int i = 0; i < 40; i++) {
		size_t n = i % 5 == 0 ? 0 : i == 39 ? BIG / 2 - at : (size_t)i * 997;

		iov[i] = (struct iovec){ pattern + at, n };
		at += n;
	}
	a.in_call = true;
	stream_writev(&a.st, iov, 40);
	a.in_call = false;
}

START_TEST(pieces_arrive_whole_and_in_order)
{
	both();
	write_pieces();
	ck_assert_uint_gt(stream_queued(&a.st), 0);
	write_pieces();
	WAIT_FOR(buf_used(&b.got) == BIG);
	ck_assert_int_eq(memcmp(buf_head(&b.got), pattern, BIG / 2), 0);
	ck_assert_int_eq(memcmp(buf_head(&b.got) + BIG / 2, pattern, BIG / 2), 0);
}
END_TEST

START_TEST(a_paused_stream_is_not_read_until_it_is_resumed)
{
	both();
	stream_read_pause(&b.st);
	stream_read_pause(&b.st);
	stream_write(&a.st, "late", 4);
	pump_some();
	ck_assert_int_eq(b.readable, 0);
	stream_read_resume(&b.st);
	stream_read_resume(&b.st);
	WAIT_FOR(buf_used(&b.got) == 4);
}
END_TEST

START_TEST(a_paused_reader_holds_the_writer_back)
{
	both();
	b.chunk = 1000;
	b.pause_in = IN_READABLE;
	write_a(pattern, BIG);
	WAIT_FOR(b.readable == 1);
	pump_some();
	ck_assert_int_eq(b.readable, 1);
	ck_assert_uint_eq(buf_used(&b.got), 1000);
	ck_assert_uint_gt(stream_queued(&a.st), 0);
	ck_assert_int_eq(a.drained, 0);
	b.pause_in = NEVER;
	stream_read_resume(&b.st);
	WAIT_FOR(buf_used(&b.got) == BIG);
}
END_TEST

START_TEST(the_end_of_the_peer_is_told_by_reading)
{
	int fd = only_a();

	ck_assert_int_eq(write(fd, "bye", 3), 3);
	close(fd);
	WAIT_FOR(a.gone);
	assert_got(&a, "bye", 3);
	ck_assert_int_eq(a.broken, 0);
}
END_TEST

START_TEST(a_write_that_fails_is_told_from_the_loop)
{
	int fd = only_a();

	stream_read_pause(&a.st);
	close(fd);
	write_a("x", 1);
	ck_assert_int_eq(a.broken, 0);
	write_a("y", 1);
	WAIT_FOR(a.broken);
	pump_some();
	ck_assert_int_eq(a.broken, 1);
	ck_assert_int_eq(stream_read(&a.st, pattern, 1), -1);
}
END_TEST

START_TEST(a_queue_that_cannot_go_out_breaks_the_stream)
{
	int fd = only_a();

	stream_read_pause(&a.st);
	write_a(pattern, BIG);
	ck_assert_uint_gt(stream_queued(&a.st), 0);
	close(fd);
	WAIT_FOR(a.broken);
	ck_assert_uint_eq(stream_queued(&a.st), 0);
	ck_assert_int_eq(a.drained, 0);
}
END_TEST

START_TEST(pieces_to_a_dead_peer_break_the_stream)
{
	int fd = only_a();

	stream_read_pause(&a.st);
	close(fd);
	write_pieces();
	WAIT_FOR(a.broken);
}
END_TEST

START_TEST(closing_takes_back_what_would_have_been_told)
{
	int fd = only_a();

	close(fd);
	write_a("x", 1);
	stream_close(&a.st);
	stream_close(&a.st);
	pump_some();
	ck_assert_int_eq(a.broken + a.readable + a.drained, 0);
	write_a("x", 1);
	ck_assert_int_eq(stream_read(&a.st, pattern, 1), -1);
	stream_read_pause(&a.st);
	stream_read_resume(&a.st);
	pump_some();
	ck_assert_int_eq(a.broken + a.readable + a.drained, 0);
}
END_TEST

START_TEST(closing_drops_the_queue_and_closes_the_socket)
{
	int fd = only_a();
	size_t total = 0;
	ssize_t n;

	write_a(pattern, BIG);
	stream_close(&a.st);
	while ((n = read(fd, pattern, BIG)) > 0)
		total += (size_t)n;
	ck_assert_int_eq(n, 0);
	ck_assert_uint_lt(total, BIG);
	close(fd);
}
END_TEST

START_TEST(closing_inside_readable_is_the_last_that_is_heard)
{
	both();
	b.close_in = IN_READABLE;
	b.chunk = 1;
	stream_write(&a.st, "many", 4);
	WAIT_FOR(b.readable);
	pump_some();
	ck_assert_int_eq(b.readable, 1);
	ck_assert_uint_eq(buf_used(&b.got), 1);
}
END_TEST

START_TEST(closing_inside_drained_is_the_last_that_is_heard)
{
	both();
	a.close_in = IN_DRAINED;
	write_a(pattern, BIG);
	WAIT_FOR(b.gone);
	ck_assert_int_eq(a.drained, 1);
	assert_got(&b, pattern, BIG);
}
END_TEST

START_TEST(closing_inside_broken_is_the_last_that_is_heard)
{
	int fd = only_a();

	a.close_in = IN_BROKEN;
	close(fd);
	write_a("x", 1);
	WAIT_FOR(a.broken);
	pump_some();
	ck_assert_int_eq(a.broken, 1);
	ck_assert_int_eq(a.readable, 0);
}
END_TEST

/* --- connecting --- */

static int listen_tcp(struct stream_addr *addr)
{
	struct sockaddr_in *sa = (struct sockaddr_in *)&addr->sa;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	memset(addr, 0, sizeof(*addr));
	sa->sin_family = AF_INET;
	sa->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	addr->len = sizeof(*sa);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)sa, addr->len), 0);
	ck_assert_int_eq(listen(fd, 8), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)sa, &addr->len), 0);
	return fd;
}

START_TEST(connecting_is_told_from_the_loop_and_reads_begin)
{
	struct stream_addr addr;
	int lfd = listen_tcp(&addr), fd;

	a.in_call = true;
	ck_assert_int_eq(stream_connect(&a.st, &addr), 0);
	a.in_call = false;
	WAIT_FOR(a.opened);
	ck_assert_str_eq(a.errtext, "");
	fd = accept(lfd, NULL, NULL);
	ck_assert_int_eq(write(fd, "hello", 5), 5);
	WAIT_FOR(buf_used(&a.got) == 5);
	close(fd);
	close(lfd);
}
END_TEST

START_TEST(a_refused_connect_says_why_and_the_stream_can_try_again)
{
	struct stream_addr addr;
	int lfd = listen_tcp(&addr);

	close(lfd);
	ck_assert_int_eq(stream_connect(&a.st, &addr), 0);
	WAIT_FOR(a.opened);
	ck_assert_str_eq(a.errtext, "Connection refused");
	stream_close(&a.st);
	lfd = listen_tcp(&addr);
	ck_assert_int_eq(stream_connect(&a.st, &addr), 0);
	WAIT_FOR(a.opened == 2);
	ck_assert_str_eq(a.errtext, "");
	close(lfd);
}
END_TEST

START_TEST(a_connect_that_fails_at_once_says_so)
{
	struct stream_addr addr = { 0 };
	struct sockaddr_un *un = (struct sockaddr_un *)&addr.sa;

	un->sun_family = AF_UNIX;
	snprintf(un->sun_path, sizeof(un->sun_path), "/nowhere/at/all");
	addr.len = sizeof(*un);
	ck_assert_int_eq(stream_connect(&a.st, &addr), -ENOENT);
	pump_some();
	ck_assert_int_eq(a.opened, 0);
	stream_close(&a.st);
}
END_TEST

START_TEST(a_connect_can_be_given_up)
{
	struct stream_addr addr;
	int lfd = listen_tcp(&addr);

	ck_assert_int_eq(stream_connect(&a.st, &addr), 0);
	stream_close(&a.st);
	pump_some();
	ck_assert_int_eq(a.opened, 0);
	close(lfd);
}
END_TEST

START_TEST(closing_inside_opened_is_the_last_that_is_heard)
{
	struct stream_addr addr;
	int lfd = listen_tcp(&addr);

	a.close_in = IN_OPENED;
	ck_assert_int_eq(stream_connect(&a.st, &addr), 0);
	WAIT_FOR(a.opened);
	pump_some();
	ck_assert_int_eq(a.opened, 1);
	close(lfd);
}
END_TEST

START_TEST(a_source_address_is_where_the_peer_sees_it_come_from)
{
	struct stream_addr addr;
	struct sockaddr_in *from = (struct sockaddr_in *)&addr.from;
	int lfd = listen_tcp(&addr), fd;
	char text[64];

	from->sin_family = AF_INET;
	ck_assert_int_eq(inet_pton(AF_INET, "127.0.0.9", &from->sin_addr), 1);
	addr.from_len = sizeof(*from);
	ck_assert_int_eq(stream_connect(&a.st, &addr), 0);
	WAIT_FOR(a.opened);
	ck_assert_str_eq(a.errtext, "");
	fd = accept(lfd, NULL, NULL);
	stream_peer_text(fd, text, sizeof(text));
	ck_assert_str_eq(text, "127.0.0.9");
	close(fd);
	stream_close(&a.st);
	/* not an address of this machine */
	ck_assert_int_eq(inet_pton(AF_INET, "192.0.2.1", &from->sin_addr), 1);
	ck_assert_int_eq(stream_connect(&a.st, &addr), -EADDRNOTAVAIL);
	close(lfd);
}
END_TEST

START_TEST(the_peers_address_is_told_as_text)
{
	struct stream_addr addr;
	int lfd = listen_tcp(&addr), fd, pair[2];
	char text[64];

	ck_assert_int_eq(stream_connect(&a.st, &addr), 0);
	fd = accept(lfd, NULL, NULL);
	stream_peer_text(fd, text, sizeof(text));
	ck_assert_str_eq(text, "127.0.0.1");
	make_pair(pair);
	stream_peer_text(pair[0], text, sizeof(text));
	ck_assert_str_eq(text, "localhost");
	close(pair[0]);
	close(pair[1]);
	close(fd);
	close(lfd);
}
END_TEST

/* --- TLS --- */

static void secure(SSL_CTX *client, const char *host)
{
	both();
	ck_assert_int_eq(stream_tls_start(&a.st, client, false, host), 0);
	ck_assert_int_eq(stream_tls_start(&b.st, tls.server, true, NULL), 0);
	WAIT_FOR(a.opened && b.opened);
}

START_TEST(bytes_pass_both_ways_encrypted)
{
	secure(tls.client, "db.test");
	ck_assert_str_eq(a.errtext, "");
	ck_assert_str_eq(b.errtext, "");
	ck_assert(stream_is_tls(&a.st));
	write_a("ping", 4);
	stream_write(&b.st, "pong!", 5);
	WAIT_FOR(buf_used(&b.got) == 4 && buf_used(&a.got) == 5);
	assert_got(&b, "ping", 4);
	assert_got(&a, "pong!", 5);
}
END_TEST

static const struct {
	const char *host;
	bool ok;
} hosts[] = { { "db.test", true }, { "127.0.0.1", true }, { NULL, true }, { "db2.test", false }, { "test", false },
	{ "127.0.0.2", false }, { "::1", false } };

START_TEST(the_certificate_must_be_of_the_host)
{
	secure(tls.client, hosts[_i].host);
	if (hosts[_i].ok)
		ck_assert_str_eq(a.errtext, "");
	else
		ck_assert_ptr_nonnull(strstr(a.errtext, "certificate refused"));
}
END_TEST

START_TEST(a_certificate_of_an_unknown_maker_is_refused)
{
	secure(tls.stranger, NULL);
	ck_assert_ptr_nonnull(strstr(a.errtext, "certificate refused"));
	write_a("secret", 6);
	pump_some();
	ck_assert_uint_eq(buf_used(&b.got), 0);
}
END_TEST

START_TEST(much_goes_through_tls_in_order_and_drained_is_told_once)
{
	secure(tls.client, NULL);
	b.chunk = 777;
	write_a(pattern, BIG);
	ck_assert_uint_gt(stream_queued(&a.st), 0);
	WAIT_FOR(buf_used(&b.got) == BIG);
	assert_got(&b, pattern, BIG);
	WAIT_FOR(a.drained);
	ck_assert_int_eq(a.drained, 1);
}
END_TEST

START_TEST(pieces_arrive_encrypted_whole_and_in_order)
{
	secure(tls.client, NULL);
	write_pieces();
	WAIT_FOR(buf_used(&b.got) == BIG / 2);
	assert_got(&b, pattern, BIG / 2);
}
END_TEST

/* A record that TLS has taken from the socket whole is not announced by the socket again. */
START_TEST(bytes_that_tls_holds_come_without_the_socket)
{
	secure(tls.client, NULL);
	b.chunk = 10;
	write_a(pattern, 100);
	WAIT_FOR(buf_used(&b.got) == 100);
	assert_got(&b, pattern, 100);
}
END_TEST

START_TEST(bytes_that_tls_holds_wait_while_reading_is_paused)
{
	secure(tls.client, NULL);
	b.chunk = 10;
	b.pause_in = IN_READABLE;
	write_a(pattern, 100);
	WAIT_FOR(buf_used(&b.got) == 10);
	pump_some();
	ck_assert_uint_eq(buf_used(&b.got), 10);
	b.pause_in = NEVER;
	stream_read_resume(&b.st);
	WAIT_FOR(buf_used(&b.got) == 100);
}
END_TEST

START_TEST(closing_with_bytes_held_by_tls_is_the_last_that_is_heard)
{
	secure(tls.client, NULL);
	b.chunk = 10;
	b.close_in = IN_READABLE;
	write_a(pattern, 100);
	WAIT_FOR(b.readable);
	pump_some();
	ck_assert_int_eq(b.readable, 1);
}
END_TEST

START_TEST(pausing_during_the_handshake_holds_after_it)
{
	both();
	ck_assert_int_eq(stream_tls_start(&a.st, tls.client, false, NULL), 0);
	ck_assert_int_eq(stream_tls_start(&b.st, tls.server, true, NULL), 0);
	stream_read_pause(&b.st);
	WAIT_FOR(a.opened && b.opened);
	write_a("x", 1);
	pump_some();
	ck_assert_int_eq(b.readable, 0);
	stream_read_resume(&b.st);
	WAIT_FOR(buf_used(&b.got) == 1);
}
END_TEST

START_TEST(nothing_is_read_or_written_in_the_clear_during_the_handshake)
{
	int fd = only_a();
	char c;

	ck_assert_int_eq(stream_tls_start(&a.st, tls.server, true, NULL), 0);
	write_a("clear", 5);
	ck_assert_int_eq(stream_read(&a.st, &c, 1), 0);
	pump_some();
	ck_assert_int_eq(read(fd, &c, 1), -1);
	ck_assert_int_eq(errno, EAGAIN);
	close(fd);
}
END_TEST

START_TEST(garbage_instead_of_a_handshake_is_refused)
{
	int fd = only_a();

	ck_assert_int_eq(stream_tls_start(&a.st, tls.server, true, NULL), 0);
	ck_assert_int_eq(write(fd, "select 1 from nowhere", 21), 21);
	WAIT_FOR(a.opened);
	ck_assert_ptr_nonnull(strstr(a.errtext, "TLS failed"));
	close(fd);
}
END_TEST

START_TEST(a_peer_that_leaves_during_the_handshake_is_told)
{
	int fd = only_a();

	ck_assert_int_eq(stream_tls_start(&a.st, tls.client, false, NULL), 0);
	pump_some();
	close(fd);
	WAIT_FOR(a.opened);
	ck_assert_ptr_nonnull(strstr(a.errtext, "TLS failed"));
}
END_TEST

START_TEST(the_end_of_an_encrypted_peer_is_told_by_reading)
{
	secure(tls.client, NULL);
	write_a("bye", 3);
	stream_close(&a.st);
	WAIT_FOR(b.gone);
	assert_got(&b, "bye", 3);
}
END_TEST

START_TEST(an_encrypted_write_that_fails_is_told_from_the_loop)
{
	secure(tls.client, NULL);
	stream_read_pause(&a.st);
	stream_close(&b.st);
	write_a(pattern, 1000);
	ck_assert_int_eq(a.broken, 0);
	WAIT_FOR(a.broken);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, bytes_pass_both_ways);
	tcase_add_test(tc, readable_is_called_again_while_there_is_more);
	tcase_add_test(tc, what_the_socket_does_not_take_is_queued_and_drained_is_told_once);
	tcase_add_test(tc, a_later_write_stands_behind_the_queue);
	tcase_add_test(tc, a_write_does_not_overtake_the_queue_when_the_socket_has_room);
	tcase_add_test(tc, a_closed_stream_may_go_with_its_owner);
	tcase_add_test(tc, pieces_arrive_whole_and_in_order);
	tcase_add_test(tc, a_paused_stream_is_not_read_until_it_is_resumed);
	tcase_add_test(tc, a_paused_reader_holds_the_writer_back);
	tcase_add_test(tc, the_end_of_the_peer_is_told_by_reading);
	tcase_add_test(tc, a_write_that_fails_is_told_from_the_loop);
	tcase_add_test(tc, a_queue_that_cannot_go_out_breaks_the_stream);
	tcase_add_test(tc, pieces_to_a_dead_peer_break_the_stream);
	tcase_add_test(tc, closing_takes_back_what_would_have_been_told);
	tcase_add_test(tc, closing_drops_the_queue_and_closes_the_socket);
	tcase_add_test(tc, closing_inside_readable_is_the_last_that_is_heard);
	tcase_add_test(tc, closing_inside_drained_is_the_last_that_is_heard);
	tcase_add_test(tc, closing_inside_broken_is_the_last_that_is_heard);
	tcase_add_test(tc, connecting_is_told_from_the_loop_and_reads_begin);
	tcase_add_test(tc, a_refused_connect_says_why_and_the_stream_can_try_again);
	tcase_add_test(tc, a_connect_that_fails_at_once_says_so);
	tcase_add_test(tc, a_connect_can_be_given_up);
	tcase_add_test(tc, closing_inside_opened_is_the_last_that_is_heard);
	tcase_add_test(tc, a_source_address_is_where_the_peer_sees_it_come_from);
	tcase_add_test(tc, the_peers_address_is_told_as_text);
}

static void add_tls(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup_tls, teardown_tls);
	tcase_add_test(tc, bytes_pass_both_ways_encrypted);
	tcase_add_loop_test(tc, the_certificate_must_be_of_the_host, 0, (int)ARRAY_N(hosts));
	tcase_add_test(tc, a_certificate_of_an_unknown_maker_is_refused);
	tcase_add_test(tc, much_goes_through_tls_in_order_and_drained_is_told_once);
	tcase_add_test(tc, pieces_arrive_encrypted_whole_and_in_order);
	tcase_add_test(tc, bytes_that_tls_holds_come_without_the_socket);
	tcase_add_test(tc, bytes_that_tls_holds_wait_while_reading_is_paused);
	tcase_add_test(tc, closing_with_bytes_held_by_tls_is_the_last_that_is_heard);
	tcase_add_test(tc, pausing_during_the_handshake_holds_after_it);
	tcase_add_test(tc, nothing_is_read_or_written_in_the_clear_during_the_handshake);
	tcase_add_test(tc, garbage_instead_of_a_handshake_is_refused);
	tcase_add_test(tc, a_peer_that_leaves_during_the_handshake_is_told);
	tcase_add_test(tc, the_end_of_an_encrypted_peer_is_told_by_reading);
	tcase_add_test(tc, an_encrypted_write_that_fails_is_told_from_the_loop);
}

int main(void)
{
	int plain = run_tests("stream", add), encrypted = run_tests("stream_tls", add_tls);

	return plain ? plain : encrypted;
}
