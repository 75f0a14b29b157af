/* Which frames of a ticker its state keeps: those with current values. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/limits.h"
#include "book/symbol_state.h"
#include "tests/testing/decode_fixture.h"

#define FAMILY "v5-linear"
#define TOPIC  "tickers.BTCUSDT"

/* Frames by their fields, in order: s: a snapshot with a, b and c; a, b, c, x (unknown): one field;
 * A: the same, after which the topic is broken; !: undecodable; |: a new connection. */
typedef struct script {
    const char *name, *frames;
    const char *kept; /* indexes of the kept frames */
    size_t since;     /* index of the first frame whose values count */
} script;

static const script SCRIPTS[] = {
    {"a snapshot is kept", "s", "0", 0},
    {"a delta is kept until its field comes again", "saaa", "03", 0},
    {"of each field the last", "sabacba", "0456", 0},
    {"the snapshot stays though all of its fields came", "sabc", "0123", 0},
    {"a snapshot replaces all", "sabsb", "34", 0},
    {"of unknown fields the last", "sxxaxa", "045", 0},
    {"a connection that begins without a snapshot", "sa|abb", "35", 0},
    {"where the topic breaks, values before do not count", "saBc", "0123", 2},
    {"a frame that cannot be decoded is not kept", "sa!b", "013", 2},
    {"with a snapshot they count", "sa!sb", "34", 0},
};

typedef struct ticker_fixture {
    decode_fixture *decoding;
    symbol_state *state;
    frame_conn conn;
    uint64_t place;
} ticker_fixture;

/* Applies the frame of a letter. A falling sequence number breaks the topic. */
static void apply(ticker_fixture *f, char letter)
{
    char text[512];
    const char *keys[] = {['a'] = "\"lastPrice\":\"1\"",
                          ['b'] = "\"bid1Price\":\"2\"",
                          ['c'] = "\"fundingRate\":\"\"",
                          ['s'] = "\"lastPrice\":\"1\",\"bid1Price\":\"2\",\"fundingRate\":\"0\"",
                          ['x'] = "\"isNew\":1"};
    int breaks = letter < 'a' && letter != '!';
    char fields = (char)(breaks ? letter + ('a' - 'A') : letter);
    (void)snprintf(text, sizeof text,
                   "{\"topic\":\"" TOPIC "\",\"type\":\"%s\",\"data\":{\"symbol\":\"BTCUSDT\",%s},"
                   "\"cs\":%u,\"ts\":1700000000000}",
                   letter == 's' ? "snapshot" : "delta", letter == '!' ? "!" : keys[(int)fields],
                   breaks ? 1 : (unsigned)f->place + 10);
    message decoded;
    decode_error why;
    const topic_match topic = decode_fixture_match(FAMILY, TOPIC);
    int is_decoded = decode_fixture_text(f->decoding, FAMILY, TOPIC, text, &decoded, &why);
    assert_int_equal(is_decoded, letter != '!');
    const frame_ref frame = {.recv_ns = f->place++,
                             .conn = &f->conn,
                             .row = topic.row,
                             .bytes = td_bytes_str(text),
                             .content = {.message = is_decoded ? &decoded : NULL}};
    symbol_verdict found;
    symbol_topic_apply(symbol_state_topic(f->state, td_bytes_str("tickers"), 0), &frame, &found);
}

static ticker_fixture play(decode_fixture *decoding, const char *frames)
{
    ticker_fixture f = {decoding, symbol_state_open(SYMBOL_WITH_AUDITS), {.number = 1}, 0};
    for (; *frames != '\0'; frames++) {
        if (*frames != '|')
            apply(&f, *frames);
        f.conn.number += *frames == '|';
        f.place += *frames == '|';
    }
    return f;
}

static void save(ticker_fixture *f, td_buf *out)
{
    assert_int_equal(symbol_state_save(f->state, out, NULL), TD_OK);
}

static const ticker_frames *kept(const symbol_state *state)
{
    return symbol_topic_ticker(symbol_state_topic_at(state, 0));
}

static void test_scripts(void **state)
{
    td_buf saved;
    td_buf_init(&saved, LIMIT_STATE_BYTES);
    for (size_t i = 0; i < sizeof SCRIPTS / sizeof SCRIPTS[0]; i++) {
        const script *s = &SCRIPTS[i];
        ticker_fixture f = play(*state, s->frames);
        char places[64] = "";
        save(&f, &saved);
        const ticker_frames *frames = kept(f.state);
        for (size_t k = 0; k < frames->count; k++)
            places[k] = (char)('0' + frames->frames[k].recv_ns);
        if (strcmp(places, s->kept) != 0 || frames->since_ns != s->since)
            fail_msg("%s: kept %s, counting from %d", s->name, places, (int)frames->since_ns);
        symbol_state_close(f.state);
    }
    td_buf_fini(&saved);
}

/* Adds a frame of a fifth of the limit with one field. */
static void add_large(ticker_frames *frames, uint64_t fields, int is_snapshot)
{
    static const uint8_t LARGE[LIMIT_TICKER_BYTES / 5];
    const msg_item item = {.fields = fields};
    const message decoded = {.record = {.items = &item, .item_count = 1}};
    const frame_ref frame = {.row = frames->row,
                             .bytes = td_bytes_of(LARGE, sizeof LARGE),
                             .content = {.message = &decoded}};
    ticker_frames_add(frames, &frame, is_snapshot);
}

/* Frames that are not replaced fill the space; then all are dropped until the next snapshot. */
static void test_bound(void **state)
{
    (void)state;
    ticker_frames *frames = ticker_frames_open(decode_fixture_match(FAMILY, TOPIC).row);
    for (int i = 0; i < 100; i++)
        add_large(frames, 1, i == 0);
    assert_true(frames->is_whole);
    for (unsigned bit = 0; bit < 5; bit++)
        add_large(frames, UINT64_C(2) << bit, 0);
    assert_true(!frames->is_whole && frames->count == 0);
    add_large(frames, 1, 0);
    assert_int_equal(frames->count, 0);
    add_large(frames, 1, 1);
    assert_true(frames->is_whole && frames->count == 1);
    ticker_frames_close(frames);
}

/* States from older versions lack ticker frames; the rest is the same. */
static void test_version_1_is_read(void **state)
{
    td_buf saved, part, older;
    symbol_state *loaded = NULL;
    ticker_fixture f = play(*state, "sab");
    td_buf_init(&saved, LIMIT_STATE_BYTES);
    td_buf_init(&part, LIMIT_STATE_BYTES);
    td_buf_init(&older, LIMIT_STATE_BYTES);
    save(&f, &saved);
    assert_int_equal(symbol_state_load(td_buf_view(&saved), SYMBOL_WITH_AUDITS, &loaded, NULL),
                     TD_OK);
    assert_true(symbol_state_has_tickers(loaded));
    assert_int_equal(kept(loaded)->count, 3);
    symbol_state_close(loaded);

    state_io io = {.out = &part};
    ticker_frames copy = *kept(f.state);
    ticker_frames_serialize(&copy, &io);
    const uint8_t *at = memmem(saved.data, saved.size, part.data, part.size);
    assert_non_null(at);
    td_buf_add(&older, saved.data, (size_t)(at - saved.data));
    td_buf_add(&older, at + part.size, (size_t)(saved.data + saved.size - at) - part.size);
    older.data[0] = 1;
    assert_int_equal(symbol_state_load(td_buf_view(&older), SYMBOL_WITH_AUDITS, &loaded, NULL),
                     TD_OK);
    assert_null(kept(loaded));
    assert_false(symbol_state_has_tickers(loaded));
    const track *of = symbol_topic_track(symbol_state_topic_at(loaded, 0));
    assert_true(track_has_snapshot(of) && !track_is_broken(of));
    symbol_state_close(loaded);
    symbol_state_close(f.state);
    td_buf_fini(&saved);
    td_buf_fini(&part);
    td_buf_fini(&older);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_scripts, decode_fixture_open, decode_fixture_close),
        cmocka_unit_test(test_bound),
        cmocka_unit_test_setup_teardown(test_version_1_is_read, decode_fixture_open,
                                        decode_fixture_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
