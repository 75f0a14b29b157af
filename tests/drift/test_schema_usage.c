/* Coverage: what frames have of their row is counted where it is, and nothing else. Expected
 * values: the frames as they are written here, counted by hand; golden frames (tests/golden/), the
 * keys of their text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "drift/schema_usage.h"

#define RECV_NS UINT64_C(1618700000000000000)

typedef struct scene {
    drift_reader *reader;
    const family *of;
    const topic_row *row;
    usage_topic *topic;
    uint64_t order;
} scene;

static scene the_scene;

static void begin(const char *family_name, const char *exchange_topic)
{
    topic_match match;
    scene *s = &the_scene;
    *s = (scene){.of = family_find(td_bytes_str(family_name))};
    assert_non_null(s->of);
    assert_true(topic_match_text(s->of->topics, s->of->topic_count, td_bytes_str(exchange_topic),
                                 RECV_NS, &match));
    s->row = match.row;
    s->reader = drift_reader_open();
    s->topic = usage_topic_open(s->of, s->row);
}

static void end(void)
{
    usage_topic_close(the_scene.topic);
    drift_reader_close(the_scene.reader);
}

static void count(const char *exchange_topic, const char *text, uint64_t recv_ns)
{
    char padded[2048] = "";
    scene *s = &the_scene;
    size_t size = strlen(text);
    drift_look look;
    drift_frame frame = {.of = s->of, .recv_ns = recv_ns, .order = ++s->order};
    assert_true(size + DECODE_PADDING_BYTES <= sizeof padded);
    (void)snprintf(padded, sizeof padded, "%s", text);
    frame.bytes = td_bytes_of(padded, size);
    assert_true(topic_match_text(s->of->topics, s->of->topic_count, td_bytes_str(exchange_topic),
                                 RECV_NS, &frame.topic));
    drift_read(s->reader, NULL, &frame, &look);
    usage_topic_count(s->topic, recv_ns, &look);
}

static const usage_field *find(const usage_field *fields, size_t size, const char *key)
{
    for (size_t i = 0; i < size; i++)
        if (strcmp(fields[i].row->key, key) == 0)
            return &fields[i];
    fail_msg("there is no field %s", key);
    return NULL;
}

static uint64_t in_entries(const char *key)
{
    return find(the_scene.topic->fields, the_scene.row->field_count, key)->count;
}

static uint64_t in_frames(const char *key)
{
    return find(the_scene.topic->envelope, the_scene.row->envelope_count, key)->count;
}

static uint64_t of_value(const char *key, const char *value)
{
    const usage_field *field = find(the_scene.topic->fields, the_scene.row->field_count, key);
    for (size_t i = 0; i < field->value_count; i++)
        if (strcmp(field->values->values[i], value) == 0)
            return field->value_counts[i];
    fail_msg("%s is no documented value of %s", value, key);
    return 0;
}

#define BOOK "orderBookL2_25.BTCUSD"
#define SNAPSHOT                                                                                   \
    "{\"topic\":\"" BOOK "\",\"type\":\"snapshot\",\"data\":["                                     \
    "{\"price\":\"1.0\",\"symbol\":\"BTCUSD\",\"id\":10000,\"side\":\"Buy\",\"size\":1},"          \
    "{\"price\":\"2.0\",\"symbol\":\"BTCUSD\",\"id\":20000,\"side\":\"Sell\",\"size\":1}],"        \
    "\"cross_seq\":1,\"timestamp_e6\":1618700000000000}"
#define DELTA                                                                                      \
    "{\"topic\":\"" BOOK "\",\"type\":\"delta\",\"data\":{\"delete\":["                            \
    "{\"price\":\"1.0\",\"symbol\":\"BTCUSD\",\"id\":10000,\"side\":\"Buy\"}],"                    \
    "\"update\":[],\"insert\":[],\"transactTimeE6\":0},"                                           \
    "\"cross_seq\":2,\"timestamp_e6\":1618700000100000}"

static size_t place_of(const char *path, frame_kind kind)
{
    const topic_row *row = the_scene.row;
    for (size_t i = 0; i < TOPIC_ITEMS_MAX && row->items[i].path != NULL; i++)
        if (strcmp(row->items[i].path, path) == 0 && row->items[i].kind == kind)
            return i;
    fail_msg("there is no path %s", path);
    return 0;
}

static void test_a_book(void **state)
{
    (void)state;
    begin("inverse", BOOK);
    const usage_topic *t = the_scene.topic;
    count(BOOK, SNAPSHOT, RECV_NS + 5);
    count(BOOK, DELTA, RECV_NS + 9);
    count(BOOK, DELTA, RECV_NS + 7);
    count(BOOK, "{\"topic\":\"" BOOK "\",\"type\":\"delta\"}", RECV_NS + 8);
    assert_int_equal(t->frames, 4);
    assert_int_equal(t->undecoded, 1);
    assert_int_equal(t->first_ns, RECV_NS + 5);
    assert_int_equal(t->last_ns, RECV_NS + 9);
    assert_int_equal(t->kinds[FRAME_SNAPSHOT], 1);
    assert_int_equal(t->kinds[FRAME_DELTA], 2);
    assert_int_equal(t->kinds[FRAME_UNTYPED], 0);
    assert_int_equal(t->items[place_of("data", FRAME_SNAPSHOT)], 2);
    assert_int_equal(t->items[place_of("data.delete", FRAME_DELTA)], 2);
    assert_int_equal(t->items[place_of("data.update", FRAME_DELTA)], 0);
    assert_int_equal(t->items[place_of("data.insert", FRAME_DELTA)], 0);
    assert_int_equal(in_entries("price"), 4);
    assert_int_equal(in_entries("size"), 2);
    assert_int_equal(in_frames("cross_seq"), 3);
    assert_int_equal(of_value("side", "Buy"), 3);
    assert_int_equal(of_value("side", "Sell"), 1);
    assert_int_equal(of_value("side", "None"), 0);
    end();
}

/* Entries that are arrays; their fields are known by their places. */
static void test_positions(void **state)
{
    (void)state;
    begin("v5-linear", "orderbook.50.BTCUSDT");
    count("orderbook.50.BTCUSDT",
          "{\"topic\":\"orderbook.50.BTCUSDT\",\"type\":\"delta\",\"ts\":1,\"data\":{\"s\":"
          "\"BTCUSDT\",\"b\":[[\"1\",\"2\"],[\"3\",\"4\"]],\"a\":[],\"u\":1,\"seq\":2}}",
          RECV_NS);
    assert_int_equal(the_scene.topic->undecoded, 0);
    assert_int_equal(the_scene.topic->items[place_of("data.b", FRAME_DELTA)], 2);
    assert_int_equal(the_scene.topic->items[place_of("data.b", FRAME_SNAPSHOT)], 0);
    assert_int_equal(the_scene.topic->items[place_of("data.a", FRAME_DELTA)], 0);
    assert_int_equal(in_entries("0"), 2);
    assert_int_equal(in_entries("1"), 2);
    assert_int_equal(in_frames("data.u"), 1);
    assert_int_equal(in_frames("cts"), 0);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_book),
        cmocka_unit_test(test_positions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
