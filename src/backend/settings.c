/* settings.c - interned sets of session settings. For sessions and pooled connections; one worker thread. */
#include "keyway/backend/settings.h"
#include "keyway/wire/proto.h"
#include <stdlib.h>
#include <stdio.h>
#include <uthash.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

/* A set in the table; its key is "name\0value\0" for each setting, in order. */
struct interned {
	struct settings pub;
	UT_hash_handle hh;
	size_t key_n;
	struct setting *v;
	char key[];
};

struct settings_table {
	struct interned *all;
};

struct settings_table *settings_table_new(void)
{
	return xcalloc(1, sizeof(struct settings_table));
}

static void interned_free(struct settings_table *t, struct interned *s)
{
	HASH_DEL(t->all, s);
	free(s->v);
	free(s);
}

void settings_table_free(struct settings_table *t)
{
	struct interned *s, *tmp;

	if (!t)
		return;
	HASH_ITER (hh, t->all, s, tmp)
		interned_free(t, s);
	free(t);
}

const struct settings *settings_ref(const struct settings *s)
{
	((struct settings *)(uintptr_t)s)->refs++;
	return s;
}

void settings_unref(struct settings_table *t, const struct settings *s)
{
	struct settings *m = (struct settings *)(uintptr_t)s;

	if (m && --m->refs == 0)
		interned_free(t, container_of(m, struct interned, pub));
}

uint32_t settings_sql_mode_bits(struct str list)
{
	static const struct {
		const char *name;
		uint32_t bits;
	} modes[] = {
		{ "ANSI_QUOTES", SQL_MODE_ANSI_QUOTES },
		{ "NO_BACKSLASH_ESCAPES", SQL_MODE_NO_BACKSLASH_ESCAPES },
		{ "IGNORE_SPACE", SQL_MODE_IGNORE_SPACE },
		{ "PIPES_AS_CONCAT", SQL_MODE_PIPES_AS_CONCAT },
		{ "HIGH_NOT_PRECEDENCE", SQL_MODE_HIGH_NOT_PRECEDENCE },
	};
	uint32_t bits = 0;
	size_t i = 0;

	while (i < list.n) {
		const char *comma = memchr(list.p + i, ',', list.n - i);
		size_t end = comma ? (size_t)(comma - list.p) : list.n;
		struct str word = str_make(list.p + i, end - i);

		for (size_t m = 0; m < ARRAY_N(modes); m++) {
			if (str_ieqz(word, modes[m].name))
				bits |= modes[m].bits;
		}
		i = end + 1;
	}
	return bits;
}

static struct str unquoted(struct str v)
{
	if (v.n >= 2 && v.p[0] == '\'' && v.p[v.n - 1] == '\'')
		return str_make(v.p + 1, v.n - 2);
	return v;
}

/* What the rest of the worker asks of a set without looking through it. */
static void settings_derive(struct settings *s)
{
	for (uint32_t i = 0; i < s->n; i++) {
		const struct setting *v = &s->v[i];

		if (str_eqz(v->name, "sql_mode") || str_starts(v->name, STR("character_set_")) ||
			str_eqz(v->name, "collation_connection"))
			s->parse_hash = XXH3_64bits_withSeed(v->value.p, v->value.n, s->parse_hash * 31 + v->name.n);
		if (str_eqz(v->name, "sql_mode")) {
			s->has_sql_mode = true;
			s->sql_mode = settings_sql_mode_bits(unquoted(v->value));
		} else if (str_eqz(v->name, "autocommit")) {
			s->autocommit_off = str_eqz(v->value, "0");
		} else if (str_eqz(v->name, "character_set_client")) {
			s->charset_id = (uint16_t)wire_charset_default_id(unquoted(v->value));
		}
	}
}

/* The interned set of these settings, which are in order of names. */
static const struct settings *settings_intern(struct settings_table *t, const struct setting *v, uint32_t n)
{
	size_t key_n = 0;
	struct interned *s, *old;
	char *k;

	for (uint32_t i = 0; i < n; i++)
		key_n += v[i].name.n + v[i].value.n + 2;
	s = xcalloc(1, sizeof(*s) + key_n + 1);
	s->v = xcalloc(n, sizeof(*s->v));
	s->key_n = key_n;
	k = s->key;
	for (uint32_t i = 0; i < n; i++) {
		s->v[i].name = str_make(k, v[i].name.n);
		memcpy(k, v[i].name.p, v[i].name.n);
		k += v[i].name.n + 1;
		s->v[i].value = str_make(k, v[i].value.n);
		memcpy(k, v[i].value.p, v[i].value.n);
		k += v[i].value.n + 1;
	}
	HASH_FIND(hh, t->all, s->key, key_n, old);
	if (old) {
		free(s->v);
		free(s);
		return settings_ref(&old->pub);
	}
	s->pub.v = s->v;
	s->pub.n = n;
	s->pub.bytes = (uint32_t)key_n;
	s->pub.refs = 1;
	settings_derive(&s->pub);
	HASH_ADD_KEYPTR(hh, t->all, s->key, key_n, s);
	s->pub.hash = s->hh.hashv;
	return &s->pub;
}

const struct settings *settings_login(struct settings_table *t, unsigned collation_id)
{
	const char *cs = wire_charset_name(collation_id), *co = wire_collation_name(collation_id);
	char cs_lit[80], co_lit[80];
	int cs_n, co_n;
	struct setting v[3];

	if (!cs || !co || wire_charset_not_for_client(collation_id)) {
		cs = "utf8mb4";
		co = "utf8mb4_general_ci";
	}
	cs_n = snprintf(cs_lit, sizeof(cs_lit), "'%s'", cs);
	co_n = snprintf(co_lit, sizeof(co_lit), "'%s'", co);
	v[0] = (struct setting){ STR("character_set_client"), str_make(cs_lit, (size_t)cs_n) };
	v[1] = (struct setting){ STR("character_set_results"), str_make(cs_lit, (size_t)cs_n) };
	v[2] = (struct setting){ STR("collation_connection"), str_make(co_lit, (size_t)co_n) };
	return settings_intern(t, v, 3);
}

static int name_cmp(struct str a, struct str b)
{
	int c = memcmp(a.p, b.p, MIN(a.n, b.n));

	return c ? c : (a.n > b.n) - (a.n < b.n);
}

const struct settings *settings_with(
	struct settings_table *t, const struct settings *base, struct str name, struct str value, struct err *err)
{
	struct setting v[SETTINGS_MAX + 1];
	uint32_t n = 0;
	bool placed = !value.p;
	size_t bytes = 0;

	for (uint32_t i = 0; i < base->n; i++) {
		int c = name_cmp(base->v[i].name, name);

		if (c >= 0 && !placed) {
			v[n++] = (struct setting){ name, value };
			placed = true;
		}
		if (c != 0)
			v[n++] = base->v[i];
	}
	if (!placed)
		v[n++] = (struct setting){ name, value };
	for (uint32_t i = 0; i < n; i++)
		bytes += v[i].name.n + v[i].value.n + 2;
	if (n > SETTINGS_MAX || bytes > SETTINGS_BYTES_MAX) {
		err_set(err, ERR_LIMIT, ER_WRONG_VALUE_FOR_VAR,
			"a session may set at most %d variables of %d bytes together; '%.*s' is one too many: set "
			"fewer or shorter ones",
			SETTINGS_MAX, SETTINGS_BYTES_MAX, STR_ARG(name));
		return NULL;
	}
	return settings_intern(t, v, n);
}

struct str settings_get(const struct settings *s, struct str name)
{
	for (uint32_t i = 0; i < s->n; i++) {
		if (str_eq(s->v[i].name, name))
			return s->v[i].value;
	}
	return str_make(NULL, 0);
}

static void diff_item(struct buf *out, bool *any, struct str name, struct str value)
{
	buf_addz(out, *any ? "," : "SET ");
	*any = true;
	if (name.p[0] == '@') {
		/* the name may hold any byte: quote it */
		buf_addz(out, "@`");
		for (size_t i = 1; i < name.n; i++) {
			if (name.p[i] == '`')
				buf_add_u8(out, '`');
			buf_add_u8(out, (uint8_t)name.p[i]);
		}
		buf_addz(out, "`");
	} else {
		buf_addz(out, "@@session.");
		buf_add_str(out, name);
	}
	buf_addz(out, "=");
	if (value.p)
		buf_add_str(out, value);
	else if (name.p[0] == '@')
		buf_addz(out, "NULL");
	else if (str_eqz(name, "autocommit"))
		buf_addz(out, "1");
	else
		buf_addz(out, "DEFAULT");
}

bool settings_diff(const struct settings *from, const struct settings *to, struct buf *out)
{
	uint32_t i = 0, j = 0;
	bool any = false;

	while (i < from->n || j < to->n) {
		int c = i == from->n ? 1 : j == to->n ? -1 : name_cmp(from->v[i].name, to->v[j].name);

		if (c < 0) {
			diff_item(out, &any, from->v[i++].name, str_make(NULL, 0));
		} else if (c > 0) {
			diff_item(out, &any, to->v[j].name, to->v[j].value);
			j++;
		} else {
			if (!str_eq(from->v[i].value, to->v[j].value))
				diff_item(out, &any, to->v[j].name, to->v[j].value);
			i++;
			j++;
		}
	}
	return any;
}
