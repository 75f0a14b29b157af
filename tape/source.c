#include "tape/source.h"

#include "archive/lost_data.h"

selection_answer source_options_match(const source_options *options, const channel_info *info)
{
    selection_answer answer = selection_match(options->wanted, info);
    if (answer == SELECTION_EVENTS || answer == SELECTION_NO || options->wants_channel == NULL)
        return answer;
    return options->wants_channel(options->user, info) ? answer : SELECTION_NO;
}

static void note_damage(session_feed *feed, uint64_t until_ns)
{
    if (until_ns > feed->damaged_until_ns)
        feed->damaged_until_ns = until_ns;
}

void source_add_damage(const source_options *options, const source_file *file, uint64_t from_ns,
                       uint64_t to_ns)
{
    const gap_row row = lost_data_frames(file->feed->name, file->name, from_ns, to_ns);
    gap_list_add(options->damage, &row);
    note_damage(file->feed, to_ns);
    for (size_t i = 0; i < file->channel_capacity; i++)
        if (file->channels[i].feed != NULL)
            note_damage(file->channels[i].feed, to_ns);
}

void source_skip_chunk(const source_options *options, const source_chunk *chunk, const char *part,
                       const char *why)
{
    options->stats->damaged_chunks++;
    td_log_emit(options->log, TD_LOG_WARNING, "segment %s: chunk at %llu%s is skipped: %s",
                chunk->file->name, (unsigned long long)chunk->offset, part, why);
    source_add_damage(options, chunk->file, chunk->first_ns, chunk->last_ns);
}
