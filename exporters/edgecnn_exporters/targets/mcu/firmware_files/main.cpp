// Example of a firmware with TensorFlow Lite Micro: it runs the network on the first golden example
// of the bundle and compares every output integer with the expected one. Written by edgecnn.

#include <cmath>
#include <cstdint>
#include <cstring>

#include "golden.h"
#include "model.h"
#include "network.h"
#include "tensorflow/lite/micro/micro_interpreter.h"
#include "tensorflow/lite/micro/micro_log.h"
#include "tensorflow/lite/micro/system_setup.h"
#include "tensorflow/lite/schema/schema_generated.h"

namespace {

static_assert(network::kLabelCount <= network::kOutputs[0].bytes, "a label without an output");

alignas(16) std::uint8_t arena[network::kArenaBytes];

// Share of the class in a softmax over the real outputs; the output itself where it is a score.
float Score(const std::int8_t* output, int index) {
  const network::Tensor& tensor = network::kOutputs[0];
  if (!network::kSoftmax) {
    return tensor.scale * static_cast<float>(output[index] - tensor.zero_point);
  }
  float sum = 0.0f;
  for (int other = 0; other < network::kLabelCount; ++other) {
    sum += std::exp(tensor.scale * static_cast<float>(output[other] - output[index]));
  }
  return 1.0f / sum;
}

void PrintBest(const std::int8_t* output) {
  int best = 0;
  for (int index = 1; index < network::kLabelCount; ++index) {
    if (output[index] > output[best]) best = index;
  }
  const int per_mille = static_cast<int>(1000.0f * Score(output, best) + 0.5f);
  MicroPrintf("%s: %d.%d %%", network::kLabels[best], per_mille / 10, per_mille % 10);
}

}  // namespace

int main() {
  tflite::InitializeTarget();
  const tflite::Model* model = tflite::GetModel(network::kModel);
  if (model->version() != TFLITE_SCHEMA_VERSION) {
    MicroPrintf("schema %d, expected %d", static_cast<int>(model->version()),
                TFLITE_SCHEMA_VERSION);
    return 1;
  }
  static network::Resolver resolver;
  if (network::AddOperators(resolver) != kTfLiteOk) return 1;
  static tflite::MicroInterpreter interpreter(model, resolver, arena, sizeof(arena));
  if (interpreter.AllocateTensors() != kTfLiteOk) {
    MicroPrintf("an arena of %d bytes is too small: make network::kArenaBytes larger",
                static_cast<int>(sizeof(arena)));
    return 1;
  }
  MicroPrintf("arena: %d of %d bytes used", static_cast<int>(interpreter.arena_used_bytes()),
              static_cast<int>(sizeof(arena)));

  // In place of the golden input: network::InputFromPixels(camera, interpreter.input(0)->data.int8)
  for (int index = 0; index < network::kInputCount; ++index) {
    std::memcpy(interpreter.input(index)->data.int8, network::kGoldenInputs[index],
                network::kInputs[index].bytes);
  }
  if (interpreter.Invoke() != kTfLiteOk) return 1;

  int differing = 0;
  for (int index = 0; index < network::kOutputCount; ++index) {
    const std::int8_t* output = interpreter.output(index)->data.int8;
    for (int at = 0; at < network::kOutputs[index].bytes; ++at) {
      differing += output[at] != network::kGoldenOutputs[index][at];
    }
  }
  if (network::kLabelCount > 0) PrintBest(interpreter.output(0)->data.int8);
  MicroPrintf("golden: %s, %d integers differ", differing ? "differs" : "equal", differing);
  return differing ? 1 : 0;
}
