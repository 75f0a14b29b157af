#include "view/page.h"

#include <string.h>

const page_file *page_file_find(const char *name)
{
    if (name[0] == '\0')
        name = "index.html";
    for (size_t i = 0; i < PAGE_FILE_COUNT; i++)
        if (strcmp(PAGE_FILES[i].name, name) == 0)
            return &PAGE_FILES[i];
    return NULL;
}
