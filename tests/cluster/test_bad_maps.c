/* test_bad_maps.c - the documents of bad_maps/list.txt, each with one thing wrong: none is taken, and each message
 * begins with the path of the field that is meant. A line is that path, a tab and the document. For
 * src/cluster/map_parse.c.
 * One thread. */
#include "../unit.h"
#include "keyway/cluster/map.h"
#include <stdio.h>

#define LIST SOURCE_ROOT "/tests/cluster/bad_maps/list.txt"

START_TEST(no_bad_map_is_taken)
{
	FILE *f = fopen(LIST, "r");
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;
	int count = 0, wrong = 0;

	ck_assert_ptr_nonnull(f);
	while ((n = getline(&line, &cap, f)) > 0) {
		char *tab = strchr(line, '\t');
		struct keyspace *ks = NULL;
		struct err err = { 0 };

		ck_assert_ptr_nonnull(tab);
		line[n - 1] = '\0';
		*tab = '\0';
		count++;
		if (keyspace_parse(str_of(tab + 1), STR(""), &ks, &err) == 0) {
			printf("line %d, %s: taken: %.300s\n", count, line, tab + 1);
			keyspace_unref(ks);
			wrong++;
		} else if (strncmp(err.msg, line, strlen(line)) != 0 || err.msg[strlen(line)] != ':') {
			printf("line %d, %s: %s\n", count, line, err.msg);
			wrong++;
		}
	}
	free(line);
	fclose(f);
	ck_assert_int_ge(count, 200);
	ck_assert_int_eq(wrong, 0);
}
END_TEST

static void add(TCase *t)
{
	tcase_add_test(t, no_bad_map_is_taken);
}

int main(void)
{
	return run_tests("bad_maps", add);
}
