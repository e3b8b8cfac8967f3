/* test_ctl.c - keywayctl: its words, exit codes, and the verifiers that passwd prints. */
#include "keyway/main/ctl.h"
#include "keyway/util/str.h"
#include "keyway/wire/auth.h"
#include <check.h>
#include <stdlib.h>

static char *out, *err;

static void forget(void)
{
	free(out);
	free(err);
	out = err = NULL;
}

/* Runs keywayctl with up to three words and @input; its output is in out and err. */
static int run(struct str input, const char *a, const char *b, const char *c)
{
	char *argv[] = { (char *)"keywayctl", (char *)a, (char *)b, (char *)c, NULL };
	int argc = 1 + !!a + !!b + !!c, rc;
	size_t out_n, err_n;
	struct ctl ctl = { tmpfile(), NULL, NULL };

	forget();
	ctl.out = open_memstream(&out, &out_n);
	ctl.err = open_memstream(&err, &err_n);
	ck_assert_ptr_nonnull(ctl.in);
	ck_assert_uint_eq(fwrite(input.p, 1, input.n, ctl.in), input.n);
	ck_assert_int_eq(fseek(ctl.in, 0, SEEK_SET), 0);
	rc = (int)ctl_run(&ctl, argc, argv);
	fclose(ctl.in);
	fclose(ctl.out);
	fclose(ctl.err);
	return rc;
}

static struct str value_of(const char *key)
{
	char *head = xasprintf("%s = \"", key), *p = strstr(out, head);
	size_t n = strlen(head);

	free(head);
	ck_assert_msg(p != NULL, "no %s in %s", key, out);
	return str_make(p + n, strcspn(p + n, "\""));
}

START_TEST(help_comes_from_the_table)
{
	ck_assert_int_eq(run(STR(""), "--help", NULL, NULL), CTL_OK);
	ck_assert_ptr_nonnull(strstr(out, "passwd [--stdin] [NAME]"));
	ck_assert_str_eq(err, "");
	ck_assert_int_eq(run(STR(""), "passwd", "--help", NULL), CTL_OK);
	ck_assert_ptr_nonnull(strstr(out, "usage: keywayctl passwd"));
	ck_assert_int_eq(run(STR(""), "--version", NULL, NULL), CTL_OK);
	ck_assert_str_eq(out, "keywayctl " KEYWAY_VERSION "\n");
}
END_TEST

START_TEST(a_wrong_command_line_is_told_so)
{
	ck_assert_int_eq(run(STR(""), NULL, NULL, NULL), CTL_USAGE);
	ck_assert_int_eq(run(STR(""), "paswd", NULL, NULL), CTL_USAGE);
	ck_assert_ptr_nonnull(strstr(err, "no command paswd"));
	ck_assert_int_eq(run(STR("x\n"), "passwd", "--stdn", "u"), CTL_USAGE);
	ck_assert_int_eq(run(STR("x\n"), "passwd", "a", "b"), CTL_USAGE);
	ck_assert_ptr_nonnull(strstr(err, "usage: keywayctl passwd"));
	ck_assert_str_eq(out, "");
}
END_TEST

START_TEST(the_verifiers_belong_to_the_password)
{
	uint8_t native[AUTH_NATIVE_BYTES];
	bool match = false;

	ck_assert_int_eq(run(STR("keyway\nmore\n"), "passwd", "--stdin", "al\"ice"), CTL_OK);
	ck_assert_ptr_nonnull(strstr(out, "name = \"al\\\"ice\";"));
	ck_assert_ptr_null(strstr(out, "keyway"));
	ck_assert(str_eqz(value_of("native"), "*48AD61138046D89ED6D2D31DB18BA9DCA3344A79"));
	ck_assert_int_eq(auth_native_read(value_of("native"), native), 0);
	ck_assert(auth_native_check_clear(native, STR("keyway")));
	ck_assert_int_eq(auth_sha2_check_text(value_of("sha2"), STR("keyway"), &match), 0);
	ck_assert(match);
	ck_assert_int_eq(auth_sha2_check_text(value_of("sha2"), STR("Keyway"), &match), 0);
	ck_assert(!match);
}
END_TEST

START_TEST(a_line_without_its_end_counts)
{
	ck_assert_int_eq(run(STR("keyway"), "passwd", "--stdin", NULL), CTL_OK);
	ck_assert(str_eqz(value_of("native"), "*48AD61138046D89ED6D2D31DB18BA9DCA3344A79"));
	ck_assert_ptr_null(strstr(out, "name"));
}
END_TEST

START_TEST(what_is_no_password_or_name_is_refused)
{
	char line[257];

	ck_assert_int_eq(run(STR("\n"), "passwd", "--stdin", "u"), CTL_FAILED);
	ck_assert_ptr_nonnull(strstr(err, "no_password = true"));
	ck_assert_int_eq(run(STR(""), "passwd", "--stdin", "u"), CTL_FAILED);
	ck_assert_int_eq(run(STR("a\0b\n"), "passwd", "--stdin", "u"), CTL_FAILED);
	ck_assert_ptr_nonnull(strstr(err, "NUL"));
	ck_assert_int_eq(run(STR("x\n"), "passwd", "--stdin", ""), CTL_FAILED);
	ck_assert_int_eq(run(STR("x\n"), "passwd", "--stdin", "a\nb"), CTL_FAILED);
	memset(line, 'x', sizeof(line));
	ck_assert_int_eq(run(str_make(line, 255), "passwd", "--stdin", "u"), CTL_OK);
	ck_assert_int_eq(run(str_make(line, 256), "passwd", "--stdin", "u"), CTL_FAILED);
	ck_assert_ptr_nonnull(strstr(err, "255"));
	ck_assert_str_eq(out, "");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("ctl");
	TCase *t = tcase_create("ctl");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(t, NULL, forget);
	tcase_add_test(t, help_comes_from_the_table);
	tcase_add_test(t, a_wrong_command_line_is_told_so);
	tcase_add_test(t, the_verifiers_belong_to_the_password);
	tcase_add_test(t, a_line_without_its_end_counts);
	tcase_add_test(t, what_is_no_password_or_name_is_refused);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
