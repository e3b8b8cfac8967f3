/* conf.h - an allocator's settings, checked and owned. Written once by ids_conf_copy(), then read by any thread. */
#ifndef IDS_CONF_H
#define IDS_CONF_H

#include "keyway/ids/ids.h"

struct endpoint_conf {
	char *name; /* for people: host:port, socket, scheme://host:port */
	char *host, *socket, *user, *password, *url;
	uint16_t port;
	uint64_t step, offset, min_id, max_id;
	/* kind store */
	const struct store_config *store; /* the caller's, during ids_new() only */
	int store_kind;			  /* enum store_kind */
	char *store_prefix;		  /* for people: prefix, or folder */
};

struct alloc_conf {
	char *name;
	enum ids_kind kind;
	enum ids_form form;
	char *database, *table;
	struct endpoint_conf ep[IDS_ENDPOINTS_MAX];
	size_t ep_n;
	bool shared, rising, post;
	bool single; /* an answer is one id */
	bool asks_n; /* the source is told how many ids are wanted */
	char *body;
	const char *at_id, *at_first, *at_last, *at_count; /* JSON pointers; all NULL: a bare number */
	char **headers;
	size_t header_n;
	char *bearer, *ca_file, *cert_file, *key_file;
	uint64_t timeout_us;
	uint32_t block, block_min, block_max, parallel;
	uint64_t start; /* store: first id of a new tag; 0: the counter must be there */
	enum ids_marking marks;
};

/* Checks @in and copies it into @out with the defaults filled in. ERR_CONFIG and nothing to free when it is wrong. */
MUST_CHECK int alloc_conf_copy(const struct ids_allocator *in, struct alloc_conf *out, struct err *err);
void alloc_conf_free(struct alloc_conf *c);

#endif
