/* base64.h - RFC 4648 base64 with padding, as etcd and consul write values. Inside the store layer. Pure. */
#ifndef KEYWAY_STORE_BASE64_H
#define KEYWAY_STORE_BASE64_H

#include "keyway/util/str.h"

/* On the heap, NUL-terminated. */
char *base64_encode(struct str s);
/* On the heap, NUL-terminated behind *@n bytes; NULL: it is not base64. */
char *base64_decode(struct str s, size_t *n);

#endif
