/* json_text.c - changes single values of a JSON text without touching its layout.
 * For map_edit.c.
 * Pure; any thread. The text is valid JSON, so each scan ends inside it; the bounds are checked all the same. */
#include "json_text.h"
#include <jansson.h>
#include <stdlib.h>

static size_t skip_blank(struct str text, size_t at)
{
	while (at < text.n && strchr(" \t\r\n", text.p[at]) && text.p[at])
		at++;
	return at;
}

static size_t skip_string(struct str text, size_t at)
{
	for (at++; at < text.n && text.p[at] != '"'; at++) {
		if (text.p[at] == '\\')
			at++;
	}
	return MIN(at + 1, text.n);
}

static size_t skip_value(struct str text, size_t at)
{
	size_t depth = 0;

	while (at < text.n) {
		char c = text.p[at];

		if (c == '"') {
			at = skip_string(text, at);
			if (!depth)
				break;
			continue;
		}
		if (c == '{' || c == '[') {
			depth++;
		} else if (c == '}' || c == ']') {
			if (depth <= 1)
				return depth ? at + 1 : at;
			depth--;
		} else if (!depth && (c == ',' || skip_blank(text, at) != at)) {
			break;
		}
		at++;
	}
	return at;
}

struct json_span json_text_root(struct str text)
{
	size_t at = skip_blank(text, 0);

	return (struct json_span){ at, skip_value(text, at) };
}

/* Is the string at @at, quotes included, the text @name? */
static bool string_is(struct str text, struct json_span at, const char *name)
{
	size_t n = strlen(name);
	bool same = false;
	json_t *v;

	if (at.end - at.begin == n + 2 && memcmp(text.p + at.begin + 1, name, n) == 0)
		return true;
	if (!memchr(text.p + at.begin, '\\', at.end - at.begin))
		return false;
	v = json_loadb(text.p + at.begin, at.end - at.begin, JSON_DECODE_ANY, NULL);
	same = v && strcmp(json_string_value(v), name) == 0;
	json_decref(v);
	return same;
}

/* The next member of an object, or item of an array, behind @*at, which begins behind the bracket. */
static bool next_part(struct str text, size_t *at, bool object, struct json_span *name, struct json_span *value)
{
	size_t p = skip_blank(text, *at);

	if (p < text.n && text.p[p] == ',')
		p = skip_blank(text, p + 1);
	if (p >= text.n || text.p[p] == '}' || text.p[p] == ']')
		return false;
	if (object) {
		name->begin = p;
		name->end = skip_string(text, p);
		p = skip_blank(text, skip_blank(text, name->end) + 1);
	}
	value->begin = p;
	value->end = skip_value(text, p);
	*at = value->end;
	return true;
}

bool json_text_member(struct str text, struct json_span at, const char *name, struct json_span *out)
{
	struct json_span key = { 0, 0 };
	size_t p = at.begin + 1;

	while (next_part(text, &p, true, &key, out)) {
		if (string_is(text, key, name))
			return true;
	}
	return false;
}

bool json_text_item(struct str text, struct json_span at, size_t i, struct json_span *out)
{
	struct json_span none;
	size_t p = at.begin + 1;

	while (next_part(text, &p, false, &none, out)) {
		if (i-- == 0)
			return true;
	}
	return false;
}

char *json_text_replace(struct str text, struct json_span at, const char *value)
{
	return xasprintf("%.*s%s%.*s", (int)at.begin, text.p, value, (int)(text.n - at.end), text.p + at.end);
}

char *json_text_set(struct str text, struct json_span at, const char *name, const char *value)
{
	struct json_span key = { 0, 0 }, old = { 0, 0 };
	size_t p = at.begin + 1, end = p, blank = p, blank_n;
	char *added, *out;

	if (json_text_member(text, at, name, &old))
		return json_text_replace(text, old, value);
	/* the blanks before the last member stand before the new one too */
	for (; next_part(text, &p, true, &key, &old); end = p) {
		for (blank = key.begin; blank > end && text.p[blank - 1] != ','; blank--)
			;
	}
	blank_n = end == at.begin + 1 ? 0 : key.begin - blank;
	added = xasprintf(
		"%s%.*s\"%s\": %s", end == at.begin + 1 ? "" : ",", (int)blank_n, text.p + blank, name, value);
	out = json_text_replace(text, (struct json_span){ end, end }, added);
	free(added);
	return out;
}
