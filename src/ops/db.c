/* db.c - the operator's connection to one server.
 * For all operations.
 * Calls block; tools only. */
#include "db.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define CONNECT_S	5
#define RESULT_ROWS_MAX 10000000
#define WAIT_SLICE_US	1000000 /* of a wait for a position, after which replication is looked at */

static int db_fail(struct db *db, const char *what, struct err *err)
{
	unsigned no = mysql_errno(db->my);
	bool ours = no == 0 || no >= 2000;

	db->last_errno = no;
	return err_set(err, ERR_BACKEND, ours ? ER_NET_READ_ERROR : (enum mysql_errno)no,
		"backend %s: %.200s: %u %.220s", db->name, what, no, mysql_error(db->my));
}

static void set_tls(MYSQL *my, const struct ops_account *a)
{
	my_bool yes = 1, no = 0;
	bool verify = a->tls == OPS_TLS_VERIFY;

	if (a->tls == OPS_TLS_OFF)
		return;
	mysql_ssl_set(my, a->tls_key, a->tls_cert, verify ? a->tls_ca : NULL,
		verify && !a->tls_ca ? "/etc/ssl/certs" : NULL, NULL);
	mysql_options(my, MYSQL_OPT_SSL_ENFORCE, a->tls >= OPS_TLS_REQUIRED ? &yes : &no);
	mysql_options(my, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, verify ? &yes : &no);
}

static int db_connect(struct db *db, struct err *err)
{
	unsigned connect_s = CONNECT_S, off = 0,
		 protocol = db->def->socket.n ? MYSQL_PROTOCOL_SOCKET : MYSQL_PROTOCOL_TCP;

	mysql_options(db->my, MYSQL_OPT_CONNECT_TIMEOUT, &connect_s);
	mysql_options(db->my, MYSQL_OPT_READ_TIMEOUT, &db->read_s);
	mysql_options(db->my, MYSQL_OPT_WRITE_TIMEOUT, &db->read_s);
	mysql_options(db->my, MYSQL_OPT_LOCAL_INFILE, &off);
	mysql_options(db->my, MYSQL_OPT_PROTOCOL, &protocol);
	mysql_options(db->my, MYSQL_SET_CHARSET_NAME, "utf8mb4");
	set_tls(db->my, &db->account);
	if (!mysql_real_connect(db->my, db->def->socket.n ? NULL : db->def->host.p, db->account.user,
		    db->account.password, NULL, db->def->port, db->def->socket.n ? db->def->socket.p : NULL, 0))
		return db_fail(db, "cannot connect with the operator's account", err);
	if (db->account.tls >= OPS_TLS_REQUIRED && !mysql_get_ssl_cipher(db->my))
		return err_set(err, ERR_BACKEND, ER_NET_READ_ERROR,
			"backend %s offers no TLS, which backend.tls requires", db->name);
	return 0;
}

/* A session in which nothing depends on the server's settings. */
static int db_prepare(struct db *db, struct err *err)
{
	char *text = NULL;
	uint64_t n;
	unsigned a, b, c;
	int rc = db_text(db, &text, err, "SELECT VERSION()");

	if (rc < 0)
		return rc;
	if (!text || !strstr(text, "MariaDB") || sscanf(text, "%u.%u.%u", &a, &b, &c) != 3) {
		rc = err_set(err, ERR_UNSUPPORTED, ER_NOT_SUPPORTED_YET,
			"backend %s is '%.60s': these operations need MariaDB (its GTID domains and positions)",
			db->name, text ? text : "");
		free(text);
		return rc;
	}
	db->version = a * 10000 + b * 100 + c;
	free(text);
	rc = db_exec(db, err,
		"SET SESSION time_zone='+00:00', sql_mode='NO_AUTO_VALUE_ON_ZERO', max_statement_time=0, "
		"lock_wait_timeout=10, "
		"innodb_lock_wait_timeout=10");
	if (rc == 0)
		rc = db_u64(db, &n, err, "SELECT @@GLOBAL.gtid_domain_id");
	if (rc == 0)
		db->domain = (uint32_t)n;
	return rc;
}

int db_open(struct db *db, const struct backend_def *def, const struct ops_account *account, unsigned read_s,
	struct err *err)
{
	int rc;

	*db = (struct db){ .account = *account, .def = def, .read_s = read_s, .name = str_dup(def->name) };
	db->my = mysql_init(NULL);
	if (!db->my) {
		rc = err_set(err, ERR_LIMIT, ER_OUT_OF_RESOURCES, "no memory for a connection");
	} else {
		rc = db_connect(db, err);
		if (rc == 0)
			rc = db_prepare(db, err);
	}
	if (rc < 0)
		db_close(db);
	return rc;
}

int db_open_like(struct db *db, const struct db *other, unsigned read_s, struct err *err)
{
	return db_open(db, other->def, &other->account, read_s, err);
}

void db_close(struct db *db)
{
	if (db->my)
		mysql_close(db->my);
	free(db->name);
	*db = (struct db){ 0 };
}

int db_exec_secret(struct db *db, struct str sql, const char *shown, struct err *err)
{
	MYSQL_RES *res;

	if (mysql_real_query(db->my, sql.p, sql.n) != 0)
		return db_fail(db, shown, err);
	res = mysql_store_result(db->my);
	if (res)
		mysql_free_result(res);
	return 0;
}

int db_exec_str(struct db *db, struct str sql, struct err *err)
{
	char shown[160];

	snprintf(shown, sizeof(shown), "%.*s", (int)MIN(sql.n, sizeof(shown) - 1), sql.p);
	return db_exec_secret(db, sql, shown, err);
}

int db_exec(struct db *db, struct err *err, const char *fmt, ...)
{
	struct buf b = { 0 };
	va_list ap;
	char *sql;
	int rc, n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	sql = (char *)buf_reserve(&b, (size_t)n + 1);
	va_start(ap, fmt);
	vsnprintf(sql, (size_t)n + 1, fmt, ap);
	va_end(ap);
	rc = db_exec_str(db, str_make(sql, (size_t)n), err);
	buf_free(&b);
	return rc;
}

MYSQL_RES *db_query_str(struct db *db, struct str sql, struct err *err)
{
	MYSQL_RES *res = NULL;
	char what[160];

	if (mysql_real_query(db->my, sql.p, sql.n) == 0)
		res = mysql_store_result(db->my);
	if (!res) {
		snprintf(what, sizeof(what), "%.*s", (int)MIN(sql.n, sizeof(what) - 1), sql.p);
		db_fail(db, what, err);
		return NULL;
	}
	if (mysql_num_rows(res) > RESULT_ROWS_MAX) {
		mysql_free_result(res);
		err_set(err, ERR_LIMIT, ER_MALFORMED_PACKET, "backend %s answered with too many rows", db->name);
		return NULL;
	}
	return res;
}

static MYSQL_RES *db_vquery(struct db *db, struct err *err, const char *fmt, va_list ap)
{
	struct buf b = { 0 };
	MYSQL_RES *res;
	va_list again;
	char *sql;
	int n;

	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	sql = (char *)buf_reserve(&b, (size_t)n + 1);
	vsnprintf(sql, (size_t)n + 1, fmt, ap);
	res = db_query_str(db, str_make(sql, (size_t)n), err);
	buf_free(&b);
	return res;
}

MYSQL_RES *db_query(struct db *db, struct err *err, const char *fmt, ...)
{
	MYSQL_RES *res;
	va_list ap;

	va_start(ap, fmt);
	res = db_vquery(db, err, fmt, ap);
	va_end(ap);
	return res;
}

static int first_text(struct db *db, MYSQL_RES *res, char **out, struct err *err)
{
	MYSQL_ROW row = mysql_fetch_row(res);

	if (!row || mysql_num_fields(res) == 0) {
		mysql_free_result(res);
		return err_set(err, ERR_BACKEND, ER_MALFORMED_PACKET, "backend %s answered without a row", db->name);
	}
	*out = row[0] ? xstrdup(row[0]) : NULL;
	mysql_free_result(res);
	return 0;
}

int db_text(struct db *db, char **out, struct err *err, const char *fmt, ...)
{
	MYSQL_RES *res;
	va_list ap;

	va_start(ap, fmt);
	res = db_vquery(db, err, fmt, ap);
	va_end(ap);
	return res ? first_text(db, res, out, err) : err->kind;
}

int db_u64(struct db *db, uint64_t *out, struct err *err, const char *fmt, ...)
{
	char *text = NULL;
	MYSQL_RES *res;
	va_list ap;
	int rc;

	va_start(ap, fmt);
	res = db_vquery(db, err, fmt, ap);
	va_end(ap);
	rc = res ? first_text(db, res, &text, err) : err->kind;
	if (rc == 0 && (!text || str_to_u64(str_of(text), out) < 0))
		rc = err_set(err, ERR_BACKEND, ER_MALFORMED_PACKET,
			"backend %s answered '%.60s' where a number was asked", db->name, text ? text : "NULL");
	free(text);
	return rc;
}

const char *db_field(MYSQL_RES *res, MYSQL_ROW row, const char *name)
{
	const MYSQL_FIELD *f = mysql_fetch_fields(res);

	for (unsigned i = 0; i < mysql_num_fields(res); i++) {
		if (strcasecmp(f[i].name, name) == 0)
			return row[i];
	}
	return NULL;
}

/* --- replication --- */

int db_position(struct db *db, const char *variable, struct gtid_list *out, struct err *err)
{
	char *text = NULL;
	int rc = db_text(db, &text, err, "SELECT @@GLOBAL.%s", variable);

	if (rc == 0)
		rc = gtid_parse(str_of(text), out, err);
	free(text);
	return rc;
}

static void copy_field(char *out, size_t size, const char *from)
{
	snprintf(out, size, "%s", from ? from : "");
}

static bool is_yes(const char *text)
{
	return text && strcasecmp(text, "Yes") == 0;
}

static unsigned number_of(const char *text)
{
	uint64_t n;

	return text && str_to_u64(str_of(text), &n) == 0 && n <= UINT32_MAX ? (unsigned)n : 0;
}

int db_replica(struct db *db, struct db_replica *out, struct err *err)
{
	MYSQL_RES *res = db_query(db, err, "SHOW SLAVE STATUS");
	const char *sql_error, *io_error, *behind;
	MYSQL_ROW row;

	*out = (struct db_replica){ 0 };
	if (!res)
		return err->kind;
	row = mysql_fetch_row(res);
	if (row) {
		out->there = true;
		out->io_running = is_yes(db_field(res, row, "Slave_IO_Running"));
		out->sql_running = is_yes(db_field(res, row, "Slave_SQL_Running"));
		behind = db_field(res, row, "Using_Gtid");
		out->by_gtid = behind && strcasecmp(behind, "No") != 0;
		behind = db_field(res, row, "Seconds_Behind_Master");
		out->behind_known = behind != NULL;
		out->behind_s = number_of(behind);
		out->errno_ = number_of(db_field(res, row, "Last_SQL_Errno"));
		sql_error = db_field(res, row, "Last_SQL_Error");
		io_error = db_field(res, row, "Last_IO_Error");
		if (!out->errno_)
			out->errno_ = number_of(db_field(res, row, "Last_IO_Errno"));
		copy_field(out->error, sizeof(out->error), sql_error && sql_error[0] ? sql_error : io_error);
		copy_field(out->host, sizeof(out->host), db_field(res, row, "Master_Host"));
		copy_field(out->user, sizeof(out->user), db_field(res, row, "Master_User"));
		out->port = number_of(db_field(res, row, "Master_Port"));
	}
	mysql_free_result(res);
	return 0;
}

int db_replica_healthy(const struct db *db, const struct db_replica *r, struct err *err)
{
	if (!r->there)
		return err_set(err, ERR_BACKEND, ER_NOT_SUPPORTED_YET,
			"backend %s replicates from nobody: set its replication up first", db->name);
	if (!r->by_gtid)
		return err_set(err, ERR_BACKEND, ER_NOT_SUPPORTED_YET,
			"replication into backend %s goes by file and position: CHANGE MASTER TO "
			"master_use_gtid=slave_pos",
			db->name);
	if (!r->sql_running || !r->io_running)
		return err_set(err, ERR_BACKEND, ER_NOT_SUPPORTED_YET,
			"replication into backend %s has stopped (IO %s, SQL %s): %u %.200s. Mend it, then try again",
			db->name, r->io_running ? "runs" : "stopped", r->sql_running ? "runs" : "stopped", r->errno_,
			r->error);
	return 0;
}

int db_wait_position(struct db *db, const struct gtid_list *pos, uint64_t timeout_us, struct err *err)
{
	uint64_t end = clock_mono_us() + timeout_us;
	char text[GTID_TEXT_MAX];

	if (pos->n == 0)
		return 0;
	gtid_print(pos, text);
	for (;;) {
		uint64_t now = clock_mono_us(), left = now < end ? end - now : 0,
			 slice = MIN(left, (uint64_t)WAIT_SLICE_US);
		struct db_replica r;
		char *got = NULL;
		bool reached;
		int rc = db_text(db, &got, err, "SELECT MASTER_GTID_WAIT('%s', %u.%06u)", text,
			(unsigned)(slice / 1000000), (unsigned)(slice % 1000000));

		if (rc < 0)
			return rc;
		reached = got && strcmp(got, "0") == 0;
		free(got);
		if (reached)
			return 0;
		rc = db_replica(db, &r, err);
		if (rc == 0 && !r.sql_running)
			rc = db_replica_healthy(db, &r, err);
		if (rc < 0)
			return rc;
		if (left <= slice)
			return 1;
	}
}

/* --- text for statements --- */

void sql_add_ident(struct buf *b, const char *name)
{
	buf_add_u8(b, '`');
	for (; *name; name++) {
		if (*name == '`')
			buf_add_u8(b, '`');
		buf_add_u8(b, (uint8_t)*name);
	}
	buf_add_u8(b, '`');
}

void sql_add_text(struct buf *b, const char *text)
{
	buf_add_u8(b, '\'');
	for (; *text; text++) {
		if (*text == '\'' || *text == '\\')
			buf_add_u8(b, '\\');
		buf_add_u8(b, (uint8_t)*text);
	}
	buf_add_u8(b, '\'');
}
