/* world.h - a map and a schema for tests of the planner, written in short: keyspaces as JSON documents, tables as
 * "name: column type flags, ...". For the tests of this folder and the fuzz target. One thread. */
#ifndef KEYWAY_TESTS_PLAN_WORLD_H
#define KEYWAY_TESTS_PLAN_WORLD_H

#include <stdio.h>
#include <stdlib.h>
#include "keyway/cluster/snapshot.h"
#include "keyway/util/buf.h"

#define WORLD_KEYSPACES_MAX 16

struct world {
	struct keyspace *ks[WORLD_KEYSPACES_MAX];
	struct schema *schemas[WORLD_KEYSPACES_MAX];
	uint32_t n;
	struct map *map;
	struct snapshot *snapshot;
};

static void world_die(const char *what, const char *text)
{
	fprintf(stderr, "the test's world is wrong: %s: %s\n", what, text);
	abort();
}

static void world_keyspace(struct world *w, const char *json)
{
	struct err err = { 0 };

	if (w->n == WORLD_KEYSPACES_MAX || keyspace_parse(str_of(json), STR(""), &w->ks[w->n], &err) < 0)
		world_die(err.msg, json);
	w->n++;
}

static struct str world_word(const char **p)
{
	struct str s;

	while (**p == ' ' || **p == '\t')
		++*p;
	s.p = *p;
	while (**p && !strchr(" \t,:\n", **p))
		++*p;
	s.n = (size_t)(*p - s.p);
	return s;
}

static void world_type(struct column *c, struct str t)
{
	static const struct {
		const char *name;
		enum column_type type;
		bool is_unsigned;
		uint8_t precision, scale;
	} types[] = {
		{ "tinyint", COLUMN_TINYINT, false, 3, 0 },
		{ "utinyint", COLUMN_TINYINT, true, 3, 0 },
		{ "int", COLUMN_INT, false, 10, 0 },
		{ "uint", COLUMN_INT, true, 10, 0 },
		{ "bigint", COLUMN_BIGINT, false, 19, 0 },
		{ "ubigint", COLUMN_BIGINT, true, 20, 0 },
		{ "decimal", COLUMN_DECIMAL, false, 10, 2 },
		{ "double", COLUMN_DOUBLE, false, 22, 0 },
		{ "datetime", COLUMN_DATETIME, false, 0, 0 },
		{ "date", COLUMN_DATE, false, 0, 0 },
		{ "varbinary", COLUMN_VARBINARY, false, 0, 0 },
		{ "varchar", COLUMN_VARCHAR, false, 0, 0 },
		{ "ascii", COLUMN_VARCHAR, false, 0, 0 },
		{ "binvarchar", COLUMN_VARCHAR, false, 0, 0 },
	};

	for (size_t i = 0; i < ARRAY_N(types); i++) {
		if (!str_eqz(t, types[i].name))
			continue;
		c->type = types[i].type;
		c->is_unsigned = types[i].is_unsigned;
		c->precision = types[i].precision;
		c->scale = types[i].scale;
		c->length = 100;
		c->length_bytes = 400;
		if (c->type == COLUMN_VARCHAR) {
			c->charset = STR("utf8mb4");
			c->collation = str_eqz(t, "binvarchar") ? STR("utf8mb4_bin") : STR("utf8mb4_general_ci");
			if (str_eqz(t, "ascii")) {
				c->charset = STR("ascii");
				c->collation = STR("ascii_general_ci");
			}
		}
		return;
	}
	world_die("unknown column type", t.p);
}

static void world_table(struct schema_builder *b, const char *line)
{
	const char *p = line;
	struct str name = world_word(&p), pk[8];
	struct table t = { .name = name, .engine = STR("InnoDB") };
	uint32_t n_pk = 0;

	if (*p++ != ':' || schema_build_table(b, &t) < 0)
		world_die("a table", line);
	while (*p && *p != '\n') {
		struct column c = { .name = world_word(&p) };
		struct str flag;

		world_type(&c, world_word(&p));
		while ((flag = world_word(&p)).n) {
			if (str_eqz(flag, "null"))
				c.nullable = c.has_default = true;
			else if (str_eqz(flag, "auto"))
				c.auto_increment = true;
			else if (str_eqz(flag, "default"))
				c.has_default = true;
			else if (str_eqz(flag, "invisible"))
				c.invisible = true;
			else if (str_eqz(flag, "pk"))
				pk[n_pk++] = c.name;
			else
				world_die("a column flag", flag.p);
		}
		if (schema_build_column(b, &c) < 0)
			world_die("a column", line);
		if (*p == ',')
			p++;
	}
	for (uint32_t i = 0; i < n_pk; i++) {
		if (schema_build_key_part(b, STR("PRIMARY"), true, pk[i], false) < 0)
			world_die("a key", line);
	}
}

/* @lines: one table each. */
static void world_schema(struct world *w, struct str keyspace, const char *lines)
{
	struct schema_builder *b = schema_build(false, STR("utf8mb4"), STR("utf8mb4_general_ci"));

	while (*lines) {
		const char *end = strchr(lines, '\n');
		size_t n = end ? (size_t)(end - lines) : strlen(lines);

		if (n) {
			char *line = xstrndup(lines, n);

			world_table(b, line);
			free(line);
		}
		lines += n + (end != NULL);
	}
	for (uint32_t i = 0; i < w->n; i++) {
		if (str_eq(w->ks[i]->name, keyspace)) {
			w->schemas[i] = schema_build_finish(b);
			return;
		}
	}
	world_die("a schema of an unknown keyspace", keyspace.p);
}

static void world_finish(struct world *w, uint64_t generation)
{
	const struct schema *schemas[WORLD_KEYSPACES_MAX] = { NULL };
	const struct server_facts *facts[WORLD_KEYSPACES_MAX] = { NULL };
	struct err err = { 0 };

	if (map_build(w->ks, w->n, &w->map, &err) < 0)
		world_die("the map", err.msg);
	for (uint32_t i = 0; i < w->map->keyspace_n; i++) {
		for (uint32_t j = 0; j < w->n; j++) {
			if (str_eq(w->map->keyspaces[i]->name, w->ks[j]->name))
				schemas[i] = w->schemas[j];
		}
	}
	w->snapshot = snapshot_build(w->map, schemas, facts, generation);
}

static void world_free(struct world *w)
{
	snapshot_unref(w->snapshot);
	map_unref(w->map);
	for (uint32_t i = 0; i < w->n; i++) {
		schema_unref(w->schemas[i]);
		keyspace_unref(w->ks[i]);
	}
	memset(w, 0, sizeof(*w));
}

/* Reads @path: "%map" ... "%end" and "%schema NAME" ... "%end". */
static inline void world_read(struct world *w, const char *path)
{
	FILE *f = fopen(path, "r");
	struct buf body = { 0 };
	char line[8192], head[256] = "";

	if (!f)
		world_die("cannot read", path);
	while (fgets(line, sizeof(line), f)) {
		if (line[0] == '#' && !head[0])
			continue;
		if (strcmp(line, "%end\n") == 0) {
			buf_add_u8(&body, '\0');
			if (strcmp(head, "%map") == 0)
				world_keyspace(w, (const char *)buf_head(&body));
			else
				world_schema(w, str_of(head + strlen("%schema ")), (const char *)buf_head(&body));
			head[0] = '\0';
			buf_clear(&body);
		} else if (line[0] == '%') {
			snprintf(head, sizeof(head), "%.*s", (int)strcspn(line, "\n"), line);
		} else if (head[0]) {
			buf_addz(&body, line);
		}
	}
	buf_free(&body);
	fclose(f);
	world_finish(w, 1);
}

#endif
