#include "replay/last_frame.h"

#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "base/time_text.h"
#include "replay/play/report.h"
#include "replay/condition.h"

void last_frame_init(last_frame *self)
{
    *self = (last_frame){0};
    td_buf_init(&self->bytes, LIMIT_FRAME_BYTES);
    td_buf_init(&self->levels, SIZE_MAX);
}

void last_frame_fini(last_frame *self)
{
    td_buf_fini(&self->bytes);
    td_buf_fini(&self->levels);
}

void last_frame_clear(last_frame *self)
{
    self->is_set = 0;
    self->track = NULL;
    self->met = NULL;
    self->player = NULL;
}

/* Take the frame's verdict. What a comparison of topics found is appended, so that it is the
 * violation of a frame that breaks no rule of its own topic, as in a report. */
static void note_verdict(last_frame *self, const symbol_verdict *found)
{
    verdict *rules = &self->rules;
    *rules = found->rules;
    for (uint32_t i = 0; i < found->audit.count && rules->count < VERDICT_ITEMS_MAX; i++)
        if (found->audit.items[i].event == AUDIT_DIFFERS)
            rules->items[rules->count++] = found->audit.items[i].verdict;
}

static void note(last_frame *self, const applied_frame *seen)
{
    const frame_ref *frame = seen->frame;
    const message *m = frame->content.message;
    self->is_set = 1;
    self->undecoded = frame_role_is_of_topic(frame->channel->role) && m == NULL
                          ? decode_reason_name(frame->content.why.reason)
                          : NULL;
    self->rules.count = 0;
    self->track = NULL;
    if (seen->found != NULL) {
        note_verdict(self, seen->found);
        self->track = seen->found->track;
        self->is_trusted = seen->trust->is_trusted;
    }
    td_buf_clear(&self->bytes);
    td_buf_add(&self->bytes, frame->bytes.data, frame->bytes.size);
    self->frame = *frame;
    self->frame.bytes = td_buf_view(&self->bytes);
    self->frame.content = (frame_content){0};
    self->frame.block = NULL;
    td_buf_clear(&self->levels);
    for (size_t i = 0; m != NULL && m->head.type == MSG_BOOK_CHANGE && i < m->book.level_count; i++)
        td_buf_add(&self->levels, &m->book.levels[i], sizeof m->book.levels[i]);
}

/* Keep a copy of a track's book as the stream's state. */
static void keep_book(void **state, const track *of)
{
    const book *now = of == NULL ? NULL : track_book(of);
    if (now == NULL)
        return;
    if (*state == NULL)
        *state = book_open(0);
    book_copy(*state, now);
}

/* A topic that begins with a saved state has a book before its first frame. */
static td_result begin(void *ctx, const struct stream *of, void **state, const frame_ref *first,
                       td_err *err)
{
    const last_frame *self = ctx;
    const symbol_topic *topic;
    (void)err;
    for (size_t i = 0; (topic = symbol_state_topic_at(of->tape.symbol, i)) != NULL; i++)
        if (self->keeps_before && topic->line == first->channel->info.line &&
            strcmp(topic->name, of->topic) == 0)
            keep_book(state, symbol_topic_track(topic));
    return TD_OK;
}

static td_result observe(void *ctx, const struct stream *of, void **state,
                         const applied_frame *seen, td_err *err)
{
    last_frame *self = ctx;
    (void)of;
    (void)err;
    if (!seen->frame->is_lead_in)
        note(self, seen);
    /* A connection's first frame has no state before it: a tape that begins with the connection
     * does not have the books of the one before. */
    int continues = seen->found != NULL && seen->found->step == SYMBOL_CONTINUES;
    self->before = continues ? *state : NULL;
    self->met = self->conditions == NULL ? NULL : conditions_met(self->conditions, seen);
    td_result rc = self->met != NULL ? self->is_met(self->user) : TD_OK;
    if (self->keeps_before && seen->found != NULL && !seen->frame->is_copy)
        keep_book(state, seen->found->track);
    return rc;
}

static void close_state(void *ctx, void *state)
{
    (void)ctx;
    book_close(state);
}

observer last_frame_observer(last_frame *self, const gap_list *ledger)
{
    self->ledger = ledger;
    static const observer_ops OPS = {.name = "last frame",
                                     .begin = begin,
                                     .frame = observe,
                                     .close = close_state,
                                     .is_ordered = 1};
    return (observer){&OPS, self, ledger};
}

/* List a side's levels, best first. */
static void describe_levels(result_writer *r, const char *name, const book *b, msg_side side)
{
    book_level level;
    result_list_begin(r, name);
    for (size_t i = 0; book_level_at(b, side, i, &level); i++) {
        result_object_begin(r, NULL);
        result_decimal(r, "price", level.price);
        result_decimal(r, "size", level.size);
        result_object_end(r, NULL);
    }
    result_list_end(r);
}

static void describe_size(result_writer *r, const char *name, int has_level, td_decimal size)
{
    if (has_level)
        result_decimal(r, name, size);
    else
        result_null(r, name);
}

/* Describe the best prices before the frame, and the levels that it changed. */
static void describe_changes(result_writer *r, const book *before, const book *after)
{
    book_changes changes = {.before = before, .after = after};
    book_change change;
    if (before == NULL) {
        result_null(r, "before");
    } else {
        result_object_begin(r, "before");
        report_describe_best(r, "best_bid", "best_bid_size", before, SIDE_BUY);
        report_describe_best(r, "best_ask", "best_ask_size", before, SIDE_SELL);
        result_object_end(r, NULL);
    }
    result_list_begin(r, "changes");
    while (book_changes_next(&changes, &change)) {
        result_object_begin(r, NULL);
        result_text(r, "side", change.side == SIDE_BUY ? "bid" : "ask");
        result_decimal(r, "price", change.price);
        describe_size(r, "before", change.had_level, change.before);
        describe_size(r, "after", change.has_level, change.after);
        result_object_end(r, NULL);
    }
    result_list_end(r);
}

static void describe_book(const last_frame *self, result_writer *r, last_frame_book parts)
{
    const book *b = self->track == NULL ? NULL : track_book(self->track);
    if (b == NULL) {
        result_null(r, "book");
        return;
    }
    char sha1[TD_SHA1_HEX_BYTES];
    book_levels_sha1(b, sha1);
    result_object_begin(r, "book");
    report_describe_best(r, "best_bid", "best_bid_size", b, SIDE_BUY);
    report_describe_best(r, "best_ask", "best_ask_size", b, SIDE_SELL);
    result_bool(r, "broken", !self->is_trusted);
    result_text(r, "levels_sha1", sha1);
    if (parts == LAST_FRAME_LEVELS && result_json(r) != NULL) {
        describe_levels(r, "bids", b, SIDE_BUY);
        describe_levels(r, "asks", b, SIDE_SELL);
        describe_changes(r, self->before, b);
    }
    result_object_end(r, "  book: bid {best_bid|-}[ x {best_bid_size}], ask {best_ask|-}"
                         "[ x {best_ask_size}][{broken?}, broken]\n");
}

int last_frame_symbol_book(const last_frame *self, symbol_book *out,
                           char words[LAST_FRAME_WORDS_BYTES])
{
    const channel_info *own = &self->frame.channel->info;
    const char *symbol = self->met == NULL ? "" : self->met->symbol;
    char when[TD_TIME_TEXT_BYTES];
    words[0] = '\0';
    if (self->player == NULL || symbol[0] == '\0' ||
        (self->track != NULL && track_book(self->track) != NULL))
        return 0;
    *out = symbol_book_find(self->player, self->tape, self->ledger, own->feed, symbol,
                            self->frame.recv_ns);
    if (out->topic == NULL && strcmp(own->symbol, symbol) != 0) /* such as an account's orders */
        *out = symbol_book_find(self->player, self->tape, self->ledger, NULL, symbol,
                                self->frame.recv_ns);
    const trust_break *lacks = &out->lacks;
    td_time_format_ms(lacks->doubt_ns != 0 ? lacks->doubt_ns : lacks->from_ns, when);
    if (out->is_ambiguous) /* all texts fit */
        (void)snprintf(words, LAST_FRAME_WORDS_BYTES,
                       "several feeds have a book of %s: select one with --feed", symbol);
    else if (out->topic == NULL)
        (void)snprintf(words, LAST_FRAME_WORDS_BYTES, "%s has no frame of a book of %s up to here",
                       self->is_narrow ? "the selection" : "the recording", symbol);
    else if (lacks->reason == DOUBT_NO_SNAPSHOT)
        (void)snprintf(words, LAST_FRAME_WORDS_BYTES, "%s of %s has no snapshot yet", out->topic,
                       symbol);
    else if (lacks->reason != TIME_IS_RIGHT)
        (void)snprintf(words, LAST_FRAME_WORDS_BYTES, "%s of %s cannot be trusted since %s: %s",
                       out->topic, symbol, when,
                       lacks->reason == DOUBT_RULE ? rule_name(lacks->rule)
                                                   : time_reason_name(lacks->reason));
    return 1;
}

/* Describe the book of the frame's symbol, from another topic. */
static void describe_symbol_book(const last_frame *self, result_writer *r, last_frame_book parts)
{
    char words[LAST_FRAME_WORDS_BYTES];
    symbol_book of;
    if (!last_frame_symbol_book(self, &of, words)) {
        result_null(r, "symbol_book");
        return;
    }
    result_object_begin(r, "symbol_book");
    result_text(r, "feed", of.topic == NULL ? NULL : of.feed);
    result_text(r, "topic", of.topic);
    result_text(r, "symbol", self->met->symbol);
    result_name(r, "not_shown", words);
    if (of.book != NULL) {
        report_describe_best(r, "best_bid", "best_bid_size", of.book, SIDE_BUY);
        report_describe_best(r, "best_ask", "best_ask_size", of.book, SIDE_SELL);
        if (parts == LAST_FRAME_LEVELS && result_json(r) != NULL) {
            describe_levels(r, "bids", of.book, SIDE_BUY);
            describe_levels(r, "asks", of.book, SIDE_SELL);
        }
        result_object_end(r, "  {topic}: bid {best_bid|-}[ x {best_bid_size}], ask {best_ask|-}"
                             "[ x {best_ask_size}]\n");
    } else {
        result_object_end(r, "  no book: {not_shown}\n");
    }
}

/* Describe the condition that the frame met, and the entry or the gap that met it. */
static void describe_match(const condition_match *met, result_writer *r)
{
    char text[CONDITION_MATCH_BYTES] = "";
    const int has_entry = met != NULL && (met->has_price || met->has_size);
    if (met != NULL)
        condition_match_format(met, text);
    result_text(r, "condition", met == NULL ? NULL : met->text);
    if (has_entry) {
        result_object_begin(r, "entry");
        describe_size(r, "price", met->has_price, met->price);
        describe_size(r, "size", met->has_size, met->size);
        result_object_end(r, NULL);
    } else {
        result_null(r, "entry");
    }
    if (met != NULL && met->gap != NULL)
        report_describe_gap(r, "gap", met->gap, NULL);
    else
        result_null(r, "gap");
    result_note(r, "match", "%s%s",
                met != NULL && met->gap != NULL ? "gap: "
                : has_entry                     ? "entry: "
                                                : "",
                text);
}

void last_frame_describe(const last_frame *self, result_writer *r, const char *name,
                         last_frame_book parts)
{
    const verdict_item *broken = verdict_violation(&self->rules);
    const channel_info *channel = &self->frame.channel->info;
    result_object_begin(r, name);
    result_instant(r, "recv_ns", self->frame.recv_ns);
    result_text(r, "feed", channel->feed);
    result_text(r, "topic", channel->topic);
    result_name(r, "symbol", channel->symbol);
    const frame_conn *conn = frame_own_conn(&self->frame);
    result_number(r, "line", conn->line);
    result_number(r, "shard", conn->shard);
    result_number(r, "conn", conn->number);
    result_number(r, "ordinal", self->frame.ordinal);
    result_text(r, "undecoded", self->undecoded);
    result_text(r, "rule", broken == NULL ? NULL : rule_name(broken->rule));
    describe_match(self->met, r);
    describe_book(self, r, parts);
    describe_symbol_book(self, r, parts);
    result_object_end(
        r, "{recv_ns}  {feed} {topic}[ {symbol}], frame {ordinal} of "
           "[{line?}line {line}, ][{shard?}shard {shard}, ]connection {conn}"
           "[, not decoded: {undecoded}][, broke {rule}]\n[  {match}\n]{book}{symbol_book}");
}
