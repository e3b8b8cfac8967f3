/* Keys and values as SQL text: ranges of a key, digests that cannot be mistaken, literals that lose nothing. */
#include "table.h"
#include "unit.h"

static struct column column(const char *name, const char *type, const char *charset, uint64_t most)
{
	struct column c = { .name = name, .data_type = type, .column_type = type, .charset = charset };

	column_classify(&c, most);
	return c;
}

static void is_text(struct buf *b, const char *want)
{
	assert_str(str_make((char *)buf_head(b), buf_used(b)), want);
	buf_free(b);
}

START_TEST(a_range_of_one_column)
{
	struct column c[] = { column("id", "bigint", NULL, 0) };
	uint32_t k[] = { 0 };
	struct table t = { .name = "t", .database = "d", .columns = c, .column_n = 1, .key = k, .key_n = 1 };
	char seven[] = "7", *key[] = { seven };
	struct buf b = { 0 };
	struct err err;

	ck_assert_int_eq(table_add_behind(&b, &t, key, &err), 0);
	is_text(&b, "`id` > 7");
	ck_assert_int_eq(table_add_up_to(&b, &t, key, &err), 0);
	is_text(&b, "`id` <= 7");
	ck_assert_int_eq(table_add_at(&b, &t, key, &err), 0);
	is_text(&b, "`id` = 7");
}
END_TEST

START_TEST(a_range_of_three_columns)
{
	struct column c[] = { column("a", "int", NULL, 0), column("b", "varchar", "utf8mb4", 40),
		column("c", "enum", "utf8mb4", 4) };
	uint32_t k[] = { 0, 1, 2 };
	struct table t = { .name = "t", .database = "d", .columns = c, .column_n = 3, .key = k, .key_n = 3 };
	char one[] = "1", a[] = "41", two[] = "2", *key[] = { one, a, two };
	struct buf b = { 0 };
	struct err err;

	ck_assert_int_eq(table_add_behind(&b, &t, key, &err), 0);
	is_text(&b,
		"`a` >= 1 AND (`a` > 1 OR (`a` = 1 AND (`b` > _utf8mb4 X'41' OR (`b` = _utf8mb4 X'41' AND ((`c` + 0) > "
		"2)))))");
	ck_assert_int_eq(table_add_up_to(&b, &t, key, &err), 0);
	is_text(&b, "`a` <= 1 AND (`a` < 1 OR (`a` = 1 AND (`b` < _utf8mb4 X'41' OR (`b` = _utf8mb4 X'41' AND ((`c` + "
		    "0) <= "
		    "2)))))");
}
END_TEST

START_TEST(values_are_written_back_exactly)
{
	static const struct {
		const char *type, *charset, *raw, *literal;
	} cases[] = {
		{ "varchar", "latin1", "E9", "_latin1 X'E9'" },
		{ "varchar", "utf8mb4", "", "_utf8mb4 X''" },
		{ "blob", NULL, "00FF", "X'00FF'" },
		{ "int", NULL, "-5", "-5" },
		{ "decimal", NULL, "1.50", "1.50" },
		{ "double", NULL, "1.7976931348623157e308", "1.7976931348623157e308" },
		{ "bit", NULL, "18446744073709551615", "18446744073709551615" },
		{ "set", "utf8mb4", "3", "3" },
		{ "datetime", NULL, "2020-01-01 00:00:00.000001", "'2020-01-01 00:00:00.000001'" },
		{ "uuid", NULL, "123e4567-e89b-12d3-a456-426614174000", "'123e4567-e89b-12d3-a456-426614174000'" },
		{ "time", NULL, NULL, "NULL" },
	};

	for (size_t i = 0; i < ARRAY_N(cases); i++) {
		struct column c = column("v", cases[i].type, cases[i].charset, 100);
		struct buf b = { 0 };
		struct err err;

		ck_assert_int_eq(column_add_literal(&b, &c, cases[i].raw, &err), 0);
		is_text(&b, cases[i].literal);
	}
}
END_TEST

START_TEST(hostile_values_never_become_sql)
{
	static const struct {
		const char *type, *charset, *raw;
	} cases[] = {
		{ "int", NULL, "1 OR 1" },
		{ "int", NULL, "" },
		{ "varchar", "utf8mb4", "41'" },
		{ "varchar", "utf8mb4", "4" },
		{ "varchar", NULL, "41" },
		{ "blob", NULL, "zz" },
	};
	struct column c = column("v", "datetime", NULL, 0);
	struct buf b = { 0 };
	struct err err;

	for (size_t i = 0; i < ARRAY_N(cases); i++) {
		struct column bad = column("v", cases[i].type, cases[i].charset, 10);

		ck_assert_int_eq(column_add_literal(&b, &bad, cases[i].raw, &err), ERR_MALFORMED);
		buf_clear(&b);
	}
	ck_assert_int_eq(column_add_literal(&b, &c, "x' OR '\\", &err), 0);
	is_text(&b, "'x\\' OR \\'\\\\'");
	sql_add_ident(&b, "a`b");
	is_text(&b, "`a``b`");
}
END_TEST

START_TEST(digests_mark_nulls_and_long_texts)
{
	struct column c[] = { column("i", "int", NULL, 0), column("s", "varchar", "utf8mb4", 12),
		column("l", "longtext", "utf8mb4", 4294967295), column("f", "float", NULL, 0),
		column("e", "enum", "utf8mb4", 3) };
	struct table t = { .name = "t", .database = "d", .columns = c, .column_n = 5 };
	struct buf b = { 0 };

	table_add_digest(&b, &t);
	is_text(&b, "MD5(CONCAT_WS('#',IFNULL(HEX(CAST(`i` AS CHAR)),'-'),IFNULL(HEX(`s`),'-'),IFNULL(MD5(`l`),'-'),"
		    "IFNULL(HEX(CAST(CAST(`f` AS DOUBLE) AS CHAR)),'-'),IFNULL(HEX(CAST(`e` + 0 AS CHAR)),'-')))");
}
END_TEST

START_TEST(tables_that_cannot_be_compared_are_refused_with_the_reason)
{
	struct column c[] = { column("f", "double", NULL, 0) },
		      d[] = { column("f", "double", NULL, 0), column("g", "int", NULL, 0) };
	uint32_t k[] = { 0 };
	struct table none = { .name = "t", .database = "d", .columns = c, .column_n = 1 };
	struct table by_float = { .name = "t", .database = "d", .columns = c, .column_n = 1, .key = k, .key_n = 1 };
	struct table wider = { .name = "t", .database = "d", .columns = d, .column_n = 2, .key = k, .key_n = 1 };
	struct err err;

	ck_assert_int_eq(table_comparable(&none, &err), ERR_UNSUPPORTED);
	ck_assert_ptr_nonnull(strstr(err.msg, "no primary key"));
	ck_assert_int_eq(table_comparable(&by_float, &err), ERR_UNSUPPORTED);
	ck_assert_ptr_nonnull(strstr(err.msg, "double column f"));
	ck_assert_int_eq(table_same(&by_float, &wider, &err), ERR_UNSUPPORTED);
	ck_assert_ptr_nonnull(strstr(err.msg, "1 columns on one side and 2"));
	ck_assert_int_eq(table_same(&wider, &wider, &err), 0);
}
END_TEST

START_TEST(values_are_shown_to_people)
{
	struct column s = column("s", "varchar", "utf8mb4", 100), x = column("x", "blob", NULL, 100),
		      i = column("i", "int", NULL, 0);
	struct buf b = { 0 };

	column_add_shown(&b, &s, "616263");
	is_text(&b, "'abc'");
	column_add_shown(&b, &x, "00FF");
	is_text(&b, "X'00FF'");
	column_add_shown(&b, &i, "17");
	is_text(&b, "17");
	column_add_shown(&b, &s, NULL);
	is_text(&b, "NULL");
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, a_range_of_one_column);
	tcase_add_test(tc, a_range_of_three_columns);
	tcase_add_test(tc, values_are_written_back_exactly);
	tcase_add_test(tc, hostile_values_never_become_sql);
	tcase_add_test(tc, digests_mark_nulls_and_long_texts);
	tcase_add_test(tc, tables_that_cannot_be_compared_are_refused_with_the_reason);
	tcase_add_test(tc, values_are_shown_to_people);
}

int main(void)
{
	return run_tests("table", add);
}
