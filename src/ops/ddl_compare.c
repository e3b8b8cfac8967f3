/* ddl_compare.c - whether rows may travel between a table as it was and as it will be.
 * For side alter, which makes the new form of an empty copy first.
 * Pure. */
#include "ddl.h"
#include <ctype.h>
#include <stdlib.h>

static int refuse(const char *column, const char *why, struct err *err)
{
	return err_set(err, ERR_UNSUPPORTED, ER_NOT_SUPPORTED_YET,
		"column %s: this cannot be done side by side: %s. Nothing was changed", column, why);
}

static bool same(const char *a, const char *b)
{
	return strcasecmp(a ? a : "", b ? b : "") == 0;
}

static int integer_rank(const char *type)
{
	static const char *const names[] = { "tinyint", "smallint", "mediumint", "int", "bigint" };
	size_t n = strspn(type, "abcdefghijklmnopqrstuvwxyz");

	for (size_t i = 0; i < ARRAY_N(names); i++) {
		if (strlen(names[i]) == n && strncmp(type, names[i], n) == 0)
			return (int)i + 1;
	}
	return 0;
}

/* What stands behind the type's length: " unsigned zerofill". */
static const char *attributes(const char *type)
{
	const char *p = strchr(type, ')'), *blank = strchr(type, ' ');

	return p ? p + 1 : blank ? blank : "";
}

/* "varchar(20)": 20; -1: another type. */
static long length_of(const char *type, const char *name)
{
	size_t n = strlen(name);

	if (strncmp(type, name, n) != 0 || type[n] != '(')
		return -1;
	return strtol(type + n + 1, NULL, 10);
}

static bool type_widens(const char *from, const char *to)
{
	static const char *const variable[] = { "varchar", "varbinary" };
	int a = integer_rank(from), b = integer_rank(to);

	if (a && b)
		return a <= b && strcmp(attributes(from), attributes(to)) == 0;
	for (size_t i = 0; i < ARRAY_N(variable); i++) {
		long x = length_of(from, variable[i]), y = length_of(to, variable[i]);

		if (x >= 0 && y >= 0)
			return x <= y;
	}
	return false;
}

static int compare_column(const struct ddl_column *a, const struct ddl_column *b, bool *lossy, struct err *err)
{
	if (!same(a->name, b->name))
		return refuse(b->name,
			"it would stand where another column stands on the other side, and the stream knows columns by "
			"their place only. Add columns at the end, drop the last ones, keep the order and the names",
			err);
	if (a->generated || b->generated) {
		if (a->generated != b->generated || !same(a->type, b->type) || !same(a->extra, b->extra))
			return refuse(b->name, "what a generated column holds was not tried between unlike sides", err);
		return 0;
	}
	if (!same(a->collation, b->collation))
		return refuse(b->name, "its character set or collation would differ between the sides", err);
	if (a->nullable != b->nullable)
		return refuse(b->name, "a NULL could be written on one side that the other does not take", err);
	if (!same(a->extra, b->extra))
		return refuse(
			b->name, "AUTO_INCREMENT, ON UPDATE and INVISIBLE have to be the same on both sides", err);
	if (same(a->type, b->type))
		return 0;
	if (!type_widens(a->type, b->type))
		return refuse(b->name,
			"this change of type was not tried between unlike sides; larger integers of the same sign and "
			"longer "
			"VARCHAR and VARBINARY were",
			err);
	*lossy = true;
	return 0;
}

/* NULL, a number, a quoted text: what each side fills in is the same. */
static bool is_constant(const char *text)
{
	const char *p = text;

	if (!text || strcasecmp(text, "NULL") == 0)
		return true;
	if (*p == 'b' || *p == 'x' || *p == '_')
		p = strchr(p, '\'') ? strchr(p, '\'') : p;
	if (*p == '\'')
		return p[strlen(p) - 1] == '\'';
	p += *p == '-' || *p == '+';
	return *p && p[strspn(p, "0123456789.eE+-")] == '\0';
}

static int check_added(const struct ddl_column *c, struct err *err)
{
	if (c->generated)
		return refuse(c->name, "what a generated column holds was not tried between unlike sides", err);
	if (c->extra && c->extra[0])
		return refuse(
			c->name, "each side would fill it in by itself (AUTO_INCREMENT, ON UPDATE, INVISIBLE)", err);
	if (!is_constant(c->default_))
		return refuse(c->name, "its default is no constant: the sides would fill in different values", err);
	return 0;
}

static int compare_unique(const struct ddl_shape *before, const struct ddl_shape *after, struct err *err)
{
	uint32_t n = MAX(before->unique_n, after->unique_n);

	for (uint32_t i = 0; i < n; i++) {
		const char *a = i < before->unique_n ? before->unique[i] : NULL;
		const char *b = i < after->unique_n ? after->unique[i] : NULL;

		if (!a || !b || strcasecmp(a, b) != 0)
			return err_set(err, ERR_UNSUPPORTED, ER_NOT_SUPPORTED_YET,
				"the unique indexes would differ between the sides (%.100s, %.100s): the one without "
				"lets rows be "
				"written that stop replication on the other. Nothing was changed",
				a ? a : "none", b ? b : "none");
	}
	return 0;
}

int ddl_compare(const struct ddl_shape *before, const struct ddl_shape *after, bool *lossy, struct err *err)
{
	uint32_t common = MIN(before->column_n, after->column_n);
	int rc = 0;

	*lossy = before->column_n != after->column_n;
	for (uint32_t i = 0; rc == 0 && i < common; i++)
		rc = compare_column(&before->columns[i], &after->columns[i], lossy, err);
	for (uint32_t i = common; rc == 0 && i < after->column_n; i++)
		rc = check_added(&after->columns[i], err);
	return rc < 0 ? rc : compare_unique(before, after, err);
}
