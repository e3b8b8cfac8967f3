/* config_scan.h - what libconfig 1.5 reads without a word, but wrongly: it cuts a number that does not fit 32 bits (64
 * with the suffix L), and loses a NUL in a text. For config.c. */
#ifndef KEYWAY_MAIN_CONFIG_SCAN_H
#define KEYWAY_MAIN_CONFIG_SCAN_H

#include "keyway/util/err.h"

/* Looks through the file at @path, which libconfig has parsed, and the files that it includes from @dir. 0, or
 * ERR_CONFIG with "file:line: ...". */
MUST_CHECK int config_scan_numbers(const char *path, const char *dir, struct err *err);

#endif
