/* Opening a plan's file: it is read into memory, in bounded time and memory whatever the path names. */
#define _FILE_OFFSET_BITS 64
#include "model.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef O_BINARY
#define O_BINARY 0 /* Windows: bytes as they are */
#endif
#ifndef O_NONBLOCK
#define O_NONBLOCK 0
#endif
#ifndef O_CLOEXEC
#define O_CLOEXEC 0
#endif

/* More than plan_check accepts is not read. */
static const uint64_t MOST_BYTES = (uint64_t)1 << 32;

/* A regular file. A FIFO would block, a device might never end: neither is waited for, and errno is 0. */
static FILE *open_regular(const char *path, uint64_t *bytes)
{
    int descriptor = open(path, O_RDONLY | O_BINARY | O_NONBLOCK | O_CLOEXEC);
    struct stat status;
    FILE *stream = NULL;
    if (descriptor < 0)
        return NULL;
    if (fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode))
        stream = fdopen(descriptor, "rb");
    if (stream == NULL) {
        close(descriptor);
        errno = 0;
        return NULL;
    }
    *bytes = (uint64_t)status.st_size;
    return stream;
}

/* Of a file that begins as a plan does: any other is refused before memory is taken for it. */
static bool begins_as_plan(FILE *stream, uint64_t bytes)
{
    char magic[sizeof PLAN_MAGIC - 1];
    return bytes >= sizeof(struct plan_header) && bytes <= MOST_BYTES && bytes < SIZE_MAX - 64 &&
           fread(magic, 1, sizeof magic, stream) == sizeof magic && memcmp(magic, PLAN_MAGIC, sizeof magic) == 0 &&
           fseek(stream, 0, SEEK_SET) == 0;
}

/* The rest of the stream at the next multiple of 64 bytes of new memory. */
static const uint8_t *read_stream(FILE *stream, const char *path, size_t bytes, void **file, edgecnn_error *error)
{
    *file = malloc(bytes + 64);
    if (*file == NULL) {
        fail(error, EDGECNN_MEMORY, "out of memory: %zu bytes", bytes);
        return NULL;
    }
    uint8_t *plan = (uint8_t *)(((uintptr_t)*file + 63) & ~(uintptr_t)63);
    if (fread(plan, 1, bytes, stream) == bytes)
        return plan;
    fail(error, EDGECNN_FILE, "'%.120s' ended early", path);
    free(*file);
    return NULL;
}

/* The bytes of a regular file, 64-byte aligned, in `file`, which is to be freed; or NULL. */
static const uint8_t *read_file(const char *path, size_t *size, void **file, edgecnn_error *error)
{
    if (path == NULL) {
        fail(error, EDGECNN_FILE, "no path: a null pointer");
        return NULL;
    }
    uint64_t bytes;
    FILE *stream = open_regular(path, &bytes);
    if (stream == NULL) {
        const char *reason = errno == 0 ? "it is no regular file" : strerror(errno);
        fail(error, EDGECNN_FILE, "cannot read '%.120s': %s", path, reason);
        return NULL;
    }
    const uint8_t *plan = NULL;
    *size = (size_t)bytes;
    if (begins_as_plan(stream, bytes))
        plan = read_stream(stream, path, *size, file, error);
    else
        fail(error, EDGECNN_PLAN, "'%.100s' is not a plan: it does not begin with " PLAN_MAGIC, path);
    fclose(stream);
    return plan;
}

edgecnn_model *edgecnn_open_file(const char *path, const edgecnn_options *options, edgecnn_error *error)
{
    size_t size;
    void *file;
    const uint8_t *plan = read_file(path, &size, &file, error);
    if (plan == NULL)
        return NULL;
    edgecnn_model *model = edgecnn_open_memory(plan, size, options, error);
    if (model == NULL)
        free(file);
    else
        model->file = file;
    return model;
}
