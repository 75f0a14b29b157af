/* The lists of a reader, from an index that was read before: a catalog's. */
#include "format/segment_reader_impl.h"

#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "format/segment_index.h"

/* 1 if the file is the one that the index describes, whatever its name. */
static td_result check_identity(segment_reader *r, const segment_index *index, td_err *err)
{
    td_hash128 expected;
    chain_record last;
    if (index->is_open || index->chunk_count == 0 ||
        !chain_value_parse(td_bytes_str(index->chain_hex), &expected))
        return td_err_set(err, TD_E_CORRUPT, "its index does not show what file it describes");
    if (r->source.size != index->file_bytes)
        return td_err_set(err, TD_E_CORRUPT, "%" PRIu64 " bytes, %" PRIu64 " in its index",
                          r->source.size, index->file_bytes);
    /* Its value covers every byte before it. */
    td_result rc = reader_read_chain(r, &index->chunks[index->chunk_count - 1], NULL, &last, err);
    if (rc == TD_OK && !td_hash128_equal(last.value, expected))
        rc = td_err_set(err, TD_E_CORRUPT, "its chain ends with another value than in its index");
    return rc;
}

static void fill_info(segment_reader *r, const segment_index *index)
{
    const char *const texts[] = {index->session, index->feed,    index->family,
                                 index->verb,    index->version, index->previous_segment};
    size_t bytes = 0;
    _Static_assert(sizeof texts / sizeof texts[0] == SESSION_STRINGS, "one each");
    for (size_t i = 0; i < SESSION_STRINGS; i++)
        bytes += strlen(texts[i]) + 1;
    r->strings = td_alloc(bytes);
    char *at = r->strings;
    r->info.session = (segment_session){
        .session = reader_place_text(&at, td_bytes_str(index->session)),
        .feed = reader_place_text(&at, td_bytes_str(index->feed)),
        .family = reader_place_text(&at, td_bytes_str(index->family)),
        .verb = reader_place_text(&at, td_bytes_str(index->verb)),
        .version = reader_place_text(&at, td_bytes_str(index->version)),
        .previous_segment = reader_place_text(&at, td_bytes_str(index->previous_segment)),
        .start_ns = index->session_start_ns,
    };
    r->info.state = SEGMENT_FINISHED;
    r->info.is_ours = 1;
    r->info.sound_bytes = r->source.size;
}

td_result reader_load_index(segment_reader *reader, const segment_index *index, td_err *err)
{
    TD_ASSERT(reader->chunk_count == 0);
    TD_ASSERT(reader->channel_count == 0);
    td_result rc = check_identity(reader, index, err);
    if (rc == TD_OK)
        fill_info(reader, index);
    for (size_t i = 0; i < index->channel_count && rc == TD_OK; i++)
        rc = reader_add_known_channel(reader, &index->channels[i], err);
    for (size_t i = 0; i < index->chunk_count && rc == TD_OK; i++) {
        const segment_chunk *chunk = &index->chunks[i];
        td_bytes bitmap = td_bytes_of(index->bitmaps + chunk->bitmap_offset, chunk->bitmap_bytes);
        rc = reader_add_chunk(reader, chunk, bitmap, err);
    }
    return rc;
}
