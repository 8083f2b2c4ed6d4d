/* Classify a picture with a plan: classify model.int8.plan labels.txt picture.ppm
 *
 * preprocess.h is the network's own: edgecnn bundle extract NAME.edge -o app writes it beside the plan. */
#include "edgecnn_native.h"
#include "preprocess.h"

#include <stdio.h>
#include <string.h>

/* A picture of the format P6: red, green and blue, 8 bits each. NULL where it is none. */
static uint8_t *read_ppm(const char *path, int *width, int *height)
{
    FILE *file = fopen(path, "rb");
    uint8_t *rgb = NULL;
    if (file && fscanf(file, "P6 %d %d 255%*c", width, height) == 2 && *width > 0 && *height > 0 &&
        *width < 20000 && *height < 20000) {
        size_t pixels = (size_t)*width * (size_t)*height;
        rgb = malloc(3 * pixels);
        if (rgb && fread(rgb, 3, pixels, file) != pixels) {
            free(rgb);
            rgb = NULL;
        }
    }
    if (file)
        fclose(file);
    return rgb;
}

static void print_label(const char *path, int line, float score)
{
    char label[256] = "";
    FILE *file = fopen(path, "r");
    for (int i = 0; file && i <= line && fgets(label, sizeof label, file); i++)
        label[strcspn(label, "\r\n")] = 0;
    if (file)
        fclose(file);
    printf("%d %s %.3f\n", line, label, score);
}

int main(int count, char **arguments)
{
    int width, height, input_width, input_height, best = 0;
    if (count != 4) {
        fprintf(stderr, "usage: classify model.int8.plan labels.txt picture.ppm\n");
        return 2;
    }
    uint8_t *rgb = read_ppm(arguments[3], &width, &height);
    if (rgb == NULL) {
        fprintf(stderr, "%s cannot be read as a PPM picture (P6, 8 bits)\n", arguments[3]);
        return 1;
    }
    edgecnn_error error;
    edgecnn_model *model = edgecnn_open_file(arguments[1], NULL, &error);
    if (model == NULL) {
        fprintf(stderr, "%s\n", error.text);
        return 1;
    }
    edgecnn_tensor input, output;
    edgecnn_input(model, 0, &input);
    edgecnn_output(model, 0, &output);
    if (input.type != EDGECNN_FLOAT32 || output.type != EDGECNN_FLOAT32) {
        fprintf(stderr, "this program reads and writes float32: export with --native-io float32\n");
        return 1;
    }
    edgecnn_input_size(width, height, &input_height, &input_width);
    float *image = malloc(sizeof *image * EDGECNN_CHANNELS * (size_t)input_height * (size_t)input_width);
    float *logits = malloc(sizeof *logits * (size_t)output.shape[0]);
    if (!image || !logits || edgecnn_preprocess(rgb, width, height, image) != 0 ||
        edgecnn_run(model, 1, (const void *[]){image}, (void *[]){logits}, &error) != EDGECNN_OK)
        return 1;
    for (int i = 1; i < output.shape[0]; i++)
        best = logits[i] > logits[best] ? i : best;
    print_label(arguments[2], best, logits[best]);
    free(rgb), free(image), free(logits);
    edgecnn_close(model);
    return 0;
}
