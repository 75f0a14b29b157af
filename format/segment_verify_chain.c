/* What the chain records say against what the messages show. A segment may begin in the middle of a
 * session: then the first chain record's totals are taken as they are, and the steps from one
 * record to the next are checked. */
#include "format/segment_verify_impl.h"

#include <inttypes.h>
#include <string.h>

#include "base/assert.h"

/* The slot and direction of a frame; new ones start so that their first frame fits. */
static td_result find_slot(verify_state *v, const channel_info *info, uint32_t sequence,
                           verify_slot **out, td_err *err)
{
    TD_ASSERT(info->dir == CHANNEL_IN || info->dir == CHANNEL_OUT);
    verify_slot *slots = (verify_slot *)(void *)v->slots.data;
    size_t count = v->slots.size / sizeof *slots;
    for (size_t i = 0; i < count; i++) {
        if (slots[i].line == info->line && slots[i].shard == info->shard &&
            slots[i].dir == info->dir) {
            *out = &slots[i];
            return TD_OK;
        }
    }
    verify_slot slot = {
        .line = info->line, .shard = info->shard, .dir = info->dir, .last = sequence - 1};
    td_result rc = td_buf_append(&v->slots, &slot, sizeof slot, err);
    if (rc == TD_OK)
        *out = (verify_slot *)(void *)(v->slots.data + v->slots.size - sizeof slot);
    return rc;
}

/* Ordinals rise by one; holes are dropped frames, which the chain record must know of; a fall is a
 * new connection, which it must list. Sequence numbers are modulo 2^32. */
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

/* Frames strictly rise; what is no frame may repeat the time before it. */
static void check_time(verify_state *v, const mcap_message *message, int is_frame, uint64_t offset)
{
    TD_ASSERT(v->is_ours);
    if (message->log_ns < v->last_ns || (is_frame && message->log_ns <= v->last_frame_ns))
        verify_report(v, FINDING_TIME, offset, "receive time %" PRIu64 " comes after %" PRIu64,
                      message->log_ns,
                      message->log_ns < v->last_ns ? v->last_ns : v->last_frame_ns);
    v->last_ns = message->log_ns;
    if (is_frame)
        v->last_frame_ns = message->log_ns;
}

td_result verify_count(verify_state *v, const segment_channel *channel, const mcap_message *message,
                       uint64_t offset, td_err *err)
{
    TD_ASSERT(channel != NULL);
    TD_ASSERT(message->channel_id == channel->id);
    int is_frame = channel->info.dir == CHANNEL_IN || channel->info.dir == CHANNEL_OUT;
    v->result->frame_count += channel->info.dir != CHANNEL_EVENT;
    if (!v->is_ours)
        return TD_OK;
    check_time(v, message, is_frame, offset);
    if (!is_frame) {
        v->block.events_written++;
        return TD_OK;
    }
    v->block.frames_written++;
    v->block.bytes_written += message->data.size;
    verify_slot *slot;
    td_result rc = find_slot(v, &channel->info, message->sequence, &slot, err);
    if (rc == TD_OK)
        check_ordinal(v, slot, message->sequence);
    return rc;
}

/* From one chain record to the next a total grows by what was counted in between. */
static void check_step(verify_state *v, uint64_t offset, const char *what, uint64_t before,
                       uint64_t now, uint64_t counted)
{
    TD_ASSERT(what != NULL);
    if (now < before || now - before < counted || (v->has_totals && now - before != counted))
        verify_report(v, FINDING_TOTALS, offset,
                      "chain record: %s went from %" PRIu64 " to %" PRIu64
                      ", the messages count %" PRIu64,
                      what, before, now, counted);
}

/* Frames that a list of connections has for a slot and direction, and which of those with frames is
 * the latest. */
typedef struct slot_sum {
    uint64_t frames;
    uint64_t last_ordinal; /* of the latest connection */
    uint32_t latest, conns;
} slot_sum;

/* What a list of connections says of a slot, less what another list said before. */
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
        /* One that has opened and written nothing yet has no ordinals to compare with. */
        if (written > 0 && conn->conn >= sum.latest) {
            sum.latest = conn->conn;
            sum.last_ordinal = is_in ? conn->in_ordinal : conn->out_ordinal;
        }
        /* What the same connection had before does not count again. */
        for (uint32_t k = 0; k < before_count; k++) {
            if (before[k].line == conn->line && before[k].shard == conn->shard &&
                before[k].conn == conn->conn)
                sum.frames -= is_in ? before[k].in : before[k].out;
        }
    }
    return sum;
}

/* Connections of the record against the frames of its block. */
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
            verify_report(v, FINDING_TOTALS, offset,
                          "chain record: line %u, shard %u has frames and no connection",
                          slot->line, slot->shard);
        else if (sum.frames < slot->frames || (v->has_totals && sum.frames != slot->frames))
            verify_report(v, FINDING_TOTALS, offset,
                          "chain record: line %u, shard %u, %s: %" PRIu64
                          " frames, the messages count %" PRIu64,
                          slot->line, slot->shard, dir, sum.frames, slot->frames);
        if (slot->has_restarted && (v->has_totals ? sum.latest <= before.latest : sum.conns < 2))
            verify_report(v, FINDING_ORDINAL, offset,
                          "line %u, shard %u, %s: ordinals fell without a new connection",
                          slot->line, slot->shard, dir);
        if (slot->frames > 0 && sum.last_ordinal > 0 && v->block.frames_dropped == 0 &&
            record->totals.frames_dropped == v->totals.frames_dropped &&
            (uint32_t)sum.last_ordinal != slot->last)
            verify_report(v, FINDING_ORDINAL, offset,
                          "line %u, shard %u, %s: last ordinal %u, the chain record says %" PRIu64,
                          slot->line, slot->shard, dir, slot->last, sum.last_ordinal);
        slot->frames = 0;
        slot->has_restarted = 0;
    }
}

/* Holes must be frames that the record counts as dropped, now or since the last frame before them.
 */
static void check_holes(verify_state *v, const chain_totals *now, uint64_t offset)
{
    uint64_t before = v->has_totals ? v->totals.frames_dropped : 0;
    uint64_t known = now->frames_dropped >= before ? now->frames_dropped - before : 0;
    known += v->late_holes;
    uint64_t holes = v->block.frames_dropped;
    if (holes > known)
        verify_report(v, FINDING_ORDINAL, offset,
                      "%" PRIu64 " ordinals are missing, %" PRIu64 " are known as dropped", holes,
                      known);
    v->late_holes = holes > known ? 0 : known - holes;
}

/* Every count of the record against the messages of its block. */
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
    uint64_t chunks = v->chunks.size / sizeof(verify_chunk);
    if (record->chunk_count != chunks)
        verify_report(v, FINDING_TOTALS, offset,
                      "chain record: chunk %" PRIu64 ", it is the %" PRIu64 "th",
                      record->chunk_count, chunks);
    check_holes(v, now, offset);
    check_slots(v, record, offset);
}

/* The feed's running totals where the segment begins, and where it ends so far. */
static void note_counters(verify_state *v, const segment_block *block)
{
    segment_verify_result *result = v->result;
    int is_first = block->record.chunk_count == 1;
    int is_read = block->is_sound && v->is_block_read;
    if (is_first && is_read && block->record.totals.frames_written >= v->block.frames_written)
        result->written_before = block->record.totals.frames_written - v->block.frames_written;
    result->has_counters = is_read && (is_first || result->has_counters);
    result->counters = block->record.totals;
}

td_result verify_chain(verify_state *v, const mcap_place *place, td_err *err)
{
    TD_ASSERT(place->opcode == CHAIN_OPCODE);
    TD_ASSERT(!v->has_chunk);
    segment_block block;
    td_err why;
    td_result rc = segment_walk_block(&v->walk, place, v->conns, &block, &why);
    if (rc == TD_E_CORRUPT) {
        verify_report(v, FINDING_CHAIN, place->offset, "%s", why.text);
        return TD_OK;
    }
    if (rc != TD_OK) {
        if (err != NULL)
            *err = why;
        return rc;
    }
    if (!block.is_sound)
        verify_report(v, FINDING_CHAIN, place->offset,
                      "the bytes from %" PRIu64 " on differ from their chain value", block.start);
    else if (v->is_block_read)
        check_totals(v, &block.record, place->offset);
    note_counters(v, &block);
    v->totals = block.record.totals;
    v->last_conn_count = block.record.conn_count;
    memcpy(v->last_conns, v->conns, block.record.conn_count * sizeof *v->conns);
    /* After a block that could not be read the next step cannot be judged. */
    v->has_totals = block.is_sound && v->is_block_read;
    v->is_block_read = 1;
    memset(&v->block, 0, sizeof v->block);
    v->result->totals.chain = block.record.value;
    return TD_OK;
}
