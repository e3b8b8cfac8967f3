/* util/base.h - the few macros that every file may use. Pure. */
#ifndef KEYWAY_UTIL_BASE_H
#define KEYWAY_UTIL_BASE_H

#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>

#define MUST_CHECK   __attribute__((warn_unused_result))
#define PRINTF(f, a) __attribute__((format(printf, f, a)))
#define LIKELY(x)    __builtin_expect(!!(x), 1)
#define UNLIKELY(x)  __builtin_expect(!!(x), 0)
#define ARRAY_N(a)   (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b)    ((a) < (b) ? (a) : (b))
#define MAX(a, b)    ((a) > (b) ? (a) : (b))

#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/* malloc family that never returns NULL: small allocations of ours abort the process when memory is out. Sizes that
 * a peer chose must be bounded before they come here. */
void *xmalloc(size_t n) __attribute__((malloc, returns_nonnull));
void *xcalloc(size_t n, size_t size) __attribute__((malloc, returns_nonnull));
void *xrealloc(void *p, size_t n) __attribute__((returns_nonnull));
char *xstrdup(const char *s) __attribute__((malloc, returns_nonnull));
char *xstrndup(const char *s, size_t n) __attribute__((malloc, returns_nonnull));
char *xasprintf(const char *fmt, ...) PRINTF(1, 2) __attribute__((malloc, returns_nonnull));

/* Monotonic and wall clock, microseconds. Not for pure layers: they are handed the time. */
uint64_t clock_mono_us(void);
uint64_t clock_wall_us(void);

#endif
