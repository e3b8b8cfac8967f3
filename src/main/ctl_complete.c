/* ctl_complete.c - keywayctl completion: a script for bash or zsh, made from the table of commands.
 * For ctl.c.
 * One thread. */
#include "ctl_views.h"

/* What stands in single quotes in a shell script; rows of the table hold no quotes of that kind. */
static void words_print(const char *choices, FILE *to)
{
	for (; *choices; choices++)
		fputc(*choices == '|' ? ' ' : *choices, to);
}

/* How the value of an option or an argument is completed, as a word for the script below. */
static void takes_print(enum ctl_takes takes, const char *choices, FILE *to)
{
	switch (takes) {
	case CTL_FILE: fputs("@file", to); return;
	case CTL_FOLDER: fputs("@folder", to); return;
	case CTL_CHOICE: words_print(choices ? choices : "", to); return;
	default: return;
	}
}

static void option_case(const struct ctl_option *o, FILE *to)
{
	if (!o->argument || o->bare)
		return;
	fprintf(to, "\t\t%s) values='", o->name);
	takes_print(o->takes, o->choices, to);
	fputs("' ;;\n", to);
}

static void command_case(const char *path, const struct ctl_command *table, const struct ctl_command *command, FILE *to)
{
	fprintf(to, "\t'%s')\n\t\twords='", path);
	for (const struct ctl_command *k = table; k && k->name; k++)
		fprintf(to, "%s ", k->name);
	if (command && command->arguments[0].name)
		takes_print(command->arguments[0].takes, command->arguments[0].choices, to);
	fputs("'\n\t\toptions='", to);
	for (const struct ctl_option *o = command ? command->options : NULL; o && o->name; o++)
		fprintf(to, "%s ", o->name);
	for (const struct ctl_option *o = ctl_common_options; command && !table && o->name; o++) {
		if (ctl_takes_common(command, o))
			fprintf(to, "%s ", o->name);
	}
	fputs(command ? "'\n" : "--help --version'\n", to);
	fputs("\t\tcase $prev in\n", to);
	for (const struct ctl_option *o = command ? command->options : NULL; o && o->name; o++)
		option_case(o, to);
	for (const struct ctl_option *o = ctl_common_options; command && !table && o->name; o++) {
		if (ctl_takes_common(command, o))
			option_case(o, to);
	}
	fputs("\t\tesac ;;\n", to);
}

static void cases_print(const char *path, const struct ctl_command *table, FILE *to)
{
	for (const struct ctl_command *k = table; k->name; k++) {
		char inner[80];

		snprintf(inner, sizeof(inner), "%s%s%s", path, path[0] ? " " : "", k->name);
		command_case(inner, k->sub, k, to);
		if (k->sub)
			cases_print(inner, k->sub, to);
	}
}

/* All words that name commands: what of the line belongs to the path. */
static void names_print(const struct ctl_command *table, FILE *to)
{
	for (const struct ctl_command *k = table; k->name; k++) {
		fprintf(to, "%s ", k->name);
		if (k->sub)
			names_print(k->sub, to);
	}
}

enum ctl_exit ctl_completion(struct ctl *c, const struct ctl_args *a)
{
	bool zsh = strcmp(ctl_word(a, 0), "zsh") == 0;

	if (zsh)
		fputs("#compdef keywayctl\nautoload -U +X bashcompinit && bashcompinit\n\n", c->out);
	fputs("# Made by keywayctl completion from its table of commands.\n"
	      "_keywayctl() {\n"
	      "\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
	      "\tlocal path= words= options= values=none i\n"
	      "\tlocal names=' ",
		c->out);
	names_print(ctl_commands, c->out);
	fputs("'\n"
	      "\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
	      "\t\tcase ${COMP_WORDS[i]} in -*) break ;; esac\n"
	      "\t\tcase $names in *\" ${COMP_WORDS[i]} \"*) path=\"${path:+$path }${COMP_WORDS[i]}\" ;; *) break ;; "
	      "esac\n"
	      "\tdone\n"
	      "\tcase $path in\n",
		c->out);
	command_case("", ctl_commands, NULL, c->out);
	cases_print("", ctl_commands, c->out);
	fputs("\tesac\n"
	      "\tif [[ $values != none ]]; then words=$values options=; fi\n"
	      "\tcase $words in\n"
	      "\t@file) COMPREPLY=($(compgen -f -- \"$cur\")) ;;\n"
	      "\t@folder) COMPREPLY=($(compgen -d -- \"$cur\")) ;;\n"
	      "\t*) COMPREPLY=($(compgen -W \"$words\" -- \"$cur\")) ;;\n"
	      "\tesac\n"
	      "\tif [[ $cur == -* ]]; then COMPREPLY=($(compgen -W \"$options\" -- \"$cur\")); fi\n"
	      "}\n"
	      "complete -F _keywayctl keywayctl\n",
		c->out);
	return CTL_OK;
}
