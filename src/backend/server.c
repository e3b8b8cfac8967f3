/* server.c - the servers of the process. Made on the control thread, shared by all workers. */
#include "keyway/backend/server.h"
#include <netdb.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/un.h>
#include <unistd.h>

struct entry {
	struct entry *next;
	struct server *server;
};

struct server_directory {
	struct entry *all;
	struct server_waker *waker;
};

static void waker_unref(struct server_waker *w)
{
	if (!w || atomic_fetch_sub(&w->refs, 1) != 1)
		return;
	if (w->fd >= 0)
		close(w->fd);
	free(w);
}

struct server_directory *server_directory_new(void)
{
	struct server_directory *d = xcalloc(1, sizeof(*d));

	d->waker = xcalloc(1, sizeof(*d->waker));
	d->waker->refs = 1;
	d->waker->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return d;
}

int server_directory_wake_fd(const struct server_directory *d)
{
	return d->waker->fd;
}

void server_directory_free(struct server_directory *d)
{
	if (!d)
		return;
	while (d->all) {
		struct entry *next = d->all->next;

		server_unref(d->all->server);
		free(d->all);
		d->all = next;
	}
	waker_unref(d->waker);
	free(d);
}

struct server *server_ref(struct server *s)
{
	atomic_fetch_add(&s->refs, 1);
	return s;
}

void server_unref(struct server *s)
{
	if (!s || atomic_fetch_sub(&s->refs, 1) != 1)
		return;
	if (s->tls_ctx)
		SSL_CTX_free(s->tls_ctx);
	if (s->password)
		explicit_bzero(s->password, strlen(s->password));
	position_destroy(&s->position);
	pthread_mutex_destroy(&s->why_lock);
	waker_unref(s->waker);
	free(s->label);
	free(s->host);
	free(s->source);
	free(s->user);
	free(s->password);
	free(s);
}

void server_suspect(struct server *s)
{
	uint64_t one = 1;

	if (atomic_exchange(&s->health.suspect, true) || !s->waker || s->waker->fd < 0)
		return;
	if (write(s->waker->fd, &one, sizeof(one)) < 0)
		return; /* its counter is full: it is awake */
}

void server_set_why(struct server *s, const char *why)
{
	pthread_mutex_lock(&s->why_lock);
	snprintf(s->why, sizeof(s->why), "%s", why);
	pthread_mutex_unlock(&s->why_lock);
}

const char *server_why(struct server *s, char *out)
{
	pthread_mutex_lock(&s->why_lock);
	memcpy(out, s->why, SERVER_WHY_MAX);
	pthread_mutex_unlock(&s->why_lock);
	return out;
}

/* Fills in the address that @s is connected to from. */
static int set_source(struct server *s, struct err *err)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST }, *ai = NULL;

	if (getaddrinfo(s->source, NULL, &hints, &ai) != 0 || !ai)
		return err_set(err, ERR_CONFIG, ER_WRONG_VALUE_FOR_VAR,
			"backend.source_address '%s' is not a numeric address", s->source);
	memcpy(&s->addr.from, ai->ai_addr, ai->ai_addrlen);
	s->addr.from_len = ai->ai_addrlen;
	freeaddrinfo(ai);
	return 0;
}

static int resolve(struct server *s, const struct backend_def *def, struct err *err)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG }, *ai = NULL;
	char port[8];
	int rc;

	if (def->socket.n) {
		struct sockaddr_un *un = (struct sockaddr_un *)&s->addr.sa;

		if (def->socket.n >= sizeof(un->sun_path))
			return err_set(err, ERR_CONFIG, ER_WRONG_VALUE_FOR_VAR,
				"the socket path of backend '" STR_FMT "' is longer than %zu bytes", STR_ARG(def->name),
				sizeof(un->sun_path) - 1);
		un->sun_family = AF_UNIX;
		memcpy(un->sun_path, def->socket.p, def->socket.n);
		s->addr.len = sizeof(*un);
		s->local = true;
		return 0;
	}
	if (s->source) {
		rc = set_source(s, err);
		if (rc < 0)
			return rc;
		hints.ai_family = s->addr.from.ss_family;
	}
	snprintf(port, sizeof(port), "%u", def->port);
	rc = getaddrinfo(s->host, port, &hints, &ai);
	if (rc != 0) {
		/* AI_ADDRCONFIG hides loopback on a host without other addresses */
		hints.ai_flags = 0;
		rc = getaddrinfo(s->host, port, &hints, &ai);
	}
	if (rc != 0 || !ai)
		return err_set(err, ERR_CONFIG, ER_WRONG_VALUE_FOR_VAR,
			"the host '%s' of backend '" STR_FMT
			"' has no address%s%s (%s): correct it in the map or in DNS",
			s->host, STR_ARG(def->name), s->source ? " of the kind of backend.source_address " : "",
			s->source ? s->source : "", gai_strerror(rc));
	memcpy(&s->addr.sa, ai->ai_addr, ai->ai_addrlen);
	s->addr.len = ai->ai_addrlen;
	freeaddrinfo(ai);
	return 0;
}

static bool same_server(const struct server *a, const struct server *b)
{
	return strcmp(a->label, b->label) == 0 && strcmp(a->user, b->user) == 0 &&
	       strcmp(a->password, b->password) == 0 && a->tls == b->tls && a->tls_ctx == b->tls_ctx &&
	       a->addr.len == b->addr.len && memcmp(&a->addr.sa, &b->addr.sa, a->addr.len) == 0 &&
	       a->addr.from_len == b->addr.from_len && memcmp(&a->addr.from, &b->addr.from, a->addr.from_len) == 0;
}

int server_directory_get(struct server_directory *d, const struct backend_def *def, const struct server_login *login,
	struct server **out, struct err *err)
{
	struct server *s = xcalloc(1, sizeof(*s));
	struct entry *e;
	int rc;

	s->refs = 1;
	atomic_store(&s->health.lag_us, SERVER_LAG_UNKNOWN);
	position_init(&s->position);
	pthread_mutex_init(&s->why_lock, NULL);
	s->waker = d->waker;
	atomic_fetch_add(&s->waker->refs, 1);
	s->host = str_dup(def->host);
	s->label = def->socket.n ? str_dup(def->socket) : xasprintf("%s:%u", s->host, def->port);
	s->user = xstrdup(login->user ? login->user : "");
	s->password = xstrdup(login->password ? login->password : "");
	s->tls = login->tls;
	s->source = login->source && *login->source && !def->socket.n ? xstrdup(login->source) : NULL;
	s->tls_ctx = login->tls_ctx;
	if (s->tls_ctx)
		SSL_CTX_up_ref(s->tls_ctx);
	rc = resolve(s, def, err);
	if (rc < 0) {
		server_unref(s);
		return rc;
	}
	for (e = d->all; e; e = e->next) {
		if (same_server(e->server, s)) {
			server_unref(s);
			*out = server_ref(e->server);
			return 0;
		}
	}
	/* entries that only the directory holds belong to maps of the past */
	for (struct entry **pe = &d->all; *pe;) {
		if (atomic_load(&(*pe)->server->refs) == 1) {
			e = *pe;
			*pe = e->next;
			server_unref(e->server);
			free(e);
		} else {
			pe = &(*pe)->next;
		}
	}
	e = xmalloc(sizeof(*e));
	e->server = server_ref(s);
	e->next = d->all;
	d->all = e;
	*out = s;
	return 0;
}
