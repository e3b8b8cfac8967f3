/* map_diff.c - the changes between two maps of a keyspace: the list of them, and what becomes of shards and their
 * servers. For the tools that change the map.
 * Pure; any thread. */
#include "keyway/cluster/map_diff.h"
#include "map_change.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

const char *map_change_class_name(enum map_change_class class)
{
	static const char *const names[] = { "harmless", "traffic", "strands rows" };

	return names[class];
}

const char *key_share_print(unsigned __int128 ids, char out[KEY_SHARE_TEXT_MAX])
{
	/* in units of 0.0001 %, rounded; 2^64 times a million fits */
	unsigned __int128 scaled = ids * 1000000, half = (unsigned __int128)1 << 63;
	uint64_t parts = (uint64_t)((scaled + half) >> 64);
	int digits = 4;

	if (ids && parts == 0) {
		snprintf(out, KEY_SHARE_TEXT_MAX, "less than 0.0001 %%");
		return out;
	}
	for (uint64_t rest = parts % 10000; digits > 0 && rest % 10 == 0; rest /= 10)
		digits--;
	if (digits == 0)
		snprintf(out, KEY_SHARE_TEXT_MAX, "%" PRIu64 " %%", parts / 10000);
	else
		snprintf(out, KEY_SHARE_TEXT_MAX, "%" PRIu64 ".%.*s %%", parts / 10000, digits,
			(char[5]){ (char)('0' + parts / 1000 % 10), (char)('0' + parts / 100 % 10),
				(char)('0' + parts / 10 % 10), (char)('0' + parts % 10), 0 });
	return out;
}

/* --- the list --- */

static struct map_change *change_new(struct map_diff *d, enum map_change_class class)
{
	if (d->n == d->cap) {
		d->cap = d->cap ? d->cap * 2 : 32;
		d->changes = xrealloc(d->changes, d->cap * sizeof(*d->changes));
	}
	d->changes[d->n] = (struct map_change){ .class = class };
	return &d->changes[d->n++];
}

static struct str words_v(struct map_diff *d, const char *fmt, va_list ap)
{
	char *text;
	struct str s;

	if (vasprintf(&text, fmt, ap) < 0)
		abort();
	s = arena_str(&d->arena, str_of(text));
	free(text);
	return s;
}

void change_add(struct map_diff *d, enum map_change_class class, const char *fmt, ...)
{
	struct map_change *c = change_new(d, class);
	va_list ap;

	va_start(ap, fmt);
	c->text = words_v(d, fmt, ap);
	va_end(ap);
}

void change_add_range(struct map_diff *d, enum map_change_class class, struct keyrange r, const char *fmt, ...)
{
	struct map_change *c = change_new(d, class);
	va_list ap;

	c->ranged = true;
	c->range = r;
	va_start(ap, fmt);
	c->text = words_v(d, fmt, ap);
	va_end(ap);
}

static int range_order(const void *a, const void *b)
{
	const struct keyrange *x = a, *y = b;

	return (x->first > y->first) - (x->first < y->first);
}

/* Sorts and joins ranges that overlap or touch; how many are left. */
static uint32_t ranges_join(struct keyrange *r, uint32_t n)
{
	uint32_t kept = 0;

	qsort(r, n, sizeof(*r), range_order);
	for (uint32_t i = 0; i < n; i++) {
		if (kept && (r[kept - 1].last == UINT64_MAX || r[i].first <= r[kept - 1].last + 1))
			r[kept - 1].last = MAX(r[kept - 1].last, r[i].last);
		else
			r[kept++] = r[i];
	}
	return kept;
}

bool map_diff_stranded_is(const struct map_diff *d, const struct keyrange *named, uint32_t n)
{
	struct keyrange *own = xcalloc(n + 1, sizeof(*own));
	bool same;

	if (n)
		memcpy(own, named, n * sizeof(*own));
	n = ranges_join(own, n);
	same = n == d->stranded_n;
	for (uint32_t i = 0; i < n && same; i++)
		same = keyrange_eq(own[i], d->stranded[i]);
	free(own);
	return same;
}

static void stranded_collect(struct map_diff *d)
{
	for (uint32_t i = 0; i < d->n; i++) {
		if (d->changes[i].class != CHANGE_STRANDS)
			continue;
		if (d->stranded_n == d->stranded_cap) {
			d->stranded_cap = d->stranded_cap ? d->stranded_cap * 2 : 16;
			d->stranded = xrealloc(d->stranded, d->stranded_cap * sizeof(*d->stranded));
		}
		d->stranded[d->stranded_n++] = d->changes[i].range;
	}
	if (d->stranded_n)
		d->stranded_n = ranges_join(d->stranded, d->stranded_n);
}

void map_diff_make(const struct keyspace *old, const struct keyspace *new, struct map_diff *out)
{
	*out = (struct map_diff){ 0 };
	arena_init(&out->arena);
	if (!old) {
		change_add(out, CHANGE_TRAFFIC, "the keyspace is new: %u shard%s, %u table%s listed", new->shard_n,
			new->shard_n == 1 ? "" : "s", new->table_n, new->table_n == 1 ? "" : "s");
		return;
	}
	if (!str_eq(old->database, new->database))
		change_add(out, CHANGE_TRAFFIC,
			"the default database on the servers is " STR_FMT " instead of " STR_FMT,
			STR_ARG(new->database), STR_ARG(old->database));
	diff_sharding(out, old, new);
	diff_shards(out, old, new);
	diff_backends(out, old, new);
	diff_tables(out, old, new);
	diff_strands(out, old, new);
	stranded_collect(out);
}

void map_diff_free(struct map_diff *d)
{
	free(d->changes);
	free(d->stranded);
	arena_free(&d->arena);
	*d = (struct map_diff){ 0 };
}

/* --- shards --- */

const char *backend_words(struct map_diff *d, const struct backend_def *b)
{
	if (b->socket.n)
		return arena_printf(&d->arena, "%s (%s)", b->name.p, b->socket.p);
	return arena_printf(&d->arena, "%s (%s:%u)", b->name.p, b->host.p, b->port);
}

bool backend_same_server(const struct backend_def *a, const struct backend_def *b)
{
	return str_eq(a->host, b->host) && str_eq(a->socket, b->socket) && a->port == b->port;
}

static const char *shard_names(struct map_diff *d, const struct shard *s, uint32_t n)
{
	const char *text = s[0].name.p;

	for (uint32_t i = 1; i < n; i++)
		text = arena_printf(&d->arena, "%s%s%s", text, i + 1 == n ? " and " : ", ", s[i].name.p);
	return text;
}

/* Who is written to: the primary, or both sides. */
static const char *owner_words(struct map_diff *d, const struct shard *s)
{
	if (s->kind == SHARD_PAIR)
		return arena_printf(&d->arena, "%s and %s", s->sides[SIDE_ODD]->name.p, s->sides[SIDE_EVEN]->name.p);
	return s->primary->name.p;
}

static bool same_owner(const struct shard *a, const struct shard *b)
{
	if (a->kind != b->kind || !str_eq(a->database, b->database))
		return false;
	if (a->kind == SHARD_PAIR)
		return backend_same_server(a->sides[SIDE_ODD], b->sides[SIDE_ODD]) &&
		       backend_same_server(a->sides[SIDE_EVEN], b->sides[SIDE_EVEN]);
	return backend_same_server(a->primary, b->primary);
}

static bool member_of(const struct backend_def *b, const struct shard *s)
{
	for (uint32_t i = 0; i < s->backend_n; i++) {
		if (backend_same_server(b, &s->backends[i]))
			return true;
	}
	return false;
}

/* Were all servers that are written to in @b servers of @a? */
static bool owner_was_in(const struct shard *b, const struct shard *a)
{
	if (b->kind == SHARD_PAIR)
		return member_of(b->sides[SIDE_ODD], a) && member_of(b->sides[SIDE_EVEN], a);
	return member_of(b->primary, a);
}

/* Shards of one range in both maps. */
static void diff_shard(struct map_diff *d, const struct shard *a, const struct shard *b)
{
	static const char *const kinds[] = { "a replica set", "a pair" }, *const sides[] = { "even", "odd" };

	if (!str_eq(a->database, b->database))
		change_add_range(d, CHANGE_TRAFFIC, b->range, "shard %s: its database is %s instead of %s", b->name.p,
			b->database.p, a->database.p);
	if (a->kind != b->kind)
		change_add_range(d, CHANGE_TRAFFIC, b->range, "shard %s is %s instead of %s", b->name.p, kinds[b->kind],
			kinds[a->kind]);
	else if (a->kind == SHARD_PAIR && a->home != b->home)
		change_add_range(d, CHANGE_TRAFFIC, b->range,
			"shard %s: statements without a value that decides go to the %s side instead of the %s one",
			b->name.p, sides[b->home], sides[a->home]);
	if (a->primary_auto != b->primary_auto)
		change_add_range(d, CHANGE_HARMLESS, b->range,
			b->primary_auto ? "shard %s: whichever server is writable is its primary"
					: "shard %s: the map names its primary",
			b->name.p);
	if (a->kind == SHARD_REPLICASET && b->kind == SHARD_REPLICASET && !backend_same_server(a->primary, b->primary))
		change_add_range(d, CHANGE_TRAFFIC, b->range, "shard %s: its primary is %s instead of %s%s", b->name.p,
			backend_words(d, b->primary), backend_words(d, a->primary),
			member_of(b->primary, a) ? ", and was its replica" : "");
	if (!owner_was_in(b, a))
		d->moved += keyrange_ids(b->range);
}

/* Shards that do not correspond one to one: @a old ones cover the same key ids as @b new ones. */
static void diff_bounds(struct map_diff *d, const struct shard *a, uint32_t an, const struct shard *b, uint32_t bn)
{
	struct keyrange all = { b[0].range.first, b[bn - 1].range.last };

	if (an == 1)
		change_add_range(d, CHANGE_TRAFFIC, all, "shard %s is split into %s", a->name.p, shard_names(d, b, bn));
	else if (bn == 1)
		change_add_range(
			d, CHANGE_TRAFFIC, all, "shards %s are merged into %s", shard_names(d, a, an), b->name.p);
	else
		change_add_range(d, CHANGE_TRAFFIC, all, "the shards %s are cut anew: %s", shard_names(d, a, an),
			shard_names(d, b, bn));
	for (uint32_t i = 0, k = 0; i < an && k < bn;) {
		struct keyrange r = { MAX(a[i].range.first, b[k].range.first), MIN(a[i].range.last, b[k].range.last) };

		if (!same_owner(&a[i], &b[k])) {
			change_add_range(d, CHANGE_TRAFFIC, r, "key ids go from %s of shard %s to %s of shard %s",
				owner_words(d, &a[i]), a[i].name.p, owner_words(d, &b[k]), b[k].name.p);
			d->moved += keyrange_ids(r);
		}
		i += a[i].range.last == r.last;
		k += b[k].range.last == r.last;
	}
}

void diff_shards(struct map_diff *d, const struct keyspace *old, const struct keyspace *new)
{
	for (uint32_t i = 0, k = 0; i < old->shard_n;) {
		uint32_t i0 = i, k0 = k;
		uint64_t x, y;

		/* on to where a shard ends in both */
		do {
			x = old->shards[i].range.last;
			y = new->shards[k].range.last;
			i += x <= y;
			k += y <= x;
		} while (x != y);
		if (i - i0 == 1 && k - k0 == 1)
			diff_shard(d, &old->shards[i0], &new->shards[k0]);
		else
			diff_bounds(d, &old->shards[i0], i - i0, &new->shards[k0], k - k0);
	}
}
