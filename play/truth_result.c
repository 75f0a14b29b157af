#include "play/truth_result.h"

int truth_result_is_equal(const truth_result *result)
{
    for (int i = 0; i < TRUTH_KINDS; i++)
        if (result->items_equal[i] != result->items[i])
            return 0;
    return result->matched > 0 && result->missing == 0 && result->unexpected == 0 &&
           result->marks_equal == result->marks;
}
