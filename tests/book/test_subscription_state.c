/* When a connection's subscriptions count as answered. Expected values follow from
 * book/subscription_state.h: one answer a request, at most 30 s, and each connection on its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/clock.h"
#include "json/json.h"
#include "schema/family.h"
#include "book/subscription_state.h"

#define S TD_NS_PER_S

/* What comes on connection conn at second at: a frame that was sent, an answer ("+"), or nothing
 * (NULL: only the question). */
typedef struct step {
    uint32_t conn;
    uint32_t at;
    const char *frame;
    uint64_t answered; /* afterwards, in seconds; NOT, UNKNOWN */
} step;

#define NOT     UINT64_MAX
#define UNKNOWN 0

static const step OP[] = {
    {1, 1, NULL, UNKNOWN},
    {1, 2, "{\"op\":\"ping\"}", UNKNOWN},
    {1, 3, "{\"op\":\"subscribe\",\"args\":[\"a\"]}", NOT},
    {1, 4, "{\"op\":\"subscribe\",\"args\":7}", NOT}, /* will be refused */
    {1, 5, "+", NOT},
    {1, 6, "+", 6},
    {1, 7, "{\"op\":\"ping\"}", 6},
    {1, 8, "{\"op\":\"unsubscribe\",\"args\":[\"a\"]}", NOT},
    {1, 9, "+", 9},
    {1, 10, "+", 10}, /* one answer too many: what counts is the last */
    {2, 20, NULL, UNKNOWN},
    {2, 21, "{\"op\":\"subscribe\",\"args\":[\"a\"]}", NOT},
    {2, 50, NULL, NOT},
    {2, 52, NULL, 51}, /* counts as answered after 30 s */
};

static const step SPOT[] = {
    {1, 1, "{\"ping\":1}", UNKNOWN},
    {1, 2, "{\"topic\":\"trade\",\"event\":\"sub\",\"symbol\":\"X\"}", NOT},
    {1, 3, "+", 3},
    {1, 4, "{\"op\":\"subscribe\",\"args\":[\"a\"]}", 3}, /* of another dialect */
    {1, 5, "{\"topic\":\"trade\",\"event\":\"cancel\",\"symbol\":\"X\"}", NOT},
    {1, 6, "+", 6},
    {1, 7, "no JSON", 6},
};

/* Another exchange's words. */
static td_result read_method(struct dialect_text *text, json_value root, dialect_request *out,
                             td_err *err)
{
    td_bytes method = {0};
    (void)text;
    (void)err;
    if (json_find_text(root, "method", &method) && td_bytes_is(method, "JOIN"))
        out->kind = REQUEST_SUBSCRIBE;
    return TD_OK;
}

static const dialect OTHER = {.read_request = read_method};
static const step METHOD[] = {
    {1, 1, "{\"op\":\"subscribe\",\"args\":[\"a\"]}", UNKNOWN},
    {1, 2, "{\"method\":\"JOIN\"}", NOT},
    {1, 3, "+", 3},
};

static void take_steps(const char *name, const dialect *spoken, const step *steps, size_t count)
{
    const channel_info info = {.feed = "f", .line = 0, .shard = 2};
    subscription_states all = {0};
    for (size_t i = 0; i < count; i++) {
        const step *s = &steps[i];
        subscription_state *slot = subscription_states_get(&all, &info);
        if (s->frame != NULL && s->frame[0] == '+')
            subscription_answered(slot, 7, s->conn, s->at * S);
        else if (s->frame != NULL)
            subscription_sent(&all, slot, spoken, 7, s->conn, s->at * S, td_bytes_str(s->frame));
        uint64_t found = subscription_answered_ns(slot, 7, s->conn, s->at * S);
        uint64_t expected = s->answered == NOT ? ANSWERED_NOT_YET : s->answered * S;
        if (found != expected)
            fail_msg("%s: step %zu: %llu", name, i, (unsigned long long)found);
    }
    assert_int_equal(all.count, 1);
    subscription_states_fini(&all);
}

static const dialect *dialect_of(const char *name)
{
    const family *of = family_find(td_bytes_str(name));
    assert_non_null(of);
    return of->dialect;
}

static void test_steps(void **state)
{
    (void)state;
    take_steps("op", dialect_of("inverse"), OP, sizeof OP / sizeof *OP);
    take_steps("spot", dialect_of("spot-v1"), SPOT, sizeof SPOT / sizeof *SPOT);
    take_steps("another exchange", &OTHER, METHOD, sizeof METHOD / sizeof *METHOD);
}

/* Slots of one feed, and feeds, are apart. */
static void test_slots(void **state)
{
    (void)state;
    static const channel_info INFOS[] = {
        {.feed = "f"}, {.feed = "f", .line = 1}, {.feed = "f", .shard = 1}, {.feed = "g"}};
    subscription_states all = {0};
    subscription_state *slots[4];
    for (size_t i = 0; i < 4; i++) {
        slots[i] = subscription_states_get(&all, &INFOS[i]);
        subscription_sent(&all, slots[i], &OTHER, 1, 1, S, td_bytes_str("{\"method\":\"JOIN\"}"));
    }
    subscription_answered(slots[2], 1, 1, 2 * S);
    for (size_t i = 0; i < 4; i++) {
        subscription_state *again = subscription_states_get(&all, &INFOS[i]);
        assert_ptr_equal(again, slots[i]);
        assert_int_equal(subscription_answered_ns(again, 1, 1, 3 * S),
                         i == 2 ? 2 * S : ANSWERED_NOT_YET);
    }
    subscription_states_fini(&all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_steps),
        cmocka_unit_test(test_slots),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
