/* presence.h - this proxy's record in the store: proxies/<id>, under a lease. It is made anew from what is true now
 * whenever a worker has taken over new routes, and once a second; written when it differs. In src/main. */
#ifndef KEYWAY_MAIN_PRESENCE_H
#define KEYWAY_MAIN_PRESENCE_H

#include "daemon.h"
#include "keyway/store/store.h"

#define PRESENCE_TTL_US 10000000

struct presence; /* opaque */

/* Nothing runs yet; presence_installed() may be called from now on. */
struct presence *presence_new(struct daemon *d);
/* The workers run: the record is kept from now on. Logs why it is not, if it cannot be. */
void presence_start(struct presence *p, const struct store_config *store);
/* This process is about to end: says so in the record. */
void presence_stopping(struct presence *p);
/* Takes the record away; no thread of it runs after. NULL is allowed. */
void presence_stop(struct presence *p);
/* Nobody calls it any more. NULL is allowed. */
void presence_free(struct presence *p);

/* A snapshot has been handed to the workers. Any thread. */
void presence_snapshot(struct presence *p, struct snapshot *sn);
/* A worker has taken over new routes; @presence as void * for struct process. Any thread. */
void presence_installed(void *presence);

#endif
