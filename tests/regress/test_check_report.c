/* The reports of a check: as a document, as text, as JUnit XML. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/io_posix.h"
#include "base/limits.h"
#include "regress/check_describe.h"
#include "regress/check_result.h"
#include "regress/junit.h"
#include "tests/testing/files.h"

static char folder[TEMP_FOLDER_BYTES];

/* Three frames each: a topic with a wrong price, one that is the same, and one with names that are
 * markup, whose second frame fails now, and whose third is missing. */
#define HOSTILE "a<b>&\"'\x1b]0;x\x07\xef\xbf\xbf\xff"

typedef struct made_stream {
    const char *topic, *symbol;
    uint64_t hashes[3];
    uint32_t frames;
} made_stream;

static baseline *write_baseline(const char *name, const made_stream *streams, size_t count)
{
    static const uint16_t IDS[] = {7, 8, 9};
    char path[TEMP_FOLDER_BYTES + 32];
    const baseline_meta meta = {.canonical = CANONICAL_VERSION};
    baseline *made = NULL;
    td_err err;
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    (void)remove(path);
    assert_int_equal(baseline_create(path, &meta, &made, &err), TD_OK);
    for (size_t i = 0; i < count; i++) {
        const baseline_stream stream = {.feed = "feed",
                                        .topic = streams[i].topic,
                                        .symbol = streams[i].symbol,
                                        .exchange_topic = "",
                                        .family = "",
                                        .frames = streams[i].frames};
        baseline_block block = {.frames = streams[i].frames,
                                .first_ns = UINT64_C(1618677785489609000),
                                .last_ns = UINT64_C(1618677785489609009),
                                .ids = IDS,
                                .hashes = streams[i].hashes};
        assert_int_equal(baseline_put_stream(made, &stream, &block.stream, &err), TD_OK);
        assert_int_equal(baseline_put_block(made, &block, &err), TD_OK);
    }
    assert_int_equal(baseline_finish(made, &err), TD_OK);
    return made;
}

/* The comparison and both sides' frames. */
typedef struct scene {
    baseline *was, *is;
    comparison c;
    explained was_frames, is_frames;
    explained_frame was_rows[2], is_rows[2];
    check_result result;
} scene;

static const char WAS_TRADE[] =
    "{\"type\":\"trade\",\"trades\":[{\"side\":\"Buy\",\"price\":\"100.5\"}]}";
static const char IS_TRADE[] =
    "{\"type\":\"trade\",\"trades\":[{\"side\":\"Buy\",\"price\":\"1005\"}]}";
static const char WAS_HOSTILE[] = "{\"type\":\"trade\",\"note\":\"<&\\u001b\"}";
static const char IS_HOSTILE[] = "{\"type\":\"raw\",\"error\":{\"reason\":\"not_json\"}}";
static const char TRADE_BYTES[] = "{\"topic\":\"trade.X\",\"data\":[{\"p\":100.5}]}";
static const char HOSTILE_BYTES[] = "]]>\x1b[2J<&\xff\r\n";

static explained_frame make_frame(uint32_t stream, uint64_t index, uint64_t position,
                                  const char *bytes, const char *decode)
{
    return (explained_frame){.stream = stream,
                             .index = index,
                             .position = position,
                             .recv_ns = UINT64_C(1618677785489609000) + position,
                             .ordinal = 40 + index,
                             .conn = 2,
                             .session_id = "abcdef01",
                             .seq = 12,
                             .has_seq = 1,
                             .bytes = td_bytes_str(bytes),
                             .decode = td_bytes_str(decode)};
}

static void open_scene(scene *s, int knows_was)
{
    const made_stream was[] = {{"same", "X", {2, 4, 6}, 3},
                               {"trade", "X", {2, 4, 6}, 3},
                               {HOSTILE, HOSTILE, {2, 4, 6}, 3}};
    const made_stream is[] = {{"same", "X", {2, 4, 6}, 3},
                              {"trade", "X", {2, 8, 6}, 3},
                              {HOSTILE, HOSTILE, {2, 5, 0}, 2}};
    td_err err;
    *s = (scene){.was = write_baseline("was.tdb", was, 3), .is = write_baseline("is.tdb", is, 3)};
    assert_int_equal(compare_baselines(&(compare_options){.was = s->was, .is = s->is}, &s->c, &err),
                     TD_OK);
    assert_int_equal(s->c.stream_count, 3); /* HOSTILE, same, trade */
    s->was_rows[0] = make_frame(0, 1, 5, HOSTILE_BYTES, WAS_HOSTILE);
    s->was_rows[1] = make_frame(2, 1, 3, TRADE_BYTES, WAS_TRADE);
    s->is_rows[0] = make_frame(0, 1, 5, HOSTILE_BYTES, IS_HOSTILE);
    s->is_rows[1] = make_frame(2, 1, 3, TRADE_BYTES, IS_TRADE);
    s->was_frames = (explained){.frames = s->was_rows, .count = 2};
    s->is_frames = (explained){.frames = s->is_rows, .count = 2};
    const check_side was_side = {.of = s->was, .frames = knows_was ? &s->was_frames : NULL};
    const check_side is_side = {.of = s->is, .frames = &s->is_frames};
    assert_int_equal(check_result_init(&s->result, &s->c, &was_side, &is_side, &err), TD_OK);
}

static void close_scene(scene *s)
{
    check_result_fini(&s->result);
    comparison_fini(&s->c);
    baseline_close(s->was);
    baseline_close(s->is);
}

static const char *described(const scene *s, uint8_t is_json, int has_colour, size_t columns)
{
    static char text[16384];
    const output_stream like = {.has_colour = has_colour};
    output_stream output;
    result_writer r;
    td_err err;
    output_init_memory(&output, &like);
    result_begin(&r, &output, &(json_options){.is_json = is_json});
    result_object_begin(&r, NULL);
    assert_int_equal(check_describe(&s->result, columns, &r, &err), TD_OK);
    result_object_end(&r, CHECK_DESCRIBE_PATTERN);
    assert_int_equal(result_end(&r, NULL), TD_OK);
    assert_true(output.line.size < sizeof text);
    memcpy(text, output.line.data, output.line.size);
    text[output.line.size] = '\0';
    assert_int_equal(output_finish(&output, NULL), TD_OK);
    return text;
}

static void must_have(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("'%s' is not in:\n%s", part, text);
}

static void must_lack(const char *text, const char *part)
{
    if (strstr(text, part) != NULL)
        fail_msg("'%s' is in:\n%s", part, text);
}

/* The first one is the first in the archive, not of the first stream. */
static void test_document(void **state)
{
    (void)state;
    scene s;
    open_scene(&s, 1);
    const char *text = described(&s, 1, 0, 0);
    must_have(text, "\"totals\":{\"compared\":8,\"same\":6,\"different\":2,\"decode\":1,\"book\":0,"
                    "\"newly_failing\":1,\"newly_decoding\":0,\"reason\":0,\"consequences\":0,"
                    "\"missing\":1,\"new\":0,\"outside\":0}");
    must_have(text,
              "\"first_difference\":{\"feed\":\"feed\",\"topic\":\"trade\",\"symbol\":\"X\","
              "\"exchange_topic\":null,\"kind\":\"decode\",\"index\":1,\"ordinal\":41,\"seq\":12,"
              "\"recv_ns\":1618677785489609003,\"session\":\"abcdef01\",\"line\":0,\"shard\":0,"
              "\"connection\":2,\"path\":\"trades[0].price\",\"was\":\"100.5\",\"is\":\"1005\"}");
    must_have(text, "\"paths_frames\":1,\"paths_left_out\":0,\"paths\":[{\"topic\":\"trade\","
                    "\"path\":\"trades[].price\",\"frames\":1}]");
    must_have(text, "\"fields\":[{\"path\":\"trades[0].price\",\"change\":\"changed\","
                    "\"was\":\"100.5\",\"is\":\"1005\"}]");
    must_have(text, "\"decode_was\":{\"type\":\"trade\",\"trades\":");
    must_have(text, "\"frame\":\"{\\\"topic\\\":\\\"trade.X\\\",");
    must_have(text, "\"frame_hex\":\"5d5d3e1b5b324a3c26ff0d0a\""); /* it is no text */
    must_have(text, "\"first_missing\":{\"index\":2,\"from_ns\":1618677785489609000,");
    must_have(text, "\"has_decodes\":true");
    close_scene(&s);
}

static void test_text(void **state)
{
    (void)state;
    scene s;
    open_scene(&s, 1);
    const char *text = described(&s, 0, 0, 0);
    must_have(text, "feed  trade                            3     2          1        0         0");
    must_have(text, "feed trade X: first difference: decoded differently\n"
                    "  frame 1 of its stream, 2021-04-17T16:43:05.489609003Z, session abcdef01, "
                    "connection 2, frame 41 of it, seq 12\n"
                    "                     before   now\n"
                    "    trades[0].side   \"Buy\"    \"Buy\"\n"
                    "  > trades[0].price  \"100.5\"  \"1005\"\n"
                    "  bytes: {\"topic\":\"trade.X\",\"data\":[{\"p\":100.5}]}\n");
    must_have(text, "first difference: newly failing\n");
    must_have(text, "  bytes: ]]>\\x1b[2J<&\\xff\\x0d\\x0a\n");
    must_have(text, "first missing frame: feed a<b>&\"'\\x1b]0;x");
    must_lack(text, "\x1b");
    must_lack(text, "--full");
    must_have(described(&s, 0, 1, 0), "\x1b[1;31m\"100.5\"\x1b[0m  \x1b[32m\"1005\"\x1b[0m\n");
    close_scene(&s);
}

/* A baseline that has hashes alone. */
static void test_without_decodes(void **state)
{
    (void)state;
    scene s;
    open_scene(&s, 0);
    const char *text = described(&s, 0, 0, 0);
    must_have(text, "  now: {\"type\":\"trade\",\"trades\":[");
    must_lack(text, "before: ");
    must_have(text, "--full");
    text = described(&s, 1, 0, 0);
    must_have(text, "\"path\":null,\"was\":null,\"is\":null}");
    must_have(text, "\"has_decodes\":false");
    must_have(text, "\"decode_was\":null,\"decode_is\":{\"type\":");
    close_scene(&s);
}

static void test_junit(void **state)
{
    (void)state;
    scene s;
    char path[TEMP_FOLDER_BYTES + 32];
    size_t size;
    td_err err;
    open_scene(&s, 1);
    (void)snprintf(path, sizeof path, "%s/junit.xml", folder);
    const junit_report report = {.name = "tapedeck regress check", .result = &s.result};
    for (int i = 0; i < 2; i++) /* a report replaces the one before */
        assert_int_equal(junit_write(io_posix(), path, &report, &err), TD_OK);
    char *text = (char *)file_read(io_posix(), path, &size);
    assert_int_equal(strlen(text), size);
    must_have(text, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                    "<testsuites name=\"tapedeck regress check\" tests=\"3\" failures=\"2\" "
                    "errors=\"0\">\n"
                    "  <testsuite name=\"feed\" tests=\"3\" failures=\"2\" errors=\"0\" "
                    "skipped=\"0\">\n");
    must_have(text, "<testcase classname=\"feed\" name=\"same X\"/>\n");
    must_have(text, "name=\"a&lt;b&gt;&amp;&quot;&apos;\\x1b]0;x\\x07\\uffff\\xff a&lt;b&gt;");
    must_have(text, "<failure type=\"decode\" message=\"1 of 3 frames differ, 0 missing, 0 new\">"
                    "first difference: decode, frame 1 of the stream\n"
                    "  trades[0].price: &quot;100.5&quot; -&gt; &quot;1005&quot;\n"
                    "received 2021-04-17T16:43:05.489609003Z, session abcdef01, connection 2, "
                    "frame 41 of it, seq 12\n"
                    "bytes: {&quot;topic&quot;:");
    must_have(text, "bytes: ]]&gt;\\x1b[2J&lt;&amp;\\xff\\x0d\\x0a\n");
    must_have(text, "first missing frame: 2 of the baseline's stream\n");
    for (const char *at = text; *at != '\0'; at++)
        assert_true((unsigned char)*at >= 0x20 || *at == '\n');
    td_free(text);
    close_scene(&s);
}

static int make_folder(void **state)
{
    (void)state;
    temp_folder_make(TEMP_IN_MEMORY, folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    temp_folder_remove(folder);
    return 0;
}

/* Decodes whose differences do not fit LIMIT_CHECK_BYTES end no check: they are shown without
 * fields, and not counted by field. */
static void test_too_large(void **state)
{
    (void)state;
    static const char BEGIN[] = "{\"type\":\"";
    scene s;
    size_t size = LIMIT_CHECK_BYTES / 2 + 1000;
    uint8_t *texts[2];
    td_err err;
    open_scene(&s, 1);
    check_result_fini(&s.result);
    for (int i = 0; i < 2; i++) {
        texts[i] = malloc(size);
        assert_non_null(texts[i]);
        memset(texts[i], 'a' + i, size);
        memcpy(texts[i], BEGIN, sizeof BEGIN - 1);
        memcpy(texts[i] + size - 2, "\"}", 2);
    }
    s.was_rows[1].decode = td_bytes_of(texts[0], size);
    s.is_rows[1].decode = td_bytes_of(texts[1], size);
    const check_side was = {.of = s.was, .frames = &s.was_frames};
    const check_side is = {.of = s.is, .frames = &s.is_frames};
    assert_int_equal(check_result_init(&s.result, &s.c, &was, &is, &err), TD_OK);
    assert_int_equal(s.result.shown_count, 2);
    assert_int_equal(s.result.shown[0].row_count, 0);
    assert_int_equal(s.result.fields_frames, 0);
    free(texts[0]);
    free(texts[1]);
    close_scene(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_document),        cmocka_unit_test(test_text),
        cmocka_unit_test(test_without_decodes), cmocka_unit_test(test_junit),
        cmocka_unit_test(test_too_large),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
