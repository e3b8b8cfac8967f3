/* map_change.c - the one way in which a keyspace's map is changed.
 * For keywayctl's map commands and for operations that move traffic.
 * Calls block; tools only. */
#include "keyway/ops/map_change.h"
#include "keyway/cluster/map_edit.h"
#include "keyway/util/buf.h"
#include "map_history.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define ATTEMPTS_MAX	  20
#define PAUSE_US	  20000
#define COMMIT_SURE_BYTES (100 * 1024) /* of a document: with its history no store is too small for it */

/* One change under way. */
struct change {
	const struct ops *o;
	const struct ops_map_change *want;
	struct ops_map_result *out;
	struct err *err;
	char key[STORE_KEY_MAX + 1];
	bool there; /* what the store has; item is filled */
	struct store_item item;
	struct keyspace *old; /* NULL: nothing, and nothing in the history */
	bool old_is_item;     /* false: the store's document is not valid, and old comes from the history */
	char *text;	      /* what shall be written */
	struct keyspace *new;
	uint64_t version; /* of the first reading; 0: it was not there */
	uint64_t tried_version;
	char *sent; /* a text whose commit may or may not have been done, and its epoch */
	uint64_t sent_epoch;
};

static void change_reset(struct change *c)
{
	if (c->there)
		store_item_free(&c->item);
	c->there = false;
	keyspace_unref(c->old);
	keyspace_unref(c->new);
	c->old = c->new = NULL;
	free(c->text);
	c->text = NULL;
}

static int outcome(struct change *c, enum ops_map_outcome what, int rc)
{
	c->out->outcome = what;
	return rc;
}

static int refuse(struct change *c, const char *fmt, ...) PRINTF(2, 3);
static int refuse(struct change *c, const char *fmt, ...)
{
	char msg[ERR_MSG_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	return outcome(c, OPS_MAP_REFUSED, err_set(c->err, ERR_CONFIG, ER_WRONG_ARGUMENTS, "%s", msg));
}

static struct str item_text(const struct change *c)
{
	return c->there ? str_make(c->item.value, c->item.value_n) : str_make(NULL, 0);
}

/* The last map that was valid: proxies serve it still. */
static int old_from_history(struct change *c)
{
	struct ops_map_history h;
	int rc = ops_map_history(c->o, c->want->keyspace, &h, c->err);

	if (rc < 0)
		return rc;
	for (uint32_t i = 0; i < h.n && !c->old; i++) {
		if (h.v[i].document &&
			keyspace_parse(str_of(h.v[i].document), str_of(c->want->keyspace), &c->old, NULL) < 0)
			c->old = NULL;
	}
	ops_map_history_free(&h);
	return 0;
}

static int change_read(struct change *c)
{
	struct err why;
	int rc = store_get(c->o->store, c->key, &c->item, c->err);

	if (rc < 0)
		return outcome(c, OPS_MAP_FAILED, rc);
	c->there = rc == 0;
	c->old_is_item = c->there && keyspace_parse(item_text(c), str_of(c->want->keyspace), &c->old, &why) == 0;
	if (c->there && !c->old_is_item) {
		ops_say(c->o, OPS_TROUBLE, "the document in the store is refused by the proxies: %s", why.msg);
		rc = old_from_history(c);
		if (rc < 0)
			return outcome(c, OPS_MAP_FAILED, rc);
	}
	c->out->epoch = c->old_is_item ? c->old->epoch : 0;
	return 0;
}

/* The least that the new epoch may be: above the present one, and above what the history has of a keyspace that is
 * not there, or not readable, for proxies may have served that. */
static int epoch_floor(struct change *c, uint64_t *floor)
{
	int rc;

	if (c->old_is_item) {
		*floor = c->old->epoch + 1;
		return 0;
	}
	rc = history_last(c->o->store, c->want->keyspace, floor, c->err);
	if (rc < 0)
		return outcome(c, OPS_MAP_FAILED, rc);
	*floor += 1;
	return 0;
}

static int new_parse(struct change *c)
{
	int rc = keyspace_parse(str_of(c->text), str_of(c->want->keyspace), &c->new, c->err);

	return rc < 0 ? outcome(c, OPS_MAP_REFUSED, rc) : 0;
}

/* The epoch that the edit left is raised; one of a document that is older than the present map is not taken. */
static int epoch_settle(struct change *c)
{
	uint64_t floor;
	char *raised;
	int rc = epoch_floor(c, &floor);

	if (rc < 0)
		return rc;
	c->out->raised = false;
	if (c->new->epoch >= floor)
		return 0;
	if (c->old_is_item && c->new->epoch < c->old->epoch)
		return outcome(c, OPS_MAP_CONFLICT,
			err_set(c->err, ERR_CONFIG, ER_WRONG_ARGUMENTS,
				"epoch: the document is made from epoch %" PRIu64 ", but the map is at %" PRIu64
				" by now; begin again with the present one (keywayctl map get)",
				c->new->epoch, c->old->epoch));
	rc = map_edit_epoch(str_of(c->text), floor, &raised, c->err);
	if (rc < 0)
		return outcome(c, OPS_MAP_FAILED, rc);
	free(c->text);
	c->text = raised;
	keyspace_unref(c->new);
	c->new = NULL;
	c->out->raised = true;
	return new_parse(c);
}

static void ranges_words(const struct map_diff *d, struct buf *to)
{
	char text[KEYRANGE_TEXT_MAX];

	for (uint32_t i = 0; i < d->stranded_n && i < 8; i++)
		buf_addf(to, " --strands %s", keyrange_print(d->stranded[i], text));
	if (d->stranded_n > 8)
		buf_addf(to, " and %u more", d->stranded_n - 8);
	buf_add_u8(to, 0);
}

static int strands_check(struct change *c, const struct map_diff *d)
{
	struct buf words = { 0 };
	int rc;

	if (map_diff_stranded_is(d, c->want->strands, c->want->strand_n))
		return 0;
	if (d->stranded_n == 0)
		return refuse(c, "no rows would be stranded: leave out what was named as such");
	ranges_words(d, &words);
	rc = refuse(c,
		"rows would be stranded on the wrong shard: move them first, or say that you know which key ids are "
		"meant:%s",
		(const char *)buf_head(&words));
	buf_free(&words);
	return rc;
}

static int change_judge(struct change *c)
{
	struct map_diff d;
	int rc;

	map_diff_make(c->old, c->new, &d);
	if (c->want->show)
		c->want->show(c->want->arg, c->old, c->new, &d);
	rc = strands_check(c, &d);
	if (rc == 0 && c->want->approve && !c->want->approve(c->want->arg))
		rc = outcome(
			c, OPS_MAP_DECLINED, err_set(c->err, ERR_DENIED, ER_QUERY_INTERRUPTED, "nothing was changed"));
	map_diff_free(&d);
	return rc;
}

/* Keeps what stood there before anyone wrote a history. */
static void first_entry_keep(struct change *c)
{
	char key[STORE_KEY_MAX + 1], *entry;
	struct store_item it;
	struct err err;
	int rc = history_key(key, c->want->keyspace, c->old->epoch, &err);

	if (rc == 0)
		rc = store_get(c->o->store, key, &it, &err);
	if (rc == 0) {
		store_item_free(&it);
	} else if (rc == 1) {
		entry = history_entry_found(c->old->epoch, item_text(c));
		rc = store_commit(
			c->o->store, &(struct store_op){ .key = key, .value = str_of(entry), .check = true }, 1, &err);
		free(entry);
	}
	if (rc < 0)
		ops_say(c->o, OPS_TROUBLE, "what epoch %" PRIu64 " was is not kept in the history: %s", c->old->epoch,
			err.msg);
}

/* Refused for its size, as far as that can be told: stores say it in many ways. */
static bool too_large(const struct change *c, int rc)
{
	return rc < 0 && rc != ERR_TIMEOUT && strlen(c->text) > COMMIT_SURE_BYTES;
}

/* The document and its history in one commit. Both together may be more than the store takes at once: then the history
 * follows, and if that does not come to pass the next change puts what it finds there into it. */
static int change_commit(struct change *c)
{
	char key[STORE_KEY_MAX + 1], *entry;
	struct store_op ops[3] = {
		{ .key = c->key, .value = str_of(c->text), .check = true, .version = c->there ? c->item.version : 0 }
	};
	struct err err;
	uint32_t n = 1;
	int rc;

	c->out->attempts++;
	c->tried_version = ops[0].version;
	if (c->want->with)
		ops[n++] = *c->want->with;
	if (store_is_single(c->o->store))
		return store_commit(c->o->store, ops, n, c->err);
	rc = history_key(key, c->want->keyspace, c->new->epoch, c->err);
	if (rc < 0)
		return rc;
	if (c->old_is_item)
		first_entry_keep(c);
	entry = history_entry(c->new->epoch, c->want->why ? c->want->why : "", c->text);
	ops[n] = (struct store_op){ .key = key, .value = str_of(entry) };
	rc = store_commit(c->o->store, ops, n + 1, c->err);
	if (too_large(c, rc)) {
		rc = store_commit(c->o->store, ops, n, c->err);
		if (rc == STORE_DONE && store_commit(c->o->store, &ops[n], 1, &err) < 0)
			ops_say(c->o, OPS_TROUBLE, "the history has no entry of epoch %" PRIu64 ": %s", c->new->epoch,
				err.msg);
	}
	free(entry);
	return rc;
}

static bool same_but_epoch(const struct change *c)
{
	char *a = NULL;
	bool same =
		c->old_is_item && map_edit_epoch(item_text(c), c->new->epoch, &a, NULL) == 0 && strcmp(a, c->text) == 0;

	free(a);
	return same;
}

/* Has the commit that got no answer been done? Then its text is there, or was and is in the history. */
static bool was_done(struct change *c)
{
	char *text = NULL;
	bool done;

	if (!c->sent)
		return false;
	if (c->there && str_eqz(item_text(c), c->sent))
		return true;
	done = !store_is_single(c->o->store) && ops_map_at(c->o, c->want->keyspace, c->sent_epoch, &text, NULL) == 0 &&
	       strcmp(text, c->sent) == 0;
	free(text);
	return done;
}

/* One attempt. 0: done (or nothing to do); 1: someone else was faster, or it is not known what came of it: once more.
 */
static int change_try(struct change *c)
{
	int rc = change_read(c);

	if (rc < 0)
		return rc;
	if (was_done(c))
		return outcome(c, OPS_MAP_DONE, 0);
	if (!c->out->attempts)
		c->version = c->there ? c->item.version : 0;
	if (c->want->once && c->version != (c->there ? c->item.version : 0))
		return outcome(c, OPS_MAP_CONFLICT,
			err_set(c->err, ERR_CONFIG, ER_WRONG_ARGUMENTS,
				"someone else changed the map of %s meanwhile; it is at epoch %" PRIu64
				" now. Begin again with that",
				c->want->keyspace, c->out->epoch));
	if (c->want->with && c->out->attempts && !c->sent && c->tried_version == (c->there ? c->item.version : 0))
		return outcome(c, OPS_MAP_CONFLICT,
			err_set(c->err, ERR_CONFIG, ER_WRONG_ARGUMENTS,
				"the map of %s was not changed: %s in the store is another than it has to be",
				c->want->keyspace, c->want->with->key));
	rc = c->want->edit(c->want->arg, item_text(c), &c->text, c->err);
	if (rc < 0)
		return outcome(c, OPS_MAP_FAILED, rc);
	rc = new_parse(c);
	if (rc == 0)
		rc = epoch_settle(c);
	if (rc < 0)
		return rc;
	if (same_but_epoch(c))
		return outcome(c, OPS_MAP_UNCHANGED, 0);
	rc = change_judge(c);
	if (rc < 0)
		return rc;
	rc = change_commit(c);
	if (rc == STORE_DONE) {
		c->out->epoch = c->new->epoch;
		return outcome(c, OPS_MAP_DONE, 0);
	}
	if (rc < 0 && rc != ERR_TIMEOUT)
		return outcome(c, OPS_MAP_FAILED, rc);
	if (rc == ERR_TIMEOUT) {
		ops_say(c->o, OPS_TROUBLE, "the store has not said whether the change is done (%s): looking",
			c->err->msg);
		free(c->sent);
		c->sent = xstrdup(c->text);
		c->sent_epoch = c->new->epoch;
	}
	return 1;
}

/* Not all at once after a conflict; which of us it is makes the difference. */
static void pause_before(uint32_t attempt)
{
	uint64_t us = PAUSE_US + (uint64_t)(getpid() * 7919 + (int)attempt * 104729) % (PAUSE_US * (attempt + 1));
	struct timespec t = { (time_t)(us / 1000000), (long)(us % 1000000) * 1000 };

	nanosleep(&t, NULL);
}

static int change_run(struct change *c)
{
	int rc = 1;

	for (uint32_t i = 0; rc > 0 && i < ATTEMPTS_MAX; i++) {
		if (i)
			pause_before(i);
		rc = change_try(c);
		change_reset(c);
	}
	if (rc > 0)
		rc = outcome(c, c->sent ? OPS_MAP_FAILED : OPS_MAP_CONFLICT,
			err_set(c->err, ERR_TIMEOUT, ER_LOCK_WAIT_TIMEOUT,
				"the map of %s was changed by others each of %d times", c->want->keyspace,
				ATTEMPTS_MAX));
	if (rc < 0 && c->sent && c->out->outcome == OPS_MAP_FAILED)
		err_wrap(c->err, "it is not known whether epoch %" PRIu64 " of %s was written", c->sent_epoch,
			c->want->keyspace);
	return rc;
}

int ops_map_change(const struct ops *o, const struct ops_map_change *want, struct ops_map_result *out, struct err *err)
{
	struct change c = { .o = o, .want = want, .out = out, .err = err };
	int rc;

	*out = (struct ops_map_result){ .outcome = OPS_MAP_FAILED };
	rc = store_key(c.key, "keyspaces/", str_of(want->keyspace), err);
	if (rc == 0)
		rc = change_run(&c);
	free(c.sent);
	if (rc < 0)
		return rc;
	if (out->outcome == OPS_MAP_DONE)
		ops_say(o, OPS_STEP, "epoch %" PRIu64 " of %s is in the store", out->epoch, want->keyspace);
	if (!want->wait_us)
		return 0;
	rc = ops_map_wait(o, want->keyspace, out->epoch, want->wait_us, out, err);
	if (rc < 0)
		out->outcome = OPS_MAP_UNSERVED;
	return rc;
}

static int remove_commit(struct change *c)
{
	char key[STORE_KEY_MAX + 1];
	uint64_t epoch;
	char *entry;
	int rc = epoch_floor(c, &epoch);

	if (rc == 0)
		rc = history_key(key, c->want->keyspace, epoch, c->err);
	if (rc < 0)
		return rc;
	entry = history_entry(epoch, c->want->why, NULL);
	rc = store_commit(c->o->store,
		(struct store_op[]){ { .key = c->key, .check = true, .version = c->item.version },
			{ .key = key, .value = str_of(entry) } },
		store_is_single(c->o->store) ? 1 : 2, c->err);
	free(entry);
	return rc;
}

int ops_map_remove(
	const struct ops *o, const char *keyspace, const char *why, struct ops_map_result *out, struct err *err)
{
	struct ops_map_change want = { .keyspace = keyspace, .why = why ? why : "" };
	struct change c = { .o = o, .want = &want, .out = out, .err = err };
	int rc;

	*out = (struct ops_map_result){ .outcome = OPS_MAP_FAILED };
	rc = store_key(c.key, "keyspaces/", str_of(keyspace), err);
	if (rc == 0)
		rc = change_read(&c);
	if (rc == 0 && !c.there)
		rc = err_set(err, ERR_NAME, ER_BAD_DB_ERROR, "the store has no keyspace %s", keyspace);
	if (rc == 0)
		rc = remove_commit(&c);
	change_reset(&c);
	if (rc == STORE_CONFLICT)
		return outcome(&c, OPS_MAP_CONFLICT,
			err_set(err, ERR_CONFIG, ER_WRONG_ARGUMENTS,
				"someone else changed the map of %s meanwhile; nothing was removed", keyspace));
	return rc < 0 ? rc : outcome(&c, OPS_MAP_DONE, 0);
}
