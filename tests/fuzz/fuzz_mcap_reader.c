/* Any bytes as a file: every reader of MCAP files must come to an end, within its bounds, and what
 * recover makes of a file must be one that the readers take. No CRC or chain stands in the way of
 * structure here: those are checked after the lengths, which is what this looks for. */
#include <stddef.h>
#include <stdint.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "tests/testing/io_fault.h"
#include "base/limits.h"
#include "tests/testing/mcap_reader.h"
#include "format/recover.h"
#include "format/segment_reader.h"
#include "format/segment_verify.h"
#include "tests/testing/fuzz_input.h"

static const char FILE_NAME[] = "x.mcap";
static const char OPEN_NAME[] = "x.mcap.open";

static void read_chunks(segment_reader *reader, segment_scratch *scratch, td_buf *records)
{
    for (uint32_t i = 0; i < segment_reader_chunk_count(reader); i++) {
        /* Damage is what most inputs are: only that it ends, and within bounds, is asked. */
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
    (void)rc; /* damage, as above */
    td_buf_fini(&records);
    segment_scratch_close(scratch);
    segment_reader_close(reader);
}

static void run_mcap_reader(td_io io, mcap_chunks chunks)
{
    mcap_reader *reader;
    if (mcap_reader_open(io, FILE_NAME, chunks, &reader, NULL) != TD_OK)
        return;
    mcap_record record;
    td_result rc;
    do {
        rc = mcap_reader_next(reader, &record, NULL);
    } while (rc == TD_OK || rc == TD_E_CORRUPT || rc == TD_E_UNSUPPORTED || rc == TD_E_LIMIT);
    TD_ASSERT(rc == TD_EOF || rc == TD_E_TRUNCATED);
    mcap_reader_close(reader);
}

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
    }
    td_free(result);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    io_fault *disk = io_fault_open();
    TD_ASSERT(disk != NULL);
    td_io io = io_fault_io(disk);
    fuzz_put_file(io, FILE_NAME, data, size);
    run_segment_reader(io, FILE_NAME);
    run_mcap_reader(io, MCAP_CHUNKS_WHOLE);
    run_mcap_reader(io, MCAP_CHUNKS_EXPANDED);
    segment_verify_result verified;
    td_result rc = segment_verify(io, FILE_NAME, NULL, NULL, &verified, NULL);
    (void)rc; /* what it finds is its business */
    fuzz_must(td_io_unlink(io, FILE_NAME, NULL), NULL);
    fuzz_must(td_io_mkdir(io, "torn", NULL), NULL);
    fuzz_put_file(io, OPEN_NAME, data, size);
    run_segment_reader(io, OPEN_NAME);
    rc = segment_verify(io, OPEN_NAME, NULL, NULL, &verified, NULL);
    run_recover(io);
    TD_ASSERT(io_fault_open_count(disk) == 0);
    io_fault_close(disk);
    return 0;
}
