/* key_canonical.h - the one form that all values equal under a key type share. Inside the cluster layer. Pure. */
#ifndef KEYWAY_CLUSTER_KEY_CANONICAL_H
#define KEYWAY_CLUSTER_KEY_CANONICAL_H

#include "keyway/cluster/sharding.h"

#define KEY_TEXT_MAX 3072 /* bytes of a text key that Keyway routes by; InnoDB indexes no longer ones */

struct key_canonical {
	bool is_int;
	bool above; /* is_int: bits are an unsigned number above 2^63-1 */
	uint64_t bits;
	const uint8_t *p; /* otherwise; may point into scratch or into the value */
	size_t n;
	uint8_t scratch[COLLATION_CANONICAL_MAX(KEY_TEXT_MAX)]; /* last: not initialised */
};

enum route_result key_canonical(const struct key_type *type, enum route_use use, const struct key_value *v,
	struct key_canonical *out, struct err *err);

/* An exact number as far as 64 bits reach: sign, magnitude, and whether more than zeros stands behind the point. */
struct exact {
	bool negative; /* never of zero */
	bool fraction;
	bool overflow; /* magnitude is above 2^64-1 */
	uint64_t magnitude;
};

/* The value as an exact number: integers, decimals, whole doubles below 2^53, texts of plain digits. @as_double: texts
 * are compared as doubles by the server, so they are known up to 2^53 only. False when it is not known. */
bool key_value_exact(const struct key_value *v, bool as_double, struct exact *out);

#endif
