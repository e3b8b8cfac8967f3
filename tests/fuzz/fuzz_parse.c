/* fuzz_parse.c - what parses prints to a text that parses to the same tree, within bounded memory.
 * Input: sql_mode bits; family (bit 0) and character set (bits 1-3); then the text. Seeds in corpus/parse. */
#include "keyway/sql/parse.h"
#include "keyway/sql/print.h"
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static enum sql_walk_do visit(struct sql_node node, void *arg)
{
	if (node.kind == SQL_N_EXPR && (node.expr->tok > node.expr->tok_end || node.expr->height > SQL_MAX_HEIGHT))
		abort();
	++*(size_t *)arg;
	return SQL_WALK_ON;
}

static bool exec_comment(struct str text, const struct scan_mode *mode)
{
	struct scan s;
	bool found;

	scan_init(&s);
	found = sql_tokens(&s, text, mode, NULL) < 0 || s.flags & SCAN_F_EXEC_COMMENT;
	scan_free(&s);
	return found;
}

static void differ(struct str text, const struct buf *printed, const char *why)
{
	fprintf(stderr, "%s\n" STR_FMT "\nprinted\n%.*s\n", why, STR_ARG(text), (int)buf_used(printed),
		(char *)printed->p);
	abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct scan_mode mode = { .server_version = 80036, .max_tokens = 100000 };
	struct buf p1 = { 0 }, d1 = { 0 }, d2 = { 0 };
	struct sql_stmt *st;
	struct arena a;
	struct str text;
	struct err err;
	size_t nodes = 0;

	if (n < 2)
		return 0;
	mode.flags = p[0] & 31;
	mode.family = p[1] & 1;
	mode.charset = (p[1] >> 1 & 7) % 5;
	if (mode.family == SCAN_MARIADB)
		mode.server_version = 101106;
	text = str_make((const char *)p + 2, n - 2);
	arena_init(&a);
	if (sql_parse(text, &mode, &a, &st, &err) == 0) {
		if (a.used_bytes > 64 * text.n + (1 << 21))
			abort();
		sql_walk_stmt(st, visit, &nodes);
		sql_print_stmt(&p1, st, &mode, NULL, NULL);
		sql_dump_stmt(&d1, st);
		/* what stood in an executable comment stands outside in print: rows may fold that did not */
		if (exec_comment(text, &mode))
			goto out;
		if (sql_parse(str_make((char *)p1.p, p1.len), &mode, &a, &st, &err) < 0)
			differ(text, &p1, err.msg);
		sql_dump_stmt(&d2, st);
		if (d1.len != d2.len || memcmp(d1.p, d2.p, d1.len) != 0)
			differ(text, &p1, "trees differ");
	}
out:
	buf_free(&p1);
	buf_free(&d1);
	buf_free(&d2);
	arena_free(&a);
	return 0;
}
