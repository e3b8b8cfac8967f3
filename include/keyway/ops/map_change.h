/* ops/map_change.h - the way that every change of a keyspace's map goes: read, edit, judge, one compare-and-swap of the
 * document together with its entry in the history, then wait until every live proxy serves it. Nothing else writes
 * under keyspaces/. Blocks; one thread. */
#ifndef KEYWAY_OPS_MAP_CHANGE_H
#define KEYWAY_OPS_MAP_CHANGE_H

#include "keyway/cluster/map_diff.h"
#include "keyway/ops/ops.h"

enum ops_map_outcome {
	OPS_MAP_DONE,	   /* in force: in the store, and at all live proxies if they were waited for */
	OPS_MAP_UNCHANGED, /* the edit changed nothing; proxies were waited for all the same */
	OPS_MAP_REFUSED,   /* the new map is not valid, its epoch is too low, or it would strand rows */
	OPS_MAP_DECLINED,  /* approve() said no */
	OPS_MAP_CONFLICT,  /* someone else changed it meanwhile */
	OPS_MAP_FAILED,	   /* the store, or the edit */
	OPS_MAP_UNSERVED,  /* in the store, but not at all proxies in time */
};

/* The new document from the present one, which is @old (p NULL: there is none). *@out: on the heap. An epoch that is
 * still the old one's is raised by one afterwards. Runs once more for each time that someone else was faster. Negative
 * and @err: the change cannot be made. */
typedef int ops_edit_fn(void *arg, struct str old, char **out, struct err *err);
/* What would be written, before anything is checked but that it is a map; @old NULL: a new keyspace. */
typedef void ops_show_fn(
	void *arg, const struct keyspace *old, const struct keyspace *new, const struct map_diff *diff);
/* After all checks; false: leave it. */
typedef bool ops_approve_fn(void *arg);

struct ops_map_change {
	const char *keyspace;
	const char *why; /* for the history; NULL: "" */
	ops_edit_fn *edit;
	ops_show_fn *show;	 /* NULL: nobody looks */
	ops_approve_fn *approve; /* NULL: all is well */
	void *arg;		 /* of all three */
	bool once; /* the edit was made by looking at one state of the map: no second try when that is no more */
	/* The key ids whose rows the operator knows to be stranded: all of them and no others, or it is refused. */
	const struct keyrange *strands;
	uint32_t strand_n;
	uint64_t wait_us;	     /* for the proxies; 0: does not wait */
	const struct store_op *with; /* one more key in the same commit (a lock that must still be ours); NULL: none */
};

struct ops_map_result {
	enum ops_map_outcome outcome;
	uint64_t epoch;	   /* of the map in the store; 0: not known */
	bool raised;	   /* the edit left the epoch to be raised */
	uint32_t attempts; /* of compare-and-swap */
	uint32_t proxies;  /* that live */
	uint32_t unserved; /* of these, those that do not serve the epoch */
};

/* 0: DONE or UNCHANGED. Otherwise negative, and @err says what is the matter: with UNSERVED the change stays. */
MUST_CHECK int ops_map_change(
	const struct ops *o, const struct ops_map_change *c, struct ops_map_result *out, struct err *err);

/* Takes the keyspace away; its history stays, with an entry that says so. */
MUST_CHECK int ops_map_remove(
	const struct ops *o, const char *keyspace, const char *why, struct ops_map_result *out, struct err *err);

/* Until every live proxy serves @epoch of @keyspace, or a higher one. ERR_TIMEOUT: @err names those that do not. Says
 * who is missing whenever that changes. A store of one document knows no proxies: 0 at once. */
MUST_CHECK int ops_map_wait(const struct ops *o, const char *keyspace, uint64_t epoch, uint64_t timeout_us,
	struct ops_map_result *out, struct err *err);

/* --- history --- */

struct ops_map_past {
	uint64_t epoch;
	char *at;  /* RFC 3339, UTC; "": not known */
	char *who; /* "user@host" */
	char *why;
	char *document; /* NULL: the keyspace was removed */
};

struct ops_map_history {
	struct ops_map_past *v; /* the newest first */
	uint32_t n;
};

MUST_CHECK int ops_map_history(const struct ops *o, const char *keyspace, struct ops_map_history *out, struct err *err);
void ops_map_history_free(struct ops_map_history *h);
/* The document of one epoch, on the heap. ERR_NAME: the history does not have it. */
MUST_CHECK int ops_map_at(const struct ops *o, const char *keyspace, uint64_t epoch, char **document, struct err *err);

#endif
