/* sql/words.h - what a word means where it stands. Inside the layer only: between the scanned tokens and the grammar.
 */
#ifndef KEYWAY_SQL_WORDS_H
#define KEYWAY_SQL_WORDS_H

#include "build.h"

/* What the grammar gets: one token, or a fixed phrase of several. */
struct word {
	uint32_t first, last; /* token ordinals, [first, last) */
	int kind;
	uint32_t u;	/* what some kinds carry: an option's bit, a bound's kind ... */
	struct str str; /* others carry text in upper case */
};

/* Fills in @w from its first token on; ps->prev is the kind given before. */
void word_read(struct parser *ps, struct word *w);

#endif
