#include "format/segment_index_read.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "format/recover.h"
#include "format/segment_reader.h"

static int order_by_id(const void *a, const void *b)
{
    const segment_channel *left = *(const segment_channel *const *)a;
    const segment_channel *right = *(const segment_channel *const *)b;
    return left->id < right->id ? -1 : left->id > right->id;
}

static void read_channels(const segment_reader *reader, segment_index *out)
{
    const segment_info *info = segment_reader_info(reader);
    uint32_t count = segment_reader_channel_count(reader);
    const segment_channel **sorted = td_alloc_zero(count + 1, sizeof(segment_channel *));
    for (uint32_t i = 0; i < count; i++)
        sorted[i] = segment_reader_channel(reader, i);
    qsort(sorted, count, sizeof(void *), order_by_id);
    for (uint32_t i = 0; i < count; i++) {
        segment_channel row = {.id = sorted[i]->id, .info = sorted[i]->info};
        if (out->depth == INDEX_SUMMARY) {
            row.message_count = sorted[i]->message_count;
            row.first_ns = info->first_ns;
            row.last_ns = info->last_ns;
        }
        segment_index_add_channel(out, &row);
    }
    td_free(sorted);
}

static td_result read_counts(const segment_reader *reader, segment_index *out, td_err *err)
{
    segment_scratch *scratch = segment_scratch_open();
    td_buf channels;
    td_buf_init(&channels, LIMIT_CHUNK_BYTES);
    td_result rc = TD_OK;
    for (uint32_t i = 0; i < segment_reader_chunk_count(reader) && rc == TD_OK; i++) {
        rc = segment_reader_chunk_channels(reader, i, scratch, &channels, err);
        if (rc == TD_OK)
            segment_index_count(out, (const sealed_channel *)(const void *)channels.data,
                                channels.size / sizeof(sealed_channel));
    }
    td_buf_fini(&channels);
    segment_scratch_close(scratch);
    return rc;
}

static void copy_text(char *out, size_t out_bytes, const char *text)
{
    (void)snprintf(out, out_bytes, "%s", text);
}

static td_result read_chain(segment_reader *reader, segment_index *out, td_err *err)
{
    chain_record chain;
    td_result rc = segment_reader_last_chain(reader, NULL, &chain, err);
    if (rc == TD_E_NOTFOUND) {
        td_err_clear(err);
        return TD_OK;
    }
    if (rc == TD_OK)
        td_hash128_hex(chain.value, out->chain_hex);
    return rc;
}

/* The session, from the segment's metadata, else from its name. */
static void read_origin(const segment_info *info, const char *path, segment_index *out)
{
    segment_name name;
    (void)segment_name_parse(segment_file_name(path), &name); /* on failure the fields are empty */
    out->number = name.number;
    copy_text(out->session, sizeof out->session, name.session);
    copy_text(out->feed, sizeof out->feed, name.feed);
    if (info->session.session[0] != '\0') {
        copy_text(out->session, sizeof out->session, info->session.session);
        copy_text(out->feed, sizeof out->feed, info->session.feed);
    }
    copy_text(out->family, sizeof out->family, info->session.family);
    copy_text(out->verb, sizeof out->verb, info->session.verb);
    copy_text(out->version, sizeof out->version, info->session.version);
    out->session_start_ns = info->session.start_ns;
    out->previous_chain = info->session.previous_chain;
    out->source_chain = info->session.source_chain;
    out->form = info->session.form;
    out->previous_segment = td_strdup(info->session.previous_segment);
    out->path = td_strdup(path);
}

static td_result read_all(segment_reader *reader, const char *path, segment_index *out, td_err *err)
{
    const segment_info *info = segment_reader_info(reader);
    out->is_open = info->state == SEGMENT_OPEN;
    out->file_bytes = out->is_open ? info->valid_bytes : info->file_bytes;
    out->message_count = info->message_count;
    out->first_ns = info->first_ns;
    out->last_ns = info->last_ns;
    read_origin(info, path, out);
    td_result rc = read_chain(reader, out, err);
    read_channels(reader, out);
    for (uint32_t i = 0; i < segment_reader_chunk_count(reader) && rc == TD_OK; i++)
        rc = segment_index_add_chunk(out, segment_reader_chunk(reader, i),
                                     segment_reader_bitmap(reader, i), err);
    for (uint32_t i = 0; i < segment_reader_checkpoint_count(reader); i++)
        segment_index_add_checkpoint(out, segment_reader_checkpoint(reader, i));
    if (rc == TD_OK && out->depth == INDEX_FULL)
        rc = read_counts(reader, out, err);
    return rc;
}

/* Fill the index of an unreadable file from its name. */
static void fill_empty(const char *path, segment_index *out)
{
    segment_name name;
    index_depth depth = out->depth;
    segment_index_fini(out);
    out->depth = depth;
    out->is_open = 1;
    if (segment_name_parse(segment_file_name(path), &name)) {
        memcpy(out->session, name.session, sizeof name.session);
        memcpy(out->feed, name.feed, sizeof name.feed);
        out->number = name.number;
    }
    out->path = td_strdup(path);
    out->previous_segment = td_strdup("");
}

td_result segment_index_read(td_io io, const char *full, const char *path, index_depth depth,
                             segment_index *out, td_err *err)
{
    segment_reader *reader = NULL;
    *out = (segment_index){.depth = depth};
    td_result rc = segment_reader_open(io, full, &reader, err);
    if (rc == TD_OK)
        rc = read_all(reader, path, out, err);
    segment_reader_close(reader);
    if (rc == TD_OK)
        return TD_OK;
    if (recover_is_empty(io, full, rc)) {
        td_err_clear(err);
        fill_empty(path, out);
        return TD_OK;
    }
    segment_index_fini(out);
    return td_err_add(err, rc, "segment %s", path);
}
