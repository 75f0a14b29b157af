#include "format/segment_family.h"

#include <string.h>

#include "base/assert.h"
#include "base/decimal.h"
#include "format/mcap_decode.h"
#include "format/mcap_encode.h"
#include "format/mcap_source.h"
#include "format/segment_name.h"

static const char HASH[] = "hash", FAMILY[] = "family", DOCUMENT_END[] = ".yaml";

void segment_family_pack(td_buf *pack, const char *family, const document_set *documents)
{
    td_buf name;
    TD_ASSERT(documents->hash[0] != '\0');
    td_buf_init(&name, SIZE_MAX);
    td_buf_clear(pack);
    mcap_pack_pair(pack, td_bytes_str(FAMILY), td_bytes_str(family));
    mcap_pack_pair(pack, td_bytes_str(HASH), td_bytes_str(documents->hash));
    for (size_t i = 0; i < documents->count; i++) {
        td_buf_clear(&name);
        td_buf_add(&name, documents->at[i].name.data, documents->at[i].name.size);
        td_buf_add(&name, DOCUMENT_END, sizeof DOCUMENT_END - 1);
        mcap_pack_pair(pack, td_buf_view(&name), documents->at[i].text);
    }
    td_buf_fini(&name);
}

/* Read the Metadata record of that name at *at, and move *at after it. *pairs is empty if another
 * record is there, or none. */
static td_result read_metadata(mcap_source *source, const char *name, uint64_t *at,
                               mcap_packed *pairs, td_err *err)
{
    mcap_location location;
    mcap_metadata metadata;
    td_bytes content;
    *pairs = (mcap_packed){.bytes = {0}};
    td_result rc = mcap_source_record(source, *at, source->size, &location, err);
    if (rc == TD_EOF || (rc == TD_OK && location.opcode != MCAP_METADATA))
        return TD_OK;
    if (rc == TD_OK)
        rc = mcap_source_content(source, &location, &content, err);
    if (rc == TD_OK)
        rc = mcap_decode_metadata(content, &metadata, err);
    if (rc != TD_OK)
        return rc;
    *at = location.end;
    if (td_bytes_is(metadata.name, name))
        *pairs = metadata.pairs;
    return TD_OK;
}

static td_result read_session(mcap_source *source, uint64_t *at, segment_family *out, td_err *err)
{
    mcap_packed pairs;
    td_result rc = read_metadata(source, SEGMENT_SESSION_METADATA, at, &pairs, err);
    const td_bytes family = mcap_find_pair(pairs, FAMILY);
    if (rc != TD_OK)
        return rc;
    if (family.size == 0 || family.size >= sizeof out->family)
        return td_err_set(err, TD_E_CORRUPT, "no session record");
    memcpy(out->family, family.data, family.size);
    if (!td_digits_parse(mcap_find_pair(pairs, "start_ns"), UINT64_MAX, &out->start_ns))
        out->start_ns = 0;
    return TD_OK;
}

/* Read the documents of a map. */
static td_result read_documents(mcap_packed pairs, document_set *out, td_err *err)
{
    const size_t end = sizeof DOCUMENT_END - 1;
    const td_bytes hash = mcap_find_pair(pairs, HASH);
    mcap_pair pair;
    td_result rc = TD_OK;
    while (rc == TD_OK && mcap_next_pair(&pairs, &pair)) {
        const size_t size = pair.key.size > end ? pair.key.size - end : 0;
        if (size > 0 && memcmp(pair.key.data + size, DOCUMENT_END, end) == 0)
            rc = document_set_add(out, td_bytes_of(pair.key.data, size), pair.value, err);
    }
    if (rc != TD_OK)
        return rc;
    document_set_seal(out);
    if (out->count == 0 || !td_bytes_is(hash, out->hash))
        return td_err_set(err, TD_E_CORRUPT, "the text is damaged: its hash is %s", out->hash);
    return TD_OK;
}

static td_result read_record(mcap_source *source, uint64_t at, td_buf *content, document_set *out,
                             td_err *err)
{
    mcap_packed pairs;
    td_result rc = read_metadata(source, SEGMENT_FAMILY_METADATA, &at, &pairs, err);
    if (rc != TD_OK || pairs.bytes.size == 0)
        return rc;
    td_buf_clear(content);
    rc = td_buf_append(content, pairs.bytes.data, pairs.bytes.size, err);
    pairs.bytes = td_buf_view(content);
    return rc == TD_OK ? read_documents(pairs, out, err) : rc;
}

td_result segment_family_read(td_io io, const char *path, td_buf *content, segment_family *out,
                              td_err *err)
{
    td_file *file = NULL;
    mcap_source source = {0};
    uint64_t at = 0;
    *out = (segment_family){.start_ns = 0};
    td_result rc = td_io_open(io, path, TD_OPEN_READ, &file, err);
    if (rc == TD_OK)
        rc = mcap_source_init(&source, file, err);
    source.read_bytes = MCAP_SOURCE_BEGIN_BYTES;
    if (rc == TD_OK)
        rc = mcap_source_header(&source, &at, err);
    if (rc == TD_OK)
        rc = read_session(&source, &at, out, err);
    if (rc == TD_OK)
        rc = read_record(&source, at, content, &out->documents, err);
    if (rc == TD_E_TRUNCATED && segment_has_open_name(path)) {
        td_err_clear(err); /* it is being written, or its writer was killed */
        out->documents.count = 0;
        rc = TD_OK;
    }
    mcap_source_fini(&source);
    td_io_close(file);
    return rc;
}
