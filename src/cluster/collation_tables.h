/* collation_tables.h - weights of the characters of the basic plane. Inside the cluster layer; the tables are
 * generated. */
#ifndef KEYWAY_CLUSTER_COLLATION_TABLES_H
#define KEYWAY_CLUSTER_COLLATION_TABLES_H

#include <stdint.h>

#define WEIGHT_UNKNOWN 0xffff

/* What page[] says of 256 characters: how their weights are found. */
enum weight_page {
	WEIGHT_PAGE_UNKNOWN = 0,
	WEIGHT_PAGE_FB40 = 1, /* implicit weights of the Unicode collation algorithm, by their base */
	WEIGHT_PAGE_FB80 = 2,
	WEIGHT_PAGE_FBC0 = 3,
	WEIGHT_PAGE_SAME = 4,  /* the weight is the code point */
	WEIGHT_PAGE_TABLE = 5, /* this and above: the number of a page in start[] */
};

struct weight_table {
	const uint16_t *weight; /* all weights of the tabulated characters */
	const uint16_t *start;	/* 256 per tabulated page and one more: where in weight[] each character begins */
	uint8_t page[256];
};

extern const struct weight_table weights_general, weights_uca400, weights_uca520, weights_uca1400;
extern const uint16_t latin1_unicode[256];
extern const uint8_t weights_latin1_swedish_ci[256], weights_latin1_general_ci[256], weights_latin1_general_cs[256],
	weights_latin1_danish_ci[256], weights_latin1_spanish_ci[256];

#endif
