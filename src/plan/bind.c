/* bind.c - the shards of one run: a plan's formula over the literals and parameters at hand. The hot path of every
 * routed statement; worker threads. Pure, no malloc unless a key is a string with escapes. */
#include "plan_int.h"
#include <stdio.h>

static void set_clear(struct shard_set *s, uint32_t words)
{
	memset(s->w, 0, words * sizeof(s->w[0]));
}

static void set_range(struct shard_set *s, uint32_t first, uint32_t last)
{
	for (uint32_t i = first; i <= last; i++)
		s->w[i / 64] |= UINT64_C(1) << (i % 64);
}

static void set_all(struct shard_set *s, const struct keyspace *ks)
{
	set_clear(s, (ks->shard_n + 63) / 64);
	set_range(s, 0, ks->shard_n - 1);
}

static uint32_t set_count(const struct shard_set *s, uint32_t words)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < words; i++)
		n += (uint32_t)__builtin_popcountll(s->w[i]);
	return n;
}

static uint32_t set_first(const struct shard_set *s, uint32_t words)
{
	for (uint32_t i = 0; i < words; i++) {
		if (s->w[i])
			return i * 64 + (uint32_t)__builtin_ctzll(s->w[i]);
	}
	return 0;
}

static enum route_result value_key_id(const struct plan_values *vals, const struct sharding_key *key,
	enum route_use use, const struct plan_val *v, uint64_t *id)
{
	struct arena tmp = { 0 };
	struct key_value kv;
	enum route_result r = ROUTE_UNKNOWN;

	if (val_get(vals, v, key->type.family, &tmp, &kv))
		r = sharding_key_id(key, use, &kv, id, NULL);
	if (UNLIKELY(tmp.head != NULL))
		arena_free(&tmp);
	return r;
}

static void span_eval(
	const struct plan_cond *c, const struct plan_values *vals, const struct keyspace *ks, struct shard_set *out)
{
	struct arena tmp = { 0 };
	struct key_value kv[2];
	const struct key_value *bound[2] = { NULL, NULL };
	struct keyrange range;
	uint32_t first, last;
	enum route_result r = ROUTE_UNKNOWN;

	for (int i = 0; i < 2; i++) {
		/* a bound that is not known is no bound: wider, never narrower */
		if (val_get(vals, &c->vals[i], c->key->type.family, &tmp, &kv[i]))
			bound[i] = &kv[i];
	}
	if (bound[0] || bound[1])
		r = sharding_key_span(c->key, bound[0], c->lower_open, bound[1], c->upper_open, &range);
	if (tmp.head)
		arena_free(&tmp);
	switch (r) {
	case ROUTE_KEY:
		keyspace_shards_in(ks, range, &first, &last);
		set_range(out, first, last);
		break;
	case ROUTE_NONE: break;
	default: set_all(out, ks); break;
	}
}

static void cond_eval(
	const struct plan_cond *c, const struct plan_values *vals, const struct keyspace *ks, struct shard_set *out)
{
	uint32_t words = (ks->shard_n + 63) / 64, index;
	struct shard_set kid;
	uint64_t id;

	set_clear(out, words);
	switch ((enum cond_op)c->op) {
	case COND_ALL: set_all(out, ks); return;
	case COND_NONE: return;
	case COND_SHARD: set_range(out, c->shard, c->shard); return;
	case COND_SPAN: span_eval(c, vals, ks, out); return;
	case COND_EQ:
	case COND_IN:
		for (uint32_t i = 0; i < c->n; i++) {
			switch (value_key_id(vals, c->key, c->store ? ROUTE_STORE : ROUTE_COMPARE, &c->vals[i], &id)) {
			case ROUTE_KEY:
				index = keyspace_shard_of(ks, id)->index;
				set_range(out, index, index);
				break;
			case ROUTE_NONE: break;
			default: set_all(out, ks); return;
			}
		}
		return;
	case COND_AND:
		set_all(out, ks);
		for (uint32_t i = 0; i < c->n; i++) {
			cond_eval(c->kids[i], vals, ks, &kid);
			for (uint32_t j = 0; j < words; j++)
				out->w[j] &= kid.w[j];
		}
		return;
	case COND_OR:
		for (uint32_t i = 0; i < c->n; i++) {
			cond_eval(c->kids[i], vals, ks, &kid);
			for (uint32_t j = 0; j < words; j++)
				out->w[j] |= kid.w[j];
		}
		return;
	}
}

/* Every parameter that the text has must be there before anything is decided by it. */
static int params_check(const struct plan *p, const struct plan_values *vals, struct err *err)
{
	if (LIKELY(vals->scan->n_params == 0 || (vals->params && vals->n_params >= vals->scan->n_params)))
		return 0;
	(void)p;
	return err_set(err, ERR_MALFORMED, ER_WRONG_ARGUMENTS,
		"Incorrect arguments to EXECUTE: the statement has %u parameters, %u are bound", vals->scan->n_params,
		vals->params ? vals->n_params : 0);
}

static int moved_check(const struct plan *p, const struct plan_values *vals, struct err *err)
{
	const struct plan_route *r = p->route;
	uint64_t from = 0, to = 0;
	enum route_result a = value_key_id(vals, r->moved_key, ROUTE_COMPARE, &r->moved_from, &from);
	enum route_result b = value_key_id(vals, r->moved_key, ROUTE_STORE, &r->moved_to, &to);

	if (a == ROUTE_NONE || (a == ROUTE_KEY && b == ROUTE_KEY && from == to))
		return 0;
	return err_set(err, ERR_UNSUPPORTED, ER_NOT_SUPPORTED_YET,
		"UPDATE would change the shard key %s, and with it the shard of the row: INSERT the row with the new "
		"key and DELETE the old one",
		r->moved_what);
}

static enum plan_side side_of(const struct plan_values *vals, const struct plan_val *v)
{
	struct arena tmp = { 0 };
	struct key_value kv;
	int side = -1;

	if (val_get(vals, v, KEY_INT, &tmp, &kv))
		side = sharding_side(&kv);
	if (tmp.head)
		arena_free(&tmp);
	return side < 0 ? PLAN_SIDE_HOME : side ? PLAN_SIDE_ODD : PLAN_SIDE_EVEN;
}

static void out_of_set(const struct shard_set *s, const struct keyspace *ks, struct plan_target *out)
{
	uint32_t words = (ks->shard_n + 63) / 64;

	out->n = 0;
	for (uint32_t i = 0; i < words; i++) {
		for (uint64_t w = s->w[i]; w; w &= w - 1)
			out->shards[out->n++] = (uint16_t)(i * 64 + (uint32_t)__builtin_ctzll(w));
	}
}

static int refuse_single(const struct plan *p, const struct plan_group *g, uint32_t n, struct err *err)
{
	return err_set(err, ERR_UNSUPPORTED, ER_NOT_SUPPORTED_YET,
		"%s, but its rows lie on %u shards of keyspace %s%s%s%s%s", p->route->single_why, n, p->ks->name.p,
		g->key ? ": add a condition on " : "", g->key ? g->table : "", g->key ? "." : "", g->key ? g->key : "");
}

static int route_bind(const struct plan *p, const struct plan_values *vals, struct plan_target *out, struct err *err)
{
	const struct plan_route *r = p->route;
	const struct keyspace *ks = p->ks;
	uint32_t words = (ks->shard_n + 63) / 64, n, first;
	struct shard_set set;
	int32_t at = -1;

	if (r->n_groups == 1 && !r->single_why) {
		cond_eval(r->groups[0].cond, vals, ks, &set);
		if (set_count(&set, words) == 0)
			set_range(&set, 0, 0); /* no row can match: any shard says so in the right form */
		out_of_set(&set, ks, out);
		return 0;
	}
	for (uint32_t i = 0; i < r->n_groups; i++) {
		cond_eval(r->groups[i].cond, vals, ks, &set);
		n = set_count(&set, words);
		if (n == 0)
			continue; /* its tables give no rows on any shard */
		if (n > 1)
			return refuse_single(p, &r->groups[i], n, err);
		first = set_first(&set, words);
		if (at >= 0 && (uint32_t)at != first)
			return err_set(err, ERR_UNSUPPORTED, ER_NOT_SUPPORTED_YET,
				"%s, but %s and %s have their rows on different shards (%s and %s) of keyspace %s",
				r->single_why ? r->single_why : "The statement must run on one shard",
				r->groups[0].table, r->groups[i].table, ks->shards[at].name.p, ks->shards[first].name.p,
				ks->name.p);
		at = (int32_t)first;
	}
	out->shards[0] = (uint16_t)(at < 0 ? 0 : at);
	out->n = 1;
	return 0;
}

int plan_bind(const struct plan *p, const struct plan_values *vals, struct plan_target *out, struct err *err)
{
	const struct plan_route *r = p->route;
	const struct plan_cond *c;
	uint64_t id;
	int rc = params_check(p, vals, err);

	out->n = 0;
	out->side = PLAN_SIDE_HOME;
	if (UNLIKELY(rc < 0))
		return rc;
	switch (p->kind) {
	case PLAN_ROUTE: break;
	case PLAN_PINNED: out->shards[out->n++] = (uint16_t)p->shard->index; goto side;
	case PLAN_EACH:
		for (uint32_t i = 0; i < p->ks->shard_n; i++)
			out->shards[out->n++] = (uint16_t)i;
		goto side;
	case PLAN_PASS:
	case PLAN_ANY: out->shards[out->n++] = 0; goto side;
	case PLAN_REFUSE:
		if (err)
			*err = p->err;
		return p->err.kind;
	case PLAN_INSERT:
	case PLAN_SESSION:
		return err_set(err, ERR_INTERNAL, ER_NOT_SUPPORTED_YET, "%s is not bound to shards this way",
			plan_kind_name(p->kind));
	}
	c = r->groups[0].cond;
	if (LIKELY(r->n_groups == 1 && c->op == COND_EQ && !c->store &&
		    value_key_id(vals, c->key, ROUTE_COMPARE, c->vals, &id) == ROUTE_KEY)) {
		out->shards[0] = (uint16_t)keyspace_shard_of(p->ks, id)->index;
		out->n = 1;
	} else if ((rc = route_bind(p, vals, out, err)) < 0) {
		return rc;
	}
	if (UNLIKELY(r->has_moved) && (rc = moved_check(p, vals, err)) < 0)
		return rc;
side:
	if (r && r->has_side)
		out->side = side_of(vals, &r->side);
	return 0;
}
