/* follow.h - following a store that is reached over HTTP: one long call that tells changes, and beside it a small one
 * that tells whether the endpoint is still worth listening to. What is etcd's or consul's own are five functions.
 * Inside the store layer. */
#ifndef KEYWAY_STORE_FOLLOW_H
#define KEYWAY_STORE_FOLLOW_H

#include <pthread.h>
#include <stdatomic.h>
#include "http.h"

#define MARK_KEY "cluster" /* holds the random text that tells this store from others */

/*  LOAD -> LISTEN -> (NEXT -> LISTEN)* ;  LOST: LISTEN at the next endpoint ;  RELOAD: LOAD ;  STOP: the end */
enum follow_step { FOLLOW_LISTEN, FOLLOW_NEXT, FOLLOW_LOST, FOLLOW_RELOAD, FOLLOW_STOP };

/* A document that was told. */
struct known {
	char *key;
	uint64_t version, hash;
	bool seen;
};

struct follow;

struct follow_kind {
	uint64_t begin_us; /* the long call must have shown within this that it works; 0: it need not */
	/* Reads everything: follow_identity(), then follow_tell_all(). 0, 1: it is another's store, or negative. */
	int (*load)(struct follow *f, struct err *err);
	struct http_call *(*listen)(struct follow *f);
	/* The long call has got bytes or has ended. On LOST @err says why. */
	enum follow_step (*hear)(struct follow *f, struct http_call *c, struct err *err);
	struct http_call *(*probe)(struct follow *f);
	/* The small call was answered, with whatever status. */
	enum follow_step (*judge)(struct follow *f, struct http_call *c, struct err *err);
};

struct follow {
	const struct store_type *type;
	const struct follow_kind *kind;
	void *store;
	struct http *http;
	struct store_watch watch;
	pthread_t thread;
	atomic_bool stopping, reload;

	struct known *known;
	uint32_t known_n;
	char *identity; /* told last; NULL: none */
	bool accepted;	/* by whom it was told to */
	bool marked;	/* the mark is there, or need not be tried to be made again */
	bool loaded, down, works;
	uint32_t losses; /* of the long call, since it or the small one worked last */
	uint64_t backoff_us, loaded_us, listened_us;

	/* the kind's own, about where it is: */
	uint64_t cluster_id, revision, next, count;
	uint32_t behind;
	char *mark;
	char *request, *small; /* the bodies of both calls */
};

/* Takes over @store, whose http is @http. Loads once, then starts the thread. NULL and @err: no thread. */
struct follow *follow_start(const struct store_type *type, const struct follow_kind *kind, void *store,
	struct http *http, const struct store_watch *watch, struct err *err);
void follow_reload(void *follow);
void follow_stop(void *follow);

/* --- for the kinds --- */

/* Makes the mark if this store seems to have none and it has not been tried. True: read it again. */
bool follow_make_mark(struct follow *f);
/* Whose store it is, told if that is news or was refused before: "@base/@mark". False: it is refused. Keeps @mark. */
bool follow_identity(struct follow *f, const char *base, const char *mark);
/* All documents there are: keys below "keyspaces/". Tells the differences, and that they are all. How many there were.
 */
uint32_t follow_tell_all(struct follow *f, const struct store_items *all, uint64_t revision);
/* One: value NULL: gone. The caller tells that it is all. +1, 0 or -1: what this does to how many are known. */
int follow_tell(struct follow *f, const struct store_item *it, uint64_t revision);
void follow_settled(struct follow *f);

#endif
