/* test_proto.c - names of commands and collations. For wire/proto.h. */
#include "keyway/wire/proto.h"
#include "wire_testing.h"

START_TEST(commands_have_names)
{
	ck_assert_str_eq(com_name(COM_QUERY), "COM_QUERY");
	ck_assert_str_eq(com_name(COM_STMT_BULK_EXECUTE), "COM_STMT_BULK_EXECUTE");
	ck_assert_ptr_null(com_name(0x7f));
	ck_assert_ptr_null(com_name(0xff));
	ck_assert_ptr_null(com_name(1000));
}
END_TEST

START_TEST(collations_of_both_families_are_known)
{
	static const struct {
		unsigned id;
		const char *charset, *collation;
	} rows[] = {
		{ 8, "latin1", "latin1_swedish_ci" },
		{ 33, "utf8mb3", "utf8mb3_general_ci" },
		{ 45, "utf8mb4", "utf8mb4_general_ci" },
		{ 63, "binary", "binary" },
		{ 224, "utf8mb4", "utf8mb4_unicode_ci" },
		{ 248, "gb18030", "gb18030_chinese_ci" },
		{ 255, "utf8mb4", "utf8mb4_0900_ai_ci" },
		{ 309, "utf8mb4", "utf8mb4_0900_bin" },
		{ 323, "utf8mb4", "utf8mb4_mn_cyrl_0900_as_cs" },
		{ 2304, "utf8mb4", "utf8mb4_uca1400_ai_ci" },
	};

	for (size_t i = 0; i < ARRAY_N(rows); i++) {
		ck_assert_str_eq(wire_charset_name(rows[i].id), rows[i].charset);
		ck_assert_str_eq(wire_collation_name(rows[i].id), rows[i].collation);
		ck_assert_uint_eq(wire_collation_id(str_of(rows[i].collation)), rows[i].id);
	}
	ck_assert_ptr_null(wire_charset_name(0));
	ck_assert_ptr_null(wire_collation_name(65535));
}
END_TEST

START_TEST(the_table_is_sorted_and_every_name_finds_its_id)
{
	unsigned n = 0;

	for (unsigned id = 0; id < 65536; id++) {
		const char *name = wire_collation_name(id);

		if (!name)
			continue;
		n++;
		ck_assert_uint_eq(wire_collation_id(str_of(name)), id);
		ck_assert_uint_ne(wire_charset_default_id(str_of(wire_charset_name(id))), 0);
	}
	ck_assert_uint_gt(n, 1300);
}
END_TEST

START_TEST(character_sets_have_a_default_all_servers_know)
{
	ck_assert_uint_eq(wire_charset_default_id(STR("utf8mb4")), 45);
	ck_assert_uint_eq(wire_charset_default_id(STR("UTF8")), 33);
	ck_assert_uint_eq(wire_charset_default_id(STR("latin1")), 8);
	ck_assert_uint_eq(wire_charset_default_id(STR("binary")), 63);
	ck_assert_uint_eq(wire_charset_default_id(STR("klingon")), 0);
	ck_assert_uint_eq(wire_collation_id(STR("utf8_unicode_ci")), 192);
	ck_assert_uint_eq(wire_collation_id(STR("utf8_")), 0);
	ck_assert_uint_eq(wire_collation_id(STR("")), 0);
}
END_TEST

START_TEST(character_sets_that_deceive_a_lexer_are_named)
{
	static const char *const unsafe[] = { "big5", "sjis", "cp932", "gbk", "gb18030" };
	static const char *const safe[] = { "utf8mb4", "utf8mb3", "latin1", "binary", "ujis", "euckr", "gb2312",
		"ascii" };

	for (size_t i = 0; i < ARRAY_N(unsafe); i++)
		ck_assert(wire_charset_unsafe(wire_charset_default_id(str_of(unsafe[i]))));
	for (size_t i = 0; i < ARRAY_N(safe); i++)
		ck_assert(!wire_charset_unsafe(wire_charset_default_id(str_of(safe[i]))));
	ck_assert(wire_charset_unsafe(0));
	ck_assert(wire_charset_not_for_client(35));
	ck_assert(!wire_charset_not_for_client(45));
}
END_TEST

static void add_tests(TCase *tc)
{
	tcase_add_test(tc, commands_have_names);
	tcase_add_test(tc, collations_of_both_families_are_known);
	tcase_add_test(tc, the_table_is_sorted_and_every_name_finds_its_id);
	tcase_add_test(tc, character_sets_have_a_default_all_servers_know);
	tcase_add_test(tc, character_sets_that_deceive_a_lexer_are_named);
}

int main(void)
{
	return run_tests("wire/proto", add_tests);
}
