/* test_answer.c - bodies of HTTP answers: what is an id and what is not.
 * For src/ids/answer.c.
 * One thread. */
#include "answer.h"
#include <check.h>

enum shape { NUMBER, ID, LAST, COUNT, BOTH };

static void shape_conf(struct alloc_conf *c, enum shape shape)
{
	memset(c, 0, sizeof(*c));
	if (shape == ID)
		c->at_id = "/data/0/id~1x";
	if (shape >= LAST)
		c->at_first = "/first";
	if (shape == LAST || shape == BOTH)
		c->at_last = "/last";
	if (shape == COUNT || shape == BOTH)
		c->at_count = "/count";
}

static const struct good {
	enum shape shape;
	uint64_t step;
	const char *body;
	uint64_t first, n;
} goods[] = {
	{ NUMBER, 1, "42", 42, 1 },
	{ NUMBER, 1, " 42\r\n", 42, 1 },
	{ NUMBER, 1, "9223372036854775807", INT64_MAX, 1 },
	{ ID, 1, "{\"data\":[{\"id/x\":7}]}", 7, 1 },
	{ ID, 1, "{\"data\":[{\"id/x\":\"9223372036854775807\"}]}", INT64_MAX, 1 },
	{ ID, 1, "{\"data\":[{\"id/x\":9007199254740993}]}", 9007199254740993ull, 1 },
	{ LAST, 1, "{\"first\":1,\"last\":1000}", 1, 1000 },
	{ LAST, 2, "{\"first\":\"1\",\"last\":\"999\"}", 1, 500 },
	{ COUNT, 1, "{\"first\":5,\"count\":10}", 5, 10 },
	{ BOTH, 2, "{\"first\":5,\"last\":9,\"count\":3}", 5, 3 },
};

START_TEST(good_bodies)
{
	const struct good *g = &goods[_i];
	struct alloc_conf c;
	struct grab_run run;
	char why[200];

	shape_conf(&c, g->shape);
	ck_assert_msg(answer_parse(&c, g->step, str_of(g->body), &run, why, sizeof(why)) == 0, "%s: %s", g->body, why);
	ck_assert_uint_eq(run.first, g->first);
	ck_assert_uint_eq(run.n, g->n);
}
END_TEST

static const struct {
	enum shape shape;
	const char *body;
} bads[] = {
	{ NUMBER, "" },
	{ NUMBER, "-1" },
	{ NUMBER, "+1" },
	{ NUMBER, "1 2" },
	{ NUMBER, "1.0" },
	{ NUMBER, "1e3" },
	{ NUMBER, "0x10" },
	{ NUMBER, "18446744073709551616" },
	{ NUMBER, "{\"id\":1}" },
	{ NUMBER, "error" },
	{ ID, "" },
	{ ID, "7" },
	{ ID, "{\"data\":[{\"id/x\":7}" },
	{ ID, "{\"data\":[{\"id/x\":7}]} x" },
	{ ID, "{\"data\":[{\"id/x\":7.0}]}" },
	{ ID, "{\"data\":[{\"id/x\":1e18}]}" },
	{ ID, "{\"data\":[{\"id/x\":-7}]}" },
	{ ID, "{\"data\":[{\"id/x\":null}]}" },
	{ ID, "{\"data\":[{\"id/x\":true}]}" },
	{ ID, "{\"data\":[{\"id/x\":\"\"}]}" },
	{ ID, "{\"data\":[{\"id/x\":\"7 \"}]}" },
	{ ID, "{\"data\":[{\"id/x\":9223372036854775808}]}" },
	{ ID, "{\"data\":[{\"id/x\":7,\"id/x\":8}]}" },
	{ ID, "{\"data\":[]}" },
	{ ID, "{\"data\":{}}" },
	{ LAST, "{\"first\":10,\"last\":9}" },
	{ LAST, "{\"first\":10,\"last\":13}" },
	{ LAST, "{\"first\":10}" },
	{ LAST, "{\"first\":0,\"last\":18446744073709551615}" },
	{ COUNT, "{\"first\":10,\"count\":-1}" },
	{ COUNT, "{\"count\":1}" },
	{ BOTH, "{\"first\":5,\"last\":9,\"count\":4}" },
};

START_TEST(bad_bodies)
{
	struct alloc_conf c;
	struct grab_run run;
	char why[200];

	shape_conf(&c, bads[_i].shape);
	ck_assert_msg(answer_parse(&c, 2, str_of(bads[_i].body), &run, why, sizeof(why)) == -1, "%s", bads[_i].body);
	ck_assert(why[0]);
}
END_TEST

START_TEST(deep_nesting_is_refused)
{
	static char body[60000];
	struct alloc_conf c;
	struct grab_run run;
	char why[200];

	memset(body, '[', sizeof(body));
	shape_conf(&c, ID);
	ck_assert_int_eq(answer_parse(&c, 1, str_make(body, sizeof(body)), &run, why, sizeof(why)), -1);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("answer");
	TCase *tc = tcase_create("answer");
	SRunner *r;
	int failed;

	tcase_add_loop_test(tc, good_bodies, 0, (int)ARRAY_N(goods));
	tcase_add_loop_test(tc, bad_bodies, 0, (int)ARRAY_N(bads));
	tcase_add_test(tc, deep_nesting_is_refused);
	suite_add_tcase(s, tc);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
