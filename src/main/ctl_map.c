/* ctl_map.c - keywayctl map: the table of its commands, and those that only look.
 * For ctl.c.
 * One thread, blocking. */
#include "ctl_map.h"
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

/* --- reading --- */

char *ctl_map_file(struct ctl *c, const struct ctl_args *a, const char *path, size_t *n)
{
	bool is_stdin = strcmp(path, "-") == 0;
	FILE *f = is_stdin ? c->in : fopen(path, "re");
	struct buf text = { 0 };
	size_t got = 1;

	if (!f) {
		ctl_fail(c, a, CTL_FAILED, "%s: %s", path, strerror(errno));
		return NULL;
	}
	while (got && buf_used(&text) <= MAP_DOCUMENT_MAX) {
		got = fread(buf_reserve(&text, 65536), 1, 65536, f);
		buf_wrote(&text, got);
	}
	if (ferror(f) || buf_used(&text) > MAP_DOCUMENT_MAX) {
		ctl_fail(c, a, CTL_FAILED, "%s: %s", path, ferror(f) ? strerror(errno) : "is larger than a map may be");
		buf_free(&text);
	}
	if (!is_stdin)
		fclose(f);
	if (!text.p)
		return NULL;
	*n = buf_used(&text);
	buf_add_u8(&text, 0);
	return (char *)text.p; /* nothing was eaten: the block begins with the text */
}

enum ctl_exit ctl_map_document(
	struct ctl *c, const struct ctl_args *a, const struct ops *o, const char *keyspace, char **out)
{
	char key[STORE_KEY_MAX + 1];
	struct store_item it;
	struct err err;
	int rc = store_key(key, "keyspaces/", str_of(keyspace), &err);

	if (rc == 0)
		rc = store_get(o->store, key, &it, &err);
	if (rc < 0)
		return ctl_ops_failed(c, a, &err);
	if (rc == 1)
		return ctl_fail(
			c, a, CTL_FAILED, "the store has no keyspace %s; keywayctl map list shows them", keyspace);
	*out = str_dup(str_make(it.value, it.value_n));
	store_item_free(&it);
	return CTL_OK;
}

/* --- list --- */

static const struct ctl_column list_columns[] = {
	{ "keyspace", CTL_LEFT },
	{ "epoch", CTL_RIGHT },
	{ "sharding", CTL_LEFT },
	{ "shards", CTL_RIGHT },
	{ "backends", CTL_RIGHT },
	{ "tables", CTL_RIGHT },
	{ "problem", CTL_LEFT },
};

static void list_row(struct ctl_table *t, const struct store_item *it)
{
	char *name = store_key_name(it->key);
	struct keyspace *ks;
	struct err err;
	uint64_t backends = 0;

	ctl_cell_textz(t, name);
	if (keyspace_parse(str_make(it->value, it->value_n), str_of(name), &ks, &err) < 0) {
		for (int i = 0; i < 5; i++)
			ctl_cell_none(t);
		ctl_cell_textz(t, err.msg);
	} else {
		for (uint32_t i = 0; i < ks->shard_n; i++)
			backends += ks->shards[i].backend_n;
		ctl_cell_number(t, ks->epoch);
		ctl_cell_textz(t, ks->sharded ? sharding_kind_name(ks->fn->kind) : NULL);
		ctl_cell_number(t, ks->shard_n);
		ctl_cell_number(t, backends);
		ctl_cell_number(t, ks->table_n);
		ctl_cell_none(t);
		keyspace_unref(ks);
	}
	free(name);
}

static enum ctl_exit map_list(struct ctl *c, const struct ctl_args *a, struct ctl_table *t)
{
	struct store_items all;
	struct ctl_ops o;
	struct err err;
	enum ctl_exit rc = ctl_ops_open_store(c, a, &o);

	if (rc != CTL_OK)
		return rc;
	ctl_table_begin(t, list_columns, ARRAY_N(list_columns));
	if (store_list(o.ops.store, "keyspaces/", &all, &err) < 0) {
		rc = ctl_ops_failed(c, a, &err);
	} else {
		for (uint32_t i = 0; i < all.n; i++)
			list_row(t, &all.v[i]);
		store_items_free(&all);
	}
	ctl_ops_close(&o);
	return rc;
}

/* --- get --- */

/* As it is stored; to a terminal without what could steer it. */
static void document_print(struct ctl *c, const char *text)
{
	size_t n = strlen(text);

	if (isatty(fileno(c->out))) {
		for (const char *line = text; *line;) {
			struct buf safe = { 0 };
			size_t len = strcspn(line, "\n");

			for (; *line == '\t'; line++, len--)
				fputc('\t', c->out);
			ctl_text_safe(&safe, str_make(line, len));
			fwrite(buf_head(&safe), 1, buf_used(&safe), c->out);
			buf_free(&safe);
			line += len;
			if (*line == '\n')
				fputc(*line++, c->out);
		}
	} else {
		fwrite(text, 1, n, c->out);
	}
	if (n && text[n - 1] != '\n')
		fputc('\n', c->out);
}

/* The only keyspace there is, on the heap. NULL: told. */
static char *only_keyspace(struct ctl *c, const struct ctl_args *a, const struct ops *o)
{
	struct store_items all;
	struct err err;
	char *name = NULL;

	if (store_list(o->store, "keyspaces/", &all, &err) < 0) {
		ctl_ops_failed(c, a, &err);
		return NULL;
	}
	if (all.n == 1)
		name = store_key_name(all.v[0].key);
	else
		ctl_fail(c, a, CTL_FAILED, "the store has %u keyspaces: name one (keywayctl map list)", all.n);
	store_items_free(&all);
	return name;
}

static enum ctl_exit document_at(struct ctl *c, const struct ctl_args *a, const struct ops *o, const char *keyspace,
	const char *epoch_text, char **out)
{
	uint64_t epoch;
	struct err err;

	if (!epoch_text)
		return ctl_map_document(c, a, o, keyspace, out);
	if (str_to_u64(str_of(epoch_text), &epoch) < 0 || ops_map_at(o, keyspace, epoch, out, &err) < 0)
		return ctl_ops_failed(c, a, &err);
	return CTL_OK;
}

static enum ctl_exit map_get(struct ctl *c, const struct ctl_args *a)
{
	const char *given = ctl_word(a, 0);
	char *name, *text = NULL;
	struct ctl_ops o;
	enum ctl_exit rc = ctl_ops_open_store(c, a, &o);

	if (rc != CTL_OK)
		return rc;
	name = given ? xstrdup(given) : only_keyspace(c, a, &o.ops);
	rc = name ? document_at(c, a, &o.ops, name, ctl_option(a, "--epoch"), &text) : CTL_FAILED;
	if (rc == CTL_OK)
		document_print(c, text);
	free(text);
	free(name);
	ctl_ops_close(&o);
	return rc;
}

/* --- validate --- */

/* Documents that shall be served together. */
struct together {
	struct keyspace **v;
	uint32_t n;
};

static void together_add(struct together *all, struct keyspace *ks)
{
	all->v = xrealloc(all->v, (all->n + 1) * sizeof(struct keyspace *));
	all->v[all->n++] = ks;
}

static bool together_has(const struct together *all, struct str name)
{
	for (uint32_t i = 0; i < all->n; i++) {
		if (str_eq(all->v[i]->name, name))
			return true;
	}
	return false;
}

/* What the store has of keyspaces that no file is about. */
static enum ctl_exit together_add_stored(struct ctl *c, const struct ctl_args *a, struct together *all)
{
	struct store_items stored;
	struct ctl_ops o;
	struct err err;
	enum ctl_exit rc = ctl_ops_open_store(c, a, &o);

	if (rc != CTL_OK)
		return rc;
	if (store_list(o.ops.store, "keyspaces/", &stored, &err) < 0) {
		rc = ctl_ops_failed(c, a, &err);
	} else {
		for (uint32_t i = 0; i < stored.n; i++) {
			char *name = store_key_name(stored.v[i].key);
			struct keyspace *ks;

			if (together_has(all, str_of(name)))
				;
			else if (keyspace_parse(str_make(stored.v[i].value, stored.v[i].value_n), str_of(name), &ks,
					 &err) == 0)
				together_add(all, ks);
			else
				ctl_progress(c, "warning: the store's keyspace %s is no valid map: %s", name, err.msg);
			free(name);
		}
		store_items_free(&stored);
	}
	ctl_ops_close(&o);
	return rc;
}

static void warn_shared(struct ctl *c, const struct shard *a, const struct shard *b)
{
	for (uint32_t i = 0; i < a->backend_n; i++) {
		for (uint32_t k = 0; k < b->backend_n; k++) {
			const struct backend_def *x = &a->backends[i], *y = &b->backends[k];

			if (x->port == y->port && str_eq(x->host, y->host) && str_eq(x->socket, y->socket))
				ctl_progress(c,
					"warning: backend %s of keyspace %s and backend %s of keyspace %s are one "
					"server "
					"with one database (%s): each sees the other's tables",
					x->name.p, a->keyspace->name.p, y->name.p, b->keyspace->name.p, a->database.p);
		}
	}
}

static void warn_all_shared(struct ctl *c, const struct keyspace *a, const struct keyspace *b)
{
	for (uint32_t i = 0; i < a->shard_n; i++) {
		for (uint32_t k = 0; k < b->shard_n; k++) {
			if (a->shards[i].database.n && str_eq(a->shards[i].database, b->shards[k].database))
				warn_shared(c, &a->shards[i], &b->shards[k]);
		}
	}
}

/* Settings were named, or stand at their usual place: the store can be asked. */
static bool store_is_known(const struct ctl_args *a)
{
	const char *env = getenv("KEYWAY_CONF");

	return ctl_option(a, "--conf") || ctl_option(a, "--playground") || (env && *env) ||
	       access(CTL_CONF_PATH, R_OK) == 0;
}

static enum ctl_exit validate_file(struct ctl *c, const struct ctl_args *a, const char *path, struct together *all)
{
	struct keyspace *ks;
	struct err err;
	size_t n;
	char *text = ctl_map_file(c, a, path, &n);
	int rc;

	if (!text)
		return CTL_FAILED;
	rc = keyspace_parse(str_make(text, n), STR(""), &ks, &err);
	free(text);
	if (rc < 0)
		return ctl_fail(c, a, CTL_REFUSED, "%s: %s", path, err.msg);
	if (together_has(all, ks->name)) {
		ctl_fail(c, a, CTL_REFUSED, "%s: keyspace: another file describes %s already", path, ks->name.p);
		keyspace_unref(ks);
		return CTL_REFUSED;
	}
	fprintf(c->out, "%s: keyspace %s, epoch %llu, %u shard%s, %u table%s: valid\n", path, ks->name.p,
		(unsigned long long)ks->epoch, ks->shard_n, ks->shard_n == 1 ? "" : "s", ks->table_n,
		ks->table_n == 1 ? "" : "s");
	together_add(all, ks);
	return CTL_OK;
}

static enum ctl_exit map_validate(struct ctl *c, const struct ctl_args *a)
{
	struct together all = { NULL, 0 };
	enum ctl_exit rc = CTL_OK, one;
	struct map *map;
	struct err err;

	for (uint32_t i = 0; i < a->word_n; i++) {
		one = validate_file(c, a, a->words[i], &all);
		rc = one == CTL_OK ? rc : one;
	}
	if (store_is_known(a)) {
		one = together_add_stored(c, a, &all);
		rc = one == CTL_OK ? rc : one;
	} else {
		ctl_progress(c, "no settings are named (--conf): the store's other keyspaces were not looked at");
	}
	if (map_build(all.v, all.n, &map, &err) < 0)
		rc = ctl_fail(c, a, CTL_REFUSED, "%s", err.msg);
	else
		map_unref(map);
	for (uint32_t i = 0; i < all.n; i++) {
		for (uint32_t k = 0; k < i; k++)
			warn_all_shared(c, all.v[k], all.v[i]);
	}
	for (uint32_t i = 0; i < all.n; i++)
		keyspace_unref(all.v[i]);
	free(all.v);
	return rc;
}

/* --- diff --- */

static const struct ctl_column diff_columns[] = {
	{ "class", CTL_LEFT },
	{ "keys", CTL_LEFT },
	{ "share", CTL_RIGHT },
	{ "change", CTL_LEFT },
};

void ctl_map_diff_rows(const struct map_diff *d, struct ctl_table *t)
{
	char range[KEYRANGE_TEXT_MAX], share[KEY_SHARE_TEXT_MAX];

	ctl_table_begin(t, diff_columns, ARRAY_N(diff_columns));
	for (uint32_t i = 0; i < d->n; i++) {
		const struct map_change *one = &d->changes[i];

		ctl_cell_textz(t, map_change_class_name(one->class));
		ctl_cell_textz(t, one->ranged ? keyrange_print(one->range, range) : NULL);
		ctl_cell_textz(t, one->ranged ? key_share_print(keyrange_ids(one->range), share) : NULL);
		ctl_cell_text(t, one->text);
	}
}

/* The newest document of the history before @epoch; NULL: there is none. */
static char *document_before(const struct ops *o, const char *keyspace, uint64_t epoch)
{
	struct ops_map_history h;
	char *text = NULL;
	struct err err;

	if (ops_map_history(o, keyspace, &h, &err) < 0)
		return NULL;
	for (uint32_t i = 0; i < h.n && !text; i++) {
		if (h.v[i].epoch < epoch && h.v[i].document)
			text = xstrdup(h.v[i].document);
	}
	ops_map_history_free(&h);
	return text;
}

static enum ctl_exit keyspace_read(struct ctl *c, const struct ctl_args *a, const char *what, struct str text,
	const char *name, struct keyspace **out)
{
	struct err err;

	if (keyspace_parse(text, str_of(name), out, &err) < 0)
		return ctl_fail(c, a, CTL_REFUSED, "%s: %s", what, err.msg);
	return CTL_OK;
}

/* The newer one: the file, or what the store has. */
static enum ctl_exit diff_new(struct ctl *c, const struct ctl_args *a, const struct ops *o, struct keyspace **out)
{
	const char *name = ctl_word(a, 0), *path = ctl_word(a, 1);
	char *text = NULL;
	enum ctl_exit rc = CTL_OK;
	size_t n = 0;

	if (path) {
		text = ctl_map_file(c, a, path, &n);
		rc = text ? CTL_OK : CTL_FAILED;
	} else {
		rc = ctl_map_document(c, a, o, name, &text);
		n = text ? strlen(text) : 0;
	}
	if (rc == CTL_OK)
		rc = keyspace_read(c, a, path ? path : "the store", str_make(text, n), name, out);
	free(text);
	return rc;
}

/* The older one: the epoch that was named; for a file what the store has; else the epoch before. */
static enum ctl_exit diff_old(
	struct ctl *c, const struct ctl_args *a, const struct ops *o, const struct keyspace *new, struct keyspace **out)
{
	const char *name = ctl_word(a, 0), *epoch = ctl_option(a, "--epoch");
	char *text = NULL;
	enum ctl_exit rc = CTL_OK;

	if (epoch || ctl_word(a, 1))
		rc = document_at(c, a, o, name, epoch, &text);
	else
		text = document_before(o, name, new->epoch);
	if (rc == CTL_OK && !text)
		return ctl_fail(c, a, CTL_FAILED,
			"the history has nothing before epoch %llu: name a FILE or an --epoch to compare with",
			(unsigned long long)new->epoch);
	if (rc == CTL_OK)
		rc = keyspace_read(c, a, "the older map", str_of(text), name, out);
	free(text);
	return rc;
}

static enum ctl_exit map_diff(struct ctl *c, const struct ctl_args *a, struct ctl_table *t)
{
	struct keyspace *old = NULL, *new = NULL;
	struct ctl_ops o;
	struct map_diff d;
	enum ctl_exit rc = ctl_ops_open_store(c, a, &o);

	if (rc != CTL_OK)
		return rc;
	rc = diff_new(c, a, &o.ops, &new);
	if (rc == CTL_OK)
		rc = diff_old(c, a, &o.ops, new, &old);
	if (rc == CTL_OK) {
		map_diff_make(old, new, &d);
		ctl_map_diff_rows(&d, t);
		map_diff_free(&d);
	}
	keyspace_unref(old);
	keyspace_unref(new);
	ctl_ops_close(&o);
	return rc;
}

/* --- history --- */

static const struct ctl_column history_columns[] = {
	{ "epoch", CTL_RIGHT },
	{ "at", CTL_LEFT },
	{ "who", CTL_LEFT },
	{ "why", CTL_LEFT },
};

static enum ctl_exit map_history(struct ctl *c, const struct ctl_args *a, struct ctl_table *t)
{
	struct ops_map_history h;
	struct ctl_ops o;
	struct err err;
	enum ctl_exit rc = ctl_ops_open_store(c, a, &o);

	if (rc != CTL_OK)
		return rc;
	ctl_table_begin(t, history_columns, ARRAY_N(history_columns));
	if (ops_map_history(&o.ops, ctl_word(a, 0), &h, &err) < 0) {
		rc = ctl_ops_failed(c, a, &err);
	} else {
		for (uint32_t i = 0; i < h.n; i++) {
			const struct ops_map_past *p = &h.v[i];

			ctl_cell_number(t, p->epoch);
			ctl_cell_textz(t, p->at[0] ? p->at : NULL);
			ctl_cell_textz(t, p->who[0] ? p->who : NULL);
			ctl_cell_textf(t, "%s%s", p->document ? "" : p->why[0] ? "removed: " : "removed", p->why);
		}
		ops_map_history_free(&h);
	}
	ctl_ops_close(&o);
	return rc;
}

/* --- the table --- */

#define WHY                                                                         \
	{                                                                           \
		.name = "--why", .argument = "TEXT", .help = "why, for the history" \
	}
#define TIMEOUT                                                                          \
	{                                                                                \
		.name = "--timeout", .argument = "TIME", .takes = CTL_DURATION,          \
		.help = "how long to wait until all live proxies serve it; 0: not (30s)" \
	}
#define STRANDS                                                                                                       \
	{                                                                                                             \
		.name = "--strands", .argument = "RANGE", .repeats = true,                                            \
		.help = "go on though rows of these key ids will be on the wrong shard; exactly those that map diff " \
			"lists"                                                                                       \
	}

static const struct ctl_option get_options[] = {
	{ .name = "--epoch", .argument = "N", .takes = CTL_NUMBER, .help = "as it was at this epoch" },
	{ 0 },
};

static const struct ctl_option diff_options[] = {
	{ .name = "--epoch", .argument = "N", .takes = CTL_NUMBER, .help = "against what it was at this epoch" },
	{ 0 },
};

static const struct ctl_option change_options[] = { WHY, STRANDS, TIMEOUT, { 0 } };

static const struct ctl_option remove_options[] = { WHY, { 0 } };

const struct ctl_command ctl_map_commands[] = {
	{ .name = "list", .summary = "list the keyspaces with their epochs", .flags = CTL_CONF, .show = map_list },
	{ .name = "get",
		.summary = "print the document of a keyspace",
		.help = "Without KEYSPACE that of the only one there is. With --epoch what it was, from the history.\n",
		.arguments = { { .name = "KEYSPACE", .takes = CTL_KEYSPACE, .optional = true } },
		.options = get_options,
		.flags = CTL_CONF | CTL_JSON, /* it is JSON in any case */
		.run = map_get },
	{ .name = "validate",
		.summary = "check map documents, alone and together with the other keyspaces of the store",
		.help = "Each message begins with the path of the field that is meant. Without settings (--conf) the "
			"store\n"
			"is not looked at. Exit code 3 when a document is not valid. FILE may be -, standard input.\n",
		.arguments = { { .name = "FILE", .takes = CTL_FILE, .repeats = true } },
		.flags = CTL_CONF,
		.run = map_validate },
	{ .name = "diff",
		.summary = "say in words what changes for which key ids",
		.help = "With FILE: from the present map to that document. With --epoch: from that epoch to the "
			"present map,\n"
			"or to FILE. With neither: what the last change was. Class: harmless, traffic (statements go "
			"to\n"
			"other servers, which hold the rows), strands rows (rows would be where nobody looks for "
			"them).\n",
		.arguments = { { .name = "KEYSPACE", .takes = CTL_KEYSPACE },
			{ .name = "FILE", .takes = CTL_FILE, .optional = true } },
		.options = diff_options,
		.flags = CTL_CONF,
		.show = map_diff },
	{ .name = "edit",
		.summary = "change a keyspace's document in an editor",
		.help = "Opens $VISUAL, $EDITOR or vi on the present document, again as long as it is not valid, shows "
			"what\n"
			"changes, asks, and applies it as map apply does. What could not be applied is left in a "
			"file.\n",
		.arguments = { { .name = "KEYSPACE", .takes = CTL_KEYSPACE } },
		.options = change_options,
		.flags = CTL_CONF | CTL_CONFIRM,
		.run = ctl_map_edit },
	{ .name = "apply",
		.summary = "put a document in force",
		.help = "Checks it, shows what changes, and puts it into the store if nobody else has changed the map "
			"since\n"
			"the epoch that the document has; then waits until every live proxy serves it. A document with "
			"the\n"
			"present epoch gets the next one. FILE may be -, standard input. Exit code 1 with \"do not "
			"serve\":\n"
			"the change is in force, but not at those proxies yet.\n",
		.arguments = { { .name = "FILE", .takes = CTL_FILE } },
		.options = change_options,
		.flags = CTL_CONF | CTL_JSON,
		.run = ctl_map_apply },
	{ .name = "history",
		.summary = "list who changed a keyspace's map, when and why",
		.arguments = { { .name = "KEYSPACE", .takes = CTL_KEYSPACE } },
		.flags = CTL_CONF,
		.show = map_history },
	{ .name = "rollback",
		.summary = "bring back the document of an old epoch, as a new one",
		.help = "Through the same checks as map apply.\n",
		.arguments = { { .name = "KEYSPACE", .takes = CTL_KEYSPACE },
			{ .name = "EPOCH", .takes = CTL_NUMBER } },
		.options = change_options,
		.flags = CTL_CONF | CTL_CONFIRM | CTL_JSON,
		.run = ctl_map_rollback },
	{ .name = "remove",
		.summary = "take a keyspace away; no row is touched, and its history stays",
		.arguments = { { .name = "KEYSPACE", .takes = CTL_KEYSPACE } },
		.options = remove_options,
		.flags = CTL_CONF | CTL_CONFIRM,
		.run = ctl_map_remove },
	{ 0 },
};
