/* json_text.h - where the values of a JSON text stand, to change one and leave every other byte alone. The text must
 * be valid JSON (jansson has read it). Inside the cluster layer. Pure. */
#ifndef KEYWAY_CLUSTER_JSON_TEXT_H
#define KEYWAY_CLUSTER_JSON_TEXT_H

#include "keyway/util/str.h"

/* Bytes of the text: [begin, end). */
struct json_span {
	size_t begin, end;
};

/* The outermost value. */
struct json_span json_text_root(struct str text);
/* The value of a member of the object at @at; false: it has none of this name. */
bool json_text_member(struct str text, struct json_span at, const char *name, struct json_span *out);
/* The @i-th item of the array at @at; false: it has fewer. */
bool json_text_item(struct str text, struct json_span at, size_t i, struct json_span *out);

/* New texts on the heap, NUL-terminated: @value, itself JSON, in the place of what stands at @at; or as the value of a
 * member of the object at @at, which is added behind the others in their layout if it was not there. */
char *json_text_replace(struct str text, struct json_span at, const char *value);
char *json_text_set(struct str text, struct json_span at, const char *name, const char *value);

#endif
