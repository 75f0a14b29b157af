#include "archive/checkpoint_file.h"

#include <stdio.h>
#include <string.h>

#define FOLDER "checkpoints"

enum {
    CHAIN_BYTES = 32,
    /* The chain value, then the record's opcode, length and moment. */
    HEAD_BYTES = CHAIN_BYTES + MCAP_PREFIX_BYTES + 8,
};

static td_result path_of(archive *of, const char *segment_path, char path[LIMIT_PATH_BYTES],
                         td_err *err)
{
    char relative[LIMIT_PATH_BYTES];
    const char *slash = strrchr(segment_path, '/');
    const char *name = slash == NULL ? segment_path : slash + 1;
    int size = snprintf(relative, sizeof relative, FOLDER "/%s.checkpoint", name);
    if (size < 0 || (size_t)size >= sizeof relative)
        return td_err_set(err, TD_E_LIMIT, "%s: the name is too long", segment_path);
    return archive_join(of, relative, path, err);
}

typedef struct content {
    const segment_index *segment;
    td_bytes record;
} content;

static td_result write_content(void *user, td_file *file, td_err *err)
{
    const content *in = user;
    td_result rc = td_io_append(file, in->segment->chain_hex, CHAIN_BYTES, err);
    return rc == TD_OK ? td_io_append(file, in->record.data, in->record.size, err) : rc;
}

td_result checkpoint_file_write(archive *of, const segment_index *segment, td_bytes record,
                                td_err *err)
{
    char path[LIMIT_PATH_BYTES];
    content in = {segment, record};
    td_result rc = path_of(of, segment->path, path, err);
    if (rc == TD_OK)
        rc = td_io_mkdir_below(archive_io(of), archive_path(of), FOLDER, err);
    return rc == TD_OK
               ? td_io_write_file(archive_io(of), path, TD_OPEN_CREATE, write_content, &in, err)
               : rc;
}

int checkpoint_file_find(archive *of, const segment_index *segment, segment_checkpoint *out,
                         char path[LIMIT_PATH_BYTES])
{
    uint8_t head[HEAD_BYTES];
    uint64_t size = 0;
    td_file *file = NULL;
    if (archive_is_single_file(of) || path_of(of, segment->path, path, NULL) != TD_OK ||
        td_io_open(archive_io(of), path, TD_OPEN_READ, &file, NULL) != TD_OK)
        return 0;
    int is_read = td_io_size(file, &size, NULL) == TD_OK &&
                  td_io_read_exact(file, 0, head, sizeof head, NULL) == TD_OK;
    td_io_close(file);
    if (!is_read || memcmp(head, segment->chain_hex, CHAIN_BYTES) != 0)
        return 0;
    *out = (segment_checkpoint){.at_ns = td_le64(head + HEAD_BYTES - 8),
                                .offset = CHAIN_BYTES,
                                .bytes = size - CHAIN_BYTES};
    return 1;
}

td_result checkpoint_file_remove(archive *of, const char *segment_path, td_err *err)
{
    char path[LIMIT_PATH_BYTES];
    td_result rc = path_of(of, segment_path, path, err);
    if (rc == TD_OK)
        rc = td_io_unlink(archive_io(of), path, err);
    return rc == TD_E_NOTFOUND ? TD_OK : rc;
}
