/* Any bytes as a client's message. Besides not crashing: the offsets of secrets are in the message,
 * in order; after they are overwritten, no secret is found by place or by value, and the message
 * has the same length. */
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "recorder/capture/redact.h"
#include "tests/testing/fuzz_input.h"

static void check_ranges(sent_found found, size_t size)
{
    size_t end = 0;
    for (size_t i = 0; i < found.count; i++) {
        TD_ASSERT(found.ranges[i].offset >= end);
        TD_ASSERT(found.ranges[i].size > 0);
        end = found.ranges[i].offset + found.ranges[i].size;
        TD_ASSERT(end <= size);
    }
    TD_ASSERT(!found.is_whole || found.count == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    int is_binary = data[0] & 1;
    redactor secrets;
    frame_redactor frames;
    td_bytes out;
    td_bytes frame = td_bytes_of(data + 1, size - 1);
    sent_secrets *sent = sent_secrets_open();
    redactor_init(&secrets);
    redactor_hide_sent(&secrets);
    frame_redactor_init(&frames);
    sent_found found = sent_secrets_find(sent, frame, is_binary);
    check_ranges(found, frame.size);
    fuzz_must(redactor_add_sent(&secrets, REDACT_AS_NEWEST, sent, NULL), NULL);
    redaction hidden = frame_redactor_apply_sent(&frames, &secrets, frame, is_binary, &out);
    TD_ASSERT(out.size == frame.size);
    TD_ASSERT((hidden.count == 0) == (out.data == frame.data));
    TD_ASSERT(hidden.count >= found.count || hidden.is_whole);
    TD_ASSERT(!found.is_whole || hidden.is_whole);
    for (size_t i = 0; i < found.count; i++)
        for (size_t at = 0; at < found.ranges[i].size; at++)
            TD_ASSERT(out.data[found.ranges[i].offset + at] == '*');
    char *text = td_strndup((const char *)data, size);
    sent_secrets_find_fields(sent, text);
    fuzz_must(redactor_add_sent(&secrets, REDACT_AS_NEWEST, sent, NULL), NULL);
    td_free(text);
    frame_redactor_fini(&frames);
    redactor_fini(&secrets);
    sent_secrets_close(sent);
    return 0;
}
