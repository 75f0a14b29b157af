/* The tokens of a JSON text: their offsets, found by simdjson's first stage. This module alone uses
 * simdjson (base/json/json_index.cc is the only C++ of the project).
 *
 * It calls the stage directly, an internal interface of simdjson, because the public ones do not
 * fit. DOM keeps neither a number's digits nor offsets. On-demand walks the same index, but only
 * once and forwards, while decoder rows read a frame's parts in their own order. It checks numbers,
 * words and escapes only when they are read. It gives no index of an invalid frame, but an index is
 * needed to file such a frame under its topic. Instructions per frame (callgrind; frames of 400
 * bytes of the simulated exchange, inverse and v5-linear):
 *
 *   this index                                                    1,810    1,880
 *   on-demand, all tokens visited                                 4,560    5,550
 *   on-demand, the same table of tokens made, scalars checked     7,850    9,320
 *   json_parse(), this index included                             8,120    8,930
 *   DOM                                                           4,950    5,300
 *
 * A token is one of { } [ ] : , or the first byte of a string, number or word. Only white space can
 * follow a scalar before the next token, so a scalar is the text up to the next token without white
 * space at its end. The index proves only that the text is UTF-8 and that strings are closed and
 * have no control characters. */
#ifndef TD_JSON_INDEX_H
#define TD_JSON_INDEX_H

#include <stddef.h>
#include <stdint.h>

typedef struct json_index {
    const uint8_t *bytes;   /* the text, borrowed */
    const uint32_t *starts; /* byte offset of each token; starts[count] is size */
    uint32_t count;
    uint32_t size; /* bytes of the text */
} json_index;

/* Makes indexes. Memory: 4 bytes per byte of the longest text so far. One thread. */
typedef struct json_indexer json_indexer;

/* Allocate an indexer; free it. */
json_indexer *json_indexer_open(void);
void json_indexer_close(json_indexer *indexer);

/* Index size bytes, after which JSON_PADDING_BYTES must be readable. 1, and *out is valid until the
 * next call; 0 if the text is empty, not UTF-8, or has an unclosed string or a control character in
 * a string. */
int json_indexer_run(json_indexer *indexer, const uint8_t *bytes, size_t size, json_index *out);

#endif
