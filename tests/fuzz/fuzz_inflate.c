/* Any bytes as a compressed message. Besides not crashing: the output never exceeds the limit, and
 * has readable padding; the same bytes give the same output again; and an invalid stream is
 * reported with a code that the decoder expects. The first byte chooses the limit. */
#include <stdlib.h>

#include "base/assert.h"
#include "schema/inflate.h"
#include "tests/testing/fuzz_input.h"

enum { PADDING_BYTES = 64 };

static td_result inflate_once(inflater *self, size_t bytes_max, td_bytes stream, uint64_t *sum)
{
    td_bytes out;
    td_result rc = inflater_run(self, stream, &out, NULL);
    *sum = (uint64_t)rc;
    if (rc != TD_OK) {
        TD_ASSERT(rc == TD_E_CORRUPT || rc == TD_E_TRUNCATED || rc == TD_E_LIMIT);
        TD_ASSERT(out.size == 0);
        return rc;
    }
    TD_ASSERT(out.size <= bytes_max);
    for (size_t i = 0; i < out.size + PADDING_BYTES; i++) {
        TD_ASSERT(i < out.size || out.data[i] == 0);
        *sum = *sum * 31 + out.data[i];
    }
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const size_t BOUNDS[] = {1, 63, 4096, 64 << 10, 1 << 20};
    enum { BOUND_COUNT = sizeof BOUNDS / sizeof BOUNDS[0] };
    static inflater *inflaters[BOUND_COUNT];
    uint64_t first, second;
    if (size == 0)
        return 0;
    size_t which = data[0] % BOUND_COUNT;
    if (inflaters[which] == NULL)
        inflaters[which] = inflater_open(BOUNDS[which], PADDING_BYTES);
    td_bytes stream = td_bytes_of(data + 1, size - 1);
    td_result rc = inflate_once(inflaters[which], BOUNDS[which], stream, &first);
    TD_ASSERT(inflate_once(inflaters[which], BOUNDS[which], stream, &second) == rc);
    TD_ASSERT(first == second);
    return 0;
}
