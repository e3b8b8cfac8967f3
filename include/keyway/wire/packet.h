/* wire/packet.h - framing: 3 bytes of length, 1 byte of sequence_id, payload; a payload of 0xFFFFFF bytes or more goes
 * in several frames of which the last is shorter than 0xFFFFFF. Pure, any thread. */
#ifndef KEYWAY_WIRE_PACKET_H
#define KEYWAY_WIRE_PACKET_H

#include "keyway/util/err.h"
#include "keyway/wire/bytes.h"

#define PACKET_HEADER	 4
#define PACKET_FRAME_MAX 0xffffffu

/* Building: packet_begin() leaves room for a header and returns a mark; then append the payload to @b; packet_end()
 * writes the header, splits into frames when needed and moves *seq on. Between the two nothing may be consumed from
 * the front of @b. */
size_t packet_begin(struct buf *b);
void packet_end(struct buf *b, size_t mark, uint8_t *seq);
/* The whole of it for a payload at hand. */
void packet_add(struct buf *b, uint8_t *seq, const void *payload, size_t n);

/* Reading of whole messages (logins, commands). */
struct packet {
	uint8_t *payload;
	size_t n;	   /* bytes of payload, of all frames */
	size_t wire_bytes; /* what the caller eats from the front of the input when done with the payload */
	uint8_t seq;	   /* of the first frame */
};

/* Looks whether a whole message stands at the front of the @n bytes at @p. When it does, fills @out and returns 1; the
 * frames of a long one are joined in place, so the caller must then not parse these bytes a second time.
 * Returns 0 when more is needed; *@need is the count of bytes, from @p on, without which it makes no sense to come
 * again (never more than is sure to come).
 * *@seq is the sequence_id wanted of the first frame; it becomes the one after the last when 1 is returned.
 * ERR_MALFORMED with 1156 for a wrong sequence_id; ERR_LIMIT with 1153 when the payload is longer than @max. */
MUST_CHECK int packet_read(
	uint8_t *p, size_t n, size_t max, uint8_t *seq, struct packet *out, size_t *need, struct err *err);

#endif
