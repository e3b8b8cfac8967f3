/* key_type.c - what equality of a shard key column depends on, or why it cannot be routed by.
 * For snapshots, which work it out once per table.
 * Pure; any thread. */
#include "keyway/cluster/schema.h"
#include "keyway/cluster/sharding.h"

static const struct {
	enum key_family family;
	uint8_t bits;
} families[] = {
	[COLUMN_TINYINT] = { KEY_INT, 8 },
	[COLUMN_SMALLINT] = { KEY_INT, 16 },
	[COLUMN_MEDIUMINT] = { KEY_INT, 24 },
	[COLUMN_INT] = { KEY_INT, 32 },
	[COLUMN_BIGINT] = { KEY_INT, 64 },
	[COLUMN_DECIMAL] = { KEY_DECIMAL, 1 },
	[COLUMN_CHAR] = { KEY_TEXT, 1 },
	[COLUMN_VARCHAR] = { KEY_TEXT, 1 },
	[COLUMN_TINYTEXT] = { KEY_TEXT, 1 },
	[COLUMN_TEXT] = { KEY_TEXT, 1 },
	[COLUMN_MEDIUMTEXT] = { KEY_TEXT, 1 },
	[COLUMN_LONGTEXT] = { KEY_TEXT, 1 },
	[COLUMN_BINARY] = { KEY_BYTES_0, 1 },
	[COLUMN_VARBINARY] = { KEY_BYTES, 1 },
	[COLUMN_TINYBLOB] = { KEY_BYTES, 1 },
	[COLUMN_BLOB] = { KEY_BYTES, 1 },
	[COLUMN_MEDIUMBLOB] = { KEY_BYTES, 1 },
	[COLUMN_LONGBLOB] = { KEY_BYTES, 1 },
	[COLUMN_DATE] = { KEY_DATE, 1 },
	[COLUMN_DATETIME] = { KEY_DATETIME, 1 },
	[COLUMN_VECTOR] = { 0, 0 }, /* bits 0: not a key */
};

int key_type_of_column(const struct column *col, struct key_type *out, struct err *err)
{
	*out = (struct key_type){ 0 };
	if (!families[col->type].bits)
		return err_set(err, ERR_UNSUPPORTED, ER_NOT_SUPPORTED_YET,
			"column " STR_FMT " of type " STR_FMT
			" cannot be a shard key: its equality is not one that can be "
			"computed outside the server; use an integer, decimal, text, binary, date or datetime column",
			STR_ARG(col->name), STR_ARG(col->type_text));
	if (col->generated)
		return err_set(err, ERR_UNSUPPORTED, ER_NOT_SUPPORTED_YET,
			"column " STR_FMT
			" is generated and cannot be a shard key: its value is not in the INSERT; use a "
			"plain column",
			STR_ARG(col->name));
	out->family = families[col->type].family;
	out->bits = families[col->type].bits;
	out->is_unsigned = col->is_unsigned;
	out->strip = col->type == COLUMN_CHAR;
	out->precision = col->precision;
	out->scale = col->scale;
	out->length_max = col->length;
	out->length_max_bytes = col->length_bytes;
	if (out->family != KEY_TEXT)
		return 0;
	out->collation = collation_by_name(col->collation);
	if (!out->collation)
		return err_set(err, ERR_UNSUPPORTED, ER_NOT_SUPPORTED_YET,
			"column " STR_FMT " cannot be a shard key under collation " STR_FMT
			": Keyway does not know its equality; use a _bin, _general_ci or _unicode_ci collation of "
			"utf8mb4, "
			"latin1 or ascii for it",
			STR_ARG(col->name), STR_ARG(col->collation));
	return 0;
}
