#include "export/export_lateness.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "archive/event.h"

/* One feed of one session. */
typedef struct late_feed {
    const char *feed; /* of a channel: valid as long as the tape */
    uint32_t session;
    uint8_t is_overloaded;
    uint8_t is_clock_held;
} late_feed;

struct export_lateness {
    late_feed *feeds; /* those of which an event spoke */
    size_t count;
};

export_lateness *export_lateness_open(void)
{
    return td_alloc_zero(1, sizeof(export_lateness));
}

void export_lateness_close(export_lateness *self)
{
    if (self == NULL)
        return;
    td_free(self->feeds);
    td_free(self);
}

/* Sessions overlap where archives were merged, so a feed may be here more than once. */
static late_feed *find(const export_lateness *self, const frame_ref *frame)
{
    for (size_t i = 0; i < self->count; i++) {
        late_feed *known = &self->feeds[i];
        if (known->session == frame->conn->session &&
            strcmp(known->feed, frame->channel->info.feed) == 0)
            return known;
    }
    return NULL;
}

/* Only feeds that were late at some time are here, so the list stays short; sessions that ended are
 * replaced. */
static late_feed *get(export_lateness *self, const frame_ref *frame)
{
    late_feed *found = find(self, frame);
    for (size_t i = 0; found == NULL && i < self->count; i++) {
        if (self->feeds[i].session < frame->conn->session &&
            strcmp(self->feeds[i].feed, frame->channel->info.feed) == 0)
            found = &self->feeds[i];
    }
    if (found == NULL) {
        self->feeds = td_array_grow(self->feeds, self->count, sizeof *self->feeds);
        found = &self->feeds[self->count++];
        *found = (late_feed){0};
    }
    TD_ASSERT(found->session <= frame->conn->session);
    if (found->session != frame->conn->session)
        *found = (late_feed){.feed = frame->channel->info.feed, .session = frame->conn->session};
    return found;
}

void export_lateness_event(export_lateness *self, const frame_ref *event_frame)
{
    const event *found = event_frame->event;
    if (found == NULL || found->state == NULL ||
        (found->kind != EVENT_OVERLOAD && found->kind != EVENT_CLOCK))
        return;
    if (found->kind == EVENT_OVERLOAD && found->what != NULL && found->what[0] != '\0')
        return; /* of something else than receive times */
    late_feed *feed = get(self, event_frame);
    TD_ASSERT(feed->session == event_frame->conn->session);
    if (found->kind == EVENT_OVERLOAD)
        feed->is_overloaded = strcmp(found->state, "begins") == 0;
    else if (strcmp(found->state, "held") == 0)
        feed->is_clock_held = 1;
}

int export_lateness_is_late(const export_lateness *self, const frame_ref *frame)
{
    if (self->count == 0)
        return 0;
    const late_feed *feed = find(self, frame);
    return feed != NULL && (feed->is_overloaded || feed->is_clock_held);
}
