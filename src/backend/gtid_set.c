/* gtid_set.c - GTID texts of both families, read and added up. For sessions that must not read what is older than what
 * they have seen.
 * Pure. */
#include "keyway/backend/gtid_set.h"
#include <stdlib.h>

struct interval {
	uint64_t first, last;
	uint16_t source;
};

struct source {
	char name[36 + 1 + 32 + 1]; /* MySQL: uuid, and ':' and tag if it has one */
	uint32_t domain, server;    /* MariaDB */
	uint64_t seq;
};

struct gtid_set {
	bool mysql;
	uint32_t n_sources, n_intervals;
	struct source sources[GTID_SET_SOURCES_MAX];
	struct interval intervals[GTID_SET_INTERVALS_MAX]; /* in order of source and first, none touch */
};

struct text {
	const char *p, *end;
};

static void skip_blank(struct text *t)
{
	while (t->p < t->end && (*t->p == ' ' || *t->p == '\n' || *t->p == '\r' || *t->p == '\t'))
		t->p++;
}

static bool take(struct text *t, char c)
{
	if (t->p == t->end || *t->p != c)
		return false;
	t->p++;
	return true;
}

static bool take_number(struct text *t, uint64_t max, uint64_t *out)
{
	const char *from = t->p;
	uint64_t v = 0;

	for (; t->p < t->end && *t->p >= '0' && *t->p <= '9'; t->p++) {
		unsigned d = (unsigned)(*t->p - '0');

		if (v > (max - d) / 10)
			return false;
		v = v * 10 + d;
	}
	*out = v;
	return t->p > from;
}

bool gtid_set_is_mysql(struct str text)
{
	return text.n && memchr(text.p, ':', text.n);
}

/* --- MariaDB --- */

static bool domain_put(struct gtid_set *set, uint32_t domain, uint32_t server, uint64_t seq)
{
	for (uint32_t i = 0; i < set->n_sources; i++) {
		struct source *s = &set->sources[i];

		if (s->domain != domain)
			continue;
		if (seq > s->seq) {
			s->seq = seq;
			s->server = server;
		}
		return true;
	}
	if (set->n_sources == GTID_SET_SOURCES_MAX)
		return false;
	set->sources[set->n_sources++] = (struct source){ .domain = domain, .server = server, .seq = seq };
	return true;
}

static bool read_mariadb(struct gtid_set *set, struct text *t)
{
	do {
		uint64_t domain, server, seq;

		skip_blank(t);
		if (!take_number(t, UINT32_MAX, &domain) || !take(t, '-') || !take_number(t, UINT32_MAX, &server) ||
			!take(t, '-') || !take_number(t, UINT64_MAX, &seq) ||
			!domain_put(set, (uint32_t)domain, (uint32_t)server, seq))
			return false;
		skip_blank(t);
	} while (take(t, ','));
	return t->p == t->end;
}

/* --- MySQL --- */

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static bool take_uuid(struct text *t, char *out)
{
	if (t->end - t->p < 36)
		return false;
	for (int i = 0; i < 36; i++) {
		char c = lower(t->p[i]);
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? c != '-' : !((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
			return false;
		out[i] = c;
	}
	out[36] = '\0';
	t->p += 36;
	return true;
}

static int source_index(struct gtid_set *set, const char *name)
{
	for (uint32_t i = 0; i < set->n_sources; i++) {
		if (strcmp(set->sources[i].name, name) == 0)
			return (int)i;
	}
	if (set->n_sources == GTID_SET_SOURCES_MAX)
		return -1;
	memset(&set->sources[set->n_sources], 0, sizeof(set->sources[0]));
	strcpy(set->sources[set->n_sources].name, name);
	return (int)set->n_sources++;
}

static bool take_interval(struct gtid_set *set, struct text *t, const char *source)
{
	struct interval v = { 0 };
	int at;

	if (!take_number(t, INT64_MAX, &v.first) || v.first == 0)
		return false;
	v.last = v.first;
	skip_blank(t);
	if (take(t, '-')) {
		skip_blank(t);
		if (!take_number(t, INT64_MAX, &v.last) || v.last < v.first)
			return false;
	}
	at = source_index(set, source);
	if (at < 0 || set->n_intervals == GTID_SET_INTERVALS_MAX)
		return false;
	v.source = (uint16_t)at;
	set->intervals[set->n_intervals++] = v;
	return true;
}

/* A tag at the text's place becomes part of @source behind the 36 bytes of its uuid. */
static bool take_tag(struct text *t, char *source)
{
	char *tag = source + 37;
	size_t n = 0;

	while (t->p < t->end && n < 32) {
		char c = lower(*t->p);

		if (!((c >= 'a' && c <= 'z') || c == '_' || (n && c >= '0' && c <= '9')))
			break;
		tag[n++] = c;
		t->p++;
	}
	tag[n] = '\0';
	source[36] = ':';
	return n > 0;
}

static bool read_mysql(struct gtid_set *set, struct text *t)
{
	do {
		char source[36 + 1 + 32 + 1];
		bool any = false;

		skip_blank(t);
		if (!take_uuid(t, source))
			return false;
		skip_blank(t);
		while (take(t, ':')) {
			skip_blank(t);
			if (t->p < t->end && *t->p >= '0' && *t->p <= '9') {
				if (!take_interval(set, t, source))
					return false;
				any = true;
			} else if (!take_tag(t, source)) {
				return false;
			} else {
				any = false; /* a tag without transactions is none */
			}
			skip_blank(t);
		}
		if (!any)
			return false;
	} while (take(t, ','));
	return t->p == t->end;
}

static int interval_order(const void *a, const void *b)
{
	const struct interval *x = a, *y = b;

	if (x->source != y->source)
		return x->source < y->source ? -1 : 1;
	return x->first < y->first ? -1 : x->first > y->first;
}

/* In order, those that overlap or touch as one. */
static void intervals_join(struct gtid_set *set)
{
	uint32_t n = 0;

	if (!set->n_intervals)
		return;
	qsort(set->intervals, set->n_intervals, sizeof(set->intervals[0]), interval_order);
	for (uint32_t i = 1; i < set->n_intervals; i++) {
		struct interval *v = &set->intervals[i], *w = &set->intervals[n];

		if (v->source == w->source && v->first <= w->last + 1)
			w->last = MAX(w->last, v->last);
		else
			set->intervals[++n] = *v;
	}
	set->n_intervals = n + 1;
}

/* --- both --- */

/* Adds what @text names to @pos; an empty text adds nothing. */
static bool read_set(struct gtid_set *set, struct str text)
{
	struct text t = { text.p, text.p + text.n };
	bool mysql = gtid_set_is_mysql(text);

	if (text.n > GTID_SET_TEXT_MAX)
		return false;
	if (!text.n)
		return true;
	skip_blank(&t);
	if (t.p == t.end)
		return true;
	if (set->n_sources && set->mysql != mysql)
		return false;
	set->mysql = mysql;
	if (!mysql)
		return read_mariadb(set, &t);
	if (!read_mysql(set, &t))
		return false;
	intervals_join(set);
	return true;
}

static void set_init(struct gtid_set *set)
{
	set->mysql = false;
	set->n_sources = set->n_intervals = 0;
}

static void print_set(const struct gtid_set *set, struct buf *out)
{
	for (uint32_t i = 0; !set->mysql && i < set->n_sources; i++) {
		const struct source *s = &set->sources[i];

		buf_addf(out, "%s%u-%u-%llu", i ? "," : "", s->domain, s->server, (unsigned long long)s->seq);
	}
	for (uint32_t i = 0; set->mysql && i < set->n_intervals; i++) {
		const struct interval *v = &set->intervals[i];

		if (i && set->intervals[i - 1].source == v->source)
			buf_addz(out, ":");
		else
			buf_addf(out, "%s%s:", i ? "," : "", set->sources[v->source].name);
		buf_addf(out, "%llu", (unsigned long long)v->first);
		if (v->last > v->first)
			buf_addf(out, "-%llu", (unsigned long long)v->last);
	}
}

int gtid_set_add(struct buf *into, struct str more)
{
	struct gtid_set set;
	struct buf out = { 0 };

	set_init(&set);
	if (!read_set(&set, str_make((const char *)buf_head(into), buf_used(into))) || !read_set(&set, more))
		return -1;
	print_set(&set, &out);
	if (buf_used(&out) > GTID_SET_TEXT_MAX) {
		buf_free(&out);
		return -1;
	}
	buf_free(into);
	*into = out;
	return 0;
}

uint32_t gtid_set_sources(struct str text)
{
	struct gtid_set set;

	set_init(&set);
	return read_set(&set, text) ? set.n_sources : UINT32_MAX;
}
