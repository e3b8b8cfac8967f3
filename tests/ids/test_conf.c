/* test_conf.c - settings of allocators that do not hold together are refused with the setting named.
 * For src/ids/conf.c.
 * One thread. */
#include "conf.h"
#include <check.h>

static struct ids_endpoint pair[2];
static struct ids_allocator in;
static struct alloc_conf out;
static struct err err;

static void setup(void)
{
	for (size_t i = 0; i < 2; i++)
		pair[i] = (struct ids_endpoint){
			.port = (uint16_t)(3307 + i), .user = "u", .password = "secret", .step = 2, .offset = i + 1
		};
	in = (struct ids_allocator){ .name = "main", .kind = IDS_MYSQL, .endpoints = pair, .endpoint_n = 2 };
}

static void refused(const char *part)
{
	ck_assert_int_eq(alloc_conf_copy(&in, &out, &err), ERR_CONFIG);
	ck_assert_msg(strstr(err.msg, part) != NULL, "%s", err.msg);
	ck_assert_ptr_null(strstr(err.msg, "secret"));
}

START_TEST(a_pair_gets_its_defaults)
{
	ck_assert_int_eq(alloc_conf_copy(&in, &out, &err), 0);
	ck_assert_str_eq(out.ep[0].name, "127.0.0.1:3307");
	ck_assert_str_eq(out.table, "tickets");
	ck_assert_uint_eq(out.ep[1].offset, 0);
	ck_assert(out.single && out.rising);
	alloc_conf_free(&out);
	in.block_max = 50;
	ck_assert_int_eq(alloc_conf_copy(&in, &out, &err), 0);
	ck_assert_uint_eq(out.block, 50);
	alloc_conf_free(&out);
	in.block_max = 0;
	in.form = IDS_FORM_BLOCK;
	ck_assert_int_eq(alloc_conf_copy(&in, &out, &err), 0);
	ck_assert_str_eq(out.table, "sequences");
	ck_assert(!out.single && out.asks_n);
	alloc_conf_free(&out);
}
END_TEST

START_TEST(endpoints_that_could_meet_are_refused)
{
	pair[1].offset = 3;
	refused("same id");
	pair[1].offset = 0;
	pair[1].step = 3; /* 1, 3, 5, ... and 0, 3, 6, ... meet at 3 */
	refused("same id");
	pair[0].step = pair[1].step = 1;
	refused("same id");
	pair[0].max_id = 999;
	pair[1].min_id = 1000;
	ck_assert_int_eq(alloc_conf_copy(&in, &out, &err), 0);
	alloc_conf_free(&out);
	pair[1].min_id = 999;
	refused("same id");
	in.shared = true;
	ck_assert_int_eq(alloc_conf_copy(&in, &out, &err), 0);
	alloc_conf_free(&out);
	pair[0].step = 2;
	refused("shared");
	in.shared = false;
	setup();
	pair[1].port = 3307;
	refused("same address");
}
END_TEST

START_TEST(wrong_mysql_settings)
{
	pair[0].user = NULL;
	refused("user");
	setup();
	in.table = "a`b";
	refused("table");
	setup();
	in.name = "";
	refused("name");
	setup();
	in.endpoint_n = 0;
	refused("endpoints");
	setup();
	pair[0].step = 1u << 30;
	refused("step");
	setup();
	pair[0].max_id = 1ull << 63;
	refused("max_id");
	setup();
	in.block = 10;
	in.block_max = 5;
	refused("block_max");
	setup();
	in.timeout_us = 1;
	refused("timeout");
}
END_TEST

START_TEST(http_settings)
{
	struct ids_endpoint e = { .url = "https://ids.example/api/{tag}?n={n}&key=secret" };
	const char *headers[] = { "X-Key: secret" };

	in = (struct ids_allocator){
		.name = "web", .kind = IDS_HTTP, .endpoints = &e, .endpoint_n = 1, .headers = headers, .header_n = 1
	};
	ck_assert_int_eq(alloc_conf_copy(&in, &out, &err), 0);
	ck_assert_str_eq(out.ep[0].name, "https://ids.example:443");
	ck_assert(out.single && out.asks_n && !out.rising);
	alloc_conf_free(&out);
	in.answer.first = "/a";
	refused("last or count");
	in.answer.count = "/b";
	ck_assert_int_eq(alloc_conf_copy(&in, &out, &err), 0);
	ck_assert(!out.single);
	alloc_conf_free(&out);
	in.answer.id = "/c";
	refused("either id");
	in.answer = (struct ids_answer){ .id = "c" };
	refused("JSON pointer");
	in.answer.id = NULL;
	headers[0] = "X: secret\r\nY: z";
	refused("header");
	headers[0] = "X: y";
	in.bearer = "secret\n";
	refused("bearer");
	in.bearer = NULL;
	e.url = "ftp://ids.example/secret";
	refused("url");
	e.url = "http://{tag}.example/secret";
	refused("url");
	e.url = NULL;
	refused("url");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("conf");
	TCase *tc = tcase_create("conf");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, a_pair_gets_its_defaults);
	tcase_add_test(tc, endpoints_that_could_meet_are_refused);
	tcase_add_test(tc, wrong_mysql_settings);
	tcase_add_test(tc, http_settings);
	suite_add_tcase(s, tc);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
