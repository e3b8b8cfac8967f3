/* test_scan.c - digests, literals, classes, flags, splitting and folding, by table.
 * For src/sql/scan.c and lex.c.
 * One thread. */
#include <check.h>
#include <stdlib.h>
#include "keyway/sql/scan.h"

static const struct scan_mode mysql = { .seed = 7, .server_version = 80036, .family = SCAN_MYSQL };
static const struct scan_mode maria = { .seed = 7, .server_version = 101106, .family = SCAN_MARIADB };

static void scan(struct scan *s, const char *text, const struct scan_mode *mode)
{
	ck_assert_int_eq(sql_scan(s, str_of(text), mode, NULL), 0);
}

static bool same_digest(const char *a, const char *b, const struct scan_mode *mode)
{
	struct scan x, y;
	bool same;

	scan_init(&x);
	scan_init(&y);
	scan(&x, a, mode);
	scan(&y, b, mode);
	same = memcmp(&x.digest, &y.digest, sizeof(x.digest)) == 0;
	ck_assert_int_eq(same, str_eq(x.norm, y.norm));
	if (same) {
		ck_assert_uint_eq(x.n_toks, y.n_toks);
		ck_assert_uint_eq(x.n_lits, y.n_lits);
		for (uint32_t i = 0; i < x.n_lits; i++)
			ck_assert_uint_eq(x.lits[i].tok, y.lits[i].tok);
	}
	scan_free(&x);
	scan_free(&y);
	return same;
}

START_TEST(texts_that_differ_in_literals_blanks_and_comments_share_a_digest)
{
	static const char *const same[][2] = {
		{ "select 1", "SELECT 2" },
		{ "select 1", "  select\n\t-- why\n 17 /* so */ # end" },
		{ "select 'a'", "select 'it''s \\' long'" },
		{ "select a from t where b = 'x'", "select a from t where b='yy'" },
		{ "select 1.5, 2e1, 0x41, b'1'", "select .25,3E-7,X'4142',0b10" },
		{ "insert into t values (1),(2)", "insert into t values (1),(2),(3),(4)" },
		{ "insert into t values (1,'a'),(2,'b')", "insert into t values (1,'a'),(-2,NULL), (DEFAULT, 0x41)" },
		{ "insert into t values (1,2),(3,4) on duplicate key update a=1",
			"insert into t values (1,2),(3,4),(5,6) on duplicate key update a=9" },
		{ "insert into t values (?),(?)", "insert into t values (?),(?),(?)" },
		{ "insert into t values (1),(2)",
			"insert into t values (1) /* a */ , -- b\n (2) # c\n , (_binary 'x')" },
		{ "select 1;", "select 1" },
		{ "select 1; select 2", "select 1" },
	};

	for (size_t i = 0; i < ARRAY_N(same); i++)
		ck_assert_msg(same_digest(same[i][0], same[i][1], &mysql), "%s | %s", same[i][0], same[i][1]);
}
END_TEST

START_TEST(texts_that_mean_something_else_do_not)
{
	static const char *const differ[][2] = {
		{ "select 1", "select '1'" },
		{ "select 1", "select 1.0" },
		{ "select 1", "select ?" },
		{ "select 1", "select -1" },
		{ "select a", "select A" },
		{ "select a from t", "select a from T" },
		{ "select `a`", "select a" },
		{ "select x '1'", "select x'11'" },
		{ "select null", "select 1" },
		{ "select a b", "select ab" },
		{ "select a.b", "select a" },
		{ "select count(*)", "select count (*)" },
		{ "select /*+ bka(t) */ 1 from t", "select 1 from t" },
		{ "select /*+ bka(t) */ 1 from t", "select /*+ bka(u) */ 1 from t" },
		{ "insert into t values (1)", "insert into t values (1),(2)" },
		{ "insert into t values (1),(2)", "insert into t values (1),(2+1)" },
		{ "insert into t values (1),(2)", "insert into t values (1),(2,3)" },
		{ "insert into t values (1),(2)", "insert into t values (1),(a)" },
		{ "insert into t values (1),(2)", "insert into t values (1),(2),(now())" },
		{ "select @a", "select @b" },
		{ "select @@a", "select @@b" },
		{ "select 1 /*!50000 + 1 */", "select 1" },
	};

	for (size_t i = 0; i < ARRAY_N(differ); i++)
		ck_assert_msg(!same_digest(differ[i][0], differ[i][1], &mysql), "%s | %s", differ[i][0], differ[i][1]);
}
END_TEST

START_TEST(the_seed_and_the_mode_change_the_digest)
{
	struct scan_mode other = mysql, quotes = mysql;
	struct scan a, b, c;

	other.seed = 8;
	quotes.flags = SCAN_ANSI_QUOTES;
	scan_init(&a);
	scan_init(&b);
	scan_init(&c);
	scan(&a, "select 1", &mysql);
	scan(&b, "select 1", &other);
	scan(&c, "select 1", &quotes);
	ck_assert(memcmp(&a.digest, &b.digest, sizeof(a.digest)) != 0);
	ck_assert(memcmp(&a.digest, &c.digest, sizeof(a.digest)) != 0);
	scan_free(&a);
	scan_free(&b);
	scan_free(&c);
}
END_TEST

START_TEST(normalised_text_and_literals_are_as_told)
{
	struct scan s;
	struct str text = STR("Select a , 'x''y' From `T` where b=1.5 and c = ? or d=X'41'");
	static const struct {
		uint8_t kind, flags;
		const char *text;
	} lits[] = { { LIT_STRING, LIT_F_ESCAPED, "'x''y'" }, { LIT_DECIMAL, 0, "1.5" }, { LIT_PARAM, 0, "?" },
		{ LIT_HEX, 0, "X'41'" } };

	scan_init(&s);
	ck_assert_int_eq(sql_scan(&s, text, &mysql, NULL), 0);
	ck_assert_msg(
		str_eqz(s.norm, "SELECT a , ?s FROM `T` WHERE b = ?d AND c = ? OR d = ?x"), STR_FMT, STR_ARG(s.norm));
	ck_assert_uint_eq(s.n_lits, ARRAY_N(lits));
	for (uint32_t i = 0; i < s.n_lits; i++) {
		ck_assert_uint_eq(s.lits[i].kind, lits[i].kind);
		ck_assert_uint_eq(s.lits[i].flags, lits[i].flags);
		ck_assert(str_eqz(scan_lit_text(text, &s.lits[i]), lits[i].text));
		ck_assert(str_eqz(scan_span(&s, text, s.lits[i].tok, s.lits[i].tok + 1), lits[i].text));
	}
	ck_assert_uint_eq(s.n_params, 1);
	ck_assert(str_eqz(scan_span(&s, text, 0, 2), "Select a"));
	scan_free(&s);
}
END_TEST

START_TEST(tokens_are_read_as_the_servers_read_them)
{
	static const struct {
		const char *text, *norm;
	} rows[] = {
		{ "select 1abc, 1e5, 1e5x, 1.e5, .5, 5., t.5, t.1e2",
			"SELECT 1abc , ?f , 1e5x , ?f , ?d , ?d , t . 5 , t . 1e2" },
		{ "select 0x1F, 0xZZ, 0X1F, 0b01, 0b2", "SELECT ?x , 0xZZ , 0X1F , ?b , 0b2" },
		{ "select a.select, `a`.`b``c`", "SELECT a . select , `a` . `b``c`" },
		{ "select 1--1, 1-- 1\n+2", "SELECT ?i - - ?i , ?i + ?i" },
		{ "select @a.b, @'x y', @`z`, @@global.x", "SELECT @a.b , @'x y' , @`z` , @@ global . x" },
		{ "select a:=1, a<=>b, a<>b, a!=b, a<<b, a>>b, a||b, a&&b, a->'$', a->>'$'",
			"SELECT a := ?i , a <=> b , a <> b , a != b , a << b , a >> b , a || b , a && b , a -> ?s , a "
			"->> ?s" },
		{ "select N'x', n'x', _utf8'x', _nosuch'x', b'1', x''",
			"SELECT ?s , ?s , _utf8 ?s , _nosuch ?s , ?b , ?x" },
		{ "select \\N", "SELECT \\N" },
		{ "select \"a\"", "SELECT ?s" },
		{ "select/**/1/*!99999 x */", "SELECT ?i" },
		{ "select 1 /*!50000 + 2 */", "SELECT ?i + ?i" },
		{ "select 1 /*! + 2 */ + 3", "SELECT ?i + ?i + ?i" },
		{ "select 1 /*M! + 2 */", "SELECT ?i" },
		{ "select 1 /*!99999 /* x */ y */ + 2", "SELECT ?i + ?i" },
	};
	struct scan s;

	scan_init(&s);
	for (size_t i = 0; i < ARRAY_N(rows); i++) {
		scan(&s, rows[i].text, &mysql);
		ck_assert_msg(str_eqz(s.norm, rows[i].norm), "%s: " STR_FMT, rows[i].text, STR_ARG(s.norm));
	}
	scan(&s, "select 1 /*M! + 2 */ /*!50701 + 3 */ /*!100100 + 4 */", &maria);
	ck_assert(str_eqz(s.norm, "SELECT ?i + ?i + ?i"));
	ck_assert(s.flags & SCAN_F_SKIPPED_COMMENT && s.flags & SCAN_F_EXEC_COMMENT);
	scan_free(&s);
}
END_TEST

START_TEST(sql_modes_change_what_quotes_and_backslashes_are)
{
	struct scan_mode m = mysql;
	struct scan s;

	scan_init(&s);
	m.flags = SCAN_ANSI_QUOTES;
	scan(&s, "select \"a\"", &m);
	ck_assert(str_eqz(s.norm, "SELECT \"a\""));
	m.flags = SCAN_NO_BACKSLASH_ESCAPES;
	scan(&s, "select 'a\\', 'b'", &m);
	ck_assert(str_eqz(s.norm, "SELECT ?s , ?s"));
	scan(&s, "select 'a\\', 'b'", &mysql);
	ck_assert(s.broken);
	m.flags = SCAN_IGNORE_SPACE;
	scan(&s, "select count (*)", &m);
	ck_assert(str_eqz(s.norm, "SELECT count( * )"));
	scan_free(&s);
}
END_TEST

START_TEST(bytes_inside_characters_are_no_quotes)
{
	static const struct {
		enum scan_charset cs;
		const char *text;
		uint32_t lits;
		bool broken;
	} rows[] = {
		/* 0x5c as second byte: the quote behind it ends the string */
		{ SCAN_CS_GBK, "select '\x95\x5c', 1", 2, false },
		{ SCAN_CS_SJIS, "select '\x95\x5c', 1", 2, false },
		{ SCAN_CS_BIG5, "select '\xa5\x5c', 1", 2, false },
		{ SCAN_CS_GB18030, "select '\x95\x5c', '\x81\x30\x81\x30', 1", 3, false },
		{ SCAN_CS_SAFE, "select '\x95\x5c', 1", 0, true },
		/* the famous one: a quote can be no second byte */
		{ SCAN_CS_GBK, "select '\xbf\x27, 1", 2, false },
		/* an escaped character of two bytes */
		{ SCAN_CS_GBK, "select '\\\x95\x5c', 1", 2, false },
		{ SCAN_CS_GBK, "select `\x81\x60`, 1", 1, false },
		{ SCAN_CS_SAFE, "select `\x81\x60`, 1", 0, true },
		{ SCAN_CS_SJIS, "select \x83\x5c from t where a = 1", 1, false },
	};
	struct scan s;

	scan_init(&s);
	for (size_t i = 0; i < ARRAY_N(rows); i++) {
		struct scan_mode m = mysql;

		m.charset = (uint8_t)rows[i].cs;
		scan(&s, rows[i].text, &m);
		ck_assert_msg(s.broken == rows[i].broken, "%zu", i);
		ck_assert_msg(s.broken || s.n_lits == rows[i].lits, "%zu: %u", i, s.n_lits);
	}
	ck_assert_int_eq(scan_charset_of(STR("CP932")), SCAN_CS_SJIS);
	ck_assert_int_eq(scan_charset_of(STR("utf8mb4")), SCAN_CS_SAFE);
	scan_free(&s);
}
END_TEST

START_TEST(verbs_are_told_from_the_first_words)
{
	static const struct {
		const char *text;
		enum scan_verb verb;
	} rows[] = {
		{ "", SCAN_EMPTY },
		{ " -- x\n /* y */ ", SCAN_EMPTY },
		{ "select 1", SCAN_SELECT },
		{ "((select 1))", SCAN_SELECT },
		{ "with a as (select 1) select * from a", SCAN_SELECT },
		{ "with a as (delete) update t set a = 1", SCAN_UPDATE },
		{ "(with a as (select 1) select 2)", SCAN_SELECT },
		{ "with a as (select 1) delete from t", SCAN_DELETE },
		{ "/*!40101 begin */", SCAN_BEGIN },
		{ "insert into t values (1)", SCAN_INSERT },
		{ "replace t set a = 1", SCAN_REPLACE },
		{ "values row(1)", SCAN_VALUES },
		{ "table t", SCAN_VALUES },
		{ "start transaction", SCAN_BEGIN },
		{ "start slave", SCAN_ADMIN },
		{ "analyze table t", SCAN_ADMIN },
		{ "analyze select 1", SCAN_EXPLAIN },
		{ "desc t", SCAN_EXPLAIN },
		{ "drop prepare s", SCAN_DEALLOCATE },
		{ "drop table s", SCAN_DROP },
		{ "load data infile 'x' into table t", SCAN_LOAD },
		{ "load index into cache t", SCAN_ADMIN },
		{ "begin not atomic select 1; end", SCAN_COMPOUND },
		{ "if 1 then select 1; end if", SCAN_COMPOUND },
		{ "l: loop leave l; end loop", SCAN_COMPOUND },
		{ "nonsense", SCAN_OTHER },
		{ "'string'", SCAN_OTHER },
		{ "xa start 'a'", SCAN_XA },
		{ "revoke x from y", SCAN_GRANT },
	};
	struct scan s;

	scan_init(&s);
	for (size_t i = 0; i < ARRAY_N(rows); i++) {
		scan(&s, rows[i].text, &mysql);
		ck_assert_msg(s.verb == rows[i].verb, "%s: %s", rows[i].text, scan_verb_name(s.verb));
	}
	scan_free(&s);
}
END_TEST

START_TEST(special_things_are_seen_wherever_they_stand)
{
	static const struct {
		const char *text;
		uint32_t flags;
	} rows[] = {
		{ "select a from t where b = 1", 0 },
		{ "select user, database, version, now, rand from t", 0 },
		{ "select last_insert_id()", SCAN_F_LAST_INSERT_ID },
		{ "select Last_Insert_ID /* x */ ()", SCAN_F_LAST_INSERT_ID },
		{ "select `last_insert_id`()", SCAN_F_LAST_INSERT_ID },
		{ "select row_count(), found_rows()", SCAN_F_ROW_COUNT | SCAN_F_FOUND_ROWS },
		{ "select sql_calc_found_rows a from t", SCAN_F_CALC_FOUND_ROWS },
		{ "select connection_id(), schema(), current_user, version()",
			SCAN_F_CONNECTION_ID | SCAN_F_DATABASE | SCAN_F_USER | SCAN_F_VERSION },
		{ "do get_lock('a', 1)", SCAN_F_USER_LOCK },
		{ "select @a", SCAN_F_UVAR },
		{ "select @a := 1", SCAN_F_UVAR | SCAN_F_UVAR_ASSIGN },
		{ "select a, b into @a, @b from t", SCAN_F_UVAR | SCAN_F_INTO_VAR },
		{ "select 1 into outfile 'x'", SCAN_F_INTO_FILE },
		{ "select @@x", SCAN_F_SYSVAR },
		{ "load data local infile 'x' into table t", SCAN_F_LOCAL_INFILE },
		{ "select a from t for update", SCAN_F_LOCKING },
		{ "select a from t lock in share mode", SCAN_F_LOCKING },
		{ "select a from t for share", SCAN_F_LOCKING },
		{ "create temporary table t (a int)", SCAN_F_TEMPORARY },
		{ "create or replace temporary table t (a int)", SCAN_F_TEMPORARY },
		{ "drop temporary table t", SCAN_F_TEMPORARY },
		{ "select now(), rand(), sleep(1), nextval(s)",
			SCAN_F_NOW | SCAN_F_RANDOM | SCAN_F_SLEEP | SCAN_F_SEQUENCE },
		{ "select current_timestamp", SCAN_F_NOW },
		{ "select next value for s", SCAN_F_SEQUENCE },
		{ "select /*+ x */ 1", SCAN_F_HINT },
		{ "select 1 /*+ x */", 0 },
		{ "/* keyway: reads=replica */ select 1", SCAN_F_READS_REPLICA },
		{ "select 1 /*KEYWAY:reads=CAUSAL*/", SCAN_F_READS_CAUSAL },
		{ "select /* keyway:\n\treads= primary */ 1;", SCAN_F_READS_PRIMARY },
		{ "select 1; /* keyway: reads=replica */ select 2", 0 },
		{ "select '/* keyway: reads=replica */', 1 -- /* keyway: reads=replica */", 0 },
		{ "select 1 /* not keyway: reads=replica */", 0 },
		{ "select 1 /* keyway */", 0 },
		{ "select 1 /* keyway:*/", SCAN_F_BAD_HINT },
		{ "select 1 /* keyway: reads=replica, please */", SCAN_F_BAD_HINT },
		{ "select 1 /* keyway: reads=*/", SCAN_F_BAD_HINT },
		{ "select 1 /* keyway: reads=caus*/", SCAN_F_BAD_HINT },
		{ "select (select 1)", SCAN_F_SUBQUERY },
		{ "with a as (select 1) select 1", SCAN_F_WITH | SCAN_F_SUBQUERY },
		{ "select t.now(), t.user()", 0 },
	};
	struct scan s;

	scan_init(&s);
	for (size_t i = 0; i < ARRAY_N(rows); i++) {
		scan(&s, rows[i].text, &mysql);
		ck_assert_msg(s.flags == rows[i].flags, "%s: %x, not %x", rows[i].text, s.flags, rows[i].flags);
	}
	scan_free(&s);
}
END_TEST

START_TEST(a_text_is_split_at_semicolons_that_end_statements)
{
	static const struct {
		const char *text;
		uint32_t end;
		bool more;
	} rows[] = {
		{ "select 1; select 2", 8, true },
		{ "select 1;", 8, false },
		{ "select 1 ; -- nothing\n /* more */ ; ", 9, false },
		{ "select ';' ; x", 11, true },
		{ "select 1; /*!40000 select 2 */", 8, true },
		{ "create procedure p() begin select 1; select 2; end", 50, false },
		{ "create definer=`a`@`b` trigger t before insert on x for each row begin set @a = 1; end; more", 92,
			false },
		{ "create definer=event@localhost view v as select 1; select 2", 49, true },
		{ "create or replace aggregate function f() returns int begin return 1; end", 72, false },
		{ "alter event e do begin select 1; end", 36, false },
		{ "create table t (a int); select 1", 22, true },
		{ "begin; select 1", 5, true },
		{ "begin not atomic select 1; end", 30, false },
		{ "", 0, false },
		{ ";", 0, false },
	};
	struct scan s;

	scan_init(&s);
	for (size_t i = 0; i < ARRAY_N(rows); i++) {
		scan(&s, rows[i].text, &maria);
		ck_assert_msg(s.end == rows[i].end && s.more == rows[i].more, "%s: %u %d", rows[i].text, s.end, s.more);
		ck_assert_uint_eq(s.next, MIN(s.end + 1, strlen(rows[i].text)));
	}
	scan_free(&s);
}
END_TEST

START_TEST(rows_fold_and_are_counted)
{
	static const struct {
		const char *text;
		uint32_t off, end, rows, folded, lits, params;
	} table[] = {
		{ "insert into t values (1)", 21, 24, 1, 0, 1, 0 },
		{ "insert into t values (1),(2),(3) on duplicate key update a = 5", 21, 32, 3, 2, 2, 0 },
		{ "insert into t values (1), (2+1), (3)", 21, 36, 3, 1, 3, 0 },
		{ "insert into t values (?,?),(?,?) on duplicate key update a = ?", 21, 32, 2, 1, 3, 5 },
		{ "insert into t (a) value (1),(2)", 24, 31, 2, 1, 1, 0 },
		{ "insert into value values (1)", 25, 28, 1, 0, 1, 0 },
		{ "insert into t values (),()", 21, 26, 2, 1, 0, 0 },
		{ "insert into t values ((1),f(2,3)),(4,5)", 21, 39, 2, 1, 3, 0 },
		{ "replace into t values ('a)',\"b\"),('c','d')", 22, 42, 2, 1, 2, 0 },
		{ "insert into t select 1", 0, 0, 0, 0, 1, 0 },
		{ "insert into t set a = values(b)", 0, 0, 0, 0, 0, 0 },
		{ "insert into t select a from u on duplicate key update b = values(b)", 0, 0, 0, 0, 0, 0 },
		{ "insert into t values row(1,2)", 0, 0, 0, 0, 2, 0 },
		{ "select * from (values (1),(2)) t", 0, 0, 0, 0, 2, 0 },
	};
	struct scan s;

	scan_init(&s);
	for (size_t i = 0; i < ARRAY_N(table); i++) {
		scan(&s, table[i].text, &mysql);
		ck_assert_msg(s.rows_off == table[i].off && s.rows_end == table[i].end, "%s: %u-%u", table[i].text,
			s.rows_off, s.rows_end);
		ck_assert_msg(s.n_rows == table[i].rows && s.n_folded == table[i].folded, "%s: %u %u", table[i].text,
			s.n_rows, s.n_folded);
		ck_assert_msg(s.n_lits == table[i].lits && s.n_params == table[i].params, "%s: %u %u", table[i].text,
			s.n_lits, s.n_params);
	}
	/* parameters behind folded rows keep their own numbers */
	scan(&s, table[3].text, &mysql);
	ck_assert_uint_eq(s.lits[2].param, 4);
	scan_free(&s);
}
END_TEST

START_TEST(what_cannot_be_lexed_is_told_with_its_place)
{
	static const struct {
		const char *text;
		uint32_t at;
	} rows[] = { { "select 'abc", 7 }, { "select `abc", 7 }, { "select 1 /* x", 9 }, { "select 1 [", 9 },
		{ "select x'4'", 7 }, { "select b'2'", 7 }, { "select 1 /*! + 2", 16 }, { "select @'a", 7 },
		{ "select \x01", 7 } };
	struct scan s;

	scan_init(&s);
	for (size_t i = 0; i < ARRAY_N(rows); i++) {
		scan(&s, rows[i].text, &mysql);
		ck_assert_msg(s.broken && s.broken_at == rows[i].at && s.broken_why, "%s: %d %u", rows[i].text,
			s.broken, s.broken_at);
		ck_assert_int_eq(s.verb, SCAN_SELECT);
	}
	scan_free(&s);
}
END_TEST

START_TEST(too_many_tokens_are_refused)
{
	struct scan_mode m = mysql;
	struct err err;
	struct scan s;

	m.max_tokens = 10;
	scan_init(&s);
	ck_assert_int_eq(sql_scan(&s, STR("select 1,2,3,4,5"), &m, &err), 0);
	ck_assert_int_eq(sql_scan(&s, STR("select 1,2,3,4,5,6"), &m, &err), ERR_LIMIT);
	ck_assert_int_eq(err.errno_, ER_NET_PACKET_TOO_LARGE);
	scan_free(&s);
}
END_TEST

/* Every cut of a text ends somewhere sane and reads no byte behind its end (the sanitizer watches). */
START_TEST(every_prefix_scans)
{
	static const char text[] = "insert /*+ h */ into `t` (a, b) values (1, 'x\\'y', N'z', x'41', 1.5e-3, _utf8'q', "
				   "@a, @@b), (2, 'b', 'c', "
				   "b'1', 3, 'd', 4, null) /*!50000 , (1) */ -- c\n on duplicate key update a = "
				   "values(a); select 'x' -- end";
	struct scan s;

	scan_init(&s);
	for (size_t n = 0; n < sizeof(text); n++) {
		char *copy = malloc(n ? n : 1);

		memcpy(copy, text, n);
		ck_assert_int_eq(sql_scan(&s, str_make(copy, n), &mysql, NULL), 0);
		ck_assert_uint_le(s.end, n);
		free(copy);
	}
	scan_free(&s);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("scan");
	TCase *tc = tcase_create("scan");
	SRunner *runner;
	int failed;

	tcase_add_test(tc, texts_that_differ_in_literals_blanks_and_comments_share_a_digest);
	tcase_add_test(tc, texts_that_mean_something_else_do_not);
	tcase_add_test(tc, the_seed_and_the_mode_change_the_digest);
	tcase_add_test(tc, normalised_text_and_literals_are_as_told);
	tcase_add_test(tc, tokens_are_read_as_the_servers_read_them);
	tcase_add_test(tc, sql_modes_change_what_quotes_and_backslashes_are);
	tcase_add_test(tc, bytes_inside_characters_are_no_quotes);
	tcase_add_test(tc, verbs_are_told_from_the_first_words);
	tcase_add_test(tc, special_things_are_seen_wherever_they_stand);
	tcase_add_test(tc, a_text_is_split_at_semicolons_that_end_statements);
	tcase_add_test(tc, rows_fold_and_are_counted);
	tcase_add_test(tc, what_cannot_be_lexed_is_told_with_its_place);
	tcase_add_test(tc, too_many_tokens_are_refused);
	tcase_add_test(tc, every_prefix_scans);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
