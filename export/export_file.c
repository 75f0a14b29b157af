#include "export/export_file.h"

#include <stdio.h>
#include <string.h>

#define ZLIB_CONST /* zlib then takes its input as what it is: not to be written */
#include <zlib.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/limits.h"
#include "export/export_folder.h"

enum {
    TEXT_BYTES = 16 << 10,        /* of text before it is passed on */
    WRITE_BYTES = 64 << 10,       /* of a file before it is written */
    READ_BYTES = 1 << 20,         /* of a file that is hashed */
    BUFFER_BYTES_MAX = 256 << 20, /* one frame of the largest size as text, with space */
    STEP_BYTES = 16 << 10,        /* space made for what zlib gives */
    WINDOW_BITS_GZIP = 16,        /* zlib: plus the window's bits = a gzip member around it */
    MEMORY_LEVEL = 8,             /* zlib's default: 256 KiB a stream */
};

struct export_file {
    export_files *files;
    char *name;                  /* below the export's folder */
    char path[LIMIT_PATH_BYTES]; /* of the partial file */
    uint8_t is_gzip;
    z_stream stream; /* if is_gzip */
    td_hasher *hasher;
    td_buf text;   /* as it was put */
    td_buf packed; /* not yet written */
    uint64_t raw_bytes;
    uint64_t bytes;
};

/* ---- the files of a writer ---- */

void export_files_fini(export_files *files)
{
    for (size_t i = 0; i < files->count; i++)
        td_free(files->items[i].name);
    td_free(files->items);
    *files = (export_files){0};
}

void export_files_discard(export_files *files)
{
    for (size_t i = 0; i < files->count; i++)
        export_folder_discard(files->folder, files->items[i].name, EXPORT_PARTIAL);
}

/* ---- compression ---- */

/* zlib's memory comes from td_alloc, which does not fail. */
static void *alloc_memory(void *opaque, uInt count, uInt size)
{
    (void)opaque;
    return td_alloc_zero(count, size);
}

/* The other half of alloc_memory. */
static void free_memory(void *opaque, void *memory)
{
    (void)opaque;
    td_free(memory);
}

static void begin_gzip(export_file *file)
{
    file->is_gzip = 1;
    file->stream = (z_stream){.zalloc = alloc_memory, .zfree = free_memory};
    /* zlib writes a header without name and with time 0 of its own accord. */
    int rc = deflateInit2(&file->stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED,
                          MAX_WBITS + WINDOW_BITS_GZIP, MEMORY_LEVEL, Z_DEFAULT_STRATEGY);
    TD_ASSERT(rc == Z_OK); /* it fails without memory alone */
}

/* Compress a text; flush: Z_NO_FLUSH, or Z_FINISH after the last one. */
static td_result compress_text(export_file *file, td_bytes text, int flush, td_err *err)
{
    td_buf *out = &file->packed;
    z_stream *stream = &file->stream;
    int rc;
    stream->next_in = text.data;
    stream->avail_in = (uInt)text.size; /* at most BUFFER_BYTES_MAX */
    do {
        td_result reserved = td_buf_reserve(out, STEP_BYTES, err);
        if (reserved != TD_OK)
            return reserved;
        stream->next_out = out->data + out->size;
        stream->avail_out = STEP_BYTES;
        rc = deflate(stream, flush);
        TD_ASSERT(rc != Z_STREAM_ERROR);
        out->size += STEP_BYTES - stream->avail_out;
    } while (stream->avail_out == 0 || (flush == Z_FINISH && rc != Z_STREAM_END));
    TD_ASSERT(stream->avail_in == 0);
    return TD_OK;
}

/* ---- one file ---- */

static void file_free(export_file *file)
{
    if (file->is_gzip)
        (void)deflateEnd(&file->stream); /* an unfinished stream is freed all the same */
    td_hasher_close(file->hasher);
    td_buf_fini(&file->text);
    td_buf_fini(&file->packed);
    td_free(file->name);
    td_free(file);
}

/* Make the empty file, instead of one that a killed export left, and the folders on the way. */
static td_result create_partial(export_file *file, td_err *err)
{
    const export_folder *folder = file->files->folder;
    td_io io = export_folder_io(folder);
    char root[LIMIT_PATH_BYTES];
    char *parent = td_strdup(file->name);
    char *end = strrchr(parent, '/');
    td_file *made = NULL;
    td_result rc = export_folder_check(folder, file->name, err);
    if (rc == TD_OK)
        rc = export_folder_join(folder, file->name, EXPORT_PARTIAL, file->path, err);
    if (rc == TD_OK && end != NULL) {
        *end = '\0';
        rc = export_folder_join(folder, "", "", root, err);
        if (rc == TD_OK)
            rc = td_io_mkdir_below(io, root, parent, err);
    }
    if (rc == TD_OK)
        rc = export_folder_remove(folder, file->name, EXPORT_PARTIAL, err);
    if (rc == TD_OK)
        rc = td_io_open(io, file->path, TD_OPEN_CREATE, &made, err);
    td_io_close(made);
    td_free(parent);
    return rc;
}

static char *name_of(const export_files *files, const char *name)
{
    size_t size = strlen(files->prefix) + strlen(name) + 1;
    char *out = td_alloc(size);
    (void)snprintf(out, size, "%s%s", files->prefix, name);
    return out;
}

td_result export_file_open(export_files *files, const char *name, export_packing packing,
                           export_file **out, td_err *err)
{
    export_file *made = td_alloc_zero(1, sizeof *made);
    made->files = files;
    made->name = name_of(files, name);
    td_buf_init(&made->text, BUFFER_BYTES_MAX);
    td_buf_init(&made->packed, BUFFER_BYTES_MAX);
    made->hasher = td_hasher_open();
    if (packing == EXPORT_GZIP)
        begin_gzip(made);
    td_result rc = create_partial(made, err);
    if (rc != TD_OK) {
        file_free(made);
        return rc;
    }
    *out = made;
    return TD_OK;
}

void export_file_abandon(export_file *file)
{
    if (file == NULL)
        return;
    export_folder_discard(file->files->folder, file->name, EXPORT_PARTIAL);
    file_free(file);
}

td_buf *export_file_buf(export_file *file)
{
    return &file->text;
}

const char *export_file_path(const export_file *file)
{
    return file->path;
}

/* Compress what was put. */
static td_result pack(export_file *file, int flush, td_err *err)
{
    td_bytes text = td_buf_view(&file->text);
    td_result rc = file->is_gzip ? compress_text(file, text, flush, err)
                                 : td_buf_append(&file->packed, text.data, text.size, err);
    file->raw_bytes += text.size;
    td_buf_clear(&file->text);
    return rc;
}

typedef enum file_end { FILE_GOES_ON, FILE_ENDS } file_end;

/* The file is open during the write only: thousands may be at work. */
static td_result write_out(export_file *file, file_end end, td_err *err)
{
    td_file *to = NULL;
    TD_ASSERT(end == FILE_ENDS || file->packed.size > 0);
    td_result rc =
        td_io_open(export_folder_io(file->files->folder), file->path, TD_OPEN_APPEND, &to, err);
    if (rc == TD_OK && file->packed.size > 0)
        rc = td_io_append(to, file->packed.data, file->packed.size, err);
    if (rc == TD_OK && end == FILE_ENDS)
        rc = td_io_sync(to, err);
    td_io_close(to);
    td_hasher_update(file->hasher, file->packed.data, file->packed.size);
    file->bytes += file->packed.size;
    td_buf_clear(&file->packed);
    return rc;
}

td_result export_file_flush(export_file *file, td_err *err)
{
    if (file->text.size < TEXT_BYTES)
        return TD_OK;
    td_result rc = pack(file, Z_NO_FLUSH, err);
    if (rc == TD_OK && file->packed.size >= WRITE_BYTES)
        rc = write_out(file, FILE_GOES_ON, err);
    return rc == TD_OK ? rc : td_err_add(err, rc, "file %s", file->name);
}

/* Hash what another library wrote into the file. */
static td_result hash_file(export_file *file, td_err *err)
{
    td_file *from = NULL;
    uint8_t *bytes = td_alloc(READ_BYTES);
    size_t got = READ_BYTES;
    td_result rc =
        td_io_open(export_folder_io(file->files->folder), file->path, TD_OPEN_READ, &from, err);
    while (rc == TD_OK && got == READ_BYTES) {
        rc = td_io_read_at(from, file->bytes, bytes, READ_BYTES, &got, err);
        if (rc != TD_OK)
            break;
        td_hasher_update(file->hasher, bytes, got);
        file->bytes += got;
    }
    file->raw_bytes = file->bytes;
    td_io_close(from);
    td_free(bytes);
    return rc;
}

static td_result rename_partial(export_file *file, const char *name, td_err *err)
{
    const export_folder *folder = file->files->folder;
    char *to = name_of(file->files, name);
    char path[LIMIT_PATH_BYTES];
    td_result rc = export_folder_check(folder, to, err);
    if (rc == TD_OK)
        rc = export_folder_join(folder, to, EXPORT_PARTIAL, path, err);
    if (rc == TD_OK)
        rc = td_io_rename(export_folder_io(folder), file->path, path, err);
    if (rc == TD_OK) {
        td_free(file->name);
        file->name = to;
        memcpy(file->path, path, sizeof path);
        return TD_OK;
    }
    td_free(to);
    return rc;
}

td_result export_file_finish(export_file *file, const char *name, td_err *err)
{
    export_files *files = file->files;
    int is_foreign = !file->is_gzip && file->raw_bytes + file->text.size == 0;
    td_result rc = pack(file, Z_FINISH, err);
    if (rc == TD_OK)
        rc = write_out(file, FILE_ENDS, err);
    if (rc == TD_OK && is_foreign)
        rc = hash_file(file, err);
    if (rc == TD_OK && name != NULL)
        rc = rename_partial(file, name, err);
    if (rc != TD_OK) {
        rc = td_err_add(err, rc, "file %s", file->name);
        export_file_abandon(file);
        return rc;
    }
    files->items = td_array_grow(files->items, files->count, sizeof *files->items);
    export_finished *done = &files->items[files->count++];
    *done =
        (export_finished){.name = file->name, .bytes = file->bytes, .raw_bytes = file->raw_bytes};
    td_hash128_hex(td_hasher_digest(file->hasher), done->hash);
    file->name = NULL;
    file_free(file);
    return TD_OK;
}
