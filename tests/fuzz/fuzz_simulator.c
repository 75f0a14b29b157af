/* Any bytes as a document with the section `simulator`. Besides not crashing: a refused document
 * has an error that names it, and of an accepted one all streams can be served. */
#include <string.h>

#include "base/arena.h"
#include "base/assert.h"
#include "sim/catalog.h"
#include "sim/catalog_file.h"

#include "sim/sim_family.h"
#include "tests/testing/fuzz_input.h"

enum { SYMBOLS = 3, STEPS = 300, STEP_NS = 20000000 };

/* The document may use the documents of the programs. */
static int find_text(void *user, td_bytes name, td_bytes *text)
{
    *text = *(const td_bytes *)user;
    return td_bytes_is(name, "fuzzed") ||
           family_document(family_find(td_bytes_str("v5-linear")), name, text);
}

static void serve(const catalog_row *row)
{
    const uint64_t start_ns = UINT64_C(1795154400000000000);
    const sim_family_options options = {.row = row,
                                        .symbol_count = catalog_symbol_count(row, SYMBOLS),
                                        .seed = 1,
                                        .start_ns = start_ns};
    sim_family *served = sim_family_open(&options);
    const uint32_t count = sim_family_stream_count(served);
    sim_frame frame;
    for (uint32_t i = 0; i < count; i++)
        sim_family_subscribe(served, i);
    for (uint64_t i = 1; i <= STEPS; i++)
        if (sim_family_next(served, start_ns + i * STEP_NS, &frame))
            TD_ASSERT(frame.stream < count);
    for (uint32_t i = 0; i < count; i++)
        if (sim_family_snapshot(served, i, &frame) || sim_family_reply(served, i, &frame))
            TD_ASSERT(frame.bytes.size <= SIM_FRAME_BYTES_MAX);
    sim_family_close(served);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    td_bytes text = td_bytes_of(data, size);
    static const family NONE = {.name = "fuzzed"};
    const family_texts texts = {.find = find_text, .user = &text};
    td_arena *memory = td_arena_open();
    catalog_row made;
    td_err err;
    td_err_clear(&err);
    if (catalog_file_read(&texts, "fuzzed", memory, &made, &err) == TD_OK) {
        made.of = &NONE;
        serve(&made);
    } else {
        TD_ASSERT(strstr(err.text, ".yaml") != NULL);
    }
    td_arena_close(memory);
    return 0;
}
