/* cluster/schema.h - the tables of a keyspace as its servers describe them. Built by topo, read by the planner.
 * Immutable once built: any thread may read it while it holds a reference. Texts are NUL-terminated as well. Pure. */
#ifndef KEYWAY_CLUSTER_SCHEMA_H
#define KEYWAY_CLUSTER_SCHEMA_H

#include <stdatomic.h>
#include "keyway/util/arena.h"
#include "keyway/cluster/charset.h"

enum column_type {
	COLUMN_OTHER = 0, /* a type that is not known here (geometry, vendor types): text is in type_text */
	COLUMN_TINYINT,
	COLUMN_SMALLINT,
	COLUMN_MEDIUMINT,
	COLUMN_INT,
	COLUMN_BIGINT,
	COLUMN_DECIMAL,
	COLUMN_FLOAT,
	COLUMN_DOUBLE,
	COLUMN_BIT,
	COLUMN_CHAR,
	COLUMN_VARCHAR,
	COLUMN_TINYTEXT,
	COLUMN_TEXT,
	COLUMN_MEDIUMTEXT,
	COLUMN_LONGTEXT,
	COLUMN_BINARY,
	COLUMN_VARBINARY,
	COLUMN_TINYBLOB,
	COLUMN_BLOB,
	COLUMN_MEDIUMBLOB,
	COLUMN_LONGBLOB,
	COLUMN_DATE,
	COLUMN_TIME,
	COLUMN_DATETIME,
	COLUMN_TIMESTAMP,
	COLUMN_YEAR,
	COLUMN_ENUM,
	COLUMN_SET,
	COLUMN_JSON,
	COLUMN_UUID,
	COLUMN_INET4,
	COLUMN_INET6,
	COLUMN_GEOMETRY,
	COLUMN_VECTOR,
};

struct column {
	struct str name;
	uint32_t index; /* in its table, from 0, in the order of SELECT * */
	enum column_type type;
	bool is_unsigned;
	bool nullable;
	bool auto_increment;
	bool has_default;  /* explicit, or NULL for a nullable column */
	bool generated;	   /* virtual or stored: cannot be inserted */
	bool invisible;	   /* not part of SELECT * nor of INSERT without a column list */
	uint8_t precision; /* numeric types */
	uint8_t scale;	   /* DECIMAL; fractional seconds of temporal types */
	uint64_t length;   /* characters of text, bytes of binary types */
	uint64_t length_bytes;
	struct str type_text; /* "varchar(30)", "enum('a','b')", as the server prints it */
	struct str charset;   /* empty for non-text */
	struct str collation;
	struct str default_text; /* as information_schema prints it */
};

struct table_key_def {
	struct str name; /* "PRIMARY" for the primary key */
	bool primary;
	bool unique;
	const struct column **columns; /* NULL for an expression part */
	bool prefix;		       /* some part covers only the beginning of its column */
	uint32_t column_n;
};

struct table {
	struct str name;
	bool view;
	struct str engine;
	struct str collation;
	uint64_t rows_estimate;
	const struct column *columns;
	uint32_t column_n;
	const struct table_key_def *keys;
	uint32_t key_n;
	const struct table_key_def *primary_key; /* NULL: none */
	const struct column *auto_increment;	 /* NULL: none */
};

struct schema {
	const struct table *tables; /* in byte order of names */
	uint32_t table_n;
	bool nocase;	    /* table names are compared without regard to ASCII case: lower_case_table_names > 0 */
	struct str charset; /* defaults of the database */
	struct str collation;
	struct arena arena;
	atomic_uint refs;
};

/* NULL when there is none. */
const struct table *schema_table(const struct schema *s, struct str name);
/* Column names are compared without regard to case (ASCII letters; other characters byte by byte). */
const struct column *table_column(const struct table *t, struct str name);
bool column_is_integer(const struct column *c);
bool column_is_text(const struct column *c);		  /* has a collation: CHAR, VARCHAR, TEXT, ENUM, SET */
bool column_is_binary(const struct column *c);		  /* BINARY, VARBINARY, BLOB */
enum column_type column_type_parse(struct str data_type); /* information_schema.COLUMNS.DATA_TYPE */

struct schema *schema_ref(const struct schema *s);
void schema_unref(const struct schema *s); /* NULL is allowed */

/* Building, one thread: begin a table, add columns in order, then keys' parts in order of key and position; finish.
 * Texts are copied. schema_build_finish() gives one reference; the builder is gone then. */
struct schema_builder;
struct schema_builder *schema_build(bool nocase, struct str charset, struct str collation);
/* Bounds of what a server may make grow; -1 when met, the builder is unchanged then. */
MUST_CHECK int schema_build_table(struct schema_builder *b, const struct table *t);
MUST_CHECK int schema_build_column(struct schema_builder *b, const struct column *c);
/* @column empty: an expression. -1 also when the last table has no such column. */
MUST_CHECK int schema_build_key_part(
	struct schema_builder *b, struct str key, bool unique, struct str column, bool prefix);
/* All of a table of another schema; -1 as above. */
MUST_CHECK int schema_build_copy(struct schema_builder *b, const struct table *t);
struct schema *schema_build_finish(struct schema_builder *b);
void schema_build_free(struct schema_builder *b);

/* True when columns and keys are the same (estimates are not looked at). Otherwise @what (when @what_size is not 0)
 * says the first difference: "table orders, column note: varchar(10) here, varchar(20) there". */
bool table_same(const struct table *a, const struct table *b, char *what, size_t what_size);
/* The same for all tables and the defaults. */
bool schema_same(const struct schema *a, const struct schema *b, char *what, size_t what_size);

#endif
