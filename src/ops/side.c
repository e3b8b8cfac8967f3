/* side.c - one side of a pair gives its traffic to the other and takes it back: no statement fails, none runs on a side
 * that does not have what was written before it.
 * For keywayctl side drain, side restore, and side alter.
 * Calls block; tools only.
 *
 * drain:    check, near, hold, settle, fence, apply, hand-over
 * restore:  check, near, hold, settle, apply, unfence, serve
 *
 * Between hold and hand-over (or serve) new statements of the side wait at the proxies: the pause.
 */
#include "side.h"
#include <stdio.h>

#define SAY_US 2000000

static const struct backend_def *side_def(const struct job *j, int side)
{
	return j->sh->sides[side];
}

/* memo keys: "odd.begun" its statements have been held, "odd.read_only" what it was before, "odd.away" the other side
 * may have written this side's rows. */
static void memo_set(struct job *j, int side, const char *what, bool v)
{
	char key[32];

	snprintf(key, sizeof(key), "%s.%s", side_name((enum pair_side)side), what);
	json_object_set_new(j->memo, key, json_boolean(v));
}

static bool memo_true(const struct job *j, int side, const char *what)
{
	char key[32];

	snprintf(key, sizeof(key), "%s.%s", side_name((enum pair_side)side), what);
	return json_is_true(json_object_get(j->memo, key));
}

/* --- shared steps --- */

static int want_pair(struct job *j, struct pair **p, struct err *err)
{
	int rc = job_pair(j, p, err);

	return rc == 0 && !j->ks ? job_map(j, err) : rc;
}

/* @side has applied what the other has written by now, however long that takes; the pause comes later. */
static int catch_up(struct job *j, int side, struct err *err)
{
	struct gtid_list pos;
	uint64_t said_us = clock_mono_us();
	struct db_replica r;
	struct pair *p;
	int rc = want_pair(j, &p, err);

	if (rc == 0)
		rc = pair_position(p, (enum pair_side) !side, &pos, err);
	while (rc == 0) {
		rc = db_wait_position(&p->side[side], &pos, 1000000, err);
		if (rc <= 0)
			return rc;
		rc = job_tick(j, err);
		if (rc < 0 || clock_mono_us() - said_us < SAY_US)
			continue;
		said_us = clock_mono_us();
		rc = db_replica(&p->side[side], &r, err);
		if (rc == 0)
			job_say(j, OPS_NOTE, "the %s side is %llu s behind", side_name((enum pair_side)side),
				(unsigned long long)r.behind_s);
	}
	return rc;
}

static int settle(struct job *j, int side, struct err *err)
{
	struct pair *p;
	int rc = want_pair(j, &p, err);

	/* what is under way runs where the side's statements went before */
	return rc < 0 ? rc
		      : job_settle(j, side_name((enum pair_side)side),
				&p->side[memo_true(j, side, "away") ? !side : side], err);
}

/* @side has what the other has written, within what is left of the pause. */
static int apply_on(struct job *j, int side, struct err *err)
{
	struct gtid_list pos;
	struct pair *p;
	int rc = want_pair(j, &p, err);

	if (rc == 0)
		rc = pair_position(p, (enum pair_side) !side, &pos, err);
	return rc < 0 ? rc : job_wait_position(j, &p->side[side], &pos, err);
}

static int set_read_only(struct job *j, int side, bool on, struct err *err)
{
	struct pair *p;
	int rc = want_pair(j, &p, err);

	return rc < 0 ? rc : db_exec(&p->side[side], err, "SET GLOBAL read_only = %d", on);
}

static int set_state(struct job *j, int side, enum backend_state state, const char *verb, struct err *err)
{
	char why[64];

	snprintf(why, sizeof(why), "%s the %s side", verb, side_name((enum pair_side)side));
	return job_set_state(j, side_def(j, side), state, why, err);
}

/* From here on the way back is ours: what check noted has to be in the store first. */
static int begin_hold(struct job *j, int side, const char *verb, struct err *err)
{
	int rc = j->ks ? 0 : job_map(j, err);

	memo_set(j, side, "begun", true);
	if (rc == 0)
		rc = job_save(j, err);
	j->held_us = clock_mono_us();
	return rc < 0 ? rc : set_state(j, side, BACKEND_DRAINING, verb, err);
}

static int check_pair(struct job *j, int side, struct err *err)
{
	struct pair *p;
	int rc = job_map(j, err);

	if (rc == 0)
		rc = job_pair(j, &p, err);
	if (rc == 0)
		rc = pair_check(p, err);
	if (rc == 0 && side_def(j, !side)->state != BACKEND_SERVING)
		rc = err_set(err, ERR_DENIED, ER_CANT_DO_THIS_DURING_A_TRANSACTION,
			"the %s side is not serving: one side has to", side_name((enum pair_side) !side));
	return rc;
}

/* --- drain --- */

static int drain_check(struct job *j, int side, struct err *err)
{
	uint64_t own = 0, other = 0;
	struct pair *p;
	int rc = check_pair(j, side, err);

	if (rc == 0 && side_def(j, side)->state == BACKEND_DRAINED)
		rc = err_set(err, ERR_DENIED, ER_CANT_DO_THIS_DURING_A_TRANSACTION, "the %s side is drained already",
			side_name((enum pair_side)side));
	if (rc == 0)
		rc = job_pair(j, &p, err);
	if (rc == 0)
		rc = db_u64(&p->side[side], &own, err, "SELECT @@GLOBAL.read_only");
	if (rc == 0)
		rc = db_u64(&p->side[!side], &other, err, "SELECT @@GLOBAL.read_only");
	if (rc == 0 && other)
		rc = err_set(err, ERR_DENIED, ER_OPTION_PREVENTS_STATEMENT,
			"the %s side is read_only: it cannot take the traffic", side_name((enum pair_side) !side));
	if (rc == 0)
		memo_set(j, side, "read_only", own != 0);
	return rc;
}

static int drain_near(struct job *j, int side, struct err *err)
{
	return catch_up(j, !side, err);
}

static int drain_hold(struct job *j, int side, struct err *err)
{
	return begin_hold(j, side, "drain", err);
}

static int drain_unhold(struct job *j, int side, struct err *err)
{
	int rc = job_map(j, err);

	return rc < 0 ? rc : set_state(j, side, BACKEND_SERVING, "do not drain", err);
}

static int drain_fence(struct job *j, int side, struct err *err)
{
	return set_read_only(j, side, true, err);
}

static int drain_unfence(struct job *j, int side, struct err *err)
{
	return set_read_only(j, side, memo_true(j, side, "read_only"), err);
}

static int drain_apply(struct job *j, int side, struct err *err)
{
	return apply_on(j, !side, err);
}

static int drain_hand_over(struct job *j, int side, struct err *err)
{
	int rc = j->ks ? 0 : job_map(j, err);

	memo_set(j, side, "away", true);
	if (rc == 0)
		rc = job_save(j, err);
	if (rc == 0)
		rc = set_state(j, side, BACKEND_DRAINED, "drained", err);
	if (rc == 0)
		rc = job_served(j, err);
	if (rc == 0)
		job_pause_ends(j, side_name((enum pair_side)side));
	return rc;
}

static const struct job_step drain_steps[] = {
	{ .name = "check", .describe = "check both sides", .act = drain_check },
	{ .name = "near", .describe = "the other side catches up with the %s side", .act = drain_near },
	{ .name = "hold",
		.describe = "new statements of the %s side wait at the proxies",
		.act = drain_hold,
		.undo = drain_unhold,
		.retry = true },
	{ .name = "settle", .describe = "what is under way on the %s side ends", .act = settle },
	{ .name = "fence", .describe = "the %s side becomes read_only", .act = drain_fence, .undo = drain_unfence },
	{ .name = "apply", .describe = "the other side applies the last of the %s side's writes", .act = drain_apply },
	{ .name = "hand-over", .describe = "the %s side's statements go to the other side", .act = drain_hand_over },
};

/* --- restore --- */

static int restore_check(struct job *j, int side, struct err *err)
{
	int rc = check_pair(j, side, err);

	if (rc == 0 && side_def(j, side)->state == BACKEND_SERVING)
		rc = err_set(err, ERR_DENIED, ER_CANT_DO_THIS_DURING_A_TRANSACTION, "the %s side serves already",
			side_name((enum pair_side)side));
	memo_set(j, side, "away", true);
	return rc;
}

static int restore_hold(struct job *j, int side, struct err *err)
{
	return begin_hold(j, side, "restore", err);
}

static int restore_unhold(struct job *j, int side, struct err *err)
{
	int rc = job_map(j, err);

	return rc < 0 ? rc : set_state(j, side, BACKEND_DRAINED, "do not restore yet", err);
}

static int restore_unfence(struct job *j, int side, struct err *err)
{
	return set_read_only(j, side, false, err);
}

static int restore_fence(struct job *j, int side, struct err *err)
{
	return set_read_only(j, side, true, err);
}

static int restore_serve(struct job *j, int side, struct err *err)
{
	int rc = j->ks ? 0 : job_map(j, err);

	if (rc == 0)
		rc = set_state(j, side, BACKEND_SERVING, "restore", err);
	if (rc == 0)
		rc = job_served(j, err);
	if (rc < 0)
		return rc;
	job_pause_ends(j, side_name((enum pair_side)side));
	memo_set(j, side, "away", false);
	return 0;
}

static const struct job_step restore_steps[] = {
	{ .name = "back-check", .describe = "check both sides", .act = restore_check },
	{ .name = "back-near", .describe = "the %s side catches up with the other", .act = catch_up },
	{ .name = "back-hold",
		.describe = "new statements of the %s side wait at the proxies",
		.act = restore_hold,
		.undo = restore_unhold,
		.retry = true },
	{ .name = "back-settle", .describe = "the %s side's statements end on the other side", .act = settle },
	{ .name = "back-apply", .describe = "the %s side applies the last of the other's writes", .act = apply_on },
	{ .name = "back-unfence",
		.describe = "the %s side becomes writable",
		.act = restore_unfence,
		.undo = restore_fence },
	{ .name = "back-serve", .describe = "the %s side's statements go to it again", .act = restore_serve },
};

/* --- jobs --- */

static uint32_t add_steps(struct job_entry *out, const struct job_step *steps, uint32_t n, enum pair_side side)
{
	for (uint32_t i = 0; i < n; i++)
		out[i] = (struct job_entry){ &steps[i], side };
	return n;
}

uint32_t side_add_drain(struct job_entry *out, enum pair_side side)
{
	return add_steps(out, drain_steps, ARRAY_N(drain_steps), side);
}

uint32_t side_add_restore(struct job_entry *out, enum pair_side side)
{
	return add_steps(out, restore_steps, ARRAY_N(restore_steps), side);
}

/* The side is held or drained, and the other has written its rows: all the way back. */
static int restore_now(struct job *j, int side, struct err *err)
{
	int rc = catch_up(j, side, err);

	if (rc == 0)
		rc = restore_hold(j, side, err);
	if (rc == 0)
		rc = settle(j, side, err);
	if (rc == 0)
		rc = apply_on(j, side, err);
	if (rc == 0)
		rc = restore_unfence(j, side, err);
	return rc == 0 ? restore_serve(j, side, err) : rc;
}

int side_bring_back(struct job *j, enum pair_side side, struct err *err)
{
	struct err late;
	int rc = memo_true(j, side, "begun") ? job_map(j, err) : 0;

	if (!memo_true(j, side, "begun"))
		return 0;
	if (rc < 0 || (side_def(j, side)->state == BACKEND_SERVING && !memo_true(j, side, "away")))
		return rc < 0 ? rc : drain_unfence(j, side, err);
	if (side_def(j, side)->state == BACKEND_SERVING)
		return restore_unfence(j, side, err);
	if (!memo_true(j, side, "away")) {
		rc = drain_unfence(j, side, err);
		return rc < 0 ? rc : drain_unhold(j, side, err);
	}
	job_say(j, OPS_STEP, "undo: the %s side takes its traffic back", side_name(side));
	rc = restore_now(j, side, err);
	if (rc == 0)
		return 0;
	/* as it was: the other side serves */
	job_say(j, OPS_NOTE, "it stays drained: %s", err->msg);
	j->held_us = 0;
	if (restore_fence(j, side, &late) < 0 || restore_unhold(j, side, &late) < 0)
		*err = late;
	return err->kind;
}

static enum pair_side job_side(const struct job *j)
{
	const char *side = job_arg(j, "side");

	return side && strcmp(side, "odd") == 0 ? SIDE_ODD : SIDE_EVEN;
}

static uint32_t drain_plan(struct job *j, struct job_entry *out)
{
	return side_add_drain(out, job_side(j));
}

static int drain_back(struct job *j, struct err *err)
{
	return side_bring_back(j, job_side(j), err);
}

static uint32_t restore_plan(struct job *j, struct job_entry *out)
{
	return side_add_restore(out, job_side(j));
}

/* The side stays drained, unless it serves already. */
static int restore_back(struct job *j, struct err *err)
{
	int side = job_side(j), rc = memo_true(j, side, "begun") ? job_map(j, err) : 0;

	if (rc < 0 || !memo_true(j, side, "begun") || side_def(j, side)->state == BACKEND_SERVING)
		return rc;
	rc = restore_fence(j, side, err);
	return rc < 0 ? rc : restore_unhold(j, side, err);
}

const struct job_kind side_drain_kind = { .name = "side drain", .plan = drain_plan, .back = drain_back };
const struct job_kind side_restore_kind = { .name = "side restore", .plan = restore_plan, .back = restore_back };
