/* fuzz_plan.c - any text, planned and bound against a fixed map: no crash, no leak, and what is made of the text is
 * text that scans again with as many rows as its part was given. The first byte chooses the session's keyspace and
 * shard. One thread. */
#include "keyway/plan/plan.h"
#include "keyway/sql/lit.h"
#include "keyway/sql/scan.h"
#include "../plan/world.h"

static const char shop[] =
	"{\"keyspace\": \"shop\", \"epoch\": 1, \"database\": \"shop_db\", \"sharding\": {\"function\": \"range\"}, "
	"\"shards\": ["
	"{\"range\": \"..100\", \"backends\": [{\"name\": \"a\", \"host\": \"h1\", \"role\": \"primary\"}]},"
	"{\"range\": \"100..200\", \"kind\": \"pair\", \"home\": \"odd\", \"backends\": ["
	"{\"name\": \"bo\", \"host\": \"h2\", \"side\": \"odd\"}, {\"name\": \"be\", \"host\": \"h3\", \"side\": "
	"\"even\"}]},"
	"{\"range\": \"200..\", \"backends\": [{\"name\": \"c\", \"host\": \"h4\", \"role\": \"primary\"}]}],"
	"\"tables\": {\"customer\": {\"key\": \"customer_id\", \"id\": {\"column\": \"customer_id\", \"allocator\": "
	"\"m\"}},"
	"\"orders\": {\"key\": \"customer_id\", \"id\": {\"column\": \"order_id\", \"allocator\": \"m\"}, \"side_by\": "
	"\"order_id\"},"
	"\"item\": {\"key\": \"customer_id\"}, \"product\": {\"key\": \"sku\", \"function\": \"hash\"},"
	"\"country\": {\"kind\": \"reference\"}, \"settings\": {\"kind\": \"pinned\", \"shard\": \"200..\"}}}";
static const char tables[] =
	"customer: customer_id bigint pk, name varchar, parent_id bigint null\n"
	"orders: order_id bigint pk, customer_id bigint, total decimal default, note varchar null\n"
	"item: customer_id bigint pk, order_id bigint pk, line int pk, sku varchar null\n"
	"product: sku varchar pk, title varchar null\n"
	"country: code varchar pk, name varchar\nsettings: name varchar pk, value varchar null\n";
static const char plain[] = "{\"keyspace\": \"plain\", \"epoch\": 1, \"shards\": [{\"range\": \"-\", \"backends\": ["
			    "{\"name\": \"u\", \"host\": \"h9\", \"role\": \"primary\"}]}]}";

static struct world world;
static struct scan scan, again;
static struct plan_insert_run run;
static struct scan_mode mode = { .server_version = 101100 };
static const struct plan_session session = { .connection_id = 1, .user = { "u'@h", 4 }, .database = { "s`h", 3 } };

static void check_insert(const struct plan *p, const struct plan_values *v)
{
	struct buf out = { 0 };
	struct err err;
	uint64_t *ids;

	if (plan_insert_open(p, v, &run, &err) < 0)
		return;
	ids = xcalloc(run.n_ids + 1, sizeof(*ids));
	for (uint32_t i = 0; i < run.n_ids; i++)
		ids[i] = 90 + i * 30;
	if (plan_insert_split(p, v, &run, ids, &err) == 0) {
		for (uint32_t i = 0; i < run.n_parts; i++) {
			buf_clear(&out);
			if (plan_insert_text(p, v, &run, ids, i, &session, &out, &err) < 0)
				abort();
			if (sql_scan(&again, str_make((const char *)buf_head(&out), buf_used(&out)), &mode, &err) < 0)
				abort();
			if (v->scan->n_rows && (again.broken || again.n_rows != run.parts[i].n_rows))
				abort();
		}
	}
	free(ids);
	buf_free(&out);
}

static void ignore_row(const struct plan_explain_row *row, void *arg)
{
	(void)row;
	(void)arg;
}

static void check_plan(const struct plan *p, const struct plan_values *v)
{
	uint16_t shards[8];
	struct plan_target t = { .shards = shards };
	struct buf out = { 0 };
	struct err err = { 0 };

	if (p->kind == PLAN_INSERT) {
		check_insert(p, v);
	} else if (p->kind == PLAN_REFUSE) {
		if (!p->err.kind || p->err.errno_ == 1105 || (p->err.errno_ >= 2000 && p->err.errno_ < 3000))
			abort();
	} else if (p->kind != PLAN_SESSION && plan_bind(p, v, &t, &err) == 0) {
		if (t.n == 0 || t.n > p->ks->shard_n)
			abort();
		for (uint32_t i = 0; i < t.n && (p->flags & PLAN_EDITS); i++) {
			if (plan_text(p, v, &session, shards[i], &out, &err) < 0)
				abort();
		}
	}
	if (plan_explain(p, v, &session, false, ignore_row, NULL, &err) < 0)
		abort();
	buf_free(&out);
}

static void setup(void)
{
	world_keyspace(&world, shop);
	world_keyspace(&world, plain);
	world_schema(&world, STR("shop"), tables);
	world_finish(&world, 1);
	scan_init(&scan);
	scan_init(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct sql_value values[] = {
		{ .kind = SQL_V_INT, .i = 150 },
		{ .kind = SQL_V_NULL },
		{ .kind = SQL_V_BYTES, .s = { "2'5", 3 } },
		{ .kind = SQL_V_DOUBLE, .f = 1.5 },
		{ .kind = SQL_V_UINT, .u = UINT64_MAX },
	};
	struct sql_value params[64];
	struct plan_request rq = { .scan = &scan, .mode = &mode };
	struct plan_values v = { .scan = &scan, .mode = &mode, .charset = CHARSET_UTF8MB4 };
	struct err err;
	struct plan *p;

	if (!world.snapshot)
		setup();
	if (size < 1 || size > 64 * 1024)
		return 0;
	rq.text = v.text = str_make((const char *)data + 1, size - 1);
	rq.snapshot = world.snapshot;
	if (data[0] % 4)
		rq.ks = map_keyspace(world.map, data[0] % 4 == 3 ? STR("plain") : STR("shop"));
	if (data[0] % 4 == 2)
		rq.shard = &rq.ks->shards[1];
	mode.family = data[0] & 8 ? SCAN_MYSQL : SCAN_MARIADB;
	mode.flags = data[0] & 16 ? SCAN_ANSI_QUOTES : data[0] & 32 ? SCAN_NO_BACKSLASH_ESCAPES : 0;
	mode.charset = data[0] & 64 ? SCAN_CS_GBK : SCAN_CS_SAFE;
	if (sql_scan(&scan, rq.text, &mode, &err) < 0)
		return 0;
	for (uint32_t i = 0; i < ARRAY_N(params); i++)
		params[i] = values[(i + (data[0] >> 4)) % ARRAY_N(values)];
	if (scan.n_params && scan.n_params <= ARRAY_N(params)) {
		v.params = params;
		v.n_params = scan.n_params;
	}
	if (plan_build(&rq, &p, &err) < 0)
		return 0;
	check_plan(p, &v);
	if (p->inner)
		check_plan(p->inner, &v);
	plan_unref(p);
	return 0;
}
