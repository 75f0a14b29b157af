/* Any bytes as a file: reader, verification and recovery must end, within their limits, and agree
 * with a reader that shares no code with them (tests/testing/mcap_reader.h) about every file in
 * which it finds no fault. CRCs and chain are checked after the lengths, so that they do not keep
 * changed bytes from the code that reads the structure. */
#include <stddef.h>
#include <stdint.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "tests/testing/files.h"
#include "tests/testing/io_fault.h"
#include "base/limits.h"
#include "tests/testing/mcap_reader.h"
#include "format/recover.h"
#include "format/segment_family.h"
#include "format/segment_reader.h"
#include "format/segment_verify.h"
#include "tests/testing/fuzz_input.h"

static const char FILE_NAME[] = "x.mcap";
static const char OPEN_NAME[] = "x.mcap.open";

static void read_chunks(segment_reader *reader, segment_scratch *scratch, td_buf *records)
{
    for (uint32_t i = 0; i < segment_reader_chunk_count(reader); i++) {
        /* Most inputs are damaged, so errors are ignored: it must only end, within its limits. */
        td_result rc = segment_reader_chunk_channels(reader, i, scratch, records, NULL);
        rc = segment_reader_read(reader, i, scratch, records, NULL);
        size_t at = 0;
        segment_message message;
        while (rc == TD_OK || rc == TD_E_CORRUPT) {
            rc = segment_reader_message(reader, td_buf_view(records), &at, &message, NULL);
            TD_ASSERT(at <= records->size);
            if (rc == TD_OK)
                TD_ASSERT(message.data.size <= records->size);
        }
    }
}

static void run_segment_reader(td_io io, const char *name)
{
    segment_reader *reader;
    if (segment_reader_open(io, name, &reader, NULL) != TD_OK)
        return;
    segment_scratch *scratch = segment_scratch_open();
    td_buf records;
    td_buf_init(&records, LIMIT_CHUNK_BYTES + SEGMENT_PADDING_BYTES);
    read_chunks(reader, scratch, &records);
    uint32_t added;
    fuzz_must(segment_reader_refresh(reader, &added, NULL), NULL);
    TD_ASSERT(added == 0);
    chain_record chain;
    td_result rc = segment_reader_last_chain(reader, NULL, &chain, NULL);
    (void)rc; /* damage is ignored, as above */
    td_buf_fini(&records);
    segment_scratch_close(scratch);
    segment_reader_close(reader);
}

/* Documents of a family are read whole, within the record, or refused. */
static void run_segment_family(td_io io, const char *name)
{
    segment_family family;
    td_buf content;
    td_buf_init(&content, LIMIT_RECORD_BYTES);
    td_result rc = segment_family_read(io, name, &content, &family, NULL);
    for (size_t i = 0; rc == TD_OK && i < family.documents.count; i++) {
        const td_bytes text = family.documents.at[i].text;
        TD_ASSERT(text.data >= content.data);
        TD_ASSERT(text.data + text.size <= content.data + content.size);
    }
    td_buf_fini(&content);
}

/* Checks that a file without findings of verification is correct for the independent reader. */
static void run_verify(td_io io, const char *name, td_bytes file)
{
    segment_verify_result verified;
    td_result rc = segment_verify(io, name, NULL, NULL, &verified, NULL);
    if (rc != TD_OK || verified.damage_count > 0 || verified.state != SEGMENT_FINISHED)
        return;
    mcap_reader_stats stats;
    fuzz_must(mcap_reader_check(file, &stats), NULL);
    TD_ASSERT(stats.message_count == verified.totals.message_count);
}

/* Checks that both readers agree on a recovered file with intact blocks. */
static void run_recover(td_io io)
{
    recover_result *result = td_alloc(sizeof *result);
    segment_reader *reader;
    td_result rc = recover_segment(io, OPEN_NAME, "torn", result, NULL);
    TD_ASSERT(rc == TD_OK || rc == TD_E_LIMIT);
    if (rc == TD_OK && result->has_segment) {
        fuzz_must(segment_reader_open(io, result->path, &reader, NULL), NULL);
        TD_ASSERT(segment_reader_info(reader)->state == SEGMENT_FINISHED);
        segment_reader_close(reader);
        int64_t count = mcap_reader_compare(io, result->path);
        TD_ASSERT(count == (int64_t)result->totals.message_count || result->damaged_blocks > 0);
    }
    td_free(result);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    io_fault *disk = io_fault_open();
    td_io io = io_fault_io(disk);
    file_make(io, FILE_NAME, data, size);
    run_segment_reader(io, FILE_NAME);
    run_segment_family(io, FILE_NAME);
    (void)mcap_reader_compare(io, FILE_NAME); /* damaged files are not compared */
    run_verify(io, FILE_NAME, td_bytes_of(data, size));
    fuzz_must(td_io_unlink(io, FILE_NAME, NULL), NULL);
    fuzz_must(io.ops->mkdir(io.ctx, "torn", NULL), NULL);
    file_make(io, OPEN_NAME, data, size);
    run_segment_reader(io, OPEN_NAME);
    run_segment_family(io, OPEN_NAME);
    run_verify(io, OPEN_NAME, td_bytes_of(data, size));
    run_recover(io);
    TD_ASSERT(io_fault_open_count(disk) == 0);
    io_fault_close(disk);
    return 0;
}
