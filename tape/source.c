#include "tape/source.h"

selection_answer source_options_match(const source_options *options, const channel_info *info)
{
    selection_answer answer = selection_match(options->wanted, info);
    if (answer == SELECTION_EVENTS || answer == SELECTION_NO || options->wants_channel == NULL)
        return answer;
    return options->wants_channel(options->user, info) ? answer : SELECTION_NO;
}

void source_add_damage(const source_options *options, const source_file *file, uint64_t from_ns,
                       uint64_t to_ns)
{
    gap_row row =
        gap_row_of(GAP_CORRUPT, file->feed, from_ns, to_ns + 1, "stored frames cannot be read");
    row.detail = file->name;
    gap_list_add(options->damage, &row);
}

void source_skip_chunk(const source_options *options, const source_chunk *chunk, const char *part,
                       const char *why)
{
    cursor_stats *stats = options->stats;
    stats->damaged_chunks++;
    if (chunk->last_ns > stats->damaged_until_ns)
        stats->damaged_until_ns = chunk->last_ns;
    td_log_emit(options->log, TD_LOG_WARNING, "segment %s: chunk at %llu%s is skipped: %s",
                chunk->file->name, (unsigned long long)chunk->offset, part, why);
    source_add_damage(options, chunk->file, chunk->first_ns, chunk->last_ns);
}
