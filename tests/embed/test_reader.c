/* The reader of libtapedeck: its result for frames of all kinds, and when a book can be trusted.
 * tests/e2e/operate/install.test.mjs compares its decoding and books with replay's, for a capture.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "embed/include/tapedeck/tapedeck.h"

#define BOOK(type, seq, data)                                                                      \
    "{\"topic\":\"orderBookL2_25.BTCUSD\",\"type\":\"" type "\",\"data\":" data                    \
    ",\"cross_seq\":" seq ",\"timestamp_e6\":1618677785000000}"
#define SNAPSHOT                                                                                   \
    BOOK("snapshot", "5",                                                                          \
         "[{\"price\":\"100.00\",\"symbol\":\"BTCUSD\",\"id\":1000000,\"side\":\"Buy\",\"size\":"  \
         "7},"                                                                                     \
         "{\"price\":\"100.50\",\"symbol\":\"BTCUSD\",\"id\":1005000,\"side\":\"Sell\",\"size\":"  \
         "3}]")
#define DELTA                                                                                      \
    BOOK("delta", "6",                                                                             \
         "{\"delete\":[],\"update\":[{\"price\":\"100.00\",\"symbol\":\"BTCUSD\",\"id\":1000000,"  \
         "\"side\":\"Buy\",\"size\":9}],\"insert\":[],\"transactTimeE6\":0}")

static const tapedeck_frame *decode(tapedeck_reader *reader, const char *text)
{
    return tapedeck_reader_decode(reader, text, strlen(text), 1618677785000000000u);
}

static int64_t best_bid_size(const tapedeck_reader *reader, const tapedeck_book *of)
{
    tapedeck_book_level bid;
    return tapedeck_reader_host(reader)->book_levels(of, TAPEDECK_BUY, 0, 1, &bid) == 1
               ? bid.size.mantissa
               : -1;
}

static void a_book_follows_its_frames(void **state)
{
    (void)state;
    tapedeck_reader *reader = tapedeck_reader_open("inverse", 0);
    const tapedeck_frame *frame = decode(reader, SNAPSHOT);
    const tapedeck_book *of = frame->book;
    assert_string_equal(frame->topic, "orderBookL2_25");
    assert_string_equal(frame->symbol, "BTCUSD");
    assert_string_equal(frame->type, "book_change");
    assert_int_equal(frame->content, TAPEDECK_BOOK);
    assert_int_equal(frame->kind, TAPEDECK_SNAPSHOT);
    assert_int_equal(frame->verdict, TAPEDECK_OK);
    assert_int_equal(frame->is_book_broken, 0);
    assert_int_equal(best_bid_size(reader, of), 7);
    frame = decode(reader, DELTA);
    assert_ptr_equal(frame->book, of);
    assert_int_equal(frame->ordinal, 2);
    assert_int_equal(best_bid_size(reader, of), 9);
    /* A frame that cannot be decoded: its changes are unknown. */
    frame = decode(reader, BOOK("delta", "7", "7"));
    assert_int_equal(frame->content, TAPEDECK_UNDECODED);
    assert_true(frame->reason[0] != '\0');
    assert_int_equal(frame->is_book_broken, 1);
    assert_int_equal(decode(reader, SNAPSHOT)->is_book_broken, 0);
    /* On a new connection a book waits for its snapshot. */
    tapedeck_reader_reconnect(reader);
    frame = decode(reader, DELTA);
    assert_int_equal(frame->ordinal, 1);
    assert_int_equal(frame->is_book_broken, 1);
    tapedeck_reader_close(reader);
}

static void frames_without_a_topic_have_a_reason_or_a_type(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint32_t content;
        const char *type, *reason;
    } ROWS[] = {
        {"{\"success\":true,\"ret_msg\":\"pong\",\"conn_id\":\"x\",\"request\":{\"op\":\"ping\"}}",
         TAPEDECK_CONTROL, "control", ""},
        {"{\"topic\":\"new.BTCUSD\",\"data\":[]}", TAPEDECK_UNDECODED, "raw", "unknown_topic"},
        {"{\"a\":1}", TAPEDECK_UNDECODED, "raw", "no_topic"},
        {"{", TAPEDECK_UNDECODED, "raw", "not_json"},
        {"", TAPEDECK_UNDECODED, "raw", "not_json"},
    };
    tapedeck_reader *reader = tapedeck_reader_open("inverse", 0);
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        const tapedeck_frame *frame = decode(reader, ROWS[i].text);
        assert_int_equal(frame->content, ROWS[i].content);
        assert_string_equal(frame->type, ROWS[i].type);
        assert_string_equal(frame->reason, ROWS[i].reason);
        assert_null(frame->book);
        assert_int_equal(best_bid_size(reader, frame->book), -1);
    }
    char *large = td_alloc_zero(1, LIMIT_FRAME_BYTES + 1);
    const tapedeck_frame *frame = tapedeck_reader_decode(reader, large, LIMIT_FRAME_BYTES + 1, 0);
    assert_string_equal(frame->reason, "limit");
    assert_int_equal(frame->byte_count, 0);
    td_free(large);
    tapedeck_reader_close(reader);
    assert_null(tapedeck_reader_open("no such family", 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_book_follows_its_frames),
        cmocka_unit_test(frames_without_a_topic_have_a_reason_or_a_type),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
