/* consul_answer.c - reads what consul's KV answers.
 * For consul.c; the target of fuzz_consul.
 * Pure. */
#include "consul_answer.h"
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include "base64.h"
#include "keyway/util/buf.h"

static struct str text(const json_t *object, const char *field)
{
	const json_t *v = json_object_get(object, field);

	return json_is_string(v) ? str_make(json_string_value(v), json_string_length(v)) : STR("");
}

/* 1: it is a key that the interface cannot name; -1: it is no entry. */
static int read_entry(const json_t *entry, const char *prefix, struct store_item *out)
{
	const json_t *index = json_object_get(entry, "ModifyIndex"), *value = json_object_get(entry, "Value");
	struct str key = text(entry, "Key");
	size_t skip = strlen(prefix), n = 0;
	char *bytes, *rest;

	if (!json_is_integer(index) || json_integer_value(index) <= 0 || key.n < skip ||
		memcmp(key.p, prefix, skip) != 0)
		return -1;
	/* an empty value is null */
	if (value && !json_is_null(value) && !json_is_string(value))
		return -1;
	bytes = base64_decode(text(entry, "Value"), &n);
	if (!bytes)
		return -1;
	rest = str_dup(str_make(key.p + skip, key.n - skip));
	if (strlen(rest) != key.n - skip || store_key_check(rest, NULL) < 0) {
		free(rest);
		free(bytes);
		return 1;
	}
	*out = (struct store_item){ rest, bytes, n, (uint64_t)json_integer_value(index) };
	return 0;
}

int consul_read_items(struct str body, const char *prefix, struct store_items *out, struct err *err)
{
	json_t *doc = json_loadb(body.p ? body.p : "", body.n, JSON_ALLOW_NUL, NULL), *entry;
	int rc = json_is_array(doc) ? 0 : -1;
	size_t i;

	*out = (struct store_items){ 0 };
	json_array_foreach(doc, i, entry)
	{
		struct store_item it;

		rc = read_entry(entry, prefix, &it);
		if (rc < 0)
			break;
		if (rc == 0)
			*store_items_add(out) = it;
	}
	json_decref(doc);
	if (rc >= 0)
		return 0;
	store_items_free(out);
	return err_set(
		err, ERR_MALFORMED, ER_MALFORMED_PACKET, "consul: an answer could not be understood: no list of keys");
}

bool consul_read_done(struct str body)
{
	json_t *doc = json_loadb(body.p ? body.p : "", body.n, JSON_ALLOW_NUL, NULL);
	const json_t *results = json_object_get(doc, "Results"), *errors = json_object_get(doc, "Errors");
	/* what was only deleted has no result */
	bool done = (json_is_array(results) || json_is_null(results)) &&
		    (json_is_null(errors) || json_array_size(errors) == 0);

	json_decref(doc);
	return done;
}

int consul_read_refusal(struct str body, char *why, size_t size)
{
	json_t *doc = json_loadb(body.p ? body.p : "", body.n, 0, NULL);
	const json_t *errors = json_object_get(doc, "Errors"), *one;
	int rc = ERR_BACKEND;
	size_t i;

	snprintf(why, size, "no reason was given");
	json_array_foreach(errors, i, one)
	{
		struct str what = text(one, "What");
		char copy[200];

		snprintf(copy, sizeof(copy), STR_FMT, STR_ARG(what));
		if (i == 0)
			snprintf(why, size, "%s", copy);
		/* "failed to set key "a", index is stale"; "key "a" exists"; "key "a" doesn't exist" */
		if (strstr(copy, "index is stale") || strstr(copy, "current modify index") || strstr(copy, " exists") ||
			strstr(copy, "doesn't exist"))
			rc = STORE_CONFLICT;
		else if (strstr(copy, "ermission denied") || strstr(copy, "ACL not found"))
			rc = ERR_DENIED;
		else
			rc = ERR_BACKEND;
		if (rc != STORE_CONFLICT) {
			snprintf(why, size, "%s", copy);
			break;
		}
	}
	json_decref(doc);
	return rc;
}

char *consul_read_text(struct str body, const char *field)
{
	json_t *doc = json_loadb(body.p ? body.p : "", body.n, 0, NULL);
	struct str s = text(doc, field);
	char *out = s.n ? str_dup(s) : NULL;

	json_decref(doc);
	return out;
}

uint64_t consul_next_index(uint64_t old, uint64_t now)
{
	if (now < old)
		return 0;
	return now ? now : 1;
}

char *consul_path(const char *key)
{
	struct buf b = { 0 };

	for (; *key; key++) {
		unsigned char c = (unsigned char)*key;

		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
			strchr("/-_.~*$:@", c))
			buf_add_u8(&b, c);
		else
			buf_addf(&b, "%%%02X", c);
	}
	buf_add_u8(&b, 0);
	return (char *)b.p; /* nothing was eaten: the block begins with the text */
}
