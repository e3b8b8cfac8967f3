/* fake_shards.h - a worker with a client and a keyspace of scripted shards, all on one loop: what is sent where, and
 * what the client is told when a shard answers, refuses, hangs or dies at a chosen statement. Include it once. */
#ifndef KEYWAY_TESTS_EXEC_FAKE_SHARDS_H
#define KEYWAY_TESTS_EXEC_FAKE_SHARDS_H

#include "../loop_testing.h"
#include "../plan/world.h"
#include "keyway/io/listener.h"
#include "keyway/util/log.h"
#include "keyway/wire/auth.h"
#include "keyway/wire/greeting.h"
#include "run.h"
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#define SHARDS_N 2
#define CONNS_N	 64
#define RULES_N	 16

enum fake_act {
	ACT_OK,
	ACT_ROW,      /* one row, one column: the shard's name */
	ACT_ERR,      /* errno @no */
	ACT_HANG,     /* no answer */
	ACT_DIE,      /* closes without an answer */
	ACT_CUT,      /* columns and a row, then closes */
	ACT_HALF_ROW, /* closes inside the row's packet */
};

/* Done for the next @times statements that begin with @sql. */
struct rule {
	const char *sql;
	enum fake_act act;
	unsigned no;
	int times;
};

struct shard_conn {
	struct stream st;
	struct fake_shard *shard;
	struct buf in;
	uint32_t caps;
	uint16_t status;
	bool open, ready, dies;
};

static struct fake_shard {
	const char *name;
	char path[64];
	int lfd;
	struct listener *ls;
	struct shard_conn conns[CONNS_N];
	int n_conns;
	struct rule rules[RULES_N];
	struct buf log; /* statements, one a line; what Keyway sends to set a connection up is left out */
} shards[SHARDS_N];

static struct world world;
static struct server_directory *directory;
static struct exec_config *exec_cfg;
static struct routes *routes;
static struct process process;
static struct worker *worker;

/* The client: what it was sent, packet by packet. */
static struct client {
	struct stream st;  /* Keyway's side */
	struct stream far; /* the client's */
	struct session s;
	struct buf in;
	bool answered, fatal;
	int rows, packets;
	struct buf last; /* payload of the last packet */
} client;

static inline void act_on(struct fake_shard *sh, const char *sql, enum fake_act act, unsigned no)
{
	for (int i = 0; i < RULES_N; i++) {
		if (sh->rules[i].times)
			continue;
		sh->rules[i] = (struct rule){ sql, act, no, 1 };
		return;
	}
	ck_abort_msg("too many rules");
}

static inline void conn_close(struct shard_conn *c)
{
	if (!c->open)
		return;
	c->open = false;
	stream_close(&c->st);
	buf_free(&c->in);
}

static inline void conn_send(struct shard_conn *c, uint8_t *seq, struct buf *payload)
{
	struct buf b = { 0 };

	packet_add(&b, seq, buf_head(payload), buf_used(payload));
	stream_write(&c->st, buf_head(&b), buf_used(&b));
	buf_free(&b);
	buf_clear(payload);
}

static inline void conn_row(struct shard_conn *c, enum fake_act act)
{
	struct column_def col = { .name = STR("shard"), .type = MYSQL_TYPE_VAR_STRING, .charset = 45, .length = 10 };
	struct ok_packet ok = { .status = c->status };
	struct buf b = { 0 };
	uint8_t seq = 1;

	buf_add_u8(&b, 1);
	conn_send(c, &seq, &b);
	column_build(&b, &col);
	conn_send(c, &seq, &b);
	if (!(c->caps & CLIENT_DEPRECATE_EOF)) {
		columns_eof_build(&b, c->status, 0);
		conn_send(c, &seq, &b);
	}
	if (act == ACT_HALF_ROW) {
		static const uint8_t half[200000] = { 0, 0, 8, 3 }; /* of 512 KiB */

		stream_write(&c->st, half, sizeof(half));
		c->dies = stream_queued(&c->st) > 0; /* when they have gone out */
		if (!c->dies)
			conn_close(c);
		buf_free(&b);
		return;
	}
	buf_add_u8(&b, (uint8_t)strlen(c->shard->name));
	buf_addz(&b, c->shard->name);
	conn_send(c, &seq, &b);
	if (act == ACT_CUT) {
		conn_close(c);
	} else {
		eof_build(&b, c->caps, &ok);
		conn_send(c, &seq, &b);
	}
	buf_free(&b);
}

static inline void conn_act(struct shard_conn *c, enum fake_act act, unsigned no)
{
	struct ok_packet ok = { .affected = 1, .status = c->status };
	struct buf b = { 0 };
	uint8_t seq = 1;

	switch (act) {
	case ACT_HANG: return;
	case ACT_DIE: conn_close(c); return;
	case ACT_ROW:
	case ACT_CUT:
	case ACT_HALF_ROW: conn_row(c, act); return;
	case ACT_ERR: err_packet_build(&b, (uint16_t)no, err_sqlstate(no), STR("so the script says"), true); break;
	case ACT_OK: ok_build(&b, c->caps, &ok); break;
	}
	conn_send(c, &seq, &b);
	buf_free(&b);
}

static inline void conn_query(struct shard_conn *c, struct str sql)
{
	struct fake_shard *sh = c->shard;
	struct rule *rule = NULL;

	if (!str_starts(sql, STR("SET SESSION session_track"))) {
		buf_add_str(&sh->log, sql);
		buf_add_u8(&sh->log, '\n');
	}
	if (str_starts(sql, STR("BEGIN")) || str_starts(sql, STR("START")))
		c->status |= SERVER_STATUS_IN_TRANS;
	if (str_starts(sql, STR("COMMIT")) || str_eqz(sql, "ROLLBACK"))
		c->status &= (uint16_t)~SERVER_STATUS_IN_TRANS;
	for (int i = 0; i < RULES_N && !rule; i++) {
		if (sh->rules[i].times && str_starts(sql, str_of(sh->rules[i].sql)))
			rule = &sh->rules[i];
	}
	if (rule) {
		rule->times--;
		conn_act(c, rule->act, rule->no);
	} else {
		conn_act(c, str_starts(sql, STR("SELECT")) ? ACT_ROW : ACT_OK, 0);
	}
}

static inline void conn_packet(struct shard_conn *c, const struct packet *pk)
{
	struct handshake_response h;
	struct ok_packet ok = { .status = c->status };
	struct buf b = { 0 };
	uint8_t seq = 2;
	struct err err;

	if (!c->ready) {
		ck_assert_int_eq(handshake_response_parse(pk->payload, pk->n, ~0u, &h, &err), 0);
		c->caps = h.caps;
		c->ready = true;
		ok_build(&b, c->caps, &ok);
		conn_send(c, &seq, &b);
		buf_free(&b);
	} else if (pk->payload[0] == COM_QUERY) {
		conn_query(c, str_make((const char *)pk->payload + 1, pk->n - 1));
	} else if (pk->payload[0] == COM_RESET_CONNECTION) {
		buf_addz(&c->shard->log, "(reset)\n"); /* which rolls back */
		c->status = SERVER_STATUS_AUTOCOMMIT;
		conn_act(c, ACT_OK, 0);
	} else if (pk->payload[0] != COM_QUIT) {
		conn_act(c, ACT_OK, 0);
	}
}

static inline void conn_readable(struct stream *st)
{
	struct shard_conn *c = container_of(st, struct shard_conn, st);
	ssize_t n = stream_read(st, buf_reserve(&c->in, 65536), 65536);
	struct packet pk;
	struct err err;
	size_t need;

	if (n < 0) {
		conn_close(c);
		return;
	}
	buf_wrote(&c->in, (size_t)n);
	while (c->open && buf_used(&c->in)) {
		uint8_t seq = c->ready ? 0 : 1;

		if (packet_read(buf_head(&c->in), buf_used(&c->in), 1u << 24, &seq, &pk, &need, &err) <= 0)
			return;
		conn_packet(c, &pk);
		if (c->open)
			buf_eat(&c->in, pk.wire_bytes);
	}
}

static inline void stream_quiet(struct stream *st)
{
	(void)st;
}

static inline void conn_broken(struct stream *st)
{
	conn_close(container_of(st, struct shard_conn, st));
}

static inline void conn_drained(struct stream *st)
{
	struct shard_conn *c = container_of(st, struct shard_conn, st);

	if (c->dies)
		conn_close(c);
}

static const struct stream_ops conn_ops = { .readable = conn_readable, .drained = conn_drained, .broken = conn_broken };

static inline void conn_accepted(void *arg, int fd)
{
	struct fake_shard *sh = arg;
	struct shard_conn *c = &sh->conns[sh->n_conns++];
	struct greeting g = { .version = STR("5.5.5-10.11.6-MariaDB-fake"),
		.salt_n = AUTH_SALT_BYTES,
		.charset = 45,
		.plugin = STR(AUTH_PLUGIN_NATIVE),
		.status = SERVER_STATUS_AUTOCOMMIT,
		.caps = ~(uint32_t)(CLIENT_SSL | CLIENT_COMPRESS),
		.conn_id = 100 + (uint32_t)sh->n_conns };
	struct buf b = { 0 };
	uint8_t seq = 0;

	ck_assert_int_le(sh->n_conns, CONNS_N);
	*c = (struct shard_conn){ .shard = sh, .open = true, .status = SERVER_STATUS_AUTOCOMMIT };
	memset(g.salt, 'x', sizeof(g.salt));
	stream_init(&c->st, loop, &conn_ops);
	ck_assert_int_eq(stream_adopt(&c->st, fd), 0);
	greeting_build(&b, &g);
	conn_send(c, &seq, &b);
	buf_free(&b);
}

/* --- the client --- */

static inline void client_answered(struct session *s)
{
	(void)s;
	client.answered = true;
}

static inline void client_fatal(struct session *s)
{
	(void)s;
	client.answered = client.fatal = true;
}

static inline void client_infile(struct session *s)
{
	(void)s;
}

static const struct session_ops session_ops = {
	.answered = client_answered, .fatal = client_fatal, .infile = client_infile
};

static inline void far_readable(struct stream *st)
{
	ssize_t n = stream_read(st, buf_reserve(&client.in, 65536), 65536);

	if (n < 0) {
		stream_read_pause(st);
		return;
	}
	buf_wrote(&client.in, (size_t)n);
	while (buf_used(&client.in) >= PACKET_HEADER) {
		const uint8_t *p = buf_head(&client.in);
		size_t len = get_u24(p);

		if (buf_used(&client.in) < PACKET_HEADER + len)
			return;
		buf_clear(&client.last);
		buf_add(&client.last, p + PACKET_HEADER, len);
		client.packets++;
		buf_eat(&client.in, PACKET_HEADER + len);
	}
}

static const struct stream_ops near_ops = { .readable = stream_quiet, .drained = stream_quiet, .broken = stream_quiet };
static const struct stream_ops far_ops = { .readable = far_readable, .drained = stream_quiet, .broken = stream_quiet };

static inline void client_send(const char *sql)
{
	static struct buf b; /* stays while the session runs on it */
	struct packet pk;
	struct err err;
	size_t need;
	uint8_t seq = 0;
	size_t mark;

	buf_clear(&b);
	mark = packet_begin(&b);
	buf_add_u8(&b, COM_QUERY);
	buf_addz(&b, sql);
	packet_end(&b, mark, &seq);
	seq = 0;
	ck_assert_int_eq(packet_read(buf_head(&b), buf_used(&b), 1u << 24, &seq, &pk, &need, &err), 1);
	client.answered = false;
	client.packets = 0;
	switch (session_command(&client.s, &pk)) {
	case SESSION_ANSWERED: client.answered = true; break;
	case SESSION_FATAL: client.answered = client.fatal = true; break;
	default: break;
	}
}

/* Sends @sql and waits for its answer: 0 for OK or rows, else the errno. */
static inline unsigned ask(const char *sql)
{
	struct err_packet e;

	client_send(sql);
	WAIT_FOR(client.answered);
	WAIT_FOR(client.packets > 0 || client.fatal);
	pump_some();
	if (buf_used(&client.last) && *buf_head(&client.last) == 0xff) {
		ck_assert_int_eq(err_packet_parse(buf_head(&client.last), buf_used(&client.last), &e), 0);
		return e.code;
	}
	return 0;
}

/* What the last ERR says. */
static inline bool told(const char *part)
{
	return memmem(buf_head(&client.last), buf_used(&client.last), part, strlen(part)) != NULL;
}

/* The shard's statements since the last look, one a line. */
static inline void got(struct fake_shard *sh, const char *want)
{
	struct str have = str_make((const char *)buf_head(&sh->log), buf_used(&sh->log));

	ck_assert_msg(str_eqz(have, want), "shard %s got\n" STR_FMT "instead of\n%s", sh->name, STR_ARG(have), want);
	buf_clear(&sh->log);
}

/* --- all of it --- */

static inline void shards_map(void)
{
	char json[1024];

	snprintf(json, sizeof(json),
		"{\"keyspace\":\"shop\",\"epoch\":1,\"sharding\":{\"function\":\"parity\"},\"shards\":["
		"{\"range\":\"-80\",\"backends\":[{\"name\":\"even\",\"socket\":\"%s\",\"role\":\"primary\"}]},"
		"{\"range\":\"80-\",\"backends\":[{\"name\":\"odd\",\"socket\":\"%s\",\"role\":\"primary\"}]}],"
		"\"tables\":{\"t\":{\"key\":\"id\"}}}",
		shards[0].path, shards[1].path);
	world_keyspace(&world, json);
	world_schema(&world, STR("shop"), "t: id bigint pk, n int null\n");
	world_finish(&world, 1);
}

static inline struct routes *routes_of_world(void)
{
	const struct keyspace *ks = world.map->keyspaces[0];
	struct route_keyspace *rk = xcalloc(1, sizeof(*rk));
	struct server_login login = { .user = "u", .password = "" };
	struct err err;

	rk->servers = xcalloc(ks->shard_n, sizeof(*rk->servers));
	rk->verdicts = xcalloc(ks->shard_n, sizeof(*rk->verdicts));
	for (uint32_t i = 0; i < ks->shard_n; i++) {
		rk->servers[i] = xcalloc(1, sizeof(struct server *));
		ck_assert_int_eq(
			server_directory_get(directory, &ks->shards[i].backends[0], &login, &rk->servers[i][0], &err),
			0);
		rk->verdicts[i] = verdict_of_map(&ks->shards[i]);
	}
	return routes_new(snapshot_ref(world.snapshot), rk);
}

static inline void shards_setup(void)
{
	static const char *const names[SHARDS_N] = { "even", "odd" };
	struct session_login login = { .caps = CLIENT_PROTOCOL_41 | CLIENT_TRANSACTIONS | CLIENT_DEPRECATE_EOF,
		.collation_id = 45,
		.user = STR("app"),
		.host = STR("localhost") };
	struct err err;
	int fds[2];

	signal(SIGPIPE, SIG_IGN);
	log_set_level(LOG_ERROR);
	memset(shards, 0, sizeof(shards));
	for (int i = 0; i < SHARDS_N; i++) {
		shards[i].name = names[i];
		snprintf(shards[i].path, sizeof(shards[i].path), "/tmp/keyway-exec-%d-%d.sock", (int)getpid(), i);
		shards[i].lfd = listener_open_unix(shards[i].path, 0600, &err);
		ck_assert_int_ge(shards[i].lfd, 0);
	}
	shards_map();
	directory = server_directory_new();
	exec_cfg = xcalloc(1, sizeof(*exec_cfg));
	*exec_cfg = (struct exec_config){ .refs = 1,
		.pool = { .max_conns = 8,
			.queue_max = 100,
			.connect_timeout_us = 5000000,
			.queue_timeout_us = 1000000 },
		.max_packet_bytes = 1 << 24,
		.max_statement_memory_bytes = 1 << 26,
		.max_prepared = 100,
		.max_plans = 100,
		.server_version = xstrdup("") };
	routes = routes_of_world();
	process = (struct process){ .n_workers = 1, .scan_seed = 1, .zones = zones_new() };
	worker = worker_new(&process, 0, exec_cfg, routes);
	process.workers = &worker;
	loop = worker->loop;
	for (int i = 0; i < SHARDS_N; i++)
		shards[i].ls = listener_new(loop, shards[i].lfd, conn_accepted, &shards[i]);
	memset(&client, 0, sizeof(client));
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
	stream_init(&client.st, loop, &near_ops);
	stream_init(&client.far, loop, &far_ops);
	ck_assert_int_eq(stream_adopt(&client.st, fds[0]), 0);
	ck_assert_int_eq(stream_adopt(&client.far, fds[1]), 0);
	client.s.id = 1;
	session_open(&client.s, worker, &client.st, &session_ops, &login);
	ck_assert_int_eq(session_select(&client.s, STR("shop"), &err), 0);
}

static inline void shards_teardown(void)
{
	session_close(&client.s);
	stream_close(&client.st);
	stream_close(&client.far);
	buf_free(&client.in);
	buf_free(&client.last);
	pump_some();
	for (int i = 0; i < SHARDS_N; i++) {
		for (int k = 0; k < shards[i].n_conns; k++)
			conn_close(&shards[i].conns[k]);
		listener_free(shards[i].ls);
		close(shards[i].lfd);
		unlink(shards[i].path);
		buf_free(&shards[i].log);
	}
	worker_free(worker);
	routes_unref(routes);
	zones_free(process.zones);
	exec_config_unref(exec_cfg);
	server_directory_free(directory);
	world_free(&world);
}

#endif
