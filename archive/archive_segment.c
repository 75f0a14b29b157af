#include "archive/archive_segment.h"

td_result archive_open_segment(archive *a, const char *path, segment_reader **out, td_err *err)
{
    char full[LIMIT_PATH_BYTES];
    *out = NULL;
    td_result rc = archive_join(a, path, full, err);
    if (rc != TD_OK)
        return rc;
    rc = segment_reader_open(archive_io(a), full, out, err);
    size_t final_bytes = segment_final_name(full).size;
    if (rc != TD_E_NOTFOUND || full[final_bytes] == '\0')
        return rc;
    td_err_clear(err);
    full[final_bytes] = '\0';
    return segment_reader_open(archive_io(a), full, out, err);
}

td_result archive_read_index(archive *a, const char *path, index_depth depth, segment_index *out,
                             td_err *err)
{
    char full[LIMIT_PATH_BYTES];
    *out = (segment_index){.depth = depth};
    td_result rc = archive_join(a, path, full, err);
    return rc == TD_OK ? segment_index_read(archive_io(a), full, path, depth, out, err)
                       : td_err_add(err, rc, "segment %s", path);
}
