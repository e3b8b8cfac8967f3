/* cluster/map_edit.h - single changes of a map document as text: everything else stays as it was written, down to the
 * blanks. What comes out is valid JSON, but the map is not judged: keyspace_parse() does that.
 *
 * All return 0 and a new text in *@out, NUL-terminated, which the caller frees (a copy when nothing had to change);
 * ERR_CONFIG: the text is no map document; ERR_NAME: it has no such shard or backend. Pure. */
#ifndef KEYWAY_CLUSTER_MAP_EDIT_H
#define KEYWAY_CLUSTER_MAP_EDIT_H

#include "keyway/cluster/map.h"

MUST_CHECK int map_edit_epoch(struct str document, uint64_t epoch, char **out, struct err *err);

/* Names of backends are unique in a keyspace. */
MUST_CHECK int map_edit_backend_state(
	struct str document, struct str backend, enum backend_state state, char **out, struct err *err);

/* @backend of @shard (a range in any form) gets the role primary, and who had it the role replica. */
MUST_CHECK int map_edit_primary(struct str document, struct str shard, struct str backend, char **out, struct err *err);

/* The side of a pair for statements that decide none. */
MUST_CHECK int map_edit_home(struct str document, struct str shard, enum pair_side home, char **out, struct err *err);

/* @backends, a JSON array, takes the place of @shard's. */
MUST_CHECK int map_edit_backends(
	struct str document, struct str shard, struct str backends, char **out, struct err *err);

#endif
