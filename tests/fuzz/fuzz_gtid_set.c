/* fuzz_gtid_set.c - two texts of any bytes added up: no crash, and the sum includes both. For src/backend/gtid_set.c
 * and the reading half of position.c. One thread. */
#include "keyway/backend/gtid_set.h"
#include "keyway/backend/position.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

#define REQUIRE(x)               \
	do {                     \
		if (!(x))        \
			abort(); \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	const char *text = (const char *)bytes;
	const char *cut = n ? memchr(text, '|', n) : NULL;
	struct str a = str_make(text, cut ? (size_t)(cut - text) : n);
	struct str b = cut ? str_make(cut + 1, n - a.n - 1) : str_make("", 0);
	struct buf sum = { 0 };

	(void)position_includes(a, b);
	if (gtid_set_add(&sum, a) == 0 && gtid_set_add(&sum, b) == 0) {
		struct str s = str_make((const char *)buf_head(&sum), buf_used(&sum));

		REQUIRE(gtid_set_sources(s) != UINT32_MAX);
		REQUIRE(position_includes(s, s));
	}
	buf_free(&sum);
	return 0;
}
