// One TLS session over two memory BIOs.
#pragma once

#include "napi.h"

namespace culvert {

void ExportEngine(napi_env env, napi_value exports);

}  // namespace culvert
