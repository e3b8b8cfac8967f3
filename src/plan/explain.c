/* explain.c - the rows of EXPLAIN ROUTE: what a statement would do, without doing it. For sessions; worker threads.
 * Pure. */
#include "plan_int.h"
#include <stdio.h>
#include <stdlib.h>

struct telling {
	const struct plan *p;
	const struct plan_values *vals;
	const struct plan_session *session;
	bool replica;
	plan_explain_fn *row;
	void *arg;
	struct buf sql, shards;
	uint32_t step;
};

static const char *role_of(const struct telling *t, const struct shard *sh, enum plan_side side)
{
	if (t->replica && (t->p->flags & PLAN_REPLICA_OK))
		return "replica";
	if (!sh || sh->kind != SHARD_PAIR)
		return "primary";
	if (side == PLAN_SIDE_HOME)
		return sh->home == SIDE_ODD ? "odd (home)" : "even (home)";
	return side == PLAN_SIDE_ODD ? "odd" : "even";
}

static void tell(struct telling *t, enum plan_kind kind, const char *role, const char *why)
{
	struct plan_explain_row row = {
		.step = ++t->step, .kind = plan_kind_name(kind), .role = role, .why = why ? why : ""
	};

	row.shards = str_make((const char *)buf_head(&t->shards), buf_used(&t->shards));
	row.sql = str_make((const char *)buf_head(&t->sql), buf_used(&t->sql));
	t->row(&row, t->arg);
}

static void add_shard(struct telling *t, const struct shard *sh)
{
	if (buf_used(&t->shards))
		buf_add_u8(&t->shards, ',');
	buf_add_str(&t->shards, sh->name);
}

static int tell_text(struct telling *t, uint32_t shard, struct err *err)
{
	const struct scan *s = t->vals->scan;

	buf_clear(&t->sql);
	if (t->p->flags & PLAN_EDITS)
		return plan_text(t->p, t->vals, t->session, shard, &t->sql, err);
	buf_add(&t->sql, t->vals->text.p + text_begin(t->p, s), s->end - text_begin(t->p, s));
	return 0;
}

static void tell_refusal(struct telling *t, const struct err *e)
{
	buf_clear(&t->sql);
	buf_clear(&t->shards);
	tell(t, PLAN_REFUSE, "", e->msg);
}

static int tell_shards(struct telling *t, struct err *err)
{
	const struct plan *p = t->p;
	uint16_t *at = xcalloc(p->ks->shard_n, sizeof(*at));
	struct plan_target target = { .shards = at };
	struct err why = { 0 };
	char text[512];
	int rc = 0;

	if (plan_bind(p, t->vals, &target, &why) < 0) {
		tell_refusal(t, &why);
		free(at);
		return 0;
	}
	snprintf(text, sizeof(text), "%s%s", p->why ? p->why : "",
		target.n < 2		? ""
		: p->flags & PLAN_FIRST ? "; all do the same"
		: p->flags & PLAN_ROWS	? "; their rows together are the answer"
					: "; their counts add up");
	if (p->flags & PLAN_PER_SHARD_TEXT) {
		for (uint32_t i = 0; i < target.n && rc == 0; i++) {
			buf_clear(&t->shards);
			add_shard(t, &p->ks->shards[at[i]]);
			rc = tell_text(t, at[i], err);
			tell(t, p->kind, role_of(t, &p->ks->shards[at[i]], target.side), text);
		}
	} else {
		for (uint32_t i = 0; i < target.n; i++)
			add_shard(t, &p->ks->shards[at[i]]);
		rc = tell_text(t, at[0], err);
		tell(t, p->kind, role_of(t, &p->ks->shards[at[0]], target.side), text);
	}
	free(at);
	return rc;
}

/* Ids are not spent on an explanation: rows that need one are told of, not split. */
static int tell_insert(struct telling *t, struct err *err)
{
	const struct plan *p = t->p;
	struct plan_insert_run run = { 0 };
	struct err why = { 0 };
	int rc = 0;

	if (plan_insert_open(p, t->vals, &run, &why) < 0) {
		tell_refusal(t, &why);
	} else if (run.n_ids) {
		char text[256];

		snprintf(text, sizeof(text), "%s; %u of %u rows get ids from allocator %.*s first", p->why, run.n_ids,
			run.n_rows, STR_ARG(p->id_allocator));
		rc = tell_text(t, 0, err);
		tell(t, p->kind, "primary", text);
	} else if (plan_insert_split(p, t->vals, &run, NULL, &why) < 0) {
		tell_refusal(t, &why);
	} else {
		for (uint32_t i = 0; i < run.n_parts && rc == 0; i++) {
			const struct shard *sh = &p->ks->shards[run.parts[i].shard];

			buf_clear(&t->shards);
			buf_clear(&t->sql);
			add_shard(t, sh);
			rc = plan_insert_text(p, t->vals, &run, NULL, i, t->session, &t->sql, err);
			tell(t, p->kind, role_of(t, sh, (enum plan_side)run.parts[i].side), p->why);
		}
	}
	plan_insert_run_free(&run);
	return rc;
}

int plan_explain(const struct plan *p, const struct plan_values *vals, const struct plan_session *session, bool replica,
	plan_explain_fn *row, void *arg, struct err *err)
{
	struct telling t = { .p = p, .vals = vals, .session = session, .replica = replica, .row = row, .arg = arg };
	int rc = 0;

	switch (p->kind) {
	case PLAN_SESSION:
		rc = tell_text(&t, 0, err);
		tell(&t, p->kind, "", p->why);
		break;
	case PLAN_REFUSE: tell_refusal(&t, &p->err); break;
	case PLAN_INSERT: rc = tell_insert(&t, err); break;
	default: rc = tell_shards(&t, err); break;
	}
	buf_free(&t.sql);
	buf_free(&t.shards);
	return rc;
}
