/* setvar.c - SET: the session's settings follow what servers made of it. What Keyway knows by itself (autocommit, SET
 * NAMES) costs no round trip; anything else runs on a server, and the values are read back as literals. Worker
 * thread. */
#include "run.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

/* What is read back after a SET (or a statement that assigned user variables). */
enum read_kind { READ_SYSVAR, READ_UVAR, READ_LAST_ID, READ_FORGET };

struct read_item {
	enum read_kind kind;
	struct str name; /* lower case; "@x" for a user variable */
};

#define READ_MAX 24 /* a user variable takes three of the columns that collect.c keeps */

struct setvar {
	struct leg *leg;
	struct read_item items[READ_MAX];
	uint32_t n;
	uint16_t warnings;
	bool answers; /* the client waits for the OK */
	bool commits; /* autocommit went from 0 to 1 */
};

/* The OK of a SET, with what a server would have told of it. */
static void plain_ok(struct run *r)
{
	struct ok_packet ok = { .warnings = r->setvar ? r->setvar->warnings : 0 };

	if (buf_used(&r->track)) {
		ok.track = str_make((char *)buf_head(&r->track), buf_used(&r->track));
		ok.status = SERVER_SESSION_STATE_CHANGED;
	}
	answer_ok(r, &ok);
	run_end(r);
}

static struct str unquoted(struct str v)
{
	return v.n >= 2 && v.p[0] == '\'' ? str_make(v.p + 1, v.n - 2) : v;
}

/* What servers report by default of a change made here. */
static void track_change(struct run *r, const struct sql_set_item *it)
{
	struct session *s = r->s;
	struct str cs = unquoted(settings_get(s->settings, STR("character_set_client")));

	if (it->kind == SQL_SETV_SYSVAR) {
		track_add_variable(&r->track, STR("autocommit"), s->settings->autocommit_off ? STR("OFF") : STR("ON"));
		return;
	}
	track_add_variable(&r->track, STR("character_set_client"), cs);
	track_add_variable(&r->track, STR("character_set_connection"), cs);
	track_add_variable(&r->track, STR("character_set_results"),
		unquoted(settings_get(s->settings, STR("character_set_results"))));
}

static struct str lower(struct arena *a, struct str s, const char *prefix)
{
	char *z = arena_printf(a, "%s%.*s", prefix, STR_ARG(s));

	for (char *p = z; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	return str_of(z);
}

/* --- what needs no server --- */

static bool literal_bool(const struct sql_expr *e, bool *on)
{
	struct str w;

	if (!e)
		return false;
	switch (e->kind) {
	case SQL_E_TRUE: *on = true; return true;
	case SQL_E_FALSE: *on = false; return true;
	case SQL_E_LIT:
	case SQL_E_COLUMN:
		w = e->name;
		if (e->kind == SQL_E_LIT && w.n >= 2 && (w.p[0] == '\'' || w.p[0] == '"'))
			w = str_make(w.p + 1, w.n - 2);
		if (str_eqz(w, "1") || str_ieqz(w, "on")) {
			*on = true;
			return true;
		}
		if (str_eqz(w, "0") || str_ieqz(w, "off")) {
			*on = false;
			return true;
		}
		return false;
	default: return false;
	}
}

static bool session_scope(const struct sql_set_item *it)
{
	return it->scope == SQL_SCOPE_NONE || it->scope == SQL_SCOPE_SESSION || it->scope == SQL_SCOPE_LOCAL;
}

static bool is_autocommit(const struct sql_set_item *it, bool *on)
{
	return it->kind == SQL_SETV_SYSVAR && session_scope(it) && !it->base.n && str_ieqz(it->name, "autocommit") &&
	       literal_bool(it->value, on);
}

/* Sets the three variables of SET NAMES and SET CHARACTER SET. */
static const struct settings *with_names(
	struct session *s, const struct settings *base, const struct sql_set_item *it, struct err *err)
{
	struct settings_table *t = s->w->settings;
	static const char *const names[] = { "character_set_client", "character_set_results", "collation_connection" };
	char lit[3][80];
	const struct settings *n = settings_ref(base), *m;

	if (!it->name.n) {
		for (int i = 0; i < 3; i++)
			snprintf(lit[i], sizeof(lit[i]), "%.*s",
				STR_ARG(settings_get(s->login_settings, str_of(names[i]))));
	} else {
		unsigned id = wire_charset_default_id(it->name), co = id;

		if (it->collate.n) {
			co = wire_collation_id(it->collate);
			if (id && co && strcmp(wire_charset_name(id), wire_charset_name(co)) != 0) {
				err_set(err, ERR_NAME, (enum mysql_errno)1253,
					"COLLATION '" STR_FMT "' is not valid for CHARACTER SET '" STR_FMT "'",
					STR_ARG(it->collate), STR_ARG(it->name));
				memcpy(err->sqlstate, "42000", 6);
				goto fail;
			}
		}
		if (!id || !co || wire_charset_not_for_client(id)) {
			goto unknown;
		}
		snprintf(lit[0], sizeof(lit[0]), "'%s'", wire_charset_name(id));
		snprintf(lit[1], sizeof(lit[1]), "'%s'", wire_charset_name(id));
		if (it->collate.n)
			snprintf(lit[2], sizeof(lit[2]), "'%s'", wire_collation_name(co));
		else
			goto unknown; /* which collation is a charset's default, the server knows */
	}
	for (int i = 0; i < 3; i++) {
		m = settings_with(t, n, str_of(names[i]), str_of(lit[i]), err);
		settings_unref(t, n);
		if (!m)
			return NULL;
		n = m;
	}
	return n;
unknown:
	err->kind = 0;
fail:
	settings_unref(t, n);
	return NULL;
}

/* 1: done here; 0: a server must; -1: error. */
static int set_here(struct run *r, const struct sql_set *set, bool *commits, struct err *err)
{
	struct session *s = r->s;
	const struct settings *n = settings_ref(s->settings), *m;

	err->kind = 0;
	for (uint32_t i = 0; i < set->n; i++) {
		const struct sql_set_item *it = &set->v[i];
		bool on;

		if (is_autocommit(it, &on)) {
			*commits = on && n->autocommit_off;
			m = settings_with(s->w->settings, n, STR("autocommit"), on ? str_make(NULL, 0) : STR("0"), err);
		} else if (it->kind == SQL_SETV_NAMES && (it->collate.n || !it->name.n)) {
			m = with_names(s, n, it, err);
		} else {
			m = NULL;
		}
		settings_unref(s->w->settings, n);
		if (!m)
			return err->kind ? -1 : 0;
		n = m;
	}
	session_apply_settings(s, n);
	for (uint32_t i = 0; i < set->n; i++)
		track_change(r, &set->v[i]);
	return 1;
}

/* --- reading back --- */

static void literal_text(struct buf *b, struct str text)
{
	buf_addz(b, "'");
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] == '\'' || text.p[i] == '\\')
			buf_add_u8(b, (uint8_t)text.p[i]);
		buf_add_u8(b, (uint8_t)text.p[i]);
	}
	buf_addz(b, "'");
}

static bool plain_ascii(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		if ((unsigned char)s.p[i] < 0x20 || (unsigned char)s.p[i] > 0x7e || s.p[i] == '\\')
			return false;
	}
	return true;
}

static bool is_number_type(unsigned type)
{
	return type <= MYSQL_TYPE_DOUBLE || type == MYSQL_TYPE_LONGLONG || type == MYSQL_TYPE_INT24 ||
	       type == MYSQL_TYPE_NEWDECIMAL;
}

/* @row: the value, its HEX(), its COLLATION(). */
static void uvar_literal(struct buf *b, const struct column_def *col, const struct str *row)
{
	size_t us;

	if (col->type == MYSQL_TYPE_DOUBLE || col->type == MYSQL_TYPE_FLOAT) {
		buf_add_str(b, row[0]);
		if (!memchr(row[0].p, 'e', row[0].n))
			buf_addz(b, "e0");
		return;
	}
	if (is_number_type(col->type)) {
		buf_add_str(b, row[0]);
		return;
	}
	for (us = 0; us < row[2].n && row[2].p[us] != '_';)
		us++;
	buf_addf(b, "_%.*s X'%.*s'", (int)us, row[2].p, STR_ARG(row[1]));
	if (!str_eqz(row[2], "binary"))
		buf_addf(b, " COLLATE %.*s", STR_ARG(row[2]));
}

static const struct settings *take_value(struct run *r, const struct settings *n, const struct read_item *it,
	struct collect *c, uint32_t col, struct err *err)
{
	struct session *s = r->s;
	struct str *row = c->rows[0];
	struct str value = { NULL, 0 };
	const struct settings *m;
	struct buf b = { 0 };
	uint64_t id;

	switch (it->kind) {
	case READ_LAST_ID:
		if (row[col].p && str_to_u64(row[col], &id) == 0)
			s->last_insert_id = id;
		return n;
	case READ_SYSVAR:
		if (!row[col].p)
			buf_addz(&b, "NULL");
		else if (is_number_type(c->cols[col].type))
			buf_add_str(&b, row[col]);
		else if (plain_ascii(row[col]))
			literal_text(&b, row[col]);
		else
			break;
		value = str_make((char *)buf_head(&b), buf_used(&b));
		if (str_eqz(it->name, "autocommit") && str_eqz(value, "1"))
			value = str_make(NULL, 0);
		break;
	case READ_UVAR:
		if (row[col].p) {
			uvar_literal(&b, &c->cols[col], &row[col]);
			value = str_make((char *)buf_head(&b), buf_used(&b));
		}
		break;
	case READ_FORGET: break;
	}
	m = settings_with(s->w->settings, n, it->name, value, err);
	buf_free(&b);
	settings_unref(s->w->settings, n);
	return m;
}

static void values_read(struct run *r, struct collect *c)
{
	struct session *s = r->s;
	struct setvar *sv = r->setvar;
	const struct settings *n = settings_ref(s->settings);
	struct bconn *conn = sv->leg->c;
	struct err err = { 0 };
	uint32_t col = 0;

	if (c->err.kind || c->n_rows != 1) {
		err = c->err;
		if (!err.kind)
			err_set(&err, ERR_BACKEND, ER_WRONG_VALUE_FOR_VAR,
				"the values just set could not be read back: set fewer in one statement");
	}
	for (uint32_t i = 0; i < sv->n && !err.kind; i++) {
		n = take_value(r, n, &sv->items[i], c, col, &err);
		if (!n)
			break;
		col += sv->items[i].kind == READ_UVAR ? 3 : sv->items[i].kind == READ_FORGET ? 0 : 1;
	}
	if (err.kind) {
		/* it is set there, and nowhere else: the connection stays with this session */
		if (n)
			settings_unref(s->w->settings, n);
		s->pins |= PIN_STATE;
		s->pin_why = "a variable that cannot be carried to other connections";
	} else {
		settings_unref(s->w->settings, conn->settings);
		conn->settings = settings_ref(n);
		session_apply_settings(s, n);
	}
	if (sv->answers) {
		if (err.kind && !s->pins)
			run_fail(r, &err);
		else
			plain_ok(r);
	}
}

static void read_back(struct run *r, struct leg *l)
{
	struct setvar *sv = r->setvar;
	struct buf b = { 0 };
	const char *sep = "SELECT ";

	sv->leg = l;
	for (uint32_t i = 0; i < sv->n; i++) {
		struct read_item *it = &sv->items[i];

		switch (it->kind) {
		case READ_SYSVAR: buf_addf(&b, "%s@@session.%.*s", sep, STR_ARG(it->name)); break;
		case READ_LAST_ID: buf_addf(&b, "%s@@session.last_insert_id", sep); break;
		case READ_UVAR: {
			struct buf q = { 0 };

			buf_addz(&q, "@`");
			for (size_t k = 1; k < it->name.n; k++) {
				if (it->name.p[k] == '`')
					buf_add_u8(&q, '`');
				buf_add_u8(&q, (uint8_t)it->name.p[k]);
			}
			buf_addz(&q, "`");
			buf_addf(&b, "%s%.*s,HEX(%.*s),COLLATION(%.*s)", sep, (int)buf_used(&q), buf_head(&q),
				(int)buf_used(&q), buf_head(&q), (int)buf_used(&q), buf_head(&q));
			buf_free(&q);
			break;
		}
		case READ_FORGET: continue;
		}
		sep = ",";
	}
	if (!buf_used(&b))
		buf_addz(&b, "SELECT 1");
	collect_start(l, str_make((char *)buf_head(&b), buf_used(&b)), collect_new(&r->arena, values_read, 1));
	buf_free(&b);
}

static void add_item(struct setvar *sv, enum read_kind kind, struct str name)
{
	for (uint32_t i = 0; i < sv->n; i++) {
		if (str_eq(sv->items[i].name, name)) {
			sv->items[i].kind = kind;
			return;
		}
	}
	if (sv->n < READ_MAX)
		sv->items[sv->n++] = (struct read_item){ kind, name };
	else
		sv->n = READ_MAX + 1; /* too many: said by the caller */
}

/* --- SET on a server --- */

/* What the server warned of, before another statement replaces it. */
static void set_warned(struct run *r, struct collect *c)
{
	struct session *s = r->s;
	uint64_t code;

	diag_clear(s);
	for (uint32_t i = 0; i < c->n_rows && c->n_cols >= 3; i++) {
		if (c->rows[i][0].p && c->rows[i][2].p && str_to_u64(c->rows[i][1], &code) == 0)
			diag_add(s, c->rows[i][0], (uint32_t)code, c->rows[i][2]);
	}
	read_back(r, r->setvar->leg);
}

static void set_done(struct run *r)
{
	struct leg *l = &r->legs[0];
	struct setvar *sv = r->setvar;

	if (l->err.kind) {
		if (buf_used(&r->raw_err))
			answer_raw_err(r, buf_head(&r->raw_err), buf_used(&r->raw_err));
		else
			answer_err(r, &l->err);
		/* part of a list may have been set before the item that failed */
		if (l->c && !l->was_part)
			l->spoiled = true;
		r->err = l->err;
		run_end(r);
		return;
	}
	run_goto(r, RUN_COLLECT);
	sv->answers = true;
	sv->leg = l;
	if (l->ok.warnings) {
		r->s->warnings = sv->warnings = l->ok.warnings;
		collect_start(l, STR("SHOW WARNINGS"), collect_new(&r->arena, set_warned, 1024));
	} else {
		diag_clear(r->s);
		read_back(r, l);
	}
}

/* Variables that hold for one statement or cannot be read back: the connection stays with the session. */
static bool is_private(struct str name)
{
	static const char *const names[] = { "insert_id", "rand_seed1", "rand_seed2", "pseudo_thread_id",
		"pseudo_slave_mode", "gtid_seq_no", "gtid_domain_id", "server_id", "sql_log_bin", "skip_replication",
		"debug", "debug_sync", "gtid_next", "proxy_user", "external_user" };

	for (size_t i = 0; i < ARRAY_N(names); i++) {
		if (str_eqz(name, names[i]))
			return true;
	}
	return false;
}

static void collect_item(struct run *r, struct setvar *sv, const struct sql_set_item *it)
{
	struct session *s = r->s;
	struct str name;

	if (it->kind == SQL_SETV_UVAR) {
		add_item(sv, READ_UVAR, lower(&r->arena, it->name, "@"));
		return;
	}
	if (it->kind == SQL_SETV_NAMES || it->kind == SQL_SETV_CHARSET) {
		name = STR("character_set_client");
	} else {
		name = lower(&r->arena, it->name, "");
		if (str_eqz(name, "last_insert_id") || str_eqz(name, "identity")) {
			add_item(sv, READ_LAST_ID, STR("last_insert_id"));
			return;
		}
		if (is_private(name)) {
			s->pins |= PIN_STATE;
			s->pin_why = "a session variable that holds on one connection only";
			return;
		}
	}
	if (str_starts(name, STR("character_set_")) || str_starts(name, STR("collation_c"))) {
		add_item(sv, READ_SYSVAR, STR("character_set_client"));
		add_item(sv, READ_SYSVAR, STR("character_set_results"));
		add_item(sv, READ_SYSVAR, STR("collation_connection"));
		return;
	}
	if (!it->value || it->value->kind == SQL_E_DEFAULT)
		add_item(sv, READ_FORGET, name);
	else
		add_item(sv, READ_SYSVAR, name);
}

void setvar_global(struct run *r)
{
	struct session *s = r->s;
	const struct keyspace_route *kr = session_home(s);
	struct err e;

	if (kr->ks->shard_n > 1 || kr->ks->sharded) {
		err_set(&e, ERR_UNSUPPORTED, ER_NOT_SUPPORTED_YET,
			"SET GLOBAL changes servers, and keyspace '%s' has several: set it on each of them, or select "
			"one "
			"shard (USE `%s/%s`)",
			kr->name, kr->name, kr->shards[0].name);
		run_fail(r, &e);
		return;
	}
	run_home(r, r->text, NULL);
}

void setvar_run(struct run *r, const struct sql_stmt *st)
{
	const struct sql_set *set = &st->set;
	struct setvar *sv;
	struct err err;
	bool commits = false;
	int rc = set_here(r, set, &commits, &err);

	if (rc < 0) {
		run_fail(r, &err);
		return;
	}
	if (rc > 0) {
		if (commits && r->s->n_parts)
			txn_commit_then(r, plain_ok);
		else
			plain_ok(r);
		return;
	}
	for (uint32_t i = 0; i < set->n; i++) {
		if (set->v[i].kind == SQL_SETV_SYSVAR && !session_scope(&set->v[i])) {
			setvar_global(r);
			return;
		}
	}
	sv = arena_new(&r->arena, struct setvar);
	r->setvar = sv;
	for (uint32_t i = 0; i < set->n && sv->n <= READ_MAX; i++)
		collect_item(r, sv, &set->v[i]);
	if (sv->n > READ_MAX) {
		err_set(&err, ERR_LIMIT, ER_NOT_SUPPORTED_YET,
			"SET of more than %d variables at a time: split it in two", READ_MAX);
		run_fail(r, &err);
		return;
	}
	run_home(r, r->text, set_done);
}

/* --- user variables that other statements assigned --- */

static bool is_name_byte(unsigned char c)
{
	return isalnum(c) || c == '_' || c == '$' || c == '.' || c >= 0x80;
}

bool setvar_collect(struct run *r, struct leg *l)
{
	struct setvar *sv = arena_new(&r->arena, struct setvar);
	struct session *s = r->s;

	/* a name may be found inside a string as well: reading one variable more does no harm */
	for (size_t i = 0; i + 1 < r->text.n && sv->n <= READ_MAX; i++) {
		size_t j = i + 1;

		if (r->text.p[i] != '@' || r->text.p[j] == '@') {
			i += r->text.p[i] == '@';
			continue;
		}
		if (strchr("`'\"", r->text.p[j])) {
			char q = r->text.p[j];
			size_t end = j + 1;

			while (end < r->text.n && r->text.p[end] != q)
				end++;
			add_item(sv, READ_UVAR, lower(&r->arena, str_make(r->text.p + j + 1, end - j - 1), "@"));
			i = end;
			continue;
		}
		while (j < r->text.n && is_name_byte((unsigned char)r->text.p[j]))
			j++;
		if (j > i + 1)
			add_item(sv, READ_UVAR, lower(&r->arena, str_make(r->text.p + i + 1, j - i - 1), "@"));
		i = j - 1;
	}
	if (sv->n == 0)
		return false;
	if (sv->n > READ_MAX) {
		s->pins |= PIN_STATE;
		s->pin_why = "more user variables than can be carried to other connections";
		return false;
	}
	r->setvar = sv;
	read_back(r, l);
	return true;
}
