/* jobs.c - the kinds of jobs, and what the outside calls to run one.
 * For keywayctl.
 * Calls block; tools only. */
#include "alter.h"
#include "side.h"
#include "switchover.h"
#include <stdio.h>
#include <stdlib.h>

static const struct job_kind *const kinds[] = { &side_drain_kind, &side_restore_kind, &side_alter_kind,
	&switchover_kind };

const struct job_kind *job_kind_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_N(kinds); i++) {
		if (strcmp(kinds[i]->name, name) == 0)
			return kinds[i];
	}
	return NULL;
}

static const char *text_of(json_t *record, const char *name)
{
	const char *v = json_string_value(json_object_get(record, name));

	return v ? v : "";
}

static json_t *move_args(const struct ops_move *m)
{
	json_t *args =
		json_pack("{s:I, s:b, s:b}", "wait_us", (json_int_t)m->wait_us, "kill", m->kill, "force", m->force);

	if (m->pause_us)
		json_object_set_new(args, "pause_us", json_integer((json_int_t)m->pause_us));
	return args;
}

static void result_of(json_t *memo, struct ops_move_result *out)
{
	out->held_us = MAX(out->held_us, (uint64_t)json_integer_value(json_object_get(memo, "held_us")));
	json_decref(memo);
}

static int run(const struct ops *o, const struct job_kind *kind, const struct ops_move *m, json_t *args,
	struct ops_move_result *out, struct err *err)
{
	struct job_options opt = { .resume = m->resume, .force = m->force };
	json_t *memo;
	int rc = job_run(o, kind, m->keyspace, m->shard, args, &opt, &memo, err);

	result_of(memo, out);
	return rc;
}

static int run_side(const struct ops *o, const struct job_kind *kind, const struct ops_move *m, enum pair_side side,
	struct ops_move_result *out, struct err *err)
{
	json_t *args = move_args(m);

	json_object_set_new(args, "what", json_string(side_name(side)));
	json_object_set_new(args, "side", json_string(side_name(side)));
	return run(o, kind, m, args, out, err);
}

int ops_side_drain(const struct ops *o, const struct ops_move *m, enum pair_side side, struct ops_move_result *out,
	struct err *err)
{
	return run_side(o, &side_drain_kind, m, side, out, err);
}

int ops_side_restore(const struct ops *o, const struct ops_move *m, enum pair_side side, struct ops_move_result *out,
	struct err *err)
{
	return run_side(o, &side_restore_kind, m, side, out, err);
}

/* --- ALTER on all pairs of a keyspace: shards that the last run has done are not done again --- */

/* The last unfinished run of @ddl, "" when there is none; whether it has done @shard in *@done. */
static int alter_run(const struct ops *o, const char *keyspace, const char *ddl, char run[JOB_ID_MAX],
	const char *shard, bool *done, struct err *err)
{
	struct store_items all;
	int rc = store_list(o->store, "ops/", &all, err);

	if (rc < 0)
		return rc;
	for (uint32_t i = 0; i < all.n; i++) {
		json_t *r = json_loadb(all.v[i].value, all.v[i].value_n, 0, NULL);
		const char *of = text_of(json_object_get(r, "args"), "run");

		if (of[0] && !strcmp(text_of(r, "kind"), side_alter_kind.name) &&
			!strcmp(text_of(r, "keyspace"), keyspace) &&
			!strcmp(text_of(json_object_get(r, "args"), "what"), ddl)) {
			if (!shard && strcmp(of, run) > 0)
				snprintf(run, JOB_ID_MAX, "%s", of);
			if (shard && !strcmp(of, run) && !strcmp(text_of(r, "shard"), shard) &&
				!strcmp(text_of(r, "phase"), "done"))
				*done = true;
		}
		json_decref(r);
	}
	store_items_free(&all);
	return 0;
}

static int alter_one(const struct ops *o, const struct ops_move *m, const char *ddl, const char *run_id,
	struct ops_move_result *out, struct err *err)
{
	json_t *args = move_args(m);

	json_object_set_new(args, "what", json_string(ddl));
	if (run_id[0])
		json_object_set_new(args, "run", json_string(run_id));
	return run(o, &side_alter_kind, m, args, out, err);
}

/* How many of the keyspace's pairs the run has left; 0 means that it is over. */
static int alter_left(const struct ops *o, const struct keyspace *ks, const char *keyspace, const char *ddl,
	char run_id[JOB_ID_MAX], uint32_t *left, struct err *err)
{
	int rc = 0;

	*left = 0;
	for (uint32_t i = 0; rc == 0 && i < ks->shard_n; i++) {
		char *shard = str_dup(ks->shards[i].name);
		bool done = false;

		if (ks->shards[i].kind == SHARD_PAIR) {
			rc = alter_run(o, keyspace, ddl, run_id, shard, &done, err);
			*left += !done;
		}
		free(shard);
	}
	return rc;
}

static int alter_all(
	const struct ops *o, const struct ops_move *m, const char *ddl, struct ops_move_result *out, struct err *err)
{
	char run_id[JOB_ID_MAX] = "";
	struct keyspace *ks;
	uint32_t left;
	int rc = ops_keyspace(o, m->keyspace, &ks, NULL, err);

	if (rc < 0)
		return rc;
	rc = alter_run(o, m->keyspace, ddl, run_id, NULL, NULL, err);
	if (rc == 0)
		rc = alter_left(o, ks, m->keyspace, ddl, run_id, &left, err);
	if (rc == 0 && (!run_id[0] || !left))
		job_new_id(run_id);
	for (uint32_t i = 0; rc == 0 && i < ks->shard_n; i++) {
		char *shard = str_dup(ks->shards[i].name);
		struct ops_move one = *m;
		bool done = false;

		one.shard = shard;
		if (ks->shards[i].kind == SHARD_PAIR)
			rc = alter_run(o, m->keyspace, ddl, run_id, shard, &done, err);
		if (rc == 0 && done)
			ops_say(o, OPS_NOTE, "%s: done by the run before", shard);
		else if (rc == 0 && ks->shards[i].kind == SHARD_PAIR)
			rc = alter_one(o, &one, ddl, run_id, out, err);
		free(shard);
	}
	keyspace_unref(ks);
	return rc;
}

int ops_side_alter(
	const struct ops *o, const struct ops_move *m, const char *ddl, struct ops_move_result *out, struct err *err)
{
	int rc = alter_check_text(ddl, err);

	*out = (struct ops_move_result){ 0 };
	if (rc < 0)
		return rc;
	return m->shard ? alter_one(o, m, ddl, "", out, err) : alter_all(o, m, ddl, out, err);
}

int ops_switchover(
	const struct ops *o, const struct ops_move *m, const char *to, struct ops_move_result *out, struct err *err)
{
	json_t *args = move_args(m);

	json_object_set_new(args, "what", json_string(to));
	return run(o, &switchover_kind, m, args, out, err);
}

int ops_abort(const struct ops *o, const char *id, bool force, struct err *err)
{
	return job_abort(o, id, force, err);
}

int ops_resume(const struct ops *o, const char *id, bool force, struct err *err)
{
	return job_resume(o, id, force, err);
}

int ops_list(const struct ops *o, void (*one)(void *arg, const struct ops_entry *e), void *arg, struct err *err)
{
	struct store_items all;
	int rc = store_list(o->store, "ops/", &all, err);

	if (rc < 0)
		return rc;
	for (uint32_t i = 0; i < all.n; i++) {
		json_t *r = json_loadb(all.v[i].value, all.v[i].value_n, 0, NULL);
		struct ops_entry e = { .id = text_of(r, "id"),
			.kind = text_of(r, "kind"),
			.keyspace = text_of(r, "keyspace"),
			.shard = text_of(r, "shard"),
			.what = text_of(json_object_get(r, "args"), "what"),
			.phase = text_of(r, "phase"),
			.step = text_of(r, "step"),
			.why = text_of(r, "why"),
			.at_s = (uint64_t)json_integer_value(json_object_get(r, "at")) };

		if (e.id[0])
			one(arg, &e);
		json_decref(r);
	}
	store_items_free(&all);
	return 0;
}
