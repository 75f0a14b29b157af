#include "tape/channel_table.h"

#include <pthread.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/assert.h"
#include "base/row_table.h"
#include "schema/family.h"
#include "tape/stream_index.h"

enum {
    /* Limit of channels of an archive, against a folder full of invented topics: at about 300 bytes
     * each, 300 MB. */
    CHANNELS_MAX = 1 << 20,
};

struct channel_table {
    pthread_mutex_t mutex;
    td_arena *memory;
    frame_channel **channels; /* by index */
    size_t channel_count;
    row_table by_info;
    stream_index streams;
};

channel_table *channel_table_open(void)
{
    channel_table *made = td_alloc_zero(1, sizeof *made);
    (void)pthread_mutex_init(&made->mutex, NULL); /* cannot fail with default attributes */
    made->memory = td_arena_open();
    return made;
}

void channel_table_close(channel_table *r)
{
    if (r == NULL)
        return;
    td_arena_close(r->memory);
    (void)pthread_mutex_destroy(&r->mutex); /* cannot fail: no thread holds the mutex */
    td_free(r->channels);
    row_table_fini(&r->by_info);
    stream_index_fini(&r->streams);
    td_free(r);
}

/* Get the number of a channel's stream, added if new. */
static uint32_t get_stream(channel_table *r, const channel_info *info)
{
    const stream_name name = stream_name_of(info);
    const size_t known = stream_index_find(&r->streams, &name);
    return (uint32_t)(known != STREAM_INDEX_NONE ? known : stream_index_add(&r->streams, &name));
}

static td_result add_channel(channel_table *r, const channel_info *info, uint64_t hash,
                             frame_channel **out, td_err *err)
{
    if (r->channel_count == CHANNELS_MAX)
        return td_err_set(err, TD_E_LIMIT, "more than %d channels", CHANNELS_MAX);
    frame_channel *made = td_arena_alloc(r->memory, sizeof *made);
    *made = (frame_channel){.index = (uint32_t)r->channel_count,
                            .info = channel_info_copy(info, r->memory)};
    const channel_info *kept = &made->info;
    made->family = family_find(td_bytes_str(kept->family));
    made->role = channel_role(kept);

    topic_match found;
    made->topic = (topic_match){NULL, td_bytes_str(kept->topic), td_bytes_str(kept->symbol)};
    if (made->family != NULL && made->role == ROLE_DATA &&
        topic_match_text(made->family->topics, made->family->topic_count,
                         td_bytes_str(channel_exchange_topic(kept)), TOPIC_ANY_TIME, &found))
        made->topic.row = found.row;

    /* Only frames of topics have streams, not answers, events or unknown frames. */
    made->stream = made->role == ROLE_DATA ? get_stream(r, kept) : FRAME_NO_STREAM;
    row_table_put(&r->by_info, hash, r->channel_count);
    r->channels = td_array_grow(r->channels, r->channel_count, sizeof(frame_channel *));
    r->channels[r->channel_count++] = made;
    *out = made;
    return TD_OK;
}

td_result channel_table_get(channel_table *r, const channel_info *info, frame_channel **out,
                            td_err *err)
{
    TD_ASSERT(info->feed != NULL);
    const stream_name of = stream_name_of(info);
    uint64_t hash = stream_name_hash(&of) + info->shard * UINT64_C(5);
    *out = NULL;
    pthread_mutex_lock(&r->mutex);
    row_probe at = row_probe_of(hash);
    while (*out == NULL && row_table_next(&r->by_info, &at)) {
        if (channel_info_compare(&r->channels[at.row]->info, info) == 0)
            *out = r->channels[at.row];
    }
    td_result rc = *out == NULL ? add_channel(r, info, hash, out, err) : TD_OK;
    pthread_mutex_unlock(&r->mutex);
    return rc;
}
