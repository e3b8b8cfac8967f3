/* show_reads.c - the views ZONES and READS: what crosses zones, and how reads found their servers.
 * For show.c.
 * Worker thread. */
#include "show.h"
#include "keyway/backend/zones.h"

static void fill_zones(struct show_part *p)
{
	struct zone_traffic *all = arena_array(&p->rows.arena, struct zone_traffic, ZONE_PAIRS_MAX);
	uint32_t n = p->w->process->zones ? zones_read(p->w->process->zones, all, ZONE_PAIRS_MAX) : 0;

	for (uint32_t i = 0; i < n && show_row(&p->rows); i++) {
		show_str(&p->rows, str_of(all[i].from));
		show_str(&p->rows, str_of(all[i].to));
		show_uint(&p->rows, all[i].statements);
		show_uint(&p->rows, all[i].bytes_sent);
		show_uint(&p->rows, all[i].bytes_got);
	}
}

static const struct show_column zone_cols[] = {
	{ "proxy_az", SHOW_TEXT, 64 },
	{ "server_az", SHOW_TEXT, 64 },
	{ "statements", SHOW_UINT, 0 },
	{ "bytes_sent", SHOW_UINT, 0 },
	{ "bytes_got", SHOW_UINT, 0 },
};

const struct show_view show_zones = {
	.name = "ZONES",
	.help = "statements and bytes between this proxy's zone and the servers' zones",
	.cols = zone_cols,
	.n_cols = ARRAY_N(zone_cols),
	.right = SHOW_ADMIN,
	.fill = fill_zones,
};

static void read_row(struct show_rows *o, const char *what, uint64_t n, const char *meaning)
{
	if (!show_row(o))
		return;
	show_z(o, what);
	show_uint(o, n);
	show_z(o, meaning);
}

static void fill_reads(struct show_part *p)
{
	struct show_rows *o = &p->rows;
	struct reads_stats s;

	reads_sum(p->w->process, &s);
	read_row(o, "near", s.near, "went to the nearest tier of reads.tiers");
	read_row(o, "spilled", s.spilled, "went to a further tier");
	read_row(o, "probes", s.probes, "went to another tier to know its latency");
	read_row(o, "primary", s.primary, "no replica could serve them");
	read_row(o, "moved", s.moved, "were sent once more, since the first server failed");
	read_row(o, "causal_known", s.causal_known, "causal: the replica was known to be new enough");
	read_row(o, "causal_waited", s.causal_waited, "causal: the replica was new enough after a wait");
	read_row(o, "causal_late", s.causal_late, "causal: the replica was too late, the primary answered");
}

static const struct show_column read_cols[] = {
	{ "reads", SHOW_TEXT, 32 },
	{ "count", SHOW_UINT, 0 },
	{ "meaning", SHOW_TEXT, 128 },
};

const struct show_view show_reads = {
	.name = "READS",
	.help = "reads that might go to replicas, by where they went and why",
	.cols = read_cols,
	.n_cols = ARRAY_N(read_cols),
	.right = SHOW_ADMIN,
	.fill = fill_reads,
};
