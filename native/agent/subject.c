/* A plan and its golden inputs, opened. */
#include "agent.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

static uint8_t *read_file(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    long end = -1;
    if (file && fseek(file, 0, SEEK_END) == 0)
        end = ftell(file);
    if (end < 0 || fseek(file, 0, SEEK_SET) != 0)
        stop("cannot read %s", path);
    uint8_t *bytes = allocate((size_t)end, 1);
    if (fread(bytes, 1, (size_t)end, file) != (size_t)end)
        stop("cannot read %s", path);
    fclose(file);
    *size = (size_t)end;
    return bytes;
}

size_t tensor_bytes(const edgecnn_tensor *tensor)
{
    size_t size = tensor->type == EDGECNN_FLOAT32 ? 4 : 1;
    for (int i = 0; i < tensor->dimensions; i++)
        size *= (size_t)tensor->shape[i];
    return size;
}

/* Ends the process where this processor cannot address so many. */
static size_t batch_bytes(const edgecnn_tensor *tensor, int batch)
{
    size_t bytes = 0;
    if (__builtin_mul_overflow(tensor_bytes(tensor), (size_t)batch, &bytes))
        stop("%d images of %s take more memory than there is", batch, tensor->name);
    return bytes;
}

size_t output_bytes(const subject *opened, int output, int batch)
{
    edgecnn_tensor tensor;
    edgecnn_output(opened->model, output, &tensor);
    return batch_bytes(&tensor, batch);
}

void hold_memory(void)
{
    if (the_limits.memory_bytes == 0)
        return;
    struct rlimit most = {the_limits.memory_bytes, the_limits.memory_bytes};
    setrlimit(RLIMIT_AS, &most);
}

/* The pointers into the file of inputs, and room for the outputs. */
static void place_examples(subject *opened, const subject_words *words)
{
    int inputs = 0, most = 1;
    edgecnn_tensor tensor;
    size_t size, used = 0;
    while (edgecnn_input(opened->model, inputs, &tensor))
        inputs++;
    while (edgecnn_output(opened->model, opened->output_count, &tensor))
        opened->output_count++;
    const uint8_t *bytes = read_file(words->inputs, &size);
    char *batches = strdup(words->batches), *rest = NULL;
    for (char *word = strtok_r(batches, ",", &rest); word; word = strtok_r(NULL, ",", &rest)) {
        int batch = (int)number(word, 1, 1 << 16), example = opened->examples++;
        opened->batch = realloc(opened->batch, sizeof(int) * (size_t)opened->examples);
        opened->inputs = realloc(opened->inputs, sizeof(void *) * (size_t)opened->examples);
        if (!opened->batch || !opened->inputs)
            stop("it takes more memory than --max-memory allows");
        opened->batch[example] = batch;
        opened->inputs[example] = allocate((size_t)inputs, sizeof(void *));
        most = batch > most ? batch : most;
        for (int i = 0; i < inputs; i++) {
            edgecnn_input(opened->model, i, &tensor);
            opened->inputs[example][i] = bytes + used;
            if (__builtin_add_overflow(used, batch_bytes(&tensor, batch), &used) || used > size)
                stop("%s has %zu bytes, fewer than %s images take", words->inputs, size, words->batches);
        }
    }
    free(batches);
    if (used != size || opened->examples == 0)
        stop("%s has %zu bytes, %s images take %zu", words->inputs, size, words->batches, used);
    opened->outputs = allocate((size_t)opened->output_count, sizeof(void *));
    for (int i = 0; i < opened->output_count; i++)
        opened->outputs[i] = allocate(output_bytes(opened, i, most), 1);
}

subject open_subject(const subject_words *words)
{
    edgecnn_error error;
    edgecnn_options options = {.threads = words->threads};
    subject opened = {0};
    hold_memory();
    opened.model = edgecnn_open_file(words->plan, &options, &error);
    if (opened.model == NULL)
        stop("native refuses the model: %s", error.text);
    place_examples(&opened, words);
    return opened;
}

void run_example(subject *opened, int example)
{
    edgecnn_error error;
    int code = edgecnn_run(opened->model, opened->batch[example], opened->inputs[example],
                           opened->outputs, &error);
    if (code != EDGECNN_OK)
        stop("native failed: %s", error.text);
}
