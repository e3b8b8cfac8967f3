/* fuzz_response.c - the tracker of a server's answer: whatever comes, in whatever pieces, must give the same events.
 * Input: kind of command; bits (0-2: flags of response_init(), 3: CLIENT_DEPRECATE_EOF, 4: CLIENT_SESSION_TRACK, 5:
 * sequence shift); a seed of the pieces; then the server's bytes. Seeds in corpus/response. */
#include "keyway/wire/response.h"
#include <stdlib.h>

#define EVENTS_MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

struct seen {
	uint8_t type;
	bool done;
	size_t end, packet_n;
};

struct run {
	struct response r;
	struct seen seen[EVENTS_MAX];
	unsigned n_seen;
	size_t used;
};

static volatile size_t sink;

static void touch(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		sink += (uint8_t)s.p[i];
}

static void touch_event(const struct response_event *ev)
{
	touch(str_make((const char *)ev->payload, ev->payload_n));
	switch (ev->type) {
	case RESPONSE_OK:
	case RESPONSE_EOF:
		touch(ev->u.ok.info);
		touch(ev->u.ok.track);
		break;
	case RESPONSE_ERR: touch(ev->u.err.msg); break;
	case RESPONSE_LOCAL_INFILE: touch(ev->u.infile); break;
	case RESPONSE_STATISTICS: touch(ev->u.text); break;
	default: break;
	}
}

/* Feeds @n bytes, in pieces when @rng is not 0. The pieces are copies of their own size, so that a read beyond one is
 * seen by the address sanitizer. */
static void feed_all(struct run *run, uint8_t *p, size_t n, uint32_t rng)
{
	size_t have = 0;

	run->n_seen = 0;
	run->used = 0;
	for (;;) {
		struct response_event ev;
		uint8_t *piece = malloc(have - run->used + 1);
		size_t piece_n = have - run->used, used;

		memcpy(piece, p + run->used, piece_n);
		piece = realloc(piece, piece_n ? piece_n : 1);
		used = response_feed(&run->r, piece, piece_n, &ev);
		if (used > piece_n || ev.packet_n > used)
			abort();
		memcpy(p + run->used, piece, used);
		run->used += used;
		if (ev.type != RESPONSE_MORE && ev.type != RESPONSE_MALFORMED)
			touch_event(&ev);
		free(piece);
		if (ev.type == RESPONSE_MORE) {
			if (!response_done(&run->r) && ev.need <= have - run->used)
				abort();
			if (have == n)
				return;
			rng = rng * 1103515245 + 12345;
			have = rng ? MIN(n, have + 1 + (rng >> 16) % (rng >> 30 ? 7 : 300)) : n;
			continue;
		}
		if (run->n_seen == EVENTS_MAX)
			return;
		run->seen[run->n_seen++] = (struct seen){ ev.type, ev.done, run->used, ev.packet_n };
		if (ev.done || ev.type == RESPONSE_MALFORMED)
			return;
		if (ev.type == RESPONSE_LOCAL_INFILE)
			response_infile_sent(&run->r, run->r.seq);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static struct run whole, pieces;
	uint32_t caps = CLIENT_PROTOCOL_41;
	uint8_t *a, *b;

	if (n < 3)
		return 0;
	caps |= p[1] & 8 ? CLIENT_DEPRECATE_EOF : 0;
	caps |= p[1] & 16 ? CLIENT_SESSION_TRACK : 0;
	response_init(&whole.r, p[0] % 8, caps, p[1] & 7);
	whole.r.seq_shift = p[1] & 32 ? 3 : 0;
	pieces.r = whole.r;
	a = malloc(n);
	b = malloc(n);
	memcpy(a, p + 3, n - 3);
	memcpy(b, p + 3, n - 3);
	feed_all(&whole, a, n - 3, 0);
	feed_all(&pieces, b, n - 3, p[2] + 1u);
	if (whole.n_seen != pieces.n_seen)
		abort();
	for (unsigned i = 0; i < whole.n_seen; i++) {
		const struct seen *x = &whole.seen[i], *y = &pieces.seen[i];

		if (x->type != y->type || x->done != y->done || x->end != y->end || x->packet_n != y->packet_n)
			abort();
	}
	if (whole.used != pieces.used || memcmp(a, b, n - 3) != 0 || memcmp(&whole.r, &pieces.r, sizeof(whole.r)) != 0)
		abort();
	free(a);
	free(b);
	return 0;
}
