#include "regress/compared_frame.h"

#include "base/limits.h"

void compared_scratch_fini(compared_scratch *scratch)
{
    td_arena_close(scratch->arena);
    scratch->arena = NULL;
}

td_result compared_frame_of(const decoder_map *map, compared_scratch *scratch,
                            const stream_frame *from, stream_frame *out, td_err *err)
{
    *out = *from;
    if (map == NULL || !decoder_map_leaves_out(map) || from->content == NULL ||
        from->content->message == NULL)
        return TD_OK;
    if (scratch->arena == NULL)
        scratch->arena = td_arena_open(LIMIT_RECORD_BYTES);
    if (scratch->arena == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory to leave members out");
    td_arena_reset(scratch->arena);
    scratch->content = *from->content;
    out->content = &scratch->content;
    return decoder_map_apply(map, from->content->message, scratch->arena, &scratch->content.message,
                             err);
}
