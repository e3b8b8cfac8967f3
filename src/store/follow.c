/* follow.c - the follower over HTTP: tells what differs from what was told, listens, changes endpoints, backs off.
 * For etcd.c and consul.c.
 * A thread of its own; the first load runs on the caller's. */
#include "follow.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <xxhash.h>
#include "keyway/util/log.h"

#define PROBE_US       2500000
#define PROBES_LOST    2
#define BACKOFF_MIN_US 100000
#define BACKOFF_MAX_US 5000000
#define GAP_US	       100000 /* between two loads, and between two long calls */
#define STEP_US	       1000000

/* --- telling --- */

static struct known *known_find(struct follow *f, const char *key)
{
	for (uint32_t i = 0; i < f->known_n; i++) {
		if (strcmp(f->known[i].key, key) == 0)
			return &f->known[i];
	}
	return NULL;
}

/* The name that @key stands for. One that store_key() would not have written is taken as it is. */
static char *name_of(const char *key)
{
	char *name = store_unescape(str_of(key)), again[STORE_KEY_MAX + 1];

	if (store_key(again, "", str_of(name), NULL) < 0 || strcmp(again, key) != 0) {
		free(name);
		name = xstrdup(key);
	}
	return name;
}

static void tell(struct follow *f, const char *key, struct str document, uint64_t revision)
{
	char *name = name_of(key);

	f->watch.document(f->watch.arg, str_of(name), document, revision);
	free(name);
}

static void known_drop(struct follow *f, struct known *k)
{
	free(k->key);
	*k = f->known[--f->known_n];
}

int follow_tell(struct follow *f, const struct store_item *it, uint64_t revision)
{
	struct known *k = known_find(f, it->key);
	bool fresh = !k;
	uint64_t hash;

	if (!it->value) {
		if (!k)
			return 0;
		known_drop(f, k);
		tell(f, it->key, str_make(NULL, 0), revision);
		return -1;
	}
	hash = XXH64(it->value, it->value_n, it->value_n);
	if (k && k->version == it->version && k->hash == hash) {
		k->seen = true;
		return 0;
	}
	if (!k) {
		f->known = xrealloc(f->known, (f->known_n + 1) * sizeof(*f->known));
		k = &f->known[f->known_n++];
		*k = (struct known){ .key = xstrdup(it->key) };
	}
	k->version = it->version;
	k->hash = hash;
	k->seen = true;
	tell(f, it->key, str_make(it->value, it->value_n), revision);
	return fresh;
}

void follow_settled(struct follow *f)
{
	f->watch.settled(f->watch.arg);
}

uint32_t follow_tell_all(struct follow *f, const struct store_items *all, uint64_t revision)
{
	for (uint32_t i = 0; i < f->known_n; i++)
		f->known[i].seen = false;
	for (uint32_t i = 0; i < all->n; i++)
		follow_tell(f, &all->v[i], revision);
	for (uint32_t i = f->known_n; i-- > 0;) {
		struct store_item gone = { .key = f->known[i].key };

		if (f->known[i].seen)
			continue;
		gone.key = xstrdup(f->known[i].key);
		follow_tell(f, &gone, revision);
		free(gone.key);
	}
	follow_settled(f);
	return all->n;
}

static void tell_can_be_read(struct follow *f)
{
	if (f->down)
		f->watch.state(f->watch.arg, NULL);
	f->down = false;
}

static void tell_up(struct follow *f)
{
	f->losses = 0;
	f->backoff_us = 0;
	tell_can_be_read(f);
}

static void tell_down(struct follow *f, const struct err *err)
{
	f->down = true;
	f->watch.state(f->watch.arg, err);
}

bool follow_identity(struct follow *f, const char *base, const char *mark)
{
	char *id = xasprintf("%s/%s", base, mark ? mark : "");

	free(f->mark);
	f->mark = mark ? xstrdup(mark) : NULL;
	f->marked = true;
	if (!f->identity || !f->accepted || strcmp(f->identity, id) != 0)
		f->accepted = !f->watch.identity || f->watch.identity(f->watch.arg, str_of(id));
	free(f->identity);
	f->identity = id;
	return f->accepted;
}

bool follow_make_mark(struct follow *f)
{
	uint8_t noise[12];
	char text[2 * sizeof(noise) + 1];
	struct store_op op = { .key = MARK_KEY, .check = true };
	struct err err;
	int rc;

	if (f->marked || getrandom(noise, sizeof(noise), 0) != (ssize_t)sizeof(noise))
		return false;
	f->marked = true;
	for (size_t i = 0; i < sizeof(noise); i++)
		snprintf(text + 2 * i, 3, "%02x", noise[i]);
	op.value = str_of(text);
	rc = f->type->commit(f->store, &op, 1, &err);
	if (rc >= 0)
		return true;
	log_warn("the map store has no mark of its own, and none can be made, so that another store at its address is "
		 "not told from it: %s",
		err.msg);
	return false;
}

/* --- the thread --- */

static void pause_us(struct follow *f, uint64_t us)
{
	uint64_t until = clock_mono_us() + us;

	while (!atomic_load(&f->stopping) && !atomic_load(&f->reload) && clock_mono_us() < until) {
		if (!http_work(f->http, until))
			return;
	}
}

/* Longer each time, and not the same for all proxies. */
static void back_off(struct follow *f)
{
	uint32_t noise = 0;

	(void)!getrandom(&noise, sizeof(noise), GRND_NONBLOCK);
	f->backoff_us = f->backoff_us ? MIN(f->backoff_us * 2, (uint64_t)BACKOFF_MAX_US) : BACKOFF_MIN_US;
	pause_us(f, f->backoff_us / 2 + noise % f->backoff_us);
}

static void keep_gap(struct follow *f, uint64_t last_us)
{
	uint64_t now = clock_mono_us();

	if (now - last_us < GAP_US)
		pause_us(f, GAP_US - (now - last_us));
}

/* True: what is there has been told. */
static bool load(struct follow *f)
{
	struct err err;
	int rc;

	f->loaded_us = clock_mono_us();
	rc = f->kind->load(f, &err);
	if (rc < 0 && !atomic_load(&f->stopping)) {
		/* it may have answered, but with what cannot be used: the next one may do better */
		http_next_endpoint(f->http, NULL);
		tell_down(f, &err);
	}
	if (rc > 0)
		tell_can_be_read(f); /* and is another's */
	if (rc == 0)
		tell_up(f);
	f->loaded = rc == 0;
	return f->loaded;
}

/* What the small call says, if it has ended. */
static enum follow_step look_at_probe(
	struct follow *f, struct http_call **probe, uint32_t *lost, uint64_t *due_us, struct err *err)
{
	enum follow_step step = FOLLOW_LISTEN;
	struct http_call *c = *probe;

	if (!c) {
		if (clock_mono_us() >= *due_us)
			*probe = f->kind->probe(f);
		return step;
	}
	if (c->end == HTTP_RUNS)
		return step;
	if (c->end == HTTP_ANSWERED && c->status < 500) {
		step = f->kind->judge(f, c, err);
		if (step == FOLLOW_LISTEN && (f->works || !f->kind->begin_us))
			tell_up(f);
		*lost = 0;
	} else if (++*lost == PROBES_LOST) {
		err_set(err, ERR_BACKEND, ER_NET_READ_ERROR, "%s at %.120s does not answer any more: %s", f->type->name,
			http_endpoint(f->http), c->why[0] ? c->why : "it has no leader");
		step = FOLLOW_LOST;
	}
	http_end(c);
	*probe = NULL;
	*due_us = clock_mono_us() + PROBE_US;
	return step;
}

static enum follow_step listen_once(struct follow *f, struct err *err)
{
	uint64_t begun_us = clock_mono_us(), due_us = begun_us + PROBE_US;
	struct http_call *heard, *probe = NULL;
	enum follow_step step = FOLLOW_LISTEN;
	uint32_t lost = 0;

	f->works = false;
	keep_gap(f, f->listened_us);
	f->listened_us = clock_mono_us();
	heard = f->kind->listen(f);
	while (step == FOLLOW_LISTEN) {
		uint64_t now = clock_mono_us();
		bool goes_on = http_work(f->http, MIN(now + STEP_US, MAX(due_us, now + 1000)));

		if (!goes_on || atomic_load(&f->stopping)) {
			step = FOLLOW_STOP;
			break;
		}
		if (atomic_load(&f->reload)) {
			step = FOLLOW_RELOAD;
			break;
		}
		step = f->kind->hear(f, heard, err);
		if (step == FOLLOW_LISTEN && f->works)
			f->losses = 0;
		if (step == FOLLOW_LISTEN && !f->works && f->kind->begin_us &&
			clock_mono_us() - begun_us > f->kind->begin_us) {
			err_set(err, ERR_BACKEND, ER_NET_READ_ERROR, "%s at %.120s does not begin to tell changes",
				f->type->name, http_endpoint(f->http));
			step = FOLLOW_LOST;
		}
		if (step == FOLLOW_NEXT) {
			http_end(heard);
			keep_gap(f, f->listened_us);
			f->listened_us = clock_mono_us();
			heard = f->kind->listen(f);
			step = FOLLOW_LISTEN;
		}
		if (step == FOLLOW_LISTEN)
			step = look_at_probe(f, &probe, &lost, &due_us, err);
	}
	if (step == FOLLOW_LOST)
		http_next_endpoint(f->http, heard);
	http_end(probe);
	http_end(heard);
	return step;
}

static void *follow_main(void *arg)
{
	struct follow *f = arg;

	while (!atomic_load(&f->stopping)) {
		struct err err;

		if (atomic_exchange(&f->reload, false))
			f->loaded = false;
		if (!f->loaded) {
			keep_gap(f, f->loaded_us);
			if (!load(f)) {
				back_off(f);
				continue;
			}
		}
		switch (listen_once(f, &err)) {
		case FOLLOW_RELOAD: f->loaded = false; break;
		case FOLLOW_LOST:
			/* the others may do better; when each has been tried it is the store that is down */
			if (++f->losses >= http_endpoint_n(f->http))
				tell_down(f, &err);
			else
				log_warn("%s; trying the next endpoint", err.msg);
			back_off(f);
			break;
		case FOLLOW_LISTEN:
		case FOLLOW_NEXT:
		case FOLLOW_STOP: break;
		}
	}
	return NULL;
}

static void follow_free(struct follow *f)
{
	f->type->close(f->store);
	for (uint32_t i = 0; i < f->known_n; i++)
		free(f->known[i].key);
	free(f->known);
	free(f->identity);
	free(f->mark);
	free(f->request);
	free(f->small);
	free(f);
}

struct follow *follow_start(const struct store_type *type, const struct follow_kind *kind, void *store,
	struct http *http, const struct store_watch *watch, struct err *err)
{
	struct follow *f = xcalloc(1, sizeof(*f));
	int rc;

	f->type = type;
	f->kind = kind;
	f->store = store;
	f->http = http;
	f->watch = *watch;
	if (!load(f))
		follow_settled(f);
	rc = pthread_create(&f->thread, NULL, follow_main, f);
	if (rc == 0)
		return f;
	err_set(err, ERR_LIMIT, ER_OUT_OF_RESOURCES, "no thread to follow the map store: %s", strerror(rc));
	follow_free(f);
	return NULL;
}

void follow_reload(void *follow)
{
	struct follow *f = follow;

	atomic_store(&f->reload, true);
	http_wake(f->http);
}

void follow_stop(void *follow)
{
	struct follow *f = follow;

	atomic_store(&f->stopping, true);
	http_cancel(f->http, true);
	pthread_join(f->thread, NULL);
	follow_free(f);
}
