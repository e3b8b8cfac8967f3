/* store.c - the kinds of stores by number, and what is the same for all of them: checks, order, memory.
 * For topo, ids, main and the tools: they see no other file of this layer.
 * Calls block; control threads. */
#include "store_type.h"
#include <stdio.h>
#include <stdlib.h>

static const struct store_type *const store_types[] = {
	[STORE_FILE] = &store_file,
	[STORE_ETCD] = &store_etcd,
	[STORE_CONSUL] = &store_consul,
};

struct store {
	const struct store_type *type;
	void *store;
};

struct store_follower {
	const struct store_type *type;
	void *follower;
};

static const struct store_type *type_of(enum store_kind kind)
{
	return (size_t)kind < ARRAY_N(store_types) ? store_types[kind] : NULL;
}

static char *dup_or_null(const char *s)
{
	return s && *s ? xstrdup(s) : NULL;
}

struct store_config *store_config_copy(const struct store_config *cfg)
{
	struct store_config *c = xmalloc(sizeof(*c));
	const char **endpoints = xcalloc(cfg->endpoint_n + 1, sizeof(*endpoints));

	*c = *cfg;
	for (uint32_t i = 0; i < cfg->endpoint_n; i++)
		endpoints[i] = xstrdup(cfg->endpoints[i]);
	c->endpoints = endpoints;
	c->path = dup_or_null(cfg->path);
	c->prefix = dup_or_null(cfg->prefix);
	c->user = dup_or_null(cfg->user);
	c->password = cfg->password ? xstrdup(cfg->password) : NULL;
	c->token = dup_or_null(cfg->token);
	c->ca = dup_or_null(cfg->ca);
	c->cert = dup_or_null(cfg->cert);
	c->key = dup_or_null(cfg->key);
	if (!c->timeout_us)
		c->timeout_us = STORE_TIMEOUT_US;
	if (!c->poll_us)
		c->poll_us = STORE_POLL_US;
	return c;
}

static void wipe(const char *secret)
{
	if (secret)
		explicit_bzero((char *)secret, strlen(secret));
	free((char *)secret);
}

void store_config_free(struct store_config *c)
{
	if (!c)
		return;
	for (uint32_t i = 0; i < c->endpoint_n; i++)
		free((char *)c->endpoints[i]);
	free((void *)c->endpoints);
	free((char *)c->path);
	free((char *)c->prefix);
	free((char *)c->user);
	wipe(c->password);
	wipe(c->token);
	free((char *)c->ca);
	free((char *)c->cert);
	free((char *)c->key);
	free(c);
}

const struct store_type *store_usable_type(const struct store_config *cfg, struct err *err)
{
	const struct store_type *type = type_of(cfg->kind);
	const char *what = NULL;

	if (!type)
		what = "there is no such kind";
	else if (!type->has_endpoints && (!cfg->path || !*cfg->path))
		what = "no path is given";
	else if (type->has_endpoints && (cfg->endpoint_n == 0 || cfg->endpoint_n > STORE_ENDPOINTS_MAX))
		what = "1 to 16 endpoints must be given";
	else if (type->has_endpoints && (!cfg->prefix || !*cfg->prefix || cfg->prefix[strlen(cfg->prefix) - 1] == '/'))
		what = "a prefix must be given, without a slash at its end";
	if (!what)
		return type;
	err_set(err, ERR_CONFIG, ER_WRONG_ARGUMENTS, "the map store cannot be used: %s", what);
	return NULL;
}

struct store *store_open(const struct store_config *cfg, struct err *err)
{
	const struct store_type *type = store_usable_type(cfg, err);
	void *store = type ? type->open(cfg, err) : NULL;
	struct store *s;

	if (!store)
		return NULL;
	s = xmalloc(sizeof(*s));
	*s = (struct store){ type, store };
	return s;
}

void store_close(struct store *s)
{
	if (!s)
		return;
	s->type->close(s->store);
	free(s);
}

bool store_is_single(struct store *s)
{
	return s->type->is_single && s->type->is_single(s->store);
}

void store_item_free(struct store_item *it)
{
	free(it->key);
	free(it->value);
	*it = (struct store_item){ 0 };
}

void store_items_free(struct store_items *all)
{
	for (uint32_t i = 0; i < all->n; i++)
		store_item_free(&all->v[i]);
	free(all->v);
	*all = (struct store_items){ 0 };
}

struct store_item *store_items_add(struct store_items *all)
{
	/* the room doubles whenever the number is a power of two */
	if ((all->n & (all->n - 1)) == 0)
		all->v = xrealloc(all->v, MAX(all->n * 2, 1u) * sizeof(*all->v));
	all->v[all->n] = (struct store_item){ 0 };
	return &all->v[all->n++];
}

int store_get(struct store *s, const char *key, struct store_item *out, struct err *err)
{
	int rc = store_key_check(key, err);

	*out = (struct store_item){ 0 };
	return rc < 0 ? rc : s->type->get(s->store, key, out, err);
}

static int by_key(const void *a, const void *b)
{
	return strcmp(((const struct store_item *)a)->key, ((const struct store_item *)b)->key);
}

int store_list(struct store *s, const char *prefix, struct store_items *out, struct err *err)
{
	int rc = store_prefix_check(prefix, err);

	*out = (struct store_items){ 0 };
	if (rc == 0)
		rc = s->type->list(s->store, prefix, out, err);
	if (rc < 0)
		store_items_free(out);
	else if (out->n)
		qsort(out->v, out->n, sizeof(*out->v), by_key);
	return rc;
}

int store_commit(struct store *s, const struct store_op *ops, uint32_t n, struct err *err)
{
	if (n == 0)
		return STORE_DONE;
	if (n > STORE_OPS_MAX)
		return err_set(err, ERR_LIMIT, ER_WRONG_ARGUMENTS, "%u changes at once: the store takes at most %d", n,
			STORE_OPS_MAX);
	for (uint32_t i = 0; i < n; i++) {
		int rc = store_key_check(ops[i].key, err);

		if (rc < 0)
			return rc;
		if (ops[i].value.p && ops[i].value.n > s->type->value_max)
			return err_set(err, ERR_LIMIT, ER_WRONG_ARGUMENTS,
				"%.80s has %zu bytes: a store of kind %s takes at most %zu", ops[i].key, ops[i].value.n,
				s->type->name, s->type->value_max);
		for (uint32_t k = 0; k < i; k++) {
			if (strcmp(ops[i].key, ops[k].key) == 0)
				return err_set(err, ERR_INTERNAL, ER_WRONG_ARGUMENTS,
					"%.80s is to be changed twice at once", ops[i].key);
		}
	}
	return s->type->commit(s->store, ops, n, err);
}

int store_describe(struct store *s, char *out, size_t size, struct err *err)
{
	return s->type->describe(s->store, out, size, err);
}

struct store_follower *store_follow(const struct store_config *cfg, const struct store_watch *watch, struct err *err)
{
	const struct store_type *type = store_usable_type(cfg, err);
	void *follower = type ? type->follow(cfg, watch, err) : NULL;
	struct store_follower *f;

	if (!follower)
		return NULL;
	f = xmalloc(sizeof(*f));
	*f = (struct store_follower){ type, follower };
	return f;
}

void store_follower_reload(struct store_follower *f)
{
	f->type->reload(f->follower);
}

void store_follower_stop(struct store_follower *f)
{
	if (!f)
		return;
	f->type->stop(f->follower);
	free(f);
}

bool store_keys_are_keyspaces(enum store_kind kind)
{
	const struct store_type *type = type_of(kind);

	return type && type->keys_are_keyspaces;
}
