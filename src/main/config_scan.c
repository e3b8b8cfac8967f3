/* config_scan.c - finds the values in a settings file that libconfig would change without saying so.
 * For config.c, after libconfig has found the syntax good.
 * Control thread: reads files. */
#include "config_scan.h"
#include "keyway/util/buf.h"
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define INCLUDE_DEPTH 10 /* libconfig's own bound */

struct scan {
	const char *path;
	const char *dir;
	int depth;
	const char *p, *end;
	unsigned line;
	struct err *err;
};

static int scan_file(const char *path, const char *dir, int depth, struct err *err);

static int scan_refuse(struct scan *s, const char *what)
{
	return err_set(s->err, ERR_CONFIG, ER_WRONG_ARGUMENTS, "%.200s:%u: %s", s->path, s->line, what);
}

static char peek(const struct scan *s, size_t ahead)
{
	return (size_t)(s->end - s->p) > ahead ? s->p[ahead] : '\0';
}

static void skip_line(struct scan *s)
{
	while (s->p < s->end && *s->p != '\n')
		s->p++;
}

static void skip_comment(struct scan *s)
{
	for (s->p += 2; s->p < s->end && !(*s->p == '*' && peek(s, 1) == '/'); s->p++)
		s->line += *s->p == '\n';
	s->p += MIN(2, s->end - s->p);
}

/* Stands on the opening quote, ends behind the closing one. What the text says goes to @out when not NULL. */
static int scan_text(struct scan *s, struct buf *out)
{
	for (s->p++; s->p < s->end && *s->p != '"'; s->p++) {
		if (*s->p == '\\' && peek(s, 1) == 'x' && peek(s, 2) == '0' && peek(s, 3) == '0')
			return scan_refuse(s, "\\x00 cannot stand in a text");
		if (*s->p == '\\' && (peek(s, 1) == '\\' || peek(s, 1) == '"'))
			s->p++;
		s->line += *s->p == '\n';
		if (out)
			buf_add_u8(out, (uint8_t)*s->p);
	}
	s->p += s->p < s->end;
	return 0;
}

static int scan_include(struct scan *s)
{
	struct buf name = { 0 };
	char *path;
	int rc;

	while (s->p < s->end && *s->p != '"')
		s->p++;
	rc = scan_text(s, &name);
	if (rc == 0) {
		path = xasprintf(
			"%s/%.*s", s->dir, (int)buf_used(&name), buf_used(&name) ? (char *)buf_head(&name) : "");
		rc = scan_file(path, s->dir, s->depth + 1, s->err);
		free(path);
	}
	buf_free(&name);
	return rc;
}

/* Stands on a digit, with its sign before it. A number with a dot or an exponent is left to the keys, none of which
 * takes one. */
static int scan_number(struct scan *s, bool negative)
{
	bool hex = peek(s, 0) == '0' && (peek(s, 1) | 0x20) == 'x', fits = true;
	uint64_t v = 0, max;

	s->p += hex ? 2 : 0;
	for (; hex ? isxdigit((unsigned char)peek(s, 0)) : isdigit((unsigned char)peek(s, 0)); s->p++) {
		unsigned digit = isdigit((unsigned char)*s->p) ? *s->p - '0' : (*s->p | 0x20) - 'a' + 10;

		fits = fits && !__builtin_mul_overflow(v, hex ? 16 : 10, &v) && !__builtin_add_overflow(v, digit, &v);
	}
	if (peek(s, 0) == '.' || (peek(s, 0) | 0x20) == 'e') {
		while (isalnum((unsigned char)peek(s, 0)) || peek(s, 0) == '.')
			s->p++;
		return 0;
	}
	max = peek(s, 0) == 'L' ? INT64_MAX : INT32_MAX;
	while (peek(s, 0) == 'L')
		s->p++;
	if (!fits || v > max + negative)
		return scan_refuse(s, max == INT32_MAX ? "a number above 2147483647 needs the suffix L, or quotes"
						       : "the number does not fit 64 bits");
	return 0;
}

static int scan_run(struct scan *s)
{
	int rc = 0;

	while (s->p < s->end && rc == 0) {
		char c = *s->p;

		if (c == '"') {
			rc = scan_text(s, NULL);
		} else if (c == '#' || (c == '/' && peek(s, 1) == '/')) {
			skip_line(s);
		} else if (c == '/' && peek(s, 1) == '*') {
			skip_comment(s);
		} else if (c == '@') {
			rc = scan_include(s);
		} else if (isalpha((unsigned char)c) || c == '*') {
			while (isalnum((unsigned char)peek(s, 0)) || (peek(s, 0) && strchr("-_*.", peek(s, 0))))
				s->p++;
		} else if (isdigit((unsigned char)c)) {
			rc = scan_number(s, false);
		} else if (c == '-' && isdigit((unsigned char)peek(s, 1))) {
			s->p++;
			rc = scan_number(s, true);
		} else {
			s->line += c == '\n';
			s->p++;
		}
	}
	return rc;
}

static int scan_file(const char *path, const char *dir, int depth, struct err *err)
{
	struct scan s = { .path = path, .dir = dir, .depth = depth, .line = 1, .err = err };
	struct buf text = { 0 };
	size_t got;
	FILE *f;
	int rc;

	if (depth > INCLUDE_DEPTH)
		return scan_refuse(&s, "included too deep");
	f = fopen(path, "re");
	if (!f)
		return scan_refuse(&s, strerror(errno));
	while ((got = fread(buf_reserve(&text, 4096), 1, 4096, f)) > 0)
		buf_wrote(&text, got);
	s.p = (const char *)buf_head(&text);
	s.end = s.p + buf_used(&text);
	rc = ferror(f) ? scan_refuse(&s, "cannot be read") : scan_run(&s);
	fclose(f);
	explicit_bzero(text.p, text.cap);
	buf_free(&text);
	return rc;
}

int config_scan_numbers(const char *path, const char *dir, struct err *err)
{
	return scan_file(path, dir, 0, err);
}
