/* source_store.c - blocks of ids from a counter in a store: "ids/<allocator>/<tag>" holds the largest id given, and is
 * raised by compare-and-swap.
 * For the allocator threads (refill.c), on which its calls block.
 * A block whose compare-and-swap was not answered is lost: the counter is never read again to find out. */
#include "kv.h"
#include "source.h"
#include "keyway/store/store.h"
#include "keyway/util/log.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define ROOT	 "ids"
#define DIGITS	 19
#define PAUSE_US 2000

struct store_source {
	struct id_source source;
	const struct alloc_conf *conf;
	const struct endpoint_conf *ep;
	struct kv *kv;
	uint64_t random;
};

int counter_parse(struct str text, uint64_t *last)
{
	if (!text.n || text.n > DIGITS || (text.p[0] == '0' && text.n > 1))
		return -1;
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] < '0' || text.p[i] > '9')
			return -1;
	}
	return str_to_u64(text, last) < 0 || *last > IDS_MAX_ID ? -1 : 0;
}

/* How an operator writes the counter, for messages. */
static void cure(const struct store_source *s, const char *key, char *out, size_t size)
{
	const char *prefix = s->ep->store_prefix;

	switch (s->ep->store_kind) {
	case STORE_ETCD: snprintf(out, size, "etcdctl put '%s/%s' N", prefix, key); break;
	case STORE_CONSUL: snprintf(out, size, "consul kv put '%s/%s' N", prefix + (prefix[0] == '/'), key); break;
	case STORE_FILE: snprintf(out, size, "printf N > '%s/.keyway/%s.json'", prefix, key); break;
	}
}

static enum grab_result read_counter(
	struct store_source *s, const char *key, struct id_grab *g, uint64_t *last, uint64_t *version)
{
	struct kv_doc doc;
	char text[40], how[100];
	enum kv_result rc = s->kv->get(s->kv, key, &doc, g->why, sizeof(g->why));
	int bad;

	*version = 0;
	if (rc == KV_DOWN || rc == KV_UNKNOWN)
		return GRAB_RETRY;
	if (rc == KV_OTHER) {
		*last = s->conf->start - 1;
		if (s->conf->start > g->high && s->conf->start)
			return GRAB_OK;
		cure(s, key, how, sizeof(how));
		if (g->high)
			snprintf(g->why, sizeof(g->why),
				"the counter is gone: %s, with N the largest id in use, at least %" PRIu64, how,
				g->high);
		else
			snprintf(g->why, sizeof(g->why),
				"there is no counter: %s, with N the largest id in use (0: none)", how);
		return GRAB_REFUSED;
	}
	*version = doc.version;
	bad = counter_parse(str_make(doc.value, doc.n), last);
	if (bad)
		snprintf(g->why, sizeof(g->why), "counter %.60s holds '%s', which is not a number of 0 to 2^63-1", key,
			log_text(str_make(doc.value, MIN(doc.n, (size_t)24)), text, sizeof(text)));
	kv_doc_free(&doc);
	if (bad)
		return GRAB_MALFORMED;
	if (*last < g->high) {
		cure(s, key, how, sizeof(how));
		snprintf(g->why, sizeof(g->why),
			"went backwards: the counter stands at %" PRIu64 ", but %" PRIu64
			" was given: %s, with N the largest id in use",
			*last, g->high, how);
		return GRAB_BACKWARDS;
	}
	return GRAB_OK;
}

static void pause_at_random(struct store_source *s, unsigned try)
{
	struct timespec t = { 0 };

	s->random = s->random * 6364136223846793005u + 1442695040888963407u;
	t.tv_nsec = (long)(500 + (s->random >> 33) % ((uint64_t)PAUSE_US << MIN(try, 4u))) * 1000;
	nanosleep(&t, NULL);
}

static enum grab_result store_grab(struct id_source *src, struct id_grab *g)
{
	struct store_source *s = container_of(src, struct store_source, source);
	char *key = kv_key(ROOT, s->conf->name, g->tag), text[24];
	uint64_t end = clock_mono_us() + s->conf->timeout_us, last, version, n;
	enum grab_result rc = GRAB_UNWELL;

	for (unsigned try = 0;; try++) {
		enum kv_result put;

		rc = read_counter(s, key, g, &last, &version);
		if (rc != GRAB_OK)
			break;
		n = MIN((uint64_t)g->want, s->ep->max_id - MIN(last, s->ep->max_id));
		if (!n) {
			snprintf(g->why, sizeof(g->why), "the counter stands at %" PRIu64 ": no ids are left", last);
			rc = GRAB_REFUSED;
			break;
		}
		snprintf(text, sizeof(text), "%" PRIu64, last + n);
		put = s->kv->put(s->kv, key, str_of(text), version, g->why, sizeof(g->why));
		if (put == KV_OK) {
			g->run[g->run_n++] = (struct grab_run){ last + 1, n };
			break;
		}
		if (put != KV_OTHER) {
			rc = GRAB_RETRY;
			break;
		}
		if (clock_mono_us() > end) {
			snprintf(
				g->why, sizeof(g->why), "other proxies took ids before it, %u times in a row", try + 1);
			rc = GRAB_UNWELL;
			break;
		}
		pause_at_random(s, try);
	}
	free(key);
	return rc;
}

static void store_free(struct id_source *src)
{
	struct store_source *s = container_of(src, struct store_source, source);

	s->kv->free(s->kv);
	free(s);
}

struct id_source *source_store_open(const struct alloc_conf *conf, size_t ep, struct kv *kv)
{
	struct store_source *s = xcalloc(1, sizeof(*s));

	s->source.grab = store_grab;
	s->source.free = store_free;
	s->conf = conf;
	s->ep = &conf->ep[ep];
	s->kv = kv;
	s->random = clock_mono_us() ^ (uintptr_t)s ^ clock_wall_us() << 20;
	return &s->source;
}
