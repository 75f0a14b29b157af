/* Any text as message JSON, as another decoder may answer it. The first byte chooses the row of the
 * answer (0: no row); the rest is the text. An accepted text keeps its meaning when it is written
 * and read again. */
#include "base/assert.h"
#include "schema/family.h"
#include "tests/testing/fuzz_input.h"
#include "tests/testing/message_round.h"

static const topic_row *row_of(unsigned number)
{
    size_t count = 0;
    const family *const *families = family_table(&count);
    for (size_t f = 0; number > 0 && f < count; f++) {
        if (number <= families[f]->topic_count)
            return &families[f]->topics[number - 1];
        number -= (unsigned)families[f]->topic_count;
    }
    return NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static message_round *round;
    message m;
    if (round == NULL)
        round = message_round_open();
    if (size == 0)
        return 0;
    const message_subject subject = {row_of(data[0]), td_bytes_str("topic"),
                                     td_bytes_str(data[0] % 2 == 0 ? "BTCUSD" : "")};
    /* Accepting and refusing are both allowed. */
    (void)message_round_read(round, &subject, td_bytes_of(data + 1, size - 1), &m, NULL);
    return 0;
}
