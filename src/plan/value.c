/* value.c - the constants of a run as the values that sharding functions take. For bind and insert; worker threads.
 * Pure. */
#include "plan_int.h"

static bool family_takes_bytes(enum key_family family)
{
	return family == KEY_TEXT || family == KEY_BYTES || family == KEY_BYTES_0;
}

static bool val_of_sql(
	const struct sql_value *sv, const struct plan_values *vals, enum key_family family, struct key_value *out)
{
	switch ((enum sql_value_kind)sv->kind) {
	case SQL_V_NULL: *out = key_value_null(); return true;
	case SQL_V_INT: *out = key_value_int(sv->i); return true;
	case SQL_V_UINT: *out = key_value_uint(sv->u); return true;
	case SQL_V_DECIMAL: *out = key_value_decimal(sv->s); return true;
	case SQL_V_DOUBLE: *out = key_value_double(sv->f); return true;
	case SQL_V_BYTES: *out = key_value_text(sv->s, (enum charset)vals->charset); return true;
	case SQL_V_BINARY:
		/* compared with a number it is a number to one server and text to another */
		if (!family_takes_bytes(family))
			return false;
		*out = key_value_text(sv->s, CHARSET_BINARY);
		return true;
	}
	return false;
}

/* Plain digits, the common case, without the machinery for all literals. */
static bool int_of_digits(struct str t, bool negative, struct key_value *out)
{
	uint64_t v = 0;

	if (t.n == 0 || t.n > 18)
		return false;
	for (size_t i = 0; i < t.n; i++) {
		unsigned d = (unsigned char)t.p[i] - '0';

		if (d > 9)
			return false;
		v = v * 10 + d;
	}
	*out = key_value_int(negative ? -(int64_t)v : (int64_t)v);
	return true;
}

static bool val_of_lit(const struct plan_values *vals, struct str t, enum lit_kind kind, unsigned flags, bool negative,
	enum key_family family, struct arena *tmp, struct key_value *out)
{
	struct sql_value sv;

	if (kind == LIT_INT && int_of_digits(t, negative, out))
		return true;
	if (flags & LIT_F_NATIONAL)
		return false;
	if (negative && kind != LIT_INT && kind != LIT_DECIMAL && kind != LIT_FLOAT)
		return false;
	if (sql_lit_value(t, kind, flags, negative, vals->mode, tmp, &sv, NULL) < 0)
		return false;
	return val_of_sql(&sv, vals, family, out);
}

static bool val_of_param(
	const struct plan_values *vals, uint32_t ordinal, bool negative, enum key_family family, struct key_value *out)
{
	if (negative || !vals->params || ordinal >= vals->n_params)
		return false;
	return val_of_sql(&vals->params[ordinal], vals, family, out);
}

bool val_get(const struct plan_values *vals, const struct plan_val *v, enum key_family family, struct arena *tmp,
	struct key_value *out)
{
	const struct scan_lit *l;

	switch ((enum val_kind)v->kind) {
	case VAL_NULL: *out = key_value_null(); return true;
	case VAL_TRUE: *out = key_value_int(1); return true;
	case VAL_FALSE: *out = key_value_int(0); return true;
	case VAL_DEFAULT:
	case VAL_OTHER: return false;
	case VAL_LIT: break;
	}
	if (v->lit >= vals->scan->n_lits)
		return false;
	l = &vals->scan->lits[v->lit];
	if (l->kind == LIT_PARAM)
		return val_of_param(vals, l->param, v->negative, family, out);
	return val_of_lit(
		vals, scan_lit_text(vals->text, l), (enum lit_kind)l->kind, l->flags, v->negative, family, tmp, out);
}

/* _binary'...', as drivers write byte strings. */
static bool introduced(const struct plan_values *vals, const struct sql_row_value *rv, enum key_family family,
	struct arena *tmp, struct key_value *out)
{
	struct str t = str_make(vals->text.p + rv->start, rv->end - rv->start);
	struct sql_value sv;

	if (!family_takes_bytes(family) || t.n < 9 || strncasecmp(t.p, "_binary", 7) != 0)
		return false;
	t = str_make(t.p + 7, t.n - 7);
	while (t.n && (*t.p == ' ' || *t.p == '\t' || *t.p == '\n'))
		t = str_make(t.p + 1, t.n - 1);
	if (t.n < 2 || t.p[0] != '\'' || t.p[t.n - 1] != '\'')
		return false;
	/* the rest must be one string: no quote inside that is not doubled or escaped */
	for (size_t i = 1; i + 1 < t.n; i++) {
		if (t.p[i] == '\\' && !(vals->mode->flags & SCAN_NO_BACKSLASH_ESCAPES))
			i++;
		else if (t.p[i] == '\'' && t.p[i + 1] == '\'' && i + 2 < t.n)
			i++;
		else if (t.p[i] == '\'')
			return false;
	}
	if (vals->mode->charset != SCAN_CS_SAFE)
		return false;
	if (sql_lit_value(t, LIT_STRING, LIT_F_ESCAPED, false, vals->mode, tmp, &sv, NULL) < 0)
		return false;
	*out = key_value_text(sv.s, CHARSET_BINARY);
	return true;
}

bool val_of_row(const struct plan_values *vals, const struct sql_row_value *rv, enum key_family family,
	struct arena *tmp, struct key_value *out)
{
	switch ((enum lit_kind)rv->kind) {
	case LIT_NULL: *out = key_value_null(); return true;
	case LIT_TRUE: *out = key_value_int(1); return true;
	case LIT_FALSE: *out = key_value_int(0); return true;
	case LIT_DEFAULT: return false;
	case LIT_EXPR: return introduced(vals, rv, family, tmp, out);
	case LIT_PARAM: return val_of_param(vals, rv->param, rv->negative, family, out);
	default:
		return val_of_lit(vals, str_make(vals->text.p + rv->off, rv->len), (enum lit_kind)rv->kind, rv->flags,
			rv->negative, family, tmp, out);
	}
}
