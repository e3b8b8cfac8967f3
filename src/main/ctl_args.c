/* ctl_args.c - the command line of keywayctl, read by the rows of the table of commands.
 * For ctl.c and the commands.
 * Pure but for what it says on c->err; one thread. */
#include "ctl_command.h"
#include <math.h>
#include <stdlib.h>

#define WATCH_DEFAULT_US 2000000
#define WATCH_MIN_US	 100000

enum common { COMMON_CONF, COMMON_PLAYGROUND, COMMON_JSON, COMMON_WATCH, COMMON_YES, COMMON_HELP };

const struct ctl_option ctl_common_options[] = {
	[COMMON_CONF] = { .name = "--conf",
		.argument = "FILE",
		.takes = CTL_FILE,
		.help = "the daemon's settings (KEYWAY_CONF; /etc/keyway/keyway.conf)" },
	[COMMON_PLAYGROUND] = { .name = "--playground",
		.argument = "DIR",
		.takes = CTL_FOLDER,
		.help = "the settings of the first proxy of a playground in this folder" },
	[COMMON_JSON] = { .name = "--json", .help = "print JSON" },
	[COMMON_WATCH] = { .name = "--watch",
		.argument = "SECONDS",
		.takes = CTL_DURATION,
		.bare = true,
		.help = "print again at this interval until interrupted (2 s)" },
	[COMMON_YES] = { .name = "--yes", .help = "do not ask" },
	[COMMON_HELP] = { .name = "--help", .help = "say how it is used" },
	{ 0 },
};

bool ctl_takes_common(const struct ctl_command *command, const struct ctl_option *common)
{
	switch ((enum common)(common - ctl_common_options)) {
	case COMMON_CONF:
	case COMMON_PLAYGROUND: return command->flags & CTL_CONF;
	case COMMON_JSON: return command->show || command->flags & CTL_JSON;
	case COMMON_WATCH: return command->show;
	case COMMON_YES: return command->flags & CTL_CONFIRM;
	case COMMON_HELP: break;
	}
	return true;
}

static bool is_common(const struct ctl_option *o)
{
	return o >= ctl_common_options && o < ctl_common_options + COMMON_HELP + 1;
}

int ctl_duration_parse(const char *text, uint64_t *out_us)
{
	static const struct {
		const char *unit;
		double us;
	} units[] = { { "", 1e6 }, { "us", 1 }, { "ms", 1e3 }, { "s", 1e6 }, { "m", 60e6 }, { "h", 3600e6 } };
	char *end;
	double v;

	if (*text < '0' || *text > '9')
		return -1;
	v = strtod(text, &end);
	for (size_t i = 0; i < ARRAY_N(units); i++) {
		if (strcmp(end, units[i].unit) != 0)
			continue;
		v *= units[i].us;
		if (!isfinite(v) || v > 365 * 24 * 3600e6)
			return -1;
		*out_us = (uint64_t)v;
		return 0;
	}
	return -1;
}

/* The row named @name in an option list; what follows '=' in @name does not count. */
static const struct ctl_option *option_in(const struct ctl_option *list, const char *name, size_t n)
{
	for (; list && list->name; list++) {
		if (strlen(list->name) == n && memcmp(list->name, name, n) == 0)
			return list;
	}
	return NULL;
}

static const struct ctl_command *command_in(const struct ctl_command *table, const char *name)
{
	for (; table->name; table++) {
		if (strcmp(table->name, name) == 0)
			return table;
	}
	return NULL;
}

static enum ctl_exit usage(struct ctl *c, const struct ctl_args *a)
{
	if (a->command) {
		fprintf(c->err, "usage: keywayctl ");
		ctl_usage_print(a->path, a->command, c->err);
	}
	fprintf(c->err, "Try keywayctl %s%s--help\n", a->path, a->path[0] ? " " : "");
	return CTL_USAGE;
}

static bool number_good(const char *text)
{
	uint64_t v;

	return str_to_u64(str_of(text), &v) == 0;
}

static bool choice_good(const char *choices, const char *text)
{
	size_t n = strlen(text);

	for (const char *p = choices; *p;) {
		size_t len = strcspn(p, "|");

		if (len == n && memcmp(p, text, n) == 0)
			return true;
		p += len + (p[len] == '|');
	}
	return false;
}

/* Does @value fit what its row takes? Told on c->err when not. */
static enum ctl_exit value_check(struct ctl *c, const struct ctl_args *a, const char *name, enum ctl_takes takes,
	const char *choices, const char *value)
{
	uint64_t us;

	if (takes == CTL_NUMBER && !number_good(value))
		return ctl_fail(c, a, CTL_USAGE, "%s is a whole number, not '%s'", name, value);
	if (takes == CTL_DURATION && ctl_duration_parse(value, &us) < 0)
		return ctl_fail(c, a, CTL_USAGE, "%s is a time such as 500ms, 10s or 2m, not '%s'", name, value);
	if (takes == CTL_CHOICE && !choice_good(choices, value))
		return ctl_fail(c, a, CTL_USAGE, "%s is one of %s, not '%s'", name, choices, value);
	return CTL_OK;
}

static void given_add(struct ctl_args *a, const struct ctl_option *o, const char *value)
{
	a->given[a->given_n++] = (struct ctl_given){ o, value };
}

/* Takes the option at argv[*i], with its value. The command may not be known yet: then it is one of the common ones. */
static enum ctl_exit option_take(struct ctl *c, struct ctl_args *a, int argc, char **argv, int *i)
{
	const char *word = argv[*i], *eq = strchr(word, '='), *value = eq ? eq + 1 : NULL;
	size_t n = eq ? (size_t)(eq - word) : strlen(word);
	const struct ctl_option *o = a->command ? option_in(a->command->options, word, n) : NULL;

	if (!o)
		o = option_in(ctl_common_options, word, n);
	if (!o)
		return ctl_fail(c, a, CTL_USAGE, "no option %s", word);
	if (!o->argument && value)
		return ctl_fail(c, a, CTL_USAGE, "%s takes no value", o->name);
	if (o->argument && !value && !o->bare) {
		if (*i + 1 >= argc)
			return ctl_fail(c, a, CTL_USAGE, "%s needs a value: %s %s", o->name, o->name, o->argument);
		value = argv[++*i];
	}
	for (uint32_t k = 0; k < a->given_n && !o->repeats; k++) {
		if (a->given[k].option == o)
			return ctl_fail(c, a, CTL_USAGE, "%s is given twice", o->name);
	}
	given_add(a, o, value ? value : "");
	return value ? value_check(c, a, o->name, o->takes, o->choices, value) : CTL_OK;
}

/* The arguments against their row. */
static enum ctl_exit words_check(struct ctl *c, const struct ctl_args *a)
{
	const struct ctl_argument *g = a->command->arguments;

	for (uint32_t i = 0; i < a->word_n; i++) {
		enum ctl_exit rc;

		if (!g->name)
			return ctl_fail(c, a, CTL_USAGE, "'%s' is one word too many", a->words[i]);
		rc = value_check(c, a, g->name, g->takes, g->choices, a->words[i]);
		if (rc != CTL_OK)
			return rc;
		if (!g->repeats)
			g++;
		else if (i + 1 == a->word_n)
			return CTL_OK;
	}
	if (g->name && !g->optional)
		return ctl_fail(c, a, CTL_USAGE, "%s is missing", g->name);
	return CTL_OK;
}

static enum ctl_exit common_take(struct ctl *c, struct ctl_args *a)
{
	for (uint32_t i = 0; i < a->given_n; i++) {
		const struct ctl_given *g = &a->given[i];

		if (!is_common(g->option))
			continue;
		if (!ctl_takes_common(a->command, g->option))
			return ctl_fail(c, a, CTL_USAGE, "it takes no %s", g->option->name);
		switch ((enum common)(g->option - ctl_common_options)) {
		case COMMON_JSON: a->json = true; break;
		case COMMON_YES: a->yes = true; break;
		case COMMON_WATCH:
			a->watch_us = WATCH_DEFAULT_US;
			if (g->value[0] && ctl_duration_parse(g->value, &a->watch_us) < 0)
				return CTL_USAGE;
			a->watch_us = MAX(a->watch_us, WATCH_MIN_US);
			break;
		case COMMON_CONF:
		case COMMON_PLAYGROUND:
		case COMMON_HELP: break;
		}
	}
	return CTL_OK;
}

/* The next word of the command's name, or an argument. */
static enum ctl_exit word_take(struct ctl *c, const struct ctl_command **table, struct ctl_args *a, const char *word)
{
	size_t n = strlen(a->path);

	if (!*table) {
		a->words[a->word_n++] = word;
		return CTL_OK;
	}
	a->command = command_in(*table, word);
	if (!a->command)
		return ctl_fail(c, a, CTL_USAGE, "no command %s", word);
	snprintf(a->path + n, sizeof(a->path) - n, "%s%s", n ? " " : "", a->command->name);
	*table = a->command->sub;
	return CTL_OK;
}

static bool help_asked(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			return true;
	}
	return false;
}

/* With --help only the command's own words count. */
static void help_take(const struct ctl_command *table, int argc, char **argv, struct ctl_args *a)
{
	a->help = true;
	for (int i = 1; i < argc && table; i++) {
		const struct ctl_command *next = command_in(table, argv[i]);
		size_t n = strlen(a->path);

		if (!next)
			continue;
		a->command = next;
		table = next->sub;
		snprintf(a->path + n, sizeof(a->path) - n, "%s%s", n ? " " : "", next->name);
	}
}

enum ctl_exit ctl_args_parse(struct ctl *c, const struct ctl_command *table, int argc, char **argv, struct ctl_args *a)
{
	bool options = true;
	enum ctl_exit rc = CTL_OK;

	*a = (struct ctl_args){ .words = xcalloc((size_t)argc, sizeof(*a->words)),
		.given = xcalloc((size_t)argc, sizeof(*a->given)) };
	if (help_asked(argc, argv)) {
		help_take(table, argc, argv, a);
		return CTL_OK;
	}
	for (int i = 1; i < argc && rc == CTL_OK; i++) {
		if (options && strcmp(argv[i], "--") == 0)
			options = false;
		else if (options && argv[i][0] == '-' && argv[i][1] == '-')
			rc = option_take(c, a, argc, argv, &i);
		else
			rc = word_take(c, &table, a, argv[i]);
	}
	if (rc == CTL_OK && !a->command)
		return CTL_OK;
	if (rc == CTL_OK && table)
		rc = ctl_fail(c, a, CTL_USAGE, "it needs a further word");
	if (rc == CTL_OK)
		rc = common_take(c, a);
	if (rc == CTL_OK)
		rc = words_check(c, a);
	return rc == CTL_OK ? rc : usage(c, a);
}

void ctl_args_free(struct ctl_args *a)
{
	free(a->words);
	free(a->given);
	a->words = NULL;
	a->given = NULL;
}

const char *ctl_option(const struct ctl_args *a, const char *name)
{
	for (uint32_t i = a->given_n; i-- > 0;) {
		if (strcmp(a->given[i].option->name, name) == 0)
			return a->given[i].value;
	}
	return NULL;
}

const char *ctl_word(const struct ctl_args *a, uint32_t i)
{
	return i < a->word_n ? a->words[i] : NULL;
}
