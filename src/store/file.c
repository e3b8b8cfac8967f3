/* file.c - the store in files: "keyspaces/<name>" is the *.json of the folder that says so inside, every other key a
 * file below ".keyway". Changes run under a lock, each by a new file that is renamed over the old one.
 * For store.c.
 * Blocking; the owner's thread. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>
#include "file.h"
#include "keyway/util/buf.h"

#define KEYSPACES    "keyspaces/"
#define ASIDE	     ".keyway"
#define PLAIN	     ".json"  /* of a key's file */
#define LEASED	     ".lease" /* of one that counts until its time of change, which lies ahead */
#define ITEMS_MAX    200000
#define DEPTH_MAX    (STORE_KEY_MAX / 2)
#define LOCK_STEP_US 5000
#define STEM_MAX     180 /* of a document's file name: the document says its name itself */

struct file_store {
	char *path;
	uint64_t timeout_us;
	atomic_bool cancelled;
};

static int failed(const char *what, const char *path, struct err *err)
{
	return err_set(err, ERR_BACKEND, ER_WRONG_ARGUMENTS, "the map store's %s cannot be %s: %s", path, what,
		strerror(errno));
}

char *file_read_whole(int fd, size_t *n)
{
	size_t cap = 64 * 1024;
	char *text = xmalloc(cap + 1);

	*n = 0;
	for (;;) {
		ssize_t got = read(fd, text + *n, MIN(cap, (size_t)STORE_VALUE_MAX + 1) - *n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			free(text);
			return NULL;
		}
		*n += (size_t)got;
		text[*n] = '\0';
		if (got == 0 || *n > STORE_VALUE_MAX)
			return text;
		if (*n == cap) {
			cap *= 2;
			text = xrealloc(text, cap + 1);
		}
	}
}

bool file_is_document(const char *name)
{
	size_t n = strlen(name);

	return name[0] != '.' && n > 5 && strcmp(name + n - 5, ".json") == 0;
}

/* --- names of files --- */

/* A part of a key as a file's name: nothing in it is hidden, a way up, or looks like another key's ending. */
static void add_part(struct buf *b, struct str part)
{
	for (size_t i = 0; i < part.n; i++) {
		unsigned char c = (unsigned char)part.p[i];
		bool ends = part.n - i == sizeof(PLAIN) - 1 && strncmp(part.p + i, PLAIN, part.n - i) == 0;

		ends |= part.n - i == sizeof(LEASED) - 1 && strncmp(part.p + i, LEASED, part.n - i) == 0;
		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
			c == '_' || (c == '.' && i > 0 && !ends))
			buf_add_u8(b, c);
		else
			buf_addf(b, "%%%02X", c);
	}
}

static char *buf_text(struct buf *b)
{
	buf_add_u8(b, 0);
	return (char *)b->p; /* nothing was eaten: the block begins with the text */
}

/* "<folder>/.keyway/a/b.json" for "a/b". */
static char *aside_path(const struct file_store *s, const char *key, const char *ending)
{
	struct buf b = { 0 };

	buf_addf(&b, "%s/" ASIDE, s->path);
	while (*key) {
		size_t n = strcspn(key, "/");

		buf_add_u8(&b, '/');
		add_part(&b, str_make(key, n));
		key += n + (key[n] == '/');
	}
	buf_addz(&b, ending);
	return buf_text(&b);
}

/* A free name for the document of a new keyspace. "*" is "_all", which no other keyspace gets. */
static char *document_path(const struct file_store *s, const char *name)
{
	struct buf stem = { 0 };
	char *path, *text;

	if (strcmp(name, "*") == 0)
		buf_addz(&stem, "_all");
	else if (name[0] == '_')
		buf_addf(&stem, "%%5F");
	if (strcmp(name, "*") != 0)
		add_part(&stem, str_make(name + (name[0] == '_'), strlen(name + (name[0] == '_'))));
	text = buf_text(&stem);
	if (strlen(text) > STEM_MAX)
		text[STEM_MAX] = '\0';
	path = xasprintf("%s/%s.json", s->path, text);
	for (unsigned i = 2; access(path, F_OK) == 0 && i < FILE_DOCUMENTS_MAX; i++) {
		free(path);
		path = xasprintf("%s/%s-%u.json", s->path, text, i);
	}
	free(text);
	return path;
}

/* --- one file --- */

/* Another one after every change: a file that is written anew is another one, at another time. */
static uint64_t version_of(const struct stat *st, const char *value, size_t n)
{
	uint64_t stamp[3] = { (uint64_t)st->st_ino, (uint64_t)st->st_mtim.tv_sec, (uint64_t)st->st_mtim.tv_nsec };
	uint64_t v = XXH64(value, n, XXH64(stamp, sizeof(stamp), 0));

	return v ? v : 1;
}

/* 0, 1: there is none, or negative. @leased: its time of change is when it ends. */
static int read_item(const char *path, const char *key, bool leased, struct store_item *out, struct err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	char *value = NULL;
	size_t n = 0;

	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return 1;
	if (fd < 0)
		return failed("read", path, err);
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		value = file_read_whole(fd, &n);
	else
		errno = EINVAL;
	close(fd);
	if (!value)
		return failed("read", path, err);
	if (n > STORE_VALUE_MAX) {
		free(value);
		errno = EFBIG;
		return failed("read", path, err);
	}
	if (leased) {
		if ((uint64_t)st.st_mtim.tv_sec * 1000000 + (uint64_t)st.st_mtim.tv_nsec / 1000 <= clock_wall_us()) {
			free(value);
			return 1;
		}
		st.st_mtim = (struct timespec){ 0 }; /* renewing is no change */
	}
	*out = (struct store_item){ xstrdup(key), value, n, version_of(&st, value, n) };
	return 0;
}

/* The "keyspace" that a document names, on the heap; NULL: it is no such document. */
static char *named_inside(const char *text, size_t n)
{
	json_t *doc = json_loadb(text, n, JSON_REJECT_DUPLICATES, NULL);
	json_t *name = json_object_get(doc, "keyspace");
	char *out = NULL;

	if (json_is_string(name) && json_string_length(name) > 0 &&
		strlen(json_string_value(name)) == json_string_length(name))
		out = xstrdup(json_string_value(name));
	json_decref(doc);
	return out;
}

/* What its file's name says, for one that cannot be read. */
static char *named_outside(const char *file)
{
	if (strcmp(file, "_all.json") == 0)
		return xstrdup("*");
	return store_unescape(str_make(file, strlen(file) - 5));
}

/* --- documents --- */

struct documents_found {
	struct store_items items; /* in no order */
	char **files;		  /* path of each */
	bool *named;		  /* by itself, not by its file */
};

static void found_free(struct documents_found *f)
{
	for (uint32_t i = 0; i < f->items.n; i++)
		free(f->files[i]);
	free(f->files);
	free(f->named);
	store_items_free(&f->items);
	*f = (struct documents_found){ 0 };
}

static bool is_folder(const struct file_store *s)
{
	struct stat st;

	return stat(s->path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* Adds the document in the file @path. Two that name the same keyspace are an error; one that names none gives way. */
static int found_add(struct documents_found *f, const char *path, const char *file, struct err *err)
{
	struct store_item it;
	int rc = read_item(path, "", false, &it, err);
	char key[STORE_KEY_MAX + 1], *name;
	bool named;

	if (rc != 0)
		return rc < 0 ? rc : 0;
	name = named_inside(it.value, it.value_n);
	named = name != NULL;
	if (!name)
		name = named_outside(file);
	rc = store_key(key, KEYSPACES, str_of(name), err);
	free(name);
	for (uint32_t i = 0; rc == 0 && i < f->items.n; i++) {
		if (strcmp(f->items.v[i].key, key) != 0)
			continue;
		if (named && f->named[i]) {
			rc = err_set(err, ERR_CONFIG, ER_WRONG_ARGUMENTS,
				"the files %.180s and %.180s describe the same keyspace: keep one of them", f->files[i],
				path);
			break;
		}
		if (named) {
			store_item_free(&f->items.v[i]);
			free(f->files[i]);
			free(it.key);
			it.key = xstrdup(key);
			f->items.v[i] = it;
			f->files[i] = xstrdup(path);
			f->named[i] = true;
			return 0;
		}
		store_item_free(&it);
		return 0;
	}
	if (rc < 0) {
		store_item_free(&it);
		return rc;
	}
	free(it.key);
	it.key = xstrdup(key);
	*store_items_add(&f->items) = it;
	f->files = xrealloc(f->files, f->items.n * sizeof(*f->files));
	f->named = xrealloc(f->named, f->items.n * sizeof(*f->named));
	f->files[f->items.n - 1] = xstrdup(path);
	f->named[f->items.n - 1] = named;
	return 0;
}

static int find_documents(const struct file_store *s, struct documents_found *f, struct err *err)
{
	const char *slash = strrchr(s->path, '/');
	struct dirent *d;
	uint32_t n = 0;
	int rc = 0;
	DIR *dir;

	*f = (struct documents_found){ 0 };
	if (!is_folder(s)) {
		rc = found_add(f, s->path, slash ? slash + 1 : s->path, err);
		goto out;
	}
	dir = opendir(s->path);
	if (!dir)
		return failed("read", s->path, err);
	while (rc == 0 && (d = readdir(dir))) {
		char *path;

		if (!file_is_document(d->d_name))
			continue;
		if (n++ == FILE_DOCUMENTS_MAX) {
			errno = E2BIG;
			rc = failed("read", s->path, err);
			break;
		}
		path = xasprintf("%s/%s", s->path, d->d_name);
		rc = found_add(f, path, d->d_name, err);
		free(path);
	}
	closedir(dir);
out:
	if (rc < 0)
		found_free(f);
	return rc;
}

/* The document of the keyspace that @key names: its item moves to @out, its file to @file (which may be NULL). */
static int get_document(
	const struct file_store *s, const char *key, struct store_item *out, char **file, struct err *err)
{
	struct documents_found f;
	int rc = find_documents(s, &f, err);

	if (rc < 0)
		return rc;
	rc = 1;
	for (uint32_t i = 0; rc == 1 && i < f.items.n; i++) {
		if (strcmp(f.items.v[i].key, key) != 0)
			continue;
		*out = f.items.v[i];
		f.items.v[i] = (struct store_item){ 0 };
		if (file)
			*file = xstrdup(f.files[i]);
		rc = 0;
	}
	found_free(&f);
	return rc;
}

/* --- the lock --- */

/* A descriptor that holds the lock until it is closed; -1: none is needed, for reading, as nobody has written yet. */
static int lock(struct file_store *s, bool change, int *fd, struct err *err)
{
	uint64_t until = clock_mono_us() + s->timeout_us;
	struct timespec step = { .tv_nsec = LOCK_STEP_US * 1000 };
	char *path;

	if (is_folder(s)) {
		path = xasprintf("%s/" ASIDE, s->path);
		if (change && mkdir(path, 0777) < 0 && errno != EEXIST) {
			int rc = failed("made", path, err);

			free(path);
			return rc;
		}
		free(path);
		path = xasprintf("%s/" ASIDE "/.lock", s->path);
		*fd = change ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666) : open(path, O_RDONLY | O_CLOEXEC);
	} else {
		char *slash;

		path = xstrdup(s->path);
		slash = strrchr(path, '/');
		if (slash)
			slash[slash == path] = '\0';
		*fd = open(slash ? path : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	if (*fd < 0 && !change) {
		free(path);
		return 0;
	}
	while (*fd >= 0 && flock(*fd, (change ? LOCK_EX : LOCK_SH) | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK || clock_mono_us() > until || atomic_load(&s->cancelled)) {
			close(*fd);
			*fd = -1;
			break;
		}
		nanosleep(&step, NULL);
	}
	if (*fd < 0) {
		int rc = failed("locked", path, err);

		free(path);
		return rc;
	}
	free(path);
	return 0;
}

static void unlock(int fd)
{
	if (fd >= 0)
		close(fd);
}

/* --- reading --- */

/* Without a lock. */
static int get_now(const struct file_store *s, const char *key, struct store_item *out, struct err *err)
{
	char *path;
	int rc;

	if (str_starts(str_of(key), STR(KEYSPACES)))
		return get_document(s, key, out, NULL, err);
	path = aside_path(s, key, PLAIN);
	rc = read_item(path, key, false, out, err);
	free(path);
	if (rc == 1) {
		path = aside_path(s, key, LEASED);
		rc = read_item(path, key, true, out, err);
		free(path);
	}
	return rc;
}

static int file_get(void *store, const char *key, struct store_item *out, struct err *err)
{
	struct file_store *s = store;
	int fd, rc = lock(s, false, &fd, err);

	if (rc < 0)
		return rc;
	rc = get_now(s, key, out, err);
	unlock(fd);
	return rc;
}

/* The key that the file or folder @name below the key @above is; NULL: none of ours. @ending: PLAIN, LEASED or "". */
static char *key_of(const char *above, const char *name, const char *ending)
{
	size_t n = strlen(name), e = strlen(ending);
	char *part, *key;

	if (name[0] == '.' || n <= e || strcmp(name + n - e, ending) != 0)
		return NULL;
	part = store_unescape(str_make(name, n - e));
	key = xasprintf("%s%s%s", above, *above ? "/" : "", part);
	free(part);
	return key;
}

static bool within(const char *key, const char *prefix)
{
	return strncmp(key, prefix, strlen(prefix)) == 0;
}

static int add_aside(const char *path, const char *above, const char *name, const char *prefix, struct store_items *out,
	struct err *err)
{
	char *key = key_of(above, name, PLAIN);
	bool leased = !key;
	int rc = 0;

	if (!key)
		key = key_of(above, name, LEASED);
	if (key && within(key, prefix)) {
		struct store_item it;

		rc = read_item(path, key, leased, &it, err);
		if (rc == 0)
			*store_items_add(out) = it;
		if (out->n > ITEMS_MAX) {
			errno = E2BIG;
			rc = failed("listed", path, err);
		}
	}
	free(key);
	return MIN(rc, 0);
}

/* All keys below the folder @path, which is the key @above, that begin with @prefix. */
static int walk(const char *path, const char *above, const char *prefix, unsigned depth, struct store_items *out,
	struct err *err)
{
	DIR *dir = opendir(path);
	struct dirent *d;
	int rc = 0;

	if (!dir)
		return errno == ENOENT ? 0 : failed("read", path, err);
	while (rc == 0 && (d = readdir(dir))) {
		char *below, *key;
		struct stat st;

		if (d->d_name[0] == '.')
			continue;
		below = xasprintf("%s/%s", path, d->d_name);
		if (lstat(below, &st) == 0 && S_ISDIR(st.st_mode)) {
			key = key_of(above, d->d_name, "");
			/* as far as both go they must be the same */
			if (key && depth < DEPTH_MAX && strncmp(key, prefix, MIN(strlen(key), strlen(prefix))) == 0)
				rc = walk(below, key, prefix, depth + 1, out, err);
			free(key);
		} else {
			rc = add_aside(below, above, d->d_name, prefix, out, err);
		}
		free(below);
	}
	closedir(dir);
	return rc;
}

static int list_now(const struct file_store *s, const char *prefix, struct store_items *out, struct err *err)
{
	struct documents_found f;
	char *aside;
	int rc = 0;

	if (strncmp(KEYSPACES, prefix, MIN(strlen(KEYSPACES), strlen(prefix))) == 0) {
		rc = find_documents(s, &f, err);
		for (uint32_t i = 0; rc == 0 && i < f.items.n; i++) {
			if (!within(f.items.v[i].key, prefix))
				continue;
			*store_items_add(out) = f.items.v[i];
			f.items.v[i] = (struct store_item){ 0 };
		}
		if (rc == 0)
			found_free(&f);
	}
	if (rc < 0 || within(prefix, KEYSPACES) || !is_folder(s))
		return rc;
	aside = xasprintf("%s/" ASIDE, s->path);
	rc = walk(aside, "", prefix, 0, out, err);
	free(aside);
	return rc;
}

static int file_list(void *store, const char *prefix, struct store_items *out, struct err *err)
{
	struct file_store *s = store;
	int fd, rc = lock(s, false, &fd, err);

	if (rc < 0)
		return rc;
	rc = list_now(s, prefix, out, err);
	unlock(fd);
	return rc;
}

/* --- changing --- */

/* One change, made ready before the first one is made. */
struct ready {
	char *target; /* what is renamed over, or removed */
	char *fresh;  /* the new file; NULL: remove */
	char *also;   /* another file that held the key; NULL: none */
	bool document;
};

static int make_folders(const struct file_store *s, const char *path, struct err *err)
{
	char *part = xstrdup(path);
	int rc = 0;

	for (char *p = strchr(part + strlen(s->path) + 1, '/'); rc == 0 && p; p = strchr(p + 1, '/')) {
		*p = '\0';
		if (mkdir(part, 0777) < 0 && errno != EEXIST)
			rc = failed("made", part, err);
		*p = '/';
	}
	free(part);
	return rc;
}

static int write_fresh(const char *path, const char *old, struct str value, struct err *err)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666), rc = 0;
	struct timespec at[2] = { { .tv_nsec = UTIME_OMIT } };
	struct stat st;
	size_t done = 0;

	if (fd < 0)
		return failed("written", path, err);
	if (old && stat(old, &st) == 0) {
		/* who could read the old one can read the new one */
		(void)!fchown(fd, st.st_uid, st.st_gid);
		(void)fchmod(fd, st.st_mode & 0777);
	}
	while (rc == 0 && done < value.n) {
		ssize_t n = write(fd, value.p + done, value.n - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			rc = -1;
		else
			done += (size_t)n;
	}
	/* the system's own stamp has steps of milliseconds */
	clock_gettime(CLOCK_REALTIME, &at[1]);
	if (rc == 0)
		rc = futimens(fd, at);
	if (rc == 0)
		rc = fsync(fd);
	if (close(fd) < 0)
		rc = -1;
	if (rc < 0) {
		rc = failed("written", path, err);
		(void)unlink(path);
	}
	return rc;
}

static void sync_folder(const char *file)
{
	char *dir = xstrdup(file), *slash = strrchr(dir, '/');
	int fd;

	if (slash)
		slash[slash == dir] = '\0';
	fd = open(slash ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0) {
		(void)fsync(fd);
		close(fd);
	}
	free(dir);
}

static int single_refuses(const struct store_op *op, const char *path, struct err *err)
{
	return err_set(err, ERR_UNSUPPORTED, ER_WRONG_ARGUMENTS,
		"the map store %.160s is one document: %.80s cannot be %s there; make store.path a folder", path,
		op->key, op->value.p ? "written" : "removed");
}

/* Finds out what is there, checks the version, writes the new file aside. 0, STORE_CONFLICT or negative. */
static int make_ready(
	const struct file_store *s, const struct store_op *op, uint32_t i, struct ready *r, struct err *err)
{
	bool folder = is_folder(s);
	struct store_item now = { 0 };
	int rc;

	r->document = str_starts(str_of(op->key), STR(KEYSPACES));
	if (!folder && (!r->document || !op->value.p))
		return single_refuses(op, s->path, err);
	rc = r->document ? get_document(s, op->key, &now, &r->target, err) : get_now(s, op->key, &now, err);
	if (rc < 0)
		return rc;
	if (op->check && (rc == 1 ? 0 : now.version) != op->version)
		rc = STORE_CONFLICT;
	else
		rc = 0;
	store_item_free(&now);
	if (rc != 0)
		return rc;
	if (r->document && !r->target) {
		char *name = store_key_name(op->key);

		if (folder)
			r->target = document_path(s, name);
		else if (access(s->path, F_OK) == 0)
			rc = single_refuses(op, s->path, err);
		else
			r->target = xstrdup(s->path);
		free(name);
	} else if (!r->document) {
		r->target = aside_path(s, op->key, PLAIN);
		r->also = aside_path(s, op->key, LEASED);
		if (op->value.p)
			rc = make_folders(s, r->target, err);
	}
	if (rc < 0 || !op->value.p)
		return rc;
	/* under the lock nobody else has these names: one left by a crash is written over */
	r->fresh = folder ? xasprintf("%s/" ASIDE "/.new-%u", s->path, i) : xasprintf("%s.new", s->path);
	rc = write_fresh(r->fresh, r->target, op->value, err);
	if (rc < 0) {
		free(r->fresh);
		r->fresh = NULL;
	}
	return rc;
}

static int carry_out(struct ready *r, struct err *err)
{
	bool fresh = r->fresh != NULL;
	int rc = fresh ? rename(r->fresh, r->target) : unlink(r->target);

	if (rc < 0 && (fresh || errno != ENOENT))
		return failed(fresh ? "written" : "removed", r->target, err);
	free(r->fresh);
	r->fresh = NULL;
	if (r->also && unlink(r->also) < 0 && errno != ENOENT)
		return failed("removed", r->also, err);
	sync_folder(r->target);
	return 0;
}

/* Documents come last: they are what takes effect. */
static int carry_out_all(struct ready *ready, uint32_t n, struct err *err)
{
	uint32_t done = 0;

	for (int documents = 0; documents < 2; documents++) {
		for (uint32_t i = 0; i < n; i++) {
			int rc;

			if (ready[i].document != (documents == 1))
				continue;
			rc = carry_out(&ready[i], err);
			if (rc < 0 && done) {
				err_wrap(err, "%u of %u changes were made, then", done, n);
				if (err)
					err->kind = ERR_TIMEOUT; /* read again before trying again */
				return ERR_TIMEOUT;
			}
			if (rc < 0)
				return rc;
			done++;
		}
	}
	return STORE_DONE;
}

static int file_commit(void *store, const struct store_op *ops, uint32_t n, struct err *err)
{
	struct ready ready[STORE_OPS_MAX] = { 0 };
	struct file_store *s = store;
	int fd, rc = lock(s, true, &fd, err);

	if (rc < 0)
		return rc;
	for (uint32_t i = 0; rc == 0 && i < n; i++)
		rc = make_ready(s, &ops[i], i, &ready[i], err);
	if (rc == 0)
		rc = carry_out_all(ready, n, err);
	for (uint32_t i = 0; i < n; i++) {
		if (ready[i].fresh)
			(void)unlink(ready[i].fresh);
		free(ready[i].fresh);
		free(ready[i].target);
		free(ready[i].also);
	}
	unlock(fd);
	return rc;
}

/* --- the rest --- */

static int file_describe(void *store, char *out, size_t size, struct err *err)
{
	struct file_store *s = store;
	bool folder = is_folder(s);

	if (access(s->path, R_OK) < 0)
		return failed("read", s->path, err);
	snprintf(out, size, "%s %s", folder ? "files in" : "the file", s->path);
	return 0;
}

static bool file_is_single(void *store)
{
	return !is_folder(store);
}

/* The lease is the file's time of change, which is put ahead. One that nobody renews is removed by the next one made.
 */
static int lease_touch(const char *path, uint64_t ttl_us)
{
	uint64_t end = clock_wall_us() + ttl_us;
	struct timespec at[2] = { { .tv_nsec = UTIME_OMIT },
		{ .tv_sec = (time_t)(end / 1000000), .tv_nsec = (long)(end % 1000000) * 1000 } };

	return utimensat(AT_FDCWD, path, at, AT_SYMLINK_NOFOLLOW);
}

static void remove_ended(const char *beside)
{
	char *dir = xstrdup(beside), *slash = strrchr(dir, '/');
	struct dirent *d;
	DIR *open_dir;

	*slash = '\0';
	open_dir = opendir(dir);
	while (open_dir && (d = readdir(open_dir))) {
		size_t n = strlen(d->d_name), e = sizeof(LEASED) - 1;
		char *path = xasprintf("%s/%s", dir, d->d_name);
		struct stat st;

		if (n > e && strcmp(d->d_name + n - e, LEASED) == 0 && lstat(path, &st) == 0 &&
			(uint64_t)st.st_mtim.tv_sec * 1000000 < clock_wall_us())
			(void)unlink(path);
		free(path);
	}
	if (open_dir)
		closedir(open_dir);
	free(dir);
}

static int file_lease_keep(void *store, struct store_lease *l, struct err *err)
{
	struct file_store *s = store;
	char *path = aside_path(s, l->key, LEASED), *fresh = xasprintf("%s/" ASIDE "/.new-lease", s->path);
	int fd = -1, rc = 0;

	if (!is_folder(s)) {
		rc = single_refuses(&(struct store_op){ .key = l->key, .value = l->value }, s->path, err);
		goto out;
	}
	if (l->written && lease_touch(path, l->ttl_us) == 0)
		goto out;
	rc = lock(s, true, &fd, err);
	if (rc == 0)
		rc = make_folders(s, path, err);
	if (rc == 0) {
		remove_ended(path);
		rc = write_fresh(fresh, path, l->value, err);
	}
	if (rc == 0 && (lease_touch(fresh, l->ttl_us) < 0 || rename(fresh, path) < 0))
		rc = failed("written", path, err);
	unlock(fd);
	l->written = rc == 0;
out:
	free(path);
	free(fresh);
	return rc;
}

static void file_lease_drop(void *store, struct store_lease *l)
{
	char *path = aside_path(store, l->key, LEASED);

	(void)unlink(path);
	free(path);
}

static void file_cancel(void *store, bool on)
{
	struct file_store *s = store;

	atomic_store(&s->cancelled, on);
}

static void *file_open(const struct store_config *cfg, struct err *err)
{
	struct file_store *s = xcalloc(1, sizeof(*s));

	(void)err;
	s->path = xstrdup(cfg->path);
	s->timeout_us = cfg->timeout_us ? cfg->timeout_us : STORE_TIMEOUT_US;
	for (size_t n = strlen(s->path); n > 1 && s->path[n - 1] == '/'; n--)
		s->path[n - 1] = '\0';
	return s;
}

static void file_close(void *store)
{
	struct file_store *s = store;

	free(s->path);
	free(s);
}

const struct store_type store_file = {
	.name = "file",
	.value_max = STORE_VALUE_MAX,
	.open = file_open,
	.close = file_close,
	.cancel = file_cancel,
	.get = file_get,
	.list = file_list,
	.commit = file_commit,
	.describe = file_describe,
	.is_single = file_is_single,
	.lease_keep = file_lease_keep,
	.lease_drop = file_lease_drop,
	.follow = file_follow,
	.reload = file_reload,
	.stop = file_stop,
};
