/* A decoder in other processes: this program is those processes as well, in as many ways as one can
 * be wrong. Each failure must be that of the one frame that it was provoked with, and of no other.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "regress/decoder_pool.h"
#include "schema/decode.h"
#include "schema/family.h"

enum { FRAMES = 300, FRAME_BYTES = 160 };

/* ---- the decoder: argv[2] is how it is wrong, argv[3] at which frame ---- */

static void answer(unsigned long n, unsigned long k)
{
    printf("{\"n\":%lu,\"exchange_ns\":%lu,\"trades\":[]}\n", n, k);
}

/* An answer of some megabytes. */
static void answer_large(unsigned long n, unsigned long k)
{
    printf("{\"n\":%lu,\"exchange_ns\":%lu,\"trades\":[", n, k);
    for (unsigned i = 0; i < 30000; i++)
        printf("%s{\"side\":\"Buy\",\"price\":\"%u\",\"size\":\"1\",\"trade_id\":\"%060u\"}",
               i == 0 ? "" : ",", i + 1, i);
    printf("]}\n");
}

static void complain(void)
{
    for (unsigned i = 0; i < 20000; i++)
        fprintf(stderr, "line %u of what went wrong in a decoder that says much\n", i);
}

/* What it does about the frame that provokes it. */
static void be_wrong(const char *how, unsigned long n, unsigned long k, unsigned count)
{
    if (strcmp(how, "abort") == 0) {
        fprintf(stderr, "first\nlast words\n");
        signal(SIGABRT, SIG_DFL);
        abort();
    } else if (strcmp(how, "exit") == 0) {
        exit(3);
    } else if (strcmp(how, "hang") == 0) {
        fflush(stdout);
        for (;;)
            pause();
    } else if (strcmp(how, "garbage") == 0) {
        printf("Traceback\n");
    } else if (strcmp(how, "no_n") == 0) {
        printf("{\"trades\":[]}\n");
    } else if (strcmp(how, "other_n") == 0) {
        answer(n + 1000, k);
    } else if (strcmp(how, "twice") == 0) {
        answer(n, k);
        answer(n, k);
    } else if (strcmp(how, "member") == 0) {
        printf("{\"n\":%lu,\"trades\":[{\"px\":1}]}\n", n);
    } else if (strcmp(how, "refuse") == 0) {
        printf("{\"n\":%lu,\"error\":\"no idea\"}\n", n);
    } else if (strcmp(how, "missing") == 0) {
        printf("{\"n\":%lu,\"error\":\"missing_field: data\"}\n", n);
    } else if (strcmp(how, "unstable") == 0) {
        answer(n, k + count);
    } else if (strcmp(how, "once") == 0 && count == k) {
        exit(4); /* the first process: every frame has the same number in it */
    } else if (strcmp(how, "leave") == 0) {
        answer(n, k);
        fflush(stdout);
        exit(5);
    } else if (strcmp(how, "large") == 0) {
        answer_large(n, k);
    } else if (strcmp(how, "complain") == 0) {
        complain();
        answer(n, k);
    } else {
        answer(n, k);
    }
}

static int greet(const char *how)
{
    if (strcmp(how, "mute") == 0) {
        fprintf(stderr, "no module named decoder\n");
        return 0;
    }
    printf("%s\n", strcmp(how, "no_json") == 0   ? "hello"
                   : strcmp(how, "version") == 0 ? "{\"tapedeck\":9}"
                   : strcmp(how, "form") == 0    ? "{\"tapedeck\":1,\"reply\":\"xml\"}"
                   : strcmp(how, "unable") == 0  ? "{\"error\":\"no licence\"}"
                                                 : "{\"tapedeck\":1,\"name\":\"test\"}");
    fflush(stdout);
    return 1;
}

/* Reads in blocks and answers in blocks ("block"), or line by line. */
static int run_decoder(const char *how, unsigned long at)
{
    static char line[1 << 16];
    unsigned count = 0;
    int is_greeted = 0;
    static char output[1 << 20];
    setvbuf(stdin, NULL, _IOFBF, strcmp(how, "sip") == 0 ? 16 : 1 << 16);
    setvbuf(stdout, output, _IOFBF, sizeof output);
    while (fgets(line, sizeof line, stdin) != NULL) {
        if (!is_greeted) {
            if (!greet(how))
                return 1;
            is_greeted = 1;
            continue;
        }
        char *text = strstr(line, "\"n\":");
        unsigned long n = strtoul(text + 4, NULL, 10);
        text = strstr(line, "{\\\"k\\\":");
        unsigned long k = strtoul(text + 7, NULL, 10);
        count++;
        if (k == at)
            be_wrong(how, n, k, count);
        else
            answer(n, k);
        fflush(stdout);
    }
    return 0;
}

/* ---- asking it ---- */

typedef struct bench {
    char command[4200];
    char texts[FRAMES][FRAME_BYTES + DECODE_PADDING_BYTES];
    tape_channel channel;
    decoding_request requests[FRAMES];
    frame_content contents[FRAMES];
    td_arena *arena;
    decoder_pool *pool;
    td_err err;
} bench;

static char own_path[4096];

static int bench_open(void **state)
{
    bench *b = calloc(1, sizeof *b);
    assert_non_null(b);
    b->channel.info = (channel_info){.feed = "f",
                                     .family = "inverse",
                                     .topic = "trade",
                                     .symbol = "BTCUSD",
                                     .exchange_topic = "trade.BTCUSD",
                                     .opcode = OPCODE_TEXT};
    b->channel.family = family_find(td_bytes_str("inverse"));
    assert_true(topic_match_text(b->channel.family->topics, b->channel.family->topic_count,
                                 td_bytes_str("trade.BTCUSD"), TOPIC_ANY_TIME, &b->channel.topic));
    for (unsigned i = 0; i < FRAMES; i++) {
        int size = snprintf(b->texts[i], FRAME_BYTES, "{\"k\":%u}", i + 1);
        b->requests[i] = (decoding_request){.channel = &b->channel,
                                            .row = b->channel.topic.row,
                                            .recv_ns = 1000 + i,
                                            .bytes = td_bytes_of(b->texts[i], (size_t)size)};
    }
    b->arena = td_arena_open((size_t)1 << 28);
    assert_non_null(b->arena);
    *state = b;
    return 0;
}

static int bench_close(void **state)
{
    bench *b = *state;
    decoder_pool_close(b->pool);
    td_arena_close(b->arena);
    free(b);
    return 0;
}

static td_result open_pool(bench *b, const char *how, unsigned at, decoder_spec spec)
{
    decoder_pool_close(b->pool);
    b->pool = NULL;
    snprintf(b->command, sizeof b->command, "'%s' decoder %s %u", own_path, how, at);
    spec.command = b->command;
    return decoder_pool_open(&spec, &b->pool, &b->err);
}

/* Ask about all frames. */
static td_result ask(bench *b)
{
    memset(b->contents, 0, sizeof b->contents);
    td_arena_reset(b->arena);
    const tape_decoding *decoding = decoder_pool_decoding(b->pool);
    return decoding->read(decoding->ctx, b->requests, FRAMES, b->arena, b->contents, &b->err);
}

/* All frames but that one have their own message. */
static void check_others(const bench *b, unsigned at)
{
    for (unsigned i = 0; i < FRAMES; i++) {
        if (i + 1 == at)
            continue;
        if (b->contents[i].message == NULL)
            fail_msg("frame %u of those around %u: %s", i + 1, at,
                     decode_reason_name(b->contents[i].why.reason));
        assert_int_equal(b->contents[i].message->head.exchange_ns, i + 1);
        assert_int_equal(b->contents[i].message->head.type, MSG_TRADE);
    }
}

static void test_pinned(void **state)
{
    bench *b = *state;
    static const struct {
        const char *how;
        decode_reason reason;
        const char *what, *reply, *last_line;
        unsigned restarts;
    } CASES[] = {
        {"abort", DECODE_CRASHED, "signal 6 (SIGABRT)", "", "last words", 2},
        {"exit", DECODE_CRASHED, "exit status 3", "", "", 2},
        {"garbage", DECODE_GARBAGE, "no JSON at byte 0: ", "Traceback", "", 2},
        {"no_n", DECODE_GARBAGE, "no \"n\", or none that is a frame's", "{\"trades\":[]}", "", 2},
        {"other_n", DECODE_GARBAGE, "an answer to n ", "{\"n\":", "", 2},
        {"twice", DECODE_GARBAGE, "answered twice", "{\"n\":", "", 1},
        {"member", DECODE_GARBAGE, "trades[0].px: unknown member", "{\"n\":", "", 1},
        {"refuse", DECODE_REFUSED, "no idea", "", "", 0},
    };
    static const unsigned AT[] = {1, 2, 150, FRAMES - 1, FRAMES};
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        for (size_t k = 0; k < sizeof AT / sizeof AT[0]; k++) {
            unsigned at = AT[k];
            size_t count = 0;
            if (open_pool(b, CASES[i].how, at, (decoder_spec){0}) != TD_OK)
                fail_msg("%s", b->err.text);
            assert_string_equal(decoder_pool_name(b->pool), "test");
            if (ask(b) != TD_OK)
                fail_msg("%s at %u: %s", CASES[i].how, at, b->err.text);
            check_others(b, at);
            assert_null(b->contents[at - 1].message);
            if (b->contents[at - 1].why.reason != CASES[i].reason)
                fail_msg("%s at %u: %s", CASES[i].how, at,
                         decode_reason_name(b->contents[at - 1].why.reason));
            decoder_findings *findings = decoder_pool_findings(b->pool);
            assert_int_equal(decoder_findings_total(findings), 1);
            assert_int_equal(decoder_findings_count(findings, CASES[i].reason), 1);
            const decoder_finding *found = decoder_findings_list(findings, &count);
            assert_int_equal(count, 1);
            assert_int_equal(found->recv_ns, 1000 + at - 1);
            assert_string_equal(found->topic, "trade");
            /* Nothing comes after the last frame that its second answer could be taken for. */
            int is_more = at == FRAMES && strcmp(CASES[i].how, "twice") == 0;
            const char *what = is_more ? "it wrote more than its answer" : CASES[i].what;
            if (strncmp(found->what, what, strlen(what)) != 0)
                fail_msg("%s at %u: %s", CASES[i].how, at, found->what);
            if (!is_more)
                assert_int_equal(strncmp(found->reply, CASES[i].reply, strlen(CASES[i].reply)), 0);
            assert_string_equal(found->last_line, CASES[i].last_line);
            /* A crash is provoked twice, unless nothing else was under way. */
            assert_in_range(decoder_pool_restarts(b->pool), CASES[i].restarts / 2,
                            CASES[i].restarts);
        }
    }
}

static void test_hang(void **state)
{
    bench *b = *state;
    size_t count = 0;
    const decoder_spec spec = {.timeout_ns = UINT64_C(700000000)};
    assert_int_equal(open_pool(b, "hang", 77, spec), TD_OK);
    assert_int_equal(ask(b), TD_OK);
    check_others(b, 77);
    assert_int_equal(b->contents[76].why.reason, DECODE_HUNG);
    const decoder_finding *found = decoder_findings_list(decoder_pool_findings(b->pool), &count);
    assert_int_equal(count, 1);
    assert_string_equal(found->what, "no answer in 0.7 s");
}

/* A reason of the built-in decoder is taken over; it is no finding. */
static void test_named_refusal(void **state)
{
    bench *b = *state;
    assert_int_equal(open_pool(b, "missing", 5, (decoder_spec){0}), TD_OK);
    assert_int_equal(ask(b), TD_OK);
    check_others(b, 5);
    assert_int_equal(b->contents[4].why.reason, DECODE_MISSING_FIELD);
    assert_int_equal(decoder_findings_total(decoder_pool_findings(b->pool)), 0);
}

static void test_unstable(void **state)
{
    bench *b = *state;
    static const struct {
        unsigned at, repeat, is_found;
    } CASES[] = {{1, 16, 1}, {17, 16, 1}, {18, 16, 0}, {18, 1, 1}, {17, 0, 0}};
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        unsigned at = CASES[i].at;
        const decoder_spec spec = {.repeat = CASES[i].repeat};
        assert_int_equal(open_pool(b, "unstable", at, spec), TD_OK);
        assert_int_equal(ask(b), TD_OK);
        check_others(b, at);
        assert_int_equal(b->contents[at - 1].message == NULL, CASES[i].is_found);
        if (CASES[i].is_found)
            assert_int_equal(b->contents[at - 1].why.reason, DECODE_UNSTABLE);
        assert_int_equal(decoder_pool_restarts(b->pool), 0);
    }
    /* A decoder that is stable stays what it is, however often it is asked. */
    assert_int_equal(open_pool(b, "ok", 1, (decoder_spec){.repeat = 1}), TD_OK);
    assert_int_equal(ask(b), TD_OK);
    check_others(b, 0);
    assert_int_equal(decoder_findings_total(decoder_pool_findings(b->pool)), 0);
}

/* A crash that does not come again is that of the first frame that was without an answer. */
static void test_once(void **state)
{
    bench *b = *state;
    size_t count = 0;
    unsigned unstable = 0;
    assert_int_equal(open_pool(b, "once", 40, (decoder_spec){0}), TD_OK);
    assert_int_equal(ask(b), TD_OK);
    for (unsigned i = 0; i < FRAMES; i++)
        unstable += b->contents[i].why.reason == DECODE_UNSTABLE;
    assert_int_equal(unstable, 1);
    const decoder_finding *found = decoder_findings_list(decoder_pool_findings(b->pool), &count);
    assert_int_equal(count, 1);
    assert_string_equal(found->what, "crashed once, and not again (exit status 4)");
    check_others(b, (unsigned)(found->recv_ns - 1000 + 1));
    assert_int_equal(decoder_pool_restarts(b->pool), 1);
}

/* Large answers, many messages on standard error, an input that is read a few bytes at a time. */
static void test_amounts(void **state)
{
    bench *b = *state;
    static const char *const HOW[] = {"large", "complain", "sip"};
    for (size_t i = 0; i < sizeof HOW / sizeof HOW[0]; i++) {
        if (open_pool(b, HOW[i], 100, (decoder_spec){0}) != TD_OK)
            fail_msg("%s: %s", HOW[i], b->err.text);
        assert_int_equal(ask(b), TD_OK);
        check_others(b, 0);
        if (i == 0)
            assert_int_equal(b->contents[99].message->trades.trade_count, 30000);
        assert_int_equal(decoder_findings_total(decoder_pool_findings(b->pool)), 0);
    }
}

/* What cannot be started, or does not greet, is an error at once. */
static void test_start(void **state)
{
    bench *b = *state;
    static const struct {
        const char *how;
        td_result rc;
        const char *text, *hint;
    } CASES[] = {
        {"mute", TD_E_UNSUPPORTED,
         "it ended before it answered the greeting: exit status 1: no module named decoder",
         "try it by hand"},
        {"no_json", TD_E_UNSUPPORTED, "its first line is no JSON: hello", "try it by hand"},
        {"version", TD_E_UNSUPPORTED, "it speaks version 9 of the protocol, not 1", ""},
        {"form", TD_E_UNSUPPORTED, "\"input\" and \"reply\" are", ""},
        {"unable", TD_E_UNSUPPORTED, "no licence", ""},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        assert_int_equal(open_pool(b, CASES[i].how, 1, (decoder_spec){0}), CASES[i].rc);
        if (strstr(b->err.text, CASES[i].text) == NULL ||
            strstr(b->err.hint, CASES[i].hint) == NULL)
            fail_msg("%s: %s (%s)", CASES[i].how, b->err.text, b->err.hint);
    }
    static const struct {
        const char *command;
        td_result rc;
        const char *text;
    } COMMANDS[] = {
        {"/no/such/program x", TD_E_NOTFOUND, "cannot start '/no/such/program': no such program"},
        {"no-such-program-anywhere", TD_E_NOTFOUND, "no such program"},
        {"/", TD_E_IO, "cannot start '/'"},
        {"'open", TD_E_INVALID, "a quote without its end"},
        {"  ", TD_E_INVALID, "is no command"},
    };
    for (size_t i = 0; i < sizeof COMMANDS / sizeof COMMANDS[0]; i++) {
        const decoder_spec spec = {.command = COMMANDS[i].command};
        assert_int_equal(decoder_pool_open(&spec, &b->pool, &b->err), COMMANDS[i].rc);
        if (strstr(b->err.text, COMMANDS[i].text) == NULL)
            fail_msg("%s: %s", COMMANDS[i].command, b->err.text);
    }
}

/* One that answers nothing at all, much sooner. */
static void test_no_answer(void **state)
{
    bench *b = *state;
    for (unsigned i = 0; i < FRAMES; i++) {
        snprintf(b->texts[i], FRAME_BYTES, "{\"k\":7}");
        b->requests[i].bytes.size = 7;
    }
    assert_int_equal(open_pool(b, "exit", 7, (decoder_spec){0}), TD_OK);
    assert_int_equal(ask(b), TD_E_LIMIT);
    if (strcmp(b->err.text, "the decoder failed 21 times, and answered no frame; the last time at "
                            "a frame of f/trade/BTCUSD: crashed: exit status 3") != 0)
        fail_msg("%s", b->err.text);
    assert_non_null(strstr(b->err.hint, "(echo '{\"tapedeck\":1}'; cat FRAMES) | '"));
}

/* A process that ends after its last answer failed at no frame: neither at those that it answered
 * nor at those of the next call, though there may be only one of these. */
static void test_ends_between(void **state)
{
    bench *b = *state;
    static const size_t COUNTS[] = {FRAMES - 1, 1};
    for (size_t i = 0; i < sizeof COUNTS / sizeof COUNTS[0]; i++) {
        assert_int_equal(open_pool(b, "leave", FRAMES, (decoder_spec){0}), TD_OK);
        assert_int_equal(ask(b), TD_OK);
        const tape_decoding *decoding = decoder_pool_decoding(b->pool);
        memset(b->contents, 0, sizeof b->contents);
        if (decoding->read(decoding->ctx, b->requests, COUNTS[i], b->arena, b->contents, &b->err) !=
            TD_OK)
            fail_msg("%s", b->err.text);
        for (size_t k = 0; k < COUNTS[i]; k++)
            assert_non_null(b->contents[k].message);
        assert_int_equal(decoder_findings_total(decoder_pool_findings(b->pool)), 0);
        assert_int_equal(decoder_pool_restarts(b->pool), 1);
    }
}

static int is_set(const void *user)
{
    return *(const int *)user;
}

/* Nothing is waited for once the run is to end. */
static void test_stop(void **state)
{
    bench *b = *state;
    int is_stopping = 0;
    const decoder_spec spec = {
        .timeout_ns = UINT64_C(3600000000000), .is_stopping = is_set, .user = &is_stopping};
    assert_int_equal(open_pool(b, "hang", 1, spec), TD_OK);
    assert_false(decoder_pool_was_stopped(b->pool));
    is_stopping = 1;
    assert_int_equal(ask(b), TD_E_IO);
    assert_string_equal(b->err.text, "stopped before the end");
    assert_true(decoder_pool_was_stopped(b->pool));
    assert_int_equal(open_pool(b, "ok", 1, spec), TD_E_IO);
    assert_string_equal(b->err.text, "stopped before the end");
}

/* A decoder that fails at everything but the first frame ends the run. */
static void test_restarts(void **state)
{
    bench *b = *state;
    for (unsigned i = 1; i < FRAMES; i++)
        snprintf(b->texts[i], FRAME_BYTES, "{\"k\":7}");
    for (unsigned i = 1; i < FRAMES; i++)
        b->requests[i].bytes.size = 7;
    assert_int_equal(open_pool(b, "garbage", 7, (decoder_spec){0}), TD_OK);
    td_result rc = TD_OK;
    unsigned rounds = 0;
    for (; rc == TD_OK && rounds < 10; rounds++)
        rc = ask(b);
    assert_int_equal(rc, TD_E_LIMIT);
    assert_int_equal(rounds, LIMIT_DECODER_RESTARTS / FRAMES + 1);
    assert_non_null(strstr(b->err.text, "the decoder failed 1001 times; the last time at a frame "
                                        "of f/trade/BTCUSD: garbage: no JSON"));
    /* Those of the last round are in it, too. Of each round one restart is for finding out which
     * frame fails. */
    assert_int_equal(decoder_findings_count(decoder_pool_findings(b->pool), DECODE_GARBAGE),
                     LIMIT_DECODER_RESTARTS - rounds);
    size_t count = 0;
    (void)decoder_findings_list(decoder_pool_findings(b->pool), &count);
    assert_int_equal(count, LIMIT_DECODER_FINDINGS);
}

/* Frames of the lead-in, and those that are looked at again, are no findings. */
static void test_no_findings(void **state)
{
    bench *b = *state;
    b->requests[6].is_lead_in = 1;
    assert_int_equal(open_pool(b, "garbage", 7, (decoder_spec){0}), TD_OK);
    assert_int_equal(ask(b), TD_OK);
    assert_int_equal(b->contents[6].why.reason, DECODE_GARBAGE);
    assert_int_equal(decoder_findings_total(decoder_pool_findings(b->pool)), 0);
    b->requests[6].is_lead_in = 0;
    assert_int_equal(ask(b), TD_OK);
    assert_int_equal(decoder_findings_total(decoder_pool_findings(b->pool)), 1);
    decoder_findings_end(decoder_pool_findings(b->pool));
    assert_int_equal(ask(b), TD_OK);
    assert_int_equal(decoder_findings_total(decoder_pool_findings(b->pool)), 1);
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "decoder") == 0)
        return run_decoder(argv[2], strtoul(argv[3], NULL, 10));
    if (readlink("/proc/self/exe", own_path, sizeof own_path - 1) < 0)
        return 1;
#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_open, bench_close)
    const struct CMUnitTest tests[] = {
        TEST(test_pinned),      TEST(test_hang),      TEST(test_named_refusal), TEST(test_unstable),
        TEST(test_once),        TEST(test_amounts),   TEST(test_start),         TEST(test_restarts),
        TEST(test_no_findings), TEST(test_no_answer), TEST(test_ends_between),  TEST(test_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
