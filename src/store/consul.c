/* consul.c - the store in consul's KV: keys, transactions, sessions as leases, and following by blocking queries.
 * For store.c and presence.c.
 * Blocking; the owner's thread or the follower's. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include "base64.h"
#include "consul_answer.h"
#include "follow.h"
#include "keyway/util/log.h"

#define VALUE_MAX  ((size_t)512 * 1024)
#define TXN_MAX	   ((size_t)500 * 1024) /* of the values of one transaction as base64: the request has 512 KiB at most */
#define LIST_MAX   ((size_t)256 * 1024 * 1024)
#define DROP_US	   1000000
#define TTL_MIN_US 10000000ull
#define WAIT_S	   60
#define KEYSPACES  "keyspaces/"

struct consul {
	struct http *http;
	struct store_config *cfg;
	char *prefix; /* "keyway/local/": without the slash that other stores' keys begin with */
};

/* --- calls --- */

static int refused(const struct consul *s, struct http_call *c, bool change, struct err *err)
{
	char text[256];
	struct str body = http_body(c);
	const char *said = log_text(str_make(body.p, MIN(body.n, (size_t)160)), text, sizeof(text)),
		   *at = s->cfg->endpoints[c->endpoint];

	if (change && c->status >= 500)
		return err_set(err, ERR_TIMEOUT, ER_NET_READ_INTERRUPTED,
			"consul at %.120s: %s; whether the change was made is not known", at, said);
	if (c->status == 401 || c->status == 403)
		return err_set(err, ERR_DENIED, ER_SPECIFIC_ACCESS_DENIED_ERROR,
			"consul at %.120s: %s; check the store's token and its policy on %.100s", at, said, s->prefix);
	if (c->status == 413)
		return err_set(err, ERR_LIMIT, ER_WRONG_ARGUMENTS,
			"consul at %.120s: %s; limits.kv_max_value_size and limits.txn_max_req_len of consul say how "
			"much it takes",
			at, said);
	return err_set(
		err, ERR_BACKEND, ER_NET_READ_ERROR, "consul at %.120s: %s (HTTP status %ld)", at, said, c->status);
}

/* 0: @out, which the caller ends, has status 200 or @also. */
static int call(struct consul *s, const struct http_request *req, long also, struct http_call **out, struct err *err)
{
	int rc = http_do(s->http, req, out, err);

	if (rc < 0 || (*out)->status == 200 || (*out)->status == also)
		return rc;
	rc = refused(s, *out, req->change, err);
	http_end(*out);
	*out = NULL;
	return rc;
}

/* "/v1/kv/keyway/local/a%20b?query" */
static char *kv_path(const struct consul *s, const char *key, const char *query)
{
	char *whole = xasprintf("%s%s", s->prefix, key), *path = consul_path(whole),
	     *out = xasprintf("/v1/kv/%s%s%s", path, *query ? "?" : "", query);

	free(whole);
	free(path);
	return out;
}

/* Zero items and 0 when there are none. @index may be NULL. */
static int read_items(
	struct consul *s, const char *key, const char *query, struct store_items *out, uint64_t *index, struct err *err)
{
	char *path = kv_path(s, key, query);
	struct http_request req = { .method = "GET", .path = path, .answer_max = LIST_MAX };
	struct http_call *c;
	int rc = call(s, &req, 404, &c, err);

	*out = (struct store_items){ 0 };
	free(path);
	if (rc < 0)
		return rc;
	if (c->status == 200)
		rc = consul_read_items(http_body(c), s->prefix, out, err);
	if (index)
		*index = c->consul_index;
	http_end(c);
	return rc;
}

static int consul_get(void *store, const char *key, struct store_item *out, struct err *err)
{
	struct store_items all;
	int rc = read_items(store, key, "consistent", &all, NULL, err);

	if (rc < 0)
		return rc;
	rc = 1;
	if (all.n == 1 && strcmp(all.v[0].key, key) == 0) {
		*out = all.v[0];
		all.v[0] = (struct store_item){ 0 };
		rc = 0;
	}
	store_items_free(&all);
	return rc;
}

static int consul_list(void *store, const char *prefix, struct store_items *out, struct err *err)
{
	return read_items(store, prefix, "recurse&consistent", out, NULL, err);
}

/* --- changing --- */

static json_t *json_op(const struct consul *s, const struct store_op *op)
{
	char *key = xasprintf("%s%s", s->prefix, op->key), *value = op->value.p ? base64_encode(op->value) : NULL;
	const char *verb = op->value.p ? (op->check ? "cas" : "set") : (op->check ? "delete-cas" : "delete");
	json_t *j;

	if (!op->value.p && op->check && op->version == 0)
		verb = "check-not-exists";
	j = json_pack("{s:s, s:s}", "Verb", verb, "Key", key);
	if (j && value)
		json_object_set_new(j, "Value", json_string(value));
	if (j && op->check && op->version)
		json_object_set_new(j, "Index", json_integer((json_int_t)op->version));
	free(key);
	free(value);
	return j ? json_pack("{s:o}", "KV", j) : NULL;
}

/* To a change, with status 200. */
static int not_understood(const struct consul *s, const struct http_call *c, struct err *err)
{
	return err_set(err, ERR_TIMEOUT, ER_MALFORMED_PACKET,
		"consul at %.120s: an answer could not be understood; whether the change was made is not known",
		s->cfg->endpoints[c->endpoint]);
}

static int txn(struct consul *s, const struct store_op *ops, uint32_t n, struct err *err)
{
	struct http_request req = { .method = "PUT", .path = "/v1/txn", .change = true, .answer_max = LIST_MAX };
	json_t *all = json_array();
	char *body, why[200];
	struct http_call *c;
	int rc;

	for (uint32_t i = 0; i < n; i++) {
		json_t *op = json_op(s, &ops[i]);

		if (!op) {
			json_decref(all);
			return err_set(err, ERR_CONFIG, ER_WRONG_ARGUMENTS,
				"'%.80s' cannot be a key in consul: it is not UTF-8", ops[i].key);
		}
		json_array_append_new(all, op);
	}
	body = json_dumps(all, JSON_COMPACT);
	json_decref(all);
	req.body = str_of(body);
	rc = call(s, &req, 409, &c, err);
	free(body);
	if (rc < 0)
		return rc;
	if (c->status == 200 && !consul_read_done(http_body(c)))
		rc = not_understood(s, c, err);
	if (c->status == 409) {
		rc = consul_read_refusal(http_body(c), why, sizeof(why));
		if (rc < 0) {
			char text[256];

			err_set(err, (enum err_kind)rc,
				rc == ERR_DENIED ? ER_SPECIFIC_ACCESS_DENIED_ERROR : ER_NET_READ_ERROR,
				"consul at %.120s: %s", s->cfg->endpoints[c->endpoint],
				log_text(str_of(why), text, sizeof(text)));
		}
	}
	http_end(c);
	return rc;
}

/* A value that is too large for a transaction, alone. */
static int put_alone(struct consul *s, const struct store_op *op, struct err *err)
{
	char query[40] = "", *path;
	struct http_request req = { .method = "PUT", .body = op->value, .change = true };
	struct http_call *c;
	int rc;

	if (op->check)
		snprintf(query, sizeof(query), "cas=%llu", (unsigned long long)op->version);
	req.path = path = kv_path(s, op->key, query);
	rc = call(s, &req, 200, &c, err);
	free(path);
	if (rc < 0)
		return rc;
	if (str_starts(http_body(c), STR("true")))
		rc = STORE_DONE;
	else if (str_starts(http_body(c), STR("false")))
		rc = STORE_CONFLICT;
	else
		rc = not_understood(s, c, err);
	http_end(c);
	return rc;
}

static int consul_commit(void *store, const struct store_op *ops, uint32_t n, struct err *err)
{
	size_t bytes = 0;

	for (uint32_t i = 0; i < n; i++)
		bytes += ops[i].value.n * 4 / 3;
	return n == 1 && bytes > TXN_MAX ? put_alone(store, ops, err) : txn(store, ops, n, err);
}

static int consul_describe(void *store, char *out, size_t size, struct err *err)
{
	struct http_request req = { .method = "GET", .path = "/v1/status/leader" };
	struct http_call *c;
	struct consul *s = store;
	char text[80];
	int rc = call(s, &req, 200, &c, err);
	struct str leader;

	if (rc < 0)
		return rc;
	leader = http_body(c);
	snprintf(out, size, "consul at %s, whose leader is %s", s->cfg->endpoints[c->endpoint],
		leader.n > 2 ? log_text(str_make(leader.p + 1, leader.n - 2), text, sizeof(text)) : "not known");
	http_end(c);
	return 0;
}

/* --- leases --- */

static int session_create(struct consul *s, struct store_lease *l, struct err *err)
{
	char body[200], *id;
	struct http_request req = { .method = "PUT", .path = "/v1/session/create" };
	struct http_call *c;
	int rc;

	/* a proxy that comes back has its key at once: nobody else wants it */
	snprintf(body, sizeof(body),
		"{\"Name\":\"keyway\",\"TTL\":\"%llus\",\"Behavior\":\"delete\",\"LockDelay\":\"1ms\"}",
		(unsigned long long)((MAX(l->ttl_us, TTL_MIN_US) + 999999) / 1000000));
	req.body = str_of(body);
	rc = call(s, &req, 200, &c, err);
	if (rc < 0)
		return rc;
	id = consul_read_text(http_body(c), "ID");
	http_end(c);
	if (!id || strlen(id) >= sizeof(l->id) || strspn(id, "0123456789abcdefABCDEF-") != strlen(id))
		rc = err_set(
			err, ERR_MALFORMED, ER_MALFORMED_PACKET, "consul: a session without a usable ID was given");
	else
		snprintf(l->id, sizeof(l->id), "%s", id);
	free(id);
	return rc;
}

static int session_call(struct consul *s, const char *what, const struct store_lease *l, uint64_t timeout_us,
	struct http_call **out, struct err *err)
{
	char path[120];
	struct http_request req = { .method = "PUT", .path = path, .body = STR(""), .timeout_us = timeout_us };

	snprintf(path, sizeof(path), "/v1/session/%s/%s", what, l->id);
	return call(s, &req, 404, out, err);
}

static int consul_lease_keep(void *store, struct store_lease *l, struct err *err)
{
	struct consul *s = store;
	char query[100], *path;
	struct http_request req = { .method = "PUT", .body = l->value };
	struct http_call *c;
	bool ours;
	int rc = 0;

	if (l->id[0]) {
		rc = session_call(s, "renew", l, 0, &c, err);
		if (rc < 0)
			return rc;
		if (c->status == 404)
			l->id[0] = '\0';
		http_end(c);
	}
	if (!l->id[0])
		rc = session_create(s, l, err);
	if (rc < 0)
		return rc;
	/* the same value again is no change in consul, and one that was taken away is there again */
	snprintf(query, sizeof(query), "acquire=%s", l->id);
	req.path = path = kv_path(s, l->key, query);
	rc = call(s, &req, 200, &c, err);
	free(path);
	if (rc < 0) {
		l->id[0] = '\0'; /* 500: the session is gone, or it may be */
		return rc;
	}
	ours = str_starts(http_body(c), STR("true"));
	http_end(c);
	l->written = ours;
	if (ours)
		return 0;
	/* a session of before that has not ended yet has it */
	rc = txn(s, &(struct store_op){ .key = l->key }, 1, err);
	if (rc == 0)
		rc = err_set(
			err, ERR_BACKEND, ER_NET_READ_ERROR, "consul: %.80s was held by a session of before", l->key);
	return rc < 0 ? rc : ERR_BACKEND;
}

static void consul_lease_drop(void *store, struct store_lease *l)
{
	struct http_call *c;

	if (l->id[0] && session_call(store, "destroy", l, DROP_US, &c, NULL) == 0)
		http_end(c);
}

/* --- following --- */

static const char *mark_of(const struct store_items *all)
{
	return all->n && strcmp(all->v[0].key, MARK_KEY) == 0 ? all->v[0].value : NULL;
}

/* Keys without their folder. */
static void strip_folder(struct store_items *all)
{
	size_t skip = sizeof(KEYSPACES) - 1;
	uint32_t n = 0;

	for (uint32_t i = 0; i < all->n; i++) {
		struct store_item *it = &all->v[i];

		if (strncmp(it->key, KEYSPACES, skip) != 0) {
			store_item_free(it);
			continue;
		}
		memmove(it->key, it->key + skip, strlen(it->key + skip) + 1);
		all->v[n++] = *it;
	}
	all->n = n;
}

static int consul_load(struct follow *f, struct err *err)
{
	struct consul *s = f->store;
	struct store_items all, mark;
	uint64_t index;
	int rc;

	rc = read_items(s, KEYSPACES, "recurse&consistent", &all, &index, err);
	if (rc < 0)
		return rc;
	strip_folder(&all);
	/* after them: should another store take this one's place between the two, it is not taken for this one */
	do
		rc = read_items(s, MARK_KEY, "consistent", &mark, NULL, err);
	while (rc == 0 && !mark.n && follow_make_mark(f));
	if (rc == 0) {
		if (follow_identity(f, "consul", mark_of(&mark))) {
			follow_tell_all(f, &all, index);
			f->next = consul_next_index(0, index);
		} else {
			rc = 1;
		}
		store_items_free(&mark);
	}
	store_items_free(&all);
	return rc;
}

static struct http_call *consul_listen(struct follow *f)
{
	struct consul *s = f->store;
	char query[100];
	struct http_request req = {
		.method = "GET", .answer_max = LIST_MAX, .timeout_us = (WAIT_S + WAIT_S / 16 + 5) * 1000000ull
	};

	snprintf(query, sizeof(query), "recurse&consistent&index=%llu&wait=%us", (unsigned long long)f->next, WAIT_S);
	free(f->request);
	f->request = kv_path(s, KEYSPACES, query);
	req.path = f->request;
	return http_begin(f->http, &req);
}

static enum follow_step lost(struct follow *f, struct http_call *c, struct err *err)
{
	struct consul *s = f->store;

	if (c->end == HTTP_ANSWERED)
		(void)refused(s, c, false, err);
	else
		err_set(err, ERR_BACKEND, ER_NET_READ_ERROR, "consul at %.120s: %s", s->cfg->endpoints[c->endpoint],
			c->why);
	return FOLLOW_LOST;
}

static enum follow_step consul_hear(struct follow *f, struct http_call *c, struct err *err)
{
	uint64_t next;

	if (c->end == HTTP_RUNS)
		return FOLLOW_LISTEN;
	if (c->end != HTTP_ANSWERED || (c->status != 200 && c->status != 404))
		return lost(f, c, err);
	next = consul_next_index(f->next, c->consul_index);
	if (next == 0)
		return FOLLOW_RELOAD;
	f->works = true;
	/* Being woken does not mean that anything has changed, least of all when there are no keys. What has changed is
	 * read again together with the mark: where a kept connection has gone, libcurl asks once more by itself, and it
	 * may be another store that answers. */
	if (next != f->next && (c->status == 200 || f->known_n))
		return FOLLOW_RELOAD;
	f->next = next;
	return FOLLOW_NEXT;
}

static struct http_call *consul_probe(struct follow *f)
{
	struct http_request req = { .method = "GET" };

	free(f->small);
	f->small = kv_path(f->store, MARK_KEY, "consistent");
	req.path = f->small;
	return http_begin(f->http, &req);
}

static enum follow_step consul_judge(struct follow *f, struct http_call *c, struct err *err)
{
	struct consul *s = f->store;
	enum follow_step step = FOLLOW_LISTEN;
	struct store_items all = { 0 };
	const char *mark;

	if (c->status != 200 && c->status != 404)
		return lost(f, c, err);
	if (c->status == 200 && consul_read_items(http_body(c), s->prefix, &all, err) < 0)
		return FOLLOW_LOST;
	mark = mark_of(&all);
	if (!mark != !f->mark || (mark && strcmp(mark, f->mark) != 0))
		step = FOLLOW_RELOAD;
	store_items_free(&all);
	return step;
}

static const struct follow_kind consul_following = {
	.load = consul_load,
	.listen = consul_listen,
	.hear = consul_hear,
	.probe = consul_probe,
	.judge = consul_judge,
};

/* --- the table --- */

static void *consul_open(const struct store_config *cfg, struct err *err)
{
	struct http *http = http_new(cfg, "consul", err);
	struct consul *s;

	if (!http)
		return NULL;
	s = xcalloc(1, sizeof(*s));
	s->http = http;
	s->cfg = store_config_copy(cfg);
	s->prefix = xasprintf("%s/", cfg->prefix + strspn(cfg->prefix, "/"));
	if (cfg->token) {
		char *line = xasprintf("X-Consul-Token: %s", cfg->token);

		http_set_header(http, line);
		explicit_bzero(line, strlen(line));
		free(line);
	}
	return s;
}

static void consul_close(void *store)
{
	struct consul *s = store;

	http_free(s->http);
	store_config_free(s->cfg);
	free(s->prefix);
	free(s);
}

static void consul_cancel(void *store, bool on)
{
	struct consul *s = store;

	http_cancel(s->http, on);
}

static void *consul_follow(const struct store_config *cfg, const struct store_watch *watch, struct err *err)
{
	struct consul *s = consul_open(cfg, err);

	return s ? follow_start(&store_consul, &consul_following, s, s->http, watch, err) : NULL;
}

const struct store_type store_consul = {
	.name = "consul",
	.keys_are_keyspaces = true,
	.has_endpoints = true,
	.value_max = VALUE_MAX,
	.open = consul_open,
	.close = consul_close,
	.cancel = consul_cancel,
	.get = consul_get,
	.list = consul_list,
	.commit = consul_commit,
	.describe = consul_describe,
	.lease_keep = consul_lease_keep,
	.lease_drop = consul_lease_drop,
	.follow = consul_follow,
	.reload = follow_reload,
	.stop = follow_stop,
};
