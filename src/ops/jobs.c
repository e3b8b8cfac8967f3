/* jobs.c - the kinds of jobs, and what the outside calls to run one.
 * For keywayctl.
 * Calls block; tools only. */
#include "side.h"
#include <stdio.h>
#include <stdlib.h>

static const struct job_kind *const kinds[] = { &side_drain_kind, &side_restore_kind };

const struct job_kind *job_kind_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_N(kinds); i++) {
		if (strcmp(kinds[i]->name, name) == 0)
			return kinds[i];
	}
	return NULL;
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
	out->held_us = (uint64_t)json_integer_value(json_object_get(memo, "held_us"));
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

int ops_abort(const struct ops *o, const char *id, bool force, struct err *err)
{
	return job_abort(o, id, force, err);
}

int ops_resume(const struct ops *o, const char *id, bool force, struct err *err)
{
	return job_resume(o, id, force, err);
}

static const char *text_of(json_t *record, const char *name)
{
	const char *v = json_string_value(json_object_get(record, name));

	return v ? v : "";
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
