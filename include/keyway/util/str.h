/* util/str.h - text as pointer and length. A str owns nothing: it points into a packet, an arena or a literal, and
 * lives as long as that. It is not NUL-terminated unless its maker says so. Pure. */
#ifndef KEYWAY_UTIL_STR_H
#define KEYWAY_UTIL_STR_H

#include "keyway/util/base.h"
#include <string.h>
#include <strings.h>

struct str {
	const char *p;
	size_t n;
};

#define STR(lit)   ((struct str){ "" lit, sizeof(lit) - 1 })
#define STR_FMT	   "%.*s"
#define STR_ARG(s) (int)(s).n, (s).p

static inline struct str str_of(const char *z)
{
	return (struct str){ z, z ? strlen(z) : 0 };
}

static inline struct str str_make(const char *p, size_t n)
{
	return (struct str){ p, n };
}

static inline bool str_eq(struct str a, struct str b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* ASCII only, as SQL keywords and names of variables are compared. */
static inline bool str_ieq(struct str a, struct str b)
{
	return a.n == b.n && (a.n == 0 || strncasecmp(a.p, b.p, a.n) == 0);
}

static inline bool str_eqz(struct str a, const char *z)
{
	return str_eq(a, str_of(z));
}

static inline bool str_ieqz(struct str a, const char *z)
{
	return str_ieq(a, str_of(z));
}

static inline bool str_starts(struct str a, struct str prefix)
{
	return a.n >= prefix.n && (prefix.n == 0 || memcmp(a.p, prefix.p, prefix.n) == 0);
}

/* Whole of @s as a decimal number. 0, or -1 when @s is empty, has another character, or does not fit. */
MUST_CHECK int str_to_u64(struct str s, uint64_t *out);
MUST_CHECK int str_to_i64(struct str s, int64_t *out);

/* As SQL's LIKE: % any text, _ one character of UTF-8, \ before one that stands for itself; ASCII letters in any case.
 */
bool str_like(struct str text, struct str pattern);

/* A copy on the heap, NUL-terminated. The caller frees it. */
char *str_dup(struct str s);

#endif
