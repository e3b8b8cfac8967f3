/* control.c - questions of the workers that block: the records of all proxies in the store.
 * For daemon.c and SHOW KEYWAY PROXIES.
 * A thread of its own; posting from any. */
#include "control.h"
#include <jansson.h>
#include <pthread.h>
#include <stdlib.h>

#define WAITING_MAX 64

struct question {
	void (*run)(void *arg);
	void *arg;
};

struct control_thread {
	pthread_t thread;
	pthread_mutex_t lock; /* guards the rest but store, which is the thread's */
	pthread_cond_t wake;
	struct question waiting[WAITING_MAX]; /* a ring */
	uint32_t first, n;
	bool stop;
	struct store *store;
};

static bool post(void *arg, void (*run)(void *), void *run_arg)
{
	struct control_thread *t = arg;
	bool room;

	pthread_mutex_lock(&t->lock);
	room = t->n < WAITING_MAX && !t->stop;
	if (room)
		t->waiting[(t->first + t->n++) % WAITING_MAX] = (struct question){ run, run_arg };
	pthread_cond_signal(&t->wake);
	pthread_mutex_unlock(&t->lock);
	return room;
}

static void *control_main(void *arg)
{
	struct control_thread *t = arg;

	pthread_mutex_lock(&t->lock);
	for (;;) {
		struct question q;

		while (!t->n && !t->stop)
			pthread_cond_wait(&t->wake, &t->lock);
		if (t->stop)
			break;
		q = t->waiting[t->first];
		t->first = (t->first + 1) % WAITING_MAX;
		t->n--;
		pthread_mutex_unlock(&t->lock);
		q.run(q.arg);
		pthread_mutex_lock(&t->lock);
	}
	pthread_mutex_unlock(&t->lock);
	return NULL;
}

/* "shop 12, users 3"; a text is told as it is. */
static char *pairs_text(const json_t *of)
{
	struct buf b = { 0 };
	const char *key, *text;
	json_t *v;

	json_object_foreach((json_t *)(uintptr_t)of, key, v)
	{
		text = json_string_value(v);
		buf_addf(&b, "%s%s ", buf_used(&b) ? ", " : "", key);
		if (text)
			buf_addf(&b, "%.300s", text);
		else
			buf_addf(&b, "%lld", (long long)json_integer_value(v));
	}
	buf_add_u8(&b, 0);
	return (char *)b.p;
}

static const char *text_of(const json_t *doc, const char *name)
{
	return json_string_value(json_object_get(doc, name));
}

static uint64_t number_of(const json_t *doc, const char *name)
{
	json_int_t v = json_integer_value(json_object_get(doc, name));

	return v > 0 ? (uint64_t)v : 0;
}

static void record(const struct store_item *it, proxy_record_fn *row, void *row_arg)
{
	json_t *doc = json_loadb(it->value, it->value_n, 0, NULL);
	const char *slash = strchr(it->key, '/'), *host = text_of(doc, "host");
	char *epochs = pairs_text(json_object_get(doc, "epochs"));
	char *refused = pairs_text(json_object_get(doc, "refused"));
	char *address = host && number_of(doc, "port")
				? xasprintf("%s:%llu", host, (unsigned long long)number_of(doc, "port"))
				: NULL;

	row(row_arg, &(struct proxy_record){ .id = slash ? slash + 1 : it->key,
			     .address = address,
			     .socket = text_of(doc, "socket"),
			     .version = text_of(doc, "version"),
			     .az = text_of(doc, "az"),
			     .epochs = epochs,
			     .refused = refused,
			     .trouble = text_of(doc, "map_trouble"),
			     .pid = number_of(doc, "pid"),
			     .started_us = number_of(doc, "started") * 1000000,
			     .stopping = json_is_true(json_object_get(doc, "stopping")),
			     .from_cache = json_is_true(json_object_get(doc, "map_from_cache")) });
	free(address);
	free(refused);
	free(epochs);
	json_decref(doc);
}

static int proxies(void *arg, proxy_record_fn *row, void *row_arg, struct err *err)
{
	struct control_thread *t = arg;
	struct store_items all = { 0 };
	int rc = store_list(t->store, "proxies/", &all, err);

	for (uint32_t i = 0; rc == 0 && i < all.n; i++)
		record(&all.v[i], row, row_arg);
	if (rc == 0)
		store_items_free(&all);
	return rc;
}

struct control_thread *control_start(const struct store_config *store, struct control *out, struct err *err)
{
	struct control_thread *t = xcalloc(1, sizeof(*t));

	t->store = store_open(store, err);
	if (!t->store) {
		free(t);
		return NULL;
	}
	pthread_mutex_init(&t->lock, NULL);
	pthread_cond_init(&t->wake, NULL);
	if (pthread_create(&t->thread, NULL, control_main, t) != 0) {
		err_set(err, ERR_LIMIT, ER_OUT_OF_RESOURCES, "no thread for questions to the store");
		store_close(t->store);
		free(t);
		return NULL;
	}
	*out = (struct control){ .arg = t, .post = post, .proxies = proxies };
	return t;
}

void control_stop(struct control_thread *t)
{
	if (!t)
		return;
	pthread_mutex_lock(&t->lock);
	t->stop = true;
	pthread_cond_signal(&t->wake);
	pthread_mutex_unlock(&t->lock);
	pthread_join(t->thread, NULL);
	store_close(t->store);
	pthread_cond_destroy(&t->wake);
	pthread_mutex_destroy(&t->lock);
	free(t);
}
