#include "book/follower.h"

#include <string.h>

#include "base/assert.h"
#include "base/limits.h"

follower_step follower_turn(follower *f, const follower_conn *from, const topic_row *row)
{
    TD_ASSERT(row != NULL);
    if (f->track == NULL || strcmp(f->row->pattern, row->pattern) != 0) {
        follower_step step = f->track == NULL ? FOLLOWER_BEGINS : FOLLOWER_TURNS;
        track_close(f->track);
        *f = (follower){.track = track_open(row), .row = row, .from = *from};
        return step;
    }
    track_set_row(f->track, row);
    f->row = row;
    if (follower_conn_is(&f->from, from))
        return FOLLOWER_GOES_ON;
    track_reset(f->track);
    f->from = *from;
    return FOLLOWER_RECONNECTS;
}

void follower_take(follower *f, const message *m, verdict *out)
{
    TD_ASSERT_SLOW(f->track != NULL);
    if (TD_LIKELY(m != NULL)) {
        track_apply(f->track, m, out);
        return;
    }
    *out = (verdict){0};
    track_skip(f->track);
}

void follower_close(follower *f)
{
    track_close(f->track);
    *f = (follower){0};
}

/* The connections of a topic share one member, one after another. */
static audit_member *join_audit(const follower *f, follower_member *member, audit *of,
                                uint32_t line, void *user)
{
    if (member->member == NULL && !member->is_refused) {
        member->member = audit_join(of, f->row, line, user);
        member->is_refused = member->member == NULL;
    }
    return member->member;
}

int follower_compare(const follower *f, follower_member *member, audit *of, uint32_t line,
                     void *user, uint64_t recv_ns, uint64_t answered_ns, const message *m,
                     audit_verdict *out)
{
    audit_member *own = join_audit(f, member, of, line, user);
    out->count = 0;
    if (own == NULL)
        return 0;
    if (m == NULL) {
        audit_skip(of, own, recv_ns);
        return 1;
    }
    audit_member_set_row(own, f->row);
    const follower_conn *from = &f->from;
    const audit_frame place = {
        .recv_ns = recv_ns,
        .connection = ((uint64_t)from->session << 32 | from->conn) * LIMIT_FEED_SLOTS + from->shard,
        .shard = from->shard,
        .conn = from->conn,
        .answered_ns = answered_ns};
    audit_take(of, own, &place, m, f->track, out);
    return 1;
}
