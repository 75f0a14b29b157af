#include "base/process_memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io_posix.h"

/* Reads the beginning of a file of /proc; "" if it cannot be read. */
static void read_text(const char *path, char *text, size_t size)
{
    size_t read = 0;
    td_file *file = NULL;
    memset(text, 0, size);
    if (td_io_open(io_posix(), path, TD_OPEN_READ, &file, NULL) == TD_OK)
        (void)!td_io_read_at(file, 0, text, size - 1, &read, NULL);
    td_io_close(file);
}

process_memory_sizes process_memory(void)
{
    const uint64_t page_bytes = (uint64_t)sysconf(_SC_PAGESIZE);
    char text[128];
    char *end = text;
    read_text("/proc/self/statm", text, sizeof text);
    const uint64_t pages = strtoull(text, &end, 10);
    return (process_memory_sizes){pages * page_bytes, strtoull(end, NULL, 10) * page_bytes};
}

uint64_t process_peak_bytes(pid_t pid)
{
    static const char MEMBER[] = "\nVmHWM:";
    char path[32];
    char text[4096];
    (void)snprintf(path, sizeof path, "/proc/%ld/status", (long)pid); /* fits */
    read_text(path, text, sizeof text);
    const char *found = strstr(text, MEMBER);
    return found == NULL ? 0 : strtoull(found + sizeof MEMBER - 1, NULL, 10) * 1024;
}
