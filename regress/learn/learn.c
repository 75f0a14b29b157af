#include "regress/learn/learn.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/hash.h"
#include "base/limits.h"
#include "regress/learn/learn_documents.h"
#include "schema/list_frame.h"

/* A kept frame. */
typedef struct kept_frame {
    td_bytes bytes; /* with JSON_PADDING_BYTES after it */
    uint64_t conn;  /* a hash of its connection's name */
    channel_dir dir;
} kept_frame;

struct learn {
    td_arena *memory;
    kept_frame *frames;
    size_t frame_count, bytes;
    learn_report report;
    json_parser *parser, *named_parser;
    td_buf named; /* a frame that is a list, as an object */
    path_table all;
    char begins[64];
    td_buf ask;
    learned found;
};

static const list_names LIST = {{"id", "data", "name", "symbol"}, 4, 1};

learn *learn_open(const char *name)
{
    learn *self = td_alloc_zero(1, sizeof *self);
    self->found.name = name;
    self->memory = td_arena_open();
    self->parser = json_parser_open(0);
    self->named_parser = json_parser_open(0);
    td_buf_init(&self->named, LIMIT_FRAME_BYTES);
    td_buf_init(&self->ask, 1024);
    self->all.memory = self->found.others.memory = self->memory;
    return self;
}

void learn_close(learn *self)
{
    if (self == NULL)
        return;
    for (size_t i = 0; i < self->found.topic_count; i++)
        learn_topic_fini(self->found.topics[i]);
    json_parser_close(self->parser);
    json_parser_close(self->named_parser);
    td_buf_fini(&self->named);
    td_buf_fini(&self->ask);
    td_arena_close(self->memory);
    td_free(self->frames);
    td_free(self);
}

void learn_add(learn *self, channel_dir dir, td_bytes conn, td_bytes frame)
{
    if (dir == CHANNEL_HTTP || frame.size == 0)
        return;
    self->report.frames += dir == CHANNEL_IN;
    if (self->frame_count == LEARN_FRAMES_MAX || frame.size > LEARN_BYTES_MAX - self->bytes) {
        self->report.ignored += dir == CHANNEL_IN;
        return;
    }
    uint8_t *bytes = td_arena_alloc(self->memory, frame.size + JSON_PADDING_BYTES);
    memcpy(bytes, frame.data, frame.size);
    memset(bytes + frame.size, 0, JSON_PADDING_BYTES);
    self->frames = td_array_grow(self->frames, self->frame_count, sizeof *self->frames);
    self->frames[self->frame_count++] =
        (kept_frame){td_bytes_of(bytes, frame.size), td_xxh64(conn.data, conn.size), dir};
    self->bytes += frame.size;
}

td_bytes learn_received(const learn *self, size_t *next)
{
    while (*next < self->frame_count && self->frames[*next].dir != CHANNEL_IN)
        ++*next;
    return *next < self->frame_count ? self->frames[(*next)++].bytes : td_bytes_of(NULL, 0);
}

void learn_address(learn *self, td_bytes url)
{
    const uint8_t *query = url.size == 0 ? NULL : memchr(url.data, '?', url.size);
    const size_t size = query == NULL ? url.size : (size_t)(query - url.data);
    if (self->found.address != NULL || url.size < 6 || memcmp(url.data, "ws", 2) != 0)
        return;
    self->found.address = td_arena_text(self->memory, td_bytes_of(url.data, size));
    if (!learn_is_word(self->found.address))
        self->found.address = NULL; /* it cannot be in a document as it is */
}

/* ---- frames ---- */

/* Parse a frame; one that is a list becomes an object. Returns 0 if it is no JSON. */
static int parse(learn *self, const kept_frame *frame, json_value *out)
{
    if (self->found.is_list && frame->bytes.data[0] == '[' &&
        list_frame_name(&LIST, self->named_parser, frame->bytes, &self->named))
        return json_parse(self->parser, td_buf_view(&self->named), JSON_COPIED, out, NULL) == TD_OK;
    return json_parse(self->parser, frame->bytes, JSON_PADDED, out, NULL) == TD_OK &&
           json_type_of(*out) == JSON_OBJECT;
}

typedef void frame_use(learn *self, const kept_frame *frame, json_value root);

static void each_received(learn *self, frame_use *use)
{
    json_value root;
    for (size_t i = 0; i < self->frame_count; i++)
        if (self->frames[i].dir == CHANNEL_IN && parse(self, &self->frames[i], &root))
            use(self, &self->frames[i], root);
}

static void count_all(learn *self, const kept_frame *frame, json_value root)
{
    (void)frame;
    path_table_add(&self->all, root);
}

/* ---- topics ---- */

/* 1 if a word in the frame's object tells that it is no data. */
static int is_answer(json_value root)
{
    json_value element;
    td_bytes word;
    for (json_iter it = json_iter_of(root); json_next(&it, NULL, &element);)
        if (json_text(element, &word) && learn_is_answer(word))
            return 1;
    return 0;
}

/* The topic of a frame; data NULL: it has no topic. */
static td_bytes topic_of(const learn *self, json_value root, topic_parts_of_text *parts)
{
    json_value value, data;
    td_bytes text = {0};
    *parts = (topic_parts_of_text){0};
    if (!json_find_path(root, self->found.place.path, &value) || !json_text(value, &text) ||
        text.size == 0 || !json_find(root, self->found.place.data, &data) ||
        (!self->found.place.is_flat && json_type_of(data) < JSON_ARRAY) || is_answer(root))
        return td_bytes_of(NULL, 0);
    const int has_symbol = topic_place_split(&self->found.place, text, parts);
    return has_symbol || self->found.place.symbol == SYMBOL_NOWHERE ? text : td_bytes_of(NULL, 0);
}

static learn_topic *find_topic(const learn *self, const topic_parts_of_text *parts)
{
    for (size_t i = 0; i < self->found.topic_count; i++)
        if (td_bytes_is(parts->name, self->found.topics[i]->name) &&
            td_bytes_is(parts->rest, self->found.topics[i]->rest))
            return self->found.topics[i];
    return NULL;
}

/* Find or add a topic; NULL: there are too many. */
static learn_topic *get_topic(learn *self, const topic_parts_of_text *parts)
{
    learn_topic *known = find_topic(self, parts);
    if (known != NULL || self->found.topic_count == LEARN_TOPICS_MAX)
        return known;
    learn_topic *made = td_arena_alloc(self->memory, sizeof *made);
    *made = (learn_topic){.name = td_arena_text(self->memory, parts->name),
                          .rest = td_arena_text(self->memory, parts->rest),
                          .paths = {.memory = self->memory}};
    self->found.topics[self->found.topic_count++] = made;
    return made;
}

static void count_topic(learn *self, const kept_frame *frame, json_value root)
{
    topic_parts_of_text parts;
    const td_bytes text = topic_of(self, root, &parts);
    learn_topic *topic = text.data == NULL ? NULL : get_topic(self, &parts);
    if (topic == NULL) {
        path_table_add(&self->found.others, root);
        return;
    }
    if (self->report.of_topics++ == 0) { /* the bytes before the topic's text */
        const uint8_t *at = memmem(frame->bytes.data, frame->bytes.size, text.data, text.size);
        size_t size = at == NULL ? 0 : (size_t)(at - frame->bytes.data);
        size = size < sizeof self->begins ? size : sizeof self->begins - 1;
        memcpy(self->begins, frame->bytes.data, size);
    }
    size_t same = 0;
    while (same < frame->bytes.size && self->begins[same] != '\0' &&
           self->begins[same] == (char)frame->bytes.data[same])
        same++;
    self->begins[same] = '\0';
    topic->frames++;
    path_table_add(&topic->paths, root);
}

static void compare_topic(learn *self, const kept_frame *frame, json_value root)
{
    topic_parts_of_text parts;
    json_value value;
    (void)frame;
    const td_bytes text = topic_of(self, root, &parts);
    learn_topic *topic = text.data == NULL ? NULL : find_topic(self, &parts);
    if (topic != NULL && topic->symbol_path != NULL) {
        char path[LEARN_PATH_BYTES];
        if (json_find_first(root, path_plain(topic->symbol_path, path), &value))
            (void)json_text(value, &parts.symbol);
    }
    if (topic != NULL)
        learn_topic_compare(topic, root, parts.symbol);
}

/* A topic whose symbol is nowhere, or of which no field is known, is no topic of a document. */
static int is_usable(const learn *self, const learn_topic *topic)
{
    const char *key;
    int has_field = 0;
    if ((self->found.place.symbol == SYMBOL_NOWHERE && topic->symbol_path == NULL) ||
        !learn_is_word(topic->name) || (topic->rest[0] != '\0' && !learn_is_word(topic->rest)) ||
        strlen(topic->name) + strlen(topic->rest) + sizeof ".{symbol}." >= LIMIT_NAME_BYTES)
        return 0;
    for (size_t i = 0; i < topic->paths.count; i++) {
        const path_stat *stat = topic->paths.at[i];
        has_field |= learn_topic_entry_key(topic, &self->found.place, stat, &key) &&
                     learn_meaning(stat, key, topic->type, LEARN_ENTRY).member != MEMBER_NONE;
    }
    return has_field;
}

static void drop_unusable(learn *self)
{
    size_t count = 0;
    for (size_t i = 0; i < self->found.topic_count; i++) {
        if (is_usable(self, self->found.topics[i])) {
            self->found.topics[count++] = self->found.topics[i];
            continue;
        }
        self->report.of_topics -= self->found.topics[i]->frames;
        if (self->found.left_out_count < LEARN_TOPICS_MAX)
            self->found.left_out[self->found.left_out_count++] = self->found.topics[i];
    }
    self->found.topic_count = count;
}

/* ---- the number of a connection ---- */

/* The first top-level number that rises by one in all frames of each connection; NULL: none. */
static const char *find_counter(learn *self)
{
    for (size_t i = 0; i < self->all.count; i++) {
        const path_stat *stat = self->all.at[i];
        uint64_t conn = 0, steps = 0, next = 0;
        int64_t last = 0, now;
        json_value root, value;
        td_decimal number;
        if (strpbrk(stat->path, ".[") != NULL || stat->whole != stat->values ||
            stat->numbers != stat->values || stat->frames * 10 < self->all.frames * 9)
            continue;
        for (size_t k = 0; k < self->frame_count; k++) {
            const kept_frame *frame = &self->frames[k];
            if (frame->dir != CHANNEL_IN || !parse(self, frame, &root) ||
                !json_find(root, stat->path, &value) ||
                td_decimal_parse(json_raw(value), &number, NULL) != TD_OK)
                continue;
            now = number.mantissa;
            steps += conn == frame->conn;
            next += conn == frame->conn && now == last + 1;
            last = now;
            conn = frame->conn;
        }
        if (steps > 8 && next * 100 >= steps * 98)
            return stat->path;
    }
    return NULL;
}

/* ---- requests ---- */

/* Note which of a request's parts are topics, and write it as a text of a dialect. */
typedef struct asking {
    learn *self;
    td_buf *out;
    char path[256], lists[256];
    char op_key[64], op_text[64];
    int has_topics;
} asking;

/* 1 if a text is a topic of the capture, or a symbol. */
static int is_known_text(const learn *self, td_bytes text)
{
    const path_stat *topics = path_table_find(&self->all, self->found.place.path);
    for (size_t i = 0; topics != NULL && i < topics->word_count; i++)
        if (td_bytes_is(text, topics->words[i]))
            return 1;
    return 0;
}

static void put(asking *a, td_bytes text)
{
    if (td_buf_append(a->out, text.data, text.size, NULL) != TD_OK)
        a->has_topics = 0;
}

static void put_text(asking *a, const char *text)
{
    put(a, td_bytes_str(text));
}

/* Write what takes the place of a text. Returns 0 if nothing does. */
static int put_value_of(asking *a, const char *key, td_bytes text)
{
    char word[sizeof a->op_text];
    (void)snprintf(word, sizeof word, "%.*s", (int)text.size,
                   text.size == 0 ? "" : (const char *)text.data);
    const int is_op = strcasestr(key, "id") == NULL && text.size < sizeof word &&
                      strcasestr(word, "subscribe") != NULL &&
                      strcasestr(word, "unsubscribe") == NULL;
    const int is_topic = !is_op && is_known_text(a->self, text);
    if (is_op) {
        (void)snprintf(a->op_key, sizeof a->op_key, "%s", key);
        memcpy(a->op_text, word, sizeof word);
        put_text(a, "$op");
    } else if (is_topic && a->self->found.place.symbol == SYMBOL_NOWHERE) {
        put_text(a, "$name");
        a->has_topics = 1;
    } else if (is_topic) {
        put_text(a, "$topic");
        a->has_topics = 1;
        (void)snprintf(a->lists, sizeof a->lists, "%s", a->path);
    }
    return is_op || is_topic;
}

/* The value of the dialect that replaces a list of a request. */
static const char *list_value(asking *a, json_value list)
{
    json_value element;
    td_bytes text, inner;
    for (json_iter it = json_iter_of(list); json_next(&it, NULL, &element);) {
        json_value member;
        if (json_text(element, &text) && is_known_text(a->self, text))
            return "$topics";
        if (json_text(element, &text) && learn_is_symbol(text))
            return "$symbol_list";
        if (json_find(element, path_key(a->self->found.place.path), &member) &&
            json_text(member, &inner) && is_known_text(a->self, inner))
            return "$topics";
    }
    return NULL;
}

static void write_request(asking *a, const char *key, json_value value)
{
    json_value name, element;
    td_bytes text;
    const json_type type = json_type_of(value);
    const char *list = type == JSON_ARRAY ? list_value(a, value) : NULL;
    const size_t size = strlen(a->path);
    if (list != NULL) {
        put_text(a, list);
        a->has_topics |= strcmp(list, "$topics") == 0;
        if (strcmp(list, "$topics") == 0)
            (void)snprintf(a->lists, sizeof a->lists, "%s", a->path);
        return;
    }
    if (type == JSON_NUMBER && strcasestr(key, "id") != NULL) {
        put_text(a, "$id_number");
        return;
    }
    if (type == JSON_STRING && json_text(value, &text) && put_value_of(a, key, text))
        return;
    if (type != JSON_OBJECT) {
        put(a, json_raw(value));
        return;
    }
    const char *before = "{";
    for (json_iter it = json_iter_of(value); json_next(&it, &name, &element); before = ",") {
        char inner[64];
        if (!json_text(name, &text))
            continue;
        (void)snprintf(inner, sizeof inner, "%.*s", (int)text.size, (const char *)text.data);
        (void)snprintf(a->path + size, sizeof a->path - size, "%s%s", size == 0 ? "" : ".", inner);
        put_text(a, before);
        put(a, json_raw(name));
        put_text(a, ":");
        write_request(a, inner, element);
        a->path[size] = '\0';
    }
    put_text(a, "}");
}

/* Find a request for topics among the sent frames. */
static void find_request(learn *self)
{
    json_value root;
    for (size_t i = 0; i < self->frame_count && self->found.ask == NULL; i++) {
        asking a = {.self = self, .out = &self->ask};
        td_buf_clear(&self->ask);
        if (self->frames[i].dir != CHANNEL_OUT || !parse(self, &self->frames[i], &root))
            continue;
        write_request(&a, "", root);
        const td_bytes text = td_buf_view(&self->ask);
        if (!a.has_topics || !learn_is_word(a.op_key) || !learn_is_word(a.op_text) ||
            memchr(text.data, '\'', text.size) != NULL ||
            memchr(text.data, '\n', text.size) != NULL)
            continue;
        self->found.ask = td_arena_text(self->memory, text);
        self->found.op_key = td_arena_text(self->memory, td_bytes_str(a.op_key));
        self->found.op_text = td_arena_text(self->memory, td_bytes_str(a.op_text));
        if (a.lists[0] != '\0')
            self->found.lists = td_arena_text(self->memory, td_bytes_str(a.lists));
    }
}

/* ---- all of it ---- */

/* Data frames are lists if most frames are such. */
static void find_lists(learn *self)
{
    size_t count = 0;
    for (size_t i = 0; i < self->frame_count; i++)
        count += self->frames[i].dir == CHANNEL_IN && self->frames[i].bytes.data[0] == '[' &&
                 list_frame_name(&LIST, self->named_parser, self->frames[i].bytes, &self->named);
    self->found.is_list = count * 2 > self->report.frames;
}

/* A beginning of data frames ends with a quote: of the topic's text, or before it. */
static const char *beginning(learn *self)
{
    char *end = strrchr(self->begins, '"');
    if (end != NULL)
        end[1] = '\0';
    return self->found.is_list                                   ? "["
           : end == NULL || strpbrk(self->begins, "'\n") != NULL ? "{\""
                                                                 : self->begins;
}

/* Why no member of the frames is their topic. */
static td_result explain_no_topic(const learn *self, td_err *err)
{
    size_t lists = 0;
    for (size_t i = 0; i < self->frame_count; i++)
        lists += self->frames[i].dir == CHANNEL_IN && self->frames[i].bytes.data[0] == '[';
    if (self->all.frames > 0)
        return td_err_set(err, TD_E_NOTFOUND, "no member of the frames looks like a topic");
    if (lists == 0)
        return td_err_set(err, TD_E_NOTFOUND, "the capture has no frame that is JSON");
    td_err_set(err, TD_E_NOTFOUND,
               "the frames are lists of another form than [NUMBER, DATA, TOPIC, SYMBOL], which no "
               "document can describe");
    td_err_hint(err, "record them undescribed: docs/families.md, \"Record first\"");
    return TD_E_NOTFOUND;
}

td_result learn_write(learn *self, td_buf *exchange, td_buf *family, learn_report *report,
                      td_err *err)
{
    find_lists(self);
    each_received(self, count_all);
    if (!topic_place_find(&self->all, self->memory, &self->found.place))
        return explain_no_topic(self, err);
    each_received(self, count_topic);
    for (size_t i = 0; i < self->found.topic_count; i++)
        learn_topic_decide(self->found.topics[i], &self->found.place, self->memory);
    drop_unusable(self);
    each_received(self, compare_topic);
    self->found.counter = find_counter(self);
    find_request(self);
    self->report.topics = self->found.topic_count;
    *report = self->report;
    if (self->found.topic_count == 0)
        return td_err_set(err, TD_E_NOTFOUND, "no topic with a known field was found");
    self->found.begins = beginning(self);
    td_result rc = learned_write_exchange(&self->found, exchange, err);
    return rc == TD_OK ? learned_write_family(&self->found, family, err) : rc;
}
