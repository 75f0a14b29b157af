#include "recorder/merge/merge_topics.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

void merge_topics_fini(merge_topics *self)
{
    for (size_t i = 0; i < self->count; i++)
        td_free(self->items[i].key);
    td_free(self->items);
    name_index_fini(&self->by_key);
    *self = (merge_topics){0};
}

/* In another session, topics are wanted if it has them. */
static void note_session(merge_topics *self, const char *session, uint64_t recv_ns)
{
    if (strcmp(self->session_id, session) == 0)
        return;
    (void)snprintf(self->session_id, sizeof self->session_id, "%s", session);
    self->session++;
    for (size_t i = 0; i < self->count; i++)
        if (self->items[i].until_ns == UINT64_MAX)
            self->items[i].until_ns = recv_ns;
}

static merge_topic *get(merge_topics *self, const char *name, const char *topic, const char *symbol,
                        uint64_t recv_ns)
{
    char key[2 * LIMIT_TOPIC_BYTES + LIMIT_SYMBOL_BYTES];
    (void)snprintf(key, sizeof key, "%s\n%s\n%s", name, topic, symbol);
    const size_t at = name_index_find(&self->by_key, td_bytes_str(key));
    if (at != NAME_INDEX_NONE)
        return &self->items[at];
    self->items = td_array_grow(self->items, self->count, sizeof *self->items);
    merge_topic *made = &self->items[self->count];
    *made = (merge_topic){.key = td_strdup(key), .name_size = strlen(name), .from_ns = recv_ns};
    name_index_put(&self->by_key, td_bytes_str(made->key), self->count++);
    return made;
}

static void note_wanted(merge_topics *self, merge_topic *topic)
{
    topic->until_ns = UINT64_MAX;
    topic->session = self->session;
}

void merge_topics_frame(merge_topics *self, const char *session, const channel_info *info,
                        uint64_t recv_ns)
{
    if (channel_role(info) != ROLE_DATA)
        return;
    note_session(self, session, recv_ns);
    merge_topic *topic =
        get(self, channel_exchange_topic(info), info->topic, info->symbol, recv_ns);
    /* After unsubscribing, frames still come for a while. */
    if (topic->session != self->session)
        note_wanted(self, topic);
}

void merge_topics_event(merge_topics *self, const char *session, const event *of, uint64_t recv_ns)
{
    note_session(self, session, recv_ns);
    if (of->kind == EVENT_GRANT) {
        note_wanted(self, get(self, of->topic, "", "", recv_ns));
        return;
    }
    if (of->kind != EVENT_GRANT_END || of->reason == NULL ||
        strcmp(of->reason, "unsubscribed") != 0)
        return;
    for (size_t i = 0; i < self->count; i++)
        if (self->items[i].until_ns == UINT64_MAX &&
            td_bytes_is(merge_topics_name(&self->items[i]), of->topic))
            self->items[i].until_ns = recv_ns;
}

td_bytes merge_topics_name(const merge_topic *topic)
{
    return (td_bytes){(const uint8_t *)topic->key, topic->name_size};
}

int merge_topics_is_wanted(const merge_topic *topic, const gap_row *row)
{
    return topic->from_ns <= row->to_ns && topic->until_ns >= row->from_ns;
}

int merge_topics_has_row(const merge_topics *self, const gap_row *row)
{
    if (row->topic[0] == '\0')
        return 1;
    for (size_t i = 0; i < self->count; i++) {
        const char *topic = self->items[i].key + self->items[i].name_size + 1;
        const size_t size = strcspn(topic, "\n");
        const char *symbol = topic + size + 1;
        if (strncmp(row->topic, topic, size) == 0 && row->topic[size] == '\0' &&
            (row->symbol[0] == '\0' || symbol[0] == '\0' || strcmp(symbol, "*") == 0 ||
             strcmp(row->symbol, symbol) == 0))
            return 1;
    }
    return 0;
}
