/* test_etcd_answer.c - etcd's answers, as it gives them and as it must not. For src/store/etcd_answer.c. One thread. */
#include "etcd_answer.h"
#include "../unit.h"

#define HEADER "\"header\":{\"cluster_id\":\"14\",\"member_id\":\"11\",\"revision\":\"3\",\"raft_term\":\"2\"}"
/* "/k/a" = "v1", "/k/b" without a value */
#define KVS                                                                                                  \
	"\"kvs\":[{\"key\":\"L2svYQ==\",\"create_revision\":\"2\",\"mod_revision\":\"3\",\"version\":\"2\"," \
	"\"value\":\"djE=\"},{\"key\":\"L2svYg==\",\"create_revision\":\"2\",\"mod_revision\":\"2\"}],\"count\":\"2\""

START_TEST(a_range)
{
	struct etcd_header h;
	struct etcd_range r;
	struct err err;

	ck_assert_int_eq(etcd_read_range(STR("{" HEADER ", " KVS "}"), "/k/", &h, &r, &err), 0);
	ck_assert_uint_eq(h.cluster_id, 14);
	ck_assert_uint_eq(h.revision, 3);
	ck_assert_uint_eq(r.count, 2);
	ck_assert_uint_eq(r.items.n, 2);
	ck_assert_str_eq(r.items.v[0].key, "a");
	ck_assert_str_eq(r.items.v[0].value, "v1");
	ck_assert_uint_eq(r.items.v[0].version, 3);
	ck_assert_str_eq(r.items.v[1].value, "");
	etcd_range_free(&r);
	ck_assert_int_eq(etcd_read_range(STR("{" HEADER "}"), "/k/", &h, &r, &err), 0);
	ck_assert_uint_eq(r.items.n, 0);
}
END_TEST

static const char *const bad_ranges[] = {
	"",
	"{",
	"[]",
	"{}",
	"null",
	"{\"header\":7}",
	"{\"header\":{\"revision\":\"x\"}}",
	"{\"header\":{\"revision\":\"-1\"}}",
	"{\"header\":{\"revision\":-1}}",
	"{\"header\":{\"revision\":\"99999999999999999999\"}}",
	"{\"header\":{\"revision\":1.5}}",
	"{" HEADER ",\"kvs\":{}}",
	"{" HEADER ",\"kvs\":[7]}",
	"{" HEADER ",\"kvs\":[{}]}",
	"{" HEADER ",\"kvs\":[{\"key\":\"L2svYQ==\"}]}",
	"{" HEADER ",\"kvs\":[{\"key\":\"L2svYQ=\",\"mod_revision\":\"2\"}]}",
	"{" HEADER ",\"kvs\":[{\"key\":\"L3gvYQ==\",\"mod_revision\":\"2\"}]}",
	"{" HEADER ",\"kvs\":[{\"key\":\"L2s=\",\"mod_revision\":\"2\"}]}",
	"{" HEADER ",\"kvs\":[{\"key\":\"L2svYQ==\",\"mod_revision\":\"2\",\"value\":\"!\"}]}",
	"{" HEADER ",\"count\":[]}",
	"{" HEADER "," KVS,
};

START_TEST(bad_ranges_are_refused)
{
	struct etcd_header h;
	struct etcd_range r;
	struct err err;

	ck_assert_msg(
		etcd_read_range(str_of(bad_ranges[_i]), "/k/", &h, &r, &err) == ERR_MALFORMED, "%s", bad_ranges[_i]);
	ck_assert_uint_eq(r.items.n, 0);
}
END_TEST

START_TEST(keys_that_cannot_be_named_are_left_out)
{
	struct etcd_header h;
	struct etcd_range r;
	struct err err;

	/* "/k/" alone, "/k//", "/k/a\0b", "/k/.." */
	ck_assert_int_eq(etcd_read_range(STR("{" HEADER ",\"count\":\"4\",\"kvs\":["
					     "{\"key\":\"L2sv\",\"mod_revision\":\"2\"},"
					     "{\"key\":\"L2svLw==\",\"mod_revision\":\"2\"},"
					     "{\"key\":\"L2svYQBi\",\"mod_revision\":\"2\"},"
					     "{\"key\":\"L2svLi4=\",\"mod_revision\":\"2\"}]}"),
				 "/k/", &h, &r, &err),
		0);
	ck_assert_uint_eq(r.items.n, 0);
	ck_assert_uint_eq(r.count, 4);
	etcd_range_free(&r);
}
END_TEST

START_TEST(a_transaction)
{
	struct etcd_header h;
	struct etcd_range r[2];
	struct err err;
	bool succeeded;

	ck_assert_int_eq(etcd_read_txn(STR("{" HEADER ",\"succeeded\":true,\"responses\":[{\"response_put\":{}}]}"),
				 "/k/", &h, &succeeded, NULL, 0, &err),
		0);
	ck_assert(succeeded);
	ck_assert_int_eq(etcd_read_txn(STR("{" HEADER "}"), "/k/", &h, &succeeded, NULL, 0, &err), 0);
	ck_assert(!succeeded);
	ck_assert_int_eq(etcd_read_txn(STR("{" HEADER ",\"responses\":[{\"response_range\":{" KVS "}},"
					   "{\"response_range\":{}}]}"),
				 "/k/", &h, &succeeded, r, 2, &err),
		0);
	ck_assert_uint_eq(r[0].items.n, 2);
	ck_assert_uint_eq(r[1].items.n, 0);
	etcd_range_free(&r[0]);
	etcd_range_free(&r[1]);
	ck_assert_int_eq(etcd_read_txn(STR("{" HEADER ",\"responses\":[{\"response_range\":{" KVS "}}]}"), "/k/", &h,
				 &succeeded, r, 2, &err),
		ERR_MALFORMED);
	ck_assert_int_eq(etcd_read_txn(STR("{" HEADER ",\"responses\":[{\"response_range\":{" KVS "}},{}]}"), "/k/", &h,
				 &succeeded, r, 2, &err),
		ERR_MALFORMED);
	ck_assert_int_eq(etcd_read_txn(STR("{}"), "/k/", &h, &succeeded, NULL, 0, &err), ERR_MALFORMED);
}
END_TEST

START_TEST(errors_of_both_versions)
{
	struct etcd_error e;

	etcd_read_error(STR("{\"error\":\"x\",\"message\":\"permission denied\",\"code\":7}"), &e);
	ck_assert_int_eq(e.code, ETCD_DENIED);
	ck_assert_str_eq(e.message, "permission denied");
	etcd_read_error(STR("{\"code\":16, \"message\":\"invalid auth token\"}"), &e);
	ck_assert_int_eq(e.code, ETCD_NO_TOKEN);
	etcd_read_error(STR("<html>502 Bad Gateway</html>"), &e);
	ck_assert_int_eq(e.code, ETCD_UNKNOWN);
	ck_assert_str_eq(e.message, "<html>502 Bad Gateway</html>");
	etcd_read_error(STR("{\"code\":\"x\",\"message\":7}"), &e);
	ck_assert_int_eq(e.code, ETCD_UNKNOWN);
	ck_assert_str_eq(e.message, "");
	etcd_read_error(str_make(NULL, 0), &e);
	ck_assert_int_eq(e.code, ETCD_UNKNOWN);
}
END_TEST

START_TEST(lines_of_a_watch)
{
	struct etcd_line l;
	struct err err;

	ck_assert_int_eq(etcd_read_line(STR("{\"result\":{" HEADER ",\"created\":true}}"), "/k/", &l, &err), 0);
	ck_assert(l.created && !l.canceled && !l.failed && l.event_n == 0);
	ck_assert_int_eq(etcd_read_line(STR("{\"result\":{" HEADER ",\"canceled\":true,\"compact_revision\":\"4\"}}"),
				 "/k/", &l, &err),
		0);
	ck_assert(l.canceled);
	ck_assert_uint_eq(l.compact_revision, 4);
	ck_assert_int_eq(
		etcd_read_line(STR("{\"error\":{\"grpc_code\":14,\"message\":\"no leader\"}}"), "/k/", &l, &err), 0);
	ck_assert(l.failed);
	ck_assert_int_eq(l.error.code, ETCD_UNAVAILABLE);
	ck_assert_int_eq(
		etcd_read_line(STR("{\"result\":{" HEADER ",\"events\":["
				   "{\"kv\":{\"key\":\"L2svYQ==\",\"mod_revision\":\"3\",\"value\":\"djE=\"}},"
				   "{\"type\":\"DELETE\",\"kv\":{\"key\":\"L2svYg==\",\"mod_revision\":\"3\"}}]}}"),
			"/k/", &l, &err),
		0);
	ck_assert_uint_eq(l.event_n, 2);
	ck_assert_str_eq(l.events[0].item.key, "a");
	ck_assert_str_eq(l.events[0].item.value, "v1");
	ck_assert_str_eq(l.events[1].item.key, "b");
	ck_assert_ptr_null(l.events[1].item.value);
	etcd_line_free(&l);
}
END_TEST

static const char *const bad_lines[] = {
	"",
	"{}",
	"[]",
	"{\"result\":7}",
	"{\"result\":{}}",
	"{\"error\":\"x\"}",
	"{\"result\":{" HEADER ",\"events\":7}}",
	"{\"result\":{" HEADER ",\"events\":[{}]}}",
	"{\"result\":{" HEADER
	",\"events\":[{\"kv\":{\"key\":\"L2svYQ==\",\"mod_revision\":\"3\",\"value\":\"djE=\"}},7]}}",
	"{\"result\":{" HEADER
	",\"events\":[{\"type\":\"MOVE\",\"kv\":{\"key\":\"L2svYQ==\",\"mod_revision\":\"3\"}}]}}",
	"{\"result\":{" HEADER ",\"compact_revision\":\"x\"}}",
	"{\"result\":{" HEADER,
};

START_TEST(bad_lines_are_refused)
{
	struct etcd_line l;
	struct err err;

	ck_assert_msg(etcd_read_line(str_of(bad_lines[_i]), "/k/", &l, &err) == ERR_MALFORMED, "%s", bad_lines[_i]);
	ck_assert_ptr_null(l.events);
}
END_TEST

START_TEST(numbers_and_texts)
{
	struct err err;
	uint64_t n;
	char *s;

	ck_assert_int_eq(etcd_read_number(STR("{\"ID\":\"2228897019759800088\"}"), NULL, "ID", &n, &err), 0);
	ck_assert_uint_eq(n, 2228897019759800088u);
	ck_assert_int_eq(etcd_read_number(STR("{\"result\":{\"ID\":\"7\"}}"), "result", "TTL", &n, &err), 0);
	ck_assert_uint_eq(n, 0);
	ck_assert_int_eq(etcd_read_number(STR("{}"), "result", "TTL", &n, &err), ERR_MALFORMED);
	ck_assert_int_eq(etcd_read_number(STR("{\"ID\":\"7x\"}"), NULL, "ID", &n, &err), ERR_MALFORMED);
	s = etcd_read_text(STR("{\"token\":\"a.1\"}"), "token");
	ck_assert_str_eq(s, "a.1");
	free(s);
	ck_assert_ptr_null(etcd_read_text(STR("{\"token\":7}"), "token"));
}
END_TEST

START_TEST(the_end_of_a_range)
{
	static const struct {
		const char *prefix, *end;
	} c[] = { { "/k/", "/k0" }, { "a\xff", "b" }, { "a\xff\xff", "b" }, { "\xff", "" }, { "az", "a{" } };

	for (size_t i = 0; i < ARRAY_N(c); i++) {
		char *end = etcd_range_end(c[i].prefix);

		ck_assert_str_eq(end, c[i].end);
		free(end);
	}
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, a_range);
	tcase_add_loop_test(tc, bad_ranges_are_refused, 0, (int)ARRAY_N(bad_ranges));
	tcase_add_test(tc, keys_that_cannot_be_named_are_left_out);
	tcase_add_test(tc, a_transaction);
	tcase_add_test(tc, errors_of_both_versions);
	tcase_add_test(tc, lines_of_a_watch);
	tcase_add_loop_test(tc, bad_lines_are_refused, 0, (int)ARRAY_N(bad_lines));
	tcase_add_test(tc, numbers_and_texts);
	tcase_add_test(tc, the_end_of_a_range);
}

int main(void)
{
	return run_tests("etcd_answer", add);
}
