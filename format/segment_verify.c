#include "format/segment_verify.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/limits.h"
#include "format/chunk_codec.h"
#include "format/mcap_decode.h"
#include "format/mcap_summary.h"
#include "format/recover.h"
#include "format/scanner.h"
#include "format/segment_name.h"

/* A message of the last chunk, to compare with its message indexes. */
typedef struct verify_entry {
    uint64_t log_ns, offset;
    uint16_t id;
} verify_entry;

/* Ordinals of one slot and direction. */
typedef struct verify_slot {
    uint32_t line, shard;
    channel_dir dir;
    uint32_t last;         /* sequence number of its last frame */
    uint64_t frames;       /* since the last chain record */
    uint8_t has_restarted; /* 1: its ordinals restarted since the last chain record */
} verify_slot;

typedef struct verify_state {
    segment_reader *reader; /* gives state, session and channels */
    mcap_source source;     /* reads the reader's file */
    scanner walk;
    segment_finding_fn *fn;
    void *user;
    segment_verify_result *result;
    uint64_t data_start; /* after the header */
    uint64_t limit;      /* end of the checked bytes */
    codec *coder;
    td_buf records; /* of the last chunk */
    td_buf entries; /* verify_entry of the last chunk, by id and offset */
    td_buf end;     /* the expected bytes from Data End to the closing magic */
    mcap_summary summary;
    /* messages */
    uint64_t last_ns, last_frame_ns;
    /* counted since the last chain record, and that record's content */
    td_buf slots;       /* verify_slot */
    chain_totals block; /* counted; frames_dropped: missing ordinals */
    chain_totals totals;
    uint64_t late_holes; /* frames dropped per the totals, minus the missing ordinals seen so far */
    chain_conn *conns, *last_conns; /* CHAIN_CONNS_MAX each */
    uint32_t last_conn_count;
    uint8_t expects_end;   /* 1: the file is finished, or its name shows that it should be */
    uint8_t is_chunk_read; /* 1: the chunk could be read: entries has its messages */
    uint8_t is_block_read; /* 1: all chunks since the last chain record could be read */
    uint8_t has_totals; /* 1: totals and last_conns are valid: they are the last chain record's */
} verify_state;

const char *segment_finding_name(segment_finding_kind kind)
{
    static const char *const NAMES[] = {
        [FINDING_STRUCTURE] = "structure",
        [FINDING_CHUNK_CRC] = "chunk-crc",
        [FINDING_DATA_CRC] = "data-crc",
        [FINDING_CHAIN] = "chain",
        [FINDING_TOTALS] = "totals",
        [FINDING_ORDINAL] = "ordinal",
        [FINDING_TIME] = "time",
        [FINDING_INDEX] = "index",
        [FINDING_CHECKPOINT] = "checkpoint",
        [FINDING_SUMMARY] = "summary",
        [FINDING_TORN] = "torn",
    };
    TD_ASSERT((size_t)kind < sizeof NAMES / sizeof NAMES[0]);
    return NAMES[kind];
}

TD_PRINTF(4, 5)
static void report(verify_state *v, segment_finding_kind kind, uint64_t offset, const char *format,
                   ...)
{
    TD_ASSERT(format != NULL);
    char text[TD_ERR_TEXT_BYTES];
    va_list values;
    va_start(values, format);
    (void)vsnprintf(text, sizeof text, format, values); /* may be truncated */
    va_end(values);
    segment_finding finding = {.kind = kind, .offset = offset, .text = text};
    if (kind != FINDING_TORN)
        v->result->damage_count++;
    if (v->fn != NULL)
        v->fn(v->user, &finding);
}

/* Report a failure to read a record as a finding and return TD_OK, unless the failure ends the
 * work. */
static td_result report_failure(verify_state *v, segment_finding_kind kind, uint64_t offset,
                                td_result rc, const td_err *why, td_err *err)
{
    if (rc == TD_OK || scan_is_fatal(rc))
        return rc == TD_OK ? TD_OK : td_err_pass(err, rc, why);
    report(v, kind, offset, "%s", why->text);
    return TD_OK;
}

/* ---- messages and chain records ---- */

/* Checks messages against the chain records. A segment may begin in the middle of a session: then
 * the first chain record's totals are accepted, and the differences between successive records are
 * checked. */

/* Find a frame's slot and direction. A new entry accepts any first ordinal. */
static verify_slot *find_slot(verify_state *v, const channel_info *info, uint32_t sequence)
{
    TD_ASSERT(info->dir == CHANNEL_IN || info->dir == CHANNEL_OUT);
    verify_slot *slots = (verify_slot *)(void *)v->slots.data;
    size_t count = v->slots.size / sizeof *slots;
    for (size_t i = 0; i < count; i++) {
        if (slots[i].line == info->line && slots[i].shard == info->shard &&
            slots[i].dir == info->dir)
            return &slots[i];
    }
    verify_slot slot = {
        .line = info->line, .shard = info->shard, .dir = info->dir, .last = sequence - 1};
    td_buf_add(&v->slots, &slot, sizeof slot);
    return (verify_slot *)(void *)(v->slots.data + v->slots.size - sizeof slot);
}

/* Check that ordinals increase by one. Missing ones are dropped frames, which the chain record
 * must count; a decrease is a new connection, which the chain record must list. Sequence numbers
 * are modulo 2^32. */
static void check_ordinal(verify_state *v, verify_slot *slot, uint32_t sequence)
{
    TD_ASSERT(slot->frames < UINT64_MAX);
    uint32_t step = sequence - slot->last;
    slot->frames++;
    slot->last = sequence;
    if (step == 1)
        return;
    if (step != 0 && step < UINT32_MAX / 2) {
        v->block.frames_dropped += step - 1;
        return;
    }
    slot->has_restarted = 1;
    v->block.frames_dropped += sequence - 1;
}

/* Check that frame times strictly increase. Events and HTTP answers may repeat the last time. */
static void check_time(verify_state *v, const mcap_message *message, int is_frame, uint64_t offset)
{
    if (message->log_ns < v->last_ns || (is_frame && message->log_ns <= v->last_frame_ns))
        report(v, FINDING_TIME, offset, "receive time %" PRIu64 " comes after %" PRIu64,
               message->log_ns, message->log_ns < v->last_ns ? v->last_ns : v->last_frame_ns);
    v->last_ns = message->log_ns;
    if (is_frame)
        v->last_frame_ns = message->log_ns;
}

static void count_message(verify_state *v, const segment_channel *channel,
                          const mcap_message *message, uint64_t offset)
{
    TD_ASSERT(channel != NULL);
    TD_ASSERT(message->channel_id == channel->id);
    int is_frame = channel->info.dir == CHANNEL_IN || channel->info.dir == CHANNEL_OUT;
    v->result->frame_count += channel->info.dir != CHANNEL_EVENT;
    check_time(v, message, is_frame, offset);
    if (!is_frame) {
        v->block.events_written++;
        return;
    }
    v->block.frames_written++;
    v->block.bytes_written += message->data.size;
    check_ordinal(v, find_slot(v, &channel->info, message->sequence), message->sequence);
}

/* Check that a total grew since the last chain record by the number counted in between. */
static void check_step(verify_state *v, uint64_t offset, const char *what, uint64_t before,
                       uint64_t now, uint64_t counted)
{
    TD_ASSERT(what != NULL);
    if (now < before || now - before < counted || (v->has_totals && now - before != counted))
        report(v, FINDING_TOTALS, offset,
               "chain record: %s went from %" PRIu64 " to %" PRIu64 ", the messages count %" PRIu64,
               what, before, now, counted);
}

/* A slot's frames in one direction, summed over connections, and the last connection with frames.
 */
typedef struct slot_sum {
    uint64_t frames;
    uint64_t last_ordinal; /* of connection `latest` */
    uint32_t latest, conns;
} slot_sum;

/* Sum a slot's frames in one list of connections, minus the frames in an earlier list. */
static slot_sum sum_slot(const chain_conn *conns, uint32_t count, const verify_slot *slot,
                         const chain_conn *before, uint32_t before_count)
{
    TD_ASSERT(count <= CHAIN_CONNS_MAX);
    TD_ASSERT(before_count <= CHAIN_CONNS_MAX);
    slot_sum sum = {0};
    int is_in = slot->dir == CHANNEL_IN;
    for (uint32_t i = 0; i < count; i++) {
        const chain_conn *conn = &conns[i];
        if (conn->line != slot->line || conn->shard != slot->shard)
            continue;
        uint64_t written = is_in ? conn->in : conn->out;
        sum.frames += written;
        sum.conns++;
        /* A connection without frames has no ordinals to compare. */
        if (written > 0 && conn->conn >= sum.latest) {
            sum.latest = conn->conn;
            sum.last_ordinal = is_in ? conn->in_ordinal : conn->out_ordinal;
        }
        /* Subtract frames that the earlier list counts. */
        for (uint32_t k = 0; k < before_count; k++) {
            if (before[k].line == conn->line && before[k].shard == conn->shard &&
                before[k].conn == conn->conn)
                sum.frames -= is_in ? before[k].in : before[k].out;
        }
    }
    return sum;
}

/* Check the record's connections against the frames of its block. */
static void check_slots(verify_state *v, const chain_record *record, uint64_t offset)
{
    TD_ASSERT(record->conn_count <= CHAIN_CONNS_MAX);
    verify_slot *slots = (verify_slot *)(void *)v->slots.data;
    for (size_t i = 0; i < v->slots.size / sizeof *slots; i++) {
        verify_slot *slot = &slots[i];
        slot_sum sum = sum_slot(record->conns, record->conn_count, slot, v->last_conns,
                                v->has_totals ? v->last_conn_count : 0);
        slot_sum before =
            sum_slot(v->last_conns, v->has_totals ? v->last_conn_count : 0, slot, NULL, 0);
        const char *dir = channel_dir_name(slot->dir);
        if (slot->frames > 0 && sum.latest == 0)
            report(v, FINDING_TOTALS, offset,
                   "chain record: line %u, shard %u has frames and no connection", slot->line,
                   slot->shard);
        else if (sum.frames < slot->frames || (v->has_totals && sum.frames != slot->frames))
            report(v, FINDING_TOTALS, offset,
                   "chain record: line %u, shard %u, %s: %" PRIu64
                   " frames, the messages count %" PRIu64,
                   slot->line, slot->shard, dir, sum.frames, slot->frames);
        if (slot->has_restarted && (v->has_totals ? sum.latest <= before.latest : sum.conns < 2))
            report(v, FINDING_ORDINAL, offset,
                   "line %u, shard %u, %s: ordinals fell without a new connection", slot->line,
                   slot->shard, dir);
        if (slot->frames > 0 && sum.last_ordinal > 0 && v->block.frames_dropped == 0 &&
            record->totals.frames_dropped == v->totals.frames_dropped &&
            (uint32_t)sum.last_ordinal != slot->last)
            report(v, FINDING_ORDINAL, offset,
                   "line %u, shard %u, %s: last ordinal %u, the chain record has %" PRIu64,
                   slot->line, slot->shard, dir, slot->last, sum.last_ordinal);
        slot->frames = 0;
        slot->has_restarted = 0;
    }
}

/* Check that each missing ordinal is a frame that was counted as dropped: by this chain record, or
 * by an earlier one, if only a later ordinal showed that the frame is missing. */
static void check_holes(verify_state *v, const chain_totals *now, uint64_t offset)
{
    uint64_t before = v->has_totals ? v->totals.frames_dropped : 0;
    uint64_t known = now->frames_dropped >= before ? now->frames_dropped - before : 0;
    known += v->late_holes;
    uint64_t holes = v->block.frames_dropped;
    if (holes > known)
        report(v, FINDING_ORDINAL, offset,
               "%" PRIu64 " ordinals are missing, %" PRIu64 " are known as dropped", holes, known);
    v->late_holes = holes > known ? 0 : known - holes;
}

/* Check every count of the record against the messages of its block. */
static void check_totals(verify_state *v, const chain_record *record, uint64_t offset)
{
    const chain_totals zero = {0};
    const chain_totals *before = v->has_totals ? &v->totals : &zero;
    const chain_totals *now = &record->totals;
    check_step(v, offset, "frames_written", before->frames_written, now->frames_written,
               v->block.frames_written);
    check_step(v, offset, "bytes_written", before->bytes_written, now->bytes_written,
               v->block.bytes_written);
    check_step(v, offset, "events_written", before->events_written, now->events_written,
               v->block.events_written);
    if (record->chunk_count != v->summary.chunk_count)
        report(v, FINDING_TOTALS, offset, "chain record: chunk %" PRIu64 ", %u expected",
               record->chunk_count, v->summary.chunk_count);
    check_holes(v, now, offset);
    check_slots(v, record, offset);
}

static td_result check_block(void *user, const scan_block *block, td_err *err)
{
    verify_state *v = user;
    (void)err;
    TD_ASSERT(!v->walk.has_chunk);
    if (!block->is_sound)
        report(v, FINDING_CHAIN, block->offset,
               "the bytes from %" PRIu64 " on differ from their chain value", block->start);
    else if (v->is_block_read)
        check_totals(v, &block->record, block->offset);
    v->totals = block->record.totals;
    v->last_conn_count = block->record.conn_count;
    memcpy(v->last_conns, v->conns, block->record.conn_count * sizeof *v->conns);
    /* After an unreadable block, the next record's totals cannot be compared with this one's. */
    v->has_totals = block->is_sound && v->is_block_read;
    v->is_block_read = 1;
    memset(&v->block, 0, sizeof v->block);
    v->result->totals.chain = block->record.value;
    return TD_OK;
}

/* ---- chunks and other records ---- */

/* Check a message: its channel must be defined before it. */
static void on_message(verify_state *v, td_bytes content, uint64_t chunk_offset, uint64_t offset,
                       mcap_message *out)
{
    td_err why;
    if (mcap_decode_message(content, out, &why) != TD_OK) {
        report(v, FINDING_STRUCTURE, chunk_offset, "message at %" PRIu64 ": %s", offset, why.text);
        return;
    }
    const segment_channel *channel = segment_reader_channel_by_id(v->reader, out->channel_id);
    if (channel == NULL || !mcap_summary_has_channel(&v->summary, out->channel_id)) {
        report(v, FINDING_STRUCTURE, chunk_offset,
               "message at %" PRIu64 " is on channel %u, which is not defined before it", offset,
               out->channel_id);
        return;
    }
    mcap_summary_count_messages(&v->summary, out->channel_id, 1, out->log_ns, out->log_ns);
    count_message(v, channel, out, chunk_offset);
}

/* The order in which message indexes list a chunk's messages. */
static int by_id_and_offset(const void *a, const void *b)
{
    const verify_entry *x = a, *y = b;
    if (x->id != y->id)
        return x->id < y->id ? -1 : 1;
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

/* Check every record of the decompressed chunk. Keep its messages for the check of the message
 * indexes. */
static void walk_records(verify_state *v, const mcap_chunk_index *chunk)
{
    td_bytes records = td_buf_view(&v->records);
    uint64_t chunk_at = chunk->chunk_offset, first_ns = 0, last_ns = 0;
    size_t at = 0;
    mcap_record record;
    td_err why;
    td_result rc;
    td_buf_clear(&v->entries);
    while ((rc = mcap_next_record(records, &at, &record, &why)) == TD_OK) {
        mcap_message message = {0};
        if (record.opcode == MCAP_MESSAGE) {
            on_message(v, record.content, chunk_at, record.offset, &message);
            if (v->entries.size == 0 || message.log_ns < first_ns)
                first_ns = message.log_ns;
            if (message.log_ns > last_ns)
                last_ns = message.log_ns;
            verify_entry entry = {
                .log_ns = message.log_ns, .offset = record.offset, .id = message.channel_id};
            td_buf_add(&v->entries, &entry, sizeof entry);
        } else if (record.opcode == MCAP_CHANNEL) {
            /* The summary must have each channel once. */
            if (mcap_summary_note_channel(&v->summary, &record, &why) != TD_OK)
                report(v, FINDING_STRUCTURE, chunk_at, "%s", why.text);
        } else if (record.opcode < MCAP_PRIVATE_FIRST) {
            report(v, FINDING_STRUCTURE, chunk_at, "%s record inside of a chunk",
                   mcap_opcode_name(record.opcode));
        }
    }
    if (rc != TD_EOF)
        report(v, FINDING_STRUCTURE, chunk_at, "%s", why.text);
    /* Readers skip chunks by these times. */
    if (chunk->start_ns != first_ns || chunk->end_ns != last_ns)
        report(v, FINDING_TIME, chunk_at,
               "chunk has times %" PRIu64 " to %" PRIu64 ", its messages %" PRIu64 " to %" PRIu64,
               chunk->start_ns, chunk->end_ns, first_ns, last_ns);
    if (v->entries.size > 0)
        qsort(v->entries.data, v->entries.size / sizeof(verify_entry), sizeof(verify_entry),
              by_id_and_offset);
}

static td_result check_chunk(void *user, const scan_chunk *chunk, td_err *err)
{
    verify_state *v = user;
    td_err why;
    td_result rc = chunk_decompress_records(v->coder, &chunk->record, 0, &v->records, &why);
    v->is_chunk_read = rc == TD_OK;
    if (rc != TD_OK) {
        v->is_block_read = 0;
        return report_failure(v, FINDING_CHUNK_CRC, chunk->location.offset, rc, &why, err);
    }
    walk_records(v, &chunk->index);
    return TD_OK;
}

/* Index of the first entry at or after id and offset. */
static size_t find_first(const verify_entry *entries, size_t count, uint16_t id, uint64_t offset)
{
    size_t low = 0, high = count;
    verify_entry key = {.id = id, .offset = offset};
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (by_id_and_offset(&entries[middle], &key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* 1 if every entry of the index is a message of the chunk, in the chunk's order. */
static int is_index_right(const verify_state *v, const mcap_message_index *index)
{
    TD_ASSERT(v->is_chunk_read);
    const verify_entry *entries = (const verify_entry *)(const void *)v->entries.data;
    size_t count = v->entries.size / sizeof *entries;
    uint64_t log_ns, offset, least = 0;
    mcap_packed rest = index->entries;
    while (mcap_next_entry(&rest, &log_ns, &offset)) {
        size_t at = find_first(entries, count, index->channel_id, offset);
        if (at == count || entries[at].id != index->channel_id || entries[at].offset != offset ||
            entries[at].log_ns != log_ns || offset < least)
            return 0;
        least = offset + 1;
    }
    return 1;
}

static td_result check_message_index(void *user, const scan_chunk *chunk,
                                     const mcap_location *location, const mcap_message_index *index,
                                     td_err *err)
{
    verify_state *v = user;
    (void)err;
    if (v->is_chunk_read && !is_index_right(v, index))
        report(v, FINDING_INDEX, location->offset,
               "message index of channel %u differs from the chunk at %" PRIu64, index->channel_id,
               chunk->location.offset);
    return TD_OK;
}

/* 1 if the channel is as in the entry's chunk: entries of one channel are adjacent. */
static int is_channel_right(const verify_state *v, const sealed_channel *channel)
{
    const verify_entry *entries = (const verify_entry *)(const void *)v->entries.data;
    size_t count = v->entries.size / sizeof *entries;
    size_t at = find_first(entries, count, channel->id, 0);
    uint64_t first_ns = UINT64_MAX, last_ns = 0, messages = 0;
    for (; at < count && entries[at].id == channel->id; at++, messages++) {
        first_ns = entries[at].log_ns < first_ns ? entries[at].log_ns : first_ns;
        last_ns = entries[at].log_ns > last_ns ? entries[at].log_ns : last_ns;
    }
    return messages == channel->message_count && first_ns == channel->first_ns &&
           last_ns == channel->last_ns;
}

static td_result check_chunk_channels(void *user, const scan_chunk *chunk,
                                      const mcap_location *location, const sealed_channel *channels,
                                      size_t count, td_err *err)
{
    verify_state *v = user;
    (void)err;
    for (size_t i = 0; i < count && v->is_chunk_read; i++)
        if (!is_channel_right(v, &channels[i]))
            report(v, FINDING_INDEX, location->offset,
                   "the count or the times of channel %u differ from the chunk at %" PRIu64,
                   channels[i].id, chunk->location.offset);
    return TD_OK;
}

static td_result check_chunk_end(void *user, const scan_chunk *chunk, td_err *err)
{
    verify_state *v = user;
    uint64_t messages = v->entries.size / sizeof(verify_entry);
    (void)err;
    if (v->is_chunk_read && chunk->message_count != messages)
        report(v, FINDING_INDEX, chunk->location.offset,
               "message indexes list %" PRIu64 " messages, the chunk has %" PRIu64,
               chunk->message_count, messages);
    mcap_summary_add_chunk(&v->summary, &chunk->index);
    return TD_OK;
}

/* Check a checkpoint's CRCs, although the chain covers it: readers check only the CRCs. */
static td_result check_checkpoint(verify_state *v, const mcap_location *location, td_err *err)
{
    static const checkpoint_visitor ALL = {.wants = NULL};
    segment_checkpoint at = {.offset = location->offset, .bytes = location->end - location->offset};
    td_bytes content;
    td_result rc = mcap_summary_note_checkpoint(&v->summary, &v->source, location, err);
    if (rc == TD_OK)
        rc = mcap_source_content(&v->source, location, &content, err);
    if (rc == TD_OK)
        rc = checkpoint_at_ns(content, &at.at_ns, err);
    return rc == TD_OK ? checkpoint_read(segment_reader_file(v->reader), &at, &ALL, err) : rc;
}

/* Check a record that is neither chunk nor chain record: only session metadata and checkpoints are
 * allowed. */
static td_result check_record(void *user, const mcap_location *location, td_err *err)
{
    verify_state *v = user;
    td_err why;
    if (location->opcode == MCAP_METADATA) {
        td_result rc = mcap_summary_note_metadata(&v->summary, &v->source, location, &why);
        return report_failure(v, FINDING_STRUCTURE, location->offset, rc, &why, err);
    }
    if (location->opcode == CHECKPOINT_OPCODE) {
        td_result rc = check_checkpoint(v, location, &why);
        return report_failure(v, FINDING_CHECKPOINT, location->offset, rc, &why, err);
    }
    report(v, FINDING_STRUCTURE, location->offset, "%s record (0x%02x) in the data section",
           mcap_opcode_name(location->opcode), location->opcode);
    return TD_OK;
}

/* Compute the bytes from Data End to the closing magic, which depend only on the data section, and
 * compare them with the file's. After other damage the summary is expected to differ, but the CRC
 * of the data section is still checked. */
static td_result check_end(void *user, const mcap_location *location, td_err *err)
{
    verify_state *v = user;
    TD_ASSERT(!v->walk.has_chunk);
    uint64_t at = location->offset, left = v->source.size - at;
    if (location->opcode != MCAP_DATA_END) {
        report(v, FINDING_STRUCTURE, at, "no Data End before the footer");
        return TD_OK;
    }
    uint32_t crc = 0;
    int is_same = 0;
    td_bytes content;
    td_result rc = mcap_source_crc_end(&v->source, at, &crc, err);
    if (rc == TD_OK)
        rc = mcap_source_content(&v->source, location, &content, err);
    if (rc != TD_OK)
        return rc;
    uint64_t before = v->result->damage_count;
    if (td_le32(content.data) != crc)
        report(v, FINDING_DATA_CRC, at, "CRC of the data section is %08x, %08x expected", crc,
               td_le32(content.data));
    td_buf_clear(&v->end);
    mcap_summary_append_end(&v->summary, &v->end, at, crc);
    td_bytes expected = td_buf_view(&v->end);
    if (before == 0 && left != expected.size)
        report(v, FINDING_STRUCTURE, at,
               "%" PRIu64 " bytes from here to the end of the file, %zu expected", left,
               expected.size);
    if (v->result->damage_count > 0)
        return TD_OK;
    rc = mcap_source_compare(&v->source, at, expected, &is_same, err);
    if (rc == TD_OK && !is_same)
        report(v, FINDING_SUMMARY, at, "the summary differs from the data section");
    return rc;
}

static td_result report_damage(void *user, const scan_damage *damage, td_err *err)
{
    verify_state *v = user;
    segment_finding_kind kind = FINDING_STRUCTURE;
    (void)err;
    if (damage->is_broken) {
        v->is_block_read = 0;
        v->has_totals = 0;
    } else if (damage->opcode == MCAP_CHUNK) {
        v->is_block_read = 0;
        kind = FINDING_CHUNK_CRC;
    } else if (damage->opcode == CHAIN_OPCODE) {
        kind = FINDING_CHAIN;
    }
    report(v, kind, damage->offset, "%s", damage->why->text);
    return TD_OK;
}

static const scan_visitor VISITOR = {.chunk = check_chunk,
                                     .message_index = check_message_index,
                                     .chunk_channels = check_chunk_channels,
                                     .chunk_end = check_chunk_end,
                                     .record = check_record,
                                     .block = check_block,
                                     .damage = report_damage,
                                     .end = check_end};

/* Walk all records, then set the totals. */
static td_result walk(verify_state *v, td_err *err)
{
    td_result rc = scanner_run(&v->walk, v->limit, err);
    if (rc == TD_OK && v->expects_end && !v->walk.is_done)
        report(v, FINDING_STRUCTURE, v->walk.at, "the file ends without a footer");
    if (rc == TD_OK)
        rc = scanner_end_chunk(&v->walk, err);
    v->result->totals = segment_totals_of(&v->summary, v->source.size, v->result->totals.chain,
                                          segment_reader_info(v->reader)->session.source_chain);
    return rc;
}

/* Decide from the reader's state how much of the file is checked, and prepare the walk. */
static void begin(verify_state *v, td_io io, const char *path)
{
    const segment_info *info = segment_reader_info(v->reader);
    const segment_session *session = &info->session;
    v->is_block_read = 1;
    v->expects_end = info->state == SEGMENT_FINISHED || !segment_has_open_name(path);
    v->limit = v->expects_end ? info->file_bytes : info->valid_bytes;
    *v->result = (segment_verify_result){.state = info->state,
                                         .previous_chain = session->previous_chain,
                                         .totals.chain = session->previous_chain};
    if (v->limit < info->file_bytes) {
        v->result->torn_bytes = info->file_bytes - v->limit;
        report(v, FINDING_TORN, v->limit, "%" PRIu64 " bytes after the last whole block",
               v->result->torn_bytes);
    }
    /* A power cut may leave any sectors of a new file, and so a damaged head. A damaged head is
     * reported only if data after the head was durable. */
    if (session->session[0] == '\0' &&
        (v->expects_end || v->limit > v->data_start || !recover_is_empty(io, path, TD_E_CORRUPT)))
        report(v, FINDING_STRUCTURE, v->data_start, "no session record");
    scanner_init(&v->walk, &v->source, &VISITOR, v);
    v->walk.conns = v->conns;
    scanner_begin(&v->walk, 0, v->data_start, session->previous_chain);
    mcap_source_crc_begin(&v->source);
}

static void init(verify_state *v)
{
    td_buf_init(&v->records, LIMIT_CHUNK_BYTES);
    td_buf_init(&v->entries, LIMIT_CHUNK_BYTES);
    td_buf_init(&v->slots, LIMIT_RECORD_BYTES);
    td_buf_init(&v->end, SIZE_MAX);
    mcap_summary_init(&v->summary);
    v->coder = codec_open();
    v->conns = td_alloc_zero(CHAIN_CONNS_MAX, sizeof *v->conns);
    v->last_conns = td_alloc_zero(CHAIN_CONNS_MAX, sizeof *v->last_conns);
}

static void fini(verify_state *v)
{
    scanner_fini(&v->walk);
    mcap_source_fini(&v->source);
    segment_reader_close(v->reader);
    codec_close(v->coder);
    td_free(v->conns);
    td_free(v->last_conns);
    mcap_summary_fini(&v->summary);
    td_buf_fini(&v->records);
    td_buf_fini(&v->entries);
    td_buf_fini(&v->slots);
    td_buf_fini(&v->end);
}

td_result segment_verify(td_io io, const char *path, segment_finding_fn *fn, void *user,
                         segment_verify_result *out, td_err *err)
{
    *out = (segment_verify_result){0};
    verify_state *v = td_alloc_zero(1, sizeof *v);
    v->fn = fn;
    v->user = user;
    v->result = out;
    init(v);
    td_result rc = segment_reader_open(io, path, &v->reader, err);
    if (rc == TD_OK)
        rc = mcap_source_init(&v->source, segment_reader_file(v->reader), err);
    if (rc == TD_OK)
        rc = mcap_source_header(&v->source, &v->data_start, err);
    if (rc == TD_OK) {
        begin(v, io, path);
        rc = walk(v, err);
    }
    fini(v);
    td_free(v);
    return rc == TD_OK ? TD_OK : td_err_add(err, rc, "verifying %s", path);
}
