/* doctor_schema.c - keywayctl doctor: the same tables on all shards, and in the map.
 * For doctor.c.
 * One thread, blocking. */
#include "doctor.h"
#include <stdlib.h>

/* What one server says of one table: a line for each column or index. */
struct table_text {
	UT_hash_handle hh;
	struct buf text;
	char name[];
};

enum part { COLUMNS, INDEXES };

static const char *const query_of[] = {
	[COLUMNS] = "SELECT c.table_name, c.column_name, c.column_type, c.is_nullable, c.column_default, c.extra, "
		    "c.collation_name FROM information_schema.columns c JOIN information_schema.tables t USING "
		    "(table_schema, table_name) WHERE c.table_schema = '%s' AND t.table_type = 'BASE TABLE' "
		    "ORDER BY c.table_name, c.ordinal_position",
	[INDEXES] =
		"SELECT table_name, index_name, non_unique, seq_in_index, column_name, sub_part FROM "
		"information_schema.statistics WHERE table_schema = '%s' ORDER BY table_name, index_name, seq_in_index",
};

static void texts_free(struct table_text *all)
{
	struct table_text *t, *next;

	HASH_ITER (hh, all, t, next) {
		HASH_DEL(all, t);
		buf_free(&t->text);
		free(t);
	}
}

static struct table_text *texts_of(const struct doctor_server *s, enum part part)
{
	const char *db = doctor_database(s);
	char *quoted = xmalloc(2 * strlen(db) + 1), *sql;
	struct table_text *all = NULL, *t;
	MYSQL_RES *res;
	MYSQL_ROW row;
	struct err err;

	mysql_real_escape_string(s->my, quoted, db, strlen(db));
	sql = xasprintf(part == COLUMNS ? query_of[COLUMNS] : query_of[INDEXES], quoted);
	res = ctl_sql_query(s->my, &err, "%s", sql);
	while (res && (row = mysql_fetch_row(res)) != NULL) {
		HASH_FIND_STR(all, row[0], t);
		if (!t) {
			size_t n = strlen(row[0]);

			t = xcalloc(1, sizeof(*t) + n + 1);
			memcpy(t->name, row[0], n);
			HASH_ADD_KEYPTR(hh, all, t->name, n, t);
		}
		for (unsigned i = 1; i < mysql_num_fields(res); i++)
			buf_addf(&t->text, "%s%s", i > 1 ? " " : "", row[i] ? row[i] : "-");
		buf_addz(&t->text, "\n");
	}
	mysql_free_result(res);
	free(sql);
	free(quoted);
	return all;
}

/* The first line that is not the same in both. */
static char *difference(struct doctor *d, const struct buf *a, const struct buf *b)
{
	const char *p = (const char *)buf_head(a), *q = (const char *)buf_head(b);
	size_t n = buf_used(a), m = buf_used(b), i = 0, line = 0;

	while (i < n && i < m && p[i] == q[i]) {
		if (p[i] == '\n')
			line = i + 1;
		i++;
	}
	return doctor_text(d, "'%.*s' instead of '%.*s'", (int)strcspn(q ? q + line : "", "\n"), q ? q + line : "",
		(int)strcspn(p ? p + line : "", "\n"), p ? p + line : "");
}

/* Whether the table is to be on the shards of both servers. */
static bool is_shared(const struct doctor_server *a, const struct doctor_server *b, const char *table)
{
	const struct table_rule *t = keyspace_table(a->def->shard->keyspace, str_of(table), false);

	return a->def->shard == b->def->shard || (t && t->kind != TABLE_PINNED);
}

/* Written to, as the map has it: what it lacks is not merely on its way to it. */
static bool is_source(const struct doctor_server *s)
{
	return s->def->shard->kind == SHARD_PAIR || s->def == s->def->shard->primary;
}

static void compare(struct doctor *d, const struct doctor_server *ref, const struct doctor_server *s, enum part part,
	struct table_text *want)
{
	struct table_text *have = texts_of(s, part), *t, *o, *next;
	enum doctor_severity bad = part == COLUMNS && is_source(s) ? DOCTOR_PROBLEM : DOCTOR_WARNING;

	HASH_ITER (hh, want, t, next) {
		if (!is_shared(ref, s, t->name))
			continue;
		HASH_FIND_STR(have, t->name, o);
		/* a text that ends before the other one differs there */
		if (o) {
			buf_add_u8(&o->text, 0);
			buf_add_u8(&t->text, 0);
		}
		if (!o && part == COLUMNS)
			doctor_find(d, bad, s->where,
				doctor_text(d, "table %s is missing; %s has it", t->name, ref->where),
				"create it there as it is on the other");
		else if (o && strcmp((char *)buf_head(&t->text), (char *)buf_head(&o->text)) != 0)
			doctor_find(d, bad, s->where,
				doctor_text(d, "%s of table %s: %s, as %s has it",
					part == COLUMNS ? "a column" : "an index", t->name,
					difference(d, &t->text, &o->text), ref->where),
				"ALTER it to be the same on all servers; order of columns counts");
		if (o)
			t->text.len--;
	}
	HASH_ITER (hh, have, t, next) {
		HASH_FIND_STR(want, t->name, o);
		if (!o && part == COLUMNS && is_shared(ref, s, t->name))
			doctor_find(d, bad, ref->where,
				doctor_text(d, "table %s is missing; %s has it", t->name, s->where),
				"create it there as it is on the other, or drop it");
	}
	texts_free(have);
}

static const struct doctor_server *reference_of(const struct doctor *d, const struct keyspace *ks)
{
	const struct doctor_server *any = NULL;

	for (uint32_t i = 0; i < d->server_n; i++) {
		const struct doctor_server *s = &d->servers[i];

		if (s->def->shard->keyspace != ks || !s->my)
			continue;
		if (is_source(s))
			return s;
		any = any ? any : s;
	}
	return any;
}

static void schema_of(struct doctor *d, const struct keyspace *ks, enum part part)
{
	const struct doctor_server *ref = reference_of(d, ks);
	struct table_text *want = ref ? texts_of(ref, part) : NULL;

	for (uint32_t i = 0; i < d->server_n; i++) {
		const struct doctor_server *s = &d->servers[i];

		if (s->def->shard->keyspace == ks && s->my && s != ref)
			compare(d, ref, s, part, want);
	}
	texts_free(want);
}

void check_schema(struct doctor *d)
{
	for (uint32_t m = 0; m < d->map_n; m++) {
		const struct keyspace *ks = d->maps[m].ks;

		if (!ks || ks->everything)
			continue;
		schema_of(d, ks, COLUMNS);
		schema_of(d, ks, INDEXES);
	}
}

/* --- the map's list of tables --- */

static void tables_of(struct doctor *d, const struct keyspace *ks)
{
	struct table_text *all = NULL, *t, *o, *next;

	for (uint32_t i = 0; i < d->server_n; i++) {
		struct table_text *here;

		if (d->servers[i].def->shard->keyspace != ks || !d->servers[i].my)
			continue;
		here = texts_of(&d->servers[i], COLUMNS);
		HASH_ITER (hh, here, t, next) {
			HASH_FIND_STR(all, t->name, o);
			HASH_DEL(here, t);
			if (!o) {
				HASH_ADD_KEYPTR(hh, all, t->name, strlen(t->name), t);
				continue;
			}
			buf_free(&t->text);
			free(t);
		}
	}
	HASH_ITER (hh, all, t, next) {
		if (!keyspace_table(ks, str_of(t->name), false))
			doctor_find(d, DOCTOR_WARNING, ks->name.p,
				doctor_text(d,
					"table %s is on its servers and not in the map: statements with it are refused",
					t->name),
				"list it under tables in the map (keywayctl map edit), or drop it");
	}
	for (uint32_t i = 0; all && i < ks->table_n; i++) {
		HASH_FIND(hh, all, ks->tables[i].name.p, ks->tables[i].name.n, o);
		if (!o)
			doctor_find(d, DOCTOR_WARNING, ks->name.p,
				doctor_text(
					d, "table %s is in the map, and on none of its servers", ks->tables[i].name.p),
				"create it through Keyway, or take it out of the map");
	}
	texts_free(all);
}

void check_tables(struct doctor *d)
{
	for (uint32_t m = 0; m < d->map_n; m++) {
		if (d->maps[m].ks && d->maps[m].ks->sharded)
			tables_of(d, d->maps[m].ks);
	}
}
