/* Secrets inside of compressed frames. The streams are made by zlib itself (deflateInit2's window
 * chooses gzip, zlib or raw), and read by it. Expected: capture/redact_frame.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <zlib.h>

#include "capture/redact_frame.h"

enum { GZIP = 15 + 16, ZLIB = 15, RAW = -15, BYTES = 4096 };

static const char TEXT[] =
    "{\"success\":true,\"request\":{\"op\":\"auth\",\"args\":[\"Key-0123456789\"]}}";
static const char HIDDEN[] =
    "{\"success\":true,\"request\":{\"op\":\"auth\",\"args\":[\"**************\"]}}";

static size_t compress_text(const char *text, size_t size, int window, int level, uint8_t *out)
{
    z_stream z = {0};
    assert_int_equal(deflateInit2(&z, level, Z_DEFLATED, window, 8, Z_DEFAULT_STRATEGY), Z_OK);
    memcpy(&z.next_in, &text, sizeof z.next_in);
    z.avail_in = (uInt)size;
    z.next_out = out;
    z.avail_out = BYTES;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    deflateEnd(&z);
    return z.total_out;
}

static size_t inflate_text(td_bytes stream, int window, char *out)
{
    z_stream z = {0};
    assert_int_equal(inflateInit2(&z, window), Z_OK);
    memcpy(&z.next_in, &stream.data, sizeof z.next_in);
    z.avail_in = (uInt)stream.size;
    z.next_out = (uint8_t *)out;
    z.avail_out = BYTES;
    assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
    assert_int_equal(z.avail_in, 0);
    inflateEnd(&z);
    return z.total_out;
}

typedef struct scene {
    redactor secrets;
    frame_redactor frames;
    uint8_t bytes[BYTES];
    char text[BYTES];
    td_bytes out;
    frame_redaction found;
} scene;

static int setup(void **state)
{
    static scene s;
    redactor_init(&s.secrets);
    frame_redactor_init(&s.frames);
    assert_int_equal(redactor_add(&s.secrets, "Key-0123456789", NULL), TD_OK);
    *state = &s;
    return 0;
}

static int teardown(void **state)
{
    scene *s = *state;
    frame_redactor_fini(&s->frames);
    redactor_fini(&s->secrets);
    return 0;
}

static void apply(scene *s, size_t size, int is_binary)
{
    frame_redactor_apply(&s->frames, &s->secrets, td_bytes_of(s->bytes, size), is_binary, &s->out,
                         &s->found);
}

static void each_container_is_kept(void **state)
{
    scene *s = *state;
    static const int WINDOWS[] = {GZIP, ZLIB, RAW};
    for (size_t i = 0; i < 3; i++) {
        for (int level = 0; level <= 9; level += 9) { /* 0: stored, so the secret can be read */
            size_t size = compress_text(TEXT, sizeof TEXT - 1, WINDOWS[i], level, s->bytes);
            apply(s, size, 1);
            assert_int_equal(s->found.how, REDACT_RECOMPRESSED);
            assert_string_equal(redact_how_name(s->found.how), "recompressed");
            assert_int_equal(s->found.done.count, 1);
            assert_int_equal(s->found.done.first_offset, strstr(TEXT, "Key") - TEXT);
            assert_int_equal(s->found.done.bytes, 14);
            assert_int_equal(inflate_text(s->out, WINDOWS[i], s->text), sizeof TEXT - 1);
            assert_memory_equal(s->text, HIDDEN, sizeof HIDDEN - 1);
        }
    }
}

static void base64_within_is_found_too(void **state)
{
    scene *s = *state;
    static const char INSIDE[] = "{\"k\":\"S2V5LTAxMjM0NTY3ODk=\",\"u\":\"KEY-0123456789\"}";
    size_t size = compress_text(INSIDE, sizeof INSIDE - 1, GZIP, 9, s->bytes);
    apply(s, size, 0); /* whatever its opcode: it does not begin as JSON does */
    assert_int_equal(inflate_text(s->out, GZIP, s->text), sizeof INSIDE - 1);
    assert_memory_equal(s->text, "{\"k\":\"*******************=\",\"u\":\"**************\"}",
                        sizeof INSIDE - 1);
}

static void a_frame_without_secrets_is_not_touched(void **state)
{
    scene *s = *state;
    uint8_t before[BYTES];
    size_t size = compress_text(HIDDEN, sizeof HIDDEN - 1, GZIP, 1, s->bytes);
    memcpy(before, s->bytes, size);
    apply(s, size, 1);
    assert_int_equal(s->found.done.count, 0);
    assert_ptr_equal(s->out.data, s->bytes);
    assert_int_equal(s->out.size, size);
    assert_memory_equal(s->bytes, before, size);
}

/* What cannot be compressed again is overwritten: cut off, with a wrong check, with more after it.
 */
static void broken_streams_are_overwritten(void **state)
{
    scene *s = *state;
    for (int kind = 0; kind < 3; kind++) {
        size_t size = compress_text(TEXT, sizeof TEXT - 1, GZIP, 9, s->bytes);
        if (kind == 0)
            size -= 9;
        else if (kind == 1)
            s->bytes[size - 6] ^= 1;
        else
            s->bytes[size++] = 'x';
        apply(s, size, 1);
        assert_int_equal(s->found.how, REDACT_WHOLE);
        assert_string_equal(redact_how_name(s->found.how), "overwritten");
        assert_int_equal(s->found.done.bytes, size);
        assert_int_equal(s->out.size, size);
        for (size_t i = 0; i < size; i++)
            assert_int_equal(s->out.data[i], '*');
    }
}

static void frames_that_are_not_compressed(void **state)
{
    scene *s = *state;
    for (int is_binary = 0; is_binary < 2; is_binary++) {
        memcpy(s->bytes, TEXT, sizeof TEXT - 1);
        apply(s, sizeof TEXT - 1, is_binary);
        assert_int_equal(s->found.how, REDACT_IN_PLACE);
        assert_null(redact_how_name(s->found.how));
        assert_int_equal(s->out.size, sizeof TEXT - 1);
        assert_memory_equal(s->out.data, HIDDEN, sizeof HIDDEN - 1);
        apply(s, 0, is_binary);
        assert_int_equal(s->out.size, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_container_is_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(base64_within_is_found_too, setup, teardown),
        cmocka_unit_test_setup_teardown(a_frame_without_secrets_is_not_touched, setup, teardown),
        cmocka_unit_test_setup_teardown(broken_streams_are_overwritten, setup, teardown),
        cmocka_unit_test_setup_teardown(frames_that_are_not_compressed, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
