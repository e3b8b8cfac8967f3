/* test_auth.c - password hashes against published vectors, both roles against each other. For wire/auth.h. */
#include "keyway/wire/auth.h"
#include "wire_testing.h"

static const uint8_t salt[] = "abcdefghij0123456789";

START_TEST(a_native_verifier_is_that_of_the_servers_PASSWORD_function)
{
	uint8_t v[AUTH_NATIVE_BYTES], back[AUTH_NATIVE_BYTES];
	char text[AUTH_NATIVE_TEXT + 1];

	ck_assert_int_eq(auth_native_verifier(STR("password"), v), 0);
	auth_native_print(v, text);
	ck_assert_str_eq(text, "*2470C0C06DEE42FD1618BB99005ADCA2EC9D1E19");
	ck_assert_int_eq(auth_native_read(str_of(text), back), 0);
	ck_assert_mem_eq(v, back, sizeof(v));
	ck_assert_int_lt(auth_native_read(STR("*2470C0C06DEE42FD1618BB99005ADCA2EC9D1E1"), back), 0);
	ck_assert_int_lt(auth_native_read(STR("*2470C0C06DEE42FD1618BB99005ADCA2EC9D1E1G"), back), 0);
	ck_assert_int_lt(auth_native_read(STR("x2470C0C06DEE42FD1618BB99005ADCA2EC9D1E19"), back), 0);
	ck_assert_int_lt(auth_native_read(STR(""), back), 0);
	ck_assert(auth_native_check_clear(v, STR("password")));
	ck_assert(!auth_native_check_clear(v, STR("passwore")));
}
END_TEST

START_TEST(a_native_answer_fits_its_password_and_salt_only)
{
	uint8_t v[AUTH_NATIVE_BYTES], answer[AUTH_NATIVE_BYTES];
	struct str response = str_make((char *)answer, sizeof(answer));

	ck_assert_int_eq(auth_native_verifier(STR("secret"), v), 0);
	ck_assert_int_eq(auth_native_scramble(STR("secret"), salt, answer), 0);
	ck_assert(auth_native_check(v, salt, response));
	ck_assert(!auth_native_check(v, (const uint8_t *)"bbcdefghij0123456789", response));
	for (size_t n = 0; n < sizeof(answer); n++)
		ck_assert(!auth_native_check(v, salt, str_make(response.p, n)));
	for (size_t i = 0; i < sizeof(answer); i++) {
		answer[i] ^= 1;
		ck_assert(!auth_native_check(v, salt, response));
		answer[i] ^= 1;
	}
}
END_TEST

START_TEST(a_sha2_answer_fits_its_password_and_salt_only)
{
	uint8_t v[AUTH_SHA2_BYTES], answer[AUTH_SHA2_BYTES];
	struct str response = str_make((char *)answer, sizeof(answer));

	ck_assert_int_eq(auth_sha2_fast_verifier(STR("secret"), v), 0);
	ck_assert_int_eq(auth_sha2_scramble(STR("secret"), salt, answer), 0);
	ck_assert(auth_sha2_check(v, salt, response));
	ck_assert(!auth_sha2_check(v, (const uint8_t *)"bbcdefghij0123456789", response));
	ck_assert(!auth_sha2_check(v, salt, str_make(response.p, 31)));
	ck_assert(!auth_sha2_check(v, salt, str_make(NULL, 0)));
	answer[31] ^= 0x80;
	ck_assert(!auth_sha2_check(v, salt, response));
}
END_TEST

/* The stored form of the password "hashcat" by a MySQL server, published as the example of hashcat's mode 7401. */
START_TEST(a_verifier_made_by_mysql_is_checked)
{
	struct buf b = { 0 };
	bool match;

	buf_addz(&b, "$A$005$");
	add_hex_text(&b, "F9CC98CE08892924F50A213B6BC571A2C11778C5");
	add_hex_text(&b, "625479393559393965414D45316477456B484F41316E64484742577A2E3162785353526B7554584647562F");
	ck_assert_int_eq(auth_sha2_check_text(str_make((char *)b.p, buf_used(&b)), STR("hashcat"), &match), 0);
	ck_assert(match);
	ck_assert_int_eq(auth_sha2_check_text(str_make((char *)b.p, buf_used(&b)), STR("Hashcat"), &match), 0);
	ck_assert(!match);
	buf_free(&b);
}
END_TEST

START_TEST(verifiers_of_all_lengths_of_passwords_are_checked)
{
	char text[AUTH_SHA2_TEXT + 1], pw[AUTH_PASSWORD_MAX + 1];
	static const size_t lengths[] = { 0, 1, 31, 32, 33, 64, 65, 255 };
	uint8_t text_salt[20];
	bool match;

	memset(pw, 'p', sizeof(pw));
	for (size_t i = 0; i < ARRAY_N(lengths); i++) {
		struct str s = str_make(pw, lengths[i]);

		ck_assert_int_eq(auth_sha2_text_salt(text_salt), 0);
		ck_assert_int_eq(auth_sha2_make_text(s, text_salt, text), 0);
		ck_assert_uint_eq(strlen(text), AUTH_SHA2_TEXT);
		ck_assert(auth_sha2_text_valid(str_of(text)));
		ck_assert_int_eq(auth_sha2_check_text(str_of(text), s, &match), 0);
		ck_assert(match);
		ck_assert_int_eq(
			auth_sha2_check_text(str_of(text), str_make(pw, lengths[i] ? lengths[i] - 1 : 1), &match), 0);
		ck_assert(!match);
	}
	ck_assert_int_eq(auth_sha2_check_text(str_of(text), str_make(pw, 256), &match), 0);
	ck_assert(!match);
	ck_assert_int_lt(auth_sha2_make_text(str_make(pw, 256), text_salt, text), 0);
}
END_TEST

START_TEST(what_is_no_verifier_is_refused)
{
	bool match = true;

	ck_assert_int_lt(auth_sha2_check_text(STR("$A$005$short"), STR("x"), &match), 0);
	ck_assert(!match);
	ck_assert(!auth_sha2_text_valid(STR("$A$000$12345678901234567890bTy95Y99eAME1dwEkHOA1ndHGBWz.1bxSSRkuTXFGV/")));
	ck_assert(!auth_sha2_text_valid(STR("$B$005$12345678901234567890bTy95Y99eAME1dwEkHOA1ndHGBWz.1bxSSRkuTXFGV/")));
	ck_assert(!auth_sha2_text_valid(STR("$A$005$12345678901234567890bTy95Y99eAME1dwEkHOA1ndHGBWz.1bxSSRkuTXFGV!")));
	ck_assert(auth_sha2_text_valid(STR("$A$005$12345678901234567890bTy95Y99eAME1dwEkHOA1ndHGBWz.1bxSSRkuTXFGV/")));
}
END_TEST

START_TEST(salts_have_no_byte_that_ends_or_splits_a_text)
{
	uint8_t a[20], b[20];

	for (int i = 0; i < 2000; i++) {
		ck_assert_int_eq(auth_salt(a), 0);
		ck_assert_int_eq(auth_sha2_text_salt(b), 0);
		for (int j = 0; j < 20; j++) {
			ck_assert(a[j] && a[j] != '$' && a[j] < 128);
			ck_assert(b[j] > ' ' && b[j] < 127 && !strchr("$\"\\'", b[j]));
		}
	}
	ck_assert_int_eq(auth_salt(b), 0);
	ck_assert_mem_ne(a, b, 20);
}
END_TEST

START_TEST(a_password_goes_through_rsa)
{
	char clear[AUTH_PASSWORD_MAX + 1], long_pw[AUTH_PASSWORD_MAX];
	struct rsa_key *k = rsa_key_generate(2048);
	struct buf b = { 0 };
	size_t n;

	ck_assert_ptr_nonnull(k);
	ck_assert(str_starts(rsa_key_public_pem(k), STR("-----BEGIN PUBLIC KEY-----")));
	ck_assert_int_eq(rsa_encrypt_password(rsa_key_public_pem(k), STR("secret"), salt, &b), 0);
	ck_assert_uint_eq(buf_used(&b), 256);
	ck_assert_int_eq(rsa_decrypt_password(k, str_make((char *)b.p, 256), salt, clear, &n), 0);
	ck_assert_uint_eq(n, 6);
	ck_assert_str_eq(clear, "secret");
	ck_assert_int_lt(rsa_decrypt_password(k, str_make((char *)b.p, 255), salt, clear, &n), 0);
	ck_assert_int_lt(
		rsa_decrypt_password(k, str_make((char *)b.p, 256), (const uint8_t *)"abcdefGhij0123456789", clear, &n),
		0);
	b.p[7] ^= 1;
	ck_assert_int_lt(rsa_decrypt_password(k, str_make((char *)b.p, 256), salt, clear, &n), 0);
	/* longer than OAEP can carry with this key */
	memset(long_pw, 'x', sizeof(long_pw));
	ck_assert_int_lt(rsa_encrypt_password(rsa_key_public_pem(k), str_make(long_pw, 255), salt, &b), 0);
	ck_assert_int_lt(rsa_encrypt_password(STR("nonsense"), STR("x"), salt, &b), 0);
	ck_assert_ptr_null(rsa_key_load(STR("nonsense")));
	ck_assert_ptr_null(rsa_key_load(rsa_key_public_pem(k)));
	rsa_key_free(k);
	rsa_key_free(NULL);
	auth_wipe_buf(&b);
}
END_TEST

START_TEST(clear_passwords_end_in_one_NUL)
{
	struct buf b = { 0 };
	struct str pw;

	auth_clear_build(&b, STR("pw"));
	ck_assert_int_eq(auth_clear_read(str_make((char *)b.p, buf_used(&b)), &pw), 0);
	assert_str(pw, "pw");
	ck_assert_int_lt(auth_clear_read(STR("pw"), &pw), 0);
	ck_assert_int_lt(auth_clear_read(STR(""), &pw), 0);
	ck_assert_int_lt(auth_clear_read(str_make("p\0w\0", 4), &pw), 0);
	auth_wipe_buf(&b);
}
END_TEST

static void add_tests(TCase *tc)
{
	tcase_add_test(tc, a_native_verifier_is_that_of_the_servers_PASSWORD_function);
	tcase_add_test(tc, a_native_answer_fits_its_password_and_salt_only);
	tcase_add_test(tc, a_sha2_answer_fits_its_password_and_salt_only);
	tcase_add_test(tc, a_verifier_made_by_mysql_is_checked);
	tcase_add_test(tc, verifiers_of_all_lengths_of_passwords_are_checked);
	tcase_add_test(tc, what_is_no_verifier_is_refused);
	tcase_add_test(tc, salts_have_no_byte_that_ends_or_splits_a_text);
	tcase_add_test(tc, a_password_goes_through_rsa);
	tcase_add_test(tc, clear_passwords_end_in_one_NUL);
}

int main(void)
{
	return run_tests("wire/auth", add_tests);
}
