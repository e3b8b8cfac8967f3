/* file.h - what file.c (keys in files) and file_follow.c (their changes) share. Inside the store layer. */
#ifndef KEYWAY_STORE_FILE_H
#define KEYWAY_STORE_FILE_H

#include "store_type.h"

#define FILE_DOCUMENTS_MAX 4096

/* "*.json" that is not hidden. */
bool file_is_document(const char *name);
/* All of @fd, at most one byte more than a value may have: who takes it refuses what is longer. NUL-terminated, on the
 * heap; NULL: errno. */
char *file_read_whole(int fd, size_t *n);

/* struct store_type's calls, in file_follow.c */
void *file_follow(const struct store_config *cfg, const struct store_watch *watch, struct err *err);
void file_reload(void *follower);
void file_stop(void *follower);

#endif
