/* packet.c - building frames around payloads and finding whole messages in a stream of frames.
 * For everything that speaks the protocol.
 * Pure, any thread. */
#include "keyway/wire/packet.h"

size_t packet_begin(struct buf *b)
{
	size_t mark = buf_used(b);

	buf_reserve(b, PACKET_HEADER);
	buf_wrote(b, PACKET_HEADER);
	return mark;
}

static void put_header(uint8_t *p, size_t n, uint8_t *seq)
{
	put_u24(p, (uint32_t)n);
	p[3] = (*seq)++;
}

/* Spreads a long payload into frames, from the last one back, so that every byte moves once. */
static void split_frames(struct buf *b, size_t mark, size_t n, uint8_t *seq)
{
	size_t more = n / PACKET_FRAME_MAX;
	uint8_t *head;

	buf_reserve(b, more * PACKET_HEADER);
	buf_wrote(b, more * PACKET_HEADER);
	head = buf_head(b) + mark;
	for (size_t i = more; i > 0; i--) {
		size_t len = i == more ? n % PACKET_FRAME_MAX : PACKET_FRAME_MAX;
		uint8_t *from = head + PACKET_HEADER + i * PACKET_FRAME_MAX;

		memmove(from + i * PACKET_HEADER, from, len);
	}
	for (size_t i = 0; i <= more; i++) {
		size_t len = i == more ? n % PACKET_FRAME_MAX : PACKET_FRAME_MAX;

		put_header(head + i * (PACKET_FRAME_MAX + PACKET_HEADER), len, seq);
	}
}

void packet_end(struct buf *b, size_t mark, uint8_t *seq)
{
	size_t n = buf_used(b) - mark - PACKET_HEADER;

	if (UNLIKELY(n >= PACKET_FRAME_MAX))
		split_frames(b, mark, n, seq);
	else
		put_header(buf_head(b) + mark, n, seq);
}

void packet_add(struct buf *b, uint8_t *seq, const void *payload, size_t n)
{
	size_t mark = packet_begin(b);

	buf_add(b, payload, n);
	packet_end(b, mark, seq);
}

static void join_frames(uint8_t *p, size_t frames)
{
	for (size_t i = 1; i < frames; i++) {
		uint8_t *header = p + i * (PACKET_HEADER + PACKET_FRAME_MAX);

		memmove(p + PACKET_HEADER + i * PACKET_FRAME_MAX, header + PACKET_HEADER, get_u24(header));
	}
}

int packet_read(uint8_t *p, size_t n, size_t max, uint8_t *seq, struct packet *out, size_t *need, struct err *err)
{
	size_t at = 0, payload = 0, frames = 0;
	uint8_t next = *seq;
	size_t len;

	do {
		if (n - at < PACKET_HEADER) {
			*need = at + PACKET_HEADER;
			return 0;
		}
		len = get_u24(p + at);
		if (p[at + 3] != next)
			return err_set(err, ERR_MALFORMED, ER_NET_PACKETS_OUT_OF_ORDER,
				"Got packets out of order: sequence_id %u instead of %u", p[at + 3], next);
		payload += len;
		if (payload > max)
			return err_set(err, ERR_LIMIT, ER_NET_PACKET_TOO_LARGE,
				"Got a packet bigger than 'max_allowed_packet' bytes (%zu): send less at a time or "
				"raise it",
				max);
		if (n - at - PACKET_HEADER < len) {
			*need = at + PACKET_HEADER + len;
			return 0;
		}
		at += PACKET_HEADER + len;
		frames++;
		next++;
	} while (len == PACKET_FRAME_MAX);

	if (UNLIKELY(frames > 1))
		join_frames(p, frames);
	*out = (struct packet){ .payload = p + PACKET_HEADER, .n = payload, .wire_bytes = at, .seq = *seq };
	*seq = next;
	return 1;
}
