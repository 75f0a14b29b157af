#include "capture/arrivals.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/limits.h"

typedef struct arrival_list {
    uint32_t line, shard, conn;
    uint64_t ordinal; /* of the first message */
    uint64_t frames;  /* 0: it is empty */
    event_delay *delays;
    event_span *spans;
    size_t delay_count, delay_capacity;
    size_t span_count, span_capacity;
    uint8_t is_known; /* a delay or a span */
} arrival_list;

struct arrivals {
    arrival_list lists[LIMIT_FEED_SLOTS];
};

arrivals *arrivals_open(void)
{
    return td_alloc_zero(1, sizeof(arrivals));
}

void arrivals_close(arrivals *self)
{
    if (self == NULL)
        return;
    for (size_t i = 0; i < LIMIT_FEED_SLOTS; i++) {
        td_free(self->lists[i].delays);
        td_free(self->lists[i].spans);
    }
    td_free(self);
}

int arrivals_is_full(const arrivals *self, size_t slot, const feed_frame *frame, uint64_t ordinal)
{
    const arrival_list *list = &self->lists[slot];
    return list->frames > 0 &&
           (list->conn != frame->conn || ordinal != list->ordinal + list->frames ||
            list->delay_count == EVENT_ARRIVALS_MAX || list->span_count == EVENT_ARRIVALS_MAX);
}

/* A delay of its own, or the same as of the messages before. */
static void add_delay(arrival_list *list, uint32_t delay_us)
{
    event_delay *last = list->delay_count == 0 ? NULL : &list->delays[list->delay_count - 1];
    if (last != NULL && last->delay_us == delay_us) {
        last->frames++;
        return;
    }
    list->delays = td_array_reach(list->delays, &list->delay_capacity, list->delay_count,
                                  sizeof *list->delays);
    list->delays[list->delay_count++] = (event_delay){.delay_us = delay_us, .frames = 1};
}

void arrivals_add(arrivals *self, size_t slot, const feed_frame *frame, uint64_t ordinal)
{
    TD_ASSERT(frame->dir == DIR_IN);
    TD_ASSERT(!arrivals_is_full(self, slot, frame, ordinal));
    arrival_list *list = &self->lists[slot];
    if (list->frames++ == 0) {
        list->line = frame->line;
        list->shard = frame->shard;
        list->conn = frame->conn;
        list->ordinal = ordinal;
    }
    add_delay(list, frame->delay_us);
    list->is_known |= frame->delay_us != 0;
    if (TD_LIKELY(frame->span_us == 0))
        return;
    list->spans =
        td_array_reach(list->spans, &list->span_capacity, list->span_count, sizeof *list->spans);
    list->spans[list->span_count++] = (event_span){.ordinal = ordinal, .span_us = frame->span_us};
    list->is_known = 1;
}

int arrivals_take(arrivals *self, size_t slot, event *out)
{
    arrival_list *list = &self->lists[slot];
    int is_known = list->is_known;
    *out = (event){.kind = EVENT_ARRIVALS,
                   .line = list->line,
                   .shard = list->shard,
                   .conn = list->conn,
                   .ordinal = list->ordinal,
                   .delays = list->delays,
                   .delay_count = list->delay_count,
                   .spans = list->spans,
                   .span_count = list->span_count};
    list->frames = 0;
    list->delay_count = list->span_count = 0;
    list->is_known = 0;
    return is_known;
}
