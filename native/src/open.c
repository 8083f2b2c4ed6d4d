/* Opening a plan: choice of kernels, memory for all that runs, weights packed where kernels want it. */
#include "dispatch.h"
#include "model.h"

#include <stdlib.h>
#include <string.h>

/* Bytes behind each piece of the library's own memory, which AddressSanitizer reports the use of. */
#ifdef EDGECNN_GUARD
#include <sanitizer/asan_interface.h>
enum { GUARD_BYTES = 512 };
#define GUARD(from, bytes) __asan_poison_memory_region(from, bytes)
#else
enum { GUARD_BYTES = 0 };
#define GUARD(from, bytes) (void)(from)
#endif

enum {
    SLACK = 256, /* bytes behind a section: vectors read past the last pixel */
    MOST_THREADS = 64
};

/* Hands out 64-byte aligned pieces of one block; with base NULL it only counts, in more bits than the
 * addresses of a small processor. */
struct memory {
    uint8_t *base;
    uint64_t used;
    bool guarded;
};

static void *take(struct memory *memory, uint64_t bytes)
{
    void *piece = memory->base ? memory->base + memory->used : NULL;
    memory->used += (bytes + 63) & ~(uint64_t)63;
    if (memory->guarded)
        GUARD(memory->base + memory->used, GUARD_BYTES);
    memory->used += GUARD_BYTES;
    return piece;
}

static size_t most_rows(const struct plan *plan)
{
    size_t most = 1;
    for (uint32_t i = 0; i < plan->header->operations; i++) {
        const struct plan_operation *o = &plan->operations[i];
        size_t rows = (size_t)(plan->tensors[o->output].height - 1) * o->stride_h +
                      (size_t)(o->kernel_h > 0 ? o->kernel_h - 1 : 0) * o->dilation_h + 1;
        size_t all = plan->tensors[o->input[0]].height;
        rows = rows > all ? rows : all;
        most = rows > most ? rows : most;
    }
    return most;
}

static size_t most_operations(const struct plan *plan)
{
    size_t most = 1;
    for (uint32_t i = 0; i < plan->header->groups; i++)
        most = plan->groups[i].count > most ? plan->groups[i].count : most;
    return most;
}

static void lay_out_workers(edgecnn_model *model, struct memory *memory, int threads)
{
    size_t rows = most_rows(&model->plan), operations = most_operations(&model->plan);
    struct worker *workers = take(memory, (size_t)threads * sizeof *workers);
    for (int i = 0; i < threads; i++) {
        struct worker worker = {
            .scratch = take(memory, model->plan.header->scratch + SLACK),
            .kernel_scratch = take(memory, model->family->scratch_bytes + SLACK),
            .in = take(memory, rows * sizeof(void *)),
            .other = take(memory, rows * sizeof(void *)),
            .out = take(memory, rows * sizeof(void *)),
            .have = take(memory, operations * sizeof(int)),
            .need = take(memory, operations * sizeof(int)),
        };
        if (memory->base)
            workers[i] = worker;
    }
    model->workers = workers;
    model->threads = threads;
}

static size_t padded(size_t channels) { return (channels + 15) / 16 * 16; }

static int detail_of(const edgecnn_model *model, const struct plan_operation *operation)
{
    switch (operation->code) {
    case OP_GROUPED:
        return (int)(operation->output_channels / operation->channel_groups);
    case OP_MULTIPLY: {
        const struct plan_tensor *other = &model->plan.tensors[operation->input[1]];
        const struct plan_tensor *input = &model->plan.tensors[operation->input[0]];
        return other->height == 1 && other->width == 1 && input->height * input->width > 1;
    }
    case OP_RESIZE:
        return (int)model->plan.tensors[operation->output].height;
    default:
        return 0;
    }
}

static struct kernel common_kernel(const edgecnn_model *model, const struct plan_operation *o)
{
    return (struct kernel){
        .channels = (int)o->channels,
        .kernel_h = o->kernel_h,
        .kernel_w = o->kernel_w,
        .stride_h = o->stride_h,
        .stride_w = o->stride_w,
        .dilation_h = o->dilation_h,
        .dilation_w = o->dilation_w,
        .pad_top = o->pad_top,
        .pad_left = o->pad_left,
        .channel_groups = (int)o->channel_groups,
        .flags = o->flags,
        .detail = detail_of(model, o),
        .table = o->table == UINT64_MAX ? NULL : model->plan.data + o->table,
        .zero_point = o->zero_point,
        .low = o->low,
        .high = o->high,
        .zero_point_a = o->zero_point_a,
        .zero_point_b = o->zero_point_b,
        .factor_a = o->factor_a,
        .factor_b = o->factor_b,
        .factor_c = o->factor_c,
        .flip = model->family->flip,
    };
}

/* Weights, bias and multipliers, packed where the family wants that. */
static void prepare_weights(const edgecnn_model *model, struct memory *memory, const struct plan_operation *o,
                            struct prepared *prepared)
{
    const struct family *family = model->family;
    struct kernel *kernel = &prepared->kernel;
    size_t channels = padded(o->output_channels);
    size_t taps = (size_t)o->kernel_h * o->kernel_w;
    kernel->weights = (const int8_t *)(model->plan.data + o->weights);
    kernel->bias = (const int32_t *)(model->plan.data + o->bias);
    kernel->multiplier = (const float *)(model->plan.data + o->multiplier);
    prepared->weight_block = 16 * taps * (o->code == OP_DEPTHWISE ? 1 : (o->channels + 3) / 4 * 4);
    if (family->flip) {
        int32_t *bias = take(memory, channels * sizeof *bias);
        kernel->bias = bias;
        if (memory->base)
            flip_bias(bias, kernel, &model->plan, o);
    }
    /* Depthwise results as float are portable's, which reads the plan's weights. */
    bool packs = o->code == OP_DEPTHWISE && family->depthwise_bytes &&
                 model->plan.tensors[o->output].storage != STORAGE_OUTPUT;
    size_t bytes = packs ? family->depthwise_bytes(o->kernel_h, o->kernel_w, o->stride_h, o->dilation_w) : 0;
    if (bytes) {
        uint8_t *packed = take(memory, channels * bytes);
        if (memory->base)
            family->pack_depthwise(packed, kernel->weights, kernel->bias, kernel->multiplier, (int)channels,
                                   o->kernel_h, o->kernel_w, o->stride_h);
        kernel->weights = (const int8_t *)packed;
        prepared->weight_block = 16 * bytes;
    }
}

static void prepare(edgecnn_model *model, struct memory *memory, uint32_t index)
{
    const struct plan_operation *o = &model->plan.operations[index];
    struct prepared prepared = {.kernel = common_kernel(model, o)};
    if (o->code == OP_CONVOLUTION || o->code == OP_DEPTHWISE || o->code == OP_GROUPED)
        prepare_weights(model, memory, o, &prepared);
    else if (o->code == OP_CHANNELS || o->code == OP_RESIZE)
        prepared.kernel.weights = (const int8_t *)(model->plan.data + o->weights);
    if (memory->base)
        model->prepared[index] = prepared;
}

static void number_arrays(edgecnn_model *model, bool write)
{
    model->input_count = model->output_count = 0;
    for (uint32_t i = 0; i < model->plan.header->tensors; i++) {
        uint8_t storage = model->plan.tensors[i].storage;
        uint32_t slot = 0;
        if (storage == STORAGE_INPUT)
            slot = model->input_count++;
        if (storage == STORAGE_OUTPUT)
            slot = model->output_count++;
        if (write)
            model->slots[i] = slot;
    }
}

/* Places everything in the block, or counts its bytes. */
static void lay_out(edgecnn_model *model, struct memory *memory, int threads)
{
    const struct plan_header *header = model->plan.header;
    number_arrays(model, false);
    model->prepared = take(memory, header->operations * sizeof *model->prepared);
    model->slots = take(memory, header->tensors * sizeof *model->slots);
    model->inputs = take(memory, (model->input_count + 1) * sizeof *model->inputs);
    model->outputs = take(memory, (model->output_count + 1) * sizeof *model->outputs);
    number_arrays(model, memory->base != NULL);
    model->arena = take(memory, header->arena + SLACK);
    lay_out_workers(model, memory, threads);
    for (uint32_t i = 0; i < header->operations; i++)
        prepare(model, memory, i);
}

static const struct family *choose_family(const edgecnn_options *options, edgecnn_error *error)
{
    const char *wanted = options ? options->kernels : NULL;
    for (int i = 0; families[i]; i++)
        if (families[i]->supported() && (wanted == NULL || strcmp(wanted, families[i]->name) == 0))
            return families[i];
    fail(error, EDGECNN_OPTION, "kernels '%s' are not in this library, or not for this processor",
         wanted ? wanted : "");
    return NULL;
}

static bool begin(edgecnn_model *model, const void *plan, size_t size, const edgecnn_options *options,
                  int *threads, edgecnn_error *error)
{
    *threads = options && options->threads ? options->threads : 1;
    if (plan == NULL)
        return fail(error, EDGECNN_PLAN, "no plan: a null pointer");
    if (*threads < 1 || *threads > MOST_THREADS)
        return fail(error, EDGECNN_OPTION, "%d threads, expected 1 to %d", *threads, MOST_THREADS);
    model->family = choose_family(options, error);
    return model->family && plan_check(plan, size, &model->plan, error);
}

/* The bytes in front of the block: the model itself. */
static size_t model_bytes(void) { return (sizeof(edgecnn_model) + 63) & ~(size_t)63; }

/* All bytes that the model needs; 0 where this processor cannot address them. */
static size_t count_bytes(edgecnn_model *model, int threads, edgecnn_error *error)
{
    struct memory counted = {0};
    lay_out(model, &counted, threads);
    if (counted.used < PTRDIFF_MAX - model_bytes() - 64)
        return model_bytes() + (size_t)counted.used;
    fail(error, EDGECNN_MEMORY, "out of memory: %llu bytes", (unsigned long long)counted.used);
    return 0;
}

size_t edgecnn_memory_size(const void *plan, size_t size, const edgecnn_options *options, edgecnn_error *error)
{
    edgecnn_model model = {0};
    int threads;
    return begin(&model, plan, size, options, &threads, error) ? count_bytes(&model, threads, error) : 0;
}

/* Zeroed memory, 64-byte aligned: the caller's, or the library's own. */
static uint8_t *get_block(size_t bytes, const edgecnn_options *options, void **allocated, edgecnn_error *error)
{
    if (options && options->memory) {
        if (options->memory_size < bytes || (uintptr_t)options->memory % 64) {
            fail(error, EDGECNN_MEMORY, "%zu bytes of memory, 64-byte aligned, are needed; %zu were given", bytes,
                 options->memory_size);
            return NULL;
        }
        memset(options->memory, 0, bytes);
        return options->memory;
    }
    *allocated = calloc(1, bytes + 64);
    if (*allocated == NULL) {
        fail(error, EDGECNN_MEMORY, "out of memory: %zu bytes", bytes);
        return NULL;
    }
    return (uint8_t *)(((uintptr_t)*allocated + 63) & ~(uintptr_t)63);
}

edgecnn_model *edgecnn_open_memory(const void *plan, size_t size, const edgecnn_options *options,
                                   edgecnn_error *error)
{
    edgecnn_model opened = {.busy = ATOMIC_FLAG_INIT};
    int threads;
    if (!begin(&opened, plan, size, options, &threads, error))
        return NULL;
    size_t bytes = count_bytes(&opened, threads, error);
    uint8_t *block = bytes ? get_block(bytes, options, &opened.allocated, error) : NULL;
    if (block == NULL)
        return NULL;
    struct memory memory = {.base = block + model_bytes(), .guarded = opened.allocated != NULL};
    lay_out(&opened, &memory, threads);
    if (threads > 1 && (opened.team = team_open(threads)) == NULL) {
        free(opened.allocated);
        fail(error, EDGECNN_MEMORY, "%d threads cannot be started", threads);
        return NULL;
    }
    memcpy(block, &opened, sizeof opened);
    return (edgecnn_model *)block;
}

void edgecnn_close(edgecnn_model *model)
{
    if (model == NULL)
        return;
    void *allocated = model->allocated, *file = model->file;
    if (model->team)
        team_close(model->team);
    free(allocated);
    free(file);
}
