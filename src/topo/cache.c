/* cache.c - the last good map on disk, so that a proxy starts while its store is down.
 * For topo.c.
 * The control thread. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>
#include "documents.h"
#include "keyway/util/buf.h"

#define CACHE_MAX ((size_t)1 << 30)

static int cache_bad(const char *path, const char *what, struct err *err)
{
	return err_set(err, ERR_CONFIG, ER_WRONG_ARGUMENTS, "map cache %s: %s", path, what);
}

static int write_all(int fd, struct str s)
{
	while (s.n) {
		ssize_t n = write(fd, s.p, s.n);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		s = str_make(s.p + n, s.n - (size_t)n);
	}
	return 0;
}

int cache_write(const char *path, const struct map *m, const char *identity, struct err *err)
{
	char *tmp = xasprintf("%s.new", path), head[64];
	struct buf body = { 0 };
	int fd, n, rc = -1;

	buf_addf(&body, "%zu\n%s", strlen(identity), identity);
	for (uint32_t i = 0; i < m->keyspace_n; i++) {
		buf_addf(&body, "%zu\n", m->keyspaces[i]->document.n);
		buf_add_str(&body, m->keyspaces[i]->document);
	}
	n = snprintf(head, sizeof(head), "keyway-map-cache 2 %016llx %zu\n",
		(unsigned long long)XXH64(buf_used(&body) ? buf_head(&body) : (const uint8_t *)"", buf_used(&body), 0),
		buf_used(&body));
	fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
	if (fd >= 0) {
		rc = write_all(fd, str_make(head, (size_t)n));
		if (rc == 0)
			rc = write_all(fd, str_make((const char *)body.p, buf_used(&body)));
		if (rc == 0)
			rc = fsync(fd);
		if (close(fd) < 0)
			rc = -1;
		if (rc == 0)
			rc = rename(tmp, path);
	}
	if (rc < 0) {
		rc = cache_bad(path, strerror(errno), err);
		(void)unlink(tmp);
	}
	buf_free(&body);
	free(tmp);
	return rc;
}

/* Takes "BYTES\n" and so many bytes from @body. -1: it has none. */
static int take_part(struct str *body, struct str *part)
{
	const char *nl = memchr(body->p, '\n', MIN(body->n, (size_t)24));
	uint64_t n;

	if (!nl || str_to_u64(str_make(body->p, (size_t)(nl - body->p)), &n) < 0 ||
		n > body->n - (size_t)(nl + 1 - body->p))
		return -1;
	*part = str_make(nl + 1, n);
	*body = str_make(nl + 1 + n, body->n - (size_t)(nl + 1 - body->p) - n);
	return 0;
}

/* @version 1 had no identity. */
static int parse_body(
	const char *path, int version, struct str body, struct documents *d, char **identity, struct err *err)
{
	struct str part;

	if (version > 1) {
		if (take_part(&body, &part) < 0)
			return cache_bad(path, "is damaged; remove it", err);
		if (part.n)
			*identity = str_dup(part);
	}
	while (body.n) {
		struct keyspace *ks;
		int rc;

		if (take_part(&body, &part) < 0)
			return cache_bad(path, "is damaged; remove it", err);
		rc = keyspace_parse(part, STR(""), &ks, err);
		if (rc < 0) {
			err_wrap(err, "map cache %s", path);
			return rc;
		}
		documents_add_cached(d, ks);
	}
	return 0;
}

int cache_read(const char *path, struct documents *d, char **identity, struct err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), used = 0, version = 0;
	unsigned long long sum;
	struct buf all = { 0 };
	struct stat st;
	size_t n;
	int rc;

	*identity = NULL;
	if (fd < 0)
		return errno == ENOENT ? 0 : cache_bad(path, strerror(errno), err);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || (size_t)st.st_size > CACHE_MAX) {
		close(fd);
		return cache_bad(path, "is not a file of a sensible size; remove it", err);
	}
	for (;;) {
		ssize_t got = read(fd, buf_reserve(&all, 64 * 1024), 64 * 1024);

		if (got <= 0 || buf_used(&all) > CACHE_MAX)
			break;
		buf_wrote(&all, (size_t)got);
	}
	close(fd);
	buf_add_u8(&all, 0);
	if (sscanf((const char *)all.p, "keyway-map-cache %1d %16llx %zu%n", &version, &sum, &n, &used) != 3 ||
		used == 0 || version < 1 || version > 2 || all.p[used] != '\n' ||
		n != buf_used(&all) - 1 - (size_t)used - 1 || XXH64(all.p + used + 1, n, 0) != sum)
		rc = cache_bad(path, "is damaged; remove it", err);
	else
		rc = parse_body(path, version, str_make((const char *)all.p + used + 1, n), d, identity, err);
	buf_free(&all);
	return rc;
}
