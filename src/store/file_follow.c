/* file_follow.c - follows the map store in files: one JSON document, or a folder of *.json. By inotify, with a slow
 * look at the files' stamps for file systems that tell nothing. For store.c, through file.c's table. Its own thread;
 * the first reading runs on the caller's. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>
#include "file.h"

#define QUIET_MS     100 /* a burst of changes has ended when nothing came for so long */
#define BURST_ROUNDS 20
#define POLL_US	     5000000
#define WATCHED	     (IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF)

/* What one file looked like when it was last told. */
struct known_file {
	char *name;
	char *text; /* NULL: not read yet */
	size_t n;
	struct stat st;
	bool seen; /* in this round */
};

struct file_follower {
	char *path;
	uint64_t poll_us;
	struct store_watch watch;
	struct known_file *files;
	uint32_t file_n;
	bool down;
	int inotify_fd, wake_fd;
	atomic_bool stopping;
	pthread_t thread;
};

static bool same_stamp(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_dev == b->st_dev && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
	       a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static struct known_file *known_find(struct file_follower *s, const char *name)
{
	for (uint32_t i = 0; i < s->file_n; i++) {
		if (strcmp(s->files[i].name, name) == 0)
			return &s->files[i];
	}
	s->files = xrealloc(s->files, (s->file_n + 1) * sizeof(*s->files));
	s->files[s->file_n] = (struct known_file){ .name = xstrdup(name) };
	return &s->files[s->file_n++];
}

static void known_drop(struct file_follower *s, uint32_t i)
{
	free(s->files[i].name);
	free(s->files[i].text);
	s->files[i] = s->files[--s->file_n];
}

/* 1: told a change, 0: none, -1: the file cannot be read (errno). A file that has just gone is no error. */
static int look_at(struct file_follower *s, const char *path, const char *name, bool force)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct known_file *f;
	struct stat st;
	char *text;
	size_t n;
	int rc = 0, saved;

	if (fd < 0)
		return errno == ENOENT ? 0 : -1;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		errno = EINVAL;
		return -1;
	}
	f = known_find(s, name);
	f->seen = true;
	if (f->text && !force && same_stamp(&f->st, &st))
		goto out;
	text = file_read_whole(fd, &n);
	if (!text) {
		rc = -1;
		goto out;
	}
	f->st = st;
	if (f->text && f->n == n && memcmp(f->text, text, n) == 0) {
		free(text);
		goto out;
	}
	free(f->text);
	f->text = text;
	f->n = n;
	s->watch.document(s->watch.arg, str_of(name), str_make(text, n), 0);
	rc = 1;
out:
	saved = errno;
	close(fd);
	errno = saved;
	return rc;
}

static int look_in_folder(struct file_follower *s, bool force)
{
	DIR *dir = opendir(s->path);
	struct dirent *d;
	uint32_t n = 0;
	int rc = 0, saved;

	if (!dir)
		return -1;
	for (uint32_t i = 0; i < s->file_n; i++)
		s->files[i].seen = false;
	while (rc >= 0 && (d = readdir(dir))) {
		char *path;
		int one;

		if (!file_is_document(d->d_name))
			continue;
		if (n++ == FILE_DOCUMENTS_MAX) {
			errno = E2BIG;
			rc = -1;
			break;
		}
		path = xasprintf("%s/%s", s->path, d->d_name);
		one = look_at(s, path, d->d_name, force);
		free(path);
		rc = one < 0 ? one : rc | one;
	}
	saved = errno;
	closedir(dir);
	errno = saved;
	if (rc < 0)
		return rc;
	for (uint32_t i = s->file_n; i-- > 0;) {
		if (s->files[i].seen)
			continue;
		if (s->files[i].text)
			s->watch.document(s->watch.arg, str_of(s->files[i].name), str_make(NULL, 0), 0);
		known_drop(s, i);
		rc = 1;
	}
	return rc;
}

/* A single file that is gone is a store that cannot be read: no keyspace vanishes by it. */
static int look_at_file(struct file_follower *s, bool force)
{
	const char *slash = strrchr(s->path, '/');

	if (access(s->path, F_OK) < 0)
		return -1;
	return look_at(s, s->path, slash ? slash + 1 : s->path, force);
}

static void look(struct file_follower *s, bool force)
{
	struct stat st;
	int rc = stat(s->path, &st);
	struct err err;

	if (rc == 0)
		rc = S_ISDIR(st.st_mode) ? look_in_folder(s, force) : look_at_file(s, force);
	if (rc < 0) {
		err_set(&err, ERR_CONFIG, ER_WRONG_ARGUMENTS,
			"map store %s cannot be read: %s; give a JSON file, or a folder "
			"of *.json files, that the daemon may read",
			s->path, strerror(errno));
		s->down = true;
		s->watch.state(s->watch.arg, &err);
	} else if (s->down) {
		s->down = false;
		s->watch.state(s->watch.arg, NULL);
	}
	if (rc != 0)
		s->watch.settled(s->watch.arg);
}

/* Watches the folder, or the folder that the file is in: a file replaced by rename is another one. */
static void watch_path(struct file_follower *s)
{
	char *dir = xstrdup(s->path), *slash;
	struct stat st;

	if (stat(s->path, &st) < 0 || !S_ISDIR(st.st_mode)) {
		slash = strrchr(dir, '/');
		if (!slash)
			strcpy(dir, ".");
		else
			slash[slash == dir] = '\0';
	}
	/* nothing is lost when it fails: the stamps are looked at anyway */
	(void)inotify_add_watch(s->inotify_fd, dir, WATCHED);
	free(dir);
}

static void drain(int fd)
{
	char events[4096];

	while (read(fd, events, sizeof(events)) > 0)
		;
}

static void *file_thread(void *arg)
{
	struct file_follower *s = arg;
	struct pollfd fds[2] = { { .fd = s->wake_fd, .events = POLLIN }, { .fd = s->inotify_fd, .events = POLLIN } };

	while (!atomic_load(&s->stopping)) {
		bool event = poll(fds, 2, (int)(s->poll_us / 1000)) > 0;

		for (int i = 0; event && i < BURST_ROUNDS; i++) {
			drain(s->wake_fd);
			drain(s->inotify_fd);
			if (atomic_load(&s->stopping) || poll(fds, 2, QUIET_MS) <= 0)
				break;
		}
		if (atomic_load(&s->stopping))
			break;
		watch_path(s);
		look(s, event);
	}
	return NULL;
}

static void file_free(struct file_follower *s)
{
	while (s->file_n)
		known_drop(s, s->file_n - 1);
	free(s->files);
	free(s->path);
	if (s->inotify_fd >= 0)
		close(s->inotify_fd);
	if (s->wake_fd >= 0)
		close(s->wake_fd);
	free(s);
}

void *file_follow(const struct store_config *cfg, const struct store_watch *watch, struct err *err)
{
	struct file_follower *s = xcalloc(1, sizeof(*s));
	int rc;

	s->path = xstrdup(cfg->path);
	s->poll_us = cfg->poll_us ? cfg->poll_us : POLL_US;
	s->watch = *watch;
	for (size_t n = strlen(s->path); n > 1 && s->path[n - 1] == '/'; n--)
		s->path[n - 1] = '\0';
	s->inotify_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	s->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (s->inotify_fd < 0 || s->wake_fd < 0) {
		err_set(err, ERR_LIMIT, ER_OUT_OF_RESOURCES,
			"no file descriptor to follow the map store %s: %s; raise fs.inotify.max_user_instances or the "
			"limit of "
			"open files",
			s->path, strerror(errno));
		file_free(s);
		return NULL;
	}
	watch_path(s); /* before the first look, so that no change falls between */
	look(s, true);
	rc = pthread_create(&s->thread, NULL, file_thread, s);
	if (rc) {
		err_set(err, ERR_LIMIT, ER_OUT_OF_RESOURCES, "no thread to follow the map store: %s", strerror(rc));
		file_free(s);
		return NULL;
	}
	return s;
}

static void wake(struct file_follower *s)
{
	uint64_t one = 1;

	/* full means that it is awake already */
	(void)!write(s->wake_fd, &one, sizeof(one));
}

void file_reload(void *follower)
{
	wake(follower);
}

void file_stop(void *follower)
{
	struct file_follower *s = follower;

	atomic_store(&s->stopping, true);
	wake(s);
	pthread_join(s->thread, NULL);
	file_free(s);
}
