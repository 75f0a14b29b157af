/* Fuzzes packed chunks: any bytes as a packed chunk (input: a byte 0, the size of the records in 4
 * bytes, the packed bytes), which must be refused or give that size; and any texts as frames (a
 * byte 1, then lines), which must come back. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "pack/pack.h"

enum {
    RECORDS_BYTES_MAX = 1 << 20,
    HEAD_BYTES = 31,
};

static void unpack(codec *coder, td_bytes input)
{
    td_buf out;
    if (input.size < 4)
        return;
    const size_t size = td_le32(input.data) % RECORDS_BYTES_MAX;
    td_buf_init(&out, RECORDS_BYTES_MAX);
    const td_result rc =
        pack_decode(coder, td_bytes_of(input.data + 4, input.size - 4), size, 0, &out, NULL);
    if (rc == TD_OK ? out.size != size : rc != TD_E_CORRUPT)
        abort();
    td_buf_fini(&out);
}

static void pack_again(codec *coder, td_bytes input)
{
    td_buf records;
    td_buf packed;
    td_buf again;
    td_bytes line;
    uint32_t count = 0;
    td_buf_init(&records, LIMIT_CHUNK_BYTES);
    td_buf_init(&packed, LIMIT_CHUNK_BYTES);
    td_buf_init(&again, LIMIT_CHUNK_BYTES);
    while (td_bytes_next(&input, '\n', &line)) {
        uint8_t head[HEAD_BYTES] = {0x05};
        td_put_le64(head + 1, HEAD_BYTES - 9 + line.size);
        td_put_le16(head + 9, line.size > 0 ? line.data[0] : 0);
        td_put_le32(head + 11, ++count);
        td_buf_add(&records, head, sizeof head);
        td_buf_add(&records, line.data, line.size);
    }
    const td_bytes all = td_buf_view(&records);
    for (pack_effort effort = PACK_FAST; effort <= PACK_BEST; effort++) {
        td_buf_clear(&packed);
        if (pack_encode(coder, all, effort, &packed, NULL) != TD_OK ||
            pack_decode(coder, td_buf_view(&packed), all.size, 0, &again, NULL) != TD_OK ||
            !td_bytes_equal(td_buf_view(&again), all))
            abort();
    }
    td_buf_fini(&records);
    td_buf_fini(&packed);
    td_buf_fini(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    codec *coder = codec_open();
    if (size > 0 && data[0] % 2 == 0)
        unpack(coder, td_bytes_of(data + 1, size - 1));
    else if (size > 0)
        pack_again(coder, td_bytes_of(data + 1, size - 1));
    codec_close(coder);
    return 0;
}
