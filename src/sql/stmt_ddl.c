/* sql/stmt_ddl.c - CREATE, ALTER, DROP, RENAME, TRUNCATE: which kind of object, which names; bodies stay opaque.
 * For stmt.c.
 * Pure. */
#include "heads.h"

static enum sql_object object_of(unsigned kind)
{
	switch (kind) {
	case KW_TABLE:
	case KW_TABLES: return SQL_OBJ_TABLE;
	case KW_INDEX: return SQL_OBJ_INDEX;
	case KW_VIEW: return SQL_OBJ_VIEW;
	case KW_DATABASE:
	case KW_SCHEMA: return SQL_OBJ_DATABASE;
	case KW_PROCEDURE: return SQL_OBJ_PROCEDURE;
	case KW_FUNCTION: return SQL_OBJ_FUNCTION;
	case KW_TRIGGER: return SQL_OBJ_TRIGGER;
	case KW_EVENT: return SQL_OBJ_EVENT;
	case KW_SEQUENCE: return SQL_OBJ_SEQUENCE;
	case KW_USER: return SQL_OBJ_USER;
	case KW_ROLE: return SQL_OBJ_ROLE;
	case KW_PACKAGE: return SQL_OBJ_PACKAGE;
	case KW_SERVER: return SQL_OBJ_SERVER;
	case KW_TABLESPACE: return SQL_OBJ_TABLESPACE;
	case KW_LOGFILE:
	case KW_RESOURCE:
	case KW_INSTANCE: return SQL_OBJ_OTHER;
	default: return SQL_OBJ_NONE;
	}
}

/* Steps behind the word that says what kind of object it is; what stood before it is the head. */
static void read_object(struct cur *c, struct sql_ddl *d)
{
	uint32_t from = c->i;

	for (; c->i < c->end; c->i++) {
		unsigned k = cur_kind(c, 0), prev = c->i > from ? c->ps->s->toks[c->i - 1].kind : 0;

		if (prev != '=' && prev != '@') {
			d->object = (uint8_t)object_of(k);
			if (d->object) {
				d->head = cur_span(c, from, c->i);
				c->i++;
				if (d->object == SQL_OBJ_PACKAGE)
					cur_accept(c, KW_BODY);
				return;
			}
			d->temporary |= k == KW_TEMPORARY;
			d->unique |= k == KW_UNIQUE;
			d->fulltext |= k == KW_FULLTEXT;
			d->spatial |= k == KW_SPATIAL;
		}
		if (k == '(')
			break;
	}
	c->i = from;
	cur_syntax(c);
}

static void if_not_exists(struct cur *c, struct sql_ddl *d)
{
	if (!cur_accept(c, KW_IF))
		return;
	cur_expect(c, KW_NOT);
	cur_expect(c, KW_EXISTS);
	d->if_not_exists = true;
}

static void if_exists(struct cur *c, struct sql_ddl *d)
{
	if (!cur_accept(c, KW_IF))
		return;
	cur_expect(c, KW_EXISTS);
	d->if_exists = true;
}

static void one_name(struct cur *c, struct sql_ddl *d)
{
	struct sql_name *n = PARSER_NEW(c->ps, struct sql_name);

	*n = cur_qualified(c);
	d->names = (struct sql_name_list){ n, 1 };
}

/* Tables named by FOREIGN KEY ... REFERENCES anywhere in the rest. */
static void read_references(struct cur *c, struct sql_ddl *d)
{
	struct vec *v = vec_new(c->ps);
	struct cur r = *c;

	for (r.i = d->rest.tok; r.i < d->rest.tok_end; r.i++)
		if (cur_kind(&r, 0) == KW_REFERENCES && cur_is_name(&r, 1)) {
			r.i++;
			*(struct sql_name *)vec_push(c->ps, v, sizeof(struct sql_name)) = cur_qualified(&r);
			r.i--;
		}
	d->references = (struct sql_name_list){ v->v, v->n };
}

static bool begins_query(const struct cur *c)
{
	switch (cur_kind(c, 0)) {
	case KW_SELECT:
	case KW_VALUES:
	case KW_TABLE: return true;
	case KW_WITH:
		return (cur_is_name(c, 1) || cur_kind(c, 1) == KW_RECURSIVE) && cur_kind(c, 1) != KW_SYSTEM &&
		       cur_kind(c, 1) != KW_PARSER;
	case '(':
		for (uint32_t n = 1;; n++) {
			unsigned k = cur_kind(c, n);

			if (k == '(')
				continue;
			return k == KW_SELECT || k == KW_WITH || k == KW_VALUES;
		}
	default: return false;
	}
}

static struct sql_query *read_query(struct cur *c, uint32_t to)
{
	parser_run(c->ps, T_START_QUERY, c->i, to);
	c->i = to;
	return c->ps->query;
}

/* CREATE TABLE name ... : LIKE, or definitions and options and perhaps a query. */
static void create_table(struct cur *c, struct sql_ddl *d)
{
	if (cur_accept(c, KW_LIKE)) {
		d->like = cur_qualified(c);
		return;
	}
	if (cur_kind(c, 0) == '(' && cur_kind(c, 1) == KW_LIKE) {
		c->i += 2;
		d->like = cur_qualified(c);
		cur_expect(c, ')');
		return;
	}
	while (c->i < c->end) {
		unsigned k = cur_kind(c, 0);

		if (begins_query(c) || (k == KW_AS && (c->i++, begins_query(c)))) {
			d->query = read_query(c, c->end);
			return;
		}
		c->i = k == '(' ? cur_behind_parens(c) : c->i + (k != KW_AS);
	}
}

/* [columns] AS query [WITH ... CHECK OPTION] */
static void view_query(struct cur *c, struct sql_ddl *d)
{
	static const uint16_t word_as[] = { KW_AS, 0 };
	uint32_t to = c->end;

	c->i = cur_find(c, word_as);
	cur_expect(c, KW_AS);
	if (to - c->i > 3 && c->ps->s->toks[to - 1].kind == KW_OPTION && c->ps->s->toks[to - 2].kind == KW_CHECK) {
		to -= 2;
		while (to > c->i && c->ps->s->toks[to].kind != KW_WITH)
			to--;
	}
	d->query = read_query(c, to);
}

static void on_table(struct cur *c, struct sql_ddl *d)
{
	static const uint16_t word_on[] = { KW_ON, 0 };

	c->i = cur_find(c, word_on);
	cur_expect(c, KW_ON);
	d->on_table = cur_qualified(c);
}

/* What of the head is read from behind the names on. The rest is all of that, whether it was understood or not. */
static void ddl_rest(struct cur *c, struct sql_ddl *d, uint32_t from)
{
	d->rest = cur_span(c, from, c->end);
	c->i = c->end;
	if (d->object == SQL_OBJ_TABLE)
		read_references(c, d);
}

void parse_create(struct cur *c, struct sql_stmt *st)
{
	struct sql_ddl *d = PARSER_NEW(c->ps, struct sql_ddl);
	uint32_t from;

	st->ddl = d;
	if (cur_accept(c, KW_OR)) {
		cur_expect(c, KW_REPLACE);
		d->or_replace = true;
	}
	read_object(c, d);
	if_not_exists(c, d);
	from = c->i;
	switch (d->object) {
	case SQL_OBJ_TABLE:
		one_name(c, d);
		from = c->i;
		create_table(c, d);
		break;
	case SQL_OBJ_VIEW:
		one_name(c, d);
		from = c->i;
		view_query(c, d);
		break;
	case SQL_OBJ_INDEX:
	case SQL_OBJ_TRIGGER:
		one_name(c, d);
		from = c->i;
		on_table(c, d);
		break;
	case SQL_OBJ_DATABASE:
	case SQL_OBJ_PROCEDURE:
	case SQL_OBJ_FUNCTION:
	case SQL_OBJ_EVENT:
	case SQL_OBJ_SEQUENCE:
	case SQL_OBJ_PACKAGE:
		one_name(c, d);
		from = c->i;
		break;
	default: break;
	}
	ddl_rest(c, d, from);
}

/* ALTER TABLE ... RENAME [TO] name, among other changes. */
static void find_rename(struct cur *c, struct sql_ddl *d)
{
	static const uint16_t word_rename[] = { KW_RENAME, 0 };
	struct cur r = *c;

	for (r.i = cur_find(&r, word_rename); r.i < r.end; r.i = cur_find(&r, word_rename)) {
		unsigned k;

		r.i++;
		k = cur_kind(&r, 0);
		if (k == KW_COLUMN || k == KW_INDEX || k == KW_KEY)
			continue;
		if (k == KW_TO || k == KW_AS || k == '=')
			r.i++;
		if (cur_is_name(&r, 0)) {
			struct sql_name *n = PARSER_NEW(c->ps, struct sql_name);

			*n = cur_qualified(&r);
			d->renamed = (struct sql_name_list){ n, 1 };
		}
	}
}

void parse_alter(struct cur *c, struct sql_stmt *st)
{
	struct sql_ddl *d = PARSER_NEW(c->ps, struct sql_ddl);
	uint32_t from;

	st->ddl = d;
	read_object(c, d);
	if_exists(c, d);
	from = c->i;
	switch (d->object) {
	case SQL_OBJ_TABLE:
	case SQL_OBJ_EVENT:
		one_name(c, d);
		from = c->i;
		find_rename(c, d);
		break;
	case SQL_OBJ_VIEW:
		one_name(c, d);
		from = c->i;
		view_query(c, d);
		break;
	case SQL_OBJ_DATABASE:
		/* the name may be left out: then it is the current database */
		if (cur_is_name(c, 0) && cur_kind(c, 1) != '=' && cur_kind(c, 0) != KW_CHARSET &&
			cur_kind(c, 0) != KW_ENCRYPTION && cur_kind(c, 0) != KW_COMMENT && c->end - c->i > 1)
			one_name(c, d);
		from = c->i;
		break;
	case SQL_OBJ_PROCEDURE:
	case SQL_OBJ_FUNCTION:
	case SQL_OBJ_SEQUENCE:
		one_name(c, d);
		from = c->i;
		break;
	default: break;
	}
	ddl_rest(c, d, from);
}

void parse_drop(struct cur *c, struct sql_stmt *st)
{
	struct sql_ddl *d = PARSER_NEW(c->ps, struct sql_ddl);
	uint32_t from;

	st->ddl = d;
	read_object(c, d);
	if_exists(c, d);
	from = c->i;
	switch (d->object) {
	case SQL_OBJ_TABLE:
	case SQL_OBJ_VIEW:
	case SQL_OBJ_SEQUENCE:
		d->names = cur_qualified_list(c);
		from = c->i;
		break;
	case SQL_OBJ_INDEX:
		one_name(c, d);
		from = c->i;
		on_table(c, d);
		break;
	case SQL_OBJ_DATABASE:
	case SQL_OBJ_PROCEDURE:
	case SQL_OBJ_FUNCTION:
	case SQL_OBJ_TRIGGER:
	case SQL_OBJ_EVENT:
	case SQL_OBJ_PACKAGE:
		one_name(c, d);
		from = c->i;
		break;
	default: break;
	}
	ddl_rest(c, d, from);
}

void parse_rename(struct cur *c, struct sql_stmt *st)
{
	struct sql_ddl *d = PARSER_NEW(c->ps, struct sql_ddl);
	struct vec *olds = vec_new(c->ps), *news = vec_new(c->ps);

	st->ddl = d;
	read_object(c, d);
	if (d->object != SQL_OBJ_TABLE) {
		d->rest = cur_rest(c);
		return;
	}
	if_exists(c, d);
	do {
		static const uint16_t word_to[] = { KW_TO, ',', 0 };

		*(struct sql_name *)vec_push(c->ps, olds, sizeof(struct sql_name)) = cur_qualified(c);
		/* MariaDB: WAIT n, NOWAIT */
		c->i = cur_find(c, word_to);
		cur_expect(c, KW_TO);
		*(struct sql_name *)vec_push(c->ps, news, sizeof(struct sql_name)) = cur_qualified(c);
	} while (cur_accept(c, ','));
	cur_end(c);
	d->names = (struct sql_name_list){ olds->v, olds->n };
	d->renamed = (struct sql_name_list){ news->v, news->n };
}

void parse_truncate(struct cur *c, struct sql_stmt *st)
{
	struct sql_ddl *d = PARSER_NEW(c->ps, struct sql_ddl);

	st->ddl = d;
	d->object = SQL_OBJ_TABLE;
	cur_accept(c, KW_TABLE);
	one_name(c, d);
	ddl_rest(c, d, c->i);
}
