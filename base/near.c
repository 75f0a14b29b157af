#include "base/near.h"

#include <ctype.h>
#include <string.h>

enum {
    NAME_MAX = 128, /* longer names are only compared by their beginnings */
    COMMON_MIN = 3, /* letters that a common beginning has */
    COMMON_FAR = 500,
};

static unsigned least(unsigned a, unsigned b, unsigned c)
{
    unsigned ab = a < b ? a : b;
    return ab < c ? ab : c;
}

/* Levenshtein's distance, case apart: one row at a time. */
static unsigned edits(td_bytes a, td_bytes b)
{
    unsigned row[NAME_MAX + 1];
    for (size_t k = 0; k <= b.size; k++)
        row[k] = (unsigned)k;
    for (size_t i = 0; i < a.size; i++) {
        unsigned diagonal = row[0];
        row[0] = (unsigned)i + 1;
        for (size_t k = 0; k < b.size; k++) {
            unsigned above = row[k + 1];
            int is_other = tolower(a.data[i]) != tolower(b.data[k]);
            row[k + 1] = least(above + 1, row[k] + 1, diagonal + (unsigned)is_other);
            diagonal = above;
        }
    }
    return row[b.size];
}

unsigned td_near(td_bytes written, const char *name)
{
    td_bytes other = td_bytes_str(name);
    size_t longer = written.size > other.size ? written.size : other.size;
    if (longer <= NAME_MAX) {
        unsigned distance = edits(written, other);
        if (distance == 0 || distance <= (longer + 1) / 3)
            return distance;
    }
    size_t common = 0;
    while (common < written.size && common < other.size &&
           written.data[common] == other.data[common])
        common++;
    return common >= COMMON_MIN ? COMMON_FAR - (unsigned)(common < 400 ? common : 400) : NEAR_FAR;
}
