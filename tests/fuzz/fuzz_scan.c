/* fuzz_scan.c - any bytes scan within their bounds; what scan, rows and literals say of one text agrees.
 * Input: sql_mode bits; family (bit 0) and character set (bits 1-3); then the text. Seeds in corpus/scan. */
#include "keyway/sql/lit.h"
#include "keyway/sql/rows.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void check_lits(const struct scan *s, struct str text, const struct scan_mode *mode, struct arena *a)
{
	uint32_t behind = 0, params = 0;

	for (uint32_t i = 0; i < s->n_lits; i++) {
		const struct scan_lit *l = &s->lits[i];
		struct sql_value v;

		check(l->off >= behind && l->off + l->len <= text.n && l->len > 0);
		check(l->tok < s->n_toks && s->toks[l->tok].off == l->off && s->toks[l->tok].len == l->len);
		behind = l->off + l->len;
		if (l->kind == LIT_PARAM)
			check(l->param >= params && l->param < s->n_params && (params = l->param + 1));
		else if (sql_lit_value(scan_lit_text(text, l), l->kind, l->flags, false, mode, a, &v, NULL) < 0)
			check(l->kind == LIT_FLOAT);
	}
}

static void check_rows(const struct scan *s, struct str text, const struct scan_mode *mode)
{
	struct sql_rows it;
	struct sql_row row;
	struct err err;
	uint32_t n = 0;
	int rc;

	sql_rows_init(&it, text, s->rows_off, 0, mode);
	while ((rc = sql_rows_next(&it, &row, &err)) > 0) {
		struct sql_row_value v;

		if (n == 0)
			check(row.start == s->rows_off);
		check(++n < s->n_rows || row.end == s->rows_end);
		check(row.end <= text.n && row.start < row.end);
		for (uint32_t i = 0; i < row.n_values; i++)
			check(sql_row_value(&it, &row, i, &v) && v.start <= v.end && v.end < row.end);
		if (n == s->n_rows)
			return;
	}
	check(s->broken);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static struct scan s, again;
	struct scan_mode mode = { .server_version = 80036, .seed = 1, .max_tokens = 100000 };
	struct arena a;
	struct str text;

	if (n < 2)
		return 0;
	mode.flags = p[0] & 31;
	mode.family = p[1] & 1;
	mode.charset = (p[1] >> 1 & 7) % 5;
	if (mode.family == SCAN_MARIADB)
		mode.server_version = 101106;
	text = str_make((const char *)p + 2, n - 2);
	if (sql_scan(&s, text, &mode, NULL) < 0)
		return 0;
	check(s.end <= text.n && s.next <= text.n && s.end <= s.next && s.broken_at <= text.n);
	arena_init(&a);
	check_lits(&s, text, &mode, &a);
	if (s.n_rows)
		check_rows(&s, text, &mode);
	arena_free(&a);
	/* the same again: nothing of the last text stays */
	check(sql_scan(&again, text, &mode, NULL) == 0 && again.digest.lo == s.digest.lo && again.n_toks == s.n_toks);
	return 0;
}
