/* position.c - GTID positions as servers write them: kept, compared.
 * For health, which reads them, and for exec, which looks for a replica that has a session's writes.
 * Any thread; the functions on texts are pure. */
#include "keyway/backend/position.h"
#include "keyway/util/buf.h"
#include <stdlib.h>
#include <strings.h>

void position_init(struct position *p)
{
	pthread_mutex_init(&p->lock, NULL);
}

void position_destroy(struct position *p)
{
	pthread_mutex_destroy(&p->lock);
	free(p->text);
	p->text = NULL;
}

/* --- reading --- */

static void skip_blanks(struct str *s)
{
	while (s->n && (*s->p == ' ' || *s->p == '\n' || *s->p == '\r' || *s->p == '\t'))
		*s = str_make(s->p + 1, s->n - 1);
}

static bool take_char(struct str *s, char c)
{
	skip_blanks(s);
	if (!s->n || *s->p != c)
		return false;
	*s = str_make(s->p + 1, s->n - 1);
	return true;
}

static bool take_u64(struct str *s, uint64_t *out)
{
	size_t n = 0;

	skip_blanks(s);
	while (n < s->n && s->p[n] >= '0' && s->p[n] <= '9')
		n++;
	if (n == 0 || str_to_u64(str_make(s->p, n), out) < 0)
		return false;
	*s = str_make(s->p + n, s->n - n);
	return true;
}

struct gtid {
	uint64_t domain, server, seq;
};

/* The next of a MariaDB list: 1, 0 at its end, -1 when it is none. */
static int next_gtid(struct str *s, struct gtid *g)
{
	skip_blanks(s);
	if (!s->n)
		return 0;
	if (!take_u64(s, &g->domain) || !take_char(s, '-') || !take_u64(s, &g->server) || !take_char(s, '-') ||
		!take_u64(s, &g->seq) || g->domain > UINT32_MAX)
		return -1;
	skip_blanks(s);
	return !s->n || take_char(s, ',') ? 1 : -1;
}

/* The source of a MySQL set's next member: the uuid, with its tag if there is one. */
static bool take_source(struct str *s, struct str *source)
{
	const char *colon;
	size_t n;

	skip_blanks(s);
	colon = memchr(s->p, ':', s->n);
	if (!colon || colon - s->p != 36)
		return false;
	n = 36;
	/* uuid:tag:1-9 */
	if (s->n > n + 1 && (s->p[n + 1] < '0' || s->p[n + 1] > '9')) {
		colon = memchr(s->p + n + 1, ':', s->n - n - 1);
		if (!colon)
			return false;
		n = (size_t)(colon - s->p);
	}
	*source = str_make(s->p, n);
	*s = str_make(s->p + n, s->n - n);
	return true;
}

static bool take_interval(struct str *s, uint64_t *first, uint64_t *last)
{
	if (!take_char(s, ':') || !take_u64(s, first))
		return false;
	*last = *first;
	return !take_char(s, '-') || take_u64(s, last);
}

/* --- one inside the other --- */

static bool list_has(struct str have, const struct gtid *want)
{
	struct gtid g;

	while (next_gtid(&have, &g) == 1) {
		if (g.domain == want->domain)
			return g.seq >= want->seq;
	}
	return false;
}

static bool list_includes(struct str have, struct str want)
{
	struct gtid g;
	int rc;

	while ((rc = next_gtid(&want, &g)) == 1) {
		if (!list_has(have, &g))
			return false;
	}
	return rc == 0;
}

static bool same_source(struct str a, struct str b)
{
	return a.n == b.n && strncasecmp(a.p, b.p, a.n) == 0;
}

/* Servers join neighbouring intervals, so one of @have holds all of [@first, @last] or none does. */
static bool set_has(struct str have, struct str source, uint64_t first, uint64_t last)
{
	struct str at;
	uint64_t a, b;

	skip_blanks(&have);
	while (have.n) {
		if (!take_source(&have, &at))
			return false;
		do {
			if (!take_interval(&have, &a, &b))
				return false;
			if (same_source(at, source) && a <= first && last <= b)
				return true;
			skip_blanks(&have);
		} while (have.n && *have.p == ':');
		if (have.n && !take_char(&have, ','))
			return false;
		skip_blanks(&have);
	}
	return false;
}

static bool set_includes(struct str have, struct str want)
{
	struct str source;
	uint64_t a, b;

	skip_blanks(&want);
	while (want.n) {
		if (!take_source(&want, &source))
			return false;
		do {
			if (!take_interval(&want, &a, &b) || !set_has(have, source, a, b))
				return false;
			skip_blanks(&want);
		} while (want.n && *want.p == ':');
		if (want.n && !take_char(&want, ','))
			return false;
		skip_blanks(&want);
	}
	return true;
}

bool position_includes(struct str have, struct str want)
{
	skip_blanks(&want);
	if (!want.n)
		return true;
	return memchr(want.p, ':', want.n) ? set_includes(have, want) : list_includes(have, want);
}

char *position_union(struct str a, struct str b)
{
	struct buf out = { 0 };
	struct str it = a;
	struct gtid g, o;
	char *text;

	while (next_gtid(&it, &g) == 1) {
		struct str other = b;

		while (next_gtid(&other, &o) == 1) {
			if (o.domain == g.domain && o.seq > g.seq)
				g = o;
		}
		buf_addf(&out, "%s%llu-%llu-%llu", buf_used(&out) ? "," : "", (unsigned long long)g.domain,
			(unsigned long long)g.server, (unsigned long long)g.seq);
	}
	it = b;
	while (next_gtid(&it, &o) == 1) {
		struct str mine = a;
		bool known = false;

		while (next_gtid(&mine, &g) == 1)
			known = known || g.domain == o.domain;
		if (!known)
			buf_addf(&out, "%s%llu-%llu-%llu", buf_used(&out) ? "," : "", (unsigned long long)o.domain,
				(unsigned long long)o.server, (unsigned long long)o.seq);
	}
	text = buf_used(&out) ? xstrndup((char *)buf_head(&out), buf_used(&out)) : xstrdup("");
	buf_free(&out);
	return text;
}

/* --- kept --- */

static void set_domain(struct position *p, const struct gtid *g)
{
	for (unsigned i = 0; i < POSITION_DOMAINS; i++) {
		uint64_t d = atomic_load_explicit(&p->domains[i].domain_plus_1, memory_order_relaxed);

		if (d != 0 && d != g->domain + 1)
			continue;
		atomic_store(&p->domains[i].seq, g->seq);
		atomic_store(&p->domains[i].domain_plus_1, g->domain + 1);
		return;
	}
}

void position_set(struct position *p, bool mariadb, struct str text, uint64_t asked_us)
{
	char *old, *copy = text.n && text.n <= POSITION_TEXT_MAX ? str_dup(text) : NULL;
	struct str it = text;
	struct gtid g;

	pthread_mutex_lock(&p->lock);
	old = p->text;
	p->text = copy;
	p->asked_us = asked_us;
	pthread_mutex_unlock(&p->lock);
	/* a domain that is no longer named: the server was reset */
	for (unsigned i = 0; i < POSITION_DOMAINS; i++) {
		uint64_t d = atomic_load_explicit(&p->domains[i].domain_plus_1, memory_order_relaxed);
		struct gtid want = { .domain = d - 1 };

		if (d && !(mariadb && copy && list_has(text, &want)))
			atomic_store(&p->domains[i].seq, 0);
	}
	while (mariadb && copy && next_gtid(&it, &g) == 1)
		set_domain(p, &g);
	free(old);
}

bool position_has(struct position *p, struct str want)
{
	bool has;

	pthread_mutex_lock(&p->lock);
	has = p->text && position_includes(str_of(p->text), want);
	pthread_mutex_unlock(&p->lock);
	return has;
}

char *position_text(struct position *p, uint64_t *asked_us)
{
	char *copy;

	pthread_mutex_lock(&p->lock);
	copy = p->text ? xstrdup(p->text) : NULL;
	if (asked_us)
		*asked_us = p->asked_us;
	pthread_mutex_unlock(&p->lock);
	return copy;
}
