/* wire/proto.h - the numbers of the MySQL client/server protocol (names as in the MySQL and MariaDB manuals) and the
 * table of collations. Pure, any thread. */
#ifndef KEYWAY_WIRE_PROTO_H
#define KEYWAY_WIRE_PROTO_H

#include "keyway/util/str.h"

/* capability bits */
#define CLIENT_LONG_PASSWORD		      (1u << 0) /* clear in a greeting: MariaDB, extended bits are valid */
#define CLIENT_FOUND_ROWS		      (1u << 1)
#define CLIENT_LONG_FLAG		      (1u << 2)
#define CLIENT_CONNECT_WITH_DB		      (1u << 3)
#define CLIENT_NO_SCHEMA		      (1u << 4)
#define CLIENT_COMPRESS			      (1u << 5)
#define CLIENT_ODBC			      (1u << 6)
#define CLIENT_LOCAL_FILES		      (1u << 7)
#define CLIENT_IGNORE_SPACE		      (1u << 8)
#define CLIENT_PROTOCOL_41		      (1u << 9)
#define CLIENT_INTERACTIVE		      (1u << 10)
#define CLIENT_SSL			      (1u << 11)
#define CLIENT_IGNORE_SIGPIPE		      (1u << 12)
#define CLIENT_TRANSACTIONS		      (1u << 13)
#define CLIENT_RESERVED			      (1u << 14)
#define CLIENT_SECURE_CONNECTION	      (1u << 15)
#define CLIENT_MULTI_STATEMENTS		      (1u << 16)
#define CLIENT_MULTI_RESULTS		      (1u << 17)
#define CLIENT_PS_MULTI_RESULTS		      (1u << 18)
#define CLIENT_PLUGIN_AUTH		      (1u << 19)
#define CLIENT_CONNECT_ATTRS		      (1u << 20)
#define CLIENT_PLUGIN_AUTH_LENENC_CLIENT_DATA (1u << 21)
#define CLIENT_CAN_HANDLE_EXPIRED_PASSWORDS   (1u << 22)
#define CLIENT_SESSION_TRACK		      (1u << 23)
#define CLIENT_DEPRECATE_EOF		      (1u << 24)
#define CLIENT_OPTIONAL_RESULTSET_METADATA    (1u << 25)
#define CLIENT_ZSTD_COMPRESSION_ALGORITHM     (1u << 26)
#define CLIENT_QUERY_ATTRIBUTES		      (1u << 27)
#define CLIENT_MULTI_FACTOR_AUTHENTICATION    (1u << 28)
#define CLIENT_CAPABILITY_EXTENSION	      (1u << 29)
#define CLIENT_SSL_VERIFY_SERVER_CERT	      (1u << 30)
#define CLIENT_REMEMBER_OPTIONS		      (1u << 31)

/* MariaDB's extended bits: bits 32.. of its 64, told here as bits 0.. of their own word */
#define MARIADB_EXT_PROGRESS		 (1u << 0)
#define MARIADB_EXT_COM_MULTI		 (1u << 1)
#define MARIADB_EXT_STMT_BULK_OPERATIONS (1u << 2)
#define MARIADB_EXT_EXTENDED_METADATA	 (1u << 3)
#define MARIADB_EXT_CACHE_METADATA	 (1u << 4)
#define MARIADB_EXT_BULK_UNIT_RESULTS	 (1u << 5)

enum com {
	COM_SLEEP = 0x00,
	COM_QUIT = 0x01,
	COM_INIT_DB = 0x02,
	COM_QUERY = 0x03,
	COM_FIELD_LIST = 0x04,
	COM_CREATE_DB = 0x05,
	COM_DROP_DB = 0x06,
	COM_REFRESH = 0x07,
	COM_SHUTDOWN = 0x08,
	COM_STATISTICS = 0x09,
	COM_PROCESS_INFO = 0x0a,
	COM_CONNECT = 0x0b,
	COM_PROCESS_KILL = 0x0c,
	COM_DEBUG = 0x0d,
	COM_PING = 0x0e,
	COM_TIME = 0x0f,
	COM_DELAYED_INSERT = 0x10,
	COM_CHANGE_USER = 0x11,
	COM_BINLOG_DUMP = 0x12,
	COM_TABLE_DUMP = 0x13,
	COM_CONNECT_OUT = 0x14,
	COM_REGISTER_SLAVE = 0x15,
	COM_STMT_PREPARE = 0x16,
	COM_STMT_EXECUTE = 0x17,
	COM_STMT_SEND_LONG_DATA = 0x18,
	COM_STMT_CLOSE = 0x19,
	COM_STMT_RESET = 0x1a,
	COM_SET_OPTION = 0x1b,
	COM_STMT_FETCH = 0x1c,
	COM_DAEMON = 0x1d,
	COM_BINLOG_DUMP_GTID = 0x1e,
	COM_RESET_CONNECTION = 0x1f,
	COM_CLONE = 0x20,
	COM_SUBSCRIBE_GROUP_REPLICATION_STREAM = 0x21,
	COM_STMT_BULK_EXECUTE = 0xfa, /* MariaDB */
};

/* "COM_QUERY", or NULL for a number that is none. */
const char *com_name(unsigned com);

#define SERVER_STATUS_IN_TRANS		   0x0001
#define SERVER_STATUS_AUTOCOMMIT	   0x0002
#define SERVER_MORE_RESULTS_EXISTS	   0x0008
#define SERVER_STATUS_NO_GOOD_INDEX_USED   0x0010
#define SERVER_STATUS_NO_INDEX_USED	   0x0020
#define SERVER_STATUS_CURSOR_EXISTS	   0x0040
#define SERVER_STATUS_LAST_ROW_SENT	   0x0080
#define SERVER_STATUS_DB_DROPPED	   0x0100
#define SERVER_STATUS_NO_BACKSLASH_ESCAPES 0x0200
#define SERVER_STATUS_METADATA_CHANGED	   0x0400
#define SERVER_QUERY_WAS_SLOW		   0x0800
#define SERVER_PS_OUT_PARAMS		   0x1000
#define SERVER_STATUS_IN_TRANS_READONLY	   0x2000
#define SERVER_SESSION_STATE_CHANGED	   0x4000
#define SERVER_STATUS_ANSI_QUOTES	   0x8000 /* MariaDB only */

enum mysql_type {
	MYSQL_TYPE_DECIMAL = 0,
	MYSQL_TYPE_TINY = 1,
	MYSQL_TYPE_SHORT = 2,
	MYSQL_TYPE_LONG = 3,
	MYSQL_TYPE_FLOAT = 4,
	MYSQL_TYPE_DOUBLE = 5,
	MYSQL_TYPE_NULL = 6,
	MYSQL_TYPE_TIMESTAMP = 7,
	MYSQL_TYPE_LONGLONG = 8,
	MYSQL_TYPE_INT24 = 9,
	MYSQL_TYPE_DATE = 10,
	MYSQL_TYPE_TIME = 11,
	MYSQL_TYPE_DATETIME = 12,
	MYSQL_TYPE_YEAR = 13,
	MYSQL_TYPE_NEWDATE = 14,
	MYSQL_TYPE_VARCHAR = 15,
	MYSQL_TYPE_BIT = 16,
	MYSQL_TYPE_TIMESTAMP2 = 17,
	MYSQL_TYPE_DATETIME2 = 18,
	MYSQL_TYPE_TIME2 = 19,
	MYSQL_TYPE_VECTOR = 242,
	MYSQL_TYPE_JSON = 245,
	MYSQL_TYPE_NEWDECIMAL = 246,
	MYSQL_TYPE_ENUM = 247,
	MYSQL_TYPE_SET = 248,
	MYSQL_TYPE_TINY_BLOB = 249,
	MYSQL_TYPE_MEDIUM_BLOB = 250,
	MYSQL_TYPE_LONG_BLOB = 251,
	MYSQL_TYPE_BLOB = 252,
	MYSQL_TYPE_VAR_STRING = 253,
	MYSQL_TYPE_STRING = 254,
	MYSQL_TYPE_GEOMETRY = 255,
};

/* column flags */
#define NOT_NULL_FLAG	      0x0001
#define PRI_KEY_FLAG	      0x0002
#define UNIQUE_KEY_FLAG	      0x0004
#define MULTIPLE_KEY_FLAG     0x0008
#define BLOB_FLAG	      0x0010
#define UNSIGNED_FLAG	      0x0020
#define ZEROFILL_FLAG	      0x0040
#define BINARY_FLAG	      0x0080
#define ENUM_FLAG	      0x0100
#define AUTO_INCREMENT_FLAG   0x0200
#define TIMESTAMP_FLAG	      0x0400
#define SET_FLAG	      0x0800
#define NO_DEFAULT_VALUE_FLAG 0x1000
#define ON_UPDATE_NOW_FLAG    0x2000
#define NUM_FLAG	      0x8000

/* flags of COM_STMT_EXECUTE */
#define CURSOR_TYPE_NO_CURSOR	  0
#define CURSOR_TYPE_READ_ONLY	  1
#define CURSOR_TYPE_FOR_UPDATE	  2
#define CURSOR_TYPE_SCROLLABLE	  4
#define PARAMETER_COUNT_AVAILABLE 8 /* only with CLIENT_QUERY_ATTRIBUTES */

/* entries of the session-track block of an OK packet */
enum session_track_type {
	SESSION_TRACK_SYSTEM_VARIABLES = 0,
	SESSION_TRACK_SCHEMA = 1,
	SESSION_TRACK_STATE_CHANGE = 2,
	SESSION_TRACK_GTIDS = 3,
	SESSION_TRACK_TRANSACTION_CHARACTERISTICS = 4,
	SESSION_TRACK_TRANSACTION_STATE = 5,
};

/* argument of COM_SET_OPTION */
#define MYSQL_OPTION_MULTI_STATEMENTS_ON  0
#define MYSQL_OPTION_MULTI_STATEMENTS_OFF 1

/* Collation ids of MySQL 5.7-9 and MariaDB 10.4-11: an id is of the same character set in both. */
#define CHARSET_UTF8MB4_GENERAL_CI 45
#define CHARSET_BINARY		   63
#define CHARSET_UTF8MB3_GENERAL_CI 33
#define CHARSET_LATIN1_SWEDISH_CI  8

/* "utf8mb4" and "utf8mb4_general_ci"; NULL when no server knows the id. utf8 is told as utf8mb3. */
const char *wire_charset_name(unsigned id);
const char *wire_collation_name(unsigned id);
/* The id that stands for a character set in a login ("utf8" is utf8mb3; utf8mb4 is 45, which all servers know); 0 for
 * a name that is none. Case does not matter. */
unsigned wire_charset_default_id(struct str charset);
/* The id of a collation by name ("utf8_" prefixes are utf8mb3_); 0 for a name that is none. */
unsigned wire_collation_id(struct str collation);
/* The second or later byte of a character may be an ASCII byte such as \ ' or `, so that a lexer going byte by byte
 * goes wrong: big5, sjis, cp932, gbk, gb18030. Ids without an entry are not safe either. */
bool wire_charset_unsafe(unsigned id);
/* An ASCII byte is not one character (ucs2, utf16, utf16le, utf32): servers refuse them as a client's character set. */
bool wire_charset_not_for_client(unsigned id);

#endif
