/* io/listener.h - a listening socket on a loop. */
#ifndef KEYWAY_IO_LISTENER_H
#define KEYWAY_IO_LISTENER_H

#include "keyway/io/loop.h"
#include "keyway/util/err.h"

struct listener;

/* Opens a TCP socket with SO_REUSEPORT, so that each worker has its own, or a unix socket (then @path, of which a
 * stale one is replaced; @mode are its permissions). Non-blocking. Returns the descriptor, or a negative err_kind. */
MUST_CHECK int listener_open_tcp(const char *address, uint16_t port, struct err *err);
MUST_CHECK int listener_open_unix(const char *path, unsigned mode, struct err *err);

/* Calls @accepted with each new non-blocking descriptor, which the callee owns. Does not own @listen_fd. When
 * descriptors run out it rests for a tenth of a second rather than spin. */
struct listener *listener_new(struct loop *l, int listen_fd, void (*accepted)(void *arg, int fd), void *arg);
void listener_free(struct listener *ls);

#endif
