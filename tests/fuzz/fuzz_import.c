/* Captures of any bytes through the parts of import that read them: gzip, lines, records, slots.
 * Besides not crashing:
 *   - lines are numbered 1, 2, 3 …, and after damage there is one error and then the end;
 *   - a record's views are in the line, or are readable with their padding;
 *   - the same lines give the same slots again;
 *   - importing them into an archive with another session leaves it sound.
 * The first byte: '0' cryptofeed's formats, '1' JSON lines; '2' and '3' the same, also imported. */
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "recorder/import/import.h"
#include "recorder/import/import_line.h"
#include "recorder/import/import_order.h"
#include "recorder/import/import_source.h"
#include "base/assert.h"
#include "schema/decode.h"
#include "tests/testing/files.h"
#include "tests/testing/fuzz_archive.h"
#include "tests/testing/fuzz_input.h"

enum { INPUT_BYTES_MAX = 32 << 10 }; /* fits in a pipe: written before it is read */

/* Reads every member of a record; and its connection. */
static uint64_t read_record(import_order *order, const import_record *record)
{
    import_place place = {0};
    uint64_t sum = 0;
    for (size_t i = 0; i < record->data.size + DECODE_PADDING_BYTES && record->data.size > 0; i++)
        sum = sum * 31 + (i < record->data.size ? record->data.data[i] : 0);
    td_result rc = import_order_place(order, record, &place, NULL);
    TD_ASSERT(rc == TD_OK || rc == TD_E_LIMIT);
    return sum + place.slot * UINT64_C(7) + place.conn * UINT64_C(3) + place.effective_ns;
}

static uint64_t read_capture(import_format format, const uint8_t *data, size_t size)
{
    import_text_line line;
    int ends[2];
    uint64_t sum = 0;
    uint64_t number = 0;
    int damages = 0;
    TD_ASSERT(pipe(ends) == 0);
    TD_ASSERT(write(ends[1], data, size) == (ssize_t)size);
    TD_ASSERT(close(ends[1]) == 0);
    import_source *source = import_source_open_pipe(ends[0]);
    import_line_reader *reader = import_line_reader_open(format);
    import_order *order = import_order_open(NULL);
    for (;;) {
        td_result rc = import_source_next(source, &line, NULL);
        if (rc == TD_EOF)
            break;
        if (rc != TD_OK) {
            TD_ASSERT(rc == TD_E_CORRUPT || rc == TD_E_TRUNCATED);
            TD_ASSERT(++damages == 1);
            continue;
        }
        import_record record;
        const char *reason = NULL;
        TD_ASSERT(line.number == ++number);
        TD_ASSERT(damages == 0);
        if (import_line_read(reader, line.text, &record, &reason) && record.kind != IMPORT_NOTHING)
            sum = sum * 33 + read_record(order, &record);
    }
    import_source_close(source);
    import_line_reader_close(reader);
    import_order_close(order);
    TD_ASSERT(close(ends[0]) == 0);
    return sum;
}

/* Runs a whole import: without a family, by URLs, which may be refused; and with a family. */
static void import_capture(import_format format, const uint8_t *data, size_t size)
{
    static const char *const FAMILIES[] = {NULL, "inverse", "spot-v1"};
    static import_report report; /* too large for the stack */
    static fuzz_archive *into;
    if (into == NULL)
        into = fuzz_archive_make(WRITER_STOP);
    io_fault *disk = fuzz_archive_copy(into);
    const char *named = FAMILIES[size % 3];
    file_make(io_fault_io(disk), "capture", data, size);
    const import_options options = {
        .io = io_fault_io(disk),
        .clock = clock_sim_clock(into->clock),
        .archive_path = FUZZ_ARCHIVE_PATH,
        .catalog_path = into->catalog_path,
        .version = "0",
        .format = format,
        .path = "capture",
        .family = named == NULL ? NULL : family_find(td_bytes_str(named)),
    };
    td_result rc = import_run(&options, &report, NULL);
    TD_ASSERT(rc == TD_OK || rc == TD_E_INVALID || rc == TD_E_LIMIT);
    import_report_fini(&report);
    verify_severity verdict = fuzz_archive_verify(into, disk);
    TD_ASSERT(verdict != VERIFY_DAMAGED);
    TD_ASSERT(verdict == VERIFY_SOUND || !report.is_written || rc != TD_OK);
    TD_ASSERT(io_fault_open_count(disk) == 0);
    io_fault_close(disk);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > INPUT_BYTES_MAX)
        return 0;
    import_format format = data[0] % 2 == 0 ? IMPORT_CRYPTOFEED : IMPORT_JSONL;
    uint64_t first = read_capture(format, data + 1, size - 1);
    TD_ASSERT(read_capture(format, data + 1, size - 1) == first);
    if (data[0] / 2 % 2 == 1)
        import_capture(format, data + 1, size - 1);
    return 0;
}
