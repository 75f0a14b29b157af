#include "tests/testing/capture.h"

#include <dirent.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <zlib.h>
#include <zstd.h>

#include "base/alloc.h"
#include "base/json/json.h"

enum { PADDING_BYTES = 64 };

/* The same text as in tests/e2e/support/harness.mjs, because tests/run.mjs counts both together. */
#define CAPTURE_UNRECORDED                                                                         \
    "needs captures recorded from the exchange (TAPEDECK_CAPTURES names their folder)"

struct capture {
    gzFile file;
    json_parser *parser; /* for lines that are JSON objects */
    char *line;
    size_t capacity;
    size_t number;
    uint8_t *frame; /* the frame of such a line, unescaped, followed by padding */
    size_t frame_capacity;
};

const char *capture_path(const char *name)
{
    static char path[PATH_MAX];
    const char *folder = getenv("TAPEDECK_CAPTURES");
    if (folder == NULL)
        return NULL;
    int size = snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_true(size > 0 && (size_t)size < sizeof path);
    return access(path, R_OK) == 0 ? path : NULL;
}

static void skip_unrecorded(void)
{
    (void)fputs("skipped: " CAPTURE_UNRECORDED "\n", stderr);
    skip();
}

const char *capture_path_or_skip(const char *name)
{
    const char *path = capture_path(name);
    if (path == NULL)
        skip_unrecorded();
    return path;
}

int capture_is_recorded(void)
{
    return capture_path("simulated") == NULL;
}

void capture_recorded_or_skip(void)
{
    if (!capture_is_recorded())
        skip_unrecorded();
}

/* Decompress a file by Zstandard into a temporary one, which is returned as zlib reads it. */
static gzFile open_zstd(const char *path)
{
    static uint8_t bytes[1 << 16];
    size_t size = 0;
    uint8_t *packed = capture_read_file(path, &size);
    ZSTD_DStream *stream = ZSTD_createDStream();
    FILE *plain = tmpfile();
    assert_non_null(stream);
    assert_non_null(plain);
    ZSTD_inBuffer in = {packed, size, 0};
    ZSTD_outBuffer out = {bytes, sizeof bytes, sizeof bytes};
    while (in.pos < in.size || out.pos == out.size) {
        out.pos = 0;
        size_t rc = ZSTD_decompressStream(stream, &out, &in);
        assert_false(ZSTD_isError(rc));
        assert_int_equal(fwrite(bytes, 1, out.pos, plain), out.pos);
    }
    ZSTD_freeDStream(stream);
    td_free(packed);
    rewind(plain); /* flushes, too */
    gzFile file = gzdopen(dup(fileno(plain)), "rb");
    assert_int_equal(fclose(plain), 0);
    return file;
}

capture *capture_open(const char *path)
{
    capture *c = td_alloc_zero(1, sizeof *c);
    assert_non_null(c);
    const char *end = strrchr(path, '.');
    c->file = end != NULL && strcmp(end, ".zst") == 0 ? open_zstd(path) : gzopen(path, "rb");
    assert_non_null(c->file);
    c->parser = json_parser_open(0);
    return c;
}

void capture_close(capture *c)
{
    if (c == NULL)
        return;
    gzclose(c->file);
    json_parser_close(c->parser);
    td_free(c->line);
    td_free(c->frame);
    td_free(c);
}

/* Reads the next line without its LF, followed by padding; 0 at the end. */
static int read_line(capture *c, size_t *size)
{
    *size = 0;
    for (;;) {
        if (c->capacity < *size + 1024 + PADDING_BYTES) {
            c->capacity = c->capacity * 2 + 4096;
            c->line = td_realloc(c->line, c->capacity, 1);
            assert_non_null(c->line);
        }
        char *piece = c->line + *size;
        if (gzgets(c->file, piece, (int)(c->capacity - *size - PADDING_BYTES)) == NULL)
            return *size > 0;
        size_t got = strlen(piece);
        *size += got;
        if (got > 0 && c->line[*size - 1] == '\n') {
            --*size;
            memset(c->line + *size, 0, PADDING_BYTES);
            return 1;
        }
    }
}

/* Parses decimal seconds to ns, and moves *at to the end of the number. */
static uint64_t read_seconds(const char **at)
{
    char *end = NULL;
    uint64_t ns = strtoull(*at, &end, 10) * 1000000000u;
    uint64_t unit = 100000000u;
    if (*end == '.')
        for (end++; *end >= '0' && *end <= '9'; end++, unit /= 10)
            ns += (uint64_t)(*end - '0') * unit;
    *at = end;
    return ns;
}

static td_bytes rest_of(const capture *c, const char *at, size_t size)
{
    return td_bytes_of(at, size - (size_t)(at - c->line));
}

/* Parses "RECV: JSON", "URL <- SENT: JSON" or "URL <-> TIME". */
static void parse_text_line(capture *c, size_t size, capture_line *out)
{
    const char *at = c->line;
    const char *arrow = strstr(c->line, " <-");
    out->kind = CAPTURE_OTHER;
    if (strncmp(c->line, "ws", 2) == 0 && arrow != NULL) {
        out->url = td_bytes_of(c->line, (size_t)(arrow - c->line));
        out->kind = arrow[3] == '>' ? CAPTURE_CONNECT : CAPTURE_OUT;
        at = arrow + (arrow[3] == '>' ? 5 : 4);
    } else if (*at >= '0' && *at <= '9') {
        out->kind = CAPTURE_IN;
    } else {
        return;
    }
    out->recv_ns = read_seconds(&at);
    if (out->kind != CAPTURE_CONNECT) {
        assert_memory_equal(at, ": ", 2);
        out->frame = rest_of(c, at + 2, size);
    }
}

static td_bytes keep_frame(capture *c, td_bytes frame)
{
    if (c->frame_capacity < frame.size + PADDING_BYTES) {
        c->frame_capacity = frame.size * 2 + 4096;
        c->frame = td_realloc(c->frame, c->frame_capacity, 1);
        assert_non_null(c->frame);
    }
    memcpy(c->frame, frame.data, frame.size);
    memset(c->frame + frame.size, 0, PADDING_BYTES);
    return td_bytes_of(c->frame, frame.size);
}

/* Parses {"t":"recv","conn":..,"ts":..,"data":"…"}. */
static void parse_json_line(capture *c, size_t size, capture_line *out)
{
    json_value root;
    json_value time;
    td_bytes type;
    td_bytes frame;
    td_err err;
    out->kind = CAPTURE_OTHER;
    assert_int_equal(json_parse(c->parser, td_bytes_of(c->line, size), JSON_PADDED, &root, &err),
                     TD_OK);
    if (!json_find_text(root, "t", &type))
        return;
    if (json_find(root, "ts", &time)) {
        const char *at = (const char *)json_raw(time).data;
        out->recv_ns = read_seconds(&at);
    }
    if (td_bytes_is(type, "connect"))
        out->kind = CAPTURE_CONNECT;
    else if (td_bytes_is(type, "send"))
        out->kind = CAPTURE_OUT;
    else if (td_bytes_is(type, "recv"))
        out->kind = CAPTURE_IN;
    if (out->kind != CAPTURE_OTHER && json_find_text(root, "data", &frame))
        out->frame = keep_frame(c, frame);
    (void)json_find_text(root, "addr", &out->url); /* absent in received frames */
}

int capture_next(capture *c, capture_line *out)
{
    size_t size = 0;
    *out = (capture_line){0};
    if (!read_line(c, &size))
        return 0;
    out->number = ++c->number;
    if (size > 0 && c->line[0] == '{')
        parse_json_line(c, size, out);
    else
        parse_text_line(c, size, out);
    return 1;
}

uint8_t *capture_read_file(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    long end = ftell(file);
    assert_true(end >= 0);
    rewind(file);
    uint8_t *bytes = td_alloc_zero((size_t)end + PADDING_BYTES, 1);
    assert_non_null(bytes);
    *size = fread(bytes, 1, (size_t)end, file);
    assert_int_equal(*size, (size_t)end);
    assert_int_equal(fclose(file), 0);
    return bytes;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

char **capture_list(const char *folder, const char *suffix, size_t *count)
{
    char **names = td_alloc(1);
    *count = 0;
    DIR *dir = opendir(folder);
    if (dir == NULL)
        return names;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        size_t size = strlen(entry->d_name);
        size_t tail = strlen(suffix);
        if (size < tail || strcmp(entry->d_name + size - tail, suffix) != 0)
            continue;
        names = td_realloc(names, *count + 1, sizeof *names);
        assert_non_null(names);
        names[*count] = td_strdup(entry->d_name);
        assert_non_null(names[(*count)++]);
    }
    closedir(dir);
    qsort(names, *count, sizeof *names, compare_names);
    return names;
}
