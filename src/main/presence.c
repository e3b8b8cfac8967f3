/* presence.c - what this proxy says of itself in the store. An epoch is told only when every worker serves it: whoever
 * changes the map waits for that.
 * For daemon.c.
 * A thread of its own; nothing waits for it. */
#include "presence.h"
#include "settled.h"
#include "keyway/util/log.h"
#include <jansson.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define LOOK_US 1000000

struct presence {
	struct daemon *d;
	struct store_presence *kept;
	char *id, *host;
	uint64_t started_us; /* wall clock */
	pthread_t thread;
	bool running;
	char *said; /* the record as it was set last */
	struct settled *settled;

	pthread_mutex_t lock;
	pthread_cond_t wake;
	/* under the lock: */
	bool news, stopping, ending;
	struct snapshot *newest; /* handed to the workers */
	struct snapshot *served; /* by all of them */
	char *behind;		 /* settled.h's JSON; NULL: not known yet */
};

/* The first door over TCP, and the first socket. */
static const struct config_listen *first_door(const struct config *cfg, bool socket)
{
	for (size_t i = 0; i < cfg->n_listen; i++) {
		if ((cfg->listen[i].socket[0] != '\0') == socket)
			return &cfg->listen[i];
	}
	return NULL;
}

static bool is_any_address(const char *address)
{
	return strcmp(address, "0.0.0.0") == 0 || strcmp(address, "::") == 0;
}

/* A part of a key: what a host may be called. */
static void make_id(struct presence *p, uint32_t port)
{
	uint8_t noise[4];

	if (RAND_bytes(noise, sizeof(noise)) != 1)
		abort();
	p->id = xasprintf("%s-%u-%02x%02x%02x%02x", p->host, port, noise[0], noise[1], noise[2], noise[3]);
	for (char *c = p->id; *c; c++) {
		if (!((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') || *c == '.' ||
			    *c == '-'))
			*c = '-';
	}
}

struct presence *presence_new(struct daemon *d)
{
	struct presence *p = xcalloc(1, sizeof(*p));
	const struct config_listen *tcp = first_door(d->cfg, false);
	char name[256] = "localhost";
	pthread_condattr_t attr;

	p->d = d;
	if (gethostname(name, sizeof(name) - 1) < 0 || !name[0])
		strcpy(name, "localhost");
	p->host = xstrdup(name);
	make_id(p, tcp ? tcp->port : 0);
	if (tcp && !is_any_address(tcp->address)) {
		free(p->host);
		p->host = xstrdup(tcp->address);
	}
	p->started_us = clock_wall_us();
	pthread_mutex_init(&p->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&p->wake, &attr);
	pthread_condattr_destroy(&attr);
	return p;
}

static void signal_news(struct presence *p)
{
	pthread_mutex_lock(&p->lock);
	p->news = true;
	pthread_cond_signal(&p->wake);
	pthread_mutex_unlock(&p->lock);
}

void presence_snapshot(struct presence *p, struct snapshot *sn)
{
	pthread_mutex_lock(&p->lock);
	if (!p->newest || sn->generation > p->newest->generation) {
		snapshot_unref(p->newest);
		p->newest = snapshot_ref(sn);
	}
	pthread_mutex_unlock(&p->lock);
	signal_news(p);
}

void presence_installed(void *presence)
{
	struct presence *p = presence;

	pthread_mutex_lock(&p->lock);
	settled_wake(p->settled);
	pthread_mutex_unlock(&p->lock);
	signal_news(p);
}

/* Takes the newest snapshot for served when all workers have it. Under the lock. */
static void note_served(struct presence *p)
{
	const struct process *process = &p->d->process;

	if (!p->newest || p->newest == p->served)
		return;
	for (uint32_t i = 0; i < process->n_workers; i++) {
		if (atomic_load(&process->workers[i]->generation) < p->newest->generation)
			return;
	}
	snapshot_unref(p->served);
	p->served = snapshot_ref(p->newest);
}

static json_t *json_bytes(struct str s)
{
	json_t *j = json_stringn(s.p, s.n);

	return j ? j : json_string("(not UTF-8)");
}

static void add_epochs(json_t *record, const struct snapshot *served)
{
	json_t *epochs = json_object();

	for (uint32_t i = 0; served && i < served->map->keyspace_n; i++) {
		const struct keyspace *ks = served->map->keyspaces[i];
		char name[256];

		snprintf(name, sizeof(name), STR_FMT, STR_ARG(ks->name));
		json_object_set_new(epochs, name, json_integer((json_int_t)ks->epoch));
	}
	json_object_set_new(record, "epochs", epochs);
}

static void add_map_state(struct presence *p, json_t *record)
{
	json_t *refused = json_object();
	bool from_cache = false;
	struct topo_status st;

	topo_status(p->d->process.topo, &st);
	for (uint32_t i = 0; i < st.keyspace_n; i++) {
		from_cache |= st.keyspaces[i].from_cache;
		if (st.keyspaces[i].refused_us)
			json_object_set_new(
				refused, st.keyspaces[i].name, json_bytes(str_of(st.keyspaces[i].refused_err.msg)));
	}
	json_object_set_new(record, "map_from_cache", json_boolean(from_cache));
	json_object_set_new(record, "refused", refused);
	if (st.store_err.kind)
		json_object_set_new(record, "map_trouble", json_bytes(str_of(st.store_err.msg)));
	topo_status_free(&st);
}

/* The record, on the heap. */
static char *record_text(struct presence *p, bool ending)
{
	json_t *record = json_object();
	const struct config_listen *tcp, *door;
	struct snapshot *served;
	char *text;

	pthread_mutex_lock(&p->d->lock);
	tcp = first_door(p->d->cfg, false);
	door = first_door(p->d->cfg, true);
	json_object_set_new(record, "id", json_string(p->id));
	json_object_set_new(record, "host", json_bytes(str_of(p->host)));
	json_object_set_new(record, "port", json_integer(tcp ? tcp->port : 0));
	json_object_set_new(record, "socket", json_bytes(str_of(door ? door->socket : "")));
	json_object_set_new(record, "az", json_bytes(str_of(p->d->cfg->az)));
	pthread_mutex_unlock(&p->d->lock);
	json_object_set_new(record, "version", json_string(KEYWAY_VERSION));
	json_object_set_new(record, "pid", json_integer(getpid()));
	json_object_set_new(record, "started", json_integer((json_int_t)(p->started_us / 1000000)));
	if (ending)
		json_object_set_new(record, "stopping", json_true());
	pthread_mutex_lock(&p->lock);
	served = p->served ? snapshot_ref(p->served) : NULL;
	json_object_set_new(record, "settled", p->behind ? json_loads(p->behind, 0, NULL) : json_object());
	pthread_mutex_unlock(&p->lock);
	add_epochs(record, served);
	snapshot_unref(served);
	add_map_state(p, record);
	text = json_dumps(record, JSON_COMPACT);
	json_decref(record);
	return text;
}

static void say(struct presence *p, bool ending)
{
	char *text = record_text(p, ending);

	if (!text || (p->said && strcmp(p->said, text) == 0)) {
		free(text);
		return;
	}
	store_presence_set(p->kept, str_of(text));
	free(p->said);
	p->said = text;
}

/* From settled.c's thread. */
static void note_settled(void *arg, const char *json)
{
	struct presence *p = arg;

	pthread_mutex_lock(&p->lock);
	free(p->behind);
	p->behind = xstrdup(json);
	pthread_mutex_unlock(&p->lock);
	signal_news(p);
}

static void *presence_main(void *arg)
{
	struct presence *p = arg;
	bool stopping = false;

	while (!stopping) {
		struct timespec at;
		bool ending;

		clock_gettime(CLOCK_MONOTONIC, &at);
		at.tv_sec += LOOK_US / 1000000;
		pthread_mutex_lock(&p->lock);
		while (!p->news && !p->stopping && pthread_cond_timedwait(&p->wake, &p->lock, &at) == 0)
			;
		p->news = false;
		note_served(p);
		stopping = p->stopping;
		ending = p->ending;
		pthread_mutex_unlock(&p->lock);
		if (!stopping)
			say(p, ending);
	}
	return NULL;
}

void presence_start(struct presence *p, const struct store_config *store)
{
	char *key = xasprintf("proxies/%s", p->id), *text;
	struct store *s;
	bool single;
	struct err err;

	s = store_open(store, &err);
	single = s && store_is_single(s);
	store_close(s);
	if (single) {
		free(key);
		return;
	}
	pthread_mutex_lock(&p->lock);
	note_served(p);
	pthread_mutex_unlock(&p->lock);
	text = record_text(p, false);
	p->kept = store_presence_start(store, key, str_of(text), PRESENCE_TTL_US, &err);
	p->said = text;
	free(key);
	if (!p->kept) {
		log_error("this proxy is not seen in the map store: %s", err.msg);
		return;
	}
	if (pthread_create(&p->thread, NULL, presence_main, p) != 0) {
		log_error("this proxy's record in the map store is not kept up to date: there is no thread for it");
		return;
	}
	p->running = true;
	pthread_mutex_lock(&p->lock);
	p->settled = settled_start(&p->d->process, note_settled, p);
	pthread_mutex_unlock(&p->lock);
	if (!p->settled)
		log_error("operations cannot wait for what is under way here: there is no thread to tell them");
}

void presence_stopping(struct presence *p)
{
	pthread_mutex_lock(&p->lock);
	p->ending = true;
	pthread_mutex_unlock(&p->lock);
	signal_news(p);
}

void presence_stop(struct presence *p)
{
	if (!p)
		return;
	settled_stop(p->settled);
	pthread_mutex_lock(&p->lock);
	p->stopping = true;
	pthread_cond_signal(&p->wake);
	pthread_mutex_unlock(&p->lock);
	if (p->running)
		pthread_join(p->thread, NULL);
	p->running = false;
	store_presence_stop(p->kept);
	p->kept = NULL;
}

void presence_free(struct presence *p)
{
	if (!p)
		return;
	settled_free(p->settled);
	free(p->behind);
	snapshot_unref(p->newest);
	snapshot_unref(p->served);
	pthread_mutex_destroy(&p->lock);
	pthread_cond_destroy(&p->wake);
	free(p->id);
	free(p->host);
	free(p->said);
	free(p);
}
