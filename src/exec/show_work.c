/* show_work.c - SHOW KEYWAY SESSIONS, POOLS, PINNED and SHOW PROCESSLIST: what goes on in the workers.
 * For show.c.
 * The worker's thread whose part it is. */
#include "show.h"
#include <stdio.h>

/* --- what a session does --- */

static const char *const com_word[256] = {
	[COM_INIT_DB] = "Init DB",
	[COM_QUERY] = "Query",
	[COM_FIELD_LIST] = "Field List",
	[COM_STATISTICS] = "Statistics",
	[COM_PROCESS_INFO] = "Processlist",
	[COM_PROCESS_KILL] = "Kill",
	[COM_PING] = "Ping",
	[COM_SET_OPTION] = "Set option",
	[COM_STMT_PREPARE] = "Prepare",
	[COM_STMT_EXECUTE] = "Execute",
	[COM_STMT_FETCH] = "Fetch",
	[COM_RESET_CONNECTION] = "Reset connection",
};

static const char *session_command_word(const struct session *s)
{
	if (!s->run)
		return "Sleep";
	return com_word[s->run->com] ? com_word[s->run->com] : "Command";
}

static uint64_t session_since(const struct session *s)
{
	return s->run ? s->run->started_us : s->since_us;
}

static uint64_t age_us(const struct worker *w, uint64_t since_us)
{
	uint64_t now = loop_now_us(w->loop);

	return now > since_us ? now - since_us : 0;
}

static const char *txn_word(const struct session *s)
{
	switch ((enum session_txn)s->txn) {
	case TXN_OPEN: return "open";
	case TXN_FAILED: return "rolled back";
	case TXN_NONE: break;
	}
	for (uint32_t i = 0; i < s->n_parts; i++) {
		if (s->parts[i].in_txn)
			return "open";
	}
	return "";
}

static void statement_field(struct show_rows *o, const struct session *s, size_t max)
{
	struct str t = str_make(NULL, 0);

	if (s->run)
		t = s->run->shown.p ? s->run->shown : s->run->text;
	show_text(o, t, max);
}

static const char *shard_name(const struct worker *w, const char *ks, uint32_t shard)
{
	for (uint32_t k = 0; k < w->routes->snapshot->map->keyspace_n; k++) {
		if (w->keyspaces[k].name == ks && shard < w->keyspaces[k].ks->shard_n)
			return w->keyspaces[k].shards[shard].name;
	}
	return "?";
}

static void add_shard(struct buf *b, const struct worker *w, const char *ks, uint32_t shard)
{
	if (ks && buf_used(b) < 400)
		buf_addf(b, "%s%s/%s", buf_used(b) ? "," : "", ks, shard_name(w, ks, shard));
}

/* Where it holds connections now. */
static void shards_field(struct show_rows *o, const struct worker *w, const struct session *s)
{
	struct buf b = { 0 };

	for (uint32_t i = 0; i < s->n_parts; i++)
		add_shard(&b, w, s->parts[i].ks, s->parts[i].shard);
	for (uint32_t i = 0; s->run && i < s->run->n_legs; i++) {
		const struct leg *l = &s->run->legs[i];

		if (l->c && !l->was_part)
			add_shard(&b, w, l->ks, l->shard);
	}
	show_str(o, str_make(b.p ? (char *)buf_head(&b) : "", buf_used(&b)));
	buf_free(&b);
}

static void pins_text(const struct session *s, char *out, size_t size)
{
	static const struct {
		uint32_t bit;
		const char *name;
	} names[] = { { PIN_TEMPORARY, "temporary tables" }, { PIN_USER_LOCK, "user locks" },
		{ PIN_LOCK_TABLES, "LOCK TABLES" }, { PIN_STATE, "session state" }, { PIN_XA, "XA" },
		{ PIN_CURSOR, "open cursors" } };
	size_t n = 0;

	out[0] = '\0';
	for (size_t i = 0; i < ARRAY_N(names) && n < size; i++) {
		if (!(s->pins & names[i].bit))
			continue;
		n += (size_t)snprintf(out + n, size - n, "%s%s", n ? ", " : "",
			names[i].bit == PIN_STATE && s->pin_why ? s->pin_why : names[i].name);
	}
}

/* --- SESSIONS --- */

static void session_row(struct show_part *p, const struct session *s)
{
	struct show_rows *o = &p->rows;
	char pins[256];

	pins_text(s, pins, sizeof(pins));
	show_uint(o, s->id);
	show_uint(o, p->w->index);
	show_str(o, s->user);
	show_str(o, s->host);
	show_str(o, s->target ? str_of(s->target) : str_make(NULL, 0));
	show_z(o, session_command_word(s));
	show_z(o, s->run ? run_state_name[s->run->state] : "idle");
	show_uint(o, age_us(p->w, session_since(s)) / 1000);
	show_z(o, txn_word(s));
	shards_field(o, p->w, s);
	show_str(o, str_of(pins));
	show_z(o, reads_name[s->reads]);
	show_uint(o, s->n_stmts);
	show_uint(o, s->commands);
	show_uint(o, s->st->in_bytes);
	show_uint(o, s->st->out_bytes);
	statement_field(o, s, SHOW_TEXT_MAX);
}

static void fill_sessions(struct show_part *p)
{
	list_for_each (it, &p->w->sessions) {
		const struct session *s = list_item(it, struct session, link);

		if (!show_may_see(p->ask, s->user))
			continue;
		if (!show_row(&p->rows))
			return;
		session_row(p, s);
	}
}

static const struct show_column session_cols[] = {
	{ "id", SHOW_UINT, 0 },
	{ "worker", SHOW_UINT, 0 },
	{ "user", SHOW_TEXT, 128 },
	{ "host", SHOW_TEXT, 64 },
	{ "target", SHOW_TEXT, 64 },
	{ "command", SHOW_TEXT, 16 },
	{ "state", SHOW_TEXT, 16 },
	{ "time_ms", SHOW_UINT, 0 },
	{ "transaction", SHOW_TEXT, 16 },
	{ "shards", SHOW_TEXT, 512 },
	{ "pinned", SHOW_TEXT, 255 },
	{ "reads", SHOW_TEXT, 16 },
	{ "prepared", SHOW_UINT, 0 },
	{ "commands", SHOW_UINT, 0 },
	{ "bytes_in", SHOW_UINT, 0 },
	{ "bytes_out", SHOW_UINT, 0 },
	{ "statement", SHOW_TEXT, SHOW_TEXT_MAX },
};

const struct show_view show_sessions = {
	.name = "SESSIONS",
	.help = "clients and what each is doing; KILL takes their ids",
	.cols = session_cols,
	.n_cols = ARRAY_N(session_cols),
	.right = SHOW_OWN,
	.from = SHOW_WORKERS,
	.fill = fill_sessions,
};

/* --- SHOW PROCESSLIST --- */

#define PROCESS_TEXT_MAX 100

static void process_row(struct show_part *p, const struct session *s)
{
	struct show_rows *o = &p->rows;

	show_uint(o, s->id);
	show_str(o, s->user);
	show_str(o, s->host);
	show_str(o, s->db ? str_of(s->db) : str_make(NULL, 0));
	show_z(o, session_command_word(s));
	show_uint(o, age_us(p->w, session_since(s)) / 1000000);
	show_z(o, s->run ? run_state_name[s->run->state] : "");
	statement_field(o, s, p->ask->full ? SHOW_TEXT_MAX : PROCESS_TEXT_MAX);
}

static void fill_processes(struct show_part *p)
{
	list_for_each (it, &p->w->sessions) {
		const struct session *s = list_item(it, struct session, link);

		if (!show_may_see(p->ask, s->user))
			continue;
		if (!show_row(&p->rows))
			return;
		process_row(p, s);
	}
}

static const struct show_column process_cols[] = {
	{ "Id", SHOW_UINT, 0 },
	{ "User", SHOW_TEXT, 128 },
	{ "Host", SHOW_TEXT, 64 },
	{ "db", SHOW_TEXT, 64 },
	{ "Command", SHOW_TEXT, 16 },
	{ "Time", SHOW_UINT, 0 },
	{ "State", SHOW_TEXT, 64 },
	{ "Info", SHOW_TEXT, SHOW_TEXT_MAX },
};

const struct show_view show_processes = {
	.name = "PROCESSLIST",
	.help = "SHOW PROCESSLIST: the sessions in the columns of a server",
	.cols = process_cols,
	.n_cols = ARRAY_N(process_cols),
	.right = SHOW_OWN,
	.from = SHOW_WORKERS,
	.fill = fill_processes,
};

/* --- PINNED --- */

static void pinned_row(struct show_part *p, const struct session *s, const struct part *part)
{
	struct show_rows *o = &p->rows;
	char why[300];
	size_t n;

	pins_text(s, why, sizeof(why));
	n = strlen(why);
	if (part->in_txn)
		snprintf(why + n, sizeof(why) - n, "%sa transaction", n ? ", " : "");
	show_uint(o, s->id);
	show_uint(o, p->w->index);
	show_str(o, s->user);
	show_str(o, s->host);
	show_printf(o, "%s/%s", part->ks ? part->ks : "?", shard_name(p->w, part->ks, part->shard));
	show_str(o, str_of(pool_server(part->pool)->label));
	show_uint(o, part->c->thread_id);
	show_str(o, str_of(why));
	show_uint(o, age_us(p->w, part->since_us) / 1000);
}

static void fill_pinned(struct show_part *p)
{
	list_for_each (it, &p->w->sessions) {
		const struct session *s = list_item(it, struct session, link);

		for (uint32_t i = 0; i < s->n_parts && show_may_see(p->ask, s->user); i++) {
			if (!show_row(&p->rows))
				return;
			pinned_row(p, s, &s->parts[i]);
		}
	}
}

static const struct show_column pinned_cols[] = {
	{ "id", SHOW_UINT, 0 },
	{ "worker", SHOW_UINT, 0 },
	{ "user", SHOW_TEXT, 128 },
	{ "host", SHOW_TEXT, 64 },
	{ "shard", SHOW_TEXT, 130 },
	{ "server", SHOW_TEXT, 255 },
	{ "server_thread", SHOW_UINT, 0 },
	{ "why", SHOW_TEXT, 255 },
	{ "held_ms", SHOW_UINT, 0 },
};

const struct show_view show_pinned = {
	.name = "PINNED",
	.help = "sessions that hold a connection to a server between statements, and why",
	.cols = pinned_cols,
	.n_cols = ARRAY_N(pinned_cols),
	.right = SHOW_OWN,
	.from = SHOW_WORKERS,
	.fill = fill_pinned,
};

/* --- POOLS --- */

static void fill_pools(struct show_part *p)
{
	for (uint32_t i = 0; i < p->w->n_pools; i++) {
		struct server *s = pool_server(p->w->pools[i]);
		struct pool_stats st;

		if (!show_row(&p->rows))
			return;
		pool_stats(p->w->pools[i], &st);
		show_uint(&p->rows, p->w->index);
		show_str(&p->rows, str_of(s->label));
		show_str(&p->rows, str_of(s->user));
		show_uint(&p->rows, st.idle);
		show_uint(&p->rows, st.leased);
		show_uint(&p->rows, st.connecting);
		show_uint(&p->rows, st.waiting);
		show_uint(&p->rows, atomic_load(&s->conns));
		show_uint(&p->rows, p->w->cfg->pool.max_conns);
	}
}

static const struct show_column pool_cols[] = {
	{ "worker", SHOW_UINT, 0 },
	{ "server", SHOW_TEXT, 255 },
	{ "user", SHOW_TEXT, 80 },
	{ "idle", SHOW_UINT, 0 },
	{ "leased", SHOW_UINT, 0 },
	{ "connecting", SHOW_UINT, 0 },
	{ "waiting", SHOW_UINT, 0 },
	{ "all_workers", SHOW_UINT, 0 },
	{ "max", SHOW_UINT, 0 },
};

const struct show_view show_pools = {
	.name = "POOLS",
	.help = "connections of each worker thread to each server; all_workers and max are the process's",
	.cols = pool_cols,
	.n_cols = ARRAY_N(pool_cols),
	.right = SHOW_ADMIN,
	.from = SHOW_WORKERS,
	.fill = fill_pools,
};
