/* store_type.h - what one kind of store offers to store.c; one per file. Inside the store layer. */
#ifndef KEYWAY_STORE_STORE_TYPE_H
#define KEYWAY_STORE_STORE_TYPE_H

#include "keyway/store/store.h"

struct store_type {
	const char *name;
	bool keys_are_keyspaces;
	/* store_follow() and what belongs to it */
	void *(*follow)(const struct store_config *cfg, const struct store_watch *watch, struct err *err);
	void (*reload)(void *follower);
	void (*stop)(void *follower);
};

extern const struct store_type store_file;

#endif
