#include "recorder/pipeline/live_book.h"

static void report(const live_book *self, live_findings *to, found_topic *topic, uint64_t to_ns,
                   uint64_t now_ns)
{
    const verdict_item *why = &self->first_violation;
    gap_row gap = live_findings_gap(topic, GAP_SEQUENCE, self->broken_from_ns, to_ns,
                                    rule_name(why->rule), self->broken_conn);
    if (self->frames_lost > 0)
        gap.frames_lost = (uint64_t)self->frames_lost;
    live_findings_report(to, topic, &gap, why, now_ns);
}

static void break_book(live_book *self, live_findings *to, found_topic *topic, verdict_item why,
                       uint32_t conn, uint64_t from_ns, uint64_t now_ns)
{
    self->first_violation = why;
    self->broken_conn = conn;
    self->broken_from_ns = from_ns;
    report(self, to, topic, GAP_OPEN, now_ns);
}

/* 1 if the book has lacked its snapshot for too long. */
static int lacks_snapshot(live_book *self, const found_topic *topic, uint64_t recv_ns,
                          const symbol_verdict *judged)
{
    int lacks = topic->match.row->snapshot_request != NULL && self->broken_from_ns == 0 &&
                track_is_broken(judged->track);
    if (!lacks)
        self->lacks_from_ns = 0;
    else if (self->lacks_from_ns == 0)
        self->lacks_from_ns = recv_ns;
    return lacks && recv_ns - self->lacks_from_ns > TOPIC_UNANCHORED_NS;
}

/* Report that the book needs a snapshot with other levels, although it is right, or no longer. */
static void report_narrow(live_book *self, live_findings *to, const found_topic *topic,
                          uint32_t conn, uint64_t recv_ns, int is_narrow)
{
    if (is_narrow == (self->narrow_from_ns != 0))
        return;
    const uint64_t from_ns = is_narrow ? recv_ns : self->narrow_from_ns;
    const gap_row gap = live_findings_gap(
        topic, GAP_SEQUENCE, from_ns, is_narrow ? GAP_OPEN : recv_ns, LIVE_FINDINGS_NARROW, conn);
    self->narrow_from_ns = is_narrow ? recv_ns : 0;
    live_findings_pass(to, topic, &gap, recv_ns);
}

void live_book_apply(live_book *self, live_findings *to, found_topic *topic, uint32_t conn,
                     uint64_t recv_ns, const symbol_verdict *judged)
{
    const verdict *found = &judged->rules;
    const verdict_item *violation = verdict_violation(found);
    const int is_narrow = track_needs_levels(judged->track);
    if (!is_narrow) /* before a break, which asks for a snapshot, too */
        report_narrow(self, to, topic, conn, recv_ns, 0);
    if (self->broken_from_ns == 0)
        self->frames_lost = 0;
    if (__builtin_add_overflow(self->frames_lost, verdict_frames_lost(found), &self->frames_lost))
        self->frames_lost = 0;
    if (violation != NULL && self->broken_from_ns == 0)
        break_book(self, to, topic, *violation, conn, self->last_ns != 0 ? self->last_ns : recv_ns,
                   recv_ns);
    if (lacks_snapshot(self, topic, recv_ns, judged))
        break_book(self, to, topic, (verdict_item){.rule = RULE_ANCHORED}, conn,
                   self->lacks_from_ns, recv_ns);
    if (self->broken_from_ns != 0 && !track_is_broken(judged->track) &&
        (!self->needs_snapshot || found->is_snapshot)) {
        report(self, to, topic, recv_ns, recv_ns);
        live_book_drop(self);
    }
    if (is_narrow && self->broken_from_ns == 0)
        report_narrow(self, to, topic, conn, recv_ns, 1);
}

void live_book_lose(live_book *self, live_findings *to, found_topic *topic, uint32_t conn,
                    uint64_t from_ns, uint64_t now_ns)
{
    self->needs_snapshot = 1;
    if (self->broken_from_ns != 0)
        return;
    self->frames_lost = 0;
    break_book(self, to, topic, (verdict_item){.rule = RULE_CONN_DENSE}, conn, from_ns, now_ns);
}

void live_book_drop(live_book *self)
{
    self->broken_from_ns = 0;
    self->needs_snapshot = 0;
}
