/* util/list.h - doubly linked ring lists whose links stand inside the members. Pure. */
#ifndef KEYWAY_UTIL_LIST_H
#define KEYWAY_UTIL_LIST_H

#include "keyway/util/base.h"

struct list {
	struct list *next, *prev;
};

static inline void list_init(struct list *l)
{
	l->next = l->prev = l;
}

static inline bool list_empty(const struct list *l)
{
	return l->next == l;
}

static inline void list_insert(struct list *item, struct list *prev, struct list *next)
{
	item->next = next;
	item->prev = prev;
	prev->next = item;
	next->prev = item;
}

static inline void list_push_front(struct list *l, struct list *item)
{
	list_insert(item, l, l->next);
}

static inline void list_push_back(struct list *l, struct list *item)
{
	list_insert(item, l->prev, l);
}

/* Takes @item out; it becomes a list of its own, so that taking it out again does no harm. */
static inline void list_del(struct list *item)
{
	item->prev->next = item->next;
	item->next->prev = item->prev;
	list_init(item);
}

#define list_item(link, type, member) container_of(link, type, member)
#define list_first(l, type, member)   list_item((l)->next, type, member)
#define list_for_each(it, l)	      for (struct list *it = (l)->next; it != (l); it = it->next)
#define list_for_each_safe(it, l) \
	for (struct list *it = (l)->next, *it##_next = it->next; it != (l); it = it##_next, it##_next = it->next)

#endif
