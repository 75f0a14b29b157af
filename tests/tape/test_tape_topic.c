/* One reader's topic: which frames are applied, on which line, and how it continues with a state
 * from a checkpoint. Expected: tape/tape_topic.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/bytes.h"
#include "schema/family.h"
#include "tape/tape_topic.h"
#include "tests/testing/book_text.h"

typedef struct topic_fixture {
    tape_topic topic;
    gap_list ledger;
    frame_channel channels[2]; /* by line */
    frame_conn conns[2];
    const topic_row *row;
    uint64_t now_ns;
    book_frame book;
    message message;
    applied_frame seen;
} topic_fixture;

static void setup(topic_fixture *f)
{
    topic_match match;
    const family *of = family_find(td_bytes_str("inverse"));
    *f = (topic_fixture){.now_ns = 1000000};
    assert_true(topic_match_text(of->topics, of->topic_count, td_bytes_str("orderBookL2_25.BTCUSD"),
                                 TOPIC_NOW, &match));
    f->row = match.row;
    for (uint32_t i = 0; i < 2; i++) {
        f->channels[i] = (frame_channel){
            .info = {.feed = "f", .topic = "orderBookL2_25", .symbol = "BTCUSD", .line = i}};
        f->conns[i] = (frame_conn){.session = 1, .session_id = "a", .number = i + 1};
    }
    f->topic.symbol = symbol_state_open(SYMBOL_WITHOUT_AUDITS);
    f->topic.ledger = &f->ledger;
    f->topic.user = f;
}

static void teardown(topic_fixture *f)
{
    symbol_state_close(f->topic.symbol);
    tape_topic_fini(&f->topic);
}

/* Applies a frame of a connection, of which the stream has a state by conn_index. */
static void apply_of(topic_fixture *f, const char *text, uint32_t line, uint32_t conn,
                     uint32_t conn_index, symbol_topic *saved)
{
    book_frame_parse(text, &f->book);
    f->message = (message){.book = f->book.message};
    f->message.head.row = f->row;
    f->now_ns += 1000000;
    const frame_ref frame = {.recv_ns = f->now_ns,
                             .channel = &f->channels[line],
                             .conn = &f->conns[conn],
                             .conn_index = conn_index,
                             .row = f->row,
                             .saved = saved,
                             .content = {.message = &f->message}};
    tape_topic_apply(&f->topic, &frame, &f->seen);
    assert_ptr_equal(f->seen.found, &f->seen.verdict);
    assert_ptr_equal(f->seen.trust, f->topic.ledger == NULL ? NULL : &f->seen.answer);
    assert_ptr_equal(f->topic.state->user, f->topic.user);
}

/* The same of a connection with a state of its own. */
static void apply(topic_fixture *f, const char *text, uint32_t line, uint32_t conn_index,
                  symbol_topic *saved)
{
    apply_of(f, text, line, conn_index, conn_index, saved);
}

static void a_frame_without_a_row_is_not_applied(void **state)
{
    (void)state;
    topic_fixture f;
    setup(&f);
    const frame_ref frame = {.channel = &f.channels[0], .conn = &f.conns[0]};
    tape_topic_apply(&f.topic, &frame, &f.seen);
    assert_ptr_equal(f.seen.frame, &frame);
    assert_null(f.seen.found);
    assert_null(f.seen.trust);
    assert_null(f.topic.state);
    teardown(&f);
}

static void without_a_ledger_there_is_no_trust(void **state)
{
    (void)state;
    topic_fixture f;
    setup(&f);
    f.topic.ledger = NULL;
    apply(&f, "S B100x1 A101x1", 0, 0, NULL);
    assert_false(topic_trust_is_right(&f.topic.trust));
    teardown(&f);
}

static void each_line_has_a_state(void **state)
{
    (void)state;
    topic_fixture f;
    setup(&f);
    apply(&f, "S B100x1 A101x1", 0, 0, NULL);
    const symbol_topic *first = f.topic.state;
    apply(&f, "S B99x1 A101x1", 1, 0, NULL);
    assert_ptr_not_equal(f.topic.state, first);
    assert_int_equal(f.topic.state->line, 1);
    apply(&f, "D =B100x2", 0, 0, NULL);
    assert_ptr_equal(f.topic.state, first);
    assert_int_equal(f.seen.found->step, SYMBOL_CONTINUES);
    assert_true(f.seen.trust->is_trusted);
    teardown(&f);
}

/* After a removed stretch the first frame of a topic brings the state of the checkpoint there. */
static void a_saved_state_is_continued(void **state)
{
    (void)state;
    static const uint32_t CONN_INDEXES[] = {0, 1};
    for (size_t i = 0; i < sizeof CONN_INDEXES / sizeof *CONN_INDEXES; i++) {
        topic_fixture before;
        topic_fixture f;
        setup(&before);
        setup(&f);
        apply(&before, "S B100x1 A101x1", 0, 0, NULL);
        f.now_ns = before.now_ns;
        apply(&f, i == 0 ? "D =B100x2" : "S B99x1 A101x1", 0, CONN_INDEXES[i], before.topic.state);
        assert_true(f.seen.trust->is_trusted);
        /* The saved state was of another connection. */
        assert_int_equal(f.seen.trust->broke->reason, i == 0 ? TIME_IS_RIGHT : DOUBT_CONNECTION);
        assert_int_equal(f.seen.trust->is_taken_over, i == 0);
        teardown(&f);
        teardown(&before);
    }
}

/* A snapshot of the next connection of a slot. A recorder's connections end with a gap in the
 * ledger, or because another one has taken over; of other captures this is not known. */
static void the_next_connection_begins_with_a_snapshot(void **state)
{
    (void)state;
    static const gap_row LOST = {.reason = GAP_DISCONNECT,
                                 .feed = "f",
                                 .topic = "",
                                 .symbol = "",
                                 .covered_by = "",
                                 .from_ns = 2000000,
                                 .to_ns = 2500000};
    static const struct {
        uint8_t is_recorded, has_gap;
        const char *next;
        time_reason expected;
    } CASES[] = {
        {1, 0, "S B99x1 A101x1", TIME_IS_RIGHT},
        {1, 1, "S B99x1 A101x1", GAP_DISCONNECT},
        {1, 0, "D =B100x2", DOUBT_CONNECTION},
        {0, 0, "S B99x1 A101x1", DOUBT_CONNECTION},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        topic_fixture f;
        setup(&f);
        f.conns[0].is_recorded = f.conns[1].is_recorded = CASES[i].is_recorded;
        f.ledger = (gap_list){.rows = (gap_row *)&LOST, .count = CASES[i].has_gap};
        apply_of(&f, "S B100x1 A101x1", 0, 0, 0, NULL);
        apply_of(&f, CASES[i].next, 0, 1, 0, NULL);
        assert_int_equal(f.seen.found->step, SYMBOL_RECONNECTS);
        assert_int_equal(f.seen.trust->broke->reason, CASES[i].expected);
        teardown(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_frame_without_a_row_is_not_applied),
        cmocka_unit_test(without_a_ledger_there_is_no_trust),
        cmocka_unit_test(each_line_has_a_state),
        cmocka_unit_test(a_saved_state_is_continued),
        cmocka_unit_test(the_next_connection_begins_with_a_snapshot),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
