/* topo.c - the control threads: one judges what the store tells, one reads schemas, so that a server that hangs does
 * not hold up a new map; both publish snapshots. For main, which hands the snapshots to the workers, and for the
 * executor after DDL. Threads of its own; the public functions are called from any. */
#include "keyway/topo/topo.h"
#include <mysql.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include "documents.h"
#include "server.h"
#include "keyway/store/store.h"
#include "keyway/util/log.h"

#define RETRY_MIN_US   1000000
#define RETRY_MAX_US   30000000
#define REMIND_US      60000000
#define NEVER_US       UINT64_MAX
#define COMPARE_SHARDS 4 /* how many other shards each reading is compared with */

/* What is known of a keyspace of the served map, by name: it outlives epochs. */
struct watched {
	char *name;
	struct schema *schema;
	struct server_facts *facts;
	char *from;	    /* backend of the last good reading */
	uint64_t schema_us; /* wall clock of it */
	struct err err;	    /* of the last reading; kind 0: good */
	bool tried;
	uint64_t due_us;     /* monotonic: when to read next */
	uint64_t backoff_us; /* 0: the last reading was good */
	uint32_t compared;   /* shard to compare next */
	char *difference;    /* the one logged last */
	bool reading;	     /* the reader has it: it is the reader's to free once dropped */
	bool dropped;
};

struct refresh {
	char *keyspace;
	topo_refreshed_fn *done;
	void *arg;
	struct refresh *next;
};

struct change {
	char *key;
	char *text; /* NULL: gone */
	size_t n;
	struct change *next;
};

struct topo {
	struct topo_config cfg; /* texts owned */
	struct store_follower *store;
	pthread_t thread, reader;
	bool running;

	pthread_mutex_t publishing; /* snapshots go out one after another, in their order; taken before lock */
	pthread_mutex_t lock;
	pthread_cond_t wake;  /* for the map's thread */
	pthread_cond_t due;   /* for the reader */
	pthread_cond_t tried; /* for topo_wait() */
	/* under the lock: */
	bool stopping;
	bool settled; /* changes wait to be acted on */
	bool give_up_held;
	struct change *changes, **changes_end;
	struct refresh *refreshes, **refreshes_end;
	struct err store_err;	 /* kind 0: up */
	char *identity;		 /* of the store whose map is served: "BASE/MARK"; NULL: none is known */
	struct err identity_err; /* kind 0: it is the one that answers */
	bool identity_news;	 /* not in the cache yet */
	struct snapshot *current;
	int busy_fd; /* of the server being read */
	struct watched **watched;
	uint32_t watched_n;
	uint64_t generation;
	/* written by the map's thread under the lock; it alone reads them without: */
	struct documents docs;
	uint64_t remind_us; /* its own, monotonic */
};

static struct watched *watched_find(const struct topo *t, struct str name)
{
	for (uint32_t i = 0; i < t->watched_n; i++) {
		if (str_eqz(name, t->watched[i]->name))
			return t->watched[i];
	}
	return NULL;
}

static void watched_free(struct watched *w)
{
	free(w->name);
	free(w->from);
	free(w->difference);
	schema_unref(w->schema);
	server_facts_unref(w->facts);
	free(w);
}

/* Makes the list follow @m; keyspaces that are new or have a new map are due now. Under the lock. */
static void watched_follow(struct topo *t, const struct map *m, const struct map *old)
{
	for (uint32_t i = t->watched_n; i-- > 0;) {
		struct watched *w = t->watched[i];

		if (map_keyspace(m, str_of(w->name)))
			continue;
		t->watched[i] = t->watched[--t->watched_n];
		w->dropped = true;
		if (!w->reading)
			watched_free(w);
	}
	for (uint32_t i = 0; i < m->keyspace_n; i++) {
		const struct keyspace *ks = m->keyspaces[i];
		struct watched *w = watched_find(t, ks->name);

		if (!w) {
			t->watched = xrealloc(t->watched, (t->watched_n + 1) * sizeof(struct watched *));
			w = t->watched[t->watched_n++] = xcalloc(1, sizeof(*w));
			w->name = str_dup(ks->name);
		}
		if (!old || map_keyspace(old, ks->name) != ks) {
			w->due_us = 0;
			w->backoff_us = 0;
			w->compared = 0;
		}
	}
}

/* Puts a snapshot together from what is known now and makes it the current one. Under both locks; the one that was
 * current is the caller's. */
static struct snapshot *make_current(struct topo *t, const struct map *map)
{
	const struct schema **schemas = xcalloc(map->keyspace_n + 1, sizeof(*schemas));
	const struct server_facts **facts = xcalloc(map->keyspace_n + 1, sizeof(*facts));
	struct snapshot *old = t->current;

	for (uint32_t i = 0; i < map->keyspace_n; i++) {
		const struct watched *w = watched_find(t, map->keyspaces[i]->name);

		schemas[i] = w ? w->schema : NULL;
		facts[i] = w ? w->facts : NULL;
	}
	t->current = snapshot_build(map, schemas, facts, ++t->generation);
	free(schemas);
	free(facts);
	return old;
}

/* With the order of snapshots held, but not the lock: the current one stays so. */
static void hand_out(struct topo *t)
{
	if (t->running && t->cfg.publish)
		t->cfg.publish(t->cfg.publish_arg, t->current);
}

/* Judges what the store has told; publishes when the served map changes. */
static void act_on_changes(struct topo *t)
{
	struct change *c, *next;
	struct map *m, *old;
	struct err err;
	struct snapshot *replaced = NULL;
	bool changed, up, news, first;
	char *identity;

	pthread_mutex_lock(&t->publishing);
	pthread_mutex_lock(&t->lock);
	if (t->give_up_held)
		documents_give_up_held(&t->docs);
	t->give_up_held = false;
	c = t->changes;
	t->changes = NULL;
	t->changes_end = &t->changes;
	t->settled = false;
	for (; c; c = next) {
		next = c->next;
		documents_put(&t->docs, str_of(c->key), str_make(c->text, c->n));
		free(c->key);
		free(c->text);
		free(c);
	}
	up = t->store_err.kind == 0 && t->identity_err.kind == 0;
	changed = documents_settle(&t->docs, clock_wall_us());
	changed |= documents_drop_cached(&t->docs, up && !documents_none(&t->docs));
	identity = xstrdup(t->identity ? t->identity : "");
	news = t->identity_news;
	t->identity_news = false;
	old = t->current ? map_ref(t->current->map) : NULL;
	m = documents_map(&t->docs);
	first = !old;
	if (changed || first) {
		watched_follow(t, m, old);
		replaced = make_current(t, m);
		pthread_cond_signal(&t->due);
	}
	pthread_mutex_unlock(&t->lock);
	if (changed || first)
		hand_out(t);
	pthread_mutex_unlock(&t->publishing);
	snapshot_unref(replaced);
	if (t->cfg.cache_path && (changed || news) && m->keyspace_n &&
		cache_write(t->cfg.cache_path, m, identity, &err) < 0)
		log_warn("the last good map is not cached: %s", err.msg);
	free(identity);
	map_unref(m);
	map_unref(old);
}

static void note_busy(void *arg, int fd)
{
	struct topo *t = arg;

	pthread_mutex_lock(&t->lock);
	t->busy_fd = fd;
	if (t->stopping && fd >= 0)
		(void)shutdown(fd, SHUT_RDWR);
	pthread_mutex_unlock(&t->lock);
}

static bool is_stopping(struct topo *t)
{
	bool stopping;

	pthread_mutex_lock(&t->lock);
	stopping = t->stopping;
	pthread_mutex_unlock(&t->lock);
	return stopping;
}

/* A reading of one keyspace. */
struct reading {
	const struct backend_def *from;
	struct server_facts *facts;
	struct schema *schema; /* NULL for `*` */
	struct err err;
	int rc;
};

static bool try_backend(struct topo *t, const struct keyspace *ks, const struct backend_def *b,
	const struct server_reach *reach, struct reading *out)
{
	struct server_facts *facts;

	if (is_stopping(t))
		return true;
	out->rc = server_read(b, b->shard->database, reach, &facts, ks->everything ? NULL : &out->schema, &out->err);
	if (facts) {
		server_facts_unref(out->facts);
		out->facts = facts;
	}
	if (out->rc == 0)
		out->from = b;
	return out->rc == 0;
}

/* The primaries of the shards in turn, then the other backends, until one answers. */
static void read_keyspace(
	struct topo *t, const struct keyspace *ks, const struct server_reach *reach, struct reading *out)
{
	*out = (struct reading){ .rc = ERR_BACKEND };
	err_set(&out->err, ERR_BACKEND, ER_SERVER_SHUTDOWN, "Server shutdown in progress");
	for (uint32_t i = 0; i < ks->shard_n; i++) {
		if (try_backend(t, ks, ks->shards[i].primary, reach, out))
			return;
	}
	for (uint32_t i = 0; i < ks->shard_n; i++) {
		for (uint32_t k = 0; k < ks->shards[i].backend_n; k++) {
			const struct backend_def *b = &ks->shards[i].backends[k];

			if (b != ks->shards[i].primary && try_backend(t, ks, b, reach, out))
				return;
		}
	}
}

/* The shard that alone holds a table, or NULL. */
static const struct shard *pinned_to(const struct keyspace *ks, const struct schema *s, struct str table)
{
	const struct table_rule *rule = keyspace_table(ks, table, s->nocase);

	return rule && rule->kind == TABLE_PINNED ? rule->shard : NULL;
}

/* Adds the tables of @from that are pinned to @shard. */
static int add_pinned(
	struct schema_builder *b, const struct keyspace *ks, const struct schema *from, const struct shard *shard)
{
	int rc = 0;

	for (uint32_t i = 0; rc == 0 && i < from->table_n; i++) {
		if (pinned_to(ks, from, from->tables[i].name) == shard)
			rc = schema_build_copy(b, &from->tables[i]);
	}
	return rc;
}

static bool has_pinned(const struct keyspace *ks, const struct shard *shard)
{
	if (ks->default_table && ks->default_table->shard == shard)
		return true;
	for (uint32_t i = 0; i < ks->table_n; i++) {
		if (ks->tables[i].kind == TABLE_PINNED && ks->tables[i].shard == shard)
			return true;
	}
	return false;
}

/* Tables pinned to other shards than the one read are there only: they are read from their shards. When one of these
 * does not answer its tables stay as they were known, and the reading counts as failed, to be tried again. */
static void read_pinned(struct topo *t, const struct keyspace *ks, const struct watched *w,
	const struct server_reach *reach, struct reading *r)
{
	const struct shard *home = r->from->shard;
	struct schema_builder *b = schema_build(r->schema->nocase, r->schema->charset, r->schema->collation);
	int rc = 0;

	for (uint32_t i = 0; rc == 0 && i < r->schema->table_n; i++) {
		const struct shard *only = pinned_to(ks, r->schema, r->schema->tables[i].name);

		if (!only || only == home)
			rc = schema_build_copy(b, &r->schema->tables[i]);
	}
	for (uint32_t i = 0; rc == 0 && i < ks->shard_n && !is_stopping(t); i++) {
		const struct shard *s = &ks->shards[i];
		struct server_facts *facts;
		struct schema *schema;

		if (s == home || !has_pinned(ks, s))
			continue;
		if (server_read(s->primary, s->database, reach, &facts, &schema, &r->err) < 0)
			r->rc = r->err.kind;
		if (schema || w->schema)
			rc = add_pinned(b, ks, schema ? schema : w->schema, s);
		server_facts_unref(facts);
		schema_unref(schema);
	}
	if (rc < 0) {
		r->rc = err_set(&r->err, ERR_LIMIT, ER_OUT_OF_RESOURCES,
			"keyspace %s: too many tables or columns for Keyway", ks->name.p);
		schema_build_free(b);
		return;
	}
	schema_unref(r->schema);
	r->schema = schema_build_finish(b);
}

/* The first difference in the tables that every shard has. */
static bool shards_same(
	const struct keyspace *ks, const struct schema *a, const struct schema *b, char *what, size_t what_size)
{
	for (uint32_t i = 0; i < ks->table_n; i++) {
		const struct table_rule *rule = &ks->tables[i];
		const struct table *x = schema_table(a, rule->name), *y = schema_table(b, rule->name);

		if (rule->kind == TABLE_PINNED || (!x && !y))
			continue;
		if (!x || !y) {
			snprintf(what, what_size, "table %s is only %s", rule->name.p, x ? "here" : "there");
			return false;
		}
		if (!table_same(x, y, what, what_size))
			return false;
	}
	return true;
}

/* Logs where other shards' tables differ from what was read: a statement over shards would fail or lie there. */
static void compare_shards(struct topo *t, const struct keyspace *ks, struct watched *w, const struct reading *r,
	const struct server_reach *reach)
{
	char what[256], text[512];

	for (uint32_t i = 0; i < MIN(ks->shard_n, (uint32_t)COMPARE_SHARDS) && !is_stopping(t); i++) {
		const struct shard *s = &ks->shards[w->compared++ % ks->shard_n];
		struct server_facts *facts = NULL;
		struct schema *other = NULL;
		char *said;

		if (s == r->from->shard)
			continue;
		if (server_read(s->primary, s->database, reach, &facts, &other, NULL) == 0 &&
			!shards_same(ks, r->schema, other, what, sizeof(what))) {
			said = xasprintf("keyspace %s: the schemas of shards %s (here) and %s (there) differ: %s; make "
					 "them equal",
				ks->name.p, r->from->shard->name.p, s->name.p,
				log_text(str_of(what), text, sizeof(text)));
			if (!w->difference || strcmp(w->difference, said) != 0)
				log_warn("%s", said);
			free(w->difference);
			w->difference = said;
		}
		server_facts_unref(facts);
		schema_unref(other);
	}
}

static bool facts_same(const struct server_facts *a, const struct server_facts *b)
{
	return str_eq(a->version, b->version) && str_eq(a->version_comment, b->version_comment) &&
	       str_eq(a->charset, b->charset) && str_eq(a->collation, b->collation) &&
	       str_eq(a->sql_mode, b->sql_mode) && str_eq(a->time_zone, b->time_zone) &&
	       str_eq(a->system_time_zone, b->system_time_zone) && a->max_allowed_packet == b->max_allowed_packet &&
	       a->lower_case_table_names == b->lower_case_table_names;
}

/* Takes over what was read. True when anything in it is news. Under the lock. */
static bool note_reading(struct topo *t, struct watched *w, struct reading *r)
{
	uint64_t now = clock_mono_us();
	bool news = false;
	char text[ERR_MSG_MAX];

	w->tried = true;
	if (r->facts && !(w->facts && facts_same(w->facts, r->facts))) {
		server_facts_unref(w->facts);
		w->facts = server_facts_ref(r->facts);
		news = true;
	}
	if (r->schema && !(w->schema && schema_same(w->schema, r->schema, NULL, 0))) {
		schema_unref(w->schema);
		w->schema = schema_ref(r->schema);
		news = true;
	}
	if (r->rc == 0) {
		free(w->from);
		w->from = str_dup(r->from->name);
		w->schema_us = clock_wall_us();
		if (w->err.kind)
			log_info("keyspace %s: schema read again from %s", w->name, w->from);
		w->err = (struct err){ 0 };
		w->backoff_us = 0;
		w->due_us = MIN(w->due_us, now + t->cfg.schema_refresh_us);
	} else {
		if (!w->err.kind || strcmp(w->err.msg, r->err.msg) != 0)
			log_warn("keyspace %s: schema not read: %s", w->name,
				log_text(str_of(r->err.msg), text, sizeof(text)));
		w->err = r->err;
		w->backoff_us = w->backoff_us ? MIN(w->backoff_us * 2, (uint64_t)RETRY_MAX_US) : RETRY_MIN_US;
		w->due_us = MIN(w->due_us, now + w->backoff_us);
	}
	pthread_cond_broadcast(&t->tried);
	return news;
}

/* Takes over what was read, and publishes it if it is news. */
static void note_and_publish(struct topo *t, struct watched *w, struct reading *r)
{
	struct snapshot *replaced = NULL;
	bool news;

	pthread_mutex_lock(&t->publishing);
	pthread_mutex_lock(&t->lock);
	news = !w->dropped && note_reading(t, w, r);
	if (news)
		replaced = make_current(t, t->current->map);
	pthread_mutex_unlock(&t->lock);
	if (news)
		hand_out(t);
	pthread_mutex_unlock(&t->publishing);
	snapshot_unref(replaced);
}

/* Reads the schema of @w, a keyspace of @map, and publishes it when it is news. */
static void refresh_keyspace(struct topo *t, const struct map *map, struct watched *w, bool compare, struct reading *r)
{
	const struct keyspace *ks = map_keyspace(map, str_of(w->name));
	struct server_reach reach = {
		.connect_timeout_us = t->cfg.connect_timeout_us,
		.read_timeout_us = t->cfg.read_timeout_us,
		.busy = note_busy,
		.busy_arg = t,
	};

	t->cfg.account(t->cfg.account_arg, ks->name, &reach.account);
	read_keyspace(t, ks, &reach, r);
	if (r->rc == 0 && r->schema && ks->shard_n > 1)
		read_pinned(t, ks, w, &reach, r);
	if (is_stopping(t))
		return;
	note_and_publish(t, w, r);
	if (compare && r->rc == 0 && r->schema)
		compare_shards(t, ks, w, r, &reach);
}

static void reading_free(struct reading *r)
{
	schema_unref(r->schema);
	server_facts_unref(r->facts);
}

/* Takes the waiting requests for the keyspace of the first of them. */
static struct refresh *take_refreshes(struct topo *t)
{
	struct refresh *mine = NULL, **mine_end = &mine, **at;

	pthread_mutex_lock(&t->lock);
	for (at = &t->refreshes; *at;) {
		struct refresh *r = *at;

		if (mine && strcmp(mine->keyspace, r->keyspace) != 0) {
			at = &r->next;
			continue;
		}
		*at = r->next;
		r->next = NULL;
		*mine_end = r;
		mine_end = &r->next;
	}
	t->refreshes_end = at;
	pthread_mutex_unlock(&t->lock);
	return mine;
}

static void complete(struct refresh *list, const struct err *err)
{
	while (list) {
		struct refresh *r = list;

		list = r->next;
		if (r->done)
			r->done(r->arg, err);
		free(r->keyspace);
		free(r);
	}
}

/* The keyspace @name (NULL: the first that is due), which stays until end_reading(), and the map that it is of. NULL:
 * there is none; *@next (which may be NULL) is when there will be. */
static struct watched *begin_reading_at(struct topo *t, const char *name, struct map **map, uint64_t *next)
{
	uint64_t now = clock_mono_us();
	struct watched *w = NULL;

	pthread_mutex_lock(&t->lock);
	if (name)
		w = watched_find(t, str_of(name));
	for (uint32_t i = 0; !name && i < t->watched_n; i++) {
		if (t->watched[i]->due_us <= now && !w)
			w = t->watched[i];
		else
			*next = MIN(*next, t->watched[i]->due_us);
	}
	if (w) {
		w->reading = true;
		w->due_us = NEVER_US; /* unless a new map makes it due while it is read */
		*map = map_ref(t->current->map);
	}
	pthread_mutex_unlock(&t->lock);
	return w;
}

static struct watched *begin_reading(struct topo *t, const char *name, struct map **map)
{
	return begin_reading_at(t, name, map, NULL);
}

static void end_reading(struct topo *t, struct watched *w, struct map *map)
{
	bool dropped;

	pthread_mutex_lock(&t->lock);
	w->reading = false;
	dropped = w->dropped;
	pthread_mutex_unlock(&t->lock);
	if (dropped)
		watched_free(w);
	map_unref(map);
}

static void serve_refreshes(struct topo *t)
{
	struct refresh *list;

	while (!is_stopping(t) && (list = take_refreshes(t))) {
		struct map *map;
		struct watched *w = begin_reading(t, list->keyspace, &map);
		struct reading r;
		struct err err;

		if (!w) {
			err_set(&err, ERR_NAME, ER_BAD_DB_ERROR, "Unknown database '%.64s'", list->keyspace);
			complete(list, &err);
			continue;
		}
		refresh_keyspace(t, map, w, false, &r);
		end_reading(t, w, map);
		complete(list, r.rc < 0 ? &r.err : NULL);
		reading_free(&r);
	}
}

/* Reads one keyspace that is due. Returns when the next one is: 0 at once. */
static uint64_t serve_due(struct topo *t)
{
	uint64_t next = NEVER_US;
	struct map *map;
	struct watched *due = begin_reading_at(t, NULL, &map, &next);
	struct reading r;

	if (!due)
		return next;
	refresh_keyspace(t, map, due, true, &r);
	end_reading(t, due, map);
	reading_free(&r);
	return 0;
}

/* Under the lock, until @cond is signalled or @due_us has come. */
static void wait_until(struct topo *t, pthread_cond_t *cond, uint64_t due_us)
{
	uint64_t now = clock_mono_us(), at_us = MIN(due_us, now + 60000000);
	struct timespec at = { .tv_sec = (time_t)(at_us / 1000000), .tv_nsec = (long)(at_us % 1000000) * 1000 };

	if (at_us > now)
		(void)pthread_cond_timedwait(cond, &t->lock, &at);
}

/* Why the map may not be the newest; kind 0: it is. Under the lock. */
static void trouble(const struct topo *t, struct err *out)
{
	uint32_t held = documents_held(&t->docs);

	*out = t->store_err.kind ? t->store_err : t->identity_err;
	if (out->kind)
		return;
	if (held)
		err_set(out, ERR_CONFIG, ER_WRONG_ARGUMENTS,
			"the map store came to have no keyspaces at all: %u that it had are served as they were; put "
			"their "
			"documents back, or write those that are to be and reload",
			held);
	else if (t->docs.cached_n)
		err_set(out, ERR_CONFIG, ER_WRONG_ARGUMENTS,
			"%u keyspaces are served from the cached map: the store has no good documents of them",
			t->docs.cached_n);
}

/* A map that may be old is told again and again. */
static void remind(struct topo *t)
{
	uint64_t now = clock_mono_us();
	struct err err;
	uint32_t cached;

	if (now < t->remind_us)
		return;
	t->remind_us = now + REMIND_US;
	pthread_mutex_lock(&t->lock);
	trouble(t, &err);
	cached = t->docs.cached_n;
	pthread_mutex_unlock(&t->lock);
	if (err.kind)
		log_warn("STALE MAP: %s%s", err.msg, cached ? " (it was read from the cache)" : "");
}

static void *map_thread(void *arg)
{
	struct topo *t = arg;

	while (!is_stopping(t)) {
		bool settled;

		remind(t);
		pthread_mutex_lock(&t->lock);
		if (!t->settled && !t->stopping)
			wait_until(t, &t->wake, t->remind_us);
		settled = t->settled;
		pthread_mutex_unlock(&t->lock);
		if (settled)
			act_on_changes(t);
	}
	return NULL;
}

static void *reader_thread(void *arg)
{
	struct topo *t = arg;
	struct err err;

	mysql_thread_init();
	while (!is_stopping(t)) {
		uint64_t next;

		serve_refreshes(t);
		next = serve_due(t);
		pthread_mutex_lock(&t->lock);
		/* a keyspace that came meanwhile is due at once */
		for (uint32_t i = 0; i < t->watched_n; i++)
			next = MIN(next, t->watched[i]->due_us);
		if (!t->refreshes && !t->stopping)
			wait_until(t, &t->due, next);
		pthread_mutex_unlock(&t->lock);
	}
	err_set(&err, ERR_BACKEND, ER_SERVER_SHUTDOWN, "Server shutdown in progress");
	for (struct refresh *list = take_refreshes(t); list; list = take_refreshes(t))
		complete(list, &err);
	mysql_thread_end();
	return NULL;
}

static void on_document(void *arg, struct str key, struct str document, uint64_t revision)
{
	struct topo *t = arg;
	struct change *c = xcalloc(1, sizeof(*c));

	(void)revision;
	c->key = str_dup(key);
	c->text = document.p ? str_dup(document) : NULL;
	c->n = document.n;
	pthread_mutex_lock(&t->lock);
	*t->changes_end = c;
	t->changes_end = &c->next;
	pthread_mutex_unlock(&t->lock);
}

static void on_settled(void *arg)
{
	struct topo *t = arg;

	pthread_mutex_lock(&t->lock);
	t->settled = true;
	pthread_cond_signal(&t->wake);
	pthread_mutex_unlock(&t->lock);
}

static void on_state(void *arg, const struct err *err)
{
	struct topo *t = arg;

	pthread_mutex_lock(&t->lock);
	if (err && (!t->store_err.kind || strcmp(t->store_err.msg, err->msg) != 0))
		log_error("%s; the map stays as it is", err->msg);
	if (!err && t->store_err.kind)
		log_info("the map store can be read again");
	t->store_err = err ? *err : (struct err){ 0 };
	t->settled = true;
	pthread_cond_signal(&t->wake);
	pthread_mutex_unlock(&t->lock);
}

/* Is the store that answers with @id the one that @known was? One without a mark may have got its own since. */
static bool same_store(const char *known, const char *id)
{
	size_t n = strlen(known);

	return strcmp(known, id) == 0 || (n && known[n - 1] == '/' && strncmp(known, id, n) == 0);
}

static bool on_identity(void *arg, struct str id)
{
	struct topo *t = arg;
	char *text = str_dup(id), *slash;
	bool same;

	pthread_mutex_lock(&t->lock);
	same = !t->identity || same_store(t->identity, text);
	if (same) {
		t->identity_news |= !t->identity || strcmp(t->identity, text) != 0;
		if (t->identity_err.kind)
			log_info("the map store is the known one again");
		t->identity_err = (struct err){ 0 };
		free(t->identity);
		t->identity = xstrdup(text);
	} else {
		struct err err;

		slash = strrchr(t->identity, '/');
		err_set(&err, ERR_CONFIG, ER_WRONG_ARGUMENTS,
			"the map store is another one than the map came from (it is %.60s, was %.60s): nothing is "
			"taken from "
			"it; if it is meant, write %.40s under its key \"cluster\" when only that differs, else stop, "
			"remove "
			"the cached map %.100s, start",
			text, t->identity, slash ? slash + 1 : "", t->cfg.cache_path ? t->cfg.cache_path : "(none)");
		if (!t->identity_err.kind || strcmp(t->identity_err.msg, err.msg) != 0)
			log_error("%s", err.msg);
		t->identity_err = err;
	}
	t->settled = true;
	pthread_cond_signal(&t->wake);
	pthread_mutex_unlock(&t->lock);
	free(text);
	return same;
}

static struct topo *topo_new(const struct topo_config *cfg)
{
	struct topo *t = xcalloc(1, sizeof(*t));
	pthread_condattr_t attr;

	t->cfg = *cfg;
	t->cfg.cache_path = cfg->cache_path ? xstrdup(cfg->cache_path) : NULL;
	t->cfg.connect_timeout_us = cfg->connect_timeout_us ? cfg->connect_timeout_us : 3000000;
	t->cfg.read_timeout_us = cfg->read_timeout_us ? cfg->read_timeout_us : 10000000;
	t->cfg.schema_refresh_us = cfg->schema_refresh_us ? cfg->schema_refresh_us : 60000000;
	t->busy_fd = -1;
	t->changes_end = &t->changes;
	t->refreshes_end = &t->refreshes;
	documents_init(&t->docs, store_keys_are_keyspaces(cfg->store->kind), t->cfg.cache_path);
	t->docs.hold_emptied = true;
	pthread_mutex_init(&t->publishing, NULL);
	pthread_mutex_init(&t->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&t->wake, &attr);
	pthread_cond_init(&t->due, &attr);
	pthread_cond_init(&t->tried, &attr);
	pthread_condattr_destroy(&attr);
	return t;
}

static void topo_free(struct topo *t)
{
	while (t->changes) {
		struct change *c = t->changes;

		t->changes = c->next;
		free(c->key);
		free(c->text);
		free(c);
	}
	for (uint32_t i = 0; i < t->watched_n; i++)
		watched_free(t->watched[i]);
	free(t->watched);
	documents_free(&t->docs);
	snapshot_unref(t->current);
	pthread_mutex_destroy(&t->publishing);
	pthread_mutex_destroy(&t->lock);
	pthread_cond_destroy(&t->wake);
	pthread_cond_destroy(&t->due);
	pthread_cond_destroy(&t->tried);
	free((char *)t->cfg.cache_path);
	free(t->identity);
	free(t);
}

/* Is what was read at the start enough to serve from? */
static int check_first(const struct topo *t, struct err *err)
{
	if (t->docs.cached_n) {
		log_warn("serving %u keyspaces from the cached map %s until the store has good documents of them",
			t->docs.cached_n, t->cfg.cache_path);
		return 0;
	}
	if (t->store_err.kind || t->identity_err.kind) {
		const struct err *why = t->store_err.kind ? &t->store_err : &t->identity_err;

		if (err)
			*err = *why;
		return why->kind;
	}
	for (uint32_t i = 0; i < t->docs.n; i++) {
		const struct document *doc = &t->docs.docs[i];

		if (doc->refused_us)
			return err_set(err, ERR_CONFIG, ER_WRONG_ARGUMENTS, "map document %.100s: %.380s", doc->key,
				doc->refused.msg);
	}
	return 0;
}

static void ask_to_stop(struct topo *t)
{
	pthread_mutex_lock(&t->lock);
	t->stopping = true;
	if (t->busy_fd >= 0)
		(void)shutdown(t->busy_fd, SHUT_RDWR);
	pthread_cond_signal(&t->wake);
	pthread_cond_signal(&t->due);
	pthread_cond_broadcast(&t->tried);
	pthread_mutex_unlock(&t->lock);
}

struct topo *topo_start(const struct topo_config *cfg, struct err *err)
{
	struct topo *t = topo_new(cfg);
	struct store_watch watch = {
		.arg = t, .document = on_document, .settled = on_settled, .state = on_state, .identity = on_identity
	};
	struct err cache_err;
	int rc;

	mysql_library_init(0, NULL, NULL);
	if (t->cfg.cache_path && cache_read(t->cfg.cache_path, &t->docs, &t->identity, &cache_err) < 0)
		log_warn("%s", cache_err.msg);
	t->store = store_follow(cfg->store, &watch, err);
	if (!t->store)
		goto fail;
	act_on_changes(t);
	if (check_first(t, err) < 0)
		goto fail;
	pthread_mutex_lock(&t->publishing);
	t->running = true;
	hand_out(t);
	pthread_mutex_unlock(&t->publishing);
	rc = pthread_create(&t->thread, NULL, map_thread, t);
	if (rc == 0) {
		rc = pthread_create(&t->reader, NULL, reader_thread, t);
		if (rc == 0)
			return t;
		ask_to_stop(t);
		pthread_join(t->thread, NULL);
	}
	err_set(err, ERR_LIMIT, ER_OUT_OF_RESOURCES, "no thread for the topology: %s", strerror(rc));
fail:
	store_follower_stop(t->store);
	topo_free(t);
	return NULL;
}

void topo_stop(struct topo *t)
{
	if (!t)
		return;
	store_follower_stop(t->store);
	ask_to_stop(t);
	pthread_join(t->thread, NULL);
	pthread_join(t->reader, NULL);
	topo_free(t);
}

struct snapshot *topo_snapshot(struct topo *t)
{
	struct snapshot *s;

	pthread_mutex_lock(&t->lock);
	s = snapshot_ref(t->current);
	pthread_mutex_unlock(&t->lock);
	return s;
}

static const struct watched *first_untried(const struct topo *t)
{
	for (uint32_t i = 0; i < t->watched_n; i++) {
		if (!t->watched[i]->tried)
			return t->watched[i];
	}
	return NULL;
}

int topo_wait(struct topo *t, uint64_t timeout_us, struct err *err)
{
	const struct watched *w;
	struct timespec at;
	int rc = 0;

	clock_gettime(CLOCK_MONOTONIC, &at);
	at.tv_sec += (time_t)(timeout_us / 1000000);
	at.tv_nsec += (long)(timeout_us % 1000000) * 1000;
	if (at.tv_nsec >= 1000000000) {
		at.tv_nsec -= 1000000000;
		at.tv_sec++;
	}
	pthread_mutex_lock(&t->lock);
	while ((w = first_untried(t)) && !t->stopping && rc == 0)
		rc = pthread_cond_timedwait(&t->tried, &t->lock, &at);
	rc = w ? err_set(err, ERR_TIMEOUT, ER_NET_READ_INTERRUPTED,
			 "the schema of keyspace %.64s has not been read in time; see the log for its servers", w->name)
	       : 0;
	pthread_mutex_unlock(&t->lock);
	return rc;
}

void topo_refresh_schema(struct topo *t, struct str keyspace, topo_refreshed_fn *done, void *arg)
{
	struct refresh *r = xcalloc(1, sizeof(*r));

	r->keyspace = str_dup(keyspace);
	r->done = done;
	r->arg = arg;
	pthread_mutex_lock(&t->lock);
	*t->refreshes_end = r;
	t->refreshes_end = &r->next;
	pthread_cond_signal(&t->due);
	pthread_mutex_unlock(&t->lock);
}

void topo_reload(struct topo *t)
{
	pthread_mutex_lock(&t->lock);
	t->give_up_held = true;
	t->settled = true;
	pthread_cond_signal(&t->wake);
	pthread_mutex_unlock(&t->lock);
	store_follower_reload(t->store);
}

static void status_keyspace(
	const struct topo *t, const struct keyspace *ks, const struct document *doc, struct topo_keyspace_status *out)
{
	const struct watched *w = ks ? watched_find(t, ks->name) : NULL;

	*out = (struct topo_keyspace_status){ .name = ks ? str_dup(ks->name) : xstrdup(doc->key) };
	if (ks)
		out->epoch = ks->epoch;
	if (w) {
		out->schema_us = w->schema_us;
		out->schema_from = w->from ? xstrdup(w->from) : NULL;
		out->schema_err = w->err;
	}
	if (!doc) {
		out->from_cache = true;
		return;
	}
	out->gone = doc->held;
	out->loaded_us = doc->loaded_us;
	out->refused_n = doc->refused_n;
	out->refused_us = doc->refused_us;
	out->refused_err = doc->refused;
}

void topo_status(struct topo *t, struct topo_status *out)
{
	*out = (struct topo_status){ 0 };
	pthread_mutex_lock(&t->lock);
	out->generation = t->generation;
	out->store_up = t->store_err.kind == 0 && t->identity_err.kind == 0;
	trouble(t, &out->store_err);
	out->store_id = t->identity ? xstrdup(t->identity) : NULL;
	out->keyspaces = xcalloc(t->docs.n + t->docs.cached_n + 1, sizeof(*out->keyspaces));
	for (uint32_t i = 0; i < t->docs.n; i++)
		status_keyspace(t, t->docs.docs[i].good, &t->docs.docs[i], &out->keyspaces[out->keyspace_n++]);
	for (uint32_t i = 0; i < t->docs.cached_n; i++)
		status_keyspace(t, t->docs.cached[i], NULL, &out->keyspaces[out->keyspace_n++]);
	pthread_mutex_unlock(&t->lock);
}

void topo_status_free(struct topo_status *s)
{
	for (uint32_t i = 0; i < s->keyspace_n; i++) {
		free(s->keyspaces[i].name);
		free(s->keyspaces[i].schema_from);
	}
	free(s->keyspaces);
	free(s->store_id);
	*s = (struct topo_status){ 0 };
}
