/* stream.c - sockets on a loop. For front and backend connections; the loop's thread. */
#include "keyway/io/stream.h"
#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <sys/un.h>
#include <unistd.h>

static void stream_task(struct loop_task *t)
{
	struct stream *s = container_of(t, struct stream, task);

	if (s->state == STREAM_BROKEN)
		s->ops->broken(s);
	else if (s->state == STREAM_OPEN && s->tls_again && s->reading)
		s->ops->readable(s);
}

void stream_init(struct stream *s, struct loop *l, const struct stream_ops *ops)
{
	memset(s, 0, sizeof(*s));
	s->loop = l;
	s->ops = ops;
	s->fd = -1;
	s->state = STREAM_CLOSED;
	loop_task_init(&s->task, stream_task);
}

static void stream_want_write(struct stream *s, bool on)
{
	if (on == s->writing)
		return;
	if (on)
		event_add(s->wr, NULL);
	else
		event_del(s->wr);
	s->writing = on;
}

static void stream_want_read(struct stream *s, bool on)
{
	if (on)
		event_add(s->rd, NULL);
	else
		event_del(s->rd);
}

static void stream_fail(struct stream *s)
{
	if (s->state == STREAM_BROKEN || s->state == STREAM_CLOSED)
		return;
	s->state = STREAM_BROKEN;
	/* a dead socket is ready for ever: nobody must listen to it */
	stream_want_write(s, false);
	stream_want_read(s, false);
	buf_free(&s->out);
	loop_post(s->loop, &s->task);
}

static const char *tls_error_text(SSL *ssl, char *out, size_t size)
{
	unsigned long e = ERR_get_error();
	long verify = SSL_get_verify_result(ssl);

	ERR_clear_error();
	if (verify != X509_V_OK)
		snprintf(out, size, "certificate refused: %s", X509_verify_cert_error_string(verify));
	else if (e)
		snprintf(out, size, "TLS failed: %s", ERR_reason_error_string(e) ? ERR_reason_error_string(e) : "?");
	else
		snprintf(out, size, "TLS failed: the peer closed the connection");
	return out;
}

static void stream_tls_step(struct stream *s)
{
	char text[200];
	int rc = SSL_do_handshake(s->ssl);

	if (rc == 1) {
		s->state = STREAM_OPEN;
		stream_want_write(s, false);
		if (!s->reading)
			stream_want_read(s, false);
		s->ops->opened(s, NULL);
		return;
	}
	switch (SSL_get_error(s->ssl, rc)) {
	case SSL_ERROR_WANT_READ: stream_want_write(s, false); return;
	case SSL_ERROR_WANT_WRITE: stream_want_write(s, true); return;
	default:
		tls_error_text(s->ssl, text, sizeof(text));
		stream_want_write(s, false);
		stream_want_read(s, false);
		s->state = STREAM_BROKEN;
		s->ops->opened(s, text);
	}
}

static void stream_on_read(evutil_socket_t fd, short what, void *arg)
{
	struct stream *s = arg;

	(void)fd;
	(void)what;
	if (LIKELY(s->state == STREAM_OPEN))
		s->ops->readable(s);
	else if (s->state == STREAM_TLS)
		stream_tls_step(s);
}

/* How much of @p the socket took; 0 when it takes none now; -1 when it failed. */
static ssize_t stream_send(struct stream *s, const void *p, size_t n)
{
	ssize_t rc;

	if (!s->ssl) {
		do
			rc = send(s->fd, p, n, MSG_NOSIGNAL);
		while (rc < 0 && errno == EINTR);
		if (rc < 0)
			return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -1;
		return rc;
	}
	ERR_clear_error();
	rc = SSL_write(s->ssl, p, n > INT32_MAX ? INT32_MAX : (int)n);
	if (rc > 0)
		return rc;
	switch (SSL_get_error(s->ssl, (int)rc)) {
	case SSL_ERROR_WANT_WRITE:
	case SSL_ERROR_WANT_READ: return 0;
	default: return -1;
	}
}

/* Sends from the queue until it is empty or the socket is full. */
static void stream_flush(struct stream *s)
{
	while (buf_used(&s->out)) {
		ssize_t rc = stream_send(s, buf_head(&s->out), buf_used(&s->out));

		if (rc < 0) {
			stream_fail(s);
			return;
		}
		if (rc == 0)
			break;
		buf_eat(&s->out, (size_t)rc);
	}
	stream_want_write(s, buf_used(&s->out) != 0);
}

static void stream_on_connect(struct stream *s)
{
	int e = 0;
	socklen_t len = sizeof(e);
	char text[100];

	stream_want_write(s, false);
	if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &e, &len) < 0)
		e = errno;
	if (e) {
		snprintf(text, sizeof(text), "%s", strerror(e));
		s->state = STREAM_BROKEN;
		s->ops->opened(s, text);
		return;
	}
	s->state = STREAM_OPEN;
	s->reading = true;
	stream_want_read(s, true);
	s->ops->opened(s, NULL);
}

static void stream_on_write(evutil_socket_t fd, short what, void *arg)
{
	struct stream *s = arg;

	(void)fd;
	(void)what;
	if (s->state == STREAM_CONNECTING) {
		stream_on_connect(s);
	} else if (s->state == STREAM_TLS) {
		stream_tls_step(s);
	} else if (s->state == STREAM_OPEN) {
		stream_flush(s);
		if (s->state == STREAM_OPEN && buf_used(&s->out) == 0) {
			buf_free(&s->out);
			s->ops->drained(s);
		}
	}
}

static int stream_events(struct stream *s, int fd)
{
	s->rd = event_new(loop_base(s->loop), fd, EV_READ | EV_PERSIST, stream_on_read, s);
	s->wr = event_new(loop_base(s->loop), fd, EV_WRITE | EV_PERSIST, stream_on_write, s);
	if (!s->rd || !s->wr) {
		if (s->rd)
			event_free(s->rd);
		if (s->wr)
			event_free(s->wr);
		s->rd = s->wr = NULL;
		return -1;
	}
	s->fd = fd;
	return 0;
}

static void stream_tune(int fd, int family)
{
	int on = 1;

	if (family != AF_INET && family != AF_INET6)
		return;
	/* both are hints: a socket without them works, only slower to notice or to send */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
}

int stream_adopt(struct stream *s, int fd)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);

	if (getsockname(fd, (struct sockaddr *)&sa, &len) == 0)
		stream_tune(fd, sa.ss_family);
	if (stream_events(s, fd) < 0)
		return -1;
	s->state = STREAM_OPEN;
	s->reading = true;
	stream_want_read(s, true);
	return 0;
}

static int stream_bind(int fd, const struct stream_addr *addr)
{
	int on = 1;

	if (!addr->from_len)
		return 0;
	/* the port is chosen by connect(), which may use one again that is in use towards another server */
	(void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
	return bind(fd, (const struct sockaddr *)&addr->from, addr->from_len);
}

int stream_connect(struct stream *s, const struct stream_addr *addr)
{
	int fd = socket(addr->sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int rc;

	if (fd < 0)
		return -errno;
	stream_tune(fd, addr->sa.ss_family);
	if (stream_bind(fd, addr) < 0 ||
		(connect(fd, (const struct sockaddr *)&addr->sa, addr->len) < 0 && errno != EINPROGRESS)) {
		rc = -errno;
		close(fd);
		return rc;
	}
	if (stream_events(s, fd) < 0) {
		close(fd);
		return -ENOMEM;
	}
	s->state = STREAM_CONNECTING;
	stream_want_write(s, true);
	return 0;
}

int stream_tls_start(struct stream *s, SSL_CTX *ctx, bool server, const char *host)
{
	SSL *ssl = SSL_new(ctx);

	if (!ssl || SSL_set_fd(ssl, s->fd) != 1)
		goto fail;
	SSL_set_mode(
		ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
	if (server) {
		SSL_set_accept_state(ssl);
	} else {
		SSL_set_connect_state(ssl);
		if (host) {
			X509_VERIFY_PARAM *vp = SSL_get0_param(ssl);

			if (X509_VERIFY_PARAM_set1_ip_asc(vp, host) != 1 && SSL_set1_host(ssl, host) != 1)
				goto fail;
			ERR_clear_error();
			if (!strpbrk(host, ":") && host[strspn(host, "0123456789.")])
				(void)SSL_set_tlsext_host_name(ssl, host); /* only a hint for the server */
		}
	}
	s->ssl = ssl;
	s->state = STREAM_TLS;
	if (!s->reading) {
		s->reading = true;
		stream_want_read(s, true);
	}
	if (!server)
		stream_want_write(s, true); /* the first step is ours: take it from the loop */
	return 0;
fail:
	ERR_clear_error();
	SSL_free(ssl);
	return -1;
}

void stream_close(struct stream *s)
{
	if (s->state == STREAM_CLOSED)
		return;
	loop_unpost(&s->task);
	if (s->ssl) {
		if (s->state == STREAM_OPEN)
			SSL_shutdown(s->ssl);
		ERR_clear_error();
		SSL_free(s->ssl);
		s->ssl = NULL;
	}
	event_free(s->rd);
	event_free(s->wr);
	s->rd = s->wr = NULL;
	close(s->fd);
	s->fd = -1;
	buf_free(&s->out);
	s->state = STREAM_CLOSED;
	s->writing = s->reading = s->tls_again = false;
}

static ssize_t stream_read_tls(struct stream *s, void *p, size_t n)
{
	size_t got = 0;
	int rc;

	ERR_clear_error();
	s->tls_again = false;
	while (got < n) {
		rc = SSL_read(s->ssl, (char *)p + got, n - got > INT32_MAX ? INT32_MAX : (int)(n - got));
		if (rc <= 0)
			break;
		got += (size_t)rc;
	}
	s->in_bytes += got;
	if (got == n) {
		s->tls_again = true;
		loop_post(s->loop, &s->task);
		return (ssize_t)got;
	}
	switch (SSL_get_error(s->ssl, rc)) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE: return (ssize_t)got;
	default: ERR_clear_error(); return got ? (ssize_t)got : -1;
	}
}

ssize_t stream_read(struct stream *s, void *p, size_t n)
{
	ssize_t rc;

	if (s->state != STREAM_OPEN)
		return s->state == STREAM_TLS ? 0 : -1;
	if (s->ssl)
		return stream_read_tls(s, p, n);
	do
		rc = recv(s->fd, p, n, 0);
	while (rc < 0 && errno == EINTR);
	if (rc > 0) {
		s->in_bytes += (uint64_t)rc;
		return rc;
	}
	if (rc < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return 0;
	return -1;
}

void stream_read_pause(struct stream *s)
{
	if (!s->reading)
		return;
	s->reading = false;
	if (s->state == STREAM_OPEN)
		stream_want_read(s, false);
}

void stream_read_resume(struct stream *s)
{
	if (s->reading)
		return;
	s->reading = true;
	if (s->state != STREAM_OPEN)
		return;
	stream_want_read(s, true);
	if (s->tls_again)
		loop_post(s->loop, &s->task);
}

void stream_write(struct stream *s, const void *p, size_t n)
{
	ssize_t rc = 0;

	if (UNLIKELY(s->state != STREAM_OPEN))
		return;
	s->out_bytes += n;
	if (LIKELY(buf_used(&s->out) == 0)) {
		rc = stream_send(s, p, n);
		if (UNLIKELY(rc < 0)) {
			stream_fail(s);
			return;
		}
		if (LIKELY((size_t)rc == n))
			return;
	}
	buf_add(&s->out, (const char *)p + rc, n - (size_t)rc);
	if (s->ssl)
		stream_flush(s);
	else
		stream_want_write(s, true);
}

void stream_writev(struct stream *s, const struct iovec *iov, int n)
{
	ssize_t rc = 0;

	if (s->state != STREAM_OPEN)
		return;
	if (buf_used(&s->out) == 0 && !s->ssl) {
		struct msghdr m = { .msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = (size_t)n };

		do
			rc = sendmsg(s->fd, &m, MSG_NOSIGNAL);
		while (rc < 0 && errno == EINTR);
		if (rc < 0 && errno != EAGAIN && errno != EWOULDBLOCK) {
			stream_fail(s);
			return;
		}
		if (rc < 0)
			rc = 0;
	}
	for (int i = 0; i < n; i++) {
		s->out_bytes += iov[i].iov_len;
		if ((size_t)rc >= iov[i].iov_len) {
			rc -= (ssize_t)iov[i].iov_len;
			continue;
		}
		buf_add(&s->out, (const char *)iov[i].iov_base + rc, iov[i].iov_len - (size_t)rc);
		rc = 0;
	}
	if (buf_used(&s->out) == 0)
		return;
	if (s->ssl)
		stream_flush(s);
	else
		stream_want_write(s, true);
}

void stream_peer_text(int fd, char *out, size_t size)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);

	snprintf(out, size, "localhost");
	if (getpeername(fd, (struct sockaddr *)&sa, &len) < 0)
		return;
	if (sa.ss_family == AF_INET)
		inet_ntop(AF_INET, &((struct sockaddr_in *)&sa)->sin_addr, out, (socklen_t)size);
	else if (sa.ss_family == AF_INET6)
		inet_ntop(AF_INET6, &((struct sockaddr_in6 *)&sa)->sin6_addr, out, (socklen_t)size);
}
