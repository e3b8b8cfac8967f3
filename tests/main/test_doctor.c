/* test_doctor.c - what an account's GRANTs allow, as servers print them.
 * For src/main/doctor_server.c. One thread. */
#include "doctor.h"
#include "unit.h"

START_TEST(grants_are_read_as_servers_print_them)
{
	static const struct {
		const char *lines[3];
		const char *database; /* NULL: everywhere */
		const char *privilege;
		bool has;
	} cases[] = {
		{ { "GRANT PROCESS, BINLOG MONITOR ON *.* TO `k`@`%` IDENTIFIED BY PASSWORD '*0'" }, NULL, "PROCESS",
			true },
		{ { "GRANT PROCESS, BINLOG MONITOR ON *.* TO `k`@`%`" }, NULL, "BINLOG MONITOR", true },
		{ { "GRANT PROCESS, BINLOG MONITOR ON *.* TO `k`@`%`" }, NULL, "BINLOG", false },
		{ { "GRANT PROCESS, BINLOG MONITOR ON *.* TO `k`@`%`" }, NULL, "MONITOR", false },
		{ { "GRANT USAGE ON *.* TO `k`@`%`" }, NULL, "PROCESS", false },
		{ { "GRANT ALL PRIVILEGES ON *.* TO `k`@`%` WITH GRANT OPTION" }, NULL, "READ_ONLY ADMIN", true },
		{ { "GRANT ALL PRIVILEGES ON `shop`.* TO `k`@`%`" }, NULL, "PROCESS", false },
		{ { "GRANT ALL PRIVILEGES ON `shop`.* TO `k`@`%`" }, "shop", "SELECT", true },
		{ { "GRANT ALL PRIVILEGES ON `shop`.* TO `k`@`%`" }, "shop2", "SELECT", false },
		{ { "GRANT ALL PRIVILEGES ON `shop`.* TO `k`@`%`" }, "sho", "SELECT", false },
		{ { "GRANT SELECT, INSERT ON `shop\\_0`.* TO `k`@`%`" }, "shop_0", "INSERT", true },
		{ { "GRANT SELECT, INSERT ON `shop\\_0`.* TO `k`@`%`" }, "shop_0", "DELETE", false },
		{ { "GRANT SELECT, INSERT ON `shop\\_0`.* TO `k`@`%`" }, "shopx0", "SELECT", false },
		{ { "GRANT SELECT ON `shop%`.* TO `k`@`%`" }, "shop_7", "SELECT", true },
		{ { "GRANT SELECT ON `shop_0`.* TO `k`@`%`" }, "shopx0", "SELECT", true },
		{ { "GRANT USAGE ON *.* TO `k`@`%`", "GRANT SELECT ON `a`.* TO `k`@`%`",
			  "GRANT SELECT ON `b`.* TO `k`@`%`" },
			"b", "SELECT", true },
		{ { "GRANT SELECT ON *.* TO `k`@`%`" }, "any", "SELECT", true },
		{ { "GRANT SELECT ON `shop`.`t` TO `k`@`%`" }, "shop", "SELECT", false },
		{ { "GRANT `role` TO `k`@`%`" }, NULL, "PROCESS", false },
		{ { "" }, NULL, "PROCESS", false },
	};

	for (size_t i = 0; i < ARRAY_N(cases); i++) {
		char *lines[3];
		struct doctor_server s = { .grants = lines };

		while (s.grant_n < 3 && cases[i].lines[s.grant_n]) {
			lines[s.grant_n] = xstrdup(cases[i].lines[s.grant_n]);
			s.grant_n++;
		}
		ck_assert_msg(doctor_granted(&s, cases[i].database, cases[i].privilege) == cases[i].has, "%s: %s in %s",
			cases[i].lines[0], cases[i].privilege, cases[i].database ? cases[i].database : "*.*");
		while (s.grant_n)
			free(lines[--s.grant_n]);
	}
}
END_TEST

START_TEST(every_check_has_a_name_and_says_what_it_looks_for)
{
	for (const struct doctor_check *k = doctor_checks; k->name; k++) {
		ck_assert(k->what && k->what[0] && k->run);
		for (const struct doctor_check *o = doctor_checks; o < k; o++)
			ck_assert_str_ne(o->name, k->name);
	}
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, grants_are_read_as_servers_print_them);
	tcase_add_test(tc, every_check_has_a_name_and_says_what_it_looks_for);
}

int main(void)
{
	return run_tests("doctor", add);
}
