/* test_cases.c - text cases: a query in, its plan out. The form of the files is in cases/README.md.
 * For the whole of src/plan. One thread. */
#include <check.h>
#include "keyway/plan/plan.h"
#include "keyway/sql/lit.h"
#include "keyway/sql/scan.h"
#include "world.h"

#define PARAMS_MAX 32
#define IDS_MAX	   64

static const struct {
	uint32_t bit;
	const char *name;
} flag_names[] = {
	{ PLAN_READ, "READ" },
	{ PLAN_WRITE, "WRITE" },
	{ PLAN_LOCKS, "LOCKS" },
	{ PLAN_PINS, "PINS" },
	{ PLAN_DDL, "DDL" },
	{ PLAN_ENDS_TXN, "ENDS_TXN" },
	{ PLAN_CALLS, "CALLS" },
	{ PLAN_ROWS, "ROWS" },
	{ PLAN_VOLATILE, "VOLATILE" },
	{ PLAN_REPLICA_OK, "REPLICA_OK" },
	{ PLAN_FIRST, "FIRST" },
	{ PLAN_UNKNOWN, "UNKNOWN" },
	{ PLAN_NO_CACHE, "NO_CACHE" },
	{ PLAN_EDITS, "EDITS" },
	{ PLAN_PER_SHARD_TEXT, "PER_SHARD_TEXT" },
	{ PLAN_LAST_ID, "LAST_ID" },
	{ PLAN_SETS_LAST_ID, "SETS_LAST_ID" },
	{ PLAN_FOUND_ROWS, "FOUND_ROWS" },
	{ PLAN_LOCAL_INFILE, "LOCAL_INFILE" },
	{ PLAN_REFERENCE, "REFERENCE" },
	{ PLAN_USER_VARS, "USER_VARS" },
	{ PLAN_EXPLAIN, "EXPLAIN" },
	{ PLAN_INTO_FILE, "INTO_FILE" },
};

struct runner {
	struct world world;
	struct scan scan;
	struct scan_mode mode;
	struct plan_insert_run run;
	struct target target; /* of the session; keyspace NULL: none */
	char db[128];
	const char *file;
	uint32_t line;
	uint32_t cases, failed;
	/* the case at hand */
	struct buf query, got, want;
	struct sql_value params[PARAMS_MAX];
	char param_text[4096];
	uint32_t n_params;
	bool has_params;
};

static const struct plan_session session = {
	.connection_id = 42,
	.user = { "me@here", 7 },
	.current_user = { "me@%", 4 },
	.database = { "shop", 4 },
	.row_count = -1,
	.found_rows = 7,
	.last_insert_id = 99,
};

static void params_read(struct runner *r, const char *text)
{
	char *p = r->param_text;

	snprintf(r->param_text, sizeof(r->param_text), "%s", text);
	r->has_params = true;
	r->n_params = 0;
	while (*p && *p != '\n' && r->n_params < PARAMS_MAX) {
		struct sql_value *v = &r->params[r->n_params++];
		char *end;

		while (*p == ' ' || *p == ',')
			p++;
		end = p;
		if (*p == '\'') {
			end = strchr(p + 1, '\'');
			*v = (struct sql_value){ .kind = SQL_V_BYTES, .s = str_make(p + 1, (size_t)(end - p - 1)) };
			p = end + 1;
			continue;
		}
		end += strcspn(p, ",\n");
		if (strncmp(p, "NULL", 4) == 0)
			*v = (struct sql_value){ .kind = SQL_V_NULL };
		else if (memchr(p, '.', (size_t)(end - p)))
			*v = (struct sql_value){ .kind = SQL_V_DOUBLE, .f = strtod(p, NULL) };
		else
			*v = (struct sql_value){ .kind = SQL_V_INT, .i = strtoll(p, NULL, 10) };
		p = end;
	}
}

static void got_flags(struct runner *r, const struct plan *p)
{
	/* only those that the case speaks of, in its order */
	const char *want = (const char *)buf_head(&r->want);
	const char *line = strchr(want, '\n');

	for (const char *c = want; *c && c != line; c++) {
		char name[32];
		uint32_t bit = 0;

		if ((*c != '+' && *c != '-') || (c > want && c[-1] != ' '))
			continue;
		snprintf(name, sizeof(name), "%.*s", (int)strcspn(c + 1, " \n"), c + 1);
		for (size_t i = 0; i < ARRAY_N(flag_names); i++) {
			if (strcmp(flag_names[i].name, name) == 0)
				bit = flag_names[i].bit;
		}
		if (!bit)
			ck_abort_msg("%s:%u: no flag %s", r->file, r->line, name);
		buf_addf(&r->got, " %c%s", p->flags & bit ? '+' : '-', name);
	}
}

static void got_error(struct runner *r, const struct err *e)
{
	buf_clear(&r->got);
	buf_addf(&r->got, "! %u %s\n", e->errno_, e->msg);
}

static void got_text(struct runner *r, const struct plan *p, const struct plan_values *v, uint32_t shard)
{
	struct err err = { 0 };

	buf_addf(&r->got, "| %u ", shard);
	ck_assert_int_eq(plan_text(p, v, &session, shard, &r->got, &err), 0);
	buf_addz(&r->got, "\n");
}

static const char *side_name(uint8_t side)
{
	return side == PLAN_SIDE_ODD ? "odd" : side == PLAN_SIDE_EVEN ? "even" : "home";
}

static void got_target(struct runner *r, const struct plan *p, const struct plan_values *v)
{
	uint16_t shards[64];
	struct plan_target t = { .shards = shards };
	struct err err = { 0 };

	if (plan_bind(p, v, &t, &err) < 0) {
		got_error(r, &err);
		return;
	}
	ck_assert_uint_ge(t.n, 1);
	buf_addf(&r->got, "= %s", plan_kind_name(p->kind));
	if (p->kind == PLAN_ROUTE || p->kind == PLAN_PINNED || p->ks->shard_n == 1) {
		for (uint32_t i = 0; i < t.n; i++)
			buf_addf(&r->got, "%c%u", i ? ',' : ' ', shards[i]);
	}
	if (t.side != PLAN_SIDE_HOME)
		buf_addf(&r->got, " %s", side_name((uint8_t)t.side));
	got_flags(r, p);
	buf_addz(&r->got, "\n");
	if (p->flags & PLAN_EDITS) {
		for (uint32_t i = 0; i < (p->flags & PLAN_PER_SHARD_TEXT ? t.n : 1); i++)
			got_text(r, p, v, shards[i]);
	}
}

static void got_insert(struct runner *r, const struct plan *p, const struct plan_values *v)
{
	static uint64_t ids[IDS_MAX];
	struct err err = { 0 };

	for (uint32_t i = 0; i < IDS_MAX; i++)
		ids[i] = 150 + i * 50;
	if (plan_insert_open(p, v, &r->run, &err) < 0 || plan_insert_split(p, v, &r->run, ids, &err) < 0) {
		got_error(r, &err);
		return;
	}
	buf_addf(&r->got, "= INSERT%s", r->run.unchanged ? " unchanged" : "");
	for (uint32_t i = 0; i < r->run.n_parts; i++) {
		const struct plan_insert_part *part = &r->run.parts[i];

		buf_addf(&r->got, " %u:%u", part->shard, part->n_rows);
		if (part->side != PLAN_SIDE_HOME)
			buf_addf(&r->got, ":%s", side_name(part->side));
	}
	if (r->run.n_ids)
		buf_addf(&r->got, " ids=%u", r->run.n_ids);
	got_flags(r, p);
	buf_addz(&r->got, "\n");
	for (uint32_t i = 0; i < r->run.n_parts && !r->run.unchanged; i++) {
		buf_addf(&r->got, "| %u ", r->run.parts[i].shard);
		ck_assert_int_eq(plan_insert_text(p, v, &r->run, ids, i, &session, &r->got, &err), 0);
		buf_addz(&r->got, "\n");
	}
}

static void got_explain_row(const struct plan_explain_row *row, void *arg)
{
	buf_addf(arg, "> %s [%.*s] %s: %.*s (%s)\n", row->kind, STR_ARG(row->shards), row->role, STR_ARG(row->sql),
		row->why);
}

/* Fills r->got with what the planner says, in the words of the files. */
static void plan_case(struct runner *r)
{
	struct plan_request rq = { .text = str_make((const char *)buf_head(&r->query), buf_used(&r->query)),
		.scan = &r->scan,
		.mode = &r->mode,
		.snapshot = r->world.snapshot,
		.ks = r->target.keyspace,
		.shard = r->target.shard,
		.db = r->target.database };
	struct plan_values v = { .text = rq.text,
		.scan = &r->scan,
		.mode = &r->mode,
		.params = r->has_params ? r->params : NULL,
		.n_params = r->n_params,
		.charset = CHARSET_UTF8MB4 };
	struct err err = { 0 };
	struct plan *p;

	buf_clear(&r->got);
	ck_assert_int_eq(sql_scan(&r->scan, rq.text, &r->mode, &err), 0);
	if (plan_build(&rq, &p, &err) < 0) {
		got_error(r, &err);
		return;
	}
	switch (p->kind) {
	case PLAN_REFUSE: got_error(r, &p->err); break;
	case PLAN_SESSION:
		buf_addz(&r->got, "= SESSION");
		got_flags(r, p);
		buf_addz(&r->got, "\n");
		if (p->inner)
			ck_assert_int_eq(
				plan_explain(p->inner, &v, &session, false, got_explain_row, &r->got, &err), 0);
		break;
	case PLAN_INSERT: got_insert(r, p, &v); break;
	default: got_target(r, p, &v); break;
	}
	plan_unref(p);
}

/* "! 1235 word, word": the number, and all that stands between commas is in the message. */
static bool error_fits(const char *want, const char *got)
{
	unsigned number, got_number;
	char word[256];
	int at = 0, n;

	if (sscanf(want, "! %u%n", &number, &at) != 1 || sscanf(got, "! %u", &got_number) != 1 || number != got_number)
		return false;
	while (sscanf(want + at, "%*[ ,]%255[^,\n]%n", word, &n) == 1) {
		at += n;
		if (!strstr(got, word))
			return false;
	}
	return true;
}

static void check_case(struct runner *r)
{
	const char *want, *got;
	bool fits;

	buf_add_u8(&r->want, '\0');
	r->want.len--;
	plan_case(r);
	buf_add_u8(&r->got, '\0');
	want = (const char *)buf_head(&r->want);
	got = (const char *)buf_head(&r->got);
	fits = want[0] == '!' && got[0] == '!' ? error_fits(want, got) : strcmp(want, got) == 0;
	r->cases++;
	if (!fits) {
		r->failed++;
		fprintf(stderr, "%s:%u: %.*s\n  wanted\n%s  got\n%s\n", r->file, r->line, (int)buf_used(&r->query),
			(const char *)buf_head(&r->query), want, got);
	}
	buf_clear(&r->query);
	buf_clear(&r->want);
	r->has_params = false;
	r->n_params = 0;
}

static void set_db(struct runner *r, const char *name)
{
	struct err err = { 0 };

	snprintf(r->db, sizeof(r->db), "%.*s", (int)strcspn(name, "\n"), name);
	memset(&r->target, 0, sizeof(r->target));
	if (strcmp(r->db, "-") != 0 && target_parse(r->world.map, str_of(r->db), &r->target, &err) < 0)
		ck_abort_msg("%s:%u: %s", r->file, r->line, err.msg);
}

static void read_line(struct runner *r, const char *line)
{
	if (buf_used(&r->want) && !strchr("=|!>", line[0]))
		check_case(r);
	switch (line[0]) {
	case '%':
		if (strncmp(line, "%db ", 4) == 0)
			set_db(r, line + 4);
		else if (strncmp(line, "%ansi ", 6) == 0)
			r->mode.flags = line[6] == 'o' && line[7] == 'n' ? SCAN_ANSI_QUOTES : 0;
		else
			ck_abort_msg("%s:%u: %s", r->file, r->line, line);
		break;
	case '#':
	case '\n': break;
	case '@': params_read(r, line + 1); break;
	case '=':
	case '|':
	case '!':
	case '>': buf_addz(&r->want, line); break;
	case ' ':
	case '\t':
		buf_addz(&r->query, "\n");
		buf_add(&r->query, line, strcspn(line, "\n"));
		break;
	default: buf_add(&r->query, line, strcspn(line, "\n")); break;
	}
}

static void run_file(const char *name, const char *world, uint32_t at_least)
{
	struct runner r = { .mode = { .seed = 7, .server_version = 101100, .family = SCAN_MARIADB } };
	char path[4096], *line = NULL;
	size_t cap = 0;
	FILE *f;

	snprintf(path, sizeof(path), SOURCE_ROOT "/tests/plan/cases/%s", world);
	world_read(&r.world, path);
	snprintf(path, sizeof(path), SOURCE_ROOT "/tests/plan/cases/%s", name);
	f = fopen(path, "r");
	if (!f)
		ck_abort_msg("cannot read %s", path);
	scan_init(&r.scan);
	r.file = name;
	while (getline(&line, &cap, f) > 0) {
		r.line++;
		read_line(&r, line);
	}
	if (buf_used(&r.want))
		check_case(&r);
	ck_assert_msg(!buf_used(&r.query), "%s: the last query has no answer", name);
	free(line);
	fclose(f);
	ck_assert_msg(r.failed == 0, "%s: %u of %u cases failed", name, r.failed, r.cases);
	ck_assert_uint_ge(r.cases, at_least);
	plan_insert_run_free(&r.run);
	scan_free(&r.scan);
	buf_free(&r.query);
	buf_free(&r.got);
	buf_free(&r.want);
	world_free(&r.world);
}

#define CASES(test, file, world, at_least)       \
	START_TEST(test)                         \
	{                                        \
		run_file(file, world, at_least); \
	}                                        \
	END_TEST

CASES(keys_name_their_shards, "keys.txt", "world.txt", 60)
CASES(joins_are_aligned_or_on_one_shard, "joins.txt", "world.txt", 30)
CASES(subqueries_are_aligned_or_on_one_shard, "subqueries.txt", "world.txt", 25)
CASES(what_needs_a_merge_is_on_one_shard, "merge.txt", "world.txt", 30)
CASES(rows_of_inserts_are_split, "insert.txt", "world.txt", 40)
CASES(updates_and_deletes_reach_their_rows, "write.txt", "world.txt", 25)
CASES(statements_of_the_session_and_the_servers, "session.txt", "world.txt", 50)
CASES(pairs_have_sides, "pairs.txt", "world.txt", 10)
CASES(texts_are_edited, "edits.txt", "world.txt", 10)
CASES(an_old_server_passes_everything, "everything.txt", "world_everything.txt", 10)
CASES(what_is_refused_says_why, "unsupported.txt", "world.txt", 40)

int main(void)
{
	Suite *s = suite_create("plan cases");
	TCase *t = tcase_create("cases");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_test(t, keys_name_their_shards);
	tcase_add_test(t, joins_are_aligned_or_on_one_shard);
	tcase_add_test(t, subqueries_are_aligned_or_on_one_shard);
	tcase_add_test(t, what_needs_a_merge_is_on_one_shard);
	tcase_add_test(t, rows_of_inserts_are_split);
	tcase_add_test(t, updates_and_deletes_reach_their_rows);
	tcase_add_test(t, statements_of_the_session_and_the_servers);
	tcase_add_test(t, pairs_have_sides);
	tcase_add_test(t, texts_are_edited);
	tcase_add_test(t, an_old_server_passes_everything);
	tcase_add_test(t, what_is_refused_says_why);
	suite_add_tcase(s, t);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
