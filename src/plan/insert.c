/* insert.c - INSERT and REPLACE with VALUES or SET into a table whose rows are placed by key, or get ids: what the text
 * lacks and where its keys stand. For plan_build(); one thread. Pure. */
#include "plan_int.h"

static int refuse_key(struct build *b, const struct table_rule *rule, const char *what)
{
	return build_refusef(b, ERR_KEY, ER_BAD_NULL_ERROR,
		"Column '%s' cannot be null: it is the shard key of %s.%s and %s. Give it a value in the INSERT%s",
		rule->key.p, b->p->ks->name.p, b->p->table.p, what,
		rule->id_column.n ? "" : ", or give the table an id rule for it in the map");
}

static uint64_t id_max_of(const struct column *c)
{
	static const uint8_t bits[] = { [COLUMN_TINYINT] = 8,
		[COLUMN_SMALLINT] = 16,
		[COLUMN_MEDIUMINT] = 24,
		[COLUMN_INT] = 32,
		[COLUMN_BIGINT] = 64 };

	if (!c || c->type > COLUMN_BIGINT || c->type < COLUMN_TINYINT)
		return INT64_MAX;
	if (bits[c->type] == 64)
		return c->is_unsigned ? UINT64_MAX : INT64_MAX;
	return (UINT64_C(1) << (bits[c->type] - !c->is_unsigned)) - 1;
}

static void column_find(struct insert_column *out, const struct sql_insert *ins, const struct table *t, struct str name)
{
	out->at = -1;
	out->val.kind = VAL_OTHER;
	if (name.n == 0)
		return;
	if (ins->kind != SQL_INSERT_SET) {
		out->at = insert_column_at(ins, t, name);
		return;
	}
	for (uint32_t i = 0; i < ins->set.n; i++) {
		if (!str_ieq(ins->set.v[i].target->name, name))
			continue;
		out->at = (int32_t)i;
		if (!expr_val(ins->set.v[i].value, &out->val))
			out->val.kind = VAL_OTHER;
		out->tok = ins->set.v[i].value->tok;
		out->tok_end = ins->set.v[i].value->tok_end;
	}
}

/* ON DUPLICATE KEY UPDATE key = VALUES(key) keeps the row on its shard; any other value may not. */
static bool keeps_key(const struct sql_insert *ins, const struct sql_assign *as, struct str key)
{
	const struct sql_expr *v = as->value;

	if (v->kind == SQL_E_VALUES)
		v = v->args[0];
	if (v->kind != SQL_E_COLUMN || !str_ieq(v->name, key))
		return false;
	return ins->row_alias.n == 0 || ins->row_columns.n == 0;
}

int on_duplicate_check(struct build *b, const struct sql_insert *ins, const struct table_rule *rule)
{
	for (uint32_t i = 0; i < ins->on_dup.n; i++) {
		if (str_ieq(ins->on_dup.v[i].target->name, rule->key) && !keeps_key(ins, &ins->on_dup.v[i], rule->key))
			return build_refusef(b, ERR_UNSUPPORTED, ER_NOT_SUPPORTED_YET,
				"ON DUPLICATE KEY UPDATE would change the shard key %s.%s, and with it the shard of "
				"the row: "
				"leave the column out of it",
				b->p->table.p, rule->key.p);
	}
	return 1;
}

static uint32_t columns_of(const struct sql_insert *ins, const struct table *t)
{
	uint32_t n = 0;

	if (ins->has_columns)
		return ins->columns.n;
	for (uint32_t i = 0; t && i < t->column_n; i++)
		n += !t->columns[i].invisible;
	return n;
}

/* The id column is not named: where it is put. */
static int add_id(struct build *b, const struct sql_insert *ins, struct plan_insert *in)
{
	in->add_id = true;
	if (in->set_form) {
		in->set_tok = ins->set.n ? ins->set.v[0].tok : 0;
		return ins->set.n ? 1 : build_refusef(b, ERR_SYNTAX, ER_PARSE_ERROR, "INSERT ... SET without columns");
	}
	in->list_tok = ins->has_columns ? ins->columns_tok + 1 : ins->columns_tok;
	in->list_new = !ins->has_columns;
	return 1;
}

/* A reference table's own AUTO_INCREMENT would give the copies different values. */
static int reference_check(struct build *b, const struct sql_insert *ins, struct plan_insert *in, const struct table *t)
{
	const char *table = b->p->table.p;

	if (t && t->auto_increment && !(in->has_id && str_ieq(t->auto_increment->name, b->p->id_column))) {
		in->auto_name = arena_dup(b->keep, t->auto_increment->name.p, t->auto_increment->name.n);
		column_find(&in->auto_col, ins, t, t->auto_increment->name);
		if (in->auto_col.at < 0)
			return build_refusef(b, ERR_UNSUPPORTED, ER_NOT_SUPPORTED_YET,
				"Table %s is a reference table, every shard has a copy: its AUTO_INCREMENT column %s "
				"would get "
				"other values on each. Give it a value in the INSERT, or give the table an id rule in "
				"the map",
				table, in->auto_name);
	}
	b->p->flags |= PLAN_REFERENCE | PLAN_FIRST | PLAN_VOLATILE;
	return refuse_uneven(b, table, NULL, NULL);
}

static int dest_find(struct build *b, const struct keyspace_view *view, const struct table_rule *rule,
	const struct sql_insert *ins, struct plan_insert *in, const struct table *t)
{
	const struct table_key *key;

	in->key_col.at = -1;
	switch (rule->kind) {
	case TABLE_REFERENCE: in->dest = INSERT_TO_ALL; return reference_check(b, ins, in, t);
	case TABLE_PINNED:
		in->dest = INSERT_TO_SHARD;
		in->shard = rule->shard->index;
		return 1;
	case TABLE_SHARDED: break;
	}
	key = view_table_key(view, rule);
	if (key->state != TABLE_KEY_OK)
		return build_refuse(b, &key->why);
	in->dest = INSERT_BY_KEY;
	in->key = &key->key;
	in->key_name = arena_dup(b->keep, rule->key.p, rule->key.n);
	column_find(&in->key_col, ins, t, rule->key);
	in->key_is_id = in->has_id && str_ieq(rule->key, rule->id_column);
	if ((in->key_col.at < 0 || in->empty_rows) && !in->key_is_id)
		return refuse_key(b, rule, "the INSERT does not name it");
	return on_duplicate_check(b, ins, rule);
}

static bool pair_in(const struct keyspace *ks)
{
	for (uint32_t i = 0; i < ks->shard_n; i++) {
		if (ks->shards[i].kind == SHARD_PAIR)
			return true;
	}
	return false;
}

int insert_build(struct build *b, const struct keyspace *ks, const struct sql_insert *ins)
{
	const struct keyspace_view *view = snapshot_view(b->rq->snapshot, ks);
	struct plan_insert *in = arena_new(b->keep, struct plan_insert);
	const struct table_rule *rule;
	const struct table *t;
	struct err err;
	struct plan *p = b->p;
	int rc;

	p->ks = ks;
	if (build_rule_of(b, ks, ins->table.name, &rule, &err) < 0)
		return build_refuse(b, &err);
	p->table = arena_str(b->keep, ins->table.name);
	t = view_table(view, ins->table.name);
	if (!t && !ins->has_columns && ins->kind == SQL_INSERT_VALUES)
		return build_refusef(b, ERR_NAME, ER_NO_SUCH_TABLE,
			"Table '%s.%s' doesn't exist, or its columns are not read from the servers yet: name the "
			"columns in the "
			"INSERT",
			ks->name.p, p->table.p);
	in->set_form = ins->kind == SQL_INSERT_SET;
	in->n_columns = columns_of(ins, t);
	if (ins->n_rows) {
		in->rows_tok = ins->rows[0].tok;
		in->rows_tok_end = ins->rows[ins->n_rows - 1].tok_end;
	}
	in->empty_rows = !in->set_form && ins->n_rows && ins->rows[0].values.n == 0;
	in->has_id = rule->id_column.n > 0;
	in->id_col.at = in->side_col.at = in->auto_col.at = -1;
	if (in->has_id) {
		p->id_allocator = arena_str(b->keep, rule->id_allocator);
		p->id_tag = arena_str(b->keep, rule->id_tag);
		p->id_column = arena_str(b->keep, rule->id_column);
		p->id_max = id_max_of(t ? table_column(t, rule->id_column) : NULL);
		in->id_name = p->id_column.p;
		column_find(&in->id_col, ins, t, rule->id_column);
		if (in->empty_rows)
			in->id_col.at = -1;
		if (in->id_col.at < 0) {
			rc = add_id(b, ins, in);
			if (rc <= 0)
				return rc;
		}
	}
	rc = dest_find(b, view, rule, ins, in, t);
	if (rc > 0 && ks->sharded)
		rc = site_values(b, ks, NULL, ins);
	if (rc <= 0)
		return rc;
	if (rule->side_by.n && pair_in(ks)) {
		in->side_is_id = in->has_id && str_ieq(rule->side_by, rule->id_column);
		column_find(&in->side_col, ins, t, rule->side_by);
	}
	if (in->empty_rows)
		in->side_col.at = in->auto_col.at = -1;
	p->kind = PLAN_INSERT;
	p->insert = in;
	p->why = in->dest == INSERT_BY_KEY   ? arena_printf(b->keep, "rows by %s.%s", p->table.p, in->key_name)
		 : in->dest == INSERT_TO_ALL ? "a reference table: every shard has a copy"
					     : "rows to the table's one shard";
	return 0;
}
