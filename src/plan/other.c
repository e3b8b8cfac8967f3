/* other.c - statements that neither query nor change rows: session, SHOW, DDL, administration. For plan_build(); one
 * thread. Pure. */
#include "plan_int.h"

static int session(struct build *b, const char *why)
{
	b->p->kind = PLAN_SESSION;
	b->p->why = why;
	return 0;
}

static bool direct(const struct build *b, const struct keyspace *ks)
{
	return !ks->sharded || (b->rq->shard && b->rq->ks == ks);
}

static int go_direct(struct build *b, const struct keyspace *ks)
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

static int go_any(struct build *b, const struct keyspace *ks)
{
	if (direct(b, ks))
		return go_direct(b, ks);
	b->p->ks = ks;
	b->p->kind = PLAN_ANY;
	b->p->why = "every shard gives the same answer";
	return 0;
}

static int go_each(struct build *b, const struct keyspace *ks, const char *why)
{
	b->p->ks = ks;
	b->p->kind = PLAN_EACH;
	b->p->flags |= PLAN_FIRST;
	b->p->why = why;
	return 0;
}

static int go_shard(struct build *b, const struct shard *sh)
{
	b->p->ks = sh->keyspace;
	b->p->kind = PLAN_PINNED;
	b->p->shard = sh;
	b->p->why = "a table pinned to this shard by the map";
	return 0;
}

static void pin(struct build *b, const char *why)
{
	b->p->flags |= PLAN_PINS;
	b->p->pin_why = why;
}

/* What one server alone can do: passed to an unsharded keyspace or a named shard, otherwise refused. */
static int one_server_only(struct build *b, const struct keyspace *ks, const char *what, const char *cure)
{
	if (direct(b, ks))
		return go_direct(b, ks);
	return build_refusef(b, ERR_UNSUPPORTED, ER_NOT_SUPPORTED_YET,
		"%s in keyspace %s, which has %u shards, is not supported: %s USE `%s/%s`", what, ks->name.p,
		ks->shard_n, cure ? cure : "name the shard first, as in", ks->name.p, ks->shards[0].name.p);
}

/* Where all tables of the statement are: -1 on every shard, otherwise the one shard. Positive rc: known. */
static int place_of(struct build *b, const struct keyspace *ks, const struct sql_name_list *names,
	const struct sql_name *more, const struct shard **out)
{
	const struct table_rule *rule;
	bool everywhere = false;
	struct err err;

	*out = NULL;
	for (uint32_t i = 0; i < names->n + (more != NULL); i++) {
		const struct sql_name *n = i < names->n ? &names->v[i] : more;

		if (n->name.n == 0 || (n->db.n && name_is_system_schema(n->db)))
			continue;
		if (build_rule_of(b, ks, n->name, &rule, &err) < 0)
			return build_refuse(b, &err);
		if (rule->kind != TABLE_PINNED)
			everywhere = true;
		else if (*out && *out != rule->shard)
			return build_refusef(b, ERR_UNSUPPORTED, ER_NOT_SUPPORTED_YET,
				"The tables of this statement are pinned to different shards of keyspace %s: name them "
				"in "
				"statements of their own",
				ks->name.p);
		else
			*out = rule->shard;
	}
	if (*out && everywhere)
		return build_refusef(b, ERR_UNSUPPORTED, ER_NOT_SUPPORTED_YET,
			"The statement names tables of one shard and of all shards of keyspace %s: name them in "
			"statements "
			"of their own",
			ks->name.p);
	return 1;
}

/* ---- DDL ----------------------------------------------------------------------------------------------------------
 */

/* A table keeps its rows where they are when it is renamed: the map must say the same of the new name. */
static int rename_check(struct build *b, const struct keyspace *ks, const struct sql_ddl *d)
{
	const struct table_rule *from, *to;
	struct err err;

	for (uint32_t i = 0; i < d->renamed.n && d->names.n; i++) {
		const struct sql_name *old = &d->names.v[MIN(i, d->names.n - 1)];

		if (build_rule_of(b, ks, d->renamed.v[i].name, &to, &err) < 0 ||
			build_rule_of(b, ks, old->name, &from, &err) < 0)
			return build_refuse(b, &err);
		if (from->kind != to->kind || !str_ieq(from->key, to->key) || from->fn != to->fn ||
			(from->kind == TABLE_PINNED && from->shard != to->shard))
			return build_refusef(b, ERR_UNSUPPORTED, ER_NOT_SUPPORTED_YET,
				"RENAME %.*s TO %.*s: the map of keyspace %s places the two names differently, the "
				"rows would "
				"be on wrong shards. Give both the same rule",
				STR_ARG(old->name), STR_ARG(d->renamed.v[i].name), ks->name.p);
	}
	return 1;
}

static int ddl_database(struct build *b, const struct sql_stmt *st)
{
	const struct sql_ddl *d = st->ddl;
	const struct map *m = b->rq->snapshot->map;
	const struct keyspace *ks = d->names.n ? map_keyspace(m, d->names.v[0].name) : b->ks;

	if (!ks && m->everything)
		return go_direct(b, m->everything);
	if (!ks)
		return build_refusef(b, ERR_UNSUPPORTED, ER_NOT_SUPPORTED_YET,
			"Databases are keyspaces of the shard map: add or remove the keyspace there");
	if (ks->everything || direct(b, ks))
		return st->kind == SQL_S_DROP && !ks->everything
			       ? build_refusef(b, ERR_UNSUPPORTED, ER_NOT_SUPPORTED_YET,
					 "Database %s is a keyspace of the shard map: remove it there first",
					 ks->name.p)
			       : go_direct(b, ks);
	if (st->kind == SQL_S_DROP || (st->kind == SQL_S_CREATE && !d->if_not_exists))
		return build_refusef(b, ERR_UNSUPPORTED, ER_NOT_SUPPORTED_YET,
			"Database %s is a keyspace of the shard map: it is made and removed there", ks->name.p);
	for (uint32_t i = 0; i < ks->shard_n; i++) {
		if (!str_eq(ks->shards[i].database, ks->name))
			return build_refusef(b, ERR_UNSUPPORTED, ER_NOT_SUPPORTED_YET,
				"The databases of keyspace %s have other names on its shards: make or change them "
				"there",
				ks->name.p);
	}
	return go_each(b, ks, "DDL: every shard");
}

static int ddl_table(struct build *b, const struct sql_stmt *st, const struct keyspace *ks)
{
	const struct sql_ddl *d = st->ddl;
	const struct shard *one;
	int rc;

	if (d->temporary)
		pin(b, "a temporary table");
	if (direct(b, ks))
		return go_direct(b, ks);
	if (d->temporary && st->kind == SQL_S_CREATE)
		return one_server_only(b, ks, "CREATE TEMPORARY TABLE", NULL);
	if (d->query && d->object == SQL_OBJ_TABLE)
		return build_refusef(b, ERR_UNSUPPORTED, ER_NOT_SUPPORTED_YET,
			"CREATE TABLE ... SELECT in keyspace %s is not supported: create the table, then INSERT its "
			"rows",
			ks->name.p);
	rc = place_of(b, ks, d->object == SQL_OBJ_INDEX ? &(struct sql_name_list){ NULL, 0 } : &d->names,
		d->object == SQL_OBJ_INDEX ? &d->on_table
		: d->like.name.n	   ? &d->like
					   : NULL,
		&one);
	if (rc > 0)
		rc = rename_check(b, ks, d);
	if (rc > 0 && d->object == SQL_OBJ_VIEW && d->query && d->names.n)
		rc = site_view(b, ks, d->query, d->names.v[0].name);
	if (rc <= 0)
		return rc;
	return one ? go_shard(b, one) : go_each(b, ks, "DDL: every shard");
}

static int ddl(struct build *b, const struct sql_stmt *st)
{
	const struct keyspace *ks;
	const struct shard *one;
	int rc;

	b->p->flags |= PLAN_DDL | PLAN_ENDS_TXN | PLAN_WRITE;
	if (st->ddl->temporary)
		b->p->flags &= ~(uint32_t)(PLAN_ENDS_TXN | PLAN_DDL);
	if (st->ddl->object == SQL_OBJ_DATABASE)
		return ddl_database(b, st);
	rc = build_in_keyspace(b, &ks);
	if (rc <= 0)
		return rc;
	switch ((enum sql_object)st->ddl->object) {
	case SQL_OBJ_TABLE:
	case SQL_OBJ_INDEX:
	case SQL_OBJ_VIEW:
	case SQL_OBJ_NONE: return ddl_table(b, st, ks);
	case SQL_OBJ_SEQUENCE:
		if (direct(b, ks))
			return go_direct(b, ks);
		rc = place_of(b, ks, &st->ddl->names, NULL, &one);
		if (rc <= 0)
			return rc;
		return one ? go_shard(b, one)
			   : build_refusef(b, ERR_UNSUPPORTED, ER_NOT_SUPPORTED_YET,
				     "A sequence of keyspace %s must be pinned to one shard by the map, or be an id "
				     "rule",
				     ks->name.p);
	case SQL_OBJ_PROCEDURE:
	case SQL_OBJ_FUNCTION:
	case SQL_OBJ_TRIGGER:
	case SQL_OBJ_EVENT:
	case SQL_OBJ_PACKAGE:
		return one_server_only(b, ks,
			"Stored code sees the rows of its own shard only, and to make or change it",
			"do it on every shard that needs it, as in");
	default: return one_server_only(b, ks, "This kind of DDL", NULL);
	}
}

/* ---- SHOW ---------------------------------------------------------------------------------------------------------
 */

static bool has_pinned(const struct keyspace *ks)
{
	if (ks->default_table && ks->default_table->kind == TABLE_PINNED)
		return true;
	for (uint32_t i = 0; i < ks->table_n; i++) {
		if (ks->tables[i].kind == TABLE_PINNED)
			return true;
	}
	return false;
}

static bool renamed(const struct keyspace *ks)
{
	for (uint32_t i = 0; i < ks->shard_n && !ks->everything; i++) {
		if (!str_eq(ks->shards[i].database, ks->name))
			return true;
	}
	return false;
}

static int show_tables(struct build *b, const struct keyspace *ks, bool names_only)
{
	if (ks->everything || (b->rq->shard && b->rq->ks == ks))
		return go_any(b, ks);
	/* the title of the column tells the database, and pinned tables are on one shard only */
	if (names_only && (renamed(ks) || (ks->sharded && ks->shard_n > 1 && has_pinned(ks)))) {
		b->p->ks = ks;
		return session(b, "tables as the shard map and the schema know them");
	}
	return go_any(b, ks);
}

static int show(struct build *b, const struct sql_stmt *st)
{
	static const char *const server_only[] = { "BINARY LOGS", "MASTER LOGS", "BINLOG EVENTS", "BINLOG STATUS",
		"MASTER STATUS", "BINARY LOG STATUS", "SLAVE STATUS", "REPLICA STATUS", "SLAVE HOSTS", "REPLICAS",
		"RELAYLOG EVENTS", "ALL SLAVES STATUS", "ALL REPLICAS STATUS", "ENGINE" };
	const struct sql_show *s = st->show;
	const struct map *m = b->rq->snapshot->map;
	const struct keyspace *ks;
	const struct shard *one;
	struct sql_name_list name = { (struct sql_name *)&s->name, s->name.name.n ? 1 : 0 };
	int rc;

	b->p->flags |= PLAN_READ | PLAN_ROWS;
	if (str_eqz(s->what, "WARNINGS") || str_eqz(s->what, "ERRORS") || str_eqz(s->what, "COUNT(*) WARNINGS") ||
		str_eqz(s->what, "COUNT(*) ERRORS") || str_eqz(s->what, "COUNT WARNINGS") ||
		str_eqz(s->what, "COUNT ERRORS"))
		return session(b, "the session's own");
	if (str_eqz(s->what, "KEYWAY") || str_starts(s->what, STR("KEYWAY ")) || str_eqz(s->what, "PROCESSLIST"))
		return session(b, "this proxy's own");
	if (str_eqz(s->what, "DATABASES") || str_eqz(s->what, "SCHEMAS")) {
		if (m->keyspace_n == 1 && m->everything)
			return go_direct(b, m->everything);
		return session(b, "databases are the keyspaces of the shard map");
	}
	rc = build_in_keyspace(b, &ks);
	if (rc <= 0)
		return rc;
	if (direct(b, ks) && !str_eqz(s->what, "TABLES"))
		return go_direct(b, ks);
	if (str_eqz(s->what, "TABLES") || str_eqz(s->what, "OPEN TABLES"))
		return show_tables(b, ks, str_eqz(s->what, "TABLES"));
	for (size_t i = 0; i < ARRAY_N(server_only); i++) {
		if (str_starts(s->what, str_of(server_only[i])) && !str_eqz(s->what, "ENGINES"))
			return one_server_only(b, ks, "SHOW of one server's state", NULL);
	}
	if (str_starts(s->what, STR("CREATE PROCEDURE")) || str_starts(s->what, STR("CREATE FUNCTION")) ||
		str_starts(s->what, STR("CREATE TRIGGER")) || str_starts(s->what, STR("CREATE EVENT")) ||
		str_starts(s->what, STR("CREATE DATABASE")) || str_starts(s->what, STR("CREATE SCHEMA")) ||
		str_starts(s->what, STR("CREATE USER")) || str_starts(s->what, STR("GRANTS")) || s->name.db.n == 0)
		if (!str_starts(s->what, STR("CREATE TABLE")) && !str_starts(s->what, STR("CREATE VIEW")) &&
			!str_starts(s->what, STR("COLUMNS")) && !str_starts(s->what, STR("FIELDS")) &&
			!str_starts(s->what, STR("INDEX")) && !str_starts(s->what, STR("KEYS")) &&
			!str_starts(s->what, STR("INDEXES")))
			return go_any(b, ks);
	if (s->name.db.n && name_is_system_schema(s->name.db))
		return go_any(b, ks);
	rc = place_of(b, ks, &name, NULL, &one);
	if (rc <= 0)
		return rc;
	return one ? go_shard(b, one) : go_any(b, ks);
}

/* ---- the rest ------------------------------------------------------------------------------------------------------
 */

static int describe(struct build *b, const struct sql_stmt *st, const struct keyspace *ks)
{
	const struct shard *one;
	int rc;

	b->p->flags |= PLAN_READ | PLAN_ROWS;
	if (direct(b, ks) || (st->names.n && st->names.v[0].db.n && name_is_system_schema(st->names.v[0].db)))
		return go_any(b, ks);
	rc = place_of(b, ks, &st->names, NULL, &one);
	if (rc <= 0)
		return rc;
	return one ? go_shard(b, one) : go_any(b, ks);
}

static int admin_table(struct build *b, const struct sql_stmt *st, const struct keyspace *ks)
{
	const struct shard *one;
	int rc;

	b->p->flags |= PLAN_WRITE | PLAN_ROWS | PLAN_ENDS_TXN;
	if (direct(b, ks))
		return go_direct(b, ks);
	if (str_ieqz(st->name, "CHECKSUM"))
		return one_server_only(b, ks, "CHECKSUM TABLE", NULL);
	rc = place_of(b, ks, &st->names, NULL, &one);
	if (rc <= 0)
		return rc;
	return one ? go_shard(b, one) : go_each(b, ks, "every shard; the answer shown is the first shard's");
}

static int load(struct build *b, const struct sql_stmt *st, const struct keyspace *ks)
{
	const struct table_rule *rule;
	struct err err;

	b->p->flags |= PLAN_WRITE;
	if (direct(b, ks))
		return go_direct(b, ks);
	if (build_rule_of(b, ks, st->load->table.name, &rule, &err) < 0)
		return build_refuse(b, &err);
	if (rule->kind == TABLE_PINNED)
		return go_shard(b, rule->shard);
	return build_refusef(b, ERR_UNSUPPORTED, ER_NOT_SUPPORTED_YET,
		"LOAD DATA into table %.*s of keyspace %s, whose rows belong to several shards, is not supported yet: "
		"INSERT "
		"the rows, or load each shard's rows after USE `%s/%s`",
		STR_ARG(st->load->table.name), ks->name.p, ks->name.p, ks->shards[0].name.p);
}

static int explain_route(struct build *b, const struct sql_stmt *st)
{
	struct plan *inner;
	int rc;

	if (!st->explain->inner)
		return build_refusef(b, ERR_SYNTAX, ER_PARSE_ERROR, "EXPLAIN ROUTE needs a statement");
	inner = plan_new(b->rq);
	inner->first_tok = st->explain->inner->tok;
	rc = build_plan(b->rq, inner, st->explain->inner, b->text);
	if (rc < 0) {
		plan_unref(inner);
		return rc;
	}
	b->p->inner = inner;
	b->p->flags |= PLAN_READ | PLAN_ROWS;
	return session(b, "tells the plan of a statement without running it");
}

static bool has_word(struct str text, const char *word)
{
	size_t n = strlen(word);

	for (size_t i = 0; i + n <= text.n; i++) {
		if (strncasecmp(text.p + i, word, n) == 0)
			return true;
	}
	return false;
}

static int with_keyspace(struct build *b, const struct sql_stmt *st, const struct keyspace *ks)
{
	int rc;

	switch ((enum sql_stmt_kind)st->kind) {
	case SQL_S_DESCRIBE: return describe(b, st, ks);
	case SQL_S_CALL:
		b->p->flags |= PLAN_CALLS | PLAN_WRITE | PLAN_ROWS;
		return one_server_only(b, ks, "CALL", NULL);
	case SQL_S_DO:
		b->p->flags |= PLAN_WRITE;
		rc = direct(b, ks) ? 1 : site_values(b, ks, &st->exprs, NULL);
		return rc <= 0 ? rc : go_any(b, ks);
	case SQL_S_HANDLER:
		b->p->flags |= PLAN_ROWS;
		pin(b, "an open HANDLER");
		return one_server_only(b, ks, "HANDLER", NULL);
	case SQL_S_LOCK_TABLES:
		b->p->flags |= PLAN_WRITE | PLAN_ENDS_TXN;
		pin(b, "LOCK TABLES");
		return one_server_only(b, ks, "LOCK TABLES", "use a transaction, or name the shard as in");
	case SQL_S_UNLOCK_TABLES: b->p->flags |= PLAN_WRITE; return go_any(b, ks);
	case SQL_S_LOAD: return load(b, st, ks);
	case SQL_S_ADMIN_TABLE: return admin_table(b, st, ks);
	case SQL_S_XA:
		b->p->flags |= PLAN_WRITE;
		pin(b, "an XA transaction");
		return one_server_only(b, ks, "XA", "use BEGIN and COMMIT, or name the shard as in");
	case SQL_S_SET_ROLE: pin(b, "SET ROLE"); return one_server_only(b, ks, "SET ROLE", NULL);
	case SQL_S_SIGNAL: b->p->flags |= PLAN_WRITE; return go_any(b, ks);
	case SQL_S_DIAGNOSTICS: return one_server_only(b, ks, "GET DIAGNOSTICS", NULL);
	case SQL_S_COMPOUND:
		b->p->flags |= PLAN_CALLS | PLAN_WRITE | PLAN_ROWS;
		return one_server_only(b, ks, "A compound statement", NULL);
	case SQL_S_LOCK_OTHER:
	case SQL_S_FLUSH:
		if (st->kind == SQL_S_LOCK_OTHER || has_word(st->rest.text, "LOCK") ||
			has_word(st->rest.text, "EXPORT"))
			pin(b, "a lock of tables or of the server");
		b->p->flags |= PLAN_WRITE | PLAN_ENDS_TXN;
		return one_server_only(b, ks, "FLUSH and LOCK of servers", NULL);
	case SQL_S_GRANT:
	case SQL_S_SET_PASSWORD:
		b->p->flags |= PLAN_WRITE | PLAN_ENDS_TXN;
		return one_server_only(b, ks, "To change the servers' accounts", NULL);
	case SQL_S_EXPLAIN:
	default:
		b->p->flags |= PLAN_WRITE | PLAN_ROWS | PLAN_UNKNOWN;
		return one_server_only(b, ks, "This statement", NULL);
	}
}

/* RESET KEYWAY …: not the servers' RESET. */
static bool is_keyway_reset(const struct sql_stmt *st)
{
	struct str t = st->rest.text;

	return st->kind == SQL_S_RESET && t.n > 7 && str_ieq(str_make(t.p, 7), STR("KEYWAY "));
}

int other_build(struct build *b)
{
	const struct sql_stmt *st = b->stmt;
	const struct keyspace *ks;
	int rc;

	if (is_keyway_reset(st))
		return session(b, "this proxy's own");
	switch ((enum sql_stmt_kind)st->kind) {
	case SQL_S_EMPTY:
	case SQL_S_SET:
	case SQL_S_SET_TRANSACTION:
	case SQL_S_USE:
	case SQL_S_BEGIN:
	case SQL_S_COMMIT:
	case SQL_S_ROLLBACK:
	case SQL_S_ROLLBACK_TO:
	case SQL_S_SAVEPOINT:
	case SQL_S_RELEASE:
	case SQL_S_PREPARE:
	case SQL_S_EXECUTE:
	case SQL_S_DEALLOCATE:
	case SQL_S_KILL:
		b->p->flags &= ~(uint32_t)PLAN_PINS;
		b->p->pin_why = NULL;
		return session(b, "done by the session itself");
	case SQL_S_EXPLAIN: return explain_route(b, st);
	case SQL_S_SHOW: return show(b, st);
	case SQL_S_CREATE:
	case SQL_S_ALTER:
	case SQL_S_DROP:
	case SQL_S_RENAME:
	case SQL_S_TRUNCATE: return ddl(b, st);
	default: break;
	}
	rc = build_in_keyspace(b, &ks);
	return rc <= 0 ? rc : with_keyspace(b, st, ks);
}
