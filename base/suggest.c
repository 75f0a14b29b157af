#include "base/suggest.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum {
    NAME_MAX = 128, /* for longer names, edits are not counted */
    COMMON_MIN = 3, /* letters that a common prefix must have */
    COMMON_DISTANCE = 500,
    WITHIN_DISTANCE = 900,  /* of a name that contains the written one */
    UNLIKE_DISTANCE = 1000, /* not similar */
};

static unsigned least(unsigned a, unsigned b, unsigned c)
{
    unsigned ab = a < b ? a : b;
    return ab < c ? ab : c;
}

/* Number of edits between two texts, ignoring case; swapping two letters is one edit. */
static unsigned edit_distance(td_bytes a, td_bytes b)
{
    unsigned rows[3][NAME_MAX + 1]; /* rows of the distance matrix: i and the two before */
    for (size_t k = 0; k <= b.size; k++)
        rows[0][k] = (unsigned)k;
    for (size_t i = 1; i <= a.size; i++) {
        unsigned *row = rows[i % 3];
        const unsigned *above = rows[(i + 2) % 3];
        row[0] = (unsigned)i;
        for (size_t k = 1; k <= b.size; k++) {
            int x = tolower(a.data[i - 1]);
            int y = tolower(b.data[k - 1]);
            row[k] = least(above[k] + 1, row[k - 1] + 1, above[k - 1] + (x != y));
            int is_swap =
                i > 1 && k > 1 && x == tolower(b.data[k - 2]) && y == tolower(a.data[i - 2]);
            if (is_swap && rows[(i + 1) % 3][k - 2] + 1 < row[k])
                row[k] = rows[(i + 1) % 3][k - 2] + 1;
        }
    }
    return rows[a.size % 3][b.size];
}

static int means_the_same(td_bytes written, const char *name)
{
    static const char *const PAIRS[][2] = {{"buy", "bid"}, {"sell", "ask"}};
    for (size_t i = 0; i < sizeof PAIRS / sizeof PAIRS[0]; i++)
        for (size_t k = 0; k < 2; k++)
            if (td_bytes_is(written, PAIRS[i][k]) && strcmp(name, PAIRS[i][1 - k]) == 0)
                return 1;
    return 0;
}

static int is_within(td_bytes written, const char *name)
{
    size_t size = written.size;
    if (size > COMMON_MIN && tolower(written.data[size - 1]) == 's')
        size--;
    if (size < COMMON_MIN)
        return 0;
    for (; strlen(name) >= size; name++)
        if (strncasecmp(name, (const char *)written.data, size) == 0)
            return 1;
    return 0;
}

/* Distance of a name from the written one; 0: equal, UNLIKE_DISTANCE: not similar. */
static unsigned distance_of(td_bytes written, const char *name)
{
    td_bytes other = td_bytes_str(name);
    size_t longer = written.size > other.size ? written.size : other.size;
    if (longer <= NAME_MAX) {
        unsigned distance = edit_distance(written, other);
        if (distance == 0 || distance <= (longer + 1) / 3)
            return distance;
    }
    size_t common = 0;
    while (common < written.size && common < other.size &&
           written.data[common] == other.data[common])
        common++;
    if (common >= COMMON_MIN)
        return COMMON_DISTANCE - (unsigned)(common < 400 ? common : 400);
    return is_within(written, name) || means_the_same(written, name) ? WITHIN_DISTANCE
                                                                     : UNLIKE_DISTANCE;
}

void suggest_offer(suggest_search *search, const char *name)
{
    unsigned distance = distance_of(search->written, name);
    if (distance == UNLIKE_DISTANCE || (search->name != NULL && distance >= search->distance))
        return;
    search->name = name;
    search->distance = distance;
}

void suggest_format(const suggest_search *search, char *out, size_t out_bytes)
{
    out[0] = '\0';
    if (search->name != NULL)
        (void)snprintf(out, out_bytes, "did you mean '%s'?", search->name);
}
