/* db.h - one connection to a server under the operator's account, statement by statement. Tools only: calls block, each
 * at most the connection's time-outs. */
#ifndef KEYWAY_OPS_DB_H
#define KEYWAY_OPS_DB_H

#include "gtid.h"
#include "keyway/cluster/map.h"
#include "keyway/ops/ops.h"
#include "keyway/util/buf.h"
#include <mysql.h>

struct db {
	MYSQL *my;
	char *name; /* of the backend: for messages */
	struct ops_account account;
	const struct backend_def *def;
	unsigned read_s;
	uint32_t domain;     /* gtid_domain_id */
	uint32_t version;    /* 101119 */
	unsigned last_errno; /* of the last statement that failed */
};

/* MariaDB only. @def and @account have to outlive it. @read_s: longest wait for an answer. */
MUST_CHECK int db_open(struct db *db, const struct backend_def *def, const struct ops_account *account, unsigned read_s,
	struct err *err);
void db_close(struct db *db);
/* Another connection to the same server. */
MUST_CHECK int db_open_like(struct db *db, const struct db *other, unsigned read_s, struct err *err);

MUST_CHECK int db_exec(struct db *db, struct err *err, const char *fmt, ...) PRINTF(3, 4);
/* The same, shown in messages as @shown. */
MUST_CHECK int db_exec_secret(struct db *db, struct str sql, const char *shown, struct err *err);
MUST_CHECK int db_exec_str(struct db *db, struct str sql, struct err *err);
/* NULL and @err; free with mysql_free_result(). */
MYSQL_RES *db_query(struct db *db, struct err *err, const char *fmt, ...) PRINTF(3, 4);
MYSQL_RES *db_query_str(struct db *db, struct str sql, struct err *err);
/* The first column of the first row in @out (heap; NULL for SQL's NULL). No row is an error. */
MUST_CHECK int db_text(struct db *db, char **out, struct err *err, const char *fmt, ...) PRINTF(4, 5);
MUST_CHECK int db_u64(struct db *db, uint64_t *out, struct err *err, const char *fmt, ...) PRINTF(4, 5);
/* The field @name of the result's row @row; NULL when there is no such field or it is NULL. */
const char *db_field(MYSQL_RES *res, MYSQL_ROW row, const char *name);

/* @@gtid_binlog_pos, @@gtid_current_pos …: @variable without @@. */
MUST_CHECK int db_position(struct db *db, const char *variable, struct gtid_list *out, struct err *err);
/* Waits until replication has applied @pos there, at most @timeout_us. 1: not yet. Negative: replication has stopped,
 * or the server does not answer. */
MUST_CHECK int db_wait_position(struct db *db, const struct gtid_list *pos, uint64_t timeout_us, struct err *err);

/* How replication into a server fares. */
struct db_replica {
	bool there; /* it replicates from someone */
	bool io_running, sql_running;
	bool by_gtid;
	bool behind_known;
	uint64_t behind_s;
	unsigned errno_;
	char error[256];
	char host[256], user[128];
	unsigned port;
};
MUST_CHECK int db_replica(struct db *db, struct db_replica *out, struct err *err);
/* ERR_BACKEND and why, unless both threads run without error. */
MUST_CHECK int db_replica_healthy(const struct db *db, const struct db_replica *r, struct err *err);

/* `name` with backticks doubled; 'text' as a string literal. */
void sql_add_ident(struct buf *b, const char *name);
void sql_add_text(struct buf *b, const char *text);

#endif
