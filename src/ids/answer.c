/* answer.c - reads ids from a bare number or by JSON pointers; 64-bit whole numbers all the way, never through double.
 * For the HTTP source.
 * Pure. */
#include "answer.h"
#include <jansson.h>
#include <stdio.h>

/* Whitespace around a bare number is what text/plain services send. */
static struct str trim(struct str s)
{
	while (s.n && strchr(" \t\r\n", s.p[0]) && s.p[0]) {
		s.p++;
		s.n--;
	}
	while (s.n && strchr(" \t\r\n", s.p[s.n - 1]) && s.p[s.n - 1])
		s.n--;
	return s;
}

/* One name of a JSON pointer with ~1 and ~0 undone (RFC 6901). false when it is too long. */
static bool unescape(const char *p, size_t n, char *out, size_t size)
{
	size_t w = 0;

	for (size_t i = 0; i < n; i++) {
		char c = p[i];

		if (c == '~' && i + 1 < n && (p[i + 1] == '0' || p[i + 1] == '1'))
			c = p[++i] == '1' ? '/' : '~';
		if (w + 1 >= size)
			return false;
		out[w++] = c;
	}
	out[w] = 0;
	return true;
}

static const json_t *at(const json_t *v, const char *pointer)
{
	char key[256];

	while (v && *pointer == '/') {
		size_t n = strcspn(++pointer, "/");
		uint64_t i;

		if (!unescape(pointer, n, key, sizeof(key)))
			return NULL;
		if (json_is_array(v))
			v = str_to_u64(str_of(key), &i) == 0 && i < json_array_size(v) ? json_array_get(v, i) : NULL;
		else
			v = json_object_get(v, key);
		pointer += n;
	}
	return v;
}

/* A number, or a string of digits. */
static int number_at(const json_t *root, const char *pointer, uint64_t *out, char *why, size_t why_size)
{
	const json_t *v = at(root, pointer);

	if (json_is_integer(v) && json_integer_value(v) >= 0) {
		*out = (uint64_t)json_integer_value(v);
		return 0;
	}
	if (json_is_string(v) && str_to_u64(str_make(json_string_value(v), json_string_length(v)), out) == 0)
		return 0;
	snprintf(why, why_size, "answer has %s at %s", v ? "something else than a positive whole number" : "nothing",
		pointer);
	return -1;
}

static int run_at(
	const struct alloc_conf *c, uint64_t step, const json_t *root, struct grab_run *out, char *why, size_t why_size)
{
	uint64_t last, count;

	if (c->at_id) {
		out->n = 1;
		return number_at(root, c->at_id, &out->first, why, why_size);
	}
	if (number_at(root, c->at_first, &out->first, why, why_size) < 0)
		return -1;
	if (c->at_count) {
		if (number_at(root, c->at_count, &count, why, why_size) < 0)
			return -1;
		out->n = count;
	}
	if (!c->at_last)
		return 0;
	if (number_at(root, c->at_last, &last, why, why_size) < 0)
		return -1;
	if (last < out->first || (last - out->first) % step || last - out->first == UINT64_MAX) {
		snprintf(why, why_size, "answer has a last id that does not fit its first");
		return -1;
	}
	count = (last - out->first) / step + 1;
	if (c->at_count && count != out->n) {
		snprintf(why, why_size, "answer has a count that does not fit its first and last id");
		return -1;
	}
	out->n = count;
	return 0;
}

int answer_parse(
	const struct alloc_conf *conf, uint64_t step, struct str body, struct grab_run *out, char *why, size_t why_size)
{
	json_t *root;
	int rc;

	why[0] = 0;
	if (!conf->at_id && !conf->at_first) {
		out->n = 1;
		if (str_to_u64(trim(body), &out->first) == 0)
			return 0;
		snprintf(why, why_size, "answer is not a decimal number below 2^64");
		return -1;
	}
	if (body.n > ANSWER_BYTES_MAX) {
		snprintf(why, why_size, "answer is longer than %d bytes", ANSWER_BYTES_MAX);
		return -1;
	}
	root = json_loadb(body.n ? body.p : "", body.n, JSON_REJECT_DUPLICATES, NULL);
	if (!root) {
		snprintf(why, why_size, "answer is not JSON");
		return -1;
	}
	rc = run_at(conf, step, root, out, why, why_size);
	json_decref(root);
	return rc;
}
