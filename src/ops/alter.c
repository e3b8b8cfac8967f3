/* alter.c - an ALTER TABLE at the speed of the server on a pair that keeps serving: one side is drained, altered
 * outside its binlog, catches up and serves again, then the other. For keywayctl side alter. Calls block; tools only;
 * the statement itself runs on a thread of its own. */
#include "alter.h"
#include "ddl.h"
#include "side.h"
#include "table.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define CONVERSIONS  "ALL_NON_LOSSY,ALL_LOSSY"
#define ALTER_READ_S (30 * 24 * 3600)
#define STARTS_N     40 /* looks until replication runs again */
#define LOOK_US	     500000
#define SAY_US	     2000000

/* --- what the table is like --- */

/* The definition from its first parenthesis on, without the counter: what ALTER changes, whatever the table's name. */
static int definition_of(struct db *db, const char *database, const char *table, char **out, struct err *err)
{
	struct buf b = { 0 };
	MYSQL_RES *res;
	MYSQL_ROW row;
	char *p, *counter, *end;
	int rc = 0;

	*out = NULL;
	buf_addz(&b, "SHOW CREATE TABLE ");
	sql_add_ident(&b, database);
	buf_add_u8(&b, '.');
	sql_add_ident(&b, table);
	res = db_query_str(db, str_make((char *)buf_head(&b), buf_used(&b)), err);
	buf_free(&b);
	if (!res)
		return err->kind;
	row = mysql_fetch_row(res);
	p = row && mysql_num_fields(res) > 1 && row[1] ? strchr(row[1], '\n') : NULL;
	if (!p) {
		rc = err_set(err, ERR_UNSUPPORTED, ER_NOT_SUPPORTED_YET, "%s.%s on backend %s is no table", database,
			table, db->name);
	} else {
		*out = xstrdup(p);
		counter = strstr(*out, " AUTO_INCREMENT=");
		end = counter ? counter + strlen(" AUTO_INCREMENT=") : NULL;
		if (end) {
			end += strspn(end, "0123456789");
			memmove(counter, end, strlen(end) + 1);
		}
	}
	mysql_free_result(res);
	return rc;
}

struct shape {
	struct table table;
	struct ddl_column *columns;
	char **unique;
	struct ddl_shape shape;
};

static void shape_free(struct shape *s)
{
	for (uint32_t i = 0; i < s->shape.unique_n; i++)
		free(s->unique[i]);
	free(s->unique);
	free(s->columns);
	table_free(&s->table);
}

static int read_unique(struct db *db, const char *database, const char *name, struct shape *out, struct err *err)
{
	struct buf b = { 0 };
	MYSQL_RES *res;
	MYSQL_ROW row;

	buf_addz(&b, "SELECT CONCAT(index_name, '(', GROUP_CONCAT(column_name, COALESCE(sub_part, '') ORDER BY "
		     "seq_in_index), "
		     "')') FROM information_schema.statistics WHERE non_unique = 0 AND table_schema = ");
	sql_add_text(&b, database);
	buf_addz(&b, " AND table_name = ");
	sql_add_text(&b, name);
	buf_addz(&b, " GROUP BY index_name ORDER BY 1");
	res = db_query_str(db, str_make((char *)buf_head(&b), buf_used(&b)), err);
	buf_free(&b);
	if (!res)
		return err->kind;
	out->unique = xcalloc(mysql_num_rows(res) + 1, sizeof(*out->unique));
	while ((row = mysql_fetch_row(res)))
		out->unique[out->shape.unique_n++] = xstrdup(row[0] ? row[0] : "");
	mysql_free_result(res);
	return 0;
}

static int shape_read(struct db *db, const char *database, const char *name, struct shape *out, struct err *err)
{
	int rc;

	*out = (struct shape){ 0 };
	rc = table_read(db, database, name, &out->table, err);
	if (rc == 0)
		rc = read_unique(db, database, name, out, err);
	if (rc < 0)
		return rc;
	out->columns = xcalloc(out->table.column_n, sizeof(*out->columns));
	for (uint32_t i = 0; i < out->table.column_n; i++) {
		const struct column *c = &out->table.columns[i];

		out->columns[i] = (struct ddl_column){ .name = c->name,
			.type = c->column_type,
			.collation = c->collation,
			.default_ = c->default_,
			.extra = c->extra,
			.nullable = c->nullable,
			.generated = c->generated };
	}
	out->shape.columns = out->columns;
	out->shape.column_n = out->table.column_n;
	out->shape.unique = (const char *const *)out->unique;
	return 0;
}

/* --- check --- */

static char *database_of(const struct job *j)
{
	return str_dup(j->sh->database);
}

static int session_for_ddl(struct db *db, struct err *err)
{
	return db_exec(db, err, "SET SESSION sql_log_bin=0, sql_mode=@@GLOBAL.sql_mode, time_zone=@@GLOBAL.time_zone");
}

/* The same change on an empty copy: what the table will be, and whether the servers take it. */
static int try_on_copy(
	struct job *j, struct db *db, const char *database, const struct ddl *d, const char *table, struct err *err)
{
	char *shadow = xasprintf("keyway_%.30s", j->id), *after = NULL;
	struct shape old, new;
	struct buf b = { 0 };
	struct err late;
	bool lossy = false;
	int rc = session_for_ddl(db, err);

	old = new = (struct shape){ 0 };
	if (rc == 0)
		rc = db_exec(db, err, "DROP TABLE IF EXISTS `%s`.`%s`", database, shadow);
	if (rc == 0)
		rc = db_exec(db, err, "CREATE TABLE `%s`.`%s` LIKE `%s`.`%s`", database, shadow, database, table);
	if (rc < 0)
		goto out;
	ddl_add_for(&b, d, database, shadow);
	rc = db_exec_str(db, str_make((char *)buf_head(&b), buf_used(&b)), err);
	if (rc == 0)
		rc = definition_of(db, database, shadow, &after, err);
	if (rc == 0)
		rc = shape_read(db, database, table, &old, err);
	if (rc == 0)
		rc = shape_read(db, database, shadow, &new, err);
	if (rc == 0)
		rc = ddl_compare(&old.shape, &new.shape, &lossy, err);
	if (rc == 0)
		json_object_set_new(j->memo, "after", json_string(after));
	if (rc == 0 && lossy)
		job_say(j, OPS_NOTE,
			"until both sides are altered, what only the new form can hold is lost on the side that is "
			"still old: "
			"applications must not write it before");
	if (db_exec(db, &late, "DROP TABLE IF EXISTS `%s`.`%s`", database, shadow) < 0)
		job_say(j, OPS_TROUBLE, "%s: drop it by hand", late.msg);
out:
	buf_free(&b);
	shape_free(&old);
	shape_free(&new);
	free(after);
	free(shadow);
	return rc;
}

/* Both sides are as they were; or one is altered already, by a run that was aborted: then the other is what it was. */
static int find_forms(
	struct job *j, struct pair *p, const char *database, const struct ddl *d, const char *table, struct err *err)
{
	char *def[2] = { NULL, NULL };
	int rc = 0, base = SIDE_EVEN;

	for (int side = 0; rc == 0 && side < 2; side++)
		rc = definition_of(&p->side[side], database, table, &def[side], err);
	if (rc == 0 && strstr(def[0], " FOREIGN KEY "))
		rc = err_set(err, ERR_UNSUPPORTED, ER_NOT_SUPPORTED_YET,
			"table %s has a foreign key: that was not tried between unlike sides", table);
	if (rc < 0)
		goto out;
	if (strcmp(def[0], def[1]) == 0) {
		rc = try_on_copy(j, &p->side[base], database, d, table, err);
		goto found;
	}
	for (; base < 2; base++) {
		const char *after;

		rc = try_on_copy(j, &p->side[base], database, d, table, err);
		after = json_string_value(json_object_get(j->memo, "after"));
		if (rc == 0 && after && strcmp(after, def[!base]) == 0) {
			job_say(j, OPS_NOTE, "the %s side is altered already", side_name((enum pair_side) !base));
			goto found;
		}
	}
	rc = err_set(err, ERR_DENIED, ER_NOT_SUPPORTED_YET,
		"table %s is not the same on both sides, and not because of this statement: make it so first", table);
	goto out;
found:
	if (rc == 0)
		json_object_set_new(j->memo, "before", json_string(def[base]));
out:
	free(def[0]);
	free(def[1]);
	return rc;
}

int alter_check_text(const char *ddl, struct err *err)
{
	struct arena a;
	struct ddl d;
	int rc;

	arena_init(&a);
	rc = ddl_read(str_of(ddl), &a, &d, err);
	arena_free(&a);
	return rc;
}

static int alter_check(struct job *j, int arg, struct err *err)
{
	char *database = NULL, *table = NULL;
	struct arena a;
	struct pair *p;
	struct ddl d;
	int rc;

	(void)arg;
	arena_init(&a);
	rc = ddl_read(str_of(job_arg(j, "what")), &a, &d, err);
	if (rc == 0)
		rc = job_map(j, err);
	if (rc == 0)
		rc = job_pair(j, &p, err);
	if (rc == 0)
		rc = pair_check(p, err);
	for (int side = 0; rc == 0 && side < 2; side++) {
		if (j->sh->sides[side]->state != BACKEND_SERVING)
			rc = err_set(err, ERR_DENIED, ER_CANT_DO_THIS_DURING_A_TRANSACTION,
				"the %s side is not serving: restore it first", side_name((enum pair_side)side));
	}
	if (rc == 0) {
		database = database_of(j);
		table = str_dup(d.table);
		rc = find_forms(j, p, database, &d, table, err);
	}
	if (rc == 0)
		json_object_set_new(j->memo, "table", json_string(table));
	free(database);
	free(table);
	arena_free(&a);
	return rc;
}

/* --- replication between unlike tables --- */

static void nap(void)
{
	struct timespec t = { 0, LOOK_US * 1000L };

	nanosleep(&t, NULL);
}

/* The thread that applies has to be stopped for it; the one that fetches goes on. */
static int set_conversions(struct db *db, const char *value, struct err *err)
{
	struct db_replica r = { 0 };
	int rc = db_exec(db, err, "STOP SLAVE SQL_THREAD");

	if (rc == 0)
		rc = db_exec(db, err, "SET GLOBAL slave_type_conversions = '%s'", value);
	if (rc == 0)
		rc = db_exec(db, err, "START SLAVE SQL_THREAD");
	for (int i = 0; rc == 0 && i < STARTS_N; i++) {
		rc = db_replica(db, &r, err);
		if (rc < 0 || (r.io_running && r.sql_running))
			return rc;
		nap();
	}
	return rc < 0 ? rc : db_replica_healthy(db, &r, err);
}

static void conversions_key(int side, char out[32])
{
	snprintf(out, 32, "%s.conversions", side_name((enum pair_side)side));
}

static int conversions_on(struct job *j, int arg, struct err *err)
{
	struct pair *p;
	int rc = job_pair(j, &p, err);

	(void)arg;
	for (int side = 0; rc == 0 && side < 2; side++) {
		char key[32], *was = NULL;

		conversions_key(side, key);
		rc = db_text(&p->side[side], &was, err, "SELECT @@GLOBAL.slave_type_conversions");
		if (rc == 0 && !json_object_get(j->memo, key)) {
			json_object_set_new(j->memo, key, json_string(was ? was : ""));
			rc = job_save(j, err);
		}
		if (rc == 0 && strcmp(was ? was : "", CONVERSIONS) != 0)
			rc = set_conversions(&p->side[side], CONVERSIONS, err);
		free(was);
	}
	return rc;
}

static int conversions_back(struct job *j, int arg, struct err *err)
{
	struct pair *p;
	int rc = job_pair(j, &p, err);

	(void)arg;
	for (int side = 0; rc == 0 && side < 2; side++) {
		const char *was;
		char key[32];

		conversions_key(side, key);
		was = json_string_value(json_object_get(j->memo, key));
		if (was && strcmp(was, CONVERSIONS) != 0)
			rc = set_conversions(&p->side[side], was, err);
	}
	return rc;
}

/* --- the statement --- */

/* Runs it, while the job's own thread looks at how far it is. */
struct running {
	struct db db;
	struct buf sql;
	struct err err;
	int rc;
	pthread_mutex_t lock;
	bool over;
};

static void *running_main(void *arg)
{
	struct running *r = arg;
	struct err err = { 0 };
	int rc = db_exec_str(&r->db, str_make((char *)buf_head(&r->sql), buf_used(&r->sql)), &err);

	pthread_mutex_lock(&r->lock);
	r->rc = rc;
	r->err = err;
	r->over = true;
	pthread_mutex_unlock(&r->lock);
	mysql_thread_end();
	return NULL;
}

static bool is_over(struct running *r)
{
	bool over;

	pthread_mutex_lock(&r->lock);
	over = r->over;
	pthread_mutex_unlock(&r->lock);
	return over;
}

/* Threads on the server that run this job's statement. *@id: one of them; 0: none. */
static int find_running(const struct job *j, struct db *db, uint64_t *id, char *progress, size_t size, struct err *err)
{
	MYSQL_RES *res = db_query(db, err,
		"SELECT id, stage, max_stage, progress, state FROM information_schema.processlist WHERE info LIKE '/* "
		"keyway %s "
		"*/ ALTER%%'",
		j->id);
	MYSQL_ROW row;

	*id = 0;
	if (!res)
		return err->kind;
	row = mysql_fetch_row(res);
	if (row && row[0] && str_to_u64(str_of(row[0]), id) == 0 && progress)
		snprintf(progress, size, "stage %s of %s, %s %%: %s", row[1] ? row[1] : "?", row[2] ? row[2] : "?",
			row[3] ? row[3] : "?", row[4] ? row[4] : "");
	mysql_free_result(res);
	return 0;
}

static int say_progress(const struct job *j, struct db *db, int side, uint64_t *said_us, uint64_t *id, struct err *err)
{
	char progress[256] = "";
	int rc = find_running(j, db, id, progress, sizeof(progress), err);

	if (rc == 0 && *id && clock_mono_us() - *said_us > SAY_US) {
		*said_us = clock_mono_us();
		job_say(j, OPS_NOTE, "ALTER on the %s side: %s", side_name((enum pair_side)side), progress);
	}
	return rc;
}

/* One that a tool which has died since began. */
static int wait_for_old_one(struct job *j, struct db *db, int side, struct err *err)
{
	uint64_t id = 1, said_us = 0;
	int rc = 0;

	while (rc == 0 && id) {
		rc = say_progress(j, db, side, &said_us, &id, err);
		if (rc == 0 && id) {
			nap();
			rc = job_tick(j, err);
		}
	}
	return rc;
}

static int kill_running(struct job *j, struct db *db, struct err *err)
{
	uint64_t id = 1;
	int rc = 0;

	for (int i = 0; rc == 0 && id && i < 120; i++) {
		rc = find_running(j, db, &id, NULL, 0, err);
		if (rc == 0 && id && db_exec(db, err, "KILL QUERY %llu", (unsigned long long)id) < 0 &&
			db->last_errno != ER_NO_SUCH_THREAD)
			rc = err->kind;
		if (rc == 0 && id)
			nap();
	}
	if (rc == 0 && id)
		rc = err_set(err, ERR_TIMEOUT, ER_QUERY_TIMEOUT,
			"the ALTER on backend %s does not end though it was killed", db->name);
	return rc;
}

static int run_it(struct job *j, struct db *db, int side, const struct ddl *d, const char *database, const char *table,
	struct err *err)
{
	struct running r = { 0 };
	uint64_t said_us = clock_mono_us(), id;
	pthread_t thread;
	struct err late;
	int rc = db_open_like(&r.db, db, ALTER_READ_S, err), wait_rc = 0;

	if (rc == 0)
		rc = session_for_ddl(&r.db, err);
	if (rc < 0) {
		db_close(&r.db);
		return rc;
	}
	buf_addf(&r.sql, "/* keyway %s */ ", j->id);
	ddl_add_for(&r.sql, d, database, table);
	pthread_mutex_init(&r.lock, NULL);
	if (pthread_create(&thread, NULL, running_main, &r) != 0) {
		rc = err_set(err, ERR_LIMIT, ER_OUT_OF_RESOURCES, "no thread for the ALTER");
		goto out;
	}
	while (!is_over(&r)) {
		nap();
		if (wait_rc == 0)
			wait_rc = say_progress(j, db, side, &said_us, &id, err);
		if (wait_rc == 0)
			wait_rc = job_tick(j, err);
		if (wait_rc < 0 && !is_over(&r) && kill_running(j, db, &late) < 0)
			job_say(j, OPS_TROUBLE, "%s", late.msg);
	}
	pthread_join(thread, NULL);
	rc = wait_rc < 0 ? wait_rc : r.rc;
	if (wait_rc == 0 && rc < 0)
		*err = r.err;
out:
	pthread_mutex_destroy(&r.lock);
	buf_free(&r.sql);
	db_close(&r.db);
	return rc;
}

/* 1: it is altered, 0: it is as it was. */
static int is_altered(struct job *j, struct db *db, const char *database, const char *table, struct err *err)
{
	const char *before = json_string_value(json_object_get(j->memo, "before"));
	const char *after = json_string_value(json_object_get(j->memo, "after"));
	char *now = NULL;
	int rc = definition_of(db, database, table, &now, err);

	if (rc == 0) {
		if (after && strcmp(now, after) == 0)
			rc = 1;
		else if (!before || strcmp(now, before) != 0)
			rc = err_set(err, ERR_DENIED, ER_NOT_SUPPORTED_YET,
				"table %s on backend %s is neither what it was when this began nor what it shall be: "
				"someone "
				"else has changed it",
				table, db->name);
	}
	free(now);
	return rc;
}

static int alter_side(struct job *j, int side, struct err *err)
{
	const char *table = json_string_value(json_object_get(j->memo, "table"));
	char *database;
	struct arena a;
	struct pair *p;
	struct ddl d;
	int rc = job_pair(j, &p, err);

	if (rc < 0)
		return rc;
	arena_init(&a);
	database = database_of(j);
	rc = ddl_read(str_of(job_arg(j, "what")), &a, &d, err);
	if (rc == 0)
		rc = wait_for_old_one(j, &p->side[side], side, err);
	if (rc == 0)
		rc = is_altered(j, &p->side[side], database, table ? table : "", err);
	if (rc == 0)
		rc = run_it(j, &p->side[side], side, &d, database, table ? table : "", err);
	if (rc == 0) {
		rc = is_altered(j, &p->side[side], database, table ? table : "", err);
		if (rc == 0)
			rc = err_set(err, ERR_INTERNAL, ER_NOT_SUPPORTED_YET,
				"the ALTER on backend %s was answered with OK and has changed nothing",
				p->side[side].name);
	}
	free(database);
	arena_free(&a);
	return MIN(rc, 0);
}

/* --- the job --- */

static const struct job_step check_step = {
	.name = "check-ddl", .describe = "check the statement on an empty copy of the table", .act = alter_check
};
static const struct job_step conversions_step = {
	.name = "conversions", .describe = "replication lets types widen on both sides", .act = conversions_on
};
static const struct job_step alter_step = {
	.name = "alter", .describe = "ALTER on the %s side, outside its binlog", .act = alter_side
};
static const struct job_step conversions_back_step = {
	.name = "conversions-back", .describe = "replication is as strict as it was", .act = conversions_back
};

static uint32_t alter_plan(struct job *j, struct job_entry *out)
{
	static const enum pair_side order[] = { SIDE_EVEN, SIDE_ODD };
	uint32_t n = 0;

	(void)j;
	out[n++] = (struct job_entry){ &check_step, JOB_NO_SIDE };
	out[n++] = (struct job_entry){ &conversions_step, JOB_NO_SIDE };
	for (size_t i = 0; i < ARRAY_N(order); i++) {
		n += side_add_drain(out + n, order[i]);
		out[n++] = (struct job_entry){ &alter_step, order[i] };
		n += side_add_restore(out + n, order[i]);
	}
	out[n++] = (struct job_entry){ &conversions_back_step, JOB_NO_SIDE };
	return n;
}

/* What is altered stays altered: an ALTER cannot be taken back. Traffic goes home all the same. */
static int alter_back(struct job *j, struct err *err)
{
	const char *table = json_string_value(json_object_get(j->memo, "table"));
	struct pair *p;
	struct err one;
	char *database;
	int rc = table ? job_pair(j, &p, err) : 0, altered[2] = { 0, 0 };

	if (rc < 0 || !table)
		return rc;
	for (int side = 0; side < 2; side++) {
		if (kill_running(j, &p->side[side], &one) < 0 || side_bring_back(j, (enum pair_side)side, &one) < 0) {
			job_say(j, OPS_TROUBLE, "%s", one.msg);
			*err = one;
			rc = one.kind;
		}
	}
	if (rc < 0)
		return rc;
	database = database_of(j);
	for (int side = 0; rc >= 0 && side < 2; side++)
		rc = altered[side] = is_altered(j, &p->side[side], database, table, err);
	free(database);
	if (rc < 0)
		return rc;
	if (altered[0] == altered[1])
		return conversions_back(j, JOB_NO_SIDE, err);
	job_say(j, OPS_TROUBLE,
		"table %s is altered on the %s side only, and stays so; replication goes on between the two forms "
		"(slave_type_conversions stays set). The same command again alters the other side",
		table, side_name(altered[SIDE_EVEN] ? SIDE_EVEN : SIDE_ODD));
	return 0;
}

const struct job_kind side_alter_kind = { .name = "side alter", .plan = alter_plan, .back = alter_back };
