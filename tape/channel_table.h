/* The channels of an archive, each as one object over all segments and tapes. They live until the
 * table is closed. Any thread. */
#ifndef TD_TAPE_CHANNEL_TABLE_H
#define TD_TAPE_CHANNEL_TABLE_H

#include "base/attr.h"
#include "base/err.h"
#include "schema/frame.h"

typedef struct channel_table channel_table;

/* A new table is empty. Closing NULL is allowed. */
TD_NEVER_NULL channel_table *channel_table_open(void);
void channel_table_close(channel_table *table);

/* The channel with this identity (channel_info_compare), created if new; info is copied.
 * TD_E_LIMIT. */
TD_MUST_USE td_result channel_table_get(channel_table *table, const channel_info *info,
                                        frame_channel **out, td_err *err);

#endif
