/* The project's headers are C. */
extern "C" {
#include "base/json/json_index.h"
#include "base/alloc.h"
}

#include <memory>
#include <new>

#include <simdjson.h>

/* simdjson keeps the index inside its parser implementation (one per instruction set, chosen at run
 * time). simdjson's own parsers, DOM and on-demand, begin with the same stage1() call. */
struct json_indexer {
    std::unique_ptr<simdjson::internal::dom_parser_implementation> stage;
    size_t capacity = 0; /* bytes of text that stage has space for */
};

namespace
{

/* Small enough for a tape that only reads events, large enough for an ordinary frame. */
constexpr size_t CAPACITY_MIN = 2 << 10;

void reserve(json_indexer &indexer, size_t size)
{
    if (size <= indexer.capacity)
        return;
    size_t capacity = CAPACITY_MIN;
    while (capacity < size)
        capacity *= 2;
    /* Only stage 2, which never runs, needs a depth: 1 keeps its memory small. */
    simdjson::error_code error =
        indexer.stage == nullptr
            ? simdjson::get_active_implementation()->create_dom_parser_implementation(capacity, 1,
                                                                                      indexer.stage)
            : indexer.stage->set_capacity(capacity);
    if (error != simdjson::SUCCESS)
        td_out_of_memory(capacity);
    indexer.capacity = capacity;
}

} // namespace

json_indexer *json_indexer_open(void)
{
    json_indexer *made = new (std::nothrow) json_indexer;
    if (made == nullptr)
        td_out_of_memory(sizeof *made);
    return made;
}

void json_indexer_close(json_indexer *indexer)
{
    delete indexer;
}

int json_indexer_run(json_indexer *indexer, const uint8_t *bytes, size_t size, json_index *out)
{
    if (size == 0)
        return 0;
    reserve(*indexer, size);
    if (indexer->stage->stage1(bytes, size, simdjson::stage1_mode::regular) != simdjson::SUCCESS)
        return 0;
    uint32_t *starts = indexer->stage->structural_indexes.get();
    uint32_t count = indexer->stage->n_structural_indexes;
    starts[count] = static_cast<uint32_t>(size); /* simdjson leaves space for sentinels */
    *out = json_index{bytes, starts, count, static_cast<uint32_t>(size)};
    return 1;
}
