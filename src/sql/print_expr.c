/* sql/print_expr.c - expressions to text, with just the parentheses the grammar needs.
 * For print.c.
 * Pure; recursion is bounded by SQL_MAX_HEIGHT. */
#include "keyway/sql/lit.h"
#include "lex.h"
#include "printer.h"

static const char *const op_text[SQL_OPS] = { [SQL_OP_NONE] = "",
	[SQL_OP_EQ] = "=",
	[SQL_OP_NULL_EQ] = "<=>",
	[SQL_OP_NE] = "<>",
	[SQL_OP_LT] = "<",
	[SQL_OP_LE] = "<=",
	[SQL_OP_GT] = ">",
	[SQL_OP_GE] = ">=",
	[SQL_OP_ADD] = "+",
	[SQL_OP_SUB] = "-",
	[SQL_OP_MUL] = "*",
	[SQL_OP_DIV] = "/",
	[SQL_OP_INTDIV] = "DIV",
	[SQL_OP_MOD] = "%",
	[SQL_OP_BITOR] = "|",
	[SQL_OP_BITAND] = "&",
	[SQL_OP_BITXOR] = "^",
	[SQL_OP_SHL] = "<<",
	[SQL_OP_SHR] = ">>",
	[SQL_OP_XOR] = "XOR",
	[SQL_OP_CONCAT] = "||",
	[SQL_OP_ARROW] = "->",
	[SQL_OP_ARROW2] = "->>",
	[SQL_OP_NOT] = "NOT",
	[SQL_OP_NEG] = "-",
	[SQL_OP_PLUS] = "+",
	[SQL_OP_BITNOT] = "~",
	[SQL_OP_BANG] = "!",
	[SQL_OP_BINARY] = "BINARY",
	[SQL_OP_NULL] = "NULL",
	[SQL_OP_TRUE] = "TRUE",
	[SQL_OP_FALSE] = "FALSE",
	[SQL_OP_UNKNOWN] = "UNKNOWN",
	[SQL_OP_BOTH] = "BOTH",
	[SQL_OP_LEADING] = "LEADING",
	[SQL_OP_TRAILING] = "TRAILING",
	[SQL_OP_NEXT] = "NEXT",
	[SQL_OP_PREVIOUS] = "PREVIOUS" };

const char *sql_op_text(enum sql_op op)
{
	return (unsigned)op < SQL_OPS ? op_text[op] : "";
}

void print_word(const struct printer *p, const char *z)
{
	buf_addz(p->b, z);
}

void print_text(const struct printer *p, struct str s)
{
	buf_add_str(p->b, s);
}

/* Plain where a name is expected: letters, digits, _ and $, no word of ours, no number. */
static bool is_plain(struct str s, const struct scan_mode *mode, bool any_word)
{
	if (s.n == 0 || mode->charset != SCAN_CS_SAFE || lex_is_digit(s.p[0]) || s.p[0] == '_' || s.p[0] == '$')
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (!lex_is_ident(s.p[i]) || (uint8_t)s.p[i] >= 0x80)
			return false;
	return any_word || !keyword_find(s.p, s.n, s.p + s.n);
}

void print_name(const struct printer *p, struct str name)
{
	if (is_plain(name, p->mode, false))
		print_text(p, name);
	else
		sql_ident_print(p->b, name, p->mode);
}

void print_qualified(const struct printer *p, const struct sql_name *n)
{
	if (n->db.p) {
		print_name(p, n->db);
		print_word(p, ".");
	}
	print_name(p, n->name);
}

void print_names(const struct printer *p, const struct sql_names *v)
{
	for (uint32_t i = 0; i < v->n; i++) {
		print_word(p, i ? ", " : "");
		print_name(p, v->v[i]);
	}
}

void print_exprs(const struct printer *p, const struct sql_exprs *v)
{
	for (uint32_t i = 0; i < v->n; i++) {
		print_word(p, i ? ", " : "");
		print_expr(p, v->v[i], LEVEL_EXPR);
	}
}

static void print_args(const struct printer *p, const struct sql_expr *e, uint32_t from, uint32_t to)
{
	for (uint32_t i = from; i < to; i++) {
		print_word(p, i > from ? ", " : "");
		print_expr(p, e->args[i], LEVEL_EXPR);
	}
}

static enum level binary_level(const struct sql_expr *e)
{
	switch (e->op) {
	case SQL_OP_XOR: return LEVEL_XOR;
	case SQL_OP_BITOR: return LEVEL_BITOR;
	case SQL_OP_BITAND: return LEVEL_BITAND;
	case SQL_OP_SHL:
	case SQL_OP_SHR: return LEVEL_SHIFT;
	case SQL_OP_ADD:
	case SQL_OP_SUB:
		/* INTERVAL ... + expr takes all that follows */
		return e->args[0]->kind == SQL_E_INTERVAL ? LEVEL_EXPR : LEVEL_ADD;
	case SQL_OP_MUL:
	case SQL_OP_DIV:
	case SQL_OP_INTDIV:
	case SQL_OP_MOD: return LEVEL_MUL;
	case SQL_OP_BITXOR: return LEVEL_BITXOR;
	case SQL_OP_CONCAT: return LEVEL_CONCAT;
	case SQL_OP_ARROW:
	case SQL_OP_ARROW2: return LEVEL_PRIMARY;
	default: return LEVEL_COMPARE;
	}
}

static enum level level_of(const struct sql_expr *e)
{
	switch (e->kind) {
	case SQL_E_ASSIGN: return LEVEL_EXPR;
	case SQL_E_OR: return LEVEL_OR;
	case SQL_E_AND: return LEVEL_AND;
	case SQL_E_UNARY: return e->op == SQL_OP_NOT ? LEVEL_NOT : LEVEL_UNARY;
	case SQL_E_BINARY: return binary_level(e);
	case SQL_E_IS:
	case SQL_E_QUANT: return LEVEL_COMPARE;
	case SQL_E_IN:
	case SQL_E_BETWEEN:
	case SQL_E_LIKE:
	case SQL_E_REGEXP:
	case SQL_E_SOUNDS:
	case SQL_E_MEMBER: return LEVEL_PREDICATE;
	case SQL_E_COLLATE: return LEVEL_COLLATE;
	default: return LEVEL_PRIMARY;
	}
}

static void print_binary(const struct printer *p, const struct sql_expr *e)
{
	enum level l = binary_level(e);

	if (l == LEVEL_EXPR) {
		print_expr(p, e->args[0], LEVEL_EXPR);
		print_word(p, " + ");
		print_expr(p, e->args[1], LEVEL_EXPR);
		return;
	}
	print_expr(p, e->args[0], l);
	buf_addf(p->b, " %s ", sql_op_text(e->op));
	/* an interval is no expression by itself: it cannot be put in parentheses */
	print_expr(p, e->args[1], l == LEVEL_PRIMARY || e->args[1]->kind == SQL_E_INTERVAL ? LEVEL_EXPR : l + 1);
}

static void print_chain(const struct printer *p, const struct sql_expr *e, const char *word, enum level min)
{
	for (uint32_t i = 0; i < e->n_args; i++) {
		print_word(p, i ? word : "");
		print_expr(p, e->args[i], min);
	}
}

static void print_unary(const struct printer *p, const struct sql_expr *e)
{
	const struct sql_expr *arg = e->args[0];

	print_word(p, sql_op_text(e->op));
	if (e->op == SQL_OP_NOT || e->op == SQL_OP_BINARY || arg->kind == SQL_E_UNARY)
		print_word(p, " ");
	print_expr(p, arg, e->op == SQL_OP_NOT ? LEVEL_NOT : LEVEL_UNARY);
}

static void print_subquery(const struct printer *p, const struct sql_query *q)
{
	print_word(p, "(");
	print_query(p, q);
	print_word(p, ")");
}

static const char *not_word(const struct sql_expr *e)
{
	return e->flags & SQL_EF_NOT ? " NOT" : "";
}

static void print_predicate(const struct printer *p, const struct sql_expr *e)
{
	print_expr(p, e->args[0], LEVEL_BITOR);
	print_word(p, not_word(e));
	switch (e->kind) {
	case SQL_E_IN:
		print_word(p, " IN ");
		if (e->query) {
			print_subquery(p, e->query);
			break;
		}
		print_word(p, "(");
		print_args(p, e, 1, e->n_args);
		print_word(p, ")");
		break;
	case SQL_E_BETWEEN:
		print_word(p, " BETWEEN ");
		print_expr(p, e->args[1], LEVEL_BITOR);
		print_word(p, " AND ");
		print_expr(p, e->args[2], LEVEL_PREDICATE);
		break;
	case SQL_E_LIKE:
		print_word(p, " LIKE ");
		print_expr(p, e->args[1], LEVEL_CONCAT);
		if (e->n_args == 3) {
			print_word(p, " ESCAPE ");
			print_expr(p, e->args[2], LEVEL_CONCAT);
		}
		break;
	case SQL_E_REGEXP:
		print_word(p, " REGEXP ");
		print_expr(p, e->args[1], LEVEL_BITOR);
		break;
	case SQL_E_SOUNDS:
		print_word(p, " SOUNDS LIKE ");
		print_expr(p, e->args[1], LEVEL_BITOR);
		break;
	default:
		print_word(p, " MEMBER OF (");
		print_expr(p, e->args[1], LEVEL_EXPR);
		print_word(p, ")");
		break;
	}
}

static void print_case(const struct printer *p, const struct sql_expr *e)
{
	uint32_t i = 0, end = e->n_args - (e->flags & SQL_EF_ELSE ? 1 : 0);

	print_word(p, "CASE");
	if (e->flags & SQL_EF_OPERAND) {
		print_word(p, " ");
		print_expr(p, e->args[i++], LEVEL_EXPR);
	}
	for (; i + 1 < end; i += 2) {
		print_word(p, " WHEN ");
		print_expr(p, e->args[i], LEVEL_EXPR);
		print_word(p, " THEN ");
		print_expr(p, e->args[i + 1], LEVEL_EXPR);
	}
	if (e->flags & SQL_EF_ELSE) {
		print_word(p, " ELSE ");
		print_expr(p, e->args[end], LEVEL_EXPR);
	}
	print_word(p, " END");
}

static void print_func_tail(const struct printer *p, const struct sql_expr *e)
{
	static const char *const from[] = { "", " FROM FIRST", " FROM LAST" };
	static const char *const nulls[] = { "", " RESPECT NULLS", " IGNORE NULLS" };
	const struct sql_func *f = e->func;

	if (f->within_group) {
		print_word(p, " WITHIN GROUP (");
		print_order(p, "ORDER BY ", &f->order);
		print_word(p, ")");
	}
	print_word(p, from[f->from]);
	print_word(p, nulls[f->nulls]);
	if (f->over) {
		print_word(p, " OVER ");
		if (f->over->only_name)
			print_name(p, f->over->name);
		else
			print_window(p, f->over);
	}
}

static void print_call(const struct printer *p, const struct sql_expr *e)
{
	const struct sql_func *f = e->func;

	if (f && f->db.p) {
		print_name(p, f->db);
		print_word(p, ".");
		print_name(p, e->name);
	} else if (e->flags & SQL_EF_QUOTED) {
		sql_ident_print(p->b, e->name, p->mode);
	} else {
		print_text(p, e->name);
		if (!e->n_args && !(e->flags & SQL_EF_PARENS))
			return;
	}
	print_word(p, "(");
	print_word(p, e->flags & SQL_EF_DISTINCT ? "DISTINCT " : e->flags & SQL_EF_STAR ? "*" : "");
	print_args(p, e, 0, e->n_args);
	if (f && f->order.n && !f->within_group)
		print_order(p, " ORDER BY ", &f->order);
	if (f && f->separator) {
		print_word(p, " SEPARATOR ");
		print_expr(p, f->separator, LEVEL_PRIMARY);
	}
	if (f && f->limit)
		print_limit(p, f->limit);
	print_word(p, ")");
	if (f)
		print_func_tail(p, e);
}

static void print_column(const struct printer *p, const struct sql_expr *e)
{
	if (e->col.db.p) {
		print_name(p, e->col.db);
		print_word(p, ".");
	}
	if (e->col.table.p) {
		print_name(p, e->col.table);
		print_word(p, ".");
	}
	if (e->kind == SQL_E_STAR)
		print_word(p, "*");
	else
		print_name(p, e->name);
}

static void print_uvar(const struct printer *p, struct str name)
{
	bool plain = p->mode->charset == SCAN_CS_SAFE && name.n;

	for (size_t i = 0; i < name.n; i++)
		plain = plain && (lex_is_ident(name.p[i]) || name.p[i] == '.');
	print_word(p, "@");
	if (plain)
		print_text(p, name);
	else
		sql_ident_print(p->b, name, p->mode);
}

static void print_sysvar(const struct printer *p, const struct sql_expr *e)
{
	static const char *const scopes[] = { "", "GLOBAL.", "SESSION.", "LOCAL.", "PERSIST.", "PERSIST_ONLY." };

	print_word(p, "@@");
	print_word(p, scopes[e->op]);
	if (e->col.table.p) {
		print_name(p, e->col.table);
		print_word(p, ".");
	}
	if (is_plain(e->name, p->mode, true))
		print_text(p, e->name);
	else
		sql_ident_print(p->b, e->name, p->mode);
}

static void print_charset(const struct printer *p, struct str name)
{
	if (str_ieqz(name, "binary"))
		print_text(p, name);
	else
		print_name(p, name);
}

static void print_trim(const struct printer *p, const struct sql_expr *e)
{
	print_word(p, "TRIM(");
	if (e->op || e->n_args == 2) {
		print_word(p, sql_op_text(e->op));
		if (e->n_args == 2) {
			print_word(p, e->op ? " " : "");
			print_expr(p, e->args[1], LEVEL_EXPR);
		}
		print_word(p, " FROM ");
	}
	print_expr(p, e->args[0], LEVEL_EXPR);
	print_word(p, ")");
}

static void print_convert(const struct printer *p, const struct sql_expr *e)
{
	print_word(p, e->kind == SQL_E_CAST ? "CAST(" : "CONVERT(");
	print_expr(p, e->args[0], LEVEL_EXPR);
	print_word(p, e->kind == SQL_E_CAST ? " AS " : e->kind == SQL_E_CONVERT ? ", " : " USING ");
	if (e->kind == SQL_E_CONVERT_USING)
		print_charset(p, e->name);
	else
		print_text(p, e->name);
	print_word(p, ")");
}

static void print_match(const struct printer *p, const struct sql_expr *e)
{
	print_word(p, "MATCH(");
	print_args(p, e, 0, e->n_args - 1);
	print_word(p, ") AGAINST (");
	print_expr(p, e->args[e->n_args - 1], LEVEL_BITOR);
	if (e->name.p) {
		print_word(p, " ");
		print_text(p, e->name);
	}
	print_word(p, ")");
}

static void print_primary(const struct printer *p, const struct sql_expr *e)
{
	switch (e->kind) {
	case SQL_E_LIT:
	case SQL_E_PARAM: print_text(p, e->name); break;
	case SQL_E_NULL: print_word(p, "NULL"); break;
	case SQL_E_TRUE: print_word(p, "TRUE"); break;
	case SQL_E_FALSE: print_word(p, "FALSE"); break;
	case SQL_E_DEFAULT:
		print_word(p, "DEFAULT");
		if (e->n_args) {
			print_word(p, "(");
			print_args(p, e, 0, 1);
			print_word(p, ")");
		}
		break;
	case SQL_E_COLUMN:
	case SQL_E_STAR: print_column(p, e); break;
	case SQL_E_UVAR: print_uvar(p, e->name); break;
	case SQL_E_SYSVAR: print_sysvar(p, e); break;
	case SQL_E_EXISTS:
		print_word(p, "EXISTS ");
		/* fall through */
	case SQL_E_SUBQUERY: print_subquery(p, e->query); break;
	case SQL_E_ROW:
		print_word(p, e->flags & SQL_EF_ROW ? "ROW(" : "(");
		print_args(p, e, 0, e->n_args);
		print_word(p, ")");
		break;
	case SQL_E_CASE: print_case(p, e); break;
	case SQL_E_CAST:
	case SQL_E_CONVERT:
	case SQL_E_CONVERT_USING: print_convert(p, e); break;
	case SQL_E_CHAR:
		print_word(p, "CHAR(");
		print_args(p, e, 0, e->n_args);
		if (e->name.p) {
			print_word(p, " USING ");
			print_charset(p, e->name);
		}
		print_word(p, ")");
		break;
	case SQL_E_INTRODUCER:
		print_word(p, "_");
		print_text(p, e->name);
		print_word(p, " ");
		print_expr(p, e->args[0], LEVEL_PRIMARY);
		break;
	case SQL_E_TEMPORAL:
		print_text(p, e->name);
		print_word(p, " ");
		print_expr(p, e->args[0], LEVEL_PRIMARY);
		break;
	case SQL_E_ODBC:
		print_word(p, "{");
		if (is_plain(e->name, p->mode, true))
			print_text(p, e->name);
		else
			sql_ident_print(p->b, e->name, p->mode);
		print_word(p, " ");
		print_expr(p, e->args[0], LEVEL_EXPR);
		print_word(p, "}");
		break;
	case SQL_E_STRCAT: print_chain(p, e, " ", LEVEL_PRIMARY); break;
	case SQL_E_INTERVAL:
		print_word(p, "INTERVAL ");
		print_expr(p, e->args[0], LEVEL_EXPR);
		print_word(p, " ");
		print_text(p, e->name);
		break;
	case SQL_E_EXTRACT:
		print_word(p, "EXTRACT(");
		print_text(p, e->name);
		print_word(p, " FROM ");
		print_expr(p, e->args[0], LEVEL_EXPR);
		print_word(p, ")");
		break;
	case SQL_E_TRIM: print_trim(p, e); break;
	case SQL_E_POSITION:
		print_word(p, "POSITION(");
		print_expr(p, e->args[0], LEVEL_BITOR);
		print_word(p, " IN ");
		print_expr(p, e->args[1], LEVEL_EXPR);
		print_word(p, ")");
		break;
	case SQL_E_TIMEUNIT:
		print_text(p, e->name);
		print_word(p, "(");
		print_text(p, e->col.table);
		print_word(p, ", ");
		print_args(p, e, 0, e->n_args);
		print_word(p, ")");
		break;
	case SQL_E_GET_FORMAT:
		print_word(p, "GET_FORMAT(");
		print_text(p, e->name);
		print_word(p, ", ");
		print_args(p, e, 0, 1);
		print_word(p, ")");
		break;
	case SQL_E_MATCH: print_match(p, e); break;
	case SQL_E_VALUES:
		print_text(p, e->name);
		print_word(p, "(");
		print_args(p, e, 0, 1);
		print_word(p, ")");
		break;
	case SQL_E_AS_TYPE:
		print_expr(p, e->args[0], LEVEL_EXPR);
		print_word(p, " AS ");
		print_text(p, e->name);
		break;
	case SQL_E_NEXTVAL:
		print_word(p, sql_op_text(e->op));
		print_word(p, " VALUE FOR ");
		print_column(p, e);
		break;
	default: print_call(p, e); break;
	}
}

static void print_bare(const struct printer *p, const struct sql_expr *e)
{
	switch (e->kind) {
	case SQL_E_ASSIGN:
		print_expr(p, e->args[0], LEVEL_PRIMARY);
		print_word(p, " := ");
		print_expr(p, e->args[1], LEVEL_EXPR);
		break;
	case SQL_E_OR: print_chain(p, e, " OR ", LEVEL_XOR); break;
	case SQL_E_AND: print_chain(p, e, " AND ", LEVEL_NOT); break;
	case SQL_E_UNARY: print_unary(p, e); break;
	case SQL_E_BINARY: print_binary(p, e); break;
	case SQL_E_IS:
		print_expr(p, e->args[0], LEVEL_COMPARE);
		print_word(p, " IS");
		print_word(p, not_word(e));
		print_word(p, " ");
		print_word(p, sql_op_text(e->op));
		break;
	case SQL_E_QUANT:
		print_expr(p, e->args[0], LEVEL_COMPARE);
		buf_addf(p->b, " %s %s ", sql_op_text(e->op), e->flags & SQL_EF_ALL ? "ALL" : "ANY");
		print_subquery(p, e->query);
		break;
	case SQL_E_IN:
	case SQL_E_BETWEEN:
	case SQL_E_LIKE:
	case SQL_E_REGEXP:
	case SQL_E_SOUNDS:
	case SQL_E_MEMBER: print_predicate(p, e); break;
	case SQL_E_COLLATE:
		print_expr(p, e->args[0], LEVEL_COLLATE);
		print_word(p, " COLLATE ");
		print_name(p, e->name);
		break;
	default: print_primary(p, e); break;
	}
}

void print_expr(const struct printer *p, const struct sql_expr *e, enum level min)
{
	bool parens = level_of(e) < min;

	if (p->hook && p->hook(p->b, e, NULL, p->arg))
		return;
	print_word(p, parens ? "(" : "");
	print_bare(p, e);
	print_word(p, parens ? ")" : "");
}
