/* test_server.c - one struct for one address and account, and references. For src/backend/server.c; one thread. */
#include "../unit.h"
#include "keyway/backend/server.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <sys/un.h>

static struct server_directory *dir;
static struct err err;
static const struct server_login app = { .user = "app", .password = "x" };

static void setup(void)
{
	dir = server_directory_new();
}

static void teardown(void)
{
	server_directory_free(dir);
}

static struct server *get(const char *host, uint16_t port, const struct server_login *login)
{
	struct backend_def def = { .name = STR("b"), .host = str_of(host), .port = port };
	struct server *s;

	ck_assert_msg(server_directory_get(dir, &def, login, &s, &err) == 0, "%s", err.msg);
	return s;
}

START_TEST(the_same_address_and_account_are_one_server)
{
	struct server *a = get("127.0.0.1", 3306, &app), *b = get("127.0.0.1", 3306, &app);
	struct sockaddr_in *sa = (struct sockaddr_in *)&a->addr.sa;

	ck_assert_ptr_eq(a, b);
	ck_assert_uint_eq(atomic_load(&a->refs), 3);
	ck_assert_str_eq(a->label, "127.0.0.1:3306");
	ck_assert_str_eq(a->host, "127.0.0.1");
	ck_assert_int_eq(sa->sin_family, AF_INET);
	ck_assert_uint_eq(ntohs(sa->sin_port), 3306);
	ck_assert(!a->local);
	server_unref(a);
	server_unref(b);
}
END_TEST

START_TEST(a_source_address_is_told_and_must_be_of_the_servers_kind)
{
	const struct server_login from = { .user = "app", .password = "x", .source = "127.0.0.9" };
	struct backend_def def = { .name = STR("b"), .host = STR("::1"), .port = 3306 };
	struct server *a = get("127.0.0.1", 3306, &from), *none;
	struct sockaddr_in *sa = (struct sockaddr_in *)&a->addr.from;

	ck_assert_uint_eq(a->addr.from_len, sizeof(*sa));
	ck_assert_uint_eq(ntohl(sa->sin_addr.s_addr), 0x7f000009);
	ck_assert_str_eq(a->source, "127.0.0.9");
	server_unref(a);
	ck_assert_int_eq(server_directory_get(dir, &def, &from, &none, &err), ERR_CONFIG);
	ck_assert_ptr_nonnull(strstr(err.msg, "127.0.0.9"));
}
END_TEST

START_TEST(whatever_differs_makes_another_server)
{
	const struct server_login other[] = { { .user = "app2", .password = "x" }, { .user = "app", .password = "y" },
		{ .user = "app", .password = "x", .tls = SERVER_TLS_PREFERRED },
		{ .user = "app", .password = "x", .source = "127.0.0.9" } };
	struct server *a = get("127.0.0.1", 3306, &app), *b;

	for (size_t i = 0; i < ARRAY_N(other); i++) {
		b = get("127.0.0.1", 3306, &other[i]);
		ck_assert_ptr_ne(a, b);
		server_unref(b);
	}
	b = get("127.0.0.1", 3307, &app);
	ck_assert_ptr_ne(a, b);
	server_unref(b);
	b = get("127.0.0.2", 3306, &app);
	ck_assert_ptr_ne(a, b);
	server_unref(b);
	server_unref(a);
}
END_TEST

START_TEST(a_unix_socket_is_local)
{
	struct backend_def def = { .name = STR("b"), .socket = STR("/run/mysqld/x.sock") };
	struct server *s;

	ck_assert_int_eq(server_directory_get(dir, &def, &app, &s, &err), 0);
	ck_assert(s->local);
	ck_assert_str_eq(s->label, "/run/mysqld/x.sock");
	ck_assert_str_eq(((struct sockaddr_un *)&s->addr.sa)->sun_path, "/run/mysqld/x.sock");
	server_unref(s);
}
END_TEST

START_TEST(a_socket_path_too_long_is_refused)
{
	static char path[200];
	struct backend_def def = { .name = STR("b7"), .socket = { path, sizeof(path) } };
	struct server *s;

	memset(path, 'p', sizeof(path));
	ck_assert_int_eq(server_directory_get(dir, &def, &app, &s, &err), ERR_CONFIG);
	ck_assert_ptr_nonnull(strstr(err.msg, "'b7'"));
}
END_TEST

START_TEST(a_host_without_an_address_is_told)
{
	struct backend_def def = { .name = STR("b7"), .host = STR("300.300.300.300"), .port = 1 };
	struct server *s;

	ck_assert_int_eq(server_directory_get(dir, &def, &app, &s, &err), ERR_CONFIG);
	ck_assert_ptr_nonnull(strstr(err.msg, "'300.300.300.300' of backend 'b7' has no address"));
}
END_TEST

START_TEST(a_server_outlives_the_directory_and_the_tls_context_its_giver)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	struct server_login login = { .user = "app", .password = "x", .tls = SERVER_TLS_REQUIRED, .tls_ctx = ctx };
	struct server *s = get("127.0.0.1", 3306, &login);

	SSL_CTX_free(ctx);
	server_directory_free(dir);
	ck_assert_str_eq(s->user, "app");
	ck_assert_ptr_nonnull(SSL_CTX_get_cert_store(s->tls_ctx));
	server_unref(s);
	dir = server_directory_new();
}
END_TEST

START_TEST(servers_that_nobody_uses_are_dropped_when_a_new_one_comes)
{
	struct server *a = get("127.0.0.1", 3306, &app), *kept = get("127.0.0.1", 3307, &app), *b;

	atomic_store(&a->failures, 9);
	atomic_store(&kept->failures, 9);
	server_unref(a);
	b = get("127.0.0.1", 3308, &app);
	server_unref(b);
	a = get("127.0.0.1", 3306, &app);
	ck_assert_uint_eq(atomic_load(&a->failures), 0);
	b = get("127.0.0.1", 3307, &app);
	ck_assert_ptr_eq(b, kept);
	ck_assert_uint_eq(atomic_load(&b->failures), 9);
	server_unref(a);
	server_unref(b);
	server_unref(kept);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, the_same_address_and_account_are_one_server);
	tcase_add_test(tc, a_source_address_is_told_and_must_be_of_the_servers_kind);
	tcase_add_test(tc, whatever_differs_makes_another_server);
	tcase_add_test(tc, a_unix_socket_is_local);
	tcase_add_test(tc, a_socket_path_too_long_is_refused);
	tcase_add_test(tc, a_host_without_an_address_is_told);
	tcase_add_test(tc, a_server_outlives_the_directory_and_the_tls_context_its_giver);
	tcase_add_test(tc, servers_that_nobody_uses_are_dropped_when_a_new_one_comes);
}

int main(void)
{
	return run_tests("server", add);
}
