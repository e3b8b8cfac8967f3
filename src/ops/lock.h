/* lock.h - who works on a shard: a key in the store, made only if there is none, whose owner writes it again all the
 * time. Calls block. */
#ifndef KEYWAY_OPS_LOCK_H
#define KEYWAY_OPS_LOCK_H

#include "keyway/ops/ops.h"

void lock_key(const char *keyspace, const char *shard, char *out, size_t size);
/* What this process writes into it; @beat is another number each time. The caller frees it. */
char *lock_value(const char *op, uint64_t beat);
/* Takes the lock of operation @op over, if its owner is dead: its process is gone (this machine), or it has not written
 * for a while (another one). @force: without asking. A lock that is not there is made. */
MUST_CHECK int lock_take(const struct ops *o, const char *keyspace, const char *shard, const char *op, bool force,
	uint64_t *version, struct err *err);
/* Fills @err with whose it is. Returns ERR_DENIED. */
int lock_held_by(const struct ops *o, const char *keyspace, const char *shard, struct err *err);
/* Of a key that was just written. ERR_DENIED: it does not hold @text (NULL: whatever it holds) any more. */
MUST_CHECK int lock_version_of(
	const struct ops *o, const char *key, const char *text, uint64_t *version, struct err *err);
/* A commit whose outcome is not known: STORE_DONE when the store holds what it would have written, else
 * STORE_CONFLICT. */
MUST_CHECK int lock_was_written(const struct ops *o, const struct store_op *ops, uint32_t n, struct err *err);

#endif
