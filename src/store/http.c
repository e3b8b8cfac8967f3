/* http.c - requests to one service at several endpoints: fail-over, TLS, bounds, and an end to every wait.
 * For etcd.c, consul.c and the follower over them.
 * Blocking; the owner's thread, but for http_cancel() and http_wake(). */
#include "http.h"
#include <curl/curl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include "keyway/util/log.h"

#define ANSWER_MAX  ((size_t)64 * 1024)
#define KEEPALIVE_S 10L

struct http {
	const char *who;
	struct store_config *cfg;
	CURLM *multi;
	char *header;
	uint32_t endpoint; /* in use */
	struct http_call *calls;
	atomic_bool cancelled;
};

static void init_curl(void)
{
	curl_global_init(CURL_GLOBAL_DEFAULT);
}

struct http *http_new(const struct store_config *cfg, const char *who, struct err *err)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct http *h;

	for (uint32_t i = 0; i < cfg->endpoint_n; i++) {
		const char *url = cfg->endpoints[i];
		struct str u = str_of(url);

		if (!(str_starts(u, STR("http://")) && u.n > 7) && !(str_starts(u, STR("https://")) && u.n > 8)) {
			err_set(err, ERR_CONFIG, ER_WRONG_ARGUMENTS,
				"the map store's endpoint %.100s must begin with http:// or https://", url);
			return NULL;
		}
	}
	pthread_once(&once, init_curl);
	h = xcalloc(1, sizeof(*h));
	h->who = who;
	h->cfg = store_config_copy(cfg);
	h->multi = curl_multi_init();
	if (!h->multi)
		abort();
	curl_multi_setopt(h->multi, CURLMOPT_MAXCONNECTS, 4L);
	return h;
}

static void wipe(char *secret)
{
	if (secret)
		explicit_bzero(secret, strlen(secret));
	free(secret);
}

void http_free(struct http *h)
{
	if (!h)
		return;
	curl_multi_cleanup(h->multi);
	store_config_free(h->cfg);
	wipe(h->header);
	free(h);
}

void http_set_header(struct http *h, const char *line)
{
	wipe(h->header);
	h->header = line ? xstrdup(line) : NULL;
}

static size_t on_body(char *p, size_t size, size_t n, void *arg)
{
	struct http_call *c = arg;

	if (size * n > c->answer_max - MIN(c->answer_max, buf_used(&c->body))) {
		c->too_big = true;
		return 0;
	}
	buf_add(&c->body, p, size * n);
	return size * n;
}

static size_t on_header(char *p, size_t size, size_t n, void *arg)
{
	static const char name[] = "x-consul-index:";
	struct str line = str_make(p, size * n);
	struct http_call *c = arg;

	if (line.n > sizeof(name) - 1 && strncasecmp(line.p, name, sizeof(name) - 1) == 0) {
		line = str_make(line.p + sizeof(name) - 1, line.n - (sizeof(name) - 1));
		while (line.n && *line.p == ' ')
			line = str_make(line.p + 1, line.n - 1);
		while (line.n && strchr(" \r\n", line.p[line.n - 1]))
			line.n--;
		if (str_to_u64(line, &c->consul_index) < 0)
			c->consul_index = 0;
	}
	return size * n;
}

static long milliseconds(uint64_t us)
{
	return (long)MIN((us + 999) / 1000, (uint64_t)3600000);
}

static void set_tls(CURL *easy, const struct store_config *cfg)
{
	curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	if (cfg->ca)
		curl_easy_setopt(easy, CURLOPT_CAINFO, cfg->ca);
	if (cfg->cert)
		curl_easy_setopt(easy, CURLOPT_SSLCERT, cfg->cert);
	if (cfg->key)
		curl_easy_setopt(easy, CURLOPT_SSLKEY, cfg->key);
}

static void set_limits(CURL *easy, const struct http *h, const struct http_request *req)
{
	uint64_t timeout_us = req->timeout_us ? req->timeout_us : h->cfg->timeout_us;

	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L); /* a resolver that hangs does not hold up the end of a call */
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, milliseconds(MIN(timeout_us, h->cfg->timeout_us)));
	if (timeout_us != HTTP_FOREVER)
		curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, milliseconds(timeout_us));
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, KEEPALIVE_S);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, KEEPALIVE_S);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(easy, CURLOPT_PROXY, "");
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	/* libcurl sends a request again by itself when a connection it had kept turns out to be dead */
	curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, req->change ? 1L : 0L);
}

struct http_call *http_begin(struct http *h, const struct http_request *req)
{
	struct http_call *c = xcalloc(1, sizeof(*c));
	const char *base = h->cfg->endpoints[h->endpoint];
	struct curl_slist *headers = curl_slist_append(NULL, "Expect:");
	size_t n = strlen(base);
	CURL *easy = curl_easy_init();

	if (!easy)
		abort();
	while (n && base[n - 1] == '/')
		n--;
	c->http = h;
	c->endpoint = h->endpoint;
	c->easy = easy;
	c->answer_max = req->answer_max ? req->answer_max : ANSWER_MAX;
	c->url = xasprintf("%.*s%s", (int)n, base, req->path);
	if (h->header)
		headers = curl_slist_append(headers, h->header);
	if (req->header)
		headers = curl_slist_append(headers, req->header);
	curl_easy_setopt(easy, CURLOPT_URL, c->url);
	curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(easy, CURLOPT_USERAGENT, "keyway/" KEYWAY_VERSION);
	set_limits(easy, h, req);
	set_tls(easy, h->cfg);
	if (req->body.p) {
		headers = curl_slist_append(headers, "Content-Type: application/json");
		curl_easy_setopt(easy, CURLOPT_POST, 1L);
		curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)req->body.n);
		curl_easy_setopt(easy, CURLOPT_POSTFIELDS, req->body.p);
	}
	if (strcmp(req->method, req->body.p ? "POST" : "GET") != 0)
		curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, req->method);
	c->headers = headers;
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, c);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, c);
	curl_easy_setopt(easy, CURLOPT_PRIVATE, c);
	c->next = h->calls;
	h->calls = c;
	curl_multi_add_handle(h->multi, easy);
	return c;
}

static void note_end(struct http_call *c, CURLcode code)
{
	long sent = 0;

	curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &c->status);
	curl_easy_getinfo(c->easy, CURLINFO_REQUEST_SIZE, &sent);
	if (code == CURLE_OK)
		c->end = HTTP_ANSWERED;
	else if (c->too_big)
		c->end = HTTP_TOO_BIG;
	else
		c->end = sent ? HTTP_LOST : HTTP_NOT_SENT;
	if (c->too_big)
		snprintf(c->why, sizeof(c->why), "the answer has more than %zu bytes", c->answer_max);
	else if (code != CURLE_OK)
		snprintf(c->why, sizeof(c->why), "%s", curl_easy_strerror(code));
}

/* Notes the calls that have ended. True when there were any. */
static bool reap(struct http *h)
{
	bool any = false;
	CURLMsg *m;
	int left;

	while ((m = curl_multi_info_read(h->multi, &left))) {
		char *c = NULL;

		if (m->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &c);
		note_end((struct http_call *)(void *)c, m->data.result);
		any = true;
	}
	return any;
}

static size_t bytes_waiting(const struct http *h)
{
	size_t n = 0;

	for (const struct http_call *c = h->calls; c; c = c->next)
		n += buf_used(&c->body);
	return n;
}

static bool work(struct http *h)
{
	int running;

	if (curl_multi_perform(h->multi, &running) != CURLM_OK)
		abort();
	return reap(h);
}

bool http_work(struct http *h, uint64_t until_us)
{
	size_t before = bytes_waiting(h);
	bool ended = work(h);
	uint64_t now = clock_mono_us();

	if (!ended && bytes_waiting(h) == before && now < until_us && !atomic_load(&h->cancelled)) {
		/* a wake-up ends it early: the caller looks at what it was for */
		curl_multi_poll(h->multi, NULL, 0, (int)milliseconds(until_us - now), NULL);
		(void)work(h);
	}
	return !atomic_load(&h->cancelled);
}

void http_end(struct http_call *c)
{
	struct http_call **at;

	if (!c)
		return;
	for (at = &c->http->calls; *at != c; at = &(*at)->next)
		;
	*at = c->next;
	curl_multi_remove_handle(c->http->multi, c->easy);
	curl_easy_cleanup(c->easy);
	curl_slist_free_all(c->headers);
	buf_free(&c->body);
	free(c->url);
	free(c);
}

void http_next_endpoint(struct http *h, const struct http_call *c)
{
	if (!c || h->endpoint == c->endpoint)
		h->endpoint = (h->endpoint + 1) % h->cfg->endpoint_n;
}

static int no_answer(struct http *h, struct http_call *c, bool unknown, struct err *err)
{
	char text[200];

	if (!c->why[0])
		snprintf(c->why, sizeof(c->why), "HTTP status %ld: %s", c->status,
			log_text(http_body(c), text, MIN(sizeof(text), (size_t)100)));
	if (unknown)
		return err_set(err, ERR_TIMEOUT, ER_NET_READ_INTERRUPTED,
			"%s at %.120s: %s; whether the change was made is not known", h->who,
			h->cfg->endpoints[c->endpoint], c->why);
	return err_set(err, ERR_BACKEND, ER_NET_READ_ERROR, "%s at %.120s: %s%s", h->who,
		h->cfg->endpoints[c->endpoint], c->why, h->cfg->endpoint_n > 1 ? " (the others do no better)" : "");
}

int http_do(struct http *h, const struct http_request *req, struct http_call **out, struct err *err)
{
	int rc = ERR_BACKEND;

	*out = NULL;
	for (uint32_t i = 0; i < h->cfg->endpoint_n; i++) {
		struct http_call *c = http_begin(h, req);

		while (c->end == HTTP_RUNS) {
			if (!http_work(h, clock_mono_us() + 1000000) && c->end == HTTP_RUNS) {
				http_end(c);
				return err_set(err, req->change ? ERR_TIMEOUT : ERR_BACKEND, ER_NET_READ_INTERRUPTED,
					"%s: the request was given up", h->who);
			}
		}
		if (c->end == HTTP_ANSWERED && c->status < 500) {
			*out = c;
			return 0;
		}
		http_next_endpoint(h, c);
		if (req->change && c->end == HTTP_ANSWERED) {
			*out = c;
			return 0;
		}
		rc = no_answer(h, c, req->change && c->end != HTTP_NOT_SENT, err);
		http_end(c);
		if (rc == ERR_TIMEOUT)
			return rc;
	}
	return rc;
}

const char *http_endpoint(const struct http *h)
{
	return h->cfg->endpoints[h->endpoint];
}

uint32_t http_endpoint_n(const struct http *h)
{
	return h->cfg->endpoint_n;
}

void http_cancel(struct http *h, bool on)
{
	atomic_store(&h->cancelled, on);
	curl_multi_wakeup(h->multi);
}

void http_wake(struct http *h)
{
	curl_multi_wakeup(h->multi);
}

struct str http_body(struct http_call *c)
{
	*buf_reserve(&c->body, 1) = 0;
	return str_make((const char *)buf_head(&c->body), buf_used(&c->body));
}
