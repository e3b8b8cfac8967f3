/* backend/server.h - one MySQL or MariaDB server as the whole process sees it: where it is, who we are there, and the
 * counts that bound all workers together. Made by the control thread (names are resolved there), then shared:
 * everything but the atomics is immutable. */
#ifndef KEYWAY_BACKEND_SERVER_H
#define KEYWAY_BACKEND_SERVER_H

#include "keyway/backend/position.h"
#include "keyway/cluster/map.h"
#include "keyway/io/stream.h"
#include "keyway/util/err.h"
#include <stdatomic.h>

enum server_tls {
	SERVER_TLS_OFF,
	SERVER_TLS_PREFERRED,
	SERVER_TLS_REQUIRED,
	SERVER_TLS_VERIFY_CA,
	SERVER_TLS_IDENTITY
};

/* How to log in; texts are borrowed during server_directory_get() only. */
struct server_login {
	const char *user;
	const char *password;
	enum server_tls tls;
	SSL_CTX *tls_ctx;   /* NULL with SERVER_TLS_OFF; a reference is taken */
	const char *source; /* numeric address to connect from; NULL or "": the system chooses */
};

enum server_state {
	SERVER_UNCHECKED, /* no check has ended yet: used as if it were up */
	SERVER_UP,
	SERVER_DOWN,
};

enum server_writable { SERVER_WRITABLE_UNKNOWN, SERVER_WRITABLE, SERVER_READ_ONLY };

#define SERVER_LAG_UNKNOWN UINT64_MAX

/* How a server fares. Written by health/ (checks) and by the workers (what they see); read by all without a lock, each
 * field by itself: nothing may depend on two of them belonging together. What statements are routed by (which server is
 * the primary) does not stand here, it comes as a verdict with the routes. */
struct server_health {
	atomic_uchar state;    /* enum server_state, with hysteresis */
	atomic_uchar writable; /* enum server_writable, as of the last check */
	atomic_bool ejected;   /* fails or is slow out of line with its like: no reads unless there is no other */
	atomic_bool suspect;   /* a worker has seen an error: check now; set by server_suspect() */
	atomic_uint_fast64_t proven_us;		     /* monotonic: when the last good check began; 0: none yet */
	atomic_uint_fast64_t down_us;		     /* monotonic: when it was judged down; 0: it is not */
	atomic_uint_fast64_t lag_us;		     /* replicas: behind the primary; SERVER_LAG_UNKNOWN */
	atomic_uint_fast64_t rtt_us;		     /* of a check's round trip, smoothed */
	atomic_uint_fast64_t ewma_us;		     /* of reads sent to it, smoothed; 0: none yet */
	atomic_uint_fast64_t typical_us;	     /* about the median of the same; 0: none yet */
	atomic_uint learnt;			     /* how many of them that was */
	atomic_uint_fast64_t up_since_us;	     /* monotonic; for the slow start */
	atomic_uint inflight;			     /* statements under way, all workers */
	atomic_uint_fast64_t queries, errors, bytes; /* since start, all workers */
};

#define SERVER_WHY_MAX 256

/* Wakes who checks the servers. */
struct server_waker {
	int fd; /* eventfd; -1: nobody checks */
	atomic_uint refs;
};

struct server {
	char *label; /* "10.0.1.11:3306" or the socket's path: for messages */
	char *host;  /* for the certificate's name */
	struct stream_addr addr;
	char *source; /* address to connect from, as text; NULL: the system chooses */
	bool local;   /* unix socket: safe for clear passwords */
	char *user, *password;
	enum server_tls tls;
	SSL_CTX *tls_ctx;
	atomic_uint refs;

	atomic_uint conns;		      /* open or opening, all workers */
	atomic_uint starving;		      /* workers that wait for a connection and may not open one */
	atomic_uint_fast64_t next_connect_us; /* pacing: no connect before this */
	atomic_uint failures;		      /* connects that failed in a row */
	struct server_health health;
	struct position position;
	struct server_waker *waker; /* NULL: nobody checks */
	pthread_mutex_t why_lock;
	char why[SERVER_WHY_MAX]; /* why its last check failed; under why_lock */
};

struct server_directory; /* all servers of the process by address and account */

struct server_directory *server_directory_new(void);
void server_directory_free(struct server_directory *d);

/* The server of @def, made when it is new; a reference for the caller. Blocks in DNS. ERR_CONFIG when the host has no
 * address. One control thread at a time. */
MUST_CHECK int server_directory_get(struct server_directory *d, const struct backend_def *def,
	const struct server_login *login, struct server **out, struct err *err);

/* Becomes readable when a server of the directory is suspect. */
int server_directory_wake_fd(const struct server_directory *d);

/* What a worker has seen (connection refused, lost, no answer in time, read-only) says that something is wrong with @s:
 * it is checked at once. Cheap, any thread. */
void server_suspect(struct server *s);
/* Why the last check failed; "" when it did not. @out: SERVER_WHY_MAX bytes. */
const char *server_why(struct server *s, char *out);
void server_set_why(struct server *s, const char *why);

struct server *server_ref(struct server *s);
void server_unref(struct server *s);

#endif
