/* util/err.h - what went wrong, in the words a MySQL client will read. Functions that can fail return 0 or one of the
 * negative kinds below, and fill the caller's struct err. The kind says whose fault it is. Pure. */
#ifndef KEYWAY_UTIL_ERR_H
#define KEYWAY_UTIL_ERR_H

#include "keyway/util/str.h"

enum err_kind {
	ERR_OK = 0,
	ERR_SYNTAX = -1,      /* the text is not SQL that we know */
	ERR_UNSUPPORTED = -2, /* understood, refused with a reason and a cure */
	ERR_NAME = -3,	      /* unknown database, table, column, variable */
	ERR_KEY = -4,	      /* no shard can be named for the statement */
	ERR_MALFORMED = -5,   /* bytes that the protocol or format does not allow */
	ERR_DENIED = -6,      /* login or right refused */
	ERR_LIMIT = -7,	      /* a bound of ours was met */
	ERR_TIMEOUT = -8,
	ERR_BACKEND = -9,   /* a server refused, failed or went away */
	ERR_CONFIG = -10,   /* the map or our own settings */
	ERR_INTERNAL = -11, /* our bug, caught */
};

/* MySQL error numbers that Keyway itself sends: enum values are the ER_ numbers of the MySQL and MariaDB manuals. The
 * SQLSTATE of each stands in the table of err.c. 1105 and 2000-2999 are never sent. */
enum mysql_errno {
	ER_CON_COUNT_ERROR = 1040,
	ER_HANDSHAKE_ERROR = 1043,
	ER_DBACCESS_DENIED_ERROR = 1044,
	ER_ACCESS_DENIED_ERROR = 1045,
	ER_NO_DB_ERROR = 1046,
	ER_UNKNOWN_COM_ERROR = 1047,
	ER_BAD_NULL_ERROR = 1048,
	ER_BAD_DB_ERROR = 1049,
	ER_NON_UNIQ_ERROR = 1052,
	ER_SERVER_SHUTDOWN = 1053,
	ER_BAD_FIELD_ERROR = 1054,
	ER_WRONG_VALUE_COUNT_ON_ROW = 1136,
	ER_PARSE_ERROR = 1064,
	ER_EMPTY_QUERY = 1065,
	ER_NO_SUCH_THREAD = 1094,
	ER_KILL_DENIED_ERROR = 1095,
	ER_UNKNOWN_ERROR_NEVER_SENT = 1105, /* named only so that err_set() can refuse it */
	ER_WRONG_ARGUMENTS = 1210,
	ER_NO_SUCH_TABLE = 1146,
	ER_NET_PACKET_TOO_LARGE = 1153,
	ER_NET_PACKETS_OUT_OF_ORDER = 1156,
	ER_NET_READ_ERROR = 1158,
	ER_NET_READ_INTERRUPTED = 1159,
	ER_ERROR_DURING_COMMIT = 1180,
	ER_FEATURE_DISABLED = 1289,
	ER_UNKNOWN_SYSTEM_VARIABLE = 1193,
	ER_CANT_DO_THIS_DURING_A_TRANSACTION = 1192,
	ER_TOO_MANY_USER_CONNECTIONS = 1203,
	ER_LOCK_WAIT_TIMEOUT = 1205,
	ER_LOCK_DEADLOCK = 1213,
	ER_USER_LIMIT_REACHED = 1226,
	ER_SPECIFIC_ACCESS_DENIED_ERROR = 1227,
	ER_WRONG_VALUE_FOR_VAR = 1231,
	ER_NOT_SUPPORTED_YET = 1235,
	ER_UNKNOWN_STMT_HANDLER = 1243,
	ER_OPTION_PREVENTS_STATEMENT = 1290,
	ER_TRUNCATED_WRONG_VALUE_FOR_FIELD = 1366,
	ER_ILLEGAL_VALUE_FOR_TYPE = 1367,
	ER_STMT_HAS_NO_OPEN_CURSOR = 1421,
	ER_OUT_OF_RESOURCES = 1041,
	ER_QUERY_INTERRUPTED = 1317,
	ER_MAX_PREPARED_STMT_COUNT_REACHED = 1461,
	ER_AUTOINC_READ_FAILED = 1467,
	ER_STACK_OVERRUN_NEED_MORE = 1436,
	ER_NO_PARTITION_FOR_GIVEN_VALUE = 1526,
	ER_SP_DOES_NOT_EXIST = 1305,
	ER_NOT_SUPPORTED_AUTH_MODE = 1251,
	ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION = 1792,
	ER_MALFORMED_PACKET = 1835,
	ER_QUERY_TIMEOUT = 3024,
	ER_SECURE_TRANSPORT_REQUIRED = 3159,
	ER_CLIENT_LOCAL_FILES_DISABLED = 3948,
};

#define ERR_MSG_MAX 512

struct err {
	int kind;	  /* enum err_kind */
	uint16_t errno_;  /* enum mysql_errno, or what a backend said */
	char sqlstate[6]; /* five characters and NUL */
	char msg[ERR_MSG_MAX];
};

/* Fills @e (which may be NULL: then nobody wants to know) and returns @kind. SQLSTATE comes from the errno's row. The
 * message says what happened, where, and what to do; it is cut at ERR_MSG_MAX. */
int err_set(struct err *e, enum err_kind kind, enum mysql_errno no, const char *fmt, ...) PRINTF(4, 5);

/* Puts "@fmt: " before the message, keeps kind and errno. Returns the kind. */
int err_wrap(struct err *e, const char *fmt, ...) PRINTF(2, 3);

/* The SQLSTATE for @no; "HY000" when no better is known. */
const char *err_sqlstate(unsigned no);

#endif
