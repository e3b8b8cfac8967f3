/* ids.c - allocators and tags, and the taking of ids that are already here.
 * For INSERTs on the worker threads; the ids come from refill.c.
 * Any thread; a tag's mutex is held for a few instructions. */
#include "state.h"
#include "keyway/store/store.h"
#include "keyway/util/buf.h"
#include "keyway/util/log.h"
#include <assert.h>
#include <curl/curl.h>
#include <errno.h>
#include <mysql.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

/* Blocks looked through for one that is long enough. */
#define LOOK_N 64

const char *const ids_kind_name[] = { "mysql", "http", "store" };
const char *const ids_state_name[] = { "new", "up", "shaky", "down", "stopped" };
const char *const ids_marks_name[] = { "off", "local", "shared", "both" };

/* --- ranges --- */

static const struct ids_run *range_run(const struct ids_range *r, uint32_t i)
{
	return r->more ? &r->more[i] : &r->one;
}

uint64_t ids_range_id(const struct ids_range *r, uint32_t i)
{
	uint32_t a = 0, b = r->run_n;

	assert(i < r->n);
	while (b - a > 1) {
		uint32_t mid = a + (b - a) / 2;

		if (range_run(r, mid)->before <= i)
			a = mid;
		else
			b = mid;
	}
	return range_run(r, a)->first + (uint64_t)(i - range_run(r, a)->before) * range_run(r, a)->step;
}

uint64_t ids_range_max(const struct ids_range *r)
{
	uint64_t max = 0;

	for (uint32_t i = 0; i < r->run_n; i++) {
		const struct ids_run *run = range_run(r, i);

		max = MAX(max, run->first + (uint64_t)(run->n - 1) * run->step);
	}
	return max;
}

static int by_id(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Each run above the one before it? */
static bool range_rises(const struct ids_range *r)
{
	for (uint32_t i = 1; i < r->run_n; i++) {
		const struct ids_run *p = range_run(r, i - 1);

		if (range_run(r, i)->first <= p->first + (uint64_t)(p->n - 1) * p->step)
			return false;
	}
	return true;
}

void range_sort(struct ids_range *r)
{
	uint64_t *id;

	if (range_rises(r))
		return;
	id = xmalloc(r->n * sizeof(*id));
	for (uint32_t i = 0; i < r->n; i++)
		id[i] = ids_range_id(r, i);
	qsort(id, r->n, sizeof(*id), by_id);
	r->more = xrealloc(r->more, r->n * sizeof(*r->more));
	r->run_n = r->n;
	for (uint32_t i = 0; i < r->n; i++)
		r->more[i] = (struct ids_run){ id[i], 1, 1, i };
	free(id);
}

void ids_range_free(struct ids_range *r)
{
	free(r->more);
	memset(r, 0, sizeof(*r));
}

/* --- the ids of a tag; under its lock --- */

static struct block *block_at(const struct ids_tag *t, size_t i)
{
	return &t->ring[(t->head + i) & (t->cap - 1)];
}

static void sweep(struct ids_tag *t)
{
	while (t->used && !block_at(t, 0)->n) {
		t->head = (t->head + 1) & (t->cap - 1);
		t->used--;
	}
}

static void grow(struct ids_tag *t)
{
	size_t cap = t->cap ? t->cap * 2 : 16;
	struct block *ring = xmalloc(cap * sizeof(*ring));

	for (size_t i = 0; i < t->used; i++)
		ring[i] = *block_at(t, i);
	free(t->ring);
	t->ring = ring;
	t->head = 0;
	t->cap = cap;
}

void tag_add(struct ids_tag *t, uint64_t first, uint64_t n, uint64_t step)
{
	struct block *last = t->used ? block_at(t, t->used - 1) : NULL;

	t->held += n;
	if (last && last->n && last->step == step && last->first + last->n * step == first) {
		last->n += n;
		return;
	}
	if (t->used == t->cap)
		grow(t);
	*block_at(t, t->used) = (struct block){ first, n, step };
	t->used++;
}

static struct ids_run cut(struct ids_tag *t, struct block *b, uint32_t n, uint32_t before)
{
	struct ids_run run = { b->first, b->step, n, before };

	b->first += n * b->step;
	b->n -= n;
	t->held -= n;
	return run;
}

/* From as many blocks as it takes, oldest first. The tag holds @n. */
static void gather(struct ids_tag *t, uint32_t n, struct ids_range *out)
{
	uint32_t got = 0, cap = 0;

	while (got < n) {
		struct block *b;

		sweep(t);
		b = block_at(t, 0);
		if (out->run_n == cap) {
			cap = cap ? cap * 2 : 16;
			out->more = xrealloc(out->more, cap * sizeof(*out->more));
		}
		out->more[out->run_n] = cut(t, b, (uint32_t)MIN(b->n, (uint64_t)(n - got)), got);
		got += out->more[out->run_n++].n;
	}
}

int tag_cut(struct ids_tag *t, uint32_t n, struct ids_range *out)
{
	memset(out, 0, sizeof(*out));
	if (t->held < n)
		return IDS_WAIT;
	for (size_t i = 0; i < MIN(t->used, (size_t)LOOK_N); i++) {
		struct block *b = block_at(t, i);

		if (b->n < n)
			continue;
		out->one = cut(t, b, n, 0);
		out->run_n = 1;
		break;
	}
	/* clients compute the ids of a multi-row INSERT from the first: wait for a whole run where there is one */
	if (!out->run_n && n <= t->run_max)
		return IDS_WAIT;
	if (!out->run_n)
		gather(t, n, out);
	out->n = n;
	sweep(t);
	t->taken += n;
	t->takes++;
	return IDS_OK;
}

bool tag_too_many(const struct ids_tag *t, uint32_t n)
{
	return n > t->run_max && n > t->alloc->conf.block_max;
}

/* --- errors --- */

int tag_error(struct ids_tag *t, enum err_kind kind, uint32_t n, const char *what, struct err *err)
{
	struct allocator *a = t->alloc;
	char list[260];
	char unmarked[120] = "";
	size_t used = 0;

	if (!err)
		return kind;
	list[0] = 0;
	pthread_mutex_lock(&a->lock);
	for (size_t i = 0; i < a->conf.ep_n && used < sizeof(list) - 1; i++) {
		const struct endpoint *e = &a->ep[i];
		bool ill = e->state != IDS_UP && e->last_error[0];
		int w = snprintf(list + used, sizeof(list) - used, "%s%.60s is %s%s%.60s", i ? ", " : "",
			a->conf.ep[i].name, ids_state_name[e->state], ill ? ": " : "", ill ? e->last_error : "");

		used = MIN(used + (size_t)MAX(w, 0), sizeof(list) - 1);
	}
	for (size_t i = 0; i < MARKS_PLACES_MAX && a->conf.marks == IDS_MARKING_REQUIRED; i++) {
		if (a->marks.home[i].error[0])
			snprintf(unmarked, sizeof(unmarked), ". They cannot be put on record: %.80s",
				a->marks.home[i].error);
	}
	pthread_mutex_unlock(&a->lock);
	return err_set(err, kind, ER_AUTOINC_READ_FAILED,
		"no %u id%s for '%.60s' from allocator '%.30s': %s. Repair the allocator or give the id in the "
		"statement. "
		"Endpoints: %s%s",
		n, n == 1 ? "" : "s", t->name, a->conf.name, what, list, unmarked);
}

int ids_take(struct ids *ids, struct ids_tag *tag, uint32_t n, struct ids_range *out, struct err *err)
{
	bool poke = false, failing = false, too_many = false;
	int rc;

	(void)ids;
	assert(n >= 1);
	pthread_mutex_lock(&tag->lock);
	rc = tag_cut(tag, n, out);
	if (rc == IDS_WAIT) {
		failing = tag->failing;
		too_many = tag_too_many(tag, n);
		if (failing || too_many)
			tag->failures++;
		else
			tag->waits++;
	}
	/* a failing tag is on the work list already, with its time */
	if ((rc == IDS_WAIT || tag->held < tag->low) && !tag->poked && !tag->failing) {
		tag->poked = true;
		poke = true;
	}
	pthread_mutex_unlock(&tag->lock);
	range_sort(out);
	if (poke)
		refill_poke(tag);
	if (too_many)
		return tag_error(tag, ERR_LIMIT, n,
			"more than it can hold at once (block_max): write fewer rows in one statement", err);
	if (failing)
		return tag_error(tag, ERR_BACKEND, n, "none left and no endpoint gives any", err);
	return rc;
}

/* --- making and ending --- */

static void tag_free(struct ids_tag *t)
{
	guard_free(&t->guard);
	tag_marks_free(&t->marks);
	pthread_mutex_destroy(&t->lock);
	free(t->ring);
	free(t);
}

static struct ids_tag *tag_new(struct allocator *a, struct str name)
{
	struct ids_tag *t = xcalloc(1, sizeof(*t));
	const struct alloc_conf *c = &a->conf;

	t->alloc = a;
	list_init(&t->work);
	list_init(&t->waiters);
	pthread_mutex_init(&t->lock, NULL);
	t->block = c->block;
	t->low = MAX(c->block / 2, 1u);
	t->run_max = c->single ? 1 : UINT64_MAX;
	t->poked = true;
	guard_init(&t->guard, c);
	memcpy(t->name, name.p, name.n);
	return t;
}

static struct allocator *find_allocator(struct ids *ids, struct str name, struct err *err)
{
	struct buf known = { 0 };
	char text[80];

	for (size_t i = 0; i < ids->n; i++) {
		if (str_eqz(name, ids->alloc[i].conf.name))
			return &ids->alloc[i];
	}
	for (size_t i = 0; i < ids->n; i++)
		buf_addf(&known, "%s%s", i ? ", " : "", ids->alloc[i].conf.name);
	buf_add_u8(&known, 0);
	err_set(err, ERR_NAME, ER_WRONG_ARGUMENTS, "there is no id allocator '%s' in keyway.conf; it has: %.300s",
		log_text(name, text, sizeof(text)), known.len > 1 ? (char *)known.p : "none");
	buf_free(&known);
	return NULL;
}

static bool tag_ok(struct str tag)
{
	if (!tag.n || tag.n > IDS_TAG_MAX)
		return false;
	for (size_t i = 0; i < tag.n; i++) {
		if ((unsigned char)tag.p[i] < 0x20 || tag.p[i] == 0x7f)
			return false;
	}
	return true;
}

struct ids_tag *ids_tag(struct ids *ids, struct str allocator, struct str tag, struct err *err)
{
	struct allocator *a = find_allocator(ids, allocator, err);
	struct ids_tag *t = NULL;
	bool made = false;

	if (!a)
		return NULL;
	if (!tag_ok(tag)) {
		err_set(err, ERR_CONFIG, ER_WRONG_ARGUMENTS,
			"a tag of allocator '%s' is 1 to %d bytes without control characters", a->conf.name,
			IDS_TAG_MAX);
		return NULL;
	}
	pthread_mutex_lock(&a->lock);
	HASH_FIND(hh, a->tags, tag.p, tag.n, t);
	if (!t && HASH_COUNT(a->tags) < TAGS_MAX) {
		t = tag_new(a, tag);
		HASH_ADD_KEYPTR(hh, a->tags, t->name, tag.n, t);
		made = true;
	}
	pthread_mutex_unlock(&a->lock);
	if (made)
		refill_poke(t);
	if (!t)
		err_set(err, ERR_LIMIT, ER_OUT_OF_RESOURCES, "allocator '%s' has %d tags already", a->conf.name,
			TAGS_MAX);
	return t;
}

static void monotonic_cond(pthread_cond_t *c)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(c, &attr);
	pthread_condattr_destroy(&attr);
}

static int conf_all(struct ids *ids, const struct ids_config *cfg, struct err *err)
{
	for (; ids->n < cfg->n; ids->n++) {
		struct allocator *a = &ids->alloc[ids->n];
		int rc = alloc_conf_copy(&cfg->allocators[ids->n], &a->conf, err);

		if (rc < 0)
			return rc;
		a->ids = ids;
		a->random = clock_mono_us() ^ (uintptr_t)a ^ clock_wall_us() << 20;
		list_init(&a->work);
		pthread_mutex_init(&a->lock, NULL);
		monotonic_cond(&a->wake);
		for (size_t i = 0; i < ids->n; i++) {
			if (!strcmp(ids->alloc[i].conf.name, a->conf.name)) {
				ids->n++;
				return err_set(err, ERR_CONFIG, ER_WRONG_ARGUMENTS, "two allocators are named '%s'",
					a->conf.name);
			}
		}
	}
	return 0;
}

static int start_threads(struct ids *ids, struct err *err)
{
	sigset_t all, before;
	int rc;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&ids->timer_thread, NULL, wait_timer_main, ids);
	ids->timer_started = rc == 0;
	for (size_t i = 0; i < ids->n && rc == 0; i++) {
		rc = pthread_create(&ids->alloc[i].thread, NULL, refill_main, &ids->alloc[i]);
		ids->alloc[i].started = rc == 0;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return rc ? err_set(err, ERR_LIMIT, ER_OUT_OF_RESOURCES, "cannot start a thread for the ids: %s", strerror(rc))
		  : 0;
}

/* What asks the world: only settings can be wrong here, nothing is connected to. */
static int open_all(struct allocator *a, const struct ids_parts *parts, struct err *err)
{
	for (size_t e = 0; e < a->conf.ep_n; e++) {
		a->ep[e].source = parts->open(&a->conf, e, parts->arg, err);
		if (!a->ep[e].source)
			return err_wrap(err, "allocator '%s'", a->conf.name);
		a->conf.ep[e].store = NULL;
	}
	for (size_t p = 0; p < MARKS_PLACES_MAX && parts->open_marks && a->conf.marks != IDS_MARKING_OFF; p++)
		a->marks.home[p].kv = parts->open_marks(&a->conf, (enum marks_place)p, parts->arg);
	if (a->conf.marks == IDS_MARKING_REQUIRED && !a->marks.home[MARKS_LOCAL].kv && !a->marks.home[MARKS_SHARED].kv)
		return err_set(err, ERR_CONFIG, ER_WRONG_ARGUMENTS,
			"allocator '%s': marks = \"required\" needs ids.state, or a map in etcd or consul",
			a->conf.name);
	return 0;
}

struct ids *ids_new_from(const struct ids_config *cfg, const struct ids_parts *parts, struct err *err)
{
	struct ids *ids = xcalloc(1, sizeof(*ids));

	pthread_mutex_init(&ids->wait_lock, NULL);
	monotonic_cond(&ids->wait_wake);
	list_init(&ids->timers);
	ids->alloc = xcalloc(cfg->n + 1, sizeof(*ids->alloc));
	if (conf_all(ids, cfg, err) < 0)
		goto out;
	for (size_t i = 0; i < ids->n; i++) {
		if (open_all(&ids->alloc[i], parts, err) < 0)
			goto out;
	}
	if (start_threads(ids, err) == 0)
		return ids;
out:
	ids_free(ids);
	return NULL;
}

static struct id_source *open_real(const struct alloc_conf *conf, size_t ep, void *arg, struct err *err)
{
	struct kv *kv;

	(void)arg;
	switch (conf->kind) {
	case IDS_MYSQL: return source_mysql_open(conf, ep);
	case IDS_HTTP: return source_http_open(conf, ep);
	case IDS_STORE: break;
	}
	kv = kv_store_open(conf->ep[ep].store, conf->timeout_us, err);
	return kv ? source_store_open(conf, ep, kv) : NULL;
}

/* The settings were tried out by check_marks(). */
static struct kv *open_real_marks(const struct alloc_conf *conf, enum marks_place place, void *arg)
{
	const struct ids_config *cfg = arg;
	struct store_config folder = { .kind = STORE_FILE, .path = cfg->marks_folder };
	struct err err;

	if (place == MARKS_SHARED)
		return cfg->marks_shared ? kv_store_open(cfg->marks_shared, conf->timeout_us, &err) : NULL;
	return cfg->marks_folder ? kv_store_open(&folder, conf->timeout_us, &err) : NULL;
}

static int check_marks(const struct ids_config *cfg, struct err *err)
{
	struct kv *kv;

	if (cfg->marks_folder && mkdir(cfg->marks_folder, 0777) < 0 && errno != EEXIST)
		return err_set(err, ERR_CONFIG, ER_WRONG_ARGUMENTS, "ids.state: folder %s cannot be made: %s",
			cfg->marks_folder, strerror(errno));
	if (!cfg->marks_shared)
		return 0;
	kv = kv_store_open(cfg->marks_shared, 0, err);
	if (!kv)
		return err->kind;
	kv->free(kv);
	return 0;
}

struct ids *ids_new(const struct ids_config *cfg, struct err *err)
{
	struct ids_parts parts = { open_real, open_real_marks, (void *)cfg };

	if (check_marks(cfg, err) < 0)
		return NULL;
	/* both libraries want it done once, before there are threads */
	mysql_library_init(0, NULL, NULL);
	curl_global_init(CURL_GLOBAL_DEFAULT);
	return ids_new_from(cfg, &parts, err);
}

static void stop_threads(struct ids *ids)
{
	for (size_t i = 0; i < ids->n; i++) {
		struct allocator *a = &ids->alloc[i];

		pthread_mutex_lock(&a->lock);
		a->stop = true;
		pthread_cond_signal(&a->wake);
		pthread_mutex_unlock(&a->lock);
	}
	for (size_t i = 0; i < ids->n; i++) {
		if (ids->alloc[i].started)
			pthread_join(ids->alloc[i].thread, NULL);
	}
	pthread_mutex_lock(&ids->wait_lock);
	ids->stop = true;
	pthread_cond_signal(&ids->wait_wake);
	pthread_mutex_unlock(&ids->wait_lock);
	if (ids->timer_started)
		pthread_join(ids->timer_thread, NULL);
}

void ids_free(struct ids *ids)
{
	if (!ids)
		return;
	stop_threads(ids);
	for (size_t i = 0; i < ids->n; i++) {
		struct allocator *a = &ids->alloc[i];
		struct ids_tag *t, *next;

		HASH_ITER (hh, a->tags, t, next) {
			wait_end_all(t);
			HASH_DEL(a->tags, t);
			tag_free(t);
		}
		for (size_t e = 0; e < a->conf.ep_n; e++) {
			if (a->ep[e].source)
				a->ep[e].source->free(a->ep[e].source);
		}
		marks_free(&a->marks);
		pthread_cond_destroy(&a->wake);
		pthread_mutex_destroy(&a->lock);
		alloc_conf_free(&a->conf);
	}
	pthread_cond_destroy(&ids->wait_wake);
	pthread_mutex_destroy(&ids->wait_lock);
	free(ids->alloc);
	free(ids);
}
