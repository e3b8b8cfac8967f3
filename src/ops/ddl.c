/* ddl.c - reads an ALTER TABLE clause by clause and lets pass what two unlike sides can live with.
 * For side alter.
 * Pure. */
#include "ddl.h"
#include "keyway/sql/parse.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

/* The tokens of the statement as words. */
struct words {
	const struct scan *s;
	struct str text;
	uint32_t i, end;  /* the clause being read */
	bool adds, drops; /* columns, in any clause so far */
};

static struct str word(const struct words *w, uint32_t ahead)
{
	uint32_t i = w->i + ahead;

	if (i >= w->end)
		return STR("");
	return str_make(w->text.p + w->s->toks[i].off, w->s->toks[i].len);
}

static bool is(const struct words *w, uint32_t ahead, const char *text)
{
	return str_ieqz(word(w, ahead), text);
}

static bool accept(struct words *w, const char *text)
{
	if (!is(w, 0, text))
		return false;
	w->i++;
	return true;
}

static bool has_word(const struct words *w, const char *text)
{
	for (uint32_t i = 0; w->i + i < w->end; i++) {
		if (is(w, i, text))
			return true;
	}
	return false;
}

static bool is_one_of(const struct words *w, const char *const *list)
{
	for (; *list; list++) {
		if (is(w, 0, *list))
			return true;
	}
	return false;
}

static struct str clause_text(const struct words *w, uint32_t from)
{
	const struct scan_tok *a = &w->s->toks[from], *z = &w->s->toks[w->end - 1];

	return str_make(w->text.p + a->off, z->off + z->len - a->off);
}

static int refuse(const struct words *w, uint32_t from, const char *why, struct err *err)
{
	struct str c = clause_text(w, from);

	return err_set(err, ERR_UNSUPPORTED, ER_NOT_SUPPORTED_YET,
		"'%.*s' cannot be done side by side: %s. Nothing was changed", (int)MIN(c.n, 120u), c.p, why);
}

/* Words in a column's definition that make it more than a value of its own. */
static const struct {
	const char *word, *why;
} definition_words[] = {
	{ "UNIQUE", "a unique index that the other side does not have lets it write rows which then stop replication" },
	{ "PRIMARY", "the primary key is how the other side finds rows" },
	{ "KEY", "the primary key is how the other side finds rows" },
	{ "AUTO_INCREMENT", "each side would number the rows there are by itself" },
	{ "REFERENCES", "a foreign key is checked on one side only until both have it" },
	{ "CHECK", "a check is made on one side only until both have it" },
	{ "GENERATED", "what a generated column holds was not tried between unlike sides" },
	{ "AS", "what a generated column holds was not tried between unlike sides" },
	{ "INVISIBLE", "invisible columns were not tried between unlike sides" },
	{ "VERSIONING", "system versioning was not tried between unlike sides" },
};

static int check_definition(const struct words *w, uint32_t from, struct err *err)
{
	for (size_t i = 0; i < ARRAY_N(definition_words); i++) {
		if (has_word(w, definition_words[i].word))
			return refuse(w, from, definition_words[i].why, err);
	}
	return 0;
}

static void accept_if_exists(struct words *w)
{
	if (!accept(w, "IF"))
		return;
	(void)accept(w, "NOT");
	(void)accept(w, "EXISTS");
}

static int clause_add(struct words *w, uint32_t from, struct err *err)
{
	static const char *const plain_index[] = { "INDEX", "KEY", "FULLTEXT", "SPATIAL", NULL };
	static const char *const unique[] = { "UNIQUE", "PRIMARY", NULL };
	static const char *const constraint[] = { "CONSTRAINT", "FOREIGN", "CHECK", "PERIOD", "SYSTEM", NULL };

	if (is_one_of(w, unique))
		return refuse(w, from,
			"a unique index that the other side does not have lets it write rows which then stop "
			"replication",
			err);
	if (is_one_of(w, constraint))
		return refuse(w, from, "a constraint would hold on one side only until both have it", err);
	if (is(w, 0, "PARTITION"))
		return refuse(w, from, "partitions were not tried between unlike sides", err);
	if (is_one_of(w, plain_index))
		return 0;
	(void)accept(w, "COLUMN");
	accept_if_exists(w);
	w->adds = true;
	return check_definition(w, from, err);
}

static int clause_drop(struct words *w, uint32_t from, struct err *err)
{
	static const char *const constraint[] = { "PRIMARY", "FOREIGN", "CONSTRAINT", "CHECK", "PARTITION", "SYSTEM",
		"PERIOD", NULL };

	/* an index that is unique is found by comparing the table before and after, a column that is not the last too
	 */
	if (is_one_of(w, constraint))
		return refuse(w, from, "keys, constraints and partitions have to be the same on both sides", err);
	w->drops = w->drops || !(is(w, 0, "INDEX") || is(w, 0, "KEY"));
	return 0;
}

static int clause_modify(struct words *w, uint32_t from, struct err *err)
{
	(void)accept(w, "COLUMN");
	accept_if_exists(w);
	return check_definition(w, from, err);
}

static int clause_change(struct words *w, uint32_t from, struct err *err)
{
	return clause_modify(w, from, err); /* a new name is found by comparing */
}

static int clause_alter(struct words *w, uint32_t from, struct err *err)
{
	static const char *const other[] = { "INDEX", "KEY", "CHECK", "CONSTRAINT", NULL };

	if (is_one_of(w, other))
		return refuse(w, from, "only ALTER COLUMN … SET DEFAULT and DROP DEFAULT are", err);
	return 0;
}

static int clause_rename(struct words *w, uint32_t from, struct err *err)
{
	if (is(w, 0, "INDEX") || is(w, 0, "KEY"))
		return 0;
	return refuse(
		w, from, "a name that only one side knows breaks replication, or gives a column another meaning", err);
}

static int clause_engine(struct words *w, uint32_t from, struct err *err)
{
	(void)accept(w, "=");
	if (is(w, 0, "InnoDB") || is(w, 0, "'InnoDB'"))
		return 0;
	return refuse(w, from, "only InnoDB keeps rows and their position in the stream together", err);
}

static int clause_harmless(struct words *w, uint32_t from, struct err *err)
{
	(void)w;
	(void)from;
	(void)err;
	return 0;
}

static const struct {
	const char *word;
	int (*check)(struct words *w, uint32_t from, struct err *err);
} clauses[] = {
	{ "ADD", clause_add },
	{ "DROP", clause_drop },
	{ "MODIFY", clause_modify },
	{ "CHANGE", clause_change },
	{ "ALTER", clause_alter },
	{ "RENAME", clause_rename },
	{ "ENGINE", clause_engine },
	{ "FORCE", clause_harmless },
	{ "COMMENT", clause_harmless },
	{ "ROW_FORMAT", clause_harmless },
	{ "KEY_BLOCK_SIZE", clause_harmless },
	{ "STATS_PERSISTENT", clause_harmless },
	{ "STATS_AUTO_RECALC", clause_harmless },
	{ "STATS_SAMPLE_PAGES", clause_harmless },
	{ "ALGORITHM", clause_harmless },
	{ "LOCK", clause_harmless },
};

static int check_clause(struct words *w, struct err *err)
{
	uint32_t from = w->i;

	for (size_t i = 0; i < ARRAY_N(clauses); i++) {
		if (accept(w, clauses[i].word))
			return clauses[i].check(w, from, err);
	}
	return refuse(w, from, "it is not among the changes that were tried between unlike sides", err);
}

/* The end of the clause that begins at @i: at a comma outside parentheses. */
static uint32_t clause_end(const struct words *w, uint32_t i, uint32_t end)
{
	int depth = 0;

	for (; i < end; i++) {
		char c = w->text.p[w->s->toks[i].off];

		if (w->s->toks[i].len != 1)
			continue;
		depth += c == '(' ? 1 : c == ')' ? -1 : 0;
		if (c == ',' && depth == 0)
			break;
	}
	return i;
}

static int check_clauses(const struct scan *s, struct str text, uint32_t from, uint32_t end, struct err *err)
{
	struct words w = { .s = s, .text = text, .i = from };
	int rc = 0;

	if (from == end)
		return err_set(err, ERR_SYNTAX, ER_PARSE_ERROR, "the ALTER TABLE changes nothing");
	for (uint32_t i = from; rc == 0 && i <= end;) {
		w.i = i;
		w.end = clause_end(&w, i, end);
		if (w.end == w.i)
			return err_set(err, ERR_SYNTAX, ER_PARSE_ERROR, "a clause of the ALTER TABLE is empty");
		i = w.end + 1;
		rc = check_clause(&w, err);
	}
	/* a column dropped and added again looks the same before and after, and has lost its values */
	if (rc == 0 && w.adds && w.drops)
		rc = err_set(err, ERR_UNSUPPORTED, ER_NOT_SUPPORTED_YET,
			"columns cannot be dropped and added side by side in one statement: do it in two");
	return rc;
}

static int read_alter(const struct scan *s, struct str text, const struct sql_stmt *st, struct arena *a,
	struct ddl *out, struct err *err)
{
	const struct sql_ddl *d = st->ddl;
	const struct sql_name *n;
	uint32_t from, to, i;

	if (st->kind != SQL_S_ALTER || d->object != SQL_OBJ_TABLE || d->names.n != 1)
		return err_set(err, ERR_UNSUPPORTED, ER_NOT_SUPPORTED_YET,
			"only ALTER TABLE can be done side by side: other statements are run through Keyway");
	if (d->head.tok != d->head.tok_end)
		return err_set(err, ERR_UNSUPPORTED, ER_NOT_SUPPORTED_YET,
			"ALTER IGNORE and ALTER ONLINE are not among the forms that were tried: leave the word out");
	n = &d->names.v[0];
	if (n->db.n)
		return err_set(err, ERR_UNSUPPORTED, ER_NOT_SUPPORTED_YET,
			"leave the database out of the table's name: it is the shard's own");
	from = s->toks[n->tok].off;
	to = s->toks[n->tok_end - 1].off + s->toks[n->tok_end - 1].len;
	out->text = arena_str(a, str_make(text.p, s->end));
	out->table = arena_str(a, n->name);
	out->before_name = arena_str(a, str_make(text.p, from));
	out->after_name = arena_str(a, str_make(text.p + to, s->end - to));
	i = d->rest.tok;
	/* WAIT n, NOWAIT stand between name and clauses */
	if (i < d->rest.tok_end && s->toks[i].len == 6 && strncasecmp(text.p + s->toks[i].off, "NOWAIT", 6) == 0)
		i++;
	else if (i + 1 < d->rest.tok_end && s->toks[i].len == 4 && strncasecmp(text.p + s->toks[i].off, "WAIT", 4) == 0)
		i += 2;
	return check_clauses(s, text, i, d->rest.tok_end, err);
}

int ddl_read(struct str text, struct arena *a, struct ddl *out, struct err *err)
{
	struct scan_mode mode = { .family = SCAN_MARIADB, .server_version = 101100 };
	struct sql_stmt *st;
	struct scan s;
	int rc;

	*out = (struct ddl){ 0 };
	scan_init(&s);
	rc = sql_scan(&s, text, &mode, err);
	if (rc == 0 && s.broken)
		rc = err_set(err, ERR_SYNTAX, ER_PARSE_ERROR, "the statement cannot be read: %s", s.broken_why);
	if (rc == 0 && s.more)
		rc = err_set(err, ERR_UNSUPPORTED, ER_NOT_SUPPORTED_YET, "one statement at a time");
	if (rc == 0 && (s.flags & (SCAN_F_EXEC_COMMENT | SCAN_F_SKIPPED_COMMENT)))
		rc = err_set(err, ERR_UNSUPPORTED, ER_NOT_SUPPORTED_YET,
			"executable comments are not understood here: write the statement without them");
	if (rc == 0)
		rc = sql_parse_scanned(&s, text, &mode, a, &st, err);
	if (rc == 0)
		rc = read_alter(&s, text, st, a, out, err);
	scan_free(&s);
	return rc;
}

void ddl_add_for(struct buf *b, const struct ddl *d, const char *database, const char *table)
{
	buf_add_str(b, d->before_name);
	for (int i = 0; i < 2; i++) {
		buf_add_u8(b, '`');
		for (const char *p = i ? table : database; *p; p++) {
			if (*p == '`')
				buf_add_u8(b, '`');
			buf_add_u8(b, (uint8_t)*p);
		}
		buf_addz(b, i ? "`" : "`.");
	}
	buf_add_str(b, d->after_name);
}
