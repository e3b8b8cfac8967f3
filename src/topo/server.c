/* server.c - reads facts and schema of one server through information_schema.
 * For topo.c.
 * Blocking calls on the control thread. */
#include "server.h"
#include <mysql.h>
#include <stdio.h>
#include <stdlib.h>

/* Bounds of what a server may send: far above what a sane one has. */
#define COLUMN_ROWS_MAX 4000000

#define SYSTEM_CA_FOLDER "/etc/ssl/certs"

/* The library checks the chain as soon as it has a CA. Only when it is told to check the name does it refuse a server
 * without TLS before the login. */
static void set_tls(MYSQL *my, const struct topo_account *a, bool name)
{
	my_bool yes = 1, no = 0;
	bool verify = a->tls >= TOPO_TLS_VERIFY_CA;

	if (a->tls == TOPO_TLS_OFF)
		return;
	mysql_ssl_set(my, a->tls_key, a->tls_cert, verify ? a->tls_ca : NULL,
		verify && !a->tls_ca ? SYSTEM_CA_FOLDER : NULL, NULL);
	mysql_options(my, MYSQL_OPT_SSL_ENFORCE, &yes);
	mysql_options(my, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, name ? &yes : &no);
}

static int fail(MYSQL *my, const struct backend_def *where, const char *what, struct err *err)
{
	return err_set(err, ERR_BACKEND, ER_NET_READ_ERROR, "backend " STR_FMT " (" STR_FMT ":%u): %s: %u %s",
		STR_ARG(where->name), STR_ARG(where->socket.n ? where->socket : where->host), where->port, what,
		mysql_errno(my), mysql_error(my));
}

static unsigned seconds(uint64_t us)
{
	return (unsigned)((us + 999999) / 1000000);
}

/* @name: the certificate's name must be the host's. */
static MYSQL *try_connect(const struct backend_def *where, const struct server_reach *reach, bool name,
	const char *plugins, struct err *err)
{
	unsigned connect_s = seconds(reach->connect_timeout_us), read_s = seconds(reach->read_timeout_us), off = 0;
	unsigned protocol = where->socket.n ? MYSQL_PROTOCOL_SOCKET : MYSQL_PROTOCOL_TCP;
	MYSQL *my = mysql_init(NULL);

	if (!my) {
		err_set(err, ERR_LIMIT, ER_OUT_OF_RESOURCES, "no memory for a connection");
		return NULL;
	}
	mysql_options(my, MYSQL_OPT_CONNECT_TIMEOUT, &connect_s);
	mysql_options(my, MYSQL_OPT_READ_TIMEOUT, &read_s);
	mysql_options(my, MYSQL_OPT_WRITE_TIMEOUT, &read_s);
	mysql_options(my, MYSQL_OPT_LOCAL_INFILE, &off);
	mysql_options(my, MYSQL_OPT_PROTOCOL, &protocol);
	mysql_options(my, MYSQL_SET_CHARSET_NAME, "utf8mb4");
	mysql_options(my, MARIADB_OPT_RESTRICTED_AUTH, plugins);
	if (reach->account.source && *reach->account.source)
		mysql_options(my, MYSQL_OPT_BIND, reach->account.source);
	set_tls(my, &reach->account, name);
	if (!mysql_real_connect(my, where->socket.n ? NULL : where->host.p, reach->account.user,
		    reach->account.password, NULL, where->port, where->socket.n ? where->socket.p : NULL, 0)) {
		fail(my, where, "cannot connect", err);
	} else if (reach->account.tls >= TOPO_TLS_REQUIRED && !mysql_get_ssl_cipher(my)) {
		err_set(err, ERR_BACKEND, ER_NET_READ_ERROR,
			"backend " STR_FMT ": the server offers no TLS, which the account's tls setting requires",
			STR_ARG(where->name));
	} else {
		return my;
	}
	mysql_close(my);
	return NULL;
}

static MYSQL *server_connect(const struct backend_def *where, const struct server_reach *reach, struct err *err)
{
	static const char hashed[] = "mysql_native_password,client_ed25519";
	static const char all[] = "mysql_native_password,client_ed25519,caching_sha2_password,sha256_password,parsec";
	enum topo_tls tls = reach->account.tls;
	MYSQL *my = try_connect(where, reach, tls >= TOPO_TLS_VERIFY_CA, all, err);

	/* verify_ca: the chain is good, the name is not. Without the check of the name the library would log in to a
	 * server that hides its TLS, so the password must not go out in a form that it could be got from. */
	if (!my && tls == TOPO_TLS_VERIFY_CA && strstr(err->msg, "Validation of SSL server certificate failed"))
		my = try_connect(where, reach, false, hashed, err);
	return my;
}

static MYSQL_RES *query(MYSQL *my, const struct backend_def *where, const char *sql, unsigned columns, struct err *err)
{
	MYSQL_RES *res = NULL;

	if (mysql_real_query(my, sql, strlen(sql)) == 0)
		res = mysql_store_result(my);
	if (!res) {
		fail(my, where, "cannot read information_schema", err);
		return NULL;
	}
	if (mysql_num_fields(res) != columns || mysql_num_rows(res) > COLUMN_ROWS_MAX) {
		err_set(err, ERR_BACKEND, ER_MALFORMED_PACKET,
			"backend " STR_FMT ": an answer of %u columns and %llu rows was not "
			"expected",
			STR_ARG(where->name), mysql_num_fields(res), (unsigned long long)mysql_num_rows(res));
		mysql_free_result(res);
		return NULL;
	}
	return res;
}

/* One row being read. */
struct row {
	MYSQL_RES *res;
	MYSQL_ROW v;
	unsigned long *n;
};

static bool row_next(struct row *r)
{
	r->v = mysql_fetch_row(r->res);
	r->n = r->v ? mysql_fetch_lengths(r->res) : NULL;
	return r->v != NULL;
}

static struct str cell(const struct row *r, unsigned i)
{
	return r->v[i] ? str_make(r->v[i], r->n[i]) : STR("");
}

static uint64_t cell_u64(const struct row *r, unsigned i)
{
	uint64_t v = 0;

	return str_to_u64(cell(r, i), &v) == 0 ? v : 0;
}

static uint8_t cell_u8(const struct row *r, unsigned i)
{
	uint64_t v = cell_u64(r, i);

	return (uint8_t)MIN(v, (uint64_t)255);
}

/* "10.11.19-MariaDB", "5.5.5-10.4.1-MariaDB", "8.0.36-28": 101119, 100401, 80036 */
static uint32_t version_number(const char *text)
{
	unsigned a = 0, b = 0, c = 0;

	if (strncmp(text, "5.5.5-", 6) == 0)
		text += 6;
	if (sscanf(text, "%3u.%3u.%3u", &a, &b, &c) < 2)
		return 0;
	return a * 10000 + b * 100 + MIN(c, 99u);
}

static int read_facts(MYSQL *my, const struct backend_def *where, struct server_facts *f, struct err *err)
{
	struct row r = { .res = query(my, where,
				 "SELECT VERSION(), @@version_comment, @@character_set_server, @@collation_server, "
				 "@@global.sql_mode, @@global.time_zone, @@system_time_zone, "
				 "@@global.max_allowed_packet, @@lower_case_table_names",
				 9, err) };
	struct str *texts[] = { &f->version, &f->version_comment, &f->charset, &f->collation, &f->sql_mode,
		&f->time_zone, &f->system_time_zone };

	if (!r.res)
		return err->kind;
	if (!row_next(&r)) {
		mysql_free_result(r.res);
		return fail(my, where, "no answer to VERSION()", err);
	}
	for (unsigned i = 0; i < ARRAY_N(texts); i++)
		*texts[i] = arena_str(&f->arena, cell(&r, i));
	f->max_allowed_packet = cell_u64(&r, 7);
	f->lower_case_table_names = cell_u8(&r, 8);
	f->version_n = version_number(f->version.p);
	f->family = strcasestr(f->version.p, "mariadb") || strcasestr(f->version_comment.p, "mariadb") ? SERVER_MARIADB
												       : SERVER_MYSQL;
	mysql_free_result(r.res);
	return 0;
}

static bool has(struct str s, const char *word)
{
	return s.n && strcasestr(s.p, word);
}

static void fill_column(const struct row *r, struct column *c)
{
	struct str extra = cell(r, 5), type = cell(r, 3);

	*c = (struct column){
		.name = cell(r, 1),
		.type = column_type_parse(cell(r, 2)),
		.type_text = type,
		.is_unsigned = has(type, " unsigned"),
		.nullable = str_ieqz(cell(r, 4), "YES"),
		.auto_increment = has(extra, "auto_increment"),
		.generated =
			has(extra, "VIRTUAL GENERATED") || has(extra, "STORED GENERATED") || has(extra, "PERSISTENT"),
		.invisible = has(extra, "INVISIBLE"),
		.default_text = cell(r, 6),
		.length = cell_u64(r, 7),
		.length_bytes = cell_u64(r, 8),
		.precision = cell_u8(r, 9),
		.scale = r->v[11] ? cell_u8(r, 11) : cell_u8(r, 10),
		.charset = cell(r, 12),
		.collation = cell(r, 13),
	};
	c->has_default = r->v[6] != NULL || c->nullable;
}

static int order(struct str a, struct str b)
{
	int c = memcmp(a.p, b.p, MIN(a.n, b.n));

	return c ? c : (a.n > b.n) - (a.n < b.n);
}

/* Columns and key parts of one table: the three results are in the byte order of table names. A table made or dropped
 * between the queries leaves rows without partner, which are passed over; the next reading has them. */
static int fill_table(struct schema_builder *b, struct str name, struct row *columns, struct row *parts)
{
	struct column c;
	int rc = 0;

	while (rc == 0 && columns->v && order(cell(columns, 0), name) <= 0) {
		if (order(cell(columns, 0), name) == 0) {
			fill_column(columns, &c);
			rc = schema_build_column(b, &c);
		}
		row_next(columns);
	}
	while (rc == 0 && parts->v && order(cell(parts, 0), name) <= 0) {
		if (order(cell(parts, 0), name) == 0)
			(void)!schema_build_key_part(
				b, cell(parts, 1), str_eqz(cell(parts, 2), "0"), cell(parts, 3), parts->v[4] != NULL);
		row_next(parts);
	}
	return rc;
}

static int build(struct schema_builder *b, const struct backend_def *where, struct row *tables, struct row *columns,
	struct row *parts, struct err *err)
{
	int rc = 0;

	row_next(columns);
	row_next(parts);
	while (rc == 0 && row_next(tables)) {
		struct table t = {
			.name = cell(tables, 0),
			.view = has(cell(tables, 1), "VIEW"),
			.engine = cell(tables, 2),
			.collation = cell(tables, 3),
			.rows_estimate = cell_u64(tables, 4),
		};

		rc = schema_build_table(b, &t);
		if (rc == 0)
			rc = fill_table(b, t.name, columns, parts);
	}
	return rc == 0 ? 0
		       : err_set(err, ERR_LIMIT, ER_OUT_OF_RESOURCES,
				 "backend " STR_FMT ": too many tables or columns for Keyway", STR_ARG(where->name));
}

static int read_tables(MYSQL *my, const struct backend_def *where, const char *db, bool nocase, struct row *defaults,
	struct schema **out, struct err *err)
{
	char sql[1024];
	struct row tables = { 0 }, columns = { 0 }, parts = { 0 };
	struct schema_builder *b = NULL;
	int rc = -1;

	snprintf(sql, sizeof(sql),
		"SELECT TABLE_NAME, TABLE_TYPE, ENGINE, TABLE_COLLATION, TABLE_ROWS FROM information_schema.TABLES "
		"WHERE TABLE_SCHEMA = '%s' ORDER BY CAST(TABLE_NAME AS BINARY)",
		db);
	tables.res = query(my, where, sql, 5, err);
	snprintf(sql, sizeof(sql),
		"SELECT TABLE_NAME, COLUMN_NAME, DATA_TYPE, COLUMN_TYPE, IS_NULLABLE, EXTRA, COLUMN_DEFAULT, "
		"CHARACTER_MAXIMUM_LENGTH, CHARACTER_OCTET_LENGTH, NUMERIC_PRECISION, NUMERIC_SCALE, "
		"DATETIME_PRECISION, "
		"CHARACTER_SET_NAME, COLLATION_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = '%s' "
		"ORDER BY CAST(TABLE_NAME AS BINARY), ORDINAL_POSITION",
		db);
	if (tables.res)
		columns.res = query(my, where, sql, 14, err);
	snprintf(sql, sizeof(sql),
		"SELECT TABLE_NAME, INDEX_NAME, NON_UNIQUE, COLUMN_NAME, SUB_PART FROM information_schema.STATISTICS "
		"WHERE TABLE_SCHEMA = '%s' ORDER BY CAST(TABLE_NAME AS BINARY), CAST(INDEX_NAME AS BINARY), "
		"SEQ_IN_INDEX",
		db);
	if (columns.res)
		parts.res = query(my, where, sql, 5, err);
	if (!parts.res) {
		rc = err->kind;
		goto out;
	}
	b = schema_build(nocase, cell(defaults, 0), cell(defaults, 1));
	rc = build(b, where, &tables, &columns, &parts, err);
	if (rc < 0)
		schema_build_free(b);
	else
		*out = schema_build_finish(b);
out:
	mysql_free_result(parts.res);
	mysql_free_result(columns.res);
	mysql_free_result(tables.res);
	return rc;
}

static int read_schema(MYSQL *my, const struct backend_def *where, struct str database, const struct server_facts *f,
	struct schema **out, struct err *err)
{
	char db[2 * MAP_NAME_MAX * 4 + 1], sql[1024];
	struct row r = { 0 };
	int rc;

	if (database.n > MAP_NAME_MAX * 4)
		return err_set(
			err, ERR_CONFIG, ER_WRONG_ARGUMENTS, "a database name of %zu bytes is too long", database.n);
	/* quotes doubled whatever the server's sql_mode: NO_BACKSLASH_ESCAPES is known from the connection's status */
	mysql_real_escape_string(my, db, database.p, database.n);
	snprintf(sql, sizeof(sql),
		"SELECT DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA "
		"WHERE SCHEMA_NAME = '%s'",
		db);
	r.res = query(my, where, sql, 2, err);
	if (!r.res)
		return err->kind;
	if (row_next(&r))
		rc = read_tables(my, where, db, f->lower_case_table_names > 0, &r, out, err);
	else
		rc = err_set(err, ERR_NAME, ER_BAD_DB_ERROR,
			"backend " STR_FMT ": Unknown database '" STR_FMT
			"'; create it, or grant the account a right to it",
			STR_ARG(where->name), STR_ARG(database));
	mysql_free_result(r.res);
	return rc;
}

int server_read(const struct backend_def *where, struct str database, const struct server_reach *reach,
	struct server_facts **facts, struct schema **schema, struct err *err)
{
	struct err unwanted;
	MYSQL *my;
	int rc;

	*facts = NULL;
	if (schema)
		*schema = NULL;
	if (!err)
		err = &unwanted;
	my = server_connect(where, reach, err);
	if (!my)
		return err->kind;
	reach->busy(reach->busy_arg, (int)mysql_get_socket(my));
	*facts = server_facts_new();
	rc = read_facts(my, where, *facts, err);
	if (rc < 0) {
		server_facts_unref(*facts);
		*facts = NULL;
	} else if (schema) {
		rc = read_schema(my, where, database, *facts, schema, err);
	}
	reach->busy(reach->busy_arg, -1);
	mysql_close(my);
	return rc;
}
