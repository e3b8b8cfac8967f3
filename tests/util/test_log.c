/* test_log.c - lines, levels, reopening, escaping. For src/util/log.c; files in a folder of its own. */
#include "../unit.h"
#include "keyway/util/log.h"
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static char dir[40];
static char path[64], moved[64];

static void setup(void)
{
	snprintf(dir, sizeof(dir), "/tmp/keyway-log-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/log", dir);
	snprintf(moved, sizeof(moved), "%s/log.1", dir);
}

static void teardown(void)
{
	unlink(path);
	unlink(moved);
	rmdir(dir);
}

/* The text of @file; valid until the next call. */
static const char *text_of(const char *file)
{
	static char text[8192];
	int fd = open(file, O_RDONLY);
	ssize_t n;

	ck_assert_int_ge(fd, 0);
	n = read(fd, text, sizeof(text) - 1);
	ck_assert_int_ge(n, 0);
	text[n] = '\0';
	close(fd);
	return text;
}

START_TEST(a_line_has_time_level_and_words)
{
	const char *line;
	unsigned y, mo, d, h, mi, s, us;
	char level[16], words[32], end;

	ck_assert_int_eq(log_open(path), 0);
	log_warn("%s %d", "words", 5);
	line = text_of(path);
	ck_assert_int_eq(sscanf(line, "%u-%u-%uT%u:%u:%u.%uZ %15s %31[^\n]%c", &y, &mo, &d, &h, &mi, &s, &us, level,
				 words, &end),
		10);
	ck_assert_uint_ge(y, 2020);
	ck_assert_str_eq(level, "warn");
	ck_assert_str_eq(words, "words 5");
	ck_assert_int_eq(end, '\n');
}
END_TEST

START_TEST(what_lies_under_the_level_is_not_written)
{
	ck_assert_int_eq(log_open(path), 0);
	log_set_level(LOG_WARN);
	log_info("quiet");
	log_debug("quiet");
	ck_assert_str_eq(text_of(path), "");
	ck_assert(!log_enabled(LOG_INFO));
	log_error("loud");
	ck_assert_ptr_nonnull(strstr(text_of(path), " error loud\n"));
	log_set_level(LOG_DEBUG);
	log_debug("deep");
	ck_assert_ptr_nonnull(strstr(text_of(path), " debug deep\n"));
}
END_TEST

START_TEST(names_of_levels_are_read_in_any_case)
{
	enum log_level level;

	ck_assert_int_eq(log_level_parse(STR("Debug"), &level), 0);
	ck_assert_int_eq(level, LOG_DEBUG);
	ck_assert_int_eq(log_level_parse(STR("error"), &level), 0);
	ck_assert_int_eq(level, LOG_ERROR);
	ck_assert_int_eq(log_level_parse(STR("loud"), &level), -1);
	ck_assert_int_eq(log_level_parse(STR(""), &level), -1);
}
END_TEST

START_TEST(reopening_follows_a_rotated_file)
{
	ck_assert_int_eq(log_open(path), 0);
	log_info("one");
	ck_assert_int_eq(rename(path, moved), 0);
	log_info("two");
	ck_assert_int_eq(log_open(path), 0);
	log_info("three");
	ck_assert_ptr_nonnull(strstr(text_of(moved), "two"));
	ck_assert_ptr_null(strstr(text_of(moved), "three"));
	ck_assert_ptr_nonnull(strstr(text_of(path), "three"));
}
END_TEST

START_TEST(a_file_that_cannot_be_opened_leaves_the_old_target)
{
	ck_assert_int_eq(log_open(path), 0);
	ck_assert_int_lt(log_open("/nowhere/at/all"), 0);
	log_info("still");
	ck_assert_ptr_nonnull(strstr(text_of(path), "still"));
}
END_TEST

START_TEST(a_line_without_end_is_cut_and_still_ends)
{
	static char longer[5000];
	const char *line;

	memset(longer, 'w', sizeof(longer) - 1);
	ck_assert_int_eq(log_open(path), 0);
	log_info("%s", longer);
	log_info("next");
	line = text_of(path);
	ck_assert_uint_gt(strcspn(line, "\n"), 1000);
	ck_assert_uint_lt(strcspn(line, "\n"), 2048);
	ck_assert_ptr_nonnull(strstr(line, " info next\n"));
}
END_TEST

START_TEST(text_of_peers_is_escaped)
{
	char out[100];

	ck_assert_str_eq(log_text(STR("a\n\"\\\x7f\0é"), out, sizeof(out)), "a\\x0a\\x22\\x5c\\x7f\\x00é");
	ck_assert_str_eq(log_text(STR(""), out, sizeof(out)), "");
}
END_TEST

START_TEST(escaped_text_never_passes_the_room_given)
{
	char out[64];

	for (size_t size = 1; size < 40; size++) {
		memset(out, '#', sizeof(out));
		log_text(STR("\n\n\n\n\n\n\n\n\n\n\n\n"), out, size);
		ck_assert_uint_lt(strlen(out), size);
		ck_assert_int_eq(out[size], '#');
		memset(out, '#', sizeof(out));
		log_text(STR("plain text of forty letters, or a few more"), out, size);
		ck_assert_uint_lt(strlen(out), size);
		ck_assert_int_eq(out[size], '#');
	}
	memset(out, '#', sizeof(out));
	log_text(STR("abc"), out, 0);
	ck_assert_int_eq(out[0], '#');
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_line_has_time_level_and_words);
	tcase_add_test(tc, what_lies_under_the_level_is_not_written);
	tcase_add_test(tc, names_of_levels_are_read_in_any_case);
	tcase_add_test(tc, reopening_follows_a_rotated_file);
	tcase_add_test(tc, a_file_that_cannot_be_opened_leaves_the_old_target);
	tcase_add_test(tc, a_line_without_end_is_cut_and_still_ends);
	tcase_add_test(tc, text_of_peers_is_escaped);
	tcase_add_test(tc, escaped_text_never_passes_the_room_given);
}

int main(void)
{
	return run_tests("log", add);
}
