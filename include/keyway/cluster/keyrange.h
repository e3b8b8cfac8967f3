/* cluster/keyrange.h - key ids and the ranges of them that shards own. Pure, no allocation.
 * A key id is an unsigned 64-bit number made from a shard key. A range [start, end) is written as two hexadecimal
 * prefixes as Vitess does: "-80", "40-80", "-" (everything). A prefix has whole bytes (an even number of digits, at
 * most 16) and stands for the id that begins with it: "80" is 0x8000000000000000. For the function `range` it may
 * instead be written in decimal values with two dots: "..1000", "-5..1000", "1000.." (end excluded). */
#ifndef KEYWAY_CLUSTER_KEYRANGE_H
#define KEYWAY_CLUSTER_KEYRANGE_H

#include "keyway/util/str.h"

#define KEYRANGE_TEXT_MAX 48 /* bytes that any printed form needs, NUL included */

/* Never empty. The end is kept as the last id inside, so that the range up to the top needs no special case. */
struct keyrange {
	uint64_t first;
	uint64_t last; /* inside the range */
};

#define KEYRANGE_ALL ((struct keyrange){ 0, UINT64_MAX })

static inline bool keyrange_has(struct keyrange r, uint64_t key_id)
{
	return key_id >= r.first && key_id <= r.last;
}

static inline bool keyrange_eq(struct keyrange a, struct keyrange b)
{
	return a.first == b.first && a.last == b.last;
}

/* Both forms of text. 0, or -1 and *@why says what is wrong with the text, in words to be put behind its name. */
MUST_CHECK int keyrange_parse(struct str text, struct keyrange *out, const char **why);

/* The hexadecimal form, as short as it can be; NUL-terminated. Returns @out. */
const char *keyrange_print(struct keyrange r, char out[KEYRANGE_TEXT_MAX]);

/* "40" -> 0x4000000000000000. 0, or -1 when it is not one to eight bytes in hexadecimal. */
MUST_CHECK int key_id_parse(struct str prefix, uint64_t *out);

/* The key id of an integer under the function `range`: order is kept, negative values sort below zero. */
static inline uint64_t key_id_of_int(int64_t v)
{
	return (uint64_t)v ^ (UINT64_C(1) << 63);
}

#endif
