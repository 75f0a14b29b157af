/* Which topics a grant names. A grant of one topic names it whether or not a frame of it came. A
 * list of symbols ("trade.BTCUSD|XRPUSD"), a wildcard, and a text that the family does not have
 * name what came in the grant's segment and is covered (grant_covers).
 *
 * Reads rows only. Any thread. */
#ifndef TD_TAPE_GRANTED_TOPICS_H
#define TD_TAPE_GRANTED_TOPICS_H

#include <stddef.h>

#include "base/channel.h"
#include "base/limits.h"
#include "archive/segment_rows.h"
#include "schema/family.h"
#include "schema/topic.h"

/* Match a grant's text against the family's topics at the time of the grant. A list or a wildcard
 * of symbols matches as one topic, of which it is the symbol. 1 and *out, views of the text; or 0:
 * the family has no such topic. */
int granted_topic_match(const family *of, const grant_row *grant, topic_match *out);

/* An iteration over the topics that a grant names. Borrows the rows. */
typedef struct granted_topics {
    const segment_rows *rows;
    const grant_row *grant;
    grant_covers_fn *covers;
    size_t next;          /* channel of the segment */
    int is_one;           /* 1: named is next, and the last one */
    const topic_row *row; /* of named, in the family's document; NULL: the grant names several */
    channel_info named;
    char topic[LIMIT_TOPIC_BYTES], symbol[LIMIT_TOPIC_BYTES]; /* texts of named */
} granted_topics;

/* granted_topics_begin starts the iteration over a grant of the rows. granted_topics_next returns
 * the next topic, as the channel of its frames, or NULL; valid as long as self. A covered channel
 * of the grant's slot may be of any role. */
void granted_topics_begin(granted_topics *self, const segment_rows *rows, const grant_row *grant);
const channel_info *granted_topics_next(granted_topics *self);

#endif
