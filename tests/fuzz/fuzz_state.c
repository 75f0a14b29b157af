/* Any bytes as the saved state of a symbol. Besides not crashing: a state that loads is saved as
 * the same state, and accepts an undecodable frame of each of its topics, and its end. */
#include <string.h>

#include "base/assert.h"
#include "base/limits.h"
#include "book/symbol_state.h"
#include "tests/testing/fuzz_input.h"

/* Applies a frame over a new connection. */
static void reconnect(symbol_topic *t)
{
    static const frame_conn LATER = {.session = 1, .number = 9, .session_id = "later"};
    const track *last = symbol_topic_track(t);
    if (last == NULL)
        return;
    const frame_ref frame = {.conn = &LATER, .recv_ns = 1, .row = track_row(last)};
    symbol_verdict found;
    symbol_topic_apply(t, &frame, &found);
    TD_ASSERT(found.rules.count == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static td_buf first, second;
    symbol_state *s = NULL;
    symbol_state *again = NULL;
    audit_verdict found;
    td_err err;
    td_bytes bytes = td_bytes_of(data, size);
    td_buf_init(&first, LIMIT_STATE_BYTES);
    td_buf_init(&second, LIMIT_STATE_BYTES);
    td_result rc = symbol_state_load(bytes, SYMBOL_WITH_AUDITS, &s, &err);
    if (rc != TD_OK) {
        TD_ASSERT(rc == TD_E_CORRUPT || rc == TD_E_UNSUPPORTED);
        return 0;
    }
    fuzz_must(symbol_state_save(s, &first, &err), &err);
    fuzz_must(symbol_state_load(td_buf_view(&first), SYMBOL_WITH_AUDITS, &again, &err), &err);
    fuzz_must(symbol_state_save(again, &second, &err), &err);
    TD_ASSERT(td_bytes_equal(td_buf_view(&first), td_buf_view(&second)));
    for (size_t i = 0; symbol_state_topic_at(s, i) != NULL; i++)
        reconnect(symbol_state_topic_at(s, i));
    symbol_state_finish(s, UINT64_MAX, &found);
    symbol_state_close(s);
    symbol_state_close(again);
    td_buf_fini(&first);
    td_buf_fini(&second);
    return 0;
}
