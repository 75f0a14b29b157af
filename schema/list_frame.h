/* Frames that are lists, [336, {...}, "book-10", "XBT/USD"]: a document names their elements, and
 * all else reads them as objects with these names. */
#ifndef TD_SCHEMA_LIST_FRAME_H
#define TD_SCHEMA_LIST_FRAME_H

#include <stddef.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/json/json.h"

enum { LIST_NAMES_MAX = 8 };

typedef struct list_names {
    const char *names[LIST_NAMES_MAX]; /* letters, digits and '_' */
    size_t count;                      /* at least 2 */
    size_t rest; /* this name has the list of all elements between the others: at least one. A
                    single list of objects or lists, or of nothing, stays as it is; one of other
                    values is an entry */
    /* Entries of this list are objects with ids as their keys, {"O-1":{"status":"open"}}, and are
     * named as an entry for each id: {KEY:"O-1","status":"open"}. NULL: they stay as they are. */
    const char *key;
} list_names;

/* Write a frame, after which JSON_PADDING_BYTES are readable, as an object in place of what is in
 * out, with space for JSON_PADDING_BYTES after it. Returns 0 if it is not such a list, or if the
 * object does not fit; the grammar of its elements is checked only as far as entries with ids need
 * it. */
int list_frame_name(const list_names *names, json_parser *parser, td_bytes frame, td_buf *out);

#endif
