/* test_health.c - checks of servers that refuse, hang, or speak nonsense. For src/health/health.c, check.c, watch.c.
 * The test's thread and those of health; the "servers" are sockets that nobody serves. */
#include "../unit.h"
#include "internal.h"
#include "keyway/util/log.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#define MS 1000

static struct server_directory *dir;
static struct health *health;
static struct keyspace *ks;
static struct map *map;
static struct server *servers[3];
static atomic_uint n_news;
static int fds[3];

static void news(void *arg)
{
	(void)arg;
	atomic_fetch_add(&n_news, 1);
}

/* A port where the kernel takes connections and nobody ever answers; @refuse: where it does not even do that. */
static uint16_t open_port(int *fd, bool refuse)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(a);

	*fd = socket(AF_INET, SOCK_STREAM, 0);
	ck_assert_int_eq(bind(*fd, (struct sockaddr *)&a, sizeof(a)), 0);
	if (!refuse)
		ck_assert_int_eq(listen(*fd, 8), 0);
	ck_assert_int_eq(getsockname(*fd, (struct sockaddr *)&a, &n), 0);
	return ntohs(a.sin_port);
}

/* @kinds: r refuses, h hangs; the first is the primary. */
static void start(const char *kinds, struct health_config cfg)
{
	static const struct server_login login = { .user = "app", .password = "x" };
	uint32_t n = (uint32_t)strlen(kinds);
	struct server *const *shard[1];
	struct server *const *const *keyspace[1];
	struct shard_verdict v, *verdicts[1] = { &v };
	char *doc, *list = xstrdup("");
	struct err err;

	log_set_level(LOG_ERROR);
	for (uint32_t i = 0; i < n; i++) {
		uint16_t port = open_port(&fds[i], kinds[i] == 'r');
		char *more =
			xasprintf("%s%s{\"name\": \"b%u\", \"host\": \"127.0.0.1\", \"port\": %u, \"role\": \"%s\"}",
				list, i ? ", " : "", i, port, i ? "replica" : "primary");

		free(list);
		list = more;
	}
	doc = xasprintf("{\"keyspace\": \"shop\", \"epoch\": 1, \"shards\": [{\"range\": \"-\", \"kind\": "
			"\"replicaset\", \"backends\": [%s]}]}",
		list);
	ck_assert_msg(keyspace_parse(str_of(doc), STR("shop"), &ks, &err) == 0, "%s", err.msg);
	ck_assert_int_eq(map_build(&ks, 1, &map, &err), 0);
	free(list);
	free(doc);
	dir = server_directory_new();
	for (uint32_t i = 0; i < n; i++)
		ck_assert_int_eq(server_directory_get(dir, &ks->shards[0].backends[i], &login, &servers[i], &err), 0);
	health = health_new(&cfg, server_directory_wake_fd(dir), news, NULL);
	shard[0] = servers;
	keyspace[0] = shard;
	health_watch(health, map, (struct server *const *const *const *)keyspace, verdicts);
	ck_assert_int_eq(v.primary, 0);
}

static void teardown(void)
{
	health_free(health);
	health = NULL;
	for (int i = 0; i < 3; i++) {
		server_unref(servers[i]);
		servers[i] = NULL;
		if (fds[i] > 0)
			close(fds[i]);
		fds[i] = 0;
	}
	server_directory_free(dir);
	map_unref(map);
	keyspace_unref(ks);
	atomic_store(&n_news, 0);
}

static struct health_config quick(void)
{
	return (struct health_config){ .interval_us = 60 * MS, .timeout_us = 200 * MS, .down_after = 3, .up_after = 2 };
}

static bool comes(uint64_t limit_us, bool (*is)(void))
{
	uint64_t end = clock_mono_us() + limit_us;

	while (!is()) {
		if (clock_mono_us() > end)
			return false;
		usleep(2 * MS);
	}
	return true;
}

static bool first_down(void)
{
	return atomic_load(&servers[0]->health.state) == SERVER_DOWN;
}

static bool second_down(void)
{
	return atomic_load(&servers[1]->health.state) == SERVER_DOWN;
}

START_TEST(one_that_refuses_is_down_and_statements_wait)
{
	struct shard_verdict v, *verdicts[1] = { &v };
	char why[SERVER_WHY_MAX];

	start("r", quick());
	ck_assert(comes(20000 * MS, first_down));
	ck_assert(atomic_load(&servers[0]->health.down_us) != 0);
	health_verdicts(health, verdicts);
	ck_assert_int_eq(v.primary, VERDICT_NONE);
	ck_assert_uint_eq(v.hold, HOLD_NO_PRIMARY);
	ck_assert_ptr_nonnull(strstr(server_why(servers[0], why), "cannot connect"));
	for (int i = 0; i < 500 && !atomic_load(&n_news); i++)
		usleep(2 * MS);
	ck_assert_uint_ge(atomic_load(&n_news), 1);
}
END_TEST

START_TEST(one_that_hangs_is_down_and_holds_nobody_up)
{
	uint64_t began;

	start("hr", quick());
	began = clock_mono_us();
	/* the second is refused at once, three times, before the first time-out of the first (one second) */
	ck_assert(comes(20000 * MS, second_down));
	if (clock_mono_us() - began < 900 * MS)
		ck_assert(!first_down());
	ck_assert(comes(30000 * MS, first_down));
}
END_TEST

START_TEST(a_suspect_is_checked_at_once)
{
	struct health_config cfg = quick();

	cfg.interval_us = 3600ull * 1000 * MS;
	cfg.down_after = 2;
	start("r", cfg);
	health_wait_first(health, 20000 * MS);
	/* the second check comes by itself, sooner than the next would, but not before a quarter of an hour */
	ck_assert(!first_down());
	for (int i = 0; i < 1000 && !first_down(); i++) {
		server_suspect(servers[0]);
		usleep(5 * MS);
	}
	ck_assert(first_down());
}
END_TEST

START_TEST(a_stop_does_not_wait_for_what_hangs)
{
	struct health_config cfg = quick();
	uint64_t began;

	start("hhh", cfg);
	usleep(20 * MS);
	began = clock_mono_us();
	health_free(health);
	health = NULL;
	ck_assert_uint_lt(clock_mono_us() - began, 10000 * MS);
}
END_TEST

START_TEST(what_is_known_carries_over_to_another_map)
{
	struct server *const *shard[1] = { servers };
	struct server *const *const *keyspace[1] = { shard };
	struct shard_verdict v, *verdicts[1] = { &v };

	start("r", quick());
	ck_assert(comes(20000 * MS, first_down));
	health_watch(health, map, (struct server *const *const *const *)keyspace, verdicts);
	ck_assert_int_eq(v.primary, VERDICT_NONE);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_checked_fixture(tc, NULL, teardown);
	tcase_add_test(tc, one_that_refuses_is_down_and_statements_wait);
	tcase_add_test(tc, one_that_hangs_is_down_and_holds_nobody_up);
	tcase_add_test(tc, a_suspect_is_checked_at_once);
	tcase_add_test(tc, a_stop_does_not_wait_for_what_hangs);
	tcase_add_test(tc, what_is_known_carries_over_to_another_map);
}

int main(void)
{
	return run_tests("health", add);
}
