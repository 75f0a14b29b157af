/* Announced ends: frames by which an exchange informs a client that it is going to end the
 * connection (docs/exchanges.md, `ends`). Rules of the exchange's document recognize them. Works on
 * any bytes. */
#ifndef TD_SCHEMA_END_NOTICE_H
#define TD_SCHEMA_END_NOTICE_H

#include <stddef.h>

#include "base/bytes.h"
#include "base/json/json.h"

enum {
    END_NOTICES_MAX = 8,
    END_WORDS_MAX = 4,
    /* Longer frames are no notices; the longest documented one has some 600 bytes. */
    END_NOTICE_BYTES_MAX = 2048,
};

/* The text or number at a path, which leads through the first element of a list. */
typedef struct end_word {
    const char *path;
    const char *text;
} end_word;

/* A notice: a frame that has all of these words. */
typedef struct end_notice {
    end_word words[END_WORDS_MAX];
    size_t word_count;
    const char *frame; /* an example, which the simulator sends */
} end_notice;

/* 1 if a frame has all words of a notice. The last word is looked for as it is written, before the
 * frame is parsed, because nearly all frames are data without it. So if it has escapes in the
 * frame, the frame is no notice. */
int end_notice_is(const end_notice *notice, json_parser *parser, td_bytes frame);

/* The first notice of a list that a frame is; NULL: it is not a notice. The list ends with frame
 * NULL; NULL is an empty one. */
const end_notice *end_notice_find(const end_notice *list, json_parser *parser, td_bytes frame);

#endif
