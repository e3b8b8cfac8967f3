/* ctl_views.c - keywayctl shards, backends, sessions …: SHOW KEYWAY of one or more proxies as a table; and kill.
 * For ctl.c.
 * One thread, blocking. */
#include "ctl_views.h"
#include "ctl_sql.h"
#include <stdlib.h>

#define COLUMNS_MAX    64
#define NAME_MAX_BYTES 64

const struct ctl_option ctl_view_options[] = {
	CTL_PROXY_OPTIONS,
	{ .name = "--like",
		.argument = "PATTERN",
		.help = "only rows of which a field is like it: % any text, _ one character" },
	{ .name = "--wide", .help = "all columns, as --json shows them" },
	{ 0 },
};

const struct ctl_option ctl_kill_options[] = {
	CTL_PROXY_OPTIONS,
	{ .name = "--query", .help = "end what the session runs, not the session" },
	{ 0 },
};

/* What people see of the wide ones; the others are shown whole. */
static const struct {
	const char *view;
	const char *columns; /* separated by blanks */
} narrow[] = {
	{ "shards", "keyspace shard kind primary odd even hold held replicas_up replicas epoch" },
	{ "backends",
		"keyspace shard name address az role state serves health lag_ms latency_us in_flight connections why" },
	{ "sessions", "id user host target command state time_ms transaction shards pinned statement" },
	{ "epochs", "keyspace epoch since from store refused refused_why" },
	{ "proxies", "id address version az state epochs refused trouble" },
	{ "digests", "digest keyspace route count errors avg_us max_us text" },
	{ "allocators", "allocator endpoint tag state ids failures ids_left per_second empty_in_s last_error" },
};

static bool has_word(const char *list, const char *word)
{
	size_t n = strlen(word);

	for (const char *p = list; (p = strstr(p, word)) != NULL; p += n) {
		if ((p == list || p[-1] == ' ') && (p[n] == ' ' || p[n] == '\0'))
			return true;
	}
	return false;
}

/* The columns of an answer; they stand where the table may point to until it is printed. */
struct shape {
	struct ctl_column cols[COLUMNS_MAX + 1];
	char names[COLUMNS_MAX][NAME_MAX_BYTES];
	unsigned from[COLUMNS_MAX]; /* index in the answer */
	uint32_t n, first;	    /* first: 1 when the proxy's name stands before */
};
static struct shape shape;

static void shape_of(MYSQL_RES *res, const char *only, bool name_proxy)
{
	const MYSQL_FIELD *f = mysql_fetch_fields(res);
	unsigned n = mysql_num_fields(res);

	shape.n = shape.first = 0;
	if (name_proxy)
		shape.cols[shape.first++] = (struct ctl_column){ "proxy", CTL_LEFT };
	for (unsigned i = 0; i < n && shape.n < COLUMNS_MAX; i++) {
		if (only && !has_word(only, f[i].name))
			continue;
		snprintf(shape.names[shape.n], NAME_MAX_BYTES, "%s", f[i].name);
		shape.cols[shape.first + shape.n] =
			(struct ctl_column){ shape.names[shape.n], IS_NUM(f[i].type) ? CTL_RIGHT : CTL_LEFT };
		shape.from[shape.n++] = i;
	}
}

static void add_rows(struct ctl_table *t, MYSQL_RES *res, const char *proxy)
{
	MYSQL_ROW row;

	while ((row = mysql_fetch_row(res)) != NULL) {
		const unsigned long *len = mysql_fetch_lengths(res);

		if (shape.first)
			ctl_cell_textz(t, proxy);
		for (uint32_t i = 0; i < shape.n; i++) {
			unsigned at = shape.from[i];
			uint64_t v;

			if (!row[at])
				ctl_cell_none(t);
			else if (shape.cols[shape.first + i].align == CTL_RIGHT &&
				 str_to_u64(str_make(row[at], len[at]), &v) == 0)
				ctl_cell_number(t, v);
			else
				ctl_cell_text(t, str_make(row[at], len[at]));
		}
	}
}

/* SHOW KEYWAY @view of one proxy. */
static MYSQL_RES *ask(MYSQL *my, const char *view, const char *like, struct err *err)
{
	MYSQL_RES *res;
	char *quoted;

	if (!like)
		return ctl_sql_query(my, err, "SHOW KEYWAY %s", view);
	quoted = xmalloc(2 * strlen(like) + 1);
	mysql_real_escape_string(my, quoted, like, strlen(like));
	res = ctl_sql_query(my, err, "SHOW KEYWAY %s LIKE '%s'", view, quoted);
	free(quoted);
	return res;
}

/* Rows that a proxy left out are told of: an answer is whole, or says that it is not. */
static void tell_warnings(struct ctl *c, MYSQL *my)
{
	MYSQL_RES *res;
	MYSQL_ROW row;
	struct err err;

	if (!mysql_warning_count(my))
		return;
	res = ctl_sql_query(my, &err, "SHOW WARNINGS");
	while (res && (row = mysql_fetch_row(res)) != NULL)
		ctl_progress(c, "%s", row[2] ? row[2] : "");
	mysql_free_result(res);
}

enum ctl_exit ctl_view(struct ctl *c, const struct ctl_args *a, struct ctl_table *t)
{
	const char *view = a->command->name, *only = NULL;
	struct ctl_proxies all;
	enum ctl_exit rc = ctl_proxies_open(c, a, &all);
	bool shaped = false;

	for (size_t i = 0; !a->json && !ctl_option(a, "--wide") && i < ARRAY_N(narrow); i++) {
		if (strcmp(narrow[i].view, view) == 0)
			only = narrow[i].columns;
	}
	for (uint32_t i = 0; i < all.n; i++) {
		struct err err;
		MYSQL *my = ctl_proxy_connect(&all, &all.v[i], &err);
		MYSQL_RES *res = my ? ask(my, view, ctl_option(a, "--like"), &err) : NULL;

		if (!res) {
			/* the others still have something to say */
			if (my)
				err_wrap(&err, "proxy %s", all.v[i].name);
			rc = ctl_fail(c, a, CTL_FAILED, "%s", err.msg);
		} else {
			if (!shaped) {
				shape_of(res, only, all.n > 1 || ctl_option(a, "--all"));
				ctl_table_begin(t, shape.cols, shape.first + shape.n);
				shaped = true;
			}
			tell_warnings(c, my);
			add_rows(t, res, all.v[i].name);
		}
		mysql_free_result(res);
		mysql_close(my);
	}
	ctl_proxies_close(&all);
	return rc;
}

enum ctl_exit ctl_kill(struct ctl *c, const struct ctl_args *a)
{
	bool query = ctl_option(a, "--query") != NULL;
	struct ctl_proxies all;
	enum ctl_exit rc = ctl_proxies_open(c, a, &all);
	struct err err;
	MYSQL *my;

	if (rc != CTL_OK)
		return rc;
	for (uint32_t i = 0; i < a->word_n; i++) {
		uint64_t id;

		if (str_to_u64(str_of(ctl_word(a, i)), &id) < 0) {
			ctl_proxies_close(&all);
			return ctl_fail(c, a, CTL_USAGE, "%s is no id of a session", ctl_word(a, i));
		}
	}
	if (all.n != 1) {
		ctl_proxies_close(&all);
		return ctl_fail(c, a, CTL_USAGE, "ids are those of one proxy: name it with --proxy");
	}
	my = ctl_proxy_connect(&all, &all.v[0], &err);
	if (!my)
		rc = ctl_fail(c, a, CTL_FAILED, "%s", err.msg);
	for (uint32_t i = 0; my && i < a->word_n; i++) {
		char *sql = xasprintf("KILL %s%s", query ? "QUERY " : "", ctl_word(a, i));

		if (mysql_real_query(my, sql, strlen(sql)) != 0)
			rc = ctl_fail(c, a, CTL_FAILED, "%s: %u %s", ctl_word(a, i), mysql_errno(my), mysql_error(my));
		free(sql);
	}
	mysql_close(my);
	ctl_proxies_close(&all);
	return rc;
}
