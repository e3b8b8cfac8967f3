/* table.c - columns and keys of a table, and the SQL text that reads and writes its rows exactly.
 * For pair diff, resolve and undo.
 * Pure but for table_read(), which blocks. */
#include "table.h"
#include <ctype.h>
#include <stdlib.h>

#define DIGEST_BYTES 32

static const struct {
	const char *type;
	uint8_t class; /* enum column_class */
	bool as_number;
} types[] = {
	{ "char", COLUMN_TEXT, false },
	{ "varchar", COLUMN_TEXT, false },
	{ "tinytext", COLUMN_TEXT, false },
	{ "text", COLUMN_TEXT, false },
	{ "mediumtext", COLUMN_TEXT, false },
	{ "longtext", COLUMN_TEXT, false },
	{ "binary", COLUMN_BYTES, false },
	{ "varbinary", COLUMN_BYTES, false },
	{ "tinyblob", COLUMN_BYTES, false },
	{ "blob", COLUMN_BYTES, false },
	{ "mediumblob", COLUMN_BYTES, false },
	{ "longblob", COLUMN_BYTES, false },
	{ "geometry", COLUMN_BYTES, false },
	{ "point", COLUMN_BYTES, false },
	{ "linestring", COLUMN_BYTES, false },
	{ "polygon", COLUMN_BYTES, false },
	{ "multipoint", COLUMN_BYTES, false },
	{ "multilinestring", COLUMN_BYTES, false },
	{ "multipolygon", COLUMN_BYTES, false },
	{ "geometrycollection", COLUMN_BYTES, false },
	{ "tinyint", COLUMN_NUMBER, false },
	{ "smallint", COLUMN_NUMBER, false },
	{ "mediumint", COLUMN_NUMBER, false },
	{ "int", COLUMN_NUMBER, false },
	{ "bigint", COLUMN_NUMBER, false },
	{ "decimal", COLUMN_NUMBER, false },
	{ "bit", COLUMN_NUMBER, true },
	{ "enum", COLUMN_NUMBER, true },
	{ "set", COLUMN_NUMBER, true },
	{ "year", COLUMN_NUMBER, true },
	{ "float", COLUMN_FLOAT, false },
	{ "double", COLUMN_FLOAT, false },
};

void column_classify(struct column *c, uint64_t most_bytes)
{
	c->class = COLUMN_TIME;
	c->as_number = false;
	for (size_t i = 0; i < ARRAY_N(types); i++) {
		if (strcasecmp(c->data_type, types[i].type) == 0) {
			c->class = types[i].class;
			c->as_number = types[i].as_number;
		}
	}
	c->longish = (c->class == COLUMN_TEXT || c->class == COLUMN_BYTES) && most_bytes > DIGEST_BYTES / 2;
}

static char *dup_or_null(struct arena *a, const char *s)
{
	return s ? arena_dup(a, s, strlen(s)) : NULL;
}

static int read_columns(struct db *db, struct table *t, const char *where, struct err *err)
{
	MYSQL_RES *res = db_query(db, err,
		"SELECT column_name, data_type, column_type, character_set_name, collation_name, column_default, "
		"extra, "
		"is_nullable, character_octet_length, is_generated FROM information_schema.columns WHERE %s ORDER BY "
		"ordinal_position",
		where);
	MYSQL_ROW row;

	if (!res)
		return err->kind;
	t->columns = arena_array(&t->arena, struct column, mysql_num_rows(res) + 1);
	while ((row = mysql_fetch_row(res))) {
		struct column *c = &t->columns[t->column_n++];
		uint64_t most = 0;

		c->name = dup_or_null(&t->arena, row[0]);
		c->data_type = dup_or_null(&t->arena, row[1]);
		c->column_type = dup_or_null(&t->arena, row[2]);
		c->charset = dup_or_null(&t->arena, row[3]);
		c->collation = dup_or_null(&t->arena, row[4]);
		c->default_ = dup_or_null(&t->arena, row[5]);
		c->extra = dup_or_null(&t->arena, row[6] ? row[6] : "");
		c->nullable = row[7] && strcasecmp(row[7], "YES") == 0;
		c->generated = row[9] && strcasecmp(row[9], "ALWAYS") == 0;
		if (!c->name || !c->data_type || !c->column_type || (row[8] && str_to_u64(str_of(row[8]), &most) < 0)) {
			mysql_free_result(res);
			return err_set(err, ERR_BACKEND, ER_MALFORMED_PACKET,
				"backend %s describes table %s.%s in a way that was not expected", db->name,
				t->database, t->name);
		}
		column_classify(c, most ? most : UINT32_MAX);
	}
	mysql_free_result(res);
	return 0;
}

static int read_key(struct db *db, struct table *t, const char *where, struct err *err)
{
	MYSQL_RES *res = db_query(db, err,
		"SELECT column_name FROM information_schema.statistics WHERE %s AND index_name = 'PRIMARY' ORDER BY "
		"seq_in_index",
		where);
	MYSQL_ROW row;

	if (!res)
		return err->kind;
	t->key = arena_array(&t->arena, uint32_t, mysql_num_rows(res) + 1);
	while ((row = mysql_fetch_row(res))) {
		for (uint32_t i = 0; row[0] && i < t->column_n; i++) {
			if (strcasecmp(t->columns[i].name, row[0]) == 0)
				t->key[t->key_n++] = i;
		}
	}
	mysql_free_result(res);
	return 0;
}

int table_read(struct db *db, const char *database, const char *name, struct table *out, struct err *err)
{
	struct buf where = { 0 };
	int rc;

	*out = (struct table){ 0 };
	arena_init(&out->arena);
	out->database = arena_dup(&out->arena, database, strlen(database));
	out->name = arena_dup(&out->arena, name, strlen(name));
	buf_addz(&where, "table_schema = ");
	sql_add_text(&where, database);
	buf_addz(&where, " AND table_name = ");
	sql_add_text(&where, name);
	buf_add_u8(&where, '\0');
	rc = read_columns(db, out, (const char *)buf_head(&where), err);
	if (rc == 0)
		rc = read_key(db, out, (const char *)buf_head(&where), err);
	buf_free(&where);
	if (rc == 0 && out->column_n == 0)
		rc = err_set(
			err, ERR_NAME, ER_NO_SUCH_TABLE, "backend %s has no table %s.%s", db->name, database, name);
	return rc;
}

void table_free(struct table *t)
{
	arena_free(&t->arena);
	*t = (struct table){ 0 };
}

int table_comparable(const struct table *t, struct err *err)
{
	if (t->key_n == 0)
		return err_set(err, ERR_UNSUPPORTED, ER_NOT_SUPPORTED_YET,
			"table %s.%s has no primary key: its rows cannot be told apart. Give it one", t->database,
			t->name);
	for (uint32_t i = 0; i < t->key_n; i++) {
		const struct column *c = &t->columns[t->key[i]];

		if (c->class == COLUMN_FLOAT)
			return err_set(err, ERR_UNSUPPORTED, ER_NOT_SUPPORTED_YET,
				"table %s.%s has the %s column %s in its primary key: such keys have no exact text. "
				"Use "
				"DECIMAL",
				t->database, t->name, c->data_type, c->name);
	}
	return 0;
}

static bool same_text(const char *a, const char *b)
{
	return strcmp(a ? a : "", b ? b : "") == 0;
}

int table_same(const struct table *a, const struct table *b, struct err *err)
{
	for (uint32_t i = 0; i < a->column_n && i < b->column_n; i++) {
		const struct column *x = &a->columns[i], *y = &b->columns[i];

		if (strcasecmp(x->name, y->name) || !same_text(x->column_type, y->column_type) ||
			!same_text(x->collation, y->collation))
			return err_set(err, ERR_UNSUPPORTED, ER_NOT_SUPPORTED_YET,
				"table %s.%s is not the same on both sides: column %u is %s %.60s here and %s %.60s "
				"there",
				a->database, a->name, i + 1, x->name, x->column_type, y->name, y->column_type);
	}
	if (a->column_n != b->column_n)
		return err_set(err, ERR_UNSUPPORTED, ER_NOT_SUPPORTED_YET,
			"table %s.%s has %u columns on one side and %u on the other: finish the ALTER first",
			a->database, a->name, a->column_n, b->column_n);
	if (a->key_n != b->key_n || (a->key_n && memcmp(a->key, b->key, a->key_n * sizeof(*a->key)) != 0))
		return err_set(err, ERR_UNSUPPORTED, ER_NOT_SUPPORTED_YET,
			"table %s.%s has another primary key on the other side", a->database, a->name);
	return 0;
}

/* --- values --- */

void table_add_name(struct buf *b, const struct table *t)
{
	sql_add_ident(b, t->database);
	buf_add_u8(b, '.');
	sql_add_ident(b, t->name);
}

static void add_call(struct buf *b, const char *before, const struct column *c, const char *after)
{
	buf_addz(b, before);
	sql_add_ident(b, c->name);
	buf_addz(b, after);
}

void column_add_raw(struct buf *b, const struct column *c)
{
	if (c->class == COLUMN_TEXT || c->class == COLUMN_BYTES)
		add_call(b, "HEX(", c, ")");
	else if (c->as_number)
		add_call(b, "CAST(", c, " + 0 AS CHAR)");
	else if (c->class == COLUMN_FLOAT)
		add_call(b, "CAST(CAST(", c, " AS DOUBLE) AS CHAR)"); /* as a float its text has too few digits */
	else
		add_call(b, "CAST(", c, " AS CHAR)");
}

/* A key's column as it is compared and ordered: by its number where that is what it is read as. */
static void add_key_column(struct buf *b, const struct column *c)
{
	if (c->as_number)
		add_call(b, "(", c, " + 0)");
	else
		sql_add_ident(b, c->name);
}

static bool is_hex(const char *s)
{
	size_t n = strspn(s, "0123456789ABCDEFabcdef");

	return s[n] == '\0' && n % 2 == 0;
}

static bool is_number(const char *s)
{
	return *s && s[strspn(s, "0123456789.+-eE")] == '\0';
}

int column_add_literal(struct buf *b, const struct column *c, const char *raw, struct err *err)
{
	bool good = true;

	if (!raw) {
		buf_addz(b, "NULL");
		return 0;
	}
	switch (c->class) {
	case COLUMN_TEXT:
		good = is_hex(raw) && c->charset;
		buf_addf(b, "_%s X'%s'", c->charset ? c->charset : "", good ? raw : "");
		break;
	case COLUMN_BYTES:
		good = is_hex(raw);
		buf_addf(b, "X'%s'", good ? raw : "");
		break;
	case COLUMN_NUMBER:
	case COLUMN_FLOAT:
		good = is_number(raw);
		buf_addz(b, good ? raw : "0");
		break;
	case COLUMN_TIME: sql_add_text(b, raw); break;
	}
	if (!good)
		return err_set(err, ERR_MALFORMED, ER_WRONG_ARGUMENTS, "'%.60s' is no value of the %s column %s", raw,
			c->data_type, c->name);
	return 0;
}

static unsigned nibble(char x)
{
	return x <= '9' ? (unsigned)(x - '0') : (unsigned)(toupper((unsigned char)x) - 'A' + 10);
}

#define SHOWN_MAX 40

void column_add_shown(struct buf *b, const struct column *c, const char *raw)
{
	bool plain = true;
	size_t n;

	if (!raw) {
		buf_addz(b, "NULL");
		return;
	}
	if ((c->class != COLUMN_TEXT && c->class != COLUMN_BYTES) || !is_hex(raw)) {
		buf_addf(b, c->class == COLUMN_TIME ? "'%s'" : "%s", raw);
		return;
	}
	n = strlen(raw) / 2;
	for (size_t i = 0; i < n && i < SHOWN_MAX; i++) {
		unsigned x = nibble(raw[2 * i]) << 4 | nibble(raw[2 * i + 1]);

		plain = plain && x >= 0x20 && x != 0x7f && x != '\'' && (x < 0x80 || c->class == COLUMN_TEXT);
	}
	buf_addz(b, plain ? "'" : "X'");
	for (size_t i = 0; i < n && i < SHOWN_MAX; i++) {
		if (plain)
			buf_add_u8(b, (uint8_t)(nibble(raw[2 * i]) << 4 | nibble(raw[2 * i + 1])));
		else
			buf_add(b, raw + 2 * i, 2);
	}
	buf_addz(b, n > SHOWN_MAX ? "…'" : "'");
}

/* Each column is NULL's mark, its digits or its text in hexadecimal, or for long ones the digest of its bytes: no mark
 * can stand for a value, and no value can reach over into the next column. */
void table_add_digest(struct buf *b, const struct table *t)
{
	buf_addz(b, "MD5(CONCAT_WS('#'");
	for (uint32_t i = 0; i < t->column_n; i++) {
		const struct column *c = &t->columns[i];

		buf_addz(b, ",IFNULL(");
		if (c->longish) {
			add_call(b, "MD5(", c, ")");
		} else if (c->class == COLUMN_TEXT || c->class == COLUMN_BYTES) {
			column_add_raw(b, c);
		} else {
			buf_addz(b, "HEX(");
			column_add_raw(b, c);
			buf_addz(b, ")");
		}
		buf_addz(b, ",'-')");
	}
	buf_addz(b, "))");
}

/* --- the key --- */

void table_add_key_raw(struct buf *b, const struct table *t)
{
	for (uint32_t i = 0; i < t->key_n; i++) {
		if (i)
			buf_addz(b, ", ");
		column_add_raw(b, &t->columns[t->key[i]]);
	}
}

void table_add_key_order(struct buf *b, const struct table *t)
{
	for (uint32_t i = 0; i < t->key_n; i++) {
		if (i)
			buf_addz(b, ", ");
		add_key_column(b, &t->columns[t->key[i]]);
	}
}

static int add_compare(
	struct buf *b, const struct table *t, uint32_t i, const char *op, char *const *key, struct err *err)
{
	const struct column *c = &t->columns[t->key[i]];

	add_key_column(b, c);
	buf_addz(b, op);
	return column_add_literal(b, c, key[i], err);
}

/* (a, b, c) behind or before a key, spelled out, since servers use no index for a comparison of tuples; the first
 * column's bound stands in front by itself, for the optimizer. */
static int add_beyond(struct buf *b, const struct table *t, char *const *key, char way, bool with, struct err *err)
{
	const char *strict = way == '>' ? " > " : " < ", *loose = way == '>' ? " >= " : " <= ";
	int rc = 0;

	if (t->key_n == 1)
		return add_compare(b, t, 0, with ? loose : strict, key, err);
	rc = add_compare(b, t, 0, loose, key, err);
	buf_addz(b, " AND (");
	for (uint32_t i = 0; rc == 0 && i < t->key_n; i++) {
		bool last = i + 1 == t->key_n;

		rc = add_compare(b, t, i, last && with ? loose : strict, key, err);
		if (rc == 0 && !last) {
			buf_addz(b, " OR (");
			rc = add_compare(b, t, i, " = ", key, err);
			buf_addz(b, " AND (");
		}
	}
	for (uint32_t i = 1; i < t->key_n; i++)
		buf_addz(b, "))");
	buf_addz(b, ")");
	return rc;
}

int table_add_behind(struct buf *b, const struct table *t, char *const *key, struct err *err)
{
	return add_beyond(b, t, key, '>', false, err);
}

int table_add_up_to(struct buf *b, const struct table *t, char *const *key, struct err *err)
{
	return add_beyond(b, t, key, '<', true, err);
}

int table_add_at(struct buf *b, const struct table *t, char *const *key, struct err *err)
{
	int rc = 0;

	for (uint32_t i = 0; rc == 0 && i < t->key_n; i++) {
		if (i)
			buf_addz(b, " AND ");
		rc = add_compare(b, t, i, " = ", key, err);
	}
	return rc;
}
