/* Which ALTER TABLE passes for one side of a pair: by its clauses, and by what the table is before and after. */
#include "ddl.h"
#include "unit.h"

static int reads(const char *text, struct err *err)
{
	struct arena a;
	struct ddl d;
	int rc;

	arena_init(&a);
	rc = ddl_read(str_of(text), &a, &d, err);
	arena_free(&a);
	return rc;
}

START_TEST(clauses_that_pass)
{
	static const char *const texts[] = {
		"ALTER TABLE t ADD COLUMN c INT",
		"alter table t add c int not null default 7",
		"ALTER TABLE t ADD COLUMN IF NOT EXISTS c VARCHAR(20) CHARACTER SET utf8mb4 DEFAULT 'UNIQUE, KEY'",
		"ALTER TABLE t ADD COLUMN `key` INT, ADD INDEX k (`key`, n)",
		"ALTER TABLE t ADD (a INT, b DECIMAL(10,2) DEFAULT 0)",
		"ALTER TABLE t ADD COLUMN c INT AFTER last_one",
		"ALTER TABLE t DROP COLUMN c",
		"ALTER TABLE t DROP c, DROP INDEX k",
		"ALTER TABLE t MODIFY n BIGINT NOT NULL",
		"ALTER TABLE t CHANGE n n BIGINT",
		"ALTER TABLE t ALTER COLUMN n SET DEFAULT 5",
		"ALTER TABLE t ALTER n DROP DEFAULT",
		"ALTER TABLE t RENAME INDEX a TO b",
		"ALTER TABLE t ENGINE=InnoDB",
		"ALTER TABLE t ENGINE InnoDB, ALGORITHM=COPY, LOCK=NONE",
		"ALTER TABLE t FORCE;",
		"ALTER TABLE t COMMENT='x', ROW_FORMAT=DYNAMIC",
		"ALTER TABLE `we``ird` ADD COLUMN c INT -- why",
		"ALTER TABLE t WAIT 5 ADD COLUMN c INT",
		"ALTER TABLE t NOWAIT ADD COLUMN c INT",
	};

	for (size_t i = 0; i < ARRAY_N(texts); i++) {
		struct err err;

		ck_assert_msg(reads(texts[i], &err) == 0, "%s: %s", texts[i], err.msg);
	}
}
END_TEST

START_TEST(clauses_that_are_refused)
{
	static const struct {
		const char *text, *why;
	} cases[] = {
		{ "ALTER TABLE t ADD COLUMN c INT UNIQUE", "unique index" },
		{ "ALTER TABLE t ADD COLUMN c INT PRIMARY KEY", "primary key" },
		{ "ALTER TABLE t ADD COLUMN c INT KEY", "primary key" },
		{ "ALTER TABLE t ADD COLUMN c INT AUTO_INCREMENT", "number the rows" },
		{ "ALTER TABLE t ADD COLUMN c INT AS (n + 1)", "generated" },
		{ "ALTER TABLE t ADD COLUMN c INT CHECK (c > 0)", "check" },
		{ "ALTER TABLE t ADD COLUMN (c INT, d INT UNIQUE)", "unique index" },
		{ "ALTER TABLE t ADD UNIQUE INDEX u (n)", "unique index" },
		{ "ALTER TABLE t ADD PRIMARY KEY (n)", "unique index" },
		{ "ALTER TABLE t ADD CONSTRAINT x FOREIGN KEY (n) REFERENCES o (n)", "constraint" },
		{ "ALTER TABLE t ADD CHECK (n > 0)", "constraint" },
		{ "ALTER TABLE t ADD PARTITION (PARTITION p VALUES LESS THAN (1))", "partitions" },
		{ "ALTER TABLE t ADD COLUMN c INT, RENAME TO u", "name" },
		{ "ALTER TABLE t RENAME COLUMN a TO b", "meaning" },
		{ "ALTER TABLE t DROP PRIMARY KEY", "same on both" },
		{ "ALTER TABLE t DROP COLUMN c, ADD COLUMN c INT", "in two" },
		{ "ALTER TABLE t CONVERT TO CHARACTER SET utf8mb4", "not among" },
		{ "ALTER TABLE t CHARACTER SET utf8mb4", "not among" },
		{ "ALTER TABLE t ENGINE=MyISAM", "only InnoDB" },
		{ "ALTER TABLE t AUTO_INCREMENT=5", "not among" },
		{ "ALTER TABLE t ORDER BY n", "not among" },
		{ "ALTER TABLE t DISCARD TABLESPACE", "not among" },
		{ "ALTER TABLE t PARTITION BY HASH (id)", "not among" },
		{ "ALTER TABLE t ALTER INDEX k IGNORED", "SET DEFAULT" },
		{ "ALTER TABLE t /*!50000 ADD COLUMN */ c INT", "executable comments" },
		{ "ALTER TABLE t ADD COLUMN c INT /*!999999 UNIQUE */", "executable comments" },
		{ "ALTER TABLE t ADD COLUMN c INT; DROP TABLE t", "one statement" },
		{ "ALTER TABLE other.t ADD COLUMN c INT", "leave the database out" },
		{ "ALTER IGNORE TABLE t ADD COLUMN c INT", "leave the word out" },
		{ "ALTER TABLE t ADD COLUMN c INT,", "empty" },
		{ "ALTER TABLE t", "changes nothing" },
		{ "ALTER VIEW v AS SELECT 1", "only ALTER TABLE" },
		{ "CREATE INDEX i ON t (n)", "only ALTER TABLE" },
		{ "DROP TABLE t", "only ALTER TABLE" },
		{ "SELECT 1", "only ALTER TABLE" },
	};

	for (size_t i = 0; i < ARRAY_N(cases); i++) {
		struct err err = { 0 };

		ck_assert_msg(reads(cases[i].text, &err) < 0, "%s passed", cases[i].text);
		ck_assert_msg(strstr(err.msg, cases[i].why) != NULL, "%s: %s", cases[i].text, err.msg);
	}
}
END_TEST

START_TEST(what_cannot_be_read_is_refused)
{
	static const char *const texts[] = { "", "ALTER", "ALTER TABLE", "ALTER TABLE t ADD COLUMN 'x", "nonsense" };

	for (size_t i = 0; i < ARRAY_N(texts); i++) {
		struct err err;

		ck_assert_msg(reads(texts[i], &err) < 0, "'%s' passed", texts[i]);
	}
}
END_TEST

START_TEST(the_statement_is_written_for_another_table)
{
	struct arena a;
	struct buf b = { 0 };
	struct ddl d;
	struct err err;

	arena_init(&a);
	ck_assert_int_eq(ddl_read(STR("ALTER TABLE `t` /* x */ ADD COLUMN c INT;"), &a, &d, &err), 0);
	assert_str(d.table, "t");
	ddl_add_for(&b, &d, "shop_1", "we`ird");
	assert_str(str_make((char *)buf_head(&b), buf_used(&b)),
		"ALTER TABLE `shop_1`.`we``ird` /* x */ ADD COLUMN c INT");
	buf_free(&b);
	arena_free(&a);
}
END_TEST

#define COL(n, t)                    \
	{                            \
		.name = n, .type = t \
	}
#define COL_D(n, t, d)                                                \
	{                                                             \
		.name = n, .type = t, .default_ = d, .nullable = true \
	}

static int compares(
	const struct ddl_column *a, uint32_t an, const struct ddl_column *b, uint32_t bn, bool *lossy, struct err *err)
{
	struct ddl_shape before = { .columns = a, .column_n = an }, after = { .columns = b, .column_n = bn };

	return ddl_compare(&before, &after, lossy, err);
}

START_TEST(columns_at_the_end_pass_and_others_do_not)
{
	static const struct ddl_column old[] = { COL("id", "bigint(20)"), COL("v", "int(11)") };
	static const struct ddl_column end[] = { COL("id", "bigint(20)"), COL("v", "int(11)"), COL("m", "int(11)") };
	static const struct ddl_column mid[] = { COL("id", "bigint(20)"), COL("m", "int(11)"), COL("v", "int(11)") };
	static const struct ddl_column renamed[] = { COL("id", "bigint(20)"), COL("w", "int(11)") };
	static const struct ddl_column swapped[] = { COL("v", "int(11)"), COL("id", "bigint(20)") };
	struct err err;
	bool lossy;

	ck_assert_int_eq(compares(old, 2, end, 3, &lossy, &err), 0);
	ck_assert(lossy);
	ck_assert_int_eq(compares(end, 3, old, 2, &lossy, &err), 0);
	ck_assert_int_eq(compares(old, 2, old, 2, &lossy, &err), 0);
	ck_assert(!lossy);
	ck_assert_int_eq(compares(old, 2, mid, 3, &lossy, &err), ERR_UNSUPPORTED);
	ck_assert_int_eq(compares(mid, 3, old, 2, &lossy, &err), ERR_UNSUPPORTED);
	ck_assert_int_eq(compares(old, 2, renamed, 2, &lossy, &err), ERR_UNSUPPORTED);
	ck_assert_int_eq(compares(old, 2, swapped, 2, &lossy, &err), ERR_UNSUPPORTED);
}
END_TEST

START_TEST(types_may_only_widen)
{
	static const struct {
		const char *from, *to;
		bool good;
	} cases[] = {
		{ "int(11)", "bigint(20)", true },
		{ "tinyint(4)", "smallint(6)", true },
		{ "int(10) unsigned", "bigint(20) unsigned", true },
		{ "bigint(20)", "int(11)", false },
		{ "int(11)", "bigint(20) unsigned", false },
		{ "int(10) unsigned", "bigint(20)", false },
		{ "varchar(20)", "varchar(40)", true },
		{ "varbinary(20)", "varbinary(300)", true },
		{ "varchar(40)", "varchar(20)", false },
		{ "varchar(20)", "varbinary(40)", false },
		{ "char(20)", "varchar(20)", false },
		{ "varchar(20)", "text", false },
		{ "int(11)", "varchar(20)", false },
		{ "decimal(10,2)", "decimal(12,2)", false },
		{ "enum('a')", "enum('a','b')", false },
		{ "datetime", "datetime(6)", false },
	};

	for (size_t i = 0; i < ARRAY_N(cases); i++) {
		struct ddl_column a = COL("c", cases[i].from), b = COL("c", cases[i].to);
		struct err err;
		bool lossy;

		ck_assert_msg((compares(&a, 1, &b, 1, &lossy, &err) == 0) == cases[i].good, "%s to %s", cases[i].from,
			cases[i].to);
		if (cases[i].good)
			ck_assert(lossy);
	}
}
END_TEST

START_TEST(new_columns_must_be_filled_in_alike_on_both_sides)
{
	static const struct {
		const char *default_;
		bool good;
	} cases[] = {
		{ NULL, true },
		{ "NULL", true },
		{ "0", true },
		{ "-1.5", true },
		{ "'x'", true },
		{ "''", true },
		{ "b'0'", true },
		{ "current_timestamp()", false },
		{ "uuid()", false },
		{ "rand()", false },
		{ "(`v` + 1)", false },
		{ "curdate()", false },
	};
	struct ddl_column old = COL("id", "int(11)");
	struct err err;
	bool lossy;

	for (size_t i = 0; i < ARRAY_N(cases); i++) {
		struct ddl_column new[] = { COL("id", "int(11)"), COL_D("c", "varchar(20)", cases[i].default_) };

		ck_assert_msg((compares(&old, 1, new, 2, &lossy, &err) == 0) == cases[i].good, "%s", cases[i].default_);
	}
	struct ddl_column touched[] = { COL("id", "int(11)"),
		{ .name = "c", .type = "timestamp", .extra = "on update current_timestamp()" } };

	ck_assert_int_eq(compares(&old, 1, touched, 2, &lossy, &err), ERR_UNSUPPORTED);
}
END_TEST

START_TEST(unique_indexes_and_nullability_stay)
{
	static const struct ddl_column c = COL("id", "int(11)"),
				       n = { .name = "id", .type = "int(11)", .nullable = true };
	static const char *const one[] = { "PRIMARY(id)" }, *const two[] = { "PRIMARY(id)", "u(id)" };
	struct ddl_shape a = { &c, 1, one, 1 }, b = { &c, 1, two, 2 }, d = { &n, 1, one, 1 };
	struct err err;
	bool lossy;

	ck_assert_int_eq(ddl_compare(&a, &a, &lossy, &err), 0);
	ck_assert_int_eq(ddl_compare(&a, &b, &lossy, &err), ERR_UNSUPPORTED);
	ck_assert_int_eq(ddl_compare(&b, &a, &lossy, &err), ERR_UNSUPPORTED);
	ck_assert_int_eq(ddl_compare(&a, &d, &lossy, &err), ERR_UNSUPPORTED);
	ck_assert_int_eq(ddl_compare(&d, &a, &lossy, &err), ERR_UNSUPPORTED);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, clauses_that_pass);
	tcase_add_test(tc, clauses_that_are_refused);
	tcase_add_test(tc, what_cannot_be_read_is_refused);
	tcase_add_test(tc, the_statement_is_written_for_another_table);
	tcase_add_test(tc, columns_at_the_end_pass_and_others_do_not);
	tcase_add_test(tc, types_may_only_widen);
	tcase_add_test(tc, new_columns_must_be_filled_in_alike_on_both_sides);
	tcase_add_test(tc, unique_indexes_and_nullability_stay);
}

int main(void)
{
	return run_tests("ddl", add);
}
