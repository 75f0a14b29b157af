#include "tests/testing/track_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "book/delta_queue.h"
#include "book/state_io.h"

void verdict_to_text(const verdict *v, td_buf *out)
{
    td_buf_clear(out);
    assert_int_equal(td_buf_printf(out, NULL, "%s", v->unchecked ? "?" : ""), TD_OK);
    for (uint32_t i = 0; i < v->count; i++)
        assert_int_equal(
            td_buf_printf(out, NULL, "%s%s", i == 0 ? "" : " ", rule_name(v->items[i].rule)),
            TD_OK);
    assert_int_equal(td_buf_append(out, "", 1, NULL), TD_OK);
}

track *track_reload(track *t, const topic_row *row, td_buf *saved)
{
    state_io writing = {.out = saved, .version = TRACK_WINDOW_VERSION};
    td_buf_clear(saved);
    track_serialize(t, &writing);
    assert_false(writing.is_failed);
    track_close(t);
    track *made = track_open(row);
    state_io reading = {.in = td_buf_view(saved), .version = TRACK_WINDOW_VERSION};
    track_serialize(made, &reading);
    assert_false(reading.is_failed);
    assert_int_equal(reading.in.size, 0);
    return made;
}
