/* etcd_answer.h - what etcd's JSON gateway answers, read: untrusted bytes to structs. Inside the store layer. Pure.
 * Numbers of 64 bits come as texts, and what is zero, false or empty is left out. */
#ifndef KEYWAY_STORE_ETCD_ANSWER_H
#define KEYWAY_STORE_ETCD_ANSWER_H

#include "store_type.h"

struct etcd_header {
	uint64_t cluster_id, revision;
};

/* gRPC's codes, as far as we act on them */
enum etcd_code {
	ETCD_OK = 0,
	ETCD_UNKNOWN = 2,
	ETCD_INVALID = 3,
	ETCD_NOT_FOUND = 5,
	ETCD_DENIED = 7,
	ETCD_OUT_OF_RANGE = 11,
	ETCD_UNAVAILABLE = 14,
	ETCD_NO_TOKEN = 16,
};

struct etcd_error {
	int code; /* ETCD_UNKNOWN when it says none */
	char message[200];
};

/* Of a status that is not 200, or of a line of a stream that is an error. */
void etcd_read_error(struct str body, struct etcd_error *e);

/* Of one range, or of one range within a transaction. */
struct etcd_range {
	uint64_t count;
	struct store_items items; /* keys without @prefix; keys that our interface cannot name are left out */
};
void etcd_range_free(struct etcd_range *r);

/* ERR_MALFORMED: it is no such answer; nothing is left to be freed. @prefix: what all keys must begin with. */
MUST_CHECK int etcd_read_range(
	struct str body, const char *prefix, struct etcd_header *h, struct etcd_range *out, struct err *err);
/* A transaction of @n ranges, or one of changes alone (@n 0). */
MUST_CHECK int etcd_read_txn(struct str body, const char *prefix, struct etcd_header *h, bool *succeeded,
	struct etcd_range *ranges, uint32_t n, struct err *err);
/* A text or number field of the top, such as a lease's ID: 0 when it is left out. */
MUST_CHECK int etcd_read_number(struct str body, const char *outer, const char *field, uint64_t *out, struct err *err);
/* A text field, on the heap; NULL: there is none. */
char *etcd_read_text(struct str body, const char *field);

struct etcd_event {
	struct store_item item; /* value NULL: the key is gone. Version: the revision of the change */
};

/* One line of a watch. */
struct etcd_line {
	struct etcd_header header;
	bool created, canceled;
	uint64_t compact_revision;
	char reason[200]; /* of canceled */
	bool failed;	  /* the stream ends with @error */
	struct etcd_error error;
	struct etcd_event *events;
	uint32_t event_n;
};

MUST_CHECK int etcd_read_line(struct str line, const char *prefix, struct etcd_line *out, struct err *err);
void etcd_line_free(struct etcd_line *l);

/* The first key behind all that begin with @prefix: its range_end. On the heap. */
char *etcd_range_end(const char *prefix);

#endif
