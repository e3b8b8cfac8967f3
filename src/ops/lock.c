/* lock.c - one operation per shard at a time.
 * For job.c.
 * Calls block; tools only. */
#include "lock.h"
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define WATCH_US 20000000 /* an owner writes every 3 s, but for a statement that waits for a lock up to 10 s */

void lock_key(const char *keyspace, const char *shard, char *out, size_t size)
{
	snprintf(out, size, "locks/%s/%s", keyspace, shard);
}

/* Clock ticks since boot at which a process began: with its number it names one process for ever. 0: there is none. */
static uint64_t process_start(long pid)
{
	char path[64], line[1024];
	unsigned long long start = 0;
	const char *p;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%ld/stat", pid);
	f = fopen(path, "re");
	if (!f)
		return 0;
	p = fgets(line, sizeof(line), f) ? strrchr(line, ')') : NULL;
	fclose(f);
	/* fields 3 to 22 */
	for (int i = 0; p && i < 20; i++)
		p = strchr(p + 1, ' ');
	return p && sscanf(p + 1, "%llu", &start) == 1 ? start : 0;
}

static void host_name(char *out, size_t size)
{
	if (gethostname(out, size) != 0)
		snprintf(out, size, "?");
	out[size - 1] = '\0';
}

char *lock_value(const char *op, uint64_t beat)
{
	char host[128], *text;
	json_t *v;

	host_name(host, sizeof(host));
	v = json_pack("{s:s, s:s, s:I, s:I, s:I, s:I}", "op", op, "host", host, "pid", (json_int_t)getpid(), "start",
		(json_int_t)process_start(getpid()), "beat", (json_int_t)beat, "at",
		(json_int_t)(clock_wall_us() / 1000000));
	text = json_dumps(v, JSON_COMPACT);
	json_decref(v);
	return text;
}

struct owner {
	char op[64], host[128];
	long pid;
	uint64_t start;
};

static void owner_read(const struct store_item *it, struct owner *out)
{
	json_t *v = json_loadb(it->value, it->value_n, 0, NULL);
	const char *op = json_string_value(json_object_get(v, "op")),
		   *host = json_string_value(json_object_get(v, "host"));

	snprintf(out->op, sizeof(out->op), "%s", op ? op : "?");
	snprintf(out->host, sizeof(out->host), "%s", host ? host : "?");
	out->pid = (long)json_integer_value(json_object_get(v, "pid"));
	out->start = (uint64_t)json_integer_value(json_object_get(v, "start"));
	json_decref(v);
}

static int denied(const struct owner *w, struct err *err)
{
	return err_set(err, ERR_DENIED, ER_CANT_DO_THIS_DURING_A_TRANSACTION,
		"operation %s is under way on this shard (process %ld on %s): wait for it, or keywayctl ops resume %s, "
		"or "
		"keywayctl ops abort %s",
		w->op, w->pid, w->host, w->op, w->op);
}

int lock_held_by(const struct ops *o, const char *keyspace, const char *shard, struct err *err)
{
	char key[STORE_KEY_MAX];
	struct store_item it;
	struct owner w;
	int rc;

	lock_key(keyspace, shard, key, sizeof(key));
	rc = store_get(o->store, key, &it, err);
	if (rc != 0)
		return rc < 0 ? rc
			      : err_set(err, ERR_DENIED, ER_CANT_DO_THIS_DURING_A_TRANSACTION,
					"another operation on this shard has just ended: try again");
	owner_read(&it, &w);
	store_item_free(&it);
	return denied(&w, err);
}

int lock_version_of(const struct ops *o, const char *key, const char *text, uint64_t *version, struct err *err)
{
	struct store_item it;
	int rc = store_get(o->store, key, &it, err);

	if (rc > 0)
		return err_set(
			err, ERR_DENIED, ER_CANT_DO_THIS_DURING_A_TRANSACTION, "%s has vanished from the store", key);
	if (rc < 0)
		return rc;
	*version = it.version;
	if (text && !str_eqz(str_make(it.value, it.value_n), text))
		rc = err_set(err, ERR_DENIED, ER_CANT_DO_THIS_DURING_A_TRANSACTION,
			"%s has been taken over by another keywayctl", key);
	store_item_free(&it);
	return rc;
}

int lock_was_written(const struct ops *o, const struct store_op *ops, uint32_t n, struct err *err)
{
	for (uint32_t i = 0; i < n; i++) {
		struct store_item it;
		bool same;
		int rc = store_get(o->store, ops[i].key, &it, err);

		if (rc < 0)
			return rc;
		same = rc == 0 && ops[i].value.p && str_eq(str_make(it.value, it.value_n), ops[i].value);
		if (rc == 0)
			store_item_free(&it);
		if (!same && !(rc > 0 && !ops[i].value.p))
			return STORE_CONFLICT;
	}
	return STORE_DONE;
}

/* Has the owner stopped writing? Here: its process is gone. Elsewhere: watched for a while. */
static int owner_is_dead(
	const struct ops *o, const char *key, const struct store_item *it, const struct owner *w, struct err *err)
{
	uint64_t end = clock_mono_us() + WATCH_US, version;
	char host[128];
	int rc = 0;

	host_name(host, sizeof(host));
	if (strcmp(host, w->host) == 0)
		return process_start(w->pid) != w->start || w->start == 0;
	ops_say(o, OPS_NOTE, "watching for %d s whether process %ld on %s still works on it", WATCH_US / 1000000,
		w->pid, w->host);
	while (rc == 0 && clock_mono_us() < end) {
		struct timespec t = { 0, 500000000 };

		nanosleep(&t, NULL);
		rc = lock_version_of(o, key, NULL, &version, err);
		if (rc == 0 && version != it->version)
			return 0;
	}
	return rc < 0 ? rc : 1;
}

int lock_take(const struct ops *o, const char *keyspace, const char *shard, const char *op, bool force,
	uint64_t *version, struct err *err)
{
	char key[STORE_KEY_MAX], *text;
	struct store_item it = { 0 };
	struct store_op put;
	struct owner w = { 0 };
	int rc;

	lock_key(keyspace, shard, key, sizeof(key));
	rc = store_get(o->store, key, &it, err);
	if (rc < 0)
		return rc;
	if (rc == 0) {
		owner_read(&it, &w);
		rc = force && strcmp(w.op, op) == 0 ? 1
		     : strcmp(w.op, op) == 0	    ? owner_is_dead(o, key, &it, &w, err)
						    : 0;
		if (rc <= 0) {
			store_item_free(&it);
			return rc < 0 ? rc : denied(&w, err);
		}
	}
	text = lock_value(op, clock_wall_us());
	put = (struct store_op){ .key = key, .value = str_of(text), .check = true, .version = it.version };
	rc = store_commit(o->store, &put, 1, err);
	if (rc == ERR_TIMEOUT)
		rc = lock_was_written(o, &put, 1, err);
	if (rc == 0)
		rc = lock_version_of(o, key, text, version, err);
	else if (rc == STORE_CONFLICT)
		rc = lock_held_by(o, keyspace, shard, err);
	free(text);
	if (it.key)
		store_item_free(&it);
	return rc;
}
