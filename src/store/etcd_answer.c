/* etcd_answer.c - reads what etcd's JSON gateway answers.
 * For etcd.c; the target of fuzz_etcd.
 * Pure. */
#include "etcd_answer.h"
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include "base64.h"

static int malformed(const char *what, struct err *err)
{
	return err_set(err, ERR_MALFORMED, ER_MALFORMED_PACKET, "etcd: an answer could not be understood: %s", what);
}

static json_t *parse(struct str body)
{
	return json_loadb(body.p ? body.p : "", body.n, 0, NULL);
}

/* 0 when it is left out; -1: it is no number. Negative ones are none. */
static int number(const json_t *object, const char *field, uint64_t *out)
{
	const json_t *v = json_object_get(object, field);

	*out = 0;
	if (!v)
		return 0;
	if (json_is_integer(v)) {
		*out = (uint64_t)json_integer_value(v);
		return json_integer_value(v) < 0 ? -1 : 0;
	}
	if (!json_is_string(v))
		return -1;
	return str_to_u64(str_make(json_string_value(v), json_string_length(v)), out);
}

static struct str text(const json_t *object, const char *field)
{
	const json_t *v = json_object_get(object, field);

	return json_is_string(v) ? str_make(json_string_value(v), json_string_length(v)) : STR("");
}

static void copy_text(char *out, size_t size, struct str s)
{
	snprintf(out, size, STR_FMT, STR_ARG(s));
}

static bool read_header(const json_t *object, struct etcd_header *h)
{
	const json_t *header = json_object_get(object, "header");

	return json_is_object(header) && number(header, "cluster_id", &h->cluster_id) == 0 &&
	       number(header, "revision", &h->revision) == 0;
}

static void error_of(const json_t *object, const char *code, struct etcd_error *e)
{
	uint64_t n;

	e->code = number(object, code, &n) == 0 && n > 0 && n < 100 ? (int)n : ETCD_UNKNOWN;
	copy_text(e->message, sizeof(e->message), text(object, "message"));
}

void etcd_read_error(struct str body, struct etcd_error *e)
{
	json_t *doc = parse(body);

	*e = (struct etcd_error){ .code = ETCD_UNKNOWN };
	if (json_is_object(doc))
		error_of(doc, "code", e);
	else
		copy_text(e->message, sizeof(e->message), str_make(body.n ? body.p : "", MIN(body.n, (size_t)120)));
	json_decref(doc);
}

/* 1: it is a key that the interface cannot name; -1: it is no key-value. */
static int read_kv(const json_t *kv, const char *prefix, bool gone, struct store_item *out)
{
	size_t n = 0, skip = strlen(prefix), value_n = 0;
	char *key = json_is_object(kv) ? base64_decode(text(kv, "key"), &n) : NULL, *value = NULL;
	uint64_t version;

	*out = (struct store_item){ 0 };
	if (!key || n < skip || memcmp(key, prefix, skip) != 0 || number(kv, "mod_revision", &version) < 0 ||
		version == 0) {
		free(key);
		return -1;
	}
	if (!gone)
		value = base64_decode(text(kv, "value"), &value_n);
	if (!gone && !value) {
		free(key);
		return -1;
	}
	if (strlen(key) != n || store_key_check(key + skip, NULL) < 0) {
		free(key);
		free(value);
		return 1;
	}
	memmove(key, key + skip, n - skip + 1);
	*out = (struct store_item){ key, value, value_n, version };
	return 0;
}

void etcd_range_free(struct etcd_range *r)
{
	store_items_free(&r->items);
	r->count = 0;
}

static int range_of(const json_t *object, const char *prefix, struct etcd_range *out)
{
	const json_t *kvs = json_object_get(object, "kvs"), *kv;
	size_t i;

	*out = (struct etcd_range){ 0 };
	if (!json_is_object(object) || (kvs && !json_is_array(kvs)) || number(object, "count", &out->count) < 0)
		return -1;
	json_array_foreach(kvs, i, kv)
	{
		struct store_item it;
		int rc = read_kv(kv, prefix, false, &it);

		if (rc < 0) {
			etcd_range_free(out);
			return -1;
		}
		if (rc == 0)
			*store_items_add(&out->items) = it;
	}
	return 0;
}

int etcd_read_range(struct str body, const char *prefix, struct etcd_header *h, struct etcd_range *out, struct err *err)
{
	json_t *doc = parse(body);
	int rc = 0;

	*out = (struct etcd_range){ 0 };
	if (!doc || !read_header(doc, h) || range_of(doc, prefix, out) < 0)
		rc = malformed("no range", err);
	json_decref(doc);
	return rc;
}

int etcd_read_txn(struct str body, const char *prefix, struct etcd_header *h, bool *succeeded,
	struct etcd_range *ranges, uint32_t n, struct err *err)
{
	json_t *doc = parse(body);
	const json_t *answers = json_object_get(doc, "responses");
	int rc = 0;

	for (uint32_t i = 0; i < n; i++)
		ranges[i] = (struct etcd_range){ 0 };
	if (!doc || !read_header(doc, h) || (n && json_array_size(answers) != n))
		rc = malformed("no transaction", err);
	for (uint32_t i = 0; rc == 0 && i < n; i++) {
		if (range_of(json_object_get(json_array_get(answers, i), "response_range"), prefix, &ranges[i]) < 0)
			rc = malformed("no range in a transaction", err);
	}
	for (uint32_t i = 0; rc < 0 && i < n; i++)
		etcd_range_free(&ranges[i]);
	*succeeded = json_is_true(json_object_get(doc, "succeeded"));
	json_decref(doc);
	return rc;
}

int etcd_read_number(struct str body, const char *outer, const char *field, uint64_t *out, struct err *err)
{
	json_t *doc = parse(body);
	const json_t *in = outer ? json_object_get(doc, outer) : doc;
	int rc = 0;

	*out = 0;
	if (!json_is_object(in) || number(in, field, out) < 0)
		rc = malformed(field, err);
	json_decref(doc);
	return rc;
}

char *etcd_read_text(struct str body, const char *field)
{
	json_t *doc = parse(body);
	struct str s = text(doc, field);
	char *out = s.n ? str_dup(s) : NULL;

	json_decref(doc);
	return out;
}

static int events_of(const json_t *events, const char *prefix, struct etcd_line *out)
{
	const json_t *event;
	size_t i;

	if (events && !json_is_array(events))
		return -1;
	if (json_array_size(events))
		out->events = xcalloc(json_array_size(events), sizeof(*out->events));
	json_array_foreach(events, i, event)
	{
		struct str type = text(event, "type");
		bool gone = str_eq(type, STR("DELETE"));
		int rc;

		if (type.n && !gone && !str_eq(type, STR("PUT")))
			return -1;
		rc = read_kv(json_object_get(event, "kv"), prefix, gone, &out->events[out->event_n].item);
		if (rc < 0)
			return -1;
		out->event_n += rc == 0;
	}
	return 0;
}

int etcd_read_line(struct str line, const char *prefix, struct etcd_line *out, struct err *err)
{
	json_t *doc = parse(line);
	const json_t *error = json_object_get(doc, "error"), *result = json_object_get(doc, "result");
	int rc = 0;

	*out = (struct etcd_line){ 0 };
	if (json_is_object(error)) {
		out->failed = true;
		error_of(error, "grpc_code", &out->error);
	} else if (!json_is_object(result) || !read_header(result, &out->header) ||
		   number(result, "compact_revision", &out->compact_revision) < 0 ||
		   events_of(json_object_get(result, "events"), prefix, out) < 0) {
		etcd_line_free(out);
		rc = malformed("no line of a watch", err);
	} else {
		out->created = json_is_true(json_object_get(result, "created"));
		out->canceled = json_is_true(json_object_get(result, "canceled"));
		copy_text(out->reason, sizeof(out->reason), text(result, "cancel_reason"));
	}
	json_decref(doc);
	return rc;
}

void etcd_line_free(struct etcd_line *l)
{
	for (uint32_t i = 0; i < l->event_n; i++)
		store_item_free(&l->events[i].item);
	free(l->events);
	*l = (struct etcd_line){ 0 };
}

char *etcd_range_end(const char *prefix)
{
	char *end = xstrdup(prefix);
	size_t n = strlen(end);

	/* a byte that is the highest already goes, and the one before it rises */
	while (n && (unsigned char)end[n - 1] == 0xff)
		end[--n] = '\0';
	if (n)
		end[n - 1] = (char)((unsigned char)end[n - 1] + 1);
	return end;
}
