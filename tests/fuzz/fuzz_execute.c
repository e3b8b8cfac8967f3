/* fuzz_execute.c - COM_STMT_EXECUTE: read, rewritten and read again, said in SQL.
 * Input: parameter count; bits (0: types of an earlier execution are known, 1: long data for the even parameters, 2: no
 * backslash escapes); collation id; then the payload. Seeds in corpus/execute. */
#include "keyway/wire/stmt.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static bool same(const struct exec_params *x, const struct exec_params *y)
{
	if (x->n != y->n || x->iterations != y->iterations)
		return false;
	for (unsigned i = 0; i < x->n; i++) {
		const struct param *a = &x->params[i], *b = &y->params[i];

		if (a->type.type != b->type.type || a->type.is_unsigned != b->type.is_unsigned)
			return false;
		if ((a->state == PARAM_NULL) != (b->state == PARAM_NULL) || !str_eq(a->value, b->value))
			return false;
	}
	return true;
}

/* A quoted literal must end at its end: quotes and backslashes inside stand in pairs. */
static void check_quoted(const struct buf *b, bool no_backslash)
{
	const char *s = (const char *)b->p;
	size_t n = buf_used(b), i = 1;

	if (n < 2 || s[0] != '\'' || s[n - 1] != '\'')
		return;
	for (; i < n - 1; i++) {
		if (s[i] == '\'' || (s[i] == '\\' && !no_backslash)) {
			if (++i >= n - 1 || (s[i - 1] == '\'' && s[i] != '\''))
				abort();
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static struct param_type types[256];
	static struct str long_data[256];
	struct exec_params x, y;
	struct buf b = { 0 };
	struct arena a;
	struct err err;

	if (n < 4)
		return 0;
	arena_init(&a);
	for (unsigned i = 0; i < 256; i++) {
		types[i] = (struct param_type){ i % 2 ? MYSQL_TYPE_LONG : MYSQL_TYPE_VAR_STRING, i % 3 == 0 };
		long_data[i] = (p[1] & 2) && i % 2 == 0 ? STR("long data") : str_make(NULL, 0);
	}
	if (exec_parse(p + 3, n - 3, p[0], p[1] & 1 ? types : NULL, long_data, &a, &x, &err) < 0)
		goto out;
	for (unsigned i = 0; i < x.n; i++) {
		buf_clear(&b);
		if (param_to_sql(&x.params[i], p[2], p[1] & 4, &b) == 0)
			check_quoted(&b, p[1] & 4);
	}
	buf_clear(&b);
	exec_build(&b, &x, 1, x.flags);
	if (exec_parse(b.p, buf_used(&b), p[0], NULL, NULL, &a, &y, NULL) < 0 || !same(&x, &y))
		abort();
out:
	arena_free(&a);
	buf_free(&b);
	return 0;
}
