/* util/arena.h - memory with one lifetime: what a statement's parse, plan and run need lives here and dies together.
 * Not shared between threads. Allocations are aligned to 16 bytes, uninitialised unless said, and never fail: the
 * arena aborts the process when the system has no memory. What a peer may make grow must be bounded with
 * arena_limit(), then arena_try_alloc() returns NULL at the bound. Pure. */
#ifndef KEYWAY_UTIL_ARENA_H
#define KEYWAY_UTIL_ARENA_H

#include "keyway/util/str.h"

struct arena_chunk;

struct arena {
	struct arena_chunk *head; /* the chunk being filled; older ones hang behind it */
	char *pos, *end;	  /* free space in head */
	size_t used_bytes;	  /* all that was handed out since the last reset */
	size_t limit_bytes;	  /* 0: none */
	size_t chunk_bytes;	  /* 0: 16 KiB */
};

/* All zero is an empty arena without a limit; it holds no memory before the first allocation. */
void arena_init(struct arena *a);
void arena_limit(struct arena *a, size_t limit_bytes);
/* Takes memory in pieces of @bytes instead of 16 KiB: for what is small and lives long. Before the first allocation. */
void arena_chunk(struct arena *a, size_t bytes);
/* Forgets everything, keeps one chunk for the next use. */
void arena_reset(struct arena *a);
/* Forgets everything and gives all memory back. */
void arena_free(struct arena *a);

void *arena_alloc(struct arena *a, size_t n) __attribute__((malloc, returns_nonnull));
void *arena_zalloc(struct arena *a, size_t n) __attribute__((malloc, returns_nonnull));
/* NULL when @n more bytes would pass the limit. */
MUST_CHECK void *arena_try_alloc(struct arena *a, size_t n);
/* @n bytes copied, with a NUL behind them. */
char *arena_dup(struct arena *a, const void *p, size_t n) __attribute__((returns_nonnull));
struct str arena_str(struct arena *a, struct str s);
char *arena_printf(struct arena *a, const char *fmt, ...) PRINTF(2, 3) __attribute__((returns_nonnull));

#define arena_new(a, type)	((type *)arena_zalloc((a), sizeof(type)))
#define arena_array(a, type, n) ((type *)arena_zalloc((a), sizeof(type) * (n)))

#endif
