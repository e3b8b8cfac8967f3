/* source_http.c - ids from an HTTP service: bare numbers or JSON; single-id services are asked several times at once.
 * For the allocator threads (refill.c), on which its calls block.
 * Connections are kept open by libcurl; an answer that comes after its time is never read. */
#include "source.h"
#include "answer.h"
#include "keyway/util/buf.h"
#include "keyway/util/log.h"
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>

/* One request under way. */
struct call {
	CURL *easy;
	struct buf body;
	bool framed; /* the end of the body is marked: a cut number cannot pass for a whole one */
	bool too_big;
	bool done;
	CURLcode code;
};

struct http_source {
	struct id_source source;
	const struct alloc_conf *conf;
	const struct endpoint_conf *ep;
	CURLM *multi;
	struct curl_slist *headers;
	struct call *call;
	uint32_t call_n;
	bool warm; /* the last grab was answered: connections and CA store are there for many at once */
};

static size_t on_body(char *p, size_t size, size_t n, void *arg)
{
	struct call *c = arg;

	if (size * n > ANSWER_BYTES_MAX - buf_used(&c->body)) {
		c->too_big = true;
		return 0;
	}
	buf_add(&c->body, p, size * n);
	return size * n;
}

static size_t on_header(char *p, size_t size, size_t n, void *arg)
{
	struct call *c = arg;
	struct str line = str_make(p, size * n);

	if (str_starts(line, STR("HTTP/")))
		c->framed = str_starts(line, STR("HTTP/2")) || str_starts(line, STR("HTTP/3"));
	if (line.n >= 15 && (!strncasecmp(line.p, "content-length:", 15)))
		c->framed = true;
	if (line.n >= 18 && (!strncasecmp(line.p, "transfer-encoding:", 18)))
		c->framed = true;
	return size * n;
}

/* @text with {tag} and {n} filled in: percent-encoded for a URL, as the inside of a JSON string for a body. */
static char *fill_in(CURL *easy, const char *text, const char *tag, uint32_t n, bool url)
{
	struct buf b = { 0 };
	char *escaped;

	while (*text) {
		if (!strncmp(text, "{n}", 3)) {
			buf_addf(&b, "%u", n);
			text += 3;
		} else if (strncmp(text, "{tag}", 5)) {
			buf_add_u8(&b, (uint8_t)*text++);
		} else if (url) {
			escaped = curl_easy_escape(easy, tag, 0);
			buf_addz(&b, escaped ? escaped : "");
			curl_free(escaped);
			text += 5;
		} else {
			for (const char *t = tag; *t; t++) {
				if (*t == '"' || *t == '\\')
					buf_add_u8(&b, '\\');
				buf_add_u8(&b, (uint8_t)*t);
			}
			text += 5;
		}
	}
	buf_add_u8(&b, 0);
	return (char *)b.p; /* nothing was eaten: the block begins with the text */
}

static void start(struct http_source *s, struct call *c, const struct id_grab *g)
{
	const struct alloc_conf *conf = s->conf;
	char *text;

	buf_clear(&c->body);
	c->framed = c->too_big = c->done = false;
	curl_easy_reset(c->easy);
	text = fill_in(c->easy, s->ep->url, g->tag, g->want, true);
	curl_easy_setopt(c->easy, CURLOPT_URL, text);
	explicit_bzero(text, strlen(text));
	free(text);
	curl_easy_setopt(c->easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(c->easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c->easy, CURLOPT_PROXY, "");
	curl_easy_setopt(c->easy, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(c->easy, CURLOPT_TIMEOUT_MS, (long)(conf->timeout_us / 1000));
	curl_easy_setopt(c->easy, CURLOPT_USERAGENT, "keyway/" KEYWAY_VERSION);
	curl_easy_setopt(c->easy, CURLOPT_HTTPHEADER, s->headers);
	curl_easy_setopt(c->easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(c->easy, CURLOPT_WRITEDATA, c);
	curl_easy_setopt(c->easy, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(c->easy, CURLOPT_HEADERDATA, c);
	curl_easy_setopt(c->easy, CURLOPT_PRIVATE, c);
	if (conf->ca_file)
		curl_easy_setopt(c->easy, CURLOPT_CAINFO, conf->ca_file);
	if (conf->cert_file)
		curl_easy_setopt(c->easy, CURLOPT_SSLCERT, conf->cert_file);
	if (conf->key_file)
		curl_easy_setopt(c->easy, CURLOPT_SSLKEY, conf->key_file);
	if (conf->post) {
		text = fill_in(c->easy, conf->body, g->tag, g->want, false);
		curl_easy_setopt(c->easy, CURLOPT_POST, 1L);
		curl_easy_setopt(c->easy, CURLOPT_POSTFIELDSIZE, (long)strlen(text));
		curl_easy_setopt(c->easy, CURLOPT_COPYPOSTFIELDS, text);
		explicit_bzero(text, strlen(text));
		free(text);
	}
	curl_multi_add_handle(s->multi, c->easy);
}

/* An error page may repeat what it was sent: then none of it is shown. */
static bool tells_secrets(const struct http_source *s, const char *text)
{
	const char *value;

	if (s->conf->bearer && *s->conf->bearer && strstr(text, s->conf->bearer))
		return true;
	for (size_t i = 0; i < s->conf->header_n; i++) {
		value = strchr(s->conf->headers[i], ':') + 1;
		value += strspn(value, " ");
		if (*value && strstr(text, value))
			return true;
	}
	return false;
}

static enum grab_result judge_status(struct http_source *s, struct call *c, long status, struct id_grab *g)
{
	char text[80];

	buf_add_u8(&c->body, 0);
	if (tells_secrets(s, (char *)buf_head(&c->body)))
		text[0] = 0;
	else
		log_text(str_make((char *)buf_head(&c->body), buf_used(&c->body) - 1), text, sizeof(text));
	snprintf(g->why, sizeof(g->why), "HTTP status %ld: %s", status, text);
	return status >= 500 || status == 408 || status == 429 || status < 200 ? GRAB_UNWELL : GRAB_REFUSED;
}

static enum grab_result finish(struct http_source *s, struct call *c, struct id_grab *g)
{
	struct str body;
	long status = 0;

	if (!c->done) {
		snprintf(g->why, sizeof(g->why), "no answer within %llu ms",
			(unsigned long long)s->conf->timeout_us / 1000);
		return GRAB_RETRY;
	}
	if (c->too_big) {
		snprintf(g->why, sizeof(g->why), "answer is longer than %d bytes", ANSWER_BYTES_MAX);
		return GRAB_MALFORMED;
	}
	if (c->code != CURLE_OK) {
		snprintf(g->why, sizeof(g->why), "%s", curl_easy_strerror(c->code));
		return GRAB_RETRY;
	}
	curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &status);
	if (status < 200 || status > 299)
		return judge_status(s, c, status, g);
	if (!c->framed && !s->conf->at_id && !s->conf->at_first) {
		snprintf(g->why, sizeof(g->why), "answer has neither Content-Length nor chunks, so it may be cut");
		return GRAB_MALFORMED;
	}
	body = str_make((char *)buf_head(&c->body), buf_used(&c->body));
	if (answer_parse(s->conf, s->ep->step, body, &g->run[g->run_n], g->why, sizeof(g->why)) < 0)
		return GRAB_MALFORMED;
	g->run_n++;
	return GRAB_OK;
}

static void run_calls(struct http_source *s, uint64_t deadline_us)
{
	int running = 1, left;
	uint64_t now;
	CURLMsg *m;
	char *c;

	while (curl_multi_perform(s->multi, &running) == CURLM_OK) {
		while ((m = curl_multi_info_read(s->multi, &left))) {
			if (m->msg != CURLMSG_DONE)
				continue;
			curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &c);
			((struct call *)(void *)c)->done = true;
			((struct call *)(void *)c)->code = m->data.result;
		}
		now = clock_mono_us();
		if (!running || now >= deadline_us)
			return;
		curl_multi_poll(s->multi, NULL, 0, (int)((deadline_us - now) / 1000) + 1, NULL);
	}
}

/* Calls that ran side by side answer in any order, which is not going backwards. */
static int by_first(const void *a, const void *b)
{
	const struct grab_run *x = a, *y = b;

	return (x->first > y->first) - (x->first < y->first);
}

static enum grab_result http_grab(struct id_source *src, struct id_grab *g)
{
	struct http_source *s = container_of(src, struct http_source, source);
	uint32_t n = s->conf->single && s->warm ? MIN(g->want, s->call_n) : 1;
	enum grab_result worst = GRAB_OK, rc;

	for (uint32_t i = 0; i < n; i++)
		start(s, &s->call[i], g);
	run_calls(s, clock_mono_us() + s->conf->timeout_us);
	for (uint32_t i = 0; i < n; i++) {
		rc = finish(s, &s->call[i], g);
		worst = MAX(worst, rc);
		curl_multi_remove_handle(s->multi, s->call[i].easy);
	}
	s->warm = worst != GRAB_RETRY;
	qsort(g->run, g->run_n, sizeof(g->run[0]), by_first);
	return worst;
}

static void http_free(struct id_source *src)
{
	struct http_source *s = container_of(src, struct http_source, source);

	for (uint32_t i = 0; i < s->call_n; i++) {
		curl_easy_cleanup(s->call[i].easy);
		buf_free(&s->call[i].body);
	}
	free(s->call);
	curl_multi_cleanup(s->multi);
	curl_slist_free_all(s->headers);
	free(s);
}

struct id_source *source_http_open(const struct alloc_conf *conf, size_t ep)
{
	struct http_source *s = xcalloc(1, sizeof(*s));
	bool typed = false;
	char *line;

	s->source.grab = http_grab;
	s->source.free = http_free;
	s->conf = conf;
	s->ep = &conf->ep[ep];
	s->multi = curl_multi_init();
	if (!s->multi)
		abort();
	curl_multi_setopt(s->multi, CURLMOPT_MAXCONNECTS, (long)conf->parallel + 2);
	for (size_t i = 0; i < conf->header_n; i++) {
		s->headers = curl_slist_append(s->headers, conf->headers[i]);
		typed |= !strncasecmp(conf->headers[i], "content-type:", 13);
	}
	if (conf->post && !typed)
		s->headers = curl_slist_append(s->headers, "Content-Type: application/json");
	if (conf->bearer) {
		line = xasprintf("Authorization: Bearer %s", conf->bearer);
		s->headers = curl_slist_append(s->headers, line);
		explicit_bzero(line, strlen(line));
		free(line);
	}
	s->call_n = conf->single ? conf->parallel : 1;
	s->call = xcalloc(s->call_n, sizeof(*s->call));
	for (uint32_t i = 0; i < s->call_n; i++) {
		s->call[i].easy = curl_easy_init();
		if (!s->call[i].easy)
			abort();
	}
	return &s->source;
}
