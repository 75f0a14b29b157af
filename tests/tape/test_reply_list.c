/* The list of recorded HTTP replies (tape/reply_list.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "base/limits.h"
#include "tape/reply_list.h"
#include "tests/testing/tape_fixture.h"

/* A reply that was in the list, and whose frame is gone when it is asked for. */
static void test_a_reply_that_is_gone(void **state)
{
    tape_fixture *f = *state;
    tape_segment *one = tape_segment_open(f, &(tape_segment_spec){"one", "aaaaaaaa", 100, 100, 1});
    tape_segment_put(
        one,
        &(tape_put){.topic = "http.time", .conn = 1, .ordinal = 1, .recv_ns = 200, .text = "{}"});
    tape_segment_finish(one);
    recorded_reply reply = {.recv_ns = TAPE_FIXTURE_NS + 200,
                            .feed = (char[]){"one"},
                            .topic = (char[]){"http.time"},
                            .url = (char[]){"https://exchange/v5/market/time"}};
    td_buf body;
    td_err err = {0};
    td_buf_init(&body, LIMIT_FRAME_BYTES);
    assert_int_equal(recorded_reply_read(&reply, tape_fixture_archive(f), &body, &err), TD_OK);
    assert_int_equal(body.size, 2);
    reply.recv_ns++;
    assert_int_equal(recorded_reply_read(&reply, tape_fixture_archive(f), &body, &err),
                     TD_E_NOTFOUND);
    assert_non_null(strstr(err.text, "/v5/market/time"));
    td_buf_fini(&body);
}

/* A reply that a cut kept from before its own beginning has the time when it was received. */
static void test_a_kept_reply_has_its_own_time(void **state)
{
    static const struct {
        const char *state;
        uint64_t received_ns;
    } CASES[] = {{"kept", 7}, {"", 200}};
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        tape_fixture f;
        tape_fixture_init(&f);
        tape_segment *one =
            tape_segment_open(&f, &(tape_segment_spec){"one", "aaaaaaaa", 100, 100, 1});
        const event said = {.kind = EVENT_HTTP,
                            .what = "time",
                            .url = "https://exchange/v5/market/time",
                            .state = CASES[i].state,
                            .code = 200,
                            .from_ns = TAPE_FIXTURE_NS + 7};
        tape_segment_event(one, &said, 199);
        tape_segment_put(one, &(tape_put){.dir = CHANNEL_HTTP,
                                          .topic = "http.time",
                                          .conn = 1,
                                          .ordinal = 1,
                                          .recv_ns = 200,
                                          .text = "{}"});
        tape_segment_finish(one);
        reply_list replies = {0};
        td_err err;
        assert_int_equal(
            reply_list_open(tape_fixture_archive(&f), &(selection){0}, NULL, &replies, &err),
            TD_OK);
        assert_int_equal(replies.count, 1);
        assert_int_equal(replies.items[0].recv_ns, TAPE_FIXTURE_NS + 200);
        assert_int_equal(replies.items[0].received_ns, TAPE_FIXTURE_NS + CASES[i].received_ns);
        reply_list_fini(&replies);
        tape_fixture_fini(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {tape_fixture_test(test_a_reply_that_is_gone),
                                       cmocka_unit_test(test_a_kept_reply_has_its_own_time)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
