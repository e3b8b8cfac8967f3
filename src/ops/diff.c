/* diff.c - finds the rows that the two sides of a pair do not agree on: digests of chunks, then of rows, then again
 * until what is merely on its way has arrived.
 * For keywayctl pair diff and pair resolve.
 * Calls block; tools only. */
#include "fix.h"
#include <stdlib.h>
#include <uthash.h>

#define CHUNK_ROWS  2000
#define READ_S	    600
#define CATCH_UP_US 30000000
#define ROUNDS_MAX  12 /* a row that changes in each of so many looks is left undecided */

struct diff {
	const struct ops *o;
	const struct ops_diff *d;
	struct ops_diff_result *out;
	struct pair p;
	struct table t; /* the same on both sides */
	char *shard;
	struct fix_log log;
};

static int cancelled(const struct ops *o, struct err *err)
{
	if (!o->cancelled || !*o->cancelled)
		return 0;
	return err_set(err, ERR_TIMEOUT, ER_QUERY_INTERRUPTED, "stopped by a signal");
}

/* --- candidates: keys of rows that looked unlike --- */

struct candidate {
	char **key;
	struct row_image was[2];
	bool seen;
};

struct candidates {
	struct candidate *v;
	uint32_t n, cap;
	uint32_t key_n;
};

static void key_free(char **key, uint32_t n)
{
	for (uint32_t i = 0; key && i < n; i++)
		free(key[i]);
	free(key);
}

static char **key_of_row(MYSQL_ROW row, uint32_t n)
{
	char **key = xcalloc(n, sizeof(*key));

	for (uint32_t i = 0; i < n; i++)
		key[i] = xstrdup(row[i] ? row[i] : "");
	return key;
}

static void candidate_free(struct candidates *l, uint32_t i)
{
	key_free(l->v[i].key, l->key_n);
	row_free(&l->v[i].was[0]);
	row_free(&l->v[i].was[1]);
	l->v[i] = l->v[--l->n];
}

static void candidates_free(struct candidates *l)
{
	while (l->n)
		candidate_free(l, l->n - 1);
	free(l->v);
}

static void candidate_add(struct candidates *l, char **key)
{
	if (l->n == l->cap) {
		l->cap = l->cap ? l->cap * 2 : 64;
		l->v = xrealloc(l->v, l->cap * sizeof(*l->v));
	}
	l->v[l->n++] = (struct candidate){ .key = key };
}

/* --- a chunk --- */

struct chunk {
	char **from, **to; /* keys; NULL: from the beginning, to the end */
};

static int add_range(struct diff *f, struct buf *b, const struct chunk *c, struct err *err)
{
	int rc = 0;

	buf_addz(b, " FROM ");
	table_add_name(b, &f->t);
	buf_addz(b, " WHERE TRUE");
	if (c->from) {
		buf_addz(b, " AND ");
		rc = table_add_behind(b, &f->t, c->from, err);
	}
	if (rc == 0 && c->to) {
		buf_addz(b, " AND ");
		rc = table_add_up_to(b, &f->t, c->to, err);
	}
	return rc;
}

/* The key that ends the next chunk, on the side that has one. */
static int chunk_end(struct diff *f, struct chunk *c, struct err *err)
{
	uint32_t rows = f->d->chunk ? f->d->chunk : CHUNK_ROWS;
	int rc = 0;

	c->to = NULL;
	for (int side = 0; rc == 0 && !c->to && side < 2; side++) {
		struct buf b = { 0 };
		MYSQL_RES *res;
		MYSQL_ROW row;

		buf_addz(&b, "SELECT ");
		table_add_key_raw(&b, &f->t);
		rc = add_range(f, &b, c, err);
		buf_addz(&b, " ORDER BY ");
		table_add_key_order(&b, &f->t);
		buf_addf(&b, " LIMIT 1 OFFSET %u", rows - 1);
		res = rc == 0 ? db_query_str(&f->p.side[side], str_make((char *)buf_head(&b), buf_used(&b)), err)
			      : NULL;
		buf_free(&b);
		if (!res)
			return err->kind;
		row = mysql_fetch_row(res);
		if (row)
			c->to = key_of_row(row, f->t.key_n);
		mysql_free_result(res);
	}
	return rc;
}

struct chunk_sum {
	char rows[24], a[24], b[24];
};

static int chunk_sum(struct diff *f, enum pair_side side, const struct chunk *c, struct chunk_sum *out, struct err *err)
{
	struct buf b = { 0 };
	MYSQL_RES *res;
	MYSQL_ROW row;
	int rc;

	buf_addz(&b,
		"SELECT COUNT(*), BIT_XOR(CAST(CONV(SUBSTRING(d, 1, 16), 16, 10) AS UNSIGNED)), "
		"BIT_XOR(CAST(CONV(SUBSTRING(d, 17), 16, 10) AS UNSIGNED)), COALESCE(SUM(d IS NULL), 0) FROM (SELECT ");
	table_add_digest(&b, &f->t);
	buf_addz(&b, " AS d");
	rc = add_range(f, &b, c, err);
	buf_addz(&b, ") AS rows_of_chunk");
	res = rc == 0 ? db_query_str(&f->p.side[side], str_make((char *)buf_head(&b), buf_used(&b)), err) : NULL;
	buf_free(&b);
	if (!res)
		return err->kind;
	row = mysql_fetch_row(res);
	if (!row || !row[0] || !row[1] || !row[2] || !row[3] || strcmp(row[3], "0") != 0) {
		rc = err_set(err, ERR_BACKEND, ER_MALFORMED_PACKET,
			"backend %s has rows in %s.%s of which it gives no digest", f->p.side[side].name, f->t.database,
			f->t.name);
	} else {
		snprintf(out->rows, sizeof(out->rows), "%s", row[0]);
		snprintf(out->a, sizeof(out->a), "%s", row[1]);
		snprintf(out->b, sizeof(out->b), "%s", row[2]);
	}
	mysql_free_result(res);
	return rc;
}

static bool sum_eq(const struct chunk_sum *x, const struct chunk_sum *y)
{
	return !strcmp(x->rows, y->rows) && !strcmp(x->a, y->a) && !strcmp(x->b, y->b);
}

static MYSQL_RES *chunk_rows(struct diff *f, enum pair_side side, const struct chunk *c, struct err *err)
{
	struct buf b = { 0 };
	MYSQL_RES *res = NULL;

	buf_addz(&b, "SELECT ");
	table_add_key_raw(&b, &f->t);
	buf_addz(&b, ", ");
	table_add_digest(&b, &f->t);
	if (add_range(f, &b, c, err) == 0)
		res = db_query_str(&f->p.side[side], str_make((char *)buf_head(&b), buf_used(&b)), err);
	buf_free(&b);
	return res;
}

struct seen_row {
	UT_hash_handle hh;
	MYSQL_ROW row;
	char *id;
};

static char *row_id(MYSQL_ROW row, uint32_t n)
{
	struct buf b = { 0 };
	char *id;

	for (uint32_t i = 0; i < n; i++)
		buf_addf(&b, "%zu:%s,", row[i] ? strlen(row[i]) : 0, row[i] ? row[i] : "");
	id = xstrndup((char *)buf_head(&b), buf_used(&b));
	buf_free(&b);
	return id;
}

/* Keys of rows that only one of the results has, or whose digests are not the same. */
static void compare_rows(struct diff *f, MYSQL_RES *even, MYSQL_RES *odd, struct candidates *l)
{
	struct seen_row *all = NULL, *s, *tmp;
	uint32_t n = f->t.key_n;
	MYSQL_ROW row;

	while ((row = mysql_fetch_row(even))) {
		s = xcalloc(1, sizeof(*s));
		s->row = row;
		s->id = row_id(row, n);
		HASH_ADD_KEYPTR(hh, all, s->id, strlen(s->id), s);
	}
	while ((row = mysql_fetch_row(odd))) {
		char *id = row_id(row, n);

		HASH_FIND(hh, all, id, strlen(id), s);
		free(id);
		if (s && s->row[n] && row[n] && strcmp(s->row[n], row[n]) == 0) {
			HASH_DEL(all, s);
			free(s->id);
			free(s);
		} else if (!s) {
			candidate_add(l, key_of_row(row, n));
		}
	}
	HASH_ITER (hh, all, s, tmp) {
		candidate_add(l, key_of_row(s->row, n));
		HASH_DEL(all, s);
		free(s->id);
		free(s);
	}
}

/* --- a row, looked at closely --- */

static char *key_shown(const struct table *t, char *const *key)
{
	struct buf b = { 0 };
	char *z;

	for (uint32_t i = 0; i < t->key_n; i++) {
		buf_addf(&b, "%s%s=", i ? ", " : "", t->columns[t->key[i]].name);
		column_add_shown(&b, &t->columns[t->key[i]], key[i]);
	}
	z = xstrndup((char *)buf_head(&b), buf_used(&b));
	buf_free(&b);
	return z;
}

static bool raw_eq(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static char *columns_shown(const struct table *t, const struct row_image *even, const struct row_image *odd)
{
	struct buf b = { 0 };
	char *z;

	for (uint32_t i = 0; even->there && odd->there && i < t->column_n; i++) {
		if (raw_eq(even->raw[i], odd->raw[i]))
			continue;
		buf_addf(&b, "%s%s: ", buf_used(&b) ? "; " : "", t->columns[i].name);
		column_add_shown(&b, &t->columns[i], even->raw[i]);
		buf_addz(&b, " (even), ");
		column_add_shown(&b, &t->columns[i], odd->raw[i]);
		buf_addz(&b, " (odd)");
	}
	z = xstrndup(buf_used(&b) ? (char *)buf_head(&b) : "", buf_used(&b));
	buf_free(&b);
	return z;
}

static void tell(struct diff *f, char *const *key, const struct row_image image[2], enum ops_difference what)
{
	char *shown, *columns;
	struct ops_row row;

	if (!f->d->row)
		return;
	shown = key_shown(&f->t, key);
	columns = what == OPS_DIFFERS ? columns_shown(&f->t, &image[SIDE_EVEN], &image[SIDE_ODD]) : xstrdup("");
	row = (struct ops_row){ .shard = f->shard, .table = f->t.name, .key = shown, .columns = columns, .what = what };
	f->d->row(f->d->row_arg, &row);
	free(shown);
	free(columns);
}

/* Which side is right by the column that tells the time of a change. -1: it cannot be said. */
static int newer_side(struct diff *f, char *const *key, const struct row_image image[2], struct err *err)
{
	int at = -1, rc, side = -1;
	struct buf b = { 0 };
	uint64_t odd_newer = 0, same = 0;

	if (!image[0].there || !image[1].there)
		return image[SIDE_ODD].there ? SIDE_ODD : SIDE_EVEN;
	for (uint32_t i = 0; i < f->t.column_n; i++) {
		if (strcasecmp(f->t.columns[i].name, f->d->newer_column) == 0)
			at = (int)i;
	}
	if (at < 0) {
		err_set(err, ERR_NAME, ER_BAD_FIELD_ERROR, "table %s.%s has no column %s", f->t.database, f->t.name,
			f->d->newer_column);
		return -2;
	}
	if (!image[0].raw[at] || !image[1].raw[at])
		return -1;
	/* the server compares: only it knows the type's order */
	for (int eq = 0; eq < 2; eq++) {
		buf_clear(&b);
		buf_addz(&b, "SELECT COUNT(*) FROM ");
		table_add_name(&b, &f->t);
		buf_addz(&b, " WHERE ");
		rc = table_add_at(&b, &f->t, key, err);
		buf_addz(&b, " AND ");
		sql_add_ident(&b, f->t.columns[at].name);
		buf_addz(&b, eq ? " = " : " < ");
		if (rc == 0)
			rc = column_add_literal(&b, &f->t.columns[at], image[SIDE_ODD].raw[at], err);
		if (rc < 0)
			goto out;
		rc = db_u64(&f->p.side[SIDE_EVEN], eq ? &same : &odd_newer, err, "%.*s", (int)buf_used(&b),
			(const char *)buf_head(&b));
		if (rc < 0)
			goto out;
	}
	side = same ? -1 : odd_newer ? SIDE_ODD : SIDE_EVEN;
out:
	buf_free(&b);
	return rc < 0 ? -2 : side;
}

static int resolve(struct diff *f, char *const *key, const struct row_image image[2], struct err *err)
{
	int right = f->d->keep == OPS_KEEP_ODD ? SIDE_ODD : SIDE_EVEN, rc;

	if (f->d->keep == OPS_KEEP_NEWER)
		right = newer_side(f, key, image, err);
	if (right == -2)
		return err->kind;
	if (right < 0) {
		f->out->skipped++;
		return 0;
	}
	rc = fix_row(&f->p, (enum pair_side) !right, &f->t, key, &image[!right], &image[right], &f->log, err);
	if (rc < 0)
		return rc;
	if (rc > 0)
		f->out->skipped++;
	else
		f->out->resolved++;
	return 0;
}

static int confirmed(struct diff *f, struct candidate *c, struct err *err)
{
	struct row_image image[2] = { 0 };
	enum ops_difference what = OPS_DIFFERS;
	int rc = 0;

	for (int side = 0; rc == 0 && side < 2; side++)
		rc = row_read(&f->p.side[side], &f->t, c->key, true, false, &image[side], err);
	if (rc == 0 && (image[0].there != image[1].there || strcmp(image[0].digest, image[1].digest) != 0)) {
		if (!image[SIDE_ODD].there)
			what = OPS_ONLY_EVEN;
		else if (!image[SIDE_EVEN].there)
			what = OPS_ONLY_ODD;
		f->out->differences++;
		tell(f, c->key, image, what);
		if (f->d->keep != OPS_KEEP_NONE)
			rc = resolve(f, c->key, image, err);
	}
	row_free(&image[0]);
	row_free(&image[1]);
	return rc;
}

/* Looks at a candidate again. 0: still unlike, and not as before (or seen for the first time); 1: the sides agree; 2:
 * unlike, and both are as they were before the sides caught up: a difference. */
static int look_again(struct diff *f, struct candidate *c, struct err *err)
{
	struct row_image now[2] = { 0 };
	bool alike, as_before;
	int rc = 0;

	for (int side = 0; rc == 0 && side < 2; side++)
		rc = row_read(&f->p.side[side], &f->t, c->key, false, false, &now[side], err);
	if (rc < 0)
		return rc;
	alike = now[0].there == now[1].there && strcmp(now[0].digest, now[1].digest) == 0;
	as_before = c->seen;
	for (int side = 0; side < 2; side++)
		as_before = as_before && c->was[side].there == now[side].there &&
			    strcmp(c->was[side].digest, now[side].digest) == 0;
	c->was[0] = now[0];
	c->was[1] = now[1];
	c->seen = true;
	return alike ? 1 : as_before ? 2 : 0;
}

static int settle(struct diff *f, struct candidates *l, struct err *err)
{
	int rc = 0;

	for (int round = 0; l->n && round < ROUNDS_MAX; round++) {
		for (uint32_t i = l->n; rc >= 0 && i-- > 0;) {
			rc = cancelled(f->o, err);
			if (rc == 0)
				rc = look_again(f, &l->v[i], err);
			if (rc == 2)
				rc = confirmed(f, &l->v[i], err) < 0 ? err->kind : 1;
			if (rc == 1)
				candidate_free(l, i);
		}
		if (rc < 0 || l->n == 0)
			return MIN(rc, 0);
		rc = pair_catch_up(&f->p, CATCH_UP_US, err);
		if (rc > 0)
			rc = err_set(err, ERR_TIMEOUT, ER_LOCK_WAIT_TIMEOUT,
				"the sides did not catch up with each other within %d s: what differs cannot be told",
				CATCH_UP_US / 1000000);
		if (rc < 0)
			return rc;
	}
	for (; l->n; candidate_free(l, l->n - 1)) {
		f->out->undecided++;
		tell(f, l->v[l->n - 1].key, l->v[l->n - 1].was, OPS_UNDECIDED);
	}
	return 0;
}

static int compare_chunk(struct diff *f, const struct chunk *c, struct err *err)
{
	struct candidates l = { .key_n = f->t.key_n };
	struct chunk_sum sum[2];
	MYSQL_RES *res[2] = { NULL, NULL };
	int rc = 0;

	for (int side = 0; rc == 0 && side < 2; side++)
		rc = chunk_sum(f, (enum pair_side)side, c, &sum[side], err);
	if (rc < 0)
		return rc;
	f->out->chunks++;
	f->out->rows += strtoull(sum[0].rows, NULL, 10);
	if (sum_eq(&sum[0], &sum[1]))
		return 0;
	for (int side = 0; rc == 0 && side < 2; side++) {
		res[side] = chunk_rows(f, (enum pair_side)side, c, err);
		rc = res[side] ? 0 : err->kind;
	}
	if (rc == 0)
		compare_rows(f, res[SIDE_EVEN], res[SIDE_ODD], &l);
	for (int side = 0; side < 2; side++) {
		if (res[side])
			mysql_free_result(res[side]);
	}
	if (rc == 0)
		rc = settle(f, &l, err);
	candidates_free(&l);
	return rc;
}

static int diff_rows(struct diff *f, struct err *err)
{
	struct chunk c = { 0 };
	uint64_t told_us = clock_mono_us();
	bool last = false;
	int rc = 0;

	while (rc == 0 && !last) {
		rc = cancelled(f->o, err);
		if (rc == 0)
			rc = chunk_end(f, &c, err);
		last = !c.to;
		if (rc == 0)
			rc = compare_chunk(f, &c, err);
		key_free(c.from, f->t.key_n);
		c = (struct chunk){ .from = c.to };
		if (clock_mono_us() - told_us > 2000000) {
			told_us = clock_mono_us();
			ops_say(f->o, OPS_NOTE, "shard %s table %s: %llu rows compared", f->shard, f->t.name,
				(unsigned long long)f->out->rows);
		}
	}
	key_free(c.from, f->t.key_n);
	return rc;
}

static int diff_table(struct diff *f, const char *name, struct err *err)
{
	struct db *even = &f->p.side[SIDE_EVEN], *odd = &f->p.side[SIDE_ODD];
	char *database = str_dup(f->p.shard->database);
	struct table other;
	struct err why;
	int rc = table_read(even, database, name, &f->t, err);

	if (rc == 0) {
		rc = table_read(odd, database, name, &other, err);
		if (rc == 0 && (table_comparable(&f->t, &why) < 0 || table_same(&f->t, &other, &why) < 0)) {
			ops_say(f->o, OPS_TROUBLE, "shard %s: %s", f->shard, why.msg);
			f->out->refused++;
			rc = f->d->table ? (*err = why, why.kind) : 1;
		}
		table_free(&other);
	}
	if (rc == 0) {
		f->out->tables++;
		rc = diff_rows(f, err);
	}
	table_free(&f->t);
	free(database);
	return MIN(rc, 0);
}

static int diff_tables(struct diff *f, struct err *err)
{
	struct buf b = { 0 };
	char *database;
	MYSQL_RES *res;
	MYSQL_ROW row;
	int rc = 0;

	if (f->d->table)
		return diff_table(f, f->d->table, err);
	database = str_dup(f->p.shard->database);
	buf_addz(&b,
		"SELECT table_name FROM information_schema.tables WHERE table_type = 'BASE TABLE' AND table_schema = ");
	sql_add_text(&b, database);
	buf_addz(&b, " ORDER BY table_name");
	res = db_query_str(&f->p.side[f->p.shard->home], str_make((char *)buf_head(&b), buf_used(&b)), err);
	buf_free(&b);
	free(database);
	if (!res)
		return err->kind;
	while (rc == 0 && (row = mysql_fetch_row(res)))
		rc = diff_table(f, row[0], err);
	mysql_free_result(res);
	return rc;
}

static int diff_shard(struct diff *f, const struct shard *sh, struct err *err)
{
	int rc = pair_open(&f->p, f->o, sh, READ_S, err);

	if (rc < 0)
		return rc;
	f->shard = str_dup(sh->name);
	rc = pair_check(&f->p, err);
	for (int side = 0; rc == 0 && f->d->keep != OPS_KEEP_NONE && side < 2; side++)
		rc = db_exec(&f->p.side[side], err,
			"SET SESSION sql_log_bin=0, foreign_key_checks=0, check_constraint_checks=0");
	if (rc == 0)
		rc = diff_tables(f, err);
	free(f->shard);
	pair_close(&f->p);
	return rc;
}

int ops_pair_diff(const struct ops *o, const struct ops_diff *d, struct ops_diff_result *out, struct err *err)
{
	struct diff f = { .o = o, .d = d, .out = out };
	struct keyspace *ks;
	bool found = false;
	int rc = ops_keyspace(o, d->keyspace, &ks, NULL, err);

	*out = (struct ops_diff_result){ 0 };
	if (rc < 0)
		return rc;
	if (d->keep != OPS_KEEP_NONE)
		rc = fix_log_open(&f.log, d->log_path, err);
	for (uint32_t i = 0; rc == 0 && i < ks->shard_n; i++) {
		const struct shard *sh = &ks->shards[i];

		if (d->shard ? keyspace_shard_by_name(ks, str_of(d->shard)) != sh : sh->kind != SHARD_PAIR)
			continue;
		found = true;
		rc = diff_shard(&f, sh, err);
	}
	if (rc == 0 && !found)
		rc = err_set(err, ERR_NAME, ER_WRONG_ARGUMENTS, "keyspace %s has no %s%s", d->keyspace,
			d->shard ? "shard " : "pair", d->shard ? d->shard : "");
	fix_log_close(&f.log);
	keyspace_unref(ks);
	return rc;
}
