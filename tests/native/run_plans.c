/* Runs plans as a list says: for processors that Python has no business on, such as an emulated one.
 *
 *     run_plans LIST
 *
 * Each line of LIST is `PLAN KERNELS THREADS BATCH RUNS OUTPUT INPUT...`, paths of files: raw arrays of a
 * batch, the outputs one after another. KERNELS may be `best`. Writes the kernels that ran, line by line.
 * Exit status 1 after the first failure. */
#include "edgecnn_native.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 16, LINE = 8192 };

static int complain(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s\n", what, why);
    return 1;
}

static size_t bytes_of(const edgecnn_tensor *tensor, int batch)
{
    size_t bytes = (size_t)batch * (tensor->type == EDGECNN_FLOAT32 ? 4 : 1);
    for (int i = 0; i < tensor->dimensions; i++)
        bytes *= (size_t)tensor->shape[i];
    return bytes;
}

/* A new array, read from a file where a path is given. */
static void *array_of(const edgecnn_tensor *tensor, int batch, const char *path)
{
    size_t bytes = bytes_of(tensor, batch);
    void *array = malloc(bytes);
    FILE *file = path ? fopen(path, "rb") : NULL;
    if (path && (file == NULL || fread(array, 1, bytes, file) != bytes)) {
        free(array);
        array = NULL;
    }
    if (file)
        fclose(file);
    return array;
}

static int run(edgecnn_model *model, int batch, int runs, const char *output, char **inputs, int input_count)
{
    void *in[MOST] = {NULL}, *out[MOST] = {NULL};
    edgecnn_tensor tensor;
    edgecnn_error error = {EDGECNN_OK, ""};
    for (int i = 0; i < MOST && edgecnn_input(model, i, &tensor); i++)
        if (i >= input_count || (in[i] = array_of(&tensor, batch, inputs[i])) == NULL)
            return complain(output, "an input is missing or too short");
    for (int i = 0; i < MOST && edgecnn_output(model, i, &tensor); i++)
        out[i] = array_of(&tensor, batch, NULL);
    for (int i = 0; i < runs; i++)
        if (edgecnn_run(model, batch, (const void *const *)in, out, &error) != EDGECNN_OK)
            return complain(output, error.text);
    FILE *file = fopen(output, "wb");
    if (file == NULL)
        return complain(output, "cannot be written");
    for (int i = 0; i < MOST && edgecnn_output(model, i, &tensor); i++)
        fwrite(out[i], 1, bytes_of(&tensor, batch), file);
    fclose(file);
    for (int i = 0; i < MOST; i++) {
        free(in[i]);
        free(out[i]);
    }
    return 0;
}

static int run_line(char *line)
{
    char *words[6 + MOST] = {NULL};
    int count = 0;
    for (char *word = strtok(line, " \n"); word && count < 6 + MOST; word = strtok(NULL, " \n"))
        words[count++] = word;
    if (count == 0)
        return 0;
    if (count < 7)
        return complain(words[0], "expected PLAN KERNELS THREADS BATCH RUNS OUTPUT INPUT...");
    edgecnn_error error;
    edgecnn_options options = {.threads = atoi(words[2]),
                               .kernels = strcmp(words[1], "best") == 0 ? NULL : words[1]};
    edgecnn_model *model = edgecnn_open_file(words[0], &options, &error);
    if (model == NULL)
        return complain(words[0], error.text);
    puts(edgecnn_chosen_kernels(model));
    int code = run(model, atoi(words[3]), atoi(words[4]), words[5], words + 6, count - 6);
    edgecnn_close(model);
    return code;
}

int main(int argc, char **argv)
{
    static char line[LINE];
    FILE *list = argc == 2 ? fopen(argv[1], "r") : NULL;
    if (list == NULL)
        return complain("usage", "run_plans LIST");
    while (fgets(line, sizeof line, list))
        if (run_line(line) != 0)
            return 1;
    fclose(list);
    return 0;
}
