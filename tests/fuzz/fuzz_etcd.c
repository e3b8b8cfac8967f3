/* fuzz_etcd.c - whatever etcd's gateway answers, any bytes: refused, or keys that have a name and a version.
 * For src/store/etcd_answer.c and base64.c.
 * libFuzzer. The first byte chooses the answer; the rest is the body. */
#include "etcd_answer.h"
#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_item(const struct store_item *it, bool may_be_gone)
{
	assert(store_key_check(it->key, NULL) == 0);
	assert(it->version > 0);
	assert(it->value || may_be_gone);
	assert(!it->value || it->value[it->value_n] == '\0');
}

static void check_range(struct etcd_range *r)
{
	for (uint32_t i = 0; i < r->items.n; i++)
		check_item(&r->items.v[i], false);
	etcd_range_free(r);
}

static void read_line(struct str body)
{
	struct etcd_line l;

	if (etcd_read_line(body, "/k/", &l, NULL) < 0)
		return;
	for (uint32_t i = 0; i < l.event_n; i++)
		check_item(&l.events[i].item, true);
	etcd_line_free(&l);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct etcd_header h;
	struct etcd_range r[2];
	struct etcd_error e;
	struct str body;
	bool succeeded;
	uint64_t n;

	if (!size)
		return 0;
	body = str_make((const char *)data + 1, size - 1);
	switch (data[0] & 7) {
	case 0:
		if (etcd_read_range(body, "/k/", &h, &r[0], NULL) == 0)
			check_range(&r[0]);
		break;
	case 1:
		if (etcd_read_txn(body, "/k/", &h, &succeeded, r, 2, NULL) == 0) {
			check_range(&r[0]);
			check_range(&r[1]);
		}
		break;
	case 2: (void)!etcd_read_txn(body, "/k/", &h, &succeeded, NULL, 0, NULL); break;
	case 3: read_line(body); break;
	case 4:
		etcd_read_error(body, &e);
		assert(e.code > 0 && e.code < 100);
		break;
	case 5: (void)!etcd_read_number(body, "result", "TTL", &n, NULL); break;
	case 6: (void)!etcd_read_number(body, NULL, "ID", &n, NULL); break;
	default: free(etcd_read_text(body, "token")); break;
	}
	return 0;
}
