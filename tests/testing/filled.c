#include "tests/testing/filled.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "tape/content.h"

enum { CONTENT_BYTES_MAX = 1 << 30 };

void fill_frame(tape_frame *frame)
{
    static content_reader *reader;
    if (reader == NULL)
        reader = content_reader_open(TAPE_READS_ALL);
    assert_non_null(reader);
    tape_channel *channel = frame->channel;
    channel->role = channel_role(&channel->info);
    channel->topic.topic = td_bytes_str(channel->info.topic);
    channel->topic.symbol = td_bytes_str(channel->info.symbol);
    frame->row = content_row(reader, channel, frame->recv_ns);
    frame->content = content_read(reader, channel, frame->row, frame->recv_ns, frame->bytes);
}

void fill_frame_to_keep(tape_frame *frame)
{
    static td_arena *arena;
    if (arena == NULL)
        arena = td_arena_open(CONTENT_BYTES_MAX);
    assert_non_null(arena);
    fill_frame(frame);
    if (frame->content == NULL)
        return;
    frame->content = content_keep(frame->content, frame->channel, frame->bytes, arena);
    assert_non_null(frame->content);
}
