/* conf.c - checks the settings of an allocator: above all that two endpoints cannot give the same id.
 * For ids_new().
 * Runs on the thread that starts the daemon. */
#include "conf.h"
#include "keyway/store/store.h"
#include <curl/curl.h>
#include <inttypes.h>
#include <stdlib.h>

#define STEP_MAX     1000000
#define BLOCK_LIMIT  10000000
#define TIMEOUT_US   500000
#define PARALLEL_MAX 64

static char *copy(const char *s)
{
	return s ? xstrdup(s) : NULL;
}

/* A password must not stay in freed memory. */
static void free_secret(char *s)
{
	if (s)
		explicit_bzero(s, strlen(s));
	free(s);
}

void alloc_conf_free(struct alloc_conf *c)
{
	for (size_t i = 0; i < c->ep_n; i++) {
		free(c->ep[i].name);
		free(c->ep[i].host);
		free(c->ep[i].socket);
		free(c->ep[i].user);
		free(c->ep[i].store_prefix);
		free_secret(c->ep[i].password);
		free_secret(c->ep[i].url);
	}
	for (size_t i = 0; i < c->header_n; i++)
		free_secret(c->headers[i]);
	free(c->headers);
	free_secret(c->bearer);
	free_secret(c->body);
	free(c->name);
	free(c->database);
	free(c->table);
	free((char *)c->at_id);
	free((char *)c->at_first);
	free((char *)c->at_last);
	free((char *)c->at_count);
	free(c->ca_file);
	free(c->cert_file);
	free(c->key_file);
	memset(c, 0, sizeof(*c));
}

static int bad(struct err *err, const struct alloc_conf *c, const char *what)
{
	return err_set(err, ERR_CONFIG, ER_WRONG_ARGUMENTS, "allocator '%s': %s", c->name ? c->name : "", what);
}

/* Names go between backticks into the statements, so nothing else may be in them. */
static bool name_ok(const char *s)
{
	size_t n = strlen(s);

	return n > 0 && n <= 64 && strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_$-") == n;
}

static bool line_ok(const char *s)
{
	return !s || !strpbrk(s, "\r\n");
}

/* scheme://host:port of @url: the rest may hold secrets. NULL when it is no http or https URL. */
static char *url_name(const char *url)
{
	CURLU *u = curl_url();
	char *scheme = NULL, *host = NULL, *port = NULL, *name = NULL;

	/* {tag} and {n} are not letters of a URL; they are put in percent-encoded later */
	if (u && !curl_url_set(u, CURLUPART_URL, url, CURLU_URLENCODE) &&
		!curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) && !curl_url_get(u, CURLUPART_HOST, &host, 0) &&
		!curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) && !strchr(host, '{') &&
		(!strcmp(scheme, "http") || !strcmp(scheme, "https")))
		name = xasprintf("%s://%s:%s", scheme, host, port);
	curl_free(scheme);
	curl_free(host);
	curl_free(port);
	curl_url_cleanup(u);
	return name;
}

static int endpoint_copy_store(
	const struct alloc_conf *c, const struct ids_endpoint *in, struct endpoint_conf *e, struct err *err)
{
	static const char *const kinds[] = { [STORE_FILE] = "file", [STORE_ETCD] = "etcd", [STORE_CONSUL] = "consul" };
	const char *where;

	if (!in->store)
		return bad(err, c, "a counter needs a store");
	if (e->step != 1)
		return bad(err, c, "a counter in a store gives every number: step must be 1");
	e->store = in->store;
	e->store_kind = (int)in->store->kind;
	where = in->store->kind == STORE_FILE ? in->store->path : in->store->endpoint_n ? in->store->endpoints[0] : "";
	e->store_prefix = copy(in->store->kind == STORE_FILE ? in->store->path : in->store->prefix);
	e->name = xasprintf("%s %s%s", kinds[in->store->kind], where ? where : "",
		in->store->kind != STORE_FILE && in->store->endpoint_n > 1 ? ",…" : "");
	return 0;
}

static int endpoint_copy(
	const struct alloc_conf *c, const struct ids_endpoint *in, struct endpoint_conf *e, struct err *err)
{
	e->step = in->step ? in->step : 1;
	e->offset = in->offset % e->step;
	e->min_id = in->min_id ? in->min_id : 1;
	e->max_id = in->max_id ? in->max_id : IDS_MAX_ID;
	if (e->step > STEP_MAX)
		return bad(err, c, "step of an endpoint must be 1 to 1000000");
	if (e->max_id > IDS_MAX_ID || e->min_id > e->max_id)
		return bad(err, c, "min_id and max_id of an endpoint must be 1 <= min_id <= max_id <= 2^63-1");
	if (c->kind == IDS_HTTP) {
		if (!in->url)
			return bad(err, c, "an endpoint of kind http needs a url");
		e->name = url_name(in->url);
		if (!e->name || !line_ok(in->url))
			return bad(err, c,
				"url must be http://host[:port]/path or https://…, with {tag} and {n} not in the host");
		e->url = copy(in->url);
		return 0;
	}
	if (c->kind == IDS_STORE)
		return endpoint_copy_store(c, in, e, err);
	if (!in->user || !*in->user)
		return bad(err, c, "an endpoint of kind mysql needs a user");
	e->port = in->port ? in->port : 3306;
	e->host = copy(in->host ? in->host : "127.0.0.1");
	e->socket = copy(in->socket);
	e->user = copy(in->user);
	e->password = copy(in->password ? in->password : "");
	e->name = in->socket ? xstrdup(in->socket) : xasprintf("%s:%u", e->host, e->port);
	return 0;
}

/* No id can be given by both. With two steps the residues meet unless they differ modulo the common divisor. */
static bool disjoint(const struct endpoint_conf *a, const struct endpoint_conf *b)
{
	uint64_t x = a->step, y = b->step;

	if (a->max_id < b->min_id || b->max_id < a->min_id)
		return true;
	while (y) {
		uint64_t r = x % y;

		x = y;
		y = r;
	}
	return a->offset % x != b->offset % x;
}

static int check_pairs(const struct alloc_conf *c, struct err *err)
{
	for (size_t i = 0; i < c->ep_n; i++) {
		for (size_t j = 0; j < i; j++) {
			const struct endpoint_conf *a = &c->ep[i], *b = &c->ep[j];

			if (!strcmp(a->name, b->name) && c->kind == IDS_MYSQL)
				return bad(err, c, "two endpoints have the same address");
			if (c->shared && (a->step != b->step || a->offset != b->offset))
				return bad(err, c, "endpoints of a shared service need the same step and offset");
			if (!c->shared && !disjoint(a, b))
				return bad(err, c,
					"two endpoints could give the same id: set step = 2 with offset = 1 and 2, or "
					"min_id and max_id that do not overlap, or shared = true when both lead to "
					"one service that never gives an id twice");
		}
	}
	return 0;
}

static int check_answer(struct alloc_conf *c, struct err *err)
{
	const char *all[] = { c->at_id, c->at_first, c->at_last, c->at_count };

	for (size_t i = 0; i < ARRAY_N(all); i++) {
		if (all[i] && all[i][0] != '/')
			return bad(err, c, "a place in the answer is a JSON pointer such as \"/data/id\"");
	}
	if (c->at_id && (c->at_first || c->at_last || c->at_count))
		return bad(err, c, "the answer has either id, or first with last or count");
	if (!c->at_id && (c->at_first || c->at_last || c->at_count) && (!c->at_first || !(c->at_last || c->at_count)))
		return bad(err, c, "the answer needs first together with last or count");
	c->single = !c->at_first;
	return 0;
}

static int fill(const struct ids_allocator *in, struct alloc_conf *c, struct err *err)
{
	int rc;

	c->name = xstrdup(in->name ? in->name : "");
	c->kind = in->kind;
	c->form = in->form;
	c->shared = in->shared;
	c->rising = in->rising || in->kind != IDS_HTTP;
	c->marks = in->marks;
	c->start = in->start;
	c->post = in->post;
	if (!name_ok(c->name))
		return bad(err, c, "a name is 1 to 64 letters, digits, _ $ or -");
	if (!in->endpoint_n || in->endpoint_n > IDS_ENDPOINTS_MAX)
		return bad(err, c, "needs 1 to 8 endpoints");
	if (in->kind == IDS_STORE && (in->endpoint_n != 1 || in->shared))
		return bad(err, c, "counters are in one store");
	for (; c->ep_n < in->endpoint_n; c->ep_n++) {
		rc = endpoint_copy(c, &in->endpoints[c->ep_n], &c->ep[c->ep_n], err);
		if (rc < 0) {
			c->ep_n++; /* the half-filled one is freed as well */
			return rc;
		}
	}
	c->database = copy(in->database ? in->database : "ids");
	c->table = copy(in->table ? in->table : c->form == IDS_FORM_BLOCK ? "sequences" : "tickets");
	if (!name_ok(c->database) || !name_ok(c->table))
		return bad(err, c, "database and table are 1 to 64 letters, digits, _ $ or -");
	c->body = copy(in->body ? in->body : "");
	c->at_id = copy(in->answer.id);
	c->at_first = copy(in->answer.first);
	c->at_last = copy(in->answer.last);
	c->at_count = copy(in->answer.count);
	c->headers = xcalloc(in->header_n + 1, sizeof(*c->headers));
	for (; c->header_n < in->header_n; c->header_n++) {
		if (!line_ok(in->headers[c->header_n]) || !strchr(in->headers[c->header_n], ':'))
			return bad(err, c, "a header is one line \"Name: value\"");
		c->headers[c->header_n] = xstrdup(in->headers[c->header_n]);
	}
	if (!line_ok(in->bearer))
		return bad(err, c, "the bearer token must be one line");
	c->bearer = copy(in->bearer);
	c->ca_file = copy(in->ca_file);
	c->cert_file = copy(in->cert_file);
	c->key_file = copy(in->key_file);
	if (c->kind == IDS_HTTP) {
		rc = check_answer(c, err);
		if (rc < 0)
			return rc;
		c->asks_n = strstr(c->ep[0].url, "{n}") || strstr(c->body, "{n}");
	} else {
		c->single = c->kind == IDS_MYSQL && c->form == IDS_FORM_TICKET;
		c->asks_n = !c->single;
	}
	c->timeout_us = in->timeout_us ? in->timeout_us : TIMEOUT_US;
	c->block = in->block ? in->block : c->single ? 200 : 1000;
	if (!in->block && in->block_max)
		c->block = MIN(c->block, in->block_max);
	if (!in->block && in->block_min)
		c->block = MAX(c->block, in->block_min);
	c->block_min = in->block_min ? in->block_min : MAX(c->block / 10, 1u);
	c->block_max = in->block_max ? in->block_max : MAX(c->block, c->single ? 20000u : 1000000u);
	c->parallel = in->parallel ? in->parallel : 16;
	if (c->timeout_us < 10000 || c->timeout_us > 60000000)
		return bad(err, c, "timeout must be 10ms to 60s");
	if (c->block_max > BLOCK_LIMIT || c->block_min > c->block || c->block > c->block_max)
		return bad(err, c, "needs block_min <= block <= block_max <= 10000000");
	if (c->parallel > PARALLEL_MAX)
		return bad(err, c, "parallel must be 1 to 64");
	return check_pairs(c, err);
}

int alloc_conf_copy(const struct ids_allocator *in, struct alloc_conf *out, struct err *err)
{
	int rc;

	memset(out, 0, sizeof(*out));
	rc = fill(in, out, err);
	if (rc < 0)
		alloc_conf_free(out);
	return rc;
}
