/* named.c - PREPARE name FROM, EXECUTE, DEALLOCATE: the session keeps the text; what runs is that text with the user
 * variables' values in it, planned like any other. Worker thread. */
#include "run.h"
#include "keyway/sql/lit.h"
#include <ctype.h>
#include <stdlib.h>

struct named_stmt {
	UT_hash_handle hh;
	char *text;
	size_t text_n;
	uint32_t n_params;
	char name[];
};

static struct str named_key(struct run *r, struct str name)
{
	char *z = arena_dup(&r->arena, name.p, name.n);

	for (char *p = z; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	return str_make(z, name.n);
}

static struct named_stmt *named_find(struct run *r, struct str name)
{
	struct str key = named_key(r, name);
	struct named_stmt *n;

	HASH_FIND(hh, r->s->named, key.p, key.n, n);
	return n;
}

static void named_free(struct session *s, struct named_stmt *n)
{
	HASH_DEL(s->named, n);
	free(n->text);
	free(n);
}

void named_drop_all(struct session *s)
{
	struct named_stmt *n, *tmp;

	HASH_ITER (hh, s->named, n, tmp)
		named_free(s, n);
}

/* The bytes that a setting's literal stands for: a number, a quoted text, or _cs X'..' COLLATE .. . */
static struct str literal_bytes(struct run *r, struct str lit)
{
	const char *x = memchr(lit.p, 'X', lit.n), *end;
	char *out;
	size_t n = 0;

	if (!x || lit.p[0] != '_')
		return lit;
	x += 2;
	end = memchr(x, '\'', (size_t)(lit.p + lit.n - x));
	if (!end)
		return lit;
	out = arena_alloc(&r->arena, (size_t)(end - x) / 2 + 1);
	for (; x + 1 < end; x += 2) {
		unsigned v;
		char two[3] = { x[0], x[1], 0 };

		v = (unsigned)strtoul(two, NULL, 16);
		out[n++] = (char)v;
	}
	return str_make(out, n);
}

static struct str uvar_value(struct run *r, struct str name)
{
	char *key = arena_printf(&r->arena, "@%.*s", STR_ARG(name));

	for (char *p = key; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	return settings_get(r->s->settings, str_of(key));
}

/* The text of PREPARE … FROM and EXECUTE IMMEDIATE. -1: not a text that is known here. */
static int text_of(struct run *r, const struct sql_expr *e, struct str *out)
{
	struct sql_value v;
	struct err err;
	struct str lit;

	if (e->kind == SQL_E_UVAR) {
		lit = uvar_value(r, e->name);
		if (!lit.p)
			return -1;
		*out = literal_bytes(r, lit);
		return 0;
	}
	if (e->kind != SQL_E_LIT || e->lit_kind != LIT_STRING)
		return -1;
	if (sql_lit_value(e->name, LIT_STRING, LIT_F_ESCAPED, false, &r->mode, &r->arena, &v, &err) < 0)
		return -1;
	*out = arena_str(&r->arena, v.s);
	return 0;
}

static void named_prepared(struct run *r)
{
	struct session *s = r->s;
	struct leg *l = &r->legs[0];
	struct named_stmt *n = r->named_new, *old;
	struct ok_packet ok = { .info = STR("Statement prepared") };
	struct err e;

	if (l->err.kind) {
		e = l->err;
		free(n->text);
		free(n);
		run_fail(r, &e);
		return;
	}
	/* one prepared for its errors only: what runs later is planned by its own text */
	l->spoiled = true;
	HASH_FIND(hh, s->named, n->name, strlen(n->name), old);
	if (old)
		named_free(s, old);
	HASH_ADD_KEYPTR(hh, s->named, n->name, strlen(n->name), n);
	answer_ok(r, &ok);
	run_end(r);
}

void named_prepare(struct run *r, const struct sql_stmt *st)
{
	struct session *s = r->s;
	const struct keyspace_route *kr = session_home(s);
	struct str text, key;
	struct named_stmt *n;
	struct scan scan;
	struct err err;
	uint8_t seq = 0;
	size_t mark;
	struct leg *l;

	if (st->exprs.n != 1 || text_of(r, st->exprs.v[0], &text) < 0) {
		err_set(&err, ERR_UNSUPPORTED, ER_NOT_SUPPORTED_YET,
			"PREPARE takes a text in quotes, or a user variable that was set with SET");
		run_fail(r, &err);
		return;
	}
	if (HASH_COUNT(s->named) >= s->w->cfg->max_prepared) {
		err_set(&err, ERR_LIMIT, ER_MAX_PREPARED_STMT_COUNT_REACHED,
			"Can't create more than limits.max_prepared statements in one session (current value: %u)",
			s->w->cfg->max_prepared);
		run_fail(r, &err);
		return;
	}
	scan_init(&scan);
	if (sql_scan(&scan, text, &r->mode, &err) < 0) {
		scan_free(&scan);
		run_fail(r, &err);
		return;
	}
	key = named_key(r, st->name);
	n = xcalloc(1, sizeof(*n) + key.n + 1);
	memcpy(n->name, key.p, key.n);
	n->text = str_dup(text);
	n->text_n = text.n;
	n->n_params = scan.n_params;
	scan_free(&scan);
	r->named_new = n;
	run_legs(r, 1);
	l = run_leg_to(r, kr, s->shard ? s->shard->index : 0, PLAN_SIDE_HOME, READS_PRIMARY);
	mark = packet_begin(&l->pkt);
	buf_add_u8(&l->pkt, COM_STMT_PREPARE);
	buf_add_str(&l->pkt, text);
	packet_end(&l->pkt, mark, &seq);
	r->kind = RESPONSE_TO_PREPARE;
	r->answer = ANSWER_HELD;
	r->finish = named_prepared;
	run_goto(r, RUN_ACQUIRE);
	run_start(r);
}

/* @text with each ? replaced by the literal of the user variable given for it, then run like any other. */
static void execute_text(struct run *r, struct str text, const struct sql_expr *const *args, uint32_t n_args)
{
	struct scan scan;
	struct err err;
	struct buf b = { 0 };
	size_t at = 0;
	bool ok = true;

	scan_init(&scan);
	if (sql_scan(&scan, text, &r->mode, &err) < 0) {
		scan_free(&scan);
		run_fail(r, &err);
		return;
	}
	if (scan.n_params != n_args || scan.n_folded) {
		err_set(&err, ERR_NAME, ER_WRONG_ARGUMENTS, "Incorrect arguments to EXECUTE");
		ok = false;
	}
	for (uint32_t i = 0; ok && i < scan.n_lits; i++) {
		const struct scan_lit *lit = &scan.lits[i];
		struct str v;

		if (lit->kind != LIT_PARAM)
			continue;
		if (args[lit->param]->kind == SQL_E_UVAR) {
			v = uvar_value(r, args[lit->param]->name);
		} else if (args[lit->param]->kind == SQL_E_LIT || args[lit->param]->kind == SQL_E_NULL) {
			v = args[lit->param]->name;
		} else {
			err_set(&err, ERR_UNSUPPORTED, ER_NOT_SUPPORTED_YET,
				"EXECUTE … USING takes user variables and literals");
			ok = false;
			break;
		}
		buf_add(&b, text.p + at, lit->off - at);
		buf_add_str(&b, v.p ? v : STR("NULL"));
		at = lit->off + lit->len;
	}
	if (ok) {
		buf_add(&b, text.p + at, text.n - at);
		r->text = arena_str(&r->arena, str_make((char *)buf_head(&b), buf_used(&b)));
		r->wire = NULL;
	}
	scan_free(&scan);
	buf_free(&b);
	if (!ok) {
		run_fail(r, &err);
		return;
	}
	r->multi_done = true;
	r->cstmt = NULL;
	if (r->nested++) {
		err_set(&err, ERR_UNSUPPORTED, (enum mysql_errno)1295,
			"This command is not supported in the prepared statement protocol yet");
		run_fail(r, &err);
		return;
	}
	run_statement(r);
}

void named_execute(struct run *r, const struct sql_stmt *st)
{
	struct named_stmt *n;
	struct str text;
	struct err err;

	if (!st->name.n) {
		if (st->exprs.n < 1 || text_of(r, st->exprs.v[0], &text) < 0) {
			err_set(&err, ERR_UNSUPPORTED, ER_NOT_SUPPORTED_YET,
				"EXECUTE IMMEDIATE takes a text in quotes, or a user variable that was set with SET");
			run_fail(r, &err);
			return;
		}
		execute_text(r, text, (const struct sql_expr *const *)st->exprs.v + 1, st->exprs.n - 1);
		return;
	}
	n = named_find(r, st->name);
	if (!n) {
		err_set(&err, ERR_NAME, ER_UNKNOWN_STMT_HANDLER,
			"Unknown prepared statement handler (" STR_FMT ") given to EXECUTE", STR_ARG(st->name));
		run_fail(r, &err);
		return;
	}
	execute_text(r, arena_str(&r->arena, str_make(n->text, n->text_n)), (const struct sql_expr *const *)st->exprs.v,
		st->exprs.n);
}

void named_drop(struct run *r, const struct sql_stmt *st)
{
	struct named_stmt *n = named_find(r, st->name);
	struct ok_packet ok = { 0 };
	struct err err;

	if (!n) {
		err_set(&err, ERR_NAME, ER_UNKNOWN_STMT_HANDLER,
			"Unknown prepared statement handler (" STR_FMT ") given to DEALLOCATE PREPARE",
			STR_ARG(st->name));
		run_fail(r, &err);
		return;
	}
	named_free(r->s, n);
	answer_ok(r, &ok);
	run_end(r);
}
