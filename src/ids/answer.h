/* answer.h - the ids in the body of an HTTP answer. Every byte is hostile. Pure. */
#ifndef IDS_ANSWER_H
#define IDS_ANSWER_H

#include "guard.h"

#define ANSWER_BYTES_MAX 65536

/* One run from @body after the rules of @conf. -1 and @why when it holds none. The numbers are not judged here beyond
 * being numbers: that is guard_check(). @step is the endpoint's, by which "last" counts. */
MUST_CHECK int answer_parse(const struct alloc_conf *conf, uint64_t step, struct str body, struct grab_run *out,
	char *why, size_t why_size);

#endif
