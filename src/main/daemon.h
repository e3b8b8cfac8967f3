/* daemon.h - what daemon.c, wiring.c share: the objects of the process. */
#ifndef KEYWAY_MAIN_DAEMON_INTERNAL_H
#define KEYWAY_MAIN_DAEMON_INTERNAL_H

#include "keyway/front/front.h"
#include "keyway/health/health.h"
#include "keyway/main/config.h"
#include <pthread.h>

struct control_thread;

struct daemon {
	const char *path;
	struct config *cfg;
	struct process process;
	struct control_thread *control;
	struct server_directory *servers;
	struct health *health;
	struct presence *presence;
	SSL_CTX *backend_tls;
	struct front_shared *shared;
	struct exec_config *exec_cfg;
	struct front_config *front_cfg;
	pthread_mutex_t lock;  /* guards routes, cfg as the control thread reads it, and servers */
	struct routes *routes; /* the newest */
	struct front **fronts;
	pthread_t *threads;
	int *fds; /* listening sockets: [worker][listen] */
	uint32_t n_fds;
	bool running; /* workers take messages */
};

/* wiring.c: settings to what the layers want. NULL or negative: @err. */
struct exec_config *wire_exec_config(const struct config *cfg);
struct front_config *wire_front_config(const struct config *cfg, struct err *err);
MUST_CHECK int wire_backend_tls(const struct config *cfg, SSL_CTX **out, struct err *err);
struct ids *wire_ids(const struct config *cfg, struct err *err);
struct health_config wire_health_config(const struct config *cfg);
/* Routes for @sn, whose servers are watched from now on. With the lock held. */
struct routes *wire_routes(struct daemon *d, struct snapshot *sn);
/* The newest routes again, with the verdicts of now. With the lock held. */
struct routes *wire_verdicts(struct daemon *d);

#endif
