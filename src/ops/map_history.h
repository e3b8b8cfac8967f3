/* map_history.h - entries of history/<keyspace>/<epoch>. Inside the ops layer. */
#ifndef KEYWAY_OPS_MAP_HISTORY_H
#define KEYWAY_OPS_MAP_HISTORY_H

#include "keyway/ops/map_change.h"

MUST_CHECK int history_key(char out[STORE_KEY_MAX + 1], const char *keyspace, uint64_t epoch, struct err *err);
/* The entry for a change made now by whoever runs this, on the heap. @document NULL: removed. */
char *history_entry(uint64_t epoch, const char *why, const char *document);
/* The entry for a document that nobody put there by this way: when and by whom is not known. */
char *history_entry_found(uint64_t epoch, struct str document);
/* The highest epoch that the history has; 0: none. */
MUST_CHECK int history_last(struct store *s, const char *keyspace, uint64_t *epoch, struct err *err);

#endif
