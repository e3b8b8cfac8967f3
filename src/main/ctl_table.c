/* ctl_table.c - tables of keywayctl: aligned for people, JSON for programs.
 * For ctl.c and the commands.
 * One thread. */
#include "ctl_table.h"
#include <assert.h>
#include <ctype.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdlib.h>

enum cell_kind { CELL_NONE, CELL_TEXT, CELL_NUMBER, CELL_INT, CELL_REAL, CELL_BOOL };

struct ctl_cell {
	enum cell_kind kind;
	char *text; /* CELL_TEXT: as it came; CELL_REAL: printed */
	size_t text_n;
	union {
		uint64_t number;
		int64_t integer;
		double real;
		bool yes;
	} v;
};

void ctl_table_begin(struct ctl_table *t, const struct ctl_column *columns, uint32_t n)
{
	ctl_table_free(t);
	t->columns = columns;
	t->column_n = n;
}

void ctl_table_free(struct ctl_table *t)
{
	for (uint32_t i = 0; i < t->cell_n; i++)
		free(t->cells[i].text);
	free(t->cells);
	*t = (struct ctl_table){ 0 };
}

static struct ctl_cell *cell_add(struct ctl_table *t, enum cell_kind kind)
{
	assert(t->column_n);
	if (t->cell_n == t->cell_cap) {
		t->cell_cap = t->cell_cap ? t->cell_cap * 2 : 64;
		t->cells = xrealloc(t->cells, t->cell_cap * sizeof(*t->cells));
	}
	t->cells[t->cell_n] = (struct ctl_cell){ .kind = kind };
	return &t->cells[t->cell_n++];
}

void ctl_cell_text(struct ctl_table *t, struct str s)
{
	struct ctl_cell *c = cell_add(t, CELL_TEXT);

	c->text = xstrndup(s.n ? s.p : "", s.n);
	c->text_n = s.n;
}

void ctl_cell_textz(struct ctl_table *t, const char *s)
{
	if (s)
		ctl_cell_text(t, str_of(s));
	else
		ctl_cell_none(t);
}

void ctl_cell_textf(struct ctl_table *t, const char *fmt, ...)
{
	struct ctl_cell *c = cell_add(t, CELL_TEXT);
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&c->text, fmt, ap);
	va_end(ap);
	if (n < 0)
		abort();
	c->text_n = (size_t)n;
}

void ctl_cell_number(struct ctl_table *t, uint64_t v)
{
	cell_add(t, CELL_NUMBER)->v.number = v;
}

void ctl_cell_int(struct ctl_table *t, int64_t v)
{
	cell_add(t, CELL_INT)->v.integer = v;
}

void ctl_cell_real(struct ctl_table *t, double v, int digits)
{
	struct ctl_cell *c = cell_add(t, CELL_REAL);

	c->v.real = v;
	c->text = xasprintf("%.*f", digits, v);
	c->text_n = strlen(c->text);
}

void ctl_cell_bool(struct ctl_table *t, bool v)
{
	cell_add(t, CELL_BOOL)->v.yes = v;
}

void ctl_cell_none(struct ctl_table *t)
{
	cell_add(t, CELL_NONE);
}

uint32_t ctl_table_rows(const struct ctl_table *t)
{
	return t->column_n ? t->cell_n / t->column_n : 0;
}

/* --- for people --- */

/* Bytes of the UTF-8 character at @s, whose number goes to *@out; 0: there is none. */
static size_t utf8_read(struct str s, uint32_t *out)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const uint8_t *p = (const uint8_t *)s.p;
	size_t n = p[0] < 0x80 ? 1 : p[0] < 0xc0 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : p[0] < 0xf8 ? 4 : 0;
	uint32_t c;

	if (n == 0 || n > s.n)
		return 0;
	c = n == 1 ? p[0] : p[0] & (0x7fu >> n);
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return 0;
	*out = c;
	return n;
}

/* Control characters of both blocks, line and paragraph separators, marks of direction. */
static bool char_unsafe(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x61c || c == 0x200e || c == 0x200f ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0xfeff;
}

void ctl_text_safe(struct buf *to, struct str s)
{
	while (s.n) {
		uint32_t c = 0;
		size_t n = utf8_read(s, &c);

		if (n == 0)
			buf_addf(to, "\\x%02x", (uint8_t)s.p[0]);
		else if (char_unsafe(c))
			buf_addf(to, c < 0x80 ? "\\x%02x" : "\\u%04x", c);
		else
			buf_add(to, s.p, n);
		n = n ? n : 1;
		s = str_make(s.p + n, s.n - n);
	}
}

static void cell_print(const struct ctl_cell *c, struct buf *to)
{
	switch (c->kind) {
	case CELL_NONE: buf_addz(to, "-"); break;
	case CELL_TEXT: ctl_text_safe(to, str_make(c->text, c->text_n)); break;
	case CELL_NUMBER: buf_addf(to, "%" PRIu64, c->v.number); break;
	case CELL_INT: buf_addf(to, "%" PRId64, c->v.integer); break;
	case CELL_REAL: buf_addz(to, c->text); break;
	case CELL_BOOL: buf_addz(to, c->v.yes ? "yes" : "no"); break;
	}
}

/* Places that a clean text takes on a terminal, as if every character took one. */
static size_t text_width(struct str s)
{
	size_t w = 0;

	for (size_t i = 0; i < s.n; i++)
		w += ((uint8_t)s.p[i] & 0xc0) != 0x80;
	return w;
}

static void padding_print(size_t n, FILE *out)
{
	fprintf(out, "%*s", (int)n, "");
}

/* One line of texts that are clean; nothing stands behind the last. */
static void line_print(const struct ctl_table *t, const struct buf *texts, const size_t *widths, FILE *out)
{
	for (uint32_t i = 0; i < t->column_n; i++) {
		struct str s = str_make((const char *)buf_head(&texts[i]), buf_used(&texts[i]));
		size_t pad = widths[i] - text_width(s);

		if (i)
			fputs("  ", out);
		if (t->columns[i].align == CTL_RIGHT)
			padding_print(pad, out);
		if (s.n)
			fwrite(s.p, 1, s.n, out);
		if (t->columns[i].align == CTL_LEFT && i + 1 < t->column_n)
			padding_print(pad, out);
	}
	fputc('\n', out);
}

void ctl_table_print(const struct ctl_table *t, FILE *out)
{
	uint32_t rows = ctl_table_rows(t);
	struct buf *texts = xcalloc((size_t)(rows + 1) * t->column_n + 1, sizeof(*texts));
	size_t *widths = xcalloc(t->column_n + 1, sizeof(*widths));

	for (uint32_t i = 0; i < t->column_n; i++) {
		for (const char *p = t->columns[i].name; *p; p++)
			buf_add_u8(&texts[i], (uint8_t)toupper((unsigned char)*p));
	}
	for (uint32_t i = 0; i < rows * t->column_n; i++)
		cell_print(&t->cells[i], &texts[t->column_n + i]);
	for (uint32_t i = 0; i < (rows + 1) * t->column_n; i++) {
		size_t w = text_width(str_make((const char *)buf_head(&texts[i]), buf_used(&texts[i])));

		widths[i % t->column_n] = MAX(widths[i % t->column_n], w);
	}
	for (uint32_t r = 0; r <= rows && t->column_n; r++)
		line_print(t, &texts[(size_t)r * t->column_n], widths, out);
	for (uint32_t i = 0; i < (rows + 1) * t->column_n; i++)
		buf_free(&texts[i]);
	free(texts);
	free(widths);
}

/* --- for programs --- */

/* A text that is not UTF-8 has the bytes that are not escaped. */
static json_t *text_json(struct str s)
{
	json_t *v = json_stringn(s.p, s.n);
	struct buf safe = { 0 };

	if (!v) {
		ctl_text_safe(&safe, s);
		v = json_stringn((const char *)buf_head(&safe), buf_used(&safe));
		buf_free(&safe);
	}
	return v;
}

static json_t *cell_json(const struct ctl_cell *c)
{
	char text[32];

	switch (c->kind) {
	case CELL_TEXT: return text_json(str_make(c->text, c->text_n));
	case CELL_NUMBER:
		if (c->v.number <= INT64_MAX)
			return json_integer((json_int_t)c->v.number);
		snprintf(text, sizeof(text), "%" PRIu64, c->v.number);
		return json_string(text);
	case CELL_INT: return json_integer((json_int_t)c->v.integer);
	case CELL_REAL: return json_real(c->v.real);
	case CELL_BOOL: return json_boolean(c->v.yes);
	case CELL_NONE: break;
	}
	return json_null();
}

void ctl_table_print_json(const struct ctl_table *t, bool compact, FILE *out)
{
	json_t *all = json_array();

	for (uint32_t r = 0; r < ctl_table_rows(t); r++) {
		json_t *row = json_object();

		for (uint32_t i = 0; i < t->column_n; i++)
			json_object_set_new(row, t->columns[i].name, cell_json(&t->cells[r * t->column_n + i]));
		json_array_append_new(all, row);
	}
	/* all ASCII: of what jansson leaves as it is, some could steer a terminal */
	json_dumpf(all, out, JSON_ENSURE_ASCII | JSON_REAL_PRECISION(12) | (compact ? JSON_COMPACT : JSON_INDENT(2)));
	fputc('\n', out);
	json_decref(all);
}
