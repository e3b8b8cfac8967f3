/* json_reader.c - checked reading of JSON fields; every refusal names the field by its path.
 * For the map parser.
 * Pure; any thread. */
#include "json_reader.h"
#include <stdarg.h>
#include <stdio.h>
#include "keyway/cluster/charset.h"
#include "keyway/cluster/map.h"

static bool plain_field(const char *s)
{
	if (!*s)
		return false;
	for (; *s; s++) {
		if (!((*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') || (*s >= '0' && *s <= '9') || *s == '_'))
			return false;
	}
	return true;
}

/* A name from the document, made safe to print and short. */
static void path_quoted(const char *field, char *out, size_t size)
{
	size_t n = 0;

	out[n++] = '[';
	out[n++] = '"';
	for (; *field && n + 8 < size; field++) {
		unsigned char c = (unsigned char)*field;

		if (c < 0x20 || c == 0x7f || c == '"' || c == '\\')
			n += (size_t)sprintf(out + n, "\\x%02x", c);
		else
			out[n++] = (char)c;
	}
	memcpy(out + n, *field ? "...\"]" : "\"]", *field ? 6 : 3);
}

static size_t path_add(struct json_reader *r, const char *text)
{
	size_t mark = r->path_n, n = MIN(strlen(text), sizeof(r->path) - 1 - mark);

	memcpy(r->path + mark, text, n);
	r->path_n += n;
	r->path[r->path_n] = '\0';
	return mark;
}

size_t reader_enter(struct json_reader *r, const char *field)
{
	char text[160];

	if (plain_field(field) && strlen(field) < 128)
		snprintf(text, sizeof(text), "%s%s", r->path_n ? "." : "", field);
	else
		path_quoted(field, text, 128);
	return path_add(r, text);
}

size_t reader_enter_item(struct json_reader *r, size_t index)
{
	char text[32];

	snprintf(text, sizeof(text), "[%zu]", index);
	return path_add(r, text);
}

void reader_leave(struct json_reader *r, size_t mark)
{
	r->path_n = mark;
	r->path[mark] = '\0';
}

static int bad_v(struct json_reader *r, const char *fmt, va_list ap)
{
	char msg[ERR_MSG_MAX];

	vsnprintf(msg, sizeof(msg), fmt, ap);
	return err_set(r->err, ERR_CONFIG, ER_WRONG_ARGUMENTS, "%s: %s", r->path_n ? r->path : "document", msg);
}

int reader_bad(struct json_reader *r, const char *fmt, ...)
{
	va_list ap;
	int rc;

	va_start(ap, fmt);
	rc = bad_v(r, fmt, ap);
	va_end(ap);
	return rc;
}

int reader_bad_field(struct json_reader *r, const char *field, const char *fmt, ...)
{
	size_t mark = reader_enter(r, field);
	va_list ap;
	int rc;

	va_start(ap, fmt);
	rc = bad_v(r, fmt, ap);
	va_end(ap);
	reader_leave(r, mark);
	return rc;
}

static bool word_in(const char *words, const char *word)
{
	size_t n = strlen(word);

	for (const char *p = words; *p;) {
		size_t len = strcspn(p, " ");

		if (len == n && memcmp(p, word, n) == 0)
			return true;
		p += len;
		p += strspn(p, " ");
	}
	return false;
}

int reader_object(struct json_reader *r, const json_t *v, const char *known)
{
	const char *key;
	json_t *value;

	if (!json_is_object(v))
		return reader_bad(r, "must be an object with the fields: %s", known);
	json_object_foreach((json_t *)v, key, value)
	{
		if (!word_in(known, key))
			return reader_bad_field(r, key, "unknown field; known here: %s", known);
	}
	return 0;
}

static bool id_char(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
	       c == '-';
}

static bool form_allows(enum text_form form, unsigned char c)
{
	if (c < 0x20 || c == 0x7f)
		return false;
	switch (form) {
	case TEXT_ID: return id_char(c);
	case TEXT_HOST: return id_char(c) || c == ':' || c == '%';
	case TEXT_NAME: return c != '/' && c != '@';
	case TEXT_ANY:
	case TEXT_DBNAME:
	case TEXT_PATH: break;
	}
	return true;
}

static const struct {
	int64_t max; /* characters */
	const char *what;
} forms[] = {
	[TEXT_ANY] = { MAP_NAME_MAX, "1 to 64 characters, no control characters" },
	[TEXT_DBNAME] = { MAP_NAME_MAX, "a name of 1 to 64 characters, no control characters, no space at its end" },
	[TEXT_NAME] = { MAP_NAME_MAX,
		"a name of 1 to 64 characters, no / and @, no control characters, no space at its "
		"end" },
	[TEXT_ID] = { MAP_NAME_MAX, "1 to 64 letters, digits, '.', '_' or '-'" },
	[TEXT_HOST] = { 253, "a host name or an IP address" },
	[TEXT_PATH] = { 107, "the absolute path of a unix socket, at most 107 bytes" },
};

int reader_check_text(struct json_reader *r, struct str s, enum text_form form)
{
	int64_t n = charset_length(CHARSET_UTF8MB4, s);
	bool ok = n > 0 && n <= forms[form].max;

	for (size_t i = 0; ok && i < s.n; i++)
		ok = form_allows(form, (unsigned char)s.p[i]);
	if (ok && (form == TEXT_DBNAME || form == TEXT_NAME))
		ok = s.p[s.n - 1] != ' ' && !str_eqz(s, ".") && !str_eqz(s, "..");
	if (ok && form == TEXT_PATH)
		ok = s.p[0] == '/' && s.n <= 107;
	return ok ? 0 : reader_bad(r, "must be %s", forms[form].what);
}

int reader_text(struct json_reader *r, const json_t *obj, const char *field, bool required, enum text_form form,
	struct str *out)
{
	const json_t *v = json_object_get(obj, field);
	struct str s;
	size_t mark;
	int rc;

	if (!v)
		return required ? reader_bad_field(r, field, "is missing; it is %s", forms[form].what) : 0;
	mark = reader_enter(r, field);
	if (!json_is_string(v)) {
		rc = reader_bad(r, "must be a text: %s", forms[form].what);
	} else {
		s = str_make(json_string_value(v), json_string_length(v));
		rc = reader_check_text(r, s, form);
		if (rc == 0)
			*out = arena_str(r->arena, s);
	}
	reader_leave(r, mark);
	return rc;
}

int reader_int(struct json_reader *r, const json_t *obj, const char *field, bool required, int64_t lo, int64_t hi,
	int64_t *out)
{
	const json_t *v = json_object_get(obj, field);

	if (!v && !required)
		return 0;
	if (!v || !json_is_integer(v) || json_integer_value(v) < lo || json_integer_value(v) > hi)
		return reader_bad_field(r, field, "%sa whole number from %lld to %lld",
			v ? "must be " : "is missing; it is ", (long long)lo, (long long)hi);
	*out = json_integer_value(v);
	return 0;
}

int reader_choice(
	struct json_reader *r, const json_t *obj, const char *field, bool required, const char *const *names, int *out)
{
	const json_t *v = json_object_get(obj, field);
	char list[128];
	size_t n = 0;

	if (!v && !required)
		return 0;
	for (int i = 0; names[i]; i++) {
		if (v && json_is_string(v) && strcmp(json_string_value(v), names[i]) == 0) {
			*out = i;
			return 0;
		}
		n += (size_t)snprintf(list + n, sizeof(list) - n, "%s\"%s\"", i ? ", " : "", names[i]);
	}
	return reader_bad_field(r, field, "%sone of %s", v ? "must be " : "is missing; it is ", list);
}
