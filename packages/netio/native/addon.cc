#include "descriptors.h"
#include "functions.h"

NAPI_MODULE_INIT() {
  using namespace culvert;
  static const Function functions[] = {
      {"parseAddress", ParseAddress},
      {"formatAddress", FormatAddress},
      {"openUdp", OpenUdp},
      {"openRawIp", OpenRawIp},
      {"localOf", LocalOf},
      {"setBuffer", SetBuffer},
      {"getBuffer", GetBuffer},
      {"getQueued", GetQueued},
      {"prepareTrains", PrepareTrains},
      {"setCoalescing", SetCoalescing},
      {"setSteering", SetSteering},
      {"takeError", TakeError},
      {"pathMtu", PathMtu},
      {"setTimeSlice", SetTimeSlice},
      {"trimMemory", TrimMemory},
      {"bind", BindArrays},
      {"receiveBatch", ReceiveBatch},
      {"sendBatch", SendBatch},
      {"sendOne", SendOne},
      {"watch", WatchDescriptor},
      {"close", CloseDescriptor},
  };
  if (!Descriptors::Install(env) || !Export(env, exports, functions)) return nullptr;
  return exports;
}
