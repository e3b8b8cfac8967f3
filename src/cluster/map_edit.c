/* map_edit.c - single changes of a map document's text.
 * For the tools that change the map.
 * Pure; any thread. */
#include "keyway/cluster/map_edit.h"
#include "json_text.h"
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>

/* A document being changed: its text, and the same read. */
struct edit {
	struct str text;
	json_t *doc;
	struct err *err;
};

static int bad(struct edit *e, const char *what)
{
	return err_set(e->err, ERR_CONFIG, ER_WRONG_ARGUMENTS, "document: %s", what);
}

static int edit_open(struct edit *e, struct str document, struct err *err)
{
	json_error_t why;

	*e = (struct edit){ .text = document, .err = err };
	if (document.n > MAP_DOCUMENT_MAX)
		return bad(e, "is larger than a map may be");
	e->doc = json_loadb(document.n ? document.p : "", document.n, JSON_REJECT_DUPLICATES, &why);
	if (!e->doc)
		return err_set(err, ERR_CONFIG, ER_WRONG_ARGUMENTS, "document: is not JSON: line %d, column %d: %s",
			why.line, why.column, why.text);
	if (!json_is_object(e->doc)) {
		json_decref(e->doc);
		return bad(e, "is no object");
	}
	return 0;
}

static struct json_span at_shard(const struct edit *e, size_t shard)
{
	struct json_span at = { 0, 0 };

	if (!json_text_member(e->text, json_text_root(e->text), "shards", &at) ||
		!json_text_item(e->text, at, shard, &at))
		abort(); /* what jansson has read stands there */
	return at;
}

static struct json_span at_backend(const struct edit *e, size_t shard, size_t backend)
{
	struct json_span at = at_shard(e, shard);

	if (!json_text_member(e->text, at, "backends", &at) || !json_text_item(e->text, at, backend, &at))
		abort();
	return at;
}

static bool text_is(const json_t *v, struct str s)
{
	return json_is_string(v) && str_eq(str_make(json_string_value(v), json_string_length(v)), s);
}

static int find_shard(const struct edit *e, struct str range, size_t *out)
{
	struct keyrange want, one;
	const char *why;
	json_t *shard;
	size_t i;

	if (keyrange_parse(range, &want, &why) < 0)
		return err_set(e->err, ERR_NAME, ER_WRONG_ARGUMENTS, "shard %.*s: %s", (int)MIN(range.n, (size_t)64),
			range.p, why);
	json_array_foreach(json_object_get(e->doc, "shards"), i, shard)
	{
		const json_t *v = json_object_get(shard, "range");

		one = KEYRANGE_ALL;
		if (v && (!json_is_string(v) ||
				 keyrange_parse(str_make(json_string_value(v), json_string_length(v)), &one, &why) < 0))
			continue;
		if (json_is_object(shard) && keyrange_eq(one, want)) {
			*out = i;
			return 0;
		}
	}
	return err_set(e->err, ERR_NAME, ER_WRONG_ARGUMENTS, "no shard has the range %.*s",
		(int)MIN(range.n, (size_t)64), range.p);
}

static int find_backend(const struct edit *e, struct str name, size_t *shard, size_t *backend)
{
	json_t *s, *b;
	size_t i, k;

	json_array_foreach(json_object_get(e->doc, "shards"), i, s)
	{
		json_array_foreach(json_object_get(s, "backends"), k, b)
		{
			if (!json_is_object(b) || !text_is(json_object_get(b, "name"), name))
				continue;
			*shard = i;
			*backend = k;
			return 0;
		}
	}
	return err_set(e->err, ERR_NAME, ER_WRONG_ARGUMENTS, "no backend has the name %.*s",
		(int)MIN(name.n, (size_t)MAP_NAME_MAX), name.p);
}

int map_edit_epoch(struct str document, uint64_t epoch, char **out, struct err *err)
{
	char value[24];
	struct edit e;
	int rc = edit_open(&e, document, err);

	if (rc < 0)
		return rc;
	snprintf(value, sizeof(value), "%" PRIu64, epoch);
	*out = json_text_set(e.text, json_text_root(e.text), "epoch", value);
	json_decref(e.doc);
	return 0;
}

int map_edit_backend_state(
	struct str document, struct str backend, enum backend_state state, char **out, struct err *err)
{
	static const char *const values[] = { "\"serving\"", "\"draining\"", "\"drained\"" };
	struct json_span at, old;
	size_t shard, i;
	struct edit e;
	int rc = edit_open(&e, document, err);

	if (rc < 0)
		return rc;
	rc = find_backend(&e, backend, &shard, &i);
	if (rc == 0) {
		at = at_backend(&e, shard, i);
		/* what serves needs no word */
		if (state == BACKEND_SERVING && !json_text_member(e.text, at, "state", &old))
			*out = str_dup(e.text);
		else
			*out = json_text_set(e.text, at, "state", values[state]);
	}
	json_decref(e.doc);
	return rc;
}

/* The roles of a shard's backends, the named one's last, so that no place moves before it was used. */
static int set_roles(struct edit *e, size_t shard, size_t primary, char **out)
{
	const json_t *backends = json_object_get(json_array_get(json_object_get(e->doc, "shards"), shard), "backends");
	char *text = str_dup(e->text), *next;

	for (size_t i = 0; i < json_array_size(backends); i++) {
		const json_t *role = json_object_get(json_array_get(backends, i), "role");

		if (i != primary && !text_is(role, STR("primary")))
			continue;
		e->text = str_of(text);
		next = json_text_set(
			e->text, at_backend(e, shard, i), "role", i == primary ? "\"primary\"" : "\"replica\"");
		free(text);
		text = next;
	}
	*out = text;
	return 0;
}

int map_edit_primary(struct str document, struct str shard, struct str backend, char **out, struct err *err)
{
	size_t at, in, i;
	struct edit e;
	int rc = edit_open(&e, document, err);

	if (rc < 0)
		return rc;
	rc = find_shard(&e, shard, &at);
	if (rc == 0)
		rc = find_backend(&e, backend, &in, &i);
	if (rc == 0 && in != at)
		rc = err_set(err, ERR_NAME, ER_WRONG_ARGUMENTS, "backend %.*s is in another shard than %.*s",
			(int)MIN(backend.n, (size_t)MAP_NAME_MAX), backend.p, (int)MIN(shard.n, (size_t)64), shard.p);
	if (rc == 0)
		rc = set_roles(&e, at, i, out);
	json_decref(e.doc);
	return rc;
}

static int set_of_shard(
	struct str document, struct str shard, const char *name, const char *value, char **out, struct err *err)
{
	struct edit e;
	size_t at;
	int rc = edit_open(&e, document, err);

	if (rc < 0)
		return rc;
	rc = find_shard(&e, shard, &at);
	if (rc == 0)
		*out = json_text_set(e.text, at_shard(&e, at), name, value);
	json_decref(e.doc);
	return rc;
}

int map_edit_home(struct str document, struct str shard, enum pair_side home, char **out, struct err *err)
{
	return set_of_shard(document, shard, "home", home == SIDE_ODD ? "\"odd\"" : "\"even\"", out, err);
}

int map_edit_backends(struct str document, struct str shard, struct str backends, char **out, struct err *err)
{
	json_error_t why;
	json_t *v = json_loadb(backends.n ? backends.p : "", backends.n, JSON_REJECT_DUPLICATES, &why);
	char *value;
	int rc;

	if (!json_is_array(v)) {
		json_decref(v);
		return err_set(err, ERR_CONFIG, ER_WRONG_ARGUMENTS, "backends: must be a JSON array of servers");
	}
	json_decref(v);
	value = str_dup(backends);
	rc = set_of_shard(document, shard, "backends", value, out, err);
	free(value);
	return rc;
}
