/* sql/words.c - decides which words are keywords where they stand, and joins fixed phrases into one token, so that the
 * grammar needs no list of words that are both: MySQL and MariaDB reserve different ones.
 * For the grammar's lexer. Pure. */
#include "words.h"
#include "lex.h"

static unsigned kind_at(const struct parser *ps, uint32_t i)
{
	return i < ps->end ? ps->s->toks[i].kind : 0;
}

static void take(struct word *w, int kind, uint32_t n)
{
	w->kind = kind;
	w->last = w->first + n;
}

/* Behind the ) that closes the ( at @i; the end of the text when there is none. One pass for the whole statement, so
 * that no nesting makes looking ahead expensive. */
static uint32_t behind_parens(struct parser *ps, uint32_t i)
{
	const struct scan *s = ps->s;

	if (!ps->closing) {
		uint32_t *closing = parser_alloc(ps, s->n_toks * sizeof(*closing)), open = UINT32_MAX;

		/* while a ( is open, its place holds the one around it */
		for (uint32_t t = 0; t < s->n_toks; t++) {
			if (s->toks[t].kind == '(') {
				closing[t] = open;
				open = t;
			} else if (s->toks[t].kind == ')' && open != UINT32_MAX) {
				uint32_t outer = closing[open];

				closing[open] = t + 1;
				open = outer;
			}
		}
		while (open != UINT32_MAX) {
			uint32_t outer = closing[open];

			closing[open] = s->n_toks;
			open = outer;
		}
		ps->closing = closing;
	}
	return i < s->n_toks && ps->closing[i] ? MIN(ps->closing[i], ps->end) : ps->end;
}

static bool is_operand_end(unsigned kind)
{
	switch (kind) {
	case T_STRING:
	case T_INT:
	case T_DECIMAL:
	case T_FLOAT:
	case T_HEX:
	case T_BIT:
	case T_PARAM:
	case T_IDENT:
	case T_UVAR:
	case T_NULL:
	case T_END:
	case ')': return true;
	default: return false;
	}
}

static bool is_compare(unsigned kind)
{
	return kind == '=' || kind == '<' || kind == '>' || kind == T_NE || kind == T_LE || kind == T_GE ||
	       kind == T_NULL_EQ;
}

static bool is_hint_word(const struct parser *ps, uint32_t i)
{
	unsigned k = kind_at(ps, i), next = kind_at(ps, i + 1);

	return (k == KW_USE || k == KW_FORCE || k == KW_IGNORE) && (next == KW_INDEX || next == KW_KEY);
}

/* USE INDEX [FOR ...] (names), and those that follow. */
static void read_index_hints(struct parser *ps, struct word *w)
{
	uint32_t i = w->first;

	for (;;) {
		i += 2;
		while (i < ps->end && kind_at(ps, i) != '(' && kind_at(ps, i) != ')')
			i++;
		i = behind_parens(ps, i);
		if (is_hint_word(ps, i))
			continue;
		if (kind_at(ps, i) == ',' && is_hint_word(ps, i + 1)) {
			i++;
			continue;
		}
		break;
	}
	w->kind = T_INDEX_HINT;
	w->last = i;
}

/* INTO OUTFILE 'name' with its options. */
static void read_into_file(const struct parser *ps, struct word *w)
{
	uint32_t i = w->first + 2;

	for (;; i++) {
		switch (kind_at(ps, i)) {
		case T_STRING:
		case T_HEX:
		case T_BIT:
		case T_BINARY:
		case T_SET:
		case T_BY:
		case KW_CHARACTER:
		case KW_CHARSET:
		case KW_FIELDS:
		case KW_COLUMNS:
		case KW_LINES:
		case KW_TERMINATED:
		case KW_OPTIONALLY:
		case KW_ENCLOSED:
		case KW_ESCAPED:
		case KW_STARTING:
		case T_IDENT: continue;
		default: break;
		}
		break;
	}
	w->kind = T_INTO_FILE;
	w->last = i;
}

static void read_values(const struct parser *ps, struct word *w)
{
	uint32_t i = w->first + 1, j;

	if (i == ps->s->rows_tok && ps->s->n_rows) {
		take(w, T_VALUES, 1);
		return;
	}
	if (kind_at(ps, i) == '(' && (ps->prev == ')' || ps->prev == T_IDENT)) {
		take(w, T_VALUES, 1);
		return;
	}
	/* VALUES(column) of ON DUPLICATE KEY UPDATE: a name in parentheses */
	if (kind_at(ps, i) == '(') {
		for (j = i + 1; kind_at(ps, j) != ')' && j < ps->end; j++) {
			unsigned k = kind_at(ps, j);
			bool name = k == T_IDENT || (k >= 256 && k != T_STRING && !(k >= T_INT && k <= T_PARAM) &&
							    !(ps->s->toks[j].flags & TF_RESERVED));

			if (!(name || k == '.'))
				break;
		}
		if (j > i + 1 && kind_at(ps, j) == ')') {
			take(w, T_VALUES_FN, 1);
			return;
		}
	}
	take(w, T_VALUES_TVC, 1);
}

static bool is_unit(unsigned kind)
{
	switch (kind) {
	case KW_MICROSECOND:
	case KW_SECOND:
	case KW_MINUTE:
	case KW_HOUR:
	case KW_DAY:
	case KW_WEEK:
	case KW_MONTH:
	case KW_QUARTER:
	case KW_YEAR:
	case KW_SECOND_MICROSECOND:
	case KW_MINUTE_MICROSECOND:
	case KW_MINUTE_SECOND:
	case KW_HOUR_MICROSECOND:
	case KW_HOUR_SECOND:
	case KW_HOUR_MINUTE:
	case KW_DAY_MICROSECOND:
	case KW_DAY_SECOND:
	case KW_DAY_MINUTE:
	case KW_DAY_HOUR:
	case KW_YEAR_MONTH: return true;
	default: return false;
	}
}

/* INTERVAL(a, b ...) is a function; INTERVAL (a) DAY is a span of time. */
static void read_interval(struct parser *ps, struct word *w)
{
	uint32_t i = w->first + 1, end;

	take(w, T_INTERVAL, 1);
	if (kind_at(ps, i) != '(')
		return;
	end = behind_parens(ps, i);
	if (is_unit(kind_at(ps, end)))
		return;
	for (i++; i < end; i = kind_at(ps, i) == '(' ? behind_parens(ps, i) : i + 1)
		if (kind_at(ps, i) == ',') {
			w->kind = T_FUNC;
			return;
		}
}

static void read_bound(const struct parser *ps, struct word *w, enum sql_bound preceding, enum sql_bound following)
{
	unsigned next = kind_at(ps, w->first + 1);

	if (next == KW_PRECEDING || next == KW_FOLLOWING) {
		take(w, T_BOUND, 2);
		w->u = next == KW_PRECEDING ? preceding : following;
	}
}

static void read_exclude(const struct parser *ps, struct word *w)
{
	unsigned a = kind_at(ps, w->first + 1), b = kind_at(ps, w->first + 2);

	if (a == KW_CURRENT && b == KW_ROW) {
		take(w, T_EXCLUDE, 3);
		w->str = STR("CURRENT ROW");
	} else if (a == KW_NO && b == KW_OTHERS) {
		take(w, T_EXCLUDE, 3);
		w->str = STR("NO OTHERS");
	} else if (a == KW_GROUP || a == KW_TIES) {
		take(w, T_EXCLUDE, 2);
		w->str = a == KW_GROUP ? STR("GROUP") : STR("TIES");
	}
}

static void read_match_mode(const struct parser *ps, struct word *w)
{
	unsigned a = kind_at(ps, w->first + 1), b = kind_at(ps, w->first + 2), c = kind_at(ps, w->first + 3);

	if (a == KW_BOOLEAN && b == KW_MODE) {
		take(w, T_MATCH_MODE, 3);
		w->str = STR("IN BOOLEAN MODE");
	} else if (a == KW_NATURAL && b == KW_LANGUAGE && c == KW_MODE) {
		take(w, T_MATCH_MODE, 4);
		w->str = STR("IN NATURAL LANGUAGE MODE");
		if (kind_at(ps, w->last) == KW_WITH && kind_at(ps, w->last + 1) == KW_QUERY &&
			kind_at(ps, w->last + 2) == KW_EXPANSION) {
			w->last += 3;
			w->str = STR("IN NATURAL LANGUAGE MODE WITH QUERY EXPANSION");
		}
	}
}

static void read_for(struct parser *ps, struct word *w)
{
	unsigned next = kind_at(ps, w->first + 1);

	take(w, T_FOR, 1);
	if (next == KW_SYSTEM_TIME)
		take(w, T_SYSTEM_TIME, 2);
	else if (next == KW_PORTION && kind_at(ps, w->first + 2) == KW_OF)
		take(w, T_PORTION, 3);
	else if (next == KW_UPDATE || next == KW_SHARE)
		ps->locking = true;
}

static void read_cycle(const struct parser *ps, struct word *w)
{
	uint32_t i = w->first + 1;

	if (ps->prev != ')')
		return;
	while (kind_at(ps, i) != KW_RESTRICT &&
		(kind_at(ps, i) == T_IDENT || kind_at(ps, i) == ',' || kind_at(ps, i) > KEYWORD_OWN))
		i++;
	if (kind_at(ps, i) == KW_RESTRICT) {
		w->kind = T_CYCLE;
		w->last = i + 1;
	}
}

static int type_or_unit(unsigned kind)
{
	switch (kind) {
	case KW_BIGINT:
	case KW_BLOB:
	case KW_CHARACTER:
	case KW_DEC:
	case KW_DECIMAL:
	case KW_DOUBLE:
	case KW_FLOAT:
	case KW_FLOAT4:
	case KW_FLOAT8:
	case KW_INT:
	case KW_INTEGER:
	case KW_LONG:
	case KW_MEDIUMINT:
	case KW_NUMERIC:
	case KW_PRECISION:
	case KW_REAL:
	case KW_SMALLINT:
	case KW_TINYINT:
	case KW_UNSIGNED:
	case KW_VARBINARY:
	case KW_VARCHAR:
	case KW_VARCHARACTER:
	case KW_VARYING:
	case KW_ZEROFILL: return T_TYPE;
	default: return is_unit(kind) ? T_UNIT : T_RESERVED;
	}
}

/* Reserved words that the grammar does not know by their own name. */
static int reserved_class(const struct parser *ps, unsigned kind, uint32_t i)
{
	switch (kind) {
	case KW_RLIKE: return T_REGEXP;
	case KW_DISTINCTROW: return T_DISTINCT;
	case KW_CURRENT_DATE:
	case KW_CURRENT_TIME:
	case KW_CURRENT_TIMESTAMP:
	case KW_CURRENT_USER:
	case KW_CURRENT_ROLE:
	case KW_LOCALTIME:
	case KW_LOCALTIMESTAMP:
	case KW_UTC_DATE:
	case KW_UTC_TIME:
	case KW_UTC_TIMESTAMP: return T_NOPAREN;
	case KW_IF:
	case KW_LEFT:
	case KW_RIGHT:
	case KW_REPLACE:
	case KW_INSERT:
	case KW_REPEAT:
	case KW_DATABASE:
	case KW_SCHEMA:
	case KW_GROUPING:
	case KW_RANK:
	case KW_DENSE_RANK:
	case KW_PERCENT_RANK:
	case KW_CUME_DIST:
	case KW_NTILE:
	case KW_LAG:
	case KW_LEAD:
	case KW_FIRST_VALUE:
	case KW_LAST_VALUE:
	case KW_NTH_VALUE:
	case KW_ROW_NUMBER:
		if (kind_at(ps, i + 1) == '(')
			return T_FUNC;
		break;
	default: break;
	}
	return kind < KEYWORD_OWN ? (int)kind : type_or_unit(kind);
}

static uint32_t select_option(unsigned kind)
{
	switch (kind) {
	case KW_SQL_SMALL_RESULT: return SQL_SEL_SMALL_RESULT;
	case KW_SQL_BIG_RESULT: return SQL_SEL_BIG_RESULT;
	case KW_SQL_BUFFER_RESULT: return SQL_SEL_BUFFER_RESULT;
	case KW_SQL_NO_CACHE: return SQL_SEL_NO_CACHE;
	case KW_SQL_CACHE: return SQL_SEL_CACHE;
	default: return SQL_SEL_CALC_FOUND_ROWS;
	}
}

static bool behind_select(unsigned prev)
{
	return prev == T_SELECT || prev == T_HINT || prev == T_SELECT_OPTION || prev == T_DISTINCT || prev == T_ALL ||
	       prev == T_STRAIGHT_JOIN || prev == T_HIGH_PRIORITY;
}

static bool query_begins(unsigned kind)
{
	return kind == T_SELECT || kind == '(' || kind == T_ALL || kind == T_DISTINCT || kind == KW_VALUES ||
	       kind == T_TABLE;
}

/* Words that are keywords in some places only. w->kind is what the word is otherwise; it stays unless one is found. */
static void read_contextual(struct parser *ps, struct word *w, unsigned kind)
{
	uint32_t i = w->first;
	unsigned next = kind_at(ps, i + 1), next2 = kind_at(ps, i + 2);

	switch (kind) {
	case KW_ANY:
	case KW_SOME:
		if (next == '(' && is_compare(ps->prev))
			w->kind = T_ANY;
		break;
	case KW_ESCAPE:
		if (is_operand_end(ps->prev) && next != ',' && next != ')' && next != '.' && next)
			w->kind = T_ESCAPE;
		break;
	case KW_AGAINST:
		if ((ps->prev == ')' || ps->prev == T_IDENT) && next == '(')
			w->kind = T_AGAINST;
		break;
	case KW_OFFSET:
		if (i >= 2 && ps->s->toks[i - 2].kind == KW_LIMIT &&
			(next == T_INT || next == T_PARAM || next == T_IDENT))
			w->kind = T_OFFSET;
		break;
	case KW_ROLLUP:
		if (ps->prev == T_WITH)
			w->kind = T_ROLLUP;
		break;
	case KW_ROW:
	case KW_ROWS:
		if (next == KW_ONLY) {
			take(w, T_FETCH_END, 2);
			w->u = 0;
		} else if (next == KW_WITH && next2 == KW_TIES) {
			take(w, T_FETCH_END, 3);
			w->u = 1;
		} else if (next == KW_FETCH) {
			w->kind = T_ROWS;
		} else if (kind == KW_ROW) {
			w->kind = next == '(' ? T_ROW : w->kind;
		} else if (w->kind == T_ROWS) {
			ps->frame = true;
		}
		break;
	case KW_RANGE:
	case KW_GROUPS: ps->frame = ps->frame || w->kind != T_IDENT; break;
	case KW_FETCH:
		if (next == KW_FIRST || next == KW_NEXT)
			take(w, T_FETCH, 2);
		break;
	case KW_OVER:
		if (ps->prev == ')' && (next == '(' || next == T_IDENT))
			w->kind = T_OVER;
		break;
	case KW_WINDOW:
		if (next2 == T_AS && kind_at(ps, i + 3) == '(')
			w->kind = T_WINDOW;
		break;
	case KW_RECURSIVE:
		if (ps->prev == T_WITH)
			w->kind = T_RECURSIVE;
		break;
	case KW_LATERAL:
		if (next == '(')
			w->kind = T_LATERAL;
		break;
	case KW_EXCEPT:
	case KW_INTERSECT:
		if (query_begins(next))
			w->kind = (int)kind;
		break;
	case KW_OF:
		if (ps->locking || ps->prev == T_MEMBER ||
			(ps->prev == T_AS && i >= 2 && ps->s->toks[i - 2].kind == KW_SYSTEM_TIME))
			w->kind = T_OF;
		break;
	case KW_MEMBER:
		if (next == KW_OF)
			w->kind = T_MEMBER;
		break;
	case KW_SOUNDS:
		if (next == T_LIKE)
			w->kind = T_SOUNDS;
		break;
	case KW_SHARE:
	case KW_NOWAIT:
	case KW_LOCKED:
	case KW_MODE:
		if (ps->locking)
			w->kind = (int)kind;
		break;
	case KW_SKIP:
		if (ps->locking && next == KW_LOCKED)
			w->kind = T_SKIP;
		break;
	case KW_WAIT:
		if (ps->locking && (next == T_INT || next == T_PARAM))
			w->kind = T_WAIT;
		break;
	case KW_UNKNOWN:
		if (ps->prev == T_IS || (ps->prev == T_NOT && i >= 2 && ps->s->toks[i - 2].kind == T_IS))
			w->kind = T_UNKNOWN;
		break;
	case KW_END:
		if (ps->cases) {
			ps->cases--;
			w->kind = T_END;
		}
		break;
	case KW_QUICK:
		if (ps->prev == T_DELETE || ps->prev == T_LOW_PRIORITY || ps->prev == T_HINT)
			w->kind = T_QUICK;
		break;
	case KW_SQL_NO_CACHE:
	case KW_SQL_CACHE:
	case KW_SQL_BUFFER_RESULT:
	case KW_SQL_SMALL_RESULT:
	case KW_SQL_BIG_RESULT:
	case KW_SQL_CALC_FOUND_ROWS:
		if (behind_select(ps->prev)) {
			w->kind = T_SELECT_OPTION;
			w->u = select_option(kind);
		}
		break;
	case KW_DATE:
	case KW_TIME:
	case KW_TIMESTAMP:
		if (next == T_STRING && ps->prev != '{')
			w->kind = T_TEMPORAL;
		break;
	case KW_CAST:
	case KW_EXTRACT:
	case KW_TRIM:
	case KW_POSITION:
		if (ps->s->toks[i].flags & TF_CALL)
			w->kind = (int)kind;
		break;
	case KW_SUBSTRING:
	case KW_SUBSTR:
	case KW_MID:
		if (ps->s->toks[i].flags & TF_CALL)
			w->kind = T_SUBSTRING;
		break;
	case KW_VALUE:
		if (ps->s->n_rows && ps->s->rows_tok == i + 1)
			w->kind = T_VALUES;
		break;
	case KW_JSON_TABLE:
		if (next == '(') {
			w->kind = T_JSON_TABLE;
			w->last = behind_parens(ps, i + 1);
		}
		break;
	case KW_NEXT:
	case KW_PREVIOUS:
		if (next == KW_VALUE && next2 == KW_FOR) {
			take(w, T_NEXT_VALUE, 3);
			w->u = kind == KW_NEXT ? SQL_OP_NEXT : SQL_OP_PREVIOUS;
		}
		break;
	case KW_WITHIN:
		if (ps->prev == ')' && next == T_GROUP)
			w->kind = T_WITHIN;
		break;
	case KW_RESPECT:
		if ((ps->prev == ')' || ps->prev == T_FROM_END) && next == KW_NULLS) {
			take(w, T_NULLS, 2);
			w->u = 1;
		}
		break;
	case KW_CYCLE: read_cycle(ps, w); break;
	case KW_UNBOUNDED:
		if (ps->frame)
			read_bound(ps, w, SQL_BOUND_UNBOUNDED_PRECEDING, SQL_BOUND_UNBOUNDED_FOLLOWING);
		break;
	case KW_CURRENT:
		if (ps->frame && next == KW_ROW) {
			take(w, T_BOUND, 2);
			w->u = SQL_BOUND_CURRENT;
		}
		break;
	case KW_PRECEDING:
	case KW_FOLLOWING:
		if (ps->frame)
			w->kind = kind == KW_PRECEDING ? T_PRECEDING : T_FOLLOWING;
		break;
	case KW_EXCLUDE:
		if (ps->frame)
			read_exclude(ps, w);
		break;
	default: break;
	}
}

/* Reserved words that begin a phrase or have several meanings. */
static void read_phrase(struct parser *ps, struct word *w, unsigned kind)
{
	uint32_t i = w->first;
	unsigned next = kind_at(ps, i + 1), next2 = kind_at(ps, i + 2);

	switch (kind) {
	case KW_VALUES: read_values(ps, w); break;
	case KW_INTERVAL: read_interval(ps, w); break;
	case KW_FOR: read_for(ps, w); break;
	case KW_IN: read_match_mode(ps, w); break;
	case KW_WITH:
		if (next == KW_QUERY && next2 == KW_EXPANSION) {
			take(w, T_MATCH_MODE, 3);
			w->str = STR("WITH QUERY EXPANSION");
		}
		break;
	case KW_ON:
		if (next == KW_DUPLICATE && next2 == KW_KEY && kind_at(ps, i + 3) == KW_UPDATE) {
			take(w, T_ON_DUPLICATE, 4);
			ps->locking = false;
		}
		break;
	case KW_LOCK: ps->locking = next == KW_IN; break;
	case KW_INTO:
		if (next == KW_OUTFILE || next == KW_DUMPFILE)
			read_into_file(ps, w);
		break;
	case KW_FROM:
		if ((next == KW_FIRST || next == KW_LAST) && ps->prev == ')' &&
			(next2 == KW_OVER || next2 == KW_RESPECT || next2 == KW_IGNORE)) {
			take(w, T_FROM_END, 2);
			w->u = next == KW_FIRST ? 1 : 2;
		}
		break;
	case KW_IGNORE:
		if (next == KW_NULLS && (ps->prev == ')' || ps->prev == T_FROM_END)) {
			take(w, T_NULLS, 2);
			w->u = 2;
			break;
		}
		/* fall through */
	case KW_USE:
	case KW_FORCE:
		if (is_hint_word(ps, i))
			read_index_hints(ps, w);
		break;
	case KW_CASE: ps->cases++; break;
	case KW_NOT:
		if (ps->mode->flags & SCAN_HIGH_NOT_PRECEDENCE)
			w->kind = T_NOT2;
		break;
	default: break;
	}
}

void word_read(struct parser *ps, struct word *w)
{
	const struct scan_tok *t = &ps->s->toks[w->first];
	bool reserved = t->flags & TF_RESERVED;

	w->kind = t->kind;
	if (t->kind == ')') {
		ps->locking = false;
		if (ps->prev == T_PRECEDING || ps->prev == T_FOLLOWING || ps->prev == T_BOUND || ps->prev == T_EXCLUDE)
			ps->frame = false;
	}
	if (t->kind < 256 || (t->kind >= T_INT && t->kind <= T_ASSIGN))
		return;
	if (!reserved && t->kind == T_NULL) /* \N */
		return;
	if (!reserved && ps->prev == '.') {
		w->kind = T_IDENT;
		return;
	}
	w->kind = reserved ? reserved_class(ps, t->kind, w->first) : T_IDENT;
	read_contextual(ps, w, t->kind);
	if (reserved)
		read_phrase(ps, w, t->kind);
}
