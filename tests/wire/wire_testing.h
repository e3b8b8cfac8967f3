/* wire_testing.h - helpers of the wire tests: bytes from hex text, a check main. */
#ifndef KEYWAY_WIRE_TESTING_H
#define KEYWAY_WIRE_TESTING_H

#include "keyway/util/buf.h"
#include <check.h>
#include <stdlib.h>

/* Spaces between digits are allowed. Appends. */
static inline void add_hex_text(struct buf *b, const char *hex)
{
	unsigned v = 0, n = 0;

	for (; *hex; hex++) {
		if (*hex == ' ')
			continue;
		v = v << 4 | (unsigned)(*hex <= '9' ? *hex - '0' : (*hex | 32) - 'a' + 10);
		if (++n % 2 == 0) {
			buf_add_u8(b, (uint8_t)v);
			v = 0;
		}
	}
	ck_assert_uint_eq(n % 2, 0);
}

static inline void assert_str(struct str s, const char *want)
{
	ck_assert_msg(str_eqz(s, want), "'" STR_FMT "' instead of '%s'", STR_ARG(s), want);
}

static inline void assert_buf_hex(const struct buf *b, const char *hex)
{
	struct buf want = { 0 };

	add_hex_text(&want, hex);
	ck_assert_uint_eq(buf_used(b), buf_used(&want));
	ck_assert_mem_eq(buf_head(b), buf_head(&want), buf_used(b));
	buf_free(&want);
}

static inline int run_tests(const char *name, void (*add)(TCase *))
{
	Suite *s = suite_create(name);
	TCase *tc = tcase_create(name);
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 100);
	add(tc);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif
