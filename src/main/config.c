/* config.c - reads the settings: walks what libconfig parsed along the table of keys, checks what one key cannot say.
 * For the daemon at start and on SIGHUP, keyway --check-config, and the tests.
 * Control thread: reads files. The result may be read by any thread. */
#include "config_load.h"
#include "config_scan.h"
#include "keyway/wire/auth.h"
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>

#define WARNINGS_MAX 64
#define PLACE_MAX    200 /* bytes of a file's name in a message */

/* A config and what holds its texts. */
struct config_whole {
	struct config config;
	struct arena arena;
};

/* --- messages --- */

static const char *source_path(struct loader *l, const config_setting_t *at)
{
	const char *file = at ? config_setting_source_file(at) : NULL;

	if (!file || strcmp(file, l->path) == 0)
		return l->path;
	/* libconfig knows an included file by the name that stands behind @include */
	return arena_printf(&l->words, "%s/%s", l->dir, file);
}

static unsigned source_line(const config_setting_t *at)
{
	return at ? config_setting_source_line(at) : 0;
}

int config_refuse(struct loader *l, const config_setting_t *at, const char *fmt, ...)
{
	char msg[ERR_MSG_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	if (source_line(at) == 0)
		return err_set(l->err, ERR_CONFIG, ER_WRONG_ARGUMENTS, "%.*s: %s", PLACE_MAX, l->path, msg);
	return err_set(l->err, ERR_CONFIG, ER_WRONG_ARGUMENTS, "%.*s:%u: %s", PLACE_MAX, source_path(l, at),
		source_line(at), msg);
}

void config_warn(struct loader *l, const config_setting_t *at, const char *fmt, ...)
{
	struct config *c = l->config;
	char msg[ERR_MSG_MAX];
	va_list ap;

	if (c->n_warnings == WARNINGS_MAX)
		return;
	va_start(ap, fmt);
	vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	if (source_line(at) == 0)
		c->warnings[c->n_warnings++] = arena_printf(l->arena, "%s: %s", l->path, msg);
	else
		c->warnings[c->n_warnings++] =
			arena_printf(l->arena, "%s:%u: %s", source_path(l, at), source_line(at), msg);
}

/* Warns when everyone on the machine may read the file @path that holds @what. One warning per file. */
static void warn_if_readable(struct loader *l, const config_setting_t *at, const char *path, const char *what)
{
	const char *cure = arena_printf(&l->words, "chmod o= %s", path);
	struct stat st;

	if (stat(path, &st) < 0 || !(st.st_mode & S_IROTH))
		return;
	for (size_t i = 0; i < l->config->n_warnings; i++) {
		if (strstr(l->config->warnings[i], cure))
			return;
	}
	config_warn(l, at, "everyone on this machine may read %s: %s", what, cure);
}

static size_t distance(const char *a, const char *b)
{
	size_t row[KEY_PATH_MAX + 1], m = strlen(b);

	for (size_t j = 0; j <= m; j++)
		row[j] = j;
	for (size_t i = 1; a[i - 1]; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= m; j++) {
			size_t up = row[j], best = MIN(up, row[j - 1]) + 1;

			row[j] = MIN(best, diagonal + (a[i - 1] != b[j - 1]));
			diagonal = up;
		}
	}
	return row[m];
}

/* The names that may stand directly inside @prefix, and the one most like @name ("" when none is). */
static const char *known_keys(struct loader *l, const char *prefix, const char *name, const char **nearest)
{
	size_t skip = strlen(prefix), best = MIN(strlen(name) / 3 + 1, 3) + 1;
	const char *list = "", *last = "";

	*nearest = "";
	for (size_t i = 0; i < config_keys_n; i++) {
		const char *rest;
		char *one;

		if (!config_key_within(&config_keys[i], prefix))
			continue;
		rest = config_keys[i].path + skip;
		one = arena_dup(&l->words, rest, strcspn(rest, ".["));
		if (strcmp(one, last) == 0)
			continue;
		list = arena_printf(&l->words, "%s%s%s", list, *list ? ", " : "", one);
		last = one;
		if (strlen(name) < KEY_PATH_MAX && distance(name, one) < best) {
			best = distance(name, one);
			*nearest = one;
		}
	}
	return list;
}

static int refuse_unknown(struct loader *l, const config_setting_t *at, const char *prefix, const char *name)
{
	const char *nearest, *list = known_keys(l, prefix, name, &nearest);
	const char *guess = "";

	if (*nearest)
		guess = arena_printf(&l->words, "; did you mean %s?", nearest);
	for (size_t i = 0; !*guess && i < config_keys_n; i++) {
		const char *dot = strrchr(config_keys[i].path, '.');

		if (dot && strcmp(dot + 1, name) == 0)
			guess = arena_printf(&l->words, "; did you mean %s?", config_keys[i].path);
	}
	if (!*prefix)
		return config_refuse(l, at, "unknown key %.80s%s (known keys: %s)", name, guess, list);
	return config_refuse(l, at, "unknown key %.80s in %.*s%s (known keys there: %s)", name, (int)strlen(prefix) - 1,
		prefix, guess, list);
}

/* --- one value --- */

/* What the file says as text; NULL when it is of another sort than the key's. */
static const char *written(struct loader *l, const struct config_key *key, const config_setting_t *at)
{
	bool number =
		key->type == KEY_COUNT || key->type == KEY_SIZE || key->type == KEY_DURATION || key->type == KEY_PORT;

	switch (config_setting_type(at)) {
	case CONFIG_TYPE_STRING: return key->type == KEY_BOOL ? NULL : config_setting_get_string(at);
	case CONFIG_TYPE_BOOL:
		if (key->type != KEY_BOOL)
			return NULL;
		return config_setting_get_bool(at) ? "true" : "false";
	case CONFIG_TYPE_INT:
	case CONFIG_TYPE_INT64: return number ? arena_printf(&l->words, "%lld", config_setting_get_int64(at)) : NULL;
	default: return NULL;
	}
}

static void warn_about_value(
	struct loader *l, const struct config_key *key, const config_setting_t *at, const char *text, const void *item)
{
	const char *value;

	if (key->type == KEY_SECRET && *text)
		warn_if_readable(l, at, source_path(l, at), "passwords in this file");
	if ((key->type == KEY_NATIVE || key->type == KEY_SHA2) && *text)
		warn_if_readable(l, at, source_path(l, at), "verifiers in this file");
	if (key->type == KEY_SECRET_FILE)
		warn_if_readable(
			l, at, *text == '/' ? text : arena_printf(&l->words, "%s/%s", l->dir, text), "a secret");
	value = key->type == KEY_FILE ? config_value_text(key, item, &l->words) : "";
	if (*value && str_eqz(str_of(strrchr(key->path, '.')), ".key"))
		warn_if_readable(l, at, value, "a private key");
}

static int read_value(struct loader *l, const struct config_key *key, const config_setting_t *at, void *item)
{
	const char *text = written(l, key, at), *why;

	if (!text)
		return config_refuse(l, at, "%s must be %s%s", key->path, config_value_allowed(key, &l->words),
			config_value_quoted(key) ? ", in quotes" : "");
	why = config_value_set(key, text, item, l->arena, l->dir);
	if (why)
		return config_refuse(l, at, "%s: %s", key->path, why);
	warn_about_value(l, key, at, text, item);
	return 0;
}

/* --- groups and lists --- */

static int read_group(struct loader *l, const config_setting_t *at, const char *prefix, void *item);

/* Every key of the item gets its default: those that stand in groups inside it too. */
static void set_defaults(struct loader *l, const char *prefix, void *item)
{
	for (size_t i = 0; i < config_keys_n; i++) {
		const struct config_key *key = &config_keys[i];
		const char *fallback = key->fallback ? key->fallback : "";
		bool text = key->type <= KEY_ADDRESS || key->type == KEY_NATIVE || key->type == KEY_SHA2;

		if (!config_key_same_item(key, prefix))
			continue;
		if (text && !*fallback)
			*(const char **)((char *)item + key->offset) = "";
		else if (*fallback && config_value_set(key, fallback, item, l->arena, l->dir))
			abort(); /* the table's own mistake; the tests load every default */
	}
	if (config_rule_of(prefix)->init)
		config_rule_of(prefix)->init(l, item);
}

static int check_required(struct loader *l, const config_setting_t *at, const char *prefix)
{
	for (size_t i = 0; i < config_keys_n; i++) {
		const struct config_key *key = &config_keys[i];
		const config_setting_t *group = at;
		const char *rest, *dot;

		if (!(key->flags & KEY_REQUIRED) || !config_key_same_item(key, prefix))
			continue;
		rest = key->path + strlen(prefix);
		dot = strchr(rest, '.');
		if (dot)
			group = config_setting_get_member(at, arena_dup(&l->words, rest, (size_t)(dot - rest)));
		if (!group || !config_setting_get_member(group, dot ? dot + 1 : rest))
			return config_refuse(l, group, "%s is missing: %s", key->path, key->help);
	}
	return 0;
}

static int read_item(struct loader *l, const config_setting_t *at, const char *prefix, void *item)
{
	int rc = read_group(l, at, prefix, item);

	return rc < 0 ? rc : check_required(l, at, prefix);
}

static int read_list(struct loader *l, const struct config_key *key, const config_setting_t *at, void *owner)
{
	char prefix[KEY_PATH_MAX];
	int n = config_setting_length(at), rc;
	size_t *count = (size_t *)(void *)((char *)owner + key->count_offset);
	char *items;

	if (config_setting_type(at) != CONFIG_TYPE_LIST)
		return config_refuse(l, at, "%s must be a list of groups: %s = ( { … }, { … } )", key->path,
			config_setting_name(at));
	snprintf(prefix, sizeof(prefix), "%s[].", key->path);
	items = arena_zalloc(l->arena, (size_t)n * key->item_size + 1);
	*(void **)(void *)((char *)owner + key->offset) = items;
	for (int i = 0; i < n; i++) {
		const config_setting_t *group = config_setting_get_elem(at, (unsigned)i);
		char *item = items + (size_t)i * key->item_size;

		if (config_setting_type(group) != CONFIG_TYPE_GROUP)
			return config_refuse(l, group, "%s: each item must be a group: { … }", key->path);
		set_defaults(l, prefix, item);
		*count = (size_t)i + 1;
		rc = read_item(l, group, prefix, item);
		if (rc < 0)
			return rc;
		rc = config_rule_of(prefix)->check ? config_rule_of(prefix)->check(l, group, item) : 0;
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* A list of texts, none of them empty or with characters that cannot be seen. */
static int read_texts(struct loader *l, const struct config_key *key, const config_setting_t *at, void *item)
{
	int n = config_setting_length(at);
	bool list = config_setting_type(at) == CONFIG_TYPE_LIST || config_setting_type(at) == CONFIG_TYPE_ARRAY;
	const char **texts;

	if (!list || (uint64_t)n < key->min || (uint64_t)n > key->max)
		return config_refuse(l, at, "%s must be a %s", key->path, config_value_allowed(key, &l->words));
	texts = arena_array(l->arena, const char *, (size_t)n);
	for (int i = 0; i < n; i++) {
		const config_setting_t *one = config_setting_get_elem(at, (unsigned)i);
		const char *text = config_setting_type(one) == CONFIG_TYPE_STRING ? config_setting_get_string(one) : "";

		if (!*text || text[strcspn(text, " \t\r\n\"\\")])
			return config_refuse(l, one,
				"%s: each item must be a text in quotes, not empty and without blanks", key->path);
		texts[i] = arena_dup(l->arena, text, strlen(text));
	}
	*(const char ***)(void *)((char *)item + key->offset) = texts;
	*(size_t *)(void *)((char *)item + key->count_offset) = (size_t)n;
	return 0;
}

/* Reads one setting of a group whose place in the table is @prefix. */
static int read_setting(struct loader *l, const config_setting_t *at, const char *prefix, void *item)
{
	const char *name = config_setting_name(at);
	char path[KEY_PATH_MAX], inside[KEY_PATH_MAX];
	const struct config_key *key;
	bool has_keys = false;

	if (strlen(prefix) + strlen(name) + 2 > sizeof(path) || strchr(name, '.'))
		return refuse_unknown(l, at, prefix, name);
	snprintf(path, sizeof(path), "%s%s", prefix, name);
	snprintf(inside, sizeof(inside), "%s%s.", prefix, name);
	for (size_t i = 0; i < config_keys_n; i++)
		has_keys = has_keys || config_key_within(&config_keys[i], inside);
	key = config_key_find(path);
	if (key && key->type == KEY_LIST)
		return read_list(l, key, at, item);
	if (key && key->type == KEY_TEXTS)
		return read_texts(l, key, at, item);
	if (has_keys && config_setting_type(at) == CONFIG_TYPE_GROUP) {
		int rc = read_group(l, at, inside, item);

		if (rc == 0 && config_rule_of(inside)->check)
			rc = config_rule_of(inside)->check(l, at, item);
		return rc;
	}
	if (key)
		return read_value(l, key, at, item);
	if (has_keys)
		return config_refuse(l, at, "%s must be a group: %s = { … }", path, name);
	return refuse_unknown(l, at, prefix, name);
}

/* Depth is bounded by the table: what it does not know is not entered. Lists come last, as their items may take
 * defaults from keys beside the list. */
static int read_group(struct loader *l, const config_setting_t *at, const char *prefix, void *item)
{
	int n = config_setting_length(at), rc;

	for (int lists = 0; lists <= 1; lists++) {
		for (int i = 0; i < n; i++) {
			const config_setting_t *one = config_setting_get_elem(at, (unsigned)i);

			if ((config_setting_type(one) == CONFIG_TYPE_LIST) != lists)
				continue;
			rc = read_setting(l, one, prefix, item);
			if (rc < 0)
				return rc;
		}
	}
	return 0;
}

/* --- the whole --- */

static int parse(struct loader *l)
{
	struct stat st;
	const char *file;

	if (stat(l->path, &st) < 0)
		return config_refuse(l, NULL, "cannot read the settings: %s", strerror(errno));
	if (!S_ISREG(st.st_mode))
		return config_refuse(l, NULL, "cannot read the settings: not a regular file");
	config_set_include_dir(&l->parsed, l->dir);
	if (config_read_file(&l->parsed, l->path) == CONFIG_TRUE)
		return config_scan_numbers(l->path, l->dir, l->err);
	if (config_error_type(&l->parsed) != CONFIG_ERR_PARSE)
		return config_refuse(l, NULL, "cannot read the settings: %s", strerror(errno));
	file = config_error_file(&l->parsed);
	if (file && strcmp(file, l->path) != 0)
		file = arena_printf(&l->words, "%s/%s", l->dir, file);
	return err_set(l->err, ERR_CONFIG, ER_WRONG_ARGUMENTS, "%.*s:%d: %s%s", PLACE_MAX, file ? file : l->path,
		config_error_line(&l->parsed), config_error_text(&l->parsed),
		strstr(config_error_text(&l->parsed), "include")
			? "; the name after @include starts at the folder of the main file"
			: "");
}

static int load(struct loader *l)
{
	const config_setting_t *root;
	int rc = parse(l);

	if (rc < 0)
		return rc;
	root = config_root_setting(&l->parsed);
	set_defaults(l, "", l->config);
	rc = read_item(l, root, "", l->config);
	return rc < 0 ? rc : config_check_all(l, root);
}

int config_load(const char *path, struct config **out, struct err *err)
{
	struct config_whole *whole = xcalloc(1, sizeof(*whole));
	struct loader l = { .path = path, .config = &whole->config, .arena = &whole->arena, .err = err };
	const char *slash = strrchr(path, '/');
	char *absolute;
	int rc;

	*out = NULL;
	arena_init(&whole->arena);
	arena_init(&l.words);
	l.dir = slash ? arena_dup(&l.words, path, slash == path ? 1 : (size_t)(slash - path)) : ".";
	absolute = realpath(l.dir, NULL); /* names in the settings stay good when the daemon changes its folder */
	if (absolute)
		l.dir = arena_dup(&l.words, absolute, strlen(absolute));
	free(absolute);
	whole->config.warnings = arena_array(l.arena, const char *, WARNINGS_MAX);
	config_init(&l.parsed);
	rc = load(&l);
	config_destroy(&l.parsed);
	arena_free(&l.words);
	if (rc < 0)
		config_free(&whole->config);
	else
		*out = &whole->config;
	return rc;
}

/* Wipes what stands in secret places of @item, and of the items of its lists. */
static void wipe(const char *prefix, void *item)
{
	for (size_t i = 0; i < config_keys_n; i++) {
		const struct config_key *key = &config_keys[i];
		char *at = (char *)item + key->offset, inside[KEY_PATH_MAX];

		if (!config_key_same_item(key, prefix))
			continue;
		if (config_key_is_secret(key) && *(char **)(void *)at)
			auth_wipe(*(char **)(void *)at, strlen(*(char **)(void *)at));
		if (key->type != KEY_LIST)
			continue;
		snprintf(inside, sizeof(inside), "%s[].", key->path);
		for (size_t k = 0; k < *(size_t *)(void *)((char *)item + key->count_offset); k++)
			wipe(inside, *(char **)(void *)at + k * key->item_size);
	}
}

void config_free(struct config *c)
{
	struct config_whole *whole;

	if (!c)
		return;
	whole = container_of(c, struct config_whole, config);
	wipe("", c);
	arena_free(&whole->arena);
	free(whole);
}

static const struct config_keyspace *keyspace_find(const struct config *c, struct str name)
{
	for (size_t i = 0; i < c->n_keyspaces; i++) {
		if (str_eqz(name, c->keyspaces[i].name))
			return &c->keyspaces[i];
	}
	return NULL;
}

const struct config_account *config_account_for(const struct config *c, struct str keyspace)
{
	const struct config_keyspace *ks = keyspace_find(c, keyspace);

	return ks && *ks->account.user ? &ks->account : &c->backend.account;
}

enum config_transaction_mode config_transaction_mode_for(const struct config *c, struct str keyspace)
{
	const struct config_keyspace *ks = keyspace_find(c, keyspace);

	return ks ? ks->transaction_mode : c->transaction_mode;
}

const struct config_user *config_user_find(const struct config *c, struct str name)
{
	for (size_t i = 0; i < c->n_users; i++) {
		if (str_eqz(name, c->users[i].name))
			return &c->users[i];
	}
	return NULL;
}
