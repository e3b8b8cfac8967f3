/* config_print.c - shows settings, lists the keys, and says what differs between two sets of settings.
 * For keyway --print-defaults and --help, and for SIGHUP.
 * Any thread; reads only. */
#include "config_keys.h"

static const char *const type_word[] = {
	[KEY_TEXT] = "text",
	[KEY_PATH] = "path",
	[KEY_FILE] = "path",
	[KEY_ADDRESS] = "text",
	[KEY_BOOL] = "boolean",
	[KEY_COUNT] = "number",
	[KEY_SIZE] = "size",
	[KEY_DURATION] = "duration",
	[KEY_PORT] = "number",
	[KEY_MODE] = "octal",
	[KEY_CHOICE] = "choice",
	[KEY_NATIVE] = "verifier",
	[KEY_SHA2] = "verifier",
	[KEY_SECRET] = "secret",
	[KEY_SECRET_FILE] = "path",
	[KEY_SECRET_ENV] = "text",
	[KEY_TEXTS] = "texts",
	[KEY_LIST] = "list",
};

static const void *item_place(const struct config_key *key, const void *item)
{
	return (const char *)item + key->offset;
}

static size_t list_n(const struct config_key *key, const void *owner)
{
	return *(const size_t *)(const void *)((const char *)owner + key->count_offset);
}

static const void *list_item_at(const struct config_key *key, const void *owner, size_t i)
{
	return *(const char *const *)item_place(key, owner) + i * key->item_size;
}

void config_keys_print(FILE *out)
{
	struct arena words;

	arena_init(&words);
	for (size_t i = 0; i < config_keys_n; i++) {
		const struct config_key *key = &config_keys[i];
		const char *quote = config_value_quoted(key) ? "\"" : "";

		fprintf(out, "%s  (%s", key->path, type_word[key->type]);
		if (key->flags & KEY_REQUIRED)
			fprintf(out, ", required");
		else if (key->fallback)
			fprintf(out, ", default %s%s%s", quote, key->fallback, quote);
		if (key->flags & KEY_RESTART)
			fprintf(out, ", needs a restart");
		fprintf(out, ")\n\t%s\n", key->help);
		if (key->type != KEY_LIST && key->type != KEY_PATH && key->type != KEY_FILE)
			fprintf(out, "\tallowed: %s\n", config_value_allowed(key, &words));
	}
	arena_free(&words);
}

static void indent_print(int depth, FILE *out)
{
	for (int i = 0; i < depth; i++)
		fputc('\t', out);
}

static void quoted_print(const char *s, FILE *out)
{
	fputc('"', out);
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			fputc('\\', out);
		fputc(*s, out);
	}
	fputc('"', out);
}

static void value_print(const struct config_key *key, const void *item, struct arena *words, FILE *out)
{
	const char *text = config_key_is_secret(key) ? "***" : config_value_text(key, item, words);

	if (config_value_quoted(key))
		quoted_print(text, out);
	else
		fputs(text, out);
}

/* Of the item of a list only what was chosen is shown: half of its keys do not go with the other half. */
static bool worth_printing(const struct config_key *key, const void *item, struct arena *words)
{
	const char *text;

	if (key->flags & KEY_ALIAS)
		return false;
	if (key->type == KEY_LIST)
		return !strchr(key->path, '[') || list_n(key, item) > 0;
	text = config_value_text(key, item, words);
	if (config_key_is_secret(key))
		return text != NULL;
	if (key->type == KEY_TEXTS)
		return list_n(key, item) > 0;
	if (key->flags & KEY_CHOSEN)
		return strcmp(text, key->fallback ? key->fallback : "") != 0;
	return !strchr(key->path, '[') || !key->fallback || strcmp(text, key->fallback) != 0;
}

static bool group_worth_printing(const char *prefix, const void *item, struct arena *words)
{
	for (size_t i = 0; i < config_keys_n; i++) {
		if (config_key_same_item(&config_keys[i], prefix) && worth_printing(&config_keys[i], item, words))
			return true;
	}
	return false;
}

static void group_print(const char *prefix, const void *item, int depth, struct arena *words, FILE *out);

static void list_print(const struct config_key *key, const void *owner, int depth, struct arena *words, FILE *out)
{
	size_t n = list_n(key, owner);
	char prefix[KEY_PATH_MAX];

	snprintf(prefix, sizeof(prefix), "%s[].", key->path);
	fprintf(out, "(%s", n ? "\n" : " ");
	for (size_t i = 0; i < n; i++) {
		indent_print(depth + 1, out);
		fprintf(out, "{\n");
		group_print(prefix, list_item_at(key, owner, i), depth + 2, words, out);
		indent_print(depth + 1, out);
		fprintf(out, "}%s\n", i + 1 < n ? "," : "");
	}
	if (n)
		indent_print(depth, out);
	fprintf(out, ")");
}

/* The keys of a group stand together in the table. */
static void group_print(const char *prefix, const void *item, int depth, struct arena *words, FILE *out)
{
	char inside[KEY_PATH_MAX] = "";

	for (size_t i = 0; i < config_keys_n; i++) {
		const struct config_key *key = &config_keys[i];
		const char *rest;

		if (!config_key_same_item(key, prefix) || (*inside && config_key_within(key, inside)))
			continue;
		rest = key->path + strlen(prefix);
		if (strchr(rest, '.')) {
			int n = (int)strcspn(rest, ".");

			snprintf(inside, sizeof(inside), "%s%.*s.", prefix, n, rest);
			if (!group_worth_printing(inside, item, words))
				continue;
			indent_print(depth, out);
			fprintf(out, "%.*s = {\n", n, rest);
			group_print(inside, item, depth + 1, words, out);
			indent_print(depth, out);
			fprintf(out, "};\n");
			continue;
		}
		if (!worth_printing(key, item, words))
			continue;
		indent_print(depth, out);
		fprintf(out, "%s = ", rest);
		if (key->type == KEY_LIST)
			list_print(key, item, depth, words, out);
		else
			value_print(key, item, words, out);
		fprintf(out, ";\n");
	}
}

void config_print(const struct config *c, FILE *out)
{
	struct arena words;

	arena_init(&words);
	group_print("", c, 0, &words, out);
	arena_free(&words);
}

static bool items_equal(const char *prefix, const void *a, const void *b, struct arena *words);

static bool key_equal(const struct config_key *key, const void *a, const void *b, struct arena *words)
{
	char prefix[KEY_PATH_MAX];
	const char *x, *y;

	if (key->type != KEY_LIST) {
		x = config_value_text(key, a, words);
		y = config_value_text(key, b, words);
		return x && y ? strcmp(x, y) == 0 : x == y;
	}
	if (list_n(key, a) != list_n(key, b))
		return false;
	snprintf(prefix, sizeof(prefix), "%s[].", key->path);
	for (size_t i = 0; i < list_n(key, a); i++) {
		if (!items_equal(prefix, list_item_at(key, a, i), list_item_at(key, b, i), words))
			return false;
	}
	return true;
}

static bool items_equal(const char *prefix, const void *a, const void *b, struct arena *words)
{
	for (size_t i = 0; i < config_keys_n; i++) {
		const struct config_key *key = &config_keys[i];

		if (config_key_same_item(key, prefix) && !(key->flags & KEY_ALIAS) && !key_equal(key, a, b, words))
			return false;
	}
	return true;
}

size_t config_reloadable_diff(const struct config *old, const struct config *new, config_change_fn *fn, void *arg)
{
	struct arena words;
	size_t restarts = 0;

	arena_init(&words);
	for (size_t i = 0; i < config_keys_n; i++) {
		const struct config_key *key = &config_keys[i];
		bool restart = key->flags & KEY_RESTART;

		if (!config_key_same_item(key, "") || (key->flags & KEY_ALIAS) || key_equal(key, old, new, &words))
			continue;
		restarts += restart;
		if (fn)
			fn(arg, key->path, restart);
	}
	arena_free(&words);
	return restarts;
}
