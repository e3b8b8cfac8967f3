/* source_mysql.c - ids from a ticket or block table on a MySQL or MariaDB server; the id comes with the OK packet.
 * For the allocator threads (refill.c), on which its calls block.
 * One connection, kept open; anything doubtful closes it, and what was under way is lost. */
#include "source.h"
#include "keyway/util/buf.h"
#include "keyway/util/log.h"
#include <errno.h>
#include <errmsg.h>
#include <mysql.h>
#include <mysqld_error.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

struct mysql_source {
	struct id_source source;
	const struct alloc_conf *conf;
	const struct endpoint_conf *ep;
	MYSQL *my;	 /* NULL: not connected */
	bool told_about; /* durability was looked at and spoken of once */
	bool lost;	 /* the last grab found its connection closed by the server */
};

/* Tickets of one round trip: each is a statement of its own, with its own commit. */
#define TICKETS_A_TRIP 64

static void hang_up(struct mysql_source *s)
{
	if (s->my)
		mysql_close(s->my);
	s->my = NULL;
}

/* The server's own words, without control characters. */
static enum grab_result fail(struct mysql_source *s, struct id_grab *g, enum grab_result result, const char *step)
{
	char text[120];

	snprintf(g->why, sizeof(g->why), "%s: error %u: %s", step, mysql_errno(s->my),
		log_text(str_of(mysql_error(s->my)), text, sizeof(text)));
	s->lost = mysql_errno(s->my) == CR_SERVER_GONE_ERROR || mysql_errno(s->my) == CR_SERVER_LOST;
	hang_up(s);
	return result;
}

/* A table that may forget ids in a crash gives them twice afterwards. */
static void look_at_durability(struct mysql_source *s)
{
	char *q;
	MYSQL_RES *res;
	MYSQL_ROW row;

	if (s->told_about)
		return;
	s->told_about = true;
	q = xasprintf("SELECT @@innodb_flush_log_at_trx_commit, (SELECT ENGINE FROM information_schema.TABLES WHERE "
		      "TABLE_SCHEMA = '%s' AND TABLE_NAME = '%s')",
		s->conf->database, s->conf->table);
	if (!mysql_query(s->my, q) && (res = mysql_store_result(s->my))) {
		row = mysql_fetch_row(res);
		if (row && mysql_num_fields(res) == 2) {
			if (row[0] && strcmp(row[0], "1"))
				log_warn("ids: allocator '%s' at %s: innodb_flush_log_at_trx_commit is not 1: a crash "
					 "of "
					 "that server can give ids twice; set it to 1",
					s->conf->name, s->ep->name);
			if (row[1] && strcasecmp(row[1], "InnoDB"))
				log_warn("ids: allocator '%s' at %s: table %s.%s is not InnoDB: a crash of that server "
					 "can "
					 "give ids twice; ALTER TABLE … ENGINE=InnoDB",
					s->conf->name, s->ep->name, s->conf->database, s->conf->table);
		}
		mysql_free_result(res);
	}
	free(q);
}

static enum grab_result dial(struct mysql_source *s, struct id_grab *g)
{
	unsigned seconds = (unsigned)((s->conf->timeout_us + 999999) / 1000000);
	unsigned off = 0;
	my_bool yes = 1;

	s->my = mysql_init(NULL);
	if (!s->my)
		abort();
	mysql_optionsv(s->my, MYSQL_OPT_CONNECT_TIMEOUT, &seconds);
	mysql_optionsv(s->my, MYSQL_OPT_READ_TIMEOUT, &seconds);
	mysql_optionsv(s->my, MYSQL_OPT_WRITE_TIMEOUT, &seconds);
	mysql_optionsv(s->my, MYSQL_OPT_LOCAL_INFILE, &off);
	mysql_optionsv(s->my, MYSQL_SET_CHARSET_NAME, "utf8mb4");
	/* never the password in the clear to whoever answers on that port */
	mysql_optionsv(s->my, MARIADB_OPT_RESTRICTED_AUTH,
		"mysql_native_password,caching_sha2_password,sha256_password,client_ed25519");
	if (s->conf->ca_file) {
		mysql_optionsv(s->my, MYSQL_OPT_SSL_ENFORCE, &yes);
		mysql_optionsv(s->my, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &yes);
		mysql_ssl_set(s->my, s->conf->key_file, s->conf->cert_file, s->conf->ca_file, NULL, NULL);
	}
	if (!mysql_real_connect(s->my, s->ep->socket ? "localhost" : s->ep->host, s->ep->user, s->ep->password,
		    s->conf->database, s->ep->socket ? 0 : s->ep->port, s->ep->socket, CLIENT_MULTI_STATEMENTS))
		return fail(s, g, GRAB_RETRY, "cannot connect");
	/* an init_connect that turns it off would take all grabs back when the connection ends */
	if (mysql_autocommit(s->my, 1))
		return fail(s, g, GRAB_RETRY, "cannot set autocommit");
	look_at_durability(s);
	return GRAB_OK;
}

/* What a server says no with: is it this statement, or the server as it is now? */
static bool is_refusal(unsigned no)
{
	switch (no) {
	case ER_NO_SUCH_TABLE:
	case ER_TABLEACCESS_DENIED_ERROR:
	case ER_COLUMNACCESS_DENIED_ERROR:
	case ER_BAD_FIELD_ERROR:
	case ER_DATA_OUT_OF_RANGE:
	case ER_DATA_TOO_LONG:
	case ER_NO_DEFAULT_FOR_FIELD:
	case ER_BAD_NULL_ERROR:
	case ER_PARSE_ERROR:
	case ER_AUTOINC_READ_FAILED:
	case ER_WARN_DATA_OUT_OF_RANGE:
	case ER_DUP_ENTRY: return true;
	default: return false;
	}
}

/* Waits for the first byte of the answer: the client library itself counts only in seconds. */
static bool answer_in_time(struct mysql_source *s)
{
	struct pollfd p = { .fd = mysql_get_socket(s->my), .events = POLLIN };
	uint64_t now = clock_mono_us(), end = now + s->conf->timeout_us;
	int rc;

	do {
		rc = poll(&p, 1, (int)((end - now + 999) / 1000));
		now = clock_mono_us();
	} while (rc < 0 && errno == EINTR && now < end);
	return rc > 0;
}

/* The OK packet of one statement holds the id. */
static enum grab_result take_ok(struct mysql_source *s, struct id_grab *g, uint32_t n)
{
	uint64_t id = mysql_insert_id(s->my), affected = mysql_affected_rows(s->my);
	uint64_t span = (uint64_t)(n - 1) * s->ep->step;

	if (mysql_field_count(s->my) || !(s->my->server_status & SERVER_STATUS_AUTOCOMMIT)) {
		snprintf(g->why, sizeof(g->why), "the answer is not an OK packet of a committed statement");
		return GRAB_MALFORMED;
	}
	if (s->conf->form == IDS_FORM_BLOCK && affected == 0) {
		snprintf(g->why, sizeof(g->why), "%s.%s has no row for this tag: INSERT it (docs/ids.md)",
			s->conf->database, s->conf->table);
		return GRAB_REFUSED;
	}
	if (s->conf->form == IDS_FORM_BLOCK && (affected != 1 || mysql_warning_count(s->my))) {
		snprintf(g->why, sizeof(g->why), "%s.%s has several rows for this tag, or its id column is too small",
			s->conf->database, s->conf->table);
		return GRAB_MALFORMED;
	}
	if (id == 0 || id > IDS_MAX_ID || id <= span) {
		snprintf(g->why, sizeof(g->why), "%s.%s gave the id %llu%s", s->conf->database, s->conf->table,
			(unsigned long long)id, id ? "" : ": it needs an AUTO_INCREMENT column");
		return GRAB_MALFORMED;
	}
	g->run[g->run_n++] = (struct grab_run){ .first = id - span, .n = n };
	return GRAB_OK;
}

static void add_statement(struct mysql_source *s, struct buf *q, const char *tag, uint32_t n)
{
	char text[IDS_TAG_MAX * 2 + 1];

	mysql_real_escape_string(s->my, text, tag, strlen(tag));
	if (s->conf->form == IDS_FORM_TICKET)
		buf_addf(q, "REPLACE INTO `%s` (stub) VALUES ('%s')", s->conf->table, text);
	else
		buf_addf(q, "UPDATE `%s` SET id = LAST_INSERT_ID(id + %llu) WHERE name = '%s'", s->conf->table,
			(unsigned long long)n * s->ep->step, text);
}

static enum grab_result grab_once(struct mysql_source *s, struct id_grab *g)
{
	bool ticket = s->conf->form == IDS_FORM_TICKET;
	uint32_t statements = ticket ? MIN(g->want, TICKETS_A_TRIP) : 1;
	struct buf q = { 0 };
	enum grab_result rc = GRAB_OK;
	int more, sent;

	if (!s->my)
		rc = dial(s, g);
	if (rc != GRAB_OK)
		return rc;
	for (uint32_t i = 0; i < statements; i++) {
		if (i)
			buf_add_u8(&q, ';');
		add_statement(s, &q, g->tag, g->want);
	}
	sent = mysql_send_query(s->my, (char *)buf_head(&q), buf_used(&q));
	buf_free(&q);
	if (sent)
		return fail(s, g, GRAB_RETRY, "cannot ask");
	if (!answer_in_time(s)) {
		snprintf(g->why, sizeof(g->why), "no answer within %llu ms",
			(unsigned long long)s->conf->timeout_us / 1000);
		hang_up(s);
		return GRAB_RETRY;
	}
	more = mysql_read_query_result(s->my) ? 1 : 0;
	for (uint32_t i = 0;; i++) {
		if (more > 0)
			return fail(
				s, g, is_refusal(mysql_errno(s->my)) ? GRAB_REFUSED : GRAB_RETRY, "asked for an id");
		rc = take_ok(s, g, ticket ? 1 : g->want);
		if (rc != GRAB_OK || i + 1 == statements)
			break;
		more = mysql_next_result(s->my);
		if (more < 0) {
			snprintf(g->why, sizeof(g->why), "gave fewer answers than it was asked for");
			rc = GRAB_MALFORMED;
			break;
		}
	}
	if (rc == GRAB_MALFORMED || mysql_more_results(s->my))
		hang_up(s);
	return rc;
}

/* A connection that lay idle may have been closed by wait_timeout or a restart: that is no failure yet. */
static enum grab_result mysql_grab(struct id_source *src, struct id_grab *g)
{
	struct mysql_source *s = container_of(src, struct mysql_source, source);
	bool reused = s->my != NULL;
	enum grab_result rc;

	s->lost = false;
	rc = grab_once(s, g);
	if (rc == GRAB_RETRY && reused && s->lost && !g->run_n)
		rc = grab_once(s, g);
	return rc;
}

static void mysql_free(struct id_source *src)
{
	struct mysql_source *s = container_of(src, struct mysql_source, source);

	hang_up(s);
	free(s);
}

struct id_source *source_mysql_open(const struct alloc_conf *conf, size_t ep)
{
	struct mysql_source *s = xcalloc(1, sizeof(*s));

	s->source.grab = mysql_grab;
	s->source.free = mysql_free;
	s->conf = conf;
	s->ep = &conf->ep[ep];
	return &s->source;
}
