/* The rest of the C API: files, inputs and outputs, running, profiling. */
#include "model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The build gives the version that all distributions of edgecnn share. */
#ifndef EDGECNN_VERSION
#define EDGECNN_VERSION "0.0.0"
#endif

const char *edgecnn_version(void) { return EDGECNN_VERSION; }

int edgecnn_plan_version(void) { return PLAN_VERSION; }

const char *edgecnn_kernels(int index)
{
    for (int i = 0; families[i] && index >= 0; i++)
        if (families[i]->supported() && index-- == 0)
            return families[i]->name;
    return NULL;
}

const char *edgecnn_chosen_kernels(const edgecnn_model *model) { return model->family->name; }

/* The file's bytes, 64-byte aligned, in `file`, which is to be freed. */
static uint8_t *read_file(const char *path, size_t *size, void **file, edgecnn_error *error)
{
    FILE *stream = fopen(path, "rb");
    long bytes = -1;
    if (stream == NULL || fseek(stream, 0, SEEK_END) != 0 || (bytes = ftell(stream)) < 0 ||
        fseek(stream, 0, SEEK_SET) != 0) {
        fail(error, EDGECNN_FILE, "cannot read '%.120s'", path);
        if (stream)
            fclose(stream);
        return NULL;
    }
    *size = (size_t)bytes;
    *file = malloc(*size + 64);
    uint8_t *plan = *file ? (uint8_t *)(((uintptr_t)*file + 63) & ~(uintptr_t)63) : NULL;
    size_t read = plan ? fread(plan, 1, *size, stream) : 0;
    fclose(stream);
    if (plan == NULL)
        fail(error, EDGECNN_MEMORY, "out of memory: %zu bytes", *size);
    else if (read != *size)
        fail(error, EDGECNN_FILE, "'%.120s' ended early", path);
    if (plan && read == *size)
        return plan;
    free(*file);
    return NULL;
}

edgecnn_model *edgecnn_open_file(const char *path, const edgecnn_options *options, edgecnn_error *error)
{
    size_t size;
    void *file;
    uint8_t *plan = path ? read_file(path, &size, &file, error) : NULL;
    if (plan == NULL) {
        if (path == NULL)
            fail(error, EDGECNN_FILE, "no path: a null pointer");
        return NULL;
    }
    edgecnn_model *model = edgecnn_open_memory(plan, size, options, error);
    if (model == NULL)
        free(file);
    else
        model->file = file;
    return model;
}

static const struct plan_tensor *find_tensor(const edgecnn_model *model, int storage, int index)
{
    for (uint32_t i = 0; i < model->plan.header->tensors && index >= 0; i++)
        if (model->plan.tensors[i].storage == storage && index-- == 0)
            return &model->plan.tensors[i];
    return NULL;
}

static int describe(const edgecnn_model *model, int storage, int index, edgecnn_tensor *described)
{
    const struct plan_tensor *tensor = find_tensor(model, storage, index);
    if (tensor == NULL)
        return 0;
    *described = (edgecnn_tensor){
        .name = model->plan.names + tensor->name,
        .type = tensor->type == TYPE_FLOAT32 ? EDGECNN_FLOAT32 : EDGECNN_UINT8,
        .dimensions = tensor->vector ? 1 : 3,
        .shape = {(int32_t)tensor->channels, (int32_t)tensor->height, (int32_t)tensor->width},
        .scale = tensor->scale,
        .zero_point = tensor->zero_point,
    };
    return 1;
}

int edgecnn_input(const edgecnn_model *model, int index, edgecnn_tensor *tensor)
{
    return describe(model, STORAGE_INPUT, index, tensor);
}

int edgecnn_output(const edgecnn_model *model, int index, edgecnn_tensor *tensor)
{
    return describe(model, STORAGE_OUTPUT, index, tensor);
}

static size_t image_bytes(const struct plan_tensor *tensor)
{
    size_t values = (size_t)tensor->channels * tensor->height * tensor->width;
    return values * (tensor->type == TYPE_FLOAT32 ? 4 : 1);
}

/* The addresses of the image-th image in the caller's arrays. */
static void point_at_image(edgecnn_model *model, int image, const void *const *inputs, void *const *outputs)
{
    for (uint32_t i = 0; i < model->plan.header->tensors; i++) {
        const struct plan_tensor *tensor = &model->plan.tensors[i];
        uint32_t slot = model->slots[i];
        size_t skipped = (size_t)image * image_bytes(tensor);
        if (tensor->storage == STORAGE_INPUT)
            model->inputs[slot] = (const uint8_t *)inputs[slot] + skipped;
        if (tensor->storage == STORAGE_OUTPUT)
            model->outputs[slot] = (uint8_t *)outputs[slot] + skipped;
    }
}

static bool arrays_are_there(const edgecnn_model *model, const void *const *inputs, void *const *outputs)
{
    bool there = inputs && outputs;
    for (uint32_t i = 0; there && i < model->input_count; i++)
        there = inputs[i] != NULL;
    for (uint32_t i = 0; there && i < model->output_count; i++)
        there = outputs[i] != NULL;
    return there;
}

/* Runs the images; `seconds`, where it is not NULL, gets the time of each operation. */
static int run_batch(edgecnn_model *model, int batch, const void *const *inputs, void *const *outputs,
                     double *seconds, edgecnn_error *error)
{
    if (model == NULL || batch < 1 || !arrays_are_there(model, inputs, outputs)) {
        fail(error, EDGECNN_INPUT, "a null pointer, or a batch of %d, expected at least 1", batch);
        return EDGECNN_INPUT;
    }
    if (atomic_flag_test_and_set_explicit(&model->busy, memory_order_acquire)) {
        fail(error, EDGECNN_BUSY, "another thread runs this model; open one model a thread");
        return EDGECNN_BUSY;
    }
    model->seconds = seconds;
    for (int image = 0; image < batch; image++) {
        point_at_image(model, image, inputs, outputs);
        run_groups(model);
    }
    atomic_flag_clear_explicit(&model->busy, memory_order_release);
    return EDGECNN_OK;
}

int edgecnn_run(edgecnn_model *model, int batch, const void *const *inputs, void *const *outputs,
                edgecnn_error *error)
{
    return run_batch(model, batch, inputs, outputs, NULL, error);
}

static const char *const KINDS[KERNELS_END] = {
    [OP_QUANTISE] = "quantise", [OP_DEQUANTISE] = "dequantise", [OP_CONVOLUTION] = "convolution",
    [OP_DEPTHWISE] = "depthwise", [OP_GROUPED] = "grouped", [OP_ADD] = "add", [OP_MULTIPLY] = "multiply",
    [OP_TABLE] = "table", [OP_MAX_POOL] = "max pool", [OP_AVERAGE_POOL] = "average pool",
    [OP_GLOBAL_POOL] = "global pool", [OP_COPY] = "copy", [OP_CHANNELS] = "channels", [OP_RESIZE] = "resize",
    [OP_PAD] = "pad",
};

static double multiplications(const struct plan *plan, const struct plan_operation *o)
{
    if (o->code != OP_CONVOLUTION && o->code != OP_DEPTHWISE && o->code != OP_GROUPED)
        return 0;
    const struct plan_tensor *out = &plan->tensors[o->output];
    double depth = o->code == OP_DEPTHWISE ? 1 : (double)o->channels / o->channel_groups;
    return (double)out->height * out->width * o->output_channels * depth * o->kernel_h * o->kernel_w;
}

int edgecnn_profile(edgecnn_model *model, const void *const *inputs, void *const *outputs, edgecnn_layer *layers,
                    int room, edgecnn_error *error)
{
    if (model == NULL || layers == NULL || room < 0) {
        fail(error, EDGECNN_INPUT, "a null pointer");
        return -1;
    }
    int count = (int)model->plan.header->operations;
    double *seconds = calloc((size_t)count, sizeof *seconds);
    if (seconds == NULL) {
        fail(error, EDGECNN_MEMORY, "out of memory: times of %d layers", count);
        return -1;
    }
    if (run_batch(model, 1, inputs, outputs, seconds, error) != EDGECNN_OK) {
        free(seconds);
        return -1;
    }
    for (int i = 0; i < count && i < room; i++) {
        const struct plan_operation *o = &model->plan.operations[i];
        layers[i] = (edgecnn_layer){
            .name = model->plan.names + model->plan.tensors[o->output].name,
            .kind = KINDS[o->code],
            .seconds = seconds[i],
            .multiplications = multiplications(&model->plan, o),
        };
    }
    free(seconds);
    return count;
}
