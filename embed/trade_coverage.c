#include "embed/trade_coverage.h"

#include "base/alloc.h"
#include "tape/trade_repeats.h"

/* Zero for a stream without trades. */
typedef struct covered_stream {
    coverage covered;
    const channel_info *info;
    trade_repeats *had;
    uint64_t last_ns; /* receive time of the stream's last frame */
} covered_stream;

td_result trade_coverage_open(archive *from, selection_window window, const gap_list *ledger,
                              trade_coverage **out, td_err *err)
{
    *out = td_alloc_zero(1, sizeof **out);
    (*out)->window = window;
    (*out)->ledger = ledger;
    return topic_times_open(from, window, &(*out)->times, err);
}

void trade_coverage_close(trade_coverage *self)
{
    if (self == NULL)
        return;
    topic_times_close(self->times);
    for (size_t i = 0; i < self->count; i++) {
        coverage_fini(&self->streams[i].covered);
        td_free(self->streams[i].had);
    }
    td_free(self->streams);
    td_free(self);
}

/* The stream, if it has trades; else NULL. */
static covered_stream *find(const trade_coverage *self, size_t stream)
{
    return stream < self->count && self->streams[stream].info != NULL ? &self->streams[stream]
                                                                      : NULL;
}

static td_result begin(trade_coverage *self, size_t stream, const channel_info *info,
                       const frame_ref *frame, td_err *err)
{
    uint64_t since_ns = 0;
    td_result rc = topic_times_since(self->times, frame, &since_ns, err);
    if (rc != TD_OK)
        return rc;
    self->streams = td_array_reach(self->streams, &self->count, stream, sizeof *self->streams);
    covered_stream *of = &self->streams[stream];
    of->info = info;
    of->had = td_alloc_zero(1, sizeof *of->had);
    coverage_begin(&of->covered, self->ledger, info, self->window, since_ns);
    return TD_OK;
}

td_result trade_coverage_add(trade_coverage *self, size_t stream, const channel_info *info,
                             const frame_ref *frame, const trust_answer *trust, td_err *err)
{
    const int is_known = find(self, stream) != NULL;
    if (self->times == NULL || frame->row == NULL || frame->row->type != MSG_TRADE ||
        (frame->is_copy && !is_known))
        return TD_OK;
    td_result rc = is_known ? TD_OK : begin(self, stream, info, frame, err);
    if (rc != TD_OK)
        return rc;
    covered_stream *of = &self->streams[stream];
    if (!frame->is_copy)
        of->last_ns = frame->recv_ns;
    const coverage_frame next = coverage_frame_of(frame, trust);
    coverage_add(&of->covered, self->ledger, &next);
    return TD_OK;
}

int trade_coverage_repeats(trade_coverage *self, size_t stream, const frame_ref *frame,
                           const msg_trade *trade)
{
    const covered_stream *of = find(self, stream);
    if (of == NULL || frame->is_copy)
        return 0;
    if (trade_repeats_has(of->had, frame, trade))
        return 1;
    trade_repeats_add(of->had, frame, trade);
    return 0;
}

td_result trade_coverage_end(trade_coverage *self, const cursor *at, td_err *err)
{
    td_result rc = TD_OK;
    for (size_t i = 0; self->times != NULL && i < self->count && rc == TD_OK; i++) {
        covered_stream *of = find(self, i);
        uint64_t until_ns = 0;
        if (of == NULL)
            continue;
        rc = topic_times_until(self->times, of->info, of->last_ns, &until_ns, err);
        coverage_end(&of->covered, self->ledger, of->info, self->window,
                     cursor_damaged_until_ns(at, of->info->feed), until_ns);
    }
    topic_times_close(self->times);
    self->times = NULL;
    return rc;
}

uint64_t trade_coverage_missing_ns(const trade_coverage *self, size_t stream, uint64_t from_ns,
                                   uint64_t to_ns)
{
    const covered_stream *of = find(self, stream);
    return of != NULL && self->times == NULL ? coverage_missing_ns(&of->covered, from_ns, to_ns)
                                             : to_ns - from_ns;
}
