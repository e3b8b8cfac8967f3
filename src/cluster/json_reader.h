/* json_reader.h - fields of a JSON document with checks whose messages begin with the field's path. Inside the cluster
 * layer. All functions return 0 or ERR_CONFIG with the reader's err filled. Pure. */
#ifndef KEYWAY_CLUSTER_JSON_READER_H
#define KEYWAY_CLUSTER_JSON_READER_H

#include <jansson.h>
#include "keyway/util/arena.h"
#include "keyway/util/err.h"

struct json_reader {
	struct arena *arena; /* texts are copied into it */
	struct err *err;
	size_t path_n;
	char path[320]; /* of the value being read: "shards[1].backends[0]" */
};

/* Steps into a field or an array item; give the returned mark to reader_leave(). */
size_t reader_enter(struct json_reader *r, const char *field);
size_t reader_enter_item(struct json_reader *r, size_t index);
void reader_leave(struct json_reader *r, size_t mark);

/* An error about the value being read, or about a field of it. */
int reader_bad(struct json_reader *r, const char *fmt, ...) PRINTF(2, 3);
int reader_bad_field(struct json_reader *r, const char *field, const char *fmt, ...) PRINTF(3, 4);

/* Is @v an object with no other fields than @known (space-separated)? */
MUST_CHECK int reader_object(struct json_reader *r, const json_t *v, const char *known);

enum text_form {
	TEXT_ANY,    /* no control characters */
	TEXT_DBNAME, /* as servers allow database, table and column names */
	TEXT_NAME,   /* a name of Keyway's own: that, and no / and @ */
	TEXT_ID,     /* letters, digits, . _ - */
	TEXT_HOST,   /* name or address */
	TEXT_PATH,   /* absolute path of a unix socket */
};

#define READER_REQUIRED true
#define READER_OPTIONAL false

/* Missing and optional: *@out is left alone. */
MUST_CHECK int reader_text(struct json_reader *r, const json_t *obj, const char *field, bool required,
	enum text_form form, struct str *out);
MUST_CHECK int reader_int(struct json_reader *r, const json_t *obj, const char *field, bool required, int64_t lo,
	int64_t hi, int64_t *out);
/* *@out: which of @names (ended by NULL) the text is. */
MUST_CHECK int reader_choice(
	struct json_reader *r, const json_t *obj, const char *field, bool required, const char *const *names, int *out);
/* The same checks on a text that is not a field's value. */
MUST_CHECK int reader_check_text(struct json_reader *r, struct str s, enum text_form form);

#endif
