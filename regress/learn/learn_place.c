#include "regress/learn/learn_place.h"

#include <ctype.h>
#include <string.h>

#include "regress/learn/learn_words.h"

enum { LEARN_DATA_KEY_BYTES_MAX = 12 }; /* as a document may have */

/* ---- the topic ---- */

static size_t depth_of(const char *path)
{
    size_t depth = 0;
    for (; *path != '\0'; path++)
        depth += *path == '.';
    return depth;
}

/* How likely the texts at a path are topics; 0: they are not. */
static int topic_score(const path_stat *stat, uint32_t frames)
{
    const int rank = learn_topic_rank(path_key(stat->path));
    if (path_list(stat->path) > 0 || stat->texts < stat->values || stat->word_count == 0 ||
        stat->frames < frames / 4 ||
        ((learn_has_symbols(stat) || stat->has_more_words) && rank < LEARN_RANK_SURE))
        return 0;
    return (int)(stat->frames * UINT64_C(10) / frames) + 3 * rank + (stat->word_count > 1 ? 4 : 0) -
           2 * (int)depth_of(stat->path);
}

/* The top-level key that has the most other paths in it, or NULL. */
static const path_stat *richest_key(const path_table *frames)
{
    const path_stat *best = NULL;
    size_t most = 0;
    for (size_t i = 0; i < frames->count; i++) {
        const path_stat *stat = frames->at[i];
        const size_t size = strlen(stat->path);
        size_t inside = 0;
        if (stat->containers == 0 || strpbrk(stat->path, ".[") != NULL ||
            size > LEARN_DATA_KEY_BYTES_MAX || stat->frames < frames->frames / 4)
            continue;
        for (size_t k = 0; k < frames->count; k++)
            inside += strncmp(frames->at[k]->path, stat->path, size) == 0 &&
                      (frames->at[k]->path[size] == '.' || frames->at[k]->path[size] == '[');
        if (best == NULL || inside > most) {
            best = stat;
            most = inside;
        }
    }
    return best;
}

/* The top-level key besides the topic's that most frames have, or NULL. */
static const path_stat *usual_key(const path_table *frames, const char *topic)
{
    const path_stat *best = NULL;
    for (size_t i = 0; i < frames->count; i++) {
        const path_stat *stat = frames->at[i];
        if (strpbrk(stat->path, ".[") == NULL && strcmp(stat->path, topic) != 0 &&
            strlen(stat->path) <= LEARN_DATA_KEY_BYTES_MAX &&
            (best == NULL || stat->frames > best->frames))
            best = stat;
    }
    return best;
}

/* Find the key that tells data frames from others: of the data, or, if fewer frames have such, of
 * any member of theirs. */
static void find_data(const path_table *frames, td_arena *memory, topic_place *place)
{
    const path_stat *data = richest_key(frames), *usual = usual_key(frames, place->path);
    place->is_flat = usual != NULL &&
                     (data == NULL || data->frames * UINT64_C(10) < usual->frames * UINT64_C(8));
    const path_stat *key = place->is_flat ? usual : data;
    place->data = key == NULL ? "data" : td_arena_text(memory, td_bytes_str(key->path));
}

/* ---- the symbol ---- */

int topic_place_split(const topic_place *place, td_bytes text, topic_parts_of_text *out)
{
    *out = (topic_parts_of_text){.name = text};
    if (place->symbol == SYMBOL_NOWHERE || text.size == 0)
        return 0;
    const uint8_t *first = memchr(text.data, place->joint, text.size);
    const uint8_t *last = memrchr(text.data, place->joint, text.size);
    if (first == NULL)
        return 0;
    const size_t before = (size_t)(first - text.data), until = (size_t)(last - text.data);
    const td_bytes tail = td_bytes_of(first + 1, text.size - before - 1);
    if (place->symbol == SYMBOL_LAST) {
        out->name = td_bytes_of(text.data, until);
        out->symbol = td_bytes_of(last + 1, text.size - until - 1);
    } else if (place->symbol == SYMBOL_FIRST) {
        out->name = tail;
        out->symbol = td_bytes_of(text.data, before);
    } else if (until > before) {
        out->name = td_bytes_of(text.data, before);
        out->symbol = td_bytes_of(first + 1, until - before - 1);
        out->rest = td_bytes_of(last + 1, text.size - until - 1);
    }
    return learn_is_symbol(out->symbol);
}

/* How many of the topics have a symbol at the place. */
static size_t count_symbols(const path_stat *topics, const topic_place *place)
{
    size_t count = 0;
    topic_parts_of_text parts;
    for (size_t i = 0; i < topics->word_count; i++)
        count += (size_t)topic_place_split(place, td_bytes_str(topics->words[i]), &parts);
    return count;
}

static void find_symbol(const path_stat *topics, topic_place *place)
{
    static const char JOINTS[] = ".@:/_-";
    size_t most = 0;
    topic_place tried = *place;
    for (const char *joint = JOINTS; *joint != '\0'; joint++)
        for (int where = SYMBOL_LAST; where <= SYMBOL_INSIDE; where++) {
            tried.joint = *joint;
            tried.symbol = (symbol_place)where;
            if (where == SYMBOL_INSIDE && strchr("_-", *joint) != NULL)
                continue; /* symbols have these, too: BTC_JPY */
            const size_t count = count_symbols(topics, &tried);
            if (count > most && count * 10 >= topics->word_count * 6) {
                most = count;
                *place = tried;
            }
        }
    topic_parts_of_text parts;
    for (size_t i = 0; place->symbol != SYMBOL_NOWHERE && i < topics->word_count; i++)
        if (topic_place_split(place, td_bytes_str(topics->words[i]), &parts))
            for (size_t k = 0; k < parts.symbol.size; k++)
                place->is_lower |= islower(parts.symbol.data[k]) != 0;
}

int topic_place_find(const path_table *frames, td_arena *memory, topic_place *out)
{
    const path_stat *best = NULL;
    int most = 0;
    for (size_t i = 0; i < frames->count; i++) {
        const int score = topic_score(frames->at[i], frames->frames);
        if (score <= most)
            continue;
        best = frames->at[i];
        most = score;
    }
    if (best == NULL)
        return 0;
    *out = (topic_place){.path = td_arena_text(memory, td_bytes_str(best->path))};
    find_data(frames, memory, out);
    find_symbol(best, out);
    return 1;
}
