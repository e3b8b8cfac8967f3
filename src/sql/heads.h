/* sql/heads.h - reading the heads of statements that are no queries, token by token. Inside the layer only. Pure. */
#ifndef KEYWAY_SQL_HEADS_H
#define KEYWAY_SQL_HEADS_H

#include "build.h"
#include "lex.h"

/* Tokens [i, end) of the statement are still to be read. */
struct cur {
	struct parser *ps;
	uint32_t i, end;
};

static inline unsigned cur_kind(const struct cur *c, uint32_t ahead)
{
	return c->i + ahead < c->end ? c->ps->s->toks[c->i + ahead].kind : 0;
}

/* Steps over one token of @kind. */
bool cur_accept(struct cur *c, unsigned kind);
void cur_expect(struct cur *c, unsigned kind);
_Noreturn void cur_syntax(const struct cur *c);
/* Is there a name @ahead tokens from here: an identifier or a word that is not reserved? */
bool cur_is_name(const struct cur *c, uint32_t ahead);
/* Any word, reserved or not, but no quoted name. */
bool cur_is_word(const struct cur *c, uint32_t ahead);
struct str cur_name(struct cur *c);
/* [db.]name */
struct sql_name cur_qualified(struct cur *c);
struct sql_name_list cur_qualified_list(struct cur *c);
/* The tokens that are left. */
struct sql_opaque cur_rest(struct cur *c);
struct sql_opaque cur_span(const struct cur *c, uint32_t from, uint32_t to);
/* The ordinal of the first of @kinds (ended by 0) at this level of parentheses, else the end. */
uint32_t cur_find(const struct cur *c, const uint16_t *kinds);
/* Behind the ) that closes the ( here. */
uint32_t cur_behind_parens(const struct cur *c);
void cur_end(const struct cur *c);

struct sql_expr *cur_expr(struct cur *c, uint32_t to);
struct sql_exprs cur_exprs(struct cur *c, uint32_t to);

void parse_set(struct cur *c, struct sql_stmt *st);
void parse_txn_modes(struct cur *c, struct sql_txn *txn);
void parse_show(struct cur *c, struct sql_stmt *st);
void parse_create(struct cur *c, struct sql_stmt *st);
void parse_alter(struct cur *c, struct sql_stmt *st);
void parse_drop(struct cur *c, struct sql_stmt *st);
void parse_rename(struct cur *c, struct sql_stmt *st);
void parse_truncate(struct cur *c, struct sql_stmt *st);
void parse_load(struct cur *c, struct sql_stmt *st);

#endif
