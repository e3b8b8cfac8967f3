/* ctl_map.h - what the commands about the map share. For ctl_map*.c. One thread, blocking. */
#ifndef KEYWAY_MAIN_CTL_MAP_H
#define KEYWAY_MAIN_CTL_MAP_H

#include "ctl_ops.h"
#include "keyway/cluster/map_diff.h"
#include "keyway/ops/map_change.h"

/* A whole file, "-": standard input; NUL-terminated, on the heap. NULL: told. */
char *ctl_map_file(struct ctl *c, const struct ctl_args *a, const char *path, size_t *n);
/* The store's document of a keyspace, on the heap. Told when not CTL_OK. */
enum ctl_exit ctl_map_document(
	struct ctl *c, const struct ctl_args *a, const struct ops *o, const char *keyspace, char **out);
/* The changes as rows. */
void ctl_map_diff_rows(const struct map_diff *d, struct ctl_table *t);

enum ctl_exit ctl_map_apply(struct ctl *c, const struct ctl_args *a);
enum ctl_exit ctl_map_edit(struct ctl *c, const struct ctl_args *a);
enum ctl_exit ctl_map_rollback(struct ctl *c, const struct ctl_args *a);
enum ctl_exit ctl_map_remove(struct ctl *c, const struct ctl_args *a);

#endif
