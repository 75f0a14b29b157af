#include "regress/compared_frame.h"

#include "base/limits.h"

void compared_scratch_fini(compared_scratch *scratch)
{
    td_arena_close(scratch->arena);
    scratch->arena = NULL;
}

/* The frame with another message in its content. */
static void replace_message(compared_scratch *scratch, const message *with, stream_frame *frame)
{
    scratch->content = *frame->content;
    scratch->content.message = with;
    frame->content = &scratch->content;
}

td_result compared_frame_of(const decoder_map *map, canonical_members members,
                            compared_scratch *scratch, const stream_frame *from, stream_frame *out,
                            td_err *err)
{
    *out = *from;
    if (from->content == NULL || from->content->message == NULL)
        return TD_OK;
    if (members == CANONICAL_PLAIN && from->content->message->beside != NULL) {
        scratch->plain = *from->content->message;
        scratch->plain.beside = NULL;
        replace_message(scratch, &scratch->plain, out);
    }
    if (map == NULL || !decoder_map_leaves_out(map))
        return TD_OK;
    if (scratch->arena == NULL)
        scratch->arena = td_arena_open(LIMIT_RECORD_BYTES);
    if (scratch->arena == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory to leave members out");
    td_arena_reset(scratch->arena);
    const message *rest = NULL;
    td_result rc = decoder_map_apply(map, out->content->message, scratch->arena, &rest, err);
    if (rc == TD_OK)
        replace_message(scratch, rest, out);
    return rc;
}
