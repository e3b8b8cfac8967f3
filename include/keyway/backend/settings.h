/* backend/settings.h - the session settings that a client has made and that a pooled connection must have before it
 * runs the client's statements: system variables and user variables as name and value. Sets are immutable and interned
 * per worker, so "does this connection have what this session wants" is one pointer compare. One worker thread. */
#ifndef KEYWAY_BACKEND_SETTINGS_H
#define KEYWAY_BACKEND_SETTINGS_H

#include "keyway/util/buf.h"
#include "keyway/util/err.h"

/* Names are lower case: "sql_mode", "collation_connection"; a user variable begins with '@', in lower case too.
 * Values are SQL literals in plain ASCII: 'STRICT_TRANS_TABLES', 1, _utf8mb4 X'C3A4'. */
struct setting {
	struct str name;
	struct str value;
};

/* The bits of sql_mode that change how a text is read. */
enum settings_sql_mode {
	SQL_MODE_ANSI_QUOTES = 1u << 0,
	SQL_MODE_NO_BACKSLASH_ESCAPES = 1u << 1,
	SQL_MODE_IGNORE_SPACE = 1u << 2,
	SQL_MODE_PIPES_AS_CONCAT = 1u << 3,
	SQL_MODE_HIGH_NOT_PRECEDENCE = 1u << 4,
};

struct settings {
	uint32_t n;
	uint32_t refs;
	uint64_t hash;
	uint64_t parse_hash; /* of those that change what a text means: character sets, collation, sql_mode */
	uint32_t bytes;	     /* memory of names and values */
	uint32_t sql_mode;   /* enum settings_sql_mode */
	bool has_sql_mode;   /* sql_mode is set; else the server's own holds */
	uint16_t charset_id; /* collation id that stands for character_set_client; 0: not known to us */
	bool autocommit_off;
	const struct setting *v; /* in order of names */
};

struct settings_table;

/* What one session may hold; past it settings_with() refuses. */
#define SETTINGS_MAX	   128
#define SETTINGS_BYTES_MAX (256 * 1024)

struct settings_table *settings_table_new(void);
void settings_table_free(struct settings_table *t);

/* The set a connection has after a login with collation @collation_id: the three character set variables. */
const struct settings *settings_login(struct settings_table *t, unsigned collation_id);

/* @base with @name set to @value, or without it when value.p is NULL. A new reference; NULL and @err (1231, a limit)
 * when the set would grow too large. */
const struct settings *settings_with(
	struct settings_table *t, const struct settings *base, struct str name, struct str value, struct err *err);

const struct settings *settings_ref(const struct settings *s);
void settings_unref(struct settings_table *t, const struct settings *s);

/* The value's text, or p NULL. */
struct str settings_get(const struct settings *s, struct str name);

/* The bits in a list of modes as servers write it: "ANSI_QUOTES,STRICT_TRANS_TABLES". */
uint32_t settings_sql_mode_bits(struct str list);

/* Appends "SET a=1,b=DEFAULT,…" that turns a connection with @from into one with @to; false when there is nothing to
 * do. */
bool settings_diff(const struct settings *from, const struct settings *to, struct buf *out);

#endif
