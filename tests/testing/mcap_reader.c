#include "tests/testing/mcap_reader.h"

#include <stdlib.h>
#include <string.h>

#include <zlib.h>
#include <zstd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/limits.h"
#include "format/segment_reader.h"

struct mcap_reader {
    td_bytes file;
    size_t at;         /* offset of the next record of the file */
    size_t summary_at; /* offset after Data End; 0 before it was read */
    uint8_t *records;  /* the current chunk's records, decompressed; NULL outside of chunks */
    size_t records_bytes, records_at;
    uint8_t is_done;
    mcap_reader_stats stats;
};

/* The channel ids read so far, one bit each. */
typedef struct channel_set {
    uint8_t bits[(UINT16_MAX + 1) / 8];
} channel_set;

/* The fields of a record that were not read yet. */
typedef struct fields {
    td_bytes left;
    uint8_t is_short; /* 1: the record was too short for a field */
} fields;

static td_bytes read_bytes(fields *f, uint64_t size)
{
    if (f->is_short || size > f->left.size) {
        f->is_short = 1;
        return td_bytes_of(NULL, 0);
    }
    td_bytes taken = td_bytes_of(f->left.data, (size_t)size);
    f->left = td_bytes_of(f->left.data + size, f->left.size - (size_t)size);
    return taken;
}

static uint64_t read_number(fields *f, size_t size)
{
    td_bytes bytes = read_bytes(f, size);
    uint64_t number = 0;
    for (size_t i = bytes.size; i > 0; i--)
        number = number << 8 | bytes.data[i - 1];
    return number;
}

/* Reads bytes after their length, which is a number of length_bytes bytes. */
static td_bytes read_sized(fields *f, size_t length_bytes)
{
    return read_bytes(f, read_number(f, length_bytes));
}

/* Reads the record at *at. TD_OK, TD_EOF, TD_E_TRUNCATED. */
static td_result split(td_bytes bytes, size_t *at, mcap_record *out)
{
    TD_ASSERT(*at <= bytes.size);
    if (*at == bytes.size)
        return TD_EOF;
    fields f = {.left = td_bytes_of(bytes.data + *at, bytes.size - *at)};
    *out = (mcap_record){.offset = *at};
    out->opcode = (uint8_t)read_number(&f, 1);
    out->content = read_sized(&f, 8);
    if (f.is_short || out->opcode == 0)
        return TD_E_TRUNCATED;
    *at = (size_t)(f.left.data - bytes.data);
    return TD_OK;
}

td_result mcap_reader_open(td_bytes file, mcap_reader **out)
{
    mcap_record header;
    size_t at = sizeof MCAP_MAGIC - 1;
    *out = NULL;
    if (file.size < at || memcmp(file.data, MCAP_MAGIC, at) != 0)
        return TD_E_CORRUPT;
    if (split(file, &at, &header) != TD_OK || header.opcode != MCAP_HEADER)
        return TD_E_CORRUPT;
    fields f = {.left = header.content};
    (void)read_sized(&f, 4); /* profile */
    (void)read_sized(&f, 4); /* library */
    if (f.is_short)
        return TD_E_CORRUPT;
    mcap_reader *r = calloc(1, sizeof *r);
    TD_ASSERT(r != NULL);
    r->file = file;
    r->at = at;
    *out = r;
    return TD_OK;
}

void mcap_reader_close(mcap_reader *reader)
{
    if (reader != NULL)
        free(reader->records);
    free(reader);
}

static td_result check_crc(mcap_reader *r, td_bytes bytes, uint64_t expected)
{
    if (expected == 0) {
        r->stats.crc_missing_count++;
        return TD_OK;
    }
    r->stats.crc_checked_count++;
    return crc32_z(0, bytes.data, bytes.size) == expected ? TD_OK : TD_E_CORRUPT;
}

/* Returns bytes [from, to) of the file. */
static td_bytes range(const mcap_reader *r, size_t from, size_t to)
{
    TD_ASSERT(from <= to && to <= r->file.size);
    return td_bytes_of(r->file.data + from, to - from);
}

/* Begins to read the records of a chunk. */
static td_result enter_chunk(mcap_reader *r, td_bytes content)
{
    TD_ASSERT(r->records == NULL);
    fields f = {.left = content};
    (void)read_bytes(&f, 16); /* first and last time */
    uint64_t size = read_number(&f, 8);
    uint64_t crc = read_number(&f, 4);
    td_bytes compression = read_sized(&f, 4);
    td_bytes compressed = read_sized(&f, 8);
    if (f.is_short || size > LIMIT_CHUNK_BYTES)
        return TD_E_CORRUPT;
    uint8_t *records = malloc(size == 0 ? 1 : (size_t)size);
    TD_ASSERT(records != NULL);
    size_t got = compressed.size;
    if (td_bytes_is(compression, "zstd"))
        got = ZSTD_decompress(records, (size_t)size, compressed.data, compressed.size);
    else if (got == size && got > 0)
        memcpy(records, compressed.data, got);
    if (got != size || check_crc(r, td_bytes_of(records, (size_t)size), crc) != TD_OK) {
        free(records);
        return TD_E_CORRUPT;
    }
    r->records = records;
    r->records_bytes = (size_t)size;
    r->records_at = 0;
    return TD_OK;
}

static td_result check_data_end(mcap_reader *r, const mcap_record *record)
{
    fields f = {.left = record->content};
    uint64_t crc = read_number(&f, 4);
    r->summary_at = r->at;
    return f.is_short ? TD_E_CORRUPT : check_crc(r, range(r, 0, (size_t)record->offset), crc);
}

/* Checks that the summary extends from Data End to the footer's CRC, and that only the magic
 * follows the footer. Otherwise a damaged Data End would pass as an unknown record. */
static td_result check_footer(mcap_reader *r, const mcap_record *record)
{
    fields f = {.left = record->content};
    uint64_t summary_at = read_number(&f, 8);
    (void)read_number(&f, 8); /* summary offsets */
    size_t covered = (size_t)(f.left.data - r->file.data);
    uint64_t crc = read_number(&f, 4);
    r->is_done = 1;
    if (f.is_short || f.left.size != 0 || !td_bytes_is(range(r, r->at, r->file.size), MCAP_MAGIC))
        return TD_E_TRUNCATED;
    if (summary_at != 0 && summary_at != r->summary_at)
        return TD_E_CORRUPT;
    size_t from = summary_at == 0 ? (size_t)record->offset : (size_t)summary_at;
    return check_crc(r, range(r, from, covered), crc);
}

int mcap_reader_message(const mcap_record *record, mcap_message *out)
{
    fields f = {.left = record->content};
    out->channel_id = (uint16_t)read_number(&f, 2);
    out->sequence = (uint32_t)read_number(&f, 4);
    out->log_ns = read_number(&f, 8);
    out->publish_ns = read_number(&f, 8);
    out->data = f.left;
    return !f.is_short;
}

static td_result check(mcap_reader *r, const mcap_record *record)
{
    if (r->records != NULL)
        return TD_OK; /* other records matter only outside of chunks */
    switch (record->opcode) {
    case MCAP_DATA_END:
        return check_data_end(r, record);
    case MCAP_FOOTER:
        return check_footer(r, record);
    default:
        return TD_OK;
    }
}

/* Reads the next record of the current chunk; TD_EOF after the last one. */
static td_result next_in_chunk(mcap_reader *r, mcap_record *out)
{
    td_result rc = split(td_bytes_of(r->records, r->records_bytes), &r->records_at, out);
    if (rc == TD_OK)
        return rc;
    free(r->records);
    r->records = NULL;
    return rc == TD_EOF ? rc : TD_E_CORRUPT;
}

static td_result next_in_file(mcap_reader *r, mcap_record *out)
{
    if (r->is_done)
        return TD_EOF;
    td_result rc = split(r->file, &r->at, out);
    if (rc == TD_OK)
        return rc;
    r->is_done = 1;
    return TD_E_TRUNCATED; /* the file ends within a record, or has no footer */
}

td_result mcap_reader_next(mcap_reader *reader, mcap_record *out)
{
    mcap_reader *r = reader;
    for (;;) {
        td_result rc = r->records != NULL ? next_in_chunk(r, out) : TD_EOF;
        if (rc == TD_EOF)
            rc = next_in_file(r, out);
        if (rc != TD_OK)
            return rc;
        if (out->opcode == MCAP_CHUNK && r->records == NULL) {
            rc = enter_chunk(r, out->content);
            if (rc != TD_OK)
                return rc;
            continue;
        }
        r->stats.message_count += out->opcode == MCAP_MESSAGE;
        return check(r, out);
    }
}

/* Checks that a message is complete and follows its channel's record. */
static td_result check_channel(channel_set *seen, const mcap_record *record)
{
    fields f = {.left = record->content};
    uint16_t id = (uint16_t)read_number(&f, 2);
    uint8_t bit = (uint8_t)(1u << (id % 8));
    mcap_message message;
    if (record->opcode == MCAP_CHANNEL && !f.is_short)
        seen->bits[id / 8] |= bit;
    if (record->opcode == MCAP_MESSAGE &&
        (!mcap_reader_message(record, &message) || !(seen->bits[id / 8] & bit)))
        return TD_E_CORRUPT;
    return TD_OK;
}

td_result mcap_reader_check(td_bytes file, mcap_reader_stats *stats)
{
    mcap_reader *reader;
    mcap_record record;
    channel_set seen = {0};
    td_result rc = mcap_reader_open(file, &reader);
    while (rc == TD_OK) {
        rc = mcap_reader_next(reader, &record);
        if (rc == TD_OK)
            rc = check_channel(&seen, &record);
    }
    if (reader != NULL && stats != NULL)
        *stats = reader->stats;
    mcap_reader_close(reader);
    return rc == TD_EOF ? TD_OK : rc;
}

/* Compares the next message of mcap_reader with the one from segment_reader. */
static void compare_message(mcap_reader *second, const segment_message *got)
{
    mcap_record record = {0};
    mcap_message want = {0};
    while (record.opcode != MCAP_MESSAGE)
        TD_ASSERT(mcap_reader_next(second, &record) == TD_OK);
    TD_ASSERT(mcap_reader_message(&record, &want));
    TD_ASSERT(got->channel->id == want.channel_id);
    TD_ASSERT(got->sequence == want.sequence);
    TD_ASSERT(got->log_ns == want.log_ns);
    TD_ASSERT(got->publish_ns == want.publish_ns);
    TD_ASSERT(td_bytes_equal(got->data, want.data));
}

/* Compares all messages of a file as both readers read them. Returns their number. */
static uint64_t compare_messages(const segment_reader *first, mcap_reader *second)
{
    segment_scratch *scratch = segment_scratch_open();
    td_buf records;
    td_buf_init(&records, LIMIT_CHUNK_BYTES + SEGMENT_PADDING_BYTES);
    uint64_t count = 0;
    for (uint32_t i = 0; i < segment_reader_chunk_count(first); i++) {
        TD_ASSERT(segment_reader_read(first, i, scratch, &records, NULL) == TD_OK);
        size_t at = 0;
        segment_message message;
        td_result rc;
        while ((rc = segment_reader_message(first, td_buf_view(&records), &at, &message, NULL)) ==
               TD_OK) {
            compare_message(second, &message);
            count++;
        }
        TD_ASSERT(rc == TD_EOF);
    }
    td_buf_fini(&records);
    segment_scratch_close(scratch);
    return count;
}

int64_t mcap_reader_compare(td_io io, const char *path)
{
    uint8_t *bytes;
    size_t size;
    TD_ASSERT(td_io_read_file(io, path, SIZE_MAX, &bytes, &size, NULL) == TD_OK);
    td_bytes file = td_bytes_of(bytes, size);
    mcap_reader_stats stats;
    uint64_t count = 0;
    int is_due = mcap_reader_check(file, &stats) == TD_OK && stats.crc_missing_count == 0;
    if (is_due) {
        segment_reader *first;
        mcap_reader *second;
        TD_ASSERT(segment_reader_open(io, path, &first, NULL) == TD_OK);
        TD_ASSERT(segment_reader_info(first)->state == SEGMENT_FINISHED);
        TD_ASSERT(mcap_reader_open(file, &second) == TD_OK);
        count = compare_messages(first, second);
        TD_ASSERT(count == stats.message_count);
        mcap_reader_close(second);
        segment_reader_close(first);
    }
    td_free(bytes);
    return is_due ? (int64_t)count : -1;
}
