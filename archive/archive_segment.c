#include "archive/archive_segment.h"

/* If an open segment was not found: cut the path to its final name, and return 1. */
static int try_final_name(td_result rc, char path[LIMIT_PATH_BYTES])
{
    if (rc != TD_E_NOTFOUND || !segment_has_open_name(path))
        return 0;
    path[segment_final_name(path).size] = '\0';
    return 1;
}

td_result archive_open_segment(archive *a, const char *path, segment_reader **out, td_err *err)
{
    char full[LIMIT_PATH_BYTES];
    *out = NULL;
    td_result rc = archive_join(a, path, full, err);
    if (rc != TD_OK)
        return rc;
    rc = segment_reader_open(archive_io(a), full, out, err);
    if (!try_final_name(rc, full))
        return rc;
    td_err_clear(err);
    return segment_reader_open(archive_io(a), full, out, err);
}

td_result archive_read_index(archive *a, const char *path, index_depth depth, segment_index *out,
                             td_err *err)
{
    char full[LIMIT_PATH_BYTES];
    char final[LIMIT_PATH_BYTES];
    *out = (segment_index){.depth = depth};
    td_result rc = archive_join(a, path, full, err);
    if (rc != TD_OK)
        return td_err_add(err, rc, "segment %s", path);
    rc = segment_index_read(archive_io(a), full, path, depth, out, err);
    if (!try_final_name(rc, full))
        return rc;
    td_err_clear(err);
    segment_final_path(path, final);
    return segment_index_read(archive_io(a), full, final, depth, out, err);
}

segment_totals archive_segment_totals(const segment_index *index)
{
    segment_totals totals = {.file_bytes = index->file_bytes,
                             .first_ns = index->first_ns,
                             .last_ns = index->last_ns,
                             .message_count = index->message_count,
                             .chunk_count = (uint32_t)index->chunk_count};
    if (!chain_value_parse(td_bytes_str(index->chain_hex), &totals.chain))
        totals.chain = (td_hash128){0};
    totals.link = segment_link_of(totals.chain, index->source_chain);
    return totals;
}
