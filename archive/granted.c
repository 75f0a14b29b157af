#include "archive/granted.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"

/* A topic of a slot's connection. */
typedef struct granted_row {
    uint32_t session, line, shard;
    char *topic;
} granted_row;

struct granted {
    granted_row *rows;
    size_t count;
    uint8_t has_more; /* grants without an event */
};

granted *granted_open(void)
{
    return td_alloc_zero(1, sizeof(granted));
}

void granted_close(granted *self)
{
    if (self == NULL)
        return;
    for (size_t i = 0; i < self->count; i++)
        td_free(self->rows[i].topic);
    td_free(self->rows);
    td_free(self);
}

/* 1 if the event ends this grant: of all slots of its session, of a slot, or of one topic. */
static int is_ended(const granted_row *row, uint32_t session, const event *by)
{
    if (row->session != session)
        return 0;
    if (by->kind == EVENT_SEGMENT || by->kind == EVENT_SESSION)
        return 1;
    if (row->line != by->line || row->shard != by->shard)
        return 0;
    return by->kind != EVENT_GRANT_END || strcmp(row->topic, by->topic) == 0;
}

static void end_grants(granted *self, uint32_t session, const event *by)
{
    size_t kept = 0;
    for (size_t i = 0; i < self->count; i++) {
        if (is_ended(&self->rows[i], session, by))
            td_free(self->rows[i].topic);
        else
            self->rows[kept++] = self->rows[i];
    }
    self->count = kept;
}

static void add_grant(granted *self, uint32_t session, const event *said)
{
    self->rows = td_array_grow(self->rows, self->count, sizeof *self->rows);
    self->rows[self->count++] =
        (granted_row){session, said->line, said->shard, td_strdup(said->topic)};
}

void granted_add(granted *self, uint32_t session, const event *said)
{
    TD_ASSERT(said->kind < EVENT_KIND_COUNT);
    if (said->kind == EVENT_GRANT && said->topic != NULL)
        add_grant(self, session, said);
    if (said->kind == EVENT_SEGMENT) /* what is granted, and that there is more, follows */
        self->has_more = 0;
    if (said->kind == EVENT_LIMIT && said->what != NULL &&
        strcmp(said->what, EVENT_LIMIT_GRANTS) == 0)
        self->has_more = 1;
    if (said->kind == EVENT_SEGMENT || said->kind == EVENT_SESSION || said->kind == EVENT_CONNECT ||
        said->kind == EVENT_DISCONNECT || (said->kind == EVENT_GRANT_END && said->topic != NULL))
        end_grants(self, session, said);
}

int granted_has(const granted *self, td_bytes topic, int (*covers)(td_bytes, td_bytes))
{
    for (size_t i = 0; i < self->count; i++) {
        const char *name = self->rows[i].topic;
        if (td_bytes_is(topic, name) || (covers != NULL && covers(td_bytes_str(name), topic)))
            return 1;
    }
    return self->has_more;
}
