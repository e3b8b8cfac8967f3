/* store.c - the kinds of stores by number: the rest of the program sees no other.
 * For topo, ids, and the tools.
 * Calls block; control threads. */
#include "store_type.h"
#include <stdlib.h>

static const struct store_type *const store_types[] = {
	[STORE_FILE] = &store_file,
};

struct store_follower {
	const struct store_type *type;
	void *follower;
};

struct store_follower *store_follow(const struct store_config *cfg, const struct store_watch *watch, struct err *err)
{
	const struct store_type *type = store_types[cfg->kind];
	void *follower = type->follow(cfg, watch, err);
	struct store_follower *f;

	if (!follower)
		return NULL;
	f = xcalloc(1, sizeof(*f));
	f->type = type;
	f->follower = follower;
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
	return store_types[kind]->keys_are_keyspaces;
}
