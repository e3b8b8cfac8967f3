/* io/stream.h - a connected socket, TCP or unix, plain or TLS, on a loop. The owner embeds it. Reads go into the
 * caller's memory; writes go to the socket at once, and what it does not take is queued. No callback ever runs inside a
 * call of this interface. All calls from the loop's thread. */
#ifndef KEYWAY_IO_STREAM_H
#define KEYWAY_IO_STREAM_H

#include "keyway/io/loop.h"
#include "keyway/util/buf.h"
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

struct stream;
struct event;
typedef struct ssl_st SSL;
typedef struct ssl_ctx_st SSL_CTX;

struct stream_ops {
	void (*readable)(struct stream *s); /* call stream_read() once; called again while there is more */
	void (*drained)(struct stream *s);  /* the queue, not empty before, is empty now */
	void (*broken)(struct stream *s);   /* a write failed; that the peer is gone is told by reading only */
	/* end of stream_connect() or stream_tls_start(); @errtext NULL: success */
	void (*opened)(struct stream *s, const char *errtext);
};

enum stream_state { STREAM_CLOSED, STREAM_CONNECTING, STREAM_TLS, STREAM_OPEN, STREAM_BROKEN };

struct stream {
	struct loop *loop;
	const struct stream_ops *ops;
	struct event *rd, *wr;
	SSL *ssl;
	struct buf out; /* not yet taken by the socket */
	struct loop_task task;
	int fd;
	uint8_t state;		      /* enum stream_state */
	bool reading;		      /* the owner wants readable() */
	bool tls_again;		      /* TLS holds bytes that the socket will not announce */
	bool writing;		      /* wr is in the loop */
	uint64_t in_bytes, out_bytes; /* read and written since it was opened, TLS not counted */
};

/* Where a server listens: resolved, so that connecting never asks DNS. */
struct stream_addr {
	struct sockaddr_storage sa;
	socklen_t len;
	struct sockaddr_storage from; /* where stream_connect() connects from, without a port */
	socklen_t from_len;	      /* 0: the system chooses */
};

/* All zero but loop and ops; nothing is opened. */
void stream_init(struct stream *s, struct loop *l, const struct stream_ops *ops);
/* Takes over @fd, a connected non-blocking socket; reads begin. -1 when the loop refuses it (fd stays the caller's). */
MUST_CHECK int stream_adopt(struct stream *s, int fd);
/* Starts connecting; opened() tells the end. -errno when it failed at once. */
MUST_CHECK int stream_connect(struct stream *s, const struct stream_addr *addr);
/* Starts TLS on an open stream. @host: name to verify and to send as SNI (client), may be NULL. The owner has made
 * sure that no byte read before is left over. opened() tells the end; the caller's deadline bounds it. */
MUST_CHECK int stream_tls_start(struct stream *s, SSL_CTX *ctx, bool server, const char *host);
/* Closes at once, drops the queue, takes back pending callbacks. Harmless on a closed stream. */
void stream_close(struct stream *s);

/* > 0 bytes; 0: nothing now; -1: the peer is gone or the socket failed. */
MUST_CHECK ssize_t stream_read(struct stream *s, void *p, size_t n);
void stream_read_pause(struct stream *s);
void stream_read_resume(struct stream *s);

/* Takes all bytes (sends or queues). On failure the stream is broken and broken() will be called. */
void stream_write(struct stream *s, const void *p, size_t n);
void stream_writev(struct stream *s, const struct iovec *iov, int n);

static inline size_t stream_queued(const struct stream *s)
{
	return buf_used(&s->out);
}

static inline bool stream_is_tls(const struct stream *s)
{
	return s->ssl != NULL;
}

/* Text of the peer's address ("10.0.0.1", or "localhost" for a unix socket). */
void stream_peer_text(int fd, char *out, size_t size);

#endif
