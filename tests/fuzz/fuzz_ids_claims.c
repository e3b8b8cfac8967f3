/* fuzz_ids_claims.c - texts of ids given out, any bytes behind a sum that fits: refused, or printed again the same.
 * For src/ids/claims.c.
 * libFuzzer. The first byte chooses an endpoint, the next eight a run; the rest is the text without its head. */
#include "claims.h"
#include <assert.h>
#include <stdlib.h>
#include <xxhash.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct endpoint_conf ep = { .min_id = 1, .max_id = IDS_MAX_ID };
	struct claims c = { 0 }, again = { 0 };
	struct buf text = { 0 }, printed = { 0 };
	struct grab_run run;
	char why[100];

	if (size < 9)
		return 0;
	ep.step = 1 + (data[0] & 7);
	ep.offset = (data[0] >> 3) % ep.step;
	memcpy(&run.first, data + 1, 8);
	run.first = run.first >> 2;
	run.first = run.first - run.first % ep.step + ep.offset;
	run.first = run.first ? run.first : ep.step;
	run.n = 1 + data[1];
	buf_addf(&text, "keyway-ids 1 %016llx\n", (unsigned long long)XXH64(data + 9, size - 9, 0));
	buf_add(&text, data + 9, size - 9);
	if (claims_parse(str_make((char *)buf_head(&text), buf_used(&text)), &c, why, sizeof(why)) == 0) {
		bool hit = claims_hit(&c, &ep, &run);

		claims_print(&c, &printed);
		assert(claims_parse(str_make((char *)buf_head(&printed), buf_used(&printed)), &again, why,
			       sizeof(why)) == 0);
		assert(claims_hit(&again, &ep, &run) == hit);
		claims_add(&c, &ep, &run);
		assert(claims_hit(&c, &ep, &run));
		assert(claims_high(&c, &ep) >= run.first + (run.n - 1) * ep.step);
	}
	claims_free(&c);
	claims_free(&again);
	buf_free(&text);
	buf_free(&printed);
	return 0;
}
