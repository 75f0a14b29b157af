/* Overload as described in docs/design.md ("Overload"). Expected values: the test's own counts of
 * the frames it feeds, with its own topics and sizes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "recorder/pipeline/intake.h"

enum { BIG_FRAME_BYTES = 1 << 20, EVENTS_MAX = 64 };

typedef struct fixture {
    td_ring *ring;
    pipeline_config *config;
    intake *intake;
    intake_slot slot;
    char *big; /* a data frame of BIG_FRAME_BYTES */
    uint64_t mono_ns;
    int pauses, resumes;
    /* read back from the ring */
    uint64_t frames_read, last_ordinal, last_recv_ns, holes;
    event_kind kinds[EVENTS_MAX];
    char states[EVENTS_MAX][32];
    size_t event_count;
    uint64_t gap_frames, gap_count;
    uint64_t gap_from_ns, gap_to_ns; /* of the last gap */
    event clock;                     /* with the numbers of the last clock event */
} fixture;

static uint64_t fake_wall(void *ctx)
{
    return ((fixture *)ctx)->mono_ns + UINT64_C(1600000000) * TD_NS_PER_S;
}

static uint64_t fake_mono(void *ctx)
{
    return ((fixture *)ctx)->mono_ns;
}

static void fake_sleep(void *ctx, uint64_t mono_ns)
{
    ((fixture *)ctx)->mono_ns = mono_ns;
}

static const td_clock_ops FAKE_CLOCK = {
    .wall_ns = fake_wall, .mono_ns = fake_mono, .boot_ns = fake_mono, .sleep_until = fake_sleep};

static void on_pause(void *user)
{
    ((fixture *)user)->pauses++;
}

static void on_resume(void *user)
{
    ((fixture *)user)->resumes++;
}

/* Events for all feeds are for feeds that have begun. */
static void begin_feed(fixture *f)
{
    const event begins = {.kind = EVENT_SESSION, .state = "starts"};
    intake_event(f->intake, 0, &begins);
    assert_non_null(td_ring_peek(f->ring).data);
    td_ring_release(f->ring);
}

static void open_fixture(fixture *f, overload_mode mode)
{
    memset(f, 0, sizeof *f);
    f->config = td_alloc(sizeof *f->config);
    pipeline_config_init(f->config);
    f->config->feeds[0].name = "inverse";
    f->config->feeds[0].family = family_find(td_bytes_str("inverse"));
    f->config->feed_count = 1;
    f->config->overload = mode;
    f->slot.conn = 1;
    f->slot.complete_ns = UINT64_C(1600000000) * TD_NS_PER_S;
    f->mono_ns = TD_NS_PER_S;
    f->big = td_alloc(BIG_FRAME_BYTES);
    memset(f->big, ' ', BIG_FRAME_BYTES);
    assert_int_equal(td_ring_open(LIMIT_RING_BYTES, &f->ring, NULL), TD_OK);
    intake_options options = {.ring = f->ring,
                              .clock = {.ops = &FAKE_CLOCK, .ctx = f},
                              .config = f->config,
                              .pause = on_pause,
                              .resume = on_resume,
                              .user = f};
    f->intake = intake_open(&options);
    begin_feed(f);
}

static void close_fixture(fixture *f)
{
    intake_close(f->intake);
    td_ring_close(f->ring);
    td_free(f->big);
    td_free(f->config);
}

static void put(fixture *f, td_bytes frame)
{
    f->mono_ns += TD_NS_PER_MS;
    intake_frame(f->intake, &f->slot, CHANNEL_IN,
                 &(ws_message){.opcode = OPCODE_TEXT, .bytes = frame, .mono_ns = f->mono_ns});
}

static uint64_t put_at(fixture *f, intake_slot *slot, channel_dir dir, uint64_t mono_ns)
{
    return intake_frame(
        f->intake, slot, dir,
        &(ws_message){.opcode = OPCODE_TEXT, .bytes = td_bytes_str("{}"), .mono_ns = mono_ns});
}

static void put_big(fixture *f)
{
    put(f, td_bytes_of(f->big, BIG_FRAME_BYTES));
}

static void read_event(fixture *f, const event *found)
{
    assert_true(f->event_count < EVENTS_MAX);
    f->kinds[f->event_count] = found->kind;
    snprintf(f->states[f->event_count++], 32, "%s", found->state == NULL ? "" : found->state);
    if (found->kind == EVENT_CLOCK)
        f->clock = *found;
    if (found->kind != EVENT_GAP)
        return;
    assert_int_equal(found->gap.reason, GAP_OVERLOAD);
    assert_true(found->gap.to_ns >= found->gap.from_ns && found->gap.from_ns > 0);
    f->gap_from_ns = found->gap.from_ns;
    f->gap_to_ns = found->gap.to_ns;
    f->gap_count++;
    f->gap_frames += found->gap.frames_lost;
}

/* Reads at most count records from the ring. */
static void drain(fixture *f, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        td_bytes view = td_ring_peek(f->ring);
        if (view.data == NULL)
            return;
        intake_record record;
        memcpy(&record, view.data, sizeof record);
        assert_true(view.size >= sizeof record + record.frame.bytes.size);
        if (record.kind == INTAKE_FRAME) {
            assert_ptr_equal(record.frame.bytes.data, view.data + sizeof record);
            assert_true(record.frame.recv_ns > f->last_recv_ns);
            f->holes += record.frame.ordinal - f->last_ordinal - 1;
            f->last_ordinal = record.frame.ordinal;
            f->frames_read++;
        } else if (record.kind == INTAKE_EVENT) {
            read_event(f, record.event);
        }
        if (record.kind == INTAKE_FRAME || record.kind == INTAKE_EVENT)
            f->last_recv_ns = record.frame.recv_ns;
        td_ring_release(f->ring);
    }
}

static void frames_are_stamped_and_counted(void **state)
{
    (void)state;
    fixture f;
    open_fixture(&f, OVERLOAD_PAUSE);
    uint64_t last_ns = 0;
    for (int i = 0; i < 100; i++) {
        /* Two frames at one time, and one from the past: receive times rise nevertheless. */
        uint64_t mono_ns = i % 3 == 0 ? f.mono_ns : f.mono_ns - 5;
        uint64_t at_ns = put_at(&f, &f.slot, CHANNEL_IN, mono_ns);
        assert_true(at_ns > last_ns);
        last_ns = at_ns;
    }
    assert_int_equal(f.slot.in, 100);
    drain(&f, 1000);
    assert_int_equal(f.frames_read, 100);
    assert_int_equal(f.holes, 0);
    close_fixture(&f);
}

static void a_full_ring_pauses_the_sockets_and_loses_nothing(void **state)
{
    (void)state;
    fixture f;
    open_fixture(&f, OVERLOAD_PAUSE);
    int put_count = 0;
    while (f.pauses == 0 && put_count < 100) {
        put_big(&f);
        put_count++;
    }
    /* Reading was paused while the largest frame still fits. */
    assert_true(td_ring_used_bytes(f.ring) + LIMIT_FRAME_BYTES < td_ring_capacity_bytes(f.ring));
    /* Bytes that were read from sockets before are kept. */
    put_big(&f);
    put_count++;
    intake_tick(f.intake);
    assert_int_equal(f.resumes, 0);
    drain(&f, 1000);
    intake_tick(f.intake);
    assert_int_equal(f.pauses, 1);
    assert_int_equal(f.resumes, 1);
    drain(&f, 1000);
    assert_int_equal(f.frames_read, put_count);
    assert_int_equal(f.holes, 0);
    assert_int_equal(f.event_count, 2);
    assert_string_equal(f.states[0], "begins");
    assert_string_equal(f.states[1], "ends");
    intake_stats stats;
    intake_get_stats(f.intake, &stats);
    assert_int_equal(stats.frames_dropped, 0);
    close_fixture(&f);
}

static void put_topic(fixture *f, const char *topic)
{
    char frame[256];
    int length = snprintf(frame, sizeof frame, "{\"topic\":\"%s\",\"data\":[]}", topic);
    put(f, td_bytes_of(frame, (size_t)length));
}

/* Gaps begin where the connection was last complete, not at the first dropped frame. Gaps of
 * another overload begin later, or the ledger would merge the two. */
static void what_is_dropped_is_missing_since_the_connection_was_complete(void **state)
{
    (void)state;
    fixture f;
    open_fixture(&f, OVERLOAD_DROP);
    for (uint64_t round = 0; round < 2; round++) {
        while (td_ring_used_bytes(f.ring) + LIMIT_FRAME_BYTES + ((size_t)2 << 20) <
               td_ring_capacity_bytes(f.ring))
            put_big(&f);
        put_topic(&f, "trade.BTCUSD");
        drain(&f, 1000);
        put_topic(&f, "trade.BTCUSD");
        drain(&f, 1000);
        assert_int_equal(f.gap_count, round + 1);
        assert_int_equal(f.gap_from_ns, f.slot.complete_ns + round);
        assert_true(f.gap_to_ns > f.gap_from_ns + TD_NS_PER_MS);
    }
    close_fixture(&f);
}

static void what_is_dropped_is_counted_by_connection(void **state)
{
    (void)state;
    fixture f;
    intake_slot other = {.shard = 1, .conn = 4, .complete_ns = 5};
    open_fixture(&f, OVERLOAD_DROP);
    int put_count = 0;
    while (td_ring_used_bytes(f.ring) + LIMIT_FRAME_BYTES + ((size_t)2 << 20) <
           td_ring_capacity_bytes(f.ring)) {
        put_big(&f);
        put_count++;
    }
    /* The frame that started the overload was kept; further frames are dropped. */
    for (int i = 0; i < 7; i++)
        put_topic(&f, "trade.BTCUSD");
    put_at(&f, &other, CHANNEL_IN, f.mono_ns);
    put_at(&f, &other, CHANNEL_OUT, f.mono_ns);
    drain(&f, 1000);
    intake_closed(f.intake, &other); /* its row need not wait for space in the ring */
    drain(&f, 1000);
    assert_int_equal(f.gap_count, 1);
    assert_int_equal(f.gap_frames, 2);
    assert_int_equal(f.gap_from_ns, 5);
    put_topic(&f, "trade.BTCUSD"); /* the ring is empty: kept, after the gaps' rows */
    drain(&f, 1000);
    assert_int_equal(f.frames_read, put_count + 1);
    assert_int_equal(f.holes, 7);
    assert_int_equal(f.gap_frames, 9);
    assert_int_equal(f.gap_count, 2);
    assert_int_equal(f.pauses, 0);
    close_fixture(&f);
}

static void a_pause_that_lasts_too_long_becomes_a_drop(void **state)
{
    (void)state;
    fixture f;
    open_fixture(&f, OVERLOAD_PAUSE);
    while (f.pauses == 0)
        put_big(&f);
    f.mono_ns += f.config->overload_max_ns - TD_NS_PER_MS;
    intake_tick(f.intake);
    assert_int_equal(f.resumes, 0);
    f.mono_ns += 2 * TD_NS_PER_MS;
    intake_tick(f.intake);
    assert_int_equal(f.resumes, 1);
    put_topic(&f, "trade.BTCUSD");
    intake_stats stats;
    intake_get_stats(f.intake, &stats);
    assert_int_equal(stats.frames_dropped, 1);
    drain(&f, 1000);
    intake_tick(f.intake); /* half empty: the rows of the gaps are written without another frame */
    drain(&f, 1000);
    assert_int_equal(f.gap_frames, 1);
    close_fixture(&f);
}

/* A reply of the largest size that fits still fits after its event. */
static void a_reply_fills_what_frames_leave(void **state)
{
    (void)state;
    fixture f;
    size_t size = (size_t)2 * BIG_FRAME_BYTES;
    uint8_t *reply = td_alloc_zero(1, size);
    intake_stats stats;
    const event kept = {.kind = EVENT_HTTP, .what = "x", .url = "https://x", .state = "kept"};
    open_fixture(&f, OVERLOAD_PAUSE);
    while (intake_has_space(f.intake, size))
        put_big(&f);
    while (!intake_has_space(f.intake, size) && size > 0)
        size--;
    intake_event(f.intake, 0, &kept);
    intake_http(f.intake, 0, "x", td_bytes_of(reply, size), f.mono_ns);
    intake_get_stats(f.intake, &stats);
    assert_int_equal(stats.http_replies, 1);
    assert_int_equal(f.pauses, 0);
    td_free(reply);
    close_fixture(&f);
}

/* Ticks every 10 ms, for this long. */
static void tick_for(fixture *f, uint64_t ns)
{
    for (uint64_t i = 0; i < ns / (10 * TD_NS_PER_MS); i++) {
        f->mono_ns += 10 * TD_NS_PER_MS;
        intake_tick(f->intake);
    }
    drain(f, 1000);
}

static void a_loop_that_stood_still_says_from_when_to_when(void **state)
{
    (void)state;
    fixture f;
    open_fixture(&f, OVERLOAD_PAUSE);
    tick_for(&f, TD_NS_PER_S);
    f.mono_ns += LIMIT_PAUSE_NS - 1;
    intake_tick(f.intake);
    drain(&f, 1000);
    assert_int_equal(f.event_count, 0);
    uint64_t from_ns = fake_wall(&f);
    f.mono_ns += 3 * TD_NS_PER_S;
    intake_tick(f.intake);
    drain(&f, 1000);
    assert_int_equal(f.event_count, 1);
    assert_string_equal(f.states[0], "paused");
    assert_int_equal(f.clock.from_ns, from_ns);
    assert_int_equal(f.clock.to_ns, from_ns + 3 * TD_NS_PER_S);
    intake_expect_pause(f.intake); /* sockets are closed, so nothing is late */
    f.mono_ns += TD_NS_PER_S;
    intake_tick(f.intake);
    drain(&f, 1000);
    assert_int_equal(f.event_count, 1);
    close_fixture(&f);
}

static void log_last(void *ctx, td_log_level level, const char *line)
{
    assert_int_equal(level, TD_LOG_ERROR);
    snprintf(ctx, 100, "%s", line);
}

/* An event whose JSON may be too large to be read is logged instead, wherever its texts are. */
static void an_event_that_is_too_large_is_logged(void **state)
{
    (void)state;
    fixture f;
    char logged[100] = "";
    open_fixture(&f, OVERLOAD_PAUSE);
    const td_log log = {.fn = log_last, .ctx = logged, .level_max = TD_LOG_INFO};
    intake_options options = {.ring = f.ring,
                              .clock = {.ops = &FAKE_CLOCK, .ctx = &f},
                              .log = &log,
                              .config = f.config,
                              .pause = on_pause,
                              .resume = on_resume,
                              .user = &f};
    intake_close(f.intake);
    f.intake = intake_open(&options);
    memset(f.big, '\1', EVENT_COPY_BYTES_MAX);
    f.big[EVENT_COPY_BYTES_MAX] = '\0';
    event what = {.kind = EVENT_SUBSCRIBE, .topics = f.big};
    assert_true(intake_event(f.intake, 0, &what) > 0);
    assert_null(td_ring_peek(f.ring).data);
    assert_string_equal(logged, "cannot record a subscribe event: it has more than 524288 bytes");
    f.big[EVENT_COPY_BYTES_MAX - sizeof what - 1] = '\0';
    intake_event(f.intake, 0, &what);
    const intake_record *put = (const void *)td_ring_peek(f.ring).data;
    td_buf json;
    td_buf_init(&json, EVENT_BYTES_MAX);
    assert_int_equal(event_encode(put->event, &json, NULL), TD_OK);
    assert_true(json.size > 6 * (EVENT_COPY_BYTES_MAX - sizeof what - 1));
    td_buf_fini(&json);
    close_fixture(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_are_stamped_and_counted),
        cmocka_unit_test(a_full_ring_pauses_the_sockets_and_loses_nothing),
        cmocka_unit_test(what_is_dropped_is_missing_since_the_connection_was_complete),
        cmocka_unit_test(what_is_dropped_is_counted_by_connection),
        cmocka_unit_test(a_pause_that_lasts_too_long_becomes_a_drop),
        cmocka_unit_test(a_reply_fills_what_frames_leave),
        cmocka_unit_test(a_loop_that_stood_still_says_from_when_to_when),
        cmocka_unit_test(an_event_that_is_too_large_is_logged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
