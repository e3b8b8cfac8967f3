/* eject.c - which replicas are out of line with their like.
 * For watch.c.
 * Pure. */
#include "internal.h"
#include <stdlib.h>

#define OUT_FACTOR    4	   /* times the latency of the middle one … */
#define OUT_MARGIN_US 5000 /* … and more than this above it */
#define OF_AT_LEAST   3	   /* with fewer there is no line to be out of */

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

void eject_judge(struct eject_view *v, uint32_t n)
{
	uint64_t known[MAP_BACKENDS_MAX], middle = 0;
	uint32_t n_known = 0, n_serving = 0;

	for (uint32_t i = 0; i < n; i++) {
		v[i].out_of_line = false;
		n_serving += v[i].serves;
		if (v[i].serves && v[i].latency_us)
			known[n_known++] = v[i].latency_us;
	}
	if (n_known >= OF_AT_LEAST) {
		qsort(known, n_known, sizeof(*known), by_size);
		middle = known[(n_known - 1) / 2];
	}
	for (uint32_t i = 0; i < n; i++) {
		if (!v[i].serves)
			continue;
		if (middle && v[i].latency_us > OUT_FACTOR * middle && v[i].latency_us > middle + OUT_MARGIN_US)
			v[i].out_of_line = true;
		if (v[i].failing && n_serving > 1)
			v[i].out_of_line = true;
	}
}

uint32_t eject_room(uint32_t n)
{
	return n / 2;
}
