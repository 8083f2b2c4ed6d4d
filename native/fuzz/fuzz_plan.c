/* Fuzz target: a plan of any bytes is refused, or opens and runs within its memory.
 *
 * With a compiler that has libFuzzer (Debian: clang, libclang-rt-14-dev), from this folder:
 *
 *     make fuzz && ./build/fuzz_plan -use_value_profile=1 FOUND corpus
 *
 * FOUND is a folder that new inputs are written to. With any compiler, `make replay` runs the corpus,
 * and each of its plans cut short and with changed fields.
 * Both are built with AddressSanitizer and UndefinedBehaviorSanitizer, and with EDGECNN_GUARD, which
 * makes bytes between the pieces of a model's memory unaddressable. */
#include "../include/edgecnn_native.h"
#include "../src/model.h"

#include <stdlib.h>
#include <string.h>

enum {
    MOST_MEMORY = 1 << 25, /* bytes of a model, and of all arrays */
#ifdef FUZZ_REPLAY
    MOST_WORK = 1 << 25 /* values written times products of each */
#else
    MOST_WORK = 1 << 22
#endif
};

/* Values written by all operations, times the taps and channels that each reads. */
static double work_of(const struct plan *plan)
{
    double work = 0;
    for (uint32_t g = 0; g < plan->header->groups; g++) {
        const struct plan_group *group = &plan->groups[g];
        const struct plan_operation *last = &plan->operations[group->first + group->count - 1];
        double strips = plan->tensors[last->output].height / group->strip_rows + 1.0;
        for (uint32_t i = group->first; i < group->first + group->count; i++) {
            const struct plan_operation *o = &plan->operations[i];
            const struct plan_tensor *in = &plan->tensors[o->input[0]], *out = &plan->tensors[o->output];
            double depth = o->code == OP_CONVOLUTION || o->code == OP_GROUPED ? o->channels : 1;
            double pixels = (double)out->height * out->width + (double)in->height * in->width + strips;
            work += pixels * o->output_channels * depth * o->kernel_h * o->kernel_w;
        }
    }
    return work;
}

struct arrays {
    void *of[64];
    int count;
    size_t bytes;
};

/* One array for each input or output, exactly as large as the library says. */
static int make_arrays(const edgecnn_model *model, int (*describe)(const edgecnn_model *, int, edgecnn_tensor *),
                       struct arrays *arrays)
{
    edgecnn_tensor tensor;
    for (arrays->count = 0; describe(model, arrays->count, &tensor); arrays->count++) {
        size_t bytes = tensor.type == EDGECNN_FLOAT32 ? 4 : 1;
        for (int i = 0; i < tensor.dimensions; i++)
            bytes *= (size_t)tensor.shape[i];
        arrays->bytes += bytes;
        if (arrays->count == 64 || arrays->bytes > MOST_MEMORY || strlen(tensor.name) > MOST_MEMORY)
            return 0;
        arrays->of[arrays->count] = malloc(bytes);
        memset(arrays->of[arrays->count], 0x5a, bytes);
    }
    return 1;
}

static void free_arrays(struct arrays *arrays)
{
    for (int i = 0; i < arrays->count; i++)
        free(arrays->of[i]);
}

static void run_once(edgecnn_model *model)
{
    struct arrays inputs = {.count = 0}, outputs = {.count = 0};
    edgecnn_layer layers[4];
    if (make_arrays(model, edgecnn_input, &inputs) && make_arrays(model, edgecnn_output, &outputs)) {
        if (edgecnn_run(model, 1, (const void *const *)inputs.of, outputs.of, NULL) != EDGECNN_OK)
            abort();
        if (edgecnn_profile(model, (const void *const *)inputs.of, outputs.of, layers, 4, NULL) < 1)
            abort();
    }
    free_arrays(&inputs);
    free_arrays(&outputs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct plan plan;
    edgecnn_error error = {0};
    uint8_t *bytes = aligned_alloc(64, (size + 63) / 64 * 64 + 64);
    /* Its end is the end of the memory: what is read behind it is found. */
    uint8_t *copy = size % 64 ? bytes : bytes + 64;
    memcpy(copy, data, size);
    if (plan_check(copy, size, &plan, &error) && work_of(&plan) <= MOST_WORK) {
        const char *name;
        for (int i = 0; (name = edgecnn_kernels(i)) != NULL; i++) {
            /* Threads by what no run reads: the file's size. */
            edgecnn_options options = {.threads = size / 64 % 3 == 1 ? 3 : 1, .kernels = name};
            size_t needed = edgecnn_memory_size(copy, size, &options, &error);
            if (needed == 0)
                abort();
            if (needed > MOST_MEMORY)
                continue;
            edgecnn_model *model = edgecnn_open_memory(copy, size, &options, &error);
            if (model == NULL)
                abort();
            run_once(model);
            edgecnn_close(model);
        }
    } else if (error.code != EDGECNN_OK && error.text[0] == 0)
        abort();
    free(bytes);
    return 0;
}

/* Pseudo-random: xorshift. */
static uint32_t next(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

/* A field of some record becomes a number at the edge of something, or a little more or less. */
static void change_field(uint8_t *data, size_t size, uint32_t *state)
{
    static const uint32_t EDGES[] = {0, 1, 2, 3, 4, 15, 16, 17, 63, 64, 65, 127, 128, 255, 256, 1023, 1024, 32767, 32768,
                                     65535, 131072, 0x7fffffff, 0x80000000u, 0xffffffffu, 0x7fc00000, 0x7f800000};
    size_t at = 64 + next(state) % (size - 64);
    unsigned bytes = 1u << next(state) % 3;
    at -= at % bytes;
    uint32_t value = 0;
    if (at + bytes > size)
        return;
    memcpy(&value, data + at, bytes);
    switch (next(state) % 4) {
    case 0: value = EDGES[next(state) % (sizeof EDGES / sizeof *EDGES)]; break;
    case 1: value += next(state) % 9 - 4; break;
    case 2: value = next(state) % 2 ? value * 2 : value / 2; break;
    default: memcpy(&value, data + 64 + next(state) % (size - 67), bytes);
    }
    memcpy(data + at, &value, bytes);
}

#ifdef FUZZ_REPLAY

#include <dirent.h>
#include <stdio.h>

enum { MOST_FILE = 1 << 20 };

/* The file, cut short in many places, and with `changes` changed fields, one more each time. */
static void replay(const uint8_t *bytes, size_t size, int changes)
{
    static uint8_t changed[MOST_FILE];
    uint32_t state = 1;
    LLVMFuzzerTestOneInput(bytes, size);
    for (size_t cut = 0; changes && cut < size; cut += cut < 4096 ? 16 : 251)
        LLVMFuzzerTestOneInput(bytes, cut);
    for (int i = 0; i < changes && size > 128; i++) {
        /* Most plans with several changes are refused for the first of them. */
        if (i % 3 == 0)
            memcpy(changed, bytes, size);
        change_field(changed, size, &state);
        LLVMFuzzerTestOneInput(changed, size);
    }
}

static int replay_file(const char *path, int changes)
{
    static uint8_t bytes[MOST_FILE];
    FILE *stream = fopen(path, "rb");
    if (stream == NULL)
        return 0;
    size_t size = fread(bytes, 1, sizeof bytes, stream);
    fclose(stream);
    replay(bytes, size, changes);
    return 1;
}

/* replay_plan CHANGES FOLDER...: each file of the folders. */
int main(int count, char **arguments)
{
    int files = 0;
    for (int i = 2; i < count; i++) {
        DIR *folder = opendir(arguments[i]);
        for (struct dirent *entry; folder && (entry = readdir(folder));) {
            char path[4096];
            snprintf(path, sizeof path, "%s/%s", arguments[i], entry->d_name);
            files += entry->d_name[0] != '.' && replay_file(path, atoi(arguments[1]));
        }
        if (folder)
            closedir(folder);
    }
    printf("%d plans\n", files);
    return files ? 0 : 1;
}

#else

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t most);

/* What random changes would break first: magic, version, byte order, sizes. */
static void mend_header(uint8_t *data, size_t size)
{
    struct plan_header header;
    memcpy(&header, data, sizeof header);
    memcpy(header.magic, PLAN_MAGIC, 8);
    header.version = PLAN_VERSION;
    header.endian = PLAN_ENDIAN;
    header.size = size;
    header.tensors %= 64;
    header.operations %= 64;
    header.groups %= 64;
    header.names %= 4096;
    uint64_t data_at = 64 + header.tensors * 64u + header.operations * 128u;
    data_at += (header.groups * 32u + 63) / 64 * 64;
    data_at += ((uint64_t)header.names + 63) / 64 * 64;
    if (data_at <= size)
        header.data = size - data_at;
    memcpy(data, &header, sizeof header);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed)
{
    uint32_t state = seed * 2654435761u + 1;
    if (size < 128 || next(&state) % 8 == 0)
        size = LLVMFuzzerMutate(data, size, most);
    else
        for (uint32_t i = next(&state) % 3 + 1; i > 0; i--)
            change_field(data, size, &state);
    if (size >= sizeof(struct plan_header) && next(&state) % 16)
        mend_header(data, size);
    return size;
}

#endif
