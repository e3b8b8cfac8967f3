/* log.c - the log. For every layer; any thread: one line is one write(2) to one descriptor. */
#include "keyway/util/log.h"
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static _Atomic int log_fd = STDERR_FILENO;
static _Atomic int log_max = LOG_INFO;
static const char *const level_name[] = { "error", "warn", "info", "debug" };

int log_open(const char *path)
{
	int fd = STDERR_FILENO, old;

	if (path) {
		fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
		if (fd < 0)
			return -errno;
	}
	if (path && atomic_load(&log_fd) != STDERR_FILENO) {
		/* keep the number: another thread may be writing to it right now */
		old = atomic_load(&log_fd);
		if (dup3(fd, old, O_CLOEXEC) < 0) {
			int rc = -errno;

			close(fd);
			return rc;
		}
		close(fd);
		return 0;
	}
	atomic_store(&log_fd, fd);
	return 0;
}

void log_set_level(enum log_level level)
{
	atomic_store(&log_max, level);
}

int log_level_parse(struct str name, enum log_level *out)
{
	for (size_t i = 0; i < ARRAY_N(level_name); i++) {
		if (str_ieqz(name, level_name[i])) {
			*out = (enum log_level)i;
			return 0;
		}
	}
	return -1;
}

bool log_enabled(enum log_level level)
{
	return (int)level <= atomic_load_explicit(&log_max, memory_order_relaxed);
}

void log_write(enum log_level level, const char *fmt, ...)
{
	char line[2048];
	uint64_t now = clock_wall_us();
	time_t sec = (time_t)(now / 1000000);
	struct tm tm;
	size_t n;
	int m;
	va_list ap;

	if (!log_enabled(level))
		return;
	gmtime_r(&sec, &tm);
	n = strftime(line, sizeof(line), "%Y-%m-%dT%H:%M:%S", &tm);
	n += (size_t)snprintf(line + n, sizeof(line) - n, ".%06uZ %s ", (unsigned)(now % 1000000), level_name[level]);
	va_start(ap, fmt);
	m = vsnprintf(line + n, sizeof(line) - n - 1, fmt, ap);
	va_end(ap);
	if (m < 0)
		return;
	n = MIN(n + (size_t)m, sizeof(line) - 2);
	line[n++] = '\n';
	if (write(atomic_load(&log_fd), line, n) < 0)
		return; /* nowhere left to say it */
}

const char *log_text(struct str s, char *out, size_t size)
{
	static const char hex[] = "0123456789abcdef";
	size_t o = 0;

	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (o + 5 > size)
			break;
		if (c < 0x20 || c == 0x7f || c == '"' || c == '\\') {
			out[o++] = '\\';
			out[o++] = 'x';
			out[o++] = hex[c >> 4];
			out[o++] = hex[c & 15];
		} else {
			out[o++] = (char)c;
		}
	}
	if (size)
		out[o] = '\0';
	return out;
}
