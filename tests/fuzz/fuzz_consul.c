/* fuzz_consul.c - whatever consul answers, any bytes: refused, or keys that have a name and a version.
 * For src/store/consul_answer.c and base64.c.
 * libFuzzer. The first byte chooses the answer; the rest is the body. */
#include "consul_answer.h"
#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_items(struct str body)
{
	struct store_items all;

	if (consul_read_items(body, "k/", &all, NULL) < 0)
		return;
	for (uint32_t i = 0; i < all.n; i++) {
		assert(store_key_check(all.v[i].key, NULL) == 0);
		assert(all.v[i].version > 0);
		assert(all.v[i].value && all.v[i].value[all.v[i].value_n] == '\0');
	}
	store_items_free(&all);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str body;
	char why[64];
	int rc;

	if (!size)
		return 0;
	body = str_make((const char *)data + 1, size - 1);
	switch (data[0] & 3) {
	case 0: read_items(body); break;
	case 1: (void)!consul_read_done(body); break;
	case 2:
		rc = consul_read_refusal(body, why, sizeof(why));
		assert(rc == STORE_CONFLICT || rc == ERR_DENIED || rc == ERR_BACKEND);
		break;
	default: free(consul_read_text(body, "ID")); break;
	}
	return 0;
}
