#include "base/process_memory.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/io_posix.h"

process_memory_sizes process_memory(void)
{
    const uint64_t page_bytes = (uint64_t)sysconf(_SC_PAGESIZE);
    char text[128] = "";
    char *end = text;
    size_t size = 0;
    td_file *file = NULL;
    if (td_io_open(io_posix(), "/proc/self/statm", TD_OPEN_READ, &file, NULL) == TD_OK)
        (void)!td_io_read_at(file, 0, text, sizeof text - 1, &size, NULL);
    td_io_close(file);
    const uint64_t pages = strtoull(text, &end, 10);
    return (process_memory_sizes){pages * page_bytes, strtoull(end, NULL, 10) * page_bytes};
}
