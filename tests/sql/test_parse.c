/* test_parse.c - trees, their printed form, errors and bounds.
 * For src/sql: grammar.y, stmt*.c, build*.c, print*.c, walk.c. The statements are in statements.sql.
 * One thread. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include "keyway/sql/parse.h"
#include "keyway/sql/print.h"

static const struct scan_mode modes[] = {
	{ .server_version = 80036, .family = SCAN_MYSQL },
	{ .server_version = 101106, .family = SCAN_MARIADB },
};
static struct arena arena;

static void setup(void)
{
	arena_init(&arena);
}

static void teardown(void)
{
	arena_free(&arena);
}

static struct sql_stmt *parse(const char *text)
{
	struct sql_stmt *st;
	struct err err;

	ck_assert_msg(sql_parse(str_of(text), &modes[0], &arena, &st, &err) == 0, "%s: %s", text, err.msg);
	return st;
}

static struct str buf_str(const struct buf *b)
{
	return str_make((const char *)b->p, b->len);
}

/* Parse, print, parse, print: equal trees, equal texts. */
static void check_fixpoint(struct str text, const struct scan_mode *mode)
{
	struct buf p1 = { 0 }, p2 = { 0 }, d1 = { 0 }, d2 = { 0 };
	struct sql_stmt *st;
	struct err err;

	ck_assert_msg(sql_parse(text, mode, &arena, &st, &err) == 0, STR_FMT ": %s", STR_ARG(text), err.msg);
	sql_print_stmt(&p1, st, mode, NULL, NULL);
	sql_dump_stmt(&d1, st);
	ck_assert_msg(sql_parse(buf_str(&p1), mode, &arena, &st, &err) == 0, STR_FMT "\nprinted " STR_FMT "\n%s",
		STR_ARG(text), STR_ARG(buf_str(&p1)), err.msg);
	sql_print_stmt(&p2, st, mode, NULL, NULL);
	sql_dump_stmt(&d2, st);
	ck_assert_msg(str_eq(buf_str(&d1), buf_str(&d2)), STR_FMT "\nprinted " STR_FMT STR_FMT "\n--" STR_FMT,
		STR_ARG(text), STR_ARG(buf_str(&p1)), STR_ARG(buf_str(&d1)), STR_ARG(buf_str(&d2)));
	ck_assert(str_eq(buf_str(&p1), buf_str(&p2)));
	buf_free(&p1);
	buf_free(&p2);
	buf_free(&d1);
	buf_free(&d2);
	arena_reset(&arena);
}

START_TEST(every_statement_prints_to_a_fixpoint)
{
	FILE *f = fopen(SOURCE_ROOT "/tests/sql/statements.sql", "r");
	unsigned families = 3, n = 0;
	char *line = NULL;
	size_t cap = 0;
	ssize_t len;

	ck_assert_ptr_nonnull(f);
	while ((len = getline(&line, &cap, f)) > 0) {
		struct str text = str_make(line, (size_t)len - (line[len - 1] == '\n'));

		if (text.n == 0 || text.p[0] == '#')
			continue;
		if (text.p[0] == '[') {
			families = str_eqz(text, "[both]") ? 3 : str_eqz(text, "[mysql]") ? 1 : 2;
			continue;
		}
		for (unsigned m = 0; m < ARRAY_N(modes); m++)
			if (families & 1u << m) {
				check_fixpoint(text, &modes[m]);
				n++;
			}
	}
	ck_assert_uint_gt(n, 900);
	free(line);
	fclose(f);
}
END_TEST

START_TEST(modes_change_the_tree_and_still_print_to_a_fixpoint)
{
	struct scan_mode m = modes[0];

	m.flags = SCAN_PIPES_AS_CONCAT;
	check_fixpoint(
		STR("select a || b collate x = c, -a || b, not a || b from t where a like b || c escape 'x'"), &m);
	m.flags = SCAN_HIGH_NOT_PRECEDENCE;
	check_fixpoint(STR("select not a between 1 and 2, not a = b, a not in (1) from t"), &m);
	m.flags = SCAN_ANSI_QUOTES;
	check_fixpoint(STR("select \"a b\", \"select\", 'x' as \"q\"\"r\" from \"t\""), &m);
	m.flags = SCAN_NO_BACKSLASH_ESCAPES;
	check_fixpoint(STR("select 'a\\', @`x`, '''' as 'al''ias\\'"), &m);
	m.flags = SCAN_IGNORE_SPACE;
	check_fixpoint(STR("select count (*), sum (a), trim (a) from t"), &m);
	m.flags = 0;
	m.charset = SCAN_CS_GBK;
	check_fixpoint(STR("select '\x95\x5c', `\x81\x60`, a as \x95\x5c from t"), &m);
	m.charset = SCAN_CS_SAFE;
	m.server_version = 50744;
	check_fixpoint(STR("select rank, row, lateral, window, except, rows from groups"), &m);
}
END_TEST

START_TEST(operators_bind_as_the_manual_says)
{
	static const struct {
		const char *text, *printed;
	} rows[] = {
		{ "select 1+2*3", "SELECT 1 + 2 * 3" },
		{ "select (1+2)*3", "SELECT (1 + 2) * 3" },
		{ "select (1*2)+3", "SELECT 1 * 2 + 3" },
		{ "select a-(b-c)", "SELECT a - (b - c)" },
		{ "select not (a=b)", "SELECT NOT a = b" },
		{ "select (not a)=b", "SELECT (NOT a) = b" },
		{ "select (a or b) and c", "SELECT (a OR b) AND c" },
		{ "select a or (b and c)", "SELECT a OR b AND c" },
		{ "select a and (b and (c and d))", "SELECT a AND b AND c AND d" },
		{ "select - - 1", "SELECT - -1" },
		{ "select (a between 1 and 2) and b", "SELECT a BETWEEN 1 AND 2 AND b" },
		{ "select a between 1 and (b and c)", "SELECT a BETWEEN 1 AND (b AND c)" },
		{ "select (a like b) like c", "SELECT (a LIKE b) LIKE c" },
		{ "select ((a))", "SELECT a" },
		{ "select @a:=1+2", "SELECT @a := 1 + 2" },
		{ "select (@a:=1)+2", "SELECT (@a := 1) + 2" },
		{ "select (1,2)=(3,4)", "SELECT (1, 2) = (3, 4)" },
	};
	struct buf b = { 0 };

	for (size_t i = 0; i < ARRAY_N(rows); i++) {
		buf_clear(&b);
		sql_print_stmt(&b, parse(rows[i].text), &modes[0], NULL, NULL);
		ck_assert_msg(
			str_eqz(buf_str(&b), rows[i].printed), "%s: " STR_FMT, rows[i].text, STR_ARG(buf_str(&b)));
	}
	buf_free(&b);
}
END_TEST

START_TEST(joins_lean_to_the_left_as_written)
{
	struct sql_table_ref *t = parse("select 1 from a join b left join c on c.x = a.x")->query->select->from.v[0];

	ck_assert_int_eq(t->join, SQL_J_LEFT);
	ck_assert_int_eq(t->left->kind, SQL_T_JOIN);
	ck_assert(str_eqz(t->left->left->name.name, "a"));
	ck_assert(str_eqz(t->left->right->name.name, "b"));
	ck_assert(str_eqz(t->right->name.name, "c"));
	t = parse("select 1 from a join b join c on b.x = c.x on a.x = b.x")->query->select->from.v[0];
	ck_assert(str_eqz(t->left->name.name, "a"));
	ck_assert_int_eq(t->right->kind, SQL_T_JOIN);
	t = parse("select 1 from a join (b left join c on c.x = b.x)")->query->select->from.v[0];
	ck_assert(str_eqz(t->left->name.name, "a"));
}
END_TEST

/* Token ordinals of a tree point at the same things in another text of the same digest. */
START_TEST(ordinals_hold_for_every_text_of_a_digest)
{
	struct str a = STR("select x from t where id = 5 and b in ('q', -1) limit 3");
	struct str b = STR("SELECT /* c */ x FROM t WHERE id=123456 AND b IN('', - 7)\n LIMIT 10 ;");
	struct sql_stmt *st = parse(a.p);
	const struct sql_select *sel = st->query->select;
	const struct sql_expr *id = sel->where->args[0], *in = sel->where->args[1];
	struct scan s;

	scan_init(&s);
	ck_assert_int_eq(sql_tokens(&s, b, &modes[0], NULL), 0);
	ck_assert(str_eqz(scan_span(&s, b, id->tok, id->tok_end), "id=123456"));
	ck_assert(str_eqz(scan_span(&s, b, id->args[1]->tok, id->args[1]->tok_end), "123456"));
	ck_assert(str_eqz(scan_lit_text(b, &s.lits[id->args[1]->lit]), "123456"));
	ck_assert(str_eqz(scan_span(&s, b, in->tok, in->tok_end), "b IN('', - 7)"));
	ck_assert(str_eqz(scan_span(&s, b, in->args[2]->tok, in->args[2]->tok_end), "- 7"));
	ck_assert_uint_eq(in->args[2]->args[0]->lit, 2);
	ck_assert(str_eqz(scan_span(&s, b, sel->from_tok, sel->from_tok_end), "FROM t"));
	ck_assert(str_eqz(scan_span(&s, b, sel->where_tok, sel->where->tok_end), "WHERE id=123456 AND b IN('', - 7)"));
	ck_assert(str_eqz(scan_span(&s, b, st->query->limit->tok, st->query->limit->tok_end), "LIMIT 10"));
	ck_assert(str_eqz(scan_span(&s, b, 0, sel->items_tok_end), "SELECT /* c */ x"));
	scan_free(&s);
}
END_TEST

START_TEST(insert_rows_and_what_stands_behind_them)
{
	const struct sql_insert *ins = parse(
		"insert into t (a, b) values (1, ?), (2, 3), (4, 5), (6, f(7)), (8, 9) on duplicate key update a = ?")
					       ->insert;

	ck_assert_uint_eq(ins->n_rows, 4);
	ck_assert(!ins->rows[0].folded && ins->rows[1].folded && !ins->rows[2].folded && ins->rows[3].folded);
	ck_assert(str_eqz(ins->rows[1].text, "(2, 3), (4, 5)"));
	ck_assert_uint_eq(ins->rows[0].values.v[1]->lit, 1);
	ck_assert_uint_eq(ins->on_dup.n, 1);
	ck_assert_uint_eq(ins->on_dup.v[0].value->lit, 4);
	ck_assert_uint_eq(ins->columns.n, 2);
}
END_TEST

START_TEST(statements_that_are_heads_tell_their_names)
{
	struct sql_stmt *st =
		parse("create table if not exists d.t (a int, foreign key (a) references x.u (b)) select 1 as a");

	ck_assert_int_eq(st->kind, SQL_S_CREATE);
	ck_assert_int_eq(st->ddl->object, SQL_OBJ_TABLE);
	ck_assert(st->ddl->if_not_exists && st->ddl->query);
	ck_assert(str_eqz(st->ddl->names.v[0].db, "d") && str_eqz(st->ddl->names.v[0].name, "t"));
	ck_assert_uint_eq(st->ddl->references.n, 1);
	ck_assert(str_eqz(st->ddl->references.v[0].name, "u"));
	st = parse("rename table a to b, c to d.e");
	ck_assert_uint_eq(st->ddl->names.n, 2);
	ck_assert(str_eqz(st->ddl->renamed.v[1].db, "d"));
	st = parse("set global a = 1, b = default, @x = 'y', @@session.c = on, names utf8 collate z");
	ck_assert_uint_eq(st->set.n, 5);
	ck_assert_int_eq(st->set.v[1].scope, SQL_SCOPE_GLOBAL);
	ck_assert_ptr_null(st->set.v[1].value);
	ck_assert_int_eq(st->set.v[2].kind, SQL_SETV_UVAR);
	ck_assert_int_eq(st->set.v[3].scope, SQL_SCOPE_SESSION);
	ck_assert_int_eq(st->set.v[4].kind, SQL_SETV_NAMES);
	st = parse("show full columns from t from d like 'x%'");
	ck_assert(st->show->full && str_eqz(st->show->what, "COLUMNS") && str_eqz(st->show->db, "d") && st->show->like);
	st = parse("explain route select 1");
	ck_assert(st->explain->route && st->explain->inner->kind == SQL_S_QUERY);
	st = parse("start transaction with consistent snapshot, read only");
	ck_assert_uint_eq(st->txn.flags, SQL_TXN_START | SQL_TXN_CONSISTENT_SNAPSHOT | SQL_TXN_READ_ONLY);
	st = parse("load data local infile 'f' into table d.t (a, @b) set c = @b");
	ck_assert(st->load->local && st->load->columns.n == 2 && st->load->set.n == 1);
	st = parse("-- nothing");
	ck_assert_int_eq(st->kind, SQL_S_EMPTY);
}
END_TEST

START_TEST(errors_say_what_stands_where)
{
	static const struct {
		const char *text, *near;
		unsigned line;
	} rows[] = {
		{ "select", "''", 1 },
		{ "select 1 from", "''", 1 },
		{ "select 1\nfrom t\nwhere where a", "'where a'", 3 },
		{ "selec 1", "'selec 1'", 1 },
		{ "select 'abc", "''abc'", 1 },
		{ "select 1 +", "''", 1 },
		{ "select count (*) from t", "'(*) from t'", 1 },
		{ "insert into t values (1, )", "')'", 1 },
		{ "update t set", "''", 1 },
		{ "delete t", "''", 1 },
		{ "set a", "''", 1 },
		{ "set a = 1, = 2", "'= 2'", 1 },
		{ "select * from (select 1)", "''", 1 },
		{ "create", "''", 1 },
		{ "select a from t limit -1", "'-1'", 1 },
		{ "select interval 1 fortnight + d", "'fortnight + d'", 1 },
		{ "commit and chain release", "''", 1 },
		{ "select 1; select", NULL, 0 },
		{ "select 0123456789012345678901234567890123456789 from from "
		  "t0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890",
			"'from t01234567890123456789012345678901234567890123456789012345678901234567890123'", 1 },
	};
	struct sql_stmt *st;
	struct err err;

	for (size_t i = 0; i < ARRAY_N(rows); i++) {
		char want[200];
		int rc = sql_parse(str_of(rows[i].text), &modes[0], &arena, &st, &err);

		if (!rows[i].near) {
			ck_assert_int_eq(rc, 0);
			continue;
		}
		ck_assert_msg(rc == ERR_SYNTAX, "%s", rows[i].text);
		ck_assert_int_eq(err.errno_, ER_PARSE_ERROR);
		ck_assert_ptr_null(st);
		snprintf(want, sizeof(want), "near %s at line %u", rows[i].near, rows[i].line);
		ck_assert_msg(strstr(err.msg, want) != NULL, "%s: %s", want, err.msg);
	}
}
END_TEST

struct deep {
	const char *before, *open, *inside, *close, *after;
};

static void deep_text(struct buf *b, const struct deep *d, unsigned n)
{
	buf_clear(b);
	buf_addz(b, d->before);
	for (unsigned i = 0; i < n; i++)
		buf_addz(b, d->open);
	buf_addz(b, d->inside);
	for (unsigned i = 0; i < n; i++)
		buf_addz(b, d->close);
	buf_addz(b, d->after);
}

/* However deep a text nests, the answer is a tree of bounded height or an error, soon. */
START_TEST(nesting_is_bounded)
{
	static const struct deep rows[] = {
		{ "select ", "(", "1", ")", "" },
		{ "select ", "not ", "1", "", "" },
		{ "select ", "- ", "1", "", "" },
		{ "select ", "!", "1", "", "" },
		{ "select 1", "+1", "", "", "" },
		{ "select 1", " or 1=1", "", "", "" },
		{ "select ", "(select ", "1", ")", "" },
		{ "select ", "case when 1 then ", "1", " end", "" },
		{ "select ", "f(", "1", ")", "" },
		{ "select ", "interval(", "1", ", 1)", "" },
		{ "select * from ", "(select * from ", "t", ") d", "" },
		{ "select * from ", "(", "t", ")", "" },
		{ "select * from t", " join t", "", "", "" },
		{ "select * from t", " left join t on 1", "", "", "" },
		{ "select 1", " union select 1", "", "", "" },
		{ "", "(", "select 1", ")", "" },
		{ "", "with a as (", "select 1", ") select 1", "" },
		{ "select ", "@a := ", "1", "", "" },
		{ "select a", " collate b", "", "", "" },
		{ "select ", "interval 1 day + ", "d", "", "" },
		{ "select 1", " between 1 and 2", "", "", "" },
		{ "", "explain route ", "select 1", "", "" },
		{ "", "set statement a = 1 for ", "select 1", "", "" },
		{ "select 1 ", "/*!50000 ", "", "*/", "" },
		{ "create table t ", "(", "select 1", ")", "" },
		{ "call p", "(", "1", ")", "" },
		{ "select ", "{d ", "'1'", "}", "" },
	};
	static const unsigned depths[] = { 100, 700, 20000, 1000000 };
	struct buf text = { 0 }, printed = { 0 };
	struct sql_stmt *st;
	struct err err;

	for (size_t i = 0; i < ARRAY_N(rows); i++)
		for (size_t k = 0; k < ARRAY_N(depths); k++) {
			int rc;

			deep_text(&text, &rows[i], depths[k]);
			rc = sql_parse(buf_str(&text), &modes[1], &arena, &st, &err);
			if (rc == 0) {
				buf_clear(&printed);
				sql_print_stmt(&printed, st, &modes[1], NULL, NULL);
			} else {
				ck_assert(rc == ERR_SYNTAX || rc == ERR_LIMIT);
				ck_assert(err.errno_ == ER_PARSE_ERROR || err.errno_ == ER_STACK_OVERRUN_NEED_MORE ||
					  err.errno_ == ER_NET_PACKET_TOO_LARGE);
			}
			ck_assert_uint_le(arena.used_bytes, 64 * text.len + (1 << 21));
			arena_reset(&arena);
		}
	buf_free(&text);
	buf_free(&printed);
}
END_TEST

START_TEST(memory_is_bounded_by_the_arena)
{
	struct sql_stmt *st;
	struct err err;
	struct arena a;

	for (size_t limit = 0; limit < 20000; limit += 61) {
		int rc;

		arena_init(&a);
		arena_limit(&a, limit + 1);
		rc = sql_parse(STR("with c as (select 1) select a, 'b''c', count(*) over (partition by d order by e "
				   "rows 1 preceding) "
				   "from t join (select 1 union select 2) u on t.a = u.a where a in (1, 2) group by a "
				   "order by 2"),
			&modes[0], &a, &st, &err);
		ck_assert(rc == 0 || (rc == ERR_LIMIT && err.errno_ == ER_NET_PACKET_TOO_LARGE));
		arena_free(&a);
	}
}
END_TEST

static enum sql_walk_do count(struct sql_node node, void *arg)
{
	unsigned *n = arg;

	n[node.kind]++;
	if (node.kind == SQL_N_EXPR && node.expr->kind == SQL_E_EXISTS)
		return SQL_WALK_SKIP;
	return node.kind == SQL_N_EXPR && node.expr->kind == SQL_E_NULL ? SQL_WALK_STOP : SQL_WALK_ON;
}

START_TEST(the_walk_visits_every_node)
{
	unsigned n[5] = { 0 };

	ck_assert(sql_walk_stmt(
		parse("select a, (select b from u) from t join v on t.x = v.x where exists (select 1) order by c"),
		count, n));
	ck_assert_uint_eq(n[SQL_N_STMT], 1);
	ck_assert_uint_eq(n[SQL_N_QUERY], 2);
	ck_assert_uint_eq(n[SQL_N_SELECT], 2);
	ck_assert_uint_eq(n[SQL_N_TABLE], 4);
	ck_assert_uint_eq(n[SQL_N_EXPR], 8);
	memset(n, 0, sizeof(n));
	ck_assert(!sql_walk_stmt(parse("select a, null, b"), count, n));
	ck_assert_uint_eq(n[SQL_N_EXPR], 2);
}
END_TEST

static bool replace_five(struct buf *b, const struct sql_expr *e, const struct sql_table_ref *t, void *arg)
{
	if (t && str_eqz(t->name.name, "t")) {
		buf_addz(b, arg);
		return true;
	}
	if (e && e->kind == SQL_E_LIT && str_eqz(e->name, "5")) {
		buf_addz(b, "6");
		return true;
	}
	return false;
}

START_TEST(hooks_replace_what_is_printed)
{
	char table[] = "tmp1 AS t";
	struct buf b = { 0 };

	sql_print_stmt(&b, parse("select a + 5 from t join u on a = 5"), &modes[0], replace_five, table);
	ck_assert(str_eqz(buf_str(&b), "SELECT a + 6 FROM tmp1 AS t JOIN u ON a = 6"));
	buf_free(&b);
}
END_TEST

START_TEST(one_expression_is_parsed_by_itself)
{
	struct sql_expr *e;
	struct err err;

	ck_assert_int_eq(sql_parse_expr(STR("a + 1"), &modes[0], &arena, &e, &err), 0);
	ck_assert_int_eq(e->op, SQL_OP_ADD);
	ck_assert_int_eq(sql_parse_expr(STR("a + 1, 2"), &modes[0], &arena, &e, &err), ERR_SYNTAX);
	ck_assert_int_eq(sql_parse_expr(STR("a; b"), &modes[0], &arena, &e, &err), ERR_SYNTAX);
	ck_assert_int_eq(sql_parse_expr(STR(""), &modes[0], &arena, &e, &err), ERR_SYNTAX);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("parse");
	TCase *tc = tcase_create("parse");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, every_statement_prints_to_a_fixpoint);
	tcase_add_test(tc, modes_change_the_tree_and_still_print_to_a_fixpoint);
	tcase_add_test(tc, operators_bind_as_the_manual_says);
	tcase_add_test(tc, joins_lean_to_the_left_as_written);
	tcase_add_test(tc, ordinals_hold_for_every_text_of_a_digest);
	tcase_add_test(tc, insert_rows_and_what_stands_behind_them);
	tcase_add_test(tc, statements_that_are_heads_tell_their_names);
	tcase_add_test(tc, errors_say_what_stands_where);
	tcase_add_test(tc, nesting_is_bounded);
	tcase_add_test(tc, memory_is_bounded_by_the_arena);
	tcase_add_test(tc, the_walk_visits_every_node);
	tcase_add_test(tc, hooks_replace_what_is_printed);
	tcase_add_test(tc, one_expression_is_parsed_by_itself);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
