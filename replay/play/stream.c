#include "replay/play/stream.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/hash.h"
#include "base/limits.h"
#include "tape/found_gaps.h"

/* ---- copies ---- */

static void add_copied(stream *s, uint64_t from_ns, uint64_t to_ns)
{
    if (TD_LIKELY(from_ns == 0) || s->gaps.count >= LIMIT_TOPIC_GAPS)
        return;
    const channel_info topic = {.feed = s->feed, .topic = s->topic, .symbol = s->symbol};
    const gap_row row = found_gap_of_copies(&topic, from_ns, to_ns);
    gap_list_add(&s->gaps, &row);
}

void stream_finish(stream *s)
{
    add_copied(s, s->copied.from_ns, s->copied.to_ns);
    s->copied = (time_span){0};
}

/* ---- life ---- */

static void stream_close(stream *s)
{
    TD_ASSERT(s->observed == NULL || s->observer.ops != NULL);
    stream_finish(s);
    if (s->observed != NULL)
        s->observer.ops->close(s->observer.ctx, s->observed);
    gap_list_fini(&s->gaps);
    tape_topic_fini(&s->tape);
    digest_fini(&s->digest);
    td_free(s);
}

const track *stream_last_track(const stream *s)
{
    return s->last == NULL ? NULL : symbol_topic_track(s->last);
}

/* ---- counts ---- */

static frame_position position_of(const frame_ref *frame)
{
    const frame_conn *conn = frame_own_conn(frame);
    return (frame_position){.position = frame->position,
                            .recv_ns = frame->recv_ns,
                            .ordinal = frame->ordinal,
                            .line = conn->line,
                            .shard = conn->shard,
                            .conn = conn->number};
}

static void note_violation(stream *s, const frame_position *at, const msg_head *head,
                           const verdict_item *item)
{
    TD_ASSERT(item->rule > RULE_NONE);
    TD_ASSERT(item->rule < RULE_COUNT);
    TD_ASSERT(item->strength == STRENGTH_ERROR);
    s->rules[STRENGTH_ERROR][item->rule]++;
    if (s->violated.is_set)
        return;
    s->violated = (stream_violation){.is_set = 1,
                                     .rule = item->rule,
                                     .expected = item->expected,
                                     .found = item->found,
                                     .at = *at};
    s->violated.has_seq = (uint8_t)msg_head_number(head, &s->violated.seq);
}

static void count_verdict(stream *s, const frame_position *at, const msg_head *head,
                          const verdict *v)
{
    const verdict_item *violation = verdict_violation(v);
    if (violation != NULL)
        note_violation(s, at, head, violation);
    for (uint32_t i = 0; i < v->count; i++) {
        const verdict_item *item = &v->items[i];
        s->rules[item->strength][item->rule] += item->strength != STRENGTH_ERROR;
    }
}

static void count_message(stream *s, const message *m)
{
    s->counts.decoded++;
    s->counts.snapshots += m->head.kind == FRAME_SNAPSHOT;
    s->counts.deltas += m->head.kind == FRAME_DELTA;
    s->counts.items += message_item_count(m);
    s->counts.unknown_fields += m->head.unknown_fields;
}

static void count_undecoded(stream *s, const frame_ref *frame)
{
    const decode_error *why = &frame->content.why;
    TD_ASSERT(why->reason > DECODE_OK);
    TD_ASSERT(why->reason < DECODE_REASON_COUNT);
    s->counts.undecoded++;
    s->counts.undecoded_by[why->reason]++;
    if (s->undecoded.is_set)
        return;
    s->undecoded = (stream_undecoded){.is_set = 1,
                                      .reason = why->reason,
                                      .offset = why->offset,
                                      .field = why->field,
                                      .at = position_of(frame)};
}

/* ---- audits ---- */

static void add_gap(stream *s, const audit_item *item)
{
    char detail[VERDICT_TEXT_BYTES];
    const channel_info of = {.feed = s->feed, .topic = s->topic, .symbol = s->symbol};
    verdict_item_text(&item->verdict, detail);
    const gap_row row = found_gap_of_trades(&of, item, detail);
    if (s->gaps.count < LIMIT_TOPIC_GAPS)
        gap_list_add(&s->gaps, &row);
}

static void note_late_first(stream *s, const frame_ref *frame)
{
    gap_row row;
    if (s->gaps.count < LIMIT_TOPIC_GAPS && found_gap_of_silence(frame, &row))
        gap_list_add(&s->gaps, &row);
}

static void note_late_snapshot(stream *s, const frame_ref *frame, const trust_answer *trust)
{
    gap_row row;
    if (frame->is_copy)
        return;
    if (trust->lacks->reason == DOUBT_NO_SNAPSHOT) {
        s->lacking_ns = s->lacking_ns == 0 ? frame->recv_ns : s->lacking_ns;
        return;
    }
    if (TD_UNLIKELY(s->lacking_ns != 0) && s->gaps.count < LIMIT_TOPIC_GAPS &&
        found_gap_of_unanchored(frame, s->lacking_ns, &row))
        gap_list_add(&s->gaps, &row);
    s->lacking_ns = 0;
}

static void note_copy(stream *s, const frame_ref *frame)
{
    if (frame->is_copy && !frame->is_lead_in && frame->copied_since_ns != 0)
        s->copied = (time_span){frame->copied_since_ns, frame->recv_ns + 1};
    if (frame->is_copy)
        return;
    if (!frame->is_lead_in)
        add_copied(s, frame->copied_since_ns, frame->recv_ns);
    s->copied = (time_span){0};
}

void stream_note_audit(stream *own, const audit_verdict *found, const frame_position *at)
{
    static const msg_head NO_NUMBERS;
    for (uint32_t i = 0; i < found->count; i++) {
        const audit_item *item = &found->items[i];
        const symbol_topic *topic = item->about.member->user;
        stream *about = topic->user == NULL ? own : topic->user;
        if (item->event != AUDIT_DIFFERS || about == NULL)
            continue; /* a topic from a checkpoint, without a frame since, has no stream */
        const verdict one = {.count = 1, .items = {item->verdict}};
        count_verdict(own != NULL ? own : about, at, &NO_NUMBERS, &one);
        if (item->verdict.strength == STRENGTH_ERROR && item->verdict.rule == RULE_TRADES_COMPLETE)
            add_gap(about, item);
    }
}

/* ---- one frame ---- */

static void count_found(stream *s, const frame_ref *frame, const symbol_verdict *found)
{
    const message *m = frame->content.message;
    if (TD_UNLIKELY(found->step == SYMBOL_BEGINS || found->step == SYMBOL_RECONNECTS))
        note_late_first(s, frame);
    if (!frame->is_copy)
        s->last = s->tape.state;
    if (frame->is_lead_in)
        return;
    s->counts.unaudited += found->is_unaudited;
    s->counts.unchecked += found->rules.unchecked;
    if (TD_LIKELY(found->rules.count + found->audit.count == 0))
        return;
    const frame_position at = position_of(frame);
    if (m != NULL)
        count_verdict(s, &at, &m->head, &found->rules);
    stream_note_audit(s, &found->audit, &at);
}

static void count_data(stream *s, const applied_frame *seen)
{
    const frame_ref *frame = seen->frame;
    const message *m = frame->content.message;
    note_copy(s, frame);
    if (!frame->is_lead_in && m == NULL)
        count_undecoded(s, frame);
    else if (!frame->is_lead_in)
        count_message(s, m);
    if (TD_UNLIKELY(frame->row != NULL && frame->row->type == MSG_KLINE) && !frame->is_lead_in)
        quiet_time_add(&s->quiet, frame->recv_ns, m);
    if (seen->found != NULL)
        count_found(s, frame, seen->found);
    if (seen->trust != NULL) {
        s->began_broken |= seen->trust->began_broken->reason != TIME_IS_RIGHT;
        note_late_snapshot(s, frame, seen->trust);
    }
}

static void digest_one(stream *s, const frame_ref *frame, track *t)
{
    td_hash128 hash = td_hash128_of(frame->bytes.data, frame->bytes.size);
    digest_add_frame(&s->digest, frame, hash);
    if (frame_role_is_of_topic(s->role) && !frame->is_copy)
        digest_add_payload(&s->digest, frame, hash, t);
    TD_ASSERT_SLOW(s->counts.frames == s->digest.frame_count);
    TD_ASSERT_SLOW(s->counts.decoded + s->counts.undecoded ==
                   s->digest.payload_count + s->counts.copies);
}

static td_result show_to_observer(stream *s, const applied_frame *seen, td_err *err)
{
    td_result rc = s->observer.ops->frame(s->observer.ctx, s, &s->observed, seen, err);
    return rc == TD_OK || rc == TD_EOF ? rc : td_err_add(err, rc, "%s", s->observer.ops->name);
}

void stream_judge(stream *s, const frame_ref *frame, applied_frame *out)
{
    const frame_position at = position_of(frame);
    tape_topic_apply(&s->tape, frame, out);
    if (out->found != NULL)
        stream_note_audit(s, &out->found->audit, &at);
}

td_result stream_apply(stream *s, const frame_ref *frame, td_err *err)
{
    TD_ASSERT(s->role != ROLE_EVENT);
    TD_ASSERT_SLOW(frame->bytes.data != NULL || frame->bytes.size == 0);
    applied_frame seen;
    tape_topic_apply(&s->tape, frame, &seen);
    if (frame_role_is_of_topic(s->role))
        count_data(s, &seen);
    s->counts.made += (frame->channel->info.form & FORM_MADE) != 0;
    if (frame->is_lead_in) {
        s->counts.lead_in++;
    } else {
        s->counts.frames++;
        s->counts.bytes += frame->bytes.size;
        s->counts.copies += frame->is_copy;
        s->counts.possible_copies += frame->is_doubtful;
        if (TD_LIKELY(s->digest.hashers[0] != NULL))
            digest_one(s, frame, seen.found == NULL ? NULL : seen.found->track);
    }
    return TD_UNLIKELY(s->observer.ops != NULL) ? show_to_observer(s, &seen, err) : TD_OK;
}

/* ---- stream table ---- */

void stream_table_fini(stream_table *table)
{
    for (size_t i = 0; i < table->count; i++)
        stream_close(table->items[i]);
    td_free(table->items);
    stream_index_fini(&table->by_name);
    *table = (stream_table){0};
}

stream *stream_table_find(const stream_table *table, const stream_name *name)
{
    const size_t known = stream_index_find(&table->by_name, name);
    return known == STREAM_INDEX_NONE ? NULL : table->items[known];
}

stream *stream_table_get(stream_table *table, const frame_channel *channel)
{
    const channel_info *info = &channel->info;
    stream_name name = stream_name_of(info);
    name.line = 0;
    stream *known = stream_table_find(table, &name);
    if (known != NULL)
        return known;
    stream *made = td_alloc(sizeof *made);
    *made = (stream){.feed = info->feed,
                     .topic = info->topic,
                     .symbol = info->symbol,
                     .exchange_topic = info->exchange_topic,
                     .family = info->family,
                     .dir = info->dir,
                     .role = channel->role};
    table->items = td_array_grow(table->items, table->count, sizeof(stream *));
    table->items[table->count++] = made;
    (void)stream_index_add(&table->by_name, &name);
    return made;
}

static int compare_items(const void *a, const void *b)
{
    const stream *left = *(stream *const *)a;
    const stream *right = *(stream *const *)b;
    int order = strcmp(left->feed, right->feed);
    if (order == 0)
        order = strcmp(left->topic, right->topic);
    if (order == 0)
        order = strcmp(left->symbol, right->symbol);
    return order != 0 ? order : (int)left->dir - (int)right->dir;
}

void stream_table_sort(stream_table *table)
{
    if (table->count > 0)
        qsort(table->items, table->count, sizeof(stream *), compare_items);
    stream_index_fini(&table->by_name);
    for (size_t i = 0; i < table->count; i++) {
        const stream *s = table->items[i];
        const stream_name name = {
            .feed = s->feed, .topic = s->topic, .symbol = s->symbol, .dir = s->dir};
        (void)stream_index_add(&table->by_name, &name);
    }
}
