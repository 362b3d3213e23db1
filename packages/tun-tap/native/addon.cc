#include "descriptors.h"
#include "functions.h"

NAPI_MODULE_INIT() {
  using namespace culvert;
  static const Function functions[] = {
      {"openClone", OpenClone},
      {"adopt", Adopt},
      {"release", Release},
      {"attach", Attach},
      {"nameOf", NameOf},
      {"flagsOf", FlagsOf},
      {"setPersist", SetPersist},
      {"setOffload", SetOffload},
      {"setHeaderSize", SetHeaderSize},
      {"getMtu", GetMtu},
      {"setMtu", SetMtu},
      {"setUp", SetUp},
      {"bind", BindArrays},
      {"readBatch", ReadBatch},
      {"writeBatch", WriteBatch},
      {"watch", WatchDescriptor},
      {"close", CloseDescriptor},
  };
  if (!Descriptors::Install(env) || !Export(env, exports, functions)) return nullptr;
  return exports;
}
