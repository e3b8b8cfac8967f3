/* map_history.c - what a keyspace's map was, who changed it, when and why.
 * For map_change.c and keywayctl.
 * Calls block; tools only. */
#include "map_history.h"
#include <inttypes.h>
#include <jansson.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static int history_folder(char out[STORE_KEY_MAX + 1], const char *keyspace, struct err *err)
{
	size_t n;
	int rc = store_key(out, "history/", str_of(keyspace), err);

	if (rc < 0)
		return rc;
	n = strlen(out);
	if (n + 24 > STORE_KEY_MAX) /* a slash and an epoch */
		return err_set(
			err, ERR_LIMIT, ER_WRONG_ARGUMENTS, "'%.60s…' is too long a name for the store", keyspace);
	memcpy(out + n, "/", 2);
	return 0;
}

int history_key(char out[STORE_KEY_MAX + 1], const char *keyspace, uint64_t epoch, struct err *err)
{
	int rc = history_folder(out, keyspace, err);

	if (rc == 0)
		snprintf(out + strlen(out), 24, "%" PRIu64, epoch);
	return rc;
}

/* What JSON cannot hold of the name is left out. */
static json_t *who_json(void)
{
	const struct passwd *pw = getpwuid(geteuid());
	char host[256] = "", *text;
	json_t *v;

	if (gethostname(host, sizeof(host) - 1) < 0)
		host[0] = '\0';
	text = pw ? xasprintf("%s@%s", pw->pw_name, host) : xasprintf("%u@%s", (unsigned)geteuid(), host);
	v = json_string(text);
	free(text);
	return v ? v : json_string("?");
}

static char *entry_text(uint64_t epoch, const char *at, json_t *who, const char *why, json_t *document)
{
	json_t *why_v = json_string(why), *v;
	char *text, *own;

	/* the document as the text it is: a rollback brings it back to the letter */
	v = json_pack("{s:I, s:s, s:o, s:o, s:o}", "epoch", (json_int_t)epoch, "at", at, "who", who, "why",
		why_v ? why_v : json_string("?"), "document", document);
	text = v ? json_dumps(v, JSON_COMPACT) : NULL;
	if (!text)
		abort();
	own = xstrdup(text);
	free(text);
	json_decref(v);
	return own;
}

char *history_entry(uint64_t epoch, const char *why, const char *document)
{
	char at[32];
	time_t now = time(NULL);
	struct tm tm;

	strftime(at, sizeof(at), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
	return entry_text(epoch, at, who_json(), why, document ? json_string(document) : json_null());
}

char *history_entry_found(uint64_t epoch, struct str document)
{
	return entry_text(epoch, "", json_string(""), "found in the store", json_stringn(document.p, document.n));
}

static char *text_of(const json_t *v)
{
	return xstrdup(json_is_string(v) ? json_string_value(v) : "");
}

/* False: no entry, but something else that stands there. */
static bool entry_read(const struct store_item *it, struct ops_map_past *out)
{
	const char *slash = strrchr(it->key, '/');
	json_t *v = json_loadb(it->value, it->value_n, 0, NULL);
	const json_t *document = json_object_get(v, "document");
	bool good = json_is_object(v) && slash && str_to_u64(str_of(slash + 1), &out->epoch) == 0;

	if (good) {
		out->at = text_of(json_object_get(v, "at"));
		out->who = text_of(json_object_get(v, "who"));
		out->why = text_of(json_object_get(v, "why"));
		out->document = json_is_string(document) ? text_of(document) : NULL;
	}
	json_decref(v);
	return good;
}

static void past_free(struct ops_map_past *p)
{
	free(p->at);
	free(p->who);
	free(p->why);
	free(p->document);
}

void ops_map_history_free(struct ops_map_history *h)
{
	for (uint32_t i = 0; i < h->n; i++)
		past_free(&h->v[i]);
	free(h->v);
	*h = (struct ops_map_history){ 0 };
}

static int newest_first(const void *a, const void *b)
{
	const struct ops_map_past *x = a, *y = b;

	return (x->epoch < y->epoch) - (x->epoch > y->epoch);
}

int ops_map_history(const struct ops *o, const char *keyspace, struct ops_map_history *out, struct err *err)
{
	char folder[STORE_KEY_MAX + 1];
	struct store_items all;
	int rc = history_folder(folder, keyspace, err);

	*out = (struct ops_map_history){ 0 };
	if (rc == 0)
		rc = store_list(o->store, folder, &all, err);
	if (rc < 0)
		return rc;
	out->v = xcalloc(all.n + 1, sizeof(*out->v));
	for (uint32_t i = 0; i < all.n; i++)
		out->n += entry_read(&all.v[i], &out->v[out->n]);
	store_items_free(&all);
	if (out->n)
		qsort(out->v, out->n, sizeof(*out->v), newest_first);
	return 0;
}

int history_last(struct store *s, const char *keyspace, uint64_t *epoch, struct err *err)
{
	struct ops o = { .store = s };
	struct ops_map_history h;
	int rc = ops_map_history(&o, keyspace, &h, err);

	if (rc < 0)
		return rc;
	*epoch = h.n ? h.v[0].epoch : 0;
	ops_map_history_free(&h);
	return 0;
}

int ops_map_at(const struct ops *o, const char *keyspace, uint64_t epoch, char **document, struct err *err)
{
	char key[STORE_KEY_MAX + 1];
	struct ops_map_past past;
	struct store_item it;
	int rc = history_key(key, keyspace, epoch, err);

	if (rc == 0)
		rc = store_get(o->store, key, &it, err);
	if (rc < 0)
		return rc;
	*document = NULL;
	if (rc == 0) {
		past = (struct ops_map_past){ 0 };
		if (entry_read(&it, &past) && past.document)
			*document = xstrdup(past.document);
		past_free(&past);
		store_item_free(&it);
	}
	return *document ? 0
			 : err_set(err, ERR_NAME, ER_WRONG_ARGUMENTS,
				   "the history of keyspace %s has no document of epoch %" PRIu64
				   "; keywayctl map history lists what it has",
				   keyspace, epoch);
}
