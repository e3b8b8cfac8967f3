/* check.c - one conversation with a server: is it there, may it be written to, how far behind is it.
 * For health.c, on whose threads its calls block.
 * Nothing here is shared between threads. */
#include "internal.h"
#include "keyway/util/log.h"
#include <errmsg.h>
#include <mysqld_error.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>

#define SYSTEM_CA_FOLDER "/etc/ssl/certs"
#define ANSWER_MAX	 (1024 * 1024) /* bytes of a row */
#define CHANNELS_MAX	 64	       /* replication sources of one server */

static unsigned whole_seconds(uint64_t us)
{
	return (unsigned)((us + 999999) / 1000000);
}

void check_close(struct check *c)
{
	if (!c->my)
		return;
	c->busy(c->busy_arg, -1);
	mysql_close(c->my);
	c->my = NULL;
	c->no_status = false;
}

/* Whether an error of this number means that nobody answers there. */
static bool nobody_there(unsigned no)
{
	switch (no) {
	case CR_CONNECTION_ERROR:
	case CR_CONN_HOST_ERROR:
	case CR_IPSOCK_ERROR:
	case CR_UNKNOWN_HOST:
	case CR_SERVER_GONE_ERROR:
	case CR_SERVER_HANDSHAKE_ERR:
	case CR_SERVER_LOST:
	case CR_SERVER_LOST_EXTENDED:
	case CR_MALFORMED_PACKET:
	case ER_SERVER_SHUTDOWN:
	case ER_NORMAL_SHUTDOWN: return true;
	default: return no >= 5000; /* the connector's own, of broken conversations */
	}
}

static void note_error(struct check *c, const char *step, struct check_result *out)
{
	unsigned no = mysql_errno(c->my);
	char text[160];

	out->outcome = nobody_there(no) ? CHECK_FAILED : CHECK_ALIVE;
	snprintf(out->why, sizeof(out->why), "%s: error %u: %s", step, no,
		log_text(str_of(mysql_error(c->my)), text, sizeof(text)));
}

/* --- connecting --- */

static void set_tls(MYSQL *my, const struct server *s, const struct check_terms *t, bool name)
{
	my_bool yes = 1, no = 0;
	bool verify = s->tls >= SERVER_TLS_VERIFY_CA;

	if (s->tls == SERVER_TLS_OFF)
		return;
	mysql_ssl_set(my, t->tls_key, t->tls_cert, verify ? t->tls_ca : NULL,
		verify && !t->tls_ca ? SYSTEM_CA_FOLDER : NULL, NULL);
	mysql_optionsv(my, MYSQL_OPT_SSL_ENFORCE, &yes);
	mysql_optionsv(my, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, name ? &yes : &no);
}

/* The address that the workers use, so that no name is asked for; the name only where the certificate must bear it. */
static bool address_of(const struct server *s, char *host, size_t host_n, char *port, size_t port_n)
{
	if (getnameinfo((const struct sockaddr *)&s->addr.sa, s->addr.len, host, (socklen_t)host_n, port,
		    (socklen_t)port_n, NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		return false;
	if (s->tls == SERVER_TLS_IDENTITY)
		snprintf(host, host_n, "%s", s->host);
	return true;
}

/* @name: the certificate must bear the host's name. */
static bool try_dial(struct check *c, const struct check_terms *t, bool name, struct check_result *out)
{
	static const char hashed[] = "mysql_native_password,client_ed25519";
	static const char all[] = "mysql_native_password,client_ed25519,caching_sha2_password,sha256_password,parsec";
	const struct server *s = c->server;
	unsigned seconds = whole_seconds(t->timeout_us), off = 0;
	unsigned protocol = s->local ? MYSQL_PROTOCOL_SOCKET : MYSQL_PROTOCOL_TCP;
	unsigned long answer_max = ANSWER_MAX;
	char host[NI_MAXHOST], port[NI_MAXSERV];

	if (!s->local && !address_of(s, host, sizeof(host), port, sizeof(port))) {
		out->outcome = CHECK_FAILED;
		snprintf(out->why, sizeof(out->why), "its address cannot be read");
		return false;
	}
	c->my = mysql_init(NULL);
	if (!c->my)
		abort();
	mysql_optionsv(c->my, MYSQL_OPT_CONNECT_TIMEOUT, &seconds);
	mysql_optionsv(c->my, MYSQL_OPT_READ_TIMEOUT, &seconds);
	mysql_optionsv(c->my, MYSQL_OPT_WRITE_TIMEOUT, &seconds);
	mysql_optionsv(c->my, MYSQL_OPT_LOCAL_INFILE, &off);
	mysql_optionsv(c->my, MYSQL_OPT_PROTOCOL, &protocol);
	mysql_optionsv(c->my, MYSQL_OPT_MAX_ALLOWED_PACKET, &answer_max);
	mysql_optionsv(c->my, MYSQL_SET_CHARSET_NAME, "utf8mb4");
	/* to whoever has a certificate of another name the password goes in no form that it could be got from */
	mysql_optionsv(c->my, MARIADB_OPT_RESTRICTED_AUTH, s->tls == SERVER_TLS_VERIFY_CA && !name ? hashed : all);
	mysql_optionsv(c->my, MYSQL_OPT_CONNECT_ATTR_ADD, "program_name", "keyway-health");
	if (s->source)
		mysql_optionsv(c->my, MYSQL_OPT_BIND, s->source);
	set_tls(c->my, s, t, name);
	/* the database tells these connections from the clients' in a list of processes */
	if (mysql_real_connect(c->my, s->local ? NULL : host, s->user, s->password, "information_schema",
		    s->local ? 0 : (unsigned)strtoul(port, NULL, 10),
		    s->local ? ((const struct sockaddr_un *)&s->addr.sa)->sun_path : NULL, 0))
		return true;
	note_error(c, "cannot connect", out);
	check_close(c);
	return false;
}

static bool dial(struct check *c, const struct check_terms *t, struct check_result *out)
{
	enum server_tls tls = c->server->tls;

	if (!try_dial(c, t, tls >= SERVER_TLS_VERIFY_CA, out) &&
		(tls != SERVER_TLS_VERIFY_CA || !strstr(out->why, "Validation of SSL server certificate failed") ||
			!try_dial(c, t, false, out)))
		return false;
	if (tls >= SERVER_TLS_REQUIRED && !mysql_get_ssl_cipher(c->my)) {
		out->outcome = CHECK_ALIVE;
		snprintf(out->why, sizeof(out->why), "the server offers no TLS, which the settings require");
		check_close(c);
		return false;
	}
	c->mariadb = mariadb_connection(c->my);
	c->busy(c->busy_arg, (int)mysql_get_socket(c->my));
	if (mysql_query(c->my, "SET SESSION autocommit=1, time_zone='+00:00'")) {
		note_error(c, "cannot prepare the session", out);
		check_close(c);
		return false;
	}
	out->outcome = CHECK_GOOD;
	return true;
}

/* --- asking --- */

/* The answer's rows to @row, at most @most. False: @out says why, the connection is closed where it is of no use. */
static bool ask(struct check *c, const char *sql, unsigned most, void (*row)(void *arg, MYSQL_RES *res, MYSQL_ROW r),
	void *arg, struct check_result *out)
{
	MYSQL_RES *res = NULL;
	MYSQL_ROW r;
	unsigned n = 0;

	if (mysql_query(c->my, sql) || !(res = mysql_use_result(c->my))) {
		note_error(c, "cannot ask for its state", out);
		if (out->outcome == CHECK_FAILED || mysql_errno(c->my) >= CR_MIN_ERROR)
			check_close(c);
		return false;
	}
	while ((r = mysql_fetch_row(res)) && n++ < most)
		row(arg, res, r);
	if (r) {
		/* the rest is not waited for: whoever sends without end would keep us */
		out->outcome = CHECK_ALIVE;
		snprintf(out->why, sizeof(out->why), "it sent more than %u rows", most);
		shutdown((int)mysql_get_socket(c->my), SHUT_RDWR);
		mysql_free_result(res);
		check_close(c);
		return false;
	}
	if (mysql_errno(c->my)) {
		note_error(c, "its answer broke off", out);
		mysql_free_result(res);
		check_close(c);
		return false;
	}
	mysql_free_result(res);
	return true;
}

static void state_row(void *arg, MYSQL_RES *res, MYSQL_ROW r)
{
	struct check_result *out = arg;

	if (mysql_num_fields(res) != 3)
		return;
	out->read_only = r[0] && strcmp(r[0], "0") && strcasecmp(r[0], "OFF");
	free(out->position);
	out->position = position_union(str_of(r[1] ? r[1] : ""), str_of(r[2] ? r[2] : ""));
}

static void mysql_state_row(void *arg, MYSQL_RES *res, MYSQL_ROW r)
{
	struct check_result *out = arg;

	if (mysql_num_fields(res) != 3)
		return;
	out->read_only = (r[0] && strcmp(r[0], "0")) || (r[1] && strcmp(r[1], "0"));
	free(out->position);
	out->position = xstrdup(r[2] ? r[2] : "");
}

struct replication {
	unsigned n;
	bool stopped, connecting, unknown;
	uint64_t seconds;
};

static const char *column(MYSQL_RES *res, MYSQL_ROW r, const char *name, const char *newer)
{
	const MYSQL_FIELD *f = mysql_fetch_fields(res);

	for (unsigned i = 0; i < mysql_num_fields(res); i++) {
		if (!strcasecmp(f[i].name, name) || !strcasecmp(f[i].name, newer))
			return r[i];
	}
	return NULL;
}

static void channel_row(void *arg, MYSQL_RES *res, MYSQL_ROW r)
{
	struct replication *rep = arg;
	const char *io = column(res, r, "Slave_IO_Running", "Replica_IO_Running");
	const char *sql = column(res, r, "Slave_SQL_Running", "Replica_SQL_Running");
	const char *behind = column(res, r, "Seconds_Behind_Master", "Seconds_Behind_Source");
	uint64_t seconds;

	rep->n++;
	if (!io || !sql || strcasecmp(sql, "Yes") || !strcasecmp(io, "No"))
		rep->stopped = true;
	else if (strcasecmp(io, "Yes"))
		rep->connecting = true;
	else if (!behind || str_to_u64(str_of(behind), &seconds) < 0)
		rep->unknown = true;
	else
		rep->seconds = MAX(rep->seconds, MIN(seconds, (uint64_t)UINT32_MAX));
}

static void lag_row(void *arg, MYSQL_RES *res, MYSQL_ROW r)
{
	int64_t us;

	if (mysql_num_fields(res) == 1 && r[0] && str_to_i64(str_of(r[0]), &us) == 0)
		*(uint64_t *)arg = us > 0 ? (uint64_t)us : 0;
}

static const char *status_query(const struct check *c)
{
	if (c->mariadb)
		return "SHOW ALL SLAVES STATUS";
	return mysql_get_server_version(c->my) >= 80022 ? "SHOW REPLICA STATUS" : "SHOW SLAVE STATUS";
}

/* False: the connection is gone. */
static bool ask_heartbeat(struct check *c, const struct check_terms *t, uint64_t *lag_us, struct check_result *out)
{
	char *sql = xasprintf("SELECT TIMESTAMPDIFF(MICROSECOND, MAX(%s), UTC_TIMESTAMP(6)) FROM %s",
		t->heartbeat_column, t->heartbeat_table);
	bool good = ask(c, sql, 1, lag_row, lag_us, out);

	free(sql);
	if (!good && !c->told_heartbeat) {
		log_warn("backend %s: the heartbeat table cannot be read, its lag is what it says of itself: %s",
			c->server->label, out->why);
		c->told_heartbeat = true;
	}
	return good || c->my;
}

/* How far behind. False: the connection broke. */
static bool ask_lag(struct check *c, const struct check_terms *t, struct check_result *out)
{
	struct replication rep = { 0 };
	struct check_result side = { 0 };
	uint64_t now = clock_mono_us(), lag = SERVER_LAG_UNKNOWN;

	if (!c->no_status && !ask(c, status_query(c), CHANNELS_MAX, channel_row, &rep, &side)) {
		if (!c->my) {
			out->outcome = side.outcome;
			memcpy(out->why, side.why, sizeof(out->why));
			return false;
		}
		c->no_status = true;
		if (!c->told_status) {
			log_warn(
				"backend %s: its replication cannot be looked at, so its lag is not known; GRANT SLAVE "
				"MONITOR (MariaDB) or REPLICATION CLIENT (MySQL) to the account: %s",
				c->server->label, side.why);
			c->told_status = true;
		}
	}
	if (rep.stopped) {
		out->lag_us = SERVER_LAG_UNKNOWN;
		return true;
	}
	if (t->heartbeat_table && (rep.n || c->no_status || out->read_only) && !ask_heartbeat(c, t, &lag, &side)) {
		out->outcome = side.outcome;
		memcpy(out->why, side.why, sizeof(out->why));
		return false;
	}
	if (lag == SERVER_LAG_UNKNOWN && rep.n && !rep.unknown && !rep.connecting)
		lag = rep.seconds * 1000000;
	if (lag == SERVER_LAG_UNKNOWN && rep.n == 0 && !c->no_status && !out->read_only)
		lag = 0; /* it follows nobody and is written to */
	if (lag == SERVER_LAG_UNKNOWN && rep.connecting && c->lag_us != SERVER_LAG_UNKNOWN && c->lag_at_us)
		lag = c->lag_us + (now - c->lag_at_us); /* its source is not reached: no worse than this */
	else if (lag != SERVER_LAG_UNKNOWN) {
		c->lag_us = lag;
		c->lag_at_us = now;
	}
	out->lag_us = lag;
	return true;
}

static bool converse(struct check *c, const struct check_terms *t, struct check_result *out)
{
	uint64_t began = clock_mono_us();

	if (c->mariadb ? !ask(c, "SELECT @@global.read_only, @@global.gtid_binlog_pos, @@global.gtid_slave_pos", 1,
				 state_row, out, out)
		       : !ask(c, "SELECT @@global.read_only, @@global.super_read_only, @@global.gtid_executed", 1,
				 mysql_state_row, out, out))
		return false;
	out->rtt_us = clock_mono_us() - began;
	out->mariadb = c->mariadb;
	if (!out->position) {
		out->outcome = CHECK_ALIVE;
		snprintf(out->why, sizeof(out->why), "it did not tell its state");
		return false;
	}
	return ask_lag(c, t, out);
}

void check_run(struct check *c, const struct check_terms *t, struct check_result *out)
{
	uint64_t began = clock_mono_us();
	bool kept = c->my != NULL;

	*out = (struct check_result){ .lag_us = SERVER_LAG_UNKNOWN };
	if (kept) {
		c->busy(c->busy_arg, (int)mysql_get_socket(c->my));
		if (converse(c, t, out)) {
			c->busy(c->busy_arg, -1);
			return;
		}
		/* a connection that was open for long may have been closed by anybody: that says nothing yet */
		if (out->outcome != CHECK_FAILED || clock_mono_us() - began >= t->timeout_us)
			goto done;
		free(out->position);
		*out = (struct check_result){ .lag_us = SERVER_LAG_UNKNOWN };
	}
	if (dial(c, t, out))
		(void)converse(c, t, out);
done:
	if (c->my)
		c->busy(c->busy_arg, -1);
	if (out->outcome != CHECK_GOOD) {
		free(out->position);
		out->position = NULL;
	}
}
