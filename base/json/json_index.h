/* The structure of a JSON text as simdjson's first stage finds it: where each token begins. This is
 * the only user of simdjson (base/json/json_index.cc is the only C++ of the project).
 *
 * It calls the stage itself, which is simdjson's internal interface, because its public ones do not
 * serve. DOM keeps neither a number's digits nor offsets. On-demand walks the very same index, but
 * forwards and once, where rows read a frame's parts in an order of their own; it leaves numbers,
 * words and escapes unchecked until they are read; and it has no index of a frame that is not
 * valid, by which such a frame is still filed under its topic. Instructions a frame
 * (callgrind; frames of 400 bytes of the simulated exchange, inverse and v5-linear):
 *
 *   this index                                                    1,810    1,880
 *   on-demand, all tokens visited                                 4,560    5,550
 *   on-demand, the same table of tokens made, scalars checked     7,850    9,320
 *   json_parse(), this index included                             8,120    8,930
 *   DOM                                                           4,950    5,300
 *
 * A token is one of { } [ ] : , or the first byte of a string, number or word. Tokens lie apart
 * from each other by white space at most, so that a scalar ends at the next token, trimmed. The
 * index proves that the text is UTF-8, that strings are closed and hold no control characters;
 * nothing else. */
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

/* Memory of indexes: 4 bytes per byte of the longest text so far. One thread. */
typedef struct json_indexer json_indexer;

json_indexer *json_indexer_open(void);
void json_indexer_close(json_indexer *indexer);

/* Index size bytes, after which JSON_PADDING_BYTES are readable. 1, and *out is valid until the
 * next call; 0 if they are empty, no UTF-8, or have an open string, or a control character in one.
 */
int json_indexer_run(json_indexer *indexer, const uint8_t *bytes, size_t size, json_index *out);

#endif
