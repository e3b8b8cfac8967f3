/* digest.c - the table of a worker's digests: chained by hash, dropped by age.
 * For exec, which counts, and SHOW KEYWAY DIGESTS.
 * One thread. Pure. */
#include "keyway/plan/digest.h"
#include <stdlib.h>

struct digest_table {
	struct digest **heads;
	uint32_t mask, n, max;
	struct list order; /* digest.link; the front is the oldest */
};

struct digest_table *digest_table_new(uint32_t max)
{
	struct digest_table *t = xcalloc(1, sizeof(*t));
	uint32_t size = 16;

	t->max = MIN(MAX(max, 1u), 1u << 24);
	while (size < t->max)
		size *= 2;
	t->heads = xcalloc(size, sizeof(*t->heads));
	t->mask = size - 1;
	list_init(&t->order);
	return t;
}

void digest_unref(struct digest *d)
{
	if (!d || --d->refs)
		return;
	free((char *)(uintptr_t)d->ks);
	free((char *)(uintptr_t)d->text.p);
	free(d);
}

static struct digest **head_of(const struct digest_table *t, const uint64_t id[2])
{
	return &t->heads[(uint32_t)(id[0] ^ id[1] >> 32) & t->mask];
}

static void drop(struct digest_table *t, struct digest *d)
{
	struct digest **pd = head_of(t, d->id);

	while (*pd != d)
		pd = &(*pd)->next;
	*pd = d->next;
	list_del(&d->link);
	t->n--;
	digest_unref(d);
}

void digest_table_free(struct digest_table *t)
{
	if (!t)
		return;
	while (!list_empty(&t->order))
		drop(t, list_first(&t->order, struct digest, link));
	free(t->heads);
	free(t);
}

struct digest *digest_get(struct digest_table *t, const uint64_t id[2], const char *ks, struct str text)
{
	struct digest **head = head_of(t, id), *d = *head;

	while (d && !(d->id[0] == id[0] && d->id[1] == id[1] && strcmp(d->ks, ks) == 0))
		d = d->next;
	if (!d) {
		if (t->n == t->max)
			drop(t, list_first(&t->order, struct digest, link));
		d = xcalloc(1, sizeof(*d));
		d->id[0] = id[0];
		d->id[1] = id[1];
		d->ks = xstrdup(ks);
		d->route = "";
		text.n = MIN(text.n, (size_t)DIGEST_TEXT_MAX);
		d->text = str_make(str_dup(text), text.n);
		d->refs = 1;
		d->next = *head;
		*head = d;
		t->n++;
	} else {
		list_del(&d->link);
	}
	list_push_back(&t->order, &d->link);
	d->refs++;
	return d;
}

void digest_each(const struct digest_table *t, digest_each_fn *fn, void *arg)
{
	list_for_each (it, &((struct digest_table *)(uintptr_t)t)->order)
		fn(list_item(it, struct digest, link), arg);
}
