/* control.h - a thread of the daemon that may block, for what workers want to know of the store: one question after
 * another. Main thread, but for what it runs. */
#ifndef KEYWAY_MAIN_CONTROL_H
#define KEYWAY_MAIN_CONTROL_H

#include "keyway/exec/worker.h"
#include "keyway/store/store.h"

struct control_thread; /* opaque */

/* Copies @store. Fills @out, which holds as long as the thread. NULL and @err: the store's settings cannot be used. */
struct control_thread *control_start(const struct store_config *store, struct control *out, struct err *err);
/* Waits for the question under way; those behind it are dropped. NULL is allowed. */
void control_stop(struct control_thread *t);

#endif
