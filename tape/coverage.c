#include "tape/coverage.h"

#include <string.h>

#include "base/alloc.h"
#include "archive/open_conns.h"
#include "schema/family.h"

void coverage_fini(coverage *self)
{
    td_free(self->holes);
    *self = (coverage){0};
}

static uint64_t less(uint64_t ns, uint64_t by_ns)
{
    return ns > by_ns ? ns - by_ns : 0;
}

static uint64_t more(uint64_t ns, uint64_t by_ns)
{
    return ns < UINT64_MAX - by_ns ? ns + by_ns : UINT64_MAX;
}

/* ---- holes ---- */

/* Add a hole, and merge it with the holes that it touches. */
static void add_hole(coverage *self, uint64_t from_ns, uint64_t to_ns)
{
    time_span made = time_span_of(from_ns, to_ns);
    size_t begin = self->hole_count;
    while (begin > 0 && self->holes[begin - 1].to_ns >= made.from_ns)
        begin--;
    size_t end = begin;
    for (; end < self->hole_count && self->holes[end].from_ns <= made.to_ns; end++)
        made = time_span_join(made, self->holes[end]);
    self->holes = td_array_grow(self->holes, self->hole_count, sizeof *self->holes);
    memmove(&self->holes[begin + 1], &self->holes[end],
            (self->hole_count - end) * sizeof *self->holes);
    self->holes[begin] = made;
    self->hole_count = self->hole_count - (end - begin) + 1;
}

uint64_t coverage_missing_ns(const coverage *self, uint64_t from_ns, uint64_t to_ns)
{
    uint64_t sum_ns = 0;
    for (size_t i = self->hole_count; i > 0 && self->holes[i - 1].to_ns > from_ns; i--)
        sum_ns += time_span_ns(time_span_clip(self->holes[i - 1], (time_span){from_ns, to_ns}));
    return sum_ns;
}

/* Note that frames of these receive times may be missing. */
static void add_pending(coverage *self, uint64_t from_ns, uint64_t to_ns, uint8_t is_old_sound)
{
    const time_span added = {from_ns, to_ns};
    self->pending = self->has_pending ? time_span_join(self->pending, added) : added;
    self->is_old_sound = is_old_sound && (!self->has_pending || self->is_old_sound);
    self->has_pending = 1;
}

/* Add a hole for the pending time, from the latest exchange time before it to first_ns, which a
 * missing entry may have, too. A frame whose first entry is earlier than the latest exchange time
 * repeats older entries, and does not bound the hole. */
static void end_pending(coverage *self, uint64_t first_ns)
{
    uint64_t from_ns = less(self->pending.from_ns, self->delay_ns + COVERAGE_CLOCK_NS);
    uint64_t to_ns = more(self->pending.to_ns, self->ahead_ns + COVERAGE_CLOCK_NS);
    from_ns = self->exchange_ns > from_ns ? self->exchange_ns : from_ns;
    if (first_ns >= self->exchange_ns && first_ns < to_ns)
        to_ns = first_ns + 1;
    add_hole(self, from_ns, to_ns);
    self->has_pending = 0;
}

/* ---- gaps ---- */

/* Read the gaps that began before until_ns. */
static void read_gaps_before(coverage *self, const gap_list *ledger, const channel_info *info,
                             uint64_t until_ns)
{
    for (; self->gap_next < ledger->count; self->gap_next++) {
        const gap_row *gap = &ledger->rows[self->gap_next];
        int order = strcmp(gap->feed, info->feed);
        if (order > 0 || (order == 0 && gap->from_ns >= until_ns))
            break;
        if (!gap_row_affects_channel(gap, info))
            continue;
        if (gap_reason_ends_connection(gap->reason)) {
            add_pending(self, gap->from_ns, gap->to_ns == GAP_OPEN ? until_ns : gap->to_ns, 1);
        } else if (self->exchange_ns < gap->from_ns) {
            /* Frames that were due in the gap were made at most delay_ns before the gap, but not
             * before the latest exchange time so far. */
            const uint64_t from_ns = less(gap->from_ns, self->delay_ns + COVERAGE_CLOCK_NS);
            add_hole(self, self->exchange_ns > from_ns ? self->exchange_ns : from_ns, gap->from_ns);
        }
    }
}

/* ---- frames ---- */

void coverage_begin(coverage *self, const gap_list *ledger, const channel_info *info,
                    selection_window window, uint64_t since_ns)
{
    add_hole(self, 0, window.from_ns);
    if (window.to_ns != UINT64_MAX)
        add_hole(self, window.to_ns, UINT64_MAX);
    /* In a gap that does not end a connection a frame may be missing at any time, whatever the
     * frames around it. */
    for (size_t i = 0; i < ledger->count; i++) {
        const gap_row *gap = &ledger->rows[i];
        const uint64_t to_ns = gap->to_ns == GAP_OPEN ? UINT64_MAX : gap->to_ns;
        if (!gap_reason_ends_connection(gap->reason) && gap_row_affects_channel(gap, info) &&
            gap->from_ns < window.to_ns && more(to_ns, COVERAGE_CLOCK_NS) > window.from_ns)
            add_hole(self, less(gap->from_ns, COVERAGE_CLOCK_NS), more(to_ns, COVERAGE_CLOCK_NS));
    }
    /* Frames that were received before read_ns are not added, so their trades are missing. */
    self->read_ns = less(window.from_ns, COVERAGE_DELAY_NS);
    read_gaps_before(self, ledger, info, self->read_ns);
    if (self->has_pending && more(self->pending.to_ns, COVERAGE_CLOCK_NS) < self->read_ns)
        self->has_pending = 0; /* the gaps ended long before the window */
    add_pending(self, 0, since_ns > self->read_ns ? since_ns : self->read_ns, 0);
}

void coverage_add(coverage *self, const gap_list *ledger, const coverage_frame *next)
{
    const frame_ref *frame = next->frame;
    if (frame->recv_ns < self->read_ns)
        return;
    if (frame->is_copy) {
        if (frame->copied_since_ns != 0)
            self->copied = (time_span){frame->copied_since_ns, frame->recv_ns};
        return;
    }
    self->copied = (time_span){0};
    if (frame->copied_since_ns != 0)
        add_pending(self, frame->copied_since_ns, frame->recv_ns, 0);
    if (next->last_ns > frame->recv_ns + self->ahead_ns)
        self->ahead_ns = next->last_ns - frame->recv_ns;
    read_gaps_before(self, ledger, &frame->channel->info, frame->recv_ns);
    if (frame->damaged_until_ns != self->damaged_until_ns ||
        frame->recv_ns <= frame->damaged_until_ns)
        add_pending(self, self->recv_ns, frame->damaged_until_ns, 0);
    self->damaged_until_ns = frame->damaged_until_ns;
    if (next->is_doubtful)
        add_pending(self, self->recv_ns != 0 ? self->recv_ns : frame->recv_ns, frame->recv_ns, 0);
    int is_of_old =
        self->is_old_sound && frame->conn == self->conn && frame->recv_ns < self->pending.to_ns;
    const uint64_t pending_until_ns = self->pending.to_ns;
    if (self->has_pending && is_of_old) {
        self->pending.from_ns = frame->recv_ns;
    } else if (self->has_pending && next->first_ns != 0) {
        end_pending(self, next->first_ns);
        /* The frame's own connection is lost before the pending time ends. */
        if (pending_until_ns > frame->recv_ns)
            add_pending(self, frame->recv_ns, pending_until_ns, 1);
    }
    if (next->is_doubtful) /* entries that the frame should have shown may be later than the shown
                              ones */
        add_pending(self, frame->recv_ns, frame->recv_ns, 0);
    if (next->last_ns != 0 && frame->recv_ns > next->last_ns + self->delay_ns)
        self->delay_ns = frame->recv_ns - next->last_ns;
    self->exchange_ns = next->last_ns > self->exchange_ns ? next->last_ns : self->exchange_ns;
    self->recv_ns = frame->recv_ns;
    self->conn = frame->conn;
}

uint64_t coverage_trade_ns(const frame_ref *frame, const msg_trade *trade)
{
    const uint64_t frame_ns = frame->content.message->head.exchange_ns;
    if (trade->exchange_ns != 0)
        return trade->exchange_ns;
    return frame_ns != 0 ? frame_ns : frame->recv_ns;
}

int coverage_has_trade(selection_window window, uint64_t recv_ns, uint64_t exchange_ns)
{
    if (recv_ns < less(window.from_ns, COVERAGE_DELAY_NS) ||
        recv_ns >= more(window.to_ns, COVERAGE_DELAY_NS))
        return 0;
    if (exchange_ns < window.from_ns)
        return recv_ns >= window.from_ns + COVERAGE_DELAY_NS;
    return exchange_ns < window.to_ns || recv_ns < less(window.to_ns, COVERAGE_DELAY_NS);
}

coverage_frame coverage_frame_of(const frame_ref *frame, const trust_answer *trust)
{
    const message *m = frame->content.message;
    coverage_frame made = {.frame = frame, .is_doubtful = m == NULL || frame->is_doubtful};
    if (trust != NULL)
        made.is_doubtful |= !trust->is_trusted || trust->broke->reason == DOUBT_RULE;
    size_t count = m == NULL || m->head.type != MSG_TRADE ? 0 : message_item_count(m);
    for (size_t i = 0; i < count; i++) {
        const msg_trade trade = message_trade(m, i);
        const uint64_t at_ns = coverage_trade_ns(frame, &trade);
        made.first_ns = made.first_ns == 0 || at_ns < made.first_ns ? at_ns : made.first_ns;
        made.last_ns = at_ns > made.last_ns ? at_ns : made.last_ns;
    }
    return made;
}

void coverage_end(coverage *self, const gap_list *ledger, const channel_info *info,
                  selection_window window, uint64_t damaged_until_ns, uint64_t until_ns)
{
    read_gaps_before(self, ledger, info, window.to_ns);
    if (damaged_until_ns > self->recv_ns)
        add_pending(self, self->recv_ns, damaged_until_ns, 0);
    if (self->copied.from_ns != 0)
        add_pending(self, self->copied.from_ns, self->copied.to_ns, 0);
    /* Frames that are received later than COVERAGE_DELAY_NS after the window are not added. */
    const uint64_t added_ns = more(window.to_ns, COVERAGE_DELAY_NS);
    if (self->exchange_ns < window.to_ns &&
        (until_ns != COVERAGE_ALWAYS || self->recv_ns > more(self->exchange_ns, COVERAGE_DELAY_NS)))
        add_pending(self, until_ns < added_ns ? until_ns : added_ns, UINT64_MAX, 0);
    if (self->has_pending)
        end_pending(self, UINT64_MAX);
}

/* ---- how long topics were received ---- */

/* For a feed: topics granted before and after the window. */
typedef struct feed_times {
    char *feed;
    open_conns before, after;
    uint64_t last_ns; /* of its last frame */
} feed_times;

struct topic_times {
    archive_view *view;
    selection_window window;
    feed_times *feeds;
    size_t count;
};

td_result topic_times_open(archive *from, selection_window window, topic_times **out, td_err *err)
{
    topic_times *made = td_alloc_zero(1, sizeof *made);
    made->window = window;
    td_result rc = archive_view_open(from, VIEW_ALL, NULL, &made->view, err);
    if (rc != TD_OK)
        topic_times_close(made);
    *out = rc == TD_OK ? made : NULL;
    return rc;
}

void topic_times_close(topic_times *self)
{
    for (size_t i = 0; self != NULL && i < self->count; i++) {
        open_conns_fini(&self->feeds[i].before);
        open_conns_fini(&self->feeds[i].after);
        td_free(self->feeds[i].feed);
    }
    if (self == NULL)
        return;
    archive_view_close(self->view);
    td_free(self->feeds);
    td_free(self);
}

static td_result find_feed(topic_times *self, const char *feed, feed_times **out, td_err *err)
{
    uint64_t first_ns;
    for (size_t i = 0; i < self->count; i++) {
        *out = &self->feeds[i];
        if (strcmp((*out)->feed, feed) == 0)
            return TD_OK;
    }
    self->feeds = td_array_grow(self->feeds, self->count, sizeof *self->feeds);
    feed_times *made = *out = &self->feeds[self->count++];
    *made = (feed_times){.feed = td_strdup(feed)};
    td_result rc = open_conns_read_feed(
        self->view, made->feed, less(self->window.from_ns, COVERAGE_DELAY_NS), &made->before, err);
    if (rc == TD_OK)
        rc =
            open_conns_read_end(self->view, made->feed, more(self->window.to_ns, COVERAGE_DELAY_NS),
                                &made->after, &first_ns, &made->last_ns, err);
    return rc;
}

static int has_topic(const open_conns *at, const channel_info *info)
{
    return at->count > 0 && open_conns_has_topic(at, td_bytes_str(channel_exchange_topic(info)),
                                                 family_covers(info->family));
}

td_result topic_times_since(topic_times *self, const frame_ref *first, uint64_t *since_ns,
                            td_err *err)
{
    feed_times *of = NULL;
    td_result rc = find_feed(self, first->channel->info.feed, &of, err);
    *since_ns = first->granted_ns != 0 ? first->granted_ns : first->recv_ns;
    if (rc == TD_OK && (first->recv_ns < less(self->window.from_ns, COVERAGE_DELAY_NS) ||
                        has_topic(&of->before, &first->channel->info)))
        *since_ns = 0;
    return rc;
}

td_result topic_times_until(topic_times *self, const channel_info *info, uint64_t last_ns,
                            uint64_t *until_ns, td_err *err)
{
    feed_times *of = NULL;
    td_result rc = find_feed(self, info->feed, &of, err);
    if (rc != TD_OK || !has_topic(&of->after, info))
        *until_ns = last_ns;
    else
        *until_ns = of->last_ns >= more(self->window.to_ns, COVERAGE_DELAY_NS) ? COVERAGE_ALWAYS
                                                                               : of->last_ns;
    return rc;
}
