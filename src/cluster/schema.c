/* schema.c - tables, columns and keys of a keyspace: building, look-up, comparison.
 * Built by topo, read by the planner.
 * Pure; a built schema may be read by any thread. */
#include "keyway/cluster/schema.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#define TABLES_MAX    200000
#define COLUMNS_MAX   4096 /* of one table, as the servers' own bound */
#define KEYS_MAX      128
#define KEY_PARTS_MAX 64

struct schema_builder {
	struct schema *s;
	struct table *tables;
	uint32_t table_n, table_cap;
	/* of the table being filled: */
	struct column *columns;
	uint32_t column_n, column_cap;
	struct table_key_def *keys;
	uint32_t key_n, key_cap;
};

static const struct {
	const char *name;
	enum column_type type;
} column_types[] = {
	{ "tinyint", COLUMN_TINYINT },
	{ "smallint", COLUMN_SMALLINT },
	{ "mediumint", COLUMN_MEDIUMINT },
	{ "int", COLUMN_INT },
	{ "bigint", COLUMN_BIGINT },
	{ "decimal", COLUMN_DECIMAL },
	{ "float", COLUMN_FLOAT },
	{ "double", COLUMN_DOUBLE },
	{ "bit", COLUMN_BIT },
	{ "char", COLUMN_CHAR },
	{ "varchar", COLUMN_VARCHAR },
	{ "tinytext", COLUMN_TINYTEXT },
	{ "text", COLUMN_TEXT },
	{ "mediumtext", COLUMN_MEDIUMTEXT },
	{ "longtext", COLUMN_LONGTEXT },
	{ "binary", COLUMN_BINARY },
	{ "varbinary", COLUMN_VARBINARY },
	{ "tinyblob", COLUMN_TINYBLOB },
	{ "blob", COLUMN_BLOB },
	{ "mediumblob", COLUMN_MEDIUMBLOB },
	{ "longblob", COLUMN_LONGBLOB },
	{ "date", COLUMN_DATE },
	{ "time", COLUMN_TIME },
	{ "datetime", COLUMN_DATETIME },
	{ "timestamp", COLUMN_TIMESTAMP },
	{ "year", COLUMN_YEAR },
	{ "enum", COLUMN_ENUM },
	{ "set", COLUMN_SET },
	{ "json", COLUMN_JSON },
	{ "uuid", COLUMN_UUID },
	{ "inet4", COLUMN_INET4 },
	{ "inet6", COLUMN_INET6 },
	{ "geometry", COLUMN_GEOMETRY },
	{ "point", COLUMN_GEOMETRY },
	{ "linestring", COLUMN_GEOMETRY },
	{ "polygon", COLUMN_GEOMETRY },
	{ "multipoint", COLUMN_GEOMETRY },
	{ "multilinestring", COLUMN_GEOMETRY },
	{ "multipolygon", COLUMN_GEOMETRY },
	{ "geometrycollection", COLUMN_GEOMETRY },
	{ "geomcollection", COLUMN_GEOMETRY },
	{ "vector", COLUMN_VECTOR },
};

enum column_type column_type_parse(struct str data_type)
{
	for (size_t i = 0; i < ARRAY_N(column_types); i++) {
		if (str_ieqz(data_type, column_types[i].name))
			return column_types[i].type;
	}
	return COLUMN_OTHER;
}

bool column_is_integer(const struct column *c)
{
	return c->type >= COLUMN_TINYINT && c->type <= COLUMN_BIGINT;
}

bool column_is_text(const struct column *c)
{
	return (c->type >= COLUMN_CHAR && c->type <= COLUMN_LONGTEXT) || c->type == COLUMN_ENUM ||
	       c->type == COLUMN_SET;
}

bool column_is_binary(const struct column *c)
{
	return c->type >= COLUMN_BINARY && c->type <= COLUMN_LONGBLOB;
}

const struct column *table_column(const struct table *t, struct str name)
{
	for (uint32_t i = 0; i < t->column_n; i++) {
		if (str_ieq(t->columns[i].name, name))
			return &t->columns[i];
	}
	return NULL;
}

static int str_order(struct str a, struct str b)
{
	int c = memcmp(a.p, b.p, MIN(a.n, b.n));

	return c ? c : (a.n > b.n) - (a.n < b.n);
}

static int table_order(const void *a, const void *b)
{
	return str_order(((const struct table *)a)->name, ((const struct table *)b)->name);
}

const struct table *schema_table(const struct schema *s, struct str name)
{
	uint32_t lo = 0, hi = s->table_n;

	if (name.n == 0)
		return NULL;
	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		int c = str_order(s->tables[mid].name, name);

		if (c == 0)
			return &s->tables[mid];
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (uint32_t i = 0; s->nocase && i < s->table_n; i++) {
		if (str_ieq(s->tables[i].name, name))
			return &s->tables[i];
	}
	return NULL;
}

struct schema *schema_ref(const struct schema *s)
{
	struct schema *own = (struct schema *)s;

	atomic_fetch_add_explicit(&own->refs, 1, memory_order_relaxed);
	return own;
}

void schema_unref(const struct schema *s)
{
	struct schema *own = (struct schema *)s;

	if (!own || atomic_fetch_sub_explicit(&own->refs, 1, memory_order_acq_rel) != 1)
		return;
	arena_free(&own->arena);
	free(own);
}

struct schema_builder *schema_build(bool nocase, struct str charset, struct str collation)
{
	struct schema_builder *b = xcalloc(1, sizeof(*b));

	b->s = xcalloc(1, sizeof(*b->s));
	arena_init(&b->s->arena);
	atomic_init(&b->s->refs, 1);
	b->s->nocase = nocase;
	b->s->charset = arena_str(&b->s->arena, charset);
	b->s->collation = arena_str(&b->s->arena, collation);
	return b;
}

/* Moves the columns and keys gathered for the last table into the arena. */
static void table_close(struct schema_builder *b)
{
	struct arena *a = &b->s->arena;
	struct table *t;
	struct column *columns;
	struct table_key_def *keys;

	if (b->table_n == 0)
		return;
	t = &b->tables[b->table_n - 1];
	columns = arena_array(a, struct column, b->column_n);
	keys = arena_array(a, struct table_key_def, b->key_n);
	for (uint32_t i = 0; i < b->column_n; i++) {
		columns[i] = b->columns[i];
		columns[i].index = i;
		if (columns[i].auto_increment)
			t->auto_increment = &columns[i];
	}
	for (uint32_t i = 0; i < b->key_n; i++) {
		const struct column **parts = arena_array(a, const struct column *, b->keys[i].column_n);

		keys[i] = b->keys[i];
		for (uint32_t k = 0; k < keys[i].column_n; k++)
			parts[k] = keys[i].columns[k] ? columns + (keys[i].columns[k] - b->columns) : NULL;
		free(b->keys[i].columns);
		keys[i].columns = parts;
		if (keys[i].primary)
			t->primary_key = &keys[i];
	}
	t->columns = columns;
	t->column_n = b->column_n;
	t->keys = keys;
	t->key_n = b->key_n;
	b->column_n = b->key_n = 0;
}

int schema_build_table(struct schema_builder *b, const struct table *t)
{
	struct arena *a = &b->s->arena;

	if (b->table_n == TABLES_MAX)
		return -1;
	table_close(b);
	if (b->table_n == b->table_cap) {
		b->table_cap = b->table_cap ? b->table_cap * 2 : 64;
		b->tables = xrealloc(b->tables, b->table_cap * sizeof(*b->tables));
	}
	b->tables[b->table_n++] = (struct table){
		.name = arena_str(a, t->name),
		.view = t->view,
		.engine = arena_str(a, t->engine),
		.collation = arena_str(a, t->collation),
		.rows_estimate = t->rows_estimate,
	};
	return 0;
}

int schema_build_column(struct schema_builder *b, const struct column *c)
{
	struct arena *a = &b->s->arena;
	struct column *own;

	/* keys hold pointers to columns by then, which must not move */
	if (b->table_n == 0 || b->column_n == COLUMNS_MAX || b->key_n)
		return -1;
	if (b->column_n == b->column_cap) {
		b->column_cap = b->column_cap ? b->column_cap * 2 : 64;
		b->columns = xrealloc(b->columns, b->column_cap * sizeof(*b->columns));
	}
	own = &b->columns[b->column_n++];
	*own = *c;
	own->name = arena_str(a, c->name);
	own->type_text = arena_str(a, c->type_text);
	own->charset = arena_str(a, c->charset);
	own->collation = arena_str(a, c->collation);
	own->default_text = arena_str(a, c->default_text);
	return 0;
}

int schema_build_key_part(struct schema_builder *b, struct str key, bool unique, struct str column, bool prefix)
{
	struct table_key_def *k = b->key_n ? &b->keys[b->key_n - 1] : NULL;
	const struct column *col = NULL;

	for (uint32_t i = 0; column.n && !col && i < b->column_n; i++) {
		if (str_ieq(b->columns[i].name, column))
			col = &b->columns[i];
	}
	if (column.n && !col)
		return -1;
	if (!k || !str_eq(k->name, key)) {
		if (b->key_n == KEYS_MAX)
			return -1;
		if (b->key_n == b->key_cap) {
			b->key_cap = b->key_cap ? b->key_cap * 2 : 16;
			b->keys = xrealloc(b->keys, b->key_cap * sizeof(*b->keys));
		}
		k = &b->keys[b->key_n++];
		*k = (struct table_key_def){ .name = arena_str(&b->s->arena, key), .unique = unique };
		k->primary = str_eqz(key, "PRIMARY");
		k->columns = xcalloc(KEY_PARTS_MAX, sizeof(struct column *));
	}
	if (k->column_n == KEY_PARTS_MAX)
		return -1;
	k->columns[k->column_n++] = col;
	k->prefix |= prefix;
	return 0;
}

int schema_build_copy(struct schema_builder *b, const struct table *t)
{
	int rc = schema_build_table(b, t);

	for (uint32_t i = 0; rc == 0 && i < t->column_n; i++)
		rc = schema_build_column(b, &t->columns[i]);
	for (uint32_t i = 0; i < t->key_n; i++) {
		const struct table_key_def *k = &t->keys[i];

		for (uint32_t part = 0; rc == 0 && part < k->column_n; part++)
			rc = schema_build_key_part(
				b, k->name, k->unique, k->columns[part] ? k->columns[part]->name : STR(""), k->prefix);
	}
	return rc;
}

struct schema *schema_build_finish(struct schema_builder *b)
{
	struct schema *s = b->s;
	struct table *tables;

	table_close(b);
	tables = arena_array(&s->arena, struct table, b->table_n);
	if (b->table_n) {
		memcpy(tables, b->tables, b->table_n * sizeof(*tables));
		qsort(tables, b->table_n, sizeof(*tables), table_order);
	}
	s->tables = tables;
	s->table_n = b->table_n;
	b->s = NULL;
	schema_build_free(b);
	return s;
}

void schema_build_free(struct schema_builder *b)
{
	if (!b)
		return;
	for (uint32_t i = 0; i < b->key_n; i++)
		free(b->keys[i].columns);
	schema_unref(b->s);
	free(b->tables);
	free(b->columns);
	free(b->keys);
	free(b);
}

static bool column_same(const struct column *a, const struct column *b)
{
	return str_eq(a->name, b->name) && str_eq(a->type_text, b->type_text) && a->nullable == b->nullable &&
	       a->auto_increment == b->auto_increment && a->has_default == b->has_default &&
	       a->generated == b->generated && a->invisible == b->invisible && str_eq(a->collation, b->collation) &&
	       str_eq(a->default_text, b->default_text);
}

static bool key_same(const struct table_key_def *a, const struct table_key_def *b)
{
	if (!str_eq(a->name, b->name) || a->unique != b->unique || a->prefix != b->prefix || a->column_n != b->column_n)
		return false;
	for (uint32_t i = 0; i < a->column_n; i++) {
		if (!a->columns[i] != !b->columns[i] || (a->columns[i] && a->columns[i]->index != b->columns[i]->index))
			return false;
	}
	return true;
}

bool table_same(const struct table *a, const struct table *b, char *what, size_t size)
{
	uint32_t i;

	for (i = 0; i < MIN(a->column_n, b->column_n); i++) {
		const struct column *x = &a->columns[i], *y = &b->columns[i];

		if (!column_same(x, y)) {
			snprintf(what, size,
				"table " STR_FMT ", column " STR_FMT ": " STR_FMT " %s here, " STR_FMT
				" %s there (or default, NULL, collation differ)",
				STR_ARG(a->name), STR_ARG(x->name), STR_ARG(x->type_text), x->collation.p,
				STR_ARG(y->type_text), y->collation.p);
			return false;
		}
	}
	if (a->column_n != b->column_n || a->view != b->view) {
		snprintf(what, size, "table " STR_FMT ": %u columns here, %u there", STR_ARG(a->name), a->column_n,
			b->column_n);
		return false;
	}
	for (i = 0; i < MIN(a->key_n, b->key_n) && key_same(&a->keys[i], &b->keys[i]); i++)
		;
	if (i < a->key_n || i < b->key_n) {
		snprintf(what, size, "table " STR_FMT ": key " STR_FMT " differs", STR_ARG(a->name),
			STR_ARG(i < a->key_n ? a->keys[i].name : b->keys[i].name));
		return false;
	}
	return true;
}

bool schema_same(const struct schema *a, const struct schema *b, char *what, size_t what_size)
{
	uint32_t i = 0, k = 0;

	while (i < a->table_n || k < b->table_n) {
		int order = i == a->table_n   ? 1
			    : k == b->table_n ? -1
					      : str_order(a->tables[i].name, b->tables[k].name);

		if (order) {
			snprintf(what, what_size, "table " STR_FMT " is only %s",
				STR_ARG(order < 0 ? a->tables[i].name : b->tables[k].name),
				order < 0 ? "here" : "there");
			return false;
		}
		if (!table_same(&a->tables[i++], &b->tables[k++], what, what_size))
			return false;
	}
	if (a->nocase == b->nocase && str_eq(a->charset, b->charset) && str_eq(a->collation, b->collation))
		return true;
	snprintf(what, what_size, "defaults: %s here, %s there", a->collation.p, b->collation.p);
	return false;
}
