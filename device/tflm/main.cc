// A main loop: one window of int8 features in, int8 logits out.
#include <cstdint>
#include <cstring>

#include "model_data.h"
#include "op_resolver.h"
#include "tensorflow/lite/micro/micro_interpreter.h"
#include "tensorflow/lite/schema/schema_generated.h"

// Yours: fills the window with int8 features, the oldest frame first (report.json says
// how they are made), and takes the logits. Return false to stop.
extern bool FillWindow(int8_t* window, size_t size);
extern void TakeLogits(const int8_t* logits, size_t size);

alignas(16) static uint8_t tensor_arena[kTensorArenaSize];

int main() {
  StudentOpResolver resolver;
  if (AddStudentOps(resolver) != kTfLiteOk) return 1;
  tflite::MicroInterpreter interpreter(tflite::GetModel(kModelData), resolver,
                                       tensor_arena, kTensorArenaSize);
  if (interpreter.AllocateTensors() != kTfLiteOk) return 2;
  TfLiteTensor* input = interpreter.input(0);
  TfLiteTensor* output = interpreter.output(0);
  while (FillWindow(input->data.int8, input->bytes)) {
    if (interpreter.Invoke() != kTfLiteOk) return 3;
    TakeLogits(output->data.int8, output->bytes);
  }
  return 0;
}
