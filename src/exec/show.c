/* show.c - SHOW KEYWAY: the table of views, who may see them, asking the other workers, the answer.
 * For local.c; the views are in show_*.c.
 * Worker thread. */
#include "show.h"
#include "keyway/sql/lit.h"
#include "keyway/wire/rowset.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static void fill_help(struct show_part *p);

static const struct show_column help_cols[] = { { "view", SHOW_TEXT, 64 }, { "shows", SHOW_TEXT, 256 },
	{ "right", SHOW_TEXT, 64 } };
static const struct show_view show_help = { .name = "HELP",
	.help = "the views",
	.cols = help_cols,
	.n_cols = ARRAY_N(help_cols),
	.right = SHOW_ANYONE,
	.fill = fill_help };

static const struct show_view *const views[] = {
	&show_shards,
	&show_backends,
	&show_pools,
	&show_sessions,
	&show_pinned,
	&show_epochs,
	&show_proxies,
	&show_digests,
	&show_zones,
	&show_reads,
	&show_allocators,
	&show_help,
};

static const char *const right_name[] = {
	[SHOW_ANYONE] = "anyone",
	[SHOW_OWN] = "admin; others their own",
	[SHOW_ADMIN] = "admin",
};

static void fill_help(struct show_part *p)
{
	for (size_t i = 0; i < ARRAY_N(views); i++) {
		if (!show_row(&p->rows))
			return;
		show_z(&p->rows, views[i]->name);
		show_z(&p->rows, views[i]->help);
		show_z(&p->rows, right_name[views[i]->right]);
	}
}

/* --- rows --- */

static bool row_matches(const struct show_rows *o)
{
	const struct str *f = o->f + (size_t)(o->n - 1) * o->n_cols;

	for (unsigned i = 0; i < o->n_cols; i++) {
		if (f[i].p && str_like(f[i], o->like))
			return true;
	}
	return false;
}

/* A row that is not asked for goes again. */
void show_rows_end(struct show_rows *o)
{
	if (o->n && o->like.p && o->col && !row_matches(o))
		o->n--;
	o->col = 0;
}

bool show_row(struct show_rows *o)
{
	show_rows_end(o);
	if (o->n == SHOW_ROWS_MAX || o->arena.used_bytes > SHOW_BYTES_MAX) {
		o->cut = true;
		return false;
	}
	if (o->n == o->cap) {
		o->cap = o->cap ? o->cap * 2 : 16;
		o->f = xrealloc(o->f, (size_t)o->cap * o->n_cols * sizeof(*o->f));
	}
	memset(o->f + (size_t)o->n * o->n_cols, 0, o->n_cols * sizeof(*o->f));
	o->n++;
	return true;
}

static void add_field(struct show_rows *o, struct str s)
{
	if (o->col < o->n_cols)
		o->f[(size_t)(o->n - 1) * o->n_cols + o->col++] = s;
}

void show_null(struct show_rows *o)
{
	add_field(o, str_make(NULL, 0));
}

void show_z(struct show_rows *o, const char *z)
{
	add_field(o, z ? str_of(z) : str_make(NULL, 0));
}

void show_str(struct show_rows *o, struct str s)
{
	add_field(o, s.p ? arena_str(&o->arena, s) : s);
}

/* Bytes of the UTF-8 character that begins with @b, 0: none does. */
static size_t utf8_len(uint8_t b)
{
	if (b < 0x80)
		return 1;
	return b < 0xc2 ? 0 : b < 0xe0 ? 2 : b < 0xf0 ? 3 : b < 0xf5 ? 4 : 0;
}

static bool utf8_goes_on(const uint8_t *p, size_t len)
{
	for (size_t i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return false;
	}
	return true;
}

void show_text(struct show_rows *o, struct str s, size_t max)
{
	const uint8_t *p = (const uint8_t *)s.p;
	size_t n = 0, at = 0;
	char *out;

	if (!s.p) {
		show_null(o);
		return;
	}
	out = arena_alloc(&o->arena, MIN(s.n, max) + 1);
	while (at < s.n) {
		size_t len = utf8_len(p[at]);

		/* one that is cut off at the end goes whole */
		if (n + MAX(len, (size_t)1) > max || len > s.n - at)
			break;
		if (len && utf8_goes_on(p + at, len)) {
			memcpy(out + n, p + at, len);
			n += len;
			at += len;
		} else {
			out[n++] = '?';
			at++;
		}
	}
	add_field(o, str_make(out, n));
}

void show_uint(struct show_rows *o, uint64_t v)
{
	char digits[24];
	int n = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)v);

	show_str(o, str_make(digits, (size_t)n));
}

void show_printf(struct show_rows *o, const char *fmt, ...)
{
	char text[512];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	show_str(o, str_make(text, MIN((size_t)MAX(n, 0), sizeof(text) - 1)));
}

void show_wall(struct show_rows *o, uint64_t wall_us)
{
	time_t t = (time_t)(wall_us / 1000000);
	struct tm tm;

	if (!wall_us || !gmtime_r(&t, &tm))
		show_null(o);
	else
		show_printf(o, "%04d-%02d-%02d %02d:%02d:%02d", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
			tm.tm_hour, tm.tm_min, tm.tm_sec);
}

void show_rows_free(struct show_rows *o)
{
	free(o->f);
	arena_free(&o->arena);
}

bool show_may_see(const struct show_ask *a, struct str user)
{
	return a->admin || str_eq(a->user, user);
}

/* --- asking --- */

static void ask_free(struct show_ask *a)
{
	for (uint32_t i = 0; i < a->n_parts; i++)
		show_rows_free(&a->parts[i].rows);
	arena_free(&a->arena);
	free(a);
}

/* What is the asker's is copied: its session may end first. */
static struct show_ask *ask_new(struct run *r, const struct show_view *v, struct str like, bool full)
{
	struct process *p = r->w->process;
	uint32_t n = v->from == SHOW_WORKERS ? p->n_workers : 1;
	struct show_ask *a = xcalloc(1, sizeof(*a) + n * sizeof(a->parts[0]));

	a->view = v;
	a->from = r->w;
	a->asker = r->s->id;
	a->admin = r->s->admin;
	a->full = full;
	a->user = arena_str(&a->arena, r->s->user);
	a->left = n;
	a->n_parts = n;
	a->like = like.p ? arena_str(&a->arena, like) : like;
	for (uint32_t i = 0; i < n; i++) {
		a->parts[i].ask = a;
		a->parts[i].w = v->from == SHOW_WORKERS ? p->workers[i] : r->w;
		a->parts[i].rows.n_cols = v->n_cols;
		a->parts[i].rows.like = v->merge ? str_make(NULL, 0) : a->like;
	}
	return a;
}

/* All parts as one table. */
static void ask_join(struct show_ask *a, struct show_rows *all)
{
	const struct show_view *v = a->view;

	all->n_cols = v->n_cols;
	if (v->merge) {
		v->merge(a, all);
		show_rows_end(all);
		return;
	}
	for (uint32_t i = 0; i < a->n_parts; i++) {
		const struct show_rows *p = &a->parts[i].rows;
		uint32_t n = MIN(p->n, SHOW_ROWS_MAX - all->n);

		all->cut = all->cut || p->cut || n < p->n;
		all->f = xrealloc(all->f, ((size_t)(all->n + n) * v->n_cols + 1) * sizeof(*all->f));
		if (n)
			memcpy(all->f + (size_t)all->n * v->n_cols, p->f, (size_t)n * v->n_cols * sizeof(*all->f));
		all->n += n;
	}
}

static void ask_answer(struct run *r, struct show_ask *a)
{
	const struct show_view *v = a->view;
	struct column_def *cols = arena_array(&r->arena, struct column_def, v->n_cols);
	struct show_rows all = { .like = a->like };

	for (uint32_t i = 0; i < a->n_parts; i++) {
		if (a->parts[i].err.kind) {
			run_fail(r, &a->parts[i].err);
			return;
		}
	}
	ask_join(a, &all);
	for (unsigned i = 0; i < v->n_cols; i++)
		cols[i] = v->cols[i].type == SHOW_UINT ? column_uint(str_of(v->cols[i].name))
						       : column_text(str_of(v->cols[i].name), v->cols[i].chars);
	diag_clear(r->s);
	if (all.cut)
		diag_add(r->s, STR("Warning"), ER_OUT_OF_RESOURCES,
			STR("There are more rows than are shown at once: name those you look for with LIKE"));
	answer_rows_warned(r, cols, v->n_cols, all.f, all.n, all.cut);
	show_rows_free(&all);
	run_end(r);
}

/* All workers have told: the asker's thread again. */
static void ask_done(void *arg)
{
	struct show_ask *a = arg;
	struct session *s;

	HASH_FIND_INT(a->from->by_id, &a->asker, s);
	if (s && s->run && s->run->asked == a)
		ask_answer(s->run, a);
	ask_free(a);
}

static void ask_there(void *arg)
{
	struct show_part *p = arg;
	struct show_ask *a = p->ask;

	a->view->fill(p);
	show_rows_end(&p->rows);
	if (atomic_fetch_sub(&a->left, 1) == 1)
		loop_send(a->from->loop, ask_done, a);
}

static void ask_late(struct run *r, struct err *err)
{
	(void)r;
	err_set(err, ERR_TIMEOUT, ER_QUERY_INTERRUPTED,
		"Query execution was interrupted: not all threads, or not the store, have answered within %d s: look "
		"at the "
		"process's CPU and log, and at SHOW KEYWAY EPOCHS for the store",
		SHOW_DEADLINE_US / 1000000);
}

static void show_view_run(struct run *r, const struct show_view *v, struct str like, bool full)
{
	struct show_ask *a;
	struct err err;

	if (v->right == SHOW_ADMIN && !r->s->admin) {
		err_set(&err, ERR_DENIED, ER_SPECIFIC_ACCESS_DENIED_ERROR,
			"Access denied; SHOW KEYWAY %s is for accounts with admin in the settings (users[].admin)",
			v->name);
		run_fail(r, &err);
		return;
	}
	a = ask_new(r, v, like, full);
	if (v->from == SHOW_HERE) {
		v->fill(&a->parts[0]);
		show_rows_end(&a->parts[0].rows);
		ask_answer(r, a);
		ask_free(a);
		return;
	}
	run_ask(r, a, SHOW_DEADLINE_US, ask_late);
	if (v->from == SHOW_CONTROL) {
		struct control *c = &r->w->process->control;

		if (c->post && c->post(c->arg, ask_there, &a->parts[0]))
			return;
		ask_free(a);
		err_set(&err, ERR_LIMIT, ER_OUT_OF_RESOURCES,
			"too many others ask for SHOW KEYWAY %s just now: try again", v->name);
		run_fail(r, &err);
		return;
	}
	for (uint32_t i = 0; i < a->n_parts; i++)
		loop_send(a->parts[i].w->loop, ask_there, &a->parts[i]);
}

/* The pattern of LIKE without its quotes. */
static int show_pattern(struct run *r, const struct sql_expr *e, struct str *out, struct err *err)
{
	const struct scan *scan = r->cstmt ? &r->cstmt->text->scan : &r->w->scan;
	const struct scan_lit *l;
	struct sql_value v;
	int rc;

	if (e->lit >= scan->n_lits)
		return err_set(err, ERR_SYNTAX, ER_PARSE_ERROR, "SHOW KEYWAY ... LIKE needs a text in quotes");
	l = &scan->lits[e->lit];
	rc = sql_lit_value(
		scan_lit_text(r->text, l), (enum lit_kind)l->kind, l->flags, false, &r->mode, &r->arena, &v, err);
	if (rc == 0)
		*out = v.s;
	return rc;
}

void show_keyway(struct run *r, const struct sql_show *show)
{
	struct str name = str_make(show->what.p + strlen("KEYWAY"), show->what.n - strlen("KEYWAY"));
	struct str like = str_make(NULL, 0);
	char known[256];
	size_t n = 0;
	struct err err;

	if (name.n && name.p[0] == ' ')
		name = str_make(name.p + 1, name.n - 1);
	if (name.n == 0)
		name = STR("HELP");
	if (show->where || show->rest.text.n) {
		err_set(&err, ERR_UNSUPPORTED, ER_NOT_SUPPORTED_YET,
			"SHOW KEYWAY takes LIKE 'pattern' and nothing else: it shows the rows of which a field is "
			"like it");
		run_fail(r, &err);
		return;
	}
	if (show->like && show_pattern(r, show->like, &like, &err) < 0) {
		run_fail(r, &err);
		return;
	}
	for (size_t i = 0; i < ARRAY_N(views); i++) {
		if (str_ieqz(name, views[i]->name)) {
			show_view_run(r, views[i], like, true);
			return;
		}
		n += (size_t)snprintf(known + n, sizeof(known) - n, "%s%s", i ? ", " : "", views[i]->name);
	}
	err_set(&err, ERR_SYNTAX, ER_PARSE_ERROR, "There is no SHOW KEYWAY %.*s; there are %s", (int)MIN(name.n, 64u),
		name.p, known);
	run_fail(r, &err);
}

void show_processlist(struct run *r, bool full)
{
	show_view_run(r, &show_processes, str_make(NULL, 0), full);
}
