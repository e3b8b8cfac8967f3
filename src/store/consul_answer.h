/* consul_answer.h - what consul's KV answers, read: untrusted bytes to structs, and the rules about its index. Inside
 * the store layer. Pure. */
#ifndef KEYWAY_STORE_CONSUL_ANSWER_H
#define KEYWAY_STORE_CONSUL_ANSWER_H

#include "store_type.h"

/* A list of keys, which all begin with @prefix: without it in @out. Keys that our interface cannot name are left out.
 * ERR_MALFORMED: it is no such list; nothing is left to be freed. */
MUST_CHECK int consul_read_items(struct str body, const char *prefix, struct store_items *out, struct err *err);

/* Does it say that a transaction was made? */
bool consul_read_done(struct str body);

/* Why a transaction was refused: the first reason. STORE_CONFLICT: a version was another; ERR_DENIED; else
 * ERR_BACKEND. */
MUST_CHECK int consul_read_refusal(struct str body, char *why, size_t size);

/* A text field of an object, on the heap; NULL: there is none. */
char *consul_read_text(struct str body, const char *field);

/* The index to wait for after @now was answered to a query that waited for @old (0: it did not wait). 0: the store went
 * back: read anew, waiting for nothing. */
uint64_t consul_next_index(uint64_t old, uint64_t now);

/* @key as a path: every byte that a path does not take as such written %XX. On the heap. */
char *consul_path(const char *key);

#endif
