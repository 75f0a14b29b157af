#include "tape/states.h"

#include <string.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "archive/read_plan.h"
#include "tape/source.h"

/* ---- selection ---- */

typedef struct states_loader {
    symbol_table loaded;
    const read_start *from;
    const segment_index *index; /* of the segment that the session was writing */
    const source_options *reading;
    symbol_audits audits;
    const char *symbol; /* the symbol whose topics are checked */
} states_loader;

static int wants_symbol(void *user, td_bytes symbol)
{
    const states_loader *of = user;
    selection any_topic = *of->reading->wanted;
    any_topic.topics = (selection_globs){0};
    return selection_has_topic(&any_topic, td_bytes_of(NULL, 0), td_bytes_of(NULL, 0), symbol);
}

/* 1 if the topic is selected: by its channel, or by its name if it has no frames in the segment. */
static int wants_topic(void *user, const symbol_topic *topic)
{
    const states_loader *of = user;
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
    const selection *wanted = of->reading->wanted;
    return !is_known &&
           selection_has_topic(wanted, td_bytes_str(topic->name), td_bytes_of(NULL, 0),
                               td_bytes_str(of->symbol)) &&
           (wanted->wants_channel == NULL || wanted->wants_channel(wanted->user, &by_name)) &&
           (of->reading->wants_channel == NULL ||
            of->reading->wants_channel(of->reading->user, &by_name));
}

/* ---- lines ---- */

static const choice_conn *followed_conn(const symbol_topic *topic)
{
    const conn_choice *choice = &topic->choice;
    return choice->count == 0 ? NULL : &choice->conns[choice->followed];
}

/* 1 if the connection that the topic follows was open at the checkpoint. */
static int was_open(const states_loader *of, const symbol_topic *topic)
{
    const choice_conn *followed = followed_conn(topic);
    const uint64_t at_ns = of->from->checkpoint.at_ns;
    for (size_t i = 0; followed != NULL && i < of->from->session->conn_count; i++) {
        const conn_row *row = &of->from->session->conns[i];
        if (row->line == topic->line && row->shard == followed->shard &&
            frame_conn_key(&(frame_conn){.line = row->line, .number = row->conn}) ==
                followed->number &&
            row->since_ns <= at_ns && (row->to_ns == 0 || row->to_ns > at_ns))
            return 1;
    }
    return 0;
}

static uint64_t last_of(const symbol_topic *topic)
{
    const choice_conn *followed = followed_conn(topic);
    return followed == NULL ? 0 : followed->last_ns;
}

/* Decide whether a topic's state on its line is the one that the stream of all lines continues
 * from: its connection was open, or else had the latest frame. */
static td_result choose_line(const states_loader *of, const symbol_state *state,
                             symbol_topic *topic, td_err *err)
{
    symbol_topic *other;
    const int is_open = was_open(of, topic);
    topic->user = topic;
    for (size_t i = 0; (other = symbol_state_topic_at(state, i)) != NULL; i++) {
        if (other == topic || strcmp(other->name, topic->name) != 0)
            continue;
        const int is_other_open = was_open(of, other);
        if (is_open && is_other_open)
            return td_err_set(err, TD_E_UNSUPPORTED, "two lines were open");
        if (is_other_open > is_open ||
            (is_other_open == is_open &&
             (last_of(other) > last_of(topic) ||
              (last_of(other) == last_of(topic) && other->line < topic->line))))
            topic->user = NULL;
    }
    return TD_OK;
}

static int is_chosen(void *user, const symbol_topic *topic)
{
    (void)user;
    return topic->user != NULL;
}

/* Keep one line of each topic, as readers of the one stream see it. */
static td_result join_lines(const states_loader *of, symbol_state *state, td_err *err)
{
    symbol_topic *topic;
    td_result rc = TD_OK;
    for (size_t i = 0; rc == TD_OK && (topic = symbol_state_topic_at(state, i)) != NULL; i++)
        rc = choose_line(of, state, topic, err);
    if (rc != TD_OK)
        return rc;
    symbol_state_keep(state, is_chosen, NULL);
    symbol_state_join_lines(state);
    for (size_t i = 0; (topic = symbol_state_topic_at(state, i)) != NULL; i++)
        topic->user = NULL;
    return TD_OK;
}

/* ---- loading ---- */

static td_result load_state(void *user, td_bytes symbol, td_bytes bytes, td_err *err)
{
    states_loader *of = user;
    char *name = td_strndup((const char *)symbol.data, symbol.size);
    symbol_entry *entry = symbol_table_get(&of->loaded, of->index->feed, name);
    td_free(name);
    of->symbol = entry->symbol;
    if (bytes.size == 0)
        return td_err_set(err, TD_E_UNSUPPORTED, "the state of a symbol was left out");
    if (entry->state != NULL)
        return td_err_set(err, TD_E_CORRUPT, "a symbol has two states");
    td_result rc = symbol_state_load(bytes, of->audits, &entry->state, err);
    if (rc != TD_OK)
        return rc;
    symbol_topic *topic;
    for (size_t i = 0; (topic = symbol_state_topic_at(entry->state, i)) != NULL; i++)
        topic->saved_ns = of->from->checkpoint.at_ns;
    if (of->reading->wanted->topics.count > 0 || of->reading->wanted->wants_channel != NULL ||
        of->reading->wants_channel != NULL)
        symbol_state_keep(entry->state, wants_topic, of);
    rc = of->reading->with_lines ? TD_OK : join_lines(of, entry->state, err);
    if (rc != TD_OK)
        return rc;
    if (of->reading->with_tickers && !symbol_state_has_tickers(entry->state))
        return td_err_set(err, TD_E_UNSUPPORTED, "a ticker's frames are missing");
    return TD_OK;
}

td_result saved_states_load(symbol_table *to, archive *of, const read_start *from,
                            const source_options *reading, symbol_audits audits, td_err *err)
{
    states_loader l = {
        .from = from, .index = &from->session->index, .reading = reading, .audits = audits};
    const checkpoint_visitor visitor = {.wants = wants_symbol, .state = load_state, .user = &l};
    td_file *file = NULL;
    char path[LIMIT_PATH_BYTES];
    td_result rc = archive_join(of, from->path, path, err);
    if (rc == TD_OK)
        rc = td_io_open(archive_io(of), path, TD_OPEN_READ, &file, err);
    if (rc == TD_OK)
        rc = checkpoint_read(file, &from->checkpoint, &visitor, err);
    td_io_close(file);
    for (size_t i = 0; i < l.loaded.count && rc == TD_OK; i++) {
        const symbol_entry *at = l.loaded.items[i];
        rc = connection_table_resume(reading->connections, at->feed, at->symbol, at->state, err);
    }
    if (rc == TD_OK)
        symbol_table_take(to, &l.loaded);
    symbol_table_fini(&l.loaded);
    return rc;
}

/* ---- saving ---- */

void saved_states_add(const symbol_table *from, const char *feed, checkpoint_builder *out)
{
    td_buf bytes;
    td_buf_init(&bytes, LIMIT_STATE_BYTES);
    for (size_t i = 0; i < from->count; i++) {
        const symbol_entry *of = from->items[i];
        if (of->state == NULL || strcmp(of->feed, feed) != 0)
            continue;
        int is_saved = symbol_state_save(of->state, &bytes, NULL) == TD_OK;
        checkpoint_builder_add(out, td_bytes_str(of->symbol),
                               is_saved ? td_buf_view(&bytes) : td_bytes_of(NULL, 0));
    }
    td_buf_fini(&bytes);
}
