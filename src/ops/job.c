/* job.c - runs the steps of a job, journals them, undoes them.
 * For side.c, alter.c, switchover.c.
 * Calls block; tools only. */
#include "job.h"
#include "lock.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#define KEPT_S	    (30 * 24 * 3600) /* operations that have ended */
#define BEAT_US	    3000000
#define RETRY_US    1000000 /* between one try and the next */
#define DB_READ_S   120
#define PAIR_READ_S 3600 /* an ALTER is waited for on its own connection; this bounds a dead server */

/* --- the journal --- */

static void record_set(struct job *j, const char *name, const char *value)
{
	json_object_set_new(j->record, name, json_string(value));
}

static const char *record_text(const struct job *j, const char *name)
{
	const char *v = json_string_value(json_object_get(j->record, name));

	return v ? v : "";
}

static uint32_t record_index(const struct job *j)
{
	return (uint32_t)json_integer_value(json_object_get(j->record, "index"));
}

static char *entry_name(const struct job_entry *e)
{
	return e->arg == JOB_NO_SIDE ? xstrdup(e->step->name)
				     : xasprintf("%s %s", side_name((enum pair_side)e->arg), e->step->name);
}

static void record_place(struct job *j, uint32_t index, const char *phase)
{
	char *name = index < j->entry_n ? entry_name(&j->entries[index]) : xstrdup("");

	json_object_set_new(j->record, "index", json_integer(index));
	record_set(j, "step", name);
	record_set(j, "phase", phase);
	free(name);
}

/* Into the store, if it is still ours. Finished jobs give the lock up with it. */
static int record_write(struct job *j, bool finished, struct err *err)
{
	char key[STORE_KEY_MAX], lock[STORE_KEY_MAX], *text, *lock_text = NULL;
	struct store_op ops[2];
	int rc;

	json_object_set_new(j->record, "at", json_integer((json_int_t)(clock_wall_us() / 1000000)));
	text = json_dumps(j->record, JSON_COMPACT);
	snprintf(key, sizeof(key), "ops/%s", j->id);
	ops[0] = (struct store_op){ .key = key, .value = str_of(text), .check = true, .version = j->record_version };
	lock_key(j->keyspace, j->shard, lock, sizeof(lock));
	lock_text = finished ? NULL : lock_value(j->id, ++j->beat);
	ops[1] =
		(struct store_op){ .key = lock, .value = str_of(lock_text), .check = true, .version = j->lock_version };
	rc = store_commit(j->o->store, ops, ARRAY_N(ops), err);
	if (rc == ERR_TIMEOUT)
		rc = lock_was_written(j->o, ops, ARRAY_N(ops), err);
	if (rc == STORE_CONFLICT)
		rc = err_set(err, ERR_DENIED, ER_CANT_DO_THIS_DURING_A_TRANSACTION,
			"the operation %s has been taken over by another keywayctl: this one stops here", j->id);
	if (rc == 0)
		rc = lock_version_of(j->o, key, text, &j->record_version, err);
	if (rc == 0 && lock_text)
		rc = lock_version_of(j->o, lock, lock_text, &j->lock_version, err);
	if (rc == 0)
		j->beat_us = clock_mono_us();
	free(text);
	free(lock_text);
	return rc;
}

int job_save(struct job *j, struct err *err)
{
	return record_write(j, false, err);
}

int job_tick(struct job *j, struct err *err)
{
	if (!j->undoing && j->o->cancelled && *j->o->cancelled)
		return err_set(err, ERR_TIMEOUT, ER_QUERY_INTERRUPTED, "stopped by a signal");
	if (clock_mono_us() - j->beat_us < BEAT_US)
		return 0;
	return record_write(j, false, err);
}

/* --- what steps need --- */

void job_say(const struct job *j, enum ops_say kind, const char *fmt, ...)
{
	char line[900];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	ops_say(j->o, kind, "%s%s%s", j->shard[0] ? j->shard : "", j->shard[0] ? ": " : "", line);
}

const char *job_arg(const struct job *j, const char *name)
{
	return json_string_value(json_object_get(j->args, name));
}

uint64_t job_arg_us(const struct job *j, const char *name, uint64_t otherwise)
{
	json_t *v = json_object_get(j->args, name);

	return json_is_integer(v) ? (uint64_t)json_integer_value(v) : otherwise;
}

bool job_arg_true(const struct job *j, const char *name)
{
	return json_is_true(json_object_get(j->args, name));
}

int job_map(struct job *j, struct err *err)
{
	struct keyspace *ks;
	int rc = ops_keyspace(j->o, j->keyspace, &ks, NULL, err);

	if (rc < 0)
		return rc;
	j->sh = keyspace_shard_by_name(ks, str_of(j->shard));
	if (!j->sh && j->shard[0]) {
		keyspace_unref(ks);
		return err_set(err, ERR_NAME, ER_WRONG_ARGUMENTS, "keyspace %s has no shard %s", j->keyspace, j->shard);
	}
	keyspace_unref(j->ks);
	j->ks = ks;
	return 0;
}

int job_pair(struct job *j, struct pair **out, struct err *err)
{
	int rc = 0;

	if (!j->pair_open) {
		rc = j->ks ? 0 : job_map(j, err);
		if (rc == 0)
			rc = pair_open(&j->pair, j->o, j->sh, PAIR_READ_S, err);
		j->pair_open = rc == 0;
		if (rc == 0)
			j->pair_ks = keyspace_ref(j->ks); /* the connections name its backends */
	}
	*out = &j->pair;
	return rc;
}

int job_db(struct job *j, const char *backend, struct db **out, struct err *err)
{
	int rc = j->ks ? 0 : job_map(j, err);
	const struct backend_def *def = NULL;

	for (uint32_t i = 0; i < j->db_n; i++) {
		*out = &j->dbs[i];
		if (strcmp(j->dbs[i].name, backend) == 0)
			return 0;
	}
	for (uint32_t i = 0; rc == 0 && i < j->sh->backend_n; i++) {
		if (str_eqz(j->sh->backends[i].name, backend))
			def = &j->sh->backends[i];
	}
	if (rc == 0 && !def)
		rc = err_set(err, ERR_NAME, ER_WRONG_ARGUMENTS, "shard %s has no backend %s", j->shard, backend);
	if (rc < 0)
		return rc;
	if (!j->dbs) {
		j->dbs = xcalloc(MAP_BACKENDS_MAX, sizeof(*j->dbs));
		j->dbs_ks = keyspace_ref(j->ks); /* the connections name its backends */
	}
	if (j->db_n == MAP_BACKENDS_MAX)
		return err_set(err, ERR_LIMIT, ER_WRONG_ARGUMENTS, "too many backends");
	rc = db_open(&j->dbs[j->db_n], def, &j->o->account, DB_READ_S, err);
	if (rc < 0)
		return rc;
	*out = &j->dbs[j->db_n++];
	return 0;
}

/* --- running --- */

static void say_step(const struct job *j, const struct job_entry *e, bool undo)
{
	char line[400];
	const char *side = e->arg == JOB_NO_SIDE ? "" : side_name((enum pair_side)e->arg);
	const char *at = strstr(e->step->describe, "%s");

	if (at)
		snprintf(
			line, sizeof(line), "%.*s%s%s", (int)(at - e->step->describe), e->step->describe, side, at + 2);
	else
		snprintf(line, sizeof(line), "%s", e->step->describe);
	job_say(j, OPS_STEP, "%s%s", undo ? "undo: " : "", line);
}

/* Undoes the entries from @from down to @to, all of them even when one fails; the first error is the one told. */
static int undo_range(struct job *j, uint32_t from, uint32_t to, struct err *err)
{
	struct err first = { 0 }, one;
	bool before = j->undoing;

	j->undoing = true;
	for (uint32_t i = from + 1; i-- > to;) {
		const struct job_entry *e = &j->entries[i];

		if (!e->step->undo)
			continue;
		say_step(j, e, true);
		if (e->step->undo(j, e->arg, &one) < 0) {
			job_say(j, OPS_TROUBLE, "undo failed: %s", one.msg);
			if (!first.kind)
				first = one;
		}
	}
	j->undoing = before;
	j->held_us = 0;
	if (first.kind)
		*err = first;
	return first.kind;
}

static void nap(uint64_t us)
{
	struct timespec t = { (time_t)(us / 1000000), (long)(us % 1000000) * 1000 };

	nanosleep(&t, NULL);
}

/* A step could not be done now. The index of the step to go on with; negative: time is up, @err says why. */
static int64_t try_again(struct job *j, uint32_t at, struct err *err)
{
	uint32_t to = at;
	struct err why = *err, late;

	while (to > 0 && !j->entries[to].step->retry)
		to--;
	if (clock_mono_us() >= j->retry_until_us) {
		*err = why;
		return why.kind ? why.kind : ERR_TIMEOUT;
	}
	job_say(j, OPS_NOTE, "%s; traffic goes on as before, and it is tried again", why.msg);
	if (undo_range(j, at, to, err) < 0)
		return err->kind;
	for (int i = 0; i < 10; i++) {
		nap(RETRY_US / 10);
		if (job_tick(j, &late) < 0) {
			*err = late;
			return late.kind;
		}
	}
	return to;
}

/* For tests of what is left when the tool dies: it stops here, once the step named by the environment has acted. */
static void stop_for_test(const struct job_entry *e)
{
	const char *at = getenv("KEYWAY_OPS_STOP_AT");
	char *name = at ? entry_name(e) : NULL;

	if (at && strcmp(at, name) == 0)
		raise(SIGSTOP);
	free(name);
}

static int run_forward(struct job *j, uint32_t from, struct err *err)
{
	int64_t i = from;

	while (i < j->entry_n) {
		const struct job_entry *e = &j->entries[i];
		int rc;

		record_place(j, (uint32_t)i, "doing");
		rc = record_write(j, false, err);
		if (rc < 0)
			return rc;
		if (!j->retry_until_us)
			j->retry_until_us = clock_mono_us() + job_arg_us(j, "wait_us", 0);
		say_step(j, e, false);
		err->kind = 0;
		rc = e->step->act(j, e->arg, err);
		stop_for_test(e);
		if (rc < 0)
			return rc;
		if (rc == JOB_AGAIN)
			i = try_again(j, (uint32_t)i, err);
		else
			i++;
		if (i < 0)
			return (int)i;
		if (i < j->entry_n && j->entries[i].step->retry && rc == 0)
			j->retry_until_us = 0;
	}
	return 0;
}

static int finish(struct job *j, const char *phase, const struct err *why, struct err *err)
{
	if (why)
		record_set(j, "why", why->msg);
	record_place(j, record_index(j), phase);
	return record_write(j, strcmp(phase, "stuck") != 0, err);
}

/* Behind the last way back? 1: yes, and the step before @index has taken effect. */
static int only_forward(struct job *j, uint32_t index, struct err *err)
{
	for (uint32_t i = 0; i <= index && i < j->entry_n; i++) {
		const struct job_entry *e = &j->entries[i];
		int rc;

		if (!e->step->last_way_back)
			continue;
		rc = i < index ? 1 : e->step->done(j, e->arg, err);
		if (rc != 0)
			return rc;
	}
	return 0;
}

static int go_back(struct job *j, const struct err *why, struct err *err)
{
	uint32_t index = MIN(record_index(j), j->entry_n - 1);
	struct err undo_err = { 0 }, late;
	int rc;

	j->undoing = true;
	record_place(j, index, "undoing");
	record_set(j, "why", why->msg);
	rc = record_write(j, false, &late);
	if (rc < 0 && rc == ERR_DENIED) {
		*err = late;
		return rc; /* somebody else's now */
	}
	if (rc < 0)
		job_say(j, OPS_TROUBLE, "the journal cannot be written (%s): undone all the same", late.msg);
	rc = j->kind->back ? j->kind->back(j, &undo_err) : undo_range(j, index, 0, &undo_err);
	if (finish(j, rc < 0 ? "stuck" : "undone", why, &late) < 0)
		job_say(j, OPS_TROUBLE, "the journal cannot be written: %s", late.msg);
	*err = *why;
	if (rc < 0)
		err_set(err, ERR_BACKEND, ER_NET_READ_ERROR,
			"%.200s; not all could be undone (%.180s): keywayctl ops abort %s tries again", why->msg,
			undo_err.msg, j->id);
	return err->kind;
}

static int run_to_end(struct job *j, struct err *err)
{
	struct err why, late;
	int rc = run_forward(j, record_index(j), err);

	if (rc == 0)
		return finish(j, "done", NULL, err);
	why = *err;
	if (rc == ERR_DENIED && strstr(why.msg, "taken over"))
		return rc;
	rc = only_forward(j, record_index(j), &late);
	if (rc != 0) {
		err_set(err, ERR_BACKEND, ER_NET_READ_ERROR,
			"%.300s; too much is done to go back: keywayctl ops resume %s goes on", why.msg, j->id);
		return err->kind;
	}
	return go_back(j, &why, err);
}

static void job_free(struct job *j)
{
	if (j->pair_open)
		pair_close(&j->pair);
	for (uint32_t i = 0; i < j->db_n; i++)
		db_close(&j->dbs[i]);
	free(j->dbs);
	keyspace_unref(j->dbs_ks);
	keyspace_unref(j->pair_ks);
	keyspace_unref(j->ks);
	json_decref(j->record);
}

static void take_record(struct job *j, json_t *record)
{
	j->record = record;
	j->args = json_object_get(record, "args");
	j->memo = json_object_get(record, "memo");
	j->keyspace = record_text(j, "keyspace");
	j->shard = record_text(j, "shard");
	snprintf(j->id, sizeof(j->id), "%s", record_text(j, "id"));
	j->entry_n = j->kind->plan(j, j->entries);
}

void job_new_id(char out[JOB_ID_MAX])
{
	time_t now = time(NULL);
	uint32_t r = 0;
	struct tm tm;
	size_t n;

	gmtime_r(&now, &tm);
	n = strftime(out, JOB_ID_MAX, "%Y%m%d-%H%M%S-", &tm);
	if (getrandom(&r, sizeof(r), 0) != sizeof(r))
		r = (uint32_t)getpid();
	snprintf(out + n, JOB_ID_MAX - n, "%06x", r & 0xffffff);
}

static int job_begin(struct job *j, const char *keyspace, const char *shard, json_t *args, struct err *err)
{
	char id[JOB_ID_MAX];

	job_new_id(id);
	take_record(
		j, json_pack("{s:s, s:s, s:s, s:s, s:O, s:{}, s:s, s:i}", "id", id, "kind", j->kind->name, "keyspace",
			   keyspace, "shard", shard, "args", args, "memo", "phase", "doing", "index", 0));
	return record_write(j, false, err);
}

/* Takes an unfinished one over. */
static int job_take(struct job *j, json_t *record, uint64_t version, bool force, struct err *err)
{
	char *name;
	uint32_t index;
	int rc;

	take_record(j, record);
	j->record_version = version;
	index = record_index(j);
	name = index < j->entry_n ? entry_name(&j->entries[index]) : xstrdup("");
	rc = strcmp(name, record_text(j, "step")) == 0
		     ? 0
		     : err_set(err, ERR_CONFIG, ER_WRONG_ARGUMENTS,
			       "the operation %s was begun by another version of keywayctl: use that one", j->id);
	free(name);
	if (rc == 0)
		rc = lock_take(j->o, j->keyspace, j->shard, j->id, force, &j->lock_version, err);
	return rc < 0 ? rc : record_write(j, false, err);
}

static int read_record(const struct ops *o, const char *id, json_t **out, uint64_t *version, struct err *err)
{
	struct store_item it;
	char key[STORE_KEY_MAX];
	int rc;

	snprintf(key, sizeof(key), "ops/%s", id);
	rc = store_get(o->store, key, &it, err);
	if (rc > 0)
		return err_set(
			err, ERR_NAME, ER_WRONG_ARGUMENTS, "the store knows no operation %s: keywayctl ops list", id);
	if (rc < 0)
		return rc;
	*out = json_loadb(it.value, it.value_n, 0, NULL);
	*version = it.version;
	store_item_free(&it);
	if (!json_is_object(*out) || !json_is_object(json_object_get(*out, "args")) ||
		!json_is_object(json_object_get(*out, "memo"))) {
		json_decref(*out);
		*out = NULL;
		return err_set(
			err, ERR_MALFORMED, ER_WRONG_ARGUMENTS, "the journal of operation %s cannot be read", id);
	}
	return 0;
}

static bool unfinished(json_t *record)
{
	const char *phase = json_string_value(json_object_get(record, "phase"));

	return phase && strcmp(phase, "done") != 0 && strcmp(phase, "undone") != 0;
}

static int resume_record(struct job *j, json_t *record, uint64_t version, bool back, bool force, struct err *err)
{
	struct err why;
	int rc;

	if (!unfinished(record)) {
		rc = err_set(err, ERR_NAME, ER_WRONG_ARGUMENTS, "that operation has ended: it is %s",
			json_string_value(json_object_get(record, "phase")));
		json_decref(record);
		return rc;
	}
	rc = job_take(j, record, version, force, err);
	if (rc < 0)
		return rc;
	if (strcmp(record_text(j, "phase"), "doing") != 0)
		back = true; /* half undone already */
	if (back) {
		rc = only_forward(j, record_index(j), err);
		if (rc < 0)
			return rc;
		if (rc > 0) {
			job_say(j, OPS_NOTE, "too much is done to go back: it goes on to its end");
			back = false;
		}
	}
	if (!back)
		return run_to_end(j, err);
	err_set(&why, ERR_TIMEOUT, ER_QUERY_INTERRUPTED, "aborted by the operator");
	rc = go_back(j, &why, err);
	return strcmp(record_text(j, "phase"), "undone") == 0 ? 0 : rc;
}

static int by_id(const struct ops *o, const char *id, bool back, bool force, json_t **out, struct err *err)
{
	struct job j = { .o = o };
	uint64_t version;
	json_t *record;
	const char *kind;
	int rc = read_record(o, id, &record, &version, err);

	if (rc < 0)
		return rc;
	kind = json_string_value(json_object_get(record, "kind"));
	j.kind = job_kind_find(kind ? kind : "");
	if (!j.kind) {
		json_decref(record);
		return err_set(
			err, ERR_CONFIG, ER_WRONG_ARGUMENTS, "operation %s is of a kind that is not known here", id);
	}
	rc = resume_record(&j, record, version, back, force, err);
	if (out)
		*out = json_incref(j.memo);
	job_free(&j);
	return rc;
}

int job_abort(const struct ops *o, const char *id, bool force, struct err *err)
{
	return by_id(o, id, true, force, NULL, err);
}

int job_resume(const struct ops *o, const char *id, bool force, struct err *err)
{
	return by_id(o, id, false, force, NULL, err);
}

static void forget_old(const struct ops *o, const struct store_item *it, json_t *record)
{
	uint64_t at = (uint64_t)json_integer_value(json_object_get(record, "at"));
	struct store_op drop = { .key = it->key, .check = true, .version = it->version };
	struct err err;

	if (json_is_object(record) && !unfinished(record) && at && at + KEPT_S < clock_wall_us() / 1000000 &&
		store_commit(o->store, &drop, 1, &err) < 0)
		ops_say(o, OPS_NOTE, "an old operation stays in the store: %s", err.msg);
}

/* The unfinished job that is meant by doing the same again. Its id in @id, or "". */
static int find_same(const struct ops *o, const struct job_kind *kind, const char *keyspace, const char *shard,
	json_t *args, char id[JOB_ID_MAX], struct err *err)
{
	struct store_items all;
	int rc = store_list(o->store, "ops/", &all, err);

	id[0] = '\0';
	if (rc < 0)
		return rc;
	for (uint32_t i = 0; i < all.n; i++) {
		json_t *r = json_loadb(all.v[i].value, all.v[i].value_n, 0, NULL);
		const char *k = json_string_value(json_object_get(r, "kind"));
		const char *s = json_string_value(json_object_get(r, "keyspace"));
		const char *h = json_string_value(json_object_get(r, "shard"));
		const char *what = json_string_value(json_object_get(json_object_get(r, "args"), "what"));
		const char *mine = json_string_value(json_object_get(args, "what"));
		const char *name = json_string_value(json_object_get(r, "id"));

		if (name && k && s && h && what && mine && unfinished(r) && !strcmp(k, kind->name) &&
			!strcmp(s, keyspace) && !strcmp(h, shard) && !strcmp(what, mine))
			snprintf(id, JOB_ID_MAX, "%s", name);
		forget_old(o, &all.v[i], r);
		json_decref(r);
	}
	store_items_free(&all);
	return 0;
}

int job_run(const struct ops *o, const struct job_kind *kind, const char *keyspace, const char *shard, json_t *args,
	const struct job_options *opt, json_t **out, struct err *err)
{
	struct job j = { .o = o, .kind = kind };
	char id[JOB_ID_MAX] = "";
	int rc = 0;

	if (out)
		*out = NULL;
	if (!opt->resume)
		rc = find_same(o, kind, keyspace, shard, args, id, err);
	if (rc == 0 && (opt->resume || id[0])) {
		if (id[0])
			ops_say(o, OPS_NOTE, "goes on with the unfinished operation %s", id);
		rc = by_id(o, opt->resume ? opt->resume : id, false, opt->force, out, err);
	} else if (rc == 0) {
		rc = job_begin(&j, keyspace, shard, args, err);
		if (rc == ERR_DENIED)
			rc = lock_held_by(o, keyspace, shard, err);
		else if (rc == 0)
			rc = run_to_end(&j, err);
		if (out)
			*out = json_incref(j.memo);
		job_free(&j);
	}
	json_decref(args);
	return rc;
}
