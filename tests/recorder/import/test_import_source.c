/* recorder/import/import_source: lines of plain and gzip input. Expected lines are what the test
 * wrote; zlib's deflate makes the gzip input, and the captures' line counts come from `zcat | wc
 * -l`. */
#include "recorder/import/import_source.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <zlib.h>

#include "base/buf.h"
#include "base/io_posix.h"
#include "base/limits.h"
#include "tests/testing/files.h"

typedef struct fixture {
    char folder[64];
    char path[96];
} fixture;

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    temp_folder_make(TEMP_IN_MEMORY, f->folder);
    (void)snprintf(f->path, sizeof f->path, "%s/capture", f->folder);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    temp_folder_remove(f->folder);
    free(f);
    return 0;
}

static void write_file(const fixture *f, const void *bytes, size_t size)
{
    file_replace(io_posix(), f->path, bytes, size);
}

/* Appends text to out as a gzip member. */
static void gzip(td_buf *out, td_bytes text)
{
    z_stream z = {0};
    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    size_t space = deflateBound(&z, text.size) + 64;
    assert_int_equal(td_buf_reserve(out, space, NULL), TD_OK);
    z.next_in = (Bytef *)text.data;
    z.avail_in = (uInt)text.size;
    z.next_out = out->data + out->size;
    z.avail_out = (uInt)space;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    out->size += space - z.avail_out;
    assert_int_equal(deflateEnd(&z), Z_OK);
}

static import_source *open_file(const fixture *f)
{
    import_source *source = NULL;
    td_err err;
    assert_int_equal(import_source_open(io_posix(), f->path, &source, &err), TD_OK);
    return source;
}

/* Checks the text of the next line. */
static void expect_line(import_source *source, uint64_t number, const char *text)
{
    import_text_line line;
    td_err err;
    assert_int_equal(import_source_next(source, &line, &err), TD_OK);
    assert_int_equal(line.number, number);
    assert_int_equal(line.text.size, strlen(text));
    assert_memory_equal(line.text.data, text, line.text.size);
}

static void expect_result(import_source *source, td_result expected)
{
    import_text_line line;
    td_err err;
    assert_int_equal(import_source_next(source, &line, &err), expected);
}

static void test_plain_lines(void **state)
{
    static const struct {
        const char *name;
        const char *text;
        const char *lines[4];
    } ROWS[] = {
        {"empty", "", {NULL}},
        {"one", "abc\n", {"abc", NULL}},
        {"no end", "abc\ndef", {"abc", "def", NULL}},
        {"blank lines count", "\n\nx\n", {"", "", "x", NULL}},
        {"cr lf", "a\r\n\r\nb\r", {"a", "", "b", NULL}},
        {"cr inside", "a\rb\n", {"a\rb", NULL}},
        {"one byte of gzip's magic", "\x1f", {"\x1f", NULL}},
    };
    const fixture *f = *state;
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        print_message("  %s\n", ROWS[i].name);
        write_file(f, ROWS[i].text, strlen(ROWS[i].text));
        import_source *source = open_file(f);
        for (size_t n = 0; ROWS[i].lines[n] != NULL; n++)
            expect_line(source, n + 1, ROWS[i].lines[n]);
        expect_result(source, TD_EOF);
        expect_result(source, TD_EOF);
        size_t count = 0;
        assert_int_equal(import_source_contents(source, &count)[0].bytes, strlen(ROWS[i].text));
        assert_int_equal(count, 1);
        assert_string_equal(import_source_compression(source), "none");
        import_source_close(source);
    }
}

/* A local file header, as in APPNOTE.TXT 4.3.7. */
static void test_zip(void **state)
{
    static const char ZIP[] = "PK\x03\x04\x14\0\0\0\b\0";
    const fixture *f = *state;
    import_text_line line;
    td_err err;
    write_file(f, ZIP, sizeof ZIP - 1);
    import_source *source = open_file(f);
    assert_int_equal(import_source_next(source, &line, &err), TD_E_INVALID);
    assert_non_null(strstr(err.text, "a zip file is no capture"));
    import_source_close(source);
}

/* Lines of lengths around the buffers' sizes, plain and gzip, are read unchanged. */
static void test_long_lines(void **state)
{
    static const size_t SIZES[] = {0,      1,      131071,  131072,  131073, 262143,
                                   262144, 262145, 1 << 20, 3000000, 5,      0};
    const fixture *f = *state;
    td_buf text;
    td_buf packed;
    td_buf_init(&text, 64 << 20);
    td_buf_init(&packed, 64 << 20);
    for (size_t i = 0; i < sizeof SIZES / sizeof SIZES[0]; i++) {
        assert_int_equal(td_buf_reserve(&text, SIZES[i] + 1, NULL), TD_OK);
        for (size_t n = 0; n < SIZES[i]; n++)
            text.data[text.size++] = (uint8_t)('a' + (n * 7 + i) % 26);
        text.data[text.size++] = '\n';
    }
    gzip(&packed, td_buf_view(&text));
    for (int is_gzip = 0; is_gzip < 2; is_gzip++) {
        const td_buf *content = is_gzip ? &packed : &text;
        write_file(f, content->data, content->size);
        import_source *source = open_file(f);
        size_t at = 0;
        for (size_t i = 0; i < sizeof SIZES / sizeof SIZES[0]; i++) {
            import_text_line line;
            assert_int_equal(import_source_next(source, &line, NULL), TD_OK);
            assert_int_equal(line.text.size, SIZES[i]);
            assert_memory_equal(line.text.data, text.data + at, SIZES[i]);
            at += SIZES[i] + 1;
        }
        expect_result(source, TD_EOF);
        assert_string_equal(import_source_compression(source), is_gzip ? "gzip" : "none");
        import_source_close(source);
    }
    td_buf_fini(&text);
    td_buf_fini(&packed);
}

/* A line of exactly the limit is read; a longer one is refused. */
static void test_line_limit(void **state)
{
    const fixture *f = *state;
    static const size_t OVER[] = {0, 1, 2, 300000, 17 << 20};
    for (size_t i = 0; i < sizeof OVER / sizeof OVER[0]; i++) {
        size_t size = LIMIT_IMPORT_LINE_BYTES + OVER[i];
        char *text = malloc(size + 1);
        assert_non_null(text);
        memset(text, 'x', size);
        text[size] = '\n';
        write_file(f, text, size + 1);
        free(text);
        import_source *source = open_file(f);
        import_text_line line;
        td_err err;
        td_result rc = import_source_next(source, &line, &err);
        assert_int_equal(rc, OVER[i] == 0 ? TD_OK : TD_E_LIMIT);
        assert_int_equal(line.number, 1);
        import_source_close(source);
    }
}

static void test_gzip_members(void **state)
{
    const fixture *f = *state;
    td_buf packed;
    td_buf_init(&packed, 1 << 20);
    gzip(&packed, td_bytes_str("one\ntw"));
    gzip(&packed, td_bytes_str(""));
    gzip(&packed, td_bytes_str("o\nthree"));
    write_file(f, packed.data, packed.size);
    import_source *source = open_file(f);
    expect_line(source, 1, "one");
    expect_line(source, 2, "two");
    expect_line(source, 3, "three");
    expect_result(source, TD_EOF);
    import_source_close(source);
    td_buf_fini(&packed);
}

/* Cut in every part: the complete lines before the cut, one TD_E_TRUNCATED, the end, and never a
 * part of a line. A flipped byte gives no bytes that are not in the text, and leads to an error or
 * the end. */
static void test_damaged_gzip(void **state)
{
    const fixture *f = *state;
    td_buf packed;
    td_buf_init(&packed, 1 << 20);
    char text[4096];
    size_t size = 0;
    for (int i = 0; i < 200; i++)
        size += (size_t)snprintf(text + size, sizeof text - size, "line %d %d\n", i, i * 7919);
    gzip(&packed, td_bytes_of(text, size));
    for (size_t cut = 1; cut < packed.size - 2; cut += cut < 12 ? 1 : 17) {
        write_file(f, packed.data, packed.size - cut);
        import_source *source = open_file(f);
        import_text_line line;
        td_result rc = TD_OK;
        const char *at = text;
        while ((rc = import_source_next(source, &line, NULL)) == TD_OK) {
            assert_memory_equal(line.text.data, at, line.text.size);
            assert_int_equal(at[line.text.size], '\n');
            at += line.text.size + 1;
        }
        assert_int_equal(rc, TD_E_TRUNCATED);
        expect_result(source, TD_EOF);
        import_source_close(source);
    }
    for (size_t flip = 10; flip < packed.size;
         flip += flip < 30 || packed.size - flip < 24 ? 1 : 11) {
        packed.data[flip] ^= 0x10;
        write_file(f, packed.data, packed.size);
        packed.data[flip] ^= 0x10;
        import_source *source = open_file(f);
        import_text_line line;
        td_result rc = TD_OK;
        while ((rc = import_source_next(source, &line, NULL)) == TD_OK)
            ;
        assert_true(rc == TD_E_CORRUPT || rc == TD_E_TRUNCATED);
        expect_result(source, TD_EOF);
        import_source_close(source);
    }
    td_buf_fini(&packed);
}

static void test_pipe(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "a\nbc", 4), 4);
    assert_int_equal(close(ends[1]), 0);
    import_source *source = import_source_open_pipe(ends[0]);
    expect_line(source, 1, "a");
    expect_line(source, 2, "bc");
    expect_result(source, TD_EOF);
    import_source_close(source);
    assert_int_equal(close(ends[0]), 0);
}

static void test_missing_file(void **state)
{
    const fixture *f = *state;
    import_source *source = NULL;
    td_err err;
    assert_int_equal(import_source_open(io_posix(), f->path, &source, &err), TD_E_NOTFOUND);
    assert_non_null(strstr(err.text, f->path));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_plain_lines, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_zip, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_long_lines, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_line_limit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_gzip_members, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_damaged_gzip, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_pipe, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_missing_file, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
