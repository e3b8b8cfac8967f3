/* cluster/charset.h - what Keyway knows of character sets and collations: which it can decide equality in by itself.
 * A collation whose equality is not known exactly, for certain characters or at all, says so; nothing is guessed. The
 * list of what is known is in docs/map.md. Pure; the tables are constant. */
#ifndef KEYWAY_CLUSTER_CHARSET_H
#define KEYWAY_CLUSTER_CHARSET_H

#include "keyway/util/str.h"

enum charset {
	CHARSET_OTHER = 0, /* nothing is decided about its bytes, not even that they hold ASCII */
	CHARSET_BINARY,
	CHARSET_ASCII,
	CHARSET_LATIN1, /* MySQL's: cp1252 */
	CHARSET_UTF8MB3,
	CHARSET_UTF8MB4,
};

struct collation; /* constant, compared by pointer */

/* By MySQL's name ("utf8" is utf8mb3). CHARSET_OTHER for those not listed above. */
enum charset charset_by_name(struct str name);
/* The character set that a collation's name begins with. */
enum charset charset_of_collation(struct str collation_name);

/* NULL when equality under it is not known: any name may be asked for, in any letter case. */
const struct collation *collation_by_name(struct str name);
const char *collation_name(const struct collation *c);
enum charset collation_charset(const struct collation *c);

/* Writes bytes that are equal exactly when the texts are equal under @c. @text is in the character set @from; trailing
 * spaces are left away when @c pads or @strip is set. Returns the number of bytes, at most @cap, or -1 when it cannot
 * be known (a character outside of what is known, malformed text, no exact conversion, @cap too small).
 * COLLATION_CANONICAL_MAX(n) bytes always suffice for n bytes of text. */
#define COLLATION_CANONICAL_MAX(n) ((n)*16 + 16)
MUST_CHECK int64_t collation_canonical(
	const struct collation *c, enum charset from, struct str text, bool strip, uint8_t *out, size_t cap);

/* Characters in @text; -1 when it is malformed or the character set is not known. */
MUST_CHECK int64_t charset_length(enum charset cs, struct str text);
/* Bytes that @text in @from takes in @to; -1 also when a character has no counterpart. */
MUST_CHECK int64_t charset_length_in(enum charset from, enum charset to, struct str text);

#endif
