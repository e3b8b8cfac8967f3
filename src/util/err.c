/* err.c - errors and the SQLSTATE of each number. Pure. */
#include "keyway/util/err.h"
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

static const struct {
	uint16_t no;
	char sqlstate[6];
} states[] = {
	{ ER_CON_COUNT_ERROR, "08004" },
	{ ER_HANDSHAKE_ERROR, "08S01" },
	{ ER_DBACCESS_DENIED_ERROR, "42000" },
	{ ER_ACCESS_DENIED_ERROR, "28000" },
	{ ER_NO_DB_ERROR, "3D000" },
	{ ER_UNKNOWN_COM_ERROR, "08S01" },
	{ ER_BAD_NULL_ERROR, "23000" },
	{ ER_BAD_DB_ERROR, "42000" },
	{ ER_NON_UNIQ_ERROR, "23000" },
	{ ER_SERVER_SHUTDOWN, "08S01" },
	{ ER_BAD_FIELD_ERROR, "42S22" },
	{ ER_WRONG_VALUE_COUNT_ON_ROW, "21S01" },
	{ ER_PARSE_ERROR, "42000" },
	{ ER_ILLEGAL_VALUE_FOR_TYPE, "22007" },
	{ ER_EMPTY_QUERY, "42000" },
	{ ER_NO_SUCH_TABLE, "42S02" },
	{ ER_NET_PACKET_TOO_LARGE, "08S01" },
	{ ER_NET_PACKETS_OUT_OF_ORDER, "08S01" },
	{ ER_NET_READ_ERROR, "08S01" },
	{ ER_NET_READ_INTERRUPTED, "08S01" },
	{ ER_CANT_DO_THIS_DURING_A_TRANSACTION, "25000" },
	{ ER_TOO_MANY_USER_CONNECTIONS, "42000" },
	{ ER_LOCK_DEADLOCK, "40001" },
	{ ER_USER_LIMIT_REACHED, "42000" },
	{ ER_SPECIFIC_ACCESS_DENIED_ERROR, "42000" },
	{ ER_WRONG_VALUE_FOR_VAR, "42000" },
	{ ER_NOT_SUPPORTED_YET, "42000" },
	{ ER_QUERY_INTERRUPTED, "70100" },
	{ ER_MAX_PREPARED_STMT_COUNT_REACHED, "42000" },
	{ ER_SP_DOES_NOT_EXIST, "42000" },
	{ ER_NOT_SUPPORTED_AUTH_MODE, "08004" },
	{ ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION, "25006" },
};

const char *err_sqlstate(unsigned no)
{
	for (size_t i = 0; i < ARRAY_N(states); i++) {
		if (states[i].no == no)
			return states[i].sqlstate;
	}
	return "HY000";
}

int err_set(struct err *e, enum err_kind kind, enum mysql_errno no, const char *fmt, ...)
{
	va_list ap;

	assert(no != ER_UNKNOWN_ERROR_NEVER_SENT && (no < 2000 || no > 2999));
	if (!e)
		return kind;
	e->kind = kind;
	e->errno_ = (uint16_t)no;
	memcpy(e->sqlstate, err_sqlstate(no), sizeof(e->sqlstate));
	va_start(ap, fmt);
	vsnprintf(e->msg, sizeof(e->msg), fmt, ap);
	va_end(ap);
	return kind;
}

int err_wrap(struct err *e, const char *fmt, ...)
{
	char head[ERR_MSG_MAX], all[ERR_MSG_MAX];
	va_list ap;

	if (!e)
		return ERR_INTERNAL;
	va_start(ap, fmt);
	vsnprintf(head, sizeof(head), fmt, ap);
	va_end(ap);
	snprintf(all, sizeof(all), "%.200s: %.300s", head, e->msg);
	memcpy(e->msg, all, sizeof(e->msg));
	return e->kind;
}
