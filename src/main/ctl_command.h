/* ctl_command.h - one command of keywayctl as a row of a table: its words, options and arguments, what it says about
 * itself, and the function that does it. Parser, help, shell completion and manual page read the same rows. For ctl*.c
 * and the files that hold commands. */
#ifndef KEYWAY_MAIN_CTL_COMMAND_H
#define KEYWAY_MAIN_CTL_COMMAND_H

#include "ctl_table.h"
#include "keyway/main/config.h"
#include "keyway/main/ctl.h"

#define CTL_ARGUMENTS_MAX 4
#define CTL_DEPTH_MAX	  4 /* words of a command: "map", "get" */

/* What a word or an option's value is: completion offers such things. */
enum ctl_takes {
	CTL_TEXT,
	CTL_NUMBER,
	CTL_DURATION,
	CTL_FILE,
	CTL_FOLDER,
	CTL_KEYSPACE,
	CTL_SHARD,
	CTL_BACKEND,
	CTL_PROXY,
	CTL_SESSION,
	CTL_CHOICE, /* one of the words of .choices */
};

struct ctl_argument {
	const char *name; /* as the help shows it: "KEYSPACE"; NULL: no more arguments */
	enum ctl_takes takes;
	bool optional;
	bool repeats;	     /* the last one only */
	const char *choices; /* CTL_CHOICE: separated by '|' */
};

struct ctl_option {
	const char *name;     /* "--epoch"; NULL ends the list */
	const char *argument; /* its value, as the help shows it: "N"; NULL: it has none */
	const char *help;     /* one line */
	enum ctl_takes takes;
	bool repeats;
	bool bare; /* the value may be left out, and is given with '=' only */
	const char *choices;
};

/* Which of the options that many commands share a command takes (ctl_common_options). */
enum ctl_flag {
	CTL_CONF = 1,	 /* --conf, --playground: it needs the daemon's settings */
	CTL_CONFIRM = 2, /* --yes: it asks before it acts */
	CTL_JSON = 4,	 /* --json, though it has no table */
};

struct ctl_args;

struct ctl_command {
	const char *name;    /* NULL ends a table */
	const char *summary; /* one line */
	const char *help;    /* the rest, lines ending in \n; NULL: nothing more to say */
	struct ctl_argument arguments[CTL_ARGUMENTS_MAX + 1];
	const struct ctl_option *options; /* of its own; NULL: none */
	unsigned flags;			  /* enum ctl_flag */
	/* One of the three. */
	const struct ctl_command *sub; /* further words: a table of commands */
	enum ctl_exit (*run)(struct ctl *c, const struct ctl_args *a);
	/* Fills @t, which is printed as table, as JSON (--json) and again and again (--watch). */
	enum ctl_exit (*show)(struct ctl *c, const struct ctl_args *a, struct ctl_table *t);
};

/* --- the tables --- */

extern const struct ctl_command ctl_commands[]; /* ctl.c */

/* The options that many commands share, and whether @command takes one of them. */
extern const struct ctl_option ctl_common_options[];
bool ctl_takes_common(const struct ctl_command *command, const struct ctl_option *common);

extern const struct ctl_command ctl_map_commands[];			 /* ctl_map.c */
extern const struct ctl_command ctl_pair_commands[];			 /* ctl_pair.c */
extern const struct ctl_command ctl_side_commands[], ctl_ops_commands[]; /* ctl_side.c */
extern const struct ctl_option ctl_switchover_options[];
enum ctl_exit ctl_switchover(struct ctl *c, const struct ctl_args *a);
enum ctl_exit ctl_passwd(struct ctl *c, const struct ctl_args *a);

/* --- what was given (ctl_args.c) --- */

struct ctl_given {
	const struct ctl_option *option;
	const char *value; /* "": without one */
};

struct ctl_args {
	const struct ctl_command *command; /* NULL: none was named */
	char path[80];			   /* its words: "map get" */
	const char **words;		   /* its arguments, in the number that its row allows */
	uint32_t word_n;
	struct ctl_given *given;
	uint32_t given_n;
	bool help; /* --help was among the words: nothing was checked */
	bool json, yes;
	uint64_t watch_us; /* 0: once */
};

/* Reads the command line by the rows of @table. CTL_USAGE: told on c->err. Free with ctl_args_free() in any case. */
enum ctl_exit ctl_args_parse(struct ctl *c, const struct ctl_command *table, int argc, char **argv, struct ctl_args *a);
void ctl_args_free(struct ctl_args *a);

/* The value of an option, the last one if it was given twice; NULL: not given. @name has its dashes. */
const char *ctl_option(const struct ctl_args *a, const char *name);
/* The @i-th argument; NULL: left out. */
const char *ctl_word(const struct ctl_args *a, uint32_t i);
/* "90", "500ms", "2s", "1m", "1h" to microseconds; a number alone is seconds. -1: not one. */
MUST_CHECK int ctl_duration_parse(const char *text, uint64_t *out_us);

/* --- saying things (ctl_say.c) --- */

/* "keywayctl map get: MESSAGE" on c->err, safe to print. Returns @rc. */
enum ctl_exit ctl_fail(struct ctl *c, const struct ctl_args *a, enum ctl_exit rc, const char *fmt, ...) PRINTF(4, 5);
/* A line on c->err about what goes on. */
void ctl_progress(struct ctl *c, const char *fmt, ...) PRINTF(2, 3);
/* Asks on the terminal unless --yes was given. Without a terminal the answer is no, and c->err says so. */
bool ctl_confirm(struct ctl *c, const struct ctl_args *a, const char *question);
/* @command's words and arguments, as in "map get [--epoch N] [KEYSPACE]". */
void ctl_usage_print(const char *path, const struct ctl_command *command, FILE *to);
/* All about a command, or about a table of them. */
void ctl_help_print(const char *path, const struct ctl_command *command, FILE *to);

/* --- the daemon's settings (ctl_conf.c) --- */

#define CTL_CONF_PATH "/etc/keyway/keyway.conf"

/* With --playground: an account of its playground.json, "admin" or "replication" on the servers, NULL for the
 * applications'. False: there is none. The texts are the caller's to free. */
bool ctl_playground_account(const struct ctl_args *a, const char *of, char **user, char **password);
/* From --conf, --playground, the environment's KEYWAY_CONF or /etc/keyway/keyway.conf. NULL: told on c->err. Free with
 * config_free(). */
struct config *ctl_config(struct ctl *c, const struct ctl_args *a);

#endif
