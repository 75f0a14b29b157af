/* Any lines as the frames of a capture, of which documents are proposed: they are accepted,
 * whatever the frames are. */
#include <string.h>

#include "base/arena.h"
#include "base/assert.h"
#include "base/buf.h"
#include "regress/learn/learn.h"
#include "schema/exchange_file.h"
#include "schema/family_file.h"
#include "tests/testing/fuzz_input.h"

typedef struct proposal {
    td_buf exchange, family;
    td_arena *memory;
    exchange_row row;
} proposal;

static int find_text(void *user, td_bytes name, td_bytes *text)
{
    const proposal *of = user;
    *text = td_buf_view(&of->family);
    return td_bytes_is(name, "fuzzed");
}

static td_result find_exchange(void *user, td_bytes name, const exchange_row **out, td_err *err)
{
    proposal *of = user;
    TD_ASSERT(td_bytes_is(name, "fuzzed"));
    *out = &of->row;
    return exchange_file_read("fuzzed.exchange", td_buf_view(&of->exchange), of->memory, &of->row,
                              err);
}

static void read_back(proposal *of)
{
    const family_texts texts = {.find = find_text, .exchange = find_exchange, .user = of};
    family made;
    td_err err;
    of->memory = td_arena_open();
    td_err_clear(&err);
    if (family_file_read(&texts, "fuzzed", of->memory, &made, &err) == TD_OK)
        TD_ASSERT(made.topic_count > 0);
    else
        TD_ASSERT(strstr(err.text, "fuzzed") != NULL);
    td_arena_close(of->memory);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    proposal of = {.memory = NULL};
    learn_report report;
    learn *from = learn_open("fuzzed");
    td_buf_init(&of.exchange, 1 << 20);
    td_buf_init(&of.family, 1 << 20);
    while (size > 0) {
        const uint8_t *end = memchr(data, '\n', size);
        const size_t length = end == NULL ? size : (size_t)(end - data);
        const channel_dir dir = length > 0 && *data == '>' ? CHANNEL_OUT : CHANNEL_IN;
        const size_t skip = dir == CHANNEL_OUT;
        learn_add(from, dir, td_bytes_str("c"), td_bytes_of(data + skip, length - skip));
        data += length + (end != NULL);
        size -= length + (end != NULL);
    }
    if (learn_write(from, &of.exchange, &of.family, &report, NULL) == TD_OK)
        read_back(&of);
    learn_close(from);
    td_buf_fini(&of.exchange);
    td_buf_fini(&of.family);
    return 0;
}
