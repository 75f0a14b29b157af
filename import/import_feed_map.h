/* Which feed each connection of a capture goes to. A feed is one family under one name; connections
 * of several families in one capture go to a feed each. Slots of a feed are numbered by shard, in
 * order of first sight; HTTP answers go to the first WebSocket connection's feed, without a slot.
 */
#ifndef TD_IMPORT_IMPORT_FEED_MAP_H
#define TD_IMPORT_IMPORT_FEED_MAP_H

#include <stdint.h>

#include "import/import_slots.h"
#include "base/err.h"
#include "base/limits.h"
#include "schema/family.h"

typedef struct import_mapped_feed {
    const char *name; /* borrowed from the caller or the family table */
    const family *family;
    uint32_t slot_count; /* WebSocket slots of this feed: shards 0 to slot_count - 1 */
} import_mapped_feed;

typedef struct import_feed_map {
    import_mapped_feed feeds[LIMIT_FEEDS];
    uint32_t feed_count;
    uint32_t feed_of_slot[LIMIT_FEED_SLOTS];
    uint32_t shard_of_slot[LIMIT_FEED_SLOTS];
    uint32_t other_family_slots; /* slots whose URL is another family's than --family */
} import_feed_map;

/* Make the map. asked NULL: by each slot's URL, and a slot without one is refused. feed NULL: the
 * family's name. TD_E_INVALID, with a text, if a family is unknown or one feed name would have to
 * be that of several families. */
TD_MUST_USE td_result import_feed_map_make(const import_slots *slots, const family *family,
                                           const char *feed, import_feed_map *out, td_err *err);

#endif
