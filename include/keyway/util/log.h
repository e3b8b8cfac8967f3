/* util/log.h - one line an event, to stderr or a file. Any thread may log; a line is one write. Never on the hot path
 * of a query. Text from peers is escaped by log_text(). */
#ifndef KEYWAY_UTIL_LOG_H
#define KEYWAY_UTIL_LOG_H

#include "keyway/util/str.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/* @path NULL: stderr. Returns 0, or -errno and the old target stays. Call again (SIGHUP) to reopen. */
MUST_CHECK int log_open(const char *path);
void log_set_level(enum log_level level);
/* -1 when @name is none of error, warn, info, debug. */
MUST_CHECK int log_level_parse(struct str name, enum log_level *out);
bool log_enabled(enum log_level level);
void log_write(enum log_level level, const char *fmt, ...) PRINTF(2, 3);

#define log_error(...) log_write(LOG_ERROR, __VA_ARGS__)
#define log_warn(...)  log_write(LOG_WARN, __VA_ARGS__)
#define log_info(...)  log_write(LOG_INFO, __VA_ARGS__)
#define log_debug(...)                                     \
	do {                                               \
		if (UNLIKELY(log_enabled(LOG_DEBUG)))      \
			log_write(LOG_DEBUG, __VA_ARGS__); \
	} while (0)

/* @s with control characters and quotes escaped, cut at @size - 1; returns @out. */
const char *log_text(struct str s, char *out, size_t size);

#endif
