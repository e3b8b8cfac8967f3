/* wake.c - links in a binary heap by the time at which something is due.
 * For relay.c, which sets its timer by the first, and link.c. One thread. */
#include "relay.h"
#include <stdlib.h>

static struct link **heap;
static uint32_t heap_n, heap_size;

static void heap_put(struct link *l, uint32_t slot)
{
	heap[slot] = l;
	l->slot = slot;
}

static void heap_settle(uint32_t slot)
{
	struct link *l = heap[slot];

	while (slot > 0 && heap[(slot - 1) / 2]->wake_us > l->wake_us) {
		heap_put(heap[(slot - 1) / 2], slot);
		slot = (slot - 1) / 2;
	}
	for (;;) {
		uint32_t child = 2 * slot + 1;

		if (child + 1 < heap_n && heap[child + 1]->wake_us < heap[child]->wake_us)
			child++;
		if (child >= heap_n || heap[child]->wake_us >= l->wake_us)
			break;
		heap_put(heap[child], slot);
		slot = child;
	}
	heap_put(l, slot);
}

void wake_forget(struct link *l)
{
	uint32_t slot = l->slot;

	if (l->wake_us == NEVER)
		return;
	l->wake_us = NEVER;
	heap_n--;
	if (slot == heap_n)
		return;
	heap_put(heap[heap_n], slot);
	heap_settle(slot);
}

void wake_at(struct link *l, uint64_t us)
{
	if (us == l->wake_us)
		return;
	if (us == NEVER) {
		wake_forget(l);
		return;
	}
	if (l->wake_us == NEVER) {
		if (heap_n == heap_size) {
			heap_size = heap_size ? 2 * heap_size : 64;
			heap = realloc(heap, heap_size * sizeof(*heap));
			if (!heap)
				abort();
		}
		heap_put(l, heap_n++);
	}
	l->wake_us = us;
	heap_settle(l->slot);
}

struct link *wake_first(void)
{
	return heap_n ? heap[0] : NULL;
}
