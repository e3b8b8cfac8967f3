/* config_keys.h - the table of the settings, for the files of config_*.c. One row per key: where it stands in the
 * file, what it may be, where it goes in struct config, and one line for people. Read-only, any thread. */
#ifndef KEYWAY_MAIN_CONFIG_KEYS_H
#define KEYWAY_MAIN_CONFIG_KEYS_H

#include "keyway/main/config.h"
#include "keyway/util/arena.h"

#define KEY_PATH_MAX 256 /* room for a path with any name that is not in the table */

enum config_type {
	KEY_TEXT,	 /* const char *; min and max bound its length */
	KEY_PATH,	 /* const char *; a relative one is taken from the folder of the settings */
	KEY_FILE,	 /* a path that must be readable when the settings are read */
	KEY_ADDRESS,	 /* const char *; numeric IPv4 or IPv6 */
	KEY_BOOL,	 /* bool */
	KEY_COUNT,	 /* uint64_t */
	KEY_SIZE,	 /* uint64_t, bytes; K M G */
	KEY_DURATION,	 /* uint64_t, microseconds; ms s m h */
	KEY_PORT,	 /* uint32_t */
	KEY_MODE,	 /* uint32_t; permission bits, octal in quotes */
	KEY_CHOICE,	 /* uint32_t; index into choices */
	KEY_NATIVE,	 /* const char *; verifier of mysql_native_password */
	KEY_SHA2,	 /* const char *; verifier of caching_sha2_password */
	KEY_SECRET,	 /* const char *; NULL when not given */
	KEY_SECRET_FILE, /* the same place, first line of a file */
	KEY_SECRET_ENV,	 /* the same place, from the environment */
	KEY_TEXTS,	 /* const char **, and their number at count_offset; min and max bound the number */
	KEY_LIST,	 /* pointer to items, and their number at count_offset */
};

enum config_key_flag {
	KEY_REQUIRED = 1 << 0,
	KEY_RESTART = 1 << 1, /* a change works only after a restart */
	KEY_CHOSEN = 1 << 3,  /* printed only when it is not the default, as it does not go with every kind */
	KEY_ALIAS = 1 << 2,   /* another way to fill the place of another row: not printed, not compared */
};

struct config_key {
	const char *path; /* "limits.max_packet", "users[].name" */
	enum config_type type;
	const char *fallback; /* as it would be written, without quotes; NULL: stays as the group was made */
	const char *choices;  /* "a|b|c" */
	uint64_t min, max;
	size_t offset;	     /* in struct config, or in the item of the innermost list */
	size_t count_offset; /* KEY_LIST, KEY_TEXTS */
	size_t item_size;    /* KEY_LIST */
	unsigned flags;
	const char *help;
};

extern const struct config_key config_keys[];
extern const size_t config_keys_n;

/* The row with this path; NULL when there is none. */
const struct config_key *config_key_find(const char *path);
/* Does @key stand inside @prefix ("limits." or "users[]."), at any depth? */
bool config_key_within(const struct config_key *key, const char *prefix);
/* Does it, and not inside a deeper list? Then its offset counts from the same struct. */
bool config_key_same_item(const struct config_key *key, const char *prefix);

static inline bool config_key_is_secret(const struct config_key *key)
{
	return key->type == KEY_SECRET || key->type == KEY_SECRET_FILE || key->type == KEY_SECRET_ENV;
}

/* The value that @text means, put where @key says in @item; texts are copied to @arena, relative paths start at @dir.
 * NULL when done, else why not, in @arena, without the text when it is a secret. */
const char *config_value_set(
	const struct config_key *key, const char *text, void *item, struct arena *arena, const char *dir);
/* The value at @item as one would write it, without quotes; NULL for a secret that is not set. */
const char *config_value_text(const struct config_key *key, const void *item, struct arena *arena);
/* "1K to 1G", "off, optional or required": what may be written; in @arena. */
const char *config_value_allowed(const struct config_key *key, struct arena *arena);
/* Would config_value_text() be written in quotes? */
bool config_value_quoted(const struct config_key *key);

#endif
