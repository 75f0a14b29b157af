#include "wire/assembly.h"

#include <libwebsockets.h>

#include "base/assert.h"

/* A buffer that grew beyond this is given back once its message was delivered. */
enum { BUFFER_KEPT_BYTES = 1 << 20 };

void assembly_init(wire_assembly *assembly, size_t message_bytes_max)
{
    *assembly = (wire_assembly){0};
    td_buf_init(&assembly->pieces, message_bytes_max);
}

void assembly_fini(wire_assembly *assembly)
{
    td_buf_fini(&assembly->pieces);
}

assembly_state assembly_add(wire_assembly *assembly, struct lws *wsi, td_bytes piece,
                            uint64_t now_ns, td_bytes *message)
{
    td_buf *pieces = &assembly->pieces;
    if (!assembly->is_open) {
        TD_ASSERT(pieces->size == 0);
        assembly->is_open = 1;
        assembly->begin_ns = now_ns;
    }
    /* The frame's header says how much is still to come: refuse at once, not at the limit. */
    size_t known = pieces->size + piece.size;
    if (known > pieces->size_max || lws_remaining_packet_payload(wsi) > pieces->size_max - known)
        return ASSEMBLY_TOO_LARGE;
    int is_whole = lws_is_final_fragment(wsi);
    if (is_whole && pieces->size == 0) {
        *message = piece;
        return ASSEMBLY_WHOLE;
    }
    td_result rc = td_buf_append(pieces, piece.data, piece.size, NULL);
    TD_ASSERT(rc == TD_OK);
    if (!is_whole)
        return ASSEMBLY_MORE;
    *message = td_buf_view(pieces);
    return ASSEMBLY_WHOLE;
}

void assembly_done(wire_assembly *assembly)
{
    td_buf *pieces = &assembly->pieces;
    TD_ASSERT(assembly->is_open);
    assembly->is_open = 0;
    td_buf_clear(pieces);
    if (pieces->capacity > BUFFER_KEPT_BYTES) {
        size_t size_max = pieces->size_max;
        td_buf_fini(pieces);
        td_buf_init(pieces, size_max);
    }
}
