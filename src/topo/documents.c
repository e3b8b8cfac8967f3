/* documents.c - judges the documents of the store and keeps the last good ones.
 * For topo.c.
 * The control thread; topo_start()'s caller before that thread runs. */
#include "documents.h"
#include <stdlib.h>
#include "keyway/util/log.h"

#define GONE_MAX 1024

void documents_init(struct documents *d, bool keys_are_keyspaces, const char *cache_path)
{
	*d = (struct documents){ .keys_are_keyspaces = keys_are_keyspaces, .cache_path = cache_path };
}

static void list_free(struct keyspace **list, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		keyspace_unref(list[i]);
	free(list);
}

static void list_add(struct keyspace ***list, uint32_t *n, struct keyspace *ks)
{
	*list = xrealloc(*list, (*n + 1) * sizeof(**list));
	(*list)[(*n)++] = ks;
}

static void document_drop(struct document *doc)
{
	free(doc->key);
	free(doc->text);
	keyspace_unref(doc->good);
}

void documents_free(struct documents *d)
{
	for (uint32_t i = 0; i < d->n; i++)
		document_drop(&d->docs[i]);
	free(d->docs);
	list_free(d->cached, d->cached_n);
	list_free(d->gone, d->gone_n);
	*d = (struct documents){ 0 };
}

void documents_add_cached(struct documents *d, struct keyspace *ks)
{
	list_add(&d->cached, &d->cached_n, ks);
}

static void document_gone(struct documents *d, struct document *doc)
{
	if (doc->good) {
		if (d->gone_n == GONE_MAX) {
			keyspace_unref(d->gone[0]);
			memmove(d->gone, d->gone + 1, --d->gone_n * sizeof(*d->gone));
		}
		list_add(&d->gone, &d->gone_n, doc->good);
		doc->good = NULL;
	}
}

void documents_put(struct documents *d, struct str key, struct str text)
{
	struct document *doc = NULL;

	for (uint32_t i = 0; i < d->n && !doc; i++) {
		if (str_eqz(key, d->docs[i].key))
			doc = &d->docs[i];
	}
	if (!doc) {
		if (!text.p)
			return;
		if (d->n == d->cap) {
			d->cap = d->cap ? d->cap * 2 : 16;
			d->docs = xrealloc(d->docs, d->cap * sizeof(*d->docs));
		}
		doc = &d->docs[d->n++];
		*doc = (struct document){ .key = str_dup(key) };
	}
	free(doc->text);
	if (text.p)
		doc->held = false;
	doc->text = text.p ? str_dup(text) : NULL;
	doc->text_n = text.n;
	doc->fresh = true;
}

/* The keyspace of this name that was served last, by another document, this one, the cache or a document now gone. */
static const struct keyspace *served(
	const struct documents *d, struct str name, const struct document **from, bool *cached)
{
	*from = NULL;
	*cached = false;
	for (uint32_t i = 0; i < d->n; i++) {
		if (d->docs[i].good && str_eq(d->docs[i].good->name, name)) {
			*from = &d->docs[i];
			return d->docs[i].good;
		}
	}
	for (uint32_t i = d->gone_n; i-- > 0;) {
		if (str_eq(d->gone[i]->name, name))
			return d->gone[i];
	}
	for (uint32_t i = 0; i < d->cached_n; i++) {
		if (str_eq(d->cached[i]->name, name)) {
			*cached = true;
			return d->cached[i];
		}
	}
	return NULL;
}

static int judge(const struct documents *d, const struct document *doc, const struct keyspace *ks, struct err *err)
{
	const struct document *from;
	const struct keyspace *old;
	bool cached;

	old = served(d, ks->name, &from, &cached);
	if (from && from != doc)
		return err_set(err, ERR_CONFIG, ER_WRONG_ARGUMENTS,
			"keyspace: %s is described by the document %.100s already; keep one of them", ks->name.p,
			from->key);
	if (old && ks->epoch < old->epoch)
		return err_set(err, ERR_CONFIG, ER_WRONG_ARGUMENTS,
			"epoch: is %llu, but %llu is being served; epochs only rise: give this document an epoch above "
			"it%s%s",
			(unsigned long long)ks->epoch, (unsigned long long)old->epoch,
			cached && d->cache_path ? ", or remove the cached map before a start: " : "",
			cached && d->cache_path ? d->cache_path : "");
	if (old && ks->epoch == old->epoch && !cached && !str_eq(ks->document, old->document))
		return err_set(err, ERR_CONFIG, ER_WRONG_ARGUMENTS,
			"epoch: the document has changed, but its epoch is still %llu; raise it with every change",
			(unsigned long long)ks->epoch);
	return 0;
}

static void refuse(struct document *doc, const struct err *err, uint64_t now_us)
{
	char text[ERR_MSG_MAX], key[256];

	doc->refused = *err;
	doc->refused_us = now_us;
	doc->refused_n++;
	log_error("map document %s is refused, %s: %s", log_text(str_of(doc->key), key, sizeof(key)),
		doc->good ? "the last good one stays" : "nothing is served from it",
		log_text(str_of(err->msg), text, sizeof(text)));
}

static bool settle_one(struct documents *d, struct document *doc, uint64_t now_us)
{
	struct keyspace *ks;
	struct err err;
	bool same;

	if (keyspace_parse(str_make(doc->text, doc->text_n), d->keys_are_keyspaces ? str_of(doc->key) : STR(""), &ks,
		    &err) < 0) {
		refuse(doc, &err, now_us);
		return false;
	}
	if (judge(d, doc, ks, &err) < 0) {
		keyspace_unref(ks);
		refuse(doc, &err, now_us);
		return false;
	}
	doc->refused_us = 0;
	doc->refused.kind = 0;
	same = doc->good && str_eq(doc->good->document, ks->document);
	if (same) {
		keyspace_unref(ks);
		return false;
	}
	log_info("keyspace %s: epoch %llu, %u shards", ks->name.p, (unsigned long long)ks->epoch, ks->shard_n);
	if (doc->good && !str_eq(doc->good->name, ks->name))
		document_gone(d, doc);
	keyspace_unref(doc->good);
	doc->good = ks;
	doc->loaded_us = now_us;
	for (uint32_t i = 0; i < d->cached_n; i++) {
		if (!str_eq(d->cached[i]->name, ks->name))
			continue;
		keyspace_unref(d->cached[i]);
		d->cached[i] = d->cached[--d->cached_n];
		break;
	}
	return true;
}

bool documents_none(const struct documents *d)
{
	for (uint32_t i = 0; i < d->n; i++) {
		if (d->docs[i].text)
			return false;
	}
	return true;
}

uint32_t documents_held(const struct documents *d)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < d->n; i++)
		n += d->docs[i].held;
	return n;
}

void documents_give_up_held(struct documents *d)
{
	if (documents_none(d))
		return;
	for (uint32_t i = 0; i < d->n; i++)
		d->docs[i].held = false;
}

/* All went at once: whoever deletes a keyspace leaves others, or means the store itself. */
static void hold_emptied(struct documents *d)
{
	uint32_t n = 0;

	if (!d->hold_emptied || !documents_none(d))
		return;
	for (uint32_t i = 0; i < d->n; i++) {
		n += d->docs[i].good && !d->docs[i].held;
		d->docs[i].held = d->docs[i].good != NULL;
	}
	if (n)
		log_error("the map store had keyspaces and has none now: the last good map stays; put the documents "
			  "back, "
			  "or, if they are to go, write the others and reload");
}

bool documents_settle(struct documents *d, uint64_t now_us)
{
	bool changed = false, room = false;

	hold_emptied(d);
	for (uint32_t i = d->n; i-- > 0;) {
		if (d->docs[i].text || d->docs[i].held)
			continue;
		changed |= d->docs[i].good != NULL;
		room = true;
		document_gone(d, &d->docs[i]);
		document_drop(&d->docs[i]);
		memmove(&d->docs[i], &d->docs[i + 1], (--d->n - i) * sizeof(*d->docs));
	}
	for (uint32_t i = 0; i < d->n; i++) {
		struct document *doc = &d->docs[i];

		/* one that was refused beside another that has gone now gets its turn */
		if (!doc->text || (!doc->fresh && !(room && doc->refused_us)))
			continue;
		doc->fresh = false;
		changed |= settle_one(d, doc, now_us);
	}
	return changed;
}

uint32_t documents_refused(const struct documents *d)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < d->n; i++)
		n += d->docs[i].refused_us != 0;
	return n;
}

bool documents_drop_cached(struct documents *d, bool store_whole)
{
	bool had = d->cached_n > 0;

	if (!store_whole || documents_refused(d))
		return false;
	list_free(d->cached, d->cached_n);
	d->cached = NULL;
	d->cached_n = 0;
	return had;
}

bool documents_is_cached(const struct documents *d, const struct keyspace *ks)
{
	for (uint32_t i = 0; i < d->cached_n; i++) {
		if (d->cached[i] == ks)
			return true;
	}
	return false;
}

struct map *documents_map(const struct documents *d)
{
	struct keyspace **all = xcalloc(d->n + d->cached_n + 1, sizeof(*all));
	struct map *m = NULL;
	struct err err;
	uint32_t n = 0;

	for (uint32_t i = 0; i < d->n; i++) {
		if (d->docs[i].good)
			all[n++] = d->docs[i].good;
	}
	for (uint32_t i = 0; i < d->cached_n; i++)
		all[n++] = d->cached[i];
	if (map_build(all, n, &m, &err) < 0) {
		log_error("the map's documents passed alone, but not together: %s", err.msg);
		abort(); /* judge() lets no name in twice */
	}
	free(all);
	return m;
}
