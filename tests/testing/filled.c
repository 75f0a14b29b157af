#include "tests/testing/filled.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "tape/content.h"

const frame_conn *frame_conn_of(uint32_t session, uint32_t number)
{
    static frame_conn all[64];
    size_t at = 0;
    while (all[at].session != 0 && (all[at].session != session || all[at].number != number))
        at++;
    assert_true(session > 0 && at + 1 < sizeof all / sizeof all[0]);
    all[at] = (frame_conn){.session = session, .number = number, .session_id = "0a0a0a0a"};
    return &all[at];
}

void fill_frame(frame_ref *frame)
{
    static content_reader *reader;
    if (reader == NULL)
        reader = content_reader_open(TAPE_READS_ALL);
    frame_channel *channel = frame->channel;
    channel->role = channel_role(&channel->info);
    channel->topic.topic = td_bytes_str(channel->info.topic);
    channel->topic.symbol = td_bytes_str(channel->info.symbol);
    frame->row = content_row(reader, channel, frame->recv_ns);
    content_read(reader, frame);
}

void fill_frame_to_keep(frame_ref *frame)
{
    static td_arena *arena;
    if (arena == NULL)
        arena = td_arena_open();
    fill_frame(frame);
    content_keep(frame, arena);
}
