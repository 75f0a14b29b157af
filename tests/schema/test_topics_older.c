/* Every published and recorded frame of the older families in captures/frames (docs/wire.md 2 to
 * 4): valid JSON is decoded completely, without unknown members, by both decoders alike; other
 * input is refused with an offset. The file's name gives its kind: an answer, a request, or data. A
 * "data-only" file is the inside of a frame without its topic, so it cannot be classified and stays
 * raw. Counts are of the files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "schema/decode.h"
#include "tests/testing/capture.h"
#include "tests/testing/decode_fixture.h"

/* Topics of this family with this prefix came over another family's connection. */
#define PRIVATE_PREFIX "user."

typedef struct folder_case {
    const char *folder;
    const char *family;
    const char *private_family; /* for PRIVATE_PREFIX; NULL: the same family */
    size_t data, control, requests, raw, nonstrict;
} folder_case;

static const folder_case FOLDERS[] = {
    {"inverse-perpetual", "inverse", NULL, 20, 1, 0, 1, 6},
    {"inverse-futures", "inverse", NULL, 6, 0, 0, 0, 8},
    {"linear", "linear", NULL, 19, 4, 0, 2, 8},
    {"copy-trading", "copytrade", NULL, 6, 3, 1, 0, 9},
    {"usdc-perp", "usdc-perp", "usdc-private", 12, 1, 0, 0, 0},
    {"usdc-option", "usdc-option", "usdc-private", 15, 1, 0, 0, 3},
    {"spot-v1", "spot-v1", NULL, 7, 0, 5, 0, 3},
    {"spot-v2", "spot-v2", NULL, 7, 3, 4, 0, 1},
    {"spot-private", "spot-private", NULL, 4, 1, 0, 0, 0},
};

typedef struct frames {
    const folder_case *of;
    decoder_pair decoders;
    size_t data, control, requests, raw;
} frames;

static int begins_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static const family *family_of(const frames *f, const char *name)
{
    int is_private = f->of->private_family != NULL && begins_with(name, PRIVATE_PREFIX);
    const family *of =
        family_find(td_bytes_str(is_private ? f->of->private_family : f->of->family));
    assert_non_null(of);
    return of;
}

/* Checks a data frame: both decoders agree, and the row knows all members. */
static void check_data(frames *f, const char *name, td_bytes frame, const classification *what)
{
    message fast;
    message rows;
    decode_error why;
    assert_int_equal(what->frame_class, CLASS_DATA);
    if (what->topic.row == NULL)
        fail_msg("%s/%s has no row", f->of->folder, name);
    if (!decoder_pair_decode(&f->decoders, &what->topic, frame, &fast, &rows, &why))
        fail_msg("%s/%s: %s %s at %zu", f->of->folder, name, decode_reason_name(why.reason),
                 why.field == NULL ? "" : why.field, why.offset);
    if (rows.head.unknown_fields != 0)
        fail_msg("%s/%s has %u unknown members", f->of->folder, name, rows.head.unknown_fields);
    assert_int_equal(rows.head.foreign_symbols, 0);
    assert_int_equal(what->exchange_ns, rows.head.exchange_ns);
    /* Complete lists may be empty: no positions, no orders. */
    assert_true(message_item_count(&rows) > 0 || rows.head.kind == FRAME_SNAPSHOT);
    f->data++;
}

static void check_frame(frames *f, const char *name, td_bytes frame)
{
    const family *of = family_of(f, name);
    int is_request = begins_with(name, "request");
    classification what;
    decoder_classify(f->decoders.fast, of, frame, is_request ? CHANNEL_OUT : CHANNEL_IN, TOPIC_NOW,
                     &what);
    if (is_request) {
        assert_int_equal(what.frame_class, CLASS_REQUEST);
        f->requests++;
    } else if (strstr(name, "data-only") != NULL) {
        assert_int_equal(what.frame_class, CLASS_UNKNOWN);
        f->raw++;
    } else if (begins_with(name, "ack") || begins_with(name, "pong") ||
               begins_with(name, "error")) {
        assert_true(frame_class_is_control(what.frame_class));
        f->control++;
    } else {
        check_data(f, name, frame, &what);
    }
}

/* Checks a file that is not JSON: refused as such at the offset of the fault, whatever it begins
 * like. */
static void check_nonstrict(frames *f, const char *name, td_bytes frame)
{
    classification what;
    message m;
    decode_error why = {.reason = DECODE_OK};
    decoder_classify(f->decoders.fast, family_of(f, name), frame, CHANNEL_IN, TOPIC_NOW, &what);
    if (what.frame_class != CLASS_DATA)
        what.topic = (topic_match){0};
    if (decoder_decode(f->decoders.fast, &what.topic, frame, DECODE_PATH_FAST, &m, &why))
        fail_msg("%s/%s was decoded", f->of->folder, name);
    assert_int_equal(why.reason, DECODE_NOT_JSON);
    assert_in_range(why.offset, 1, frame.size - 1);
}

typedef void check_file(frames *f, const char *name, td_bytes frame);

/* Calls check for every file of a folder; returns their number. */
static size_t each_file(frames *f, const char *folder, const char *suffix, check_file *check)
{
    char path[512];
    size_t count = 0;
    char **names = capture_list(capture_path(folder), suffix, &count);
    for (size_t i = 0; i < count; i++) {
        size_t size = 0;
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        uint8_t *bytes = capture_read_file(capture_path(path), &size);
        check(f, names[i], td_bytes_of(bytes, size));
        td_free(bytes);
        td_free(names[i]);
    }
    td_free(names);
    return count;
}

static void open_frames(frames *f, const folder_case *of)
{
    *f = (frames){.of = of, .decoders = decoder_pair_open()};
}

static void close_frames(frames *f)
{
    decoder_pair_close(&f->decoders);
}

static void test_frames(void **state)
{
    (void)state;
    (void)capture_path_or_skip("frames"); /* first, because a skipped test frees nothing */
    for (size_t i = 0; i < sizeof FOLDERS / sizeof FOLDERS[0]; i++) {
        const folder_case *of = &FOLDERS[i];
        char folder[128];
        frames f;
        print_message("%s\n", of->folder);
        open_frames(&f, of);
        snprintf(folder, sizeof folder, "frames/%s", of->folder);
        (void)each_file(&f, folder, ".json", check_frame);
        assert_int_equal(f.data, of->data);
        assert_int_equal(f.control, of->control);
        assert_int_equal(f.requests, of->requests);
        assert_int_equal(f.raw, of->raw);
        close_frames(&f);
    }
}

static void test_nonstrict(void **state)
{
    (void)state;
    (void)capture_path_or_skip("frames");
    for (size_t i = 0; i < sizeof FOLDERS / sizeof FOLDERS[0]; i++) {
        const folder_case *of = &FOLDERS[i];
        char folder[128];
        frames f;
        if (of->nonstrict == 0)
            continue;
        open_frames(&f, of);
        snprintf(folder, sizeof folder, "frames/%s/nonstrict", of->folder);
        assert_int_equal(each_file(&f, folder, ".txt", check_nonstrict), of->nonstrict);
        close_frames(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frames),
        cmocka_unit_test(test_nonstrict),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
