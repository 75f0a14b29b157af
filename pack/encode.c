#include <math.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/decimal.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/row_table.h"
#include "pack/columns.h"
#include "pack/frame_model.h"
#include "pack/layout.h"
#include "pack/numbers.h"
#include "pack/pack.h"

/* A number of a column, as it was read. */
typedef struct draft_number {
    int64_t value;  /* at `scale` */
    uint32_t event; /* its place among all values */
    uint16_t channel;
    uint8_t scale;
    uint8_t digits; /* DIGITS_* */
} draft_number;

/* As DIGITS_AS_SCALE, but trailing zeros are written in the other way than last. */
enum { DIGITS_OTHER = 255 };

typedef struct draft_string {
    const uint8_t *data; /* in the records */
    uint32_t size;
    uint16_t channel;
} draft_string;

typedef struct list {
    int64_t *numbers;
    size_t count, capacity;
} list;

/* The values of a column, and how its numbers are stored. */
typedef struct draft {
    draft_number *numbers;
    draft_string *strings;
    size_t count, capacity;
    uint16_t channel_max;
    uint8_t has_digits; /* 1: some numbers have other digits than DIGITS_AS_SCALE */
    column_rule rule;
    double cost; /* bits, by the rule */
    list lists[COLUMN_LISTS];
} draft;

typedef struct encoder {
    codec *coder;
    pack_effort effort;
    frame_model model;
    draft *drafts; /* of the model's columns */
    size_t draft_capacity;
    state_array *scales; /* scale_state, of the model's scales */
    size_t scale_capacity;
    int64_t states_left;
    uint16_t *events; /* column of each value, in the order of reading */
    size_t event_count, event_capacity;
    uint32_t *frame_ends; /* events before the end of each frame */
    size_t frame_count, frame_capacity;
    uint16_t channels[PACK_CHANNELS_MAX];
    uint32_t channel_numbers[UINT16_MAX + 1]; /* place in channels, + 1 */
    size_t channel_count;
    uint32_t lines[PACK_CHANNELS_MAX]; /* of sequences, of each channel */
    uint32_t *line_lasts;
    size_t line_count;
    td_bytes *others; /* records that are no messages */
    size_t other_count;
    uint8_t is_full; /* 1: a limit was reached */
} encoder;

static int is_level(const draft *of)
{
    return of->rule.predictor >= PREDICT_LEVEL_KEY;
}

static int is_number(const encoder *e, size_t column)
{
    return e->model.columns[column].kind == COLUMN_NUMBER;
}

/* ---- reading ---- */

/* Make space for more values of a column. */
static void grow_draft(draft *of, column_kind kind)
{
    of->capacity = of->capacity * 4 + 16; /* space that is never used costs nothing */
    if (kind == COLUMN_NUMBER)
        of->numbers = td_realloc(of->numbers, of->capacity, sizeof *of->numbers);
    else
        of->strings = td_realloc(of->strings, of->capacity, sizeof *of->strings);
}

/* Make space for the places of more values. */
static void reserve_events(encoder *e, size_t count)
{
    if (count <= e->event_capacity - e->event_count)
        return;
    e->event_capacity = (e->event_capacity + count) * 2;
    e->events = td_realloc(e->events, e->event_capacity, sizeof *e->events);
}

/* Add a value of a column; reserve_events was called. */
static inline draft *add_value(encoder *e, uint32_t column, uint16_t channel, column_kind kind)
{
    draft *to = &e->drafts[column];
    if (TD_UNLIKELY(to->count == to->capacity))
        grow_draft(to, kind);
    if (TD_UNLIKELY(channel > to->channel_max))
        to->channel_max = channel;
    e->events[e->event_count++] = (uint16_t)column;
    to->count++;
    return to;
}

static inline draft_number *add_plain(encoder *e, uint32_t column, uint16_t channel, int64_t value)
{
    const uint32_t event = (uint32_t)e->event_count;
    draft *to = add_value(e, column, channel, COLUMN_NUMBER);
    draft_number *made = &to->numbers[to->count - 1];
    *made = (draft_number){.value = value, .event = event, .channel = channel};
    return made;
}

static void add_string(encoder *e, uint32_t column, uint16_t channel, td_bytes text)
{
    draft *to = add_value(e, column, channel, COLUMN_STRING);
    to->strings[to->count - 1] = (draft_string){text.data, (uint32_t)text.size, channel};
}

/* Bring a number to the scale of its channel, or note how else it is written. */
static void set_digits(draft *of, draft_number *n, scale_state *scale, unsigned digits)
{
    const unsigned known = scale->scale;
    const unsigned up = digits < known ? known - digits : 0;
    const int is_minimal = digits == 0 || n->value % 10 != 0;
    if (up > 0 && (n->value > INT64_MAX / td_power_of_ten[up] / 10 ||
                   n->value < INT64_MIN / td_power_of_ten[up] / 10)) {
        n->digits = (uint8_t)(DIGITS_ALONE + digits);
        n->scale = (uint8_t)digits;
        of->has_digits = 1;
        return;
    }
    if (digits > known || (digits < known && !is_minimal)) {
        n->digits = (uint8_t)(DIGITS_GIVEN + digits);
        scale->scale = (uint8_t)(digits > known ? digits : known);
    } else {
        uint8_t *is_short = &scale->is_short[n->value == 0];
        const int is_other = *is_short ? !is_minimal : digits != known;
        n->digits = is_other ? DIGITS_OTHER : DIGITS_AS_SCALE;
        *is_short ^= (uint8_t)is_other;
    }
    of->has_digits |= n->digits != DIGITS_AS_SCALE;
    n->value *= td_power_of_ten[up];
    n->scale = scale->scale;
}

/* Add a number with digits after the point. */
static void add_number(encoder *e, const found_value *found, uint16_t channel)
{
    draft_number *made = add_plain(e, found->column, channel, found->number);
    scale_state *scale = state_array_at(&e->scales[e->model.columns[found->column].scale_group],
                                        channel, sizeof *scale, &e->states_left);
    e->is_full |= e->states_left < 0;
    if (found->digits == scale->scale && !scale->is_short[found->number == 0])
        made->scale = found->digits;
    else
        set_digits(&e->drafts[found->column], made, scale, found->digits);
}

/* Make drafts of new columns and scales. */
static void follow_model(encoder *e)
{
    e->drafts =
        td_array_reach(e->drafts, &e->draft_capacity, e->model.column_count, sizeof *e->drafts);
    e->scales =
        td_array_reach(e->scales, &e->scale_capacity, e->model.scale_count, sizeof *e->scales);
}

static void read_payload(encoder *e, uint16_t channel, td_bytes payload, int with_templates)
{
    const uint32_t number =
        with_templates ? frame_model_read(&e->model, channel, payload) : TEMPLATE_TEXT;
    uint32_t text = 0;
    if (number == TEMPLATE_TEXT)
        text = frame_model_column(&e->model, UINT64_C(1) << 32 | channel, COLUMN_TEXT, 0);
    follow_model(e);
    reserve_events(e, e->model.found_count + HEAD_COUNT + 1);
    (void)add_plain(e, HEAD_TEMPLATE, channel, number);
    if (text == PACK_COLUMNS_MAX || payload.size > UINT32_MAX)
        e->is_full = 1;
    else if (number == TEMPLATE_TEXT)
        add_string(e, text, channel, payload);
    for (size_t i = 0; i < e->model.found_count && number != TEMPLATE_TEXT; i++) {
        const found_value *found = &e->model.found[i];
        if (found->kind == PART_NUMBER)
            add_number(e, found, channel);
        else if (found->kind == PART_STRING)
            add_string(e, found->column, channel, td_bytes_of(found->text, found->size));
        else
            (void)add_plain(e, found->column, channel, found->number);
    }
}

static uint16_t get_channel(encoder *e, uint16_t id)
{
    if (e->channel_numbers[id] == 0) {
        if (e->channel_count == PACK_CHANNELS_MAX) {
            e->is_full = 1;
            return 0;
        }
        e->lines[e->channel_count] = UINT32_MAX;
        e->channels[e->channel_count++] = id;
        e->channel_numbers[id] = (uint32_t)e->channel_count;
    }
    return (uint16_t)(e->channel_numbers[id] - 1);
}

/* The line of sequences that a channel belongs to: the one that its first number continues. */
static uint16_t get_line(encoder *e, uint16_t channel, uint32_t sequence)
{
    uint32_t *line = &e->lines[channel];
    for (size_t i = 0; *line == UINT32_MAX && i < e->line_count; i++)
        if (e->line_lasts[i] + 1 == sequence)
            *line = (uint32_t)i;
    if (*line == UINT32_MAX) {
        *line = (uint32_t)e->line_count;
        e->line_lasts = td_array_grow(e->line_lasts, e->line_count, sizeof *e->line_lasts);
        e->line_count++;
    }
    e->line_lasts[*line] = sequence;
    return (uint16_t)*line;
}

static void read_message(encoder *e, td_bytes content, int with_templates)
{
    const uint16_t channel = get_channel(e, td_le16(content.data));
    const uint32_t sequence = td_le32(content.data + 2);
    reserve_events(e, HEAD_COUNT);
    (void)add_plain(e, HEAD_CHANNEL, 0, (int64_t)channel + 1);
    (void)add_plain(e, HEAD_TIME, 0, (int64_t)td_le64(content.data + 6));
    read_payload(
        e, channel,
        td_bytes_of(content.data + MESSAGE_FIELDS_BYTES, content.size - MESSAGE_FIELDS_BYTES),
        with_templates);
    (void)add_plain(e, HEAD_SEQUENCE, get_line(e, channel, sequence), sequence);
    (void)add_plain(e, HEAD_PUBLISH, channel, (int64_t)td_le64(content.data + 14));
    e->frame_ends =
        td_array_reach(e->frame_ends, &e->frame_capacity, e->frame_count, sizeof *e->frame_ends);
    e->frame_ends[e->frame_count++] = (uint32_t)e->event_count;
}

/* Read all records. 0: they are no whole records, or a limit was reached. */
static int read_records(encoder *e, td_bytes records, int with_templates)
{
    for (uint64_t head = 0; head < HEAD_COUNT; head++)
        (void)frame_model_column(&e->model, UINT64_C(2) << 32 | head, COLUMN_NUMBER, 0);
    follow_model(e);
    while (records.size >= RECORD_PREFIX_BYTES && !e->is_full) {
        const uint64_t size = td_le64(records.data + 1);
        if (size > records.size - RECORD_PREFIX_BYTES)
            return 0;
        const td_bytes whole = td_bytes_of(records.data, RECORD_PREFIX_BYTES + (size_t)size);
        const td_bytes content = td_bytes_of(records.data + RECORD_PREFIX_BYTES, (size_t)size);
        if (whole.data[0] == RECORD_MESSAGE && size >= MESSAGE_FIELDS_BYTES) {
            read_message(e, content, with_templates);
        } else {
            reserve_events(e, 1);
            (void)add_plain(e, HEAD_CHANNEL, 0, 0);
            e->others = td_array_grow(e->others, e->other_count, sizeof *e->others);
            e->others[e->other_count++] = whole;
        }
        records = td_bytes_of(records.data + whole.size, records.size - whole.size);
    }
    return records.size == 0 && !e->is_full;
}

/* ---- what to expect of a column ---- */

enum {
    TRIED_MIN = 8, /* shorter columns get no reference */
    /* of longer columns some pieces are tried */
    TRIED_FAST = 1 << 9,
    TRIED_BEST = 1 << 14,
    TRIED_PIECES = 8,
    REFERENCES_MAX = 24, /* columns that are tried as references, the nearest before and after */
};

/* Numbers of a column: pieces of so many, each so many after the one before. */
typedef struct number_range {
    size_t piece, step, count;
} number_range;

static number_range range_of_all(const draft *of)
{
    return (number_range){of->count, of->count, of->count};
}

static number_range range_of_trial(const encoder *e, const draft *of)
{
    const size_t most = e->effort == PACK_FAST ? TRIED_FAST : TRIED_BEST;
    return of->count <= most ? range_of_all(of)
                             : (number_range){most / TRIED_PIECES, of->count / TRIED_PIECES, most};
}

/* The first frame that ends after an event. */
static size_t find_frame(const encoder *e, uint32_t event)
{
    size_t low = 0;
    size_t high = e->frame_count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (e->frame_ends[middle] <= event)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static size_t next_frame(const encoder *e, size_t frame, uint32_t event)
{
    while (frame < e->frame_count && e->frame_ends[frame] <= event)
        frame++;
    return frame;
}

/* How many numbers of a column were before an event. */
static size_t count_before(const draft *of, uint32_t event)
{
    size_t low = 0;
    size_t high = of->count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (of->numbers[middle].event < event)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Differences between numbers and what a rule that needs no other column expects. */
static void find_own_differences(const encoder *e, const draft *of, const column_rule *by,
                                 number_range range, int64_t *out)
{
    column_state *states = td_alloc_zero((size_t)of->channel_max + 1, sizeof *states);
    column_last any = {0};
    const int has_frames = by->predictor == PREDICT_BEFORE;
    for (size_t begin = 0, done = 0; done < range.count; begin += range.step, done += range.piece) {
        const draft_number *n = &of->numbers[begin];
        size_t frame = has_frames ? find_frame(e, n->event) : 0;
        for (size_t i = 0; i < range.piece; i++, n++) {
            column_state *state = &states[n->channel];
            if (has_frames)
                frame = next_frame(e, frame, n->event);
            *out++ = wrapping_difference(n->value, column_predict(by, by->predictor, &any, state,
                                                                  (uint32_t)frame, n->scale));
            column_learn(&any, state, (uint32_t)frame, n->value, n->scale);
        }
    }
    td_free(states);
}

/* The same for a rule that refers to another column. */
static void find_other_differences(const encoder *e, const draft *of, const column_rule *by,
                                   number_range range, int64_t *out)
{
    const draft *other = &e->drafts[by->reference];
    TD_ASSERT(other->numbers != NULL);
    for (size_t begin = 0, done = 0; done < range.count; begin += range.step, done += range.piece) {
        const draft_number *n = &of->numbers[begin];
        size_t frame = find_frame(e, n->event);
        size_t next = count_before(other, n->event);
        for (size_t i = 0; i < range.piece; i++, n++) {
            frame = next_frame(e, frame, n->event);
            while (next < other->count && other->numbers[next].event < n->event)
                next++;
            const draft_number *last = next > 0 ? &other->numbers[next - 1] : NULL;
            const int is_here =
                last != NULL && (frame == 0 || last->event >= e->frame_ends[frame - 1]);
            *out++ = wrapping_difference(
                n->value,
                is_here ? column_align(last->value, last->scale, n->scale + by->exponent) : 0);
        }
    }
}

static void find_differences(const encoder *e, const draft *of, number_range range, int64_t *out)
{
    if (of->rule.predictor == PREDICT_REFERENCE)
        find_other_differences(e, of, &of->rule, range, out);
    else
        find_own_differences(e, of, &of->rule, range, out);
}

/* Bits of a whole column, by some of its numbers. */
static double cost_of(const draft *of, const numbers_cost *tried)
{
    return numbers_cost_bits(tried) * (double)of->count / (double)tried->count;
}

/* The power of ten between the columns' numbers, from one frame that has both. 0: not found. */
static int find_exponent(const encoder *e, const draft *of, const draft *other, int *exponent)
{
    const draft_number *n = &of->numbers[of->count / 2];
    const size_t frame = find_frame(e, n->event);
    const size_t before = count_before(other, n->event);
    const draft_number *last = before > 0 ? &other->numbers[before - 1] : NULL;
    if (last == NULL || (frame > 0 && last->event < e->frame_ends[frame - 1]) || last->value == 0 ||
        n->value == 0 || (last->value < 0) != (n->value < 0))
        return 0;
    const double ratio = log10((double)n->value / (double)last->value);
    const double whole = round(ratio);
    *exponent = (int)whole - n->scale + last->scale;
    return fabs(ratio - whole) < 0.02 && *exponent >= -VALUE_DIGITS_MAX &&
           *exponent <= VALUE_DIGITS_MAX;
}

/* Choose among the rules that need no other column. */
static void choose_own_rule(const encoder *e, draft *of, number_range range)
{
    numbers_cost costs[PREDICT_BEFORE + 1] = {0};
    column_state *states = td_alloc_zero((size_t)of->channel_max + 1, sizeof *states);
    column_last any = {0};
    for (size_t begin = 0, done = 0; done < range.count; begin += range.step, done += range.piece) {
        const draft_number *n = &of->numbers[begin];
        size_t frame = find_frame(e, n->event);
        for (size_t i = 0; i < range.piece; i++, n++) {
            column_state *state = &states[n->channel];
            frame = next_frame(e, frame, n->event);
            for (column_predictor by = PREDICT_ZERO; by <= PREDICT_BEFORE; by++) {
                const column_rule rule = {by, 0, 0};
                const int64_t expected =
                    column_predict(&rule, rule.predictor, &any, state, (uint32_t)frame, n->scale);
                numbers_cost_add(&costs[by], wrapping_difference(n->value, expected));
            }
            column_learn(&any, state, (uint32_t)frame, n->value, n->scale);
        }
    }
    td_free(states);
    of->cost = HUGE_VAL;
    for (column_predictor by = PREDICT_ZERO; by <= PREDICT_BEFORE; by++) {
        const double cost = cost_of(of, &costs[by]);
        of->rule.predictor = cost < of->cost ? by : of->rule.predictor;
        of->cost = cost < of->cost ? cost : of->cost;
    }
}

/* Choose a rule for a column. */
static void choose_rule(const encoder *e, size_t at, int64_t *scratch)
{
    draft *of = &e->drafts[at];
    const number_range range = range_of_trial(e, of);
    const size_t first = at > REFERENCES_MAX ? at - REFERENCES_MAX : 0;
    size_t same = 1;
    while (same < of->count && of->numbers[same].value == of->numbers[0].value &&
           of->numbers[same].scale == of->numbers[0].scale)
        same++;
    if (same == of->count) /* one number for the table */
        return;
    choose_own_rule(e, of, range);
    for (size_t i = 0; i < e->model.column_count && of->count >= TRIED_MIN; i++) {
        column_rule rule = {PREDICT_REFERENCE, (uint32_t)i, 0};
        if (i == at || (i < HEAD_COUNT && i != HEAD_TIME) ||
            (i >= HEAD_COUNT && at >= HEAD_COUNT && (i < first || i > at + REFERENCES_MAX / 4)) ||
            !is_number(e, i) || e->drafts[i].count < of->count / 4 ||
            !find_exponent(e, of, &e->drafts[i], &rule.exponent))
            continue;
        numbers_cost tried = {0};
        find_other_differences(e, of, &rule, range, scratch);
        for (size_t k = 0; k < range.count; k++)
            numbers_cost_add(&tried, scratch[k]);
        const double cost = cost_of(of, &tried);
        if (cost < of->cost * 0.98 - 64) {
            of->rule = rule;
            of->cost = cost;
        }
    }
}

static void choose_rules(const encoder *e)
{
    int64_t *scratch = td_alloc(TRIED_BEST * sizeof *scratch);
    for (size_t i = 0; i < e->model.column_count; i++)
        if (is_number(e, i) && e->drafts[i].count > 0)
            choose_rule(e, i, scratch);
    td_free(scratch);
}

/* ---- levels ---- */

static void append(list *to, int64_t number)
{
    if (TD_UNLIKELY(to->count == to->capacity)) {
        to->capacity = to->capacity * 2 + 64;
        to->numbers = td_realloc(to->numbers, to->capacity, sizeof *to->numbers);
    }
    to->numbers[to->count++] = number;
}

/* A price: whether there is no level of it, its place after that of the last one, and of a new one
 * the difference to the level before. */
static void store_key(draft *of, level_map *map, int64_t *place, const draft_number *n)
{
    if (n->digits >= DIGITS_ALONE && n->digits != DIGITS_OTHER) {
        append(&of->lists[2], n->value);
        level_map_touch_none(map);
        return;
    }
    level_map_align_keys(map, n->scale);
    const size_t index = level_map_find(map, n->value);
    const int is_new = index == map->count || level_map_at(map, index)->key != n->value;
    append(&of->lists[0], is_new);
    append(&of->lists[1], (int64_t)index - *place);
    *place = (int64_t)index;
    if (is_new)
        append(&of->lists[2],
               wrapping_difference(n->value, index == 0 ? 0 : level_map_at(map, index - 1)->key));
    if (is_new && of->rule.predictor == PREDICT_LEVEL_KEY)
        level_map_touch_new(map, index, n->value);
    else if (is_new)
        level_map_touch_none(map);
    else if (of->rule.predictor == PREDICT_LEVEL_KEY)
        level_map_touch(map, index);
    else
        level_map_remove(map, index);
}

/* A size: whether it removes the level; of a new level the size, else its change. */
static void store_value(draft *of, level_map *map, const draft_number *n)
{
    if (n->digits >= DIGITS_ALONE && n->digits != DIGITS_OTHER) {
        append(&of->lists[1], n->value);
        level_map_touch_none(map);
        return;
    }
    level_map_align_values(map, n->scale);
    if (map->touched == NULL) {
        append(&of->lists[1], n->value);
    } else {
        append(&of->lists[0], n->value == 0 ? SIZE_REMOVES : SIZE_CHANGES);
        if (n->value != 0)
            append(&of->lists[2], wrapping_difference(n->value, map->touched->value));
    }
    level_map_put(map, n->value);
}

/* A column of a map that is being stored. */
typedef struct map_column {
    draft *of;
    size_t next;     /* number */
    int64_t *places; /* last one by channel */
} map_column;

/* The column whose next number came first; NULL after the last one. */
static map_column *next_of(map_column *columns, size_t count)
{
    map_column *first = NULL;
    for (map_column *at = columns; at < columns + count; at++)
        if (at->next < at->of->count &&
            (first == NULL ||
             at->of->numbers[at->next].event < first->of->numbers[first->next].event))
            first = at;
    return first;
}

/* Store the columns of a map. */
static void store_map(const encoder *e, uint32_t map)
{
    level_map *maps = td_alloc_zero(e->channel_count, sizeof *maps);
    map_column *columns = td_alloc(e->model.column_count * sizeof *columns);
    size_t count = 0;
    for (size_t i = 0; i < e->model.column_count; i++)
        if (is_level(&e->drafts[i]) && e->drafts[i].rule.reference == map)
            columns[count++] = (map_column){
                &e->drafts[i], 0, td_alloc_zero(e->channel_count, sizeof *columns->places)};
    for (map_column *at = next_of(columns, count); at != NULL; at = next_of(columns, count)) {
        const draft_number *n = &at->of->numbers[at->next++];
        if (at->of->rule.predictor == PREDICT_LEVEL_VALUE)
            store_value(at->of, &maps[n->channel], n);
        else
            store_key(at->of, &maps[n->channel], &at->places[n->channel], n);
    }
    for (size_t i = 0; i < e->channel_count; i++)
        level_map_fini(&maps[i]);
    for (size_t i = 0; i < count; i++)
        td_free(columns[i].places);
    td_free(maps);
    td_free(columns);
}

static void free_lists(draft *of)
{
    for (size_t k = 0; k < COLUMN_LISTS; k++) {
        td_free(of->lists[k].numbers);
        of->lists[k] = (list){0};
    }
}

static double lists_cost(const draft *of)
{
    double bits = 0;
    for (size_t k = 0; k < COLUMN_LISTS; k++) {
        numbers_cost sum = {0};
        for (size_t i = 0; i < of->lists[k].count; i++)
            numbers_cost_add(&sum, of->lists[k].numbers[i]);
        bits += numbers_cost_bits(&sum);
    }
    return bits;
}

/* The column of sizes that belongs to a column of prices: the next number of the same elements that
 * does not follow from other numbers. 0: none. */
static uint32_t find_sizes(const encoder *e, size_t prices)
{
    for (size_t i = HEAD_COUNT; i < e->model.column_count; i++) {
        const model_column *column = &e->model.columns[i];
        const draft *of = &e->drafts[i];
        if (column->kind == COLUMN_NUMBER && column->map_key != 0 &&
            column->first_in_element == prices + 1 && of->count == e->drafts[prices].count &&
            of->cost > (double)of->count * 2)
            return (uint32_t)i;
    }
    return 0;
}

/* Try to read the elements of all arrays of an object as levels, with a price first; keep it if
 * that is shorter. */
static void try_map(const encoder *e, uint64_t map_key, uint32_t map)
{
    const size_t columns = e->model.column_count;
    column_rule *before = td_alloc(columns * sizeof *before);
    double cost = 0;
    double now = 0;
    for (size_t i = 0; i < columns; i++)
        before[i] = e->drafts[i].rule;
    for (size_t i = HEAD_COUNT; i < columns; i++) {
        draft *of = &e->drafts[i];
        const model_column *column = &e->model.columns[i];
        if (column->kind != COLUMN_NUMBER || column->map_key != map_key ||
            column->first_in_element != 0 || of->count == 0)
            continue;
        const uint32_t sizes = find_sizes(e, i);
        cost += of->cost;
        of->rule = (column_rule){sizes == 0 ? PREDICT_LEVEL_END : PREDICT_LEVEL_KEY, map, 0};
        if (sizes == 0)
            continue;
        cost += e->drafts[sizes].cost;
        e->drafts[sizes].rule = (column_rule){PREDICT_LEVEL_VALUE, map, 0};
    }
    if (cost > 0)
        store_map(e, map);
    for (size_t i = 0; i < columns; i++)
        if (is_level(&e->drafts[i]) && e->drafts[i].rule.reference == map)
            now += lists_cost(&e->drafts[i]);
    for (size_t i = 0; now >= cost && i < columns; i++)
        if (is_level(&e->drafts[i]) && e->drafts[i].rule.reference == map) {
            free_lists(&e->drafts[i]);
            e->drafts[i].rule = before[i];
        }
    td_free(before);
}

static void choose_maps(const encoder *e)
{
    uint64_t tried[PACK_MAPS_MAX];
    uint32_t count = 0;
    for (size_t i = HEAD_COUNT; i < e->model.column_count && count < PACK_MAPS_MAX; i++) {
        const uint64_t key = e->model.columns[i].map_key;
        uint32_t k = 0;
        while (k < count && tried[k] != key)
            k++;
        if (key == 0 || k < count)
            continue;
        tried[count] = key;
        try_map(e, key, count++);
    }
}

/* ---- writing ---- */

/* Where a list is written. */
typedef struct chunk_writer {
    out_stream table;
    stream_writer streams;
    list scratch; /* numbers of the column that is being written */
} chunk_writer;

static void write_list(const encoder *e, const list *of, chunk_writer *to)
{
    numbers_write(of->numbers, of->count, e->effort, e->coder, &to->table, &to->streams);
}

/* Strings of a column: 0 is the channel's last one again, 1 a new one, else the number of a known
 * one + 2. */
static void write_strings(const encoder *e, const draft *of, chunk_writer *to)
{
    row_table known = {0};
    td_bytes *rows = NULL;
    size_t count = 0;
    size_t *lasts = td_alloc_zero(e->channel_count, sizeof *lasts); /* row + 1 */
    list which = {0};
    out_stream text = {0};
    for (size_t i = 0; i < of->count; i++) {
        const draft_string *one = &of->strings[i];
        const td_bytes bytes = td_bytes_of(one->data, one->size);
        size_t *last = &lasts[one->channel];
        if (rows != NULL && *last > 0 && td_bytes_equal(rows[*last - 1], bytes)) {
            append(&which, 0);
            continue;
        }
        const uint64_t hash = td_xxh64(bytes.data, bytes.size);
        row_probe at = row_probe_of(hash);
        *last = 0;
        while (*last == 0 && row_table_next(&known, &at))
            if (rows != NULL && td_bytes_equal(rows[at.row], bytes))
                *last = (size_t)at.row + 1;
        append(&which, *last == 0 ? 1 : (int64_t)*last + 1);
        if (*last == 0) {
            rows = td_array_grow(rows, count, sizeof *rows);
            rows[count] = bytes;
            row_table_put(&known, hash, count++);
            out_stream_number(&text, bytes.size);
            out_stream_add(&text, bytes.data, bytes.size);
            *last = count;
        }
    }
    write_list(e, &which, to);
    stream_writer_take(&to->streams, &text, GROUP_STRING);
    td_free(which.numbers);
    td_free(lasts);
    td_free(rows);
    row_table_fini(&known);
}

static void write_text(const encoder *e, const draft *of, chunk_writer *to)
{
    list sizes = {0};
    out_stream text = {0};
    for (size_t i = 0; i < of->count; i++) {
        append(&sizes, of->strings[i].size);
        out_stream_add(&text, of->strings[i].data, of->strings[i].size);
    }
    write_list(e, &sizes, to);
    stream_writer_take(&to->streams, &text, GROUP_TEXT);
    td_free(sizes.numbers);
}

/* How the numbers of a column are written as text. */
static void write_digits(const encoder *e, const draft *of, chunk_writer *to)
{
    list digits = {0};
    list other = {0};
    for (size_t i = 0; i < of->count && of->has_digits; i++) {
        const int is_other = of->numbers[i].digits == DIGITS_OTHER;
        append(&digits, is_other ? DIGITS_AS_SCALE : of->numbers[i].digits);
        if (is_other || of->numbers[i].digits == DIGITS_AS_SCALE)
            append(&other, is_other);
    }
    write_list(e, &digits, to);
    write_list(e, &other, to);
    td_free(digits.numbers);
    td_free(other.numbers);
}

static void write_column(const encoder *e, size_t at, chunk_writer *to)
{
    const draft *of = &e->drafts[at];
    const column_kind kind = e->model.columns[at].kind;
    out_stream_byte(&to->table, (uint8_t)kind);
    if (kind != COLUMN_NUMBER) {
        (kind == COLUMN_STRING ? write_strings : write_text)(e, of, to);
        return;
    }
    out_stream_byte(&to->table, (uint8_t)of->rule.predictor);
    out_stream_number(&to->table, of->rule.reference);
    out_stream_byte(&to->table, (uint8_t)(of->rule.exponent + VALUE_DIGITS_MAX));
    out_stream_number(&to->table, e->model.columns[at].scale_group);
    write_digits(e, of, to);
    if (!is_level(of)) {
        list *scratch = &to->scratch;
        if (of->count > scratch->capacity) {
            scratch->capacity = of->count;
            scratch->numbers = td_realloc(scratch->numbers, of->count, sizeof *scratch->numbers);
        }
        scratch->count = of->count;
        find_differences(e, of, range_of_all(of), scratch->numbers);
        write_list(e, scratch, to);
        return;
    }
    for (int k = 0; k < COLUMN_LISTS; k++)
        write_list(e, &of->lists[k], to);
}

static void write_table(const encoder *e, chunk_writer *to)
{
    out_stream others = {0};
    out_stream templates = {0};
    out_stream_byte(&to->table, PACK_VERSION);
    out_stream_number(&to->table, e->drafts[HEAD_CHANNEL].count);
    out_stream_number(&to->table, e->channel_count);
    for (size_t i = 0; i < e->channel_count; i++) {
        out_stream_number(&to->table, e->channels[i]);
        out_stream_number(&to->table, e->lines[i]);
    }
    for (size_t i = 0; i < e->other_count; i++)
        out_stream_add(&others, e->others[i].data, e->others[i].size);
    stream_writer_take(&to->streams, &others, GROUP_STRING);
    out_stream_number(&to->table, e->model.scale_count);
    out_stream_number(&to->table, e->model.column_count);
    for (size_t i = 0; i < e->model.column_count; i++)
        write_column(e, i, to);
    out_stream_number(&to->table, e->model.template_count);
    for (size_t i = 0; i < e->model.template_count; i++) {
        const model_template *of = &e->model.templates[i];
        out_stream_number(&templates, of->size);
        out_stream_add(&templates, e->model.bytes.data + of->begin, of->size);
    }
    stream_writer_take(&to->streams, &templates, GROUP_STRING);
    stream_writer_take(&to->streams, &to->table, GROUP_SHORT);
}

/* 1 if a reader takes the states of all columns and maps; states of scales were counted. */
static int has_few_states(const encoder *e)
{
    size_t capacity = 1;
    size_t states = 0;
    size_t level_columns = 0;
    for (size_t i = 0; i < e->model.column_count; i++) {
        while (capacity <= e->drafts[i].channel_max)
            capacity *= 2;
        level_columns += is_number(e, i) && is_level(&e->drafts[i]);
    }
    states =
        e->model.column_count + (level_columns < PACK_MAPS_MAX ? level_columns : PACK_MAPS_MAX);
    return (int64_t)(states * capacity) <= e->states_left;
}

static void encoder_fini(encoder *e)
{
    for (size_t i = 0; i < e->draft_capacity; i++) {
        td_free(e->drafts[i].numbers);
        td_free(e->drafts[i].strings);
        free_lists(&e->drafts[i]);
    }
    for (size_t i = 0; i < e->scale_capacity; i++)
        td_free(e->scales[i].states);
    td_free(e->drafts);
    td_free(e->scales);
    td_free(e->events);
    td_free(e->frame_ends);
    td_free(e->line_lasts);
    td_free(e->others);
    frame_model_fini(&e->model);
}

/* Pack in one of two ways: with templates, or payloads as texts. */
static td_result encode(codec *coder, td_bytes records, pack_effort effort, int with_templates,
                        td_buf *out, td_err *err)
{
    enum { LEVEL_FAST = 1, LEVEL_BEST = 19 };
    encoder *e = td_alloc_zero(1, sizeof *e);
    chunk_writer to = {0};
    e->coder = coder;
    e->effort = effort;
    e->states_left = PACK_STATES_MAX;
    td_result rc = TD_OK;
    if (!read_records(e, records, with_templates)) {
        rc = td_err_set(err, TD_E_LIMIT, "the records have too many parts for a packed chunk");
    } else {
        choose_rules(e);
        choose_maps(e);
        if (!has_few_states(e))
            rc = td_err_set(err, TD_E_LIMIT, "the records have too many channels and columns");
    }
    if (rc == TD_OK) {
        write_table(e, &to);
        rc = stream_writer_finish(&to.streams, coder, effort == PACK_FAST ? LEVEL_FAST : LEVEL_BEST,
                                  out, err);
        stream_writer_fini(&to.streams);
        td_free(to.scratch.numbers);
    }
    encoder_fini(e);
    td_free(e);
    return rc;
}

td_result pack_encode(codec *coder, td_bytes records, pack_effort effort, td_buf *out, td_err *err)
{
    td_buf templates;
    td_buf texts;
    td_buf_init(&templates, LIMIT_CHUNK_BYTES);
    td_buf_init(&texts, LIMIT_CHUNK_BYTES);
    const td_result with = encode(coder, records, effort, 1, &templates, err);
    td_result rc = with;
    if (with != TD_OK || effort == PACK_BEST)
        rc = encode(coder, records, effort, 0, &texts, err);
    if (with == TD_OK && (texts.size == 0 || templates.size < texts.size))
        rc = td_buf_append(out, templates.data, templates.size, err);
    else if (rc == TD_OK)
        rc = td_buf_append(out, texts.data, texts.size, err);
    td_buf_fini(&templates);
    td_buf_fini(&texts);
    return rc;
}
