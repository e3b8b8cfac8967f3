/* test_ctl_table.c - tables for people and for programs; cells that would steer a terminal. For src/main/ctl_table.c.
 * One thread. */
#include "../unit.h"
#include "ctl_table.h"

static const struct ctl_column columns[] = {
	{ "name", CTL_LEFT },
	{ "epoch", CTL_RIGHT },
	{ "lag", CTL_RIGHT },
	{ "up", CTL_LEFT },
	{ "why", CTL_LEFT },
};

static struct ctl_table table;

static void row(const char *name, uint64_t epoch, double lag, bool up, const char *why)
{
	ctl_cell_textz(&table, name);
	ctl_cell_number(&table, epoch);
	ctl_cell_real(&table, lag, 1);
	ctl_cell_bool(&table, up);
	ctl_cell_textz(&table, why);
}

static void printed(bool json, const char *want)
{
	char *out;
	size_t n;
	FILE *f = open_memstream(&out, &n);

	if (json)
		ctl_table_print_json(&table, true, f);
	else
		ctl_table_print(&table, f);
	fclose(f);
	ck_assert_str_eq(out, want);
	free(out);
}

START_TEST(columns_are_aligned)
{
	ctl_table_begin(&table, columns, ARRAY_N(columns));
	row("s1", 7, 0.25, true, "good");
	row("shop-käse", 123, 12, false, NULL);
	ck_assert_uint_eq(ctl_table_rows(&table), 2);
	printed(false, "NAME       EPOCH   LAG  UP   WHY\n"
		       "s1             7   0.2  yes  good\n"
		       "shop-käse    123  12.0  no   -\n");
	printed(true, "[{\"name\":\"s1\",\"epoch\":7,\"lag\":0.25,\"up\":true,\"why\":\"good\"},"
		      "{\"name\":\"shop-k\\u00E4se\",\"epoch\":123,\"lag\":12.0,\"up\":false,\"why\":null}]\n");
	ctl_table_begin(&table, columns, 2);
	printed(false, "NAME  EPOCH\n");
	printed(true, "[]\n");
}
END_TEST

START_TEST(cells_cannot_steer_a_terminal)
{
	ctl_table_begin(&table, columns, 1);
	ctl_cell_textz(&table, "\033]0;x\007\r\n\t\177\xc2\x9b"
			       "31m");
	ctl_cell_textz(&table, "a\xff\xc0\xaf\xed\xa0\x80z");
	ctl_cell_textz(&table, "\xe2\x80\xae"
			       "evil");
	ctl_cell_textz(&table, "\xf0\x9f\x8c\x8d");
	ctl_cell_text(&table, STR("nul\0nul"));
	ctl_cell_text(&table, str_make(NULL, 0));
	printed(false, "NAME\n"
		       "\\x1b]0;x\\x07\\x0d\\x0a\\x09\\x7f\\u009b31m\n"
		       "a\\xff\\xc0\\xaf\\xed\\xa0\\x80z\n"
		       "\\u202eevil\n"
		       "\xf0\x9f\x8c\x8d\n"
		       "nul\\x00nul\n"
		       "\n");
	printed(true, "[{\"name\":\"\\u001B]0;x\\u0007\\r\\n\\t\177\\u009B31m\"},"
		      "{\"name\":\"a\\\\xff\\\\xc0\\\\xaf\\\\xed\\\\xa0\\\\x80z\"},"
		      "{\"name\":\"\\u202Eevil\"},{\"name\":\"\\uD83C\\uDF0D\"},"
		      "{\"name\":\"nul\\u0000nul\"},{\"name\":\"\"}]\n");
}
END_TEST

START_TEST(numbers_keep_their_value)
{
	static const struct ctl_column one[] = { { "n", CTL_RIGHT } };

	ctl_table_begin(&table, one, 1);
	ctl_cell_number(&table, UINT64_MAX);
	ctl_cell_number(&table, INT64_MAX);
	ctl_cell_int(&table, -5);
	ctl_cell_none(&table);
	ctl_cell_textf(&table, "%d %%", 12);
	printed(false, "                   N\n"
		       "18446744073709551615\n"
		       " 9223372036854775807\n"
		       "                  -5\n"
		       "                   -\n"
		       "                12 %\n");
	printed(true, "[{\"n\":\"18446744073709551615\"},{\"n\":9223372036854775807},{\"n\":-5},{\"n\":null},"
		      "{\"n\":\"12 %\"}]\n");
}
END_TEST

static void forget(void)
{
	ctl_table_free(&table);
}

static void add(TCase *t)
{
	tcase_add_checked_fixture(t, NULL, forget);
	tcase_add_test(t, columns_are_aligned);
	tcase_add_test(t, cells_cannot_steer_a_terminal);
	tcase_add_test(t, numbers_keep_their_value);
}

int main(void)
{
	return run_tests("ctl_table", add);
}
