#include "book/symbol_state.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/limits.h"
#include "book/state_io.h"

/* Version 1 has no frames of tickers; version 2 nothing that waits for a snapshot. */
enum { STATE_VERSION = TRACK_WINDOW_VERSION, STATE_WITHOUT_TICKERS = 1 };

/* The state of one connection of a topic. */
typedef struct topic_conn {
    track *track; /* NULL before the first frame */
    const topic_row *row;
    ticker_frames *ticker; /* NULL unless the topic is a ticker with deltas */
    size_t bytes;          /* memory of the track and the ticker, when last counted */
    uint64_t waiting_ns;   /* receive time of the first delta that waits for a snapshot */
} topic_conn;

struct symbol_state {
    symbol_topic **topics;
    size_t topic_count;
    symbol_audits audits;
    uint8_t is_joined;
    audit *audit;        /* NULL while no two topics can be compared */
    audit_stats audited; /* of audits that have ended at a saved state */
    uint32_t parts[AUDIT_PARTS];
    uint32_t useful;    /* audit_useful_parts(parts) */
    size_t bytes;       /* memory of everything except the audit */
    size_t audit_bytes; /* memory of the audit after its last frame */
};

/* ---- opening and closing ---- */

symbol_state *symbol_state_open(symbol_audits audits)
{
    symbol_state *made = td_alloc_zero(1, sizeof *made);
    made->audits = audits;
    made->bytes = sizeof *made;
    return made;
}

static void close_topic(symbol_topic *t)
{
    for (size_t k = 0; k < t->conn_count; k++) {
        track_close(t->conns[k].track);
        ticker_frames_close(t->conns[k].ticker);
    }
    td_free(t->conns);
    conn_choice_fini(&t->choice);
    td_free(t->name);
    td_free(t);
}

void symbol_state_close(symbol_state *s)
{
    if (s == NULL)
        return;
    for (size_t i = 0; i < s->topic_count; i++)
        close_topic(s->topics[i]);
    audit_close(s->audit);
    td_free(s->topics);
    td_free(s);
}

void symbol_state_join(symbol_state *s)
{
    s->is_joined = 1;
}

size_t symbol_state_bytes(const symbol_state *s)
{
    return s->bytes + s->audit_bytes;
}

symbol_topic *symbol_state_topic(symbol_state *s, td_bytes name, uint32_t line)
{
    for (size_t i = 0; i < s->topic_count; i++) {
        if (s->topics[i]->line == line && td_bytes_is(name, s->topics[i]->name))
            return s->topics[i];
    }
    symbol_topic *made = td_alloc_zero(1, sizeof *made);
    made->owner = s;
    made->name = td_strndup((const char *)name.data, name.size);
    made->line = line;
    s->topics = td_array_grow(s->topics, s->topic_count, sizeof(symbol_topic *));
    s->topics[s->topic_count++] = made;
    s->bytes += sizeof *made + sizeof(symbol_topic *) + name.size + 1;
    return made;
}

symbol_topic *symbol_state_topic_at(const symbol_state *s, size_t index)
{
    return index < s->topic_count ? s->topics[index] : NULL;
}

/* The bytes that symbol_state_topic and its frames added. */
static size_t topic_bytes(const symbol_topic *t)
{
    const size_t conn_bytes = sizeof *t->conns + sizeof *t->choice.conns;
    size_t bytes = sizeof *t + sizeof(symbol_topic *) + strlen(t->name) + 1;
    for (size_t i = 0; i < t->conn_count; i++)
        bytes += conn_bytes + t->conns[i].bytes;
    return bytes;
}

static void forget_audit(symbol_state *s)
{
    audit_close(s->audit);
    s->audit = NULL;
    s->audit_bytes = 0;
    for (size_t i = 0; i < s->topic_count; i++) {
        s->topics[i]->member = NULL;
        s->topics[i]->is_refused = 0;
    }
}

void symbol_state_keep(symbol_state *s, int (*keep)(void *user, const symbol_topic *topic),
                       void *user)
{
    size_t kept = 0;
    for (size_t i = 0; i < s->topic_count; i++) {
        symbol_topic *t = s->topics[i];
        if (keep(user, t)) {
            s->topics[kept++] = t;
            continue;
        }
        if (t->row != NULL)
            s->parts[t->part]--;
        s->bytes -= topic_bytes(t);
        close_topic(t);
    }
    const int is_all = kept == s->topic_count;
    s->topic_count = kept;
    if (is_all)
        return;
    s->useful = audit_useful_parts(s->parts);
    forget_audit(s);
}

void symbol_state_join_lines(symbol_state *s)
{
    int has_others = 0;
    for (size_t i = 0; i < s->topic_count; i++) {
        has_others |= s->topics[i]->line != 0;
        s->topics[i]->line = 0;
    }
    if (has_others)
        forget_audit(s);
}

void symbol_state_move(symbol_state **to, symbol_state *from)
{
    symbol_state *into = *to;
    for (size_t i = 0; i < from->topic_count; i++)
        conn_choice_forget_objects(&from->topics[i]->choice);
    if (into == NULL) {
        *to = from;
        return;
    }
    TD_ASSERT(into->audits == SYMBOL_WITHOUT_AUDITS);
    TD_ASSERT(from->audits == SYMBOL_WITHOUT_AUDITS);
    for (size_t i = 0; i < from->topic_count; i++) {
        symbol_topic *t = from->topics[i];
        t->owner = into;
        into->parts[t->part] += t->row != NULL;
        into->bytes += topic_bytes(t);
        into->topics = td_array_grow(into->topics, into->topic_count, sizeof(symbol_topic *));
        into->topics[into->topic_count++] = t;
    }
    from->topic_count = 0;
    symbol_state_close(from);
}

/* ---- one frame ---- */

/* Set the row: at the topic's first frame, and when the exchange changed the topic but not its
 * name. */
static void set_row(symbol_topic *t, const topic_row *row)
{
    symbol_state *s = t->owner;
    int is_first = t->row == NULL;
    t->row = row;
    audit_part part = audit_part_of(row);
    if (is_first) {
        t->part = part;
        s->parts[part]++;
        s->useful = audit_useful_parts(s->parts);
    }
    t->is_compared = s->audits == SYMBOL_WITH_AUDITS && part == t->part && part != AUDIT_NONE;
}

static size_t memory_of(const topic_conn *p)
{
    return track_bytes(p->track) + (p->ticker == NULL ? 0 : ticker_frames_memory(p->ticker));
}

static __attribute__((noinline)) void add_conns(symbol_topic *t, uint32_t conn_index)
{
    const size_t each = sizeof *t->conns + sizeof *t->choice.conns;
    t->owner->bytes -= t->conn_count * each;
    t->conns = td_array_reach(t->conns, &t->conn_count, conn_index, sizeof *t->conns);
    t->owner->bytes += t->conn_count * each;
}

static inline topic_conn *conn_at(symbol_topic *t, uint32_t conn_index)
{
    if (TD_UNLIKELY(conn_index >= t->conn_count))
        add_conns(t, conn_index);
    return &t->conns[conn_index];
}

static void begin_conn(topic_conn *p, const topic_row *row)
{
    track_close(p->track);
    ticker_frames_close(p->ticker);
    p->track = track_open(row);
    p->ticker = ticker_frames_fit(row) ? ticker_frames_open(row) : NULL;
    p->row = row;
}

/* Begin another track, or continue with the present one, because the frame's connection or row
 * differs from the previous frame's. */
static symbol_step turn(const symbol_state *s, topic_conn *p, const topic_row *row, int is_same)
{
    if (p->track == NULL || p->row->type != row->type ||
        strcmp(p->row->pattern, row->pattern) != 0) {
        symbol_step step = p->track == NULL ? SYMBOL_BEGINS : SYMBOL_NEW_TOPIC;
        begin_conn(p, row);
        if (s->is_joined && step == SYMBOL_BEGINS) {
            track_join(p->track);
            if (p->ticker != NULL)
                p->ticker->is_whole = 0;
        }
        return step;
    }
    track_set_row(p->track, row);
    p->row = row;
    if (is_same)
        return SYMBOL_CONTINUES;
    track_reset(p->track);
    if (p->ticker != NULL)
        ticker_frames_reset(p->ticker);
    return SYMBOL_RECONNECTS;
}

/* Compare the frame with the symbol's other topics. A topic joins the audit at its first frame. */
static void compare(symbol_topic *t, track *of, const frame_ref *frame, symbol_verdict *out)
{
    symbol_state *s = t->owner;
    const choice_conn *conn = &t->choice.conns[frame->conn_index];
    if (s->audit == NULL)
        s->audit = audit_open();
    if (t->member == NULL && !t->is_refused) {
        t->member = audit_join(s->audit, frame->row, t->line, t);
        t->is_refused = t->member == NULL;
    }
    out->is_unaudited = t->is_refused;
    if (t->is_refused)
        return;
    if (frame->content.message == NULL) {
        audit_skip(s->audit, t->member, frame->recv_ns);
        return;
    }
    /* The odd factor makes connections of one session differ. */
    uint64_t slot = (uint64_t)conn->number * LIMIT_FEED_SLOTS + conn->shard;
    const audit_frame from = {.recv_ns = frame->recv_ns,
                              .connection = conn->session + slot * UINT64_C(0x9e3779b97f4a7c15),
                              .shard = conn->shard,
                              .conn = frame->conn->number,
                              .granted_ns = frame->granted_ns,
                              .trades = frame->trades,
                              .is_lead_in = frame->is_lead_in};
    audit_member_set_row(t->member, frame->row);
    audit_apply(s->audit, t->member, &from, frame->content.message, of, &out->audit);
    s->audit_bytes = audit_bytes(s->audit);
}

/* Continue with the tracks of a saved state. */
static void take_saved(symbol_topic *t, symbol_topic *saved)
{
    symbol_state *s = t->owner;
    s->bytes -= topic_bytes(t);
    for (size_t i = 0; i < t->conn_count; i++) {
        track_close(t->conns[i].track);
        ticker_frames_close(t->conns[i].ticker);
    }
    td_free(t->conns);
    t->conns = saved->conns;
    t->conn_count = saved->conn_count;
    saved->conns = NULL;
    saved->conn_count = 0;
    conn_choice_copy(&t->choice, &saved->choice);
    s->bytes += topic_bytes(t);
    if (t->member == NULL)
        return;
    audit_add_stats(s->audit, &s->audited);
    forget_audit(s); /* no topic of the symbol has the frames before this one */
}

void symbol_topic_apply(symbol_topic *t, const frame_ref *frame, symbol_verdict *out)
{
    TD_ASSERT_SLOW(frame->row != NULL);
    if (TD_UNLIKELY(frame->saved != NULL))
        take_saved(t, frame->saved);
    int is_same = conn_choice_note(&t->choice, frame);
    topic_conn *p = conn_at(t, frame->conn_index);
    if (TD_UNLIKELY(frame->row != t->row)) {
        t->first_ns = t->row == NULL ? frame->recv_ns : t->first_ns;
        set_row(t, frame->row);
    }
    out->step = TD_LIKELY(is_same && p->row == frame->row) ? SYMBOL_CONTINUES
                                                           : turn(t->owner, p, frame->row, is_same);
    out->track = p->track;
    out->is_unaudited = 0;
    out->audit = (audit_verdict){0};
    out->since_ns = frame->recv_ns;
    int was_broken = p->ticker != NULL && track_is_broken(p->track);
    if (TD_LIKELY(frame->content.message != NULL)) {
        int has_waiting = track_waiting_count(p->track) > 0;
        track_apply(p->track, frame->content.message, &out->rules);
        if (TD_UNLIKELY(out->rules.is_spliced) && has_waiting && !track_is_linked(p->track))
            out->since_ns = p->waiting_ns;
        if (TD_UNLIKELY(out->rules.is_snapshot))
            t->choice.conns[frame->conn_index].snapshot_ns =
                out->rules.is_spliced && has_waiting ? p->waiting_ns : frame->recv_ns;
        if (TD_UNLIKELY(track_waiting_count(p->track) == 1))
            p->waiting_ns = frame->recv_ns;
    } else {
        out->rules = (verdict){0};
        track_skip(p->track);
    }
    if (TD_UNLIKELY(p->ticker != NULL)) {
        /* If the frame broke the track, frames before it may be missing. */
        if (!was_broken && track_is_broken(p->track))
            p->ticker->since_ns = frame->recv_ns;
        if (frame->content.message != NULL)
            ticker_frames_add(p->ticker, frame, out->rules.is_snapshot);
    }
    size_t bytes = memory_of(p);
    t->owner->bytes += bytes - p->bytes; /* modulo 2^64: the size may have shrunk */
    p->bytes = bytes;
    if (!frame->is_copy && t->is_compared && (t->owner->useful >> t->part & 1))
        compare(t, p->track, frame, out);
}

void symbol_topic_skip(symbol_topic *t, uint64_t recv_ns)
{
    for (size_t i = 0; i < t->conn_count; i++) {
        if (t->conns[i].track != NULL)
            track_skip(t->conns[i].track);
        if (t->conns[i].ticker != NULL)
            t->conns[i].ticker->since_ns = recv_ns;
    }
    if (t->member != NULL)
        audit_skip(t->owner->audit, t->member, recv_ns);
}

/* ---- queries ---- */

track *symbol_topic_track_at(const symbol_topic *t, size_t conn_index)
{
    return conn_index < t->conn_count ? t->conns[conn_index].track : NULL;
}

track *symbol_topic_track(const symbol_topic *t)
{
    return symbol_topic_track_at(t, t->choice.followed);
}

const ticker_frames *symbol_topic_ticker(const symbol_topic *t)
{
    const uint32_t at = t->choice.followed;
    const ticker_frames *ticker = at < t->conn_count ? t->conns[at].ticker : NULL;
    return ticker != NULL && ticker->is_whole ? ticker : NULL;
}

int symbol_state_has_tickers(const symbol_state *s)
{
    for (size_t i = 0; i < s->topic_count; i++) {
        const symbol_topic *t = s->topics[i];
        if (t->row != NULL && ticker_frames_fit(t->row) && symbol_topic_ticker(t) == NULL)
            return 0;
    }
    return 1;
}

void symbol_state_finish(symbol_state *s, uint64_t end_ns, audit_verdict *out)
{
    *out = (audit_verdict){0};
    if (s->audit != NULL)
        audit_finish(s->audit, end_ns, out);
}

void symbol_state_add_stats(const symbol_state *s, audit_stats *sum)
{
    audit_stats_add(sum, &s->audited);
    if (s->audit != NULL)
        audit_add_stats(s->audit, sum);
}

/* ---- save, load ---- */

static void conn_serialize(topic_conn *p, state_io *io)
{
    uint8_t has_track = p->track != NULL;
    state_flag(io, &has_track);
    if (!has_track || io->is_failed)
        return;
    state_row(io, &p->row);
    if (io->is_failed)
        return;
    if (state_is_loading(io))
        begin_conn(p, p->row);
    track_serialize(p->track, io);
    if (p->ticker != NULL && io->version == STATE_WITHOUT_TICKERS)
        p->ticker->is_whole = 0;
    else if (p->ticker != NULL)
        ticker_frames_serialize(p->ticker, io);
    if (io->version >= TRACK_SPLICED_VERSION && p->row->snapshot_request != NULL)
        state_u64(io, &p->waiting_ns);
    p->bytes = memory_of(p);
}

static void topic_serialize(symbol_topic *t, state_io *io)
{
    uint8_t has_row = t->row != NULL;
    uint8_t part = (uint8_t)t->part;
    state_flag(io, &has_row);
    if (!has_row)
        return;
    state_row(io, &t->row);
    state_u8(io, &part);
    state_check(io, part < AUDIT_PARTS);
    if (io->is_failed)
        return;
    if (state_is_loading(io)) {
        const topic_row *row = t->row;
        t->part = (audit_part)part;
        t->owner->parts[part]++;
        t->owner->useful = audit_useful_parts(t->owner->parts);
        set_row(t, row);
    }
    state_flag(io, &t->is_refused);
    conn_choice_serialize(&t->choice, io);
    for (uint32_t i = 0; i < t->choice.count; i++) {
        topic_conn *p = conn_at(t, i);
        conn_serialize(p, io);
        if (state_is_loading(io))
            t->owner->bytes += p->bytes;
    }
}

/* Save or load the audit's members, each with its topic; then their histories. */
static void audit_state_serialize(symbol_state *s, state_io *io)
{
    enum { MEMBER_BYTES = 16 };
    uint32_t has = s->audit == NULL ? 0 : audit_member_count(s->audit);
    uint32_t count = state_count(io, has, LIMIT_AUDIT_MEMBERS, MEMBER_BYTES);
    if (count > 0 && s->audit == NULL)
        s->audit = audit_open();
    for (uint32_t i = 0; i < count; i++) {
        const topic_row *row = state_is_loading(io) ? NULL : audit_member_at(s->audit, i)->row;
        uint32_t index = 0;
        while (!state_is_loading(io) && s->topics[index]->member != audit_member_at(s->audit, i))
            index++;
        state_u32(io, &index);
        state_row(io, &row);
        symbol_topic *t = index < s->topic_count ? s->topics[index] : NULL;
        state_check(io, t != NULL && t->member == NULL && !t->is_refused && row != NULL &&
                            t->part != AUDIT_NONE && audit_part_of(row) == t->part);
        if (io->is_failed)
            return;
        TD_ASSERT(t != NULL);
        if (state_is_loading(io))
            t->member = audit_join(s->audit, row, t->line, t);
    }
    if (count > 0)
        audit_serialize(s->audit, io);
}

static void serialize(symbol_state *s, state_io *io)
{
    enum { TOPICS_MAX = 4096, TOPIC_BYTES = 9 };
    io->version = STATE_VERSION;
    state_u8(io, &io->version);
    state_check(io, io->version >= STATE_WITHOUT_TICKERS && io->version <= STATE_VERSION);
    state_flag(io, &s->is_joined);
    uint32_t count = state_count(io, s->topic_count, TOPICS_MAX, TOPIC_BYTES);
    for (uint32_t i = 0; i < count && !io->is_failed; i++) {
        char name[STATE_NAME_BYTES] = "";
        uint32_t line = 0;
        if (!state_is_loading(io)) {
            state_set_name(name, s->topics[i]->name);
            line = s->topics[i]->line;
        }
        state_name(io, name);
        state_u32(io, &line);
        symbol_topic *t =
            state_is_loading(io) ? symbol_state_topic(s, td_bytes_str(name), line) : s->topics[i];
        state_check(io, s->topic_count > i); /* each topic occurs once */
        topic_serialize(t, io);
    }
    if (!io->is_failed)
        audit_state_serialize(s, io);
}

td_result symbol_state_save(symbol_state *s, td_buf *out, td_err *err)
{
    state_io io = {.out = out};
    td_buf_clear(out);
    serialize(s, &io);
    if (!io.is_failed)
        return TD_OK;
    return td_err_set(err, TD_E_LIMIT, "the state of a symbol needs more than %zu bytes",
                      LIMIT_STATE_BYTES);
}

td_result symbol_state_load(td_bytes bytes, symbol_audits audits, symbol_state **out, td_err *err)
{
    state_io io = {.in = bytes};
    symbol_state *made = symbol_state_open(audits);
    serialize(made, &io);
    if (io.is_failed || io.in.size > 0) {
        symbol_state_close(made);
        return bytes.size > 0 && (bytes.data[0] == 0 || bytes.data[0] > STATE_VERSION)
                   ? td_err_set(err, TD_E_UNSUPPORTED, "a state of version %u, not %u",
                                bytes.data[0], (unsigned)STATE_VERSION)
                   : td_err_set(err, TD_E_CORRUPT, "a state of %zu bytes is malformed", bytes.size);
    }
    if (made->audit != NULL)
        made->audit_bytes = audit_bytes(made->audit);
    *out = made;
    return TD_OK;
}
