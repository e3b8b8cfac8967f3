/* test_ctl_args.c - command lines against rows: words of commands, options of theirs and common ones, arguments; help
 * that comes from the rows. For src/main/ctl_args.c and ctl_say.c.
 * One thread. */
#include "../unit.h"
#include "ctl_command.h"

static enum ctl_exit nothing_run(struct ctl *c, const struct ctl_args *a)
{
	(void)c;
	(void)a;
	return CTL_OK;
}

static enum ctl_exit nothing_show(struct ctl *c, const struct ctl_args *a, struct ctl_table *t)
{
	(void)c;
	(void)a;
	(void)t;
	return CTL_OK;
}

static const struct ctl_option put_options[] = {
	{ .name = "--why", .argument = "TEXT", .help = "for the history" },
	{ .name = "--range", .argument = "RANGE", .help = "a range", .repeats = true },
	{ .name = "--wait", .argument = "TIME", .help = "wait", .takes = CTL_DURATION },
	{ .name = "--dry", .help = "only look" },
	{ 0 },
};

static const struct ctl_option get_options[] = {
	{ .name = "--epoch", .argument = "N", .help = "an old one", .takes = CTL_NUMBER },
	{ 0 },
};

static const struct ctl_command map_commands[] = {
	{ .name = "get",
		.summary = "print it",
		.options = get_options,
		.flags = CTL_CONF,
		.arguments = { { .name = "KEYSPACE", .optional = true } },
		.show = nothing_show },
	{ .name = "put",
		.summary = "change it",
		.options = put_options,
		.flags = CTL_CONF | CTL_CONFIRM,
		.arguments = { { .name = "KEEP", .takes = CTL_CHOICE, .choices = "odd|even" },
			{ .name = "FILE", .repeats = true } },
		.run = nothing_run },
	{ 0 },
};

static const struct ctl_command table[] = {
	{ .name = "map", .summary = "the map", .sub = map_commands },
	{ .name = "bare", .summary = "nothing to say", .run = nothing_run },
	{ 0 },
};

static char *err;
static char *line;
static struct ctl_args args;

static void forget(void)
{
	ctl_args_free(&args);
	free(err);
	free(line);
	err = line = NULL;
}

/* Reads a command line given as one text. */
static enum ctl_exit parse(const char *text)
{
	char *argv[16] = { (char *)"keywayctl" }, *save;
	struct ctl c = { 0 };
	enum ctl_exit rc;
	int argc = 1;
	size_t n;

	forget();
	c.err = open_memstream(&err, &n);
	line = xstrdup(text);
	for (char *p = strtok_r(line, " ", &save); p; p = strtok_r(NULL, " ", &save))
		argv[argc++] = p;
	rc = ctl_args_parse(&c, table, argc, argv, &args);
	fclose(c.err);
	return rc;
}

static void refused(const char *text, const char *says)
{
	ck_assert_msg(parse(text) == CTL_USAGE, "'%s' is understood", text);
	ck_assert_msg(strstr(err, says) != NULL, "'%s' says: %s", text, err);
}

START_TEST(words_lead_to_a_command)
{
	ck_assert_int_eq(parse("map get"), CTL_OK);
	ck_assert_ptr_eq(args.command, &map_commands[0]);
	ck_assert_str_eq(args.path, "map get");
	ck_assert_ptr_null(ctl_word(&args, 0));
	ck_assert_int_eq(parse("map get shop"), CTL_OK);
	ck_assert_str_eq(ctl_word(&args, 0), "shop");
	ck_assert_int_eq(parse(""), CTL_OK);
	ck_assert_ptr_null(args.command);
	refused("mep get", "no command mep");
	refused("map git", "keywayctl map: no command git");
	refused("map", "further word");
}
END_TEST

START_TEST(options_stand_anywhere)
{
	ck_assert_int_eq(parse("--conf a.conf map --json get --epoch=7 shop"), CTL_OK);
	ck_assert_str_eq(ctl_option(&args, "--conf"), "a.conf");
	ck_assert_str_eq(ctl_option(&args, "--epoch"), "7");
	ck_assert_str_eq(ctl_word(&args, 0), "shop");
	ck_assert(args.json);
	ck_assert(!args.yes);
	ck_assert_ptr_null(ctl_option(&args, "--playground"));
	ck_assert_int_eq(parse("map put odd --why --dry --dry f"), CTL_OK);
	ck_assert_str_eq(ctl_option(&args, "--why"), "--dry");
	ck_assert_str_eq(ctl_option(&args, "--dry"), "");
	ck_assert_int_eq(parse("map put odd -- --dry"), CTL_OK);
	ck_assert_str_eq(ctl_word(&args, 1), "--dry");
	ck_assert_ptr_null(ctl_option(&args, "--dry"));
	ck_assert_int_eq(parse("map put odd --range 40-80 --range - f g --yes"), CTL_OK);
	ck_assert_uint_eq(args.given_n, 3);
	ck_assert_str_eq(args.given[1].value, "-");
	ck_assert_uint_eq(args.word_n, 3);
	ck_assert(args.yes);
}
END_TEST

START_TEST(what_does_not_fit_its_row_is_refused)
{
	refused("map get a b", "'b' is one word too many");
	refused("map get --epoch x", "--epoch is a whole number, not 'x'");
	refused("map get --epoch -1", "whole number");
	refused("map get --epoch", "--epoch needs a value: --epoch N");
	refused("map get --epoch 1 --epoch 2", "given twice");
	refused("map get --why x", "no option --why");
	refused("map get --yes", "it takes no --yes");
	refused("map put odd f --watch", "it takes no --watch");
	refused("bare --conf x", "it takes no --conf");
	refused("map put odd", "FILE is missing");
	refused("map put both f", "KEEP is one of odd|even, not 'both'");
	refused("map put odd f --dry=1", "--dry takes no value");
	refused("map put odd f --wait soon", "is a time such as");
	refused("map get a b", "usage: keywayctl map get [--epoch N] [KEYSPACE]");
}
END_TEST

START_TEST(watch_has_an_interval_of_its_own)
{
	ck_assert_int_eq(parse("map get --watch shop"), CTL_OK);
	ck_assert_uint_eq(args.watch_us, 2000000);
	ck_assert_str_eq(ctl_word(&args, 0), "shop");
	ck_assert_int_eq(parse("map get --watch=0.5"), CTL_OK);
	ck_assert_uint_eq(args.watch_us, 500000);
	ck_assert_int_eq(parse("map get --watch=1m"), CTL_OK);
	ck_assert_uint_eq(args.watch_us, 60000000);
	ck_assert_int_eq(parse("map get --watch=0"), CTL_OK);
	ck_assert_uint_eq(args.watch_us, 100000);
	refused("map get --watch=x", "--watch is a time");
	ck_assert_int_eq(parse("map get"), CTL_OK);
	ck_assert_uint_eq(args.watch_us, 0);
}
END_TEST

START_TEST(times_have_units)
{
	static const struct {
		const char *text;
		uint64_t us;
	} good[] = { { "0", 0 }, { "3", 3000000 }, { "1.5s", 1500000 }, { "250ms", 250000 }, { "7us", 7 },
		{ "2h", 7200000000 } };
	static const char *const bad[] = { "", "s", "-1", "1d", "1e999", "nan", "inf", "3 s", "9999999h" };
	uint64_t us;

	for (size_t i = 0; i < ARRAY_N(good); i++) {
		ck_assert_int_eq(ctl_duration_parse(good[i].text, &us), 0);
		ck_assert_uint_eq(us, good[i].us);
	}
	for (size_t i = 0; i < ARRAY_N(bad); i++)
		ck_assert_msg(ctl_duration_parse(bad[i], &us) < 0, "'%s' is a time", bad[i]);
}
END_TEST

START_TEST(help_counts_before_anything_else)
{
	char *out;
	size_t n;
	FILE *f;

	ck_assert_int_eq(parse("map put --help --nonsense"), CTL_OK);
	ck_assert(args.help);
	ck_assert_ptr_eq(args.command, &map_commands[1]);
	f = open_memstream(&out, &n);
	ctl_help_print(args.path, args.command, f);
	fclose(f);
	ck_assert_ptr_nonnull(strstr(
		out, "usage: keywayctl map put [--why TEXT] [--range RANGE]... [--wait TIME] [--dry] KEEP FILE...\n"));
	ck_assert_ptr_nonnull(strstr(out, "  --why TEXT\n      for the history\n"));
	ck_assert_ptr_nonnull(strstr(out, "--yes"));
	ck_assert_ptr_null(strstr(out, "--watch"));
	free(out);
	ck_assert_int_eq(parse("map -h"), CTL_OK);
	ck_assert_ptr_eq(args.command, &table[0]);
	f = open_memstream(&out, &n);
	ctl_help_print(args.path, args.command, f);
	fclose(f);
	ck_assert_ptr_nonnull(strstr(out, "  map get [--epoch N] [KEYSPACE]\n      print it\n"));
	free(out);
}
END_TEST

START_TEST(what_is_said_cannot_steer_a_terminal)
{
	struct ctl_args a = { .path = "map get" };
	struct ctl c = { 0 };
	size_t n;

	forget();
	c.err = open_memstream(&err, &n);
	ck_assert_int_eq(ctl_fail(&c, &a, CTL_REFUSED, "no %s\n", "\033[2Jx"), CTL_REFUSED);
	ctl_progress(&c, "%d of %d", 1, 2);
	fclose(c.err);
	ck_assert_str_eq(err, "keywayctl map get: no \\x1b[2Jx\\x0a\n1 of 2\n");
}
END_TEST

static void add(TCase *t)
{
	tcase_add_checked_fixture(t, NULL, forget);
	tcase_add_test(t, words_lead_to_a_command);
	tcase_add_test(t, options_stand_anywhere);
	tcase_add_test(t, what_does_not_fit_its_row_is_refused);
	tcase_add_test(t, watch_has_an_interval_of_its_own);
	tcase_add_test(t, times_have_units);
	tcase_add_test(t, help_counts_before_anything_else);
	tcase_add_test(t, what_is_said_cannot_steer_a_terminal);
}

int main(void)
{
	return run_tests("ctl_args", add);
}
