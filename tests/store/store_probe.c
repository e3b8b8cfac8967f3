/* store_probe.c - the store layer by hand: one call and what it says, or what is followed as lines.
 * For tests/e2e/test_store_etcd.py and test_store_consul.py, over real servers.
 * One thread; call-backs come on the layer's own.
 *
 * store-probe KIND PLACE[,PLACE]... [NAME=VALUE]... COMMAND [ARGUMENT]...
 *   settings: prefix user password token ca cert key timeout_ms
 *   get KEY               "VERSION VALUE", or "none"; line ends in values are printed as blanks
 *   list PREFIX           "KEY VERSION VALUE" a line
 *   commit OP...          KEY=VALUE, KEY@VERSION=VALUE, -KEY, -KEY@VERSION; "done" or "conflict"
 *   describe
 *   follow                until the end of the input: "document KEY TEXT", "gone KEY", "settled", "up", "down WHY",
 *                         "identity ID"; lines "reload", "refuse", "accept" on the input
 *   present KEY VALUE MS  until the end of the input; a line is the new value
 * Exit: 0 done, 1 "error KIND TEXT" was printed, 2 usage. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include "keyway/store/store.h"

static int say(const struct err *err)
{
	printf("error %d %s\n", err->kind, err->msg);
	return 1;
}

static const char *one_line(char *value)
{
	for (char *c = value; *c; c++)
		*c = *c == '\n' ? ' ' : *c;
	return value;
}

static int do_get(struct store *s, char **args)
{
	struct store_item it;
	struct err err;
	int rc = store_get(s, args[0], &it, &err);

	if (rc < 0)
		return say(&err);
	if (rc == 1)
		printf("none\n");
	else
		printf("%llu %s\n", (unsigned long long)it.version, one_line(it.value));
	store_item_free(&it);
	return 0;
}

static int do_list(struct store *s, char **args)
{
	struct store_items all;
	struct err err;

	if (store_list(s, args[0], &all, &err) < 0)
		return say(&err);
	for (uint32_t i = 0; i < all.n; i++)
		printf("%s %llu %s\n", all.v[i].key, (unsigned long long)all.v[i].version, one_line(all.v[i].value));
	store_items_free(&all);
	return 0;
}

static int do_commit(struct store *s, char **args)
{
	struct store_op ops[STORE_OPS_MAX + 1] = { 0 };
	uint32_t n = 0;
	struct err err;
	int rc;

	for (; args[n] && n < ARRAY_N(ops); n++) {
		bool gone = args[n][0] == '-';
		char *value = gone ? NULL : strchr(args[n], '='), *at;

		if (value) {
			*value++ = '\0';
			ops[n].value = str_of(value);
		}
		at = strchr(args[n], '@');
		if (at) {
			*at++ = '\0';
			ops[n].check = true;
			ops[n].version = strtoull(at, NULL, 10);
		}
		ops[n].key = args[n] + gone;
	}
	rc = store_commit(s, ops, n, &err);
	if (rc < 0)
		return say(&err);
	printf("%s\n", rc == STORE_DONE ? "done" : "conflict");
	return 0;
}

static int do_describe(struct store *s, char **args)
{
	char text[256];
	struct err err;

	(void)args;
	if (store_describe(s, text, sizeof(text), &err) < 0)
		return say(&err);
	printf("%s\n", text);
	return 0;
}

static atomic_bool refusing;

static void on_document(void *arg, struct str key, struct str document, uint64_t revision)
{
	(void)arg;
	(void)revision;
	if (document.p)
		printf("document " STR_FMT " " STR_FMT "\n", STR_ARG(key), STR_ARG(document));
	else
		printf("gone " STR_FMT "\n", STR_ARG(key));
}

static void on_settled(void *arg)
{
	(void)arg;
	printf("settled\n");
}

static void on_state(void *arg, const struct err *err)
{
	(void)arg;
	if (err)
		printf("down %s\n", err->msg);
	else
		printf("up\n");
}

static bool on_identity(void *arg, struct str id)
{
	(void)arg;
	printf("identity " STR_FMT "\n", STR_ARG(id));
	return !atomic_load(&refusing);
}

static char *next_line(char *line, int size)
{
	if (!fgets(line, size, stdin))
		return NULL;
	line[strcspn(line, "\n")] = '\0';
	return line;
}

static int do_follow(const struct store_config *cfg)
{
	struct store_watch w = { NULL, on_document, on_settled, on_state, on_identity };
	struct store_follower *f;
	char line[4096];
	struct err err;

	f = store_follow(cfg, &w, &err);
	if (!f)
		return say(&err);
	while (next_line(line, sizeof(line))) {
		if (strcmp(line, "reload") == 0)
			store_follower_reload(f);
		else
			atomic_store(&refusing, strcmp(line, "refuse") == 0);
	}
	store_follower_stop(f);
	printf("stopped\n");
	return 0;
}

static int do_present(const struct store_config *cfg, char **args)
{
	struct store_presence *p;
	char line[4096];
	struct err err;

	p = store_presence_start(cfg, args[0], str_of(args[1]), strtoull(args[2], NULL, 10) * 1000, &err);
	if (!p)
		return say(&err);
	printf("present\n");
	while (next_line(line, sizeof(line)))
		store_presence_set(p, str_of(line));
	store_presence_stop(p);
	printf("stopped\n");
	return 0;
}

static bool set(struct store_config *cfg, char *word)
{
	static const char *const names[] = { "prefix", "user", "password", "token", "ca", "cert", "key" };
	const char **places[] = { &cfg->prefix, &cfg->user, &cfg->password, &cfg->token, &cfg->ca, &cfg->cert,
		&cfg->key };
	char *value = strchr(word, '=');

	if (!value)
		return false;
	for (size_t i = 0; i < ARRAY_N(names); i++) {
		if (str_eqz(str_make(word, (size_t)(value - word)), names[i])) {
			*places[i] = value + 1;
			return true;
		}
	}
	if (strncmp(word, "timeout_ms=", 11) != 0)
		return false;
	cfg->timeout_us = strtoull(value + 1, NULL, 10) * 1000;
	return true;
}

static int run(const struct store_config *cfg, char **words)
{
	static const struct {
		const char *name;
		int args;
		int (*run)(struct store *s, char **args);
	} calls[] = { { "get", 1, do_get }, { "list", 1, do_list }, { "commit", 1, do_commit },
		{ "describe", 0, do_describe } };
	struct store *s;
	struct err err;
	int n = 0, status;

	while (words[n])
		n++;
	if (n == 1 && strcmp(words[0], "follow") == 0)
		return do_follow(cfg);
	if (n == 4 && strcmp(words[0], "present") == 0)
		return do_present(cfg, words + 1);
	for (size_t i = 0; n && i < ARRAY_N(calls); i++) {
		if (strcmp(words[0], calls[i].name) != 0 || n - 1 < calls[i].args)
			continue;
		s = store_open(cfg, &err);
		if (!s)
			return say(&err);
		status = calls[i].run(s, words + 1);
		store_close(s);
		return status;
	}
	fprintf(stderr, "store-probe: see the top of its source\n");
	return 2;
}

int main(int argc, char **argv)
{
	static const char *const kinds[] = { "file", "etcd", "consul" };
	const char *endpoints[STORE_ENDPOINTS_MAX];
	struct store_config cfg = { .prefix = "/keyway/test", .endpoints = endpoints };

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc < 4)
		return 2;
	while ((size_t)cfg.kind < ARRAY_N(kinds) && strcmp(kinds[cfg.kind], argv[1]) != 0)
		cfg.kind++;
	cfg.path = cfg.kind == STORE_FILE ? argv[2] : NULL;
	for (char *at = strtok(argv[2], ","); at && cfg.endpoint_n < STORE_ENDPOINTS_MAX; at = strtok(NULL, ","))
		endpoints[cfg.endpoint_n++] = at;
	argv += 3;
	while (*argv && strncmp(*argv, "commit", 6) != 0 && set(&cfg, *argv))
		argv++;
	return run(&cfg, argv);
}
