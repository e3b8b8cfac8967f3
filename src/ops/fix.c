/* fix.c - mends single rows of one side and puts them back.
 * For pair resolve and pair undo.
 * Calls block; tools only. */
#include "fix.h"
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <unistd.h>

void row_free(struct row_image *r)
{
	for (uint32_t i = 0; i < r->n; i++)
		free(r->raw[i]);
	free(r->raw);
	*r = (struct row_image){ 0 };
}

bool row_eq(const struct row_image *a, const struct row_image *b)
{
	bool eq = a->there == b->there && a->n == b->n;

	for (uint32_t i = 0; eq && i < a->n; i++)
		eq = a->raw[i] && b->raw[i] ? strcmp(a->raw[i], b->raw[i]) == 0 : a->raw[i] == b->raw[i];
	return eq;
}

static void add_raw_columns(struct buf *b, const struct table *t)
{
	for (uint32_t i = 0; i < t->column_n; i++) {
		buf_addz(b, ", ");
		column_add_raw(b, &t->columns[i]);
	}
}

int row_read(struct db *db, const struct table *t, char *const *key, bool values, bool lock, struct row_image *out,
	struct err *err)
{
	struct buf b = { 0 };
	MYSQL_RES *res = NULL;
	MYSQL_ROW row;
	int rc;

	*out = (struct row_image){ 0 };
	buf_addz(&b, "SELECT ");
	table_add_digest(&b, t);
	if (values)
		add_raw_columns(&b, t);
	buf_addz(&b, " FROM ");
	table_add_name(&b, t);
	buf_addz(&b, " WHERE ");
	rc = table_add_at(&b, t, key, err);
	buf_addz(&b, lock ? " FOR UPDATE" : "");
	if (rc == 0) {
		res = db_query_str(db, str_make((char *)buf_head(&b), buf_used(&b)), err);
		rc = res ? 0 : err->kind;
	}
	buf_free(&b);
	row = res ? mysql_fetch_row(res) : NULL;
	if (row) {
		out->there = true;
		if (!row[0] || strlen(row[0]) != ROW_DIGEST - 1) {
			rc = err_set(err, ERR_BACKEND, ER_MALFORMED_PACKET,
				"backend %s gave no digest of a row of %s.%s", db->name, t->database, t->name);
		} else {
			memcpy(out->digest, row[0], ROW_DIGEST);
		}
		if (values) {
			out->n = t->column_n;
			out->raw = xcalloc(out->n, sizeof(*out->raw));
			for (uint32_t i = 0; i < out->n; i++)
				out->raw[i] = row[i + 1] ? xstrdup(row[i + 1]) : NULL;
		}
	}
	if (res)
		mysql_free_result(res);
	if (rc < 0)
		row_free(out);
	return rc;
}

/* --- the log --- */

int fix_log_open(struct fix_log *l, const char *path, struct err *err)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0)
		return err_set(err, ERR_CONFIG, ER_WRONG_ARGUMENTS, "the log %.200s cannot be begun: %s", path,
			strerror(errno));
	l->f = fdopen(fd, "w");
	l->path = xstrdup(path);
	return 0;
}

void fix_log_close(struct fix_log *l)
{
	if (l->f)
		fclose(l->f);
	free(l->path);
	*l = (struct fix_log){ 0 };
}

static json_t *image_json(const struct table *t, const struct row_image *r)
{
	json_t *o;

	if (!r->there)
		return json_null();
	o = json_object();
	for (uint32_t i = 0; i < t->column_n; i++)
		json_object_set_new(o, t->columns[i].name, r->raw[i] ? json_string(r->raw[i]) : json_null());
	return o;
}

/* On the disk before the row is touched. */
static int fix_log_write(struct fix_log *l, const struct pair *p, enum pair_side side, const struct table *t,
	char *const *key, const struct row_image *before, const struct row_image *after, struct err *err)
{
	json_t *o = json_object(), *k = json_array();
	char *text;
	bool good;

	for (uint32_t i = 0; i < t->key_n; i++)
		json_array_append_new(k, json_string(key[i]));
	json_object_set_new(o, "keyspace", json_stringn(p->shard->keyspace->name.p, p->shard->keyspace->name.n));
	json_object_set_new(o, "shard", json_stringn(p->shard->name.p, p->shard->name.n));
	json_object_set_new(o, "side", json_string(side_name(side)));
	json_object_set_new(o, "backend", json_string(p->side[side].name));
	json_object_set_new(o, "database", json_string(t->database));
	json_object_set_new(o, "table", json_string(t->name));
	json_object_set_new(o, "key", k);
	json_object_set_new(o, "before", image_json(t, before));
	json_object_set_new(o, "after", image_json(t, after));
	text = json_dumps(o, JSON_COMPACT);
	json_decref(o);
	good = text && fprintf(l->f, "%s\n", text) > 0 && fflush(l->f) == 0 && fdatasync(fileno(l->f)) == 0;
	free(text);
	if (!good)
		return err_set(err, ERR_CONFIG, ER_OUT_OF_RESOURCES, "the log %.200s cannot be written: %s", l->path,
			strerror(errno));
	return 0;
}

/* --- the row --- */

static int add_values(struct buf *b, const struct table *t, const struct row_image *r, bool names, struct err *err)
{
	bool first = true;
	int rc = 0;

	for (uint32_t i = 0; rc == 0 && i < t->column_n; i++) {
		const struct column *c = &t->columns[i];

		if (c->generated)
			continue;
		buf_addz(b, first ? "" : ", ");
		first = false;
		if (names) {
			sql_add_ident(b, c->name);
			buf_addz(b, " = ");
		}
		rc = column_add_literal(b, c, r->raw[i], err);
	}
	return rc;
}

static int add_insert(struct buf *b, const struct table *t, const struct row_image *want, struct err *err)
{
	bool first = true;
	int rc;

	buf_addz(b, "INSERT INTO ");
	table_add_name(b, t);
	buf_addz(b, " (");
	for (uint32_t i = 0; i < t->column_n; i++) {
		if (t->columns[i].generated)
			continue;
		buf_addz(b, first ? "" : ", ");
		first = false;
		sql_add_ident(b, t->columns[i].name);
	}
	buf_addz(b, ") VALUES (");
	rc = add_values(b, t, want, false, err);
	buf_addz(b, ")");
	return rc;
}

static int write_row(struct db *db, const struct table *t, char *const *key, bool there, const struct row_image *want,
	struct err *err)
{
	struct buf b = { 0 };
	int rc = 0;

	if (!there) {
		rc = add_insert(&b, t, want, err);
	} else {
		buf_addz(&b, want->there ? "UPDATE " : "DELETE FROM ");
		table_add_name(&b, t);
		buf_addz(&b, want->there ? " SET " : "");
		if (want->there)
			rc = add_values(&b, t, want, true, err);
		buf_addz(&b, " WHERE ");
		if (rc == 0)
			rc = table_add_at(&b, t, key, err);
	}
	if (rc == 0)
		rc = db_exec_str(db, str_make((char *)buf_head(&b), buf_used(&b)), err);
	buf_free(&b);
	if (rc == 0 && mysql_affected_rows(db->my) != 1)
		rc = err_set(err, ERR_INTERNAL, ER_WRONG_ARGUMENTS,
			"backend %s changed %llu rows of %s.%s where it should have been one: undone", db->name,
			(unsigned long long)mysql_affected_rows(db->my), t->database, t->name);
	return rc;
}

int fix_row(struct pair *p, enum pair_side side, const struct table *t, char *const *key, const struct row_image *seen,
	const struct row_image *want, struct fix_log *log, struct err *err)
{
	struct db *db = &p->side[side];
	struct row_image now = { 0 }, after = { 0 };
	struct err late;
	int rc = db_exec(db, err, "START TRANSACTION");

	if (rc == 0)
		rc = row_read(db, t, key, true, true, &now, err);
	if (rc == 0 && (now.there != seen->there || strcmp(now.digest, seen->digest) != 0))
		rc = 1;
	if (rc == 0 && log)
		rc = fix_log_write(log, p, side, t, key, &now, want, err);
	if (rc == 0)
		rc = write_row(db, t, key, now.there, want, err);
	if (rc == 0 && want->there) {
		/* what was written reads back as what was wanted, or it does not stay */
		rc = row_read(db, t, key, true, false, &after, err);
		if (rc == 0 && !row_eq(&after, want))
			rc = err_set(err, ERR_INTERNAL, ER_WRONG_ARGUMENTS,
				"backend %s does not store a row of %s.%s as the other side does: undone", db->name,
				t->database, t->name);
	}
	row_free(&now);
	row_free(&after);
	if (rc == 0)
		return db_exec(db, err, "COMMIT");
	if (db_exec(db, &late, "ROLLBACK") < 0 && rc > 0) {
		*err = late;
		rc = late.kind;
	}
	return rc;
}
