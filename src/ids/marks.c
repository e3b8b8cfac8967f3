/* marks.c - puts ids on record before they are used, and refuses those that are on record.
 * For the control thread of an allocator (refill.c).
 * Its calls block; a place that does not answer is left alone for a while, so that ids do not run out meanwhile. */
#include "marks.h"
#include "state.h"
#include "keyway/util/log.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define ROOT		   "ids_high"
#define TRIES_MAX	   20 /* other proxies may record blocks of the same tag at the same time */
#define LEAVE_ALONE_MIN_US 1000000
#define LEAVE_ALONE_MAX_US 5000000

static const char *const place_name[] = { [MARKS_LOCAL] = "ids.state", [MARKS_SHARED] = "the map's store" };

void marks_free(struct marks *m)
{
	for (size_t i = 0; i < MARKS_PLACES_MAX; i++) {
		if (m->home[i].kv)
			m->home[i].kv->free(m->home[i].kv);
	}
	memset(m, 0, sizeof(*m));
}

void tag_marks_free(struct tag_marks *t)
{
	for (size_t i = 0; i < MARKS_PLACES_MAX; i++)
		claims_free(&t->unrecorded[i]);
}

/* --- how a place is --- */

static void place_ill(struct allocator *a, size_t place, const char *why)
{
	struct marks_home *h = &a->marks.home[place];
	uint64_t wait = MIN((uint64_t)LEAVE_ALONE_MIN_US << MIN(h->backoff.fails, 10u), (uint64_t)LEAVE_ALONE_MAX_US);

	if (!h->backoff.fails++)
		log_error("ids: allocator '%s': which ids were given out cannot be kept in %s (%s): %s; %s",
			a->conf.name, place_name[place], h->kv->name, why,
			a->conf.marks == IDS_MARKING_REQUIRED
				? "no ids are taken meanwhile, as marks = \"required\" says"
				: "ids go on, guarded by what this process knows");
	h->backoff.next_us = clock_mono_us() + wait / 2 + allocator_random(a) % (wait / 2);
	pthread_mutex_lock(&a->lock);
	snprintf(h->error, sizeof(h->error), "%s: %.160s", place_name[place], why);
	pthread_mutex_unlock(&a->lock);
}

static void place_well(struct allocator *a, size_t place)
{
	struct marks_home *h = &a->marks.home[place];

	if (!h->backoff.fails)
		return;
	log_info("ids: allocator '%s': which ids were given out is kept in %s (%s) again", a->conf.name,
		place_name[place], h->kv->name);
	memset(&h->backoff, 0, sizeof(h->backoff));
	pthread_mutex_lock(&a->lock);
	h->error[0] = 0;
	pthread_mutex_unlock(&a->lock);
}

static bool place_usable(const struct allocator *a, size_t place)
{
	const struct marks_home *h = &a->marks.home[place];

	return h->kv && (!h->backoff.fails || h->backoff.next_us <= clock_mono_us());
}

void marks_probe(struct allocator *a)
{
	char *key = kv_key(ROOT, a->conf.name, "-");
	struct kv_doc doc;
	char why[WHY_MAX];

	for (size_t i = 0; i < MARKS_PLACES_MAX; i++) {
		struct kv *kv = a->marks.home[i].kv;
		enum kv_result rc = kv ? kv->get(kv, key, &doc, why, sizeof(why)) : KV_OTHER;

		if (rc == KV_OK)
			kv_doc_free(&doc);
		else if (rc != KV_OTHER)
			place_ill(a, i, why);
	}
	free(key);
}

bool marks_ready(const struct allocator *a, uint64_t *next_us)
{
	if (a->conf.marks != IDS_MARKING_REQUIRED)
		return true;
	for (size_t i = 0; i < MARKS_PLACES_MAX; i++) {
		if (a->marks.home[i].kv && !place_usable(a, i)) {
			*next_us = a->marks.home[i].backoff.next_us;
			return false;
		}
	}
	return true;
}

/* Reads the record of @tag; @version 0: there is none yet. -1: the place is ill now. */
static int read_place(
	struct allocator *a, struct ids_tag *tag, size_t place, const char *key, struct claims *out, uint64_t *version)
{
	struct kv *kv = a->marks.home[place].kv;
	struct kv_doc doc;
	char why[WHY_MAX], damage[100];
	enum kv_result rc = kv->get(kv, key, &doc, why, sizeof(why));

	memset(out, 0, sizeof(*out));
	*version = 0;
	if (rc == KV_DOWN || rc == KV_UNKNOWN) {
		place_ill(a, place, why);
		return -1;
	}
	if (rc == KV_OK && claims_parse(str_make(doc.value, doc.n), out, damage, sizeof(damage)) < 0) {
		snprintf(why, sizeof(why), "%.120s: %.60s", key, damage);
		place_ill(a, place, why);
		kv_doc_free(&doc);
		return -1;
	}
	*version = doc.version;
	kv_doc_free(&doc);
	tag->marks.known[place] = true;
	for (size_t i = 0; i < a->conf.ep_n; i++)
		tag->marks.high[i] = MAX(tag->marks.high[i], claims_high(out, &a->conf.ep[i]));
	return 0;
}

void marks_load(struct allocator *a, struct ids_tag *tag)
{
	char *key = kv_key(ROOT, a->conf.name, tag->name);
	struct claims c;
	uint64_t version;

	for (size_t i = 0; i < MARKS_PLACES_MAX; i++) {
		if (tag->marks.known[i] || !place_usable(a, i))
			continue;
		if (read_place(a, tag, i, key, &c, &version) == 0)
			place_well(a, i);
		claims_free(&c);
	}
	free(key);
}

/* --- putting on record --- */

struct claiming {
	struct allocator *a;
	struct ids_tag *tag;
	size_t ep;
	struct grab_run *run;
	size_t *n;
	size_t *liar;
	const char *key;
	char *why;
	size_t why_size;
	bool taken;
};

static void not_recorded(struct claiming *c, size_t place)
{
	for (size_t i = 0; i < *c->n; i++)
		claims_add(&c->tag->marks.unrecorded[place], &c->a->conf.ep[c->ep], &c->run[i]);
}

/* Leaves the runs that nobody was given. */
static void drop_taken(struct claiming *c, const struct claims *record, bool explained)
{
	const struct endpoint_conf *ep = &c->a->conf.ep[c->ep];
	size_t w = 0;

	for (size_t i = 0; i < *c->n; i++) {
		const struct grab_run *r = &c->run[i];

		if (!claims_hit(record, ep, r)) {
			c->run[w++] = *r;
			continue;
		}
		if (!explained)
			snprintf(c->why, c->why_size,
				"gave ids %llu to %llu of which some were given before, to another proxy or before a "
				"restart",
				(unsigned long long)r->first, (unsigned long long)(r->first + (r->n - 1) * ep->step));
		c->taken = true;
	}
	*c->n = w;
}

/* What was given out while the place could not be written may have been given to another as well: too late to refuse.
 */
static bool proves_lie(struct claiming *c, size_t place, const struct claims *record)
{
	const struct claims *mine = &c->tag->marks.unrecorded[place];

	if (c->tag->marks.in_doubt[place])
		return false;
	for (size_t i = 0; i < c->a->conf.ep_n; i++) {
		if (!claims_hit_all(record, &c->a->conf.ep[i], mine))
			continue;
		*c->liar = i;
		snprintf(c->why, c->why_size,
			"gave ids twice while %s could not be reached: rows with the same id may exist, look for them",
			place_name[place]);
		return true;
	}
	return false;
}

static void pause_at_random(struct allocator *a, unsigned try)
{
	uint64_t us = 1000 + allocator_random(a) % (2000ull << MIN(try, 5u));
	struct timespec t = { .tv_nsec = (long)us * 1000 };

	nanosleep(&t, NULL);
}

static enum marks_verdict lost(struct claiming *c, const char *why)
{
	snprintf(c->why, c->why_size, "%s", why);
	*c->n = 0;
	return MARKS_LOST;
}

/* One place. MARKS_GOOD also when it is ill and need not be well. */
static enum marks_verdict claim_at(struct claiming *c, size_t place)
{
	struct allocator *a = c->a;
	struct kv *kv = a->marks.home[place].kv;
	struct claims record, *unrecorded = &c->tag->marks.unrecorded[place];
	bool lie = false;
	char why[WHY_MAX];

	for (unsigned try = 0; try < TRIES_MAX; try++) {
		enum kv_result rc = KV_DOWN;
		struct buf text = { 0 };
		uint64_t version;

		if (!place_usable(a, place) || read_place(a, c->tag, place, c->key, &record, &version) < 0)
			break;
		lie = lie || proves_lie(c, place, &record);
		claims_join(&record, unrecorded);
		drop_taken(c, &record, lie);
		if (!*c->n && claims_empty(unrecorded)) {
			claims_free(&record);
			place_well(a, place);
			return lie ? MARKS_LIE : MARKS_TAKEN;
		}
		for (size_t i = 0; i < *c->n; i++)
			claims_add(&record, &a->conf.ep[c->ep], &c->run[i]);
		claims_print(&record, &text);
		claims_free(&record);
		rc = kv->put(kv, c->key, str_make((char *)buf_head(&text), buf_used(&text)), version, why, sizeof(why));
		buf_free(&text);
		if (rc == KV_OK) {
			claims_free(unrecorded);
			c->tag->marks.in_doubt[place] = false;
			place_well(a, place);
			return lie ? MARKS_LIE : c->taken ? MARKS_TAKEN : MARKS_GOOD;
		}
		if (rc == KV_OTHER) {
			pause_at_random(a, try);
			continue;
		}
		place_ill(a, place, why);
		/* these may be on record now, where they would look like another's: nobody may use them */
		if (rc == KV_UNKNOWN)
			c->tag->marks.in_doubt[place] = !claims_empty(unrecorded);
		if (rc == KV_UNKNOWN)
			return lost(c, "it is not known whether the ids are on record, so they are not used");
		break;
	}
	if (a->marks.home[place].backoff.fails == 0)
		return lost(c, "other proxies record ids of this tag all the time");
	if (a->conf.marks == IDS_MARKING_REQUIRED)
		return lost(c, "the ids cannot be put on record, so they are not used");
	not_recorded(c, place);
	return c->taken ? MARKS_TAKEN : MARKS_GOOD;
}

enum marks_verdict marks_claim(struct allocator *a, struct ids_tag *tag, size_t ep, struct grab_run *run, size_t *n,
	size_t *liar, char *why, size_t why_size)
{
	char *key = kv_key(ROOT, a->conf.name, tag->name);
	struct claiming c = { a, tag, ep, run, n, liar, key, why, why_size, false };
	enum marks_verdict worst = MARKS_GOOD;

	for (size_t i = 0; i < MARKS_PLACES_MAX && *n && worst < MARKS_LIE; i++) {
		enum marks_verdict v = a->marks.home[i].kv ? claim_at(&c, i) : MARKS_GOOD;

		worst = MAX(worst, v);
	}
	free(key);
	return worst;
}
