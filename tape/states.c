#include "tape/states.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"

/* ---- what is wanted ---- */

typedef struct loading {
    saved_states *to;
    const segment_index *index; /* of the segment that was written then */
    const source_options *reading;
    symbol_audits audits;
    const char *symbol; /* whose topics are looked at */
} loading;

static int wants_symbol(void *user, td_bytes symbol)
{
    const loading *of = user;
    selection any_topic = *of->reading->wanted;
    any_topic.topics = (selection_globs){0};
    return selection_has_topic(&any_topic, td_bytes_of(NULL, 0), td_bytes_of(NULL, 0), symbol);
}

/* By its channel; a topic without a frame in the segment by its name. */
static int wants_topic(void *user, const symbol_topic *topic)
{
    const loading *of = user;
    int is_known = 0;
    for (size_t i = 0; i < of->index->channel_count; i++) {
        const channel_info *info = &of->index->channels[i].info;
        if (info->dir != CHANNEL_IN || info->line != topic->line ||
            strcmp(info->symbol, of->symbol) != 0 || strcmp(info->topic, topic->name) != 0)
            continue;
        if (source_options_match(of->reading, info) == SELECTION_YES)
            return 1;
        is_known = 1;
    }
    const channel_info by_name = {.feed = of->index->feed,
                                  .family = of->index->family,
                                  .line = topic->line,
                                  .topic = topic->name,
                                  .exchange_topic = "",
                                  .symbol = of->symbol};
    return !is_known &&
           selection_has_topic(of->reading->wanted, td_bytes_str(topic->name), td_bytes_of(NULL, 0),
                               td_bytes_str(of->symbol)) &&
           (of->reading->wants_channel == NULL ||
            of->reading->wants_channel(of->reading->user, &by_name));
}

/* ---- loading ---- */

static td_result load_state(void *user, td_bytes symbol, td_bytes bytes, td_err *err)
{
    loading *of = user;
    symbol_state *state = NULL;
    if (bytes.size == 0)
        return td_err_set(err, TD_E_UNSUPPORTED, "the state of a symbol was left out");
    td_result rc = symbol_state_load(bytes, of->audits, &state, err);
    if (rc != TD_OK)
        return rc;
    char *name = td_strndup((const char *)symbol.data, symbol.size);
    of->symbol = name;
    if (of->reading->wanted->topics.count > 0 || of->reading->wants_channel != NULL)
        symbol_state_keep(state, wants_topic, of);
    if (of->reading->with_tickers && !symbol_state_has_tickers(state)) {
        symbol_state_close(state);
        td_free(name);
        return td_err_set(err, TD_E_UNSUPPORTED, "a ticker's frames are missing");
    }
    saved_states *to = of->to;
    to->items = td_array_grow(to->items, to->count, sizeof *to->items);
    to->items[to->count++] =
        (cursor_state){.feed = td_strdup(of->index->feed), .symbol = name, .state = state};
    return TD_OK;
}

static void drop_from(saved_states *states, size_t first)
{
    for (; states->count > first; states->count--) {
        cursor_state *last = &states->items[states->count - 1];
        symbol_state_close(last->state);
        td_free(last->feed);
        td_free(last->symbol);
    }
}

void saved_states_fini(saved_states *states)
{
    drop_from(states, 0);
    td_free(states->items);
    *states = (saved_states){0};
}

static td_result resume(const saved_states *states, size_t first, connection_table *connections,
                        td_err *err)
{
    td_result rc = TD_OK;
    for (size_t i = first; i < states->count && rc == TD_OK; i++) {
        const cursor_state *at = &states->items[i];
        rc = connection_table_resume(connections, at->feed, at->symbol, at->state, err);
    }
    return rc;
}

td_result saved_states_load(saved_states *to, archive *of, const moment_session *from,
                            const source_options *reading, symbol_audits audits, td_err *err)
{
    loading l = {.to = to, .index = &from->rows.index, .reading = reading, .audits = audits};
    const checkpoint_visitor visitor = {.wants = wants_symbol, .state = load_state, .user = &l};
    const size_t before = to->count;
    td_file *file = NULL;
    td_result rc = td_io_open(archive_io(of), from->checkpoint_path, TD_OPEN_READ, &file, err);
    if (rc == TD_OK)
        rc = checkpoint_read(file, &from->checkpoint, &visitor, err);
    td_io_close(file);
    if (rc == TD_OK)
        rc = resume(to, before, reading->connections, err);
    if (rc != TD_OK)
        drop_from(to, before);
    return rc;
}
