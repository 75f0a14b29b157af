#include "replay/play/symbol_book.h"

#include <string.h>

static int is_book(const symbol_topic *topic)
{
    return topic->row != NULL && msg_type_has_book(topic->row->type) && !topic->row->is_grouped;
}

/* The deepest topic with a book; of equal ones the first. NULL: there is no such topic. */
static const symbol_topic *deepest(const symbol_state *of)
{
    const symbol_topic *found = NULL;
    const symbol_topic *topic;
    for (size_t i = 0; (topic = symbol_state_topic_at(of, i)) != NULL; i++)
        if (is_book(topic) &&
            (found == NULL || topic_row_depth(topic->row) > topic_row_depth(found->row)))
            found = topic;
    return found;
}

/* Why the topic's state is not right at at_ns. */
static trust_break lacks_at(const topic_trust *trust, const gap_list *ledger,
                            uint64_t damaged_until_ns, uint64_t at_ns)
{
    if (!topic_trust_is_right(trust)) {
        const trust_break lacks = *topic_trust_lacks(trust);
        return lacks.reason != TIME_IS_RIGHT ? lacks : (trust_break){.reason = DOUBT_NO_SNAPSHOT};
    }
    return topic_trust_end(trust, ledger, damaged_until_ns, at_ns);
}

/* A topic that has had no frame since the tape's first state has no stream yet, and its trust is
 * that of the state. */
static trust_break lacks_of(const symbol_topic *topic, const channel_info *info,
                            const gap_list *ledger, uint64_t damaged_until_ns, uint64_t at_ns)
{
    const stream *of = topic->user;
    topic_trust trust = {0};
    if (of != NULL)
        return lacks_at(&of->tape.trust, ledger, damaged_until_ns, at_ns);
    topic_trust_resume(&trust, ledger, info, topic);
    const trust_break lacks = lacks_at(&trust, ledger, damaged_until_ns, at_ns);
    topic_trust_fini(&trust);
    return lacks;
}

symbol_book symbol_book_find(const player *of, const cursor *tape, const gap_list *ledger,
                             const char *feed, const char *symbol, uint64_t at_ns)
{
    const symbol_table *symbols = player_symbols(of);
    const symbol_topic *topic = NULL;
    symbol_book out = {.lacks = {.reason = TIME_IS_RIGHT}};
    for (size_t i = 0; i < symbols->count; i++) {
        const symbol_entry *entry = symbols->items[i];
        if (entry->state == NULL || strcmp(entry->symbol, symbol) != 0 ||
            (feed != NULL && strcmp(entry->feed, feed) != 0))
            continue;
        const symbol_topic *found = deepest(entry->state);
        if (found != NULL && topic != NULL)
            return (symbol_book){.is_ambiguous = 1, .lacks = {.reason = TIME_IS_RIGHT}};
        if (found == NULL)
            continue;
        topic = found;
        out.feed = entry->feed;
        out.topic = topic->name;
    }
    if (topic == NULL)
        return out;
    const channel_info info = {
        .feed = out.feed, .topic = out.topic, .symbol = symbol, .line = topic->line};
    out.lacks = lacks_of(topic, &info, ledger, cursor_damaged_until_ns(tape, out.feed), at_ns);
    const track *on = symbol_topic_track(topic);
    if (out.lacks.reason == TIME_IS_RIGHT && on != NULL)
        out.book = track_book(on);
    if (out.lacks.reason == TIME_IS_RIGHT && out.book == NULL)
        out.lacks.reason = DOUBT_NO_SNAPSHOT;
    return out;
}
