/* job_map.c - changes of the map by a job, and waiting until every live proxy goes by them.
 * For the steps of drain, restore, alter, switchover.
 * Calls block; tools only. */
#include "job.h"
#include "lock.h"
#include "keyway/cluster/map_edit.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define TRIES	    8
#define PAUSE_US    1000000
#define ACK_US	    30000000
#define KILLED_US   3000000 /* until what was killed is gone from the proxies' records */
#define LOOK_US	    20000   /* between looks at the proxies' records: statements are held meanwhile */
#define LOOK_MAX_US 200000

int job_map_change(struct job *j, ops_edit_fn *edit, void *arg, const char *why, struct err *err)
{
	char *reason = xasprintf("%s (operation %s)", why, j->id), *mine = lock_value(j->id, ++j->beat);
	char lock[STORE_KEY_MAX];
	/* written with the map: a tool whose operation was taken over changes nothing any more */
	struct store_op with = { .key = lock, .value = str_of(mine), .check = true, .version = j->lock_version };
	struct ops_map_change c = { .keyspace = j->keyspace, .why = reason, .edit = edit, .arg = arg, .with = &with };
	struct ops_map_result r;
	struct ops quiet = *j->o;
	int rc;

	quiet.say = NULL;
	lock_key(j->keyspace, j->shard, lock, sizeof(lock));
	rc = ops_map_change(&quiet, &c, &r, err);
	if (rc == 0 && r.outcome == OPS_MAP_DONE)
		rc = lock_version_of(j->o, lock, mine, &j->lock_version, err);
	free(reason);
	free(mine);
	return rc < 0 ? rc : job_map(j, err);
}

struct state_edit {
	struct str backend;
	enum backend_state state;
};

static int edit_state(void *arg, struct str document, char **out, struct err *err)
{
	const struct state_edit *e = arg;

	return map_edit_backend_state(document, e->backend, e->state, out, err);
}

int job_set_state(
	struct job *j, const struct backend_def *def, enum backend_state state, const char *why, struct err *err)
{
	char *name = str_dup(def->name); /* the map that it stands in may go */
	struct state_edit e = { str_of(name), state };
	int rc = job_map_change(j, edit_state, &e, why, err);

	free(name);
	return rc;
}

/* --- the proxies --- */

/* What one proxy's record says of our shard. */
struct proxy_view {
	const char *id;
	bool serves, settled;
	json_t *busy; /* [{"session", "thread", "txn"}], of the part; NULL: none */
	uint64_t busy_n;
};

static void view_proxy(const struct job *j, const struct job_wait *w, json_t *record, struct proxy_view *v)
{
	json_t *epoch = json_object_get(json_object_get(record, "epochs"), j->keyspace);
	json_t *s = json_object_get(json_object_get(record, "settled"), j->keyspace), *b;
	size_t i;

	v->serves = json_is_integer(epoch) && (uint64_t)json_integer_value(epoch) >= w->epoch;
	if (!w->part) {
		v->settled = true;
		return;
	}
	epoch = json_object_get(s, "epoch");
	v->settled = json_is_integer(epoch) && (uint64_t)json_integer_value(epoch) >= w->epoch;
	json_array_foreach(json_object_get(s, "behind"), i, b)
	{
		const char *shard = json_string_value(json_object_get(b, "shard"));
		const char *part = json_string_value(json_object_get(b, "part"));

		if (!shard || !part || strcmp(part, w->part) || keyspace_shard_by_name(j->ks, str_of(shard)) != j->sh)
			continue;
		if ((uint64_t)json_integer_value(json_object_get(b, "epoch")) >= w->epoch)
			continue;
		v->settled = false;
		v->busy = json_object_get(b, "busy");
		v->busy_n = (uint64_t)json_integer_value(json_object_get(b, "n"));
	}
}

static void add_blockers(struct buf *out, const struct proxy_view *v)
{
	json_t *one;
	size_t i;

	if (!v->serves) {
		buf_addf(out, "%s%s does not serve the new map yet", buf_used(out) ? "; " : "", v->id);
		return;
	}
	if (v->settled)
		return;
	buf_addf(out, "%s%s: %llu still under way, sessions", buf_used(out) ? "; " : "", v->id,
		(unsigned long long)v->busy_n);
	json_array_foreach(v->busy, i, one)
	{
		if (i < 8)
			buf_addf(out, " %lld%s", (long long)json_integer_value(json_object_get(one, "session")),
				json_is_true(json_object_get(one, "pinned")) ? " (pinned)"
				: json_is_true(json_object_get(one, "txn"))  ? " (transaction)"
									     : "");
	}
}

typedef int proxy_fn(struct job *j, const struct proxy_view *v, void *arg, struct err *err);

/* Calls @fn for each live proxy. *@n: how many. */
static int each_proxy(struct job *j, const struct job_wait *w, proxy_fn *fn, void *arg, uint32_t *n, struct err *err)
{
	struct store_items all;
	int rc = store_list(j->o->store, "proxies/", &all, err);

	*n = 0;
	if (rc < 0)
		return rc;
	for (uint32_t i = 0; rc == 0 && i < all.n; i++) {
		struct proxy_view v = { .id = all.v[i].key + strlen("proxies/") };
		json_t *record = json_loadb(all.v[i].value, all.v[i].value_n, 0, NULL);

		if (json_is_object(record)) {
			++*n;
			view_proxy(j, w, record, &v);
			rc = fn(j, &v, arg, err);
		}
		json_decref(record);
	}
	store_items_free(&all);
	return rc;
}

struct look {
	struct buf blockers;
	bool all;
};

static int look_at(struct job *j, const struct proxy_view *v, void *arg, struct err *err)
{
	struct look *l = arg;

	(void)j;
	(void)err;
	l->all = l->all && v->serves && v->settled;
	add_blockers(&l->blockers, v);
	return 0;
}

int job_wait_proxies(struct job *j, const struct job_wait *w, struct err *err)
{
	uint64_t end = clock_mono_us() + w->timeout_us, nap_us = LOOK_US;

	for (;;) {
		struct timespec t = { 0, (long)nap_us * 1000 };
		struct look l = { .all = true };
		bool late = clock_mono_us() >= end;
		uint32_t n;
		int rc = each_proxy(j, w, look_at, &l, &n, err);

		if (rc == 0)
			rc = job_tick(j, err);
		if (rc == 0 && n == 0 && !job_arg_true(j, "force") && !j->undoing)
			rc = err_set(err, ERR_DENIED, ER_CANT_DO_THIS_DURING_A_TRANSACTION,
				"no live proxy is registered in the store, so nobody tells whether the change is in "
				"force: "
				"--force goes on without");
		if (rc == 0 && !l.all && late) {
			err_set(err, ERR_TIMEOUT, ER_LOCK_WAIT_TIMEOUT, "not within %llu ms: %.*s",
				(unsigned long long)(w->timeout_us / 1000), (int)MIN(buf_used(&l.blockers), 380u),
				(const char *)buf_head(&l.blockers));
			rc = 1;
		}
		buf_free(&l.blockers);
		if (rc != 0 || l.all)
			return rc;
		nanosleep(&t, NULL);
		nap_us = MIN(nap_us * 5 / 4, (uint64_t)LOOK_MAX_US);
	}
}

static int kill_one(struct job *j, const struct proxy_view *v, void *arg, struct err *err)
{
	struct db *db = arg;
	json_t *one;
	size_t i;

	json_array_foreach(v->busy, i, one)
	{
		long long thread = (long long)json_integer_value(json_object_get(one, "thread"));

		if (thread <= 0)
			continue;
		job_say(j, OPS_NOTE, "ends session %lld of %s on %s",
			(long long)json_integer_value(json_object_get(one, "session")), v->id, db->name);
		/* it may have ended by itself meanwhile */
		if (db_exec(db, err, "KILL CONNECTION %lld", thread) < 0 && db->last_errno != ER_NO_SUCH_THREAD)
			return err->kind;
	}
	return 0;
}

int job_kill_blockers(struct job *j, struct db *db, const struct job_wait *w, struct err *err)
{
	uint32_t n;

	return each_proxy(j, w, kill_one, db, &n, err);
}

/* --- the pause --- */

uint64_t job_pause_left(struct job *j)
{
	uint64_t pause = job_arg_us(j, "pause_us", PAUSE_US), now = clock_mono_us();

	if (!j->held_us)
		j->held_us = now;
	return now - j->held_us < pause ? pause - (now - j->held_us) : 0;
}

void job_pause_ends(struct job *j, const char *whose)
{
	uint64_t us = j->held_us ? clock_mono_us() - j->held_us : 0;
	uint64_t before = (uint64_t)json_integer_value(json_object_get(j->memo, "held_us"));

	if (us) {
		json_object_set_new(j->memo, "held_us", json_integer((json_int_t)MAX(us, before)));
		job_say(j, OPS_NOTE, "statements for %s%s waited for at most %llu ms", whose,
			strcmp(whose, "odd") && strcmp(whose, "even") ? "" : " keys", (unsigned long long)(us / 1000));
	}
	j->held_us = 0;
}

int job_settle(struct job *j, const char *part, struct db *db, struct err *err)
{
	struct job_wait w = { .part = part };
	int rc = j->ks ? 0 : job_map(j, err);

	if (rc < 0)
		return rc;
	w.epoch = j->ks->epoch;
	w.timeout_us = job_pause_left(j);
	rc = job_wait_proxies(j, &w, err);
	if (rc != 1 || !job_arg_true(j, "kill") || clock_mono_us() < j->retry_until_us)
		return rc;
	rc = job_kill_blockers(j, db, &w, err);
	w.timeout_us = KILLED_US;
	return rc < 0 ? rc : job_wait_proxies(j, &w, err);
}

int job_wait_position(struct job *j, struct db *db, const struct gtid_list *pos, struct err *err)
{
	for (;;) {
		uint64_t left = job_pause_left(j);
		int rc = db_wait_position(db, pos, MIN(left, (uint64_t)1000000), err);

		if (rc == 1 && left > 1000000) {
			rc = job_tick(j, err);
			if (rc == 0)
				continue;
		}
		if (rc == 1)
			err_set(err, ERR_TIMEOUT, ER_LOCK_WAIT_TIMEOUT,
				"backend %s did not apply what the other had written within the pause", db->name);
		return rc;
	}
}

int job_served(struct job *j, struct err *err)
{
	struct job_wait w = { .epoch = j->ks->epoch, .timeout_us = ACK_US };
	int rc = job_wait_proxies(j, &w, err);

	return rc == 1 ? err->kind : rc;
}
