/* build.c - plan_build(): parses, finds the keyspace that all names of the statement belong to, and hands the statement
 * to the file that knows its kind. One thread; plans are made once for each digest. Pure. */
#include "plan_int.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define PLAN_CHUNK_BYTES 1024
#define BUILD_BYTES_MAX	 (256 * 1024 * 1024)

const char *plan_kind_name(enum plan_kind kind)
{
	static const char *const names[] = { "PASS", "ROUTE", "INSERT", "EACH", "ANY", "PINNED", "SESSION", "REFUSE" };

	return (size_t)kind < ARRAY_N(names) ? names[kind] : "?";
}

void plan_unref(struct plan *p)
{
	if (!p || --p->refs)
		return;
	plan_unref(p->inner);
	digest_unref(p->digest);
	snapshot_unref(p->snapshot);
	arena_free(&p->arena);
	arena_free(&p->tree);
	free(p);
}

int build_refuse(struct build *b, const struct err *err)
{
	b->p->kind = PLAN_REFUSE;
	b->p->err = *err;
	b->p->ks = NULL;
	b->p->shard = NULL;
	b->p->route = NULL;
	b->p->insert = NULL;
	b->p->why = arena_dup(b->keep, err->msg, strlen(err->msg));
	return 0;
}

int build_refusef(struct build *b, enum err_kind kind, enum mysql_errno no, const char *fmt, ...)
{
	char msg[ERR_MSG_MAX];
	struct err e = { 0 };
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	err_set(&e, kind, no, "%s", msg);
	return build_refuse(b, &e);
}

/* ---- names ----------------------------------------------------------------------------------------------------------
 */

bool name_is_system_schema(struct str db)
{
	return str_ieqz(db, "information_schema") || str_ieqz(db, "performance_schema") || str_eqz(db, "mysql") ||
	       str_eqz(db, "sys");
}

int build_keyspace_of(const struct build *b, struct str db, const struct keyspace **out, bool *system, struct err *err)
{
	const struct map *m = b->rq->snapshot->map;

	*system = false;
	*out = NULL;
	if (db.n == 0) {
		*out = b->ks;
		if (!b->ks)
			return err_set(err, ERR_NAME, ER_NO_DB_ERROR, "No database selected");
		return 0;
	}
	*out = map_keyspace(m, db);
	if (*out)
		return 0;
	if (name_is_system_schema(db)) {
		*system = true;
		return 0;
	}
	*out = m->everything;
	if (!*out)
		return err_set(err, ERR_NAME, ER_BAD_DB_ERROR, "Unknown database '%.*s'", STR_ARG(db));
	return 0;
}

int build_rule_of(const struct build *b, const struct keyspace *ks, struct str name, const struct table_rule **out,
	struct err *err)
{
	const struct keyspace_view *v = snapshot_view(b->rq->snapshot, ks);

	*out = v ? view_table_rule(v, name) : NULL;
	if (*out)
		return 0;
	return err_set(err, ERR_NAME, ER_NO_SUCH_TABLE,
		"Table '%s.%.*s' doesn't exist in the shard map: add \"%.*s\": {\"key\": \"<shard key column>\"} or "
		"{\"kind\": \"reference\"} to \"tables\" of keyspace %s",
		ks->name.p, STR_ARG(name), STR_ARG(name), ks->name.p);
}

/* What the names of a statement have in common. */
struct table_use {
	struct build *b;
	const struct keyspace *ks; /* the first one met */
	const struct keyspace *other;
	struct sql_names ctes;
	bool system; /* a schema of the server itself is among them */
	bool tables; /* a table of a keyspace is among them */
	struct err err;
};

static void use_keyspace(struct table_use *u, struct str db)
{
	const struct keyspace *ks;
	bool system;

	if (u->err.kind || build_keyspace_of(u->b, db, &ks, &system, &u->err) < 0)
		return;
	if (system) {
		u->system = true;
		return;
	}
	u->tables = true;
	if (!u->ks)
		u->ks = ks;
	else if (u->ks != ks)
		u->other = ks;
}

static void use_name(struct table_use *u, const struct sql_name *n)
{
	if (n->name.n == 0)
		return;
	for (uint32_t i = 0; n->db.n == 0 && i < u->ctes.n; i++) {
		if (str_ieq(u->ctes.v[i], n->name))
			return;
	}
	use_keyspace(u, n->db);
}

static void use_names(struct table_use *u, const struct sql_name_list *l)
{
	for (uint32_t i = 0; i < l->n; i++)
		use_name(u, &l->v[i]);
}

static void cte_name_add(struct table_use *u, struct str name)
{
	struct str *more = arena_array(u->b->a, struct str, u->ctes.n + 1);

	if (u->ctes.n)
		memcpy(more, u->ctes.v, u->ctes.n * sizeof(*more));
	more[u->ctes.n++] = name;
	u->ctes.v = more;
}

static void cte_names_of(struct table_use *u, const struct sql_with *w)
{
	for (uint32_t i = 0; w && i < w->n; i++)
		cte_name_add(u, w->v[i].name);
}

static enum sql_walk_do use_ctes(struct sql_node node, void *arg)
{
	if (node.kind == SQL_N_QUERY)
		cte_names_of(arg, node.query->with);
	return SQL_WALK_ON;
}

static enum sql_walk_do use_node(struct sql_node node, void *arg)
{
	struct table_use *u = arg;

	if (node.kind == SQL_N_TABLE && node.table->kind == SQL_T_TABLE)
		use_name(u, &node.table->name);
	else if (node.kind == SQL_N_QUERY && node.query->kind == SQL_Q_TABLE)
		use_name(u, &node.query->table);
	return SQL_WALK_ON;
}

static void use_statement(struct table_use *u, const struct sql_stmt *st)
{
	switch ((enum sql_stmt_kind)st->kind) {
	case SQL_S_INSERT: use_name(u, &st->insert->table); break;
	case SQL_S_UPDATE: cte_names_of(u, st->update->with); break;
	case SQL_S_DELETE: cte_names_of(u, st->del->with); break;
	case SQL_S_LOAD: use_name(u, &st->load->table); break;
	case SQL_S_SHOW:
		if (st->show->db.n && !str_starts(st->show->what, STR("DATABASES")))
			use_keyspace(u, st->show->db);
		else if (st->show->name.name.n)
			use_name(u, &st->show->name);
		break;
	case SQL_S_LOCK_TABLES:
		for (uint32_t i = 0; i < st->locks->n; i++)
			use_name(u, &st->locks->v[i].table);
		break;
	case SQL_S_CREATE:
	case SQL_S_ALTER:
	case SQL_S_DROP:
	case SQL_S_RENAME:
	case SQL_S_TRUNCATE:
		switch ((enum sql_object)st->ddl->object) {
		case SQL_OBJ_TABLE:
		case SQL_OBJ_INDEX:
		case SQL_OBJ_VIEW:
		case SQL_OBJ_SEQUENCE:
		case SQL_OBJ_PROCEDURE:
		case SQL_OBJ_FUNCTION:
		case SQL_OBJ_TRIGGER:
		case SQL_OBJ_EVENT:
		case SQL_OBJ_PACKAGE:
			if (st->ddl->object != SQL_OBJ_INDEX)
				use_names(u, &st->ddl->names);
			use_names(u, &st->ddl->renamed);
			use_name(u, &st->ddl->on_table);
			use_name(u, &st->ddl->like);
			break;
		default: break;
		}
		break;
	case SQL_S_DESCRIBE:
	case SQL_S_CALL:
	case SQL_S_HANDLER:
	case SQL_S_ADMIN_TABLE:
	case SQL_S_FLUSH: use_names(u, &st->names); break;
	default: break;
	}
}

static void use_collect(struct build *b, struct table_use *u)
{
	const struct sql_stmt *st = b->stmt;

	memset(u, 0, sizeof(*u));
	u->b = b;
	(void)sql_walk_stmt(st, use_ctes, u);
	if (st->kind == SQL_S_UPDATE || st->kind == SQL_S_DELETE || st->kind == SQL_S_INSERT)
		use_statement(u, st);
	else if (st->kind == SQL_S_EXPLAIN && st->explain->inner)
		use_statement(u, st->explain->inner);
	else
		use_statement(u, st);
	(void)sql_walk_stmt(st, use_node, u);
}

/* Unsharded keyspaces on one server may meet in a statement. */
static bool same_server(const struct keyspace *a, const struct keyspace *b)
{
	const struct backend_def *x, *y;

	if (a->sharded || b->sharded)
		return false;
	x = a->shards[0].primary;
	y = b->shards[0].primary;
	return x && y && x->port == y->port && str_eq(x->host, y->host) && str_eq(x->socket, y->socket);
}

/* ---- flags
 * ------------------------------------------------------------------------------------------------------------ */

static enum sql_walk_do stored_function(struct sql_node node, void *arg)
{
	bool *found = arg;

	if (node.kind != SQL_N_EXPR)
		return SQL_WALK_ON;
	if (node.expr->kind == SQL_E_NEXTVAL)
		*found = true;
	if (node.expr->kind == SQL_E_FUNC) {
		enum function_kind k = node.expr->col.db.n ? FUNC_UNKNOWN : function_kind_of(node.expr->name);

		if (k == FUNC_UNKNOWN || k == FUNC_ONCE ||
			(node.expr->n_args && str_ieqz(node.expr->name, "LAST_INSERT_ID")))
			*found = true;
	}
	return *found ? SQL_WALK_STOP : SQL_WALK_ON;
}

static enum sql_walk_do locking_query(struct sql_node node, void *arg)
{
	bool *found = arg;

	if (node.kind == SQL_N_QUERY && node.query->n_locks)
		*found = true;
	return SQL_WALK_ON;
}

static void flags_of_scan(struct build *b)
{
	static const struct {
		uint32_t scan, plan;
	} table[] = {
		{ SCAN_F_LAST_INSERT_ID, PLAN_LAST_ID },
		{ SCAN_F_NOW | SCAN_F_RANDOM, PLAN_VOLATILE },
		{ SCAN_F_CALC_FOUND_ROWS, PLAN_FOUND_ROWS },
		{ SCAN_F_LOCAL_INFILE, PLAN_LOCAL_INFILE },
		{ SCAN_F_INTO_FILE, PLAN_INTO_FILE },
		{ SCAN_F_UVAR, PLAN_USER_VARS },
		{ SCAN_F_LOCKING, PLAN_LOCKS },
	};
	static const struct {
		uint32_t scan;
		const char *why;
	} pins[] = {
		{ SCAN_F_USER_LOCK, "a user lock (GET_LOCK)" },
		{ SCAN_F_UVAR_ASSIGN, "a user variable assigned in a query" },
		{ SCAN_F_INTO_VAR, "a user variable assigned by INTO" },
		{ SCAN_F_TEMPORARY, "a temporary table" },
	};
	uint32_t f = b->rq->scan->flags;

	for (size_t i = 0; i < ARRAY_N(table); i++) {
		if (f & table[i].scan)
			b->p->flags |= table[i].plan;
	}
	for (size_t i = 0; i < ARRAY_N(pins) && !b->p->pin_why; i++) {
		if (f & pins[i].scan) {
			b->p->flags |= PLAN_PINS;
			b->p->pin_why = pins[i].why;
		}
	}
}

static void flags_of_query(struct build *b, const struct sql_query *q)
{
	bool stored = false, locks = false;

	(void)sql_walk_query(q, stored_function, &stored);
	(void)sql_walk_query(q, locking_query, &locks);
	b->p->flags |= PLAN_ROWS | (stored || locks || q->into ? 0 : PLAN_READ);
	if (stored || locks || q->into)
		b->p->flags |= PLAN_WRITE;
	if (locks)
		b->p->flags |= PLAN_LOCKS;
	if (q->into)
		b->p->flags &= ~(uint32_t)PLAN_ROWS;
}

static void flags_set(struct build *b)
{
	const struct sql_stmt *st = b->stmt;
	struct plan *p = b->p;
	bool stored = false;

	flags_of_scan(b);
	(void)sql_walk_stmt(st, stored_function, &stored);
	if (stored)
		p->flags |= PLAN_CALLS;
	switch ((enum sql_stmt_kind)st->kind) {
	case SQL_S_QUERY: flags_of_query(b, st->query); break;
	case SQL_S_INSERT: p->flags |= PLAN_WRITE | (st->insert->n_returning ? PLAN_ROWS : 0); break;
	case SQL_S_UPDATE: p->flags |= PLAN_WRITE; break;
	case SQL_S_DELETE: p->flags |= PLAN_WRITE | (st->del->n_returning ? PLAN_ROWS : 0); break;
	default: break;
	}
	if (p->flags & PLAN_LAST_ID) {
		/* LAST_INSERT_ID(value) sets it as well */
		bool sets = false;

		(void)sql_walk_stmt(st, stored_function, &sets);
		if (sets)
			p->flags |= PLAN_SETS_LAST_ID;
	}
	if ((p->flags & PLAN_READ) &&
		!(p->flags & (PLAN_WRITE | PLAN_PINS | PLAN_LOCKS | PLAN_FOUND_ROWS | PLAN_INTO_FILE)))
		p->flags |= PLAN_REPLICA_OK;
}

/* ---- the way of a statement
 * --------------------------------------------------------------------------------------------- */

static int build_direct(struct build *b, const struct keyspace *ks)
{
	b->p->ks = ks;
	if (b->rq->shard && b->rq->ks == ks) {
		b->p->kind = PLAN_PINNED;
		b->p->shard = b->rq->shard;
		b->p->why = "the session named this shard";
	} else {
		b->p->kind = PLAN_PASS;
		b->p->shard = &ks->shards[0];
		b->p->why = "an unsharded keyspace";
	}
	return 0;
}

static bool is_direct(const struct build *b, const struct keyspace *ks)
{
	return !ks->sharded || (b->rq->shard && b->rq->ks == ks);
}

static int build_insert(struct build *b, const struct keyspace *ks, const struct sql_insert *ins)
{
	const struct table_rule *rule = NULL;
	struct err err;

	if (b->rq->shard && b->rq->ks == ks)
		return build_direct(b, ks);
	if (!ks->sharded) {
		const struct keyspace_view *v = snapshot_view(b->rq->snapshot, ks);

		bool by_side = ks->shards[0].kind == SHARD_PAIR;

		rule = v ? view_table_rule(v, ins->table.name) : NULL;
		/* new rows go to the side that later statements for them go to */
		by_side = by_side && rule && rule->side_by.n;
		if (ins->kind == SQL_INSERT_QUERY || !rule || (rule->id_column.n == 0 && !by_side) || ks->everything)
			return build_direct(b, ks);
		return insert_build(b, ks, ins);
	}
	if (build_rule_of(b, ks, ins->table.name, &rule, &err) < 0)
		return build_refuse(b, &err);
	if (ins->kind != SQL_INSERT_QUERY)
		return insert_build(b, ks, ins);
	b->p->table = arena_str(b->keep, ins->table.name);
	return site_insert_query(b, ks, ins, rule);
}

/* User locks are kept on one server of the keyspace, so that all sessions meet there. */
static int user_lock_place(struct build *b)
{
	struct plan *p = b->p;

	if (!(b->rq->scan->flags & SCAN_F_USER_LOCK) || !p->ks || !p->ks->sharded || p->kind == PLAN_SESSION)
		return 0;
	if (p->kind != PLAN_ANY)
		return p->kind == PLAN_REFUSE ? 0
					      : build_refusef(b, ERR_UNSUPPORTED, ER_NOT_SUPPORTED_YET,
							"User locks (GET_LOCK and kin) of keyspace %s are kept on one "
							"server: take them in a "
							"statement of their own, without tables",
							p->ks->name.p);
	p->kind = PLAN_PINNED;
	p->shard = &p->ks->shards[0];
	p->why = "user locks are kept on the first shard";
	return 0;
}

static int build_dml(struct build *b, const struct sql_stmt *st, const struct keyspace *ks, const struct table_use *u)
{
	if (st->kind == SQL_S_INSERT)
		return build_insert(b, ks, st->insert);
	if (is_direct(b, ks)) {
		int rc = build_direct(b, ks);

		if (!b->rq->shard && !ks->everything && ks->shards[0].kind == SHARD_PAIR)
			site_side(b, ks, st);
		return rc;
	}
	if (st->kind == SQL_S_QUERY)
		return site_query(b, ks, st->query);
	if (u->system && !u->tables)
		return build_refusef(b, ERR_UNSUPPORTED, ER_NOT_SUPPORTED_YET,
			"The servers' own tables are not changed through keyspace %s: name the shard with USE "
			"`%s/<shard>`",
			ks->name.p, ks->name.p);
	if (st->kind == SQL_S_UPDATE)
		return site_update(b, ks, st->update);
	return site_delete(b, ks, st->del);
}

/* No name gives the keyspace: the session's, or any, as every server can answer. */
static const struct keyspace *keyspace_for_all(const struct build *b)
{
	const struct map *m = b->rq->snapshot->map;

	return b->ks ? b->ks : m->keyspace_n ? m->keyspaces[0] : NULL;
}

static bool is_dml(const struct sql_stmt *st)
{
	return st->kind == SQL_S_QUERY || st->kind == SQL_S_INSERT || st->kind == SQL_S_UPDATE ||
	       st->kind == SQL_S_DELETE;
}

static int explain_build(struct build *b, const struct sql_explain *e, const struct keyspace *ks, struct table_use *u)
{
	struct plan *p = b->p;
	int rc;

	if (!e->inner || !is_dml(e->inner)) {
		if (is_direct(b, ks))
			return build_direct(b, ks);
		p->ks = ks;
		p->kind = PLAN_ANY;
		p->why = "every shard gives the same answer";
		return 0;
	}
	rc = build_dml(b, e->inner, ks, u);
	p->flags = (p->flags & ~(uint32_t)PLAN_REFERENCE) | PLAN_EXPLAIN;
	if (rc < 0 || p->kind == PLAN_REFUSE)
		return rc;
	if (e->analyze && e->inner->kind != SQL_S_QUERY && !is_direct(b, ks))
		return build_refusef(b, ERR_UNSUPPORTED, ER_NOT_SUPPORTED_YET,
			"ANALYZE runs the statement that it explains: in keyspace %s use EXPLAIN or EXPLAIN ROUTE, or "
			"name the "
			"shard with USE `%s/<shard>`",
			ks->name.p, ks->name.p);
	if (p->kind == PLAN_INSERT || p->kind == PLAN_EACH) {
		p->kind = PLAN_ANY;
		p->insert = NULL;
		p->why = "every shard explains it the same way";
	}
	return 0;
}

int build_in_keyspace(struct build *b, const struct keyspace **out)
{
	struct table_use u;

	use_collect(b, &u);
	*out = NULL;
	if (u.err.kind)
		return build_refuse(b, &u.err);
	if (u.other && !same_server(u.ks, u.other))
		return build_refusef(b, ERR_UNSUPPORTED, ER_NOT_SUPPORTED_YET,
			"The statement names tables of the keyspaces %s and %s, which are on different servers: read "
			"from one, "
			"then write to or ask the other",
			u.ks->name.p, u.other->name.p);
	*out = u.ks ? u.ks : keyspace_for_all(b);
	if (!*out)
		return build_refusef(
			b, ERR_CONFIG, ER_NO_DB_ERROR, "No database selected, and the map has no keyspace");
	return 1;
}

static int build_statement(struct build *b)
{
	const struct sql_stmt *st = b->stmt;
	const struct keyspace *ks;
	struct table_use u;
	int rc;

	if (!is_dml(st) && !(st->kind == SQL_S_EXPLAIN && !st->explain->route)) {
		rc = other_build(b);
		return rc < 0 ? rc : user_lock_place(b);
	}
	rc = build_in_keyspace(b, &ks);
	if (rc <= 0)
		return rc;
	use_collect(b, &u);
	if (st->kind == SQL_S_EXPLAIN) {
		b->p->flags |= PLAN_ROWS | (st->explain->analyze ? PLAN_WRITE : PLAN_READ);
		rc = explain_build(b, st->explain, ks, &u);
	} else {
		rc = build_dml(b, st, ks, &u);
	}
	return rc < 0 ? rc : user_lock_place(b);
}

/* Text that the grammar does not know: the server may. */
static int build_unparsed(struct build *b, const struct err *why)
{
	const struct keyspace *ks = b->ks;

	flags_of_scan(b);
	b->p->flags |= PLAN_UNKNOWN | PLAN_WRITE | PLAN_ROWS;
	if (b->rq->scan->broken)
		b->p->flags |= PLAN_NO_CACHE; /* its digest is that of the text before the break */
	if (ks && is_direct(b, ks))
		return build_direct(b, ks);
	return build_refuse(b, why);
}

static void build_end(struct build *b)
{
	struct plan *p = b->p;

	if (p->kind == PLAN_SESSION) {
		p->stmt = b->stmt;
		if (b->rq->scan->n_lits || b->rq->scan->n_folded)
			p->flags |= PLAN_NO_CACHE;
		return;
	}
	if (p->kind != PLAN_REFUSE)
		edits_collect(b);
	arena_free(&p->tree);
	memset(&p->tree, 0, sizeof(p->tree));
}

int build_plan(const struct plan_request *rq, struct plan *p, const struct sql_stmt *st, struct str text)
{
	struct build b = { .rq = rq, .p = p, .a = &p->tree, .keep = &p->arena, .text = text };
	int rc;

	b.ks = rq->ks ? rq->ks : rq->snapshot->map->everything;
	b.stmt = (struct sql_stmt *)st;
	/* SET STATEMENT a = 1 FOR ...: the settings travel with the text */
	if (st->kind == SQL_S_SET_STATEMENT && st->inner)
		b.stmt = st->inner;
	flags_set(&b);
	rc = build_statement(&b);
	if (rc == 0)
		build_end(&b);
	return rc;
}

struct plan *plan_new(const struct plan_request *rq)
{
	struct plan *p = xcalloc(1, sizeof(*p));

	p->refs = 1;
	p->snapshot = snapshot_ref(rq->snapshot);
	p->n_params = rq->scan->n_params;
	arena_init(&p->arena);
	arena_init(&p->tree);
	arena_chunk(&p->arena, PLAN_CHUNK_BYTES);
	arena_limit(&p->tree, BUILD_BYTES_MAX);
	return p;
}

int plan_build(const struct plan_request *rq, struct plan **out, struct err *err)
{
	struct plan *p = plan_new(rq);
	struct err why = { 0 };
	struct sql_stmt *st;
	struct str text;
	int rc = 0;

	text = arena_str(&p->tree, rq->text);
	if (rq->scan->broken)
		rc = err_set(&why, ERR_SYNTAX, ER_PARSE_ERROR,
			"You have an error in your SQL syntax: %s at byte %u of the statement",
			rq->scan->broken_why ? rq->scan->broken_why : "broken text", rq->scan->broken_at);
	else
		rc = sql_parse_scanned(rq->scan, text, rq->mode, &p->tree, &st, &why);
	if (rc < 0) {
		struct build b = { .rq = rq, .p = p, .a = &p->tree, .keep = &p->arena };

		b.ks = rq->ks ? rq->ks : rq->snapshot->map->everything;
		rc = build_unparsed(&b, &why);
	} else {
		rc = build_plan(rq, p, st, text);
	}
	if (rc < 0) {
		plan_unref(p);
		return err_set(err, (enum err_kind)rc, ER_NOT_SUPPORTED_YET, "the statement could not be planned");
	}
	if (p->kind != PLAN_SESSION)
		arena_free(&p->tree);
	*out = p;
	return 0;
}
