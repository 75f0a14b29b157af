#include "recorder/record_check.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "archive/archive.h"
#include "archive/journal.h"
#include "base/alloc.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/io_posix.h"
#include "base/listen.h"
#include "base/url.h"
#include "base/cli/units.h"
#include "recorder/feed_setup.h"
#include "recorder/pipeline/free_space.h"
#include "wire/probe.h"

typedef enum check_state { CHECK_GOOD, CHECK_DOUBTFUL, CHECK_FAILED } check_state;

/* One check. */
typedef struct check_row {
    const char *area;
    char *subject; /* a feed, a host and port, or a path; owned, as the texts */
    check_state state;
    char *text;
    char *hint; /* how to fix it; NULL if good */
} check_row;

/* A server that feeds connect to, with the same CA. */
typedef struct check_server {
    td_server_url url;
    const char *ca_file; /* borrowed from the configuration; NULL: the system's CAs */
    uint64_t timeout_ns;
    struct record_check *owner;
    uint8_t is_waiting;
} check_server;

/* A topic of a feed, with all symbols. Texts are borrowed from configuration and subscription. */
typedef struct check_topic {
    const char *feed;
    td_bytes name;
    uint64_t symbols; /* UINT64_MAX: all that the exchange has */
    uint64_t topics, connections;
    uint32_t last_shard; /* that was counted in connections */
} check_topic;

typedef struct check_topics {
    check_topic *rows;
    size_t count;
} check_topics;

struct record_check {
    const char *path;
    recorder_config *config;
    td_io io;
    wire_loop *loop;
    check_row *rows;
    size_t row_count;
    check_server **servers;
    size_t server_count;
    feed_setup *feeds;
    uint8_t is_finished[LIMIT_FEEDS]; /* 1: config_finish_feed succeeded */
    check_topics topics;
    uint64_t connections;
    uint64_t free_bytes;  /* UINT64_MAX: unknown */
    const char *log_feed; /* feed that lines of the log are about */
    uint8_t is_invalid;   /* 1: the configuration is wrong */
};

static const char CONFIGURATION[] = "configuration";

/* ---- rows ---- */

static void add_row(record_check *self, const char *area, const char *subject, check_state state,
                    const char *text, const char *hint)
{
    self->rows = td_array_grow(self->rows, self->row_count, sizeof *self->rows);
    self->rows[self->row_count++] = (check_row){.area = area,
                                                .subject = td_strdup(subject),
                                                .state = state,
                                                .text = td_strdup(text),
                                                .hint = td_strdup(hint)};
}

/* Add a failure. hint: used if the error lacks a hint. */
static void add_failure(record_check *self, const char *area, const char *subject,
                        const td_err *err, const char *hint)
{
    add_row(self, area, subject, CHECK_FAILED, err->text, err->hint[0] == '\0' ? hint : err->hint);
}

static check_state worst(const record_check *self)
{
    check_state state = CHECK_GOOD;
    for (size_t i = 0; i < self->row_count; i++)
        state = self->rows[i].state > state ? self->rows[i].state : state;
    return state;
}

/* ---- configuration and credentials ---- */

static void add_invalid(record_check *self, size_t index, const td_err *err)
{
    const char *name = self->config->feeds[index].name;
    char number[32];
    (void)snprintf(number, sizeof number, "feed %zu", index + 1); /* fits */
    add_failure(self, CONFIGURATION, name == NULL ? number : name, err,
                "'tapedeck record --help' describes every key, with '-' for '_'");
    self->is_invalid = 1;
}

/* The recorder's warnings about a feed. */
static void on_log(void *ctx, td_log_level level, const char *line)
{
    record_check *self = ctx;
    if (level <= TD_LOG_WARNING)
        add_row(self, CONFIGURATION, self->log_feed, CHECK_DOUBTFUL, line,
                "'tapedeck topics' shows what the exchange sends and tapedeck decodes");
}

td_result record_check_listen(const char *listen, td_err *err)
{
    char host[TD_HOST_BYTES];
    uint16_t port;
    int fd = -1;
    if (listen == NULL)
        return TD_OK;
    td_result rc = td_host_port_parse(listen, host, &port, err);
    if (rc == TD_OK)
        rc = td_listen(host, port, &fd, err);
    if (rc != TD_OK)
        return td_err_add(err, rc, "--status-listen %s", listen);
    (void)close(fd);
    return TD_OK;
}

/* Check the settings that no feed has. */
static void check_recorder(record_check *self)
{
    const char *listen = self->config->status_listen;
    td_err err;
    td_err_clear(&err);
    if (config_check_recorder(self->config, &err) != TD_OK) {
        add_failure(self, CONFIGURATION, "recorder", &err,
                    "'tapedeck record --help' describes every key, with '-' for '_'");
        self->is_invalid = 1;
        return;
    }
    if (record_check_listen(listen, &err) != TD_OK)
        add_failure(self, "status", listen, &err,
                    "give an address of this machine, such as 127.0.0.1:9464");
}

static void check_credentials(record_check *self, size_t index)
{
    static const char AREA[] = "credentials";
    const feed_config *feed = &self->config->feeds[index];
    td_err err;
    char text[2 * LIMIT_PATH_BYTES];
    if (feed->api_key_env == NULL)
        return;
    if (feed_setup_read_credentials(self->config, index, &self->feeds[index], &err) != TD_OK) {
        add_failure(self, AREA, feed->name, &err, "set both variables before the recorder starts");
        return;
    }
    (void)snprintf(text, sizeof text, "%s and %s are set", feed->api_key_env,
                   feed->api_secret_env); /* cut if too long */
    add_row(self, AREA, feed->name, CHECK_GOOD, text, NULL);
}

static void check_feed(record_check *self, size_t index)
{
    const td_log log = {.fn = on_log, .ctx = self, .level_max = TD_LOG_WARNING};
    feed_setup *feed = &self->feeds[index];
    td_err err;
    td_err_clear(&err);
    td_result rc = config_finish_feed(self->config, index, &err);
    if (rc != TD_OK) {
        add_invalid(self, index, &err);
        return;
    }
    self->is_finished[index] = 1;
    self->log_feed = self->config->feeds[index].name;
    const feed_setup_env env = {.io = self->io, .loop = self->loop, .log = &log};
    rc = feed_setup_open_subscription(self->config, index, &env, feed, &err);
    if (rc == TD_OK) {
        char text[2 * UNIT_TEXT_BYTES + 8];
        (void)snprintf(
            text, sizeof text, "%s, %s", /* fits */
            format_counted(feed->subscription.topic_count, "subscription").text,
            format_counted(feed->subscription.shard_count * self->config->feeds[index].lines,
                           "connection")
                .text);
        add_row(self, CONFIGURATION, self->log_feed, CHECK_GOOD, text, NULL);
    } else if (rc == TD_E_NETWORK) {
        add_failure(
            self, "instruments", self->log_feed, &err,
            "a pattern of symbols needs the exchange's list: check the feed's http addresses");
    } else {
        add_invalid(self, index, &err);
    }
    check_credentials(self, index);
}

/* ---- servers ---- */

/* Add the server of a URL, unless it is known. */
static void add_server(record_check *self, const td_server_url *url, const feed_config *feed,
                       uint64_t timeout_ns)
{
    for (size_t i = 0; i < self->server_count; i++) {
        check_server *known = self->servers[i];
        if (strcmp(known->url.host, url->host) != 0 || known->url.port != url->port ||
            known->url.is_tls != url->is_tls || !td_text_is_same(known->ca_file, feed->ca_file))
            continue;
        if (timeout_ns > known->timeout_ns)
            known->timeout_ns = timeout_ns;
        return;
    }
    check_server *made = td_alloc_zero(1, sizeof *made);
    *made = (check_server){
        .url = *url, .ca_file = feed->ca_file, .timeout_ns = timeout_ns, .owner = self};
    self->servers = td_array_grow(self->servers, self->server_count, sizeof(check_server *));
    self->servers[self->server_count++] = made;
}

/* Add the servers of a finished feed. Its URLs were parsed before. */
static void add_servers(record_check *self, const feed_config *feed)
{
    td_server_url url;
    char http[LIMIT_URL_BYTES];
    if (td_url_parse(feed->url, &url, NULL) == TD_OK)
        add_server(self, &url, feed, feed->connect_timeout_ns);
    for (size_t i = 0; i < feed->http_count; i++) {
        config_http_url(feed, &feed->http[i], http);
        if (td_url_parse_http(http, &url, NULL) == TD_OK)
            add_server(self, &url, feed, 0);
    }
}

/* How to fix a failure to connect; NULL as NONE. */
static const char *const ADDRESS_HINTS[WIRE_CAUSE_COUNT] = {
    [WIRE_CAUSE_NONE] = "check host, port and scheme of the URL: wss:// is with TLS, ws:// without",
    [WIRE_CAUSE_RESOLVE] = "check the host of the URL, and that this machine can look names up",
    [WIRE_CAUSE_CONNECT] = "check host and port of the URL, that the server runs, and firewalls; "
                           "for a proxy set HTTPS_PROXY",
    [WIRE_CAUSE_TIMEOUT] = "check host and port of the URL, and firewalls; for a proxy set "
                           "HTTPS_PROXY; for a slow server set connect_timeout",
    [WIRE_CAUSE_TLS_UNTRUSTED] = "if the server should be trusted, give the CA that signed its "
                                 "certificate: ca_file (--ca-file)",
    [WIRE_CAUSE_TLS_WRONG_HOST] = "give a URL with a host that the certificate is for",
};

static void on_answer(void *user, wire_cause cause, const char *text)
{
    static const char AREA[] = "address";
    check_server *server = user;
    server->is_waiting = 0;
    const char *hint = ADDRESS_HINTS[cause];
    if (cause != WIRE_CAUSE_NONE)
        add_row(server->owner, AREA, server->url.authority, CHECK_FAILED, text,
                hint == NULL ? ADDRESS_HINTS[WIRE_CAUSE_NONE] : hint);
    else
        add_row(server->owner, AREA, server->url.authority, CHECK_GOOD,
                server->url.is_tls ? "connects; its certificate is trusted" : "connects", NULL);
}

static int is_waiting(const record_check *self)
{
    for (size_t i = 0; i < self->server_count; i++)
        if (self->servers[i]->is_waiting)
            return 1;
    return 0;
}

/* Connect to all servers at a time. Each attempt has a time limit. */
static td_result check_servers(record_check *self, td_err *err)
{
    td_result rc = TD_OK;
    td_err cause;
    for (size_t i = 0; rc == TD_OK && i < self->server_count; i++) {
        check_server *server = self->servers[i];
        const wire_probe_options options = {.server = &server->url,
                                            .ca_file = server->ca_file,
                                            .timeout_ns = server->timeout_ns,
                                            .done = on_answer,
                                            .user = server};
        server->is_waiting = wire_probe_begin(self->loop, &options, &cause) == TD_OK;
        if (!server->is_waiting)
            add_failure(self, "address", server->url.authority, &cause,
                        "check HTTPS_PROXY and ALL_PROXY in the environment");
    }
    while (rc == TD_OK && is_waiting(self))
        rc = wire_loop_run(self->loop, TD_NS_PER_S, err);
    return rc;
}

/* ---- the archive and its disk ---- */

static td_result skip_entry(void *user, const char *name, td_entry_kind kind, td_err *err)
{
    (void)user;
    (void)name;
    (void)kind;
    (void)err;
    return TD_OK;
}

/* The archive's folder, or the innermost folder around it that exists. May find a file. */
static void find_folder(record_check *self, char out[LIMIT_PATH_BYTES])
{
    (void)snprintf(out, LIMIT_PATH_BYTES, "%s", self->path); /* a longer path is refused before */
    while (td_io_check_writable(self->io, out, NULL) == TD_E_NOTFOUND) {
        char *slash = strrchr(out, '/');
        if (slash == NULL)
            (void)snprintf(out, LIMIT_PATH_BYTES, ".");
        else
            slash[slash == out ? 1 : 0] = '\0';
        if (slash == out || slash == NULL)
            return;
    }
}

/* Check that the recorder can write the folder, and what it appends to in the folder. */
static td_result check_writable(record_check *self, const char *folder, td_err *err)
{
    static const char *const PARTS[] = {"lock", "capture", JOURNAL_FILE};
    char path[LIMIT_PATH_BYTES];
    td_result rc = td_io_list(self->io, folder, skip_entry, NULL, err);
    if (rc == TD_OK)
        rc = td_io_check_writable(self->io, folder, err);
    for (size_t i = 0; rc == TD_OK && i < sizeof PARTS / sizeof *PARTS; i++) {
        (void)snprintf(path, sizeof path, "%.*s/%s", (int)(sizeof path - 64), folder, PARTS[i]);
        rc = td_io_check_writable(self->io, path, err);
        if (rc == TD_E_NOTFOUND)
            rc = TD_OK;
    }
    return rc;
}

static void check_space(record_check *self, const char *folder)
{
    static const char AREA[] = "disk";
    static const char HINT[] = "free some space, or give another archive with -a";
    const free_space space = {
        .io = self->io, .path = folder, .min_bytes = self->config->pipeline.min_free_bytes};
    td_space disk = {0};
    td_err err;
    char text[2 * UNIT_TEXT_BYTES + 32];
    td_result rc = td_io_space(self->io, folder, &disk, &err);
    if (rc == TD_OK)
        rc = free_space_check(&space, &err);
    self->free_bytes = disk.total_bytes == 0 ? UINT64_MAX : disk.free_bytes;
    if (rc != TD_OK) {
        add_failure(self, AREA, folder, &err, HINT);
        return;
    }
    if (disk.total_bytes == 0) {
        add_row(self, AREA, folder, CHECK_DOUBTFUL,
                "the file system does not report its free space",
                "observe the free space by other means");
        return;
    }
    (void)snprintf(
        text, sizeof text, "%s are free, %s must stay free", format_size(disk.free_bytes).text,
        format_size(free_space_needed_bytes(space.min_bytes, disk.total_bytes)).text); /* fits */
    add_row(self, AREA, folder, CHECK_GOOD, text, NULL);
}

/* Check the folder and the lock. */
static void check_archive(record_check *self)
{
    static const char AREA[] = "archive";
    const archive_options options = {.io = self->io, .clock = clock_real(), .verb = "record"};
    char folder[LIMIT_PATH_BYTES];
    archive *found = NULL;
    td_err err;
    td_err_clear(&err);
    find_folder(self, folder);
    check_space(self, folder);
    td_result rc = check_writable(self, folder, &err);
    if (rc != TD_OK) {
        td_result add = td_err_add(&err, rc, "cannot record into '%s'", self->path);
        TD_ASSERT(add == rc);
        add_failure(self, AREA, self->path, &err,
                    "let the recorder's user write there, or give another archive with -a");
    }
    int is_new = archive_open(&options, self->path, ARCHIVE_READ, &found, NULL) != TD_OK;
    if (rc == TD_OK && is_new)
        add_row(self, AREA, self->path, CHECK_GOOD, "has no archive yet; record makes it", NULL);
    if (is_new)
        return;
    td_result locked = archive_check_free(found, &err);
    if (locked != TD_OK)
        add_failure(self, AREA, self->path, &err, "give another archive with -a");
    else if (rc == TD_OK)
        add_row(self, AREA, self->path, CHECK_GOOD, "exists, and no other process records there",
                NULL);
    archive_close(found);
}

/* ---- what would be recorded ---- */

/* Split a subscribed topic into its name and its symbol: "" without one, "*" for all. */
static void split_subscribed(const family *of, const char *text, td_bytes *name, td_bytes *symbol)
{
    size_t size = strlen(text);
    const topic_row *row = family_topic_row(of, text, symbol);
    *name = td_bytes_of(text, size);
    if (row == NULL)
        return;
    if (symbol->size == 0 && topic_row_has_symbol(row))
        *symbol = td_bytes_str("*");
    else if (topic_row_end(row)[0] != '\0')
        *name = td_bytes_str(row->name);
    else if (symbol->size > 0 && symbol->data + symbol->size == name->data + size)
        name->size = size - symbol->size - 1;
}

static uint64_t count_symbols(td_bytes symbol)
{
    uint64_t count = symbol.size > 0;
    if (td_bytes_is(symbol, "*"))
        return UINT64_MAX;
    for (size_t i = 0; i < symbol.size; i++)
        count += symbol.data[i] == '|';
    return count;
}

static check_topic *get_topic(check_topics *topics, const char *feed, td_bytes name)
{
    for (size_t i = 0; i < topics->count; i++)
        if (topics->rows[i].feed == feed && td_bytes_equal(topics->rows[i].name, name))
            return &topics->rows[i];
    topics->rows = td_array_grow(topics->rows, topics->count, sizeof *topics->rows);
    check_topic *made = &topics->rows[topics->count++];
    *made = (check_topic){.feed = feed, .name = name, .last_shard = UINT32_MAX};
    return made;
}

/* Add the topics of a feed. */
static void add_topics(record_check *self, size_t index)
{
    const feed_config *feed = &self->config->feeds[index];
    const subscription *wanted = &self->feeds[index].subscription;
    self->connections += wanted->shard_count * feed->lines;
    for (uint32_t shard = 0; shard < wanted->shard_count; shard++) {
        size_t count = 0;
        const char *const *topics = subscription_shard(wanted, shard, &count);
        for (size_t i = 0; i < count; i++) {
            td_bytes name;
            td_bytes symbol;
            split_subscribed(feed->family, topics[i], &name, &symbol);
            check_topic *to = get_topic(&self->topics, feed->name, name);
            uint64_t symbols = count_symbols(symbol);
            to->topics++;
            to->symbols = symbols == UINT64_MAX || to->symbols == UINT64_MAX
                              ? UINT64_MAX
                              : to->symbols + symbols;
            to->connections += to->last_shard != shard ? feed->lines : 0;
            to->last_shard = shard;
        }
    }
}

/* ---- the result ---- */

static void describe_rows(result_writer *r, const record_check *self)
{
    static const struct {
        terminal_style style;
        const char *name, *text;
    } STATES[] = {
        [CHECK_GOOD] = {TERMINAL_GOOD, "good", "good    "},
        [CHECK_DOUBTFUL] = {TERMINAL_WARN, "doubtful", "DOUBTFUL"},
        [CHECK_FAILED] = {TERMINAL_BAD, "failed", "FAILED  "},
    };
    result_list_begin(r, "checks");
    for (size_t i = 0; i < self->row_count; i++) {
        const check_row *row = &self->rows[i];
        result_object_begin(r, NULL);
        result_text(r, "area", row->area);
        result_text(r, "subject", row->subject);
        result_text(r, "state", STATES[row->state].name);
        result_styled(r, "styled", STATES[row->state].style, STATES[row->state].text);
        result_text(r, "text", row->text);
        result_text(r, "hint", row->hint);
        result_object_end(r, "{styled} {area} {subject}: {text}\n[         to fix it: {hint}\n]");
    }
    result_list_end(r);
}

static void describe_topics(result_writer *r, const record_check *self)
{
    static const table_column COLUMNS[] = {
        {"feed", TABLE_LEFT, "{feed}"},
        {"topic", TABLE_LEFT, "{topic}"},
        {"symbols", TABLE_RIGHT, "{which}"},
        {"topics", TABLE_SPARE_RIGHT, "{topics}"},
        {"connections", TABLE_SPARE_RIGHT, "{connections}"},
    };
    result_table_begin(r, "topics", COLUMNS, sizeof COLUMNS / sizeof COLUMNS[0]);
    for (size_t i = 0; i < self->topics.count; i++) {
        const check_topic *topic = &self->topics.rows[i];
        char text[LIMIT_TOPIC_BYTES];
        (void)snprintf(text, sizeof text, "%.*s", (int)topic->name.size,
                       (const char *)topic->name.data); /* fits */
        result_object_begin(r, NULL);
        result_text(r, "feed", topic->feed);
        result_text(r, "topic", text);
        result_count(r, "symbols", topic->symbols);
        result_note(r, "which", "%s",
                    topic->symbols == UINT64_MAX ? "all" : format_count(topic->symbols).text);
        result_count(r, "topics", topic->topics);
        result_count(r, "connections", topic->connections);
        result_object_end(r, NULL);
    }
    result_list_end(r);
}

void record_check_describe(const record_check *self, result_writer *r)
{
    static const struct {
        const char *name, *text;
    } VERDICTS[] = {
        [CHECK_GOOD] = {"good", "recording would start"},
        [CHECK_DOUBTFUL] = {"doubtful", "recording would start, with doubts"},
        [CHECK_FAILED] = {"failed", "recording would fail"},
    };
    result_object_begin(r, NULL);
    result_text(r, "archive", self->path);
    result_text(r, "verdict", VERDICTS[worst(self)].name);
    result_note(r, "conclusion", "%s", VERDICTS[worst(self)].text);
    describe_rows(r, self);
    describe_topics(r, self);
    result_count(r, "connections", self->connections);
    if (self->free_bytes == UINT64_MAX)
        result_null(r, "free_bytes");
    else
        result_size(r, "free_bytes", self->free_bytes);
    result_object_end(r, "{checks}"
                         "[\n{topics}\n{connections connection}\n]"
                         "\n{archive}: {conclusion}\n");
}

exit_code record_check_status(const record_check *self)
{
    if (self->is_invalid)
        return EXIT_CODE_USAGE;
    return worst(self) != CHECK_GOOD ? EXIT_CODE_DIFFERS : EXIT_CODE_DONE;
}

/* ---- */

void record_check_close(record_check *self)
{
    if (self == NULL)
        return;
    for (size_t i = 0; i < self->row_count; i++) {
        td_free(self->rows[i].subject);
        td_free(self->rows[i].text);
        td_free(self->rows[i].hint);
    }
    for (size_t i = 0; i < self->server_count; i++)
        td_free(self->servers[i]);
    feed_setup_close_all(self->feeds);
    if (self->loop != NULL)
        wire_loop_close(self->loop);
    td_free(self->servers);
    td_free(self->rows);
    td_free(self->topics.rows);
    td_free(self);
}

static td_result check_all(record_check *self, td_err *err)
{
    const recorder_config *config = self->config;
    td_result rc = wire_loop_open(clock_real(), NULL, &self->loop, err);
    if (rc != TD_OK)
        return rc;
    check_recorder(self);
    for (size_t i = 0; i < config->feed_count; i++)
        check_feed(self, i);
    for (size_t i = 0; i < config->feed_count; i++)
        if (self->is_finished[i])
            add_servers(self, &config->feeds[i]);
    rc = check_servers(self, err);
    if (rc == TD_OK)
        check_archive(self);
    for (size_t i = 0; rc == TD_OK && i < config->feed_count; i++)
        if (self->feeds[i].subscription.shard_count > 0)
            add_topics(self, i);
    return rc;
}

td_result record_check_run(const char *path, recorder_config *config, record_check **out,
                           td_err *err)
{
    if (config->feed_count == 0) {
        td_result rc = config_finish(config, err);
        TD_ASSERT(rc != TD_OK);
        return rc;
    }
    record_check *self = td_alloc_zero(1, sizeof *self);
    self->path = path;
    self->config = config;
    self->io = io_posix();
    self->feeds = feed_setup_make_all();
    *out = self;
    return check_all(self, err);
}
