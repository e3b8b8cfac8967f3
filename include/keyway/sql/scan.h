/* sql/scan.h - one pass over a statement's text: its digest, its literals, what kind of statement it is and where it
 * ends. The hot path of every query. A struct scan is reused statement after statement by one thread: its arrays grow
 * to the largest statement seen and stay, so a query allocates nothing. All offsets are bytes into the scanned text;
 * texts are below 4 GB. Nothing here keeps a pointer into the text except through the struct scan it filled. Pure. */
#ifndef KEYWAY_SQL_SCAN_H
#define KEYWAY_SQL_SCAN_H

#include "keyway/util/err.h"

/* Which server's lexical rules hold (executable comments, version numbers). */
enum scan_family { SCAN_MYSQL, SCAN_MARIADB };

/* What the client's character set does to the bytes 0x5c and 0x60: in most sets every byte below 0x80 is a character
 * of its own; in the others it may be the second half of one. */
enum scan_charset { SCAN_CS_SAFE, SCAN_CS_SJIS, SCAN_CS_GBK, SCAN_CS_BIG5, SCAN_CS_GB18030 };

/* scan_mode.flags: the sql_mode bits that change how text is read. */
enum {
	SCAN_ANSI_QUOTES = 1u << 0,
	SCAN_NO_BACKSLASH_ESCAPES = 1u << 1,
	SCAN_IGNORE_SPACE = 1u << 2,
	SCAN_PIPES_AS_CONCAT = 1u << 3,
	SCAN_HIGH_NOT_PRECEDENCE = 1u << 4,
};

#define SCAN_MAX_TOKENS 1000000

struct scan_mode {
	uint64_t seed;		 /* secret of the process: digests cannot be computed outside */
	uint32_t flags;		 /* SCAN_ANSI_QUOTES ... */
	uint32_t server_version; /* as in executable comments: 80036, 101106 */
	uint32_t max_tokens;	 /* 0: SCAN_MAX_TOKENS */
	uint8_t family;		 /* enum scan_family */
	uint8_t charset;	 /* enum scan_charset */
};

/* The class of a character_set_client by name ("gbk", "cp932", "utf8mb4" ...). */
enum scan_charset scan_charset_of(struct str name);

enum lit_kind {
	LIT_INT,     /* 12 */
	LIT_DECIMAL, /* 1.5 */
	LIT_FLOAT,   /* 1e5 */
	LIT_STRING,  /* 'a' N'a' and "a" unless ANSI_QUOTES */
	LIT_HEX,     /* X'41' 0x41 */
	LIT_BIT,     /* B'01' 0b01 */
	LIT_PARAM,   /* ? */
	LIT_NULL,    /* this and below: only as values of a row (rows.h); elsewhere they are keywords */
	LIT_DEFAULT,
	LIT_TRUE,
	LIT_FALSE,
	LIT_EXPR, /* anything else */
};

enum {
	LIT_F_ESCAPED = 1u << 0,  /* a string with a backslash escape or a doubled quote in it */
	LIT_F_NATIONAL = 1u << 1, /* N'...' */
};

/* A literal as written: [off, off + len) with its quotes and prefix, without sign. */
struct scan_lit {
	uint32_t off, len;
	uint32_t tok;	/* ordinal of its token */
	uint32_t param; /* LIT_PARAM: which ? of the statement, from 0, folded rows counted */
	uint8_t kind;	/* enum lit_kind, up to LIT_PARAM */
	uint8_t flags;	/* LIT_F_ESCAPED ... */
};

/* A token of the text. Statements with equal digests have the same tokens at the same ordinals. */
struct scan_tok {
	uint32_t off, len;
	uint16_t kind;	/* the grammar's code; private to the layer */
	uint16_t flags; /* private to the layer */
};

enum scan_verb {
	SCAN_EMPTY, /* nothing but blanks and comments */
	SCAN_SELECT,
	SCAN_INSERT,
	SCAN_REPLACE,
	SCAN_UPDATE,
	SCAN_DELETE,
	SCAN_VALUES, /* VALUES ROW(...) ..., TABLE t */
	SCAN_SET,
	SCAN_BEGIN, /* BEGIN [WORK], START TRANSACTION */
	SCAN_COMMIT,
	SCAN_ROLLBACK, /* ROLLBACK and ROLLBACK TO */
	SCAN_SAVEPOINT,
	SCAN_RELEASE, /* RELEASE SAVEPOINT */
	SCAN_XA,
	SCAN_SHOW,
	SCAN_USE,
	SCAN_EXPLAIN, /* EXPLAIN, DESCRIBE, DESC, and ANALYZE of a statement */
	SCAN_CALL,
	SCAN_DO,
	SCAN_HANDLER,
	SCAN_PREPARE,
	SCAN_EXECUTE,
	SCAN_DEALLOCATE, /* and DROP PREPARE */
	SCAN_LOCK,
	SCAN_UNLOCK,
	SCAN_LOAD,
	SCAN_KILL,
	SCAN_CREATE,
	SCAN_ALTER,
	SCAN_DROP,
	SCAN_RENAME,
	SCAN_TRUNCATE,
	SCAN_GRANT,    /* GRANT, REVOKE */
	SCAN_ADMIN,    /* FLUSH RESET ANALYZE/CHECK/OPTIMIZE/REPAIR TABLE, and the like */
	SCAN_DIAG,     /* GET DIAGNOSTICS, SIGNAL, RESIGNAL */
	SCAN_COMPOUND, /* BEGIN NOT ATOMIC, and IF, LOOP ... of MariaDB outside procedures */
	SCAN_OTHER,
	SCAN_VERBS
};

/* "SELECT" ... for messages and metrics. */
const char *scan_verb_name(enum scan_verb v);

/* scan.flags: special things seen anywhere in the statement. A set bit may be a false alarm (a column may be called
 * now); a clear bit is certain, except in stored routines' hidden bodies. */
enum {
	SCAN_F_LAST_INSERT_ID = 1u << 0,
	SCAN_F_ROW_COUNT = 1u << 1,
	SCAN_F_FOUND_ROWS = 1u << 2,
	SCAN_F_CALC_FOUND_ROWS = 1u << 3, /* SQL_CALC_FOUND_ROWS */
	SCAN_F_CONNECTION_ID = 1u << 4,
	SCAN_F_DATABASE = 1u << 5,    /* DATABASE( SCHEMA( */
	SCAN_F_USER = 1u << 6,	      /* USER( CURRENT_USER SESSION_USER( SYSTEM_USER( CURRENT_ROLE */
	SCAN_F_USER_LOCK = 1u << 7,   /* GET_LOCK( RELEASE_LOCK( RELEASE_ALL_LOCKS( IS_FREE_LOCK( IS_USED_LOCK( */
	SCAN_F_UVAR = 1u << 8,	      /* @x in any place */
	SCAN_F_UVAR_ASSIGN = 1u << 9, /* := */
	SCAN_F_INTO_VAR = 1u << 10,   /* INTO @x */
	SCAN_F_INTO_FILE = 1u << 11,  /* INTO OUTFILE, INTO DUMPFILE */
	SCAN_F_SYSVAR = 1u << 12,     /* @@x */
	SCAN_F_LOCAL_INFILE = 1u << 13,
	SCAN_F_LOCKING = 1u << 14,	   /* FOR UPDATE, FOR SHARE, LOCK IN SHARE MODE */
	SCAN_F_TEMPORARY = 1u << 15,	   /* CREATE/DROP [OR REPLACE] TEMPORARY */
	SCAN_F_NOW = 1u << 16,		   /* NOW() and kin, UNIX_TIMESTAMP(), CURDATE() ... */
	SCAN_F_RANDOM = 1u << 17,	   /* RAND( UUID( UUID_SHORT( SYS_GUID( RANDOM_BYTES( */
	SCAN_F_SEQUENCE = 1u << 18,	   /* NEXTVAL( LASTVAL( SETVAL( NEXT VALUE FOR, PREVIOUS VALUE FOR */
	SCAN_F_HINT = 1u << 19,		   /* an optimizer hint that was kept */
	SCAN_F_EXEC_COMMENT = 1u << 20,	   /* an executable comment that applied */
	SCAN_F_SLEEP = 1u << 21,	   /* SLEEP( BENCHMARK( MASTER_POS_WAIT( and other waits */
	SCAN_F_SUBQUERY = 1u << 22,	   /* a SELECT that is not the first word */
	SCAN_F_WITH = 1u << 23,		   /* the statement begins with WITH; verb is that of its body */
	SCAN_F_SKIPPED_COMMENT = 1u << 24, /* an executable comment that did not apply to this family and version */
	SCAN_F_VERSION = 1u << 25,	   /* VERSION( */
	/* a comment for Keyway: keyway: reads=primary, replica, causal */
	SCAN_F_READS_PRIMARY = 1u << 26,
	SCAN_F_READS_REPLICA = 1u << 27,
	SCAN_F_READS_CAUSAL = 1u << 28,
	SCAN_F_READS = SCAN_F_READS_PRIMARY | SCAN_F_READS_REPLICA | SCAN_F_READS_CAUSAL,
	SCAN_F_BAD_HINT = 1u << 29, /* one that says anything else */
};

struct scan_digest {
	uint64_t lo, hi;
};

struct scan {
	struct scan_digest digest; /* of norm, seeded */
	/* The text with one blank between tokens: comments out, reserved words in upper case, a literal as ?i ?d ?f ?s
	 * ?x ?b for its kind, a parameter as ?, folded rows as ?+. Owned here, valid until the next sql_scan(). */
	struct str norm;
	const struct scan_lit *lits; /* in order of the text; not those of folded rows */
	uint32_t n_lits;
	uint32_t n_params; /* every ? of the statement */
	const struct scan_tok *toks;
	uint32_t n_toks;
	uint32_t flags;		/* SCAN_F_... */
	uint8_t verb;		/* enum scan_verb */
	bool more;		/* non-blank text follows the first statement */
	bool broken;		/* not lexable: unterminated string or comment, or a byte that begins no token */
	const char *broken_why; /* set when broken: one word for a message */
	uint32_t broken_at;	/* the offset; digest, lits, toks are of the text before it */
	uint32_t end;		/* where the first statement ends: at its ; or the text's length */
	uint32_t next;		/* where the next begins: behind the ; */
	/* INSERT/REPLACE ... VALUES: the first ( and the byte behind the last ) of the rows; n_rows 0: none. */
	uint32_t rows_off, rows_end, n_rows;
	uint32_t rows_tok, rows_tok_end; /* the same as token ordinals */
	uint32_t n_folded;		 /* rows that left no tokens of their own */
	bool rows_in_comment;		 /* the first row begins inside an executable comment: n_rows is 0 then */

	/* private */
	struct scan_lit *lit_v;
	struct scan_tok *tok_v;
	char *norm_v;
	uint32_t lit_cap, tok_cap;
	size_t norm_cap;
};

void scan_init(struct scan *s);
void scan_free(struct scan *s);

/* Scans the first statement of @text. 0, or ERR_LIMIT (more tokens than the mode allows, text of 4 GB). A text that
 * cannot be lexed is no error: see broken. What is in @s stays valid until the next call. */
MUST_CHECK int sql_scan(struct scan *s, struct str text, const struct scan_mode *mode, struct err *err);

/* The bytes of tokens [tok, tok_end) of the scanned text, without blanks and comments around them. */
struct str scan_span(const struct scan *s, struct str text, uint32_t tok, uint32_t tok_end);

static inline struct str scan_lit_text(struct str text, const struct scan_lit *l)
{
	return str_make(text.p + l->off, l->len);
}

/* Offsets of all token ordinals of another text: sql_scan() gives them in toks; this is the same without digest, for
 * callers that hold only the text. @s is overwritten. */
MUST_CHECK int sql_tokens(struct scan *s, struct str text, const struct scan_mode *mode, struct err *err);

#endif
