/* test_brute.c - random statements over random rows: what the shards of the route answer together must be what one
 * server with all rows answers. A small engine joins and filters in C, once over all rows and once shard by shard.
 * For src/plan. One thread. */
#include <check.h>
#include "keyway/plan/plan.h"
#include "keyway/sql/scan.h"
#include "world.h"

#define TABLES 4 /* t0 t1 t2 sharded, r a reference table */
#define ROWS   10
#define COLS   4 /* id, k (the key), a, b */
#define SLOTS  4 /* tables joined, and the one of a subquery */
#define NIL    INT64_MIN
#define SHARDS 64
#define ROUNDS 1500

struct row {
	int64_t v[COLS];
	uint32_t shard;
};

struct data {
	struct row rows[TABLES][ROWS];
};

enum cond_kind { C_CMP, C_COLS, C_IN, C_BETWEEN, C_ISNULL, C_AND, C_OR, C_NOT, C_EXISTS, C_INSUB };

struct cond {
	enum cond_kind kind;
	int slot, col, slot2, col2;
	char op; /* = < > n (<>) */
	bool negated, quoted, half;
	int64_t v[3];
	int n;
	int table; /* of a subquery */
	struct cond *kid[2];
};

struct query {
	int n;
	int table[SLOTS];
	char join[SLOTS]; /* I L R, of slot i to those before */
	struct cond *on[SLOTS];
	struct cond *inside[SLOTS]; /* the slot is a derived table with this WHERE */
	bool using;		    /* the first join is written with USING (k) */
	struct cond *where;
	enum { ROWS_ALL, ROWS_DISTINCT, ROWS_GROUPED, ROWS_COUNTED } rows;
	int slot, col; /* what is selected, unless ROWS_ALL */
	char then;     /* 0; A UNION ALL, U UNION, E EXCEPT with another query of one column */
	struct query *other;
};

struct tuple {
	const struct row *row[SLOTS]; /* NULL: null-extended */
};

static struct arena mem;
static uint64_t seed;
static const struct data *all;
static int64_t only; /* the shard looked at, -1: all rows */

static uint32_t rnd(uint32_t n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 33) % n;
}

/* ---- making statements ---------------------------------------------------------------------------------------- */

static int64_t rnd_value(void)
{
	return (int64_t)rnd(14) - 3;
}

static struct cond *cond_new(enum cond_kind kind)
{
	struct cond *c = arena_new(&mem, struct cond);

	c->kind = kind;
	return c;
}

static int rnd_col(void)
{
	return rnd(3) ? 1 : 2 + (int)rnd(2); /* the key more often than not */
}

static struct cond *make_cond(int slots, int depth, bool sub);

static struct cond *make_atom(int slots, bool sub)
{
	struct cond *c;

	switch (rnd(sub ? 9 : 7)) {
	case 0:
	case 1:
		c = cond_new(C_COLS);
		c->slot = (int)rnd((uint32_t)slots);
		c->slot2 = (int)rnd((uint32_t)slots);
		c->col = rnd_col();
		c->col2 = rnd_col();
		return c;
	case 2:
		c = cond_new(C_IN);
		c->n = 1 + (int)rnd(3);
		break;
	case 3: c = cond_new(C_BETWEEN); break;
	case 4:
		c = cond_new(rnd(3) ? C_CMP : C_ISNULL);
		c->op = "=<>n"[rnd(4)];
		break;
	case 7:
		c = cond_new(C_EXISTS);
		c->table = (int)rnd(TABLES);
		c->kid[0] = make_cond(slots + 1, 1, false);
		if (rnd(2)) {
			/* correlated by the key */
			struct cond *both = cond_new(C_AND), *eq = cond_new(C_COLS);

			eq->slot = slots;
			eq->slot2 = (int)rnd((uint32_t)slots);
			eq->col = eq->col2 = 1;
			both->kid[0] = eq;
			both->kid[1] = c->kid[0];
			c->kid[0] = both;
		}
		c->slot2 = slots;
		break;
	case 8:
		c = cond_new(C_INSUB);
		c->table = (int)rnd(TABLES);
		c->col2 = rnd(3) ? 1 : 2;
		c->slot2 = slots;
		c->kid[0] = make_cond(slots + 1, 0, false);
		break;
	default:
		c = cond_new(C_CMP);
		c->op = '=';
		c->quoted = rnd(4) == 0;
		c->half = rnd(8) == 0;
		break;
	}
	c->slot = (int)rnd((uint32_t)slots);
	c->col = rnd_col();
	c->negated = rnd(4) == 0;
	for (int i = 0; i < 3; i++)
		c->v[i] = rnd_value();
	if (c->kind == C_IN && rnd(6) == 0)
		c->v[0] = NIL;
	return c;
}

static struct cond *make_cond(int slots, int depth, bool sub)
{
	struct cond *c;
	uint32_t pick = rnd(8);

	if (depth == 0 || pick < 2)
		return make_atom(slots, sub);
	c = cond_new(pick == 7 ? C_NOT : pick == 6 ? C_OR : C_AND);
	c->kid[0] = make_cond(slots, depth - 1, sub);
	if (c->kind != C_NOT)
		c->kid[1] = make_cond(slots, depth - 1, sub);
	return c;
}

static struct cond *make_on(int slot)
{
	struct cond *eq = cond_new(C_COLS), *both;

	eq->slot = (int)rnd((uint32_t)slot);
	eq->slot2 = slot;
	eq->col = eq->col2 = 1;
	if (rnd(8) == 0)
		eq->col = 2;
	if (rnd(2))
		return eq;
	both = cond_new(C_AND);
	both->kid[0] = eq;
	both->kid[1] = make_cond(slot + 1, 1, false);
	return both;
}

static void shift(struct cond *c, int by)
{
	if (!c)
		return;
	c->slot += by;
	c->slot2 += by;
	shift(c->kid[0], by);
	shift(c->kid[1], by);
}

static void make_query(struct query *q, bool other)
{
	memset(q, 0, sizeof(*q));
	q->n = 1 + (int)rnd(3);
	for (int i = 0; i < q->n; i++) {
		q->table[i] = (int)rnd(TABLES);
		q->join[i] = "IILLR"[rnd(5)];
		if (i)
			q->on[i] = make_on(i);
		if (rnd(6) == 0) {
			q->inside[i] = make_cond(1, 1, false);
			shift(q->inside[i], i);
		}
	}
	q->using = q->n > 1 && q->on[1]->kind == C_COLS && q->on[1]->col == 1 && rnd(2);
	if (rnd(5))
		q->where = make_cond(q->n, 2, true);
	q->slot = (int)rnd((uint32_t)q->n);
	q->col = rnd(3) ? 1 : 2;
	if (other || rnd(3) == 0) {
		q->rows = other ? ROWS_DISTINCT : (int)rnd(4);
		if (!other && q->rows == ROWS_DISTINCT && rnd(2)) {
			q->then = "AUE"[rnd(3)];
			q->other = arena_new(&mem, struct query);
			make_query(q->other, true);
		}
	}
}

static const char *const col_names[COLS] = { "id", "k", "a", "b" };
static const char *const table_names[TABLES] = { "t0", "t1", "t2", "r" };

static void print_cond(struct buf *b, const struct cond *c)
{
	buf_addz(b, "(");
	switch (c->kind) {
	case C_CMP:
		buf_addf(b, "s%d.%s %s ", c->slot, col_names[c->col], c->op == 'n' ? "<>" : (char[]){ c->op, '\0' });
		if (c->half)
			buf_addf(b, "%lld.5", (long long)c->v[0]);
		else
			buf_addf(b, c->quoted ? "'%lld'" : "%lld", (long long)c->v[0]);
		break;
	case C_COLS: buf_addf(b, "s%d.%s = s%d.%s", c->slot, col_names[c->col], c->slot2, col_names[c->col2]); break;
	case C_IN:
		buf_addf(b, "s%d.%s %sIN (", c->slot, col_names[c->col], c->negated ? "NOT " : "");
		for (int i = 0; i < c->n; i++) {
			if (c->v[i] == NIL)
				buf_addf(b, "%sNULL", i ? ", " : "");
			else
				buf_addf(b, "%s%lld", i ? ", " : "", (long long)c->v[i]);
		}
		buf_addz(b, ")");
		break;
	case C_BETWEEN:
		buf_addf(b, "s%d.%s %sBETWEEN %lld AND %lld", c->slot, col_names[c->col], c->negated ? "NOT " : "",
			(long long)c->v[0], (long long)c->v[1]);
		break;
	case C_ISNULL: buf_addf(b, "s%d.%s IS %sNULL", c->slot, col_names[c->col], c->negated ? "NOT " : ""); break;
	case C_AND:
	case C_OR:
		print_cond(b, c->kid[0]);
		buf_addz(b, c->kind == C_AND ? " AND " : " OR ");
		print_cond(b, c->kid[1]);
		break;
	case C_NOT:
		buf_addz(b, "NOT ");
		print_cond(b, c->kid[0]);
		break;
	case C_EXISTS:
		buf_addf(b, "%sEXISTS (SELECT 1 FROM %s s%d WHERE ", c->negated ? "NOT " : "", table_names[c->table],
			c->slot2);
		print_cond(b, c->kid[0]);
		buf_addz(b, ")");
		break;
	case C_INSUB:
		buf_addf(b, "s%d.%s %sIN (SELECT s%d.%s FROM %s s%d WHERE ", c->slot, col_names[c->col],
			c->negated ? "NOT " : "", c->slot2, col_names[c->col2], table_names[c->table], c->slot2);
		print_cond(b, c->kid[0]);
		buf_addz(b, ")");
		break;
	}
	buf_addz(b, ")");
}

static void print_query(struct buf *b, const struct query *q)
{
	const char *col = col_names[q->col];

	buf_addz(b, "SELECT ");
	for (int i = 0; q->rows == ROWS_ALL && i < q->n; i++)
		buf_addf(b, "%ss%d.id", i ? ", " : "", i);
	if (q->rows == ROWS_DISTINCT)
		buf_addf(b, "DISTINCT s%d.%s", q->slot, col);
	else if (q->rows == ROWS_GROUPED)
		buf_addf(b, "s%d.%s, COUNT(*)", q->slot, col);
	else if (q->rows == ROWS_COUNTED)
		buf_addz(b, "COUNT(*)");
	buf_addz(b, " FROM ");
	for (int i = 0; i < q->n; i++) {
		if (i)
			buf_addf(b, "%s JOIN ", q->join[i] == 'I' ? "" : q->join[i] == 'L' ? " LEFT" : " RIGHT");
		if (q->inside[i]) {
			buf_addf(b, "(SELECT id, k, a, b FROM %s s%d WHERE ", table_names[q->table[i]], i);
			print_cond(b, q->inside[i]);
			buf_addf(b, ") s%d", i);
		} else {
			buf_addf(b, "%s s%d", table_names[q->table[i]], i);
		}
		if (i == 1 && q->using) {
			buf_addz(b, " USING (k)");
		} else if (i) {
			buf_addz(b, " ON ");
			print_cond(b, q->on[i]);
		}
	}
	if (q->where) {
		buf_addz(b, " WHERE ");
		print_cond(b, q->where);
	}
	if (q->rows == ROWS_GROUPED)
		buf_addf(b, " GROUP BY s%d.%s", q->slot, col);
	if (q->then) {
		buf_addz(b, q->then == 'A' ? " UNION ALL " : q->then == 'U' ? " UNION " : " EXCEPT ");
		print_query(b, q->other);
	}
}

/* ---- answering them: 1 true, 0 false, -1 unknown ---------------------------------------------------------------- */

static int64_t col_of(const struct tuple *t, int slot, int col)
{
	return t->row[slot] ? t->row[slot]->v[col] : NIL;
}

static int eval(const struct cond *c, const struct tuple *t);

static int not3(int v)
{
	return v < 0 ? v : !v;
}

/* Twice the value, so that halves are whole. */
static int cmp3(int64_t a, char op, int64_t twice)
{
	if (a == NIL || twice == NIL)
		return -1;
	a *= 2;
	return op == '=' ? a == twice : op == '<' ? a < twice : op == '>' ? a > twice : a != twice;
}

static bool row_here(int table, const struct row *r)
{
	return only < 0 || table == TABLES - 1 || r->shard == (uint32_t)only;
}

static int eval_sub(const struct cond *c, const struct tuple *t)
{
	struct tuple in = *t;
	int64_t left = col_of(t, c->slot, c->col);
	bool any = false, null = false, hit = false;

	for (int i = 0; i < ROWS; i++) {
		int64_t v;

		in.row[c->slot2] = &all->rows[c->table][i];
		if (!row_here(c->table, in.row[c->slot2]) || eval(c->kid[0], &in) != 1)
			continue;
		any = true;
		v = col_of(&in, c->slot2, c->col2);
		null |= v == NIL;
		hit |= v != NIL && v == left;
	}
	if (c->kind == C_EXISTS)
		return any;
	if (!any)
		return 0;
	if (left == NIL)
		return -1;
	return hit ? 1 : null ? -1 : 0;
}

static int eval(const struct cond *c, const struct tuple *t)
{
	int64_t v;
	int a, b, r = 0;

	switch (c->kind) {
	case C_CMP:
		/* -3.5 is printed for v = -3 with half set */
		return cmp3(col_of(t, c->slot, c->col), c->op, c->v[0] * 2 + (c->half ? (c->v[0] < 0 ? -1 : 1) : 0));
	case C_COLS:
		v = col_of(t, c->slot2, c->col2);
		return cmp3(col_of(t, c->slot, c->col), '=', v == NIL ? NIL : v * 2);
	case C_IN:
		v = col_of(t, c->slot, c->col);
		if (v == NIL)
			return -1;
		for (int i = 0; i < c->n && r != 1; i++)
			r = c->v[i] == v ? 1 : c->v[i] == NIL ? -1 : r;
		return c->negated ? not3(r) : r;
	case C_BETWEEN:
		v = col_of(t, c->slot, c->col);
		r = v == NIL ? -1 : v >= c->v[0] && v <= c->v[1];
		return c->negated ? not3(r) : r;
	case C_ISNULL: return (col_of(t, c->slot, c->col) == NIL) != c->negated;
	case C_AND:
		a = eval(c->kid[0], t);
		b = eval(c->kid[1], t);
		return a == 0 || b == 0 ? 0 : a < 0 || b < 0 ? -1 : 1;
	case C_OR:
		a = eval(c->kid[0], t);
		b = eval(c->kid[1], t);
		return a == 1 || b == 1 ? 1 : a < 0 || b < 0 ? -1 : 0;
	case C_NOT: return not3(eval(c->kid[0], t));
	case C_EXISTS:
	case C_INSUB: r = eval_sub(c, t); return c->negated ? not3(r) : r;
	}
	return 0;
}

struct tuples {
	struct tuple v[ROWS * ROWS * ROWS * 4];
	uint32_t n;
};

/* Rows of an answer: what is selected as one number, and a count. */
struct answer {
	struct answer_row {
		int64_t what, count;
	} v[ROWS * ROWS * ROWS * 16];
	uint32_t n;
};

static void add_tuple(struct tuples *to, const struct tuple *t)
{
	ck_assert_uint_lt(to->n, ARRAY_N(to->v));
	to->v[to->n++] = *t;
}

static bool in_slot(const struct query *q, int slot, struct tuple *t, int row)
{
	t->row[slot] = &all->rows[q->table[slot]][row];
	return row_here(q->table[slot], t->row[slot]) && (!q->inside[slot] || eval(q->inside[slot], t) == 1);
}

static void join(const struct query *q, int slot, const struct tuples *left, struct tuples *out)
{
	static bool matched[ROWS];
	struct tuple t;

	out->n = 0;
	memset(matched, 0, sizeof(matched));
	for (uint32_t i = 0; i < left->n; i++) {
		bool any = false;

		for (int j = 0; j < ROWS; j++) {
			t = left->v[i];
			if (!in_slot(q, slot, &t, j) || eval(q->on[slot], &t) != 1)
				continue;
			any = matched[j] = true;
			add_tuple(out, &t);
		}
		t = left->v[i];
		t.row[slot] = NULL;
		if (!any && q->join[slot] == 'L')
			add_tuple(out, &t);
	}
	for (int j = 0; j < ROWS && q->join[slot] == 'R'; j++) {
		memset(&t, 0, sizeof(t));
		if (in_slot(q, slot, &t, j) && !matched[j])
			add_tuple(out, &t);
	}
}

static struct answer_row *find_row(struct answer *a, uint32_t from, int64_t what)
{
	for (uint32_t i = from; i < a->n; i++) {
		if (a->v[i].what == what)
			return &a->v[i];
	}
	return NULL;
}

static struct answer_row *add_row(struct answer *a, int64_t what)
{
	ck_assert_uint_lt(a->n, ARRAY_N(a->v));
	a->v[a->n] = (struct answer_row){ .what = what };
	return &a->v[a->n++];
}

static int64_t row_name(const struct query *q, const struct tuple *t)
{
	int64_t key = 0;

	if (q->rows == ROWS_COUNTED)
		return 0;
	if (q->rows != ROWS_ALL)
		return col_of(t, q->slot, q->col);
	for (int j = 0; j < q->n; j++)
		key = key * (ROWS + 1) + (t->row[j] ? t->row[j]->v[0] + 1 : 0);
	return key;
}

/* Appends what one server that has the rows of `only` answers. */
static void answer(const struct query *q, struct answer *out)
{
	static struct tuples a, b;
	struct tuples *now = &a, *next = &b, *swap;
	struct tuple t = { { NULL } };
	uint32_t from = out->n, mid;

	now->n = 0;
	for (int i = 0; i < ROWS; i++) {
		if (in_slot(q, 0, &t, i))
			add_tuple(now, &t);
	}
	for (int i = 1; i < q->n; i++) {
		join(q, i, now, next);
		swap = now;
		now = next;
		next = swap;
	}
	if (q->rows == ROWS_COUNTED)
		add_row(out, 0);
	for (uint32_t i = 0; i < now->n; i++) {
		struct answer_row *r = NULL;

		if (q->where && eval(q->where, &now->v[i]) != 1)
			continue;
		if (q->rows != ROWS_ALL)
			r = find_row(out, from, row_name(q, &now->v[i]));
		if (!r)
			r = add_row(out, row_name(q, &now->v[i]));
		if (q->rows == ROWS_GROUPED || q->rows == ROWS_COUNTED)
			r->count++;
	}
	if (!q->then)
		return;
	mid = out->n;
	answer(q->other, out);
	if (q->then == 'A')
		return;
	for (uint32_t i = from; q->then == 'E' && i < mid; i++) {
		if (find_row(out, mid, out->v[i].what))
			out->v[i].count = -1;
	}
	if (q->then == 'E') {
		uint32_t n = from;

		for (uint32_t i = from; i < mid; i++) {
			if (out->v[i].count == 0)
				out->v[n++] = out->v[i];
		}
		out->n = n;
		return;
	}
	for (uint32_t i = mid; i < out->n; i++) {
		struct answer_row row = out->v[i];

		if (find_row(out, from, row.what) < &out->v[mid])
			continue;
		out->v[mid++] = row;
	}
	out->n = mid;
}

static int row_cmp(const void *x, const void *y)
{
	const struct answer_row *a = x, *b = y;

	if (a->what != b->what)
		return a->what < b->what ? -1 : 1;
	return a->count < b->count ? -1 : a->count > b->count;
}

static bool same_answers(struct answer *a, struct answer *b)
{
	if (a->n != b->n)
		return false;
	qsort(a->v, a->n, sizeof(a->v[0]), row_cmp);
	qsort(b->v, b->n, sizeof(b->v[0]), row_cmp);
	return memcmp(a->v, b->v, a->n * sizeof(a->v[0])) == 0;
}

/* ---- worlds ------------------------------------------------------------------------------------------------------ */

static const char shards_hex[] =
	"{\"range\": \"-40\", \"backends\": [{\"name\": \"a\", \"host\": \"h0\", \"role\": \"primary\"}]},"
	"{\"range\": \"40-80\", \"backends\": [{\"name\": \"b\", \"host\": \"h1\", \"role\": \"primary\"}]},"
	"{\"range\": \"80-c0\", \"backends\": [{\"name\": \"c\", \"host\": \"h2\", \"role\": \"primary\"}]},"
	"{\"range\": \"c0-\", \"backends\": [{\"name\": \"d\", \"host\": \"h3\", \"role\": \"primary\"}]}";
static const char shards_decimal[] =
	"{\"range\": \"..0\", \"backends\": [{\"name\": \"a\", \"host\": \"h0\", \"role\": \"primary\"}]},"
	"{\"range\": \"0..4\", \"backends\": [{\"name\": \"b\", \"host\": \"h1\", \"role\": \"primary\"}]},"
	"{\"range\": \"4..8\", \"backends\": [{\"name\": \"c\", \"host\": \"h2\", \"role\": \"primary\"}]},"
	"{\"range\": \"8..\", \"backends\": [{\"name\": \"d\", \"host\": \"h3\", \"role\": \"primary\"}]}";
static const char *const functions[] = {
	"\"function\": \"range\"",
	"\"function\": \"parity\"",
	"\"function\": \"hash\"",
	"\"function\": \"vitess_hash\"",
	"\"function\": \"directory\", \"entries\": {\"1\": \"10\", \"2\": \"50\", \"3\": \"90\", \"4\": \"d0\"}, "
	"\"fallback\": \"hash\"",
};

static void make_world(struct world *w, int function)
{
	char *json = xasprintf("{\"keyspace\": \"b\", \"epoch\": 1, \"sharding\": {%s}, \"shards\": [%s], \"tables\": {"
			       "\"t0\": {\"key\": \"k\"}, \"t1\": {\"key\": \"k\"}, \"t2\": {\"key\": \"k\"}, "
			       "\"r\": {\"kind\": \"reference\"}}}",
		functions[function], function == 0 ? shards_decimal : shards_hex);

	memset(w, 0, sizeof(*w));
	world_keyspace(w, json);
	world_schema(w, STR("b"),
		"t0: id int pk, k int, a int null, b int null\nt1: id int pk, k bigint, a int null, b int null\n"
		"t2: id int pk, k uint, a int null, b int null\nr: id int pk, k int null, a int null, b int null\n");
	world_finish(w, 1);
	free(json);
}

static void make_data(struct data *d, const struct world *w)
{
	const struct keyspace_view *view = snapshot_view(w->snapshot, w->map->keyspaces[0]);

	for (int t = 0; t < TABLES; t++) {
		for (int i = 0; i < ROWS; i++) {
			struct row *r = &d->rows[t][i];
			uint64_t id;

			r->v[0] = i;
			r->v[1] = rnd_value();
			if (t == 2 && r->v[1] < 0)
				r->v[1] = 0;
			r->v[2] = rnd(4) ? rnd_value() : NIL;
			r->v[3] = rnd(4) ? rnd_value() : NIL;
			if (t == TABLES - 1) {
				r->v[1] = rnd(6) ? r->v[1] : NIL;
				continue;
			}
			{
				const struct table_rule *rule = view_table_rule(view, str_of(table_names[t]));
				struct key_value v = key_value_int(r->v[1]);

				ck_assert_int_eq(
					sharding_key_id(&view_table_key(view, rule)->key, ROUTE_STORE, &v, &id, NULL),
					ROUTE_KEY);
				r->shard = keyspace_shard_of(w->map->keyspaces[0], id)->index;
			}
		}
	}
}

struct tally {
	uint32_t refused, any, one, some, all;
};

static void check_query(const struct world *w, const struct query *q, struct scan *scan, struct tally *tally)
{
	static struct answer whole, parts;
	struct scan_mode mode = { .server_version = 101100, .family = SCAN_MARIADB };
	struct plan_request rq = { .scan = scan, .mode = &mode, .snapshot = w->snapshot, .ks = w->map->keyspaces[0] };
	uint16_t shards[SHARDS];
	struct plan_target target = { .shards = shards };
	struct plan_values v = { .scan = scan, .mode = &mode, .charset = CHARSET_UTF8MB4 };
	struct err err = { 0 };
	struct buf text = { 0 };
	struct plan *p;

	print_query(&text, q);
	rq.text = v.text = str_make((const char *)buf_head(&text), buf_used(&text));
	ck_assert_int_eq(sql_scan(scan, rq.text, &mode, &err), 0);
	ck_assert_int_eq(plan_build(&rq, &p, &err), 0);
	if (p->kind == PLAN_REFUSE || plan_bind(p, &v, &target, &err) < 0) {
		ck_assert_msg(p->kind != PLAN_REFUSE || p->err.errno_ == ER_NOT_SUPPORTED_YET, "%s\n%.*s", p->err.msg,
			STR_ARG(rq.text));
		tally->refused++;
	} else {
		if (p->kind == PLAN_ANY)
			tally->any++;
		else if (target.n == 1)
			tally->one++;
		else if (target.n == 4)
			tally->all++;
		else
			tally->some++;
		whole.n = parts.n = 0;
		only = -1;
		answer(q, &whole);
		for (uint32_t i = 0; i < target.n; i++) {
			only = shards[i];
			answer(q, &parts);
		}
		ck_assert_msg(same_answers(&whole, &parts), "%s, %u shards, wrong answer: %.*s",
			plan_kind_name(p->kind), target.n, STR_ARG(rq.text));
	}
	plan_unref(p);
	buf_free(&text);
}

START_TEST(what_the_shards_say_together_is_the_answer)
{
	struct tally tally = { 0 };
	struct world w;
	struct data d;
	struct scan scan;
	struct query q;

	seed = 88172645463325252u + (uint64_t)_i;
	all = &d;
	scan_init(&scan);
	make_world(&w, _i);
	for (int i = 0; i < ROUNDS; i++) {
		if (i % 50 == 0)
			make_data(&d, &w);
		make_query(&q, false);
		check_query(&w, &q, &scan, &tally);
		arena_reset(&mem);
	}
	/* the test must not pass by refusing */
	ck_assert_uint_gt(tally.one, ROUNDS / 20);
	ck_assert_uint_gt(tally.some, ROUNDS / 150);
	ck_assert_uint_gt(tally.all, ROUNDS / 10);
	ck_assert_uint_gt(tally.any, ROUNDS / 100);
	ck_assert_uint_gt(tally.refused, ROUNDS / 10);
	arena_free(&mem);
	scan_free(&scan);
	world_free(&w);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("plan against brute force");
	TCase *t = tcase_create("functions");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_set_timeout(t, 100);
	tcase_add_loop_test(t, what_the_shards_say_together_is_the_answer, 0, (int)ARRAY_N(functions));
	suite_add_tcase(s, t);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
