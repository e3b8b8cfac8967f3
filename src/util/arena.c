/* arena.c - bump allocation in chunks. For the statement path; one thread per arena. */
#include "keyway/util/arena.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define CHUNK_BYTES (16 * 1024 - sizeof(struct arena_chunk))

struct arena_chunk {
	struct arena_chunk *older;
	size_t size;
	_Alignas(16) char mem[];
};

void arena_init(struct arena *a)
{
	memset(a, 0, sizeof(*a));
}

void arena_limit(struct arena *a, size_t limit_bytes)
{
	a->limit_bytes = limit_bytes;
}

static void arena_free_chunks(struct arena_chunk *c)
{
	while (c) {
		struct arena_chunk *older = c->older;

		free(c);
		c = older;
	}
}

void arena_chunk(struct arena *a, size_t bytes)
{
	a->chunk_bytes = bytes - sizeof(struct arena_chunk);
}

static size_t chunk_size(const struct arena *a)
{
	return a->chunk_bytes ? a->chunk_bytes : CHUNK_BYTES;
}

void arena_reset(struct arena *a)
{
	a->used_bytes = 0;
	if (!a->head)
		return;
	if (a->head->size > chunk_size(a)) {
		arena_free(a);
		return;
	}
	arena_free_chunks(a->head->older);
	a->head->older = NULL;
	a->pos = a->head->mem;
}

void arena_free(struct arena *a)
{
	arena_free_chunks(a->head);
	a->head = NULL;
	a->pos = a->end = NULL;
	a->used_bytes = 0;
}

static void *arena_alloc_slow(struct arena *a, size_t n)
{
	size_t usual = chunk_size(a);
	size_t size = n > usual ? n : usual;
	struct arena_chunk *c = xmalloc(sizeof(*c) + size);

	c->size = size;
	if (n > usual / 4 && a->head) {
		/* a large block goes behind the chunk being filled, so that its room is not lost */
		c->older = a->head->older;
		a->head->older = c;
		return c->mem;
	}
	c->older = a->head;
	a->head = c;
	a->pos = c->mem + n;
	a->end = c->mem + size;
	return c->mem;
}

void *arena_alloc(struct arena *a, size_t n)
{
	char *p = a->pos;

	n = (n + 15) & ~(size_t)15;
	a->used_bytes += n;
	if (LIKELY((size_t)(a->end - p) >= n) && p) {
		a->pos = p + n;
		return p;
	}
	return arena_alloc_slow(a, n);
}

void *arena_try_alloc(struct arena *a, size_t n)
{
	if (a->limit_bytes && (n > a->limit_bytes || a->used_bytes > a->limit_bytes - n))
		return NULL;
	return arena_alloc(a, n);
}

void *arena_zalloc(struct arena *a, size_t n)
{
	return memset(arena_alloc(a, n), 0, n);
}

char *arena_dup(struct arena *a, const void *p, size_t n)
{
	char *out = arena_alloc(a, n + 1);

	if (n)
		memcpy(out, p, n);
	out[n] = '\0';
	return out;
}

struct str arena_str(struct arena *a, struct str s)
{
	return str_make(arena_dup(a, s.p, s.n), s.n);
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap;
	char *out;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		return arena_dup(a, "", 0);
	out = arena_alloc(a, (size_t)n + 1);
	va_start(ap, fmt);
	vsnprintf(out, (size_t)n + 1, fmt, ap);
	va_end(ap);
	return out;
}
