#include "regress/cut.h"

#include <inttypes.h>
#include <string.h>

typedef struct bug_cut {
    const regress_stream *of;
    uint8_t has_frame; /* 1: the frame itself was read */
} bug_cut;

static int is_of_stream(const regress_stream *of, const channel_info *info)
{
    return of->first.has_book && strcmp(info->topic, of->names.topic) == 0 &&
           strcmp(info->symbol, of->names.symbol) == 0;
}

static int wants_channel(void *user, const channel_info *info)
{
    const bug_cut *bug = user;
    const regress_difference *first = &bug->of->first;
    return info->dir == CHANNEL_IN && info->line == first->line && info->shard == first->shard &&
           (!first->has_book || channel_role(info) == ROLE_UNKNOWN || is_of_stream(bug->of, info));
}

/* 1 for the frame, and for earlier frames of its book on its connection. */
static int wants_frame(void *user, const frame_ref *frame)
{
    bug_cut *bug = user;
    const regress_difference *first = &bug->of->first;
    if (frame->conn->number != first->conn ||
        strcmp(frame->conn->session_id, first->session_id) != 0)
        return 0;
    if (frame->ordinal == first->ordinal) {
        bug->has_frame = 1;
        return 1;
    }
    return frame->ordinal < first->ordinal && is_of_stream(bug->of, &frame->channel->info);
}

/* A frame of a book is cut as a state: the cut begins at the book's snapshot and ends after the
 * frame. */
td_result regress_cut(cut_options options, const regress_stream *of, cut_result *out, td_err *err)
{
    const regress_difference *first = &of->first;
    bug_cut bug = {.of = of};
    char topic[SELECTION_GLOB_BYTES];
    char symbol[SELECTION_GLOB_BYTES];
    const char *const globs[] = {topic, symbol};
    selection wanted = {.feeds = {&of->names.feed, 1},
                        .topics = {&globs[0], of->names.topic[0] != '\0'},
                        .symbols = {&globs[1], of->names.symbol[0] != '\0'}};
    selection_glob_of(of->names.topic, topic);
    selection_glob_of(of->names.symbol, symbol);
    uint64_t from_ns = first->recv_ns + first->has_book;
    selection_set_window(&wanted, (selection_window){from_ns, from_ns + 1});
    options.wanted = &wanted;
    options.wants_channel = wants_channel;
    options.wants_frame = wants_frame;
    options.user = &bug;
    options.without_checkpoint = 1; /* a checkpoint has states of the built-in decoder */
    td_result rc = cut_write(&options, out, err);
    if ((rc != TD_OK && rc != TD_E_NOTFOUND) || bug.has_frame)
        return rc;
    if (rc == TD_OK)
        rc = td_io_unlink(cut_io(options.archive), options.path, err);
    if (rc == TD_E_IO)
        return rc;
    return td_err_set(err, TD_E_NOTFOUND,
                      "frame %" PRIu64 " of connection %u (session %s, feed %s) is missing",
                      first->ordinal, first->conn, first->session_id, of->names.feed);
}
