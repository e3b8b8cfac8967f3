/* test_map_diff.c - two maps of a keyspace: what is said to change, and which key ids would be stranded. For
 * src/cluster/map_diff.c, map_diff_parts.c and map_strands.c.
 * One thread. */
#include "../unit.h"
#include "keyway/cluster/map_diff.h"
#include "keyway/util/buf.h"
#include <stdio.h>

/* A map in short: keyspace fields, shards, tables as they stand in the document; ' for ". */
#define MAP(head, shards, tables)  "{'keyspace':'k','epoch':1" head ",'shards':[" shards "],'tables':{" tables "}}"
#define HASH			   ",'sharding':{'function':'hash'}"
#define RS(range, backends)	   "{'range':'" range "','backends':[" backends "]}"
#define RS_DB(range, db, backends) "{'range':'" range "','database':'" db "','backends':[" backends "]}"
#define PAIR(range, odd, even)                                                                             \
	"{'range':'" range "','kind':'pair','backends':[{'name':'" odd "','host':'" odd "','side':'odd'}," \
	"{'name':'" even "','host':'" even "','side':'even'}]}"
#define P(name)		   "{'name':'" name "','host':'" name "','role':'primary'}"
#define R(name)		   "{'name':'" name "','host':'" name "','role':'replica'}"
#define R_WITH(name, more) "{'name':'" name "','host':'" name "','role':'replica'," more "}"

static struct map_diff diff;
static char *stranded;

static struct keyspace *parse(const char *text)
{
	struct keyspace *ks = NULL;
	struct err err = { 0 };
	char *json = xstrdup(text);

	for (char *p = json; *p; p++)
		*p = *p == '\'' ? '"' : *p;
	if (keyspace_parse(str_of(json), STR(""), &ks, &err) < 0)
		ck_abort_msg("%s\n%s", err.msg, json);
	free(json);
	return ks;
}

static void forget(void)
{
	map_diff_free(&diff);
	free(stranded);
	stranded = NULL;
}

static void compare(const char *old_text, const char *new_text)
{
	struct keyspace *old = old_text ? parse(old_text) : NULL, *new = parse(new_text);
	struct buf list = { 0 };
	char text[KEYRANGE_TEXT_MAX];

	forget();
	map_diff_make(old, new, &diff);
	for (uint32_t i = 0; i < diff.stranded_n; i++)
		buf_addf(&list, "%s%s", i ? " " : "", keyrange_print(diff.stranded[i], text));
	buf_add_u8(&list, 0);
	stranded = xstrdup((const char *)buf_head(&list));
	buf_free(&list);
	keyspace_unref(old);
	keyspace_unref(new);
}

static const struct map_change *said(const char *words)
{
	for (uint32_t i = 0; i < diff.n; i++) {
		if (strstr(diff.changes[i].text.p, words))
			return &diff.changes[i];
	}
	for (uint32_t i = 0; i < diff.n; i++)
		fprintf(stderr, "  %s: %s\n", map_change_class_name(diff.changes[i].class), diff.changes[i].text.p);
	ck_abort_msg("nothing says '%s'", words);
}

static const char *moved(void)
{
	static char text[KEY_SHARE_TEXT_MAX];

	return key_share_print(diff.moved, text);
}

#define TWO_TABLES "'t':{'key':'id'},'r':{'kind':'reference'}"
#define TWO	   MAP(HASH, RS("-80", P("a") "," R("a2")) "," RS("80-", P("b") "," R("b2")), TWO_TABLES)

START_TEST(equal_maps_have_no_changes)
{
	compare(TWO, TWO);
	ck_assert_uint_eq(diff.n, 0);
	ck_assert_uint_eq(diff.stranded_n, 0);
	ck_assert_str_eq(moved(), "0 %");
	/* another order and form of the same */
	compare(TWO, MAP(HASH, RS("8000-", R("b2") "," P("b")) "," RS("-80", P("a") "," R("a2")), TWO_TABLES));
	ck_assert_uint_eq(diff.n, 0);
	compare(NULL, TWO);
	ck_assert_uint_eq(diff.n, 1);
	said("new: 2 shards, 2 tables");
}
END_TEST

START_TEST(a_split_by_hand_strands_what_moves)
{
	compare(TWO, MAP(HASH, RS("-40", P("a") "," R("a2")) "," RS("40-80", P("c")) "," RS("80-", P("b") "," R("b2")),
			     TWO_TABLES));
	said("shard -80 is split into -40 and 40-80");
	ck_assert_str_eq(said("key ids go from a of shard -80 to c of shard 40-80")->text.p,
		"key ids go from a of shard -80 to c of shard 40-80");
	said("backend c (c:3306) is new in shard 40-80 as primary");
	said("c (c:3306) would serve shard 40-80 and does not hold its rows");
	said("a (a:3306) holds rows that shard -40 shall not own");
	said("reference tables: c (c:3306) would serve");
	ck_assert_str_eq(moved(), "25 %");
	ck_assert_str_eq(stranded, "40-80");
}
END_TEST

START_TEST(a_replica_is_no_half_of_a_split)
{
	/* both would hold all rows, and a read of all shards would find each twice */
	compare(TWO,
		MAP(HASH, RS("-40", P("a")) "," RS("40-80", P("a2")) "," RS("80-", P("b") "," R("b2")), TWO_TABLES));
	ck_assert_str_eq(moved(), "25 %");
	ck_assert_str_eq(stranded, "-80");
	said("backend a2 goes from shard -80 to 40-80 as primary");
}
END_TEST

START_TEST(a_merge_strands_what_the_other_held)
{
	compare(TWO, MAP(HASH, RS("-", P("a") "," R("a2")), TWO_TABLES));
	said("shards -80 and 80- are merged into -");
	said("backend b (b:3306) leaves shard 80-, where it was primary");
	ck_assert_str_eq(moved(), "50 %");
	ck_assert_str_eq(stranded, "80-");
}
END_TEST

START_TEST(bounds_that_move_strand_what_lies_between)
{
	compare(TWO, MAP(HASH, RS("-90", P("a") "," R("a2")) "," RS("90-", P("b") "," R("b2")), TWO_TABLES));
	said("the shards -80 and 80- are cut anew: -90 and 90-");
	ck_assert_str_eq(moved(), "6.25 %");
	ck_assert_str_eq(stranded, "80-90");
	compare(MAP(HASH, RS("-40", P("a")) "," RS("40-80", P("b")) "," RS("80-", P("c")), ""),
		MAP(HASH, RS("-40", P("a")) "," RS("40-c0", P("b")) "," RS("c0-", P("c")), ""));
	ck_assert_str_eq(stranded, "80-c0");
	compare(MAP(HASH, RS("-40", P("a")) "," RS("40-c0", P("b")) "," RS("c0-", P("c")), ""),
		MAP(HASH, RS("-80", P("a")) "," RS("80-", P("c")), ""));
	said("the shards -40, 40-c0 and c0- are cut anew: -80 and 80-");
	ck_assert_str_eq(stranded, "40-c0");
	ck_assert_str_eq(moved(), "50 %");
}
END_TEST

START_TEST(shards_that_change_places_strand_all)
{
	compare(TWO, MAP(HASH, RS("-80", P("b") "," R("b2")) "," RS("80-", P("a") "," R("a2")), TWO_TABLES));
	ck_assert_str_eq(moved(), "100 %");
	ck_assert_str_eq(stranded, "-");
	said("backend a goes from shard -80 to 80- as primary");
}
END_TEST

START_TEST(a_switchover_strands_nothing)
{
	compare(TWO, MAP(HASH, RS("-80", R("a") "," P("a2")) "," RS("80-", P("b") "," R("b2")), TWO_TABLES));
	ck_assert_int_eq(
		said("shard -80: its primary is a2 (a2:3306) instead of a (a:3306), and was its replica")->class,
		CHANGE_TRAFFIC);
	said("backend a of shard -80 is replica of weight 100, not primary");
	ck_assert_uint_eq(diff.stranded_n, 0);
	ck_assert_str_eq(moved(), "0 %");
}
END_TEST

START_TEST(a_primary_from_elsewhere_strands_its_shard)
{
	compare(TWO, MAP(HASH, RS("-80", P("x") "," R("a2")) "," RS("80-", P("b") "," R("b2")), TWO_TABLES));
	ck_assert_str_eq(stranded, "-80");
	ck_assert_str_eq(moved(), "50 %");
	said("the old map does not know this server");
	/* the same name is no proof */
	compare(MAP("", RS("-", P("a")), ""),
		MAP("", RS("-", "{'name':'a','host':'a','port':3307,'role':'primary'}"), ""));
	said("backend a is another server: a (a:3307) instead of a (a:3306)");
	ck_assert_str_eq(stranded, "-");
	/* nor is the database of another name */
	compare(MAP("", RS_DB("-", "x", P("a")), ""), MAP("", RS_DB("-", "y", P("a")), ""));
	said("shard -: its database is y instead of x");
	ck_assert_str_eq(stranded, "-");
	compare(MAP(",'database':'x'", RS("-", P("a")), ""), MAP(",'database':'y'", RS("-", P("a")), ""));
	said("the default database on the servers is y instead of x");
	ck_assert_str_eq(stranded, "-");
}
END_TEST

START_TEST(replicas_come_and_go)
{
	compare(TWO,
		MAP(HASH, RS("-80", P("a") "," R("a3")) "," RS("80-", P("b") "," R_WITH("b2", "'weight':7,'az':'z'")),
			TWO_TABLES));
	said("backend a3 (a3:3306) is new in shard -80 as replica of weight 100");
	said("backend a2 (a2:3306) leaves shard -80");
	said("backend b2 of shard 80- takes reads with weight 7 instead of 100");
	said("backend b2 is in zone z instead of none");
	ck_assert_uint_eq(diff.stranded_n, 0);
	compare(TWO, MAP(HASH,
			     RS("-80", P("a") "," R_WITH("a2", "'state':'drained','region':'e'")) "," RS(
				     "80-", P("b") "," R("b2")),
			     TWO_TABLES));
	said("backend a2 of shard -80 is drained, not serving");
	said("backend a2 is in region e instead of none");
	ck_assert_uint_eq(diff.n, 2);
	/* one that was another shard's has the wrong rows */
	compare(TWO, MAP(HASH, RS("-80", P("a") "," R("b2")) "," RS("80-", P("b") "," R("a2")), TWO_TABLES));
	ck_assert_str_eq(stranded, "-");
}
END_TEST

START_TEST(with_an_automatic_primary_one_server_that_fits_is_enough)
{
#define AUTO(backends) MAP("", "{'primary':'auto','backends':[" backends "]}", "")
	compare(AUTO(R("a") "," R("b")), AUTO(R("x") "," R("b")));
	ck_assert_uint_eq(diff.stranded_n, 0);
	compare(AUTO(R("a") "," R("b")), AUTO(R("x") "," R("y")));
	ck_assert_str_eq(stranded, "-");
	compare(MAP("", RS("-", P("a") "," R("b")), ""), AUTO(R("a") "," R("b")));
	ck_assert_int_eq(said("whichever server is writable is its primary")->class, CHANGE_HARMLESS);
	ck_assert_uint_eq(diff.stranded_n, 0);
}
END_TEST

START_TEST(pairs_keep_both_sides)
{
	compare(MAP("", PAIR("-", "a", "b"), ""), MAP("", PAIR("-", "b", "a"), ""));
	said("backend a of shard - is even side, not odd side");
	ck_assert_uint_eq(diff.stranded_n, 0);
	compare(MAP("", PAIR("-", "a", "b"), ""), MAP("", PAIR("-", "a", "c"), ""));
	ck_assert_str_eq(stranded, "-");
	ck_assert_str_eq(moved(), "100 %");
	compare(MAP("", RS("-", P("a") "," R("b")), ""), MAP("", PAIR("-", "a", "b"), ""));
	said("shard - is a pair instead of a replica set");
	ck_assert_uint_eq(diff.stranded_n, 0);
	compare(MAP("", RS("-", P("a")), ""), MAP("", PAIR("-", "a", "b"), ""));
	ck_assert_str_eq(stranded, "-");
	compare(MAP("", PAIR("-", "a", "b"), ""), MAP("", RS("-", P("b")), ""));
	ck_assert_uint_eq(diff.stranded_n, 0);
}
END_TEST

#define SHARDS RS("-80", P("a")) "," RS("80-", P("b"))

START_TEST(tables_that_change_their_rule)
{
	static const struct {
		const char *old, *new, *says, *strands;
	} rows[] = {
		{ "'t':{'key':'id'}", "'t':{'key':'no'}",
			"table t is sharded by no (hash) instead of sharded by id (hash)", "-" },
		{ "'t':{'key':'id'}", "'t':{'key':'id','function':'range'}", "sharded by id (range)", "-" },
		{ "'t':{'key':'id'}", "'t':{'kind':'reference'}", "table t is a reference table", "-" },
		{ "'t':{'kind':'reference'}", "'t':{'key':'id'}", "holds rows that shard 80- shall not own", "-" },
		{ "'t':{'kind':'reference'}", "'t':{'kind':'pinned','shard':'-80'}", "pinned to shard -80", "" },
		{ "'t':{'kind':'pinned','shard':'-80'}", "'t':{'kind':'reference'}", "b (b:3306) would serve", "80-" },
		{ "'t':{'kind':'pinned','shard':'-80'}", "'t':{'kind':'pinned','shard':'80-'}",
			"pinned to shard 80- instead of pinned to shard -80", "80-" },
		{ "'t':{'kind':'pinned','shard':'-80'}", "'t':{'key':'id'}", "b (b:3306) would serve", "80-" },
		{ "'t':{'key':'id'}", "'t':{'kind':'pinned','shard':'-80'}", "a (a:3306) would serve", "-80" },
		{ "'t':{'key':'id'}", "", "table t is listed no more: it was sharded by id (hash), and statements",
			"" },
		{ "", "'t':{'key':'id'}", "table t is listed: it is sharded by id (hash)", "" },
		{ "'t':{'key':'id'}", "'t':{'key':'id','side_by':'n'}", "decided by n instead of none", "" },
		{ "'t':{'key':'id'}", "'t':{'key':'id','id':{'column':'id','allocator':'m'}}",
			"has its ids from allocator m as k.t for id instead of nowhere", "" },
	};

	for (size_t i = 0; i < ARRAY_N(rows); i++) {
		char *old = xasprintf(MAP(HASH, SHARDS, "%s"), rows[i].old);
		char *new = xasprintf(MAP(HASH, SHARDS, "%s"), rows[i].new);

		compare(old, new);
		said(rows[i].says);
		ck_assert_msg(strcmp(stranded, rows[i].strands) == 0, "%s: stranded '%s'", rows[i].says, stranded);
		ck_assert_str_eq(moved(), "0 %");
		free(old);
		free(new);
	}
}
END_TEST

START_TEST(a_single_shard_strands_nothing_by_rules)
{
	compare(MAP("", RS("-", P("a")), ""), MAP(HASH, RS("-", P("a")), TWO_TABLES));
	said("the sharding function is hash instead of none");
	said("statements with tables that are not listed are refused");
	ck_assert_uint_eq(diff.stranded_n, 0);
	compare(MAP(HASH, RS("-", P("a")), "'t':{'key':'id'}"),
		MAP(",'sharding':{'function':'parity'}", RS("-", P("a")), "'t':{'key':'no'}"));
	said("the sharding function is parity instead of hash");
	ck_assert_uint_eq(diff.stranded_n, 0);
	compare(MAP(HASH, RS("-", P("a")), "'t':{'key':'id'}"), MAP("", RS("-", P("a")), ""));
	said("and is pinned to shard -");
	ck_assert_uint_eq(diff.stranded_n, 0);
	compare(MAP(HASH, RS("-", P("a")), "'t':{'key':'id'}"), MAP("", RS("-", P("x")), ""));
	ck_assert_str_eq(stranded, "-");
}
END_TEST

START_TEST(from_one_server_to_shards)
{
	compare(MAP("", RS("-", P("a")), ""), MAP(HASH, RS("-80", P("a")) "," RS("80-", P("b")), "'t':{'key':'id'}"));
	ck_assert_str_eq(stranded, "80-");
	/* an unlisted table stays where it is */
	compare(MAP("", RS("-", P("a")), ""),
		"{'keyspace':'k','epoch':2,'sharding':{'function':'hash'},'shards':[" RS("-80", P("a")) "," RS(
			"80-", P("b")) "],"
				       "'default_table':{'kind':'pinned','shard':'-80'}}");
	ck_assert_uint_eq(diff.stranded_n, 0);
	compare(MAP("", RS("-", P("a")), "'t':{}"),
		"{'keyspace':'k','epoch':2,'sharding':{'function':'hash'},'shards':[" RS("-80", P("a")) "," RS(
			"80-", P("b")) "],"
				       "'default_table':{'kind':'pinned','shard':'80-'}}");
	ck_assert_str_eq(stranded, "80-");
	compare("{'keyspace':'*','epoch':1,'shards':[" RS("-", P("a")) "]}",
		"{'keyspace':'*','epoch':2,'shards':[" RS("-", P("b")) "]}");
	ck_assert_str_eq(stranded, "-");
}
END_TEST

START_TEST(another_function_moves_all_rows)
{
	compare(MAP(HASH, SHARDS, "'t':{'key':'id'},'u':{'key':'id','function':'range'}"),
		MAP(",'sharding':{'function':'range'}", SHARDS, "'t':{'key':'id','function':'hash'},'u':{'key':'id'}"));
	said("the sharding function is range instead of hash");
	ck_assert_uint_eq(diff.stranded_n, 0); /* each table has its function still */
	compare(MAP(HASH, SHARDS, "'t':{'key':'id'}"),
		MAP(",'sharding':{'function':'range'}", SHARDS, "'t':{'key':'id'}"));
	ck_assert_str_eq(stranded, "-");
}
END_TEST

#define DIRECTORY(entries, more) ",'sharding':{'function':'directory','entries':{" entries "}" more "}"

START_TEST(directory_entries_strand_their_value)
{
	const char *old = MAP(DIRECTORY("'7':'10','8':'90'", ""), SHARDS, "'t':{'key':'id'}");

	compare(old, MAP(DIRECTORY("'8':'90','7':'20'", ""), SHARDS, "'t':{'key':'id'}"));
	ck_assert_int_eq(said("gives the value '7' the key id 2000000000000000 instead of 1000000000000000")->class,
		CHANGE_HARMLESS);
	ck_assert_uint_eq(diff.stranded_n, 0);
	compare(old, MAP(DIRECTORY("'7':'a0','8':'90'", ""), SHARDS, "'t':{'key':'id'}"));
	ck_assert_str_eq(stranded, "a0-a000000000000001");
	compare(old, MAP(DIRECTORY("'7':'10','8':'90','9':'c0'", ""), SHARDS, "'t':{'key':'id'}"));
	said("has the value '9' now");
	ck_assert_str_eq(stranded, "c0-c000000000000001");
	compare(old, MAP(DIRECTORY("'7':'10'", ""), SHARDS, "'t':{'key':'id'}"));
	said("has the value '8' no more");
	ck_assert_str_eq(stranded, "90-9000000000000001");
	compare(old, MAP(DIRECTORY("'7':'10','8':'90'", ",'fallback':'range'"), SHARDS, "'t':{'key':'id'}"));
	said("fallback function is range instead of hash");
	ck_assert_str_eq(stranded, "-");
}
END_TEST

START_TEST(many_directory_entries_are_told_together)
{
	struct buf entries = { 0 };
	char *new;

	for (int i = 0; i < 40; i++)
		buf_addf(&entries, "%s'%d':'%02x'", i ? "," : "", i, i);
	new = xasprintf(MAP(DIRECTORY("%.*s", ""), SHARDS, "'t':{'key':'id'}"), (int)buf_used(&entries),
		(const char *)buf_head(&entries));
	compare(MAP(DIRECTORY("'x':'10'", ""), SHARDS, "'t':{'key':'id'}"), new);
	said("more than 32 entries of the directory");
	ck_assert_str_eq(stranded, "-");
	buf_free(&entries);
	free(new);
}
END_TEST

START_TEST(exactly_the_stranded_ranges_must_be_named)
{
	struct keyrange r[3];
	const char *why;

	compare(TWO, MAP(HASH, RS("-40", P("a")) "," RS("40-80", P("c")) "," RS("80-", P("b")), TWO_TABLES));
	ck_assert_int_eq(keyrange_parse(STR("40-80"), &r[0], &why), 0);
	ck_assert(map_diff_stranded_is(&diff, r, 1));
	ck_assert(!map_diff_stranded_is(&diff, r, 0));
	/* in pieces, in any order */
	ck_assert_int_eq(keyrange_parse(STR("60-80"), &r[0], &why), 0);
	ck_assert_int_eq(keyrange_parse(STR("40-60"), &r[1], &why), 0);
	ck_assert(map_diff_stranded_is(&diff, r, 2));
	ck_assert(!map_diff_stranded_is(&diff, r, 1));
	/* more than what is stranded is no knowledge of it */
	ck_assert_int_eq(keyrange_parse(STR("80-"), &r[2], &why), 0);
	ck_assert(!map_diff_stranded_is(&diff, r, 3));
	compare(TWO, TWO);
	ck_assert(map_diff_stranded_is(&diff, r, 0));
	ck_assert(!map_diff_stranded_is(&diff, r, 1));
}
END_TEST

START_TEST(shares_are_exact)
{
	static const struct {
		struct keyrange r;
		const char *want;
	} rows[] = {
		{ { 0, UINT64_MAX }, "100 %" },
		{ { 0, UINT64_MAX - 1 }, "100 %" },
		{ { 0, UINT64_MAX / 2 }, "50 %" },
		{ { 0, (UINT64_C(1) << 61) - 1 }, "12.5 %" },
		{ { 0, (UINT64_C(1) << 56) - 1 }, "0.3906 %" },
		{ { 0, (UINT64_C(1) << 44) - 1 }, "0.0001 %" },
		{ { 5, 5 }, "less than 0.0001 %" },
		{ { 0, UINT64_C(3) << 62 }, "75 %" },
	};
	char text[KEY_SHARE_TEXT_MAX];

	for (size_t i = 0; i < ARRAY_N(rows); i++)
		ck_assert_str_eq(key_share_print(keyrange_ids(rows[i].r), text), rows[i].want);
	ck_assert_str_eq(key_share_print(0, text), "0 %");
}
END_TEST

static void add(TCase *t)
{
	tcase_add_checked_fixture(t, NULL, forget);
	tcase_add_test(t, equal_maps_have_no_changes);
	tcase_add_test(t, a_split_by_hand_strands_what_moves);
	tcase_add_test(t, a_replica_is_no_half_of_a_split);
	tcase_add_test(t, a_merge_strands_what_the_other_held);
	tcase_add_test(t, bounds_that_move_strand_what_lies_between);
	tcase_add_test(t, shards_that_change_places_strand_all);
	tcase_add_test(t, a_switchover_strands_nothing);
	tcase_add_test(t, a_primary_from_elsewhere_strands_its_shard);
	tcase_add_test(t, replicas_come_and_go);
	tcase_add_test(t, with_an_automatic_primary_one_server_that_fits_is_enough);
	tcase_add_test(t, pairs_keep_both_sides);
	tcase_add_test(t, tables_that_change_their_rule);
	tcase_add_test(t, a_single_shard_strands_nothing_by_rules);
	tcase_add_test(t, from_one_server_to_shards);
	tcase_add_test(t, another_function_moves_all_rows);
	tcase_add_test(t, directory_entries_strand_their_value);
	tcase_add_test(t, many_directory_entries_are_told_together);
	tcase_add_test(t, exactly_the_stranded_ranges_must_be_named);
	tcase_add_test(t, shares_are_exact);
}

int main(void)
{
	return run_tests("map_diff", add);
}
