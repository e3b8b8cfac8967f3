/* http.h - requests to one service at several endpoints, over libcurl. One thread owns a struct http; http_cancel() and
 * http_wake() are for any. Nothing waits longer than its time-out, and no answer grows past its bound. Inside the store
 * layer. */
#ifndef KEYWAY_STORE_HTTP_H
#define KEYWAY_STORE_HTTP_H

#include "store_type.h"
#include "keyway/util/buf.h"

#define HTTP_FOREVER UINT64_MAX

struct http; /* opaque */

struct http_request {
	const char *method;
	const char *path;    /* and query: "/v3/kv/range" */
	struct str body;     /* p NULL: none. Borrowed until the call ends */
	const char *header;  /* one more line; NULL: none */
	uint64_t timeout_us; /* 0: the store's; HTTP_FOREVER: the caller looks after that */
	size_t answer_max;   /* bytes that may wait in the body; 0: 64 KiB */
	bool change;	     /* must not be carried out twice: sent again only when it surely was not sent before */
};

enum http_end {
	HTTP_RUNS,
	HTTP_ANSWERED, /* with whatever status */
	HTTP_NOT_SENT, /* no connection: the service has seen nothing of it */
	HTTP_LOST,     /* sent at least in part; no whole answer came (in time) */
	HTTP_TOO_BIG,
};

struct http_call {
	enum http_end end;
	uint32_t endpoint;
	long status;
	struct buf body;       /* grows while it runs; the caller may eat of it */
	uint64_t consul_index; /* of its headers; 0: none */
	char why[160];	       /* when it did not end well */
	/* http.c's own */
	struct http *http;
	void *easy, *headers;
	char *url;
	size_t answer_max;
	bool too_big;
	struct http_call *next;
};

/* NULL and @err: an endpoint is no http:// or https:// URL. @who: "etcd", for messages; a literal. */
struct http *http_new(const struct store_config *cfg, const char *who, struct err *err);
void http_free(struct http *h); /* NULL is allowed; its calls must have ended */

/* Sent with every request from now on ("X-Consul-Token: …"). Copies; NULL: none. */
void http_set_header(struct http *h, const char *line);

/* Begins a request to the endpoint that is in use. Never NULL. The owner ends it with http_end(). */
struct http_call *http_begin(struct http *h, const struct http_request *req);
/* Works on all calls until something has happened to one, @until_us (monotonic), http_wake() or http_cancel(). False:
 * it is cancelled. */
bool http_work(struct http *h, uint64_t until_us);
/* Ends it, running or not. NULL is allowed. */
void http_end(struct http_call *c);
/* Another endpoint is in use from now on, if @c's still is (NULL: whichever is). */
void http_next_endpoint(struct http *h, const struct http_call *c);

/* One request, to the endpoints in turn until one has answered with a status below 500 (a change: until it was sent).
 * 0: @out, which the caller ends, was answered. ERR_BACKEND: none can be reached. ERR_TIMEOUT: a change was sent,
 * and what became of it is not known. *@out is NULL then. */
MUST_CHECK int http_do(struct http *h, const struct http_request *req, struct http_call **out, struct err *err);

/* The endpoint in use, for people. */
const char *http_endpoint(const struct http *h);
uint32_t http_endpoint_n(const struct http *h);

/* Any thread. Cancelled, all calls fail soon, until it is called with false. */
void http_cancel(struct http *h, bool on);
void http_wake(struct http *h);

/* A whole body as text; NUL-terminated. */
struct str http_body(struct http_call *c);

#endif
