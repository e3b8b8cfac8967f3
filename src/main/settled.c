/* settled.c - asks the workers what they have under way from before the newest map, until there is nothing.
 * For the proxy's record in the store, by which operators' tools move traffic.
 * A thread of its own; the questions run on the workers' threads. */
#include "settled.h"
#include "keyway/exec/underway.h"
#include <jansson.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#define BUSY_SHOWN   16
#define BEHIND_MAX   256   /* shards named in one record */
#define ROUND_US     20000 /* between rounds, while something is under way; longer with each */
#define ROUND_MAX_US 250000

/* One worker's share of a round. */
struct question {
	struct settled *s;
	struct worker *worker;
	json_t *found; /* {"shop": {"epoch", "behind"}} */
};

struct settled {
	const struct process *process;
	void (*changed)(void *arg, const char *json);
	void *arg;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool wanted, stopping;
	struct question *questions; /* by worker */
	uint32_t unanswered;
	char *told;
};

static const struct {
	uint8_t bit;
	const char *name;
} parts[] = {
	{ UNDERWAY_EVEN, "even" },
	{ UNDERWAY_ODD, "odd" },
	{ UNDERWAY_PRIMARY, "primary" },
	{ UNDERWAY_REPLICA, "replica" },
};

/* --- on a worker --- */

static json_t *behind_of(json_t *list, const char *shard, const char *part)
{
	json_t *b;
	size_t i;

	json_array_foreach(list, i, b)
	{
		if (!strcmp(json_string_value(json_object_get(b, "shard")), shard) &&
			!strcmp(json_string_value(json_object_get(b, "part")), part))
			return b;
	}
	if (json_array_size(list) >= BEHIND_MAX)
		return NULL;
	b = json_pack("{s:s, s:s, s:I, s:i, s:[]}", "shard", shard, "part", part, "epoch", (json_int_t)INT64_MAX, "n",
		0, "busy");
	json_array_append_new(list, b);
	return b;
}

static void note(json_t *list, const struct underway *u, const char *part)
{
	json_t *b = behind_of(list, u->shard, part), *busy;

	if (!b)
		return;
	json_object_set_new(b, "n", json_integer(json_integer_value(json_object_get(b, "n")) + 1));
	if ((json_int_t)u->epoch < json_integer_value(json_object_get(b, "epoch")))
		json_object_set_new(b, "epoch", json_integer((json_int_t)u->epoch));
	busy = json_object_get(b, "busy");
	if (json_array_size(busy) < BUSY_SHOWN)
		json_array_append_new(
			busy, json_pack("{s:I, s:I, s:b, s:b}", "session", (json_int_t)u->session, "thread",
				      (json_int_t)u->thread, "txn", u->txn, "pinned", u->pinned));
}

static void one_underway(void *arg, const struct underway *u)
{
	struct question *q = arg;
	json_t *list = json_object_get(json_object_get(q->found, u->keyspace), "behind");

	for (size_t i = 0; i < ARRAY_N(parts); i++) {
		if (u->parts & parts[i].bit)
			note(list, u, parts[i].name);
	}
}

static void answer(void *arg)
{
	struct question *q = arg;
	struct settled *s = q->s;
	const struct map *map = worker_snapshot(q->worker)->map;

	q->found = json_object();
	for (uint32_t k = 0; k < map->keyspace_n; k++) {
		char *name = str_dup(map->keyspaces[k]->name);

		json_object_set_new(q->found, name,
			json_pack("{s:I, s:[]}", "epoch", (json_int_t)map->keyspaces[k]->epoch, "behind"));
		free(name);
	}
	underway_each(q->worker, one_underway, q);
	pthread_mutex_lock(&s->lock);
	s->unanswered--;
	pthread_cond_signal(&s->cond);
	pthread_mutex_unlock(&s->lock);
}

/* --- on its own thread --- */

static void add_behind(json_t *into, json_t *from)
{
	json_t *b, *mine, *one;
	size_t i, k;

	json_array_foreach(from, i, b)
	{
		mine = behind_of(into, json_string_value(json_object_get(b, "shard")),
			json_string_value(json_object_get(b, "part")));
		if (!mine)
			continue;
		json_object_set_new(mine, "n",
			json_integer(json_integer_value(json_object_get(mine, "n")) +
				     json_integer_value(json_object_get(b, "n"))));
		if (json_integer_value(json_object_get(b, "epoch")) <
			json_integer_value(json_object_get(mine, "epoch")))
			json_object_set(mine, "epoch", json_object_get(b, "epoch"));
		json_array_foreach(json_object_get(b, "busy"), k, one)
		{
			if (json_array_size(json_object_get(mine, "busy")) < BUSY_SHOWN)
				json_array_append(json_object_get(mine, "busy"), one);
		}
	}
}

/* All answers as one: the epoch is that of the slowest worker; a keyspace that one does not know yet is not told. */
static json_t *merge(const struct settled *s)
{
	json_t *all = json_incref(s->questions[0].found), *mine, *theirs;
	const char *name;
	void *tmp;

	for (uint32_t w = 1; w < s->process->n_workers; w++) {
		json_object_foreach_safe(all, tmp, name, mine)
		{
			theirs = json_object_get(s->questions[w].found, name);
			if (!theirs) {
				json_object_del(all, name);
				continue;
			}
			if (json_integer_value(json_object_get(theirs, "epoch")) <
				json_integer_value(json_object_get(mine, "epoch")))
				json_object_set(mine, "epoch", json_object_get(theirs, "epoch"));
			add_behind(json_object_get(mine, "behind"), json_object_get(theirs, "behind"));
		}
	}
	return all;
}

static bool anything_behind(json_t *all)
{
	const char *name;
	json_t *ks;

	json_object_foreach(all, name, ks)
	{
		if (json_array_size(json_object_get(ks, "behind")))
			return true;
	}
	return false;
}

/* Asks all workers and waits: none of them blocks. */
static void ask(struct settled *s)
{
	s->unanswered = s->process->n_workers;
	for (uint32_t i = 0; i < s->process->n_workers; i++) {
		s->questions[i] = (struct question){ s, s->process->workers[i], NULL };
		loop_send(s->process->workers[i]->loop, answer, &s->questions[i]);
	}
	while (s->unanswered && !s->stopping)
		pthread_cond_wait(&s->cond, &s->lock);
}

static void forget_answers(struct settled *s)
{
	for (uint32_t i = 0; i < s->process->n_workers; i++) {
		json_decref(s->questions[i].found);
		s->questions[i].found = NULL;
	}
}

/* One round. True: something is still under way. */
static bool look(struct settled *s)
{
	bool behind;
	json_t *all;
	char *text;

	ask(s);
	if (s->stopping)
		return false;
	all = merge(s);
	forget_answers(s);
	behind = anything_behind(all);
	text = json_dumps(all, JSON_COMPACT | JSON_SORT_KEYS);
	json_decref(all);
	if (s->told && strcmp(s->told, text) == 0) {
		free(text);
		return behind;
	}
	free(s->told);
	s->told = text;
	pthread_mutex_unlock(&s->lock);
	s->changed(s->arg, text);
	pthread_mutex_lock(&s->lock);
	return behind;
}

static void wait_us(struct settled *s, uint64_t us)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_sec += (time_t)((us + (uint64_t)t.tv_nsec / 1000) / 1000000);
	t.tv_nsec = (long)((us + (uint64_t)t.tv_nsec / 1000) % 1000000) * 1000;
	while (!s->wanted && !s->stopping && pthread_cond_timedwait(&s->cond, &s->lock, &t) == 0)
		;
}

static void *settled_main(void *arg)
{
	struct settled *s = arg;
	uint64_t nap_us = ROUND_US;

	pthread_mutex_lock(&s->lock);
	while (!s->stopping) {
		bool behind;

		s->wanted = false;
		behind = look(s);
		if (behind)
			wait_us(s, nap_us);
		while (!behind && !s->wanted && !s->stopping)
			pthread_cond_wait(&s->cond, &s->lock);
		nap_us = s->wanted || !behind ? ROUND_US : MIN(nap_us * 3 / 2, (uint64_t)ROUND_MAX_US);
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

struct settled *settled_start(const struct process *p, void (*changed)(void *arg, const char *json), void *arg)
{
	struct settled *s = xcalloc(1, sizeof(*s));
	pthread_condattr_t attr;

	s->process = p;
	s->changed = changed;
	s->arg = arg;
	s->questions = xcalloc(p->n_workers, sizeof(*s->questions));
	pthread_mutex_init(&s->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&s->cond, &attr);
	pthread_condattr_destroy(&attr);
	if (pthread_create(&s->thread, NULL, settled_main, s) == 0)
		return s;
	pthread_cond_destroy(&s->cond);
	pthread_mutex_destroy(&s->lock);
	free(s->questions);
	free(s);
	return NULL;
}

void settled_wake(struct settled *s)
{
	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	s->wanted = true;
	pthread_cond_signal(&s->cond);
	pthread_mutex_unlock(&s->lock);
}

void settled_stop(struct settled *s)
{
	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	s->stopping = true;
	pthread_cond_signal(&s->cond);
	pthread_mutex_unlock(&s->lock);
	pthread_join(s->thread, NULL);
}

void settled_free(struct settled *s)
{
	if (!s)
		return;
	forget_answers(s);
	pthread_cond_destroy(&s->cond);
	pthread_mutex_destroy(&s->lock);
	free(s->questions);
	free(s->told);
	free(s);
}
