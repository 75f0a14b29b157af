#include "play/source.h"

#include "base/io_posix.h"

selection source_selection(const selection_options *options)
{
    return (selection){
        .feeds = {options->feeds.items, options->feeds.count},
        .topics = {options->topics.items, options->topics.count},
        .symbols = {options->symbols.items, options->symbols.count},
        .from = options->from.at,
        .to = options->to.at,
        .has_from = options->from.is_given,
        .has_to = options->to.is_given,
    };
}

td_result source_open_archive(const archive_choice *choice, const td_log *log, archive **out,
                              td_err *err)
{
    const char *path;
    td_result rc = archive_choice_require(choice, &path, err);
    if (rc != TD_OK)
        return rc;
    const archive_options options = {.io = io_posix(), .clock = clock_real(), .log = log};
    return archive_open(&options, path, ARCHIVE_READ, out, err);
}

td_result play_source_open(play_source *from, const td_log *log, td_err *err)
{
    from->wanted = source_selection(&from->selecting);
    return source_open_archive(&from->choice, log, &from->archive, err);
}

td_result play_source_open_tape(play_source *from, const cursor_options *reading, td_err *err)
{
    return cursor_open(from->archive, &from->wanted, reading, &from->tape, err);
}

void play_source_close(play_source *from)
{
    cursor_close(from->tape);
    archive_close(from->archive);
}
