/* fuzz_ids_answer.c - bodies of id services, any bytes: refused, or a run that passes the guard and then never again.
 * For src/ids/answer.c and guard.c.
 * libFuzzer. The first byte chooses where the ids stand and the step; the rest is the body. */
#include "answer.h"
#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct alloc_conf conf = { .ep_n = 1 };
	struct endpoint_conf *ep = &conf.ep[0];
	struct grab_run run;
	struct guard guard;
	char why[200];

	if (!size)
		return 0;
	conf.at_id = data[0] & 1 ? "/data/0/id" : NULL;
	if (!conf.at_id && data[0] & 2) {
		conf.at_first = "/first";
		conf.at_last = data[0] & 4 ? "/last" : NULL;
		conf.at_count = data[0] & 8 || !conf.at_last ? "/count" : NULL;
	}
	conf.rising = data[0] & 16;
	ep->step = 1 + (data[0] >> 5);
	ep->offset = 1 % ep->step;
	ep->min_id = 1;
	ep->max_id = IDS_MAX_ID;
	guard_init(&guard, &conf);
	if (answer_parse(&conf, ep->step, str_make((const char *)data + 1, size - 1), &run, why, sizeof(why)) == 0 &&
		guard_check(&guard, 0, 0, &run, why, sizeof(why)) == GUARD_GOOD) {
		assert(run.first >= 1 && run.n >= 1);
		assert(run.first + (run.n - 1) * ep->step <= IDS_MAX_ID);
		assert(run.first % ep->step == ep->offset);
		assert(guard_check(&guard, 0, guard_mark(&guard, 0), &run, why, sizeof(why)) != GUARD_GOOD);
	}
	guard_free(&guard);
	return 0;
}
