/* Trials of a loss: numbers that rise by one show it, numbers that only rise do not. Expected:
 * book/loss_trial.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "book/loss_trial.h"

enum { FRAMES = 100 };

typedef struct trial_counts {
    unsigned ended, noticed;
    rule_id by;
} trial_counts;

/* Pass numbered frames of a topic with one rule; the frame `broken`, if not 0, lacks one before. */
static trial_counts pass_frames(rule_id rule, rule_id shown, unsigned broken)
{
    const topic_row row = {.name = "t",
                           .pattern = "t.{symbol}",
                           .type = MSG_TRADE,
                           .sequence = SEQ_ENVELOPE,
                           .rules = {{rule, STRENGTH_ERROR, MEMBER_U}}};
    const frame_conn conn = {.session_id = "a", .number = 1};
    symbol_state *state = symbol_state_open(SYMBOL_WITHOUT_AUDITS);
    symbol_topic *topic = symbol_state_topic(state, td_bytes_str("t"), 0);
    trial_counts counts = {0};
    loss_trial trial;
    loss_trial_init(&trial);
    for (unsigned i = 1; i <= FRAMES; i++) {
        message m = {.head = {.type = MSG_TRADE, .row = &row, .has_u = 1}};
        m.head.u = i + (broken != 0 && i >= broken);
        const frame_ref frame = {
            .conn = &conn, .row = &row, .recv_ns = i, .content = {.message = &m}};
        symbol_verdict found;
        rule_id by = RULE_NONE;
        symbol_topic_apply(topic, &frame, &found);
        if (!loss_trial_next(&trial, &m, &found, shown, &by))
            continue;
        counts.ended++;
        counts.noticed += by != RULE_NONE;
        counts.by = by;
    }
    loss_trial_fini(&trial);
    symbol_state_close(state);
    return counts;
}

/* A trial needs a frame to save after, the left-out one, and the one that shows it. */
static void numbers_that_rise_by_one_show_each_loss(void **state)
{
    (void)state;
    const trial_counts counts = pass_frames(RULE_SEQ_DENSE, RULE_NONE, 0);
    assert_int_equal(counts.by, RULE_SEQ_DENSE);
    assert_int_equal(counts.noticed, counts.ended);
    assert_int_equal(counts.ended, (FRAMES - 1) / 2);
}

static void numbers_that_only_rise_show_none(void **state)
{
    (void)state;
    const trial_counts counts = pass_frames(RULE_SEQ_STRICT, RULE_NONE, 0);
    assert_int_equal(counts.noticed, 0);
    assert_int_equal(counts.ended, (FRAMES - 1) / (LOSS_TRIAL_FRAMES + 1));
}

static void another_rule_may_show_the_loss(void **state)
{
    (void)state;
    const trial_counts counts = pass_frames(RULE_SEQ_STRICT, RULE_CONN_DENSE, 0);
    assert_int_equal(counts.by, RULE_CONN_DENSE);
    assert_int_equal(counts.ended, (FRAMES - 1) / 2);
}

/* The frame after a real loss breaks the rule anyway. */
static void a_recorded_loss_has_no_trial(void **state)
{
    (void)state;
    const trial_counts counts = pass_frames(RULE_SEQ_DENSE, RULE_NONE, 51);
    assert_int_equal(counts.ended, (FRAMES - 1) / 2 - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_that_rise_by_one_show_each_loss),
        cmocka_unit_test(numbers_that_only_rise_show_none),
        cmocka_unit_test(another_rule_may_show_the_loss),
        cmocka_unit_test(a_recorded_loss_has_no_trial),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
