/* etcd.c - the store in etcd v3, over its JSON gateway: keys, transactions, leases, and following by a watch.
 * For store.c and presence.c.
 * Blocking; the owner's thread or the follower's. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include "base64.h"
#include "etcd_answer.h"
#include "follow.h"
#include "keyway/util/log.h"

#define VALUE_MAX   ((size_t)1400 * 1024) /* etcd takes requests of 1.5 MiB */
#define LIST_MAX    ((size_t)256 * 1024 * 1024)
#define STREAM_MAX  ((size_t)64 * 1024 * 1024)
#define CREATED_US  5000000
#define DROP_US	    1000000
#define KEYSPACES   "keyspaces/"
#define WITH_LEADER "Grpc-Metadata-hasleader: true" /* a member that has lost its leader does not pass for healthy */

struct etcd {
	struct http *http;
	struct store_config *cfg;
	char *prefix; /* "/keyway/local/" */
	bool has_token;
};

/* --- calls --- */

static void forget_token(struct etcd *e)
{
	http_set_header(e->http, NULL);
	e->has_token = false;
}

/* What a refusal means to us. */
static int refused(
	struct etcd *e, const struct http_call *c, const struct etcd_error *why, bool change, struct err *err)
{
	char text[256];
	const char *said = log_text(str_of(why->message), text, sizeof(text)), *at = e->cfg->endpoints[c->endpoint];

	if (change && c->status >= 500)
		return err_set(err, ERR_TIMEOUT, ER_NET_READ_INTERRUPTED,
			"etcd at %.120s: %s; whether the change was made is not known", at, said);
	if (why->code == ETCD_DENIED || why->code == ETCD_NO_TOKEN || strstr(why->message, "authentication failed") ||
		strstr(why->message, "user name is empty"))
		return err_set(err, ERR_DENIED, ER_SPECIFIC_ACCESS_DENIED_ERROR,
			"etcd at %.120s: %s; check store.user, its password and the rights of its role on %.100s", at,
			said, e->prefix);
	return err_set(
		err, ERR_BACKEND, ER_NET_READ_ERROR, "etcd at %.120s: %s (HTTP status %ld)", at, said, c->status);
}

static char *dump(json_t *body)
{
	char *text = json_dumps(body, JSON_COMPACT);

	json_decref(body);
	if (!text)
		abort(); /* all texts in it are base64, or checked by the settings */
	return text;
}

static int log_in(struct etcd *e, struct err *err)
{
	json_t *who =
		json_pack("{s:s, s:s}", "name", e->cfg->user, "password", e->cfg->password ? e->cfg->password : "");
	struct http_request req = { .method = "POST", .path = "/v3/auth/authenticate" };
	char *body, *token = NULL, *line;
	struct http_call *c;
	int rc;

	forget_token(e);
	if (!who)
		return err_set(err, ERR_CONFIG, ER_WRONG_ARGUMENTS, "store.user and its password must be UTF-8 text");
	body = dump(who);
	req.body = str_of(body);
	rc = http_do(e->http, &req, &c, err);
	explicit_bzero(body, strlen(body));
	free(body);
	if (rc < 0)
		return rc;
	if (c->status == 200)
		token = etcd_read_text(http_body(c), "token");
	if (!token) {
		struct etcd_error why;

		etcd_read_error(c->status == 200 ? STR("{\"message\":\"no token was given\"}") : http_body(c), &why);
		rc = refused(e, c, &why, false, err);
		http_end(c);
		return rc;
	}
	http_end(c);
	/* without "Bearer": etcd has it so */
	line = xasprintf("Authorization: %s", token);
	if (strpbrk(line, "\r\n"))
		rc = err_set(err, ERR_MALFORMED, ER_MALFORMED_PACKET, "etcd: a token could not be understood");
	else
		http_set_header(e->http, line);
	e->has_token = rc == 0;
	explicit_bzero(line, strlen(line));
	explicit_bzero(token, strlen(token));
	free(line);
	free(token);
	return rc;
}

static bool wants_token(const struct http_call *c, const struct etcd_error *why)
{
	return (c->status == 401 && why->code == ETCD_NO_TOKEN) ||
	       (c->status == 400 && strstr(why->message, "user name is empty"));
}

struct request {
	const char *path;
	json_t *body; /* taken over */
	size_t answer_max;
	bool change;	  /* see struct http_request */
	uint64_t last_us; /* at the end: a single try, this long */
};

/* 0: @out, which the caller ends, has status 200. Negative: @why (which may be NULL) is what etcd said, if it did. */
static int call(
	struct etcd *e, const struct request *r, struct http_call **out, struct etcd_error *why_out, struct err *err)
{
	char *body = dump(r->body);
	struct http_request req = { .method = "POST",
		.path = r->path,
		.body = str_of(body),
		.header = WITH_LEADER,
		.answer_max = r->answer_max,
		.change = r->change,
		.timeout_us = r->last_us };
	struct etcd_error why = { 0 };
	int rc = 0;

	*out = NULL;
	for (int tries = 0;; tries++) {
		why = (struct etcd_error){ 0 };
		if (e->cfg->user && !e->has_token)
			rc = log_in(e, err);
		if (rc == 0)
			rc = http_do(e->http, &req, out, err);
		if (rc < 0 || (*out)->status == 200)
			break;
		etcd_read_error(http_body(*out), &why);
		if (tries || !e->cfg->user || !wants_token(*out, &why)) {
			rc = refused(e, *out, &why, r->change, err);
			break;
		}
		http_end(*out);
		*out = NULL;
		forget_token(e);
	}
	free(body);
	if (why_out)
		*why_out = why;
	if (rc < 0) {
		http_end(*out);
		*out = NULL;
	}
	return rc;
}

/* --- requests --- */

static json_t *json_bytes(struct str s)
{
	char *text = base64_encode(s);
	json_t *j = json_string(text);

	free(text);
	return j;
}

static json_t *json_key(const struct etcd *e, const char *key)
{
	char *whole = xasprintf("%s%s", e->prefix, key);
	json_t *j = json_bytes(str_of(whole));

	free(whole);
	return j;
}

static json_t *json_number(uint64_t n)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)n);
	return json_string(text);
}

/* All keys that begin with @prefix; @one: the key alone. */
static json_t *json_range(const struct etcd *e, const char *prefix, bool one)
{
	json_t *j = json_pack("{s:o}", "key", json_key(e, prefix));
	char *whole, *end;

	if (one)
		return j;
	whole = xasprintf("%s%s", e->prefix, prefix);
	end = etcd_range_end(whole);
	json_object_set_new(j, "range_end", json_bytes(str_of(end)));
	free(whole);
	free(end);
	return j;
}

static int range(struct etcd *e, const char *key, bool one, struct etcd_range *out, struct err *err)
{
	struct request r = { .path = "/v3/kv/range", .body = json_range(e, key, one), .answer_max = LIST_MAX };
	struct etcd_header h;
	struct http_call *c;
	int rc = call(e, &r, &c, NULL, err);

	*out = (struct etcd_range){ 0 };
	if (rc < 0)
		return rc;
	rc = etcd_read_range(http_body(c), e->prefix, &h, out, err);
	http_end(c);
	return rc;
}

static int etcd_get(void *store, const char *key, struct store_item *out, struct err *err)
{
	struct etcd_range r;
	int rc = range(store, key, true, &r, err);

	if (rc < 0)
		return rc;
	rc = 1;
	if (r.items.n == 1 && strcmp(r.items.v[0].key, key) == 0) {
		*out = r.items.v[0];
		r.items.v[0] = (struct store_item){ 0 };
		rc = 0;
	}
	etcd_range_free(&r);
	return rc;
}

static int etcd_list(void *store, const char *prefix, struct store_items *out, struct err *err)
{
	struct etcd_range r;
	int rc = range(store, prefix, false, &r, err);

	if (rc == 0)
		*out = r.items;
	return rc;
}

static json_t *json_put(const struct etcd *e, const char *key, struct str value, const char *lease)
{
	json_t *put = json_pack("{s:o, s:o}", "key", json_key(e, key), "value", json_bytes(value));

	if (lease)
		json_object_set_new(put, "lease", json_string(lease));
	return json_pack("{s:o}", "request_put", put);
}

static int etcd_commit(void *store, const struct store_op *ops, uint32_t n, struct err *err)
{
	json_t *compare = json_array(), *success = json_array();
	struct etcd *e = store;
	struct request r = { .path = "/v3/kv/txn", .change = true };
	struct etcd_header h;
	struct http_call *c;
	bool succeeded;
	int rc;

	for (uint32_t i = 0; i < n; i++) {
		const struct store_op *op = &ops[i];

		/* a key that is not there has 0 for the revision of its last change */
		if (op->check)
			json_array_append_new(
				compare, json_pack("{s:o, s:s, s:s, s:o}", "key", json_key(e, op->key), "target", "MOD",
						 "result", "EQUAL", "mod_revision", json_number(op->version)));
		json_array_append_new(success,
			op->value.p ? json_put(e, op->key, op->value, NULL)
				    : json_pack("{s:{s:o}}", "request_delete_range", "key", json_key(e, op->key)));
	}
	r.body = json_pack("{s:o, s:o}", "compare", compare, "success", success);
	rc = call(e, &r, &c, NULL, err);
	if (rc < 0)
		return rc;
	rc = etcd_read_txn(http_body(c), e->prefix, &h, &succeeded, NULL, 0, err);
	http_end(c);
	if (rc < 0) {
		/* it was answered with 200, but what it says is not known */
		err_wrap(err, "whether the change was made is not known");
		if (err)
			err->kind = ERR_TIMEOUT;
		return ERR_TIMEOUT;
	}
	return succeeded ? STORE_DONE : STORE_CONFLICT;
}

static int etcd_describe(void *store, char *out, size_t size, struct err *err)
{
	struct etcd *e = store;
	struct request r = { .path = "/v3/maintenance/status", .body = json_object() };
	struct http_call *c;
	char *version, text[64];
	int rc = call(e, &r, &c, NULL, err);

	if (rc < 0)
		return rc;
	version = etcd_read_text(http_body(c), "version");
	snprintf(out, size, "etcd %s at %s",
		version ? log_text(str_of(version), text, sizeof(text)) : "of no known version",
		e->cfg->endpoints[c->endpoint]);
	free(version);
	http_end(c);
	return 0;
}

/* --- leases --- */

static int lease_grant(struct etcd *e, struct store_lease *l, struct err *err)
{
	uint64_t ttl_s = (l->ttl_us + 999999) / 1000000, id = 0;
	struct request r = { .path = "/v3/lease/grant", .body = json_pack("{s:o}", "TTL", json_number(ttl_s)) };
	struct http_call *c;
	int rc = call(e, &r, &c, NULL, err);

	if (rc < 0)
		return rc;
	rc = etcd_read_number(http_body(c), NULL, "ID", &id, err);
	http_end(c);
	if (rc == 0 && id == 0)
		rc = err_set(err, ERR_MALFORMED, ER_MALFORMED_PACKET, "etcd: a lease without an ID was given");
	if (rc < 0)
		return rc;
	snprintf(l->id, sizeof(l->id), "%llu", (unsigned long long)id);
	l->written = false;
	return 0;
}

/* 0, or 1: it is lost. */
static int lease_renew(struct etcd *e, struct store_lease *l, struct err *err)
{
	struct request r = { .path = "/v3/lease/keepalive", .body = json_pack("{s:s}", "ID", l->id) };
	struct http_call *c;
	uint64_t ttl = 0;
	int rc = call(e, &r, &c, NULL, err);

	if (rc < 0)
		return rc;
	rc = etcd_read_number(http_body(c), "result", "TTL", &ttl, err);
	http_end(c);
	if (rc == 0 && ttl == 0)
		return 1;
	return rc;
}

static int etcd_lease_keep(void *store, struct store_lease *l, struct err *err)
{
	struct etcd *e = store;
	struct request r = { .path = "/v3/kv/txn" };
	struct etcd_error why;
	struct http_call *c;
	json_t *compare = json_array();
	int rc = 0;

	if (l->id[0])
		rc = lease_renew(e, l, err);
	if (rc == 1)
		l->id[0] = '\0';
	if (rc >= 0 && !l->id[0])
		rc = lease_grant(e, l, err);
	if (rc < 0) {
		json_decref(compare);
		return rc;
	}
	/* the key may have been taken away with the lease still there: once written it is written if it is not ours */
	if (l->written)
		json_array_append_new(compare, json_pack("{s:o, s:s, s:s, s:s}", "key", json_key(e, l->key), "target",
						       "LEASE", "result", "NOT_EQUAL", "lease", l->id));
	r.body = json_pack("{s:o, s:[o]}", "compare", compare, "success", json_put(e, l->key, l->value, l->id));
	rc = call(e, &r, &c, &why, err);
	if (rc < 0 && why.code == ETCD_NOT_FOUND)
		l->id[0] = '\0';
	http_end(c);
	if (rc == 0)
		l->written = true;
	return rc;
}

static void etcd_lease_drop(void *store, struct store_lease *l)
{
	struct request r = { .path = "/v3/lease/revoke", .last_us = DROP_US };
	struct http_call *c;

	if (!l->id[0])
		return;
	r.body = json_pack("{s:s}", "ID", l->id);
	if (call(store, &r, &c, NULL, NULL) == 0)
		http_end(c);
}

/* --- following --- */

/* Two ranges as one state: documents (@newest: only the key changed last) and the mark. */
static json_t *two_ranges(const struct etcd *e, bool newest)
{
	json_t *documents = json_range(e, KEYSPACES, false);

	if (newest) {
		json_object_set_new(documents, "keys_only", json_true());
		json_object_set_new(documents, "limit", json_number(1));
		json_object_set_new(documents, "sort_order", json_string("DESCEND"));
		json_object_set_new(documents, "sort_target", json_string("MOD"));
	}
	return json_pack("{s:[{s:o}, {s:o}]}", "success", "request_range", documents, "request_range",
		json_range(e, MARK_KEY, true));
}

/* False: what was answered is not what was asked for. */
static bool strip_folder(struct store_item *it)
{
	size_t skip = sizeof(KEYSPACES) - 1;

	if (strncmp(it->key, KEYSPACES, skip) != 0)
		return false;
	memmove(it->key, it->key + skip, strlen(it->key + skip) + 1);
	return true;
}

static const char *mark_of(const struct etcd_range *r)
{
	return r->items.n ? r->items.v[0].value : NULL;
}

static int etcd_load(struct follow *f, struct err *err)
{
	struct etcd *e = f->store;
	struct etcd_range r[2];
	struct etcd_header h;
	struct http_call *c;
	char base[24];
	bool succeeded;
	int rc;

	do {
		struct request req = { .path = "/v3/kv/txn", .body = two_ranges(e, false), .answer_max = LIST_MAX };

		rc = call(e, &req, &c, NULL, err);
		if (rc < 0)
			return rc;
		rc = etcd_read_txn(http_body(c), e->prefix, &h, &succeeded, r, 2, err);
		http_end(c);
		if (rc < 0)
			return rc;
		if (mark_of(&r[1]) || !follow_make_mark(f))
			break;
		etcd_range_free(&r[0]);
		etcd_range_free(&r[1]);
	} while (true);
	snprintf(base, sizeof(base), "%016llx", (unsigned long long)h.cluster_id);
	for (uint32_t i = 0; i < r[0].items.n && rc == 0; i++) {
		if (!strip_folder(&r[0].items.v[i]))
			rc = err_set(
				err, ERR_MALFORMED, ER_MALFORMED_PACKET, "etcd: a range with other keys was answered");
	}
	if (rc == 0 && follow_identity(f, base, mark_of(&r[1]))) {
		follow_tell_all(f, &r[0].items, h.revision);
		f->cluster_id = h.cluster_id;
		f->revision = h.revision;
		f->next = h.revision + 1;
		f->count = r[0].count;
		f->behind = 0;
	} else if (rc == 0) {
		rc = 1;
	}
	etcd_range_free(&r[0]);
	etcd_range_free(&r[1]);
	return rc;
}

static struct http_call *etcd_listen(struct follow *f)
{
	struct etcd *e = f->store;
	json_t *create = json_range(e, KEYSPACES, false);
	struct http_request req = { .method = "POST",
		.path = "/v3/watch",
		.header = WITH_LEADER,
		.timeout_us = HTTP_FOREVER,
		.answer_max = STREAM_MAX };

	json_object_set_new(create, "start_revision", json_number(f->next));
	json_object_set_new(create, "progress_notify", json_true());
	free(f->request);
	f->request = dump(json_pack("{s:o}", "create_request", create));
	req.body = str_of(f->request);
	if (e->cfg->user && !e->has_token)
		(void)log_in(e, NULL); /* without a token the watch tells why */
	return http_begin(f->http, &req);
}

static enum follow_step ended(struct follow *f, const char *why, struct err *err)
{
	struct etcd *e = f->store;
	char text[256];

	/* whatever it was: the next one begins with a token of its own */
	if (e->cfg->user)
		forget_token(e);
	err_set(err, ERR_BACKEND, ER_NET_READ_ERROR, "etcd at %.120s: the watch has ended: %s", http_endpoint(f->http),
		log_text(str_of(why), text, sizeof(text)));
	return FOLLOW_LOST;
}

static enum follow_step hear_line(struct follow *f, struct etcd_line *l, struct err *err)
{
	if (l->failed)
		return ended(f, l->error.message, err);
	if (l->compact_revision || l->header.cluster_id != f->cluster_id)
		return FOLLOW_RELOAD;
	if (l->canceled)
		return ended(f, l->reason[0] ? l->reason : "canceled", err);
	if (l->created) {
		f->works = true;
		/* a member that is behind, or a store that was put back */
		return l->header.revision + 1 < f->next ? FOLLOW_RELOAD : FOLLOW_LISTEN;
	}
	for (uint32_t i = 0; i < l->event_n; i++) {
		struct store_item *it = &l->events[i].item;

		if (strip_folder(it))
			f->count += (uint64_t)(int64_t)follow_tell(f, it, l->header.revision);
	}
	if (l->event_n)
		follow_settled(f);
	f->next = MAX(f->next, l->header.revision + 1);
	return FOLLOW_LISTEN;
}

static enum follow_step etcd_hear(struct follow *f, struct http_call *c, struct err *err)
{
	struct etcd *e = f->store;
	enum follow_step step = FOLLOW_LISTEN;
	struct etcd_line line;
	const char *p, *nl;

	while (step == FOLLOW_LISTEN && buf_used(&c->body)) {
		p = (const char *)buf_head(&c->body);
		nl = memchr(p, '\n', buf_used(&c->body));
		if (!nl)
			break;
		if (etcd_read_line(str_make(p, (size_t)(nl - p)), e->prefix, &line, err) < 0)
			return FOLLOW_LOST;
		buf_eat(&c->body, (size_t)(nl - p) + 1);
		step = hear_line(f, &line, err);
		etcd_line_free(&line);
	}
	if (step == FOLLOW_LISTEN && c->end != HTTP_RUNS) {
		struct etcd_error why = { 0 };

		if (c->status != 200)
			etcd_read_error(http_body(c), &why);
		step = ended(f, why.message[0] ? why.message : c->why[0] ? c->why : "the connection was closed", err);
	}
	return step;
}

static struct http_call *etcd_probe(struct follow *f)
{
	struct etcd *e = f->store;
	struct http_request req = { .method = "POST", .path = "/v3/kv/txn", .header = WITH_LEADER };

	free(f->small);
	f->small = dump(two_ranges(e, true));
	req.body = str_of(f->small);
	return http_begin(f->http, &req);
}

static enum follow_step etcd_judge(struct follow *f, struct http_call *c, struct err *err)
{
	struct etcd *e = f->store;
	enum follow_step step = FOLLOW_LISTEN;
	struct etcd_range r[2];
	struct etcd_header h;
	const char *mark;
	bool succeeded;

	if (c->status != 200) {
		struct etcd_error why;

		etcd_read_error(http_body(c), &why);
		return ended(f, why.message, err);
	}
	if (etcd_read_txn(http_body(c), e->prefix, &h, &succeeded, r, 2, err) < 0)
		return FOLLOW_LOST;
	mark = mark_of(&r[1]);
	if (h.cluster_id != f->cluster_id || h.revision < f->revision || !mark != !f->mark ||
		(mark && strcmp(mark, f->mark) != 0))
		step = FOLLOW_RELOAD;
	f->revision = MAX(f->revision, h.revision);
	/* the watch may be on its way to tell it, but not until the next probe */
	if (r[0].count != f->count || (r[0].items.n && r[0].items.v[0].version >= f->next))
		f->behind++;
	else
		f->behind = 0;
	if (f->behind > 1)
		step = FOLLOW_RELOAD;
	etcd_range_free(&r[0]);
	etcd_range_free(&r[1]);
	return step;
}

static const struct follow_kind etcd_following = {
	.begin_us = CREATED_US,
	.load = etcd_load,
	.listen = etcd_listen,
	.hear = etcd_hear,
	.probe = etcd_probe,
	.judge = etcd_judge,
};

/* --- the table --- */

static void *etcd_open(const struct store_config *cfg, struct err *err)
{
	struct http *http = http_new(cfg, "etcd", err);
	struct etcd *e;

	if (!http)
		return NULL;
	e = xcalloc(1, sizeof(*e));
	e->http = http;
	e->cfg = store_config_copy(cfg);
	e->prefix = xasprintf("%s/", cfg->prefix);
	return e;
}

static void etcd_close(void *store)
{
	struct etcd *e = store;

	http_free(e->http);
	store_config_free(e->cfg);
	free(e->prefix);
	free(e);
}

static void etcd_cancel(void *store, bool on)
{
	struct etcd *e = store;

	http_cancel(e->http, on);
}

static void *etcd_follow(const struct store_config *cfg, const struct store_watch *watch, struct err *err)
{
	struct etcd *e = etcd_open(cfg, err);

	return e ? follow_start(&store_etcd, &etcd_following, e, e->http, watch, err) : NULL;
}

const struct store_type store_etcd = {
	.name = "etcd",
	.keys_are_keyspaces = true,
	.has_endpoints = true,
	.value_max = VALUE_MAX,
	.open = etcd_open,
	.close = etcd_close,
	.cancel = etcd_cancel,
	.get = etcd_get,
	.list = etcd_list,
	.commit = etcd_commit,
	.describe = etcd_describe,
	.lease_keep = etcd_lease_keep,
	.lease_drop = etcd_lease_drop,
	.follow = etcd_follow,
	.reload = follow_reload,
	.stop = follow_stop,
};
