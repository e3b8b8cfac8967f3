/* test_sharding.c - sharding functions: known vectors, MySQL's equality, spans, directories, sides.
 * For src/cluster/sharding.c and key_canonical.c.
 * One thread. */
#include <check.h>
#include <stdlib.h>
#include "keyway/cluster/schema.h"
#include "keyway/cluster/sharding.h"

#define S(lit)	  str_make(lit, sizeof(lit) - 1)
#define TEXT(lit) key_value_text(S(lit), CHARSET_UTF8MB4)

static const struct sharding_fn fns[] = {
	{ .kind = SHARDING_RANGE },
	{ .kind = SHARDING_PARITY },
	{ .kind = SHARDING_HASH },
	{ .kind = SHARDING_VITESS_HASH },
};

static struct sharding_key key_of(enum sharding_kind kind, struct column col)
{
	struct sharding_key key;
	struct key_type type;
	struct err err;

	col.name = STR("k");
	ck_assert_int_eq(key_type_of_column(&col, &type, &err), 0);
	ck_assert_int_eq(sharding_key_init(&key, &fns[kind], &type, &err), 0);
	return key;
}

static struct column int_col(enum column_type type, bool is_unsigned)
{
	return (struct column){ .type = type, .is_unsigned = is_unsigned };
}

static struct column text_col(enum column_type type, uint64_t length, const char *collation)
{
	return (struct column){
		.type = type, .length = length, .length_bytes = length * 4, .collation = str_of(collation)
	};
}

static uint64_t id_of(const struct sharding_key *key, struct key_value v)
{
	uint64_t id = 0;
	struct err err = { 0 };

	if (sharding_key_id(key, ROUTE_COMPARE, &v, &id, &err) != ROUTE_KEY)
		ck_abort_msg("not a key: %s", err.msg);
	return id;
}

static enum route_result result_of(const struct sharding_key *key, enum route_use use, struct key_value v)
{
	uint64_t id;

	return sharding_key_id(key, use, &v, &id, NULL);
}

START_TEST(vitess_hash_gives_the_published_vectors)
{
	static const struct {
		uint64_t value, id;
	} rows[] = {
		{ 0, 0x8ca64de9c1b123a7 },
		{ 1, 0x166b40b44aba4bd6 },
		{ 2, 0x06e7ea22ce92708f },
		{ 3, 0x4eb190c9a2fa169c },
		{ 4, 0xd2fd8867d50d2dfe },
		{ 5, 0x70bb023c810ca87a },
		{ 6, 0xf098480ac4c4be71 },
		{ UINT64_MAX, 0x355550b2150e2451 },
	};
	struct sharding_key key = key_of(SHARDING_VITESS_HASH, int_col(COLUMN_BIGINT, true));

	for (size_t i = 0; i < ARRAY_N(rows); i++)
		ck_assert_uint_eq(id_of(&key, key_value_uint(rows[i].value)), rows[i].id);
}
END_TEST

START_TEST(range_keeps_order_and_parity_splits_odd_and_even)
{
	static const int64_t ordered[] = { INT64_MIN, -2, -1, 0, 1, 2, 1000, INT64_MAX };
	struct sharding_key range = key_of(SHARDING_RANGE, int_col(COLUMN_BIGINT, false));
	struct sharding_key parity = key_of(SHARDING_PARITY, int_col(COLUMN_BIGINT, false));
	struct sharding_key wide = key_of(SHARDING_RANGE, int_col(COLUMN_BIGINT, true));

	for (size_t i = 1; i < ARRAY_N(ordered); i++)
		ck_assert_uint_lt(
			id_of(&range, key_value_int(ordered[i - 1])), id_of(&range, key_value_int(ordered[i])));
	for (int64_t i = -5; i < 6; i++)
		ck_assert_int_eq((int)(id_of(&parity, key_value_int(i)) >> 63), (int)(i & 1));
	ck_assert_uint_eq(id_of(&parity, key_value_int(2)), UINT64_C(1) << 62);
	/* above 2^63-1 all values count as the largest: the order holds */
	ck_assert_uint_eq(id_of(&wide, key_value_uint(UINT64_MAX)), UINT64_MAX);
	ck_assert_uint_eq(id_of(&wide, key_value_uint(UINT64_C(1) << 63)), UINT64_MAX);
}
END_TEST

START_TEST(an_integer_column_calls_these_equal)
{
	struct sharding_key key = key_of(SHARDING_HASH, int_col(COLUMN_INT, false));
	uint64_t one = id_of(&key, key_value_int(1)), minus = id_of(&key, key_value_int(-7));

	ck_assert_uint_eq(one, id_of(&key, key_value_uint(1)));
	ck_assert_uint_eq(one, id_of(&key, key_value_decimal(S("1.0"))));
	ck_assert_uint_eq(one, id_of(&key, key_value_decimal(S("0001."))));
	ck_assert_uint_eq(one, id_of(&key, key_value_double(1.0)));
	ck_assert_uint_eq(one, id_of(&key, TEXT("1")));
	ck_assert_uint_eq(one, id_of(&key, TEXT("1.0")));
	ck_assert_uint_eq(one, id_of(&key, TEXT(" 1")));
	ck_assert_uint_eq(one, id_of(&key, TEXT("+01.000 ")));
	ck_assert_uint_eq(minus, id_of(&key, TEXT("-7")));
	ck_assert_uint_eq(minus, id_of(&key, key_value_decimal(S("-7.00"))));
	ck_assert_uint_eq(id_of(&key, key_value_int(0)), id_of(&key, key_value_decimal(S("-0.0"))));
	ck_assert_uint_eq(id_of(&key, key_value_int(0)), id_of(&key, key_value_double(-0.0)));
}
END_TEST

START_TEST(an_integer_column_matches_no_row_or_says_unknown)
{
	static const struct {
		struct key_value v;
		enum route_result compare, store;
	} rows[] = {
		{ { .kind = KEY_VALUE_NULL }, ROUTE_NONE, ROUTE_NULL },
		{ { .kind = KEY_VALUE_OTHER }, ROUTE_UNKNOWN, ROUTE_UNKNOWN },
		{ { .kind = KEY_VALUE_DECIMAL, .text = { "1.5", 3 } }, ROUTE_UNKNOWN, ROUTE_UNKNOWN },
		{ { .kind = KEY_VALUE_DOUBLE, .f64 = 1.5 }, ROUTE_UNKNOWN, ROUTE_UNKNOWN },
		{ { .kind = KEY_VALUE_DOUBLE, .f64 = 1e300 }, ROUTE_UNKNOWN, ROUTE_UNKNOWN },
		{ { .kind = KEY_VALUE_DOUBLE, .f64 = 9007199254740992.0 }, ROUTE_UNKNOWN, ROUTE_UNKNOWN },
		{ { .kind = KEY_VALUE_INT, .i64 = 128 }, ROUTE_NONE, ROUTE_UNKNOWN },
		{ { .kind = KEY_VALUE_INT, .i64 = -128 }, ROUTE_KEY, ROUTE_KEY },
		{ { .kind = KEY_VALUE_INT, .i64 = -129 }, ROUTE_NONE, ROUTE_UNKNOWN },
		{ { .kind = KEY_VALUE_UINT, .u64 = UINT64_MAX }, ROUTE_NONE, ROUTE_UNKNOWN },
		{ { .kind = KEY_VALUE_DECIMAL, .text = { "99999999999999999999999", 23 } }, ROUTE_NONE, ROUTE_UNKNOWN },
		{ { .kind = KEY_VALUE_TEXT, .charset = CHARSET_UTF8MB4, .text = { "1abc", 4 } }, ROUTE_UNKNOWN,
			ROUTE_UNKNOWN },
		{ { .kind = KEY_VALUE_TEXT, .charset = CHARSET_UTF8MB4, .text = { "", 0 } }, ROUTE_UNKNOWN,
			ROUTE_UNKNOWN },
		{ { .kind = KEY_VALUE_TEXT, .charset = CHARSET_UTF8MB4, .text = { "1e0", 3 } }, ROUTE_UNKNOWN,
			ROUTE_UNKNOWN },
		{ { .kind = KEY_VALUE_TEXT, .charset = CHARSET_UTF8MB4, .text = { "0x1", 3 } }, ROUTE_UNKNOWN,
			ROUTE_UNKNOWN },
		{ { .kind = KEY_VALUE_TEXT, .charset = CHARSET_UTF8MB4, .text = { "-", 1 } }, ROUTE_UNKNOWN,
			ROUTE_UNKNOWN },
		{ { .kind = KEY_VALUE_TEXT, .charset = CHARSET_BINARY, .text = { "1", 1 } }, ROUTE_UNKNOWN,
			ROUTE_UNKNOWN },
		{ { .kind = KEY_VALUE_TEXT, .charset = CHARSET_OTHER, .text = { "1", 1 } }, ROUTE_UNKNOWN,
			ROUTE_UNKNOWN },
		{ { .kind = KEY_VALUE_TEXT, .charset = CHARSET_UTF8MB4, .text = { "1.00000000000000000001", 22 } },
			ROUTE_UNKNOWN, ROUTE_UNKNOWN },
	};
	struct sharding_key key = key_of(SHARDING_HASH, int_col(COLUMN_TINYINT, false));
	struct sharding_key big = key_of(SHARDING_HASH, int_col(COLUMN_BIGINT, false));
	struct sharding_key wide = key_of(SHARDING_HASH, int_col(COLUMN_BIGINT, true));

	for (size_t i = 0; i < ARRAY_N(rows); i++) {
		ck_assert_msg(result_of(&key, ROUTE_COMPARE, rows[i].v) == rows[i].compare, "compare row %zu", i);
		ck_assert_msg(result_of(&key, ROUTE_STORE, rows[i].v) == rows[i].store, "store row %zu", i);
	}
	/* a text is compared as a double, but stored exactly */
	ck_assert_int_eq(result_of(&big, ROUTE_COMPARE, TEXT("9007199254740993")), ROUTE_UNKNOWN);
	ck_assert_int_eq(result_of(&big, ROUTE_STORE, TEXT("9007199254740993")), ROUTE_KEY);
	ck_assert_int_eq(result_of(&big, ROUTE_COMPARE, key_value_int(INT64_MIN)), ROUTE_KEY);
	ck_assert_int_eq(result_of(&wide, ROUTE_COMPARE, key_value_int(-1)), ROUTE_NONE);
	ck_assert_int_eq(result_of(&wide, ROUTE_COMPARE, key_value_uint(UINT64_MAX)), ROUTE_KEY);
}
END_TEST

START_TEST(text_is_equal_as_its_collation_says)
{
	struct sharding_key general = key_of(SHARDING_HASH, text_col(COLUMN_VARCHAR, 20, "utf8mb4_general_ci"));
	struct sharding_key bin = key_of(SHARDING_HASH, text_col(COLUMN_VARCHAR, 20, "utf8mb4_bin"));
	struct sharding_key nopad = key_of(SHARDING_HASH, text_col(COLUMN_VARCHAR, 20, "utf8mb4_0900_ai_ci"));
	struct sharding_key fixed = key_of(SHARDING_HASH, text_col(COLUMN_CHAR, 20, "utf8mb4_0900_ai_ci"));

	ck_assert_uint_eq(id_of(&general, TEXT("Ab")), id_of(&general, TEXT("aB  ")));
	ck_assert_uint_eq(id_of(&general, TEXT("\xc3\x84")), id_of(&general, TEXT("a")));
	ck_assert_uint_eq(id_of(&general, key_value_text(S("\xc4"), CHARSET_LATIN1)), id_of(&general, TEXT("a")));
	ck_assert_uint_ne(id_of(&bin, TEXT("Ab")), id_of(&bin, TEXT("ab")));
	ck_assert_uint_eq(id_of(&bin, TEXT("Ab")), id_of(&bin, TEXT("Ab ")));
	ck_assert_uint_eq(id_of(&nopad, TEXT("Ab")), id_of(&nopad, TEXT("aB")));
	ck_assert_uint_ne(id_of(&nopad, TEXT("Ab")), id_of(&nopad, TEXT("Ab ")));
	ck_assert_uint_eq(id_of(&fixed, TEXT("Ab")), id_of(&fixed, TEXT("Ab ")));
	ck_assert_int_eq(result_of(&nopad, ROUTE_COMPARE, TEXT("\xc3\x84")), ROUTE_UNKNOWN);
	ck_assert_int_eq(result_of(&general, ROUTE_COMPARE, TEXT("\xff")), ROUTE_UNKNOWN);
	ck_assert_int_eq(result_of(&general, ROUTE_COMPARE, key_value_int(5)), ROUTE_UNKNOWN);
	/* stored, a number becomes its digits */
	ck_assert_int_eq(result_of(&general, ROUTE_STORE, key_value_int(5)), ROUTE_KEY);
	ck_assert_int_eq(result_of(&general, ROUTE_STORE, TEXT("123456789012345678901")), ROUTE_UNKNOWN);
}
END_TEST

START_TEST(bytes_decimals_and_dates_are_canonical)
{
	struct sharding_key var = key_of(SHARDING_HASH, (struct column){ .type = COLUMN_VARBINARY, .length = 4 });
	struct sharding_key fix = key_of(SHARDING_HASH, (struct column){ .type = COLUMN_BINARY, .length = 4 });
	struct sharding_key dec =
		key_of(SHARDING_HASH, (struct column){ .type = COLUMN_DECIMAL, .precision = 10, .scale = 2 });
	struct sharding_key date = key_of(SHARDING_HASH, (struct column){ .type = COLUMN_DATE });
	struct sharding_key when = key_of(SHARDING_HASH, (struct column){ .type = COLUMN_DATETIME, .scale = 3 });

	ck_assert_uint_ne(id_of(&var, TEXT("a")), id_of(&var, TEXT("a ")));
	ck_assert_uint_eq(id_of(&fix, TEXT("a")), id_of(&fix, TEXT("a\0\0")));
	ck_assert_int_eq(result_of(&fix, ROUTE_STORE, TEXT("abcde")), ROUTE_UNKNOWN);
	ck_assert_uint_eq(id_of(&dec, key_value_decimal(S("01.50"))), id_of(&dec, TEXT("1.5")));
	ck_assert_uint_eq(id_of(&dec, key_value_decimal(S("5.00"))), id_of(&dec, key_value_int(5)));
	ck_assert_uint_eq(id_of(&dec, key_value_decimal(S("-.50"))), id_of(&dec, key_value_decimal(S("-0.5"))));
	ck_assert_int_eq(result_of(&dec, ROUTE_COMPARE, key_value_decimal(S("1.505"))), ROUTE_UNKNOWN);
	ck_assert_int_eq(result_of(&dec, ROUTE_STORE, key_value_decimal(S("1.505"))), ROUTE_UNKNOWN);
	ck_assert_int_eq(result_of(&dec, ROUTE_COMPARE, key_value_decimal(S("123456789"))), ROUTE_UNKNOWN);
	ck_assert_int_eq(result_of(&dec, ROUTE_COMPARE, key_value_double(1.5)), ROUTE_UNKNOWN);
	ck_assert_uint_eq(id_of(&date, TEXT("2024-02-29")), id_of(&date, TEXT("2024-02-29 00:00:00")));
	ck_assert_int_eq(result_of(&date, ROUTE_COMPARE, TEXT("2023-02-29")), ROUTE_UNKNOWN);
	ck_assert_int_eq(result_of(&date, ROUTE_COMPARE, TEXT("20240229")), ROUTE_UNKNOWN);
	ck_assert_int_eq(result_of(&date, ROUTE_STORE, TEXT("2024-02-29 00:00:01")), ROUTE_UNKNOWN);
	ck_assert_uint_eq(
		id_of(&when, TEXT("2024-02-28 01:02:03.5")), id_of(&when, TEXT("2024-02-28 01:02:03.500000")));
	ck_assert_int_eq(result_of(&when, ROUTE_COMPARE, TEXT("2024-02-28 01:02:03.5004")), ROUTE_UNKNOWN);
	ck_assert_int_eq(result_of(&when, ROUTE_COMPARE, TEXT("2024-02-28 24:00:00")), ROUTE_UNKNOWN);
	ck_assert_int_eq(result_of(&when, ROUTE_COMPARE, TEXT("2024-02-28 01:02")), ROUTE_UNKNOWN);
	ck_assert_int_eq(result_of(&when, ROUTE_COMPARE, TEXT("2024-02-28 01:02:03.")), ROUTE_UNKNOWN);
}
END_TEST

START_TEST(columns_that_cannot_be_keys_are_refused_with_a_cure)
{
	static const struct column rows[] = {
		{ .type = COLUMN_FLOAT },
		{ .type = COLUMN_ENUM },
		{ .type = COLUMN_TIMESTAMP },
		{ .type = COLUMN_JSON },
		{ .type = COLUMN_OTHER },
		{ .type = COLUMN_VECTOR },
		{ .type = COLUMN_INT, .generated = true },
		{ .type = COLUMN_VARCHAR, .collation = { "utf8mb4_swedish_ci", 18 } },
	};
	struct key_type type;
	struct sharding_key key;

	for (size_t i = 0; i < ARRAY_N(rows); i++) {
		struct column col = rows[i];
		struct err err = { 0 };

		col.name = STR("k");
		ck_assert_int_lt(key_type_of_column(&col, &type, &err), 0);
		ck_assert_int_eq(err.errno_, 1235);
		ck_assert_ptr_nonnull(strstr(err.msg, "use a"));
	}
	for (int kind = 0; kind <= SHARDING_VITESS_HASH; kind++) {
		struct column col = text_col(COLUMN_VARCHAR, 10, "utf8mb4_bin");
		struct err err = { 0 };

		ck_assert_int_eq(key_type_of_column(&col, &type, &err), 0);
		ck_assert_int_eq(sharding_key_init(&key, &fns[kind], &type, &err) < 0, kind != SHARDING_HASH);
	}
}
END_TEST

START_TEST(a_directory_pins_values_and_falls_back)
{
	static const struct sharding_entry entries[] = {
		{ { "42", 2 }, 0x4000000000000000 },
		{ { "-1", 2 }, 0xc000000000000000 },
	};
	static const struct sharding_entry names[] = {
		{ { "Acme", 4 }, 0x80 },
		{ { "globex ", 7 }, 0x90 },
	};
	static const struct sharding_entry twice[] = {
		{ { "Acme", 4 }, 1 },
		{ { "ACME", 4 }, 2 },
	};
	struct sharding_fn fn = {
		.kind = SHARDING_DIRECTORY, .fallback = SHARDING_PARITY, .entries = entries, .entry_n = 2
	};
	struct column col = int_col(COLUMN_BIGINT, false), text = text_col(COLUMN_VARCHAR, 20, "utf8mb4_general_ci");
	struct sharding_key key;
	struct key_type type;
	struct err err;

	col.name = text.name = STR("k");
	ck_assert_int_eq(key_type_of_column(&col, &type, &err), 0);
	ck_assert_int_eq(sharding_key_init(&key, &fn, &type, &err), 0);
	ck_assert_uint_eq(id_of(&key, key_value_decimal(S("42.0"))), 0x4000000000000000);
	ck_assert_uint_eq(id_of(&key, key_value_int(-1)), 0xc000000000000000);
	ck_assert_uint_eq(id_of(&key, key_value_int(1)), UINT64_C(1) << 63);
	sharding_key_free(&key);

	fn = (struct sharding_fn){
		.kind = SHARDING_DIRECTORY, .fallback = SHARDING_HASH, .entries = names, .entry_n = 2
	};
	ck_assert_int_lt(sharding_key_init(&key, &fn, &type, &err), 0);
	ck_assert_ptr_nonnull(strstr(err.msg, "Acme"));
	ck_assert_int_eq(key_type_of_column(&text, &type, &err), 0);
	ck_assert_int_eq(sharding_key_init(&key, &fn, &type, &err), 0);
	ck_assert_uint_eq(id_of(&key, TEXT("ACME  ")), 0x80);
	ck_assert_uint_eq(id_of(&key, TEXT("GlobeX")), 0x90);
	ck_assert_uint_eq(id_of(&key, TEXT("other")), id_of(&key, TEXT("OTHER")));
	sharding_key_free(&key);
	fn.entries = twice;
	ck_assert_int_lt(sharding_key_init(&key, &fn, &type, &err), 0);
	ck_assert_ptr_nonnull(strstr(err.msg, "ACME"));
}
END_TEST

/* Every integer of -40..40 that satisfies the bounds must have its id inside the span, and with whole bounds no other.
 */
static void check_span(const struct sharding_key *key, const struct key_value *lo, bool lo_open, double lo_is,
	const struct key_value *hi, bool hi_open, double hi_is)
{
	bool whole = lo_is == (double)(int64_t)lo_is && hi_is == (double)(int64_t)hi_is;
	struct keyrange span;
	enum route_result rc = sharding_key_span(key, lo, lo_open, hi, hi_open, &span);

	ck_assert_int_ne(rc, ROUTE_UNKNOWN);
	for (int64_t i = -40; i <= 40; i++) {
		bool in = (!lo || (lo_open ? (double)i > lo_is : (double)i >= lo_is)) &&
			  (!hi || (hi_open ? (double)i < hi_is : (double)i <= hi_is));

		bool held = rc == ROUTE_KEY && keyrange_has(span, key_id_of_int(i));

		ck_assert_msg(in == held || (held && !whole), "%d: %f %f", (int)i, lo_is, hi_is);
	}
}

START_TEST(spans_of_range_miss_nothing)
{
	static const struct {
		struct key_value v;
		double is;
	} bounds[] = {
		{ { .kind = KEY_VALUE_INT, .i64 = -10 }, -10 },
		{ { .kind = KEY_VALUE_INT, .i64 = 7 }, 7 },
		{ { .kind = KEY_VALUE_DECIMAL, .text = { "-3.5", 4 } }, -3.5 },
		{ { .kind = KEY_VALUE_DECIMAL, .text = { "-0.5", 4 } }, -0.5 },
		{ { .kind = KEY_VALUE_DECIMAL, .text = { "3.5", 3 } }, 3.5 },
		{ { .kind = KEY_VALUE_DOUBLE, .f64 = 12.25 }, 12.25 },
		{ { .kind = KEY_VALUE_TEXT, .charset = CHARSET_UTF8MB4, .text = { "12", 2 } }, 12 },
		{ { .kind = KEY_VALUE_DECIMAL, .text = { "99999999999999999999", 20 } }, 1e15 },
		{ { .kind = KEY_VALUE_DECIMAL, .text = { "-99999999999999999999", 21 } }, -1e15 },
	};
	struct sharding_key key = key_of(SHARDING_RANGE, int_col(COLUMN_BIGINT, false));
	struct sharding_key hash = key_of(SHARDING_HASH, int_col(COLUMN_BIGINT, false));
	struct key_value null = key_value_null(), junk = TEXT("abc");
	struct keyrange span;

	for (size_t i = 0; i < ARRAY_N(bounds); i++) {
		for (int open = 0; open < 4; open++) {
			check_span(&key, &bounds[i].v, open & 1, bounds[i].is, NULL, false, 0);
			check_span(&key, NULL, false, 0, &bounds[i].v, open & 1, bounds[i].is);
			for (size_t k = 0; k < ARRAY_N(bounds); k++)
				check_span(&key, &bounds[i].v, open & 1, bounds[i].is, &bounds[k].v, open & 2,
					bounds[k].is);
		}
	}
	ck_assert_int_eq(sharding_key_span(&key, &null, false, NULL, false, &span), ROUTE_NONE);
	ck_assert_int_eq(sharding_key_span(&key, &junk, false, NULL, false, &span), ROUTE_UNKNOWN);
	ck_assert_int_eq(sharding_key_span(&hash, &bounds[0].v, false, NULL, false, &span), ROUTE_UNKNOWN);
}
END_TEST

START_TEST(colocation_needs_one_function_family_and_collation)
{
	struct sharding_key i = key_of(SHARDING_HASH, int_col(COLUMN_INT, false));
	struct sharding_key u = key_of(SHARDING_HASH, int_col(COLUMN_BIGINT, true));
	struct sharding_key p = key_of(SHARDING_PARITY, int_col(COLUMN_INT, false));
	struct sharding_key g = key_of(SHARDING_HASH, text_col(COLUMN_VARCHAR, 20, "utf8mb4_general_ci"));
	struct sharding_key b = key_of(SHARDING_HASH, text_col(COLUMN_VARCHAR, 20, "utf8mb4_bin"));
	struct sharding_key c = key_of(SHARDING_HASH, text_col(COLUMN_CHAR, 5, "utf8mb4_bin"));

	ck_assert(sharding_key_colocated(&i, &u));
	ck_assert_uint_eq(id_of(&i, key_value_int(77)), id_of(&u, key_value_int(77)));
	ck_assert(!sharding_key_colocated(&i, &p));
	ck_assert(!sharding_key_colocated(&i, &g));
	ck_assert(!sharding_key_colocated(&g, &b));
	ck_assert(sharding_key_colocated(&b, &c));
}
END_TEST

START_TEST(sides_are_the_parity_of_the_value)
{
	struct key_value v = key_value_int(-3);

	ck_assert_int_eq(sharding_side(&v), 1);
	v = key_value_uint(UINT64_MAX);
	ck_assert_int_eq(sharding_side(&v), 1);
	v = TEXT("10");
	ck_assert_int_eq(sharding_side(&v), 0);
	v = key_value_decimal(S("1.5"));
	ck_assert_int_eq(sharding_side(&v), -1);
	v = key_value_null();
	ck_assert_int_eq(sharding_side(&v), -1);
	v = TEXT("x");
	ck_assert_int_eq(sharding_side(&v), -1);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("sharding");
	TCase *tc = tcase_create("all");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_test(tc, vitess_hash_gives_the_published_vectors);
	tcase_add_test(tc, range_keeps_order_and_parity_splits_odd_and_even);
	tcase_add_test(tc, an_integer_column_calls_these_equal);
	tcase_add_test(tc, an_integer_column_matches_no_row_or_says_unknown);
	tcase_add_test(tc, text_is_equal_as_its_collation_says);
	tcase_add_test(tc, bytes_decimals_and_dates_are_canonical);
	tcase_add_test(tc, columns_that_cannot_be_keys_are_refused_with_a_cure);
	tcase_add_test(tc, a_directory_pins_values_and_falls_back);
	tcase_add_test(tc, spans_of_range_miss_nothing);
	tcase_add_test(tc, colocation_needs_one_function_family_and_collation);
	tcase_add_test(tc, sides_are_the_parity_of_the_value);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
