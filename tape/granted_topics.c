#include "tape/granted_topics.h"

#include <stdio.h>

int granted_topic_match(const family *of, const grant_row *grant, topic_match *out)
{
    return topic_match_text(of->topics, of->topic_count, td_bytes_str(grant->topic), grant->from_ns,
                            out);
}

void granted_topics_begin(granted_topics *self, const segment_rows *rows, const grant_row *grant)
{
    const segment_index *index = &rows->index;
    const conn_row *conn = &rows->conns[grant->conn];
    const family *of = family_find(td_bytes_str(index->family));
    topic_match match;
    self->rows = rows;
    self->grant = grant;
    self->covers = family_covers(index->family);
    self->next = 0;
    self->row = NULL;
    self->is_one =
        of != NULL && grant_row_names_one(grant) && granted_topic_match(of, grant, &match);
    if (!self->is_one)
        return;
    self->row = match.row;
    (void)snprintf(self->topic, sizeof self->topic, "%.*s", (int)match.topic.size,
                   (const char *)match.topic.data); /* fits: both are parts of a matched text */
    (void)snprintf(self->symbol, sizeof self->symbol, "%.*s", (int)match.symbol.size,
                   (const char *)match.symbol.data);
    self->named = (channel_info){.feed = index->feed,
                                 .family = index->family,
                                 .line = conn->line,
                                 .shard = conn->shard,
                                 .topic = self->topic,
                                 .exchange_topic = grant->topic,
                                 .symbol = self->symbol};
}

const channel_info *granted_topics_next(granted_topics *self)
{
    const segment_index *index = &self->rows->index;
    const conn_row *conn = &self->rows->conns[self->grant->conn];
    if (self->is_one) {
        self->is_one = 0;
        self->next = index->channel_count;
        return &self->named;
    }
    while (self->next < index->channel_count) {
        const channel_info *info = &index->channels[self->next++].info;
        if (info->line == conn->line && info->shard == conn->shard &&
            grant_covers(td_bytes_str(self->grant->topic), td_bytes_str(info->exchange_topic),
                         self->covers))
            return info;
    }
    return NULL;
}
