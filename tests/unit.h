/* unit.h - what every unit test needs: check, and a main that runs one list of tests. */
#ifndef KEYWAY_TESTS_UNIT_H
#define KEYWAY_TESTS_UNIT_H

#include "keyway/util/str.h"
#include <check.h>
#include <stdlib.h>

static inline void assert_str(struct str s, const char *want)
{
	ck_assert_msg(str_eqz(s, want), "'" STR_FMT "' instead of '%s'", STR_ARG(s), want);
}

/* @add fills the case. Long enough a limit for valgrind. */
static inline int run_tests(const char *name, void (*add)(TCase *))
{
	Suite *s = suite_create(name);
	TCase *tc = tcase_create(name);
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 60);
	add(tc);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif
