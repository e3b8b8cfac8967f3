/* text.c - the replacements that a text needs before a shard gets it: names of databases, and functions that tell of
 * the session. For plan_build() and every run of a plan with edits; worker threads. Pure. */
#include "plan_int.h"
#include <stdio.h>
#include <stdlib.h>

/* ---- finding them, at build ---------------------------------------------------------------------------------------
 */

static void edit_add(struct build *b, uint32_t tok, uint32_t tok_end, enum edit_kind kind, const struct keyspace *ks)
{
	if (b->n_edits == b->cap_edits) {
		uint32_t cap = MAX(b->cap_edits * 2, 4);
		struct plan_edit *more = arena_array(b->keep, struct plan_edit, cap);

		if (b->n_edits)
			memcpy(more, b->edits, b->n_edits * sizeof(*more));
		b->edits = more;
		b->cap_edits = cap;
	}
	b->edits[b->n_edits++] = (struct plan_edit){ .tok = tok, .tok_end = tok_end, .kind = kind, .ks = ks };
}

/* Is the keyspace's name another than what its servers call the database? */
static bool keyspace_renamed(const struct keyspace *ks)
{
	if (ks->everything)
		return false;
	for (uint32_t i = 0; i < ks->shard_n; i++) {
		if (!str_eq(ks->shards[i].database, ks->name))
			return true;
	}
	return false;
}

/* The qualifier @db stands at token @tok. */
static void edit_database(struct build *b, struct str db, uint32_t tok)
{
	const struct keyspace *ks = db.n ? map_keyspace(b->rq->snapshot->map, db) : NULL;

	if (ks && keyspace_renamed(ks))
		edit_add(b, tok, tok + 1, EDIT_DATABASE_NAME, ks);
}

static void edit_name(struct build *b, const struct sql_name *n)
{
	edit_database(b, n->db, n->tok);
}

static void edit_names(struct build *b, const struct sql_name_list *l)
{
	for (uint32_t i = 0; i < l->n; i++)
		edit_name(b, &l->v[i]);
}

static const struct {
	const char *name;
	enum edit_kind kind;
} session_functions[] = {
	{ "CONNECTION_ID", EDIT_CONNECTION_ID },
	{ "USER", EDIT_USER },
	{ "SESSION_USER", EDIT_USER },
	{ "SYSTEM_USER", EDIT_USER },
	{ "CURRENT_USER", EDIT_CURRENT_USER },
	{ "DATABASE", EDIT_DATABASE },
	{ "SCHEMA", EDIT_DATABASE },
	{ "ROW_COUNT", EDIT_ROW_COUNT },
	{ "FOUND_ROWS", EDIT_FOUND_ROWS },
	{ "LAST_INSERT_ID", EDIT_LAST_INSERT_ID },
};

static void edit_function(struct build *b, const struct sql_expr *e)
{
	if (e->n_args || e->col.db.n)
		return;
	for (size_t i = 0; i < ARRAY_N(session_functions); i++) {
		if (str_ieqz(e->name, session_functions[i].name)) {
			edit_add(b, e->tok, e->tok_end, session_functions[i].kind, NULL);
			return;
		}
	}
}

/* A select item that is or holds a function of the session is named by its text: after the edit it must still be. */
static void edit_alias(struct build *b, const struct sql_item *items, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		for (uint32_t j = 0; items[i].alias.n == 0 && j < b->n_edits; j++) {
			struct plan_edit *e = &b->edits[j];

			if (e->kind != EDIT_DATABASE_NAME && e->tok == items[i].tok && e->tok_end == items[i].tok_end)
				e->alias = true;
		}
	}
}

static enum sql_walk_do edit_node(struct sql_node node, void *arg)
{
	struct build *b = arg;

	switch ((enum sql_node_kind)node.kind) {
	case SQL_N_EXPR:
		if (node.expr->kind == SQL_E_COLUMN || node.expr->kind == SQL_E_STAR)
			edit_database(b, node.expr->col.db, node.expr->tok);
		else if (node.expr->kind == SQL_E_FUNC)
			edit_function(b, node.expr);
		return SQL_WALK_ON;
	case SQL_N_TABLE:
		if (node.table->kind == SQL_T_TABLE)
			edit_name(b, &node.table->name);
		return SQL_WALK_ON;
	case SQL_N_QUERY:
		if (node.query->kind == SQL_Q_TABLE)
			edit_name(b, &node.query->table);
		return SQL_WALK_ON;
	default: return SQL_WALK_ON;
	}
}

static enum sql_walk_do alias_node(struct sql_node node, void *arg)
{
	struct build *b = arg;

	if (node.kind == SQL_N_SELECT)
		edit_alias(b, node.select->items, node.select->n_items);
	return SQL_WALK_ON;
}

static void edit_statement(struct build *b, const struct sql_stmt *st)
{
	switch ((enum sql_stmt_kind)st->kind) {
	case SQL_S_INSERT: edit_name(b, &st->insert->table); break;
	case SQL_S_DELETE: edit_names(b, &st->del->targets); break;
	case SQL_S_SHOW:
		if (st->show->db.n)
			edit_database(b, st->show->db, st->show->db_tok);
		break;
	case SQL_S_LOAD: edit_name(b, &st->load->table); break;
	case SQL_S_CREATE:
	case SQL_S_ALTER:
	case SQL_S_DROP:
	case SQL_S_RENAME:
	case SQL_S_TRUNCATE:
		edit_names(b, &st->ddl->names);
		edit_names(b, &st->ddl->renamed);
		edit_names(b, &st->ddl->references);
		edit_name(b, &st->ddl->on_table);
		edit_name(b, &st->ddl->like);
		break;
	case SQL_S_LOCK_TABLES:
		for (uint32_t i = 0; i < st->locks->n; i++)
			edit_name(b, &st->locks->v[i].table);
		break;
	default: edit_names(b, &st->names); break;
	}
}

static int edit_cmp(const void *a, const void *b)
{
	const struct plan_edit *x = a, *y = b;

	return x->tok < y->tok ? -1 : x->tok > y->tok;
}

void edits_collect(struct build *b)
{
	const struct sql_stmt *st = b->stmt;
	uint32_t n = 0;

	if (st->kind == SQL_S_EXPLAIN && st->explain->inner)
		edit_statement(b, st->explain->inner);
	edit_statement(b, st);
	/* the bodies of views and routines keep what they say: it is meant for those who run them */
	if (st->kind != SQL_S_CREATE && st->kind != SQL_S_ALTER) {
		(void)sql_walk_stmt(st, edit_node, b);
		(void)sql_walk_stmt(st, alias_node, b);
	}
	if (b->n_edits == 0)
		return;
	qsort(b->edits, b->n_edits, sizeof(b->edits[0]), edit_cmp);
	for (uint32_t i = 0; i < b->n_edits; i++) {
		if (n == 0 || b->edits[i].tok != b->edits[n - 1].tok)
			b->edits[n++] = b->edits[i];
	}
	b->p->edits = b->edits;
	b->p->n_edits = n;
	b->p->flags |= PLAN_EDITS;
	for (uint32_t i = 0; i < n; i++) {
		if (b->edits[i].kind == EDIT_DATABASE_NAME && b->edits[i].ks->shard_n > 1)
			b->p->flags |= PLAN_PER_SHARD_TEXT;
	}
}

/* ---- making the text, at run --------------------------------------------------------------------------------------
 */

static void print_text(const struct render *r, struct str s)
{
	struct sql_value v = { .kind = SQL_V_BYTES, .s = s };

	if (!s.p)
		buf_addz(r->out, "NULL");
	else
		sql_lit_print(r->out, &v, r->vals->mode, (struct str){ "", 0 });
}

static void print_edit(const struct render *r, const struct plan_edit *e, struct str original)
{
	static const struct plan_session none;
	const struct plan_session *s = r->session ? r->session : &none;

	switch ((enum edit_kind)e->kind) {
	case EDIT_DATABASE_NAME: {
		const struct keyspace *ks = e->ks;

		sql_ident_print(r->out, ks->shards[r->shard < ks->shard_n ? r->shard : 0].database, r->vals->mode);
		return;
	}
	case EDIT_CONNECTION_ID: buf_addf(r->out, "%llu", (unsigned long long)s->connection_id); break;
	case EDIT_USER: print_text(r, s->user); break;
	case EDIT_CURRENT_USER: print_text(r, s->current_user); break;
	case EDIT_DATABASE: print_text(r, s->database); break;
	case EDIT_ROW_COUNT: buf_addf(r->out, "%lld", (long long)s->row_count); break;
	case EDIT_FOUND_ROWS: buf_addf(r->out, "%llu", (unsigned long long)s->found_rows); break;
	case EDIT_LAST_INSERT_ID: buf_addf(r->out, "%llu", (unsigned long long)s->last_insert_id); break;
	}
	if (e->alias) {
		buf_addz(r->out, " AS ");
		sql_ident_print(r->out, original, r->vals->mode);
	}
}

void render_param(const struct render *r, uint32_t ordinal)
{
	if (ordinal < r->vals->n_params)
		sql_lit_print(r->out, &r->vals->params[ordinal], r->vals->mode, (struct str){ "", 0 });
}

/* The first literal at or behind @off. */
static uint32_t lit_from(const struct scan *s, uint32_t off)
{
	uint32_t lo = 0, hi = s->n_lits;

	while (lo < hi) {
		uint32_t mid = (lo + hi) / 2;

		if (s->lits[mid].off < off)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

void render_span(const struct render *r, uint32_t from, uint32_t to)
{
	const struct scan *s = r->vals->scan;
	const char *text = r->vals->text.p;
	uint32_t lit = r->params ? lit_from(s, from) : s->n_lits;
	uint32_t ed = 0;

	for (;;) {
		uint32_t next = to, end = to, e_off = to, e_end = to;
		bool is_param = false;

		while (ed < r->p->n_edits && r->p->edits[ed].tok_end <= s->n_toks &&
			s->toks[r->p->edits[ed].tok].off < from)
			ed++;
		if (ed < r->p->n_edits && r->p->edits[ed].tok_end <= s->n_toks) {
			const struct scan_tok *last = &s->toks[r->p->edits[ed].tok_end - 1];

			e_off = s->toks[r->p->edits[ed].tok].off;
			e_end = last->off + last->len;
		}
		while (lit < s->n_lits && (s->lits[lit].kind != LIT_PARAM || s->lits[lit].off < from))
			lit++;
		if (e_off < to && e_end <= to) {
			next = e_off;
			end = e_end;
		}
		if (lit < s->n_lits && s->lits[lit].off < next) {
			next = s->lits[lit].off;
			end = next + s->lits[lit].len;
			is_param = true;
		}
		buf_add(r->out, text + from, next - from);
		if (next == to)
			return;
		if (is_param)
			render_param(r, s->lits[lit].param);
		else
			print_edit(r, &r->p->edits[ed], str_make(text + next, end - next));
		from = end;
	}
}

uint32_t text_begin(const struct plan *p, const struct scan *s)
{
	return p->first_tok && p->first_tok < s->n_toks ? s->toks[p->first_tok].off : 0;
}

int plan_text(const struct plan *p, const struct plan_values *vals, const struct plan_session *session, uint32_t shard,
	struct buf *out, struct err *err)
{
	struct render r = { .p = p, .vals = vals, .session = session, .shard = shard, .out = out };

	(void)err;
	render_span(&r, text_begin(p, vals->scan), vals->scan->end);
	return 0;
}
