/* proto.c - names of commands and the table of collations.
 * For the front and the backend, which must agree on what a session's character set is.
 * Pure, any thread. */
#include "keyway/wire/proto.h"

const char *com_name(unsigned com)
{
	static const char *const names[] = {
		[COM_SLEEP] = "COM_SLEEP",
		[COM_QUIT] = "COM_QUIT",
		[COM_INIT_DB] = "COM_INIT_DB",
		[COM_QUERY] = "COM_QUERY",
		[COM_FIELD_LIST] = "COM_FIELD_LIST",
		[COM_CREATE_DB] = "COM_CREATE_DB",
		[COM_DROP_DB] = "COM_DROP_DB",
		[COM_REFRESH] = "COM_REFRESH",
		[COM_SHUTDOWN] = "COM_SHUTDOWN",
		[COM_STATISTICS] = "COM_STATISTICS",
		[COM_PROCESS_INFO] = "COM_PROCESS_INFO",
		[COM_CONNECT] = "COM_CONNECT",
		[COM_PROCESS_KILL] = "COM_PROCESS_KILL",
		[COM_DEBUG] = "COM_DEBUG",
		[COM_PING] = "COM_PING",
		[COM_TIME] = "COM_TIME",
		[COM_DELAYED_INSERT] = "COM_DELAYED_INSERT",
		[COM_CHANGE_USER] = "COM_CHANGE_USER",
		[COM_BINLOG_DUMP] = "COM_BINLOG_DUMP",
		[COM_TABLE_DUMP] = "COM_TABLE_DUMP",
		[COM_CONNECT_OUT] = "COM_CONNECT_OUT",
		[COM_REGISTER_SLAVE] = "COM_REGISTER_SLAVE",
		[COM_STMT_PREPARE] = "COM_STMT_PREPARE",
		[COM_STMT_EXECUTE] = "COM_STMT_EXECUTE",
		[COM_STMT_SEND_LONG_DATA] = "COM_STMT_SEND_LONG_DATA",
		[COM_STMT_CLOSE] = "COM_STMT_CLOSE",
		[COM_STMT_RESET] = "COM_STMT_RESET",
		[COM_SET_OPTION] = "COM_SET_OPTION",
		[COM_STMT_FETCH] = "COM_STMT_FETCH",
		[COM_DAEMON] = "COM_DAEMON",
		[COM_BINLOG_DUMP_GTID] = "COM_BINLOG_DUMP_GTID",
		[COM_RESET_CONNECTION] = "COM_RESET_CONNECTION",
		[COM_CLONE] = "COM_CLONE",
		[COM_SUBSCRIBE_GROUP_REPLICATION_STREAM] = "COM_SUBSCRIBE_GROUP_REPLICATION_STREAM",
		[COM_STMT_BULK_EXECUTE] = "COM_STMT_BULK_EXECUTE",
	};

	return com < ARRAY_N(names) ? names[com] : NULL;
}

enum charset_flag {
	CS_UNSAFE = 1, /* trailing bytes may be \ or ` */
	CS_WIDE = 2,   /* no byte-wise ASCII */
};

/* The character sets, each with its flags. */
#define CHARSETS(X)                                \
	X(ARMSCII8, "armscii8", 0)                 \
	X(ASCII, "ascii", 0)                       \
	X(BIG5, "big5", CS_UNSAFE)                 \
	X(BINARY, "binary", 0)                     \
	X(CP1250, "cp1250", 0)                     \
	X(CP1251, "cp1251", 0)                     \
	X(CP1256, "cp1256", 0)                     \
	X(CP1257, "cp1257", 0)                     \
	X(CP850, "cp850", 0)                       \
	X(CP852, "cp852", 0)                       \
	X(CP866, "cp866", 0)                       \
	X(CP932, "cp932", CS_UNSAFE)               \
	X(DEC8, "dec8", 0)                         \
	X(EUCJPMS, "eucjpms", 0)                   \
	X(EUCKR, "euckr", 0)                       \
	X(GB18030, "gb18030", CS_UNSAFE)           \
	X(GB2312, "gb2312", 0)                     \
	X(GBK, "gbk", CS_UNSAFE)                   \
	X(GEOSTD8, "geostd8", 0)                   \
	X(GREEK, "greek", 0)                       \
	X(HEBREW, "hebrew", 0)                     \
	X(HP8, "hp8", 0)                           \
	X(KEYBCS2, "keybcs2", 0)                   \
	X(KOI8R, "koi8r", 0)                       \
	X(KOI8U, "koi8u", 0)                       \
	X(LATIN1, "latin1", 0)                     \
	X(LATIN2, "latin2", 0)                     \
	X(LATIN5, "latin5", 0)                     \
	X(LATIN7, "latin7", 0)                     \
	X(MACCE, "macce", 0)                       \
	X(MACROMAN, "macroman", 0)                 \
	X(SJIS, "sjis", CS_UNSAFE)                 \
	X(SWE7, "swe7", 0)                         \
	X(TIS620, "tis620", 0)                     \
	X(UCS2, "ucs2", CS_UNSAFE | CS_WIDE)       \
	X(UJIS, "ujis", 0)                         \
	X(UTF16, "utf16", CS_UNSAFE | CS_WIDE)     \
	X(UTF16LE, "utf16le", CS_UNSAFE | CS_WIDE) \
	X(UTF32, "utf32", CS_UNSAFE | CS_WIDE)     \
	X(UTF8MB3, "utf8mb3", 0)                   \
	X(UTF8MB4, "utf8mb4", 0)

enum charset {
#define X(id, name, flags) CS_##id,
	CHARSETS(X)
#undef X
};

static const struct {
	const char *name;
	uint8_t flags;
} charsets[] = {
#define X(id, name, flags) { name, flags },
	CHARSETS(X)
#undef X
};

struct collation {
	uint16_t id;
	uint8_t charset; /* enum charset */
	const char *name;
	bool is_default;
};

static const struct collation collations[] = {
#include "collation_rows.h"
};

static const struct collation *collation_find(unsigned id)
{
	size_t lo = 0, hi = ARRAY_N(collations);

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (collations[mid].id == id)
			return &collations[mid];
		if (collations[mid].id < id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

const char *wire_charset_name(unsigned id)
{
	const struct collation *c = collation_find(id);

	return c ? charsets[c->charset].name : NULL;
}

const char *wire_collation_name(unsigned id)
{
	const struct collation *c = collation_find(id);

	return c ? c->name : NULL;
}

unsigned wire_charset_default_id(struct str charset)
{
	if (str_ieqz(charset, "utf8"))
		charset = STR("utf8mb3");
	for (size_t i = 0; i < ARRAY_N(collations); i++) {
		if (collations[i].is_default && str_ieqz(charset, charsets[collations[i].charset].name))
			return collations[i].id;
	}
	return 0;
}

unsigned wire_collation_id(struct str collation)
{
	bool utf8 = collation.n > 5 && strncasecmp(collation.p, "utf8_", 5) == 0;
	struct str tail = utf8 ? str_make(collation.p + 5, collation.n - 5) : collation;

	for (size_t i = 0; i < ARRAY_N(collations); i++) {
		const char *name = collations[i].name;

		if (utf8) {
			if (strncmp(name, "utf8mb3_", 8) != 0)
				continue;
			name += 8;
		}
		if (str_ieqz(tail, name))
			return collations[i].id;
	}
	return 0;
}

bool wire_charset_unsafe(unsigned id)
{
	const struct collation *c = collation_find(id);

	return !c || (charsets[c->charset].flags & CS_UNSAFE);
}

bool wire_charset_not_for_client(unsigned id)
{
	const struct collation *c = collation_find(id);

	return c && (charsets[c->charset].flags & CS_WIDE);
}
