/* backend/gtid_set.h - GTIDs added up: what a session has seen, from what servers tell of single transactions and of
 * themselves. In their own words: MariaDB's list of the last transaction of each domain ("0-1-5,1-2-7"), or MySQL's set
 * of transactions ("uuid:1-9:11,uuid:tag:1-4"). Texts come from servers and are hostile. Pure. See backend/position.h
 * for whether a server has what a text names. */
#ifndef KEYWAY_BACKEND_GTID_SET_H
#define KEYWAY_BACKEND_GTID_SET_H

#include "keyway/util/buf.h"
#include "keyway/util/str.h"

/* Longer ones are taken for unreadable. */
#define GTID_SET_TEXT_MAX      8192
#define GTID_SET_SOURCES_MAX   64
#define GTID_SET_INTERVALS_MAX 256

/* @into becomes the least text that covers both itself and @more, printed anew: letters, digits and ":-,_" only. -1 and
 * no change: one of them cannot be read, they are of different kinds, or the sum is too long. */
MUST_CHECK int gtid_set_add(struct buf *into, struct str more);

/* Domains or sources (with tags) named by @text; 0 when it is empty, UINT32_MAX when it cannot be read. */
uint32_t gtid_set_sources(struct str text);

/* Is @text, which is not empty, one of MySQL's? */
bool gtid_set_is_mysql(struct str text);

#endif
