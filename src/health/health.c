/* health.c - when servers are checked, and on which threads.
 * For main, which routes by the verdicts.
 * The scheduler's and the check threads; what they share stands under health.lock. */
#include "internal.h"
#include "keyway/util/log.h"
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define THREADS_MAX    64
#define SUSPECT_GAP_US 50000 /* between two checks of one server, however suspect it is */

static void wake_scheduler(struct health *h)
{
	uint64_t one = 1;

	if (write(h->own_fd, &one, sizeof(one)) < 0)
		return; /* its counter is full: it is awake */
}

/* --- the conversation, on a check thread --- */

static void note_busy(void *arg, int fd)
{
	struct watched *w = arg;
	struct health *h = w->check.health;

	pthread_mutex_lock(&h->lock);
	w->fd = fd;
	w->limit_us = clock_mono_us() + h->terms.timeout_us;
	if (fd >= 0 && h->stopping)
		shutdown(fd, SHUT_RDWR);
	pthread_mutex_unlock(&h->lock);
}

static void terms_copy(const struct check_terms *t, struct check_terms *out)
{
	*out = (struct check_terms){ .timeout_us = t->timeout_us,
		.heartbeat_table = t->heartbeat_table ? xstrdup(t->heartbeat_table) : NULL,
		.heartbeat_column = xstrdup(t->heartbeat_column),
		.tls_ca = t->tls_ca ? xstrdup(t->tls_ca) : NULL,
		.tls_cert = t->tls_cert ? xstrdup(t->tls_cert) : NULL,
		.tls_key = t->tls_key ? xstrdup(t->tls_key) : NULL };
}

static void terms_free(struct check_terms *t)
{
	free(t->heartbeat_table);
	free(t->heartbeat_column);
	free(t->tls_ca);
	free(t->tls_cert);
	free(t->tls_key);
}

/* When the next check of a server is: sooner while its state may be about to change. */
static uint64_t next_due(const struct health *h, const struct watched *w, uint64_t now)
{
	uint8_t state = atomic_load(&w->server->health.state);
	uint64_t soon = MIN(h->cfg.interval_us, MAX(h->cfg.interval_us / 4, SUSPECT_GAP_US));

	if ((w->bad && state != SERVER_DOWN) || (w->good && state == SERVER_DOWN))
		return now + soon;
	return now + h->cfg.interval_us;
}

/* With the lock held, which is given up while the server is asked. */
static void check_one(struct health *h, struct watched *w)
{
	struct check_terms terms;
	struct check_result r;
	uint64_t now;

	w->started_us = clock_mono_us();
	w->due_us = UINT64_MAX;
	atomic_store(&w->server->health.suspect, false);
	terms_copy(&h->terms, &terms);
	pthread_mutex_unlock(&h->lock);
	check_run(&w->check, &terms, &r);
	terms_free(&terms);
	pthread_mutex_lock(&h->lock);
	now = clock_mono_us();
	w->running = false;
	w->ended_us = now;
	w->due_us = MIN(w->due_us, next_due(h, w, now));
	if (!w->gone && !h->stopping) {
		watch_note(h, w, &r, now);
		w->due_us = MIN(w->due_us, next_due(h, w, now));
	}
	free(r.position);
	if (w->gone) {
		pthread_mutex_unlock(&h->lock);
		watch_free(w);
		pthread_mutex_lock(&h->lock);
	}
	pthread_cond_broadcast(&h->done);
	wake_scheduler(h);
}

static void *check_thread(void *arg)
{
	struct health *h = arg;

	mysql_thread_init();
	pthread_mutex_lock(&h->lock);
	while (!h->stopping) {
		struct watched *w;

		if (!h->n_jobs) {
			h->n_idle++;
			pthread_cond_wait(&h->job, &h->lock);
			h->n_idle--;
			continue;
		}
		w = h->jobs[0];
		memmove(h->jobs, h->jobs + 1, --h->n_jobs * sizeof(struct watched *));
		check_one(h, w);
	}
	pthread_mutex_unlock(&h->lock);
	mysql_thread_end();
	return NULL;
}

/* --- the scheduler --- */

static void add_job(struct health *h, struct watched *w)
{
	w->running = true;
	if (h->n_jobs == h->cap_jobs) {
		h->cap_jobs = h->cap_jobs ? h->cap_jobs * 2 : 16;
		h->jobs = xrealloc(h->jobs, h->cap_jobs * sizeof(struct watched *));
	}
	h->jobs[h->n_jobs++] = w;
	/* a thread for each that waits, as long as there are any to be had */
	if (h->n_jobs > h->n_idle && h->n_threads < THREADS_MAX) {
		if (pthread_create(&h->threads[h->n_threads], NULL, check_thread, h) == 0)
			h->n_threads++;
		else if (!h->n_threads)
			log_error("health: no thread for checks: %s", strerror(errno));
	}
	pthread_cond_signal(&h->job);
}

/* Starts what is due, cuts off what is late; when to look again. */
static uint64_t schedule(struct health *h, uint64_t now)
{
	uint64_t next = now + h->cfg.interval_us;

	for (uint32_t i = 0; i < h->n_all; i++) {
		struct watched *w = h->all[i];

		if (w->running) {
			if (w->fd < 0)
				continue;
			if (w->limit_us <= now) {
				shutdown(w->fd, SHUT_RDWR);
				w->limit_us = UINT64_MAX;
			}
			next = MIN(next, w->limit_us);
			continue;
		}
		if (atomic_load(&w->server->health.suspect))
			w->due_us = MIN(w->due_us, MAX(now, w->ended_us + SUSPECT_GAP_US));
		if (w->due_us <= now)
			add_job(h, w);
		else
			next = MIN(next, w->due_us);
	}
	if (h->eject_due_us <= now) {
		watch_eject(h, now);
		/* verdicts that only time changes */
		watch_judge_all(h, now);
		h->eject_due_us = now + h->cfg.interval_us;
	}
	return MIN(next, h->eject_due_us);
}

static void drain_fd(int fd)
{
	uint64_t n;

	while (fd >= 0 && read(fd, &n, sizeof(n)) > 0) {
	}
}

static void *scheduler_main(void *arg)
{
	struct health *h = arg;
	struct pollfd fds[2] = { { .fd = h->own_fd, .events = POLLIN }, { .fd = h->wake_fd, .events = POLLIN } };

	pthread_mutex_lock(&h->lock);
	while (!h->stopping) {
		uint64_t now = clock_mono_us(), next = schedule(h, now);
		bool changed = h->changed;

		h->changed = false;
		pthread_mutex_unlock(&h->lock);
		if (changed)
			h->news(h->news_arg);
		now = clock_mono_us();
		(void)poll(fds, 2, next > now ? (int)((next - now) / 1000 + 1) : 0);
		drain_fd(h->own_fd);
		drain_fd(h->wake_fd);
		pthread_mutex_lock(&h->lock);
	}
	pthread_mutex_unlock(&h->lock);
	return NULL;
}

/* --- what is watched --- */

static struct watched *find_watched(const struct health *h, const struct server *s)
{
	for (uint32_t i = 0; i < h->n_all; i++) {
		if (h->all[i]->server == s)
			return h->all[i];
	}
	return NULL;
}

static struct watched *watched_new(struct health *h, struct server *s)
{
	struct watched *w = xcalloc(1, sizeof(*w));

	w->server = server_ref(s);
	w->fd = -1;
	w->check = (struct check){
		.server = s, .health = h, .busy = note_busy, .busy_arg = w, .lag_us = SERVER_LAG_UNKNOWN
	};
	return w;
}

static const struct watched_shard *find_shard(const struct watched_shard *shards, uint32_t n, const struct shard *sh)
{
	for (uint32_t i = 0; i < n; i++) {
		const struct shard *o = shards[i].shard;

		if (o->kind == sh->kind && str_eq(o->name, sh->name) && str_eq(o->keyspace->name, sh->keyspace->name))
			return &shards[i];
	}
	return NULL;
}

/* What was known of the shard, its servers perhaps being at other places now. */
static void carry_over(struct watched_shard *ws, const struct watched_shard *old)
{
	const struct verdict_memory *om = &old->memory;
	bool renamed = ws->backends[ws->shard->primary->index] != old->backends[old->shard->primary->index];

	if (ws->shard->backend_n == old->shard->backend_n &&
		memcmp(ws->backends, old->backends, sizeof(struct watched *) * old->shard->backend_n) == 0) {
		ws->memory = *om;
		ws->memory.named_us = renamed ? clock_mono_us() : om->named_us;
		memcpy(ws->applied_us, old->applied_us, sizeof(ws->applied_us));
		return;
	}
	if (ws->shard->kind == SHARD_PAIR)
		return; /* other servers: nothing of that holds */
	ws->memory.named_us = renamed ? clock_mono_us() : om->named_us;
	for (uint32_t i = 0; i < ws->shard->backend_n; i++) {
		for (uint32_t o = 0; ws->backends[i] && o < old->shard->backend_n; o++) {
			if (old->backends[o] != ws->backends[i])
				continue;
			if (om->rivals & ((uint64_t)1 << o))
				ws->memory.rivals |= (uint64_t)1 << i;
			if (om->known && om->last == (int16_t)o) {
				ws->memory.known = true;
				ws->memory.last = (int16_t)i;
			}
		}
	}
}

static void watch_shard(
	struct health *h, struct watched_shard *ws, const struct shard *sh, struct server *const *servers)
{
	ws->shard = sh;
	ws->backends = xcalloc(sh->backend_n, sizeof(struct watched *));
	for (uint32_t b = 0; b < sh->backend_n; b++) {
		struct watched *w;

		if (!servers[b])
			continue;
		w = find_watched(h, servers[b]);
		if (!w) {
			w = watched_new(h, servers[b]);
			h->all = xrealloc(h->all, (h->n_all + 1) * sizeof(struct watched *));
			h->all[h->n_all++] = w;
		}
		w->gone = false;
		ws->backends[b] = w;
	}
	ws->memory.before = verdict_of_map(sh);
	ws->memory.before.since_us = clock_mono_us();
}

static void shards_free(struct watched_shard *shards, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		free(shards[i].backends);
	free(shards);
}

static void drop_gone(struct health *h)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < h->n_all; i++) {
		struct watched *w = h->all[i];

		if (!w->gone)
			h->all[kept++] = w;
		else if (!w->running)
			watch_free(w);
	}
	h->n_all = kept;
}

static void fill_verdicts(struct health *h, struct shard_verdict **verdicts)
{
	uint32_t n = 0;

	for (uint32_t k = 0; k < h->map->keyspace_n; k++) {
		for (uint32_t i = 0; i < h->map->keyspaces[k]->shard_n; i++)
			verdicts[k][i] = h->shards[n++].memory.before;
	}
}

void health_watch(struct health *h, const struct map *map, struct server *const *const *const *servers,
	struct shard_verdict **verdicts)
{
	struct watched_shard *old;
	const struct map *old_map;
	uint32_t n = 0, n_old;

	pthread_mutex_lock(&h->lock);
	old = h->shards;
	n_old = h->n_shards;
	old_map = h->map;
	for (uint32_t i = 0; i < h->n_all; i++)
		h->all[i]->gone = true;
	for (uint32_t k = 0; k < map->keyspace_n; k++)
		n += map->keyspaces[k]->shard_n;
	h->map = map_ref((struct map *)(uintptr_t)map);
	h->shards = xcalloc(n, sizeof(*h->shards));
	h->n_shards = 0;
	for (uint32_t k = 0; k < map->keyspace_n; k++) {
		for (uint32_t i = 0; i < map->keyspaces[k]->shard_n; i++) {
			struct watched_shard *ws = &h->shards[h->n_shards++];
			const struct watched_shard *o;

			watch_shard(h, ws, &map->keyspaces[k]->shards[i], servers[k][i]);
			o = find_shard(old, n_old, ws->shard);
			if (o)
				carry_over(ws, o);
		}
	}
	shards_free(old, n_old);
	map_unref(old_map);
	drop_gone(h);
	watch_judge_all(h, clock_mono_us());
	fill_verdicts(h, verdicts);
	pthread_mutex_unlock(&h->lock);
	wake_scheduler(h);
}

void health_verdicts(struct health *h, struct shard_verdict **verdicts)
{
	pthread_mutex_lock(&h->lock);
	fill_verdicts(h, verdicts);
	pthread_mutex_unlock(&h->lock);
}

void health_wait_first(struct health *h, uint64_t timeout_us)
{
	struct timespec until;
	uint64_t at = clock_wall_us() + timeout_us;
	bool all = false;
	int rc = 0;

	until.tv_sec = (time_t)(at / 1000000);
	until.tv_nsec = (long)(at % 1000000) * 1000;
	pthread_mutex_lock(&h->lock);
	while (rc == 0) {
		all = true;
		for (uint32_t i = 0; i < h->n_all; i++)
			all = all && h->all[i]->checked;
		if (all)
			break;
		rc = pthread_cond_timedwait(&h->done, &h->lock, &until);
	}
	pthread_mutex_unlock(&h->lock);
}

/* --- life --- */

static const char *or_null(const char *s)
{
	return s && s[0] ? s : NULL;
}

static void configure(struct health *h, const struct health_config *cfg)
{
	struct check_terms t = { .timeout_us = cfg->timeout_us,
		.heartbeat_table = (char *)(uintptr_t)or_null(cfg->heartbeat_table),
		.heartbeat_column = (char *)(uintptr_t)(or_null(cfg->heartbeat_column) ? cfg->heartbeat_column : "ts"),
		.tls_ca = (char *)(uintptr_t)or_null(cfg->tls_ca),
		.tls_cert = (char *)(uintptr_t)or_null(cfg->tls_cert),
		.tls_key = (char *)(uintptr_t)or_null(cfg->tls_key) };

	terms_free(&h->terms);
	terms_copy(&t, &h->terms);
	h->cfg = *cfg;
	h->cfg.heartbeat_table = h->cfg.heartbeat_column = h->cfg.tls_ca = h->cfg.tls_cert = h->cfg.tls_key = NULL;
}

struct health *health_new(const struct health_config *cfg, int wake_fd, void (*news)(void *arg), void *arg)
{
	struct health *h = xcalloc(1, sizeof(*h));

	pthread_mutex_init(&h->lock, NULL);
	pthread_cond_init(&h->job, NULL);
	pthread_cond_init(&h->done, NULL);
	h->wake_fd = wake_fd;
	h->own_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	h->news = news;
	h->news_arg = arg;
	h->threads = xcalloc(THREADS_MAX, sizeof(*h->threads));
	configure(h, cfg);
	if (pthread_create(&h->scheduler, NULL, scheduler_main, h) != 0) {
		log_error("health: no thread for the scheduler");
		abort();
	}
	return h;
}

void health_configure(struct health *h, const struct health_config *cfg)
{
	pthread_mutex_lock(&h->lock);
	configure(h, cfg);
	pthread_mutex_unlock(&h->lock);
	wake_scheduler(h);
}

void health_free(struct health *h)
{
	if (!h)
		return;
	pthread_mutex_lock(&h->lock);
	h->stopping = true;
	for (uint32_t i = 0; i < h->n_all; i++) {
		if (h->all[i]->running && h->all[i]->fd >= 0)
			shutdown(h->all[i]->fd, SHUT_RDWR);
	}
	pthread_cond_broadcast(&h->job);
	pthread_mutex_unlock(&h->lock);
	wake_scheduler(h);
	pthread_join(h->scheduler, NULL);
	for (uint32_t i = 0; i < h->n_threads; i++)
		pthread_join(h->threads[i], NULL);
	for (uint32_t i = 0; i < h->n_jobs; i++) {
		if (h->jobs[i]->gone)
			watch_free(h->jobs[i]);
	}
	for (uint32_t i = 0; i < h->n_all; i++)
		watch_free(h->all[i]);
	shards_free(h->shards, h->n_shards);
	map_unref(h->map);
	terms_free(&h->terms);
	free(h->all);
	free(h->jobs);
	free(h->threads);
	if (h->own_fd >= 0)
		close(h->own_fd);
	pthread_cond_destroy(&h->job);
	pthread_cond_destroy(&h->done);
	pthread_mutex_destroy(&h->lock);
	free(h);
}
