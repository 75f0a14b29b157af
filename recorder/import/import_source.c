#include "recorder/import/import_source.h"

#include <errno.h>
#include <inttypes.h>
#include <unistd.h>

#include <zlib.h>
#define ZSTD_STATIC_LINKING_ONLY /* ZSTD_customMem */
#include <zstd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/json/json.h"

enum {
    RAW_BYTES = 128 << 10,      /* bytes per read; larger reads gained nothing */
    TEXT_BYTES = 256 << 10,     /* text inflated per step, appended to the unfinished line */
    GZIP_WINDOW_BITS = 15 + 16, /* zlib.h: the largest window, and gzip framing only */
};

static const uint32_t ZIP_MAGIC = 0x04034b50;

typedef enum coding { CODING_UNKNOWN, CODING_PLAIN, CODING_GZIP, CODING_ZSTD } coding;

struct import_source {
    td_file *file; /* NULL: read from descriptor */
    td_io io;      /* opens paths */
    const char **paths;
    size_t path_count, path_next;
    int descriptor;
    uint64_t file_at; /* offset of the next read; bytes read so far */
    uint8_t raw[RAW_BYTES];
    size_t raw_at; /* raw[raw_at..raw_size) is unread */
    size_t raw_size;
    coding coding;
    z_stream inflater;
    uint8_t has_inflater;
    ZSTD_DCtx *zstd;
    uint8_t is_in_member;  /* 1: reading is inside a gzip member or a zstd frame */
    uint8_t is_raw_ended;  /* the file or pipe has ended */
    uint8_t is_text_ended; /* the last text is in `text` */
    td_hasher *hasher;
    capture_content *contents; /* one per file; the last one is the current file's */
    size_t content_count;
    td_result damage; /* why a compressed file ended early; TD_EOF once that was reported */
    td_buf text;      /* [text_at, size) is not returned yet */
    size_t text_at;
    size_t searched; /* text[text_at..searched) has no LF */
    uint64_t line_number;
};

static import_source *source_new(void)
{
    import_source *s = td_alloc_zero(1, sizeof *s);
    td_buf_init(&s->text, LIMIT_IMPORT_LINE_BYTES + TEXT_BYTES + JSON_PADDING_BYTES + 2);
    s->descriptor = -1;
    s->hasher = td_hasher_open();
    s->contents = td_array_grow(NULL, 0, sizeof *s->contents);
    s->contents[s->content_count++] = (capture_content){.bytes = 0};
    return s;
}

td_result import_source_open(td_io io, const char *path, import_source **out, td_err *err)
{
    td_file *file = NULL;
    td_result rc = td_io_open(io, path, TD_OPEN_READ, &file, err);
    if (rc != TD_OK)
        return rc;
    *out = source_new();
    (*out)->file = file;
    return TD_OK;
}

void import_source_append(import_source *source, td_io io, const char *path)
{
    source->io = io;
    source->paths = td_array_grow(source->paths, source->path_count, sizeof *source->paths);
    source->paths[source->path_count++] = path;
}

import_source *import_source_open_pipe(int descriptor)
{
    TD_ASSERT(descriptor >= 0);
    import_source *s = source_new();
    s->descriptor = descriptor;
    return s;
}

void import_source_close(import_source *source)
{
    if (source == NULL)
        return;
    if (source->has_inflater)
        (void)inflateEnd(&source->inflater); /* fails only for a broken state, which is freed too */
    ZSTD_freeDCtx(source->zstd);
    td_hasher_close(source->hasher);
    td_io_close(source->file);
    td_buf_fini(&source->text);
    td_free(source->paths);
    td_free(source->contents);
    td_free(source);
}

const char *import_source_compression(const import_source *source)
{
    static const char *const NAMES[] = {[CODING_UNKNOWN] = "none",
                                        [CODING_PLAIN] = "none",
                                        [CODING_GZIP] = "gzip",
                                        [CODING_ZSTD] = "zstd"};
    return NAMES[source->coding];
}

/* The current file's text is complete. */
static void finish_content(import_source *s)
{
    s->contents[s->content_count - 1].hash = td_hasher_digest(s->hasher);
    td_hasher_reset(s->hasher);
}

const capture_content *import_source_contents(const import_source *source, size_t *count)
{
    TD_ASSERT(source->is_text_ended);
    *count = source->content_count;
    return source->contents;
}

/* Read more raw bytes, after the unread ones. Sets is_raw_ended at the end. */
static td_result fill_raw(import_source *s, td_err *err)
{
    if (s->raw_at > 0) {
        memmove(s->raw, s->raw + s->raw_at, s->raw_size - s->raw_at);
        s->raw_size -= s->raw_at;
        s->raw_at = 0;
    }
    size_t space = sizeof s->raw - s->raw_size;
    TD_ASSERT(space > 0);
    size_t got = 0;
    if (s->file != NULL) {
        td_result rc = td_io_read_at(s->file, s->file_at, s->raw + s->raw_size, space, &got, err);
        if (rc != TD_OK)
            return rc;
    } else {
        ssize_t n;
        do {
            n = read(s->descriptor, s->raw + s->raw_size, space);
        } while (n < 0 && errno == EINTR);
        if (n < 0)
            return td_err_set_os(err, errno, "reading the pipe at byte %" PRIu64, s->file_at);
        got = (size_t)n;
    }
    TD_ASSERT(got <= space);
    s->raw_size += got;
    s->file_at += got;
    s->is_raw_ended = got == 0;
    return TD_OK;
}

/* Continue with the next file, which must have the same compression. */
static td_result open_next(import_source *s, td_err *err)
{
    if (s->text.size > s->text_at && s->text.data[s->text.size - 1] != '\n')
        td_buf_add(&s->text, "\n", 1); /* a line never continues in the next file */
    td_io_close(s->file);
    s->file = NULL;
    finish_content(s);
    s->contents = td_array_grow(s->contents, s->content_count, sizeof *s->contents);
    s->contents[s->content_count++] = (capture_content){.bytes = 0};
    s->file_at = 0;
    s->is_raw_ended = 0;
    return td_io_open(s->io, s->paths[s->path_next++], TD_OPEN_READ, &s->file, err);
}

/* Return how the file is compressed, by its first bytes (RFC 1952, 2.3.1; RFC 8878, 3.1.1
 * and 3.1.2: the first frame may be a skippable one). */
static coding coding_of(const uint8_t *raw, size_t size)
{
    static const uint32_t FRAME = 0xfd2fb528, SKIPPED = 0x184d2a50, SKIPPED_MASK = 0xfffffff0;
    if (size >= 2 && raw[0] == 0x1f && raw[1] == 0x8b)
        return CODING_GZIP;
    if (size < sizeof FRAME)
        return CODING_PLAIN;
    uint32_t magic = td_le32(raw);
    return magic == FRAME || (magic & SKIPPED_MASK) == SKIPPED ? CODING_ZSTD : CODING_PLAIN;
}

static voidpf zlib_alloc(voidpf opaque, uInt items, uInt size)
{
    return td_alloc_hook(opaque, (size_t)items * size);
}

static void open_inflater(import_source *s)
{
    if (s->coding == CODING_GZIP) {
        s->inflater.zalloc = zlib_alloc;
        s->inflater.zfree = td_free_hook;
        int z = inflateInit2(&s->inflater, GZIP_WINDOW_BITS);
        TD_ASSERT(z == Z_OK);
        s->has_inflater = 1;
    }
    if (s->coding == CODING_ZSTD) {
        s->zstd = ZSTD_createDCtx_advanced((ZSTD_customMem){td_alloc_hook, td_free_hook, NULL});
        TD_ASSERT(s->zstd != NULL);
    }
}

/* Note that the compressed data is damaged from here on. This is reported after the lines before
 * it. */
static void stream_failed(import_source *s, td_result code)
{
    s->is_text_ended = 1;
    s->damage = code;
}

static td_result report_damage(import_source *s, td_err *err)
{
    uint64_t at = s->file_at - (s->raw_size - s->raw_at);
    td_result code = s->damage;
    s->damage = TD_EOF;
    return td_err_set(err, code, "%s stream %s at byte %" PRIu64, import_source_compression(s),
                      code == TD_E_TRUNCATED ? "breaks off" : "is damaged", at);
}

/* Each of these functions copies or decompresses into text[size..size + space), and returns the
 * number of bytes written. */
static size_t copy_some(import_source *s, size_t space)
{
    size_t size = s->raw_size - s->raw_at < space ? s->raw_size - s->raw_at : space;
    memcpy(s->text.data + s->text.size, s->raw + s->raw_at, size);
    s->raw_at += size;
    return size;
}

static size_t inflate_some(import_source *s, size_t space)
{
    s->inflater.next_in = s->raw + s->raw_at;
    s->inflater.avail_in = (uInt)(s->raw_size - s->raw_at);
    s->inflater.next_out = s->text.data + s->text.size;
    s->inflater.avail_out = (uInt)space;
    int z = inflate(&s->inflater, Z_NO_FLUSH);
    s->raw_at = s->raw_size - s->inflater.avail_in;
    s->is_in_member = z != Z_STREAM_END;
    if (z == Z_STREAM_END)
        z = inflateReset(&s->inflater);
    if (z != Z_OK && z != Z_BUF_ERROR)
        stream_failed(s, TD_E_CORRUPT);
    return space - s->inflater.avail_out;
}

/* Decompress zstd. A file that needs a larger window than zstd's default of 128 MiB counts as
 * damaged. */
static size_t unpack_some(import_source *s, size_t space)
{
    ZSTD_inBuffer in = {s->raw + s->raw_at, s->raw_size - s->raw_at, 0};
    ZSTD_outBuffer out = {s->text.data + s->text.size, space, 0};
    size_t left = ZSTD_decompressStream(s->zstd, &out, &in);
    s->raw_at += in.pos;
    s->is_in_member = left != 0;
    if (ZSTD_isError(left))
        stream_failed(s, TD_E_CORRUPT);
    return out.pos;
}

/* Do one step of reading: read raw bytes if no unread ones are left, and convert them to text. Even
 * without raw bytes, a decompressor may still hold text that did not fit before. */
static td_result next_text(import_source *s, size_t space, size_t *made, td_err *err)
{
    td_result rc = TD_OK;
    if (s->coding == CODING_UNKNOWN) {
        while (rc == TD_OK && s->raw_size < sizeof(uint32_t) && !s->is_raw_ended)
            rc = fill_raw(s, err);
        s->coding = coding_of(s->raw, s->raw_size);
        if (rc == TD_OK && s->raw_size >= sizeof(uint32_t) && td_le32(s->raw) == ZIP_MAGIC) {
            td_err_set(err, TD_E_INVALID, "a zip file is no capture");
            td_err_hint(err, "unpack it first: plain, gzip and zstd files can be read");
            return TD_E_INVALID;
        }
        open_inflater(s);
    } else if (s->raw_at == s->raw_size && !s->is_raw_ended) {
        rc = fill_raw(s, err);
    }
    if (rc != TD_OK)
        return rc;
    int had_raw = s->raw_at < s->raw_size;
    if (had_raw || s->is_in_member)
        *made = s->coding == CODING_PLAIN  ? copy_some(s, space)
                : s->coding == CODING_GZIP ? inflate_some(s, space)
                                           : unpack_some(s, space);
    if (!had_raw && *made == 0 && s->is_in_member)
        stream_failed(s, TD_E_TRUNCATED);
    else if (!had_raw && *made == 0 && s->path_next < s->path_count)
        return open_next(s, err);
    if (!had_raw && *made == 0)
        s->is_text_ended = 1;
    return TD_OK;
}

/* Append more text. Sets is_text_ended at the end or at damage. */
static td_result fill_text(import_source *s, td_err *err)
{
    if (s->text_at > 0) {
        memmove(s->text.data, s->text.data + s->text_at, s->text.size - s->text_at);
        s->text.size -= s->text_at;
        s->searched -= s->text_at;
        s->text_at = 0;
    }
    td_result rc = td_buf_reserve(&s->text, TEXT_BYTES + JSON_PADDING_BYTES, err);
    if (rc != TD_OK)
        return rc;
    size_t made = 0;
    rc = next_text(s, TEXT_BYTES, &made, err);
    TD_ASSERT(made <= TEXT_BYTES);
    td_hasher_update(s->hasher, s->text.data + s->text.size, made);
    s->contents[s->content_count - 1].bytes += made;
    s->text.size += made;
    if (s->is_text_ended)
        finish_content(s);
    return rc;
}

/* Return text[text_at..end) as a line; reading continues at next. */
static td_result read_line(import_source *s, size_t end, size_t next, import_text_line *out,
                           td_err *err)
{
    size_t size = end - s->text_at;
    if (size > 0 && s->text.data[end - 1] == '\r')
        size--;
    *out = (import_text_line){.number = ++s->line_number,
                              .text = td_bytes_of(s->text.data + s->text_at, size)};
    s->text_at = s->searched = next;
    return size <= LIMIT_IMPORT_LINE_BYTES
               ? TD_OK
               : td_err_set(err, TD_E_LIMIT, "line %" PRIu64 " is longer than 16 MiB", out->number);
}

td_result import_source_next(import_source *source, import_text_line *out, td_err *err)
{
    import_source *s = source;
    td_result rc = TD_OK;
    while (rc == TD_OK) {
        TD_ASSERT(s->text_at <= s->searched);
        TD_ASSERT(s->searched <= s->text.size);
        const uint8_t *lf = s->searched == s->text.size ? NULL
                                                        : memchr(s->text.data + s->searched, '\n',
                                                                 s->text.size - s->searched);
        size_t end = lf == NULL ? s->text.size : (size_t)(lf - s->text.data);
        if (lf != NULL || end - s->text_at > LIMIT_IMPORT_LINE_BYTES + 1)
            return read_line(s, end, lf == NULL ? end : end + 1, out, err);
        s->searched = end;
        if (s->is_text_ended)
            break;
        rc = fill_text(s, err);
    }
    if (rc != TD_OK)
        return rc;
    if (s->damage != TD_OK) { /* the unfinished line before the damage is dropped */
        out->number = s->line_number + 1;
        return s->damage == TD_EOF ? TD_EOF : report_damage(s, err);
    }
    return s->text_at == s->text.size ? TD_EOF : read_line(s, s->text.size, s->text.size, out, err);
}
