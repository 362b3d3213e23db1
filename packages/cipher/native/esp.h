// Exports the calls for ESP.
#pragma once

#include <node_api.h>

namespace culvert {

void ExportEsp(napi_env env, napi_value exports);

}  // namespace culvert
