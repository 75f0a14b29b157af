/* The structure of a JSON text, without its meaning: where its strings, words and containers are.
 * Accepts more than JSON (any word, any string), because the text between two tokens is kept as it
 * is. One thread. */
#ifndef TD_PACK_FRAME_TOKENS_H
#define TD_PACK_FRAME_TOKENS_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

enum {
    FRAME_DEPTH_MAX = 16, /* nested containers */
    FRAME_TOKENS_MAX = 1 << 20,
};

typedef enum frame_token_kind {
    TOKEN_OBJECT, /* { */
    TOKEN_ARRAY,  /* [ */
    TOKEN_END,    /* of a container */
    TOKEN_KEY,    /* without quotes */
    TOKEN_STRING, /* without quotes */
    TOKEN_WORD,   /* a number, true, false, null, or another word */
    TOKEN_COMMA,  /* between elements of an array */
} frame_token_kind;

typedef struct frame_token {
    frame_token_kind kind;
    uint32_t begin, end; /* in the text */
} frame_token;

/* Zero-initialise. */
typedef struct frame_tokens {
    frame_token *items;
    size_t count, capacity;
} frame_tokens;

/* Find the tokens of a text, which replace earlier ones. 0: it is no such text, or is nested too
 * deeply, or has too many tokens. */
int frame_tokens_find(frame_tokens *self, td_bytes text);
void frame_tokens_fini(frame_tokens *self);

#endif
