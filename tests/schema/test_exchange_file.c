/* Documents of exchanges: what is read of the programs' own is tested by the tests of dialects and
 * of classification; here, each mistake is refused, with its line and what was probably meant. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/buf.h"
#include "schema/dialect.h"
#include "schema/exchange_file.h"
#include "schema/family_texts.h"

/* The document is right if `is` is replaced by `instead`; the error is on its line. */
typedef struct mistake {
    const char *is, *instead, *words, *hint;
} mistake;

static const mistake MISTAKES[] = {
    {"exchange: bybit", "exchanges: bybit", "an exchange has no key 'exchanges'", "'exchange'"},
    {"exchange: bybit", "exchange: ../bybit", "an exchange's name has letters, digits, '-'", ""},
    {"connects: 500 per 300 s", "connects: 500", "a limit is \"COUNT per SECONDS s\"", ""},
    {"connects: 500 per 300 s", "connects: 500 per 0 s", "a limit is \"COUNT per SECONDS s\"", ""},
    {"connects: 500 per 300 s", "connects: 10 per 300 s", "at least 128 connections", ""},
    {"  delta: [delta", "  change: [delta", "kinds has no key 'change'", "snapshot, delta"},
    {"  delta: [delta, CHANGE, False, false]", "  delta: []", "a list of texts is expected", ""},
    {"  delta: [delta, CHANGE, False, false]", "  delta: [a, b, c, d, e, f, g, h]",
     "at most 12 words", ""},
    {"  delta: [delta, CHANGE, False, false]",
     "  delta: [aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa]",
     "a word of a kind has at most 63 bytes", ""},
    {"  event: e\n", "  event: e\n  counter: n\n  list: [a, b*]\n",
     "frames that are lists have no counter", ""},
    {"  event: e\n", "  event: e\n  counter: data.n\n",
     "the counter is a key of the frame itself, not 'data.n'", ""},
    {"  event: e\n", "  events: e\n", "frames has no key 'events'", "'event'"},
    {"  topic: topic\n", "  topic: topic_and_more\n", "a key has 1 to 12 bytes", ""},
    {"  success: [", "  succes: [", "control has no key 'succes'", "'success'"},
    {"    - op pong pong", "    - op pong", "a rule is \"KEY TEXT CLASS ...\", not 'op pong'", ""},
    {"    - op pong pong", "    - op pong pang", "there is no class 'pang'",
     "ack, auth, ping, pong, error"},
    {"    - op pong pong", "    - op pong pong form x", "a rule has no property 'form'", "or, of"},
    {"    - op pong pong", "    - op pong pong of", "a word is missing at the end", ""},
    {"    - op pong pong", "    - type * pong", "rules for the shared key have a text", ""},
    {"raw_topics: [rfq., earn.]", "raw_topics: rfq.", "a list of texts is expected", ""},
    {"raw_topics: [rfq., earn.]", "ends: [{when: [a b c], frame: x}]",
     "a word of an announced end is \"PATH TEXT\", not 'a b c'", ""},
    {"raw_topics: [rfq., earn.]", "ends: [{when: [a], frame: x}]", "a word of an announced end is",
     ""},
    {"raw_topics: [rfq., earn.]", "ends: [{when: [], frame: x}]", "1 to 4 words", ""},
    {"raw_topics: [rfq., earn.]", "ends: [{when: [a b, a b, a b, a b, a b], frame: x}]",
     "1 to 4 words", ""},
    {"raw_topics: [rfq., earn.]", "ends: [{when: [a b]}]", "an announced end needs 'frame'", ""},
    {"raw_topics: [rfq., earn.]", "ends: [{frame: x}]", "an announced end needs 'when'", ""},
    {"raw_topics: [rfq., earn.]", "ends: [{if: [a b], frame: x}]",
     "an announced end has no key 'if'", "when, frame"},
    {"raw_topics: [rfq., earn.]", "ends: []", "1 to 8 announced ends", ""},
    {"raw_topics: [rfq., earn.]", "ends: [{when: [a b], frame: '{\"a\":\"c\"}'}]",
     "an announced end's frame has the words of when", ""},
    {"raw_topics: [rfq., earn.]", "ends: [{when: [a b, c d], frame: '{\"a\":\"b\"}'}]",
     "an announced end's frame has the words of when", ""},
    {"raw_topics: [rfq., earn.]", "ends: [{when: [a b], frame: b}]",
     "an announced end's frame has the words of when", ""},
    {"raw_topics: [rfq., earn.]", "topic_keys_of: [\"a b\"]", "the exchange has no 'topic_keys'",
     ""},
    {"raw_topics: [rfq., earn.]", "topic_keys: [a, b]\ntopic_keys_of: [a]",
     "a topic's keys are \"NAME KEY [KEY...]\", not 'a'", ""},
    {"  side: [Buy", "  sides: [Buy", "there is no meaning 'sides'", ""},
    {"  side: [Buy", "  side opened: [Buy", "texts are of \"MEANING [open] [in FAMILY]\"", ""},
    {"  smp_type: [", "  side in v5-spot: [", "texts of a family precede the common ones", ""},
    {"    - lotSize spread", "    - lotSize", "a sign is \"MEMBER CATEGORY", ""},
    {"    - lotSize spread", "    - \"* spread\"", "only the last sign is *", ""},
    {"    alias: alias", "    alias: a[k]b", "a member of a list is \"LIST[KEY=TEXT].MEMBER\"", ""},
    {"    alias: alias", "    alias: \"a[k=t\"", "a member of a list is", ""},
    {"    alias: alias", "    alias: \"a[k]\"", "a member of a list is", ""},
    {"instruments:\n  lists: [list, dataList]\n  category: category\n  page: nextPageCursor\n",
     "instruments:\n  lists: [list, dataList]\n", "page_query if page", ""},
    {"    alias: alias", "    aliases: alias", "an instrument has no key 'aliases'", "'alias'"},
    {"  traded: [", "  trading: [", "instruments has no key 'trading'", "traded"},
    {"    - kline params.klineType kline_", "    - kline", "a parameter is \"TOPIC PATH", ""},
    {"  ids: [req_id, id]\n  reasons", "  id: [req_id, id]\n  reasons", "answers has no key 'id'",
     "'ids'"},
    {"reason_topics: [\"topic:* needs", "reason_topics: [\"topic: needs",
     "a reason with a topic has * in place of it", ""},
    {"    ping_s: 20", "    ping_s: 0", "1 to 3600 seconds", ""},
    {"    covers: lists", "    covers: list", "there is no form of subscriptions 'list'",
     "'lists'"},
    {"    properties: credentials_in_url", "    properties: credentials",
     "a dialect has no property 'credentials'", "answers_topics"},
    {"    signed: \"GET/realtime{expires}\"", "    signed: GET/realtime",
     "what is signed has {expires}", ""},
    {"      topics: '{\"op\":$op,\"args\":$topics}'\n      auth",
     "      topics: '{\"op\":$op,\"args\":$topix}'\n      auth", "there is no value 'topix'",
     "'topic'"},
    {"  v3:\n    like: op\n    covers: same\n",
     "  v9:\n    like: op\n    ask:\n      topics: '{\"a\":$topic}'\n      auth: '{}'\n"
     "      ping: '{}'\n  v3:\n    like: op\n    covers: same\n",
     "$topic needs ask_topics_max: 1: 'v9'", ""},
    {"      ping: '{\"op\":\"ping\"}'", "      ping: '{\"op\":$op}'", "there is no value 'op'",
     "now_ms"},
    {"      topics: '{~(\"req_id\":$id,)", "      topics: '{~(\"req_id\":$id,",
     "')' expected before ''", ""},
    {"      topics: '{~(\"req_id\":$id,)", "      topics: '{~(~(~(~(~(\"req_id\":$id,)))))",
     "more than 4 brackets, one in the other", ""},
    {"  begins: '{\"topic\":\"'\n", "  begins: '['\n  list: [a, b*, c*]\n",
     "names have letters, digits and '_', and one ends with '*' or '*(KEY)', not 'c*'", ""},
    {"  begins: '{\"topic\":\"'\n", "  begins: '['\n  list: [a, b*(]\n", "or '*(KEY)', not 'b*('",
     ""},
    {"  begins: '{\"topic\":\"'\n", "  begins: '['\n  list: [a, b*()]\n", "or '*(KEY)', not 'b*()'",
     ""},
    {"  begins: '{\"topic\":\"'\n", "  begins: '['\n  list: [a, b*(i.d)]\n",
     "or '*(KEY)', not 'b*(i.d)'", ""},
    {"    lists: [args]\n", "    frame_list: [a, b]\n", "one of the names ends with", ""},
    {"  begins: '{\"topic\":\"'\n", "  begins: '['\n  list: [a, b]\n", "one of the names ends with",
     ""},
    {"  begins: '{\"topic\":\"'\n", "  begins: '['\n  list: [a*]\n", "2 to 8 names are expected",
     ""},
    {"  begins: '{\"topic\":\"'\n", "  begins: '['\n  list: [\"a\\\"\", b*]\n",
     "names have letters, digits", ""},
    {"  main: https://api.bybit.com\n", "  main: https://api.bybit.com/v5\n",
     "https:// and a host are expected, not 'https://api.bybit.com/v5'", ""},
    {"  ccxt v5-:\n", "  ccxt v5- v3-:\n",
     "a preset is \"LIBRARY [BEGINNING]\", not 'ccxt v5- v3-'", ""},
    {"[time=/v2/public/time]", "[time]", "a request is \"NAME=/path\", not 'time'", ""},
    {"    covers: same\n", "    covers: same\n    spelling: \"{name}\"\n", "a spelling is", ""},
    {"      - op auth auth", "      - op auth", "a request is \"KEY TEXT REQUEST [second]\"", ""},
    {"      - op auth auth", "      - op auth login", "there is no request 'login'", "subscribe"},
    {"      - op auth auth", "      - op auth auth third", "a request has no property \'third\'",
     "second"},
    {"      ping granted: >-", "      ping grant: >-", "answers have no condition 'grant'",
     "'granted'"},
    {"      ping granted: >-", "      granted: >-", "an answer is to any, or to requests", ""},
    {"      bad_key: error", "      bad_keys: error", "there is no refusal 'bad_keys'",
     "'bad_key'"},
    {"    like: op\n    covers: same\n    properties: refuses_repeats escapes_for_html\n",
     "    like: opp\n    covers: same\n", "no dialect before this one is 'opp'", ""},
    {"    lists: [args]\n", "    list: [args]\n", "a dialect has no key 'list'", "'lists'"},
    {"  op:\n    ping_s: 20", "  op:\n    # none",
     "a dialect needs ping_s, and a ping in ask: 'op'", ""},
    {"  v3:\n    like: op\n    covers: same", "  v3:\n    like: op\n    covers: all",
     "topics are asked for, or authentication subscribes to all of them: 'v3'", ""},
    {"  v3:\n    like: op", "  v3:\n    like: op\n    signed: \"\"",
     "auth in ask and signed belong together: 'v3'", ""},
    {"  spot-v2:\n    like: spot\n    properties: parts",
     "  spot-v2:\n    like: spot\n    properties:", "need the property parts: 'spot-v2'", ""},
    {"  spot-v2:\n    like: spot\n    properties: parts echoes_topics names_symbols\n"
     "    ask_topics_max: 1\n",
     "  spot-v2:\n    like: spot\n    properties: parts echoes_topics names_symbols\n"
     "    ask_topics_max: 2\n",
     "parts need symbol_lists, or ask_topics_max: 1: 'spot-v2'", ""},
};

static td_bytes document_of_bybit(void)
{
    for (size_t i = 0; i < FAMILY_TEXT_COUNT; i++)
        if (strcmp(FAMILY_TEXTS[i].name, "bybit.exchange") == 0)
            return td_bytes_of(FAMILY_TEXTS[i].data, FAMILY_TEXTS[i].size);
    fail_msg("no document");
    return (td_bytes){0};
}

/* Write the document with another text in place of one. Returns the line of the change. */
static size_t write_text(const mistake *m, td_buf *out)
{
    const td_bytes text = document_of_bybit();
    const uint8_t *at = memmem(text.data, text.size, m->is, strlen(m->is));
    size_t line = 1;
    if (at == NULL) {
        fail_msg("the document has no '%s'", m->is);
        return 0;
    }
    for (const uint8_t *c = text.data; c < at; c++)
        line += *c == '\n';
    const size_t before = (size_t)(at - text.data), after = before + strlen(m->is);
    td_buf_clear(out);
    td_buf_add(out, text.data, before);
    td_buf_add(out, m->instead, strlen(m->instead));
    td_buf_add(out, text.data + after, text.size - after);
    return line;
}

static void test_mistakes(void **state)
{
    (void)state;
    enum { LINES_OF_A_CHANGE = 4 };
    td_buf text;
    td_buf_init(&text, 1 << 20);
    for (size_t i = 0; i < sizeof MISTAKES / sizeof MISTAKES[0]; i++) {
        const mistake *m = &MISTAKES[i];
        td_arena *memory = td_arena_open();
        exchange_row made;
        td_err err = {0};
        const size_t line = write_text(m, &text);
        if (exchange_file_read("made", td_buf_view(&text), DOCUMENT_GIVEN, memory, &made, &err) ==
            TD_OK)
            fail_msg("'%s' is accepted", m->instead);
        if (strstr(err.text, m->words) == NULL)
            fail_msg("'%s': the error is '%s'", m->instead, err.text);
        if (strstr(err.hint, m->hint) == NULL)
            fail_msg("'%s': the hint is '%s'", m->instead, err.hint);
        assert_memory_equal(err.text, "made.yaml:", strlen("made.yaml:"));
        const unsigned long found = strtoul(err.text + strlen("made.yaml:"), NULL, 10);
        if (found < line || found > line + LINES_OF_A_CHANGE)
            fail_msg("'%s': not line %zu: '%s'", m->instead, line, err.text);
        td_arena_close(memory);
    }
    td_buf_fini(&text);
}

/* What earlier versions ignored is refused in a document that is given, but not in an archive's. */
static void test_ignored_before(void **state)
{
    (void)state;
    static const mistake ROWS[] = {
        {"parts:\n", "parts:\n  symbol: symbol\n", "parts has no key 'symbol'", "'symbols'"},
        {"    kline: [1m, 3m, 5m, 15m, 30m, 1h, 2h, 4h, 6h, 12h, 1d, 1w, 1M]", "    []",
         "a mapping is expected, not ''", ""},
        {"    kline: [1m, 3m", "    klines: [1m, 3m", "no parameter has the topic 'klines'", ""},
    };
    td_buf text;
    td_buf_init(&text, 1 << 20);
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        td_arena *memory = td_arena_open();
        exchange_row made;
        td_err err = {0};
        (void)write_text(&ROWS[i], &text);
        assert_int_equal(
            exchange_file_read("made", td_buf_view(&text), DOCUMENT_GIVEN, memory, &made, &err),
            TD_E_INVALID);
        if (strstr(err.text, ROWS[i].words) == NULL || strstr(err.hint, ROWS[i].hint) == NULL)
            fail_msg("'%s': the error is '%s' (%s)", ROWS[i].instead, err.text, err.hint);
        assert_int_equal(
            exchange_file_read("made", td_buf_view(&text), DOCUMENT_KEPT, memory, &made, &err),
            TD_OK);
        assert_int_equal(made.parts->parameter_count, 2);
        td_arena_close(memory);
    }
    td_buf_fini(&text);
}

/* Each of its keys is needed, or may be absent. */
static void test_what_is_needed(void **state)
{
    (void)state;
    static const struct {
        const char *text, *words;
    } ROWS[] = {
        {"", "an exchange needs 'exchange'"},
        {"exchange: x\n", "an exchange needs 'connects'"},
        {"exchange: x\nconnects: 500 per 1 s\n", "an exchange needs 'frames'"},
        {"exchange: x\nconnects: 500 per 1 s\nframes: {topic: t, data: d, begins: x}\n",
         "an exchange needs 'control'"},
        {"exchange: x\nconnects: 500 per 1 s\nframes: {topic: t, begins: x}\n"
         "control: {rules: [a b ack]}\ndialects: {}\n",
         "frames needs 'data'"},
        {"exchange: x\nconnects: 500 per 1 s\nframes: {topic: t, data: d, event: e, begins: x}\n"
         "control: {rules: [a b ack]}\ndialects: {}\n",
         "events need both event and event_time"},
        {"exchange: x\nconnects: 500 per 1 s\nframes: {topic: t, data: d, begins: x}\n"
         "control: {rules: [a b ack]}\ndialects: {}\n",
         "1 to 32 dialects"},
        {"exchange: x\nconnects: 500 per 1 s\nframes: {topic: t, data: d, begins: x}\n"
         "control: {rules: [a * ack by b]}\ndialects: {}\n",
         "control needs success and failure for"},
        {"exchange: x\nconnects: 500 per 1 s\nframes: {topic: t, data: d, begins: x}\n"
         "control: {rules: [a * ack]}\ninstruments: {lists: [a]}\ndialects: {}\n",
         "instruments needs 'signs'"},
        {"exchange: x\nconnects: 500 per 1 s\nframes: {topic: t, data: d, begins: x}\n"
         "control: {rules: [a * ack]}\ndialects: {d: {ping_s: 1, ask: {topics: $topics, ping: p},\n"
         "  requests: [a b ping], replies: {any: x}, refusals: {none: x}}}\n",
         "refusals need other, or all of them"},
        {"exchange: x\nconnects: 500 per 1 s\nframes: {topic: t, data: d, begins: x}\n"
         "control: {rules: [a * ack]}\ndialects: {d: {ping_s: 1, ask: {topics: $topics, ping: p},\n"
         "  requests: [a b ping], replies: {any: x}, refusals: {no_money linear: x}}}\n",
         "a refusal is \"NAME [spot]\", not 'no_money linear'"},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        td_arena *memory = td_arena_open();
        exchange_row made;
        td_err err = {0};
        assert_int_equal(exchange_file_read("made", td_bytes_str(ROWS[i].text), DOCUMENT_GIVEN,
                                            memory, &made, &err),
                         TD_E_INVALID);
        if (strstr(err.text, ROWS[i].words) == NULL)
            fail_msg("%s: the error is '%s'", ROWS[i].text, err.text);
        td_arena_close(memory);
    }
}

/* The smallest exchange. */
static void test_a_small_one(void **state)
{
    (void)state;
    static const char TEXT[] =
        "exchange: x\nconnects: 500 per 1 s\nframes: {topic: t, data: d, begins: x}\n"
        "control: {rules: [a * ack]}\ndialects: {d: {ping_s: 1, ask: {topics: $topics, ping: p},\n"
        "  requests: [a b ping], replies: {any: x},\n"
        "  refusals: {other: 7 no, no_money spot: 8 poor, expired: \"- late\", too_many: 007 many, "
        "repeated: -5 "
        "again}}}\n";
    td_arena *memory = td_arena_open();
    exchange_row made;
    td_err err = {0};
    if (exchange_file_read("made", td_bytes_str(TEXT), DOCUMENT_GIVEN, memory, &made, &err) !=
        TD_OK)
        fail_msg("%s", err.text);
    assert_string_equal(made.name, "x");
    assert_int_equal(made.dialect_count, 1);
    assert_string_equal(made.dialects[0].refusals[REFUSAL_BAD_KEY].code, "7");
    assert_string_equal(made.dialects[0].refusals[REFUSAL_BAD_KEY].text, "no");
    /* Only a number of JSON is a code. */
    assert_null(made.dialects[0].refusals[REFUSAL_EXPIRED].code);
    assert_string_equal(made.dialects[0].refusals[REFUSAL_EXPIRED].text, "- late");
    assert_null(made.dialects[0].refusals[REFUSAL_TOO_MANY].code);
    assert_string_equal(made.dialects[0].refusals[REFUSAL_REPEATED].code, "-5");
    assert_string_equal(made.dialects[0].refusals[REFUSAL_NONE].text, "");
    assert_string_equal(made.dialects[0].refusals[REFUSAL_NO_MONEY].text, "no");
    assert_string_equal(made.dialects[0].spot_refusals[REFUSAL_NO_MONEY].code, "8");
    assert_null(made.dialects[0].spot_refusals[REFUSAL_NO_ORDER].text);
    assert_true(made.dialects[0].covers == dialect_covers_same);
    assert_null(made.instruments);
    assert_null(made.other_hosts[0]);
    td_arena_close(memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mistakes),
        cmocka_unit_test(test_ignored_before),
        cmocka_unit_test(test_what_is_needed),
        cmocka_unit_test(test_a_small_one),
    };
    return cmocka_run_group_tests_name("schema/exchange_file", tests, NULL, NULL);
}
