/* undo.c - puts rows back that pair resolve had changed, from its log.
 * For keywayctl pair undo.
 * Calls block; tools only. */
#include "fix.h"
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>

#define READ_S	 60
#define LINE_MAX (64 * 1024 * 1024)

/* One line of the log, and what it is about. */
struct entry {
	const char *keyspace, *shard, *side, *database, *table;
	json_t *key, *before, *after;
};

struct undo {
	const struct ops *o;
	struct ops_diff_result *out;
	struct keyspace *ks; /* of the entry before */
	struct pair p;
	bool open;
};

static int bad_line(size_t line, struct err *err)
{
	return err_set(
		err, ERR_MALFORMED, ER_WRONG_ARGUMENTS, "line %zu of the log is not what pair resolve writes", line);
}

static int entry_read(json_t *o, struct entry *e, size_t line, struct err *err)
{
	*e = (struct entry){ 0 };
	if (json_unpack(o, "{s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:o}", "keyspace", &e->keyspace, "shard", &e->shard,
		    "side", &e->side, "database", &e->database, "table", &e->table, "key", &e->key, "before",
		    &e->before, "after", &e->after) < 0 ||
		!json_is_array(e->key) || (strcmp(e->side, "odd") && strcmp(e->side, "even")))
		return bad_line(line, err);
	return 0;
}

/* The pair of the entry, kept open while entries are about the same one. */
static int undo_open(struct undo *u, const struct entry *e, struct err *err)
{
	const struct shard *sh;
	int rc;

	if (u->open && str_eqz(u->ks->name, e->keyspace) && str_eqz(u->p.shard->name, e->shard))
		return 0;
	if (u->open)
		pair_close(&u->p);
	u->open = false;
	keyspace_unref(u->ks);
	u->ks = NULL;
	rc = ops_keyspace(u->o, e->keyspace, &u->ks, NULL, err);
	if (rc < 0)
		return rc;
	sh = keyspace_shard_by_name(u->ks, str_of(e->shard));
	if (!sh)
		return err_set(err, ERR_NAME, ER_WRONG_ARGUMENTS, "keyspace %s has no shard %s", e->keyspace, e->shard);
	rc = pair_open(&u->p, u->o, sh, READ_S, err);
	if (rc < 0)
		return rc;
	u->open = true;
	for (int side = 0; rc == 0 && side < 2; side++)
		rc = db_exec(&u->p.side[side], err,
			"SET SESSION sql_log_bin=0, foreign_key_checks=0, check_constraint_checks=0");
	return rc;
}

/* The row as the log says it was; @out borrows the log's texts. False: another column now. */
static bool image_of_log(const struct table *t, json_t *o, struct row_image *out)
{
	*out = (struct row_image){ 0 };
	if (json_is_null(o))
		return true;
	if (!json_is_object(o) || json_object_size(o) != t->column_n)
		return false;
	out->there = true;
	out->n = t->column_n;
	out->raw = xcalloc(out->n, sizeof(*out->raw));
	for (uint32_t i = 0; i < t->column_n; i++) {
		json_t *v = json_object_get(o, t->columns[i].name);

		if (!json_is_null(v) && !json_is_string(v))
			return false;
		out->raw[i] = json_is_string(v) ? xstrdup(json_string_value(v)) : NULL;
	}
	return true;
}

static int undo_row(struct undo *u, const struct entry *e, enum pair_side side, const struct table *t, char *const *key,
	struct err *err)
{
	struct row_image now = { 0 }, before = { 0 }, after = { 0 };
	int rc = 0;

	if (!image_of_log(t, e->before, &before) || !image_of_log(t, e->after, &after)) {
		ops_say(u->o, OPS_TROUBLE, "table %s.%s has other columns now: its row stays as it is", e->database,
			e->table);
		u->out->skipped++;
		goto out;
	}
	rc = row_read(&u->p.side[side], t, key, true, false, &now, err);
	if (rc < 0)
		goto out;
	if (row_eq(&now, &before)) {
		u->out->resolved++; /* it was never changed, or is back already */
	} else if (!row_eq(&now, &after)) {
		u->out->skipped++;
	} else {
		rc = fix_row(&u->p, side, t, key, &now, &before, NULL, err);
		if (rc > 0)
			u->out->skipped++;
		else if (rc == 0)
			u->out->resolved++;
	}
out:
	row_free(&now);
	row_free(&before);
	row_free(&after);
	return MIN(rc, 0);
}

static int undo_entry(struct undo *u, const struct entry *e, size_t line, struct err *err)
{
	enum pair_side side = strcmp(e->side, "odd") == 0 ? SIDE_ODD : SIDE_EVEN;
	struct table t = { 0 };
	char **key = NULL;
	int rc = undo_open(u, e, err);

	if (rc == 0)
		rc = table_read(&u->p.side[side], e->database, e->table, &t, err);
	if (rc == 0)
		rc = table_comparable(&t, err);
	if (rc == 0 && json_array_size(e->key) != t.key_n)
		rc = bad_line(line, err);
	if (rc == 0) {
		key = xcalloc(t.key_n, sizeof(*key));
		for (uint32_t i = 0; i < t.key_n; i++) {
			const char *v = json_string_value(json_array_get(e->key, i));

			key[i] = xstrdup(v ? v : "");
		}
		rc = undo_row(u, e, side, &t, key, err);
		for (uint32_t i = 0; i < t.key_n; i++)
			free(key[i]);
		free(key);
	}
	table_free(&t);
	return rc;
}

/* All lines; a last one that was cut short, when the tool was killed over it, was not acted on. */
static int log_read(const char *path, json_t *lines, struct err *err)
{
	FILE *f = fopen(path, "re");
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;
	int rc = 0;

	if (!f)
		return err_set(err, ERR_CONFIG, ER_WRONG_ARGUMENTS, "the log %.200s cannot be read: %s", path,
			strerror(errno));
	while (rc == 0 && (n = getline(&line, &cap, f)) > 0) {
		json_t *o = n < LINE_MAX ? json_loadb(line, (size_t)n, 0, NULL) : NULL;

		if (o)
			json_array_append_new(lines, o);
		else if (line[n - 1] == '\n')
			rc = bad_line(json_array_size(lines) + 1, err);
	}
	free(line);
	fclose(f);
	return rc;
}

int ops_pair_undo(const struct ops *o, const char *log_path, struct ops_diff_result *out, struct err *err)
{
	struct undo u = { .o = o, .out = out };
	json_t *lines = json_array();
	int rc = log_read(log_path, lines, err);

	*out = (struct ops_diff_result){ 0 };
	for (size_t i = json_array_size(lines); rc == 0 && i-- > 0;) {
		struct entry e;

		rc = entry_read(json_array_get(lines, i), &e, i + 1, err);
		if (rc == 0)
			rc = undo_entry(&u, &e, i + 1, err);
		out->rows++;
	}
	if (u.open)
		pair_close(&u.p);
	keyspace_unref(u.ks);
	json_decref(lines);
	return rc;
}
