#include "replay/condition.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/time_text.h"
#include "book/symbol_state.h"
#include "tape/topic_trust.h"

typedef enum field_kind {
    FIELD_NAME,    /* a glob */
    FIELD_FLAG,    /* no value */
    FIELD_ENTRY,   /* an entry's price or size */
    FIELD_NUMBER,  /* a number of the frame */
    FIELD_OF_BOOK, /* a number of the frame's book */
} field_kind;

typedef struct condition_field {
    const char *name;
    field_kind kind;
} condition_field;

enum { TOPIC, SYMBOL, RULE, UNDECODED, GAP, PRICE, SIZE, SEQ, U, TIME, BID, ASK, SPREAD };

static const condition_field FIELDS[] = {
    [TOPIC] = {"topic", FIELD_NAME},
    [SYMBOL] = {"symbol", FIELD_NAME},
    [RULE] = {"rule", FIELD_NAME},
    [UNDECODED] = {"undecoded", FIELD_FLAG},
    [GAP] = {"gap", FIELD_FLAG},
    [PRICE] = {"price", FIELD_ENTRY},
    [SIZE] = {"size", FIELD_ENTRY},
    [SEQ] = {"seq", FIELD_NUMBER},
    [U] = {"u", FIELD_NUMBER},
    [TIME] = {"time", FIELD_NUMBER},
    [BID] = {"bid", FIELD_OF_BOOK},
    [ASK] = {"ask", FIELD_OF_BOOK},
    [SPREAD] = {"spread", FIELD_OF_BOOK},
};

enum { FIELD_COUNT = sizeof FIELDS / sizeof *FIELDS };

/* Operators, as bits of the comparison results that they accept. */
enum { BELOW = 1, EQUAL = 2, ABOVE = 4 };

static const struct {
    const char *text;
    uint8_t op;
} OPERATORS[] = {{"=", EQUAL},          {"!=", BELOW | ABOVE}, {"<=", BELOW | EQUAL},
                 {">=", ABOVE | EQUAL}, {"<", BELOW},          {">", ABOVE}};

/* ---- parsing ---- */

static td_result find_field(td_bytes name, const condition_field **out, td_err *err)
{
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        if (td_bytes_is(name, FIELDS[i].name)) {
            *out = &FIELDS[i];
            return TD_OK;
        }
    }
    return td_err_set(err, TD_E_INVALID,
                      "'%.*s': expected topic, symbol, rule, undecoded, gap, price, size, seq, "
                      "u, time, bid, ask or spread",
                      (int)name.size, (const char *)name.data);
}

static td_result parse_operator(td_bytes text, const condition_field *field, uint8_t *out,
                                td_err *err)
{
    for (size_t i = 0; i < sizeof OPERATORS / sizeof *OPERATORS; i++)
        if (td_bytes_is(text, OPERATORS[i].text))
            *out = OPERATORS[i].op;
    if (*out == 0 || (field->kind == FIELD_NAME && *out != EQUAL))
        return td_err_set(err, TD_E_INVALID, "%s: expected %s", field->name,
                          field->kind == FIELD_NAME ? "=" : "=, !=, <, <=, > or >=");
    return TD_OK;
}

/* 1 if a glob matches a rule's name, with or without its "not_": rule=crossed. */
static int rule_fits(const char *glob, rule_id rule)
{
    const char *name = rule_name(rule);
    return selection_glob_fits(glob, td_bytes_str(name)) ||
           (strncmp(name, "not_", 4) == 0 && selection_glob_fits(glob, td_bytes_str(name + 4)));
}

static td_result check_rule(const char *glob, td_err *err)
{
    for (int rule = RULE_NONE + 1; rule < RULE_COUNT; rule++)
        if (rule_fits(glob, (rule_id)rule))
            return TD_OK;
    return td_err_set(err, TD_E_INVALID, "'%s': there is no such rule", glob);
}

static td_result parse_value(condition_term *term, td_bytes value, uint64_t now_ns, td_err *err)
{
    const condition_field *field = term->field;
    term->text = td_strndup((const char *)value.data, value.size);
    const char *glob = term->text;
    if (value.size == 0)
        return td_err_set(err, TD_E_INVALID, "expected a value");
    if (field == &FIELDS[RULE])
        return check_rule(glob, err);
    if (field->kind == FIELD_NAME)
        return selection_check(&(selection){.topics = {&glob, 1}}, NULL) == TD_OK
                   ? TD_OK
                   : td_err_set(err, TD_E_INVALID, "'%s' is not a glob", glob);
    if (field != &FIELDS[TIME]) /* a number that is too large is an error, too */
        return td_decimal_parse(value, &term->value, err) == TD_OK ? TD_OK : TD_E_INVALID;
    td_time_spec at = {.kind = TD_TIME_ABSOLUTE};
    td_result rc = td_time_parse(term->text, now_ns, TD_DATE_BEGINS, &at, err);
    if (rc == TD_OK && at.kind != TD_TIME_ABSOLUTE)
        rc = td_err_set(err, TD_E_INVALID, "'%s': expected an absolute time", term->text);
    term->value = (td_decimal){(int64_t)at.ns, 0};
    return rc;
}

/* Return the bytes at *at up to the first that is not in `bytes` (are_wanted 0: that is in it). *at
 * moves past the returned bytes and any spaces. */
static td_bytes cut(const char **at, const char *bytes, int are_wanted)
{
    size_t size = are_wanted ? strspn(*at, bytes) : strcspn(*at, bytes);
    td_bytes found = td_bytes_of(*at, size);
    *at += size;
    *at += strspn(*at, " ");
    return found;
}

/* Parse one term; *at moves to the next. */
static td_result parse_term(condition *c, const char **at, uint64_t now_ns, td_err *err)
{
    static const char OPERATOR_BYTES[] = "=!<>";
    if (c->count == CONDITION_TERMS_MAX)
        return td_err_set(err, TD_E_INVALID, "more than %d terms", CONDITION_TERMS_MAX);
    condition_term *term = &c->terms[c->count++];
    td_result rc = find_field(cut(at, " =!<>", 0), &term->field, err);
    if (rc != TD_OK)
        return rc;
    c->is_gap |= term->field == &FIELDS[GAP];
    if (term->field->kind == FIELD_FLAG)
        return TD_OK;
    rc = parse_operator(cut(at, OPERATOR_BYTES, 1), term->field, &term->op, err);
    if (rc == TD_OK)
        rc = parse_value(term, cut(at, " ", 0), now_ns, err);
    if (rc != TD_OK)
        return td_err_add(err, rc, "%s", term->field->name);
    c->has_entry |= term->field->kind == FIELD_ENTRY;
    return TD_OK;
}

/* 1 if the condition is met only when it begins to hold. Broken rules and entries belong to one
 * frame, but numbers keep their value from frame to frame. */
static int begins_to_hold(const condition *c)
{
    int has_number = 0;
    for (size_t i = 0; i < c->count; i++) {
        const condition_field *field = c->terms[i].field;
        if (field == &FIELDS[RULE] || field->kind == FIELD_FLAG || field->kind == FIELD_ENTRY)
            return 0;
        has_number |= field->kind != FIELD_NAME;
    }
    return has_number;
}

td_result conditions_add(conditions *self, const char *text, uint64_t now_ns, td_err *err)
{
    if (self->count == CONDITIONS_MAX)
        return td_err_set(err, TD_E_INVALID, "more than %d conditions", CONDITIONS_MAX);
    condition *c = &self->items[self->count++];
    const char *at = text + strspn(text, " ");
    td_result rc = TD_OK;
    c->text = text;
    while (rc == TD_OK && (*at != '\0' || c->count == 0))
        rc = parse_term(c, &at, now_ns, err);
    if (rc == TD_OK && c->is_gap && c->count > 1)
        rc = td_err_set(err, TD_E_INVALID, "gap: no other terms; choose by --feed and --symbol");
    if (rc != TD_OK)
        return td_err_add(err, rc, "condition '%s'", text);
    c->begins = begins_to_hold(c) != 0;
    return TD_OK;
}

void conditions_fini(conditions *self)
{
    for (size_t i = 0; i < self->count; i++) {
        for (size_t k = 0; k < self->items[i].count; k++)
            td_free(self->items[i].terms[k].text);
        td_free(self->items[i].held);
    }
    td_free(self->met);
    gap_list_fini(&self->gaps);
}

void conditions_rewind(conditions *self, uint64_t frames)
{
    TD_ASSERT(frames <= self->evaluated);
    self->at = frames;
}

void conditions_add_gaps(conditions *self, const gap_list *ledger, const selection *wanted,
                         selection_window window)
{
    for (size_t i = 0; i < ledger->count; i++)
        if (selection_wants_gap(wanted, window, &ledger->rows[i]))
            gap_list_add(&self->gaps, &ledger->rows[i]);
}

/* ---- evaluation ---- */

static int is_broken_by(const applied_frame *seen, const char *glob)
{
    const symbol_verdict *found = seen->found;
    const int is_name = strpbrk(glob, "*?[") == NULL; /* of one rule, so a note is meant, too */
    if (found == NULL)
        return 0;
    for (uint32_t i = 0; i < found->rules.count; i++)
        if ((found->rules.items[i].strength == STRENGTH_ERROR || is_name) &&
            rule_fits(glob, found->rules.items[i].rule))
            return 1;
    for (uint32_t i = 0; i < found->audit.count; i++)
        if (found->audit.items[i].event == AUDIT_DIFFERS &&
            found->audit.items[i].verdict.strength == STRENGTH_ERROR &&
            rule_fits(glob, found->audit.items[i].verdict.rule))
            return 1;
    return 0;
}

static int name_fits(const condition_term *term, const applied_frame *seen)
{
    const frame_channel *channel = seen->frame->channel;
    if (term->field == &FIELDS[RULE])
        return is_broken_by(seen, term->text);
    if (term->field == &FIELDS[SYMBOL])
        return selection_glob_fits(term->text, channel->topic.symbol);
    return selection_glob_fits(term->text, channel->topic.topic) ||
           selection_glob_fits(term->text, td_bytes_str(channel->info.exchange_topic));
}

/* Get a number of the frame's book. Returns 0 if the book has no such value, or is not to be
 * trusted. */
static int number_of_book(const condition_field *field, const applied_frame *seen, td_decimal *out)
{
    const track *t = seen->found == NULL ? NULL : seen->found->track;
    const book *b = t == NULL || !seen->trust->is_trusted ? NULL : track_book(t);
    book_level bid;
    book_level ask;
    if (b == NULL || !book_level_at(b, SIDE_BUY, 0, &bid) || !book_level_at(b, SIDE_SELL, 0, &ask))
        return 0;
    *out = field == &FIELDS[BID] ? bid.price : ask.price;
    if (field != &FIELDS[SPREAD])
        return 1;
    uint8_t scale = bid.price.scale > ask.price.scale ? bid.price.scale : ask.price.scale;
    int64_t low;
    if (td_decimal_rescale(bid.price, scale, &low) != TD_OK ||
        td_decimal_rescale(ask.price, scale, &out->mantissa) != TD_OK)
        return 0;
    out->scale = scale;
    return !__builtin_sub_overflow(out->mantissa, low, &out->mantissa);
}

/* Get a number of the frame. Returns 0 if it has no such number. */
static int number_of(const condition_field *field, const applied_frame *seen, td_decimal *out)
{
    const message *m = seen->frame->content.message;
    if (field->kind == FIELD_OF_BOOK)
        return number_of_book(field, seen, out);
    *out = (td_decimal){(int64_t)seen->frame->recv_ns, 0};
    if (field == &FIELDS[U]) {
        out->mantissa = m == NULL ? 0 : m->head.u;
        return m != NULL && m->head.has_u;
    }
    return field == &FIELDS[TIME] || (m != NULL && msg_head_number(&m->head, &out->mantissa));
}

static int compares(const condition_term *term, td_decimal value)
{
    int order = td_decimal_compare(value, term->value);
    return ((order < 0 ? BELOW : order > 0 ? ABOVE : EQUAL) & term->op) != 0;
}

/* 1 if all terms on prices and sizes hold for this entry. */
static int entry_fits(const condition *c, const td_decimal *price, const td_decimal *size)
{
    for (size_t i = 0; i < c->count; i++) {
        const condition_term *term = &c->terms[i];
        const td_decimal *value = term->field == &FIELDS[PRICE] ? price : size;
        if (term->field->kind == FIELD_ENTRY && (value == NULL || !compares(term, *value)))
            return 0;
    }
    return 1;
}

static int fits(void *user, const td_decimal *price, const td_decimal *size)
{
    return entry_fits(user, price, size);
}

typedef enum answer { NO, YES, NOT_ABOUT_IT } answer;

/* Check whether the condition holds for the frame. NOT_ABOUT_IT: the frame does not concern the
 * condition. */
static answer holds(condition *c, const applied_frame *seen)
{
    const frame_ref *frame = seen->frame;
    const message *m = frame->content.message;
    answer found = YES;
    if (c->has_entry && (m == NULL || !message_any_entry(m, fits, c)))
        return NOT_ABOUT_IT;
    for (size_t i = 0; i < c->count; i++) {
        const condition_term *term = &c->terms[i];
        td_decimal value;
        if (term->field->kind == FIELD_NAME) {
            if (!name_fits(term, seen))
                return NOT_ABOUT_IT;
        } else if (term->field == &FIELDS[UNDECODED]) {
            if (m != NULL || !frame_role_is_of_topic(frame->channel->role))
                return NOT_ABOUT_IT;
        } else if (term->field->kind >= FIELD_NUMBER) {
            if (!number_of(term->field, seen, &value))
                return NOT_ABOUT_IT;
            if (!compares(term, value))
                found = NO;
        }
    }
    return found;
}

/* Return the index of the gap that began before a frame; gaps.count: none. */
static size_t gap_began(const conditions *self, uint64_t recv_ns)
{
    for (size_t i = 0; i < self->gaps.count && self->last_ns != 0; i++)
        if (self->last_ns <= self->gaps.rows[i].from_ns && self->gaps.rows[i].from_ns < recv_ns)
            return i;
    return self->gaps.count;
}

/* Return the index in `held`: 0 for a condition on time only, which is the same for all channels,
 * else the channel's index. */
static size_t held_index(const condition *c, const applied_frame *seen)
{
    for (size_t i = 0; i < c->count; i++)
        if (c->terms[i].field != &FIELDS[TIME])
            return seen->frame->channel->index;
    return 0;
}

static int is_met(conditions *self, condition *c, const applied_frame *seen)
{
    if (c->is_gap)
        return gap_began(self, seen->frame->recv_ns) < self->gaps.count;
    answer now = holds(c, seen);
    if (!c->begins || now == NOT_ABOUT_IT)
        return now == YES;
    size_t index = held_index(c, seen);
    while (index >= c->held_count) {
        c->held = td_array_grow(c->held, c->held_count, 1);
        c->held[c->held_count++] = 0;
    }
    int is_new = now == YES && !c->held[index];
    c->held[index] = now == YES;
    return is_new;
}

/* Return the condition that the frame met when it was first played, or NULL. */
static const condition_met *met_before(const conditions *self)
{
    size_t low = 0;
    size_t high = self->met_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (self->met[middle].at < self->at)
            low = middle + 1;
        else
            high = middle;
    }
    return low < self->met_count && self->met[low].at == self->at ? &self->met[low] : NULL;
}

typedef struct entry_search {
    const condition *of;
    condition_match *out;
} entry_search;

static int take_entry(void *user, const td_decimal *price, const td_decimal *size)
{
    const entry_search *search = user;
    if (!entry_fits(search->of, price, size))
        return 0;
    search->out->has_price = price != NULL;
    search->out->has_size = size != NULL;
    search->out->price = price == NULL ? (td_decimal){0, 0} : *price;
    search->out->size = size == NULL ? (td_decimal){0, 0} : *size;
    return 1;
}

static const condition_match *match_of(conditions *self, const condition_met *met,
                                       const applied_frame *seen)
{
    const condition *c = &self->items[met->condition];
    const message *m = seen->frame->content.message;
    td_bytes symbol = td_bytes_str(seen->frame->channel->info.symbol);
    size_t entry = m != NULL && message_item_count(m) > 0; /* its number, from 1 */
    self->match =
        (condition_match){.text = c->text, .gap = c->is_gap ? &self->gaps.rows[met->gap] : NULL};
    if (c->has_entry)
        entry = message_any_entry(m, take_entry, &(entry_search){c, &self->match});
    if (symbol.size == 0 || td_bytes_is(symbol, "*"))
        symbol = entry > 0 ? message_entry_symbol(m, entry - 1) : td_bytes_str("");
    if (symbol.size < sizeof self->match.symbol) /* else no book has such a symbol */
        (void)snprintf(self->match.symbol, sizeof self->match.symbol, "%.*s", (int)symbol.size,
                       (const char *)symbol.data);
    return &self->match;
}

const condition_match *conditions_met(conditions *self, const applied_frame *seen)
{
    if (seen->frame->is_lead_in)
        return NULL;
    if (++self->at <= self->evaluated) {
        const condition_met *before = met_before(self);
        return before == NULL ? NULL : match_of(self, before, seen);
    }
    self->evaluated = self->at;
    if (seen->frame->is_copy)
        return NULL;
    condition_met met = {self->at, (uint32_t)self->count,
                         (uint32_t)gap_began(self, seen->frame->recv_ns)};
    for (size_t i = 0; i < self->count; i++)
        if (is_met(self, &self->items[i], seen) && met.condition == self->count)
            met.condition = (uint32_t)i;
    self->last_ns = seen->frame->recv_ns;
    if (met.condition == self->count)
        return NULL;
    if (self->met_count < CONDITIONS_MET_MAX) {
        self->met = td_array_grow(self->met, self->met_count, sizeof *self->met);
        self->met[self->met_count++] = met;
    }
    return match_of(self, &met, seen);
}

void condition_match_format(const condition_match *match, char text[CONDITION_MATCH_BYTES])
{
    char price[TD_DECIMAL_TEXT_BYTES];
    char size[TD_DECIMAL_TEXT_BYTES];
    char from[TD_TIME_TEXT_BYTES];
    (void)td_decimal_format(match->price, price); /* the length is not needed */
    (void)td_decimal_format(match->size, size);
    text[0] = '\0';
    if (match->gap != NULL) {
        td_time_format_ms(match->gap->from_ns, from);
        (void)snprintf(text, CONDITION_MATCH_BYTES, "%s of %s, from %s",
                       time_reason_name(match->gap->reason), match->gap->feed, from);
    } else if (match->has_price || match->has_size) {
        (void)snprintf(text, CONDITION_MATCH_BYTES, "%s%s%s%s%s", match->has_price ? "price " : "",
                       match->has_price ? price : "",
                       match->has_price && match->has_size ? ", " : "",
                       match->has_size ? "size " : "", match->has_size ? size : "");
    }
}
