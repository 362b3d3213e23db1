// The addon holds no state of its own: contexts and engines live in externals, so any number of threads may load it.
#include "context.h"
#include "engine.h"

NAPI_MODULE_INIT() {
  culvert::ExportContext(env, exports);
  culvert::ExportEngine(env, exports);
  return exports;
}
