#include "schema/topic_check.h"

#include <string.h>

#include "base/limits.h"
#include "schema/decode_plan.h"

/* ---- dates and names ---- */

static const char *dates_fault(const topic_row *row, td_bytes *where)
{
    const char *const dates[] = {row->valid_from, row->valid_until, row->seen};
    for (size_t i = 0; i < sizeof dates / sizeof dates[0]; i++) {
        *where = td_bytes_str(dates[i] == NULL ? "" : dates[i]);
        if (topic_date_ns(dates[i], UINT64_MAX) == 0)
            return "a date is YYYY-MM-DD, not";
    }
    if (topic_date_ns(row->valid_from, 0) >= topic_date_ns(row->valid_until, UINT64_MAX))
        return "a topic has no day until";
    *where = td_bytes_str(row->seen == NULL ? "" : row->seen);
    return row->seen != NULL && !topic_row_is_valid(row, topic_date_ns(row->seen, 0))
               ? "a topic was not as described when seen on"
               : NULL;
}

/* 1 if each part of a topic is a text or a placeholder, or both, and the first one begins with a
 * text. Symbols and coins are whole parts. */
static int has_whole_parts(const char *pattern)
{
    int is_inside = 0;
    for (const char *p = pattern; *p != '\0'; p++) {
        const int is_symbol = strncmp(p, "{symbol}", 8) == 0 || strncmp(p, "{coin}", 6) == 0;
        if (*p == '{' && (is_inside || p == pattern || (is_symbol && p[-1] != '.')))
            return 0;
        if (*p == '}' && (!is_inside || p[-1] == '{' || (p[1] != '.' && p[1] != '\0')))
            return 0;
        if (*p == '.' && is_inside)
            return 0;
        is_inside = *p == '{' || (is_inside && *p != '}');
    }
    return !is_inside;
}

/* What is wrong with the text after a symbol: the topic's name is then that of the row, so a
 * placeholder could not be part of it. */
static const char *end_fault(const topic_row *row)
{
    const char *end = topic_row_end(row);
    const char *first = strchr(row->pattern, '{');
    if (end[0] == '\0')
        return NULL;
    if (strchr(end, '{') != NULL || strchr(row->name, '{') != NULL ||
        (!topic_row_has_coin(row) && strncmp(first, "{symbol}", 8) != 0))
        return "text is after the symbol, so there is no other placeholder, in the topic";
    return row->symbol_path == NULL ? NULL : "text is after a symbol that has a path, in the topic";
}

/* A text begins the part of a placeholder, which frames then have as the topic's name: all else of
 * the topic is its symbol. */
static const char *joined_fault(const topic_row *row)
{
    const char *end = strchr(row->pattern, '}') + 1, *dot = strchr(row->pattern, '.');
    const int is_first =
        dot == end && (strcmp(end, ".{symbol}") == 0 || strcmp(end, ".{coin}") == 0);
    return strchr(row->pattern, '{')[-1] == '.' ||
                   (is_first && row->parameter_path == NULL && row->frame_topic == NULL)
               ? NULL
               : "the symbol has a path, and a text begins the part of a placeholder, which is not "
                 "the first or has more than the symbol after it, in the topic";
}

static const char *pattern_fault(const topic_row *row, td_bytes *where)
{
    const char *pattern = row->pattern;
    const size_t size = strlen(pattern);
    *where = td_bytes_str(pattern);
    if (size == 0 || size >= LIMIT_NAME_BYTES || strlen(row->name) >= LIMIT_NAME_BYTES)
        return "a topic has 1 to 63 bytes, not";
    if (pattern[0] == '.' || strstr(pattern, "..") != NULL || pattern[size - 1] == '.')
        return "an empty part is in the topic";
    if (!has_whole_parts(pattern))
        return "a placeholder ends its part, a symbol is a whole part and not the first, in the "
               "topic";
    const char *fault = end_fault(row);
    if (fault != NULL)
        return fault;
    if (row->parameter_path != NULL && row->symbol_path == NULL)
        return "a parameter has a path, but no symbol has one, in the topic";
    if (row->frame_topic != NULL && row->symbol_path == NULL)
        return "frame_topic: is for topics whose symbol has a path, not for the topic";
    if (row->symbol_path != NULL && (row->is_event || !topic_row_has_symbol(row)))
        return "a symbol has a path, but it is no part of the topic";
    return row->symbol_path == NULL ? NULL : joined_fault(row);
}

/* ---- fields ---- */

static int is_type_of(const field_row *field)
{
    const value_type own = field_value_type(field->type);
    const value_type wanted = msg_member_type(field->member);
    return own == wanted || (wanted == VALUE_ABSENT && (own == VALUE_TEXT || own == VALUE_INTEGER));
}

static const char *field_fault(const field_row *field)
{
    const size_t size = strlen(field->key);
    if (size == 0 || size >= LIMIT_NAME_BYTES)
        return "a key has 1 to 63 bytes, not";
    if (field->member == MEMBER_NONE || field->member >= MEMBER_COUNT)
        return "a meaning is missing:";
    if (!is_type_of(field))
        return "the type does not fit the meaning:";
    if (field->type == FIELD_TIME && field->unit < UNIT_S)
        return "a time has the unit s, ms, us, ns or rfc3339:";
    if (field->scale_e10 > 18 || (field->scale_e10 != 0 && field->type != FIELD_DECIMAL))
        return "only a decimal has a scale:";
    if ((field->flags & FIELD_NEXT_NUMBER) != 0 &&
        (field->type != FIELD_INTEGER || field->member != MEMBER_PREV_SEQ))
        return "only an integer that is prev_seq is below:";
    if (field->type != FIELD_TEXT && (field->flags & FIELD_LISTED) != 0)
        return "only a text is listed:";
    if (field->type == FIELD_JSON && (field->flags & FIELD_INHERITED) != 0)
        return "json is not inherited:";
    return NULL;
}

static const char *fields_fault(const field_row *fields, size_t count, td_bytes *where)
{
    for (size_t i = 0; i < count; i++) {
        const char *fault = field_fault(&fields[i]);
        *where = td_bytes_str(fields[i].key);
        if (fault != NULL)
            return fault;
        for (size_t j = 0; j < i; j++)
            if (strcmp(fields[i].key, fields[j].key) == 0 &&
                ((fields[i].flags ^ fields[j].flags) & FIELD_INHERITED) == 0)
                return "a key is there twice:";
    }
    return NULL;
}

/* The fields of positional entries are found by their index. */
static const char *positions_fault(const topic_row *row, td_bytes *where)
{
    if ((row->items[0].flags & ITEMS_POSITIONAL) == 0)
        return NULL;
    for (size_t i = 0; i < row->field_count; i++) {
        uint64_t place;
        *where = td_bytes_str(row->fields[i].key);
        const int is_long = where->size > 1 && where->data[0] == '0'; /* no place is "01" */
        if (is_long || !td_digits_parse(*where, TOPIC_FIELDS_MAX - 1, &place) ||
            (row->fields[i].flags & FIELD_INHERITED) != 0)
            return "a field of positional entries has a number as its key, not";
    }
    return NULL;
}

/* The fields that are in an object of an entry, "descr.pair". */
static const char *inner_fault(const topic_row *row, td_bytes *where)
{
    for (size_t i = 0; i < row->field_count; i++) {
        const field_row *field = &row->fields[i];
        const char *dot = strchr(field->key, '.');
        *where = td_bytes_str(field->key);
        if (dot == NULL)
            continue;
        if (dot == field->key || dot[1] == '\0' || strchr(dot + 1, '.') != NULL)
            return "a field is in an entry, or in an object of it, KEY.KEY, not";
        if (msg_type_has_book(row->type) || row->type == MSG_TRADE)
            return "levels, orders and trades have no fields in objects:";
        if ((field->flags & FIELD_INHERITED) != 0)
            return "an inherited field is not in an object:";
        if (field->member == row->time_member)
            return "the topic's time is not in an object of an entry:";
        for (size_t k = 0; k < row->field_count; k++)
            if (strlen(row->fields[k].key) == (size_t)(dot - field->key) &&
                strncmp(row->fields[k].key, field->key, (size_t)(dot - field->key)) == 0)
                return "an object has fields, and is one, at";
    }
    return NULL;
}

static int has_member(const topic_row *row, msg_member member)
{
    return topic_field(row->envelope, row->envelope_count, member) != NULL ||
           topic_field(row->fields, row->field_count, member) != NULL;
}

/* 1 if entries have the member, which is in every one: a delete may lack it if `but_deletes` is
 * FIELD_REQUIRED_TO_SET. */
static int has_required(const topic_row *row, msg_member member, unsigned but_deletes)
{
    for (size_t i = 0; i < row->field_count; i++) {
        const field_row *field = &row->fields[i];
        if (field->member == member && (field->flags & (FIELD_REQUIRED | but_deletes)) != 0 &&
            (field->flags & FIELD_INHERITED) == 0)
            return 1;
    }
    return 0;
}

/* ---- entries ---- */

static size_t items_count(const topic_row *row)
{
    size_t count = 0;
    while (count < TOPIC_ITEMS_MAX && row->items[count].path != NULL)
        count++;
    return count;
}

/* 1 if the entries of all places have a side, by their place or by a field. */
static int has_sides(const topic_row *row)
{
    const field_row *side = topic_field(row->fields, row->field_count, MEMBER_SIDE);
    const int is_field =
        side != NULL && side->type != FIELD_ANY_SIDE && has_required(row, MEMBER_SIDE, 0);
    for (size_t i = 0; i < items_count(row); i++) {
        const unsigned sides = row->items[i].flags & (ITEMS_BUY | ITEMS_SELL | ITEMS_BEST);
        if (is_field ? sides != 0 : sides == 0 || sides == (ITEMS_BUY | ITEMS_SELL))
            return 0;
    }
    return 1;
}

/* 1 if a field of the entries has this type; required: in each of them. */
static int has_field(const topic_row *row, msg_member member, field_type type, unsigned required)
{
    const field_row *field = topic_field(row->fields, row->field_count, member);
    return field != NULL && field->type == type && (field->flags & required) == required;
}

/* 1 if entries have what a book of orders keeps. */
static int has_orders(const topic_row *row)
{
    int is_told = 1; /* each place has an action, or its entries name it */
    for (size_t i = 0; i < items_count(row); i++)
        is_told &=
            row->items[i].action != ACTION_NONE || has_field(row, MEMBER_EVENT_TYPE, FIELD_TEXT, 0);
    return is_told && has_field(row, MEMBER_ORDER_ID, FIELD_TEXT, FIELD_REQUIRED) &&
           has_field(row, MEMBER_UPDATED_AT, FIELD_TIME, FIELD_REQUIRED);
}

/* Books and trades are plain structs, whose members are always there. */
static const char *entries_fault(const topic_row *row, td_bytes *where)
{
    const unsigned first = row->items[0].flags;
    *where = td_bytes_str(row->name);
    for (size_t i = 0; i < items_count(row); i++)
        if (((first ^ row->items[i].flags) & (ITEMS_POSITIONAL | ITEMS_BEST)) != 0)
            return "entries are all positional, or all best, or all neither, in";
    for (size_t i = 0; i < items_count(row); i++)
        for (size_t k = 0; k < i; k++)
            if (strcmp(row->items[i].path, row->items[k].path) == 0 &&
                (row->items[i].kind == row->items[k].kind || row->items[i].kind == FRAME_ANY ||
                 row->items[k].kind == FRAME_ANY)) {
                *where = td_bytes_str(row->items[i].path);
                return "entries of one kind are there twice at the path";
            }
    if ((first & ITEMS_BEST) != 0)
        return row->type == MSG_BOOK_CHANGE ? NULL
                                            : "only a book has entries with the best prices:";
    if (!msg_type_has_book(row->type) && row->type != MSG_TRADE)
        return NULL;
    /* An object without entries counts as one, which has only such fields. */
    for (size_t i = 0; i < row->field_count; i++)
        if ((row->fields[i].flags & FIELD_INHERITED) != 0)
            return "levels, orders and trades have no inherited fields, in";
    if (!has_required(row, MEMBER_PRICE, 0) ||
        !has_required(row, MEMBER_SIZE, row->type == MSG_TRADE ? 0 : FIELD_REQUIRED_TO_SET))
        return "price and size are required in each entry of";
    if (row->type == MSG_BOOK_ORDERS && !has_orders(row))
        return "order_id and updated_ns are required in each entry, and event_type in entries of "
               "none, of";
    if (row->type == MSG_TRADE)
        return has_required(row, MEMBER_SIDE, 0) ? NULL : "a side is required in each entry of";
    return has_sides(row) ? NULL : "each entry needs one side, of its own or by its place, in";
}

/* ---- rules ---- */

/* 1 if a rule compares a number from frame to frame. */
static int is_of_frames(rule_id rule)
{
    return rule == RULE_SEQ_STRICT || rule == RULE_SEQ_WEAK || rule == RULE_SEQ_DENSE ||
           rule == RULE_SEQ_STEP || rule == RULE_SEQ_FRAME_EQUAL || rule == RULE_CONN_DENSE;
}

/* The member that a rule compares, if only one is possible; MEMBER_NONE for other rules. */
static msg_member member_of_rule(rule_id rule)
{
    return rule == RULE_PREV_LINKS ? MEMBER_PREV_SEQ
           : rule == RULE_CHECKSUM ? MEMBER_CHECKSUM
                                   : MEMBER_NONE;
}

/* What is wrong with a rule about a member of the head. Replies over HTTP may lack it: they are no
 * part of a chain. */
static const char *head_rule_fault(const topic_row *row, const rule_row *rule)
{
    const int is_reply = topic_row_topic_key(row)[0] == '\0';
    if (rule->member != member_of_rule(rule->rule))
        return rule->rule == RULE_CHECKSUM ? "checksum is compared by the rule"
                                           : "prev_seq is compared by the rule";
    if (rule->rule == RULE_PREV_LINKS &&
        (topic_row_number(row) == MEMBER_NONE || row->sequence == SEQ_ITEM))
        return "the frame needs cross_seq, seq or u, in its envelope, for the rule";
    return is_reply || topic_field(row->envelope, row->envelope_count, rule->member) != NULL
               ? NULL
               : "the envelope lacks what is compared by the rule";
}

/* 1 if the number of a frame that a rule compares is where the track finds it (book/continuity.c):
 * in the envelope, or with `sequence: entry` in the entries of anything but a book. */
static int has_number(const topic_row *row, msg_member member)
{
    const int is_of_entries = row->sequence == SEQ_ITEM;
    const int is_record = row->type != MSG_BOOK_CHANGE && row->type != MSG_TRADE;
    const field_row *field = is_of_entries
                                 ? topic_field(row->fields, row->field_count, member)
                                 : topic_field(row->envelope, row->envelope_count, member);
    if (field == NULL)
        return 0;
    if (!is_of_entries)
        return member != MEMBER_VERSION || field->type == FIELD_TEXT ||
               (is_record && row->sequence == SEQ_ENVELOPE);
    return field->type == FIELD_INTEGER &&
           (is_record ||
            (row->type == MSG_TRADE && (member == MEMBER_CROSS_SEQ || member == MEMBER_SEQ)));
}

/* 1 if the ids of entries that a rule compares are there: texts, which a book's levels have not. */
static int has_ids(const topic_row *row, msg_member member)
{
    return row->type != MSG_BOOK_CHANGE && (row->type != MSG_TRADE || member == MEMBER_TRADE_ID) &&
           member != MEMBER_NONE && topic_field(row->fields, row->field_count, member) != NULL;
}

/* 1 if a row has what the sums of trades are compared with. */
static int has_candles(const topic_row *row)
{
    return row->type == MSG_KLINE &&
           topic_field(row->fields, row->field_count, MEMBER_START) != NULL &&
           topic_field(row->fields, row->field_count, MEMBER_VOLUME) != NULL;
}

/* 1 if a row has what a rule compares, as far as the rule's meaning shows it: what no frame has
 * would count as proven. */
static int can_be_compared(const topic_row *row, const rule_row *rule, msg_member member)
{
    if (rule->rule == RULE_ID_UNIQUE || rule->rule == RULE_ID_ASCENDING ||
        rule->rule == RULE_ID_DENSE)
        return has_ids(row, rule->member);
    if (rule->rule == RULE_TRADES_COMPLETE)
        return has_candles(row);
    return rule->rule == RULE_CONN_DENSE || !is_of_frames(rule->rule) || has_number(row, member);
}

/* 1 if a rule is about a book's content. */
static int is_of_books(rule_id rule)
{
    return rule == RULE_DELETE_EXISTS || rule == RULE_UPDATE_EXISTS ||
           rule == RULE_UPDATE_CHANGES || rule == RULE_INSERT_NEW || rule == RULE_NOT_CROSSED ||
           rule == RULE_DEPTH || rule == RULE_DEPTH_MAX || rule == RULE_BOOK_FITS;
}

/* 1 if the books of a row have prices and sizes as the exchange writes them. */
static int has_written_levels(const topic_row *row)
{
    for (size_t i = 0; i < row->field_count; i++)
        if (row->fields[i].scale_e10 != 0 || row->fields[i].member == MEMBER_RPI_SIZE)
            return 0;
    return msg_type_has_book(row->type) && (row->items[0].flags & ITEMS_BEST) == 0;
}

/* What is wrong with the recipe of a checksum. */
static const char *checksum_fault(const topic_row *row)
{
    const checksum_recipe *recipe = &row->checksum;
    if (topic_rule(row, RULE_CHECKSUM) == NULL)
        return recipe->levels == 0 && recipe->order == CHECKSUM_NONE
                   ? NULL
                   : "the topic has checksum: without the rule";
    if (recipe->levels == 0 || recipe->order == CHECKSUM_NONE)
        return "the topic needs checksum: with levels and order, for the rule";
    if ((recipe->order == CHECKSUM_ORDERS) != (row->type == MSG_BOOK_ORDERS))
        return "order: orders is for book_orders, and only that, for the rule";
    if (row->book_depth != 0 && recipe->levels > row->book_depth)
        return "checksum: has more levels than the book, for the rule";
    return has_written_levels(row) ? NULL
                                   : "prices and sizes as the exchange writes them, a level in an "
                                     "entry, are needed for the rule";
}

/* Rows are ordered by a number or time of the entries, and levels of books have no order. */
static const char *order_fault(const topic_row *row, td_bytes *where)
{
    const field_row *field = topic_field(row->fields, row->field_count, row->newest_first);
    *where = td_bytes_str(msg_member_name(row->newest_first));
    if (row->newest_first == MEMBER_NONE)
        return NULL;
    if (msg_type_has_book(row->type))
        return "newest_first: is not for books:";
    if (field == NULL || (row->type == MSG_TRADE && !msg_struct_has(MSG_TRADE, field->member)))
        return "newest_first: no field of the entries is";
    const value_type type = field_value_type(field->type);
    return type == VALUE_TEXT || type == VALUE_INTEGER || type == VALUE_TIME_NS
               ? NULL
               : "newest_first: needs a text, number or time, not";
}

/* A rule that compares what no field has would never find anything. */
static const char *rules_fault(const topic_row *row, td_bytes *where)
{
    for (size_t i = 0; i < TOPIC_RULES_MAX && row->rules[i].rule != RULE_NONE; i++) {
        const rule_row *rule = &row->rules[i];
        const int is_default = rule->member == MEMBER_NONE;
        const msg_member member = is_default ? MEMBER_CROSS_SEQ : rule->member;
        *where = td_bytes_str(rule_name(rule->rule));
        if (is_of_books(rule->rule) && !msg_type_has_book(row->type))
            return "only a book has what is compared by the rule";
        if ((rule->rule == RULE_DEPTH || rule->rule == RULE_DEPTH_MAX) && row->book_depth == 0)
            return "the topic needs depth: for the rule";
        if (is_of_frames(rule->rule) && member != MEMBER_CROSS_SEQ && member != MEMBER_U &&
            member != MEMBER_SEQ && member != MEMBER_VERSION)
            return "cross_seq, u, seq or version is compared by the rule";
        const int is_of_head = member_of_rule(rule->rule) != MEMBER_NONE;
        const char *fault = is_of_head ? head_rule_fault(row, rule) : NULL;
        if (fault != NULL)
            return fault;
        if ((!is_default || is_of_frames(rule->rule)) && !is_of_head && !has_member(row, member))
            return "no field has what is compared by the rule";
        if (!can_be_compared(row, rule, member))
            return "the envelope, or the entries with sequence: entry, lack what is compared by "
                   "the "
                   "rule";
    }
    *where = td_bytes_str(rule_name(RULE_CHECKSUM));
    const char *fault = checksum_fault(row);
    if (fault != NULL)
        return fault;
    *where = td_bytes_str(row->pattern);
    if (row->truncates && (row->book_depth == 0 || !msg_type_has_book(row->type)))
        return "truncates: is for books with depth, not for the topic";
    if (row->is_grouped && row->type != MSG_BOOK_CHANGE)
        return "grouped: is for books, not for the topic";
    *where = td_bytes_str(row->time_member == MEMBER_NONE ? "" : msg_member_name(row->time_member));
    const int is_reply = topic_row_topic_key(row)[0] == '\0'; /* which may lack a time */
    const int is_time =
        msg_member_type(row->time_member) == VALUE_TIME_NS || topic_row_time_unit_ns(row) != 0;
    if (row->time_member != MEMBER_NONE &&
        (!is_time || (!is_reply && !has_member(row, row->time_member))))
        return "no time of the topic is";
    return order_fault(row, where);
}

/* ---- snapshots over HTTP ---- */

/* 1 if each placeholder of a request is the symbol or the category, and one is the symbol: the
 * reply must be that of the topic's symbol. */
static int has_known_places(const char *request)
{
    static const char SYMBOL[] = "{symbol}", CATEGORY[] = "{category}";
    for (const char *at = strchr(request, '{'); at != NULL; at = strchr(at + 1, '{'))
        if (strncmp(at, SYMBOL, sizeof SYMBOL - 1) != 0 &&
            strncmp(at, CATEGORY, sizeof CATEGORY - 1) != 0)
            return 0;
    return strstr(request, SYMBOL) != NULL;
}

/* The book joins the reply with the deltas by their u. */
static const char *request_fault(const topic_row *row, td_bytes *where)
{
    const topic_row *reply = row->snapshot_reply;
    const int is_reply = topic_row_topic_key(row)[0] == '\0';
    *where = td_bytes_str(row->pattern);
    if (row->snapshot_request == NULL)
        return reply == NULL ? NULL : "snapshot: needs request:, in the topic";
    if (row->type != MSG_BOOK_CHANGE || row->is_event ||
        topic_field(row->envelope, row->envelope_count, MEMBER_U) == NULL)
        return "request: is for books with u in their envelope, not for the topic";
    if (!has_known_places(row->snapshot_request))
        return "request: has {symbol}, and {category} if need be, unlike in the topic";
    if (is_reply)
        return NULL;
    if (reply == NULL)
        return "request: needs snapshot:, in the topic";
    return strcmp(reply->pattern, row->pattern) == 0 && strcmp(reply->name, row->name) == 0
               ? NULL
               : "the snapshot is of the same topic, not of";
}

/* ---- rows ---- */

const char *topic_fault(const topic_row *row, td_bytes *where)
{
    *where = td_bytes_str(row->pattern == NULL ? "" : row->pattern);
    if (row->name == NULL || row->pattern == NULL || row->title == NULL ||
        row->items[0].path == NULL)
        return "a topic needs topic, title and entries:";
    if (row->type >= MSG_TYPE_COUNT || row->type == MSG_RAW || row->type == MSG_CONTROL ||
        row->type == MSG_REQUEST || row->default_kind >= FRAME_ANY)
        return "frames of a topic have no such message or kind:";
    if (row->field_count == 0 || row->field_count > TOPIC_FIELDS_MAX ||
        row->envelope_count > TOPIC_ENVELOPE_MAX)
        return "a topic has 1 to 128 fields:";
    if (row->does != ORDER_UNSTATED && row->type != MSG_ORDER_ENTRY)
        return "does: is for topics of order_entry, not for the topic";
    const char *fault = dates_fault(row, where);
    if (fault == NULL)
        fault = pattern_fault(row, where);
    if (fault == NULL)
        fault = fields_fault(row->fields, row->field_count, where);
    if (fault == NULL)
        fault = fields_fault(row->envelope, row->envelope_count, where);
    if (fault == NULL)
        fault = positions_fault(row, where);
    if (fault == NULL)
        fault = entries_fault(row, where);
    if (fault == NULL)
        fault = inner_fault(row, where);
    if (fault == NULL)
        fault = decode_plan_fault(row, where);
    if (fault == NULL)
        fault = rules_fault(row, where);
    return fault != NULL ? fault : request_fault(row, where);
}

/* 1 if there is a time at which both rows are valid. */
static int rows_overlap(const topic_row *a, const topic_row *b)
{
    return topic_date_ns(a->valid_from, 0) < topic_date_ns(b->valid_until, UINT64_MAX) &&
           topic_date_ns(b->valid_from, 0) < topic_date_ns(a->valid_until, UINT64_MAX);
}

/* 1 if all of the shorter text is where the longer one begins (or ends). */
static int begin_alike(const char *a, size_t a_bytes, const char *b, size_t b_bytes)
{
    return memcmp(a, b, a_bytes < b_bytes ? a_bytes : b_bytes) == 0;
}

static int end_alike(const char *a, const char *b)
{
    const size_t a_bytes = strlen(a), b_bytes = strlen(b);
    return strcmp(a_bytes > b_bytes ? a + a_bytes - b_bytes : a,
                  b_bytes > a_bytes ? b + b_bytes - a_bytes : b) == 0;
}

/* 1 if a text can fit two patterns that both have text after their symbol, which then is one part.
 */
static int parts_alike(const char *a, const char *b)
{
    td_bytes rest[] = {td_bytes_str(a), td_bytes_str(b)};
    td_bytes part[2];
    for (;;) {
        const int has_a = td_bytes_next(&rest[0], '.', &part[0]);
        const int has_b = td_bytes_next(&rest[1], '.', &part[1]);
        if (!has_a || !has_b)
            return has_a == has_b;
        if (memchr(part[0].data, '{', part[0].size) == NULL &&
            memchr(part[1].data, '{', part[1].size) == NULL && !td_bytes_equal(part[0], part[1]))
            return 0;
    }
}

/* What is wrong with two different patterns, of which one has text after its symbol: a text that
 * fits both would be the topic of the first, and a name of both would be written as the topic of
 * one. */
static const char *ends_fault(const topic_row *a, const topic_row *b)
{
    const char *ends[] = {topic_row_end(a), topic_row_end(b)};
    if (ends[0][0] == '\0' && ends[1][0] == '\0')
        return NULL;
    if (strcmp(a->name, b->name) == 0)
        return "another topic has the name of the topic";
    if (ends[0][0] != '\0' && ends[1][0] != '\0')
        return parts_alike(a->pattern, b->pattern)
                   ? "a text can be both another topic and the topic"
                   : NULL;
    const int are_alike =
        begin_alike(a->pattern, strcspn(a->pattern, "{"), b->pattern, strcspn(b->pattern, "{")) &&
        end_alike(ends[0], ends[1]);
    return are_alike && strchr(a->pattern, '{') != NULL && strchr(b->pattern, '{') != NULL
               ? "a text can be both another topic and the topic"
               : NULL;
}

const char *topic_list_fault(const topic_row *rows, size_t count, size_t *at)
{
    for (*at = 0; *at < count; ++*at)
        for (size_t i = 0; i < *at; i++) {
            /* A channel has one type of messages: exports, catalog and tape ask it by its name. */
            if (strcmp(rows[*at].name, rows[i].name) == 0 && rows[*at].type != rows[i].type)
                return "another row with the name has another type of messages than the topic";
            if (strcmp(rows[*at].pattern, rows[i].pattern) != 0) {
                const char *fault = ends_fault(&rows[i], &rows[*at]);
                if (fault != NULL)
                    return fault;
                continue;
            }
            if (strcmp(rows[*at].name, rows[i].name) != 0)
                return "two names are given to the topic";
            if (rows_overlap(&rows[*at], &rows[i]))
                return "two rows are valid at the same time for the topic";
        }
    return NULL;
}
