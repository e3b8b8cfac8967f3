/* test_map_edit.c - a document is changed in one place and nowhere else. For src/cluster/map_edit.c and json_text.c.
 * One thread. */
#include "../unit.h"
#include "keyway/cluster/map_edit.h"

/* Layouts that people write: everything in lines, all of a backend on one, blanks at odd places, escaped names. */
static const char doc[] = "{\n"
			  "  \"keyspace\": \"shop\", \"epo\\u0063h\" : 12 ,\n"
			  "  \"sharding\": {\"function\": \"hash\"},\n"
			  "  \"shards\": [\n"
			  "    {\"range\": \"-8000\", \"backends\": [\n"
			  "      {\"name\": \"s1a\", \"host\": \"h,}]{[\\\"\", \"role\": \"primary\"},\n"
			  "      {\n"
			  "        \"name\": \"s1b\",\n"
			  "        \"host\": \"h\"\n"
			  "      }]},\n"
			  "    { \"range\":\"80-\",\"kind\":\"pair\",\"backends\":[\n"
			  "      {\"side\":\"odd\",\"name\":\"s2o\",\"host\":\"i\",\"state\":\"drained\"},"
			  "{\"side\":\"even\",\"name\":\"s2e\",\"host\":\"j\"}]}\n"
			  "  ]\n"
			  "}\n";

static struct err err;
static char *out;

static void forget(void)
{
	free(out);
	out = NULL;
}

/* @out is the document with @old replaced by @new, once. */
static void changed(const char *text, const char *old, const char *new)
{
	const char *at = strstr(text, old);
	char *want;

	ck_assert_ptr_nonnull(at);
	want = xasprintf("%.*s%s%s", (int)(at - text), text, new, at + strlen(old));
	ck_assert_str_eq(out, want);
	free(want);
	forget();
}

START_TEST(the_epoch_is_set_where_it_stands)
{
	ck_assert_int_eq(map_edit_epoch(str_of(doc), 13, &out, &err), 0);
	changed(doc, "\"epo\\u0063h\" : 12 ,", "\"epo\\u0063h\" : 13 ,");
	ck_assert_int_eq(map_edit_epoch(str_of(doc), INT64_MAX, &out, &err), 0);
	changed(doc, " : 12 ,", " : 9223372036854775807 ,");
	ck_assert_int_eq(map_edit_epoch(STR("{}"), 1, &out, &err), 0);
	ck_assert_str_eq(out, "{\"epoch\": 1}");
	forget();
	ck_assert_int_eq(map_edit_epoch(STR("{ \"a\":{\"epoch\":3},\n\t\"b\":[]}"), 1, &out, &err), 0);
	ck_assert_str_eq(out, "{ \"a\":{\"epoch\":3},\n\t\"b\":[],\n\t\"epoch\": 1}");
	forget();
	ck_assert_int_eq(map_edit_epoch(STR("{ \"epoch\":-1.5e3}"), 1, &out, &err), 0);
	ck_assert_str_eq(out, "{ \"epoch\":1}");
}
END_TEST

START_TEST(a_state_is_set_in_the_layout_of_its_backend)
{
	ck_assert_int_eq(map_edit_backend_state(str_of(doc), STR("s1b"), BACKEND_DRAINING, &out, &err), 0);
	changed(doc, "\"host\": \"h\"\n", "\"host\": \"h\",\n        \"state\": \"draining\"\n");
	ck_assert_int_eq(map_edit_backend_state(str_of(doc), STR("s2e"), BACKEND_DRAINED, &out, &err), 0);
	changed(doc, "\"host\":\"j\"", "\"host\":\"j\",\"state\": \"drained\"");
	ck_assert_int_eq(map_edit_backend_state(str_of(doc), STR("s2o"), BACKEND_SERVING, &out, &err), 0);
	changed(doc, "\"state\":\"drained\"", "\"state\":\"serving\"");
	ck_assert_int_eq(map_edit_backend_state(str_of(doc), STR("s2e"), BACKEND_SERVING, &out, &err), 0);
	changed(doc, "{", "{");
	ck_assert_int_eq(map_edit_backend_state(str_of(doc), STR("s3"), BACKEND_SERVING, &out, &err), ERR_NAME);
	ck_assert_ptr_nonnull(strstr(err.msg, "s3"));
}
END_TEST

START_TEST(the_primary_changes_hands)
{
	char *want = xasprintf("%s", doc), *p;

	ck_assert_int_eq(map_edit_primary(str_of(doc), STR("-80"), STR("s1b"), &out, &err), 0);
	p = strstr(want, "\"primary\"");
	memcpy(p, "\"replica\"", 9);
	changed(want, "\"host\": \"h\"\n", "\"host\": \"h\",\n        \"role\": \"primary\"\n");
	free(want);
	ck_assert_int_eq(map_edit_primary(str_of(doc), STR("-80"), STR("s1a"), &out, &err), 0);
	changed(doc, "{", "{");
	ck_assert_int_eq(map_edit_primary(str_of(doc), STR("-80"), STR("s2o"), &out, &err), ERR_NAME);
	ck_assert_ptr_nonnull(strstr(err.msg, "another shard"));
	ck_assert_int_eq(map_edit_primary(str_of(doc), STR("-40"), STR("s1a"), &out, &err), ERR_NAME);
	ck_assert_ptr_nonnull(strstr(err.msg, "-40"));
	ck_assert_int_eq(map_edit_primary(str_of(doc), STR("8-"), STR("s1a"), &out, &err), ERR_NAME);
	ck_assert_int_eq(map_edit_primary(STR("{\"shards\":[{\"backends\":[{\"name\":\"a\"}]}]}"), STR("-"), STR("a"),
				 &out, &err),
		0);
	ck_assert_str_eq(out, "{\"shards\":[{\"backends\":[{\"name\":\"a\",\"role\": \"primary\"}]}]}");
}
END_TEST

START_TEST(a_shards_home_and_backends_are_set)
{
	ck_assert_int_eq(map_edit_home(str_of(doc), STR("80-"), SIDE_EVEN, &out, &err), 0);
	changed(doc, "\"host\":\"j\"}]}", "\"host\":\"j\"}],\"home\": \"even\"}");
	ck_assert_int_eq(map_edit_backends(str_of(doc), STR("-80"), STR("[1, 2]"), &out, &err), 0);
	ck_assert_ptr_nonnull(strstr(out, "{\"range\": \"-8000\", \"backends\": [1, 2]},\n"));
	forget();
	ck_assert_int_eq(map_edit_backends(str_of(doc), STR("-80"), STR("{}"), &out, &err), ERR_CONFIG);
	ck_assert_int_eq(map_edit_backends(str_of(doc), STR("-80"), STR("[1"), &out, &err), ERR_CONFIG);
}
END_TEST

START_TEST(what_is_no_document_is_refused)
{
	static const char *const texts[] = { "", "[]", "1", "{", "{\"a\":1,\"a\":2}", "{\"shards\":{}}",
		"{\"shards\":[7]}", "{\"shards\":[{\"backends\":7},{\"backends\":[[]]}]}" };

	for (size_t i = 0; i < ARRAY_N(texts); i++) {
		ck_assert_int_lt(map_edit_backend_state(str_of(texts[i]), STR("a"), BACKEND_DRAINED, &out, &err), 0);
		ck_assert_int_lt(map_edit_primary(str_of(texts[i]), STR("-40"), STR("a"), &out, &err), 0);
	}
}
END_TEST

static void add(TCase *t)
{
	tcase_add_checked_fixture(t, NULL, forget);
	tcase_add_test(t, the_epoch_is_set_where_it_stands);
	tcase_add_test(t, a_state_is_set_in_the_layout_of_its_backend);
	tcase_add_test(t, the_primary_changes_hands);
	tcase_add_test(t, a_shards_home_and_backends_are_set);
	tcase_add_test(t, what_is_no_document_is_refused);
}

int main(void)
{
	return run_tests("map_edit", add);
}
