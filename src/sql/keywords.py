#!/usr/bin/env python3
"""Makes the lexer's keyword table: keywords.py KEYWORDS.TXT GRAMMAR.Y OUT.H OUT.C

A word that the grammar names as a token gets the grammar's code, all others codes of their own above it. The table is
found by the word's first and last eight bytes folded to lower case, in open addressing."""
import re
import sys

SLOTS = 4096
WORD_MAX = 36
K1, K2 = 0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F
MASK = (1 << 64) - 1
NOTED = {'update', 'share', 'outfile', 'dumpfile', 'infile', 'temporary', 'value', 'not', 'into'}
FOLD = 0x2020202020202020


def fold8(b):
    return (int.from_bytes(b, 'little') | FOLD) & ((1 << (8 * len(b))) - 1)


def halves(word):
    b = word.encode()
    return (fold8(b[:8]), fold8(b[-8:])) if len(b) >= 8 else (fold8(b), 0)


def main():
    words_path, grammar_path, h_path, c_path = sys.argv[1:]
    grammar_text = open(grammar_path, encoding='utf-8').read()
    block = grammar_text[grammar_text.index('/* words that the rules name'):]
    grammar = set(re.findall(r'\bT_([A-Z0-9_]+)', block[:block.index('/* made of words')]))
    rows = [line.split() for line in open(words_path, encoding='utf-8') if line.strip() and line[0] != '#']
    slots = [0] * SLOTS
    with open(h_path, 'w', encoding='utf-8') as h, open(c_path, 'w', encoding='utf-8') as c:
        h.write('/* Made by keywords.py from keywords.txt and grammar.y. */\n')
        h.write('#ifndef KEYWAY_SQL_KEYWORDS_GEN_H\n#define KEYWAY_SQL_KEYWORDS_GEN_H\n#include "grammar.tab.h"\n')
        h.write('#define KEYWORD_SLOTS %d\n#define KEYWORDS_N %d\n#define KEYWORD_OWN 2000\nenum {\n' % (SLOTS, len(rows) + 1))
        c.write('/* Made by keywords.py: the keyword table. For the lexer. No state. */\n#include "lex.h"\n')
        c.write('const struct keyword keyword_table[KEYWORDS_N] = {\n\t{ .len = 0 },\n')
        for i, (word, res, call, verb, special) in enumerate(rows, 1):
            name = word.upper()
            h.write('\tKW_%s = %s,\n' % (name, 'T_' + name if name in grammar else 2000 + i))
            a, b = halves(word)
            flags = ['KWF_RES_MYSQL'] * ('m' in res) + ['KWF_RES_MYSQL8'] * ('8' in res)
            flags += ['KWF_RES_MARIA'] * ('M' in res) + ['KWF_CALL'] * (call == 'c')
            flags += ['KWF_ANYWHERE'] * special.endswith('!')
            flags += ['KWF_NOTED'] * (special != '-' or word in NOTED)
            c.write('\t{ .a = 0x%xu, .b = 0x%xu, .len = %d, .kind = KW_%s, .flags = %s, .verb = %s, .special = %s, .text = "%s" },\n' % (
                a, b, len(word), name, ' | '.join(flags) or '0',
                '0' if verb == '-' else 'SCAN_VERBS' if verb == 'WITH' else 'SCAN_' + verb,
                '0' if special == '-' else 'SCAN_F_' + special.rstrip('!'), name))
            slot = (((a * K1) & MASK) ^ ((b + len(word)) * K2 & MASK)) >> 52
            while slots[slot]:
                slot = (slot + 1) % SLOTS
            slots[slot] = i
        h.write('};\n#endif\n')
        c.write('};\n\nconst uint16_t keyword_slot[KEYWORD_SLOTS] = {\n')
        for i in range(0, SLOTS, 16):
            c.write('\t' + ' '.join('%d,' % s for s in slots[i:i + 16]) + '\n')
        c.write('};\n')


main()
